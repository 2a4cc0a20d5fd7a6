//! What this phone is told, and what it tells.
//!
//! The words of its border: configuration, commands, outputs and events, plain values all of them.

use crate::{Key, Stretch};
use model::{Codec, Digit, Pcm};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Who this phone is and how it behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// User name: of its address, its From and its digest. Without a dot: rsip 0.4 reads no such user part.
    pub user: String,
    /// Password for digest challenges; without one, a challenge is a refusal.
    pub password: Option<String>,
    /// Where this phone is heard, SIP over UDP. IPv4: rsip 0.4 cannot read IPv6 in a Via or URI.
    pub sip: SocketAddr,
    /// Where it hears RTP; RTCP is one port above.
    pub rtp: SocketAddr,
    /// The server that it registers with and sends requests to.
    pub server: SocketAddr,
    /// What it does when called.
    pub answer: AnswerPolicy,
    /// What it says once connected.
    pub says: Sound,
    /// Codecs that it offers and accepts, preferred first.
    pub codecs: Vec<Codec>,
    /// Whether each SIP message is told as [`Event::Trace`], whole and unmasked: this is a test tool.
    pub trace: bool,
}

/// What the phone does when called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerPolicy {
    /// Rings, and answers after this time.
    After(Duration),
    /// Says how it sounds before it answers (183 with a session), speaks at once, and answers after this time.
    Early(Duration),
    /// Rings until the caller gives up.
    Never,
    /// Refuses at once with this status (300 to 699).
    Decline(u16),
}

/// What the phone says.
#[derive(Clone, Debug, PartialEq)]
pub enum Sound {
    /// Frames of silence, as a quiet person sends.
    Silence,
    /// A sine of this frequency in Hz, at -9 dBm0 or so.
    Tone(u32),
    /// Recorded sound at 8000 Hz, once or over and over; silence after its end.
    Pcm(Arc<Pcm>, bool),
    /// Signalling only: no RTP leaves the phone, none is played out, and a key pressed is told as [`Event::Pressed`] and nothing
    /// else. For simulations of many calls.
    Nothing,
}

/// Which of the phone's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// SIP.
    Sip,
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
}

/// What a person, or a test, does with the phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Registers with the server, and keeps registered.
    Register,
    /// Takes the registration back.
    Unregister,
    /// Calls a SIP URI. Ignored while a call is on: the phone has one line.
    Dial {
        /// Whom, as `sip:0440000001@192.0.2.1`.
        uri: String,
    },
    /// The same without an offer in the INVITE, as some exchanges do: the other side makes it, and our ACK answers it.
    DialLate {
        /// Whom.
        uri: String,
    },
    /// Puts the other side on hold, in this spelling. Ignored outside a call that is up.
    Hold(Hold),
    /// The phone's own transfer key: has the other side put through to this URI.
    Refer {
        /// Whom to.
        to: String,
    },
    /// Presses a key, and tells it as a message (INFO) instead of beside the sound.
    SendKey(Digit),
    /// Comes back from hold.
    Resume,
    /// Calls to take the place of another phone's call (RFC 3891).
    DialReplacing {
        /// Whom.
        uri: String,
        /// The other phone's call, as [`crate::Phone::replaces`] names it.
        replaces: String,
    },
    /// Presses keys; those given before the call is connected are kept until it is. At most 256 wait, the rest is dropped.
    Press(Vec<Key>),
    /// Ends whatever call there is: gives up, declines with 486, or hangs up.
    HangUp,
    /// Gives up a call that the other side has not answered; ignored in any other state.
    Cancel,
    /// Answers what rings, at once, whatever the policy.
    Answer,
    /// From now on nothing but signalling: the phone's RTP dries up, as behind a dead microphone or a broken path.
    StopSending,
    /// The phone goes dead: it says nothing and hears nothing any more, for good.
    Vanish,
}

/// How a phone says that it wants nothing sent to it (RFC 3264 section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `a=sendonly`: it may send music of its own, and does.
    SendOnly,
    /// `a=inactive`.
    Inactive,
    /// `c=IN IP4 0.0.0.0`, as before RFC 3264.
    NoAddress,
}

/// What the phone wants done, or tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// From which of our sockets.
        socket: Socket,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
}

/// What happened at this phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The server knows where we are. Told once, not at each refresh.
    Registered,
    /// The server took our registration back, as asked.
    Unregistered,
    /// The registration failed with this status; 408 when nobody answered.
    RegisterFailed(u16),
    /// Why the far side ends the call, where its CANCEL or BYE says so: the value of the Reason header (RFC 3326), as written. Told before
    /// `Ended`. A phone of today shows no missed call when it says `SIP;cause=200`.
    Reason(String),
    /// A provisional answer to our call: 100, 180, ..
    Progress(u16),
    /// Somebody calls.
    Incoming {
        /// The From header as it came, without parameters.
        from: String,
    },
    /// A call is up: the far side answered, or we did.
    Connected,
    /// The other side's final answer to our hold, or to our coming back.
    Changed(u16),
    /// What became of our transfer: the status of whoever was called; 202 while the other side has only agreed.
    Referred {
        /// The status.
        status: u16,
        /// Whether that is the end of it.
        over: bool,
    },
    /// A key began to be pressed.
    Pressed(Digit),
    /// A stretch of sound has ended; together these are the timeline of the call.
    Heard(Stretch),
    /// The call is over.
    Ended {
        /// Whether we ended it.
        by_us: bool,
        /// The final status, if the call never was up: 404, 486, 487, 408 when nobody answered, 400 when the URI cannot be dialled.
        status: Option<u16>,
    },
    /// The server broke the protocol: what it did, in a sentence with the RFC's section.
    Violation(String),
    /// A SIP message, as sent or received (only with [`Config::trace`]).
    Trace {
        /// Whether we sent it.
        sent: bool,
        /// The message.
        text: String,
    },
}
