//! Requests from outside any dialog: somebody calls, gives up, registers, or asks what we can do.
//!
//! RFC 3261 sections 8.2 (in its order), 9.2, 10.3, 11.2, 13.3 and 22.

use super::body::{ACCEPTS, SDP, media_type, session_description};
use super::session_id::theirs;
use super::session_timer::lists;
use super::store::{Leg, Path, ServerMachine, Stage};
use super::{Asked, DIALOGS_MAX, Endpoint, RETRY_AFTER_SECS, TRANSACTIONS_MAX};
use crate::border::Event;
use crate::dialog::{DialogState, names_a_house};
use crate::digest::Verdict;
use crate::header::Name;
use crate::identity::Claims;
use crate::lexis::{is_token, list, same_name};
use crate::message::{Essentials, Message};
use crate::registrar::{Answer, Change, EXPIRES_MIN, Wishes};
use crate::transaction::{Ack, Key};
use crate::uri::{Scheme, Uri};
use crate::writer::{ALLOW, SUPPORTED, Writer};
use bytes::Bytes;
use model::{DialogId, Instant};
use std::net::IpAddr;

/// How often a phone should send something on its connection (RFC 5626 section 4.4.1): sooner than routers forget it.
const FLOW_TIMER_SECS: u32 = 120;

impl Endpoint {
    /// A copy of a request gets the answer of the first, where the copy came from: the same host may have lost a connection, or have gone
    /// from TCP to UDP (section 18.1.1).
    pub(super) fn handle_again(&mut self, key: Key, back: Path) {
        let Some(server) = self.servers.get_mut(&key) else { return };
        let secure = |path: &Path| path.flow.transport().is_secure();
        if back.addr.ip() == server.path.addr.ip() && (secure(&back) || !secure(&server.path)) {
            server.path = back;
        }
        let wanted = match &mut server.machine {
            ServerMachine::Invite { machine, .. } => machine.handle_again(),
            ServerMachine::Other(machine) => machine.handle_again(),
        };
        let wake = server.poll_timeout();
        if wanted {
            let (dialog, path, status, last) = (server.dialog, server.path, server.status, server.last());
            self.alarms.set(super::Alarm::Server(key), wake);
            self.transmit_response(Some(dialog), path, status, last);
        }
    }

    /// An ACK belongs to a refusal (then the transaction absorbs it) or to a dialog. It is never answered.
    pub(super) fn handle_ack(&mut self, now: Instant, from: IpAddr, message: &Message, essentials: &Essentials<'_>, key: Key) {
        if let Some((dialog, machine)) = self.servers.get_mut(&key).and_then(|server| server.invite()) {
            let whose = machine.handle_ack(now);
            let wake = machine.poll_timeout();
            self.alarms.set(super::Alarm::Server(key), wake);
            if whose == Ack::Absorbed {
                if self.legs.get(&dialog).is_some_and(|leg| self.is_peer(leg, from)) {
                    self.hear_wishes(dialog, message, essentials);
                }
                return;
            }
        }
        self.handle_dialog_ack(now, from, message, essentials);
    }

    /// Somebody calls.
    pub(super) fn handle_invite(&mut self, asked: &Asked<'_>) {
        if self.legs.len() >= DIALOGS_MAX || self.servers.len() >= TRANSACTIONS_MAX {
            return self.refuse_full(asked);
        }
        let Some(uri) = self.request_uri(asked) else { return };
        // Section 8.2.2.2: the same request on another way, through a fork, is answered once.
        if self.merges.contains_key(&self.names.merged(&asked.essentials, "INVITE")) {
            return self.refuse(asked, 482);
        }
        // RFC 7332 section 4: who makes a call out of a call must stop it from going in circles. Other requests end here anyway.
        if asked.essentials.max_forwards == Some(0) {
            return self.refuse(asked, 483);
        }
        if self.refuse_extensions(asked) {
            return;
        }
        let from_user = asked.essentials.from.uri().user();
        if self.door_closed && !self.users.contains_key(&from_user) {
            self.note(model::Event::Refused { why: model::Refusal::TooFast, person: None });
            return self.refuse_full(asked);
        }
        let authenticated = match self.users.contains_key(&from_user) {
            true => match self.authenticate(asked) {
                Some(user) if user == from_user => Some(user),
                Some(_) => return self.refuse(asked, 403),
                None => return,
            },
            false => None,
        };
        let Some(replaces) = self.replaced(asked) else { return };
        let Some(timer) = self.timer_asked(asked) else { return };
        let Some(offer) = self.offer(asked) else { return };
        let tag = self.random.token(16);
        let state = match DialogState::uas(asked.message, &asked.essentials, tag.clone(), asked.back.flow, asked.back.addr) {
            Ok(state) => state,
            Err(header) => return self.refuse_header(asked, header),
        };
        if self.aims_at_us(&state) {
            self.note(model::Event::Refused { why: model::Refusal::AimedAtUs, person: None });
            return self.refuse_saying(asked, 403, "Contact or Record-Route names this machine");
        }
        let state = DialogState {
            session_id: theirs(asked.message).map(|theirs| self.session_id(&state.call_id, Some(theirs))),
            // Of a phone of ours the Contact tells it as well, as when it is called.
            behind_router: state.behind_router
                || authenticated.is_some() && asked.is_direct() && names_a_house(&state.remote_target, state.peer),
            ..state
        };
        let dialog = self.new_dialog();
        let stage = Stage::Incoming { invite: asked.key, cseq: asked.essentials.cseq.number, asks: offer.is_none(), timer };
        let phone = authenticated
            .as_ref()
            .and_then(|user| self.registrar.known(user, |phone| (phone.flow, phone.addr) == (asked.path.flow, asked.path.addr)));
        // Whoever called the address that we registered called that customer of the carrier.
        let called = uri.user();
        let customers = self.trunks.customers_at(asked.path.asker(), |account| account.user == called);
        let mut leg = Leg { user: authenticated.clone(), customers, began_at: Some(asked.path.asker()), phone, ..Leg::new(state, stage) };
        leg.unnamed = leg.names_nobody(asked.message, &asked.essentials.from);
        self.add_leg(dialog, leg);
        self.heed_abilities(dialog, asked.message);
        self.begin_invite(asked, dialog, &tag);
        let reliable = self.legs.get(&dialog).is_some_and(|leg| leg.can.reliable);
        self.event(Event::Invite {
            dialog,
            source: asked.path.addr,
            from_user,
            from_display: asked.essentials.from.display(),
            to_user: called,
            authenticated,
            claims: Box::new(Claims::of(asked.message, &asked.essentials)),
            offer,
            reliable,
            replaces,
        });
    }

    /// What the peer says that it can do; without a word it is as before.
    pub(super) fn heed_abilities(&mut self, dialog: DialogId, message: &Message) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if message.first(Name::Allow).is_some() {
            leg.can.update = lists(message, Name::Allow, "UPDATE");
        }
        leg.can.insists |= lists(message, Name::Require, "100rel");
        leg.can.reliable |= leg.can.insists || lists(message, Name::Supported, "100rel");
    }

    /// Somebody gives up a call, or a change of one.
    pub(super) fn handle_cancel(&mut self, asked: &Asked<'_>) {
        let key = self.names.cancelled(asked.message, &asked.essentials);
        let Some(server) = self.servers.get(&key) else { return self.refuse(asked, 481) };
        let (pending, tag) = match &server.machine {
            ServerMachine::Invite { machine, tag, .. } => (machine.is_pending(), tag.clone()),
            // Refused at once.
            ServerMachine::Other(_) => (false, String::new()),
        };
        let dialog = server.dialog;
        // Section 9.1: it is sent to where the INVITE was sent, by whoever sent that.
        if self.legs.get(&dialog).is_some_and(|leg| !self.is_peer(leg, asked.path.addr.ip())) {
            return self.refuse(asked, 481);
        }
        // Most come too late for anything else: we answer at once.
        self.hear_wishes(dialog, asked.message, &asked.essentials);
        // Section 9.2: the tag is the one of our answers to the INVITE.
        let bytes = asked.echo.response(200, &tag).empty();
        self.transmit_response(Some(dialog), asked.back, 200, bytes);
        if !pending {
            return;
        }
        self.reply_invite(asked.now, key, 487, Writer::empty);
        match self.legs.get(&dialog).map(|leg| &leg.stage) {
            Some(Stage::Incoming { .. }) => {
                self.tell_cause(asked, dialog);
                self.event(Event::Cancelled { dialog });
                self.end(asked.now, dialog);
            }
            Some(Stage::Reoffered { .. }) => self.enter(dialog, Stage::Confirmed),
            Some(Stage::Outgoing { .. } | Stage::Answering(_) | Stage::Confirmed | Stage::Ending) | None => {}
        }
    }

    /// Somebody asks what we can do.
    pub(super) fn handle_options(&mut self, asked: &Asked<'_>) {
        if self.request_uri(asked).is_none() || self.refuse_extensions(asked) {
            return;
        }
        self.reply(asked, 200, capabilities);
    }

    /// A copy of a user's last REGISTER gets the answer of the first; its password would not count twice.
    pub(super) fn handle_register_again(&mut self, asked: &Asked<'_>) -> bool {
        let user = asked.essentials.to.uri().user();
        let Some(answer) = self.registrar.answer(asked.now, &user, asked.key, asked.path.addr.ip()).cloned() else { return false };
        self.count_request(asked.path.addr, "REGISTER", true);
        self.transmit_response(None, asked.back, answer.status, answer.bytes);
        true
    }

    /// A phone says where it is.
    pub(super) fn handle_register(&mut self, asked: &Asked<'_>) {
        if self.request_uri(asked).is_none() || self.refuse_extensions_but(asked, &["path", "outbound"]) {
            return;
        }
        let Some(user) = self.authenticate(asked) else { return };
        // Section 10.3 item 3: nobody registers for somebody else.
        if user != asked.essentials.to.uri().user() {
            self.note(model::Event::AuthenticationFailed { challenged: true });
            return self.refuse(asked, 403);
        }
        let Path { flow, addr } = asked.path;
        let wishes = Wishes::parse(asked.message, &asked.essentials);
        if wishes.as_ref().is_ok_and(|wishes| self.may_not_register(asked, wishes)) {
            return self.refuse_saying(asked, 403, "Contact or Path names this machine, or none");
        }
        // RFC 3261 section 26.2.2: it would be called in clear, for it has no other way.
        if !flow.transport().is_secure() && wishes.as_ref().is_ok_and(Wishes::want_tls) {
            return self.refuse_saying(asked, 403, "A Contact that wants TLS is registered by TLS");
        }
        let outbound = wishes.as_ref().is_ok_and(|wishes| wishes.outbound);
        let outcome = wishes.and_then(|wishes| self.registrar.handle_register(asked.now, &user, wishes, flow, addr));
        let status = outcome.as_ref().map_or_else(|status| *status, |_| 200);
        let mut writer = asked.echo.response(status, &self.stateless_tag(asked));
        if outcome.is_ok() {
            // RFC 3327 section 5.3: the proxies on the way, as they were written. RFC 5626 section 6: we call it by its own connection.
            writer = asked.message.all(Name::Path).fold(writer, |w, path| w.header("Path", path)).header("Supported", "path, outbound");
            if outbound {
                writer = writer.header("Require", "outbound");
            }
            if outbound && flow.is_stream() {
                writer = writer.header("Flow-Timer", FLOW_TIMER_SECS.to_string());
            }
        }
        if status == 423 {
            writer = writer.header("Min-Expires", EXPIRES_MIN.to_string());
        }
        // Section 10.3 item 8: "Contact header field values enumerating all current bindings".
        for contact in self.registrar.contacts(asked.now, &user).filter(|_| outcome.is_ok()) {
            writer = writer.header("Contact", contact);
        }
        let bytes = writer.empty();
        self.registrar.keep_answer(&user, Answer { key: asked.key, from: addr.ip(), at: asked.now, status, bytes: bytes.clone() });
        self.transmit_response(None, asked.back, status, bytes);
        if let Ok(registered) = &outcome {
            self.go_on_with(asked.now, &user, &registered.former, asked.path);
        }
        for change in outcome.unwrap_or_default().changes {
            self.registration_changed(&user, change, false);
        }
        self.follow_phones(asked.now, &user);
    }

    /// Who of a user's phones is asked whether it is there.
    pub(super) fn follow_phones(&mut self, now: Instant, user: &str) {
        self.keeper.follow(now, user, self.registrar.bindings(user), &mut self.random);
    }

    pub(super) fn registration_changed(&mut self, user: &str, change: Change, expired: bool) {
        let user = user.to_owned();
        self.event(match change {
            Change::Registered { fresh, moved } => Event::Registered { user, fresh, moved },
            Change::Gone { at, why } => Event::PhoneGone { user, at, why },
            Change::Unregistered => Event::Unregistered { user, expired },
        });
    }

    /// Who has proved a password; if nobody has, 401 has been sent.
    fn authenticate(&mut self, asked: &Asked<'_>) -> Option<String> {
        let from = asked.path.addr.ip();
        let stale = match self.gate.judge(asked.now, from, asked.message, &self.users) {
            Verdict::Right { user } => return Some(user),
            Verdict::Stale => true,
            Verdict::Absent => false,
            Verdict::Wrong { challenged } => {
                self.note(model::Event::AuthenticationFailed { challenged });
                false
            }
        };
        let (call, number) = (asked.essentials.call_id.as_bytes(), asked.essentials.cseq.number.to_be_bytes());
        let lines = self.gate.challenge(asked.now, from, &[call, &number], stale);
        self.reply(asked, 401, |w| lines.iter().fold(w, |w, line| w.header("WWW-Authenticate", line)).empty());
        None
    }

    /// The Request-URI, if it is one that can lead somewhere; else the request has been refused (section 8.2.2.1).
    fn request_uri<'a>(&mut self, asked: &Asked<'a>) -> Option<Uri<'a>> {
        let uri = Uri::parse(asked.message.request_uri());
        match uri {
            Some(uri) if uri.scheme() == Scheme::Other => self.refuse(asked, 416),
            // Section 19.1.1: headers are not allowed there, and must not become headers of ours.
            Some(uri) if !uri.has_headers() => return Some(uri),
            Some(_) | None => self.refuse(asked, 400),
        }
        None
    }

    /// Whether the request needs an extension that we have not, and has been refused for it (section 8.2.2.3).
    pub(super) fn refuse_extensions(&mut self, asked: &Asked<'_>) -> bool {
        self.refuse_extensions_but(asked, &[])
    }

    /// The same for a request in which some more have a meaning.
    fn refuse_extensions_but(&mut self, asked: &Asked<'_>, more: &[&str]) -> bool {
        let known = |word: &[u8]| SUPPORTED.split(", ").chain(more.iter().copied()).any(|ours| same_name(word, ours.as_bytes()));
        let needs: Vec<&[u8]> = asked.message.values(Name::Require).filter(|v| is_token(v) && !known(v)).collect();
        if needs.is_empty() {
            return false;
        }
        let listed = needs.join(&b", "[..]);
        self.reply(asked, 420, |w| w.header("Unsupported", listed).empty());
        true
    }

    /// The session description that an INVITE carries: `Some(None)` if it carries none. `None` if its body or what it accepts is
    /// not for us, and it has been refused (section 8.2.3).
    pub(super) fn offer(&mut self, asked: &Asked<'_>) -> Option<Option<Bytes>> {
        match session_description(asked.message) {
            Ok(offer) => {
                let accepts = asked.message.first(Name::Accept).is_none() || asked.message.values(Name::Accept).any(accepts_sdp);
                if !accepts {
                    self.refuse(asked, 406);
                    return None;
                }
                Some(offer)
            }
            Err(415) => {
                self.reply(asked, 415, |w| w.header("Accept", ACCEPTS).header("Accept-Encoding", "identity").empty());
                None
            }
            Err(status) => {
                self.refuse(asked, status);
                None
            }
        }
    }

    pub(super) fn refuse_header(&mut self, asked: &Asked<'_>, header: Name) {
        self.refuse_saying(asked, 400, &format!("Bad Request: broken {}", header.text()));
    }

    fn refuse_full(&mut self, asked: &Asked<'_>) {
        self.reply(asked, 503, |w| w.header("Retry-After", RETRY_AFTER_SECS.to_string()).empty());
    }
}

/// What we can do, as the end of a 200 to OPTIONS (section 11.2).
pub(super) fn capabilities(writer: Writer) -> Bytes {
    writer.header("Allow", ALLOW).header("Supported", SUPPORTED).header("Accept", SDP).header("Accept-Encoding", "identity").empty()
}

fn accepts_sdp(range: &[u8]) -> bool {
    list(range).any(|r| ["*/*", "application/*", SDP].iter().any(|ours| media_type(r).eq_ignore_ascii_case(ours)))
}
