//! What a caller says after the beep, put in order and cut into even frames, one each 20 ms, until something ends it.
//!
//! Packets of RFC 3550 come late, twice, or not at all; what is written down has no holes and runs as the clock does: what did not come is
//! silence. Files are the edge's business: each frame leaves by [`crate::Wire::keep`].

use crate::FRAME;
use crate::input::Input;
use crate::rack::{RecordEnd, Wire};
use crate::rtp::{Arrival, Packet};
use crate::{Event, TICK};
use model::{Codec, RecordId};
use std::time::Duration;

/// A sample above this (-48 dB of full scale) is somebody: speech over a bad mobile lies well above, the noise of a quiet line below.
const LOUD: u16 = 128;

/// A message in the course of being recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) id: RecordId,
    input: Input,
    frames_max: u32,
    silent_max: u32,
    frames: u32,
    /// Frames up to the last one in which somebody spoke.
    spoken: u32,
}

impl Recording {
    pub(crate) fn new(id: RecordId, max: Duration, silence: Duration) -> Recording {
        Recording { id, input: Input::new(), frames_max: ticks(max), silent_max: ticks(silence), frames: 0, spoken: 0 }
    }

    pub(crate) fn handle_sound(&mut self, packet: &Packet<'_>, codec: Codec, arrival: Arrival) {
        self.input.handle_sound(packet, codec, arrival);
    }

    /// 20 ms have passed: one more frame is written down. How it ends, if it ends here.
    pub(crate) fn tick(&mut self, wire: &mut impl Wire) -> Option<RecordEnd> {
        self.input.tick();
        let frame = self.input.frame().copied().unwrap_or([0; FRAME]);
        if !wire.keep(self.id, &frame) {
            return Some(RecordEnd::Lost);
        }
        self.frames += 1;
        if frame.iter().any(|sample| sample.unsigned_abs() > LOUD) {
            self.spoken = self.frames;
        }
        if self.frames >= self.frames_max {
            return Some(RecordEnd::Full);
        }
        (self.frames - self.spoken >= self.silent_max).then_some(RecordEnd::Silent)
    }

    pub(crate) fn ended(&self, how: RecordEnd) -> Event {
        Event::Recorded { id: self.id, how, length: TICK * self.frames, spoken: TICK * self.spoken }
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX).max(1)
}
