//! Places of lines that calls go out to: a hotline with two lines never gets a third call.

use model::{LegId, LineId};
use std::collections::{BTreeMap, BTreeSet};

/// Counted places, and who has taken them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    /// Places of each line.
    pub(crate) lines: BTreeMap<LineId, u32>,
    /// Places taken, by whom; no empty sets. More than there are, for a while, where a published city has fewer than before.
    pub(crate) taken: BTreeMap<LineId, BTreeSet<LegId>>,
}

impl Tokens {
    pub(crate) fn seize(&mut self, line: &LineId, leg: LegId) -> bool {
        let places = self.lines.get(line).copied().unwrap_or(0) as usize;
        let taken = self.taken.get(line);
        if taken.is_some_and(|legs| legs.contains(&leg)) {
            return true;
        }
        if taken.map_or(0, BTreeSet::len) >= places {
            return false;
        }
        self.taken.entry(line.clone()).or_default().insert(leg)
    }
    pub(crate) fn occupy(&mut self, line: &LineId, leg: LegId) {
        self.taken.entry(line.clone()).or_default().insert(leg);
    }
    pub(crate) fn give_back(&mut self, leg: LegId) {
        self.taken.retain(|_, legs| {
            legs.remove(&leg);
            !legs.is_empty()
        });
    }
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&LineId, u32, u32)> {
        self.lines.iter().map(|(line, all)| (line, self.taken.get(line).map_or(0, |legs| legs.len() as u32), *all))
    }
    pub(crate) fn takers(&self) -> impl Iterator<Item = (&LineId, LegId)> {
        self.taken.iter().flat_map(|(line, legs)| legs.iter().map(move |leg| (line, *leg)))
    }
}
