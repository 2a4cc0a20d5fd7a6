//! Where everybody's phones are: the agents' phones say it themselves, and say it again before it runs out.
//!
//! The registrar of RFC 3261 section 10.3. A user has up to [`PHONES_MAX`] phones, as somebody has who sits at a desk and carries one
//! more; all of them are called at once.
//!
//! The standard knows Contacts, not phones. A phone that starts anew, or gets another address, registers another Contact and never takes
//! the old one back; called beside the living one it would cost a leg and two seconds each time. So a Contact takes the place of another one
//! when both are surely one phone's: the same URI (section 10.3 item 7); the same Call-ID further on (section 10.2: "All registrations
//! from a UAC SHOULD use the same Call-ID"); the same `+sip.instance` (RFC 5626 section 4.1); or the same socket, by where its packets
//! come from and by the host and port that it wants to be called at. What is left is a phone without an instance that comes back on
//! another port: its dead twin goes by the first call that it does not answer ([`Registrar::put_out`]), or runs out.

use crate::border::Spot;
use crate::bounds::CONTACTS_MAX;
use crate::dialog::{is_translated, reachable, routes_in};
use crate::header::{Name, NameAddr};
use crate::lexis::same_name;
use crate::message::{Essentials, Message};
use crate::transaction::{GIVE_UP, Key};
use crate::uri::{DEFAULT_PORT, Scheme, Uri};
use crate::writer::quoted;
use bytes::Bytes;
use model::{FlowId, Instant, PhoneGone};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The shortest registration, in seconds. A wish for less is refused, for nobody may be kept longer than they want (section 10.3 item 7).
pub(crate) const EXPIRES_MIN: u64 = 30;
/// The longest registration, in seconds; a wish for more is cut to it. Also what no wish gets (section 10.3 item 6).
const EXPIRES_MAX: u64 = 120;
/// Phones of one user. One more puts out the one that has been silent longest. A desk phone, a softphone and one to carry are three; who
/// needs more wants a queue.
pub const PHONES_MAX: usize = 3;
/// Ways of all phones of one user together: two for each (RFC 5626 section 4.2).
const WAYS_MAX: usize = 2 * PHONES_MAX;

/// Where one of a user's phones is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose it is.
    pub user: String,
    /// The URI to call.
    pub contact: String,
    /// The flow that it registered on.
    pub flow: FlowId,
    /// Where its packets came from.
    pub addr: SocketAddr,
    /// The proxies between us and it, nearest first, as URIs (RFC 3327): where a call to it goes.
    pub path: Vec<String>,
    /// When it registered last.
    pub heard: Instant,
    /// When the registration runs out.
    pub expires: Instant,
}

/// One phone, as it has said of itself when it registered.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Whose it is.
    pub(crate) user: String,
    contact: String,
    instance: Option<String>,
    call_id: String,
    /// Whether it is behind a proxy (RFC 3327).
    pub(crate) proxied: bool,
}

impl Known {
    /// By the instance where both have one (RFC 5626 section 4.1), else by the Contact.
    fn is(&self, instance: Option<&str>, contact: &str) -> bool {
        match (instance, &self.instance) {
            (Some(one), Some(other)) => one == other,
            _ => same_uri(contact, &self.contact),
        }
    }
}

/// What happened to a user's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Registered {
        /// The user had none.
        fresh: bool,
        /// One is where none was.
        moved: bool,
    },
    /// One phone is gone, and the user has others.
    Gone { at: Spot, why: PhoneGone },
    /// The last one is gone.
    Unregistered,
}

/// What a REGISTER has changed.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    pub(crate) changes: Vec<Change>,
    /// Where the phones that it names surely were before, and are not any more.
    pub(crate) former: Vec<Former>,
}

/// Where a phone was.
#[derive(Debug)]
pub(crate) struct Former {
    phone: Known,
    pub(crate) flow: FlowId,
    pub(crate) addr: SocketAddr,
}

impl Former {
    /// Whether it is this one: others may have spoken by the same connection.
    pub(crate) fn is(&self, phone: &Known) -> bool {
        self.phone.is(phone.instance.as_deref(), &phone.contact)
    }
}

/// What a REGISTER asks for, read before anything is changed.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// Every Contact; `None` for `*`.
    contacts: Option<Vec<Wish>>,
    call_id: String,
    cseq: u32,
    path: Vec<String>,
    /// Whether a phone keeps its connection for us to call it by, and wants to hear that we do (RFC 5626 section 6).
    pub(crate) outbound: bool,
}

/// One Contact of a REGISTER.
#[derive(Clone, Debug)]
struct Wish {
    uri: String,
    /// Zero to remove it.
    seconds: u64,
    /// Which phone it is, where it says so.
    instance: Option<String>,
    /// Which of its ways.
    reg_id: Option<u32>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Counted: two ways of one phone may have the same Contact.
    serial: u64,
    binding: Binding,
    call_id: String,
    cseq: u32,
    instance: Option<String>,
    reg_id: Option<u32>,
}

/// The answer to a REGISTER.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) key: Key,
    /// Who asked: nobody else gets it.
    pub(crate) from: IpAddr,
    pub(crate) at: Instant,
    pub(crate) status: u16,
    pub(crate) bytes: Bytes,
}

/// All bindings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registrar {
    /// Of at most [`PHONES_MAX`] phones for each user, who was heard longest ago first; nobody without any.
    entries: BTreeMap<String, Vec<Entry>>,
    /// How many there have been.
    written: u64,
    /// When, whose, and which entry.
    expiries: BTreeSet<(Instant, String, u64)>,
    /// The last REGISTERs of each user and their answers, for copies of them: at most one for each phone. In place of transactions, so that
    /// memory follows the number of users and not the number of packets.
    answers: BTreeMap<String, VecDeque<Answer>>,
}

impl Registrar {
    /// Whether a phone is registered whose packets come from such an address.
    pub(crate) fn is_at(&self, fits: impl Fn(SocketAddr) -> bool) -> bool {
        self.entries.values().flatten().any(|entry| fits(entry.binding.addr))
    }
}

impl Wishes {
    /// Reads the Contacts of a REGISTER. The error is the status to refuse with.
    pub(crate) fn parse(request: &Message, essentials: &Essentials<'_>) -> Result<Wishes, u16> {
        let seconds = |text: &[u8]| crate::lexis::number(text);
        // Section 20.19: a malformed value counts as the longest that we grant.
        let general = request.first(Name::Expires).map(|e| seconds(e).unwrap_or(EXPIRES_MAX));
        let values: Vec<&[u8]> = request.values(Name::Contact).take(CONTACTS_MAX + 1).collect();
        let path = routes_in(request, Name::Path).map_err(|_| 400u16)?;
        let wishes = |contacts| Wishes {
            contacts,
            call_id: essentials.call_id.to_owned(),
            cseq: essentials.cseq.number,
            path: path.clone(),
            outbound: false,
        };
        if values.contains(&&b"*"[..]) {
            // Section 10.2.2: "*" stands alone and with an expiry of 0.
            return if values.len() == 1 && general == Some(0) { Ok(wishes(None)) } else { Err(400) };
        }
        if values.len() > CONTACTS_MAX {
            return Err(400);
        }
        let mut contacts = Vec::with_capacity(values.len());
        for value in values {
            let contact = NameAddr::parse(value).ok_or(400u16)?;
            let uri = contact.uri();
            // Headers in a Contact would become headers of our next INVITE to it (RFC 4475 section 3.3.14).
            if uri.has_headers() || !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
                return Err(400);
            }
            let wish = contact.expires().or(general).unwrap_or(EXPIRES_MAX);
            if (1..EXPIRES_MIN).contains(&wish) {
                return Err(423);
            }
            let granted = wish.min(EXPIRES_MAX);
            // RFC 5626 section 6: a reg-id without an instance is ignored.
            let instance = contact.instance();
            let reg_id = contact.reg_id().filter(|_| instance.is_some());
            contacts.push(Wish { uri: uri.text().to_owned(), seconds: granted, instance, reg_id });
        }
        // RFC 5626 section 6: each of a phone's ways is registered by itself, for its request has come by one of them only.
        if contacts.iter().filter(|wish| wish.reg_id.is_some() && wish.seconds > 0).count() > 1 {
            return Err(400);
        }
        let able = request.values(Name::Supported).any(|word| same_name(word, b"outbound"));
        let outbound = able && contacts.iter().any(|wish| wish.reg_id.is_some() && wish.seconds > 0);
        Ok(Wishes { outbound, ..wishes(Some(contacts)) })
    }
    /// Whether a phone wants to be called by TLS only, and nobody stands in between who could do that.
    pub(crate) fn want_tls(&self) -> bool {
        let wants = |target: &str| Uri::parse(target.as_bytes()).is_some_and(|uri| uri.wants_tls());
        self.path.is_empty() && self.targets().any(wants)
    }
    /// All that could have us send: the Contacts, and the first proxy before them.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let contacts = self.contacts.iter().flatten().filter(|wish| wish.seconds > 0).map(|wish| wish.uri.as_str());
        contacts.chain(self.path.first().map(String::as_str))
    }
    /// What alone leads to this user: the first proxy, or the Contacts of a phone that has no connection to us.
    pub(crate) fn depends_on(&self, connected: bool) -> impl Iterator<Item = &str> {
        let by_contact = self.path.is_empty() && !connected;
        self.targets().filter(move |target| by_contact || self.path.first().is_some_and(|first| first == target))
    }
}

impl Registrar {
    /// Where a user's phones are.
    pub(crate) fn bindings(&self, user: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        self.of(user).iter().map(|entry| &entry.binding)
    }

    /// A user's phone that is called at this place, or that speaks from it; `None` if it could be more than one.
    pub(crate) fn known(&self, user: &str, at: impl Fn(&Binding) -> bool) -> Option<Known> {
        let mut there = self.of(user).iter().filter(|entry| at(&entry.binding));
        let entry = there.next()?;
        let same = |other: &Entry| {
            let instance = entry.instance.is_some() && entry.instance == other.instance;
            // Behind a proxy the way is the proxy's.
            let proxied = !entry.binding.path.is_empty() && !other.binding.path.is_empty();
            instance || proxied || entry.binding.contact == other.binding.contact
        };
        if !there.all(same) {
            return None;
        }
        Some(entry.known())
    }

    /// By which ways a phone is reached now, who was heard last first: known by the instance where it has one (RFC 5626 section 4.1), else by its Contact; or,
    /// where nobody has that any more, by the Call-ID that it registers with.
    pub(crate) fn ways_of(&self, phone: &Known) -> Vec<&Binding> {
        let there: Vec<&Entry> = self.of(&phone.user).iter().rev().filter(|entry| entry.binding.path.is_empty() != phone.proxied).collect();
        let same = |entry: &&&Entry| phone.is(entry.instance.as_deref(), &entry.binding.contact);
        let mut found: Vec<&Binding> = there.iter().filter(same).map(|entry| &entry.binding).collect();
        if found.is_empty() {
            found.extend(there.iter().filter(|entry| entry.call_id == phone.call_id).map(|entry| &entry.binding));
            // Several Contacts of one REGISTER are as many phones.
            found.truncate(if found.len() == 1 { 1 } else { 0 });
        }
        found
    }

    /// The same as values of Contact; with the name of the phone and the number of its way where it has said them, so that it can tell its ways apart
    /// (RFC 5626 section 9.2).
    pub(crate) fn contacts(&self, now: Instant, user: &str) -> impl Iterator<Item = String> + use<'_> {
        self.of(user).iter().map(move |entry| {
            let instance = entry.instance.as_ref().map(|instance| format!(";+sip.instance={}", quoted(instance))).unwrap_or_default();
            let reg_id = entry.reg_id.map(|reg_id| format!(";reg-id={reg_id}")).unwrap_or_default();
            format!("<{}>{instance}{reg_id};expires={}", entry.binding.contact, entry.binding.expires.since(now).as_secs())
        })
    }

    /// The same, for who calls: a phone that is there on several ways is called on the one that was heard last (RFC 5626 section 5.3).
    pub(crate) fn phones(&self, user: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        let entries = self.of(user);
        let again = |at: usize, entry: &Entry| {
            entry.instance.is_some() && entries.iter().skip(at + 1).any(|later| later.instance == entry.instance)
        };
        entries.iter().enumerate().filter(move |(at, entry)| !again(*at, entry)).map(|(_, entry)| &entry.binding)
    }

    /// Does what an authenticated user's REGISTER asks for.
    ///
    /// # Errors
    /// The status to refuse with: 500 when a REGISTER of the same call comes out of order (section 10.3 item 7).
    pub(crate) fn handle_register(
        &mut self,
        now: Instant,
        user: &str,
        wishes: Wishes,
        flow: FlowId,
        addr: SocketAddr,
    ) -> Result<Registered, u16> {
        let Wishes { mut contacts, call_id, cseq, path, outbound: _ } = wishes;
        // What is taken back makes room first: the same way may be named anew.
        contacts.iter_mut().for_each(|contacts| contacts.sort_by_key(|wish| wish.seconds > 0));
        let changing = contacts.as_ref().is_none_or(|c| !c.is_empty());
        if changing && self.of(user).iter().any(|e| e.call_id == call_id && cseq <= e.cseq) {
            return Err(500);
        }
        let before = !self.of(user).is_empty();
        let is_known = |uri: &str| {
            let here = |entry: &Entry| (entry.binding.flow, entry.binding.addr) == (flow, addr) && same_uri(&entry.binding.contact, uri);
            self.of(user).iter().any(here)
        };
        let moved = contacts.iter().flatten().any(|wish| wish.seconds > 0 && !is_known(&wish.uri));
        let (mut gone, mut former) = (Vec::new(), Vec::new());
        match contacts {
            None => drop(self.remove_all(user)),
            Some(contacts) => {
                let named: Vec<String> = contacts.iter().map(|wish| wish.uri.clone()).collect();
                // One that takes its old Contact back and names a new one has moved there.
                let is_one = contacts.iter().filter(|wish| wish.seconds > 0).count() == 1;
                for Wish { uri, seconds, instance, reg_id } in contacts {
                    if seconds > 0 {
                        let expires = now + Duration::from_secs(seconds);
                        let binding = Binding { user: user.to_owned(), contact: uri, flow, addr, path: path.clone(), heard: now, expires };
                        self.written = self.written.saturating_add(1);
                        let entry = Entry { serial: self.written, binding, call_id: call_id.clone(), cseq, instance, reg_id };
                        former.extend(self.forget_former(&entry, &named).into_iter().filter(|old| entry.has_moved_from(old)));
                        gone.extend(self.insert(entry).into_iter().map(|at| Change::Gone { at, why: PhoneGone::Full }));
                    } else {
                        let way = instance.as_deref().zip(reg_id);
                        let left = self.take(user, |entry| entry.is_of(way, &uri));
                        let moves = |old: &Entry| is_one && old.call_id == call_id && old.is_direct() && path.is_empty();
                        gone.extend(left.iter().map(|old| Change::Gone { at: old.spot(), why: PhoneGone::Left }));
                        former.extend(left.into_iter().filter(moves));
                    }
                }
            }
        }
        let changes = match (before, !self.of(user).is_empty()) {
            (true, false) => vec![Change::Unregistered],
            (_, true) if changing => gone.into_iter().chain([Change::Registered { fresh: !before, moved }]).collect(),
            (_, _) => Vec::new(),
        };
        let elsewhere =
            |old: &Entry| (old.binding.flow, old.binding.addr) != (flow, addr) && old.binding.flow.transport() == flow.transport();
        let was = |old: Entry| Former { phone: old.known(), flow: old.binding.flow, addr: old.binding.addr };
        Ok(Registered { changes, former: former.into_iter().filter(elsewhere).map(was).collect() })
    }

    /// A phone was called and has said nothing at all, and had not registered since `silent_since`: it is forgotten, unless it is the only one of the
    /// user, who would be signed out by it. Whether it was.
    pub(crate) fn put_out(&mut self, user: &str, at: &Spot, silent_since: Instant) -> bool {
        let others = self.of(user).iter().any(|entry| !entry.stands_at(at));
        others && !self.remove(user, |entry| entry.stands_at(at) && entry.binding.heard <= silent_since).is_empty()
    }

    fn of(&self, user: &str) -> &[Entry] {
        self.entries.get(user).map_or(&[], Vec::as_slice)
    }

    /// Forgets what was known of a phone that has registered. `named` are all Contacts of its REGISTER: none of them is a former one of another.
    fn forget_former(&mut self, entry: &Entry, named: &[String]) -> Vec<Entry> {
        self.take(&entry.binding.user, |old| {
            let contact = &old.binding.contact;
            old.is_of(entry.way(), &entry.binding.contact) || entry.is_phone_of(old) && !named.iter().any(|uri| same_uri(uri, contact))
        })
    }

    /// Writes a phone down. What had to go for want of room.
    fn insert(&mut self, entry: Entry) -> Vec<Spot> {
        let user = entry.binding.user.clone();
        self.expiries.insert((entry.binding.expires, user.clone(), entry.serial));
        let entries = self.entries.entry(user.clone()).or_default();
        entries.push(entry);
        let mut gone = Vec::new();
        while self.phones(&user).count() > PHONES_MAX || self.of(&user).len() > WAYS_MAX {
            let Some(silent) = self.of(&user).first().map(|entry| entry.serial) else { break };
            gone.extend(self.remove(&user, |entry| entry.serial == silent));
        }
        gone
    }

    /// Forgets some of a user's phones; where they were.
    fn remove(&mut self, user: &str, which: impl Fn(&Entry) -> bool) -> Vec<Spot> {
        self.take(user, which).iter().map(Entry::spot).collect()
    }

    fn take(&mut self, user: &str, which: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let Some(entries) = self.entries.get_mut(user) else { return Vec::new() };
        let gone: Vec<Entry> = entries.extract_if(.., |entry| which(entry)).collect();
        if entries.is_empty() {
            self.entries.remove(user);
        }
        for Entry { serial, binding, .. } in &gone {
            self.expiries.remove(&(binding.expires, binding.user.clone(), *serial));
        }
        gone
    }

    fn remove_all(&mut self, user: &str) -> Vec<Spot> {
        self.remove(user, |_| true)
    }

    /// Forgets whoever is not in `known` any more, and says who that was.
    pub(crate) fn retain<T>(&mut self, known: &BTreeMap<String, T>) -> Vec<String> {
        self.answers.retain(|user, _| known.contains_key(user));
        let gone: Vec<String> = self.entries.keys().filter(|user| !known.contains_key(*user)).cloned().collect();
        for user in &gone {
            self.remove_all(user);
        }
        gone
    }

    /// The next registration that has run out by now, if any: it is forgotten. Whose it was, and what that is for them.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<(String, Change)> {
        let (_, user, serial) = self.expiries.first().filter(|(at, ..)| *at <= now).cloned()?;
        let at = self.remove(&user, |entry| entry.serial == serial).pop()?;
        let change = if self.of(&user).is_empty() { Change::Unregistered } else { Change::Gone { at, why: PhoneGone::Expired } };
        Some((user, change))
    }
    /// When the next registration runs out.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, ..)| *at)
    }

    /// A connection is gone. A phone with another way is called on that; one that can be connected to is called where its Contact says. Whoever was
    /// reached by this connection only (TLS, WebSocket, from behind a router, or by its own wish: RFC 5626) cannot be called any more, and is to
    /// be lost: whose, and what that is for them.
    pub(crate) fn handle_closed(&mut self, flow: FlowId) -> Vec<(String, Change)> {
        // RFC 5626 section 5.3: a way that has failed is forgotten, where the phone has another one.
        let other_way = |entry: &Entry, all: &[Entry]| {
            entry.instance.is_some() && all.iter().any(|other| other.instance == entry.instance && other.binding.flow != flow)
        };
        let failed = self.entries.iter().flat_map(|(user, all)| {
            let lost = all.iter().filter(|entry| entry.binding.flow == flow && other_way(entry, all));
            lost.map(|entry| (user.clone(), entry.serial))
        });
        for (user, serial) in failed.collect::<Vec<_>>() {
            self.remove(&user, |entry| entry.serial == serial);
        }
        // Who is behind a proxy is called by whatever connection leads there.
        for entry in self.entries.values_mut().flatten().filter(|entry| entry.binding.flow == flow && !entry.binding.path.is_empty()) {
            entry.binding.flow = FlowId::any(flow.transport());
        }
        let direct = |entry: &&mut Entry| entry.binding.flow == flow && entry.binding.path.is_empty();
        let mut lost = Vec::new();
        for Entry { serial, binding, reg_id, .. } in self.entries.values_mut().flatten().filter(direct) {
            let named = Uri::parse(binding.contact.as_bytes()).and_then(|uri| uri.socket_addr());
            match named.filter(|named| named.ip() == binding.addr.ip() && reachable(*named, binding.addr)) {
                Some(named) if flow.transport().can_dial() && reg_id.is_none() => {
                    (binding.addr, binding.flow) = (named, FlowId::any(flow.transport()));
                }
                Some(_) | None => lost.push((binding.user.clone(), *serial)),
            }
        }
        let lose = |(user, serial): (String, u64)| {
            let change = self.lose_where(&user, PhoneGone::Lost, |entry| entry.serial == serial)?;
            Some((user, change))
        };
        lost.into_iter().filter_map(lose).collect()
    }

    /// A phone is not there any more, though it has not said so. What that is for its user.
    pub(crate) fn lose(&mut self, user: &str, at: &Spot, why: PhoneGone) -> Option<Change> {
        self.lose_where(user, why, |entry| entry.stands_at(at))
    }

    fn lose_where(&mut self, user: &str, why: PhoneGone, which: impl Fn(&Entry) -> bool) -> Option<Change> {
        let at = self.remove(user, which).pop()?;
        Some(if self.of(user).is_empty() { Change::Unregistered } else { Change::Gone { at, why } })
    }

    /// The answer that a copy of one of a user's last REGISTERs gets.
    pub(crate) fn answer(&self, now: Instant, user: &str, key: Key, from: IpAddr) -> Option<&Answer> {
        self.answers.get(user)?.iter().find(|a| (a.key, a.from) == (key, from) && now.since(a.at) < GIVE_UP)
    }
    /// Keeps the answer to a user's REGISTER for copies of it.
    pub(crate) fn keep_answer(&mut self, user: &str, answer: Answer) {
        let answers = self.answers.entry(user.to_owned()).or_default();
        answers.truncate(WAYS_MAX - 1);
        answers.push_front(answer);
    }
}

impl Entry {
    fn spot(&self) -> Spot {
        Spot { contact: self.binding.contact.clone(), addr: self.binding.addr }
    }

    fn known(&self) -> Known {
        Known {
            user: self.binding.user.clone(),
            contact: self.binding.contact.clone(),
            instance: self.instance.clone(),
            call_id: self.call_id.clone(),
            proxied: !self.is_direct(),
        }
    }

    /// Whether no proxy leads to it: behind one, the way is the proxy's.
    fn is_direct(&self) -> bool {
        self.binding.path.is_empty()
    }

    /// Whether this phone, which has registered in the place of `old`, is to be spoken to here and not there any more: its way has the number of the old one
    /// (RFC 5626 section 4.2), or its Contact is another, or a router in between has given it another address: where it was, or where it is. Where it
    /// registers from says nothing else of where it is: a large REGISTER goes by TCP, some make a connection for each, and of several machines before a
    /// phone each writes its own Contact.
    fn has_moved_from(&self, old: &Entry) -> bool {
        let is_same = self.instance.is_some() && self.instance == old.instance || self.call_id == old.call_id;
        let is_known =
            self.instance.is_some() || self.binding.addr.ip() == old.binding.addr.ip() || old.is_behind_router() || self.is_behind_router();
        let same_way = self.way().is_some() && self.way() == old.way();
        let other_contact = is_known && !same_uri(&self.binding.contact, &old.binding.contact);
        let other_address = old.is_behind_router() && !self.binding.flow.is_stream();
        is_same && self.is_direct() && old.is_direct() && (same_way || other_contact || other_address)
    }

    /// Whether its Contact is of a house, and its packets come from elsewhere.
    fn is_behind_router(&self) -> bool {
        is_translated(Uri::parse(self.binding.contact.as_bytes()).and_then(|uri| uri.ip()), self.binding.addr)
    }

    fn stands_at(&self, at: &Spot) -> bool {
        self.binding.contact == at.contact && self.binding.addr == at.addr
    }

    /// Which of its ways to us a phone has registered on (RFC 5626 section 4.2).
    fn way(&self) -> Option<(&str, u32)> {
        self.instance.as_deref().zip(self.reg_id)
    }

    /// Whether a Contact of a REGISTER means this one: by its way where both have one (RFC 5626 section 6), else by its URI.
    fn is_of(&self, way: Option<(&str, u32)>, uri: &str) -> bool {
        match (self.way(), way) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => same_uri(&self.binding.contact, uri),
        }
    }

    /// Whether this is surely the phone that `old` was. Several Contacts of one REGISTER are as many phones as it says.
    fn is_phone_of(&self, old: &Entry) -> bool {
        let same_call = self.call_id == old.call_id;
        if same_call && self.cseq == old.cseq {
            return false;
        }
        // One phone on two ways stands twice, so that one of them may fail.
        if let (Some((ours, this)), Some((theirs, other))) = (self.way(), old.way())
            && ours == theirs
        {
            return this == other;
        }
        let same_instance = self.instance.is_some() && (&self.instance, self.reg_id) == (&old.instance, old.reg_id);
        let (ours, theirs) = (&self.binding, &old.binding);
        let same_socket = (ours.flow, ours.addr) == (theirs.flow, theirs.addr) && place(&ours.contact) == place(&theirs.contact);
        same_call || same_instance || same_socket
    }
}

/// Whether two Contacts are equal (section 19.1.4).
fn same_uri(a: &str, b: &str) -> bool {
    match (Uri::parse(a.as_bytes()), Uri::parse(b.as_bytes())) {
        (Some(a), Some(b)) => a.same(&b),
        _ => a == b,
    }
}

/// The host and port that a Contact wants to be called at.
fn place(contact: &str) -> Option<(String, u16)> {
    let uri = Uri::parse(contact.as_bytes())?;
    Some((uri.host().to_ascii_lowercase(), uri.port().unwrap_or(DEFAULT_PORT)))
}
