//! Call return: an agent who dials `*9` calls the last caller back, showing the city's number. Whom a caller has asked for is `callback.rs`.
//!
//! Whom the agent served last is held in memory only, for at most twelve hours, and only if the caller showed an ordinary Japanese number.
//! The agent's phone hears ringing, then whoever answers.

use crate::call::Call;
use crate::engine::{Engine, Owner};
use crate::errand::{Errand, Stage};
use crate::outbound::{Came, Outside, Whom};
use media::{Command as Media, OnKey};
use model::{AgentId, CallId, Event, Instant, LegId, MixId, Now, Number, NumberKind, PlayId, Redacted};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a number is held.
const HELD: Duration = Duration::from_secs(12 * 3600);
/// How long it rings there.
const RING: Duration = Duration::from_secs(45);

/// Whom each agent served last.
#[derive(Debug, Default)]
pub(crate) struct LastCallers(BTreeMap<AgentId, LastCaller>);

#[derive(Clone, Debug)]
struct LastCaller {
    /// In which call.
    call: CallId,
    number: Redacted<Number>,
    /// The city's number that they had called.
    called: Number,
    since: Instant,
}

impl LastCallers {
    /// Forgets what is too old.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.0.retain(|_, last| now.since(last.since) < HELD);
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The outside half of a call return.
#[derive(Debug)]
pub(crate) struct CallReturn {
    outside: Box<Outside>,
    /// The ringing tone in the agent's ear, until somebody answers.
    ringback: Option<PlayId>,
    /// What whoever answered hears while the agent holds them.
    hold: Option<PlayId>,
}

impl CallReturn {
    pub(crate) fn due(&self) -> Option<Instant> {
        self.outside.due()
    }
}

impl Engine {
    /// An agent talks with a caller: `*9` will find them again, unless the number was withheld or is none to be called back.
    pub(crate) fn remember_caller(&mut self, now: Now, call: &Call, agent: &AgentId) {
        self.last_callers.0.remove(agent);
        let Ok(number) = Number::parse(call.caller.reveal()) else { return };
        match number.kind() {
            NumberKind::JpLandline | NumberKind::JpMobile | NumberKind::JpIp => {
                let last = LastCaller { call: call.id, number: Redacted::new(number), called: call.number.clone(), since: now.mono };
                self.last_callers.0.insert(agent.clone(), last);
            }
            NumberKind::Other => {}
        }
    }

    /// Whoever called in that call does not want to be known any more.
    pub(crate) fn forget_caller(&mut self, call: CallId) {
        self.last_callers.0.retain(|_, last| last.call != call);
    }

    /// The agent's own call is answered: it rings outside, if there is somebody to call and the agent is free for it.
    pub(crate) fn begin_call_return(&mut self, now: Now, id: CallId, errand: &mut Errand) {
        self.last_callers.sweep(now.mono);
        let last = self.last_callers.0.get(&errand.agent).cloned();
        let Some(last) = last.filter(|_| self.acd.engage(now.mono, &errand.agent)) else { return self.say_sorry(errand) };
        errand.engaged = true;
        let until = now.mono + RING;
        let (agent, owner) = (errand.agent.clone(), Owner::Errand(id));
        match self.call_out(now, id, 1, owner, Whom::Person(last.number), last.called, until, Some(agent)) {
            Ok(outside) => {
                errand.after = errand.after.max(outside.after);
                let ringback = self.next_play();
                let clips = vec![Arc::clone(&self.tones.ringback)];
                self.media(errand.after, errand.leg.id, Media::Play { id: ringback, clips, on_key: OnKey::Ignore, repeat: true });
                errand.stage = Stage::Returning(CallReturn { outside: Box::new(outside), ringback: Some(ringback), hold: None });
            }
            Err(_) => self.say_sorry(errand),
        }
    }

    /// The outside half says something by its media session.
    pub(crate) fn on_call_return_media(&mut self, now: Now, errand: &mut Errand, leg: LegId, event: &media::Event) {
        let Stage::Returning(back) = &mut errand.stage else { return };
        if back.outside.leg.id == leg {
            let came = self.outside_media(now, &mut back.outside, event);
            self.call_return_came(now, errand, came);
        }
    }

    /// The outside half says something by SIP.
    pub(crate) fn on_call_return_sip(&mut self, now: Now, errand: &mut Errand, event: &sip::Event) {
        let Stage::Returning(back) = &mut errand.stage else { return };
        let came = self.outside_sip(now, &mut back.outside, event);
        self.call_return_came(now, errand, came);
    }

    /// A timer of the outside half has come.
    pub(crate) fn on_call_return_timeout(&mut self, now: Now, errand: &mut Errand) {
        let Stage::Returning(back) = &mut errand.stage else { return };
        if let Some(how) = self.outside_late(now, &mut back.outside) {
            self.call_return_came(now, errand, Came::Failed(how));
        }
    }

    fn call_return_came(&mut self, now: Now, errand: &mut Errand, came: Came) {
        let Stage::Returning(back) = &mut errand.stage else { return };
        match came {
            // The agent hears our ringing tone until somebody answers.
            Came::Nothing | Came::Ringing | Came::Early => {}
            Came::Answered => {
                back.outside.until = None;
                let (leg, ringback, mix) = (back.outside.leg.id, back.ringback.take(), MixId(errand.leg.id.0 >> 16));
                if let Some(play) = ringback {
                    self.media(errand.after, errand.leg.id, Media::Stop(play));
                }
                self.media(errand.after, errand.leg.id, Media::Join(mix));
                self.media(errand.after, leg, Media::Join(mix));
                self.note(Event::AgentCalledOut { agent: errand.agent.clone(), answered: true });
            }
            Came::Failed(_) => {
                self.end_call_return(now, errand);
                self.say_sorry(errand);
            }
            Came::Left => {
                self.end_call_return(now, errand);
                errand.stage = Stage::Over;
            }
        }
    }

    /// Whoever was called back is held by the agent, or not any more.
    pub(crate) fn mind_return_hold(&mut self, errand: &mut Errand) {
        let held = errand.leg.held;
        let Stage::Returning(back) = &mut errand.stage else { return };
        let (leg, talks) = (back.outside.leg.id, back.ringback.is_none());
        match back.hold {
            None if held && talks => {
                let id = self.next_play();
                let clips = vec![Arc::clone(&self.tones.hold)];
                self.media(errand.after, leg, Media::Play { id, clips, on_key: OnKey::Ignore, repeat: true });
                back.hold = Some(id);
            }
            Some(play) if !held => {
                self.media(errand.after, leg, Media::Stop(play));
                back.hold = None;
            }
            None | Some(_) => {}
        }
    }

    /// The outside half is let go. The agent is free when their own phone is.
    pub(crate) fn end_call_return(&mut self, now: Now, errand: &mut Errand) {
        let Stage::Returning(back) = std::mem::replace(&mut errand.stage, Stage::Over) else { return };
        if back.ringback.is_some() {
            self.note(Event::AgentCalledOut { agent: errand.agent.clone(), answered: false });
        }
        self.let_outside_go(now, errand.after, &back.outside);
    }

    /// What the agent asked for cannot be: a tone says so.
    fn say_sorry(&mut self, errand: &mut Errand) {
        let id = self.next_play();
        let clips = vec![Arc::clone(&self.tones.busy)];
        self.media(errand.after, errand.leg.id, Media::Play { id, clips, on_key: OnKey::Ignore, repeat: false });
        errand.stage = Stage::Saying(id);
    }
}
