//! What the city remembers of persons for a while: whose line was cut while they waited, who served them last, and how often they were
//! called back in vain.
//!
//! All of it is kept under the keyed hash of the number, which is another one each day, and follows from the records alone: the fold of
//! the journal and the living engine do the same with each record.

use crate::OpenCall;
use crate::record::Booked;
use model::{AgentId, CallEnd, CallRecord, CallbackEnd, Instant, Now, Person, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Entries of one memory. When there are more, somebody loses what is only a kindness.
const ENTRIES_MAX: usize = 10_000;
/// How long after a cut line the place is still there.
pub(crate) const PLACE_KEPT_MILLIS: i64 = 10 * 60 * 1000;
/// How long it is remembered who served somebody. The hash of the person ends with the day, so this is only a bound.
const SERVED_KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// How long attempts to call somebody back are remembered; no promise is longer than a day.
const TRIED_KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// How often a memory is swept, by the time of the records.
const SWEEP_MILLIS: i64 = 60 * 1000;

/// Something remembered of persons for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Memory<T> {
    entries: BTreeMap<Person, (UnixMillis, T)>,
    swept: UnixMillis,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Memory { entries: BTreeMap::new(), swept: UnixMillis(0) }
    }
}

impl<T> Memory<T> {
    fn keep(&mut self, person: Person, at: UnixMillis, what: T, millis: i64) {
        if apart(at, self.swept) >= SWEEP_MILLIS {
            self.entries.retain(|_, (then, _)| apart(at, *then) <= millis);
            self.swept = at;
        }
        self.entries.insert(person, (at, what));
        if self.entries.len() > ENTRIES_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, (then, _))| *then).map(|(person, _)| person.clone());
            oldest.and_then(|person| self.entries.remove(&person));
        }
    }
}

/// How far apart two moments are; a wall clock may have been put back in between.
fn apart(one: UnixMillis, other: UnixMillis) -> i64 {
    one.0.saturating_sub(other.0).saturating_abs()
}

/// When a moment of the wall clock was, on the clock that only goes forward; never in the future. What lies before its beginning is its
/// beginning: the order among such is that of their coming.
pub(crate) fn instant_of(now: Now, wall: UnixMillis) -> Instant {
    let age = u64::try_from(now.wall.0.saturating_sub(wall.0)).unwrap_or(0);
    let age = u64::try_from(Duration::from_millis(age).as_nanos()).unwrap_or(u64::MAX);
    Instant::from_nanos(now.mono.as_nanos().saturating_sub(age))
}

/// The place of somebody whose line was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Since when they have waited.
    pub since: UnixMillis,
}

/// Attempts to call somebody back that did not reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tries {
    /// How many, in all bookings together.
    pub attempts: u32,
    /// When the last one was.
    pub last: UnixMillis,
}

/// What is remembered of persons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memories {
    cut: Memory<Kept>,
    served: Memory<AgentId>,
    #[serde(default)]
    tried: Memory<Tries>,
}

impl Memories {
    /// A call is over. `open` is what was known of it before.
    ///
    /// A network that has lost a mobile telephone sends us the same BYE as a caller who hangs up. So whoever leaves a queue in whatever
    /// way finds the place again; and so does who was cut off in the middle of a conversation by our restart or their own network.
    pub(crate) fn handle_ended(&mut self, open: &OpenCall, record: &CallRecord) {
        let Some(person) = &record.person else { return };
        let cut = matches!(record.end, CallEnd::AbandonedInQueue | CallEnd::CallerVanished | CallEnd::LostInRestart);
        // A callback that had not reached its person yet is still booked: there was no line to cut.
        let reached = !open.called_back || open.bridged;
        if let Some(place) = open.place.as_ref().filter(|place| cut && reached && !place.kept) {
            self.cut.keep(person.clone(), record.ended, Kept { since: place.since }, PLACE_KEPT_MILLIS);
        }
        if let Some(agent) = &record.agent {
            self.served.keep(person.clone(), record.ended, agent.clone(), SERVED_KEPT_MILLIS);
        }
    }

    /// The place of somebody whose line was cut at most ten minutes ago.
    pub(crate) fn kept(&self, person: &Person, now: UnixMillis) -> Option<Kept> {
        self.cut.entries.get(person).filter(|(at, _)| apart(now, *at) <= PLACE_KEPT_MILLIS).map(|(_, kept)| *kept)
    }

    /// The place of this age was taken up again: that is possible once. Around midnight it is remembered under yesterday's name of the
    /// person, and found by its age, to the millisecond.
    pub(crate) fn handle_taken(&mut self, person: &Person, since: UnixMillis) {
        if self.cut.entries.remove(person).is_none() {
            self.cut.entries.retain(|_, (_, kept)| kept.since != since);
        }
    }

    /// A callback is over. Whoever was not reached was rung all the same, and that counts on in the next booking of that number: nobody
    /// can have us ring a stranger by calling again and again.
    pub(crate) fn handle_called_back(&mut self, booked: &Booked, how: CallbackEnd) {
        let Some(person) = &booked.person else { return };
        match (how, booked.tried) {
            (CallbackEnd::Served, _) => drop(self.tried.entries.remove(person)),
            (CallbackEnd::Exhausted | CallbackEnd::Expired | CallbackEnd::Closed | CallbackEnd::CalledAgain, Some(last)) => {
                self.tried.keep(person.clone(), last, Tries { attempts: booked.attempts, last }, TRIED_KEPT_MILLIS);
            }
            (CallbackEnd::Exhausted | CallbackEnd::Expired | CallbackEnd::Closed | CallbackEnd::CalledAgain, None) => {}
        }
    }

    /// The attempts to call this person back that were made lately.
    pub(crate) fn tried(&self, person: &Person, now: UnixMillis, within: Duration) -> Option<Tries> {
        let (_, tries) = self.tried.entries.get(person)?;
        (u128::from(now.0.abs_diff(tries.last.0)) < within.as_millis()).then_some(*tries)
    }

    /// Who served this person last today.
    pub(crate) fn last_agent(&self, person: &Person) -> Option<&AgentId> {
        self.served.entries.get(person).map(|(_, agent)| agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_swept_by_time_and_bounded_in_number() {
        let mut memory = Memory::default();
        let person = |n: usize| Person::from(format!("{n:016x}"));
        for n in 0..ENTRIES_MAX + 50 {
            memory.keep(person(n), UnixMillis(1_000_000 + n as i64), n, PLACE_KEPT_MILLIS);
        }
        assert_eq!(memory.entries.len(), ENTRIES_MAX);
        assert!(!memory.entries.contains_key(&person(0)), "the oldest goes first");
        memory.keep(person(1), UnixMillis(1_000_000 + PLACE_KEPT_MILLIS * 2), 1, PLACE_KEPT_MILLIS);
        assert_eq!(memory.entries.len(), 1);
    }
}
