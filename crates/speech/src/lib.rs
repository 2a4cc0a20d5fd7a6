//! Text to sound: what a flow says, as the callers will hear it.
//!
//! Japanese is built in; other languages are spoken by programs ([`CommandProvider`]) or recorded by people ([`read_recorded`]). Every
//! sentence is rendered once and kept in a cache that is addressed by content. All sound leaves here as the telephone carries it:
//! 8 kHz, mono, 16-bit linear (ITU-T G.711 is made of it elsewhere).
//!
//! Deliberately absent: templates (they are filled before they come here), codecs, playing, a download of any kind, and threads: whoever
//! renders chooses the thread, because it takes time.

mod cache;
mod command;
mod dictionary;
mod fault;
mod japanese;
mod level;
mod resample;
mod speech;
mod wav;
mod words;

pub use command::CommandProvider;
pub use fault::{CommandFault, Fault, WavFault};
pub use speech::{Request, Speech, TEXT_CHARS_MAX};
pub use wav::{decode_recorded, read_recorded};
