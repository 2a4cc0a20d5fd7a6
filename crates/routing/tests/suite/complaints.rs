//! What users of other engines complain of, as situations that must not occur here. The numbers in brackets are the public reports.
//!
//! All fifty-six complaints of users of open call-centre engines, and where each is answered, stand in `complaints.md`.

use crate::city::{WRAP_UP, person, queue};
use crate::desk::{Desk, secs};
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
    desk.declares(secs(0), "a0", Change::Break(None));
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
    desk.declares(secs(0), "a0", Change::Break(None));
    let mut places = [u32::MAX; 40];
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
            desk.declares(secs(second), "a0", Change::Break(None));
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
    desk.declares(secs(0), "a0", Change::Break(None));
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
    desk.declares(secs(0), "yuki", Change::Break(None));
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
    let all = crate::city::queues(&[queue("nurse", &[("nurse", 1)]), queue("general", &[("general", 1)])]);
    desk.does(|acd| acd.publish(secs(2), crate::city::rules(&all, &crate::city::agents(&people))));
    assert!(desk.said.is_empty());
    assert_eq!(desk.acd.state(), before);
}

/// A reload forgot when after-call work had begun (asterisk#1255); one with a shorter time here lets nobody go early either.
#[test]
fn publishing_during_after_call_work_does_not_shorten_it() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "a0");
    desk.hangs_up(secs(10), "a0");
    let quick = |id, needs| model::Queue { wrap_up: Duration::from_secs(5), ..queue(id, needs) };
    let all = crate::city::queues(&[quick("nurse", &[("nurse", 1)]), quick("general", &[("general", 1)])]);
    let people = crate::city::agents(&[person("a0", &[("nurse", 3), ("general", 3)], &[])]);
    desk.does(|acd| acd.publish(secs(12), crate::city::rules(&all, &people)));
    desk.calls(secs(13), 2, "nurse");
    desk.until(secs(69));
    assert_eq!((desk.state("a0"), desk.rings_at(2)), (AgentState::WrapUp, None), "the time that was begun is kept");
    desk.until(secs(10) + WRAP_UP);
    assert_eq!(desk.rings_at(2).as_deref(), Some("a0"));
}

/// After a transfer from queue to queue the agent had to sign in again (OpenACD#69).
#[test]
fn a_caller_who_is_sent_to_another_queue_leaves_the_agent_signed_in() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "a0");
    let again = desk.ticket(secs(1), 1, "general", "ja", 0);
    desk.does(|acd| acd.finished(secs(30), &crate::desk::agent("a0")));
    desk.does(|acd| acd.enqueue(secs(30), again));
    assert_eq!((desk.state("a0"), desk.acd.position(TicketId(1))), (AgentState::WrapUp, Some(1)));
    desk.until(secs(30) + WRAP_UP);
    assert_eq!(desk.rings_at(1).as_deref(), Some("a0"), "the next call comes by itself");
}

/// Callbacks jumped the line and flooded the agents (FreePBX issue-tracker#621; plugin-queued-callbacks-and-voicemail#9). A callback is a
/// ticket of its age, and one agent has one at a time.
#[test]
fn a_callback_comes_when_its_age_has_its_turn_and_not_before() {
    let mut desk = ward(1);
    desk.signs_in(secs(0), "a0");
    desk.calls(secs(1), 1, "nurse");
    desk.answers(secs(1), "a0");
    desk.calls(secs(2), 2, "nurse");
    // Three who were before and after the one on the telephone, kept for callbacks meanwhile.
    for (ticket, since) in [(3, 3), (4, 4), (5, 5)] {
        desk.calls(secs(since), ticket, "nurse");
        desk.does(|acd| acd.hold(secs(since), TicketId(ticket)));
    }
    desk.calls(secs(6), 6, "nurse");
    for ticket in [5, 4, 3] {
        desk.does(|acd| acd.release(secs(7), TicketId(ticket)));
    }
    let mut order = Vec::new();
    for n in 1..=5 {
        let at = secs(100 * n);
        desk.hangs_up(at, "a0");
        desk.declares(at, "a0", Change::Ready);
        order.extend((2..=6).find(|ticket| desk.rings_at(*ticket).is_some()));
        desk.answers(at, "a0");
    }
    assert_eq!(order, [2, 3, 4, 5, 6], "in the order of their ages, one at a time");
}

/// Memory grew until the next restart (asterisk#1108, rtpengine#169).
#[test]
fn a_day_of_callers_leaves_nothing_behind() {
    let mut desk = ward(2);
    desk.signs_in(secs(0), "a0");
    desk.signs_in(secs(0), "a1");
    let empty = desk.acd.state();
    let size = |desk: &Desk| format!("{:?}", desk.acd.state()).len();
    let mut after_an_hour = 0;
    for n in 1..=4_000_u64 {
        let at = secs(n * 20);
        desk.until(at);
        desk.calls(at, n, if n % 3 == 0 { "general" } else { "nurse" });
        match n % 4 {
            0 => desk.does(|acd| acd.abandon(at, TicketId(n))),
            _ => {
                for who in ["a0", "a1"] {
                    if desk.ringing(who).is_some() {
                        if n % 4 == 1 {
                            desk.declines(at, who)
                        } else {
                            assert!(desk.answers(at, who));
                        }
                        desk.hangs_up(at, who);
                        desk.declares(at, who, Change::Ready);
                    }
                }
            }
        }
        if n % 4 == 3 {
            (n.saturating_sub(3)..=n).for_each(|ticket| desk.does(|acd| acd.abandon(at, TicketId(ticket))));
        }
        if n == 200 {
            after_an_hour = size(&desk);
        }
    }
    desk.until(secs(200_000));
    assert_eq!((desk.acd.tickets(), desk.acd.timers()), (0, 0));
    assert_eq!(desk.acd.state().agents.len(), empty.agents.len());
    let (now, then) = (size(&desk), after_an_hour);
    assert!(now < then * 2, "{then} letters after an hour, {now} after a day");
}

/// The table of all fifty-six names tests that exist, each complaint once and in order.
#[test]
#[expect(clippy::disallowed_methods, reason = "it reads the files of tests that a table names")]
fn the_table_of_complaints_names_tests_that_there_are() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = include_str!("complaints.md");
    let mut number = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [of, complaint, answer] = cells[..] else { panic!("three cells: {row}") };
        number += 1;
        assert_eq!(of.parse(), Ok(number), "{row}");
        assert!(!complaint.is_empty() && !answer.is_empty(), "{row}");
        for test in answer.split('`').skip(1).step_by(2) {
            let (file, name) = test.split_once(": ").unwrap_or_else(|| panic!("file: test, not {test}"));
            let file = if file.contains('/') { file.to_owned() } else { format!("crates/routing/tests/suite/{file}") };
            let text = std::fs::read_to_string(root.join(&file)).unwrap_or_else(|fault| panic!("{file}: {fault}"));
            assert!(text.contains(&format!("fn {name}()")), "complaint {number}: there is no {name} in {file}");
        }
    }
    assert_eq!(number, 56);
}
