//! What is to be simulated: who calls, who answers, how many may come in, and how long we look.

use super::Spread;
use super::floor::Floor;
use super::tally::Report;
use model::{Agent, AgentId, Lang, Level, Need, Number, Queue, QueueId, Skill};
use routing::Rules;
use std::collections::BTreeMap;
use std::time::Duration;

/// Callers of one kind.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The queue they are for; it must be one of the plan's rules.
    pub queue: QueueId,
    /// First attempts in an hour, Poisson. 0: nobody.
    pub calls_per_hour: f64,
    /// Talk and after-call work, in one.
    pub handling: Spread,
    /// How long they wait before they give up.
    pub patience: Spread,
    /// Whether they try again.
    pub redial: Option<Redial>,
}

/// Calling again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Redial {
    /// Share of those who heard the busy tone who call again, below 1.
    pub of_blocked: f64,
    /// Share of those who gave up waiting who call again, below 1.
    pub of_abandoned: f64,
    /// After how long.
    pub after: Spread,
}

/// Agents whose occupancy is told together.
#[derive(Clone, Debug)]
pub struct Pool {
    /// What it is called in the report.
    pub name: String,
    /// Who.
    pub agents: Vec<AgentId>,
}

/// One simulation. It begins with nobody in the house and everybody signed in.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Queues and agents.
    pub rules: Rules,
    /// Who calls.
    pub streams: Vec<Stream>,
    /// Whose occupancy is told. An agent is in at most one.
    pub pools: Vec<Pool>,
    /// Callers at once, talking or waiting; the next one hears the busy tone, as at the door of the real engine. `None`: no end of places.
    pub places: Option<u32>,
    /// The T of the service levels.
    pub within: Duration,
    /// Attempts before we begin to count.
    pub warm_up: u64,
    /// Attempts that count; a multiple of [`Plan::BATCHES`] is used.
    pub calls: u64,
    /// The same seed, the same run.
    pub seed: u64,
}

impl Plan {
    /// Intervals are by the means of so many batches of calls.
    pub const BATCHES: u64 = 30;

    /// Runs it.
    ///
    /// # Panics
    /// When the ACD's books disagree with each other: then nothing that it decides is worth counting.
    pub fn run(&self) -> Report {
        Floor::new(self).run()
    }
}

/// A queue whose only rule is what theory knows: answered at once, no after-call work, room for everybody, nobody overtakes by age.
pub(super) fn plain_queue(name: &str) -> Queue {
    let id = QueueId::from(name);
    let needs = vec![Need { skill: Skill::from(name), level: Level::SOME }];
    Queue {
        wrap_up: Duration::ZERO,
        max_waiting: u32::MAX,
        // Beyond the longest run: with the real city's bound old callers of one queue would go before the young of another.
        overtaken_max: Duration::from_secs(100 * 365 * 86_400),
        ..Queue::plain(id, needs)
    }
}

/// An agent with these skills, who serves queues in this order.
pub(super) fn plain_agent(name: &str, skills: BTreeMap<Skill, Level>, serves: Vec<QueueId>) -> Agent {
    Agent { id: AgentId::from(name), extension: extension(), skills, serves }
}

/// Nobody dials here.
fn extension() -> Number {
    Number::parse("100").unwrap_or_else(|_| unreachable!("three digits are a number"))
}

/// Nobody speaks here.
pub(super) fn nobodys_language() -> Lang {
    Lang::from("ja")
}
