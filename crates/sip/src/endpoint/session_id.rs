//! One name for a call in all logs on its way: Session-ID.
//!
//! RFC 7989. Our half is worked out from the Call-ID with a secret of ours, so that every answer has it and nothing need be kept; theirs is repeated
//! from what they send. We say it to whoever says one, and in each call of ours.

use super::Endpoint;
use crate::digest::hmac;
use crate::message::Message;
use model::{DialogId, hex};

/// Whoever has not said theirs yet (RFC 7989 section 5).
const NIL: &str = "00000000000000000000000000000000";

impl Endpoint {
    /// The value in what we send, when the peer has said this half, or none.
    pub(super) fn session_id(&self, call_id: &str, theirs: Option<&str>) -> String {
        let ours = hex(&hmac(&self.secret, &[b"session", call_id.as_bytes()])[..16]);
        format!("{ours};remote={}", theirs.unwrap_or(NIL))
    }

    /// Their half may be another one at any time (RFC 7989 section 6), for example when somebody else has the call there now.
    pub(super) fn keep_session_id(&mut self, dialog: DialogId, message: &Message) {
        let Some(theirs) = theirs(message) else { return };
        let Some(leg) = self.legs.get(&dialog) else { return };
        let id = self.session_id(&leg.state.call_id, Some(theirs));
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.state.session_id = Some(id);
        }
    }
}

/// Their half, if they say one: 32 small hexadecimal digits.
pub(super) fn theirs(message: &Message) -> Option<&str> {
    let value = message.other("Session-ID")?.split(|b| *b == b';').next()?;
    let text = std::str::from_utf8(value).ok()?.trim();
    (text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) && text != NIL).then_some(text)
}
