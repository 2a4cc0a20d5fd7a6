//! Requests inside a dialog: the peer hangs up, changes the session, or asks whether we are there.
//!
//! RFC 3261 sections 12.2.2, 13.3.1.4, 14.2 and 15.1.2. A request with the right Call-ID and both tags is the peer's if it comes
//! from where the peer can be (`admission.rs`).

use super::request::{capabilities, session_description};
use super::store::{Path, Stage};
use super::wire::OPEN_MAX;
use super::{Asked, Endpoint, TRANSACTIONS_MAX};
use crate::border::Event;
use crate::dialog::target;
use crate::message::Essentials;
use crate::writer::{ALLOW, Writer};
use model::{DialogId, Instant};
use std::net::IpAddr;

impl Endpoint {
    /// The dialog that Call-ID and tags name.
    fn named(&self, essentials: &Essentials<'_>, our_tag: &str) -> Option<DialogId> {
        let id = self.tags.get(our_tag)?;
        let leg = self.legs.get(id)?;
        let from_tag = essentials.from.tag();
        // A phone that we call may speak before its first answer has reached us.
        let unheard =
            matches!(leg.stage, Stage::Outgoing { .. }) && leg.state.remote_tag.is_none() && leg.state.call_id == essentials.call_id;
        (unheard || leg.state.is_with(essentials.call_id, from_tag)).then_some(*id)
    }

    /// A request with a To tag.
    pub(super) fn handle_in_dialog(&mut self, asked: &Asked<'_>, our_tag: &str) {
        let Some(dialog) = self.named(&asked.essentials, our_tag) else { return self.refuse(asked, 481) };
        if !self.legs.get(&dialog).is_some_and(|leg| self.is_peer(&leg.state, asked.path.addr.ip())) {
            self.note(model::Event::ForeignRequest);
            return self.refuse(asked, 481);
        }
        let (method, cseq) = (asked.essentials.cseq.method, asked.essentials.cseq.number);
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        // Section 12.2.2: a lower number is out of order: 500. The same number again, in another transaction, is an old request
        // played back; only of a BYE we take it, because whoever wants to hang up shall.
        let late = leg.state.remote_cseq.is_some_and(|last| cseq < last || (cseq == last && method != "BYE"));
        if late {
            return self.refuse(asked, 500);
        }
        if method != "BYE" && self.refuse_extensions(asked) {
            return;
        }
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.state.remote_cseq = Some(cseq);
        }
        match method {
            "BYE" => self.handle_bye(asked, dialog),
            "INVITE" => self.handle_reinvite(asked, dialog),
            "OPTIONS" => self.reply_in_dialog(asked, dialog, 200, capabilities),
            // INFO too: our Allow does not list it, and digits come by RFC 4733.
            _ => self.reply_in_dialog(asked, dialog, 405, |w| w.header("Allow", ALLOW).empty()),
        }
    }

    /// The peer hangs up.
    fn handle_bye(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        self.reply_in_dialog(asked, dialog, 200, Writer::empty);
        match self.legs.get(&dialog).map(|leg| &leg.stage) {
            // Before our answer it is as good as a CANCEL; `end` gives the INVITE its 487.
            Some(Stage::Incoming { .. }) => {
                self.event(Event::Cancelled { dialog });
                self.end(asked.now, dialog);
            }
            // Section 15 forbids it to the called side of an early dialog; whoever does it will not answer any more.
            Some(Stage::Outgoing { .. }) => self.give_up(asked.now, dialog, None),
            Some(Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. }) => {
                self.event(Event::Bye { dialog });
                self.end(asked.now, dialog);
            }
            // The two BYEs crossed: ours decides.
            Some(Stage::Ending) | None => {}
        }
    }

    /// The peer wants to change the session.
    fn handle_reinvite(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        match &leg.stage {
            // Section 14.2: an INVITE of theirs has no answer yet.
            Stage::Incoming { .. } | Stage::Reoffered { .. } => {
                let seconds = self.random.below(11);
                return self.reply(asked, 500, |w| w.header("Retry-After", seconds.to_string()).empty());
            }
            // Section 14.2: an INVITE of ours has no answer yet. Likewise our 200 without an ACK: an offer may still be open.
            Stage::Outgoing { .. } | Stage::Answering(_) => return self.refuse(asked, 491),
            Stage::Ending => return self.refuse(asked, 481),
            Stage::Confirmed => {}
        }
        // A peer that keeps changing its mind would have us repeat a refusal for each.
        if leg.open >= OPEN_MAX || self.servers.len() >= TRANSACTIONS_MAX {
            return self.reply(asked, 503, |w| w.header("Retry-After", super::RETRY_AFTER_SECS.to_string()).empty());
        }
        let Some(offer) = self.offer(asked) else { return };
        let target = match target(asked.message) {
            Ok(target) => target,
            Err(header) => return self.refuse_header(asked, header),
        };
        let peer = Some(asked.back.addr.ip());
        let allowed = |ip| self.admission.here.iter().any(|net| net.contains(ip));
        if target.as_ref().is_some_and(|target| self.is_here(target)) && !peer.is_some_and(allowed) {
            return self.refuse(asked, 403);
        }
        let tag = asked.essentials.to.tag().unwrap_or_default();
        self.begin_invite(asked, dialog, tag);
        self.enter(dialog, Stage::Reoffered { invite: asked.key, cseq: asked.essentials.cseq.number, target });
        self.event(Event::Reoffer { dialog, offer });
    }

    /// The peer confirms our 200.
    pub(super) fn handle_dialog_ack(&mut self, now: Instant, from: IpAddr, essentials: &Essentials<'_>) {
        let Some(dialog) = essentials.to.tag().and_then(|tag| self.named(essentials, tag)) else { return };
        if !self.legs.get(&dialog).is_some_and(|leg| self.is_peer(&leg.state, from)) {
            return self.note(model::Event::ForeignRequest);
        }
        let Some(Stage::Answering(answering)) = self.legs.get(&dialog).map(|leg| &leg.stage) else { return };
        if answering.cseq != essentials.cseq.number {
            return;
        }
        let (first, hang_up) = (answering.first, answering.hang_up);
        self.enter(dialog, Stage::Confirmed);
        if first {
            self.event(Event::Acked { dialog });
        }
        if hang_up {
            self.hang_up(now, dialog);
        }
    }

    /// We agree to the changed session: from here on the peer is where its re-INVITE says and came from (section 12.2.2).
    pub(super) fn answer_reoffer(&mut self, now: Instant, dialog: DialogId, sdp: &[u8]) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let Stage::Reoffered { invite, cseq, target } = &leg.stage else { return };
        let (invite, cseq, target) = (*invite, *cseq, target.clone());
        let contact = self.contact_for(dialog);
        let finish = |w: Writer| w.header("Contact", contact).header("Allow", ALLOW).body("application/sdp", sdp);
        let Some(sent) = self.reply_invite(now, invite, 200, finish) else { return };
        if let Some(leg) = self.legs.get_mut(&dialog) {
            let Path { flow, addr } = sent.1;
            (leg.state.flow, leg.state.peer) = (flow, addr);
            leg.state.remote_target = target.unwrap_or_else(|| leg.state.remote_target.clone());
        }
        self.await_ack(now, dialog, cseq, sent, false);
    }

    /// We do not agree; the session stays as it is.
    pub(super) fn refuse_reoffer(&mut self, now: Instant, dialog: DialogId, status: u16) {
        let Some(Stage::Reoffered { invite, .. }) = self.legs.get(&dialog).map(|leg| &leg.stage) else { return };
        self.reply_invite(now, *invite, super::command::refusal(status), Writer::empty);
        self.enter(dialog, Stage::Confirmed);
    }

    /// The body of an answer, if it is a session description.
    pub(super) fn answer_of(message: &crate::message::Message) -> Option<bytes::Bytes> {
        session_description(message).ok().flatten()
    }
}
