//! Everyone who waits, by ticket and by queue. A ticket whose offer rings waits still.

use crate::needs::{Asked, next_easing};
use crate::ticket::Place;
use crate::{Claim, Ticket};
use model::{AgentId, Instant, Queue, QueueId, TicketId};
use std::collections::{BTreeMap, BTreeSet};

/// One who waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) claim: Claim,
    /// What the ticket asks at its age. Follows from the claim, the queue and the clock; kept so that a decision need not work it out again.
    pub(crate) asked: Asked,
    /// When the next easing takes effect.
    pub(crate) eases: Option<Instant>,
}

/// Everyone who waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    claims: BTreeMap<TicketId, Waiting>,
    /// The same tickets in order; a queue where nobody waits has no entry.
    order: BTreeMap<QueueId, BTreeSet<Place>>,
}

impl Line {
    pub(crate) fn insert(&mut self, now: Instant, claim: Claim, queue: &Queue) {
        self.order.entry(claim.ticket.queue.clone()).or_default().insert(claim.place());
        let asked = asked(&claim.ticket, queue, now);
        let eases = next_easing(queue, claim.ticket.since, now);
        self.claims.insert(claim.ticket.id, Waiting { claim, asked, eases });
    }

    pub(crate) fn remove(&mut self, ticket: TicketId) -> Option<Waiting> {
        let waiting = self.claims.remove(&ticket)?;
        let queue = &waiting.claim.ticket.queue;
        if let Some(places) = self.order.get_mut(queue) {
            places.remove(&waiting.claim.place());
            if places.is_empty() {
                self.order.remove(queue);
            }
        }
        Some(waiting)
    }

    /// Works out anew what a ticket asks at its age.
    pub(crate) fn refresh(&mut self, now: Instant, ticket: TicketId, queue: &Queue) {
        if let Some(waiting) = self.claims.get_mut(&ticket) {
            waiting.asked = asked(&waiting.claim.ticket, queue, now);
            waiting.eases = next_easing(queue, waiting.claim.ticket.since, now);
        }
    }

    pub(crate) fn missed(&mut self, ticket: TicketId, agent: &AgentId) {
        if let Some(waiting) = self.claims.get_mut(&ticket) {
            waiting.claim.missed(agent);
        }
    }

    pub(crate) fn get(&self, ticket: TicketId) -> Option<&Waiting> {
        self.claims.get(&ticket)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.claims.values()
    }
    pub(crate) fn len(&self) -> usize {
        self.claims.len()
    }
    pub(crate) fn depth(&self, queue: &QueueId) -> usize {
        self.order.get(queue).map_or(0, BTreeSet::len)
    }
    /// The smallest age zero in a queue. Classes come first in the order, so each class's eldest is looked at.
    pub(crate) fn eldest(&self, queue: &QueueId) -> Option<Instant> {
        self.order.get(queue)?.iter().map(|place| place.since).min()
    }
    /// Place in its queue, from 1.
    pub(crate) fn position(&self, ticket: TicketId) -> Option<u32> {
        let claim = &self.claims.get(&ticket)?.claim;
        let before = self.order.get(&claim.ticket.queue)?.range(..claim.place()).count();
        u32::try_from(before).ok()?.checked_add(1)
    }
    /// Whether both views hold the same tickets.
    pub(crate) fn is_sound(&self) -> bool {
        let ordered: usize = self.order.values().map(BTreeSet::len).sum();
        let found = |w: &Waiting| self.order.get(&w.claim.ticket.queue).is_some_and(|places| places.contains(&w.claim.place()));
        ordered == self.claims.len() && self.claims.values().all(found)
    }
}

fn asked(ticket: &Ticket, queue: &Queue, now: Instant) -> Asked {
    Asked::at(&ticket.needs, &ticket.lang, queue, now.since(ticket.since))
}
