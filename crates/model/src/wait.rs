//! What can be told of a wait, and what a flow may ask about a queue before it sends somebody there.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// How long a caller will still wait, as a range. Told only with enough behind it; otherwise nothing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Few wait less.
    pub low: Millis,
    /// Four of five wait less.
    pub high: Millis,
    /// Finished calls that the figures rest on.
    pub support: u32,
    /// Why it is longer than what this caller was told before, if it is.
    pub rose: Option<Rose>,
}

/// Why an expected wait has become longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rose {
    /// Fewer agents are there.
    FewerAgents,
    /// Somebody more urgent went ahead.
    Overtaken,
    /// The calls take longer than they did.
    LongerCalls,
}

/// A queue as a flow may ask about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFacts {
    /// Callers waiting, offered ones included.
    pub waiting: u32,
    /// Age of the oldest ticket.
    pub oldest: Millis,
    /// Agents who could take its calls and are signed in, not on a break and responding.
    pub staffed: u32,
    /// Those of them who are idle.
    pub available: u32,
    /// The wait of somebody who came now, if it can be told.
    pub expected: Option<Estimate>,
    /// Answered in time, of those offered in the last half hour, in percent; `None` while there were none.
    pub service_percent: Option<u8>,
}
