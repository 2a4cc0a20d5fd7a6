//! Every form in which RFC 3261 lets a message be written, and some in which carriers and phones write it all the same.

use crate::common::*;
use bytes::Bytes;
use sip::Message;
use sip::header::{Name, NameAddr, Via};

fn read(text: &[u8]) -> Message {
    Message::parse(&Bytes::copy_from_slice(text)).unwrap_or_else(|m| panic!("{}: {}", m.fault, String::from_utf8_lossy(text)))
}

/// What both forms must mean.
fn meaning(message: &Message) -> (String, String, String, u32, usize, Vec<u8>) {
    let e = message.essentials().unwrap();
    let tag = |a: &NameAddr<'_>| format!("{} {:?}", a.uri(), a.tag());
    (
        tag(&e.from),
        tag(&e.to),
        format!("{} {:?}", e.via.host(), e.via.branch()),
        e.cseq.number,
        message.values(Name::Via).count(),
        message.body().to_vec(),
    )
}

#[test]
fn compact_folded_and_spacious_messages_mean_what_the_plain_one_means() {
    let plain = invite("1").replace("Max-Forwards", "Via: SIP/2.0/UDP p1\r\nVia: SIP/2.0/UDP p2\r\nMax-Forwards");
    let wanted = meaning(&read(plain.as_bytes()));
    assert_eq!(wanted.4, 3);
    let compact =
        plain.replace("\r\nVia:", "\r\nv:").replace("From:", "f:").replace("To:", "t:").replace("Call-ID:", "i:").replace("Contact:", "m:");
    let compact = compact.replace("Content-Length:", "l:").replace("Content-Type:", "c:");
    let odd_case =
        plain.replace("Via", "vIA").replace("From", "FROM").replace("To:", "tO:").replace("Call-ID", "call-id").replace("CSeq", "cSEQ");
    let listed = plain.replace("\r\nVia: SIP/2.0/UDP p1\r\nVia: SIP/2.0/UDP p2", ", SIP/2.0/UDP p1\r\n\t,\r\n SIP/2.0/UDP p2");
    let folded = plain.replace(": ", ":\r\n  ");
    let spacious = plain
        .replace(": ", " \t :  ")
        .replace(";tag=", " ;\ttag  = ")
        .replace(";branch=", "  ; branch =\r\n ")
        .replace("SIP/2.0/UDP 1", "SIP / 2.0 / UDP  1");
    let bare_lines = plain.replacen(OFFER, "", 1).replace("\r\n", "\n") + OFFER;
    for text in [compact, odd_case, listed, folded, spacious, bare_lines, format!("\r\n\r\n{plain}")] {
        assert_eq!(meaning(&read(text.as_bytes())), wanted, "{text}");
    }
}

#[test]
fn quoted_names_may_hold_anything() {
    for (from, display) in [
        (r#""a;b,c<sip:x@y>;tag=9" <sip:u@h>;tag=1"#, "a;b,c<sip:x@y>;tag=9"),
        (r#""say \"hello\" \\" <sip:u@h>;tag=1"#, r#"say "hello" \"#),
        (r#""" <sip:u@h>;tag=1"#, ""),
        ("Plain Name<sip:u@h>;tag=1", "Plain Name"),
        ("川崎市役所 <sip:u@h>;tag=1", "川崎市役所"),
        (r#""川崎市役所" <sip:u@h> ; tag = 1"#, "川崎市役所"),
    ] {
        let text = invite("1").replace("\"Yamada\" <sip:0449999999@192.0.2.50>;tag=f1", from);
        let message = read(text.as_bytes());
        let e = message.essentials().unwrap();
        assert_eq!((e.from.display().as_str(), e.from.uri().user().as_str(), e.from.tag()), (display, "u", Some("1")), "{from}");
    }
}

/// Whom an INVITE with such a P-Asserted-Identity asserts.
fn asserts(value: &[u8], invite: &str) -> Vec<String> {
    let (before, after) = invite.split_once("CSeq:").unwrap();
    let text = [before.as_bytes(), b"P-Asserted-Identity: ", value, b"\r\nCSeq:", after.as_bytes()].concat();
    let mut desk = Desk::new();
    desk.receive_bytes(CALLER, &Bytes::from(text));
    let Some(sip::Event::Invite { claims, .. }) = desk.events().pop() else { panic!() };
    claims.asserted
}

#[test]
fn a_name_in_shift_jis_loses_no_header() {
    // 川崎 "表" in Shift-JIS: the second byte of 表 is a backslash (0x5c), which quotes whatever follows.
    let (before, after) = invite("1").split_once("Yamada").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for name in [&b"\x90\xec\x8d\xe8"[..], b"\x95\x5c \x90\xec", b"\xff\xfe\x00"] {
        let text = [before.as_bytes(), name, after.as_bytes()].concat();
        let message = read(&text);
        let e = message.essentials().unwrap();
        assert_eq!((e.from.uri().user().as_str(), e.from.tag(), e.call_id, e.cseq.number), ("0449999999", Some("f1"), "c1", 1), "{name:?}");
        assert_eq!(message.body(), OFFER.as_bytes());
    }
    // 機能, 機能" (the quote is escaped), and ﾄ能, whose first two bytes could be UTF-8. And names that are something else: in UTF-8 with bytes that could
    // begin a letter in Shift-JIS, and in Latin-1.
    for (name, ends) in [
        (&b"\x8b\x40\x94\x5c"[..], true),
        (b"\x8b\x40\x94\x5c\\\"", true),
        (b"\xc4\x94\x5c", true),
        ("能\\\\".as_bytes(), true),
        ("能\\\"".as_bytes(), true),
        ("能\\\" 課".as_bytes(), true),
        (b"Ren\xe9\\\\", true),
        (b"Ren\xe9\\\" x", true),
        (b"\x8b\x40\\", false),
        ("山\\".as_bytes(), false),
    ] {
        let text = [before.as_bytes(), name, after.as_bytes()].concat();
        let message = read(&text);
        assert_eq!(message.essentials().is_ok(), ends, "{name:x?}");
        for (others, users) in [
            (&b", <tel:0440000097>"[..], vec!["0440000098", "0440000097"]),
            (b", \"Sato\" <sip:0440000097@ntt>", vec!["0440000098", "0440000097"]),
            (b", \"\x95\x5c\" <sip:0440000097@ntt>;x=\"a,b\"", vec!["0440000098", "0440000097"]),
            (b"", vec!["0440000098"]),
        ] {
            let value = [b"\"", name, b"\" <sip:0440000098@ntt>", others].concat();
            let asserted = asserts(&value, &invite("1"));
            if ends {
                assert_eq!(asserted, users, "{name:x?} {others:x?}");
            }
        }
    }
    let mut desk = Desk::new();
    desk.receive_bytes(CALLER, &Bytes::from([before.as_bytes(), b"\x90\xec\x8d\xe8", after.as_bytes()].concat()));
    desk.trying();
}

#[test]
fn addresses_of_the_sixth_version_stand_wherever_the_fourth_may() {
    let text = invite("1").replace("192.0.2.50", "[2001:db8::50]").replace("@192.0.2.1 ", "@[2001:db8::1]:5070 ");
    let message = read(text.as_bytes());
    let e = message.essentials().unwrap();
    assert_eq!((e.via.host(), e.via.port(), e.via.ip()), ("[2001:db8::50]", Some(5060), "2001:db8::50".parse().ok()));
    assert_eq!(e.from.uri().ip(), "2001:db8::50".parse().ok());
    let received = Via::parse(b"SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111").unwrap();
    assert_eq!(received.branch(), Some("z9hG4bKas3-111"));
}

#[test]
fn a_body_is_bytes_and_nothing_else() {
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\n\n\n").collect();
    let head = invite("1").replace("INVITE", "MESSAGE").split_once("Content-Type").unwrap().0.to_owned();
    let text =
        [head.as_bytes(), format!("c: application/octet-stream\r\nl: {}\r\n\r\n", body.len()).as_bytes(), &body, b"behind it"].concat();
    assert_eq!(read(&text).body()[..], body);
}

#[test]
fn a_field_that_may_stand_once_stands_once() {
    for (name, twice) in [
        ("From", "f: <sip:a@b>;tag=1"),
        ("To", "t: <sip:a@b>"),
        ("Call-ID", "i: c1"),
        ("CSeq", "CSeq: 1 INVITE"),
        ("Max-Forwards", "Max-Forwards: 70"),
    ] {
        let mut desk = Desk::new();
        desk.receive(&invite("1").replace("Content-Type", &format!("{twice}\r\nContent-Type")));
        let refused = desk.one();
        assert_eq!((refused.word(), refused.text.contains(&format!("{name} stands twice"))), ("400", true), "{}", refused.text);
    }
    for lengths in [
        "Content-Length : 0\r\nl: 0",
        "l: 0\r\nContent-Length : 138",
        "Content-Length: 0, 0",
        "Content-Length: 0x10",
        "Content-Length: 1 1",
    ] {
        let mut desk = Desk::new();
        let text = invite("1");
        let at = text.find("Content-Length").unwrap();
        desk.receive(&format!("{}{lengths}\r\n\r\n{OFFER}", &text[..at]));
        assert_eq!(desk.words(), ["400"], "{lengths}");
    }
}
