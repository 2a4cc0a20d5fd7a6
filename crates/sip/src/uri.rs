//! Addresses: who is meant, and where to find them.
//!
//! SIP and SIPS URIs (RFC 3261 section 19.1), telephone URIs (RFC 3966), and any other scheme as an opaque text.

use crate::bounds::URI_MAX;
use crate::lexis::{AnyCase, Word, find, is_host_byte, is_uri, text};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The default port of SIP over UDP (RFC 3261 section 19.1.2).
pub const DEFAULT_PORT: u16 = 5060;
/// The default port of SIP over TLS (RFC 3261 section 19.1.2).
pub(crate) const DEFAULT_TLS_PORT: u16 = 5061;

/// What kind of address a URI is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else: kept as it is, never called.
    Other,
}

/// A URI, read but not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// ASCII only.
    text: &'a [u8],
    scheme: Scheme,
    user: Span,
    password: Option<Span>,
    host: Span,
    port: Option<u16>,
    params: Span,
    headers: Option<Span>,
}

const SCHEMES: [(AnyCase, Scheme); 3] =
    [(AnyCase::new(b"sip"), Scheme::Sip), (AnyCase::new(b"sips"), Scheme::Sips), (AnyCase::new(b"tel"), Scheme::Tel)];

/// From where to where in the text: [`URI_MAX`] fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span(u16, u16);

impl Span {
    fn new(start: usize, end: usize) -> Span {
        Span(start as u16, end as u16)
    }
}

impl<'a> Uri<'a> {
    /// Reads a whole URI. `None` if it is not one: a blank, `<`, `>`, `"` or a byte beyond ASCII in it, no scheme, a broken host or
    /// port, or longer than [`URI_MAX`].
    pub fn parse(bytes: &'a [u8]) -> Option<Uri<'a>> {
        if bytes.len() > URI_MAX || !is_uri(bytes) {
            return None;
        }
        let none = Span::default();
        let uri = Uri { text: bytes, scheme: Scheme::Sip, user: none, password: None, host: none, port: None, params: none, headers: None };
        // As almost all of them begin.
        if bytes.starts_with(b"sip:") {
            return uri.sip(4);
        }
        let word = Word::new(bytes);
        let colon = find(b':', word, bytes)?;
        let scheme = bytes.get(..colon)?;
        let rest = colon + 1;
        if rest == bytes.len() {
            return None;
        }
        let known = SCHEMES.iter().find(|(name, _)| name.is(word.cut(colon)));
        let sound = || {
            scheme.first().is_some_and(u8::is_ascii_alphabetic)
                && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        };
        let scheme = match known {
            Some((_, scheme)) => *scheme,
            None if sound() => Scheme::Other,
            None => return None,
        };
        let uri = Uri { scheme, ..uri };
        match scheme {
            Scheme::Sip | Scheme::Sips => uri.sip(rest),
            Scheme::Tel => {
                let number = bytes.get(rest..)?.iter().position(|b| *b == b';').map_or(bytes.len(), |at| rest + at);
                let params = Span::new((number + 1).min(bytes.len()), bytes.len());
                (number > rest).then_some(Uri { user: Span::new(rest, number), params, ..uri })
            }
            Scheme::Other => Some(uri),
        }
    }

    fn sip(mut self, rest: usize) -> Option<Uri<'a>> {
        let whole = self.text.len();
        let mut place = rest;
        // A user part may hold `;` and `?` (section 25.1, user-unreserved), so those count only behind the `@`.
        let behind = self.text.get(rest..)?;
        let word = Word::new(behind);
        if let Some(length) = find(b'@', word, behind) {
            let (user, at) = (behind.get(..length)?, rest + length);
            let password = find(b':', word.cut(length), user).map(|colon| rest + colon);
            self.user = Span::new(rest, password.unwrap_or(at));
            self.password = password.map(|colon| Span::new(colon + 1, at));
            if user.is_empty() {
                return None;
            }
            place = at + 1;
        }
        let (length, port, taken) = host_port(self.text.get(place..)?)?;
        self.host = Span::new(place, place + length);
        self.port = port;
        place += taken;
        let (mut params, mut end) = (whole, whole);
        if let Some((mark, behind)) = self.text.get(place..)?.split_first() {
            if !b";?".contains(mark) || behind.contains(&b'@') {
                return None;
            }
            if let Some(from) = self.text.get(place..)?.iter().position(|byte| *byte == b'?') {
                end = place + from;
                self.headers = Some(Span::new(end + 1, whole));
            }
            params = (place + 1).min(end);
        }
        self.params = Span::new(params, end);
        Some(self)
    }

    fn part(&self, span: Span) -> &'a str {
        text(self.text.get(usize::from(span.0)..usize::from(span.1)).unwrap_or_default())
    }

    /// The URI as it was written.
    pub fn text(&self) -> &'a str {
        text(self.text)
    }
    /// What kind of address it is.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
    /// The user, or the telephone number of a `tel:` URI, with `%` escapes resolved once; empty if there is none.
    /// `%00` is a character like any other, it cuts nothing off. What is then no UTF-8 becomes U+FFFD.
    pub fn user(&self) -> String {
        unescape(self.part(self.user))
    }
    /// The host as written: a name, an IPv4 address, or an IPv6 address in brackets; empty for other schemes.
    pub fn host(&self) -> &'a str {
        self.part(self.host)
    }
    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        ip(self.host())
    }
    /// Host and port as a socket address, if the host is an IP address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let port = if self.wants_tls() { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        Some(SocketAddr::new(self.ip()?, self.port.unwrap_or(port)))
    }
    /// Whether whoever it names wants to be spoken to by TLS only (RFC 3261 section 26.2.2, RFC 3263 section 4.1).
    pub fn wants_tls(&self) -> bool {
        self.scheme() == Scheme::Sips || self.param("transport").is_some_and(|named| named.eq_ignore_ascii_case("tls"))
    }
    /// The URI parameter of that name: `Some("")` if it has no value.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    /// Whether it carries headers (`?Route=..`). Such a URI is never called: the headers would slip into our request.
    pub fn has_headers(&self) -> bool {
        self.headers.is_some()
    }
    fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.part(self.params).split(';').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")))
    }

    /// Whether two URIs are equal by the rules of RFC 3261 section 19.1.4.
    pub fn same(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        // Also one that names a parameter twice, and so disagrees with itself below.
        if self.scheme == Scheme::Other || self.text == other.text {
            return self.text == other.text;
        }
        let deciding = ["user", "ttl", "method", "maddr", "transport"];
        let covers = |a: &Uri<'_>, b: &Uri<'_>| {
            a.params().all(|(name, value)| match b.param(name) {
                Some(theirs) => unescape(theirs).eq_ignore_ascii_case(&unescape(value)),
                None => !deciding.iter().any(|d| d.eq_ignore_ascii_case(name)),
            })
        };
        self.user() == other.user()
            && self.password.map(|p| unescape(self.part(p))) == other.password.map(|p| unescape(other.part(p)))
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port == other.port
            && self.headers.map(|h| self.part(h)) == other.headers.map(|h| other.part(h))
            && covers(self, other)
            && covers(other, self)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Reads `host[:port]`, which may have anything behind it: how long the host is, which may be an IPv6 address in brackets, the port, and how long
/// both are. `None` if either is broken.
pub(crate) fn host_port(place: &[u8]) -> Option<(usize, Option<u16>, usize)> {
    let end = match place.first()? {
        b'[' => {
            let end = memchr::memchr(b']', place)?;
            text(place.get(1..end)?).parse::<std::net::Ipv6Addr>().ok()?;
            end + 1
        }
        _ => place.iter().position(|byte| !is_host_byte(*byte)).unwrap_or(place.len()),
    };
    let behind = place.get(end..).filter(|_| end > 0)?;
    let Some(port) = behind.strip_prefix(b":") else { return Some((end, None, end)) };
    let (mut number, mut digits) = (0u16, 0);
    while let Some(digit) = port.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        number = number.checked_mul(10)?.checked_add(u16::from(digit))?;
        digits += 1;
    }
    (digits > 0).then_some((end, Some(number), end + 1 + digits))
}

/// A host as an address, if it is one.
pub(crate) fn ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Resolves `%` escapes once. A `%` without two hexadecimal digits stays what it is.
pub(crate) fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// A text as the user part of a SIP URI: everything but unreserved characters and `+ & = $` becomes a `%` escape.
pub(crate) fn escape_user(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()+&=$".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a URI"))
    }

    #[test]
    fn the_user_ends_at_the_at_sign_and_not_before() {
        assert_eq!(uri("sip:user;par=u%40example.net@example.com").user(), "user;par=u@example.net");
        assert_eq!(uri("sip:sips%3Auser%40example.com@example.net").user(), "sips:user@example.com");
        assert_eq!(uri("sip:0440000001@[2001:db8::1]:5070;lr").socket_addr(), Some("[2001:db8::1]:5070".parse().unwrap()));
        assert_eq!(uri("tel:+81-44-000-0001;phone-context=x").user(), "+81-44-000-0001");
        assert_eq!(uri("sip:null-%00-null@h").user(), "null-\0-null");
        assert_eq!(uri("sip:a%2541@h").user(), "a%41");
        assert_eq!(uri("SIP:h;Transport=udp").param("transport"), Some("udp"));
        assert!(uri("sip:h?Route=x").has_headers());
        assert_eq!(uri("soap.beep://192.0.2.103:3002").scheme(), Scheme::Other);
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "sip:",
            "<sip:a@b>",
            "sip:a b@c",
            "sip:a@",
            "sip:@h",
            "sip:a@b@c",
            "sip:a@[::1",
            "sip:a@[zz]",
            "sip:a@h:70000",
            "sip:a@h:+1",
            "1x:y",
            "ä:b",
        ] {
            assert!(Uri::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Uri::parse(format!("sip:{}@h", "a".repeat(URI_MAX)).as_bytes()).is_none());
    }

    #[test]
    fn equal_uris_are_equal_whatever_their_spelling() {
        assert!(uri("sip:%61lice@Example.com;transport=TCP").same(&uri("sip:alice@example.com;Transport=tcp")));
        assert!(uri("sip:carol@chicago.com;newparam=5").same(&uri("sip:carol@chicago.com;security=on")));
        assert!(uri("sip:bob@biloxi.com;x=1;x=2").same(&uri("sip:bob@biloxi.com;x=1;x=2")));
        assert!(!uri("sip:bob@biloxi.com").same(&uri("sip:bob@biloxi.com:5060")));
        assert!(!uri("sip:bob@biloxi.com").same(&uri("sip:bob@biloxi.com;transport=udp")));
        assert!(!uri("sip:Bob@biloxi.com").same(&uri("sip:bob@biloxi.com")));
    }

    #[test]
    fn an_escaped_user_comes_back_whole() {
        for text in ["044-000-0001", "川崎 <sip:x>", "a;b?c@d\r\nVia: x", "100%"] {
            let escaped = escape_user(text);
            assert!(!escaped.contains(['<', '>', ' ', '\r', ';', '@', '?']));
            assert_eq!(unescape(&escaped), text);
        }
    }
}
