//! A call that takes the place of another: a conversation moves from one telephone to another one.
//!
//! INVITE with Replaces (RFC 3891). We find the dialog that is meant; whether the caller may have it is for the calls to say.

use super::store::{Leg, Stage};
use super::{Asked, Endpoint};
use crate::header::Name;
use crate::lexis::{Cursor, Params, visible};
use model::DialogId;

/// What Replaces names, as whoever sends it sees the dialog.
struct Named<'a> {
    call_id: &'a str,
    /// Our tag.
    to_tag: &'a str,
    /// The peer's.
    from_tag: &'a str,
    early_only: bool,
}

impl<'a> Named<'a> {
    fn parse(value: &'a [u8]) -> Option<Named<'a>> {
        let mut cursor = Cursor::new(value);
        let call_id = visible(cursor.take_while(|b| b.is_ascii_graphic() && b != b';'))?;
        let (params, to_tag) = Params::parse_with(cursor, "to-tag")?;
        let from_tag = params.find("from-tag")??;
        Some(Named { call_id, to_tag: visible(to_tag??)?, from_tag: visible(from_tag)?, early_only: params.find("early-only").is_some() })
    }
}

impl Endpoint {
    /// The dialog, answered and not ended, that the value of a Replaces names.
    pub(super) fn dialog_named(&self, value: &[u8]) -> Option<DialogId> {
        let named = Named::parse(value)?;
        let id = self.tags.get(named.to_tag)?;
        let leg = self.legs.get(id).filter(|leg| leg.state.is_with(named.call_id, Some(named.from_tag)))?;
        matches!(leg.stage, Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. }).then_some(*id)
    }

    /// Call-ID and tags can be overheard: whoever names a dialog must be where its peer can be, as for any request inside it, and what is secure does not go on
    /// in clear. A user's other phone proves a password instead, and whose is for the calls to say: from a browser to a desk phone is their own choice.
    fn may_name(&self, asked: &Asked<'_>, leg: &Leg) -> bool {
        let into_the_clear = leg.state.flow.transport().is_secure() && !asked.path.flow.transport().is_secure();
        leg.user.is_some() || !into_the_clear && self.is_peer(leg, asked.path.addr.ip())
    }

    /// The dialog that an INVITE wants to take the place of: `Some(None)` if it wants none. `None` if it cannot be, and it has been refused
    /// (section 3).
    pub(super) fn replaced(&mut self, asked: &Asked<'_>) -> Option<Option<DialogId>> {
        let mut values = asked.message.all(Name::Replaces);
        let Some(value) = values.next() else { return Some(None) };
        let Some(named) = Named::parse(value).filter(|_| values.next().is_none()) else {
            self.refuse_header(asked, Name::Replaces);
            return None;
        };
        let found = self.tags.get(named.to_tag).and_then(|id| Some((*id, self.legs.get(id)?)));
        let found = found.filter(|(_, leg)| leg.state.is_with(named.call_id, Some(named.from_tag)));
        if found.is_some_and(|(_, leg)| !self.may_name(asked, leg)) {
            self.note(model::Event::ForeignRequest);
            self.refuse(asked, 481);
            return None;
        }
        let status = match found.map(|(id, leg)| (id, &leg.stage)) {
            None => 481,
            Some((_, Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. })) if named.early_only => 486,
            Some((id, Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. })) => return Some(Some(id)),
            // "an early dialog that was not initiated by this UA"
            Some((_, Stage::Incoming { .. })) => 481,
            // Which phone takes a call that we ring for is not for another phone to say, but for the queue.
            Some((_, Stage::Outgoing { .. } | Stage::Ending)) => 603,
        };
        self.refuse(asked, status);
        None
    }
}
