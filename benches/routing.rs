//! What a decision costs: with up to 10,000 waiting, 500 agents and 100 distinct need sets, beside a scan of everything; and memory per ticket.
//!
//! A decision is one input from the call of [`Acd::enqueue`], [`Acd::finished`] or [`Acd::abandon`] until it returns. In that time lie: the
//! look-up of the ticket or the agent, the matching, the offers with their reasons and the names in them, what is learnt and forecast of
//! waits, all books and timers, and the release of what is over. Not in it: making the ticket, taking the finished decisions up, and the
//! agent's answer, which are inputs and work of others; and timers that were due before.
//!
//! Each kind is timed alone: a caller arrives and waits, a caller
//! arrives and is offered at once, an agent comes free and takes somebody, an agent comes free and takes nobody, a caller gives up. Callers
//! are of all sorts: classes, bonus, easings and rings still to come, an agent they prefer, one they will not have; one nurse is kept back
//! for the urgent. Then decisions of each kind are made by [`naive`] too, in the same run, and must be the same.
//! Memory: resident bytes with 100,000 tickets more, divided by them; all that the ACD keeps for a ticket is in it.

mod naive;

use model::{Agent, AgentId, Instant, KeptFor, Level, Need, Number, Queue, QueueId, Relax, Reserve, Ring, Skill, TicketId};
use naive::Scan;
use routing::{Acd, Change, Claim, Decision, Preferred, Rules, Ticket};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toritsugi_benches::{load, resident_bytes};

const AGENTS: usize = 500;
/// Of them: who serve the quiet queue alone.
const QUIET: usize = 50;
const NEED_SETS: u64 = 100;
const ROUNDS: usize = 20_000;
const SKILLS: usize = 20;
/// After those that are timed: made by a scan as well. Writing down what stood before would drive everything else out of the processor's
/// cache.
const CHECKED: usize = 200;

/// Microseconds, and what is asked of them.
const MEDIAN_BAR: f64 = 2.0;
const P99_BAR: f64 = 20.0;
/// The logarithm of 10,000 is twice that of 100.
const GROWTH_BAR: f64 = 2.0;
const BYTES_BAR: f64 = 1000.0;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    FreedAndTakes,
    FreedForNobody,
    ArrivesAndWaits,
    ArrivesAndIsOffered,
    GivesUp,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::FreedAndTakes => "agent freed, takes somebody",
            Kind::FreedForNobody => "agent freed, takes nobody",
            Kind::ArrivesAndWaits => "caller arrives and waits",
            Kind::ArrivesAndIsOffered => "caller arrives, offered at once",
            Kind::GivesUp => "caller gives up",
        }
    }
}

fn main() {
    println!("load {}", load());
    let mut medians: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for waiting in [100, 1_000, 10_000] {
        let mut bench = Bench::new(waiting);
        (0..ROUNDS).for_each(|_| bench.round());
        bench.checked = Some(Checked::default());
        (0..CHECKED).for_each(|_| bench.round());
        let all: Vec<Duration> = bench.took.values().flatten().copied().collect();
        let kinds = bench.took.iter().map(|(kind, times)| (kind.name(), times.clone()));
        for (name, times) in kinds.chain([("all of them", all)]) {
            let (count, (median, p99)) = (times.len(), spread(times));
            medians.entry(name).or_default().push(median);
            println!(
                "routing: {waiting:>6} waiting, {name:<31} {median:>6.2} us median ({}), {p99:>6.2} us p99 ({}), {count} times",
                verdict(median, MEDIAN_BAR),
                verdict(p99, P99_BAR)
            );
        }
        let Checked { scans, set_apart } = bench.checked.unwrap_or_default();
        for (kind, scans) in scans {
            let (count, ours, scan) = (scans.len(), spread(bench.took[&kind].clone()).0, spread(scans).0);
            println!(
                "routing: {waiting:>6} waiting, {:<31} {count} were decided alike by a scan of everything: {ours:.2} us against {scan:.2} us, 1 to {:.1}",
                kind.name(),
                scan / ours
            );
        }
        println!("routing: {waiting:>6} waiting, {set_apart} let a reserve go: several were free at once, which the tests compare");
    }
    for (name, medians) in medians {
        let growth = medians[2] / medians[0];
        println!("routing: from 100 to 10,000 waiting, {name:<31} {growth:>5.2} times the median ({})", verdict(growth, GROWTH_BAR));
    }
    life();
    memory();
}

fn verdict(figure: f64, bar: f64) -> String {
    format!("{} {bar}", if figure <= bar { "within" } else { "over" })
}

/// A whole call: enqueue, offer, answered, finished; 86 agents alike, as the theory runs have them at most.
fn life() {
    let mut queue = Queue::plain(QueueId::from("q"), needs(0));
    queue.wrap_up = Duration::ZERO;
    let agents = (0..86).map(|i| agent(i, &[0, 1, 2])).map(|a| (a.id.clone(), a)).collect();
    let mut acd = Acd::new(Rules { queues: BTreeMap::from([(queue.id.clone(), queue)]), agents, lines: BTreeMap::new() });
    for i in 0..86 {
        acd.set_agent(Instant::ZERO, &AgentId::from(name(i)), Change::SignIn);
    }
    while acd.poll_output().is_some() {}
    const CALLS: u64 = 200_000;
    let mut talking = std::collections::VecDeque::new();
    let start = clock();
    for id in 0..CALLS {
        let now = Instant::from_millis(1000 + id * 100);
        acd.enqueue(now, Ticket::plain(TicketId(id), QueueId::from("q"), needs(0), "ja".into(), now));
        if talking.len() > 80
            && let Some(agent) = talking.pop_front()
        {
            acd.finished(now, &agent);
        }
        let mut offers = Vec::new();
        while let Some(decision) = acd.poll_output() {
            if let Decision::Offer { offer, agent, .. } = decision {
                offers.push((offer, agent));
            }
        }
        for (offer, agent) in offers {
            assert!(acd.answered(now, offer));
            talking.push_back(agent);
        }
        while acd.poll_output().is_some() {}
    }
    println!("routing: {:.2} us for a whole call among 86 agents", start.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
}

fn memory() {
    let mut bench = Bench::new(100);
    let before = resident_bytes();
    const TICKETS: u64 = 100_000;
    for _ in 0..TICKETS {
        bench.next += 1;
        let ticket = bench.somebody();
        bench.acd.enqueue(bench.now, ticket);
        while bench.acd.poll_output().is_some() {}
    }
    let bytes = resident_bytes().saturating_sub(before) / TICKETS;
    println!("routing: {bytes} bytes of memory a ticket ({}), {} waiting", verdict(bytes as f64, BYTES_BAR), bench.acd.tickets());
}

/// What was decided twice.
#[derive(Default)]
struct Checked {
    scans: BTreeMap<Kind, Vec<Duration>>,
    /// Not compared: a reserve let go, and several agents were free at once.
    set_apart: usize,
}

/// A busy city: nearly everybody talks, and so many wait.
struct Bench {
    acd: Acd,
    rules: Rules,
    now: Instant,
    next: u64,
    want: usize,
    waiting: BTreeSet<TicketId>,
    talking: Vec<AgentId>,
    random: model::Random,
    took: BTreeMap<Kind, Vec<Duration>>,
    /// `None` while time is taken.
    checked: Option<Checked>,
}

impl Bench {
    fn new(want: usize) -> Bench {
        let rules = rules();
        let now = Instant::from_millis(10_000_000);
        let mut acd = Acd::new(rules.clone());
        for agent in rules.agents.keys() {
            acd.set_agent(now, agent, Change::SignIn);
        }
        let (waiting, talking) = (BTreeSet::new(), Vec::new());
        let random = model::Random::from_number(5);
        let mut bench = Bench { acd, rules, now, next: 1_000_000, want, waiting, talking, random, took: BTreeMap::new(), checked: None };
        bench.take_up();
        // Everybody in talk first, then so many waiting; what that takes is not counted.
        while bench.waiting.len() < want {
            bench.next += 1;
            let ticket = bench.somebody();
            bench.waiting.insert(ticket.id);
            bench.acd.enqueue(bench.now, ticket);
            bench.take_up();
        }
        bench
    }

    /// An agent comes free; somebody gives up; somebody arrives in the quiet queue; the line is filled up again.
    fn round(&mut self) {
        if !self.talking.is_empty() {
            let at = self.random.below(self.talking.len() as u64) as usize;
            let agent = self.talking.swap_remove(at);
            self.input(Input::Finished(agent));
        }
        let from = TicketId(self.next - self.random.below(self.want as u64 * 2));
        if let Some(ticket) = self.waiting.range(from..).next().or(self.waiting.first()).copied() {
            self.waiting.remove(&ticket);
            self.input(Input::GivesUp(ticket));
        }
        if self.random.below(4) == 0 {
            self.next += 1;
            let ticket = Ticket { needs: vec![need(SKILLS, 1)], queue: queue_id(5), ..self.somebody() };
            self.input(Input::Arrives(Ticket { preferred: None, ..ticket }));
        }
        while self.waiting.len() < self.want {
            self.next += 1;
            let ticket = self.somebody();
            self.input(Input::Arrives(ticket));
        }
    }

    /// One input, timed, and checked now and then.
    fn input(&mut self, input: Input) {
        self.now += Duration::from_millis(2);
        // What is due happens first, so that one thing happens at a time.
        self.acd.handle_timeout(self.now);
        self.take_up();
        let before = self.checked.is_some().then(|| self.acd.state());
        let (acd, now) = (&mut self.acd, self.now);
        let (took, arrives) = match &input {
            Input::Finished(agent) => (timed(|| acd.finished(now, agent)), None),
            Input::GivesUp(ticket) => (timed(|| acd.abandon(now, *ticket)), None),
            Input::Arrives(ticket) => {
                let arriving = ticket.clone();
                (timed(|| acd.enqueue(now, arriving)), Some(ticket.id))
            }
        };
        self.waiting.extend(arrives);
        let offers = self.take_up();
        let kind = match (&input, offers.is_empty()) {
            (Input::Finished(_), false) => Kind::FreedAndTakes,
            (Input::Finished(_), true) => Kind::FreedForNobody,
            (Input::Arrives(_), false) => Kind::ArrivesAndIsOffered,
            (Input::Arrives(_), true) => Kind::ArrivesAndWaits,
            (Input::GivesUp(_), _) => Kind::GivesUp,
        };
        match before {
            Some(before) => self.check(kind, &input, &before, offers),
            None => self.took.entry(kind).or_default().push(took),
        }
    }

    /// Takes up what is offered: everybody answers at once. Gives who was offered to whom.
    fn take_up(&mut self) -> Vec<(TicketId, AgentId)> {
        let mut offers = Vec::new();
        while let Some(decision) = self.acd.poll_output() {
            if let Decision::Offer { offer, ticket, agent, .. } = decision {
                offers.push((offer, ticket, agent));
            }
        }
        for (offer, ticket, agent) in &offers {
            assert!(self.acd.answered(self.now, *offer));
            self.waiting.remove(ticket);
            self.talking.push(agent.clone());
        }
        while self.acd.poll_output().is_some() {}
        offers.into_iter().map(|(_, ticket, agent)| (ticket, agent)).collect()
    }

    /// The same decision by a scan of everything, from what stood before the input.
    fn check(&mut self, kind: Kind, input: &Input, before: &routing::State, offers: Vec<(TicketId, AgentId)>) {
        let checked = self.checked.get_or_insert_default();
        let scan = Scan::new(&self.rules, before, self.now);
        let kept = self.rules.queues.values().find_map(|queue| queue.reserve.clone()).expect("a reserve");
        let counts = |agent: &AgentId| self.rules.agents[agent].skills.contains_key(&kept.of);
        let idle = |id: &&AgentId| {
            let desk = &before.agents[*id];
            desk.signed_in && desk.stage == routing::Stage::Free && counts(id)
        };
        let idle = before.agents.keys().filter(idle).count() as u32;
        let (expected, scanned) = match input {
            Input::Finished(agent) => {
                let with_them = idle + u32::from(counts(agent));
                if idle <= kept.keep && with_them > kept.keep {
                    checked.set_apart += 1;
                    return;
                }
                with_time(|| scan.first_for(agent, with_them).map(|ticket| (ticket, agent.clone())))
            }
            Input::Arrives(ticket) => {
                let claim = Claim {
                    ticket: ticket.clone(),
                    arrival: u64::MAX,
                    missed_by: Vec::new(),
                    held: false,
                    paused: Vec::new(),
                    told: None,
                    was_held: false,
                    on_line_since: None,
                    stands: false,
                    forecast: None,
                };
                with_time(|| scan.closest_to(&claim, idle).map(|agent| (ticket.id, agent)))
            }
            Input::GivesUp(_) => return,
        };
        assert_eq!(expected.iter().cloned().collect::<Vec<_>>(), offers, "the scan's decision, and the ACD's");
        checked.scans.entry(kind).or_default().push(scanned);
    }

    /// One of a hundred sorts of callers.
    fn somebody(&mut self) -> Ticket {
        let set = self.random.below(NEED_SETS);
        let mut ticket = Ticket::plain(TicketId(self.next), queue_id(set % 5), needs(set), "ja".into(), self.now);
        // Some come from elsewhere, with their age.
        if self.random.below(3) == 0 {
            ticket.since = Instant::from_millis(self.now.as_nanos() / 1_000_000 - self.random.below(1_500_000));
        }
        ticket.class = [0, 0, 0, 0, 0, 0, 0, 1, 1, 2][self.random.below(10) as usize];
        if self.random.below(20) == 0 {
            ticket.bonus = Duration::from_secs(60 * (1 + self.random.below(10)));
        }
        let anybody = |random: &mut model::Random| AgentId::from(name(random.below(AGENTS as u64) as usize));
        if self.random.below(10) == 0 {
            ticket.preferred = Some(Preferred { agent: anybody(&mut self.random), patience: Duration::from_secs(40) });
        }
        if self.random.below(20) == 0 {
            ticket.excluded = vec![anybody(&mut self.random)];
        }
        ticket
    }
}

/// What happens.
enum Input {
    Finished(AgentId),
    GivesUp(TicketId),
    Arrives(Ticket),
}

/// Five busy queues, each with an easing and a ring, one of which keeps a nurse back; and a quiet one.
fn rules() -> Rules {
    let queue = |i: u64| {
        let mut queue = Queue::plain(queue_id(i), Vec::new());
        queue.max_waiting = u32::MAX;
        queue.wrap_up = Duration::ZERO;
        let eased = (0..SKILLS).step_by(2).map(|at| (skill(at), Some(Level::SOME))).collect();
        queue.relax = vec![Relax { after: Duration::from_secs(30 + i), needs: eased, lang: None }];
        queue.rings = vec![Ring { after: Duration::from_secs(20 + i), skill: skill(3 + i as usize) }];
        queue.reserve = (i == 0).then(|| Reserve { keep: 1, of: skill(0), kept_for: KeptFor::Class(2), hysteresis: 0 });
        (queue.id.clone(), queue)
    };
    let agent = |i: usize| {
        // A hundred different sets of skills; the last ones are all alike.
        let mut pick = model::Random::from_number(i as u64 % 100);
        let skills: Vec<usize> = (0..SKILLS).filter(|_| pick.below(100) < 50).collect();
        let mut agent = if i < AGENTS - QUIET { agent(i, &skills) } else { agent(i, &[SKILLS]) };
        if i.is_multiple_of(3) && i < AGENTS - QUIET {
            agent.serves = (0..5).rev().map(queue_id).collect();
        }
        (agent.id.clone(), agent)
    };
    Rules { queues: (0..6).map(queue).collect(), agents: (0..AGENTS).map(agent).collect(), lines: BTreeMap::new() }
}

fn clock() -> std::time::Instant {
    std::time::Instant::now()
}
fn timed<R>(what: impl FnOnce() -> R) -> Duration {
    with_time(what).1
}
fn with_time<R>(what: impl FnOnce() -> R) -> (R, Duration) {
    let start = clock();
    let result = what();
    (result, start.elapsed())
}

/// Median and 99th percentile, microseconds.
fn spread(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    (at(50), at(99))
}
fn name(i: usize) -> String {
    format!("a{i:03}")
}
fn queue_id(i: u64) -> QueueId {
    QueueId::from(format!("q{i}"))
}
fn skill(i: usize) -> Skill {
    Skill::from(format!("skill{i:02}").as_str())
}
fn need(i: usize, level: u8) -> Need {
    Need { skill: skill(i), level: Level::new(level).expect("1 to 5") }
}
fn agent(i: usize, skills: &[usize]) -> Agent {
    let level = |skill: usize| Level::new(1 + ((i + skill) % 3) as u8).expect("1 to 5");
    Agent {
        id: AgentId::from(name(i)),
        extension: Number::parse("201").expect("a number"),
        skills: skills.iter().map(|s| (skill(*s), level(*s))).collect(),
        serves: Vec::new(),
    }
}
/// One of a hundred sets of two or three needs.
fn needs(set: u64) -> Vec<Need> {
    let mut pick = model::Random::from_number(1000 + set);
    let mut skills: Vec<usize> = (0..2 + pick.below(2)).map(|_| pick.below(SKILLS as u64) as usize).collect();
    if set == 0 {
        skills = vec![0, 1];
    }
    skills.sort_unstable();
    skills.dedup();
    skills.into_iter().enumerate().map(|(i, s)| need(s, if set > 0 && i == 0 { 2 } else { 1 })).collect()
}
