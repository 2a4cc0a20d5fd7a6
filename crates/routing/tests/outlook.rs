//! Expected waits: true often enough, never rising without a reason, and silent where too little is known.

mod city;
#[path = "city/desk.rs"]
mod desk;

use city::{person, queue};
use desk::{Desk, secs};
use model::{Instant, Millis, OfferId, QueueId, Random, Rose, TicketId};
use routing::{Acd, Change, Decision, Ticket};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A queue in which 25 calls of exactly 100 s have been served by one agent, and yuki talks with the 26th.
fn served() -> (Desk, u64) {
    let mut nurse = queue("nurse", &[("nurse", 1)]);
    nurse.wrap_up = Duration::ZERO;
    let mut desk = Desk::new(&[nurse], &[person("aoi", &[("nurse", 1)], &[]), person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    let mut at = 0;
    for ticket in 1..=25 {
        assert_eq!(desk.acd.expected_wait(secs(at), TicketId(ticket)), None);
        desk.calls(secs(at), ticket, "nurse");
        desk.answers(secs(at), "yuki");
        at += 100;
        desk.hangs_up(secs(at), "yuki");
    }
    desk.calls(secs(at), 26, "nurse");
    desk.answers(secs(at), "yuki");
    (desk, at)
}

#[test]
fn nothing_is_told_before_twenty_calls_are_finished_nor_with_nobody_there() {
    let mut desk = Desk::new(&[queue("nurse", &[("nurse", 1)])], &[person("yuki", &[("nurse", 1)], &[])]);
    desk.signs_in(secs(0), "yuki");
    desk.declares(secs(0), "yuki", Change::Break(None));
    desk.calls(secs(1), 1, "nurse");
    assert_eq!(desk.acd.expected_wait(secs(1), TicketId(1)), None);
    let (mut desk, at) = served();
    desk.calls(secs(at + 1), 30, "nurse");
    let told = desk.acd.expected_wait(secs(at + 1), TicketId(30)).expect("25 calls are enough");
    assert_eq!(told.support, 25);
    // One agent, 100 s a call, nobody loses patience, nobody before: exponential with mean 100 s.
    assert!((9_500..11_000).contains(&told.low.0) && (158_000..163_000).contains(&told.high.0), "{told:?}");
    desk.declares(secs(at + 2), "yuki", Change::SignOut);
    assert_eq!(desk.acd.expected_wait(secs(at + 2), TicketId(30)), None);
}

#[test]
fn a_wait_that_was_told_rises_only_with_its_reason() {
    let (mut desk, at) = served();
    desk.signs_in(secs(at), "aoi");
    desk.calls(secs(at), 29, "nurse");
    desk.answers(secs(at), "aoi");
    desk.calls(secs(at + 1), 30, "nurse");
    let wait = |desk: &Desk, at: u64| desk.acd.expected_wait(secs(at), TicketId(30));
    let first = wait(&desk, at + 1).unwrap();
    desk.does(|acd| acd.told(secs(at + 1), TicketId(30), first));
    let later = wait(&desk, at + 21).unwrap();
    assert_eq!((later.high.0 + 20_000, later.rose), (first.high.0, None), "what was told stands, though it would be as long from here on");
    assert_eq!(wait(&desk, at + 1000), None, "the time has passed, and there is no reason: silence");
    desk.calls_with(secs(at + 22), 31, "nurse", "ja", 2);
    assert_eq!(wait(&desk, at + 22).unwrap().rose, Some(Rose::Overtaken));
    desk.does(|acd| acd.abandon(secs(at + 23), TicketId(31)));
    desk.declares(secs(at + 24), "aoi", Change::Break(None));
    assert_eq!(wait(&desk, at + 24).unwrap().rose, Some(Rose::FewerAgents));
    desk.hangs_up(secs(at + 900), "yuki");
    assert_eq!(desk.rings_at(30).as_deref(), Some("yuki"));
    assert_eq!(wait(&desk, at + 900), None, "a phone rings for it already");
}

#[test]
fn longer_calls_are_a_reason_to_wait_longer() {
    let (mut desk, at) = served();
    desk.calls(secs(at + 1), 30, "nurse");
    desk.calls(secs(at + 2), 31, "nurse");
    let told = desk.acd.expected_wait(secs(at + 2), TicketId(31)).unwrap();
    desk.does(|acd| acd.told(secs(at + 2), TicketId(31), told));
    desk.hangs_up(secs(at + 3000), "yuki");
    desk.answers(secs(at + 3000), "yuki");
    let later = desk.acd.expected_wait(secs(at + 3000), TicketId(31)).unwrap();
    assert_eq!(later.rose, Some(Rose::LongerCalls));
    assert!(later.high.0 > 250_000, "{later:?}: the mean has doubled");
}

#[test]
fn a_flow_sees_the_queue_as_it_stands() {
    let (mut desk, at) = served();
    desk.signs_in(secs(at), "aoi");
    let facts = desk.acd.facts(secs(at + 5), &QueueId::from("nurse")).unwrap();
    assert_eq!((facts.waiting, facts.oldest, facts.staffed, facts.available), (0, Millis(0), 2, 1));
    assert_eq!(facts.expected.map(|e| e.high), Some(Millis(0)), "somebody is free");
    assert_eq!(facts.service_percent, Some(100), "all of the last half hour were answered at once");
    desk.declares(secs(at + 5), "aoi", Change::Break(None));
    desk.calls(secs(at + 10), 30, "nurse");
    desk.calls(secs(at + 20), 31, "nurse");
    desk.does(|acd| acd.abandon(secs(at + 30), TicketId(31)));
    let facts = desk.acd.facts(secs(at + 40), &QueueId::from("nurse")).unwrap();
    assert_eq!((facts.waiting, facts.oldest, facts.staffed, facts.available), (1, Millis(30_000), 1, 0));
    assert_eq!(facts.service_percent, Some(94), "17 of 18 in the last 30 minutes");
    assert!(facts.expected.unwrap().high > Millis(0));
    assert_eq!(desk.acd.facts(secs(at + 40 + 7200), &QueueId::from("nurse")).unwrap().service_percent, None);
    assert_eq!(desk.acd.facts(secs(at), &QueueId::from("nobody")), None);
}

/// M/M/c+M at 10 agents, 300 s a call, patience 120 s, 120 calls an hour (row A4 of the Erlang tables), for 300 hours.
#[test]
fn four_of_five_wait_no_longer_than_they_were_told() {
    const AGENTS: usize = 10;
    let mut nurse = queue("nurse", &[("nurse", 1)]);
    nurse.wrap_up = Duration::ZERO;
    nurse.max_waiting = 10_000;
    let people: Vec<_> = (0..AGENTS).map(|i| person(&format!("a{i}"), &[("nurse", 1)], &[])).collect();
    let mut acd = Acd::new(city::rules(&city::queues(&[nurse]), &city::agents(&people)));
    for person in &people {
        acd.set_agent(secs(0), &person.id, Change::SignIn);
    }
    let mut random = Random::from_number(11);
    let mut exponential = |mean: f64| Duration::from_secs_f64(-mean * (1.0 - random.unit()).ln());
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Next {
        Arrives,
        GivesUp(u64),
        HangsUp(usize),
    }
    let mut next: BTreeSet<(Instant, Next)> = BTreeSet::from([(secs(1), Next::Arrives)]);
    let mut told: BTreeMap<u64, (Instant, Instant)> = BTreeMap::new();
    let (mut tickets, mut within, mut all) = (0u64, 0u32, 0u32);
    while let Some((now, what)) = next.pop_first()
        && now < secs(300 * 3600)
    {
        match what {
            Next::Arrives => {
                tickets += 1;
                let needs = vec![city::need("nurse", 1)];
                acd.enqueue(now, Ticket::plain(TicketId(tickets), QueueId::from("nurse"), needs, "ja".into(), now));
                if let Some(estimate) = acd.expected_wait(now, TicketId(tickets)) {
                    told.insert(tickets, (now, now + Duration::from(estimate.high)));
                }
                next.insert((now + exponential(120.0), Next::GivesUp(tickets)));
                next.insert((now + exponential(30.0), Next::Arrives));
            }
            Next::GivesUp(ticket) => {
                told.remove(&ticket);
                acd.abandon(now, TicketId(ticket));
            }
            Next::HangsUp(who) => acd.finished(now, &people[who].id),
        }
        let mut rings: Vec<(OfferId, TicketId, model::AgentId)> = Vec::new();
        while let Some(decision) = acd.poll_output() {
            if let Decision::Offer { offer, ticket, agent, .. } = decision {
                rings.push((offer, ticket, agent));
            }
        }
        for (offer, ticket, who) in rings {
            assert!(acd.answered(now, offer));
            while acd.poll_output().is_some() {}
            next.retain(|(_, next)| *next != Next::GivesUp(ticket.0));
            let who = people.iter().position(|person| person.id == who).unwrap();
            next.insert((now + exponential(300.0), Next::HangsUp(who)));
            if let Some((_, by)) = told.remove(&ticket.0) {
                all += 1;
                within += u32::from(now <= by);
            }
        }
    }
    let percent = f64::from(within) * 100.0 / f64::from(all);
    println!("{percent:.1} % of {all} waits were no longer than told");
    assert!(all > 5000 && (75.0..=95.0).contains(&percent), "{percent:.1} % of {all}");
}
