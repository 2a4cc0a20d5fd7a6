//! The append-only hash-chained record
