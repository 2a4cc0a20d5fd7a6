//! One SIP message as it came: bytes, and where in them things stand.
//!
//! RFC 3261 sections 7 and 18.3. Nothing is copied but folded header lines; nothing is trusted but what was checked here.

use crate::header::{CSeq, Name, NameAddr, Via};
use crate::lexis::{is_blank, is_token, list, number, trim, visible};
use crate::uri::Uri;
use bytes::Bytes;
use std::ops::Range;
use thiserror::Error;

/// The largest message, in bytes: one UDP datagram.
pub const MESSAGE_MAX: usize = 65_535;
/// The longest header line, folds included, in bytes.
pub const LINE_MAX: usize = 8 * 1024;
/// How many header lines a message may have.
pub const HEADERS_MAX: usize = 256;
/// How many Via values a message may have.
pub const VIAS_MAX: usize = 64;

/// What is wrong with a message. The text is what the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// No start line of SIP at all: not answered.
    #[error("not a SIP message")]
    NotSip,
    /// Another version than SIP/2.0: 505.
    #[error("only SIP/2.0 is spoken here")]
    Version,
    /// More than [`MESSAGE_MAX`] bytes.
    #[error("message longer than 65535 bytes")]
    TooLarge,
    /// The start line is not `method SP uri SP version`, or not `version SP status SP reason`.
    #[error("broken start line")]
    StartLine,
    /// The Request-URI is no URI.
    #[error("broken Request-URI")]
    RequestUri,
    /// A header line without a name and a colon, or with a bare CR.
    #[error("broken header line")]
    HeaderLine,
    /// A header line longer than [`LINE_MAX`].
    #[error("header line longer than 8192 bytes")]
    LineTooLong,
    /// More than [`HEADERS_MAX`] lines or [`VIAS_MAX`] Vias.
    #[error("too many header fields")]
    TooMany,
    /// No empty line after the headers.
    #[error("the empty line after the headers is missing")]
    Unterminated,
    /// Content-Length is no number, negative, or written twice.
    #[error("broken Content-Length")]
    ContentLength,
    /// Content-Length promises more than the datagram holds (section 18.3).
    #[error("body shorter than Content-Length")]
    BodyTooShort,
    /// A header field that must be there is not.
    #[error("{} is missing", .0.text())]
    Missing(Name),
    /// A header field that may stand once stands twice.
    #[error("{} stands twice", .0.text())]
    Repeated(Name),
    /// A header field's value is broken.
    #[error("broken {}", .0.text())]
    Broken(Name),
    /// CSeq names another method than the start line (section 8.1.1.5).
    #[error("CSeq names another method")]
    MethodMismatch,
}

/// A message that cannot be used, and as much of it as could be read.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// The rest, if it was a request: it can be answered from this.
    pub request: Option<Box<Message>>,
}

#[derive(Clone, Debug)]
enum Start {
    Request { method: Range<usize>, uri: Range<usize> },
    Response { status: u16 },
}

#[derive(Clone, Debug)]
struct Field {
    name: Name,
    label: Range<usize>,
    value: Range<usize>,
}

/// One SIP message, framed: start line, header lines, body.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    start: Start,
    fields: Vec<Field>,
    body: Bytes,
}

/// The values that every message must have, checked (section 8.1.1). Only Max-Forwards may be absent, for RFC 2543's sake.
#[derive(Clone, Copy, Debug)]
pub struct Essentials<'a> {
    /// The topmost Via.
    pub via: Via<'a>,
    /// From.
    pub from: NameAddr<'a>,
    /// To.
    pub to: NameAddr<'a>,
    /// Call-ID.
    pub call_id: &'a str,
    /// CSeq.
    pub cseq: CSeq<'a>,
    /// Max-Forwards, 255 for anything larger.
    pub max_forwards: Option<u8>,
}

impl Message {
    /// Reads one datagram. A body longer than Content-Length is cut, a shorter one refused; without Content-Length the body is the
    /// rest of the datagram (section 18.3).
    ///
    /// # Errors
    /// [`Malformed`] with what is wrong, and with the readable rest of a request.
    pub fn parse(datagram: &Bytes) -> Result<Message, Malformed> {
        let nothing = |fault| Malformed { fault, request: None };
        if datagram.len() > MESSAGE_MAX {
            return Err(nothing(Fault::TooLarge));
        }
        // Section 7.5: empty lines before the start line are ignored.
        let begin = datagram.iter().position(|b| !b"\r\n".contains(b)).ok_or(nothing(Fault::NotSip))?;
        let datagram = datagram.slice(begin..);
        let (head, fold, terminated) = frame(&datagram);
        let bytes = if fold { unfolded(&datagram, head) } else { datagram.clone() };

        let mut fault = if terminated { None } else { Some(Fault::Unterminated) };
        let mut blame = |f: Fault| fault = fault.or(Some(f));
        let mut lines = Lines { bytes: &bytes, at: 0, end: head };
        let first = lines.next().ok_or(nothing(Fault::NotSip))?;
        let start = start_line(&bytes, first, &mut blame).ok_or(nothing(Fault::NotSip))?;
        let fields = fields(&bytes, lines, &mut blame);

        let mut message = Message { body: bytes.slice(head..), bytes, start, fields };
        if let Err(f) = message.cut_body() {
            blame(f);
        }
        let single = [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentType, Name::Expires];
        if let Some(name) = single.into_iter().find(|name| message.all(*name).nth(1).is_some()) {
            blame(Fault::Repeated(name));
        }
        match fault {
            None => Ok(message),
            Some(fault) => Err(Malformed { fault, request: message.method().is_some().then(|| Box::new(message)) }),
        }
    }

    fn cut_body(&mut self) -> Result<(), Fault> {
        let Some(length) = self.first(Name::ContentLength) else { return Ok(()) };
        // Two lengths are two messages to two readers, even if they agree here.
        if self.all(Name::ContentLength).nth(1).is_some() {
            return Err(Fault::ContentLength);
        }
        let length = number(length).and_then(|n| usize::try_from(n).ok()).ok_or(Fault::ContentLength)?;
        if length > self.body.len() {
            return Err(Fault::BodyTooShort);
        }
        self.body.truncate(length);
        Ok(())
    }

    /// The method of a request, as written; `None` for a response.
    pub fn method(&self) -> Option<&str> {
        match &self.start {
            Start::Request { method, .. } => visible(self.slice(method)),
            Start::Response { .. } => None,
        }
    }
    /// The Request-URI as written; empty for a response.
    pub fn request_uri(&self) -> &[u8] {
        match &self.start {
            Start::Request { uri, .. } => self.slice(uri),
            Start::Response { .. } => b"",
        }
    }
    /// The status of a response, 100 to 699; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        match &self.start {
            Start::Request { .. } => None,
            Start::Response { status } => Some(*status),
        }
    }
    /// The values of all header lines of that name, in order, one per line.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| self.slice(&f.value))
    }
    /// The value of the first header line of that name.
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.all(name).next()
    }
    /// The values of all header lines of that name, their comma-separated lists taken apart.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(list)
    }
    /// The value of the first header line whose name, as written, is `label` in any case. For fields without a [`Name`].
    pub fn other(&self, label: &str) -> Option<&[u8]> {
        self.fields.iter().find(|f| self.slice(&f.label).eq_ignore_ascii_case(label.as_bytes())).map(|f| self.slice(&f.value))
    }
    /// The body, cut to Content-Length.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The values that every message must have.
    ///
    /// # Errors
    /// The first that is missing or broken.
    pub fn essentials(&self) -> Result<Essentials<'_>, Fault> {
        if self.method().is_some() && Uri::parse(self.request_uri()).is_none() {
            return Err(Fault::RequestUri);
        }
        let value = |name| self.first(name).ok_or(Fault::Missing(name));
        let address = |name| {
            let found = NameAddr::parse(value(name)?).filter(NameAddr::tag_sound);
            found.ok_or(Fault::Broken(name))
        };
        let via = self.values(Name::Via).next().ok_or(Fault::Missing(Name::Via))?;
        let essentials = Essentials {
            via: Via::parse(via).ok_or(Fault::Broken(Name::Via))?,
            from: address(Name::From)?,
            to: address(Name::To)?,
            call_id: visible(value(Name::CallId)?).ok_or(Fault::Broken(Name::CallId))?,
            cseq: CSeq::parse(value(Name::CSeq)?).ok_or(Fault::Broken(Name::CSeq))?,
            max_forwards: match self.first(Name::MaxForwards) {
                None => None,
                Some(text) => Some(u8::try_from(number(text).ok_or(Fault::Broken(Name::MaxForwards))?).unwrap_or(u8::MAX)),
            },
        };
        match self.method() {
            Some(method) if method != essentials.cseq.method => Err(Fault::MethodMismatch),
            _ => Ok(essentials),
        }
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

/// Where the head ends (behind its empty line), whether any line is folded, and whether the empty line is there at all.
fn frame(bytes: &[u8]) -> (usize, bool, bool) {
    let mut fold = false;
    let mut line = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let text = bytes.get(line..end).unwrap_or_default();
        if text.is_empty() || text == b"\r" {
            return (end + 1, fold, true);
        }
        fold |= line > 0 && is_blank(text[0]);
        line = end + 1;
    }
    (bytes.len(), fold, false)
}

/// A copy whose folds (a line break followed by a blank, section 7.3.1) have become blanks. Nothing moves: the length is the same.
fn unfolded(bytes: &[u8], head: usize) -> Bytes {
    let mut copy = bytes.to_vec();
    for at in memchr::memchr_iter(b'\n', bytes).take_while(|at| *at < head) {
        if bytes.get(at + 1).copied().is_some_and(is_blank) && at + 1 < head {
            copy[at] = b' ';
            if at > 0 && copy[at - 1] == b'\r' {
                copy[at - 1] = b' ';
            }
        }
    }
    Bytes::from(copy)
}

/// The lines of the head, without their ends.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;
    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.bytes.get(self.at..self.end).filter(|r| !r.is_empty())?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line = self.at..self.at + text.len();
        self.at = (self.at + length + 1).min(self.end);
        Some(line)
    }
}

/// Reads the start line. `None` if it is not SIP; what is wrong with one that is goes to `blame`.
fn start_line(bytes: &Bytes, line: Range<usize>, blame: &mut impl FnMut(Fault)) -> Option<Start> {
    let text = bytes.get(line.clone())?;
    if text.len() > LINE_MAX {
        blame(Fault::LineTooLong);
    }
    let first = memchr::memchr(b' ', text)?;
    let (head, tail) = (text.get(..first)?, text.get(first + 1..)?);
    if let Some(sound) = version(head) {
        // Section 7.2: version SP status SP reason; the reason may be empty and hold any bytes.
        let digits = tail.split(|b| *b == b' ').next()?;
        let status = number(digits).filter(|_| digits.len() == 3).and_then(|n| u16::try_from(n).ok());
        let status = status.filter(|s| (100..700).contains(s));
        if !sound {
            blame(Fault::Version);
        } else if status.is_none() {
            blame(Fault::StartLine);
        }
        return Some(Start::Response { status: status.unwrap_or(500) });
    }
    // Section 7.1: method SP uri SP version, one blank each. The last word decides whether this wants to be SIP.
    let last = memchr::memrchr(b' ', trim(text)).filter(|last| *last > first)?;
    let sound = version(text.get(last + 1..).map(trim)?)?;
    let uri = line.start + first + 1..line.start + last;
    if !is_token(head) {
        return None;
    }
    if !sound {
        blame(Fault::Version);
    } else if text.last().copied().is_some_and(is_blank) || bytes.get(uri.clone())?.iter().copied().any(is_blank) {
        blame(Fault::StartLine);
    }
    Some(Start::Request { method: line.start..line.start + first, uri })
}

/// `Some(true)` for `SIP/2.0`, `Some(false)` for another version of SIP, `None` for anything else.
fn version(word: &[u8]) -> Option<bool> {
    let (protocol, number) = (word.get(..4)?, word.get(4..)?);
    let versioned = number.iter().all(|b| b.is_ascii_digit() || *b == b'.') && number.first().is_some_and(u8::is_ascii_digit);
    (protocol.eq_ignore_ascii_case(b"SIP/") && versioned).then_some(number == b"2.0")
}

fn fields(bytes: &Bytes, lines: Lines<'_>, blame: &mut impl FnMut(Fault)) -> Vec<Field> {
    let mut fields = Vec::with_capacity(16);
    let mut vias = 0;
    for line in lines {
        let text = bytes.get(line.clone()).unwrap_or_default();
        if text.is_empty() {
            break;
        }
        if fields.len() == HEADERS_MAX {
            blame(Fault::TooMany);
            break;
        }
        if text.len() > LINE_MAX {
            blame(Fault::LineTooLong);
            continue;
        }
        let colon = memchr::memchr(b':', text).unwrap_or(0);
        let label = trim(text.get(..colon).unwrap_or_default());
        // A carriage return inside a line would be a line of its own to the next reader.
        if !is_token(label) || text.first().copied().is_some_and(is_blank) || memchr::memchr(b'\r', text).is_some() {
            blame(Fault::HeaderLine);
            continue;
        }
        let raw = text.get(colon + 1..).unwrap_or_default();
        let skipped = raw.iter().take_while(|b| is_blank(**b)).count();
        let begin = line.start + colon + 1 + skipped;
        let field = Field { name: Name::parse(label), label: line.start..line.start + label.len(), value: begin..begin + trim(raw).len() };
        if field.name == Name::Via {
            vias += list(trim(raw)).count();
        }
        fields.push(field);
    }
    if vias > VIAS_MAX {
        blame(Fault::TooMany);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, Fault> {
        Message::parse(&Bytes::copy_from_slice(text.as_bytes())).map_err(|m| m.fault)
    }
    const HEAD: &str = "v:SIP/2.0/UDP a;branch=z9hG4bK1,SIP/2.0/UDP b\r\nf:<sip:x@y>;tag=1\r\nt:<sip:z@w>\r\ni:1@2\r\nCSeq:1 OPTIONS\r\n";

    #[test]
    fn a_compact_message_reads_like_a_long_one() {
        let message = parse(&format!("\r\n\r\nOPTIONS sip:a SIP/2.0\r\n{HEAD}l:2\r\n\r\nhixx")).unwrap();
        let essentials = message.essentials().unwrap();
        assert_eq!((essentials.call_id, essentials.via.branch(), essentials.from.tag()), ("1@2", Some("z9hG4bK1"), Some("1")));
        assert_eq!(message.values(Name::Via).count(), 2);
        assert_eq!(&message.body()[..], b"hi");
        assert_eq!(message.other("cseq"), Some(&b"1 OPTIONS"[..]));
    }

    #[test]
    fn the_body_is_what_content_length_says_or_the_rest() {
        let with = |length: &str| parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}{length}\r\nbody"));
        assert_eq!(&with("").unwrap().body()[..], b"body");
        assert_eq!(&with("Content-Length : 1\r\n").unwrap().body()[..], b"b");
        for (length, fault) in [
            ("l: 5\r\n", Fault::BodyTooShort),
            ("l: 18446744073709551615\r\n", Fault::BodyTooShort),
            ("l: 99999999999999999999999999\r\n", Fault::BodyTooShort),
            ("l: -1\r\n", Fault::ContentLength),
            ("l: +1\r\n", Fault::ContentLength),
            ("l:\r\n", Fault::ContentLength),
            ("l: 4\r\nl: 4\r\n", Fault::ContentLength),
            ("l: 4\r\nContent-Length: 5\r\n", Fault::ContentLength),
            ("l: 4, 4\r\n", Fault::ContentLength),
        ] {
            assert_eq!(with(length).unwrap_err(), fault, "{length}");
        }
    }

    #[test]
    fn a_fold_is_a_blank_and_a_carriage_return_is_not() {
        let message = parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}Accept: a/b,\r\n\t c/d\r\nL\r\n : 0\r\n\r\n")).unwrap();
        assert_eq!(message.values(Name::Accept).collect::<Vec<_>>(), [b"a/b", b"c/d"]);
        assert_eq!(parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}X: a\rVia: b\r\n\r\n")).unwrap_err(), Fault::HeaderLine);
        assert_eq!(parse(&format!("OPTIONS\r\n sip:a SIP/2.0\r\n{HEAD}\r\n")).unwrap_err(), Fault::StartLine);
    }

    #[test]
    fn every_bound_is_kept() {
        let with = |extra: &str| parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}{extra}\r\n")).map(|_| ()).unwrap_err();
        assert_eq!(with(&"a:b\r\n".repeat(HEADERS_MAX)), Fault::TooMany);
        assert_eq!(with(&format!("v: {}\r\n", vec!["SIP/2.0/UDP h"; VIAS_MAX].join(","))), Fault::TooMany);
        assert_eq!(with(&format!("x: {}\r\n", "y".repeat(LINE_MAX))), Fault::LineTooLong);
        assert_eq!(parse(&"x".repeat(MESSAGE_MAX + 1)).unwrap_err(), Fault::TooLarge);
    }

    #[test]
    fn what_is_not_sip_gets_no_answer() {
        for text in ["", "\r\n\r\n", "\0", "GET / HTTP/1.1\r\n\r\n", "hello\r\n\r\n", "SIP/2.0\r\n\r\n", " SIP/2.0 200 OK\r\n\r\n"] {
            let malformed = Message::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
            assert!(malformed.fault == Fault::NotSip && malformed.request.is_none(), "{text:?}");
        }
        assert_eq!(parse(&format!("OPTIONS sip:a SIP/3.0\r\n{HEAD}\r\n")).unwrap_err(), Fault::Version);
        assert_eq!(parse(&format!("SIP/2.0 4294967301 x\r\n{HEAD}\r\n")).unwrap_err(), Fault::StartLine);
        assert_eq!(parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}")).unwrap_err(), Fault::Unterminated);
    }
}
