//! The reason that goes with each offer, and with each ticket that waits on: why this agent, and why not the others.
//!
//! Counted by profile; only agents whom something sets apart for this very ticket are looked at one by one.

use crate::Acd;
use crate::ask::Fit;
use crate::decide::Rung;
use crate::line::Waiting;
use model::{AgentState, Millis, PassedOver, Reason, Why, WhyNot};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// As many of those not chosen as a reason names. When the house is larger, those who came closest are named.
const NAMED_AT_MOST: usize = Why::NAMED_MAX;

/// What a reason is about.
struct Case<'a, H> {
    waiting: &'a Waiting,
    chosen: Option<u32>,
    /// Agents who were given somebody else in the same input.
    took_another: BTreeSet<u32>,
    /// The one who is waited for.
    alone: Option<u32>,
    /// Whether a reserve held when it was decided.
    holds: H,
}

/// How many for each reason.
#[derive(Default)]
struct Tally([u32; Tally::STATES + Tally::PLAIN.len()]);

impl Tally {
    const STATES: usize = AgentState::ALL.len();
    /// In the order of the reasons, after the states.
    const PLAIN: [Reason; 9] = [
        Reason::Skill,
        Reason::DoesNotServe,
        Reason::LaterRing,
        Reason::Reserved,
        Reason::Excluded,
        Reason::PrefersAnother,
        Reason::JustMissed,
        Reason::RankedLower,
        Reason::TookAnother,
    ];

    fn place(reason: Reason) -> usize {
        match reason {
            Reason::State(state) => state as usize,
            Reason::Skill => Tally::STATES,
            Reason::DoesNotServe => Tally::STATES + 1,
            Reason::LaterRing => Tally::STATES + 2,
            Reason::Reserved => Tally::STATES + 3,
            Reason::Excluded => Tally::STATES + 4,
            Reason::PrefersAnother => Tally::STATES + 5,
            Reason::JustMissed => Tally::STATES + 6,
            Reason::RankedLower => Tally::STATES + 7,
            Reason::TookAnother => Tally::STATES + 8,
        }
    }
    fn of(&mut self, reason: Reason) -> &mut u32 {
        &mut self.0[Tally::place(reason)]
    }
    fn has(&self, reason: Reason) -> bool {
        self.0[Tally::place(reason)] > 0
    }
    /// Heads, which no sum of them exceeds.
    fn add_states(&mut self, states: &[u32; Tally::STATES]) {
        self.0.iter_mut().zip(states).for_each(|(sum, n)| *sum = sum.wrapping_add(*n));
    }
    fn counts(&self) -> BTreeMap<Reason, u32> {
        let reasons = AgentState::ALL.into_iter().map(Reason::State).chain(Tally::PLAIN);
        let mut counts = BTreeMap::new();
        for (reason, n) in reasons.zip(self.0).filter(|(_, n)| *n > 0) {
            counts.insert(reason, n);
        }
        counts
    }
}

impl Acd {
    /// The reason. `chosen` with the time that they had been idle; `None`: nobody.
    pub(crate) fn why(&self, waiting: &Waiting, chosen: Option<(u32, Duration)>, rung: &[Rung], holds: impl Fn(usize) -> bool) -> Why {
        let queue = &self.queues[waiting.queue as usize];
        let ask = self.asks.get(waiting.ask);
        let age = self.clock.since(waiting.claim.ticket.since);
        let took_another = if chosen.is_some() { BTreeSet::new() } else { rung.iter().map(|rung| rung.seat).collect() };
        let case = Case { waiting, chosen: chosen.map(|(seat, _)| seat), took_another, alone: self.alone(waiting), holds };
        let apart = self.set_apart(&case);
        let tally = self.count(&case, &apart);
        let passed_over = self.named(&case, &apart, &tally);
        let (overtook_count, overtook) = if chosen.is_some() { self.line.overtaken_by(waiting, NAMED_AT_MOST) } else { (0, Vec::new()) };
        Why {
            relax_step: ask.wish.relax,
            next_relax: queue.relax.get(ask.wish.relax as usize).map(|relax| Millis::from(relax.after.saturating_sub(age))),
            ring: ask.wish.ring,
            position: self.line.position(waiting),
            idle_millis: chosen.map_or(0, |(_, idle)| Millis::from(idle).0),
            counts: tally.counts(),
            passed_over,
            overtook,
            overtook_count,
        }
    }

    /// Agents for whom the reason does not follow from what they can and what they do.
    fn set_apart<H: Fn(usize) -> bool>(&self, case: &Case<H>) -> BTreeSet<u32> {
        let claim = &case.waiting.claim;
        let paused = claim.paused.iter().map(|pause| &pause.agent);
        let named = claim.ticket.excluded.iter().chain(&claim.missed_by).chain(paused);
        let seats = named.filter_map(|agent| self.floor.seat(agent)).chain(case.alone).chain(case.took_another.iter().copied());
        seats.filter(|seat| self.floor.employed(*seat) && case.chosen != Some(*seat)).collect()
    }

    fn count<H: Fn(usize) -> bool>(&self, case: &Case<H>, apart: &BTreeSet<u32>) -> Tally {
        let ask = self.asks.get(case.waiting.ask);
        let mut tally = Tally::default();
        for profile in &ask.able {
            let count = &self.floor.counts[*profile as usize];
            tally.add_states(&count.states);
            if count.idle() > 0 {
                *tally.of(self.idle_reason(case, *profile)) += count.idle();
            }
        }
        // Those who are idle have been counted by what keeps them.
        *tally.of(Reason::State(AgentState::Idle)) = 0;
        *tally.of(Reason::Skill) += ask.lacks;
        *tally.of(Reason::DoesNotServe) += ask.does_not_serve;
        for seat in case.chosen.iter().chain(apart) {
            let plain = tally.of(self.plain_reason(case, *seat));
            *plain = plain.saturating_sub(1);
        }
        for seat in apart {
            *tally.of(self.why_not(case, *seat).reason()) += 1;
        }
        tally
    }

    /// Why nobody of a profile was chosen who is idle and whom nothing sets apart.
    fn idle_reason<H: Fn(usize) -> bool>(&self, case: &Case<H>, profile: u32) -> Reason {
        let waiting = case.waiting;
        let counted = &self.floor.profiles[profile as usize].counted;
        if !self.asks.get(waiting.ask).fits[profile as usize].may() {
            Reason::LaterRing
        } else if case.alone.is_some() {
            Reason::PrefersAnother
        } else if self.reserves.against(counted, waiting.queue, waiting.declared(), &case.holds).is_some() {
            Reason::Reserved
        } else {
            Reason::RankedLower
        }
    }
    /// The reason by which an agent is counted along with those who are alike.
    fn plain_reason<H: Fn(usize) -> bool>(&self, case: &Case<H>, seat: u32) -> Reason {
        let profile = self.floor.profile[seat as usize];
        match self.asks.get(case.waiting.ask).fits[profile as usize] {
            Fit::DoesNotServe => Reason::DoesNotServe,
            Fit::Lacks => Reason::Skill,
            Fit::Fits { .. } => match self.floor.state(seat) {
                AgentState::Idle => self.idle_reason(case, profile),
                state => Reason::State(state),
            },
        }
    }

    /// Why this agent was not chosen. What they cannot do comes before what they are doing, and that before what holds them back.
    fn why_not<H: Fn(usize) -> bool>(&self, case: &Case<H>, seat: u32) -> WhyNot {
        let (waiting, id, state) = (case.waiting, self.floor.id(seat), self.floor.state(seat));
        let (claim, ask) = (&waiting.claim, self.asks.get(waiting.ask));
        let profile = &self.floor.profiles[self.floor.profile[seat as usize] as usize];
        let fit = ask.fits[self.floor.profile[seat as usize] as usize];
        let missed = |seat: u32| claim.missed_by.contains(self.floor.id(seat));
        let ring = match fit {
            Fit::DoesNotServe => return WhyNot::DoesNotServe,
            Fit::Lacks => {
                return match ask.asked.lacking(&profile.skills) {
                    Some(need) => {
                        WhyNot::Skill { skill: need.skill.clone(), has: profile.skills.get(&need.skill).copied(), needs: need.level }
                    }
                    None => WhyNot::DoesNotServe,
                };
            }
            Fit::Fits { ring, joined, .. } => (!joined).then_some(ring),
        };
        if claim.ticket.excluded.contains(id) {
            return WhyNot::Excluded;
        }
        if state != AgentState::Idle && !case.took_another.contains(&seat) {
            return WhyNot::State(state);
        }
        if let Some(ring) = ring {
            let rings = &self.queues[waiting.queue as usize].rings;
            let after = rings.get(usize::from(ring).saturating_sub(1)).map(|ring| ring.after).unwrap_or_default();
            return WhyNot::LaterRing { wait: Millis::from(after.saturating_sub(self.clock.since(claim.ticket.since))) };
        }
        if case.alone.is_some_and(|only| only != seat) {
            return WhyNot::PrefersAnother;
        }
        if claim.paused.iter().any(|pause| pause.agent == *id) {
            return WhyNot::JustMissed;
        }
        if let Some(kept) = self.reserves.against(&profile.counted, waiting.queue, waiting.declared(), &case.holds) {
            let rule = kept.rule.clone();
            return WhyNot::Reserved { of: rule.of, keep: rule.keep, idle: kept.idle, kept_for: rule.kept_for };
        }
        match case.chosen {
            Some(chosen) if missed(seat) && !missed(chosen) => WhyNot::JustMissed,
            Some(_) => WhyNot::RankedLower,
            None if case.took_another.contains(&seat) => WhyNot::TookAnother,
            None => WhyNot::RankedLower,
        }
    }

    /// Those who came closest: who might have been chosen, in that order; then who is free and held back; then who is busy; then who is
    /// not there; then who lacks a skill; then who does not serve the queue.
    fn named<H: Fn(usize) -> bool>(&self, case: &Case<H>, apart: &BTreeSet<u32>, tally: &Tally) -> Vec<PassedOver> {
        let ask = self.asks.get(case.waiting.ask);
        let mut seats: Vec<u32> = Vec::with_capacity(NAMED_AT_MOST);
        if tally.has(Reason::RankedLower) {
            seats.extend(self.closest(case.waiting, NAMED_AT_MOST, &case.holds));
        }
        let fits = |seat: &u32| matches!(ask.fits[self.floor.profile[*seat as usize] as usize], Fit::Fits { .. });
        let some_idle = if self.floor.idle_in_all > 0 { ask.able.as_slice() } else { &[] };
        let some_idle = some_idle.iter().filter(|profile| self.floor.counts[**profile as usize].idle() > 0);
        let plain_idle = some_idle.flat_map(|profile| self.floor.idle[*profile as usize].iter().map(|(_, seat)| *seat));
        let held_back = |seat: &u32| fits(seat) && !matches!(self.why_not(case, *seat), WhyNot::State(_));
        name(&mut seats, case.chosen, apart.iter().copied().filter(held_back).chain(plain_idle));
        let all = || (0..self.floor.ids.len() as u32).filter(|seat| self.floor.employed(*seat));
        let working = |state: AgentState| !matches!(state, AgentState::Idle | AgentState::SignedOut);
        if AgentState::ALL.into_iter().any(|state| working(state) && tally.has(Reason::State(state))) {
            name(&mut seats, case.chosen, all().filter(|seat| fits(seat) && working(self.floor.state(*seat))));
        }
        if tally.has(Reason::State(AgentState::SignedOut)) {
            name(&mut seats, case.chosen, all().filter(|seat| fits(seat) && self.floor.state(*seat) == AgentState::SignedOut));
        }
        for (reason, group) in [(Reason::Skill, Fit::Lacks), (Reason::DoesNotServe, Fit::DoesNotServe)] {
            if tally.has(reason) {
                name(&mut seats, case.chosen, all().filter(|seat| ask.fits[self.floor.profile[*seat as usize] as usize] == group));
            }
        }
        seats.into_iter().map(|seat| PassedOver { agent: self.floor.id(seat).clone(), why: self.why_not(case, seat) }).collect()
    }
}

/// Names more of a group, as long as there is room. Who has been named is not named again.
fn name(seats: &mut Vec<u32>, chosen: Option<u32>, mut group: impl Iterator<Item = u32>) {
    while seats.len() < NAMED_AT_MOST
        && let Some(seat) = group.next()
    {
        if chosen != Some(seat) && !seats.contains(&seat) {
            seats.push(seat);
        }
    }
}
