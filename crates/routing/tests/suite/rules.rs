//! What a queue's file can declare, one situation at a time: reserves, helpers, rings, preferences, pauses, urgency, holds.

use crate::city::{person, queue};
use crate::desk::{Desk, agent, secs};
use model::WhyNot;
use model::{Agent, AgentState, KeptFor, Level, Millis, OfferEnd, Queue, QueueEnd, QueueId, Reason, Reserve, Ring, Skill, TicketId};
use routing::{Change, Decision, Preferred, Seen, Ticket};
use std::collections::BTreeMap;
use std::time::Duration;

fn kept(keep: u32, hysteresis: u32) -> Option<Reserve> {
    Some(Reserve { keep, of: Skill::from("nurse"), kept_for: KeptFor::Queue(QueueId::from("medical")), hysteresis })
}

/// The N-model: a general queue that nurses help, and their own queue, which keeps some of them back.
fn clinic(keep: u32, hysteresis: u32) -> (Vec<Queue>, Vec<Agent>) {
    let mut general = queue("general", &[("general", 1)]);
    general.helped_by = vec![QueueId::from("medical")];
    let mut medical = queue("medical", &[("nurse", 1)]);
    medical.reserve = kept(keep, hysteresis);
    general.wrap_up = Duration::ZERO;
    medical.wrap_up = Duration::ZERO;
    let people = vec![
        person("gen", &[("general", 3)], &["general"]),
        person("nurse1", &[("nurse", 3)], &["medical"]),
        person("nurse2", &[("nurse", 3)], &["medical"]),
        person("nurse3", &[("nurse", 3)], &["medical"]),
    ];
    (vec![general, medical], people)
}
fn open(city: (Vec<Queue>, Vec<Agent>), there: &[&str]) -> Desk {
    let mut desk = Desk::new(&city.0, &city.1);
    for who in there {
        desk.signs_in(secs(0), who);
    }
    desk
}
fn waits(desk: &Desk) -> Option<(u64, model::Why)> {
    desk.said.iter().find_map(|d| if let Decision::Waits { ticket, why, .. } = d { Some((ticket.0, why.clone())) } else { None })
}

#[test]
fn the_queues_own_agents_are_tried_before_those_who_help() {
    let mut desk = open(clinic(0, 0), &["nurse1", "gen"]);
    desk.calls(secs(5), 1, "general");
    assert_eq!(desk.rings_at(1).as_deref(), Some("gen"), "although the nurse has a lower name and is idle as long");
    desk.calls(secs(6), 2, "general");
    assert_eq!(desk.rings_at(2).as_deref(), Some("nurse1"));
}

#[test]
fn a_nurse_who_helps_takes_her_own_callers_first() {
    let mut desk = open(clinic(0, 0), &["nurse1"]);
    desk.calls(secs(1), 1, "medical");
    desk.answers(secs(1), "nurse1");
    desk.calls(secs(2), 2, "general");
    desk.calls(secs(3), 3, "medical");
    desk.hangs_up(secs(9), "nurse1");
    assert_eq!(desk.rings_at(3).as_deref(), Some("nurse1"), "the general caller is older, and not hers");
    desk.answers(secs(9), "nurse1");
    desk.hangs_up(secs(20), "nurse1");
    assert_eq!(desk.rings_at(2).as_deref(), Some("nurse1"));
}

#[test]
fn whoever_helps_must_speak_the_callers_language() {
    let (mut queues, mut people) = clinic(0, 0);
    queues[0].lang = Some(Level::SOME);
    people[1].skills.insert(Skill::from("vi"), Level::SOME);
    people[2].skills.insert(Skill::from("ja"), Level::SOME);
    let mut desk = open((queues, people), &["nurse1", "nurse2"]);
    desk.calls_with(secs(1), 1, "general", "ja", 0);
    assert_eq!(desk.rings_at(1).as_deref(), Some("nurse2"));
}

#[test]
fn a_reserve_is_held_on_arrival_and_on_completion() {
    let mut desk = open(clinic(1, 0), &["nurse1", "nurse2"]);
    desk.calls(secs(1), 1, "general");
    assert_eq!(desk.rings_at(1).as_deref(), Some("nurse1"), "two are idle, one stays");
    desk.answers(secs(1), "nurse1");
    desk.calls(secs(2), 2, "general");
    assert_eq!(desk.rings_at(2), None, "the last idle nurse is kept for medical callers");
    let (ticket, why) = waits(&desk).expect("it is said");
    assert_eq!((ticket, why.counts.get(&Reason::Reserved)), (2, Some(&1)));
    let reserved = why.passed_over.iter().find(|p| p.agent.as_str() == "nurse2").map(|p| p.why.clone());
    let kept_for = KeptFor::Queue(QueueId::from("medical"));
    assert_eq!(reserved, Some(WhyNot::Reserved { of: Skill::from("nurse"), keep: 1, idle: 1, kept_for }));
    // nurse1 comes free: two are idle, and one of them may go, the one who is idle longest.
    desk.hangs_up(secs(10), "nurse1");
    assert_eq!(desk.rings_at(2).as_deref(), Some("nurse2"));
    desk.calls(secs(11), 3, "medical");
    assert_eq!(desk.rings_at(3).as_deref(), Some("nurse1"), "for them she was kept");
    // On completion: a general caller waits, and the nurse who comes free is the only idle one.
    desk.answers(secs(12), "nurse2");
    desk.answers(secs(12), "nurse1");
    desk.calls(secs(13), 4, "general");
    desk.hangs_up(secs(20), "nurse2");
    assert_eq!((desk.rings_at(4), desk.state("nurse2")), (None, AgentState::Idle));
}

#[test]
fn a_reserve_with_hysteresis_lets_go_later_than_it_holds() {
    let mut desk = open(clinic(1, 1), &["nurse1", "nurse2"]);
    desk.calls(secs(1), 1, "general");
    assert_eq!(desk.rings_at(1), None, "it held while fewer were there, and two are one too few to let go");
    desk.signs_in(secs(2), "nurse3");
    assert!(desk.rings_at(1).is_some(), "three are idle");
    desk.calls(secs(3), 2, "general");
    assert!(desk.rings_at(2).is_some(), "two are idle and it does not hold yet: one may go");
    desk.calls(secs(4), 3, "general");
    assert_eq!(desk.rings_at(3), None);
    desk.does(|acd| acd.abandon(secs(5), TicketId(1)));
    assert_eq!(desk.rings_at(3), None, "two are idle again: not enough once it has held");
}

#[test]
fn a_reserve_for_the_urgent_stays_for_the_urgent_however_long_others_wait() {
    let (mut queues, people) = clinic(0, 0);
    queues[1].reserve = Some(Reserve { keep: 1, of: Skill::from("nurse"), kept_for: KeptFor::Class(2), hysteresis: 0 });
    queues[1].overtaken_max = Duration::from_secs(60);
    let mut desk = open((queues, people), &["nurse1"]);
    desk.calls_with(secs(0), 1, "medical", "ja", 1);
    assert_eq!(desk.rings_at(1), None);
    desk.until(secs(60));
    assert_eq!(desk.rings_at(1), None);
    desk.calls_with(secs(70), 2, "medical", "ja", 2);
    assert_eq!(desk.rings_at(2).as_deref(), Some("nurse1"));
}

/// The agent's own order of queues is no way round the bound either.
#[test]
fn an_endless_stream_in_an_agents_first_queue_does_not_starve_the_second() {
    let (mut first, mut second) = (queue("first", &[("general", 1)]), queue("second", &[("general", 1)]));
    (first.wrap_up, second.wrap_up) = (Duration::ZERO, Duration::ZERO);
    second.overtaken_max = Duration::from_secs(600);
    let mut desk = Desk::new(&[first, second], &[person("ken", &[("general", 3)], &["first", "second"])]);
    desk.signs_in(secs(0), "ken");
    desk.calls_with(secs(0), 1, "first", "ja", 2);
    desk.answers(secs(0), "ken");
    desk.calls(secs(1), 2, "second");
    for round in 1..60 {
        let now = secs(round * 30);
        desk.calls_with(now, 100 + round, "first", "ja", 2);
        desk.does(|acd| acd.finished(now, &agent("ken")));
        if desk.rings_at(2).is_some() {
            assert_eq!(round, 21, "the first time that ken is free after ten minutes");
            return;
        }
        desk.answers(now, "ken");
    }
    panic!("never served");
}

#[test]
fn a_later_ring_joins_in_at_its_age_and_stands_behind_the_first() {
    let mut general = queue("general", &[("general", 1)]);
    let ring = |after: u64, skill: &str| Ring { after: Duration::from_secs(after), skill: Skill::from(skill) };
    general.rings = vec![ring(30, "leader"), ring(60, "office")];
    let people = [
        person("boss", &[("general", 5), ("leader", 1), ("office", 1)], &[]),
        person("ken", &[("general", 1)], &[]),
        person("lead", &[("general", 5), ("leader", 1)], &[]),
    ];
    let mut desk = Desk::new(&[general], &people);
    for who in ["boss", "lead"] {
        desk.signs_in(secs(0), who);
    }
    desk.calls(secs(10), 1, "general");
    let why = waits(&desk).expect("nobody of the first ring is there").1;
    assert_eq!((why.counts.get(&Reason::LaterRing), why.ring), (Some(&2), 0));
    let lead = why.passed_over.iter().find(|p| p.agent.as_str() == "lead").map(|p| p.why.clone());
    assert_eq!(lead, Some(WhyNot::LaterRing { wait: Millis(30_000) }));
    assert_eq!(desk.acd.poll_timeout(), Some(secs(40)));
    desk.until(secs(40));
    assert_eq!((desk.rings_at(1).as_deref(), desk.why().map(|why| why.ring)), (Some("lead"), Some(1)));
    desk.signs_in(secs(41), "ken");
    desk.does(|acd| acd.abandon(secs(42), TicketId(1)));
    let old = desk.ticket(secs(0), 2, "general", "ja", 0);
    desk.does(|acd| acd.enqueue(secs(70), old));
    assert_eq!(desk.rings_at(2).as_deref(), Some("ken"), "all rings have joined in, and he is of the first");
}

#[test]
fn the_agent_who_knows_the_caller_is_waited_for_and_then_asked_first() {
    let people = [person("aoi", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 1)], &[])];
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &people);
    desk.signs_in(secs(0), "aoi");
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(1), 1, "nurse");
    desk.does(|acd| acd.abandon(secs(1), TicketId(1)));
    let prefers = |desk: &Desk, at: u64, id: u64| Ticket {
        preferred: Some(Preferred { agent: agent("yuki"), patience: Duration::from_secs(60) }),
        ..desk.ticket(secs(at), id, "nurse", "ja", 0)
    };
    let ticket = prefers(&desk, 10, 2);
    desk.does(|acd| acd.enqueue(secs(10), ticket));
    assert_eq!(desk.rings_at(2).as_deref(), Some("yuki"), "first of all");
    desk.answers(secs(11), "yuki");
    let ticket = prefers(&desk, 12, 3);
    desk.does(|acd| acd.enqueue(secs(12), ticket));
    assert_eq!(desk.rings_at(3), None, "she talks, and is waited for");
    let why = waits(&desk).expect("it is said").1;
    assert_eq!(why.counts, BTreeMap::from([(Reason::PrefersAnother, 1), (Reason::State(AgentState::Talking), 1)]));
    desk.until(secs(72));
    assert_eq!(desk.rings_at(3).as_deref(), Some("aoi"), "patience is over");
}

#[test]
fn nobody_waits_for_somebody_who_goes_on_a_break() {
    let people = [person("aoi", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 1)], &[])];
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &people);
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "yuki");
    desk.signs_in(secs(2), "aoi");
    let preferred = Some(Preferred { agent: agent("yuki"), patience: Duration::from_secs(600) });
    let ticket = Ticket { preferred, ..desk.ticket(secs(3), 2, "nurse", "ja", 0) };
    desk.does(|acd| acd.enqueue(secs(3), ticket));
    assert_eq!(desk.rings_at(2), None);
    desk.declares(secs(4), "yuki", Change::Break(None));
    assert_eq!(desk.rings_at(2).as_deref(), Some("aoi"));
}

#[test]
fn whoever_declines_a_caller_is_left_alone_for_the_pause_and_others_are_asked() {
    let mut nurse = queue("nurse", &[("nurse", 1)]);
    nurse.pause = Duration::from_secs(15);
    nurse.missed_max = 9;
    let people = [person("aoi", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 1)], &[])];
    let mut desk = Desk::new(&[nurse], &people);
    desk.signs_in(secs(0), "aoi");
    desk.calls(secs(1), 1, "nurse");
    desk.declines(secs(2), "aoi");
    assert_eq!((desk.rings_at(1), desk.acd.poll_timeout()), (None, Some(secs(17))));
    desk.calls(secs(3), 2, "nurse");
    assert_eq!(desk.rings_at(2).as_deref(), Some("aoi"), "the pause is about one caller only");
    desk.does(|acd| acd.abandon(secs(4), TicketId(2)));
    desk.signs_in(secs(5), "yuki");
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    desk.declines(secs(6), "yuki");
    assert_eq!(desk.rings_at(1), None, "both are left alone");
    desk.until(secs(17));
    assert_eq!(desk.rings_at(1).as_deref(), Some("aoi"));
}

#[test]
fn an_excluded_agent_is_never_asked_and_the_reason_says_so() {
    let mut desk =
        Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("aoi", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "aoi");
    let ticket = Ticket { excluded: vec![agent("aoi")], ..desk.ticket(secs(1), 1, "nurse", "ja", 0) };
    desk.does(|acd| acd.enqueue(secs(1), ticket.clone()));
    assert_eq!(desk.refused(), Some(QueueEnd::NobodyLoggedIn), "nobody else is there who could ever take it");
    desk.signs_in(secs(2), "yuki");
    desk.declares(secs(2), "yuki", Change::Break(None));
    desk.does(|acd| acd.enqueue(secs(3), ticket));
    let why = waits(&desk).expect("it waits").1;
    assert_eq!(why.counts, BTreeMap::from([(Reason::Excluded, 1), (Reason::State(AgentState::NotReady), 1)]));
    assert_eq!(why.passed_over[0].why, WhyNot::Excluded, "free, and held back: closer than whoever is not there");
}

#[test]
fn a_bonus_counts_as_age_within_the_class_and_the_overtaking_is_told() {
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(10), 1, "nurse");
    desk.calls(secs(20), 2, "nurse");
    desk.calls_with(secs(25), 3, "nurse", "ja", 1);
    let ticket = Ticket { bonus: Duration::from_secs(15), ..desk.ticket(secs(30), 4, "nurse", "ja", 0) };
    desk.does(|acd| acd.enqueue(secs(30), ticket));
    let places: Vec<_> = [3, 1, 4, 2].iter().map(|t| desk.acd.position(TicketId(*t))).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3), Some(4)]);
    let mut overtook = Vec::new();
    for second in 40..43 {
        desk.declares(secs(second), "yuki", Change::Ready);
        let why = desk.why().unwrap();
        overtook.push((desk.ringing("yuki").unwrap().1, why.overtook_count, why.overtook.iter().map(|t| t.0).collect::<Vec<_>>()));
        desk.answers(secs(second), "yuki");
        desk.hangs_up(secs(second), "yuki");
    }
    assert_eq!(overtook, [(3, 2, vec![1, 2]), (1, 0, vec![]), (4, 1, vec![2])]);
}

#[test]
fn nobody_is_overtaken_for_longer_than_the_queue_allows() {
    let mut nurse = queue("nurse", &[("nurse", 1)]);
    nurse.overtaken_max = Duration::from_secs(600);
    nurse.wrap_up = Duration::ZERO;
    nurse.max_waiting = 1000;
    let mut desk = Desk::new(&[nurse], &[person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    // One of normal urgency among an endless stream of urgent ones, one each 10 s; a call takes 20 s.
    let (mut served, mut next, mut urgent_before) = (None, 100, 0);
    desk.calls_with(secs(0), 99, "nurse", "ja", 2);
    desk.calls(secs(1), 1, "nurse");
    for second in (10..4000).step_by(10) {
        desk.calls_with(secs(second), next, "nurse", "ja", 2);
        next += 1;
        if second < 601 {
            urgent_before += 1;
        }
        if second % 20 == 0 {
            if desk.ringing("yuki").is_some_and(|(_, ticket)| ticket == 1) {
                served = Some(second);
                break;
            }
            if desk.ringing("yuki").is_some() {
                desk.answers(secs(second), "yuki");
            }
            desk.hangs_up(secs(second), "yuki");
        }
    }
    // When it becomes as urgent as they, it is older than all of them: the next that comes free is for it.
    let served = served.expect("it is served");
    assert!((601..=641).contains(&served), "served at {served}, {urgent_before} urgent ones came before it was urgent too");
}

#[test]
fn a_held_ticket_keeps_its_place_and_is_offered_to_nobody() {
    let mut nurse = queue("nurse", &[("nurse", 1)]);
    nurse.max_waiting = 2;
    let mut desk = Desk::new(&[nurse], &[person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(1), 1, "nurse");
    desk.does(|acd| acd.hold(secs(2), TicketId(1)));
    assert_eq!(desk.withdrawn(), Some(("yuki".to_owned(), OfferEnd::Withdrawn)));
    assert_eq!((desk.state("yuki"), desk.acd.position(TicketId(1))), (AgentState::Idle, Some(1)));
    desk.calls(secs(3), 2, "nurse");
    assert_eq!((desk.rings_at(2).as_deref(), desk.acd.position(TicketId(2))), (Some("yuki"), Some(1)), "who is held is not counted");
    desk.calls(secs(4), 3, "nurse");
    assert_eq!(desk.placed(), Some(2), "two wait on the telephone, and there is room for two");
    desk.does(|acd| acd.release(secs(5), TicketId(1)));
    let places: Vec<_> = [1, 2, 3].iter().map(|t| desk.acd.position(TicketId(*t))).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3)], "back at its age, although the queue is full");
    assert_eq!(waits(&desk).map(|(ticket, why)| (ticket, why.position)), Some((1, 1)));
    desk.answers(secs(6), "yuki");
    desk.hangs_up(secs(7), "yuki");
    desk.declares(secs(7), "yuki", Change::Ready);
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
}

#[test]
fn another_urgency_moves_a_ticket_at_once() {
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(1), 1, "nurse");
    desk.calls(secs(2), 2, "nurse");
    desk.does(|acd| acd.reprioritise(secs(3), TicketId(2), 2, Duration::ZERO));
    assert_eq!((desk.acd.position(TicketId(2)), desk.acd.position(TicketId(1))), (Some(1), Some(2)));
    assert!(desk.said.is_empty(), "it asks no less than before");
    desk.does(|acd| acd.reprioritise(secs(3), TicketId(2), 0, Duration::from_secs(60)));
    assert_eq!(desk.acd.position(TicketId(2)), Some(1), "a minute older within the class");
    desk.declares(secs(4), "yuki", Change::Ready);
    assert_eq!(desk.rings_at(2).as_deref(), Some("yuki"));
}

#[test]
fn a_call_of_their_own_is_a_call_without_after_call_work() {
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("yuki", &[("nurse", 1)], &[])]);
    assert!(!desk.does(|acd| acd.engage(secs(0), &agent("yuki"))), "signed out");
    desk.signs_in(secs(0), "yuki");
    assert!(desk.does(|acd| acd.engage(secs(1), &agent("yuki"))));
    assert_eq!(desk.state("yuki"), AgentState::Talking);
    desk.calls(secs(2), 1, "nurse");
    assert_eq!(desk.rings_at(1), None);
    desk.hangs_up(secs(5), "yuki");
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    assert!(!desk.does(|acd| acd.engage(secs(6), &agent("yuki"))), "the phone rings");
    desk.answers(secs(7), "yuki");
    assert!(!desk.does(|acd| acd.engage(secs(8), &agent("yuki"))), "she talks");
}

#[test]
fn after_call_work_that_was_interrupted_ends_when_it_would_have_ended() {
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(0), "yuki");
    desk.hangs_up(secs(10), "yuki");
    assert!(desk.does(|acd| acd.engage(secs(20), &agent("yuki"))));
    assert_eq!(desk.acd.poll_timeout(), None);
    desk.hangs_up(secs(40), "yuki");
    assert_eq!((desk.state("yuki"), desk.acd.poll_timeout()), (AgentState::WrapUp, Some(secs(70))));
    assert!(desk.does(|acd| acd.engage(secs(50), &agent("yuki"))));
    desk.hangs_up(secs(90), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::Idle, "nothing of it is left");
    desk.declares(secs(91), "yuki", Change::Break(None));
    assert!(desk.does(|acd| acd.engage(secs(92), &agent("yuki"))));
    desk.hangs_up(secs(93), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::NotReady, "the break goes on");
}

#[test]
fn a_desk_that_disagrees_with_phone_and_calls_is_put_right_and_it_is_said() {
    let people = [person("aoi", &[("nurse", 1)], &[]), person("ken", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 1)], &[])];
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &people);
    desk.signs_in(secs(0), "aoi");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "aoi");
    desk.signs_in(secs(2), "ken");
    desk.calls(secs(2), 2, "nurse");
    let seen = |registered, offered, talking| Seen { registered, offered, talking };
    let right = BTreeMap::from([
        (agent("aoi"), seen(true, false, true)),
        (agent("ken"), seen(true, true, false)),
        (agent("yuki"), seen(false, false, false)),
    ]);
    desk.does(|acd| acd.reconcile(secs(3), &right));
    assert!(desk.said.is_empty() && desk.acd.repairs() == 0, "{:?}", desk.said);
    // aoi's call is gone, ken's phone does not ring, and yuki's phone is there.
    let wrong = BTreeMap::from([
        (agent("aoi"), seen(true, false, false)),
        (agent("ken"), seen(false, false, false)),
        (agent("yuki"), seen(true, false, false)),
    ]);
    desk.does(|acd| acd.reconcile(secs(4), &wrong));
    assert_eq!(
        (desk.state("aoi"), desk.state("ken"), desk.rings_at(2).as_deref()),
        (AgentState::WrapUp, AgentState::SignedOut, Some("yuki"))
    );
    let repaired = desk.said.iter().filter(|d| matches!(d, Decision::Repaired { .. })).count();
    assert_eq!((repaired, desk.acd.repairs()), (4, 4), "{:?}", desk.said);
    // A live call at a desk that is free.
    desk.does(|acd| acd.reconcile(secs(5), &BTreeMap::from([(agent("yuki"), seen(true, false, true))])));
    assert_eq!((desk.state("yuki"), desk.acd.position(TicketId(2))), (AgentState::Talking, Some(1)));
    desk.hangs_up(secs(6), "yuki");
    assert_eq!(desk.rings_at(2).as_deref(), Some("yuki"));
}

#[test]
fn it_is_said_once_that_a_caller_waits_and_again_only_when_less_is_asked() {
    let mut nurse = queue("nurse", &[("nurse", 3)]);
    nurse.relax = vec![crate::city::eased(60, "nurse", 1)];
    let mut desk = Desk::new(&[nurse], &[person("ken", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 4)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(10), 1, "nurse");
    let why = waits(&desk).expect("it is said").1;
    assert_eq!((why.position, why.relax_step, why.next_relax, why.idle_millis), (1, 0, Some(Millis(60_000)), 0));
    assert_eq!(why.counts, BTreeMap::from([(Reason::State(AgentState::NotReady), 1), (Reason::Skill, 1)]));
    desk.calls(secs(20), 2, "nurse");
    assert_eq!(waits(&desk).map(|(ticket, _)| ticket), Some(2), "only of the one who came");
    desk.until(secs(50));
    assert!(desk.said.is_empty());
    desk.until(secs(70));
    assert_eq!(waits(&desk).map(|(ticket, why)| (ticket, why.relax_step, why.next_relax)), Some((1, 1, None)));
    desk.signs_in(secs(75), "ken");
    assert_eq!(desk.rings_at(1).as_deref(), Some("ken"));
    assert!(waits(&desk).is_none());
}

#[test]
fn somebody_who_waits_on_sees_who_took_another() {
    let mut nurse = queue("nurse", &[("nurse", 3)]);
    nurse.relax = vec![crate::city::eased(60, "nurse", 1)];
    let mut desk = Desk::new(&[nurse], &[person("ken", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "ken");
    desk.calls(secs(10), 1, "nurse");
    desk.calls(secs(10), 2, "nurse");
    // ken will do for both from the same moment on.
    desk.until(secs(70));
    assert_eq!(desk.rings_at(1).as_deref(), Some("ken"));
    let (ticket, why) = waits(&desk).expect("the other waits on");
    assert_eq!((ticket, why.counts, &why.passed_over[0].why), (2, BTreeMap::from([(Reason::TookAnother, 1)]), &WhyNot::TookAnother));
}
