//! Reads recordings and what voice commands write, and writes the cache's files.
//!
//! RIFF/WAVE with linear samples of 8 to 32 bits, 32-bit floats or the telephone's own mu-law, any number of channels (they are mixed);
//! everything comes out as 8 kHz mono.

use crate::fault::{Fault, WavFault};
use crate::level::to_i16;
use crate::resample::{TELEPHONE, to_telephone};
use model::Pcm;
use std::io::{Cursor, Read};
use std::ops::RangeInclusive;
use std::path::Path;

/// Sample rates that we read, in Hz.
pub(crate) const RATES: RangeInclusive<u32> = 4_000..=192_000;
/// Longest sound that we read.
pub(crate) const MINUTES_MAX: u32 = 10;
/// Largest file that we read: ten minutes of 96 kHz stereo floats, nearly.
const BYTES_MAX: u64 = 400 << 20;

/// A recording as 8 kHz mono, at the loudness that it has.
///
/// # Errors
/// [`Fault::Recording`] names the file, what is wrong with it and what to do.
pub fn read_recorded(path: &Path) -> Result<Pcm, Fault> {
    let fault = |why| Fault::Recording { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|e| fault(WavFault::Read(e)))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| fault(WavFault::Read(e)))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(fault(WavFault::TooLong));
    }
    decode_recorded(path, &bytes)
}

/// As [`read_recorded`], for a recording that is in memory already; `path` is its name in errors.
///
/// # Errors
/// As [`read_recorded`].
pub fn decode_recorded(path: &Path, bytes: &[u8]) -> Result<Pcm, Fault> {
    let fault = |why| Fault::Recording { path: path.to_owned(), why };
    let samples = decode(bytes, Ending::Known).map_err(fault)?;
    if samples.is_empty() {
        return Err(fault(WavFault::Empty));
    }
    Ok(Pcm { rate: TELEPHONE, samples: samples.into_iter().map(to_i16).collect() })
}

/// Whether the header's length of the sound can be believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A file: a shorter one than its header says was cut off.
    Known,
    /// A pipe: who writes a header before the sound is known cannot fill in its length.
    Streamed,
}

/// Samples of -1 to 1 at 8 kHz.
pub(crate) fn decode(bytes: &[u8], ending: Ending) -> Result<Vec<f32>, WavFault> {
    let wav = essence(bytes, ending)?;
    let mut reader = hound::WavReader::new(Cursor::new(wav)).map_err(|e| WavFault::Format(e.to_string()))?;
    let spec = reader.spec();
    if !RATES.contains(&spec.sample_rate) {
        return Err(WavFault::Rate(spec.sample_rate));
    }
    let frames_max = spec.sample_rate as usize * 60 * MINUTES_MAX as usize;
    if reader.duration() as usize > frames_max {
        return Err(WavFault::TooLong);
    }
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        hound::SampleFormat::Float => {
            reader.samples::<f32>().map(|s| s.map(|s| if s.is_finite() { s.clamp(-1.0, 1.0) } else { 0.0 })).collect()
        }
        hound::SampleFormat::Int => {
            let full_scale = 2.0_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|s| s.map(|s| s as f32 / full_scale)).collect()
        }
    };
    let samples = samples.map_err(|e| WavFault::Format(e.to_string()))?;
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> = samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    Ok(to_telephone(spec.sample_rate, &mono))
}

/// The two chunks that matter, with honest lengths: a clean WAV again, whatever else the file holds.
fn essence(bytes: &[u8], ending: Ending) -> Result<Vec<u8>, WavFault> {
    let broken = |why: &str| WavFault::Format(why.to_owned());
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err(broken("it does not begin with RIFF and WAVE"));
    }
    let mut rest = &bytes[12..];
    let mut format = None;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let said = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let whole = said <= body.len();
        let chunk = &body[..said.min(body.len())];
        match &head[..4] {
            b"fmt " if whole => format = Some(chunk),
            b"data" => {
                let format = format.ok_or_else(|| broken("its sound comes before its format"))?;
                let block = format.get(12..14).map_or(1, |b| usize::from(u16::from_le_bytes([b[0], b[1]]))).max(1);
                if !whole && ending == Ending::Known {
                    return Err(broken("it is shorter than its header says"));
                }
                let sound = &chunk[..chunk.len() - chunk.len() % block];
                return if format.get(..2) == Some(&MU_LAW) { unfold(format, sound)? } else { rebuild(format, sound) }
                    .ok_or(WavFault::TooLong);
            }
            _ if whole => {}
            _ => return Err(broken("a part of it is cut off")),
        }
        // Chunks begin at even places.
        rest = body.get(said + said % 2..).unwrap_or_default();
    }
    Err(broken("it has no sound in it"))
}

/// The tag of mu-law in a WAV's format (RFC 2361 appendix A).
const MU_LAW: [u8; 2] = [7, 0];

/// Mu-law as 16 bits: half the file for the sound that the telephone carries anyway.
fn unfold(format: &[u8], sound: &[u8]) -> Result<Option<Vec<u8>>, WavFault> {
    let number = |at: usize| format.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let (Some(channels), Some(rate), Some(8)) = (number(2), format.get(4..8), number(14)) else {
        return Err(WavFault::Format("its mu-law has not 8 bits".to_owned()));
    };
    let block = channels.saturating_mul(2);
    let each_second = u32::from_le_bytes([rate[0], rate[1], rate[2], rate[3]]).saturating_mul(u32::from(block));
    let mut linear = vec![1, 0];
    for part in [&channels.to_le_bytes()[..], rate, &each_second.to_le_bytes(), &block.to_le_bytes(), &16u16.to_le_bytes()] {
        linear.extend_from_slice(part);
    }
    Ok(rebuild(&linear, &sound.iter().flat_map(|byte| expanded(*byte).to_le_bytes()).collect::<Vec<u8>>()))
}

/// One sample of mu-law (ITU-T G.711): sign, exponent and mantissa, each bit turned round, on a bias of 33 at 14 bits.
fn expanded(byte: u8) -> i16 {
    let byte = !byte;
    let size = ((i16::from(byte & 0x0f) << 3) + 0x84) << ((byte >> 4) & 7);
    if byte & 0x80 == 0 { size - 0x84 } else { 0x84 - size }
}

fn rebuild(format: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let (format_len, data_len) = (u32::try_from(format.len()).ok()?, u32::try_from(data.len()).ok()?);
    let riff_len = format_len.checked_add(data_len)?.checked_add(20)?;
    let mut wav = Vec::with_capacity(format.len() + data.len() + 28);
    for part in [b"RIFF", &riff_len.to_le_bytes(), b"WAVE", b"fmt ", &format_len.to_le_bytes()] {
        wav.extend_from_slice(part);
    }
    wav.extend_from_slice(format);
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&data_len.to_le_bytes());
    wav.extend_from_slice(data);
    Some(wav)
}

/// A 16-bit mono WAV. `None` for a sound too long for one (12 hours at 48 kHz).
pub(crate) fn encode(pcm: &Pcm) -> Option<Vec<u8>> {
    let (mono, bits) = (1u16, 16u16);
    let mut format = Vec::with_capacity(16);
    format.extend_from_slice(&1u16.to_le_bytes());
    format.extend_from_slice(&mono.to_le_bytes());
    format.extend_from_slice(&pcm.rate.to_le_bytes());
    format.extend_from_slice(&pcm.rate.checked_mul(2)?.to_le_bytes());
    format.extend_from_slice(&2u16.to_le_bytes());
    format.extend_from_slice(&bits.to_le_bytes());
    let data: Vec<u8> = pcm.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    rebuild(&format, &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(spec: hound::WavSpec, fill: impl Fn(&mut hound::WavWriter<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        fill(&mut writer);
        writer.finalize().unwrap();
        bytes.into_inner()
    }
    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> hound::WavSpec {
        hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format: hound::SampleFormat::Int }
    }

    #[test]
    fn any_width_and_number_of_channels_comes_out_the_same() {
        for bits in [8, 16, 24, 32] {
            let half = 1i64 << (bits - 2);
            let wav = written(spec(2, 16_000, bits), |w| {
                for _ in 0..16_000 {
                    w.write_sample(half as i32).unwrap();
                    w.write_sample(half as i32).unwrap();
                }
            });
            let samples = decode(&wav, Ending::Known).unwrap();
            assert_eq!(samples.len(), 8000);
            assert!((samples[4000] - 0.5).abs() < 0.01, "{bits} bits: {}", samples[4000]);
        }
        let float = hound::WavSpec { sample_format: hound::SampleFormat::Float, ..spec(1, 8000, 32) };
        let wav = written(float, |w| [0.25f32, f32::NAN, 7.0].iter().for_each(|s| w.write_sample(*s).unwrap()));
        assert_eq!(decode(&wav, Ending::Known).unwrap(), [0.25, 0.0, 1.0]);
    }

    #[test]
    fn the_telephones_own_samples_are_read() {
        assert_eq!([0xff, 0x7f, 0x80, 0x00, 0xfe, 0xdb].map(expanded), [0, 0, 32_124, -32_124, 8, 524]);
        let wav = |bits: u8, sound: &[u8]| rebuild(&[7, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, bits, 0, 0, 0], sound).unwrap();
        let samples = decode(&wav(8, &[0x80, 0x00, 0xff]), Ending::Known).unwrap();
        assert_eq!(samples.iter().map(|s| (s * 32_768.0) as i16).collect::<Vec<_>>(), [32_124, -32_124, 0]);
        assert!(matches!(decode(&wav(16, &[1, 2]), Ending::Known), Err(WavFault::Format(_))));
        let whole = wav(8, &[0x80; 40]);
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], Ending::Known).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn what_we_write_others_read() {
        let pcm = Pcm { rate: 8000, samples: (-100..100).map(|i| i * 300).collect() };
        let wav = encode(&pcm).unwrap();
        let mut reader = hound::WavReader::new(Cursor::new(&wav)).unwrap();
        assert_eq!(reader.spec(), spec(1, 8000, 16));
        assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), pcm.samples);
    }

    #[test]
    fn a_streamed_sound_may_be_shorter_than_its_header_a_file_may_not() {
        let mut wav = encode(&Pcm { rate: 8000, samples: vec![100; 800] }).unwrap();
        wav[40..44].copy_from_slice(&0x7fff_f000u32.to_le_bytes());
        assert_eq!(decode(&wav, Ending::Streamed).unwrap().len(), 800);
        assert!(matches!(decode(&wav, Ending::Known), Err(WavFault::Format(_))));
    }

    #[test]
    fn no_damage_to_a_file_brings_the_engine_down() {
        let wav = encode(&Pcm { rate: 8000, samples: vec![100; 40] }).unwrap();
        for length in 0..wav.len() {
            assert!(decode(&wav[..length], Ending::Known).is_err(), "cut to {length}");
            let _ = decode(&wav[..length], Ending::Streamed);
        }
        for at in 0..44 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = wav.clone();
                damaged[at] = value;
                let _ = decode(&damaged, Ending::Known);
                let _ = decode(&damaged, Ending::Streamed);
            }
        }
    }
}
