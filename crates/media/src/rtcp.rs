//! RTCP: what each side tells the other of how well it is heard, and that it leaves.
//!
//! RFC 3550 section 6: compound packets of a sender or receiver report with at most one block, an SDES with a CNAME that is
//! random and so says nothing of anybody (RFC 7022), and a BYE. Incoming reports are read for the one thing that we echo;
//! nobody's BYE ends a call, SIP does that.

use model::Instant;

/// Enough for the largest packet that [`write()`] makes.
pub const PACKET_MAX: usize = 96;
/// The letters of a canonical name.
pub const CNAME: usize = 16;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;

/// The sender's part of a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// See [`ntp`].
    pub ntp: u64,
    /// The stream's timestamp at that moment.
    pub timestamp: u32,
    /// Packets sent, wrapping.
    pub packets: u32,
    /// Payload bytes sent, wrapping.
    pub octets: u32,
}

/// One reception report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whose stream it is about.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction: u8,
    /// Lost in all, at most 2^23 - 1.
    pub lost: u32,
    /// Highest sequence number received, extended.
    pub highest: u32,
    /// Jitter, in samples.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of their last sender report; 0 if none came.
    pub last_report: u32,
    /// Time since that report came, in 1/65536 s.
    pub delay: u32,
}

/// The monotonic clock as an NTP timestamp. RFC 3550 section 6.4.1 lets a sender without wall clock give the time elapsed,
/// with the highest bit zero: below the edge there is no other.
pub fn ntp(now: Instant) -> u64 {
    let nanos = now.as_nanos();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    ((seconds & 0x7fff_ffff) << 32) | ((rest << 32) / 1_000_000_000)
}

/// Writes a compound packet and gives its length, at most [`PACKET_MAX`].
pub fn write(
    ssrc: u32,
    sender: Option<SenderInfo>,
    block: Option<Block>,
    cname: &[u8; CNAME],
    bye: bool,
    out: &mut [u8; PACKET_MAX],
) -> usize {
    let mut pen = Pen { out, at: 0 };
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let words = 1 + if sender.is_some() { 5 } else { 0 } + if block.is_some() { 6 } else { 0 };
    pen.head(u8::from(block.is_some()), kind, words);
    pen.word(ssrc);
    if let Some(s) = sender {
        pen.word((s.ntp >> 32) as u32);
        pen.word(s.ntp as u32);
        pen.word(s.timestamp);
        pen.word(s.packets);
        pen.word(s.octets);
    }
    if let Some(b) = block {
        pen.word(b.ssrc);
        pen.word((u32::from(b.fraction) << 24) | b.lost.min(0x7f_ffff));
        pen.word(b.highest);
        pen.word(b.jitter);
        pen.word(b.last_report);
        pen.word(b.delay);
    }
    // One chunk: SSRC, item CNAME, and zeros to the next word (at least one).
    pen.head(1, SDES, 6);
    pen.word(ssrc);
    pen.bytes(&[1, CNAME as u8]);
    pen.bytes(cname);
    pen.bytes(&[0, 0]);
    if bye {
        pen.head(1, BYE, 1);
        pen.word(ssrc);
    }
    pen.at
}

struct Pen<'a> {
    out: &'a mut [u8; PACKET_MAX],
    at: usize,
}

impl Pen<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }
    fn head(&mut self, count: u8, kind: u8, words: u16) {
        self.bytes(&[0x80 | count, kind]);
        self.bytes(&words.to_be_bytes());
    }
}

/// What an incoming compound packet says, as far as we care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whose report it is: the source of its first packet.
    pub from: u32,
    /// A sender report: whose, and the middle 32 bits of its NTP time.
    pub sender: Option<(u32, u32)>,
    /// The first block about a stream of `ssrc` ours: fraction lost in 256ths, and jitter in samples as they see it.
    pub about_us: Option<(u8, u32)>,
    /// Somebody leaves.
    pub bye: bool,
}

/// Reads a compound packet; `None` if it fails the checks of RFC 3550 appendix A.2.
pub fn read(bytes: &[u8], ours: u32) -> Option<Heard> {
    if !matches!(bytes.get(1), Some(&(SENDER_REPORT | RECEIVER_REPORT))) || bytes.first()? & 0x20 != 0 {
        return None;
    }
    let mut heard = Heard { from: word(bytes, 4)?, ..Heard::default() };
    let mut rest = bytes;
    while !rest.is_empty() {
        let &[first, kind, high, low, ..] = rest else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let (packet, after) = rest.split_at_checked(length)?;
        rest = after;
        let blocks = match kind {
            SENDER_REPORT => {
                if let (Some(ssrc), Some(high), Some(low)) = (word(packet, 4), word(packet, 8), word(packet, 12)) {
                    heard.sender = Some((ssrc, (high << 16) | (low >> 16)));
                }
                28
            }
            RECEIVER_REPORT => 8,
            BYE => {
                heard.bye = true;
                continue;
            }
            _ => continue,
        };
        for block in 0..usize::from(first & 0x1f) {
            let at = blocks + block * 24;
            if let (Some(ssrc), Some(loss), Some(jitter)) = (word(packet, at), word(packet, at + 4), word(packet, at + 12))
                && ssrc == ours
                && heard.about_us.is_none()
            {
                heard.about_us = Some(((loss >> 24) as u8, jitter));
            }
        }
    }
    Some(heard)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &[u8; CNAME] = b"abcdefghijklmnop";

    #[test]
    fn a_full_report_is_laid_out_as_the_standard_draws_it() {
        let info = SenderInfo { ntp: 0x0000_0005_8000_0000, timestamp: 160, packets: 2, octets: 320 };
        let block = Block { ssrc: 9, fraction: 128, lost: 3, highest: 70_000, jitter: 40, last_report: 0x0102_0304, delay: 65_536 };
        let mut out = [0; PACKET_MAX];
        let n = write(7, Some(info), Some(block), NAME, true, &mut out);
        assert_eq!(n, 52 + 28 + 8);
        assert_eq!(out[..8], [0x81, 200, 0, 12, 0, 0, 0, 7]);
        assert_eq!(out[28..36], [0, 0, 0, 9, 128, 0, 0, 3]);
        assert_eq!(out[52..62], [0x81, 202, 0, 6, 0, 0, 0, 7, 1, 16]);
        assert_eq!(out[80..88], [0x81, 203, 0, 1, 0, 0, 0, 7]);
        assert_eq!(read(&out[..n], 9), Some(Heard { from: 7, sender: Some((7, 0x0005_8000)), about_us: Some((128, 40)), bye: true }));
    }

    #[test]
    fn who_only_listens_sends_a_receiver_report() {
        let mut out = [0; PACKET_MAX];
        let n = write(7, None, None, NAME, false, &mut out);
        assert_eq!(out[..8], [0x80, 201, 0, 1, 0, 0, 0, 7]);
        assert_eq!(read(&out[..n], 7), Some(Heard { from: 7, ..Heard::default() }));
    }

    #[test]
    fn elapsed_time_stands_for_the_wall_clock() {
        assert_eq!(ntp(Instant::from_millis(1500)), 1 << 32 | 1 << 31);
        assert_eq!(ntp(Instant::from_nanos(u64::MAX)) >> 63, 0);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), like in any::<bool>()) {
            if let (true, Some(head)) = (like, bytes.get_mut(..4)) {
                head.copy_from_slice(&[0x9f, 200, 0, 6]);
            }
            let _ = read(&bytes, 7);
        }
    }
}
