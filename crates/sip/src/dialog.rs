//! A dialog: what two ends must remember of each other to say the next thing.
//!
//! RFC 3261 section 12: Call-ID, tags, sequence numbers both ways, route set, remote target. A plain value: it can be written into
//! a journal and read back.

use crate::bounds::ROUTES_MAX;
use crate::header::{Name, NameAddr};
use crate::message::{Essentials, Message};
use crate::trunk::{Asker, CustomerName};
use crate::uri::{Scheme, Uri};
use crate::writer::Writer;
use model::FlowId;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Who sent the INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The peer: we are the user agent server.
    Uas,
    /// We: the user agent client.
    Uac,
}

/// How far a dialog has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DialogStage {
    /// The INVITE has no final answer.
    Early,
    /// Answered with 2xx; the ACK may still be on its way.
    Confirmed,
    /// Our BYE is on its way.
    Ending,
}

/// All that a dialog is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogState {
    /// Who sent the INVITE.
    pub role: Role,
    /// How far it has come.
    pub stage: DialogStage,
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; `None` until it has answered, or for a peer of RFC 2543.
    pub remote_tag: Option<String>,
    /// Our name and address as they stand in From or To, without the tag: `"Ward" <sip:0440000001@192.0.2.1>`.
    pub local: String,
    /// The peer's, likewise.
    pub remote: String,
    /// The number of our last request.
    pub local_cseq: u32,
    /// The number of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// The proxies that want to stay in between, nearest first, as URIs.
    pub route_set: Vec<String>,
    /// Where the peer wants its requests: the URI of its Contact.
    pub remote_target: String,
    /// The flow of the peer's messages.
    pub flow: FlowId,
    /// Where the peer's messages came from.
    pub peer: SocketAddr,
    /// Whether the peer is behind a router that changes addresses: then what it writes of its own address leads nowhere, and it is where its messages
    /// come from.
    #[serde(default)]
    pub behind_router: bool,
    /// The value of Session-ID in our requests (RFC 7989); `None` to a peer that has none.
    #[serde(default)]
    pub session_id: Option<String>,
}

/// What another endpoint needs to end a dialog of ours, when this one is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Will {
    /// The dialog.
    pub state: DialogState,
    /// The Via of our INVITE while that has no final answer: its CANCEL must repeat it (RFC 3261 section 9.1).
    pub via: Option<String>,
    /// Whose call it was to a carrier: that account proves its BYE, wherever its trunk leads by then. This and the next are not in what was written
    /// before they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<CustomerName>,
    /// Where it began: whoever answers from elsewhere is proved nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Asker>,
}

impl DialogState {
    /// The dialog that an INVITE from the peer opens (section 12.1.1).
    ///
    /// # Errors
    /// The header that is broken.
    pub(crate) fn uas(
        invite: &Message,
        essentials: &Essentials<'_>,
        local_tag: String,
        flow: FlowId,
        peer: SocketAddr,
    ) -> Result<DialogState, Name> {
        // A peer of RFC 2543 may send no Contact: its From must do (RFC 4475 section 3.4.1).
        let remote_target = match target(invite)? {
            Some(target) => target,
            None => essentials.from.uri().text().to_owned(),
        };
        Ok(DialogState {
            role: Role::Uas,
            stage: DialogStage::Early,
            call_id: essentials.call_id.to_owned(),
            local_tag,
            remote_tag: essentials.from.tag().map(str::to_owned),
            local: format!("<{}>", essentials.to.uri()),
            remote: format!("<{}>", essentials.from.uri()),
            local_cseq: 0,
            remote_cseq: Some(essentials.cseq.number),
            route_set: routes(invite)?,
            remote_target,
            flow,
            peer,
            behind_router: is_translated(essentials.via.ip(), peer),
            session_id: None,
        })
    }

    /// What the peer's answer to our INVITE adds (section 12.1.2). A broken Contact or Record-Route adds nothing: the call can
    /// still be ended at the address that we called.
    pub(crate) fn answered(&mut self, response: &Message, essentials: &Essentials<'_>, peer: SocketAddr) {
        self.remote_tag = essentials.to.tag().map(str::to_owned);
        if let Ok(Some(target)) = target(response) {
            self.remote_target = target;
        }
        if let Ok(mut routes) = routes(response) {
            // "taken ... in reverse order": the response lists the proxies nearest to the peer first.
            routes.reverse();
            self.route_set = routes;
        }
        self.peer = peer;
    }

    /// Whether a request of this Call-ID and From tag is the peer's (section 12.2.2). Our tag has been looked up before.
    pub(crate) fn is_with(&self, call_id: &str, from_tag: Option<&str>) -> bool {
        self.call_id == call_id && self.remote_tag.as_deref() == from_tag
    }

    /// A request inside the dialog, up to its last common header (section 12.2.1.1). It goes to [`DialogState::next_hop`].
    pub(crate) fn request(&self, method: &str, cseq: u32, via: &str, contact: &str) -> Writer {
        let loose = |route: &String| Uri::parse(route.as_bytes()).is_some_and(|u| u.param("lr").is_some());
        let (uri, routes) = match self.route_set.split_first() {
            None => (&self.remote_target, Vec::new()),
            Some((first, _)) if loose(first) => (&self.remote_target, self.route_set.iter().collect()),
            // A strict router wants to find itself in the Request-URI and the target at the end of the routes.
            Some((first, rest)) => (first, rest.iter().chain([&self.remote_target]).collect()),
        };
        let tagged = |name: &str, tag: Option<&str>| match tag {
            Some(tag) => format!("{name};tag={tag}"),
            None => name.to_owned(),
        };
        let mut writer = Writer::request(method, uri)
            .header("Via", via)
            .header("Max-Forwards", "70")
            .header("From", tagged(&self.local, Some(&self.local_tag)))
            .header("To", tagged(&self.remote, self.remote_tag.as_deref()))
            .header("Call-ID", &self.call_id)
            .header("CSeq", format!("{cseq} {method}"));
        if let Some(id) = &self.session_id {
            writer = writer.header("Session-ID", id);
        }
        for route in routes {
            writer = writer.header("Route", format!("<{route}>"));
        }
        // Table 3: an INVITE must say where we are, and so must UPDATE and NOTIFY (RFC 3311 section 5.1, RFC 6665 section 8.1.1), OPTIONS may; the others have no use for it.
        if ["INVITE", "UPDATE", "OPTIONS", "NOTIFY"].contains(&method) {
            writer = writer.header("Contact", contact);
        }
        writer
    }

    /// The URI that the next request goes to: the first route, or the target.
    pub(crate) fn next(&self) -> &str {
        self.route_set.first().unwrap_or(&self.remote_target)
    }

    /// Where the next request goes: the first route or the target if it is an address that can be reached from where the peer is,
    /// else where the peer's messages came from; so too where it wants TLS and speaks without, and where it speaks by TLS and names another host:
    /// whom we have met is known, and who stands there is not.
    pub(crate) fn next_hop(&self) -> SocketAddr {
        if self.behind_router && self.route_set.is_empty() {
            return self.peer;
        }
        let in_clear = !self.flow.transport().is_secure();
        let next = Uri::parse(self.next().as_bytes()).filter(|uri| !(in_clear && uri.wants_tls()));
        let named = next.and_then(|uri| uri.socket_addr());
        let is_known = |addr: &SocketAddr| in_clear || addr.ip().to_canonical() == self.peer.ip().to_canonical();
        named.filter(|addr| reachable(*addr, self.peer) && is_known(addr)).unwrap_or(self.peer)
    }
}

impl Will {
    /// Where its peer spoke from, and where it wants to be spoken to.
    pub fn peers(&self) -> [IpAddr; 2] {
        self.state.peers()
    }
}

impl DialogState {
    /// Where the peer speaks from, and where it wants to be spoken to.
    pub(crate) fn peers(&self) -> [IpAddr; 2] {
        [self.peer.ip(), self.next_hop().ip()]
    }

    /// The flow that the next request takes: the one on which the peer's messages came, because a phone behind a router is reached by its own
    /// connection only; but a proxy that stays in between is reached where it says, if it can be connected to.
    pub(crate) fn next_flow(&self) -> FlowId {
        let elsewhere = !self.route_set.is_empty() && self.next_hop().ip() != self.peer.ip();
        if self.flow.transport().can_dial() && elsewhere { FlowId::any(self.flow.transport()) } else { self.flow }
    }
}

/// Whether a peer names an address that is not where its packets come from, and that has a meaning within one house only (RFC 1918, RFC 6598,
/// RFC 4193, and those of one machine or one wire): a router in between has put another in its place.
pub(crate) fn is_translated(named: Option<IpAddr>, from: SocketAddr) -> bool {
    named.is_some_and(|named| named != from.ip().to_canonical() && is_of_a_house(named))
}

/// The same of a URI that a peer is to be called at.
pub(crate) fn names_a_house(uri: &str, from: SocketAddr) -> bool {
    is_translated(Uri::parse(uri.as_bytes()).and_then(|uri| uri.ip()).map(|named| named.to_canonical()), from)
}

fn is_of_a_house(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether an address that a peer names may be sent to, seen from the address that its packets come from. A phone that writes
/// `0.0.0.0`, or its own loopback though it stands elsewhere, does not know where it is; nobody may aim us at a whole network.
pub(crate) fn reachable(named: SocketAddr, peer: SocketAddr) -> bool {
    let (ip, from) = (named.ip().to_canonical(), peer.ip().to_canonical());
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    named.port() != 0
        && ip.is_ipv4() == from.is_ipv4()
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && !broadcast
        && (!ip.is_loopback() || from.is_loopback())
}

/// The URI of the Contact, if there is one.
///
/// # Errors
/// When it is broken, or no address that can be called.
pub(crate) fn target(message: &Message) -> Result<Option<String>, Name> {
    let Some(value) = message.values(Name::Contact).next() else { return Ok(None) };
    let contact = NameAddr::parse(value).ok_or(Name::Contact)?;
    let callable = matches!(contact.uri().scheme(), Scheme::Sip | Scheme::Sips) && !contact.uri().has_headers();
    callable.then(|| Some(contact.uri().text().to_owned())).ok_or(Name::Contact)
}

/// The URIs of Record-Route in the order of the message.
fn routes(message: &Message) -> Result<Vec<String>, Name> {
    routes_in(message, Name::RecordRoute)
}

/// The URIs of Record-Route or Path in the order of the message.
///
/// # Errors
/// When one of them is broken, or there are more than [`ROUTES_MAX`].
pub(crate) fn routes_in(message: &Message, header: Name) -> Result<Vec<String>, Name> {
    let mut routes = Vec::new();
    for value in message.values(header) {
        // RFC 3261 section 16.6 item 4 of Record-Route: "MUST be a SIP or SIPS URI". No proxy is reached by another one.
        let sound = |route: &NameAddr<'_>| !route.uri().has_headers() && matches!(route.uri().scheme(), Scheme::Sip | Scheme::Sips);
        let route = NameAddr::parse(value).filter(sound).ok_or(header)?;
        if routes.len() == ROUTES_MAX {
            return Err(header);
        }
        routes.push(route.uri().text().to_owned());
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(target: &str, routes: &[&str]) -> DialogState {
        DialogState {
            role: Role::Uas,
            stage: DialogStage::Confirmed,
            call_id: "c".to_owned(),
            local_tag: "l".to_owned(),
            remote_tag: Some("r".to_owned()),
            local: "<sip:us@h>".to_owned(),
            remote: "<sip:them@h>".to_owned(),
            local_cseq: 7,
            remote_cseq: Some(1),
            route_set: routes.iter().map(|r| (*r).to_owned()).collect(),
            remote_target: target.to_owned(),
            flow: FlowId(0),
            peer: "192.0.2.9:6000".parse().unwrap(),
            behind_router: false,
            session_id: None,
        }
    }
    fn sent(dialog: &DialogState) -> (String, String) {
        let bytes = dialog.request("BYE", 8, "v", "c").empty();
        (String::from_utf8(bytes.to_vec()).unwrap(), dialog.next_hop().to_string())
    }

    #[test]
    fn a_request_goes_to_the_address_in_the_contact_or_back_where_messages_came_from() {
        assert_eq!(sent(&dialog("sip:a@192.0.2.1", &[])).1, "192.0.2.1:5060");
        assert_eq!(sent(&dialog("sip:a@pc33.example.com", &[])).1, "192.0.2.9:6000");
        for nowhere in ["0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.1.75", "[2001:db8::1]", "192.0.2.1:0"] {
            assert_eq!(sent(&dialog(&format!("sip:a@{nowhere}"), &[])).1, "192.0.2.9:6000", "{nowhere}");
        }
    }

    /// RFC 3261 section 12.2.1.1.
    #[test]
    fn a_loose_router_is_a_route_and_a_strict_one_is_the_request_uri() {
        let (text, to) = sent(&dialog("sip:a@192.0.2.1", &["sip:192.0.2.7:5070;lr", "sip:p2;lr"]));
        assert!(text.starts_with("BYE sip:a@192.0.2.1 SIP/2.0\r\n"), "{text}");
        assert!(text.contains("\r\nRoute: <sip:192.0.2.7:5070;lr>\r\nRoute: <sip:p2;lr>\r\n"), "{text}");
        assert_eq!(to, "192.0.2.7:5070");
        let (text, _) = sent(&dialog("sip:a@192.0.2.1", &["sip:p1", "sip:p2;lr"]));
        assert!(text.starts_with("BYE sip:p1 SIP/2.0\r\n"), "{text}");
        assert!(text.contains("\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:a@192.0.2.1>\r\n"), "{text}");
    }

    #[test]
    fn a_dialog_can_be_written_down_and_read_back() {
        let dialog = dialog("sip:a@192.0.2.1", &["sip:p1;lr"]);
        let text = serde_json::to_string(&dialog).unwrap();
        assert_eq!(serde_json::from_str::<DialogState>(&text).unwrap(), dialog);
    }
}
