//! Callers who leave a message, and callers for whom another house is asked.

use model::{CallEnd, Event, LookupEnd, MessageEnd, NotKept};
use phone::{Command, Key, Sound};
use sim::{Clerk, House, PersonId, Resident, Town, World};
use std::time::Duration;

const LIMIT: Duration = secs(3 * 3600);
/// Five in the main menu leads to the box, six to the register; seven to rules, for what is kept must be used somewhere.
const KEYS: &str = r#""5": message, "6": ask, "7": by_ward"#;
const STEPS: &str = r#"
  message:
    voicemail: { box: town, say: please_wait, max: 20s, silence: 5s, failed: general }
    next: thanks
  thanks: { hang_up: { say: goodbye } }
  ask:
    lookup:
      at: register
      send: { who: "{caller}", kind: flu }
      timeout: 4s
      say: please_wait
      answers: { found: nurse, full: thanks }
      keep: { ward: [kawasaki, saiwai] }
      failed: general
  by_ward: { rules: [ { when: { ward: kawasaki }, next: general }, { otherwise: nurse } ] }
"#;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn city() -> std::sync::Arc<calls::City> {
    Town::default().build_with_steps(KEYS, STEPS)
}

fn town() -> World {
    let mut world = World::new(city(), 1);
    world.add_clerk(Duration::ZERO, "ken", Clerk::default());
    world.add_clerk(Duration::ZERO, "yuki", Clerk::default());
    world
}

fn caller(world: &mut World, keys: &str) -> PersonId {
    world.add_resident(secs(5), Resident { keys: keys.to_owned(), talk: Some(secs(10)), patience: secs(600), ..Resident::default() })
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
    assert_eq!(world.left_open(), 0, "no file and no question is left open");
}

fn left(world: &World) -> Vec<(MessageEnd, u64)> {
    world.notes().filter_map(|(_, e)| if let Event::MessageLeft { how, length, .. } = e { Some((*how, length.0)) } else { None }).collect()
}

fn not_kept(world: &World) -> Vec<NotKept> {
    world.notes().filter_map(|(_, e)| if let Event::MessageNotKept { why, .. } = e { Some(*why) } else { None }).collect()
}

fn looked_up(world: &World) -> Vec<LookupEnd> {
    world.notes().filter_map(|(_, e)| if let Event::LookedUp { how, .. } = e { Some(*how) } else { None }).collect()
}

fn path(world: &World) -> Vec<String> {
    world.records().first().map(|record| record.path.clone()).unwrap_or_default()
}

fn end(world: &World) -> CallEnd {
    world.records()[0].end
}

/// When the beep is over and the caller is recorded: seconds since the world began.
fn recorded_from(keys: &str) -> Duration {
    let mut world = World::with_sound(city(), 1);
    caller(&mut world, keys);
    world.tapes_break_after(Duration::ZERO);
    world.run_until(secs(40));
    let broke = world.notes().find(|(_, e)| matches!(e, Event::MessageNotKept { .. } | Event::MessageLeft { .. }));
    broke.map(|(at, _)| at.since(model::Instant::ZERO)).expect("it was recorded")
}

// ---- messages ----------------------------------------------------------------------------------------------------------------

#[test]
fn a_caller_leaves_a_message_and_says_so_by_hash() {
    let mut world = town();
    // The first key cuts the sentence: the beep comes at once. Three seconds later hash.
    caller(&mut world, "WWWW5WW1WWWWWWW#");
    rest(&mut world);
    assert_eq!(path(&world), ["greeting", "main=5", "message=left", "thanks"]);
    let (how, length) = left(&world)[0];
    assert!(how == MessageEnd::Key && (3000..12_000).contains(&length), "{length} ms");
    assert_eq!(end(&world), CallEnd::MessageLeft);
    let (slip, _) = &world.messages()[0];
    let shown = world.records()[0].caller.clone();
    assert_eq!((slip.mailbox.as_str(), slip.call, &slip.caller), ("town", world.records()[0].call, &shown));
    assert!(slip.caller.contains('*') && slip.sealed.is_some() && !format!("{slip:?}").contains("0801000"), "{slip:?}");
}

#[test]
fn whoever_hangs_up_in_the_middle_has_left_what_was_said_and_has_not_given_up() {
    let mut world = town();
    let ada = caller(&mut world, "WWWW5WW1");
    world.at(secs(22), ada, Command::HangUp);
    rest(&mut world);
    assert_eq!(left(&world)[0].0, MessageEnd::HungUp);
    assert_eq!((end(&world), world.records()[0].gave_up), (CallEnd::MessageLeft, None));
    assert_eq!(world.messages().len(), 1);
}

#[test]
fn whoever_hangs_up_at_the_beep_has_left_nothing() {
    let beep = recorded_from("WWWW5WW1");
    let mut world = town();
    let ada = caller(&mut world, "WWWW5WW1");
    world.at(beep + Duration::from_millis(300), ada, Command::HangUp);
    rest(&mut world);
    assert_eq!((not_kept(&world), world.messages().len()), (vec![NotKept::Empty], 0));
    assert_eq!(end(&world), CallEnd::AbandonedInMenu);
}

#[test]
fn silence_ends_a_message_and_whoever_says_nothing_leaves_none() {
    let mut world = town();
    caller(&mut world, "WWWW5WW1");
    rest(&mut world);
    assert_eq!(left(&world)[0].0, MessageEnd::Silence);
    let mut mute = town();
    mute.callers_are_mute();
    caller(&mut mute, "WWWW5WW1");
    rest(&mut mute);
    assert_eq!(
        (not_kept(&mute), path(&mute)[2..].to_vec()),
        (vec![NotKept::Empty], vec!["message=empty".to_owned(), "general".to_owned()])
    );
    assert_eq!(end(&mute), CallEnd::Served, "who has left nothing is led to a person");
}

#[test]
fn a_full_box_leads_to_a_person_before_the_beep() {
    for why in [NotKept::BoxFull, NotKept::DiskShort, NotKept::NotWritten] {
        let mut world = town();
        world.close_boxes(Some(why));
        caller(&mut world, "WWWW5WW1");
        rest(&mut world);
        assert_eq!((not_kept(&world), end(&world)), (vec![why], CallEnd::Served));
        assert_eq!(path(&world)[2..], ["message=failed", "general"]);
    }
}

#[test]
fn what_was_said_is_what_is_kept_and_a_full_message_ends_with_a_beep() {
    let mut world = World::with_sound(city(), 1);
    let says = Sound::Tone(700);
    let ada = world.add_resident(secs(5), Resident { keys: "WWWW5WW1".to_owned(), says, patience: secs(600), ..Resident::default() });
    world.run_until_quiet(LIMIT);
    assert_eq!(left(&world), [(MessageEnd::Full, 20_000)]);
    let (_, sound) = &world.messages()[0];
    assert_eq!(sound.len(), 20 * 8000);
    let tone = media::listen::dominant(&sound[8000..16_000], 8000).unwrap();
    assert!((tone.hz - 700.0).abs() < 2.0 && tone.purity > 0.9, "{tone:?}");
    assert!(world.phone(ada).is_some());
}

#[test]
fn a_disk_that_takes_no_more_leads_the_caller_to_a_person_and_keeps_what_was_said() {
    let mut world = World::with_sound(city(), 1);
    world.add_clerk(Duration::ZERO, "ken", Clerk::default());
    world.tapes_break_after(secs(3));
    let says = Sound::Tone(700);
    let resident = Resident { keys: "WWWW5WW1".to_owned(), says, talk: Some(secs(5)), patience: secs(600), ..Resident::default() };
    world.add_resident(secs(5), resident);
    world.run_until_quiet(LIMIT);
    assert_eq!(left(&world), [(MessageEnd::BrokenOff, 3000)]);
    assert_eq!(path(&world)[2..], ["message=failed", "general"]);
}

#[test]
fn the_engine_is_killed_during_a_message_and_what_was_said_is_found() {
    let beep = recorded_from("WWWW5WW1");
    let mut world = World::with_sound(city(), 1);
    let says = Sound::Tone(700);
    world.add_resident(secs(5), Resident { keys: "WWWW5WW1".to_owned(), says, patience: secs(600), ..Resident::default() });
    world.crash(beep + secs(4), secs(2));
    world.run_until(beep + secs(120));
    let (_, sound) = &world.messages()[0];
    assert!((3 * 8000..5 * 8000).contains(&sound.len()), "{}", sound.len());
    assert_eq!(world.left_open(), 0);
}

#[test]
fn a_key_during_the_message_is_no_choice_and_the_house_that_closes_keeps_what_was_said() {
    let mut world = town();
    caller(&mut world, "WWWW5WW1WWWW3");
    world.control(secs(24), calls::Control::EndAll);
    rest(&mut world);
    assert_eq!(left(&world).len(), 1, "{:?}", not_kept(&world));
    assert!(path(&world)[2].starts_with("message"));
}

// ---- other houses ------------------------------------------------------------------------------------------------------------

fn asks(house: House) -> World {
    let mut world = town();
    world.add_house("register", house);
    caller(&mut world, "WWWW6");
    rest(&mut world);
    world
}

fn words(answer: &str, ward: &str) -> std::collections::BTreeMap<String, String> {
    [("answer", answer), ("ward", ward)].map(|(name, word)| (name.to_owned(), word.to_owned())).into()
}

#[test]
fn the_registers_answer_decides_the_way() {
    let world = asks(House::Answers(words("found", "saiwai"), secs(1)));
    assert_eq!(path(&world)[2..], ["ask=found", "nurse"]);
    assert_eq!((looked_up(&world), end(&world)), (vec![LookupEnd::Answered], CallEnd::Served));
    let full = asks(House::Answers(words("full", "saiwai"), Duration::ZERO));
    assert_eq!(path(&full)[2..], ["ask=full", "thanks"]);
}

#[test]
fn a_register_that_is_slow_wrong_dead_or_silent_leads_to_a_person() {
    let cases = [
        (House::Answers(words("found", "saiwai"), secs(9)), LookupEnd::TimedOut),
        (House::Silent, LookupEnd::TimedOut),
        (House::Dead, LookupEnd::Unreachable),
        (House::Fails(LookupEnd::Refused, secs(1)), LookupEnd::Refused),
        (House::Answers(words("maybe", "saiwai"), secs(1)), LookupEnd::Unreadable),
        (House::Answers(words("found", "tokyo"), secs(1)), LookupEnd::Unreadable),
    ];
    for (house, how) in cases {
        let world = asks(house.clone());
        assert_eq!(looked_up(&world), [how], "{house:?}");
        assert_eq!(path(&world)[2..], ["ask=failed", "general"], "{house:?}");
        assert_eq!(end(&world), CallEnd::Served);
    }
}

#[test]
fn what_is_sent_is_sent_and_neither_logged_nor_written_down() {
    let world = asks(House::Dead);
    let (_, sent) = &world.questions()[0];
    let number = &sent["who"];
    assert!(number.len() >= 10 && sent["kind"] == "flu", "{sent:?}");
    assert!(world.notes().all(|(_, event)| !format!("{event:?}").contains(number.as_str())));
    assert!(world.ledger().durable().all(|record| !format!("{record:?}").contains(number.as_str())));
}

#[test]
fn a_caller_who_hangs_up_takes_the_question_along() {
    let mut world = town();
    world.add_house("register", House::Silent);
    let ada = caller(&mut world, "WWWW6");
    world.run_until(secs(12));
    assert_eq!(world.left_open(), 1, "it is being asked");
    world.at(secs(12), ada, Command::HangUp);
    rest(&mut world);
    assert_eq!(looked_up(&world), [LookupEnd::CallerGone]);
}

#[test]
fn the_sixty_fifth_question_at_once_is_not_asked_and_its_caller_goes_to_a_person() {
    let mut world = town();
    world.add_house("register", House::Silent);
    for _ in 0..65 {
        caller(&mut world, "WWWW6");
    }
    world.run_until(secs(12));
    assert_eq!(looked_up(&world), [LookupEnd::TooMany]);
    assert_eq!(world.left_open(), 64);
}

#[test]
fn keys_during_a_lookup_change_nothing_and_the_caller_hears_music() {
    let mut world = town();
    world.add_house("register", House::Silent);
    let ada = caller(&mut world, "WWWW6");
    world.at(secs(11), ada, Command::Press(vec![Key::Digit(model::Digit::from_char('9').unwrap())]));
    rest(&mut world);
    assert_eq!(path(&world)[2..], ["ask=failed", "general"]);
}
