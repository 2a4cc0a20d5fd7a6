//! The published city: what supervisors wrote, and how it sounds.

use flow::{Book, Spoken};
use media::Clip;
use model::{Ha1, LineId, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One published city, swapped whole: a call keeps the one it began with.
#[derive(Clone, Default)]
pub struct City {
    /// Flows, queues, agents, lines and numbers, checked.
    pub book: Arc<Book>,
    /// The sound of each sentence. A sentence without sound is skipped and noted, never silence for ever.
    pub clips: BTreeMap<Spoken, Arc<Clip>>,
    /// What the agents' phones prove themselves with, by agent name.
    pub users: BTreeMap<String, Ha1>,
    /// What we prove ourselves with to carriers, by the trunk's name.
    pub passwords: BTreeMap<LineId, Secret>,
}

impl std::fmt::Debug for City {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "City({}, {} clips, {} users)", self.book.version, self.clips.len(), self.users.len())
    }
}
