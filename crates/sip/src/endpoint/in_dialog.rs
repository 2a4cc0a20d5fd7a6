//! Requests inside a dialog: the peer hangs up, changes the session, or asks whether we are there.
//!
//! RFC 3261 sections 12.2.2, 13.3.1.4 and 15.1.2. What changes a session is in `change.rs`, what acknowledges a provisional answer in
//! `reliable.rs`. A request with the right Call-ID and both tags is the peer's if it comes from where the peer can be (`admission.rs`).

use super::body::session_description;
use super::request::capabilities;
use super::store::Stage;
use super::{Asked, Endpoint};
use crate::border::Event;
use crate::identity::asks_for_privacy;
use crate::lexis::{Cursor, Params, list, number, visible};
use crate::message::{Essentials, Message};
use crate::writer::{ALLOW, Writer};
use model::{Cause, DialogId, Instant};
use std::net::IpAddr;

/// Reasons of one message that are looked at: a gateway writes one for each of its two networks.
const REASONS_MAX: usize = 4;

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
    pub(super) fn handle_in_dialog(&mut self, asked: &mut Asked<'_>, our_tag: &str) {
        let Some(dialog) = self.named(&asked.essentials, our_tag) else { return self.handle_in_fork(asked, our_tag) };
        if !self.legs.get(&dialog).is_some_and(|leg| self.is_peer(leg, asked.path.addr.ip())) {
            self.note(model::Event::ForeignRequest);
            return self.refuse(asked, 481);
        }
        // Whatever becomes of the request itself.
        self.hear_wishes(dialog, asked.message, &asked.essentials);
        let method = asked.essentials.cseq.method;
        if self.is_late(asked, dialog) {
            return self.refuse(asked, 500);
        }
        if method != "BYE" && self.refuse_extensions(asked) {
            return;
        }
        // Who steers a call from outside of TLS could be anybody who has heard its tags and sits behind the same router. That it ends may be said by an edge
        // which goes back to clear.
        if matches!(method, "REFER" | "INFO") && self.is_in_clear_after_tls(asked, dialog) {
            return;
        }
        self.keep_cseq(asked, dialog);
        self.go_on_by(asked.now, dialog, asked.back);
        match method {
            "BYE" => self.handle_bye(asked, dialog),
            "INVITE" => self.handle_reinvite(asked, dialog),
            "UPDATE" => self.handle_update(asked, dialog),
            "PRACK" => self.handle_prack(asked, dialog),
            "INFO" => self.handle_info(asked, dialog),
            "REFER" => self.handle_refer(asked, dialog),
            "OPTIONS" => self.reply_in_dialog(asked, dialog, 200, capabilities),
            _ => self.reply_in_dialog(asked, dialog, 405, |w| w.header("Allow", ALLOW).empty()),
        }
    }

    /// What any request of the peer may say beside its purpose: under which name the call goes on, and that the peer wants to have none. From may change
    /// inside a dialog (RFC 4916), to nobody, too; who was nobody from the start, and is named all the same, says nothing new.
    pub(super) fn hear_wishes(&mut self, dialog: DialogId, message: &Message, essentials: &Essentials<'_>) {
        self.keep_session_id(dialog, message);
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if asks_for_privacy(message) || !leg.unnamed && leg.names_nobody(message, &essentials.from) {
            self.event(Event::AsksForPrivacy { dialog });
        }
    }

    /// The peer hangs up.
    fn handle_bye(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        self.reply_in_dialog(asked, dialog, 200, Writer::empty);
        self.tell_cause(asked, dialog);
        match self.legs.get(&dialog).map(|leg| &leg.stage) {
            // Before our answer it is as good as a CANCEL; `end` gives the INVITE its 487.
            Some(Stage::Incoming { .. }) => {
                self.event(Event::Cancelled { dialog });
                self.end(asked.now, dialog);
            }
            // Section 15 forbids it to the called side of an early dialog; whoever does it will not answer any more. Others may, where it rings elsewhere.
            Some(Stage::Outgoing { .. }) if self.legs.get(&dialog).is_some_and(|leg| leg.branches.len() > 1) => {}
            Some(Stage::Outgoing { .. }) => self.give_up(asked.now, dialog, None),
            Some(Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. }) => {
                self.event(Event::Bye { dialog });
                self.end(asked.now, dialog);
            }
            // The two BYEs crossed, and ours has found no way to them.
            Some(Stage::Ending) if self.legs.get(&dialog).is_some_and(|leg| leg.leaves_again.is_some()) => self.end(asked.now, dialog),
            // Ours decides.
            Some(Stage::Ending) | None => {}
        }
    }

    /// Why the call ends, where the peer says so in numbers (RFC 3326 section 2). The words beside them are left unread.
    pub(super) fn tell_cause(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        let live = matches!(
            self.legs.get(&dialog).map(|leg| &leg.stage),
            Some(Stage::Incoming { .. } | Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. })
        );
        let cause = asked.message.others("Reason").flat_map(list).take(REASONS_MAX).find_map(cause);
        if let Some(cause) = cause.filter(|_| live) {
            self.event(Event::Cause { dialog, cause });
        }
    }

    /// The peer confirms our 200.
    pub(super) fn handle_dialog_ack(&mut self, now: Instant, from: IpAddr, message: &Message, essentials: &Essentials<'_>) {
        let Some(dialog) = essentials.to.tag().and_then(|tag| self.named(essentials, tag)) else { return };
        if !self.legs.get(&dialog).is_some_and(|leg| self.is_peer(leg, from)) {
            return self.note(model::Event::ForeignRequest);
        }
        self.hear_wishes(dialog, message, essentials);
        let Some(Stage::Answering(answering)) = self.legs.get(&dialog).map(|leg| &leg.stage) else { return };
        if answering.cseq != essentials.cseq.number {
            return;
        }
        let (first, asks, hang_up) = (answering.first, answering.asks, answering.hang_up);
        self.enter(dialog, Stage::Confirmed);
        if asks {
            self.event(Event::AnswerCame { dialog, answer: Self::answer_of(message) });
        }
        if first {
            self.event(Event::Acked { dialog });
        }
        if hang_up {
            self.hang_up(now, dialog);
        }
    }

    /// The body of an answer, if it is a session description.
    pub(super) fn answer_of(message: &Message) -> Option<bytes::Bytes> {
        session_description(message).ok().flatten()
    }
}

/// One value of Reason: `Q.850;cause=16;text="Terminated"`.
fn cause(value: &[u8]) -> Option<Cause> {
    let mut cursor = Cursor::new(value);
    let protocol = visible(cursor.take_while(|b| b.is_ascii_graphic() && b != b';'))?;
    let (params, code) = Params::parse_with(cursor, "cause")?;
    let _ = params;
    Cause::of(protocol, number(code??.trim_ascii()).and_then(|code| u16::try_from(code).ok())?)
}
