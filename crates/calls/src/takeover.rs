//! A conversation moves to another telephone: from an agent's desk to the pocket, or from a caller to a colleague in the caller's own house.
//!
//! The other telephone calls us with Replaces (RFC 3891). An agent's does so under the agent's own password, while agent and caller talk: what
//! an agent is told, or asks of somebody outside, stays with the phone that began it. A caller's comes over the line of the call itself: the
//! secretary has asked to be put through, and puts the head of the house in their place (RFC 5589 section 7). Nobody is called by us for that, so
//! it costs nobody anything. Once it has our 200 it has a part in the call: should the other one leave before the ACK has come, the call is its own
//! there and then. The other way, a REFER by which we would have to call somebody for a caller, is refused (603): whoever may have a city's
//! lines call numbers of their choice lives on it. Whoever is on the other end hears nothing of either.

use crate::call::{Call, Leg, Reached, Sound, Stage};
use crate::engine::{Engine, Owner};
use crate::heard::Invite;
use crate::identity;
use crate::record::Record;
use crate::terms::{Terms, music_of};
use media::{Command as Media, OnKey};
use model::{DialogId, MixId, Now, Refusal};

/// The phone that takes over, until it has said that it is there.
#[derive(Debug)]
pub(crate) struct Takeover {
    leg: Leg,
    step: Step,
    of: Of,
    /// Whoever is there asks to stay unnamed.
    unnamed: bool,
}

/// How far it has come.
#[derive(Debug)]
enum Step {
    /// Its media session opens; then this offer is answered, or ours made where there is none.
    Opening(Option<Box<sdp::Description>>),
    /// It has our 200.
    Answered,
}

/// Whose place it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Agent,
    Caller,
}

impl Takeover {
    fn offer(&self) -> Option<&sdp::Description> {
        match &self.step {
            Step::Opening(offer) => offer.as_deref(),
            Step::Answered => None,
        }
    }
}

impl Engine {
    /// An agent's phone wants the place of another.
    pub(crate) fn on_replaces(&mut self, now: Now, agent: &str, invite: &Invite, replaced: DialogId) {
        let dialog = invite.dialog;
        let owner = self.dialogs.get(&replaced).and_then(|thread| self.legs.get(&thread.leg)).copied();
        let Some(Owner::Agent(id)) = owner else { return self.refuse(now, dialog, Refusal::Forbidden) };
        self.with_call(now, id, |engine, call| {
            let theirs = match &call.stage {
                Stage::Talking(_, side, _) => side.agent.as_str() == agent && side.leg.dialog == replaced && call.consult.is_none(),
                Stage::Opening(_)
                | Stage::Answering
                | Stage::Menu
                | Stage::Waiting(_)
                | Stage::Ringing(..)
                | Stage::Whispering(..)
                | Stage::Consulting(..)
                | Stage::Through(..)
                | Stage::Over => false,
            };
            engine.begin_takeover(now, call, invite, theirs.then_some(Of::Agent));
        });
    }

    /// A telephone of the caller's house wants the caller's place.
    pub(crate) fn on_replaces_caller(&mut self, now: Now, invite: &Invite, replaced: DialogId) {
        let dialog = invite.dialog;
        let owner = self.dialogs.get(&replaced).and_then(|thread| self.legs.get(&thread.leg)).copied();
        let Some(Owner::Caller(id)) = owner else { return self.refuse(now, dialog, Refusal::Forbidden) };
        let line = |engine: &Engine, ip| engine.line_of(ip).map(|line| line.id.clone());
        let theirs = line(self, invite.source.ip());
        self.with_call(now, id, |engine, call| {
            let same = call.leg.peer.is_some_and(|peer| line(engine, peer) == theirs);
            let may = same && call.leg.dialog == replaced && may_move(call);
            engine.begin_takeover(now, call, invite, may.then_some(Of::Caller));
        });
    }

    /// A session is opened for a telephone that may take over.
    fn begin_takeover(&mut self, now: Now, call: &mut Call, invite: &Invite, of: Option<Of>) {
        let (id, dialog) = (call.id, invite.dialog);
        let Some(of) = of.filter(|_| call.takeover.is_none()) else { return self.refuse(now, dialog, Refusal::Forbidden) };
        let Ok(offer) = invite.offer.as_ref().map(|sdp| sdp::parse(sdp)).transpose() else {
            return self.refuse(now, dialog, Refusal::NoCodec);
        };
        let next = call.legs_made.checked_add(1);
        let leg = next.and_then(|_| self.make_leg(id, call.legs_made, dialog, invite.source.ip(), Owner::Takeover(id)));
        let Some(leg) = leg else { return self.refuse(now, dialog, Refusal::NoPort) };
        if self.first_terms(&leg, offer.as_ref()).is_err() {
            self.forget_leg(&leg);
            return self.refuse(now, dialog, Refusal::NoCodec);
        }
        let unnamed = identity::who(invite, false).withheld.is_some();
        call.legs_made = call.legs_made.saturating_add(1);
        let local = self.bind_addr(&leg);
        self.media(call.after, leg.id, Media::Open { local });
        call.takeover = Some(Box::new(Takeover { leg, step: Step::Opening(offer.map(Box::new)), of, unnamed }));
    }

    /// The media session of the phone that takes over says something.
    pub(crate) fn on_takeover_media(&mut self, now: Now, call: &mut Call, event: &media::Event) {
        let Some(takeover) = &mut call.takeover else { return };
        let dialog = takeover.leg.dialog;
        match event {
            media::Event::Opened(_) => match self.first_terms(&takeover.leg, takeover.offer()) {
                Ok((sdp, agreed)) => {
                    takeover.step = Step::Answered;
                    self.sip.handle_command(now, sip::Command::Accept { dialog, sdp });
                    if let Some(agreed) = agreed {
                        self.connect(call.after, &mut takeover.leg, agreed);
                    }
                }
                Err(_) => self.drop_takeover(now, call),
            },
            media::Event::OpenFailed(_) => {
                if self.open_elsewhere(call.after, &mut takeover.leg) {
                    return;
                }
                self.drop_leg(&takeover.leg);
                self.refuse(now, dialog, Refusal::NoPort);
                call.takeover = None;
            }
            // Until it has taken over it says nothing that matters.
            media::Event::Silent
            | media::Event::Played { .. }
            | media::Event::Digit(..)
            | media::Event::Recorded { .. }
            | media::Event::Closed(_) => {}
        }
    }

    /// The phone that takes over says something.
    pub(crate) fn on_takeover_sip(&mut self, now: Now, call: &mut Call, event: &sip::Event) {
        let Some(takeover) = &mut call.takeover else { return };
        match event {
            sip::Event::Acked { .. } => self.take_over_leg(now, call),
            sip::Event::AsksForPrivacy { .. } => takeover.unnamed = true,
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                let terms = self.handle_terms(now, call.after, &mut takeover.leg, event);
                if terms == Terms::Broken {
                    self.drop_takeover(now, call);
                }
            }
            sip::Event::Cancelled { .. } | sip::Event::Bye { .. } | sip::Event::AckMissing { .. } | sip::Event::PeerLost { .. } => {
                self.drop_takeover(now, call);
            }
            // These belong to dialogs that we opened, or say nothing that matters here.
            _ => {}
        }
    }

    /// It is there: the conversation is its own, and the other phone is let go.
    fn take_over_leg(&mut self, now: Now, call: &mut Call) {
        match call.takeover.as_ref().map(|takeover| takeover.of) {
            Some(Of::Agent) => self.take_over_agent(now, call),
            Some(Of::Caller) => self.take_over_caller(now, call),
            None => {}
        }
    }

    /// Whoever was there has left. Whether another phone has our 200, and the call is its own from here on.
    ///
    /// RFC 3891 section 3 would have us let the other phone go as soon as we accept. We wait for the ACK, so that nobody is cut off for a phone that is not there;
    /// but for no longer than the other one does.
    pub(crate) fn goes_on_elsewhere(&mut self, now: Now, call: &mut Call, of: Of) -> bool {
        let waits = |takeover: &Takeover| takeover.of == of && matches!(takeover.step, Step::Answered);
        let Some(leg) = call.takeover.as_deref().filter(|takeover| waits(takeover)).map(|takeover| takeover.leg.id) else { return false };
        self.take_over_leg(now, call);
        // Else the call has come to where nobody may take over.
        call.leg.id == leg || call.agent_side().is_some_and(|side| side.leg.id == leg)
    }

    fn take_over_agent(&mut self, now: Now, call: &mut Call) {
        let Stage::Talking(_, side, _) = &mut call.stage else { return self.drop_takeover(now, call) };
        let Some(takeover) = call.takeover.take() else { return };
        let before = std::mem::replace(&mut side.leg, takeover.leg);
        (side.keys, side.refers) = (None, None);
        let leg = side.leg.id;
        self.legs.insert(leg, Owner::Agent(call.id));
        self.sip.handle_command(now, sip::Command::Bye { dialog: before.dialog });
        self.close_leg(call.after, &before);
        self.media(call.after, leg, Media::Join(MixId(call.id.0)));
    }

    /// Whoever has taken the caller's place hears what the caller heard.
    fn take_over_caller(&mut self, now: Now, call: &mut Call) {
        // A menu that began to speak meanwhile is not for somebody who has not heard its beginning.
        if !may_move(call) {
            return self.drop_takeover(now, call);
        }
        let Some(takeover) = call.takeover.take() else { return };
        if takeover.unnamed {
            self.withhold(call);
        }
        let before = std::mem::replace(&mut call.leg, takeover.leg);
        let leg = call.leg.id;
        call.cause = None;
        self.legs.insert(leg, Owner::Caller(call.id));
        if let Some(state) = self.sip.dialog(call.leg.dialog) {
            let sip_call_id = self.vault.call_name(&state.call_id);
            call.after = self.commit(Record::Dialog { call: call.id, sip_call_id, local_tag: state.local_tag });
        }
        self.sip.handle_command(now, sip::Command::Bye { dialog: before.dialog });
        self.close_callers_leg(call, &before);
        match &call.stage {
            Stage::Talking(..) => self.media(call.after, leg, Media::Join(MixId(call.id.0))),
            Stage::Through(..) => {
                self.media(call.after, leg, Media::Join(MixId(call.id.0)));
                self.media(call.after, leg, Media::PassKeys);
            }
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Whispering(..)
            | Stage::Consulting(..)
            | Stage::Over => {
                if let (Sound::Music(_), Some(music)) = (call.sound, music_of(call)) {
                    self.play(call, &[music], OnKey::Ignore, true);
                }
            }
        }
    }

    /// Nobody takes over: the call is over, or the phone gave up.
    pub(crate) fn drop_takeover(&mut self, now: Now, call: &mut Call) {
        if let Some(takeover) = call.takeover.take() {
            self.sip.handle_command(now, sip::Command::Bye { dialog: takeover.leg.dialog });
            self.close_leg(call.after, &takeover.leg);
        }
    }
}

/// Whether somebody else may go on in the caller's place: in a conversation, and where music is all that the caller hears.
fn may_move(call: &Call) -> bool {
    match &call.stage {
        Stage::Talking(..) => call.consult.is_none(),
        Stage::Through(called, _) => matches!(called.reached, Reached::Joined(_)),
        Stage::Waiting(_) | Stage::Ringing(..) => matches!(call.sound, Sound::Music(_)),
        Stage::Opening(_) | Stage::Answering | Stage::Menu | Stage::Whispering(..) | Stage::Consulting(..) | Stage::Over => false,
    }
}
