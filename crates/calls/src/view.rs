//! What the engine says of itself: to the journal, to boards, and to whoever checks its books.

use crate::call::{Call, Stage};
use crate::engine::{Engine, Owner};
use crate::record::State;
use model::{AgentId, AgentState, CallId, Census, Channels, LegId, LineNow, Millis, Now, Snapshot};
use std::collections::BTreeSet;

impl Engine {
    /// The state that must survive, read from the living machines.
    pub fn state(&self) -> State {
        let live = self.calls.iter().map(|(id, call)| {
            let answered = !matches!(call.stage, Stage::Opening(_));
            let sip_call_id = if answered { self.sip.dialog(call.leg.dialog).map(|d| self.vault.call_name(&d.call_id)) } else { None };
            (*id, call.open_call(sip_call_id))
        });
        State {
            version: Some(self.city.book.version.clone()),
            on_break: self.on_break(),
            overrides: self.overrides.in_force.clone(),
            calls: self.orphans.iter().map(|(id, open)| (*id, open.clone())).chain(live).chain(self.open_attempts()).collect(),
            ended: self.ended.clone(),
            calls_out: self.went_out.clone(),
            abroad: self.abroad.clone(),
            callbacks: self.callbacks.state(),
            memories: self.memories.clone(),
            last_call: CallId(self.last_call),
            last_ticket: self.placed_ticket,
        }
    }

    /// Everything as it stands, for boards.
    pub fn snapshot(&self, now: Now) -> Snapshot {
        Snapshot {
            wall: now.wall,
            version: Some(self.city.book.version.clone()),
            census: self.census(),
            queues: self.acd.queues(now.mono),
            agents: self.agents_now(),
            breaks: self.city.book.breaks.values().cloned().collect(),
            overrides: self.overrides.in_force.values().cloned().collect(),
            trunks: self.trunks_now(),
            lines: self
                .acd
                .lines()
                .map(|(line, used, places)| LineNow { line: line.clone(), used: u64::from(used), places: u64::from(places) })
                .collect(),
            trunk_channels: self.trunk_channels(),
            channels: Channels { in_use: self.calls.len() as u64, max: u64::from(self.city.book.settings.calls_max) },
            oldest_call_millis: self
                .calls
                .values()
                .map(|call| now.mono.since(call.arrived.mono))
                .max()
                .map_or(0, |age| Millis::from(age).0),
            skills: self.skills_now(),
            holidays_until: self.city.book.calendar.holidays_until(),
        }
    }

    /// How many of each thing there are.
    pub fn census(&self) -> Census {
        let sip = self.sip.census();
        Census {
            calls: (self.calls.len() + self.errands.len() + self.callbacks.attempts.len()) as u64,
            legs: self.legs.len() as u64,
            dialogs: sip.dialogs,
            transactions: sip.transactions,
            tickets: self.calls.values().filter(|call| call.in_queue()).count() as u64,
            ports: self.ports.used(),
            timers: sip.timers + self.wakes.len() as u64,
            callbacks: (self.callbacks.booked.len() + self.callbacks.of_the_journal.len()) as u64,
        }
    }

    /// Whether the books agree after an eviction: every leg, dialog, ticket and wake-up belongs to a call that exists.
    ///
    /// # Errors
    /// The first thing that belongs to nobody.
    pub fn audit(&self) -> Result<(), String> {
        for (leg, owner) in &self.legs {
            let known = match owner {
                Owner::Caller(call) | Owner::Agent(call) | Owner::Outside(call) | Owner::Consult(call) | Owner::Takeover(call) => {
                    self.calls.contains_key(call)
                }
                Owner::Errand(call) => self.errands.contains_key(call),
                Owner::Callback(call) => self.callbacks.attempts.contains_key(call),
                Owner::Closing(_) => true,
            };
            if !known {
                return Err(format!("leg {leg} belongs to nobody"));
            }
        }
        // A place of a line is taken by a leg whose dialog lives, and by nobody else.
        let living: BTreeSet<LegId> = self.dialogs.values().map(|thread| thread.leg).collect();
        if let Some((line, leg)) = self.acd.takers().find(|(_, leg)| !living.contains(leg)) {
            return Err(format!("leg {leg} holds a place of {line} and has no dialog"));
        }
        let called = |call: &Call| call.called().map(|called| called.outside.leg.id);
        let placeless = |leg: &LegId| !self.acd.takers().any(|(_, taker)| taker == *leg);
        if let Some(leg) = self.calls.values().filter_map(|call| called(call)).find(placeless) {
            return Err(format!("leg {leg} goes out and holds no place"));
        }
        let ticket = self.tickets.iter().find(|(_, call)| !self.calls.contains_key(call)).map(|(t, _)| format!("ticket {t} has no call"));
        let alive = |call: &CallId| self.calls.contains_key(call) || self.callbacks.attempts.contains_key(call);
        let offer = self.offers.iter().find(|(_, call)| !alive(call)).map(|(o, _)| format!("offer {o} has no call"));
        let wake =
            self.wakes.iter().find(|(_, call)| !self.calls.contains_key(call)).map(|(_, c)| format!("a timer for call {c} that is gone"));
        let job = self.jobs.iter().find(|(job, asked)| !self.asks(**job, asked)).map(|(job, _)| format!("job {job} is asked by nobody"));
        ticket.or(offer).or(wake).or(job).map_or_else(|| self.audit_breaks(), Err)
    }

    /// Whether routing's own books agree, and nobody idle is left who may take somebody waiting: dearer than [`Engine::audit`], for tests
    /// and the simulator.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn audit_routing(&self) -> Result<(), String> {
        self.acd.audit()
    }

    /// The state of one agent, if there is such a one.
    pub fn agent_state(&self, agent: &AgentId) -> Option<AgentState> {
        self.acd.agents().find(|(id, _)| *id == agent).map(|(_, state)| state)
    }
}
