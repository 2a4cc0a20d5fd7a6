//! The endpoint: one SIP user agent with a registrar, holding every dialog and every transaction.
//!
//! RFC 3261 sections 8, 9, 11 to 15 as core over the machines of section 17. One input, then drain, then the next.

mod admission;
mod body;
mod challenge;
mod change;
mod command;
mod fork;
mod in_dialog;
mod info;
mod refer;
mod reliable;
mod replaces;
mod request;
mod response;
mod session_id;
mod session_timer;
mod store;
mod streams;
mod timeout;
mod will;
mod wire;

use crate::border::{Admission, Census, Command, Config, Event, Output};
use crate::bounds::ECHO_MAX;
use crate::dialog::{DialogState, Will};
use crate::digest::Gate;
use crate::doors::Doors;
use crate::header::{Name, Via};
use crate::keeper::Keeper;
use crate::lexis::list;
use crate::message::{Essentials, Fault, Message};
use crate::registrar::{Binding, Registrar};
use crate::transaction::{Key, Names};
use crate::trunk::{CUSTOMERS_MAX, Check, Customer, Trunk, TrunkState, Trunks};
use bytes::Bytes;
use model::{DialogId, FlowId, Ha1, Instant, LineId, Machine, Now, PhoneGone, Random, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use store::{Alarm, Alarms, Client, ClientMachine, Echo, Leg, Path, Server, Stage};

/// Dialogs at once; beyond that an INVITE gets 503 with Retry-After. The calls refuse long before.
pub const DIALOGS_MAX: usize = 4096;
/// Server transactions at once; beyond that an INVITE gets 503 with Retry-After, and requests inside dialogs are answered without
/// being remembered.
pub const TRANSACTIONS_MAX: usize = 32_768;
/// What Retry-After says when we are full, in seconds.
const RETRY_AFTER_SECS: u32 = 10;

/// A SIP user agent and registrar, without sockets.
#[derive(Clone, Debug)]
pub struct Endpoint {
    config: Config,
    /// Where we are heard.
    doors: Doors,
    random: Random,
    /// Tags of responses without a transaction are signed with it.
    secret: [u8; 32],
    names: Names,
    gate: Gate,
    users: BTreeMap<String, Ha1>,
    registrar: Registrar,
    keeper: Keeper,
    trunks: Trunks,
    admission: Admission,
    door_closed: bool,
    /// Boxed, as all that is large and comes and goes: a map moves what stands beside it each time.
    legs: BTreeMap<DialogId, Box<Leg>>,
    /// Dialogs by our tag, which nobody can guess.
    tags: BTreeMap<String, DialogId>,
    servers: BTreeMap<Key, Box<Server>>,
    /// INVITE transactions by what copies on other ways have in common with them.
    merges: BTreeMap<Key, Key>,
    clients: BTreeMap<Key, Box<Client>>,
    alarms: Alarms,
    outputs: VecDeque<Output>,
    dialogs_made: u64,
}

/// A request that is being answered.
struct Asked<'a> {
    now: Instant,
    path: Path,
    /// Where the answer goes, should its connection be gone.
    back: Path,
    message: &'a Message,
    essentials: Essentials<'a>,
    key: Key,
    echo: Echo,
    /// Whose number it has taken: from there on it is answered in a transaction, so that a copy gets the same answer.
    dialog: Option<DialogId>,
}

impl Asked<'_> {
    /// Whether no proxy has passed it on.
    fn is_direct(&self) -> bool {
        self.message.values(Name::Via).count() == 1
    }
}

impl Endpoint {
    /// An endpoint without users and calls.
    pub fn new(config: Config, mut random: Random) -> Self {
        let gate = Gate::new(&config.realm, &config.digest, &mut random);
        let secret = random.seed();
        Endpoint {
            secret,
            names: Names::new(&secret),
            gate,
            doors: Doors::new(config.local),
            config,
            random,
            users: BTreeMap::new(),
            registrar: Registrar::default(),
            keeper: Keeper::default(),
            trunks: Trunks::default(),
            admission: Admission::default(),
            door_closed: false,
            legs: BTreeMap::new(),
            tags: BTreeMap::new(),
            servers: BTreeMap::new(),
            merges: BTreeMap::new(),
            clients: BTreeMap::new(),
            alarms: Alarms::default(),
            outputs: VecDeque::new(),
            dialogs_made: 0,
        }
    }

    /// Who may register, by user name. Whoever is no longer among them loses the registration.
    pub fn set_users(&mut self, users: BTreeMap<String, Ha1>) {
        for user in self.registrar.retain(&users) {
            self.event(Event::Unregistered { user, expired: false });
        }
        self.keeper.retain(&users);
        self.users = users;
    }

    /// How every phone that is registered by UDP is asked whether it is there; `None`: only those behind a router are, now and then.
    pub fn set_phone_check(&mut self, check: Option<Check>) {
        self.keeper.set(check);
    }

    /// Whose messages count for whose dialogs, and who may name this machine.
    pub fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Whether new calls are turned away without any memory of them (503 with Retry-After), but for those of our users.
    pub fn close_door(&mut self, closed: bool) {
        self.door_closed = closed;
    }

    /// Whether one of our users' phones is registered at this address.
    pub fn is_registered_at(&self, addr: SocketAddr) -> bool {
        self.registrar.is_at(|there| there == addr)
    }

    /// Which trunks register, or are asked whether they work. Those that are no more sign off.
    pub fn set_trunks(&mut self, now: Now, trunks: Vec<Trunk>) {
        self.trunks.set(now.mono, &self.doors, trunks, &mut self.random);
    }

    /// How each of them stands.
    pub fn trunks(&self) -> impl Iterator<Item = (&LineId, TrunkState)> {
        self.trunks.states()
    }

    /// Whether a machine of a trunk answers our checks; `None` where nobody asks it.
    pub fn works(&self, trunk: &LineId, machine: Machine) -> Option<bool> {
        self.trunks.works(trunk, machine)
    }

    /// Whether a registration with a trunk that is no more is being taken back there: its answers count.
    pub fn parts_with(&self, ip: IpAddr) -> bool {
        self.trunks.parts_with(ip)
    }

    /// No more calls are to come: every registration with a carrier is taken back.
    pub fn sign_off(&mut self, now: Now) {
        self.trunks.leave(now.mono, &self.doors);
    }

    /// An id for an outgoing INVITE.
    pub fn new_dialog(&mut self) -> DialogId {
        self.dialogs_made += 1;
        DialogId(self.dialogs_made)
    }

    /// A datagram, or a message that a [`Framer`](crate::Framer) cut out of a stream, came on `flow` from the address `from`.
    pub fn handle_message(&mut self, now: Now, flow: FlowId, from: SocketAddr, bytes: &Bytes) {
        // Phones keep their way through a router open with empty datagrams (RFC 5626 section 3.5.1 and worse).
        if bytes.iter().all(|b| b"\r\n\0 ".contains(b)) {
            return;
        }
        let path = Path { flow, addr: from };
        match Message::parse(bytes) {
            Ok(message) if message.method().is_some() => self.handle_request(now.mono, path, &message),
            Ok(message) => self.handle_response(now.mono, path, &message),
            Err(malformed) => self.refuse_malformed(path, malformed.request.as_deref(), malformed.fault),
        }
    }

    /// Something is wanted.
    pub fn handle_command(&mut self, now: Now, command: Command) {
        self.obey(now.mono, command);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((user, change)) = self.registrar.handle_timeout(now.mono) {
            self.registration_changed(&user, change, true);
            self.follow_phones(now.mono, &user);
        }
        for (user, at) in self.keeper.handle_timeout(now.mono, &self.doors) {
            let change = self.registrar.lose(&user, &at, PhoneGone::Silent);
            change.into_iter().for_each(|change| self.registration_changed(&user, change, true));
        }
        self.trunks.handle_timeout(now.mono, &self.doors);
        while let Some(alarm) = self.alarms.pop(now.mono) {
            match alarm {
                Alarm::Server(key) => self.server_timeout(now.mono, key),
                Alarm::Client(key) => self.client_timeout(now.mono, key),
                Alarm::Leg(dialog) => self.leg_timeout(now.mono, dialog),
            }
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| self.trunks.poll_output()).or_else(|| self.keeper.poll_output())
    }

    /// When [`Endpoint::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let beside = [self.registrar.poll_timeout(), self.keeper.poll_timeout(), self.trunks.poll_timeout()];
        beside.into_iter().chain([self.alarms.next()]).flatten().min()
    }

    /// Where a user's phones are: at most [`PHONES_MAX`](crate::PHONES_MAX), the one that was heard longest ago first.
    pub fn bindings(&self, user: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        self.registrar.bindings(user)
    }

    /// The same, for who calls them: each phone once, on the way on which it was heard last.
    pub fn phones(&self, user: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        self.registrar.phones(user)
    }

    /// The state of a dialog, as it can be written down.
    pub fn dialog(&self, id: DialogId) -> Option<DialogState> {
        self.legs.get(&id).map(|leg| leg.state.clone())
    }

    /// Our last session description in this dialog.
    pub fn said(&self, id: DialogId) -> Option<Bytes> {
        self.legs.get(&id).map(|leg| leg.ours.clone()).filter(|ours| !ours.is_empty())
    }

    /// What another endpoint would need to end this dialog, as it can be written down.
    pub fn will(&self, id: DialogId) -> Option<Will> {
        let leg = self.legs.get(&id)?;
        let via = match &leg.stage {
            Stage::Outgoing { invite, .. } => self.clients.get(invite).and_then(|client| match &client.machine {
                ClientMachine::Invite(ours) => Some(ours.via.clone()),
                ClientMachine::Other { .. } => None,
            }),
            Stage::Incoming { .. } | Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. } | Stage::Ending => None,
        };
        let customers = leg.customers.iter().take(CUSTOMERS_MAX).map(Customer::name).collect();
        Some(Will { state: leg.state.clone(), via, customers, began_at: leg.began_at })
    }

    /// From here on our messages in this dialog show no name: the one that they have shown is of somebody who wants to stay unnamed. What is on its
    /// way already is not called back.
    pub fn unname(&mut self, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let bare = |local: &str| local.rfind('<').map(|at| local[at..].to_owned());
        if let Some(bare) = bare(&leg.state.local) {
            leg.state.local = bare;
        }
        for client in self.clients.values_mut().filter(|client| client.dialog == dialog) {
            if let ClientMachine::Invite(ours) = &mut client.machine
                && let Some(bare) = bare(&ours.base.local)
            {
                let shown = std::mem::replace(&mut ours.base.local, bare);
                ours.shown.get_or_insert(shown);
            }
        }
    }

    /// How many of each thing are alive.
    pub fn census(&self) -> Census {
        Census {
            dialogs: self.legs.len() as u64,
            transactions: (self.servers.len() + self.clients.len()) as u64,
            timers: self.alarms.len() as u64,
        }
    }

    /// Drops all state of a dialog at once, without a word to anybody.
    pub fn forget(&mut self, dialog: DialogId) {
        self.trunks.forget(dialog);
        if let Some(leg) = self.legs.remove(&dialog) {
            self.tags.remove(&leg.state.local_tag);
        }
        self.alarms.set(Alarm::Leg(dialog), None);
        let servers: Vec<Key> = self.servers.iter().filter(|(_, s)| s.dialog == dialog).map(|(key, _)| *key).collect();
        let clients: Vec<Key> = self.clients.iter().filter(|(_, c)| c.dialog == dialog).map(|(key, _)| *key).collect();
        servers.into_iter().for_each(|key| self.remove_server(key));
        clients.into_iter().for_each(|key| self.remove_client(key));
    }

    /// A request: a copy of one that is known, one for a dialog, or something new.
    fn handle_request(&mut self, now: Instant, path: Path, message: &Message) {
        let essentials = match message.essentials() {
            Ok(essentials) => essentials,
            Err(fault) => return self.refuse_malformed(path, Some(message), fault),
        };
        let (method, key) = (essentials.cseq.method, self.names.server(message, &essentials));
        if method == "ACK" {
            self.count_request(path.addr, method, false);
            return self.handle_ack(now, path.addr.ip(), message, &essentials, key);
        }
        if self.servers.contains_key(&key) {
            self.count_request(path.addr, method, true);
            return self.handle_again(key, path.back(&essentials.via, self.config.local));
        }
        let back = path.back(&essentials.via, self.config.local);
        let session = session_id::theirs(message).map(|theirs| self.session_id(essentials.call_id, Some(theirs)));
        let echo = Echo::of(message, path.addr).in_session(session);
        let mut asked = Asked { now, path, back, message, essentials, key, echo, dialog: None };
        if method == "REGISTER" && self.handle_register_again(&asked) {
            return;
        }
        self.count_request(path.addr, method, false);
        if asked.echo.size() > ECHO_MAX {
            // An answer that fits into no datagram reaches nobody.
            if path.flow.is_stream() || asked.echo.size_of_refusal() <= 4 * ECHO_MAX {
                self.refuse(&asked, 513);
            }
            return;
        }
        match (method, asked.essentials.to.tag()) {
            ("CANCEL", _) => self.handle_cancel(&asked),
            ("REGISTER", None) => self.handle_register(&asked),
            (_, Some(our_tag)) => self.handle_in_dialog(&mut asked, our_tag),
            ("INVITE", None) => self.handle_invite(&asked),
            ("OPTIONS", None) => self.handle_options(&asked),
            // These speak of a call; without our tag they name none (RFC 3261 section 12.2.2).
            ("BYE" | "UPDATE" | "PRACK" | "INFO", None) => self.refuse(&asked, 481),
            // Nobody outside a call may have us call somebody.
            ("REFER", None) => self.refuse(&asked, 403),
            (_, None) => self.refuse_method(&asked),
        }
    }

    /// A message that is broken: answered with 400 (or 505) if it is a request with a Via to answer to, else dropped.
    fn refuse_malformed(&mut self, path: Path, request: Option<&Message>, fault: Fault) {
        let echo = request.filter(|r| r.method() != Some("ACK")).map(|r| Echo::of(r, path.addr));
        let via = request.and_then(|r| r.first(Name::Via));
        let answered = echo.filter(|e| e.size() <= ECHO_MAX && via.is_some());
        self.note(model::Event::SipMalformed { answered: answered.is_some() });
        let Some(echo) = answered else { return };
        let (status, words) = match fault {
            Fault::Version => (505, "Version Not Supported".to_owned()),
            // The framer hands on a head without its body only if both together are larger than any message may be.
            Fault::BodyTooShort if matches!(path.flow.transport(), Transport::Tcp | Transport::Tls) => {
                (513, "Message Too Large".to_owned())
            }
            other => (400, format!("Bad Request: {other}")),
        };
        let bytes = echo.response_saying(status, &words, "malformed").empty();
        let via = via.and_then(|via| list(via).next()).and_then(Via::parse);
        let back = via.map_or(path, |via| path.back(&via, self.config.local));
        self.transmit_response(None, back, status, bytes);
    }
}
