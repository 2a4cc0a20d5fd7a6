//! Everything that the engine can say has happened. Reading this file is reading the product.

use crate::{
    AgentId, CallId, Digit, FlowName, Lang, LegId, Level, LineId, Millis, Number, OfferId, PromptId, QueueId, Redacted, Seq, Skill, StepId,
    TicketId, UnixMillis, Version,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happened, once, at the moment it was decided. Telemetry counts these, the store files them, the demo tells them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A city came into force, at start or by publication.
    Published {
        /// Its version.
        version: Version,
    },
    /// A changed city was refused; the old one stays in force.
    PublicationRefused {
        /// How many problems its check found.
        problems: u64,
    },

    /// An INVITE came for one of our numbers.
    Arrived {
        /// The call that it opened.
        call: CallId,
        /// The city's number that was dialled.
        number: Number,
        /// Who calls.
        caller: Redacted<String>,
        /// The line it came in on.
        line: LineId,
    },
    /// An INVITE was turned away before it became a call.
    Refused {
        /// Why.
        why: Refusal,
    },
    /// We sent 200 OK: the caller hears us.
    Answered {
        /// Which call.
        call: CallId,
    },
    /// The caller came to a step of the flow.
    StepEntered {
        /// Which call.
        call: CallId,
        /// The flow.
        flow: FlowName,
        /// The step.
        step: StepId,
    },
    /// Sentences began to sound in the caller's ear.
    PromptStarted {
        /// Which call.
        call: CallId,
        /// The first sentence's key.
        prompt: PromptId,
        /// In which language.
        lang: Lang,
    },
    /// A sentence had no sound and was skipped.
    PromptMissing {
        /// Which call.
        call: CallId,
        /// The sentence's key.
        prompt: PromptId,
        /// In which language.
        lang: Lang,
    },
    /// The caller pressed a key that counted.
    Pressed {
        /// Which call.
        call: CallId,
        /// Where.
        step: StepId,
        /// Which key.
        digit: Digit,
        /// What became of it.
        meaning: KeyMeaning,
    },
    /// A menu's time ran out without a key.
    NoInput {
        /// Which call.
        call: CallId,
        /// Where.
        step: StepId,
    },

    /// A caller took a place in a queue.
    Enqueued {
        /// Which call.
        call: CallId,
        /// The caller's claim.
        ticket: TicketId,
        /// The queue.
        queue: QueueId,
        /// Place in it, from 1.
        position: u64,
    },
    /// A caller left a queue.
    LeftQueue {
        /// Which call.
        call: CallId,
        /// The caller's claim.
        ticket: TicketId,
        /// The queue.
        queue: QueueId,
        /// Age of the ticket.
        waited: Millis,
        /// How it ended.
        how: QueueEnd,
    },
    /// An agent's phone is asked to take a caller.
    Offered {
        /// Which call.
        call: CallId,
        /// The caller's claim.
        ticket: TicketId,
        /// This offer.
        offer: OfferId,
        /// The queue.
        queue: QueueId,
        /// Whom.
        agent: AgentId,
        /// Why this agent, and why not the others.
        why: Why,
    },
    /// An offer ended.
    OfferEnded {
        /// This offer.
        offer: OfferId,
        /// Whom it was made to.
        agent: AgentId,
        /// How it ended.
        how: OfferEnd,
    },
    /// Caller and agent hear each other.
    Bridged {
        /// Which call.
        call: CallId,
        /// The queue.
        queue: QueueId,
        /// Who answered.
        agent: AgentId,
        /// Age of the ticket.
        waited: Millis,
        /// From the caller's INVITE to a person.
        to_human: Millis,
    },
    /// A call is over, and all that is known of it.
    Ended {
        /// The record it leaves.
        record: Box<CallRecord>,
    },

    /// An agent's state changed.
    AgentState {
        /// Who.
        agent: AgentId,
        /// Before.
        from: AgentState,
        /// After.
        to: AgentState,
    },
    /// An agent's phone registered, for the first time since it was gone.
    Registered {
        /// Whose.
        agent: AgentId,
    },
    /// An agent's phone is gone.
    Unregistered {
        /// Whose.
        agent: AgentId,
        /// Whether it went by itself, or its registration ran out.
        expired: bool,
    },
    /// A REGISTER or call with a wrong name or password.
    AuthenticationFailed,

    /// A SIP request, in or out.
    SipRequest {
        /// Its method.
        method: Method,
        /// Which way.
        direction: Direction,
        /// Sent or seen before.
        again: bool,
    },
    /// A SIP response, in or out.
    SipResponse {
        /// First figure of its status, 1 to 6.
        class: u8,
        /// Which way.
        direction: Direction,
    },
    /// A datagram that is no SIP message.
    SipMalformed {
        /// Whether it could be answered with 400.
        answered: bool,
    },
    /// A datagram from an address that no line lists: it got nothing.
    Stranger,

    /// What a leg's media did, told when it closes.
    Media {
        /// Which leg.
        leg: LegId,
        /// The figures.
        stats: MediaStats,
    },
    /// A media session could not be opened.
    MediaFailed {
        /// Which leg.
        leg: LegId,
    },
    /// The journal did not confirm in time: acts went out before their record was durable.
    NotDurable {
        /// Up to which record.
        seq: Seq,
    },
    /// A mistake of ours ended one call; the others go on.
    CallEvicted {
        /// Which call.
        call: CallId,
    },
}

/// Why an INVITE did not become a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The number dialled leads nowhere: 404.
    UnknownNumber,
    /// No codec in common, or a broken description: 488.
    NoCodec,
    /// All channels busy: 503 with Retry-After.
    Full,
    /// We are going down for maintenance: 503 with Retry-After.
    Draining,
    /// No port could be opened: 503.
    NoPort,
    /// The caller is not allowed to dial this: 403.
    Forbidden,
}

/// What a key meant to the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyMeaning {
    /// A choice of the menu.
    Choice,
    /// Not a key of the menu.
    Unknown,
    /// Pressed where no menu listens.
    Ignored,
}

/// How a stay in a queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueEnd {
    /// An agent took the call.
    Answered,
    /// The caller hung up.
    Abandoned,
    /// The flow led elsewhere after waiting, or by a key.
    Moved,
    /// The queue was full.
    Full,
    /// Nobody who serves it is logged in.
    NobodyLoggedIn,
    /// The queue is no more.
    Closed,
}

/// How an offer to an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    /// The agent answered.
    Answered,
    /// The phone rang out.
    NoAnswer,
    /// The agent or the phone refused.
    Declined,
    /// The phone could not be reached.
    Unreachable,
    /// The caller was gone, or the queue was left.
    Withdrawn,
}

/// What an agent is doing: derived, never set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// No phone registered.
    #[default]
    SignedOut,
    /// On a break.
    NotReady,
    /// Waiting for a call.
    Idle,
    /// The phone rings.
    Offered,
    /// In a call.
    Talking,
    /// After-call work.
    WrapUp,
    /// Missed too many offers; back by the star code for ready, or a fresh registration.
    NotResponding,
}

impl AgentState {
    /// All of them, for whoever shows one column each.
    pub const ALL: [AgentState; 7] = [
        AgentState::SignedOut,
        AgentState::NotReady,
        AgentState::Idle,
        AgentState::Offered,
        AgentState::Talking,
        AgentState::WrapUp,
        AgentState::NotResponding,
    ];
}

/// Why a decision fell as it did (law 7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// How many of the queue's declared easings were in force.
    pub relax_step: u32,
    /// Milliseconds the chosen agent had been idle.
    pub idle_millis: u64,
    /// Everyone else, at most 32 of them, and why not they.
    pub passed_over: Vec<PassedOver>,
}

/// One agent who was not chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Who.
    pub agent: AgentId,
    /// Why not.
    pub why: WhyNot,
}

/// Why an agent was not chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Not idle.
    State(AgentState),
    /// Lacks a skill, or the level of it.
    Skill {
        /// Which.
        skill: Skill,
        /// What the agent has.
        has: Option<Level>,
        /// What was asked.
        needs: Level,
    },
    /// Does not serve the queue.
    DoesNotServe,
    /// Was asked for this ticket just before and did not answer.
    JustMissed,
    /// Fits as well, but comes later in the queue's order.
    RankedLower,
}

/// A SIP method, as a label: bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// RFC 3261.
    Invite,
    /// RFC 3261.
    Ack,
    /// RFC 3261.
    Bye,
    /// RFC 3261.
    Cancel,
    /// RFC 3261.
    Options,
    /// RFC 3261.
    Register,
    /// RFC 6086.
    Info,
    /// Any other.
    Other,
}

impl Method {
    /// The word on the wire; `OTHER` for the rest.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Info => "INFO",
            Method::Other => "OTHER",
        }
    }
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

/// What one leg's media did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaStats {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received and used.
    pub received: u64,
    /// Packets that never came, by sequence number (RFC 3550 appendix A.3).
    pub lost: u64,
    /// Packets that came after a later one had been used.
    pub late: u64,
    /// Packets from a foreign address, dropped.
    pub foreign: u64,
    /// Interarrival jitter in RTP timestamp units (RFC 3550 section 6.4.1).
    pub jitter: u32,
}

/// What one call leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Which call; unique within one run of the engine, with `arrived` across runs.
    pub call: CallId,
    /// When the INVITE came.
    pub arrived: UnixMillis,
    /// The city's number that was dialled.
    pub number: Number,
    /// Who called, masked.
    pub caller: String,
    /// The language in the end.
    pub lang: Lang,
    /// The way through the flow: `greeting`, `language=1`, `main=2`, at most 64 steps.
    pub path: Vec<String>,
    /// The last queue.
    pub queue: Option<QueueId>,
    /// Time in queues.
    pub waited: Option<Millis>,
    /// From INVITE to a person.
    pub to_human: Option<Millis>,
    /// Who answered.
    pub agent: Option<AgentId>,
    /// Time with the agent.
    pub talked: Option<Millis>,
    /// When it was over.
    pub ended: UnixMillis,
    /// Where it ended.
    pub end: CallEnd,
    /// Who hung up.
    pub hung_up_by: Party,
    /// The version of the city that it began with.
    pub version: Version,
}

/// Where a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    /// After talking with an agent.
    Served,
    /// The caller hung up in the menus.
    AbandonedInMenu,
    /// The caller hung up in a queue.
    AbandonedInQueue,
    /// The caller hung up before we answered.
    CancelledEarly,
    /// The flow came to its end: an announcement, then goodbye.
    FlowEnded,
    /// The caller's phone vanished: no ACK, or no answer to our requests.
    CallerVanished,
    /// The engine was restarted under it.
    LostInRestart,
    /// A mistake of ours.
    InternalError,
}

impl CallEnd {
    /// All of them.
    pub const ALL: [CallEnd; 8] = [
        CallEnd::Served,
        CallEnd::AbandonedInMenu,
        CallEnd::AbandonedInQueue,
        CallEnd::CancelledEarly,
        CallEnd::FlowEnded,
        CallEnd::CallerVanished,
        CallEnd::LostInRestart,
        CallEnd::InternalError,
    ];
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The caller.
    Caller,
    /// The agent.
    Agent,
    /// The engine.
    Engine,
}

/// The word of an enum as it stands in records, metrics and on boards: `abandoned_in_queue`.
macro_rules! words {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut previous_lower = false;
                for c in format!("{self:?}").chars() {
                    if c.is_ascii_uppercase() && previous_lower { f.write_str("_")?; }
                    previous_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
                    write!(f, "{}", c.to_ascii_lowercase())?;
                }
                Ok(())
            }
        }
    )*};
}
words!(Refusal, KeyMeaning, QueueEnd, OfferEnd, AgentState, Direction, CallEnd, Party);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_on_the_board_is_the_word_in_the_record() {
        for end in CallEnd::ALL {
            assert_eq!(serde_json::to_string(&end).unwrap(), format!("\"{end}\""));
        }
        for state in AgentState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
        assert_eq!(QueueEnd::NobodyLoggedIn.to_string(), "nobody_logged_in");
    }
}
