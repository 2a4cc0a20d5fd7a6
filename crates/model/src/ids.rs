//! Ids: small copyable numbers for what the engine makes, shared names for what people write in files.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!(stringify!($name), "({})"), self.0) }
        }
    )*};
}

ids! {
    /// One call: a caller's leg and all that is done for it.
    CallId,
    /// One leg of a call: a SIP dialog with its media session.
    LegId,
    /// One caller's claim to be served; it survives queue moves and failed offers.
    TicketId,
    /// One offer of a ticket to an agent; a stale answer carries a stale id.
    OfferId,
    /// One playing of clips on a leg.
    PlayId,
    /// Legs that hear each other.
    MixId,
    /// A SIP dialog or dialog-to-be (RFC 3261 section 12).
    DialogId,
    /// A transport flow: a UDP socket, or one stream connection.
    FlowId,
    /// An act that the edge carries out.
    ActId,
    /// A place in the journal. `Seq(0)` is before the first record: always durable.
    Seq,
    /// A slow job given to the edge.
    JobId,
    /// One recording of a caller's message.
    RecordId,
    /// A control request from the edge.
    ControlId,
    /// A media worker thread.
    WorkerId,
}

/// How SIP messages travel (RFC 3261 section 18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
    /// Connections that are encrypted.
    Tls,
    /// WebSocket: a browser's connection.
    Ws,
    /// WebSocket, encrypted.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// Its name in a Via (RFC 3261 section 25.1, RFC 7118 section 5.2).
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }
    /// The value of the `transport` parameter of a URI; none where nothing needs to be said. RFC 7118 section 5.3 knows one word for both
    /// kinds of WebSocket.
    pub fn param(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            Transport::Ws | Transport::Wss => Some("ws"),
        }
    }
    /// Whether nobody on the way can read it.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }
    /// Whether we connect to others by it. A browser cannot be connected to; a phone's own TLS has a certificate that nobody knows. Both are reached by
    /// the connection that they made, and by no other, and so are the proxies before them; but carriers whose certificate we know.
    pub fn can_dial(self) -> bool {
        matches!(self, Transport::Tcp)
    }
}

/// Bits of a [`FlowId`] that count connections; those above say which transport. Together they stay below 2^53, where JSON ends.
const COUNTED: u32 = 48;

impl FlowId {
    /// Our UDP socket.
    pub const UDP: FlowId = FlowId(0);
    /// Whatever TCP connection leads to the address that stands beside it; one is opened if there is none.
    pub const TCP: FlowId = FlowId(1);

    /// Whatever connection of that kind leads to the address that stands beside it; one is opened if there is none and
    /// [`Transport::can_dial`] says so.
    pub fn any(transport: Transport) -> FlowId {
        match transport {
            Transport::Udp => Self::UDP,
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => Self::connection(transport, 1),
        }
    }
    /// The `n`-th connection, from 2; 1 stands for any.
    pub fn connection(transport: Transport, n: u64) -> FlowId {
        let kind = match transport {
            Transport::Udp | Transport::Tcp => 0,
            Transport::Tls => 1,
            Transport::Ws => 2,
            Transport::Wss => 3,
        };
        FlowId(kind << COUNTED | n)
    }
    /// By what its messages travel.
    pub fn transport(self) -> Transport {
        match self.0 >> COUNTED {
            0 if self == Self::UDP => Transport::Udp,
            0 => Transport::Tcp,
            1 => Transport::Tls,
            2 => Transport::Ws,
            _ => Transport::Wss,
        }
    }
    /// Whether it is reliable: nothing that is sent on it needs to be sent again.
    pub fn is_stream(self) -> bool {
        self != Self::UDP
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);
        impl $name {
            /// The name as written.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl Default for $name {
            fn default() -> Self { $name("".into()) }
        }
        impl From<&str> for $name {
            fn from(s: &str) -> Self { $name(s.into()) }
        }
        impl From<String> for $name {
            fn from(s: String) -> Self { $name(s.into()) }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", &*self.0) }
        }
    )*};
}

names! {
    /// An agent's name in `config/agents.yaml`.
    AgentId,
    /// A queue's name in `config/queues.yaml`.
    QueueId,
    /// A prompt's key in `flows/prompts/`.
    PromptId,
    /// A language of the city: `ja`, `ja-easy`, `en`.
    Lang,
    /// A flow's name.
    FlowName,
    /// A step's name within its flow.
    StepId,
    /// A reason to be on a break, by its name in `config/breaks.yaml`: the trade's *not ready reason*, or AUX code.
    BreakReason,
    /// A line's name in `config/lines.yaml`: who may call in.
    LineId,
    /// A box for messages, by the name that flows give it.
    MailboxId,
    /// A question to another house, by its name in `config/lookups.yaml`.
    LookupId,
    /// A schedule's name in `config/calendar.yaml`.
    ScheduleId,
    /// A place in the flows where a notice is spoken, by its name in a step `notice`.
    SlotId,
    /// What an override sets: `notice city`, `schedule centre`, `skill yuki nurse`.
    OverrideId,
    /// A version of the published city: the hash of its files, short.
    Version,
    /// A caller as statistics know them: a keyed hash of the number, another one each day. It leads back to nobody.
    Person,
}

impl Lang {
    /// The skill that an agent needs to speak it: `ja-easy` is spoken by whoever speaks `ja`.
    pub fn skill(&self) -> crate::Skill {
        let base = self.as_str().split('-').next().unwrap_or_default();
        crate::Skill::from(base)
    }
}
