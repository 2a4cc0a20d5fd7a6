//! What a caller hears on a walk through a flow, as one recording: each sentence where it sounds, cut where a key cuts it, music until it stops.

use flow::Spoken;
use media::RATE;
use model::{Instant, Pcm};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest recording: half an hour, as for any sound of the house. What comes after it is left out.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Something that begins to sound; whatever sounded before is over.
enum Piece {
    Says(Vec<Spoken>),
    /// Until the next.
    Music(Spoken),
    Nothing,
}

/// A recording in the making.
pub(crate) struct Tape {
    sounds: BTreeMap<Spoken, Pcm>,
    pieces: Vec<(Instant, Piece)>,
}

impl Tape {
    /// An empty one, with the sound of every sentence.
    pub(crate) fn new(sounds: BTreeMap<Spoken, Pcm>) -> Tape {
        Tape { sounds, pieces: Vec::new() }
    }
    pub(crate) fn says(&mut self, now: Instant, sentences: &[Spoken]) {
        self.pieces.push((now, Piece::Says(sentences.to_vec())));
    }
    pub(crate) fn plays(&mut self, now: Instant, music: &Spoken) {
        self.pieces.push((now, Piece::Music(music.clone())));
    }
    pub(crate) fn stops(&mut self, now: Instant) {
        self.pieces.push((now, Piece::Nothing));
    }

    /// The whole from the beginning of the call to its end, mono, [`RATE`]; and whether something was left out because it is longer than can be
    /// kept.
    pub(crate) fn finish(&self, began: Instant, end: Instant) -> (Pcm, bool) {
        let place = |at: Instant| samples(at.since(began).min(LONGEST));
        let mut whole: Vec<i16> = Vec::new();
        let ends = self.pieces.iter().skip(1).map(|(at, _)| *at).chain([end]);
        for ((from, piece), until) in self.pieces.iter().zip(ends) {
            whole.resize(place(*from), 0);
            let room = place(until) - whole.len();
            let of = |spoken: &Spoken| self.sounds.get(spoken).map_or(&[][..], |pcm| &pcm.samples);
            match piece {
                Piece::Says(sentences) => whole.extend(sentences.iter().flat_map(of).take(room)),
                Piece::Music(music) => whole.extend(of(music).iter().cycle().take(room)),
                Piece::Nothing => {}
            }
        }
        whole.resize(place(end), 0);
        (Pcm { rate: RATE, samples: whole }, end.since(began) > LONGEST)
    }
}

fn samples(time: Duration) -> usize {
    usize::try_from(time.as_millis() * u128::from(RATE) / 1000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Lang, PromptId};

    fn spoken(name: &str) -> Spoken {
        Spoken { prompt: PromptId::from(name), lang: Lang::from("ja"), value: None }
    }

    #[test]
    fn a_key_cuts_the_sentence_and_music_goes_round_until_the_next() {
        let sound = |value: i16, millis: usize| Pcm { rate: RATE, samples: vec![value; millis * 8] };
        let mut tape =
            Tape::new([(spoken("menu"), sound(1, 3000)), (spoken("calm"), sound(2, 400)), (spoken("place"), sound(3, 500))].into());
        let at = |millis: u64| Instant::from_millis(10_000 + millis);
        tape.says(at(100), &[spoken("menu")]);
        tape.stops(at(1100));
        tape.plays(at(1500), &spoken("calm"));
        tape.says(at(2500), &[spoken("place"), spoken("never rendered")]);
        let (pcm, short) = tape.finish(at(0), at(4000));
        let heard = |from: usize, to: usize| {
            let part = &pcm.samples[from * 8..to * 8];
            part.iter().all(|sample| *sample == part[0]).then_some(part[0])
        };
        assert_eq!((pcm.samples.len(), short), (32_000, false));
        let parts = [(0, 100), (100, 1100), (1100, 1500), (1500, 2500), (2500, 3000), (3000, 4000)].map(|(from, to)| heard(from, to));
        assert_eq!(parts, [Some(0), Some(1), Some(0), Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn a_day_of_waiting_is_half_an_hour_of_tape() {
        let mut tape = Tape::new(BTreeMap::new());
        tape.plays(Instant::from_millis(0), &spoken("calm"));
        let (pcm, short) = tape.finish(Instant::from_millis(0), Instant::from_millis(86_400_000));
        assert_eq!((pcm.length(), short), (LONGEST, true));
    }
}
