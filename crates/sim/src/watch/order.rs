//! Whether people are served in the order in which they came: nobody of the same queue and class is overtaken.
//!
//! Kept from what the engine says and writes down, and never from what it thinks: a caller's age is that of the first place of their ticket,
//! or what the journal was told where a place was kept for them.

use calls::Record;
use model::{AgentId, CallId, Event, Instant, OfferEnd, OfferId, QueueId, TicketId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Ages are written down in milliseconds, so that much may be between two people who are equally old.
const ROUNDED: Duration = Duration::from_millis(2);

/// A caller on the line, in a queue.
#[derive(Clone, Debug)]
struct Waiting {
    call: CallId,
    queue: QueueId,
    class: u8,
    /// The offer that is out for them.
    offer: Option<OfferId>,
}

/// Who waits for what since when, and who was asked.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: BTreeMap<TicketId, Waiting>,
    /// Since when each ticket waits, in all its queues.
    since: BTreeMap<TicketId, Instant>,
    classes: BTreeMap<TicketId, u8>,
    offers: BTreeMap<OfferId, (TicketId, AgentId)>,
    of_call: BTreeMap<CallId, TicketId>,
    /// Whoever did not take a call, or has just sent it on, is not asked for it at once again.
    missed: BTreeSet<(TicketId, AgentId)>,
    /// Offers of the input in hand.
    fresh: Vec<OfferId>,
}

impl Order {
    pub(super) fn handle_record(&mut self, now: Instant, wall: UnixMillis, record: &Record) {
        if let Record::Placed { place, .. } = record {
            let age = Duration::from_millis(u64::try_from(wall.0 - place.since.0).unwrap_or(0));
            let since = Instant::from_nanos(now.as_nanos().saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)));
            // Only a place that was kept makes anybody older than we saw them come.
            if place.kept {
                self.since.entry(place.ticket).and_modify(|known| *known = since.min(*known)).or_insert(since);
            }
            self.classes.insert(place.ticket, place.class);
        }
    }

    pub(super) fn handle_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Enqueued { call, ticket, queue, .. } => {
                self.since.entry(*ticket).or_insert(now);
                self.of_call.insert(*call, *ticket);
                let class = self.classes.get(ticket).copied().unwrap_or(0);
                let offer = self.waiting.get(ticket).and_then(|w| w.offer);
                self.waiting.insert(*ticket, Waiting { call: *call, queue: queue.clone(), class, offer });
            }
            Event::Transferred { call, by: Some(agent), .. } => {
                if let Some(ticket) = self.of_call.get(call) {
                    self.missed.insert((*ticket, agent.clone()));
                }
            }
            // The flow puts them through to somebody; their place is kept until they are back.
            Event::StepEntered { call, .. } => {
                if let Some(ticket) = self.of_call.get(call) {
                    self.waiting.remove(ticket);
                }
            }
            Event::LeftQueue { ticket, .. } => drop(self.waiting.remove(ticket)),
            Event::Offered { ticket, offer, agent, .. } => {
                self.offers.insert(*offer, (*ticket, agent.clone()));
                if let Some(waiting) = self.waiting.get_mut(ticket) {
                    waiting.offer = Some(*offer);
                    self.fresh.push(*offer);
                }
            }
            Event::OfferEnded { offer, how, .. } => {
                let Some((ticket, agent)) = self.offers.remove(offer) else { return };
                if *how != OfferEnd::Answered {
                    self.missed.insert((ticket, agent));
                }
                if let Some(waiting) = self.waiting.get_mut(&ticket).filter(|w| w.offer == Some(*offer) && *how != OfferEnd::Answered) {
                    waiting.offer = None;
                }
            }
            Event::Ended { record } => self.waiting.retain(|_, waiting| waiting.call != record.call),
            _ => {}
        }
    }

    /// The input in hand is done with: whoever was asked for somebody was asked for the eldest.
    pub(super) fn settled(&mut self) -> Result<(), String> {
        for offer in std::mem::take(&mut self.fresh) {
            let Some((ticket, agent)) = self.offers.get(&offer) else { continue };
            let (Some(chosen), Some(age)) = (self.waiting.get(ticket), self.since.get(ticket)) else { continue };
            let overtaken = self.waiting.iter().find(|(other, w)| {
                let older = self.since.get(other).is_some_and(|since| *since + ROUNDED < *age);
                let alike = w.queue == chosen.queue && w.class == chosen.class;
                older && alike && w.offer.is_none() && !self.missed.contains(&(**other, agent.clone()))
            });
            if let Some((other, w)) = overtaken {
                return Err(format!(
                    "{agent} is asked for ticket {ticket} of {}, and ticket {other} (call {}) is older",
                    chosen.queue, w.call
                ));
            }
        }
        Ok(())
    }

    /// Whether anybody is still rung for a call that is over.
    pub(super) fn rung_for(&self, call: CallId) -> Option<(OfferId, &AgentId)> {
        self.waiting.values().filter(|w| w.call == call).find_map(|w| {
            let offer = w.offer?;
            Some((offer, &self.offers.get(&offer)?.1))
        })
    }
}
