//! A caller's claim to be served: it keeps its age whatever happens to it.

use crate::Forecast;
use model::{AgentId, Instant, Lang, Millis, Need, QueueId, TicketId};
use serde::{Deserialize, Serialize};
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
    /// Urgency: 0 normal, 1 high, 2 urgent; higher goes first. More than 2 counts as 2.
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
    /// Agents who are not asked again yet, and until when. At most one entry per agent.
    #[serde(default)]
    pub paused: Vec<Pause>,
    /// What the caller was told last of the wait.
    #[serde(default)]
    pub told: Option<Told>,
    /// Held at some time: its wait says nothing of how long people wait on the telephone.
    #[serde(default)]
    pub was_held: bool,
    /// Since when it is on this line, in this stay: not its age, which it keeps across a cut line, a transfer and a move.
    #[serde(default)]
    pub on_line_since: Option<Instant>,
    /// Found nobody free in this stay: it stands in line.
    #[serde(default)]
    pub stands: bool,
    /// What was forecast when it came to stand there.
    #[serde(default)]
    pub forecast: Option<Forecast>,
}

/// An agent is not asked again for a ticket yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub agent: AgentId,
    /// Until when.
    pub until: Instant,
}

/// What a caller was told of the wait, and what that followed from: an expected wait rises only with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Served by then, nine of ten times.
    pub by: Instant,
    /// How things stood then.
    #[serde(flatten)]
    pub basis: Basis,
}

/// Everything that an expected wait follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Agents who are there.
    pub staffed: u32,
    /// Callers who are before.
    pub ahead: u32,
    /// What a call takes, after-call work included.
    pub handling: Millis,
    /// Calls that this has been learnt from and that still count.
    #[serde(default)]
    pub calls: u32,
    /// How many lose patience in 10^9 seconds of waiting. 0 where nobody wrote it down: no fewer give up than that.
    #[serde(default)]
    pub giving_up: u64,
    /// How fast the line moves, in millionths of what those agents could do if they did nothing else. 0 where nobody wrote it down: it is no
    /// less than that.
    #[serde(default)]
    pub share: u32,
    /// Millionths of their time in calls that those agents give to this queue's.
    #[serde(default)]
    pub own_time: u32,
}

impl Claim {
    /// A claim as it arrives.
    pub(crate) fn new(ticket: Ticket, arrival: u64) -> Claim {
        Claim {
            ticket,
            arrival,
            missed_by: Vec::new(),
            held: false,
            paused: Vec::new(),
            told: None,
            was_held: false,
            on_line_since: None,
            stands: false,
            forecast: None,
        }
    }
    /// It comes to a line, with whatever age.
    pub(crate) fn comes(self, now: Instant) -> Claim {
        Claim { on_line_since: Some(now), stands: false, forecast: None, ..self }
    }
    /// For how long it has been on this line.
    pub(crate) fn stay(&self, now: Instant) -> Duration {
        now.since(self.on_line_since.unwrap_or(self.ticket.since))
    }
    /// Notes that `agent` did not take it.
    pub(crate) fn missed(&mut self, agent: &AgentId) {
        self.missed_by.retain(|a| a != agent);
        self.missed_by.push(agent.clone());
    }
    /// `agent` is not asked again before `until`.
    pub(crate) fn pause(&mut self, agent: &AgentId, until: Instant) {
        self.paused.retain(|pause| pause.agent != *agent);
        self.paused.push(Pause { agent: agent.clone(), until });
    }
    /// Whether nothing sets agents apart for this ticket but what is declared of them.
    pub(crate) fn is_plain(&self) -> bool {
        self.missed_by.is_empty() && self.paused.is_empty() && self.ticket.excluded.is_empty() && self.ticket.preferred.is_none()
    }
}
