//! Callbacks: the place is kept, nobody is rung outside the hours, and a mailbox swallows nothing.

use calls::{Control, Engine, Record};
use model::{AgentId, CallEnd, CallbackEnd, CallbackTry, Census, Event, Random};
use phone::{AnswerPolicy, Command};
use sim::{Clerk, Neighbour, PersonId, Resident, Town, Voice, World};
use std::sync::Arc;
use std::time::Duration;

/// One for the nurse, nine for a callback, one for yes.
const BOOKS: &str = "WWWW1WWWWWWWWWW9WWWWWWWWWW1";
const LIMIT: Duration = secs(48 * 3600);
const MINE: &str = "08011112222";
/// The city's clock shows ten when a world begins; its hours for callbacks end at five.
const TEN_TO_FIVE: Duration = secs(6 * 3600 + 50 * 60);
const FIVE: Duration = secs(7 * 3600);
const NINE_NEXT_MORNING: Duration = secs(23 * 3600);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn town() -> World {
    World::new(Town { callbacks: true, ..Town::default() }.build(), 1)
}

/// Somebody who asks to be called back at their own number.
fn books(number: &str) -> Resident {
    Resident { keys: BOOKS.to_owned(), number: Some(number.to_owned()), talk: Some(secs(20)), patience: secs(600), ..Resident::default() }
}

/// Their telephone, when it rings.
fn at_home(world: &mut World, answer: AnswerPolicy, keys: &str) -> PersonId {
    let keys = keys.to_owned();
    world.add_neighbour(Neighbour { number: MINE.to_owned(), answer, keys, talk: Some(secs(60)), ..Neighbour::default() })
}

/// A nurse who is busy with somebody else until `until`, from two seconds before `from`.
fn nurse_busy(world: &mut World, from: Duration, until: Duration) -> PersonId {
    let yuki = world.add_clerk(from.saturating_sub(secs(60)), "yuki", Clerk::default());
    let talk = Some(until.saturating_sub(from));
    world.add_resident(from.saturating_sub(secs(20)), Resident { keys: "WWWW1".to_owned(), talk, ..Resident::default() });
    yuki
}

fn ends(world: &World) -> Vec<CallEnd> {
    world.records().iter().map(|r| r.end).collect()
}

fn over(world: &World) -> Vec<CallbackEnd> {
    world.notes().filter_map(|(_, e)| if let Event::CallbackEnded { how, .. } = e { Some(*how) } else { None }).collect()
}

fn tries(world: &World) -> Vec<CallbackTry> {
    world.notes().filter_map(|(_, e)| if let Event::CallbackTried { how, .. } = e { Some(*how) } else { None }).collect()
}

/// When the person's phone was rung.
fn rung(world: &World) -> Vec<Duration> {
    world.calls_out().iter().filter(|(_, number)| number == MINE).map(|(at, _)| at.since(model::Instant::ZERO)).collect()
}

fn count(world: &World, what: impl Fn(&Event) -> bool) -> usize {
    world.notes().filter(|(_, e)| what(e)).count()
}

fn left(world: &World) -> u64 {
    world.engine().unwrap().census().callbacks
}

/// The living state is the fold of the records, callbacks included.
fn agrees(world: &World) {
    let mut records = world.ledger().records().cloned();
    let engine = world.engine().unwrap();
    let restored = Engine::restore(world.city().clone(), calls::Vault::new([1; 32]), [9; 32], model::Seq(0), &mut records);
    assert_eq!(engine.state(), restored.state(), "at {:?}", world.now());
}

/// To the end of the story, with nothing left.
fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
    assert_eq!(world.engine().unwrap().census(), Census::default());
    agrees(world);
}

/// Runs until a callback has come and gone.
fn until_over(world: &mut World, limit: Duration) {
    while over(world).is_empty() || world.engine().is_none_or(|engine| engine.census().callbacks > 0) {
        let next = world.now().since(model::Instant::ZERO) + secs(10);
        assert!(next < limit, "a callback is still there: {:?}", tries(world));
        world.run_until(next);
    }
    rest(world);
}

/// The usual day: the nurse is busy from 60 s to 300 s, somebody books at about 75 s.
fn booked() -> World {
    let mut world = town();
    nurse_busy(&mut world, secs(60), secs(300));
    world.add_resident(secs(70), books(MINE));
    world
}

// ---- the ordinary callback ---------------------------------------------------------------------------------------------------

#[test]
fn somebody_is_called_back_when_it_is_their_turn_and_talks_to_the_nurse() {
    let mut world = booked();
    let home = at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    let waits = world.add_resident(secs(120), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(10)), ..Resident::default() });
    world.run_until(secs(200));
    assert_eq!((left(&world), count(&world, |e| matches!(e, Event::CallbackBooked { .. }))), (1, 1));
    agrees(&world);
    until_over(&mut world, secs(2000));
    assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::Confirmed], vec![CallbackEnd::Served]));
    assert_eq!(ends(&world), [CallEnd::CallbackBooked, CallEnd::Served, CallEnd::Served, CallEnd::Served]);
    let back = &world.records()[2];
    assert!(back.called_back && back.agent == Some(AgentId::from("yuki")), "the older claim is first: {back:?}");
    assert!(back.waited.unwrap().0 > 200_000, "its age is that of the first call: {:?}", back.waited);
    assert_eq!(back.person, world.records()[0].person);
    assert!(world.phone(home).is_some() && world.phone(waits).is_some());
}

#[test]
fn the_agents_display_says_that_it_is_a_callback() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    until_over(&mut world, secs(2000));
    let displays: Vec<String> = world
        .told(PersonId(0))
        .filter_map(|(_, e)| if let phone::Event::Incoming { from } = e { Some(from.clone()) } else { None })
        .collect();
    assert!(displays.last().unwrap().contains("折返し"), "{displays:?}");
}

#[test]
fn a_mailbox_answers_and_presses_nothing_so_it_is_tried_again() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(2)), "");
    until_over(&mut world, secs(4000));
    assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::NotConfirmed; 3], vec![CallbackEnd::Exhausted]));
    let times = rung(&world);
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= secs(600)), "ten minutes between two attempts: {times:?}");
    assert_eq!(ends(&world).iter().filter(|end| **end == CallEnd::NotReached).count(), 3);
}

#[test]
fn busy_at_first_and_reached_at_the_second_attempt() {
    let mut world = booked();
    let home = at_home(&mut world, AnswerPolicy::Never, "WW1");
    world.at(secs(315), home, Command::HangUp);
    world.at(secs(935), home, Command::Answer);
    until_over(&mut world, secs(4000));
    assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::Busy, CallbackTry::Confirmed], vec![CallbackEnd::Served]));
}

#[test]
fn a_line_that_is_busy_is_tried_again_after_the_pause_and_given_up_after_three() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::Decline(486), "");
    until_over(&mut world, secs(4000));
    assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::Busy; 3], vec![CallbackEnd::Exhausted]));
}

#[test]
fn nobody_is_at_home() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::Never, "");
    until_over(&mut world, secs(4000));
    assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::NoAnswer; 3], vec![CallbackEnd::Exhausted]));
}

#[test]
fn the_agent_is_free_at_once_after_an_attempt_in_vain() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::Decline(486), "");
    let caller = world.add_resident(secs(330), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(10)), ..Resident::default() });
    world.run_until(secs(400));
    assert!(world.phone(caller).is_some());
    assert_eq!(tries(&world), [CallbackTry::Busy]);
    assert_eq!(ends(&world).iter().filter(|end| **end == CallEnd::Served).count(), 2, "who called meanwhile was served");
}

// ---- who may be called -------------------------------------------------------------------------------------------------------

#[test]
fn a_withheld_number_a_premium_number_and_one_from_abroad_cannot_be_called_back() {
    for number in ["anonymous", "0990000001", "+14150000001", "0570000001"] {
        let mut world = town();
        nurse_busy(&mut world, secs(60), secs(300));
        world.add_resident(secs(70), books(number));
        rest(&mut world);
        assert_eq!(count(&world, |e| matches!(e, Event::CallbackBooked { .. })), 0, "{number}");
        assert_eq!(world.records().iter().filter(|r| r.end == CallEnd::Served).count(), 2, "{number}: they kept their place");
        assert!(world.calls_out().is_empty());
    }
}

// ---- the hours ---------------------------------------------------------------------------------------------------------------

/// Somebody books at ten to five; the nurse is busy until after five.
fn booked_at_ten_to_five(busy_until: Duration) -> World {
    let mut world = town();
    nurse_busy(&mut world, TEN_TO_FIVE, busy_until);
    world.add_resident(TEN_TO_FIVE + secs(5), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world
}

#[test]
fn the_window_closes_before_it_is_their_turn_and_they_are_called_the_next_morning() {
    let mut world = booked_at_ten_to_five(FIVE + secs(120));
    world.run_until(FIVE + secs(4 * 3600));
    assert_eq!((left(&world), rung(&world).len()), (1, 0));
    world.run_until_quiet(LIMIT);
    agrees(&world);
    until_over(&mut world, LIMIT);
    let times = rung(&world);
    assert!(times.len() == 1 && times[0] >= NINE_NEXT_MORNING && times[0] < NINE_NEXT_MORNING + secs(120), "{times:?}");
    assert_eq!(over(&world), [CallbackEnd::Served]);
    let back = world.records().last().unwrap();
    assert!(back.called_back && back.person != world.records()[0].person, "another day, another hash");
}

#[test]
fn the_window_closes_while_the_agents_phone_rings() {
    let mut world = town();
    let yuki = world.add_clerk(secs(5), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.dials_code(FIVE - secs(600), yuki, "*2");
    world.add_resident(FIVE - secs(60), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    // Back from the break nine seconds before five; the phone rings from then on and is answered after five.
    world.dials_code(FIVE - secs(9), yuki, "*1");
    world.at(FIVE + secs(2), yuki, Command::Answer);
    world.run_until(FIVE + secs(3600));
    assert_eq!((rung(&world).len(), tries(&world).len(), left(&world)), (0, 0, 1), "it was no attempt");
}

#[test]
fn the_clock_jumps_two_hours_ahead_and_nobody_is_rung_in_the_evening() {
    let mut world = town();
    nurse_busy(&mut world, secs(5 * 3600), secs(5 * 3600 + 600));
    world.add_resident(secs(5 * 3600 + 10), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    // At ten past three the machine believes that it is ten past five; at four somebody puts it right.
    world.clock_jumps(secs(5 * 3600 + 300), 2 * 3600 * 1000);
    world.clock_jumps(secs(6 * 3600), -2 * 3600 * 1000);
    world.run_until(secs(6 * 3600 - 1));
    assert_eq!((rung(&world).len(), left(&world)), (0, 1));
    until_over(&mut world, secs(7 * 3600));
    let times = rung(&world);
    assert!(times.len() == 1 && times[0] >= secs(6 * 3600) && times[0] <= secs(6 * 3600 + 90), "{times:?}");
}

#[test]
fn the_clock_jumps_back_into_the_hours_and_forth_again() {
    let mut world = booked_at_ten_to_five(FIVE + secs(120));
    // At ten past five the clock is put back by two hours: by all that anybody knows it is ten past three.
    world.clock_jumps(FIVE + secs(600), -2 * 3600 * 1000);
    until_over(&mut world, FIVE + secs(1200));
    assert_eq!(over(&world), [CallbackEnd::Served]);
    assert!(rung(&world)[0] >= FIVE + secs(600));
}

#[test]
fn a_callback_that_nobody_had_time_for_expires_after_a_day() {
    let mut world = town();
    let yuki = nurse_busy(&mut world, secs(60), secs(100));
    world.add_resident(secs(70), books(MINE));
    world.dials_code(secs(300), yuki, "*2");
    world.at(secs(90), yuki, Command::Unregister);
    until_over(&mut world, secs(25 * 3600));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Expired], 0));
}

// ---- the person calls --------------------------------------------------------------------------------------------------------

#[test]
fn the_person_calls_again_and_has_the_old_place() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    let other = world.add_resident(secs(120), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(10)), ..Resident::default() });
    let again = Resident { keys: "WWWW1".to_owned(), number: Some(MINE.to_owned()), talk: Some(secs(15)), ..Resident::default() };
    world.add_resident(secs(200), again);
    until_over(&mut world, secs(2000));
    assert!(world.phone(other).is_some());
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::CalledAgain], 0));
    let served: Vec<_> = world.records().iter().filter(|r| r.end == CallEnd::Served).collect();
    assert_eq!(served.len(), 3);
    assert_eq!(served[1].person, world.records()[0].person, "before the one who came later");
    assert!(served[1].waited.unwrap().0 > 200_000);
}

#[test]
fn the_person_calls_while_we_ring_them() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::Never, "");
    let again = Resident { keys: "WWWW1".to_owned(), number: Some(MINE.to_owned()), talk: Some(secs(15)), ..Resident::default() };
    world.add_resident(secs(320), again);
    until_over(&mut world, secs(2000));
    assert_eq!((over(&world), tries(&world)), (vec![CallbackEnd::CalledAgain], vec![CallbackTry::Busy]));
    assert_eq!(world.records().iter().filter(|r| r.end == CallEnd::Served).count(), 2);
}

/// Calling alone ends nothing: who hangs up in the menu, or shows a stranger's number, must not cost anybody a callback.
#[test]
fn two_seconds_of_greeting_do_not_undo_a_callback() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    let short = Resident { number: Some("+818011112222".to_owned()), patience: secs(2), ..Resident::default() };
    world.add_resident(secs(150), short);
    until_over(&mut world, secs(2000));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Served], 1));
}

/// However often it is asked for, one number is rung for one callback: nobody can have us ring a stranger all day.
#[test]
fn twenty_bookings_of_one_number_are_one_callback() {
    let mut world = town();
    nurse_busy(&mut world, secs(60), secs(300));
    at_home(&mut world, AnswerPolicy::Decline(486), "");
    for n in 0..20 {
        world.add_resident(secs(70) + Duration::from_millis(100 * n), books(MINE));
    }
    world.run_until(secs(250));
    assert_eq!(left(&world), 1);
    until_over(&mut world, secs(10_000));
    assert_eq!(rung(&world).len(), 3, "three attempts in all");
    assert_eq!(over(&world).iter().filter(|end| **end == CallbackEnd::Exhausted).count(), 1);
}

/// `sip:08011112222;phone-context=jp@…`: the parameter is the network's, the number is a number.
#[test]
fn a_number_with_a_parameter_is_called_back_all_the_same() {
    let mut world = town();
    nurse_busy(&mut world, secs(60), secs(300));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world.add_resident(secs(70), books(&format!("{MINE};phone-context=jp")));
    until_over(&mut world, secs(2000));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Served], 1));
}

// ---- what goes wrong ---------------------------------------------------------------------------------------------------------

#[test]
fn the_engine_is_killed_between_booking_and_attempt() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world.crash(secs(150), secs(3));
    world.run_until(secs(160));
    assert_eq!(left(&world), 1);
    agrees(&world);
    until_over(&mut world, secs(3000));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Served], 1));
    let back = world.records().iter().find(|r| r.called_back).unwrap();
    assert!(back.waited.unwrap().0 > 80_000, "it is as old as it was: {:?}", back.waited);
}

#[test]
fn the_engine_is_killed_at_any_moment_around_an_attempt_and_the_callback_is_not_lost() {
    for n in 0..40 {
        let mut world = booked();
        at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
        world.crash(secs(297) + Duration::from_millis(n * 530), secs(2));
        until_over(&mut world, secs(5000));
        let (served, attempts) = (over(&world), rung(&world).len());
        assert!(attempts <= 2, "killed at {} ms: rung {attempts} times", 297_000 + n * 530);
        assert_eq!(served.last(), Some(&CallbackEnd::Served), "killed at {} ms: {served:?}", 297_000 + n * 530);
    }
}

#[test]
fn the_agents_phone_declines_and_it_is_no_attempt() {
    let mut world = town();
    world.add_clerk(secs(5), "yuki", Clerk { answer: AnswerPolicy::Decline(486), ..Clerk::default() });
    let busy = world.add_clerk(secs(6), "mio", Clerk::default());
    world.dials_code(secs(20), busy, "*2");
    world.dials_code(secs(21), PersonId(0), "*2");
    world.add_resident(secs(30), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world.dials_code(secs(100), PersonId(0), "*1");
    world.dials_code(secs(130), busy, "*1");
    until_over(&mut world, secs(2000));
    assert_eq!((tries(&world), rung(&world).len()), (vec![CallbackTry::Confirmed], 1));
}

#[test]
fn the_agent_hangs_up_while_the_person_is_asked_and_the_person_waits_at_the_front() {
    let mut world = booked();
    let home = at_home(&mut world, AnswerPolicy::After(secs(4)), "WWWWWWWWWWWWWW1");
    world.run_until(secs(330));
    let asked = world.told(home).find(|(_, e)| matches!(e, phone::Event::Connected)).map(|(at, _)| at.since(model::Instant::ZERO)).unwrap();
    assert!(asked < secs(330));
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WWWWWWWWWWWWWW1");
    world.at(asked + secs(3), PersonId(0), Command::HangUp);
    until_over(&mut world, secs(3000));
    assert_eq!(over(&world), [CallbackEnd::Served]);
    let back = world.records().iter().find(|r| r.called_back).unwrap();
    assert_eq!((back.end, back.agent.clone()), (CallEnd::Served, Some(AgentId::from("yuki"))), "the nurse took them the second time");
}

#[test]
fn the_agents_phone_vanishes_in_a_callback_and_the_person_waits_on() {
    let mut world = booked();
    world.add_neighbour(Neighbour { number: MINE.to_owned(), keys: "WW1".to_owned(), talk: Some(secs(400)), ..Neighbour::default() });
    world.at(secs(340), PersonId(0), Command::Vanish);
    world.add_clerk(secs(350), "mio", Clerk { talk: Some(secs(30)), ..Clerk::default() });
    until_over(&mut world, secs(3000));
    let back = world.records().iter().find(|r| r.called_back).unwrap();
    assert_eq!((back.end, back.agent.clone()), (CallEnd::Served, Some(AgentId::from("mio"))));
}

#[test]
fn the_queue_is_published_away_and_the_callback_is_closed() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    let city = Town { callbacks: true, ..Town::default() }.build();
    let mut book = (*city.book).clone();
    book.queues.remove(&model::QueueId::from("nurse"));
    world.control(secs(150), Control::Publish(Arc::new(calls::City { book: Arc::new(book), ..(*city).clone() })));
    world.run_until_quiet(LIMIT);
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Closed], 0));
}

#[test]
fn the_trunk_is_full_and_nobody_counts_an_attempt() {
    let mut world = town();
    nurse_busy(&mut world, secs(60), secs(300));
    world.add_resident(secs(70), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    let mut book = (*world.city().book).clone();
    for line in &mut book.lines {
        if let Some(trunk) = &mut line.trunk {
            trunk.channels = 0;
        }
    }
    let full = Arc::new(calls::City { book: Arc::new(book), ..(**world.city()).clone() });
    let again = Arc::clone(world.city());
    world.control(secs(200), Control::Publish(full));
    world.control(secs(900), Control::Publish(again));
    until_over(&mut world, secs(3000));
    assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::Confirmed], vec![CallbackEnd::Served]));
    assert!(rung(&world).len() == 1 && rung(&world)[0] > secs(900));
    let tried = world.ledger().records().filter(|r| matches!(r, Record::CallbackTried { how: None, .. })).count();
    assert_eq!(tried, 1);
}

#[test]
fn the_engine_drains_and_begins_no_callback() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world.control(secs(200), Control::Drain);
    world.control(secs(900), Control::EndAll);
    world.run_until_quiet(LIMIT);
    assert_eq!((rung(&world).len(), left(&world)), (0, 1), "it stays written down for the next start");
    agrees(&world);
}

// ---- trouble by the seed -----------------------------------------------------------------------------------------------------

/// A day on which people book, call again, do not answer and hang up, while agents come and go, clocks jump and the engine is killed.
fn trouble(seed: u64) -> Vec<CallbackEnd> {
    let mut world = World::new(Town { callbacks: true, ..Town::default() }.build(), seed);
    let mut random = Random::from_number(seed ^ 0x6361_6C6C);
    let at = |random: &mut Random| Duration::from_millis(20_000 + random.below(3_000_000));
    let nurses: Vec<PersonId> = ["yuki", "mio"]
        .into_iter()
        .map(|name| {
            let answer = if random.below(5) == 0 { AnswerPolicy::Decline(486) } else { AnswerPolicy::After(secs(random.below(6))) };
            world.add_clerk(secs(random.below(10)), name, Clerk { answer, ..Clerk::default() })
        })
        .collect();
    for n in 0..12u32 {
        let number = format!("0801111{n:04}");
        let keys = if random.below(3) == 0 { "WWWW1".to_owned() } else { BOOKS.to_owned() };
        let talk = Some(secs(random.below(120)));
        let resident = Resident { keys, number: Some(number.clone()), talk, patience: secs(60 + random.below(300)), ..Resident::default() };
        let caller = world.add_resident(at(&mut random), resident);
        let answer = [AnswerPolicy::After(secs(3)), AnswerPolicy::Never, AnswerPolicy::Decline(486)][random.below(3) as usize];
        let keys = ["WW1", "", "WW2WW1"][random.below(3) as usize].to_owned();
        let home = world.add_neighbour(Neighbour { number, answer, keys, talk: Some(secs(random.below(90))), ..Neighbour::default() });
        match random.below(6) {
            0 => world.dials_again(at(&mut random), caller),
            1 => world.at(at(&mut random), home, Command::HangUp),
            2 => world.at(at(&mut random), caller, Command::HangUp),
            3 => world.at(at(&mut random), home, Command::Vanish),
            _ => {}
        }
    }
    for n in 0..16 {
        let nurse = nurses[n % 2];
        let when = at(&mut random);
        match random.below(7) {
            0 | 1 => world.dials_code(when, nurse, "*2"),
            2 | 3 => world.dials_code(when, nurse, "*1"),
            4 => world.at(when, nurse, Command::HangUp),
            5 => world.at(when, nurse, Command::Unregister),
            _ => world.at(when, nurse, Command::Register),
        }
    }
    if random.below(3) == 0 {
        let when = at(&mut random);
        world.clock_jumps(when, 9 * 3600 * 1000);
        world.clock_jumps(when + secs(random.below(900)), -9 * 3600 * 1000);
    }
    if random.below(2) == 0 {
        world.crash(at(&mut random), secs(random.below(20)));
    }
    // Every promise is kept or explained within a day.
    let mut now = Duration::ZERO;
    while now < secs(3100) {
        now += secs(41);
        world.run_until(now);
        if world.engine().is_some() {
            agrees(&world);
        }
    }
    world.dials_code(now, nurses[0], "*1");
    let mut limit = secs(26 * 3600);
    while world.engine().unwrap().census().callbacks > 0 {
        assert!(limit > Duration::ZERO, "seed {seed}: a callback is left after a day");
        limit = limit.saturating_sub(secs(600));
        now += secs(600);
        world.run_until(now);
    }
    world.run_until_quiet(LIMIT);
    agrees(&world);
    let booked = count(&world, |e| matches!(e, Event::CallbackBooked { .. }));
    let crashed = world.events().iter().any(|told| matches!(told.what, Voice::Crashed));
    // What was booked ended once; a record that was not durable when the engine was killed may be told twice.
    assert!(over(&world).len() == booked || crashed, "seed {seed}: {booked} booked, {:?}", over(&world));
    for (at, number) in world.calls_out() {
        let tried = world.notes().filter(|(t, e)| *t <= *at && matches!(e, Event::CallingBack { .. })).count();
        assert!(tried > 0, "seed {seed}: {number} was rung and nobody wanted to");
    }
    over(&world)
}

#[test]
fn forty_troubled_days_of_callbacks() {
    let all: Vec<CallbackEnd> = (0..40).flat_map(trouble).collect();
    for end in [CallbackEnd::Served, CallbackEnd::Exhausted, CallbackEnd::CalledAgain] {
        let times = all.iter().filter(|e| **e == end).count();
        assert!(times >= 5, "{end} is too rare to mean anything: {times} of {}", all.len());
    }
}

#[test]
fn the_queue_is_taken_out_while_the_persons_phone_rings_and_they_still_talk() {
    let town = Town { callbacks: true, ..Town::default() };
    let mut without = (*town.build_with(|flow| *flow = flow.replace("queue: nurse\n", "queue: general\n"))).clone();
    Arc::make_mut(&mut without.book).queues.remove(&model::QueueId::from("nurse"));
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1WW1");
    let mut at = secs(300);
    while count(&world, |e| matches!(e, Event::CallingBack { .. })) == 0 {
        at += Duration::from_millis(100);
        assert!(at < secs(600), "nobody was called back");
        world.run_until(at);
    }
    let whole = Arc::clone(world.city());
    world.control(at + secs(1), Control::Publish(Arc::new(without)));
    world.control(at + secs(90), Control::Publish(whole));
    until_over(&mut world, secs(3600));
    assert_eq!(over(&world), [CallbackEnd::Served]);
    let talked = world.records().iter().find(|r| r.called_back).and_then(|r| r.talked);
    assert!(talked.is_some_and(|talked| talked.0 > 20_000), "{talked:?}");
}

#[test]
fn the_hours_end_while_the_agents_phone_rings_and_the_persons_does_not() {
    let mut world = booked();
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1WW1");
    let offers = |world: &World| count(world, |e| matches!(e, Event::Offered { .. }));
    let mut at = secs(200);
    world.run_until(at);
    let before = offers(&world);
    while offers(&world) == before {
        at += Duration::from_millis(100);
        assert!(at < secs(600), "nobody was asked to call back");
        world.run_until(at);
    }
    // The agent picks up three seconds after it rang; by then it is eight in the evening.
    world.clock_jumps(at + secs(1), 10 * 3_600_000);
    world.run_until(at + secs(60));
    assert_eq!(rung(&world), [Duration::ZERO; 0], "nobody is called in the evening");
    assert_eq!(left(&world), 1, "and the callback stays booked");
    world.clock_jumps(at + secs(61), -10 * 3_600_000);
    until_over(&mut world, secs(7200));
    assert_eq!(over(&world), [CallbackEnd::Served]);
}

// ---- nobody is asked in vain ---------------------------------------------------------------------------------------------------

/// The city in force with so many calls out in an hour, over a trunk of so many channels.
fn narrow(world: &World, per_hour: u32, channels: u32) -> Control {
    let mut book = (*world.city().book).clone();
    book.settings.calls_out_per_hour = per_hour;
    for trunk in book.lines.iter_mut().filter_map(|line| line.trunk.as_mut()) {
        trunk.channels = channels;
    }
    Control::Publish(Arc::new(calls::City { book: Arc::new(book), ..(**world.city()).clone() }))
}

/// How often this phone rang since then.
fn rings(world: &World, person: PersonId, since: Duration) -> usize {
    let of = world.told(person).filter(|(at, e)| matches!(e, phone::Event::Incoming { .. }) && at.since(model::Instant::ZERO) > since);
    of.count()
}

#[test]
fn no_call_may_go_out_and_the_nurses_phone_is_silent_until_one_may() {
    for (per_hour, channels, attempts) in [(120, 0, 0), (1, 6, 1)] {
        let mut world = town();
        let closed = narrow(&world, per_hour, channels);
        let open = narrow(&world, 120, 6);
        world.control(secs(1), closed);
        world.control(secs(3300), open);
        let yuki = nurse_busy(&mut world, secs(60), secs(300));
        for n in 0..4u64 {
            let number = format!("0801111{n:04}");
            world.add_resident(secs(70 + n), books(&number));
            let answer = AnswerPolicy::After(secs(4));
            world.add_neighbour(Neighbour { number, answer, keys: "WW1".to_owned(), talk: Some(secs(60)), ..Neighbour::default() });
        }
        let waits = world.add_resident(secs(400), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(10)), ..Resident::default() });
        world.run_until(secs(3200));
        assert_eq!(world.calls_out().len(), attempts);
        assert_eq!(rings(&world, yuki, secs(290)), attempts + 1, "for who could be called, and for who waited");
        assert!(world.told(waits).any(|(_, e)| matches!(e, phone::Event::Connected)));
        until_over(&mut world, secs(6000));
        assert_eq!(over(&world), [CallbackEnd::Served; 4]);
    }
}

#[test]
fn somebody_else_takes_the_last_channel_while_the_agents_phone_rings_and_the_next_try_waits_longer_each_time() {
    let mut world = town();
    let yuki = world.add_clerk(secs(5), "yuki", Clerk { answer: AnswerPolicy::After(secs(5)), ..Clerk::default() });
    world.dials_code(secs(20), yuki, "*2");
    world.add_resident(secs(30), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world.dials_code(secs(100), yuki, "*1");
    // Whenever her phone rings, the channel is taken by somebody; whenever she has been told, it is free again.
    let (none, some) = (narrow(&world, 120, 0), narrow(&world, 120, 6));
    let mut seen = 0;
    let mut asked = Vec::new();
    for second in 100..3600 {
        world.run_until(secs(second));
        let all = count(&world, |e| matches!(e, Event::Offered { .. }));
        if all > seen {
            seen = all;
            asked.push(second);
            let again = |control: &Control| {
                if let Control::Publish(city) = control { Control::Publish(city.clone()) } else { panic!("{control:?}") }
            };
            world.control(secs(second + 1), again(&none));
            world.control(secs(second + 15), again(&some));
        }
    }
    let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 4 && pauses.windows(2).all(|pair| pair[1] > pair[0] + 30 || pair[1] > 880), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause < 1000), "a quarter of an hour at most: {pauses:?}");
    assert_eq!(rung(&world).len(), 0);
}

// ---- who is rung, and how often ------------------------------------------------------------------------------------------------

#[test]
fn who_shows_a_strangers_number_and_calls_again_and_again_has_them_rung_three_times() {
    let mut world = town();
    let yuki = nurse_busy(&mut world, secs(60), secs(300));
    let home = at_home(&mut world, AnswerPolicy::Never, "");
    for n in 0..28 {
        world.dials_code(secs(400 + n * 120 - 60), yuki, "*2");
        world.add_resident(secs(400 + n * 120 - 55), books(MINE));
        world.dials_code(secs(400 + n * 120), yuki, "*1");
    }
    // It is remembered over a restart, too.
    world.crash(secs(1850), secs(2));
    world.run_until(secs(4200));
    let times = rung(&world);
    assert_eq!((times.len(), rings(&world, home, secs(0))), (3, 3), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= secs(600)), "ten minutes between two attempts: {times:?}");
    agrees(&world);
}

#[test]
fn who_was_not_reached_three_times_may_be_called_back_again_a_day_later() {
    let mut world = town();
    nurse_busy(&mut world, secs(60), secs(300));
    world.add_resident(secs(70), books(MINE));
    at_home(&mut world, AnswerPolicy::Never, "");
    let tomorrow = secs(25 * 3600);
    for at in [secs(2400), tomorrow] {
        world.add_resident(at, Resident { keys: "WWWW1".to_owned(), talk: Some(secs(240)), ..Resident::default() });
        world.add_resident(at + secs(20), Resident { patience: secs(100), ..books(MINE) });
    }
    world.run_until(secs(20 * 3600));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Exhausted], 3), "{:?}", rung(&world));
    world.run_until(tomorrow + secs(3600));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Exhausted; 2], 6), "{:?}", rung(&world));
    agrees(&world);
}

#[test]
fn who_calls_again_and_is_given_no_place_is_called_back_all_the_same() {
    let mut world = town();
    let yuki = nurse_busy(&mut world, secs(60), secs(150));
    world.add_resident(secs(70), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    world.at(secs(140), yuki, Command::Unregister);
    let again = Resident { keys: "WWWW1".to_owned(), number: Some(MINE.to_owned()), talk: Some(secs(15)), ..Resident::default() };
    world.add_resident(secs(250), again);
    world.run_until(secs(390));
    assert_eq!((left(&world), ends(&world).last()), (1, Some(&CallEnd::FlowEnded)), "nobody was there, and that was said");
    agrees(&world);
    world.at(secs(400), yuki, Command::Register);
    until_over(&mut world, secs(2000));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::Served], 1));
    let back = world.records().iter().find(|r| r.called_back).unwrap();
    assert!(back.waited.unwrap().0 > 300_000, "at the age of the first call: {:?}", back.waited);
}

#[test]
fn who_calls_again_into_a_full_queue_has_the_place_of_the_callback() {
    let mut world = World::new(Town { callbacks: true, waiting_max: 1, ..Town::default() }.build(), 1);
    nurse_busy(&mut world, secs(60), secs(400));
    world.add_resident(secs(70), books(MINE));
    at_home(&mut world, AnswerPolicy::After(secs(4)), "WW1");
    let again = Resident { keys: "WWWW1".to_owned(), number: Some(MINE.to_owned()), talk: Some(secs(15)), ..Resident::default() };
    world.add_resident(secs(200), again);
    until_over(&mut world, secs(3000));
    assert_eq!((over(&world), rung(&world).len()), (vec![CallbackEnd::CalledAgain], 0));
    assert_eq!(ends(&world).iter().filter(|end| **end == CallEnd::Served).count(), 2);
}

#[test]
fn no_telephone_rings_after_five() {
    // The nurse is ready so many seconds before the hours end; a telephone rings for half a minute.
    for before in [3, 5, 12, 29, 33, 45] {
        let mut world = town();
        let yuki = world.add_clerk(secs(5), "yuki", Clerk { answer: AnswerPolicy::After(secs(1)), ..Clerk::default() });
        world.dials_code(FIVE - secs(600), yuki, "*2");
        world.add_resident(FIVE - secs(90), books(MINE));
        let home = at_home(&mut world, AnswerPolicy::Never, "WW1");
        world.control(FIVE - secs(before), Control::SetAgent(AgentId::from("yuki"), routing::Change::Ready));
        world.run_until(FIVE + secs(3600));
        let last = world.told(home).map(|(at, _)| at.since(model::Instant::ZERO)).last();
        assert!(last.is_none_or(|at| at <= FIVE + secs(1)), "ready {before} s before five, it rang until {last:?}");
        assert_eq!((rung(&world).len(), left(&world)), (usize::from(before == 45 || before == 33), 1), "ready {before} s before five");
    }
}

/// Whoever is called back, and asks to stay unnamed before they press 1, is served, and nobody is told their number any more.
#[test]
fn a_person_who_is_called_back_may_ask_to_stay_unnamed() {
    for asks in [false, true] {
        let mut world = booked();
        let home = at_home(&mut world, AnswerPolicy::After(secs(4)), "WWWWWWWW1");
        let carrier: fn(&str) -> String = |request| request.replacen("\r\nCSeq:", "\r\nPrivacy: id\r\nCSeq:", 1);
        if asks {
            world.carrier(home, carrier);
        }
        let mut at = 290;
        while !world.phone(home).unwrap().is_connected() {
            at += 1;
            assert!(at < 400, "nobody has answered");
            world.run_until(secs(at));
        }
        world.at(secs(at + 1), home, Command::SendKey(model::Digit::from_char('7').unwrap()));
        world.run_until(secs(at + 3));
        agrees(&world);
        until_over(&mut world, secs(2000));
        assert_eq!((tries(&world), over(&world)), (vec![CallbackTry::Confirmed], vec![CallbackEnd::Served]));
        let back = world.records().iter().find(|record| record.called_back).unwrap();
        let expected = if asks { "by_caller" } else { "080-****-**22" };
        assert_eq!((back.caller.replace("***-", "****-").as_str(), back.person.is_none()), (expected, asks));
    }
}
