//! What can be told of a wait, and what a flow may ask about a queue before it sends somebody there.

use crate::Millis;
use serde::{Deserialize, Serialize};

/// How long a caller will still wait, as a range that holds for 85 of 100. Told only with enough behind it; otherwise nothing is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// One of twenty waits less.
    pub low: Millis,
    /// Nine of ten wait less. [`Estimate::BEYOND`] says that no end is told.
    pub high: Millis,
    /// Finished calls that the figures rest on.
    pub support: u32,
    /// Why it is longer than what this caller was told before, if it is.
    pub rose: Option<Rose>,
}

impl Estimate {
    /// An hour. Beyond it there is no telling: shifts end, people come from lunch, the rush is over. Figures are spoken up to half of it, and
    /// what is longer is spoken as *more than that*; an end that nobody can hear need not be known any better.
    pub const BEYOND: Millis = Millis(3_600_000);

    /// Whether it names an end at all, to be held to and judged by.
    pub fn has_end(&self) -> bool {
        self.high < Estimate::BEYOND
    }
    /// With neither end later than [`Estimate::BEYOND`].
    #[must_use]
    pub fn bounded(self) -> Estimate {
        Estimate { low: self.low.min(Estimate::BEYOND), high: self.high.min(Estimate::BEYOND), ..self }
    }
}

/// Why an expected wait has become longer: of what became worse, the one that accounts for most of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rose {
    /// Fewer agents are there.
    FewerAgents,
    /// Somebody more urgent went ahead.
    Overtaken,
    /// The calls take longer than they did.
    LongerCalls,
    /// The agents give more of their time to other queues.
    OtherCalls,
    /// Fewer of those before lose patience.
    FewerGiveUp,
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
