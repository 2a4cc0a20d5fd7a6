//! Stories that the real engine lived, under virtual time, against the texts in `tests/golden`: what its journal would hold, told in both
//! languages and as JSON. Each decision in them is also counted over: nobody may be missing from its reasons.

use super::golden::{told, town};
use super::story::{Cause, Story, What, story};
use super::words::{Tongue, page};
use calls::{City, Record};
use model::{AgentId, CallId, KeptFor, Level, Millis, Need, Queue, QueueId, Relax, Reserve, Skill, UnixMillis};
use phone::{AnswerPolicy, Command, Key};
use sim::{Clerk, Neighbour, PersonId, Resident, Town, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One for the nurse, in the middle of the main menu.
const NURSE: &str = "WWWW1";
const GENERAL: &str = "WWWW2";
const LIMIT: Duration = secs(2 * 3600);
const MINE: &str = "08011112222";

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn presses(keys: &str, talk: u64) -> Resident {
    Resident { keys: keys.to_owned(), talk: Some(secs(talk)), ..Resident::default() }
}

fn nurse() -> QueueId {
    QueueId::from("nurse")
}

fn need(skill: &str, level: u8) -> Need {
    Need { skill: Skill::from(skill), level: Level::new(level).unwrap() }
}

/// The town with one queue otherwise than its files have it.
fn with(city: &City, queue: &str, change: impl FnOnce(&mut Queue)) -> Arc<City> {
    let mut book = (*city.book).clone();
    change(book.queues.get_mut(&QueueId::from(queue)).unwrap());
    Arc::new(City { book: Arc::new(book), ..city.clone() })
}

/// What the journal would hold, and who could have been chosen.
struct Lived {
    records: Vec<(UnixMillis, Record)>,
    agents: usize,
    city: Arc<City>,
}

/// To the end of the day, with nothing left.
fn lived(mut world: World) -> Lived {
    world.run_until_quiet(LIMIT);
    assert_eq!(world.violations(), [""; 0]);
    let records: Vec<_> = world.ledger().dated().map(|(wall, record)| (wall, record.clone())).collect();
    let lived = Lived { records, agents: world.city().book.agents.len(), city: Arc::clone(world.city()) };
    lived.every_decision_is_whole();
    lived
}

impl Lived {
    /// Whatever a decision says adds up: each agent but the chosen one is in exactly one count, whoever is named is counted, and an easing
    /// comes when the queue's rules have it.
    fn every_decision_is_whole(&self) {
        let mut since: BTreeMap<model::TicketId, UnixMillis> = BTreeMap::new();
        let mut seen = 0;
        for (at, record) in &self.records {
            let (why, ticket, queue, chosen) = match record {
                Record::Placed { place, .. } => {
                    since.insert(place.ticket, place.since);
                    continue;
                }
                Record::Waits { why, ticket, queue, .. } => (why, Some(*ticket), queue, None),
                Record::Assigned { why, queue, agent, .. } => (why, None, queue, Some(agent)),
                _ => continue,
            };
            seen += 1;
            let counted: u32 = why.counts.values().sum();
            assert_eq!(counted as usize + usize::from(chosen.is_some()), self.agents, "{at:?} {record:?}");
            assert!(why.passed_over.len() <= model::Why::NAMED_MAX);
            let mut named: BTreeMap<model::Reason, u32> = BTreeMap::new();
            for passed in &why.passed_over {
                assert_ne!(Some(&passed.agent), chosen, "the chosen one was not passed over: {record:?}");
                *named.entry(passed.why.reason()).or_default() += 1;
            }
            assert!(named.iter().all(|(reason, n)| why.counts.get(reason).is_some_and(|all| n <= all)), "{record:?}");
            if let (Some(ticket), Some(next)) = (ticket, why.next_relax) {
                let ease = &self.city.book.queues[queue].relax[why.relax_step as usize];
                let due = since[&ticket].0 + i64::try_from(ease.after.as_millis()).unwrap();
                assert_eq!(at.0 + i64::try_from(next.0).unwrap(), due, "the easing comes at its time: {record:?}");
            }
        }
        assert!(seen > 0, "nothing was decided");
    }

    fn of(&self, call: u64) -> Story {
        story(&self.records, CallId(call)).unwrap()
    }

    /// The calls in the order of their coming, by the number they showed last: `n` from 0.
    fn nth(&self, n: usize) -> CallId {
        let mut calls = self.records.iter().filter_map(|(_, r)| if let Record::Arrived { call, .. } = r { Some(*call) } else { None });
        calls.nth(n).unwrap()
    }

    /// The story of the `n`th call, as it is kept in the golden files.
    fn told(&self, name: &str, n: usize) -> Story {
        let story = self.of(self.nth(n).0);
        told(name, &story);
        story
    }
}

#[test]
fn a_nurse_is_idle_and_kept_back_for_who_needs_a_nurse() {
    let reserve = Reserve { keep: 1, of: Skill::from("nurse"), kept_for: KeptFor::Queue(nurse()), hysteresis: 0 };
    let city = with(&Town::default().build(), "nurse", |queue| queue.reserve = Some(reserve));
    let city = with(&city, "general", |queue| queue.helped_by = vec![nurse()]);
    let mut world = World::new(city, 1);
    for name in ["ken", "yuki"] {
        world.add_clerk(secs(0), name, Clerk::default());
    }
    world.add_resident(secs(5), presses(GENERAL, 70));
    world.add_resident(secs(20), presses(GENERAL, 60));
    let story = lived(world).told("reserve_held", 1);
    assert!(matches!(story.causes[..], [Cause::Reserve { .. }]), "{:?}", story.causes);
}

#[test]
fn nobody_free_is_skilled_enough_until_the_easing() {
    let ease = Relax { after: secs(60), needs: BTreeMap::from([(Skill::from("nurse"), Level::new(3))]), lang: None };
    let city = with(&Town::default().build(), "nurse", |queue| {
        queue.needs = vec![need("nurse", 5)];
        queue.relax = vec![ease];
    });
    let mut world = World::new(city, 1);
    for name in ["yuki", "mio", "ken"] {
        world.add_clerk(secs(0), name, Clerk::default());
    }
    world.add_resident(secs(5), presses(NURSE, 40));
    let story = lived(world).told("easing_pending", 0);
    assert!(matches!(story.causes[..], [Cause::EasingPending { .. }]), "{:?}", story.causes);
}

#[test]
fn the_only_free_nurse_is_excluded_for_this_caller() {
    let steps = "  other:\n    queue: nurse\n    except: [yuki]\n    while_waiting: { music: calm }\n    outcomes: { nobody_logged_in: nobody, full: nobody }\n";
    let mut world = World::new(Town::default().build_with_steps(r#""6": other"#, steps), 1);
    for name in ["mio", "yuki", "ken"] {
        world.add_clerk(secs(0), name, Clerk::default());
    }
    world.add_resident(secs(5), presses(NURSE, 200));
    world.add_resident(secs(25), Resident { patience: secs(90), ..presses("WWWW6", 60) });
    let story = lived(world).told("excluded_agent", 1);
    assert!(matches!(story.causes[..], [Cause::Excluded { .. }]), "{:?}", story.causes);
}

#[test]
fn a_phone_rings_out_another_declines_and_a_third_is_dead() {
    let mut world = World::new(Town::default().build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.add_clerk(secs(1), "mio", Clerk { answer: AnswerPolicy::Decline(486), ..Clerk::default() });
    let aya = world.add_clerk(secs(2), "aya", Clerk::default());
    world.add_clerk(secs(3), "rin", Clerk::default());
    world.at(secs(6), aya, Command::Vanish);
    world.add_resident(secs(8), presses(NURSE, 60));
    let story = lived(world).told("lease_expired", 0);
    let offers = |test: fn(&Cause) -> bool| story.causes.iter().any(test);
    assert!(offers(|c| matches!(c, Cause::RangOut { offers: 1 })), "{:?}", story.causes);
    assert!(offers(|c| matches!(c, Cause::Declined { offers: 1 })) && offers(|c| matches!(c, Cause::Unreachable { offers: 1 })));
}

#[test]
fn a_ward_with_one_line_never_gets_a_second_call() {
    let mut world = World::new(Arc::new(sim::town::with_outside(&Town::default().build())), 1);
    let nurses: Vec<PersonId> =
        [(0, "yuki"), (1, "mio")].into_iter().map(|(at, name)| world.add_clerk(secs(at), name, Clerk::default())).collect();
    let number = sim::town::SMALL_WARD.to_owned();
    world.add_neighbour(Neighbour { number, ..Neighbour::default() });
    world.add_resident(secs(5), presses(NURSE, 90));
    world.add_resident(secs(10), presses(NURSE, 240));
    for (at, nurse) in [(30, nurses[0]), (45, nurses[1]), (130, nurses[1])] {
        world.at(secs(at), nurse, Command::Press(Key::parse_script("*272").unwrap()));
    }
    // Handed over.
    world.at(secs(145), nurses[1], Command::HangUp);
    let story = lived(world).told("capacity_full", 1);
    assert!(story.causes.contains(&Cause::LineFull { times: 1 }), "{:?}", story.causes);
}

#[test]
fn an_urgent_caller_goes_first() {
    let mut world = World::new(Town::default().build_with_steps(r#""5": { set: { priority: urgent }, next: nurse }"#, ""), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), presses(NURSE, 60));
    world.add_resident(secs(20), presses(NURSE, 45));
    world.add_resident(secs(40), presses("WWWW5", 56));
    let lived = lived(world);
    let story = lived.told("overtaken_by_urgent", 1);
    let overtaken = |m: &What| matches!(m, What::Overtaken { class: Some(2), .. });
    assert!(story.moments.iter().any(|m| overtaken(&m.what)), "it is said that the other was urgent: {story:?}");
    assert!(story.causes.contains(&Cause::Overtaken { times: 1 }), "{:?}", story.causes);
    // The one who overtook has a story too, and it says whom it cost.
    let theirs = page(&lived.of(lived.nth(2).0), &town(), Tongue::English);
    assert!(theirs.contains("Went past 1 caller who had waited longer."), "{theirs}");
}

#[test]
fn a_callback_is_one_wait_told_from_both_calls() {
    let mut world = World::new(Town { callbacks: true, ..Town::default() }.build(), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(40), presses(NURSE, 240));
    let books = Resident { number: Some(MINE.to_owned()), patience: secs(600), ..presses("WWWW1WWWWWWWWWW9WWWWWWWWWW1", 20) };
    world.add_resident(secs(70), books);
    let home = world.add_neighbour(Neighbour {
        number: MINE.to_owned(),
        answer: AnswerPolicy::Never,
        keys: "WW1".to_owned(),
        talk: Some(secs(60)),
        ..Neighbour::default()
    });
    world.at(secs(330), home, Command::HangUp);
    world.at(secs(945), home, Command::Answer);
    let lived = lived_until_called_back(world);
    lived.told("callback", 1);
    let last = lived.records.iter().rev().find_map(|(_, r)| if let Record::Ended(record) = r { Some(record.call) } else { None });
    let back = lived.of(last.unwrap().0);
    told("called_back", &back);
    assert!(back.moments.iter().any(|m| matches!(&m.what, What::BeganAs { earlier } if *earlier == lived.nth(1))), "{back:?}");
    assert!(
        back.moments
            .iter()
            .any(|m| matches!(&m.what, What::Talk { agent, waited } if *agent == AgentId::from("yuki") && *waited > Millis(600_000)))
    );
}

/// A world is quiet between two attempts; so it is waited for the callback too.
fn lived_until_called_back(mut world: World) -> Lived {
    world.run_until(secs(1800));
    assert_eq!(world.engine().unwrap().census().callbacks, 0, "the callback is done");
    lived(world)
}
