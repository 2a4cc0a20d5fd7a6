//! The reason that goes with each offer: why this agent, and why not the others.

use crate::Desk;
use crate::line::Waiting;
use model::{Agent, AgentId, AgentState, PassedOver, QueueId, WhyNot};
use std::collections::BTreeMap;

/// As many of those not chosen as a reason names. When the house is larger, those who came closest are named.
pub(crate) const NAMED_AT_MOST: usize = model::Why::NAMED_MAX;

/// Whether an agent takes calls of a queue at all, and as the how-manieth of their own order.
pub(crate) fn serves(agent: &Agent, queue: &QueueId) -> Option<usize> {
    if agent.serves.is_empty() { Some(0) } else { agent.serves.iter().position(|q| q == queue) }
}

/// Everyone but the chosen one, and why not they.
pub(crate) fn passed_over(
    chosen: &AgentId,
    waiting: &Waiting,
    agents: &BTreeMap<AgentId, Agent>,
    desks: &BTreeMap<AgentId, Desk>,
) -> Vec<PassedOver> {
    let claim = &waiting.claim;
    let chosen_missed = claim.missed_by.contains(chosen);
    let why_not = |agent: &Agent| {
        let state = desks.get(&agent.id).map_or(AgentState::SignedOut, Desk::state);
        if serves(agent, &claim.ticket.queue).is_none() {
            WhyNot::DoesNotServe
        } else if let Some(need) = waiting.asked.lacking(&agent.skills) {
            WhyNot::Skill { skill: need.skill.clone(), has: agent.skills.get(&need.skill).copied(), needs: need.level }
        } else if state != AgentState::Idle {
            WhyNot::State(state)
        } else if claim.missed_by.contains(&agent.id) && !chosen_missed {
            WhyNot::JustMissed
        } else {
            WhyNot::RankedLower
        }
    };
    let mut others: Vec<PassedOver> =
        agents.values().filter(|a| a.id != *chosen).map(|a| PassedOver { agent: a.id.clone(), why: why_not(a) }).collect();
    others.sort_by_key(|other| distance(&other.why));
    others.truncate(NAMED_AT_MOST);
    others
}

/// How far from being chosen.
fn distance(why: &WhyNot) -> u8 {
    match why {
        WhyNot::RankedLower => 0,
        WhyNot::JustMissed => 1,
        WhyNot::State(AgentState::SignedOut) => 3,
        WhyNot::State(_) => 2,
        WhyNot::Skill { .. } => 4,
        WhyNot::Reserved { .. } | WhyNot::TookAnother | WhyNot::LaterRing { .. } | WhyNot::Excluded | WhyNot::PrefersAnother => 1,
        WhyNot::DoesNotServe => 5,
    }
}
