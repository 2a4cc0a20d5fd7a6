//! The call records of the city, in a SQLite file that a supervisor can open and read.
//!
//! One row per call, with plain words in its columns and times both as numbers and as ISO 8601 text. The journal is the truth; this file
//! is made from it, may be deleted at any time and rebuilt ([`Store::rebuild`]). Callers' numbers are stored masked, as they come.
//!
//! [`Store`] is the file, [`Writer`] a thread that owns one and files records in batches while the engine goes on.
//!
//! Deliberately absent: reports (SQL makes them), anything in the path of a call, and migrations of old rows: a file of an older layout
//! is rebuilt from the journal.

mod fault;
mod row;
mod schema;
mod store;
mod writer;

pub use fault::Fault;
pub use store::Store;
pub use writer::{BATCH_MAX, ROOM, Writer};
