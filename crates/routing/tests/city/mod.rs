//! A small city for the tests: queues and agents in a line each.

use model::{Agent, AgentId, ChooseAgent, Level, Need, Number, Queue, QueueId, Relax, ServiceLevel, Skill};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const RING: Duration = Duration::from_secs(20);
pub(crate) const WRAP_UP: Duration = Duration::from_secs(60);

pub(crate) fn need(skill: &str, level: u8) -> Need {
    Need { skill: Skill::from(skill), level: Level::new(level).expect("1 to 5") }
}

/// A queue that asks for `needs`, with 20 s of ringing, two misses, a minute of wrap-up, and room for 30.
pub(crate) fn queue(id: &str, needs: &[(&str, u8)]) -> Queue {
    Queue {
        id: QueueId::from(id),
        needs: needs.iter().map(|(skill, level)| need(skill, *level)).collect(),
        lang: None,
        relax: Vec::new(),
        choose_agent: ChooseAgent::LongestIdle,
        ring_for: RING,
        missed_max: 2,
        wrap_up: WRAP_UP,
        max_waiting: 30,
        service_level: ServiceLevel::default(),
    }
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
