//! A conversation moves to another phone of the same agent: from the desk to the pocket, in the middle of a call.
//!
//! The other phone calls us with Replaces (RFC 3891), under the agent's own password. The caller hears nothing of it. Only while agent and caller
//! talk: what an agent is told, or asks of somebody outside, stays with the phone that began it.

use crate::call::{Call, Leg, Stage};
use crate::engine::{Engine, Invite, Owner};
use crate::terms::Terms;
use media::Command as Media;
use model::{DialogId, MixId, Now, Refusal};

/// The phone that takes over, until it has said that it is there.
#[derive(Debug)]
pub(crate) struct Takeover {
    leg: Leg,
    offer: Option<Box<sdp::Description>>,
}

impl Engine {
    /// An agent's phone wants the place of another.
    pub(crate) fn on_replaces(&mut self, now: Now, agent: &str, invite: &Invite, replaced: DialogId) {
        let dialog = invite.dialog;
        let owner = self.dialogs.get(&replaced).and_then(|thread| self.legs.get(&thread.leg)).copied();
        let Some(Owner::Agent(id)) = owner else { return self.refuse(now, dialog, Refusal::Forbidden) };
        let Ok(offer) = invite.offer.as_ref().map(|sdp| sdp::parse(sdp)).transpose() else {
            return self.refuse(now, dialog, Refusal::NoCodec);
        };
        let source = invite.source.ip();
        self.with_call(now, id, |engine, call| {
            let theirs = match &call.stage {
                Stage::Talking(_, side, _) => side.agent.as_str() == agent && side.leg.dialog == replaced && call.takeover.is_none(),
                Stage::Opening(_)
                | Stage::Answering
                | Stage::Menu
                | Stage::Waiting(_)
                | Stage::Ringing(..)
                | Stage::Whispering(..)
                | Stage::Consulting(..)
                | Stage::Through(..)
                | Stage::Over => false,
            };
            if !theirs {
                return engine.refuse(now, dialog, Refusal::Forbidden);
            }
            let Some(leg) = engine.make_leg(id, call.legs_made, dialog, source, Owner::Takeover(id)) else {
                return engine.refuse(now, dialog, Refusal::NoPort);
            };
            if engine.first_terms(&leg, offer.as_ref()).is_err() {
                engine.forget_leg(&leg);
                return engine.refuse(now, dialog, Refusal::NoCodec);
            }
            call.legs_made = call.legs_made.saturating_add(1);
            let local = engine.bind_addr(&leg);
            engine.media(call.after, leg.id, Media::Open { local });
            call.takeover = Some(Box::new(Takeover { leg, offer: offer.map(Box::new) }));
        });
    }

    /// The media session of the phone that takes over says something.
    pub(crate) fn on_takeover_media(&mut self, now: Now, call: &mut Call, event: &media::Event) {
        let Some(takeover) = &mut call.takeover else { return };
        let dialog = takeover.leg.dialog;
        match event {
            media::Event::Opened(_) => match self.first_terms(&takeover.leg, takeover.offer.as_deref()) {
                Ok((sdp, agreed)) => {
                    self.sip.handle_command(now, sip::Command::Accept { dialog, sdp });
                    if let Some(agreed) = agreed {
                        self.connect(call.after, &mut takeover.leg, agreed);
                    }
                }
                Err(_) => self.drop_takeover(now, call),
            },
            media::Event::OpenFailed(_) => {
                if self.open_elsewhere(call.after, &mut takeover.leg) {
                    return;
                }
                self.drop_leg(&takeover.leg);
                self.refuse(now, dialog, Refusal::NoPort);
                call.takeover = None;
            }
            // Until it has taken over it says nothing that matters.
            media::Event::Silent
            | media::Event::Played { .. }
            | media::Event::Digit(..)
            | media::Event::Recorded { .. }
            | media::Event::Closed(_) => {}
        }
    }

    /// The phone that takes over says something.
    pub(crate) fn on_takeover_sip(&mut self, now: Now, call: &mut Call, event: &sip::Event) {
        let Some(takeover) = &mut call.takeover else { return };
        match event {
            sip::Event::Acked { .. } => self.take_over_leg(now, call),
            sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                let terms = self.handle_terms(now, call.after, &mut takeover.leg, event);
                if terms == Terms::Broken {
                    self.drop_takeover(now, call);
                }
            }
            sip::Event::Cancelled { .. } | sip::Event::Bye { .. } | sip::Event::AckMissing { .. } | sip::Event::PeerLost { .. } => {
                self.drop_takeover(now, call);
            }
            // These belong to dialogs that we opened, or say nothing that matters here.
            _ => {}
        }
    }

    /// It is there: the conversation is its own, and the other phone is let go.
    fn take_over_leg(&mut self, now: Now, call: &mut Call) {
        let Stage::Talking(_, side, _) = &mut call.stage else { return self.drop_takeover(now, call) };
        let Some(takeover) = call.takeover.take() else { return };
        let before = std::mem::replace(&mut side.leg, takeover.leg);
        (side.keys, side.refers) = (None, false);
        let leg = side.leg.id;
        self.legs.insert(leg, Owner::Agent(call.id));
        self.sip.handle_command(now, sip::Command::Bye { dialog: before.dialog });
        self.close_leg(call.after, &before);
        self.media(call.after, leg, Media::Join(MixId(call.id.0)));
    }

    /// Nobody takes over: the call is over, or the phone gave up.
    pub(crate) fn drop_takeover(&mut self, now: Now, call: &mut Call) {
        if let Some(takeover) = call.takeover.take() {
            self.sip.handle_command(now, sip::Command::Bye { dialog: takeover.leg.dialog });
            self.close_leg(call.after, &takeover.leg);
        }
    }
}
