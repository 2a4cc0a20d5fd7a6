//! Header fields: their names, and the few values that everything depends on.
//!
//! RFC 3261 section 20: Via, From, To, Contact, Route and CSeq as typed values; section 7.3.3: the compact names.

use crate::lexis::{AnyCase, Cursor, Params, Word, is_token, is_value_byte, is_visible, number, text, trim, unquote, visible};
use crate::uri::{self, Uri};
use std::net::IpAddr;

/// The header fields that we read. All others are kept by their text only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the header field of that name")]
pub enum Name {
    Accept,
    Allow,
    Authorization,
    CallId,
    Contact,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Expires,
    From,
    MaxForwards,
    Path,
    RecordRoute,
    ReferTo,
    Replaces,
    Require,
    RetryAfter,
    Route,
    SessionExpires,
    Supported,
    To,
    Unsupported,
    Via,
    WwwAuthenticate,
    /// Any other.
    Other,
}

/// How many names there are, [`Name::Other`] among them.
pub(crate) const NAMES_MAX: usize = Name::Other as usize + 1;

const NAMES: [(Name, &str, Option<u8>); NAMES_MAX - 1] = [
    (Name::Via, "Via", Some(b'v')),
    (Name::From, "From", Some(b'f')),
    (Name::To, "To", Some(b't')),
    (Name::CallId, "Call-ID", Some(b'i')),
    (Name::CSeq, "CSeq", None),
    (Name::Contact, "Contact", Some(b'm')),
    (Name::ContentLength, "Content-Length", Some(b'l')),
    (Name::ContentType, "Content-Type", Some(b'c')),
    (Name::ContentEncoding, "Content-Encoding", Some(b'e')),
    (Name::MaxForwards, "Max-Forwards", None),
    (Name::Route, "Route", None),
    (Name::RecordRoute, "Record-Route", None),
    (Name::Authorization, "Authorization", None),
    (Name::Require, "Require", None),
    (Name::Expires, "Expires", None),
    (Name::Accept, "Accept", None),
    (Name::Allow, "Allow", None),
    (Name::RetryAfter, "Retry-After", None),
    (Name::Unsupported, "Unsupported", None),
    (Name::ReferTo, "Refer-To", Some(b'r')),
    (Name::Replaces, "Replaces", None),
    (Name::Supported, "Supported", Some(b'k')),
    (Name::SessionExpires, "Session-Expires", Some(b'x')),
    (Name::WwwAuthenticate, "WWW-Authenticate", None),
    (Name::Path, "Path", None),
];

/// The texts of [`NAMES`]; none is longer than a word.
const WORDS: [AnyCase; NAMES.len()] = {
    let mut words = [AnyCase::new(b""); NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        words[at] = AnyCase::new(NAMES[at].1.as_bytes());
        at += 1;
    }
    words
};

/// Which of [`NAMES`] have so many letters, a bit for each: seldom more than two.
const OF_LENGTH: [u32; Word::LENGTH + 1] = {
    let mut masks = [0; Word::LENGTH + 1];
    let mut at = 0;
    while at < NAMES.len() {
        masks[NAMES[at].1.len()] |= 1 << at;
        at += 1;
    }
    masks
};

impl Name {
    /// From the text before the colon, in any case, long or compact.
    pub fn parse(text: &[u8]) -> Name {
        Self::spelt(Word::new(text), text.len())
    }
    /// The same, from a word that begins with this text, and the text's length.
    pub(crate) fn spelt(word: Word, length: usize) -> Name {
        let word = word.cut(length);
        if length == 1 {
            let short = |(_, _, short): &&(Name, &str, Option<u8>)| short.is_some_and(|s| AnyCase::new(&[s]).is(word));
            return NAMES.iter().find(short).map_or(Name::Other, |(name, _, _)| *name);
        }
        let Some(as_long) = OF_LENGTH.get(length) else { return Name::Other };
        let mut as_long = *as_long;
        while as_long != 0 {
            let at = as_long.trailing_zeros() as usize;
            if WORDS[at].is(word) {
                return NAMES[at].0;
            }
            as_long &= as_long - 1;
        }
        Name::Other
    }
    /// The long name on the wire.
    pub fn text(self) -> &'static str {
        NAMES.iter().find(|(name, _, _)| *name == self).map_or("", |(_, long, _)| long)
    }
}

/// A Session-Expires, or a Min-SE (RFC 4028 sections 4 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timed<'a> {
    /// Seconds; what does not fit counts as the longest.
    pub(crate) secs: u32,
    /// `uac` or `uas`, if it is said.
    pub(crate) refresher: Option<&'a [u8]>,
}

impl<'a> Timed<'a> {
    /// Reads one. `None` if it is broken.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Timed<'a>> {
        let mut cursor = Cursor::new(trim(value));
        let digits = cursor.take_while(|b| b.is_ascii_digit());
        let secs = number(digits).map(|secs| u32::try_from(secs).unwrap_or(u32::MAX))?;
        let (_, refresher) = Params::parse_with(cursor, "refresher")?;
        Some(Timed { secs, refresher: refresher.flatten() })
    }
}

/// The topmost Via: where a request came through and how its transaction is named (RFC 3261 section 20.42).
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    // Visible ASCII, as text for who asks.
    transport: &'a [u8],
    sent_by: &'a [u8],
    host: &'a [u8],
    port: Option<u16>,
    branch: Option<&'a [u8]>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one Via value. `None` if it is broken, or of another version than 2.0.
    pub fn parse(value: &'a [u8]) -> Option<Via<'a>> {
        let mut cursor = Cursor::new(trim(value));
        // Most write it without blanks.
        if !cursor.eat_all(b"SIP/2.0/") {
            let protocol = cursor.token()?;
            let version = cursor.separator(b'/').then(|| cursor.token())??;
            if !protocol.eq_ignore_ascii_case(b"SIP") || version != b"2.0" || !cursor.separator(b'/') {
                return None;
            }
        }
        cursor.blanks();
        let transport = cursor.token()?;
        if cursor.blanks() == 0 {
            return None;
        }
        let (length, mut port, taken) = uri::host_port(cursor.rest())?;
        let sent_by = cursor.take(taken)?;
        let host = sent_by.get(..length)?;
        // Blanks may stand around the colon of the port (section 25.1, COLON).
        if port.is_none() && cursor.separator(b':') {
            port = Some(std::str::from_utf8(cursor.take_while(|b| b.is_ascii_digit())).ok()?.parse().ok()?);
        }
        let (params, branch) = Params::parse_with(cursor, "branch")?;
        let branch = match branch {
            Some(branch) => Some(branch.filter(|branch| is_visible(branch))?),
            None => None,
        };
        Some(Via { transport, sent_by, host, port, branch, params })
    }
    /// The branch parameter, which names the transaction.
    pub fn branch(&self) -> Option<&'a str> {
        self.branch.map(text)
    }
    pub(crate) fn branch_bytes(&self) -> Option<&'a [u8]> {
        self.branch
    }
    /// `UDP`, `TCP`, ..., as written.
    pub fn transport(&self) -> &'a str {
        text(self.transport)
    }
    /// The host of sent-by, as written.
    pub fn host(&self) -> &'a str {
        text(self.host)
    }
    pub(crate) fn host_bytes(&self) -> &'a [u8] {
        self.host
    }
    /// The port of sent-by, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        uri::ip(self.host())
    }
    /// Whether the sender asks for the source port (RFC 3581).
    pub fn wants_rport(&self) -> bool {
        self.params.find("rport").is_some()
    }
    /// The value as it goes into a response: `received` and `rport` as the packet's source says, whatever stood there before
    /// (RFC 3261 section 18.2.1, RFC 3581 section 4).
    pub(crate) fn with_source(&self, source: std::net::SocketAddr) -> Vec<u8> {
        let mut out = [b"SIP/2.0/", self.transport, b" ", self.sent_by].concat();
        if let (false, Some(port)) = (self.sent_by.ends_with(format!(":{}", self.port.unwrap_or_default()).as_bytes()), self.port) {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        for (name, value) in self.params.iter() {
            if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
                continue;
            }
            out.push(b';');
            out.extend_from_slice(name);
            if let Some(value) = value {
                out.push(b'=');
                let quoted =
                    !is_token(value) && !value.iter().all(|b| b.is_ascii_alphanumeric() || b"[]:.".contains(b)) || value.is_empty();
                out.extend(quoted.then_some(b'"'));
                out.extend_from_slice(value);
                out.extend(quoted.then_some(b'"'));
            }
        }
        let wants_rport = self.wants_rport();
        if wants_rport {
            out.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
        }
        if wants_rport || self.ip() != Some(source.ip().to_canonical()) {
            out.extend_from_slice(format!(";received={}", source.ip().to_canonical()).as_bytes());
        }
        out
    }
}

/// A name and an address: From, To, Contact, Route, Record-Route (RFC 3261 section 20.10).
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    display: &'a [u8],
    uri: Uri<'a>,
    /// `Some(None)` if it is written without a value.
    tag: Option<Option<&'a [u8]>>,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value. A `<` inside a quoted display name is part of the name. `None` if it is broken.
    pub fn parse(value: &'a [u8]) -> Option<NameAddr<'a>> {
        let mut cursor = Cursor::new(trim(value));
        let display = if cursor.peek() == Some(b'"') {
            let name = cursor.quoted()?;
            cursor.blanks();
            name
        } else {
            // Without quotes, section 25.1 allows tokens and blanks only. We take anything that leaves no doubt where the name ends,
            // because a gateway that writes `Sato (home)` still has somebody on the line.
            let mut ahead = cursor;
            let name = ahead.take_while(|b| crate::lexis::is_blank(b) || !b.is_ascii_control() && !b"\"<>,;\\".contains(&b));
            if ahead.peek() != Some(b'<') {
                return Self::bare(cursor);
            }
            cursor = ahead;
            trim(name)
        };
        if !cursor.eat(b'<') {
            return None;
        }
        let uri = Uri::parse(cursor.until(b'>'))?;
        let closed = cursor.eat(b'>');
        let (params, tag) = Params::parse_with(cursor, "tag").filter(|_| closed)?;
        Some(NameAddr { display, uri, tag, params })
    }

    /// An address without `<>`: what follows a `;` belongs to the header. Section 20: a URI with `?` or `,` must stand in `<>`.
    fn bare(mut cursor: Cursor<'a>) -> Option<NameAddr<'a>> {
        let uri = cursor.take_while(|b| !crate::lexis::is_blank(b) && !b";?,".contains(&b));
        let (params, tag) = Params::parse_with(cursor, "tag")?;
        Some(NameAddr { display: b"", uri: Uri::parse(uri)?, tag, params })
    }

    /// The display name with its escapes resolved; bytes that are no UTF-8 become U+FFFD.
    pub fn display(&self) -> String {
        String::from_utf8_lossy(&unquote(self.display)).into_owned()
    }
    /// The address.
    pub fn uri(&self) -> &Uri<'a> {
        &self.uri
    }
    /// The tag, if there is one (RFC 3261 section 19.3).
    pub fn tag(&self) -> Option<&'a str> {
        self.tag.flatten().and_then(visible)
    }
    /// The tag as it is written, empty if there is none. Of the essentials it is [`NameAddr::tag_sound`].
    pub(crate) fn tag_bytes(&self) -> &'a [u8] {
        self.tag.flatten().unwrap_or_default()
    }
    /// Whether the tag, if any, can be repeated as it is: section 25.1 wants a token, some peers write more.
    pub(crate) fn tag_sound(&self) -> bool {
        let repeatable = |tag: &[u8]| !tag.is_empty() && tag.iter().all(|b| is_value_byte(*b) && *b != b'\\');
        self.tag.is_none_or(|tag| tag.is_some_and(repeatable))
    }
    /// The header parameter of that name, quotes and escapes resolved: empty if it has no value.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let value = self.params.find(name)?;
        Some(value.map(|value| String::from_utf8_lossy(&unquote(value)).into_owned()).unwrap_or_default())
    }
    /// The `expires` parameter of a Contact, in seconds; one that is no number is as if absent.
    pub(crate) fn expires(&self) -> Option<u64> {
        self.params.find("expires").flatten().and_then(number)
    }
    /// Which phone a Contact is, where it says so: `+sip.instance` (RFC 5626 section 4.1).
    pub(crate) fn instance(&self) -> Option<String> {
        self.written("+sip.instance").filter(|instance| !instance.is_empty())
    }
    /// Which of its ways to us a Contact is: `reg-id` (RFC 5626 section 4.2), 1 to 2^31 - 1.
    pub(crate) fn reg_id(&self) -> Option<u32> {
        self.written("reg-id")?.parse().ok().filter(|id| (1..1 << 31).contains(id))
    }
    fn written(&self, name: &str) -> Option<String> {
        self.params.find(name).flatten().map(|value| String::from_utf8_lossy(&unquote(value)).into_owned())
    }
}

/// The sequence number and method of a request (RFC 3261 section 20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2^31 (section 8.1.1.5).
    pub number: u32,
    /// The method it belongs to.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads `4711 INVITE`. `None` if it is broken or the number is 2^31 or more.
    pub fn parse(value: &'a [u8]) -> Option<CSeq<'a>> {
        let mut cursor = Cursor::new(trim(value));
        let digits = cursor.take_while(|b| b.is_ascii_digit());
        let number = number(digits).filter(|n| *n < 1 << 31).and_then(|n| u32::try_from(n).ok())?;
        if cursor.blanks() == 0 {
            return None;
        }
        let method = text(cursor.token()?);
        cursor.rest().is_empty().then_some(CSeq { number, method })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_name_is_the_long_one() {
        assert_eq!(Name::parse(b"v"), Name::Via);
        assert_eq!(Name::parse(b"V"), Name::Via);
        assert_eq!(Name::parse(b"cOnTaCt"), Name::Contact);
        assert_eq!(Name::parse(b"C%6Fntact"), Name::Other);
        assert_eq!(Name::parse(b"s"), Name::Other);
        assert_eq!(Name::CSeq.text(), "CSeq");
    }

    #[test]
    fn a_name_is_known_by_all_its_letters_in_any_case() {
        for (name, long, _) in NAMES {
            for text in [long.to_owned(), long.to_lowercase(), long.to_uppercase()] {
                assert_eq!(Name::parse(text.as_bytes()), name);
                for other in
                    [format!("{text}\0"), format!("{text}s"), text[1..].to_owned(), text.replace('-', "\r"), text.replace('t', "\u{14}")]
                {
                    assert!(other == text || Name::parse(other.as_bytes()) != name, "{other:?}");
                }
            }
        }
    }

    #[test]
    fn a_caller_cannot_borrow_an_address_by_writing_it_into_the_name() {
        let from = NameAddr::parse(br#""Bank <sip:0120444444@trusted>" <sip:090@carrier>;tag=1"#).unwrap();
        assert_eq!(from.uri().user(), "090");
        assert_eq!(from.display(), "Bank <sip:0120444444@trusted>");
        let from = NameAddr::parse(br#""a;b<c>\"d" <sip:x@y>;tag=2"#).unwrap();
        assert_eq!((from.display().as_str(), from.tag()), ("a;b<c>\"d", Some("2")));
    }

    #[test]
    fn a_shift_jis_name_costs_nobody_the_address() {
        let from = NameAddr::parse(b"\"\x90\xec\x8d\xe8\" <sip:044@h>;tag=1").unwrap();
        assert_eq!((from.uri().user().as_str(), from.tag()), ("044", Some("1")));
        let bare = NameAddr::parse("川崎 市<sip:044@h>".as_bytes()).unwrap();
        assert_eq!(bare.display(), "川崎 市");
        assert_eq!(NameAddr::parse(b"Sato/Taro (home): <sip:044@h>").unwrap().display(), "Sato/Taro (home):");
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in [
            "Bell, Alexander <sip:a@b>",
            "\"Mr. J. User <sip:j@e>",
            "\"W\" < sip:t@e >",
            "<sip:t@e",
            "sip:t@e?Route=%3Csip:x%3E",
            "<sip:t@e>;;",
            "a;b <sip:t@e>",
            "",
            "<>",
        ] {
            assert!(NameAddr::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_via_is_read_through_its_blanks_and_answered_with_the_source() {
        let via = Via::parse(b"SIP  / 2.0  / UDP    192.0.2.2 :5070 ; branch=   z9hG4bK1;rport;received=9.9.9.9").unwrap();
        assert_eq!((via.host(), via.port(), via.branch()), ("192.0.2.2", Some(5070), Some("z9hG4bK1")));
        let answered = String::from_utf8(via.with_source("192.0.2.9:6000".parse().unwrap())).unwrap();
        assert_eq!(answered, "SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK1;rport=6000;received=192.0.2.9");
        let plain = Via::parse(b"SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;x=\"a b\"").unwrap();
        assert_eq!(plain.with_source("[::1]:9".parse().unwrap()), b"SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;x=\"a b\"");
        for broken in
            ["SIP/2.0/UDP", "SIP/2.0/UDP h;;", "SIP/7.0/UDP h", "SIP/2.0 h", "SIP/2.0/UDP h:x", "SIP/2.0/UDP h;branch", "SIP/2.0/UDP h x"]
        {
            assert!(Via::parse(broken.as_bytes()).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_sequence_number_has_31_bits() {
        assert_eq!(CSeq::parse(b"0009   INVITE"), Some(CSeq { number: 9, method: "INVITE" }));
        assert_eq!(CSeq::parse(b"2147483647 BYE").map(|c| c.number), Some(u32::MAX >> 1));
        for broken in ["2147483648 BYE", "36893488147419103232 REGISTER", "-1 BYE", "1", "BYE", "1 BYE x", "1BYE"] {
            assert_eq!(CSeq::parse(broken.as_bytes()), None, "{broken}");
        }
    }
}
