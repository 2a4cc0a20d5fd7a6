//! Whether a machine of a carrier, or a phone, is there: it is asked by OPTIONS.
//!
//! RFC 3261 section 11. Nobody's telephone rings for an OPTIONS, so that silence to it harms nobody.

use super::Check;
use super::question::{Question, branch, due, flow};
use crate::border::Output;
use crate::doors::Doors;
use crate::transaction::{Due, Key};
use crate::writer::Writer;
use model::{Instant, Machine, Method, Random};
use std::collections::VecDeque;
use std::time::Duration;

/// By when an OPTIONS is answered, or counts as not answered.
const CHECK_ANSWER: Duration = Duration::from_secs(4);
/// How soon a check is repeated that failed.
const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// One machine that is asked again and again.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) machine: Machine,
    /// As whom it is asked.
    uri: String,
    /// Until it has failed often enough, it does.
    pub(crate) works: bool,
    failures: u32,
    /// When it is asked next.
    at: Option<Instant>,
    asked: Option<Question>,
}

impl Health {
    /// The first question is due at `at`.
    pub(crate) fn new(at: Instant, machine: Machine, uri: String) -> Health {
        Health { machine, uri, works: true, failures: 0, at: Some(at), asked: None }
    }

    /// Something else was heard of it: it need not be asked for a while.
    pub(crate) fn heard(&mut self, now: Instant, check: Check) {
        self.checked(now, check, true);
    }

    /// It is to be asked otherwise: what is known of it stays.
    pub(crate) fn ask_at(&mut self, at: Instant) {
        self.at = Some(at);
    }

    /// Whether it was not there when it was asked last.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.asked.as_ref().map(Question::due).into_iter().chain(self.at).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, check: Check, doors: &Doors, random: &mut Random, out: &mut VecDeque<Output>) {
        match due(&mut self.asked, now) {
            Due::Resend => out.extend(self.asked.iter().flat_map(|asked| asked.transmit(true))),
            Due::TimedOut => self.checked(now, check, false),
            Due::Nothing | Due::Over => {}
        }
        if self.at.is_some_and(|at| at <= now) && self.asked.is_none() {
            self.at = None;
            let asked = options(now, self.machine, &self.uri, CHECK_ANSWER, doors, random);
            out.extend(asked.transmit(false));
            self.asked = Some(asked);
        }
    }

    /// A response, or `None`: our question could not be sent. Whether it was ours.
    pub(crate) fn handle_answer(&mut self, now: Instant, check: Check, key: Key, status: Option<u16>) -> bool {
        let ours = self.asked.as_ref().is_some_and(|asked| asked.key == key);
        if ours && status.is_none_or(|status| status >= 200) {
            self.checked(now, check, status.is_some_and(is_there));
        }
        ours
    }

    fn checked(&mut self, now: Instant, check: Check, works: bool) {
        self.asked = None;
        self.failures = if works { 0 } else { self.failures.saturating_add(1) };
        self.at = Some(now + if works { check.every } else { check.every.min(CHECK_AGAIN) });
        self.works = works || self.failures < check.failures && self.works;
    }
}

/// Whatever it says, it is there; but for one that says that it cannot (RFC 3261 section 21.5.4).
pub(crate) fn is_there(status: u16) -> bool {
    status != 503 && status != 408
}

/// The question.
pub(crate) fn options(now: Instant, machine: Machine, to: &str, patience: Duration, doors: &Doors, random: &mut Random) -> Question {
    let (branch, local) = (branch(random), doors.at(machine.transport));
    let request = Writer::request("OPTIONS", to)
        .header("Via", doors.via(flow(machine), &branch))
        .header("Max-Forwards", "70")
        .header("From", format!("<sip:{local}>;tag={}", random.token(16)))
        .header("To", format!("<{to}>"))
        .header("Call-ID", random.token(26))
        .header("CSeq", "1 OPTIONS")
        .header("Contact", doors.contact(flow(machine), to))
        .header("Accept", "application/sdp")
        .empty();
    Question::new(now, machine, &branch, Method::Options, request, patience)
}
