//! What the city's files say about who takes whom.

use model::{Agent, AgentId, LineId, Queue, QueueId};
use std::collections::BTreeMap;

/// The part of a published city that routing goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The queues.
    pub queues: BTreeMap<QueueId, Queue>,
    /// Who answers.
    pub agents: BTreeMap<AgentId, Agent>,
    /// Places of each line that calls go out to: a hotline's lines, a trunk's channels.
    pub lines: BTreeMap<LineId, u32>,
}

/// What the engine sees of an agent, to compare with the desk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The phone is registered.
    pub registered: bool,
    /// The phone rings for an offer, or is being dialled for one.
    pub offered: bool,
    /// The agent is in a call.
    pub talking: bool,
}
