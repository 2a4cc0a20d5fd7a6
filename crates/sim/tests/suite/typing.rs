//! Callers who are in the middle of typing a number when the city changes under them, and rules that look at a real queue.

use calls::Control;
use model::{CallEnd, Event, Version};
use phone::Command;
use sim::{Clerk, Resident, Town, World};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = secs(3 * 3600);
/// Five in the main menu asks for a number, which another house is then asked about.
const KEYS: &str = r#""5": card"#;
const STEPS: &str = r#"
  card: { collect: { say: please_wait, into: card, length: LENGTH, between: 12s }, next: ask }
  ask: { lookup: { at: register, send: { card: "{card}" }, timeout: 4s, say: please_wait, answers: { found: thanks }, failed: thanks } }
  thanks: { hang_up: { say: goodbye } }
"#;
/// Two figures at about twelve seconds, the other three eight seconds after them.
const HALF_AND_HALF: &str = "WWWW5WW12WWWWWWWW345";
const BETWEEN: Duration = secs(17);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn city(length: u32) -> Arc<calls::City> {
    Town::default().build_with_steps(KEYS, &STEPS.replace("LENGTH", &length.to_string()))
}

fn resident(keys: &str) -> Resident {
    Resident { keys: keys.to_owned(), talk: Some(secs(10)), patience: secs(60), ..Resident::default() }
}

/// The numbers that the other house was asked about.
fn asked(world: &World) -> Vec<String> {
    world.questions().iter().flat_map(|(_, sent)| sent.values().cloned()).collect()
}

fn count(world: &World, is: impl Fn(&Event) -> bool) -> usize {
    world.notes().filter(|(_, event)| is(event)).count()
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_publication_in_the_middle_of_a_number_changes_nothing_for_whoever_types_it() {
    let (five, three) = (city(5), city(3));
    let mut world = World::new(Arc::clone(&five), 1);
    world.add_resident(secs(5), resident(HALF_AND_HALF));
    world.control(BETWEEN, Control::Publish(Arc::clone(&three)));
    // Who calls afterwards is asked for three figures only.
    world.add_resident(secs(60), resident("WWWW5WW678"));
    world.run_until(BETWEEN);
    assert_eq!((count(&world, |e| matches!(e, Event::StepEntered { step, .. } if step.as_str() == "card")), asked(&world).len()), (1, 0));
    rest(&mut world);
    assert_eq!(asked(&world), ["12345", "678"], "nothing is lost, and nothing is taken for something else");
    let asked_for = |e: &Event| matches!(e, Event::PromptStarted { prompt, .. } if prompt.as_str() == "please_wait");
    assert_eq!(count(&world, asked_for), 4, "each was asked once, and told once to wait for the register");
    let versions: Vec<&Version> = world.records().iter().map(|record| &record.version).collect();
    assert_eq!(versions, [&five.book.version, &three.book.version]);
}

#[test]
fn half_a_number_dies_with_the_engine_and_the_next_call_begins_with_none() {
    let mut world = World::new(city(5), 1);
    let first = world.add_resident(secs(5), resident(HALF_AND_HALF));
    world.crash(BETWEEN, secs(2));
    world.at(secs(40), first, Command::HangUp);
    world.add_resident(secs(60), resident("WWWW5WW67890"));
    rest(&mut world);
    assert_eq!(asked(&world), ["67890"], "neither half was asked about, alone or with another caller's");
    let ends: Vec<CallEnd> = world.records().iter().map(|record| record.end).collect();
    assert_eq!(ends, [CallEnd::LostInRestart, CallEnd::FlowEnded]);
    let kept = world.records().iter().any(|record| record.path.iter().any(|step| step.contains("12") || step.contains("67")));
    assert!(!kept, "what is typed stands in no record");
}

/// Seven in the main menu looks at the nurses' queue.
const LOOKS: &str = r#"
  look:
    rules:
      - { queue: nurse, if: { staffed_under: 1 }, next: nobody_there }
      - { queue: nurse, if: { oldest_over: 30s }, next: long }
      - { queue: nurse, if: { available_under: 1 }, next: busy }
      - { otherwise: nurse }
  nobody_there: { say: please_wait, next: general }
  long: { say: please_wait, next: general }
  busy: { say: please_wait, next: general }
"#;

#[test]
fn rules_lead_by_how_the_queue_stands_at_that_moment() {
    let mut world = World::new(Town::default().build_with_steps(r#""7": look"#, LOOKS), 1);
    world.add_clerk(secs(0), "ken", Clerk::default());
    // Nobody is signed in; then yuki is, and idle; then she talks and nobody waits; then somebody has waited for more than half a minute.
    world.add_resident(secs(5), resident("WWWW7"));
    world.add_clerk(secs(40), "yuki", Clerk::default());
    world.add_resident(secs(60), Resident { talk: Some(secs(300)), ..resident("WWWW7") });
    world.add_resident(secs(90), resident("WWWW7"));
    world.add_resident(secs(120), Resident { patience: secs(100), ..resident("WWWW1") });
    world.add_resident(secs(175), resident("WWWW7"));
    rest(&mut world);
    let mut records: Vec<_> = world.records().iter().filter(|record| record.path.iter().any(|step| step.starts_with("look="))).collect();
    records.sort_by_key(|record| record.arrived);
    let ways: Vec<&[String]> = records.iter().map(|record| &record.path[2..4]).collect();
    assert_eq!(ways, [["look=rule1", "nobody_there"], ["look=otherwise", "nurse"], ["look=rule3", "busy"], ["look=rule2", "long"]]);
}
