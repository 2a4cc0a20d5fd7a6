//! One situation each: what a resident, an agent, the network or the journal does, and what must come of it.

use calls::Control;
use model::{AgentState, CallEnd, Event, Manner, Millis, OfferEnd, Party, QueueEnd, Random, Refusal};
use phone::{AnswerPolicy, Command};
use sim::{Clerk, Pace, PersonId, Resident, Town, Voice, Weather, World};
use std::net::SocketAddr;
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

fn town() -> World {
    World::new(Town::default().build(), 1)
}

fn presses(keys: &str) -> Resident {
    Resident { keys: keys.to_owned(), ..Resident::default() }
}

fn answers_after(ms: u64) -> Clerk {
    Clerk { answer: AnswerPolicy::After(millis(ms)), ..Clerk::default() }
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

fn count(world: &World, what: impl Fn(&Event) -> bool) -> usize {
    world.notes().filter(|(_, e)| what(e)).count()
}

fn bridges(world: &World) -> usize {
    count(world, |e| matches!(e, Event::Bridged { .. }))
}

/// The world comes to rest with nothing left, and no phone complains.
fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
}

/// How the last call of a person ended, as their phone tells it.
fn ended(world: &World, person: PersonId) -> Option<(bool, Option<u16>)> {
    let told =
        world.told(person).filter_map(|(_, e)| if let phone::Event::Ended { by_us, status } = e { Some((*by_us, *status)) } else { None });
    told.last()
}

/// When the first such thing was noted.
fn when(world: &World, what: impl Fn(&Event) -> bool) -> Duration {
    let (at, _) = world.notes().find(|(_, e)| what(e)).expect("it was noted");
    at.since(model::Instant::ZERO)
}

// ---- the ordinary call -------------------------------------------------------------------------------------------------------

#[test]
fn a_resident_presses_one_and_talks_to_a_nurse() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    let record = &world.records()[0];
    assert_eq!(record.path, ["greeting", "main=1", "nurse"]);
    assert_eq!(record.agent.as_ref().unwrap().as_str(), "yuki");
    assert!(record.talked.unwrap().0.abs_diff(60_000) < 50, "{record:?}");
    assert_eq!(record.caller, "080-***-**01");
    assert_eq!(ended(&world, caller), Some((true, None)));
}

#[test]
fn a_resident_with_a_rotary_phone_presses_nothing_and_reaches_a_person() {
    let mut world = town();
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.add_resident(secs(5), presses(""));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(count(&world, |e| matches!(e, Event::NoInput { .. })), 2);
}

#[test]
fn check_knows_beforehand_how_long_a_silent_caller_is_under_way() {
    let reckoned = Town::default().reach()[0].silent.unwrap();
    let mut world = town();
    world.add_clerk(secs(0), "ken", Clerk::default());
    world.add_resident(secs(5), presses(""));
    rest(&mut world);
    let measured = handed(&world);
    let [(Manner::Silent, took)] = measured[..] else { panic!("{measured:?}") };
    // Each sentence ends on a frame of the wheel, and its end is told a moment after: two frames for each of the three.
    assert!(took >= reckoned && took.0 - reckoned.0 <= 3 * 40, "reckoned {reckoned:?}, measured {took:?}");
}

#[test]
fn whoever_presses_late_is_neither_silent_nor_quick() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), presses(ONE));
    world.add_resident(secs(5), presses("WWWWWWWWWWWW1"));
    rest(&mut world);
    let manners: Vec<Manner> = handed(&world).into_iter().map(|(manner, _)| manner).collect();
    assert_eq!(manners, [Manner::Pressing, Manner::Mixed]);
}

/// How each caller came to people, and how long it took.
fn handed(world: &World) -> Vec<(Manner, Millis)> {
    world
        .notes()
        .filter_map(|(_, e)| if let Event::HandedToPeople { manner, took, .. } = e { Some((*manner, *took)) } else { None })
        .collect()
}

#[test]
fn the_nurse_hangs_up_first() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk { talk: Some(secs(30)), ..Clerk::default() });
    let caller = world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Agent)]);
    assert_eq!(ended(&world, caller), Some((false, None)));
}

#[test]
fn nurse_and_resident_hang_up_within_the_same_moments() {
    for offset in 0..30 {
        let mut world = town();
        world.add_clerk(secs(0), "yuki", Clerk { talk: Some(secs(60) - millis(15) + millis(offset)), ..Clerk::default() });
        world.add_resident(secs(5), presses(ONE));
        rest(&mut world);
        assert_eq!(ends(&world).len(), 1, "{offset} ms");
        assert_eq!(ends(&world)[0].0, CallEnd::Served);
    }
}

#[test]
fn the_flow_says_goodbye_to_who_only_wants_information() {
    let mut world = town();
    world.add_clerk(secs(0), "ken", Clerk::default());
    let caller = world.add_resident(secs(5), presses("WWWW3"));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::FlowEnded, Party::Engine)]);
    assert_eq!(ended(&world, caller), Some((false, None)));
}

#[test]
fn nobody_is_logged_in_and_the_resident_is_told_so() {
    let mut world = town();
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::FlowEnded, Party::Engine)]);
    assert_eq!(count(&world, |e| matches!(e, Event::PromptStarted { prompt, .. } if prompt.as_str() == "nobody_available")), 1);
}

// ---- agents ------------------------------------------------------------------------------------------------------------------

#[test]
fn an_agent_does_not_answer_and_the_caller_goes_to_the_next_one_at_once() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.add_clerk(secs(1), "mio", Clerk::default());
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    let missed = when(&world, |e| matches!(e, Event::OfferEnded { how: OfferEnd::NoAnswer, .. }));
    let second = world.notes().filter(|(_, e)| matches!(e, Event::Offered { .. })).nth(1).unwrap().0.since(model::Instant::ZERO);
    assert_eq!(missed, second, "no pause between two agents");
    assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "mio");
    assert_eq!(count(&world, |e| matches!(e, Event::LeftQueue { .. })), 1, "one claim, one place");
}

#[test]
fn the_only_agent_never_answers_and_counts_as_away_after_two_misses() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.add_resident(secs(5), Resident { patience: secs(120), ..presses(ONE) });
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::AbandonedInQueue, Party::Caller)]);
    assert_eq!(count(&world, |e| matches!(e, Event::Offered { .. })), 2);
    assert_eq!(count(&world, |e| matches!(e, Event::AgentState { to: AgentState::NotResponding, .. })), 1);
}

#[test]
fn an_agent_declines_and_the_caller_keeps_the_place() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Decline(603), ..Clerk::default() });
    world.add_clerk(secs(1), "mio", Clerk::default());
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(count(&world, |e| matches!(e, Event::OfferEnded { how: OfferEnd::Declined, .. })), 1);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
}

#[test]
fn an_agent_takes_a_break_and_comes_back() {
    let mut world = town();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.dials_code(secs(2), yuki, "*2");
    world.add_resident(secs(10), Resident { patience: secs(60), ..presses(ONE) });
    world.dials_code(secs(100), yuki, "*1");
    world.add_resident(secs(110), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::AbandonedInQueue, Party::Caller), (CallEnd::Served, Party::Caller)]);
    assert_eq!(count(&world, |e| matches!(e, Event::AgentState { to: AgentState::NotReady, .. })), 1);
}

#[test]
fn the_agents_phone_vanishes_in_a_call_and_the_resident_is_served_by_another() {
    let mut world = town();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { talk: None, patience: secs(900), ..presses(ONE) });
    world.add_clerk(secs(30), "mio", Clerk { talk: Some(secs(40)), ..Clerk::default() });
    world.at(secs(40), yuki, Command::Vanish);
    rest(&mut world);
    assert_eq!(bridges(&world), 2);
    assert_eq!(world.records()[0].end, CallEnd::Served);
    assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "mio");
}

#[test]
fn an_agents_phone_is_dead_when_it_should_ring() {
    let mut world = town();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_clerk(secs(1), "mio", Clerk::default());
    world.at(secs(3), yuki, Command::Vanish);
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(world.records()[0].agent.as_ref().unwrap().as_str(), "mio");
}

// ---- callers who leave -------------------------------------------------------------------------------------------------------

#[test]
fn the_caller_gives_up_at_every_moment_of_a_call_and_nothing_stays() {
    // Every 10 ms through the set-up, then every quarter of a second until long after the nurse has answered.
    let moments = (0..20).map(|n| n * 10).chain((1..60).map(|n| 200 + n * 250));
    for patience in moments.map(millis) {
        let mut world = town();
        world.add_clerk(secs(0), "yuki", Clerk::default());
        let caller = world.add_resident(secs(5), Resident { patience, ..presses(ONE) });
        rest(&mut world);
        assert!(ends(&world).len() <= 1, "{patience:?}");
        let (by_us, _) = ended(&world, caller).unwrap();
        assert!(by_us, "{patience:?}");
    }
}

#[test]
fn a_cancel_crosses_the_200_of_the_engine() {
    let mut crossed = 0;
    for offset in 0..40 {
        let mut world = town();
        world.add_clerk(secs(0), "yuki", Clerk::default());
        let caller = world.add_resident(secs(5), presses(ONE));
        world.at(secs(5) + millis(offset), caller, Command::Cancel);
        world.at(secs(60), caller, Command::HangUp);
        rest(&mut world);
        let answered = count(&world, |e| matches!(e, Event::Answered { .. })) == 1;
        let connected = world.told(caller).any(|(_, e)| *e == phone::Event::Connected);
        crossed += usize::from(answered && !connected);
        assert_eq!(ends(&world).len(), 1, "{offset} ms");
    }
    assert!(crossed > 0, "the CANCEL and the 200 never met");
}

#[test]
fn the_caller_hangs_up_in_the_moment_in_which_the_nurse_answers() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", answers_after(3000));
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    let answered = when(&world, |e| matches!(e, Event::Bridged { .. }));
    let mut crossed = 0;
    for offset in 0..40 {
        let mut world = town();
        let yuki = world.add_clerk(secs(0), "yuki", answers_after(3000));
        let caller = world.add_resident(secs(5), presses(ONE));
        world.at(answered - millis(20) + millis(offset), caller, Command::HangUp);
        rest(&mut world);
        let nurse_answered = world.told(yuki).any(|(_, e)| *e == phone::Event::Connected);
        crossed += usize::from(nurse_answered && bridges(&world) == 0);
        assert_eq!(ends(&world).len(), 1, "{offset} ms");
    }
    assert!(crossed > 0, "the nurse's 200 and our CANCEL never met");
}

#[test]
fn the_ring_time_ends_in_the_moment_in_which_the_nurse_answers() {
    let ring = Town { ring_secs: 5, ..Town::default() };
    for offset in 0..40 {
        let mut world = World::new(ring.build(), 1);
        world.add_clerk(secs(0), "yuki", answers_after(4975 + offset));
        world.add_resident(secs(5), Resident { patience: secs(120), ..presses(ONE) });
        rest(&mut world);
        assert_eq!(ends(&world).len(), 1, "{offset} ms");
    }
}

#[test]
fn a_caller_vanishes_in_the_menu_in_the_queue_and_in_the_conversation() {
    for (at, answers) in [(8u64, false), (20, false), (40, true)] {
        let mut world = town();
        let answer = if answers { AnswerPolicy::After(secs(3)) } else { AnswerPolicy::Never };
        for name in ["yuki", "ken"] {
            world.add_clerk(secs(0), name, Clerk { answer, ..Clerk::default() });
        }
        let caller = world.add_resident(secs(5), Resident { talk: Some(secs(3000)), ..presses(ONE) });
        world.at(secs(at), caller, Command::Vanish);
        rest(&mut world);
        assert_eq!(ends(&world), [(CallEnd::CallerVanished, Party::Engine)], "vanished at {at} s");
    }
}

#[test]
fn a_caller_vanishes_before_the_ack() {
    let mut world = town();
    let caller = world.add_resident(secs(5), presses(ONE));
    world.at(secs(5) + millis(12), caller, Command::Vanish);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::CallerVanished, Party::Engine)]);
    assert!(when(&world, |e| matches!(e, Event::Ended { .. })) > secs(36), "64*T1 is waited");
}

#[test]
fn a_caller_is_only_silent_and_stays() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { talk: Some(secs(200)), ..presses(ONE) });
    world.at(secs(20), caller, Command::StopSending);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)], "a phone that answers OPTIONS is there");
}

// ---- the door ----------------------------------------------------------------------------------------------------------------

#[test]
fn all_channels_are_busy_and_calls_in_progress_are_untouched() {
    let mut world = World::new(Town { calls_max: 3, ..Town::default() }.build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let inside: Vec<PersonId> = (0..3).map(|n| world.add_resident(secs(5 + n), Resident { patience: secs(300), ..presses(ONE) })).collect();
    let outside = world.add_resident(secs(10), presses(ONE));
    rest(&mut world);
    assert_eq!(ended(&world, outside), Some((false, Some(503))));
    assert_eq!(count(&world, |e| matches!(e, Event::Refused { why: Refusal::Full, .. })), 1);
    assert!(inside.iter().all(|p| ended(&world, *p) == Some((true, None))));
    assert_eq!(ends(&world).len(), 3);
}

#[test]
fn the_queue_is_full_and_the_next_one_is_told_so() {
    let mut world = World::new(Town { waiting_max: 1, ..Town::default() }.build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.add_resident(secs(5), Resident { patience: secs(60), ..presses(ONE) });
    world.add_resident(secs(6), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::FlowEnded, Party::Engine), (CallEnd::AbandonedInQueue, Party::Caller)]);
    assert_eq!(count(&world, |e| matches!(e, Event::LeftQueue { how: QueueEnd::Full, .. })), 1);
}

#[test]
fn an_unknown_number_leads_nowhere() {
    let mut world = town();
    let caller = world.add_resident(secs(5), Resident { dials: "0449999999".into(), ..presses(ONE) });
    rest(&mut world);
    assert_eq!(ended(&world, caller), Some((false, Some(404))));
    assert!(world.records().is_empty());
}

/// An INVITE as a phone sends it, from an address that has none.
fn invite(from: SocketAddr, branch: u64) -> String {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        ip = from.ip()
    );
    format!(
        "INVITE sip:{number}@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: \"x\" <sip:0900000000@{from}>;tag=t{branch}\r\nTo: <sip:{number}@127.0.0.1:5060>\r\nCall-ID: c{branch}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:0900000000@{from}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}",
        number = sim::town::NUMBER,
        length = sdp.len()
    )
}

#[test]
fn a_stranger_gets_no_answer_at_all() {
    let mut world = town();
    let stranger: SocketAddr = "203.0.113.9:5060".parse().unwrap();
    for n in 0..50 {
        world.inject(secs(1) + millis(n), stranger, invite(stranger, n).as_bytes());
    }
    rest(&mut world);
    assert_eq!(count(&world, |e| matches!(e, Event::Stranger)), 50);
    assert_eq!(count(&world, |e| matches!(e, Event::SipResponse { .. } | Event::Arrived { .. })), 0);
}

#[test]
fn malformed_datagrams_fall_like_rain_and_calls_go_on() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let callers: Vec<PersonId> =
        (0..3).map(|n| world.add_resident(secs(5 + 40 * n), Resident { talk: Some(secs(20)), ..presses(ONE) })).collect();
    let mut random = Random::from_number(11);
    let rascal: SocketAddr = "127.9.9.9:5060".parse().unwrap();
    for n in 0..6000 {
        let mut bytes = invite(rascal, n).into_bytes();
        for _ in 0..=random.below(8) {
            if bytes.is_empty() {
                break;
            }
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(4) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n:;<>\", "[usize::try_from(random.below(9)).unwrap()]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        world.inject(secs(4) + millis(n * 20), rascal, &bytes);
    }
    rest(&mut world);
    assert!(count(&world, |e| matches!(e, Event::SipMalformed { .. })) > 1000);
    for caller in callers {
        assert_eq!(ended(&world, caller), Some((true, None)));
    }
    assert_eq!(bridges(&world), 3);
}

// ---- the network -------------------------------------------------------------------------------------------------------------

#[test]
fn one_datagram_in_ten_is_lost_and_every_call_is_served() {
    for seed in 0..30 {
        let mut world = World::new(Town::default().build(), seed);
        world.weather(secs(0), Weather::FOUL);
        world.add_clerk(secs(0), "yuki", Clerk::default());
        world.add_clerk(secs(0), "mio", Clerk { talk: Some(secs(20)), ..Clerk::default() });
        let callers: Vec<PersonId> =
            (0..5).map(|n| world.add_resident(secs(40 + n), Resident { talk: Some(secs(30)), ..presses(ONE) })).collect();
        rest(&mut world);
        assert_eq!(
            ends(&world).iter().filter(|(end, _)| *end == CallEnd::Served).count(),
            callers.len(),
            "seed {seed}: {:?}",
            ends(&world)
        );
        assert!(count(&world, |e| matches!(e, Event::SipRequest { again: true, .. })) > 0, "seed {seed}: nothing was sent twice");
    }
}

#[test]
fn the_network_is_gone_for_ten_seconds_in_the_middle_of_everything() {
    let mut world = town();
    let gone = Weather { lost_per_mille: 1000, ..Weather::FAIR };
    world.add_clerk(secs(0), "yuki", Clerk::default());
    for n in 0..10 {
        world.add_resident(secs(5 + 3 * n), Resident { talk: Some(secs(5)), patience: secs(300), ..presses(ONE) });
    }
    world.weather(secs(20), gone);
    world.weather(secs(30), Weather::FAIR);
    rest(&mut world);
    assert_eq!(ends(&world).len(), 10);
}

// ---- the journal -------------------------------------------------------------------------------------------------------------

#[test]
fn a_journal_that_is_late_delays_and_nothing_is_flagged() {
    let mut world = town();
    world.journal_pace(secs(0), Pace { least: millis(20), most: millis(45) });
    world.add_clerk(secs(1), "yuki", Clerk::default());
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(world.flagged(), 0);
}

#[test]
fn a_journal_that_is_too_late_is_flagged_and_the_caller_hears_an_ordinary_call() {
    let mut world = town();
    world.journal_pace(secs(0), Pace { least: millis(60), most: millis(500) });
    world.add_clerk(secs(1), "yuki", Clerk::default());
    world.add_resident(secs(5), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert!(world.flagged() > 0);
    assert!(count(&world, |e| matches!(e, Event::NotDurable { .. })) > 0);
}

#[test]
fn the_journal_dies_in_the_middle_of_a_call() {
    let mut world = town();
    world.add_clerk(secs(1), "yuki", Clerk::default());
    world.add_resident(secs(5), presses(ONE));
    world.journal_dies(secs(9));
    world.add_resident(secs(90), presses(ONE));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller); 2]);
    assert!(world.flagged() > 0);
}

#[test]
fn the_engine_is_killed_at_any_moment_and_every_call_that_was_seen_is_accounted_for() {
    for n in 0..60 {
        let mut world = town();
        world.add_clerk(secs(0), "yuki", Clerk::default());
        for caller in 0..6 {
            world.add_resident(secs(2 + 2 * caller), Resident { talk: Some(secs(8)), patience: secs(90), ..presses(ONE) });
        }
        world.crash(secs(2) + millis(n * 503), secs(3));
        // Once the phone has registered again there are agents, and calls are as before.
        let late = world.add_resident(secs(400), Resident { talk: Some(secs(5)), ..presses(ONE) });
        world.run_until_quiet(LIMIT);
        assert_eq!(ended(&world, late), Some((true, None)), "killed at {} ms", 2000 + n * 503);
        let restored = world.events().iter().any(|t| matches!(t.what, Voice::Restored));
        let lost = world.records().iter().filter(|r| r.end == CallEnd::LostInRestart).count();
        assert!(restored && lost <= 6);
        assert_eq!(world.records().last().unwrap().end, CallEnd::Served);
    }
}

#[test]
fn a_break_survives_a_restart() {
    let mut world = town();
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    world.dials_code(secs(2), yuki, "*2");
    world.crash(secs(20), secs(2));
    world.add_resident(secs(400), Resident { patience: secs(60), ..presses(ONE) });
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::AbandonedInQueue, Party::Caller)], "an agent on a break gets no call");
}

// ---- the edge ----------------------------------------------------------------------------------------------------------------

#[test]
fn the_engine_drains_and_lets_calls_end() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let inside = world.add_resident(secs(5), presses(ONE));
    world.control(secs(20), Control::Drain);
    let outside = world.add_resident(secs(25), presses(ONE));
    rest(&mut world);
    assert_eq!(ended(&world, inside), Some((true, None)));
    assert_eq!(ended(&world, outside), Some((false, Some(503))));
}

#[test]
fn a_city_is_published_under_running_calls() {
    let mut world = town();
    world.add_clerk(secs(0), "yuki", Clerk::default());
    for n in 0..4 {
        world.add_resident(secs(5 + 7 * n), presses(ONE));
    }
    world.control(secs(16), Control::Publish(Town { wrap_up_secs: 5, ..Town::default() }.build()));
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller); 4]);
    assert_eq!(count(&world, |e| matches!(e, Event::Published { .. })), 2);
}
