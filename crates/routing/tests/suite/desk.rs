//! An ACD with its city, driven one situation at a time; each step drains what it says and audits it.

#![allow(dead_code, reason = "each file of tests takes what it needs of the desk")]

use crate::city::{agents, queues, rules};
use model::{Agent, AgentId, AgentState, Instant, Lang, OfferEnd, OfferId, PassedOver, Queue, QueueEnd, QueueId, TicketId, Why, WhyNot};
use routing::{Acd, Change, Decision, Ticket};
use std::collections::BTreeMap;

pub(crate) fn secs(secs: u64) -> Instant {
    Instant::from_millis(secs * 1000)
}
pub(crate) fn agent(id: &str) -> AgentId {
    AgentId::from(id)
}

/// An ACD and its city. Each step drains what the ACD says into `said`, and audits it.
pub(crate) struct Desk {
    pub(crate) acd: Acd,
    queues: BTreeMap<QueueId, Queue>,
    pub(crate) said: Vec<Decision>,
}

impl Desk {
    pub(crate) fn new(all: &[Queue], people: &[Agent]) -> Desk {
        Desk { acd: Acd::new(rules(&queues(all), &agents(people))), queues: queues(all), said: Vec::new() }
    }
    /// One input, then everything it leads to.
    pub(crate) fn does<R>(&mut self, input: impl FnOnce(&mut Acd) -> R) -> R {
        let result = input(&mut self.acd);
        self.said.clear();
        while let Some(decision) = self.acd.poll_output() {
            self.said.push(decision);
        }
        self.acd.audit().expect("the ACD agrees with itself");
        result
    }
    pub(crate) fn signs_in(&mut self, at: Instant, who: &str) {
        self.declares(at, who, Change::SignIn);
    }
    pub(crate) fn declares(&mut self, at: Instant, who: &str, change: Change) {
        self.does(|acd| acd.set_agent(at, &agent(who), change));
    }
    /// A caller of normal class who speaks Japanese.
    pub(crate) fn calls(&mut self, at: Instant, ticket: u64, queue: &str) {
        self.calls_with(at, ticket, queue, "ja", 0);
    }
    pub(crate) fn calls_with(&mut self, at: Instant, ticket: u64, queue: &str, lang: &str, class: u8) {
        let ticket = self.ticket(at, ticket, queue, lang, class);
        self.does(|acd| acd.enqueue(at, ticket));
    }
    pub(crate) fn ticket(&self, since: Instant, id: u64, queue: &str, lang: &str, class: u8) -> Ticket {
        let lang = Lang::from(lang);
        let needs = self.queues.get(&QueueId::from(queue)).map(|q| q.needs_for(&lang)).unwrap_or_default();
        Ticket { class, ..Ticket::plain(TicketId(id), QueueId::from(queue), needs, lang, since) }
    }
    pub(crate) fn until(&mut self, at: Instant) {
        self.does(|acd| acd.handle_timeout(at));
    }
    pub(crate) fn answers(&mut self, at: Instant, who: &str) -> bool {
        let offer = self.ringing(who).expect("the phone rings").0;
        self.does(|acd| acd.answered(at, offer))
    }
    pub(crate) fn declines(&mut self, at: Instant, who: &str) {
        let offer = self.ringing(who).expect("the phone rings").0;
        self.does(|acd| acd.declined(at, offer, OfferEnd::Declined));
    }
    pub(crate) fn hangs_up(&mut self, at: Instant, who: &str) {
        self.does(|acd| acd.finished(at, &agent(who)));
    }

    /// The offer that rings at somebody's desk, and for whom.
    pub(crate) fn ringing(&self, who: &str) -> Option<(OfferId, u64)> {
        match &self.acd.state().agents.get(&agent(who))?.stage {
            routing::Stage::Offered { offer, ticket, .. } => Some((*offer, ticket.0)),
            _ => None,
        }
    }
    /// Whose phone rings for a ticket.
    pub(crate) fn rings_at(&self, ticket: u64) -> Option<String> {
        let who = self.acd.state().agents.into_keys().find(|who| self.ringing(who.as_str()).is_some_and(|(_, t)| t == ticket));
        who.map(|who| who.to_string())
    }
    pub(crate) fn state(&self, who: &str) -> AgentState {
        self.acd.agents().find(|(id, _)| id.as_str() == who).map_or(AgentState::SignedOut, |(_, state)| state)
    }
    pub(crate) fn refused(&self) -> Option<QueueEnd> {
        self.said.iter().find_map(|d| if let Decision::Refused { why, .. } = d { Some(*why) } else { None })
    }
    pub(crate) fn placed(&self) -> Option<u32> {
        self.said.iter().find_map(|d| if let Decision::Placed { position, .. } = d { Some(*position) } else { None })
    }
    pub(crate) fn withdrawn(&self) -> Option<(String, OfferEnd)> {
        self.said.iter().find_map(|d| if let Decision::Withdraw { agent, how, .. } = d { Some((agent.to_string(), *how)) } else { None })
    }
    pub(crate) fn why(&self) -> Option<Why> {
        self.said.iter().find_map(|d| if let Decision::Offer { why, .. } = d { Some(why.clone()) } else { None })
    }
    pub(crate) fn why_not(&self, who: &str) -> Option<WhyNot> {
        self.why()?.passed_over.into_iter().find(|PassedOver { agent, .. }| agent.as_str() == who).map(|p| p.why)
    }
}
