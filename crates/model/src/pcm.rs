//! Sound as samples, and the two codecs that every carrier offers.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Mono sound: 16-bit linear samples at `rate` Hz.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pcm {
    /// Samples a second, in Hz.
    pub rate: u32,
    /// Linear samples, full scale is 32767.
    pub samples: Vec<i16>,
}

impl Pcm {
    /// How long it sounds.
    pub fn length(&self) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(self.rate))
    }
    /// Silence of a length, in samples.
    pub fn silence(rate: u32, samples: usize) -> Pcm {
        Pcm { rate, samples: vec![0; samples] }
    }
    /// A sine of `hz` at `amplitude` (of 32767), `samples` long.
    pub fn tone(rate: u32, hz: f64, amplitude: i16, samples: usize) -> Pcm {
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        let samples = (0..samples).map(|i| (f64::from(amplitude) * (step * i as f64).sin()).round() as i16).collect();
        Pcm { rate, samples }
    }
}

/// An audio codec of the telephone network, by its static RTP payload type (RFC 3551 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// All of them, in our order of preference.
    pub const ALL: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];
    /// The static payload type.
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }
    /// The name in an SDP rtpmap.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }
    /// Samples a second.
    pub const fn rate(self) -> u32 {
        8000
    }
}
