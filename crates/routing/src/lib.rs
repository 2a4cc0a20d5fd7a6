//! Who takes which caller: agents, their skills, the queues, and one place where both meet.
//!
//! An automatic call distributor (ACD) as a machine without input or output: it is told what happened (`enqueue`, `answered`,
//! `finished`, ..), it says what to do ([`Decision`]), and it names the next moment that it must be asked again. After each input one
//! matching brings waiting tickets and idle agents together until nothing more fits; there is no poll loop and no head of the line
//! that blocks those behind it. What an agent is doing is derived, never set; each offer carries its reason ([`model::Why`]).
//!
//! The order, from the side of an agent: class, then the agent's own order of queues (`serves`, and after it those that they help), then
//! age with its bonus, then arrival. Who has been overtaken for as long as the queue allows is of the highest class from then on.
//! From the side of a ticket: the agent who knows the caller, then who did not just miss it, then the ring, the queue's own agents
//! before those who help, the queue's choice (`choose_agent`), who is idle longest, the name. The matching is stable: no caller and
//! agent are left who would both rather have had each other, and whom no declared reserve keeps apart.
//!
//! Deliberately absent: clocks, SIP, sound, flows; what a refused caller hears; when a callback's window opens (the engine holds and
//! releases the ticket).

mod acd;
mod ask;
mod audit;
mod decide;
mod decision;
mod desk;
mod estimate;
mod few;
mod floor;
mod index;
mod key;
mod line;
mod matching;
mod needs;
mod outlook;
mod ranked;
mod reconcile;
mod reserve;
mod rules;
mod state;
mod ticket;
mod timers;
mod tokens;
mod why;

pub use acd::Acd;
pub use decision::Decision;
pub use desk::{Change, Desk, Handling, Presence, Stage};
pub use estimate::{Forecast, Learnt, Minute};
pub use rules::{Rules, Seen};
pub use state::State;
pub use ticket::{Basis, Claim, Pause, Preferred, Ticket, Told};
