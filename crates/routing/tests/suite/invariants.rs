//! Random days of a small city against a simple model of who is where: the model believes only what the ACD says, and checks by
//! brute force what must hold after each step.

use crate::city::{agents, eased, need, person, queue, queues, rules};
use model::{
    Agent, AgentId, AgentState, BreakReason, ChooseAgent, Instant, Lang, Level, Need, OfferEnd, OfferId, Queue, QueueEnd, QueueId, Relax,
    Skill, TicketId,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use routing::{Acd, Change, Decision, Ticket};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Queues = BTreeMap<QueueId, Queue>;
type Agents = BTreeMap<AgentId, Agent>;

/// Three cities to publish: the first, one with a queue less and other skills, one with an agent less and other times.
fn city(version: usize) -> (Queues, Agents) {
    let mut general = queue("general", &[("general", 2)]);
    general.max_waiting = 4;
    general.relax = vec![eased(30, "general", 1)];
    general.wrap_up = Duration::from_secs(7);
    let mut nurse = queue("nurse", &[("nurse", 2)]);
    nurse.lang = Some(Level::SOME);
    nurse.relax = vec![
        Relax { after: Duration::from_secs(10), needs: BTreeMap::new(), lang: Some(Some(Skill::from("interpreter"))) },
        Relax { after: Duration::from_secs(25), needs: BTreeMap::from([(Skill::from("interpreter"), None)]), lang: None },
    ];
    nurse.choose_agent = ChooseAgent::BestSkill;
    nurse.wrap_up = Duration::ZERO;
    let mut any = queue("any", &[]);
    any.choose_agent = ChooseAgent::LeastOccupied;
    any.missed_max = 3;
    let aoi = person("aoi", &[("nurse", 3), ("ja", 4)], &[]);
    let ken = person("ken", &[("general", 3), ("ja", 4), ("interpreter", 2), ("nurse", 2)], &["general", "nurse"]);
    let linh = person("linh", &[("general", 1), ("nurse", 2), ("vi", 3)], &["nurse", "general", "any"]);
    let yuki = person("yuki", &[("general", 2), ("nurse", 4), ("ja", 5)], &[]);
    match version {
        0 => (queues(&[general, nurse, any]), agents(&[aoi, ken, linh, yuki])),
        1 => (queues(&[general, nurse]), agents(&[aoi, ken, person("linh", &[("general", 5), ("vi", 3)], &[]), yuki])),
        _ => {
            general.wrap_up = Duration::from_secs(12);
            general.max_waiting = 2;
            (queues(&[general, nurse, any]), agents(&[aoi, ken, linh]))
        }
    }
}
const PEOPLE: [&str; 4] = ["aoi", "ken", "linh", "yuki"];
const QUEUES: [&str; 3] = ["any", "general", "nurse"];

#[derive(Clone, Debug)]
enum Happens {
    Call { queue: usize, lang: usize, class: u8, age: u64 },
    Move { which: usize, queue: usize },
    Abandon { which: usize },
    Answer { which: usize },
    StaleAnswer { offer: u64 },
    Decline { which: usize, how: usize },
    Return { who: usize },
    Finish { who: usize },
    Declare { who: usize, change: Change },
    Wait { millis: u64 },
    WaitForTimer,
    Publish { version: usize },
}

fn happens() -> impl Strategy<Value = Happens> {
    let away = |reason: &'static str| Just(Change::Break(Some(BreakReason::from(reason))));
    let change = prop_oneof![
        3 => Just(Change::SignIn),
        1 => Just(Change::SignOut),
        2 => Just(Change::Ready),
        1 => Just(Change::Break(None)),
        1 => away("lunch"),
        1 => away("meeting"),
        1 => Just(Change::Resume(Some(BreakReason::from("lunch")))),
    ];
    prop_oneof![
        8 => (0..3usize, 0..2usize, 0..3u8, 0..40u64).prop_map(|(queue, lang, class, age)| Happens::Call { queue, lang, class, age }),
        1 => (any::<usize>(), 0..3usize).prop_map(|(which, queue)| Happens::Move { which, queue }),
        2 => any::<usize>().prop_map(|which| Happens::Abandon { which }),
        6 => any::<usize>().prop_map(|which| Happens::Answer { which }),
        1 => (0..40u64).prop_map(|offer| Happens::StaleAnswer { offer }),
        2 => (any::<usize>(), 0..4usize).prop_map(|(which, how)| Happens::Decline { which, how }),
        1 => (0..4usize).prop_map(|who| Happens::Return { who }),
        5 => (0..4usize).prop_map(|who| Happens::Finish { who }),
        5 => (0..4usize, change).prop_map(|(who, change)| Happens::Declare { who, change }),
        4 => (0..30_000u64).prop_map(|millis| Happens::Wait { millis }),
        3 => Just(Happens::WaitForTimer),
        1 => (0..3usize).prop_map(|version| Happens::Publish { version }),
    ]
}

/// Who is where, as far as the ACD said and we told it.
struct Ledger {
    acd: Acd,
    queues: Queues,
    agents: Agents,
    now: Instant,
    tickets: u64,
    waiting: BTreeMap<TicketId, (Ticket, u64)>,
    offers: BTreeMap<OfferId, (TicketId, AgentId, Instant)>,
    talking: BTreeMap<AgentId, (Ticket, u64, Duration)>,
    wrapping: BTreeMap<AgentId, Instant>,
    signed_in: BTreeSet<AgentId>,
    states: BTreeMap<AgentId, AgentState>,
    /// Breaks in effect, and why.
    breaks: BTreeMap<AgentId, Option<BreakReason>>,
    ended: BTreeMap<TicketId, u32>,
}

impl Ledger {
    fn new() -> Ledger {
        let (queues, agents) = city(0);
        let states = agents.keys().map(|id| (id.clone(), AgentState::SignedOut)).collect();
        Ledger {
            acd: Acd::new(rules(&queues, &agents)),
            queues,
            agents,
            now: Instant::from_millis(100_000),
            tickets: 0,
            waiting: BTreeMap::new(),
            offers: BTreeMap::new(),
            talking: BTreeMap::new(),
            wrapping: BTreeMap::new(),
            signed_in: BTreeSet::new(),
            states,
            breaks: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// One input to the ACD and to its restored twin, who must say the same; then the books; then the checks.
    fn input<R: PartialEq + std::fmt::Debug>(&mut self, input: impl Fn(&mut Acd) -> R) -> R {
        let mut twin = Acd::restore(rules(&self.queues, &self.agents), self.acd.state());
        assert_eq!(twin.poll_output(), None, "a restart into the same city decides nothing");
        assert_eq!(twin.state(), self.acd.state());
        assert_eq!(twin.poll_timeout(), self.acd.poll_timeout());
        let result = input(&mut self.acd);
        assert_eq!(input(&mut twin), result);
        let said: Vec<Decision> = std::iter::from_fn(|| self.acd.poll_output()).collect();
        assert_eq!(std::iter::from_fn(|| twin.poll_output()).collect::<Vec<_>>(), said, "a restart changes no decision");
        for decision in &said {
            self.book(decision);
        }
        result
    }

    fn book(&mut self, decision: &Decision) {
        match decision {
            Decision::Waits { .. } | Decision::Repaired { .. } => {}
            Decision::Placed { ticket, queue, position } => {
                assert_eq!(self.acd_place(*ticket), Some(*position), "the place that was told is the place in {queue}");
            }
            Decision::Refused { ticket, why, .. } => {
                assert!(matches!(why, QueueEnd::Full | QueueEnd::NobodyLoggedIn | QueueEnd::Closed));
                self.waiting.remove(ticket);
                self.ends(*ticket);
            }
            Decision::Offer { offer, ticket, queue, agent, ring_for, why } => {
                assert_eq!(*ring_for, self.queues[queue].ring_for);
                assert!(self.fits(agent, &self.waiting[ticket].0), "{agent} does not fit");
                assert!(!self.offers.values().any(|(t, a, _)| t == ticket || a == agent), "two offers of {ticket} or to {agent}");
                assert_eq!(why.counts.values().sum::<u32>() as usize, self.agents.len() - 1, "everybody else is counted");
                self.offers.insert(*offer, (*ticket, agent.clone(), self.now + *ring_for));
            }
            Decision::Withdraw { offer, ticket, agent, .. } => {
                let (was_for, was_at, _) = self.offers.remove(offer).expect("only what rings is withdrawn");
                assert_eq!((&was_for, &was_at), (ticket, agent));
            }
            Decision::Agent { agent, from, to, ended, reason } => {
                // Of a break that goes on, only the reason is another.
                let over = ended.as_ref().map(|over| &over.reason);
                assert!(from != to || *to == AgentState::NotReady && over != Some(reason), "{from} {to} {ended:?} {reason:?}");
                assert_eq!(over.cloned(), self.breaks.remove(agent), "the break that is over is the one that began");
                assert!(reason.is_none() || *to == AgentState::NotReady);
                if *to == AgentState::NotReady {
                    self.breaks.insert(agent.clone(), reason.clone());
                }
                let before = self.states.insert(agent.clone(), *to).unwrap_or_default();
                assert_eq!(before, *from);
                if !self.agents.contains_key(agent) && *to == AgentState::SignedOut {
                    self.states.remove(agent);
                }
            }
        }
    }
    fn ends(&mut self, ticket: TicketId) {
        *self.ended.entry(ticket).or_default() += 1;
        assert_eq!(self.ended[&ticket], 1, "{ticket} ends once");
    }

    /// Eligibility, worked out from the city's files alone.
    fn fits(&self, agent: &AgentId, ticket: &Ticket) -> bool {
        let Some(agent) = self.agents.get(agent) else { return false };
        let relax = &self.queues[&ticket.queue].relax;
        let in_force = relax.iter().filter(|r| ticket.since + r.after <= self.now).count();
        self.serves(agent, &ticket.queue).is_some() && (0..=in_force).any(|steps| has(agent, &after(ticket, &relax[..steps])))
    }
    fn serves(&self, agent: &Agent, queue: &QueueId) -> Option<usize> {
        if agent.serves.is_empty() { Some(0) } else { agent.serves.iter().position(|q| q == queue) }
    }
    fn idle(&self) -> Vec<AgentId> {
        self.states.iter().filter(|(_, state)| **state == AgentState::Idle).map(|(id, _)| id.clone()).collect()
    }
    fn rank(&self, agent: &AgentId, (ticket, arrival): &(Ticket, u64)) -> impl Ord + use<> {
        {
            let order = if self.class(ticket) == 3 { Some(0) } else { self.serves(&self.agents[agent], &ticket.queue) };
            (std::cmp::Reverse(self.class(ticket)), order, ticket.since, *arrival)
        }
    }
    /// Who has been overtaken for long enough comes before every class, in whatever queue.
    fn class(&self, ticket: &Ticket) -> u8 {
        if ticket.since + self.queues[&ticket.queue].overtaken_max <= self.now { 3 } else { ticket.class }
    }
    /// Place by counting.
    fn acd_place(&self, id: TicketId) -> Option<u32> {
        let (ticket, arrival) = self.waiting.get(&id)?;
        let key = |t: &Ticket, arrival: u64| (std::cmp::Reverse(self.class(t)), t.since, arrival);
        let before = self.waiting.values().filter(|(t, a)| t.queue == ticket.queue && key(t, *a) < key(ticket, *arrival)).count();
        Some(before as u32 + 1)
    }

    fn check(&self, rang_before: &BTreeSet<OfferId>) {
        self.acd.audit().unwrap();
        let states: BTreeMap<AgentId, AgentState> = self.acd.agents().map(|(id, state)| (id.clone(), state)).collect();
        assert_eq!(states, self.states, "each change of a derived state was told");
        for (agent, state) in &states {
            assert_eq!(*state == AgentState::Offered, self.offers.values().any(|(_, a, _)| a == agent));
            assert_eq!(*state == AgentState::Talking, self.talking.contains_key(agent));
            let wraps = self.wrapping.get(agent).is_some_and(|until| self.now < *until);
            let busy = matches!(state, AgentState::Offered | AgentState::Talking);
            assert_eq!(*state == AgentState::WrapUp, wraps && !busy && self.signed_in.contains(agent), "{agent} is {state}");
            assert!(busy || (*state == AgentState::SignedOut) != self.signed_in.contains(agent), "{agent} is {state}");
        }
        for (offer, (_, _, until)) in &self.offers {
            assert!(self.now < *until, "{offer:?} rings longer than its time");
        }
        let unoffered = || self.waiting.values().filter(|(t, _)| !self.offers.values().any(|(id, ..)| *id == t.id));
        for (ticket, _) in unoffered() {
            for agent in self.idle() {
                assert!(!self.fits(&agent, ticket), "{agent} is idle and fits {}, who waits", ticket.id);
            }
        }
        for (_, (ticket, agent, _)) in self.offers.iter().filter(|(offer, _)| !rang_before.contains(offer)) {
            let chosen = &self.waiting[ticket];
            for other in unoffered().filter(|(t, _)| self.fits(agent, t)) {
                assert!(self.rank(agent, other) > self.rank(agent, chosen), "{} overtook {} at {agent}", chosen.0.id, other.0.id);
            }
        }
        for id in self.waiting.keys() {
            assert_eq!(self.acd.position(*id), self.acd_place(*id));
        }
        assert_eq!(self.acd.tickets(), self.waiting.len());
        let nothing_runs = self.waiting.is_empty() && self.offers.is_empty() && !self.wrapping.values().any(|until| self.now < *until);
        if nothing_runs {
            assert_eq!((self.acd.poll_timeout(), self.acd.timers()), (None, 0), "all is quiet");
        }
        if let Some(at) = self.acd.poll_timeout() {
            assert!(at > self.now, "what is due has happened");
        }
    }

    fn step(&mut self, happens: &Happens) {
        let now = self.now;
        let rang_before: BTreeSet<OfferId> = self.offers.keys().copied().collect();
        let pick = |which: usize, len: usize| (len > 0).then(|| which % len.max(1));
        match happens {
            Happens::Call { queue, lang, class, age } => {
                self.tickets += 1;
                let queue = QueueId::from(QUEUES[*queue]);
                let lang = Lang::from(["ja", "vi"][*lang]);
                let needs = self.queues.get(&queue).map_or(vec![need("general", 1)], |q| q.needs_for(&lang));
                let since = Instant::from_nanos(now.as_nanos() - age * 1_000_000_000);
                let ticket = Ticket { class: *class, ..Ticket::plain(TicketId(self.tickets), queue, needs, lang, since) };
                self.arrive(ticket, self.tickets);
            }
            Happens::Move { which, queue } => {
                let Some(i) = pick(*which, self.waiting.len()) else { return };
                let (ticket, arrival) = self.waiting.values().nth(i).unwrap().clone();
                let queue = QueueId::from(QUEUES[*queue]);
                let needs = self.queues.get(&queue).map_or(vec![], |q| q.needs_for(&ticket.lang));
                self.arrive(Ticket { queue, needs, ..ticket }, arrival);
            }
            Happens::Abandon { which } => {
                let ids: Vec<TicketId> = self.waiting.keys().copied().collect();
                let Some(i) = pick(*which, ids.len()) else { return };
                self.waiting.remove(&ids[i]);
                self.ends(ids[i]);
                self.input(|acd| acd.abandon(now, ids[i]));
                assert!(!self.offers.values().any(|(t, ..)| *t == ids[i]), "the caller is gone, so the offer is withdrawn");
            }
            Happens::Answer { which } => {
                let Some(i) = pick(*which, self.offers.len()) else { return };
                let offer = *self.offers.keys().nth(i).unwrap();
                let (ticket, agent, _) = self.offers.remove(&offer).unwrap();
                let (ticket, arrival) = self.waiting.remove(&ticket).unwrap();
                let wrap_up = self.queues[&ticket.queue].wrap_up;
                self.talking.insert(agent, (ticket, arrival, wrap_up));
                assert!(self.input(|acd| acd.answered(now, offer)));
            }
            Happens::StaleAnswer { offer } => {
                if !self.offers.contains_key(&OfferId(*offer)) {
                    assert!(!self.input(|acd| acd.answered(now, OfferId(*offer))));
                }
            }
            Happens::Decline { which, how } => {
                let Some(i) = pick(*which, self.offers.len()) else { return };
                let offer = *self.offers.keys().nth(i).unwrap();
                let how = [OfferEnd::Declined, OfferEnd::Unreachable, OfferEnd::NoAnswer, OfferEnd::Withdrawn][*how];
                let (ticket, agent, _) = self.offers.remove(&offer).unwrap();
                let others = self.idle().iter().any(|other| self.fits(other, &self.waiting[&ticket].0));
                self.input(|acd| acd.declined(now, offer, how));
                let again = self.offers.values().any(|(t, a, _)| *t == ticket && *a == agent);
                assert!(!(again && others && how != OfferEnd::Withdrawn), "{agent} just missed {ticket:?}, and others fit");
            }
            Happens::Return { who } => {
                let agent = AgentId::from(PEOPLE[*who]);
                let Some((ticket, arrival, wrap_up)) = self.talking.remove(&agent) else { return };
                let id = ticket.id;
                self.waiting.insert(id, (ticket, arrival));
                self.wraps(&agent, wrap_up);
                self.input(|acd| acd.returned(now, id));
            }
            Happens::Finish { who } => {
                let agent = AgentId::from(PEOPLE[*who]);
                if let Some((ticket, _, wrap_up)) = self.talking.remove(&agent) {
                    self.ends(ticket.id);
                    self.wraps(&agent, wrap_up);
                }
                self.input(|acd| acd.finished(now, &agent));
            }
            Happens::Declare { who, change } => {
                let agent = AgentId::from(PEOPLE[*who]);
                if matches!(change, Change::Ready | Change::Break(_)) {
                    self.wrapping.remove(&agent);
                }
                match change {
                    Change::SignIn | Change::Resume(_) if self.agents.contains_key(&agent) => drop(self.signed_in.insert(agent.clone())),
                    Change::SignOut => drop(self.signed_in.remove(&agent)),
                    Change::SignIn | Change::Ready | Change::Break(_) | Change::Resume(_) => {}
                }
                self.input(|acd| acd.set_agent(now, &agent, change.clone()));
            }
            Happens::Wait { millis } => {
                // Time is told late: everything that was due in between happens in one input.
                self.now = now + Duration::from_millis(*millis);
                let at = self.now;
                self.input(|acd| acd.handle_timeout(at));
            }
            Happens::WaitForTimer => {
                let Some(at) = self.acd.poll_timeout() else { return };
                self.now = at;
                self.input(|acd| acd.handle_timeout(at));
            }
            Happens::Publish { version } => {
                let (queues, agents) = city(*version);
                for id in agents.keys() {
                    self.states.entry(id.clone()).or_default();
                }
                (self.queues, self.agents) = (queues.clone(), agents.clone());
                self.acd.publish(now, rules(&queues, &agents));
                for decision in std::iter::from_fn(|| self.acd.poll_output()).collect::<Vec<_>>() {
                    self.book(&decision);
                }
                self.states.retain(|id, state| agents.contains_key(id) || *state != AgentState::SignedOut);
                self.wrapping.retain(|id, _| agents.contains_key(id));
                self.signed_in.retain(|id| agents.contains_key(id));
            }
        }
        self.check(&rang_before);
    }

    fn wraps(&mut self, agent: &AgentId, wrap_up: Duration) {
        if self.agents.contains_key(agent) && !wrap_up.is_zero() {
            self.wrapping.insert(agent.clone(), self.now + wrap_up);
        }
    }

    fn arrive(&mut self, ticket: Ticket, arrival: u64) {
        let now = self.now;
        let id = ticket.id;
        let before = self.waiting.insert(id, (ticket.clone(), arrival));
        let has_place = before.is_some_and(|(before, _)| before.queue == ticket.queue);
        let expected = match self.queues.get(&ticket.queue) {
            None => Some(QueueEnd::Closed),
            Some(queue) => {
                let depth = self.waiting.values().filter(|(t, _)| t.queue == ticket.queue && t.id != id).count();
                // An agent whose phone rings for this very ticket (it moves) comes free with the move.
                let rings = self.offers.values().find(|(t, ..)| *t == id).map(|(_, a, _)| a.clone());
                let could = |a: &AgentId| {
                    let agent = &self.agents[a];
                    self.serves(agent, &ticket.queue).is_some()
                        && (0..=queue.relax.len()).any(|steps| has(agent, &after(&ticket, &queue.relax[..steps])))
                };
                if !self.signed_in.iter().any(could) {
                    Some(QueueEnd::NobodyLoggedIn)
                } else if !has_place
                    && depth >= queue.max_waiting as usize
                    && !self.idle().iter().chain(&rings).any(|a| self.fits(a, &ticket))
                {
                    Some(QueueEnd::Full)
                } else {
                    None
                }
            }
        };
        self.input(|acd| acd.enqueue(now, ticket.clone()));
        assert_eq!(self.waiting.contains_key(&id), expected.is_none(), "expected {expected:?}");
    }

    /// Everybody hangs up and goes home: nothing may be left.
    fn close(&mut self) {
        for who in 0..PEOPLE.len() {
            self.step(&Happens::Finish { who });
            self.step(&Happens::Declare { who, change: Change::SignOut });
        }
        while !self.waiting.is_empty() {
            self.step(&Happens::Abandon { which: 0 });
        }
        self.step(&Happens::Wait { millis: 3_600_000 });
        assert_eq!((self.acd.tickets(), self.acd.timers(), self.acd.poll_timeout()), (0, 0, None));
        assert!(self.offers.is_empty() && self.talking.is_empty());
        assert_eq!(self.ended.len() as u64, self.tickets, "every arrival ends");
        assert!(self.ended.values().all(|ends| *ends == 1), "exactly once");
    }
}

/// What a ticket asks after these easings.
fn after(ticket: &Ticket, easings: &[Relax]) -> Vec<Need> {
    let mut needs = ticket.needs.clone();
    for easing in easings {
        for need in &mut needs {
            if let Some(Some(level)) = easing.needs.get(&need.skill) {
                need.level = need.level.min(*level);
            }
        }
        needs.retain(|n| easing.needs.get(&n.skill) != Some(&None));
        if let Some(instead) = &easing.lang
            && let Some(i) = needs.iter().position(|n| n.skill == ticket.lang.skill())
        {
            needs.remove(i);
            needs.extend(instead.iter().map(|skill| Need { skill: skill.clone(), level: Level::SOME }));
        }
    }
    needs
}
fn has(agent: &Agent, needs: &[Need]) -> bool {
    needs.iter().all(|n| agent.skills.get(&n.skill).is_some_and(|level| *level >= n.level))
}
proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn a_random_day_keeps_every_promise(day in proptest::collection::vec(happens(), 1..160)) {
        let mut ledger = Ledger::new();
        for who in 0..PEOPLE.len() {
            ledger.step(&Happens::Declare { who, change: Change::SignIn });
        }
        for happens in &day {
            ledger.step(happens);
        }
        ledger.close();
    }
}
