//! Theory and simulation side by side, and whether they agree.

use super::{Skills, WITHIN};
use crate::erlang::Team;
use crate::queue::{Measured, Report, Served};

/// One figure of a row, twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// What it is.
    pub what: &'static str,
    /// Of which kind of callers, or which crew, from 0.
    pub of: usize,
    /// Whether it is a share (from 0 to 1) or a length in seconds.
    pub is_share: bool,
    /// By theory.
    pub exact: f64,
    /// By simulation.
    pub found: Measured,
    /// How far apart they may be, in the figure's unit.
    pub tolerance: f64,
}

impl Check {
    /// Whether both agree.
    pub fn holds(&self) -> bool {
        self.distance() <= 1.0
    }
    /// Whether the run was long enough to say so: its own interval at 99 % is no wider than the tolerance.
    pub fn is_sharp(&self) -> bool {
        self.found.within_99() <= self.tolerance
    }
    /// How far apart they are, as a part of what is allowed.
    pub fn distance(&self) -> f64 {
        (self.found.value - self.exact).abs() / self.tolerance
    }

    /// A share that may be off by so many percentage points.
    fn share(what: &'static str, of: usize, exact: f64, found: Measured, points: f64) -> Check {
        Check { what, of, is_share: true, exact, found, tolerance: points / 100.0 }
    }
    /// A length that may be off by so many percent of itself.
    fn secs(what: &'static str, of: usize, exact: f64, found: Measured, percent: f64) -> Check {
        Check { what, of, is_share: false, exact, found, tolerance: exact * percent / 100.0 }
    }
}

/// The callers of a one-queue report.
fn only(report: &Report) -> Option<(&Served, Measured)> {
    Some((report.served.first()?, report.pools.first()?.occupancy))
}

pub(super) fn of_team(team: &Team, report: &Report) -> Vec<Check> {
    let (Some(steady), Some((served, occupancy))) = (team.steady(), only(report)) else { return Vec::new() };
    let impatient = team.patience_secs.is_finite();
    // Where nobody gives up, long queues come and go slowly; the tolerances of such rows are wider.
    let (wait_percent, level_points) = if impatient { (3.0, 1.0) } else { (8.0, 2.0) };
    let levels = steady.levels(WITHIN.as_secs_f64());
    let exact = [levels.of_all, levels.of_answered, levels.without_short, levels.with_abandoned];
    let names = ["within T of all", "within T of answered", "within T without short", "within T with abandoned"];
    let mut checks = vec![
        Check::secs("mean wait", 0, steady.mean_wait_secs, served.mean_wait_secs, wait_percent),
        Check::share("waits", 0, steady.waits, served.waited, 2.0),
        Check::share("busy", 0, steady.occupancy, occupancy, 1.0),
    ];
    let levels = names.into_iter().zip(exact).zip(served.levels);
    let levels = levels.map(|((name, exact), found)| Check::share(name, 0, exact, found, level_points));
    if impatient {
        checks.push(Check::share("gave up", 0, steady.abandoned, served.abandoned, 0.4));
        checks.extend(levels);
    } else {
        // Without anybody who gives up the four are one.
        checks.extend(levels.take(1));
    }
    checks
}

pub(super) fn of_door(team: &Team, places: u32, report: &Report) -> Vec<Check> {
    let (Some(behind), Some((served, occupancy))) = (team.behind(places), only(report)) else { return Vec::new() };
    let impatient = team.patience_secs.is_finite();
    let mut checks = vec![
        Check::share("blocked", 0, behind.blocked, served.blocked, 0.3),
        Check::secs("mean wait", 0, behind.mean_wait_secs, served.mean_wait_secs, if impatient { 3.0 } else { 8.0 }),
        Check::share("waits", 0, behind.waits, served.waited, 2.0),
        Check::share("busy", 0, behind.occupancy, occupancy, 1.0),
    ];
    if impatient {
        checks.push(Check::share("gave up", 0, behind.abandoned, served.abandoned, 0.4));
    }
    checks
}

pub(super) fn of_skills(skills: &Skills, report: &Report) -> Vec<Check> {
    let mut checks = Vec::new();
    for (kind, served) in report.served.iter().enumerate() {
        checks.push(Check::secs("mean wait", kind, skills.wait_secs[kind], served.mean_wait_secs, 10.0));
        checks.push(Check::share("waits", kind, skills.waits[kind], served.waited, 2.0));
        if let Some(abandoned) = skills.abandoned.get(kind) {
            checks.push(Check::share("gave up", kind, *abandoned, served.abandoned, 2.0));
        }
    }
    for (crew, pool) in report.pools.iter().enumerate() {
        checks.push(Check::share("busy", crew, skills.occupancy[crew], pool.occupancy, 1.0));
    }
    checks
}
