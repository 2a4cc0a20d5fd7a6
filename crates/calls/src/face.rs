//! The engine's face: every value that goes in or comes out. Each of them can be printed.

use crate::overrides::NotAllowed;
use crate::{City, Record};
use bytes::Bytes;
use media::Clip;
use model::{
    ActId, AgentId, BreakReason, CallId, ConnectionEnd, ControlId, Event, FlowId, HostName, Instant, JobId, Lang, LegId, Lookup, LookupEnd,
    Machine, MailboxId, NotKept, Override, OverrideId, RecordId, Redacted, Seq, Snapshot, UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A datagram came, or a whole message of a stream.
    Message {
        /// The transport flow that it came on.
        flow: FlowId,
        /// Where it came from.
        from: SocketAddr,
        /// All of it.
        bytes: Bytes,
    },
    /// Somebody connected over TCP. Whoever may not speak is closed by [`Act::Close`] before a word of theirs is read.
    Opened {
        /// The connection.
        flow: FlowId,
        /// Where from.
        from: SocketAddr,
    },
    /// A connection is gone, or never came about.
    Closed {
        /// Which.
        flow: FlowId,
        /// Why.
        why: ConnectionEnd,
    },
    /// What came on a connection is no SIP; nothing of it is answered.
    Unreadable,
    /// A message could not be sent: there is no connection to where it should go.
    Unsent {
        /// All of it.
        bytes: Bytes,
    },
    /// A media session says something.
    Media(LegId, media::Event),
    /// Somebody at the edge asks for something; a [`Reply`] follows.
    Control(ControlId, Control),
    /// The room where messages are kept says something.
    Tape(RecordId, TapeSays),
    /// A job that [`Act::Start`] gave to the edge is done; exactly once for each that was not cancelled.
    Done(JobId, Result<Answer, LookupEnd>),
    /// A name of [`Act::Find`] leads there: its machines, the one to be tried first at the front, never none. Again whenever that has changed.
    Found(HostName, Vec<Machine>),
    /// The time that [`crate::Engine::poll_timeout`] named has come.
    Timeout,
}

/// One thing to do or to know.
#[derive(Debug)]
pub enum Output {
    /// Write this down. Acts that carry `after` of this or a later number wait for it (law 5).
    Commit(Seq, Record),
    /// Do this, but not before record `after` is durable.
    Act {
        /// Counts up; acts are done in this order.
        id: ActId,
        /// The last record that this act depends on.
        after: Seq,
        /// What to do.
        act: Act,
    },
    /// This happened.
    Note(Event),
}

/// An act that the world sees.
#[derive(Debug)]
pub enum Act {
    /// Send this message.
    Transmit {
        /// On which transport flow: [`FlowId::UDP`], or a connection; if that is gone, on any connection to `to`, or on a new one. A message
        /// of a connection that could not be sent comes back as [`Input::Unsent`].
        flow: FlowId,
        /// Where to.
        to: SocketAddr,
        /// All of it.
        bytes: Bytes,
        /// Whose it is, if it belongs to a call.
        leg: Option<LegId>,
        /// Whether it may leave only after its record, however long that takes: it is dropped at the gate instead, and SIP sends it again.
        only_written: bool,
    },
    /// Close a connection.
    Close(FlowId),
    /// Find out where these names lead, and no others from here on; [`Input::Found`] follows for each that leads somewhere, as often as it changes.
    Find(BTreeSet<HostName>),
    /// By TLS connect to these addresses only, and talk there to nobody but to whom the address belongs; of those before, connections stay.
    Trust(BTreeMap<SocketAddr, Trusted>),
    /// Tell a media session. Legs of one call share `leg.0 >> 16`: they belong on one worker.
    Media(LegId, media::Command),
    /// Tell the room where messages are kept.
    Tape(RecordId, Tape),
    /// Do something slow; [`Input::Done`] follows, by the deadline.
    Start {
        /// Which job.
        job: JobId,
        /// By then it is done, or has failed.
        deadline: Instant,
        /// What.
        what: Job,
    },
    /// Nobody wants this job's answer any more.
    Cancel(JobId),
    /// Answer a [`Control`].
    Reply(ControlId, Reply),
}

/// Who must be met at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// The name or the address in their certificate (RFC 5922 section 7.2).
    pub name: String,
    /// The file in the state folder's `secrets/` with the authorities that count; `None`: those of this machine.
    pub ca: Option<String>,
}

/// Something slow.
#[derive(Clone, Debug)]
pub enum Job {
    /// Ask another house.
    Fetch(Box<Question>),
}

/// A question to another house.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whom, and how.
    pub lookup: Lookup,
    /// What is sent, by name. It may be what a caller typed.
    pub send: BTreeMap<String, Redacted<String>>,
}

/// What another house answered: the words of one flat object, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(pub BTreeMap<String, String>);

/// What is done with a message's file.
#[derive(Clone, Debug)]
pub enum Tape {
    /// Is there room for it? [`TapeSays::Ready`] or [`TapeSays::Refused`] follows.
    Open(Box<Slip>),
    /// No more frames come. [`TapeSays::Kept`], [`TapeSays::Dropped`] or [`TapeSays::Failed`] follows.
    Close {
        /// False: there is nothing in it, throw it away.
        keep: bool,
    },
}

/// What stands beside a message. It names nobody to whom the city's key is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    /// In which box.
    pub mailbox: MailboxId,
    /// By whose call.
    pub call: CallId,
    /// When it begins.
    pub begun: UnixMillis,
    /// The caller's number, masked.
    pub caller: String,
    /// The caller's language.
    pub lang: Lang,
    /// The number itself, sealed with the city's key; `None` where it is withheld.
    pub sealed: Option<String>,
}

/// What the room of the messages says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeSays {
    /// Its file is open.
    Ready,
    /// It takes none.
    Refused(NotKept),
    /// It cannot be written any more. What was written is there, until it is closed.
    Failed,
    /// Its file is whole and durable.
    Kept {
        /// What it holds.
        length: Duration,
    },
    /// It was thrown away, as it was asked to be.
    Dropped,
}

/// A request from the edge.
#[derive(Debug)]
pub enum Control {
    /// Put this city in force.
    Publish(Arc<City>),
    /// Take no new calls: the engine is about to stop.
    Drain,
    /// Hang up on everyone: the last thing before the process ends. Who is not served hears `closing_down` first, where the city has that
    /// sentence, for at most six seconds; asked again, it is at once.
    EndAll,
    /// Change an agent's presence, as the star codes do.
    SetAgent(AgentId, routing::Change),
    /// Set something by hand, until its end; of a notice, how it sounds in each of its languages.
    SetOverride(Box<Override>, BTreeMap<Lang, Arc<Clip>>),
    /// End something that was set by hand before its time. The name is who does it.
    LiftOverride(OverrideId, String),
    /// Show everything as it stands.
    Snapshot,
}

/// The answer to a [`Control`].
#[derive(Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// It was not done, and why. Nothing has changed.
    Refused(NotSet),
    /// It was not set by hand, and why. Nothing has changed.
    NotAllowed(NotAllowed),
    /// Everything as it stands.
    Snapshot(Arc<Snapshot>),
}

/// Why an agent's presence was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSet {
    /// There is no such agent.
    UnknownAgent,
    /// No such reason for a break is declared; these are.
    UnknownReason(Vec<BreakReason>),
    /// The agent's phone is not registered. When it is, the agent begins ready, whatever was wished before.
    NoPhone,
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSet::UnknownAgent => f.write_str("there is no such agent: config/agents.yaml lists them"),
            NotSet::UnknownReason(known) => {
                let known: Vec<&str> = known.iter().map(BreakReason::as_str).collect();
                write!(f, "there is no such reason for a break: config/breaks.yaml has {}", known.join(", "))
            }
            NotSet::NoPhone => f.write_str("the agent's phone is not registered"),
        }
    }
}

/// Why the engine wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A SIP timer.
    Sip,
    /// Ringing, wrap-up or a relaxation step; or the round that compares desks with phones and calls.
    Routing,
    /// A callback, or an attempt at one.
    Callback,
    /// Something that was set by hand is over.
    Override,
    /// A menu, an announcement or a rung of waiting; an agent's star code, or somebody outside who does not answer.
    Call(CallId),
}
