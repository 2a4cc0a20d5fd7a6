//! Connections: which transport a request takes, and what happens when there is no connection, or none any more.
//!
//! RFC 3261 sections 8.1.3.1, 18.1.1 and 18.2.2; RFC 3263 section 4.1 for the `transport` parameter.

use super::store::{Alarm, ByUdp, Client, ClientMachine, Leg, Purpose, SentAck, Stage};
use super::{Endpoint, Path};
use crate::border::Event;
use crate::dialog::DialogState;
use crate::header::Via;
use crate::message::Message;
use crate::registrar::Former;
use crate::transaction::Key;
use crate::uri::Uri;
use crate::writer::with_line;
use bytes::Bytes;
use model::{DialogId, FlowId, Instant, Method, Now, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The most bytes of a request that goes by UDP: section 18.1.1 "if it is larger than 1300 bytes and the path MTU is unknown, the request
/// MUST be sent using ... TCP".
const DATAGRAM_MAX: usize = 1300;

/// How long after a connection is gone a message comes back that was still to go over it.
const STRAGGLES: Duration = Duration::from_secs(1);

/// So often one request goes by another way, because each of them fails.
const MOVES_MAX: u32 = 4;

/// A request ready to leave.
pub(super) struct Written {
    pub(super) flow: FlowId,
    pub(super) via: String,
    pub(super) request: Bytes,
    pub(super) by_udp: Option<ByUdp>,
}

impl Endpoint {
    /// Where we hear that transport, where it is not [`Config::local`](crate::Config::local).
    pub fn hears(&mut self, transport: Transport, at: SocketAddr) {
        self.doors.open(transport, at);
    }

    /// Whether a Via is one of ours.
    pub(super) fn is_our_via(&self, via: &Via<'_>) -> bool {
        self.doors.is_our_via(via)
    }

    /// Our Contact, as it stands in messages on `flow` to a peer who is reached at `uri`.
    pub(super) fn contact(&self, flow: FlowId, uri: &str) -> String {
        self.doors.contact(flow, uri)
    }

    /// Our Via, as it stands in requests on `flow`.
    pub(super) fn via(&self, flow: FlowId, branch: &str) -> String {
        self.doors.via(flow, branch)
    }

    /// Writes a request to `uri` for `flow`, given Via and Contact. One that is too large for a datagram is written for TCP, unless the URI forbids it,
    /// and so is one whose `next` hop wants TCP (RFC 3263 section 4.1).
    pub(super) fn write(&self, flow: FlowId, branch: &str, uri: &str, next: &str, write: impl Fn(&str, &str) -> Bytes) -> Written {
        let on = |flow| {
            let via = self.via(flow, branch);
            let request = write(&via, &self.contact(flow, uri));
            (via, request)
        };
        let (via, request) = on(flow);
        let (wants_tcp, wants_udp) = (transport(next).as_deref() == Some("tcp"), transport(uri).as_deref() == Some("udp"));
        if flow.is_stream() || !wants_tcp && (request.len() <= DATAGRAM_MAX || wants_udp) {
            return Written { flow, via, request, by_udp: None };
        }
        let by_udp = Some(ByUdp { via, request });
        let (via, request) = on(FlowId::TCP);
        Written { flow: FlowId::TCP, via, request, by_udp }
    }

    /// Writes the ACK of a 2xx; `proof` is what its INVITE was let in with.
    pub(super) fn write_ack(&mut self, tag: Option<&str>, state: &DialogState, cseq: u32, proof: Option<(&str, Vec<u8>)>) -> SentAck {
        let branch = self.branch();
        let write = |via: &str, _: &str| {
            let ack = state.request("ACK", cseq, via, "");
            proof.iter().fold(ack, |ack, (name, value)| ack.header(name, value)).empty()
        };
        let Written { flow, request, by_udp, .. } = self.write(state.next_flow(), &branch, &state.remote_target, state.next(), write);
        let to = Path { flow, addr: state.next_hop() };
        SentAck { tag: tag.map(str::to_owned), bytes: request, to, by_udp: by_udp.map(|by_udp| by_udp.request) }
    }

    /// An ACK found no connection: by UDP, if that is another way. Copies of the 2xx get it there, too.
    fn unsent_ack(&mut self, bytes: &Bytes) {
        let mut invites = self.clients.values_mut().filter_map(|client| match &mut client.machine {
            ClientMachine::Invite(ours) => Some((client.dialog, ours)),
            ClientMachine::Other { .. } => None,
        });
        let found = invites.find_map(|(dialog, ours)| Some((dialog, ours.acks.iter_mut().find(|ack| ack.bytes == *bytes)?)));
        let Some((dialog, ack)) = found else { return };
        let Some(request) = ack.by_udp.take() else { return };
        (ack.bytes, ack.to.flow) = (request.clone(), FlowId::UDP);
        let to = ack.to;
        self.transmit_request(dialog, to, Method::Ack, false, request);
    }

    /// A message could not be sent: there is no connection to where it should go, and none could be made.
    pub fn handle_unsent(&mut self, now: Now, bytes: &Bytes) {
        let Ok(message) = Message::parse(bytes) else { return };
        let Ok(essentials) = message.essentials() else { return };
        // A response that reaches nobody is asked for again, or not wanted any more.
        if message.method() == Some("ACK") {
            return self.unsent_ack(bytes);
        }
        if let Some(branch) = essentials.via.branch().filter(|_| message.method().is_some()) {
            let key = Key::ours(branch, essentials.cseq.method);
            if self.trunks.handle_unsent(now.mono, key) {
                return;
            }
            let Some(client) = self.clients.get_mut(&key) else { return };
            // It comes from the connection that is gone, once.
            if client.request != *bytes || client.moved.take().is_some_and(|at| now.mono.since(at) < STRAGGLES) {
                return;
            }
            let flow = client.path.flow;
            self.leave(now.mono, flow);
            self.cut(flow);
            let Some(client) = self.clients.get_mut(&key) else { return };
            // What comes back next is of the new way.
            client.moved = None;
            if client.path.flow == flow && self.clients.get(&key).is_some_and(|client| !self.may_come_back(client)) {
                self.unsent(now.mono, key);
            }
        }
    }

    /// A connection is gone. What waits for a first answer on it will not get one there.
    pub fn handle_closed(&mut self, now: Now, flow: FlowId) {
        self.leave(now.mono, flow);
        self.cut(flow);
        for (user, change) in self.registrar.handle_closed(flow) {
            self.registration_changed(&user, change, true);
        }
        self.trunks.handle_closed(now.mono, flow);
        let cut = |client: &Client| client.path.flow == flow && client.is_unheard() && !self.may_come_back(client);
        let cut: Vec<Key> = self.clients.iter().filter(|(_, client)| cut(client)).map(|(key, _)| *key).collect();
        cut.into_iter().for_each(|key| self.unsent(now.mono, key));
    }

    /// What goes on by a connection that is gone, and by no other.
    fn cut(&mut self, flow: FlowId) {
        if flow != FlowId::any(flow.transport()) {
            self.legs.values_mut().filter(|leg| leg.state.flow == flow).for_each(|leg| leg.cut = true);
        }
    }

    /// Whether a request waits for a phone that has lost its connection in a call, and may register on another one: that the call is over or changed is
    /// said to it then, or given up when its time is. Who only asks whether it is there wants to know now.
    fn may_come_back(&self, client: &Client) -> bool {
        let (talks, ours) = match &client.machine {
            ClientMachine::Invite(ours) => (ours.base.remote_tag.is_some(), true),
            ClientMachine::Other { purpose, .. } => (true, matches!(purpose, Purpose::Bye | Purpose::Cancel | Purpose::Update)),
        };
        talks
            && ours
            && client.by_udp.is_none()
            && client.path.flow.is_stream()
            && self.legs.get(&client.dialog).is_some_and(|leg| leg.cut && leg.phone.is_some())
    }

    /// A user's phone has registered by this path: calls of it whose connection is gone go on where it is now, and so do those where it was before. That its
    /// connection has died is often seen much later by us than by the phone, and a router that changes addresses tells nobody.
    pub(super) fn go_on_with(&mut self, now: Instant, user: &str, former: &[Former], path: Path) {
        let has_left = |leg: &Leg, was: &Former| leg.is_on(was.flow, was.addr) && leg.phone.as_ref().is_some_and(|phone| was.is(phone));
        let there = |leg: &Leg| match leg.cut {
            true => self.other_way(leg),
            false => Some(path).filter(|path| leg.may_go_by(*path) && former.iter().any(|was| has_left(leg, was))),
        };
        let theirs = self.legs.iter().filter(|(_, leg)| leg.user.as_deref() == Some(user));
        let moved: BTreeMap<DialogId, Path> = theirs.filter_map(|(dialog, leg)| Some((*dialog, there(leg)?))).collect();
        self.carry_to_phones(now, &moved);
        // It is known by what it has said last: it may move again.
        for (dialog, path) in moved {
            let known =
                self.registrar.known(user, |phone| (phone.flow, phone.addr) == (path.flow, path.addr)).filter(|phone| !phone.proxied);
            if let (Some(leg), Some(known)) = (self.legs.get_mut(&dialog), known) {
                leg.phone = Some(known);
            }
        }
    }

    /// A peer whose connection is gone has spoken again on this path. Its Contact is where it can be connected to, once this one is gone, too.
    pub(super) fn go_on_by(&mut self, now: Instant, dialog: DialogId, path: Path) {
        if self.legs.get(&dialog).is_some_and(|leg| leg.cut && leg.may_go_by(path)) {
            self.carry_over(now, &BTreeMap::from([(dialog, path)]));
        }
    }

    /// A connection does not do any more: what goes on there with phones that have another way to us goes on by that, and what waits for a first answer
    /// is asked once more (RFC 5626 section 5.3).
    fn leave(&mut self, now: Instant, flow: FlowId) {
        if flow == FlowId::any(flow.transport()) {
            return;
        }
        let there = self.legs.iter().filter(|(_, leg)| leg.state.flow == flow);
        let moved = there.filter_map(|(dialog, leg)| Some((*dialog, self.other_way(leg)?))).collect();
        self.carry_to_phones(now, &moved);
    }

    /// Dialogs go on where their phones are registered. What their Contacts say may be the end of a connection that is gone.
    fn carry_to_phones(&mut self, now: Instant, moved: &BTreeMap<DialogId, Path>) {
        self.legs.iter_mut().filter(|(dialog, _)| moved.contains_key(dialog)).for_each(|(_, leg)| leg.state.behind_router = true);
        self.carry_over(now, moved);
    }

    /// By which other way its phone is reached now: by the same transport, if there is one.
    fn other_way(&self, leg: &Leg) -> Option<Path> {
        let ways = self.registrar.ways_of(leg.phone.as_ref()?).into_iter().map(|way| Path { flow: way.flow, addr: way.addr });
        let ways: Vec<Path> = ways.filter(|path| leg.may_go_by(*path)).collect();
        let like = |path: &&Path| path.flow.transport() == leg.state.flow.transport();
        ways.iter().find(like).or(ways.first()).copied()
    }

    /// Dialogs go on by other paths, with whatever is under way in them.
    fn carry_over(&mut self, now: Instant, moved: &BTreeMap<DialogId, Path>) {
        if moved.is_empty() {
            return;
        }
        let (mut from, mut moves) = (BTreeMap::new(), Vec::new());
        for (dialog, path) in moved {
            let Some(leg) = self.legs.get_mut(dialog) else { continue };
            from.insert(*dialog, leg.state.flow);
            let before = leg.state.peer.ip().to_canonical();
            leg.go_by(*path);
            let to = path.addr.ip().to_canonical();
            if before != to {
                moves.push(Event::PeerMoved { dialog: *dialog, from: before, to });
            }
            let contact = self.doors.contact(path.flow, &leg.state.remote_target);
            if let Stage::Answering(answering) = &mut leg.stage {
                (answering.path, answering.ok) = (*path, with_line(&answering.ok, "Contact", &contact));
            }
            if let Some(reliable) = &mut leg.reliable {
                reliable.go_by(*path, &contact);
            }
            if let Some(updated) = leg.updated.as_mut().filter(|updated| from.get(dialog) == Some(&updated.request.path.flow)) {
                updated.request.path = *path;
            }
        }
        moves.into_iter().for_each(|event| self.event(event));
        for server in self.servers.values_mut() {
            let Some(path) = moved.get(&server.dialog).filter(|_| from.get(&server.dialog) == Some(&server.path.flow)) else { continue };
            server.go_by(*path);
        }
        let theirs = self.clients.iter().filter_map(|(key, client)| Some((*key, *from.get(&client.dialog)?, *moved.get(&client.dialog)?)));
        theirs.collect::<Vec<_>>().into_iter().for_each(|(key, from, path)| self.move_client(now, key, from, path));
    }

    /// A request of ours goes on by another way of the phone: what waits for a first answer is asked once more, in the same transaction, so that
    /// who has heard it already knows the copy.
    fn move_client(&mut self, now: Instant, key: Key, from: FlowId, path: Path) {
        let Some(mut client) = self.clients.remove(&key) else { return };
        if let ClientMachine::Invite(ours) = &mut client.machine {
            for ack in ours.acks.iter_mut().filter(|ack| ack.to.flow == from) {
                let written = self.rewrite(path.flow, &ours.base.remote_target, &ack.bytes);
                (ack.bytes, ack.to) = (written.request, Path { flow: written.flow, ..path });
                ack.by_udp = written.by_udp.map(|by_udp| by_udp.request);
            }
        }
        if client.path.flow != from || client.is_unheard() && client.moves >= MOVES_MAX {
            self.clients.insert(key, client);
            return;
        }
        client.path = path;
        let written = client.request.clone();
        if let ClientMachine::Invite(ours) = &mut client.machine {
            (ours.base.flow, ours.base.peer) = (path.flow, path.addr);
        }
        // What was to be changed in a call that has ended since is of no use to anybody.
        let ends = self.legs.get(&client.dialog).is_some_and(|leg| matches!(leg.stage, Stage::Ending));
        if client.is_unheard() && !(ends && matches!(client.method, Method::Invite | Method::Update)) {
            client.moves += 1;
            // CANCEL repeats the Via of its INVITE, which has been heard (section 9.1).
            if path.flow.transport() != from.transport() && client.method != Method::Cancel {
                let target = self.legs.get(&client.dialog).map(|leg| leg.state.remote_target.clone()).unwrap_or_default();
                let Written { flow, via, request, by_udp } = self.rewrite(path.flow, &target, &client.request);
                (client.request, client.by_udp, client.path.flow) = (request, by_udp, flow);
                if let ClientMachine::Invite(ours) = &mut client.machine {
                    ours.via = via;
                }
            }
            client.moved = (client.request == written && client.by_udp.is_none()).then_some(now);
            if client.path.flow.is_stream() != from.is_stream() {
                client.restart(now);
                self.alarms.set(Alarm::Client(key), client.poll_timeout());
            }
            self.transmit_request(client.dialog, client.path, client.method, true, client.request.clone());
        }
        self.clients.insert(key, client);
    }

    /// What was written for another way, in the same transaction: Via and Contact say from where it comes now. By which transport `uri` asks to be
    /// reached was true of that other way.
    fn rewrite(&self, flow: FlowId, uri: &str, request: &Bytes) -> Written {
        let branch = branch_of(request);
        self.write(flow, &branch, uri, "", |via, contact| with_line(&with_line(request, "Via", via), "Contact", contact))
    }

    /// A request of ours did not get through: by UDP, if that is another way, or refused as a 503 would (section 8.1.3.1).
    fn unsent(&mut self, now: Instant, key: Key) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        if let Some(ByUdp { via, request }) = client.by_udp.take() {
            client.path.flow = FlowId::UDP;
            client.request = request.clone();
            if let ClientMachine::Invite(ours) = &mut client.machine {
                ours.via = via;
            }
            client.restart(now);
            let (dialog, path, method, wake) = (client.dialog, client.path, client.method, client.poll_timeout());
            self.alarms.set(Alarm::Client(key), wake);
            return self.transmit_request(dialog, path, method, false, request);
        }
        let (dialog, purpose) = match &client.machine {
            ClientMachine::Invite(ours) if ours.machine.is_pending() => (client.dialog, None),
            ClientMachine::Other { machine, purpose } if machine.is_pending() => (client.dialog, Some(*purpose)),
            ClientMachine::Invite(_) | ClientMachine::Other { .. } => return,
        };
        self.remove_client(key);
        match purpose {
            None => self.failed(now, dialog, key, 503, None),
            Some(purpose) => self.asked_and_answered(now, dialog, key, purpose, 503, None),
        }
    }
}

/// The branch of a request of ours.
fn branch_of(request: &Bytes) -> String {
    let message = Message::parse(request).ok();
    let via = message.as_ref().and_then(|message| message.essentials().ok()?.via.branch().map(str::to_owned));
    via.unwrap_or_default()
}

/// The transport that a URI asks for, in small letters.
pub(super) fn transport(uri: &str) -> Option<String> {
    Uri::parse(uri.as_bytes()).and_then(|uri| uri.param("transport").map(str::to_ascii_lowercase))
}
