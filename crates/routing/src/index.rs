//! Finds where a ticket waits by its number, in one look whatever the length of the line.
//!
//! Open addressing with linear probing, at most half full (D. E. Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithms L
//! and R). Tickets are numbered by us, one after the other, so the multiplier spreads them and nobody can choose numbers that collide.

use crate::key::Slot;
use model::TicketId;

/// 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const LEAST: usize = 16;
const FREE: (TicketId, Slot) = (TicketId(0), Slot::MAX);

#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// A power of two of them, or none. `FREE` where nobody is.
    cells: Vec<(TicketId, Slot)>,
    len: usize,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    pub(crate) fn get(&self, ticket: TicketId) -> Option<Slot> {
        self.find(ticket).map(|at| self.cells[at].1)
    }
    /// A ticket that is not in it yet.
    pub(crate) fn insert(&mut self, ticket: TicketId, slot: Slot) {
        if (self.len + 1) * 2 > self.cells.len() {
            let room = (self.cells.len() * 2).max(LEAST);
            let before = std::mem::replace(&mut self.cells, vec![FREE; room]);
            before.into_iter().filter(is_taken).for_each(|(ticket, slot)| self.put(ticket, slot));
        }
        self.put(ticket, slot);
        self.len += 1;
    }
    pub(crate) fn remove(&mut self, ticket: TicketId) {
        let Some(mut gap) = self.find(ticket) else { return };
        self.len -= 1;
        // Whoever was put further than their own cell because of this one moves up, so that no search ends too early.
        let mut at = gap;
        loop {
            at = self.after(at);
            if !is_taken(&self.cells[at]) {
                break;
            }
            let home = self.home(self.cells[at].0);
            let stays = if gap <= at { gap < home && home <= at } else { gap < home || home <= at };
            if !stays {
                self.cells[gap] = self.cells[at];
                gap = at;
            }
        }
        self.cells[gap] = FREE;
    }
    /// In the order of ticket ids.
    pub(crate) fn sorted(&self) -> Vec<(TicketId, Slot)> {
        let mut all: Vec<(TicketId, Slot)> = self.cells.iter().copied().filter(is_taken).collect();
        all.sort_unstable();
        all
    }

    fn home(&self, ticket: TicketId) -> usize {
        (ticket.0.wrapping_mul(SPREAD) >> (u64::BITS - self.cells.len().trailing_zeros())) as usize
    }
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }
    fn find(&self, ticket: TicketId) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let mut at = self.home(ticket);
        while is_taken(&self.cells[at]) {
            if self.cells[at].0 == ticket {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }
    fn put(&mut self, ticket: TicketId, slot: Slot) {
        let mut at = self.home(ticket);
        while is_taken(&self.cells[at]) {
            at = self.after(at);
        }
        self.cells[at] = (ticket, slot);
    }
}

fn is_taken(cell: &(TicketId, Slot)) -> bool {
    cell.1 != FREE.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_finds_what_a_plain_map_finds() {
        let (mut index, mut plain, mut random) = (Index::default(), BTreeMap::new(), model::Random::from_number(3));
        for step in 0..40_000u32 {
            // Few numbers, so that many are beside each other; it grows, then shrinks to nothing.
            let ticket = TicketId(random.below(2_000));
            if random.below(10) < if step < 20_000 { 7 } else { 3 } {
                plain.entry(ticket).or_insert_with(|| {
                    index.insert(ticket, step);
                    step
                });
            } else {
                index.remove(ticket);
                plain.remove(&ticket);
            }
            let probe = TicketId(random.below(2_000));
            assert_eq!((index.get(probe), index.len()), (plain.get(&probe).copied(), plain.len()));
        }
        assert!(index.sorted().into_iter().eq(plain.clone()));
        plain.into_keys().for_each(|ticket| index.remove(ticket));
        assert_eq!((index.len(), index.sorted()), (0, Vec::new()));
    }
}
