//! The automatic call distributor: the one place where it is decided who takes whom.

use crate::desk::{Change, Desk, Stage};
use crate::line::{Line, Waiting};
use crate::needs::Asked;
use crate::why::{passed_over, serves};
use crate::{Claim, Decision, Rules, Seen, State, Ticket, matching};
use model::{
    Agent, AgentId, AgentState, ChooseAgent, Estimate, Instant, LegId, Level, LineId, Millis, OfferEnd, OfferId, Queue, QueueEnd,
    QueueFacts, QueueId, QueueNow, TicketId, Why,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Agents, queues and who waits. Contract: one input, then [`Acd::poll_output`] until `None`, then the next.
///
/// Each input first lets expire what is due, then does its own work, then matches once. The matching looks only at pairs of which one
/// side changed: after each input nobody idle is left who fits somebody waiting, so the other pairs cannot have become one.
/// Inputs about unknown tickets, offers or agents are ignored: they are late, not wrong.
#[derive(Clone, Debug, Default)]
pub struct Acd {
    queues: BTreeMap<QueueId, Queue>,
    agents: BTreeMap<AgentId, Agent>,
    /// The agents of the city, and those removed from it who are still in a call.
    desks: BTreeMap<AgentId, Desk>,
    /// Places of each line.
    lines: BTreeMap<LineId, u32>,
    /// Places taken, by whom.
    taken: BTreeMap<LineId, BTreeSet<LegId>>,
    line: Line,
    /// Every running timer; each follows from a desk or a waiting ticket.
    timers: BTreeSet<(Instant, Timer)>,
    clock: Instant,
    offers_made: u64,
    arrivals: u64,
    /// Agents who became idle in this input.
    freed: BTreeSet<AgentId>,
    /// Tickets that became eligible, or wider, in this input.
    fresh: BTreeSet<TicketId>,
    /// Empty between inputs; within one, at most a few entries per agent and ticket.
    out: VecDeque<Decision>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A phone has rung out, or after-call work is over.
    Desk(AgentId),
    /// A ticket's next easing.
    Easing(TicketId),
}

impl Acd {
    /// A quiet ACD: everybody signed out, nobody waiting.
    pub fn new(rules: Rules) -> Self {
        let Rules { queues, agents, lines } = rules;
        let desks = agents.keys().map(|id| (id.clone(), Desk::default())).collect();
        Acd { queues, agents, lines, desks, ..Acd::default() }
    }

    /// A changed city. Tickets of a removed queue are refused as closed; a removed agent finishes the call; changed skills, needs and
    /// easings count from this decision on. Ring times and after-call work that already run are not changed.
    pub fn publish(&mut self, now: Instant, rules: Rules) {
        self.expire(now);
        Rules { queues: self.queues, agents: self.agents, lines: self.lines } = rules;
        self.settle();
        self.decide();
    }

    /// A ticket takes its place, or is refused. The same id again moves the ticket: an offer that rings is withdrawn, the age and the
    /// arrival stay.
    pub fn enqueue(&mut self, now: Instant, ticket: Ticket) {
        self.expire(now);
        let claim = match self.take(ticket.id) {
            Some(before) => Claim { ticket: Ticket { since: ticket.since.min(before.ticket.since), ..ticket }, ..before },
            None => {
                self.arrivals = self.arrivals.saturating_add(1);
                Claim { ticket, arrival: self.arrivals, missed_by: Vec::new(), held: false }
            }
        };
        let (ticket, queue) = (claim.ticket.id, claim.ticket.queue.clone());
        match self.refusal(&claim) {
            Some(why) => self.out.push_back(Decision::Refused { ticket, queue, why }),
            None => {
                self.wait(claim);
                let position = self.line.position(ticket).unwrap_or(1);
                self.out.push_back(Decision::Placed { ticket, queue, position });
            }
        }
        self.decide();
    }

    /// Why this ticket would not be given a place, if it asked now.
    pub fn refuses(&self, ticket: &Ticket) -> Option<QueueEnd> {
        self.refusal(&Claim { ticket: ticket.clone(), arrival: self.arrivals, missed_by: Vec::new(), held: false })
    }

    /// Somebody who had a place, and was to be put through elsewhere in vain, is back at their age: before everybody younger, and whatever
    /// room there is.
    pub fn readmit(&mut self, now: Instant, ticket: Ticket) {
        self.expire(now);
        if self.take(ticket.id).is_none() {
            self.arrivals = self.arrivals.saturating_add(1);
        }
        self.wait_or_close(Claim { arrival: self.arrivals, ticket, missed_by: Vec::new(), held: false });
        self.decide();
    }

    /// The caller is gone or has stepped away; an offer that rings is withdrawn. While the caller talks: the ticket is over, the agent
    /// stays in the call until [`Acd::finished`].
    pub fn abandon(&mut self, now: Instant, ticket: TicketId) {
        self.expire(now);
        self.take(ticket);
        self.decide();
    }

    /// The agent's phone was answered. `false`: this offer is over, and the answer comes too late; hang up.
    pub fn answered(&mut self, now: Instant, offer: OfferId) -> bool {
        let now = self.expire(now);
        let taken = self.offered(offer).and_then(|(agent, ticket)| Some((agent, self.leave(ticket)?)));
        if let Some((agent, waiting)) = &taken {
            let wrap_up = self.queues.get(&waiting.claim.ticket.queue).map(|q| q.wrap_up).unwrap_or_default();
            let claim = Some(waiting.claim.clone());
            self.alter(agent, now, |desk| desk.stage = Stage::Talking { claim, since: now, wrap_up });
        }
        self.decide();
        taken.is_some()
    }

    /// The agent's phone did not take the offer. `NoAnswer`, `Declined` and `Unreachable` count as missed; with `Withdrawn` nobody is at
    /// fault. The ticket is back at its place.
    pub fn declined(&mut self, now: Instant, offer: OfferId, how: OfferEnd) {
        let now = self.expire(now);
        if let Some((agent, ticket)) = self.offered(offer) {
            let missed = match how {
                OfferEnd::NoAnswer | OfferEnd::Declined | OfferEnd::Unreachable => true,
                OfferEnd::Withdrawn | OfferEnd::Answered => false,
            };
            self.end_offer(now, &agent, ticket, missed);
        }
        self.decide();
    }

    /// The agent's leg was lost and the caller is still there: the ticket waits again at its age, and is not asked of the same agent if
    /// another fits. The agent has after-call work, as after each call, and one missed offer more. Instead of [`Acd::finished`], or before it.
    pub fn returned(&mut self, now: Instant, ticket: TicketId) {
        let now = self.expire(now);
        let with = self.desks.iter().find(|(_, desk)| desk.caller().is_some_and(|c| c.ticket.id == ticket));
        if let Some(agent) = with.map(|(id, _)| id.clone()) {
            let limit = self.desks[&agent].caller().map_or(1, |claim| self.missed_max(&claim.ticket.queue));
            let claim = self.alter(&agent, now, |desk| {
                desk.miss(limit);
                desk.hang_up(now)
            });
            if let Some(mut claim) = claim.flatten() {
                claim.missed(&agent);
                self.wait_or_close(claim);
            }
        }
        self.decide();
    }

    /// The agent's leg is down after a call: after-call work begins.
    pub fn finished(&mut self, now: Instant, agent: &AgentId) {
        let now = self.expire(now);
        if self.desks.get(agent).is_some_and(|desk| desk.state() == AgentState::Talking) {
            self.alter(agent, now, |desk| {
                desk.missed = 0;
                desk.hang_up(now);
            });
        }
        self.decide();
    }

    /// What an agent, or the agent's phone, declares.
    pub fn set_agent(&mut self, now: Instant, agent: &AgentId, change: Change) {
        let now = self.expire(now);
        if self.agents.contains_key(agent) {
            match change {
                Change::SignOut | Change::Break => self.withdraw(agent),
                Change::SignIn | Change::Ready => {}
            }
            self.alter(agent, now, |desk| desk.declare(change));
        }
        self.decide();
    }

    /// The ticket keeps its place and age and is offered to nobody, until [`Acd::release`]; an offer that rings is withdrawn.
    pub fn hold(&mut self, now: Instant, ticket: TicketId) {
        self.expire(now);
        let _ = ticket;
        self.decide();
    }

    /// A held ticket competes again, at its age.
    pub fn release(&mut self, now: Instant, ticket: TicketId) {
        self.expire(now);
        let _ = ticket;
        self.decide();
    }

    /// Another urgency: class, and bonus on top of the age.
    pub fn reprioritise(&mut self, now: Instant, ticket: TicketId, class: u8, bonus: Duration) {
        self.expire(now);
        let _ = (ticket, class, bonus);
        self.decide();
    }

    /// An agent begins a call of their own (a call back to the last caller). `false`: they are not free for it. [`Acd::finished`] ends
    /// it, without after-call work.
    pub fn engage(&mut self, now: Instant, agent: &AgentId) -> bool {
        self.expire(now);
        let _ = agent;
        self.decide();
        false
    }

    /// Takes one place of a line for a leg. `false`: all are taken, or there is no such line. Asking again for the same leg takes no more.
    pub fn seize(&mut self, line: &LineId, leg: LegId) -> bool {
        let lines = self.lines.get(line).copied().unwrap_or(0) as usize;
        let used = self.taken.get(line).map_or(0, BTreeSet::len);
        let held = self.taken.get(line).is_some_and(|legs| legs.contains(&leg));
        if !held && used >= lines {
            return false;
        }
        self.taken.entry(line.clone()).or_default().insert(leg);
        true
    }

    /// Gives back whatever a leg has taken.
    pub fn give_back(&mut self, leg: LegId) {
        self.taken.retain(|_, legs| {
            legs.remove(&leg);
            !legs.is_empty()
        });
    }

    /// Every line with places: taken ones, and all.
    pub fn lines(&self) -> impl Iterator<Item = (&LineId, u32, u32)> {
        self.lines.iter().map(|(line, all)| (line, self.taken.get(line).map_or(0, |legs| legs.len() as u32), *all))
    }

    /// The legs that have taken a place.
    pub fn takers(&self) -> impl Iterator<Item = (&LineId, LegId)> {
        self.taken.iter().flat_map(|(line, legs)| legs.iter().map(move |leg| (line, *leg)))
    }

    /// How long a waiting ticket will still wait; `None` when it cannot be told.
    pub fn expected_wait(&self, now: Instant, ticket: TicketId) -> Option<Estimate> {
        let _ = (now, ticket);
        None
    }

    /// A queue as a flow may ask about it, for a caller of this language; `None` when there is no such queue.
    pub fn facts(&self, now: Instant, queue: &QueueId) -> Option<QueueFacts> {
        let _ = (now, queue);
        None
    }

    /// Compares each desk with what is known of the agent's phone and calls; puts right what differs and says so
    /// ([`Decision::Repaired`]).
    pub fn reconcile(&mut self, now: Instant, seen: &BTreeMap<AgentId, Seen>) {
        self.expire(now);
        let _ = seen;
        self.decide();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire(now);
        self.decide();
    }

    /// The next decision; `None` when all is said.
    pub fn poll_output(&mut self) -> Option<Decision> {
        self.out.pop_front()
    }

    /// When [`Acd::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Every agent and what they are doing, in the order of their names. Somebody removed from the city is here until the call is over.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentId, AgentState)> {
        self.desks.iter().map(|(id, desk)| (id, desk.state()))
    }

    /// Every queue as it stands, in the order of their names.
    pub fn queues(&self, now: Instant) -> Vec<QueueNow> {
        let as_it_stands = |queue: &QueueId| QueueNow {
            queue: queue.clone(),
            depth: self.line.depth(queue) as u64,
            longest_wait_millis: self.line.eldest(queue).map_or(0, |since| Millis::from(now.since(since)).0),
        };
        self.queues.keys().map(as_it_stands).collect()
    }

    /// A ticket's place in its queue, from 1, those being offered included. `None` when it does not wait.
    pub fn position(&self, ticket: TicketId) -> Option<u32> {
        self.line.position(ticket)
    }

    /// Tickets waiting or offered.
    pub fn tickets(&self) -> usize {
        self.line.len()
    }

    /// Running timers. None when nobody waits, no phone rings and no after-call work runs.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Everything that cannot be worked out again.
    pub fn state(&self) -> State {
        State {
            clock: self.clock,
            offers_made: self.offers_made,
            arrivals: self.arrivals,
            agents: self.desks.clone(),
            waiting: self.line.iter().map(|w| w.claim.clone()).collect(),
            taken: self.taken.clone(),
        }
    }

    /// The ACD as it was. Where the city differs from the one that `state` comes from, the difference takes effect as if published; its
    /// decisions are to be drained first.
    pub fn restore(rules: Rules, state: State) -> Self {
        let Rules { queues, agents, lines } = rules;
        let State { clock, offers_made, arrivals, agents: desks, waiting, taken } = state;
        let mut acd = Acd { queues, agents, lines, desks, clock, offers_made, arrivals, taken, ..Acd::default() };
        let desk_timers = acd.desks.iter().filter_map(|(id, desk)| Some((desk.deadline()?, Timer::Desk(id.clone()))));
        acd.timers.extend(desk_timers);
        for claim in waiting {
            // An offer of a ticket that its queue no longer holds ends in `settle`, when the desk's ticket is not found.
            acd.wait_or_close(claim);
        }
        acd.settle();
        acd.decide();
        acd
    }

    /// Compares what must agree; the error says what does not. For tests, the simulator, and the edge after a fault of ours.
    ///
    /// # Errors
    /// The first disagreement, as a sentence.
    pub fn audit(&self) -> Result<(), String> {
        if !self.line.is_sound() {
            return Err("the queues and their order do not hold the same tickets".to_owned());
        }
        let mut offered = BTreeSet::new();
        for (agent, desk) in &self.desks {
            if let Some((offer, ticket)) = desk.offer() {
                if self.line.get(ticket).is_none() {
                    return Err(format!("offer {offer} rings at {agent} for ticket {ticket}, which does not wait"));
                }
                if !offered.insert(ticket) {
                    return Err(format!("ticket {ticket} is offered to two agents, one of them {agent}"));
                }
            }
        }
        let due = self.desks.iter().filter_map(|(id, desk)| Some((desk.deadline()?, Timer::Desk(id.clone()))));
        let easings = self.line.iter().filter_map(|w| Some((w.eases?, Timer::Easing(w.claim.ticket.id))));
        if self.timers != due.chain(easings).collect() {
            return Err("the running timers are not those of the desks and the tickets".to_owned());
        }
        for waiting in self.line.iter().filter(|w| !offered.contains(&w.claim.ticket.id)) {
            if let Some(agent) = self.agents.values().find(|agent| self.is_idle(&agent.id) && fits(agent, waiting)) {
                return Err(format!("{} is idle and fits ticket {}, which waits", agent.id, waiting.claim.ticket.id));
            }
        }
        Ok(())
    }

    /// Lets everything happen that is due. Gives the time that counts: time never runs backwards here.
    fn expire(&mut self, now: Instant) -> Instant {
        self.clock = self.clock.max(now);
        let now = self.clock;
        while let Some((at, _)) = self.timers.first()
            && *at <= now
            && let Some((at, timer)) = self.timers.pop_first()
        {
            match timer {
                Timer::Easing(ticket) => self.refresh(ticket),
                Timer::Desk(agent) => match self.desks.get(&agent).and_then(Desk::offer) {
                    Some((offer, ticket)) => {
                        self.out.push_back(Decision::Withdraw { offer, ticket, agent: agent.clone(), how: OfferEnd::NoAnswer });
                        self.end_offer(at, &agent, ticket, true);
                    }
                    // After-call work is over at its deadline, however late we are told of it.
                    None => {
                        self.alter(&agent, at, Desk::end_wrap_up);
                    }
                },
            }
        }
        now
    }

    /// The one decision point: brings waiting tickets and idle agents together until nothing more fits.
    fn decide(&mut self) {
        let now = self.clock;
        let (freed, fresh) = (std::mem::take(&mut self.freed), std::mem::take(&mut self.fresh));
        let idle: Vec<(&Agent, &Desk)> = self
            .desks
            .iter()
            .filter(|(_, d)| d.state() == AgentState::Idle)
            .filter_map(|(id, d)| Some((self.agents.get(id)?, d)))
            .collect();
        if idle.is_empty() || (freed.is_empty() && fresh.is_empty()) {
            return;
        }
        let everyone: Vec<usize> = (0..idle.len()).collect();
        let just_freed: Vec<usize> = everyone.iter().copied().filter(|i| freed.contains(&idle[*i].0.id)).collect();
        let offered: BTreeSet<TicketId> = self.desks.values().filter_map(|d| Some(d.offer()?.1)).collect();

        let (mut asking, mut wishes) = (Vec::new(), Vec::new());
        for waiting in self.line.iter().filter(|w| !offered.contains(&w.claim.ticket.id)) {
            let pool = if fresh.contains(&waiting.claim.ticket.id) { &everyone } else { &just_freed };
            let mut wish: Vec<usize> = pool.iter().copied().filter(|i| fits(idle[*i].0, waiting)).collect();
            if let Some(queue) = self.queues.get(&waiting.claim.ticket.queue)
                && !wish.is_empty()
            {
                wish.sort_by_cached_key(|i| preference(idle[*i], waiting, queue));
                asking.push(waiting);
                wishes.push(wish);
            }
        }
        let rank = |agent: usize, caller: usize| {
            let place = asking[caller].claim.place();
            (place.class, serves(idle[agent].0, &asking[caller].claim.ticket.queue), place)
        };
        let pairs = matching::pair(&wishes, idle.len(), rank);
        let mut pairs: Vec<(&Waiting, AgentId)> =
            asking.iter().zip(pairs).filter_map(|(waiting, agent)| Some((*waiting, idle[agent?].0.id.clone()))).collect();
        pairs.sort_by_key(|(waiting, _)| waiting.claim.place());
        let pairs: Vec<(TicketId, AgentId)> = pairs.into_iter().map(|(waiting, agent)| (waiting.claim.ticket.id, agent)).collect();
        self.offer(now, &pairs);
    }

    /// Rings the phones. All desks move before the first reason is worked out, so that no reason calls somebody idle who is not.
    fn offer(&mut self, now: Instant, pairs: &[(TicketId, AgentId)]) {
        let mut rung = Vec::new();
        for (ticket, agent) in pairs {
            let Some(queue) = self.line.get(*ticket).and_then(|w| self.queues.get(&w.claim.ticket.queue)) else { continue };
            let (queue, ring_for) = (queue.id.clone(), queue.ring_for);
            let Some(desk) = self.desks.get_mut(agent) else { continue };
            self.offers_made = self.offers_made.saturating_add(1);
            let (offer, until) = (OfferId(self.offers_made), now + ring_for);
            desk.stage = Stage::Offered { offer, ticket: *ticket, until };
            self.timers.insert((until, Timer::Desk(agent.clone())));
            rung.push((offer, *ticket, agent, queue, ring_for, now.since(desk.idle_since)));
        }
        for (offer, ticket, agent, queue, ring_for, idle) in rung {
            let Some(waiting) = self.line.get(ticket) else { continue };
            let passed_over = passed_over(agent, waiting, &self.agents, &self.desks);
            let why = Why { relax_step: waiting.asked.relax_step, idle_millis: Millis::from(idle).0, passed_over, ..Why::default() };
            self.out.push_back(Decision::Offer { offer, ticket, queue, agent: agent.clone(), ring_for, why });
            self.out.push_back(Decision::Agent { agent: agent.clone(), from: AgentState::Idle, to: AgentState::Offered });
        }
    }

    /// Why a claim may not wait in its queue. A full queue still takes a caller whom somebody can serve at once: such a caller does not wait.
    fn refusal(&self, claim: &Claim) -> Option<QueueEnd> {
        let ticket = &claim.ticket;
        let Some(queue) = self.queues.get(&ticket.queue) else { return Some(QueueEnd::Closed) };
        let in_the_end = Asked::in_the_end(&ticket.needs, &ticket.lang, queue);
        let could = |agent: &&Agent| serves(agent, &queue.id).is_some() && in_the_end.fits(&agent.skills);
        if !self.agents.values().filter(|a| self.desks.get(&a.id).is_some_and(|d| d.signed_in)).any(|a| could(&a)) {
            return Some(QueueEnd::NobodyLoggedIn);
        }
        let asked = Asked::at(&ticket.needs, &ticket.lang, queue, self.clock.since(ticket.since));
        let can = |agent: &Agent| serves(agent, &queue.id).is_some() && asked.fits(&agent.skills);
        let full = self.line.depth(&queue.id) >= usize::try_from(queue.max_waiting).unwrap_or(usize::MAX);
        (full && !self.agents.values().any(|a| self.is_idle(&a.id) && can(a))).then_some(QueueEnd::Full)
    }

    /// Puts a claim into its queue.
    fn wait(&mut self, claim: Claim) {
        if let Some(queue) = self.queues.get(&claim.ticket.queue) {
            let ticket = claim.ticket.id;
            self.line.insert(self.clock, claim, queue);
            self.fresh.insert(ticket);
            self.time_easing(ticket);
        }
    }

    /// Puts a claim back into its queue, or refuses it when the queue is no more. It is never refused for want of room.
    fn wait_or_close(&mut self, claim: Claim) {
        if self.queues.contains_key(&claim.ticket.queue) {
            self.wait(claim);
        } else {
            let Ticket { id: ticket, queue, .. } = claim.ticket;
            self.out.push_back(Decision::Refused { ticket, queue, why: QueueEnd::Closed });
        }
    }

    /// Takes a ticket out, wherever it is; withdraws its offer. Its timers go with it.
    fn take(&mut self, ticket: TicketId) -> Option<Claim> {
        if self.line.get(ticket).is_some() {
            let agent = self.desks.iter().find(|(_, desk)| desk.offer().is_some_and(|(_, t)| t == ticket)).map(|(id, _)| id.clone());
            if let Some(agent) = agent {
                self.withdraw(&agent);
            }
            return self.leave(ticket).map(|waiting| waiting.claim);
        }
        self.desks.values_mut().find_map(|desk| match &mut desk.stage {
            Stage::Talking { claim, .. } => claim.take_if(|c| c.ticket.id == ticket),
            Stage::Free | Stage::Offered { .. } | Stage::WrapUp { .. } => None,
        })
    }

    /// A ticket leaves its queue.
    fn leave(&mut self, ticket: TicketId) -> Option<Waiting> {
        let waiting = self.line.remove(ticket)?;
        if let Some(at) = waiting.eases {
            self.timers.remove(&(at, Timer::Easing(ticket)));
        }
        self.fresh.remove(&ticket);
        Some(waiting)
    }

    /// Where an offer rings, and for whom.
    fn offered(&self, offer: OfferId) -> Option<(AgentId, TicketId)> {
        self.desks.iter().find_map(|(id, desk)| desk.offer().filter(|(o, _)| *o == offer).map(|(_, ticket)| (id.clone(), ticket)))
    }

    /// Stops an agent's phone, if it rings; the ticket waits on, the agent is as idle as before.
    fn withdraw(&mut self, agent: &AgentId) {
        if let Some((offer, ticket)) = self.desks.get(agent).and_then(Desk::offer) {
            self.out.push_back(Decision::Withdraw { offer, ticket, agent: agent.clone(), how: OfferEnd::Withdrawn });
            self.end_offer(self.clock, agent, ticket, false);
        }
    }

    /// An offer is over without an answer: the ticket is eligible again, at its place.
    fn end_offer(&mut self, at: Instant, agent: &AgentId, ticket: TicketId, missed: bool) {
        let limit = self.line.get(ticket).map_or(1, |w| self.missed_max(&w.claim.ticket.queue));
        if missed {
            self.line.missed(ticket, agent);
        }
        self.alter(agent, at, |desk| {
            desk.stage = Stage::Free;
            if missed {
                desk.miss(limit);
                desk.idle_since = at;
            }
        });
        if self.line.get(ticket).is_some() {
            self.fresh.insert(ticket);
        }
    }

    fn missed_max(&self, queue: &QueueId) -> u32 {
        self.queues.get(queue).map_or(1, |q| q.missed_max)
    }

    /// Works out anew what a ticket asks, and when it asks less.
    fn refresh(&mut self, ticket: TicketId) {
        let Some(waiting) = self.line.get(ticket) else { return };
        if let Some(at) = waiting.eases {
            self.timers.remove(&(at, Timer::Easing(ticket)));
        }
        if let Some(queue) = self.queues.get(&waiting.claim.ticket.queue) {
            self.line.refresh(self.clock, ticket, queue);
            self.fresh.insert(ticket);
            self.time_easing(ticket);
        }
    }

    fn time_easing(&mut self, ticket: TicketId) {
        if let Some(at) = self.line.get(ticket).and_then(|w| w.eases) {
            self.timers.insert((at, Timer::Easing(ticket)));
        }
    }

    /// Every change of a desk goes through here: its timer and its derived state follow, and a changed state is told.
    fn alter<R>(&mut self, agent: &AgentId, at: Instant, change: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        let desk = self.desks.get_mut(agent)?;
        let from = desk.state();
        if let Some(deadline) = desk.deadline() {
            self.timers.remove(&(deadline, Timer::Desk(agent.clone())));
        }
        let result = change(desk);
        let removed = !self.agents.contains_key(agent);
        if removed {
            desk.end_wrap_up();
        }
        let to = desk.state();
        if let Some(deadline) = desk.deadline() {
            self.timers.insert((deadline, Timer::Desk(agent.clone())));
        }
        if from != to {
            match (from, to) {
                // Back from an offer that was withdrawn: as idle as before. A missed one has set the time itself.
                (AgentState::Offered, AgentState::Idle) => {}
                (_, AgentState::Idle) => desk.idle_since = at,
                _ => {}
            }
            self.out.push_back(Decision::Agent { agent: agent.clone(), from, to });
        }
        if to == AgentState::Idle {
            self.freed.insert(agent.clone());
        } else {
            self.freed.remove(agent);
            if removed && to == AgentState::SignedOut {
                self.desks.remove(agent);
            }
        }
        Some(result)
    }

    fn is_idle(&self, agent: &AgentId) -> bool {
        self.desks.get(agent).is_some_and(|desk| desk.state() == AgentState::Idle)
    }

    /// Brings desks and tickets into line with the city.
    fn settle(&mut self) {
        for id in self.agents.keys() {
            self.desks.entry(id.clone()).or_default();
        }
        let removed: Vec<AgentId> = self.desks.keys().filter(|id| !self.agents.contains_key(*id)).cloned().collect();
        for agent in removed {
            self.withdraw(&agent);
            self.alter(&agent, self.clock, |desk| desk.declare(Change::SignOut));
        }
        let waiting: Vec<TicketId> = self.line.iter().map(|w| w.claim.ticket.id).collect();
        for ticket in waiting {
            if self.line.get(ticket).is_some_and(|w| self.queues.contains_key(&w.claim.ticket.queue)) {
                self.refresh(ticket);
            } else if let Some(claim) = self.take(ticket) {
                self.wait_or_close(claim);
            }
        }
        let ringing_for_nobody = |desk: &Desk| desk.offer().is_some_and(|(_, ticket)| self.line.get(ticket).is_none());
        let lost: Vec<AgentId> = self.desks.iter().filter(|(_, desk)| ringing_for_nobody(desk)).map(|(id, _)| id.clone()).collect();
        for agent in lost {
            self.withdraw(&agent);
        }
        self.freed = self.desks.iter().filter(|(_, desk)| desk.state() == AgentState::Idle).map(|(id, _)| id.clone()).collect();
    }
}

/// Whether an agent may take a ticket at its age.
fn fits(agent: &Agent, waiting: &Waiting) -> bool {
    serves(agent, &waiting.claim.ticket.queue).is_some() && waiting.asked.fits(&agent.skills)
}

/// How a ticket ranks the agents that fit, smaller first: who did not miss it (else who missed it longest ago), the queue's choice, who
/// is idle longest, the name.
fn preference<'a>((agent, desk): (&'a Agent, &Desk), waiting: &Waiting, queue: &Queue) -> (usize, Choice, Instant, &'a AgentId) {
    let missed = waiting.claim.missed_by.iter().position(|a| *a == agent.id).map_or(0, |i| i + 1);
    let choice = match queue.choose_agent {
        ChooseAgent::LongestIdle => Choice::Equal,
        ChooseAgent::LeastOccupied => Choice::Talked(desk.talked.as_nanos()),
        ChooseAgent::BestSkill => {
            let main = queue.needs.first().or(waiting.claim.ticket.needs.first());
            Choice::Level(Reverse(main.and_then(|need| agent.skills.get(&need.skill)).copied()))
        }
    };
    (missed, choice, desk.idle_since, &agent.id)
}

/// What a queue's choice compares. Within one queue always the same variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Choice {
    Equal,
    Talked(u128),
    Level(Reverse<Option<Level>>),
}
