//! What plays on a leg: clips one after another, cut into frames without a gap at the joins.

use crate::{Clip, FRAME, OnKey, g711};
use model::{Codec, PlayId};
use std::sync::Arc;

/// Clips in the course of being played. It holds at least one sample, so a repeated one always moves on.
#[derive(Debug)]
pub(crate) struct Playing {
    pub(crate) id: PlayId,
    pub(crate) on_key: OnKey,
    clips: Vec<Arc<Clip>>,
    repeat: bool,
    /// Which clip, and which byte of it, comes next.
    clip: usize,
    at: usize,
}

/// Whether there is more to come after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    More,
    Finished,
}

impl Playing {
    /// `None` when the clips hold no sound at all.
    pub(crate) fn new(id: PlayId, clips: Vec<Arc<Clip>>, on_key: OnKey, repeat: bool) -> Option<Playing> {
        let any = clips.iter().any(|clip| !clip.bytes(Codec::Pcmu).is_empty());
        any.then_some(Playing { id, on_key, clips, repeat, clip: 0, at: 0 })
    }

    /// Writes the next 20 ms. The codec may change from one frame to the next; the last frame is filled up with silence.
    pub(crate) fn next_frame(&mut self, codec: Codec, frame: &mut [u8; FRAME]) -> After {
        let mut filled = 0;
        while filled < FRAME {
            let Some(clip) = self.clips.get(self.clip) else {
                if !self.repeat {
                    break;
                }
                self.clip = 0;
                continue;
            };
            let rest = clip.bytes(codec).get(self.at..).unwrap_or_default();
            let n = rest.len().min(FRAME - filled);
            frame[filled..filled + n].copy_from_slice(&rest[..n]);
            filled += n;
            self.at += n;
            if n == rest.len() {
                self.clip += 1;
                self.at = 0;
            }
        }
        frame[filled..].fill(g711::silence(codec));
        if self.clip == self.clips.len() && !self.repeat { After::Finished } else { After::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Pcm;
    use proptest::prelude::*;

    /// A clip whose bytes in PCMU can be told apart by `mark`.
    fn clip(mark: u8, samples: usize) -> Arc<Clip> {
        let sample = g711::decode(Codec::Pcmu, mark);
        Arc::new(Clip::encode(&Pcm { rate: 8000, samples: vec![sample; samples] }).unwrap())
    }

    fn play(clips: Vec<Arc<Clip>>, repeat: bool, frames: usize) -> (Vec<u8>, Option<usize>) {
        let mut playing = Playing::new(PlayId(1), clips, OnKey::Ignore, repeat).unwrap();
        let mut sound = Vec::new();
        for i in 1..=frames {
            let mut frame = [0; FRAME];
            let after = playing.next_frame(Codec::Pcmu, &mut frame);
            sound.extend_from_slice(&frame);
            if after == After::Finished {
                return (sound, Some(i));
            }
        }
        (sound, None)
    }

    #[test]
    fn clips_join_within_a_frame_and_the_last_frame_is_filled_with_silence() {
        let (sound, finished) = play(vec![clip(0x10, 100), clip(0x20, 0), clip(0x30, 100)], false, 10);
        assert_eq!(finished, Some(2));
        let expected: Vec<u8> = [vec![0x10; 100], vec![0x30; 100], vec![0xff; 120]].concat();
        assert_eq!(sound, expected);
    }

    #[test]
    fn sound_that_fills_its_last_frame_ends_with_it() {
        let (sound, finished) = play(vec![clip(0x10, 320)], false, 10);
        assert_eq!((sound.len(), finished), (320, Some(2)));
    }

    #[test]
    fn music_repeats_without_a_seam() {
        let (sound, finished) = play(vec![clip(0x10, 70), clip(0x20, 30)], true, 50);
        assert_eq!(finished, None);
        for (i, byte) in sound.iter().enumerate() {
            assert_eq!(*byte, if i % 100 < 70 { 0x10 } else { 0x20 });
        }
    }

    #[test]
    fn nothing_to_play_is_nothing() {
        assert!(Playing::new(PlayId(1), vec![], OnKey::Cut, true).is_none());
        assert!(Playing::new(PlayId(1), vec![clip(0, 0)], OnKey::Cut, true).is_none());
    }

    proptest! {
        #[test]
        fn whatever_the_clips_the_sound_is_their_sum_and_less_than_a_frame_of_silence(lengths in proptest::collection::vec(0..500usize, 1..6)) {
            let total: usize = lengths.iter().sum();
            prop_assume!(total > 0);
            let clips = lengths.iter().zip(0x10..).map(|(n, mark)| clip(mark, *n)).collect();
            let (sound, finished) = play(clips, false, 100);
            let mut expected: Vec<u8> = lengths.iter().zip(0x10u8..).flat_map(|(n, mark)| vec![mark; *n]).collect();
            expected.resize(total.next_multiple_of(FRAME), 0xff);
            prop_assert_eq!(finished, Some(expected.len() / FRAME));
            prop_assert_eq!(sound, expected);
        }
    }
}
