//! What a call sounds like to somebody who does not understand the words: silence, a tone, speech or music.
//!
//! Blocks of 80 ms are measured for level, for the strongest frequency and for how pure it is. What tells music from speech is that a note
//! stands still: in music the strongest frequency of most blocks is that of the block before (half of them in chords, nearly all in
//! a melody), in speech it glides all the time (5 % of blocks, English and Japanese, natural or synthetic). Each block is judged in the
//! light of the two thirds of a second around it, so that the timeline reads as a listener would tell it.

use media::listen;
use std::collections::VecDeque;
use std::time::Duration;

/// What sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sounding {
    /// Nothing, for at least 640 ms: shorter pauses belong to what they interrupt.
    Silence,
    /// One pure frequency, in Hz.
    Tone(u32),
    /// A voice, or anything else that does not stand still.
    Speech,
    /// Notes.
    Music,
}

/// A part of a call in which the same sounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Since Connected, in steps of 80 ms.
    pub from: Duration,
    /// Since Connected.
    pub to: Duration,
    /// What.
    pub what: Sounding,
}

/// Samples of a block: 80 ms.
const BLOCK: usize = 640;
const BLOCK_MS: u64 = 80;
/// Below this, in rms, a block is silent: 55 dB below full scale. The encoded silence of A-law is 8.
const QUIET: f64 = 58.0;
/// A share of the energy in one frequency from which on it is a tone; G.711's own noise takes one per mille.
const PURE: f64 = 0.93;
/// Two blocks have the same strongest frequency when they differ by less than this.
const SAME: f64 = 0.012;
/// Quiet blocks in a row that make a silence.
const SILENCE: usize = 8;
/// Pure blocks in a row that make a tone amid other sound; between two silences two will do.
const TONE: usize = 6;
/// Blocks to either side by which one is judged; also how far the ear is behind.
const LOOK: usize = 8;
/// Share of standing blocks, of those around, from which on sound is music. Measured on the city's recordings, on espeak and jbonsai: speech
/// at most 0.31, the city's music at least 0.53.
const MUSIC: f64 = 0.42;
/// Music stops being music only below this.
const STILL_MUSIC: f64 = 0.34;

#[derive(Clone, Copy, Debug)]
struct Block {
    quiet: bool,
    hz: f64,
    pure: bool,
    /// Its strongest frequency is that of the block before.
    stands: bool,
}

/// Listens to frames, tells stretches.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    samples: Vec<i16>,
    blocks: VecDeque<Block>,
    /// Number of the first of `blocks`, counted from the beginning of the call.
    first: u64,
    /// Number of the next block to be judged.
    next: u64,
    now: Option<Run>,
    /// What seems to begin, until it has lasted long enough.
    dawning: Option<Run>,
    told: VecDeque<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    from: u64,
    blocks: u64,
    what: Sounding,
    /// Sum of the frequencies of a tone, for their mean.
    hz: f64,
}

impl Run {
    fn continues(&self, what: Sounding, hz: f64) -> bool {
        match (self.what, what) {
            (Sounding::Tone(_), Sounding::Tone(_)) => (self.mean_hz() / hz - 1.0).abs() < 2.0 * SAME,
            (Sounding::Silence | Sounding::Speech | Sounding::Music | Sounding::Tone(_), other) => self.what == other,
        }
    }
    fn mean_hz(&self) -> f64 {
        self.hz / self.blocks.max(1) as f64
    }
    fn add(&mut self, hz: f64) {
        self.blocks += 1;
        self.hz += hz;
    }
    fn stretch(&self, to: u64) -> Stretch {
        let what = match self.what {
            Sounding::Tone(_) => Sounding::Tone(self.mean_hz().round() as u32),
            Sounding::Silence | Sounding::Speech | Sounding::Music => self.what,
        };
        Stretch { from: Duration::from_millis(self.from * BLOCK_MS), to: Duration::from_millis(to * BLOCK_MS), what }
    }
}

impl Ear {
    /// A piece of sound, any length.
    pub(crate) fn handle_frame(&mut self, frame: &[i16]) {
        self.samples.extend_from_slice(frame);
        while self.samples.len() >= BLOCK {
            let rest = self.samples.split_off(BLOCK);
            let block = std::mem::replace(&mut self.samples, rest);
            self.measure(&block);
            while self.next + (LOOK as u64) < self.end() {
                self.judge();
            }
        }
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self) {
        while self.next < self.end() {
            self.judge();
        }
        if let Some(run) = self.now.take() {
            self.told.push_back(run.stretch(self.next));
        }
    }

    pub(crate) fn poll_stretch(&mut self) -> Option<Stretch> {
        self.told.pop_front()
    }

    pub(crate) fn sounding(&self) -> Option<Stretch> {
        self.now.map(|run| run.stretch(self.next))
    }

    fn end(&self) -> u64 {
        self.first + self.blocks.len() as u64
    }

    fn measure(&mut self, samples: &[i16]) {
        let quiet = listen::rms(samples) < QUIET;
        let tone = if quiet { None } else { listen::dominant(samples, media::RATE) };
        let block = match tone {
            Some(tone) => {
                let stands = self.blocks.back().is_some_and(|b| !b.quiet && (tone.hz / b.hz - 1.0).abs() < SAME);
                Block { quiet: false, hz: tone.hz, pure: tone.purity > PURE, stands }
            }
            None => Block { quiet: true, hz: 0.0, pure: false, stands: false },
        };
        self.blocks.push_back(block);
    }

    fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// How many blocks before and after `at`, at most `LOOK` each way, are like it in the sense of `like`.
    fn neighbours(&self, at: u64, like: impl Fn(&Block) -> bool) -> (usize, usize) {
        let before = (1..=LOOK as u64).take_while(|d| at.checked_sub(*d).and_then(|n| self.block(n)).is_some_and(&like)).count();
        let after = (1..=LOOK as u64).take_while(|d| self.block(at + d).is_some_and(&like)).count();
        (before, after)
    }

    /// Says what the next block belongs to.
    fn judge(&mut self) {
        let at = self.next;
        let Some(block) = self.block(at).copied() else { return };
        let (what, hz) = self.label(at, &block);
        self.next += 1;
        self.follow(at, what, hz);
        while self.first + 2 * (LOOK as u64) < self.next {
            self.blocks.pop_front();
            self.first += 1;
        }
    }

    fn label(&self, at: u64, block: &Block) -> (Sounding, f64) {
        if block.quiet {
            let (before, after) = self.neighbours(at, |b| b.quiet);
            let bridged = self.now.map(|run| (run.what, run.mean_hz())).unwrap_or((Sounding::Silence, 0.0));
            return if before + 1 + after >= SILENCE { (Sounding::Silence, 0.0) } else { bridged };
        }
        if block.pure {
            let (before, after) = self.neighbours(at, |b| b.pure && (b.hz / block.hz - 1.0).abs() < SAME);
            let (b, a) = (before as u64, after as u64);
            let quiet = |n: Option<u64>| n.and_then(|n| self.block(n)).is_none_or(|b| b.quiet);
            // The block at the edge of a beep holds a part of it, and is not pure.
            let alone =
                (quiet(at.checked_sub(b + 1)) || quiet(at.checked_sub(b + 2))) && (quiet(Some(at + a + 1)) || quiet(Some(at + a + 2)));
            if before + 1 + after >= TONE || before + 1 + after >= 2 && alone {
                return (Sounding::Tone(block.hz.round() as u32), block.hz);
            }
        }
        let around = at.saturating_sub(LOOK as u64)..=at + LOOK as u64;
        let (mut heard, mut standing) = (0u32, 0u32);
        for b in around.filter_map(|n| self.block(n)).filter(|b| !b.quiet) {
            heard += 1;
            standing += u32::from(b.stands);
        }
        let share = if matches!(self.now, Some(Run { what: Sounding::Music, .. })) { STILL_MUSIC } else { MUSIC };
        let music = f64::from(standing) >= share * f64::from(heard);
        (if music { Sounding::Music } else { Sounding::Speech }, 0.0)
    }

    /// Lets the run that sounds go on, or another begin.
    fn follow(&mut self, at: u64, what: Sounding, hz: f64) {
        let begin = Run { from: at, blocks: 1, what, hz };
        let Some(now) = &mut self.now else {
            self.now = Some(begin);
            return;
        };
        if now.continues(what, hz) {
            now.add(hz);
            self.dawning = None;
            return;
        }
        match &mut self.dawning {
            Some(dawning) if dawning.continues(what, hz) => dawning.add(hz),
            dawning => *dawning = Some(begin),
        }
        // Silence and tones were judged long enough already; a word after a silence is believed sooner than speech within music.
        let enough = match (now.what, what) {
            (_, Sounding::Silence | Sounding::Tone(_)) => 1,
            (Sounding::Silence, Sounding::Speech | Sounding::Music) => 2,
            (Sounding::Tone(_) | Sounding::Speech | Sounding::Music, Sounding::Speech | Sounding::Music) => 4,
        };
        if let Some(mut dawning) = self.dawning.take_if(|d| d.blocks >= enough) {
            let over = *now;
            // The first block holds whatever part of a frame came first: it is not believed alone.
            if over.from == 0 && over.blocks < 4 && over.what != Sounding::Silence {
                dawning.from = 0;
            } else {
                self.told.push_back(over.stretch(dawning.from));
            }
            self.now = Some(dawning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::g711;
    use model::{Codec, Pcm, Random};

    fn timeline(parts: &[Vec<i16>]) -> Vec<Stretch> {
        let mut ear = Ear::default();
        for sample in parts.concat().chunks(160) {
            // As it comes over the telephone.
            let frame: Vec<i16> = sample.iter().map(|s| g711::decode(Codec::Pcmu, g711::encode(Codec::Pcmu, *s))).collect();
            ear.handle_frame(&frame);
        }
        ear.finish();
        std::iter::from_fn(|| ear.poll_stretch()).collect()
    }

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * 8]
    }

    fn tone(hz: f64, ms: usize) -> Vec<i16> {
        Pcm::tone(8000, hz, 8000, ms * 8).samples
    }

    /// Three notes at a time, each chord 1.5 s, as music on hold goes.
    fn music(ms: usize) -> Vec<i16> {
        let chords = [[220.0, 277.2, 329.6], [246.9, 311.1, 370.0], [196.0, 246.9, 293.7]];
        (0..ms * 8)
            .map(|i| {
                let chord = chords[i / 12_000 % 3];
                let fade = 1.0 - (i % 12_000) as f64 / 20_000.0;
                let sum: f64 = chord.iter().map(|hz| (std::f64::consts::TAU * hz * i as f64 / 8000.0).sin()).sum();
                (sum * fade * 3000.0) as i16
            })
            .collect()
    }

    /// A voice of sorts: a gliding row of harmonics in syllables, with a rustle between them.
    fn speech(ms: usize) -> Vec<i16> {
        let mut random = Random::from_number(5);
        let mut phase = 0.0;
        (0..ms * 8)
            .map(|i| {
                let t = i as f64 / 8000.0;
                let pitch = 130.0 + 25.0 * (t * 5.0).sin() + 18.0 * (t * 13.0).sin();
                phase += std::f64::consts::TAU * pitch / 8000.0;
                let syllable = (t * 4.3 * std::f64::consts::PI).sin().abs();
                let formant = 4.0 + 3.0 * (t * 9.0).sin();
                let voice: f64 = (1..12).map(|h| (phase * f64::from(h)).sin() / (1.0 + (f64::from(h) - formant).powi(2))).sum();
                let rustle = random.unit() - 0.5;
                (5000.0 * syllable * voice + 1500.0 * (1.0 - syllable) * rustle) as i16
            })
            .collect()
    }

    fn words(timeline: &[Stretch]) -> Vec<Sounding> {
        timeline.iter().map(|s| s.what).collect()
    }

    #[test]
    fn a_call_reads_as_a_listener_would_tell_it() {
        let heard = timeline(&[
            silence(400),
            speech(4000),
            silence(1200),
            music(5000),
            speech(3000),
            silence(800),
            tone(440.0, 1000),
            silence(1000),
        ]);
        use Sounding::{Music, Silence, Speech, Tone};
        assert_eq!(words(&heard), [Silence, Speech, Silence, Music, Speech, Silence, Tone(440), Silence], "{heard:#?}");
        let expected = [0u64, 400, 4400, 5600, 10_600, 13_600, 14_400, 15_400];
        for (stretch, begins) in heard.iter().zip(expected) {
            let off = stretch.from.as_millis().abs_diff(u128::from(begins));
            assert!(off <= 400, "{stretch:?} should begin at {begins} ms");
        }
        assert!(heard.windows(2).all(|w| w[0].to == w[1].from), "without gaps: {heard:#?}");
    }

    #[test]
    fn tones_are_told_by_their_frequency() {
        for hz in [400u32, 440, 1000, 2500] {
            let heard = timeline(&[silence(1000), tone(f64::from(hz), 300), silence(1000), tone(f64::from(hz), 3000)]);
            let tones: Vec<u32> = heard.iter().filter_map(|s| if let Sounding::Tone(hz) = s.what { Some(hz) } else { None }).collect();
            assert_eq!(tones.len(), 2, "{heard:?}");
            assert!(tones.iter().all(|t| t.abs_diff(hz) <= 2), "{heard:?}");
        }
    }

    #[test]
    fn a_breath_between_words_is_not_a_silence() {
        let heard = timeline(&[speech(2000), silence(400), speech(2000)]);
        assert_eq!(words(&heard), [Sounding::Speech], "{heard:?}");
    }

    #[test]
    fn a_dead_line_is_one_long_silence() {
        let heard = timeline(&[silence(10_000)]);
        assert_eq!(heard, [Stretch { from: Duration::ZERO, to: Duration::from_secs(10), what: Sounding::Silence }]);
        assert_eq!(timeline(&[]), []);
    }
}
