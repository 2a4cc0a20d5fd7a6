//! Where everybody's phone is: the agents' phones say it themselves, and say it again before it runs out.
//!
//! The registrar of RFC 3261 section 10.3. One phone for each user: the last one to register wins.

use crate::header::{Name, NameAddr};
use crate::message::{Essentials, Message};
use crate::transaction::{GIVE_UP, Key};
use crate::uri::{Scheme, Uri};
use bytes::Bytes;
use model::{FlowId, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The shortest registration, in seconds; a wish for less is raised to it.
const EXPIRES_MIN: u64 = 30;
/// The longest registration, in seconds; a wish for more is cut to it. Also what no wish gets (section 10.3 item 6).
const EXPIRES_MAX: u64 = 120;
/// How many Contacts of one REGISTER are read.
const CONTACTS_MAX: usize = 8;

/// Where a user's phone is.
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
    /// When the registration runs out.
    pub expires: Instant,
}

/// What happened to a user's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Registered { fresh: bool },
    Unregistered,
}

/// What a REGISTER asks for, read before anything is changed.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// Every Contact with its time in seconds, zero to remove it; `None` for `*`.
    contacts: Option<Vec<(String, u64)>>,
    call_id: String,
    cseq: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    binding: Binding,
    call_id: String,
    cseq: u32,
}

/// The answer to a REGISTER.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) key: Key,
    pub(crate) at: Instant,
    pub(crate) status: u16,
    pub(crate) bytes: Bytes,
}

/// All bindings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registrar {
    entries: BTreeMap<String, Entry>,
    expiries: BTreeSet<(Instant, String)>,
    /// The last REGISTER of each user and its answer, for copies of it. In place of a transaction, so that memory follows the
    /// number of users and not the number of packets.
    answers: BTreeMap<String, Answer>,
}

impl Wishes {
    /// Reads the Contacts of a REGISTER. The error is the status to refuse with.
    pub(crate) fn parse(request: &Message, essentials: &Essentials<'_>) -> Result<Wishes, u16> {
        let seconds = |text: &[u8]| crate::lexis::number(text);
        // Section 20.19: a malformed value counts as the longest that we grant.
        let general = request.first(Name::Expires).map(|e| seconds(e).unwrap_or(EXPIRES_MAX));
        let values: Vec<&[u8]> = request.values(Name::Contact).take(CONTACTS_MAX + 1).collect();
        let wishes = |contacts| Wishes { contacts, call_id: essentials.call_id.to_owned(), cseq: essentials.cseq.number };
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
            let granted = if wish == 0 { 0 } else { wish.clamp(EXPIRES_MIN, EXPIRES_MAX) };
            contacts.push((uri.text().to_owned(), granted));
        }
        Ok(wishes(Some(contacts)))
    }
}

impl Registrar {
    /// Where a user's phone is.
    pub(crate) fn binding(&self, user: &str) -> Option<&Binding> {
        self.entries.get(user).map(|e| &e.binding)
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
    ) -> Result<Vec<Change>, u16> {
        let Wishes { contacts, call_id, cseq } = wishes;
        let changing = contacts.as_ref().is_none_or(|c| !c.is_empty());
        if changing && self.entries.get(user).is_some_and(|e| e.call_id == call_id && cseq <= e.cseq) {
            return Err(500);
        }
        let mut changes = Vec::new();
        let Some(contacts) = contacts else {
            changes.extend(self.remove(user).then_some(Change::Unregistered));
            return Ok(changes);
        };
        let before = self.entries.contains_key(user);
        for (contact, seconds) in contacts {
            if seconds > 0 {
                let binding = Binding { user: user.to_owned(), contact, flow, addr, expires: now + Duration::from_secs(seconds) };
                self.insert(Entry { binding, call_id: call_id.clone(), cseq });
            } else if self.is_at(user, &contact) {
                self.remove(user);
            }
        }
        match (before, self.entries.contains_key(user)) {
            (true, false) => changes.push(Change::Unregistered),
            (_, true) if changing => changes.push(Change::Registered { fresh: !before }),
            (_, _) => {}
        }
        Ok(changes)
    }

    fn is_at(&self, user: &str, contact: &str) -> bool {
        let same = |b: &Binding| match (Uri::parse(b.contact.as_bytes()), Uri::parse(contact.as_bytes())) {
            (Some(ours), Some(theirs)) => ours.same(&theirs),
            _ => false,
        };
        self.binding(user).is_some_and(same)
    }
    fn insert(&mut self, entry: Entry) {
        let user = entry.binding.user.clone();
        self.remove(&user);
        self.expiries.insert((entry.binding.expires, user.clone()));
        self.entries.insert(user, entry);
    }
    /// Forgets a user's phone; whether there was one.
    pub(crate) fn remove(&mut self, user: &str) -> bool {
        let Some(entry) = self.entries.remove(user) else { return false };
        self.expiries.remove(&(entry.binding.expires, entry.binding.user));
        true
    }

    /// Forgets whoever is not in `known` any more, and says who that was.
    pub(crate) fn retain<T>(&mut self, known: &BTreeMap<String, T>) -> Vec<String> {
        self.answers.retain(|user, _| known.contains_key(user));
        let gone: Vec<String> = self.entries.keys().filter(|user| !known.contains_key(*user)).cloned().collect();
        for user in &gone {
            self.remove(user);
        }
        gone
    }

    /// The next registration that has run out by now, if any: it is forgotten.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<String> {
        let (_, user) = self.expiries.first().filter(|(at, _)| *at <= now).cloned()?;
        self.remove(&user);
        Some(user)
    }
    /// When the next registration runs out.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// The answer that a copy of a user's last REGISTER gets.
    pub(crate) fn answer(&self, now: Instant, user: &str, key: Key) -> Option<&Answer> {
        self.answers.get(user).filter(|a| a.key == key && now.since(a.at) < GIVE_UP)
    }
    /// Keeps the answer to a user's REGISTER for copies of it.
    pub(crate) fn keep_answer(&mut self, user: &str, answer: Answer) {
        self.answers.insert(user.to_owned(), answer);
    }
}
