//! Measures sound as an ear would: how loud, which tone and how pure, where it is silent.
//!
//! For tests and for our own phone, which must say what it heard. Levels are in units of samples (full scale 32767).

use std::f64::consts::TAU;
use std::ops::Range;

/// Tones are looked for between these, in Hz: what a telephone carries.
const TONE_HZ: Range<f64> = 60.0..3900.0;
/// The longest stretch looked at for a tone, in samples.
const WINDOW_MAX: usize = 8192;

/// Root mean square; 0 for no samples. A sine of amplitude `a` has `a / sqrt(2)`.
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// The amplitude of one frequency, by Goertzel's algorithm. It tells apart tones that are further apart than `rate` over the number of samples.
pub fn goertzel(samples: &[i16], rate: u32, hz: f64) -> f64 {
    if samples.is_empty() || rate == 0 {
        return 0.0;
    }
    let coefficient = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        (one, two) = (f64::from(*sample) + coefficient * one - two, one);
    }
    let power = (one * one + two * two - coefficient * one * two).max(0.0);
    2.0 * power.sqrt() / samples.len() as f64
}

/// The strongest tone in a stretch of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequency in Hz.
    pub hz: f64,
    /// Amplitude.
    pub amplitude: f64,
    /// Its share of all the energy, 0 to 1: near 1 for a lone sine, well below for speech and music.
    pub purity: f64,
}

/// The dominant tone; `None` for silence and for less than 8 ms. Good to about 1 Hz in 100 ms of a pure tone. Of long sound the first second or so is looked at.
pub fn dominant(samples: &[i16], rate: u32) -> Option<Tone> {
    let samples = samples.get(..WINDOW_MAX.min(samples.len()))?;
    if rate == 0 || samples.len() < 64 || (samples.len() as u64) < u64::from(rate) / 125 {
        return None;
    }
    // Without its mean, a constant is not taken for a very low tone.
    let mean = samples.iter().map(|s| f64::from(*s)).sum::<f64>() / samples.len() as f64;
    let energy = samples.iter().map(|s| (f64::from(*s) - mean).powi(2)).sum::<f64>() / samples.len() as f64;
    if energy < 1.0 {
        return None;
    }
    // Hann window, twice the length in zeros: the peak stands alone and lies on a smooth curve.
    let size = (samples.len() * 2).next_power_of_two();
    let mut re = vec![0.0; size];
    let mut im = vec![0.0; size];
    for (i, (slot, sample)) in re.iter_mut().zip(samples).enumerate() {
        *slot = (f64::from(*sample) - mean) * (0.5 - 0.5 * (TAU * (i as f64 + 0.5) / samples.len() as f64).cos());
    }
    transform(&mut re, &mut im);
    let power: Vec<f64> = re.iter().zip(&im).take(size / 2).map(|(r, i)| r * r + i * i).collect();
    let bin = f64::from(rate) / size as f64;
    let first = (TONE_HZ.start / bin).ceil() as usize;
    let last = ((TONE_HZ.end.min(f64::from(rate) / 2.0)) / bin) as usize;
    let peak = (first.max(1)..last.min(power.len() - 1)).max_by(|a, b| power[*a].total_cmp(&power[*b]))?;
    // A parabola through the logarithms of three neighbours finds the peak between the bins.
    let log = |i: usize| power[i].max(f64::MIN_POSITIVE).ln();
    let (left, middle, right) = (log(peak - 1), log(peak), log(peak + 1));
    let bend = left - 2.0 * middle + right;
    let shift = if bend < 0.0 { (0.5 * (left - right) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    let hz = (peak as f64 + shift) * bin;
    let amplitude = goertzel(samples, rate, hz);
    Some(Tone { hz, amplitude, purity: (amplitude * amplitude / 2.0 / energy).min(1.0) })
}

/// The discrete Fourier transform in place (Cooley and Tukey); lengths are powers of two.
fn transform(re: &mut [f64], im: &mut [f64]) {
    let n = re.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        let angle = -TAU / (2 * half) as f64;
        for k in 0..half {
            let (sin, cos) = (angle * k as f64).sin_cos();
            for a in (k..n).step_by(2 * half) {
                let b = a + half;
                let (r, i) = (re[b] * cos - im[b] * sin, re[b] * sin + im[b] * cos);
                (re[b], im[b]) = (re[a] - r, im[a] - i);
                (re[a], im[a]) = (re[a] + r, im[a] + i);
            }
        }
        half *= 2;
    }
}

/// Stretches of at least `shortest` samples in which every 10 ms (80 samples, the last piece may be shorter) stay below a level, in rms.
pub fn silences(samples: &[i16], below: f64, shortest: usize) -> Vec<Range<usize>> {
    const PIECE: usize = 80;
    let mut gaps = Vec::new();
    let mut from = None;
    for (i, piece) in samples.chunks(PIECE).enumerate() {
        let at = i * PIECE;
        if rms(piece) < below {
            from.get_or_insert(at);
        } else if let Some(start) = from.take() {
            gaps.push(start..at);
        }
    }
    if let Some(start) = from {
        gaps.push(start..samples.len());
    }
    gaps.retain(|gap| gap.len() >= shortest);
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Pcm;

    #[test]
    fn a_tone_is_found_to_the_hertz_in_a_tenth_of_a_second() {
        for hz in [80.0, 300.0, 440.0, 697.5, 1000.0, 1633.0, 2500.0, 3399.0] {
            let pcm = Pcm::tone(8000, hz, 8000, 800);
            let tone = dominant(&pcm.samples, 8000).unwrap();
            assert!((tone.hz - hz).abs() < 1.0, "{hz} {tone:?}");
            assert!(tone.purity > 0.98, "{hz} {tone:?}");
            assert!((tone.amplitude - 8000.0).abs() < 200.0, "{hz} {tone:?}");
        }
    }

    #[test]
    fn two_tones_are_less_pure_than_one_and_noise_is_not_pure_at_all() {
        let (a, b) = (Pcm::tone(8000, 770.0, 6000, 800), Pcm::tone(8000, 1336.0, 5000, 800));
        let both: Vec<i16> = a.samples.iter().zip(&b.samples).map(|(x, y)| x + y).collect();
        let tone = dominant(&both, 8000).unwrap();
        assert!((tone.hz - 770.0).abs() < 3.0 && (0.4..0.8).contains(&tone.purity), "{tone:?}");
        let mut random = model::Random::from_number(3);
        let noise: Vec<i16> = (0..800).map(|_| random.below(8000) as i16 - 4000).collect();
        assert!(dominant(&noise, 8000).unwrap().purity < 0.2);
    }

    #[test]
    fn silence_has_no_tone() {
        assert_eq!(dominant(&[0; 800], 8000), None);
        assert_eq!(dominant(&[500; 800], 8000), None);
        assert_eq!(dominant(&[1], 8000), None);
        assert_eq!(dominant(&[], 0), None);
        assert_eq!(rms(&[]), 0.0);
    }

    #[test]
    fn goertzel_tells_neighbours_apart() {
        let pcm = Pcm::tone(8000, 1000.0, 5000, 400);
        assert!((goertzel(&pcm.samples, 8000, 1000.0) - 5000.0).abs() < 20.0);
        assert!(goertzel(&pcm.samples, 8000, 1100.0) < 100.0);
    }

    #[test]
    fn gaps_in_sound_are_found() {
        let mut samples = Pcm::tone(8000, 440.0, 5000, 800).samples;
        samples.extend(vec![0; 480]);
        samples.extend(Pcm::tone(8000, 440.0, 5000, 800).samples);
        samples.extend(vec![0; 100]);
        assert_eq!(silences(&samples, 100.0, 160), vec![800..1280; 1]);
        assert_eq!(silences(&samples, 100.0, 1), [800..1280, 2080..2180]);
    }
}
