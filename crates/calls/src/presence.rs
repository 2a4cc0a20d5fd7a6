//! Who is there, who is on a break, and why: an agent's wish on its way from a telephone or a program into the records and to routing.

use crate::engine::Engine;
use crate::face::NotSet;
use crate::record::{OnBreak, Record};
use model::{AgentId, AgentNow, AgentState, BreakNow, Event, Instant, Now, OfferEnd, OfferId, Skill, SkillNow, UnixMillis};
use routing::{Change, Decision, Presence};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Breaks beyond what routing knows of them: its clock begins anew with each start of the engine, and people ask for the time of day.
#[derive(Debug, Default)]
pub(crate) struct Breaks {
    /// Breaks that were on when the engine stopped, of agents whose phones are not back yet.
    pub(crate) to_restore: BTreeMap<AgentId, OnBreak>,
    /// Since when, of those who are on one or have asked for one.
    since: BTreeMap<AgentId, UnixMillis>,
    /// When the last phone of somebody was lost without a word: if it is back soon, a break goes on.
    lost: BTreeMap<AgentId, Instant>,
    /// Who becomes available when their phone has said its code, and how.
    later: BTreeMap<AgentId, Later>,
    /// Whom nothing could be said to at the last offer: when a phone of theirs comes from elsewhere, they are asked again.
    unreached: BTreeSet<AgentId>,
}

/// Whose phone is back within this time after it was lost is still on the break: who loads a page anew, or walks through a dead spot, has not gone home.
const BACK_SOON: Duration = Duration::from_secs(300);

/// What makes an agent available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Later {
    /// Their phone has registered.
    SignIn,
    /// They have said that they are ready, or done with after-call work.
    Ready,
}

impl Breaks {
    /// Whether somebody becomes available when their phone is free.
    pub(crate) fn waits(&self, agent: &AgentId) -> bool {
        self.later.contains_key(agent)
    }
    /// Whether a phone has registered, and its agent is not signed in yet because it is in a call that says a code.
    pub(crate) fn signs_in_later(&self, agent: &AgentId) -> bool {
        self.later.get(agent) == Some(&Later::SignIn)
    }
}

impl Engine {
    /// Does what an agent wishes, or says why not; then nothing has changed.
    ///
    /// A wish of somebody whose phone is not there would be forgotten at the next registration, which begins ready. It counts only for a
    /// break from before a restart, which goes on when the phone is back.
    ///
    /// While the agent's phone says a code it is in a call: ready takes effect after it, anything else at once.
    pub(crate) fn wish(&mut self, now: Now, agent: &AgentId, change: Change) -> Result<(), NotSet> {
        if change == Change::Ready && self.on_errand(agent) {
            return self.wish_after_errand(agent);
        }
        self.may_wish(agent, &change)?;
        if self.breaks.later.get(agent) == Some(&Later::Ready) {
            self.breaks.later.remove(agent);
        }
        self.set_agent(now, agent, change);
        Ok(())
    }

    /// The agent is to be ready once their phone has said its code.
    pub(crate) fn wish_after_errand(&mut self, agent: &AgentId) -> Result<(), NotSet> {
        self.may_wish(agent, &Change::Ready)?;
        self.breaks.later.entry(agent.clone()).or_insert(Later::Ready);
        Ok(())
    }

    /// The agent's phone is free: what waited for that takes effect.
    pub(crate) fn become_available(&mut self, now: Now, agent: &AgentId) {
        if self.on_errand(agent) {
            return;
        }
        match self.breaks.later.remove(agent) {
            Some(Later::SignIn) => self.sign_in(now, agent),
            // Whoever has signed off, or was taken out, in between is not set ready.
            Some(Later::Ready) => drop(self.wish(now, agent, Change::Ready)),
            None => {}
        }
    }

    fn may_wish(&self, agent: &AgentId, change: &Change) -> Result<(), NotSet> {
        if !self.city.book.agents.contains_key(agent) {
            return Err(NotSet::UnknownAgent);
        }
        if let Change::Break(Some(reason)) = change
            && !self.city.book.breaks.contains_key(reason)
        {
            return Err(NotSet::UnknownReason(self.city.book.breaks.keys().cloned().collect()));
        }
        if !self.acd.desk(agent).is_some_and(|desk| desk.signed_in) && !self.breaks.to_restore.contains_key(agent) {
            return Err(NotSet::NoPhone);
        }
        Ok(())
    }

    fn set_agent(&mut self, now: Now, agent: &AgentId, change: Change) {
        match &change {
            Change::Ready => {
                self.breaks.to_restore.remove(agent);
                self.commit_presence(now, agent, None);
            }
            Change::Break(reason) => {
                // Asked for again, it goes on as it is, and as long as it has.
                if self.break_of(agent).is_none_or(|on_break| on_break.reason != *reason) {
                    let on_break = OnBreak { reason: reason.clone(), since: Some(now.wall) };
                    if let Some(before) = self.breaks.to_restore.get_mut(agent) {
                        *before = on_break.clone();
                    }
                    self.commit_presence(now, agent, Some(on_break));
                }
            }
            Change::SignIn | Change::Resume(_) | Change::SignOut => {}
        }
        self.acd.set_agent(now.mono, agent, change);
    }

    fn commit_presence(&mut self, now: Now, agent: &AgentId, on_break: Option<OnBreak>) {
        let (ready, reason) = (on_break.is_none(), on_break.and_then(|on_break| on_break.reason));
        if ready {
            self.breaks.since.remove(agent);
        } else {
            self.breaks.since.insert(agent.clone(), now.wall);
        }
        self.commit(Record::Presence { agent: agent.clone(), ready, reason, at: Some(now.wall) });
    }

    /// An agent's phone is there. Signing in begins ready, but a break that was on when the engine died goes on.
    pub(crate) fn sign_in(&mut self, now: Now, agent: &AgentId) {
        let signed_in = self.acd.desk(agent).is_some_and(|desk| desk.signed_in);
        if !signed_in && self.on_errand(agent) {
            self.breaks.later.insert(agent.clone(), Later::SignIn);
            return;
        }
        if let Some(OnBreak { reason, since }) = self.breaks.to_restore.remove(agent) {
            self.breaks.since.extend(since.map(|since| (agent.clone(), since)));
            return self.acd.set_agent(now.mono, agent, Change::Resume(reason));
        }
        let on_break = self.break_of(agent);
        let soon = self.breaks.lost.remove(agent).is_some_and(|at| now.mono.since(at) < BACK_SOON);
        if let Some(OnBreak { reason, .. }) = on_break.clone().filter(|_| soon) {
            return self.acd.set_agent(now.mono, agent, Change::Resume(reason));
        }
        let was_on_break = on_break.is_some();
        self.acd.set_agent(now.mono, agent, Change::SignIn);
        if was_on_break && self.break_of(agent).is_none() {
            self.commit_presence(now, agent, None);
        }
    }

    /// What came of asking an agent.
    pub(crate) fn offer_ended(&mut self, offer: OfferId, agent: AgentId, how: OfferEnd) {
        if how == OfferEnd::Unreachable {
            self.breaks.unreached.insert(agent.clone());
        } else {
            self.breaks.unreached.remove(&agent);
        }
        self.note(Event::OfferEnded { offer, agent, how });
    }

    /// A phone comes from where none was. What its owner missed while nothing reached them was not theirs to take.
    pub(crate) fn phone_moved(&mut self, now: Now, agent: &AgentId) {
        if self.breaks.unreached.remove(agent) && self.agent_state(agent) == Some(AgentState::NotResponding) {
            self.acd.set_agent(now.mono, agent, Change::Ready);
        }
    }

    /// The last phone of an agent is gone, by itself or without a word.
    pub(crate) fn sign_out(&mut self, now: Now, agent: &AgentId, lost: bool) {
        if lost {
            self.breaks.lost.insert(agent.clone(), now.mono);
        }
        self.breaks.later.remove(agent);
        self.acd.set_agent(now.mono, agent, Change::SignOut);
    }

    /// After-call work is over at once, and the agent is what they wanted to be.
    pub(crate) fn end_wrap_up(&mut self, now: Now, agent: &AgentId) {
        let wanted = self.acd.desk(agent).map(|desk| desk.presence.clone());
        let change = match wanted {
            Some(Presence::Break(reason)) => Change::Break(reason),
            Some(Presence::Ready | Presence::NotResponding) | None => Change::Ready,
        };
        self.acd.set_agent(now.mono, agent, change);
    }

    /// Routing says that an agent's state is another. A break that was asked for during a call begins here, and from here its time counts.
    pub(crate) fn on_agent_state(&mut self, now: Now, told: Decision) {
        let Decision::Agent { agent, from, to, ended, reason } = told else { return };
        let was_busy = matches!(from, AgentState::Talking | AgentState::WrapUp);
        let begins = OnBreak { reason: reason.clone(), since: Some(now.wall) };
        // In a late input, routing has told what was due before, and the agent may want something else by now.
        let still = self.break_of(&agent).is_some_and(|on_break| on_break.reason == reason && on_break != begins);
        if was_busy && to == AgentState::NotReady && still {
            self.commit_presence(now, &agent, Some(begins));
        }
        self.note(Event::AgentState { agent, from, to, ended, reason });
    }

    /// The break of one agent: in effect, asked for, or to be restored.
    fn break_of(&self, agent: &AgentId) -> Option<OnBreak> {
        self.city.book.agents.get(agent)?;
        if let Some(on_break) = self.breaks.to_restore.get(agent) {
            return Some(on_break.clone());
        }
        match &self.acd.desk(agent)?.presence {
            Presence::Break(reason) => Some(OnBreak { reason: reason.clone(), since: self.breaks.since.get(agent).copied() }),
            Presence::Ready | Presence::NotResponding => None,
        }
    }

    /// Everybody's.
    pub(crate) fn on_break(&self) -> BTreeMap<AgentId, OnBreak> {
        let all = self.acd.desks().map(|(agent, _)| agent).chain(self.breaks.to_restore.keys());
        all.filter_map(|agent| Some((agent.clone(), self.break_of(agent)?))).collect()
    }

    /// The agents as a board shows them. Of somebody without a phone only a break that goes on when it is back is one.
    pub(crate) fn agents_now(&self) -> Vec<AgentNow> {
        let shown = |(agent, state): (&AgentId, AgentState)| {
            let gone = state == AgentState::SignedOut && !self.breaks.to_restore.contains_key(agent);
            let on_break = if gone { None } else { self.break_of(agent) };
            let on_break = on_break.map(|OnBreak { reason, since }| BreakNow { reason, since });
            AgentNow { agent: agent.clone(), state, on_break }
        };
        self.acd.agents().map(shown).collect()
    }

    /// The skills that agents have, and what those who have them are doing.
    pub(crate) fn skills_now(&self) -> Vec<SkillNow> {
        let mut skills: BTreeMap<&Skill, BTreeMap<AgentState, u64>> = BTreeMap::new();
        for (agent, state) in self.acd.agents() {
            for skill in self.city.book.agents.get(agent).into_iter().flat_map(|agent| agent.skills.keys()) {
                *skills.entry(skill).or_default().entry(state).or_default() += 1;
            }
        }
        skills.into_iter().map(|(skill, agents)| SkillNow { skill: skill.clone(), agents }).collect()
    }

    /// Whether the books of breaks and the desks agree: whoever has a time of day for a break is on one.
    ///
    /// # Errors
    /// The first who is not.
    pub(crate) fn audit_breaks(&self) -> Result<(), String> {
        let on_none = self.breaks.since.keys().find(|agent| self.break_of(agent).is_none());
        on_none.map_or(Ok(()), |agent| Err(format!("{agent} is on a break by the books and not by the desk")))
    }

    /// Whoever the city does not name any more is on no break, and is on none when they are named again.
    pub(crate) fn forget_breaks(&mut self, at: Option<UnixMillis>) {
        self.breaks.later.retain(|agent, _| self.city.book.agents.contains_key(agent));
        self.breaks.lost.retain(|agent, _| self.city.book.agents.contains_key(agent));
        let all = self.breaks.since.keys().chain(self.breaks.to_restore.keys());
        let gone: BTreeSet<AgentId> = all.filter(|agent| !self.city.book.agents.contains_key(*agent)).cloned().collect();
        for agent in gone {
            self.breaks.to_restore.remove(&agent);
            self.breaks.since.remove(&agent);
            self.commit(Record::Presence { agent, ready: true, reason: None, at });
        }
    }
}
