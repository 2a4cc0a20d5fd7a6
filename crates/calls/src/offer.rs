//! The agent's side: an offer becomes a ringing phone, a ringing phone becomes a conversation.

use crate::City;
use crate::call::{AgentSide, Call, Dialling, Sound, Stage};
use crate::engine::{Engine, Owner, far};
use crate::record::Record;
use flow::{Heard, Spoken};
use media::{Clip, Command as Media, OnKey};
use model::{
    AgentId, CallEnd, Codec, Event, Lang, LegId, MixId, Now, Number, OfferEnd, OfferId, Party, PromptId, QueueEnd, QueueId, Seq, Why,
};
use routing::Decision;
use std::sync::Arc;
use std::time::Duration;

/// An agent's phone that has not said anything at all to an INVITE by then cannot be reached: by then it was asked three times (RFC 3261
/// section 17.1.1.2, timer A). Waiting for timer B, 32 s, would cost the caller more than the ring time.
pub(crate) const PHONE_DEAF: Duration = Duration::from_secs(2);
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
                        Stage::Ringing(..) => {
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
            Decision::Withdraw { offer, agent, how, .. } => {
                let Some(call) = self.offers.get(&offer).copied() else { return };
                self.callback_withdrawn(now, call, how);
                self.with_call(now, call, |engine, call| {
                    if let Stage::Ringing(ticket, side) = std::mem::replace(&mut call.stage, Stage::Over) {
                        if side.offer == offer {
                            debug_assert_eq!(side.agent, agent);
                            call.stage = Stage::Waiting(ticket);
                            engine.drop_agent(now, call, side, how);
                        } else {
                            call.stage = Stage::Ringing(ticket, side);
                        }
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
        let peer = self.sip.binding(agent.as_str()).map(|binding| binding.addr.ip());
        let index = call.legs_made.checked_add(1);
        let leg = match index.zip(peer) {
            Some((index, peer)) => {
                call.legs_made = index;
                let dialog = self.sip.new_dialog();
                self.make_leg(call.id, index - 1, dialog, peer, Owner::Agent(call.id))
            }
            None => None,
        };
        let Some(leg) = leg else {
            self.note(Event::OfferEnded { offer, agent, how: OfferEnd::Unreachable });
            self.acd.declined(now.mono, offer, OfferEnd::Unreachable);
            return;
        };
        call.after = self.commit(Record::Assigned { call: call.id, agent: agent.clone(), offer, queue, why: Box::new(why) });
        self.offers.insert(offer, call.id);
        let local = self.bind_addr(&leg);
        self.media(call.after, leg.id, Media::Open { local });
        let side = AgentSide { agent, offer, leg, dialling: Dialling::Opening, keys: None };
        if let Stage::Waiting(ticket) = std::mem::replace(&mut call.stage, Stage::Over) {
            call.stage = Stage::Ringing(ticket, side);
        }
    }

    /// The agent's media session says something.
    pub(crate) fn on_agent_media(&mut self, now: Now, call: &mut Call, leg: LegId, event: media::Event) {
        let Some(side) = call.agent_side() else { return };
        if side.leg.id != leg {
            return;
        }
        match event {
            media::Event::Opened(_) => self.invite_agent(now, call),
            media::Event::OpenFailed(_) => {
                let after = call.after;
                if let Stage::Ringing(_, side) = &mut call.stage
                    && self.open_elsewhere(after, &mut side.leg)
                {
                    return;
                }
                if let Stage::Ringing(ticket, side) = std::mem::replace(&mut call.stage, Stage::Over) {
                    call.stage = Stage::Waiting(ticket);
                    self.drop_leg(&side.leg);
                    self.offer_failed(now, call, &side, OfferEnd::Unreachable);
                }
            }
            media::Event::Silent => {
                let dialog = side.leg.dialog;
                self.sip.handle_command(now, sip::Command::Probe { dialog });
            }
            media::Event::Played { id, .. } => {
                if matches!(side.dialling, Dialling::Whispering { play, .. } if play == id) {
                    self.join_agent(now, call);
                }
            }
            media::Event::Digit(digit, _held) => self.on_agent_key(now, call, digit),
            media::Event::Closed(_) => {}
        }
    }

    fn invite_agent(&mut self, now: Now, call: &mut Call) {
        let display = display(now, call);
        let caller_codec = call.leg.codec;
        let Stage::Ringing(_, side) = &mut call.stage else { return };
        if side.dialling != Dialling::Opening {
            return;
        }
        side.dialling = Dialling::Invited { deaf: Some(now.mono + PHONE_DEAF) };
        let Some(binding) = self.sip.binding(side.agent.as_str()) else {
            // The phone signed off within this very moment; routing hears of it by the same input.
            return;
        };
        let to = sip::Target { uri: binding.contact.clone(), flow: binding.flow, addr: binding.addr };
        let from = sip::Identity { display, user: call.number.as_str().to_owned() };
        // The caller's codec first, so that the bridge only touches headers.
        let mut codecs = Codec::ALL.to_vec();
        codecs.sort_by_key(|codec| Some(*codec) != caller_codec);
        let sdp = sdp::offer(&self.capabilities(&side.leg, codecs));
        let dialog = side.leg.dialog;
        self.sip.handle_command(now, sip::Command::Invite { dialog, to, from, sdp });
    }

    /// A timer of the agent's side has come.
    pub(crate) fn on_agent_timeout(&mut self, now: Now, call: &mut Call) {
        let Some(side) = call.agent_side() else { return };
        match side.dialling {
            Dialling::Invited { deaf: Some(deaf) } if deaf <= now.mono => {
                if let Stage::Ringing(ticket, side) = std::mem::replace(&mut call.stage, Stage::Over) {
                    call.stage = Stage::Waiting(ticket);
                    self.sip.handle_command(now, sip::Command::Cancel { dialog: side.leg.dialog });
                    self.close_leg(call.after, &side.leg);
                    self.offer_failed(now, call, &side, OfferEnd::Unreachable);
                }
            }
            Dialling::Whispering { until, .. } if until <= now.mono => self.join_agent(now, call),
            Dialling::Opening | Dialling::Invited { .. } | Dialling::Whispering { .. } | Dialling::Answered => {
                self.on_agent_keys_late(now, call);
            }
        }
    }

    /// The agent's phone says something.
    pub(crate) fn on_agent_sip(&mut self, now: Now, call: &mut Call, event: sip::Event) {
        match event {
            sip::Event::Answered { dialog, sdp } => self.agent_answered(now, call, dialog, sdp.as_deref()),
            sip::Event::Failed { status, .. } => {
                if let Stage::Ringing(ticket, side) = std::mem::replace(&mut call.stage, Stage::Over) {
                    call.stage = Stage::Waiting(ticket);
                    let how = match status {
                        // Nobody there, or nothing that answers: the phone, not the agent, said no (RFC 3261 sections 21.4.9, 21.5.4).
                        404 | 408 | 410 | 480 | 481 | 500 | 502..=504 => OfferEnd::Unreachable,
                        _ => OfferEnd::Declined,
                    };
                    self.close_leg(call.after, &side.leg);
                    self.offer_failed(now, call, &side, how);
                }
            }
            sip::Event::Bye { .. } => self.agent_left(now, call, Party::Agent),
            sip::Event::ProbeFailed { .. } => self.agent_left(now, call, Party::Engine),
            sip::Event::Reoffer { dialog, offer } => {
                let after = call.after;
                let answered = match call.agent_side_mut() {
                    Some(side) => self.reoffer(now, after, &mut side.leg, offer.as_deref()),
                    None => false,
                };
                if !answered {
                    self.sip.handle_command(now, sip::Command::RefuseReoffer { dialog, status: 488 });
                }
            }
            // The offer's time runs from the INVITE; that the phone is there is all that these say.
            sip::Event::Trying { .. } | sip::Event::Ringing { .. } => {
                if let Some(Dialling::Invited { deaf }) = call.agent_side_mut().map(|side| &mut side.dialling) {
                    *deaf = None;
                }
            }
            _ => {}
        }
    }

    fn agent_answered(&mut self, now: Now, call: &mut Call, dialog: model::DialogId, sdp: Option<&[u8]>) {
        let Stage::Ringing(ticket, mut side) = std::mem::replace(&mut call.stage, Stage::Over) else { return };
        if side.leg.dialog != dialog {
            call.stage = Stage::Ringing(ticket, side);
            return;
        }
        let ours = self.capabilities(&side.leg, Codec::ALL.to_vec());
        let agreed = sdp.and_then(|sdp| sdp::parse(sdp).ok()).and_then(|answer| sdp::accept(&answer, &ours).ok());
        let Some(agreed) = agreed else {
            // The phone answered with something we cannot hear: it is a phone that refuses.
            call.stage = Stage::Waiting(ticket);
            self.sip.handle_command(now, sip::Command::Bye { dialog });
            self.close_leg(call.after, &side.leg);
            return self.offer_failed(now, call, &side, OfferEnd::Declined);
        };
        if !self.acd.answered(now.mono, side.offer) {
            // Stale: the offer was withdrawn in this very moment.
            call.stage = Stage::Waiting(ticket);
            self.sip.handle_command(now, sip::Command::Bye { dialog });
            self.close_leg(call.after, &side.leg);
            self.offers.remove(&side.offer);
            return;
        }
        side.leg.codec = Some(agreed.codec);
        self.media(call.after, side.leg.id, Media::Connect(far(agreed, &side.leg)));
        let clips = self.whisper(now, call, &ticket.queue);
        if clips.is_empty() {
            call.stage = Stage::Ringing(ticket, side);
            return self.join_agent(now, call);
        }
        let length: Duration = clips.iter().map(|clip| clip.length()).sum();
        let play = self.next_play();
        self.media(call.after, side.leg.id, Media::Play { id: play, clips, on_key: OnKey::Cut, repeat: false });
        side.dialling = Dialling::Whispering { play, until: now.mono + length + WHISPER_GRACE };
        call.stage = Stage::Ringing(ticket, side);
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

    /// The agent is told, or there is nothing to tell: both hear each other, even in the middle of an announcement.
    fn join_agent(&mut self, now: Now, call: &mut Call) {
        let Stage::Ringing(ticket, mut side) = std::mem::replace(&mut call.stage, Stage::Over) else { return };
        side.dialling = Dialling::Answered;
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
        self.note(Event::OfferEnded { offer: side.offer, agent: side.agent.clone(), how: OfferEnd::Answered });
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
            Stage::Ringing(ticket, side) => {
                call.stage = Stage::Waiting(ticket.clone());
                if by == Party::Engine {
                    self.sip.handle_command(now, sip::Command::Bye { dialog: side.leg.dialog });
                }
                self.close_leg(call.after, &side.leg);
                let how = if by == Party::Agent { OfferEnd::Declined } else { OfferEnd::Unreachable };
                match side.dialling {
                    // Who hangs up at what is whispered declines; routing had heard of an answer, so the ticket is given back to it.
                    Dialling::Whispering { .. } | Dialling::Answered => {
                        self.offers.remove(&side.offer);
                        self.commit_unassigned(call, side.offer, how);
                        self.note(Event::OfferEnded { offer: side.offer, agent: side.agent.clone(), how });
                        self.acd.returned(now.mono, ticket.id);
                    }
                    // The phone hung up while it rang: that is a refusal.
                    Dialling::Opening | Dialling::Invited { .. } => self.offer_failed(now, call, &side, how),
                }
            }
            other @ (Stage::Opening(_) | Stage::Answering | Stage::Menu | Stage::Waiting(_) | Stage::Through(..) | Stage::Over) => {
                call.stage = other;
            }
        }
    }

    /// Whoever served the caller has hung up: the flow says what there is to say, and the call ends.
    pub(crate) fn served(&mut self, now: Now, call: &mut Call) {
        self.tell(now, call, Heard::Served);
        // A flow that has nothing to say after a goodbye ends here.
        if !matches!(call.stage, Stage::Over) && call.sound == Sound::Quiet && call.next_wake().is_none() {
            self.end_call(now, call, CallEnd::Served, Party::Agent);
        }
    }

    /// Lets go of an agent's phone that rings or is being opened. Routing knows already, or is told by the caller of this.
    pub(crate) fn drop_agent(&mut self, now: Now, call: &mut Call, side: AgentSide, how: OfferEnd) {
        self.offers.remove(&side.offer);
        let dialog = side.leg.dialog;
        match side.dialling {
            Dialling::Opening => self.dialog_over(dialog),
            Dialling::Invited { .. } => self.sip.handle_command(now, sip::Command::Cancel { dialog }),
            // The agent had answered: for routing that was a call, and it is over.
            Dialling::Whispering { .. } | Dialling::Answered => {
                self.sip.handle_command(now, sip::Command::Bye { dialog });
                self.acd.finished(now.mono, &side.agent);
            }
        }
        self.close_leg(call.after, &side.leg);
        self.commit_unassigned(call, side.offer, how);
        self.note(Event::OfferEnded { offer: side.offer, agent: side.agent, how });
    }

    /// An offer came to nothing by the phone's doing: routing is told, the caller waits on at the front.
    fn offer_failed(&mut self, now: Now, call: &mut Call, side: &AgentSide, how: OfferEnd) {
        self.offers.remove(&side.offer);
        self.commit_unassigned(call, side.offer, how);
        self.note(Event::OfferEnded { offer: side.offer, agent: side.agent.clone(), how });
        self.acd.declined(now.mono, side.offer, how);
    }

    pub(crate) fn commit_unassigned(&mut self, call: &mut Call, offer: OfferId, how: OfferEnd) {
        let seq: Seq = self.commit(Record::Unassigned { call: call.id, offer, how });
        call.after = call.after.max(seq);
    }
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
        shown.push_str(number.as_str());
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
