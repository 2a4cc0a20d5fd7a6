//! The same town with every packet of sound.

use model::{Event, Instant};
use phone::{Sound, Sounding};
use sim::{Clerk, PersonId, Resident, Town, Weather, World};
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What a person heard, tones within 2 Hz of what a sentence of the town sounds like by its name.
fn heard(world: &World, person: PersonId) -> Vec<(&'static str, Duration)> {
    let name = |what: Sounding| match what {
        Sounding::Silence => "silence",
        Sounding::Speech => "speech",
        Sounding::Music => "music",
        Sounding::Tone(hz) => match hz {
            548..=552 => "welcome or please_wait",
            698..=702 => "main_menu or calm",
            448..=452 => "a short sentence",
            998..=1002 => "the nurse",
            1498..=1502 => "the resident",
            _ => "another tone",
        },
    };
    let timeline = world.phone(person).unwrap().timeline();
    timeline.iter().map(|s| (name(s.what), s.to - s.from)).collect()
}

/// What the engine noted that does not depend on the hundredth of a second.
fn story(world: &World) -> Vec<String> {
    let told = world.notes().filter_map(|(_, e)| match e {
        Event::StepEntered { step, .. } => Some(format!("step {step}")),
        Event::PromptStarted { prompt, .. } => Some(format!("says {prompt}")),
        Event::Pressed { digit, meaning, .. } => Some(format!("key {digit} {meaning}")),
        Event::Enqueued { queue, position, .. } => Some(format!("place {position} in {queue}")),
        Event::Offered { agent, .. } => Some(format!("offered to {agent}")),
        Event::OfferEnded { how, .. } => Some(format!("offer {how}")),
        Event::Bridged { agent, .. } => Some(format!("talks to {agent}")),
        Event::NoInput { step, .. } => Some(format!("no input at {step}")),
        Event::Ended { record } => Some(format!("ended {} by {}", record.end, record.hung_up_by)),
        _ => None,
    });
    told.collect()
}

fn people(world: &mut World) -> (PersonId, PersonId) {
    let nurse = world.add_clerk(secs(0), "yuki", Clerk { says: Sound::Tone(1000), ..Clerk::default() });
    let resident = Resident { keys: "WWWW1".into(), says: Sound::Tone(1500), talk: Some(secs(5)), ..Resident::default() };
    (nurse, world.add_resident(secs(2), resident))
}

#[test]
fn a_resident_hears_every_sentence_and_then_the_nurse() {
    let mut world = World::with_sound(Town::default().build(), 1);
    let (nurse, caller) = people(&mut world);
    world.run_until_quiet(secs(120));
    assert_eq!(world.violations(), [""; 0]);
    let timeline = heard(&world, caller);
    let names: Vec<&str> = timeline.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["welcome or please_wait", "main_menu or calm", "welcome or please_wait", "main_menu or calm", "the nurse"],
        "{timeline:?}"
    );
    let lengths: Vec<u128> = timeline.iter().map(|(_, length)| length.as_millis()).collect();
    // The menu was cut by the key after one and a half seconds; the nurse answered after three.
    for (length, expected) in lengths.iter().zip([2500, 1500, 2500, 500, 5000]) {
        assert!(length.abs_diff(expected) <= 250, "{timeline:?}");
    }
    let nurse_heard = heard(&world, nurse);
    assert!(nurse_heard.iter().any(|(name, length)| *name == "the resident" && length.as_millis().abs_diff(5000) < 300), "{nurse_heard:?}");
    let stats = world.phone(caller).unwrap().media_stats();
    assert_eq!((stats.lost, stats.late, stats.foreign), (0, 0, 0), "{stats:?}");
}

#[test]
fn the_key_stops_the_menu_within_a_tenth_of_a_second() {
    let mut world = World::with_sound(Town::default().build(), 1);
    let (_, caller) = people(&mut world);
    world.run_until_quiet(secs(120));
    let at = |what: &dyn Fn(&phone::Event) -> bool| world.told(caller).find(|(_, e)| what(e)).unwrap().0;
    let (connected, pressed) = (at(&|e| *e == phone::Event::Connected), at(&|e| matches!(e, phone::Event::Pressed(_))));
    let menu_ends = world.phone(caller).unwrap().timeline()[1].to;
    let late = menu_ends.saturating_sub(pressed.since(connected));
    // The timeline itself is told in steps of 80 ms.
    assert!(late <= Duration::from_millis(180), "the menu went on for {late:?}");
}

#[test]
fn the_computed_sounds_tell_the_same_story_as_the_real_ones() {
    for keys in ["WWWW1", "WWWW2", "WWWW3", "1", "", "WWWW7WWWWWWW2", "WWWWW1WWWWWWW0"] {
        let run = |mut world: World| {
            world.add_clerk(secs(0), "yuki", Clerk { answer: phone::AnswerPolicy::Never, ..Clerk::default() });
            world.add_clerk(secs(0), "ken", Clerk::default());
            world.add_clerk(secs(20), "mio", Clerk { talk: Some(secs(7)), ..Clerk::default() });
            world.add_resident(secs(2), Resident { keys: keys.into(), talk: Some(secs(10)), ..Resident::default() });
            world.run_until_quiet(secs(300));
            assert_eq!(world.violations(), [""; 0]);
            story(&world)
        };
        let city = Town::default().build();
        assert_eq!(run(World::new(city.clone(), 1)), run(World::with_sound(city, 1)), "keys {keys:?}");
    }
}

#[test]
fn every_key_counts_exactly_once_though_one_packet_in_ten_is_lost() {
    let mut pressed = 0;
    for seed in 0..8 {
        let mut world = World::with_sound(Town::default().build(), seed);
        world.weather(secs(0), Weather::FOUL);
        // The menu does not know 7: each press is noted once and the menu begins again.
        world.add_resident(secs(2), Resident { keys: "WWWWWW7WWWWWWWWW7".into(), patience: secs(60), ..Resident::default() });
        world.run_until_quiet(secs(300));
        let keys = world.notes().filter(|(_, e)| matches!(e, Event::Pressed { .. })).count();
        assert!(keys <= 2, "seed {seed}: {keys} keys of 2");
        pressed += keys;
        assert_eq!(world.violations(), [""; 0], "seed {seed}");
    }
    assert!(pressed >= 14, "{pressed} of 16 keys arrived");
}

#[test]
fn a_caller_whose_phone_dies_is_found_out_by_the_missing_sound() {
    let mut world = World::with_sound(Town::default().build(), 1);
    let (_, caller) = people(&mut world);
    world.at(secs(12), caller, phone::Command::Vanish);
    world.run_until_quiet(secs(200));
    let ended = world.notes().find(|(_, e)| matches!(e, Event::Ended { .. })).unwrap().0.since(Instant::ZERO);
    assert!((secs(42)..secs(80)).contains(&ended), "{ended:?}");
    assert_eq!(world.records()[0].end, model::CallEnd::CallerVanished);
}
