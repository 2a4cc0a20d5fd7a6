//! What a message carries: a session description by itself, or beside what is meant for other exchanges.
//!
//! Gateways between telephone exchanges wrap it together with the exchange's own words (RFC 3204: ISUP), as RFC 2046 section 5.1 says. We read
//! the one part that is for us. Another one that we do not know may be passed over only if it says so by `handling=optional` (RFC 3261
//! section 20.11, RFC 5621 section 3): what says nothing is required.

use crate::header::Name;
use crate::lexis::{Cursor, Params, trim};
use crate::message::Message;
use bytes::Bytes;

/// The one kind of body that we understand.
pub(super) const SDP: &str = "application/sdp";
/// The kinds in which it may be wrapped.
const WRAPPED: [&str; 2] = ["multipart/mixed", "multipart/alternative"];
/// What 415 says that we take.
pub(super) const ACCEPTS: &str = "application/sdp, multipart/mixed, multipart/alternative";
/// Parts that are looked at.
const PARTS_MAX: usize = 8;
/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_MAX: usize = 70;

/// The session description of a message, if it carries one; the status to refuse with if it carries anything else.
///
/// # Errors
/// 400: a body without a type, or parts that cannot be told apart. 415: nothing for us, or with it something that must be understood.
pub(super) fn session_description(message: &Message) -> Result<Option<Bytes>, u16> {
    if message.body().is_empty() {
        return Ok(None);
    }
    let encoded = message.values(Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    // Section 20.15: "MUST be present if the body is not empty".
    let kind = message.first(Name::ContentType).ok_or(400u16)?;
    let bare = media_type(kind);
    let is_ours = bare.eq_ignore_ascii_case(SDP) || WRAPPED.iter().any(|ours| bare.eq_ignore_ascii_case(ours));
    if encoded || !is_ours {
        // What we do not understand is as if it were not there, where it says that it may be passed over (section 8.2.3).
        return if message.other("Content-Disposition").is_some_and(is_optional) { Ok(None) } else { Err(415) };
    }
    if bare.eq_ignore_ascii_case(SDP) {
        return Ok(Some(message.body_bytes()));
    }
    let boundary = boundary(kind).ok_or(400u16)?;
    let alternative = bare.eq_ignore_ascii_case(WRAPPED[1]);
    let mut found = None;
    for part in parts(message.body(), boundary).ok_or(400u16)? {
        let part = Part::read(part).ok_or(400u16)?;
        if part.is_description() && found.is_none() {
            found = Some(message.body_bytes().slice_ref(part.content));
        } else if !alternative && !part.is_optional() {
            return Err(415);
        }
    }
    found.map(Some).ok_or(415)
}

/// A media type without its parameters and blanks.
pub(super) fn media_type(value: &[u8]) -> String {
    let bare = value.split(|b| *b == b';').next().unwrap_or_default();
    String::from_utf8_lossy(trim(bare)).chars().filter(|c| !c.is_ascii_whitespace()).collect()
}

/// The value of a parameter of a header field, without its quotes.
fn param<'a>(value: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut cursor = Cursor::new(value);
    cursor.take_while(|b| b != b';');
    let (_, found) = Params::parse_with(cursor, name)?;
    let found = trim(found??);
    Some(found.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(found))
}

fn boundary(kind: &[u8]) -> Option<&[u8]> {
    param(kind, "boundary").filter(|boundary| (1..=BOUNDARY_MAX).contains(&boundary.len()))
}

/// What lies between the boundaries. `None`: too many parts, or the last boundary is missing.
fn parts<'a>(body: &'a [u8], boundary: &[u8]) -> Option<Vec<&'a [u8]>> {
    let dashed = [b"--", boundary].concat();
    let mut found: Vec<&[u8]> = Vec::new();
    let mut begun = None;
    for at in memchr::memmem::find_iter(body, &dashed) {
        let (before, after) = (body.get(..at)?, body.get(at + dashed.len()..)?);
        // It stands at the beginning of a line, and nothing but blanks follow it there.
        let last = after.starts_with(b"--");
        let rest = after.strip_prefix(b"--").unwrap_or(after);
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let line_ends = rest.get(blanks..).is_some_and(|rest| rest.starts_with(b"\r\n") || (last && rest.is_empty()));
        if !(before.is_empty() || before.ends_with(b"\r\n")) || !line_ends {
            continue;
        }
        if let Some(begun) = begun {
            // The line break before a boundary belongs to it.
            found.push(body.get(begun..at.checked_sub(2)?).unwrap_or_default());
        }
        if last {
            return Some(found);
        }
        if found.len() >= PARTS_MAX {
            return None;
        }
        begun = Some(at + dashed.len() + blanks + 2);
    }
    None
}

/// One of several bodies.
struct Part<'a> {
    headers: Vec<(&'a [u8], &'a [u8])>,
    content: &'a [u8],
}

impl<'a> Part<'a> {
    fn read(part: &'a [u8]) -> Option<Part<'a>> {
        // Without headers a part begins with the empty line that would end them.
        let (head, content) = match part.strip_prefix(b"\r\n") {
            Some(content) => (&b""[..], content),
            None => {
                let end = memchr::memmem::find(part, b"\r\n\r\n")?;
                (part.get(..end)?, part.get(end + 4..)?)
            }
        };
        let mut headers = Vec::new();
        let lines = head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for line in lines.filter(|line| !trim(line).is_empty()) {
            let colon = memchr::memchr(b':', line)?;
            headers.push((trim(line.get(..colon)?), trim(line.get(colon + 1..)?)));
        }
        Some(Part { headers, content })
    }

    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(label, _)| label.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| trim(value))
    }

    /// A session description, as it goes over the wire.
    fn is_description(&self) -> bool {
        let plain = ["7bit", "8bit", "binary"];
        self.header("Content-Type").is_some_and(|kind| media_type(kind).eq_ignore_ascii_case(SDP))
            && self.header("Content-Transfer-Encoding").is_none_or(|how| plain.iter().any(|ours| how.eq_ignore_ascii_case(ours.as_bytes())))
    }

    fn is_optional(&self) -> bool {
        self.header("Content-Disposition").is_some_and(is_optional)
    }
}

/// Whether a Content-Disposition says that who does not understand the body may pass it over.
fn is_optional(disposition: &[u8]) -> bool {
    param(disposition, "handling").is_some_and(|how| how.eq_ignore_ascii_case(b"optional"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_between_boundaries_at_the_beginning_of_lines() {
        let body = b"before\r\n--b\r\n\r\none --b\r\n--b-c\r\n--b \t\r\nX: 1\r\n\r\n--b--";
        assert_eq!(parts(body, b"b").unwrap(), [&b"\r\none --b\r\n--b-c"[..], b"X: 1\r\n"]);
        for (broken, why) in [(&b"--b\r\n\r\none"[..], "no last one"), (b"", "nothing"), (b"--b\r\n--b", "no end of a line")] {
            assert_eq!(parts(broken, b"b"), None, "{why}");
        }
        let many = [b"--b\r\n\r\n\r\n".repeat(PARTS_MAX + 1).as_slice(), b"--b--"].concat();
        assert_eq!(parts(&many, b"b"), None);
    }

    #[test]
    fn a_boundary_may_stand_in_quotes() {
        assert_eq!(boundary(b"multipart/mixed;boundary=\"a b\""), Some(&b"a b"[..]));
        assert_eq!(boundary(b"multipart/mixed ; charset=x ; boundary=unique"), Some(&b"unique"[..]));
        assert_eq!(boundary(b"multipart/mixed"), None);
        assert_eq!(boundary(b"multipart/mixed;boundary=\"\""), None);
    }
}
