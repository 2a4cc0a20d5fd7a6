//! One SIP message as it came: bytes, and where in them things stand.
//!
//! RFC 3261 sections 7 and 18.3. Nothing is copied but folded header lines; nothing is trusted but what was checked here.

use crate::bounds::{HEADERS_MAX, LINE_MAX, MESSAGE_MAX, VIAS_MAX};
use crate::header::{CSeq, NAMES_MAX, Name, NameAddr, Via};
use crate::lexis::{Word, all, find, is_blank, is_token, list, number, trim, trim_end, trim_start, visible};
use crate::uri::Uri;
use bytes::Bytes;
use std::ops::Range;
use std::time::Duration;
use thiserror::Error;
use wide::u8x32;

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
    /// On a stream: the message took longer than [`crate::framer::MESSAGE_PATIENCE`].
    #[error("message was not complete in time")]
    TooSlow,
}

/// A message that cannot be used, and as much of it as could be read.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// The rest, if it was a request: it can be answered from this.
    pub request: Option<Box<Message>>,
    /// Its Content-Length; the error if that could hide in a line that cannot be read.
    declared: Result<Option<u64>, Fault>,
}

#[derive(Clone, Debug)]
enum Start {
    Request { method: Range<usize>, uri: Range<usize> },
    Response { status: u16 },
}

/// One SIP message, framed: start line, header lines, body.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    start: Start,
    fields: Fields,
    body: Range<usize>,
}

/// Where a header line's name and value stand. Offsets have 16 bits, as [`MESSAGE_MAX`] has.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: Name,
    label: (u16, u16),
    value: (u16, u16),
}

/// The longest that anybody is believed who does not want to be asked again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How many header lines lie in the message itself; further ones are put on the heap. Carriers and phones send ten to twenty-five.
const FIELDS_INLINE: usize = 32;

/// The header lines in their order.
#[derive(Clone, Debug)]
struct Fields {
    inline: [Field; FIELDS_INLINE],
    further: Vec<Field>,
    count: usize,
    /// Where the first line of each name is, plus one; zero if there is none.
    first: [u16; NAMES_MAX],
    /// The names that stand more than once, a bit for each.
    repeated: u32,
}

impl Fields {
    fn new() -> Fields {
        let none = Field { name: Name::Other, label: (0, 0), value: (0, 0) };
        Fields { inline: [none; FIELDS_INLINE], further: Vec::new(), count: 0, first: [0; NAMES_MAX], repeated: 0 }
    }
    fn push(&mut self, field: Field) {
        match self.inline.get_mut(self.count) {
            Some(place) => *place = field,
            None => self.further.push(field),
        }
        self.count += 1;
        match &mut self.first[field.name as usize] {
            first @ 0 => *first = u16::try_from(self.count).unwrap_or(u16::MAX),
            _ => self.repeated |= 1 << field.name as u32,
        }
    }
    fn iter(&self) -> impl Iterator<Item = &Field> {
        self.inline.iter().take(self.count).chain(&self.further)
    }
    /// The first of that name, and whether there are more.
    fn first(&self, name: Name) -> Option<&Field> {
        let at = usize::from(self.first[name as usize]).checked_sub(1)?;
        self.inline.get(at).or_else(|| self.further.get(at - FIELDS_INLINE))
    }
    fn is_repeated(&self, name: Name) -> bool {
        self.repeated & (1 << name as u32) != 0
    }
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
        let nothing = |fault| Malformed { fault, request: None, declared: Err(fault) };
        if datagram.len() > MESSAGE_MAX {
            return Err(nothing(Fault::TooLarge));
        }
        // Section 7.5: empty lines before the start line are ignored.
        let begin = datagram.iter().position(|b| !b"\r\n".contains(b)).ok_or(nothing(Fault::NotSip))?;
        let start = Start::Response { status: 0 };
        let mut message = Message { bytes: datagram.clone(), start, fields: Fields::new(), body: 0..0 };
        let mut read = message.read(begin);
        if read == Read::Folded {
            message.bytes = unfolded(datagram, begin);
            message.fields = Fields::new();
            read = message.read(begin);
        }
        let Read::Head { end, fault, unread } = read else { return Err(nothing(Fault::NotSip)) };
        message.body = end..message.bytes.len();
        let fault = fault.or_else(|| message.cut_body().err()).or_else(|| message.repetition());
        match fault {
            None => Ok(message),
            Some(fault) => {
                let declared = unread.map_or_else(|| message.declared(), Err);
                Err(Malformed { fault, request: message.method().is_some().then(|| Box::new(message)), declared })
            }
        }
    }

    /// A header field that stands more often than it may.
    fn repetition(&self) -> Option<Fault> {
        const SINGLE: [Name; 7] = [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentType, Name::Expires];
        if self.fields.repeated == 0 {
            return None;
        }
        SINGLE.into_iter().find(|name| self.fields.is_repeated(*name)).map(Fault::Repeated)
    }

    /// The value of Content-Length, if there is one.
    fn declared(&self) -> Result<Option<u64>, Fault> {
        let Some(length) = self.first(Name::ContentLength) else { return Ok(None) };
        // Two lengths are two messages to two readers, even if they agree here.
        if self.fields.is_repeated(Name::ContentLength) {
            return Err(Fault::ContentLength);
        }
        number(length).map(Some).ok_or(Fault::ContentLength)
    }

    fn cut_body(&mut self) -> Result<(), Fault> {
        let Some(length) = self.declared()? else { return Ok(()) };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.body.len()).ok_or(Fault::BodyTooShort)?;
        self.body.end = self.body.start + length;
        Ok(())
    }

    /// Whether a message may begin with this line.
    pub(crate) fn begins_with(line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        start_line(line, 0..line.len(), &mut |_| ()).is_some()
    }

    /// How long the body of a message on a stream is, by its head with the empty line.
    ///
    /// # Errors
    /// Nobody can tell: Content-Length is broken, or could hide in a line that cannot be read.
    pub(crate) fn body_length(head: &Bytes) -> Result<u64, Fault> {
        let declared = match Message::parse(head) {
            Ok(message) => message.declared(),
            Err(malformed) => malformed.declared,
        };
        declared.map(|length| length.unwrap_or(0))
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
        // Most stand once: then the others need not be looked at.
        let once = self.fields.first(name);
        let several = self.fields.is_repeated(name).then(|| self.fields.iter().filter(move |f| f.name == name));
        let once = once.filter(|_| several.is_none());
        several.into_iter().flatten().chain(once).map(|f| self.part(f.value))
    }
    /// The value of the first header line of that name.
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.fields.first(name).map(|f| self.part(f.value))
    }
    /// The values of all header lines of that name, their comma-separated lists taken apart.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(list)
    }
    /// The value of the first header line whose name, as written, is `label` in any case. For fields without a [`Name`].
    pub fn other(&self, label: &str) -> Option<&[u8]> {
        self.fields.iter().find(|f| self.part(f.label).eq_ignore_ascii_case(label.as_bytes())).map(|f| self.part(f.value))
    }
    /// The values of all header lines of that name, as [`Message::other`] looks for it.
    pub(crate) fn others(&self, label: &'static str) -> impl Iterator<Item = &[u8]> {
        let named = move |f: &&Field| self.part(f.label).eq_ignore_ascii_case(label.as_bytes());
        self.fields.iter().filter(named).map(|f| self.part(f.value))
    }
    /// How long whoever answers does not want to be asked again (RFC 3261 section 20.33): an hour at most, whatever they say.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = self.first(Name::RetryAfter)?;
        // A comment or parameters may follow the number.
        let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
        number(value.get(..digits)?).map(|secs| Duration::from_secs(secs).min(RETRY_AFTER_MAX))
    }
    /// The body, cut to Content-Length.
    pub fn body(&self) -> &[u8] {
        self.slice(&self.body)
    }
    /// The same, to keep.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.body.clone())
    }

    /// The values that every message must have.
    ///
    /// # Errors
    /// The first that is missing or broken.
    pub fn essentials(&self) -> Result<Essentials<'_>, Fault> {
        let method = match &self.start {
            Start::Request { method, uri } => {
                Uri::parse(self.slice(uri)).ok_or(Fault::RequestUri)?;
                Some(self.slice(method))
            }
            Start::Response { .. } => None,
        };
        let value = |name| self.first(name).ok_or(Fault::Missing(name));
        let address = |name| match NameAddr::parse(value(name)?) {
            Some(address) if address.tag_sound() => Ok(address),
            _ => Err(Fault::Broken(name)),
        };
        let via = list(value(Name::Via)?).next().and_then(Via::parse);
        let essentials = Essentials {
            via: via.ok_or(Fault::Broken(Name::Via))?,
            from: address(Name::From)?,
            to: address(Name::To)?,
            call_id: visible(value(Name::CallId)?).ok_or(Fault::Broken(Name::CallId))?,
            cseq: CSeq::parse(value(Name::CSeq)?).ok_or(Fault::Broken(Name::CSeq))?,
            max_forwards: match self.first(Name::MaxForwards) {
                None => None,
                Some(text) => Some(u8::try_from(number(text).ok_or(Fault::Broken(Name::MaxForwards))?).unwrap_or(u8::MAX)),
            },
        };
        match method {
            Some(method) if method != essentials.cseq.method.as_bytes() => Err(Fault::MethodMismatch),
            Some(_) | None => Ok(essentials),
        }
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
    fn part(&self, (start, end): (u16, u16)) -> &[u8] {
        self.bytes.get(usize::from(start)..usize::from(end)).unwrap_or_default()
    }
}

/// What one pass over a message finds.
#[derive(PartialEq, Eq)]
enum Read {
    NotSip,
    /// A line is folded: nothing that was read counts until it is [`unfolded`].
    Folded,
    /// Where the body begins (behind the empty line, or at the end if there is none), the first thing that is wrong, and what is wrong with
    /// the first header line that could not be read.
    Head {
        end: usize,
        fault: Option<Fault>,
        unread: Option<Fault>,
    },
}

impl Message {
    /// Reads start line and header lines from `begin` on.
    fn read(&mut self, begin: usize) -> Read {
        let bytes: &[u8] = &self.bytes;
        let mut fault = None;
        let mut lines = Lines::new(bytes, begin);
        let Some((at, end)) = lines.next() else { return Read::NotSip };
        if lines.folds() {
            return Read::Folded;
        }
        let Some(start) = start_line(bytes, at..end, &mut |f| fault = fault.or(Some(f))) else {
            return Read::NotSip;
        };
        self.start = start;
        let (mut vias, mut end, mut unread) = (0, None, None);
        while let Some((at, to)) = lines.next() {
            let line = bytes.get(at..).unwrap_or_default();
            if at == to {
                end = Some(lines.at);
                break;
            }
            if line.first().copied().is_some_and(is_blank) {
                return Read::Folded;
            }
            let field = if self.fields.count == HEADERS_MAX {
                Err(Fault::TooMany)
            } else if to - at > LINE_MAX {
                Err(Fault::LineTooLong)
            } else if lines.bare {
                // A carriage return inside a line would be a line of its own to the next reader.
                Err(Fault::HeaderLine)
            } else {
                line.get(..to - at).and_then(|text| Field::read(at, text, Word::new(line))).ok_or(Fault::HeaderLine)
            };
            match field {
                Ok(field) => {
                    if field.name == Name::Via {
                        let value = bytes.get(usize::from(field.value.0)..usize::from(field.value.1)).unwrap_or_default();
                        vias += if memchr::memchr(b',', value).is_some() { list(value).count() } else { 1 };
                    }
                    self.fields.push(field);
                }
                Err(broken) => unread = unread.or(Some(broken)),
            }
        }
        let many = (vias > VIAS_MAX).then_some(Fault::TooMany);
        let open = end.is_none().then_some(Fault::Unterminated);
        Read::Head { end: end.unwrap_or(bytes.len()), fault: fault.or(unread).or(many).or(open), unread }
    }
}

impl Field {
    /// Reads a header line that stands at `at` and begins with `word`: a name, a colon, a value, with blanks around the colon. `None` if
    /// it is none.
    fn read(at: usize, text: &[u8], word: Word) -> Option<Field> {
        let (mut label, value) = text.split_at_checked(find(b':', word, text)?)?;
        let mut name = Name::spelt(word, label.len());
        // The names that we know are tokens.
        if name == Name::Other && !is_token(label) {
            label = trim_end(label);
            name = Name::spelt(word, label.len());
            if name == Name::Other && !is_token(label) {
                return None;
            }
        }
        let value = trim_start(value.get(1..)?);
        // All offsets are below MESSAGE_MAX.
        let place = |start: u16, length: usize| (start, start.wrapping_add(length as u16));
        let (at, behind) = (at as u16, (text.len() - value.len()) as u16);
        Some(Field { name, label: place(at, label.len()), value: place(at.wrapping_add(behind), trim_end(value).len()) })
    }
}

/// A copy whose folds (a line break followed by a blank, section 7.3.1) have become blanks. Nothing moves: the length is the same.
fn unfolded(bytes: &[u8], begin: usize) -> Bytes {
    let mut copy = bytes.to_vec();
    let mut line = begin;
    for at in memchr::memchr_iter(b'\n', bytes).filter(|at| *at >= begin) {
        if matches!(bytes.get(line..at), Some(b"" | b"\r")) {
            break;
        }
        line = at + 1;
        if bytes.get(at + 1).copied().is_some_and(is_blank) {
            copy[at] = b' ';
            if at > 0 && copy[at - 1] == b'\r' {
                copy[at - 1] = b' ';
            }
        }
    }
    Bytes::from(copy)
}

/// The lines of a message, one after the other.
struct Lines<'a> {
    bytes: &'a [u8],
    /// Where the next line begins.
    at: usize,
    /// Where the ends of lines were looked for last, [`BLOCK`] bytes at once.
    block: usize,
    /// Those that are still ahead there, a bit for each.
    ends: u64,
    /// Whether a carriage return stands alone in the line that was read last.
    bare: bool,
}

/// How many bytes are looked at at once for the ends of lines.
const BLOCK: usize = u64::BITS as usize;

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Lines<'a> {
        Lines { bytes, at, block: at.wrapping_sub(BLOCK), ends: 0, bare: false }
    }
    /// Where the next line begins, and where it ends. One without an end is none.
    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        while self.ends == 0 {
            self.block = self.block.wrapping_add(BLOCK);
            self.ends = match self.bytes.get(self.block..).and_then(ends) {
                Some(ends) => ends,
                None => return self.odd(),
            };
        }
        let (at, end) = (self.at, self.block.wrapping_add(self.ends.trailing_zeros() as usize));
        self.ends &= self.ends - 1;
        self.at = end.wrapping_add(2);
        Some((at, end))
    }
    /// The same where lines end in another way, and where few bytes are left; and all lines from there on.
    #[cold]
    fn odd(&mut self) -> Option<(usize, usize)> {
        self.block = self.bytes.len();
        let (at, rest) = (self.at, self.bytes.get(self.at..)?);
        let first = memchr::memchr2(b'\n', b'\r', rest)?;
        let (length, behind, bare) = match rest.get(first..)? {
            [b'\r', b'\n', ..] => (first, 2, false),
            [b'\n', ..] => (first, 1, false),
            _ => {
                let feed = memchr::memchr(b'\n', rest)?;
                let returned = rest.get(..feed).is_some_and(|line| line.ends_with(b"\r"));
                (feed - usize::from(returned), 1 + usize::from(returned), true)
            }
        };
        self.at = at + length + behind;
        self.bare = bare;
        Some((at, at + length))
    }
    /// Whether the next line goes on with the last one.
    fn folds(&self) -> bool {
        self.bytes.get(self.at).copied().is_some_and(is_blank)
    }
}

/// Where a carriage return and a line feed stand together in the first [`BLOCK`] bytes, a bit for each. `None` if one of the two stands
/// there alone, or the bytes are too few to tell.
#[inline(always)]
fn ends(bytes: &[u8]) -> Option<u64> {
    let returns = bits(bytes.first_chunk()?, b'\r');
    let feeds = bits(bytes.get(1..)?.first_chunk()?, b'\n');
    (returns == feeds).then_some(returns)
}

/// Where `byte` stands.
#[inline(always)]
fn bits(block: &[u8; BLOCK], byte: u8) -> u64 {
    let half = |half: &[u8; 32]| u64::from(u8x32::new(*half).simd_eq(u8x32::splat(byte)).to_bitmask());
    block.as_chunks().0.iter().rev().fold(0, |bits, chunk| bits << 32 | half(chunk))
}

/// Reads the start line. `None` if it is not SIP; what is wrong with one that is goes to `blame`.
fn start_line(bytes: &[u8], line: Range<usize>, blame: &mut impl FnMut(Fault)) -> Option<Start> {
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
    } else if text.last().copied().is_some_and(is_blank) || !all(bytes.get(uri.clone())?, |byte| (byte != b' ') & (byte != b'\t')) {
        blame(Fault::StartLine);
    }
    Some(Start::Request { method: line.start..line.start + first, uri })
}

/// `Some(true)` for `SIP/2.0`, `Some(false)` for another version of SIP, `None` for anything else.
fn version(word: &[u8]) -> Option<bool> {
    if word == b"SIP/2.0" {
        return Some(true);
    }
    let (protocol, number) = (word.get(..4)?, word.get(4..)?);
    let versioned = number.iter().all(|b| b.is_ascii_digit() || *b == b'.') && number.first().is_some_and(u8::is_ascii_digit);
    (protocol.eq_ignore_ascii_case(b"SIP/") && versioned).then_some(number == b"2.0")
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
        assert_eq!(message.body(), b"hi");
        assert_eq!(message.other("cseq"), Some(&b"1 OPTIONS"[..]));
    }

    #[test]
    fn a_colon_is_found_behind_a_long_name_and_not_in_the_next_line() {
        let message =
            parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}A-Name-Of-Seventeen \t: a\r\nWWW-Authenticate:b:c\r\nL:0\r\n\r\n")).unwrap();
        assert_eq!(message.other("a-name-of-seventeen"), Some(&b"a"[..]));
        assert_eq!(message.first(Name::WwwAuthenticate), Some(&b"b:c"[..]));
        for line in ["X\r\nL:0", "X", ":", ": a", "\"X\": a"] {
            assert_eq!(parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}{line}\r\n\r\n")).unwrap_err(), Fault::HeaderLine, "{line}");
        }
    }

    #[test]
    fn a_line_ends_where_it_does_wherever_it_stands() {
        let ends = |filling: usize, end: &str, further: &str| {
            let filling = "x".repeat(filling);
            let text = format!("OPTIONS sip:a SIP/2.0\r\nX:{filling}{end}{HEAD}{further}\r\nbody");
            parse(&text).map(|m| {
                (m.other("x").map(<[u8]>::len), m.values(Name::Via).count(), m.first(Name::CSeq) == Some(b"1 OPTIONS"), m.body().len())
            })
        };
        for filling in 0..200 {
            let wanted = Ok((Some(filling), 2, true, 4));
            for end in ["\r\n", "\n"] {
                assert_eq!(ends(filling, end, ""), wanted, "{filling} {end:?}");
                assert_eq!(ends(filling, end, &format!("Y:{}\r\n", "y".repeat(100))), wanted, "{filling} {end:?}");
            }
            for end in ["\r", "\r\r\n", "\rY:1\n"] {
                assert_eq!(ends(filling, end, ""), Err(Fault::HeaderLine), "{filling} {end:?}");
            }
        }
    }

    #[test]
    fn the_body_is_what_content_length_says_or_the_rest() {
        let with = |length: &str| parse(&format!("OPTIONS sip:a SIP/2.0\r\n{HEAD}{length}\r\nbody"));
        assert_eq!(with("").unwrap().body(), b"body");
        assert_eq!(with("Content-Length : 1\r\n").unwrap().body(), b"b");
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
