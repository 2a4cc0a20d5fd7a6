//! What it costs to read a SIP message: our parser with the name of the transaction, against rsip, in turns in one run.
//!
//! The message is an INVITE of 950 bytes, as an Asterisk sends it. Ours: [`sip::Message::parse`], the essentials, and the transaction key.
//! rsip's: its parse, and the same header fields as typed values. Printed: time and allocations of one message, and the ratio of the two in
//! one round, each the median of all rounds; the bars are 1.0 us, no allocation, and eight times as fast.

use bytes::Bytes;
use rsip::SipMessage;
use rsip::prelude::*;
use sip::Message;
use sip::transaction::{Key, Names};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;
use toritsugi_benches::load;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Many short rounds: a machine that others use as well is faster and slower by the second, and both readers shall meet it alike.
const ROUNDS: usize = 101;
const MESSAGES: u32 = 4_000;
/// rsip is slower: fewer messages fill as much time.
const OF_RSIP: u32 = 500;

const HEAD: &str = "INVITE sip:0440000000@192.0.2.1:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK1f3a7c9e5b8d2046;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Yamada\" <sip:0449999999@192.0.2.50>;tag=as58f4201b\r\n\
    To: <sip:0440000000@192.0.2.1:5060>\r\n\
    Contact: <sip:0449999999@192.0.2.50:5060>\r\n\
    Call-ID: 4c2d1b7a3f5e60917a8b9c0d1e2f3a4b@192.0.2.50:5060\r\n\
    CSeq: 102 INVITE\r\n\
    User-Agent: Asterisk PBX 20.6.0\r\n\
    Date: Thu, 01 Oct 2020 09:00:00 GMT\r\n\
    Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE\r\n\
    Supported: replaces, timer\r\n\
    Content-Type: application/sdp\r\n";
const BODY: &str = "v=0\r\no=root 1821 1821 IN IP4 192.0.2.50\r\ns=call\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\nm=audio 14892 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

/// The message, filled up to 950 bytes by a last attribute.
fn invite() -> Bytes {
    let bare = HEAD.len() + "Content-Length: 000\r\n\r\n".len() + BODY.len() + "a=x:\r\n".len();
    let body = format!("{BODY}a=x:{}\r\n", "x".repeat(950 - bare));
    let text = format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(text.len(), 950);
    Bytes::copy_from_slice(text.as_bytes())
}

fn ours(names: &Names, bytes: &Bytes) -> Key {
    let message = Message::parse(bytes).expect("the message is sound");
    let essentials = message.essentials().expect("the message is sound");
    names.server(&message, &essentials)
}

/// The same header fields, as typed values.
fn rsips(bytes: &Bytes) -> usize {
    let message = SipMessage::try_from(&bytes[..]).expect("rsip reads it");
    let via = message.via_header().and_then(|h| h.typed()).expect("rsip reads it");
    let from = message.from_header().and_then(|h| h.typed()).expect("rsip reads it");
    let to = message.to_header().and_then(|h| h.typed()).expect("rsip reads it");
    let cseq = message.cseq_header().and_then(|h| h.typed()).expect("rsip reads it");
    let call_id = message.call_id_header().expect("rsip reads it").value();
    let hops = message.max_forwards_header().and_then(|h| h.num()).expect("rsip reads it");
    hops as usize + via.branch().map_or(0, |b| b.value().len()) + from.params.len() + to.params.len() + cseq.seq as usize + call_id.len()
}

/// Nanoseconds for each of `count` runs. By the clock: the processor time of a thread that runs is known to the next tick only, which is longer than
/// a round.
fn nanos<T>(count: u32, mut run: impl FnMut() -> T) -> f64 {
    let began = Instant::now();
    for _ in 0..count {
        black_box(run());
    }
    began.elapsed().as_nanos() as f64 / f64::from(count)
}

/// How often one run allocates.
fn allocations<T>(run: impl Fn() -> T) -> usize {
    black_box(run());
    let region = Region::new(ALLOCATOR);
    black_box(run());
    let change = region.change();
    change.allocations + change.reallocations
}

fn main() {
    let bytes = invite();
    // A first clone makes the shared count of a buffer; the network's buffers are shared from the start.
    let _ = bytes.clone();
    let names = Names::new(&[1; 32]);
    let rounds: [(f64, f64); ROUNDS] =
        std::array::from_fn(|_| (nanos(MESSAGES, || ours(&names, black_box(&bytes))), nanos(OF_RSIP, || rsips(black_box(&bytes)))));
    let middle = |of: fn(&(f64, f64)) -> f64| {
        let mut values = rounds.each_ref().map(of);
        values.sort_by(f64::total_cmp);
        (values[ROUNDS / 2], values[0])
    };
    let (mine, least) = middle(|round| round.0);
    let (theirs, _) = middle(|round| round.1);
    let (times, _) = middle(|round| round.1 / round.0);
    println!("load {}", load());
    println!(
        "sip: {mine:.0} ns (least {least:.0}) and {} allocations for an INVITE of 950 bytes with its transaction key (bar 1000 ns, 0)",
        allocations(|| ours(&names, &bytes))
    );
    println!(
        "sip: {theirs:.0} ns and {} allocations by rsip 0.4 for the same: {times:.1} times as long (bar 8)",
        allocations(|| rsips(&bytes)),
    );
}
