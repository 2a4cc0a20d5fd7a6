//! Being called, and all else that the far side may ask.
//!
//! The user agent server of RFC 3261 sections 8.2, 9.2, 11, 13.3, 14.2 and 15.1.2.

use crate::call::{Call, Dialog, Stage, Unacked};
use crate::dialling::read_sdp;
use crate::message::{self, Envelope};
use crate::phone::Reply;
use crate::talk::Talk;
use crate::transaction::{Again, PATIENCE, T2};
use crate::{AnswerPolicy, Event, Phone, Socket};
use model::Instant;
use rsip::headers::Header;
use rsip::{Method, Request};
use std::time::Duration;

impl Phone {
    /// A request that was not seen before; its server transaction waits for the answer.
    pub(crate) fn handle_fresh_request(&mut self, now: Instant, envelope: &Envelope, request: Request) {
        let branch = envelope.via.branch.as_str();
        match (request.method, &envelope.to.tag) {
            (Method::Cancel, _) => self.handle_cancel(now, envelope, &request),
            (_, Some(_)) => self.handle_in_dialog(now, envelope, request),
            (Method::Invite, None) => self.handle_invite(now, envelope, request),
            (Method::Options, None) => {
                let tag = self.random.token(10);
                self.answer(now, branch, Method::Options, Reply::new(200, &tag).with(capabilities()));
            }
            (method, None) => {
                self.post.violation(format!("a {method} outside any dialog, to a phone that has no use for it"));
                let tag = self.random.token(10);
                self.answer(now, branch, method, Reply::new(if method == Method::Bye { 481 } else { 405 }, &tag).with(capabilities()));
            }
        }
    }

    fn handle_invite(&mut self, now: Instant, envelope: &Envelope, request: Request) {
        let branch = envelope.via.branch.clone();
        let local_tag = self.random.token(10);
        let target = match message::contact(&request.headers) {
            Some(contact) => contact,
            None => {
                self.post.violation("an INVITE without Contact (RFC 3261 section 8.1.1.8)");
                envelope.from.uri.clone()
            }
        };
        if request.uri.user() != Some(self.config.user.as_str()) {
            self.post.violation(format!("an INVITE for {}, who does not live here (RFC 3261 section 8.2.2.1)", request.uri));
            return self.answer(now, &branch, Method::Invite, Reply::new(404, &local_tag));
        }
        if self.call.is_some() {
            return self.answer(now, &branch, Method::Invite, Reply::new(486, &local_tag));
        }
        self.answer(now, &branch, Method::Invite, Reply::new(100, &local_tag));
        let dialog = Dialog {
            call_id: envelope.call_id.clone(),
            local: format!("{};tag={local_tag}", envelope.to.text),
            local_tag: local_tag.clone(),
            remote: envelope.from.text.clone(),
            remote_tag: envelope.from.tag.clone(),
            local_cseq: self.random.next_u32() >> 16,
            remote_cseq: Some(envelope.cseq),
            // Section 12.1.1: the route set of the callee is Record-Route in order.
            routes: message::record_routes(&request.headers),
            target,
        };
        let answer_at = match self.config.answer {
            AnswerPolicy::After(delay) | AnswerPolicy::Early(delay) => Some(now + delay),
            AnswerPolicy::Never | AnswerPolicy::Decline(_) => None,
        };
        let stage = Stage::Alerting { branch: branch.clone(), sent_by: envelope.via.sent_by.clone(), invite: Box::new(request), answer_at };
        let session = u64::from(self.random.next_u32());
        self.talk = None;
        self.call = Some(Call { dialog, stage, unacked: None, acked: None, leaving: false, session, version: 1, expires: None });
        self.post.event(Event::Incoming { from: envelope.from.name.clone() });
        match self.config.answer {
            AnswerPolicy::Decline(status) => self.decline(now, status.clamp(300, 699)),
            AnswerPolicy::Early(_) => self.speak_early(now, &branch, &local_tag),
            AnswerPolicy::After(_) | AnswerPolicy::Never => {
                let contact = vec![Header::Contact(self.contact().into())];
                self.answer(now, &branch, Method::Invite, Reply::new(180, &local_tag).with(contact));
                self.handle_call_timeout(now);
            }
        }
    }

    /// 183 with our answer, and what we say, before anybody picks up (RFC 3960 section 3.1).
    fn speak_early(&mut self, now: Instant, branch: &str, tag: &str) {
        let Some(Call { stage: Stage::Alerting { invite, .. }, session, .. }) = &self.call else { return };
        let (invite, session) = (invite.clone(), *session);
        match self.settle_session(&invite, session) {
            Ok((sdp, agreed)) => {
                let contact = vec![Header::Contact(self.contact().into())];
                self.answer(now, branch, Method::Invite, Reply::new(183, tag).with(contact).session(&sdp));
                self.start_talk(now, agreed);
            }
            Err(()) => self.decline(now, 488),
        }
    }

    /// Refuses the call that rings.
    pub(crate) fn decline(&mut self, now: Instant, status: u16) {
        let Some(Call { dialog, stage: Stage::Alerting { branch, .. }, .. }) = &self.call else { return };
        let (branch, tag) = (branch.clone(), dialog.local_tag.clone());
        self.answer(now, &branch, Method::Invite, Reply::new(status, &tag));
        self.end(now, true, Some(status));
    }

    /// Answers the call that rings: 200 with our session, resent until its ACK comes (section 13.3.1.4).
    pub(crate) fn pick_up(&mut self, now: Instant) {
        let Some(Call { dialog, stage: Stage::Alerting { branch, invite, .. }, session, .. }) = &self.call else { return };
        let (branch, tag, session, invite) = (branch.clone(), dialog.local_tag.clone(), *session, invite.clone());
        let cseq = dialog.remote_cseq.unwrap_or_default();
        match self.settle_session(&invite, session) {
            Ok((sdp, agreed)) => {
                if let Some(call) = &mut self.call {
                    call.stage = Stage::Talking;
                }
                self.accept(now, &branch, &tag, cseq, &sdp, agreed.is_none(), message::session_expires(&invite.headers));
                self.start_talk(now, agreed);
                self.post.event(Event::Connected);
            }
            Err(()) => self.decline(now, 488),
        }
    }

    /// Our answer to the offer in an INVITE, or our own offer when it has none. A broken offer is told; one without a common codec is not
    /// a breach.
    fn settle_session(&mut self, invite: &Request, session: u64) -> Result<(Vec<u8>, Option<sdp::Agreed>), ()> {
        let ours = self.capabilities(session);
        if invite.body.is_empty() {
            return Ok((sdp::offer(&ours).to_vec(), None));
        }
        let offer = match read_sdp(&invite.body, message::carries_sdp(&invite.headers)) {
            Ok(offer) => offer,
            Err(fault) => {
                self.post.violation(format!("an INVITE whose offer cannot be read: {fault}"));
                return Err(());
            }
        };
        sdp::answer(&offer, &ours).map(|answer| (answer.sdp.to_vec(), Some(answer.agreed))).map_err(|_| ())
    }

    /// A session timer that the far side asks for is left to it (RFC 4028 section 9).
    #[expect(clippy::too_many_arguments, reason = "each of them is a different thing")]
    fn accept(&mut self, now: Instant, branch: &str, tag: &str, cseq: u32, sdp: &[u8], wants_answer: bool, timer: Option<u64>) {
        let mut extra = vec![Header::Contact(self.contact().into()), Header::Allow(message::ALLOW.into())];
        if let Some(secs) = timer {
            extra.push(Header::Require("timer".into()));
            extra.push(Header::Other("Session-Expires".into(), format!("{secs};refresher=uac")));
        }
        if let Some(call) = &mut self.call {
            call.expires = timer.map(|secs| now + Duration::from_secs(secs));
        }
        self.answer(now, branch, Method::Invite, Reply::new(200, tag).with(extra).session(sdp));
        let sent = self.servers.iter().find(|s| s.branch == branch && s.request.method == Method::Invite).and_then(|s| s.answer.clone());
        if let (Some(call), Some((_, to, bytes))) = (&mut self.call, sent) {
            let again = Again::new(now, Some(T2));
            call.unacked = Some(Unacked { cseq, to, bytes, again, give_up: now + PATIENCE, wants_answer });
        }
    }

    pub(crate) fn handle_ack(&mut self, now: Instant, envelope: &Envelope, request: &Request) {
        let Some(call) = self.call.as_mut().filter(|c| belongs(c, envelope)) else {
            if !self.is_past(envelope) {
                self.post.violation("an ACK for no dialog of ours (RFC 3261 section 13.2.2.4)");
            }
            return;
        };
        match &call.unacked {
            Some(unacked) if unacked.cseq == envelope.cseq => {
                let (wants_answer, leaving, session) = (unacked.wants_answer, call.leaving, call.session);
                call.unacked = None;
                call.acked = Some(envelope.cseq);
                if wants_answer {
                    let ours = self.capabilities(session);
                    let agreed = read_sdp(&request.body, message::carries_sdp(&request.headers))
                        .and_then(|answer| sdp::accept(&answer, &ours).map_err(|fault| fault.to_string()));
                    match (agreed, &mut self.talk) {
                        (Ok(agreed), Some(talk)) => talk.connect(now, agreed),
                        (Ok(agreed), None) => self.start_talk(now, Some(agreed)),
                        (Err(fault), _) => {
                            self.post.violation(format!("an ACK that must answer our offer and does not: {fault}"));
                            return self.send_bye(now, Some(488));
                        }
                    }
                }
                if leaving {
                    self.send_bye(now, None);
                }
            }
            _ if call.acked == Some(envelope.cseq) => {}
            _ => {
                let cseq = envelope.cseq;
                self.post.violation(format!("an ACK with CSeq {cseq}, which is that of no INVITE (RFC 3261 section 13.2.2.4)"));
            }
        }
    }

    fn handle_cancel(&mut self, now: Instant, envelope: &Envelope, request: &Request) {
        let branch = envelope.via.branch.clone();
        let ringing = match &self.call {
            Some(Call { stage: Stage::Alerting { branch: b, sent_by, invite, .. }, dialog, .. })
                if *b == branch && *sent_by == envelope.via.sent_by =>
            {
                if message::envelope(&invite.headers).is_ok_and(|i| i.cseq != envelope.cseq) {
                    self.post.violation("a CANCEL with another CSeq than its INVITE (RFC 3261 section 9.1)");
                }
                Some(dialog.local_tag.clone())
            }
            _ => None,
        };
        let tag = ringing.clone().unwrap_or_else(|| self.random.token(10));
        let known = self.servers.iter().any(|s| s.branch == branch && s.request.method == Method::Invite);
        if !known {
            self.post.violation("a CANCEL for no INVITE (RFC 3261 section 9.1)");
        }
        self.answer(now, &branch, Method::Cancel, Reply::new(if known { 200 } else { 481 }, &tag));
        if let Some(tag) = ringing {
            self.answer(now, &branch, Method::Invite, Reply::new(487, &tag));
            self.tell_reason(request);
            self.end(now, false, Some(487));
        }
    }

    fn tell_reason(&mut self, request: &Request) {
        if let Some(reason) = message::why_ended(&request.headers) {
            self.post.event(Event::Reason(reason));
        }
    }

    fn handle_in_dialog(&mut self, now: Instant, envelope: &Envelope, request: Request) {
        let (branch, method) = (envelope.via.branch.clone(), request.method);
        let Some(call) = self.call.as_mut().filter(|c| belongs(c, envelope)) else {
            let past = self.is_past(envelope);
            if !past {
                self.post.violation(format!("a {method} in no dialog of ours (RFC 3261 section 12.2.2)"));
            }
            // Both sides may hang up at once.
            let status = if past && method == Method::Bye { 200 } else { 481 };
            return self.answer(now, &branch, method, Reply::new(status, ""));
        };
        match call.dialog.remote_cseq {
            Some(last) if envelope.cseq == last => {
                self.post.violation(format!("a second {method} with CSeq {last} (RFC 3261 section 12.2.1.1)"));
                return self.answer(now, &branch, method, Reply::new(500, ""));
            }
            // A lower one may have been overtaken on its way: "MUST be rejected with a 500", and no proof of a fault.
            Some(last) if envelope.cseq < last => return self.answer(now, &branch, method, Reply::new(500, "")),
            _ => call.dialog.remote_cseq = Some(envelope.cseq),
        }
        match method {
            Method::Bye => {
                let ringing = match &call.stage {
                    Stage::Alerting { branch, .. } => Some((branch.clone(), call.dialog.local_tag.clone())),
                    Stage::Dialling { .. } | Stage::Talking => None,
                };
                self.answer(now, &branch, Method::Bye, Reply::new(200, ""));
                if let Some((invite, tag)) = ringing {
                    self.answer(now, &invite, Method::Invite, Reply::new(487, &tag));
                }
                self.tell_reason(&request);
                self.end(now, false, None);
            }
            Method::Options => self.answer(now, &branch, Method::Options, Reply::new(200, "").with(capabilities())),
            Method::Invite if call.unacked.is_some() || !matches!(call.stage, Stage::Talking) => {
                // Section 14.2: one offer at a time.
                self.answer(now, &branch, Method::Invite, Reply::new(491, ""));
            }
            Method::Invite => self.handle_reinvite(now, &branch, envelope.cseq, &request),
            Method::Notify => self.handle_notify(now, &branch, &request),
            other => self.answer(now, &branch, other, Reply::new(405, "").with(capabilities())),
        }
    }

    /// The far side wants to change the session (section 14.2): we say again what we said.
    fn handle_reinvite(&mut self, now: Instant, branch: &str, cseq: u32, request: &Request) {
        let Some(call) = &mut self.call else { return };
        match message::contact(&request.headers) {
            Some(contact) => call.dialog.target = contact,
            None => self.post.violation("a re-INVITE without Contact (RFC 3261 section 12.2.1.1)"),
        }
        let session = call.session;
        match self.settle_session(request, session) {
            Ok((sdp, agreed)) => {
                self.accept(now, branch, "", cseq, &sdp, agreed.is_none(), message::session_expires(&request.headers));
                if let (Some(talk), Some(agreed)) = (&mut self.talk, agreed) {
                    talk.connect(now, agreed);
                }
            }
            Err(()) => self.answer(now, branch, Method::Invite, Reply::new(488, "")),
        }
    }

    pub(crate) fn call_due(&self) -> Option<Instant> {
        let call = self.call.as_ref()?;
        let ring = match &call.stage {
            Stage::Alerting { answer_at, .. } => *answer_at,
            Stage::Dialling { .. } | Stage::Talking => None,
        };
        ring.into_iter().chain(call.unacked.as_ref().map(|u| u.again.at.min(u.give_up))).chain(call.expires).min()
    }

    pub(crate) fn handle_call_timeout(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        if let Stage::Alerting { answer_at: Some(at), .. } = &call.stage
            && *at <= now
        {
            return self.pick_up(now);
        }
        if call.expires.is_some_and(|at| at <= now) {
            call.expires = None;
            self.post.concern(&call.dialog.call_id);
            self.post.violation("a session that its refresher did not refresh (RFC 4028 section 10)");
            return self.send_bye(now, Some(408));
        }
        let Some(unacked) = &mut call.unacked else { return };
        if unacked.give_up <= now {
            call.unacked = None;
            self.post.concern(&call.dialog.call_id);
            self.post.violation("our 200 got no ACK for 32 s (RFC 3261 section 13.3.1.4)");
            self.send_bye(now, Some(408));
        } else if unacked.again.at <= now {
            unacked.again.step();
            let (to, bytes) = (unacked.to, unacked.bytes.clone());
            self.post.send(Socket::Sip, to, bytes);
        }
    }

    pub(crate) fn start_talk(&mut self, now: Instant, agreed: Option<sdp::Agreed>) {
        let mut talk = Talk::new(now, self.config.says.clone(), self.config.rtp, &mut self.random);
        if let Some(agreed) = agreed {
            talk.connect(now, agreed);
        }
        talk.wake_keys(now);
        self.talk = Some(talk);
    }

    fn is_past(&self, envelope: &Envelope) -> bool {
        self.past.iter().any(|p| p.call_id == envelope.call_id && Some(&p.local_tag) == envelope.to.tag.as_ref())
    }
}

fn capabilities() -> Vec<Header> {
    vec![Header::Allow(message::ALLOW.into()), Header::Accept("application/sdp".into())]
}

/// Section 12.2.2: a request belongs to the dialog with its Call-ID and both tags.
fn belongs(call: &Call, envelope: &Envelope) -> bool {
    call.dialog.call_id == envelope.call_id
        && Some(&call.dialog.local_tag) == envelope.to.tag.as_ref()
        && call.dialog.remote_tag == envelope.from.tag
}
