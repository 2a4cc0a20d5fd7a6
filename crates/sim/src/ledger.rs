//! The journal of a simulated city: it confirms late, or one day not at all.
//!
//! Records are confirmed in order (group commit); a crash leaves the confirmed prefix (law 5).

use calls::Record;
use model::{Instant, Now, Random, Seq, UnixMillis};
use std::collections::VecDeque;
use std::time::Duration;

/// How long the journal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At least this.
    pub least: Duration,
    /// At most this.
    pub most: Duration,
}

impl Pace {
    /// A disk that commits within 5 ms, the design's promise.
    pub const PROMISED: Pace = Pace { least: Duration::from_millis(1), most: Duration::from_millis(5) };
}

/// The journal.
#[derive(Debug)]
pub struct Ledger {
    random: Random,
    pace: Pace,
    dead: bool,
    /// Every record that was handed in, in order, each with the wall clock at that moment.
    records: Vec<(Seq, UnixMillis, Record)>,
    /// How many of them are durable.
    durable: usize,
    writing: VecDeque<(Instant, Seq)>,
    told: VecDeque<Seq>,
}

impl Ledger {
    /// An empty journal.
    pub fn new(pace: Pace, random: Random) -> Self {
        Ledger { random, pace, dead: false, records: Vec::new(), durable: 0, writing: VecDeque::new(), told: VecDeque::new() }
    }

    /// The disk becomes slower or faster; what is being written is not touched.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// The disk dies: nothing is confirmed from here on, not even what was being written.
    pub fn die(&mut self) {
        self.dead = true;
        self.writing.clear();
    }

    /// A record is handed in.
    pub fn handle_record(&mut self, now: Now, seq: Seq, record: Record) {
        let spread = self.pace.most.saturating_sub(self.pace.least);
        let takes = self.pace.least + spread.mul_f64(self.random.unit());
        self.records.push((seq, now.wall, record));
        if !self.dead {
            let done = self.writing.back().map_or(now.mono, |(last, _)| *last).max(now.mono + takes);
            self.writing.push_back((done, seq));
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, seq)) = self.writing.front().copied()
            && at <= now
        {
            self.writing.pop_front();
            self.durable += 1;
            self.told.push_back(seq);
        }
    }

    /// The next record that has become durable, and all before it.
    pub fn poll_output(&mut self) -> Option<Seq> {
        self.told.pop_front()
    }

    /// When the next record becomes durable.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.writing.front().map(|(at, _)| *at)
    }

    /// The machine goes down: what was not durable is gone.
    pub fn crash(&mut self) {
        self.records.truncate(self.durable);
        self.writing.clear();
        self.told.clear();
    }

    /// The number of the last durable record.
    pub fn confirmed(&self) -> Seq {
        self.durable.checked_sub(1).and_then(|last| self.records.get(last)).map_or(Seq(0), |(seq, ..)| *seq)
    }

    /// Every record handed in, durable or not.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().map(|(.., record)| record)
    }

    /// Every record handed in, with its wall clock: what a reader of the journal on the disk would be given.
    pub fn dated(&self) -> impl Iterator<Item = (UnixMillis, &Record)> {
        self.records.iter().map(|(_, wall, record)| (*wall, record))
    }

    /// The records that a crash would leave.
    pub fn durable(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().take(self.durable).map(|(.., record)| record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now { mono: Instant::from_millis(millis), wall: UnixMillis(1000 + millis as i64) }
    }

    fn record() -> Record {
        Record::Published { version: "v".into() }
    }

    #[test]
    fn records_become_durable_in_order_and_a_crash_keeps_the_prefix() {
        let pace = Pace { least: Duration::ZERO, most: Duration::from_millis(40) };
        let mut ledger = Ledger::new(pace, Random::from_number(1));
        for n in 1..=20 {
            ledger.handle_record(at(n), Seq(n), record());
        }
        ledger.handle_timeout(ledger.poll_timeout().unwrap());
        let told: Vec<u64> = std::iter::from_fn(|| ledger.poll_output()).map(|s| s.0).collect();
        assert!(!told.is_empty() && told.len() < 20 && told.is_sorted(), "{told:?}");
        assert_eq!(ledger.confirmed().0, told.len() as u64);
        ledger.crash();
        assert_eq!(ledger.records().count(), told.len());
        assert!(ledger.dated().map(|(wall, _)| wall.0).eq((1001..).take(told.len())), "each keeps its wall clock");
    }

    #[test]
    fn a_dead_journal_says_nothing() {
        let mut ledger = Ledger::new(Pace::PROMISED, Random::from_number(1));
        ledger.handle_record(at(0), Seq(1), record());
        ledger.die();
        ledger.handle_record(at(0), Seq(2), record());
        assert_eq!(ledger.poll_timeout(), None);
        ledger.handle_timeout(Instant::from_millis(1000));
        assert_eq!((ledger.poll_output(), ledger.confirmed(), ledger.records().count()), (None, Seq(0), 2));
    }
}
