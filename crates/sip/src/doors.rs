//! Where we are heard, and how we say so.
//!
//! RFC 3261 sections 8.1.1.7, 8.1.1.8 and 18.1.1: Via and Contact name the transport and the port at which the peer finds us.

use crate::header::Via;
use crate::uri::{DEFAULT_PORT, Scheme, Uri};
use model::{FlowId, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Our addresses.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    /// Of UDP and TCP, and of whatever has no port of its own.
    local: SocketAddr,
    more: BTreeMap<Transport, SocketAddr>,
}

impl Doors {
    pub(crate) fn new(local: SocketAddr) -> Doors {
        Doors { local, more: BTreeMap::new() }
    }

    pub(crate) fn open(&mut self, transport: Transport, at: SocketAddr) {
        self.more.insert(transport, at);
    }

    /// Where we hear that transport.
    pub(crate) fn at(&self, transport: Transport) -> SocketAddr {
        self.more.get(&transport).copied().unwrap_or(self.local)
    }

    /// Whether a Via is one that [`Doors::via`] wrote.
    pub(crate) fn is_our_via(&self, via: &Via<'_>) -> bool {
        let Some(ip) = via.ip() else { return false };
        let at = SocketAddr::new(ip, via.port().unwrap_or(DEFAULT_PORT));
        at == self.local || self.more.values().any(|door| *door == at)
    }

    /// Our Via, as it stands in requests on `flow`.
    pub(crate) fn via(&self, flow: FlowId, branch: &str) -> String {
        let transport = flow.transport();
        format!("SIP/2.0/{} {};branch={branch};rport", transport.via(), self.at(transport))
    }

    /// Our Contact, as it stands in messages on `flow` to a peer who is reached at `uri`.
    pub(crate) fn contact(&self, flow: FlowId, uri: &str) -> String {
        let transport = flow.transport();
        // RFC 3261 sections 8.1.1.8 and 12.1.1: who is called by a SIPS URI is told one. Everybody else gets the parameter, which old phones know.
        let is_sips = transport.is_secure() && Uri::parse(uri.as_bytes()).is_some_and(|uri| uri.scheme() == Scheme::Sips);
        let scheme = if is_sips { "sips" } else { "sip" };
        format!("<{scheme}:{}{}>", self.at(transport), param(transport))
    }

    /// The same with a user, for a registration.
    pub(crate) fn contact_of(&self, user: &str, transport: Transport) -> String {
        format!("<sip:{user}@{}{}>", self.at(transport), param(transport))
    }
}

fn param(transport: Transport) -> String {
    transport.param().map(|name| format!(";transport={name}")).unwrap_or_default()
}
