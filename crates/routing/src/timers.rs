//! What changes by itself, and when: the next timer is at hand, and one that is no longer wanted is taken out without a search.
//!
//! A binary heap that knows where each timer lies (J. W. J. Williams, 1964). A desk has at most one timer, and a waiting ticket as well.

use crate::key::Slot;
use model::{Instant, TicketId};

/// Whose time comes. In this order where it comes at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A phone has rung out, or after-call work is over. By seat.
    Desk(u32),
    /// A ticket's next easing or ring, the end of a pause or of its patience, or it has been overtaken for long enough.
    Ticket(TicketId, Slot),
}

const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    heap: Vec<(Instant, Timer)>,
    /// By seat, and by slot: where in the heap.
    desks: Vec<u32>,
    tickets: Vec<u32>,
}

impl Timers {
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
    /// The next.
    pub(crate) fn first(&self) -> Option<(Instant, Timer)> {
        self.heap.first().copied()
    }
    /// Starts a timer; one that this desk or ticket has already is moved.
    pub(crate) fn start(&mut self, at: Instant, timer: Timer) {
        self.stop(timer);
        self.heap.push((at, timer));
        self.rise(self.heap.len() - 1);
    }
    /// Stops a timer, if it runs.
    pub(crate) fn stop(&mut self, timer: Timer) {
        let place = std::mem::replace(self.place(timer), NOWHERE) as usize;
        if place >= self.heap.len() {
            return;
        }
        let removed = self.heap.swap_remove(place);
        if let Some(moved) = self.heap.get(place) {
            if *moved < removed { self.rise(place) } else { self.sink(place) }
        }
    }
    /// All of them, in order.
    pub(crate) fn sorted(&self) -> Vec<(Instant, Timer)> {
        let mut all = self.heap.clone();
        all.sort_unstable();
        all
    }

    fn place(&mut self, timer: Timer) -> &mut u32 {
        let (places, owner) = match timer {
            Timer::Desk(seat) => (&mut self.desks, seat as usize),
            Timer::Ticket(_, slot) => (&mut self.tickets, slot as usize),
        };
        if places.len() <= owner {
            places.resize(owner + 1, NOWHERE);
        }
        &mut places[owner]
    }
    fn put(&mut self, place: usize, entry: (Instant, Timer)) {
        self.heap[place] = entry;
        *self.place(entry.1) = place as u32;
    }
    fn rise(&mut self, mut place: usize) {
        let entry = self.heap[place];
        while place > 0 {
            let above = (place - 1) / 2;
            if self.heap[above] <= entry {
                break;
            }
            self.put(place, self.heap[above]);
            place = above;
        }
        self.put(place, entry);
    }
    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let left = 2 * place + 1;
            let Some(mut least) = self.heap.get(left).copied() else { break };
            let mut below = left;
            if let Some(right) = self.heap.get(left + 1).copied().filter(|right| *right < least) {
                (least, below) = (right, left + 1);
            }
            if entry <= least {
                break;
            }
            self.put(place, least);
            place = below;
        }
        self.put(place, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn they_come_in_the_order_of_a_plain_sorted_list() {
        let (mut timers, mut plain, mut random) = (Timers::default(), BTreeMap::new(), model::Random::from_number(9));
        for step in 0..60_000u64 {
            let owner = random.below(400) as u32;
            let timer = if owner < 50 { Timer::Desk(owner) } else { Timer::Ticket(TicketId(u64::from(owner) * 3), owner) };
            if random.below(10) < if step < 30_000 { 6 } else { 3 } {
                // Few instants, so that many are the same.
                let at = Instant::from_millis(random.below(12));
                timers.start(at, timer);
                plain.insert(timer, at);
            } else {
                timers.stop(timer);
                plain.remove(&timer);
            }
            let next = plain.iter().map(|(timer, at)| (*at, *timer)).min();
            assert_eq!((timers.first(), timers.len()), (next, plain.len()));
        }
        let mut all: Vec<(Instant, Timer)> = plain.iter().map(|(timer, at)| (*at, *timer)).collect();
        all.sort_unstable();
        assert_eq!(timers.sorted(), all);
        for (_, timer) in all {
            assert_eq!(timers.first().map(|(_, next)| next), Some(timer));
            timers.stop(timer);
        }
        assert_eq!((timers.first(), timers.len()), (None, 0));
    }

    #[test]
    fn many_at_one_instant_come_in_the_order_of_their_owners() {
        // Small heaps, many of them: where a timer is taken out of the middle, the one that fills the gap may have to rise.
        for seed in 0..2_000 {
            let (mut timers, mut plain, mut random) = (Timers::default(), BTreeMap::new(), model::Random::from_number(seed));
            for _ in 0..40 {
                let timer = Timer::Desk(random.below(12) as u32);
                if random.below(3) > 0 {
                    let at = Instant::from_millis(random.below(2));
                    timers.start(at, timer);
                    plain.insert(timer, at);
                } else {
                    timers.stop(timer);
                    plain.remove(&timer);
                }
                assert_eq!(timers.first(), plain.iter().map(|(timer, at)| (*at, *timer)).min(), "seed {seed}");
            }
        }
    }
}
