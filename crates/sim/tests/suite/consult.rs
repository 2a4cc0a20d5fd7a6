//! An agent asks a ward by a second call of their phone and puts the two together by its transfer key: REFER with Replaces (RFC 5589 section 7).
//!
//! The town's phones have one line each, so the second call comes from another phone of the same agent's. For the engine that is the same: two
//! dialogs under one password.

use calls::City;
use model::{AgentState, CallEnd, Event, Instant, Party, TransferEnd, TransferKind};
use phone::{AnswerPolicy, Command, Hold, Sound, Sounding};
use sim::{Clerk, Neighbour, PersonId, Resident, Town, World, town};
use std::sync::Arc;
use std::time::Duration;

const MUSIC: u32 = 700;
const NURSE: u32 = 1000;
const SECOND: u32 = 1200;
const RESIDENT: u32 = 1500;
const WARD: u32 = 1900;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Who is there: yuki's two calls, the caller who talks with her from about second 16 on, and the ward.
struct Scene {
    world: World,
    first: PersonId,
    second: PersonId,
    caller: PersonId,
    ward: PersonId,
}

fn city() -> City {
    town::with_outside(&Town::default().build())
}

fn scene_in(city: City, ward: AnswerPolicy, talk: u64) -> Scene {
    let mut world = World::with_sound(Arc::new(city), 1);
    let first = world.add_clerk(secs(0), "yuki", Clerk { says: Sound::Tone(NURSE), ..Clerk::default() });
    let silent = Clerk { answer: AnswerPolicy::Never, says: Sound::Tone(SECOND), ..Clerk::default() };
    let second = world.add_clerk(secs(1), "yuki", silent);
    let resident = Resident { keys: "WWWW1".to_owned(), says: Sound::Tone(RESIDENT), talk: Some(secs(talk)), ..Resident::default() };
    let caller = world.add_resident(secs(5), resident);
    let ward = world.add_neighbour(Neighbour { answer: ward, says: Sound::Tone(WARD), ..Neighbour::default() });
    Scene { world, first, second, caller, ward }
}

fn scene(ward: AnswerPolicy) -> Scene {
    scene_in(city(), ward, 100)
}

impl Scene {
    /// She holds the caller and dials the ward.
    fn asks(&mut self) {
        self.world.at(secs(30), self.first, Command::Hold(Hold::SendOnly));
        self.dials(32, "71");
    }
    fn dials(&mut self, at: u64, code: &str) {
        self.world.at(secs(at), self.second, Command::Dial { uri: format!("sip:{code}@127.0.0.1") });
    }
    /// Her transfer key, in the call of `on`, for the one of `of`.
    fn refers(&mut self, at: u64, on: PersonId, of: PersonId) {
        self.world.run_until(secs(at));
        let replaces = self.world.phone(of).unwrap().replaces().expect("there is a call");
        let escaped = replaces.replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
        self.world.at(secs(at), on, Command::Refer { to: format!("sip:71@127.0.0.1?Replaces={escaped}") });
    }
    fn rest(&mut self) {
        self.world.run_until_quiet(secs(3600));
        assert_eq!(self.world.violations(), [""; 0]);
        let census = self.world.engine().unwrap().census();
        assert_eq!((census.calls, census.legs, census.dialogs, census.ports), (0, 0, 0, 0), "{census:?}");
        assert_eq!(self.world.records().len(), 1);
    }
    fn referred(&self, person: PersonId) -> Vec<(u16, bool)> {
        let told = self.world.told(person).filter_map(|(_, e)| match e {
            phone::Event::Referred { status, over } => Some((*status, *over)),
            _ => None,
        });
        told.collect()
    }
    fn transfers(&self) -> Vec<(TransferKind, TransferEnd)> {
        let each = self.world.notes().filter_map(|(_, e)| match e {
            Event::Transferred { kind, how, .. } => Some((*kind, *how)),
            _ => None,
        });
        each.collect()
    }
    fn is_on(&self, person: PersonId) -> bool {
        self.world.phone(person).unwrap().is_connected()
    }
    fn yuki(&self) -> AgentState {
        self.world.engine().unwrap().agent_state(&"yuki".into()).unwrap()
    }
    fn ends(&self) -> Vec<(CallEnd, Party)> {
        self.world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
    }
    /// Which tones a person hears from `from` to `to` on the world's clock, but for stretches of less than half a second.
    fn hears(&self, person: PersonId, from: u64, to: u64) -> Vec<u32> {
        let at = self.world.told(person).find(|(_, e)| matches!(e, phone::Event::Connected)).unwrap().0;
        let since = at.since(Instant::ZERO);
        let (from, to) = (secs(from).saturating_sub(since), secs(to).saturating_sub(since));
        let timeline = self.world.phone(person).unwrap().timeline();
        let within = timeline.iter().filter(|s| s.to.min(to).saturating_sub(s.from.max(from)) >= Duration::from_millis(500));
        within.filter_map(|s| if let Sounding::Tone(hz) = s.what { Some((hz + 5) / 10 * 10) } else { None }).collect()
    }
}

#[test]
fn the_nurse_asks_the_ward_by_a_second_call_and_puts_the_two_together() {
    for from_second in [false, true] {
        let mut scene = scene(AnswerPolicy::After(secs(3)));
        scene.asks();
        let (first, second) = (scene.first, scene.second);
        let (on, of) = if from_second { (second, first) } else { (first, second) };
        scene.refers(50, on, of);
        scene.world.run_until(secs(52));
        assert_eq!(scene.referred(on), [(202, false), (100, false), (200, true)], "{from_second}");
        assert!(!scene.is_on(first) && !scene.is_on(second) && scene.is_on(scene.ward) && scene.is_on(scene.caller), "{from_second}");
        assert_eq!(scene.yuki(), AgentState::WrapUp);
        scene.world.engine().unwrap().audit().unwrap();
        scene.rest();
        assert_eq!(scene.hears(scene.caller, 32, 49), [MUSIC], "{from_second}: on hold");
        assert_eq!(scene.hears(second, 38, 49), [WARD]);
        assert_eq!(scene.hears(scene.ward, 38, 49), [SECOND]);
        assert_eq!(scene.hears(scene.ward, 52, 80), [RESIDENT]);
        assert_eq!(scene.hears(scene.caller, 52, 80), [WARD]);
        assert_eq!(scene.transfers(), [(TransferKind::Warm, TransferEnd::Connected)]);
        assert_eq!(scene.ends(), [(CallEnd::Served, Party::Caller)]);
    }
}

#[test]
fn the_nurse_goes_to_and_fro_between_caller_and_ward() {
    let mut scene = scene(AnswerPolicy::After(secs(3)));
    scene.asks();
    scene.world.at(secs(45), scene.second, Command::Hold(Hold::SendOnly));
    scene.world.at(secs(46), scene.first, Command::Resume);
    scene.world.at(secs(60), scene.first, Command::Hold(Hold::SendOnly));
    scene.world.at(secs(61), scene.second, Command::Resume);
    scene.world.at(secs(75), scene.second, Command::HangUp);
    scene.world.at(secs(76), scene.first, Command::Resume);
    scene.rest();
    assert_eq!(scene.hears(scene.caller, 47, 59), [NURSE]);
    assert_eq!(scene.hears(scene.ward, 47, 59), [MUSIC], "the ward is never left in silence");
    assert_eq!(scene.hears(scene.caller, 62, 74), [MUSIC]);
    assert_eq!(scene.hears(scene.ward, 62, 74), [SECOND]);
    assert_eq!(scene.hears(scene.caller, 78, 95), [NURSE], "what comes to nothing leaves the first call as it was");
    assert_eq!(scene.hears(scene.first, 78, 95), [RESIDENT]);
    assert_eq!(scene.transfers(), [(TransferKind::Warm, TransferEnd::Withdrawn)]);
    assert_eq!(scene.ends(), [(CallEnd::Served, Party::Caller)]);
}

#[test]
fn a_transfer_before_the_ward_has_answered_waits_for_it_or_brings_the_caller_back() {
    for (answer, how) in [(AnswerPolicy::After(secs(25)), TransferEnd::Connected), (AnswerPolicy::Never, TransferEnd::NoAnswer)] {
        let mut scene = scene(answer);
        scene.asks();
        scene.refers(40, scene.first, scene.second);
        scene.world.run_until(secs(42));
        assert_eq!(scene.referred(scene.first), [(202, false), (100, false), (200, true)], "the caller is in our hands");
        assert!(!scene.is_on(scene.first) && !scene.is_on(scene.second));
        scene.rest();
        assert_eq!(scene.hears(scene.caller, 42, 55), [MUSIC]);
        assert_eq!(scene.transfers(), [(TransferKind::Warm, how)]);
    }
}

#[test]
fn a_ward_that_is_busy_is_told_in_the_second_call_and_the_caller_is_still_there() {
    let mut scene = scene(AnswerPolicy::Decline(486));
    scene.asks();
    scene.world.run_until(secs(45));
    assert!(scene.is_on(scene.first) && scene.is_on(scene.caller) && !scene.is_on(scene.second));
    assert_eq!(scene.yuki(), AgentState::Talking);
    scene.world.at(secs(46), scene.first, Command::Resume);
    scene.rest();
    assert_eq!(scene.hears(scene.caller, 48, 90), [NURSE]);
    assert!(!scene.hears(scene.second, 32, 45).is_empty(), "that it came to nothing is heard before the second call ends");
    assert_eq!(scene.transfers(), [(TransferKind::Warm, TransferEnd::Busy)]);
}

#[test]
fn two_phones_that_dial_the_ward_at_once_make_one_second_call() {
    let mut scene = scene(AnswerPolicy::After(secs(3)));
    let third = scene.world.add_clerk(secs(2), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    scene.asks();
    scene.world.at(secs(32), third, Command::Dial { uri: "sip:71@127.0.0.1".to_owned() });
    scene.world.run_until(secs(40));
    assert!(scene.is_on(scene.second) != scene.is_on(third), "one of them");
    assert_eq!(scene.world.calls_out().len(), 1);
    scene.rest();
}

#[test]
fn the_ward_hangs_up_on_the_nurse_and_she_has_her_caller_still() {
    let mut scene = scene(AnswerPolicy::After(secs(3)));
    scene.asks();
    scene.world.at(secs(45), scene.ward, Command::HangUp);
    scene.world.run_until(secs(47));
    assert!(!scene.is_on(scene.second) && scene.is_on(scene.first));
    scene.rest();
    assert_eq!(scene.transfers(), [(TransferKind::Warm, TransferEnd::Refused)]);
}

#[test]
fn whoever_leaves_in_the_middle_leaves_nothing_behind() {
    for at in 0..40 {
        let mut scene = scene_in(city(), AnswerPolicy::After(secs(3)), 300);
        scene.asks();
        let who = [scene.caller, scene.first, scene.second, scene.ward][at % 4];
        scene.world.at(secs(32) + Duration::from_millis(at as u64 * 200), who, Command::HangUp);
        scene.world.at(secs(60), scene.caller, Command::HangUp);
        scene.world.run_until_quiet(secs(3600));
        assert_eq!(scene.world.violations(), [""; 0], "{at}");
        scene.world.engine().unwrap().audit().unwrap();
        let census = scene.world.engine().unwrap().census();
        assert_eq!((census.calls, census.legs, census.dialogs, census.ports), (0, 0, 0, 0), "{at}: {census:?}");
        assert_eq!(scene.world.records().len(), 1, "{at}");
    }
}

#[test]
fn a_second_call_reaches_lines_only_and_only_from_who_talks() {
    for (code, status) in [("22", 403), ("0440000001", 404), ("117", 404), ("ken", 404)] {
        let mut scene = scene(AnswerPolicy::After(secs(3)));
        scene.dials(32, code);
        scene.world.run_until(secs(40));
        let refused = |(_, e): &(Instant, phone::Event)| matches!(e, phone::Event::Ended { status: Some(s), .. } if *s == status);
        assert_eq!(scene.world.told(scene.second).filter(|told| refused(&(told.0, told.1.clone()))).count(), 1, "{code}");
        assert!(scene.is_on(scene.first) && scene.is_on(scene.caller), "{code}");
    }
    let mut idle = scene(AnswerPolicy::After(secs(3)));
    idle.dials(3, "71");
    idle.world.run_until(secs(10));
    assert!(!idle.is_on(idle.second) && !idle.world.phone(idle.ward).unwrap().is_in_call());
}

#[test]
fn a_transfer_key_that_names_anybody_elses_call_does_nothing() {
    let mut scene = scene(AnswerPolicy::After(secs(3)));
    let mio = scene.world.add_clerk(secs(1), "mio", Clerk::default());
    let other = scene.world.add_resident(secs(12), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), ..Resident::default() });
    scene.asks();
    scene.refers(50, scene.first, mio);
    scene.refers(51, scene.first, other);
    scene.refers(52, scene.first, scene.first);
    scene.refers(53, mio, scene.second);
    scene.world.run_until(secs(60));
    assert_eq!(scene.referred(scene.first), [(603, true); 3]);
    assert_eq!(scene.referred(mio), [(603, true)]);
    for person in [scene.first, scene.second, scene.caller, scene.ward, mio, other] {
        assert!(scene.is_on(person), "{person:?}");
    }
}

/// The same city; callers' lines are those of a house that speaks from several machines, and is known as one.
fn of_one_house(city: City) -> City {
    let mut book = (*city.book).clone();
    book.lines.iter_mut().for_each(|line| line.trusted = !line.from.is_empty());
    City { book: Arc::new(book), ..city }
}

/// The caller's own house puts somebody else in the caller's place: an INVITE with Replaces over the same line.
#[test]
fn a_colleague_of_the_callers_takes_the_callers_place_talking_and_waiting() {
    for waiting in [false, true] {
        let mut world = World::with_sound(Arc::new(of_one_house(city())), 1);
        let answer = if waiting { AnswerPolicy::Never } else { AnswerPolicy::After(secs(3)) };
        let nurse = world.add_clerk(secs(0), "yuki", Clerk { answer, says: Sound::Tone(NURSE), ..Clerk::default() });
        let says = |hz| Resident {
            keys: "WWWW1".to_owned(),
            says: Sound::Tone(hz),
            talk: Some(secs(100)),
            patience: secs(100),
            ..Resident::default()
        };
        let secretary = world.add_resident(secs(5), says(RESIDENT));
        let head = world.add_resident(secs(3000), says(SECOND));
        world.run_until(secs(40));
        let replaces = world.phone(secretary).unwrap().replaces().unwrap();
        world.at(secs(40), head, Command::DialReplacing { uri: format!("sip:{}@127.0.0.1", town::NUMBER), replaces });
        world.at(secs(60), head, Command::HangUp);
        world.run_until(secs(50));
        assert!(world.phone(head).unwrap().is_connected() && !world.phone(secretary).unwrap().is_in_call(), "waiting: {waiting}");
        world.engine().unwrap().audit().unwrap();
        world.run_until(secs(70));
        let tones = |person| -> Vec<u32> {
            let timeline = world.phone(person).unwrap().timeline();
            timeline.iter().filter_map(|s| if let Sounding::Tone(hz) = s.what { Some((hz + 5) / 10 * 10) } else { None }).collect()
        };
        // Whoever waits hears the words of the queue between the music.
        assert_eq!(tones(head).first(), Some(if waiting { &MUSIC } else { &NURSE }), "waiting: {waiting}");
        if !waiting {
            assert_eq!(tones(nurse), [RESIDENT, SECOND]);
        }
        world.run_until(secs(600));
        assert_eq!(world.violations(), [""; 0], "waiting: {waiting}");
        assert_eq!(world.records().len(), 1);
        assert_eq!(world.engine().unwrap().census().legs, 0);
    }
}

#[test]
fn nobody_of_another_line_and_nobody_in_a_menu_takes_a_callers_place() {
    for (line, at) in [("same", 8), ("other", 40)] {
        let mut city = of_one_house(city());
        let mut book = (*city.book).clone();
        let net = |text: &str| model::Net::parse(text).unwrap();
        // The third person of this world.
        let other = model::Line { id: "other".into(), from: vec![net("127.1.0.3/32")], loopback: true, ..model::Line::default() };
        if line == "other" {
            book.lines.insert(0, other);
        }
        city.book = Arc::new(book);
        let mut world = World::new(Arc::new(city), 1);
        world.add_clerk(secs(0), "yuki", Clerk::default());
        let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(100)), ..Resident::default() });
        let thief = world.add_resident(secs(3000), Resident::default());
        world.run_until(secs(at));
        let replaces = world.phone(caller).unwrap().replaces().unwrap();
        world.at(secs(at), thief, Command::DialReplacing { uri: format!("sip:{}@127.0.0.1", town::NUMBER), replaces });
        world.run_until(secs(at + 5));
        let refused = world.told(thief).filter(|(_, e)| matches!(e, phone::Event::Ended { status: Some(403), .. })).count();
        assert_eq!(refused, 1, "{line}");
        assert!(world.phone(caller).unwrap().is_connected());
    }
}

#[test]
fn a_star_code_on_the_first_call_hands_over_as_the_transfer_key_does() {
    for (keys, talks) in [("*5", false), ("*4", true), ("*0", true)] {
        let mut scene = scene(AnswerPolicy::After(secs(3)));
        scene.asks();
        scene.world.at(secs(45), scene.first, Command::Resume);
        scene.world.at(secs(47), scene.first, Command::Press(phone::Key::parse_script(keys).unwrap()));
        scene.world.run_until(secs(60));
        assert!(!scene.is_on(scene.second), "{keys}");
        assert_eq!(scene.is_on(scene.first), talks, "{keys}");
        assert_eq!(scene.is_on(scene.ward), keys != "*0", "{keys}");
        scene.rest();
        let (with_ward, with_nurse) =
            (scene.hears(scene.caller, 62, 90).contains(&WARD), scene.hears(scene.caller, 62, 90).contains(&NURSE));
        match keys {
            "*5" => assert!(with_ward && !with_nurse),
            "*0" => assert!(!with_ward && with_nurse),
            // All three: two tones at once are no tone.
            _ => assert!(scene.hears(scene.caller, 62, 90) != [NURSE]),
        }
    }
}

// ---- what is to be heard before the answer ---------------------------------------------------------------------------------------

#[test]
fn who_waits_for_a_ward_hears_what_its_house_says_before_it_answers() {
    // The nurse who asks by her second call, and a caller who is sent on at once.
    let mut asked = scene(AnswerPolicy::Early(secs(10)));
    asked.asks();
    asked.refers(52, asked.first, asked.second);
    asked.rest();
    assert_eq!(asked.hears(asked.second, 34, 41), [WARD], "no ringing tone of ours");
    assert_eq!(asked.hears(asked.caller, 32, 50), [MUSIC]);
    assert_eq!(asked.hears(asked.caller, 54, 80), [WARD]);

    let mut sent = scene(AnswerPolicy::Early(secs(20)));
    sent.world.at(secs(30), sent.first, Command::Press(phone::Key::parse_script("*671").unwrap()));
    sent.rest();
    assert_eq!(sent.hears(sent.caller, 35, 48), [WARD], "in the place of music");
    assert_eq!(sent.hears(sent.caller, 60, 90), [WARD]);
    assert_eq!(sent.transfers(), [(TransferKind::Blind, TransferEnd::Connected)]);
}

#[test]
fn a_ward_that_only_ever_speaks_and_never_answers_gives_the_caller_back() {
    let mut scene = scene(AnswerPolicy::Early(secs(3_000)));
    scene.world.at(secs(30), scene.first, Command::Press(phone::Key::parse_script("*671").unwrap()));
    scene.world.run_until(secs(75));
    assert!(scene.is_on(scene.caller) && !scene.world.phone(scene.ward).unwrap().is_in_call());
    assert_eq!(scene.hears(scene.caller, 35, 55), [WARD]);
    assert_eq!(scene.hears(scene.caller, 60, 75).last(), Some(&MUSIC), "back in the queue");
    assert_eq!(scene.transfers(), [(TransferKind::Blind, TransferEnd::NoAnswer)]);
}

#[test]
fn nobody_hears_what_an_agents_phone_says_before_the_agent_answers() {
    let mut world = World::with_sound(Arc::new(city()), 1);
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Early(secs(10)), says: Sound::Tone(NURSE), ..Clerk::default() });
    let caller = Resident { keys: "WWWW1".to_owned(), says: Sound::Tone(RESIDENT), talk: Some(secs(20)), ..Resident::default() };
    let caller = world.add_resident(secs(5), caller);
    world.run_until_quiet(secs(600));
    assert_eq!(world.violations(), [""; 0]);
    let bridged = world.notes().find_map(|(at, e)| matches!(e, Event::Bridged { .. }).then_some(at)).unwrap().since(Instant::ZERO);
    let connected = world.told(caller).find(|(_, e)| matches!(e, phone::Event::Connected)).unwrap().0.since(Instant::ZERO);
    let nurse = |s: &&phone::Stretch| matches!(s.what, Sounding::Tone(hz) if hz.abs_diff(NURSE) < 5);
    let first = world.phone(caller).unwrap().timeline().iter().find(nurse).unwrap().from + connected;
    assert!(first + Duration::from_millis(100) >= bridged, "{first:?} is before {bridged:?}");
}
