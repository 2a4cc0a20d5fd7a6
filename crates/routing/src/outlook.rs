//! What can be said of a queue and of a caller's wait at this moment.

use crate::estimate::held_to;
use crate::line::Waiting;
use crate::{Acd, Told};
use model::{Estimate, Instant, Millis, QueueFacts, QueueId, TicketId};

impl Acd {
    /// How long a waiting ticket will still wait; `None` when it cannot be told: with fewer than 20 finished calls behind it, with nobody
    /// there, while a phone rings for it already, while it is held, and when the time that the caller was told ([`Acd::told`]) has passed without a
    /// reason. It is later than what the caller was told only with the reason in `rose`.
    pub fn expected_wait(&self, now: Instant, ticket: TicketId) -> Option<Estimate> {
        let waiting = self.line.find(ticket).filter(|w| w.rings_at.is_none() && !w.claim.held)?;
        let (ahead, staffed, learnt) = (self.line.ahead(waiting), self.staffed(waiting), &self.learnt[waiting.queue as usize]);
        let fresh = learnt.expected(ahead, staffed)?;
        match &waiting.claim.told {
            None => Some(fresh),
            Some(told) => held_to(told, now, fresh, staffed, ahead, self.handling(waiting)),
        }
    }

    /// The caller has been told this of the wait: what is said later keeps to it, or gives the reason.
    pub fn told(&mut self, now: Instant, ticket: TicketId, estimate: Estimate) {
        let Some(slot) = self.line.slot(ticket) else { return };
        let Some(waiting) = self.line.get(slot) else { return };
        let by = now + std::time::Duration::from(estimate.high);
        let told = Told { by, staffed: self.staffed(waiting), ahead: self.line.ahead(waiting), handling: self.handling(waiting) };
        self.line.note(slot, |waiting| waiting.claim.told = Some(told));
    }

    /// A queue as a flow may ask about it, for a caller of normal urgency, whatever their language; `None` when there is no such queue.
    /// The share answered in time counts those who were answered or gave up; whoever was refused at the door is not in it.
    pub fn facts(&self, now: Instant, queue: &QueueId) -> Option<QueueFacts> {
        let at = *self.queue_index.get(queue)?;
        let ask = self.asks.get(self.newcomers[at as usize]);
        let counts = || ask.able.iter().map(|profile| (ask.fits[*profile as usize], &self.floor.counts[*profile as usize]));
        let staffed = counts().map(|(_, count)| count.staffed).sum();
        let free = |profile: &&u32| {
            ask.fits[**profile as usize].may() && !self.reserves.blocks_at(&self.floor.profiles[**profile as usize].counted, at, 0)
        };
        let available = ask.able.iter().filter(free).map(|profile| self.floor.counts[*profile as usize].idle()).sum();
        let (waiting, learnt) = (self.line.depth(at) as u32, &self.learnt[at as usize]);
        let expected = learnt.expected(waiting.saturating_sub(self.line.ringing(at) as u32), staffed).map(|estimate| {
            let at_once = Estimate { low: Millis(0), high: Millis(0), ..estimate };
            if available > 0 { at_once } else { estimate }
        });
        let oldest = self.line.eldest(at).map_or(Millis(0), |since| Millis::from(now.since(since)));
        Some(QueueFacts { waiting, oldest, staffed, available, expected, service_percent: learnt.service_percent(now) })
    }

    /// Agents who can take a ticket at its age and are there.
    fn staffed(&self, waiting: &Waiting) -> u32 {
        let ask = self.asks.get(waiting.ask);
        let all: u32 = ask.able.iter().map(|profile| self.floor.counts[*profile as usize].staffed).sum();
        let excluded = waiting.claim.ticket.excluded.iter().filter_map(|agent| self.floor.seat(agent));
        let there = excluded.filter(|seat| self.floor.is_staffed(*seat) && ask.able.contains(&self.floor.profile[*seat as usize]));
        all.saturating_sub(there.count() as u32)
    }
    fn handling(&self, waiting: &Waiting) -> Millis {
        let secs = self.learnt[waiting.queue as usize].handling_secs();
        Millis(secs.map_or(0, |secs| (secs * 1000.0).round() as u64))
    }
}
