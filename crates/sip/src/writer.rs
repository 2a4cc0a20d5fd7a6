//! Puts messages on the wire: a start line, header lines, a body.
//!
//! RFC 3261 section 7. Every message is built afresh; nothing of a peer's gets in but values that were read and checked, or
//! single header lines echoed into a response (section 8.2.6).

use bytes::Bytes;

/// The methods that we offer (RFC 3261 section 20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER";
/// What INFO may carry.
pub(crate) const INFO_ACCEPTS: &str = "application/dtmf-relay, application/dtmf";
/// The extensions that we know (RFC 3261 section 20.37): reliable provisional answers (RFC 3262), taking the place of a
/// call (RFC 3891) and session timers (RFC 4028).
pub(crate) const SUPPORTED: &str = "100rel, replaces, timer";

/// A message under construction.
#[derive(Clone, Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins a request.
    pub fn request(method: &str, uri: &str) -> Writer {
        Writer(Vec::with_capacity(1024)).line(format!("{method} {uri} SIP/2.0").as_bytes())
    }
    /// Begins a response with the usual words for `status`.
    pub fn response(status: u16) -> Writer {
        Self::response_saying(status, reason(status))
    }
    /// Begins a response with words of its own.
    pub fn response_saying(status: u16, words: &str) -> Writer {
        Writer(Vec::with_capacity(1024)).line(format!("SIP/2.0 {status} {words}").as_bytes())
    }
    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Writer {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.line(value.as_ref())
    }
    /// Adds lines that were built by another writer.
    #[must_use]
    pub(crate) fn lines(mut self, lines: &[u8]) -> Writer {
        self.0.extend_from_slice(lines);
        self
    }
    /// Ends the message with a body.
    pub fn body(self, content_type: &str, body: &[u8]) -> Bytes {
        let Writer(mut bytes) = self.header("Content-Type", content_type).header("Content-Length", body.len().to_string());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Bytes::from(bytes)
    }
    /// Ends the message without a body.
    pub fn empty(self) -> Bytes {
        let Writer(mut bytes) = self.header("Content-Length", "0");
        bytes.extend_from_slice(b"\r\n");
        Bytes::from(bytes)
    }
    /// A line break inside a value would be a header of somebody else's choosing: it becomes a blank.
    fn line(mut self, text: &[u8]) -> Writer {
        self.0.extend(text.iter().map(|b| if b"\r\n".contains(b) { b' ' } else { *b }));
        self.0.extend_from_slice(b"\r\n");
        self
    }
    /// The lines so far, to be used in several messages.
    pub(crate) fn into_lines(self) -> Vec<u8> {
        self.0
    }
    /// No start line: header lines only.
    pub(crate) fn fragment() -> Writer {
        Writer(Vec::with_capacity(512))
    }
}

/// A message of ours with another value in its first header line of that name, as [`Writer::header`] wrote it; without such a line as it is.
pub(crate) fn with_line(message: &Bytes, name: &str, value: &str) -> Bytes {
    let head = message.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 2);
    let begin = format!("\r\n{name}: ");
    let Some(at) = message[..head].windows(begin.len()).position(|window| window == begin.as_bytes()) else { return message.clone() };
    let old = at + begin.len();
    let end = message[old..].iter().position(|b| *b == b'\r').map_or(head, |length| old + length);
    Bytes::from([&message[..old], value.as_bytes(), &message[end..]].concat())
}

/// A text as a quoted string: escapes resolved against it, control characters gone, at most 128 characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().filter(|c| !c.is_control()).take(128) {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The usual words for a status (RFC 3261 section 21).
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        410 => "Gone",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_smuggled_through_a_value() {
        let bytes = Writer::request("INVITE", "sip:a@b").header("X", "1\r\nVia: evil").body("application/sdp", b"v=0\r\n");
        assert_eq!(
            &bytes[..],
            b"INVITE sip:a@b SIP/2.0\r\nX: 1  Via: evil\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        );
        assert_eq!(quoted("a\"b\\c\r\nd\u{7f}"), r#""a\"b\\cd""#);
    }

    #[test]
    fn one_line_of_the_head_can_say_something_else() {
        let message = Writer::request("UPDATE", "sip:a@b").header("Via", "old").header("Via", "under").body("x/y", b"\r\nContact: no\r\n");
        let other = with_line(&with_line(&message, "Via", "new and longer"), "Contact", "yes");
        assert_eq!(
            &other[..],
            b"UPDATE sip:a@b SIP/2.0\r\nVia: new and longer\r\nVia: under\r\nContent-Type: x/y\r\nContent-Length: 15\r\n\r\n\r\nContact: no\r\n"
        );
        let last = Writer::request("ACK", "sip:a@b").header("Via", "old").empty();
        assert_eq!(with_line(&last, "Content-Length", "00").last_chunk::<8>(), Some(b": 00\r\n\r\n"));
    }
}
