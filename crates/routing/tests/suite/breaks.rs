//! Breaks and their reasons: what an agent asks for, when it takes effect, and what is told of the time.

use crate::city::{WRAP_UP, agents, person, queue, queues, rules};
use crate::desk::{Desk, agent, secs};
use model::{AgentState, BreakOver, BreakReason, Millis};
use routing::{Acd, Change, Decision, Presence};
use std::time::Duration;

fn reason(id: &str) -> Option<BreakReason> {
    Some(BreakReason::from(id))
}
fn away(id: &str) -> Change {
    Change::Break(reason(id))
}
fn over(id: Option<&str>, millis: u64) -> Option<BreakOver> {
    Some(BreakOver { reason: id.map(BreakReason::from), lasted: Millis(millis) })
}

/// Yuki, who is there, and nobody else.
fn yuki_alone() -> Desk {
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 3)])], &[person("yuki", &[("nurse", 4)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk
}

/// What was told of yuki's state by the last input.
fn told(desk: &Desk) -> Vec<(AgentState, AgentState, Option<BreakOver>, Option<BreakReason>)> {
    let of = desk.said.iter().filter_map(|decision| match decision {
        Decision::Agent { from, to, ended, reason, .. } => Some((*from, *to, ended.clone(), reason.clone())),
        _ => None,
    });
    of.collect()
}

#[test]
fn a_break_tells_its_reason_when_it_begins_and_its_time_when_it_ends() {
    let mut desk = yuki_alone();
    desk.declares(secs(10), "yuki", away("lunch"));
    assert_eq!(told(&desk), [(AgentState::Idle, AgentState::NotReady, None, reason("lunch"))]);
    desk.declares(secs(70), "yuki", Change::Ready);
    assert_eq!(told(&desk), [(AgentState::NotReady, AgentState::Idle, over(Some("lunch"), 60_000), None)]);
    desk.declares(secs(80), "yuki", Change::Break(None));
    desk.declares(secs(95), "yuki", Change::SignOut);
    assert_eq!(told(&desk), [(AgentState::NotReady, AgentState::SignedOut, over(None, 15_000), None)]);
}

#[test]
fn one_reason_follows_another_without_being_ready_in_between() {
    let mut desk = yuki_alone();
    desk.declares(secs(10), "yuki", away("lunch"));
    desk.calls(secs(20), 1, "nurse");
    desk.declares(secs(40), "yuki", away("meeting"));
    assert_eq!(told(&desk), [(AgentState::NotReady, AgentState::NotReady, over(Some("lunch"), 30_000), reason("meeting"))]);
    assert_eq!(desk.rings_at(1), None);
    desk.declares(secs(45), "yuki", away("meeting"));
    assert_eq!(told(&desk), [], "the same again is no other break");
    desk.declares(secs(50), "yuki", Change::Break(None));
    assert_eq!(told(&desk), [(AgentState::NotReady, AgentState::NotReady, over(Some("meeting"), 10_000), None)]);
    desk.declares(secs(60), "yuki", Change::Ready);
    assert_eq!(told(&desk)[0].2, over(None, 10_000));
    assert_eq!(desk.rings_at(1).as_deref(), Some("yuki"));
}

#[test]
fn what_is_asked_during_a_call_begins_when_the_after_call_work_is_over() {
    let mut desk = yuki_alone();
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(2), "yuki");
    desk.declares(secs(10), "yuki", away("lunch"));
    desk.declares(secs(12), "yuki", away("meeting"));
    assert_eq!((told(&desk), desk.state("yuki")), (vec![], AgentState::Talking));
    desk.hangs_up(secs(30), "yuki");
    assert_eq!(told(&desk), [(AgentState::Talking, AgentState::WrapUp, None, None)]);
    let end = secs(30) + WRAP_UP;
    assert_eq!(desk.acd.poll_timeout(), Some(end), "all of the after-call work, to the millisecond");
    desk.until(end);
    assert_eq!(told(&desk), [(AgentState::WrapUp, AgentState::NotReady, None, reason("meeting"))]);
    desk.declares(end + Duration::from_secs(5), "yuki", Change::Ready);
    assert_eq!(told(&desk)[0].2, over(Some("meeting"), 5_000), "counted from when it began, not from when it was asked");
}

#[test]
fn a_break_that_is_taken_back_during_the_call_never_was() {
    let mut desk = yuki_alone();
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(2), "yuki");
    desk.declares(secs(10), "yuki", away("lunch"));
    desk.declares(secs(11), "yuki", Change::Ready);
    desk.hangs_up(secs(30), "yuki");
    desk.until(secs(30) + WRAP_UP);
    assert_eq!(told(&desk), [(AgentState::WrapUp, AgentState::Idle, None, None)]);
}

#[test]
fn a_break_that_goes_on_after_a_restart_lets_no_call_in_between() {
    let mut desk =
        Desk::new(&[queue("nurse", &[("nurse", 3)])], &[person("yuki", &[("nurse", 4)], &[]), person("mio", &[("nurse", 4)], &[])]);
    desk.signs_in(secs(0), "mio");
    desk.calls(secs(1), 1, "nurse");
    desk.calls(secs(1), 2, "nurse");
    desk.declares(secs(5), "yuki", Change::Resume(reason("lunch")));
    assert_eq!(told(&desk), [(AgentState::SignedOut, AgentState::NotReady, None, reason("lunch"))]);
    assert!(!desk.said.iter().any(|decision| matches!(decision, Decision::Offer { .. })), "{:?}", desk.said);
    desk.declares(secs(6), "yuki", Change::Ready);
    assert_eq!(desk.rings_at(2).as_deref(), Some("yuki"));
}

#[test]
fn a_reason_stays_with_who_is_on_it_through_a_publication_and_in_the_state() {
    let (all, people) = (queues(&[queue("nurse", &[("nurse", 3)])]), agents(&[person("yuki", &[("nurse", 4)], &[])]));
    let mut acd = Acd::new(rules(&all, &people));
    acd.set_agent(secs(0), &agent("yuki"), Change::SignIn);
    acd.set_agent(secs(10), &agent("yuki"), away("lunch"));
    while acd.poll_output().is_some() {}
    acd.publish(secs(20), rules(&all, &people));
    assert_eq!(acd.poll_output(), None, "a publication ends no break");
    acd.audit().unwrap();
    let state = acd.state();
    let desk = &state.agents[&agent("yuki")];
    assert_eq!((&desk.presence, desk.away_since), (&Presence::Break(reason("lunch")), Some(secs(10))));
    assert_eq!(Acd::restore(rules(&all, &people), state.clone()).state(), state);
}
