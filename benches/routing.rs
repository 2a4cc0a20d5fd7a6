//! What a decision costs: with up to 10,000 waiting, 500 agents and 100 distinct need sets, beside a scan of everything; and memory per ticket.
//!
//! A decision is an agent becoming free and the offer that follows, reason included, or a caller arriving. Each is timed alone; printed are
//! median and 99th percentile, the same for a plain scan over all tickets in the same run as a ratio, and growth with the number waiting.
//! Memory: resident bytes with 100,000 tickets more, divided by them; all that the ACD keeps for a ticket is in it.

use model::{Agent, AgentId, Instant, Level, Need, Number, Queue, QueueId, Skill, TicketId};
use routing::{Acd, Change, Decision, Rules, Ticket};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;
use toritsugi_benches::{load, resident_bytes};

const AGENTS: usize = 500;
const NEED_SETS: u64 = 100;
const ROUNDS: usize = 20_000;
const SKILLS: usize = 20;

fn main() {
    println!("load {}", load());
    let mut medians = Vec::new();
    for waiting in [100, 1_000, 10_000] {
        let mut bench = Bench::new(waiting);
        let (freed, arrived) = bench.run();
        let (freed, arrived) = (spread(freed), spread(arrived));
        println!(
            "routing: {waiting:>6} waiting, {AGENTS} agents, {NEED_SETS} need sets: agent freed and offer {:.2} us median, {:.2} us p99 (bars 2 and 20); \
             caller arrives {:.2} us median, {:.2} us p99",
            freed.0, freed.1, arrived.0, arrived.1
        );
        medians.push(freed.0);
        if waiting == 10_000 {
            let scan = spread(bench.scan());
            println!("routing: a scan of everything {:.2} us median, {:.2} us p99: {:.0} times as long", scan.0, scan.1, scan.0 / freed.0);
        }
    }
    println!(
        "routing: growth of the median from 100 to 10,000 waiting: {:.2} times (the logarithm grows 2 times)",
        medians[2] / medians[0]
    );
    life();
    memory();
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
        acd.enqueue(now, ticket(id, QueueId::from("q"), 0, 0, now));
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
    let bench = Bench::new(100);
    let mut acd = bench.acd;
    let before = resident_bytes();
    const TICKETS: u64 = 100_000;
    for id in 0..TICKETS {
        acd.enqueue(bench.now, ticket(100_000_000 + id, QueueId::from("q0"), id % NEED_SETS, 0, bench.now));
        while acd.poll_output().is_some() {}
    }
    let bytes = resident_bytes().saturating_sub(before) / TICKETS;
    println!("routing: {bytes} bytes of memory a ticket (bar 1,000), {} waiting", acd.tickets());
}

/// A busy city: everybody talks, and so many wait.
struct Bench {
    acd: Acd,
    now: Instant,
    next: u64,
    waiting: u64,
    talking: Vec<AgentId>,
    random: model::Random,
    agents: Vec<Agent>,
    queues: Vec<Queue>,
}

impl Bench {
    fn new(waiting: u64) -> Bench {
        let mut random = model::Random::from_number(5);
        let agents: Vec<Agent> = (0..AGENTS)
            .map(|i| {
                // A hundred different sets of skills.
                let mut pick = model::Random::from_number(i as u64 % 100);
                let skills: Vec<usize> = (0..SKILLS).filter(|_| pick.below(100) < 50).collect();
                agent(i, &skills)
            })
            .collect();
        let queues: Vec<Queue> = (0..5)
            .map(|i| {
                let mut queue = Queue::plain(QueueId::from(format!("q{i}")), Vec::new());
                queue.max_waiting = u32::MAX;
                queue.wrap_up = Duration::ZERO;
                queue
            })
            .collect();
        let rules = Rules {
            queues: queues.iter().map(|q| (q.id.clone(), q.clone())).collect(),
            agents: agents.iter().map(|a| (a.id.clone(), a.clone())).collect(),
            lines: BTreeMap::new(),
        };
        let mut acd = Acd::new(rules);
        let now = Instant::from_millis(1_000_000);
        for agent in &agents {
            acd.set_agent(now, &agent.id, Change::SignIn);
        }
        let mut bench = Bench { acd, now, next: 1_000_000, waiting, talking: Vec::new(), random: random.fork(), agents, queues };
        bench.drain();
        while (bench.acd.tickets() as u64) < waiting {
            bench.arrive();
        }
        bench
    }
    fn arrive(&mut self) -> Duration {
        self.now += Duration::from_millis(1);
        self.next += 1;
        let set = self.random.below(NEED_SETS);
        let class = if self.random.below(20) == 0 { 1 } else { 0 };
        let ticket = ticket(self.next, self.queues[(set % 5) as usize].id.clone(), set, class, self.now);
        let start = clock();
        self.acd.enqueue(self.now, ticket);
        let took = start.elapsed();
        self.drain();
        took
    }
    /// Takes up what is offered: everybody answers at once.
    fn drain(&mut self) -> usize {
        let mut offers = Vec::new();
        while let Some(decision) = self.acd.poll_output() {
            if let Decision::Offer { offer, agent, .. } = decision {
                offers.push((offer, agent));
            }
        }
        let made = offers.len();
        for (offer, agent) in offers {
            assert!(self.acd.answered(self.now, offer));
            self.talking.push(agent);
        }
        while self.acd.poll_output().is_some() {}
        made
    }
    fn run(&mut self) -> (Vec<Duration>, Vec<Duration>) {
        let (mut freed, mut arrived) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.now += Duration::from_millis(1);
            let at = self.random.below(self.talking.len() as u64) as usize;
            let agent = self.talking.swap_remove(at);
            let start = clock();
            self.acd.finished(self.now, &agent);
            let took = start.elapsed();
            if self.drain() > 0 {
                freed.push(took);
            }
            // Somebody gives up now and then, so that not only those stay whom few can serve; and the line is filled up again.
            let one = self.next - self.random.below(self.waiting * 2);
            self.acd.abandon(self.now, TicketId(one));
            self.drain();
            while (self.acd.tickets() as u64) < self.waiting || self.talking.is_empty() {
                arrived.push(self.arrive());
            }
        }
        (freed, arrived)
    }
    /// What the decision would cost by looking at each ticket: whether the agent fits, and who is first.
    fn scan(&mut self) -> Vec<Duration> {
        let state = self.acd.state();
        (0..200)
            .map(|i| {
                let agent = &self.agents[i * 7 % AGENTS];
                let start = clock();
                let fits = |claim: &&routing::Claim| {
                    claim.ticket.needs.iter().all(|need| agent.skills.get(&need.skill).is_some_and(|has| *has >= need.level))
                };
                let place = |claim: &&routing::Claim| (Reverse(claim.ticket.class), claim.ticket.since, claim.arrival);
                black_box(state.waiting.iter().filter(fits).min_by_key(place));
                start.elapsed()
            })
            .collect()
    }
}

fn clock() -> std::time::Instant {
    std::time::Instant::now()
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
fn skill(i: usize) -> Skill {
    Skill::from(format!("skill{i:02}").as_str())
}
fn agent(i: usize, skills: &[usize]) -> Agent {
    Agent {
        id: AgentId::from(name(i)),
        extension: Number::parse("201").expect("a number"),
        skills: skills.iter().map(|s| (skill(*s), Level::new(3).expect("1 to 5"))).collect(),
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
    skills.into_iter().map(|s| Need { skill: skill(s), level: Level::SOME }).collect()
}
fn ticket(id: u64, queue: QueueId, set: u64, class: u8, since: Instant) -> Ticket {
    Ticket { class, ..Ticket::plain(TicketId(id), queue, needs(set), "ja".into(), since) }
}
