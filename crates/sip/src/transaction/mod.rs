//! Transactions: one request and its answers, made reliable over a network that loses packets.
//!
//! The four machines of RFC 3261 section 17 with the corrections of RFC 6026. Each is a pure value: told what happened
//! and when, it says what to send again and when it wants to be woken. What is sent lies with its owner. Over a reliable transport (a
//! stream) nothing is sent again, and nobody waits for copies: timers A, E and G are never set, D, I, J and K are zero.

mod client_invite;
mod client_other;
mod server_invite;
mod server_other;

pub use client_invite::ClientInvite;
pub use client_other::ClientOther;
pub use server_invite::{Ack, ServerInvite};
pub use server_other::ServerOther;

use crate::message::{Essentials, Message};
use model::Instant;
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

/// The estimated round trip (RFC 3261 section 17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest pause between two sendings of anything but an INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may wander in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64 * T1: when a transaction gives up (timers B, F, H), or forgets (D, J, L, M).
pub const GIVE_UP: Duration = Duration::from_secs(32);

/// What a machine wants done when a timer has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing was due.
    Nothing,
    /// Send the last message once more (timers A, E, G).
    Resend,
    /// Nobody answered (timers B, F, H); the transaction is over.
    TimedOut,
    /// The transaction has done its duty and is over (timers D, I, J, K, L, M).
    Over,
}

/// What a response means to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Seen before, or too late: nobody needs it.
    Nothing,
    /// A provisional answer for the user.
    Provisional,
    /// The first final answer for the user; for an INVITE not a 2xx.
    Final,
    /// A 2xx to an INVITE: the first, a copy, or one of another branch of a fork. All go to the user (RFC 6026 section 7.2).
    Success,
    /// A copy of the final answer to an INVITE: acknowledge it once more.
    AckAgain,
}

/// The name of a transaction: 16 bytes of a hash, so that no peer decides how much memory a name takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key([u8; 16]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl Key {
    /// The hash of all parts, each ended by a zero byte. None of them holds one but numbers, which come first and have a fixed width.
    fn of(parts: &[&[u8]]) -> Key {
        let mut text = [0; 256];
        let mut at = 0;
        let mut hash = Sha256::new();
        for part in parts {
            if let Some(room) = text.get_mut(at..at + part.len() + 1) {
                room[..part.len()].copy_from_slice(part);
                room[part.len()] = 0;
                at += part.len() + 1;
            } else {
                hash.update(&text[..at]);
                hash.update(part);
                hash.update([0]);
                at = 0;
            }
        }
        hash.update(&text[..at]);
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Key(key)
    }

    /// The server transaction that a request belongs to (section 17.2.3). An ACK belongs to its INVITE. For CANCEL, ask
    /// [`Key::cancelled`] for the INVITE that is meant.
    ///
    /// Call-ID, From tag and CSeq number take part beside branch and sent-by. They are the same in every copy, in the ACK of a
    /// refusal and in a CANCEL, and so nobody can occupy a transaction by guessing the next branch of somebody else.
    pub fn server(request: &Message, essentials: &Essentials<'_>) -> Key {
        let method = match essentials.cseq.method {
            "ACK" => "INVITE",
            other => other,
        };
        Self::server_of(request, essentials, method)
    }
    /// The INVITE transaction that a CANCEL wants to end (section 9.2).
    pub fn cancelled(cancel: &Message, essentials: &Essentials<'_>) -> Key {
        Self::server_of(cancel, essentials, "INVITE")
    }
    fn server_of(request: &Message, essentials: &Essentials<'_>, method: &str) -> Key {
        let via = &essentials.via;
        let (call_id, from_tag) = (essentials.call_id.as_bytes(), essentials.from.tag().unwrap_or_default().as_bytes());
        let numbers = numbers(essentials.cseq.number, via.port().unwrap_or(crate::uri::DEFAULT_PORT));
        // A host is the same in any case. One that is longer than any name of the DNS is none, and counts as it is written.
        let mut lower = [0; 256];
        let host = match lower.get_mut(..via.host().len()) {
            Some(lower) => {
                lower.copy_from_slice(via.host().as_bytes());
                lower.make_ascii_lowercase();
                &*lower
            }
            None => via.host().as_bytes(),
        };
        // A cookie with nothing behind it names nothing (RFC 4475 section 3.2.1).
        if let Some(branch) = via.branch().filter(|b| b.len() > 7 && b.get(..7).is_some_and(|c| c.eq_ignore_ascii_case("z9hG4bK"))) {
            return Self::of(&[&numbers, b"3261", branch.as_bytes(), host, call_id, from_tag, method.as_bytes()]);
        }
        // RFC 2543 knew no unique branch. The To tag of an ACK is that of our answer, so it takes no part there.
        let to_tag = if method == "INVITE" { "" } else { essentials.to.tag().unwrap_or_default() };
        let branch = via.branch().unwrap_or_default().as_bytes();
        let uri = request.request_uri();
        Self::of(&[&numbers, b"2543", uri, to_tag.as_bytes(), from_tag, call_id, branch, host, method.as_bytes()])
    }
    /// What two copies of one request have in common that came on different ways (section 8.2.2.2).
    pub fn merged(essentials: &Essentials<'_>, method: &str) -> Key {
        let from_tag = essentials.from.tag().unwrap_or_default();
        let numbers = numbers(essentials.cseq.number, 0);
        Self::of(&[&numbers, b"merged", essentials.call_id.as_bytes(), from_tag.as_bytes(), method.as_bytes()])
    }
    /// The CANCEL transaction of an INVITE of ours: they share their branch (section 9.1).
    #[must_use]
    pub fn cancelling(self) -> Key {
        Self::of(&[&self.0, b"cancelling"])
    }
    /// The client transaction of our own branch and a CSeq method; a CANCEL has the branch of its INVITE (section 17.1.3).
    pub fn ours(branch: &str, method: &str) -> Key {
        match method {
            "CANCEL" => Self::client(branch, "INVITE").cancelling(),
            method => Self::client(branch, method),
        }
    }
    /// The client transaction of a branch of ours, but for CANCEL.
    pub fn client(branch: &str, method: &str) -> Key {
        Self::of(&[b"client", branch.as_bytes(), method.as_bytes()])
    }
}

/// The sequence number and the port, six bytes.
fn numbers(cseq: u32, port: u16) -> [u8; 6] {
    let mut out = [0; 6];
    out[..4].copy_from_slice(&cseq.to_be_bytes());
    out[4..].copy_from_slice(&port.to_be_bytes());
    out
}

/// A message that is sent again at growing intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    /// When next.
    pub(crate) at: Instant,
    /// The pause before that.
    every: Duration,
    /// The longest pause.
    most: Duration,
}

impl Repeat {
    /// The first repetition comes after [`T1`], each further pause is twice as long, but at most `most`.
    pub(crate) fn new(now: Instant, most: Duration) -> Repeat {
        Repeat { at: now + T1, every: T1, most }
    }
    /// [`Due::Resend`] if it is time, and then sets the next time. A late call does not make up for those it missed.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if now < self.at {
            return Due::Nothing;
        }
        self.every = self.every.saturating_mul(2).min(self.most);
        self.at = now + self.every;
        Due::Resend
    }
    /// From now on at the longest pause.
    pub(crate) fn slow_down(&mut self) {
        self.every = self.most;
    }
}

#[cfg(test)]
pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}
