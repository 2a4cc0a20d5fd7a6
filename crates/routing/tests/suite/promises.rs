//! What callers are told of their wait, over random days: a later end than before only with the reason that accounts for it.
//!
//! The auditor has its own book of what each caller was told and how things stood then, counts agents and callers itself, and works the
//! formula out term by term. It shares nothing with the code but the sums that a queue has learnt.

use crate::city::{person, queue};
use model::{AgentId, Estimate, Instant, OfferId, QueueId, Random, Rose, TicketId};
use routing::{Acd, Change, Claim, Decision, Learnt, Presence, Stage, State, Ticket};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const QUEUES: [&str; 2] = ["general", "nurse"];
const PEOPLE: [&str; 6] = ["aoi", "ema", "ken", "mio", "ren", "yuki"];
/// Of the people, those who are nurses; they help the general line. The others serve the general line only.
const NURSES: [&str; 3] = ["aoi", "mio", "yuki"];
/// Of the people, who serves both lines as their own.
const BOTH: &str = "aoi";

/// How things stood, as the auditor sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Facts {
    agents: u32,
    ahead: u32,
    handling_ms: u64,
    /// That this was learnt from.
    calls: f64,
    /// In 10^9 s of waiting.
    giving_up: u64,
    /// In millionths.
    share: u64,
    /// In millionths.
    own_time: u64,
}

/// The high end in seconds: nine of ten wait less. Every step by itself.
fn high_end(facts: &Facts) -> f64 {
    let speed = f64::from(facts.agents) * facts.share as f64 / 1e6 / (facts.handling_ms as f64 / 1e3);
    let steps = (0..=facts.ahead).map(|i| 1.0 / (speed + f64::from(i) * facts.giving_up as f64 / 1e9));
    let (mean, variance) = steps.fold((0.0, 0.0), |(mean, variance), step| (mean + step, variance + step * step));
    let ninth = (variance / mean / mean + 1.0 / facts.calls) / 9.0;
    mean * (1.0 - ninth + 1.281_551_565_5 * ninth.sqrt()).powi(3)
}

/// What is worse than it was, and how to set only that back.
type Word = (Rose, fn(&mut Facts, &Facts));

/// How many seconds longer the wait is for these.
fn longer_for(words: &[Word], then: &Facts, now: &Facts) -> f64 {
    let mut before = *now;
    words.iter().for_each(|(_, set_back)| set_back(&mut before, then));
    high_end(now) - high_end(&before)
}
fn explained(then: &Facts, now: &Facts) -> f64 {
    longer_for(&worse(then, now), then, now)
}
fn worse(then: &Facts, now: &Facts) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    if now.agents < then.agents {
        words.push((Rose::FewerAgents, |now, then| now.agents = then.agents));
    }
    if now.ahead > then.ahead {
        words.push((Rose::Overtaken, |now, then| now.ahead = then.ahead));
    }
    if now.handling_ms > then.handling_ms {
        words.push((Rose::LongerCalls, |now, then| now.handling_ms = then.handling_ms));
    }
    if now.giving_up < then.giving_up {
        words.push((Rose::FewerGiveUp, |now, then| now.giving_up = then.giving_up));
    }
    if now.own_time < then.own_time && now.share < then.share {
        words.push((Rose::OtherCalls, |now, then| now.share = then.share.min(now.share * then.own_time / now.own_time)));
    }
    words
}

/// What became of the questions of a day.
#[derive(Default, Debug)]
struct Tally {
    asked: u32,
    /// Not told for want of knowledge.
    unknown: u32,
    /// Not told because what was said lately did not hold.
    wrong: u32,
    /// Not told because the time told has passed, without a reason.
    passed: u32,
    /// Told again, with the same end or a sooner one.
    kept: u32,
    rose: BTreeMap<Rose, u32>,
    /// Of those that rose, how many stay below what would be estimated for somebody new.
    capped: u32,
}

struct Day {
    acd: Acd,
    now: Instant,
    random: Random,
    tickets: u64,
    /// How long calls are, in percent: it drifts over the day.
    length: u64,
    offers: BTreeMap<OfferId, (TicketId, AgentId)>,
    /// By ticket: the end told, and how things stood.
    book: BTreeMap<TicketId, (Instant, Facts)>,
    tally: Tally,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut queues = QUEUES.map(|id| {
            let mut queue = queue(id, &[(id, 1)]);
            (queue.max_waiting, queue.overtaken_max, queue.missed_max) = (1000, Duration::from_secs(1_000_000), 1000);
            queue.wrap_up = Duration::from_secs(10);
            queue
        });
        queues[0].helped_by = vec![QueueId::from("nurse")];
        let people = PEOPLE.map(|id| match (id, NURSES.contains(&id)) {
            (BOTH, _) => person(id, &[("nurse", 1), ("general", 1)], &[]),
            (_, true) => person(id, &[("nurse", 1)], &[]),
            (_, false) => person(id, &[("general", 1)], &[]),
        });
        let mut day = Day {
            acd: Acd::new(crate::city::rules(&crate::city::queues(&queues), &crate::city::agents(&people))),
            now: Instant::ZERO,
            random: Random::from_number(seed),
            tickets: 0,
            length: 100,
            offers: BTreeMap::new(),
            book: BTreeMap::new(),
            tally: Tally::default(),
        };
        for who in PEOPLE {
            day.does(|acd, now| acd.set_agent(now, &AgentId::from(who), Change::SignIn));
        }
        day
    }
    fn does<R>(&mut self, input: impl FnOnce(&mut Acd, Instant) -> R) -> R {
        let result = input(&mut self.acd, self.now);
        while let Some(decision) = self.acd.poll_output() {
            match decision {
                Decision::Offer { offer, ticket, agent, .. } => drop(self.offers.insert(offer, (ticket, agent))),
                Decision::Withdraw { offer, .. } => drop(self.offers.remove(&offer)),
                Decision::Agent { .. }
                | Decision::Placed { .. }
                | Decision::Refused { .. }
                | Decision::Waits { .. }
                | Decision::Repaired { .. } => {}
            }
        }
        result
    }
    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.random.below(all.len() as u64) as usize].clone())
    }
    /// Somebody does something.
    fn step(&mut self) {
        self.now += Duration::from_millis(self.random.below(8_000));
        self.does(|acd, now| acd.handle_timeout(now));
        let state = self.acd.state();
        let talking: Vec<AgentId> =
            state.agents.iter().filter(|(_, desk)| matches!(desk.stage, Stage::Talking { .. })).map(|(id, _)| id.clone()).collect();
        let waiting: Vec<Claim> = state.waiting;
        // Phones that ring are mostly answered, sometimes later.
        for offer in self.offers.keys().copied().collect::<Vec<_>>() {
            if self.random.below(10) < 8 {
                self.offers.remove(&offer);
                self.does(|acd, now| acd.answered(now, offer));
            }
        }
        let who = AgentId::from(PEOPLE[self.random.below(PEOPLE.len() as u64) as usize]);
        match self.random.below(100) {
            0..24 => {
                let queue = QUEUES[usize::from(self.random.below(3) == 0)];
                let class = if self.random.below(12) == 0 { 2 } else { 0 };
                self.tickets += 1;
                let (ticket, since) = (TicketId(self.tickets), self.now);
                let needs = vec![crate::city::need(queue, 1)];
                let ticket = Ticket { class, ..Ticket::plain(ticket, QueueId::from(queue), needs, "ja".into(), since) };
                self.does(|acd, now| acd.enqueue(now, ticket));
            }
            24..75 if self.random.below(self.length) < 50 => {
                if let Some(agent) = self.one_of(&talking) {
                    self.does(|acd, now| acd.finished(now, &agent));
                }
            }
            75..80 => {
                if let Some(claim) = self.one_of(&waiting) {
                    self.book.remove(&claim.ticket.id);
                    self.does(|acd, now| acd.abandon(now, claim.ticket.id));
                }
            }
            80..82 => self.does(|acd, now| acd.set_agent(now, &who, Change::Break(None))),
            82..87 => self.does(|acd, now| acd.set_agent(now, &who, Change::Ready)),
            87 => self.does(|acd, now| acd.set_agent(now, &who, Change::SignOut)),
            88..91 => self.does(|acd, now| acd.set_agent(now, &who, Change::SignIn)),
            91 => {
                if let Some(claim) = self.one_of(&waiting) {
                    self.does(|acd, now| acd.reprioritise(now, claim.ticket.id, 2, Duration::ZERO));
                }
            }
            92 => self.length = 50 + self.random.below(200),
            _ => {}
        }
    }

    /// Asks for everybody who waits, and tells some of them.
    fn audit(&mut self) {
        let state = self.acd.state();
        let ringing: BTreeSet<TicketId> = state
            .agents
            .values()
            .filter_map(|desk| if let Stage::Offered { ticket, .. } = desk.stage { Some(ticket) } else { None })
            .collect();
        for claim in &state.waiting {
            let id = claim.ticket.id;
            let learnt = state.learnt.get(&claim.ticket.queue).cloned().unwrap_or_default();
            let facts = facts(&learnt, &state, claim, &ringing);
            let unknown = learnt.finished < 20 || facts.agents == 0 || ringing.contains(&id);
            let wrong = learnt.judged >= 24 << 20 && learnt.held * 100 < learnt.judged * 60;
            self.tally.asked += 1;
            let wait = self.acd.expected_wait(self.now, id);
            assert!(wait.is_none() || !unknown && !wrong, "{id:?}: {wait:?}, of {learnt:?}");
            let Some(estimate) = wait else {
                if !unknown && !wrong {
                    let (by, then) = self.book.get(&id).unwrap_or_else(|| panic!("{id:?} might have been told of {facts:?}"));
                    let explained = explained(then, &facts);
                    let over = explained < 1.0 || self.now.since(*by).as_secs_f64() > explained - 0.05;
                    assert!(
                        *by <= self.now + Duration::from_millis(1) && over,
                        "{id:?} might have been told: {explained} s from {then:?} to {facts:?}"
                    );
                    self.tally.passed += 1;
                }
                self.tally.unknown += u32::from(unknown);
                self.tally.wrong += u32::from(wrong && !unknown);
                continue;
            };
            let end = self.now + Duration::from(estimate.high);
            self.check(id, &estimate, &facts);
            if self.random.below(3) == 0 {
                self.does(|acd, now| acd.told(now, id, estimate));
                let sooner = self.book.get(&id).is_none_or(|(by, _)| by.since(end) >= Duration::from_millis(1));
                if estimate.high >= Estimate::BEYOND {
                    self.book.remove(&id);
                } else if sooner || estimate.rose.is_some() {
                    self.book.insert(id, (end, facts));
                }
            }
        }
    }

    fn check(&mut self, id: TicketId, estimate: &Estimate, facts: &Facts) {
        let (fresh, told) = (high_end(facts), Duration::from(estimate.high).as_secs_f64());
        assert!(estimate.low <= estimate.high, "{id:?}: {estimate:?}");
        let Some((by, then)) = self.book.get(&id) else {
            assert_eq!(estimate.rose, None, "{id:?} was told nothing before");
            assert!((told - fresh.min(3600.0)).abs() < 0.05, "{id:?}: {told} s is told, and {fresh} s is worked out from {facts:?}");
            return;
        };
        let rise = told - by.since(self.now).as_secs_f64() + self.now.since(*by).as_secs_f64();
        if rise < 0.05 {
            self.tally.kept += 1;
            return;
        }
        let worse = worse(then, facts);
        let without = |words: &[Word]| longer_for(words, then, facts);
        let story = format!("{id:?}: {rise:.1} s later for {:?}; then {then:?}, now {facts:?}", estimate.rose);
        let named = estimate.rose.unwrap_or_else(|| panic!("no reason. {story}"));
        let named = worse.iter().find(|(rose, _)| *rose == named).unwrap_or_else(|| panic!("that is no worse. {story}"));
        assert!(rise <= without(&worse) + 0.05, "of that, {:.1} s have a reason. {story}", without(&worse));
        let most = worse.iter().map(|word| without(&[*word])).fold(0.0, f64::max);
        assert!(without(&[*named]) >= most - 0.05, "another reason accounts for {most:.1} s. {story}");
        *self.tally.rose.entry(named.0).or_default() += 1;
        self.tally.capped += u32::from(told < fresh - 0.05);
    }
}

/// How things stand for one who waits.
fn facts(learnt: &Learnt, state: &State, claim: &Claim, ringing: &BTreeSet<TicketId>) -> Facts {
    let queue = &claim.ticket.queue;
    let serves = |who: &str| if queue.as_str() == "nurse" { NURSES.contains(&who) } else { true };
    let there = |(who, desk): &(&AgentId, &routing::Desk)| serves(who.as_str()) && desk.signed_in && desk.presence == Presence::Ready;
    let before = |other: &&Claim| {
        let rank = |claim: &Claim| (3 - claim.ticket.class, claim.ticket.since, claim.arrival);
        other.ticket.queue == *queue && rank(other) < rank(claim) && !ringing.contains(&other.ticket.id)
    };
    let Learnt { handled, handled_calls, waited, abandoned, own, all, manned, moved, .. } = learnt.clone();
    let [handled, waited, own, all, manned] = [handled, waited, own, all, manned].map(|micros| micros as f64 / 1e6);
    let [handled_calls, abandoned, moved] = [handled_calls, abandoned, moved].map(|calls| calls as f64 / f64::from(1 << 20));
    let (handling, own_time) = (handled / handled_calls, own / all);
    Facts {
        agents: state.agents.iter().filter(there).count() as u32,
        ahead: state.waiting.iter().filter(before).count() as u32,
        handling_ms: (handling * 1e3).round() as u64,
        calls: handled_calls.floor().max(1.0),
        giving_up: if waited > 0.0 { (abandoned / waited * 1e9).round() as u64 } else { 0 },
        share: ((moved + 16.0) / (manned / handling + 16.0 / own_time) * 1e6).round() as u64,
        own_time: (own_time * 1e6).round() as u64,
    }
}

#[test]
fn on_random_days_no_caller_is_told_a_later_end_without_the_reason_that_accounts_for_it() {
    let mut whole = Tally::default();
    for seed in 0..40 {
        let mut day = Day::new(seed);
        for step in 0..2000 {
            day.step();
            if step % 3 == 0 {
                day.audit();
            }
        }
        day.acd.audit().unwrap();
        let Tally { asked, unknown, wrong, passed, kept, rose, capped } = day.tally;
        (whole.asked, whole.unknown) = (whole.asked + asked, whole.unknown + unknown);
        (whole.wrong, whole.passed) = (whole.wrong + wrong, whole.passed + passed);
        (whole.kept, whole.capped) = (whole.kept + kept, whole.capped + capped);
        rose.into_iter().for_each(|(word, times)| *whole.rose.entry(word).or_default() += times);
    }
    println!("{whole:?}");
    assert!(whole.kept > 10_000 && whole.capped > 1_000 && whole.passed > 1_000, "{whole:?}");
    for word in [Rose::FewerAgents, Rose::Overtaken, Rose::LongerCalls, Rose::OtherCalls] {
        assert!(whole.rose.get(&word).is_some_and(|times| *times >= 50), "{word:?} is hardly tried: {whole:?}");
    }
}
