//! Sending, and remembering what was sent.

use super::command::with_reason;
use super::store::{Alarm, Answering, Client, ClientMachine, Leg, Path, Purpose, Server, ServerMachine, Stage, Waiting};
use super::streams::Written;
use super::{Asked, Endpoint, TRANSACTIONS_MAX};
use crate::border::{Event, Output, Passed, Reason};
use crate::dialog::DialogState;
use crate::digest::hmac;
use crate::transaction::{ClientOther, GIVE_UP, Key, ServerInvite, ServerOther};
use crate::writer::{ALLOW, Writer};
use bytes::Bytes;
use model::hex;
use model::{DialogId, Direction, FlowId, Instant, Method};
use std::net::SocketAddr;
use std::time::Duration;

/// How long after a BYE that found no connection another one leaves.
const LEAVES_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Requests of one dialog that are remembered at once; further ones are answered and forgotten, further INVITEs refused.
pub(super) const OPEN_MAX: usize = 64;

impl Endpoint {
    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
    pub(super) fn note(&mut self, event: model::Event) {
        self.outputs.push_back(Output::Note(event));
    }
    /// A request came.
    pub(super) fn count_request(&mut self, from: SocketAddr, method: &str, again: bool) {
        self.count(from, Direction::In, Passed::Request { method: label(method), again });
    }
    pub(super) fn count(&mut self, with: SocketAddr, direction: Direction, what: Passed) {
        self.outputs.push_back(Output::Passed { with, direction, what });
    }

    pub(super) fn transmit_response(&mut self, dialog: Option<DialogId>, path: Path, status: u16, bytes: Bytes) {
        self.count(path.addr, Direction::Out, Passed::response(status));
        self.outputs.push_back(Output::Transmit { dialog, flow: path.flow, to: path.addr, bytes });
    }
    pub(super) fn transmit_request(&mut self, dialog: DialogId, path: Path, method: Method, again: bool, bytes: Bytes) {
        self.count(path.addr, Direction::Out, Passed::Request { method, again });
        self.outputs.push_back(Output::Transmit { dialog: Some(dialog), flow: path.flow, to: path.addr, bytes });
    }

    /// The tag of a response that is not remembered: the same for every copy of the request (section 8.2.7).
    pub(super) fn stateless_tag(&self, asked: &Asked<'_>) -> String {
        let e = &asked.essentials;
        let parts = [e.call_id, e.from.tag().unwrap_or_default(), e.via.branch().unwrap_or_default()];
        hex(&hmac(&self.secret, &parts.map(str::as_bytes))[..8])
    }
    /// Answers without remembering it, but where a copy would be answered otherwise.
    pub(super) fn reply(&mut self, asked: &Asked<'_>, status: u16, finish: impl FnOnce(Writer) -> Bytes) {
        let bytes = finish(asked.echo.response(status, &self.stateless_tag(asked)));
        self.send_reply(asked, status, bytes);
    }
    fn send_reply(&mut self, asked: &Asked<'_>, status: u16, bytes: Bytes) {
        match asked.dialog {
            Some(dialog) => self.keep_reply(asked, dialog, status, bytes),
            None => self.transmit_response(None, asked.back, status, bytes),
        }
    }
    /// Refuses likewise.
    pub(super) fn refuse(&mut self, asked: &Asked<'_>, status: u16) {
        self.reply(asked, status, Writer::empty);
    }
    /// The same with words of its own.
    pub(super) fn refuse_saying(&mut self, asked: &Asked<'_>, status: u16, words: &str) {
        let bytes = asked.echo.response_saying(status, words, &self.stateless_tag(asked)).empty();
        self.send_reply(asked, status, bytes);
    }
    pub(super) fn refuse_method(&mut self, asked: &Asked<'_>) {
        self.reply(asked, 405, |w| w.header("Allow", ALLOW).empty());
    }

    /// Begins the transaction of an INVITE for a dialog that is known, which says 100 if nothing else is said soon (section 17.2.1).
    pub(super) fn begin_invite(&mut self, asked: &Asked<'_>, dialog: DialogId, tag: &str) {
        let merged = self.names.merged(&asked.essentials, "INVITE");
        let echo = Some(Box::new(asked.echo.clone()));
        let machine = ServerInvite::new(asked.now, asked.path.flow.is_stream());
        let machine = ServerMachine::Invite { machine, echo, tag: tag.to_owned(), merged };
        let server = Server { machine, last: Bytes::new(), status: 100, path: asked.back, dialog };
        self.alarms.set(Alarm::Server(asked.key), server.poll_timeout());
        self.servers.insert(asked.key, Box::new(server));
        self.merges.insert(merged, asked.key);
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.open += 1;
        }
    }
    /// Answers an INVITE in its transaction. `None` if it has its final answer, or is gone.
    pub(super) fn reply_invite(
        &mut self,
        now: Instant,
        key: Key,
        status: u16,
        finish: impl FnOnce(Writer) -> Bytes,
    ) -> Option<(Bytes, Path)> {
        let server = self.servers.get_mut(&key)?;
        let ServerMachine::Invite { machine, echo, tag, .. } = &mut server.machine else { return None };
        let bytes = finish(echo.as_deref()?.response(status, tag));
        if !machine.handle_response(now, status) {
            return None;
        }
        if status >= 200 {
            *echo = None;
        }
        (server.last, server.status) = (bytes.clone(), status);
        let (path, dialog, wake) = (server.path, server.dialog, server.poll_timeout());
        self.alarms.set(Alarm::Server(key), wake);
        self.transmit_response(Some(dialog), path, status, bytes.clone());
        Some((bytes, path))
    }
    /// Answers a request inside a dialog and remembers it for its copies.
    pub(super) fn reply_in_dialog(&mut self, asked: &Asked<'_>, dialog: DialogId, status: u16, finish: impl FnOnce(Writer) -> Bytes) {
        let bytes = finish(asked.echo.response(status, &self.stateless_tag(asked)));
        self.keep_reply(asked, dialog, status, bytes);
    }
    fn keep_reply(&mut self, asked: &Asked<'_>, dialog: DialogId, status: u16, bytes: Bytes) {
        // Over a reliable transport there are no copies (timer J is zero).
        let full = self.servers.len() >= TRANSACTIONS_MAX || asked.path.flow.is_stream();
        // One place is kept for the BYE: its copies come when the dialog is gone. And what was refused leaves room for what is not.
        let places = match asked.essentials.cseq.method {
            "BYE" => OPEN_MAX + 1,
            _ if status >= 300 => OPEN_MAX / 2,
            _ => OPEN_MAX,
        };
        if let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !full && leg.open < places) {
            leg.open += 1;
            let machine = ServerMachine::Other(ServerOther::new(asked.now));
            let server = Server { machine, last: bytes.clone(), status, path: asked.back, dialog };
            self.alarms.set(Alarm::Server(asked.key), server.poll_timeout());
            self.servers.insert(asked.key, Box::new(server));
        }
        self.transmit_response(Some(dialog), asked.back, status, bytes);
    }
    /// Remembers a request inside a dialog that is answered later; `None` if there is no room for it, and it has been refused.
    pub(super) fn keep_waiting(&mut self, asked: &Asked<'_>, dialog: DialogId) -> Option<Waiting> {
        let leg = self.legs.get_mut(&dialog)?;
        if leg.open >= OPEN_MAX || self.servers.len() >= TRANSACTIONS_MAX {
            self.reply(asked, 500, |w| w.header("Retry-After", super::RETRY_AFTER_SECS.to_string()).empty());
            return None;
        }
        leg.open += 1;
        let machine = ServerMachine::Other(ServerOther::trying());
        self.servers.insert(asked.key, Box::new(Server { machine, last: Bytes::new(), status: 0, path: asked.back, dialog }));
        Some(Waiting { key: asked.key, echo: Box::new(asked.echo.clone()), path: asked.back })
    }
    /// Answers it.
    pub(super) fn reply_waiting(
        &mut self,
        now: Instant,
        dialog: DialogId,
        request: &Waiting,
        status: u16,
        finish: impl FnOnce(Writer) -> Bytes,
    ) {
        let bytes = finish(request.echo.response(status, ""));
        let mut path = request.path;
        if let Some(server) = self.servers.get_mut(&request.key) {
            path = server.path;
            if let ServerMachine::Other(machine) = &mut server.machine {
                machine.answered(now, path.flow.is_stream());
            }
            (server.last, server.status) = (bytes.clone(), status);
            let wake = server.poll_timeout();
            self.alarms.set(Alarm::Server(request.key), wake);
        }
        self.transmit_response(Some(dialog), path, status, bytes);
    }
    pub(super) fn remove_server(&mut self, key: Key) {
        self.alarms.set(Alarm::Server(key), None);
        let Some(server) = self.servers.remove(&key) else { return };
        if let ServerMachine::Invite { merged, .. } = server.machine {
            self.merges.remove(&merged);
        }
        if let Some(leg) = self.legs.get_mut(&server.dialog) {
            leg.open = leg.open.saturating_sub(1);
        }
    }

    /// A branch of our own (section 8.1.1.7).
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.random.token(20))
    }
    /// Sends a request of a transaction of its own.
    pub(super) fn begin_client(&mut self, key: Key, client: Client) {
        self.alarms.set(Alarm::Client(key), client.poll_timeout());
        self.transmit_request(client.dialog, client.path, client.method, false, client.request.clone());
        self.clients.insert(key, Box::new(client));
    }
    /// Sends a BYE or OPTIONS inside a dialog; its sequence number is the dialog's next.
    pub(super) fn ask(&mut self, now: Instant, dialog: DialogId, state: &mut DialogState, method: Method, purpose: Purpose) -> Key {
        let reason = self.legs.get(&dialog).and_then(|leg| leg.reason).filter(|_| purpose == Purpose::Bye);
        self.ask_with(now, dialog, state, method, purpose, |writer| with_reason(writer, reason).empty())
    }
    /// The same for any request but an INVITE, with what it says.
    pub(super) fn ask_with(
        &mut self,
        now: Instant,
        dialog: DialogId,
        state: &mut DialogState,
        method: Method,
        purpose: Purpose,
        finish: impl Fn(Writer) -> Bytes,
    ) -> Key {
        let branch = self.branch();
        state.local_cseq = state.local_cseq.saturating_add(1);
        let key = Key::client(&branch, method.name());
        let write = |via: &str, contact: &str| finish(state.request(method.name(), state.local_cseq, via, contact));
        let Written { flow, request, by_udp, .. } = self.write(state.next_flow(), &branch, &state.remote_target, state.next(), write);
        let path = Path { flow, addr: state.next_hop() };
        let machine = ClientMachine::Other { machine: ClientOther::new(now, flow.is_stream()), purpose };
        self.begin_client(key, Client { machine, request, method, path, dialog, by_udp, rounds: 0, moved: None, moves: 0 });
        key
    }
    pub(super) fn remove_client(&mut self, key: Key) {
        self.alarms.set(Alarm::Client(key), None);
        self.clients.remove(&key);
    }

    pub(super) fn add_leg(&mut self, dialog: DialogId, leg: Leg) {
        self.tags.insert(leg.state.local_tag.clone(), dialog);
        self.legs.insert(dialog, Box::new(leg));
    }
    /// Moves a dialog to another stage and sets its alarm.
    pub(super) fn enter(&mut self, dialog: DialogId, stage: Stage) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        leg.enter(stage);
        self.alarms.set(Alarm::Leg(dialog), leg.poll_timeout());
    }
    /// When the dialog next wants to be woken.
    pub(super) fn set_leg_alarm(&mut self, dialog: DialogId) {
        let wake = self.legs.get(&dialog).and_then(|leg| leg.poll_timeout());
        self.alarms.set(Alarm::Leg(dialog), wake);
    }
    /// Our 200 to an INVITE has been sent: from here on it is repeated until the ACK comes.
    pub(super) fn await_ack(&mut self, dialog: DialogId, answering: Answering) {
        self.enter(dialog, Stage::Answering(answering));
    }
    /// Sends BYE; the dialog ends when it is answered, or is not.
    pub(super) fn hang_up(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        // A changed session that we have not answered is not going to be (section 15.1.2).
        if let Stage::Reoffered { invite, .. } = leg.stage {
            self.reply_invite(now, invite, 487, Writer::empty);
        }
        let Some(mut state) = self.dialog(dialog) else { return };
        self.ask(now, dialog, &mut state, Method::Bye, Purpose::Bye);
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.left = Some(now);
            leg.state.local_cseq = state.local_cseq;
        }
        self.close_update(now, dialog);
        self.close_refer(now, dialog);
        self.enter(dialog, Stage::Ending);
    }
    /// A BYE over a trunk found no connection: somebody's machine or the way there begins anew, and by UDP it would be repeated. It leaves once more a
    /// little later, for as long as that would go on (timer F); false: its time is over, or there is no way to connect to whom it is for.
    pub(super) fn may_leave_again(&mut self, now: Instant, dialog: DialogId) -> bool {
        let Some(leg) = self.legs.get_mut(&dialog) else { return false };
        let flow = leg.state.flow;
        let at = now + LEAVES_AGAIN_AFTER;
        // Where a carrier has called us, only its Contact tells where it can be connected to, and not whom we would meet there.
        let called = leg.left_behind || leg.began_at.is_some_and(|began| began.port.is_some());
        let called_us = flow.transport().can_dial() && leg.began_at.is_some_and(|began| self.trunks.is_there(began));
        let may = (called || called_us) && flow.is_stream() && leg.left.is_some_and(|left| at < left + GIVE_UP);
        if may {
            // That connection is gone, and another one leads there as well.
            leg.state.flow = FlowId::any(flow.transport());
            leg.leaves_again = Some(at);
            self.set_leg_alarm(dialog);
        }
        may
    }
    pub(super) fn leave_again(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| leg.leaves_again.is_some_and(|at| at <= now)) else { return };
        leg.leaves_again = None;
        let Some(mut state) = self.dialog(dialog) else { return };
        self.ask(now, dialog, &mut state, Method::Bye, Purpose::Bye);
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.state.local_cseq = state.local_cseq;
        }
    }
    /// The peer is gone, as far as can be told: it gets a BYE all the same.
    pub(super) fn lose_peer(&mut self, now: Instant, dialog: DialogId) {
        self.event(Event::PeerLost { dialog });
        self.give_reason(dialog, Reason::NotHeardOf);
        self.hang_up(now, dialog);
    }
    /// Why the dialog ends, for its CANCEL or BYE. The first reason stands.
    pub(super) fn give_reason(&mut self, dialog: DialogId, reason: Reason) {
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.reason.get_or_insert(reason);
        }
    }
    /// A dialog is over. Its transactions live on for copies of their messages.
    pub(super) fn end(&mut self, now: Instant, dialog: DialogId) {
        self.close_update(now, dialog);
        self.close_refer(now, dialog);
        let Some(leg) = self.legs.remove(&dialog) else { return };
        self.tags.remove(&leg.state.local_tag);
        self.alarms.set(Alarm::Leg(dialog), None);
        if let Stage::Incoming { invite, .. } | Stage::Reoffered { invite, .. } = leg.stage {
            self.reply_invite(now, invite, 487, Writer::empty);
        }
        self.event(Event::Ended { dialog });
    }
}

/// A method as a label.
pub(super) fn label(method: &str) -> Method {
    use Method::{Ack, Bye, Cancel, Info, Invite, Notify, Options, Prack, Refer, Register, Update};
    [Invite, Ack, Bye, Cancel, Options, Register, Info, Prack, Update, Refer, Notify]
        .into_iter()
        .find(|m| m.name() == method)
        .unwrap_or(Method::Other)
}
