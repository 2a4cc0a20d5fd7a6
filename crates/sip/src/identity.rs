//! Who calls, and whom, as the network tells it beside From and To: numbers that a carrier vouches for, wishes to stay unnamed, and which
//! number was called before the call came to us.
//!
//! P-Asserted-Identity (RFC 3325), Privacy (RFC 3323, RFC 3325), P-Called-Party-ID (RFC 7315 section 4.2), Diversion (RFC 5806) and
//! History-Info (RFC 7044). They are read from whomever sends them and believed by nobody here: whether a source may speak for others is for
//! the calls to know.

use crate::header::NameAddr;
use crate::lexis::{list, trim};
use crate::message::{Essentials, Message};
use crate::uri::{Scheme, Uri, unescape};
use crate::writer::ALLOW;
use memchr::{memchr_iter, memchr3_iter, memmem};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

/// The host of who is unnamed (RFC 3323 section 4.1.1.3).
pub const UNNAMED_HOST: &str = "anonymous.invalid";
/// Identities that one INVITE may assert: RFC 3325 section 9.1 allows a `sip:` and a `tel:` URI.
const ASSERTED_MAX: usize = 2;
/// Numbers called before that are looked at; a call that was led on more often is in a circle.
const CALLED_MAX: usize = 8;

/// What an INVITE says of caller and called beside From and the Request-URI. Users are unescaped once and without their parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The users of P-Asserted-Identity.
    pub asserted: Vec<String>,
    /// Whether the caller wants to stay unnamed: Privacy with `id`, `user`, `header` or a word that we do not know, or the same by Remote-Party-ID or
    /// RPID-Privacy, which were there before RFC 3325.
    pub private: bool,
    /// Whether the caller wants to be named, whatever the network's habit is: Privacy with `none` alone.
    pub public: bool,
    /// The host of From: `anonymous.invalid` for who is unnamed (RFC 3323 section 4.1.1.3).
    pub from_host: String,
    /// The user of P-Called-Party-ID: what was dialled, where the Request-URI names us instead.
    pub called_party: Option<String>,
    /// The user of To.
    pub to: String,
    /// The users that were called before us, the first one first.
    pub called_before: Vec<String>,
}

impl Claims {
    pub(crate) fn of(invite: &Message, essentials: &Essentials<'_>) -> Claims {
        let users = |label: &'static str, most: usize| invite.others(label).flat_map(list).take(most).filter_map(user);
        let wants = |word: &str| wishes(invite).any(|wish| wish.eq_ignore_ascii_case(word.as_bytes()));
        let private = asks_for_privacy(invite);
        let hides_history = wants("history") || wants("header");
        let mut called_before: Vec<String> = Vec::new();
        if !hides_history {
            let mut history: Vec<(Vec<u32>, String)> =
                invite.others("History-Info").flat_map(list).take(CALLED_MAX).filter_map(entry).collect();
            history.sort();
            called_before.extend(history.into_iter().map(|(_, user)| user));
            // RFC 5806 section 4: the newest diversion stands on top.
            let mut diverted: Vec<String> = users("Diversion", CALLED_MAX).collect();
            diverted.reverse();
            called_before.extend(diverted);
        }
        Claims {
            asserted: users("P-Asserted-Identity", ASSERTED_MAX).collect(),
            private,
            public: !private && wants("none"),
            from_host: essentials.from.uri().host().trim_end_matches('.').to_ascii_lowercase(),
            called_party: users("P-Called-Party-ID", 1).next(),
            to: without_parameters(essentials.to.uri().user()),
            called_before,
        }
    }
}

/// The words of Privacy (RFC 3323 section 4.2), quoted against the grammar or not.
fn wishes<'a>(message: &'a Message) -> impl Iterator<Item = &'a [u8]> {
    let quoted = |wish: &'a [u8]| wish.strip_prefix(b"\"").and_then(|wish| wish.strip_suffix(b"\"")).unwrap_or(wish);
    message.others("Privacy").flat_map(|line| line.split(|b| b";, \t".contains(b))).map(trim).map(quoted)
}

/// Whether a message asks that whoever calls stays unnamed: by Privacy, or by what there was before it, Remote-Party-ID and RPID-Privacy. A wish that
/// we do not know could be one of `id`, `user`, `header`.
pub fn asks_for_privacy(message: &Message) -> bool {
    let of_others = [&b""[..], b"none", b"critical", b"session", b"history"];
    let hides = |wish: &[u8]| !of_others.iter().any(|word| wish.eq_ignore_ascii_case(word));
    let off = |value: &str| ["off", "none"].iter().any(|word| value.trim_matches(['"', ' ']).eq_ignore_ascii_case(word));
    let guarded = |address: NameAddr<'_>| {
        let called = address.param("party").is_some_and(|party| party.eq_ignore_ascii_case("called"));
        !called && address.param("privacy").is_some_and(|value| !off(&value))
    };
    let older = |value: &[u8]| {
        String::from_utf8_lossy(value).split([';', ',']).any(|part| match part.split_once('=') {
            Some((name, _)) if name.trim().eq_ignore_ascii_case("party") => false,
            Some((_, value)) => !off(value),
            None => !off(part),
        })
    };
    wishes(message).any(hides)
        || message.others("Remote-Party-ID").flat_map(list).filter_map(NameAddr::parse).any(guarded)
        || message.others("RPID-Privacy").any(older)
}

/// Whether From names nobody: by its words, by its host, or because there is no user.
pub(crate) fn names_nobody(from: &NameAddr<'_>) -> bool {
    let (uri, user) = (from.uri(), without_parameters(from.uri().user()));
    let unnamed = uri.host().trim_end_matches('.').eq_ignore_ascii_case(UNNAMED_HOST);
    unnamed || user.is_empty() || is_nobody(&user) || is_nobody(&from.display())
}

/// Whether what From says (its name, its user, or all of it) holds a word that stands for nobody. Escapes, quoted pairs, blanks however many, signs that
/// are not seen and letters of full width change nothing; in words that are written without blanks there may be some.
pub fn is_nobody(text: &str) -> bool {
    let text = if text.contains('%') { Cow::Owned(unescape(text)) } else { Cow::Borrowed(text) };
    let steers = |sign: char| sign.is_control() && !matches!(sign, '\t' | '\r' | '\n');
    // Some show it as a blank, others not at all.
    if text.contains(steers) { [" ", ""].iter().any(|shown| holds_nobody(&text.replace(steers, shown))) } else { holds_nobody(&text) }
}

fn holds_nobody(text: &str) -> bool {
    if text.is_ascii() {
        let mut plain = Vec::with_capacity(text.len());
        for byte in text.bytes().filter(|byte| *byte != b'\\') {
            match char::from(byte).is_whitespace() {
                true if plain.last() == Some(&b' ') => {}
                true => plain.push(b' '),
                false => plain.push(byte.to_ascii_lowercase()),
            }
        }
        return IN_ASCII.iter().any(|word| word.find(&plain).is_some());
    }
    let seen = text.chars().filter(|sign| *sign != '\\' && is_seen(*sign)).map(narrow);
    let seen = seen.collect::<String>().to_lowercase();
    let words: Vec<&str> = seen.split_whitespace().collect();
    let (plain, tight) = (words.join(" "), words.concat());
    NOBODY.iter().any(|word| if word.is_ascii() { plain.contains(word) } else { tight.contains(word) })
}

/// Whether anybody sees that a sign is there: displays leave some out (Unicode, `Default_Ignorable_Code_Point`), and some steer the direction.
fn is_seen(sign: char) -> bool {
    !matches!(
        u32::from(sign),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
            | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfff8 | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff
    )
}

/// A letter of full width as the one of ASCII that it stands for.
fn narrow(sign: char) -> char {
    match sign {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(sign) - 0xfee0).unwrap_or(sign),
        _ => sign,
    }
}

/// The user of an address that is or could be a telephone's.
fn user(value: &[u8]) -> Option<String> {
    let address = NameAddr::parse(value)?;
    known(address.uri())
}

fn known(uri: &Uri<'_>) -> Option<String> {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Some(without_parameters(uri.user())).filter(|user| !user.is_empty()),
        Scheme::Other => None,
    }
}

/// Parameters of the user part are the network's, not the number's (RFC 3966 section 3, RFC 3261 section 19.1.6).
fn without_parameters(user: String) -> String {
    user.split(';').next().unwrap_or_default().to_owned()
}

/// One entry of History-Info with its place in the tree (RFC 7044 section 5); `None` for one that asks not to be told (`?Privacy=history`).
fn entry(value: &[u8]) -> Option<(Vec<u32>, String)> {
    let address = NameAddr::parse(value)?;
    let text = address.uri().text();
    let headers = text.split_once('?').map_or("", |(_, headers)| headers);
    let hides = |(name, value): (&str, &str)| {
        unescape(name).eq_ignore_ascii_case("privacy") && !unescape(value).trim().eq_ignore_ascii_case("none")
    };
    let hidden = headers.split('&').filter_map(|header| header.split_once('=')).any(hides);
    let user = known(address.uri()).filter(|_| !hidden)?;
    let index = address.param("index").unwrap_or_default();
    let index: Vec<u32> = unescape(&index).split('.').take(CALLED_MAX).map(|n| n.parse().unwrap_or(u32::MAX)).collect();
    Some((index, user))
}

/// Whether a message says that somebody wants to stay unnamed, or that the network does not name them (RFC 3323 section 4.2, RFC 3325
/// section 9.3, and From as networks write it). A wish that we do not know, or for one entry of one field only (RFC 5806, RFC 7044), is such a wish.
pub fn is_unnamed(message: &[u8]) -> bool {
    let private = |line: &str| words(line).skip(1).any(|word| !["", "none", "critical"].contains(&word.trim_matches('"')));
    let guarded = |line: &str| {
        let line: String = unescape(line).to_ascii_lowercase().split_ascii_whitespace().collect();
        line.split("privacy=")
            .skip(1)
            .map(|value| value.trim_start_matches('"'))
            .map(|value| value.split([';', ',', '"', '>', '&', '?']).next().unwrap_or_default())
            .any(|value| !["off", "none"].contains(&value))
    };
    let nobody = |line: &str| {
        let address = line.split_once(':').and_then(|(_, value)| NameAddr::parse(value.trim().as_bytes()));
        // Without a user there is no number, whatever other fields say.
        let user = address.map_or(String::new(), |address| without_parameters(address.uri().user()));
        // A word in another script than UTF-8 could be any.
        user.is_empty() || unescape(line).contains(char::REPLACEMENT_CHARACTER) || is_nobody(line)
    };
    // Nearly all messages: only From can tell.
    if let Some(head) = open_head(message) {
        return head.lines().any(|line| line.starts_with(['F', 'f']) && matches!(label(line), Some("from" | "f")) && nobody(line));
    }
    // Whoever breaks lines in odd ways may hide a wish behind what looks like the end of the head.
    let odd = message.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n');
    let lines = unfolded(message).replace("\n ", " ").replace("\n\t", " ");
    lines.lines().take_while(|line| odd || !line.is_empty()).any(|line| match label(line) {
        Some("privacy") => private(line),
        Some("from" | "f") => nobody(line) || guarded(line),
        _ => guarded(line),
    })
}

/// The head of a message that is written plainly: its lines end in CRLF, none is folded, nothing is escaped, and the word `privacy` is nowhere, however
/// it is spaced. `None` for any other, which has to be read with care.
fn open_head(message: &[u8]) -> Option<&str> {
    let head = &message[..memmem::find(message, b"\r\n\r\n").unwrap_or(message.len())];
    let mut ends = 0;
    for end in memchr_iter(b'\n', head) {
        let alone = end == 0 || head[end - 1] != b'\r';
        if alone || head.get(end + 1).is_some_and(u8::is_ascii_whitespace) {
            return None;
        }
        ends += 1;
    }
    let spells = |rest: &[u8]| rest.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase).take(7).eq(*b"privacy");
    let told = |at: usize| head[at] == b'%' || spells(&head[at..]);
    let begins = head.first().is_some_and(|first| !first.is_ascii_whitespace());
    if !begins || memchr_iter(b'\r', head).count() != ends || memchr3_iter(b'p', b'P', b'%', head).any(told) {
        return None;
    }
    std::str::from_utf8(head).ok()
}

/// What From holds instead of a number, in small letters: the four words of Japanese networks among them.
const NOBODY: [&str; 9] = [
    "anonymous",
    "unavailable",
    "interaction with other service",
    "payphone",
    "restricted",
    "非通知",
    "表示圏外",
    "サービス競合",
    "公衆電話",
];

/// Those of them that are in ASCII, made ready to be looked for: every message is asked.
static IN_ASCII: LazyLock<Vec<memmem::Finder<'static>>> =
    LazyLock::new(|| NOBODY.iter().filter(|word| word.is_ascii()).map(memmem::Finder::new).collect());

/// Header fields that name nobody, in small letters, long and compact. All others could: a network tells us numbers, in fields of its own too,
/// that it asks us to tell nobody.
const NAMELESS: [&str; 32] = [
    "via",
    "v",
    "max-forwards",
    "cseq",
    "content-length",
    "l",
    "content-type",
    "c",
    "content-encoding",
    "e",
    "allow",
    "supported",
    "k",
    "require",
    "unsupported",
    "session-expires",
    "x",
    "min-se",
    "rseq",
    "rack",
    "retry-after",
    "privacy",
    "expires",
    "accept",
    "accept-encoding",
    "accept-language",
    "event",
    "o",
    "subscription-state",
    "user-agent",
    "server",
    "mime-version",
];

/// A message of a call whose caller is unnamed, as it may be kept, and whether we have `sent` it: what was dialled, where it came through and what was
/// agreed, but no header field that could name somebody, and of a session description only what we know through and through.
pub fn as_kept(message: &[u8], sent: bool) -> String {
    let text = unfolded(message);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.split('\n');
    let mut kept = first_line(lines.next().unwrap_or_default(), sent || is_inside(head));
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let known = label(line).filter(|name| NAMELESS.contains(name));
        let said = match known {
            Some("via" | "v") => way(value),
            Some("cseq") if is_plain(value) && value.split_ascii_whitespace().next_back().is_some_and(is_method) => Some(value.to_owned()),
            Some("cseq") | None => None,
            Some(_) => is_plain(value).then(|| value.to_owned()),
        };
        let name = if is_plain(name) { name } else { "(withheld)" };
        kept.push_str(&format!("\r\n{name}:{}", said.as_deref().unwrap_or(" (withheld)")));
    }
    kept.push_str("\r\n\r\n");
    if body.starts_with("v=0") {
        for line in body.lines().filter(|line| !line.trim().is_empty()) {
            let (kind, value) = line.split_once('=').unwrap_or_default();
            match kind.as_bytes() {
                [b'a'..=b'z'] if tells_nobody(kind, value) => kept.push_str(line),
                [b'a'..=b'z'] => kept.push_str(&format!("{kind}=(withheld)")),
                _ => kept.push_str("(withheld)"),
            }
            kept.push_str("\r\n");
        }
    } else if !body.is_empty() {
        kept.push_str("(withheld)");
    }
    kept
}

/// Whether a message stands inside a call.
fn is_inside(head: &str) -> bool {
    head.split('\n').any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        ["to", "t"].contains(&name.trim().to_ascii_lowercase().as_str()) && value.to_ascii_lowercase().contains("tag=")
    })
}

/// What is dialled is ours; in any other request, and to `somebody` whom we know by now, the address is a person's. Of the address that was dialled
/// its parameters may name anybody.
fn first_line(start: &str, somebody: bool) -> String {
    match start.split_once(' ') {
        Some((protocol, rest)) if protocol.starts_with("SIP/") => {
            let status = rest.get(..3).filter(|status| status.bytes().all(|b| b.is_ascii_digit())).unwrap_or_default();
            let words = rest.get(3..).filter(|words| words.chars().all(|c| c.is_ascii_alphabetic() || c == ' ')).unwrap_or(" (withheld)");
            format!("SIP/2.0 {status}{words}")
        }
        Some((method, rest)) => {
            let uri = rest.rsplit_once(' ').map_or(rest, |(uri, _)| uri);
            let dialled = (method == "INVITE" && !somebody).then(|| dialled(uri)).flatten();
            let method = if is_method(method) { method } else { "(withheld)" };
            format!("{method} {} SIP/2.0", dialled.as_deref().unwrap_or("(withheld)"))
        }
        None => "(withheld)".to_owned(),
    }
}

/// The number that was dialled, and where; what else stands there is cut off. `None` if it is no address of SIP.
fn dialled(uri: &str) -> Option<String> {
    let read = Uri::parse(uri.as_bytes())?;
    let scheme = match read.scheme() {
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        Scheme::Tel | Scheme::Other => return None,
    };
    let user = read.user();
    let number = user.split(|sign: char| !sign.is_ascii_alphanumeric() && !"+-.*#_".contains(sign)).next().unwrap_or_default();
    let host = if is_place(read.host()) { read.host() } else { "(withheld)" };
    let at = if user.is_empty() { "" } else { "@" };
    let port = read.port().map(|port| format!(":{port}")).unwrap_or_default();
    let whole = format!("{scheme}:{number}{at}{host}{port}");
    let cut = if whole == uri { "" } else { ";(withheld)" };
    Some(whole + cut)
}

/// Whether it is a method that we know (RFC 3261 section 7.1, and its extensions).
fn is_method(word: &str) -> bool {
    let more = ["NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH"];
    more.contains(&word) || ALLOW.split(',').any(|known| known.trim() == word)
}

/// Whether a text is too poor in figures to hold a telephone number, however they are strewn: ASCII, without escapes, and fewer than seven.
fn is_plain(text: &str) -> bool {
    text.is_ascii() && !text.contains('%') && text.bytes().filter(u8::is_ascii_digit).count() < 7
}

/// Whether a host is an address, or a name that holds no number.
fn is_place(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || is_plain(host)
}

/// The value of a Via line without what could name somebody: the machines that a message came through, and of their parameters those that stand for
/// a place or tell copies apart. `None` for what is no Via.
fn way(value: &str) -> Option<String> {
    let is_port = |value: &str| value.parse::<u16>().is_ok_and(|port| port.to_string() == value);
    let sound = |part: &str| match part.trim().split_once('=') {
        None => matches!(part.trim(), "rport" | "alias" | "keep" | "lr"),
        Some(("branch", value)) => value.is_ascii() && !could_be_number(value) && longest_run(value) < 7,
        Some(("received" | "maddr", value)) => value.parse::<IpAddr>().is_ok(),
        Some(("rport", value)) => is_port(value),
        Some(_) => false,
    };
    let hop = |hop: &str| {
        let mut parts = hop.split(';');
        let (protocol, place) = parts.next()?.trim().rsplit_once(' ')?;
        let transport = protocol.strip_prefix("SIP/2.0/").filter(|name| name.bytes().all(|b| b.is_ascii_alphabetic()))?;
        let host = place.rsplit_once(':').map_or(place, |(host, port)| if is_port(port) { host } else { place });
        let place = if is_place(host) || is_place(place) { place } else { "(withheld)" };
        let kept = parts.map(|part| if sound(part) { part } else { "(withheld)" });
        Some(std::iter::once(format!(" SIP/2.0/{transport} {place}")).chain(kept.map(str::to_owned)).collect::<Vec<_>>().join(";"))
    };
    value.split(',').map(hop).collect::<Option<Vec<_>>>().map(|hops| hops.join(","))
}

/// How many figures stand together at most.
fn longest_run(text: &str) -> usize {
    text.split(|sign: char| !sign.is_ascii_digit()).map(str::len).max().unwrap_or_default()
}

/// Whether a line of a session description (RFC 8866 section 5) is one that we know through and through, and says nothing of a person: what is heard
/// where, and how.
fn tells_nobody(kind: &str, value: &str) -> bool {
    let number = |text: &str, most: u32| text.parse::<u32>().is_ok_and(|n| n <= most && n.to_string() == text);
    let place = |text: &str| match text.split(' ').collect::<Vec<_>>()[..] {
        ["IN", "IP4" | "IP6", address] => address.parse::<IpAddr>().is_ok(),
        _ => false,
    };
    let codec = |text: &str| {
        let parts: Vec<&str> = text.split('/').collect();
        let named = |name: &str| {
            let figures = name.bytes().filter(u8::is_ascii_digit).count();
            let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
            letters && name.starts_with(|c: char| c.is_ascii_alphabetic()) && figures < 6
        };
        match parts[..] {
            [name, rate] => named(name) && number(rate, 192_000),
            [name, rate, channels] => named(name) && number(rate, 192_000) && number(channels, 8),
            _ => false,
        }
    };
    // Keys in rising order, `0-16,66` (RFC 4733 section 2.4.1), or few figures.
    let events = |text: &str| {
        let ends: Vec<&str> = text.split([',', '-']).collect();
        let numbers: Vec<u32> = ends.iter().filter(|end| number(end, 255)).filter_map(|end| end.parse().ok()).collect();
        ends.len() == numbers.len() && numbers.is_sorted_by(|a, b| a < b)
    };
    let format = |text: &str| is_plain(text) || events(text);
    match kind {
        "v" => value == "0",
        "t" => value == "0 0",
        "c" => place(value),
        "b" => value.split_once(':').is_some_and(|(what, rate)| what.bytes().all(|b| b.is_ascii_uppercase()) && number(rate, 999_999)),
        "m" => {
            let mut words = value.split(' ');
            let media = words.next().is_some_and(|media| ["audio", "video", "image", "application"].contains(&media));
            let port = words.next().is_some_and(|port| number(port, 65_535));
            let profile = words.next().is_some_and(|profile| !profile.bytes().any(|b| b.is_ascii_digit()));
            media && port && profile && words.all(|format| number(format, 127) || format == "t38")
        }
        "a" => match value.split_once(':') {
            None => ["sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux"].contains(&value),
            Some(("rtpmap", map)) => map.split_once(' ').is_some_and(|(format, name)| number(format, 127) && codec(name)),
            Some(("fmtp", map)) => map.split_once(' ').is_some_and(|(of, words)| number(of, 127) && format(words)),
            Some(("ptime" | "maxptime", millis)) => number(millis, 999),
            Some(("setup", role)) => ["active", "passive", "actpass", "holdconn"].contains(&role),
            Some(("mid", name)) => name.is_ascii() && name.len() <= 8 && name.bytes().filter(u8::is_ascii_digit).count() < 2,
            Some(("rtcp", at)) => {
                let (port, rest) = at.split_once(' ').unwrap_or((at, "IN IP4 0.0.0.0"));
                number(port, 65_535) && place(rest)
            }
            Some(_) => false,
        },
        _ => false,
    }
}

/// Whether a text holds what could be a telephone number, however it is written.
fn could_be_number(text: &str) -> bool {
    let plain: String = text.chars().map(|sign| if ",:;=*~".contains(sign) { '-' } else { sign }).collect();
    model::hide_numbers(&plain, 7) != plain
}

/// Whether a text holds what could be a telephone number: seven figures and more, signs between them not counted.
pub fn has_number(text: &str) -> bool {
    let mut figures = 0;
    text.chars().any(|letter| {
        figures = match letter {
            '0'..='9' => figures + 1,
            '-' | '.' | ' ' | '(' | ')' if figures > 0 => figures,
            _ => 0,
        };
        figures >= 7
    })
}

/// A header line's name in small letters; one of a hundred letters names nothing that we know.
fn label(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(':')?;
    let name = name.trim_end();
    NAMELESS.iter().chain(&["from", "f", "privacy"]).find(|known| name.eq_ignore_ascii_case(known)).copied().or(Some(name))
}

/// The words of a line in small letters.
fn words(line: &str) -> impl Iterator<Item = String> {
    line.to_ascii_lowercase().split([':', ';', ',', ' ', '\t']).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The text of a message with its lines ended alike, and its folded header lines (RFC 3261 section 7.3.1) made whole; empty lines before it are
/// passed over (section 7.5), and what is no UTF-8 becomes U+FFFD.
fn unfolded(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_start_matches('\n');
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    format!("{}\n\n{body}", head.replace("\n ", " ").replace("\n\t", " "))
}
