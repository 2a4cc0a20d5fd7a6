//! A million pieces of what strangers send, spoiled at random: whatever comes, it is read without harm, and what was read holds together.
//!
//! Seeds lie in `data/corpus` and `data/torture`. Everything is drawn from one number, so that a failure comes again; the sentence names it.

use bytes::Bytes;
use model::{DigestAlgorithm, FlowId, Instant, Now, Random, UnixMillis};
use sip::header::{Name, NameAddr};
use sip::transaction::Key;
use sip::uri::Uri;
use sip::{Endpoint, Frame, Framer, Message};
use std::collections::BTreeMap;
use toritsugi_tests::root;

const MESSAGES: u64 = 350_000;
const STREAMS: u64 = 200_000;
const URIS: u64 = 200_000;
const DESCRIPTIONS: u64 = 150_000;
const CREDENTIALS: u64 = 100_000;
const LONGEST: usize = 70_000;

/// Bytes that parsers stumble over.
const NASTY: [&[u8]; 28] = [
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
    b"[",
    b"\xff",
    b"\x81\x5c",
    b"4294967296",
    b"18446744073709551616",
    b"-1",
    b";tag=",
    b"l: 5\r\n",
    b" ",
];

#[test]
fn a_million_is_a_million() {
    assert_eq!(MESSAGES + STREAMS + URIS + DESCRIPTIONS + CREDENTIALS, 1_000_000);
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/data").join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{} has its seeds", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn pick(dice: &mut Random, limit: usize) -> usize {
    usize::try_from(dice.below(limit.max(1) as u64)).unwrap()
}

/// A seed with up to six wounds.
fn spoil(dice: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[pick(dice, seeds.len())].clone();
    let wounds = if dice.below(2) == 0 { 1 } else { 1 + dice.below(6) };
    for _ in 0..wounds {
        let at = pick(dice, bytes.len());
        let end = (at + 1 + pick(dice, 40)).min(bytes.len());
        match dice.below(8) {
            0 | 1 => {
                let random = dice.next_u32().to_le_bytes()[0];
                bytes.get_mut(at).into_iter().for_each(|b| *b = random);
            }
            2 | 3 => {
                let nasty = NASTY[pick(dice, NASTY.len())];
                bytes.splice(at..at, nasty.iter().copied());
            }
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                let to = pick(dice, bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                let other = &seeds[pick(dice, seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[pick(dice, other.len())..]);
            }
            _ if dice.below(40) == 0 => {
                let filler = NASTY[pick(dice, NASTY.len())].repeat(1 + pick(dice, 3_000));
                bytes.splice(at..at, filler);
            }
            _ => bytes.truncate(at),
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// As much of it as somebody reads.
fn shown(bytes: &[u8]) -> String {
    format!("{:?}", Bytes::copy_from_slice(bytes.get(..2_000).unwrap_or(bytes)))
}

/// Every seed as it is, then so many spoiled ones.
fn each(folders: &[&str], seed: u64, count: u64, mut read: impl FnMut(&mut Random, &[u8])) {
    let seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| seeds(folder)).collect();
    let mut dice = Random::from_number(seed);
    for bytes in &seeds {
        read(&mut dice, bytes);
    }
    for _ in 0..count {
        let bytes = spoil(&mut dice, &seeds);
        read(&mut dice, &bytes);
    }
}

#[test]
fn messages() {
    let (mut sound, mut refused) = (0, 0);
    each(&["corpus/message", "torture/rfc4475"], 3261, MESSAGES, |_, bytes| {
        let bytes = Bytes::copy_from_slice(bytes);
        let message = match Message::parse(&bytes) {
            Ok(message) => message,
            Err(malformed) => {
                refused += 1;
                // What is refused can still be looked at, and nothing of it is a line of its own.
                for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
                    let lines = malformed.request.iter().flat_map(|request| request.all(name));
                    lines.for_each(|value| assert!(!value.contains(&b'\n') && !value.contains(&b'\r')));
                }
                return;
            }
        };
        assert!(message.body().len() <= bytes.len());
        assert!(message.method().is_some() != message.status().is_some());
        for name in [Name::Contact, Name::RecordRoute, Name::Authorization, Name::Require, Name::Other] {
            for value in message.values(name) {
                assert!(!value.contains(&b'\n') && !value.contains(&b'\r'), "{}", shown(&bytes));
                if let Some(address) = NameAddr::parse(value) {
                    let _ = (address.display(), address.uri().user(), address.tag());
                }
            }
        }
        let Ok(e) = message.essentials() else { return };
        sound += 1;
        assert!(e.call_id.bytes().all(|b| b.is_ascii_graphic()) && e.cseq.number < 1 << 31);
        assert_eq!(Key::server(&message, &e), Key::server(&message.clone(), &e));
        // Whoever frames and whoever reads agree where the message ends.
        if message.first(Name::ContentLength).is_some() && message.body().len() + 4 < bytes.len() {
            let mut framer = Framer::new();
            framer.handle_bytes(Instant::ZERO, &bytes);
            let framed = std::iter::from_fn(|| framer.poll_frame()).find(|frame| *frame != Frame::Ping);
            let Some(Frame::Message(framed)) = framed else { panic!("{}", shown(&bytes)) };
            assert_eq!(Message::parse(&framed).map(|m| m.body().clone()).ok().as_ref(), Some(message.body()));
        }
    });
    assert!(sound > 50_000 && refused > 50_000, "the spoiling leaves enough of both: {sound} {refused}");
}

#[test]
fn streams() {
    let (mut whole, mut lost) = (0, 0);
    each(&["corpus/framing", "corpus/message"], 5626, STREAMS, |dice, bytes| {
        let cut = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut framer, mut frames) = (Framer::new(), Vec::new());
            for piece in pieces {
                framer.handle_bytes(Instant::ZERO, piece);
                frames.extend(std::iter::from_fn(|| framer.poll_frame()));
            }
            frames
        };
        let at_once = cut(&mut std::iter::once(bytes));
        let step = 1 + pick(dice, 200);
        let in_pieces = cut(&mut bytes.chunks(step));
        assert!(at_once == in_pieces, "{step} bytes at a time: {}", shown(bytes));
        assert!(at_once.iter().rev().skip(1).all(|frame| !matches!(frame, Frame::Lost { .. })), "nothing follows what is lost");
        for frame in &at_once {
            match frame {
                Frame::Message(bytes) => {
                    whole += 1;
                    assert!(bytes.len() <= sip::bounds::MESSAGE_MAX);
                }
                Frame::Lost { .. } => lost += 1,
                Frame::Ping => {}
            }
        }
    });
    assert!(whole > 50_000 && lost > 20_000, "{whole} {lost}");
}

#[test]
fn uris() {
    let mut sound = 0;
    each(&["corpus/uri"], 3966, URIS, |_, bytes| {
        let Some(uri) = Uri::parse(bytes) else { return };
        sound += 1;
        assert_eq!(uri.text().as_bytes(), bytes);
        assert!(uri.same(&uri), "{uri}");
        assert!(bytes.windows(uri.host().len().max(1)).any(|w| w == uri.host().as_bytes()) || uri.host().is_empty());
        let _ = (uri.user(), uri.socket_addr(), uri.param("transport"), uri.has_headers());
    });
    assert!(sound > 20_000, "{sound}");
}

#[test]
fn session_descriptions() {
    let mut sound = 0;
    each(&["corpus/sdp"], 8866, DESCRIPTIONS, |_, bytes| {
        if let Ok(description) = sdp::parse(bytes) {
            sound += 1;
            assert!(description.media.len() <= 8 && bytes.len() <= 16 * 1024);
        }
    });
    assert!(sound > 20_000, "{sound}");
}

#[test]
fn credentials() {
    let config = sip::Config {
        local: "192.0.2.1:5060".parse().unwrap(),
        realm: "ward".to_owned(),
        digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
    };
    let mut endpoint = Endpoint::new(config, Random::from_number(1));
    endpoint.set_users(BTreeMap::from([("sato".to_owned(), sip::digest::ha1("sato", "ward", "himitsu"))]));
    let now = Now { mono: Instant::from_millis(1_000), wall: UnixMillis(0) };
    let (mut number, mut challenged) = (0u64, 0);
    each(&["corpus/digest"], 7616, CREDENTIALS, |_, bytes| {
        number += 1;
        let head = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\nFrom: <sip:sato@h>;tag=t\r\nTo: <sip:sato@h>\r\nCall-ID: {number}\r\n\
             CSeq: 1 REGISTER\r\nContact: <sip:s@h>\r\nAuthorization: "
        );
        let message = Bytes::from([head.as_bytes(), bytes, b"\r\nContent-Length: 0\r\n\r\n"].concat());
        endpoint.handle_message(now, FlowId::UDP, "192.0.2.50:5060".parse().unwrap(), &message);
        while let Some(output) = endpoint.poll_output() {
            if let sip::Output::Transmit { bytes, .. } = output {
                challenged += u64::from(bytes.starts_with(b"SIP/2.0 401"));
                assert!(!bytes.starts_with(b"SIP/2.0 200"), "nobody proves a password by chance");
            }
        }
        assert_eq!(endpoint.bindings("sato").count(), 0);
    });
    assert!(challenged > 50_000, "{challenged}");
}
