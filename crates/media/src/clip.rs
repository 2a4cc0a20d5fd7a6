//! A sentence or a piece of music, encoded once, played by everyone.

use crate::{RATE, g711};
use model::{Codec, Pcm};
use std::fmt;
use std::time::Duration;

/// The longest clip, in samples: half an hour, more than anybody should hear.
pub(crate) const SAMPLES_MAX: usize = 30 * 60 * RATE as usize;

/// Sound in every codec that a leg may have; immutable, and shared as `Arc<Clip>`. It takes 16 kB a second.
#[derive(PartialEq, Eq)]
pub struct Clip {
    pcmu: Box<[u8]>,
    pcma: Box<[u8]>,
}

impl Clip {
    /// Encodes sound of 8000 Hz.
    ///
    /// # Errors
    /// [`Fault::Rate`] at any other rate (`speech` resamples), [`Fault::TooLong`] beyond half an hour.
    pub fn encode(pcm: &Pcm) -> Result<Clip, Fault> {
        if pcm.rate != RATE {
            return Err(Fault::Rate(pcm.rate));
        }
        if pcm.samples.len() > SAMPLES_MAX {
            return Err(Fault::TooLong);
        }
        Ok(Clip::of(&pcm.samples))
    }

    /// Encodes samples that were computed; what exceeds full scale is cut there.
    pub(crate) fn sampled(samples: impl Iterator<Item = f64>) -> Clip {
        let samples: Vec<i16> = samples.map(|sample| sample.round() as i16).collect();
        Clip::of(&samples)
    }

    fn of(samples: &[i16]) -> Clip {
        let encoded = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Clip { pcmu: encoded(Codec::Pcmu), pcma: encoded(Codec::Pcma) }
    }

    /// Its sound in a codec, one byte a sample.
    pub fn bytes(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
        }
    }

    /// How long it sounds.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.pcmu.len() as u64 * 125)
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({:?})", self.length())
    }
}

/// Why sound could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not 8000 Hz: resample it first.
    Rate(u32),
    /// Longer than half an hour: cut it.
    TooLong,
    /// Not a WAV file of 8 or 16 bits and one or two channels; with what is wrong.
    Wav(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Rate(rate) => write!(f, "the sound has {rate} samples a second; resample it to {RATE}"),
            Fault::TooLong => write!(f, "the sound is longer than 30 minutes; cut it"),
            Fault::Wav(why) => write!(f, "not a WAV file that we read: {why}; save it as 16-bit PCM, mono or stereo"),
        }
    }
}
impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_sound_is_a_second_in_both_codecs() {
        let clip = Clip::encode(&Pcm::tone(8000, 440.0, 8000, 8000)).unwrap();
        assert_eq!(clip.length(), Duration::from_secs(1));
        assert_eq!(clip.bytes(Codec::Pcmu).len(), 8000);
        assert_eq!(clip.bytes(Codec::Pcma).len(), 8000);
    }

    #[test]
    fn sound_of_another_rate_or_without_end_is_refused() {
        assert_eq!(Clip::encode(&Pcm::silence(16_000, 10)), Err(Fault::Rate(16_000)));
        assert_eq!(Clip::encode(&Pcm::silence(8000, SAMPLES_MAX + 1)), Err(Fault::TooLong));
    }
}
