//! Any sample rate to the 8 kHz of the telephone, without the mirror images that make speech lisp.
//!
//! A windowed-sinc FIR low pass (Kaiser window) evaluated in polyphase form: only the output samples are computed. Passband to 3.4 kHz, the
//! upper edge of the telephone band (ITU-T G.712); everything that would fold, from 4.0 kHz, is at least 60 dB down.

use std::f64::consts::PI;

/// Samples a second of a telephone.
pub(crate) const TELEPHONE: u32 = 8_000;

/// Upper edge of what passes and lower edge of what does not, as parts of the lower of the two rates: 3.4 and 4.0 kHz of 8.
const PASS: f64 = 0.425;
const STOP: f64 = 0.5;
/// Designed attenuation of the stop band in dB; the measured one is a little less.
const ATTENUATION_DB: f64 = 70.0;

/// Samples at `rate` Hz (at least 1), as samples at 8 kHz. The length is that of the input, rounded up to a whole sample; there is no delay.
pub(crate) fn to_telephone(rate: u32, samples: &[f32]) -> Vec<f32> {
    if rate == TELEPHONE {
        return samples.to_vec();
    }
    Filter::design(rate, TELEPHONE).run(samples)
}

/// A rational resampler: `up` output samples for `down` input samples.
struct Filter {
    up: usize,
    down: usize,
    /// Taps on each side of the centre.
    reach: usize,
    /// One set of taps for each place that an output sample can have between two input samples.
    phases: Vec<Vec<f32>>,
}

impl Filter {
    fn design(from: u32, to: u32) -> Filter {
        let divisor = gcd(from, to);
        let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
        // Everything in cycles per input sample.
        let lower = f64::from(from.min(to)) / f64::from(from);
        let (pass, stop) = (PASS * lower, STOP * lower);
        let cutoff = (pass + stop) / 2.0;
        // Kaiser's estimates of length and shape for an attenuation and a width of transition.
        let taps = (ATTENUATION_DB - 7.95) / (2.285 * 2.0 * PI * (stop - pass));
        let beta = 0.1102 * (ATTENUATION_DB - 8.7);
        let reach = (taps / 2.0).ceil() as usize;
        let phases = (0..up).map(|phase| taps_of(phase as f64 / up as f64, reach, cutoff, beta)).collect();
        Filter { up, down, reach, phases }
    }

    fn run(&self, samples: &[f32]) -> Vec<f32> {
        let length = (samples.len() * self.up).div_ceil(self.down);
        (0..length)
            .map(|n| {
                let at = n * self.down;
                let (centre, taps) = (at / self.up, &self.phases[at % self.up]);
                let first = centre.saturating_sub(self.reach);
                // Beyond both ends of the sound is silence.
                let skipped = (self.reach + first).saturating_sub(centre);
                samples[first.min(samples.len())..].iter().zip(taps.iter().skip(skipped)).map(|(s, t)| s * t).sum()
            })
            .collect()
    }
}

/// The taps for an output sample that lies `offset` (0 to 1) behind its centre tap. Their sum is 1: the level of a steady sound is kept.
fn taps_of(offset: f64, reach: usize, cutoff: f64, beta: f64) -> Vec<f32> {
    let half = reach as f64 + 1.0;
    let taps: Vec<f64> = (0..=2 * reach + 1)
        .map(|k| {
            let t = k as f64 - reach as f64 - offset;
            let sinc = if t.abs() < 1e-12 { 2.0 * cutoff } else { (2.0 * PI * cutoff * t).sin() / (PI * t) };
            sinc * bessel_i0(beta * (1.0 - (t / half).powi(2)).max(0.0).sqrt()) / bessel_i0(beta)
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|t| (t / sum) as f32).collect()
}

/// The modified Bessel function of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a tone of `hz`, in dB, measured away from the ends.
    fn response_db(rate: u32, hz: f64) -> f64 {
        let length = rate as usize;
        let tone: Vec<f32> = (0..length).map(|i| (2.0 * PI * hz * i as f64 / f64::from(rate)).sin() as f32).collect();
        let heard = to_telephone(rate, &tone);
        let middle = &heard[1000..7000];
        let power: f64 = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (power / 0.5 + 1e-12).log10()
    }

    #[test]
    fn the_telephone_band_passes_and_nothing_folds_into_it() {
        for rate in [48_000, 44_100, 22_050, 16_000] {
            for hz in [60.0, 300.0, 1000.0, 2000.0, 3000.0, 3400.0] {
                let db = response_db(rate, hz);
                assert!(db.abs() < 0.1, "{hz} Hz of {rate} comes through at {db:.2} dB");
            }
            for hz in [4000.0, 4100.0, 4600.0, 5000.0, 6000.0, 7000.0, 7900.0, 9000.0, 11_000.0, 16_000.0, 23_000.0] {
                if hz < f64::from(rate) / 2.0 {
                    let db = response_db(rate, hz);
                    assert!(db < -60.0, "{hz} Hz of {rate} leaves {db:.1} dB");
                }
            }
        }
    }

    #[test]
    fn a_click_stays_where_it_was() {
        let mut click = vec![0.0; 48_000];
        click[24_000] = 1.0;
        let heard = to_telephone(48_000, &click);
        assert_eq!(heard.len(), 8000);
        let loudest = heard.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).map(|(i, _)| i);
        assert_eq!(loudest, Some(4000));
    }

    #[test]
    fn lengths_round_up_and_short_sounds_do_not_fail() {
        assert_eq!(to_telephone(48_000, &[]).len(), 0);
        assert_eq!(to_telephone(48_000, &[1.0]).len(), 1);
        assert_eq!(to_telephone(48_000, &[1.0; 7]).len(), 2);
        assert_eq!(to_telephone(6_000, &[1.0; 6000]).len(), 8000);
        assert_eq!(to_telephone(44_099, &[0.5; 44_099]).len(), 8000);
        let steady = to_telephone(48_000, &[0.5; 4800]);
        assert!((steady[400] - 0.5).abs() < 1e-4);
    }
}
