//! A stream; its first byte says how it is cut into pieces.

#![no_main]

#[path = "../../tests/readers.rs"]
mod readers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((step, rest)) = bytes.split_first() {
        readers::stream(rest, usize::from(*step));
    }
});
