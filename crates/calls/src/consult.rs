//! An agent asks a ward by a second call of their own phone: the caller is on hold, the agent dials the ward's code, and the phone's transfer key
//! puts the two together.
//!
//! Two calls of one telephone, as RFC 5589 section 7 draws them: the agent's phone holds one dialog with us for the caller and another for the
//! ward, and its REFER names the one inside the other (RFC 3891). Both dialogs are ours, so nobody has to call anybody: the legs change their
//! mix. Whom such a call reaches is what `*2` and a code reaches. Caller and ward are in mixes of their own, so that the agent may go to and fro
//! between the two as the phone's own keys do it.

use crate::call::{Call, Called, Leg, Reached, Stage};
use crate::engine::{Engine, Owner};
use crate::heard::Invite;
use crate::terms::Terms;
use media::Command as Media;
use model::{AgentId, DialogId, LineId, MixId, Now, PlayId, Refusal, TransferEnd, TransferKind};
use std::sync::Arc;

/// Mixes of second calls are numbered by their leg, from here on: far above those of calls.
const MIXES: u64 = 1 << 63;

/// The second call of an agent's phone, in the middle of a call.
#[derive(Debug)]
pub(crate) struct Consult {
    pub(crate) leg: Leg,
    /// Whom it asks.
    line: LineId,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The media session opens; then this offer is answered.
    Opening(Option<Box<sdp::Description>>),
    /// 200 is out, the ACK is awaited.
    Answering,
    /// Somebody outside is called, or talks with the agent: [`Stage::Consulting`].
    Asking,
    /// The agent hears that it came to nothing, and is hung up on.
    Sorry(PlayId),
}

impl Consult {
    /// The mix of the agent and the ward.
    pub(crate) fn mix(&self) -> MixId {
        MixId(MIXES | self.leg.id.0)
    }
}

impl Engine {
    /// An agent's phone calls, and it is no star code: the code of a line, from an agent who talks with a caller.
    pub(crate) fn on_consult(&mut self, now: Now, agent: &AgentId, invite: &Invite) {
        let dialog = invite.dialog;
        let code = invite.to_user.as_str();
        let talks = |call: &Call| matches!(&call.stage, Stage::Talking(_, side, _) if side.agent == *agent);
        let found = self.calls.values().find(|call| talks(call)).map(|call| call.id);
        let (Some(id), Some(line)) = (found, self.line_of_code(code)) else {
            // Whoever waits in a queue can be asked nothing beforehand, and without a caller there is nothing to ask.
            let why = if self.is_code(code) { Refusal::Forbidden } else { Refusal::UnknownNumber };
            return self.refuse(now, dialog, why);
        };
        let Ok(offer) = invite.offer.as_ref().map(|sdp| sdp::parse(sdp)).transpose() else {
            return self.refuse(now, dialog, Refusal::NoCodec);
        };
        let source = invite.source.ip();
        self.with_call(now, id, |engine, call| {
            // One second call; and not while another phone takes over.
            if call.consult.is_some() || call.takeover.is_some() {
                return engine.refuse(now, dialog, Refusal::Full);
            }
            let Some(next) = call.legs_made.checked_add(1) else { return engine.refuse(now, dialog, Refusal::NoPort) };
            let Some(leg) = engine.make_leg(id, call.legs_made, dialog, source, Owner::Consult(id)) else {
                return engine.refuse(now, dialog, Refusal::NoPort);
            };
            if engine.first_terms(&leg, offer.as_ref()).is_err() {
                engine.forget_leg(&leg);
                return engine.refuse(now, dialog, Refusal::NoCodec);
            }
            call.legs_made = next;
            let local = engine.bind_addr(&leg);
            engine.media(call.after, leg.id, Media::Open { local });
            call.consult = Some(Box::new(Consult { leg, line, step: Step::Opening(offer.map(Box::new)) }));
        });
    }

    /// The media session of the second call says something.
    pub(crate) fn on_consult_media(&mut self, now: Now, call: &mut Call, event: &media::Event) {
        let Some(consult) = &mut call.consult else { return };
        let dialog = consult.leg.dialog;
        match event {
            media::Event::Opened(_) => {
                let Step::Opening(offer) = &consult.step else { return };
                match self.first_terms(&consult.leg, offer.as_deref()) {
                    Ok((sdp, agreed)) => {
                        consult.step = Step::Answering;
                        self.sip.handle_command(now, sip::Command::Accept { dialog, sdp });
                        if let Some(agreed) = agreed {
                            self.connect(call.after, &mut consult.leg, agreed);
                        }
                    }
                    Err(_) => self.drop_consult(now, call),
                }
            }
            media::Event::OpenFailed(_) => {
                if self.open_elsewhere(call.after, &mut consult.leg) {
                    return;
                }
                self.drop_leg(&consult.leg);
                self.refuse(now, dialog, Refusal::NoPort);
                call.consult = None;
            }
            media::Event::Silent => self.sip.handle_command(now, sip::Command::Probe { dialog }),
            media::Event::Played { id, .. } => {
                if matches!(consult.step, Step::Sorry(play) if play == *id) {
                    self.drop_consult(now, call);
                }
            }
            // Keys are pressed on the phone's first call, as ever.
            media::Event::Digit(..) | media::Event::Recorded { .. } | media::Event::Closed(_) => {}
        }
    }

    /// The second call of the agent's phone says something.
    pub(crate) fn on_consult_sip(&mut self, now: Now, call: &mut Call, event: &sip::Event) {
        let Some(consult) = &mut call.consult else { return };
        match event {
            sip::Event::Acked { .. } if matches!(consult.step, Step::Answering) => self.ask_line(now, call),
            sip::Event::Cancelled { .. }
            | sip::Event::Bye { .. }
            | sip::Event::AckMissing { .. }
            | sip::Event::ProbeFailed { .. }
            | sip::Event::PeerLost { .. } => self.end_consult(now, call, None),
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                let terms = self.handle_terms(now, call.after, &mut consult.leg, event);
                if terms == Terms::Broken {
                    self.end_consult(now, call, None);
                }
            }
            sip::Event::Refer { dialog, to_user, with } => self.on_refer(now, call, *dialog, to_user, *with),
            // These belong to dialogs that we opened, or say nothing that matters here.
            _ => {}
        }
    }

    /// The agent's phone is there: the ward is called, and the agent hears it ring. The caller is where the agent has left them, on hold.
    fn ask_line(&mut self, now: Now, call: &mut Call) {
        let Some(consult) = &mut call.consult else { return };
        consult.step = Step::Asking;
        let (line, ear) = (consult.line.clone(), consult.leg.id);
        let Stage::Talking(_, side, _) = &call.stage else { return self.drop_consult(now, call) };
        let by = Some(side.agent.clone());
        match self.call_ward(now, call, &line) {
            Ok(called) => {
                let Stage::Talking(ticket, side, since) = std::mem::replace(&mut call.stage, Stage::Over) else { return };
                let ringback = Some(self.play_on(call.after, ear, vec![Arc::clone(&self.tones.ringback)], true));
                call.stage = Stage::Consulting(ticket, side, since, Box::new(Called { ringback, ..called }));
            }
            Err(how) => {
                self.note_transfer(call, line.to_string(), TransferKind::Warm, by, how);
                self.say_sorry_to(now, call, how);
            }
        }
    }

    /// The ward has taken the call: it talks with the agent.
    pub(crate) fn consulted(&mut self, call: &mut Call) {
        let Some((ear, mix)) = call.consult.as_ref().map(|consult| (consult.leg.id, consult.mix())) else { return };
        let Some(called) = call.called_mut() else { return };
        called.reached = Reached::Private;
        let leg = called.outside.leg.id;
        // It has nothing more to say: whoever is joined hears the other.
        called.ringback = None;
        self.media(call.after, ear, Media::Join(mix));
        self.media(call.after, leg, Media::Join(mix));
    }

    /// The second call comes to its end, by the agent or (with `why`) by the ward: agent and caller are as before.
    pub(crate) fn end_consult(&mut self, now: Now, call: &mut Call, why: Option<TransferEnd>) {
        let (ticket, side, since, called) = match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Consulting(ticket, side, since, called) => (ticket, side, since, called),
            other => {
                call.stage = other;
                return self.drop_consult(now, call);
            }
        };
        self.let_outside_go(now, call.after, &called.outside);
        call.stage = Stage::Talking(ticket, side, since);
        self.note_transfer(call, called.name(), called.kind, called.by.clone(), why.unwrap_or(TransferEnd::Withdrawn));
        match why {
            Some(how) if called.reached != Reached::Private => self.say_sorry_to(now, call, how),
            // Who has talked knows that it is over.
            Some(_) | None => self.drop_consult(now, call),
        }
    }

    /// The agent hears in the second call why it comes to nothing.
    fn say_sorry_to(&mut self, now: Now, call: &mut Call, how: TransferEnd) {
        let clip = self.sorry(call, Some(how));
        let Some(ear) = call.consult.as_ref().map(|consult| consult.leg.id) else { return self.drop_consult(now, call) };
        let play = self.play_on(call.after, ear, vec![clip], false);
        if let Some(consult) = &mut call.consult {
            consult.step = Step::Sorry(play);
        }
    }

    /// The second call of the agent's phone is over.
    pub(crate) fn drop_consult(&mut self, now: Now, call: &mut Call) {
        if let Some(consult) = call.consult.take() {
            self.sip.handle_command(now, sip::Command::Bye { dialog: consult.leg.dialog });
            self.close_leg(call.after, &consult.leg);
        }
    }

    /// The agent's phone has a transfer key of its own. With a code it does what `*6` and the code do, and reaches nobody else; with the agent's
    /// other call in Replaces it puts the two together.
    pub(crate) fn on_refer(&mut self, now: Now, call: &mut Call, dialog: DialogId, code: &str, with: sip::ReferTo) {
        let joins = match with {
            sip::ReferTo::Fresh => return self.on_blind_refer(now, call, dialog, code),
            // Not 481, which would say that this very call is gone.
            sip::ReferTo::Unknown => None,
            sip::ReferTo::Joins(other) => Some(other),
        };
        let both = call.agent_side().map(|side| side.leg.dialog).zip(call.consult.as_ref().map(|consult| consult.leg.dialog));
        let named = both
            .zip(joins)
            .is_some_and(|((first, second), other)| (dialog, other) == (first, second) || (dialog, other) == (second, first));
        let asks = matches!(call.stage, Stage::Consulting(..));
        let Some(side) = call.agent_side_mut().filter(|_| named && asks) else {
            return self.sip.handle_command(now, sip::Command::AnswerRefer { dialog, status: 603 });
        };
        side.refers = Some(dialog);
        self.sip.handle_command(now, sip::Command::AnswerRefer { dialog, status: 202 });
        self.hand_over(now, call);
    }

    /// The same without another call.
    fn on_blind_refer(&mut self, now: Now, call: &mut Call, dialog: DialogId, code: &str) {
        let talking = matches!(call.stage, Stage::Talking(..)) && call.consult.is_none();
        let known = self.is_code(code);
        let Some(side) = call.agent_side_mut() else { return };
        let status = match (known, talking) {
            (true, true) => 202,
            // Not now: the agent has just answered, or has a second call open. What a moment later would be right is not declined.
            (true, false) => 491,
            (false, _) => 403,
        };
        side.refers = (status == 202).then_some(dialog);
        self.sip.handle_command(now, sip::Command::AnswerRefer { dialog, status });
        if status != 202 {
            return;
        }
        self.transfer_to(now, call, TransferKind::Blind, code);
        // The agent is let go by what succeeds, and hears of it before that.
        if let Stage::Talking(_, side, _) = &mut call.stage {
            side.refers = None;
            self.sip.handle_command(now, sip::Command::Notify { dialog, status: 503, over: true });
        }
    }
}
