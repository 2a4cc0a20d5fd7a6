//! The automatic call distributor: the one place where it is decided who takes whom.

use crate::ask::{Asks, Wish};
use crate::desk::{Change, Desk, Stage};
use crate::few::Few;
use crate::floor::Floor;
use crate::key::{Key, Slot};
use crate::line::{Line, OVERTAKEN, URGENT, Waiting, signed};
use crate::reserve::Reserves;
use crate::timers::{Timer, Timers};
use crate::tokens::Tokens;
use crate::{Claim, Decision, Handling, Learnt, Rules, State, Ticket};
use model::{AgentId, AgentState, Instant, LegId, LineId, Millis, OfferEnd, OfferId, Queue, QueueEnd, QueueId, QueueNow, TicketId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Agents, queues and who waits. Contract: one input, then [`Acd::poll_output`] until `None`, then the next.
///
/// Each input first lets expire what is due, then does its own work, then matches once. The matching looks only at pairs of which one
/// side changed: after each input nobody idle is left who may take somebody waiting, so the other pairs cannot have become one.
/// Inputs about unknown tickets, offers or agents are ignored: they are late, not wrong.
#[derive(Clone, Debug, Default)]
pub struct Acd {
    /// In the order of their names.
    pub(crate) queues: Vec<Queue>,
    pub(crate) queue_index: BTreeMap<QueueId, u32>,
    /// By queue: what somebody asks who comes now, language apart.
    pub(crate) newcomers: Vec<u32>,
    pub(crate) floor: Floor,
    pub(crate) asks: Asks,
    pub(crate) line: Line,
    pub(crate) reserves: Reserves,
    tokens: Tokens,
    /// By queue.
    pub(crate) learnt: Vec<Learnt>,
    /// Where each offer rings.
    offers: BTreeMap<OfferId, u32>,
    /// At whose desk each ticket is that is being served.
    talking: BTreeMap<TicketId, u32>,
    /// Waiting tickets that know whom they would like, by that agent.
    prefer: BTreeMap<AgentId, BTreeSet<TicketId>>,
    /// Every running timer; each follows from a desk or a waiting ticket.
    timers: Timers,
    pub(crate) clock: Instant,
    pub(crate) offers_made: u64,
    arrivals: u64,
    pub(crate) repairs: u64,
    /// Agents who became idle in this input.
    pub(crate) freed: Few<u32>,
    /// Tickets that became eligible, or wider, in this input.
    pub(crate) fresh: Few<Slot>,
    /// Those of them that are told when they wait on.
    pub(crate) told: Few<Slot>,
    /// Empty between inputs; within one, at most a few entries per agent and ticket.
    pub(crate) out: VecDeque<Decision>,
}

impl Acd {
    /// A quiet ACD: everybody signed out, nobody waiting.
    pub fn new(rules: Rules) -> Self {
        let mut acd = Acd::default();
        acd.lay_out(rules, BTreeMap::new(), &BTreeMap::new(), &BTreeSet::new());
        acd.decide();
        acd
    }

    /// A changed city. Tickets of a removed queue are refused as closed; a removed agent finishes the call; changed skills, needs,
    /// easings, rings and reserves count from this decision on. Ring times and after-call work that already run are not changed. A line
    /// with fewer places than are taken gives none until enough are back.
    pub fn publish(&mut self, now: Instant, rules: Rules) {
        self.expire(now);
        let State { agents, waiting, learnt, reserved, .. } = self.state();
        self.lay_out(rules, agents, &learnt, &reserved);
        self.settle(waiting);
        self.decide();
    }

    /// A ticket takes its place, or is refused. The same id again moves the ticket: an offer that rings is withdrawn, the age and the
    /// arrival stay. Whoever has a place in this queue already is not refused for want of room.
    pub fn enqueue(&mut self, now: Instant, ticket: Ticket) {
        let now = self.expire(now);
        let waits = self.line.slot(ticket.id).is_some();
        let mut has_place = false;
        let claim = match self.take(ticket.id) {
            Some(before) => {
                has_place = waits && before.ticket.queue == ticket.queue;
                let claim = Claim { ticket: Ticket { since: ticket.since.min(before.ticket.since), ..ticket }, ..before };
                if has_place { claim } else { claim.comes(now) }
            }
            None => {
                self.arrivals = self.arrivals.saturating_add(1);
                Claim::new(ticket, self.arrivals).comes(now)
            }
        };
        let (ticket, queue) = (claim.ticket.id, claim.ticket.queue.clone());
        match self.admit(claim, has_place) {
            Err(why) => self.out.push_back(Decision::Refused { ticket, queue, why }),
            Ok(slot) => {
                let position = self.line.get(slot).map_or(1, |waiting| self.line.position(waiting));
                self.out.push_back(Decision::Placed { ticket, queue, position });
            }
        }
        self.decide();
    }

    /// Why this ticket would not be given a place, if it asked at this moment.
    pub fn refuses(&mut self, ticket: &Ticket) -> Option<QueueEnd> {
        let Some(waiting) = self.waiting(Claim::new(ticket.clone(), self.arrivals)) else { return Some(QueueEnd::Closed) };
        self.refusal(&waiting)
    }

    /// Somebody who had a place, and was to be put through elsewhere in vain, is back at their age: before everybody younger, and whatever
    /// room there is.
    pub fn readmit(&mut self, now: Instant, ticket: Ticket) {
        let now = self.expire(now);
        let arrival = match self.take(ticket.id) {
            Some(before) => before.arrival,
            None => {
                self.arrivals = self.arrivals.saturating_add(1);
                self.arrivals
            }
        };
        self.wait_or_close(Claim::new(ticket, arrival).comes(now));
        self.decide();
    }

    /// The caller is gone; an offer that rings is withdrawn. While the caller talks: the ticket is over, the agent stays in the call
    /// until [`Acd::finished`].
    pub fn abandon(&mut self, now: Instant, ticket: TicketId) {
        let now = self.expire(now);
        if let Some(waiting) = self.line.find(ticket) {
            let (queue, claim) = (waiting.queue as usize, &waiting.claim);
            if !claim.held && !claim.was_held {
                self.learnt[queue].wait_ended(now, claim.stay(now), false, false);
                if let Some(forecast) = &claim.forecast {
                    self.learnt[queue].judge(now, forecast, false);
                }
            }
        }
        self.take(ticket);
        self.decide();
    }

    /// As [`Acd::abandon`], for a caller who leaves the queue by the flow's way and not out of impatience: nothing is learnt from it.
    pub fn leave(&mut self, now: Instant, ticket: TicketId) {
        self.expire(now);
        self.take(ticket);
        self.decide();
    }

    /// The agent's phone was answered. `false`: this offer is over, and the answer comes too late; hang up.
    pub fn answered(&mut self, now: Instant, offer: OfferId) -> bool {
        let now = self.expire(now);
        let offered = self.offered(offer).and_then(|(seat, slot)| Some((seat, slot?)));
        if let Some((_, slot)) = offered {
            self.stands_no_more(slot, true);
        }
        let taken = offered.and_then(|(seat, slot)| Some((seat, self.remove(slot)?)));
        let Some((seat, waiting)) = taken else {
            self.decide();
            return false;
        };
        let Waiting { claim, queue, .. } = *waiting;
        let (rules, learnt) = (&self.queues[queue as usize], &mut self.learnt[queue as usize]);
        let (id, wrap_up, waited) = (rules.id.clone(), rules.wrap_up, now.since(claim.ticket.since));
        if !claim.was_held {
            learnt.wait_ended(now, claim.stay(now), true, waited <= rules.service_level.answered_within);
            if let Some(forecast) = &claim.forecast {
                learnt.judge(now, forecast, true);
            }
        }
        self.talking.insert(claim.ticket.id, seat);
        let claim = Some(Box::new(claim));
        self.alter(seat, now, |desk| {
            desk.stage = Stage::Talking { claim, since: now, wrap_up };
            desk.handling = Some(Handling { queue: id, since: now });
        });
        self.decide();
        true
    }

    /// The agent's phone did not take the offer. `NoAnswer`, `Declined` and `Unreachable` count as missed, and the agent is not asked
    /// for this ticket again within the queue's `pause`; with `Withdrawn` nobody is at fault. The ticket is back at its place.
    pub fn declined(&mut self, now: Instant, offer: OfferId, how: OfferEnd) {
        let now = self.expire(now);
        if let Some((seat, _)) = self.offered(offer) {
            let missed = match how {
                OfferEnd::NoAnswer | OfferEnd::Declined | OfferEnd::Unreachable => true,
                OfferEnd::Withdrawn | OfferEnd::Answered => false,
            };
            self.end_offer(now, seat, missed);
        }
        self.decide();
    }

    /// The agent's leg was lost and the caller is still there: the ticket waits again at its age, and is not asked of the same agent if
    /// another fits. The agent has after-call work, as after each call, and one missed offer more. Instead of [`Acd::finished`], or before it.
    pub fn returned(&mut self, now: Instant, ticket: TicketId) {
        let now = self.expire(now);
        if let Some(seat) = self.talking.remove(&ticket) {
            let limit = self.floor.desk(seat).caller().map_or(1, |claim| self.missed_max(&claim.ticket.queue));
            let claim = self.alter(seat, now, |desk| {
                desk.miss(limit);
                desk.handling = None;
                desk.hang_up(now)
            });
            if let Some(mut claim) = claim {
                claim.missed(self.floor.id(seat));
                self.wait_or_close(claim.comes(now));
            }
        }
        self.decide();
    }

    /// The agent's leg is down after a call: after-call work begins. After a call of the agent's own: what it interrupted goes on.
    pub fn finished(&mut self, now: Instant, agent: &AgentId) {
        let now = self.expire(now);
        if let Some(seat) = self.floor.seat(agent)
            && self.floor.state(seat) == AgentState::Talking
        {
            self.hang_up(now, seat);
        }
        self.decide();
    }

    /// What an agent, or the agent's phone, declares.
    pub fn set_agent(&mut self, now: Instant, agent: &AgentId, change: Change) {
        let now = self.expire(now);
        if let Some(seat) = self.floor.seat(agent)
            && self.floor.employed(seat)
        {
            self.declare(now, seat, change);
        }
        self.decide();
    }

    /// The ticket keeps its place and age and is offered to nobody, until [`Acd::release`]; an offer that rings is withdrawn. While it
    /// is held it is counted neither in positions nor against `max_waiting`: it takes nobody's place on the telephone. Its own position
    /// is the one it would have.
    pub fn hold(&mut self, now: Instant, ticket: TicketId) {
        self.expire(now);
        if let Some((slot, waiting)) = self.line.slot(ticket).and_then(|slot| Some((slot, self.line.get(slot)?))) {
            if let Some(seat) = waiting.rings_at {
                self.withdraw(seat);
            }
            self.stands_no_more(slot, false);
            self.line.change(slot, &mut self.asks, |waiting| {
                waiting.claim.held = true;
                waiting.claim.was_held = true;
                waiting.claim.forecast = None;
            });
            self.told.remove(&slot);
        }
        self.decide();
    }

    /// A held ticket competes again, at its age. It is never refused for want of room.
    pub fn release(&mut self, now: Instant, ticket: TicketId) {
        self.expire(now);
        if let Some(slot) = self.line.slot(ticket)
            && self.line.get(slot).is_some_and(|waiting| waiting.claim.held)
        {
            self.line.change(slot, &mut self.asks, |waiting| waiting.claim.held = false);
            self.fresh.insert(slot);
            self.told.insert(slot);
        }
        self.decide();
    }

    /// Another urgency: class, and bonus on top of the age. An offer that rings goes on ringing.
    pub fn reprioritise(&mut self, now: Instant, ticket: TicketId, class: u8, bonus: Duration) {
        self.expire(now);
        if let Some(slot) = self.line.slot(ticket) {
            let urge = |waiting: &mut Waiting| {
                waiting.claim.ticket.class = class;
                waiting.claim.ticket.bonus = bonus;
            };
            self.renew(slot, urge);
        }
        self.decide();
    }

    /// An agent begins a call of their own (a call back to the last caller). `false`: they are not free for it; they are while idle, on a
    /// break, or in after-call work. [`Acd::finished`] ends it, without after-call work: a break goes on, and so does after-call work
    /// that was interrupted, until the moment at which it would have ended anyway.
    pub fn engage(&mut self, now: Instant, agent: &AgentId) -> bool {
        let now = self.expire(now);
        let seat = self.floor.seat(agent).filter(|seat| match self.floor.state(*seat) {
            AgentState::Idle | AgentState::NotReady | AgentState::WrapUp => self.floor.employed(*seat),
            AgentState::SignedOut | AgentState::Offered | AgentState::Talking | AgentState::NotResponding => false,
        });
        if let Some(seat) = seat {
            self.begin_own_call(now, seat);
        }
        self.decide();
        seat.is_some()
    }

    /// Takes one place of a line for a leg. `false`: all are taken, or there is no such line. Asking again for the same leg takes no more.
    pub fn seize(&mut self, line: &LineId, leg: LegId) -> bool {
        self.tokens.seize(line, leg)
    }

    /// Writes down that a leg holds a place, whether there is one or not: that is how an engine found it when it was restored.
    pub fn occupy(&mut self, line: &LineId, leg: LegId) {
        self.tokens.occupy(line, leg);
    }

    /// Gives back whatever a leg has taken.
    pub fn give_back(&mut self, leg: LegId) {
        self.tokens.give_back(leg);
    }

    /// Every line with places: taken ones, and all.
    pub fn lines(&self) -> impl Iterator<Item = (&LineId, u32, u32)> {
        self.tokens.lines()
    }

    /// The legs that have taken a place.
    pub fn takers(&self) -> impl Iterator<Item = (&LineId, LegId)> {
        self.tokens.takers()
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
        self.timers.first().map(|(at, _)| at)
    }

    /// Every agent and what they are doing, in the order of their names. Somebody removed from the city is here until the call is over.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentId, AgentState)> {
        self.floor.index.iter().map(|(id, seat)| (id, self.floor.state(*seat)))
    }

    /// Every agent's desk, in the order of their names.
    pub fn desks(&self) -> impl Iterator<Item = (&AgentId, &Desk)> {
        self.floor.index.iter().map(|(id, seat)| (id, self.floor.desk(*seat)))
    }

    /// One agent's desk, if there is such an agent.
    pub fn desk(&self, agent: &AgentId) -> Option<&Desk> {
        self.floor.seat(agent).map(|seat| self.floor.desk(seat))
    }

    /// Every queue as it stands, in the order of their names. Held tickets are not in it.
    pub fn queues(&self, now: Instant) -> Vec<QueueNow> {
        let as_it_stands = |(queue, at): (&QueueId, &u32)| QueueNow {
            queue: queue.clone(),
            depth: self.line.depth(*at) as u64,
            longest_wait_millis: self.line.eldest(*at).map_or(0, |since| Millis::from(now.since(since)).0),
            staff: self.floor.staff(*at, &self.queues[*at as usize]),
            free: self.floor.free(*at, &self.queues[*at as usize]),
            promised_millis: Millis::from(self.queues[*at as usize].service_level.answered_within).0,
            promised_percent: self.queues[*at as usize].service_level.target_percent,
        };
        self.queue_index.iter().map(as_it_stands).collect()
    }

    /// A ticket's place in its queue, from 1, those being offered included. `None` when it does not wait.
    pub fn position(&self, ticket: TicketId) -> Option<u32> {
        self.line.find(ticket).map(|waiting| self.line.position(waiting))
    }

    /// Tickets waiting, offered or held.
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
            agents: self.floor.index.iter().map(|(id, seat)| (id.clone(), self.floor.desk(*seat).clone())).collect(),
            waiting: self.line.iter().map(|(_, w)| w.claim.clone()).collect(),
            taken: self.tokens.taken.clone(),
            reserved: self.reserves.held(),
            learnt: self.queue_index.keys().cloned().zip(self.learnt.iter().cloned()).filter(|(_, l)| *l != Learnt::default()).collect(),
            repairs: self.repairs,
        }
    }

    /// The ACD as it was. Where the city differs from the one that `state` comes from, the difference takes effect as if published; its
    /// decisions are to be drained first.
    pub fn restore(rules: Rules, state: State) -> Self {
        let State { clock, offers_made, arrivals, agents, waiting, taken, reserved, learnt, repairs } = state;
        let tokens = Tokens { taken, ..Tokens::default() };
        let mut acd = Acd { clock, offers_made, arrivals, repairs, tokens, ..Acd::default() };
        acd.lay_out(rules, agents, &learnt, &reserved);
        acd.settle(waiting);
        acd.decide();
        acd
    }

    /// Sets up everything that follows from the city and the desks; nobody waits yet.
    fn lay_out(&mut self, rules: Rules, desks: BTreeMap<AgentId, Desk>, learnt: &BTreeMap<QueueId, Learnt>, reserved: &BTreeSet<QueueId>) {
        let Rules { queues, agents, lines } = rules;
        self.tokens.lines = lines;
        self.queue_index = queues.keys().cloned().zip(0..).collect();
        self.learnt = queues.keys().map(|id| learnt.get(id).cloned().unwrap_or_default()).collect();
        self.queues = queues.into_values().collect();
        // In order of age, as everything that counts easings and rings relies on.
        for queue in &mut self.queues {
            queue.relax.sort_by_key(|relax| relax.after);
            queue.rings.sort_by_key(|ring| ring.after);
        }
        self.reserves = Reserves::declared(&self.queues, reserved);
        self.floor = Floor::new(&agents, desks, &self.queues, &self.queue_index, &mut self.reserves);
        self.asks = Asks::new(self.floor.profiles.len());
        self.line = Line::new(self.queues.len());
        self.offers.clear();
        self.talking.clear();
        self.prefer.clear();
        self.timers = Timers::default();
        self.newcomers = (0..self.queues.len() as u32)
            .map(|queue| {
                let needs = self.queues[queue as usize].needs.clone();
                let (relax, ring) = self.steps(queue, Duration::ZERO);
                let ask = self.intern(&Wish { queue, needs, relax, ring, ..Wish::default() });
                self.asks.use_one(ask);
                ask
            })
            .collect();
        for (id, seat) in &self.floor.index {
            let desk = self.floor.desk(*seat);
            debug_assert_eq!(self.floor.id(*seat), id);
            if let Some(at) = desk.deadline() {
                self.timers.start(at, Timer::Desk(*seat));
            }
            self.offers.extend(desk.offer().map(|(offer, _)| (offer, *seat)));
            self.talking.extend(desk.caller().map(|claim| (claim.ticket.id, *seat)));
        }
    }

    /// Brings desks and tickets into line with the city.
    fn settle(&mut self, claims: Vec<Claim>) {
        let mut closed = Vec::new();
        for claim in claims {
            if self.queue_index.contains_key(&claim.ticket.queue) {
                self.wait(claim);
            } else {
                closed.push(claim);
            }
        }
        let ringing: Vec<(u32, TicketId)> = self.offers.values().filter_map(|s| Some((*s, self.floor.desk(*s).offer()?.1))).collect();
        let mut lost = BTreeMap::new();
        for (seat, ticket) in ringing {
            match self.line.slot(ticket) {
                Some(slot) => self.line.rings(slot, Some(seat)),
                None => drop(lost.insert(ticket, seat)),
            }
        }
        let removed: Vec<u32> = self.floor.index.values().copied().filter(|seat| !self.floor.employed(*seat)).collect();
        for seat in removed {
            self.declare(self.clock, seat, Change::SignOut);
        }
        for Claim { ticket: Ticket { id: ticket, queue, .. }, .. } in closed {
            if let Some(seat) = lost.remove(&ticket) {
                self.withdraw(seat);
            }
            self.out.push_back(Decision::Refused { ticket, queue, why: QueueEnd::Closed });
        }
        for seat in lost.into_values() {
            self.withdraw(seat);
        }
        self.freed.clear();
        self.freed.extend(self.floor.idle_seats());
        // Whoever waited before waits on: that is said only of what changes afterwards.
        self.told.clear();
    }

    /// Lets everything happen that is due. Gives the time that counts: time never runs backwards here.
    pub(crate) fn expire(&mut self, now: Instant) -> Instant {
        self.clock = self.clock.max(now);
        let now = self.clock;
        while let Some((at, timer)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.stop(timer);
            match timer {
                Timer::Ticket(_, slot) => self.renew(slot, |_| {}),
                Timer::Desk(seat) => match self.floor.desk(seat).offer() {
                    Some((offer, ticket)) => {
                        let agent = self.floor.id(seat).clone();
                        self.out.push_back(Decision::Withdraw { offer, ticket, agent, how: OfferEnd::NoAnswer });
                        self.end_offer(at, seat, true);
                    }
                    // After-call work is over at its deadline, however late we are told of it.
                    None => self.alter(seat, at, Desk::end_wrap_up),
                },
            }
        }
        now
    }

    /// Rings a phone. The change of state is told with the offer, by the caller.
    pub(crate) fn ring(&mut self, slot: Slot, seat: u32) -> Option<OfferId> {
        let waiting = self.line.get(slot)?;
        let (ticket, until) = (waiting.claim.ticket.id, self.clock + self.queues[waiting.queue as usize].ring_for);
        self.offers_made = self.offers_made.saturating_add(1);
        let offer = OfferId(self.offers_made);
        self.floor.change(seat, &mut self.reserves, |desk| desk.stage = Stage::Offered { offer, ticket, until });
        self.line.rings(slot, Some(seat));
        self.offers.insert(offer, seat);
        self.timers.start(until, Timer::Desk(seat));
        Some(offer)
    }

    /// Lets a claim into its queue, or says why not. A full queue still takes a caller whom somebody can serve at once: such a caller
    /// does not wait. Whoever is held takes nobody's place, and whoever `has_place` keeps it however full it is.
    fn admit(&mut self, claim: Claim, has_place: bool) -> Result<Slot, QueueEnd> {
        let Some(waiting) = self.waiting(claim) else { return Err(QueueEnd::Closed) };
        match self.refusal(&waiting) {
            Some(QueueEnd::Full) if has_place => Ok(self.place(waiting)),
            Some(refusal) => Err(refusal),
            None => Ok(self.place(waiting)),
        }
    }

    fn refusal(&self, waiting: &Waiting) -> Option<QueueEnd> {
        let max = self.queues[waiting.queue as usize].max_waiting as usize;
        let able = &self.asks.get(waiting.ask).able_in_the_end;
        let mut excluded: Vec<u32> = waiting.claim.ticket.excluded.iter().filter_map(|agent| self.floor.seat(agent)).collect();
        excluded.sort_unstable();
        excluded.dedup();
        let never = |seat: &&u32| {
            self.floor.employed(**seat) && self.floor.desk(**seat).signed_in && able.contains(&self.floor.profile[**seat as usize])
        };
        let never = excluded.iter().filter(never).count();
        // One more than those is enough: mostly the first profile has somebody.
        let mut signed_in = 0;
        let somebody = able.iter().any(|profile| {
            signed_in += self.floor.counts[*profile as usize].signed_in as usize;
            signed_in > never
        });
        if !somebody {
            return Some(QueueEnd::NobodyLoggedIn);
        }
        if self.line.is_full() {
            return Some(QueueEnd::Full);
        }
        let full = !waiting.claim.held && self.line.depth(waiting.queue) >= max;
        (full && self.closest(waiting, 1, |reserve| self.reserves.all[reserve].would_hold()).is_empty()).then_some(QueueEnd::Full)
    }

    /// A claim as it waits at this moment; `None` when there is no such queue.
    fn waiting(&mut self, mut claim: Claim) -> Option<Box<Waiting>> {
        let queue = self.queue_index.get(&claim.ticket.queue).copied()?;
        claim.paused.retain(|pause| pause.until > self.clock);
        let (ask, due) = (0, None);
        let mut waiting = Box::new(Waiting { claim, queue, ask, class: 0, key: Key::new(0, 0), patient: false, rings_at: None, due });
        self.work_out(&mut waiting);
        // Names are shared with the wish and the queue: each brought along would be memory of its own, to be visited when it leaves.
        let (ticket, wish) = (&mut waiting.claim.ticket, &self.asks.get(waiting.ask).wish);
        ticket.needs.clone_from(&wish.needs);
        ticket.lang.clone_from(&wish.lang);
        ticket.queue.clone_from(&self.queues[queue as usize].id);
        Some(waiting)
    }

    /// Everything about a waiting ticket that follows from its claim, the city and the clock.
    fn work_out(&mut self, waiting: &mut Waiting) {
        let Waiting { claim, queue, .. } = waiting;
        let age = self.clock.since(claim.ticket.since);
        let (relax, ring) = self.steps(*queue, age);
        // The needs and the language go into the wish and come back: a look-up copies nothing.
        let (needs, lang) = (std::mem::take(&mut claim.ticket.needs), std::mem::take(&mut claim.ticket.lang));
        let wish = Wish { queue: *queue, needs, lang, relax, ring };
        let ask = self.intern(&wish);
        (claim.ticket.needs, claim.ticket.lang) = (wish.needs, wish.lang);

        let rules = &self.queues[*queue as usize];
        let overtaken = claim.ticket.since + rules.overtaken_max;
        let patience = claim.ticket.preferred.as_ref().map(|preferred| claim.ticket.since + preferred.patience);
        let class = if overtaken <= self.clock { OVERTAKEN } else { claim.ticket.class.min(URGENT) };
        let bonus = i64::try_from(claim.ticket.bonus.as_nanos()).unwrap_or(i64::MAX);
        let easing = rules.relax.get(relax as usize).map(|relax| claim.ticket.since + relax.after);
        let joining = rules.rings.get(ring as usize).map(|ring| claim.ticket.since + ring.after);
        let pauses = claim.paused.iter().map(|pause| pause.until);
        let due = [easing, joining, patience, (class < OVERTAKEN).then_some(overtaken)].into_iter().flatten().chain(pauses);
        waiting.due = due.filter(|at| *at > self.clock && *at < Instant::from_nanos(u64::MAX)).min();
        waiting.patient = patience.is_some_and(|end| end > self.clock);
        waiting.ask = ask;
        waiting.class = class;
        waiting.key = Key::new(signed(waiting.claim.ticket.since).saturating_sub(bonus), waiting.claim.arrival);
    }

    /// Easings in force, and rings that have joined in, at an age.
    fn steps(&self, queue: u32, age: Duration) -> (u32, u32) {
        let queue = &self.queues[queue as usize];
        let relax = queue.relax.iter().take_while(|relax| relax.after <= age).count();
        (relax as u32, queue.rings.iter().take_while(|ring| ring.after <= age).count() as u32)
    }

    fn intern(&mut self, wish: &Wish) -> u32 {
        self.asks.intern(wish, &self.queues, &self.queue_index, &self.floor.profiles)
    }

    /// Puts a ticket into its place.
    fn place(&mut self, waiting: Box<Waiting>) -> Slot {
        let (ticket, due) = (waiting.claim.ticket.id, waiting.due);
        if let Some(preferred) = &waiting.claim.ticket.preferred {
            self.prefer.entry(preferred.agent.clone()).or_default().insert(ticket);
        }
        let slot = self.line.insert(waiting, &mut self.asks);
        if let Some(at) = due {
            self.timers.start(at, Timer::Ticket(ticket, slot));
        }
        self.fresh.insert(slot);
        self.told.insert(slot);
        slot
    }
    fn wait(&mut self, claim: Claim) {
        if let Some(waiting) = self.waiting(claim) {
            self.place(waiting);
        }
    }

    /// Puts a claim back into its queue, or refuses it when the queue is no more. It is never refused for want of room.
    fn wait_or_close(&mut self, claim: Claim) {
        if self.queue_index.contains_key(&claim.ticket.queue) {
            self.wait(claim);
        } else {
            let Ticket { id: ticket, queue, .. } = claim.ticket;
            self.out.push_back(Decision::Refused { ticket, queue, why: QueueEnd::Closed });
        }
    }

    /// Takes a ticket out, wherever it is; withdraws its offer. Its timers go with it.
    fn take(&mut self, ticket: TicketId) -> Option<Claim> {
        if let Some(slot) = self.line.slot(ticket) {
            if let Some(seat) = self.line.get(slot).and_then(|waiting| waiting.rings_at) {
                self.withdraw(seat);
            }
            return self.remove(slot).map(|waiting| waiting.claim);
        }
        let seat = self.talking.remove(&ticket)?;
        self.floor.desks.get_mut(seat as usize)?.take_caller()
    }

    /// A ticket leaves its queue.
    fn remove(&mut self, slot: Slot) -> Option<Box<Waiting>> {
        self.stands_no_more(slot, false);
        let waiting = self.line.remove(slot, &mut self.asks)?;
        let ticket = &waiting.claim.ticket;
        self.timers.stop(Timer::Ticket(ticket.id, slot));
        if let Some(preferred) = &ticket.preferred
            && let Some(tickets) = self.prefer.get_mut(&preferred.agent)
        {
            tickets.remove(&ticket.id);
            if tickets.is_empty() {
                self.prefer.remove(&preferred.agent);
            }
        }
        self.fresh.remove(&slot);
        self.told.remove(&slot);
        Some(waiting)
    }

    /// Works out anew what a ticket asks, and its place, after a change of it or of the clock.
    fn renew(&mut self, slot: Slot, change: impl FnOnce(&mut Waiting)) {
        let Some(mut waiting) = self.line.lift(slot) else { return };
        let (ticket, asked) = (waiting.claim.ticket.id, waiting.ask);
        let steps = |asks: &Asks, waiting: &Waiting| {
            let wish = &asks.get(waiting.ask).wish;
            (wish.relax, wish.ring, !waiting.patient)
        };
        let before = steps(&self.asks, &waiting);
        change(&mut waiting);
        waiting.claim.paused.retain(|pause| pause.until > self.clock);
        self.work_out(&mut waiting);
        match waiting.due {
            Some(at) => self.timers.start(at, Timer::Ticket(ticket, slot)),
            None => self.timers.stop(Timer::Ticket(ticket, slot)),
        }
        self.fresh.insert(slot);
        if steps(&self.asks, &waiting) > before {
            self.told.insert(slot);
        }
        self.line.put_back(slot, waiting, asked, &mut self.asks);
    }

    /// Where an offer rings, and for whom.
    fn offered(&self, offer: OfferId) -> Option<(u32, Option<Slot>)> {
        let seat = *self.offers.get(&offer)?;
        let (_, ticket) = self.floor.desk(seat).offer()?;
        Some((seat, self.line.slot(ticket)))
    }

    /// Stops an agent's phone, if it rings; the ticket waits on, the agent is as idle as before.
    pub(crate) fn withdraw(&mut self, seat: u32) {
        if let Some((offer, ticket)) = self.floor.desk(seat).offer() {
            let agent = self.floor.id(seat).clone();
            self.out.push_back(Decision::Withdraw { offer, ticket, agent, how: OfferEnd::Withdrawn });
            self.end_offer(self.clock, seat, false);
        }
    }

    /// An offer is over without an answer: the ticket is eligible again, at its place.
    pub(crate) fn end_offer(&mut self, at: Instant, seat: u32, missed: bool) {
        let Some((_, ticket)) = self.floor.desk(seat).offer() else { return };
        let slot = self.line.slot(ticket);
        let rules = slot.and_then(|slot| self.line.get(slot)).map(|waiting| &self.queues[waiting.queue as usize]);
        let (limit, pause) = rules.map_or((1, Duration::ZERO), |queue| (queue.missed_max, queue.pause));
        self.alter(seat, at, |desk| {
            desk.stage = Stage::Free;
            if missed {
                desk.miss(limit);
                desk.idle_since = at;
            }
        });
        if let Some(slot) = slot {
            self.line.rings(slot, None);
            self.fresh.insert(slot);
            if missed {
                let agent = self.floor.id(seat).clone();
                self.renew(slot, |waiting| {
                    waiting.claim.missed(&agent);
                    if !pause.is_zero() {
                        waiting.claim.pause(&agent, at + pause);
                    }
                });
            }
        }
    }

    fn missed_max(&self, queue: &QueueId) -> u32 {
        self.queue_index.get(queue).map_or(1, |at| self.queues[*at as usize].missed_max)
    }

    pub(crate) fn declare(&mut self, now: Instant, seat: u32, change: Change) {
        match change {
            Change::SignOut | Change::Break(_) | Change::Resume(_) => self.withdraw(seat),
            Change::SignIn | Change::Ready => {}
        }
        self.alter(seat, now, |desk| desk.declare(change));
    }

    /// A call is over, from the agent's side.
    pub(crate) fn hang_up(&mut self, now: Instant, seat: u32) {
        let caller = self.alter(seat, now, |desk| {
            desk.missed = 0;
            desk.hang_up(now)
        });
        if let Some(claim) = caller {
            self.talking.remove(&claim.ticket.id);
        }
    }

    pub(crate) fn begin_own_call(&mut self, now: Instant, seat: u32) {
        let handling = self.alter(seat, now, |desk| {
            desk.engage(now);
            desk.handling.take()
        });
        self.learn(now, seat, handling);
    }

    /// Every change of a desk goes through here: its timer, its offer and its derived state follow, and a changed state is told.
    pub(crate) fn alter<R>(&mut self, seat: u32, at: Instant, change: impl FnOnce(&mut Desk) -> R) -> R {
        let (removed, was_staffed) = (!self.floor.employed(seat), self.floor.is_staffed(seat));
        let (deadline, offer) = (self.floor.desk(seat).deadline(), self.floor.desk(seat).offer());
        let ((result, handled, ended), from, to) = self.floor.change(seat, &mut self.reserves, |desk| {
            let (from, reason) = (desk.state(), desk.away_for().cloned());
            let result = change(desk);
            if removed {
                desk.end_wrap_up();
            }
            match (from, desk.state()) {
                // Back from an offer that was withdrawn: as idle as before. A missed one has set the time itself.
                (AgentState::Offered | AgentState::Idle, AgentState::Idle) => {}
                (_, AgentState::Idle) => desk.idle_since = at,
                _ => {}
            }
            (result, desk.handled(), desk.settle_break(at, reason))
        });
        let desk = self.floor.desk(seat);
        if desk.deadline() != deadline {
            match desk.deadline() {
                Some(at) => self.timers.start(at, Timer::Desk(seat)),
                None => self.timers.stop(Timer::Desk(seat)),
            }
        }
        if let Some((offer, _)) = offer.filter(|offer| desk.offer() != Some(*offer)) {
            self.offers.remove(&offer);
        }
        // Of a break that goes on for another reason the state is the same, and the one before is over.
        if from != to || ended.is_some() {
            let (agent, reason) = (self.floor.id(seat).clone(), desk.away_for().cloned());
            self.out.push_back(Decision::Agent { agent, from, to, ended, reason });
        }
        self.learn(at, seat, handled);
        if was_staffed && !self.floor.is_staffed(seat) && !self.prefer.is_empty() {
            self.stop_waiting_for(seat);
        }
        if to == AgentState::Idle {
            self.freed.insert(seat);
        } else {
            self.freed.remove(&seat);
            if removed && to == AgentState::SignedOut {
                self.floor.index.remove(&self.floor.ids[seat as usize]);
            }
        }
        result
    }

    /// The agent whom some callers wait for is not there any more: others are asked.
    fn stop_waiting_for(&mut self, seat: u32) {
        let tickets = self.prefer.get(self.floor.id(seat)).into_iter().flatten();
        let slots: Vec<Slot> = tickets.filter_map(|ticket| self.line.slot(*ticket)).collect();
        for slot in slots {
            if self.line.get(slot).is_some_and(|waiting| waiting.patient) {
                self.fresh.insert(slot);
                self.told.insert(slot);
            }
        }
    }

    /// Takes a call that is finished, after-call work included, into what is known of waits.
    fn learn(&mut self, at: Instant, seat: u32, handled: Option<Handling>) {
        let Some(Handling { queue, since }) = handled else { return };
        let took = at.since(since);
        let own = self.queue_index.get(&queue).copied();
        if let Some(own) = own {
            self.learnt[own as usize].handled(took);
        }
        let profile = self.floor.profile[seat as usize] as usize;
        for (at, learnt) in self.learnt.iter_mut().enumerate() {
            let able = self.asks.get(self.newcomers[at]).fits.get(profile).is_some_and(|fit| fit.may());
            if able || own == Some(at as u32) {
                learnt.shared(took, own == Some(at as u32));
            }
        }
    }

    /// Whether the timers are those of the desks and the tickets, and each book is about the same offers and callers.
    pub(crate) fn audit_books(&self) -> Result<(), String> {
        let seats = || self.floor.index.values().map(|seat| (*seat, self.floor.desk(*seat)));
        let due = seats().filter_map(|(seat, desk)| Some((desk.deadline()?, Timer::Desk(seat))));
        let tickets = self.line.iter().filter_map(|(slot, w)| Some((w.due?, Timer::Ticket(w.claim.ticket.id, slot))));
        if !self.timers.sorted().into_iter().eq(due.chain(tickets).collect::<BTreeSet<_>>()) {
            return Err("the running timers are not those of the desks and the tickets".to_owned());
        }
        if self.offers != seats().filter_map(|(seat, desk)| Some((desk.offer()?.0, seat))).collect() {
            return Err("the offers are not those of the desks".to_owned());
        }
        if self.talking != seats().filter_map(|(seat, desk)| Some((desk.caller()?.ticket.id, seat))).collect() {
            return Err("the callers in talk are not those of the desks".to_owned());
        }
        Ok(())
    }
}
