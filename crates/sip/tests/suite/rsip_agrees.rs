//! A second opinion: on every message that rsip can read, we read the same.
//!
//! rsip 0.4 refuses much that is valid (compact and folded headers, IPv6 Vias, unknown methods, `tel:`), so only what it accepts counts.
#![expect(clippy::disallowed_methods, reason = "the torture messages lie in files")]

use crate::common::*;
use bytes::Bytes;
use model::Random;
use rsip::SipMessage;
use rsip::prelude::*;
use sip::Message;

/// What both must agree about.
#[derive(Debug, PartialEq)]
struct Reading {
    method: Option<String>,
    uri: Option<String>,
    status: Option<u16>,
    via: (String, Option<String>),
    from: (String, Option<String>),
    to: (String, Option<String>),
    call_id: String,
    cseq: (u32, String),
    body: Vec<u8>,
}

fn rsips(bytes: &Bytes) -> Option<Reading> {
    let message = SipMessage::try_from(bytes.to_vec()).ok()?;
    let (method, uri, status) = match &message {
        SipMessage::Request(request) => (Some(request.method.to_string()), Some(request.uri.to_string()), None),
        SipMessage::Response(response) => (None, None, Some(response.status_code.code())),
    };
    let via = message.via_header().ok()?.typed().ok()?;
    let from = message.from_header().ok()?.typed().ok()?;
    let to = message.to_header().ok()?.typed().ok()?;
    let cseq = message.cseq_header().ok()?.typed().ok()?;
    Some(Reading {
        method,
        uri,
        status,
        via: (via.uri.host_with_port.host.to_string(), via.branch().map(|b| b.value().to_owned())),
        from: (from.uri.to_string(), from.tag().map(|t| t.value().to_owned())),
        to: (to.uri.to_string(), to.tag().map(|t| t.value().to_owned())),
        call_id: message.call_id_header().ok()?.value().to_owned(),
        cseq: (cseq.seq, cseq.method.to_string()),
        body: message.body().clone(),
    })
}

fn ours(bytes: &Bytes) -> Option<Reading> {
    let message = Message::parse(bytes).ok()?;
    let e = message.essentials().ok()?;
    Some(Reading {
        method: message.method().map(str::to_owned),
        uri: message.method().map(|_| String::from_utf8_lossy(message.request_uri()).into_owned()),
        status: message.status(),
        via: (e.via.host().to_owned(), e.via.branch().map(str::to_owned)),
        from: (e.from.uri().to_string(), e.from.tag().map(str::to_owned)),
        to: (e.to.uri().to_string(), e.to.tag().map(str::to_owned)),
        call_id: e.call_id.to_owned(),
        cseq: (e.cseq.number, e.cseq.method.to_owned()),
        body: message.body().to_vec(),
    })
}

fn pick<'a>(dice: &mut Random, from: &[&'a str]) -> &'a str {
    from[dice.below(from.len() as u64) as usize]
}

/// A sound message of the kinds that carriers and phones send.
fn sound(dice: &mut Random) -> String {
    let method = pick(dice, &["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "MESSAGE"]);
    let address = |dice: &mut Random| {
        let user = pick(dice, &["0440000001", "sato", "+81440000001", "*1", "a.b-c_d", "%61bc"]);
        let host = pick(dice, &["192.0.2.1", "192.0.2.1:5070", "example.com", "sbc-1.example.co.jp:5080"]);
        // rsip writes the transport back in capitals, whatever it read.
        let params = pick(dice, &["", ";transport=UDP", ";lr", ";user=phone"]);
        format!("{}:{user}@{host}{params}", pick(dice, &["sip", "sips"]))
    };
    let mut lines = Vec::new();
    for at in 0..1 + dice.below(3) {
        let host = pick(dice, &["192.0.2.50", "192.0.2.50:5062", "proxy.example.com"]);
        let extra = pick(dice, &["", ";rport", ";received=192.0.2.9", ";rport=5061;received=192.0.2.9"]);
        lines.push(format!("Via: SIP/2.0/{} {host};branch=z9hG4bK{at}{}{extra}", pick(dice, &["UDP", "TCP", "TLS"]), dice.token(8)));
    }
    let mut rest = Vec::new();
    for name in ["From", "To"] {
        let display = pick(dice, &["", "Sato ", "\"Sato, Taro\" ", "\"川崎\" ", "\"a;b\" "]);
        let tag = if name == "From" || dice.below(2) == 0 { format!(";tag={}", dice.token(10)) } else { String::new() };
        rest.push(format!("{name}: {display}<{}>{tag}", address(dice)));
    }
    rest.push(format!("Call-ID: {}@{}", dice.token(12), pick(dice, &["192.0.2.1", "h"])));
    rest.push(format!("CSeq: {} {method}", dice.below(1 << 31)));
    rest.push(format!("Max-Forwards: {}", dice.below(256)));
    rest.push(format!("Contact: <{}>", address(dice)));
    rest.push(format!("User-Agent: {}", pick(dice, &["x", "phone/1.0 (a; b)", "<>,\"\""])));
    for _ in 0..8 {
        let (a, b) = (dice.below(rest.len() as u64) as usize, dice.below(rest.len() as u64) as usize);
        rest.swap(a, b);
    }
    lines.append(&mut rest);
    let body = pick(dice, &["", OFFER, "v=0\r\n\r\n"]);
    lines.push(format!("Content-Length: {}", body.len()));
    let start = match dice.below(4) {
        0 => format!("SIP/2.0 {} Reason of its own", pick(dice, &["100", "180", "200", "401", "486", "503"])),
        _ => format!("{method} {} SIP/2.0", address(dice)),
    };
    format!("{start}\r\n{}\r\n\r\n{body}", lines.join("\r\n"))
}

#[test]
fn both_read_the_same_in_three_thousand_sound_messages() {
    let mut dice = Random::from_number(3261);
    let mut both = 0;
    for _ in 0..3_000 {
        let text = sound(&mut dice);
        let bytes = Bytes::from(text.clone());
        let mine = ours(&bytes).unwrap_or_else(|| panic!("sound, but we cannot read it:\n{text}"));
        if let Some(theirs) = rsips(&bytes) {
            assert_eq!(mine, theirs, "{text}");
            both += 1;
        }
    }
    assert!(both > 2_000, "rsip read {both} of 3000");
}

#[test]
fn both_read_the_same_in_what_we_write() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let (_, called) = desk.calling();
    desk.sent.push(called);
    desk.receive(&reinvite("r", 2, &tag));
    desk.receive(&inside("OPTIONS", "o", 3, &tag));
    desk.command(sip::Command::Bye { dialog });
    desk.receive(&invite("9").replace("c1", "c9"));
    desk.wait(200);
    desk.receive(&request("FOO", "sip:1@h", "f", "sip:1@h", 1, "", ""));
    let sent = desk.sent();
    assert!(sent.len() >= 6);
    for sent in sent {
        let bytes = Bytes::from(sent.text.clone());
        // rsip knows no method FOO, and so not its CSeq.
        let Some(theirs) = rsips(&bytes) else {
            assert!(sent.text.contains("FOO"), "{}", sent.text);
            continue;
        };
        assert_eq!(ours(&bytes), Some(theirs), "{}", sent.text);
    }
}

#[test]
fn where_rsip_reads_a_torture_message_it_reads_what_we_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/torture/rfc4475");
    let mut both = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let (Some(mine), Some(mut theirs)) = (ours(&bytes), rsips(&bytes)) else { continue };
        // rsip never reads Content-Length: what follows the body is body to it.
        theirs.body.truncate(mine.body.len());
        assert_eq!(mine, theirs, "{name}");
        both.push(name);
    }
    both.sort();
    assert!(both.len() >= 15, "{both:?}");
}

#[test]
fn an_md5_answer_of_rsip_opens_our_gate() {
    let mut desk = Desk::new();
    let register = |extra: &str, cseq: u32| {
        format!(
            "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5062;branch=z9hG4bKr{cseq}\r\nFrom: <sip:sato@192.0.2.1>;tag=t\r\n\
             To: <sip:sato@192.0.2.1>\r\nCall-ID: r\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:sato@192.0.2.60:5062>\r\n{extra}Content-Length: 0\r\n\r\n"
        )
    };
    desk.receive_from(PHONE, &register("", 1));
    let challenge = desk.one();
    let line = challenge.text.lines().find(|l| l.starts_with("WWW-Authenticate") && l.contains("MD5")).unwrap();
    let nonce = line.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let uri = rsip::Uri::try_from("sip:192.0.2.1").unwrap();
    let qop = rsip::headers::auth::AuthQop::Auth { cnonce: "0a4f113b".to_owned(), nc: 1 };
    let generator = rsip::services::DigestGenerator {
        username: "sato",
        password: "sato-himitsu",
        nonce,
        uri: &uri,
        realm: REALM,
        method: &rsip::Method::Register,
        qop: Some(&qop),
        algorithm: rsip::headers::auth::Algorithm::Md5,
    };
    let response = generator.compute();
    let authorization = format!(
        "Authorization: Digest username=\"sato\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"sip:192.0.2.1\", response=\"{response}\", algorithm=MD5, \
         cnonce=\"0a4f113b\", qop=auth, nc=00000001\r\n"
    );
    desk.receive_from(PHONE, &register(&authorization, 2));
    assert_eq!(desk.one().word(), "200");
}
