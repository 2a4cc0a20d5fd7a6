//! Messages on a stream: where one ends and the next one begins.
//!
//! RFC 3261 section 18.3: Content-Length says how long a body is. Section 7.5 and RFC 5626 sections 3.5.1 and 4.4.1: line breaks between
//! messages keep a connection open. A message without Content-Length has no body; a stream whose framing is lost is of no more use and must be
//! closed, because everybody behind us could read it otherwise.

use crate::bounds::{LINE_MAX, MESSAGE_MAX};
use crate::message::{Fault, Message};
use bytes::{Bytes, BytesMut};
use model::Instant;
use std::time::Duration;

/// How long a message may take from its first byte to its last. Who is slower holds our memory for nothing.
pub const MESSAGE_PATIENCE: Duration = Duration::from_secs(10);

/// What comes out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`Message::parse`].
    Message(Bytes),
    /// The peer asks whether the connection lives (RFC 5626 section 3.5.1): answer [`PONG`].
    Ping,
    /// Nothing that follows can be told apart. Close; but first hand `head` on if it is not empty: it can be answered with what is wrong.
    Lost {
        /// Start line and header lines of the last message, without its body.
        head: Bytes,
        /// What is wrong.
        fault: Fault,
    },
}

/// A ping: what asks whether a connection lives, or only keeps it open.
pub const PING: &[u8] = b"\r\n\r\n";
/// The answer to a ping.
pub const PONG: &[u8] = b"\r\n";

/// Cuts one stream into messages. Tell it what came, then take frames until there is none.
#[derive(Debug, Default)]
pub struct Framer {
    /// What has come of the next message: at most [`MESSAGE_MAX`] bytes, and what came with the last of them.
    buffer: BytesMut,
    /// Where the line begins that is not complete yet, and up to where it has been looked at: nothing is looked at twice.
    line: usize,
    seen: usize,
    /// The length of head and body, once the head is there.
    whole: Option<usize>,
    /// Since when a message has begun and is not complete, and when something came last.
    begun: Option<Instant>,
    latest: Option<Instant>,
    lost: Option<Fault>,
    told: bool,
}

impl Framer {
    /// A stream on which nothing has come.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// These bytes came next.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.lost.is_none() {
            self.buffer.extend_from_slice(bytes);
            self.latest = Some(now);
            self.begun = self.begun.or(self.latest);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.lose(Fault::TooSlow);
        }
    }

    /// By when the message that has begun must be complete.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.begun.filter(|_| self.lost.is_none()).map(|begun| begun + MESSAGE_PATIENCE)
    }

    /// The next frame, until there is none.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        if let Some(fault) = self.lost {
            return (!std::mem::replace(&mut self.told, true))
                .then(|| Frame::Lost { head: std::mem::take(&mut self.buffer).freeze(), fault });
        }
        if self.line == 0 && self.whole.is_none() {
            if self.skip_breaks() {
                return Some(Frame::Ping);
            }
            if self.buffer.iter().all(|b| b"\r\n".contains(b)) {
                // Nothing has begun: half a ping may wait as long as it likes.
                self.begun = None;
                return None;
            }
        }
        let whole = match self.whole {
            Some(whole) => whole,
            None => match self.measure() {
                Ok(whole) => whole?,
                Err((head, fault)) => {
                    self.buffer.truncate(head);
                    self.lose(fault);
                    return self.poll_frame();
                }
            },
        };
        self.whole = Some(whole);
        if self.buffer.len() < whole {
            return None;
        }
        let message = self.buffer.split_to(whole).freeze();
        (self.line, self.seen, self.whole) = (0, 0, None);
        self.begun = self.latest.filter(|_| !self.buffer.is_empty());
        Some(Frame::Message(message))
    }

    /// Drops line breaks before a message. Whether two of them were a ping; it is to be asked again then.
    fn skip_breaks(&mut self) -> bool {
        loop {
            let dropped = match self.buffer.get(..4) {
                Some(b"\r\n\r\n") => {
                    let _ = self.buffer.split_to(4);
                    return true;
                }
                // A single one is the answer to a ping, or nothing (section 7.5).
                Some([b'\r', b'\n', b'\r', ..] | [b'\r', b'\n', ..]) => 2,
                Some([b'\r' | b'\n', ..]) => 1,
                Some(_) => return false,
                // Too short to be a message: what is no line break stays, a line break may become a ping.
                None => match &self.buffer[..] {
                    [b'\r', b'\n', next, ..] if *next != b'\r' => 2,
                    [b'\n', ..] => 1,
                    [b'\r', next, ..] if *next != b'\n' => 1,
                    _ => return false,
                },
            };
            let _ = self.buffer.split_to(dropped);
        }
    }

    /// The length of head and body. `Ok(None)`: the head is not complete. The error: how much of the buffer can be answered, and what is wrong.
    fn measure(&mut self) -> Result<Option<usize>, (usize, Fault)> {
        while let Some(end) = self.buffer.get(self.seen..).and_then(|new| memchr::memchr(b'\n', new)).map(|at| self.seen + at) {
            let (line, first) = (self.buffer.get(self.line..end).unwrap_or_default(), self.line == 0);
            if first && line.len() > LINE_MAX {
                return Err((0, Fault::TooLarge));
            }
            if first && !Message::begins_with(line) {
                return Err((0, Fault::NotSip));
            }
            let empty = line.is_empty() || line == b"\r";
            (self.line, self.seen) = (end + 1, end + 1);
            if empty {
                return self.sum(end + 1).map(Some);
            }
        }
        self.seen = self.buffer.len();
        // A start line that is no line by now is none; of the rest the parser judges, within the bound of the whole.
        if self.line == 0 && self.seen > LINE_MAX || self.seen > MESSAGE_MAX {
            return Err((0, Fault::TooLarge));
        }
        Ok(None)
    }

    fn sum(&self, head: usize) -> Result<usize, (usize, Fault)> {
        if head > MESSAGE_MAX {
            return Err((0, Fault::TooLarge));
        }
        let length = Message::body_length(&Bytes::copy_from_slice(&self.buffer[..head])).map_err(|fault| (head, fault))?;
        let whole = usize::try_from(length).ok().and_then(|length| head.checked_add(length));
        whole.filter(|whole| *whole <= MESSAGE_MAX).ok_or((head, Fault::TooLarge))
    }

    fn lose(&mut self, fault: Fault) {
        if fault == Fault::TooSlow || fault == Fault::NotSip {
            self.buffer.clear();
        }
        self.lost = Some(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Instant = Instant::from_millis(1_000);

    fn message(number: usize, body: &str) -> String {
        format!("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{number}\r\nl: {}\r\n\r\n{body}", body.len())
    }
    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.poll_frame()).collect()
    }
    /// What comes out of these bytes when they come `step` at a time.
    fn cut(text: &[u8], step: usize) -> Vec<Frame> {
        let mut framer = Framer::new();
        let mut out = Vec::new();
        for piece in text.chunks(step) {
            framer.handle_bytes(AT, piece);
            out.extend(frames(&mut framer));
        }
        out
    }
    fn whole(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn messages_come_out_whole_however_they_came_in() {
        let (one, two, three) = (message(1, ""), message(2, "a\r\n\r\nbody\0"), message(3, "x"));
        let stream = format!("\r\n{one}{two}\r\n\r\n{three}\r\n\r\n");
        let expected = [whole(&one), whole(&two), Frame::Ping, whole(&three), Frame::Ping];
        for step in [1, 2, 3, 7, 50, stream.len()] {
            assert_eq!(cut(stream.as_bytes(), step), expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn line_breaks_alone_are_pings_and_pongs_and_never_a_message_begun() {
        let mut framer = Framer::new();
        framer.handle_bytes(AT, b"\r\n");
        assert_eq!((frames(&mut framer), framer.poll_timeout()), (vec![], None));
        framer.handle_bytes(AT, b"\r\n");
        assert_eq!((frames(&mut framer), framer.poll_timeout()), (vec![Frame::Ping], None));
        framer.handle_bytes(AT, b"\n\n\r\n\r\n\r\n\r\n");
        assert_eq!(frames(&mut framer), [Frame::Ping, Frame::Ping]);
    }

    #[test]
    fn a_message_without_a_length_has_no_body_and_a_broken_length_ends_the_stream() {
        let head = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n";
        let bare = format!("{head}\r\n");
        assert_eq!(cut(format!("{bare}{bare}").as_bytes(), 9), [whole(&bare), whole(&bare)]);
        for (lines, fault) in [
            ("Content-Length: -1\r\n", Fault::ContentLength),
            ("Content-Length: 1\r\nl: 2\r\n", Fault::ContentLength),
            ("l: 3\r\n l: 4\r\n", Fault::ContentLength),
            ("l: 99999999999999999999\r\n", Fault::TooLarge),
            ("l: 1\rl: 2\r\n", Fault::HeaderLine),
            ("l 1\r\n", Fault::HeaderLine),
            ("From: <sip:a@b>\r\nFrom: <sip:a@b>\r\nl 1\r\n", Fault::HeaderLine),
        ] {
            let text = format!("{head}{lines}\r\n");
            let lost = Frame::Lost { head: Bytes::copy_from_slice(text.as_bytes()), fault };
            for step in [1, 1_000] {
                assert_eq!(cut(format!("{text}{bare}").as_bytes(), step), std::slice::from_ref(&lost), "{lines}");
            }
        }
    }

    #[test]
    fn a_message_of_64_kib_comes_through_and_one_byte_more_does_not() {
        let of = |total: usize| {
            let head = "OPTIONS sip:a SIP/2.0\r\nl: 00000\r\n\r\n".len();
            format!("OPTIONS sip:a SIP/2.0\r\nl: {:05}\r\n\r\n{}", total - head, "x".repeat(total - head))
        };
        let most = of(MESSAGE_MAX);
        assert_eq!(cut(most.as_bytes(), 16_000), [whole(&most)]);
        assert!(matches!(cut(of(MESSAGE_MAX + 1).as_bytes(), 16_000)[..], [Frame::Lost { fault: Fault::TooLarge, .. }]));
        let endless = format!("OPTIONS sip:a SIP/2.0\r\n{}", "X: y\r\n".repeat(MESSAGE_MAX / 6 + 1));
        assert!(matches!(cut(endless.as_bytes(), 16_000)[..], [Frame::Lost { fault: Fault::TooLarge, .. }]));
    }

    #[test]
    fn what_is_no_sip_is_seen_at_its_first_line() {
        for text in ["GET / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}\n", &"x".repeat(LINE_MAX + 1)] {
            assert!(matches!(cut(text.as_bytes(), 100)[..], [Frame::Lost { ref head, .. }] if head.is_empty()), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_hides_a_length_ends_the_stream_whatever_else_is_wrong() {
        let text = "OPTIONS  sip:a SIP/2.0\r\nl 1\r\n\r\n";
        assert_eq!(cut(text.as_bytes(), 100), [Frame::Lost { head: Bytes::copy_from_slice(text.as_bytes()), fault: Fault::HeaderLine }]);
    }

    #[test]
    fn a_stream_that_never_pauses_is_not_slow() {
        let mut framer = Framer::new();
        let text = message(1, "body");
        let (head, tail) = text.as_bytes().split_at(30);
        framer.handle_bytes(AT, head);
        for second in 1..60 {
            let now = AT + Duration::from_secs(second);
            framer.handle_bytes(now, &[tail, head].concat());
            framer.handle_timeout(now);
            assert_eq!(frames(&mut framer), [whole(&text)]);
            assert_eq!(framer.poll_timeout(), Some(now + MESSAGE_PATIENCE));
        }
    }

    #[test]
    fn who_sends_a_letter_at_a_time_has_ten_seconds() {
        let mut framer = Framer::new();
        framer.handle_bytes(AT, b"OPT");
        assert_eq!(frames(&mut framer), []);
        framer.handle_bytes(AT + Duration::from_secs(9), b"IONS");
        assert_eq!((frames(&mut framer), framer.poll_timeout()), (vec![], Some(AT + MESSAGE_PATIENCE)));
        framer.handle_timeout(AT + Duration::from_millis(9_999));
        assert_eq!(frames(&mut framer), []);
        framer.handle_timeout(AT + MESSAGE_PATIENCE);
        assert_eq!(frames(&mut framer), [Frame::Lost { head: Bytes::new(), fault: Fault::TooSlow }]);
        framer.handle_bytes(AT + MESSAGE_PATIENCE, message(1, "").as_bytes());
        assert_eq!((frames(&mut framer), framer.poll_timeout()), (vec![], None));
    }
}
