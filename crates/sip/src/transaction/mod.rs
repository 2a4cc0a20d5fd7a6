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

use crate::digest::hmac;
use crate::message::{Essentials, Message};
use model::Instant;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fmt;
use std::hash::Hasher;
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
    fn of(mut hash: SipHasher13, parts: &[&[u8]]) -> Key {
        let mut text = [0; 256];
        let mut at = 0;
        for part in parts {
            if let Some(room) = text.get_mut(at..at + part.len() + 1) {
                room[..part.len()].copy_from_slice(part);
                room[part.len()] = 0;
                at += part.len() + 1;
            } else {
                hash.write(&text[..at]);
                hash.write(part);
                hash.write(&[0]);
                at = 0;
            }
        }
        hash.write(&text[..at]);
        Key(hash.finish128().as_bytes())
    }
    /// The CANCEL transaction of an INVITE of ours: they share their branch (section 9.1).
    #[must_use]
    pub fn cancelling(self) -> Key {
        Self::of(SipHasher13::new(), &[&self.0, b"cancelling"])
    }
    /// The client transaction of our own branch and a CSeq method; a CANCEL has the branch of its INVITE (section 17.1.3).
    pub fn ours(branch: &str, method: &str) -> Key {
        match method {
            "CANCEL" => Self::client(branch, "INVITE").cancelling(),
            method => Self::client(branch, method),
        }
    }
    /// The client transaction of a branch of ours, but for CANCEL. It needs no secret: who could answer under another name that leads
    /// here would have to know the branch, and could as well answer under it.
    pub fn client(branch: &str, method: &str) -> Key {
        Self::of(SipHasher13::new(), &[branch.as_bytes(), method.as_bytes()])
    }
}

/// Names the transactions of those who ask us, by a hash under a secret of this process (SipHash-1-3 with 128 bits): nobody outside can make a
/// request whose name is that of somebody else's.
#[derive(Clone, Debug)]
pub struct Names(SipHasher13);

impl Names {
    /// Names under a secret, which may serve for other things as well.
    pub fn new(secret: &[u8; 32]) -> Names {
        let mut key = [0; 16];
        key.copy_from_slice(&hmac(secret, &[b"transactions"])[..16]);
        Names(SipHasher13::new_with_key(&key))
    }

    /// The server transaction that a request belongs to (section 17.2.3). An ACK belongs to its INVITE. For CANCEL, ask
    /// [`Names::cancelled`] for the INVITE that is meant.
    ///
    /// Call-ID, From tag and CSeq number take part beside branch and sent-by. They are the same in every copy, in the ACK of a
    /// refusal and in a CANCEL, and so nobody can occupy a transaction by guessing the next branch of somebody else.
    pub fn server(&self, request: &Message, essentials: &Essentials<'_>) -> Key {
        let method = match essentials.cseq.method {
            "ACK" => "INVITE",
            other => other,
        };
        self.server_of(request, essentials, method)
    }
    /// The INVITE transaction that a CANCEL wants to end (section 9.2).
    pub fn cancelled(&self, cancel: &Message, essentials: &Essentials<'_>) -> Key {
        self.server_of(cancel, essentials, "INVITE")
    }
    fn server_of(&self, request: &Message, essentials: &Essentials<'_>, method: &str) -> Key {
        let via = &essentials.via;
        let (call_id, from_tag) = (essentials.call_id.as_bytes(), essentials.from.tag_bytes());
        let numbers = numbers(essentials.cseq.number, via.port().unwrap_or(crate::uri::DEFAULT_PORT));
        // A host is the same in any case. One that is longer than any name of the DNS is none, and counts as it is written.
        let mut lower = [0; 256];
        let host = match lower.get_mut(..via.host_bytes().len()) {
            Some(lower) => {
                lower.copy_from_slice(via.host_bytes());
                lower.make_ascii_lowercase();
                &*lower
            }
            None => via.host_bytes(),
        };
        // A cookie with nothing behind it names nothing (RFC 4475 section 3.2.1).
        let is_unique = |branch: &&[u8]| branch.len() > 7 && branch.get(..7).is_some_and(|cookie| cookie.eq_ignore_ascii_case(b"z9hG4bK"));
        if let Some(branch) = via.branch_bytes().filter(is_unique) {
            return self.of(&[&numbers, b"3261", branch, host, call_id, from_tag, method.as_bytes()]);
        }
        // RFC 2543 knew no unique branch. The To tag of an ACK is that of our answer, so it takes no part there.
        let to_tag = if method == "INVITE" { b"" } else { essentials.to.tag_bytes() };
        let branch = via.branch_bytes().unwrap_or_default();
        let uri = request.request_uri();
        self.of(&[&numbers, b"2543", uri, to_tag, from_tag, call_id, branch, host, method.as_bytes()])
    }
    /// What two copies of one request have in common that came on different ways (section 8.2.2.2).
    pub fn merged(&self, essentials: &Essentials<'_>, method: &str) -> Key {
        let numbers = numbers(essentials.cseq.number, 0);
        self.of(&[&numbers, b"merged", essentials.call_id.as_bytes(), essentials.from.tag_bytes(), method.as_bytes()])
    }
    fn of(&self, parts: &[&[u8]]) -> Key {
        Key::of(self.0, parts)
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn name(names: &Names, branch: &str, call_id: &str) -> Key {
        let text = format!(
            "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 BYE\r\n\r\n"
        );
        let message = Message::parse(&Bytes::from(text)).unwrap();
        names.server(&message, &message.essentials().unwrap())
    }

    #[test]
    fn a_name_is_the_same_for_copies_and_another_for_anybody_else_and_under_another_secret() {
        let names = Names::new(&[1; 32]);
        let long = "b".repeat(300);
        for (branch, call_id) in [("1", "2"), (&long[..], "2"), ("1", &long[..])] {
            let ours = name(&names, branch, call_id);
            assert_eq!(ours, name(&names, branch, call_id));
            assert_ne!(ours, name(&Names::new(&[2; 32]), branch, call_id));
            assert_ne!(ours, name(&names, &format!("{branch}x"), call_id));
            assert_ne!(ours, name(&names, branch, &format!("{call_id}x")));
        }
        // What ends one part does not begin the next.
        assert_ne!(name(&names, "12", "3"), name(&names, "1", "23"));
    }
}
