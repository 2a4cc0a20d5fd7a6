//! The same decision without any cleverness: every waiting ticket, every idle agent, looked at one by one.
//!
//! Of the rules it knows what the bench's city declares: levels with one easing, rings, an order of queues, a reserve, exclusions, the
//! agent who knows the caller, classes, bonus, the bound on being overtaken. `crates/routing/tests/suite/reference.rs` knows all of them.

use model::{Agent, AgentId, Instant, KeptFor, Level, Queue, TicketId};
use routing::{Claim, Presence, Rules, Stage, State};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A moment, as everybody may read it.
pub(crate) struct Scan<'a> {
    rules: &'a Rules,
    state: &'a State,
    now: Instant,
    /// Those for whom a phone rings, and so nobody else's.
    ringing: BTreeSet<TicketId>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(rules: &'a Rules, state: &'a State, now: Instant) -> Scan<'a> {
        let rings = state.agents.values().filter_map(|desk| match desk.stage {
            Stage::Offered { ticket, .. } => Some(ticket),
            Stage::Free | Stage::Talking { .. } | Stage::WrapUp { .. } => None,
        });
        Scan { rules, state, now, ringing: rings.collect() }
    }

    /// Whom an agent takes who has just come free, `idle` of the reserve's skill with them.
    pub(crate) fn first_for(&self, agent: &AgentId, idle: u32) -> Option<TicketId> {
        let who = &self.rules.agents[agent];
        let waits = self.state.waiting.iter().filter(|claim| !claim.held && !self.ringing.contains(&claim.ticket.id));
        waits.filter(|claim| self.may(who, claim, idle)).min_by_key(|claim| self.rank(who, claim)).map(|claim| claim.ticket.id)
    }

    /// Who takes a caller who has just arrived, `idle` of the reserve's skill at hand.
    pub(crate) fn closest_to(&self, claim: &Claim, idle: u32) -> Option<AgentId> {
        let free =
            self.state.agents.iter().filter(|(_, desk)| desk.signed_in && desk.presence == Presence::Ready && desk.stage == Stage::Free);
        let may = free.filter(|(id, _)| self.may(&self.rules.agents[*id], claim, idle));
        let knows = |id: &AgentId| claim.ticket.preferred.as_ref().is_some_and(|preferred| preferred.agent == *id);
        let best = may.min_by_key(|(id, desk)| (!knows(id), ring(&self.rules.agents[*id], self.queue(claim)), desk.idle_since, *id));
        best.map(|(id, _)| id.clone())
    }

    fn queue(&self, claim: &Claim) -> &Queue {
        &self.rules.queues[&claim.ticket.queue]
    }

    fn class(&self, claim: &Claim) -> u8 {
        if self.now.since(claim.ticket.since) >= self.queue(claim).overtaken_max { 3 } else { claim.ticket.class.min(2) }
    }

    fn fits(&self, agent: &Agent, claim: &Claim) -> bool {
        let (queue, age) = (self.queue(claim), self.now.since(claim.ticket.since));
        let ring = ring(agent, queue);
        let eased = |skill, level: Level| {
            let easings = queue.relax.iter().filter(|relax| relax.after <= age);
            easings.filter_map(|relax| relax.needs.get(skill).copied().flatten()).fold(level, Level::min)
        };
        (agent.serves.is_empty() || agent.serves.contains(&queue.id))
            && claim.ticket.needs.iter().all(|need| agent.skills.get(&need.skill).is_some_and(|has| *has >= eased(&need.skill, need.level)))
            && (ring == 0 || queue.rings[ring - 1].after <= age)
            && !claim.ticket.excluded.contains(&agent.id)
    }

    fn may(&self, agent: &Agent, claim: &Claim, idle: u32) -> bool {
        let alone = claim.ticket.preferred.as_ref().filter(|preferred| {
            let there = self.state.agents.get(&preferred.agent).is_some_and(|desk| desk.signed_in && desk.presence == Presence::Ready);
            there && self.now.since(claim.ticket.since) < preferred.patience && self.fits(&self.rules.agents[&preferred.agent], claim)
        });
        self.fits(agent, claim) && alone.is_none_or(|preferred| preferred.agent == agent.id) && !self.reserved(agent, claim, idle)
    }

    fn reserved(&self, agent: &Agent, claim: &Claim, idle: u32) -> bool {
        self.rules.queues.values().filter_map(|queue| queue.reserve.as_ref()).any(|reserve| {
            let favoured = match &reserve.kept_for {
                KeptFor::Queue(queue) => claim.ticket.queue == *queue,
                KeptFor::Queues(queues) => queues.contains(&claim.ticket.queue),
                KeptFor::Class(class) => claim.ticket.class.min(2) >= *class,
            };
            !favoured && agent.skills.contains_key(&reserve.of) && idle.saturating_sub(1) < reserve.keep
        })
    }

    fn rank(&self, agent: &Agent, claim: &Claim) -> (Reverse<u8>, usize, i128, u64) {
        let class = self.class(claim);
        let order = agent.serves.iter().position(|queue| *queue == claim.ticket.queue).unwrap_or(0);
        let age = i128::from(claim.ticket.since.as_nanos()) - claim.ticket.bonus.as_nanos() as i128;
        (Reverse(class), if class == 3 { 0 } else { order }, age, claim.arrival)
    }
}

/// The ring that an agent is in: the latest whose skill they hold.
fn ring(agent: &Agent, queue: &Queue) -> usize {
    let held = queue.rings.iter().enumerate().filter(|(_, ring)| agent.skills.contains_key(&ring.skill));
    held.map(|(i, _)| i + 1).max().unwrap_or(0)
}
