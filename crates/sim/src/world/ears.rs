//! Who hears which sentence, and when: noted where sound is computed, so that nobody has to guess it from a waveform.

use super::World;
use calls::City;
use flow::Spoken;
use media::{Clip, Command, Event, PlayEnd};
use model::{CallId, Instant, LegId, PlayId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What all legs have heard.
#[derive(Debug, Default)]
pub(super) struct Ears {
    /// A sentence is known by its clip: each has its own.
    names: BTreeMap<usize, Spoken>,
    plays: Vec<Play>,
}

/// One playing: sentences in one breath, or music.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    leg: LegId,
    id: PlayId,
    /// When it began.
    pub(crate) from: Instant,
    /// What, and how long each takes.
    pub(crate) sentences: Vec<(Spoken, Duration)>,
    /// Whether it goes round: music.
    pub(crate) music: bool,
    /// When it ended.
    pub(crate) until: Option<Instant>,
}

impl Ears {
    fn of(city: &City) -> Ears {
        let names = city.clips.iter().map(|(spoken, clip)| (address(clip), spoken.clone())).collect();
        Ears { names, plays: Vec::new() }
    }

    pub(super) fn handle_command(&mut self, now: Instant, leg: LegId, command: &Command) {
        let Command::Play { id, clips, repeat, .. } = command else { return };
        let named = clips.iter().filter_map(|clip| Some((self.names.get(&address(clip))?.clone(), clip.length())));
        self.plays.push(Play { leg, id: *id, from: now, sentences: named.collect(), music: *repeat, until: None });
    }

    pub(super) fn handle_event(&mut self, now: Instant, leg: LegId, event: &Event) {
        let Event::Played { id, how: PlayEnd::Finished | PlayEnd::Cut | PlayEnd::Failed } = event else { return };
        if let Some(play) = self.plays.iter_mut().rev().find(|play| play.leg == leg && play.id == *id) {
            play.until.get_or_insert(now);
        }
    }
}

/// Only compared, never followed.
fn address(clip: &Arc<Clip>) -> usize {
    Arc::as_ptr(clip) as usize
}

impl World {
    /// The same, noting who hears what; each sentence of the city must have a clip of its own.
    pub(crate) fn with_ears(mut self) -> World {
        self.ears = Some(Ears::of(&self.city));
        self
    }

    /// Names the sound of a sentence that is none of the city's own: a notice.
    pub(crate) fn name_sound(&mut self, spoken: Spoken, clip: &Arc<Clip>) {
        if let Some(ears) = &mut self.ears {
            ears.names.insert(address(clip), spoken);
        }
    }

    /// What the caller of this call has heard: the leg that heard something first is theirs.
    pub(crate) fn heard_in(&self, call: CallId) -> impl Iterator<Item = &Play> {
        let of_call = move |play: &&Play| play.leg.0 >> 16 == call.0;
        let plays = || self.ears.iter().flat_map(|ears| &ears.plays);
        let theirs = plays().find(of_call).map(|play| play.leg);
        plays().filter(move |play| Some(play.leg) == theirs)
    }
}
