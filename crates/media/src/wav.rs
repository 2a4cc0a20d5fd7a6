//! WAV files in memory: recorded prompts in, what a phone heard out.
//!
//! PCM of 8 or 16 bits, mono or stereo, at any rate, and mono mu-law; the rate is left as it is. Files themselves are the edge's business.

use crate::{Fault, g711};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use model::{Codec, Pcm};
use std::io::Cursor;

/// The longest sound that is read, in samples a channel: an hour at 48 kHz.
const SAMPLES_MAX: usize = 60 * 60 * 48_000;

/// The tag of mu-law in a file's format (RFC 2361 appendix A).
const MU_LAW: u16 = 7;

/// Reads a file; stereo is mixed to mono.
///
/// # Errors
/// [`Fault::Wav`] when it is not of this kind, [`Fault::TooLong`].
pub fn read(bytes: &[u8]) -> Result<Pcm, Fault> {
    if let Some(pcm) = mu_law(bytes) {
        return pcm;
    }
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(|e| Fault::Wav(e.to_string()))?;
    let spec = reader.spec();
    let shift = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, 8) => 8,
        (SampleFormat::Int, 16) => 0,
        (format, bits) => return Err(Fault::Wav(format!("its samples are {format:?} of {bits} bits"))),
    };
    if spec.sample_rate == 0 || !matches!(spec.channels, 1 | 2) {
        return Err(Fault::Wav(format!("it has {} channels at {} Hz", spec.channels, spec.sample_rate)));
    }
    let channels = usize::from(spec.channels);
    let mut samples = Vec::new();
    let (mut sum, mut heard) = (0i32, 0);
    for sample in reader.samples::<i16>() {
        sum += i32::from(sample.map_err(|e| Fault::Wav(e.to_string()))?) << shift;
        heard += 1;
        if heard == channels {
            if samples.len() == SAMPLES_MAX {
                return Err(Fault::TooLong);
            }
            samples.push((sum / i32::from(spec.channels)) as i16);
            (sum, heard) = (0, 0);
        }
    }
    Ok(Pcm { rate: spec.sample_rate, samples })
}

/// A file of mu-law, which hound does not know; `None` if it is none.
fn mu_law(bytes: &[u8]) -> Option<Result<Pcm, Fault>> {
    let form = chunk(bytes, b"fmt ")?;
    let word = |at: usize| Some(u16::from_le_bytes(form.get(at..at + 2)?.try_into().ok()?));
    if word(0)? != MU_LAW {
        return None;
    }
    let rate = u32::from_le_bytes(form.get(4..8)?.try_into().ok()?);
    if word(2)? != 1 || rate == 0 {
        return Some(Err(Fault::Wav("its mu-law is not mono, or has no rate".to_owned())));
    }
    let samples = chunk(bytes, b"data").unwrap_or_default();
    if samples.len() > SAMPLES_MAX {
        return Some(Err(Fault::TooLong));
    }
    Some(Ok(Pcm { rate, samples: samples.iter().map(|byte| g711::decode(Codec::Pcmu, *byte)).collect() }))
}

/// What stands in a chunk of a RIFF file, as far as it is there.
fn chunk<'b>(bytes: &'b [u8], name: &[u8; 4]) -> Option<&'b [u8]> {
    let mut rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    loop {
        let (head, body) = rest.split_at_checked(8)?;
        let (called, size) = head.split_at(4);
        let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
        if called == name {
            return Some(body.get(..size).unwrap_or(body));
        }
        // Chunks begin at even places.
        rest = body.get(size + size % 2..)?;
    }
}

/// Writes mono, 16 bits.
///
/// # Errors
/// [`Fault::Wav`] when it is larger than such a file can be (4 GiB).
pub fn write(pcm: &Pcm) -> Result<Vec<u8>, Fault> {
    save(pcm.rate, 1, pcm.samples.iter().copied())
}

/// Writes two sounds of one rate as left and right, 16 bits; the shorter one ends in silence.
///
/// # Errors
/// [`Fault::Rate`] when the rates differ, [`Fault::Wav`] as for [`write()`].
pub fn write_stereo(left: &Pcm, right: &Pcm) -> Result<Vec<u8>, Fault> {
    if left.rate != right.rate {
        return Err(Fault::Rate(right.rate));
    }
    let at = |pcm: &Pcm, i: usize| pcm.samples.get(i).copied().unwrap_or(0);
    let length = left.samples.len().max(right.samples.len());
    save(left.rate, 2, (0..length).flat_map(|i| [at(left, i), at(right, i)]))
}

fn save(rate: u32, channels: u16, samples: impl Iterator<Item = i16>) -> Result<Vec<u8>, Fault> {
    let fault = |e: hound::Error| Fault::Wav(e.to_string());
    let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).map_err(fault)?;
    for sample in samples {
        writer.write_sample(sample).map_err(fault)?;
    }
    writer.finalize().map_err(fault)?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let pcm = Pcm::tone(16_000, 440.0, 9000, 1600);
        assert_eq!(read(&write(&pcm).unwrap()).unwrap(), pcm);
    }

    #[test]
    fn stereo_comes_back_as_the_mean_of_both_sides() {
        let left = Pcm { rate: 8000, samples: vec![1000, 1000, 1000] };
        let right = Pcm { rate: 8000, samples: vec![3000] };
        let file = write_stereo(&left, &right).unwrap();
        assert_eq!(read(&file).unwrap().samples, [2000, 500, 500]);
        assert_eq!(write_stereo(&left, &Pcm::silence(16_000, 1)), Err(Fault::Rate(16_000)));
    }

    #[test]
    fn eight_bits_are_as_loud_as_sixteen() {
        let spec = WavSpec { channels: 1, sample_rate: 11_025, bits_per_sample: 8, sample_format: SampleFormat::Int };
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).unwrap();
        for sample in [0i8, 127, -128] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        assert_eq!(read(&file.into_inner()).unwrap(), Pcm { rate: 11_025, samples: vec![0, 127 * 256, -32768] });
    }

    #[test]
    fn the_telephones_own_law_is_read_too() {
        let mut file = b"RIFF\x2f\0\0\0WAVEfmt \x12\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0data\x03\0\0\0".to_vec();
        file.extend([0xff, 0x80, 0x00]);
        let loudest = g711::decode(Codec::Pcmu, 0x80);
        assert_eq!(read(&file).unwrap(), Pcm { rate: 8000, samples: vec![0, loudest, -loudest] });
        assert!(loudest > 32_000);
        file[22] = 2;
        assert!(read(&file).unwrap_err().to_string().contains("mono"));
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        assert!(matches!(read(b"ID3 music"), Err(Fault::Wav(_))));
        let spec = WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 32, sample_format: SampleFormat::Float };
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).unwrap();
        writer.write_sample(0.5f32).unwrap();
        writer.finalize().unwrap();
        assert!(read(&file.into_inner()).unwrap_err().to_string().contains("32 bits"));
    }

    proptest! {
        #[test]
        fn no_broken_file_breaks_the_reader(cuts in proptest::collection::vec((0..60usize, any::<u8>()), 0..8), end in 0..60usize) {
            let mut file = write(&Pcm::silence(8000, 8)).unwrap();
            for (at, byte) in cuts {
                if let Some(b) = file.get_mut(at) {
                    *b = byte;
                }
            }
            let _ = read(&file);
            let _ = read(file.get(..end).unwrap_or(&file));
        }
    }
}
