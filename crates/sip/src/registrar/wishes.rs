//! What a REGISTER asks for.

use super::{EXPIRES_MAX, EXPIRES_MIN};
use crate::bounds::CONTACTS_MAX;
use crate::dialog::routes_in;
use crate::header::{Name, NameAddr};
use crate::lexis::same_name;
use crate::message::{Essentials, Message};
use crate::uri::{Scheme, Uri};

/// What a REGISTER asks for, read before anything is changed.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// Every Contact; `None` for `*`.
    pub(super) contacts: Option<Vec<Wish>>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) path: Vec<String>,
    /// Whether a phone keeps its connection for us to call it by, and wants to hear that we do (RFC 5626 section 6).
    pub(crate) outbound: bool,
}

/// One Contact of a REGISTER.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) uri: String,
    /// Zero to remove it.
    pub(super) seconds: u64,
    /// Which phone it is, where it says so.
    pub(super) instance: Option<String>,
    /// Which of its ways.
    pub(super) reg_id: Option<u32>,
}

impl Wishes {
    /// Reads the Contacts of a REGISTER. The error is the status to refuse with.
    pub(crate) fn parse(request: &Message, essentials: &Essentials<'_>) -> Result<Wishes, u16> {
        let seconds = |text: &[u8]| crate::lexis::number(text);
        // Section 20.19: a malformed value counts as the longest that we grant.
        let general = request.first(Name::Expires).map(|e| seconds(e).unwrap_or(EXPIRES_MAX));
        let values: Vec<&[u8]> = request.values(Name::Contact).take(CONTACTS_MAX + 1).collect();
        let path = routes_in(request, Name::Path).map_err(|_| 400u16)?;
        let wishes = |contacts| Wishes {
            contacts,
            call_id: essentials.call_id.to_owned(),
            cseq: essentials.cseq.number,
            path: path.clone(),
            outbound: false,
        };
        if values.contains(&&b"*"[..]) {
            // Section 10.2.2: "*" stands alone and with an expiry of 0.
            return if values.len() == 1 && general == Some(0) { Ok(wishes(None)) } else { Err(400) };
        }
        if values.len() > CONTACTS_MAX {
            return Err(400);
        }
        let mut contacts = Vec::with_capacity(values.len());
        for value in values {
            let contact = NameAddr::parse(value).ok_or(400u16)?;
            let uri = contact.uri();
            // Headers in a Contact would become headers of our next INVITE to it (RFC 4475 section 3.3.14).
            if uri.has_headers() || !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
                return Err(400);
            }
            let wish = contact.expires().or(general).unwrap_or(EXPIRES_MAX);
            if (1..EXPIRES_MIN).contains(&wish) {
                return Err(423);
            }
            let granted = wish.min(EXPIRES_MAX);
            // RFC 5626 section 6: a reg-id without an instance is ignored.
            let instance = contact.instance();
            let reg_id = contact.reg_id().filter(|_| instance.is_some());
            contacts.push(Wish { uri: uri.text().to_owned(), seconds: granted, instance, reg_id });
        }
        // RFC 5626 section 6: each of a phone's ways is registered by itself, for its request has come by one of them only.
        if contacts.iter().filter(|wish| wish.reg_id.is_some() && wish.seconds > 0).count() > 1 {
            return Err(400);
        }
        let able = request.values(Name::Supported).any(|word| same_name(word, b"outbound"));
        let outbound = able && contacts.iter().any(|wish| wish.reg_id.is_some() && wish.seconds > 0);
        Ok(Wishes { outbound, ..wishes(Some(contacts)) })
    }
    /// Whether a phone wants to be called by TLS only, and nobody stands in between who could do that.
    pub(crate) fn want_tls(&self) -> bool {
        let wants = |target: &str| Uri::parse(target.as_bytes()).is_some_and(|uri| uri.wants_tls());
        self.path.is_empty() && self.targets().any(wants)
    }
    /// All that could have us send: the Contacts, and the first proxy before them.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let contacts = self.contacts.iter().flatten().filter(|wish| wish.seconds > 0).map(|wish| wish.uri.as_str());
        contacts.chain(self.path.first().map(String::as_str))
    }
    /// What alone leads to this user: the first proxy, or the Contacts of a phone that has no connection to us.
    pub(crate) fn depends_on(&self, connected: bool) -> impl Iterator<Item = &str> {
        let by_contact = self.path.is_empty() && !connected;
        self.targets().filter(move |target| by_contact || self.path.first().is_some_and(|first| first == target))
    }
}
