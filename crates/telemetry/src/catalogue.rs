//! Every metric by its name, for the handbook, the alarms and the dashboards; and those that are still to come.

use crate::series::full_name;
use crate::table::{Entry, FAMILIES, Of};

/// What sort of figure it is, as Prometheus knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by bucket, with `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// The family that it belongs to, in words.
    pub family: &'static str,
    /// Its whole name.
    pub name: String,
    /// What it says, and what to do when that is not obvious.
    pub help: &'static str,
    /// The names of its labels; `le` of histograms apart.
    pub labels: &'static [&'static str],
    /// What sort.
    pub kind: Kind,
    /// Upper bounds of a histogram, in seconds.
    pub bounds: Vec<f64>,
}

/// A metric that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its whole name.
    pub name: &'static str,
    /// What it will say, and what it waits for.
    pub help: &'static str,
}

/// Every metric of ours, in the order of the families.
pub fn catalogue() -> impl Iterator<Item = Described> {
    FAMILIES.into_iter().flat_map(|(family, entries)| entries.iter().map(move |entry| described(family, entry)))
}

fn described(family: &'static str, entry: &'static Entry) -> Described {
    let (kind, bounds) = match &entry.of {
        Of::Events { .. } | Of::EventsOfCity { .. } | Of::EventsOfNumber { .. } | Of::Grown(_) | Of::WorkerCount(_) => {
            (Kind::Counter, Vec::new())
        }
        Of::Board(_) | Of::WorkerGauge(_) => (Kind::Gauge, Vec::new()),
        Of::Spread { bounds, .. } | Of::SpreadOfNumber { bounds, .. } => (Kind::Histogram, bounds.to_vec()),
        Of::WorkerSpread { bounds_micros, .. } => (Kind::Histogram, bounds_micros.iter().map(|micros| *micros as f64 / 1e6).collect()),
    };
    Described { family, name: full_name(entry), help: entry.help, labels: entry.labels, kind, bounds }
}

/// Those that later work brings. No alarm and no dashboard may name them before that.
pub const PLANNED: &[Planned] = &[
    Planned {
        name: "toritsugi_canary_success",
        help: "Whether the last call of the engine to itself heard what it should; comes with the canary.",
    },
    Planned {
        name: "toritsugi_leg_r_factor",
        help: "Rating of each leg by the E-model (ITU-T G.107); comes with RTCP reports of both sides.",
    },
    Planned {
        name: "toritsugi_ledger_last_root_timestamp_seconds",
        help: "When the journal's root was signed last; comes with the city's own ledger.",
    },
    Planned { name: "toritsugi_ledger_broken", help: "1 once the journal's chain was found broken; today `toritsugi verify` says it." },
    Planned { name: "toritsugi_recordings_total", help: "Talks that were recorded, by what came of it; comes with recording." },
    Planned { name: "toritsugi_recordings_free_bytes", help: "Room that is left for recordings; comes with recording." },
];
