//! What the reading of a message may cost: no memory but what came from the network. In a file of its own, because the whole process's
//! allocations are counted.

#[path = "suite/common/mod.rs"]
mod common;

use bytes::Bytes;
use common::*;
use sip::Message;
use sip::transaction::{Key, Names};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn read(names: &Names, bytes: &Bytes) -> Key {
    let message = Message::parse(bytes).unwrap();
    names.server(&message, &message.essentials().unwrap())
}

/// How often reading a message and naming its transaction allocates.
fn allocations(text: &str) -> usize {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    // A first clone makes the shared count of a buffer; the network's buffers are shared from the start.
    let (_, names) = (bytes.clone(), Names::new(&[1; 32]));
    let region = Region::new(ALLOCATOR);
    read(&names, &bytes);
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn reading_a_message_allocates_nothing_unless_it_is_folded_or_very_long() {
    let plain = invite("1");
    assert_eq!(allocations(&plain), 0);
    let compact = plain.replace("Via:", "v :").replace("From:", "f:").replace("Call-ID:", "i:").replace("192.0.2.50", "Host.Example.COM");
    assert_eq!(allocations(&compact), 0);
    let tel = plain.replace("INVITE sip:0440000001@192.0.2.1", "INVITE tel:+81440000001");
    assert_eq!(allocations(&tel), 0);
    // The one message that must be copied, and the one whose header lines do not fit into their place.
    assert!(allocations(&plain.replace("Max-Forwards: 70", "Max-Forwards:\r\n 70")) > 0);
    assert!(allocations(&plain.replace("Max-Forwards", &format!("{}Max-Forwards", "X: y\r\n".repeat(100)))) > 0);
}
