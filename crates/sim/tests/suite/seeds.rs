//! Trouble by the seed: a town, a network, a journal, people who do anything at any time, and an engine that may be killed.
//!
//! A seed that once found a mistake is named in a test of its own.

use calls::Control;
use model::{AgentId, BreakReason, Random};
use phone::{AnswerPolicy, Command};
use sim::{Clerk, Pace, Resident, Town, Weather, World, town};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(3 * 3600);
/// People leave everything alone from here on, so that the day can end.
const LAST: u64 = 600_000;

/// One troubled day. Whether the engine is killed in it is part of the seed.
fn trouble(seed: u64) {
    let mut random = Random::from_number(seed ^ 0x7072_6F62);
    let mut draw = |limit: u64| random.below(limit);
    let mut a_town = || Town {
        calls_max: [5, 20, 1000][draw(3) as usize],
        waiting_max: [1, 3, 500][draw(3) as usize],
        ring_secs: [5, 15][draw(2) as usize],
        wrap_up_secs: [1, 20][draw(2) as usize],
        callbacks: false,
        hotline: draw(2) == 0,
    };
    let towns: Vec<Town> = (0..3).map(|_| a_town()).collect();
    let mut world = World::new(towns[0].build(), seed);
    let mut at = || Duration::from_millis(random.below(LAST));
    let times: Vec<Duration> = (0..64).map(|_| at()).collect();
    let weathers = [Weather::FAIR, Weather::FOUL, Weather { jitter: Duration::from_millis(400), ..Weather::FOUL }];
    let paces = [
        Pace::PROMISED,
        Pace { least: Duration::from_millis(10), most: Duration::from_millis(49) },
        Pace { least: Duration::from_millis(1), most: Duration::from_millis(300) },
    ];
    world.weather(Duration::ZERO, weathers[random.below(3) as usize]);
    world.weather(times[0], weathers[random.below(3) as usize]);
    world.journal_pace(Duration::ZERO, paces[random.below(3) as usize]);
    if random.below(5) == 0 {
        world.journal_dies(times[1]);
    }
    if random.below(3) == 0 {
        world.control(times[2], Control::Publish(towns[1].build()));
        world.control(times[3], Control::Publish(towns[2].build()));
    }
    let killed = random.below(4) == 0;
    if killed {
        world.crash(times[4], Duration::from_millis(random.below(20_000)));
    }

    let mut clerks = Vec::new();
    for name in town::NURSES.iter().chain(&town::CLERKS) {
        if random.below(3) == 0 {
            continue;
        }
        let answer = match random.below(8) {
            0 => AnswerPolicy::Never,
            1 => AnswerPolicy::Decline([486, 603, 480, 503][random.below(4) as usize]),
            _ => AnswerPolicy::After(Duration::from_millis(random.below(8000))),
        };
        let clerk = Clerk { answer, talk: Some(Duration::from_millis(100 + random.below(60_000))), ..Clerk::default() };
        clerks.push((world.add_clerk(Duration::from_millis(random.below(30_000)), name, clerk), *name));
    }
    for _ in 0..60 {
        let keys: String = (0..random.below(14)).map(|_| ['w', 'W', 'W', '1', '2', '3', '0', '9', '#'][random.below(9) as usize]).collect();
        let resident = Resident {
            dials: if random.below(20) == 0 { "0449999999".to_owned() } else { town::NUMBER.to_owned() },
            keys,
            patience: Duration::from_millis(random.below(120_000)),
            talk: Some(Duration::from_millis(random.below(60_000))),
            ..Resident::default()
        };
        // Bursts: every channel is taken, everybody comes at once.
        let when = if random.below(2) == 0 {
            Duration::from_millis(60_000 + random.below(2000))
        } else {
            Duration::from_millis(random.below(LAST))
        };
        let person = world.add_resident(when, resident);
        let later = when + Duration::from_millis(random.below(60_000));
        match random.below(12) {
            0 => world.at(later, person, Command::Vanish),
            1 => world.at(later, person, Command::StopSending),
            2 => world.at(later, person, Command::HangUp),
            3 => world.at(later, person, Command::Cancel),
            _ => {}
        }
    }
    for (n, time) in times.iter().skip(8).enumerate() {
        let Some((clerk, name)) = clerks.get(n % clerks.len().max(1)).copied() else { break };
        match random.below(9) {
            0 => world.at(*time, clerk, Command::HangUp),
            1 => world.at(*time, clerk, Command::Unregister),
            2 => world.at(*time, clerk, Command::Register),
            3 => world.dials_code(*time, clerk, ["*1", "*24", "*3", "*9"][random.below(4) as usize]),
            4 => world.at(*time, clerk, Command::Answer),
            5 if n % 4 == 0 => world.at(*time, clerk, Command::Vanish),
            6 => {
                let lunch = routing::Change::Break(Some(BreakReason::from("lunch")));
                let change = if random.below(2) == 0 { routing::Change::Ready } else { lunch };
                world.control(*time, Control::SetAgent(AgentId::from(name), change));
            }
            _ => {}
        }
    }
    world.run_until_quiet(LIMIT);
    // The registrar remembers the answer to each user's last REGISTER only; the copy of an older one, overtaken on its way, is challenged.
    let overtaken = |fault: &str| fault.contains("401 after a final 200 to the same REGISTER");
    let violations: Vec<String> = world.violations().into_iter().filter(|v| !overtaken(v)).collect();
    assert_eq!(violations, [""; 0], "seed {seed}");
}

#[test]
fn forty_troubled_days() {
    for seed in 0..40 {
        trouble(seed);
    }
}

#[test]
#[ignore = "an hour's hunt: cargo test --release -p toritsugi-sim --test suite seeds:: -- --ignored"]
fn many_troubled_days() {
    for seed in 1000..6000 {
        trouble(seed);
    }
}
