//! Ways to the outside: telling a carrier where we are, and asking whether it works.
//!
//! A machine of its own beside the endpoint's calls: told what came and what time it is, it says what to send and what has changed. Nobody is
//! called by it.

pub(crate) mod health;
pub(crate) mod question;
mod registration;

use crate::border::{Event, Output};
use crate::credentials::Account;
use crate::doors::Doors;
use crate::message::Message;
use crate::transaction::{Due, Key};
use crate::uri::Uri;
use health::Health;
use model::{DialogId, FlowId, HostName, Instant, LineId, Machine, Random, TrunkRegistration};
use question::Question;
use registration::Registration;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// Trunks of one city; further ones are neither registered nor asked.
pub const TRUNKS_MAX: usize = 64;

/// A trunk that registers, or is asked whether it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Which one.
    pub id: LineId,
    /// The name that leads to its machines, if it has one.
    pub name: Option<HostName>,
    /// Its machines, the one to be tried first at the front; none while nobody knows where its name leads: then it neither registers nor is asked.
    pub machines: Vec<Machine>,
    /// How to register.
    pub account: Option<Account>,
    /// How to ask whether it works.
    pub check: Option<Check>,
}

impl Trunk {
    fn is_of(&self, account: &Account) -> bool {
        self.account.as_ref().is_some_and(|now| now.is_as(account))
    }

    /// Whether it has this name; one without a name has none in common with any.
    fn is_called(&self, host: Option<&str>) -> bool {
        host.is_some() && self.name.as_ref().map(|name| name.host.as_str()) == host
    }
}

/// Asking whether a trunk works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// How often.
    pub every: Duration,
    /// After so many failures in a row a machine is down; the trunk is, when all of them are.
    pub failures: u32,
}

/// How a trunk stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkState {
    /// What came of registering last.
    pub registration: Option<TrunkRegistration>,
    /// Whether the carrier knows where we are.
    pub registered: bool,
    /// Whether it answers; `None` where nobody asks.
    pub reachable: Option<bool>,
}

/// A response, and where it was heard.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) flow: FlowId,
    pub(crate) message: &'a Message,
    pub(crate) status: u16,
}

/// Who may ask for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Where it is.
    pub ip: IpAddr,
    /// At which port, where we have called it there: another carrier's trunk may have another port of this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether we speak with it by TLS.
    pub secure: bool,
}

impl Asker {
    /// Whether the password of a trunk with this machine may be proved to it.
    fn may_hear(self, machine: &Machine) -> bool {
        self.secure || !machine.transport.is_secure()
    }

    /// Whether that of any machine of this trunk may be. Of one that nobody has found yet its configuration says how it is spoken with.
    fn may_hear_of(self, trunk: &Trunk) -> bool {
        let by_name = trunk.name.as_ref().and_then(|name| name.transport).is_none_or(|transport| !transport.is_secure());
        trunk.machines.iter().any(|machine| self.may_hear(machine)) || trunk.machines.is_empty() && (self.secure || by_name)
    }
}

/// Whose call it is to a carrier, without the password: as it can be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerName {
    /// The trunk that said so.
    pub trunk: LineId,
    /// The name of its machines, if it had one: other carriers may have accounts that are called alike.
    pub host: Option<String>,
    /// [`Account::user`].
    pub user: String,
    /// [`Account::domain`].
    pub domain: String,
    /// [`Account::login`].
    pub login: String,
    /// [`Account::realm`].
    pub realm: String,
}

/// Whom a call is of to a carrier.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    /// The trunk that said so.
    pub(crate) trunk: LineId,
    /// The name of its machines, if it has one.
    pub(crate) host: Option<String>,
    pub(crate) account: Account,
}

/// Customers of one call that are written down.
pub(crate) const CUSTOMERS_MAX: usize = 8;

impl Customer {
    /// As it is written down.
    pub(crate) fn name(&self) -> CustomerName {
        let Account { user, domain, login, realm, .. } = self.account.clone();
        CustomerName { trunk: self.trunk.clone(), host: self.host.clone(), user, domain, login, realm }
    }

    /// What was written down: its password is known to whichever trunk has that account now.
    pub(crate) fn of(name: CustomerName) -> Customer {
        let CustomerName { trunk, host, user, domain, login, realm } = name;
        Customer { trunk, host, account: Account { user, domain, login, realm, password: None, digest: Vec::new(), expires_secs: 0 } }
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trunks {
    peers: Vec<Peer>,
    /// Those with a name of which nobody knows yet where it leads.
    sought: Vec<Trunk>,
    /// Of trunks that are no more: their registrations are being taken back.
    parting: Vec<Registration>,
    /// Questions before a call, by the dialog that it will be.
    before_calls: Vec<(DialogId, Question)>,
    random: Option<Random>,
    outputs: VecDeque<Output>,
    /// We are leaving: nothing is registered any more.
    leaving: bool,
}

#[derive(Clone, Debug)]
struct Peer {
    trunk: Trunk,
    registration: Option<Registration>,
    /// One for each machine, where it is asked at all.
    health: Vec<Health>,
    /// What was said last.
    reachable: Option<bool>,
}

impl Trunks {
    /// These are the trunks from here on. What has not changed goes on; what is no more signs off. `random` is asked for once there are any.
    pub(crate) fn set(&mut self, now: Instant, doors: &Doors, trunks: Vec<Trunk>, random: &mut Random) {
        if self.random.is_none() && !trunks.is_empty() {
            self.random = Some(random.fork());
        }
        let Some(random) = &mut self.random else { return };
        let mut before = std::mem::take(&mut self.peers);
        let (found, sought): (Vec<Trunk>, Vec<Trunk>) = trunks.into_iter().take(TRUNKS_MAX).partition(|trunk| !trunk.machines.is_empty());
        self.sought = sought;
        for trunk in found {
            let same = |peer: &Peer| (&peer.trunk.id, &peer.trunk.account) == (&trunk.id, &trunk.account);
            match before.iter().position(same) {
                Some(at) => {
                    let mut peer = before.remove(at);
                    peer.changed(now, trunk);
                    self.peers.push(peer);
                }
                None => self.peers.push(Peer::new(now, trunk, random, self.leaving)),
            }
        }
        for mut gone in before.into_iter().filter_map(|peer| peer.registration) {
            // Whoever registers as the same user takes its place; were it signed off beside that, the carrier might hear the two the wrong way round.
            let stays = self.peers.iter().filter_map(|peer| peer.registration.as_ref()).any(|other| other.is_as(&gone));
            if !stays {
                gone.leave(now, doors, random, &mut self.outputs);
                self.parting.push(gone);
            }
        }
        let (parting, peers) = (&mut self.parting, &self.peers);
        let is_back = |parting: &Registration| peers.iter().filter_map(|peer| peer.registration.as_ref()).any(|other| other.is_as(parting));
        parting.retain(|parting| parting.is_asking() && !is_back(parting));
        self.parting.drain(..self.parting.len().saturating_sub(TRUNKS_MAX));
    }

    /// Lets one of the registrations that are being taken back do something. What it has to tell is no news: its trunk is no more.
    fn part(&mut self, which: impl Fn(&Registration) -> bool, act: impl Fn(&mut Registration, &mut Random, &mut VecDeque<Output>)) -> bool {
        let (Some(random), Some(parting)) = (&mut self.random, self.parting.iter_mut().find(|parting| which(parting))) else {
            return false;
        };
        let mut said = VecDeque::new();
        act(parting, random, &mut said);
        self.outputs.extend(said.into_iter().filter(|output| !matches!(output, Output::Event(_))));
        self.parting.retain(Registration::is_asking);
        true
    }

    /// Takes all registrations back, once and for all.
    pub(crate) fn leave(&mut self, now: Instant, doors: &Doors) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        let Some(random) = &mut self.random else { return };
        for registration in self.peers.iter_mut().filter_map(|peer| peer.registration.as_mut()) {
            registration.leave(now, doors, random, &mut self.outputs);
        }
    }

    /// Whether a trunk that is no more is there, and has not answered yet that it knows.
    pub(crate) fn parts_with(&self, ip: IpAddr) -> bool {
        self.parting.iter().any(|parting| parting.asks_at(ip))
    }

    /// How each stands.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&LineId, TrunkState)> {
        self.peers.iter().map(|peer| (&peer.trunk.id, peer.state()))
    }

    /// Whether a machine of a trunk answers; `None` where nobody asks.
    pub(crate) fn works(&self, trunk: &LineId, machine: Machine) -> Option<bool> {
        let peer = self.peers.iter().find(|peer| peer.trunk.id == *trunk)?;
        peer.health.iter().find(|health| health.machine == machine).map(|health| health.works)
    }

    /// What is proved of this trunk.
    pub(crate) fn customer_of(&self, trunk: &LineId) -> Option<Customer> {
        self.peers.iter().find(|peer| peer.trunk.id == *trunk)?.customer()
    }

    /// What is proved of those that lead to this address, and to this port if there is one, the ones first that a call is likely to be of.
    pub(crate) fn customers_at(&self, at: Asker, likely: impl Fn(&Account) -> bool) -> Vec<Customer> {
        let there = self.leading_to(at).filter(|peer| at.port.is_none() || peer.is_exactly(at));
        let mut found: Vec<(&Peer, Customer)> = there.filter_map(|peer| Some((peer, peer.customer()?))).collect();
        found.sort_by_key(|(peer, customer)| (!likely(&customer.account), !peer.speaks_as(at)));
        found.into_iter().map(|(_, customer)| customer).collect()
    }

    /// Whether any trunk leads to this address.
    pub(crate) fn is_there(&self, at: Asker) -> bool {
        self.leading_to(at).next().is_some()
    }

    /// Whether trunks have this very address and port, and none of them is of the carrier that this account is of.
    pub(crate) fn is_anothers(&self, at: Asker, account: &Account) -> bool {
        let of_carrier =
            |peer: &Peer| peer.trunk.account.as_ref().is_some_and(|of| (&of.domain, &of.realm) == (&account.domain, &account.realm));
        let mut there = self.peers.iter().filter(|peer| peer.is_exactly(at)).peekable();
        there.peek().is_some() && !there.any(of_carrier)
    }

    /// Whether a trunk with this account leads to this address.
    pub(crate) fn leads_to(&self, at: Asker, account: &Account) -> bool {
        self.leading_to(at).any(|peer| peer.trunk.is_of(account))
    }

    /// The port counts only where some trunk has that very port: a carrier calls from another one, and by connections of its own. The password of a trunk by
    /// TLS is nothing for whoever listens between us and the carrier.
    fn leading_to(&self, at: Asker) -> impl Iterator<Item = &Peer> {
        let is_known = self.peers.iter().any(|peer| peer.is_exactly(at));
        let there = move |peer: &&Peer| peer.trunk.machines.iter().any(|machine| is_at(machine, at.ip) && at.may_hear(machine));
        self.peers.iter().filter(there).filter(move |peer| !is_known || peer.is_exactly(at))
    }

    /// Their account as it is now for who asks: its password may be a new one. Other trunks may have that account, too, with a password each, and a trunk may
    /// have got TLS and a new one with it. So it is that of a trunk which leads there, rather the one that it was of, or one that is reached as we speak
    /// with who asks; where none does, that of the trunk it was of, if that has the name it had: elsewhere an account of another carrier may be called
    /// alike. Else as it was; and where nobody knows its password any more, that of any trunk with this account and this name. What is proved in
    /// clear is never the password of a trunk by TLS.
    pub(crate) fn as_now<'a>(&'a self, customer: &'a Customer, at: Asker) -> &'a Account {
        let own = |peer: &&Peer| peer.trunk.id == customer.trunk;
        let there =
            self.leading_to(at).filter(|peer| peer.trunk.is_of(&customer.account)).min_by_key(|peer| (!own(peer), !peer.speaks_as(at)));
        let knows = customer.account.password.is_some();
        let all = self.peers.iter().map(|peer| &peer.trunk).chain(&self.sought);
        let elsewhere =
            all.filter(|trunk| trunk.is_of(&customer.account) && trunk.is_called(customer.host.as_deref()) && at.may_hear_of(trunk));
        let elsewhere = elsewhere.filter(|trunk| !knows || trunk.id == customer.trunk).min_by_key(|trunk| trunk.id != customer.trunk);
        let now = there.map(|peer| &peer.trunk).or(elsewhere);
        now.and_then(|trunk| trunk.account.as_ref()).unwrap_or(&customer.account)
    }

    /// Asks a machine whether it is there, before it is called; [`Event::Asked`] follows, by `patience`.
    pub(crate) fn ask(&mut self, now: Instant, doors: &Doors, dialog: DialogId, to: Machine, patience: Duration, random: &mut Random) {
        let question = health::options(now, to, &format!("sip:{}", to.addr), patience, doors, random);
        self.outputs.extend(question.transmit(false));
        self.before_calls.push((dialog, question));
    }

    /// Nobody wants to know any more.
    pub(crate) fn forget(&mut self, dialog: DialogId) {
        self.before_calls.retain(|(asked, _)| *asked != dialog);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let peers = self.peers.iter().filter_map(Peer::due);
        let parting = self.parting.iter().filter_map(Registration::due);
        peers.chain(parting).chain(self.before_calls.iter().map(|(_, question)| question.due())).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, doors: &Doors) {
        let outputs = &mut self.outputs;
        self.before_calls.retain_mut(|(dialog, question)| {
            let mut asked = Some(question.clone());
            let due = question::due(&mut asked, now);
            if let Some(asked) = asked {
                *question = asked;
            }
            match due {
                Due::Resend => outputs.extend(question.transmit(true)),
                Due::TimedOut => outputs.push_back(Output::Event(Event::Asked { dialog: *dialog, works: false })),
                Due::Nothing | Due::Over => {}
            }
            due != Due::TimedOut
        });
        let is_due = |parting: &Registration| parting.due().is_some_and(|due| due <= now);
        while self.part(is_due, |parting, random, out| parting.handle_timeout(now, doors, random, out)) {}
        let Some(random) = &mut self.random else { return };
        for peer in &mut self.peers {
            peer.handle_timeout(now, doors, random, &mut self.outputs);
        }
    }

    /// A response of this key: true if the request was one of ours.
    pub(crate) fn handle_response(&mut self, now: Instant, doors: &Doors, key: Key, heard: Heard<'_>) -> bool {
        if self.answered_before_call(key, Some(heard.status))
            || self.part(|parting| parting.asks(key), |parting, random, out| parting.handle_response(now, doors, heard, random, out))
        {
            return true;
        }
        let Some(random) = &mut self.random else { return false };
        self.peers.iter_mut().any(|peer| {
            if let Some(registration) = peer.registration.as_mut().filter(|registration| registration.asks(key)) {
                registration.handle_response(now, doors, heard, random, &mut self.outputs);
                return true;
            }
            peer.answered(now, key, Some(heard.status), random, &mut self.outputs)
        })
    }

    /// A request of this key could not be sent: true if it was one of ours.
    pub(crate) fn handle_unsent(&mut self, now: Instant, key: Key) -> bool {
        if self.answered_before_call(key, None)
            || self.part(|parting| parting.asks(key), |parting, random, out| parting.unanswered(now, random, out))
        {
            return true;
        }
        let Some(random) = &mut self.random else { return false };
        self.peers.iter_mut().any(|peer| {
            if let Some(registration) = peer.registration.as_mut().filter(|registration| registration.asks(key)) {
                registration.unanswered(now, random, &mut self.outputs);
                return true;
            }
            peer.answered(now, key, None, random, &mut self.outputs)
        })
    }

    /// A connection is gone.
    pub(crate) fn handle_closed(&mut self, now: Instant, flow: FlowId) {
        let Some(random) = self.random.as_mut().filter(|_| !self.leaving) else { return };
        for registration in self.peers.iter_mut().filter_map(|peer| peer.registration.as_mut()) {
            registration.handle_closed(now, flow, random);
        }
    }

    fn answered_before_call(&mut self, key: Key, status: Option<u16>) -> bool {
        let Some(at) = self.before_calls.iter().position(|(_, question)| question.key == key) else { return false };
        if status.is_none_or(|status| status >= 200) {
            let (dialog, _) = self.before_calls.remove(at);
            let works = status.is_some_and(health::is_there);
            self.outputs.push_back(Output::Event(Event::Asked { dialog, works }));
        }
        true
    }
}

impl Peer {
    /// Whether one of its machines has this address and this port.
    fn is_exactly(&self, at: Asker) -> bool {
        self.trunk.machines.iter().any(|machine| is_at(machine, at.ip) && at.port == Some(machine.addr.port()))
    }

    fn customer(&self) -> Option<Customer> {
        let host = self.trunk.name.as_ref().map(|name| name.host.clone());
        Some(Customer { trunk: self.trunk.id.clone(), host, account: self.trunk.account.clone()? })
    }

    /// Whether it is reached as we speak with who asks: by TLS, or in clear.
    fn speaks_as(&self, at: Asker) -> bool {
        self.trunk.machines.iter().any(|machine| machine.transport.is_secure() == at.secure)
    }

    /// With `leaving`, it is not registered with any more.
    fn new(now: Instant, trunk: Trunk, random: &mut Random, leaving: bool) -> Peer {
        let account = trunk.account.clone().filter(|_| !leaving);
        let registration = account.map(|account| Registration::new(now, trunk.id.clone(), account, trunk.machines.clone(), random));
        let mut peer = Peer { trunk, registration, health: Vec::new(), reachable: None };
        peer.follow_machines(now);
        peer.reachable = peer.works();
        peer
    }

    /// The carrier's name leads elsewhere, or it is to be asked otherwise whether it works.
    fn changed(&mut self, now: Instant, trunk: Trunk) {
        if let Some(registration) = self.registration.as_mut().filter(|_| self.trunk.machines != trunk.machines) {
            registration.moved(now, &trunk.machines);
        }
        let other_check = self.trunk.check != trunk.check;
        self.trunk = trunk;
        match self.trunk.check {
            None => self.health.clear(),
            Some(_) if other_check => self.health.iter_mut().for_each(|health| health.ask_at(now)),
            Some(_) => {}
        }
        self.follow_machines(now);
        if other_check {
            self.reachable = self.works();
        }
    }

    /// Each machine is asked; of those that stay, what is known stays.
    fn follow_machines(&mut self, now: Instant) {
        if self.trunk.check.is_none() {
            return;
        }
        let mut before = std::mem::take(&mut self.health);
        for machine in &self.trunk.machines {
            let known = before.iter().position(|health| health.machine == *machine);
            self.health.push(known.map_or_else(|| Health::new(now, *machine, format!("sip:{}", machine.addr)), |at| before.remove(at)));
        }
    }

    fn works(&self) -> Option<bool> {
        self.trunk.check.map(|_| self.health.iter().any(|health| health.works))
    }

    fn state(&self) -> TrunkState {
        let (registration, registered) = self.registration.as_ref().map_or((None, false), |of| (of.how, of.registered));
        TrunkState { registration, registered, reachable: self.reachable }
    }

    fn due(&self) -> Option<Instant> {
        let health = self.health.iter().filter_map(Health::due);
        health.chain(self.registration.as_ref().and_then(Registration::due)).min()
    }

    fn handle_timeout(&mut self, now: Instant, doors: &Doors, random: &mut Random, outputs: &mut VecDeque<Output>) {
        if let Some(registration) = &mut self.registration {
            registration.handle_timeout(now, doors, random, outputs);
        }
        if let Some(check) = self.trunk.check {
            self.health.iter_mut().for_each(|health| health.handle_timeout(now, check, doors, random, outputs));
            self.tell(outputs);
        }
    }

    /// An answer to one of our checks, or `None`: it could not be sent.
    fn answered(&mut self, now: Instant, key: Key, status: Option<u16>, random: &mut Random, outputs: &mut VecDeque<Output>) -> bool {
        let Some(check) = self.trunk.check else { return false };
        let asked = self.health.iter_mut().find_map(|health| {
            let failed = health.has_failed();
            health.handle_answer(now, check, key, status).then(|| (health.machine, failed && !health.has_failed()))
        });
        if let (Some((machine, true)), Some(registration)) = (asked, &mut self.registration) {
            registration.returned(now, machine, random);
        }
        self.tell(outputs);
        asked.is_some()
    }

    /// Whether the trunk works as a whole, where that has changed.
    fn tell(&mut self, outputs: &mut VecDeque<Output>) {
        let works = self.works();
        if self.reachable != works
            && let Some(reachable) = works
        {
            outputs.push_back(Output::Event(Event::TrunkReachable { trunk: self.trunk.id.clone(), reachable }));
        }
        self.reachable = works;
    }
}

fn is_at(machine: &Machine, ip: IpAddr) -> bool {
    machine.addr.ip().to_canonical() == ip.to_canonical()
}

/// Whether this text can be a domain in an address of ours.
pub fn is_domain(text: &str) -> bool {
    Uri::parse(format!("sip:{text}").as_bytes()).is_some_and(|uri| uri.host() == text || uri.port().is_some())
}
