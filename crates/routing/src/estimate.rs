//! How long a caller will wait: learnt from finished calls, told as a range, and not told at all where too little is known.
//!
//! With `j` callers before, the next step comes at the rate of `c` agents finishing and of those before losing patience: the mean is the
//! sum over i = 0..=j of 1/(c mu + i theta) (Erlang A; Garnett, Mandelbaum, Reiman 2002). The steps are independent and exponential, so
//! their variances add up; the range is that of the gamma distribution with this mean and variance (Wilson-Hilferty 1931).

use crate::Told;
use model::{Estimate, Instant, Millis, Rose};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Finished calls without which nothing is told.
pub(crate) const SUPPORT_MIN: u32 = 20;
/// Each call counts for a little less with each that follows: about this many count.
const MEMORY: u64 = 512;
/// One, in the weighted counts.
const ONE: u64 = 1 << 20;
/// The half hour that a service level looks back on, by minutes.
const MINUTES: u64 = 30;
const MINUTE_NANOS: u64 = 60_000_000_000;
/// The gamma quantiles told: 10 % wait less than the low end, 80 % less than the high end.
const Z_LOW: f64 = -1.281_551_565_5;
const Z_HIGH: f64 = 0.841_621_233_6;

/// What a queue has taught. All sums fade: of 512 calls ago a third is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Calls of this queue that were talked through and written up.
    pub finished: u32,
    /// Talk and after-call work, microseconds.
    pub handled: u64,
    /// The calls in it, each 2^20.
    pub handled_calls: u64,
    /// Waiting that has ended, microseconds.
    pub waited: u64,
    /// The callers in it who lost patience, each 2^20.
    pub abandoned: u64,
    /// Time that those who can serve this queue gave to it, microseconds.
    pub own: u64,
    /// Time that they gave to any queue, microseconds.
    pub all: u64,
    /// The last half hour, by minutes, the latest last. At most 31 entries.
    pub minutes: VecDeque<Minute>,
}

/// Waits that ended in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// Which, counted from the clock's zero.
    pub minute: u64,
    /// All of them: answered and given up.
    pub ended: u32,
    /// Answered within the promised time.
    pub in_time: u32,
}

impl Learnt {
    /// A caller's wait is over.
    pub(crate) fn wait_ended(&mut self, now: Instant, waited: Duration, answered: bool, in_time: bool) {
        fade(&mut self.waited, micros(waited));
        fade(&mut self.abandoned, if answered { 0 } else { ONE });
        let minute = now.as_nanos() / MINUTE_NANOS;
        if self.minutes.back().is_none_or(|last| last.minute != minute) {
            self.minutes.push_back(Minute { minute, ..Minute::default() });
        }
        while self.minutes.front().is_some_and(|first| first.minute + MINUTES < minute) {
            self.minutes.pop_front();
        }
        if let Some(last) = self.minutes.back_mut() {
            last.ended = last.ended.saturating_add(1);
            last.in_time = last.in_time.saturating_add(u32::from(answered && in_time));
        }
    }
    /// A call of this queue is finished.
    pub(crate) fn handled(&mut self, took: Duration) {
        self.finished = self.finished.saturating_add(1);
        fade(&mut self.handled, micros(took));
        fade(&mut self.handled_calls, ONE);
    }
    /// Somebody who can serve this queue has finished a call of it, or of another.
    pub(crate) fn shared(&mut self, took: Duration, own: bool) {
        fade(&mut self.own, if own { micros(took) } else { 0 });
        fade(&mut self.all, micros(took));
    }
    /// What a call takes, in seconds.
    pub(crate) fn handling_secs(&self) -> Option<f64> {
        let calls = self.handled_calls as f64 / ONE as f64;
        (calls > 0.0 && self.handled > 0).then(|| self.handled as f64 / 1e6 / calls)
    }
    /// How many of those who wait lose patience in a second.
    fn hazard(&self) -> f64 {
        if self.waited == 0 { 0.0 } else { self.abandoned as f64 / ONE as f64 / (self.waited as f64 / 1e6) }
    }
    /// The part of their time that agents give to this queue.
    fn share(&self) -> f64 {
        if self.all == 0 { 1.0 } else { self.own as f64 / self.all as f64 }
    }
    /// The wait with so many before, if it can be told.
    pub(crate) fn expected(&self, ahead: u32, staffed: u32) -> Option<Estimate> {
        if self.finished < SUPPORT_MIN || staffed == 0 {
            return None;
        }
        let served = f64::from(staffed) * self.share() / self.handling_secs()?;
        if served <= 0.0 {
            return None;
        }
        let (mut mean, mut variance) = (0.0, 0.0);
        for i in 0..=ahead {
            let step = 1.0 / (served + f64::from(i) * self.hazard());
            mean += step;
            variance += step * step;
        }
        let (low, high) = (quantile(mean, variance, Z_LOW), quantile(mean, variance, Z_HIGH));
        Some(Estimate { low: millis(low), high: millis(high), support: self.finished, rose: None })
    }
    /// Answered in time, in percent of the waits that ended in the last half hour.
    pub(crate) fn service_percent(&self, now: Instant) -> Option<u8> {
        let minute = now.as_nanos() / MINUTE_NANOS;
        let recent = self.minutes.iter().filter(|m| m.minute + MINUTES > minute);
        let (ended, in_time) = recent.fold((0u64, 0u64), |(e, i), m| (e + u64::from(m.ended), i + u64::from(m.in_time)));
        (ended > 0).then(|| (in_time * 100 / ended) as u8)
    }
}

/// What may be told to somebody who was told something before: a later end only with the reason for it; otherwise what was said
/// stands, and once that has passed, nothing.
pub(crate) fn held_to(told: &Told, now: Instant, fresh: Estimate, staffed: u32, ahead: u32, handling: Millis) -> Option<Estimate> {
    if now + Duration::from(fresh.high) <= told.by {
        return Some(fresh);
    }
    let reasons =
        [(staffed < told.staffed, Rose::FewerAgents), (ahead > told.ahead, Rose::Overtaken), (handling > told.handling, Rose::LongerCalls)];
    if let Some((_, reason)) = reasons.into_iter().find(|(is_so, _)| *is_so) {
        return Some(Estimate { rose: Some(reason), ..fresh });
    }
    let left = Millis::from(told.by.since(now));
    (left.0 > 0).then(|| Estimate { low: fresh.low.min(left), high: left, ..fresh })
}

/// Wilson and Hilferty: the cube root of a gamma variable is nearly normal. Within 1 % from the exponential (shape 1) on.
fn quantile(mean: f64, variance: f64, z: f64) -> f64 {
    let ninth = variance / (9.0 * mean * mean);
    let root = (1.0 - ninth + z * ninth.sqrt()).max(0.0);
    mean * root * root * root
}
fn millis(secs: f64) -> Millis {
    Millis((secs * 1000.0).round() as u64)
}
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
fn fade(sum: &mut u64, more: u64) {
    *sum = (*sum - *sum / MEMORY).saturating_add(more);
}
