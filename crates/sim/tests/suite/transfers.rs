//! Callers who are put through: to a ward's hotline, to an interpreter, to another queue; and what comes of it when that fails.

use calls::City;
use flow::Spoken;
use media::Clip;
use model::{AgentState, CallEnd, Event, Instant, Lang, OfferEnd, Party, Pcm, PromptId, QueueId, Random, TransferEnd, TransferKind};
use phone::{AnswerPolicy, Command, Key};
use sim::{Clerk, Neighbour, Pace, PersonId, Resident, Town, Weather, World, town};
use std::sync::Arc;
use std::time::Duration;

/// A key pressed in the middle of the main menu.
const ONE: &str = "WWWW1";
const LIMIT: Duration = secs(3600);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn city() -> City {
    town::with_outside(&Town::default().build())
}

/// A city in which sentences of the house have a sound of this length.
fn with_sentences(mut city: City, keys: &[&str], millis: usize) -> City {
    let clip = Arc::new(Clip::encode(&Pcm::silence(8000, millis * 8)).unwrap());
    for key in keys {
        let spoken = Spoken { prompt: PromptId::from(*key), lang: Lang::from("ja"), value: None };
        city.clips.insert(spoken, Arc::clone(&clip));
    }
    city
}

fn nurse_queue(city: &mut City, change: impl FnOnce(&mut model::Queue)) {
    let mut book = (*city.book).clone();
    change(book.queues.get_mut(&QueueId::from("nurse")).unwrap());
    city.book = Arc::new(book);
}

fn talks(secs_: u64) -> Resident {
    Resident { keys: ONE.to_owned(), talk: Some(secs(secs_)), ..Resident::default() }
}

fn ward(answer: AnswerPolicy) -> Neighbour {
    Neighbour { answer, ..Neighbour::default() }
}

fn answers(n: u64) -> AnswerPolicy {
    AnswerPolicy::After(secs(n))
}

fn presses(world: &mut World, at: Duration, person: PersonId, keys: &str) {
    world.at(at, person, Command::Press(Key::parse_script(keys).unwrap()));
}

/// A world in which yuki talks with a resident from about second 16 to second 200.
fn talking_in(city: City, weather: Weather) -> (World, PersonId, PersonId) {
    let mut world = World::new(Arc::new(city), 1);
    world.weather(Duration::ZERO, weather);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), talks(200));
    (world, yuki, caller)
}

fn talking() -> (World, PersonId, PersonId) {
    talking_in(city(), Weather::FAIR)
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

fn count(world: &World, what: impl Fn(&Event) -> bool) -> usize {
    world.notes().filter(|(_, e)| what(e)).count()
}

fn transfers(world: &World) -> Vec<(String, TransferKind, TransferEnd)> {
    let each = world.notes().filter_map(|(_, e)| match e {
        Event::Transferred { to, kind, how, .. } => Some((to.clone(), *kind, *how)),
        _ => None,
    });
    each.collect()
}

fn ended(world: &World, person: PersonId) -> Option<Duration> {
    let told = world.told(person).filter(|(_, e)| matches!(e, phone::Event::Ended { .. }));
    told.last().map(|(at, _)| at.since(Instant::ZERO))
}

fn state(world: &World, agent: &str) -> AgentState {
    world.engine().unwrap().agent_state(&agent.into()).unwrap()
}

fn to_ward(kind: TransferKind, how: TransferEnd) -> (String, TransferKind, TransferEnd) {
    ("ward".to_owned(), kind, how)
}

// ---- warm --------------------------------------------------------------------------------------------------------------------

#[test]
fn a_nurse_asks_the_ward_first_and_hands_the_caller_over() {
    for leave in ["key", "hang up", "three, then key", "three, then hang up"] {
        let (mut world, yuki, caller) = talking();
        let ward = world.add_neighbour(ward(answers(3)));
        presses(&mut world, secs(30), yuki, "*271");
        if leave.starts_with("three") {
            presses(&mut world, secs(40), yuki, "*4");
        }
        match leave {
            "key" | "three, then key" => presses(&mut world, secs(45), yuki, "*5"),
            _ => world.at(secs(45), yuki, Command::HangUp),
        }
        world.run_until(secs(50));
        assert_eq!(state(&world, "yuki"), AgentState::WrapUp, "{leave}: the nurse is free of the call");
        assert!(ended(&world, caller).is_none() && ended(&world, ward).is_none(), "{leave}: caller and ward talk on");
        rest(&mut world);
        assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::Connected)], "{leave}");
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)], "{leave}");
        let record = &world.records()[0];
        assert_eq!(record.transferred_to.as_deref(), Some("ward"));
        assert_eq!(record.agent.as_ref().unwrap().as_str(), "yuki");
    }
}

#[test]
fn the_nurse_takes_the_caller_back_at_every_stage() {
    // While it rings, while she talks with the ward, while all three talk.
    for (n, keys) in ["*0", "WWWWWW*0", "WWWWWW*4WW*0"].into_iter().enumerate() {
        let (mut world, yuki, _) = talking();
        let ward = world.add_neighbour(ward(answers(4)));
        presses(&mut world, secs(30), yuki, &format!("*271{keys}"));
        world.run_until(secs(60));
        assert_eq!(state(&world, "yuki"), AgentState::Talking);
        assert!(ended(&world, ward).is_some(), "the ward is let go");
        rest(&mut world);
        let how = if n == 2 { TransferEnd::Connected } else { TransferEnd::Withdrawn };
        assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, how)]);
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    }
}

#[test]
fn a_nurse_who_hangs_up_while_the_ward_still_rings_has_handed_over_blindly() {
    let (mut world, yuki, _) = talking();
    world.add_neighbour(ward(answers(10)));
    presses(&mut world, secs(30), yuki, "*271WW*5");
    rest(&mut world);
    assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::Connected)]);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
}

#[test]
fn what_comes_to_nothing_brings_the_caller_back_to_the_nurse() {
    let wards = [
        (AnswerPolicy::Decline(486), TransferEnd::Busy),
        (AnswerPolicy::Decline(600), TransferEnd::Busy),
        (AnswerPolicy::Decline(603), TransferEnd::Refused),
        (AnswerPolicy::Decline(403), TransferEnd::Refused),
        (AnswerPolicy::Decline(480), TransferEnd::NoAnswer),
        (AnswerPolicy::Decline(503), TransferEnd::Failed),
        (AnswerPolicy::Never, TransferEnd::NoAnswer),
    ];
    for (key, kind) in [("2", TransferKind::Warm), ("3", TransferKind::ThreeWay)] {
        for (answer, how) in wards {
            let (mut world, yuki, caller) = talking();
            world.add_neighbour(ward(answer));
            presses(&mut world, secs(30), yuki, &format!("*{key}71"));
            world.run_until(secs(90));
            assert_eq!(state(&world, "yuki"), AgentState::Talking, "{answer:?}");
            assert!(ended(&world, caller).is_none(), "{answer:?}: nobody is cut off");
            rest(&mut world);
            assert_eq!(transfers(&world), [to_ward(kind, how)], "{answer:?}");
            assert_eq!(world.records()[0].transferred_to, None);
            assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
        }
    }
}

#[test]
fn the_ward_hangs_up_on_the_nurse_before_she_has_handed_over() {
    let (mut world, yuki, _) = talking();
    world.add_neighbour(Neighbour { talk: Some(secs(5)), ..ward(answers(3)) });
    presses(&mut world, secs(30), yuki, "*271");
    world.run_until(secs(60));
    assert_eq!(state(&world, "yuki"), AgentState::Talking);
    rest(&mut world);
    assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::Refused)]);
}

#[test]
fn the_ward_ends_the_conversation_that_was_handed_over() {
    let (mut world, yuki, caller) = talking();
    world.add_neighbour(Neighbour { talk: Some(secs(40)), ..ward(answers(3)) });
    presses(&mut world, secs(30), yuki, "*271WWWWWWWW*5");
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Agent)]);
    assert!(ended(&world, caller).unwrap() < secs(80));
}

#[test]
fn a_ward_that_is_to_accept_presses_one_or_is_not_reached() {
    let city = || with_sentences(city(), &["transfer_brief", "transfer_accept"], 2000);
    for (keys, how) in [("WWWW1", TransferEnd::Connected), ("WW2", TransferEnd::NoAnswer), ("", TransferEnd::NoAnswer)] {
        let (mut world, yuki, _) = talking_in(city(), Weather::FAIR);
        world.add_neighbour(Neighbour { keys: keys.to_owned(), ..ward(answers(3)) });
        presses(&mut world, secs(30), yuki, "*271");
        presses(&mut world, secs(70), yuki, "*5");
        world.run_until(secs(75));
        let connected = how == TransferEnd::Connected;
        assert_eq!(state(&world, "yuki"), if connected { AgentState::WrapUp } else { AgentState::Talking }, "{keys}");
        rest(&mut world);
        assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, how)], "{keys}");
    }
}

#[test]
fn a_mailbox_that_answers_a_handed_over_call_does_not_get_the_caller() {
    let city = with_sentences(city(), &["transfer_accept"], 2000);
    let (mut world, yuki, _) = talking_in(city, Weather::FAIR);
    world.add_clerk(secs(25), "mio", Clerk { talk: Some(secs(20)), ..Clerk::default() });
    world.add_neighbour(ward(answers(3)));
    presses(&mut world, secs(30), yuki, "*271WW*5");
    rest(&mut world);
    assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::NoAnswer)]);
    assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "mio", "back at the front, and served");
}

// ---- three, and blind --------------------------------------------------------------------------------------------------------

#[test]
fn an_interpreter_joins_as_soon_as_they_answer_and_goes_with_the_nurse() {
    for how in ["the caller hangs up", "the nurse hangs up", "the interpreter hangs up", "the nurse lets them go"] {
        let (mut world, yuki, caller) = talking();
        let interpreter = world.add_neighbour(Neighbour { number: town::INTERPRETERS.to_owned(), ..Neighbour::default() });
        presses(&mut world, secs(30), yuki, "*38");
        match how {
            "the caller hangs up" => world.at(secs(60), caller, Command::HangUp),
            "the nurse hangs up" => world.at(secs(60), yuki, Command::HangUp),
            "the interpreter hangs up" => world.at(secs(60), interpreter, Command::HangUp),
            _ => presses(&mut world, secs(60), yuki, "*0"),
        }
        world.run_until(secs(65));
        assert!(ended(&world, interpreter).is_some(), "{how}");
        let stays = how.starts_with("the interpreter") || how.ends_with("them go");
        assert_eq!(state(&world, "yuki") == AgentState::Talking, stays, "{how}");
        assert_eq!(ended(&world, caller).is_none(), stays, "{how}");
        rest(&mut world);
        assert_eq!(transfers(&world), [("interpreters".to_owned(), TransferKind::ThreeWay, TransferEnd::Connected)], "{how}");
    }
}

#[test]
fn a_blind_transfer_frees_the_nurse_at_once_and_the_caller_talks_with_the_ward() {
    let (mut world, yuki, _) = talking();
    world.add_neighbour(ward(answers(5)));
    presses(&mut world, secs(30), yuki, "*671");
    world.run_until(secs(32));
    assert_eq!(state(&world, "yuki"), AgentState::WrapUp);
    rest(&mut world);
    assert_eq!(transfers(&world), [to_ward(TransferKind::Blind, TransferEnd::Connected)]);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
}

#[test]
fn a_blind_transfer_in_vain_brings_the_caller_to_the_front_at_the_old_age() {
    for answer in [AnswerPolicy::Decline(486), AnswerPolicy::Decline(603), AnswerPolicy::Never] {
        let (mut world, yuki, _) = talking();
        world.add_neighbour(ward(answer));
        presses(&mut world, secs(30), yuki, "*671");
        // Somebody younger waits already when the caller comes back: the other queue's clerk is not theirs, and yuki writes up.
        world.add_resident(secs(18), talks(10));
        rest(&mut world);
        let bridged: Vec<u64> =
            world.notes().filter_map(|(_, e)| if let Event::Bridged { call, .. } = e { Some(call.0) } else { None }).collect();
        let expected: &[u64] = if answer == AnswerPolicy::Never { &[1, 2, 1] } else { &[1, 1, 2] };
        assert_eq!(bridged, expected, "{answer:?}: the elder goes first, unless the younger was served meanwhile");
        let tickets: Vec<_> = world.records().iter().filter(|r| r.call.0 == 1).map(|r| r.ticket.unwrap().0).collect();
        assert_eq!(tickets, [1], "one claim from beginning to end");
    }
}

// ---- every party hangs up, at every moment ------------------------------------------------------------------------------------

#[test]
fn whoever_hangs_up_whenever_nothing_stays() {
    let steps = ["*271WWWWWW*4WWW*5", "*38WWWWWWWW*0", "*671", "*271WW*0"];
    for keys in steps {
        for who in 0..3 {
            for n in 0..30 {
                let (mut world, yuki, caller) = talking();
                world.add_clerk(secs(33), "mio", Clerk { talk: Some(secs(15)), ..Clerk::default() });
                let ward = world.add_neighbour(ward(answers(3)));
                world.add_neighbour(Neighbour { number: town::INTERPRETERS.to_owned(), ..Neighbour::default() });
                presses(&mut world, secs(30), yuki, keys);
                // Around the answer by the millisecond, else every half second.
                let at = if n < 15 { millis(33_400 + n * 7) } else { millis(30_000 + (n - 15) * 1000) };
                world.at(at, [caller, yuki, ward][who], Command::HangUp);
                rest(&mut world);
                assert_eq!(ends(&world).len(), 1, "{keys}, {who} at {at:?}");
                assert_eq!(count(&world, |e| matches!(e, Event::LineTaken { .. })) % 2, 0, "a line and a channel each time");
            }
        }
    }
}

#[test]
fn a_cancel_crosses_the_wards_200() {
    let (mut world, yuki, _) = talking();
    let ward_ = world.add_neighbour(ward(answers(3)));
    presses(&mut world, secs(30), yuki, "*271");
    rest(&mut world);
    let answered = world.told(ward_).find(|(_, e)| **e == phone::Event::Connected).unwrap().0.since(Instant::ZERO);
    let mut crossed = 0;
    for n in 0..60 {
        let (mut world, yuki, _) = talking();
        let ward = world.add_neighbour(ward(answers(3)));
        presses(&mut world, secs(30), yuki, "*271");
        // Two keys take less than half a second.
        presses(&mut world, answered - millis(500) + millis(n * 8), yuki, "*0");
        rest(&mut world);
        assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::Withdrawn)]);
        crossed += usize::from(world.told(ward).any(|(_, e)| *e == phone::Event::Connected));
    }
    assert!(crossed > 0 && crossed < 60, "{crossed} of 60 were answered");
}

#[test]
fn the_nurses_phone_vanishes_while_she_asks_the_ward() {
    for keys in ["*271", "*271WWWWWW*4", "*371"] {
        let (mut world, yuki, _) = talking();
        world.add_clerk(secs(33), "mio", Clerk { talk: Some(secs(15)), ..Clerk::default() });
        world.add_neighbour(Neighbour { talk: Some(secs(600)), ..ward(answers(3)) });
        presses(&mut world, secs(30), yuki, keys);
        world.at(secs(45), yuki, Command::Vanish);
        rest(&mut world);
        assert_eq!(ends(&world).len(), 1);
        assert_eq!(world.records()[0].end, CallEnd::Served);
        let by_mio = world.records()[0].agent.as_ref().unwrap().as_str() == "mio";
        assert_eq!(by_mio, !keys.contains("*4"), "{keys}: with the ward on the line the caller is not alone");
    }
}

// ---- capacity, codes, the trunk ----------------------------------------------------------------------------------------------

#[test]
fn the_third_call_to_a_ward_with_two_lines_is_not_made() {
    let mut world = World::new(Arc::new(city()), 1);
    let nurses: Vec<PersonId> = ["yuki", "mio", "aya"].iter().map(|name| world.add_clerk(secs(0), name, Clerk::default())).collect();
    for n in 0..3 {
        world.add_resident(secs(5) + millis(n * 300), talks(200));
    }
    world.add_neighbour(ward(answers(3)));
    world.add_neighbour(ward(answers(3)));
    for (n, nurse) in nurses.iter().enumerate() {
        presses(&mut world, secs(30 + n as u64 * 5), *nurse, "*271");
    }
    presses(&mut world, secs(60), nurses[0], "*0");
    presses(&mut world, secs(65), nurses[2], "*271");
    rest(&mut world);
    let how: Vec<TransferEnd> = transfers(&world).into_iter().map(|(_, _, how)| how).collect();
    assert_eq!(how[0], TransferEnd::AtCapacity, "told at once");
    assert_eq!(how.iter().filter(|how| **how == TransferEnd::AtCapacity).count(), 1, "the place that came free could be had");
    assert_eq!(count(&world, |e| matches!(e, Event::LineFull { line } if line.as_str() == "ward")), 1);
    assert_eq!(world.calls_out().len(), 3);
}

#[test]
fn a_wrong_code_is_told_by_a_tone_and_changes_nothing() {
    for keys in ["*299", "*9", "*4", "*5", "*0", "*2", "*2#", "*271#", "*321", "*", "**", "1234", "*67WWWWW"] {
        let (mut world, yuki, caller) = talking();
        presses(&mut world, secs(30), yuki, keys);
        world.run_until(secs(60));
        assert_eq!(state(&world, "yuki"), AgentState::Talking, "{keys}");
        assert!(ended(&world, caller).is_none(), "{keys}");
        rest(&mut world);
        assert_eq!(world.calls_out().len(), usize::from(keys == "*271#"), "{keys}");
    }
}

#[test]
fn a_trunk_that_says_nothing_fails_within_seconds() {
    let (mut world, yuki, _) = talking();
    presses(&mut world, secs(30), yuki, "*271");
    world.run_until(secs(36));
    assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::Failed)]);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
}

#[test]
fn the_trunk_is_heard_when_it_answers_and_may_place_no_call() {
    let mut world = World::new(Arc::new(city()), 1);
    let invite = format!(
        "INVITE sip:{0}@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {1};branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:0900@x>;tag=a\r\n\
         To: <sip:{0}@y>\r\nCall-ID: theirs\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{1}>\r\nContent-Length: 0\r\n\r\n",
        town::NUMBER,
        town::TRUNK
    );
    world.inject(secs(1), town::TRUNK, invite.as_bytes());
    world.run_until(secs(60));
    assert_eq!(count(&world, |e| matches!(e, Event::Refused { why: model::Refusal::Forbidden, .. })), 1);
    assert_eq!(count(&world, |e| matches!(e, Event::Arrived { .. } | Event::Stranger)), 0);
    // What would admit it is said all the same.
    assert_eq!(count(&world, |e| matches!(e, Event::StrangerNamed { from } if *from == town::TRUNK.ip())), 1);
}

#[test]
fn no_more_calls_go_out_in_an_hour_than_the_city_allows() {
    let mut city = city();
    let mut book = (*city.book).clone();
    book.settings.calls_out_per_hour = 2;
    city.book = Arc::new(book);
    let mut world = World::new(Arc::new(city), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { talk: Some(secs(3800)), patience: secs(5000), ..talks(0) });
    world.add_neighbour(ward(AnswerPolicy::Decline(486)));
    for at in [30, 40, 50, 3629, 3635] {
        presses(&mut world, secs(at), yuki, "*271");
    }
    world.run_until_quiet(secs(7200));
    let how: Vec<TransferEnd> = transfers(&world).into_iter().map(|(_, _, how)| how).collect();
    use TransferEnd::{AtCapacity, Busy};
    assert_eq!(how, [Busy, Busy, AtCapacity, AtCapacity, Busy]);
    assert_eq!(count(&world, |e| matches!(e, Event::CallsOutLimited)), 2);
    assert_eq!(world.calls_out().len(), 3);
}

#[test]
fn the_hour_goes_on_after_the_engine_was_killed() {
    let mut city = city();
    let mut book = (*city.book).clone();
    book.settings.calls_out_per_hour = 2;
    city.book = Arc::new(book);
    let mut world = World::new(Arc::new(city), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_neighbour(ward(AnswerPolicy::Decline(486)));
    // The clock is put back by two hours while the engine is down: that makes nothing forgotten, and nothing younger than the restart.
    world.clock_jumps(secs(101), -2 * 3600 * 1000);
    for (from, keys) in [(5, [30, 40]), (700, [730, 740]), (3800, [3830, 3840])] {
        world.add_resident(secs(from), talks(60));
        keys.into_iter().for_each(|at| presses(&mut world, secs(at), yuki, "*271"));
    }
    world.crash(secs(100), secs(3));
    world.run_until_quiet(secs(7200));
    let how: Vec<TransferEnd> = transfers(&world).into_iter().map(|(_, _, how)| how).collect();
    use TransferEnd::{AtCapacity, Busy};
    assert_eq!(how, [Busy, Busy, AtCapacity, AtCapacity, Busy, Busy]);
}

// ---- to another queue --------------------------------------------------------------------------------------------------------

#[test]
fn a_nurse_sends_the_caller_to_the_other_queue_at_the_same_age() {
    let (mut world, yuki, _) = talking();
    world.add_clerk(secs(0), "ken", Clerk { talk: Some(secs(20)), ..Clerk::default() });
    presses(&mut world, secs(30), yuki, "*621");
    rest(&mut world);
    assert_eq!(transfers(&world), [("general".to_owned(), TransferKind::Queue, TransferEnd::Connected)]);
    let record = &world.records()[0];
    assert_eq!((record.agent.as_ref().unwrap().as_str(), record.queue.as_ref().unwrap().as_str()), ("ken", "general"));
    let waits: Vec<u64> =
        world.notes().filter_map(|(_, e)| if let Event::Bridged { waited, .. } = e { Some(waited.0) } else { None }).collect();
    assert!(waits[1] > waits[0] + 15_000, "the age goes on: {waits:?}");
}

#[test]
fn a_caller_who_is_sent_back_into_the_same_queue_gets_another_nurse() {
    let (mut world, yuki, _) = talking();
    world.add_clerk(secs(25), "mio", Clerk { answer: answers(12), talk: Some(secs(20)), ..Clerk::default() });
    presses(&mut world, secs(30), yuki, "*622");
    rest(&mut world);
    assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "mio");
}

#[test]
fn a_queue_where_nobody_is_takes_nobody_and_the_nurse_is_told() {
    let (mut world, yuki, caller) = talking();
    presses(&mut world, secs(30), yuki, "*221");
    world.run_until(secs(40));
    assert_eq!(state(&world, "yuki"), AgentState::Talking);
    assert!(ended(&world, caller).is_none());
    rest(&mut world);
    assert_eq!(transfers(&world), [("general".to_owned(), TransferKind::Queue, TransferEnd::NoAnswer)]);
}

// ---- what an agent hears and sees before the caller ---------------------------------------------------------------------------

fn whispering() -> City {
    let mut city = with_sentences(city(), &["whisper_nurse", "whisper_lang_ja"], 1000);
    nurse_queue(&mut city, |queue| queue.whisper = vec![PromptId::from("whisper_nurse")]);
    city
}

#[test]
fn a_nurse_is_told_who_it_is_before_the_caller_hears_her() {
    let (mut world, yuki, _) = talking_in(whispering(), Weather::FAIR);
    rest(&mut world);
    let answered = world.told(yuki).find(|(_, e)| **e == phone::Event::Connected).unwrap().0;
    let bridged = world.notes().find(|(_, e)| matches!(e, Event::Bridged { .. })).unwrap().0;
    let between = bridged.since(answered);
    assert!(between >= millis(2120) && between < millis(2200), "two sentences and a beep: {between:?}");
    let (mut plain, yuki, _) = talking();
    rest(&mut plain);
    let answered = plain.told(yuki).find(|(_, e)| **e == phone::Event::Connected).unwrap().0;
    let bridged = plain.notes().find(|(_, e)| matches!(e, Event::Bridged { .. })).unwrap().0;
    assert_eq!(bridged.since(answered), millis(5), "without a whisper they are joined by the answer itself");
}

#[test]
fn caller_or_nurse_hang_up_at_every_moment_of_the_whisper() {
    let (mut world, yuki, _) = talking_in(whispering(), Weather::FAIR);
    rest(&mut world);
    let answered = world.told(yuki).find(|(_, e)| **e == phone::Event::Connected).unwrap().0.since(Instant::ZERO);
    for n in 0..26 {
        let at = answered + millis(n * 100);
        let (mut world, yuki, caller) = talking_in(whispering(), Weather::FAIR);
        world.at(at, caller, Command::HangUp);
        rest(&mut world);
        if n < 20 {
            assert_eq!(ends(&world), [(CallEnd::AbandonedInQueue, Party::Caller)], "{n}");
        }
        assert!(ended(&world, yuki).unwrap() < at + millis(50), "{n}: the nurse is let go");

        let (mut world, yuki, _) = talking_in(whispering(), Weather::FAIR);
        world.add_clerk(answered - millis(100), "mio", Clerk { talk: Some(secs(10)), ..Clerk::default() });
        world.at(at, yuki, Command::HangUp);
        rest(&mut world);
        if n < 20 {
            assert_eq!(count(&world, |e| matches!(e, Event::OfferEnded { how: OfferEnd::Declined, .. })), 1, "{n}");
            assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "mio", "{n}: the caller kept the place");
        }
        assert_eq!(ends(&world).len(), 1);
    }
}

#[test]
fn the_nurses_display_shows_queue_language_and_wait_and_the_number_only_where_that_is_allowed() {
    let shown = |city: City| {
        let (mut world, yuki, _) = talking_in(city, Weather::FAIR);
        rest(&mut world);
        let from = world.told(yuki).find_map(|(_, e)| if let phone::Event::Incoming { from } = e { Some(from.clone()) } else { None });
        from.unwrap()
    };
    let from = shown(city());
    assert!(from.starts_with("\"nurse ja 0:0") && from.contains(town::NUMBER) && !from.contains("08010000001"), "{from}");
    let mut labelled = city();
    nurse_queue(&mut labelled, |queue| queue.label = "看護".to_owned());
    let from = shown(labelled);
    assert!(from.starts_with("\"看護・ja・0:0"), "{from}");
    let mut open = city();
    nurse_queue(&mut open, |queue| queue.show_number = true);
    let from = shown(open);
    assert!(from.starts_with("\"nurse ja 0:0") && from.contains(" 08010000001\""), "{from}");
}

#[test]
fn a_phone_that_is_dead_costs_two_seconds_and_a_caller_who_leaves_stops_the_ringing_at_once() {
    let mut world = World::new(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.at(secs(3), yuki, Command::Vanish);
    world.add_clerk(secs(1), "mio", Clerk::default());
    world.add_resident(secs(5), talks(20));
    rest(&mut world);
    let offered: Vec<Instant> = world.notes().filter(|(_, e)| matches!(e, Event::Offered { .. })).map(|(at, _)| at).collect();
    let took = offered[1].since(offered[0]);
    assert!(took >= secs(2) && took < millis(2050), "{took:?}");
    assert_eq!(count(&world, |e| matches!(e, Event::OfferEnded { how: OfferEnd::Unreachable, .. })), 1);

    let mut world = World::new(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    let caller = world.add_resident(secs(5), talks(20));
    world.at(secs(16), caller, Command::HangUp);
    rest(&mut world);
    assert!(ended(&world, yuki).unwrap() - secs(16) < millis(200));
}

// ---- the flow puts somebody through ------------------------------------------------------------------------------------------

fn hotline() -> World {
    World::new(Town { hotline: true, ..Town::default() }.build(), 1)
}

#[test]
fn a_resident_asks_for_the_ward_in_the_menu_and_is_put_through() {
    let mut world = hotline();
    world.add_neighbour(Neighbour { keys: "W1".to_owned(), ..ward(answers(3)) });
    world.add_resident(secs(5), Resident { keys: "WWWW4".to_owned(), talk: None, patience: secs(60), ..Resident::default() });
    rest(&mut world);
    assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::Connected)]);
    let record = &world.records()[0];
    assert_eq!((record.end, record.hung_up_by, record.agent.clone()), (CallEnd::Served, Party::Caller, None));
    assert_eq!(record.transferred_to.as_deref(), Some("ward"));
    assert!(record.to_human.is_some());
}

#[test]
fn the_ward_hangs_up_on_a_resident_whom_the_flow_has_put_through() {
    let mut world = hotline();
    world.add_neighbour(Neighbour { keys: "W1".to_owned(), talk: Some(secs(20)), ..ward(answers(3)) });
    world.add_resident(secs(5), Resident { keys: "WWWW4".to_owned(), talk: None, ..Resident::default() });
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Agent)]);
    assert!(world.records()[0].talked.unwrap().0 > 15_000, "{:?}", world.records()[0]);
}

#[test]
fn the_wards_own_menu_hears_the_callers_keys_once_no_agent_is_between_them() {
    let mut world = hotline();
    world.add_neighbour(Neighbour { keys: "W1".to_owned(), ..ward(answers(3)) });
    let caller = Resident { keys: "WWWW4".to_owned(), talk: Some(secs(60)), ..Resident::default() };
    let caller = world.add_resident(secs(5), caller);
    world.run_until(secs(12));
    assert!(!world.keys_pass(caller), "the ward has not accepted yet");
    world.run_until(secs(30));
    assert!(world.keys_pass(caller));
    rest(&mut world);

    // With an agent between them keys would only be a noise; once the agent has handed over, they are the caller's own affair.
    let (mut world, yuki, caller) = talking();
    world.add_neighbour(ward(answers(3)));
    presses(&mut world, secs(30), yuki, "*271");
    presses(&mut world, secs(40), yuki, "*4");
    for (at, passes) in [(secs(25), false), (secs(38), false), (secs(44), false)] {
        world.run_until(at);
        assert_eq!(world.keys_pass(caller), passes, "{at:?}");
    }
    presses(&mut world, secs(45), yuki, "*5");
    world.run_until(secs(50));
    assert!(world.keys_pass(caller), "handed over from a conversation of three");
    rest(&mut world);
}

#[test]
fn a_ward_that_does_not_accept_leads_to_the_nurse() {
    for (answer, how) in [
        (answers(3), TransferEnd::NoAnswer),
        (AnswerPolicy::Never, TransferEnd::NoAnswer),
        (AnswerPolicy::Decline(486), TransferEnd::Busy),
        (AnswerPolicy::Decline(603), TransferEnd::Refused),
    ] {
        let mut world = hotline();
        world.add_clerk(secs(0), "yuki", Clerk::default());
        world.add_neighbour(ward(answer));
        world.add_resident(secs(5), Resident { keys: "WWWW4".to_owned(), ..Resident::default() });
        rest(&mut world);
        assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, how)]);
        assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "yuki", "{answer:?}");
    }
}

#[test]
fn a_resident_who_waits_tries_the_ward_and_has_lost_no_place_by_it() {
    let mut world = hotline();
    // The elder of two waits, tries the ward in vain, and is before the younger when the nurse comes.
    world.add_resident(secs(5), Resident { keys: "WWWW1WWWWWWWWWW8".to_owned(), talk: Some(secs(10)), ..Resident::default() });
    world.add_resident(secs(8), Resident { keys: ONE.to_owned(), talk: Some(secs(10)), ..Resident::default() });
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.add_neighbour(ward(AnswerPolicy::Never));
    world.add_clerk(secs(70), "mio", Clerk::default());
    rest(&mut world);
    assert_eq!(transfers(&world), [to_ward(TransferKind::Warm, TransferEnd::NoAnswer)]);
    let bridged: Vec<u64> =
        world.notes().filter_map(|(_, e)| if let Event::Bridged { call, .. } = e { Some(call.0) } else { None }).collect();
    assert_eq!(bridged, [1, 2]);
    let record = world.records().iter().find(|r| r.call.0 == 1).unwrap();
    assert!(record.waited.unwrap().0 > 50_000, "the age counts from the first place: {record:?}");
}

#[test]
fn a_resident_gives_up_at_every_moment_of_being_put_through() {
    for n in 0..60 {
        let mut world = hotline();
        world.add_neighbour(Neighbour { keys: "W1".to_owned(), ..ward(answers(2)) });
        let keys = if n % 2 == 0 { "WWWW4" } else { "WWWW1W8" };
        world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
        let caller = world.add_resident(secs(5), Resident { keys: keys.to_owned(), talk: None, ..Resident::default() });
        world.at(secs(9) + millis(n * 150), caller, Command::HangUp);
        rest(&mut world);
        assert_eq!(ends(&world).len(), 1, "{n}");
    }
}

// ---- the last caller, called back ---------------------------------------------------------------------------------------------

/// yuki has talked with a caller, who has hung up; at second 300 she dials `*9`.
fn calling_back(number: Option<&str>, there: Option<AnswerPolicy>) -> (World, PersonId, Option<PersonId>) {
    let mut world = World::new(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let number = number.unwrap_or("08010000001").to_owned();
    world.add_resident(secs(5), Resident { number: Some(number.clone()), ..talks(20) });
    let home = there.map(|answer| world.add_neighbour(Neighbour { number, ..ward(answer) }));
    world.dials_code(secs(300), yuki, "*9");
    (world, yuki, home)
}

#[test]
fn a_nurse_calls_her_last_caller_back_showing_the_citys_number() {
    let (mut world, yuki, home) = calling_back(None, Some(answers(4)));
    world.run_until(secs(320));
    assert_eq!(state(&world, "yuki"), AgentState::Talking);
    let from = world.told(home.unwrap()).find_map(|(_, e)| if let phone::Event::Incoming { from } = e { Some(from.clone()) } else { None });
    assert!(from.unwrap().contains(town::NUMBER));
    world.at(secs(330), yuki, Command::HangUp);
    world.run_until(secs(331));
    assert_eq!(state(&world, "yuki"), AgentState::Idle, "no after-call work");
    rest(&mut world);
    assert_eq!(count(&world, |e| matches!(e, Event::AgentCalledOut { answered: true, .. })), 1);
    assert_eq!(world.calls_out().iter().map(|(_, number)| number.as_str()).collect::<Vec<_>>(), ["08010000001"]);
    let clear = world.ledger().records().any(|record| format!("{record:?}").contains("08010000001"));
    assert!(!clear, "no record holds the number");
}

#[test]
fn a_call_back_ends_when_nobody_answers_when_they_hang_up_and_when_the_nurse_does() {
    for answer in [AnswerPolicy::Never, AnswerPolicy::Decline(486), AnswerPolicy::Decline(603)] {
        let (mut world, yuki, _) = calling_back(None, Some(answer));
        rest(&mut world);
        assert_eq!(count(&world, |e| matches!(e, Event::AgentCalledOut { answered: false, .. })), 1, "{answer:?}");
        assert_eq!(state(&world, "yuki"), AgentState::Idle);
        assert!(ended(&world, yuki).is_some());
    }
    for n in 0..30 {
        let (mut world, yuki, home) = calling_back(None, Some(answers(2)));
        world.at(secs(300) + millis(n * 100), if n % 2 == 0 { yuki } else { home.unwrap() }, Command::HangUp);
        world.at(secs(310), yuki, Command::HangUp);
        rest(&mut world);
        assert_eq!(state(&world, "yuki"), AgentState::Idle);
    }
}

#[test]
fn nobody_is_called_back_who_withheld_the_number_or_has_an_odd_one_or_called_long_ago() {
    for number in ["anonymous", "0570000001", "+14150000001", "110"] {
        let (mut world, yuki, _) = calling_back(Some(number), None);
        rest(&mut world);
        assert_eq!(world.calls_out().len(), 0, "{number}");
        assert_eq!(state(&world, "yuki"), AgentState::Idle);
        assert!(ended(&world, yuki).is_some());
    }
    let (mut world, yuki, _) = calling_back(None, None);
    world.dials_code(secs(12 * 3600 + 60), yuki, "*9");
    world.run_until_quiet(secs(13 * 3600));
    assert_eq!(world.calls_out().len(), 1, "the one after five minutes");
}

#[test]
fn the_house_closes_while_a_nurse_calls_back_and_nothing_stays() {
    for n in [0, 2, 10] {
        let (mut world, yuki, home) = calling_back(None, Some(answers(4)));
        world.control(millis(300_500) + secs(n), calls::Control::EndAll);
        rest(&mut world);
        assert!(ended(&world, yuki).unwrap() < millis(301_000) + secs(n));
        assert!(home.is_none_or(|home| ended(&world, home).unwrap() < millis(301_000) + secs(n)));
        assert_eq!(state(&world, "yuki"), AgentState::Idle);
    }
}

// ---- with every packet of sound -----------------------------------------------------------------------------------------------

#[test]
fn caller_nurse_and_ward_hear_whom_they_should() {
    let mut world = World::with_sound(Arc::new(city()), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk { says: phone::Sound::Tone(1000), ..Clerk::default() });
    let caller = world.add_resident(secs(2), Resident { says: phone::Sound::Tone(1500), ..talks(40) });
    let ward = world.add_neighbour(Neighbour { says: phone::Sound::Tone(2000), ..ward(answers(1)) });
    presses(&mut world, secs(18), yuki, "*271WWWWWW*5");
    rest(&mut world);
    let tones = |person| -> Vec<u32> {
        let timeline = world.phone(person).unwrap().timeline();
        let long = timeline.iter().filter(|stretch| stretch.to - stretch.from > millis(900));
        let tones = long
            .filter_map(|s| if let phone::Sounding::Tone(hz) = s.what { Some((f64::from(hz) / 100.0).round() as u32 * 100) } else { None });
        let mut tones: Vec<u32> = tones.collect();
        tones.dedup();
        tones
    };
    assert_eq!(tones(ward), [1000, 1500], "first the nurse, then the caller");
    assert!(tones(yuki).ends_with(&[2000]), "the caller, ringing, the ward: {:?}", tones(yuki));
    assert!(tones(yuki).contains(&1500));
    let heard = tones(caller);
    assert_eq!(heard[heard.len() - 3..], [1000, 700, 2000], "the nurse, music, the ward");
}

// ---- anything at all ----------------------------------------------------------------------------------------------------------

/// Agents press anything at any time, wards do anything, and the network loses: what leaves towards the trunk goes to a line of the city, no
/// ward has more calls than telephones (the trunk itself would tell), and no hour more than it may.
fn anything(seed: u64) -> Vec<TransferEnd> {
    let mut random = Random::from_number(seed ^ 0x6C69_6E65);
    let mut city = if random.below(2) == 0 { city() } else { with_sentences(whispering(), &["transfer_accept"], 1500) };
    let mut book = (*city.book).clone();
    let limit = [3, 12, 120][random.below(3) as usize];
    book.settings.calls_out_per_hour = limit;
    city.book = Arc::new(book);
    let mut world = World::new(Arc::new(city), seed);
    world.weather(Duration::ZERO, if random.below(3) == 0 { Weather { lost_per_mille: 50, ..Weather::FOUL } } else { Weather::FAIR });
    for (number, telephones) in [(town::WARD, 2), (town::SMALL_WARD, 1), (town::INTERPRETERS, 3)] {
        let there = random.below(5) > 0;
        for _ in 0..telephones {
            let answer = match random.below(6) {
                0 => AnswerPolicy::Never,
                1 => AnswerPolicy::Decline([486, 603, 480, 503, 600][random.below(5) as usize]),
                _ => AnswerPolicy::After(millis(random.below(6000))),
            };
            let talk = (random.below(2) == 0).then(|| millis(200 + random.below(30_000)));
            let keys = ["", "W1", "WWW1", "2"][random.below(4) as usize].to_owned();
            if there {
                world.add_neighbour(Neighbour { number: number.to_owned(), answer, keys, talk, ..Neighbour::default() });
            }
        }
    }
    let mut agents = Vec::new();
    for name in town::NURSES.iter().chain(&town::CLERKS).take(8) {
        let answer = AnswerPolicy::After(millis(random.below(3000)));
        agents.push(world.add_clerk(
            millis(random.below(3000)),
            name,
            Clerk { answer, talk: Some(secs(20 + random.below(60))), ..Clerk::default() },
        ));
    }
    for _ in 0..25 {
        let keys = ["WWWW1", "WWWW2", ""][random.below(3) as usize].to_owned();
        let talk = Some(millis(1000 + random.below(90_000)));
        world.add_resident(millis(5000 + random.below(200_000)), Resident { keys, talk, ..Resident::default() });
    }
    for _ in 0..120 {
        let agent = agents[random.below(agents.len() as u64) as usize];
        let at = millis(10_000 + random.below(280_000));
        let codes = ["*271", "*272", "*38", "*671", "*672", "*68", "*621", "*222", "*4", "*5", "*0", "*371"];
        match random.below(12) {
            0 => world.at(at, agent, Command::HangUp),
            1 => world.dials_code(at, agent, ["*1", "*2", "*3", "*9", "*271", town::WARD][random.below(6) as usize]),
            2 => {
                let keys: String = (0..6).map(|_| ['*', '0', '1', '2', '3', '6', '7', '8', '#'][random.below(9) as usize]).collect();
                presses(&mut world, at, agent, &keys);
            }
            _ => presses(&mut world, at, agent, codes[random.below(codes.len() as u64) as usize]),
        }
    }
    for step in 1..16 {
        world.run_until(secs(step * 20));
        // The records alone tell what stands, whoever is being put through.
        let living = world.engine().unwrap().state();
        let mut records = world.ledger().records().cloned();
        let restored =
            calls::Engine::restore(world.city().clone(), calls::Vault::new([1; 32]), [9; 32], model::Seq(0), &mut records).state();
        assert_eq!(living, restored, "seed {seed}, at {step} times 20 s");
    }
    world.run_until_quiet(secs(3 * 3600));
    let out = world.calls_out();
    for (at, number) in out {
        let known = [town::WARD, town::SMALL_WARD, town::INTERPRETERS].contains(&number.as_str());
        let called_back = number.starts_with("080") && count(&world, |e| matches!(e, Event::AgentCalledOut { .. })) > 0;
        assert!(known || called_back, "seed {seed}: {number} was called at {at:?}");
        let hour = out.iter().filter(|(other, _)| other <= at && at.since(*other) < secs(3600)).count();
        assert!(hour <= limit as usize, "seed {seed}: {hour} calls out within an hour, {limit} are allowed");
    }
    let odd = |fault: &String| !fault.contains("401 after a final 200 to the same REGISTER");
    assert_eq!(world.violations().into_iter().filter(odd).collect::<Vec<_>>(), [""; 0], "seed {seed}");
    transfers(&world).into_iter().map(|(_, _, how)| how).collect()
}

#[test]
fn whatever_agents_press_calls_go_out_to_lines_only_and_no_ward_gets_one_too_many() {
    let came: Vec<TransferEnd> = (0..25).flat_map(anything).collect();
    use TransferEnd::{AtCapacity, Busy, Connected, Failed, NoAnswer, Refused, Withdrawn};
    for how in [AtCapacity, Busy, Connected, Failed, NoAnswer, Refused, Withdrawn] {
        let times = came.iter().filter(|came| **came == how).count();
        assert!(times >= 5, "only {times} of {} transfers ended as {how}", came.len());
    }
}

#[test]
#[ignore = "minutes: cargo test --release -p toritsugi-sim --test suite transfers:: -- --ignored"]
fn whatever_agents_press_for_hours() {
    for seed in 1000..3000 {
        anything(seed);
    }
}

// ---- the engine is killed ----------------------------------------------------------------------------------------------------

/// Two callers press 4 and are put through to the ward, whose telephones are answered by `answer`; a kill at second 20, a second of outage,
/// with the sort of end that the wards' telephones then see.
fn killed_with_the_ward_full(answer: AnswerPolicy, pace: Pace) -> (World, [PersonId; 2]) {
    let town = Town { hotline: true, ..Town::default() };
    let mut world = World::new(town.build(), 5).audited();
    world.journal_pace(Duration::ZERO, pace);
    // They accept with 1, and talk on.
    let wards = [0, 1].map(|_| world.add_neighbour(Neighbour { keys: "WW1".to_owned(), ..ward(answer) }));
    for at in [5, 6] {
        world.add_resident(secs(at), Resident { keys: "WWWW4".to_owned(), talk: None, patience: secs(400), ..Resident::default() });
    }
    world.crash(secs(20), secs(1));
    world.run_until(secs(22));
    (world, wards)
}

/// When and how a telephone's call ended, after the engine was killed: by BYE, or with 487 by CANCEL.
fn let_go(world: &World, person: PersonId) -> Vec<(Instant, Option<u16>)> {
    let of_the_kill = |(at, e): (Instant, &phone::Event)| match e {
        phone::Event::Ended { by_us: false, status } if at > Instant::ZERO + secs(20) => Some((at, *status)),
        _ => None,
    };
    world.told(person).filter_map(of_the_kill).collect()
}

#[test]
fn a_ward_that_talks_when_the_engine_is_killed_is_hung_up_as_soon_as_it_is_back() {
    let (world, wards) = killed_with_the_ward_full(answers(3), Pace::PROMISED);
    for telephone in wards {
        assert!(world.told(telephone).any(|(_, e)| matches!(e, phone::Event::Connected)), "it was talking");
        let before =
            world.told(telephone).filter(|(at, e)| *at < Instant::ZERO + secs(20) && matches!(e, phone::Event::Ended { .. })).count();
        assert_eq!(before, 0, "it was talking when the engine was killed");
        let ended = let_go(&world, telephone);
        assert!(matches!(ended[..], [(at, None)] if at < Instant::ZERO + secs(21) + millis(100)), "{ended:?}");
    }
    let state = world.engine().unwrap().state();
    assert_eq!(state.abroad.len(), 0, "nothing is left of it");
}

#[test]
fn a_ward_that_rings_when_the_engine_is_killed_stops_ringing_as_soon_as_it_is_back() {
    let (world, wards) = killed_with_the_ward_full(AnswerPolicy::Never, Pace::PROMISED);
    for telephone in wards {
        let ended = let_go(&world, telephone);
        assert!(matches!(ended[..], [(at, Some(487))] if at < Instant::ZERO + secs(21) + millis(100)), "{ended:?}");
    }
}

#[test]
fn a_ward_that_does_not_answer_the_bye_of_the_next_engine_is_full_until_sip_gives_it_up() {
    let mut world = World::new(Town { hotline: true, ..Town::default() }.build(), 5).audited();
    // The wards are deaf before the next engine is back: who knows whether they talk?
    for _ in 0..2 {
        let deaf = world.add_neighbour(Neighbour { keys: "WW1".to_owned(), ..ward(answers(3)) });
        world.at(secs(20), deaf, Command::Vanish);
    }
    for at in [5, 6, 25] {
        world.add_resident(secs(at), Resident { keys: "WWWW4".to_owned(), talk: None, patience: secs(60), ..Resident::default() });
    }
    world.crash(secs(20), secs(1));
    // BYE at 21 s, given up at 53 s (RFC 3261 timer F): the caller of second 25 finds the line full.
    world.run_until(secs(40));
    let full = |world: &World| count(world, |e| matches!(e, Event::LineFull { line } if line.as_str() == "ward"));
    assert_eq!((full(&world), world.engine().unwrap().state().abroad.len()), (1, 2));
    world.run_until(secs(54));
    assert_eq!(world.engine().unwrap().state().abroad.len(), 0, "given up");
}

#[test]
fn whenever_the_engine_is_killed_a_ward_of_two_telephones_never_gets_a_third_call() {
    // From before the first INVITE to after the answers, every 37 ms: the trunk itself says when a third call comes (`World::carry`).
    let town = Town { hotline: true, ..Town::default() };
    for n in 0..200u64 {
        let mut world = World::new(town.build(), n).without_story().audited();
        world.journal_pace(
            Duration::ZERO,
            [Pace::PROMISED, Pace { least: millis(5), most: millis(45) }, Pace { least: millis(50), most: millis(200) }][(n % 3) as usize],
        );
        for after in [1, 2] {
            world.add_neighbour(Neighbour { talk: Some(secs(60)), ..ward(answers(after)) });
        }
        for at in 0..8 {
            world.add_resident(secs(5 + at), Resident { keys: "WWWW4".to_owned(), talk: None, patience: secs(200), ..Resident::default() });
        }
        // Callers of after the kill come while the ward's telephones still are in calls of before it.
        world.crash(secs(8) + millis(n * 37), millis(200));
        for at in 0..8 {
            let dials = secs(8) + millis(n * 37 + 210 + at * 100);
            world.add_resident(dials, Resident { keys: "WWWW4".to_owned(), talk: None, patience: secs(200), ..Resident::default() });
        }
        world.run_until_quiet(LIMIT);
        assert_eq!(world.violations(), [""; 0], "{n}");
        let asks: Vec<&String> = world.excused().iter().filter(|fault| fault.contains(town::WARD)).collect();
        assert_eq!(asks, [""; 0], "{n}: everybody outside was hung up, and nobody had to ask");
        assert_eq!(world.engine().unwrap().state().abroad.len(), 0);
    }
}

#[test]
fn a_line_that_is_renamed_while_two_talk_there_is_full_under_its_new_name() {
    let mut renamed = city();
    let mut book = (*renamed.book).clone();
    book.lines.iter_mut().filter(|line| line.id.as_str() == "ward").for_each(|line| line.id = "ward_by_its_new_name".into());
    renamed.book = Arc::new(book);
    let mut world = World::new(Arc::new(city()), 1).audited();
    for _ in 0..2 {
        world.add_neighbour(ward(answers(2)));
    }
    for (n, name) in ["yuki", "mio", "aya"].into_iter().enumerate() {
        let nurse = world.add_clerk(secs(n as u64), name, Clerk::default());
        world.add_resident(secs(5), talks(200));
        presses(&mut world, secs(if name == "aya" { 50 } else { 30 }), nurse, "*671");
    }
    world.control(secs(40), calls::Control::Publish(Arc::new(renamed)));
    rest(&mut world);
    let full: Vec<_> =
        world.notes().filter_map(|(_, e)| if let Event::LineFull { line } = e { Some(line.as_str()) } else { None }).collect();
    assert_eq!(full, ["ward_by_its_new_name"]);
}
