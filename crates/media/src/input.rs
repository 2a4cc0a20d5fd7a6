//! What one leg says, on its way into a sum of three or four: put in order, made even, one frame at each tick.
//!
//! A packet lies where its RFC 3550 timestamp says. Sound waits for one frame (20 ms) at first. A packet that comes too late
//! makes the wait longer instead of a hole in a word, up to three frames; when more than one was not needed for two seconds, a
//! quiet frame is left out again. What is not there by the tick is silence; of what comes in a heap, the oldest is given up.
//!
//! If links with more than 60 ms of jitter become common, [`WAIT_MAX`] is the number to raise: each frame is 20 ms of echo more.

use crate::rtp::{Arrival, Packet, later};
use crate::{FRAME, g711};
use model::Codec;

/// How long the first sound waits, in samples.
const WAIT: u32 = FRAME as u32;
/// The longest wait, in samples; with more than this before it, a packet begins anew after [`WAIT`].
const WAIT_MAX: u32 = 3 * FRAME as u32;
/// Samples held: the longest wait and the largest packet. A power of two, so that timestamps wrap evenly.
const ROOM: usize = 2048;
/// Ticks after which a wait that was longer than needed is shortened: two seconds.
const WINDOW: u16 = 100;
/// A frame whose samples all lie below this (-40 dB of full scale) may be left out unnoticed.
const QUIET: u16 = 328;

const _: () = assert!(ROOM.is_power_of_two() && ROOM >= WAIT_MAX as usize + crate::rtp::PACKET_MAX);

/// One leg's voice while it is in a sum.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    row: Option<Row>,
    /// Sound by timestamp, round and round; zero where nothing has come.
    room: [i16; ROOM],
    /// What sounds at this tick.
    frame: [i16; FRAME],
    sounds: bool,
}

#[derive(Clone, Debug)]
struct Row {
    ssrc: u32,
    /// Timestamp of the next sample to sound, as the leg counts.
    next: u32,
    /// The first timestamp after all that has come.
    end: u32,
    /// The least that was left after a tick in this window, in samples.
    left: u32,
    /// Ticks of this window.
    ticks: u16,
    /// The last window showed a frame that was not needed.
    surplus: bool,
}

impl Row {
    fn new(packet: &Packet<'_>) -> Row {
        let next = packet.timestamp.wrapping_sub(WAIT);
        Row { ssrc: packet.ssrc, next, end: next, left: u32::MAX, ticks: 0, surplus: false }
    }
}

impl Input {
    pub(crate) fn new() -> Input {
        Input { row: None, room: [0; ROOM], frame: [0; FRAME], sounds: false }
    }

    /// Sound came.
    pub(crate) fn handle_sound(&mut self, packet: &Packet<'_>, codec: Codec, arrival: Arrival) {
        match (&mut self.row, arrival) {
            (_, Arrival::Duplicate | Arrival::Wild) => return,
            // First again after another source spoke: keys may come in a stream of their own.
            (Some(row), Arrival::First | Arrival::Next) if row.ssrc == packet.ssrc => {
                let ahead = packet.timestamp.wrapping_sub(row.next);
                if ahead.wrapping_neg() <= WAIT_MAX {
                    // Its time is past: from here on the leg waits as much longer.
                    row.next = packet.timestamp;
                    row.end = packet.timestamp;
                } else if ahead > WAIT_MAX {
                    self.begin(packet);
                }
            }
            (Some(row), Arrival::Late) if row.ssrc == packet.ssrc => {}
            (_, Arrival::Late) => return,
            (_, Arrival::First | Arrival::Next) => self.begin(packet),
        }
        let Some(row) = &mut self.row else { return };
        // Of a late packet the part that is still to sound.
        let ahead = packet.timestamp.wrapping_sub(row.next).cast_signed();
        let past = ahead.min(0).unsigned_abs() as usize;
        let Some(bytes) = packet.payload.get(past..).filter(|bytes| bytes.len() + ahead.max(0) as usize <= ROOM) else { return };
        let start = row.next.wrapping_add(ahead.max(0).unsigned_abs());
        let at = start as usize % ROOM;
        let (one, other) = bytes.split_at(bytes.len().min(ROOM - at));
        g711::decode_slice(codec, one, &mut self.room[at..]);
        g711::decode_slice(codec, other, &mut self.room);
        let end = start.wrapping_add(bytes.len() as u32);
        if later(end, row.end) {
            row.end = end;
        }
    }

    /// 20 ms have passed: the next frame sounds.
    pub(crate) fn tick(&mut self) {
        self.sounds = false;
        let Some(row) = &mut self.row else { return };
        if row.surplus && later(row.end, row.next.wrapping_add(WAIT)) && quiet(&self.room, row.next) {
            take(&mut self.room, row.next);
            row.next = row.next.wrapping_add(FRAME as u32);
            row.surplus = false;
        }
        if later(row.end, row.next) {
            self.frame = take(&mut self.room, row.next);
            self.sounds = true;
        }
        row.next = row.next.wrapping_add(FRAME as u32);
        if !later(row.end, row.next) {
            row.end = row.next;
        }
        row.left = row.left.min(row.end.wrapping_sub(row.next));
        row.ticks += 1;
        if row.ticks == WINDOW {
            row.surplus = row.left > WAIT;
            (row.left, row.ticks) = (u32::MAX, 0);
        }
    }

    /// What sounds at this tick; `None` for nothing.
    pub(crate) fn frame(&self) -> Option<&[i16; FRAME]> {
        self.sounds.then_some(&self.frame)
    }

    fn begin(&mut self, packet: &Packet<'_>) {
        self.room.fill(0);
        self.row = Some(Row::new(packet));
    }
}

/// One frame out of the room, from a timestamp on; silence is left behind.
fn take(room: &mut [i16; ROOM], from: u32) -> [i16; FRAME] {
    let mut frame = [0; FRAME];
    let at = from as usize % ROOM;
    let (one, other) = frame.split_at_mut(FRAME.min(ROOM - at));
    for (part, at) in [(one, at), (other, 0)] {
        let room = &mut room[at..at + part.len()];
        part.copy_from_slice(room);
        room.fill(0);
    }
    frame
}

/// Whether one frame, from a timestamp on, can be left out unnoticed.
fn quiet(room: &[i16; ROOM], from: u32) -> bool {
    let at = from as usize % ROOM;
    room.iter().cycle().skip(at).take(FRAME).all(|sample| sample.unsigned_abs() < QUIET)
}
