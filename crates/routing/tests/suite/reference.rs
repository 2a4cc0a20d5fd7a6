//! A model of about a hundred lines without any cleverness says, after each input of thousands of random days, who meets whom; the ACD
//! must agree, offer by offer.
//!
//! What stood before the decision is what stands after it with the offers of this input taken back. From there the model tries every
//! pair of an idle agent and a waiting ticket, by the rules as they are written in the queue's declaration.

use crate::days::{Day, Happens, happens};
use model::{AgentId, ChooseAgent, Instant, KeptFor, Level, Need, OfferId, Queue, QueueId, Skill, TicketId};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use routing::{Acd, Claim, Decision, Desk, Presence, Rules, Stage, State};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that the model looks at.
struct Model<'a> {
    rules: &'a Rules,
    now: Instant,
    desks: BTreeMap<AgentId, Desk>,
    waiting: Vec<Claim>,
    /// Reserves that hold, by the queue that declares them.
    holding: BTreeSet<QueueId>,
}

impl Model<'_> {
    fn queue(&self, claim: &Claim) -> &Queue {
        &self.rules.queues[&claim.ticket.queue]
    }
    fn age(&self, claim: &Claim) -> Duration {
        self.now.since(claim.ticket.since)
    }
    fn class(&self, claim: &Claim) -> u8 {
        if self.age(claim) >= self.queue(claim).overtaken_max { 3 } else { claim.ticket.class.min(2) }
    }
    fn is_idle(&self, agent: &AgentId) -> bool {
        let desk = &self.desks[agent];
        desk.signed_in && desk.presence == Presence::Ready && desk.stage == Stage::Free && self.rules.agents.contains_key(agent)
    }
    fn has(&self, agent: &AgentId, needs: &[Need]) -> bool {
        needs.iter().all(|need| self.rules.agents[agent].skills.get(&need.skill).is_some_and(|level| *level >= need.level))
    }
    fn serves(&self, agent: &AgentId, queue: &QueueId) -> Option<usize> {
        let serves = &self.rules.agents[agent].serves;
        if serves.is_empty() { Some(0) } else { serves.iter().position(|q| q == queue) }
    }
    /// What is asked at this age: one of these lists, each with the part of it that means understanding the caller.
    fn asked(&self, claim: &Claim) -> Vec<(Vec<Need>, Vec<Need>)> {
        let mut needs = claim.ticket.needs.clone();
        let mut tongues = vec![claim.ticket.lang.skill()];
        let spoken = |needs: &[Need], tongues: &[Skill]| needs.iter().filter(|n| tongues.contains(&n.skill)).cloned().collect();
        let mut lists = vec![(needs.clone(), spoken(&needs, &tongues))];
        for relax in self.queue(claim).relax.iter().filter(|relax| relax.after <= self.age(claim)) {
            needs.retain(|need| relax.needs.get(&need.skill) != Some(&None));
            for need in &mut needs {
                need.level = relax.needs.get(&need.skill).copied().flatten().map_or(need.level, |level| level.min(need.level));
            }
            if let Some(instead) = &relax.lang
                && let Some(at) = needs.iter().position(|need| need.skill == claim.ticket.lang.skill())
            {
                needs.remove(at);
                needs.extend(instead.iter().map(|skill| Need { skill: skill.clone(), level: Level::SOME }));
            }
            tongues.extend(relax.lang.iter().flatten().cloned());
            lists.push((needs.clone(), spoken(&needs, &tongues)));
        }
        lists
    }
    fn own(&self, agent: &AgentId, claim: &Claim) -> bool {
        self.serves(agent, &claim.ticket.queue).is_some() && self.asked(claim).iter().any(|(needs, _)| self.has(agent, needs))
    }
    fn ring(&self, agent: &AgentId, claim: &Claim) -> usize {
        let rings = self.queue(claim).rings.iter().enumerate();
        let held = rings.filter(|(_, ring)| self.rules.agents[agent].skills.contains_key(&ring.skill));
        held.map(|(i, _)| i + 1).max().unwrap_or(0)
    }
    /// By what is declared: skills, queues, rings, exclusions.
    fn fits(&self, agent: &AgentId, claim: &Claim) -> bool {
        let queue = self.queue(claim);
        let helps = queue.helped_by.iter().filter_map(|id| self.rules.queues.get(id)).any(|other| {
            self.serves(agent, &other.id).is_some()
                && self.has(agent, &other.needs)
                && self.asked(claim).iter().any(|(_, spoken)| self.has(agent, spoken))
        });
        let joined = |ring: usize| ring == 0 || queue.rings[ring - 1].after <= self.age(claim);
        (self.own(agent, claim) || helps) && joined(self.ring(agent, claim)) && !claim.ticket.excluded.contains(agent)
    }
    /// By what has happened: pauses, and whom the caller waits for.
    fn may(&self, agent: &AgentId, claim: &Claim) -> bool {
        let alone = claim.ticket.preferred.as_ref().filter(|preferred| {
            let there = self.desks.get(&preferred.agent).is_some_and(|desk| desk.signed_in && desk.presence == Presence::Ready);
            there
                && self.rules.agents.contains_key(&preferred.agent)
                && self.age(claim) < preferred.patience
                && self.fits(&preferred.agent, claim)
                && !claim.missed_by.contains(&preferred.agent)
        });
        self.fits(agent, claim)
            && alone.is_none_or(|preferred| preferred.agent == *agent)
            && !claim.paused.iter().any(|pause| pause.agent == *agent && pause.until > self.now)
            && !self.reserved(agent, claim)
    }
    fn counts(&self, agent: &AgentId, skill: &Skill) -> bool {
        self.rules.agents[agent].skills.contains_key(skill)
    }
    fn reserved(&self, agent: &AgentId, claim: &Claim) -> bool {
        self.holding.iter().filter_map(|id| self.rules.queues.get(id)?.reserve.as_ref()).any(|reserve| {
            let favoured = match &reserve.kept_for {
                KeptFor::Queue(queue) => claim.ticket.queue == *queue,
                KeptFor::Queues(queues) => queues.contains(&claim.ticket.queue),
                KeptFor::Class(class) => claim.ticket.class.min(2) >= *class,
            };
            !favoured && self.counts(agent, &reserve.of)
        })
    }
    /// A reserve holds while one less would be too few; once it holds, until so many more are idle.
    fn settle(&mut self) {
        for (id, queue) in &self.rules.queues {
            let Some(reserve) = &queue.reserve else { continue };
            let idle = self.desks.keys().filter(|agent| self.is_idle(agent) && self.counts(agent, &reserve.of)).count();
            let more = if self.holding.contains(id) { reserve.hysteresis } else { 0 };
            if idle.saturating_sub(1) < (reserve.keep + more) as usize {
                self.holding.insert(id.clone());
            } else {
                self.holding.remove(id);
            }
        }
    }
    fn as_the_ticket_sees_it(&self, agent: &AgentId, claim: &Claim) -> impl Ord + use<> {
        let desk = &self.desks[agent];
        let missed = claim.missed_by.iter().position(|other| other == agent).map_or(0, |i| i + 1);
        let preferred = missed == 0 && claim.ticket.preferred.as_ref().is_some_and(|preferred| preferred.agent == *agent);
        let main = self.queue(claim).needs.first().or(claim.ticket.needs.first()).map(|need| need.skill.clone());
        let choice = match self.queue(claim).choose_agent {
            ChooseAgent::LongestIdle => (Duration::ZERO, Reverse(None)),
            ChooseAgent::LeastOccupied => (desk.talked, Reverse(None)),
            ChooseAgent::BestSkill => {
                (Duration::ZERO, Reverse(main.and_then(|skill| self.rules.agents[agent].skills.get(&skill).copied())))
            }
        };
        (!preferred, missed, self.ring(agent, claim), !self.own(agent, claim), choice, desk.idle_since, agent.clone())
    }
    fn as_the_agent_sees_it(&self, agent: &AgentId, claim: &Claim) -> impl Ord + use<> {
        let order = if self.own(agent, claim) { self.serves(agent, &claim.ticket.queue) } else { Some(usize::MAX) };
        // Whoever has been overtaken for too long comes first in every queue.
        let order = if self.class(claim) == 3 { Some(0) } else { order };
        (Reverse(self.class(claim)), order, self.place(claim))
    }
    fn place(&self, claim: &Claim) -> (i128, u64) {
        (i128::from(claim.ticket.since.as_nanos()) - claim.ticket.bonus.as_nanos() as i128, claim.arrival)
    }
    /// Tickets ask in turn, refused ones ask again, until nobody asks any more; then the phones ring, in the order of the places, and what
    /// the reserves have come to forbid meanwhile is tried again.
    fn meet(&mut self) -> BTreeMap<TicketId, AgentId> {
        let mut met: BTreeMap<TicketId, AgentId> = BTreeMap::new();
        self.settle();
        loop {
            let mut engaged: BTreeMap<AgentId, usize> = BTreeMap::new();
            let mut refused: BTreeSet<(usize, AgentId)> = BTreeSet::new();
            let free: Vec<usize> = (0..self.waiting.len()).filter(|i| !met.contains_key(&self.waiting[*i].ticket.id)).collect();
            while let Some((caller, agent)) = free.iter().find_map(|caller| {
                let claim = &self.waiting[*caller];
                let asks = self.desks.keys().filter(|agent| self.is_idle(agent) && self.may(agent, claim));
                let best =
                    asks.filter(|a| !refused.contains(&(*caller, (*a).clone()))).min_by_key(|a| self.as_the_ticket_sees_it(a, claim));
                best.filter(|_| !engaged.values().any(|other| other == caller)).map(|agent| (*caller, agent.clone()))
            }) {
                let rank = |caller: usize| self.as_the_agent_sees_it(&agent, &self.waiting[caller]);
                match engaged.get(&agent).copied() {
                    Some(other) if rank(other) < rank(caller) => drop(refused.insert((caller, agent))),
                    Some(other) => {
                        refused.insert((other, agent.clone()));
                        engaged.insert(agent, caller);
                    }
                    None => drop(engaged.insert(agent, caller)),
                }
            }
            let mut pairs: Vec<(AgentId, usize)> = engaged.into_iter().collect();
            pairs.sort_by_key(|(_, caller)| (Reverse(self.class(&self.waiting[*caller])), self.place(&self.waiting[*caller])));
            let all = pairs.len();
            let before = met.len();
            for (agent, caller) in pairs {
                if !self.reserved(&agent, &self.waiting[caller]) {
                    met.insert(self.waiting[caller].ticket.id, agent.clone());
                    // Rings now: not idle, and still there for whoever waits for this agent and nobody else.
                    let (offer, ticket, until) = (OfferId(0), self.waiting[caller].ticket.id, self.now);
                    self.desks.get_mut(&agent).expect("has a desk").stage = Stage::Offered { offer, ticket, until };
                    self.settle();
                }
            }
            if met.len() - before == all {
                return met;
            }
        }
    }
}

fn agrees(rules: &Rules, held_before: &BTreeSet<QueueId>, acd: &Acd, said: &[Decision]) {
    let State { clock: now, agents: mut desks, waiting, .. } = acd.state();
    let mut met = BTreeMap::new();
    for decision in said {
        if let Decision::Offer { ticket, agent, .. } = decision {
            desks.get_mut(agent).expect("has a desk").stage = Stage::Free;
            assert_eq!(met.insert(*ticket, agent.clone()), None, "one offer each");
        }
    }
    let rings = |claim: &Claim| desks.values().any(|desk| matches!(desk.stage, Stage::Offered { ticket, .. } if ticket == claim.ticket.id));
    let waiting = waiting.into_iter().filter(|claim| !claim.held && !rings(claim)).collect();
    let mut model = Model { rules, now, desks, waiting, holding: held_before.clone() };
    assert_eq!(model.meet(), met, "the model's meetings, and the ACD's");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn the_naive_model_agrees_on_every_step(seed in any::<u64>(), day in proptest::collection::vec(happens(), 1..120)) {
        let mut day_of = Day::new(seed);
        for happens in std::iter::repeat_n(&Happens::EverybodySignsIn, 1).chain(&day) {
            let before = day_of.acd.state();
            let said = day_of.step(happens);
            agrees(&day_of.rules, &before.reserved, &day_of.acd, &said);
            day_of.acd.audit().unwrap();
        }
    }
}
