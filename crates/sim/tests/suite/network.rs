//! Bad networks: datagrams are lost, doubled, late and out of order, cables are pulled; calls come about all the same, once each, and nothing
//! is left of them.

use model::{AgentState, CallEnd, CallRecord, Census, Event, Instant, OfferEnd, Party, Random};
use phone::AnswerPolicy;
use sim::{Clerk, PersonId, Resident, Town, Weather, World, town};
use std::collections::BTreeSet;
use std::time::Duration;

/// Keys of somebody who wants a nurse, and of somebody who wants the general line.
const NURSE: &str = "WWWW1";
const LIMIT: Duration = Duration::from_secs(24 * 3600);
/// 64*T1 (RFC 3261 section 17.1.2.2): the longest that a BYE, a CANCEL or a probe is sent again.
const LONGEST: Duration = Duration::from_secs(32);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A long way with a bad stretch: so many of 1000 datagrams are lost.
fn losing(lost_per_mille: u64) -> Weather {
    Weather { delay: millis(40), jitter: millis(60), lost_per_mille, doubled_per_mille: 30, overtaken_per_mille: 50 }
}

/// Everybody of the town at work, answering after one or two seconds.
fn staffed(world: &mut World) -> Vec<PersonId> {
    let clerk = |n: u64| Clerk { answer: AnswerPolicy::After(millis(1000 + n * 80)), ..Clerk::default() };
    (0..).zip(town::NURSES.iter().chain(&town::CLERKS)).map(|(n, name)| world.add_clerk(secs(n), name, clerk(n))).collect()
}

/// The phones' complaints; an answer to a REGISTER that overtook another one is the network's doing.
fn violations(world: &World) -> Vec<String> {
    world.violations().into_iter().filter(|v| !v.contains("401 after a final 200 to the same REGISTER")).collect()
}

/// Runs until the engine has no call any more, then as long as SIP may still ask: no dialog is left, and no phone is in a call.
fn no_ghosts(world: &mut World, from: Duration, context: &str) {
    let mut at = from;
    let calls = |world: &World| world.engine().map_or(0, |engine| engine.census().calls);
    world.run_until(at);
    while calls(world) > 0 {
        at += millis(100);
        assert!(at < LIMIT, "{context}: a call that never ends");
        world.run_until(at);
    }
    world.run_until(at + LONGEST);
    let census = world.engine().map(|engine| engine.census()).unwrap_or_default();
    assert_eq!(census.dialogs, 0, "{context}: {LONGEST:?} after the last call ended: {census:?}");
}

/// `calls` people call once each; how many came to an agent and hung up as they meant to.
fn served(weather: Weather, calls: u64, seed: u64) -> usize {
    let mut world = World::new(Town::default().build(), seed).without_story().audited();
    world.weather(Duration::ZERO, weather);
    staffed(&mut world);
    let mut random = Random::from_number(seed);
    // Twelve agents, of whom each call takes half a minute: a call every six seconds leaves room for bad luck.
    for n in 0..calls {
        let keys = if n % 3 == 0 { NURSE } else { "" };
        let at = secs(60) + millis(n * 6000 + random.below(6000));
        world.add_resident(at, Resident { keys: keys.to_owned(), talk: Some(secs(15)), patience: secs(1200), ..Resident::default() });
    }
    let context = format!("{} of 1000 lost, seed {seed}", weather.lost_per_mille);
    no_ghosts(&mut world, secs(60 + calls * 6), &context);
    world.run_until_quiet(LIMIT);
    assert_eq!(violations(&world), [""; 0], "{context}");
    assert_eq!(world.repairs(), 0, "{context}");
    let records = world.records();
    // Who is counted as a person is one number of one day: everybody called once, so that a second call of anybody would be a double.
    let persons: BTreeSet<_> = records.iter().filter_map(|record| record.person.as_ref()).collect();
    assert_eq!(persons.len(), records.len(), "{context}: a call that is there twice");
    records.iter().filter(|record| record.end == CallEnd::Served && record.hung_up_by == Party::Caller).count()
}

#[test]
fn calls_come_about_whatever_the_network_loses() {
    for (lost, days, calls) in [(0, 1, 500), (50, 1, 1500), (100, 1, 1500), (200, 5, 3000)] {
        let mut came_about = 0;
        for day in 0..days {
            let served = served(losing(lost), calls, 4000 + lost + day);
            println!("{lost} of 1000 datagrams lost, day {day}: {served} of {calls} calls served");
            came_about += served as u64;
        }
        assert!(came_about * 1000 >= days * calls * 999, "{lost} of 1000 lost: only {came_about} of {} calls came about", days * calls);
    }
}

/// What happens to a resident of a hard day.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Hangs up as soon as they have dialled: the CANCEL and the 200 pass each other.
    ThinksBetterOfIt,
    /// Their cable is pulled for good while they listen, wait or talk.
    CableGone(Duration),
    /// The cable is back after a while.
    CableBack(Duration, Duration),
    /// Talks.
    Talks,
}

#[test]
fn nothing_is_left_of_calls_on_hard_days() {
    for seed in 0..200 {
        let mut world = World::new(Town::default().build(), seed).without_story().audited();
        let mut random = Random::from_number(seed ^ 0x6e65_7477);
        let mut below = |n: u64| random.below(n);
        world.weather(Duration::ZERO, losing([50, 100, 200][below(3) as usize]));
        let clerks = staffed(&mut world);
        for _ in 0..4 {
            let (clerk, at, lasts) = (clerks[below(12) as usize], millis(60_000 + below(600_000)), secs(5 + below(200)));
            world.cut_off(at, clerk, lasts);
        }
        for _ in 0..40 {
            let at = millis(60_000 + below(600_000));
            let fate = match below(5) {
                0 => Fate::ThinksBetterOfIt,
                1 => Fate::CableGone(millis(below(60_000))),
                2 => Fate::CableBack(millis(below(60_000)), secs(1 + below(60))),
                _ => Fate::Talks,
            };
            let patience = if matches!(fate, Fate::ThinksBetterOfIt) { millis(below(900)) } else { secs(600) };
            let talk = secs(5 + below(60));
            let who = world.add_resident(at, Resident { keys: NURSE.to_owned(), patience, talk: Some(talk), ..Resident::default() });
            match fate {
                Fate::CableGone(after) => world.cut_off(at + after, who, secs(3600)),
                Fate::CableBack(after, lasts) => world.cut_off(at + after, who, lasts),
                Fate::ThinksBetterOfIt | Fate::Talks => {}
            }
        }
        no_ghosts(&mut world, secs(660), &format!("seed {seed}"));
        // A phone without its cable may not know yet that its call is over. The engine is done with all of them.
        world.run_until(world.now().since(Instant::ZERO) + LONGEST);
        assert_eq!(world.engine().map(|engine| engine.census()), Some(Census::default()), "seed {seed}");
        assert_eq!(world.repairs(), 0, "seed {seed}");
    }
}

/// One caller with a nurse; the cable of one of them is pulled ten seconds into their talk, for so long.
fn pulled(of_caller: bool, lasts: Duration) -> (World, CallRecord) {
    let mut world = World::new(Town::default().build(), 1).audited();
    let nurse = world.add_clerk(secs(0), "yuki", Clerk { talk: None, ..Clerk::default() });
    let caller = world.add_resident(secs(5), Resident { keys: NURSE.to_owned(), talk: Some(secs(60)), ..Resident::default() });
    let bridged = |world: &World| world.notes().find(|(_, e)| matches!(e, Event::Bridged { .. })).map(|(at, _)| at);
    let mut at = secs(5);
    while bridged(&world).is_none() {
        at += secs(1);
        world.run_until(at);
    }
    world.cut_off(at + secs(10), if of_caller { caller } else { nurse }, lasts);
    world.run_until_quiet(LIMIT);
    let record = world.records().first().cloned().expect("a call record");
    (world, record)
}

#[test]
fn a_cable_that_is_pulled_for_twenty_seconds_ends_no_call() {
    for of_caller in [true, false] {
        let (world, record) = pulled(of_caller, secs(20));
        assert_eq!((record.end, record.hung_up_by), (CallEnd::Served, Party::Caller), "caller {of_caller}");
        assert!(record.talked.is_some_and(|talked| talked.0.abs_diff(60_000) < 1000), "{record:?}");
        assert_eq!(world.violations(), [""; 0]);
    }
}

#[test]
fn a_cable_that_is_gone_for_good_frees_the_other_side_within_a_minute() {
    let (world, record) = pulled(true, secs(3600));
    assert_eq!((record.end, record.hung_up_by), (CallEnd::CallerVanished, Party::Engine), "{record:?}");
    // Ten seconds of talk, thirty without a packet, thirty-two of asking; the round trip of both.
    assert!(record.talked.is_some_and(|talked| (71_000..76_000).contains(&talked.0)), "{record:?}");
    let at_desk = world.engine().unwrap().snapshot(model::Now { mono: world.now(), wall: model::UnixMillis(0) });
    assert!(at_desk.agents.iter().any(|a| a.agent.as_str() == "yuki" && a.state == AgentState::Idle), "{:?}", at_desk.agents);
}

#[test]
fn an_agent_whose_cable_is_gone_is_passed_over_and_the_caller_keeps_their_place() {
    let mut world = World::new(Town::default().build(), 2).audited();
    let slow = Clerk { answer: AnswerPolicy::After(secs(1)), ..Clerk::default() };
    let gone = world.add_clerk(secs(0), "yuki", slow.clone());
    world.cut_off(secs(4), gone, secs(3600));
    world.add_resident(secs(5), Resident { keys: NURSE.to_owned(), ..Resident::default() });
    world.add_clerk(secs(30), "mio", slow);
    world.run_until_quiet(LIMIT);
    let record = &world.records()[0];
    assert_eq!((record.end, record.agent.as_ref().map(|a| a.as_str())), (CallEnd::Served, Some("mio")), "{record:?}");
    let failed = world.notes().filter(|(_, e)| matches!(e, Event::OfferEnded { how, .. } if *how != OfferEnd::Answered)).count();
    assert!(failed >= 1, "yuki's phone was tried first");
}
