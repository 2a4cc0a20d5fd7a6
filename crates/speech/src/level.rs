//! One loudness and one breath for every sentence, so that sentences of different voices can be joined and none startles the caller.
//!
//! Speech is brought to -20 dBFS RMS over its voiced parts, near the active speech level that telephone networks are planned for (ITU-T P.56
//! measures it, G.223 plans it); peaks are held under -3 dBFS, where G.711 has room to spare.

use crate::resample::TELEPHONE;
use model::Pcm;

/// RMS of the voiced parts, of full scale: -20 dBFS.
const VOICED_RMS: f32 = 0.1;
/// No sample is louder: -3 dBFS.
const PEAK: f32 = 0.707;
/// No sound is raised by more than this (30 dB), or the hiss of a bad recording would be all there is.
const GAIN_MAX: f32 = 31.6;
/// What is quieter than this, over a frame, is silence: -48 dBFS.
const SILENCE_RMS: f32 = 0.004;
/// Silence kept before the first sound, in samples: 20 ms, so that a soft consonant is whole.
const LEAD: usize = 160;
/// Silence after the last sound, in samples: 100 ms.
const TRAIL: usize = 800;
/// A frame of measurement, in samples: 10 ms.
const FRAME: usize = 80;
/// Reach of the limiter to each side, in samples: 2.5 ms.
const LIMITER_REACH: usize = 20;

/// Brings speech at 8 kHz to the common loudness and breath. `None` if there is nothing to hear in it.
pub(crate) fn even_out(mut samples: Vec<f32>) -> Option<Pcm> {
    let loudness = voiced_rms(&samples)?;
    let gain = (VOICED_RMS / loudness).min(GAIN_MAX);
    samples.iter_mut().for_each(|s| *s *= gain);
    limit(&mut samples);
    let trimmed = trim(&samples)?;
    Some(Pcm { rate: TELEPHONE, samples: trimmed.iter().map(|s| to_i16(*s)).collect() })
}

/// Linear 16-bit from a sample of -1 to 1; what is louder is clipped.
pub(crate) fn to_i16(sample: f32) -> i16 {
    (sample * 32_767.0).round().clamp(-32_767.0, 32_767.0) as i16
}

/// RMS over the frames that are at most 25 dB below the loudest one.
fn voiced_rms(samples: &[f32]) -> Option<f32> {
    let powers: Vec<f32> = samples.chunks(FRAME).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    let floor = loudest / 316.0;
    let voiced: Vec<f32> = powers.into_iter().filter(|p| *p >= floor).collect();
    // -80 dBFS: a file of zeros, or of dither.
    (loudest > 1e-8).then(|| (voiced.iter().sum::<f32>() / voiced.len() as f32).sqrt())
}

fn power(frame: &[f32]) -> f32 {
    frame.iter().map(|s| s * s).sum::<f32>() / frame.len().max(1) as f32
}

/// Holds peaks under [`PEAK`] by turning the volume down around them and up again, not by cutting them off.
fn limit(samples: &mut [f32]) {
    if samples.iter().all(|s| s.abs() <= PEAK) {
        return;
    }
    let wanted: Vec<f32> = samples.iter().map(|s| (PEAK / s.abs().max(PEAK)).min(1.0)).collect();
    // The least gain wanted nearby, then its mean nearby: at a peak all that the mean sees is that peak's own gain.
    let near = |gains: &[f32], at: usize| at.saturating_sub(LIMITER_REACH)..(at + LIMITER_REACH + 1).min(gains.len());
    let least: Vec<f32> = (0..wanted.len()).map(|i| wanted[near(&wanted, i)].iter().copied().fold(1.0, f32::min)).collect();
    for (i, sample) in samples.iter_mut().enumerate() {
        let around = &least[near(&least, i)];
        *sample *= around.iter().sum::<f32>() / around.len() as f32;
    }
}

/// Cuts or pads the silence at both ends to [`LEAD`] and [`TRAIL`].
fn trim(samples: &[f32]) -> Option<Vec<f32>> {
    let audible = |frame: &[f32]| power(frame).sqrt() >= SILENCE_RMS;
    let first = samples.chunks(FRAME).position(audible)? * FRAME;
    let last = samples.chunks(FRAME).rposition(audible)? * FRAME + FRAME;
    let mut trimmed = samples[first.saturating_sub(LEAD)..last.min(samples.len())].to_vec();
    let tail: Vec<f32> = samples.iter().skip(last).take(TRAIL).copied().collect();
    // What follows the last audible frame fades over the first half of the pause: a voice that dies away is not cut off.
    let fade = TRAIL / 2;
    trimmed.extend(tail.iter().enumerate().map(|(i, s)| s * 1.0_f32.min(fade.saturating_sub(i) as f32 / fade as f32)));
    trimmed.resize(last.min(samples.len()) - first.saturating_sub(LEAD) + TRAIL, 0.0);
    Some(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f32, length: usize) -> Vec<f32> {
        (0..length).map(|i| amplitude * (0.3 * i as f32).sin()).collect()
    }
    fn decibel(samples: &[i16]) -> f64 {
        let power = samples.iter().map(|s| (f64::from(*s) / 32_767.0).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * power.log10()
    }

    #[test]
    fn a_whisper_and_a_shout_come_out_alike() {
        for amplitude in [0.01, 0.1, 1.0] {
            let pcm = even_out(tone(amplitude, 8000)).unwrap();
            let middle = decibel(&pcm.samples[800..7200]);
            assert!((middle + 20.0).abs() < 0.5, "{amplitude}: {middle:.1} dBFS");
        }
    }

    #[test]
    fn pauses_do_not_make_a_sentence_louder() {
        let mut samples = tone(0.3, 8000);
        samples.extend(vec![0.0; 32_000]);
        samples.extend(tone(0.3, 8000));
        let pcm = even_out(samples).unwrap();
        assert!((decibel(&pcm.samples[800..7200]) + 20.0).abs() < 0.5);
    }

    #[test]
    fn the_pause_at_the_end_is_the_same_for_all() {
        for (before, after) in [(0, 0), (4000, 0), (0, 40), (4000, 16_000)] {
            let mut samples = vec![0.0; before];
            samples.extend(tone(0.3, 8000));
            samples.extend(vec![0.0; after]);
            let pcm = even_out(samples).unwrap();
            assert_eq!(pcm.samples.len(), 8000 + TRAIL + if before > 0 { LEAD } else { 0 }, "{before} {after}");
            assert!(pcm.samples[pcm.samples.len() - TRAIL / 2..].iter().all(|s| *s == 0));
        }
    }

    #[test]
    fn a_loud_click_does_not_clip_the_sentence() {
        let mut samples = tone(0.1, 8000);
        samples[4000] = 5.0;
        let pcm = even_out(samples).unwrap();
        let peak = pcm.samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(f32::from(peak) <= PEAK * 32_767.0 + 1.0, "{peak}");
    }

    #[test]
    fn silence_is_nothing() {
        assert_eq!(even_out(vec![0.0; 8000]), None);
        assert_eq!(even_out(Vec::new()), None);
    }
}
