//! Star codes: an agent dials `*1`, hears what changed, and is hung up on.
//!
//! The INVITE carries the agent's digest, so nobody else can set an agent's presence (RFC 3261 section 22).

use crate::call::Leg;
use crate::engine::{Engine, Invite, Owner, far};
use flow::Spoken;
use media::{Command as Media, OnKey};
use model::{AgentId, CallId, Codec, Lang, Now, PlayId, PromptId, Refusal, Seq};
use routing::Change;
use std::sync::Arc;

/// The codes, what they change, and the prompt that says so.
const CODES: [(&str, Change, &str); 3] =
    [("*1", Change::Ready, "agent_ready"), ("*2", Change::Break, "agent_break"), ("*3", Change::Ready, "agent_wrap_up_done")];

/// One agent's errand.
pub(crate) struct Errand {
    pub(crate) leg: Leg,
    pub(crate) after: Seq,
    agent: AgentId,
    change: Change,
    prompt: PromptId,
    stage: Stage,
}

enum Stage {
    Opening(Box<sdp::Description>),
    Answering,
    Saying(PlayId),
}

impl Engine {
    pub(crate) fn on_star_code(&mut self, now: Now, agent: &str, invite: Invite) {
        let dialog = invite.dialog;
        let Some((_, change, prompt)) = CODES.iter().find(|(code, ..)| *code == invite.to_user) else {
            // Agents dial star codes only; calls out are another story.
            return self.refuse(now, dialog, Refusal::UnknownNumber);
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
        self.errands.insert(id, Errand { leg, after: Seq(0), agent, change: *change, prompt: PromptId::from(*prompt), stage });
        self.media(Seq(0), leg_id, Media::Open { local });
    }

    pub(crate) fn on_errand_media(&mut self, now: Now, id: CallId, event: media::Event) {
        let Some(mut errand) = self.errands.remove(&id) else { return };
        match event {
            media::Event::Opened(_) => {
                let Stage::Opening(offer) = &errand.stage else {
                    self.errands.insert(id, errand);
                    return;
                };
                let dialog = errand.leg.dialog;
                match sdp::answer(offer, &self.capabilities(&errand.leg, Codec::ALL.to_vec())) {
                    Ok(answer) => {
                        self.sip.handle_command(now, sip::Command::Accept { dialog, sdp: answer.sdp });
                        self.media(errand.after, errand.leg.id, Media::Connect(far(answer.agreed, &errand.leg)));
                        errand.stage = Stage::Answering;
                        self.errands.insert(id, errand);
                    }
                    Err(_) => {
                        self.refuse(now, dialog, Refusal::NoCodec);
                        self.close_leg(errand.after, &errand.leg);
                    }
                }
            }
            media::Event::OpenFailed(_) => {
                self.drop_leg(&errand.leg);
                self.refuse(now, errand.leg.dialog, Refusal::NoPort);
            }
            media::Event::Played { id: play, .. } if matches!(errand.stage, Stage::Saying(p) if p == play) => self.end_errand(now, &errand),
            media::Event::Silent | media::Event::Digit(..) | media::Event::Played { .. } | media::Event::Closed(_) => {
                self.errands.insert(id, errand);
            }
        }
    }

    pub(crate) fn on_errand_sip(&mut self, now: Now, id: CallId, event: sip::Event) {
        let Some(mut errand) = self.errands.remove(&id) else { return };
        match event {
            sip::Event::Acked { .. } if matches!(errand.stage, Stage::Answering) => {
                // Nothing changes until the agent's phone has shown that it is there.
                self.set_agent(now, &errand.agent, errand.change);
                let lang = Lang::from("ja");
                let spoken = Spoken { prompt: errand.prompt.clone(), lang, value: None };
                match self.city.clips.get(&spoken).map(Arc::clone) {
                    Some(clip) => {
                        let play = self.next_play();
                        self.media(
                            errand.after,
                            errand.leg.id,
                            Media::Play { id: play, clips: vec![clip], on_key: OnKey::Ignore, repeat: false },
                        );
                        errand.stage = Stage::Saying(play);
                        self.errands.insert(id, errand);
                    }
                    None => self.end_errand(now, &errand),
                }
            }
            sip::Event::Bye { .. } | sip::Event::Cancelled { .. } | sip::Event::AckMissing { .. } => {
                self.close_leg(errand.after, &errand.leg);
            }
            sip::Event::Reoffer { dialog, .. } => {
                self.sip.handle_command(now, sip::Command::RefuseReoffer { dialog, status: 488 });
                self.errands.insert(id, errand);
            }
            _ => {
                self.errands.insert(id, errand);
            }
        }
    }

    fn end_errand(&mut self, now: Now, errand: &Errand) {
        self.sip.handle_command(now, sip::Command::Bye { dialog: errand.leg.dialog });
        self.close_leg(errand.after, &errand.leg);
    }
}
