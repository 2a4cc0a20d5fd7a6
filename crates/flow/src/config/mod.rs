//! The files of `config/`: one reader each.

pub(crate) mod agents;
pub(crate) mod breaks;
pub(crate) mod calendar;
pub(crate) mod engine;
pub(crate) mod lines;
pub(crate) mod lookups;
pub(crate) mod numbers;
pub(crate) mod places;
pub(crate) mod queues;
pub(crate) mod roster;
pub(crate) mod sharing;
pub(crate) mod sources;

/// Files that may lie in `config/`, by their names without `.yaml`.
pub(crate) const FILES: [&str; 9] = ["engine", "agents", "breaks", "lines", "lookups", "numbers", "queues", "calendar", "roster"];

/// Entries of one configuration file: more than any city has.
pub(crate) const ENTRIES_MAX: usize = 10_000;
