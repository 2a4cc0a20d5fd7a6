//! Every alarm, one entry each: when it fires, what a tired person reads, and an hour in which it fires and one in which it does not.
//!
//! *critical* means get up; *warning* means look in the morning. The prose of each is in `deploy/runbooks/NAME.md`.

mod callers;
mod house;
mod people;
mod wire;

/// Whether somebody is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Get up.
    Critical,
    /// Look in the morning.
    Warning,
}

impl Severity {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        }
    }
}

/// A series and its values in promtool's notation, one value each half minute, or each ten where it takes days: `0+1x40`.
pub(crate) type Series = (&'static str, &'static str);
/// The labels of one alarm that fires.
pub(crate) type Labels = &'static [(&'static str, &'static str)];

/// What Prometheus has seen, and when it is asked.
pub(crate) struct Case {
    pub(crate) series: &'static [Series],
    pub(crate) at: &'static str,
}

/// One alarm.
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    pub(crate) severity: Severity,
    /// It names the engine that it is about; else it is about the city, whatever engines it has.
    pub(crate) per_engine: bool,
    /// With times as `rules` writes them.
    pub(crate) expr: &'static str,
    /// How long it must hold.
    pub(crate) hold: &'static str,
    /// A moment of what makes it fire at which it does not, because it has not held for so long.
    pub(crate) early: Option<&'static str>,
    /// `{queue}` stands for the label.
    pub(crate) ja: &'static str,
    pub(crate) en: &'static str,
    pub(crate) fires: Case,
    /// Which of them fire then.
    pub(crate) as_labels: &'static [Labels],
    /// The same, and each of these is near.
    pub(crate) quiet: &'static [Case],
}

impl Alert {
    /// Whether what it looks at is days away.
    pub(crate) fn takes_days(&self) -> bool {
        super::rules::seconds(self.fires.at).is_some_and(|at| at > 86_400)
    }
}

/// Those of issue and evidence whose facts are not there yet: what is missing. They have no rule.
pub(crate) const PLANNED: &[(&str, &str)] = &[
    ("CanaryFailed", "the engine calls itself every five minutes and hears what a caller would hear"),
    ("SoundRatedBad", "share of legs with an R-factor below 70, which is MOS 3.6 (today: SoundLost, SoundLate, SoundOneWay)"),
    ("RecordingsDisk", "room for recordings of talks"),
    ("LedgerBroken", "the city's own ledger; today the engine does not start on a broken journal, and `toritsugi verify` says where it is"),
];

/// All of them, in the order in which runbooks list them.
pub(crate) fn all() -> impl Iterator<Item = &'static Alert> {
    [callers::ALERTS, people::ALERTS, wire::ALERTS, house::ALERTS].into_iter().flatten()
}
