//! The record of everything that was promised: written before the outside sees it, read after a crash, audited by the city.
//!
//! `<dir>/<first seq>.journal`, append-only text, one record a line, so that `grep`, `jq` and `sha256sum` are enough to check it:
//!
//! ```text
//! <crc32> <hash> {"seq":1,"wall":1619654400000,"body":...}
//! ```
//!
//! - `hash`, 64 hex digits: SHA-256 of the hash of the line before (as 64 hex digits; zeros before the first line) followed by the JSON text.
//!   Whoever changes, removes or inserts a line anywhere must change every hash behind it.
//! - `crc32`, 8 hex digits: CRC-32 (IEEE 802.3) of the hash, the space and the JSON text. It tells a bad disk from a bad hand.
//! - `seq` counts from 1, by one, across restarts; `wall` is in milliseconds since 1970 UTC.
//!
//! The chain of one file, by hand (`before` is the hash of the last line of the file before, or 64 zeros):
//!
//! ```sh
//! while read -r crc hash json; do
//!   [ "$(printf '%s%s' "$before" "$json" | sha256sum)" = "$hash  -" ] || echo "wrong: $json"; before=$hash
//! done < 00000000000000000001.journal
//! ```
//!
//! A crash may tear the last line, and a power failure may leave NULs behind it; [`Journal::open`] cuts that off and keeps it in a file
//! beside, because nothing that depends on it was ever seen ([`Writer`] confirms only what is on the disk). Any other damage is an error that
//! names file and line: the engine does not start on it, and [`cut`] puts it aside. [`verify`] walks the whole chain.
//!
//! Deliberately absent: deletion (a journal is kept or moved away whole), an index, replication, and any notion of what a record means:
//! the body is whatever can be written as JSON.

mod aside;
mod chain;
mod fault;
mod ledger;
mod reader;
mod writer;

pub use aside::{Cut, cut};
pub use chain::Hash;
pub use fault::{Damage, Fault};
pub use ledger::{Journal, Opening, RECORD_BYTES_MAX, SEGMENT_BYTES};
pub use reader::{Entry, Summary, Torn, replay, verify};
pub use writer::{Full, QUEUE_RECORDS_MAX, Writer};
