//! A day that the real engine lived, with redials, busy tones, callbacks and transfers: the report's figures against a count over what
//! the world itself saw and did, without the report's own arithmetic.

use super::figures::{Count, Definition, Share, Terms};
use crate::zone::Zone;
use calls::Record;
use model::{AbandonStage, CallEnd, CallId, CallRecord, Event, Millis, Refusal, TransferEnd};
use phone::{AnswerPolicy, Command};
use sim::{Again, Clerk, Neighbour, PersonId, Resident, Town, Voice, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const T: Millis = Millis(20_000);

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Sixty residents call a town of two nurses and a clerk that has ten channels. Some ask for the ward, some to be called back, some press
/// nothing, some give up at once, and whoever was not served dials again.
fn day() -> (World, Vec<PersonId>) {
    let mut world = World::new(Town { calls_max: 10, callbacks: true, hotline: true, ..Town::default() }.build(), 3);
    for name in ["yuki", "mio", "ken"] {
        world.add_clerk(secs(0), name, Clerk::default());
    }
    // Rings in vain: somebody gives up while a phone rings.
    let jun = world.add_clerk(secs(300), "jun", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.at(secs(1200), jun, Command::Unregister);
    for _ in 0..2 {
        world.add_neighbour(Neighbour { keys: "WW1".to_owned(), talk: Some(secs(40)), ..Neighbour::default() });
    }
    let mut random = model::Random::from_number(11);
    let mut people = Vec::new();
    for n in 0..60u64 {
        let books = n % 12 == 5;
        let keys = match n % 6 {
            _ if books => "WWWW1WWWWWWWWWW9WWWWWWWWWW1",
            0 | 1 => "WWWW1",
            2 | 3 => "WWWW2",
            4 => "WWWW4",
            _ => "",
        };
        let patience = match n % 10 {
            // Presses nothing and leaves in the menu.
            _ if n % 12 == 11 => secs(12),
            3 => secs(1 + n % 4),
            6 => secs(9),
            7 => secs(45),
            8 => secs(22),
            _ => secs(300),
        };
        let number = format!("0804444{n:04}");
        let resident = Resident {
            keys: keys.to_owned(),
            patience: if books { secs(600) } else { patience },
            talk: Some(secs(20 + random.below(90))),
            again: (n % 3 != 0 && !books).then_some(Again { after: secs(30 + random.below(60)), times: 3 }),
            number: Some(if n == 20 || n == 40 { "anonymous".to_owned() } else { number.clone() }),
            dials: if n == 30 { "0449999999".to_owned() } else { sim::town::NUMBER.to_owned() },
            ..Resident::default()
        };
        people.push(world.add_resident(secs(5 + n * 14), resident));
        if books {
            world.add_neighbour(Neighbour {
                number,
                answer: AnswerPolicy::After(secs(4)),
                keys: "WW1".to_owned(),
                talk: Some(secs(30)),
                ..Neighbour::default()
            });
        }
    }
    world.run_until(secs(3 * 3600));
    world.run_until_quiet(secs(4 * 3600));
    assert_eq!(world.violations(), [""; 0]);
    (world, people)
}

fn share(part: usize, of: usize) -> Share {
    Share { part: part as u64, of: of as u64 }
}

#[test]
fn a_lively_day_is_counted_as_the_people_of_it_lived_it() {
    let (world, people) = day();
    let zone = Zone::tokyo();
    let today = zone.day(sim::town::MONDAY);
    let mut count = Count::new(Terms { zone, days: (today, today), within: Some(T), ..Terms::default() });
    world.ledger().dated().for_each(|(wall, record)| count.see(wall, record));
    let report = count.finish(None);
    let total = &report.total;

    // What the phones know: who dialled the town, how often, and who heard a busy tone. Nobody counted this but the people themselves.
    let known: Vec<(usize, &PersonId)> = people.iter().enumerate().filter(|(n, _)| *n != 30).collect();
    let tries = |person: PersonId| world.told(person).filter(|(_, e)| matches!(e, phone::Event::Ended { .. })).count();
    let busy = |person: PersonId| {
        world.told(person).filter(|(_, e)| matches!(e, phone::Event::Ended { status: Some(486 | 503 | 600), .. })).count()
    };
    let attempts: usize = known.iter().map(|(_, p)| tries(**p)).sum();
    let hidden = |n: usize| n == 20 || n == 40;
    let shown: Vec<usize> = known.iter().filter(|(n, _)| !hidden(*n)).map(|(_, p)| tries(**p)).collect();
    let blocked: usize = known.iter().map(|(_, p)| busy(**p)).sum();
    assert!(blocked >= 5, "no busy tone, no test: {blocked}");
    assert_eq!((total.attempts, total.blocked_full), (attempts as u64, blocked as u64));
    assert_eq!(total.withheld as usize, attempts - shown.iter().sum::<usize>());
    assert_eq!(total.persons as usize, shown.len());
    assert_eq!(total.redials as usize, shown.iter().sum::<usize>() - shown.len());
    assert_eq!(total.persons_again, share(shown.iter().filter(|n| **n > 1).count(), shown.len()));
    // Who dials a wrong number gets no record: strangers must not fill the disk.
    assert_eq!((report.refused_otherwise, tries(people[30])), (0, 1));

    // What the engine noted, call by call.
    let mut reached: BTreeMap<String, bool> = BTreeMap::new();
    let mut callers = BTreeMap::new();
    let mut ended: Vec<CallRecord> = Vec::new();
    let mut with_somebody: BTreeSet<CallId> = BTreeSet::new();
    for told in world.events() {
        match &told.what {
            Voice::Engine(Event::Arrived { call, caller, .. }) => drop(callers.insert(*call, caller.reveal().clone())),
            // With an agent, or with the ward.
            Voice::Engine(Event::Bridged { call, .. } | Event::Transferred { call, how: TransferEnd::Connected, .. }) => {
                with_somebody.insert(*call);
            }
            Voice::Engine(Event::Ended { record }) => {
                ended.push((**record).clone());
                // Whom we call back does not arrive: they are who booked.
                let booked = ended.iter().find(|earlier| record.called_back && earlier.person == record.person).map(|earlier| earlier.call);
                if let Some(caller) = callers.get(&booked.unwrap_or(record.call)).filter(|caller| *caller != "anonymous") {
                    *reached.entry(caller.clone()).or_default() |= with_somebody.contains(&record.call);
                }
            }
            Voice::Engine(_) | Voice::Phone(..) | Voice::Reply(_) | Voice::Crashed | Voice::Restored => {}
        }
    }
    let came: Vec<&CallRecord> = ended.iter().filter(|r| !r.called_back).collect();
    let back: Vec<&CallRecord> = ended.iter().filter(|r| r.called_back).collect();
    assert_eq!(came.len() + blocked, attempts, "each attempt is a call or a busy tone");
    let talked = reached.values().filter(|talked| **talked).count();
    assert_eq!(total.persons_reached, share(talked, shown.len()), "{reached:?}");
    let of = |list: &[&CallRecord], test: &dyn Fn(&CallRecord) -> bool| list.iter().filter(|r| test(r)).count();
    let served = |r: &CallRecord| with_somebody.contains(&r.call);
    for stage in [AbandonStage::Short, AbandonStage::Greeting, AbandonStage::Menu, AbandonStage::Queue, AbandonStage::Ringing] {
        let gave_up = of(&came, &|r| !served(r) && r.gave_up == Some(stage));
        assert_eq!(total.gave_up[&stage] as usize, gave_up, "{stage}");
        assert!(gave_up > 0 || stage == AbandonStage::Greeting, "nobody gave up there: {stage}");
    }
    let queued: Vec<&CallRecord> = came.iter().copied().filter(|r| r.queue.is_some()).collect();
    let gave_up = |r: &CallRecord| !served(r) && r.gave_up.is_some();
    let quick = |r: &CallRecord| r.waited.is_some_and(|w| w <= T);
    let (answered, abandoned) = (of(&queued, &served), of(&queued, &gave_up));
    let (in_time, early) = (of(&queued, &|r| served(r) && quick(r)), of(&queued, &|r| gave_up(r) && quick(r)));
    assert_eq!((total.offered, total.answered, total.abandoned), (queued.len() as u64, answered as u64, abandoned as u64));
    assert_eq!(total.callback_booked as usize, of(&queued, &|r| r.end == CallEnd::CallbackBooked));
    let expected = [
        (Definition::OfOffered, share(in_time, queued.len())),
        (Definition::OfAnswered, share(in_time, answered)),
        (Definition::WithoutEarlyAbandons, share(in_time, queued.len() - early)),
        (Definition::EarlyAbandonsAsAnswered, share(in_time + early, queued.len())),
    ];
    assert_eq!(total.service.map(|s| (s.definition, s.share)), expected);
    assert!(in_time < answered && early > 0 && early < abandoned, "the four truths differ: {expected:?}");
    assert_eq!(total.callbacks, share(of(&back, &served), back.len()));
    assert!(!back.is_empty(), "nobody was called back");
    let put_through = world.notes().filter(|(_, e)| matches!(e, Event::Transferred { how: TransferEnd::Connected, .. })).count();
    assert!(put_through > 0, "nobody was put through to the ward");

    // All that is counted for one number or one queue is counted for all.
    assert_eq!(report.numbers.values().map(|f| f.attempts).sum::<u64>(), total.attempts);
    assert_eq!(report.queues.values().map(|f| f.offered).sum::<u64>(), total.offered);
    let refused = world.ledger().records().filter(|r| matches!(r, Record::Refused { why: Refusal::Full, .. })).count();
    assert_eq!(refused, blocked, "each busy tone is in the journal");
}
