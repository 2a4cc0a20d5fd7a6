//! Where a ticket stands, as one number: whoever has the smaller one goes first.
//!
//! From the highest bit: age zero less the bonus (64 bits, nanoseconds), the arrival (40 bits), and in an entry of a line the slot (24 bits).
//! One number is compared without a branch, and a search of a line does little else.

use std::fmt;

/// A ticket's number in the line while it waits; used again afterwards.
pub(crate) type Slot = u32;

const SLOT_BITS: u32 = 24;
const ARRIVAL_BITS: u32 = 40;
/// As many can wait at once: 16.7 million, ten of everybody in a city of a million and a half.
pub(crate) const SLOTS_MAX: usize = 1 << SLOT_BITS;
/// Later arrivals count as this one. A city that is called ten thousand times a minute is there after two hundred years.
const ARRIVAL_MAX: u64 = (1 << ARRIVAL_BITS) - 1;
const SLOT_MASK: u128 = (1 << SLOT_BITS) - 1;
/// Turns signed order into unsigned order.
const SIGN: u64 = 1 << 63;

/// Age zero less the bonus; then the arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u128);

impl Key {
    pub(crate) const fn new(since: i64, arrival: u64) -> Key {
        let arrival = if arrival < ARRIVAL_MAX { arrival } else { ARRIVAL_MAX };
        Key((((since as u64) ^ SIGN) as u128) << 64 | (arrival as u128) << SLOT_BITS)
    }
    /// Age zero less the bonus, in nanoseconds.
    pub(crate) fn since(self) -> i64 {
        ((self.0 >> 64) as u64 ^ SIGN) as i64
    }
    /// Another age, the same arrival.
    pub(crate) fn aged(self, since: i64) -> Key {
        Key(u128::from(since as u64 ^ SIGN) << 64 | self.0 & u128::from(u64::MAX))
    }
    /// The first entry that a ticket with this key can have.
    pub(crate) fn first(self) -> Entry {
        Entry(self.0)
    }
    pub(crate) fn at(self, slot: Slot) -> Entry {
        Entry(self.0 | u128::from(slot) & SLOT_MASK)
    }
}

/// A ticket in a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry(u128);

impl Entry {
    /// Stands for an empty line: later than any ticket.
    pub(crate) const NOBODY: Entry = Entry(u128::MAX);

    pub(crate) fn key(self) -> Key {
        Key(self.0 & !SLOT_MASK)
    }
    pub(crate) fn slot(self) -> Slot {
        (self.0 & SLOT_MASK) as Slot
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} ns, {})", self.since(), self.0 as u64 >> SLOT_BITS)
    }
}
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.key(), self.slot())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_sorts_as_its_parts_do() {
        let parts = |since: &i64| [0, 1, 7_000_000, ARRIVAL_MAX - 1].map(|arrival| (*since, arrival));
        let all: Vec<(i64, u64)> = [i64::MIN, -5, -1, 0, 1, 90_000_000_000, i64::MAX].iter().flat_map(parts).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other))) {
            let (key, another) = (Key::new(one.0, one.1), Key::new(other.0, other.1));
            assert_eq!(key.cmp(&another), one.cmp(&other), "{key:?} {another:?}");
            assert_eq!((key.since(), key.aged(other.0)), (one.0, Key::new(other.0, one.1)));
            let entry = key.at(SLOTS_MAX as Slot - 1);
            assert_eq!((entry.key(), entry.slot()), (key, SLOTS_MAX as Slot - 1));
            assert!(key.first() <= entry && (key >= another || entry < another.first()) && entry < Entry::NOBODY);
        }
    }
}
