//! Connections: which transport a request takes, and what happens when there is no connection, or none any more.
//!
//! RFC 3261 sections 8.1.3.1, 18.1.1 and 18.2.2; RFC 3263 section 4.1 for the `transport` parameter.

use super::Endpoint;
use super::store::{Alarm, ByUdp, Client, ClientMachine};
use crate::header::Via;
use crate::message::Message;
use crate::transaction::{ClientInvite, ClientOther, Key};
use crate::uri::{DEFAULT_PORT, Scheme, Uri};
use bytes::Bytes;
use model::{FlowId, Instant, Now, Transport};
use std::net::SocketAddr;

/// The most bytes of a request that goes by UDP: section 18.1.1 "if it is larger than 1300 bytes and the path MTU is unknown, the request
/// MUST be sent using ... TCP".
const DATAGRAM_MAX: usize = 1300;

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
        self.doors.insert(transport, at);
    }

    fn door(&self, transport: Transport) -> SocketAddr {
        self.doors.get(&transport).copied().unwrap_or(self.config.local)
    }

    /// Whether a Via is one that [`Endpoint::via`] wrote.
    pub(super) fn is_our_via(&self, via: &Via<'_>) -> bool {
        let Some(ip) = via.ip() else { return false };
        let at = SocketAddr::new(ip, via.port().unwrap_or(DEFAULT_PORT));
        at == self.config.local || self.doors.values().any(|door| *door == at)
    }

    /// Our Contact, as it stands in messages on `flow` to a peer who is reached at `uri`.
    pub(super) fn contact(&self, flow: FlowId, uri: &str) -> String {
        let transport = flow.transport();
        // RFC 3261 sections 8.1.1.8 and 12.1.1: who is called by a SIPS URI is told one. Everybody else gets the parameter, which old phones know.
        let is_sips = transport.is_secure() && Uri::parse(uri.as_bytes()).is_some_and(|uri| uri.scheme() == Scheme::Sips);
        let scheme = if is_sips { "sips" } else { "sip" };
        let param = transport.param().map(|name| format!(";transport={name}")).unwrap_or_default();
        format!("<{scheme}:{}{param}>", self.door(transport))
    }

    /// Our Via, as it stands in requests on `flow`.
    pub(super) fn via(&self, flow: FlowId, branch: &str) -> String {
        let transport = flow.transport();
        format!("SIP/2.0/{} {};branch={branch};rport", transport.via(), self.door(transport))
    }

    /// Writes a request to `uri` for `flow`, given Via and Contact; one that is too large for a datagram for TCP, unless the URI forbids it.
    pub(super) fn write(&self, flow: FlowId, branch: &str, uri: &str, write: impl Fn(&str, &str) -> Bytes) -> Written {
        let on = |flow| {
            let via = self.via(flow, branch);
            let request = write(&via, &self.contact(flow, uri));
            (via, request)
        };
        let (via, request) = on(flow);
        if flow.is_stream() || request.len() <= DATAGRAM_MAX || transport(uri).as_deref() == Some("udp") {
            return Written { flow, via, request, by_udp: None };
        }
        let by_udp = Some(ByUdp { via, request });
        let (via, request) = on(FlowId::TCP);
        Written { flow: FlowId::TCP, via, request, by_udp }
    }

    /// A message could not be sent: there is no connection to where it should go, and none could be made.
    pub fn handle_unsent(&mut self, now: Now, bytes: &Bytes) {
        let Ok(message) = Message::parse(bytes) else { return };
        let Ok(essentials) = message.essentials() else { return };
        // A response that reaches nobody is asked for again, or not wanted any more.
        if let Some(branch) = essentials.via.branch().filter(|_| message.method().is_some()) {
            self.unsent(now.mono, Key::ours(branch, essentials.cseq.method));
        }
    }

    /// A connection is gone. What waits for a first answer on it will not get one there.
    pub fn handle_closed(&mut self, now: Now, flow: FlowId) {
        self.registrar.handle_closed(flow);
        let unheard = |client: &Client| match &client.machine {
            ClientMachine::Invite(ours) => ours.machine.is_unheard(),
            ClientMachine::Other { machine, .. } => machine.is_pending(),
        };
        let cut: Vec<Key> = self.clients.iter().filter(|(_, c)| c.path.flow == flow && unheard(c)).map(|(key, _)| *key).collect();
        cut.into_iter().for_each(|key| self.unsent(now.mono, key));
    }

    /// A request of ours did not get through: by UDP, if that is another way, or refused as a 503 would (section 8.1.3.1).
    fn unsent(&mut self, now: Instant, key: Key) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        if let Some(ByUdp { via, request }) = client.by_udp.take() {
            client.path.flow = FlowId::UDP;
            client.request = request.clone();
            match &mut client.machine {
                ClientMachine::Invite(ours) => (ours.machine, ours.via) = (ClientInvite::new(now, false), via),
                ClientMachine::Other { machine, .. } => *machine = ClientOther::new(now, false),
            }
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

/// The transport that a URI asks for, in small letters.
pub(super) fn transport(uri: &str) -> Option<String> {
    Uri::parse(uri.as_bytes()).and_then(|uri| uri.param("transport").map(str::to_ascii_lowercase))
}
