//! Whether after-call work lasts as long as the queue says, to the nanosecond, in whatever order agents take calls of several queues.

use model::{AgentId, AgentState, Event, Instant, OfferEnd, OfferId, QueueId};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct WrapUp {
    /// What the city in force allows after a call of each queue.
    allowed: BTreeMap<QueueId, Duration>,
    /// To whom each offer is made, and what is allowed after it: by the city in force, until the agent answers; from then on that stands.
    offers: BTreeMap<OfferId, Offered>,
    /// What each agent is allowed after the call that they have taken, whether or not it comes to a conversation.
    taken: BTreeMap<AgentId, Duration>,
    /// What is due to each agent after the conversation they are in.
    due: BTreeMap<AgentId, Duration>,
    /// When after-call work began, and how long it is.
    working: BTreeMap<AgentId, (Instant, Duration)>,
}

#[derive(Debug)]
struct Offered {
    agent: AgentId,
    queue: QueueId,
    promised: Option<Duration>,
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
            Event::Offered { offer, queue, agent, .. } => {
                self.offers.insert(*offer, Offered { agent: agent.clone(), queue: queue.clone(), promised: None });
            }
            Event::OfferEnded { offer, agent, how } => {
                // What is in force when the call is taken holds for it. Whoever is told first who it is has taken it before.
                let allowed = self.offers.remove(offer).and_then(|of| of.promised.or_else(|| self.allowed.get(&of.queue).copied()));
                if let (Some(allowed), OfferEnd::Answered) = (allowed, how) {
                    self.taken.insert(agent.clone(), allowed);
                }
            }
            // Who picked up for a callback and found nobody has nothing to write up.
            Event::Bridged { agent, .. } => {
                if let Some(allowed) = self.taken.remove(agent) {
                    self.due.insert(agent.clone(), allowed);
                }
            }
            Event::AgentState { agent, from, to, .. } => {
                if *to == AgentState::Talking {
                    for of in self.offers.values_mut().filter(|of| of.agent == *agent && of.promised.is_none()) {
                        of.promised = self.allowed.get(&of.queue).copied();
                    }
                }
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
