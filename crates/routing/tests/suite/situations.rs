//! What happens between callers and agents, one situation at a time.

use crate::city::{RING, WRAP_UP, agents, eased, need, person, queue, queues, rules};
use crate::desk::{Desk, agent, secs};
use model::{AgentState, ChooseAgent, Instant, Level, OfferEnd, OfferId, QueueEnd, QueueId, Relax, Skill, TicketId, WhyNot};
use routing::{Acd, Change, Decision, Ticket};
use std::collections::BTreeMap;
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

/// A general queue and a nurses' queue; ken is a generalist, yuki a nurse.
fn ward() -> Desk {
    Desk::new(
        &[queue("general", &[("general", 1)]), queue("nurse", &[("nurse", 3)])],
        &[person("ken", &[("general", 3), ("ja", 5)], &[]), person("yuki", &[("nurse", 4), ("ja", 5)], &[])],
    )
}

#[test]
fn the_nurse_takes_the_one_who_needs_a_nurse() {
    let mut desk = ward();
    desk.signs_in(secs(0), "ken");
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(5), 1, "nurse");
    assert_eq!(desk.placed(), Some(1));
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    let Some(Decision::Offer { ring_for, why, queue, .. }) = desk.said.iter().find(|d| matches!(d, Decision::Offer { .. })) else {
        panic!("no offer in {:?}", desk.said)
    };
    assert_eq!((*ring_for, queue.as_str(), why.idle_millis, why.relax_step), (RING, "nurse", 5000, 0));
    assert_eq!(desk.why_not("ken"), Some(WhyNot::Skill { skill: Skill::from("nurse"), has: None, needs: Level::new(3).unwrap() }));
    assert!(desk.answers(secs(8), "yuki"));
    assert_eq!(desk.state("yuki"), AgentState::Talking);
    assert_eq!(desk.acd.position(TicketId(1)), None, "whoever talks does not wait");
    assert_eq!(desk.acd.poll_timeout(), None);
}

#[test]
fn wrap_up_ends_exactly_and_the_next_caller_rings_at_that_moment() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(1), "yuki");
    desk.calls(secs(2), 2, "nurse");
    desk.hangs_up(secs(100), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::WrapUp);
    let end = secs(100) + WRAP_UP;
    assert_eq!(desk.acd.poll_timeout(), Some(end));
    desk.until(Instant::from_nanos(end.as_nanos() - 1));
    assert_eq!(desk.state("yuki"), AgentState::WrapUp);
    assert!(desk.said.is_empty());
    desk.until(end);
    assert_eq!(desk.rings_at(2).as_deref(), Some("yuki"));
    assert_eq!(desk.why().unwrap().idle_millis, 0);
}

#[test]
fn after_call_work_counts_its_end_even_if_the_clock_is_told_late() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(0), "yuki");
    desk.hangs_up(secs(10), "yuki");
    desk.calls(secs(75), 2, "nurse");
    assert_eq!(desk.why().unwrap().idle_millis, 5000, "idle since second 70");
}

#[test]
fn ready_ends_after_call_work_at_once() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(0), "yuki");
    desk.hangs_up(secs(10), "yuki");
    desk.declares(secs(15), "yuki", Change::Ready);
    assert_eq!(desk.state("yuki"), AgentState::Idle);
    assert_eq!(desk.acd.timers(), 0);
}

#[test]
fn caller_hangs_up_while_the_nurse_rings() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(10), 1, "nurse");
    let (offer, _) = desk.ringing("yuki").unwrap();
    desk.does(|acd| acd.abandon(secs(12), TicketId(1)));
    assert_eq!(desk.withdrawn(), Some(("yuki".to_owned(), OfferEnd::Withdrawn)));
    assert_eq!(desk.state("yuki"), AgentState::Idle);
    assert!(!desk.does(|acd| acd.answered(secs(12), offer)), "an answer that crosses the hang-up is stale");
    desk.calls(secs(13), 2, "nurse");
    assert_eq!(desk.why().unwrap().idle_millis, 13_000, "the nurse has been idle all along");
    desk.does(|acd| acd.abandon(secs(14), TicketId(2)));
    assert_eq!((desk.acd.tickets(), desk.acd.timers()), (0, 0));
}

#[test]
fn nobody_answers_and_the_caller_goes_to_the_next_at_the_same_place() {
    let mut desk =
        Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("aoi", &[("nurse", 3)], &[]), person("yuki", &[("nurse", 3)], &[])]);
    desk.signs_in(secs(0), "aoi");
    desk.calls(secs(1), 1, "nurse");
    desk.calls(secs(2), 2, "nurse");
    assert_eq!(desk.rings_at(1).as_deref(), Some("aoi"));
    desk.until(secs(1) + RING);
    assert_eq!(desk.withdrawn(), Some(("aoi".to_owned(), OfferEnd::NoAnswer)));
    // Nobody else is there, and caller 1 still goes before caller 2.
    assert_eq!(desk.rings_at(1).as_deref(), Some("aoi"));
    desk.signs_in(secs(22), "yuki");
    assert_eq!(desk.rings_at(2).as_deref(), Some("yuki"));
}

#[test]
fn whoever_just_missed_a_caller_is_asked_again_only_if_nobody_else_fits() {
    let mut best = queue("nurse", &[("nurse", 1)]);
    best.choose_agent = ChooseAgent::BestSkill;
    best.missed_max = 9;
    let mut desk = Desk::new(&[best], &[person("aoi", &[("nurse", 5)], &[]), person("yuki", &[("nurse", 2)], &[])]);
    desk.signs_in(secs(0), "aoi");
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(1), 1, "nurse");
    assert_eq!(desk.rings_at(1).as_deref(), Some("aoi"));
    assert_eq!(desk.why_not("yuki"), Some(WhyNot::RankedLower));
    desk.declines(secs(2), "aoi");
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    assert_eq!(desk.why_not("aoi"), Some(WhyNot::JustMissed));
    desk.declines(secs(3), "yuki");
    assert_eq!(desk.rings_at(1).as_deref(), Some("aoi"), "both missed it: the one longer ago");
}

#[test]
fn a_nurse_who_misses_twice_is_not_responding_until_she_says_so() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.until(secs(20));
    assert_eq!(desk.state("yuki"), AgentState::Offered);
    desk.until(secs(40));
    assert_eq!(desk.state("yuki"), AgentState::NotResponding);
    assert_eq!(desk.acd.position(TicketId(1)), Some(1), "the caller waits on");
    // A registration that is only refreshed says nothing.
    desk.signs_in(secs(50), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::NotResponding);
    desk.declares(secs(60), "yuki", Change::Ready);
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    desk.answers(secs(61), "yuki");
    desk.hangs_up(secs(90), "yuki");
    desk.calls(secs(150), 2, "nurse");
    desk.until(secs(170));
    assert_eq!(desk.state("yuki"), AgentState::Offered, "a call in between: the misses are not in a row");
}

#[test]
fn a_fresh_registration_brings_somebody_back_who_did_not_respond() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.until(secs(20));
    desk.until(secs(40));
    desk.declares(secs(41), "yuki", Change::SignOut);
    assert_eq!(desk.state("yuki"), AgentState::SignedOut);
    desk.signs_in(secs(42), "yuki");
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
}

#[test]
fn a_phone_that_refuses_at_once_does_not_spin() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.declines(secs(0), "yuki");
    desk.declines(secs(0), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::NotResponding);
}

#[test]
fn somebody_who_cannot_be_served_yet_does_not_hold_up_the_others() {
    let mut desk = Desk::new(
        &[queue("general", &[("general", 1)])],
        &[person("ken", &[("general", 3)], &[]), person("linh", &[("general", 3), ("vi", 4)], &[])],
    );
    desk.signs_in(secs(0), "linh");
    desk.declares(secs(0), "linh", Change::Break(None));
    let mut vietnamese = desk.ticket(secs(1), 1, "general", "vi", 0);
    vietnamese.needs.push(need("vi", 3));
    desk.does(|acd| acd.enqueue(secs(1), vietnamese));
    assert_eq!(desk.placed(), Some(1), "linh is on a break but logged in");
    desk.calls(secs(2), 2, "general");
    assert_eq!(desk.placed(), Some(2));
    desk.signs_in(secs(3), "ken");
    assert_eq!(desk.rings_at(2).as_deref(), Some("ken"));
    assert_eq!(desk.why_not("linh"), Some(WhyNot::State(AgentState::NotReady)));
}

#[test]
fn the_urgent_go_first_then_the_eldest_then_who_came_first() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(2), 1, "nurse");
    let elder = desk.ticket(secs(1), 2, "nurse", "ja", 0);
    desk.does(|acd| acd.enqueue(secs(3), elder));
    desk.calls_with(secs(4), 3, "nurse", "ja", 2);
    let twin = desk.ticket(secs(2), 4, "nurse", "ja", 0);
    desk.does(|acd| acd.enqueue(secs(5), twin));
    let places: Vec<_> = [3, 2, 1, 4].iter().map(|t| desk.acd.position(TicketId(*t))).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3), Some(4)]);
    desk.declares(secs(6), "yuki", Change::Ready);
    assert_eq!(desk.rings_at(3).as_deref(), Some("yuki"));
    assert_eq!(desk.acd.position(TicketId(2)), Some(2), "whose phone rings keeps the place until answered");
}

#[test]
fn an_agent_serves_the_own_queues_in_the_own_order() {
    let mut desk = Desk::new(
        &[queue("general", &[("general", 1)]), queue("nurse", &[("nurse", 1)]), queue("results", &[])],
        &[person("yuki", &[("general", 3), ("nurse", 3)], &["nurse", "general"])],
    );
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(1), 1, "general");
    desk.calls(secs(2), 2, "nurse");
    desk.calls_with(secs(3), 3, "general", "ja", 1);
    desk.calls(secs(4), 4, "results");
    assert_eq!(desk.refused(), Some(QueueEnd::NobodyLoggedIn), "yuki does not serve it");
    let mut order = Vec::new();
    for _ in 0..3 {
        desk.declares(secs(5), "yuki", Change::Ready);
        order.push(desk.ringing("yuki").unwrap().1);
        desk.answers(secs(5), "yuki");
        desk.hangs_up(secs(5), "yuki");
    }
    assert_eq!(order, [3, 2, 1], "class, then nurse before general although it came later");
}

#[test]
fn each_queue_chooses_among_those_who_fit() {
    let mut general = queue("general", &[("general", 1)]);
    general.wrap_up = Duration::ZERO;
    let people = [person("aoi", &[("general", 2)], &[]), person("ken", &[("general", 5)], &[]), person("rin", &[("general", 5)], &[])];
    let choice = |choose_agent| {
        general.choose_agent = choose_agent;
        let mut desk = Desk::new(std::slice::from_ref(&general), &people);
        desk.signs_in(secs(0), "ken");
        desk.signs_in(secs(1), "aoi");
        desk.signs_in(secs(2), "rin");
        // ken talks for 60 s and is back last; aoi and rin have not talked.
        desk.calls(secs(10), 1, "general");
        desk.does(|acd| acd.abandon(secs(10), TicketId(1)));
        desk.declares(secs(10), "aoi", Change::Break(None));
        desk.declares(secs(10), "rin", Change::Break(None));
        desk.calls(secs(11), 2, "general");
        desk.answers(secs(11), "ken");
        desk.declares(secs(12), "rin", Change::Ready);
        desk.hangs_up(secs(71), "ken");
        desk.declares(secs(80), "aoi", Change::Ready);
        desk.calls(secs(90), 3, "general");
        desk.rings_at(3).unwrap()
    };
    let mut choice = choice;
    assert_eq!(choice(ChooseAgent::LongestIdle), "rin", "idle since second 12");
    assert_eq!(choice(ChooseAgent::LeastOccupied), "rin", "has not talked, and is idle longer than aoi");
    assert_eq!(choice(ChooseAgent::BestSkill), "rin", "5 like ken, and idle longer");
}

#[test]
fn the_least_occupied_has_talked_least_since_signing_in() {
    let mut general = queue("general", &[("general", 1)]);
    general.wrap_up = Duration::ZERO;
    general.choose_agent = ChooseAgent::LeastOccupied;
    let mut desk = Desk::new(&[general], &[person("aoi", &[("general", 2)], &[]), person("ken", &[("general", 5)], &[])]);
    desk.signs_in(secs(0), "ken");
    desk.calls(secs(1), 1, "general");
    desk.answers(secs(1), "ken");
    desk.signs_in(secs(2), "aoi");
    desk.calls(secs(3), 2, "general");
    desk.answers(secs(3), "aoi");
    desk.hangs_up(secs(101), "ken");
    desk.hangs_up(secs(113), "aoi");
    desk.calls(secs(120), 3, "general");
    assert_eq!(desk.rings_at(3).as_deref(), Some("ken"), "100 s against 110 s");
    desk.declares(secs(121), "aoi", Change::SignOut);
    desk.signs_in(secs(122), "aoi");
    desk.does(|acd| acd.abandon(secs(123), TicketId(3)));
    desk.calls(secs(124), 4, "general");
    assert_eq!(desk.rings_at(4).as_deref(), Some("aoi"), "a new shift counts from zero");
}

#[test]
fn an_easing_takes_effect_at_its_moment_and_is_told() {
    let mut nurse = queue("nurse", &[("nurse", 3)]);
    nurse.relax = vec![eased(120, "nurse", 2)];
    let mut desk = Desk::new(&[nurse], &[person("new", &[("nurse", 2)], &[])]);
    desk.signs_in(secs(0), "new");
    desk.calls(secs(10), 1, "nurse");
    assert_eq!(desk.placed(), Some(1), "somebody is there who will do in the end");
    assert_eq!((desk.rings_at(1), desk.acd.poll_timeout()), (None, Some(secs(130))));
    desk.until(Instant::from_nanos(secs(130).as_nanos() - 1));
    assert_eq!(desk.rings_at(1), None);
    desk.until(secs(130));
    assert_eq!(desk.rings_at(1).as_deref(), Some("new"));
    assert_eq!(desk.why().unwrap().relax_step, 1);
}

#[test]
fn an_interpreter_will_do_after_a_minute_and_a_speaker_of_the_language_still_does() {
    let mut nurse = queue("nurse", &[("nurse", 3)]);
    nurse.lang = Some(Level::SOME);
    nurse.relax = vec![Relax { after: Duration::from_secs(60), needs: BTreeMap::new(), lang: Some(Some(Skill::from("interpreter"))) }];
    let people = [person("linh", &[("nurse", 3), ("vi", 3)], &[]), person("yuki", &[("nurse", 4), ("ja", 5), ("interpreter", 1)], &[])];
    let mut desk = Desk::new(&[nurse], &people);
    desk.signs_in(secs(0), "yuki");
    desk.calls_with(secs(0), 1, "nurse", "vi", 0);
    desk.calls_with(secs(1), 2, "nurse", "vi", 0);
    desk.until(secs(59));
    assert_eq!(desk.rings_at(1), None);
    desk.until(secs(60));
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    desk.until(secs(61));
    desk.signs_in(secs(62), "linh");
    assert_eq!(desk.rings_at(2).as_deref(), Some("linh"));
}

#[test]
fn a_move_to_another_queue_keeps_the_age() {
    let mut general = queue("general", &[("general", 3)]);
    general.relax = vec![eased(60, "general", 1)];
    let mut desk = Desk::new(
        &[general, queue("nurse", &[("nurse", 3)])],
        &[person("yuki", &[("nurse", 4)], &[]), person("aoi", &[("general", 1)], &[])],
    );
    desk.signs_in(secs(0), "yuki");
    desk.signs_in(secs(0), "aoi");
    desk.calls(secs(0), 1, "nurse");
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    // The flow leads elsewhere, and says a younger age by mistake.
    let moved = desk.ticket(secs(70), 1, "general", "ja", 0);
    desk.does(|acd| acd.enqueue(secs(70), moved));
    assert_eq!(desk.state("yuki"), AgentState::Idle);
    assert_eq!(desk.rings_at(1).as_deref(), Some("aoi"), "70 s old: the easing of the other queue is in force at once");
}

#[test]
fn a_full_queue_refuses_the_next_but_not_whom_somebody_can_serve_at_once() {
    let mut general = queue("general", &[("general", 1)]);
    general.max_waiting = 1;
    let mut desk = Desk::new(&[general], &[person("ken", &[("general", 3)], &[]), person("aoi", &[("general", 3)], &[])]);
    desk.signs_in(secs(0), "ken");
    desk.calls(secs(1), 1, "general");
    desk.answers(secs(1), "ken");
    desk.calls(secs(2), 2, "general");
    assert_eq!(desk.placed(), Some(1));
    desk.calls(secs(3), 3, "general");
    assert_eq!(desk.refused(), Some(QueueEnd::Full));
    assert_eq!(desk.acd.tickets(), 1);
    desk.signs_in(secs(4), "aoi");
    assert_eq!(desk.rings_at(2).as_deref(), Some("aoi"));
    desk.calls(secs(5), 4, "general");
    assert_eq!(desk.refused(), Some(QueueEnd::Full), "whose phone rings waits still");
    desk.hangs_up(secs(6), "ken");
    desk.declares(secs(6), "ken", Change::Ready);
    desk.calls(secs(7), 5, "general");
    assert_eq!((desk.refused(), desk.rings_at(5).as_deref()), (None, Some("ken")));
}

#[test]
fn whoever_has_a_place_keeps_it_however_little_room_a_changed_city_leaves() {
    let mut general = queue("general", &[("general", 1)]);
    let people = [person("ken", &[("general", 3)], &[])];
    let mut desk = Desk::new(&[general.clone()], &people);
    desk.signs_in(secs(0), "ken");
    desk.declares(secs(0), "ken", Change::Break(None));
    (1..=4).for_each(|ticket| desk.calls(secs(ticket), ticket, "general"));
    general.max_waiting = 2;
    desk.does(|acd| acd.publish(secs(10), rules(&queues(&[general]), &agents(&people))));
    // Each asks again, as the engine does for those whom nobody serves.
    for ticket in 1..=4 {
        let again = desk.ticket(secs(ticket), ticket, "general", "ja", 0);
        desk.does(|acd| acd.enqueue(secs(20), again));
        assert_eq!((desk.refused(), desk.placed()), (None, Some(ticket as u32)), "ticket {ticket}");
    }
    desk.calls(secs(21), 5, "general");
    assert_eq!(desk.refused(), Some(QueueEnd::Full));
}

#[test]
fn whoever_is_readmitted_twice_has_the_arrival_that_they_had() {
    let mut desk = ward();
    desk.signs_in(secs(0), "ken");
    desk.declares(secs(0), "ken", Change::Break(None));
    for ticket in 1..=3 {
        desk.calls(secs(5), ticket, "general");
    }
    let first = desk.ticket(secs(5), 1, "general", "ja", 0);
    desk.does(|acd| acd.readmit(secs(9), first));
    assert_eq!([1, 2, 3].map(|ticket| desk.acd.position(TicketId(ticket))), [Some(1), Some(2), Some(3)]);
    let arrivals: std::collections::BTreeSet<u64> = desk.acd.state().waiting.iter().map(|claim| claim.arrival).collect();
    assert_eq!(arrivals.len(), 3, "no two share one");
}

#[test]
fn nobody_who_could_ever_serve_it_is_logged_in() {
    let mut desk = ward();
    desk.signs_in(secs(0), "ken");
    desk.calls(secs(1), 1, "nurse");
    assert_eq!(desk.refused(), Some(QueueEnd::NobodyLoggedIn));
    desk.calls(secs(1), 2, "no such queue");
    assert_eq!(desk.refused(), Some(QueueEnd::Closed));
    assert_eq!((desk.acd.tickets(), desk.acd.timers()), (0, 0));
}

#[test]
fn the_agent_is_lost_right_after_answering_and_the_caller_waits_on() {
    let mut desk =
        Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("aoi", &[("nurse", 3)], &[]), person("yuki", &[("nurse", 3)], &[])]);
    desk.signs_in(secs(0), "aoi");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(2), "aoi");
    desk.calls(secs(3), 2, "nurse");
    desk.does(|acd| acd.returned(secs(5), TicketId(1)));
    assert_eq!(desk.acd.position(TicketId(1)), Some(1), "before the one who came in between");
    assert_eq!(desk.state("aoi"), AgentState::WrapUp);
    desk.hangs_up(secs(5), "aoi");
    assert_eq!(desk.state("aoi"), AgentState::WrapUp, "telling it twice does no harm");
    desk.signs_in(secs(6), "yuki");
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
}

#[test]
fn a_phone_that_answers_and_dies_each_time_stops_getting_callers() {
    let mut nurse = queue("nurse", &[("nurse", 1)]);
    nurse.wrap_up = Duration::ZERO;
    let mut desk = Desk::new(&[nurse], &[person("aoi", &[("nurse", 3)], &[])]);
    desk.signs_in(secs(0), "aoi");
    desk.calls(secs(1), 1, "nurse");
    for _ in 0..2 {
        assert!(desk.answers(secs(2), "aoi"));
        desk.does(|acd| acd.returned(secs(2), TicketId(1)));
    }
    assert_eq!(desk.state("aoi"), AgentState::NotResponding);
    assert_eq!(desk.acd.position(TicketId(1)), Some(1));
}

#[test]
fn caller_hangs_up_while_talking_and_the_agents_leg_lasts_a_little_longer() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(1), "yuki");
    desk.does(|acd| acd.abandon(secs(10), TicketId(1)));
    assert_eq!(desk.state("yuki"), AgentState::Talking);
    desk.does(|acd| acd.returned(secs(10), TicketId(1)));
    assert_eq!(desk.acd.tickets(), 0, "a caller who is gone cannot come back");
    desk.hangs_up(secs(11), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::WrapUp);
}

#[test]
fn a_break_begins_after_the_call_and_its_work() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(1), "yuki");
    desk.declares(secs(2), "yuki", Change::Break(None));
    assert_eq!(desk.state("yuki"), AgentState::Talking);
    desk.hangs_up(secs(10), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::WrapUp);
    desk.until(secs(10) + WRAP_UP);
    assert_eq!(desk.state("yuki"), AgentState::NotReady);
}

#[test]
fn a_break_or_a_lost_phone_frees_the_caller_who_rings_there() {
    for change in [Change::Break(None), Change::SignOut] {
        let mut desk =
            Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("aoi", &[("nurse", 3)], &[]), person("yuki", &[("nurse", 3)], &[])]);
        desk.signs_in(secs(0), "aoi");
        desk.signs_in(secs(1), "yuki");
        desk.calls(secs(2), 1, "nurse");
        desk.declares(secs(3), "aoi", change);
        assert_eq!(desk.withdrawn(), Some(("aoi".to_owned(), OfferEnd::Withdrawn)));
        assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
    }
}

#[test]
fn a_registration_that_lapses_during_a_call_does_not_end_it() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(1), "yuki");
    desk.declares(secs(2), "yuki", Change::SignOut);
    assert_eq!(desk.state("yuki"), AgentState::Talking);
    desk.hangs_up(secs(10), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::SignedOut);
    desk.signs_in(secs(30), "yuki");
    assert_eq!(desk.state("yuki"), AgentState::WrapUp);
    desk.until(secs(70));
    assert_eq!(desk.state("yuki"), AgentState::Idle);
}

#[test]
fn answering_in_the_moment_that_the_ring_time_ends_is_too_late() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    assert!(!desk.answers(secs(0) + RING, "yuki"));
    desk.until(secs(0) + RING + MILLI);
    assert_eq!(desk.state("yuki"), AgentState::Offered, "the second offer");
    assert!(desk.answers(secs(30), "yuki"));
}

#[test]
fn a_removed_queue_refuses_its_callers_and_stops_the_phone() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.calls(secs(1), 2, "nurse");
    let people = [person("yuki", &[("nurse", 4), ("general", 1)], &[])];
    desk.does(|acd| acd.publish(secs(2), rules(&queues(&[queue("general", &[("general", 1)])]), &agents(&people))));
    assert_eq!(desk.withdrawn(), Some(("yuki".to_owned(), OfferEnd::Withdrawn)));
    let closed = desk.said.iter().filter(|d| matches!(d, Decision::Refused { why: QueueEnd::Closed, .. })).count();
    assert_eq!(closed, 2);
    assert_eq!((desk.state("yuki"), desk.acd.tickets(), desk.acd.timers()), (AgentState::Idle, 0, 0));
    desk.calls(secs(3), 3, "general");
    assert_eq!(desk.refused(), None, "the new skill counts");
}

#[test]
fn a_removed_agent_finishes_the_call_and_is_gone() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.signs_in(secs(0), "ken");
    desk.calls(secs(0), 1, "nurse");
    desk.answers(secs(1), "yuki");
    let all = queues(&[queue("general", &[("general", 1)]), queue("nurse", &[("nurse", 3)])]);
    desk.does(|acd| acd.publish(secs(2), rules(&all, &agents(&[]))));
    assert_eq!((desk.state("yuki"), desk.state("ken")), (AgentState::Talking, AgentState::SignedOut));
    desk.calls(secs(3), 2, "nurse");
    assert_eq!(desk.refused(), Some(QueueEnd::NobodyLoggedIn));
    desk.hangs_up(secs(10), "yuki");
    assert_eq!(desk.acd.agents().count(), 0);
    assert_eq!(desk.acd.timers(), 0);
}

#[test]
fn a_published_skill_brings_a_waiting_caller_and_an_idle_agent_together() {
    let mut desk = ward();
    desk.signs_in(secs(0), "ken");
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(1), 1, "nurse");
    assert_eq!(desk.rings_at(1), None);
    let people = [person("ken", &[("nurse", 3)], &[]), person("yuki", &[("nurse", 4)], &[])];
    desk.does(|acd| acd.publish(secs(2), rules(&queues(&[queue("nurse", &[("nurse", 3)])]), &agents(&people))));
    assert_eq!(desk.rings_at(1).as_deref(), Some("ken"));
}

#[test]
fn two_calls_and_two_agents_go_to_who_fits_each_best() {
    // ken takes either, yuki prefers nurse callers. Both come free in the same moment.
    let mut desk = Desk::new(
        &[queue("general", &[("general", 1)]), queue("nurse", &[("nurse", 1)])],
        &[person("ken", &[("general", 3), ("nurse", 1)], &[]), person("yuki", &[("general", 1), ("nurse", 5)], &["nurse", "general"])],
    );
    for who in ["yuki", "ken"] {
        desk.signs_in(secs(0), who);
    }
    desk.calls(secs(0), 8, "general");
    desk.calls(secs(0), 9, "general");
    desk.answers(secs(0), "ken");
    desk.answers(secs(0), "yuki");
    desk.calls(secs(1), 1, "general");
    desk.calls(secs(2), 2, "nurse");
    desk.hangs_up(secs(10), "yuki");
    desk.hangs_up(secs(10), "ken");
    desk.until(secs(70));
    assert_eq!((desk.rings_at(1).as_deref(), desk.rings_at(2).as_deref()), (Some("ken"), Some("yuki")));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.signs_in(secs(0), "ken");
    desk.calls(secs(0), 1, "nurse");
    desk.calls(secs(1), 2, "nurse");
    desk.calls(secs(2), 3, "general");
    desk.answers(secs(3), "ken");
    desk.hangs_up(secs(4), "ken");
    let all = queues(&[queue("general", &[("general", 1)]), queue("nurse", &[("nurse", 3)])]);
    let people = agents(&[person("ken", &[("general", 3), ("ja", 5)], &[]), person("yuki", &[("nurse", 4), ("ja", 5)], &[])]);
    let mut again = Acd::restore(rules(&all, &people), desk.acd.state());
    assert_eq!(again.state(), desk.acd.state());
    assert_eq!(again.poll_output(), None);
    assert_eq!(again.poll_timeout(), Some(secs(20)));
    let (offer, _) = desk.ringing("yuki").unwrap();
    assert!(again.answered(secs(5), offer));

    // With yuki and the general queue gone from the city, the restart says so.
    let mut less = Acd::restore(rules(&queues(&[queue("nurse", &[("nurse", 3)])]), &agents(&[])), desk.acd.state());
    let said: Vec<Decision> = std::iter::from_fn(|| less.poll_output()).collect();
    assert!(said.iter().any(|d| matches!(d, Decision::Withdraw { offer: o, .. } if *o == offer)), "{said:?}");
    less.audit().unwrap();
    assert_eq!((less.position(TicketId(1)), less.position(TicketId(2))), (Some(1), Some(2)));
}

#[test]
fn late_words_about_things_long_gone_change_nothing() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    let before = desk.acd.state();
    desk.does(|acd| acd.abandon(secs(0), TicketId(9)));
    desk.does(|acd| acd.returned(secs(0), TicketId(9)));
    desk.does(|acd| acd.declined(secs(0), OfferId(9), OfferEnd::Declined));
    assert!(!desk.does(|acd| acd.answered(secs(0), OfferId(9))));
    desk.hangs_up(secs(0), "yuki");
    desk.hangs_up(secs(0), "nobody");
    desk.declares(secs(0), "nobody", Change::SignIn);
    assert_eq!(desk.acd.state(), before);
}

#[test]
fn a_board_sees_depth_and_the_longest_wait() {
    let mut desk = ward();
    desk.signs_in(secs(0), "yuki");
    desk.calls(secs(0), 1, "nurse");
    desk.calls_with(secs(5), 2, "nurse", "ja", 2);
    let board = desk.acd.queues(secs(9));
    let seen: Vec<_> = board.iter().map(|q| (q.queue.as_str(), q.depth, q.longest_wait_millis)).collect();
    assert_eq!(seen, [("general", 0, 0), ("nurse", 2, 9000)], "the urgent one stands first, the other waits longest");
}

#[test]
fn a_reason_names_at_most_five_others_and_those_who_came_closest() {
    let mut people = vec![person("zoe", &[("general", 3)], &[]), person("yan", &[("general", 3)], &[])];
    people.extend((0..60).map(|i| person(&format!("a{i:02}"), &[("nurse", 3)], &[])));
    let mut desk = Desk::new(&[queue("general", &[("general", 1)])], &people);
    desk.signs_in(secs(0), "yan");
    desk.signs_in(secs(1), "zoe");
    desk.calls(secs(2), 1, "general");
    let why = desk.why().unwrap();
    assert_eq!(why.passed_over.len(), 5);
    assert_eq!((why.passed_over[0].agent.as_str(), &why.passed_over[0].why), ("zoe", &WhyNot::RankedLower));
}

/// Two thousand wait in four classes of need, two hundred agents work, and twenty thousand things happen. Were an event to look at
/// each pair of tickets, this would not end within the patience of whoever runs it.
#[test]
fn two_thousand_wait_and_each_event_stays_cheap() {
    let skills = ["ja", "en", "vi", "zh"];
    let mut general = queue("general", &[("general", 1)]);
    general.max_waiting = 3000;
    general.wrap_up = Duration::ZERO;
    let people: Vec<_> = (0..200).map(|i| person(&format!("a{i:03}"), &[("general", 3), (skills[i % 4], 4)], &["general"])).collect();
    let mut acd = Acd::new(rules(&queues(&[general]), &agents(&people)));
    let ticket = |id: u64| Ticket {
        needs: vec![need("general", 1), need(skills[(id % 4) as usize], 1)],
        class: (id % 3) as u8,
        ..Ticket::plain(TicketId(id), QueueId::from("general"), Vec::new(), "ja".into(), Instant::from_millis(id))
    };
    for person in &people {
        acd.set_agent(secs(0), &person.id, Change::SignIn);
    }
    let (mut next, mut offers, mut served) = (0, Vec::new(), 0);
    for round in 0..20_000u64 {
        let now = Instant::from_millis(10_000 + round);
        if acd.tickets() < 2000 {
            acd.enqueue(now, ticket(next));
            next += 1;
        } else if let Some(who) = people.get((round % 200) as usize) {
            acd.finished(now, &who.id);
        }
        while let Some(decision) = acd.poll_output() {
            if let Decision::Offer { offer, .. } = decision {
                offers.push(offer);
            }
        }
        for offer in offers.drain(..) {
            served += u32::from(acd.answered(now, offer));
        }
        while acd.poll_output().is_some() {}
    }
    acd.audit().unwrap();
    assert!(acd.tickets() > 1900 && served > 5000, "{} wait, {served} served", acd.tickets());
    assert_eq!(agent("a000"), people[0].id);
}
