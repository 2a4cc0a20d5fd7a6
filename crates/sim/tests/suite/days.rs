//! Days by the seed, at three depths: quiet ones, surges, and days on which things break. After every step the books are audited.
//!
//! `cargo xtask soak --days 2000` for more of them.

use model::{CallEnd, Event};
use sim::{Kind, Scenario, World};
use std::time::Duration;

const CALLS: u32 = 1000;

/// What a day came to.
#[derive(Default)]
struct Came {
    calls: usize,
    served: usize,
    to_the_ward: usize,
    called_back: usize,
    /// Complaints of phones about calls of before a kill, or of before the phone lost its power.
    excused: u64,
    steps: u64,
    cpu_secs: f64,
}

impl Came {
    fn add(&mut self, other: &Came) {
        self.calls += other.calls;
        self.served += other.served;
        self.to_the_ward += other.to_the_ward;
        self.called_back += other.called_back;
        self.excused += other.excused;
        self.steps += other.steps;
        self.cpu_secs += other.cpu_secs;
    }
}

/// CPU time that this thread has used, as the kernel counts it (`schedstat`: nanoseconds on the processor); 0 where nobody counts.
fn cpu_secs() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "what a soak costs is read from outside of the simulation")]
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// One day at depth *call*; panics with the seed when something happened that must not, and with the end of the day's story.
fn at_depth_call(seed: u64, kind: Kind) -> Came {
    let scenario = Scenario::draw(seed, kind, CALLS);
    let quietly = std::panic::AssertUnwindSafe(|| verdict(&scenario, scenario.world()));
    match std::panic::catch_unwind(quietly) {
        Ok(came) => came,
        Err(_) => {
            println!("seed {seed}, {kind:?}: once more, with its story; what goes wrong on this day: {:?}", scenario.troubles);
            verdict(&scenario, scenario.world().with_story());
            panic!("seed {seed}, {kind:?}: told once more, the day goes well: something depends on whether a story is kept");
        }
    }
}

/// The day happens in this world; panics when something happened that must not.
fn verdict(scenario: &Scenario, world: World) -> Came {
    let (seed, kind) = (scenario.seed, scenario.kind);
    let mut world = world.audited();
    world.run_until_quiet(scenario.limit());
    let overtaken = |fault: &String| fault.contains("401 after a final 200 to the same REGISTER");
    let violations: Vec<String> = world.violations().into_iter().filter(|v| !overtaken(v)).collect();
    assert_eq!(violations, [""; 0], "seed {seed}, {kind:?}{}", world.end_of_story());
    assert_eq!(world.repairs(), 0, "seed {seed}, {kind:?}: an agent's state had to be repaired{}", world.end_of_story());
    let records = world.records();
    let served = records.iter().filter(|r| r.end == CallEnd::Served).count();
    assert!(records.len() >= CALLS as usize * 9 / 10, "seed {seed}, {kind:?}: only {} calls", records.len());
    // A surge is twice what eight clerks can do: there, one in ten is the least. A day without trouble serves most.
    let least = if kind == Kind::Surge { 10 } else { 2 };
    assert!(served * least > records.len(), "seed {seed}, {kind:?}: only {served} of {} were served", records.len());
    let to_the_ward = records.iter().filter(|r| r.transferred_to.is_some()).count();
    let called_back = records.iter().filter(|r| r.called_back).count();
    Came {
        calls: records.len(),
        served,
        to_the_ward,
        called_back,
        excused: world.excused().len() as u64,
        steps: world.steps(),
        cpu_secs: 0.0,
    }
}

fn days(from: u64, to: u64) {
    // Two threads, as there are two cores: the days know nothing of each other.
    let halves: Vec<_> = (0..2)
        .map(|half| {
            #[expect(clippy::disallowed_methods, reason = "days are independent of each other; each is single-threaded and repeats")]
            std::thread::spawn(move || {
                let mut sum = Came::default();
                for seed in (from..to).filter(|seed| seed % 2 == half) {
                    let kind = [Kind::Quiet, Kind::Surge, Kind::Faults][(seed / 2 % 3) as usize];
                    let came = at_depth_call(seed, kind);
                    sum.add(&came);
                }
                sum.cpu_secs = cpu_secs();
                sum
            })
        })
        .collect();
    let mut sum = Came::default();
    for half in halves {
        let came = half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sum.add(&came);
    }
    println!(
        "{} days at depth call: {} calls, {} of them served, {} put through to the ward, {} called back; {} complaints about calls that a kill \
         or a dead phone cut; {} steps, {:.0} CPU seconds",
        to - from,
        sum.calls,
        sum.served,
        sum.to_the_ward,
        sum.called_back,
        sum.excused,
        sum.steps,
        sum.cpu_secs
    );
}

/// As many as CI has time for; [`many_days`] goes on where these end.
#[test]
fn sixty_days_of_a_thousand_calls() {
    days(0, 60);
}

#[test]
#[ignore = "a soak: cargo xtask soak --days 2000"]
fn many_days() {
    #[expect(clippy::disallowed_methods, reason = "how long to soak is whoever runs it to say")]
    let days_wanted = std::env::var("TORITSUGI_SOAK_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(500);
    days(10_000, 10_000 + days_wanted);
}

#[test]
fn fifty_calls_with_every_packet_of_sound() {
    let scenario = Scenario::draw(77, Kind::Quiet, 50);
    let mut world = scenario.world_with_sound();
    world.run_until_quiet(scenario.limit());
    assert_eq!(world.violations(), [""; 0]);
    let served: Vec<_> = world.records().iter().filter(|r| r.end == CallEnd::Served).collect();
    assert!(served.len() > 25, "only {} were served", served.len());
    let heard = world.notes().filter(|(_, e)| matches!(e, Event::Media { stats, .. } if stats.received > 100 && stats.lost == 0)).count();
    assert!(heard > 50, "only {heard} legs heard anything");
}

/// The same day at two depths: the menu, the phones and the network between are real at one of them, and it comes to the same.
#[test]
fn routing_alone_and_the_whole_engine_tell_the_same_day() {
    let (mut queued, mut answered) = ([0f64; 2], [0f64; 2]);
    for seed in 0..6 {
        let scenario = Scenario::draw(seed, Kind::Quiet, 600);
        let alone = scenario.run_queue();
        let mut world: World = scenario.world();
        world.run_until_quiet(scenario.limit());
        let records = world.records();
        let in_queue = records.iter().filter(|r| r.queue.is_some());
        queued[0] += alone.queued as f64;
        queued[1] += in_queue.clone().count() as f64;
        answered[0] += alone.served as f64;
        answered[1] += in_queue.filter(|r| r.agent.is_some()).count() as f64;
    }
    let share = [answered[0] / queued[0], answered[1] / queued[1]];
    println!("queued {queued:?}, answered {answered:?}");
    assert!((share[0] - share[1]).abs() < 0.03, "answered shares {share:?}");
    assert!((queued[0] / queued[1] - 1.0).abs() < 0.05, "tries {queued:?}");
}

#[test]
fn a_day_repeats_to_the_last_caller() {
    let tally = |seed| Scenario::draw(seed, Kind::Surge, 500).run_queue();
    assert_eq!(tally(3), tally(3));
    assert_ne!(tally(3), tally(4));
    let ends = || {
        let scenario = Scenario::draw(9, Kind::Faults, 200);
        let mut world = scenario.world();
        world.run_until(Duration::from_secs(3600));
        world.records().to_vec()
    };
    assert_eq!(ends(), ends());
}
