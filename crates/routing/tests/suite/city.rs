//! A small city for the tests: queues and agents in a line each.

#![allow(dead_code, reason = "each file of tests takes what it needs of the city")]

use model::{Agent, AgentId, Level, Need, Number, Queue, QueueId, Relax, Skill};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const RING: Duration = Duration::from_secs(20);
pub(crate) const WRAP_UP: Duration = Duration::from_secs(60);

pub(crate) fn need(skill: &str, level: u8) -> Need {
    Need { skill: Skill::from(skill), level: Level::new(level).expect("1 to 5") }
}

/// A queue that asks for `needs`, with 20 s of ringing, two misses, a minute of wrap-up, and room for 30.
pub(crate) fn queue(id: &str, needs: &[(&str, u8)]) -> Queue {
    let needs = needs.iter().map(|(skill, level)| need(skill, *level)).collect();
    Queue { ring_for: RING, wrap_up: WRAP_UP, max_waiting: 30, pause: Duration::ZERO, ..Queue::plain(QueueId::from(id), needs) }
}
/// After `after` seconds, `skill` at `level` will do.
pub(crate) fn eased(after: u64, skill: &str, level: u8) -> Relax {
    Relax {
        after: Duration::from_secs(after),
        needs: BTreeMap::from([(Skill::from(skill), Some(Level::new(level).expect("1 to 5")))]),
        lang: None,
    }
}
pub(crate) fn person(id: &str, skills: &[(&str, u8)], serves: &[&str]) -> Agent {
    Agent {
        id: AgentId::from(id),
        extension: Number::parse("201").expect("a number"),
        skills: skills.iter().map(|(skill, level)| (Skill::from(*skill), Level::new(*level).expect("1 to 5"))).collect(),
        serves: serves.iter().map(|q| QueueId::from(*q)).collect(),
    }
}
pub(crate) fn queues(queues: &[Queue]) -> BTreeMap<QueueId, Queue> {
    queues.iter().map(|q| (q.id.clone(), q.clone())).collect()
}
pub(crate) fn agents(agents: &[Agent]) -> BTreeMap<AgentId, Agent> {
    agents.iter().map(|a| (a.id.clone(), a.clone())).collect()
}

pub(crate) fn rules(queues: &BTreeMap<QueueId, Queue>, agents: &BTreeMap<AgentId, Agent>) -> routing::Rules {
    routing::Rules { queues: queues.clone(), agents: agents.clone(), lines: BTreeMap::new() }
}
