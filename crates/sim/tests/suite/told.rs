//! What whoever watches is told of a day: how each INVITE ended, by line and direction; who is there for a queue; the age of calls.

use calls::City;
use model::{AgentState, Direction, Event, Now, QueueId, Snapshot, UnixMillis};
use phone::{AnswerPolicy, Command, Key};
use sim::{Ailment, Clerk, Neighbour, Resident, Town, World, town};
use std::sync::Arc;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn plain() -> Arc<City> {
    Arc::new(town::with_outside(&Town::default().build()))
}

/// The boards at this moment.
fn board(world: &World) -> Snapshot {
    world.engine().unwrap().snapshot(Now { mono: world.now(), wall: UnixMillis(0) })
}

/// How INVITEs ended: the line, who called, the status.
fn invites(world: &World) -> Vec<(Option<String>, Direction, u16)> {
    let done = world.notes().filter_map(|(_, event)| match event {
        Event::InviteDone { line, direction, status } => Some((line.as_ref().map(ToString::to_string), *direction, *status)),
        _ => None,
    });
    done.collect()
}

/// How long the other side of calls of ours took to say that it works on them.
fn delays(world: &World) -> Vec<(Option<String>, u64)> {
    let heard = world.notes().filter_map(|(_, event)| match event {
        Event::InviteHeard { line, took } => Some((line.as_ref().map(ToString::to_string), took.0)),
        _ => None,
    });
    heard.collect()
}

#[test]
fn a_caller_an_agents_phone_and_a_ward_are_each_told_once_with_their_line() {
    let mut world = World::new(plain(), 1).audited();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(120)), ..Resident::default() });
    world.add_neighbour(Neighbour { answer: AnswerPolicy::After(secs(3)), ..Neighbour::default() });
    world.at(secs(30), yuki, Command::Press(Key::parse_script("*271").unwrap()));
    world.at(secs(50), yuki, Command::Press(Key::parse_script("*5").unwrap()));
    world.run_until_quiet(secs(3600));
    assert_eq!(world.violations(), [""; 0]);
    let told = invites(&world);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!((told[0].1, told[0].2), (Direction::In, 200), "{told:?}");
    assert!(told[0].0.is_some(), "the caller's line has a name: {told:?}");
    assert_eq!(told[1], (None, Direction::Out, 200), "the agent's phone has no line");
    assert_eq!(told[2], (Some("carrier".to_owned()), Direction::Out, 200));
    let heard: Vec<Option<String>> = delays(&world).into_iter().map(|(line, _)| line).collect();
    assert_eq!(heard, [None, Some("carrier".to_owned())]);
    assert!(delays(&world).iter().all(|(_, millis)| *millis < 1000), "{:?}", delays(&world));
}

#[test]
fn a_trunk_that_says_nothing_is_told_as_408_and_as_no_delay() {
    let mut world = World::new(plain(), 1).audited();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(120)), ..Resident::default() });
    world.at(secs(30), yuki, Command::Press(Key::parse_script("*271").unwrap()));
    world.ails(town::TRUNK, Some(Ailment::Deaf));
    world.run_until_quiet(secs(3600));
    assert!(delays(&world).iter().all(|(line, _)| line.is_none()), "only yuki's phone has said anything: {:?}", delays(&world));
    let out: Vec<_> = invites(&world).into_iter().filter(|(line, ..)| line.as_deref() == Some("carrier")).collect();
    assert!(out.iter().all(|(_, direction, status)| *direction == Direction::Out && *status == 408), "{out:?}");
}

#[test]
fn a_caller_who_is_turned_away_is_told_with_the_line_and_the_status() {
    let mut city = (*plain()).clone();
    let mut book = (*city.book).clone();
    book.settings.calls_max = 1;
    city.book = Arc::new(book);
    let mut world = World::new(Arc::new(city), 1).audited();
    world.add_resident(secs(5), Resident { patience: secs(60), ..Resident::default() });
    world.add_resident(secs(7), Resident::default());
    world.run_until(secs(9));
    let snapshot = board(&world);
    assert_eq!((snapshot.channels.in_use, snapshot.channels.max), (1, 1));
    assert!((3_500..=4_000).contains(&snapshot.oldest_call_millis), "{}", snapshot.oldest_call_millis);
    let told = invites(&world);
    assert_eq!(
        told.iter().map(|(_, direction, status)| (*direction, *status)).collect::<Vec<_>>(),
        [(Direction::In, 200), (Direction::In, 503)]
    );
    assert!(told[1].0.is_some() && told[0].0 == told[1].0, "{told:?}");
}

#[test]
fn staff_are_those_who_could_take_a_call_and_skills_say_what_they_do() {
    let mut world = World::new(plain(), 1).audited();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.run_until(secs(5));
    let snapshot = board(&world);
    let staff = |queue: &str| snapshot.queues.iter().find(|now| now.queue == QueueId::from(queue)).map(|now| now.staff);
    assert_eq!((staff("nurse"), staff("general")), (Some(1), Some(0)), "yuki is a nurse and nothing else");
    assert!(snapshot.queues.iter().all(|now| now.promised_millis > 0 && now.promised_percent > 0));
    assert!(snapshot.skills.iter().any(|skill| skill.agents.get(&AgentState::Idle) == Some(&1)), "{:?}", snapshot.skills);
}
