//! What must agree at any time, looked at one by one: for tests, the simulator, and the edge after a fault of ours.

use crate::Acd;
use model::AgentState;
use std::collections::BTreeSet;

impl Acd {
    /// Compares what must agree; the error says what does not. For tests, the simulator, and the edge after a fault of ours. It looks at
    /// each pair of an idle agent and a waiting ticket: not for every call of a busy city.
    ///
    /// # Errors
    /// The first disagreement, as a sentence.
    pub fn audit(&self) -> Result<(), String> {
        if !self.line.is_sound() {
            return Err("the queues and their order do not hold the same tickets".to_owned());
        }
        self.floor.audit(&self.reserves)?;
        self.audit_books()?;
        let mut offered = BTreeSet::new();
        for (agent, seat) in &self.floor.index {
            let Some((offer, ticket)) = self.floor.desk(*seat).offer() else { continue };
            let Some(waiting) = self.line.find(ticket) else {
                return Err(format!("offer {offer} rings at {agent} for ticket {ticket}, which does not wait"));
            };
            if !offered.insert(ticket) || waiting.rings_at != Some(*seat) {
                return Err(format!("ticket {ticket} is offered to two agents, one of them {agent}"));
            }
        }
        for (_, waiting) in self.line.iter() {
            let ticket = waiting.claim.ticket.id;
            if waiting.rings_at.is_some() != offered.contains(&ticket) {
                return Err(format!("ticket {ticket} is offered by its place and not by a desk, or the other way round"));
            }
            if waiting.claim.held && waiting.rings_at.is_some() {
                return Err(format!("ticket {ticket} is held, and a phone rings for it"));
            }
        }
        // The reserves as declared, and not as remembered, where nothing is to be remembered.
        for kept in self.reserves.all.iter().filter(|kept| kept.rule.hysteresis == 0) {
            if kept.holds != (kept.idle.saturating_sub(1) < kept.rule.keep) {
                return Err(format!("the reserve of {} holds although it should not, or the other way round", kept.by));
            }
        }
        for (_, waiting) in self.line.iter().filter(|(_, w)| w.rings_at.is_none() && !w.claim.held) {
            let idle = |seat: &u32| self.floor.state(*seat) == AgentState::Idle;
            if let Some(seat) = self.floor.index.values().copied().filter(idle).find(|seat| self.may(waiting, *seat)) {
                return Err(format!("{} is idle and may take ticket {}, which waits", self.floor.id(seat), waiting.claim.ticket.id));
            }
        }
        Ok(())
    }
}
