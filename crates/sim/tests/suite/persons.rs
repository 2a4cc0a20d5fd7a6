//! Persons, not only calls: who calls again, who is cut off, who was turned away, and at which stage people give up.

use calls::{Control, Record};
use model::{AbandonStage, CallEnd, CallRecord, Event, Person, Refusal};
use phone::{AnswerPolicy, Command};
use sim::{Clerk, PersonId, Resident, Town, World};
use std::collections::BTreeSet;
use std::time::Duration;

/// A key pressed in the middle of the main menu.
const ONE: &str = "WWWW1";
const LIMIT: Duration = secs(3 * 3600);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn town() -> World {
    World::new(Town::default().build(), 1)
}

fn nurse_line() -> Resident {
    Resident { keys: ONE.to_owned(), talk: Some(secs(20)), patience: secs(2000), ..Resident::default() }
}

/// A town whose only nurse talks to somebody until `until`.
fn busy_until(until: Duration) -> World {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(2), Resident { talk: Some(until.saturating_sub(secs(15))), ..nurse_line() });
    world
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
}

fn count(world: &World, what: impl Fn(&Event) -> bool) -> usize {
    world.notes().filter(|(_, e)| what(e)).count()
}

fn places_kept(world: &World) -> usize {
    count(world, |e| matches!(e, Event::PlaceKept { .. }))
}

/// Callers in the order in which they came to the nurse, masked.
fn served(world: &World) -> Vec<String> {
    world.records().iter().filter(|r| r.end == CallEnd::Served).map(|r| r.caller.clone()).collect()
}

fn masked(world: &World, person: PersonId) -> String {
    let name = format!("0801{:07}", person.0);
    assert!(world.phone(person).is_some());
    model::Redacted::new(name).to_string()
}

// ---- a line that is cut ------------------------------------------------------------------------------------------------------

/// One waits from 20 s and is cut off at 60 s; another waits from 70 s; the first dials again at `again`. Who is served first?
fn cut_and_calls_again(again: Duration) -> (World, PersonId, PersonId) {
    let mut world = busy_until(secs(900));
    let cut = world.add_resident(secs(20), nurse_line());
    let other = world.add_resident(secs(70), nurse_line());
    world.at(secs(60), cut, Command::HangUp);
    world.dials_again(again, cut);
    rest(&mut world);
    (world, cut, other)
}

#[test]
fn who_was_cut_off_and_calls_again_within_ten_minutes_is_served_at_the_old_age() {
    let (world, cut, other) = cut_and_calls_again(secs(60 + 590));
    assert_eq!(places_kept(&world), 1);
    assert_eq!(served(&world)[1..], [masked(&world, cut), masked(&world, other)]);
    let kept = world.notes().find_map(|(_, e)| if let Event::PlaceKept { age, .. } = e { Some(age.0) } else { None });
    assert!(kept.is_some_and(|age| age > 600_000), "{kept:?} ms is not since the first call");
    let waited = world.records().iter().filter(|r| r.end == CallEnd::Served).nth(1).unwrap().waited.unwrap();
    assert!(waited.0 > 850_000, "the wait counts from the first call: {waited:?}");
}

#[test]
fn after_ten_minutes_the_place_is_gone() {
    let (world, cut, other) = cut_and_calls_again(secs(60 + 620));
    assert_eq!(places_kept(&world), 0);
    assert_eq!(served(&world)[1..], [masked(&world, other), masked(&world, cut)]);
}

#[test]
fn the_place_is_kept_once() {
    let mut world = busy_until(secs(900));
    let cut = world.add_resident(secs(20), nurse_line());
    let other = world.add_resident(secs(70), nurse_line());
    world.at(secs(60), cut, Command::HangUp);
    world.dials_again(secs(100), cut);
    world.at(secs(200), cut, Command::HangUp);
    world.dials_again(secs(240), cut);
    rest(&mut world);
    assert_eq!(places_kept(&world), 1);
    assert_eq!(served(&world)[1..], [masked(&world, other), masked(&world, cut)]);
}

#[test]
fn who_withholds_their_number_is_a_stranger_each_time() {
    let mut world = busy_until(secs(300));
    let hidden = world.add_resident(secs(20), Resident { number: Some("anonymous".to_owned()), ..nurse_line() });
    world.at(secs(60), hidden, Command::HangUp);
    world.dials_again(secs(100), hidden);
    rest(&mut world);
    assert_eq!(places_kept(&world), 0);
    let hidden: Vec<&CallRecord> = world.records().iter().filter(|r| r.person.is_none()).collect();
    assert_eq!(hidden.len(), 2);
}

#[test]
fn who_was_in_the_menu_only_had_no_place_to_lose() {
    let mut world = busy_until(secs(300));
    let caller = world.add_resident(secs(20), Resident { keys: String::new(), ..nurse_line() });
    world.at(secs(30), caller, Command::HangUp);
    world.dials_again(secs(40), caller);
    rest(&mut world);
    assert_eq!(places_kept(&world), 0);
}

#[test]
fn the_engine_is_killed_under_somebody_who_waits_and_they_find_their_place_again() {
    let mut world = busy_until(secs(200));
    let cut = world.add_resident(secs(20), nurse_line());
    world.crash(secs(60), secs(3));
    // Everybody hears a dead line and hangs up after half a minute; the nurse's phone registers again in time.
    world.dials_again(secs(300), cut);
    rest(&mut world);
    assert_eq!(places_kept(&world), 1);
    let lost = world.records().iter().filter(|r| r.end == CallEnd::LostInRestart).count();
    assert_eq!(lost, 2, "who waited, and who talked");
    let again = world.records().last().unwrap();
    assert_eq!(again.end, CallEnd::Served);
    assert!(again.waited.unwrap().0 > 270_000, "{:?}", again.waited);
}

#[test]
fn a_kept_place_survives_that_the_engine_is_killed() {
    let mut world = busy_until(secs(100));
    let cut = world.add_resident(secs(20), nurse_line());
    world.at(secs(60), cut, Command::HangUp);
    world.crash(secs(70), secs(3));
    world.dials_again(secs(300), cut);
    rest(&mut world);
    assert_eq!(places_kept(&world), 1);
}

// ---- persons -----------------------------------------------------------------------------------------------------------------

/// What the journal alone tells: attempts, distinct persons, those who reached somebody, and attempts that were turned away.
fn recount(world: &World) -> (usize, usize, usize, usize) {
    let (mut attempts, mut turned_away) = (0, 0);
    let (mut all, mut reached): (BTreeSet<Person>, BTreeSet<Person>) = (BTreeSet::new(), BTreeSet::new());
    for record in world.ledger().records() {
        match record {
            Record::Ended(record) => {
                attempts += 1;
                all.extend(record.person.clone());
                reached.extend(record.person.clone().filter(|_| record.end == CallEnd::Served));
            }
            Record::Refused { person, .. } => {
                attempts += 1;
                turned_away += 1;
                all.extend(person.clone());
            }
            _ => {}
        }
    }
    (attempts, all.len(), reached.len(), turned_away)
}

#[test]
fn redials_are_attempts_of_one_person() {
    let mut world = busy_until(secs(200));
    let caller = world.add_resident(secs(20), Resident { patience: secs(30), ..nurse_line() });
    world.dials_again(secs(60), caller);
    world.dials_again(secs(120), caller);
    rest(&mut world);
    assert_eq!(recount(&world), (4, 2, 1, 0));
}

#[test]
fn callers_who_find_all_channels_busy_are_counted_and_may_reach_somebody_later() {
    let mut world = World::new(Town { calls_max: 1, ..Town::default() }.build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), nurse_line());
    let blocked = world.add_resident(secs(10), nurse_line());
    world.add_resident(secs(11), Resident { dials: "0449999999".to_owned(), ..nurse_line() });
    world.dials_again(secs(15), blocked);
    world.dials_again(secs(90), blocked);
    rest(&mut world);
    // A number that is none of ours is nobody's attempt to reach the city.
    assert_eq!(recount(&world), (4, 2, 2, 2));
    assert_eq!(count(&world, |e| matches!(e, Event::Refused { why: Refusal::Full, person: Some(_) })), 2);
}

#[test]
fn callers_who_are_turned_away_while_the_engine_drains_are_counted() {
    let mut world = town();
    world.control(secs(1), Control::Drain);
    world.add_resident(secs(5), nurse_line());
    rest(&mut world);
    assert_eq!(recount(&world), (1, 1, 0, 1));
}

// ---- giving up ---------------------------------------------------------------------------------------------------------------

#[test]
fn people_give_up_at_every_stage_and_the_record_says_at_which() {
    let stage = |patience: Duration, nurse: Option<Clerk>, keys: &str| {
        let mut world = busy_until(secs(120));
        if let Some(nurse) = nurse {
            world.add_clerk(secs(0), "mio", nurse);
        }
        world.add_resident(secs(20), Resident { keys: keys.to_owned(), patience, ..nurse_line() });
        rest(&mut world);
        world.records().iter().find(|r| r.end != CallEnd::Served).unwrap().gave_up
    };
    assert_eq!(stage(secs(3), None, ONE), Some(AbandonStage::Short));
    assert_eq!(stage(secs(8), None, ""), Some(AbandonStage::Menu));
    assert_eq!(stage(secs(40), None, ONE), Some(AbandonStage::Queue));
    let never = Clerk { answer: AnswerPolicy::Never, ..Clerk::default() };
    assert_eq!(stage(secs(15), Some(never), ONE), Some(AbandonStage::Ringing));
}

#[test]
fn who_was_served_did_not_give_up() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), nurse_line());
    rest(&mut world);
    assert_eq!(world.records()[0].gave_up, None);
}

#[test]
fn an_agents_phone_vanishes_and_who_waits_again_and_gives_up_counts_as_abandoned() {
    let mut world = town();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { talk: None, patience: secs(900), ..nurse_line() });
    world.at(secs(30), yuki, Command::Vanish);
    let caller = PersonId(1);
    world.at(secs(130), caller, Command::HangUp);
    rest(&mut world);
    let record = &world.records()[0];
    assert_eq!((record.end, record.gave_up), (CallEnd::AbandonedInQueue, Some(AbandonStage::Queue)));
    assert_eq!(count(&world, |e| matches!(e, Event::Bridged { .. })), 1, "they had talked before");
}

// ---- ports -------------------------------------------------------------------------------------------------------------------

#[test]
fn another_program_holds_the_port_of_an_agents_leg_and_the_next_one_is_taken() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    // The caller's leg is on the first port, the agent's on the second.
    world.ports_taken(secs(1), vec![20_002, 20_004]);
    world.add_resident(secs(5), nurse_line());
    rest(&mut world);
    assert_eq!(world.records()[0].end, CallEnd::Served);
    assert_eq!(count(&world, |e| matches!(e, Event::MediaFailed { .. })), 0, "nobody noticed");
}

#[test]
fn no_port_can_be_had_for_an_agents_leg_and_the_caller_keeps_the_place() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.ports_taken(secs(1), (20_002..20_060).collect());
    let caller = world.add_resident(secs(5), Resident { patience: secs(60), ..nurse_line() });
    rest(&mut world);
    assert!(world.phone(caller).is_some());
    let record = &world.records()[0];
    assert_eq!((record.end, record.agent.clone()), (CallEnd::AbandonedInQueue, None));
    assert!(count(&world, |e| matches!(e, Event::MediaFailed { .. })) > 0);
}
