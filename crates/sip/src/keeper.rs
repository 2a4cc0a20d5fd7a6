//! Phones that are reached through somebody's router are kept reachable, and missed when they are gone.
//!
//! OPTIONS to the phone, outside any dialog (RFC 3261 section 11): it keeps the router's door open, which over UDP closes within a minute or
//! less of silence (RFC 4787 section 4.3), and who does not answer several times in a row is not there. A phone over a connection is missed
//! when the connection is.

use crate::border::{Output, Spot};
use crate::doors::Doors;
use crate::registrar::Binding;
use crate::transaction::Key;
use crate::trunk::Check;
use crate::trunk::health::Health;
use crate::uri::Uri;
use model::{Instant, Machine, Random, Transport};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How a phone behind a router is asked where the city says nothing else.
const BEHIND_A_ROUTER: Check = Check { every: Duration::from_secs(30), failures: 3 };

/// All phones that are asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeper {
    /// How every phone by UDP is asked; `None`: only those behind a router are.
    check: Option<Check>,
    /// By user and where they are.
    phones: BTreeMap<(String, Spot), Health>,
    random: Option<Random>,
    outputs: VecDeque<Output>,
}

impl Keeper {
    pub(crate) fn set(&mut self, check: Option<Check>) {
        self.check = check;
    }

    fn check(&self) -> Check {
        self.check.unwrap_or(BEHIND_A_ROUTER)
    }

    /// These are a user's phones from here on; the one that has just spoken is at the end. `random` is asked for once somebody is to be asked.
    pub(crate) fn follow<'a>(&mut self, now: Instant, user: &str, phones: impl Iterator<Item = &'a Binding>, random: &mut Random) {
        let check = self.check();
        let wanted = |phone: &&Binding| {
            // A proxy that stays in between keeps its own doors.
            !phone.flow.is_stream() && phone.path.is_empty() && (self.check.is_some() || is_behind_a_router(phone))
        };
        let wanted: Vec<(Spot, bool)> =
            phones.filter(wanted).map(|phone| (Spot { contact: phone.contact.clone(), addr: phone.addr }, phone.heard == now)).collect();
        self.phones.retain(|(of, at), _| of != user || wanted.iter().any(|(spot, _)| spot == at));
        for (at, spoke) in wanted {
            let (machine, contact) = (Machine { transport: Transport::Udp, addr: at.addr }, at.contact.clone());
            match self.phones.entry((user.to_owned(), at)) {
                Entry::Occupied(mut phone) if spoke => phone.get_mut().heard(now, check),
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(Health::new(now + check.every, machine, contact));
                }
            }
        }
        if self.random.is_none() && !self.phones.is_empty() {
            self.random = Some(random.fork());
        }
    }

    /// Users that are no more have no phones.
    pub(crate) fn retain<T>(&mut self, users: &BTreeMap<String, T>) {
        self.phones.retain(|(user, _), _| users.contains_key(user));
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.phones.values().filter_map(Health::due).min()
    }

    /// Whoever has not answered often enough: whose, and where.
    pub(crate) fn handle_timeout(&mut self, now: Instant, doors: &Doors) -> Vec<(String, Spot)> {
        let check = self.check();
        let Some(random) = &mut self.random else { return Vec::new() };
        self.phones.values_mut().for_each(|phone| phone.handle_timeout(now, check, doors, random, &mut self.outputs));
        let gone: Vec<(String, Spot)> = self.phones.iter().filter(|(_, phone)| !phone.works).map(|(key, _)| key.clone()).collect();
        self.phones.retain(|_, phone| phone.works);
        gone
    }

    /// A response of this key: true if the question was ours.
    pub(crate) fn handle_response(&mut self, now: Instant, key: Key) -> bool {
        let check = self.check();
        // Whatever it says, even that it is busy with something else (503): it is there.
        self.phones.values_mut().any(|phone| phone.handle_answer(now, check, key, Some(200)))
    }
}

/// Whether a phone's packets come from elsewhere than where it thinks it is.
fn is_behind_a_router(phone: &Binding) -> bool {
    let named = Uri::parse(phone.contact.as_bytes()).and_then(|uri| uri.socket_addr());
    named.is_some_and(|named| named != phone.addr)
}
