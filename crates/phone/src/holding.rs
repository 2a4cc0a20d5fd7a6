//! Putting the other side on hold, and coming back.
//!
//! A re-INVITE of our own (RFC 3261 section 14.1) with the offer of RFC 3264 section 8.4, in the three spellings that phones use.

use crate::call::{Call, Stage};
use crate::dialling::read_sdp;
use crate::message;
use crate::phone::Ask;
use crate::transaction::Purpose;
use crate::{Event, Hold, Phone};
use model::Instant;
use rsip::headers::Header;
use rsip::{Method, Response};

impl Phone {
    /// Offers the session anew: held in this way, or with sound both ways.
    pub(crate) fn reoffer(&mut self, now: Instant, hold: Option<Hold>) {
        let contact = self.contact();
        let Some(call) = self.call.as_mut().filter(|call| matches!(call.stage, Stage::Talking) && call.unacked.is_none()) else { return };
        call.dialog.local_cseq = call.dialog.local_cseq.saturating_add(1);
        call.version += 1;
        let dialog = call.dialog.clone();
        let (session, version) = (call.session, call.version);
        let ours = sdp::Capabilities { version, ..self.capabilities(session) };
        let direction = match hold {
            Some(Hold::SendOnly) => sdp::Direction::SendOnly,
            Some(Hold::Inactive) => sdp::Direction::Inactive,
            Some(Hold::NoAddress) | None => sdp::Direction::SendRecv,
        };
        let mut offer = sdp::offer_of(&ours, direction).to_vec();
        if hold == Some(Hold::NoAddress) {
            let text = String::from_utf8_lossy(&offer).replace(&format!("c=IN IP4 {}", self.config.rtp.ip()), "c=IN IP4 0.0.0.0");
            offer = text.into_bytes();
        }
        let ask = Ask {
            method: Method::Invite,
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id: &dialog.call_id,
            cseq: dialog.local_cseq,
            routes: &dialog.routes,
            extra: vec![Header::Contact(contact.into()), Header::Allow(message::ALLOW.into())],
            sdp: Some(&offer),
            branch: None,
            outbound: false,
        };
        if let Err(fault) = self.ask(now, Purpose::Reoffer, ask) {
            self.post.violation(format!("the far side's Contact cannot be used: {fault}"));
        }
    }

    pub(crate) fn handle_reoffer_response(&mut self, now: Instant, at: usize, status: u16, response: &Response) {
        if status < 200 {
            return;
        }
        let Some(call) = self.call.as_mut().filter(|call| matches!(call.stage, Stage::Talking)) else { return };
        if status >= 300 {
            return self.post.event(Event::Changed(status));
        }
        if let Some(contact) = message::contact(&response.headers) {
            call.dialog.target = contact;
        }
        let (dialog, session) = (call.dialog.clone(), call.session);
        let cseq = self.clients.get(at).and_then(|c| message::envelope(&c.request.headers).ok()).map_or(0, |e| e.cseq);
        self.acknowledge(now, at, &dialog, cseq, None);
        let agreed = read_sdp(response.body.as_slice(), message::carries_sdp(&response.headers))
            .and_then(|answer| sdp::accept(&answer, &self.capabilities(session)).map_err(|fault| fault.to_string()));
        match agreed {
            Ok(agreed) => {
                if let Some(talk) = &mut self.talk {
                    talk.connect(now, agreed);
                }
                self.post.event(Event::Changed(status));
            }
            Err(fault) => self.post.violation(format!("a {status} to a re-INVITE whose session cannot be used: {fault}")),
        }
    }
}

impl Call {
    /// Whether the far side is told of the session by us in the ACK, because it has made the offer.
    pub(crate) fn is_late(&self) -> bool {
        matches!(self.stage, Stage::Dialling { late: true, .. })
    }
}
