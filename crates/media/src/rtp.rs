//! RTP packets in and out: headers, sequence numbers, timestamps, and what was lost on the way.
//!
//! RFC 3550 sections 5.1 and 6.4.1, appendices A.1 (sequence), A.3 (loss) and A.8 (jitter), at the 8000 Hz of telephony.
//! [`Sender`] keeps one outgoing stream and [`Receiver`] judges one incoming; both are what a phone needs as well as we do.

use crate::{FRAME, dtmf, rtcp};
use model::{Instant, Random};
use rtp_rs::{RtpPacketBuilder, RtpReader};

/// Bytes of a header without contributing sources and extension: all that we ever send.
pub const HEADER: usize = 12;
/// The largest packet that we send or pass on, in bytes: an Ethernet frame without IP and UDP headers.
pub const PACKET_MAX: usize = 1472;

/// An incoming packet, read; contributing sources, extension and padding are stripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload is, 0 to 127.
    pub payload_type: u8,
    /// First packet of a talkspurt (RFC 3551 section 4.1) or of an event.
    pub marker: bool,
    /// One more for each packet, wrapping.
    pub sequence: u16,
    /// When its first sample was heard, in samples, wrapping.
    pub timestamp: u32,
    /// Who speaks.
    pub ssrc: u32,
    /// The sound or the event.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` if it is no RTP, or larger than [`PACKET_MAX`].
    pub fn read(bytes: &'a [u8]) -> Option<Packet<'a>> {
        if bytes.len() > PACKET_MAX {
            return None;
        }
        let reader = RtpReader::new(bytes).ok()?;
        Some(Packet {
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            payload: reader.payload(),
        })
    }
}

/// One outgoing stream. Its clock is told to run by [`Sender::tick`], once in 20 ms, whether or not something was sent: a
/// pause is a gap in the timestamps, never a slip.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    /// Of the next packet.
    sequence: u16,
    /// Timestamp of this tick.
    clock: u32,
    /// The first timestamp that no packet has covered yet.
    floor: u32,
    /// The next packet begins a talkspurt.
    talkspurt: bool,
    packets: u64,
    octets: u64,
}

impl Sender {
    /// A stream with random SSRC, first sequence number and first timestamp (RFC 3550 section 5.1).
    pub fn new(random: &mut Random) -> Sender {
        let clock = random.next_u32();
        Sender {
            ssrc: random.next_u32(),
            sequence: (random.next_u32() >> 16) as u16,
            clock,
            floor: clock,
            talkspurt: true,
            packets: 0,
            octets: 0,
        }
    }

    /// Writes a packet that sounds from this tick on, and gives its length; 0 if it does not fit `out` or [`PACKET_MAX`].
    pub fn frame(&mut self, payload_type: u8, payload: &[u8], out: &mut [u8]) -> usize {
        match out.get_mut(HEADER..HEADER + payload.len()) {
            Some(room) => room.copy_from_slice(payload),
            None => return 0,
        }
        self.seal(payload_type, payload.len(), out)
    }

    /// Writes the header before a payload of `length` bytes that stands already at [`HEADER`] in `out`.
    pub(crate) fn seal(&mut self, payload_type: u8, length: usize, out: &mut [u8]) -> usize {
        let timestamp = self.timestamp();
        self.clock = timestamp;
        let marker = std::mem::take(&mut self.talkspurt);
        let sequence = self.sequence;
        self.write(Header { payload_type, marker, sequence, timestamp }, length, length, out)
    }

    /// Writes one packet of a key press (RFC 4733 section 2.5).
    pub fn event(&mut self, payload_type: u8, part: &dtmf::Part, out: &mut [u8]) -> usize {
        match out.get_mut(HEADER..HEADER + part.payload.len()) {
            Some(room) => room.copy_from_slice(&part.payload),
            None => return 0,
        }
        // Sound after the key begins a talkspurt.
        self.talkspurt = true;
        let header = Header { payload_type, marker: part.marker, sequence: self.sequence, timestamp: part.timestamp };
        self.write(header, part.payload.len(), usize::from(part.duration), out)
    }

    /// Writes a header before a payload of `length` bytes in place, and notes `samples` as covered.
    pub(crate) fn write(&mut self, header: Header, length: usize, samples: usize, out: &mut [u8]) -> usize {
        let total = HEADER + length;
        if total > out.len() || total > PACKET_MAX {
            return 0;
        }
        let built = RtpPacketBuilder::new()
            .payload_type(header.payload_type & 0x7f)
            .marked(header.marker)
            .sequence(header.sequence.into())
            .timestamp(header.timestamp)
            .ssrc(self.ssrc)
            .build_into(out);
        if built.is_err() {
            return 0;
        }
        let after = header.sequence.wrapping_add(1);
        if ahead(after, self.sequence) {
            self.sequence = after;
        }
        let end = header.timestamp.wrapping_add(samples as u32);
        if later(end, self.floor) {
            self.floor = end;
        }
        self.packets += 1;
        self.octets += length as u64;
        total
    }

    /// 20 ms have passed.
    pub fn tick(&mut self) {
        self.clock = self.clock.wrapping_add(FRAME as u32);
    }

    /// Nothing is sent for a while: the next packet begins a talkspurt.
    pub fn pause(&mut self) {
        self.talkspurt = true;
    }

    /// The timestamp of what is sent at this tick.
    pub fn timestamp(&self) -> u32 {
        if later(self.floor, self.clock) { self.floor } else { self.clock }
    }

    /// Whether what was sent lasts for the whole of this tick.
    pub(crate) fn covers_tick(&self) -> bool {
        self.floor.wrapping_sub(self.clock).cast_signed() >= FRAME as i32
    }

    /// Sequence number of the next packet.
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Who we are in this stream.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// What a sender report says of it (RFC 3550 section 6.4.1).
    pub fn info(&self, now: Instant) -> rtcp::SenderInfo {
        rtcp::SenderInfo { ntp: rtcp::ntp(now), timestamp: self.clock, packets: self.packets as u32, octets: self.octets as u32 }
    }
}

/// The variable part of a header that we write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
}

/// Whether timestamp `a` is after `b` on a clock that wraps.
pub(crate) fn later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// Whether sequence number `a` is after `b`, wrapping.
pub(crate) fn ahead(a: u16, b: u16) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// A jump ahead of more than this many packets is another sequence, not loss (RFC 3550 appendix A.1).
pub(crate) const DROPOUT_MAX: u16 = 3000;
/// A packet behind by more than this many is another sequence, not disorder (RFC 3550 appendix A.1).
const MISORDER_MAX: u16 = 100;
/// The largest step of transit time that counts as jitter, in samples; beyond it the far clock was set anew.
const TRANSIT_STEP_MAX: u32 = 80_000;

/// What a packet is to the stream it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of a source, or of a sequence begun anew.
    First,
    /// After all others so far.
    Next,
    /// After a later one: disorder, but not seen before.
    Late,
    /// Seen before, or too old to tell.
    Duplicate,
    /// Far outside the sequence; believed when the next one follows it.
    Wild,
}

/// One incoming stream: order, loss and jitter. It follows whichever source spoke last.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    source: Option<Source>,
    /// Of sources and sequences gone by.
    lost_before: u64,
    received: u64,
    late: u64,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    /// First and highest sequence number, extended; the first cycle is number 1, so that packets from before the first fit.
    base: u64,
    highest: u64,
    /// Which of the 64 numbers up to `highest` have come; the lowest bit is `highest`.
    window: u64,
    received: u64,
    /// Where a new sequence would go on.
    wild_next: Option<u16>,
    transit: Option<u32>,
    /// Sixteen times the jitter, in samples.
    jitter: u32,
    expected_prior: u64,
    received_prior: u64,
}

impl Source {
    fn new(ssrc: u32, sequence: u16) -> Source {
        let first = (1 << 16) + u64::from(sequence);
        Source {
            ssrc,
            base: first,
            highest: first,
            window: 1,
            received: 1,
            wild_next: None,
            transit: None,
            jitter: 0,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn place(&mut self, sequence: u16) -> Arrival {
        let forward = sequence.wrapping_sub(self.highest as u16);
        let back = forward.wrapping_neg();
        if forward == 0 {
            return Arrival::Duplicate;
        }
        if forward < DROPOUT_MAX {
            self.highest += u64::from(forward);
            self.window = self.window.checked_shl(u32::from(forward)).unwrap_or(0) | 1;
            self.received += 1;
            self.wild_next = None;
            return Arrival::Next;
        }
        if back <= MISORDER_MAX {
            let bit = 1u64.checked_shl(u32::from(back)).unwrap_or(0);
            if bit == 0 || self.window & bit != 0 {
                return Arrival::Duplicate;
            }
            self.window |= bit;
            self.base = self.base.min(self.highest - u64::from(back));
            self.received += 1;
            return Arrival::Late;
        }
        if self.wild_next.replace(sequence.wrapping_add(1)) == Some(sequence) { Arrival::First } else { Arrival::Wild }
    }

    /// RFC 3550 appendix A.8.
    fn time(&mut self, now: Instant, timestamp: u32) {
        let arrival = (now.as_nanos() / 125_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let step = self.transit.replace(transit).map_or(0, |before| transit.wrapping_sub(before).cast_signed().unsigned_abs());
        if step <= TRANSIT_STEP_MAX {
            self.jitter = self.jitter + step - ((self.jitter + 8) >> 4);
        }
    }
}

impl Receiver {
    /// A packet came from the far end. `sound` is false for events, whose timestamps stand still and say nothing of jitter.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>, sound: bool) -> Arrival {
        let arrival = match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc => source.place(packet.sequence),
            Some(_) | None => Arrival::First,
        };
        if arrival == Arrival::First {
            self.lost_before += self.source.as_ref().map_or(0, Source::lost);
            self.source = Some(Source::new(packet.ssrc, packet.sequence));
        }
        match arrival {
            Arrival::First | Arrival::Next => self.received += 1,
            Arrival::Late => {
                self.received += 1;
                self.late += 1;
            }
            Arrival::Duplicate | Arrival::Wild => return arrival,
        }
        if let Some(source) = self.source.as_mut().filter(|_| sound) {
            source.time(now, packet.timestamp);
        }
        arrival
    }

    /// Packets used.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that came after a later one.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Packets that never came (RFC 3550 appendix A.3), of all sources.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }

    /// Interarrival jitter of the present source, in samples.
    pub fn jitter(&self) -> u32 {
        self.source.as_ref().map_or(0, |source| source.jitter >> 4)
    }

    /// The reception report of the present source since the last one (RFC 3550 section 6.4.1), without the echo of its sender report.
    pub fn report(&mut self) -> Option<rtcp::Block> {
        let source = self.source.as_mut()?;
        let (expected, received) = (source.expected(), source.received);
        let expected_since = expected.saturating_sub(source.expected_prior);
        let lost_since = expected_since.saturating_sub(received.saturating_sub(source.received_prior));
        source.expected_prior = expected;
        source.received_prior = received;
        Some(rtcp::Block {
            ssrc: source.ssrc,
            fraction: (lost_since * 256).checked_div(expected_since).unwrap_or(0).min(255) as u8,
            lost: source.lost().min(0x7f_ffff) as u32,
            highest: (source.highest - (1 << 16)) as u32,
            jitter: source.jitter >> 4,
            last_report: 0,
            delay: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(sequence: u16, timestamp: u32, ssrc: u32) -> Packet<'static> {
        Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: &[] }
    }

    #[test]
    fn a_stream_counts_up_through_the_wrap_of_its_sequence() {
        let mut receiver = Receiver::default();
        let mut now = Instant::ZERO;
        for i in 0..200_000u32 {
            now += crate::TICK;
            let arrival = receiver.handle_packet(now, &packet(i as u16, i * 160, 7), true);
            assert_eq!(arrival, if i == 0 { Arrival::First } else { Arrival::Next });
        }
        assert_eq!((receiver.received(), receiver.lost(), receiver.late(), receiver.jitter()), (200_000, 0, 0, 0));
        assert_eq!(receiver.report().unwrap().highest, 199_999, "three cycles and the rest");
    }

    #[test]
    fn lost_late_and_doubled_packets_are_told_apart() {
        let mut receiver = Receiver::default();
        let told: Vec<_> = [65_533, 65_534, 65_535, 2, 1, 1, 65_534, 4]
            .iter()
            .map(|s| receiver.handle_packet(Instant::ZERO, &packet(*s, 0, 7), true))
            .collect();
        use Arrival::*;
        assert_eq!(told, [First, Next, Next, Next, Late, Duplicate, Duplicate, Next]);
        assert_eq!((receiver.received(), receiver.lost(), receiver.late()), (6, 2, 1), "0 and 3 never came");
        assert_eq!(receiver.report().unwrap().fraction, (2 * 256 / 8) as u8);
        assert_eq!(receiver.report().unwrap().fraction, 0, "nothing since");
    }

    #[test]
    fn one_wild_packet_is_dropped_and_a_sequence_begun_anew_is_followed() {
        let mut receiver = Receiver::default();
        receiver.handle_packet(Instant::ZERO, &packet(100, 0, 7), true);
        assert_eq!(receiver.handle_packet(Instant::ZERO, &packet(30_000, 0, 7), true), Arrival::Wild);
        assert_eq!(receiver.handle_packet(Instant::ZERO, &packet(101, 0, 7), true), Arrival::Next);
        assert_eq!(receiver.handle_packet(Instant::ZERO, &packet(30_001, 0, 7), true), Arrival::Wild, "the one before it was long ago");
        assert_eq!(receiver.handle_packet(Instant::ZERO, &packet(30_002, 0, 7), true), Arrival::First);
        assert_eq!(receiver.handle_packet(Instant::ZERO, &packet(30_003, 0, 7), true), Arrival::Next);
        assert_eq!(receiver.lost(), 0);
    }

    #[test]
    fn another_source_mid_call_is_followed_and_the_old_loss_kept() {
        let mut receiver = Receiver::default();
        receiver.handle_packet(Instant::ZERO, &packet(1, 0, 7), true);
        receiver.handle_packet(Instant::ZERO, &packet(4, 0, 7), true);
        assert_eq!(receiver.handle_packet(Instant::ZERO, &packet(50_000, 0, 8), true), Arrival::First);
        assert_eq!((receiver.received(), receiver.lost()), (3, 2));
        assert_eq!(receiver.report().unwrap().ssrc, 8);
    }

    #[test]
    fn jitter_is_that_of_the_standards_formula() {
        // Every second packet 5 ms (40 samples) late: the estimate goes to 40.
        let mut receiver = Receiver::default();
        for i in 0..500u32 {
            let now = Instant::from_millis(u64::from(i) * 20 + if i % 2 == 1 { 5 } else { 0 });
            receiver.handle_packet(now, &packet(i as u16, i * 160, 7), true);
        }
        assert!((38..=40).contains(&receiver.jitter()), "{}", receiver.jitter());
    }

    #[test]
    fn a_pause_is_a_gap_in_timestamps_and_begins_a_talkspurt() {
        let mut sender = Sender::new(&mut Random::from_number(1));
        let mut out = [0; 200];
        let n = sender.frame(0, &[0xff; 160], &mut out);
        let first = Packet::read(&out[..n]).map(|p| (p.sequence, p.timestamp, p.marker)).unwrap();
        sender.tick();
        sender.pause();
        sender.tick();
        let n = sender.frame(0, &[0xff; 160], &mut out);
        let second = Packet::read(&out[..n]).map(|p| (p.sequence, p.timestamp, p.marker)).unwrap();
        assert_eq!(second, (first.0.wrapping_add(1), first.1.wrapping_add(320), true));
        sender.tick();
        let n = sender.frame(0, &[0xff; 160], &mut out);
        assert!(!Packet::read(&out[..n]).unwrap().marker);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let _ = Packet::read(&bytes);
        }

        #[test]
        fn no_headers_break_the_receiver(packets in proptest::collection::vec((any::<u16>(), any::<u32>(), 0..3u32, any::<u64>()), 0..200)) {
            let mut receiver = Receiver::default();
            for (sequence, timestamp, ssrc, at) in packets {
                receiver.handle_packet(Instant::from_nanos(at), &packet(sequence, timestamp, ssrc), true);
                receiver.report();
            }
            prop_assert!(receiver.received() <= 200);
        }
    }
}
