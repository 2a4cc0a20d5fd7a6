//! The agent's side: an offer becomes ringing phones, one of them becomes a conversation.

use crate::City;
use crate::call::{AgentSide, Call, Leg, Sound, Stage, Ticket, Whisper};
use crate::engine::{Engine, Owner};
use crate::identity::{self, Tongue};
use crate::record::Record;
use crate::ringing::{Caller, Rang};
use crate::takeover::Of;
use crate::terms::Terms;
use flow::{Heard, Spoken};
use media::{Clip, Command as Media, OnKey};
use model::{
    AgentId, CallEnd, Codec, Event, Lang, LegId, MixId, Now, Number, OfferEnd, OfferId, Party, PromptId, QueueEnd, QueueId, Seq, Why,
};
use routing::Decision;
use std::sync::Arc;
use std::time::Duration;

/// Legs that one offer may need.
pub(crate) const PHONES_MAX: u16 = sip::PHONES_MAX as u16;
/// How long after its length a whisper counts as heard, though nobody said so.
const WHISPER_GRACE: Duration = Duration::from_secs(2);
/// How long the caller has waited, in minutes.
const WHISPER_WAITED: &str = "whisper_waited";
/// Longer waits are told as this many minutes.
const WAITED_MAX: u32 = 30;

impl Engine {
    /// Routing has decided.
    pub(crate) fn on_decision(&mut self, now: Now, decision: Decision) {
        match decision {
            Decision::Placed { ticket, .. } if self.asked_again.remove(&ticket) => {}
            Decision::Placed { ticket, queue, position } => {
                if let Some(call) = self.tickets.get(&ticket).copied() {
                    self.with_call(now, call, |engine, call| engine.on_placed(now, call, queue, position));
                }
            }
            Decision::Refused { ticket, why, .. } => {
                self.asked_again.remove(&ticket);
                if let Some(call) = self.tickets.get(&ticket).copied() {
                    self.with_call(now, call, |engine, call| match &call.stage {
                        Stage::Ringing(..) | Stage::Whispering(..) => {
                            engine.leave_queue(now, call, why);
                            engine.tell(now, call, Heard::Refused(why));
                        }
                        Stage::Waiting(_) => engine.on_refused_place(now, call, why),
                        Stage::Opening(_)
                        | Stage::Answering
                        | Stage::Menu
                        | Stage::Talking(..)
                        | Stage::Consulting(..)
                        | Stage::Through(..)
                        | Stage::Over => {}
                    });
                } else {
                    self.callback_refused(now, ticket, why);
                }
            }
            Decision::Offer { offer, ticket, queue, agent, ring_for: _, why } => {
                let Some(call) = self.tickets.get(&ticket).copied() else {
                    // A callback; or the caller is gone and routing will hear of it in this same round.
                    return self.call_back(now, ticket, offer, queue, agent, why);
                };
                self.note(Event::Offered { call, ticket, offer, queue: queue.clone(), agent: agent.clone(), why: why.clone() });
                self.with_call(now, call, |engine, call| engine.call_agent(now, call, agent, offer, queue, why));
            }
            Decision::Waits { ticket, queue, why } => {
                let call = self.tickets.get(&ticket).copied();
                self.commit(Record::Waits { call, ticket, queue: queue.clone(), why: Box::new(why.clone()) });
                self.note(Event::Waits { call, ticket, queue, why });
            }
            Decision::Repaired { agent, what } => self.note(Event::Repaired { agent, what }),
            Decision::Withdraw { offer, how, .. } => {
                let Some(call) = self.offers.get(&offer).copied() else { return };
                self.callback_withdrawn(now, call, how);
                self.with_call(now, call, |engine, call| {
                    if call.assigned().is_some_and(|(_, rings)| rings == offer) {
                        engine.drop_offer(now, call, how);
                    }
                });
            }
            told @ Decision::Agent { .. } => self.on_agent_state(now, told),
        }
    }

    /// An agent was chosen: the media session is opened first, so that the INVITE never promises a port that is not there.
    fn call_agent(&mut self, now: Now, call: &mut Call, agent: AgentId, offer: OfferId, queue: QueueId, why: Why) {
        if !matches!(call.stage, Stage::Waiting(_)) {
            self.acd.declined(now.mono, offer, OfferEnd::Withdrawn);
            return;
        }
        let last = call.legs_made.checked_add(PHONES_MAX);
        let phones = last.and_then(|_| self.phones_of(call.id, call.legs_made, &agent, offer, Owner::Agent(call.id)));
        let Some(mut phones) = phones else {
            self.offer_ended(offer, agent, OfferEnd::Unreachable);
            self.acd.declined(now.mono, offer, OfferEnd::Unreachable);
            return;
        };
        call.legs_made = call.legs_made.saturating_add(phones.count());
        call.after = self.commit(Record::Assigned { call: call.id, agent, offer, queue, why: Box::new(why) });
        self.offers.insert(offer, call.id);
        self.open_phones(call.after, &mut phones);
        if let Stage::Waiting(ticket) = std::mem::replace(&mut call.stage, Stage::Over) {
            call.stage = Stage::Ringing(ticket, phones);
        }
    }

    /// A media session of an agent's says something.
    pub(crate) fn on_agent_media(&mut self, now: Now, call: &mut Call, leg: LegId, event: media::Event) {
        if call.phones().is_some() {
            return self.on_phone_media(now, call, leg, &event);
        }
        let Some(side) = call.agent_side().filter(|side| side.leg.id == leg) else { return };
        match event {
            media::Event::Silent => {
                let dialog = side.leg.dialog;
                self.sip.handle_command(now, sip::Command::Probe { dialog });
            }
            media::Event::Played { id, .. } => {
                if matches!(call.stage, Stage::Whispering(_, _, Whisper { play, .. }) if play == id) {
                    self.told_agent(now, call);
                }
            }
            media::Event::Digit(digit, _held) => self.on_agent_key(now, call, digit),
            media::Event::Opened(_) | media::Event::OpenFailed(_) | media::Event::Recorded { .. } | media::Event::Closed(_) => {}
        }
    }

    fn on_phone_media(&mut self, now: Now, call: &mut Call, leg: LegId, event: &media::Event) {
        match event {
            media::Event::Opened(_) => {
                let caller = caller(now, call);
                if let Some(phones) = call.phones_mut() {
                    self.phone_opened(now, phones, leg, caller);
                }
            }
            media::Event::OpenFailed(_) => {
                let after = call.after;
                if let Some(phones) = call.phones_mut() {
                    let rang = self.phone_not_opened(after, phones, leg);
                    self.rang(now, call, rang);
                }
            }
            // Before the answer nobody sends, and nothing is played.
            media::Event::Silent
            | media::Event::Played { .. }
            | media::Event::Digit(..)
            | media::Event::Recorded { .. }
            | media::Event::Closed(_) => {}
        }
    }

    /// One of the agent's phones has done something: the offer goes on, is answered, or is over.
    fn rang(&mut self, now: Now, call: &mut Call, rang: Rang) {
        match rang {
            Rang::On => {}
            Rang::Answered(leg, agreed) => self.agent_answered(now, call, leg, agreed),
            Rang::Over(how) => {
                if let Stage::Ringing(ticket, phones) = std::mem::replace(&mut call.stage, Stage::Over) {
                    call.stage = Stage::Waiting(ticket);
                    self.offer_failed(now, call, phones.offer, phones.agent, how);
                }
            }
        }
    }

    /// A timer of the agent's side has come.
    pub(crate) fn on_agent_timeout(&mut self, now: Now, call: &mut Call) {
        let after = call.after;
        if let Some(phones) = call.phones_mut() {
            let rang = self.phones_late(now, after, phones);
            return self.rang(now, call, rang);
        }
        match &call.stage {
            Stage::Whispering(_, _, whisper) if whisper.until <= now.mono => self.told_agent(now, call),
            Stage::Whispering(..) | Stage::Talking(..) | Stage::Consulting(..) => self.on_agent_keys_late(now, call),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Through(..)
            | Stage::Over => {}
        }
    }

    /// An agent's phone says something.
    pub(crate) fn on_agent_sip(&mut self, now: Now, call: &mut Call, event: sip::Event) {
        let after = call.after;
        if let Some(phones) = call.phones_mut() {
            let rang = self.phone_says(now, after, phones, &event);
            return self.rang(now, call, rang);
        }
        match event {
            sip::Event::Bye { .. } | sip::Event::ProbeFailed { .. } | sip::Event::PeerLost { .. }
                if self.goes_on_elsewhere(now, call, Of::Agent) => {}
            sip::Event::Bye { .. } => self.agent_left(now, call, Party::Agent),
            sip::Event::AckMissing { .. } | sip::Event::ProbeFailed { .. } | sip::Event::PeerLost { .. } => {
                self.agent_left(now, call, Party::Engine);
            }
            sip::Event::Refer { dialog, to_user, with } => self.on_refer(now, call, dialog, &to_user, with),
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                let terms = call.agent_side_mut().map(|side| self.handle_terms(now, after, &mut side.leg, &event));
                if terms == Some(Terms::Broken) {
                    self.agent_left(now, call, Party::Engine);
                }
            }
            _ => {}
        }
    }

    /// An agent's phone that may ring for this call is gone, and the agent has others.
    pub(crate) fn agents_phone_gone(&mut self, now: Now, call: &mut Call, at: &sip::Spot) {
        let after = call.after;
        if let Some(phones) = call.phones_mut() {
            let rang = self.phone_gone(now, after, phones, at);
            self.rang(now, call, rang);
        }
    }

    fn agent_answered(&mut self, now: Now, call: &mut Call, leg: Leg, agreed: sdp::Agreed) {
        let Stage::Ringing(ticket, mut phones) = std::mem::replace(&mut call.stage, Stage::Over) else { return };
        if !self.acd.answered(now.mono, phones.offer) {
            // Stale: the offer was withdrawn in this very moment.
            call.stage = Stage::Waiting(ticket);
            self.sip.handle_command(now, sip::Command::Bye { dialog: leg.dialog });
            self.close_leg(call.after, &leg);
            self.stop_phones(now, call.after, &mut phones, None);
            return self.offer_over(call, phones.offer, phones.agent, OfferEnd::Withdrawn);
        }
        let (agent, offer) = (phones.agent.clone(), phones.offer);
        self.take_phone(now, call.after, phones, &leg, agreed);
        let side = AgentSide { agent, offer, leg, keys: None, refers: None };
        let clips = self.whisper(now, call, &ticket.queue);
        if clips.is_empty() {
            return self.join_agent(now, call, ticket, side);
        }
        let length: Duration = clips.iter().map(|clip| clip.length()).sum();
        let play = self.next_play();
        self.media(call.after, side.leg.id, Media::Play { id: play, clips, on_key: OnKey::Cut, repeat: false });
        call.stage = Stage::Whispering(ticket, side, Whisper { play, until: now.mono + length + WHISPER_GRACE });
    }

    /// What the agent hears before the caller: the queue's sentences in the house's language, the caller's language where there is a word
    /// for it, how long they have waited if that is worth a word, and one beep. Nothing, where the queue says nothing.
    fn whisper(&self, now: Now, call: &Call, queue: &QueueId) -> Vec<Arc<Clip>> {
        let Some(queue) = call.city.book.queues.get(queue).filter(|queue| !queue.whisper.is_empty()) else { return Vec::new() };
        let lang = house_lang(call);
        let of_lang = PromptId::from(format!("whisper_lang_{}", call.run.lang()));
        let spoken = |prompt: &PromptId, value| Spoken { prompt: prompt.clone(), lang: lang.clone(), value };
        let waited = call.waiting_since.map_or(Duration::ZERO, |(since, _)| now.mono.since(since));
        let sentences = queue.whisper.iter().chain([&of_lang]).map(|prompt| spoken(prompt, None));
        let sentences =
            sentences.chain(waited_figure(waited, &call.city, |minutes| spoken(&PromptId::from(WHISPER_WAITED), Some(minutes))));
        sentences.filter_map(|spoken| call.city.clips.get(&spoken)).chain([&self.tones.beep]).map(Arc::clone).collect()
    }

    /// The agent is told who it is.
    fn told_agent(&mut self, now: Now, call: &mut Call) {
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Whispering(ticket, side, _) => self.join_agent(now, call, ticket, side),
            other => call.stage = other,
        }
    }

    /// Caller and agent hear each other, even in the middle of an announcement.
    fn join_agent(&mut self, now: Now, call: &mut Call, ticket: Ticket, side: AgentSide) {
        call.after = self.commit(Record::Bridged { call: call.id, offer: side.offer });
        self.hush(call);
        let mix = MixId(call.id.0);
        self.media(call.after, side.leg.id, Media::Join(mix));
        self.media(call.after, call.leg.id, Media::Join(mix));
        let waited = call.waiting_since.map_or(Duration::ZERO, |(since, _)| now.mono.since(since));
        let to_human = now.mono.since(call.arrived.mono);
        call.to_human.get_or_insert(to_human);
        call.served_by = Some(side.agent.clone());
        call.owed = false;
        self.remember_caller(now, call, &side.agent);
        self.offer_ended(side.offer, side.agent.clone(), OfferEnd::Answered);
        self.note_left(now, call, &ticket, QueueEnd::Answered);
        self.note(Event::Bridged {
            call: call.id,
            queue: ticket.queue.clone(),
            agent: side.agent.clone(),
            waited: waited.into(),
            to_human: to_human.into(),
        });
        call.stage = Stage::Talking(ticket, side, now.mono);
        self.tell(now, call, Heard::Connected);
    }

    /// The agent hung up, or the agent's phone vanished.
    pub(crate) fn agent_left(&mut self, now: Now, call: &mut Call, by: Party) {
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Talking(ticket, side, since) => {
                call.talked = Some(now.mono.since(since));
                self.offers.remove(&side.offer);
                self.media(call.after, call.leg.id, Media::Leave);
                if by == Party::Engine {
                    self.sip.handle_command(now, sip::Command::Bye { dialog: side.leg.dialog });
                }
                self.close_leg(call.after, &side.leg);
                if by == Party::Agent {
                    self.acd.finished(now.mono, &side.agent);
                    self.tickets.remove(&ticket.id);
                    call.stage = Stage::Menu;
                    call.after = self.commit(Record::Unplaced { call: call.id, how: QueueEnd::Answered });
                    self.commit_unassigned(call, side.offer, OfferEnd::Answered);
                    self.served(now, call);
                } else {
                    // Law 4: the caller did not hang up, so the caller keeps the place, at the front by age.
                    self.commit_unassigned(call, side.offer, OfferEnd::Answered);
                    call.stage = Stage::Waiting(ticket.clone());
                    call.owed = true;
                    // This alone: it takes the ticket back and leaves the agent to after-call work.
                    self.acd.returned(now.mono, ticket.id);
                    self.tell(now, call, Heard::Returned);
                }
            }
            Stage::Consulting(ticket, side, since, called) => {
                call.stage = Stage::Consulting(ticket, side, since, called);
                self.agent_left_consulting(now, call, by);
            }
            Stage::Whispering(ticket, side, _) => {
                call.stage = Stage::Waiting(ticket.clone());
                if by == Party::Engine {
                    self.sip.handle_command(now, sip::Command::Bye { dialog: side.leg.dialog });
                }
                self.close_leg(call.after, &side.leg);
                // Who hangs up at what is whispered declines; routing had heard of an answer, so the ticket is given back to it.
                let how = if by == Party::Agent { OfferEnd::Declined } else { OfferEnd::Unreachable };
                self.offer_over(call, side.offer, side.agent, how);
                self.acd.returned(now.mono, ticket.id);
            }
            other @ (Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Through(..)
            | Stage::Over) => {
                call.stage = other;
            }
        }
    }

    /// Whoever served the caller has hung up: the flow says what there is to say, and the call ends.
    pub(crate) fn served(&mut self, now: Now, call: &mut Call) {
        // An agent may hang up while they hold.
        self.hush(call);
        self.tell(now, call, Heard::Served);
        // A flow that has nothing to say after a goodbye ends here.
        if !matches!(call.stage, Stage::Over) && call.sound == Sound::Quiet && call.next_wake().is_none() {
            self.end_call(now, call, CallEnd::Served, Party::Agent);
        }
    }

    /// Lets go of whoever is being called for this caller, or is being told of them: the caller only waits. Routing knows already, or is
    /// told by the caller of this.
    pub(crate) fn drop_offer(&mut self, now: Now, call: &mut Call, how: OfferEnd) {
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Ringing(ticket, mut phones) => {
                call.stage = Stage::Waiting(ticket);
                self.stop_phones(now, call.after, &mut phones, None);
                self.offer_over(call, phones.offer, phones.agent, how);
            }
            Stage::Whispering(ticket, side, _) => {
                call.stage = Stage::Waiting(ticket);
                // The agent had answered: for routing that was a call, and it is over.
                self.sip.handle_command(now, sip::Command::Bye { dialog: side.leg.dialog });
                self.acd.finished(now.mono, &side.agent);
                self.close_leg(call.after, &side.leg);
                self.offer_over(call, side.offer, side.agent, how);
            }
            other @ (Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Talking(..)
            | Stage::Consulting(..)
            | Stage::Through(..)
            | Stage::Over) => call.stage = other,
        }
    }

    /// An offer came to nothing by the phones' doing: routing is told, the caller waits on at the front.
    fn offer_failed(&mut self, now: Now, call: &mut Call, offer: OfferId, agent: AgentId, how: OfferEnd) {
        self.offer_over(call, offer, agent, how);
        self.acd.declined(now.mono, offer, how);
    }

    fn offer_over(&mut self, call: &mut Call, offer: OfferId, agent: AgentId, how: OfferEnd) {
        self.offers.remove(&offer);
        self.commit_unassigned(call, offer, how);
        self.offer_ended(offer, agent, how);
    }

    pub(crate) fn commit_unassigned(&mut self, call: &mut Call, offer: OfferId, how: OfferEnd) {
        let seq: Seq = self.commit(Record::Unassigned { call: call.id, offer, how });
        call.after = call.after.max(seq);
    }
}

/// As whom an agent's phones are called: the caller's codec first, so that the bridge only touches headers.
fn caller(now: Now, call: &Call) -> Caller {
    let mut codecs = Codec::ALL.to_vec();
    codecs.sort_by_key(|codec| Some(*codec) != call.leg.codec);
    Caller { from: sip::Identity { display: display(now, call), user: call.number.as_str().to_owned() }, codecs }
}

/// What the agent's display shows: queue, language, time waited, and the caller's number only where the queue says so and the caller shows
/// it. Names may be UTF-8 (RFC 3261 section 25.1, quoted-string); a house that labels its queues in ASCII has phones that need that.
fn display(now: Now, call: &Call) -> String {
    let queue = call.last_queue.as_ref().and_then(|queue| call.city.book.queues.get(queue));
    let waited = call.waiting_since.map_or(0, |(since, _)| now.mono.since(since).as_secs());
    let label = queue.map_or("", |queue| queue.label.as_str());
    let between = if label.is_ascii() { " " } else { "・" };
    let mut shown = format!("{label}{between}{}{between}{}:{:02}", call.run.lang(), waited / 60, waited % 60);
    if queue.is_some_and(|queue| queue.show_number)
        && let Ok(number) = Number::parse(call.caller.reveal())
    {
        shown.push_str(between);
        shown.push_str(&crate::vault::national(&number));
    }
    // Why there is no number names nobody, and tells the agent that there is none to call back.
    let tongue = if label.is_ascii() { Tongue::Ascii } else { Tongue::Japanese };
    let more = [
        call.withheld.map(|why| identity::in_words(why, tongue).to_owned()),
        call.called_first.as_ref().map(|line| identity::sent_on(line, tongue)),
    ];
    for word in more.into_iter().flatten() {
        shown.push_str(between);
        shown.push_str(&word);
    }
    shown
}

/// The longest wait that the city has a sound for and that is no longer than it was: told from one minute on.
fn waited_figure(waited: Duration, city: &City, spoken: impl Fn(u32) -> Spoken) -> Option<Spoken> {
    let minutes = u32::try_from(waited.as_secs() / 60).unwrap_or(u32::MAX).min(WAITED_MAX);
    (1..=minutes).rev().map(spoken).find(|spoken| city.clips.contains_key(spoken))
}

/// The language that is spoken to agents and to whomever they call: the flow's first.
pub(crate) fn house_lang(call: &Call) -> Lang {
    let flow = call.city.book.flows.get(&call.flow);
    flow.and_then(|flow| flow.languages().next().cloned()).unwrap_or_else(|| Lang::from("ja"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_whispered_by_the_figures_that_there_are_and_never_longer_than_it_was() {
        let of = |value: u32| Spoken { prompt: PromptId::from(WHISPER_WAITED), lang: Lang::from("ja"), value: Some(value) };
        let sound = Arc::new(Clip::encode(&model::Pcm::silence(8000, 160)).unwrap());
        let clips = [1, 2, 3, 5, 10].map(|value| (of(value), Arc::clone(&sound)));
        let city = City { clips: clips.into(), ..City::default() };
        let told = |secs| waited_figure(Duration::from_secs(secs), &city, of).and_then(|spoken| spoken.value);
        assert_eq!([0, 59, 60, 299, 300, 7200].map(told), [None, None, Some(1), Some(3), Some(5), Some(10)]);
        assert_eq!(waited_figure(Duration::from_secs(300), &City::default(), of), None, "a city without the sentence");
    }
}
