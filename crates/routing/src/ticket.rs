//! A caller's claim to be served: it keeps its age whatever happens to it.

use model::{AgentId, Instant, Lang, Need, QueueId, TicketId};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::time::Duration;

/// What a flow asks for on behalf of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its name for life.
    pub id: TicketId,
    /// The queue it waits in.
    pub queue: QueueId,
    /// Skills asked of an agent, resolved: the caller's language is among them where the queue asks for it.
    pub needs: Vec<Need>,
    /// The caller's language.
    pub lang: Lang,
    /// Urgency: 0 normal, 1 high, 2 urgent; higher goes first.
    pub class: u8,
    /// Age zero.
    pub since: Instant,
    /// Minutes given on top of the age, within the class.
    pub bonus: Duration,
    /// Agents who are never asked for it.
    pub excluded: Vec<AgentId>,
    /// The agent who knows the caller: alone asked at first, and first asked after that.
    pub preferred: Option<Preferred>,
}

impl Ticket {
    /// A ticket without anything special about it.
    pub fn plain(id: TicketId, queue: QueueId, needs: Vec<Need>, lang: Lang, since: Instant) -> Ticket {
        Ticket { id, queue, needs, lang, class: 0, since, bonus: Duration::ZERO, excluded: Vec::new(), preferred: None }
    }
}

/// An agent whom a caller waits for, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferred {
    /// Who. Counts only while signed in, not on a break and responding.
    pub agent: AgentId,
    /// For how long from age zero nobody else is asked.
    pub patience: Duration,
}

/// A ticket together with what the ACD has to remember about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The ticket.
    pub ticket: Ticket,
    /// The how-manieth ticket ever: decides between equal ages, and stays when the ticket moves.
    pub arrival: u64,
    /// Agents who were asked for it and did not take it, the latest last. At most one entry per agent.
    pub missed_by: Vec<AgentId>,
    /// Keeps its place and its age, and is offered to nobody: a callback outside its window, or between two attempts.
    pub held: bool,
}

impl Claim {
    /// Its place among the others of one queue.
    pub(crate) fn place(&self) -> Place {
        Place { class: Reverse(self.ticket.class), since: self.ticket.since, arrival: self.arrival, ticket: self.ticket.id }
    }
    /// Notes that `agent` did not take it.
    pub(crate) fn missed(&mut self, agent: &AgentId) {
        self.missed_by.retain(|a| a != agent);
        self.missed_by.push(agent.clone());
    }
}

/// A place in a queue: class, then age, then arrival. The smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) class: Reverse<u8>,
    pub(crate) since: Instant,
    pub(crate) arrival: u64,
    pub(crate) ticket: TicketId,
}
