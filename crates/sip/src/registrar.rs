//! Where everybody's phones are: the agents' phones say it themselves, and say it again before it runs out.
//!
//! The registrar of RFC 3261 section 10.3. A user has up to [`PHONES_MAX`] phones, as somebody has who sits at a desk and carries one
//! more; all of them are called at once.
//!
//! In `entry`: which Contacts are one phone's. In `wishes`: what a REGISTER asks for.

mod entry;
mod wishes;

pub(crate) use entry::{Former, Known};
pub(crate) use wishes::Wishes;

use crate::border::Spot;
use crate::dialog::reachable;
use crate::transaction::{GIVE_UP, Key};
use crate::uri::Uri;
use crate::writer::quoted;
use bytes::Bytes;
use entry::{Entry, same_uri};
use model::{FlowId, Instant, PhoneGone};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wishes::Wish;

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
