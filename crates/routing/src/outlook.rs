//! What can be said of a queue and of a caller's wait at this moment.

use crate::estimate::held_to;
use crate::key::Slot;
use crate::line::Waiting;
use crate::{Acd, Basis, Told};
use model::{Estimate, Instant, Millis, QueueFacts, QueueId, TicketId};
use std::time::Duration;

impl Acd {
    /// How long a waiting ticket will still wait; `None` when it cannot be told: with fewer than 20 finished calls behind it, while this queue's
    /// forecasts have not held lately, with nobody there, while a phone rings for it already, while it is held, and when the time that the
    /// caller was told ([`Acd::told`]) has passed without a reason. It is later than what the caller was told only with the reason in `rose`, and
    /// by no more than what has become worse accounts for.
    pub fn expected_wait(&self, now: Instant, ticket: TicketId) -> Option<Estimate> {
        let waiting = self.line.find(ticket).filter(|w| w.rings_at.is_none() && !w.claim.held)?;
        let basis = self.basis(waiting)?;
        let fresh = self.learnt[waiting.queue as usize].expected(&basis)?;
        match &waiting.claim.told {
            None => Some(fresh),
            Some(told) => held_to(told, now, fresh, &basis),
        }
    }

    /// The caller has been told this of the wait: what is said later keeps to it, or gives the reason. Who hears the same end once more was
    /// told it when it was said first; who hears of no end was told none.
    pub fn told(&mut self, now: Instant, ticket: TicketId, estimate: Estimate) {
        let Some(slot) = self.line.slot(ticket) else { return };
        let Some((waiting, basis)) = self.line.get(slot).and_then(|waiting| Some((waiting, self.basis(waiting)?))) else { return };
        let by = now + Duration::from(estimate.high);
        let said_before = |told: &Told| estimate.rose.is_none() && told.by.since(by) < Duration::from_millis(1);
        if !estimate.has_end() {
            self.line.note(slot, |waiting| waiting.claim.told = None);
        } else if !waiting.claim.told.as_ref().is_some_and(said_before) {
            self.line.note(slot, |waiting| waiting.claim.told = Some(Told { by, basis }));
        }
    }

    /// A ticket has found nobody free: it stands in line, and what would be said of its wait will be judged by it.
    pub(crate) fn stands(&mut self, slot: Slot) {
        let Some(waiting) = self.line.get(slot).filter(|waiting| !waiting.claim.stands) else { return };
        self.asks.staffed(waiting.ask, &self.floor);
        let at = waiting.queue as usize;
        // When a callback's window opens says nothing of how long people wait on the telephone.
        let basis = if waiting.claim.was_held { None } else { self.basis(waiting) };
        let forecast = basis.and_then(|basis| self.learnt[at].forecast(self.clock, &basis));
        self.learnt[at].standing_since.get_or_insert(self.clock);
        self.line.note(slot, |waiting| (waiting.claim.stands, waiting.claim.forecast) = (true, forecast));
    }

    /// A ticket stands in line no more: answered, or gone. It is still in its place.
    pub(crate) fn stands_no_more(&mut self, slot: Slot, answered: bool) {
        let Some(waiting) = self.line.get(slot).filter(|waiting| waiting.claim.stands) else { return };
        self.asks.staffed(waiting.ask, &self.floor);
        let (at, staffed, in_line) = (waiting.queue, self.staffed(waiting), waiting.rings_at.is_none() && !waiting.claim.held);
        let others = self.line.depth(at).saturating_sub(self.line.ringing(at) + usize::from(in_line));
        self.learnt[at as usize].line_moves(self.clock, staffed, answered, others > 0);
        self.line.note(slot, |waiting| waiting.claim.stands = false);
    }

    /// A queue as a flow may ask about it, for a caller of normal urgency, whatever their language; `None` when there is no such queue.
    /// The share answered in time counts those who were answered or gave up; whoever was refused at the door is not in it.
    pub fn facts(&self, now: Instant, queue: &QueueId) -> Option<QueueFacts> {
        let at = *self.queue_index.get(queue)?;
        let ask = self.asks.get(self.newcomers[at as usize]);
        let staffed = ask.staffed(&self.floor);
        let free = |profile: &&u32| {
            ask.fits[**profile as usize].may() && !self.reserves.blocks_at(&self.floor.profiles[**profile as usize].counted, at, 0)
        };
        let available = ask.able.iter().filter(free).map(|profile| self.floor.counts[*profile as usize].idle()).sum();
        let (waiting, learnt) = (self.line.depth(at) as u32, &self.learnt[at as usize]);
        let basis = learnt.basis(waiting.saturating_sub(self.line.ringing(at) as u32), staffed);
        let expected = basis.and_then(|basis| learnt.expected(&basis)).map(|estimate| {
            let at_once = Estimate { low: Millis(0), high: Millis(0), ..estimate };
            if available > 0 { at_once } else { estimate }
        });
        let oldest = self.line.eldest(at).map_or(Millis(0), |since| Millis::from(now.since(since)));
        Some(QueueFacts { waiting, oldest, staffed, available, expected, service_percent: learnt.service_percent(now) })
    }

    /// Agents who can take a ticket at its age and are there.
    fn staffed(&self, waiting: &Waiting) -> u32 {
        let ask = self.asks.get(waiting.ask);
        let all = ask.staffed(&self.floor);
        let excluded = waiting.claim.ticket.excluded.iter().filter_map(|agent| self.floor.seat(agent));
        let there = excluded.filter(|seat| self.floor.is_staffed(*seat) && ask.able.contains(&self.floor.profile[*seat as usize]));
        all.saturating_sub(there.count() as u32)
    }
    fn basis(&self, waiting: &Waiting) -> Option<Basis> {
        self.learnt[waiting.queue as usize].basis(self.line.ahead(waiting), self.staffed(waiting))
    }
}
