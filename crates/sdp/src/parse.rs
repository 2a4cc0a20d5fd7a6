//! Reads a session description (RFC 8866 section 9), line by line, without trusting any of it.
//!
//! Sizes are bounded before anything is kept. Lines and attributes that we do not know are passed over; so are session
//! names in whatever encoding, since nobody shows them.

use crate::{Connection, Description, Direction, Format, Mapping, Media, Refusal, Rtcp};
use std::net::IpAddr;

/// The largest description that is read at all, in bytes.
const BYTES_MAX: usize = 16 * 1024;
/// `m=` lines.
const MEDIA_MAX: usize = 8;
/// `a=` lines of one media, and of the session.
const ATTRIBUTES_MAX: usize = 64;
/// Formats of one `m=` line.
const FORMATS_MAX: usize = 64;
/// Letters of a kind, a profile or a format. Refused media are echoed into our answer, which must fit a datagram.
const TOKEN_MAX: usize = 64;
/// Packet times that make sense on the telephone, in milliseconds; others are as good as not said.
const PTIME_MS: std::ops::RangeInclusive<u16> = 1..=200;

/// Reads a description.
///
/// # Errors
/// [`Refusal::Malformed`] or [`Refusal::TooBig`], with the line.
pub fn parse(bytes: &[u8]) -> Result<Description, Refusal> {
    if bytes.len() > BYTES_MAX {
        return Err(Refusal::TooBig { line: 1, limit: "16 KiB in all" });
    }
    let mut description = Description::default();
    let mut attributes = 0;
    let mut begun = false;
    for (number, raw) in (1..).zip(bytes.split(|b| *b == b'\n')) {
        let malformed = |why| Refusal::Malformed { line: number, why };
        let line = raw.strip_suffix(b"\r").unwrap_or(raw);
        let (letter, value) = match line {
            [] => continue,
            [letter, b'=', value @ ..] => (*letter, value),
            _ => return Err(malformed("a line is a letter, '=' and a value")),
        };
        if !begun {
            // RFC 8866 section 5: the version comes first, and there is only version 0.
            if letter != b'v' || value.trim_ascii() != b"0" {
                return Err(malformed("a description begins with v=0"));
            }
            begun = true;
            continue;
        }
        let text = std::str::from_utf8(value);
        match letter {
            b'm' => {
                if description.media.len() == MEDIA_MAX {
                    return Err(Refusal::TooBig { line: number, limit: "8 media" });
                }
                let text = text.map_err(|_| malformed("m= is not plain text"))?;
                description.media.push(media(text, number)?);
                attributes = 0;
            }
            b'c' => {
                let text = text.map_err(|_| malformed("c= is not plain text"))?;
                let found = connection(text).ok_or(malformed("c= is a network, an address type and an address"))?;
                let slot = match description.media.last_mut() {
                    Some(media) => &mut media.connection,
                    None => &mut description.connection,
                };
                slot.get_or_insert(found);
            }
            b't' => {
                if let Some(time) = text.ok().and_then(|t| t.trim().split_once(' ')) {
                    description.time = (time.0.parse().unwrap_or(0), time.1.trim().parse().unwrap_or(0));
                }
            }
            b'a' => {
                attributes += 1;
                if attributes > ATTRIBUTES_MAX {
                    return Err(Refusal::TooBig { line: number, limit: "64 attributes" });
                }
                if let Ok(text) = text {
                    attribute(&mut description, text.trim());
                }
            }
            _ => {}
        }
    }
    if begun { Ok(description) } else { Err(Refusal::Malformed { line: 1, why: "it is empty" }) }
}

/// `audio 49170/2 RTP/AVP 0 8 101`
fn media(text: &str, line: usize) -> Result<Media, Refusal> {
    let malformed = |why| Refusal::Malformed { line, why };
    // Refused media are echoed into our answer: nothing but visible characters may get there.
    if !text.bytes().all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic()) {
        return Err(malformed("m= holds characters that no name has"));
    }
    if text.split_ascii_whitespace().any(|word| word.len() > TOKEN_MAX) {
        return Err(Refusal::TooBig { line, limit: "64 letters a word" });
    }
    let mut words = text.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(transport)) = (words.next(), words.next(), words.next()) else {
        return Err(malformed("m= is a kind, a port, a profile and formats"));
    };
    let port = port.split('/').next().unwrap_or_default().parse().map_err(|_| malformed("the port is not a number up to 65535"))?;
    let mut formats = Vec::new();
    for token in words {
        if formats.len() == FORMATS_MAX {
            return Err(Refusal::TooBig { line, limit: "64 formats" });
        }
        formats.push(Format { token: token.to_owned(), mapping: None, parameters: None });
    }
    if formats.is_empty() {
        return Err(malformed("m= has no format"));
    }
    Ok(Media {
        kind: kind.to_ascii_lowercase(),
        port,
        transport: transport.to_owned(),
        formats,
        connection: None,
        direction: None,
        ptime_ms: None,
        rtcp: None,
    })
}

/// `IN IP4 192.0.2.1`, with or without the `/ttl` of multicast.
fn connection(text: &str) -> Option<Connection> {
    let mut words = text.split_ascii_whitespace();
    let (network, kind, host) = (words.next()?, words.next()?, words.next()?);
    Some(match network.eq_ignore_ascii_case("IN").then(|| address(kind, host)).flatten() {
        Some(address) => Connection::Address(address),
        None => Connection::Elsewhere,
    })
}

fn address(kind: &str, host: &str) -> Option<IpAddr> {
    let ip: IpAddr = host.split('/').next()?.parse().ok()?;
    // Some write IP4 before a version 6 address and mean the address; the address says what it is.
    (kind.eq_ignore_ascii_case("IP4") || kind.eq_ignore_ascii_case("IP6")).then(|| ip.to_canonical())
}

fn attribute(description: &mut Description, text: &str) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let direction = match name {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    };
    let Some(media) = description.media.last_mut() else {
        description.direction = description.direction.or(direction);
        if name == "ptime" {
            description.ptime_ms = description.ptime_ms.or(ptime(value));
        }
        return;
    };
    media.direction = media.direction.or(direction);
    match name {
        "rtpmap" => {
            let Some((token, mapping)) = value.trim().split_once([' ', '\t']) else { return };
            if let (Some(format), Some(mapping)) = (media.formats.iter_mut().find(|f| f.token == token), mapped(mapping)) {
                format.mapping.get_or_insert(mapping);
            }
        }
        "fmtp" => {
            let Some((token, parameters)) = value.trim().split_once([' ', '\t']) else { return };
            if let Some(format) = media.formats.iter_mut().find(|f| f.token == token) {
                format.parameters.get_or_insert_with(|| parameters.trim().to_owned());
            }
        }
        "ptime" => media.ptime_ms = media.ptime_ms.or(ptime(value)),
        "rtcp" => media.rtcp = media.rtcp.or(rtcp(value)),
        _ => {}
    }
}

fn ptime(value: &str) -> Option<u16> {
    // Whole milliseconds by the grammar; a few phones write `20.0`.
    value.trim().split('.').next()?.parse().ok().filter(|ms| PTIME_MS.contains(ms))
}

fn mapped(text: &str) -> Option<Mapping> {
    let mut parts = text.trim().split('/');
    let (name, rate) = (parts.next()?, parts.next()?);
    let channels = parts.next().map_or(Some(1), |c| c.parse().ok())?;
    Some(Mapping { name: name.to_owned(), rate: rate.parse().ok()?, channels })
}

/// `53020`, or `53020 IN IP4 192.0.2.1`.
fn rtcp(value: &str) -> Option<Rtcp> {
    let mut words = value.split_ascii_whitespace();
    let port: u16 = words.next()?.parse().ok().filter(|port| *port != 0)?;
    let address = match (words.next(), words.next(), words.next()) {
        (Some(network), Some(kind), Some(host)) if network.eq_ignore_ascii_case("IN") => Some(address(kind, host)?),
        (None, _, _) => None,
        _ => return None,
    };
    Some(Rtcp { port, address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PHONE: &str = "v=0\r\no=caller 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 Telephone-Event/8000\r\na=fmtp:96 0-16\r\na=ptime:20\r\n";

    #[test]
    fn a_phone_is_read() {
        let description = parse(PHONE.as_bytes()).unwrap();
        assert_eq!(description.connection, Some(Connection::Address("192.0.2.9".parse().unwrap())));
        let audio = &description.media[0];
        assert_eq!((audio.kind.as_str(), audio.port, audio.formats.len()), ("audio", 4000, 3));
        assert_eq!(audio.formats[2].mapping, Some(Mapping { name: "Telephone-Event".to_owned(), rate: 8000, channels: 1 }));
        assert_eq!(audio.formats[2].parameters.as_deref(), Some("0-16"));
        assert_eq!(audio.ptime_ms, Some(20));
    }

    #[test]
    fn bare_line_feeds_unknown_lines_and_a_session_name_in_shift_jis_do_no_harm() {
        let mut text = b"v=0\ns=\x8e\xe6\x8e\x9f\ny=whatever\nb=AS:64\nk=clear:x\na=\x93\xfa\nm=audio 4000 RTP/AVP 0\na=ice-lite".to_vec();
        text.extend_from_slice(b"\n\n");
        assert_eq!(parse(&text).unwrap().media.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("o=- 1 1 IN IP4 192.0.2.9", 1),
            ("v=1", 1),
            ("v=0\nnonsense", 2),
            ("v=0\nm=audio", 2),
            ("v=0\nm=audio 70000 RTP/AVP 0", 2),
            ("v=0\nm=audio -1 RTP/AVP 0", 2),
            ("v=0\nm=audio 4000 RTP/AVP", 2),
            ("v=0\ns=-\nc=IN", 3),
            ("v=0\nm=audio\u{1b} 4000 RTP/AVP 0", 2),
        ] {
            assert!(matches!(parse(text.as_bytes()), Err(Refusal::Malformed { line: l, .. }) if l == line), "{text}");
        }
    }

    #[test]
    fn every_size_is_bounded() {
        let media = "m=audio 4000 RTP/AVP 0\n".repeat(9);
        assert_eq!(parse(format!("v=0\n{media}").as_bytes()), Err(Refusal::TooBig { line: 10, limit: "8 media" }));
        let attributes = "a=x\n".repeat(65);
        assert_eq!(
            parse(format!("v=0\nm=audio 1 RTP/AVP 0\n{attributes}").as_bytes()),
            Err(Refusal::TooBig { line: 67, limit: "64 attributes" })
        );
        let word = "x".repeat(65);
        assert_eq!(
            parse(format!("v=0\nm=audio 1 RTP/AVP {word}").as_bytes()),
            Err(Refusal::TooBig { line: 2, limit: "64 letters a word" })
        );
        let formats = " 0".repeat(65);
        assert_eq!(parse(format!("v=0\nm=audio 1 RTP/AVP{formats}").as_bytes()), Err(Refusal::TooBig { line: 2, limit: "64 formats" }));
        let of = |bytes: usize| format!("v=0\nm=audio 1 RTP/AVP 0\ns={}", "x".repeat(bytes - 26));
        assert_eq!(parse(of(BYTES_MAX).as_bytes()).map(|d| d.media.len()), Ok(1));
        assert_eq!(parse(of(BYTES_MAX + 1).as_bytes()), Err(Refusal::TooBig { line: 1, limit: "16 KiB in all" }));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_broken_phone_breaks_the_reader(cuts in proptest::collection::vec((0..PHONE.len(), any::<u8>()), 0..12), end in 0..PHONE.len()) {
            let mut bytes = PHONE.as_bytes().to_vec();
            for (at, byte) in cuts {
                bytes[at] = byte;
            }
            let _ = parse(&bytes);
            let _ = parse(&bytes[..end]);
        }
    }
}
