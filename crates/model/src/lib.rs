//! The words that everyone shares: who calls, when, for whom, and what happened.
//!
//! Plain values only: ids, time without a clock, telephone numbers that hide themselves, skills, sound as samples, the plain
//! types of a city, and the closed [`Event`] enum. Names follow RFC 3261 and the call-centre trade.
//!
//! Deliberately absent: anything that acts. No clock, no socket, no parser of files, no error type of another room.

mod city;
mod digit;
mod event;
mod hex;
mod ids;
mod masking;
mod number;
mod overrides;
mod pcm;
mod random;
mod skill;
mod snapshot;
mod time;
mod wait;

pub use city::*;
pub use digit::Digit;
pub use event::*;
pub use hex::{hex, hex_digits, unhex};
pub use ids::*;
pub use masking::hide_numbers;
pub use number::{Number, NumberFault, NumberKind, Redacted};
pub use overrides::*;
pub use pcm::{Codec, Pcm};
pub use random::Random;
pub use skill::{Level, Need, Skill};
pub use snapshot::{
    AgentNow, BreakNow, Census, Channels, LATENESS_BOUNDS_MICROS, LineNow, QueueNow, SkillNow, Snapshot, TrunkChannels, TrunkNow,
    WorkerStats,
};
pub use time::{Instant, Millis, Now, UnixMillis};
pub use wait::{Estimate, QueueFacts, Rose};
