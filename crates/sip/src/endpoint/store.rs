//! What the endpoint remembers: transactions with their messages, dialogs with their stage, and who wants to be woken when.

use super::change::{Change, Place, Updated};
use super::fork::Branch;
use super::refer::Referred;
use super::reliable::Reliable;
use super::session_timer::{Asks, SessionTimer};
use crate::border::Reason;
use crate::dialog::{DialogStage, DialogState, is_translated};
use crate::header::{Name, NameAddr, Via};
use crate::identity::names_nobody;
use crate::message::Message;
use crate::registrar::Known;
use crate::transaction::{ClientInvite, ClientOther, GIVE_UP, Key, Repeat, ServerInvite, ServerOther, T2};
use crate::trunk::{Asker, Customer};
use crate::uri::{DEFAULT_PORT, DEFAULT_TLS_PORT};
use crate::writer::{Writer, reason};
use bytes::Bytes;
use model::{DialogId, FlowId, Instant, Method};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// The longest From that is kept, in bytes.
const FROM_KEPT: usize = 256;

/// Where a packet came from, or where one goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) flow: FlowId,
    pub(super) addr: SocketAddr,
}

impl Path {
    /// Who asks by it, as trunks know them.
    pub(super) fn asker(self) -> Asker {
        Asker { ip: self.addr.ip(), port: None, secure: self.flow.transport().is_secure() }
    }

    /// The same of where we call.
    pub(super) fn called(self) -> Asker {
        Asker { port: Some(self.addr.port()), ..self.asker() }
    }

    /// Where the answer to a request goes that came on this path (section 18.2.2): by UDP back to its source, if it asks for that (RFC 3581); else,
    /// and if its connection is gone, to the host it came from, at the port "in the sent-by value, or the default port".
    ///
    /// A datagram from behind a router that changes addresses goes back to its source all the same: the port that its sender wrote is one of a house
    /// that nobody outside can reach. So does whatever would otherwise come to `us`.
    pub(super) fn back(self, via: &Via<'_>, us: SocketAddr) -> Path {
        let default = if self.flow.transport().is_secure() { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        let written = Path { addr: SocketAddr::new(self.addr.ip(), via.port().unwrap_or(default)), ..self };
        if self.flow.is_stream() {
            return written;
        }
        if via.wants_rport() || is_translated(via.ip(), self.addr) || written.addr.port() == 0 || written.addr == us {
            self
        } else {
            written
        }
    }
}

/// What every response to a request repeats of it (section 8.2.6.2).
#[derive(Clone, Debug)]
pub(super) struct Echo {
    /// Via and From lines.
    head: Vec<u8>,
    /// The value of To, and whether a tag may be added to it.
    to: Option<(Vec<u8>, bool)>,
    /// Call-ID and CSeq lines, and Session-ID.
    tail: Vec<u8>,
    /// Record-Route lines, for responses that make a dialog (section 12.1.1).
    routes: Vec<u8>,
}

impl Echo {
    /// Also of a request that is broken: what can be read is repeated as it is, what is missing is left out.
    pub(super) fn of(request: &Message, source: SocketAddr) -> Echo {
        let mut head = Writer::fragment();
        for (at, via) in request.values(Name::Via).enumerate() {
            head = match Via::parse(via).filter(|_| at == 0) {
                Some(top) => head.header("Via", top.with_source(source)),
                None => head.header("Via", via),
            };
        }
        let line = |writer: Writer, name: Name| match request.first(name) {
            Some(value) => writer.header(name.text(), value),
            None => writer,
        };
        let timestamp = |writer: Writer| match request.other("Timestamp") {
            Some(value) => writer.header("Timestamp", value),
            None => writer,
        };
        let untagged = |value| NameAddr::parse(value).is_some_and(|to| to.tag().is_none());
        Echo {
            head: line(head, Name::From).into_lines(),
            to: request.first(Name::To).map(|value| (value.to_vec(), untagged(value))),
            // Section 8.2.6.1: 100 repeats Timestamp; so do all others, which hurts nobody.
            tail: timestamp(line(line(Writer::fragment(), Name::CallId), Name::CSeq)).into_lines(),
            routes: request.all(Name::RecordRoute).fold(Writer::fragment(), |w, v| w.header("Record-Route", v)).into_lines(),
        }
    }
    /// With the name of the session, as our answers say it.
    pub(super) fn in_session(mut self, id: Option<String>) -> Echo {
        if let Some(id) = id {
            self.tail.extend(Writer::fragment().header("Session-ID", id).into_lines());
        }
        self
    }
    pub(super) fn size(&self) -> usize {
        self.size_of_refusal() + self.routes.len()
    }
    /// The same of an answer that makes no dialog.
    pub(super) fn size_of_refusal(&self) -> usize {
        self.head.len() + self.to.as_ref().map_or(0, |(to, _)| to.len()) + self.tail.len()
    }
    /// A response up to its last common header; `tag` goes into To if there is none (but not in a 100).
    pub(super) fn response(&self, status: u16, tag: &str) -> Writer {
        self.response_saying(status, reason(status), tag)
    }
    pub(super) fn response_saying(&self, status: u16, words: &str, tag: &str) -> Writer {
        let mut writer = Writer::response_saying(status, words).lines(&self.head);
        if let Some((to, untagged)) = &self.to {
            let mut to = to.clone();
            if *untagged && status > 100 {
                to.extend_from_slice(b";tag=");
                to.extend_from_slice(tag.as_bytes());
            }
            writer = writer.header("To", to);
        }
        let routes: &[u8] = if (101..300).contains(&status) { &self.routes } else { &[] };
        writer.lines(&self.tail).lines(routes)
    }
}

/// A server transaction with its last response.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) machine: ServerMachine,
    /// Empty where nothing was answered yet; [`Server::last`] has the 100 that stands for it.
    pub(super) last: Bytes,
    pub(super) status: u16,
    pub(super) path: Path,
    pub(super) dialog: DialogId,
}

#[derive(Clone, Debug)]
pub(super) enum ServerMachine {
    Invite {
        machine: ServerInvite,
        /// Gone once the final answer is given.
        echo: Option<Box<Echo>>,
        /// Our tag in its responses.
        tag: String,
        /// Under which name copies on other ways are recognised.
        merged: Key,
    },
    Other(ServerOther),
}

impl Server {
    /// What is still to be said goes by another way.
    pub(super) fn go_by(&mut self, path: Path) {
        self.path = path;
        if let ServerMachine::Invite { machine, .. } = &mut self.machine
            && !path.flow.is_stream()
        {
            machine.goes_by_datagrams();
        }
    }
    /// Whose INVITE it is, if it is one.
    pub(super) fn invite(&mut self) -> Option<(DialogId, &mut ServerInvite)> {
        match &mut self.machine {
            ServerMachine::Invite { machine, .. } => Some((self.dialog, machine)),
            ServerMachine::Other(_) => None,
        }
    }
    /// The last response; of an INVITE that has none, 100.
    pub(super) fn last(&mut self) -> Bytes {
        if let ServerMachine::Invite { echo: Some(echo), tag, .. } = &self.machine
            && self.last.is_empty()
        {
            self.last = echo.response(100, tag).empty();
        }
        self.last.clone()
    }
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            ServerMachine::Invite { machine, .. } => machine.poll_timeout(),
            ServerMachine::Other(machine) => machine.poll_timeout(),
        }
    }
}

/// A client transaction with its request.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) machine: ClientMachine,
    pub(super) request: Bytes,
    pub(super) method: Method,
    pub(super) path: Path,
    pub(super) dialog: DialogId,
    /// What leaves by UDP instead if there is no connection: a request that is too large for a datagram tries one first.
    pub(super) by_udp: Option<ByUdp>,
    /// How often it has been asked for a password, or for a longer timer, before it was written so.
    pub(super) rounds: u32,
    /// When it went by another way of the phone, because the first was gone, and as it was written: what comes back of the first is no news.
    pub(super) moved: Option<Instant>,
    /// How often it did.
    pub(super) moves: u32,
}

/// A request written for UDP.
#[derive(Clone, Debug)]
pub(super) struct ByUdp {
    pub(super) via: String,
    pub(super) request: Bytes,
}

#[derive(Clone, Debug)]
pub(super) enum ClientMachine {
    Invite(Box<OurInvite>),
    Other { machine: ClientOther, purpose: Purpose },
}

/// An INVITE of ours, and what it takes to acknowledge whatever comes back, even after its dialog is gone.
#[derive(Clone, Debug)]
pub(super) struct OurInvite {
    pub(super) machine: ClientInvite,
    /// The dialog as it was when the INVITE left: every branch of a fork begins from it.
    pub(super) base: DialogState,
    /// Our Via, which a CANCEL and the ACK of a refusal repeat.
    pub(super) via: String,
    /// The number of our last request in any of its branches: more than their last, which is all that each of them asks for.
    pub(super) last_cseq: u32,
    /// The ACKs sent, by the tag that they answer.
    pub(super) acks: Vec<SentAck>,
    /// Ourselves as it has shown us, where what follows shows less.
    pub(super) shown: Option<String>,
}

impl OurInvite {
    /// What belongs to its own transaction, a CANCEL or the ACK of a refusal, begins from: From as it was (section 9.1).
    pub(super) fn as_sent(&self) -> DialogState {
        DialogState { local: self.shown.as_ref().unwrap_or(&self.base.local).clone(), ..self.base.clone() }
    }

    pub(super) fn new(machine: ClientInvite, base: DialogState, via: String) -> OurInvite {
        OurInvite { machine, last_cseq: base.local_cseq, base, via, acks: Vec::new(), shown: None }
    }
}

#[derive(Clone, Debug)]
pub(super) struct SentAck {
    pub(super) tag: Option<String>,
    pub(super) bytes: Bytes,
    pub(super) to: Path,
    /// What leaves by UDP instead if there is no connection.
    pub(super) by_udp: Option<Bytes>,
}

/// Why we asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To stop our INVITE.
    Cancel,
    /// To end the dialog.
    Bye,
    /// To end a dialog that nobody wanted: another branch of a fork.
    StrayBye,
    /// To know whether the peer is alive.
    Probe,
    /// To acknowledge a provisional answer.
    Prack,
    /// To refresh the session.
    Update,
    /// To say what has become of a transfer.
    Notify,
}

impl Client {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            ClientMachine::Invite(invite) => invite.machine.poll_timeout(),
            ClientMachine::Other { machine, .. } => machine.poll_timeout(),
        }
    }
    /// It has been sent from the beginning, by the transport of its path.
    pub(super) fn restart(&mut self, now: Instant) {
        let reliable = self.path.flow.is_stream();
        match &mut self.machine {
            ClientMachine::Invite(ours) => ours.machine = ClientInvite::new(now, reliable),
            ClientMachine::Other { machine, .. } => *machine = ClientOther::new(now, reliable),
        }
    }
    /// Whether nothing has come yet of what it waits for.
    pub(super) fn is_unheard(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(ours) => ours.machine.is_unheard(),
            ClientMachine::Other { machine, .. } => machine.is_pending(),
        }
    }
}

/// A dialog and what is being done with it.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) state: DialogState,
    pub(super) stage: Stage,
    /// Whose phone it is with, if it is one of our users'.
    pub(super) user: Option<String>,
    /// Whose passwords our requests in it may prove, the likeliest first: those of the trunks that led there when it began, and of nobody else. A
    /// caller's Contact may name a carrier, too.
    pub(super) customers: Vec<Customer>,
    /// Where the call came in from, or went out to over a trunk: there, and where a trunk leads, they may be proved.
    pub(super) began_at: Option<Asker>,
    /// An endpoint before this one began it.
    pub(super) left_behind: bool,
    /// Which one of theirs.
    pub(super) phone: Option<Known>,
    /// Whether its connection is gone, and there was no other.
    pub(super) cut: bool,
    /// Whether From of their INVITE names nobody.
    pub(super) unnamed: bool,
    /// From of theirs that was read last and names somebody; empty if there was none, or a long one.
    pub(super) named: Vec<u8>,
    /// Why we gave it up, for the CANCEL, or for the BYE when a 200 was quicker.
    pub(super) reason: Option<Reason>,
    /// When our BYE left.
    pub(super) left: Option<Instant>,
    /// When it leaves once more, for it found no connection.
    pub(super) leaves_again: Option<Instant>,
    /// The OPTIONS that is out.
    pub(super) probe: Option<Key>,
    /// Server transactions open for requests inside the dialog.
    pub(super) open: usize,
    /// What the peer has said that it can do.
    pub(super) can: Abilities,
    /// Our last session description.
    pub(super) ours: Bytes,
    /// What our next refresh says instead of it ([`Endpoint::settle`](super::Endpoint::settle)).
    pub(super) settled: Option<Bytes>,
    /// An UPDATE of theirs that we have not decided.
    pub(super) updated: Option<Updated>,
    /// What we want changed.
    pub(super) change: Option<Change>,
    pub(super) timer: Option<SessionTimer>,
    /// Our last provisional answer, if it was a reliable one.
    pub(super) reliable: Option<Reliable>,
    /// Where our call rings, until somebody answers.
    pub(super) branches: Vec<Branch>,
    /// Whom they want to be put through.
    pub(super) referred: Option<Referred>,
}

/// A request of theirs, other than an INVITE, that we have not answered.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) key: Key,
    pub(super) echo: Box<Echo>,
    pub(super) path: Path,
}

/// What the peer has said that it can do, in Allow and Supported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Abilities {
    pub(super) update: bool,
    pub(super) reliable: bool,
    /// It requires that provisional answers be reliable.
    pub(super) insists: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The peer calls; we have not decided. What comes inside the early dialog has higher numbers than the INVITE, whose ACK has its own.
    Incoming { invite: Key, cseq: u32, asks: bool, timer: Asks },
    /// We call.
    Outgoing { invite: Key, heard: bool, rang: bool, cancel: Cancel },
    /// Our 200 to an INVITE is out, its ACK has not come.
    Answering(Answering),
    /// Nothing is open.
    Confirmed,
    /// The peer wants a changed session; we have not decided.
    Reoffered { invite: Key, cseq: u32, asks: bool, place: Place, timer: Asks },
    /// Our BYE is out.
    Ending,
}

/// A 200 that is repeated until its ACK comes (section 13.3.1.4).
#[derive(Clone, Debug)]
pub(super) struct Answering {
    pub(super) cseq: u32,
    pub(super) ok: Bytes,
    pub(super) path: Path,
    pub(super) repeat: Repeat,
    pub(super) give_up: Instant,
    /// Whether it is the 200 that answers the call, and not one of a re-INVITE.
    pub(super) first: bool,
    /// Whether the INVITE asked for our offer, so that the ACK must answer it.
    pub(super) asks: bool,
    /// Whether a BYE waits for the ACK.
    pub(super) hang_up: bool,
}

impl Answering {
    pub(super) fn new(now: Instant, cseq: u32, sent: (Bytes, Path), first: bool, asks: bool) -> Answering {
        let (ok, path) = sent;
        Answering { cseq, ok, path, repeat: Repeat::new(now, T2), give_up: now + GIVE_UP, first, asks, hang_up: false }
    }
}

/// How far giving up our call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// To be sent when the first provisional answer comes.
    Wanted,
    /// Sent; if no final answer comes by then, there will be none (section 9.1).
    Sent {
        give_up: Instant,
    },
}

impl Leg {
    pub(super) fn new(state: DialogState, stage: Stage) -> Leg {
        let mut leg = Leg {
            state,
            stage: Stage::Confirmed,
            user: None,
            customers: Vec::new(),
            began_at: None,
            left_behind: false,
            phone: None,
            cut: false,
            unnamed: false,
            named: Vec::new(),
            reason: None,
            left: None,
            leaves_again: None,
            probe: None,
            open: 0,
            can: Abilities::default(),
            ours: Bytes::new(),
            settled: None,
            updated: None,
            change: None,
            timer: None,
            reliable: None,
            branches: Vec::new(),
            referred: None,
        };
        leg.enter(stage);
        leg
    }
    /// Whether its peer is spoken to by this connection, or at this address where there are none.
    pub(super) fn is_on(&self, flow: FlowId, addr: SocketAddr) -> bool {
        let named = flow.is_stream() && flow != FlowId::any(flow.transport());
        self.state.flow == flow && (named || self.state.peer == addr)
    }
    /// Its peer is where `path` leads. Where no connection is left and one would have to be made, the peer may still come back on one of its own.
    pub(super) fn go_by(&mut self, path: Path) {
        let is_made = path.flow.is_stream() && path.flow == FlowId::any(path.flow.transport());
        (self.state.flow, self.state.peer, self.cut) = (path.flow, path.addr, is_made);
    }
    /// Whether it may go on by this path: not in clear what was secure, and with a proxy in between by that only.
    pub(super) fn may_go_by(&self, path: Path) -> bool {
        let secure = path.flow.transport().is_secure() || !self.state.flow.transport().is_secure();
        let proxied = !self.state.route_set.is_empty() || self.phone.as_ref().is_some_and(|phone| phone.proxied);
        let there = path.flow != FlowId::any(path.flow.transport()) || !path.flow.is_stream() || path.flow.transport().can_dial();
        let elsewhere = path.flow != self.state.flow || !path.flow.is_stream() && path.addr != self.state.peer;
        elsewhere && there && secure && (!proxied || self.state.peer.ip() == path.addr.ip())
    }
    /// Whether From of a message of theirs names nobody. What most calls say in all of their messages is read once.
    pub(super) fn names_nobody(&mut self, message: &Message, from: &NameAddr<'_>) -> bool {
        let value = message.first(Name::From).unwrap_or_default();
        if !self.named.is_empty() && self.named == value {
            return false;
        }
        let nobody = names_nobody(from);
        if !nobody && value.len() <= FROM_KEPT {
            self.named = value.to_vec();
        }
        nobody
    }
    pub(super) fn enter(&mut self, stage: Stage) {
        self.state.stage = match stage {
            Stage::Incoming { .. } | Stage::Outgoing { .. } => DialogStage::Early,
            Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. } => DialogStage::Confirmed,
            Stage::Ending => DialogStage::Ending,
        };
        match stage {
            Stage::Incoming { .. } => {}
            // Nothing is wanted of a dialog that ends.
            Stage::Ending => (self.reliable, self.change, self.timer) = (None, None, None),
            Stage::Outgoing { .. } | Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. } => {
                if let Some(reliable) = &mut self.reliable {
                    reliable.rest();
                }
            }
        }
        self.stage = stage;
    }
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Answering(answering) => Some(answering.repeat.at.min(answering.give_up)),
            Stage::Outgoing { cancel: Cancel::Sent { give_up }, .. } => Some(*give_up),
            Stage::Outgoing { .. } | Stage::Incoming { .. } | Stage::Confirmed | Stage::Reoffered { .. } | Stage::Ending => None,
        };
        let change = match &self.change {
            Some(Change::Waits { at, .. }) => Some(*at),
            Some(Change::Asked { .. }) | None => None,
        };
        let timer = self.timer.as_ref().map(SessionTimer::due);
        let reliable = self.reliable.as_ref().and_then(Reliable::due);
        [stage, change, timer, reliable, self.leaves_again].into_iter().flatten().min()
    }
}

/// Who wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    Server(Key),
    Client(Key),
    Leg(DialogId),
}

/// When everybody wants to be woken: at most one time each.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms {
    queue: BTreeSet<(Instant, Alarm)>,
    times: BTreeMap<Alarm, Instant>,
}

impl Alarms {
    /// Sets or clears an alarm.
    pub(super) fn set(&mut self, alarm: Alarm, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.times.insert(alarm, at),
            None => self.times.remove(&alarm),
        };
        if let Some(before) = before {
            self.queue.remove(&(before, alarm));
        }
        if let Some(at) = at {
            self.queue.insert((at, alarm));
        }
    }
    /// Takes the earliest alarm that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Alarm> {
        let (_, alarm) = self.queue.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(alarm, None);
        Some(alarm)
    }
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}
