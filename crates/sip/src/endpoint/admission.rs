//! Whose messages count: a request inside a dialog is the peer's only if it comes from where the peer can be, and nobody has us send to this
//! machine who is not allowed to.
//!
//! Our tag cannot be guessed, but it can be overheard. So Call-ID and tags alone do not make a peer (RFC 3261 section 26.2 leaves it to us).

use super::store::Leg;
use super::{Asked, Endpoint};
use crate::dialog::DialogState;
use crate::registrar::Wishes;
use crate::uri::{Uri, ip};
use std::net::{IpAddr, Ipv4Addr};

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
            || self.are_kin(from, state.peer.ip())
            || leg.user.iter().flat_map(|user| self.registrar.bindings(user)).any(|phone| same(phone.addr.ip()))
    }

    /// Whether both are one machine, or machines of one carrier.
    pub(super) fn are_kin(&self, one: IpAddr, other: IpAddr) -> bool {
        one.to_canonical() == other.to_canonical()
            || self.admission.kin.iter().any(|nets| {
                let among = |ip: IpAddr| nets.iter().any(|net| net.contains(ip));
                among(one) && among(other)
            })
    }

    /// Where the peers of all dialogs speak from, where they want to be spoken to, and where we wait for answers.
    pub fn peers(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let asked = self.clients.values().map(|client| client.path.addr.ip());
        self.legs.values().flat_map(|leg| leg.state.peers()).chain(asked)
    }

    /// Whether the peer of a dialog has us send to this machine, or to ourselves, and is not allowed to.
    pub(super) fn aims_at_us(&self, state: &DialogState) -> bool {
        let next = state.route_set.first().unwrap_or(&state.remote_target);
        self.is_here(next) && !self.may_name_us(state.peer.ip())
    }

    /// Whether a request wants us to send to this machine from here on, and may not.
    pub(super) fn may_not_aim(&self, asked: &Asked<'_>, target: Option<&str>) -> bool {
        target.is_some_and(|target| self.is_here(target)) && !self.may_name_us(asked.path.addr.ip())
    }

    /// Whether a phone registers at this machine, or at none where its Contact is all that leads to it, and may not. Whoever calls us and does not know where
    /// it is, is called back where it calls from; whoever is to be called should know. Further proxies are read by the first: they
    /// have addresses of its house, which may be ours, too.
    pub(super) fn may_not_register(&self, asked: &Asked<'_>, wishes: &Wishes) -> bool {
        let aims = wishes.targets().any(|target| self.is_here(target));
        let leads_nowhere = wishes.depends_on(asked.path.flow.is_stream()).any(is_nowhere);
        (aims || leads_nowhere) && !self.may_name_us(asked.path.addr.ip())
    }

    fn may_name_us(&self, from: IpAddr) -> bool {
        self.admission.here.iter().any(|net| net.contains(from))
    }

    /// Whether what we send to this URI would stay on this machine, or go to a whole network.
    fn is_here(&self, uri: &str) -> bool {
        let ours = |ip: IpAddr| ip == self.config.local.ip() || self.admission.ours.contains(&ip);
        hosts(uri).filter_map(ip).map(|ip| ip.to_canonical()).any(|ip| ours(ip) || ip.is_multicast() || ip.is_loopback())
    }
}

/// Whether a URI names no machine, or whichever it is read on.
fn is_nowhere(uri: &str) -> bool {
    hosts(uri).any(|host| match ip(host).map(|ip| ip.to_canonical()) {
        Some(ip) => ip.is_unspecified() || ip == IpAddr::V4(Ipv4Addr::BROADCAST),
        // RFC 6761 section 6.3: "localhost." and names below it.
        None => host.trim_end_matches('.').rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    })
}

/// The host of a URI, and `maddr`, which stands for it (RFC 3261 section 19.1.1).
fn hosts(uri: &str) -> impl Iterator<Item = &str> {
    let uri = Uri::parse(uri.as_bytes());
    uri.into_iter().flat_map(|uri| [Some(uri.host()), uri.param("maddr")]).flatten()
}
