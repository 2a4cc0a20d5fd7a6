//! Sounds that are no sentences: the beep before a caller, the tone of what cannot be, and ringing as a caller hears it.
//!
//! Ringing as in Japan (NTT technical reference): 400 Hz, modulated by 16 Hz, one second on and two off.

use media::{Clip, RATE};
use model::Pcm;
use std::f64::consts::TAU;
use std::sync::Arc;

const LOUD: f64 = 6000.0;

/// The tones of one engine, made once.
#[derive(Clone)]
pub(crate) struct Tones {
    /// Somebody is put through to you.
    pub(crate) beep: Arc<Clip>,
    /// That cannot be.
    pub(crate) sorry: Arc<Clip>,
    /// It rings there.
    pub(crate) ringback: Arc<Clip>,
}

impl Tones {
    pub(crate) fn new() -> Tones {
        let beep = sound(200, |at| (TAU * 1000.0 * at).sin());
        // Two low tones, told from the beep by anybody.
        let sorry = sound(600, |at| if (0.25..0.35).contains(&at) { 0.0 } else { (TAU * 350.0 * at).sin() });
        let ringback = sound(3000, |at| if at < 1.0 { (TAU * 400.0 * at).sin() * (0.5 + 0.5 * (TAU * 16.0 * at).sin()) } else { 0.0 });
        Tones { beep: clip(&beep), sorry: clip(&sorry), ringback: clip(&ringback) }
    }
}

/// So many milliseconds of a wave, from the second to -1..1.
fn sound(millis: u32, wave: impl Fn(f64) -> f64) -> Pcm {
    let samples = (0..millis * RATE / 1000).map(|n| (LOUD * wave(f64::from(n) / f64::from(RATE))).round() as i16).collect();
    Pcm { rate: RATE, samples }
}

fn clip(pcm: &Pcm) -> Arc<Clip> {
    // Ours, of the right rate and a few seconds long: there is nothing that could be wrong with it.
    Arc::new(Clip::encode(pcm).unwrap_or_else(|fault| panic!("a tone of ours: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_tone_has_its_length() {
        let tones = Tones::new();
        assert_eq!(tones.beep.length(), Duration::from_millis(200));
        assert_eq!(tones.sorry.length(), Duration::from_millis(600));
        assert_eq!(tones.ringback.length(), Duration::from_secs(3));
    }
}
