//! Putting a caller through: an agent's star codes within a call, and a flow's wish to transfer.
//!
//! `*2CODE` asks first and `*3CODE` asks somebody in, while the agent stays; `*6CODE` lets go at once. While the agent has somebody on the
//! line: `*4` makes it three, `*5` or hanging up hands over, `*0` takes the caller back. What comes to nothing is told to the agent by a
//! sentence or a tone, and the caller is never cut off: they are back with the agent, or at the front of the queue, at their old age.

use crate::call::{AgentSide, Back, Call, Called, Keys, Reached, Stage, Ticket};
use crate::engine::{Engine, Owner};
use crate::offer::house_lang;
use crate::outbound::{Came, Whom};
use crate::record::Record;
use crate::terms::music_of;
use flow::{Heard, Spoken};
use media::{Clip, Command as Media, OnKey};
use model::{
    AgentId, DialogId, Digit, Event, Instant, LegId, LineId, MixId, Now, OfferEnd, Party, PlayId, PromptId, QueueEnd, Seq, TransferEnd,
    TransferKind,
};
use std::sync::Arc;
use std::time::Duration;

/// Between two keys of a star code; then it counts as it stands.
const KEY_GAP: Duration = Duration::from_secs(4);
/// How long it rings outside, and how long there is to accept, when an agent asks for it.
const RING: Duration = Duration::from_secs(30);
/// The key by which the other side accepts.
const ACCEPT: char = '1';

impl Engine {
    // ---- the agent's keys ----------------------------------------------------------------------------------------------------

    /// A key of the agent's. Outside star codes it means nothing to us: it may be meant for a machine at the other end.
    pub(crate) fn on_agent_key(&mut self, now: Now, call: &mut Call, digit: Digit) {
        if !matches!(call.stage, Stage::Talking(..) | Stage::Consulting(..)) {
            return;
        }
        let Some(side) = call.agent_side_mut() else { return };
        let until = now.mono + KEY_GAP;
        match (digit.as_char(), &mut side.keys) {
            ('*', keys) => *keys = Some(Keys { typed: "*".to_owned(), until }),
            (_, None) => {}
            ('#', keys) => {
                let typed = keys.take().map(|keys| keys.typed).unwrap_or_default();
                self.star_code(now, call, &typed);
            }
            (key, Some(keys)) => {
                keys.typed.push(key);
                keys.until = until;
                let typed = keys.typed.clone();
                if self.says_all(&typed) {
                    side.keys = None;
                    self.star_code(now, call, &typed);
                }
            }
        }
    }

    /// No more keys came.
    pub(crate) fn on_agent_keys_late(&mut self, now: Now, call: &mut Call) {
        let Some(side) = call.agent_side_mut() else { return };
        if let Some(keys) = side.keys.take_if(|keys| keys.until <= now.mono) {
            self.star_code(now, call, &keys.typed);
        }
    }

    /// Whether no further key could make another code of it.
    fn says_all(&self, typed: &str) -> bool {
        match split(typed) {
            Some(('2' | '3' | '6', code)) => {
                !code.is_empty() && !self.codes().any(|other| other.len() > code.len() && other.starts_with(code))
            }
            Some(_) => true,
            None => false,
        }
    }

    fn codes(&self) -> impl Iterator<Item = &str> {
        let book = &self.city.book;
        let lines = book.lines.iter().filter_map(|line| line.target.as_ref()?.code.as_ref());
        lines.chain(book.queues.values().filter_map(|queue| queue.code.as_ref())).map(|code| code.as_str())
    }

    /// Whether this is a code of a line or of a queue.
    pub(crate) fn is_code(&self, code: &str) -> bool {
        self.codes().any(|ours| ours == code)
    }

    /// The line that has this code.
    pub(crate) fn line_of_code(&self, code: &str) -> Option<LineId> {
        let has =
            |line: &&model::Line| line.target.as_ref().and_then(|target| target.code.as_ref()).is_some_and(|ours| ours.as_str() == code);
        self.city.book.lines.iter().find(has).map(|line| line.id.clone())
    }

    fn star_code(&mut self, now: Now, call: &mut Call, typed: &str) {
        let talking = matches!(call.stage, Stage::Talking(..)) && call.consult.is_none();
        match split(typed) {
            // Broken off before it said anything.
            None | Some(('2' | '3' | '6', "")) => {}
            Some(('2', code)) if talking => self.transfer_to(now, call, TransferKind::Warm, code),
            Some(('3', code)) if talking => self.transfer_to(now, call, TransferKind::ThreeWay, code),
            Some(('6', code)) if talking => self.transfer_to(now, call, TransferKind::Blind, code),
            Some(('4', "")) if !talking => self.make_three(now, call),
            Some(('5', "")) if !talking => self.hand_over(now, call),
            Some(('0', "")) if !talking => self.back_to_agent(now, call, None),
            Some(_) => self.tell_agent(call, None),
        }
    }

    pub(crate) fn transfer_to(&mut self, now: Now, call: &mut Call, kind: TransferKind, code: &str) {
        let book = Arc::clone(&self.city.book);
        let queue = book.queues.values().find(|queue| queue.code.as_ref().is_some_and(|ours| ours.as_str() == code));
        match (self.line_of_code(code), queue) {
            (Some(line), _) => self.call_line(now, call, kind, line),
            // Nobody in a queue can be asked beforehand, or asked in.
            (None, Some(queue)) if kind != TransferKind::ThreeWay => self.send_to_queue(now, call, queue),
            (None, _) => self.tell_agent(call, None),
        }
    }

    // ---- the beginning -------------------------------------------------------------------------------------------------------

    /// The agent wants somebody outside.
    fn call_line(&mut self, now: Now, call: &mut Call, kind: TransferKind, line: LineId) {
        let Stage::Talking(_, side, _) = &call.stage else { return };
        let by = Some(side.agent.clone());
        let brief = if kind == TransferKind::Warm { self.brief_of_house(call) } else { None };
        let called = match self.call_for(now, call, kind, by.clone(), &line, brief, now.mono + RING) {
            Ok(called) => called,
            Err(how) => {
                self.note_transfer(call, line.to_string(), kind, by, how);
                return self.tell_agent(call, Some(how));
            }
        };
        let Stage::Talking(ticket, side, since) = std::mem::replace(&mut call.stage, Stage::Over) else { return };
        let mut called = Box::new(called);
        match kind {
            TransferKind::Warm => {
                self.part_caller(call);
                let ringback = Arc::clone(&self.tones.ringback);
                called.ringback = Some(self.play_on(call.after, side.leg.id, vec![ringback], true));
                call.stage = Stage::Consulting(ticket, side, since, called);
            }
            TransferKind::ThreeWay => call.stage = Stage::Consulting(ticket, side, since, called),
            TransferKind::Blind | TransferKind::Queue => {
                self.let_agent_go(now, call, &side, since);
                self.part_caller(call);
                call.stage = Stage::Through(called, Back::Agent(ticket));
            }
        }
    }

    /// The agent asks a line by a second call of their phone.
    ///
    /// # Errors
    /// When nobody was called, and why.
    pub(crate) fn call_ward(&mut self, now: Now, call: &mut Call, line: &LineId) -> Result<Called, TransferEnd> {
        let by = call.agent_side().map(|side| side.agent.clone());
        let brief = self.brief_of_house(call);
        self.call_for(now, call, TransferKind::Warm, by, line, brief, now.mono + RING)
    }

    /// The flow wants somebody outside for the caller, who hears what the flow last asked for.
    ///
    /// # Errors
    /// When nobody was called, and why: the caller is where they were.
    pub(crate) fn transfer_by_flow(
        &mut self,
        now: Now,
        call: &mut Call,
        line: LineId,
        brief: Option<Vec<Spoken>>,
        timeout: Duration,
        keep_place: bool,
    ) -> Result<(), TransferEnd> {
        if !call.listens() {
            return Err(TransferEnd::Failed);
        }
        let kind = if brief.is_some() { TransferKind::Warm } else { TransferKind::Blind };
        let brief = brief.map(|mut brief| {
            brief.push(sentence(call, "transfer_accept"));
            brief
        });
        let called = match self.call_for(now, call, kind, None, &line, brief, now.mono + timeout) {
            Ok(called) => called,
            Err(how) => {
                self.note_transfer(call, line.to_string(), kind, None, how);
                return Err(how);
            }
        };
        let back = match (call.in_queue(), keep_place) {
            (false, _) => Back::Flow,
            (true, false) => {
                self.leave_queue(now, call, QueueEnd::Moved);
                Back::Flow
            }
            (true, true) => {
                self.drop_offer(now, call, OfferEnd::Withdrawn);
                match std::mem::replace(&mut call.stage, Stage::Over) {
                    Stage::Waiting(ticket) => Back::Kept(ticket),
                    Stage::Opening(_)
                    | Stage::Answering
                    | Stage::Menu
                    | Stage::Ringing(..)
                    | Stage::Whispering(..)
                    | Stage::Talking(..)
                    | Stage::Consulting(..)
                    | Stage::Through(..)
                    | Stage::Over => Back::Flow,
                }
            }
        };
        if let Some(ticket) = back.ticket() {
            // For routing the caller is away meanwhile, so that nobody is asked for them; the journal keeps the place.
            self.acd.leave(now.mono, ticket.id);
        }
        call.stage = Stage::Through(Box::new(called), back);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each of them is a different thing")]
    fn call_for(
        &mut self,
        now: Now,
        call: &mut Call,
        kind: TransferKind,
        by: Option<AgentId>,
        line: &LineId,
        brief: Option<Vec<Spoken>>,
        until: Instant,
    ) -> Result<Called, TransferEnd> {
        let index = call.legs_made;
        call.legs_made = index.checked_add(1).ok_or(TransferEnd::Failed)?;
        let whom = Whom::Line(line.clone());
        let outside = self.call_out(now, call.id, index, Owner::Outside(call.id), whom, call.number.clone(), until, by.clone())?;
        call.after = call.after.max(outside.after);
        Ok(Called { outside, kind, by, brief, reached: Reached::Calling, ringback: None })
    }

    /// What a line hears before it accepts, when an agent asks; nothing is asked of it where the house has no words for that.
    fn brief_of_house(&self, call: &Call) -> Option<Vec<Spoken>> {
        let words = ["transfer_brief", "transfer_accept"].map(|key| sentence(call, key));
        call.city.clips.contains_key(&words[1]).then(|| words.into())
    }

    /// The caller goes to another queue, at the same age, and not back to this agent.
    fn send_to_queue(&mut self, now: Now, call: &mut Call, queue: &model::Queue) {
        let Stage::Talking(ticket, side, since) = std::mem::replace(&mut call.stage, Stage::Over) else { return };
        let (to, by) = (queue.id.to_string(), Some(side.agent.clone()));
        let Some(mut wanted) = call.claim.clone() else {
            call.stage = Stage::Talking(ticket, side, since);
            return self.tell_agent(call, None);
        };
        wanted.queue = queue.id.clone();
        wanted.needs = queue.needs_for(call.run.lang());
        wanted.preferred = None;
        if !wanted.excluded.contains(&side.agent) {
            wanted.excluded.push(side.agent.clone());
        }
        if let Some(why) = self.acd.refuses(&wanted) {
            let how = match why {
                QueueEnd::Full => TransferEnd::AtCapacity,
                QueueEnd::NobodyLoggedIn => TransferEnd::NoAnswer,
                QueueEnd::Closed | QueueEnd::Answered | QueueEnd::Abandoned | QueueEnd::Moved => TransferEnd::Failed,
            };
            call.stage = Stage::Talking(ticket, side, since);
            self.note_transfer(call, to, TransferKind::Queue, by, how);
            return self.tell_agent(call, Some(how));
        }
        self.let_agent_go(now, call, &side, since);
        self.media(call.after, call.leg.id, Media::Leave);
        self.note_transfer(call, to.clone(), TransferKind::Queue, by, TransferEnd::Connected);
        call.put_through = Some(to);
        call.owed = true;
        call.last_queue = Some(queue.id.clone());
        call.claim = Some(wanted.clone());
        call.stage = Stage::Waiting(Ticket { id: ticket.id, queue: queue.id.clone() });
        self.acd.enqueue(now.mono, wanted);
        self.tell(now, call, Heard::Returned);
    }

    // ---- somebody outside ----------------------------------------------------------------------------------------------------

    /// The media session of somebody outside says something.
    pub(crate) fn on_outside_media(&mut self, now: Now, call: &mut Call, leg: LegId, event: &media::Event) {
        let Some(called) = call.called_mut().filter(|called| called.outside.leg.id == leg) else { return };
        if let media::Event::Digit(digit, _) = event {
            if called.reached == Reached::Briefed && digit.as_char() == ACCEPT {
                self.accepted(now, call);
            }
            return;
        }
        let came = self.outside_media(now, &mut called.outside, event);
        self.outside_came(now, call, came);
    }

    /// The phone of somebody outside says something.
    pub(crate) fn on_outside_sip(&mut self, now: Now, call: &mut Call, dialog: DialogId, event: &sip::Event) {
        let Some(called) = call.called_mut().filter(|called| called.outside.leg.dialog == dialog) else { return };
        let came = self.outside_sip(now, &mut called.outside, event);
        self.outside_came(now, call, came);
    }

    /// A timer of somebody outside has come.
    pub(crate) fn on_outside_timeout(&mut self, now: Now, call: &mut Call) {
        let late = call.called_mut().and_then(|called| self.outside_late(now, &mut called.outside));
        if let Some(how) = late {
            self.not_reached(now, call, how);
        }
    }

    fn outside_came(&mut self, now: Now, call: &mut Call, came: Came) {
        match came {
            Came::Nothing | Came::Ringing => {}
            Came::Answered => self.brief(now, call),
            Came::Failed(how) => self.not_reached(now, call, how),
            Came::Left => self.outside_left(now, call),
        }
    }

    /// Somebody answered: they are told what it is about, if they are to accept; else that is all it takes.
    fn brief(&mut self, now: Now, call: &mut Call) {
        let city = Arc::clone(&call.city);
        let Some(called) = call.called_mut() else { return };
        let clips: Vec<Arc<Clip>> = called.brief.iter().flatten().filter_map(|spoken| city.clips.get(spoken)).map(Arc::clone).collect();
        if clips.is_empty() {
            return self.accepted(now, call);
        }
        called.reached = Reached::Briefed;
        let leg = called.outside.leg.id;
        // Over and over, until somebody has listened or the time is up.
        self.play_on(call.after, leg, clips, true);
    }

    /// Whoever was called takes the call.
    fn accepted(&mut self, now: Now, call: &mut Call) {
        let Some(called) = call.called_mut() else { return };
        called.outside.until = None;
        let (leg, kind) = (called.outside.leg.id, called.kind);
        if call.consult.is_some() && matches!(call.stage, Stage::Consulting(..)) {
            return self.consulted(call);
        }
        match (&mut call.stage, kind) {
            (Stage::Consulting(_, side, _, called), TransferKind::ThreeWay) => {
                let by = Some(side.agent.clone());
                called.reached = Reached::Joined(now.mono);
                let name = called.name();
                self.connected(call, name, kind, by);
                self.media(call.after, leg, Media::Join(MixId(call.id.0)));
            }
            (Stage::Consulting(_, side, _, called), _) => {
                called.reached = Reached::Private;
                let (agent, ringback) = (side.leg.id, called.ringback.take());
                self.media(call.after, leg, Media::Join(MixId(call.id.0)));
                self.stop_ringback(call.after, agent, ringback);
            }
            (Stage::Through(..), _) => self.talk_through(now, call),
            (
                Stage::Opening(_)
                | Stage::Answering
                | Stage::Menu
                | Stage::Waiting(_)
                | Stage::Ringing(..)
                | Stage::Whispering(..)
                | Stage::Talking(..)
                | Stage::Over,
                _,
            ) => {}
        }
    }

    /// The caller and somebody outside hear each other, and no agent has a part in it.
    fn talk_through(&mut self, now: Now, call: &mut Call) {
        let Stage::Through(called, back) = &mut call.stage else { return };
        called.reached = Reached::Joined(now.mono);
        let (leg, name, kind, by, back) = (called.outside.leg.id, called.name(), called.kind, called.by.clone(), back.clone());
        self.leave_place(now, call, &back);
        self.connected(call, name, kind, by.clone());
        self.join_caller(call);
        self.media(call.after, leg, Media::Join(MixId(call.id.0)));
        self.pass_keys(call);
        let to_human = now.mono.since(call.arrived.mono);
        call.to_human.get_or_insert(to_human);
        if by.is_none() {
            self.tell(now, call, Heard::Connected);
        }
    }

    /// The caller needs the place in the queue no longer.
    fn leave_place(&mut self, now: Now, call: &mut Call, back: &Back) {
        let how = match back {
            Back::Flow => return,
            Back::Kept(_) => QueueEnd::Moved,
            // That they left it was told when the agent answered.
            Back::Agent(_) => QueueEnd::Answered,
        };
        if let Some(ticket) = back.ticket() {
            self.tickets.remove(&ticket.id);
            call.after = self.commit(Record::Unplaced { call: call.id, how });
            if how == QueueEnd::Moved {
                self.note_left(now, call, ticket, how);
            }
        }
    }

    /// Nobody outside was reached, or they want no part in it: everybody is as before.
    fn not_reached(&mut self, now: Now, call: &mut Call, how: TransferEnd) {
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Through(called, back) => {
                self.let_outside_go(now, call.after, &called.outside);
                self.note_transfer(call, called.name(), called.kind, called.by.clone(), how);
                match back {
                    Back::Flow => {
                        call.stage = Stage::Menu;
                        self.tell(now, call, Heard::NotTransferred(how));
                    }
                    Back::Kept(ticket) => {
                        self.readmit(now, call, ticket);
                        self.tell(now, call, Heard::NotTransferred(how));
                    }
                    Back::Agent(ticket) => {
                        call.owed = true;
                        self.readmit(now, call, ticket);
                        self.tell(now, call, Heard::Returned);
                    }
                }
            }
            other => {
                call.stage = other;
                self.back_to_agent(now, call, Some(how));
            }
        }
    }

    /// To the front of the queue: the age is what it was.
    fn readmit(&mut self, now: Now, call: &mut Call, ticket: Ticket) {
        self.tickets.insert(ticket.id, call.id);
        call.stage = Stage::Waiting(ticket);
        if let Some(claim) = call.claim.clone() {
            self.acd.readmit(now.mono, claim);
        }
    }

    /// The other side hung up.
    fn outside_left(&mut self, now: Now, call: &mut Call) {
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Through(called, back) => match called.reached {
                Reached::Joined(since) => {
                    self.let_outside_go(now, call.after, &called.outside);
                    self.media(call.after, call.leg.id, Media::Leave);
                    if call.served_by.is_none() {
                        call.talked = Some(now.mono.since(since));
                    }
                    call.stage = Stage::Menu;
                    self.served(now, call);
                }
                Reached::Calling | Reached::Briefed | Reached::Private => {
                    call.stage = Stage::Through(called, back);
                    self.not_reached(now, call, TransferEnd::Refused);
                }
            },
            other => {
                call.stage = other;
                self.back_to_agent(now, call, Some(TransferEnd::Refused));
            }
        }
    }

    // ---- while the agent has somebody on the line ----------------------------------------------------------------------------

    /// All three hear each other.
    fn make_three(&mut self, now: Now, call: &mut Call) {
        match &mut call.stage {
            Stage::Consulting(_, side, _, called) if called.reached == Reached::Private => {
                called.reached = Reached::Joined(now.mono);
                let (name, kind, by) = (called.name(), called.kind, Some(side.agent.clone()));
                let leg = called.outside.leg.id;
                self.connected(call, name, kind, by);
                self.join_caller(call);
                // Whom the agent asked by a second call comes into the first one.
                self.drop_consult(now, call);
                self.media(call.after, leg, Media::Join(MixId(call.id.0)));
            }
            Stage::Consulting(..)
            | Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Whispering(..)
            | Stage::Talking(..)
            | Stage::Through(..)
            | Stage::Over => self.tell_agent(call, None),
        }
    }

    /// The agent is free; caller and the other side talk on, or wait for each other.
    pub(crate) fn hand_over(&mut self, now: Now, call: &mut Call) {
        let (ticket, side, since, called) = match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Consulting(ticket, side, since, called) => (ticket, side, since, called),
            other => {
                call.stage = other;
                return;
            }
        };
        self.let_agent_go(now, call, &side, since);
        let (reached, kind, apart) = (called.reached, called.kind, call.consult.is_some());
        self.drop_consult(now, call);
        let back = Back::Agent(ticket);
        match reached {
            Reached::Joined(_) => {
                self.leave_place(now, call, &back);
                self.pass_keys(call);
            }
            Reached::Calling | Reached::Briefed if apart || kind == TransferKind::ThreeWay => self.part_caller(call),
            Reached::Calling | Reached::Briefed | Reached::Private => {}
        }
        call.stage = Stage::Through(called, back);
        if reached == Reached::Private {
            self.talk_through(now, call);
        }
    }

    /// The other side is let go, and agent and caller talk as before. With `why` the agent is told: it was not the agent's wish.
    fn back_to_agent(&mut self, now: Now, call: &mut Call, why: Option<TransferEnd>) {
        if call.consult.is_some() {
            return self.end_consult(now, call, why);
        }
        let (ticket, side, since, called) = match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Consulting(ticket, side, since, called) => (ticket, side, since, called),
            other => {
                call.stage = other;
                return;
            }
        };
        self.let_outside_go(now, call.after, &called.outside);
        self.stop_ringback(call.after, side.leg.id, called.ringback);
        let joined = matches!(called.reached, Reached::Joined(_));
        call.stage = Stage::Talking(ticket, side, since);
        if joined {
            return;
        }
        self.note_transfer(call, called.name(), called.kind, called.by.clone(), why.unwrap_or(TransferEnd::Withdrawn));
        if called.kind != TransferKind::ThreeWay {
            self.join_caller(call);
        }
        if why.is_some() {
            self.tell_agent(call, why);
        }
    }

    /// The agent's leg is down while somebody outside is on the line. Who asked beforehand hands over by hanging up. Whoever was asked in
    /// is let go with the agent.
    pub(crate) fn agent_left_consulting(&mut self, now: Now, call: &mut Call, by: Party) {
        let Some(called) = call.called() else { return };
        let joined = matches!(called.reached, Reached::Joined(_));
        if called.kind != TransferKind::ThreeWay && call.consult.is_none() && (by == Party::Agent || joined) {
            return self.hand_over(now, call);
        }
        self.back_to_agent(now, call, None);
        self.agent_left(now, call, by);
    }

    /// The call ends while somebody outside is called, or talks.
    pub(crate) fn call_off(&mut self, now: Now, call: &mut Call, called: &Called) {
        self.let_outside_go(now, call.after, &called.outside);
        if !matches!(called.reached, Reached::Joined(_)) {
            self.note_transfer(call, called.name(), called.kind, called.by.clone(), TransferEnd::Withdrawn);
        }
    }

    // ---- what these have in common -------------------------------------------------------------------------------------------

    fn connected(&mut self, call: &mut Call, name: String, kind: TransferKind, by: Option<AgentId>) {
        call.put_through = Some(name.clone());
        call.owed = false;
        self.note_transfer(call, name, kind, by, TransferEnd::Connected);
    }

    pub(crate) fn note_transfer(&mut self, call: &mut Call, to: String, kind: TransferKind, by: Option<AgentId>, how: TransferEnd) {
        let seq: Seq = self.commit(Record::Transferred { call: call.id, to: to.clone(), kind, by: by.clone(), how });
        call.after = call.after.max(seq);
        self.note(Event::Transferred { call: call.id, to, kind, by, how });
    }

    /// The agent's part is over; after-call work begins.
    fn let_agent_go(&mut self, now: Now, call: &mut Call, side: &AgentSide, since: Instant) {
        call.talked = Some(now.mono.since(since));
        self.offers.remove(&side.offer);
        self.commit_unassigned(call, side.offer, OfferEnd::Answered);
        // The caller is in our hands: should the other side not answer, they come back to the queue, and not to this phone.
        if let Some(dialog) = side.refers {
            self.sip.handle_command(now, sip::Command::Notify { dialog, status: 200, over: true });
        }
        self.sip.handle_command(now, sip::Command::Bye { dialog: side.leg.dialog });
        self.close_leg(call.after, &side.leg);
        self.acd.finished(now.mono, &side.agent);
    }

    /// The caller hears music instead of the agent.
    fn part_caller(&mut self, call: &mut Call) {
        self.media(call.after, call.leg.id, Media::Leave);
        if let Some(music) = music_of(call) {
            self.play(call, &[music], OnKey::Ignore, true);
        }
    }

    fn join_caller(&mut self, call: &mut Call) {
        self.hush(call);
        self.media(call.after, call.leg.id, Media::Join(MixId(call.id.0)));
    }

    /// The caller's keys go to the other house, which may have a menu of its own. While an agent is there they would only be a noise.
    fn pass_keys(&mut self, call: &Call) {
        self.media(call.after, call.leg.id, Media::PassKeys);
    }

    pub(crate) fn play_on(&mut self, after: Seq, leg: LegId, clips: Vec<Arc<Clip>>, repeat: bool) -> PlayId {
        let id = self.next_play();
        self.media(after, leg, Media::Play { id, clips, on_key: OnKey::Ignore, repeat });
        id
    }

    fn stop_ringback(&mut self, after: Seq, agent: LegId, ringback: Option<PlayId>) {
        if let Some(play) = ringback {
            self.media(after, agent, Media::Stop(play));
        }
    }

    /// How that something could not be is told: by a sentence, where the house has one for it, else by a tone.
    pub(crate) fn sorry(&self, call: &Call, how: Option<TransferEnd>) -> Arc<Clip> {
        let spoken = how.map(|how| sentence(call, &format!("transfer_{how}")));
        Arc::clone(spoken.and_then(|spoken| call.city.clips.get(&spoken)).unwrap_or(&self.tones.busy))
    }

    /// What could not be is told to the agent.
    fn tell_agent(&mut self, call: &mut Call, how: Option<TransferEnd>) {
        let clips = vec![self.sorry(call, how)];
        if let Some(leg) = call.agent_side().map(|side| side.leg.id) {
            self.play_on(call.after, leg, clips, false);
        }
    }
}

/// A star code: the figure after the star, and what follows.
fn split(typed: &str) -> Option<(char, &str)> {
    let mut rest = typed.strip_prefix('*')?.chars();
    Some((rest.next()?, rest.as_str()))
}

/// A sentence in the house's language.
fn sentence(call: &Call, key: &str) -> Spoken {
    Spoken { prompt: PromptId::from(key), lang: house_lang(call), value: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_code_is_a_figure_and_what_follows() {
        assert_eq!(split("*271"), Some(('2', "71")));
        assert_eq!(split("*4"), Some(('4', "")));
        assert_eq!(split("*"), None);
        assert_eq!(split(""), None);
    }
}
