//! Star codes: an agent dials `*1`, hears what changed, and is hung up on; or dials `*9`, and the last caller is called back.
//!
//! The INVITE carries the agent's digest, so nobody else can set an agent's presence (RFC 3261 section 22).

use crate::call::Leg;
use crate::call_return::CallReturn;
use crate::engine::{Engine, Invite, Owner, far};
use flow::Spoken;
use media::{Command as Media, OnKey};
use model::{AgentId, CallId, Codec, DialogId, Instant, Lang, LegId, Now, PlayId, PromptId, Refusal, Seq};
use routing::Change;
use std::sync::Arc;

/// The codes that change something, what they change, and the prompt that says so.
const CODES: [(&str, Change, &str); 3] =
    [("*1", Change::Ready, "agent_ready"), ("*2", Change::Break, "agent_break"), ("*3", Change::Ready, "agent_wrap_up_done")];
/// The code that calls the last caller back.
const CALL_RETURN: &str = "*9";

/// One agent's errand.
pub(crate) struct Errand {
    pub(crate) leg: Leg,
    pub(crate) after: Seq,
    pub(crate) agent: AgentId,
    pub(crate) stage: Stage,
    wish: Wish,
}

/// What the agent wants.
enum Wish {
    /// Another presence, and to hear that it is so.
    Presence(Change, PromptId),
    /// To call the last caller back.
    CallReturn,
}

pub(crate) enum Stage {
    Opening(Box<sdp::Description>),
    Answering,
    Saying(PlayId),
    /// It rings outside, or somebody there has answered.
    Returning(CallReturn),
    /// Nothing more is done for it.
    Over,
}

impl Errand {
    /// When it wants to be woken.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Returning(back) => back.due(),
            Stage::Opening(_) | Stage::Answering | Stage::Saying(_) | Stage::Over => None,
        }
    }
    /// Whether the agent is in a call by it.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self.stage, Stage::Returning(_))
    }
}

impl Engine {
    pub(crate) fn on_star_code(&mut self, now: Now, agent: &str, invite: Invite) {
        let dialog = invite.dialog;
        let presence = CODES.iter().find(|(code, ..)| *code == invite.to_user);
        let wish = match presence {
            Some((_, change, prompt)) => Wish::Presence(*change, PromptId::from(*prompt)),
            None if invite.to_user == CALL_RETURN => Wish::CallReturn,
            // Agents dial star codes only.
            None => return self.refuse(now, dialog, Refusal::UnknownNumber),
        };
        let agent = AgentId::from(agent);
        if !self.city.book.agents.contains_key(&agent) {
            return self.refuse(now, dialog, Refusal::Forbidden);
        }
        let Some(Ok(offer)) = invite.offer.as_ref().map(|sdp| sdp::parse(sdp)) else { return self.refuse(now, dialog, Refusal::NoCodec) };
        // Law 6: one errand an agent; there are never more of them than phones.
        if self.errands.values().any(|errand| errand.agent == agent) {
            return self.refuse(now, dialog, Refusal::Full);
        }
        let id = self.next_errand();
        let Some(leg) = self.make_leg(id, 0, dialog, invite.source.ip(), Owner::Errand(id)) else {
            return self.refuse(now, dialog, Refusal::NoPort);
        };
        let local = self.bind_addr(&leg);
        let leg_id = leg.id;
        let stage = Stage::Opening(Box::new(offer));
        self.errands.insert(id, Errand { leg, after: Seq(0), agent, stage, wish });
        self.media(Seq(0), leg_id, Media::Open { local });
    }

    pub(crate) fn on_errand_media(&mut self, now: Now, id: CallId, leg: LegId, event: media::Event) {
        self.with_errand(now, id, |engine, errand| {
            if leg != errand.leg.id {
                return engine.on_call_return_media(now, errand, leg, &event);
            }
            match event {
                media::Event::Opened(_) => engine.answer_errand(now, errand),
                media::Event::OpenFailed(_) => {
                    engine.drop_leg(&errand.leg);
                    engine.refuse(now, errand.leg.dialog, Refusal::NoPort);
                    errand.stage = Stage::Over;
                }
                media::Event::Played { id: play, .. } if matches!(errand.stage, Stage::Saying(p) if p == play) => {
                    errand.stage = Stage::Over;
                }
                // A dead phone must not keep a call out, its channel and its agent.
                media::Event::Silent => engine.sip.handle_command(now, sip::Command::Probe { dialog: errand.leg.dialog }),
                media::Event::Digit(..) | media::Event::Played { .. } | media::Event::Closed(_) => {}
            }
        });
    }

    pub(crate) fn on_errand_sip(&mut self, now: Now, id: CallId, dialog: DialogId, event: sip::Event) {
        self.with_errand(now, id, |engine, errand| {
            if dialog != errand.leg.dialog {
                return engine.on_call_return_sip(now, errand, &event);
            }
            match event {
                sip::Event::Acked { .. } if matches!(errand.stage, Stage::Answering) => engine.run_errand(now, id, errand),
                sip::Event::Bye { .. } | sip::Event::Cancelled { .. } | sip::Event::AckMissing { .. } | sip::Event::ProbeFailed { .. } => {
                    engine.end_call_return(now, errand);
                    errand.stage = Stage::Over;
                }
                sip::Event::Reoffer { dialog, .. } => {
                    engine.sip.handle_command(now, sip::Command::RefuseReoffer { dialog, status: 488 });
                }
                _ => {}
            }
        });
    }

    /// Errands' timers have come.
    pub(crate) fn on_errand_timeouts(&mut self, now: Now) {
        let due = self.errands.iter().filter(|(_, errand)| errand.due().is_some_and(|at| at <= now.mono));
        let due: Vec<CallId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.with_errand(now, id, |engine, errand| engine.on_call_return_timeout(now, errand));
        }
    }

    /// The last thing before the process ends: agents on an errand are hung up on, and so is whomever they have called back.
    pub(crate) fn end_errands(&mut self, now: Now) {
        let all: Vec<CallId> = self.errands.keys().copied().collect();
        for id in all {
            self.with_errand(now, id, |engine, errand| {
                engine.end_call_return(now, errand);
                errand.stage = Stage::Over;
            });
        }
    }

    /// Takes an errand in hand; what is over is hung up on.
    fn with_errand(&mut self, now: Now, id: CallId, change: impl FnOnce(&mut Engine, &mut Errand)) {
        let Some(mut errand) = self.errands.remove(&id) else { return };
        change(self, &mut errand);
        if matches!(errand.stage, Stage::Over) {
            self.sip.handle_command(now, sip::Command::Bye { dialog: errand.leg.dialog });
            self.close_leg(errand.after, &errand.leg);
        } else {
            self.errands.insert(id, errand);
        }
    }

    fn answer_errand(&mut self, now: Now, errand: &mut Errand) {
        let Stage::Opening(offer) = &errand.stage else { return };
        let dialog = errand.leg.dialog;
        match sdp::answer(offer, &self.capabilities(&errand.leg, Codec::ALL.to_vec())) {
            Ok(answer) => {
                self.sip.handle_command(now, sip::Command::Accept { dialog, sdp: answer.sdp });
                self.media(errand.after, errand.leg.id, Media::Connect(far(answer.agreed, &errand.leg)));
                errand.stage = Stage::Answering;
            }
            Err(_) => {
                self.refuse(now, dialog, Refusal::NoCodec);
                errand.stage = Stage::Over;
            }
        }
    }

    /// Nothing changes until the agent's phone has shown that it is there.
    fn run_errand(&mut self, now: Now, id: CallId, errand: &mut Errand) {
        let (change, prompt) = match &errand.wish {
            Wish::Presence(change, prompt) => (*change, prompt.clone()),
            Wish::CallReturn => return self.begin_call_return(now, id, errand),
        };
        self.set_agent(now, &errand.agent, change);
        let spoken = Spoken { prompt, lang: Lang::from("ja"), value: None };
        errand.stage = match self.city.clips.get(&spoken).map(Arc::clone) {
            Some(clip) => {
                let play = self.next_play();
                self.media(errand.after, errand.leg.id, Media::Play { id: play, clips: vec![clip], on_key: OnKey::Ignore, repeat: false });
                Stage::Saying(play)
            }
            None => Stage::Over,
        };
    }
}
