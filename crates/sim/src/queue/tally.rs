//! Counting by batches, so that each figure comes with how far chance may have moved it.

use crate::erlang::Levels;
use std::ops::AddAssign;
use std::time::Duration;

/// A figure and its standard error by batch means.
///
/// Calls near each other share their luck, batches of thousands hardly do. So the spread of the batches' figures, not of the calls', tells
/// the error; with 30 batches its intervals are Student's with 29 degrees of freedom (A. Law, "Simulation modeling and analysis",
/// section 9.5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// The figure.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
}

impl Measured {
    /// 95 of 100 times the truth is no farther from the value than this.
    pub fn within_95(&self) -> f64 {
        2.045 * self.error
    }
    /// 99 of 100 times the truth is no farther from the value than this.
    pub fn within_99(&self) -> f64 {
        2.756 * self.error
    }

    /// The ratio of two sums, from each batch's part of both. 0 where the lower sum is 0.
    fn ratio(parts: impl Iterator<Item = (f64, f64)> + Clone) -> Measured {
        let (mut upper, mut lower, mut batches) = (0.0, 0.0, 0.0);
        for (x, n) in parts.clone() {
            (upper, lower, batches) = (upper + x, lower + n, batches + 1.0);
        }
        if lower <= 0.0 || batches < 2.0 {
            return Measured::default();
        }
        let value = upper / lower;
        let squares: f64 = parts.map(|(x, n)| (x - value * n).powi(2)).sum();
        Measured { value, error: (squares * batches / (batches - 1.0)).sqrt() / lower }
    }
}

/// What a simulation found.
#[derive(Clone, Debug)]
pub struct Report {
    /// One per stream of the plan, in its order.
    pub served: Vec<Served>,
    /// One per pool of the plan, in its order.
    pub pools: Vec<Group>,
    /// Attempts in all, those of the warm-up and of the end included.
    pub attempts: u64,
    /// How long the simulated house was open.
    pub open: Duration,
}

/// How the callers of one stream fared. Shares are of those let in, save `blocked`, which is of all attempts.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Attempts counted.
    pub offered: u64,
    /// Attempts that heard the busy tone.
    pub blocked: Measured,
    /// Not answered at once.
    pub waited: Measured,
    /// Mean wait, those who gave up included.
    pub mean_wait_secs: Measured,
    /// Gave up.
    pub abandoned: Measured,
    /// The four service levels, in the order of [`Levels`]: of all, of the answered, without the short, with the abandoned.
    pub levels: [Measured; 4],
}

impl Served {
    /// The values of the four service levels.
    pub fn levels(&self) -> Levels {
        let [of_all, of_answered, without_short, with_abandoned] = self.levels.map(|level| level.value);
        Levels { of_all, of_answered, without_short, with_abandoned }
    }
}

/// How busy a pool was.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name in the plan.
    pub name: String,
    /// Share of their time that its agents were in calls.
    pub occupancy: Measured,
}

/// One stream's callers in one batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    offered: f64,
    blocked: f64,
    waited: f64,
    wait_secs: f64,
    abandoned: f64,
    answered_within: f64,
    abandoned_within: f64,
}

impl Cell {
    /// One attempt; `let_in` unless it heard the busy tone.
    pub(super) fn offer(&mut self, let_in: bool) {
        self.offered += 1.0;
        if !let_in {
            self.blocked += 1.0;
        }
    }
    /// One caller's wait is over. `answered`, or given up.
    pub(super) fn end(&mut self, wait: Duration, answered: bool, within: Duration) {
        if !wait.is_zero() {
            self.waited += 1.0;
        }
        self.wait_secs += wait.as_secs_f64();
        if !answered {
            self.abandoned += 1.0;
        }
        if wait <= within {
            if answered { &mut self.answered_within } else { &mut self.abandoned_within }.add_assign(1.0);
        }
    }
}

/// One pool in one batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hours {
    pub(super) busy_secs: f64,
    pub(super) all_secs: f64,
}

/// Figures of one stream from its batches.
pub(super) fn served(cells: &[Cell]) -> Served {
    let ratio = |part: fn(&Cell) -> (f64, f64)| Measured::ratio(cells.iter().map(part));
    Served {
        offered: cells.iter().map(|c| c.offered).sum::<f64>() as u64,
        blocked: ratio(|c| (c.blocked, c.offered)),
        waited: ratio(|c| (c.waited, c.offered - c.blocked)),
        mean_wait_secs: ratio(|c| (c.wait_secs, c.offered - c.blocked)),
        abandoned: ratio(|c| (c.abandoned, c.offered - c.blocked)),
        levels: [
            ratio(|c| (c.answered_within, c.offered - c.blocked)),
            ratio(|c| (c.answered_within, c.offered - c.blocked - c.abandoned)),
            ratio(|c| (c.answered_within, c.offered - c.blocked - c.abandoned_within)),
            ratio(|c| (c.answered_within + c.abandoned_within, c.offered - c.blocked)),
        ],
    }
}

/// Figures of one pool from its batches.
pub(super) fn group(name: &str, hours: &[Hours]) -> Group {
    Group { name: name.to_owned(), occupancy: Measured::ratio(hours.iter().map(|h| (h.busy_secs, h.all_secs))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_agree_leave_no_error_and_batches_that_differ_do() {
        let same = Measured::ratio([(5.0, 10.0), (10.0, 20.0)].into_iter());
        assert_eq!((same.value, same.error), (0.5, 0.0));
        let differ = Measured::ratio([(2.0, 10.0), (4.0, 10.0)].into_iter());
        // Two means 0.2 and 0.4: standard deviation sqrt(0.02), of their mean sqrt(0.02 / 2).
        assert!((differ.value - 0.3).abs() < 1e-12 && (differ.error - 0.1).abs() < 1e-12, "{differ:?}");
        assert_eq!(Measured::ratio([(0.0, 0.0), (0.0, 0.0)].into_iter()), Measured::default());
    }

    #[test]
    fn four_definitions_make_four_figures_of_one_day() {
        let mut cell = Cell::default();
        let secs = Duration::from_secs;
        for (wait, answered) in [(0, true), (10, true), (30, true), (5, false), (60, false)] {
            cell.offer(true);
            cell.end(secs(wait), answered, secs(20));
        }
        cell.offer(false);
        let served = served(&[cell, cell]);
        assert_eq!(served.offered, 12);
        assert_eq!(served.blocked.value, 1.0 / 6.0);
        assert_eq!((served.waited.value, served.abandoned.value, served.mean_wait_secs.value), (0.8, 0.4, 21.0));
        assert_eq!(served.levels.map(|level| level.value), [2.0 / 5.0, 2.0 / 3.0, 2.0 / 4.0, 3.0 / 5.0]);
    }
}
