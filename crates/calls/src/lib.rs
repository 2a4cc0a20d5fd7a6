//! The engine: a resident's call from the first INVITE to the last BYE, tied together from SIP, sound, menu and routing.
//!
//! A back-to-back user agent (RFC 7092) as one value: [`Engine::handle_input`] takes what happened, [`Engine::poll_output`] says
//! what to do, [`Engine::poll_timeout`] says when to come back. One input, then drain, then the next.
//!
//! Deliberately absent: sockets, clocks, threads, files, and the journal itself. The engine only says `Commit` and marks the
//! acts that depend on it; the [`Gate`] at the edge holds them. No call knows another call.

mod attempt;
mod bucket;
mod call;
mod call_return;
mod callback;
mod city;
mod consult;
mod defence;
mod engine;
mod errand;
mod face;
mod gate;
mod heard;
mod identity;
mod legs;
mod lookup;
mod message;
mod offer;
mod outbound;
mod overrides;
mod persons;
mod ports;
mod presence;
mod record;
mod resident;
mod ringing;
mod takeover;
mod terms;
mod transfer;
mod trunks;
mod vault;
mod view;
mod will;

pub use city::City;
pub use engine::Engine;
pub use face::{Act, Answer, Control, Input, Job, NotSet, Output, Question, Reply, Slip, Tape, TapeSays, Trusted, Wake};
pub use gate::Gate;
pub use outbound::WentOut;
pub use overrides::{NotAllowed, acts_on};
pub use persons::{Kept, Memories};
pub use ports::Ports;
pub use record::{Abroad, Booked, OnBreak, OpenCall, Place, Record, State};
pub use vault::Vault;
