//! The watchman: after every step he asks whether what must never happen has happened.
//!
//! The invariants of the design that can be seen from outside: an act leaves after its record is durable, or 50 ms late and flagged (law 5);
//! every arrival ends exactly once; an agent is in one call and has one offer; an agent's states follow one another.

mod order;
mod wrap_up;

use calls::{Act, City, Gate, Record};
use model::{ActId, AgentId, AgentState, BreakReason, CallEnd, CallId, CallRecord, Event, Instant, LineId, OfferId, Seq, UnixMillis};
use order::Order;
use std::collections::BTreeMap;
use wrap_up::WrapUp;

#[derive(Debug, Default)]
pub(crate) struct Watch {
    open: BTreeMap<CallId, Instant>,
    ended: BTreeMap<CallId, CallEnd>,
    records: Vec<CallRecord>,
    offers: BTreeMap<OfferId, AgentId>,
    talking: BTreeMap<AgentId, CallId>,
    states: BTreeMap<AgentId, AgentState>,
    /// Why agents are on a break.
    breaks: BTreeMap<AgentId, Option<BreakReason>>,
    /// Places of lines that are taken.
    lines: BTreeMap<LineId, u32>,
    /// Acts that were asked for and not done: when, and after which record.
    asked: BTreeMap<ActId, (Instant, Seq)>,
    last_act: ActId,
    last_seq: Seq,
    /// Up to here acts were let go without their records, and it was said so.
    released: Seq,
    /// Acts that went out before their record was durable.
    pub(crate) flagged: u64,
    /// Repairs of agents' states.
    pub(crate) repairs: u64,
    order: Order,
    wrap_up: WrapUp,
}

impl Watch {
    /// A city is in force.
    pub(crate) fn handle_city(&mut self, city: &City) {
        self.wrap_up.handle_city(city.book.queues.iter().map(|(id, queue)| (id.clone(), queue.wrap_up)).collect());
    }

    /// An agent is set ready, or on a break.
    pub(crate) fn handle_wish(&mut self, agent: &AgentId) {
        self.wrap_up.handle_wish(agent);
    }

    pub(crate) fn handle_commit(&mut self, now: Instant, wall: UnixMillis, seq: Seq, record: &Record) -> Result<(), String> {
        self.order.handle_record(now, wall, record);
        if seq.0 != self.last_seq.0 + 1 {
            return Err(format!("record {seq} follows record {}", self.last_seq));
        }
        self.last_seq = seq;
        Ok(())
    }

    pub(crate) fn handle_asked(&mut self, now: Instant, id: ActId, after: Seq) -> Result<(), String> {
        if id <= self.last_act {
            return Err(format!("act {id} follows act {}", self.last_act));
        }
        if after > self.last_seq {
            return Err(format!("act {id} waits for record {after}, which nobody has written"));
        }
        self.last_act = id;
        self.asked.insert(id, (now, after));
        Ok(())
    }

    /// The gate's patience is over: acts that depend on this record or an earlier one go out without it.
    pub(crate) fn handle_overdue(&mut self, now: Instant, seq: Seq) -> Result<(), String> {
        if !self.asked.values().any(|(at, after)| *after == seq && now.since(*at) >= Gate::PATIENCE) {
            return Err(format!("record {seq} is called overdue, and no act has waited {:?} for it", Gate::PATIENCE));
        }
        self.released = self.released.max(seq);
        Ok(())
    }

    /// An act was not done: its record came too late, and it was one that may not leave without.
    pub(crate) fn handle_dropped(&mut self, id: ActId) {
        self.asked.remove(&id);
    }

    /// An act passed the gate.
    pub(crate) fn handle_done(&mut self, now: Instant, id: ActId, act: &Act, confirmed: Seq) -> Result<(), String> {
        let Some((asked, after)) = self.asked.remove(&id) else {
            return Err(format!("act {id} was done twice, or never asked for: {act:?}"));
        };
        if after > confirmed {
            self.flagged += 1;
            if after > self.released {
                return Err(format!("act {id} left after {:?}, before record {after} was durable: {act:?}", now.since(asked)));
            }
        }
        Ok(())
    }

    pub(crate) fn handle_event(&mut self, now: Instant, event: &Event) -> Result<(), String> {
        self.wrap_up.handle_event(now, event)?;
        if let Event::Ended { record } = event
            && let Some((offer, agent)) = self.order.rung_for(record.call)
        {
            return Err(format!("call {} is over, and {agent} is still rung for it by offer {offer}", record.call));
        }
        self.order.handle_event(now, event);
        match event {
            Event::Arrived { call, .. } => {
                let before = self.open.insert(*call, now).is_some() || self.ended.contains_key(call);
                return if before { Err(format!("call {call} arrived twice")) } else { Ok(()) };
            }
            Event::CallingBack { call, .. } => {
                let before = self.open.insert(*call, now).is_some() || self.ended.contains_key(call);
                return if before { Err(format!("callback {call} began twice")) } else { Ok(()) };
            }
            Event::Ended { record } => {
                if self.open.remove(&record.call).is_none() {
                    let before = self.ended.get(&record.call);
                    return Err(format!("call {} ended ({}) but is not open; it ended before: {before:?}", record.call, record.end));
                }
                self.ended.insert(record.call, record.end);
                self.records.push((**record).clone());
                self.talking.retain(|_, call| *call != record.call);
            }
            Event::Offered { call, offer, agent, .. } => {
                if let Some(busy) = self.talking.get(agent) {
                    return Err(format!("{agent} talks in call {busy} and is offered call {call}"));
                }
                if let Some((other, _)) = self.offers.iter().find(|(_, a)| *a == agent) {
                    return Err(format!("{agent} has offer {other} and gets offer {offer}"));
                }
                self.offers.insert(*offer, agent.clone());
            }
            Event::OfferEnded { offer, .. } => {
                return self.offers.remove(offer).map(drop).ok_or_else(|| format!("offer {offer} ended, but there was none"));
            }
            Event::Bridged { call, agent, .. } => {
                if !self.open.contains_key(call) {
                    return Err(format!("call {call} is bridged and is not open"));
                }
                if let Some(other) = self.talking.insert(agent.clone(), *call) {
                    return Err(format!("{agent} is in calls {other} and {call}"));
                }
            }
            Event::LineTaken { line, used, lines } => {
                if used > lines {
                    return Err(format!("{used} places of {line} are taken, and it has {lines}"));
                }
                self.lines.insert(line.clone(), *used);
            }
            Event::LineFreed { line, used, .. } => drop(self.lines.insert(line.clone(), *used)),
            Event::AgentState { agent, from, to, ended, reason } => {
                let before = self.states.insert(agent.clone(), *to).unwrap_or_default();
                if before != *from {
                    return Err(format!("{agent} was {before} and goes from {from} to {to}"));
                }
                if *from == AgentState::Talking {
                    self.talking.remove(agent);
                }
                let before = self.breaks.remove(agent);
                if before.as_ref() != ended.as_ref().map(|over| &over.reason) {
                    return Err(format!("{agent} was on the break {before:?}, and {ended:?} ends"));
                }
                if *to == AgentState::NotReady {
                    self.breaks.insert(agent.clone(), reason.clone());
                }
            }
            Event::Repaired { agent, what } => {
                self.repairs += 1;
                return Err(format!("{agent}'s state had to be repaired: {what}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// One input, and all that came of it, is done with.
    pub(crate) fn handle_settled(&mut self) -> Result<(), String> {
        self.order.settled()
    }

    /// The engine died: only what is durable was ever true.
    pub(crate) fn handle_crash<'a>(&mut self, now: Instant, durable: impl Iterator<Item = &'a Record>, confirmed: Seq) {
        let before = std::mem::take(self);
        self.flagged = before.flagged;
        self.repairs = before.repairs;
        self.last_seq = confirmed;
        for record in durable {
            match record {
                Record::Arrived { call, .. } => drop(self.open.insert(*call, now)),
                Record::Ended(record) => {
                    self.open.remove(&record.call);
                    self.ended.insert(record.call, record.end);
                    self.records.push((**record).clone());
                }
                _ => {}
            }
        }
    }

    /// Nothing goes on any more.
    pub(crate) fn quiet(&self) -> Result<(), String> {
        if let Some((call, since)) = self.open.first_key_value() {
            return Err(format!("all is quiet, and call {call} of {since:?} never ended"));
        }
        if let Some((offer, agent)) = self.offers.first_key_value() {
            return Err(format!("all is quiet, and offer {offer} to {agent} never ended"));
        }
        if let Some((line, used)) = self.lines.iter().find(|(_, used)| **used > 0) {
            return Err(format!("all is quiet, and {used} places of {line} are taken"));
        }
        if let Some((id, (_, after))) = self.asked.first_key_value() {
            return Err(format!("all is quiet, and act {id} still waits for record {after}"));
        }
        Ok(())
    }

    pub(crate) fn records(&self) -> &[CallRecord] {
        &self.records
    }
}
