//! Messages spoiled at random: nothing panics, nothing takes long, and what is remembered stays within bounds.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the messages lie in files, and slowness is measured by the clock"
)]

use crate::common::*;
use bytes::Bytes;
use model::Random;
use sip::{Command, DIALOGS_MAX, TRANSACTIONS_MAX};
use std::time::{Duration, Instant};

/// Bytes that parsers stumble over.
const NASTY: [&[u8]; 24] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n ",
    b"\r\n\r\n",
    b"\"",
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b";;",
    b"=",
    b":",
    b"@",
    b"%",
    b"%00",
    b"[::1]",
    b"\xff",
    b"99999999999999999999",
    b"-1",
    b";tag=",
    b"\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\n",
];

/// A seed with new names for its call and transaction, and up to six wounds.
fn spoil(dice: &mut Random, torture: &[Vec<u8>], own: &[String]) -> Vec<u8> {
    let pick = |dice: &mut Random, limit: usize| dice.below(limit.max(1) as u64) as usize;
    let seed = |dice: &mut Random| match dice.below(4) {
        0 => torture[pick(dice, torture.len())].clone(),
        _ => own[pick(dice, own.len())].replace("NEW", &dice.token(5)).into_bytes(),
    };
    let mut bytes = seed(dice);
    let wounds = if dice.below(2) == 0 { 1 } else { 1 + dice.below(6) };
    for _ in 0..wounds {
        let at = pick(dice, bytes.len());
        let end = (at + 1 + pick(dice, 40)).min(bytes.len());
        match dice.below(8) {
            0 | 1 => {
                let random = dice.next_u32().to_le_bytes()[0];
                bytes.get_mut(at).into_iter().for_each(|b| *b = random);
            }
            2 => {
                let nasty = NASTY[pick(dice, NASTY.len())];
                bytes.splice(at..at, nasty.iter().copied());
            }
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy: Vec<u8> = bytes[at..end].to_vec();
                let to = pick(dice, bytes.len());
                bytes.splice(to..to, copy);
            }
            5 => bytes.truncate(at),
            6 => {
                let other = seed(dice);
                let from = pick(dice, other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let filler = NASTY[pick(dice, NASTY.len())].repeat(1 + pick(dice, 600));
                bytes.splice(at..at, filler);
            }
        }
        bytes.truncate(65_600);
    }
    bytes
}

#[test]
fn twenty_thousand_spoiled_messages_do_no_harm() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/torture/rfc4475");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let torture: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
    assert_eq!(torture.len(), 49);

    let mut desk = Desk::new();
    let (_, tag) = desk.talking();
    let (_, called) = desk.calling();
    let cancel = request("CANCEL", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "", "");
    let own = [
        invite("1"),
        invite("NEW").replace("Call-ID: c1", "Call-ID: NEW"),
        invite("NEW").replace("Call-ID: c1", "Call-ID: NEW").replace("Call-ID", "i").replace("Content-Length: ", "l : "),
        inside("ACK", "a", 1, &tag),
        inside("OPTIONS", "o", 3, &tag),
        reinvite("r", 4, &tag),
        cancel,
        response(&called, 180, "p", ""),
        response(&called, 200, "p", OFFER),
        response(&called, 486, "p", ""),
        phone_inside(&called, "BYE", "b", 1, "p"),
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\nFrom: <sip:sato@h>;tag=t\r\nTo: <sip:sato@h>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:s@h>;expires=60\r\nAuthorization: Digest username=\"sato\", realm=\"ward\", nonce=\"00\", uri=\"sip:h\", response=\"00\", qop=auth, \
         nc=00000001, cnonce=\"x\", algorithm=SHA-256\r\n\r\n"
            .to_owned(),
    ];

    let mut dice = Random::from_number(4475);
    let (mut slowest, mut calls) = (Duration::ZERO, 0);
    for _ in 0..20_000 {
        let bytes = Bytes::from(spoil(&mut dice, &torture, &own));
        let before = Instant::now();
        desk.receive_bytes(CALLER, &bytes);
        slowest = slowest.max(before.elapsed());
        for event in desk.events() {
            if let sip::Event::Invite { dialog, .. } = event {
                calls += 1;
                match dice.below(4) {
                    0 => desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) }),
                    1 => desk.command(Command::Reject { dialog, status: 486, retry_after_secs: None }),
                    2 => desk.command(Command::Provisional { dialog, status: 180 }),
                    _ => desk.endpoint.forget(dialog),
                }
            } else if let sip::Event::Reoffer { dialog, .. } = event {
                desk.command(Command::RefuseReoffer { dialog, status: 488 });
            }
        }
        for sent in desk.sent() {
            if !["400", "505"].contains(&sent.word()) {
                assert!(sent.message().essentials().is_ok(), "whatever comes in, what goes out is sound:\n{}", sent.text);
            }
        }
        desk.notes.clear();
        if dice.below(50) == 0 {
            desk.wait(dice.below(3_000));
        }
        let census = desk.census();
        assert!(census.dialogs <= DIALOGS_MAX as u64 && census.transactions <= TRANSACTIONS_MAX as u64);
    }
    assert!(calls > 300, "the spoiling leaves enough that is understood: {calls}");
    // Generous, for machines that do other things: a message takes microseconds.
    assert!(slowest < Duration::from_millis(200), "{slowest:?}");
}
