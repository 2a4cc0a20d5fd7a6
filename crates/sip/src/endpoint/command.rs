//! What the calls want done.
//!
//! RFC 3261 sections 9.1, 13.2.1, 13.3.1 and 15.1.1. A command that does not fit the dialog's stage does nothing.

use super::change::Wish;
use super::session_timer::Lines;
use super::store::{Alarm, Answering, Cancel, Client, ClientMachine, Leg, OurInvite, Path, Purpose, Stage};
use super::streams::{Written, transport};
use super::{DIALOGS_MAX, Endpoint};
use crate::border::{Command, Event, Identity, Reason, Target};
use crate::dialog::{DialogStage, DialogState, Role, names_a_house, reachable};
use crate::registrar::Binding;
use crate::transaction::{ClientInvite, ClientOther, GIVE_UP, Key};
use crate::uri::{Scheme, Uri, escape_user};
use crate::writer::{ALLOW, SUPPORTED, Writer, quoted};
use model::{DialogId, FlowId, Instant, Method, PhoneGone};
use std::net::SocketAddr;

/// A status to refuse with: 500 if it is no refusal.
pub(super) fn refusal(status: u16) -> u16 {
    if (300..700).contains(&status) { status } else { 500 }
}

/// A request that ends a call, with what the phone is told of it (RFC 3326 section 2: in "any request within a dialog, in any CANCEL request").
pub(super) fn with_reason(writer: Writer, reason: Option<Reason>) -> Writer {
    match reason {
        Some(reason) => writer.header("Reason", reason.text()),
        None => writer,
    }
}

/// The flow and the address by which a target is reached: those given, unless a URI that was learnt over UDP asks for TCP, or for another port of
/// the same host. A URI of another host is what a phone behind a router writes, which is reached where it came from.
fn way(to: &Target) -> (FlowId, SocketAddr) {
    if to.flow.is_stream() {
        return (to.flow, to.addr);
    }
    let named = Uri::parse(to.uri.as_bytes()).and_then(|uri| uri.socket_addr()).filter(|named| reachable(*named, to.addr));
    if transport(&to.uri).as_deref() == Some("tcp") {
        return (FlowId::TCP, named.unwrap_or(to.addr));
    }
    let same_host = |named: &SocketAddr| named.ip().to_canonical() == to.addr.ip().to_canonical();
    (to.flow, named.filter(same_host).unwrap_or(to.addr))
}

impl Endpoint {
    pub(super) fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Provisional { dialog, status } => self.provisional(now, dialog, status),
            Command::Accept { dialog, sdp } => self.accept(now, dialog, &sdp),
            Command::Reject { dialog, status, retry_after_secs } => self.reject(now, dialog, status, retry_after_secs),
            Command::Invite { dialog, to, from, sdp } => self.invite(now, dialog, &to, &from, &sdp),
            Command::Cancel { dialog, reason } => self.give_up(now, dialog, reason),
            Command::Bye { dialog } => self.bye(now, dialog),
            Command::AnswerReoffer { dialog, sdp } => self.answer_reoffer(now, dialog, &sdp),
            Command::RefuseReoffer { dialog, status } => self.refuse_reoffer(now, dialog, status),
            Command::Reoffer { dialog, sdp } => self.wish(now, dialog, Wish::Offer(sdp)),
            Command::AnswerRefer { dialog, status } => self.answer_refer(now, dialog, status),
            Command::Notify { dialog, status, over } => self.tell_referrer(now, dialog, status, over),
            Command::Probe { dialog } => self.probe(now, dialog),
            Command::Ask { dialog, to, patience } => {
                self.trunks.ask(now, &self.doors, dialog, to, patience, &mut self.random);
            }
            Command::Forget { dialog } => self.trunks.forget(dialog),
            Command::PutOut { user, at, since } => {
                if self.registrar.put_out(&user, &at, since) {
                    self.follow_phones(now, &user);
                    self.event(Event::PhoneGone { user, at, why: PhoneGone::Silent });
                }
            }
        }
    }

    /// The INVITE of a call that we have not decided.
    fn incoming(&self, dialog: DialogId) -> Option<Key> {
        match self.legs.get(&dialog)?.stage {
            Stage::Incoming { invite, .. } => Some(invite),
            Stage::Outgoing { .. } | Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. } | Stage::Ending => None,
        }
    }

    /// Our Contact, as the peer of a dialog is told it.
    pub(super) fn contact_for(&self, dialog: DialogId) -> String {
        let Some(leg) = self.legs.get(&dialog) else { return self.contact(FlowId::UDP, "") };
        self.contact(leg.state.flow, &leg.state.remote_target)
    }

    fn accept(&mut self, now: Instant, dialog: DialogId, sdp: &[u8]) {
        let Some(Stage::Incoming { invite, cseq, asks, timer }) = self.legs.get(&dialog).map(|leg| &leg.stage) else { return };
        let (invite, cseq, asks, timer) = (*invite, *cseq, *asks, *timer);
        let contact = self.contact_for(dialog);
        let headers = self.heed_timer(now, dialog, timer);
        let finish = |w: Writer| {
            let writer = w.header("Contact", contact).header("Allow", ALLOW).header("Supported", SUPPORTED);
            headers.write(writer).body("application/sdp", sdp)
        };
        let Some(sent) = self.reply_invite(now, invite, 200, finish) else { return };
        self.keep_ours(dialog, sdp);
        self.await_ack(dialog, Answering::new(now, cseq, sent, true, asks));
    }

    fn reject(&mut self, now: Instant, dialog: DialogId, status: u16, retry_after_secs: Option<u32>) {
        let Some(invite) = self.incoming(dialog) else { return };
        self.reply_invite(now, invite, refusal(status), |w| match retry_after_secs {
            Some(seconds) => w.header("Retry-After", seconds.to_string()).empty(),
            None => w.empty(),
        });
        self.end(now, dialog);
    }

    fn invite(&mut self, now: Instant, dialog: DialogId, to: &Target, from: &Identity, sdp: &[u8]) {
        if dialog.0 == 0 || dialog.0 > self.dialogs_made || self.legs.contains_key(&dialog) {
            return;
        }
        let callable = |uri: &Uri<'_>| matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) && !uri.has_headers();
        let fault = match Uri::parse(to.uri.as_bytes()).filter(callable) {
            None => Some(416),
            Some(_) if self.legs.len() >= DIALOGS_MAX => Some(503),
            Some(_) => None,
        };
        if let Some(status) = fault {
            self.event(Event::Failed { dialog, status, retry_after: None });
            return self.event(Event::Ended { dialog });
        }
        let (flow, addr) = if to.routes.is_empty() { way(to) } else { (to.flow, to.addr) };
        let local = self.config.local;
        let user = if from.user.is_empty() { String::new() } else { format!("{}@", escape_user(&from.user)) };
        let shown = if from.display.is_empty() { String::new() } else { format!("{} ", quoted(&from.display)) };
        let base = DialogState {
            role: Role::Uac,
            stage: DialogStage::Early,
            session_id: None,
            call_id: self.random.token(26),
            local_tag: self.random.token(16),
            remote_tag: None,
            local: format!("{shown}<sip:{user}{local}>"),
            remote: format!("<{}>", to.uri),
            local_cseq: 1,
            remote_cseq: None,
            route_set: to.routes.clone(),
            remote_target: to.uri.clone(),
            flow,
            peer: addr,
            behind_router: names_a_house(&to.uri, addr),
        };
        let base = DialogState { session_id: Some(self.session_id(&base.call_id, None)), ..base };
        let branch = self.branch();
        let write = |via: &str, contact: &str| {
            let writer = base.request("INVITE", 1, via, contact).header("Allow", ALLOW).header("Supported", SUPPORTED);
            Lines::of_call(None).write(writer).body("application/sdp", sdp)
        };
        let Written { flow, via, request, by_udp } = self.write(flow, &branch, &to.uri, &to.uri, write);
        let key = Key::client(&branch, "INVITE");
        let machine = OurInvite::new(ClientInvite::new(now, flow.is_stream()), base.clone(), via);
        let called = |phone: &Binding| phone.contact == to.uri && phone.flow == to.flow && phone.addr == to.addr;
        let phone = to.user.as_ref().and_then(|user| self.registrar.known(user, called));
        let stage = Stage::Outgoing { invite: key, heard: false, rang: false, cancel: Cancel::No };
        let path = Path { flow, addr };
        // A phone of ours may be registered at a carrier's address: it gets none of ours.
        let customers = to.trunk.as_ref().map_or_else(Vec::new, |trunk| match self.trunks.customer_of(trunk) {
            Some(own) => vec![own],
            None => self.trunks.customers_at(path.called(), |_| false),
        });
        self.add_leg(
            dialog,
            Leg { user: to.user.clone(), customers, began_at: to.trunk.as_ref().map(|_| path.called()), phone, ..Leg::new(base, stage) },
        );
        self.keep_ours(dialog, sdp);
        let machine = ClientMachine::Invite(Box::new(machine));
        self.begin_client(key, Client { machine, request, method: Method::Invite, path, dialog, by_udp, rounds: 0, moved: None, moves: 0 });
    }

    /// Gives up our own call, now or as soon as that is allowed (section 9.1: not before a provisional answer). The first reason stands.
    pub(super) fn give_up(&mut self, now: Instant, dialog: DialogId, reason: Option<Reason>) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Stage::Outgoing { invite, heard, cancel, .. } = &mut leg.stage else { return };
        if *cancel == Cancel::No {
            leg.reason = reason;
        }
        match cancel {
            Cancel::Sent { .. } => return,
            Cancel::No | Cancel::Wanted if !*heard => {
                *cancel = Cancel::Wanted;
                return;
            }
            Cancel::No | Cancel::Wanted => *cancel = Cancel::Sent { give_up: now + GIVE_UP },
        }
        let (invite, reason) = (*invite, leg.reason);
        self.alarms.set(Alarm::Leg(dialog), leg.poll_timeout());
        let Some(Client { machine: ClientMachine::Invite(ours), path, .. }) = self.clients.get(&invite).map(Box::as_ref) else { return };
        let writer = ours.as_sent().request("CANCEL", ours.base.local_cseq, &ours.via, "");
        let machine = ClientMachine::Other { machine: ClientOther::new(now, path.flow.is_stream()), purpose: Purpose::Cancel };
        let request = with_reason(writer, reason).empty();
        let client =
            Client { machine, request, method: Method::Cancel, path: *path, dialog, by_udp: None, rounds: 0, moved: None, moves: 0 };
        self.begin_client(invite.cancelling(), client);
    }

    fn bye(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match &mut leg.stage {
            Stage::Incoming { .. } => self.reject(now, dialog, 480, None),
            Stage::Outgoing { .. } => self.give_up(now, dialog, None),
            // Section 15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK".
            Stage::Answering(answering) => answering.hang_up = true,
            Stage::Confirmed | Stage::Reoffered { .. } => self.hang_up(now, dialog),
            Stage::Ending => {}
        }
    }

    fn probe(&mut self, now: Instant, dialog: DialogId) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        let talking = match leg.stage {
            Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. } => true,
            Stage::Incoming { .. } | Stage::Outgoing { .. } | Stage::Ending => false,
        };
        if !talking || leg.probe.is_some() {
            return;
        }
        let mut state = leg.state.clone();
        let key = self.ask(now, dialog, &mut state, Method::Options, Purpose::Probe);
        if let Some(leg) = self.legs.get_mut(&dialog) {
            (leg.state.local_cseq, leg.probe) = (state.local_cseq, Some(key));
        }
    }
}
