//! Calling somebody, giving up, and hanging up.
//!
//! The user agent client of RFC 3261 sections 9, 13.2 and 15, with the answers to digest challenges of section 22.

use crate::call::{Call, Cancelling, Dialog, Past, Stage};
use crate::message::{self, Envelope};
use crate::phone::Ask;
use crate::transaction::{Client, ClientStage, PATIENCE, Purpose};
use crate::{Event, Phone};
use model::Instant;
use rsip::headers::Header;
use rsip::{Method, Response};

impl Phone {
    pub(crate) fn dial(&mut self, now: Instant, uri: &str, late: bool, replaces: Option<String>) {
        if self.call.is_some() {
            return;
        }
        let local_tag = self.random.token(10);
        let dialog = Dialog {
            call_id: self.random.token(20),
            local: format!("<sip:{}@{}>;tag={local_tag}", self.config.user, self.config.server.ip()),
            local_tag,
            remote: format!("<{uri}>"),
            remote_tag: None,
            local_cseq: self.random.next_u32() >> 16,
            remote_cseq: None,
            routes: Vec::new(),
            target: uri.to_owned(),
        };
        let stage = Stage::Dialling {
            branch: String::new(),
            uri: uri.to_owned(),
            cancel: Cancelling::No,
            early_tag: None,
            challenged: false,
            late,
            replaces,
        };
        let session = u64::from(self.random.next_u32());
        self.talk = None;
        self.call = Some(Call { dialog, stage, unacked: None, acked: None, leaving: false, session, version: 1, expires: None });
        self.send_invite(now, None);
    }

    fn send_invite(&mut self, now: Instant, credentials: Option<Header>) {
        let Some(Call { dialog, stage: Stage::Dialling { uri, late, replaces, .. }, session, .. }) = &mut self.call else { return };
        dialog.local_cseq = dialog.local_cseq.saturating_add(1);
        let (dialog, uri, session, late, replaces) = (dialog.clone(), uri.clone(), *session, *late, replaces.clone());
        let sdp = sdp::offer(&self.capabilities(session));
        let mut extra = vec![Header::Contact(self.contact().into()), Header::Allow(message::ALLOW.into())];
        extra.extend(replaces.map(|replaces| Header::Other("Replaces".into(), replaces)));
        extra.extend(credentials);
        let ask = Ask {
            method: Method::Invite,
            uri: &uri,
            from: &dialog.local,
            to: &dialog.remote,
            call_id: &dialog.call_id,
            cseq: dialog.local_cseq,
            routes: &[],
            extra,
            sdp: (!late).then_some(&sdp),
            branch: None,
            outbound: true,
        };
        match self.ask(now, Purpose::Invite, ask) {
            Ok(sent) => {
                if let Some(Call { stage: Stage::Dialling { branch, .. }, .. }) = &mut self.call {
                    *branch = sent;
                }
            }
            Err(_) => self.end(now, true, Some(400)),
        }
    }

    /// What the session offers, the same for the whole call.
    pub(crate) fn capabilities(&self, session: u64) -> sdp::Capabilities {
        sdp::Capabilities { addr: self.config.rtp, codecs: self.config.codecs.clone(), session, version: 1 }
    }

    pub(crate) fn handle_invite_response(&mut self, now: Instant, at: usize, status: u16, response: &Response, envelope: &Envelope) {
        let ours = matches!(&self.call, Some(Call { stage: Stage::Dialling { branch, .. }, .. }) if *branch == self.clients[at].branch);
        if !ours {
            return;
        }
        match status {
            100..=199 => self.handle_progress(now, status, envelope),
            200..=299 => self.handle_answer(now, at, response, envelope),
            401 | 407 => self.handle_challenge(now, status, response),
            _ => {
                let by_us = matches!(&self.call, Some(Call { stage: Stage::Dialling { cancel, .. }, .. }) if *cancel != Cancelling::No);
                self.end(now, by_us, Some(status));
            }
        }
    }

    fn handle_progress(&mut self, now: Instant, status: u16, envelope: &Envelope) {
        let Some(Call { stage: Stage::Dialling { cancel, early_tag, .. }, .. }) = &mut self.call else { return };
        if status > 100 {
            match early_tag {
                None => *early_tag = envelope.to.tag.clone(),
                Some(tag) if Some(&*tag) != envelope.to.tag.as_ref() => {
                    self.post.violation(format!("a {status} from another dialog than the one before (RFC 3261 section 12.1)"));
                }
                Some(_) => {}
            }
        }
        let wanted = *cancel == Cancelling::Wanted;
        self.post.event(Event::Progress(status));
        if wanted {
            self.send_cancel(now);
        }
    }

    fn handle_challenge(&mut self, now: Instant, status: u16, response: &Response) {
        let Some(Call { stage: Stage::Dialling { challenged, cancel, uri, .. }, .. }) = &mut self.call else { return };
        let (before, given_up, uri) = (*challenged, *cancel != Cancelling::No, uri.clone());
        *challenged = true;
        let challenge = self.challenge(status, &response.headers);
        match challenge {
            _ if given_up => self.end(now, true, Some(487)),
            Some((mut challenge, proxy)) if self.config.password.is_some() && (!before || challenge.stale) => {
                let credentials = self.credentials(&mut challenge, proxy, "INVITE", &uri);
                self.send_invite(now, credentials);
            }
            _ => self.end(now, false, Some(status)),
        }
    }

    /// 2xx: acknowledged whatever it holds (section 13.2.2.4), then judged.
    fn handle_answer(&mut self, now: Instant, at: usize, response: &Response, envelope: &Envelope) {
        let Some(call) = &mut self.call else { return };
        let Stage::Dialling { cancel, early_tag, .. } = &call.stage else { return };
        let given_up = *cancel != Cancelling::No;
        if early_tag.is_some() && *early_tag != envelope.to.tag {
            self.post.violation("a 200 from another dialog than its 180 (RFC 3261 section 13.2.2.4)");
        }
        call.dialog.remote = envelope.to.text.clone();
        call.dialog.remote_tag = envelope.to.tag.clone();
        // Section 12.1.2: the route set of the caller is Record-Route in reverse.
        call.dialog.routes = message::record_routes(&response.headers).into_iter().rev().collect();
        match message::contact(&response.headers) {
            Some(contact) => call.dialog.target = contact,
            None => self.post.violation("a 200 to INVITE without Contact (RFC 3261 section 12.1.1)"),
        }
        let late = call.is_late();
        call.stage = Stage::Talking;
        let (dialog, session) = (call.dialog.clone(), call.session);
        let ours = self.capabilities(session);
        let theirs = read_sdp(response.body.as_slice(), message::carries_sdp(&response.headers));
        // Theirs is the offer if ours made none, and the ACK answers it (section 13.2.1).
        let (agreed, answer) = match theirs {
            Ok(offer) if late => match sdp::answer(&offer, &ours) {
                Ok(answer) => (Ok(answer.agreed), Some(answer.sdp)),
                Err(fault) => (Err(fault.to_string()), None),
            },
            theirs => (theirs.and_then(|answer| sdp::accept(&answer, &ours).map_err(|fault| fault.to_string())), None),
        };
        self.acknowledge(now, at, &dialog, dialog.local_cseq, answer.as_deref());
        if given_up {
            return self.send_bye(now, Some(487));
        }
        match agreed {
            Ok(agreed) => {
                self.start_talk(now, Some(agreed));
                self.post.event(Event::Connected);
            }
            Err(fault) => {
                self.post.violation(format!("a 200 to INVITE whose session cannot be used: {fault}"));
                self.send_bye(now, Some(488));
            }
        }
    }

    /// Sends the ACK of a 2xx, and remembers it for copies of that (section 13.2.2.4).
    pub(crate) fn acknowledge(&mut self, now: Instant, at: usize, dialog: &Dialog, cseq: u32, answer: Option<&[u8]>) {
        let ask = Ask {
            method: Method::Ack,
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id: &dialog.call_id,
            cseq,
            routes: &dialog.routes,
            extra: Vec::new(),
            sdp: answer,
            branch: None,
            outbound: false,
        };
        match self.ask(now, Purpose::Invite, ask) {
            Ok(_) => {
                let ack = self.post.last_sip();
                if let (Some(client), Some(ack)) = (self.clients.get_mut(at), ack) {
                    client.remember_ack(ack);
                }
            }
            Err(fault) => self.post.violation(format!("the Contact of a 200 cannot be used: {fault}")),
        }
    }

    pub(crate) fn handle_invite_timeout(&mut self, now: Instant, client: &Client) {
        let Some(Call { stage: Stage::Dialling { branch, cancel, .. }, .. }) = &self.call else { return };
        if *branch != client.branch {
            return;
        }
        let given_up = *cancel != Cancelling::No;
        if let (true, ClientStage::Proceeding { .. }) = (given_up, &client.stage) {
            self.post.violation("a cancelled INVITE got no final answer for 32 s (RFC 3261 section 9.2)");
        }
        self.end(now, given_up, Some(if given_up { 487 } else { 408 }));
    }

    pub(crate) fn hang_up(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        match &call.stage {
            Stage::Dialling { .. } => self.cancel(now),
            Stage::Alerting { .. } => self.decline(now, 486),
            // Section 15: the callee "MUST NOT send a BYE on a confirmed dialog until it has received an ACK".
            Stage::Talking if call.unacked.is_some() => call.leaving = true,
            Stage::Talking => self.send_bye(now, None),
        }
    }

    pub(crate) fn cancel(&mut self, now: Instant) {
        let Some(Call { stage: Stage::Dialling { branch, cancel, .. }, .. }) = &mut self.call else { return };
        if *cancel != Cancelling::No {
            return;
        }
        *cancel = Cancelling::Wanted;
        let proceeding = self.clients.iter().any(|c| c.branch == *branch && matches!(c.stage, ClientStage::Proceeding { .. }));
        if proceeding {
            self.send_cancel(now);
        }
    }

    /// Section 9.1: same Request-URI, Call-ID, To, From, CSeq number and branch as the INVITE.
    fn send_cancel(&mut self, now: Instant) {
        let Some(Call { dialog, stage: Stage::Dialling { branch, uri, cancel, .. }, .. }) = &mut self.call else { return };
        *cancel = Cancelling::Sent;
        let (dialog, branch, uri) = (dialog.clone(), branch.clone(), uri.clone());
        if let Some(invite) = self.clients.iter_mut().find(|c| c.branch == branch && c.purpose == Purpose::Invite) {
            invite.expire(now + PATIENCE);
        }
        let ask = Ask {
            method: Method::Cancel,
            uri: &uri,
            from: &dialog.local,
            to: &dialog.remote,
            call_id: &dialog.call_id,
            cseq: dialog.local_cseq,
            routes: &[],
            extra: Vec::new(),
            sdp: None,
            branch: Some(&branch),
            outbound: true,
        };
        if let Err(fault) = self.ask(now, Purpose::Cancel, ask) {
            self.post.violation(format!("our own CANCEL cannot be written: {fault}"));
        }
    }

    /// Sends BYE and is done with the call.
    pub(crate) fn send_bye(&mut self, now: Instant, status: Option<u16>) {
        let Some(call) = &mut self.call else { return };
        call.dialog.local_cseq = call.dialog.local_cseq.saturating_add(1);
        let dialog = call.dialog.clone();
        let ask = Ask {
            method: Method::Bye,
            uri: &dialog.target,
            from: &dialog.local,
            to: &dialog.remote,
            call_id: &dialog.call_id,
            cseq: dialog.local_cseq,
            routes: &dialog.routes,
            extra: Vec::new(),
            sdp: None,
            branch: None,
            outbound: false,
        };
        if let Err(fault) = self.ask(now, Purpose::Bye, ask) {
            self.post.violation(format!("the far side's Contact cannot be used: {fault}"));
        }
        self.end(now, true, status);
    }

    /// The call is over for us; its dialog is remembered for what comes late.
    pub(crate) fn end(&mut self, now: Instant, by_us: bool, status: Option<u16>) {
        let Some(call) = self.call.take() else { return };
        self.remember(Past { call_id: call.dialog.call_id, local_tag: call.dialog.local_tag, until: now + PATIENCE });
        if let Some(talk) = &mut self.talk {
            talk.end(now, &mut self.post);
        }
        self.keys.clear();
        self.post.event(Event::Ended { by_us, status });
    }
}

/// The description in a body that must hold one.
pub(crate) fn read_sdp(body: &[u8], said: bool) -> Result<sdp::Description, String> {
    if !said || body.is_empty() {
        return Err("there is no application/sdp body (RFC 3261 section 13.2.1)".to_owned());
    }
    sdp::parse(body).map_err(|fault| fault.to_string())
}
