//! How the numbers of one person's packets become the numbers of our stream to the other.
//!
//! Sequence numbers and timestamps keep their distances, so that the listening phone sees loss, disorder and pauses as they
//! were and does with them what it does best. Where distances mean nothing (another source, a jump) the row begins anew at our
//! own clock, with a marker (RFC 3550 section 5.1, RFC 3551 section 4.1).

use crate::rtp::{Arrival, Header, Packet, Sender, later};

/// A jump ahead of the timestamps by more than this many samples (10 s) begins a new row.
const AHEAD_MAX: u32 = 80_000;
/// A jump back by more than this many samples (1 s) begins a new row; events and disorder step back by less than that.
const BACK_MAX: u32 = 8_000;
/// Packets in one go: as many as four seconds held up on the way. What exceeds it is dropped, so that nobody floods the other's phone.
const BURST_MAX: u8 = 200;
/// Packets a tick in the long run; a phone sends one, at the shortest packet time four.
const PER_TICK: u8 = 5;
/// After this many ticks (300 ms) without a packet from the partner, silence is sent in its place.
const QUIET_TICKS: u8 = 15;

/// The row from the partner into one leg's outgoing stream.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    row: Option<Row>,
    /// Ticks since the last packet, at most [`QUIET_TICKS`].
    quiet: u8,
    /// Packets that may pass before the next tick.
    credit: u8,
}

#[derive(Clone, Debug)]
struct Row {
    ssrc: u32,
    /// Sequence number of its first packet, as it came.
    first: u16,
    /// Timestamp of the packet before, as it came.
    timestamp: u32,
    /// What is added to what comes.
    sequence_step: u16,
    timestamp_step: u32,
}

impl Relay {
    pub(crate) fn new() -> Relay {
        Relay { row: None, quiet: QUIET_TICKS, credit: BURST_MAX }
    }

    /// The header under which a packet of the partner's goes out by `sender`; `None` for one that is out of the row.
    pub(crate) fn header(&mut self, packet: &Packet<'_>, arrival: Arrival, payload_type: u8, sender: &Sender) -> Option<Header> {
        self.credit = self.credit.checked_sub(1)?;
        let same = self.row.as_ref().filter(|row| row.ssrc == packet.ssrc);
        let goes_on = match arrival {
            Arrival::Late => {
                let row = same.filter(|row| packet.sequence.wrapping_sub(row.first).cast_signed() >= 0)?;
                return Some(row.header(packet, payload_type, packet.marker));
            }
            Arrival::Next => same.is_some_and(|row| {
                let ahead = packet.timestamp.wrapping_sub(row.timestamp);
                ahead <= AHEAD_MAX || ahead.wrapping_neg() <= BACK_MAX
            }),
            Arrival::First => false,
            Arrival::Duplicate | Arrival::Wild => return None,
        };
        self.quiet = 0;
        if !goes_on {
            self.row = None;
        }
        let row = self.row.get_or_insert_with(|| Row {
            ssrc: packet.ssrc,
            first: packet.sequence,
            timestamp: packet.timestamp,
            sequence_step: sender.sequence().wrapping_sub(packet.sequence),
            timestamp_step: sender.timestamp().wrapping_sub(packet.timestamp),
        });
        if later(packet.timestamp, row.timestamp) {
            row.timestamp = packet.timestamp;
        }
        Some(row.header(packet, payload_type, packet.marker || !goes_on))
    }

    /// A packet of the partner's is not for this leg (a key that it does not know): its number is taken out of the row, so
    /// that it does not look lost.
    pub(crate) fn leave_out(&mut self, packet: &Packet<'_>, arrival: Arrival) {
        if let (Some(row), Arrival::Next) = (self.row.as_mut().filter(|row| row.ssrc == packet.ssrc), arrival) {
            row.sequence_step = row.sequence_step.wrapping_sub(1);
        }
    }

    /// Something else sounds on this leg, or nothing: the row ends, and what follows is a talkspurt.
    pub(crate) fn interrupt(&mut self, sender: &mut Sender) {
        self.quiet = QUIET_TICKS;
        if self.row.take().is_some() {
            sender.pause();
        }
    }

    /// 20 ms have passed. Whether the partner has been quiet for so long that silence is to be sent.
    pub(crate) fn tick(&mut self, sender: &mut Sender) -> bool {
        self.credit = self.credit.saturating_add(PER_TICK).min(BURST_MAX);
        if self.quiet >= QUIET_TICKS {
            self.interrupt(sender);
            return true;
        }
        self.quiet += 1;
        false
    }
}

impl Row {
    fn header(&self, packet: &Packet<'_>, payload_type: u8, marker: bool) -> Header {
        Header {
            payload_type,
            marker,
            sequence: packet.sequence.wrapping_add(self.sequence_step),
            timestamp: packet.timestamp.wrapping_add(self.timestamp_step),
        }
    }
}
