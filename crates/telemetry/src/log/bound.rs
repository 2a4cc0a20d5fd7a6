//! How many lines one place of the program may write: a fault at five hundred calls a second must not fill the disk.
//!
//! A token bucket for each place (the file and line that logs) and level. What is held back is counted, and told in one line when ten seconds are
//! over. It knows no clock: time is an argument.

use model::Instant;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::Level;

/// The stretch that a bucket's lines are for, and after which it is told how many were held back.
const STRETCH: Duration = Duration::from_secs(10);

/// Where a line is logged: the file and its line number.
pub(crate) type Site = (&'static str, u32);

/// Lines of one place that were held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// How many.
    pub(crate) lines: u64,
    /// Their level.
    pub(crate) level: Level,
    /// Their target.
    pub(crate) target: &'static str,
    /// What the first of them said.
    pub(crate) message: String,
}

struct Bucket {
    /// What it holds, as time: a full one holds [`STRETCH`].
    credit: Duration,
    at: Instant,
    /// What is held back, and since when.
    held: Option<(Instant, Held)>,
}

/// The buckets of all places. There are as many places as the program has lines that log.
#[derive(Default)]
pub(crate) struct Bound(BTreeMap<Site, Bucket>);

/// Lines of one place in [`STRETCH`]: what somebody must act on says nothing more the hundredth time; a call's own story is told of each call.
pub(crate) const fn most(level: Level) -> u32 {
    match level {
        Level::ERROR | Level::WARN => 20,
        Level::INFO => 200,
        // Whoever switches these on looks for something, and for a short while.
        Level::DEBUG | Level::TRACE => 2000,
    }
}

impl Bound {
    /// Whether a line may be written. One that may not is counted; `message` is asked for what the first of them says.
    pub(crate) fn handle_line(
        &mut self,
        now: Instant,
        site: Site,
        (level, target): (Level, &'static str),
        message: impl FnOnce() -> String,
    ) -> bool {
        let bucket = self.0.entry(site).or_insert(Bucket { credit: STRETCH, at: now, held: None });
        bucket.credit = STRETCH.min(bucket.credit + now.since(bucket.at));
        bucket.at = now;
        let price = STRETCH / most(level);
        if let Some(rest) = bucket.credit.checked_sub(price) {
            bucket.credit = rest;
            return true;
        }
        let (_, held) = bucket.held.get_or_insert_with(|| (now, Held { lines: 0, level, target, message: message() }));
        held.lines += 1;
        false
    }

    /// What was held back at one place and must be told by `now`; `None` when there is no more of it.
    pub(crate) fn poll_held(&mut self, now: Instant) -> Option<Held> {
        let due = |bucket: &&mut Bucket| bucket.held.as_ref().is_some_and(|(since, _)| now.since(*since) >= STRETCH);
        self.0.values_mut().find(due)?.held.take().map(|(_, held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Site = ("here.rs", 1);
    const WORRY: (Level, &str) = (Level::ERROR, "engine");

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_fault_of_five_hundred_calls_a_second_writes_three_lines_a_second_at_most() {
        let mut bound = Bound::default();
        let (mut written, mut told, mut held) = (0, 0, 0);
        for tick in 0..30_000 {
            let now = at(tick * 2);
            written += u64::from(bound.handle_line(now, HERE, WORRY, || "no port".to_owned()));
            while let Some(more) = bound.poll_held(now) {
                assert_eq!((more.level, more.target, more.message.as_str()), (Level::ERROR, "engine", "no port"));
                told += 1;
                held += more.lines;
            }
        }
        // Sixty seconds: twenty at once, then two a second.
        assert_eq!(written, 20 + 2 * 60 - 1);
        assert_eq!(told, 5);
        while let Some(more) = bound.poll_held(at(90_000)) {
            held += more.lines;
        }
        assert_eq!(written + held, 30_000, "each line was written or counted");
    }

    #[test]
    fn the_first_lines_of_a_fault_always_pass_whatever_else_is_loud() {
        let mut bound = Bound::default();
        for _ in 0..10_000 {
            bound.handle_line(at(0), ("loud.rs", 7), WORRY, String::new);
        }
        for _ in 0..20 {
            assert!(bound.handle_line(at(1), HERE, WORRY, String::new));
        }
        assert!(!bound.handle_line(at(1), HERE, WORRY, String::new));
        assert!(bound.handle_line(at(501), HERE, WORRY, String::new), "one more each half second");
    }

    #[test]
    fn what_is_held_back_is_told_once_and_only_after_a_while() {
        let mut bound = Bound::default();
        for _ in 0..23 {
            bound.handle_line(at(5), HERE, WORRY, || "x".to_owned());
        }
        assert_eq!(bound.poll_held(at(10_004)), None);
        assert_eq!(bound.poll_held(at(10_005)).map(|held| held.lines), Some(3));
        assert_eq!(bound.poll_held(at(99_999)), None);
    }

    #[test]
    fn a_busy_morning_is_told_whole() {
        let mut bound = Bound::default();
        // Five calls a second for an hour, with some jitter.
        for call in 0..18_000u64 {
            assert!(bound.handle_line(at(call * 200 + call * 7919 % 500), HERE, (Level::INFO, "calls"), String::new), "{call}");
        }
    }
}
