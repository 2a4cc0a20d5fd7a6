//! The 49 messages of RFC 4475: each is read without harm, and what the endpoint does about it is what the manifest allows.

#![expect(clippy::disallowed_methods, reason = "the messages lie in files")]

use crate::common::*;
use bytes::Bytes;
use serde_json::Value;
use sip::{Event, Message};
use std::path::Path;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/torture")
}

fn manifest() -> Vec<(String, Vec<String>, Bytes)> {
    let text = std::fs::read_to_string(folder().join("manifest.jsonl")).unwrap();
    let read = |line: &str| {
        let entry: Value = serde_json::from_str(line).unwrap();
        let file = entry["file"].as_str().unwrap().to_owned();
        let expected = entry["expect_udp"].as_array().unwrap().iter().map(|e| e.as_str().unwrap().to_owned()).collect();
        let bytes = std::fs::read(folder().join(&file)).unwrap();
        assert_eq!(bytes.len() as u64, entry["bytes"].as_u64().unwrap(), "{file}");
        (file, expected, Bytes::from(bytes))
    };
    text.lines().map(read).collect()
}

/// What came of a message: `drop`, `call`, or a status.
fn outcome(desk: &mut Desk) -> String {
    let called = desk.events().iter().any(|e| matches!(e, Event::Invite { .. }));
    match desk.sent().as_slice() {
        [] if called => "call".to_owned(),
        [] => "drop".to_owned(),
        [answer] => answer.word().to_owned(),
        more => panic!("{more:#?}"),
    }
}

#[test]
fn every_message_has_an_outcome_that_the_manifest_allows() {
    let mut wrong = Vec::new();
    let manifest = manifest();
    assert_eq!(manifest.len(), 49);
    for (file, expected, bytes) in manifest {
        let mut desk = Desk::new();
        desk.receive_bytes("192.0.2.250:5060", &bytes);
        let got = outcome(&mut desk);
        // "app": whatever an application answers to a message that it could read.
        let ordinary = ["call", "200", "401", "403", "404", "405", "406", "415", "420", "480", "481", "486", "488"];
        let allowed = expected.contains(&got) || (expected.iter().any(|e| e == "app") && ordinary.contains(&got.as_str()));
        if !allowed {
            wrong.push(format!("{file}: {got}, not one of {expected:?}"));
        }
        desk.receive_bytes("192.0.2.250:5060", &bytes);
        desk.wait(100_000);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_valid_is_read_and_what_is_not_is_not() {
    for (file, _, bytes) in manifest() {
        let whole = Message::parse(&bytes).is_ok_and(|m| m.essentials().is_ok());
        let valid = std::fs::read_to_string(folder().join("manifest.jsonl")).unwrap();
        let entry: Value = valid.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).find(|e| e["file"] == file.as_str()).unwrap();
        if entry["kind"].as_str().unwrap().starts_with("valid") {
            assert!(whole, "{file}");
        }
    }
}

fn read(name: &str) -> Message {
    Message::parse(&Bytes::from(std::fs::read(folder().join(format!("rfc4475/{name}.dat"))).unwrap())).unwrap()
}

#[test]
fn the_tortuous_invite_means_what_the_rfc_says() {
    let message = read("wsinv");
    let e = message.essentials().unwrap();
    assert_eq!((e.cseq.number, e.cseq.method, e.max_forwards), (9, "INVITE", Some(68)));
    assert_eq!((e.to.tag(), e.from.tag()), (Some("1918181833n"), Some("98asjd8")));
    assert_eq!(e.from.display(), "J Rosenberg \\\"");
    assert_eq!((e.via.host(), e.via.branch()), ("192.0.2.2", Some("390skdjuw")));
    assert_eq!(message.values(sip::header::Name::Via).count(), 3);
    assert_eq!(message.body().len(), 150);
    let contact = sip::header::NameAddr::parse(message.first(sip::header::Name::Contact).unwrap()).unwrap();
    assert_eq!(contact.display(), "Quoted string \"\"");
}

#[test]
fn escapes_mean_what_the_rfc_says() {
    let esc01 = read("esc01");
    let uri = sip::uri::Uri::parse(esc01.request_uri()).unwrap();
    assert_eq!(uri.user(), "sips:user@example.com");
    assert_eq!(esc01.essentials().unwrap().from.uri().user(), "I have spaces");
    let esc02 = read("esc02");
    assert_eq!(esc02.method(), Some("RE%47IST%45R"));
    assert_eq!(esc02.all(sip::header::Name::Contact).count(), 2);
    assert_eq!(read("escnull").essentials().unwrap().to.uri().user(), "null-\0-null");
    assert_eq!(read("intmeth").essentials().unwrap().to.display(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    assert_eq!(read("dblreq").body().len(), 0);
    assert_eq!(read("mpart01").body().len(), 553);
}
