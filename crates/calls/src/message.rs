//! Messages that callers leave: the box is asked first, then it beeps, and only from then on is anything recorded.
//!
//! A message outlives its call: whoever hangs up in the middle has left what was said by then. Where frames become a file is the edge's
//! business ([`Tape`]); here is decided what counts as a message. A number to call back is sealed, as for callbacks.

use crate::call::{Call, Sound};
use crate::engine::Engine;
use crate::face::{Act, Slip, Tape, TapeSays};
use flow::Heard;
use media::{Command as Media, OnKey, RecordEnd};
use model::{CallId, Event, Instant, LegId, MailboxId, MessageEnd, Millis, NotKept, Now, Number, PlayId, RecordId, Seq};
use std::time::Duration;

/// Less is a caller who hung up at the beep, or a cough.
const LEAST: Duration = Duration::from_secs(1);

/// One message, until its file is closed.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) call: CallId,
    /// Whether the flow still waits for what becomes of it.
    awaited: bool,
    leg: LegId,
    mailbox: MailboxId,
    after: Seq,
    max: Duration,
    silence: Duration,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The box is asked whether it takes a message.
    Asking,
    Beeping(PlayId),
    /// Since then; whether something of ours has broken off.
    Recording(Instant, bool),
    /// It was full: the caller hears so.
    LastBeep(PlayId, Duration),
    /// The file is being closed; whether to be kept.
    Closing(MessageEnd, bool),
}

impl Engine {
    /// The flow wants a message.
    pub(crate) fn take_message(&mut self, now: Now, call: &mut Call, mailbox: MailboxId, max: Duration, silence: Duration) {
        self.hush(call);
        for other in self.messages.values_mut().filter(|message| message.call == call.id) {
            other.awaited = false;
        }
        self.last_record += 1;
        let id = RecordId(self.last_record);
        let number = Number::parse(call.caller.reveal()).ok();
        let slip = Slip {
            mailbox: mailbox.clone(),
            call: call.id,
            begun: now.wall,
            caller: call.caller_written(),
            lang: call.run.lang().clone(),
            sealed: number.map(|number| self.vault.seal_message(&mut self.random, call.id, &number)),
        };
        let message =
            Message { call: call.id, awaited: true, leg: call.leg.id, mailbox, after: call.after, max, silence, stage: Stage::Asking };
        self.messages.insert(id, message);
        self.act(call.after, Act::Tape(id, Tape::Open(Box::new(slip))));
    }

    /// The caller has said what was to be said.
    pub(crate) fn stop_message(&mut self, call: &mut Call) {
        let Some((id, message)) = self.messages.iter_mut().find(|(_, message)| message.call == call.id && message.awaited) else { return };
        let (id, after) = (*id, message.after);
        match message.stage {
            Stage::Asking => message.stage = Stage::Closing(MessageEnd::Key, false),
            Stage::Beeping(play) => {
                message.stage = Stage::Closing(MessageEnd::Key, false);
                self.media(after, call.leg.id, Media::Stop(play));
                self.act(after, Act::Tape(id, Tape::Close { keep: false }));
            }
            Stage::Recording(..) => self.media(after, call.leg.id, Media::StopRecord(id)),
            Stage::LastBeep(_, spoken) => self.close_message(id, MessageEnd::Full, spoken),
            Stage::Closing(..) => {}
        }
    }

    /// The room where messages are kept says something.
    pub(crate) fn on_tape(&mut self, now: Now, id: RecordId, says: TapeSays) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let (after, leg, call) = (message.after, message.leg, message.call);
        match says {
            TapeSays::Ready => match message.stage {
                Stage::Asking if self.calls.contains_key(&call) => {
                    let play = self.next_play();
                    if let Some(message) = self.messages.get_mut(&id) {
                        message.stage = Stage::Beeping(play);
                    }
                    self.beep(after, leg, play);
                }
                // The caller is gone, or has changed their mind.
                Stage::Asking | Stage::Closing(..) => self.act(after, Act::Tape(id, Tape::Close { keep: false })),
                Stage::Beeping(_) | Stage::Recording(..) | Stage::LastBeep(..) => {}
            },
            TapeSays::Failed => match &mut message.stage {
                Stage::Recording(_, broken) => {
                    *broken = true;
                    self.media(after, leg, Media::StopRecord(id));
                }
                Stage::Asking | Stage::Beeping(_) | Stage::LastBeep(..) | Stage::Closing(..) => self.not_kept(now, id, NotKept::NotWritten),
            },
            TapeSays::Refused(why) => self.not_kept(now, id, why),
            TapeSays::Dropped => {
                // Broken off before anything was said: the caller had no chance.
                let broken = matches!(message.stage, Stage::Closing(MessageEnd::BrokenOff, _));
                self.not_kept(now, id, if broken { NotKept::NotWritten } else { NotKept::Empty });
            }
            TapeSays::Kept { length } => {
                let how = if let Stage::Closing(how, _) = message.stage { how } else { MessageEnd::BrokenOff };
                let Some(message) = self.messages.remove(&id) else { return };
                self.note(Event::MessageLeft { call, mailbox: message.mailbox, length: Millis::from(length), how });
                if message.awaited {
                    self.with_call(now, call, |engine, call| {
                        call.left_message = true;
                        // What was said so far is kept, but the caller had more to say: somebody must hear it.
                        let heard = if how == MessageEnd::BrokenOff { Heard::NotRecorded } else { Heard::Recorded { kept: true } };
                        engine.tell(now, call, heard);
                    });
                }
            }
        }
    }

    fn not_kept(&mut self, now: Now, id: RecordId, why: NotKept) {
        let Some(message) = self.messages.remove(&id) else { return };
        self.note(Event::MessageNotKept { call: message.call, mailbox: message.mailbox, why });
        if message.awaited {
            self.with_call(now, message.call, |engine, call| {
                engine.tell(now, call, if why == NotKept::Empty { Heard::Recorded { kept: false } } else { Heard::NotRecorded });
            });
        }
    }

    /// A beep of ours has sounded, if this is one. True if so.
    pub(crate) fn on_beep(&mut self, now: Now, call: &Call, play: PlayId) -> bool {
        let beeps = |message: &Message| matches!(message.stage, Stage::Beeping(id) | Stage::LastBeep(id, _) if id == play);
        let found = self.messages.iter_mut().find(|(_, message)| message.call == call.id && beeps(message));
        let Some((id, message)) = found.map(|(id, message)| (*id, message)) else { return false };
        match message.stage {
            Stage::LastBeep(_, spoken) => self.close_message(id, MessageEnd::Full, spoken),
            Stage::Beeping(_) => {
                message.stage = Stage::Recording(now.mono, false);
                let (after, max, silence) = (message.after, message.max, message.silence);
                self.media(after, call.leg.id, Media::Record { id, max, silence });
            }
            Stage::Asking | Stage::Recording(..) | Stage::Closing(..) => {}
        }
        true
    }

    /// A recording is over; its leg may be gone already.
    pub(crate) fn on_recorded(&mut self, id: RecordId, how: RecordEnd, spoken: Duration, length: Duration) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let (after, leg, call) = (message.after, message.leg, message.call);
        let broken = matches!(message.stage, Stage::Recording(_, true));
        // What nobody spoke in is nothing; what is shorter than a second is nothing that was meant.
        let spoken = if length < LEAST { Duration::ZERO } else { spoken };
        let end = match how {
            RecordEnd::Stopped if !broken => MessageEnd::Key,
            RecordEnd::Stopped | RecordEnd::Lost => MessageEnd::BrokenOff,
            RecordEnd::Silent => MessageEnd::Silence,
            RecordEnd::Closed => MessageEnd::HungUp,
            RecordEnd::Full if self.calls.contains_key(&call) => {
                let play = self.next_play();
                if let Some(message) = self.messages.get_mut(&id) {
                    message.stage = Stage::LastBeep(play, spoken);
                }
                return self.beep(after, leg, play);
            }
            RecordEnd::Full => MessageEnd::Full,
        };
        self.close_message(id, end, spoken);
    }

    fn close_message(&mut self, id: RecordId, end: MessageEnd, spoken: Duration) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        let (after, keep) = (message.after, !spoken.is_zero());
        message.stage = Stage::Closing(end, keep);
        self.act(after, Act::Tape(id, Tape::Close { keep }));
    }

    /// Whether a message of this call is being recorded that is long enough to count.
    pub(crate) fn leaves_message(&self, now: Now, call: &Call) -> bool {
        let counts = |message: &Message| match message.stage {
            Stage::Asking | Stage::Beeping(_) => false,
            Stage::Recording(since, _) => now.mono.since(since) >= LEAST,
            Stage::LastBeep(_, spoken) => !spoken.is_zero(),
            Stage::Closing(_, keep) => keep,
        };
        self.messages.values().any(|message| message.call == call.id && counts(message))
    }

    fn beep(&mut self, after: Seq, leg: LegId, play: PlayId) {
        let clips = vec![std::sync::Arc::clone(&self.tones.beep)];
        self.media(after, leg, Media::Play { id: play, clips, on_key: OnKey::Ignore, repeat: false });
    }

    /// The call ends. True if a message is kept of it, or will be.
    pub(crate) fn end_message(&mut self, now: Now, call: &mut Call) -> bool {
        let mut kept = call.left_message;
        let mine: Vec<RecordId> = self.messages.iter().filter(|(_, message)| message.call == call.id).map(|(id, _)| *id).collect();
        for id in mine {
            let Some(message) = self.messages.get_mut(&id) else { continue };
            message.awaited = false;
            match message.stage {
                // The box has not answered yet: when it does, nobody is there.
                Stage::Asking => {}
                Stage::Beeping(_) => self.close_message(id, MessageEnd::HungUp, Duration::ZERO),
                // The session says how it ended when it is closed.
                Stage::Recording(since, _) => kept |= now.mono.since(since) >= LEAST,
                Stage::LastBeep(_, spoken) => {
                    kept |= !spoken.is_zero();
                    self.close_message(id, MessageEnd::Full, spoken);
                }
                Stage::Closing(_, keep) => kept |= keep,
            }
        }
        if kept {
            call.sound = Sound::Quiet;
        }
        kept
    }
}
