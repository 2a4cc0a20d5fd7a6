//! One situation each: what a resident, an agent, the network or the journal does, and what must come of it.

use model::{CallEnd, Event, Party};
use sim::{Clerk, PersonId, Resident, Town, World};
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn town() -> World {
    World::new(Town::default().build(), 1)
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

fn bridges(world: &World) -> usize {
    world.notes().filter(|(_, e)| matches!(e, Event::Bridged { .. })).count()
}

#[test]
fn a_resident_presses_one_and_talks_to_a_nurse() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".into(), ..Resident::default() });
    world.run_until_quiet(secs(600));
    for t in world.events() {
        println!("{t:?}");
    }
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(bridges(&world), 1);
    assert_eq!(world.violations(), [""; 0]);
    let _ = caller;
    let _: Option<PersonId> = None;
}
