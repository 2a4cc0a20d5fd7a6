//! Provisional answers that count: 180 and 183 that are repeated until they are acknowledged.
//!
//! RFC 3262, both roles. As the called side we send them so to whoever knows that, one at a time; unacknowledged for 64*T1, the call is
//! refused. As the caller we acknowledge them in their order, each branch of a fork by itself.

use super::body::session_description;
use super::session_timer::lists;
use super::store::{ClientMachine, Path, Purpose, Stage};
use super::{Asked, Endpoint};
use crate::border::Event;
use crate::dialog::DialogState;
use crate::header::Name;
use crate::lexis::number;
use crate::message::{Essentials, Message};
use crate::transaction::{Due, GIVE_UP, Key, Repeat};
use crate::writer::{Writer, with_line};
use bytes::Bytes;
use model::{DialogId, Instant, Method};
use std::time::Duration;

/// Our last reliable provisional answer.
#[derive(Clone, Debug)]
pub(super) struct Reliable {
    rseq: u32,
    cseq: u32,
    /// Its PRACK has come.
    acknowledged: bool,
    /// While it is repeated.
    unheard: Option<Unheard>,
}

#[derive(Clone, Debug)]
struct Unheard {
    bytes: Bytes,
    path: Path,
    status: u16,
    repeat: Repeat,
    give_up: Instant,
}

impl Reliable {
    pub(super) fn due(&self) -> Option<Instant> {
        self.unheard.as_ref().map(|unheard| unheard.repeat.at.min(unheard.give_up))
    }
    /// It is repeated by another way, whose Contact of ours is another.
    pub(super) fn go_by(&mut self, path: Path, contact: &str) {
        if let Some(unheard) = &mut self.unheard {
            (unheard.path, unheard.bytes) = (path, with_line(&unheard.bytes, "Contact", contact));
        }
    }
    /// The final answer is out: nothing is repeated any more (section 3).
    pub(super) fn rest(&mut self) {
        self.unheard = None;
    }
}

impl Endpoint {
    // ---- ours ----------------------------------------------------------------------------------------------------------------

    /// Tells the caller how far we are: reliably where they know that. Beside one that is not acknowledged yet, there is no second.
    pub(super) fn provisional(&mut self, now: Instant, dialog: DialogId, status: u16) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let Stage::Incoming { invite, cseq, asks, .. } = &leg.stage else { return };
        if !(101..200).contains(&status) || leg.reliable.as_ref().is_some_and(|reliable| reliable.unheard.is_some()) {
            return;
        }
        let (invite, cseq, asks) = (*invite, *cseq, *asks);
        // RFC 3261 section 13.2.1: a reliable one would have to carry our offer; that goes into the 200.
        if asks && leg.can.insists {
            return;
        }
        let reliably = leg.can.reliable && !asks;
        let rseq = match &leg.reliable {
            // Section 3: "the RSeq number ... MUST be greater by exactly one".
            Some(last) => last.rseq + 1,
            None => 1 + u32::try_from(self.random.below(1 << 30)).unwrap_or_default(),
        };
        let contact = self.contact_for(dialog);
        let finish = |w: Writer| {
            let writer = w.header("Contact", contact);
            if reliably { writer.header("Require", "100rel").header("RSeq", rseq.to_string()).empty() } else { writer.empty() }
        };
        let Some((bytes, path)) = self.reply_invite(now, invite, status, finish) else { return };
        if let Some(leg) = self.legs.get_mut(&dialog).filter(|_| reliably) {
            // Section 3: "an interval that starts at T1 seconds and doubles for each retransmission", without end.
            let repeat = Repeat::new(now, Duration::MAX);
            let unheard = Some(Unheard { bytes, path, status, repeat, give_up: now + GIVE_UP });
            leg.reliable = Some(Reliable { rseq, cseq, acknowledged: false, unheard });
            self.set_leg_alarm(dialog);
        }
    }

    /// They acknowledge a provisional answer.
    pub(super) fn handle_prack(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        let Some(rack) = asked.message.other("RAck").and_then(rack) else { return self.refuse(asked, 400) };
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        // Section 3: one that matches nothing unacknowledged gets 481. After our 200 it is acknowledged still.
        let ours = leg.reliable.as_mut().filter(|ours| (ours.rseq, ours.cseq) == rack && !ours.acknowledged);
        let Some(ours) = ours else { return self.refuse(asked, 481) };
        (ours.acknowledged, ours.unheard) = (true, None);
        self.set_leg_alarm(dialog);
        // Section 5: an offer in it would have to be answered in its 200; there is none to make before ours to the INVITE is answered.
        let status = session_description(asked.message).map_or_else(|status| status, |offer| if offer.is_some() { 488 } else { 200 });
        self.reply_in_dialog(asked, dialog, status, Writer::empty);
    }

    /// The time of a provisional answer has come: it is repeated, or the call is refused.
    pub(super) fn provisional_timeout(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(unheard) = leg.reliable.as_mut().and_then(|reliable| reliable.unheard.as_mut()) else { return };
        if unheard.give_up <= now {
            // Section 3: "the UAS SHOULD reject the original request with a 5xx response".
            let Stage::Incoming { invite, .. } = leg.stage else { return };
            self.reply_invite(now, invite, 504, Writer::empty);
            self.event(Event::Cancelled { dialog });
            return self.end(now, dialog);
        }
        if unheard.repeat.due(now) == Due::Resend {
            let (path, status, bytes) = (unheard.path, unheard.status, unheard.bytes.clone());
            self.transmit_response(Some(dialog), path, status, bytes);
        }
    }

    // ---- theirs --------------------------------------------------------------------------------------------------------------

    /// A provisional answer to our INVITE: acknowledged if it wants to be and is the next. `false`: it came again, or out of order, and
    /// says nothing (section 4); but where it comes again over a connection it is acknowledged again, unless that was heard: "doing so does not create a
    /// protocol error".
    pub(super) fn acknowledge_provisional(
        &mut self,
        now: Instant,
        path: Path,
        dialog: DialogId,
        key: Key,
        message: &Message,
        e: &Essentials<'_>,
    ) -> bool {
        let rseq = message.other("RSeq").and_then(number).and_then(|n| u32::try_from(n).ok());
        let (Some(rseq), Some(tag)) = (rseq.filter(|_| lists(message, Name::Require, "100rel")), e.to.tag()) else { return true };
        let Some(base) = self.our_invite(key) else { return true };
        let Some(leg) = self.legs.get_mut(&dialog) else { return true };
        let Some(branch) = leg.branch(tag) else { return false };
        let is_next = branch.is_next(rseq);
        if !is_next {
            // Over a connection nothing repeats our PRACK, and one that dies takes it along.
            let Some(unheard) = branch.unheard_prack(rseq).filter(|_| path.flow.is_stream()) else { return false };
            if let Some(client) = self.clients.get(&unheard) {
                let (path, request) = (client.path, client.request.clone());
                self.transmit_request(dialog, path, Method::Prack, true, request);
                return false;
            }
        }
        let local_cseq = leg.state.local_cseq;
        let mut state = DialogState { local_cseq, ..self.as_answered(&base, message, e, path.addr) };
        let cseq = base.local_cseq;
        let prack = self.ask_with(now, dialog, &mut state, Method::Prack, Purpose::Prack, |w| {
            w.header("RAck", format!("{rseq} {cseq} INVITE")).empty()
        });
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.state.local_cseq = state.local_cseq;
            leg.branch(tag).into_iter().for_each(|branch| branch.acknowledged_by(prack));
        }
        if let Some(ClientMachine::Invite(invite)) = self.clients.get_mut(&key).map(|client| &mut client.machine) {
            invite.last_cseq = state.local_cseq;
        }
        is_next
    }
}

/// The numbers of an RAck: of the provisional answer and of its INVITE.
fn rack(value: &[u8]) -> Option<(u32, u32)> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut next = || words.next().and_then(number).and_then(|n| u32::try_from(n).ok());
    let numbers = (next()?, next()?);
    (words.next() == Some(b"INVITE") && words.next().is_none()).then_some(numbers)
}
