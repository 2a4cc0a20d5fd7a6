//! How long a caller will wait: learnt from what the queue has shown, told as a range, and not told at all where too little is known.
//!
//! With `j` callers before, the next step comes at the rate of `c` agents finishing and of those before losing patience: the mean is the
//! sum over i = 0..=j of 1/(c mu + i theta) (Erlang A; Garnett, Mandelbaum, Reiman 2002). The steps are independent and exponential, so
//! their variances add up. What is learnt from n calls may itself be off by one in the root of n: mean squared over n is added. The range is
//! that of the gamma distribution with this mean and variance (Wilson-Hilferty 1931).
//!
//! **What is told.** Five of a hundred are answered before the low end and ten after the high end: the range holds for 85 of 100, the middle
//! of the 75 to 95 that it is held to. It is not symmetric because only its high end is spoken, and that is the end which hurts: a nine in
//! ten chance is worth having, each chance more would make every figure longer and send people away who had better stayed.
//!
//! **What corrects the formula.** Agents help other queues, keep back for a reserve, let phones ring, go on breaks. All of this is one
//! measured number, the *share*: while somebody stands in line, how fast the line moves, against the agents who are there and what their calls
//! take. Until the line has moved often enough, the share of their time that those agents give to this queue stands in for it.
//!
//! **When it is wrong.** Each caller who finds nobody free is forecast in silence, and the forecast is judged when the wait is over. A queue whose
//! last sixty forecasts or so (thirty at least) held for fewer than three of five is silent, to callers and to flows, until they hold again.
//! Nobody needs to be told anything for that: the forecasts go on.

use crate::{Basis, Told};
use model::{Estimate, Instant, Millis, Rose};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Finished calls without which nothing is told.
pub(crate) const SUPPORT_MIN: u32 = 20;
/// Each call counts for a little less with each that follows: about this many count. Half as many follow an
/// hour of longer calls no better: it is over before they are learnt, and then they are remembered when they are short again (measured).
const MEMORY: u64 = 256;
/// As many forecasts count when a queue judges itself: so few that it falls silent within an hour of a busy queue, and speaks again as soon.
const JUDGED_MEMORY: u64 = 64;
/// What the judged forecasts must weigh before they can silence a queue: thirty weigh this much, since each fades a little.
const JUDGED_MIN: u64 = 24;
/// A queue is silent while fewer of a hundred forecasts hold. 85 should; of 64 neighbours in one line, luck alone takes away twenty.
const HOLD_PERCENT_MIN: u64 = 60;
/// What the share of time weighs against moves of the line that were seen: as many as so many moves.
const PRIOR_MOVES: f64 = 16.0;
/// One, in the weighted counts.
const ONE: u64 = 1 << 20;
/// The half hour that a service level looks back on, by minutes.
const MINUTES: u64 = 30;
const MINUTE_NANOS: u64 = 60_000_000_000;
/// The gamma quantiles told: 5 % wait less than the low end, 90 % less than the high end.
const Z_LOW: f64 = -1.644_853_627_0;
const Z_HIGH: f64 = 1.281_551_565_5;
/// Steps that are added up one by one; beyond them by Euler and Maclaurin, so that a line of ten thousand costs no more than one of these.
const STEPS: u32 = 32;
/// A later end that a reason accounts for by less than this is not later.
const WORTH: Duration = Duration::from_secs(1);

/// What a queue has taught. All sums fade: of 256 calls ago a third is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learnt {
    /// Calls of this queue that were talked through and written up.
    pub finished: u32,
    /// Talk and after-call work, microseconds.
    pub handled: u64,
    /// The calls in it, each 2^20.
    pub handled_calls: u64,
    /// Waiting that has ended, microseconds: on this line, in this stay, whatever age the callers had.
    pub waited: u64,
    /// The callers in it who lost patience, each 2^20.
    pub abandoned: u64,
    /// Time that those who can serve this queue gave to it, microseconds.
    pub own: u64,
    /// Time that they gave to any queue, microseconds.
    pub all: u64,
    /// Time of all agents who were there while somebody stood in line, microseconds.
    pub manned: u64,
    /// Those who were answered meanwhile, each 2^20.
    pub moved: u64,
    /// Since when somebody stands in line, or since the line last became shorter; `None` while nobody stands there.
    pub standing_since: Option<Instant>,
    /// Forecasts that have been judged, each 2^20.
    pub judged: u64,
    /// Those of them that held, each 2^20.
    pub held: u64,
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

/// What was forecast of a wait, told or not: how a queue knows whether it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// When.
    pub at: Instant,
    /// As it would have been told.
    pub low: Millis,
    /// As it would have been told.
    pub high: Millis,
}

impl Learnt {
    /// A caller's wait is over, who had been on this line for `stay`.
    pub(crate) fn wait_ended(&mut self, now: Instant, stay: Duration, answered: bool, in_time: bool) {
        fade(&mut self.waited, micros(stay), MEMORY);
        fade(&mut self.abandoned, if answered { 0 } else { ONE }, MEMORY);
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
        fade(&mut self.handled, micros(took), MEMORY);
        fade(&mut self.handled_calls, ONE, MEMORY);
    }
    /// Somebody who can serve this queue has finished a call of it, or of another.
    pub(crate) fn shared(&mut self, took: Duration, own: bool) {
        fade(&mut self.own, if own { micros(took) } else { 0 }, MEMORY);
        fade(&mut self.all, micros(took), MEMORY);
    }
    /// Somebody who stood in line does so no more, with so many agents there; whether others still stand there.
    pub(crate) fn line_moves(&mut self, now: Instant, staffed: u32, answered: bool, others: bool) {
        let stood = self.standing_since.map_or(Duration::ZERO, |since| now.since(since));
        fade(&mut self.manned, micros(stood).saturating_mul(u64::from(staffed)), MEMORY);
        fade(&mut self.moved, if answered { ONE } else { 0 }, MEMORY);
        self.standing_since = others.then_some(now);
    }
    /// A forecast meets the wait. Who gave up before its high end proves nothing.
    pub(crate) fn judge(&mut self, now: Instant, forecast: &Forecast, answered: bool) {
        let (waited, open) = (Millis::from(now.since(forecast.at)), forecast.high >= Estimate::BEYOND);
        let late = waited > forecast.high && !open;
        if answered || late {
            fade(&mut self.judged, ONE, JUDGED_MEMORY);
            fade(&mut self.held, if waited >= forecast.low && !late { ONE } else { 0 }, JUDGED_MEMORY);
        }
    }
    /// Whether what it says of waits has been so lately, or too little is known of that.
    fn is_trusted(&self) -> bool {
        self.judged < JUDGED_MIN * ONE || self.held * 100 >= self.judged * HOLD_PERCENT_MIN
    }
    /// What a call takes, in seconds.
    fn handling_secs(&self) -> Option<f64> {
        let calls = self.handled_calls as f64 / ONE as f64;
        (calls > 0.0 && self.handled > 0).then(|| self.handled as f64 / 1e6 / calls)
    }
    /// How many of those who wait lose patience in a second.
    fn hazard(&self) -> f64 {
        if self.waited == 0 { 0.0 } else { self.abandoned as f64 / ONE as f64 / (self.waited as f64 / 1e6) }
    }
    /// The part of their time in calls that agents give to this queue's.
    fn own_time(&self) -> f64 {
        if self.all == 0 { 1.0 } else { (self.own as f64 / self.all as f64).max(1e-3) }
    }
    /// How fast the line moves, against what agents could do who did nothing else.
    fn share(&self, handling_secs: f64) -> f64 {
        let (moves, worth) = (self.moved as f64 / ONE as f64, self.manned as f64 / 1e6 / handling_secs);
        (moves + PRIOR_MOVES) / (worth + PRIOR_MOVES / self.own_time())
    }
    /// What a wait with so many before, and with so many agents there, follows from; `None` before any call was finished.
    pub(crate) fn basis(&self, ahead: u32, staffed: u32) -> Option<Basis> {
        let handling = self.handling_secs()?;
        let millionths = |share: f64| (share * 1e6).round() as u32;
        let (share, own_time) = (millionths(self.share(handling)), millionths(self.own_time()));
        let calls = (self.handled_calls / ONE) as u32;
        Some(Basis { staffed, ahead, handling: millis(handling), calls, giving_up: (self.hazard() * 1e9).round() as u64, share, own_time })
    }
    /// The range that follows from a basis, if it can be told.
    pub(crate) fn expected(&self, basis: &Basis) -> Option<Estimate> {
        let known = self.finished >= SUPPORT_MIN && self.is_trusted();
        let (low, high) = if known { range(basis)? } else { return None };
        Some(Estimate { low, high, support: self.finished, rose: None }.bounded())
    }
    /// As it would be told; without regard to whether forecasts have held lately, so that they can be seen to hold again.
    pub(crate) fn forecast(&self, at: Instant, basis: &Basis) -> Option<Forecast> {
        let (low, high) = if self.finished >= SUPPORT_MIN { range(basis)? } else { return None };
        let Estimate { low, high, .. } = Estimate { low, high, support: 0, rose: None }.bounded();
        Some(Forecast { at, low, high })
    }
    /// Answered in time, in percent of the waits that ended in the last half hour.
    pub(crate) fn service_percent(&self, now: Instant) -> Option<u8> {
        let minute = now.as_nanos() / MINUTE_NANOS;
        let recent = self.minutes.iter().filter(|m| m.minute + MINUTES > minute);
        let (ended, in_time) = recent.fold((0u64, 0u64), |(e, i), m| (e + u64::from(m.ended), i + u64::from(m.in_time)));
        (ended > 0).then(|| (in_time * 100 / ended) as u8)
    }
}

/// Every factor that can make a wait longer and that there is a word for; whether it became worse; how to set it back.
///
/// That a line moves more slowly is no reason by itself: it may be that one call takes long. Other queues are the reason only as far as the
/// agents' time in calls went there.
type Factor = (Rose, fn(&Basis, &Basis) -> bool, fn(&mut Basis, &Basis));
const FACTORS: [Factor; 5] = [
    (Rose::FewerAgents, |then, now| now.staffed < then.staffed, |basis, then| basis.staffed = then.staffed),
    (Rose::Overtaken, |then, now| now.ahead > then.ahead, |basis, then| basis.ahead = then.ahead),
    (Rose::LongerCalls, |then, now| now.handling > then.handling, |basis, then| basis.handling = then.handling),
    (Rose::OtherCalls, |then, now| now.share < then.share && now.own_time < then.own_time, own_time_back),
    (Rose::FewerGiveUp, |then, now| now.giving_up < then.giving_up, |basis, then| basis.giving_up = then.giving_up),
];
fn own_time_back(basis: &mut Basis, then: &Basis) {
    let as_then = u64::from(basis.share) * u64::from(then.own_time) / u64::from(basis.own_time.max(1));
    (basis.share, basis.own_time) = (u32::try_from(as_then).map_or(then.share, |share| share.min(then.share)), then.own_time);
}

/// What may be told to somebody who was told something before.
///
/// A later end needs a reason that accounts for it: the estimate is worked out again with every factor that became worse set back to what
/// it was, and what was told may move by that difference and no further. The reason named is the factor that alone accounts for most.
/// Without one, what was said stands, and once that has passed, nothing is said.
pub(crate) fn held_to(told: &Told, now: Instant, fresh: Estimate, basis: &Basis) -> Option<Estimate> {
    if now + Duration::from(fresh.high) <= told.by {
        return Some(fresh);
    }
    let (_, whole) = range(basis)?;
    // How much longer the wait is for what these factors are, and no more what they were.
    let accounts_for = |factors: &[&Factor]| {
        let mut before = *basis;
        factors.iter().for_each(|(_, _, set_back)| set_back(&mut before, &told.basis));
        range(&before).map_or(Duration::ZERO, |(_, high)| Duration::from(Millis(whole.0.saturating_sub(high.0))))
    };
    let worse: Vec<&Factor> = FACTORS.iter().filter(|(_, is_worse, _)| is_worse(&told.basis, basis)).collect();
    let explained = accounts_for(&worse);
    let most = worse.iter().max_by_key(|factor| accounts_for(&[factor])).map(|(rose, ..)| *rose);
    let rose = most.filter(|_| explained >= WORTH);
    let by = if rose.is_some() { (told.by + explained).min(now + Duration::from(whole)) } else { told.by };
    let left = Millis::from(by.since(now));
    (left.0 > 0).then(|| Estimate { low: fresh.low.min(left), high: left, rose, ..fresh }.bounded())
}

/// The low and the high end; `None` with nobody there.
fn range(basis: &Basis) -> Option<(Millis, Millis)> {
    let handling = basis.handling.0 as f64 / 1e3;
    let served = f64::from(basis.staffed) * f64::from(basis.share) / 1e6 / handling;
    if !(served.is_finite() && served > 0.0) {
        return None;
    }
    let (mean, of_chance) = moments(served, basis.giving_up as f64 / 1e9, basis.ahead);
    let variance = of_chance + mean * mean / f64::from(basis.calls.max(1));
    Some((millis(quantile(mean, variance, Z_LOW)), millis(quantile(mean, variance, Z_HIGH))))
}

/// The sums of 1/(a + i h) and of its square, for i from 0 to `ahead`.
fn moments(a: f64, h: f64, ahead: u32) -> (f64, f64) {
    let (mut mean, mut variance) = (0.0, 0.0);
    for i in 0..=ahead.min(STEPS) {
        let step = 1.0 / (a + f64::from(i) * h);
        mean += step;
        variance += step * step;
    }
    if ahead > STEPS {
        // Euler and Maclaurin from STEPS to `ahead`, less the first step, which is in the sum already.
        let (many, from, to) = (f64::from(ahead - STEPS), a + f64::from(STEPS) * h, a + f64::from(ahead) * h);
        let (first, last) = (1.0 / from, 1.0 / to);
        let whole = if h * many / from < 1e-9 { many * first } else { (h * many / from).ln_1p() / h };
        mean += whole + (last - first) / 2.0 + h * (first * first - last * last) / 12.0;
        variance += many * first * last + (last * last - first * first) / 2.0 + h * (first.powi(3) - last.powi(3)) / 6.0;
    }
    (mean, variance)
}

/// Wilson and Hilferty: the cube root of a gamma variable is nearly normal. From the exponential (shape 1) on, the high end is within
/// 1 %, and below the low end are 4 to 5 %.
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
fn fade(sum: &mut u64, more: u64, memory: u64) {
    *sum = (*sum - *sum / memory).saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_adds_up_to_what_its_steps_add_up_to() {
        for (a, h) in [(0.05, 0.0), (0.05, 1e-12), (0.05, 0.001), (0.01, 0.02), (2.0, 0.1)] {
            for ahead in [0, 31, 32, 33, 40, 100, 10_000] {
                let steps = (0..=ahead).map(|i| 1.0 / (a + f64::from(i) * h));
                let (mean, variance) = (steps.clone().sum::<f64>(), steps.map(|step| step * step).sum::<f64>());
                let found = moments(a, h, ahead);
                assert!((found.0 / mean - 1.0).abs() < 1e-6 && (found.1 / variance - 1.0).abs() < 1e-6, "{a} {h} {ahead}: {found:?}");
            }
        }
    }
}
