//! Our own test phone: it registers, calls, answers, presses keys, speaks and listens, and says so when the server breaks the rules.
//!
//! A user agent of RFC 3261 with digest (RFC 7616), offer and answer (RFC 3264) and RTP (RFC 3550, 4733), without sockets or a clock. It is
//! built on rsip and never on `sip`, so that the two can disagree: what the engine does against the standard comes out as
//! [`Event::Violation`]. The simulator's residents and agents, `toritsugi call`, the canary and the demo are all this phone.
//!
//! What it hears it keeps sample by sample beside what it said, and tells as a timeline of [`Stretch`]es: silence, a tone, speech, music.
//!
//! Deliberately absent: more than one call at a time, forked calls, transfer, TCP and TLS, IPv6 and `tel:` (rsip 0.4 reads neither), encryption,
//! a jitter buffer (it records, nobody listens) and mercy towards protocol faults.

mod answering;
mod asking;
mod call;
mod dialling;
mod digest;
mod ear;
mod holding;
mod keys;
mod message;
mod phone;
mod registration;
mod talk;
mod transaction;
mod words;

pub use ear::{Sounding, Stretch};
pub use keys::Key;
pub use phone::Phone;
pub use words::{AnswerPolicy, Command, Config, Event, Hold, Output, Socket, Sound};
