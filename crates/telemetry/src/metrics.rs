//! The figures of the running city.

use crate::series::{Family, Files, Health, Latest, ROWS_MAX, Reader, full_name, hold};
use crate::table::{Entry, Of, Tell, table};
use model::{Event, MailboxId, Number, Snapshot, WorkerStats};
use prometheus::process_collector::ProcessCollector;
use prometheus::{CounterVec, Error, HistogramOpts, HistogramVec, Opts, Registry, TextEncoder};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

/// What an entry reads from an event.
type Read = fn(&Event, Tell<'_>);

/// The rows that an entry has in a city.
type Rows = fn(&Snapshot, Tell<'_>);

/// The rows that an entry has for one of the city's numbers.
type RowsOfNumber = fn(&Number, Tell<'_>);

/// Counts events, keeps the latest state, and renders both. May be shared between threads: one notes, another renders.
pub struct Metrics {
    registry: Registry,
    counters: Vec<(Read, Family<CounterVec>)>,
    /// What shows the rows of a city, and of which counter.
    of_city: Vec<(Rows, usize)>,
    /// What shows the rows of a number, and of which counter.
    of_number: Vec<(RowsOfNumber, usize)>,
    spreads: Vec<(Read, Family<HistogramVec>)>,
    /// The histograms that have a row for each number.
    spreads_of_number: Vec<usize>,
    /// The numbers whose rows are shown.
    shown: Mutex<BTreeSet<Number>>,
    latest: Arc<Mutex<Latest>>,
}

impl Metrics {
    /// All metrics at their start.
    ///
    /// # Panics
    /// When the table has a name twice or one that Prometheus does not allow; its test rules that out.
    #[expect(clippy::new_without_default, reason = "a second set of figures is never wanted by default")]
    pub fn new() -> Self {
        Metrics::from_table().expect("the table's names, labels and buckets are valid")
    }

    fn from_table() -> Result<Self, Error> {
        let registry = Registry::new();
        let latest = Arc::new(Mutex::new(Latest::default()));
        let (mut counters, mut of_city, mut of_number) = (Vec::new(), Vec::new(), Vec::new());
        let (mut spreads, mut spreads_of_number) = (Vec::new(), Vec::new());
        let counter = |entry: &Entry| -> Result<Family<CounterVec>, Error> {
            let rows = CounterVec::new(Opts::new(full_name(entry), entry.help), entry.labels)?;
            registry.register(Box::new(rows.clone()))?;
            Ok(Family::new(rows))
        };
        for entry in table() {
            match &entry.of {
                Of::Events { from_start, count } => {
                    let family = counter(entry)?;
                    from_start.iter().for_each(|labels| drop(family.row(labels)));
                    counters.push((*count, family));
                }
                Of::EventsOfCity { rows, count } => {
                    of_city.push((*rows, counters.len()));
                    counters.push((*count, counter(entry)?));
                }
                Of::EventsOfNumber { rows, count } => {
                    of_number.push((*rows, counters.len()));
                    counters.push((*count, counter(entry)?));
                }
                Of::Spread { bounds, observe } | Of::SpreadOfNumber { bounds, observe } => {
                    let options = HistogramOpts::new(full_name(entry), entry.help).buckets(bounds.to_vec());
                    let rows = HistogramVec::new(options, entry.labels)?;
                    registry.register(Box::new(rows.clone()))?;
                    if let Of::SpreadOfNumber { .. } = entry.of {
                        spreads_of_number.push(spreads.len());
                    }
                    spreads.push((*observe, Family::new(rows)));
                }
                // Read by `Reader` when somebody looks.
                Of::Board(_) | Of::Grown(_) | Of::WorkerCount(_) | Of::WorkerGauge(_) | Of::WorkerSpread { .. } => {}
            }
        }
        registry.register(Box::new(Reader::new(Arc::clone(&latest))?))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Metrics { registry, counters, of_city, of_number, spreads, spreads_of_number, shown: Mutex::default(), latest })
    }

    /// Counts an event.
    pub fn note(&self, event: &Event) {
        if let Event::Arrived { number, .. } = event {
            // Also of a number that nobody told of.
            self.numbers([number]);
        }
        for (read, family) in &self.counters {
            read(event, &mut |labels, by| {
                if let Some(row) = family.row(labels) {
                    row.inc_by(by);
                }
            });
        }
        for (read, family) in &self.spreads {
            read(event, &mut |labels, value| {
                if let Some(row) = family.row(labels) {
                    row.observe(value);
                }
            });
        }
        if let Event::Published { version } = event {
            hold(&self.latest).version = Some(version.clone());
        }
        if let Event::Certificate { expires } = event {
            hold(&self.latest).certificate = Some(*expires);
        }
        if let Event::LineTaken { line, used, lines } | Event::LineFreed { line, used, lines } = event {
            let mut latest = hold(&self.latest);
            if latest.lines.contains_key(line) || latest.lines.len() < ROWS_MAX {
                latest.lines.insert(line.clone(), (*used, *lines));
            }
        }
    }

    /// Takes the state of the engine; it replaces the one before.
    pub fn snapshot(&self, snapshot: &Snapshot) {
        hold(&self.latest).follow(snapshot);
        for (rows, counter) in &self.of_city {
            let Some((_, family)) = self.counters.get(*counter) else { continue };
            rows(snapshot, &mut |labels, _| drop(family.row(labels)));
        }
    }

    /// Takes the numbers of the city: what is counted by number stands at 0 from here on, so that the first call is seen as growth.
    pub fn numbers<'a>(&self, numbers: impl IntoIterator<Item = &'a Number>) {
        let mut shown = hold(&self.shown);
        for number in numbers {
            if shown.contains(number) {
                continue;
            }
            if shown.len() < ROWS_MAX {
                shown.insert(number.clone());
            }
            for (rows, counter) in &self.of_number {
                let Some((_, family)) = self.counters.get(*counter) else { continue };
                rows(number, &mut |labels, _| drop(family.row(labels)));
            }
            for spread in &self.spreads_of_number {
                self.spreads.get(*spread).map(|(_, family)| family.row(&[number.as_str()]));
            }
        }
    }

    /// Takes how the city's files stand; it replaces what was told before.
    pub fn files(&self, files: Files) {
        hold(&self.latest).files = files;
    }

    /// Takes how the engine is.
    pub fn health(&self, health: Health) {
        hold(&self.latest).health = Some(health);
    }

    /// Takes what a media worker has done since it began; it replaces what this worker told before.
    pub fn worker(&self, index: usize, stats: &WorkerStats) {
        hold(&self.latest).workers.insert(index, stats.clone());
    }

    /// Takes how many messages each box holds; it replaces what was told before.
    pub fn boxes(&self, unheard: &BTreeMap<MailboxId, u64>) {
        hold(&self.latest).boxes = unheard.iter().take(ROWS_MAX).map(|(mailbox, count)| (mailbox.clone(), *count)).collect();
    }

    /// Everything in the text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        let families = self.registry.gather();
        TextEncoder::new().encode_to_string(&families).unwrap_or_else(|fault| {
            // A row that cannot be written must not hide the rest of the city from those who watch it.
            tracing::error!(%fault, "the metrics could not be rendered");
            format!("# the metrics could not be rendered: {fault}\n")
        })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("latest", &self.latest).finish_non_exhaustive()
    }
}
