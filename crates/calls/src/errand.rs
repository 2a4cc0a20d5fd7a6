//! Star codes: an agent dials `*1`, hears what changed, and is hung up on; or dials `*9`, and the last caller is called back.
//!
//! `*2` is a break, and `*2` with one figure more a break for the reason that has this figure as its code in `config/breaks.yaml`.
//!
//! A phone that says a code is in a call, and would answer 486 to the next: what makes its agent available (ready, after-call work done, a
//! call back that is over) takes effect when that call is. A break takes effect at once. Whoever is available already rings after it, too.
//!
//! The INVITE carries the agent's digest, so nobody else can set an agent's presence (RFC 3261 section 22).

use crate::call::Leg;
use crate::call_return::CallReturn;
use crate::engine::{Engine, Owner};
use crate::face::NotSet;
use crate::heard::Invite;
use crate::terms::Terms;
use flow::Spoken;
use media::{Command as Media, OnKey};
use model::{AgentId, CallId, DialogId, Instant, Lang, LegId, Now, PlayId, PromptId, Refusal, Seq};
use routing::Change;
use std::sync::Arc;
use std::time::Duration;

/// The codes that make an agent ready, and the prompt that says so.
const READY: [(&str, &str); 2] = [("*1", "agent_ready"), ("*3", "agent_wrap_up_done")];
/// The code of a break.
const BREAK: &str = "*2";
/// What is said when no reason has the code that was dialled.
const UNKNOWN_REASON: &str = "agent_break_unknown";
/// The code that calls the last caller back.
const CALL_RETURN: &str = "*9";
/// A phone that has not answered our BYE by then is not waited for any longer: it was asked four times (RFC 3261 section 17.1.2.1, timer E).
const LEAVING_MAX: Duration = Duration::from_secs(4);

/// One agent's errand.
pub(crate) struct Errand {
    pub(crate) leg: Leg,
    pub(crate) after: Seq,
    pub(crate) agent: AgentId,
    pub(crate) stage: Stage,
    wish: Wish,
    /// Whether the agent counts as talking for it: from the call back on until the end.
    pub(crate) engaged: bool,
}

/// What the agent wants.
enum Wish {
    /// To be ready, and to hear that it is so, in this sentence.
    Ready(&'static str),
    /// To be on a break, and to hear that it is so; for the reason with this code, if one was dialled.
    Break(Option<u8>),
    /// To call the last caller back.
    CallReturn,
}

pub(crate) enum Stage {
    Opening(Option<Box<sdp::Description>>),
    Answering,
    Saying(PlayId),
    /// It rings outside, or somebody there has answered.
    Returning(CallReturn),
    /// We hang up.
    Over,
    /// The agent's phone has hung up, or is gone.
    Gone,
    /// We have hung up, and the phone has not said that it knows. By then it is not waited for any longer.
    Leaving(Instant),
}

impl Wish {
    /// What a star code asks for.
    fn of(code: &str) -> Option<Wish> {
        if let Some((_, prompt)) = READY.iter().find(|(ready, _)| *ready == code) {
            return Some(Wish::Ready(prompt));
        }
        if code == CALL_RETURN {
            return Some(Wish::CallReturn);
        }
        match code.strip_prefix(BREAK)?.as_bytes() {
            [] => Some(Wish::Break(None)),
            [figure @ b'0'..=b'9'] => Some(Wish::Break(Some(figure - b'0'))),
            _ => None,
        }
    }
}

impl Errand {
    /// When it wants to be woken.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Returning(back) => back.due(),
            Stage::Leaving(until) => Some(*until),
            Stage::Opening(_) | Stage::Answering | Stage::Saying(_) | Stage::Over | Stage::Gone => None,
        }
    }
    fn leaves(&self) -> bool {
        matches!(self.stage, Stage::Leaving(_))
    }
}

impl Engine {
    pub(crate) fn on_star_code(&mut self, now: Now, agent: &str, invite: Invite) {
        let dialog = invite.dialog;
        let agent = AgentId::from(agent);
        if !self.city.book.agents.contains_key(&agent) {
            return self.refuse(now, dialog, Refusal::Forbidden);
        }
        // Agents dial star codes, and in the middle of a call whom they want to ask.
        let Some(wish) = Wish::of(&invite.to_user) else { return self.on_consult(now, &agent, &invite) };
        let Ok(offer) = invite.offer.as_ref().map(|sdp| sdp::parse(sdp)).transpose() else {
            return self.refuse(now, dialog, Refusal::NoCodec);
        };
        // Law 6: one errand an agent; there are never more of them than phones.
        if self.errands.values().any(|errand| errand.agent == agent && !errand.leaves()) {
            return self.refuse(now, dialog, Refusal::Full);
        }
        let id = self.next_errand();
        let Some(leg) = self.make_leg(id, 0, dialog, invite.source.ip(), Owner::Errand(id)) else {
            return self.refuse(now, dialog, Refusal::NoPort);
        };
        let local = self.bind_addr(&leg);
        let leg_id = leg.id;
        let stage = Stage::Opening(offer.map(Box::new));
        self.errands.insert(id, Errand { leg, after: Seq(0), agent, stage, wish, engaged: false });
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
                    errand.stage = Stage::Gone;
                }
                media::Event::Played { id: play, .. } if matches!(errand.stage, Stage::Saying(p) if p == play) => {
                    errand.stage = Stage::Over;
                }
                // A dead phone must not keep a call out, its channel and its agent.
                media::Event::Silent => engine.sip.handle_command(now, sip::Command::Probe { dialog: errand.leg.dialog }),
                media::Event::Digit(..) | media::Event::Played { .. } | media::Event::Recorded { .. } | media::Event::Closed(_) => {}
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
                sip::Event::Bye { .. }
                | sip::Event::Cancelled { .. }
                | sip::Event::AckMissing { .. }
                | sip::Event::ProbeFailed { .. }
                | sip::Event::PeerLost { .. } => {
                    engine.end_call_return(now, errand);
                    errand.stage = Stage::Gone;
                }
                sip::Event::Reoffer { .. } | sip::Event::AnswerCame { .. } => {
                    if engine.handle_terms(now, errand.after, &mut errand.leg, &event) == Terms::Broken {
                        engine.end_call_return(now, errand);
                        errand.stage = Stage::Over;
                    }
                    engine.mind_return_hold(errand);
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
            self.with_errand(now, id, |engine, errand| match errand.stage {
                Stage::Leaving(_) => errand.stage = Stage::Gone,
                Stage::Opening(_) | Stage::Answering | Stage::Saying(_) | Stage::Returning(_) | Stage::Over | Stage::Gone => {
                    engine.on_call_return_timeout(now, errand);
                }
            });
        }
    }

    /// The last thing before the process ends: agents on an errand are hung up on, and so is whomever they have called back.
    pub(crate) fn end_errands(&mut self, now: Now) {
        let all: Vec<CallId> = self.errands.iter().filter(|(_, errand)| !errand.leaves()).map(|(id, _)| *id).collect();
        for id in all {
            self.with_errand(now, id, |engine, errand| {
                engine.end_call_return(now, errand);
                errand.stage = Stage::Over;
            });
        }
    }

    /// SIP is done with a dialog. If it was that of an errand, the agent's phone is free.
    pub(crate) fn errand_ended(&mut self, now: Now, dialog: DialogId) {
        let of = self.errands.iter().find(|(_, errand)| errand.leg.dialog == dialog && errand.leaves()).map(|(id, _)| *id);
        if let Some(id) = of {
            self.with_errand(now, id, |_, errand| errand.stage = Stage::Gone);
        }
    }

    /// Whether an agent's phone is in a call by which it says a code.
    pub(crate) fn on_errand(&self, agent: &AgentId) -> bool {
        self.errands.values().any(|errand| errand.agent == *agent && !errand.engaged)
    }

    /// Takes an errand in hand; what is over is hung up on. Where the agent becomes available by its end, that is waited for.
    fn with_errand(&mut self, now: Now, id: CallId, change: impl FnOnce(&mut Engine, &mut Errand)) {
        let Some(mut errand) = self.errands.remove(&id) else { return };
        change(self, &mut errand);
        let over = match errand.stage {
            Stage::Opening(_) | Stage::Answering | Stage::Saying(_) | Stage::Returning(_) | Stage::Leaving(_) => false,
            Stage::Over | Stage::Gone => true,
        };
        if over {
            self.sip.handle_command(now, sip::Command::Bye { dialog: errand.leg.dialog });
            self.close_leg(errand.after, &errand.leg);
            if matches!(errand.stage, Stage::Gone)
                || !(errand.engaged || self.breaks.waits(&errand.agent) || self.holds_offer(&errand.agent))
            {
                return self.after_errand(now, &errand.agent, errand.engaged);
            }
            errand.stage = Stage::Leaving(now.mono + LEAVING_MAX);
        }
        self.errands.insert(id, errand);
    }

    /// The agent's phone is free again.
    fn after_errand(&mut self, now: Now, agent: &AgentId, engaged: bool) {
        if engaged {
            self.acd.finished(now.mono, agent);
        }
        self.become_available(now, agent);
        self.open_held(now, agent);
    }

    fn answer_errand(&mut self, now: Now, errand: &mut Errand) {
        let Stage::Opening(offer) = &errand.stage else { return };
        let dialog = errand.leg.dialog;
        match self.first_terms(&errand.leg, offer.as_deref()) {
            Ok((sdp, agreed)) => {
                self.sip.handle_command(now, sip::Command::Accept { dialog, sdp });
                if let Some(agreed) = agreed {
                    self.connect(errand.after, &mut errand.leg, agreed);
                }
                errand.stage = Stage::Answering;
            }
            Err(_) => {
                self.refuse(now, dialog, Refusal::NoCodec);
                errand.stage = Stage::Gone;
            }
        }
    }

    /// Nothing changes until the agent's phone has shown that it is there.
    fn run_errand(&mut self, now: Now, id: CallId, errand: &mut Errand) {
        let said = match &errand.wish {
            Wish::Ready(prompt) => {
                let set = self.wish_after_errand(&errand.agent);
                what_is_said(set, vec![PromptId::from(*prompt)])
            }
            Wish::Break(None) => what_is_said(self.wish(now, &errand.agent, Change::Break(None)), vec![PromptId::from("agent_break")]),
            Wish::Break(Some(code)) => self.take_break(now, &errand.agent, *code),
            Wish::CallReturn => return self.begin_call_return(now, id, errand),
        };
        let spoken = said.into_iter().map(|prompt| Spoken { prompt, lang: Lang::from("ja"), value: None });
        let clips: Vec<_> = spoken.filter_map(|spoken| self.city.clips.get(&spoken).map(Arc::clone)).collect();
        errand.stage = if clips.is_empty() {
            Stage::Over
        } else {
            let play = self.next_play();
            self.media(errand.after, errand.leg.id, Media::Play { id: play, clips, on_key: OnKey::Ignore, repeat: false });
            Stage::Saying(play)
        };
    }

    /// A break for the reason that this code stands for in the city in force. Gives what is said.
    fn take_break(&mut self, now: Now, agent: &AgentId, code: u8) -> Vec<PromptId> {
        let found = self.city.book.breaks.values().find(|declared| declared.code == code).map(|declared| declared.reason.clone());
        match found {
            Some(reason) => {
                let said = vec![flow::label_of(&reason), PromptId::from("agent_break_for")];
                what_is_said(self.wish(now, agent, Change::Break(Some(reason))), said)
            }
            None => vec![PromptId::from(UNKNOWN_REASON)],
        }
    }
}

/// What is said to an agent: `said` when it is so, or why it is not.
fn what_is_said(set: Result<(), NotSet>, said: Vec<PromptId>) -> Vec<PromptId> {
    match set {
        Ok(()) => said,
        Err(NotSet::UnknownReason(_)) => vec![PromptId::from(UNKNOWN_REASON)],
        Err(NotSet::NoPhone) => vec![PromptId::from("agent_no_phone")],
        // Somebody whom a publication took out while they dialled.
        Err(NotSet::UnknownAgent) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_after_the_code_of_a_break_is_its_reason_and_anything_more_is_no_code() {
        let code = |text: &str| match Wish::of(text) {
            Some(Wish::Break(code)) => format!("break {code:?}"),
            Some(Wish::Ready(prompt)) => prompt.to_owned(),
            Some(Wish::CallReturn) => "call return".to_owned(),
            None => "none".to_owned(),
        };
        let asked = ["*1", "*2", "*3", "*9", "*21", "*29", "*20"].map(code);
        let wanted = ["agent_ready", "break None", "agent_wrap_up_done", "call return", "break Some(1)", "break Some(9)", "break Some(0)"];
        assert_eq!(asked, wanted);
        for text in ["", "*", "*4", "*11", "*211", "*2a", "*2*", "*2１", "**2", "2", "*2 1"] {
            assert_eq!(code(text), "none", "{text:?}");
        }
    }
}
