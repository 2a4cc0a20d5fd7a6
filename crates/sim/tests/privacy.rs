//! Law 8: numbers of people are people. Nothing that is written down or noted names a caller in clear.

use phone::AnswerPolicy;
use sim::{Clerk, Resident, Town, World, town};
use std::time::Duration;

#[test]
fn no_record_and_no_event_holds_a_callers_number() {
    let mut world = World::new(Town::default().build(), 8);
    world.add_clerk(Duration::ZERO, town::CLERKS[0], Clerk { answer: AnswerPolicy::After(Duration::from_secs(2)), ..Clerk::default() });
    let callers: Vec<_> = (1..6).map(|i| world.add_resident(Duration::from_secs(10 * i), Resident::default())).collect();
    world.run_until_quiet(Duration::from_secs(3600));

    // Every resident of the simulator calls from a number of the form 080 and eight figures.
    assert_eq!(callers.len(), 5);
    let mut written: Vec<String> = world.ledger().records().map(|record| format!("{record:?}")).collect();
    written.extend(world.notes().map(|(_, event)| format!("{event:?}")));
    assert!(written.iter().any(|line| line.contains("Ended")), "something was written at all");
    let telling = written.iter().find(|line| line.contains("08000000"));
    assert_eq!(telling, None, "a caller's number stands in clear");
}
