//! Everything that an ACD cannot work out again: what the journal keeps, and what a restart begins from.

use crate::{Claim, Desk, Learnt};
use model::{AgentId, Instant, LegId, LineId, QueueId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The whole state as plain values. Timers, places and eligibility follow from it and from the city.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The time of the last input.
    pub clock: Instant,
    /// Offers made so far: the next one has a higher id, also after a restart, so that a stale answer stays stale.
    pub offers_made: u64,
    /// Tickets taken so far.
    pub arrivals: u64,
    /// The agents: sign-in, presence, offer or call or after-call deadline.
    pub agents: BTreeMap<AgentId, Desk>,
    /// Who waits, in the order of their ticket ids; the order of service follows from class, age and arrival.
    pub waiting: Vec<Claim>,
    /// Places of lines that are taken, by whom.
    pub taken: BTreeMap<LineId, BTreeSet<LegId>>,
    /// Queues whose reserve holds, where a hysteresis makes it remember.
    #[serde(default)]
    pub reserved: BTreeSet<QueueId>,
    /// What each queue has taught about waits.
    #[serde(default)]
    pub learnt: BTreeMap<QueueId, Learnt>,
    /// Desks that had to be put right so far.
    #[serde(default)]
    pub repairs: u64,
}
