//! What comes from SIP and from the media: whose it is, and who is turned away at the door.

use crate::engine::{Engine, Owner};
use crate::face::Act;
use crate::record::Record;
use bytes::Bytes;
use model::{AgentId, DialogId, Event, FlowId, LegId, Now, Number, Person, Refusal, Seq};
use std::net::{IpAddr, SocketAddr};

/// An INVITE from outside.
pub(crate) struct Invite {
    pub(crate) dialog: DialogId,
    pub(crate) source: SocketAddr,
    pub(crate) from_user: String,
    pub(crate) from_display: String,
    pub(crate) to_user: String,
    pub(crate) authenticated: Option<String>,
    pub(crate) claims: Box<sip::Claims>,
    pub(crate) offer: Option<Bytes>,
    /// Their network wants to hear at once that it rings.
    pub(crate) reliable: bool,
    /// The dialog whose place they want.
    pub(crate) replaces: Option<DialogId>,
}

impl Engine {
    pub(crate) fn on_datagram(&mut self, now: Now, flow: FlowId, from: SocketAddr, bytes: &Bytes) {
        if !self.is_heard(now, from, bytes) {
            return;
        }
        if bytes.starts_with(b"INVITE ") {
            self.mind_the_door(now, from.ip());
        }
        self.sip.handle_message(now, flow, from, bytes);
    }

    /// Law 6: refuse at the door. A source that no line lists gets nothing, not even an error to learn from.
    pub(crate) fn is_stranger(&self, ip: IpAddr) -> bool {
        self.line_of(ip).is_none() && !self.is_trunk(ip)
    }

    pub(crate) fn on_opened(&mut self, now: Now, flow: FlowId, from: SocketAddr) {
        if !self.may_be_heard(from.ip()) {
            self.note_stranger(now, from.ip().to_canonical());
            self.act(Seq(0), Act::Close(flow));
        }
    }

    pub(crate) fn on_media(&mut self, now: Now, leg: LegId, event: media::Event) {
        if let media::Event::Recorded { id, how, length, spoken } = event {
            return self.on_recorded(id, how, spoken, length);
        }
        let Some(owner) = self.legs.get(&leg).copied() else { return };
        if let media::Event::Closed(stats) = event {
            self.note(Event::Media { leg, stats });
            if let Owner::Closing(port) = owner {
                self.legs.remove(&leg);
                self.ports.give_back(port);
            }
            return;
        }
        match owner {
            Owner::Caller(call) => self.with_call(now, call, |engine, call| engine.on_caller_media(now, call, event)),
            Owner::Agent(call) => self.with_call(now, call, |engine, call| engine.on_agent_media(now, call, leg, event)),
            Owner::Callback(call) => self.on_attempt_media(now, call, leg, &event),
            Owner::Outside(call) => self.with_call(now, call, |engine, call| engine.on_outside_media(now, call, leg, &event)),
            Owner::Consult(call) => self.with_call(now, call, |engine, call| engine.on_consult_media(now, call, &event)),
            Owner::Takeover(call) => self.with_call(now, call, |engine, call| engine.on_takeover_media(now, call, &event)),
            Owner::Errand(call) => self.on_errand_media(now, call, leg, event),
            Owner::Closing(port) => {
                // The session never opened: there is nothing that could say Closed.
                if matches!(event, media::Event::OpenFailed(_)) {
                    self.legs.remove(&leg);
                    self.ports.give_back(port);
                }
            }
        }
    }

    pub(crate) fn on_sip(&mut self, now: Now, event: sip::Event) {
        use sip::Event as E;
        match event {
            E::Invite { dialog, source, from_user, from_display, to_user, authenticated, claims, offer, reliable, replaces } => {
                let invite = Invite { dialog, source, from_user, from_display, to_user, authenticated, claims, offer, reliable, replaces };
                self.on_invite(now, invite);
            }
            E::TrunkRegistration { trunk, how } => self.on_trunk(Event::TrunkRegistration { line: trunk, how }),
            E::TrunkReachable { trunk, reachable } => self.on_trunk(Event::TrunkReachable { line: trunk, reachable }),
            E::Registered { user, fresh, moved } => {
                let agent = AgentId::from(user);
                if fresh && self.city.book.agents.contains_key(&agent) {
                    self.note(Event::Registered { agent: agent.clone() });
                }
                if fresh {
                    self.sign_in(now, &agent);
                } else if moved {
                    self.phone_moved(now, &agent);
                }
            }
            E::PhoneGone { user, at, why } => self.on_phone_gone(now, AgentId::from(user), &at, why),
            E::Unregistered { user, expired } => {
                let agent = AgentId::from(user);
                self.note(Event::Unregistered { agent: agent.clone(), expired });
                self.sign_out(now, &agent, expired);
            }
            // Whoever's leg it is: the sound's side hears keys by all ways, and counts each press once.
            E::Digit { dialog, digit, held } => {
                let leg = self.dialogs.get(&dialog).map(|thread| thread.leg);
                if let Some(leg) = leg.filter(|leg| self.legs.get(leg).is_some_and(|owner| !matches!(owner, Owner::Closing(_)))) {
                    self.media(Seq(0), leg, media::Command::Key(digit, held));
                }
            }
            E::PeerMoved { dialog, from, to } => {
                if let Some(leg) = self.dialogs.get(&dialog).map(|thread| thread.leg) {
                    self.follow_sound(Seq(0), leg, from, to);
                }
            }
            E::Ended { dialog } => {
                self.dialog_over(dialog);
                self.errand_ended(now, dialog);
                self.forget_whom_we_asked();
            }
            E::Cancelled { dialog }
            | E::Acked { dialog }
            | E::AckMissing { dialog }
            | E::OfferRefused { dialog, .. }
            | E::PeerLost { dialog }
            | E::Cause { dialog, .. }
            | E::AsksForPrivacy { dialog }
            | E::Refer { dialog, .. }
            | E::Ringing { dialog, .. }
            | E::Trying { dialog }
            | E::AskedAgain { dialog }
            | E::Asked { dialog, .. }
            | E::Answered { dialog, .. }
            | E::Failed { dialog, .. }
            | E::Bye { dialog }
            | E::Reoffer { dialog, .. }
            | E::AnswerCame { dialog, .. }
            | E::ProbeAnswered { dialog }
            | E::ProbeFailed { dialog } => {
                let leg = self.dialogs.get(&dialog).map(|thread| thread.leg);
                let owner = leg.and_then(|leg| self.legs.get(&leg)).copied();
                // Agents only may put somebody through, and only the caller whom they talk with (RFC 3515 section 2.4.2: "a UA SHOULD ... 603"). Callers and
                // wards would have us call numbers of their choice: that is what toll fraud is.
                if matches!(event, E::Refer { .. })
                    && !matches!(owner, Some(Owner::Agent(_) | Owner::Consult(_) | Owner::Closing(_)) | None)
                {
                    return self.sip.handle_command(now, sip::Command::AnswerRefer { dialog, status: 603 });
                }
                match owner {
                    Some(Owner::Callback(call)) => self.on_attempt_sip(now, call, leg.unwrap_or_default(), event),
                    Some(Owner::Caller(call)) => self.with_call(now, call, |engine, call| engine.on_caller_sip(now, call, event)),
                    Some(Owner::Agent(call)) => self.with_call(now, call, |engine, call| engine.on_agent_sip(now, call, event)),
                    Some(Owner::Consult(call)) => self.with_call(now, call, |engine, call| engine.on_consult_sip(now, call, &event)),
                    Some(Owner::Takeover(call)) => self.with_call(now, call, |engine, call| engine.on_takeover_sip(now, call, &event)),
                    Some(Owner::Outside(call)) => {
                        self.with_call(now, call, |engine, call| engine.on_outside_sip(now, call, dialog, &event))
                    }
                    Some(Owner::Errand(call)) => self.on_errand_sip(now, call, dialog, event),
                    Some(Owner::Closing(_)) | None => {
                        // A phone that wants something still of a call that is over is told so; all else is already settled.
                        match event {
                            E::Reoffer { .. } => self.sip.handle_command(now, sip::Command::RefuseReoffer { dialog, status: 481 }),
                            E::Refer { .. } => self.sip.handle_command(now, sip::Command::AnswerRefer { dialog, status: 481 }),
                            E::AsksForPrivacy { .. } => self.asks_late(now, dialog),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    pub(crate) fn refuse(&mut self, now: Now, dialog: DialogId, why: Refusal) {
        if why == Refusal::AimedAtUs {
            self.name_who_aims_at_us(now);
        }
        self.note(Event::Refused { why, person: None });
        self.reject(now, dialog, why);
    }

    /// Turns away somebody who dialled one of our numbers: they are counted, and so is who they are, or nobody would know of them.
    pub(crate) fn refuse_caller(&mut self, now: Now, dialog: DialogId, why: Refusal, number: Number, person: Option<Person>) {
        self.commit(Record::Refused { number: Some(number), person: person.clone(), why });
        self.note(Event::Refused { why, person });
        self.reject(now, dialog, why);
    }

    fn reject(&mut self, now: Now, dialog: DialogId, why: Refusal) {
        let (status, retry_after_secs) = match why {
            Refusal::UnknownNumber => (404, None),
            Refusal::NoCodec | Refusal::AimedAtUs => (488, None),
            Refusal::Forbidden => (403, None),
            Refusal::SameNumber => (486, None),
            Refusal::Full | Refusal::NoPort | Refusal::TooFast => (503, Some(5)),
            Refusal::Draining => (503, Some(30)),
        };
        self.invite_done(dialog, status);
        self.sip.handle_command(now, sip::Command::Reject { dialog, status, retry_after_secs });
    }

    /// Somebody's INVITE has our final answer, or was given up.
    pub(crate) fn invite_done(&mut self, dialog: DialogId, status: u16) {
        let line = self.sip.dialog(dialog).and_then(|state| self.line_of(state.peer.ip()).map(|line| line.id.clone()));
        self.note(Event::InviteDone { line, direction: model::Direction::In, status });
    }

    pub(crate) fn line_of(&self, ip: IpAddr) -> Option<&model::Line> {
        // Where we registered ourselves, calls come from.
        let registered =
            |line: &model::Line| line.trunk.as_ref().is_some_and(|trunk| trunk.register.is_some() && trunk.is_at(ip.to_canonical()));
        let lines = &self.city.book.lines;
        lines.iter().find(|line| line.from.iter().any(|net| net.contains(ip))).or_else(|| lines.iter().find(|line| registered(line)))
    }

    /// Whose machine that is: the trunk's at just that address and port, else of whoever may call from there.
    pub(crate) fn line_at(&self, peer: SocketAddr) -> Option<&model::Line> {
        let is_there = |trunk: &model::Trunk| trunk.machines.iter().any(|machine| machine.addr == peer);
        let trunk = self.city.book.lines.iter().find(|line| line.trunk.as_ref().is_some_and(is_there));
        trunk.or_else(|| self.line_of(peer.ip()))
    }

    /// The newest record that a message of this dialog depends on.
    pub(crate) fn after(&self, dialog: DialogId) -> Seq {
        let Some(thread) = self.dialogs.get(&dialog) else { return Seq(0) };
        let live = match self.legs.get(&thread.leg) {
            Some(Owner::Caller(call) | Owner::Agent(call) | Owner::Outside(call) | Owner::Consult(call) | Owner::Takeover(call)) => {
                self.calls.get(call).map_or(Seq(0), |call| call.after)
            }
            Some(Owner::Errand(call)) => self.errands.get(call).map_or(Seq(0), |errand| errand.after),
            Some(Owner::Callback(call)) => self.callbacks.attempts.get(call).map_or(Seq(0), |attempt| attempt.after),
            Some(Owner::Closing(_)) | None => Seq(0),
        };
        thread.after.max(live)
    }
}
