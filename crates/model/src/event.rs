//! Everything that the engine can say has happened. Reading this file is reading the product.

use crate::{
    AgentId, BreakReason, CallId, Digit, FlowName, KeptFor, Lang, LegId, Level, LineId, LookupId, MailboxId, Millis, Number, OfferId,
    Override, OverrideId, Person, PromptId, QueueId, Redacted, Seq, Skill, StepId, TicketId, UnixMillis, Version,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

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
    /// Somebody set something by hand, until a moment.
    OverrideSet {
        /// What, by whom, until when.
        set: Box<Override>,
    },
    /// What was set by hand is over, and the city's files count again.
    OverrideEnded {
        /// What had been set.
        what: OverrideId,
        /// Who ended it; `None`: its time was over.
        by: Option<String>,
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
    /// A caller withholds the number, and the network says why.
    Withheld {
        /// Which call.
        call: CallId,
        /// Why.
        why: Withheld,
    },
    /// Before us, a call had come to one of the city's own lines, which sent it on.
    CalledFirst {
        /// Which call.
        call: CallId,
        /// The line that was called first.
        line: LineId,
    },
    /// An INVITE was turned away before it became a call.
    Refused {
        /// Why.
        why: Refusal,
        /// Who, as statistics know them; `None` when the number was withheld or nobody counts.
        person: Option<Person>,
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

    /// The flow handed a caller to people for the first time: to a queue, to a line, or by writing a claim down.
    HandedToPeople {
        /// Which call.
        call: CallId,
        /// The flow.
        flow: FlowName,
        /// How the caller came there.
        manner: Manner,
        /// From the first sentence on: what `check` reckons beforehand.
        took: Millis,
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
        /// The wait that the queue promises at most (`service_level` in `queues.yaml`).
        promised: Millis,
    },
    /// A caller waits on after a decision: nobody could be offered, and why.
    Waits {
        /// Which call; `None` for a callback.
        call: Option<CallId>,
        /// The caller's claim.
        ticket: TicketId,
        /// The queue.
        queue: QueueId,
        /// Why nobody.
        why: Why,
    },
    /// A caller who had been told how long it would take was answered.
    WaitJudged {
        /// Which call.
        call: CallId,
        /// The queue.
        queue: QueueId,
        /// The shortest wait that the range told held out, from the moment it was told.
        low: Millis,
        /// The longest.
        high: Millis,
        /// What it was.
        waited: Millis,
    },
    /// Somebody who was cut off called again and was given the old place.
    PlaceKept {
        /// The new call.
        call: CallId,
        /// The age that was kept.
        age: Millis,
    },

    /// A call to a line began: one of its places is taken.
    LineTaken {
        /// Which line.
        line: LineId,
        /// Places taken now.
        used: u32,
        /// Places in all.
        lines: u32,
    },
    /// A call to a line is over.
    LineFreed {
        /// Which line.
        line: LineId,
        /// Places taken now.
        used: u32,
        /// Places in all.
        lines: u32,
    },
    /// All places of a line are taken: somebody was not put through.
    LineFull {
        /// Which line.
        line: LineId,
    },
    /// A trunk's registration with its carrier was accepted, refused, or is over.
    TrunkRegistration {
        /// Which trunk.
        line: LineId,
        /// What came of it.
        how: TrunkRegistration,
    },
    /// A trunk began to answer our question whether it works, or ceased to.
    TrunkReachable {
        /// Which trunk.
        line: LineId,
        /// Whether it does.
        reachable: bool,
    },
    /// A call out did not go over this trunk, and was tried over another one.
    TrunkPassedOver {
        /// Which trunk.
        line: LineId,
        /// Why.
        why: WhyPassed,
    },
    /// Calls out are at their limit for this hour: one was not made.
    CallsOutLimited,
    /// A caller was to be put through to a line or a queue.
    Transferred {
        /// Which call.
        call: CallId,
        /// Where to: a line or a queue, by its name.
        to: String,
        /// How.
        kind: TransferKind,
        /// By whom: the agent, or the flow.
        by: Option<AgentId>,
        /// What became of it.
        how: TransferEnd,
    },
    /// Somebody asked to be called back.
    CallbackBooked {
        /// The call in which it was asked.
        call: CallId,
        /// The claim, which keeps its age.
        ticket: TicketId,
        /// The queue.
        queue: QueueId,
    },
    /// Somebody is being called back: this call begins.
    CallingBack {
        /// The call.
        call: CallId,
        /// The claim.
        ticket: TicketId,
        /// The how-manieth attempt, from 1.
        attempt: u32,
        /// Whom.
        caller: Redacted<String>,
    },
    /// A callback was tried.
    CallbackTried {
        /// The claim.
        ticket: TicketId,
        /// The how-manieth attempt, from 1.
        attempt: u32,
        /// What became of it.
        how: CallbackTry,
    },
    /// A callback is over.
    CallbackEnded {
        /// The claim.
        ticket: TicketId,
        /// The queue.
        queue: QueueId,
        /// How.
        how: CallbackEnd,
    },
    /// An agent called somebody back by `*9`.
    AgentCalledOut {
        /// Who.
        agent: AgentId,
        /// Whether somebody answered.
        answered: bool,
    },
    /// What an agent was held to be doing did not agree with their phone and their calls, and was put right.
    Repaired {
        /// Who.
        agent: AgentId,
        /// What was wrong, in words.
        what: String,
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

    /// An agent's state changed, or the reason of the break that they are on.
    AgentState {
        /// Who.
        agent: AgentId,
        /// Before.
        from: AgentState,
        /// After.
        to: AgentState,
        /// The break that ended by it.
        ended: Option<BreakOver>,
        /// The reason of the break that begins by it, if one was given.
        reason: Option<BreakReason>,
    },
    /// A phone of an agent registered who had none.
    Registered {
        /// Whose.
        agent: AgentId,
    },
    /// An agent's last phone is gone.
    Unregistered {
        /// Whose.
        agent: AgentId,
        /// Whether it went without a word, or by itself.
        expired: bool,
    },
    /// One phone of an agent is gone, and the agent has others.
    PhoneGone {
        /// Whose.
        agent: AgentId,
        /// Why.
        why: PhoneGone,
    },
    /// A REGISTER or call with a wrong name or password.
    AuthenticationFailed {
        /// Whether it answered a challenge of ours: a guess, or a clumsy finger. Else the address may be borrowed.
        challenged: bool,
    },

    /// A SIP request, in or out.
    SipRequest {
        /// With whose machine: the trunk at that address, else the line that lists it.
        line: Option<LineId>,
        /// Its method.
        method: Method,
        /// Which way.
        direction: Direction,
        /// Sent or seen before.
        again: bool,
    },
    /// A SIP response, in or out.
    SipResponse {
        /// With whose machine, as of a request.
        line: Option<LineId>,
        /// First figure of its status, 1 to 6.
        class: u8,
        /// Which way.
        direction: Direction,
    },
    /// An INVITE that opens a call has its final answer, ours or theirs: what RFC 6076 counts. One over a limit of the door is not among them.
    InviteDone {
        /// The line, or the trunk; `None` for the phone of an agent.
        line: Option<LineId>,
        /// Who called.
        direction: Direction,
        /// The final status: 200, 487 after a cancel, 408 after silence.
        status: u16,
    },
    /// The other side of a call of ours says for the first time that it works on it (RFC 6076 section 4.3).
    InviteHeard {
        /// The trunk; `None` for the phone of an agent.
        line: Option<LineId>,
        /// Since our INVITE left.
        took: Millis,
    },
    /// The other side agrees to a BYE of ours (RFC 6076 section 4.4).
    ByeDone {
        /// Since it left.
        took: Millis,
    },
    /// A datagram that is no SIP message.
    SipMalformed {
        /// Whether it could be answered with 400.
        answered: bool,
    },
    /// A datagram or a connection from an address that no line lists: it got nothing.
    Stranger,
    /// The first stranger of an hour: somebody may have forgotten a line of `lines.yaml`.
    StrangerNamed {
        /// From where.
        from: IpAddr,
    },
    /// The first call of an hour that was refused because it would have had us send to this machine: a PBX on it needs a word in `lines.yaml`.
    AimedAtUs {
        /// From where.
        from: IpAddr,
    },
    /// A source sent more than any telephone or carrier does: some of it was thrown away unread.
    Flood,
    /// A source has guessed passwords, and none is heard from there for a while.
    SourceBanned {
        /// Which.
        from: IpAddr,
        /// For how long.
        lasts: Millis,
    },
    /// Something from a banned source was thrown away.
    Banned,
    /// A request inside a dialog came from somebody who has no part in it: it was answered as if there were no such dialog.
    ForeignRequest,
    /// A SIP connection is gone.
    ConnectionClosed {
        /// Why.
        why: ConnectionEnd,
    },
    /// The TLS certificate that is in force from here on.
    Certificate {
        /// When it, or another one of its chain, runs out.
        expires: UnixMillis,
    },
    /// The TLS certificate was changed into one that cannot be used; the one before stays.
    CertificateRefused,

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
    /// A caller's message is kept: its file is whole, and has its name.
    MessageLeft {
        /// Whose.
        call: CallId,
        /// In which box.
        mailbox: MailboxId,
        /// How long it is.
        length: Millis,
        /// What ended it.
        how: MessageEnd,
    },
    /// No message was kept.
    MessageNotKept {
        /// Whose it would have been.
        call: CallId,
        /// In which box.
        mailbox: MailboxId,
        /// Why.
        why: NotKept,
    },
    /// Another house was asked about a caller's wish.
    LookedUp {
        /// Whose.
        call: CallId,
        /// Whom.
        lookup: LookupId,
        /// What came of it.
        how: LookupEnd,
        /// How long it took, repetitions included.
        took: Millis,
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
    /// As many calls from this number are here as may be: 486.
    SameNumber,
    /// More calls in this second than are taken: 503 with Retry-After.
    TooFast,
    /// What it names as its address, or that of its sound, is this machine's: 403, or 488 for the sound.
    AimedAtUs,
}

/// Why a caller's number is not there: the four causes that Japanese networks tell apart (3GPP TS 24.008 section 10.5.4.30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// The caller does not want it to be seen (184 in front of the number, or a setting): nobody is told more.
    ByCaller,
    /// The network does not have it: from abroad, or from another network.
    Unavailable,
    /// Another service of the network stands in the way.
    OtherService,
    /// A coin telephone, which cannot be called back.
    Payphone,
}

/// What came of registering with a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkRegistration {
    /// It knows where we are.
    Registered,
    /// We have taken it back.
    SignedOff,
    /// It ran out before it could be renewed.
    Expired,
    /// Nobody answered.
    NoAnswer,
    /// It did not take our password.
    WrongPassword,
    /// It asks for a password, and we have none.
    NoPassword,
    /// It asks for a password in another realm than ours.
    OtherRealm,
    /// It asks for a password in a way that we do not use.
    OtherDigest,
    /// It refused in another way.
    Refused,
}

impl TrunkRegistration {
    /// All ways in which it fails.
    pub const FAILURES: [TrunkRegistration; 7] = [
        TrunkRegistration::Expired,
        TrunkRegistration::NoAnswer,
        TrunkRegistration::WrongPassword,
        TrunkRegistration::NoPassword,
        TrunkRegistration::OtherRealm,
        TrunkRegistration::OtherDigest,
        TrunkRegistration::Refused,
    ];
}

/// Why a trunk was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyPassed {
    /// It said nothing to the call.
    Deaf,
    /// It refused the call as a trunk in trouble does: 408, 500, 502, 503, 504.
    Refused,
    /// All its channels are taken.
    Full,
    /// It had as many calls in this second as it takes.
    TooFast,
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

/// How a caller comes through a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// By keys, and no menu ran out of time.
    Pressing,
    /// Without any key.
    Silent,
    /// By keys, and some menu ran out of time.
    Mixed,
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

/// Why one of several phones of somebody is not called any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneGone {
    /// It said goodbye.
    Left,
    /// It did not say in time that it is still there.
    Expired,
    /// It was called or asked, and nothing at all came back.
    Silent,
    /// The connection is gone by which alone it was reached.
    Lost,
    /// There was no room for one more phone, and it had been silent longest.
    Full,
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

/// A break that is over, or goes on for another reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakOver {
    /// Why it was taken, if a reason was given.
    pub reason: Option<BreakReason>,
    /// How long it was in effect; of one that was on when the engine was restarted, since the phone was back.
    pub lasted: Millis,
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

/// Why a decision fell as it did (law 7). Counts tell of everybody, names of at most five.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// How many of the queue's declared easings were in force.
    pub relax_step: u32,
    /// Until the next easing takes effect, if there is one.
    pub next_relax: Option<Millis>,
    /// How many rings of the queue had joined in, beyond the first.
    pub ring: u32,
    /// Place in the queue, from 1.
    pub position: u32,
    /// Milliseconds the chosen agent had been idle; 0 when nobody was chosen.
    pub idle_millis: u64,
    /// Agents not chosen, by reason.
    pub counts: BTreeMap<Reason, u32>,
    /// Those who came closest, at most five, and why not they.
    pub passed_over: Vec<PassedOver>,
    /// Older tickets of the same queue that this offer went past because of class or bonus; at most five are named.
    pub overtook: Vec<TicketId>,
    /// How many there were in all.
    pub overtook_count: u32,
}

impl Why {
    /// Agents named in one reason.
    pub const NAMED_MAX: usize = 5;
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
    /// In a ring that has not joined in yet.
    LaterRing {
        /// Until it does.
        wait: Millis,
    },
    /// Idle, and kept back.
    Reserved {
        /// Counted by this skill.
        of: Skill,
        /// So many stay idle.
        keep: u32,
        /// So many are idle.
        idle: u32,
        /// For whom.
        kept_for: KeptFor,
    },
    /// Excluded for this ticket.
    Excluded,
    /// The ticket waits for another agent: the one who knows the caller.
    PrefersAnother,
    /// Missed or declined this ticket just before, and is not asked again yet.
    JustMissed,
    /// Fits as well, but comes later in the queue's order.
    RankedLower,
    /// Idle and fits, but somebody else was before this caller in the agent's order. Only where nobody was chosen.
    TookAnother,
}

impl WhyNot {
    /// The reason without its figures, to count by.
    pub fn reason(&self) -> Reason {
        match self {
            WhyNot::State(state) => Reason::State(*state),
            WhyNot::Skill { .. } => Reason::Skill,
            WhyNot::DoesNotServe => Reason::DoesNotServe,
            WhyNot::LaterRing { .. } => Reason::LaterRing,
            WhyNot::Reserved { .. } => Reason::Reserved,
            WhyNot::Excluded => Reason::Excluded,
            WhyNot::PrefersAnother => Reason::PrefersAnother,
            WhyNot::JustMissed => Reason::JustMissed,
            WhyNot::RankedLower => Reason::RankedLower,
            WhyNot::TookAnother => Reason::TookAnother,
        }
    }
}

/// A [`WhyNot`] without its figures. Serialises as one word: `state_talking`, `skill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reason {
    /// Not idle.
    State(AgentState),
    /// Lacks a skill.
    Skill,
    /// Does not serve the queue.
    DoesNotServe,
    /// In a ring that has not joined in yet.
    LaterRing,
    /// Kept back.
    Reserved,
    /// Excluded.
    Excluded,
    /// The ticket waits for another agent.
    PrefersAnother,
    /// Missed or declined it just before.
    JustMissed,
    /// Later in the queue's order.
    RankedLower,
    /// Took somebody else.
    TookAnother,
}

impl Reason {
    const PLAIN: [(Reason, &'static str); 9] = [
        (Reason::Skill, "skill"),
        (Reason::DoesNotServe, "does_not_serve"),
        (Reason::LaterRing, "later_ring"),
        (Reason::Reserved, "reserved"),
        (Reason::Excluded, "excluded"),
        (Reason::PrefersAnother, "prefers_another"),
        (Reason::JustMissed, "just_missed"),
        (Reason::RankedLower, "ranked_lower"),
        (Reason::TookAnother, "took_another"),
    ];
}
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::State(state) => write!(f, "state_{state}"),
            plain => f.write_str(Reason::PLAIN.iter().find(|(reason, _)| reason == plain).map_or("", |(_, word)| word)),
        }
    }
}
impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.to_string()
    }
}
impl TryFrom<String> for Reason {
    type Error = String;
    fn try_from(word: String) -> Result<Reason, String> {
        if let Some((reason, _)) = Reason::PLAIN.iter().find(|(_, plain)| *plain == word) {
            return Ok(*reason);
        }
        let state = AgentState::ALL.into_iter().find(|state| word.strip_prefix("state_") == Some(&state.to_string()));
        state.map(Reason::State).ok_or_else(|| format!("\"{word}\" is no reason"))
    }
}

/// How a caller is put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Without a word beforehand.
    Blind,
    /// The other side is told first, and accepts.
    Warm,
    /// The other side joins the conversation.
    ThreeWay,
    /// Back into a queue, at the caller's age.
    Queue,
}

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferEnd {
    /// They talk.
    Connected,
    /// The line is busy.
    Busy,
    /// Nobody answered, or nobody accepted in time.
    NoAnswer,
    /// The other side declined.
    Refused,
    /// All lines of the target are taken, or calls out are at their limit.
    AtCapacity,
    /// It could not be reached, or is unknown.
    Failed,
    /// The agent took the caller back, or the caller was gone.
    Withdrawn,
}

/// What became of one attempt at a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackTry {
    /// Somebody answered and confirmed by a key.
    Confirmed,
    /// Nobody answered.
    NoAnswer,
    /// Busy, or declined.
    Busy,
    /// Something answered and confirmed nothing: a mailbox, or the wrong person.
    NotConfirmed,
    /// The call could not be made.
    Failed,
}

/// How a callback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackEnd {
    /// They talked.
    Served,
    /// All attempts were in vain.
    Exhausted,
    /// Its time ran out.
    Expired,
    /// The person called again.
    CalledAgain,
    /// Its queue is no more, or the city no longer calls back.
    Closed,
}

/// At which stage a caller gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbandonStage {
    /// Within five seconds, wherever that was: a wrong number, or a line of ours that hangs up.
    Short,
    /// In the first words.
    Greeting,
    /// In a menu.
    Menu,
    /// Waiting in a queue.
    Queue,
    /// While an agent's phone rang.
    Ringing,
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
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Notify,
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
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
            Method::Refer => "REFER",
            Method::Notify => "NOTIFY",
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
    /// Keys that came beside the sound (RFC 4733).
    #[serde(default)]
    pub keys_rtp: u32,
    /// Keys that came as SIP messages (INFO, RFC 6086).
    #[serde(default)]
    pub keys_sip: u32,
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
    /// Who called, masked, or why the number is withheld.
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
    /// Who called, as statistics know them; `None` when the number was withheld.
    #[serde(default)]
    pub person: Option<Person>,
    /// The claim, for whoever waited.
    #[serde(default)]
    pub ticket: Option<TicketId>,
    /// Urgency in the end: 0 normal, 1 high, 2 urgent.
    #[serde(default)]
    pub class: u8,
    /// At which stage the caller gave up, if so.
    #[serde(default)]
    pub gave_up: Option<AbandonStage>,
    /// The line or queue that the caller was put through to last.
    #[serde(default)]
    pub transferred_to: Option<String>,
    /// Whether we called them: a callback.
    #[serde(default)]
    pub called_back: bool,
    /// The line of the city that was called first, where it sent the call on to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_first: Option<LineId>,
    /// Why the caller's network ended it, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Why a network ends a call, in its own numbers (RFC 3326 section 2). What it says in words is not kept: it may name somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A status of SIP: 487.
    Sip(u16),
    /// A cause of ISDN (ITU-T Q.850): 16 for a normal end.
    Q850(u16),
}

impl Cause {
    /// A cause as it is displayed: `SIP 487` or `Q.850 16`. `None` for anything else, and for numbers that neither has.
    pub fn parse(text: &str) -> Option<Cause> {
        let (protocol, code) = text.split_once(' ')?;
        Cause::of(protocol, code.parse().ok()?)
    }

    /// The cause of this protocol with this number.
    pub fn of(protocol: &str, code: u16) -> Option<Cause> {
        match protocol {
            _ if protocol.eq_ignore_ascii_case("SIP") => Some(Cause::Sip(code)).filter(|_| (100..700).contains(&code)),
            _ if protocol.eq_ignore_ascii_case("Q.850") => Some(Cause::Q850(code)).filter(|_| (1..128).contains(&code)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::Sip(code) => write!(f, "SIP {code}"),
            Cause::Q850(code) => write!(f, "Q.850 {code}"),
        }
    }
}

/// Where a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    /// After talking with an agent, or with whomever an agent or the flow put them through to.
    Served,
    /// The caller booked a callback.
    CallbackBooked,
    /// A callback reached nobody who confirmed.
    NotReached,
    /// The caller hung up in the menus.
    AbandonedInMenu,
    /// The caller hung up in a queue.
    AbandonedInQueue,
    /// The caller hung up before we answered.
    CancelledEarly,
    /// The flow came to its end: an announcement, then goodbye.
    FlowEnded,
    /// The caller left a message in a box.
    MessageLeft,
    /// The caller's phone vanished: no ACK, or no answer to our requests.
    CallerVanished,
    /// The engine was restarted under it.
    LostInRestart,
    /// A mistake of ours.
    InternalError,
}

impl CallEnd {
    /// All of them.
    pub const ALL: [CallEnd; 11] = [
        CallEnd::Served,
        CallEnd::CallbackBooked,
        CallEnd::NotReached,
        CallEnd::AbandonedInMenu,
        CallEnd::AbandonedInQueue,
        CallEnd::CancelledEarly,
        CallEnd::FlowEnded,
        CallEnd::MessageLeft,
        CallEnd::CallerVanished,
        CallEnd::LostInRestart,
        CallEnd::InternalError,
    ];
}

/// What ended a message that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageEnd {
    /// The caller pressed hash.
    Key,
    /// The caller hung up.
    HungUp,
    /// The caller said nothing more.
    Silence,
    /// It had the greatest length that the flow allows.
    Full,
    /// Something of ours broke off: what was said until then is kept.
    BrokenOff,
}

/// Why a message was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotKept {
    /// Nothing was said, or for less than a second.
    Empty,
    /// The box holds as many messages as it may. None of them is thrown away for a new one.
    BoxFull,
    /// The disk has too little room left.
    DiskShort,
    /// The disk does not take what is written, or nobody is there to write.
    NotWritten,
}

impl NotKept {
    /// All of them.
    pub const ALL: [NotKept; 4] = [NotKept::Empty, NotKept::BoxFull, NotKept::DiskShort, NotKept::NotWritten];
}

/// What came of asking another house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupEnd {
    /// It gave an answer that the flow knows.
    Answered,
    /// It gave an answer that cannot be read, is too large, or that the flow does not know.
    Unreadable,
    /// It said no: another status than 2xx, a redirect among them.
    Refused,
    /// Nobody took the connection, or it broke.
    Unreachable,
    /// No answer came in time.
    TimedOut,
    /// Its address is none that `allow` permits, its certificate is not to be trusted, or its secret cannot be read: nothing was sent.
    NotAllowed,
    /// Too many questions were open at once: nothing was sent.
    TooMany,
    /// The caller hung up first.
    CallerGone,
}

impl LookupEnd {
    /// All of them.
    pub const ALL: [LookupEnd; 8] = [
        LookupEnd::Answered,
        LookupEnd::Unreadable,
        LookupEnd::Refused,
        LookupEnd::Unreachable,
        LookupEnd::TimedOut,
        LookupEnd::NotAllowed,
        LookupEnd::TooMany,
        LookupEnd::CallerGone,
    ];
}

/// Why a SIP connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEnd {
    /// The peer closed it, or it broke.
    Left,
    /// Nobody took it.
    Unreachable,
    /// Nothing came for too long.
    Silent,
    /// A message that had begun took too long.
    Slow,
    /// What came cannot be told apart into messages.
    Unreadable,
    /// TLS or WebSocket could not be agreed on.
    NotAgreed,
    /// The peer does not read what we send.
    Stuck,
    /// We closed it: no line lists the address, or it had too many connections and this one was silent longest.
    Refused,
    /// There were too many connections already.
    Crowded,
}

impl ConnectionEnd {
    /// All of them.
    pub const ALL: [ConnectionEnd; 9] = [
        ConnectionEnd::Left,
        ConnectionEnd::Unreachable,
        ConnectionEnd::Silent,
        ConnectionEnd::Slow,
        ConnectionEnd::Unreadable,
        ConnectionEnd::NotAgreed,
        ConnectionEnd::Stuck,
        ConnectionEnd::Refused,
        ConnectionEnd::Crowded,
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
                fmt::Write::write_fmt(&mut Word(f), format_args!("{self:?}"))
            }
        }
    )*};
}

/// Turns the name of a variant into a word.
struct Word<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Word<'_, '_> {
    fn write_str(&mut self, name: &str) -> fmt::Result {
        let mut letters = name.bytes().enumerate().flat_map(|(at, letter)| {
            let begins = letter.is_ascii_uppercase() && at > 0 && !name.as_bytes()[at - 1].is_ascii_uppercase();
            begins.then_some(b'_').into_iter().chain([letter.to_ascii_lowercase()])
        });
        // On the stack: thousands are written each second. The names of variants are ASCII, so a piece ends between letters.
        loop {
            let (mut piece, mut length) = ([0; 32], 0);
            for (place, letter) in piece.iter_mut().zip(&mut letters) {
                *place = letter;
                length += 1;
            }
            self.0.write_str(std::str::from_utf8(&piece[..length]).unwrap_or_default())?;
            if length < piece.len() {
                return Ok(());
            }
        }
    }
}

words!(
    Withheld,
    TrunkRegistration,
    WhyPassed,
    Refusal,
    KeyMeaning,
    Manner,
    QueueEnd,
    OfferEnd,
    PhoneGone,
    AgentState,
    Direction,
    CallEnd,
    Party
);
words!(TransferKind, TransferEnd, CallbackTry, CallbackEnd, AbandonStage, MessageEnd, NotKept, LookupEnd, ConnectionEnd);

#[cfg(test)]
mod tests {
    use super::*;

    struct Named<'a>(&'a str);

    impl fmt::Display for Named<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Write::write_str(&mut Word(f), self.0)
        }
    }

    #[test]
    fn the_word_on_the_board_is_the_word_in_the_record() {
        for end in CallEnd::ALL {
            assert_eq!(serde_json::to_string(&end).unwrap(), format!("\"{end}\""));
        }
        for state in AgentState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
        assert_eq!(QueueEnd::NobodyLoggedIn.to_string(), "nobody_logged_in");
        let long = "ThisNameIsLongerThanAnyVariantOfOurs".repeat(2);
        let word = "this_name_is_longer_than_any_variant_of_ours";
        assert_eq!(Named(&long).to_string(), format!("{word}_{word}"));
        let counts = BTreeMap::from([(Reason::State(AgentState::WrapUp), 2), (Reason::Skill, 1)]);
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(text, r#"{"state_wrap_up":2,"skill":1}"#);
        assert_eq!(serde_json::from_str::<BTreeMap<Reason, u32>>(&text).unwrap(), counts);
    }
}
