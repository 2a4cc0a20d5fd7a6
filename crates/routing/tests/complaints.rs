//! What users of other engines complain of, as situations that must not occur here. The numbers in brackets are the public reports.

mod city;
#[path = "city/desk.rs"]
mod desk;

use city::{WRAP_UP, person, queue};
use desk::{Desk, secs};
use model::{AgentState, OfferEnd, OfferId, TicketId};
use routing::Change;
use std::collections::BTreeSet;
use std::time::Duration;

fn ward(people: usize) -> Desk {
    let people: Vec<_> = (0..people).map(|i| person(&format!("a{i}"), &[("nurse", 3), ("general", 3)], &[])).collect();
    Desk::new(&[queue("nurse", &[("nurse", 1)]), queue("general", &[("general", 1)])], &people)
}

/// One queue call was answered by two agents (asterisk#176).
#[test]
fn a_call_is_never_answered_by_two_agents() {
    let mut desk = ward(2);
    desk.signs_in(secs(0), "a0");
    desk.signs_in(secs(0), "a1");
    desk.calls(secs(1), 1, "nurse");
    let (first, _) = desk.ringing("a0").unwrap();
    desk.until(secs(21));
    let (second, _) = desk.ringing("a1").unwrap();
    assert!(!desk.does(|acd| acd.answered(secs(21), first)), "the first offer is over");
    assert!(desk.does(|acd| acd.answered(secs(22), second)));
    assert!(!desk.does(|acd| acd.answered(secs(22), second)), "not twice either");
    assert_eq!((desk.state("a0"), desk.state("a1")), (AgentState::Idle, AgentState::Talking));
}

/// Members were shown as having answered hours after the call; an agent rang for a caller who had left (freeswitch#1973, #2529).
#[test]
fn nothing_rings_for_somebody_who_has_left() {
    let mut desk = ward(2);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.does(|acd| acd.abandon(secs(2), TicketId(1)));
    assert_eq!(desk.withdrawn(), Some(("a0".to_owned(), OfferEnd::Withdrawn)));
    desk.signs_in(secs(3), "a1");
    desk.until(secs(3600));
    assert!(desk.said.is_empty());
    assert_eq!((desk.acd.timers(), desk.acd.tickets()), (0, 0));
}

/// Agents stayed reserved or ringing without an end (freeswitch#2540, #1062; OpenSIPS#3123).
#[test]
fn every_offer_ends_by_itself() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    assert_eq!(desk.acd.poll_timeout(), Some(secs(21)));
    desk.until(secs(21));
    desk.until(secs(41));
    assert_eq!(desk.state("a0"), AgentState::NotResponding);
    assert_eq!(desk.acd.position(TicketId(1)), Some(1));
}

/// A top-down queue halted behind one agent who was not there (freeswitch#1216).
#[test]
fn one_agent_who_is_away_stops_nobody() {
    let mut desk = ward(3);
    for who in ["a0", "a1", "a2"] {
        desk.signs_in(secs(0), who);
    }
    desk.declares(secs(0), "a0", Change::Break);
    desk.calls(secs(1), 1, "nurse");
    desk.calls(secs(1), 2, "nurse");
    assert_eq!((desk.rings_at(1).as_deref(), desk.rings_at(2).as_deref()), (Some("a1"), Some("a2")));
}

/// After-call work ended early for agents in several queues (asterisk#1006), or freed agents late (OpenSIPS#2679).
#[test]
fn after_call_work_is_exact_whatever_the_next_callers_queue() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "a0");
    desk.calls(secs(2), 2, "general");
    desk.hangs_up(secs(10), "a0");
    desk.until(secs(69));
    assert_eq!(desk.rings_at(2), None);
    desk.until(secs(10) + WRAP_UP);
    assert_eq!(desk.rings_at(2).as_deref(), Some("a0"));
}

/// Waiting callers moved backwards, from the seventh place to the eighth (fusionpbx#6743); a later one was served before thirteen older
/// ones (freeswitch#2511).
#[test]
fn nobody_moves_backwards_while_nobody_more_urgent_comes() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.declares(secs(0), "a0", Change::Break);
    let mut places = vec![u32::MAX; 40];
    for second in 1..400 {
        if second % 10 == 0 {
            desk.calls(secs(second), second / 10, "nurse");
        }
        if second % 25 == 0 {
            desk.declares(secs(second), "a0", Change::Ready);
            if desk.ringing("a0").is_some() {
                desk.answers(secs(second), "a0");
            }
            desk.hangs_up(secs(second), "a0");
            desk.declares(secs(second), "a0", Change::Break);
        }
        for (ticket, place) in places.iter_mut().enumerate() {
            if let Some(position) = desk.acd.position(TicketId(ticket as u64)) {
                assert!(position <= *place, "ticket {ticket} went from {place} to {position}");
                *place = position;
            }
        }
    }
    assert!(places.iter().filter(|place| **place != u32::MAX).count() > 30);
}

/// An agent's refusal dropped the caller instead of trying the next one (OpenSIPS#2886).
#[test]
fn a_refusal_goes_to_the_next_agent() {
    let mut desk = ward(2);
    desk.signs_in(secs(0), "a0");
    desk.signs_in(secs(0), "a1");
    desk.calls(secs(1), 1, "nurse");
    desk.declines(secs(2), "a0");
    assert_eq!(desk.rings_at(1).as_deref(), Some("a1"));
}

/// Leaving to a menu and coming back lost the place (OfficeDocs-SkypeForBusiness#9902).
#[test]
fn who_steps_away_and_comes_back_has_the_old_place() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.declares(secs(0), "a0", Change::Break);
    desk.calls(secs(1), 1, "nurse");
    desk.calls(secs(5), 2, "nurse");
    desk.does(|acd| acd.leave(secs(6), TicketId(1)));
    let again = desk.ticket(secs(1), 1, "nurse", "ja", 0);
    desk.does(|acd| acd.enqueue(secs(20), again));
    assert_eq!(desk.placed(), Some(1));
}

/// A caller put at the head stopped all offering (asterisk#1691); a rule for one blocked others (asterisk#1561).
#[test]
fn an_urgent_caller_whom_nobody_can_serve_stops_nobody() {
    let people = [person("ken", &[("general", 3)], &[]), person("yuki", &[("nurse", 3)], &[])];
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)]), queue("general", &[("general", 1)])], &people);
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break);
    desk.calls_with(secs(1), 1, "nurse", "ja", 2);
    desk.signs_in(secs(2), "ken");
    desk.calls(secs(3), 2, "general");
    assert_eq!(desk.rings_at(2).as_deref(), Some("ken"));
}

/// Counters doubled under load, so that the fewest-calls rule went astray (asterisk#1736): a stale word changes no book.
#[test]
fn a_word_told_twice_is_counted_once() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "a0");
    desk.hangs_up(secs(61), "a0");
    desk.hangs_up(secs(90), "a0");
    desk.does(|acd| acd.declined(secs(90), OfferId(1), OfferEnd::NoAnswer));
    let state = desk.acd.state();
    let a0 = &state.agents["a0"];
    assert_eq!((a0.talked, a0.missed), (Duration::from_secs(60), 0));
    assert_eq!(desk.acd.agents().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 1);
}

/// A reload logged the agents out (freeswitch PR#39).
#[test]
fn publishing_the_same_city_changes_nothing() {
    let mut desk = ward(2);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.calls(secs(2), 2, "nurse");
    let before = desk.acd.state();
    let people: Vec<_> = (0..2).map(|i| person(&format!("a{i}"), &[("nurse", 3), ("general", 3)], &[])).collect();
    let all = city::queues(&[queue("nurse", &[("nurse", 1)]), queue("general", &[("general", 1)])]);
    desk.does(|acd| acd.publish(secs(2), city::rules(&all, &city::agents(&people))));
    assert!(desk.said.is_empty());
    assert_eq!(desk.acd.state(), before);
}
