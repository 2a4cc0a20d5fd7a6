//! The phone itself: what comes in goes to the right machine, what they want goes out.
//!
//! One line, one call at a time (RFC 3261: a user agent with both its halves). One input, then drain, then the next.

use crate::call::{Call, Past, Stage};
use crate::message::{self, Draft};
use crate::registration::Registration;
use crate::talk::Talk;
use crate::transaction::{Client, Purpose, Server, ServerStage, T4, Tick, Verdict};
use crate::{Command, Config, Event, Key, Output, Socket, Stretch};
use model::{Instant, MediaStats, Pcm, Random};
use rsip::headers::{Header, UntypedHeader};
use rsip::{Method, Request, Response, SipMessage};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Requests of ours that may be under way or remembered; a phone has a handful.
const CLIENTS_MAX: usize = 32;
/// Requests of theirs; beyond it they are dropped and told as a violation.
const SERVERS_MAX: usize = 64;
/// Keys that may wait to be pressed.
const KEYS_MAX: usize = 256;
/// Dialogs and branches remembered after their end.
const PAST_MAX: usize = 64;

/// A telephone without sockets or a clock.
#[derive(Debug)]
pub struct Phone {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) post: Post,
    pub(crate) clients: Vec<Client>,
    pub(crate) servers: Vec<Server>,
    pub(crate) registration: Registration,
    pub(crate) call: Option<Call>,
    /// The sound of the call that is on, or of the last one.
    pub(crate) talk: Option<Talk>,
    pub(crate) past: VecDeque<Past>,
    pub(crate) retired: VecDeque<String>,
    pub(crate) keys: VecDeque<Key>,
    silence: Pcm,
    dead: bool,
}

/// What waits to be fetched by `poll_output`: at most what one input makes.
#[derive(Debug, Default)]
pub(crate) struct Post {
    trace: bool,
    queue: VecDeque<Output>,
    /// The Call-ID of what is in hand.
    concern: String,
}

impl Post {
    pub(crate) fn event(&mut self, event: Event) {
        self.queue.push_back(Output::Event(event));
    }
    /// The engine broke the protocol, in the call in hand.
    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        let mut what = what.into();
        if !self.concern.is_empty() {
            what = format!("{what}, Call-ID {}", self.concern);
        }
        self.event(Event::Violation(what));
    }
    /// What follows is about this call.
    pub(crate) fn concern(&mut self, call_id: &str) {
        call_id.clone_into(&mut self.concern);
    }
    pub(crate) fn send(&mut self, socket: Socket, to: SocketAddr, bytes: Vec<u8>) {
        if self.trace && socket == Socket::Sip {
            self.event(Event::Trace { sent: true, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
        self.queue.push_back(Output::Send { socket, to, bytes });
    }
    /// The message sent just now.
    pub(crate) fn last_sip(&self) -> Option<Vec<u8>> {
        match self.queue.back() {
            Some(Output::Send { socket: Socket::Sip, bytes, .. }) => Some(bytes.clone()),
            Some(Output::Send { .. } | Output::Event(_)) | None => None,
        }
    }
}

impl Phone {
    /// A phone that does nothing yet. `random` draws its tags, branches and RTP identity.
    pub fn new(config: Config, mut random: Random) -> Self {
        let post = Post { trace: config.trace, queue: VecDeque::new(), concern: String::new() };
        let registration = Registration::new(&mut random);
        Phone {
            config,
            random,
            post,
            clients: Vec::new(),
            servers: Vec::new(),
            registration,
            call: None,
            talk: None,
            past: VecDeque::new(),
            retired: VecDeque::new(),
            keys: VecDeque::new(),
            silence: Pcm { rate: 8000, samples: Vec::new() },
            dead: false,
        }
    }

    /// Somebody does something with the phone.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        if self.dead {
            return;
        }
        match command {
            Command::Register => self.register(now),
            Command::Unregister => self.unregister(now),
            Command::Dial { uri } => self.dial(now, &uri, false, None),
            Command::DialLate { uri } => self.dial(now, &uri, true, None),
            Command::DialReplacing { uri, replaces } => self.dial(now, &uri, false, Some(replaces)),
            Command::Hold(hold) => self.reoffer(now, Some(hold)),
            Command::Resume => self.reoffer(now, None),
            Command::Refer { to } => self.refer(now, &to),
            Command::SendKey(digit) => self.send_key(now, digit),
            Command::Press(keys) => {
                let room = KEYS_MAX.saturating_sub(self.keys.len());
                self.keys.extend(keys.into_iter().take(room));
                if let Some(talk) = &mut self.talk {
                    talk.wake_keys(now);
                }
            }
            Command::HangUp => self.hang_up(now),
            Command::Cancel => self.cancel(now),
            Command::Answer => self.pick_up(now),
            Command::StopSending => {
                if let Some(talk) = &mut self.talk {
                    talk.stop_sending();
                }
            }
            Command::Vanish => {
                self.dead = true;
                self.post.queue.clear();
            }
        }
    }

    /// A datagram came.
    pub fn handle_packet(&mut self, now: Instant, socket: Socket, from: SocketAddr, packet: &[u8]) {
        if self.dead {
            return;
        }
        match socket {
            Socket::Sip => self.handle_message(now, from, packet),
            Socket::Rtp => {
                if let (Some(talk), true) = (&mut self.talk, self.call.is_some()) {
                    talk.handle_packet(now, from, packet, &mut self.post);
                }
            }
            // Reports on what we sent: nothing to do with them.
            Socket::Rtcp => {}
        }
    }

    /// The time of [`Phone::poll_timeout`] has come. Earlier or later calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.dead {
            return;
        }
        self.handle_transactions(now);
        self.handle_call_timeout(now);
        self.handle_registration_timeout(now);
        if let Some(talk) = &mut self.talk {
            talk.handle_timeout(now, &mut self.keys, &mut self.post);
        }
    }

    /// What to do next, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.post.queue.pop_front()
    }

    /// When [`Phone::handle_timeout`] wants to be called; `None` when nothing is under way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.dead {
            return None;
        }
        let clients = self.clients.iter().map(Client::due);
        let servers = self.servers.iter().filter_map(Server::due);
        clients.chain(servers).chain(self.call_due()).chain(self.registration.due()).chain(self.talk.as_ref().and_then(Talk::due)).min()
    }

    /// What was heard since Connected, of this call or the last: 8000 Hz, at most 30 minutes.
    pub fn heard(&self) -> &Pcm {
        self.talk.as_ref().map_or(&self.silence, Talk::heard)
    }

    /// What was said since Connected, sample by sample beside [`Phone::heard`].
    pub fn said(&self) -> &Pcm {
        self.talk.as_ref().map_or(&self.silence, Talk::said)
    }

    /// The stretches of sound told so far as [`Event::Heard`], at most 4096 of them.
    pub fn timeline(&self) -> &[Stretch] {
        self.talk.as_ref().map_or(&[], Talk::timeline)
    }

    /// The stretch that is sounding at the moment, as far as it is known.
    pub fn sounding(&self) -> Option<Stretch> {
        self.talk.as_ref().filter(|_| self.call.is_some()).and_then(Talk::sounding)
    }

    /// What the media of this call, or the last, did.
    pub fn media_stats(&self) -> MediaStats {
        self.talk.as_ref().map(Talk::stats).unwrap_or_default()
    }

    /// Whether a call or a transaction is under way: what `poll_timeout` says but for the refresh of a registration.
    pub fn is_busy(&self) -> bool {
        !self.dead && (self.call.is_some() || !self.clients.is_empty() || !self.servers.is_empty())
    }

    /// Whether a call is on, ringing or being dialled.
    pub fn is_in_call(&self) -> bool {
        !self.dead && self.call.is_some()
    }

    /// How another phone names the call that is on here, to take its place (RFC 3891 section 6.1: seen from the far side).
    pub fn replaces(&self) -> Option<String> {
        let dialog = &self.call.as_ref()?.dialog;
        Some(format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag.as_ref()?, dialog.local_tag))
    }

    /// Whether both sides of a call are up.
    pub fn is_connected(&self) -> bool {
        !self.dead && matches!(self.call, Some(Call { stage: Stage::Talking, .. }))
    }

    fn handle_message(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) {
        // RFC 5626 section 3.5.1: a keep-alive of blank lines is no message.
        if packet.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return;
        }
        if self.config.trace {
            self.post.event(Event::Trace { sent: false, text: String::from_utf8_lossy(packet).into_owned() });
        }
        self.past.retain(|p| p.until > now);
        self.post.concern("");
        match message::read(packet) {
            Err(fault) => self.post.violation(fault),
            Ok(SipMessage::Request(request)) => self.handle_request(now, from, request),
            Ok(SipMessage::Response(response)) => self.handle_response(now, response),
        }
    }

    fn handle_response(&mut self, now: Instant, response: Response) {
        let status = response.status_code.code();
        let envelope = match message::envelope(&response.headers) {
            Ok(envelope) => envelope,
            Err(fault) => return self.post.violation(format!("in a {status}: {fault}")),
        };
        self.post.concern(&envelope.call_id);
        if envelope.vias != 1 {
            self.post.violation(format!("a {status} with {} Via values, one was sent (RFC 3261 section 8.1.3.3)", envelope.vias));
        }
        let Some(at) = self.clients.iter().position(|c| c.branch == envelope.via.branch && is(&c.request, &envelope.cseq_method)) else {
            if !self.retired.contains(&envelope.via.branch) {
                self.post.violation(format!("a {status} to {} that was never asked (RFC 3261 section 17.1.3)", envelope.cseq_method));
            }
            return;
        };
        let client = &self.clients[at];
        if let Some(fault) = disagreement(&client.request, &envelope, status) {
            self.post.violation(fault);
        }
        let is_invite = client.request.method == Method::Invite;
        let ack = (is_invite && status >= 300).then(|| acknowledge_failure(&client.request, &envelope.to.text)).flatten();
        let (to, purpose) = (client.to, client.purpose);
        let verdict = self.clients[at].handle_response(now, status, ack.clone());
        match verdict {
            Verdict::Absorb => return,
            Verdict::Send(bytes) => return self.post.send(Socket::Sip, to, bytes),
            Verdict::Wrong(fault) => return self.post.violation(fault),
            Verdict::Pass => {}
        }
        if let Some(ack) = ack {
            self.post.send(Socket::Sip, to, ack);
        }
        match purpose {
            Purpose::Register | Purpose::Unregister => self.handle_registration_response(now, purpose, status, &response),
            Purpose::Invite => self.handle_invite_response(now, at, status, &response, &envelope),
            Purpose::Reoffer => self.handle_reoffer_response(now, at, status, &response),
            Purpose::Refer => self.post.event(Event::Referred { status, over: status >= 300 }),
            Purpose::Info => {
                if status >= 300 {
                    self.post.violation(format!("{status} to our INFO"));
                }
            }
            Purpose::Bye | Purpose::Cancel => {
                // 481 is right when both sides hang up at once, or the INVITE was answered first.
                if status >= 300 && status != 481 {
                    let method = &envelope.cseq_method;
                    self.post.violation(format!("{status} to our {method} (RFC 3261 sections 9.2 and 15.1.2)"));
                }
            }
        }
    }

    fn handle_request(&mut self, now: Instant, from: SocketAddr, request: Request) {
        let method = request.method;
        let envelope = match message::envelope(&request.headers) {
            Ok(envelope) => envelope,
            Err(fault) => return self.post.violation(format!("in a {method}: {fault}")),
        };
        self.post.concern(&envelope.call_id);
        if envelope.cseq_method != method.to_string() {
            self.post.violation(format!("a {method} whose CSeq says {} (RFC 3261 section 8.1.1.5)", envelope.cseq_method));
        }
        if !request.headers.iter().any(|h| matches!(h, Header::MaxForwards(m) if m.value().trim().parse::<u8>().is_ok())) {
            self.post.violation(format!("a {method} without Max-Forwards (RFC 3261 section 8.1.1.6)"));
        }
        if envelope.from.tag.is_none() {
            self.post.violation(format!("a {method} without a tag in From (RFC 3261 section 8.1.1.3)"));
        }
        let full = self.servers.len() >= SERVERS_MAX;
        // The ACK to a failure carries the branch of its INVITE (section 17.2.3).
        let of = if method == Method::Ack { Method::Invite } else { method };
        let known = self
            .servers
            .iter_mut()
            .find(|s| s.branch == envelope.via.branch && s.sent_by == envelope.via.sent_by && s.request.method == of);
        match (method, known) {
            (Method::Ack, Some(server)) => {
                if let ServerStage::Unacknowledged { .. } = server.stage {
                    server.stage = ServerStage::Done { until: now + T4 };
                }
            }
            (Method::Ack, None) => self.handle_ack(now, &envelope, &request),
            (_, Some(server)) => {
                if let Some((_, to, bytes)) = server.answer.clone() {
                    self.post.send(Socket::Sip, to, bytes);
                }
            }
            (_, None) if full => {
                self.post.violation(format!("more than {SERVERS_MAX} requests within 32 s; this {method} is dropped"));
            }
            (_, None) => {
                self.servers.push(Server {
                    branch: envelope.via.branch.clone(),
                    sent_by: envelope.via.sent_by.clone(),
                    request: request.clone(),
                    from,
                    answer: None,
                    stage: ServerStage::Open,
                });
                self.handle_fresh_request(now, &envelope, request);
            }
        }
    }

    /// Answers the request of a server transaction.
    pub(crate) fn answer(&mut self, now: Instant, branch: &str, method: Method, reply: Reply<'_>) {
        let Some(server) = self.servers.iter_mut().find(|s| s.branch == branch && s.request.method == method) else { return };
        let via = message::envelope(&server.request.headers).map(|e| e.via).ok();
        // RFC 3261 section 18.2.2 and RFC 3581 section 4: back to where it came from, to the port of sent-by unless rport was asked.
        let to = match via {
            Some(via) if !via.rport => {
                let port = via.sent_by.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(5060);
                SocketAddr::new(server.from.ip(), port)
            }
            _ => server.from,
        };
        let response = message::response(&server.request, server.from, reply.status, reply.tag, reply.extra, reply.sdp);
        let bytes = message::response_bytes(&response);
        server.answered(now, reply.status, to, bytes.clone());
        self.post.send(Socket::Sip, to, bytes);
    }

    /// Begins a client transaction; the branch it goes by, or a sentence when the request cannot be written.
    pub(crate) fn ask(&mut self, now: Instant, purpose: Purpose, ask: Ask<'_>) -> Result<String, String> {
        let branch = ask.branch.map_or_else(|| format!("z9hG4bK{}", self.random.token(16)), str::to_owned);
        let request = message::request(Draft {
            method: ask.method,
            uri: ask.uri,
            via: format!("SIP/2.0/UDP {};branch={branch};rport", self.config.sip),
            from: ask.from,
            to: ask.to,
            call_id: ask.call_id,
            cseq: ask.cseq,
            routes: ask.routes,
            extra: ask.extra,
            sdp: ask.sdp,
        })?;
        let to = ask.routes.first().map_or(ask.uri, String::as_str);
        // A first request goes to the server whatever its URI says, as through an outbound proxy.
        let to = if ask.outbound { self.config.server } else { message::address(to).unwrap_or(self.config.server) };
        let bytes = message::request_bytes(&request);
        self.post.send(Socket::Sip, to, bytes.clone());
        if ask.method == Method::Ack {
            return Ok(branch);
        }
        if self.clients.len() >= CLIENTS_MAX {
            let oldest = self.clients.remove(0);
            self.retire(oldest.branch);
        }
        self.clients.push(Client::new(now, purpose, branch.clone(), request, bytes, to));
        Ok(branch)
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.config.user, self.config.sip)
    }

    fn handle_transactions(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.clients.len() {
            match self.clients[at].handle_timeout(now) {
                None => {
                    at += 1;
                    continue;
                }
                Some(Tick::Send(to, bytes)) => self.post.send(Socket::Sip, to, bytes),
                Some(Tick::Gone) => {
                    let client = self.clients.remove(at);
                    self.retire(client.branch);
                }
                Some(Tick::TimedOut) => {
                    let client = self.clients.remove(at);
                    self.retire(client.branch.clone());
                    self.post.concern(&message::call_id(&client.request.headers));
                    match client.purpose {
                        Purpose::Register | Purpose::Unregister => self.handle_registration_failure(now, 408, None),
                        Purpose::Invite => self.handle_invite_timeout(now, &client),
                        Purpose::Refer | Purpose::Info => self.post.violation("nobody answered what we asked in a call for 32 s"),
                        Purpose::Reoffer => self.post.violation("nobody answered our re-INVITE for 32 s (RFC 3261 section 14.2)"),
                        Purpose::Bye => self.post.violation("nobody answered our BYE for 32 s (RFC 3261 section 15.1.2)"),
                        Purpose::Cancel => self.post.violation("nobody answered our CANCEL for 32 s (RFC 3261 section 9.2)"),
                    }
                }
            }
        }
        let mut at = 0;
        while at < self.servers.len() {
            match self.servers[at].handle_timeout(now) {
                None => at += 1,
                Some(Tick::Send(to, bytes)) => self.post.send(Socket::Sip, to, bytes),
                Some(Tick::Gone) => drop(self.servers.remove(at)),
                Some(Tick::TimedOut) => {
                    let server = self.servers.remove(at);
                    let status = server.answer.map_or(0, |(status, _, _)| status);
                    self.post.concern(&message::call_id(&server.request.headers));
                    self.post.violation(format!("our {status} to an INVITE got no ACK for 32 s (RFC 3261 section 17.1.1.3)"));
                }
            }
        }
    }

    pub(crate) fn remember(&mut self, past: Past) {
        if self.past.len() >= PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }

    fn retire(&mut self, branch: String) {
        if self.retired.len() >= PAST_MAX {
            self.retired.pop_front();
        }
        self.retired.push_back(branch);
    }
}

/// What a client transaction asks.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) uri: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) cseq: u32,
    pub(crate) routes: &'a [String],
    pub(crate) extra: Vec<Header>,
    pub(crate) sdp: Option<&'a [u8]>,
    /// A branch that is given, not drawn: a CANCEL has that of its INVITE.
    pub(crate) branch: Option<&'a str>,
    /// To the configured server, whatever the URI.
    pub(crate) outbound: bool,
}

/// What a server transaction answers.
pub(crate) struct Reply<'a> {
    status: u16,
    /// Our tag, if the request has none of ours yet.
    tag: &'a str,
    extra: Vec<Header>,
    sdp: Option<&'a [u8]>,
}

impl<'a> Reply<'a> {
    pub(crate) fn new(status: u16, tag: &'a str) -> Self {
        Reply { status, tag, extra: Vec::new(), sdp: None }
    }
    pub(crate) fn with(mut self, extra: Vec<Header>) -> Self {
        self.extra = extra;
        self
    }
    pub(crate) fn session(mut self, sdp: &'a [u8]) -> Self {
        self.sdp = Some(sdp);
        self
    }
}

fn is(request: &Request, method: &str) -> bool {
    request.method.to_string() == method
}

/// What a response says otherwise than the request it answers (RFC 3261 section 8.2.6.2).
fn disagreement(request: &Request, got: &message::Envelope, status: u16) -> Option<String> {
    let sent = message::envelope(&request.headers).ok()?;
    let what = if sent.call_id != got.call_id {
        "another Call-ID"
    } else if sent.from.tag != got.from.tag || sent.from.uri != got.from.uri {
        "another From"
    } else if sent.cseq != got.cseq {
        "another CSeq"
    } else if sent.to.uri != got.to.uri {
        "another To"
    } else if sent.via.sent_by != got.via.sent_by {
        "another Via"
    } else if sent.to.tag.is_some() && sent.to.tag != got.to.tag {
        "another To tag"
    } else if status > 100 && got.to.tag.is_none() {
        "no To tag"
    } else {
        return None;
    };
    Some(format!("a {status} to our {} with {what} (RFC 3261 section 8.2.6.2)", request.method))
}

/// The ACK to a failed INVITE: same branch, same everything but for To (RFC 3261 section 17.1.1.3).
fn acknowledge_failure(invite: &Request, to: &str) -> Option<Vec<u8>> {
    let sent = message::envelope(&invite.headers).ok()?;
    let via = invite.headers.iter().find_map(|h| if let Header::Via(v) = h { Some(v.value().to_owned()) } else { None })?;
    let routes: Vec<String> =
        invite.headers.iter().filter_map(|h| if let Header::Route(r) = h { Some(r.value().to_owned()) } else { None }).collect();
    let request = message::request(Draft {
        method: Method::Ack,
        uri: &invite.uri.to_string(),
        via,
        from: &sent.from.text,
        to,
        call_id: &sent.call_id,
        cseq: sent.cseq,
        routes: &routes,
        extra: Vec::new(),
        sdp: None,
    });
    request.ok().map(|r| message::request_bytes(&r))
}
