//! Random days of random cities in which everything occurs that a city's files can say.

use crate::city::{need, person, queue};
use model::{
    AgentId, BreakReason, ChooseAgent, Instant, KeptFor, Lang, Level, LineId, OfferEnd, OfferId, QueueId, Random, Relax, Reserve, Ring,
};
use model::{Skill, TicketId};
use proptest::prelude::*;
use routing::{Acd, Change, Decision, Preferred, Rules, Seen, Stage, Ticket};
use std::collections::BTreeMap;
use std::time::Duration;

const SKILLS: [&str; 6] = ["general", "nurse", "interpreter", "night", "ja", "vi"];
const QUEUES: [&str; 4] = ["any", "general", "nurse", "results"];
const PEOPLE: [&str; 7] = ["aoi", "emi", "ken", "linh", "mio", "rin", "yuki"];

#[derive(Clone, Debug)]
pub(crate) enum Happens {
    EverybodySignsIn,
    Call { queue: usize, lang: usize, class: u8, age: u64, bonus: u64, excludes: Option<usize>, prefers: Option<(usize, u64)> },
    Move { which: usize, queue: usize },
    Abandon { which: usize },
    Leave { which: usize },
    Answer { which: usize },
    StaleAnswer { offer: u64 },
    Decline { which: usize, how: usize },
    Return { which: usize },
    Finish { who: usize },
    Declare { who: usize, change: Change },
    Engage { who: usize },
    Hold { which: usize },
    Release { which: usize },
    Reprioritise { which: usize, class: u8, bonus: u64 },
    Reconcile,
    Wait { millis: u64 },
    WaitForTimer,
    Publish,
}

pub(crate) fn happens() -> impl Strategy<Value = Happens> {
    let away = |reason: &'static str| Just(Change::Break(Some(BreakReason::from(reason))));
    let change = prop_oneof![
        3 => Just(Change::SignIn),
        1 => Just(Change::SignOut),
        3 => Just(Change::Ready),
        1 => Just(Change::Break(None)),
        1 => away("lunch"),
        1 => away("meeting"),
        1 => Just(Change::Resume(Some(BreakReason::from("lunch")))),
    ];
    let excludes = proptest::option::weighted(0.15, 0..7usize);
    let prefers = proptest::option::weighted(0.2, (0..7usize, 0..60u64));
    let call = (0..4usize, 0..2usize, 0..3u8, 0..40u64, prop_oneof![3 => Just(0u64), 1 => 0..60u64], excludes, prefers);
    let any = any::<usize>;
    prop_oneof![
        9 => call.prop_map(|(queue, lang, class, age, bonus, excludes, prefers)| {
            Happens::Call { queue, lang, class, age, bonus, excludes, prefers }
        }),
        1 => (any(), 0..4usize).prop_map(|(which, queue)| Happens::Move { which, queue }),
        2 => any().prop_map(|which| Happens::Abandon { which }),
        1 => any().prop_map(|which| Happens::Leave { which }),
        6 => any().prop_map(|which| Happens::Answer { which }),
        1 => (0..40u64).prop_map(|offer| Happens::StaleAnswer { offer }),
        3 => (any(), 0..4usize).prop_map(|(which, how)| Happens::Decline { which, how }),
        1 => any().prop_map(|which| Happens::Return { which }),
        6 => (0..7usize).prop_map(|who| Happens::Finish { who }),
        6 => (0..7usize, change).prop_map(|(who, change)| Happens::Declare { who, change }),
        1 => (0..7usize).prop_map(|who| Happens::Engage { who }),
        1 => any().prop_map(|which| Happens::Hold { which }),
        2 => any().prop_map(|which| Happens::Release { which }),
        1 => (any(), 0..3u8, 0..60u64).prop_map(|(which, class, bonus)| Happens::Reprioritise { which, class, bonus }),
        1 => Just(Happens::Reconcile),
        4 => (0..30_000u64).prop_map(|millis| Happens::Wait { millis }),
        4 => Just(Happens::WaitForTimer),
        1 => Just(Happens::Publish),
    ]
}

/// A city in which every declaration may occur.
fn city(random: &mut Random) -> Rules {
    let mut chance = |percent: u64| random.below(100) < percent;
    let mut queues = BTreeMap::new();
    for id in QUEUES {
        if chance(10) {
            continue;
        }
        let needs: Vec<(&str, u8)> = match id {
            "any" => vec![],
            "results" => vec![("general", if chance(50) { 2 } else { 1 }), ("night", 1)],
            main => vec![(main, if chance(50) { 3 } else { 1 })],
        };
        let mut queue = queue(id, &needs);
        queue.lang = chance(40).then_some(Level::SOME);
        let lower = |skill: &str, level: u8| BTreeMap::from([(Skill::from(skill), Level::new(level))]);
        let relax = |after: u64, needs, lang| Relax { after: Duration::from_secs(after), needs, lang };
        if chance(40) {
            queue.relax.push(relax(10, lower("nurse", 1), chance(50).then(|| Some(Skill::from("interpreter")))));
            queue.relax.push(relax(25, lower("general", 0), chance(50).then_some(None)));
        }
        let ring = |after: u64, skill: &str| Ring { after: Duration::from_secs(after), skill: Skill::from(skill) };
        if chance(40) {
            queue.rings.push(ring(5, "interpreter"));
            queue.rings.push(ring(15, "night"));
        }
        if chance(50) {
            queue.helped_by = QUEUES.iter().filter(|other| **other != id).take(2).map(|id| QueueId::from(*id)).collect();
        }
        if chance(40) {
            queue.reserve = Some(Reserve {
                keep: if chance(70) { 1 } else { 2 },
                of: Skill::from(if chance(50) { "nurse" } else { "general" }),
                kept_for: match (chance(60), chance(30)) {
                    (true, false) => KeptFor::Queue(QueueId::from(id)),
                    (true, true) => KeptFor::Queues(vec![QueueId::from(id), QueueId::from(QUEUES[0])]),
                    (false, _) => KeptFor::Class(1),
                },
                hysteresis: if chance(30) { 1 } else { 0 },
            });
        }
        queue.choose_agent = match (chance(33), chance(50)) {
            (true, _) => ChooseAgent::LongestIdle,
            (false, true) => ChooseAgent::LeastOccupied,
            (false, false) => ChooseAgent::BestSkill,
        };
        queue.pause = Duration::from_secs(if chance(60) { 12 } else { 0 });
        queue.overtaken_max = Duration::from_secs(if chance(50) { 70 } else { 1200 });
        queue.wrap_up = Duration::from_secs(if chance(50) { 8 } else { 0 });
        queue.max_waiting = if chance(30) { 2 } else { 30 };
        queue.missed_max = if chance(50) { 2 } else { 4 };
        queues.insert(queue.id.clone(), queue);
    }
    let mut agents = BTreeMap::new();
    for id in PEOPLE {
        if random.below(100) < 15 {
            continue;
        }
        let mut skills: Vec<(&str, u8)> = Vec::new();
        for skill in SKILLS {
            if random.below(100) < 55 {
                skills.push((skill, 1 + random.below(5) as u8));
            }
        }
        let mut serves: Vec<&str> = QUEUES.into_iter().filter(|_| random.below(100) < 60).collect();
        if random.below(100) < 50 {
            serves.reverse();
        }
        if random.below(100) < 30 {
            serves.clear();
        }
        agents.insert(AgentId::from(id), person(id, &skills, &serves));
    }
    Rules { queues, agents, lines: BTreeMap::from([(LineId::from("ward"), 2)]) }
}

/// One day: a city, its ACD, and the clock.
pub(crate) struct Day {
    random: Random,
    pub(crate) rules: Rules,
    pub(crate) acd: Acd,
    pub(crate) now: Instant,
    tickets: u64,
}

impl Day {
    pub(crate) fn new(seed: u64) -> Day {
        let mut random = Random::from_number(seed);
        let rules = city(&mut random);
        Day { random, acd: Acd::new(rules.clone()), rules, now: Instant::from_millis(100_000), tickets: 0 }
    }

    /// One input to the ACD and to its restored twin, who must say the same.
    fn input<R: PartialEq + std::fmt::Debug>(&mut self, input: impl Fn(&mut Acd) -> R) -> Vec<Decision> {
        let mut twin = Acd::restore(self.rules.clone(), self.acd.state());
        assert_eq!(twin.poll_output(), None, "a restart into the same city decides nothing");
        assert_eq!(twin.state(), self.acd.state());
        assert_eq!(twin.poll_timeout(), self.acd.poll_timeout());
        assert_eq!(input(&mut self.acd), input(&mut twin));
        let said: Vec<Decision> = std::iter::from_fn(|| self.acd.poll_output()).collect();
        assert_eq!(std::iter::from_fn(|| twin.poll_output()).collect::<Vec<_>>(), said, "a restart changes no decision");
        let everybody = self.rules.agents.len();
        for decision in &said {
            match decision {
                Decision::Offer { why, .. } => assert_eq!(why.counts.values().sum::<u32>() as usize, everybody - 1, "{why:?}"),
                Decision::Waits { why, .. } => assert_eq!(why.counts.values().sum::<u32>() as usize, everybody, "{why:?}"),
                Decision::Placed { .. }
                | Decision::Refused { .. }
                | Decision::Withdraw { .. }
                | Decision::Agent { .. }
                | Decision::Repaired { .. } => {}
            }
            if let Decision::Offer { why, .. } | Decision::Waits { why, .. } = decision {
                let mut named = BTreeMap::new();
                why.passed_over.iter().for_each(|p| *named.entry(p.why.reason()).or_insert(0) += 1);
                assert!(
                    named.iter().all(|(reason, n)| why.counts.get(reason).is_some_and(|all| n <= all)),
                    "named and not counted: {why:?}"
                );
                assert_eq!(why.passed_over.len(), 5.min(why.counts.values().sum::<u32>() as usize), "{why:?}");
                assert_eq!(why.overtook.len(), 5.min(why.overtook_count as usize), "{why:?}");
            }
        }
        said
    }

    fn waiting(&self, which: usize) -> Option<routing::Claim> {
        let waiting = self.acd.state().waiting;
        (!waiting.is_empty()).then(|| waiting[which % waiting.len()].clone())
    }
    /// Something that happens to one of those who wait, if anybody does.
    fn with(&mut self, which: usize, input: impl Fn(&mut Acd, TicketId)) -> Vec<Decision> {
        match self.waiting(which) {
            Some(claim) => self.input(|acd| input(acd, claim.ticket.id)),
            None => Vec::new(),
        }
    }
    fn ringing(&self, which: usize) -> Option<OfferId> {
        let offers = self.acd.state().agents.into_values().filter_map(|desk| match desk.stage {
            Stage::Offered { offer, .. } => Some(offer),
            Stage::Free | Stage::Talking { .. } | Stage::WrapUp { .. } => None,
        });
        let offers: Vec<OfferId> = offers.collect();
        (!offers.is_empty()).then(|| offers[which % offers.len()])
    }
    fn talking(&self, which: usize) -> Option<TicketId> {
        let callers = self.acd.state().agents.into_values().filter_map(|desk| match desk.stage {
            Stage::Talking { claim, .. } => Some(claim?.ticket.id),
            Stage::Free | Stage::Offered { .. } | Stage::WrapUp { .. } => None,
        });
        let callers: Vec<TicketId> = callers.collect();
        (!callers.is_empty()).then(|| callers[which % callers.len()])
    }
    fn resolved(&self, queue: usize, lang: &Lang) -> (QueueId, Vec<model::Need>) {
        let id = QueueId::from(QUEUES[queue]);
        let needs = self.rules.queues.get(&id).map_or(vec![need("general", 1)], |q| q.needs_for(lang));
        (id, needs)
    }

    /// Does it, and gives what the ACD said.
    pub(crate) fn step(&mut self, happens: &Happens) -> Vec<Decision> {
        let now = self.now;
        let who = |who: &usize| AgentId::from(PEOPLE[*who]);
        match happens {
            Happens::EverybodySignsIn => {
                let mut said = Vec::new();
                for agent in self.rules.agents.keys().cloned().collect::<Vec<_>>() {
                    said.extend(self.input(|acd| acd.set_agent(now, &agent, Change::SignIn)));
                }
                said
            }
            Happens::Call { queue, lang, class, age, bonus, excludes, prefers } => {
                self.tickets += 1;
                let lang = Lang::from(["ja", "vi"][*lang]);
                let (queue, needs) = self.resolved(*queue, &lang);
                let since = Instant::from_nanos(now.as_nanos() - age * 1_000_000_000);
                let ticket = Ticket {
                    class: *class,
                    bonus: Duration::from_secs(*bonus),
                    excluded: excludes.iter().map(who).collect(),
                    preferred: prefers.map(|(agent, secs)| Preferred { agent: who(&agent), patience: Duration::from_secs(secs) }),
                    ..Ticket::plain(TicketId(self.tickets), queue, needs, lang, since)
                };
                self.input(|acd| acd.enqueue(now, ticket.clone()))
            }
            Happens::Move { which, queue } => {
                let Some(claim) = self.waiting(*which) else { return Vec::new() };
                let (queue, needs) = self.resolved(*queue, &claim.ticket.lang);
                let ticket = Ticket { queue, needs, ..claim.ticket };
                self.input(|acd| acd.enqueue(now, ticket.clone()))
            }
            Happens::Abandon { which } => self.with(*which, |acd, ticket| acd.abandon(now, ticket)),
            Happens::Leave { which } => self.with(*which, |acd, ticket| acd.leave(now, ticket)),
            Happens::Hold { which } => self.with(*which, |acd, ticket| acd.hold(now, ticket)),
            Happens::Release { which } => self.with(*which, |acd, ticket| acd.release(now, ticket)),
            Happens::Reprioritise { which, class, bonus } => {
                let Some(claim) = self.waiting(*which) else { return Vec::new() };
                self.input(|acd| acd.reprioritise(now, claim.ticket.id, *class, Duration::from_secs(*bonus)))
            }
            Happens::Answer { which } => match self.ringing(*which) {
                Some(offer) => self.input(|acd| acd.answered(now, offer)),
                None => Vec::new(),
            },
            Happens::StaleAnswer { offer } => self.input(|acd| acd.answered(now, OfferId(*offer))),
            Happens::Decline { which, how } => {
                let how = [OfferEnd::Declined, OfferEnd::Unreachable, OfferEnd::NoAnswer, OfferEnd::Withdrawn][*how];
                match self.ringing(*which) {
                    Some(offer) => self.input(|acd| acd.declined(now, offer, how)),
                    None => Vec::new(),
                }
            }
            Happens::Return { which } => match self.talking(*which) {
                Some(ticket) => self.input(|acd| acd.returned(now, ticket)),
                None => Vec::new(),
            },
            Happens::Finish { who: one } => self.input(|acd| acd.finished(now, &who(one))),
            Happens::Declare { who: one, change } => self.input(|acd| acd.set_agent(now, &who(one), change.clone())),
            Happens::Engage { who: one } => self.input(|acd| acd.engage(now, &who(one))),
            Happens::Reconcile => {
                let seen = self.seen();
                let said = self.input(|acd| acd.reconcile(now, &seen));
                assert!(!said.iter().any(|d| matches!(d, Decision::Repaired { .. })), "nothing was wrong: {said:?}");
                said
            }
            Happens::Wait { millis } => {
                self.now = now + Duration::from_millis(*millis);
                let at = self.now;
                self.input(|acd| acd.handle_timeout(at))
            }
            Happens::WaitForTimer => {
                let Some(at) = self.acd.poll_timeout() else { return Vec::new() };
                self.now = self.now.max(at);
                self.input(|acd| acd.handle_timeout(at))
            }
            Happens::Publish => {
                let rules = city(&mut self.random);
                self.rules = rules.clone();
                self.acd.publish(now, rules);
                std::iter::from_fn(|| self.acd.poll_output()).collect()
            }
        }
    }

    /// What phones and calls would look like if everything is as the desks say.
    fn seen(&self) -> BTreeMap<AgentId, Seen> {
        let as_it_is = |desk: routing::Desk| Seen {
            registered: desk.signed_in,
            offered: matches!(desk.stage, Stage::Offered { .. }),
            talking: matches!(desk.stage, Stage::Talking { .. }),
        };
        self.acd.state().agents.into_iter().map(|(id, desk)| (id, as_it_is(desk))).collect()
    }
}
