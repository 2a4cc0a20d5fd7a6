//! What a phone and the engine agree on, at the beginning and later: callers whose exchange leaves the offer to us, and hold by everybody.

use calls::City;
use model::{AgentState, CallEnd, Event, Party};
use phone::{AnswerPolicy, Command, Hold, Sound, Sounding};
use sim::{Clerk, Neighbour, PersonId, Resident, Town, World, town};
use std::sync::Arc;
use std::time::Duration;

const HOLDS: [Hold; 3] = [Hold::SendOnly, Hold::Inactive, Hold::NoAddress];
/// What the town's queue plays, the nurse, the resident, the ward, and our own tone for whoever has no music.
const MUSIC: u32 = 700;
const NURSE: u32 = 1000;
const RESIDENT: u32 = 1500;
const WARD: u32 = 1900;
const HOLD_TONE: u32 = 440;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn resident(talk: u64) -> Resident {
    Resident { keys: "WWWW1".to_owned(), says: Sound::Tone(RESIDENT), talk: Some(secs(talk)), ..Resident::default() }
}

/// A world with sound in which yuki talks with a resident from about second 16 on.
fn talking(city: Arc<City>, caller: Resident) -> (World, PersonId, PersonId) {
    let mut world = World::with_sound(city, 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk { says: Sound::Tone(NURSE), ..Clerk::default() });
    let caller = world.add_resident(secs(5), caller);
    (world, yuki, caller)
}

/// Which tones a person hears from `from` to `to`, counted from when the person's call was connected, but for stretches of less than half a second.
fn hears(world: &World, person: PersonId, from: Duration, to: Duration) -> Vec<u32> {
    let timeline = world.phone(person).unwrap().timeline();
    let within = timeline.iter().filter(|s| s.to.min(to).saturating_sub(s.from.max(from)) >= Duration::from_millis(500));
    within.filter_map(|s| if let Sounding::Tone(hz) = s.what { Some((hz + 5) / 10 * 10) } else { None }).collect()
}

/// When a person's call was connected.
fn connected(world: &World, person: PersonId) -> Duration {
    let at = world.told(person).find(|(_, e)| matches!(e, phone::Event::Connected)).unwrap().0;
    at.since(model::Instant::ZERO)
}

/// The same, from and to on the world's clock.
fn hears_at(world: &World, person: PersonId, from: u64, to: u64) -> Vec<u32> {
    let since = connected(world, person);
    hears(world, person, secs(from).saturating_sub(since), secs(to).saturating_sub(since))
}

fn rest(world: &mut World) {
    world.run_until_quiet(secs(3600));
    assert_eq!(world.violations(), [""; 0]);
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

fn changed(world: &World, person: PersonId) -> Vec<u16> {
    world.told(person).filter_map(|(_, e)| if let phone::Event::Changed(status) = e { Some(*status) } else { None }).collect()
}

// ---- whoever leaves the offer to us ----------------------------------------------------------------------------------------------

#[test]
fn a_caller_whose_exchange_leaves_the_offer_to_us_hears_the_greeting_and_the_nurse() {
    let (mut world, yuki, caller) = talking(Town::default().build(), Resident { late: true, ..resident(5) });
    rest(&mut world);
    let timeline = world.phone(caller).unwrap().timeline();
    let tones: Vec<Sounding> = timeline.iter().filter(|s| s.to - s.from > Duration::from_millis(300)).map(|s| s.what).collect();
    assert!(matches!(tones[0], Sounding::Tone(548..=552)), "the first words: {tones:?}");
    assert!(tones.iter().any(|t| matches!(t, Sounding::Tone(998..=1002))), "the nurse: {tones:?}");
    assert!(world.phone(yuki).unwrap().timeline().iter().any(|s| matches!(s.what, Sounding::Tone(1498..=1502))));
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
}

// ---- hold ------------------------------------------------------------------------------------------------------------------------

#[test]
fn whoever_the_nurse_holds_hears_music_until_she_is_back() {
    for hold in HOLDS {
        let (mut world, yuki, caller) = talking(Town::default().build(), resident(60));
        world.at(secs(30), yuki, Command::Hold(hold));
        world.at(secs(45), yuki, Command::Resume);
        rest(&mut world);
        assert_eq!(changed(&world, yuki), [200, 200], "{hold:?}");
        assert_eq!(hears_at(&world, caller, 20, 29), [NURSE], "{hold:?}");
        assert_eq!(hears_at(&world, caller, 31, 44), [MUSIC], "{hold:?}: never silence");
        assert_eq!(hears_at(&world, caller, 46, 60), [NURSE], "{hold:?}");
        assert!(hears_at(&world, yuki, 31, 44).is_empty(), "{hold:?}: nothing is sent to who wants nothing");
        assert_eq!(hears_at(&world, yuki, 46, 60), [RESIDENT], "{hold:?}");
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)], "{hold:?}");
    }
}

#[test]
fn whoever_was_answered_before_there_was_music_hears_the_citys_first_while_held() {
    let mut world = World::with_sound(Town::default().build(), 1);
    let at_once = Clerk { answer: AnswerPolicy::After(Duration::ZERO), says: Sound::Tone(NURSE), ..Clerk::default() };
    let yuki = world.add_clerk(secs(0), "yuki", at_once);
    let caller = world.add_resident(secs(5), resident(60));
    world.at(secs(30), yuki, Command::Hold(Hold::SendOnly));
    world.at(secs(45), yuki, Command::Resume);
    rest(&mut world);
    assert_eq!(hears_at(&world, caller, 31, 44), [MUSIC]);
    assert_eq!(hears_at(&world, caller, 46, 60), [NURSE]);
}

#[test]
fn whoever_is_held_in_a_city_without_music_hears_a_tone_that_comes_back() {
    let mut city = City::clone(&Town::default().build());
    city.clips.retain(|spoken, _| spoken.prompt.as_str() != "calm");
    let (mut world, yuki, caller) = talking(Arc::new(city), resident(60));
    world.at(secs(30), yuki, Command::Hold(Hold::Inactive));
    rest(&mut world);
    let since = connected(&world, caller);
    let tone = |s: &&phone::Stretch| matches!(s.what, Sounding::Tone(hz) if hz.abs_diff(HOLD_TONE) < 5) && s.from > secs(30) - since;
    let times = world.phone(caller).unwrap().timeline().iter().filter(tone).count();
    assert!(times >= 5, "{times} times in half a minute");
}

#[test]
fn nobody_is_hung_up_on_for_a_hold_of_five_minutes_by_whomever() {
    for hold in HOLDS {
        for nurse_holds in [true, false] {
            let (mut world, yuki, caller) = talking(Town::default().build(), resident(400));
            let who = if nurse_holds { yuki } else { caller };
            world.at(secs(30), who, Command::Hold(hold));
            world.at(secs(330), who, Command::Resume);
            world.run_until(secs(340));
            assert_eq!(world.engine().unwrap().agent_state(&"yuki".into()), Some(AgentState::Talking), "{hold:?}");
            rest(&mut world);
            assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)], "{hold:?}, {nurse_holds}");
            assert_eq!(hears_at(&world, yuki, 335, 380), [RESIDENT], "{hold:?}");
            assert_eq!(hears_at(&world, caller, 335, 380), [NURSE], "{hold:?}");
        }
    }
}

#[test]
fn a_phone_that_dies_while_it_holds_is_found_out() {
    for hold in HOLDS {
        let (mut world, yuki, _) = talking(Town::default().build(), resident(400));
        world.at(secs(30), yuki, Command::Hold(hold));
        world.at(secs(40), yuki, Command::Vanish);
        world.run_until(secs(40 + 60 + 60 + 40));
        let waits = world
            .notes()
            .filter(|(at, e)| at.since(model::Instant::ZERO) > secs(40) && matches!(e, Event::Unregistered { .. } | Event::Waits { .. }))
            .count();
        assert!(waits > 0, "{hold:?}");
        assert_ne!(world.engine().unwrap().agent_state(&"yuki".into()), Some(AgentState::Talking), "{hold:?}");
    }
}

#[test]
fn a_nurse_who_hangs_up_while_she_holds_ends_the_call_as_always() {
    let (mut world, yuki, _) = talking(Town::default().build(), resident(400));
    world.at(secs(30), yuki, Command::Hold(Hold::SendOnly));
    world.at(secs(40), yuki, Command::HangUp);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Agent)]);
}

#[test]
fn the_ward_hears_music_while_the_nurse_who_asked_it_holds_and_the_caller_has_theirs() {
    let (mut world, yuki, caller) = talking(Arc::new(town::with_outside(&Town::default().build())), resident(200));
    let ward = world.add_neighbour(Neighbour { says: Sound::Tone(WARD), ..Neighbour::default() });
    world.at(secs(30), yuki, Command::Press(phone::Key::parse_script("*271").unwrap()));
    world.at(secs(45), yuki, Command::Hold(Hold::SendOnly));
    world.at(secs(60), yuki, Command::Resume);
    world.at(secs(75), yuki, Command::HangUp);
    rest(&mut world);
    assert_eq!(hears_at(&world, ward, 41, 44), [NURSE]);
    assert_eq!(hears_at(&world, ward, 46, 59), [MUSIC]);
    assert_eq!(hears_at(&world, ward, 61, 74), [NURSE]);
    assert_eq!(hears_at(&world, ward, 77, 90), [RESIDENT]);
    assert_eq!(hears_at(&world, caller, 46, 59), [MUSIC]);
    assert_eq!(hears_at(&world, caller, 77, 90), [WARD]);
}

#[test]
fn a_hold_at_a_menu_and_in_a_queue_changes_nothing_for_the_caller() {
    let mut world = World::with_sound(Town::default().build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    let caller = world.add_resident(secs(5), Resident { patience: secs(60), ..resident(30) });
    world.at(secs(12), caller, Command::Hold(Hold::Inactive));
    world.at(secs(40), caller, Command::Resume);
    rest(&mut world);
    assert_eq!(changed(&world, caller), [200, 200]);
    assert_eq!(hears_at(&world, caller, 41, 60).first(), Some(&MUSIC));
    assert_eq!(ends(&world), [(CallEnd::AbandonedInQueue, Party::Caller)]);
}

// ---- session timers ----------------------------------------------------------------------------------------------------------------

/// RFC 4028: the phones of this town hang up, and complain, if nobody refreshes the session within half an hour.
#[test]
fn a_call_that_lasts_longer_than_its_session_timer_goes_on_and_nobody_hears_the_refresh() {
    let (mut world, yuki, caller) = talking(Town::default().build(), resident(2_000));
    world.run_until_quiet(secs(7200));
    assert_eq!(world.violations(), [""; 0]);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert!(world.records()[0].talked.is_some_and(|talked| talked.0 > 1_900_000), "{:?}", world.records()[0].talked);
    assert_eq!(hears_at(&world, caller, 800, 1_000), [NURSE]);
    assert_eq!(hears_at(&world, yuki, 800, 1_000), [RESIDENT]);
}
