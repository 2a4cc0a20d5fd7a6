//! What a telephone can ask in the middle of a call: to put the other side through, and to take a key as a message.
//!
//! REFER and its NOTIFYs (RFC 3515); INFO with `application/dtmf-relay`.

use crate::call::Stage;
use crate::phone::{Ask, Reply};
use crate::transaction::Purpose;
use crate::{Event, Phone};
use model::{Digit, Instant};
use rsip::headers::{Header, UntypedHeader};
use rsip::{Method, Request};

impl Phone {
    /// The phone's own transfer key, and whom.
    pub(crate) fn refer(&mut self, now: Instant, to: &str) {
        let extra = vec![Header::Contact(self.contact().into()), Header::Other("Refer-To".into(), format!("<{to}>"))];
        self.ask_inside(now, Method::Refer, Purpose::Refer, extra, None);
    }

    /// A key as a message.
    pub(crate) fn send_key(&mut self, now: Instant, digit: Digit) {
        let body = format!("Signal={}\r\nDuration=160\r\n", digit.as_char());
        let extra = vec![Header::ContentType("application/dtmf-relay".into())];
        self.ask_inside(now, Method::Info, Purpose::Info, extra, Some(body.as_bytes()));
    }

    fn ask_inside(&mut self, now: Instant, method: Method, purpose: Purpose, extra: Vec<Header>, body: Option<&[u8]>) {
        let Some(call) = self.call.as_mut().filter(|call| matches!(call.stage, Stage::Talking)) else { return };
        call.dialog.local_cseq = call.dialog.local_cseq.saturating_add(1);
        let dialog = call.dialog.clone();
        let ask = Ask {
            method,
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id: &dialog.call_id,
            cseq: dialog.local_cseq,
            routes: &dialog.routes,
            extra,
            sdp: body,
            branch: None,
            outbound: false,
        };
        if let Err(fault) = self.ask(now, purpose, ask) {
            self.post.violation(format!("the far side's Contact cannot be used: {fault}"));
        }
    }

    /// What has become of it.
    pub(crate) fn handle_notify(&mut self, now: Instant, branch: &str, request: &Request) {
        self.answer(now, branch, Method::Notify, Reply::new(200, ""));
        let says = |name: &str| {
            request.headers.iter().find_map(|h| match h {
                Header::Other(n, value) if n.eq_ignore_ascii_case(name) => Some(value.clone()),
                Header::Event(value) if name == "Event" => Some(value.value().to_owned()),
                Header::SubscriptionState(value) if name == "Subscription-State" => Some(value.value().to_owned()),
                _ => None,
            })
        };
        if !says("Event").is_some_and(|event| event.starts_with("refer")) {
            self.post.violation("a NOTIFY that nobody asked for (RFC 6665 section 4.1.3)");
        }
        let over = says("Subscription-State").is_some_and(|state| state.starts_with("terminated"));
        let status = String::from_utf8_lossy(&request.body).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        self.post.event(Event::Referred { status, over });
    }
}
