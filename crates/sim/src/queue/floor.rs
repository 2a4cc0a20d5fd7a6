//! The floor of a call centre under virtual time: who arrives next, who gives up, who hangs up, and the ACD that is told of it.

use super::plan::{Plan, nobodys_language};
use super::tally::{self, Cell, Hours, Report};
use model::{AgentId, Instant, Lang, Need, OfferId, Random, TicketId};
use routing::{Acd, Change, Decision, Ticket};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The ACD's books are compared after each so many things that happen: often enough to find a fault, seldom enough not to be what we measure.
const AUDIT_EVERY: u64 = 8192;
/// A caller of the warm-up, or of the end, is in no batch.
const NO_BATCH: u32 = u32::MAX;

/// What happens, and to whom; streams, agents and callers by their place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Somebody of this stream calls for the first time; the next is drawn.
    Arrive(u32),
    /// Somebody of this stream calls again.
    CallAgain(u32),
    /// A caller's patience is over. Nothing, if the ticket is no longer theirs: they were answered.
    GiveUp(TicketId),
    /// An agent's call is over.
    HangUp(u32),
}

/// Somebody who waits.
#[derive(Clone, Copy, Debug)]
struct Caller {
    ticket: TicketId,
    stream: u32,
    batch: u32,
    since: Instant,
    handling: Duration,
}

/// Chance, for one stream. Each kind of chance has its own generator, so that two plans that differ in their rules meet the same callers.
struct Luck {
    arrivals: Random,
    handling: Random,
    patience: Random,
    redial: Random,
}

/// One agent's part of the floor.
#[derive(Clone, Debug)]
struct Seat {
    id: AgentId,
    pool: Option<u32>,
}

/// Agents of one pool in calls, and since when so many.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    agents: u32,
    since: Instant,
}

pub(super) struct Floor<'a> {
    plan: &'a Plan,
    acd: Acd,
    now: Instant,
    /// Things to come; of two at the same instant the one that was foreseen first.
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    foreseen: u64,
    luck: Vec<Luck>,
    /// What a ticket of each stream asks.
    asks: Vec<(Vec<Need>, Lang)>,
    /// In the order of their names.
    seats: Vec<Seat>,
    /// Those who wait. A ticket's lower half is its caller's place here; the upper half never comes twice.
    callers: Vec<Option<Caller>>,
    free: Vec<u32>,
    /// Callers in the house, talking or waiting.
    inside: u32,
    /// Attempts so far.
    attempts: u64,
    /// Callers that count and still wait.
    open: u64,
    cells: Vec<Vec<Cell>>,
    hours: Vec<Vec<Hours>>,
    busy: Vec<Busy>,
    batch: Option<u32>,
    batch_since: Instant,
    /// Offers made in the input that is being drained; empty between inputs.
    offers: Vec<(OfferId, TicketId, AgentId)>,
}

impl<'a> Floor<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let batches = Plan::BATCHES as usize;
        let mut random = Random::from_number(plan.seed);
        let mut luck = || Luck { arrivals: random.fork(), handling: random.fork(), patience: random.fork(), redial: random.fork() };
        let pool_of = |id: &AgentId| plan.pools.iter().position(|pool| pool.agents.contains(id)).and_then(|i| u32::try_from(i).ok());
        let asks = |stream: &super::Stream| {
            let queue = plan.rules.queues.get(&stream.queue);
            (queue.map(|q| q.needs_for(&nobodys_language())).unwrap_or_default(), nobodys_language())
        };
        let mut floor = Floor {
            plan,
            acd: Acd::new(plan.rules.clone()),
            now: Instant::ZERO,
            events: BinaryHeap::new(),
            foreseen: 0,
            luck: plan.streams.iter().map(|_| luck()).collect(),
            asks: plan.streams.iter().map(asks).collect(),
            seats: plan.rules.agents.keys().map(|id| Seat { id: id.clone(), pool: pool_of(id) }).collect(),
            callers: Vec::new(),
            free: Vec::new(),
            inside: 0,
            attempts: 0,
            open: 0,
            cells: vec![vec![Cell::default(); batches]; plan.streams.len()],
            hours: vec![vec![Hours::default(); batches]; plan.pools.len()],
            busy: vec![Busy::default(); plan.pools.len()],
            batch: None,
            batch_since: Instant::ZERO,
            offers: Vec::new(),
        };
        for seat in &floor.seats {
            floor.acd.set_agent(Instant::ZERO, &seat.id, Change::SignIn);
            while floor.acd.poll_output().is_some() {}
        }
        for stream in 0..plan.streams.len() as u32 {
            floor.next_arrival(stream);
        }
        floor
    }

    /// Until every attempt that counts has come and its wait is over, and one attempt more, which closes the last batch.
    pub(super) fn run(mut self) -> Report {
        let counted = self.plan.warm_up + self.batch_size() * Plan::BATCHES;
        let mut happened = 0u64;
        while (self.attempts <= counted || self.open > 0)
            && let Some(Reverse((at, _, event))) = self.events.pop()
        {
            self.let_time_pass(at);
            match event {
                Event::Arrive(stream) => {
                    self.next_arrival(stream);
                    self.attempt(stream);
                }
                Event::CallAgain(stream) => self.attempt(stream),
                Event::GiveUp(ticket) => self.give_up(ticket),
                Event::HangUp(seat) => self.hang_up(seat),
            }
            happened += 1;
            if happened.is_multiple_of(AUDIT_EVERY)
                && let Err(fault) = self.acd.audit()
            {
                panic!("the ACD's books disagree at {:?}: {fault}", self.now);
            }
        }
        Report {
            served: self.cells.iter().map(|cells| tally::served(cells)).collect(),
            pools: self.plan.pools.iter().zip(&self.hours).map(|(pool, hours)| tally::group(&pool.name, hours)).collect(),
            attempts: self.attempts,
            open: self.now.since(Instant::ZERO),
        }
    }

    fn foresee(&mut self, at: Instant, event: Event) {
        self.foreseen += 1;
        self.events.push(Reverse((at, self.foreseen, event)));
    }

    /// Timers of the ACD that fall due before `at` (an easing, a ring that opens) go off at their own time.
    fn let_time_pass(&mut self, at: Instant) {
        while let Some(due) = self.acd.poll_timeout()
            && due <= at
        {
            self.now = due;
            self.acd.handle_timeout(due);
            self.connect();
        }
        self.now = at;
    }

    fn next_arrival(&mut self, stream: u32) {
        let rate = self.plan.streams[stream as usize].calls_per_hour;
        if rate > 0.0 {
            let gap = super::Spread::Exponential { mean_secs: 3600.0 / rate };
            let after = gap.draw(&mut self.luck[stream as usize].arrivals).unwrap_or_default();
            self.foresee(self.now + after, Event::Arrive(stream));
        }
    }

    fn batch_size(&self) -> u64 {
        self.plan.calls.div_ceil(Plan::BATCHES)
    }

    /// The batch of the next attempt.
    fn next_batch(&mut self) -> u32 {
        let number = self.attempts.checked_sub(self.plan.warm_up).map(|n| n / self.batch_size());
        let batch = number.filter(|n| *n < Plan::BATCHES).map(|n| n as u32);
        if batch != self.batch {
            for pool in 0..self.busy.len() {
                self.busy_changes(pool, 0);
                if let Some(old) = self.batch {
                    let agents = self.plan.pools[pool].agents.len() as f64;
                    self.hours[pool][old as usize].all_secs = agents * self.now.since(self.batch_since).as_secs_f64();
                }
            }
            (self.batch, self.batch_since) = (batch, self.now);
        }
        batch.unwrap_or(NO_BATCH)
    }

    /// Somebody dials. The door refuses at `places`, before the ACD hears of it.
    fn attempt(&mut self, stream: u32) {
        let batch = self.next_batch();
        self.attempts += 1;
        let (kind, luck) = (&self.plan.streams[stream as usize], &mut self.luck[stream as usize]);
        let handling = kind.handling.draw(&mut luck.handling).unwrap_or(Duration::MAX);
        let patience = kind.patience.draw(&mut luck.patience);
        let let_in = self.plan.places.is_none_or(|places| self.inside < places);
        if batch != NO_BATCH {
            self.cells[stream as usize][batch as usize].offer(let_in);
        }
        if !let_in {
            return self.call_again(stream, kind.redial.map_or(0.0, |redial| redial.of_blocked));
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.callers.push(None);
            self.callers.len() as u32 - 1
        });
        let ticket = TicketId(self.attempts << 32 | u64::from(slot));
        self.callers[slot as usize] = Some(Caller { ticket, stream, batch, since: self.now, handling });
        self.inside += 1;
        self.open += u64::from(batch != NO_BATCH);
        let (needs, lang) = self.asks[stream as usize].clone();
        self.acd.enqueue(self.now, Ticket::plain(ticket, kind.queue.clone(), needs, lang, self.now));
        self.connect();
        if let Some(patience) = patience
            && self.waits(ticket).is_some()
        {
            self.foresee(self.now + patience, Event::GiveUp(ticket));
        }
    }

    fn call_again(&mut self, stream: u32, share: f64) {
        let Some(redial) = self.plan.streams[stream as usize].redial else { return };
        let luck = &mut self.luck[stream as usize].redial;
        if luck.unit() < share
            && let Some(after) = redial.after.draw(luck)
        {
            self.foresee(self.now + after, Event::CallAgain(stream));
        }
    }

    fn waits(&self, ticket: TicketId) -> Option<Caller> {
        self.callers[place(ticket)].filter(|caller| caller.ticket == ticket)
    }

    /// The caller's wait is over.
    fn leave_line(&mut self, caller: Caller, answered: bool) {
        let slot = place(caller.ticket);
        self.callers[slot] = None;
        self.free.push(slot as u32);
        if caller.batch != NO_BATCH {
            self.open -= 1;
            self.cells[caller.stream as usize][caller.batch as usize].end(self.now.since(caller.since), answered, self.plan.within);
        }
    }

    fn give_up(&mut self, ticket: TicketId) {
        let Some(caller) = self.waits(ticket) else { return };
        self.leave_line(caller, false);
        self.inside -= 1;
        self.acd.abandon(self.now, ticket);
        self.connect();
        let share = self.plan.streams[caller.stream as usize].redial.map_or(0.0, |redial| redial.of_abandoned);
        self.call_again(caller.stream, share);
    }

    fn hang_up(&mut self, seat: u32) {
        self.inside -= 1;
        let Seat { id, pool } = &self.seats[seat as usize];
        self.acd.finished(self.now, id);
        if let Some(pool) = *pool {
            self.busy_changes(pool as usize, -1);
        }
        self.connect();
    }

    /// Hears what the ACD decided; each offer is answered in the same instant, which may bring further decisions.
    fn connect(&mut self) {
        self.drain();
        while let Some((offer, ticket, agent)) = self.offers.pop() {
            let Some(caller) = self.waits(ticket) else { panic!("{ticket} is offered, but does not wait") };
            assert!(self.acd.answered(self.now, offer), "{offer} is over in the instant in which it was made");
            self.leave_line(caller, true);
            let Ok(seat) = self.seats.binary_search_by(|seat| seat.id.cmp(&agent)) else { panic!("nobody is called {agent}") };
            self.foresee(self.now + caller.handling, Event::HangUp(seat as u32));
            if let Some(pool) = self.seats[seat].pool {
                self.busy_changes(pool as usize, 1);
            }
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(decision) = self.acd.poll_output() {
            match decision {
                Decision::Offer { offer, ticket, agent, .. } => self.offers.push((offer, ticket, agent)),
                Decision::Refused { ticket, queue, why } => panic!("{ticket} was refused by {queue} ({why:?}): the plan is at fault"),
                Decision::Withdraw { offer, .. } => panic!("{offer} is withdrawn: nobody here lets a phone ring"),
                Decision::Repaired { agent, what } => panic!("{agent} had to be put right: {what}"),
                Decision::Placed { .. } | Decision::Waits { .. } | Decision::Agent { .. } => {}
            }
        }
    }

    /// So many agents more, or fewer, of a pool are in calls from here on.
    fn busy_changes(&mut self, pool: usize, by: i32) {
        let busy = &mut self.busy[pool];
        if let Some(batch) = self.batch {
            let secs = self.now.since(busy.since.max(self.batch_since)).as_secs_f64();
            self.hours[pool][batch as usize].busy_secs += f64::from(busy.agents) * secs;
        }
        busy.agents = busy.agents.saturating_add_signed(by);
        busy.since = self.now;
    }
}

/// A caller's place in the list.
fn place(ticket: TicketId) -> usize {
    (ticket.0 & u64::from(u32::MAX)) as usize
}
