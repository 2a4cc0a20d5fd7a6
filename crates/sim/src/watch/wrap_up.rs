//! Whether after-call work lasts as long as the queue says, to the nanosecond, in whatever order agents take calls of several queues.

use model::{AgentId, AgentState, Event, Instant, OfferEnd, OfferId, QueueId};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct WrapUp {
    /// What the city in force allows after a call of each queue.
    allowed: BTreeMap<QueueId, Duration>,
    /// Which queue each offer is of.
    offers: BTreeMap<OfferId, QueueId>,
    /// What each agent is allowed after the call that they have taken, whether or not it comes to a conversation.
    taken: BTreeMap<AgentId, Duration>,
    /// What is due to each agent after the conversation they are in.
    due: BTreeMap<AgentId, Duration>,
    /// When after-call work began, and how long it is.
    working: BTreeMap<AgentId, (Instant, Duration)>,
}

impl WrapUp {
    pub(super) fn handle_city(&mut self, allowed: BTreeMap<QueueId, Duration>) {
        self.allowed = allowed;
    }

    /// The agent says that they are ready, or on a break: that ends after-call work.
    pub(super) fn handle_wish(&mut self, agent: &AgentId) {
        self.working.remove(agent);
    }

    pub(super) fn handle_event(&mut self, now: Instant, event: &Event) -> Result<(), String> {
        match event {
            Event::Offered { offer, queue, .. } => drop(self.offers.insert(*offer, queue.clone())),
            Event::OfferEnded { offer, agent, how } => {
                // What is in force when the call is taken holds for it.
                let allowed = self.offers.remove(offer).and_then(|queue| self.allowed.get(&queue));
                if let (Some(allowed), OfferEnd::Answered) = (allowed, how) {
                    self.taken.insert(agent.clone(), *allowed);
                }
            }
            // Who picked up for a callback and found nobody has nothing to write up.
            Event::Bridged { agent, .. } => {
                if let Some(allowed) = self.taken.remove(agent) {
                    self.due.insert(agent.clone(), allowed);
                }
            }
            Event::AgentState { agent, from, to, .. } => {
                let worked = self.working.remove(agent).filter(|_| *from == AgentState::WrapUp);
                if let (Some((since, allowed)), AgentState::Idle | AgentState::Offered) = (worked, *to)
                    && now.since(since) != allowed
                {
                    return Err(format!("{agent} wrapped up for {:?}, and {allowed:?} are due", now.since(since)));
                }
                if *from == AgentState::Talking {
                    let due = self.due.remove(agent);
                    match (due, *to) {
                        (Some(due), AgentState::WrapUp) => drop(self.working.insert(agent.clone(), (now, due))),
                        (Some(due), AgentState::Idle) if !due.is_zero() => {
                            return Err(format!("{agent} goes from a conversation to idle, and {due:?} of after-call work are due"));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
