//! Why a description is of no use to us, said so that whoever reads the log knows what to change at the other end.

/// Why a description was refused. It is always the peer's fault; SIP answers 488 (RFC 3261 section 21.4.26).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("line {line} of the session description cannot be read: {why}")]
    Malformed {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is larger than any telephone's.
    #[error("line {line} of the session description goes past our limit of {limit}; no telephone needs so much")]
    TooBig {
        /// Which line, from 1.
        line: usize,
        /// The limit.
        limit: &'static str,
    },
    /// No audio is offered, or the audio is switched off (port 0).
    #[error("there is no audio in the session description: let the phone offer m=audio with a port")]
    NoAudio,
    /// There is audio, but in no codec of ours.
    #[error("no codec in common: let the phone offer PCMU or PCMA at 8000 Hz")]
    NoCommonCodec,
    /// There is audio that we cannot send to or receive.
    #[error("the audio cannot be used: {0}")]
    Unusable(&'static str),
    /// Its audio should be sent to ourselves.
    #[error("the audio cannot be used: its address is this machine's own")]
    Ours,
}
