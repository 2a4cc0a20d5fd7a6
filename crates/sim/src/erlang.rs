//! What queueing theory says of a team: how many wait, how long, and how many give up.
//!
//! Exact formulas for Poisson arrivals and exponential handling times: Erlang B and C (A. K. Erlang, 1917), Erlang A (C. Palm, 1946;
//! A. Mandelbaum, S. Zeltyn, "Service engineering in action: the Palm/Erlang-A queue", 2007) and M/M/c/K+M. They are written so that no
//! factorial and no power can overflow: Erlang B by the recursion of its reciprocal, Erlang A by one series of positive terms.

/// Seconds in an hour.
const HOUR: f64 = 3600.0;

/// Erlang B: the share of calls that find all `lines` busy when nobody may wait. `load` in erlangs.
///
/// One step per line; right for any number of lines. Without load nobody is blocked.
pub fn blocking(load: f64, lines: u32) -> f64 {
    // 1/B(0) = 1 and 1/B(n) = 1 + n/load / B(n-1): only sums of positive terms. It may reach infinity, where B is 0 to the last digit.
    1.0 / (1..=lines).fold(1.0, |reciprocal, n| 1.0 + reciprocal * f64::from(n) / load)
}

/// Erlang C: the share of calls that wait when everybody waits for as long as it takes. `load` in erlangs.
///
/// 1 where the load is not below the number of agents: there is no steady state then, and in the end everybody waits.
pub fn waiting(load: f64, agents: u32) -> f64 {
    let c = f64::from(agents);
    if load >= c {
        return 1.0;
    }
    let b = blocking(load, agents);
    c * b / (c - load * (1.0 - b))
}

/// A team of equal agents in front of one queue, first come first served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Team {
    /// Calls in an hour, Poisson. Above 0.
    pub calls_per_hour: f64,
    /// Mean handling time: talk and after-call work. Exponential, above 0.
    pub handling_secs: f64,
    /// Mean time after which a waiting caller gives up, exponential; infinite where nobody does.
    pub patience_secs: f64,
    /// Agents.
    pub agents: u32,
}

impl Team {
    /// Offered load in erlangs: agents' hours asked for in an hour.
    pub fn load(&self) -> f64 {
        self.calls_per_hour * self.handling_secs / HOUR
    }

    /// The team in the long run. `None` where there is no such thing: the load is not below the number of agents and nobody gives up,
    /// or a figure is not above 0.
    pub fn steady(&self) -> Option<Steady> {
        let (load, c) = (self.load(), f64::from(self.agents));
        let sound = load > 0.0 && load.is_finite() && self.calls_per_hour > 0.0 && self.patience_secs > 0.0;
        if !sound {
            return None;
        }
        if self.patience_secs.is_infinite() {
            return (load < c).then(|| Steady::patient(self));
        }
        Some(if self.agents == 0 { Steady::unattended(self) } else { Steady::impatient(self) })
    }

    /// The team behind a door that lets `places` callers in at once, talking or waiting; the next one hears the busy tone (M/M/c/K+M, or
    /// M/M/c/K with infinite patience). `None` where a figure is not above 0, or there are fewer places than agents.
    pub fn behind(&self, places: u32) -> Option<Behind> {
        let (load, c) = (self.load(), f64::from(self.agents));
        if !(load > 0.0 && load.is_finite() && self.patience_secs > 0.0 && self.agents > 0 && places >= self.agents) {
            return None;
        }
        // Birth and death: state n goes up at `load` and down at min(n, c) + (n - c)+ * handling/patience, both per handling time.
        let give_up = self.handling_secs / self.patience_secs;
        let leaves = |n: u32| f64::from(n.min(self.agents)) + f64::from(n.saturating_sub(self.agents)) * give_up;
        let (mut weight, mut sum, mut talk, mut queue, mut waits) = (1.0, 1.0, 0.0, 0.0, 0.0);
        if self.agents == 0 {
            waits = weight;
        }
        for n in 1..=places {
            weight *= load / leaves(n);
            sum += weight;
            talk += weight * f64::from(n.min(self.agents));
            queue += weight * f64::from(n.saturating_sub(self.agents));
            if n >= self.agents && n < places {
                waits += weight;
            }
            if sum > 1e250 {
                // Only ratios matter: everything shrinks by the same factor.
                for figure in [&mut weight, &mut sum, &mut talk, &mut queue, &mut waits] {
                    *figure *= 1e-250;
                }
            }
        }
        let blocked = weight / sum;
        let accepted_per_sec = self.calls_per_hour / HOUR * (1.0 - blocked);
        let mean_waiting = queue / sum;
        Some(Behind {
            blocked,
            waits: waits / sum / (1.0 - blocked),
            mean_wait_secs: mean_waiting / accepted_per_sec,
            abandoned: mean_waiting / self.patience_secs / accepted_per_sec,
            mean_waiting,
            occupancy: talk / sum / c,
        })
    }
}

/// What a finite number of places makes of a team. Shares are of the callers let in, save `blocked`, which is of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Behind {
    /// Share of all calls that hear the busy tone.
    pub blocked: f64,
    /// Share of those let in who are not answered at once.
    pub waits: f64,
    /// Mean wait of those let in, whether answered in the end or not.
    pub mean_wait_secs: f64,
    /// Share of those let in who give up.
    pub abandoned: f64,
    /// Callers waiting, on average.
    pub mean_waiting: f64,
    /// Share of their time that agents are busy.
    pub occupancy: f64,
}

/// A team in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steady {
    /// Share of callers who are not answered at once.
    pub waits: f64,
    /// Share of callers who give up.
    pub abandoned: f64,
    /// Mean wait over all callers: those answered at once with 0, those who give up with what they waited.
    pub mean_wait_secs: f64,
    /// Callers waiting, on average.
    pub mean_waiting: f64,
    /// Share of their time that agents are busy.
    pub occupancy: f64,
    wait: Wait,
}

/// How the wait of those who wait is distributed: the time until an agent would be free for them, if they stayed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    /// Nobody is there.
    Endless { patience_secs: f64 },
    /// Nobody gives up: exponential at this rate per second.
    Exponential { rate: f64 },
    /// Density in proportion to `exp(calls * (1 - exp(-t / patience)) - ends * t / patience)`: `calls` is the calls and `ends` the calls
    /// that a busy team finishes, both in one patience.
    Palm { patience_secs: f64, calls: f64, ends: f64 },
}

/// The four things that people call *service level*, for one time T. Each is a share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Answered within T, of all calls.
    pub of_all: f64,
    /// Answered within T, of the calls answered.
    pub of_answered: f64,
    /// Answered within T, of all calls but those abandoned within T.
    pub without_short: f64,
    /// Answered or abandoned within T, of all calls.
    pub with_abandoned: f64,
}

impl Levels {
    /// From three shares of all calls: answered within T, abandoned within T, abandoned at all.
    pub fn new(answered_within: f64, abandoned_within: f64, abandoned: f64) -> Levels {
        let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        Levels {
            of_all: answered_within,
            of_answered: share(answered_within, 1.0 - abandoned),
            without_short: share(answered_within, 1.0 - abandoned_within),
            with_abandoned: answered_within + abandoned_within,
        }
    }
}

impl Steady {
    fn patient(team: &Team) -> Steady {
        let (load, c) = (team.load(), f64::from(team.agents));
        let rate = (c - load) / team.handling_secs;
        let waits = waiting(load, team.agents);
        let mean_wait_secs = waits / rate;
        Steady {
            waits,
            abandoned: 0.0,
            mean_wait_secs,
            mean_waiting: mean_wait_secs * team.calls_per_hour / HOUR,
            occupancy: load / c,
            wait: Wait::Exponential { rate },
        }
    }

    fn unattended(team: &Team) -> Steady {
        Steady {
            waits: 1.0,
            abandoned: 1.0,
            mean_wait_secs: team.patience_secs,
            mean_waiting: team.calls_per_hour * team.patience_secs / HOUR,
            occupancy: 0.0,
            wait: Wait::Endless { patience_secs: team.patience_secs },
        }
    }

    fn impatient(team: &Team) -> Steady {
        let (load, c, patience_secs) = (team.load(), f64::from(team.agents), team.patience_secs);
        let (calls, ends) = (team.calls_per_hour * patience_secs / HOUR, c * patience_secs / team.handling_secs);
        // All agents busy, against one caller fewer than agents: the series is the sum over the callers who wait.
        let fewer = blocking(load, team.agents - 1);
        let log_series = log_series(ends, calls);
        let log_odds = (fewer * calls).ln() + log_series;
        let waits = 1.0 / (1.0 + (-log_odds).exp());
        let abandoned = (waits * (calls - ends + (-log_series).exp()) / calls).clamp(0.0, 1.0);
        let talking = waits * c + (1.0 - waits) * load * (1.0 - fewer);
        let mean_wait_secs = abandoned * patience_secs;
        Steady {
            waits,
            abandoned,
            mean_wait_secs,
            mean_waiting: mean_wait_secs * team.calls_per_hour / HOUR,
            occupancy: talking / c,
            wait: Wait::Palm { patience_secs, calls, ends },
        }
    }

    /// Share of callers whom no agent would be free for within `secs`, if they stayed.
    pub fn offered_longer(&self, secs: f64) -> f64 {
        self.waits * self.wait.longer(secs)
    }

    /// Share of callers who wait longer than `secs`, answered in the end or not.
    pub fn waits_longer(&self, secs: f64) -> f64 {
        self.offered_longer(secs) * self.wait.stays(secs)
    }

    /// Share of callers who are answered within `secs`.
    pub fn answered_within(&self, secs: f64) -> f64 {
        // It is a difference of nearly equal figures where hardly anybody is: never a hair below 0.
        (1.0 - self.waits + self.waits * self.wait.answered_within(secs)).clamp(0.0, 1.0)
    }

    /// Share of callers who give up within `secs`.
    pub fn abandoned_within(&self, secs: f64) -> f64 {
        let ended = 1.0 - self.wait.longer(secs) - self.wait.answered_within(secs);
        (self.waits * (ended + (1.0 - self.wait.stays(secs)) * self.wait.longer(secs))).max(0.0)
    }

    /// The four service levels for `secs`.
    pub fn levels(&self, secs: f64) -> Levels {
        Levels::new(self.answered_within(secs), self.abandoned_within(secs), self.abandoned)
    }
}

impl Wait {
    /// Of those who wait: whose agent would be free only after `secs`.
    fn longer(&self, secs: f64) -> f64 {
        match *self {
            Wait::Endless { .. } => 1.0,
            Wait::Exponential { rate } => (-rate * secs).exp(),
            Wait::Palm { patience_secs, calls, ends } => tail(ends, calls, secs / patience_secs),
        }
    }

    /// Of those who wait: answered within `secs`.
    fn answered_within(&self, secs: f64) -> f64 {
        match *self {
            Wait::Endless { .. } => 0.0,
            Wait::Exponential { rate } => 1.0 - (-rate * secs).exp(),
            Wait::Palm { patience_secs, calls, ends } => {
                // The density times the share of those still there is the same density with one more end in a patience.
                let answered = (log_series(ends + 1.0, calls) - log_series(ends, calls)).exp();
                answered * (1.0 - tail(ends + 1.0, calls, secs / patience_secs))
            }
        }
    }

    /// Share of callers whose patience is longer than `secs`.
    fn stays(&self, secs: f64) -> f64 {
        match *self {
            Wait::Exponential { .. } => 1.0,
            Wait::Endless { patience_secs } | Wait::Palm { patience_secs, .. } => (-secs / patience_secs).exp(),
        }
    }
}

/// `gamma(a, x exp(-t)) / gamma(a, x)` of lower incomplete gamma functions.
fn tail(a: f64, x: f64, t: f64) -> f64 {
    let less = x * (-t).exp();
    (-a * t + x - less + log_series(a, less) - log_series(a, x)).exp()
}

/// The logarithm of the sum over k of `x^k / (a (a+1) .. (a+k))`, which is `exp(x) x^-a gamma(a, x)`. `a` above 0, `x` at least 0.
///
/// All terms are positive, so nothing cancels; they grow until k = x - a, then fall. Where that is far away the sum begins there, so that
/// at most about `20 sqrt(x) + FAR` terms are added.
fn log_series(a: f64, x: f64) -> f64 {
    if x - a > FAR { from_the_largest(a, x) } else { from_the_first(a, x) }
}

/// Terms before the largest beyond which they are not worth adding one by one: the first are nothing beside it.
const FAR: f64 = 10_000.0;

fn from_the_first(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut shrunk, mut k) = (1.0 / a, 1.0 / a, 0.0, 0.0);
    loop {
        k += 1.0;
        let factor = x / (a + k);
        term *= factor;
        sum += term;
        // What is left is at most a geometric series of this factor.
        if factor < 1.0 && term * factor <= (1.0 - factor) * sum * 1e-16 {
            return sum.ln() + shrunk;
        }
        if sum > 1e250 {
            (term, sum, shrunk) = (term * 1e-250, sum * 1e-250, shrunk + 250.0 * std::f64::consts::LN_10);
        }
    }
}

/// As multiples of the largest term, to both sides of it until they no longer count. The logarithm is good to about `x ln x` rounding errors.
fn from_the_largest(a: f64, x: f64) -> f64 {
    let largest = (x - a).floor();
    let (mut sum, mut term, mut k) = (1.0, 1.0, largest);
    while term > sum * 1e-20 {
        k += 1.0;
        term *= x / (a + k);
        sum += term;
    }
    (term, k) = (1.0, largest);
    while term > sum * 1e-20 && k > 0.0 {
        term *= (a + k) / x;
        k -= 1.0;
        sum += term;
    }
    largest * x.ln() - (log_gamma(a + largest + 1.0) - log_gamma(a)) + sum.ln()
}

/// The logarithm of the gamma function by Stirling's series (NIST Digital Library of Mathematical Functions, 5.11.1), for `z` above 0.
fn log_gamma(z: f64) -> f64 {
    // Gamma(z + 1) = z Gamma(z), until the series is good to the last digit.
    let (mut z, mut below) = (z, 0.0);
    while z < 20.0 {
        below += z.ln();
        z += 1.0;
    }
    let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
    let series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z.powi(3)) + 1.0 / (1260.0 * z.powi(5));
    (z - 0.5) * z.ln() - z + half_log_tau + series - below
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= want.abs() * 1e-9 + 1e-12, "{got} is not {want}");
    }

    #[test]
    fn three_agents_and_two_erlangs_let_four_of_nine_wait() {
        close(waiting(2.0, 3), 4.0 / 9.0);
        close(waiting(3.0, 3), 1.0);
        close(blocking(2.0, 2), 0.4);
        close(blocking(5.0, 0), 1.0);
    }

    #[test]
    fn a_thousand_lines_do_not_overflow() {
        assert_eq!(blocking(10.0, 100_000), 0.0);
        // One line less and more load block more, and nothing leaves 0 to 1.
        let b = blocking(990.0, 1000);
        assert!(b > 0.0 && b < blocking(990.0, 999) && b < blocking(991.0, 1000) && b < 0.05, "{b}");
    }

    #[test]
    fn the_series_is_the_same_from_its_first_and_from_its_largest_term() {
        for (a, x) in [(0.3, 12_000.0), (7.0, 10_500.0), (240.0, 30_000.0), (9_000.5, 40_000.25), (1e5, 1.2e5)] {
            let (first, largest) = (from_the_first(a, x), from_the_largest(a, x));
            assert!((first - largest).abs() < 1e-8, "a {a}, x {x}: {first} and {largest}");
        }
        close(log_gamma(1.0) + 1.0, 1.0);
        close(log_gamma(6.0), 120f64.ln());
        close(log_gamma(0.5), 0.5 * std::f64::consts::PI.ln());
    }

    #[test]
    fn very_patient_callers_are_those_of_erlang_c() {
        let team = Team { calls_per_hour: 60.0, handling_secs: 300.0, patience_secs: f64::INFINITY, agents: 7 };
        let (never, hardly) = (team.steady().unwrap(), Team { patience_secs: 1e9, ..team }.steady().unwrap());
        for (a, c) in [(hardly.waits, never.waits), (hardly.mean_wait_secs, never.mean_wait_secs)] {
            assert!((a / c - 1.0).abs() < 1e-5, "{a} against {c}");
        }
        assert!((hardly.waits_longer(60.0) - never.waits_longer(60.0)).abs() < 1e-6);
        assert_eq!(Team { agents: 5, ..team }.steady(), None, "five agents for five erlangs never catch up");
    }

    #[test]
    fn with_agents_for_everybody_in_the_queue_places_make_no_difference() {
        let team = Team { calls_per_hour: 120.0, handling_secs: 300.0, patience_secs: 120.0, agents: 10 };
        let (open, behind) = (team.steady().unwrap(), team.behind(200).unwrap());
        close(behind.waits, open.waits);
        close(behind.abandoned, open.abandoned);
        close(behind.mean_wait_secs, open.mean_wait_secs);
        close(behind.occupancy, open.occupancy);
        assert!(behind.blocked < 1e-12);
    }

    #[test]
    fn as_many_places_as_agents_is_erlang_b() {
        let team = Team { calls_per_hour: 60.0, handling_secs: 300.0, patience_secs: 120.0, agents: 5 };
        let behind = team.behind(5).unwrap();
        close(behind.blocked, blocking(5.0, 5));
        assert_eq!((behind.waits, behind.mean_wait_secs), (0.0, 0.0));
        assert_eq!(team.behind(4), None);
    }

    #[test]
    fn the_wait_is_a_distribution_and_its_parts_add_up() {
        let steady = Team { calls_per_hour: 300.0, handling_secs: 300.0, patience_secs: 180.0, agents: 20 }.steady().unwrap();
        for secs in [0.0, 5.0, 20.0, 60.0, 300.0] {
            close(steady.answered_within(secs) + steady.abandoned_within(secs) + steady.waits_longer(secs), 1.0);
        }
        close(steady.answered_within(1e5), 1.0 - steady.abandoned);
        close(steady.abandoned_within(1e5), steady.abandoned);
        // The mean is the area under the tail.
        let step = 0.05;
        let area: f64 = (0..60_000).map(|i| steady.waits_longer((f64::from(i) + 0.5) * step) * step).sum();
        assert!((area / steady.mean_wait_secs - 1.0).abs() < 1e-6, "{area}");
    }

    #[test]
    fn a_queue_that_nobody_answers_is_left_by_everybody() {
        let steady = Team { calls_per_hour: 10.0, handling_secs: 300.0, patience_secs: 60.0, agents: 0 }.steady().unwrap();
        assert_eq!((steady.abandoned, steady.mean_wait_secs, steady.occupancy), (1.0, 60.0, 0.0));
        close(steady.abandoned_within(60.0), 1.0 - (-1.0f64).exp());
        assert_eq!(steady.levels(20.0).of_answered, 0.0);
    }

    #[test]
    fn a_whole_country_calling_at_once_is_still_counted() {
        let steady = Team { calls_per_hour: 1e6, handling_secs: 300.0, patience_secs: 1800.0, agents: 3000 }.steady().unwrap();
        close(steady.waits, 1.0);
        close(steady.abandoned, 1.0 - 3000.0 / (1e6 / 12.0));
        close(steady.occupancy, 1.0);
    }
}
