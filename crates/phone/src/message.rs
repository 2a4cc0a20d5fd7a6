//! SIP messages as this phone reads and writes them, through rsip.
//!
//! rsip splits a message into headers and puts it together again (RFC 3261 section 7); the few values that decide anything (tags,
//! branch, CSeq) are read from the header's text, because rsip's typed headers refuse some that the RFC allows.

use rsip::headers::{Header, Headers, UntypedHeader};
use rsip::{Method, Request, Response, SipMessage, StatusCode, Uri, Version};
use std::net::{IpAddr, SocketAddr};

/// Methods that this phone understands, as an Allow header says it.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/// A From or To: the address, and who exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    /// The header's value as it stands.
    pub(crate) text: String,
    /// The address without parameters, display name included.
    pub(crate) name: String,
    pub(crate) uri: String,
    pub(crate) tag: Option<String>,
}

/// What every message must carry (RFC 3261 section 8.1.1), read.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) call_id: String,
    pub(crate) from: Party,
    pub(crate) to: Party,
    pub(crate) cseq: u32,
    pub(crate) cseq_method: String,
    pub(crate) via: Via,
    pub(crate) vias: usize,
}

/// The topmost Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    pub(crate) sent_by: String,
    pub(crate) branch: String,
    pub(crate) rport: bool,
}

/// Reads a datagram, its body cut to its Content-Length (RFC 3261 section 18.3).
///
/// # Errors
/// A sentence on what is wrong with it.
pub(crate) fn read(bytes: &[u8]) -> Result<SipMessage, String> {
    let mut message = SipMessage::try_from(bytes).map_err(|fault| format!("a datagram that rsip cannot read: {fault}"))?;
    let headers = match &message {
        SipMessage::Request(request) => &request.headers,
        SipMessage::Response(response) => &response.headers,
    };
    let length = headers.iter().find_map(|h| if let Header::ContentLength(l) = h { Some(l.value().trim().to_owned()) } else { None });
    if let Some(length) = length {
        let length: usize = length.parse().map_err(|_| format!("Content-Length {length:?} is no number (RFC 3261 section 20.14)"))?;
        let body = message.body_mut();
        if length > body.len() {
            return Err(format!("Content-Length says {length}, the body has {} octets (RFC 3261 section 18.3)", body.len()));
        }
        body.truncate(length);
    }
    Ok(message)
}

/// The Call-ID of a message; empty if it has none.
pub(crate) fn call_id(headers: &Headers) -> String {
    headers.iter().find_map(|h| if let Header::CallId(h) = h { Some(h.value().trim().to_owned()) } else { None }).unwrap_or_default()
}

/// Reads what every message must carry.
///
/// # Errors
/// A sentence that names the missing or broken header.
pub(crate) fn envelope(headers: &Headers) -> Result<Envelope, String> {
    let missing = |name: &str| format!("a message without {name} (RFC 3261 section 8.1.1)");
    let (mut from, mut to, mut call_id, mut cseq, mut via, mut vias) = (None, None, None, None, None, 0usize);
    for header in headers.iter() {
        match header {
            Header::From(h) => from = from.or(Some(party(h.value()))),
            Header::To(h) => to = to.or(Some(party(h.value()))),
            Header::CallId(h) => call_id = call_id.or(Some(h.value().trim().to_owned())),
            Header::CSeq(h) => cseq = cseq.or(Some(h.value().to_owned())),
            Header::Via(h) => {
                let values = split_list(h.value());
                vias = vias.saturating_add(values.len());
                via = via.or_else(|| values.first().cloned());
            }
            _ => {}
        }
    }
    let cseq = cseq.ok_or_else(|| missing("CSeq"))?;
    let (number, method) = cseq.trim().split_once(' ').ok_or_else(|| format!("CSeq {cseq:?} has no method (RFC 3261 section 20.16)"))?;
    let number = number.parse().map_err(|_| format!("CSeq {cseq:?} has no 32-bit number (RFC 3261 section 20.16)"))?;
    let via = via.ok_or_else(|| missing("Via"))?;
    Ok(Envelope {
        call_id: call_id.ok_or_else(|| missing("Call-ID"))?,
        from: from.ok_or_else(|| missing("From"))?,
        to: to.ok_or_else(|| missing("To"))?,
        cseq: number,
        cseq_method: method.trim().to_ascii_uppercase(),
        via: read_via(&via)?,
        vias,
    })
}

fn read_via(text: &str) -> Result<Via, String> {
    let mut parts = text.split(';');
    let head = parts.next().unwrap_or_default().trim();
    let sent_by = head.split_whitespace().next_back().unwrap_or_default().to_owned();
    if !head.to_ascii_uppercase().starts_with("SIP/2.0/UDP") {
        return Err(format!("Via {text:?} does not say SIP/2.0/UDP (RFC 3261 section 20.42)"));
    }
    let (mut branch, mut rport) = (None, false);
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim() {
            n if n.eq_ignore_ascii_case("branch") => branch = Some(value.trim().to_owned()),
            n if n.eq_ignore_ascii_case("rport") => rport = true,
            _ => {}
        }
    }
    match branch {
        Some(branch) if branch.starts_with("z9hG4bK") => Ok(Via { sent_by, branch, rport }),
        _ => Err(format!("Via {text:?} has no branch that begins with z9hG4bK (RFC 3261 section 8.1.1.7)")),
    }
}

/// Reads `"Name" <sip:uri>;tag=x` or `sip:uri;tag=x` (RFC 3261 section 20.10).
pub(crate) fn party(text: &str) -> Party {
    let (uri, end) = angle(text).unwrap_or_else(|| {
        let end = text.find(';').unwrap_or(text.len());
        (text[..end].trim().to_owned(), end)
    });
    let tag = text[end..].split(';').find_map(|p| p.trim().strip_prefix("tag=")).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    Party { text: text.trim().to_owned(), name: text[..end].trim().to_owned(), uri, tag }
}

/// What stands between the first `<` outside quotes and its `>`, and the index after that.
fn angle(text: &str) -> Option<(String, usize)> {
    let (mut quoted, mut escaped, mut open) = (false, false, None);
    for (at, c) in text.char_indices() {
        match (c, open) {
            _ if escaped => escaped = false,
            ('\\', None) if quoted => escaped = true,
            ('"', None) => quoted = !quoted,
            ('<', None) if !quoted => open = Some(at + 1),
            ('>', Some(from)) => return Some((text[from..at].trim().to_owned(), at + 1)),
            _ => {}
        }
    }
    None
}

/// Splits a header's value at commas outside quotes and angle brackets (RFC 3261 section 7.3.1).
pub(crate) fn split_list(value: &str) -> Vec<String> {
    let (mut found, mut part, mut quoted, mut angled) = (Vec::new(), String::new(), false, false);
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            ',' if !quoted && !angled => {
                found.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    found.push(part.trim().to_owned());
    found
}

/// The URI of the first Contact.
pub(crate) fn contact(headers: &Headers) -> Option<String> {
    headers.iter().find_map(|h| if let Header::Contact(c) = h { split_list(c.value()).first().map(|c| party(c).uri) } else { None })
}

/// The value of the Reason header (RFC 3326), which rsip does not know.
pub(crate) fn why_ended(headers: &Headers) -> Option<String> {
    headers.iter().find_map(|h| match h {
        Header::Other(name, value) if name.eq_ignore_ascii_case("Reason") => Some(value.trim().to_owned()),
        _ => None,
    })
}

/// The seconds of Session-Expires (RFC 4028), which rsip does not know.
pub(crate) fn session_expires(headers: &Headers) -> Option<u64> {
    headers.iter().find_map(|h| match h {
        Header::Other(name, value) if name.eq_ignore_ascii_case("Session-Expires") => value.split(';').next()?.trim().parse().ok(),
        _ => None,
    })
}

/// Every Contact value, with its parameters.
pub(crate) fn contacts(headers: &Headers) -> Vec<String> {
    headers.iter().filter_map(|h| if let Header::Contact(c) = h { Some(split_list(c.value())) } else { None }).flatten().collect()
}

/// The Record-Route values, in the order in which they stand.
pub(crate) fn record_routes(headers: &Headers) -> Vec<String> {
    headers.iter().filter_map(|h| if let Header::RecordRoute(r) = h { Some(split_list(r.value())) } else { None }).flatten().collect()
}

/// Whether the body is said to be a session description.
pub(crate) fn carries_sdp(headers: &Headers) -> bool {
    headers.iter().any(|h| matches!(h, Header::ContentType(t) if t.value().trim().to_ascii_lowercase().starts_with("application/sdp")))
}

/// Where a URI with a numeric host leads; `None` when it needs a resolver, which this phone does not have.
pub(crate) fn address(uri: &str) -> Option<SocketAddr> {
    let rest = uri.trim().trim_start_matches('<').trim_end_matches('>');
    let rest = rest.split_once(':')?.1;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?', '>']).next()?;
    host.parse().ok().or_else(|| host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 5060)))
}

/// Everything of a request that the caller decides.
pub(crate) struct Draft<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a str,
    pub(crate) via: String,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    pub(crate) routes: &'a [String],
    pub(crate) extra: Vec<Header>,
    pub(crate) sdp: Option<&'a [u8]>,
}

/// Builds a request.
///
/// # Errors
/// When rsip cannot write the URI: a sentence.
pub(crate) fn request(draft: Draft<'_>) -> Result<Request, String> {
    let uri = Uri::try_from(draft.uri).map_err(|fault| format!("{:?} is no URI that can be dialled: {fault}", draft.uri))?;
    let mut headers = vec![
        Header::Via(draft.via.into()),
        Header::MaxForwards(rsip::headers::MaxForwards::new("70")),
        Header::From(draft.from.to_owned().into()),
        Header::To(draft.to.to_owned().into()),
        Header::CallId(draft.call_id.to_owned().into()),
        Header::CSeq(format!("{} {}", draft.cseq, draft.method).into()),
        Header::UserAgent("toritsugi-phone".into()),
    ];
    headers.extend(draft.routes.iter().map(|r| Header::Route(r.clone().into())));
    headers.extend(draft.extra);
    Ok(Request {
        method: draft.method,
        uri,
        version: Version::V2,
        headers: with_body(headers, draft.sdp),
        body: draft.sdp.unwrap_or_default().to_vec(),
    })
}

/// Builds the answer to a request, with the headers that must be copied (RFC 3261 section 8.2.6.2).
pub(crate) fn response(request: &Request, from: SocketAddr, status: u16, to_tag: &str, extra: Vec<Header>, sdp: Option<&[u8]>) -> Response {
    let mut headers = Vec::new();
    let mut topmost = true;
    for header in request.headers.iter() {
        match header {
            Header::Via(via) if topmost => {
                headers.push(Header::Via(stamp(via.value(), from).into()));
                topmost = false;
            }
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => headers.push(header.clone()),
            // Not in a 100, which makes no dialog (§8.2.6.2: "except in a 100 response, in which a tag MAY be present").
            Header::To(to) if status > 100 && party(to.value()).tag.is_none() => {
                headers.push(Header::To(format!("{};tag={to_tag}", to.value().trim()).into()));
            }
            Header::To(_) => headers.push(header.clone()),
            Header::RecordRoute(_) if (101..300).contains(&status) => headers.push(header.clone()),
            _ => {}
        }
    }
    headers.extend(extra);
    let status_code = StatusCode::Other(status, reason(status).to_owned());
    Response { status_code, version: Version::V2, headers: with_body(headers, sdp), body: sdp.unwrap_or_default().to_vec() }
}

/// Writes where a request really came from into its topmost Via (RFC 3261 section 18.2.1, RFC 3581 section 4).
fn stamp(via: &str, from: SocketAddr) -> String {
    let mut values = split_list(via);
    if let Some(first) = values.first_mut() {
        let mut parts: Vec<String> = first.split(';').map(|p| p.trim().to_owned()).collect();
        let asked = parts.iter_mut().find(|p| p.eq_ignore_ascii_case("rport"));
        if let Some(rport) = asked {
            *rport = format!("rport={}", from.port());
            parts.push(format!("received={}", from.ip()));
        }
        *first = parts.join(";");
    }
    values.join(", ")
}

fn with_body(mut headers: Vec<Header>, sdp: Option<&[u8]>) -> Headers {
    if sdp.is_some() && !headers.iter().any(|h| matches!(h, Header::ContentType(_))) {
        headers.push(Header::ContentType("application/sdp".into()));
    }
    headers.push(Header::ContentLength(sdp.map_or(0, <[u8]>::len).to_string().into()));
    headers.into()
}

/// The bytes of a request. Its body goes out as it is: rsip would pass it through UTF-8.
pub(crate) fn request_bytes(request: &Request) -> Vec<u8> {
    let mut bytes = format!("{} {} {}\r\n{}\r\n", request.method, request.uri, request.version, request.headers).into_bytes();
    bytes.extend_from_slice(&request.body);
    bytes
}

/// The bytes of a response.
pub(crate) fn response_bytes(response: &Response) -> Vec<u8> {
    let mut bytes = format!("{} {}\r\n{}\r\n", response.version, response.status_code, response.headers).into_bytes();
    bytes.extend_from_slice(&response.body);
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Declined",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_to_be_an_address() {
        let who = party("\"Bank <sip:0120444444@trusted>;tag=fake\" <sip:090@carrier;user=phone>;x=1;tag=real");
        assert_eq!((who.uri.as_str(), who.tag.as_deref()), ("sip:090@carrier;user=phone", Some("real")));
        let bare = party("sip:alice@192.0.2.1;tag=88");
        assert_eq!((bare.uri.as_str(), bare.tag.as_deref()), ("sip:alice@192.0.2.1", Some("88")));
        assert_eq!(party("<sip:a@b").tag, None);
        assert_eq!(party("").uri, "");
    }

    #[test]
    fn addresses_and_lists_are_read() {
        assert_eq!(address("sip:a@192.0.2.1:5070;lr"), Some("192.0.2.1:5070".parse().unwrap()));
        assert_eq!(address("<sip:192.0.2.1>"), Some("192.0.2.1:5060".parse().unwrap()));
        assert_eq!(address("sip:a@example.org"), None);
        assert_eq!(split_list("\"a, b\" <sip:x,y>;lr, <sip:z>"), ["\"a, b\" <sip:x,y>;lr", "<sip:z>"]);
    }

    #[test]
    fn a_request_written_is_a_request_read() {
        let draft = Draft {
            method: Method::Invite,
            uri: "sip:0440000001@192.0.2.1:5060",
            via: "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx;rport".to_owned(),
            from: "<sip:a@192.0.2.1>;tag=t",
            to: "<sip:0440000001@192.0.2.1:5060>",
            call_id: "c",
            cseq: 7,
            routes: &["<sip:192.0.2.1;lr>".to_owned()],
            extra: vec![],
            sdp: Some(b"v=0\r\n"),
        };
        let written = request(draft).unwrap();
        let SipMessage::Request(read) = read(&request_bytes(&written)).unwrap() else { panic!("a request") };
        let envelope = envelope(&read.headers).unwrap();
        assert_eq!((envelope.cseq, envelope.cseq_method.as_str(), envelope.via.branch.as_str()), (7, "INVITE", "z9hG4bKx"));
        assert!(carries_sdp(&read.headers) && read.body == b"v=0\r\n" && envelope.via.rport);
        let answer = response(&read, "192.0.2.77:9".parse().unwrap(), 180, "mine", vec![], None);
        let text = String::from_utf8(response_bytes(&answer)).unwrap();
        assert!(text.starts_with("SIP/2.0 180 Ringing\r\n"), "{text}");
        assert!(text.contains("rport=9;received=192.0.2.77"), "{text}");
        assert!(text.contains(">;tag=mine\r\n"), "{text}");
    }

    #[test]
    fn a_broken_message_is_told_in_a_sentence() {
        assert!(read(b"hello").is_err());
        assert!(read(b"BYE sip:a@192.0.2.1 SIP/2.0\r\nContent-Length: 5\r\n\r\nabc").unwrap_err().contains("18.3"));
        let SipMessage::Request(bye) = read(b"BYE sip:a@192.0.2.1 SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n").unwrap() else { panic!("a request") };
        assert!(envelope(&bye.headers).unwrap_err().contains("CSeq"));
    }
}
