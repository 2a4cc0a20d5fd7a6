//! One way to one phone: whether two of them are one phone's, and whether a phone is elsewhere now.
//!
//! The standard knows Contacts, not phones. A phone that starts anew, or gets another address, registers another Contact and never takes
//! the old one back; called beside the living one it would cost a leg and two seconds each time. So a Contact takes the place of another one
//! when both are surely one phone's: the same URI (RFC 3261 section 10.3 item 7); the same Call-ID further on (section 10.2: "All registrations
//! from a UAC SHOULD use the same Call-ID"); the same `+sip.instance` (RFC 5626 section 4.1); or the same socket, by where its packets
//! come from and by the host and port that it wants to be called at. What is left is a phone without an instance that comes back on
//! another port: its dead twin goes by the first call that it does not answer ([`Registrar::put_out`](super::Registrar::put_out)), or runs out.

use super::Binding;
use crate::border::Spot;
use crate::dialog::names_a_house;
use crate::uri::{DEFAULT_PORT, Uri};
use model::FlowId;
use std::net::SocketAddr;

/// One way to one phone, as it was registered.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Counted: two ways of one phone may have the same Contact.
    pub(super) serial: u64,
    pub(super) binding: Binding,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) instance: Option<String>,
    pub(super) reg_id: Option<u32>,
}

/// One phone, as it has said of itself when it registered.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Whose it is.
    pub(crate) user: String,
    contact: String,
    instance: Option<String>,
    pub(super) call_id: String,
    /// Whether it is behind a proxy (RFC 3327).
    pub(crate) proxied: bool,
}

impl Known {
    /// By the instance where both have one (RFC 5626 section 4.1), else by the Contact.
    pub(super) fn is(&self, instance: Option<&str>, contact: &str) -> bool {
        match (instance, &self.instance) {
            (Some(one), Some(other)) => one == other,
            _ => same_uri(contact, &self.contact),
        }
    }
}

/// Where a phone was.
#[derive(Debug)]
pub(crate) struct Former {
    pub(super) phone: Known,
    pub(crate) flow: FlowId,
    pub(crate) addr: SocketAddr,
}

impl Former {
    /// Whether it is this one: others may have spoken by the same connection.
    pub(crate) fn is(&self, phone: &Known) -> bool {
        self.phone.is(phone.instance.as_deref(), &phone.contact)
    }
}

impl Entry {
    pub(super) fn spot(&self) -> Spot {
        Spot { contact: self.binding.contact.clone(), addr: self.binding.addr }
    }

    pub(super) fn known(&self) -> Known {
        Known {
            user: self.binding.user.clone(),
            contact: self.binding.contact.clone(),
            instance: self.instance.clone(),
            call_id: self.call_id.clone(),
            proxied: !self.is_direct(),
        }
    }

    /// Whether no proxy leads to it: behind one, the way is the proxy's.
    pub(super) fn is_direct(&self) -> bool {
        self.binding.path.is_empty()
    }

    /// Whether this phone, which has registered in the place of `old`, is to be spoken to here and not there any more: its way has the number of the old one
    /// (RFC 5626 section 4.2), or its Contact is another, or a router in between has given it another address: where it was, or where it is. Where it
    /// registers from says nothing else of where it is: a large REGISTER goes by TCP, some make a connection for each, and of several machines before a
    /// phone each writes its own Contact.
    pub(super) fn has_moved_from(&self, old: &Entry) -> bool {
        let is_same = self.instance.is_some() && self.instance == old.instance || self.call_id == old.call_id;
        let is_known =
            self.instance.is_some() || self.binding.addr.ip() == old.binding.addr.ip() || old.is_behind_router() || self.is_behind_router();
        let same_way = self.way().is_some() && self.way() == old.way();
        let other_contact = is_known && !same_uri(&self.binding.contact, &old.binding.contact);
        let other_address = old.is_behind_router() && !self.binding.flow.is_stream();
        is_same && self.is_direct() && old.is_direct() && (same_way || other_contact || other_address)
    }

    /// Whether its Contact is of a house, and its packets come from elsewhere.
    fn is_behind_router(&self) -> bool {
        names_a_house(&self.binding.contact, self.binding.addr)
    }

    pub(super) fn stands_at(&self, at: &Spot) -> bool {
        self.binding.contact == at.contact && self.binding.addr == at.addr
    }

    /// Which of its ways to us a phone has registered on (RFC 5626 section 4.2).
    pub(super) fn way(&self) -> Option<(&str, u32)> {
        self.instance.as_deref().zip(self.reg_id)
    }

    /// Whether a Contact of a REGISTER means this one: by its way where both have one (RFC 5626 section 6), else by its URI.
    pub(super) fn is_of(&self, way: Option<(&str, u32)>, uri: &str) -> bool {
        match (self.way(), way) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => same_uri(&self.binding.contact, uri),
        }
    }

    /// Whether this is surely the phone that `old` was. Several Contacts of one REGISTER are as many phones as it says.
    pub(super) fn is_phone_of(&self, old: &Entry) -> bool {
        let same_call = self.call_id == old.call_id;
        if same_call && self.cseq == old.cseq {
            return false;
        }
        // One phone on two ways stands twice, so that one of them may fail.
        if let (Some((ours, this)), Some((theirs, other))) = (self.way(), old.way())
            && ours == theirs
        {
            return this == other;
        }
        let same_instance = self.instance.is_some() && (&self.instance, self.reg_id) == (&old.instance, old.reg_id);
        let (ours, theirs) = (&self.binding, &old.binding);
        let same_socket = (ours.flow, ours.addr) == (theirs.flow, theirs.addr) && place(&ours.contact) == place(&theirs.contact);
        same_call || same_instance || same_socket
    }
}

/// Whether two Contacts are equal (section 19.1.4).
pub(super) fn same_uri(a: &str, b: &str) -> bool {
    match (Uri::parse(a.as_bytes()), Uri::parse(b.as_bytes())) {
        (Some(a), Some(b)) => a.same(&b),
        _ => a == b,
    }
}

/// The host and port that a Contact wants to be called at.
fn place(contact: &str) -> Option<(String, u16)> {
    let uri = Uri::parse(contact.as_bytes())?;
    Some((uri.host().to_ascii_lowercase(), uri.port().unwrap_or(DEFAULT_PORT)))
}
