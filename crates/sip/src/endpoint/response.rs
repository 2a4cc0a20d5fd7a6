//! Answers to our own requests.
//!
//! RFC 3261 sections 8.1.3, 13.2.2 (with forks), 15.1.1 and 18.1.2.

use super::Endpoint;
use super::fork::BRANCHES_MAX;
use super::session_id::theirs;
use super::store::{Alarm, Cancel, ClientMachine, Path, Purpose, Stage};
use crate::border::{Event, Passed};
use crate::credentials::proof_in;
use crate::dialog::DialogState;
use crate::header::Name;
use crate::identity::asks_for_privacy;
use crate::message::{Essentials, Message};
use crate::transaction::{Heard as Says, Key};
use crate::trunk::Heard;
use model::{DialogId, Direction, Instant, Method, Millis};
use std::net::SocketAddr;

impl Endpoint {
    pub(super) fn handle_response(&mut self, now: Instant, path: Path, message: &Message) {
        let (Ok(essentials), Some(status)) = (message.essentials(), message.status()) else {
            return self.note(model::Event::SipMalformed { answered: false });
        };
        self.count(path.addr, Direction::In, Passed::response(status));
        // Section 18.1.2: not our Via, not our answer. Section 8.1.3.3: with two Vias it was meant for a proxy.
        let (via, ours) = (&essentials.via, self.is_our_via(&essentials.via));
        let Some(branch) = via.branch().filter(|_| ours && message.values(Name::Via).nth(1).is_none()) else { return };
        let key = Key::ours(branch, essentials.cseq.method);
        if self.trunks.handle_response(now, &self.doors, key, Heard { flow: path.flow, message, status }) {
            return;
        }
        if self.keeper.handle_response(now, key) {
            return;
        }
        let Some(client) = self.clients.get_mut(&key) else { return };
        let dialog = client.dialog;
        let (heard, purpose) = match &mut client.machine {
            ClientMachine::Invite(invite) => (invite.machine.handle_response(now, status), None),
            ClientMachine::Other { machine, purpose } => (machine.handle_response(now, status), Some(*purpose)),
        };
        let wake = client.poll_timeout();
        self.alarms.set(Alarm::Client(key), wake);
        if asks_for_privacy(message) && self.legs.contains_key(&dialog) {
            self.event(Event::AsksForPrivacy { dialog });
        }
        match (heard, purpose) {
            (Says::Provisional, None) => self.heard(now, path, dialog, key, message, &essentials),
            (Says::Success, _) if self.repeats_ack(dialog, key, &essentials) => {}
            (Says::Success, _) if self.is_reinvite(key) => self.reinvite_answered(now, path, dialog, key, message, &essentials),
            (Says::Success, _) => self.answered(now, path, dialog, key, message, &essentials),
            (Says::Final, None) => {
                self.acknowledge_refusal(key, &essentials, false);
                if !self.ask_again(now, path, dialog, key, message) {
                    self.failed(now, dialog, key, status, Some(message));
                }
            }
            (Says::Final, Some(_)) if self.ask_again(now, path, dialog, key, message) => {}
            (Says::AckAgain, _) => self.acknowledge_refusal(key, &essentials, true),
            (Says::Final, Some(purpose)) => self.asked_and_answered(now, dialog, key, purpose, status, Some(message)),
            (Says::Provisional, Some(_)) | (Says::Nothing, _) => {}
        }
    }

    /// A provisional answer to our INVITE.
    fn heard(&mut self, now: Instant, path: Path, dialog: DialogId, key: Key, message: &Message, essentials: &Essentials<'_>) {
        let status = message.status().unwrap_or_default();
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Stage::Outgoing { invite, heard, cancel, .. } = &mut leg.stage else { return };
        if *invite != key {
            return;
        }
        *heard = true;
        let wanted = *cancel == Cancel::Wanted;
        if status == 100 {
            self.event(Event::Trying { dialog });
        } else if self.acknowledge_provisional(now, path, dialog, key, message, essentials) {
            self.progressed(dialog, status, message, essentials);
        }
        if wanted {
            self.give_up(now, dialog, None);
        }
    }

    /// It rings there, or something can be heard already.
    fn progressed(&mut self, dialog: DialogId, status: u16, message: &Message, essentials: &Essentials<'_>) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Stage::Outgoing { rang, .. } = &mut leg.stage else { return };
        let rings = (180..=183).contains(&status);
        let first_ring = rings && !std::mem::replace(rang, *rang || rings);
        let early = essentials.to.tag().filter(|tag| leg.branch(tag).is_some()).and_then(|tag| {
            // Each branch of a fork is a dialog of its own (section 12.1). We speak in the one that was heard last.
            leg.state.remote_tag = Some(tag.to_owned());
            leg.hear_early(tag, message)
        });
        if first_ring || early.is_some() {
            self.event(Event::Ringing { dialog, early });
        }
    }

    /// Our INVITE, as the dialog was when it left.
    pub(super) fn our_invite(&self, key: Key) -> Option<DialogState> {
        match &self.clients.get(&key)?.machine {
            ClientMachine::Invite(invite) => Some(invite.base.clone()),
            ClientMachine::Other { .. } => None,
        }
    }

    /// Whether our INVITE was sent inside a dialog: only there the peer's tag is known before.
    fn is_reinvite(&self, key: Key) -> bool {
        matches!(self.clients.get(&key).map(|client| &client.machine), Some(ClientMachine::Invite(invite)) if invite.base.remote_tag.is_some())
    }

    /// A 2xx that came again gets its ACK again. Beyond so many branches, silence.
    fn repeats_ack(&mut self, dialog: DialogId, key: Key, essentials: &Essentials<'_>) -> bool {
        let Some(ClientMachine::Invite(invite)) = self.clients.get(&key).map(|client| &client.machine) else { return true };
        if let Some(ack) = invite.acks.iter().find(|ack| ack.tag.as_deref() == essentials.to.tag()) {
            let (to, bytes) = (ack.to, ack.bytes.clone());
            self.transmit_request(dialog, to, Method::Ack, true, bytes);
            return true;
        }
        invite.acks.len() >= BRANCHES_MAX
    }

    /// A 2xx to our INVITE: the first, or one of another branch of a fork (section 13.2.2.4).
    fn answered(&mut self, now: Instant, path: Path, dialog: DialogId, key: Key, message: &Message, essentials: &Essentials<'_>) {
        let Some(client) = self.clients.get(&key) else { return };
        let ClientMachine::Invite(invite) = &client.machine else { return };
        let (tag, last_cseq) = (essentials.to.tag(), invite.last_cseq);
        let mut state = self.as_answered(&invite.base, message, essentials, path.addr);
        let moved = self.legs.get(&dialog).is_some_and(|leg| leg.state.flow != invite.base.flow);
        if path.flow.transport().is_secure() || moved && path.flow.is_stream() {
            // Whom we have met there is known; who stands at the address of their Contact is not (RFC 5923 section 4).
            state.flow = path.flow;
        }
        let session_id = Some(self.session_id(&state.call_id, theirs(message)));
        state.session_id.clone_from(&session_id);
        let cseq = state.local_cseq;
        // Section 22.1: the ACK of a 2xx carries what the INVITE was let in with, for the machines that let it in, and for nobody whom a Contact names.
        let hop = Path { flow: state.next_flow(), addr: state.next_hop() };
        let is_carrier = hop.addr == client.path.addr || self.legs.get(&dialog).is_some_and(|leg| !self.provable(leg, hop).is_empty());
        let proof = proof_in(&client.request).filter(|_| is_carrier);
        let ack = self.write_ack(tag, &state, cseq, proof);
        let (to, bytes) = (ack.to, ack.bytes.clone());
        if let Some(ClientMachine::Invite(invite)) = self.clients.get_mut(&key).map(|c| &mut c.machine) {
            invite.acks.push(ack);
        }

        let mut early = None;
        let waiting = match self.legs.get_mut(&dialog) {
            Some(leg) if matches!(leg.stage, Stage::Outgoing { invite, .. } if invite == key) => {
                // Both may have spoken inside the early dialog: their counts go on.
                (state.remote_cseq, early) = leg.settle(tag);
                state.local_cseq = leg.state.local_cseq;
                state.session_id = session_id;
                leg.state = state.clone();
                leg.cut &= leg.state.flow != path.flow;
                Some(matches!(leg.stage, Stage::Outgoing { cancel: Cancel::No, .. }))
            }
            known => {
                state.local_cseq = known.map_or(last_cseq, |leg| last_cseq.max(leg.state.local_cseq));
                None
            }
        };
        // Told before it is acknowledged: what the call writes down of its answer must be durable first. Were we to die in between, the
        // peer's copies of the 2xx would still come, and find whoever carries out our will.
        let wanted = waiting == Some(true);
        if wanted {
            self.enter(dialog, Stage::Confirmed);
            self.heed_abilities(dialog, message);
            self.heed_timer_answer(now, dialog, message);
            // What came before, in a provisional answer of the same branch, need not be said again.
            self.event(Event::Answered { dialog, sdp: Self::answer_of(message).or(early) });
        }
        self.transmit_request(dialog, to, Method::Ack, false, bytes);
        match waiting {
            Some(true) => {}
            // Our CANCEL came too late, or was still waiting.
            Some(false) => self.hang_up(now, dialog),
            // Somebody else has answered before: nobody wants to talk to this one.
            None => {
                self.ask(now, dialog, &mut state, Method::Bye, Purpose::StrayBye);
            }
        }
    }

    /// Our INVITE's dialog with whoever gives such an answer. Who would have us send to this machine is spoken to at the address that we called.
    pub(super) fn as_answered(&self, base: &DialogState, message: &Message, essentials: &Essentials<'_>, from: SocketAddr) -> DialogState {
        let mut state = base.clone();
        state.answered(message, essentials, from);
        if self.aims_at_us(&state) {
            (state.remote_target, state.route_set) = (base.remote_target.clone(), Vec::new());
        }
        state
    }

    /// Sends the ACK that belongs to the INVITE transaction (section 17.1.1.3).
    fn acknowledge_refusal(&mut self, key: Key, essentials: &Essentials<'_>, again: bool) {
        let Some(client) = self.clients.get(&key) else { return };
        let ClientMachine::Invite(invite) = &client.machine else { return };
        let mut state = invite.as_sent();
        state.remote_tag = essentials.to.tag().map(str::to_owned);
        let bytes = state.request("ACK", state.local_cseq, &invite.via, "").empty();
        let (dialog, path) = (client.dialog, client.path);
        self.transmit_request(dialog, path, Method::Ack, again, bytes);
    }

    /// Our INVITE was refused, or nobody answered it.
    pub(super) fn failed(&mut self, now: Instant, dialog: DialogId, key: Key, status: u16, message: Option<&Message>) {
        match self.legs.get(&dialog).map(|leg| &leg.stage) {
            Some(Stage::Outgoing { invite, .. }) if *invite == key => {
                let retry_after = message.and_then(Message::retry_after);
                self.event(Event::Failed { dialog, status, retry_after });
                self.end(now, dialog);
            }
            Some(_) => self.change_refused(now, dialog, key, status, message),
            None => {}
        }
    }

    /// Anything else of ours was answered, or (408) was not.
    pub(super) fn asked_and_answered(
        &mut self,
        now: Instant,
        dialog: DialogId,
        key: Key,
        purpose: Purpose,
        status: u16,
        message: Option<&Message>,
    ) {
        match purpose {
            // The INVITE itself gets the answer that counts.
            Purpose::Cancel | Purpose::StrayBye | Purpose::Notify => {}
            Purpose::Prack => {
                if let Some(leg) = self.legs.get_mut(&dialog).filter(|_| message.is_some()) {
                    leg.prack_heard(key);
                }
            }
            Purpose::Update => match message.filter(|_| status < 300) {
                Some(message) => drop(self.change_answered(now, dialog, key, message)),
                None => self.change_refused(now, dialog, key, status, message),
            },
            Purpose::Bye if message.is_none() && status == 503 && self.may_leave_again(now, dialog) => {}
            // Section 15.1.1: over, whatever the answer is.
            Purpose::Bye => {
                if let Some(left) = self.legs.get(&dialog).and_then(|leg| leg.left).filter(|_| status < 300) {
                    self.note(model::Event::ByeDone { took: Millis::from(now.since(left)) });
                }
                self.end(now, dialog);
            }
            Purpose::Probe => {
                let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| leg.probe == Some(key)) else { return };
                leg.probe = None;
                // Whatever they say, they are there; but not where nothing can be sent to them (section 8.1.3.1).
                let is_there = message.is_some() && status != 408 && status != 481;
                self.event(if is_there { Event::ProbeAnswered { dialog } } else { Event::ProbeFailed { dialog } });
            }
        }
    }
}
