//! The queues alone, a million calls in seconds: callers, agents and the ACD of the real city, without a telephone between them.
//!
//! The shallowest depth of the simulator. [`routing::Acd`] is the one that runs in the city; here it is asked by calls that arrive by chance
//! ([`Stream`]), give up by chance, and are answered in the instant in which they are offered. What comes out is a [`Report`] with intervals
//! by batch means. Where queueing theory is exact ([`crate::erlang`], [`rows`]) the report must agree with it: this is how we know that
//! routing does what it says.
//!
//! Deliberately absent: SIP, sound, flows, ringing phones, breaks (the depths above have them), and any opinion of whom to connect with whom.

mod chance;
mod floor;
mod plan;
pub mod rows;
mod tally;

pub use chance::Spread;
pub use plan::{Plan, Pool, Redial, Stream};
pub use tally::{Group, Measured, Report, Served};
