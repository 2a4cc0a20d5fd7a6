//! What a flow may ask for those who wait: the agent they know, a way out after a while, a head start, and a word about the wait.

use model::{AbandonStage, CallEnd, CallRecord, Event, Party};
use phone::Command;
use sim::{Clerk, PersonId, Resident, Town, World};
use std::time::Duration;

/// A key pressed in the middle of the main menu.
const ONE: &str = "WWWW1";
const LIMIT: Duration = secs(3 * 3600);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A town whose nurse step has these lines more, and whose flow has these steps more.
fn town(step: &str, outcomes: &str, steps: &str) -> World {
    let change = |flow: &mut String| {
        *flow = flow.replacen("    queue: nurse\n", &format!("    queue: nurse\n{step}"), 1);
        *flow = flow.replacen("full: nobody }\n  general", &format!("full: nobody{outcomes} }}\n  general"), 1);
        *flow = flow.replacen(r#""3": information"#, r#""3": information, "4": information"#, 1);
        if !steps.is_empty() {
            *flow = flow.replacen(r#""4": information"#, r#""4": more"#, 1);
            flow.push_str(steps);
        }
    };
    World::new(Town::default().build_with(change), 1)
}

fn calls(talk: u64) -> Resident {
    Resident { keys: ONE.to_owned(), talk: Some(secs(talk)), patience: secs(2000), ..Resident::default() }
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
    assert_eq!(world.repairs(), 0);
}

fn last(world: &World) -> &CallRecord {
    world.records().last().unwrap()
}

fn agent(record: &CallRecord) -> &str {
    record.agent.as_ref().map_or("nobody", |agent| agent.as_str())
}

// ---- the agent they know -----------------------------------------------------------------------------------------------------

/// Somebody was served by yuki and calls again at second 120, while yuki talks with another until about `busy` and mio is idle.
fn calls_again(step: &str, busy: u64) -> World {
    let mut world = town(step, "", "");
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let known = world.add_resident(secs(2), calls(10));
    world.add_resident(secs(80), calls(busy - 95));
    world.add_clerk(secs(110), "mio", Clerk::default());
    world.dials_again(secs(120), known);
    rest(&mut world);
    world
}

#[test]
fn who_calls_again_waits_for_the_nurse_they_know() {
    let world = calls_again("    last_agent: 90s\n", 150);
    let again = last(&world);
    assert_eq!((agent(again), again.end), ("yuki", CallEnd::Served));
    assert!(again.waited.unwrap().0 > 30_000, "mio was idle all the time: {:?}", again.waited);
}

#[test]
fn the_nurse_they_know_is_busy_for_too_long_and_anybody_will_do() {
    let world = calls_again("    last_agent: 40s\n", 400);
    let again = world.records().iter().find(|record| agent(record) == "mio").unwrap();
    let waited = again.waited.unwrap().0;
    assert!((40_000..46_000).contains(&waited), "{waited}");
}

#[test]
fn without_the_wish_nobody_waits_for_somebody_they_know() {
    let world = calls_again("", 400);
    let again = world.records().iter().find(|record| agent(record) == "mio").unwrap();
    assert!(again.waited.unwrap().0 < 6_000, "{:?}", again.waited);
}

// ---- a way out, a head start -------------------------------------------------------------------------------------------------

#[test]
fn who_has_waited_for_forty_seconds_is_taken_by_the_general_line_at_the_old_age() {
    let mut world = town("", ", waited: [{ longer_than: 40s, next: general }]", "");
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.add_resident(secs(2), calls(600));
    world.add_resident(secs(30), calls(20));
    rest(&mut world);
    let moved = &world.records()[0];
    assert_eq!((agent(moved), moved.queue.as_ref().unwrap().as_str()), ("ken", "general"));
    let waited = moved.waited.unwrap().0;
    assert!((40_000..46_000).contains(&waited), "both queues together: {waited}");
}

#[test]
fn a_head_start_of_ten_minutes_is_worth_ten_minutes_and_no_more() {
    for (elder, first) in [(20, "younger"), (20 + 60, "younger"), (620, "elder")] {
        // The elder waits from second 20 or so; who presses 4 comes `elder` seconds later, with ten minutes on top of their age.
        let more = "  more:\n    queue: nurse\n    bonus: 10m\n    outcomes: { nobody_logged_in: nobody, full: nobody }\n";
        let mut world = town("", "", more);
        world.add_clerk(secs(0), "yuki", Clerk::default());
        world.add_resident(secs(2), calls(1000));
        world.add_resident(secs(20), calls(10));
        world.add_resident(secs(20 + elder), Resident { keys: "WWWW4".to_owned(), ..calls(10) });
        rest(&mut world);
        let served: Vec<u64> = world.records().iter().map(|record| record.call.0).collect();
        assert_eq!(served, if first == "elder" { [1, 2, 3] } else { [1, 3, 2] }, "{elder} s younger");
    }
}

// ---- a word about the wait ---------------------------------------------------------------------------------------------------

#[test]
fn who_was_told_how_long_it_takes_is_judged_by_it_and_nobody_else() {
    let mut world = World::new(
        Town::default().build_with(|flow| {
            *flow = flow.replacen("- { at: 0s, say: please_wait }", "- { at: 5s, say: queue_wait, only_if: known }", 1);
        }),
        1,
    );
    world.add_clerk(secs(0), "yuki", Clerk::default());
    // Twenty-two calls teach the queue; nobody waits long enough to be told anything.
    for n in 0..22 {
        world.add_resident(secs(5 + n * 60), calls(10));
    }
    let from = 5 + 22 * 60;
    world.add_resident(secs(from), calls(30));
    world.add_resident(secs(from + 10), calls(10));
    rest(&mut world);
    let judged: Vec<_> = world
        .notes()
        .filter_map(|(_, e)| match e {
            Event::WaitJudged { call, low, high, waited, .. } => Some((call.0, low.0, high.0, waited.0)),
            _ => None,
        })
        .collect();
    assert_eq!(judged.len(), 1, "{judged:?}");
    let (call, low, high, waited) = judged[0];
    assert_eq!(call, 24);
    assert!(low < high && high < 600_000, "{judged:?}");
    let whole = last(&world).waited.unwrap().0;
    assert!(whole.abs_diff(waited + 5_000) < 1_000, "from the moment it was told: {waited} of {whole}");
}

// ---- served, and then not ----------------------------------------------------------------------------------------------------

#[test]
fn the_only_nurses_phone_vanishes_and_whoever_is_told_that_nobody_is_there_was_not_served() {
    let mut world = town("", "", "");
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { talk: None, ..calls(0) });
    world.at(secs(30), yuki, Command::Vanish);
    rest(&mut world);
    let record = last(&world);
    assert_eq!((record.end, record.hung_up_by, record.gave_up), (CallEnd::FlowEnded, Party::Engine, None));
    assert_eq!(agent(record), "yuki", "they had talked");
}

#[test]
fn who_hangs_up_while_told_that_nobody_is_there_any_more_gave_up() {
    let mut world = town("", "", "");
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { talk: None, ..calls(0) });
    world.at(secs(30), yuki, Command::Vanish);
    let mut at = secs(60);
    while !world.notes().any(|(_, e)| matches!(e, Event::StepEntered { step, .. } if step.as_str() == "nobody")) {
        at += secs(1);
        assert!(at < secs(600), "nobody was told anything");
        world.run_until(at);
    }
    world.at(at + Duration::from_millis(200), caller, Command::HangUp);
    rest(&mut world);
    let record = last(&world);
    assert_eq!((record.end, record.gave_up), (CallEnd::AbandonedInMenu, Some(AbandonStage::Menu)));
}

#[test]
fn another_nurse_takes_over_and_the_caller_was_served() {
    let mut world = town("", "", "");
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), calls(120));
    world.add_clerk(secs(25), "mio", Clerk::default());
    world.at(secs(30), yuki, Command::Vanish);
    rest(&mut world);
    assert_eq!((agent(last(&world)), last(&world).end), ("mio", CallEnd::Served));
}

// ---- midnight ----------------------------------------------------------------------------------------------------------------

#[test]
fn a_place_is_kept_across_midnight_and_kept_once() {
    let mut world = town("", "", "");
    // Ten in the morning becomes ten to midnight.
    world.clock_jumps(secs(1), (13 * 3600 + 50 * 60) * 1000);
    world.add_clerk(secs(2), "yuki", Clerk::default());
    world.add_resident(secs(5), calls(1500));
    let cut: PersonId = world.add_resident(secs(400), calls(10));
    // Cut at two to midnight; again at four past, cut at five past, and once more at six past.
    world.at(secs(480), cut, Command::HangUp);
    world.dials_again(secs(840), cut);
    world.at(secs(900), cut, Command::HangUp);
    world.dials_again(secs(960), cut);
    rest(&mut world);
    let of_theirs: Vec<&CallRecord> = world.records().iter().filter(|record| record.call.0 != 1).collect();
    assert_ne!(of_theirs[0].person, of_theirs[1].person, "another day, another name");
    let kept = world.notes().filter(|(_, e)| matches!(e, Event::PlaceKept { .. })).count();
    assert_eq!(kept, 1);
    assert!(of_theirs[1].waited.unwrap().0 > 480_000, "{:?}", of_theirs[1].waited);
    assert!(of_theirs[2].waited.unwrap().0 < 600_000, "{:?}", of_theirs[2].waited);
}
