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
use std::net::IpAddr;

/// Identities that one INVITE may assert: RFC 3325 section 9.1 allows a `sip:` and a `tel:` URI.
const ASSERTED_MAX: usize = 2;
/// Numbers called before that are looked at; a call that was led on more often is in a circle.
const CALLED_MAX: usize = 8;

/// What an INVITE says of caller and called beside From and the Request-URI. Users are unescaped once and without their parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The users of P-Asserted-Identity.
    pub asserted: Vec<String>,
    /// Whether the caller wants to stay unnamed: Privacy with `id`, `user` or `header`.
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
        let wishes: Vec<&[u8]> = invite.others("Privacy").flat_map(|line| line.split(|b| b";, \t".contains(b))).map(trim).collect();
        let wants = |word: &str| wishes.iter().any(|wish| wish.eq_ignore_ascii_case(word.as_bytes()));
        let private = ["id", "user", "header"].into_iter().any(wants);
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
            from_host: essentials.from.uri().host().to_ascii_lowercase(),
            called_party: users("P-Called-Party-ID", 1).next(),
            to: without_parameters(essentials.to.uri().user()),
            called_before,
        }
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
    let hidden = headers.split('&').any(|header| header.to_ascii_lowercase().starts_with("privacy="));
    let user = known(address.uri()).filter(|_| !hidden)?;
    let index = address.param("index").unwrap_or_default();
    let index: Vec<u32> = unescape(&index).split('.').take(CALLED_MAX).map(|n| n.parse().unwrap_or(u32::MAX)).collect();
    Some((index, user))
}

/// Whether a message says that somebody wants to stay unnamed, or that the network does not name them (RFC 3323 section 4.2, RFC 3325
/// section 9.3, and From as networks write it). A wish that we do not know, or for one entry of one field only (RFC 5806, RFC 7044), is such a wish.
pub fn is_unnamed(message: &[u8]) -> bool {
    let text = unfolded(message);
    let private = |line: &str| words(line).skip(1).any(|word| !["", "none", "critical"].contains(&word.trim_matches('"')));
    let guarded = |line: &str| {
        let line: String = unescape(line).to_ascii_lowercase().split_ascii_whitespace().collect();
        line.split("privacy=")
            .skip(1)
            .map(|value| value.trim_start_matches('"'))
            .any(|value| !value.starts_with("off") && !value.starts_with("none"))
    };
    let nobody = |line: &str| {
        let from = line.to_lowercase();
        NOBODY.iter().any(|word| from.contains(word))
    };
    text.lines().take_while(|line| !line.is_empty()).any(|line| match label(line) {
        Some("privacy") => private(line),
        Some("from" | "f") => nobody(line) || guarded(line),
        _ => guarded(line),
    })
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

/// A message of a call whose caller is unnamed, as it may be kept: what was dialled, where it came through and what was agreed, but no header
/// field that could name somebody, and of a session description neither its origin nor its title nor attributes that we do not know.
pub fn as_kept(message: &[u8]) -> String {
    let text = unfolded(message);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.split('\n');
    let mut kept = first_line(lines.next().unwrap_or_default(), head);
    for line in lines {
        kept.push_str("\r\n");
        match label(line) {
            Some("via" | "v") => kept.push_str(&way(line)),
            Some("cseq") => kept.push_str(line),
            Some(name) if NAMELESS.contains(&name) && !could_be_number(line) => kept.push_str(line),
            _ => {
                let name = line.split(':').next().filter(|name| !could_be_number(name)).unwrap_or("(withheld)");
                kept.push_str(&format!("{name}: (withheld)"));
            }
        }
    }
    kept.push_str("\r\n\r\n");
    if body.starts_with("v=0") {
        for line in body.lines() {
            let (kind, value) = line.split_once('=').unwrap_or_default();
            let tells = line.trim().is_empty() || tells_nobody(kind, value);
            let said = if tells { line.to_owned() } else { format!("{}=(withheld)", kind.get(..1).unwrap_or_default()) };
            kept.push_str(&said);
            kept.push_str("\r\n");
        }
    } else if !body.is_empty() {
        kept.push_str("(withheld)");
    }
    kept
}

/// What is dialled is ours; in any other request, and inside a call, the address is a person's. Of the address that was dialled its parameters may
/// name anybody.
fn first_line(start: &str, head: &str) -> String {
    let inside = head.split('\n').any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        ["to", "t"].contains(&name.trim().to_ascii_lowercase().as_str()) && value.to_ascii_lowercase().contains("tag=")
    });
    match start.split_once(' ') {
        Some((protocol, rest)) if protocol.starts_with("SIP/") => {
            let status = rest.get(..3).unwrap_or_default();
            if could_be_number(rest) { format!("{protocol} {status} (withheld)") } else { start.to_owned() }
        }
        Some((method, rest)) => {
            let (uri, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
            let dialled = (method == "INVITE" && !inside).then(|| {
                let (scheme, address) = uri.split_once(':').unwrap_or_default();
                let (user, host) = address.split_once('@').unwrap_or(("", address));
                let number = user.split(|sign: char| !sign.is_ascii_alphanumeric() && !"+-.*#_".contains(sign)).next().unwrap_or_default();
                let place = host.split([';', '?']).next().unwrap_or_default();
                let at = if address.contains('@') { "@" } else { "" };
                let cut = if number == user && place == host { "" } else { ";(withheld)" };
                format!("{scheme}:{number}{at}{place}{cut}")
            });
            format!("{method} {} {version}", dialled.as_deref().unwrap_or("(withheld)"))
        }
        None => "(withheld)".to_owned(),
    }
}

/// A Via line without what could name somebody: the machines that a message came through, and of their parameters those that stand for a place
/// or tell copies apart.
fn way(line: &str) -> String {
    let is_place = |value: &str| value.parse::<IpAddr>().is_ok() || value.parse::<u16>().is_ok();
    let named = |part: &str| match part.trim().split_once('=') {
        None => !matches!(part.trim(), "rport" | "alias" | "keep" | "lr"),
        Some(("branch", value)) => could_be_number(value),
        Some(("received" | "rport" | "maddr" | "ttl", value)) => !is_place(value),
        Some(_) => true,
    };
    let hop = |hop: &str| {
        let mut parts = hop.split(';');
        let first = parts.next().unwrap_or_default();
        let first = if is_machine(first) { first } else { " (withheld)" };
        parts.fold(first.to_owned(), |kept, part| if named(part) { kept + ";(withheld)" } else { kept + ";" + part })
    };
    let (name, hops) = line.split_once(':').unwrap_or((line, ""));
    format!("{name}:{}", hops.split(',').map(hop).collect::<Vec<_>>().join(","))
}

/// Whether `SIP/2.0/UDP host:port` names a machine by its address, or by a name that is no number.
fn is_machine(hop: &str) -> bool {
    let (protocol, place) = hop.trim().rsplit_once(' ').unwrap_or(("", hop));
    let host = place.rsplit_once(':').map_or(place, |(host, port)| if port.parse::<u16>().is_ok() { host } else { place });
    let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    !could_be_number(protocol) && (is_address(host) || is_address(place) || !could_be_number(place))
}

/// Whether a line of a session description (RFC 8866 section 5) is one that we know through and through, and says nothing of a person: what is heard
/// where, and how.
fn tells_nobody(kind: &str, value: &str) -> bool {
    let number = |text: &str, most: u32| text.parse::<u32>().is_ok_and(|n| n <= most && n.to_string() == text);
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let place = |text: &str| text.split(' ').next_back().is_some_and(is_address) && text.starts_with("IN IP");
    let codec = |text: &str| {
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default();
        let figures = name.chars().filter(char::is_ascii_digit).count();
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') && figures < 6;
        named && parts.all(|part| number(part, 192_000))
    };
    let format = |text: &str| {
        let words = text.split([';', ',', '-']).map(str::trim);
        let sound = |word: &str| match word.bytes().all(|b| b.is_ascii_digit()) {
            true => number(word, 255),
            false => !word.contains(' ') && !could_be_number(word),
        };
        !text.contains('%') && words.into_iter().all(sound)
    };
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
            Some(("mid", name)) => name.len() <= 8 && name.chars().filter(char::is_ascii_digit).count() < 4,
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

/// The text of a message with each line ended as we end ours, and its folded header lines (RFC 3261 section 7.3.1) made whole; what is no UTF-8
/// becomes U+FFFD.
fn unfolded(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).replace("\r\n", "\n").replace('\r', "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    format!("{}\n\n{body}", head.replace("\n ", " ").replace("\n\t", " "))
}
