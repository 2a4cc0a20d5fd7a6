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

impl FlowId {
    /// Our UDP socket.
    pub const UDP: FlowId = FlowId(0);
    /// Whatever TCP connection leads to the address that stands beside it; one is opened if there is none.
    pub const TCP: FlowId = FlowId(1);
    /// The first of the ids that connections have.
    pub const FIRST: FlowId = FlowId(2);

    /// Whether it is reliable: nothing that is sent on it needs to be sent again. Further transports get ids of their own here.
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
