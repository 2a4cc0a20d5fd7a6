//! What a telephone asks in the middle of a call: an agent's own transfer key (RFC 3515), keys that come as messages (INFO), and to go on at
//! another phone (RFC 3891).

use calls::City;
use model::{AgentState, CallEnd, Digit, Event, Party, TransferEnd, TransferKind};
use phone::{AnswerPolicy, Command, Sound};
use sim::{Clerk, Neighbour, PersonId, Resident, Town, World, town};
use std::sync::Arc;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn city() -> City {
    town::with_outside(&Town::default().build())
}

/// A world in which yuki talks with a resident from about second 16 to second 200.
fn talking() -> (World, PersonId, PersonId) {
    let mut world = World::new(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), ..Resident::default() });
    (world, yuki, caller)
}

fn refers(world: &mut World, at: u64, person: PersonId, to: &str) {
    world.at(secs(at), person, Command::Refer { to: format!("sip:{to}@127.0.0.1") });
}

fn rest(world: &mut World) {
    world.run_until_quiet(secs(3600));
    assert_eq!(world.violations(), [""; 0]);
}

/// What a phone heard of its transfer.
fn referred(world: &World, person: PersonId) -> Vec<(u16, bool)> {
    let told = world.told(person).filter_map(|(_, e)| match e {
        phone::Event::Referred { status, over } => Some((*status, *over)),
        _ => None,
    });
    told.collect()
}

fn transfers(world: &World) -> Vec<(String, TransferKind, TransferEnd)> {
    let each = world.notes().filter_map(|(_, e)| match e {
        Event::Transferred { to, kind, how, .. } => Some((to.clone(), *kind, *how)),
        _ => None,
    });
    each.collect()
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

#[test]
fn the_transfer_key_of_the_nurses_phone_does_what_star_six_does() {
    let (mut world, yuki, _) = talking();
    let ward = world.add_neighbour(Neighbour::default());
    refers(&mut world, 30, yuki, "71");
    world.run_until(secs(40));
    assert_eq!(referred(&world, yuki), [(202, false), (100, false), (200, true)]);
    assert_eq!(world.engine().unwrap().agent_state(&"yuki".into()), Some(AgentState::WrapUp), "she is free of the call");
    assert!(world.phone(ward).unwrap().is_connected(), "caller and ward talk");
    rest(&mut world);
    assert_eq!(transfers(&world), [("ward".to_owned(), TransferKind::Blind, TransferEnd::Connected)]);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
}

#[test]
fn a_transfer_key_to_a_ward_that_is_busy_brings_the_caller_back_to_the_front_of_the_queue() {
    let (mut world, yuki, _) = talking();
    world.add_neighbour(Neighbour { answer: AnswerPolicy::Decline(486), ..Neighbour::default() });
    refers(&mut world, 30, yuki, "71");
    rest(&mut world);
    assert_eq!(referred(&world, yuki), [(202, false), (100, false), (200, true)], "the caller is in our hands: that is what she is told");
    assert_eq!(transfers(&world), [("ward".to_owned(), TransferKind::Blind, TransferEnd::Busy)]);
    assert_eq!(ends(&world).len(), 1);
}

#[test]
fn a_transfer_key_reaches_what_star_six_reaches_and_nobody_else() {
    for to in ["0440000001", "117", "yuki", "7", "711", "71?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc"] {
        let (mut world, yuki, caller) = talking();
        world.at(
            secs(30),
            yuki,
            Command::Refer {
                to: match to.split_once('?') {
                    Some((user, headers)) => format!("sip:{user}@127.0.0.1?{headers}"),
                    None => format!("sip:{to}@127.0.0.1"),
                },
            },
        );
        world.run_until(secs(60));
        let status = if to.starts_with("71?") { 603 } else { 403 };
        assert_eq!(referred(&world, yuki), [(status, true)], "{to}");
        assert!(world.phone(caller).unwrap().is_connected() && world.phone(yuki).unwrap().is_connected(), "{to}: they talk on");
        rest(&mut world);
        assert!(transfers(&world).is_empty(), "{to}");
    }
}

#[test]
fn a_caller_cannot_have_us_call_somebody() {
    let (mut world, _, caller) = talking();
    refers(&mut world, 30, caller, "71");
    rest(&mut world);
    assert_eq!(referred(&world, caller), [(603, true)]);
    assert!(transfers(&world).is_empty());
}

#[test]
fn a_transfer_key_when_every_line_is_taken_leaves_the_caller_with_the_nurse() {
    let mut city = city();
    let mut book = (*city.book).clone();
    book.settings.calls_out_per_hour = 0;
    city.book = Arc::new(book);
    let mut world = World::new(Arc::new(city), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), ..Resident::default() });
    refers(&mut world, 30, yuki, "71");
    world.run_until(secs(60));
    assert_eq!(referred(&world, yuki), [(202, false), (100, false), (503, true)]);
    assert_eq!(world.engine().unwrap().agent_state(&"yuki".into()), Some(AgentState::Talking));
    rest(&mut world);
}

#[test]
fn a_key_that_comes_as_a_message_is_a_key() {
    let mut world = World::new(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { talk: Some(secs(60)), ..Resident::default() });
    world.at(secs(12), caller, Command::SendKey(Digit::from_char('1').unwrap()));
    world.run_until(secs(60));
    let pressed = world.notes().filter(|(_, e)| matches!(e, Event::Pressed { .. })).count();
    assert_eq!(pressed, 1);
    assert!(world.phone(yuki).unwrap().is_connected(), "one leads to the nurses");
    rest(&mut world);
}

#[test]
fn a_key_that_comes_in_both_ways_counts_once_and_two_presses_count_twice() {
    let seven = Digit::from_char('7').unwrap();
    let pressed = |as_sound: bool, as_message: bool| {
        let mut world = World::with_sound(Town::default().build(), 1);
        // The menu does not know 7: each press is noted, and the menu begins again.
        let caller = world.add_resident(secs(2), Resident { patience: secs(60), ..Resident::default() });
        for at in [9, 16, 23] {
            if as_sound {
                world.at(secs(at), caller, Command::Press(phone::Key::parse_script("7").unwrap()));
            }
            if as_message {
                world.at(secs(at) + Duration::from_millis(150), caller, Command::SendKey(seven));
            }
        }
        world.run_until_quiet(secs(600));
        assert_eq!(world.violations(), [""; 0]);
        world.notes().filter(|(_, e)| matches!(e, Event::Pressed { .. })).count()
    };
    let once = pressed(true, false);
    assert!(once >= 2, "{once}");
    assert_eq!((pressed(false, true), pressed(true, true)), (once, once));
}

// ---- another phone takes over ------------------------------------------------------------------------------------------------------

/// `who` calls, at a time, to take the place of what `of` talks on.
fn takes_over(world: &mut World, at: u64, who: PersonId, of: PersonId) {
    world.run_until(secs(at));
    let replaces = world.phone(of).unwrap().replaces().expect("there is a call");
    world.at(secs(at), who, Command::DialReplacing { uri: "sip:takeover@127.0.0.1".to_owned(), replaces });
}

fn tones(world: &World, person: PersonId) -> Vec<u32> {
    let timeline = world.phone(person).unwrap().timeline();
    timeline.iter().filter_map(|s| if let phone::Sounding::Tone(hz) = s.what { Some((hz + 5) / 10 * 10) } else { None }).collect()
}

#[test]
fn a_nurse_goes_on_at_her_other_phone_and_the_caller_hears_nothing_of_it() {
    let mut world = World::with_sound(Town::default().build(), 1);
    let says = |hz: u32| Sound::Tone(hz);
    let desk = world.add_clerk(secs(0), "yuki", Clerk { says: says(1000), ..Clerk::default() });
    let pocket = world.add_clerk(secs(1), "yuki", Clerk { answer: AnswerPolicy::Never, says: says(1200), ..Clerk::default() });
    let caller = Resident { keys: "WWWW1".to_owned(), says: says(1500), talk: Some(secs(60)), ..Resident::default() };
    let caller = world.add_resident(secs(5), caller);
    takes_over(&mut world, 30, pocket, desk);
    world.run_until(secs(40));
    assert!(world.phone(pocket).unwrap().is_connected() && !world.phone(desk).unwrap().is_in_call());
    assert_eq!(world.engine().unwrap().agent_state(&"yuki".into()), Some(AgentState::Talking));
    world.engine().unwrap().audit().unwrap();
    rest(&mut world);
    assert!(tones(&world, pocket).contains(&1500), "{:?}", tones(&world, pocket));
    let heard = tones(&world, caller);
    let at = heard.iter().position(|hz| *hz == 1000).expect("the nurse at her desk");
    assert_eq!(heard[at + 1..], [1200], "then at once the same nurse from her pocket");
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(world.records().len(), 1);
}

#[test]
fn whoever_is_not_the_agent_of_a_call_does_not_get_it() {
    let mut world = World::new(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let ken = world.add_clerk(secs(0), "ken", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), ..Resident::default() });
    let stranger = world.add_resident(secs(3000), Resident::default());
    takes_over(&mut world, 30, ken, yuki);
    takes_over(&mut world, 32, stranger, yuki);
    takes_over(&mut world, 34, ken, caller);
    world.run_until(secs(60));
    let refused = |who| -> Vec<u16> {
        world.told(who).filter_map(|(_, e)| if let phone::Event::Ended { status, .. } = e { *status } else { None }).collect()
    };
    // What is a caller's is as good as unknown to whoever is not where the caller is.
    assert_eq!((refused(ken), refused(stranger)), (vec![403, 481], vec![403]));
    assert!(world.phone(yuki).unwrap().is_connected() && world.phone(caller).unwrap().is_connected());
}

#[test]
fn a_caller_who_hangs_up_while_the_nurse_changes_phones_leaves_nothing_behind() {
    for late in 0..40 {
        let mut world = World::new(Arc::new(city()), late);
        let desk = world.add_clerk(secs(0), "yuki", Clerk::default());
        let pocket = world.add_clerk(secs(1), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
        let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), ..Resident::default() });
        takes_over(&mut world, 30, pocket, desk);
        let who = [caller, pocket, desk][late as usize % 3];
        world.at(secs(30) + Duration::from_millis(late * 3), who, Command::HangUp);
        world.run_until_quiet(secs(3600));
        assert_eq!(world.violations(), [""; 0], "{late}");
        assert_eq!(world.records().len(), 1, "{late}");
        let census = world.engine().unwrap().census();
        assert_eq!((census.calls, census.legs, census.dialogs, census.ports), (0, 0, 0, 0), "{late}: {census:?}");
    }
}
