//! A SIP message that names nobody and is one all the same: what leaves the house for a capture server.
//!
//! Start line, header fields and their order stay (RFC 3261 section 7), and so do times, addresses of machines, methods, statuses, causes and what is said
//! of sound. Users that are or could be numbers are `***`, display names are gone, and what no row below knows is `***` too: a field that nobody
//! thought of must not be the one that tells. Tags, branches and Call-IDs stay unless they hold a number; then they are what the city alone makes of them,
//! the same each time.

use calls::Vault;
use model::hide_numbers;
use sip::header::NameAddr;
use sip::uri::{Scheme, Uri};
use std::fmt::Write as _;
use std::net::IpAddr;

const HIDDEN: &str = "***";
/// So many figures may be a number, where strangers write freely; and where dates and versions stand.
const FIGURES: usize = 5;
const FIGURES_OF_DATES: usize = 7;
/// The figures of an extension.
const EXTENSION: usize = 4;

/// How a header field is written again.
enum Kind {
    /// Addresses of people and machines.
    Addresses,
    Via,
    CallId,
    CSeq,
    ContentLength,
    /// Words of the protocol, and dates.
    Words,
    /// Free words beside a cause.
    Cause,
    Unknown,
}

impl Kind {
    fn of(name: &str) -> Kind {
        match name {
            "from" | "f" | "to" | "t" | "contact" | "m" | "route" | "record-route" | "path" | "service-route" | "refer-to" | "r" => {
                Kind::Addresses
            }
            "referred-by" | "b" | "reply-to" | "p-asserted-identity" | "p-preferred-identity" | "p-called-party-id" => Kind::Addresses,
            "remote-party-id" | "diversion" | "history-info" => Kind::Addresses,
            "via" | "v" => Kind::Via,
            "call-id" | "i" => Kind::CallId,
            "cseq" => Kind::CSeq,
            "content-length" | "l" => Kind::ContentLength,
            "max-forwards" | "content-type" | "c" | "content-encoding" | "e" | "allow" | "supported" | "k" | "require" | "unsupported" => {
                Kind::Words
            }
            "session-expires" | "x" | "min-se" | "min-expires" | "rseq" | "rack" | "retry-after" | "privacy" | "date" | "expires" => {
                Kind::Words
            }
            "accept" | "accept-encoding" | "accept-language" | "event" | "o" | "subscription-state" | "user-agent" | "server" => {
                Kind::Words
            }
            "mime-version" | "timestamp" => Kind::Words,
            "reason" => Kind::Cause,
            _ => Kind::Unknown,
        }
    }
}

/// The message without people's numbers; of a call whose caller is unnamed, without any user. `None` if it has no start line.
pub(crate) fn nameless(message: &[u8], vault: &Vault, unnamed: bool) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut lines = head.split("\r\n");
    let clerk = Clerk { vault, unnamed };
    let body = sound(body);
    let mut out = clerk.start(lines.next()?)?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim());
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(&b));
        if !is_name || hide_numbers(name, FIGURES) != name {
            continue;
        }
        let value = match Kind::of(&name.to_ascii_lowercase()) {
            Kind::Addresses => clerk.listed(value, |item| clerk.address(item)),
            Kind::Via => clerk.listed(value, |item| clerk.via(item)),
            Kind::CallId => vault.call_name(value),
            Kind::CSeq => cseq(value),
            Kind::ContentLength => body.len().to_string(),
            Kind::Words => hide_numbers(&visible(value), FIGURES_OF_DATES),
            Kind::Cause => hide_numbers(&visible(value), FIGURES),
            Kind::Unknown => HIDDEN.to_owned(),
        };
        let _ = write!(out, "\r\n{name}: {value}");
    }
    out.push_str("\r\n\r\n");
    out.push_str(&body);
    Some(out)
}

struct Clerk<'a> {
    vault: &'a Vault,
    unnamed: bool,
}

impl Clerk<'_> {
    fn start(&self, line: &str) -> Option<String> {
        if let Some(answer) = line.strip_prefix("SIP/2.0 ") {
            let (status, words) = answer.split_once(' ').unwrap_or((answer, ""));
            let status: u16 = status.parse().ok()?;
            return Some(format!("SIP/2.0 {status} {}", hide_numbers(&visible(words), FIGURES)));
        }
        let (method, rest) = line.split_once(' ')?;
        let (uri, _version) = rest.rsplit_once(' ')?;
        let method = if method.bytes().all(|b| b.is_ascii_uppercase()) { method } else { "UNKNOWN" };
        Some(format!("{method} {} SIP/2.0", self.uri(uri)))
    }

    fn listed(&self, value: &str, write: impl Fn(&str) -> String) -> String {
        let items: Vec<String> = items(value, ',').map(|item| write(item.trim())).collect();
        items.join(", ")
    }

    /// One address with its parameters (RFC 3261 section 20.10).
    fn address(&self, item: &str) -> String {
        if item == "*" {
            return item.to_owned();
        }
        let Some(address) = NameAddr::parse(item.as_bytes()) else { return format!("<sip:{HIDDEN}@invalid>") };
        let mut out = format!("<{}>", self.uri(address.uri().text()));
        // What follows the address; a `;` within it is its own.
        let after = item.rsplit_once('>').map_or_else(|| item.split_once(';').map_or("", |(_, after)| after), |(_, after)| after);
        for (name, value) in params(after) {
            match name.as_str() {
                "tag" => drop(write!(out, ";tag={}", self.token(value))),
                "q" | "expires" | "index" | "reg-id" | "counter" | "party" | "screen" | "privacy" | "reason" => {
                    let _ = write!(out, ";{name}={}", hide_numbers(&visible(value), FIGURES));
                }
                _ => {}
            }
        }
        out
    }

    fn uri(&self, text: &str) -> String {
        let Some(uri) = Uri::parse(text.as_bytes()) else { return format!("sip:{HIDDEN}@invalid") };
        let scheme = match uri.scheme() {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => return format!("tel:{HIDDEN}"),
            Scheme::Other => return format!("sip:{HIDDEN}@invalid"),
        };
        let mut out = format!("{scheme}:");
        let user = uri.user();
        if !user.is_empty() {
            out.push_str(if self.unnamed || !is_name(&user) { HIDDEN } else { &user });
            out.push('@');
        }
        out.push_str(&host(uri.host()));
        if let Some(port) = uri.port() {
            let _ = write!(out, ":{port}");
        }
        if let Some(transport) = uri.param("transport").filter(|word| word.bytes().all(|b| b.is_ascii_alphabetic())) {
            let _ = write!(out, ";transport={transport}");
        }
        if uri.param("lr").is_some() {
            out.push_str(";lr");
        }
        out
    }

    /// One Via (RFC 3261 section 20.42).
    fn via(&self, item: &str) -> String {
        let mut parts = items(item, ';');
        let sent = parts.next().unwrap_or_default().trim();
        let (protocol, by) = sent.rsplit_once([' ', '\t']).unwrap_or(("SIP/2.0/UDP", sent));
        let transport: String = protocol.rsplit('/').next().unwrap_or_default().chars().filter(char::is_ascii_alphabetic).collect();
        let (name, port) = match by.rsplit_once(':').map(|(name, port)| (name, port.parse::<u16>())) {
            Some((name, Ok(port))) => (name, Some(port)),
            Some((_, Err(_))) | None => (by, None),
        };
        let mut out = format!("SIP/2.0/{transport} {}", host(name));
        if let Some(port) = port {
            let _ = write!(out, ":{port}");
        }
        for (name, value) in params(parts.collect::<Vec<_>>().join(";").as_str()) {
            match name.as_str() {
                "branch" => {
                    let rest = value.strip_prefix("z9hG4bK").unwrap_or(value);
                    let _ = write!(out, ";branch=z9hG4bK{}", self.token(rest));
                }
                "received" if value.parse::<IpAddr>().is_ok() => drop(write!(out, ";received={value}")),
                "rport" if value.is_empty() => out.push_str(";rport"),
                "rport" if value.parse::<u16>().is_ok() => drop(write!(out, ";rport={value}")),
                _ => {}
            }
        }
        out
    }

    /// A tag or a branch.
    fn token(&self, text: &str) -> String {
        self.vault.call_name(text)
    }
}

/// Whether a user is the name of a phone or an extension, and nobody's number.
fn is_name(user: &str) -> bool {
    let known = user.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*#".contains(&b));
    known && user.bytes().filter(u8::is_ascii_digit).count() <= EXTENSION
}

/// A host, whose name could be a number too (RFC 6116).
fn host(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return host.to_owned();
    }
    let known = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if known && hide_numbers(host, FIGURES) == host { host.to_owned() } else { "invalid".to_owned() }
}

fn cseq(value: &str) -> String {
    let (number, method) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let method = method.trim();
    let method = if !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase()) { method } else { "UNKNOWN" };
    format!("{} {method}", number.parse::<u32>().unwrap_or_default())
}

/// Parameters after an address: small names, and values as written.
fn params(text: &str) -> impl Iterator<Item = (String, &str)> {
    items(text, ';').filter(|param| !param.trim().is_empty()).map(|param| {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        (name.trim().to_ascii_lowercase(), value.trim())
    })
}

/// Parts of a value between marks that stand neither in quotes nor in `<>`.
fn items(value: &str, mark: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut angled) = (false, false, false);
    value.split(move |letter| {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            _ => return letter == mark && !quoted && !angled,
        }
        false
    })
}

fn visible(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// Of a session description (RFC 8866) what is said of sound and where it goes. Any other body is left out: keys that a caller presses come so.
fn sound(body: &str) -> String {
    if !body.starts_with("v=0") {
        return String::new();
    }
    let mut out = String::from("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n");
    for line in body.lines() {
        let Some((kind, value)) = line.split_once('=') else { continue };
        let words: Vec<&str> = value.split_whitespace().collect();
        match (kind, words.as_slice()) {
            ("c", ["IN", family @ ("IP4" | "IP6"), at]) if at.parse::<IpAddr>().is_ok() => drop(write!(out, "c=IN {family} {at}\r\n")),
            ("t", _) => out.push_str("t=0 0\r\n"),
            ("m", [media, port, profile, formats @ ..]) if port.parse::<u16>().is_ok() => {
                let is_word = |word: &str| word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'/');
                if is_word(media) && is_word(profile) {
                    let formats: Vec<String> = formats.iter().filter_map(|f| f.parse::<u8>().ok()).map(|f| f.to_string()).collect();
                    let _ = write!(out, "m={media} {port} {profile} {}\r\n", formats.join(" "));
                }
            }
            ("a", _) => {
                let name = value.split(':').next().unwrap_or_default();
                let of_sound = ["rtpmap", "fmtp", "ptime", "maxptime", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux"];
                if of_sound.contains(&name) && hide_numbers(value, FIGURES_OF_DATES) == value {
                    let _ = write!(out, "a={}\r\n", visible(value));
                }
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(message: &str) -> String {
        nameless(message.as_bytes(), &Vault::new([7; 32]), false).unwrap()
    }

    #[test]
    fn a_message_keeps_its_bones_and_loses_who_it_names() {
        let message = "INVITE sip:0440000000@192.0.2.1:5060;transport=tcp SIP/2.0\r\n\
            Via: SIP/2.0/TCP 192.0.2.9:5062;branch=z9hG4bK776asdhds;rport;x=09012345678\r\n\
            Max-Forwards: 70\r\n\
            From: \"Sato, 09012345678\" <sip:%2B81%39012345678;isub=12@192.0.2.9;user=phone>;tag=a6c85cf;note=\"09012345678\"\r\n\
            t: <tel:044-000-0000;phone-context=+81>\r\n\
            Call-ID: 09012345678-1@pbx\r\n\
            CSeq: 314159 INVITE\r\n\
            Contact: <sip:yuki@192.0.2.9:5062;lr>;expires=60, <sip:301@[2001:db8::1]>\r\n\
            P-Asserted-Identity: \"０９０１２３４５６７８\"\r\n <sip:+819012345678@ntt.example>\r\n\
            Diversion: <sip:0441112222@192.0.2.9>;reason=no-answer\r\n\
            X-Who: Sato\r\n\
            X-09012345678: 1\r\n\
            Authorization: Digest username=\"09012345678\"\r\n\
            User-Agent: PBX 1.2\r\n\
            Content-Type: application/sdp\r\n\
            Content-Length: 999\r\n\r\n\
            v=0\r\no=09012345678 1 1 IN IP4 192.0.2.9\r\ns=09012345678\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
            m=audio 17000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=x-who:09012345678\r\na=crypto:1 secret\r\na=sendrecv\r\n";
        let body = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 17000 RTP/AVP 0 101\r\n\
            a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";
        let name = Vault::new([7; 32]).call_name("09012345678-1@pbx");
        let wanted = format!(
            "INVITE sip:***@192.0.2.1:5060;transport=tcp SIP/2.0\r\n\
            Via: SIP/2.0/TCP 192.0.2.9:5062;branch=z9hG4bK776asdhds;rport\r\n\
            Max-Forwards: 70\r\n\
            From: <sip:***@192.0.2.9>;tag=a6c85cf\r\n\
            t: <tel:***>\r\n\
            Call-ID: {name}\r\n\
            CSeq: 314159 INVITE\r\n\
            Contact: <sip:yuki@192.0.2.9:5062;lr>;expires=60, <sip:301@[2001:db8::1]>\r\n\
            P-Asserted-Identity: <sip:***@ntt.example>\r\n\
            Diversion: <sip:***@192.0.2.9>;reason=no-answer\r\n\
            X-Who: ***\r\n\
            Authorization: ***\r\n\
            User-Agent: PBX 1.2\r\n\
            Content-Type: application/sdp\r\n\
            Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(written(message), wanted);
        // What was written so is read by the engine's own reader.
        let read = sip::Message::parse(&bytes::Bytes::from(wanted)).unwrap();
        assert_eq!((read.method(), read.essentials().unwrap().cseq.number), (Some("INVITE"), 314_159));
    }

    #[test]
    fn answers_keys_and_what_is_no_message() {
        let answer = written("SIP/2.0 486 Busy 0901-234-5678\r\nReason: Q.850;cause=17;text=\"for 090 1234 5678\"\r\nl: 0\r\n\r\n");
        assert_eq!(answer, "SIP/2.0 486 Busy ***\r\nReason: Q.850;cause=17;text=\"for ***\"\r\nl: 0\r\n\r\n");
        let key = written("INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\nContent-Length: 9\r\n\r\nSignal=5\r");
        assert_eq!(key, "INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(written("X09012345678 sip:09012345678.example SIP/2.0\r\n\r\n"), "UNKNOWN sip:invalid SIP/2.0\r\n\r\n");
        assert_eq!(nameless(b"", &Vault::new([7; 32]), false), None);
        assert_eq!(nameless(b"\xff\xfe", &Vault::new([7; 32]), false), None);
    }

    #[test]
    fn whoever_is_unnamed_has_no_name_either() {
        let message = "BYE sip:sato@192.0.2.9 SIP/2.0\r\nFrom: <sip:hanako@192.0.2.9>;tag=1\r\n\r\n";
        let kept = nameless(message.as_bytes(), &Vault::new([7; 32]), true).unwrap();
        assert_eq!(kept, "BYE sip:***@192.0.2.9 SIP/2.0\r\nFrom: <sip:***@192.0.2.9>;tag=1\r\n\r\n");
    }
}
