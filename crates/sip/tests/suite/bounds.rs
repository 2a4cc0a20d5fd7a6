//! Every bound of the parser: what fits exactly is read, and one more is refused.

use crate::common::*;
use bytes::Bytes;
use sip::bounds::*;
use sip::header::Name;
use sip::message::Fault;
use sip::uri::Uri;
use sip::{Event, Message};

const HEAD: &str = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:z@w>\r\nCall-ID: 1@2\r\nCSeq: 1 OPTIONS\r\n";

fn parse(text: &str) -> Result<Message, Fault> {
    Message::parse(&Bytes::copy_from_slice(text.as_bytes())).map_err(|m| m.fault)
}
fn with(lines: &str) -> Result<Message, Fault> {
    parse(&format!("{HEAD}{lines}\r\n"))
}

#[test]
fn a_message_has_at_most_65535_bytes() {
    let of = |total: usize| format!("{HEAD}\r\n{}", "x".repeat(total - HEAD.len() - 2));
    assert_eq!(parse(&of(MESSAGE_MAX)).unwrap().body().len(), MESSAGE_MAX - HEAD.len() - 2);
    assert_eq!(parse(&of(MESSAGE_MAX + 1)).unwrap_err(), Fault::TooLarge);
}

#[test]
fn a_header_line_has_at_most_8_kib_folds_included() {
    let of = |length: usize| with(&format!("X: {}\r\n", "y".repeat(length - 3)));
    assert_eq!(of(LINE_MAX).unwrap().other("x").unwrap().len(), LINE_MAX - 3);
    assert_eq!(of(LINE_MAX + 1).unwrap_err(), Fault::LineTooLong);
    let folded = |length: usize| with(&format!("X: y\r\n {}\r\n", "y".repeat(length - 7)));
    assert_eq!(folded(LINE_MAX).unwrap().other("x").unwrap().len(), LINE_MAX - 3);
    assert_eq!(folded(LINE_MAX + 1).unwrap_err(), Fault::LineTooLong);
    let start = |length: usize| parse(&format!("{}\r\n", HEAD.replacen("sip:a", &format!("sip:{}", "a".repeat(length - 20)), 1)));
    assert!(start(LINE_MAX).is_ok());
    assert_eq!(start(LINE_MAX + 1).unwrap_err(), Fault::LineTooLong);
}

#[test]
fn a_message_has_at_most_256_header_lines() {
    let message = with(&"a:b\r\n".repeat(HEADERS_MAX - 5)).unwrap();
    assert_eq!(message.all(Name::Other).count(), HEADERS_MAX - 5);
    assert!(message.essentials().is_ok());
    assert_eq!(with(&"a:b\r\n".repeat(HEADERS_MAX - 4)).unwrap_err(), Fault::TooMany);
    // The last line counts as much as the first.
    let last = with(&format!("{}Expires: 7\r\n", "a:b\r\n".repeat(HEADERS_MAX - 6))).unwrap();
    assert_eq!(last.first(Name::Expires), Some(&b"7"[..]));
}

#[test]
fn a_message_has_at_most_64_vias_however_they_are_written() {
    let listed = |vias: usize| with(&format!("v: {}\r\n", vec!["SIP/2.0/UDP h"; vias].join(",")));
    assert_eq!(listed(VIAS_MAX - 1).unwrap().values(Name::Via).count(), VIAS_MAX);
    assert_eq!(listed(VIAS_MAX).unwrap_err(), Fault::TooMany);
    let lines = |vias: usize| with(&"Via: SIP/2.0/UDP h\r\n".repeat(vias));
    assert_eq!(lines(VIAS_MAX - 1).unwrap().values(Name::Via).count(), VIAS_MAX);
    assert_eq!(lines(VIAS_MAX).unwrap_err(), Fault::TooMany);
}

#[test]
fn a_uri_has_at_most_2048_bytes() {
    let of = |length: usize| format!("sip:{}@h", "a".repeat(length - 6));
    assert_eq!(Uri::parse(of(URI_MAX).as_bytes()).unwrap().user().len(), URI_MAX - 6);
    assert!(Uri::parse(of(URI_MAX + 1).as_bytes()).is_none());
}

#[test]
fn what_is_echoed_has_at_most_8_kib() {
    // The lines of Via (with what we add to it), From, Call-ID and CSeq, and the value of To.
    let of = |longer: usize| invite("1").replace("Call-ID: c1", &format!("Call-ID: c1{}", "c".repeat(longer)));
    let mut desk = Desk::new();
    let status = |desk: &mut Desk, longer: usize| {
        desk.receive(&of(longer).replace("INVITE", "OPTIONS"));
        desk.one().word().to_owned()
    };
    let fits = (0..LINE_MAX).rev().find(|longer| status(&mut desk, *longer) == "200").unwrap();
    desk.receive(&of(fits).replace("INVITE", "OPTIONS"));
    let echoed: usize =
        desk.one().text.lines().filter(|l| ["Via", "From", "Call", "CSeq"].iter().any(|n| l.starts_with(n))).map(|l| l.len() + 2).sum();
    assert_eq!(echoed + "sip:0440000001@192.0.2.1".len(), ECHO_MAX);
    assert_eq!(status(&mut desk, fits + 1), "513");
}

#[test]
fn a_dialog_keeps_at_most_16_routes() {
    let of = |routes: usize| invite("1").replace("Contact", &format!("Record-Route: {}\r\nContact", vec!["<sip:p;lr>"; routes].join(", ")));
    for (routes, words) in [(ROUTES_MAX, &[][..]), (ROUTES_MAX + 1, &["400"])] {
        let mut desk = Desk::new();
        desk.receive(&of(routes));
        assert_eq!(desk.words(), words);
        assert_eq!(desk.events().iter().any(|e| matches!(e, Event::Invite { .. })), words.is_empty());
    }
}
