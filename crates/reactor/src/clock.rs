//! The only place where time comes from.

use model::{Instant, Now, UnixMillis};
use std::time::{Duration, SystemTime};

/// The clock of one process; copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: std::time::Instant,
    /// What to add to the machine's wall clock, in milliseconds.
    shift: i64,
}

impl Clock {
    /// A clock whose zero lies two days back: whoever has waited since before the start (a callback, a line that was cut) keeps that age.
    pub fn start() -> Self {
        let now = std::time::Instant::now();
        Clock { zero: now.checked_sub(Duration::from_secs(2 * 24 * 3600)).unwrap_or(now), shift: 0 }
    }
    /// A clock whose wall shows `wall` at this moment and goes on from there: for demonstrations at a chosen hour.
    pub fn start_at(wall: UnixMillis) -> Self {
        let clock = Clock::start();
        Clock { shift: wall.0.saturating_sub(clock.now().wall.0), ..clock }
    }
    /// The monotonic clock.
    pub fn mono(&self) -> Instant {
        Instant::ZERO + self.zero.elapsed()
    }
    /// Both clocks. A wall clock before 1970 reads as 1970.
    pub fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { mono: self.mono(), wall: UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(self.shift)) }
    }
    /// The same moment for whoever sleeps.
    pub fn std(&self, at: Instant) -> std::time::Instant {
        self.zero + at.since(Instant::ZERO)
    }
}
