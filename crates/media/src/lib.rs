//! The sound of a call: it plays prompts, hears keys, and lets two people hear each other, one packet at a time.
//!
//! RTP and RTCP (RFC 3550, 3551), telephone keys (RFC 4733) and G.711, without sockets and without a clock. A [`Rack`] holds the
//! sessions of one worker: commands and packets go in, packets leave by a [`Wire`], and what happened is asked by
//! [`Rack::poll_event`]. A prompt is encoded once ([`Clip`]); playing it is a header and a slice. Two legs of one codec are joined
//! by rewriting headers, two codecs by a table. Three or four are summed: each hears all others and never itself.
//!
//! What a leg hears, in this order: the clip that plays; the others of its mix; else encoded silence, so that phones and NATs
//! keep the path and nobody listens to a dead line. While the far end holds us nothing is sent, but time goes on.
//!
//! Keys are heard by us and by nobody else: an agent's star code does not sound in the caller's ear. Where a person must press
//! keys for the machine of another house, [`Command::PassKeys`] lets them through.
//!
//! Deliberately absent: sockets, a jitter buffer for two (prompts need none, and a relayed packet is for the phone's own; a sum
//! has a small one for each voice), mixing of five, encryption, recording of conversations, keys as tones in the sound, and resampling.

mod clip;
pub mod dtmf;
pub mod g711;
mod input;
mod latch;
pub mod listen;
mod play;
mod rack;
mod record;
mod relay;
pub mod rtcp;
pub mod rtp;
mod session;
mod tones;
pub mod wav;

pub use clip::{Clip, Fault};
pub use latch::{Latch, Stream};
pub use rack::{Channel, Command, Event, Far, MIX_MAX, OnKey, PlayEnd, Rack, RecordEnd, Wire};
pub use tones::Tones;

/// Samples a second of everything here.
pub const RATE: u32 = 8000;
/// Samples, and bytes, of one 20 ms frame.
pub const FRAME: usize = 160;
/// How long one frame sounds; [`Rack::handle_tick`] is called once in this time.
pub const TICK: std::time::Duration = std::time::Duration::from_millis(20);
