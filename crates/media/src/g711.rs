//! The two codecs of the telephone network, by table.
//!
//! ITU-T G.711: mu-law (PCMU) and A-law (PCMA), 8 bits a sample. The tables are made by the compiler from the formulas
//! below; encoding looks at the 14 bits (mu-law) or 12 bits (A-law) of a sample that the law distinguishes.

use model::Codec;

static MU_DECODE: [i16; 256] = mu_decode_table();
static A_DECODE: [i16; 256] = a_decode_table();
static MU_ENCODE: [u8; 1 << 14] = mu_encode_table();
static A_ENCODE: [u8; 1 << 12] = a_encode_table();
static MU_TO_A: [u8; 256] = mu_to_a_table();
static A_TO_MU: [u8; 256] = a_to_mu_table();

/// One sample as a byte.
#[inline]
pub fn encode(codec: Codec, sample: i16) -> u8 {
    let bits = usize::from(sample.cast_unsigned());
    match codec {
        Codec::Pcmu => MU_ENCODE[bits >> 2],
        Codec::Pcma => A_ENCODE[bits >> 4],
    }
}

/// One byte as a sample.
#[inline]
pub fn decode(codec: Codec, byte: u8) -> i16 {
    match codec {
        Codec::Pcmu => MU_DECODE[usize::from(byte)],
        Codec::Pcma => A_DECODE[usize::from(byte)],
    }
}

/// Encodes as many samples as both slices hold.
pub fn encode_slice(codec: Codec, samples: &[i16], bytes: &mut [u8]) {
    for (byte, sample) in bytes.iter_mut().zip(samples) {
        *byte = encode(codec, *sample);
    }
}

/// Decodes as many bytes as both slices hold.
pub fn decode_slice(codec: Codec, bytes: &[u8], samples: &mut [i16]) {
    for (sample, byte) in samples.iter_mut().zip(bytes) {
        *sample = decode(codec, *byte);
    }
}

/// Silence, encoded.
pub const fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0xff,
        Codec::Pcma => 0xd5,
    }
}

/// Copies encoded sound into another codec, as many bytes as both slices hold.
pub fn transcode(from: Codec, to: Codec, bytes: &[u8], out: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &MU_TO_A,
        (Codec::Pcma, Codec::Pcmu) => &A_TO_MU,
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => {
            for (o, b) in out.iter_mut().zip(bytes) {
                *o = *b;
            }
            return;
        }
    };
    for (o, b) in out.iter_mut().zip(bytes) {
        *o = table[usize::from(*b)];
    }
}

/// G.711 table 2b: sign, three bits of segment, four of step, all inverted; the bias of 33 makes segments powers of two.
const fn mu_decode_one(byte: u8) -> i16 {
    let bits = !byte;
    let segment = (bits >> 4) & 7;
    let step = (bits & 0x0f) as i16;
    let magnitude = ((((step << 1) + 33) << segment) - 33) << 2;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

/// The value is the sample's upper 14 bits.
const fn mu_encode_one(value: i16) -> u8 {
    let magnitude = if value < 0 { !value } else { value };
    let mut biased = magnitude + 33;
    if biased > 0x1fff {
        biased = 0x1fff;
    }
    let segment = (biased >> 5).ilog2() as u8;
    let step = ((biased >> (segment + 1)) & 0x0f) as u8;
    let sign = if value < 0 { 0x80 } else { 0 };
    !(sign | segment << 4 | step)
}

/// G.711 table 1b: sign, three bits of segment, four of step, every second bit inverted.
const fn a_decode_one(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let segment = (bits >> 4) & 7;
    let step = (bits & 0x0f) as i16;
    let magnitude = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (segment - 1) };
    if bits & 0x80 == 0 { -magnitude } else { magnitude }
}

/// The value is the sample's upper 12 bits.
const fn a_encode_one(value: i16) -> u8 {
    let magnitude = if value < 0 { !value } else { value };
    let (segment, step) = if magnitude < 16 {
        (0, magnitude as u8)
    } else {
        let segment = magnitude.ilog2() as u8 - 3;
        (segment, ((magnitude >> (segment - 1)) & 0x0f) as u8)
    };
    let sign = if value < 0 { 0 } else { 0x80 };
    (sign | segment << 4 | step) ^ 0x55
}

const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = mu_decode_one(i as u8);
        i += 1;
    }
    table
}

const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = a_decode_one(i as u8);
        i += 1;
    }
    table
}

const fn mu_encode_table() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut i: u16 = 0;
    while i < 1 << 14 {
        table[i as usize] = mu_encode_one((i << 2).cast_signed() >> 2);
        i += 1;
    }
    table
}

const fn a_encode_table() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut i: u16 = 0;
    while i < 1 << 12 {
        table[i as usize] = a_encode_one((i << 4).cast_signed() >> 4);
        i += 1;
    }
    table
}

const fn mu_to_a_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = a_encode_one(mu_decode_one(i as u8) >> 4);
        i += 1;
    }
    table
}

const fn a_to_mu_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = mu_encode_one(a_decode_one(i as u8) >> 2);
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corner_values_are_those_of_the_standard() {
        for (byte, sample) in [(0x00, -32124), (0x80, 32124), (0xff, 0), (0x7f, 0), (0x0f, -16764), (0x8f, 16764), (0xf0, 120)] {
            assert_eq!(decode(Codec::Pcmu, byte), sample, "mu {byte:#x}");
        }
        for (byte, sample) in [(0x2a, -32256), (0xaa, 32256), (0xd5, 8), (0x55, -8), (0x80, 5504), (0xc5, 264)] {
            assert_eq!(decode(Codec::Pcma, byte), sample, "A {byte:#x}");
        }
        for codec in Codec::ALL {
            assert_eq!(encode(codec, 0), silence(codec));
            assert_eq!(decode(codec, encode(codec, i16::MAX)), -decode(codec, encode(codec, i16::MIN)));
        }
    }

    #[test]
    fn decoding_and_encoding_again_changes_nothing() {
        for codec in Codec::ALL {
            for byte in 0..=255 {
                // Mu-law has a minus zero; it comes back as zero.
                let expected = if codec == Codec::Pcmu && byte == 0x7f { 0xff } else { byte };
                assert_eq!(encode(codec, decode(codec, byte)), expected, "{codec:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step() {
        for codec in Codec::ALL {
            for sample in i16::MIN..=i16::MAX {
                let back = i32::from(decode(codec, encode(codec, sample)));
                let magnitude = i32::from(sample).abs();
                // Steps double with each segment: at most a sixteenth of the segment's start, half of that off.
                let allowed = (magnitude / 16 / 2 + 17).max((magnitude - 32124).max(0));
                assert!((back - i32::from(sample)).abs() <= allowed, "{codec:?} {sample} {back}");
            }
        }
    }

    #[test]
    fn the_transcoding_table_is_decode_then_encode() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut out = [0; 256];
        for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu), (Codec::Pcma, Codec::Pcma)] {
            transcode(from, to, &bytes, &mut out);
            for (byte, o) in bytes.iter().zip(out) {
                assert_eq!(o, if from == to { *byte } else { encode(to, decode(from, *byte)) });
            }
        }
    }
}
