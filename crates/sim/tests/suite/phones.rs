//! An agent with more than one phone: all ring, one is answered, and nobody finds a missed call that was none.

use calls::Engine;
use model::{AgentId, AgentState, CallEnd, Event, OfferEnd, Party, PhoneGone, Random};
use phone::{AnswerPolicy, Command};
use sim::{Clerk, Neighbour, PersonId, Resident, Town, World};
use std::collections::BTreeMap;
use std::time::Duration;

/// A key pressed in the middle of the main menu.
const ONE: &str = "WWWW1";
const LIMIT: Duration = secs(3600);
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
const DECLINED: &str = "SIP;cause=603;text=\"Decline\"";

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn town() -> World {
    World::new(Town::default().build(), 1).audited()
}

fn clerk(answer: AnswerPolicy) -> Clerk {
    Clerk { answer, ..Clerk::default() }
}

fn after(ms: u64) -> Clerk {
    clerk(AnswerPolicy::After(millis(ms)))
}

fn never() -> Clerk {
    clerk(AnswerPolicy::Never)
}

/// Who presses one after five seconds.
fn caller(world: &mut World) -> PersonId {
    world.add_resident(secs(5), Resident { keys: ONE.to_owned(), ..Resident::default() })
}

fn rest(world: &mut World) {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
    assert_eq!(world.repairs(), 0);
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

/// The living state is the fold of the records.
fn agrees(world: &World) {
    let mut records = world.ledger().records().cloned();
    let restored = Engine::restore(world.city().clone(), calls::Vault::new([1; 32]), [9; 32], model::Seq(0), &mut records);
    assert_eq!(world.engine().unwrap().state(), restored.state(), "at {:?}", world.now());
}

/// How offers ended, in order.
fn offers(world: &World) -> Vec<OfferEnd> {
    world.notes().filter_map(|(_, e)| if let Event::OfferEnded { how, .. } = e { Some(*how) } else { None }).collect()
}

fn gone(world: &World) -> Vec<PhoneGone> {
    world.notes().filter_map(|(_, e)| if let Event::PhoneGone { why, .. } = e { Some(*why) } else { None }).collect()
}

/// How often a phone rang.
fn rang(world: &World, person: PersonId) -> usize {
    world.told(person).filter(|(_, e)| matches!(e, phone::Event::Incoming { .. })).count()
}

fn talked(world: &World, person: PersonId) -> bool {
    world.told(person).any(|(_, e)| matches!(e, phone::Event::Connected))
}

/// Why the calls of a phone ended, as the engine told it.
fn reasons(world: &World, person: PersonId) -> Vec<&str> {
    world.told(person).filter_map(|(_, e)| if let phone::Event::Reason(text) = e { Some(text.as_str()) } else { None }).collect()
}

/// When such a thing happened first at a phone.
fn at(world: &World, person: PersonId, what: impl Fn(&phone::Event) -> bool) -> Duration {
    let (at, _) = world.told(person).find(|(_, e)| what(e)).expect("it was told");
    at.since(model::Instant::ZERO)
}

/// When such a thing was noted first.
fn when(world: &World, what: impl Fn(&Event) -> bool) -> Duration {
    let (at, _) = world.notes().find(|(_, e)| what(e)).expect("it was noted");
    at.since(model::Instant::ZERO)
}

// ---- answered elsewhere ------------------------------------------------------------------------------------------------------

#[test]
fn either_phone_answers_and_the_other_shows_no_missed_call() {
    for (desk, pocket) in [(after(3000), never()), (never(), after(3000))] {
        let mut world = town();
        let phones = [world.add_clerk(secs(0), "yuki", desk), world.add_clerk(secs(0), "yuki", pocket)];
        caller(&mut world);
        world.run_until(secs(30));
        let census = world.engine().unwrap().census();
        assert_eq!((census.legs, census.ports, census.dialogs), (2, 2, 2), "what the other phone had came back while the two talk");
        rest(&mut world);
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
        assert_eq!(offers(&world), [OfferEnd::Answered], "one offer, however many phones");
        assert_eq!(phones.map(|p| rang(&world, p)), [1, 1]);
        let answered = phones.into_iter().find(|p| talked(&world, *p)).unwrap();
        let other = phones.into_iter().find(|p| *p != answered).unwrap();
        assert!(!talked(&world, other));
        assert_eq!((reasons(&world, answered), reasons(&world, other)), (vec![], vec![ELSEWHERE]));
        let (picked_up, stopped) = (
            at(&world, answered, |e| matches!(e, phone::Event::Connected)),
            at(&world, other, |e| matches!(e, phone::Event::Ended { .. })),
        );
        assert!(stopped - picked_up < millis(200), "{:?}", stopped - picked_up);
    }
}

#[test]
fn both_are_picked_up_at_once_and_one_of_them_is_told() {
    let mut crossed = 0;
    // From together to well apart: over the network's 5 ms there and back, the CANCEL comes in time.
    for apart in 0..40 {
        let mut world = town();
        let phones = [world.add_clerk(secs(0), "yuki", after(3000)), world.add_clerk(secs(0), "yuki", after(3000 + apart))];
        caller(&mut world);
        rest(&mut world);
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)], "{apart} ms");
        assert_eq!(offers(&world), [OfferEnd::Answered]);
        let told: Vec<&str> = phones.iter().flat_map(|p| reasons(&world, *p)).collect();
        assert_eq!(told, [ELSEWHERE], "{apart} ms: one of them, once");
        crossed += usize::from(phones.iter().all(|p| talked(&world, *p)));
    }
    assert!((1..40).contains(&crossed), "{crossed} of 40 crossed on the way");
}

#[test]
fn who_talks_on_one_phone_is_busy_on_all() {
    let mut world = town();
    let (desk, pocket) = (world.add_clerk(secs(0), "yuki", after(1000)), world.add_clerk(secs(0), "yuki", never()));
    caller(&mut world);
    let second = world.add_resident(secs(30), Resident { keys: ONE.to_owned(), talk: Some(secs(10)), ..Resident::default() });
    world.run_until(secs(60));
    assert_eq!((rang(&world, desk), rang(&world, pocket)), (1, 1), "neither rings for the second caller");
    assert!(world.phone(second).is_some_and(phone::Phone::is_connected));
    rest(&mut world);
    assert_eq!(ends(&world).len(), 2);
    assert_eq!((rang(&world, desk), rang(&world, pocket)), (2, 2));
}

// ---- phones that are not there -----------------------------------------------------------------------------------------------

#[test]
fn a_dead_phone_neither_ends_the_offer_nor_cuts_the_ring_of_the_living() {
    let mut world = town();
    // Eight seconds, far beyond the two in which a phone must say something.
    let (dead, living) = (world.add_clerk(secs(0), "yuki", never()), world.add_clerk(secs(0), "yuki", after(8000)));
    world.at(secs(3), dead, Command::Vanish);
    caller(&mut world);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(offers(&world), [OfferEnd::Answered]);
    assert!(talked(&world, living));
    // It is put out as soon as it is known to be deaf, and only then.
    let offered = when(&world, |e| matches!(e, Event::Offered { .. }));
    let out = when(&world, |e| matches!(e, Event::PhoneGone { why: PhoneGone::Silent, .. })) - offered;
    assert!((millis(2000)..millis(2100)).contains(&out), "{out:?}");
    let engine = world.engine().unwrap();
    assert_eq!(engine.agent_state(&AgentId::from("yuki")), Some(AgentState::Idle), "the agent is there");
}

#[test]
fn the_dead_one_of_two_costs_the_next_caller_nothing() {
    let mut world = town();
    let (dead, living) = (world.add_clerk(secs(0), "yuki", never()), world.add_clerk(secs(0), "yuki", clerk(AnswerPolicy::Decline(486))));
    world.add_clerk(secs(4), "mio", after(1000));
    world.at(secs(3), dead, Command::Vanish);
    caller(&mut world);
    world.run_until(secs(120));
    // The phone that is busy says so at once; that the other is dead is known two seconds later, and the offer ends with what was said.
    let first = when(&world, |e| matches!(e, Event::OfferEnded { .. })) - when(&world, |e| matches!(e, Event::Offered { .. }));
    assert!((millis(2000)..millis(2100)).contains(&first), "{first:?}");
    assert_eq!(offers(&world), [OfferEnd::Declined, OfferEnd::Answered]);
    assert_eq!(gone(&world), [PhoneGone::Silent]);
    // Mio is away for the second caller, so that yuki is asked: this time it takes no two seconds.
    world.dials_code(secs(121), PersonId(2), "*2");
    world.add_resident(secs(130), Resident { keys: ONE.to_owned(), patience: secs(20), ..Resident::default() });
    rest(&mut world);
    let offered = world.notes().filter(|(_, e)| matches!(e, Event::Offered { .. })).nth(2).unwrap().0;
    let ended = world.notes().filter(|(_, e)| matches!(e, Event::OfferEnded { .. })).nth(2).unwrap().0;
    assert!(ended.since(offered) < millis(100), "{:?}", ended.since(offered));
    assert_eq!(rang(&world, living), 2);
}

#[test]
fn two_dead_phones_are_an_agent_who_cannot_be_reached() {
    let mut world = town();
    let phones = [world.add_clerk(secs(0), "yuki", never()), world.add_clerk(secs(0), "yuki", never())];
    world.add_clerk(secs(1), "mio", after(1000));
    phones.iter().for_each(|p| world.at(secs(3), *p, Command::Vanish));
    caller(&mut world);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!(offers(&world), [OfferEnd::Unreachable, OfferEnd::Answered]);
    let offered = when(&world, |e| matches!(e, Event::Offered { .. }));
    let ended = when(&world, |e| matches!(e, Event::OfferEnded { .. })) - offered;
    assert!((millis(2000)..millis(2100)).contains(&ended), "both are waited for at the same time: {ended:?}");
    // The last one stays in the list, or the agent would be signed out by it; it runs out like any other.
    assert_eq!(gone(&world), [PhoneGone::Silent]);
}

#[test]
fn a_phone_that_starts_anew_is_rung_once() {
    let mut world = town();
    let (desk, pocket) = (world.add_clerk(secs(0), "yuki", after(2000)), world.add_clerk(secs(0), "yuki", never()));
    world.sleeps(secs(1), desk, secs(2));
    caller(&mut world);
    rest(&mut world);
    assert_eq!(offers(&world), [OfferEnd::Answered]);
    assert_eq!((rang(&world, desk), rang(&world, pocket)), (1, 1));
    assert_eq!(gone(&world), []);
}

#[test]
fn one_of_two_vanishes_while_both_ring() {
    for (dies, at) in [(0, 600), (0, 3000), (1, 600), (1, 3000)] {
        let mut world = town();
        let phones = [world.add_clerk(secs(0), "yuki", after(6000)), world.add_clerk(secs(0), "yuki", after(6000))];
        caller(&mut world);
        world.run_until(secs(5));
        while rang(&world, phones[0]) == 0 {
            world.run_until(world.now().since(model::Instant::ZERO) + millis(10));
        }
        let rings = world.now().since(model::Instant::ZERO);
        world.at(rings + millis(at), phones[dies], Command::Vanish);
        rest(&mut world);
        assert_eq!(offers(&world), [OfferEnd::Answered], "{dies} {at}");
        assert!(talked(&world, phones[1 - dies]));
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    }
}

#[test]
fn a_phone_signs_off_while_it_rings_and_the_other_rings_on() {
    let mut world = town();
    let (desk, pocket) = (world.add_clerk(secs(0), "yuki", after(8000)), world.add_clerk(secs(0), "yuki", never()));
    caller(&mut world);
    while rang(&world, pocket) == 0 {
        world.run_until(world.now().since(model::Instant::ZERO) + millis(10));
    }
    let rings = world.now().since(model::Instant::ZERO);
    world.at(rings + secs(1), pocket, Command::Unregister);
    rest(&mut world);
    assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
    assert_eq!((offers(&world), gone(&world)), (vec![OfferEnd::Answered], vec![PhoneGone::Left]));
    assert!(talked(&world, desk));
    let stopped = at(&world, pocket, |e| matches!(e, phone::Event::Ended { .. })) - rings;
    assert!((secs(1)..millis(1200)).contains(&stopped), "{stopped:?}");
    assert_eq!(reasons(&world, pocket), [""; 0], "nobody had answered by then");
}

#[test]
fn the_agent_is_signed_in_until_the_last_phone_goes() {
    let mut world = town();
    let (desk, pocket) = (world.add_clerk(secs(0), "yuki", never()), world.add_clerk(secs(0), "yuki", never()));
    let state = |world: &World| world.engine().unwrap().agent_state(&AgentId::from("yuki"));
    world.at(secs(2), desk, Command::Unregister);
    world.run_until(secs(3));
    assert_eq!(state(&world), Some(AgentState::Idle));
    // A break is the agent's, on whatever phone it was asked for.
    world.at(secs(4), desk, Command::Register);
    world.dials_code(secs(5), desk, "*2");
    world.run_until(secs(20));
    assert_eq!(state(&world), Some(AgentState::NotReady));
    world.at(secs(21), desk, Command::Unregister);
    world.run_until(secs(22));
    assert_eq!(state(&world), Some(AgentState::NotReady));
    world.at(secs(23), pocket, Command::Unregister);
    world.run_until(secs(24));
    assert_eq!(state(&world), Some(AgentState::SignedOut));
    rest(&mut world);
    assert_eq!(world.notes().filter(|(_, e)| matches!(e, Event::Unregistered { .. })).count(), 1);
}

#[test]
fn a_fourth_phone_puts_out_the_first_and_three_ring() {
    let mut world = town();
    let phones: Vec<PersonId> = (0..4).map(|n| world.add_clerk(secs(n), "yuki", never())).collect();
    caller(&mut world);
    rest(&mut world);
    let count: BTreeMap<PersonId, usize> = phones.iter().map(|p| (*p, rang(&world, *p))).collect();
    assert_eq!(count[&phones[0]], 0, "{count:?}");
    assert!(phones[1..].iter().all(|p| count[p] >= 1), "{count:?}");
    assert!(gone(&world).starts_with(&[PhoneGone::Full]));
}

// ---- phones that say no ------------------------------------------------------------------------------------------------------

#[test]
fn a_busy_phone_speaks_for_itself_and_a_decline_for_the_agent() {
    // RFC 3261 section 21.4.24 (486: this phone) and section 21.6.2 (603: the person).
    for (status, offer, told) in [
        (486, OfferEnd::Answered, vec![]),
        (480, OfferEnd::Answered, vec![]),
        (603, OfferEnd::Declined, vec![DECLINED]),
        (600, OfferEnd::Declined, vec![DECLINED]),
    ] {
        let mut world = town();
        let (no, other) =
            (world.add_clerk(secs(0), "yuki", clerk(AnswerPolicy::Decline(status))), world.add_clerk(secs(0), "yuki", after(3000)));
        world.add_clerk(secs(1), "mio", after(1000));
        caller(&mut world);
        rest(&mut world);
        assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
        assert_eq!(offers(&world)[0], offer, "{status}");
        assert_eq!(rang(&world, no), 1);
        assert_eq!((talked(&world, other), reasons(&world, other)), (offer == OfferEnd::Answered, told), "{status}");
        assert_eq!(gone(&world), [], "{status}: it has said something");
    }
}

#[test]
fn when_all_phones_say_no_the_offer_is_over_at_once() {
    for (first, second, offer) in
        [(486, 486, OfferEnd::Declined), (486, 480, OfferEnd::Declined), (480, 486, OfferEnd::Declined), (480, 480, OfferEnd::Unreachable)]
    {
        let mut world = town();
        world.add_clerk(secs(0), "yuki", clerk(AnswerPolicy::Decline(first)));
        world.add_clerk(secs(0), "yuki", clerk(AnswerPolicy::Decline(second)));
        world.add_clerk(secs(1), "mio", after(1000));
        caller(&mut world);
        rest(&mut world);
        assert_eq!(offers(&world), [offer, OfferEnd::Answered], "{first} {second}");
        let took = when(&world, |e| matches!(e, Event::OfferEnded { .. })) - when(&world, |e| matches!(e, Event::Offered { .. }));
        assert!(took < millis(100), "{took:?}");
    }
}

#[test]
fn nobody_answers_either_phone_and_both_show_a_missed_call() {
    let mut world = town();
    let phones = [world.add_clerk(secs(0), "yuki", never()), world.add_clerk(secs(0), "yuki", never())];
    world.add_clerk(secs(1), "mio", after(1000));
    caller(&mut world);
    rest(&mut world);
    assert_eq!(offers(&world), [OfferEnd::NoAnswer, OfferEnd::Answered]);
    for phone in phones {
        assert_eq!((rang(&world, phone), reasons(&world, phone)), (1, vec![]));
    }
}

// ---- the caller and the machine ----------------------------------------------------------------------------------------------

#[test]
fn the_caller_gives_up_while_two_phones_ring_and_both_stop_within_200_ms() {
    // Also in the moments in which neither phone has said anything yet, or only one has.
    for rings_for in (0..40).chain([500, 1500, 3000]) {
        let mut world = town();
        let phones = [world.add_clerk(secs(0), "yuki", never()), world.add_clerk(secs(0), "yuki", never())];
        let who = caller(&mut world);
        while !world.notes().any(|(_, e)| matches!(e, Event::Offered { .. })) {
            world.run_until(world.now().since(model::Instant::ZERO) + millis(1));
        }
        let gives_up = world.now().since(model::Instant::ZERO) + millis(rings_for);
        world.at(gives_up, who, Command::HangUp);
        rest(&mut world);
        assert_eq!(ends(&world), [(CallEnd::AbandonedInQueue, Party::Caller)]);
        assert_eq!(offers(&world), [OfferEnd::Withdrawn]);
        for phone in phones.into_iter().filter(|p| rang(&world, *p) > 0) {
            let stopped = at(&world, phone, |e| matches!(e, phone::Event::Ended { .. }));
            assert!(stopped.saturating_sub(gives_up) < millis(200), "{rings_for}: {:?}", stopped - gives_up);
            assert_eq!(reasons(&world, phone), [""; 0], "a caller who gave up is a missed call");
        }
    }
}

#[test]
fn the_engine_is_killed_while_two_phones_ring_and_its_journal_agrees() {
    for later in [0, 1, 5, 10, 20, 50, 200, 1000, 3500] {
        let mut world = town();
        world.add_clerk(secs(0), "yuki", after(3000));
        world.add_clerk(secs(0), "yuki", after(3005));
        caller(&mut world);
        while !world.notes().any(|(_, e)| matches!(e, Event::Offered { .. })) {
            world.run_until(world.now().since(model::Instant::ZERO) + millis(1));
        }
        let crash = world.now().since(model::Instant::ZERO) + millis(later);
        world.run_until(crash);
        agrees(&world);
        world.crash(crash, secs(1));
        // What the phones say of an engine that is killed in the middle of a sentence is no fault of its.
        world.run_until_quiet(LIMIT);
        assert_eq!(ends(&world), [(CallEnd::LostInRestart, Party::Engine)], "{later} ms");
    }
}

#[test]
fn a_callback_rings_all_phones_and_one_of_them_takes_it() {
    let mut world = World::new(Town { callbacks: true, ..Town::default() }.build(), 1).audited();
    // A nurse on two phones, busy with somebody else until 300 s. The next caller asks to be called back, and is.
    let phones = [world.add_clerk(secs(0), "yuki", after(1000)), world.add_clerk(secs(0), "yuki", after(1003))];
    world.add_resident(secs(40), Resident { keys: ONE.to_owned(), talk: Some(secs(240)), ..Resident::default() });
    let books = Resident { keys: "WWWW1WWWWWWWWWW9WWWWWWWWWW1".to_owned(), number: Some("08011112222".to_owned()), ..Resident::default() };
    world.add_resident(secs(70), books);
    let answer = AnswerPolicy::After(secs(2));
    world.add_neighbour(Neighbour {
        number: "08011112222".to_owned(),
        answer,
        keys: "WW1".to_owned(),
        talk: Some(secs(60)),
        ..Neighbour::default()
    });
    world.run_until(secs(600));
    rest(&mut world);
    agrees(&world);
    assert_eq!(ends(&world).into_iter().filter(|(end, _)| *end == CallEnd::Served).count(), 2);
    assert!(world.records().iter().any(|record| record.called_back && record.end == CallEnd::Served));
    assert_eq!(offers(&world), [OfferEnd::Answered, OfferEnd::Answered]);
    assert_eq!(phones.map(|p| rang(&world, p)), [2, 2]);
    let told: Vec<&str> = phones.iter().flat_map(|p| reasons(&world, *p)).collect();
    assert_eq!(told, [ELSEWHERE, ELSEWHERE]);
}

#[test]
fn a_day_of_agents_with_several_phones_that_come_and_go_leaves_nothing_behind() {
    for seed in 0..20 {
        let mut world = World::new(Town { ring_secs: 8, ..Town::default() }.build(), seed).audited();
        let mut random = Random::from_number(seed);
        let mut below = move |n: u64| random.below(n);
        let mut phones = Vec::new();
        for (name, many) in [("yuki", 3), ("mio", 2), ("aya", 4), ("rin", 1)] {
            for _ in 0..many {
                let answer = match below(6) {
                    0 => AnswerPolicy::Never,
                    1 => AnswerPolicy::Decline(486),
                    2 => AnswerPolicy::Decline(603),
                    // Close enough together that two answer at once now and then.
                    _ => AnswerPolicy::After(millis(1000 + below(12))),
                };
                phones.push(world.add_clerk(millis(below(2000)), name, clerk(answer)));
            }
        }
        for _ in 0..40 {
            let patience = secs(20 + below(60));
            let who = Resident { keys: ONE.to_owned(), patience, talk: Some(secs(5 + below(30))), ..Resident::default() };
            world.add_resident(secs(5 + below(600)), who);
        }
        for _ in 0..60 {
            let (at, phone) = (millis(3000 + below(600_000)), phones[below(phones.len() as u64) as usize]);
            match below(4) {
                0 => world.at(at, phone, Command::Unregister),
                1 | 2 => world.at(at, phone, Command::Register),
                _ => world.sleeps(at, phone, secs(1 + below(20))),
            }
        }
        world.run_until_quiet(LIMIT);
        // A phone that was switched off and on has forgotten what it was asked before.
        let forgotten = |fault: &String| ["no dialog", "no INVITE", "never asked"].iter().any(|words| fault.contains(words));
        let violations: Vec<String> = world.violations().into_iter().filter(|fault| !forgotten(fault)).collect();
        assert_eq!(violations, [""; 0], "seed {seed}");
        assert_eq!(world.repairs(), 0, "seed {seed}");
        agrees(&world);
    }
}

#[test]
fn who_missed_calls_because_nothing_reached_them_is_asked_again_when_a_phone_comes_from_elsewhere() {
    for reached in [false, true] {
        let mut world = town();
        let phone = world.add_clerk(secs(0), "yuki", never());
        if !reached {
            world.cut_off(secs(4), phone, secs(200));
        }
        world.add_resident(secs(5), Resident { keys: ONE.to_owned(), patience: secs(300), ..Resident::default() });
        world.run_until(secs(100));
        let state = |world: &World| world.engine().unwrap().agent_state(&AgentId::from("yuki"));
        assert_eq!(state(&world), Some(AgentState::NotResponding), "{reached}");
        world.add_clerk(secs(101), "yuki", after(2000));
        world.run_until_quiet(LIMIT);
        // Who lets it ring is away, whatever phones they have.
        let end = if reached { CallEnd::AbandonedInQueue } else { CallEnd::Served };
        assert_eq!(ends(&world), [(end, Party::Caller)], "{reached}");
    }
}
