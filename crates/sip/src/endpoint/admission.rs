//! Whose messages count: a request inside a dialog is the peer's only if it comes from where the peer can be, and nobody has us send to this
//! machine who is not allowed to.
//!
//! Our tag cannot be guessed, but it can be overheard. So Call-ID and tags alone do not make a peer (RFC 3261 section 26.2 leaves it to us).

use super::store::Leg;
use super::{Asked, Endpoint};
use crate::dialog::DialogState;
use crate::uri::Uri;
use std::net::{IpAddr, SocketAddr};

impl Endpoint {
    /// Whether a message from this address can be that of a dialog's peer: from where its messages came, from where it or a proxy of its route
    /// wants ours, from another machine of the same carrier, or, of a user's phone, from where one of that user's phones is registered: it may have
    /// moved. The port does not count: a router may give a phone another one at any time.
    pub(super) fn is_peer(&self, leg: &Leg, from: IpAddr) -> bool {
        let state = &leg.state;
        let from = from.to_canonical();
        let same = |ip: IpAddr| ip.to_canonical() == from;
        let named = |uri: &String| Uri::parse(uri.as_bytes()).and_then(|uri| uri.ip()).is_some_and(same);
        same(state.peer.ip())
            || state.route_set.iter().chain([&state.remote_target]).any(named)
            || self.admission.kin.iter().any(|nets| {
                let among = |ip: IpAddr| nets.iter().any(|net| net.contains(ip));
                among(from) && among(state.peer.ip())
            })
            || leg.user.iter().flat_map(|user| self.registrar.bindings(user)).any(|phone| same(phone.addr.ip()))
    }

    /// Where the peers of all dialogs speak from.
    pub fn peers(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.legs.values().map(|leg| leg.state.peer.ip())
    }

    /// Whether the peer of a dialog has us send to this machine, or to ourselves, and is not allowed to.
    pub(super) fn aims_at_us(&self, state: &DialogState) -> bool {
        let next = state.route_set.first().unwrap_or(&state.remote_target);
        self.is_here(next) && !self.admission.here.iter().any(|net| net.contains(state.peer.ip()))
    }

    /// Whether a request wants us to send to this machine from here on, and may not.
    pub(super) fn may_not_aim(&self, asked: &Asked<'_>, target: Option<&str>) -> bool {
        target.is_some_and(|target| self.is_here(target)) && !self.admission.here.iter().any(|net| net.contains(asked.path.addr.ip()))
    }

    fn is_here(&self, uri: &str) -> bool {
        let Some(named) = Uri::parse(uri.as_bytes()).and_then(|uri| uri.socket_addr()) else { return false };
        let named = SocketAddr::new(named.ip().to_canonical(), named.port());
        let ours = named.ip() == self.config.local.ip() || self.admission.ours.contains(&named.ip());
        ours || named.ip().is_loopback() || named.ip().is_multicast()
    }
}
