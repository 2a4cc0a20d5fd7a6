//! How much of anything we read: every bound of the parser, in one place.
//!
//! A message that is larger is refused or dropped, never cut: what was left out could be what matters. A session description is bounded where
//! it is read (`sdp`, 16 KiB). How many calls and transactions there may be stands with the endpoint
//! ([`DIALOGS_MAX`](crate::DIALOGS_MAX), [`TRANSACTIONS_MAX`](crate::TRANSACTIONS_MAX)).

/// The largest message, in bytes: one UDP datagram. On a stream it is the same.
pub const MESSAGE_MAX: usize = 65_535;
/// The longest header line, folds included, in bytes.
pub const LINE_MAX: usize = 8 * 1024;
/// How many header lines a message may have.
pub const HEADERS_MAX: usize = 256;
/// How many Via values a message may have.
pub const VIAS_MAX: usize = 64;
/// The longest URI that we read, in bytes.
pub const URI_MAX: usize = 2048;
/// The most bytes of a request that are echoed into its responses, and so kept; beyond that it is refused with 513.
pub const ECHO_MAX: usize = 8 * 1024;
/// How many Record-Route values a dialog keeps; more are refused with 400.
pub const ROUTES_MAX: usize = 16;
/// How many Contacts of one REGISTER are read; more are refused with 400.
pub const CONTACTS_MAX: usize = 8;
/// How many Authorization lines of one request are looked at; further ones are passed over.
pub const CREDENTIALS_MAX: usize = 4;
