//! The figures behind the table: bounded families of counters and histograms, and what is read only when somebody looks.

use crate::table::{Entry, Of, table};
use model::{Census, LineId, MailboxId, Snapshot, UnixMillis, Version, WorkerStats};
use prometheus::core::{Collector, Desc, MetricVec, MetricVecBuilder};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows that one metric may have. Labels hold only words of the city's files, so this is a fuse: what comes after is counted as `other`.
pub(crate) const ROWS_MAX: usize = 2000;
const OTHER: &str = "other";

/// A family whose rows are bounded.
pub(crate) struct Family<V: Rows> {
    rows: V,
    seen: Mutex<Seen<V::Row>>,
}

/// The rows that there are, by their labels' values.
struct Seen<R> {
    rows: BTreeMap<String, R>,
    /// Room for the labels that are asked for: thousands are each second.
    asked: String,
}

/// A family of metrics of one kind.
pub(crate) trait Rows {
    type Row: Clone;
    /// The row with these values, made if it is not there; `None` if there are more or fewer values than labels.
    fn with(&self, labels: &[&str]) -> Option<Self::Row>;
}

impl<B: MetricVecBuilder> Rows for MetricVec<B> {
    type Row = B::M;
    fn with(&self, labels: &[&str]) -> Option<B::M> {
        self.get_metric_with_label_values(labels).ok()
    }
}

impl<V: Rows> Family<V> {
    pub(crate) fn new(rows: V) -> Self {
        Family { rows, seen: Mutex::new(Seen { rows: BTreeMap::new(), asked: String::new() }) }
    }
    /// The row with these labels, or the one that stands for all the others. `None` when the table gives another count of values than of
    /// labels, which its test rules out.
    pub(crate) fn row(&self, labels: &[&str]) -> Option<V::Row> {
        let mut seen = hold(&self.seen);
        let Seen { rows, asked } = &mut *seen;
        asked.clear();
        for label in labels {
            asked.push_str(label);
            asked.push('\0');
        }
        if let Some(row) = rows.get(asked.as_str()) {
            return Some(row.clone());
        }
        if rows.len() >= ROWS_MAX {
            return self.rows.with(&vec![OTHER; labels.len()]);
        }
        let row = self.rows.with(labels);
        debug_assert!(row.is_some(), "the table's labels and values differ: {labels:?}");
        rows.insert(asked.clone(), row.clone()?);
        row
    }
}

/// A lock that a panic elsewhere does not spoil: figures may be one behind, never wrong in kind.
pub(crate) fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the city's files stand to the city in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// They have mistakes, or a test of theirs fails.
    pub refused: bool,
    /// Another version than theirs was asked for.
    pub rolled_back: bool,
}

/// How the engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// It takes calls as it should: what `/readyz` says.
    pub ready: bool,
    /// The journal can be written.
    pub journal: bool,
    /// Call records can be written.
    pub records: bool,
}

/// The latest state, as it was told.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) version: Option<Version>,
    /// When the TLS certificate runs out.
    pub(crate) certificate: Option<UnixMillis>,
    pub(crate) files: Files,
    /// How the engine is, once somebody has looked.
    pub(crate) health: Option<Health>,
    pub(crate) workers: BTreeMap<usize, WorkerStats>,
    /// Places taken and places in all, of each line that was used. Lines are those of the city's files.
    pub(crate) lines: BTreeMap<LineId, (u32, u32)>,
    /// Messages in each box.
    pub(crate) boxes: BTreeMap<MailboxId, u64>,
    /// How long all channels have been in use so far.
    pub(crate) busy_millis: u64,
}

/// Between two states so far apart nobody knows what was: the machine slept, or its clock was set.
const LOOKS_MILLIS: i64 = 10_000;

impl Latest {
    /// Takes the next state. What was busy in both was busy between them.
    pub(crate) fn follow(&mut self, next: &Snapshot) {
        let full = |snapshot: &Snapshot| snapshot.channels.max > 0 && snapshot.channels.in_use >= snapshot.channels.max;
        if let Some(before) = self.snapshot.as_ref().filter(|before| full(before) && full(next)) {
            let between = next.wall.0 - before.wall.0;
            if (0..=LOOKS_MILLIS).contains(&between) {
                self.busy_millis += between as u64;
            }
        }
        if next.version.is_some() {
            self.version.clone_from(&next.version);
        }
        self.snapshot = Some(next.clone());
    }

    /// One figure of the census, once there is one.
    pub(crate) fn census(&self, tell: crate::table::Tell<'_>, figure: fn(&Census) -> u64) {
        if let Some(snapshot) = &self.snapshot {
            tell(&[], figure(&snapshot.census) as f64);
        }
    }
}

/// Makes the families that are read when somebody looks. A queue, version or worker that is no more leaves no row behind.
pub(crate) struct Reader {
    latest: Arc<Mutex<Latest>>,
    entries: Vec<(&'static Entry, Desc)>,
}

impl Reader {
    pub(crate) fn new(latest: Arc<Mutex<Latest>>) -> Result<Self, prometheus::Error> {
        let describe = |entry: &'static Entry| {
            let labels = entry.labels.iter().map(|l| (*l).to_owned()).collect();
            Ok((entry, Desc::new(full_name(entry), entry.help.to_owned(), labels, HashMap::new())?))
        };
        let entries = table()
            .filter(|entry| match entry.of {
                Of::Board(_) | Of::Grown(_) | Of::WorkerCount(_) | Of::WorkerGauge(_) | Of::WorkerSpread { .. } => true,
                Of::Events { .. } | Of::EventsOfCity { .. } | Of::EventsOfNumber { .. } | Of::Spread { .. } | Of::SpreadOfNumber { .. } => {
                    false
                }
            })
            .map(describe)
            .collect::<Result<_, prometheus::Error>>()?;
        Ok(Reader { latest, entries })
    }
}

impl Collector for Reader {
    fn desc(&self) -> Vec<&Desc> {
        self.entries.iter().map(|(_, desc)| desc).collect()
    }
    fn collect(&self) -> Vec<MetricFamily> {
        let latest = hold(&self.latest);
        self.entries.iter().map(|(entry, _)| family(entry, &latest)).filter(|f| !f.get_metric().is_empty()).collect()
    }
}

pub(crate) fn full_name(entry: &Entry) -> String {
    format!("toritsugi_{}", entry.name)
}

fn family(entry: &Entry, latest: &Latest) -> MetricFamily {
    let mut rows = Vec::new();
    let per_worker = |row: &dyn Fn(&WorkerStats) -> Metric| -> Vec<Metric> {
        let labelled = |(index, stats): (&usize, &WorkerStats)| {
            let mut metric = row(stats);
            metric.set_label(pairs(entry.labels, &[&index.to_string()]));
            metric
        };
        latest.workers.iter().map(labelled).collect()
    };
    let kind = match &entry.of {
        Of::Board(read) => {
            read(latest, &mut |labels, value| {
                let mut metric = gauge(value);
                metric.set_label(pairs(entry.labels, labels));
                rows.push(metric);
            });
            MetricType::GAUGE
        }
        Of::Grown(read) => {
            rows = vec![counter(read(latest))];
            MetricType::COUNTER
        }
        Of::WorkerGauge(read) => {
            rows = per_worker(&|stats| gauge(read(stats) as f64));
            MetricType::GAUGE
        }
        Of::WorkerCount(read) => {
            rows = per_worker(&|stats| counter(read(stats) as f64));
            MetricType::COUNTER
        }
        Of::WorkerSpread { bounds_micros, counts, sum_micros } => {
            rows = per_worker(&|stats| spread(bounds_micros, counts(stats), sum_micros(stats)));
            MetricType::HISTOGRAM
        }
        // These are families of their own and never come here.
        Of::Events { .. } | Of::EventsOfCity { .. } | Of::EventsOfNumber { .. } | Of::Spread { .. } | Of::SpreadOfNumber { .. } => {
            MetricType::UNTYPED
        }
    };
    let mut family = MetricFamily::default();
    family.set_name(full_name(entry));
    family.set_help(entry.help.to_owned());
    family.set_field_type(kind);
    family.set_metric(rows);
    family
}

fn pairs(names: &[&str], values: &[&str]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}
fn gauge(value: f64) -> Metric {
    let (mut metric, mut figure) = (Metric::default(), Gauge::default());
    figure.set_value(value);
    metric.set_gauge(figure);
    metric
}
fn counter(value: f64) -> Metric {
    let (mut metric, mut figure) = (Metric::default(), Counter::default());
    figure.set_value(value);
    metric.set_counter(figure);
    metric
}
/// A histogram of counts per bucket; the exposition wants them summed up from the left.
fn spread(bounds_micros: &[u64], counts: &[u64], sum_micros: u64) -> Metric {
    let mut so_far = 0u64;
    let bucket = |(bound, count): (&u64, &u64)| {
        so_far = so_far.saturating_add(*count);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / 1e6);
        bucket.set_cumulative_count(so_far);
        bucket
    };
    let buckets: Vec<Bucket> = bounds_micros.iter().zip(counts).map(bucket).collect();
    let (mut metric, mut figure) = (Metric::default(), Histogram::default());
    figure.set_bucket(buckets);
    figure.set_sample_count(counts.iter().fold(0, |sum, n| sum.saturating_add(*n)));
    figure.set_sample_sum(sum_micros as f64 / 1e6);
    metric.set_histogram(figure);
    metric
}
