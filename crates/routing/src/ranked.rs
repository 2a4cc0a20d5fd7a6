//! A sorted list that can say at once how many stand before somebody.
//!
//! Blocks of at most 32 entries, with the sizes of the blocks in a Fenwick tree (P. M. Fenwick, 1994): finding, adding, removing and
//! counting cost a logarithm and one block. The tree is made anew when a block is split or emptied, about once in 16 changes. The last
//! entries lie side by side, so that a search touches one block and no other.

const BLOCK_MAX: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Ranked<K> {
    /// None of them empty.
    blocks: Vec<Vec<K>>,
    /// The last entry of each block.
    lasts: Vec<K>,
    sums: Vec<u32>,
    len: usize,
}

impl<K> Default for Ranked<K> {
    fn default() -> Self {
        Ranked { blocks: Vec::new(), lasts: Vec::new(), sums: Vec::new(), len: 0 }
    }
}

impl<K: Ord + Copy> Ranked<K> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    /// `false`: it was there already.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        if self.blocks.is_empty() {
            self.blocks.push(vec![key]);
            self.lasts.push(key);
            self.len = 1;
            self.count_anew();
            return true;
        }
        let block = self.block_of(&key).min(self.blocks.len() - 1);
        let entries = &mut self.blocks[block];
        let is_last = self.lasts[block] < key;
        let found = if is_last { Err(entries.len()) } else { entries.binary_search(&key) };
        let Err(place) = found else { return false };
        entries.insert(place, key);
        self.len += 1;
        if entries.len() > BLOCK_MAX {
            // Most come last: what is split off there leaves a full block behind.
            let upper = entries.split_off(if place == BLOCK_MAX { BLOCK_MAX } else { BLOCK_MAX / 2 });
            let last = upper.last().copied().unwrap_or(key);
            self.lasts[block] = entries.last().copied().unwrap_or(key);
            self.lasts.insert(block + 1, last);
            self.blocks.insert(block + 1, upper);
            self.count_anew();
        } else {
            self.lasts[block] = self.lasts[block].max(key);
            self.change(block, 1);
        }
        true
    }
    /// `false`: it was not there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let block = self.block_of(key);
        let Some(entries) = self.blocks.get_mut(block) else { return false };
        let Ok(place) = entries.binary_search(key) else { return false };
        entries.remove(place);
        self.len -= 1;
        if let Some(last) = entries.last() {
            self.lasts[block] = *last;
            self.change(block, -1);
        } else {
            self.blocks.remove(block);
            self.lasts.remove(block);
            self.count_anew();
        }
        true
    }
    /// The smallest.
    pub(crate) fn first(&self) -> Option<&K> {
        self.blocks.first()?.first()
    }
    /// The smallest that is not smaller than `key`.
    pub(crate) fn from(&self, key: &K) -> Option<&K> {
        let entries = self.blocks.get(self.block_of(key))?;
        entries.get(entries.partition_point(|entry| entry < key))
    }
    /// How many are smaller than `key`, which need not be in the list.
    pub(crate) fn before(&self, key: &K) -> usize {
        let block = self.block_of(key);
        let inside = self.blocks.get(block).map_or(0, |entries| entries.partition_point(|entry| entry < key));
        let (mut sum, mut at) = (0, block);
        while at > 0 {
            sum += self.sums[at - 1] as usize;
            at &= at - 1;
        }
        sum + inside
    }
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.from(key) == Some(key)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        self.blocks.iter().flatten()
    }
    /// From `key` on, in order.
    pub(crate) fn iter_from(&self, key: K) -> impl Iterator<Item = &K> {
        let block = self.block_of(&key);
        let entries = self.blocks.get(block).map_or(&[][..], Vec::as_slice);
        let first = &entries[entries.partition_point(|entry| *entry < key)..];
        first.iter().chain(self.blocks.iter().skip(block + 1).flatten())
    }

    /// The first block that does not end before `key`.
    fn block_of(&self, key: &K) -> usize {
        self.lasts.partition_point(|last| last < key)
    }
    fn change(&mut self, block: usize, by: i32) {
        let mut at = block + 1;
        while at <= self.sums.len() {
            self.sums[at - 1] = self.sums[at - 1].wrapping_add_signed(by);
            at += at & at.wrapping_neg();
        }
    }
    fn count_anew(&mut self) {
        self.sums.clear();
        self.sums.extend(self.blocks.iter().map(|entries| entries.len() as u32));
        for at in 1..=self.sums.len() {
            let next = at + (at & at.wrapping_neg());
            if next <= self.sums.len() {
                self.sums[next - 1] += self.sums[at - 1];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ranked;
    use std::collections::BTreeSet;

    #[test]
    fn it_counts_as_a_plain_set_does() {
        let (mut ranked, mut plain, mut random) = (Ranked::default(), BTreeSet::new(), model::Random::from_number(7));
        for step in 0..20_000u64 {
            // It grows, then shrinks to nothing, so that blocks are split and emptied.
            let key = random.below(3_000);
            if random.below(10) < if step < 8_000 { 7 } else { 3 } {
                assert_eq!(ranked.insert(key), plain.insert(key));
            } else {
                assert_eq!(ranked.remove(&key), plain.remove(&key));
            }
            let probe = random.below(3_000);
            assert_eq!(ranked.before(&probe), plain.range(..probe).count());
            assert_eq!((ranked.len(), ranked.contains(&probe)), (plain.len(), plain.contains(&probe)));
            assert_eq!((ranked.first(), ranked.from(&probe)), (plain.first(), plain.range(probe..).next()));
        }
        assert!(ranked.iter().eq(plain.iter()));
        assert!(ranked.iter_from(1_500).eq(plain.range(1_500..)));
        for key in plain {
            assert!(ranked.remove(&key));
        }
        assert_eq!((ranked.len(), ranked.before(&9)), (0, 0));
    }
}
