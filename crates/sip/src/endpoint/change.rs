//! Changing a session that runs: re-INVITE and UPDATE, theirs and ours, and what happens when both want it at once.
//!
//! RFC 3261 section 14, RFC 3311 and RFC 3264 section 4: there is one open offer at a time. A second one of the same side gets 500 with
//! Retry-After, one against ours 491; whoever gets a 491 tries again, each side after a pause of its own (section 14.1).

use super::session_timer::Asks;
use super::store::{Answering, Client, ClientMachine, OurInvite, Path, Purpose, Stage, Waiting};
use super::streams::Written;
use super::wire::OPEN_MAX;
use super::{Asked, Endpoint, RETRY_AFTER_SECS, TRANSACTIONS_MAX};
use crate::border::Event;
use crate::dialog::{Role, is_translated, names_a_house, target};
use crate::header::Name;
use crate::message::{Essentials, Message};
use crate::transaction::{ClientInvite, ClientOther, Key};
use crate::writer::{ALLOW, SUPPORTED, Writer};
use bytes::Bytes;
use model::{DialogId, Instant, Method};
use std::time::Duration;

/// After a refresh that was refused, the next is tried.
const REFRESH_AGAIN: Duration = Duration::from_secs(10);

/// What we want of a running session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Other terms.
    Offer(Bytes),
    /// That the session timer begins anew.
    Refresh,
}

/// A change of ours. There is one at a time.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Somebody else's is open, or they answered 491: ours comes then.
    Waits { at: Instant, wish: Wish },
    /// The request is out.
    Asked { key: Key, wish: Wish },
}

/// An UPDATE of theirs with an offer that we have not decided.
#[derive(Clone, Debug)]
pub(super) struct Updated {
    pub(super) request: Waiting,
    place: Place,
    timer: Asks,
}

/// Where a request inside a dialog says that its sender is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The URI of its Contact, if it has one.
    target: Option<String>,
    /// Whether a router has changed the sender's address on the way.
    behind_router: bool,
    /// Whether no proxy is in between, whose address would not be the sender's either.
    direct: bool,
}

impl Place {
    /// Reads it.
    ///
    /// # Errors
    /// The header field that is broken.
    fn of(asked: &Asked<'_>) -> Result<Place, Name> {
        Ok(Place {
            target: target(asked.message)?,
            behind_router: is_translated(asked.essentials.via.ip(), asked.path.addr),
            direct: asked.is_direct(),
        })
    }
}

/// Whose offer is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nobodys,
    Ours,
    Theirs,
}

impl Endpoint {
    fn open_offer(&self, dialog: DialogId) -> Open {
        let Some(leg) = self.legs.get(&dialog) else { return Open::Nobodys };
        if leg.updated.is_some() {
            return Open::Theirs;
        }
        match &leg.stage {
            // RFC 3311 section 5.1: no offer by UPDATE before the first one is answered.
            Stage::Incoming { .. } | Stage::Reoffered { .. } => Open::Theirs,
            Stage::Outgoing { .. } if !leg.has_answered(leg.state.remote_tag.as_deref()) => Open::Ours,
            Stage::Answering(Answering { asks: true, .. }) => Open::Ours,
            Stage::Outgoing { .. } | Stage::Answering(_) | Stage::Confirmed | Stage::Ending => match &leg.change {
                Some(Change::Asked { .. }) => Open::Ours,
                Some(Change::Waits { .. }) | None => Open::Nobodys,
            },
        }
    }

    /// One offer too many: whether it has been refused.
    fn refuse_offer(&mut self, asked: &Asked<'_>, dialog: DialogId) -> bool {
        match self.open_offer(dialog) {
            Open::Nobodys => return false,
            // Section 14.2 and RFC 3311 section 5.2: "a Retry-After header field with a randomly chosen value between 0 and 10 seconds".
            Open::Theirs => {
                let seconds = self.random.below(11);
                self.reply(asked, 500, |w| w.header("Retry-After", seconds.to_string()).empty());
            }
            Open::Ours => self.refuse(asked, 491),
        }
        true
    }

    // ---- theirs --------------------------------------------------------------------------------------------------------------

    /// The peer wants to change the session, by an INVITE.
    pub(super) fn handle_reinvite(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        if self.refuse_offer(asked, dialog) {
            return;
        }
        let Some(leg) = self.legs.get(&dialog) else { return };
        match &leg.stage {
            // Our 200 to an INVITE without its ACK: that transaction is still under way.
            Stage::Answering(_) => return self.refuse(asked, 491),
            Stage::Ending => return self.refuse(asked, 481),
            Stage::Incoming { .. } | Stage::Outgoing { .. } | Stage::Reoffered { .. } | Stage::Confirmed => {}
        }
        // A peer that keeps changing its mind would have us repeat a refusal for each. Not 503, which would say that all of us is busy (section
        // 14.2, RFC 3311 section 5.2).
        if leg.open >= OPEN_MAX || self.servers.len() >= TRANSACTIONS_MAX {
            return self.reply(asked, 500, |w| w.header("Retry-After", RETRY_AFTER_SECS.to_string()).empty());
        }
        let Some(timer) = self.timer_asked(asked) else { return };
        let Some(offer) = self.offer(asked) else { return };
        let place = match Place::of(asked) {
            Ok(place) => place,
            Err(header) => return self.refuse_header(asked, header),
        };
        if self.may_not_move(asked, dialog, place.target.as_deref()) {
            return;
        }
        let tag = asked.essentials.to.tag().unwrap_or_default();
        self.begin_invite(asked, dialog, tag);
        let (cseq, asks) = (asked.essentials.cseq.number, offer.is_none());
        self.enter(dialog, Stage::Reoffered { invite: asked.key, cseq, asks, place, timer });
        self.event(Event::Reoffer { dialog, offer, from: asked.path.addr.ip().to_canonical() });
    }

    /// The peer wants to change the session, or only its timer or its address, by an UPDATE (RFC 3311 section 5.2).
    pub(super) fn handle_update(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        let Some(timer) = self.timer_asked(asked) else { return };
        let Some(offer) = self.offer(asked) else { return };
        let place = match Place::of(asked) {
            Ok(place) => place,
            Err(header) => return self.refuse_header(asked, header),
        };
        if self.may_not_move(asked, dialog, place.target.as_deref()) {
            return;
        }
        if matches!(self.legs.get(&dialog).map(|leg| &leg.stage), Some(Stage::Ending) | None) {
            return self.refuse(asked, 481);
        }
        if offer.is_none() {
            self.moved(dialog, asked.back, place);
            let headers = self.heed_timer(asked.now, dialog, timer);
            let contact = self.contact_for(dialog);
            return self.reply_in_dialog(asked, dialog, 200, |w| {
                headers.write(w.header("Contact", contact).header("Allow", ALLOW).header("Supported", SUPPORTED)).empty()
            });
        }
        if self.refuse_offer(asked, dialog) {
            return;
        }
        let Some(request) = self.keep_waiting(asked, dialog) else { return };
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.updated = Some(Updated { request, place, timer });
        }
        self.event(Event::Reoffer { dialog, offer, from: asked.path.addr.ip().to_canonical() });
    }

    /// Whether the peer may not be where its request says and comes from, and has been told so: on this machine, or in clear where all was secure.
    fn may_not_move(&mut self, asked: &Asked<'_>, dialog: DialogId, target: Option<&str>) -> bool {
        if self.may_not_aim(asked, target) {
            self.refuse(asked, 403);
            return true;
        }
        self.is_in_clear_after_tls(asked, dialog)
    }

    /// Whether a request comes in clear where all was secure, and has been refused for it.
    pub(super) fn is_in_clear_after_tls(&mut self, asked: &Asked<'_>, dialog: DialogId) -> bool {
        let secure = self.legs.get(&dialog).is_some_and(|leg| leg.state.flow.transport().is_secure());
        let in_clear = secure && !asked.path.flow.transport().is_secure();
        if in_clear {
            self.refuse_saying(asked, 403, "This call goes by TLS");
        }
        in_clear
    }

    /// The peer is where its request says and came from (section 12.2.2).
    fn moved(&mut self, dialog: DialogId, from: Path, place: Place) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        // A connection that has died since is dead still.
        leg.cut &= leg.state.flow == from.flow;
        let [was, is] = [leg.state.peer, from.addr].map(|addr| addr.ip().to_canonical());
        (leg.state.flow, leg.state.peer) = (from.flow, from.addr);
        let mut behind_router = place.behind_router;
        if let Some(target) = place.target {
            // Of a phone of ours the Contact tells it as well, as when it is called.
            behind_router |= leg.user.is_some() && place.direct && names_a_house(&target, from.addr);
            leg.state.remote_target = target;
        }
        // Who was behind one once is spoken to where the packets come from, for good: that is right wherever it is.
        leg.state.behind_router |= behind_router;
        // Whatever is said of the sound: most say what they said before.
        if was != is {
            self.event(Event::PeerMoved { dialog, from: was, to: is });
        }
    }

    /// We agree to the changed session.
    pub(super) fn answer_reoffer(&mut self, now: Instant, dialog: DialogId, sdp: &[u8]) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if let Some(updated) = leg.updated.take() {
            self.moved(dialog, updated.request.path, updated.place);
            let headers = self.heed_timer(now, dialog, updated.timer);
            let contact = self.contact_for(dialog);
            let finish = |w: Writer| {
                let writer = w.header("Contact", contact).header("Allow", ALLOW).header("Supported", SUPPORTED);
                headers.write(writer).body("application/sdp", sdp)
            };
            self.reply_waiting(now, dialog, &updated.request, 200, finish);
            return self.keep_ours(dialog, sdp);
        }
        let Stage::Reoffered { invite, cseq, asks, place, timer } = &leg.stage else { return };
        let (invite, cseq, asks, place, timer) = (*invite, *cseq, *asks, place.clone(), *timer);
        let headers = self.heed_timer(now, dialog, timer);
        let contact = self.contact_for(dialog);
        let finish = |w: Writer| {
            let writer = w.header("Contact", contact).header("Allow", ALLOW).header("Supported", SUPPORTED);
            headers.write(writer).body("application/sdp", sdp)
        };
        let Some(sent) = self.reply_invite(now, invite, 200, finish) else { return };
        self.moved(dialog, sent.1, place);
        self.keep_ours(dialog, sdp);
        self.await_ack(dialog, Answering::new(now, cseq, sent, false, asks));
    }

    /// We do not agree; the session stays as it is.
    pub(super) fn refuse_reoffer(&mut self, now: Instant, dialog: DialogId, status: u16) {
        let status = super::command::refusal(status);
        if let Some(updated) = self.legs.get_mut(&dialog).and_then(|leg| leg.updated.take()) {
            return self.reply_waiting(now, dialog, &updated.request, status, Writer::empty);
        }
        let Some(Stage::Reoffered { invite, .. }) = self.legs.get(&dialog).map(|leg| &leg.stage) else { return };
        self.reply_invite(now, *invite, status, Writer::empty);
        self.enter(dialog, Stage::Confirmed);
    }

    /// What is open is closed before the dialog ends (section 15.1.2: "generate a 487").
    pub(super) fn close_update(&mut self, now: Instant, dialog: DialogId) {
        if let Some(updated) = self.legs.get_mut(&dialog).and_then(|leg| leg.updated.take()) {
            self.reply_waiting(now, dialog, &updated.request, 487, Writer::empty);
        }
    }

    // ---- ours ----------------------------------------------------------------------------------------------------------------

    /// We want a change. While one of ours is open, a second does nothing.
    pub(super) fn wish(&mut self, now: Instant, dialog: DialogId, wish: Wish) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let talking = matches!(leg.stage, Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. });
        match &leg.change {
            Some(Change::Asked { .. }) => {}
            // Whoever offers refreshes as well.
            Some(Change::Waits { wish: Wish::Offer(_), .. }) if wish == Wish::Refresh => {}
            Some(Change::Waits { at, .. }) => leg.change = Some(Change::Waits { at: *at, wish }),
            None if talking => {
                leg.change = Some(Change::Waits { at: now, wish });
                self.change(now, dialog);
            }
            None => {}
        }
    }

    /// The time of our change has come: it is asked, or waits on for whatever else is open.
    pub(super) fn change(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let Some(Change::Waits { at, wish }) = &leg.change else { return };
        if *at > now {
            return;
        }
        let wish = wish.clone();
        // Section 14.1: no new INVITE while another is in progress, in either direction.
        if !matches!(leg.stage, Stage::Confirmed) || leg.updated.is_some() {
            return self.change_later(now, dialog, wish);
        }
        let by_update = wish == Wish::Refresh && leg.can.update;
        let (mut state, ours) = (leg.state.clone(), leg.settled.as_ref().unwrap_or(&leg.ours).clone());
        state.local_cseq = state.local_cseq.saturating_add(1);
        let headers = self.timer_offered(dialog);
        let branch = self.branch();
        let (method, body) = match &wish {
            Wish::Refresh if by_update => (Method::Update, Bytes::new()),
            Wish::Refresh => (Method::Invite, ours),
            Wish::Offer(sdp) => (Method::Invite, sdp.clone()),
        };
        let write = |via: &str, contact: &str| {
            let writer = state.request(method.name(), state.local_cseq, via, contact).header("Allow", ALLOW).header("Supported", SUPPORTED);
            let writer = headers.write(writer);
            if body.is_empty() { writer.empty() } else { writer.body("application/sdp", &body) }
        };
        let Written { flow, via, request, by_udp } = self.write(state.next_flow(), &branch, &state.remote_target, state.next(), write);
        let path = Path { flow, addr: state.next_hop() };
        let key = Key::client(&branch, method.name());
        let machine = if by_update {
            ClientMachine::Other { machine: ClientOther::new(now, flow.is_stream()), purpose: Purpose::Update }
        } else {
            let machine = ClientInvite::new(now, flow.is_stream());
            ClientMachine::Invite(Box::new(OurInvite::new(machine, state.clone(), via)))
        };
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.state.local_cseq = state.local_cseq;
            leg.change = Some(Change::Asked { key, wish: wish.clone() });
        }
        // Refused or not, it has been said.
        if wish == Wish::Refresh && !by_update {
            self.keep_ours(dialog, &body);
        }
        self.begin_client(key, Client { machine, request, method, path, dialog, by_udp, rounds: 0, moved: None, moves: 0 });
        self.set_leg_alarm(dialog);
    }

    /// Section 14.1: the owner of the Call-ID waits "between 2.1 and 4 seconds in units of 10 ms", the other side "between 0 and 2 seconds".
    fn change_later(&mut self, now: Instant, dialog: DialogId, wish: Wish) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let tens = match leg.state.role {
            Role::Uac => 210 + self.random.below(191),
            Role::Uas => self.random.below(201),
        };
        self.change_at(dialog, now + Duration::from_millis(10 * tens), wish);
    }

    fn change_at(&mut self, dialog: DialogId, at: Instant, wish: Wish) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.change = Some(Change::Waits { at, wish });
        }
        self.set_leg_alarm(dialog);
    }

    /// A 2xx to a re-INVITE of ours: the first, or one that came again.
    pub(super) fn reinvite_answered(
        &mut self,
        now: Instant,
        path: Path,
        dialog: DialogId,
        key: Key,
        message: &Message,
        e: &Essentials<'_>,
    ) {
        let Some(client) = self.clients.get(&key) else { return };
        let ClientMachine::Invite(ours) = &client.machine else { return };
        let cseq = ours.base.local_cseq;
        let mut state = self.legs.get(&dialog).map_or_else(|| ours.base.clone(), |leg| leg.state.clone());
        state.peer = path.addr;
        if let Ok(Some(target)) = target(message) {
            let before = std::mem::replace(&mut state.remote_target, target);
            if self.aims_at_us(&state) {
                state.remote_target = before;
            }
        }
        let ack = self.write_ack(e.to.tag(), &state, cseq, None);
        let (to, bytes) = (ack.to, ack.bytes.clone());
        if let Some(ClientMachine::Invite(ours)) = self.clients.get_mut(&key).map(|c| &mut c.machine) {
            ours.acks.push(ack);
        }
        self.transmit_request(dialog, to, Method::Ack, false, bytes);
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        (leg.state.peer, leg.state.remote_target) = (state.peer, state.remote_target);
        let answer = Self::answer_of(message);
        // Who repeats nothing when we have changed nothing leaves the session as it is.
        match self.change_answered(now, dialog, key, message) {
            Some(Wish::Offer(_)) => self.event(Event::AnswerCame { dialog, answer }),
            Some(Wish::Refresh) if answer.is_some() => self.event(Event::AnswerCame { dialog, answer }),
            Some(Wish::Refresh) | None => {}
        }
    }

    /// Our change was accepted. Gives what it was.
    pub(super) fn change_answered(&mut self, now: Instant, dialog: DialogId, key: Key, message: &Message) -> Option<Wish> {
        let wish = self.take_change(dialog, key)?;
        self.keep_session_id(dialog, message);
        self.heed_abilities(dialog, message);
        self.heed_timer_answer(now, dialog, message);
        if let Wish::Offer(sdp) = &wish {
            self.keep_ours(dialog, sdp);
        }
        Some(wish)
    }

    /// Our change was refused (408: by silence). The session stays as it is.
    pub(super) fn change_refused(&mut self, now: Instant, dialog: DialogId, key: Key, status: u16, message: Option<&Message>) {
        let by_update = self.legs.get(&dialog).is_some_and(|leg| leg.can.update);
        let Some(wish) = self.take_change(dialog, key) else { return };
        match (status, wish) {
            (491, wish) => self.change_later(now, dialog, wish),
            // Section 12.2.1.2: on these "the UAC SHOULD terminate the dialog".
            (408 | 481, _) => self.lose_peer(now, dialog),
            (405 | 501, Wish::Refresh) if by_update => {
                if let Some(leg) = self.legs.get_mut(&dialog) {
                    leg.can.update = false;
                }
                self.wish(now, dialog, Wish::Refresh);
            }
            // RFC 4028 section 7.3: once more, with what they want at least.
            (422, wish) if message.is_some_and(|message| self.lengthen_timer(dialog, message)) => self.wish(now, dialog, wish),
            // It stays ours to do until the session is over.
            (_, Wish::Refresh) => self.change_at(dialog, now + REFRESH_AGAIN, Wish::Refresh),
            (status, Wish::Offer(_)) => self.event(Event::OfferRefused { dialog, status }),
        }
    }

    fn take_change(&mut self, dialog: DialogId, of: Key) -> Option<Wish> {
        let leg = self.legs.get_mut(&dialog)?;
        match leg.change.take() {
            Some(Change::Asked { key, wish }) if key == of => Some(wish),
            other => {
                leg.change = other;
                None
            }
        }
    }

    /// What our last description of the session was.
    pub(super) fn keep_ours(&mut self, dialog: DialogId, sdp: &[u8]) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            (leg.ours, leg.settled) = (Bytes::copy_from_slice(sdp), None);
        }
    }

    /// They have taken some of what we offered: a refresh of ours says this, until something else has been said. Were everything offered again, they might
    /// take something else (RFC 3264 section 8).
    pub fn settle(&mut self, dialog: DialogId, sdp: Bytes) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.settled = Some(sdp);
        }
    }
}
