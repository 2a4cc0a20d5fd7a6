//! Who takes which caller: agents, their skills, the queues, and one place where both meet.
//!
//! An automatic call distributor (ACD) as a machine without input or output: it is told what happened (`enqueue`, `answered`,
//! `finished`, ..), it says what to do ([`Decision`]), and it names the next moment that it must be asked again. After each input one
//! matching brings waiting tickets and idle agents together until nothing more fits; there is no poll loop and no head of the line
//! that blocks those behind it. What an agent is doing is derived, never set; each offer carries its reason ([`model::Why`]).
//!
//! The order, from the side of an agent: class, then the agent's own order of queues (`serves`), then age, then arrival. From the side of
//! a ticket: agents who did not just miss it, then the queue's choice (`choose_agent`), then who is idle longest, then the name.
//! The matching is stable: no caller and agent are left who would both rather have had each other.
//!
//! Deliberately absent: clocks, SIP, sound, flows; what a refused caller hears; reserves, capacity tokens, bonus minutes and
//! callbacks (they become filters on the pairs that `Acd::decide` looks at, when the city's files can say them).

mod acd;
mod decision;
mod desk;
mod line;
mod matching;
mod needs;
mod rules;
mod state;
mod ticket;
mod why;

pub use acd::Acd;
pub use decision::Decision;
pub use desk::{Change, Desk, Presence, Stage};
pub use rules::{Rules, Seen};
pub use state::State;
pub use ticket::{Claim, Preferred, Ticket};
