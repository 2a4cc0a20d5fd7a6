//! What is to be seen of the world from outside.

use super::{Sounds, Told, Voice, World};
use crate::{Ledger, PersonId};
use calls::{City, Engine};
use model::{CallRecord, Event, Instant};
use phone::Phone;
use sha2::Digest;
use std::net::SocketAddr;
use std::sync::Arc;

/// So many lines of a story are told where a day failed, each of so many letters at most.
const LINES: usize = 150;
const LINE_MAX: usize = 400;

impl Told {
    /// Said at every call and about nothing in particular.
    fn is_noise(&self) -> bool {
        match &self.what {
            Voice::Engine(event) => {
                use Event::{ByeDone, InviteDone, InviteHeard, Media, SipRequest, SipResponse};
                matches!(
                    event,
                    SipRequest { .. } | SipResponse { .. } | InviteDone { .. } | InviteHeard { .. } | ByeDone { .. } | Media { .. }
                )
            }
            Voice::Phone(..) | Voice::Reply(_) | Voice::Crashed | Voice::Restored => false,
        }
    }
}

impl World {
    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Everything that was said, in order.
    pub fn events(&self) -> &[Told] {
        &self.story
    }

    /// What was said last, line by line, for whoever must find out why a day failed; nothing, where no story is kept.
    pub fn end_of_story(&self) -> String {
        let last = self.story.iter().rev().filter(|told| !told.is_noise()).take(LINES).collect::<Vec<_>>();
        last.into_iter().rev().map(|told| format!("\n{:?} {:?}", told.at, told.what).chars().take(LINE_MAX).collect::<String>()).collect()
    }

    /// What the engine noted, in order.
    pub fn notes(&self) -> impl Iterator<Item = (Instant, &Event)> {
        self.story.iter().filter_map(|t| if let Voice::Engine(event) = &t.what { Some((t.at, event)) } else { None })
    }

    /// What a person's phone told, in order.
    pub fn told(&self, person: PersonId) -> impl Iterator<Item = (Instant, &phone::Event)> {
        self.story.iter().filter_map(move |t| match &t.what {
            Voice::Phone(id, event) if *id == person => Some((t.at, event)),
            _ => None,
        })
    }

    /// Complaints about calls of which one side cannot know any more: the engine was killed, or the phone lost its power.
    pub fn excused(&self) -> &[String] {
        &self.excused
    }

    /// Where the engine broke the protocol, by the judgement of the phones; but for [`World::excused`].
    pub fn violations(&self) -> Vec<String> {
        self.violations.clone()
    }

    /// How often an agent's state had to be repaired: never, in a world where everybody says what happens.
    pub fn repairs(&self) -> u64 {
        self.watch.repairs
    }

    /// Things done so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The call records so far, in the order in which calls ended.
    pub fn records(&self) -> &[CallRecord] {
        self.watch.records()
    }

    /// How many acts went out before their record was durable.
    pub fn flagged(&self) -> u64 {
        self.watch.flagged
    }

    /// Every call that came to the trunk: when, and what was dialled.
    pub fn calls_out(&self) -> &[(Instant, String)] {
        &self.calls_out
    }

    /// Whether the edge knows whom it must meet there by TLS.
    pub fn meets(&self, at: SocketAddr) -> bool {
        self.trusted.contains(&at)
    }

    /// The engine; `None` during an outage.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The journal.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The city.
    pub fn city(&self) -> &Arc<City> {
        &self.city
    }

    /// A person's phone.
    pub fn phone(&self, person: PersonId) -> Option<&Phone> {
        self.person(person).map(|p| &p.phone)
    }

    /// Whether this person's keys go on to whom they talk with, as a menu of another house needs; with computed sound only.
    pub fn keys_pass(&self, person: PersonId) -> bool {
        let Sounds::Mime(mime) = &self.sounds else { return false };
        self.person(person).is_some_and(|person| mime.passes_keys(person.rtp))
    }

    /// SHA-256 over every output of the engine and every event of the phones, with their times, in order, lower-case hex.
    pub fn digest(&self) -> String {
        model::hex(&self.digest.clone().finalize())
    }
}
