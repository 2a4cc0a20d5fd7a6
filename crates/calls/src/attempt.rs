//! One attempt to call somebody back: first the agent's phone, then the person's, then a key that says it is a person.
//!
//! The agent comes first, so that nobody who picks up has to wait. A mailbox picks up too, and presses no key: it swallows nothing.

use crate::City;
use crate::call::{AgentSide, Call, Dialling, Leg, Sound, Stage as CallStage, Ticket};
use crate::callback::Stage;
use crate::engine::{Engine, Owner, far};
use crate::offer::PHONE_DEAF;
use crate::outbound::{Came, Outside, Whom};
use crate::record::{OpenCall, Record};
use flow::{Heard, Position, Run};
use media::{Command as Media, OnKey, PlayEnd};
use model::{
    AgentId, CallEnd, CallId, CallRecord, CallbackEnd, CallbackTry, Codec, Digit, Event, FlowName, Instant, LegId, Millis, MixId, Now,
    OfferEnd, OfferId, Party, Person, PlayId, QueueId, Redacted, Seq, TicketId, TransferEnd, Why,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a person's phone rings.
const RING: Duration = Duration::from_secs(30);
/// By when the key must have been pressed.
const CONFIRM: Duration = Duration::from_secs(20);
/// How often the greeting is said.
const GREETINGS: u8 = 2;
/// By when the tone that says "in vain" has ended, whatever happens.
const REGRET: Duration = Duration::from_secs(3);

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    ticket: TicketId,
    offer: OfferId,
    agent: AgentId,
    /// The agent's side; gone when the agent has hung up while we wait for the person's key.
    leg: Option<Leg>,
    step: Step,
    /// The city that was in force when the agent was chosen: calls in progress end as they began, whatever is published meanwhile.
    city: Arc<City>,
    /// When the person was called.
    began: Option<Now>,
    person: Option<Person>,
    pub(crate) after: Seq,
}

#[derive(Debug)]
enum Step {
    /// The agent's media session opens.
    Opening,
    /// The agent's phone rings.
    Ringing {
        /// By when the phone must have said something.
        deaf: Option<Instant>,
    },
    /// The agent hears how the person's phone rings.
    Calling(Box<Outside>),
    /// Somebody has answered, and hears who calls.
    Asking { outside: Box<Outside>, until: Instant, play: Option<PlayId>, said: u8 },
    /// In vain: the agent hears a tone.
    Regret { play: PlayId, until: Instant },
}

impl Attempt {
    /// Who is busy with it, and whether they talk already: the tone in an agent's ear counts as that.
    pub(crate) fn holds(&self) -> Option<(&AgentId, bool)> {
        self.leg.as_ref().map(|_| (&self.agent, !matches!(self.step, Step::Opening | Step::Ringing { .. })))
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.step {
            Step::Opening => None,
            Step::Ringing { deaf } => *deaf,
            Step::Calling(outside) => outside.due(),
            Step::Asking { until, .. } | Step::Regret { until, .. } => Some(*until),
        }
    }
}

impl Engine {
    /// Routing has found an agent for a callback.
    pub(crate) fn call_back(&mut self, now: Now, ticket: TicketId, offer: OfferId, queue: QueueId, agent: AgentId, why: Why) {
        // The wall clock may have been put right since the last look.
        let free = self.may_call_back(now, ticket) && self.calls.len() < self.city.book.settings.calls_max as usize;
        if !free {
            return self.callback_later(now, ticket);
        }
        let id = self.next_call();
        let peer = self.sip.binding(agent.as_str()).map(|binding| binding.addr.ip());
        let dialog = self.sip.new_dialog();
        let Some(leg) = peer.and_then(|peer| self.make_leg(id, 0, dialog, peer, Owner::Callback(id))) else {
            self.unused_call();
            self.acd.declined(now.mono, offer, OfferEnd::Unreachable);
            return;
        };
        self.set_callback(ticket, Stage::Tried(id));
        let after =
            self.commit(Record::Assigned { call: id, agent: agent.clone(), offer, queue: queue.clone(), why: Box::new(why.clone()) });
        self.note(Event::Offered { call: id, ticket, offer, queue, agent: agent.clone(), why });
        self.offers.insert(offer, id);
        let local = self.bind_addr(&leg);
        self.media(after, leg.id, Media::Open { local });
        let attempt = Attempt {
            ticket,
            offer,
            agent,
            leg: Some(leg),
            step: Step::Opening,
            city: Arc::clone(&self.city),
            began: None,
            person: None,
            after,
        };
        self.callbacks.attempts.insert(id, attempt);
    }

    /// A media session of an attempt says something.
    pub(crate) fn on_attempt_media(&mut self, now: Now, id: CallId, leg: LegId, event: &media::Event) {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return };
        let kept = match &mut attempt.leg {
            Some(side) if side.id == leg => match event {
                media::Event::Opened(_) if matches!(attempt.step, Step::Opening) => {
                    self.invite_for_callback(now, &mut attempt);
                    true
                }
                media::Event::OpenFailed(_) => {
                    if self.open_elsewhere(attempt.after, side) {
                        true
                    } else {
                        self.drop_leg(side);
                        self.dialogs.remove(&side.dialog);
                        attempt.leg = None;
                        self.agent_failed(now, id, &attempt, OfferEnd::Unreachable);
                        false
                    }
                }
                media::Event::Silent => {
                    self.sip.handle_command(now, sip::Command::Probe { dialog: side.dialog });
                    true
                }
                media::Event::Played { id: play, .. } if matches!(attempt.step, Step::Regret { play: p, .. } if p == *play) => {
                    self.free_agent(now, &mut attempt, true);
                    false
                }
                media::Event::Opened(_) | media::Event::Digit(..) | media::Event::Played { .. } | media::Event::Closed(_) => true,
            },
            _ => self.on_person_media(now, id, &mut attempt, event),
        };
        if kept {
            self.callbacks.attempts.insert(id, attempt);
        }
    }

    /// The dialog of an attempt's leg says something.
    pub(crate) fn on_attempt_sip(&mut self, now: Now, id: CallId, leg: LegId, event: sip::Event) {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return };
        let of_agent = attempt.leg.as_ref().is_some_and(|side| side.id == leg);
        let kept = if of_agent {
            self.on_agent_of_callback(now, id, &mut attempt, event)
        } else {
            self.on_person_sip(now, id, &mut attempt, &event)
        };
        if kept {
            self.callbacks.attempts.insert(id, attempt);
        }
    }

    pub(crate) fn on_attempt_timeout(&mut self, now: Now) {
        let due: Vec<CallId> =
            self.callbacks.attempts.iter().filter(|(_, a)| a.due().is_some_and(|at| at <= now.mono)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { continue };
            let kept = match &attempt.step {
                Step::Calling(outside) => match outside.late(now.mono) {
                    Some(how) => self.in_vain(now, id, &mut attempt, how_tried(how), Party::Engine),
                    None => true,
                },
                Step::Asking { .. } => self.in_vain(now, id, &mut attempt, CallbackTry::NotConfirmed, Party::Engine),
                Step::Regret { .. } => {
                    self.free_agent(now, &mut attempt, true);
                    false
                }
                Step::Ringing { .. } => {
                    self.stop_agents_phone(now, &attempt);
                    self.agent_failed(now, id, &attempt, OfferEnd::Unreachable);
                    false
                }
                Step::Opening => true,
            };
            if kept {
                self.callbacks.attempts.insert(id, attempt);
            }
        }
    }

    /// Routing takes an offer of a callback back.
    pub(crate) fn callback_withdrawn(&mut self, now: Now, id: CallId, how: OfferEnd) {
        let Some(attempt) = self.callbacks.attempts.remove(&id) else { return };
        self.stop_agents_phone(now, &attempt);
        self.offer_over(id, &attempt, how);
        self.set_callback(attempt.ticket, Stage::Queued);
        self.review(now, attempt.ticket);
    }

    /// The person has called us while we called them. False: they have answered, and it is too late.
    pub(crate) fn give_up_attempt(&mut self, now: Now, id: CallId) -> bool {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return true };
        match &attempt.step {
            Step::Opening | Step::Ringing { .. } => {
                self.stop_agents_phone(now, &attempt);
                self.offer_over(id, &attempt, OfferEnd::Withdrawn);
                self.set_callback(attempt.ticket, Stage::Queued);
                true
            }
            Step::Calling(_) => {
                // The line is busy with the call that is on its way to us.
                if self.in_vain(now, id, &mut attempt, CallbackTry::Busy, Party::Caller) {
                    self.callbacks.attempts.insert(id, attempt);
                }
                true
            }
            Step::Asking { .. } => {
                self.callbacks.attempts.insert(id, attempt);
                false
            }
            Step::Regret { .. } => {
                self.callbacks.attempts.insert(id, attempt);
                true
            }
        }
    }

    /// The house is about to close: who is being called is let go, the callbacks stay written down.
    pub(crate) fn end_attempts(&mut self, now: Now) {
        let all: Vec<CallId> = self.callbacks.attempts.keys().copied().collect();
        for id in all {
            let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { continue };
            match &attempt.step {
                Step::Opening | Step::Ringing { .. } => {
                    self.stop_agents_phone(now, &attempt);
                    self.offer_over(id, &attempt, OfferEnd::Withdrawn);
                    self.callback_later(now, attempt.ticket);
                }
                Step::Calling(_) | Step::Asking { .. } => {
                    if self.in_vain(now, id, &mut attempt, CallbackTry::Failed, Party::Engine) {
                        self.free_agent(now, &mut attempt, true);
                    }
                }
                Step::Regret { .. } => self.free_agent(now, &mut attempt, true),
            }
        }
    }

    /// The calls that attempts are, as the journal must know them: from the moment at which the person is called.
    pub(crate) fn open_attempts(&self) -> impl Iterator<Item = (CallId, OpenCall)> {
        self.callbacks.attempts.iter().filter_map(|(id, attempt)| match attempt.step {
            Step::Calling(_) | Step::Asking { .. } => Some((*id, self.open_attempt(attempt)?)),
            Step::Opening | Step::Ringing { .. } | Step::Regret { .. } => None,
        })
    }

    fn open_attempt(&self, attempt: &Attempt) -> Option<OpenCall> {
        let booked = &self.callbacks.booked.get(&attempt.ticket)?.booked;
        Some(OpenCall {
            arrived: attempt.began?.wall,
            number: booked.number.clone(),
            caller: booked.caller.clone(),
            version: booked.version.clone(),
            person: attempt.person.clone(),
            called_back: true,
            sip_call_id: None,
            place: Some(booked.place.clone()),
            assigned: attempt.leg.as_ref().map(|_| (attempt.agent.clone(), attempt.offer)),
            bridged: false,
        })
    }

    // ---- the agent -----------------------------------------------------------------------------------------------------------

    fn invite_for_callback(&mut self, now: Now, attempt: &mut Attempt) {
        attempt.step = Step::Ringing { deaf: Some(now.mono + PHONE_DEAF) };
        let Some(callback) = self.callbacks.booked.get(&attempt.ticket) else { return };
        let Some((leg, binding)) = attempt.leg.as_ref().zip(self.sip.binding(attempt.agent.as_str())) else {
            // The phone signed off within this very moment; routing hears of it by the same input.
            return;
        };
        let place = &callback.booked.place;
        let waited = now.mono.since(callback.since).as_secs();
        let label = self.city.book.queues.get(&place.queue).map_or(place.queue.as_str(), |queue| &queue.label);
        let display = format!("折返し・{label}・{}・{}:{:02}", place.lang, waited / 60, waited % 60);
        let to = sip::Target { uri: binding.contact.clone(), flow: binding.flow, addr: binding.addr };
        let from = sip::Identity { display, user: callback.booked.number.as_str().to_owned() };
        let sdp = sdp::offer(&self.capabilities(leg, Codec::ALL.to_vec()));
        let dialog = leg.dialog;
        self.sip.handle_command(now, sip::Command::Invite { dialog, to, from, sdp });
    }

    /// False: the attempt is over.
    fn on_agent_of_callback(&mut self, now: Now, id: CallId, attempt: &mut Attempt, event: sip::Event) -> bool {
        match event {
            sip::Event::Answered { sdp, .. } => self.agent_is_there(now, id, attempt, sdp.as_deref()),
            sip::Event::Failed { status, .. } => {
                let how = match status {
                    404 | 408 | 410 | 480 | 481 | 500 | 502..=504 => OfferEnd::Unreachable,
                    _ => OfferEnd::Declined,
                };
                self.agent_failed(now, id, attempt, how);
                false
            }
            sip::Event::Bye { .. } => self.agent_leaves_callback(now, id, attempt, false),
            sip::Event::ProbeFailed { .. } => self.agent_leaves_callback(now, id, attempt, true),
            sip::Event::Reoffer { dialog, offer } => {
                let after = attempt.after;
                let answered = attempt.leg.as_mut().is_some_and(|leg| self.reoffer(now, after, leg, offer.as_deref()));
                if !answered {
                    self.sip.handle_command(now, sip::Command::RefuseReoffer { dialog, status: 488 });
                }
                true
            }
            sip::Event::Trying { .. } | sip::Event::Ringing { .. } => {
                if let Step::Ringing { deaf } = &mut attempt.step {
                    *deaf = None;
                }
                true
            }
            _ => true,
        }
    }

    fn agent_is_there(&mut self, now: Now, id: CallId, attempt: &mut Attempt, sdp: Option<&[u8]>) -> bool {
        let Some(leg) = &mut attempt.leg else { return true };
        let ours = sdp::Capabilities { ..self.capabilities(leg, Codec::ALL.to_vec()) };
        let agreed = sdp.and_then(|sdp| sdp::parse(sdp).ok()).and_then(|answer| sdp::accept(&answer, &ours).ok());
        let Some(agreed) = agreed else {
            // The phone answered with something we cannot hear: it is a phone that refuses.
            self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
            self.agent_failed(now, id, attempt, OfferEnd::Declined);
            return false;
        };
        if !self.acd.answered(now.mono, attempt.offer) {
            // Stale: the offer was withdrawn in this very moment.
            self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
            self.close_leg(attempt.after, leg);
            self.offer_over(id, attempt, OfferEnd::Withdrawn);
            self.callback_later(now, attempt.ticket);
            return false;
        }
        leg.codec = Some(agreed.codec);
        let (leg_id, connect) = (leg.id, Media::Connect(far(agreed, leg)));
        self.media(attempt.after, leg_id, connect);
        self.note(Event::OfferEnded { offer: attempt.offer, agent: attempt.agent.clone(), how: OfferEnd::Answered });
        // Once more, and for the last time: never outside the hours.
        if !self.may_call_back(now, attempt.ticket) {
            return self.not_even_tried(now, attempt);
        }
        let ringback = self.next_play();
        let clips = vec![Arc::clone(&self.tones.ringback)];
        self.media(attempt.after, leg_id, Media::Play { id: ringback, clips, on_key: OnKey::Ignore, repeat: true });
        self.ring_person(now, id, attempt)
    }

    /// The agent was asked, but nobody was called: it is no attempt.
    fn not_even_tried(&mut self, now: Now, attempt: &mut Attempt) -> bool {
        self.regret(now, attempt);
        // The claim was the agent's for a moment.
        self.acd.abandon(now.mono, attempt.ticket);
        self.callback_later(now, attempt.ticket);
        true
    }

    /// The agent's phone did not take it: that is no attempt either. The claim competes on, for another agent.
    fn agent_failed(&mut self, now: Now, id: CallId, attempt: &Attempt, how: OfferEnd) {
        if let Some(leg) = &attempt.leg {
            self.close_leg(attempt.after, leg);
        }
        self.set_callback(attempt.ticket, Stage::Queued);
        self.offer_over(id, attempt, how);
        self.acd.declined(now.mono, attempt.offer, how);
        self.review(now, attempt.ticket);
    }

    fn stop_agents_phone(&mut self, now: Now, attempt: &Attempt) {
        let Some(leg) = &attempt.leg else { return };
        match attempt.step {
            Step::Opening => drop(self.dialogs.remove(&leg.dialog)),
            Step::Ringing { .. } => self.sip.handle_command(now, sip::Command::Cancel { dialog: leg.dialog }),
            Step::Calling(_) | Step::Asking { .. } | Step::Regret { .. } => {
                self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
            }
        }
        self.close_leg(attempt.after, leg);
    }

    fn offer_over(&mut self, id: CallId, attempt: &Attempt, how: OfferEnd) {
        self.offers.remove(&attempt.offer);
        self.commit(Record::Unassigned { call: id, offer: attempt.offer, how });
        self.note(Event::OfferEnded { offer: attempt.offer, agent: attempt.agent.clone(), how });
    }

    /// The agent has hung up, or the phone has vanished. False: the attempt is over.
    fn agent_leaves_callback(&mut self, now: Now, id: CallId, attempt: &mut Attempt, vanished: bool) -> bool {
        match &attempt.step {
            Step::Opening | Step::Ringing { .. } => {
                self.agent_failed(now, id, attempt, OfferEnd::Declined);
                false
            }
            Step::Calling(_) => {
                self.free_agent(now, attempt, vanished);
                self.in_vain(now, id, attempt, CallbackTry::Failed, Party::Agent)
            }
            Step::Asking { .. } => {
                // Somebody is on the line. Once they have confirmed they wait, at the front by age; they are not hung up on.
                self.acd.abandon(now.mono, attempt.ticket);
                self.free_agent(now, attempt, vanished);
                attempt.after = self.commit(Record::Unassigned { call: id, offer: attempt.offer, how: OfferEnd::Answered });
                true
            }
            Step::Regret { .. } => {
                self.free_agent(now, attempt, vanished);
                false
            }
        }
    }

    /// The agent is free again: nobody was served, so there is no after-call work.
    fn free_agent(&mut self, now: Now, attempt: &mut Attempt, bye: bool) {
        let Some(leg) = attempt.leg.take() else { return };
        self.offers.remove(&attempt.offer);
        if bye {
            self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
        }
        self.close_leg(attempt.after, &leg);
        self.acd.finished(now.mono, &attempt.agent);
        if self.agent_state(&attempt.agent) == Some(model::AgentState::WrapUp) {
            self.end_wrap_up(now, &attempt.agent);
        }
    }

    fn regret(&mut self, now: Now, attempt: &mut Attempt) {
        let play = self.next_play();
        if let Some(leg) = &attempt.leg {
            let clips = vec![Arc::clone(&self.tones.busy)];
            self.media(attempt.after, leg.id, Media::Play { id: play, clips, on_key: OnKey::Ignore, repeat: false });
        }
        attempt.step = Step::Regret { play, until: now.mono + REGRET };
    }

    // ---- the person ----------------------------------------------------------------------------------------------------------

    fn ring_person(&mut self, now: Now, id: CallId, attempt: &mut Attempt) -> bool {
        let Some(callback) = self.callbacks.booked.get(&attempt.ticket) else { return self.not_even_tried(now, attempt) };
        let (number, shown) = (callback.number.clone(), callback.booked.number.clone());
        attempt.person = self.vault.person(self.city.book.calendar.day(now.wall), number.reveal().as_str());
        let caller = Redacted::new(number.reveal().to_string());
        let until = now.mono + RING;
        let outside = match self.call_out(now, id, 1, Owner::Callback(id), Whom::Person(number), shown, until, None) {
            Ok(outside) => outside,
            // No channel, or no more calls this hour: nobody's phone has rung.
            Err(_) => return self.not_even_tried(now, attempt),
        };
        attempt.began = Some(now);
        let Some(callback) = self.callbacks.booked.get_mut(&attempt.ticket) else { return true };
        callback.booked.attempts += 1;
        callback.booked.tried = callback.booked.tried.max(Some(now.wall));
        let tried = callback.booked.attempts;
        self.commit(Record::CallbackTried { ticket: attempt.ticket, attempt: tried, at: now.wall, how: None });
        attempt.step = Step::Calling(Box::new(outside));
        if let Some(open) = self.open_attempt(attempt) {
            // The INVITE waits for this, the last of them.
            attempt.after = self.commit(Record::Arrived { call: id, open: Box::new(open) });
        }
        self.note(Event::CallingBack { call: id, ticket: attempt.ticket, attempt: tried, caller });
        true
    }

    fn on_person_media(&mut self, now: Now, id: CallId, attempt: &mut Attempt, event: &media::Event) -> bool {
        match (&mut attempt.step, event) {
            (Step::Asking { .. }, media::Event::Digit(digit, _)) => {
                if Digit::from_char('1') == Some(*digit) {
                    return self.confirmed(now, id, attempt);
                }
                self.ask_person(now, attempt);
                true
            }
            (Step::Asking { play, .. }, media::Event::Played { id: played, how }) if *play == Some(*played) => {
                *play = None;
                match how {
                    PlayEnd::Finished | PlayEnd::Failed => self.ask_person(now, attempt),
                    // By a key, which is on its way.
                    PlayEnd::Cut => {}
                }
                true
            }
            (Step::Calling(outside) | Step::Asking { outside, .. }, event) => {
                let came = self.outside_media(now, outside, event);
                self.person_came(now, id, attempt, came)
            }
            (Step::Opening | Step::Ringing { .. } | Step::Regret { .. }, _) => true,
        }
    }

    fn on_person_sip(&mut self, now: Now, id: CallId, attempt: &mut Attempt, event: &sip::Event) -> bool {
        let came = match &mut attempt.step {
            Step::Calling(outside) | Step::Asking { outside, .. } => self.outside_sip(now, outside, event),
            Step::Opening | Step::Ringing { .. } | Step::Regret { .. } => Came::Nothing,
        };
        self.person_came(now, id, attempt, came)
    }

    fn person_came(&mut self, now: Now, id: CallId, attempt: &mut Attempt, came: Came) -> bool {
        match came {
            Came::Nothing | Came::Ringing => true,
            Came::Answered => {
                match std::mem::replace(&mut attempt.step, Step::Opening) {
                    Step::Calling(outside) => {
                        attempt.step = Step::Asking { outside, until: now.mono + CONFIRM, play: None, said: 0 };
                        self.ask_person(now, attempt);
                    }
                    other => attempt.step = other,
                }
                true
            }
            Came::Failed(how) => self.in_vain(now, id, attempt, how_tried(how), Party::Caller),
            Came::Left => self.in_vain(now, id, attempt, CallbackTry::NotConfirmed, Party::Caller),
        }
    }

    /// Says who calls, unless that was said often enough.
    fn ask_person(&mut self, now: Now, attempt: &mut Attempt) {
        let lang = self.callbacks.booked.get(&attempt.ticket).map(|callback| callback.booked.place.lang.clone());
        let clip = lang.and_then(|lang| self.greeting_in(&lang)).and_then(|spoken| self.city.clips.get(&spoken).cloned());
        let id = self.next_play();
        let Step::Asking { outside, play, said, until } = &mut attempt.step else { return };
        if play.is_some() || *said >= GREETINGS {
            return;
        }
        let Some(clip) = clip else {
            // The city was published without it in between: nobody is left in silence.
            *until = now.mono;
            return;
        };
        *said += 1;
        *play = Some(id);
        let (after, leg) = (attempt.after, outside.leg.id);
        self.media(after, leg, Media::Play { id, clips: vec![clip], on_key: OnKey::Cut, repeat: false });
    }

    /// Nobody was reached. False: the attempt is over, no agent has to hear of it.
    fn in_vain(&mut self, now: Now, id: CallId, attempt: &mut Attempt, how: CallbackTry, by: Party) -> bool {
        let step = std::mem::replace(&mut attempt.step, Step::Opening);
        let (Step::Calling(outside) | Step::Asking { outside, .. }) = step else {
            attempt.step = step;
            return true;
        };
        let began = attempt.began.unwrap_or(now);
        if let Some(callback) = self.callbacks.booked.get(&attempt.ticket) {
            let (tried, booked, spacing) = (callback.booked.attempts, callback.booked.clone(), callback.booked.terms.spacing);
            self.commit(Record::CallbackTried { ticket: attempt.ticket, attempt: tried, at: began.wall, how: Some(how) });
            self.note(Event::CallbackTried { ticket: attempt.ticket, attempt: tried, how });
            let record = CallRecord {
                call: id,
                arrived: began.wall,
                number: booked.number,
                caller: booked.caller,
                lang: booked.place.lang,
                path: vec!["callback".to_owned()],
                queue: Some(booked.place.queue),
                waited: None,
                to_human: None,
                agent: None,
                talked: None,
                ended: now.wall,
                end: CallEnd::NotReached,
                hung_up_by: by,
                version: booked.version,
                person: attempt.person.clone(),
                ticket: Some(attempt.ticket),
                class: booked.place.class,
                gave_up: None,
                transferred_to: None,
                called_back: true,
            };
            attempt.after = self.close_record(record);
            self.let_outside_go(now, attempt.after, &outside);
            self.acd.abandon(now.mono, attempt.ticket);
            self.pause_callback(now, attempt.ticket, spacing);
        } else {
            // A callback lives as long as its attempt; should it ever not, nobody is left on a line without anybody.
            debug_assert!(false, "an attempt outlives its callback");
            self.let_outside_go(now, attempt.after, &outside);
        }
        if attempt.leg.is_some() {
            self.regret(now, attempt);
            return true;
        }
        false
    }

    /// The person has pressed 1: from here on it is a call like any other. True: it cannot become one, and is still an attempt.
    fn confirmed(&mut self, now: Now, id: CallId, attempt: &mut Attempt) -> bool {
        let Some(callback) = self.callbacks.booked.get(&attempt.ticket) else {
            return self.in_vain(now, id, attempt, CallbackTry::Failed, Party::Engine);
        };
        let (booked, since, number) = (callback.booked.clone(), callback.since, callback.number.clone());
        let Some((run, flow)) = run_of(&attempt.city, now, &booked.place) else {
            // No step of the flow waits in this queue, so that nobody would know where the caller goes should the agent's phone vanish.
            return self.in_vain(now, id, attempt, CallbackTry::Failed, Party::Engine);
        };
        let Step::Asking { outside, .. } = std::mem::replace(&mut attempt.step, Step::Opening) else { return true };
        let began = attempt.began.unwrap_or(now);
        let place = booked.place.clone();
        self.commit(Record::CallbackTried {
            ticket: attempt.ticket,
            attempt: booked.attempts,
            at: began.wall,
            how: Some(CallbackTry::Confirmed),
        });
        self.note(Event::CallbackTried { ticket: attempt.ticket, attempt: booked.attempts, how: CallbackTry::Confirmed });
        self.callback_over(now, attempt.ticket, CallbackEnd::Served);
        let leg = outside.leg;
        let mut after = attempt.after;
        if let Some(state) = self.sip.dialog(leg.dialog) {
            after = self.commit(Record::Dialog { call: id, sip_call_id: state.call_id, local_tag: state.local_tag });
        }
        self.legs.insert(leg.id, Owner::Caller(id));
        let mut call = Box::new(Call {
            id,
            city: Arc::clone(&attempt.city),
            run,
            flow,
            leg,
            stage: CallStage::Menu,
            sound: Sound::Quiet,
            arrived: began,
            number: booked.number.clone(),
            caller: Redacted::new(number.reveal().to_string()),
            person: attempt.person.clone(),
            waiting_since: Some((since, place.since)),
            kept: place.kept,
            kept_to_say: false,
            past_greeting: true,
            booked: false,
            called_back: true,
            told: None,
            closing: None,
            unstaffed: false,
            ticket_id: Some(attempt.ticket),
            last_queue: Some(place.queue.clone()),
            waited: None,
            to_human: None,
            served_by: None,
            owed: false,
            talked: None,
            after,
            wake: None,
            legs_made: 2,
            claimed: place.class,
            claim: Some(booked.claim(attempt.ticket, since)),
            put_through: None,
            music: None,
        });
        let ticket = Ticket { id: attempt.ticket, queue: place.queue.clone() };
        self.tickets.insert(ticket.id, id);
        match attempt.leg.take() {
            Some(leg) => self.join_person(now, &mut call, ticket, attempt, leg),
            None => {
                // The agent has gone in the meantime.
                call.stage = CallStage::Waiting(ticket);
                self.acd.enqueue(now.mono, booked.claim(attempt.ticket, since));
            }
        }
        self.put_back(call);
        false
    }

    fn join_person(&mut self, now: Now, call: &mut Call, ticket: Ticket, attempt: &Attempt, leg: Leg) {
        self.legs.insert(leg.id, Owner::Agent(call.id));
        call.after = self.commit(Record::Bridged { call: call.id, offer: attempt.offer });
        let mix = MixId(call.id.0);
        self.media(call.after, leg.id, Media::Join(mix));
        self.media(call.after, call.leg.id, Media::Join(mix));
        let waited = call.waiting_since.map_or(Duration::ZERO, |(since, _)| now.mono.since(since));
        let to_human = now.mono.since(call.arrived.mono);
        call.waited = Some(waited);
        call.to_human = Some(to_human);
        call.served_by = Some(attempt.agent.clone());
        self.note(Event::Bridged {
            call: call.id,
            queue: ticket.queue.clone(),
            agent: attempt.agent.clone(),
            waited: Millis::from(waited),
            to_human: Millis::from(to_human),
        });
        let side = AgentSide { agent: attempt.agent.clone(), offer: attempt.offer, leg, dialling: Dialling::Answered, keys: None };
        call.stage = CallStage::Talking(ticket, side, now.mono);
        // The run stands at the queue, as if the caller had waited there: that is where they are if the agent's phone vanishes.
        call.run.handle(now, Heard::Connected);
        while call.run.poll_output().is_some() {}
    }
}

/// A caller's run at a step that waits in this queue.
fn run_of(city: &City, now: Now, place: &crate::Place) -> Option<(Run, FlowName)> {
    let book = &city.book;
    let (flow, step) = book.step_that_waits(&place.queue)?;
    let position = Position {
        flow: flow.clone(),
        version: book.version.clone(),
        step,
        lang: place.lang.clone(),
        class: place.class,
        rungs: Vec::new(),
        path: vec!["callback".to_owned()],
        variables: BTreeMap::new(),
        told: None,
    };
    let mut run = Run::resume(Arc::clone(book), position)?;
    run.handle(now, Heard::Queued { since: now.mono, position: 1 });
    Some((run, flow))
}

/// How an attempt that failed is called.
fn how_tried(how: TransferEnd) -> CallbackTry {
    match how {
        TransferEnd::Busy | TransferEnd::Refused => CallbackTry::Busy,
        TransferEnd::NoAnswer => CallbackTry::NoAnswer,
        TransferEnd::Connected | TransferEnd::AtCapacity | TransferEnd::Failed | TransferEnd::Withdrawn => CallbackTry::Failed,
    }
}
