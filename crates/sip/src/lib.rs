//! Telephone calls over an open network: who calls, who answers, who hangs up, whose phone is where.
//!
//! SIP (RFC 3261) without sockets and without a clock: a byte-level parser, the four transaction machines (with RFC 6026),
//! dialogs of both roles, digest authentication (RFC 7616, RFC 8760), a registrar, and the [`Endpoint`] that holds them together.
//! Tell it what came and what you want ([`Endpoint::handle_message`], [`Endpoint::handle_command`], [`Endpoint::handle_timeout`]),
//! then ask until it has nothing more to say ([`Endpoint::poll_output`]).
//!
//! Requests that change nothing (OPTIONS, challenges, refusals) are answered without a transaction (RFC 3261 section 8.2.7): a flood of
//! them costs no memory. What is remembered is bounded by the dialogs and the users.
//!
//! Each extension is one file of `endpoint/`: changes of a session that runs (`change`: re-INVITE, UPDATE, glare), provisional answers that
//! count (`reliable`: RFC 3262), session timers (`session_timer`: RFC 4028), transfer (`refer`: RFC 3515, `replaces`: RFC 3891), keys (`info`), the name of a session
//! (`session_id`: RFC 7989).
//!
//! Deliberately absent: TLS and WebSocket themselves (the edge speaks them, here they are a `transport` in Via and Contact); subscriptions but for the
//! one of a transfer (they are answered 405); redirection of our own INVITE (a 3xx is a failure); offers and answers in provisional answers and in PRACK (of ours: theirs are heard).

mod border;
pub mod bounds;
mod credentials;
pub mod dialog;
pub mod digest;
mod doors;
mod endpoint;
pub mod framer;
pub mod header;
mod identity;
mod keeper;
mod lexis;
pub mod message;
mod registrar;
pub mod transaction;
pub mod trunk;
pub mod uri;
pub mod writer;

pub use border::{Admission, Census, Command, Config, Event, Identity, Output, Passed, Reason, ReferTo, Spot, Target};
pub use credentials::Account;
pub use dialog::{DialogStage, DialogState, Role, Will};
pub use endpoint::{DIALOGS_MAX, Endpoint, TRANSACTIONS_MAX};
pub use framer::{Frame, Framer};
pub use identity::{Claims, UNNAMED_HOST, as_kept, asks_for_privacy, has_number, is_nobody, is_unnamed};
pub use message::Message;
pub use registrar::{Binding, PHONES_MAX};
