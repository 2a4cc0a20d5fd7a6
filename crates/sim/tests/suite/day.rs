//! A whole day, and the promise that the same seed tells the same story.

use model::{CallEnd, Event, Refusal};
use sim::{Clerk, Day, Resident, Town, Weather, World};
use std::collections::BTreeMap;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(3 * 3600);

fn day(seed: u64) -> World {
    let mut world = World::new(Town::default().build(), seed);
    Day { calls: 520, ..Day::default() }.fill(&mut world, seed);
    world.run_until_quiet(LIMIT);
    world
}

#[test]
fn five_hundred_residents_call_within_an_hour() {
    let world = day(1);
    let mut ends: BTreeMap<CallEnd, usize> = BTreeMap::new();
    for record in world.records() {
        *ends.entry(record.end).or_default() += 1;
    }
    let unknown = world.notes().filter(|(_, e)| matches!(e, Event::Refused { why: Refusal::UnknownNumber, .. })).count();
    assert_eq!(world.records().len() + unknown, 520, "{ends:?}");
    for end in [CallEnd::Served, CallEnd::AbandonedInMenu, CallEnd::AbandonedInQueue, CallEnd::FlowEnded] {
        assert!(ends.get(&end).is_some_and(|n| *n >= 10), "{end} is too rare to mean anything: {ends:?}");
    }
    assert_eq!(world.violations(), [""; 0]);
    assert_eq!(world.flagged(), 0);
}

/// Prints the digest of a day: the other process of the next test.
#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn child_tells_the_digest() {
    println!("digest={}", day(7).digest());
}

#[test]
fn the_same_seed_tells_the_same_story_in_two_processes() {
    #[expect(clippy::disallowed_methods, reason = "two processes are the point: no address or hash seed of one may show in the other")]
    let told = || {
        let this = std::env::current_exe().unwrap();
        let output =
            std::process::Command::new(this).args(["--ignored", "--exact", "day::child_tells_the_digest", "--nocapture"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let digest = text.split("digest=").nth(1).map(|d| d.chars().take(64).collect::<String>());
        digest.unwrap_or_else(|| panic!("the child said nothing of use: {text}"))
    };
    let (one, two) = (told(), told());
    assert_eq!(one, two);
    assert_eq!(one, day(7).digest());
    assert_ne!(one, day(8).digest(), "another seed, another story");
}

#[test]
fn one_changed_answer_time_changes_the_story() {
    let story = |answer: u64| {
        let mut world = World::new(Town::default().build(), 5);
        world.add_clerk(
            Duration::ZERO,
            "ken",
            Clerk { answer: phone::AnswerPolicy::After(Duration::from_millis(answer)), ..Clerk::default() },
        );
        for n in 0..20 {
            world.add_resident(Duration::from_secs(3 + n * 30), Resident { keys: "2".into(), ..Resident::default() });
        }
        world.run_until_quiet(LIMIT);
        world.digest()
    };
    assert_eq!(story(3000), story(3000));
    assert_ne!(story(3000), story(3001));
}

#[test]
fn ten_days_in_foul_weather() {
    for seed in 0..10 {
        let mut world = World::new(Town::default().build(), seed);
        Day { calls: 100, within: Duration::from_secs(600), weather: Weather::FOUL }.fill(&mut world, seed);
        world.run_until_quiet(LIMIT);
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
    }
}

#[test]
fn the_records_alone_tell_the_state_at_every_minute_of_a_day() {
    let mut world = World::new(Town::default().build(), 3);
    Day { calls: 200, within: Duration::from_secs(900), ..Day::default() }.fill(&mut world, 3);
    let mut busy = 0;
    for minute in 1..30 {
        world.run_until(Duration::from_secs(60 * minute));
        let engine = world.engine().unwrap();
        let living = engine.state();
        let mut records = world.ledger().records().cloned();
        let restored =
            calls::Engine::restore(world.city().clone(), calls::Vault::new([1; 32]), [9; 32], model::Seq(0), &mut records).state();
        assert_eq!(living, restored, "at minute {minute}");
        busy += usize::from(!living.calls.is_empty());
    }
    assert!(busy > 10, "there was nothing to compare");
}
