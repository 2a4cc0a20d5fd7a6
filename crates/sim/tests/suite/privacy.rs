//! Law 8: numbers of people are people. Nothing that is written down or noted names a caller in clear.

use model::Event;
use phone::AnswerPolicy;
use sim::{Clerk, Neighbour, Resident, Town, World, town};
use std::time::Duration;

/// Everything that leaves the engine but for the wire: records as the journal keeps them, and events as the log and the database get them.
fn written(world: &World) -> Vec<String> {
    let records = world.ledger().records().map(|record| format!("{record:?}"));
    records.chain(world.notes().map(|(_, event)| format!("{event:?}"))).collect()
}

#[test]
fn no_record_and_no_event_holds_a_callers_number() {
    let mut world = World::new(Town::default().build(), 8);
    world.add_clerk(Duration::ZERO, town::CLERKS[0], Clerk { answer: AnswerPolicy::After(Duration::from_secs(2)), ..Clerk::default() });
    let callers: Vec<_> = (1..6).map(|i| world.add_resident(Duration::from_secs(10 * i), Resident::default())).collect();
    world.run_until_quiet(Duration::from_secs(3600));

    // Every resident of the simulator calls from a number of the form 080 and eight figures.
    assert_eq!(callers.len(), 5);
    let written = written(&world);
    assert!(written.iter().any(|line| line.contains("Ended")), "something was written at all");
    let telling = written.iter().find(|line| line.contains("08010000"));
    assert_eq!(telling, None, "a caller's number stands in clear");
}

#[test]
fn no_record_and_no_event_holds_the_number_of_who_is_called_back() {
    const MINE: &str = "08011112222";
    let mut world = World::new(Town { callbacks: true, ..Town::default() }.build(), 8);
    let yuki = world.add_clerk(Duration::ZERO, "yuki", Clerk::default());
    world.dials_code(Duration::from_secs(5), yuki, "*2");
    let keys = "WWWW1WWWWWWWWWW9WWWWWWWWWW1".to_owned();
    world.add_resident(Duration::from_secs(10), Resident { keys, number: Some(MINE.to_owned()), ..Resident::default() });
    world.add_neighbour(Neighbour {
        number: MINE.to_owned(),
        keys: "WW1".to_owned(),
        talk: Some(Duration::from_secs(30)),
        ..Neighbour::default()
    });
    world.dials_code(Duration::from_secs(100), yuki, "*1");
    world.crash(Duration::from_secs(60), Duration::from_secs(2));
    world.run_until(Duration::from_secs(900));
    world.run_until_quiet(Duration::from_secs(3600));

    let called = world.calls_out().iter().filter(|(_, number)| number == MINE).count();
    assert_eq!(called, 1, "the number was known when it was needed, after a restart too");
    let refused = world.notes().filter(|(_, e)| matches!(e, Event::Refused { .. })).count();
    assert_eq!(refused, 0);
    let written = written(&world);
    assert!(written.iter().any(|line| line.contains("CallbackBooked")), "it stands in the journal");
    assert_eq!(written.iter().find(|line| line.contains("801111222")), None, "a person's number stands in clear");
}
