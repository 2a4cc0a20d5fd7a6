//! One attempt to call somebody back: first the agent's phone, then the person's, then a key that says it is a person.
//!
//! The agent comes first, so that nobody who picks up has to wait. A mailbox picks up too, and presses no key: it swallows nothing.

use crate::City;
use crate::call::{AgentSide, Call, Leg, Sound, Stage as CallStage, Ticket};
use crate::callback::Stage;
use crate::engine::{Engine, Owner};
use crate::identity::ANONYMOUS;
use crate::offer::PHONES_MAX;
use crate::outbound::{Came, Outside, Whom};
use crate::record::{Booked, OpenCall, Record};
use crate::ringing::{Caller, Phones, Rang};
use crate::terms::Terms;
use flow::{Heard, Position, Run};
use media::{Command as Media, OnKey, PlayEnd};
use model::{
    AgentId, CallEnd, CallId, CallRecord, CallbackEnd, CallbackTry, Codec, Digit, Event, FlowName, Instant, LegId, Millis, MixId, Now,
    OfferEnd, OfferId, Party, Person, PlayId, QueueId, Redacted, Seq, TicketId, TransferEnd, Why, Withheld,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a person's phone rings.
pub(crate) const RING: Duration = Duration::from_secs(30);
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
    /// The agent's side, from the answer on; gone when the agent has hung up while we wait for the person's key.
    leg: Option<Leg>,
    step: Step,
    /// The city that was in force when the agent was chosen: calls in progress end as they began, whatever is published meanwhile.
    city: Arc<City>,
    /// When the person was called.
    began: Option<Now>,
    person: Option<Person>,
    /// The person has asked to stay unnamed since.
    withheld: Option<Withheld>,
    pub(crate) after: Seq,
}

#[derive(Debug)]
enum Step {
    /// The agent's phones ring.
    Ringing(Phones),
    /// The agent hears how the person's phone rings.
    Calling(Box<Outside>),
    /// Somebody has answered, and hears who calls.
    Asking { outside: Box<Outside>, until: Instant, play: Option<PlayId>, said: u8 },
    /// In vain: the agent hears a tone.
    Regret { play: PlayId, until: Instant },
    /// While one step makes place for the next.
    Between,
}

impl Attempt {
    /// Who is called, as it is written down.
    fn caller_written(&self, booked: &Booked) -> String {
        self.withheld.map_or_else(|| booked.caller.clone(), |why| why.to_string())
    }

    /// Who is busy with it, and whether they talk already: the tone in an agent's ear counts as that.
    pub(crate) fn holds(&self) -> Option<(&AgentId, bool)> {
        let talks = self.leg.as_ref().map(|_| (&self.agent, true));
        talks.or(self.phones().map(|phones| (&phones.agent, false)))
    }

    /// The agent's phones, while they ring.
    pub(crate) fn phones(&self) -> Option<&Phones> {
        match &self.step {
            Step::Ringing(phones) => Some(phones),
            Step::Calling(_) | Step::Asking { .. } | Step::Regret { .. } | Step::Between => None,
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.step {
            Step::Ringing(phones) => phones.due(),
            Step::Between => None,
            Step::Calling(outside) => outside.due(),
            Step::Asking { until, .. } | Step::Regret { until, .. } => Some(*until),
        }
    }
}

impl Engine {
    /// Routing has found an agent for a callback.
    pub(crate) fn call_back(&mut self, now: Now, ticket: TicketId, offer: OfferId, queue: QueueId, agent: AgentId, why: Why) {
        // The wall clock may have been put right since the last look, and the last channel taken.
        let free = self.may_call_back(now, ticket) && self.calls.len() < self.city.book.settings.calls_max as usize;
        if !free {
            return self.callback_later(now, ticket);
        }
        let id = self.next_call();
        let Some(mut phones) = self.phones_of(id, 0, &agent, offer, Owner::Callback(id)) else {
            self.unused_call();
            self.acd.declined(now.mono, offer, OfferEnd::Unreachable);
            return;
        };
        self.set_callback(ticket, Stage::Tried(id));
        let after =
            self.commit(Record::Assigned { call: id, agent: agent.clone(), offer, queue: queue.clone(), why: Box::new(why.clone()) });
        self.note(Event::Offered { call: id, ticket, offer, queue, agent: agent.clone(), why });
        self.offers.insert(offer, id);
        self.open_phones(after, &mut phones);
        let attempt = Attempt {
            ticket,
            offer,
            agent,
            leg: None,
            step: Step::Ringing(phones),
            city: Arc::clone(&self.city),
            began: None,
            person: None,
            withheld: None,
            after,
        };
        self.callbacks.attempts.insert(id, attempt);
    }

    /// A media session of an attempt says something.
    pub(crate) fn on_attempt_media(&mut self, now: Now, id: CallId, leg: LegId, event: &media::Event) {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return };
        let caller = self.caller_of_callback(now, &attempt);
        let kept = match (&mut attempt.leg, &mut attempt.step) {
            (_, Step::Ringing(phones)) => match event {
                media::Event::Opened(_) => {
                    if let Some(caller) = caller {
                        self.phone_opened(now, phones, leg, caller);
                    }
                    true
                }
                media::Event::OpenFailed(_) => {
                    let rang = self.phone_not_opened(attempt.after, phones, leg);
                    self.rang_for_callback(now, id, &mut attempt, rang)
                }
                // Before the answer nobody sends, and nothing is played.
                media::Event::Silent
                | media::Event::Digit(..)
                | media::Event::Played { .. }
                | media::Event::Recorded { .. }
                | media::Event::Closed(_) => true,
            },
            (Some(side), step) if side.id == leg => match event {
                media::Event::Silent => {
                    self.sip.handle_command(now, sip::Command::Probe { dialog: side.dialog });
                    true
                }
                media::Event::Played { id: play, .. } if matches!(step, Step::Regret { play: p, .. } if p == play) => {
                    self.free_agent(now, &mut attempt, true);
                    false
                }
                media::Event::Opened(_)
                | media::Event::OpenFailed(_)
                | media::Event::Digit(..)
                | media::Event::Played { .. }
                | media::Event::Recorded { .. }
                | media::Event::Closed(_) => true,
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
        let kept = if let Step::Ringing(phones) = &mut attempt.step {
            let rang = self.phone_says(now, attempt.after, phones, &event);
            self.rang_for_callback(now, id, &mut attempt, rang)
        } else if of_agent {
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
            let kept = match &mut attempt.step {
                Step::Calling(outside) => match self.outside_late(now, outside) {
                    Some(how) => self.in_vain(now, id, &mut attempt, how_tried(how), Party::Engine),
                    None => true,
                },
                Step::Asking { .. } => self.in_vain(now, id, &mut attempt, CallbackTry::NotConfirmed, Party::Engine),
                Step::Regret { .. } => {
                    self.free_agent(now, &mut attempt, true);
                    false
                }
                Step::Ringing(phones) => {
                    let rang = self.phones_late(now, attempt.after, phones);
                    self.rang_for_callback(now, id, &mut attempt, rang)
                }
                Step::Between => true,
            };
            if kept {
                self.callbacks.attempts.insert(id, attempt);
            }
        }
    }

    /// Routing takes an offer of a callback back.
    pub(crate) fn callback_withdrawn(&mut self, now: Now, id: CallId, how: OfferEnd) {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return };
        self.stop_agents_phone(now, &mut attempt);
        self.attempt_over(id, &attempt, how);
        self.set_callback(attempt.ticket, Stage::Queued);
        self.review(now, attempt.ticket);
    }

    /// The person has called us while we called them. False: they have answered, and it is too late.
    pub(crate) fn give_up_attempt(&mut self, now: Now, id: CallId) -> bool {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return true };
        match &attempt.step {
            Step::Ringing(_) | Step::Between => {
                self.stop_agents_phone(now, &mut attempt);
                self.attempt_over(id, &attempt, OfferEnd::Withdrawn);
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
                Step::Ringing(_) | Step::Between => {
                    self.stop_agents_phone(now, &mut attempt);
                    self.attempt_over(id, &attempt, OfferEnd::Withdrawn);
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
            Step::Ringing(_) | Step::Regret { .. } | Step::Between => None,
        })
    }

    fn open_attempt(&self, attempt: &Attempt) -> Option<OpenCall> {
        let booked = &self.callbacks.booked.get(&attempt.ticket)?.booked;
        Some(OpenCall {
            arrived: attempt.began?.wall,
            number: booked.number.clone(),
            caller: attempt.caller_written(booked),
            version: attempt.city.book.version.clone(),
            person: attempt.person.clone(),
            called_back: true,
            called_first: None,
            sip_call_id: None,
            place: Some(booked.place.clone()),
            assigned: attempt.leg.as_ref().map(|_| (attempt.agent.clone(), attempt.offer)),
            bridged: false,
        })
    }

    // ---- the agent -----------------------------------------------------------------------------------------------------------

    /// As whom the agent's phones are called; `None` when the callback is no more.
    fn caller_of_callback(&self, now: Now, attempt: &Attempt) -> Option<Caller> {
        let callback = self.callbacks.booked.get(&attempt.ticket)?;
        let place = &callback.booked.place;
        let waited = now.mono.since(callback.since).as_secs();
        let label = self.city.book.queues.get(&place.queue).map_or(place.queue.as_str(), |queue| &queue.label);
        let display = format!("折返し・{label}・{}・{}:{:02}", place.lang, waited / 60, waited % 60);
        Some(Caller { from: sip::Identity { display, user: callback.booked.number.as_str().to_owned() }, codecs: Codec::ALL.to_vec() })
    }

    /// One of the agent's phones has done something. False: the attempt is over.
    fn rang_for_callback(&mut self, now: Now, id: CallId, attempt: &mut Attempt, rang: Rang) -> bool {
        match rang {
            Rang::On => true,
            Rang::Answered(leg, agreed) => self.agent_is_there(now, id, attempt, leg, agreed),
            Rang::Over(how) => {
                self.agent_failed(now, id, attempt, how);
                false
            }
        }
    }

    /// The agent of an attempt has said their code.
    pub(crate) fn open_attempts_phones(&mut self, id: CallId) {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return };
        if let Step::Ringing(phones) = &mut attempt.step {
            self.open_phones(attempt.after, phones);
        }
        self.callbacks.attempts.insert(id, attempt);
    }

    /// A phone that may ring for an attempt is gone, and the agent has others.
    pub(crate) fn attempts_phone_gone(&mut self, now: Now, id: CallId, at: &sip::Spot) {
        let Some(mut attempt) = self.callbacks.attempts.remove(&id) else { return };
        let kept = match &mut attempt.step {
            Step::Ringing(phones) => {
                let rang = self.phone_gone(now, attempt.after, phones, at);
                self.rang_for_callback(now, id, &mut attempt, rang)
            }
            Step::Calling(_) | Step::Asking { .. } | Step::Regret { .. } | Step::Between => true,
        };
        if kept {
            self.callbacks.attempts.insert(id, attempt);
        }
    }

    /// False: the attempt is over.
    fn on_agent_of_callback(&mut self, now: Now, id: CallId, attempt: &mut Attempt, event: sip::Event) -> bool {
        match event {
            sip::Event::Bye { .. } => self.agent_leaves_callback(now, id, attempt, false),
            sip::Event::ProbeFailed { .. } | sip::Event::PeerLost { .. } => self.agent_leaves_callback(now, id, attempt, true),
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                let after = attempt.after;
                match attempt.leg.as_mut().map(|leg| self.handle_terms(now, after, leg, &event)) {
                    Some(Terms::Broken) => self.agent_leaves_callback(now, id, attempt, true),
                    Some(Terms::Stand) | None => true,
                }
            }
            _ => true,
        }
    }

    fn agent_is_there(&mut self, now: Now, id: CallId, attempt: &mut Attempt, leg: Leg, agreed: sdp::Agreed) -> bool {
        let Step::Ringing(mut phones) = std::mem::replace(&mut attempt.step, Step::Between) else { return true };
        if !self.acd.answered(now.mono, attempt.offer) {
            // Stale: the offer was withdrawn in this very moment.
            self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
            self.close_leg(attempt.after, &leg);
            self.stop_phones(now, attempt.after, &mut phones, None);
            self.attempt_over(id, attempt, OfferEnd::Withdrawn);
            self.callback_later(now, attempt.ticket);
            return false;
        }
        let leg_id = leg.id;
        self.take_phone(now, attempt.after, phones, &leg, agreed);
        attempt.leg = Some(leg);
        self.offer_ended(attempt.offer, attempt.agent.clone(), OfferEnd::Answered);
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
        self.asked_in_vain(now, attempt.ticket);
        true
    }

    /// The agent's phones did not take it: that is no attempt either. The claim competes on, for another agent.
    fn agent_failed(&mut self, now: Now, id: CallId, attempt: &Attempt, how: OfferEnd) {
        self.set_callback(attempt.ticket, Stage::Queued);
        self.attempt_over(id, attempt, how);
        self.acd.declined(now.mono, attempt.offer, how);
        self.review(now, attempt.ticket);
    }

    fn stop_agents_phone(&mut self, now: Now, attempt: &mut Attempt) {
        if let Step::Ringing(phones) = &mut attempt.step {
            self.stop_phones(now, attempt.after, phones, None);
        }
        if let Some(leg) = &attempt.leg {
            self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
            self.close_leg(attempt.after, leg);
        }
    }

    fn attempt_over(&mut self, id: CallId, attempt: &Attempt, how: OfferEnd) {
        self.offers.remove(&attempt.offer);
        self.commit(Record::Unassigned { call: id, offer: attempt.offer, how });
        self.offer_ended(attempt.offer, attempt.agent.clone(), how);
    }

    /// The agent has hung up, or the phone has vanished. False: the attempt is over.
    fn agent_leaves_callback(&mut self, now: Now, id: CallId, attempt: &mut Attempt, vanished: bool) -> bool {
        match &attempt.step {
            // No phone has answered that could hang up.
            Step::Ringing(_) | Step::Between => true,
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
        let outside = match self.call_out(now, id, PHONES_MAX, Owner::Callback(id), Whom::Person(number), shown, until, None) {
            Ok(outside) => outside,
            // No channel, or no more calls this hour: nobody's phone has rung.
            Err(_) => return self.not_even_tried(now, attempt),
        };
        attempt.began = Some(now);
        let tried = self.count_attempt(now, attempt.ticket);
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
            (Step::Ringing(_) | Step::Regret { .. } | Step::Between, _) => true,
        }
    }

    fn on_person_sip(&mut self, now: Now, id: CallId, attempt: &mut Attempt, event: &sip::Event) -> bool {
        let came = match &mut attempt.step {
            Step::Calling(_) | Step::Asking { .. } if matches!(event, sip::Event::AsksForPrivacy { .. }) => {
                self.withhold_person(id, attempt);
                Came::Nothing
            }
            Step::Calling(outside) | Step::Asking { outside, .. } => self.outside_sip(now, outside, event),
            Step::Ringing(_) | Step::Regret { .. } | Step::Between => Came::Nothing,
        };
        self.person_came(now, id, attempt, came)
    }

    /// The person who is called back asks to stay unnamed: they are served, and no agent, and no record of this call, has their number from here on.
    fn withhold_person(&mut self, id: CallId, attempt: &mut Attempt) {
        if attempt.withheld.is_none() {
            let why = Withheld::ByCaller;
            (attempt.withheld, attempt.person) = (Some(why), None);
            attempt.after = self.commit(Record::Withheld { call: id, why });
            self.note(Event::Withheld { call: id, why });
        }
    }

    fn person_came(&mut self, now: Now, id: CallId, attempt: &mut Attempt, came: Came) -> bool {
        match came {
            Came::Nothing | Came::Ringing | Came::Early => true,
            Came::Answered => {
                match std::mem::replace(&mut attempt.step, Step::Between) {
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
        let step = std::mem::replace(&mut attempt.step, Step::Between);
        let (Step::Calling(outside) | Step::Asking { outside, .. }) = step else {
            attempt.step = step;
            return true;
        };
        let began = attempt.began.unwrap_or(now);
        if let Some(callback) = self.callbacks.booked.get(&attempt.ticket) {
            let (tried, booked, spacing) = (callback.booked.attempts, callback.booked.clone(), callback.booked.terms.spacing);
            self.commit(Record::CallbackTried { ticket: attempt.ticket, attempt: tried, at: began.wall, how: Some(how) });
            self.note(Event::CallbackTried { ticket: attempt.ticket, attempt: tried, how });
            let caller = attempt.caller_written(&booked);
            let record = CallRecord {
                call: id,
                arrived: began.wall,
                number: booked.number,
                caller,
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
                version: attempt.city.book.version.clone(),
                person: attempt.person.clone(),
                ticket: Some(attempt.ticket),
                class: booked.place.class,
                gave_up: None,
                transferred_to: None,
                called_back: true,
                called_first: None,
                cause: None,
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
        let Some((mut run, flow)) = run_of(&attempt.city, now, &booked.place) else {
            // No step of the flow waits in this queue, so that nobody would know where the caller goes should the agent's phone vanish.
            return self.in_vain(now, id, attempt, CallbackTry::Failed, Party::Engine);
        };
        run.heed(Arc::clone(&self.overrides.standing));
        let Step::Asking { outside, .. } = std::mem::replace(&mut attempt.step, Step::Between) else { return true };
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
            after = self.commit(Record::Dialog { call: id, sip_call_id: self.vault.call_name(&state.call_id), local_tag: state.local_tag });
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
            caller: Redacted::new(attempt.withheld.map_or_else(|| number.reveal().to_string(), |_| ANONYMOUS.to_owned())),
            withheld: attempt.withheld,
            called_first: None,
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
            legs_made: PHONES_MAX + 1,
            left_message: false,
            job: None,
            claimed: place.class,
            claim: Some(booked.claim(attempt.ticket, since)),
            put_through: None,
            music: None,
            hold_music: Vec::new(),
            consult: None,
            cause: None,
            takeover: None,
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
        let side = AgentSide { agent: attempt.agent.clone(), offer: attempt.offer, leg, keys: None, refers: None };
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
