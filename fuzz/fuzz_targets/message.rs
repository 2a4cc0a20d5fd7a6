//! A datagram.

#![no_main]

#[path = "../../tests/readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = readers::message(bytes);
});
