//! Ways out of a queue that nobody chose: it is full, or no more, nobody is left who serves it, or the house closes.

use calls::{City, Control};
use model::{CallEnd, Event, QueueEnd, QueueId};
use phone::Command;
use sim::{Clerk, PersonId, Resident, Town, World};
use std::sync::Arc;
use std::time::Duration;

const ONE: &str = "WWWW1";
const LIMIT: Duration = secs(3 * 3600);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn nurse_line() -> Resident {
    Resident { keys: ONE.to_owned(), talk: Some(secs(20)), patience: secs(3000), ..Resident::default() }
}

/// The nurse talks to somebody for an hour; another caller waits from 30 s on.
fn one_waits() -> World {
    let mut world = World::new(Town::default().build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(2), Resident { talk: Some(secs(2000)), ..nurse_line() });
    world.add_resident(secs(25), nurse_line());
    world
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
}

fn left(world: &World, how: QueueEnd) -> usize {
    world.notes().filter(|(_, e)| matches!(e, Event::LeftQueue { how: h, .. } if *h == how)).count()
}

fn heard(world: &World, prompt: &str) -> usize {
    world.notes().filter(|(_, e)| matches!(e, Event::PromptStarted { prompt: p, .. } if p.as_str() == prompt)).count()
}

/// The town with its nurse's queue under another name.
fn renamed() -> Arc<City> {
    let city = Town::default().build();
    let mut book = (*city.book).clone();
    if let Some(mut queue) = book.queues.remove(&QueueId::from("nurse")) {
        queue.id = QueueId::from("nurses");
        book.queues.insert(queue.id.clone(), queue);
    }
    Arc::new(City { book: Arc::new(book), ..(*city).clone() })
}

#[test]
fn a_queue_is_published_under_another_name_and_who_waits_is_told() {
    let mut world = one_waits();
    world.control(secs(100), Control::Publish(renamed()));
    rest(&mut world);
    assert_eq!((left(&world, QueueEnd::Closed), heard(&world, "nobody_available")), (1, 1));
    let ends: Vec<CallEnd> = world.records().iter().map(|r| r.end).collect();
    assert_eq!(ends, [CallEnd::FlowEnded, CallEnd::Served], "who talks goes on");
}

#[test]
fn the_last_agent_goes_home_and_who_waits_is_told_within_two_minutes() {
    let mut world = World::new(Town::default().build(), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(2), Resident { talk: Some(secs(60)), ..nurse_line() });
    world.add_resident(secs(25), Resident { talk: None, ..nurse_line() });
    world.at(secs(40), yuki, Command::Unregister);
    rest(&mut world);
    let out = world.notes().find(|(_, e)| matches!(e, Event::LeftQueue { how: QueueEnd::NobodyLoggedIn, .. })).map(|(at, _)| at);
    let after = out.expect("they were led out").since(model::Instant::ZERO);
    assert!(after > secs(40 + 60) && after <= secs(40 + 120), "{after:?}");
    assert_eq!(heard(&world, "nobody_available"), 1);
}

#[test]
fn a_phone_that_comes_back_within_the_minute_finds_its_callers_waiting() {
    let mut world = one_waits();
    world.at(secs(100), PersonId(0), Command::Unregister);
    world.at(secs(140), PersonId(0), Command::Register);
    world.at(secs(200), PersonId(1), Command::HangUp);
    rest(&mut world);
    assert_eq!((left(&world, QueueEnd::NobodyLoggedIn), left(&world, QueueEnd::Answered)), (0, 2));
}

#[test]
fn everybody_is_on_a_break_and_who_waits_goes_on_waiting() {
    let mut world = World::new(Town::default().build(), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.dials_code(secs(3), yuki, "*2");
    world.add_resident(secs(25), nurse_line());
    world.dials_code(secs(900), yuki, "*1");
    rest(&mut world);
    assert_eq!(left(&world, QueueEnd::NobodyLoggedIn), 0);
    assert_eq!(world.records()[0].end, CallEnd::Served);
    let placed = world.notes().filter(|(_, e)| matches!(e, Event::Enqueued { .. })).count();
    assert_eq!(placed, 1, "asking again for a place that one has is no news");
}

#[test]
fn the_queue_is_full_and_who_comes_is_told() {
    let mut world = World::new(Town { waiting_max: 1, ..Town::default() }.build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(2), Resident { talk: Some(secs(200)), ..nurse_line() });
    world.add_resident(secs(25), nurse_line());
    world.add_resident(secs(40), nurse_line());
    rest(&mut world);
    assert_eq!((left(&world, QueueEnd::Full), heard(&world, "nobody_available")), (1, 1));
}

#[test]
fn the_house_closes_and_who_waits_hears_so_before_we_hang_up() {
    let mut world = one_waits();
    let listens = world.add_resident(secs(93), Resident { keys: String::new(), ..nurse_line() });
    world.control(secs(95), Control::Drain);
    let late = world.add_resident(secs(96), nurse_line());
    world.control(secs(100), Control::EndAll);
    rest(&mut world);
    assert!(world.phone(listens).is_some());
    assert_eq!(heard(&world, "closing_down"), 2, "who waits, and who is in the menu");
    let ends: Vec<CallEnd> = world.records().iter().map(|r| r.end).collect();
    assert_eq!(ends, [CallEnd::Served, CallEnd::LostInRestart, CallEnd::LostInRestart]);
    let refused = world.told(late).find_map(|(_, e)| if let phone::Event::Ended { status, .. } = e { Some(*status) } else { None });
    assert_eq!(refused, Some(Some(503)));
    let closed = world.notes().filter(|(_, e)| matches!(e, Event::Ended { .. })).map(|(at, _)| at.since(model::Instant::ZERO)).last();
    assert!(closed.is_some_and(|at| at > secs(101) && at < secs(107)), "{closed:?}");
}

#[test]
fn the_house_closes_while_an_agents_phone_rings_for_somebody() {
    let mut world = World::new(Town::default().build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk { answer: phone::AnswerPolicy::Never, ..Clerk::default() });
    world.add_resident(secs(5), nurse_line());
    world.control(secs(15), Control::EndAll);
    rest(&mut world);
    assert_eq!((heard(&world, "closing_down"), world.records()[0].end), (1, CallEnd::LostInRestart));
}

#[test]
fn who_heard_that_the_house_closes_finds_the_place_again_after_the_restart() {
    let mut world = one_waits();
    world.control(secs(100), Control::EndAll);
    world.crash(secs(120), secs(5));
    world.dials_again(secs(300), PersonId(2));
    rest(&mut world);
    let kept = world.notes().filter(|(_, e)| matches!(e, Event::PlaceKept { .. })).count();
    assert_eq!(kept, 1);
}

#[test]
fn asked_twice_it_is_at_once() {
    let mut world = one_waits();
    world.control(secs(100), Control::EndAll);
    world.control(secs(101), Control::EndAll);
    rest(&mut world);
    let closed = world.notes().filter(|(_, e)| matches!(e, Event::Ended { .. })).map(|(at, _)| at.since(model::Instant::ZERO)).last();
    assert_eq!(closed, Some(secs(101)));
}
