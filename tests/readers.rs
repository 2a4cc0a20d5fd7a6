//! What every reader of the wire is held to, whatever it is given. One function for each reader: the million spoiled pieces of `hostile.rs` go
//! through them, and the fuzz targets of `fuzz/` do.

#![allow(dead_code, unreachable_pub, reason = "each fuzz target uses one of them")]

use bytes::Bytes;
use model::{DigestAlgorithm, FlowId, Instant, Now, Random, UnixMillis};
use sip::header::{Name, NameAddr};
use sip::transaction::Names;
use sip::uri::Uri;
use sip::{Endpoint, Frame, Framer, Message};
use std::collections::BTreeMap;

/// As much of it as somebody reads.
pub fn shown(bytes: &[u8]) -> String {
    format!("{:?}", Bytes::copy_from_slice(bytes.get(..2_000).unwrap_or(bytes)))
}

/// What a message was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Whole,
    Incomplete,
    Refused,
}

/// A datagram.
pub fn message(bytes: &[u8]) -> Read {
    let bytes = Bytes::copy_from_slice(bytes);
    let message = match Message::parse(&bytes) {
        Ok(message) => message,
        Err(malformed) => {
            // What is refused can still be looked at, and nothing of it is a line of its own.
            for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
                let lines = malformed.request.iter().flat_map(|request| request.all(name));
                lines.for_each(|value| assert!(!value.contains(&b'\n') && !value.contains(&b'\r')));
            }
            return Read::Refused;
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
    let Ok(e) = message.essentials() else { return Read::Incomplete };
    assert!(e.call_id.bytes().all(|b| b.is_ascii_graphic()) && e.cseq.number < 1 << 31);
    let names = Names::new(&[1; 32]);
    assert_eq!(names.server(&message, &e), names.server(&message.clone(), &e));
    // Whoever frames and whoever reads agree where the message ends.
    if message.first(Name::ContentLength).is_some() && message.body().len() + 4 < bytes.len() {
        let mut framer = Framer::new();
        framer.handle_bytes(Instant::ZERO, &bytes);
        let framed = std::iter::from_fn(|| framer.poll_frame()).find(|frame| *frame != Frame::Ping);
        let Some(Frame::Message(framed)) = framed else { panic!("{}", shown(&bytes)) };
        assert_eq!(Message::parse(&framed).map(|m| m.body_bytes()).ok().as_deref(), Some(message.body()));
    }
    Read::Whole
}

/// A stream, at once and `step` bytes at a time: how many messages it held, and whether its framing was lost.
pub fn stream(bytes: &[u8], step: usize) -> (u64, bool) {
    let cut = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut framer, mut frames) = (Framer::new(), Vec::new());
        for piece in pieces {
            framer.handle_bytes(Instant::ZERO, piece);
            frames.extend(std::iter::from_fn(|| framer.poll_frame()));
        }
        frames
    };
    let at_once = cut(&mut std::iter::once(bytes));
    let in_pieces = cut(&mut bytes.chunks(step.max(1)));
    assert!(at_once == in_pieces, "{step} bytes at a time: {}", shown(bytes));
    assert!(at_once.iter().rev().skip(1).all(|frame| !matches!(frame, Frame::Lost { .. })), "nothing follows what is lost");
    let (mut whole, mut lost) = (0, false);
    for frame in &at_once {
        match frame {
            Frame::Message(bytes) => {
                whole += 1;
                assert!(bytes.len() <= sip::bounds::MESSAGE_MAX);
            }
            Frame::Lost { .. } => lost = true,
            Frame::Ping => {}
        }
    }
    (whole, lost)
}

/// A URI; whether it is one.
pub fn uri(bytes: &[u8]) -> bool {
    let Some(uri) = Uri::parse(bytes) else { return false };
    assert_eq!(uri.text().as_bytes(), bytes);
    assert!(uri.same(&uri), "{uri}");
    assert!(bytes.windows(uri.host().len().max(1)).any(|w| w == uri.host().as_bytes()) || uri.host().is_empty());
    let _ = (uri.user(), uri.socket_addr(), uri.param("transport"), uri.has_headers());
    true
}

/// A session description; whether it is one.
pub fn description(bytes: &[u8]) -> bool {
    let Ok(description) = sdp::parse(bytes) else { return false };
    assert!(description.media.len() <= 8 && bytes.len() <= 16 * 1024);
    true
}

/// Somebody who does not know the password, again and again.
pub struct Guesser {
    endpoint: Endpoint,
    number: u64,
}

impl Guesser {
    pub fn new() -> Guesser {
        let config = sip::Config {
            local: "192.0.2.1:5060".parse().unwrap(),
            realm: "ward".to_owned(),
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        };
        let mut endpoint = Endpoint::new(config, Random::from_number(1));
        endpoint.set_users(BTreeMap::from([("sato".to_owned(), sip::digest::ha1("sato", "ward", "himitsu"))]));
        Guesser { endpoint, number: 0 }
    }

    /// Credentials that were made up; whether they were answered by a challenge.
    pub fn guess(&mut self, bytes: &[u8]) -> bool {
        let now = Now { mono: Instant::from_millis(1_000), wall: UnixMillis(0) };
        self.number += 1;
        let number = self.number;
        let head = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\nFrom: <sip:sato@h>;tag=t\r\nTo: <sip:sato@h>\r\nCall-ID: {number}\r\n\
             CSeq: 1 REGISTER\r\nContact: <sip:s@h>\r\nAuthorization: "
        );
        let message = Bytes::from([head.as_bytes(), bytes, b"\r\nContent-Length: 0\r\n\r\n"].concat());
        self.endpoint.handle_message(now, FlowId::UDP, "192.0.2.50:5060".parse().unwrap(), &message);
        let mut challenged = false;
        while let Some(output) = self.endpoint.poll_output() {
            if let sip::Output::Transmit { bytes, .. } = output {
                challenged |= bytes.starts_with(b"SIP/2.0 401");
                assert!(!bytes.starts_with(b"SIP/2.0 200"), "nobody proves a password by chance");
            }
        }
        assert_eq!(self.endpoint.bindings("sato").count(), 0);
        challenged
    }
}
