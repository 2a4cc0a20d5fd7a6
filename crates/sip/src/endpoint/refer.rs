//! The peer asks us to call somebody for it: the transfer key of a telephone.
//!
//! RFC 3515. The calls decide whether that may be; where it may, the peer hears by NOTIFY what becomes of it. Only inside a dialog: whoever asks
//! from outside gets 403. A REFER with Replaces (RFC 3891) names another call of the peer's; whether that may be joined is the calls' business.

use super::store::{Purpose, Stage, Waiting};
use super::{Asked, Endpoint};
use crate::border::{Event, ReferTo};
use crate::header::{Name, NameAddr};
use crate::uri::{Uri, unescape};
use crate::writer::{Writer, reason};
use model::{DialogId, Instant, Method};

/// How long the peer may expect to hear of it, in seconds: longer than any line rings.
const SUBSCRIBED_SECS: u32 = 120;

/// What the peer has asked. One at a time.
#[derive(Clone, Debug)]
pub(super) enum Referred {
    /// The calls have not decided.
    Asked { request: Waiting, cseq: u32 },
    /// It is under way; the peer hears of it under this number.
    Agreed { cseq: u32 },
}

impl Endpoint {
    /// The peer wants to be put through to somebody else, or whoever talks with it through us.
    pub(super) fn handle_refer(&mut self, asked: &Asked<'_>, dialog: DialogId) {
        let Some(leg) = self.legs.get(&dialog) else { return };
        match (&leg.stage, &leg.referred) {
            (Stage::Ending, _) => return self.refuse(asked, 481),
            // RFC 3515 section 2.4.2 leaves it to us: nobody can be put through twice at once.
            (_, Some(_)) | (Stage::Incoming { .. } | Stage::Outgoing { .. }, None) => return self.refuse(asked, 491),
            (Stage::Answering(_) | Stage::Confirmed | Stage::Reoffered { .. }, None) => {}
        }
        // RFC 3515 section 2.4.1: one Refer-To, no more and no less.
        let mut values = asked.message.values(Name::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return self.refuse_header(asked, Name::ReferTo) };
        let Some(to) = NameAddr::parse(value) else { return self.refuse_header(asked, Name::ReferTo) };
        let uri = to.uri();
        // Section 2.1: the URI may ask for another method than INVITE, which we send for nobody.
        if uri.param("method").is_some_and(|method| !unescape(method).eq_ignore_ascii_case("INVITE")) {
            return self.refuse(asked, 603);
        }
        let (to_user, with) = (uri.user(), self.refers_to(uri));
        let Some(request) = self.keep_waiting(asked, dialog) else { return };
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.referred = Some(Referred::Asked { request, cseq: asked.essentials.cseq.number });
        }
        self.event(Event::Refer { dialog, to_user, with });
    }

    /// What the headers in the URI of Refer-To name (RFC 3515 section 2.1).
    fn refers_to(&self, uri: &Uri<'_>) -> ReferTo {
        if !uri.has_headers() {
            return ReferTo::Fresh;
        }
        let headers = uri.text().split_once('?').map_or("", |(_, headers)| headers).split('&');
        let mut replaces =
            headers.filter_map(|header| header.split_once('=')).filter(|(name, _)| unescape(name).eq_ignore_ascii_case("Replaces"));
        let (Some((_, value)), None) = (replaces.next(), replaces.next()) else { return ReferTo::Unknown };
        self.dialog_named(unescape(value).as_bytes()).map_or(ReferTo::Unknown, ReferTo::Joins)
    }

    /// The calls have decided: 202, or a refusal. RFC 3515 section 2.4.4: who agrees "MUST ... immediately send an initial NOTIFY".
    pub(super) fn answer_refer(&mut self, now: Instant, dialog: DialogId, status: u16) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let (request, cseq) = match leg.referred.take() {
            Some(Referred::Asked { request, cseq }) => (request, cseq),
            other => {
                leg.referred = other;
                return;
            }
        };
        if status != 202 {
            return self.reply_waiting(now, dialog, &request, super::command::refusal(status), Writer::empty);
        }
        leg.referred = Some(Referred::Agreed { cseq });
        let contact = self.contact_for(dialog);
        self.reply_waiting(now, dialog, &request, 202, |w| w.header("Contact", contact).empty());
        self.tell_referrer(now, dialog, 100, false);
    }

    /// What has become of it so far, as the status line of whoever was called; `over` ends it.
    pub(super) fn tell_referrer(&mut self, now: Instant, dialog: DialogId, status: u16, over: bool) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(Referred::Agreed { cseq }) = leg.referred else { return };
        if over {
            leg.referred = None;
        }
        let mut state = leg.state.clone();
        // Section 2.4.7: "Subscription-State ... terminated;reason=noresource" with the last one.
        let until = if over { "terminated;reason=noresource".to_owned() } else { format!("active;expires={SUBSCRIBED_SECS}") };
        let line = format!("SIP/2.0 {status} {}\r\n", reason(status));
        self.ask_with(now, dialog, &mut state, Method::Notify, Purpose::Notify, |w| {
            let writer = w.header("Event", format!("refer;id={cseq}")).header("Subscription-State", &until);
            writer.body("message/sipfrag;version=2.0", line.as_bytes())
        });
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.state.local_cseq = state.local_cseq;
        }
    }

    /// Nobody decides any more: the dialog ends.
    pub(super) fn close_refer(&mut self, now: Instant, dialog: DialogId) {
        if let Some(Referred::Asked { request, .. }) = self.legs.get_mut(&dialog).and_then(|leg| leg.referred.take()) {
            self.reply_waiting(now, dialog, &request, 487, Writer::empty);
        }
    }
}
