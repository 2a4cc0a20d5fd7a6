//! The same day at depth *queue*: callers and agents meet in the real routing, and nothing else of the engine is there.

use super::{Scenario, Trouble};
use model::{AgentId, AgentState, Instant, Lang, OfferEnd, OfferId, QueueId, Random, TicketId};
use routing::{Acd, Change, Decision, Rules, Ticket};
use std::collections::BTreeMap;
use std::time::Duration;

/// What became of everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tries that came to a queue.
    pub queued: u64,
    /// Of these, served.
    pub served: u64,
    /// Of these, given up.
    pub abandoned: u64,
    /// Of these, not taken by the queue.
    pub refused: u64,
    /// Sum of the waits of the served, from their place to the answer.
    pub waited: Duration,
    /// Things done.
    pub steps: u64,
}

#[derive(Clone, Debug)]
enum What {
    Queues { caller: usize, again: u32 },
    GivesUp(TicketId),
    Answers(OfferId),
    Declines(OfferId),
    HangsUp(AgentId),
    Declares(AgentId, Change),
}

struct Run<'a> {
    scenario: &'a Scenario,
    acd: Acd,
    now: Instant,
    plan: BTreeMap<(Instant, u64), What>,
    serial: u64,
    random: Random,
    /// Who waits: the caller, the how-manieth try, and since when.
    waiting: BTreeMap<TicketId, (usize, u32, Instant)>,
    offers: BTreeMap<OfferId, (TicketId, AgentId)>,
    tally: Tally,
}

impl Scenario {
    /// Lets the day happen among callers and agents alone. Troubles of machines and networks have no meaning here; phones that vanish do.
    ///
    /// # Panics
    /// When the ACD contradicts itself: with the seed, the time and what it was.
    pub fn run_queue(&self) -> Tally {
        let city = super::declared(self.town);
        let rules = Rules { queues: city.book.queues.clone(), agents: city.book.agents.clone(), lines: city.book.places() };
        let mut run = Run {
            scenario: self,
            acd: Acd::new(rules),
            now: Instant::ZERO,
            plan: BTreeMap::new(),
            serial: 0,
            random: Random::from_number(self.seed ^ 0x7175_6575),
            waiting: BTreeMap::new(),
            offers: BTreeMap::new(),
            tally: Tally::default(),
        };
        run.fill();
        while run.step() {}
        run.tally
    }
}

impl Run<'_> {
    fn fill(&mut self) {
        for shift in &self.scenario.shifts {
            let agent = AgentId::from(shift.agent);
            self.plan(shift.comes, What::Declares(agent.clone(), Change::SignIn));
            for (at, lasts) in &shift.breaks {
                self.plan(*at, What::Declares(agent.clone(), Change::Break(None)));
                self.plan(*at + *lasts, What::Declares(agent.clone(), Change::Ready));
            }
            if let Some(goes) = shift.goes {
                self.plan(goes, What::Declares(agent, Change::SignOut));
            }
        }
        for (at, what) in &self.scenario.troubles {
            if let Trouble::PhoneVanishes(agent) = what {
                self.plan(*at, What::Declares(AgentId::from(*agent), Change::SignOut));
                self.plan(*at + Duration::from_secs(600), What::Declares(AgentId::from(*agent), Change::SignIn));
            }
        }
        for (n, caller) in self.scenario.callers.iter().enumerate() {
            self.plan(caller.at + caller.to_queue(), What::Queues { caller: n, again: 0 });
        }
    }

    fn plan(&mut self, at: Duration, what: What) {
        self.plan_at(Instant::ZERO + at, what);
    }
    fn plan_at(&mut self, at: Instant, what: What) {
        self.serial += 1;
        self.plan.insert((at, self.serial), what);
    }

    /// The next thing of the plan, or of the ACD's timers; false when there is none.
    fn step(&mut self) -> bool {
        let planned = self.plan.first_key_value().map(|((at, _), _)| *at);
        match (planned, self.acd.poll_timeout()) {
            (None, None) => return false,
            (None, Some(due)) => self.timeout(due),
            (Some(at), Some(due)) if due <= at => self.timeout(due),
            (Some(_), _) => {
                if let Some(((at, _), what)) = self.plan.pop_first() {
                    self.now = self.now.max(at);
                    self.happens(what);
                }
            }
        }
        self.tally.steps += 1;
        while let Some(decision) = self.acd.poll_output() {
            self.hears(decision);
        }
        if let Err(fault) = self.acd.audit() {
            panic!("seed {}, at {:?}: {fault}", self.scenario.seed, self.now);
        }
        true
    }

    fn timeout(&mut self, due: Instant) {
        self.now = self.now.max(due);
        self.acd.handle_timeout(self.now);
    }

    fn happens(&mut self, what: What) {
        let now = self.now;
        match what {
            What::Queues { caller: n, again } => {
                let Some(caller) = self.scenario.callers.get(n) else { return };
                let Some(queue) = caller.wants else { return };
                self.tally.queued += 1;
                let id = TicketId(self.tally.queued);
                let lang = Lang::from("ja");
                let needs = vec![
                    model::Need { skill: queue.into(), level: model::Level::SOME },
                    model::Need { skill: lang.skill(), level: model::Level::SOME },
                ];
                self.waiting.insert(id, (n, again, now));
                self.plan_at(now + caller.patience.saturating_sub(caller.to_queue()), What::GivesUp(id));
                self.acd.enqueue(now, Ticket::plain(id, QueueId::from(queue), needs, lang, now));
            }
            What::GivesUp(ticket) => {
                if let Some((caller, again, _)) = self.waiting.remove(&ticket) {
                    self.tally.abandoned += 1;
                    self.acd.abandon(now, ticket);
                    self.calls_again(caller, again);
                }
            }
            What::Answers(offer) => {
                let Some((ticket, agent)) = self.offers.remove(&offer) else { return };
                if self.acd.answered(now, offer)
                    && let Some((caller, _, since)) = self.waiting.remove(&ticket)
                {
                    self.tally.served += 1;
                    self.tally.waited += now.since(since);
                    let talk = self.scenario.callers.get(caller).map_or(Duration::ZERO, |caller| caller.talk);
                    self.plan_at(now + talk, What::HangsUp(agent));
                }
            }
            What::Declines(offer) => {
                self.offers.remove(&offer);
                self.acd.declined(now, offer, OfferEnd::Declined);
            }
            What::HangsUp(agent) => self.acd.finished(now, &agent),
            What::Declares(agent, change) => self.acd.set_agent(now, &agent, change),
        }
    }

    fn hears(&mut self, decision: Decision) {
        match decision {
            Decision::Offer { offer, ticket, agent, .. } => {
                let habits = self.scenario.shifts.iter().find(|shift| shift.agent == agent.as_str()).map(|shift| shift.habits);
                if let Some(habits) = habits
                    && self.random.below(1000) >= u64::from(habits.misses_per_mille)
                {
                    let takes = habits.slowest.saturating_sub(habits.quickest).mul_f64(self.random.unit());
                    self.plan_at(self.now + habits.quickest + takes, What::Answers(offer));
                } else if habits.is_none() {
                    self.plan_at(self.now, What::Declines(offer));
                }
                self.offers.insert(offer, (ticket, agent));
            }
            Decision::Withdraw { offer, .. } => drop(self.offers.remove(&offer)),
            Decision::Refused { ticket, .. } => {
                if let Some((caller, again, _)) = self.waiting.remove(&ticket) {
                    self.tally.refused += 1;
                    self.calls_again(caller, again);
                }
            }
            // Who does not respond comes back after a cup of tea.
            Decision::Agent { agent, to: AgentState::NotResponding, .. } => {
                self.plan_at(self.now + super::TEA, What::Declares(agent, Change::Ready));
            }
            Decision::Agent { .. } | Decision::Placed { .. } | Decision::Waits { .. } | Decision::Repaired { .. } => {}
        }
    }

    fn calls_again(&mut self, n: usize, again: u32) {
        let Some(caller) = self.scenario.callers.get(n) else { return };
        if let Some(plan) = caller.again.filter(|plan| again < plan.times) {
            self.plan_at(self.now + plan.after + caller.to_queue(), What::Queues { caller: n, again: again + 1 });
        }
    }
}
