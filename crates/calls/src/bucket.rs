//! So many things in a second: a bucket of tokens, which gives a few more at once after a quiet while, and a look back, which never does.

use model::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// When the things of the last second happened: as many as its owner allows, and no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastSecond(VecDeque<Instant>);

impl LastSecond {
    /// Whether one more fits into the second before `now`.
    pub(crate) fn has(&mut self, now: Instant, limit: u32) -> bool {
        while self.0.front().is_some_and(|first| now.since(*first) >= Duration::from_secs(1)) {
            self.0.pop_front();
        }
        self.0.len() < limit as usize
    }

    /// Counts one more, if it fits.
    pub(crate) fn take(&mut self, now: Instant, limit: u32) -> bool {
        let fits = self.has(now, limit);
        if fits {
            self.0.push_back(now);
        }
        fits
    }
}

/// One thousandth of a token: what a rate of one in a second gives in a millisecond.
const WHOLE: u64 = 1_000;

/// How much is left, and when that was reckoned. Its rate stands with its owner, who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    thousandths: u64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(now: Instant, burst: u32) -> Bucket {
        Bucket { thousandths: u64::from(burst) * WHOLE, at: now }
    }

    /// Whether there is one left.
    pub(crate) fn has(&mut self, now: Instant, per_second: u32, burst: u32) -> bool {
        self.fill(now, per_second, burst);
        self.thousandths >= WHOLE
    }

    /// Takes one, if there is one left of `per_second` and at most `burst` at once.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32, burst: u32) -> bool {
        let there = self.has(now, per_second, burst);
        if there {
            self.thousandths -= WHOLE;
        }
        there
    }

    fn fill(&mut self, now: Instant, per_second: u32, burst: u32) {
        let millis = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.thousandths = self.thousandths.saturating_add(millis.saturating_mul(u64::from(per_second))).min(u64::from(burst) * WHOLE);
        // What is left of a millisecond is not lost.
        self.at += Duration::from_millis(millis);
    }

    /// Whether it is full again: then it may be forgotten.
    pub(crate) fn is_full(&self, now: Instant, per_second: u32, burst: u32) -> bool {
        let millis = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.thousandths.saturating_add(millis.saturating_mul(u64::from(per_second))) >= u64::from(burst) * WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_the_last_second_allows() {
        let at = |millis: u64| Instant::from_millis(millis);
        let mut last = LastSecond::default();
        let taken: Vec<u64> = (0..3_000).step_by(10).filter(|millis| last.take(at(*millis), 3)).collect();
        assert_eq!(taken, [0, 10, 20, 1_000, 1_010, 1_020, 2_000, 2_010, 2_020]);
        let mut last = LastSecond::default();
        let taken: Vec<u64> = (0..2_500).step_by(400).filter(|millis| last.take(at(*millis), 3)).collect();
        assert_eq!(taken, [0, 400, 800, 1_200, 1_600, 2_000, 2_400], "a rate below the limit is not touched");
        assert!(last.has(at(2_400), 5) && !last.has(at(2_400), 2), "its owner may change it");
    }

    #[test]
    fn a_bucket_gives_its_rate_and_its_burst_and_no_more() {
        let at = |millis: u64| Instant::from_millis(millis);
        let mut bucket = Bucket::full(at(0), 3);
        let taken = |bucket: &mut Bucket, millis| (0..10).filter(|_| bucket.take(at(millis), 2, 3)).count();
        assert_eq!([0, 499, 500, 999, 1_000, 60_000].map(|millis| taken(&mut bucket, millis)), [3, 0, 1, 0, 1, 3]);
        assert!(!bucket.is_full(at(61_000), 2, 3) && bucket.is_full(at(61_500), 2, 3));
        // Asked a thousand times in a second it gives the same.
        let given = (0..1_000).filter(|millis| bucket.take(at(70_000 + millis), 2, 3)).count();
        assert_eq!(given, 3 + 1);
    }
}
