//! The tones that people know: the beep before a voice, the ring at the other end, and nobody to be had.
//!
//! Cadences and frequencies are Japan's (ITU-T E.180 Supplement 2: ringing 400 Hz times 15 to 20 Hz, 1 s on, 2 s off; busy 400 Hz,
//! 0.5 s on, 0.5 s off). Levels are in dBm0, where a sine of full scale has about +3.17.

use crate::{Clip, RATE};
use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

/// A sine of full scale (G.711, mu-law; A-law has 0.03 less).
const FULL_DBM0: f64 = 3.17;
/// A tone rises and falls for this long, or it clicks; a short one for a quarter of itself.
const EDGE: Duration = Duration::from_millis(10);
/// Within -5 to -15 dBm0, as E.180 recommends for tones of the network.
const NETWORK_DBM0: f64 = -12.0;

/// Encoded once, shared by all calls: whoever makes them keeps them.
#[derive(Clone, Debug)]
pub struct Tones {
    /// An agent hears the caller next: 1400 Hz for 120 ms.
    pub beep: Arc<Clip>,
    /// It rings at the other end: 400 Hz that trembles at 16 Hz, 1 s on, 2 s off. One turn of 3 s, to be repeated.
    pub ringback: Arc<Clip>,
    /// Busy, or not to be reached: 400 Hz, 0.5 s on, 0.5 s off, twice; 2 s.
    pub busy: Arc<Clip>,
    /// Whoever is held and has no music: 440 Hz for 300 ms, every 5 s. One turn, to be repeated.
    pub hold: Arc<Clip>,
}

impl Tones {
    /// Makes them all.
    pub fn new() -> Tones {
        let half = Duration::from_millis(500);
        let ring = sine(400.0, Duration::from_secs(1), NETWORK_DBM0).enumerate();
        // Fully modulated: the mean of the envelope is half.
        let ring = ring.map(|(i, sample)| sample * (0.5 - 0.5 * (TAU * 16.0 * i as f64 / f64::from(RATE)).cos()));
        let busy: Vec<f64> = sine(400.0, half, NETWORK_DBM0).chain(pause(half)).collect();
        Tones {
            beep: Arc::new(Clip::tone(1400.0, Duration::from_millis(120), -15.0)),
            ringback: Arc::new(Clip::sampled(ring.chain(pause(Duration::from_secs(2))))),
            busy: Arc::new(Clip::sampled(busy.iter().chain(&busy).copied())),
            hold: Arc::new(Clip::sampled(sine(440.0, Duration::from_millis(300), -20.0).chain(pause(Duration::from_millis(4700))))),
        }
    }
}

impl Default for Tones {
    fn default() -> Self {
        Tones::new()
    }
}

impl Clip {
    /// A sine of `hz` for `length` (at most half an hour) at a level in dBm0 (at most full scale, +3.17), with soft edges.
    pub fn tone(hz: f64, length: Duration, dbm0: f64) -> Clip {
        Clip::sampled(sine(hz, length, dbm0))
    }
}

/// A sine with soft edges, in units of samples.
fn sine(hz: f64, length: Duration, dbm0: f64) -> impl Iterator<Item = f64> {
    let count = samples(length);
    let edge = samples(EDGE).min(count / 4).max(1) as f64;
    let amplitude = f64::from(i16::MAX) * 10f64.powf((dbm0.min(FULL_DBM0) - FULL_DBM0) / 20.0);
    (0..count).map(move |i| {
        let from_edge = (i.min(count - 1 - i) as f64 + 0.5) / edge;
        let rise = if from_edge < 1.0 { 0.5 - 0.5 * (TAU / 2.0 * from_edge).cos() } else { 1.0 };
        amplitude * rise * (TAU * hz * i as f64 / f64::from(RATE)).sin()
    })
}

fn pause(length: Duration) -> impl Iterator<Item = f64> {
    std::iter::repeat_n(0.0, samples(length))
}

fn samples(length: Duration) -> usize {
    (length.as_micros() * u128::from(RATE) / 1_000_000).min(crate::clip::SAMPLES_MAX as u128) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{g711, listen};
    use model::Codec;

    fn heard(clip: &Clip, codec: Codec) -> Vec<i16> {
        clip.bytes(codec).iter().map(|byte| g711::decode(codec, *byte)).collect()
    }

    /// The level of a stretch of sine, in dBm0.
    fn level(samples: &[i16]) -> f64 {
        FULL_DBM0 + 20.0 * (listen::rms(samples) * 2f64.sqrt() / f64::from(i16::MAX)).log10()
    }

    #[test]
    fn the_beep_is_short_high_and_soft_at_its_edges() {
        let beep = Tones::new().beep;
        assert_eq!(beep.length(), Duration::from_millis(120));
        for codec in Codec::ALL {
            let sound = heard(&beep, codec);
            let tone = listen::dominant(&sound, RATE).unwrap();
            assert!((tone.hz - 1400.0).abs() < 2.0 && tone.purity > 0.9, "{tone:?}");
            assert!((level(&sound[160..800]) + 15.0).abs() < 0.5, "{}", level(&sound[160..800]));
            // A click is a leap: no two samples at an edge are further apart than the sine itself moves in the middle.
            let leap = |samples: &[i16]| samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
            assert!(leap(&sound[..16]) * 8 < leap(&sound[400..500]));
            assert!(sound[0].abs() < 20 && sound[959].abs() < 20);
        }
    }

    #[test]
    fn a_tone_has_the_pitch_length_and_level_that_were_asked_for() {
        for (hz, millis, dbm0) in [(440.0, 200, -10.0), (1000.0, 1000, -20.0), (2000.0, 100, -5.0)] {
            let clip = Clip::tone(hz, Duration::from_millis(millis), dbm0);
            assert_eq!(clip.length(), Duration::from_millis(millis));
            let sound = heard(&clip, Codec::Pcma);
            assert!((listen::dominant(&sound, RATE).unwrap().hz - hz).abs() < 1.0);
            assert!((level(&sound[160..sound.len() - 160]) - dbm0).abs() < 0.5, "{hz} {}", level(&sound[160..sound.len() - 160]));
        }
        assert!(
            heard(&Clip::tone(1000.0, Duration::from_millis(100), 60.0), Codec::Pcmu).iter().all(|s| s.abs() <= 32_124),
            "full scale at most"
        );
        assert_eq!(Clip::tone(1000.0, Duration::ZERO, 0.0).length(), Duration::ZERO);
    }

    #[test]
    fn ringback_rings_a_second_and_rests_two_and_trembles_sixteen_times_a_second() {
        let ringback = Tones::new().ringback;
        assert_eq!(ringback.length(), Duration::from_secs(3));
        let sound = heard(&ringback, Codec::Pcmu);
        let ring = &sound[..8000];
        let carrier = listen::goertzel(ring, RATE, 400.0);
        for hz in [384.0, 416.0] {
            let side = listen::goertzel(ring, RATE, hz);
            assert!((side / carrier - 0.5).abs() < 0.05, "full modulation has sides of half the carrier: {side} {carrier}");
        }
        for hz in [368.0, 392.0, 408.0, 432.0] {
            assert!(listen::goertzel(ring, RATE, hz) < carrier / 20.0, "{hz}");
        }
        assert_eq!(listen::rms(&sound[8000..]), 0.0);
    }

    #[test]
    fn busy_is_two_beats_of_half_a_second() {
        let busy = Tones::new().busy;
        assert_eq!(busy.length(), Duration::from_secs(2));
        let sound = heard(&busy, Codec::Pcmu);
        for second in sound.chunks(8000) {
            let (on, off) = second.split_at(4000);
            let tone = listen::dominant(on, RATE).unwrap();
            assert!((tone.hz - 400.0).abs() < 1.0 && tone.purity > 0.95, "{tone:?}");
            assert!((level(&on[160..3840]) - NETWORK_DBM0).abs() < 0.5);
            assert_eq!(listen::rms(off), 0.0);
        }
    }
}
