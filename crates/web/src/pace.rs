//! How often one token may change something: a program that runs wild fills neither the record nor the engine's hands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Changes of one token in a minute. A person makes two or three; 120 are two lines a second in the record, a quarter of a gigabyte a day at most
/// for a day without a pause.
const CHANGES_MAX: u32 = 120;
const MINUTE: Duration = Duration::from_secs(60);

/// What each token did in its minute. As many as there are tokens.
#[derive(Clone, Default)]
pub(crate) struct Pace {
    minutes: Arc<Mutex<BTreeMap<String, (Instant, u32)>>>,
}

impl Pace {
    /// Whether one more is not too many.
    pub(crate) fn allows(&self, now: Instant, name: &str) -> bool {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.retain(|_, (since, _)| now.saturating_duration_since(*since) < MINUTE);
        let (_, count) = minutes.entry(name.to_owned()).or_insert((now, 0));
        *count = count.saturating_add(1);
        *count <= CHANGES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_changes_too_much_waits_for_the_minute_to_end_and_nobody_else_does() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert!((0..CHANGES_MAX).all(|_| pace.allows(now, "mori")));
        assert!(!pace.allows(now + MINUTE - Duration::from_millis(1), "mori"));
        assert!(pace.allows(now, "sato"));
        assert!(pace.allows(now + MINUTE, "mori"));
    }
}
