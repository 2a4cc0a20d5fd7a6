//! The city under virtual time: residents call, agents answer, networks lose, journals stall, and an hour takes a second.
//!
//! The engine of the real city runs here among [`phone::Phone`]s, over a [`Link`] that loses and doubles, before a [`Ledger`] that confirms
//! late, on one queue of things to come ([`World`]). After every step the invariants are checked; the same seed tells the same story to the
//! last byte ([`World::digest`]). Two fidelities: signalling only ([`World::new`], hundreds of calls) and with every packet of sound
//! ([`World::with_sound`]).
//!
//! Deliberately absent: real time, sockets and files (the reactor has them), any knowledge of the engine's inside beyond its face, and
//! opinions about whether a day went well: scenarios under `tests/` have those.

mod day;
pub mod erlang;
mod ledger;
mod link;
mod mime;
mod people;
pub mod queue;
pub mod rehearsal;
mod scenario;
pub mod town;
pub mod trial;
mod watch;
mod world;

pub use day::Day;
pub use ledger::{Ledger, Pace};
pub use link::{Datagram, Link, Weather};
pub use people::{Again, Clerk, Habits, Neighbour, PersonId, Presses, Resident};
pub use scenario::{Caller, Kind, Piece, Scenario, Shift, Tally, Trouble};
pub use town::Town;
pub use world::{Ailment, House, Told, Voice, World};
