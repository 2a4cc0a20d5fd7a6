//! Slow hands, quick hands and silent telephones, in front of the whole engine: how long a caller has for a key, to the tenth of a second.

use flow::Spoken;
use model::{Event, KeyMeaning, Pcm};
use phone::{Command, Key, Sound};
use sim::{Clerk, PersonId, Resident, Town, World};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(3600);
/// When the caller dials.
const DIALS: Duration = Duration::from_secs(5);

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The town with the seven seconds of every shipped flow, and a step that takes a number: three to five figures, ended by `#`.
fn city() -> Arc<calls::City> {
    Town::default().build_with(|flow| {
        for (from, to) in [
            ("no_input: { after: 5s", "no_input: { after: 7s"),
            ("\"3\": information }", "\"3\": card }"),
            (
                "  nobody:",
                "  card: { collect: { say: please_wait, into: card, digits: { min: 3, max: 5 }, between: 4s }, next: chosen }\n  nobody:",
            ),
            ("  nobody:", "  chosen: { rules: [ { when: { card: given }, next: nurse }, { otherwise: information } ] }\n  nobody:"),
        ] {
            assert!(flow.contains(from), "{from}");
            *flow = flow.replacen(from, to, 1);
        }
    })
}

fn town() -> World {
    let mut world = World::new(city(), 1);
    world.add_clerk(millis(0), "ken", Clerk::default());
    world.add_clerk(millis(0), "yuki", Clerk::default());
    world
}

fn caller(world: &mut World) -> PersonId {
    world.add_resident(DIALS, Resident::default())
}

/// Presses one key after the other, each at its time.
fn press(world: &mut World, caller: PersonId, keys: &[(Duration, char)]) {
    for (at, key) in keys {
        world.at(*at, caller, Command::Press(Key::parse_script(&key.to_string()).unwrap()));
    }
}

fn when(world: &World, what: impl Fn(&Event) -> bool) -> Option<Duration> {
    world.notes().find(|(_, event)| what(event)).map(|(at, _)| at.since(model::Instant::ZERO))
}

fn silences(world: &World) -> usize {
    world.notes().filter(|(_, event)| matches!(event, Event::NoInput { .. })).count()
}

fn path(world: &mut World) -> Vec<String> {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
    world.records()[0].path.clone()
}

/// When the main menu has been said to its end, seven seconds before a silent caller is asked again; and how long a key takes from the finger
/// to the engine: it is held for a while, and counts when it is let go.
fn rhythm() -> (Duration, Duration) {
    let mut world = town();
    caller(&mut world);
    world.run_until_quiet(LIMIT);
    let asked_again = when(&world, |event| matches!(event, Event::NoInput { .. })).unwrap();
    let end = asked_again - millis(7_000);
    let mut world = town();
    let resident = caller(&mut world);
    press(&mut world, resident, &[(end, '2')]);
    world.run_until_quiet(LIMIT);
    let heard = when(&world, |event| matches!(event, Event::Pressed { .. })).unwrap();
    (end, heard - end)
}

#[test]
fn a_key_at_six_point_nine_seconds_counts_and_at_seven_point_one_the_menu_is_said_again() {
    let (end, travels) = rhythm();
    assert!(travels < millis(500), "{travels:?}");
    for (after, silent) in [(6_900, 0), (7_100, 1)] {
        let mut world = town();
        let resident = caller(&mut world);
        press(&mut world, resident, &[(end + millis(after) - travels, '2')]);
        // The key that comes too late for the first time of the menu cuts the second: whoever is slow is not punished for it.
        assert_eq!(path(&mut world), ["greeting", "main=2", "general"], "{after} ms");
        assert_eq!(silences(&world), silent, "{after} ms");
        assert!(when(&world, |event| matches!(event, Event::Bridged { .. })).is_some());
    }
}

#[test]
fn a_key_in_the_middle_of_the_sentence_stops_it_and_counts() {
    let (end, travels) = rhythm();
    let mut world = town();
    let resident = caller(&mut world);
    press(&mut world, resident, &[(end - millis(2_000) - travels, '1')]);
    assert_eq!(path(&mut world), ["greeting", "main=1", "nurse"]);
    let pressed = when(&world, |event| matches!(event, Event::Pressed { meaning: KeyMeaning::Choice, .. })).unwrap();
    let queued = when(&world, |event| matches!(event, Event::Enqueued { .. })).unwrap();
    assert!(pressed < end && queued - pressed < millis(100), "the rest of the sentence is not waited for");
}

#[test]
fn the_first_words_are_heard_whatever_is_pressed() {
    let mut world = town();
    let resident = caller(&mut world);
    // Somebody who knows the menu presses before it begins: 119 is said to its end all the same.
    press(&mut world, resident, &[(DIALS + millis(1_000), '2')]);
    let path = path(&mut world);
    assert_eq!(path.first().map(String::as_str), Some("greeting"));
    let menu = when(&world, |event| matches!(event, Event::PromptStarted { prompt, .. } if prompt.as_str() == "main_menu")).unwrap();
    let first = when(&world, |event| matches!(event, Event::PromptStarted { prompt, .. } if prompt.as_str() == "welcome")).unwrap();
    assert!(menu - first >= millis(2_500), "{:?}", menu - first);
}

/// The way of a caller who chooses 3 and types `keys`, each so long after the one before.
fn typed(keys: &[(u64, char)]) -> Vec<String> {
    let (end, travels) = rhythm();
    let mut world = town();
    let resident = caller(&mut world);
    let mut at = end - travels;
    press(&mut world, resident, &[(at, '3')]);
    // "Please wait" takes two and a half seconds; the figures come after it.
    at += millis(3_000);
    for (after, key) in keys {
        at += millis(*after);
        press(&mut world, resident, &[(at, *key)]);
    }
    path(&mut world)
}

#[test]
fn figures_less_than_four_seconds_apart_belong_together() {
    let given = ["greeting", "main=3", "card=given", "chosen=rule1", "nurse"];
    assert_eq!(typed(&[(0, '1'), (3_900, '2'), (3_900, '3'), (3_900, '4'), (3_900, '5')]), given);
    // Three are enough, and after four seconds they are taken to be all.
    assert_eq!(typed(&[(0, '1'), (3_900, '2'), (3_900, '3')]), given);
}

#[test]
fn figures_more_than_four_seconds_apart_end_the_entry() {
    // One figure is too few: it is asked for again, the other two are the beginning of the next try, and again too few.
    let lost = typed(&[(0, '1'), (4_100, '2'), (3_900, '3')]);
    assert_eq!(lost[..3], ["greeting", "main=3", "card=bad_key"], "{lost:?}");
}

#[test]
fn hash_ends_the_entry_at_once() {
    let (end, travels) = rhythm();
    let mut world = town();
    let resident = caller(&mut world);
    let begin = end - travels;
    let keys = ['3', '1', '2', '3', '#'];
    let times = [0, 3_000, 3_300, 3_600, 3_900].map(|after| begin + millis(after));
    press(&mut world, resident, &times.into_iter().zip(keys).collect::<Vec<_>>());
    assert_eq!(path(&mut world), ["greeting", "main=3", "card=given", "chosen=rule1", "nurse"]);
    let queued = when(&world, |event| matches!(event, Event::Enqueued { .. })).unwrap();
    assert!(queued - (times[4] + travels) < millis(100), "nobody waits four seconds for a further figure");
}

#[test]
fn a_dial_telephone_and_a_silent_one_reach_a_person_in_the_same_time() {
    let reached = |says: Sound| {
        let mut world = World::with_sound(city(), 1);
        world.add_clerk(millis(0), "ken", Clerk::default());
        world.add_resident(DIALS, Resident { says, ..Resident::default() });
        assert_eq!(path(&mut world), ["greeting", "main=silent", "general"]);
        assert_eq!(silences(&world), 2);
        when(&world, |event| matches!(event, Event::Bridged { .. })).unwrap()
    };
    let silent = reached(Sound::Silence);
    // What a dial makes are breaks of the line, ten a second, 60 ms long and with a click at both ends: no tone of any key.
    let clicks = (0..8_000).map(|sample: usize| if sample % 800 < 8 || (480..488).contains(&(sample % 800)) { 24_000 } else { 0 });
    let dialled = reached(Sound::Pcm(Arc::new(Pcm { rate: 8_000, samples: clicks.collect() }), true));
    assert!(dialled.abs_diff(silent) < millis(100), "{dialled:?}, {silent:?}");
    // Greeting, twice the menu, twice seven seconds, and somebody who answers after three.
    assert!(silent - DIALS < millis(2_500 + 2 * (4_000 + 7_000) + 5_000), "{silent:?}");
}

#[test]
fn the_wall_clock_leaps_and_no_timer_moves() {
    let story = |leaps: &[(u64, i64)]| {
        let mut world = town();
        world.add_resident(DIALS, Resident::default());
        for (at, millis_ahead) in leaps {
            world.clock_jumps(millis(*at), *millis_ahead);
        }
        let path = path(&mut world);
        let moments: Vec<Duration> = world.notes().map(|(at, _)| at.since(model::Instant::ZERO)).collect();
        (path, moments)
    };
    const HOUR: i64 = 3_600_000;
    let still = story(&[]);
    // Ahead, back, over midnight and into another year, in the middle of sentences, silences and ringing.
    for leaps in [
        vec![(6_000, 2 * HOUR)],
        vec![(9_000, -2 * HOUR)],
        vec![(14_000, 14 * HOUR), (20_000, -14 * HOUR)],
        vec![(12_000, 365 * 24 * HOUR), (16_000, -3 * 365 * 24 * HOUR)],
        vec![(8_000, 1_000), (13_000, -1_000), (15_000, HOUR), (29_000, -HOUR)],
    ] {
        assert_eq!(story(&leaps), still, "{leaps:?}");
    }
}

#[test]
fn whoever_speaks_a_language_without_a_voice_is_queued_at_once_and_hears_music() {
    let city = Town::default().build_with(|flow| {
        *flow = flow.replacen("offer: [ja] }", "offer: [ja], unvoiced: { tl: interpreter } }", 1);
        *flow = flow.replacen("\"3\": information }", "\"3\": information, \"7\": { set: { lang: tl }, next: information } }", 1);
        *flow = flow.replacen("  nobody:", "  interpreter: { queue: nurse, while_waiting: { music: calm, announce: [ { at: 0s, say: please_wait } ] }, outcomes: { nobody_logged_in: nobody, full: nobody } }\n  nobody:", 1);
    });
    // Whoever answers there brings an interpreter in: the queue does not ask for the language.
    let mut book = (*city.book).clone();
    book.queues.get_mut("nurse").unwrap().lang = None;
    let mut world = World::new(Arc::new(calls::City { book: Arc::new(book), ..(*city).clone() }), 1);
    world.add_clerk(millis(0), "yuki", Clerk::default());
    let caller = world.add_resident(DIALS, Resident { patience: Duration::from_secs(120), ..Resident::default() });
    press(&mut world, caller, &[(DIALS + millis(4_000), '7')]);
    assert_eq!(path(&mut world), ["greeting", "main=7", "interpreter"]);
    let pressed = when(&world, |event| matches!(event, Event::Pressed { .. })).unwrap();
    let queued = when(&world, |event| matches!(event, Event::Enqueued { .. })).unwrap();
    assert_eq!(pressed, queued, "at once");
    let said = |from: Duration| {
        let started = |(at, event): (model::Instant, &Event)| match event {
            Event::PromptStarted { prompt, lang, .. } if at.since(model::Instant::ZERO) >= from => {
                Some(Spoken { prompt: prompt.clone(), lang: lang.clone(), value: None })
            }
            _ => None,
        };
        world.notes().filter_map(started).collect::<Vec<_>>()
    };
    assert_eq!(said(pressed), [], "no sentence in a foreign language");
    assert_eq!(said(Duration::ZERO).len(), 2);
}
