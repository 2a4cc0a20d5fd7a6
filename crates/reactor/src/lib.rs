//! Where the engine meets the machine: sockets, the clock, threads, and the gate that holds acts until they are written down.
//!
//! One signalling thread owns the engine; N media workers own RTP, both legs of a call on the same one; [`Exchange`] runs our own
//! test phones on real sockets. Messages become files on a thread of their own ([`Boxes`]), questions to other houses HTTP. RFC 3261 section 18 (transport) and RFC 3550 section 11 (ports).
//!
//! Deliberately absent: decisions. Everything here either feeds the engine or does what it says.

mod boxes;
mod clock;
mod durable;
mod exchange;
mod hep;
mod lookup;
mod nameless;
mod names;
mod signalling;
mod streams;
mod tape;
mod tls;
pub mod trace;
mod websocket;
mod worker;

pub use boxes::{Beside, Boxes, Left, Limits};
pub use clock::Clock;
pub use durable::{Confirm, Confirmed, durable};
pub use exchange::{Exchange, Heard, PhoneId, bind_phone};
pub use hep::Hep;
pub use signalling::{Handle, Parts, start};
pub use streams::{Door, Doors, listen};
pub use tls::{Certificate, Files};
pub use worker::Worker;
