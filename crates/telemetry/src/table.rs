//! Every metric of the product, one entry each, a file for each family. To add one, add an entry to its family; if it needs a new fact,
//! add that to [`Event`].
//!
//! Names carry their unit last (`_seconds`, `_total` for what only grows); the prefix `toritsugi_` is added to each. The help text says
//! what a figure means for callers, and what to do when that is not obvious.

mod agents;
mod alive;
mod callbacks;
mod callers;
mod house;
mod lines;
mod menus;
mod messages;
mod queues;
mod sip;
mod sound;

use crate::series::Latest;
use model::{Event, Millis, Number, Snapshot, WorkerStats};

/// Takes one figure with its labels' values, in the order of the entry's labels.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&[&str], f64);

/// One metric.
pub(crate) struct Entry {
    /// Without the prefix.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) labels: &'static [&'static str],
    pub(crate) of: Of,
}

/// Where a figure comes from.
pub(crate) enum Of {
    /// A counter: what each event adds. The rows of `from_start` are shown as 0 before anything happened, so that an alarm on their
    /// growth sees the first time too.
    Events { from_start: &'static [&'static [&'static str]], count: fn(&Event, Tell<'_>) },
    /// A counter whose rows are known from the state of the city: they are shown as 0 from the first look at it on.
    EventsOfCity { rows: fn(&Snapshot, Tell<'_>), count: fn(&Event, Tell<'_>) },
    /// A counter whose rows are known from the city's own numbers: each number's are shown as 0 from the moment on at which it is told.
    EventsOfNumber { rows: fn(&Number, Tell<'_>), count: fn(&Event, Tell<'_>) },
    /// A histogram: what is observed at an event, in seconds.
    Spread { bounds: &'static [f64], observe: fn(&Event, Tell<'_>) },
    /// A histogram whose one label is the number dialled: each of the city's is shown empty from the moment on at which it is told.
    SpreadOfNumber { bounds: &'static [f64], observe: fn(&Event, Tell<'_>) },
    /// A gauge: read from the latest snapshot when somebody looks.
    Board(fn(&Latest, Tell<'_>)),
    /// A counter without labels, kept beside the latest state.
    Grown(fn(&Latest) -> f64),
    /// A counter of each media worker.
    WorkerCount(fn(&WorkerStats) -> u64),
    /// A gauge of each media worker.
    WorkerGauge(fn(&WorkerStats) -> u64),
    /// A histogram of each media worker, which comes ready counted: the count of each bucket, and the sum in microseconds.
    WorkerSpread { bounds_micros: &'static [u64], counts: fn(&WorkerStats) -> &[u64], sum_micros: fn(&WorkerStats) -> u64 },
}

/// Waiting in seconds: fine where promises are made (20 s), coarse where only patience is left.
const WAITS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];

/// The families, in the order in which they are shown.
pub(crate) const FAMILIES: [(&str, &[Entry]); 11] = [
    ("Callers", callers::TABLE),
    ("Menus", menus::TABLE),
    ("Messages and lookups", messages::TABLE),
    ("Queues", queues::TABLE),
    ("Callbacks", callbacks::TABLE),
    ("Lines out", lines::TABLE),
    ("Agents", agents::TABLE),
    ("SIP", sip::TABLE),
    ("Sound", sound::TABLE),
    ("What is alive", alive::TABLE),
    ("The house", house::TABLE),
];

/// Every metric.
pub(crate) fn table() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.into_iter().flat_map(|(_, entries)| entries)
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

fn seconds(millis: Millis) -> f64 {
    millis.0 as f64 / 1000.0
}
