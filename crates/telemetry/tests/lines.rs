//! What somebody reads in the log at three in the morning.

use model::*;
use std::sync::{Arc, Mutex};
use telemetry::Calls;
use telemetry::log::{self, Form, Lines};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The lines that `work` leaves at a level.
fn written(level: &str, form: Form, work: impl FnOnce()) -> String {
    let paper = Arc::new(Mutex::new(Vec::new()));
    let sheet = Arc::clone(&paper);
    let lines = Lines::new(form, move |line| sheet.lock().unwrap().extend_from_slice(line));
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(EnvFilter::new(level)));
    tracing::subscriber::with_default(subscriber, work);
    let bytes = paper.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The lines that events leave at a level.
fn lines(level: &str, events: &[Event]) -> String {
    written(level, Form::Human, || events.iter().for_each(log::note))
}

fn arrived() -> Event {
    Event::Arrived {
        call: CallId(17),
        number: Number::parse("0440000001").unwrap(),
        caller: Redacted::new("0449876543".to_owned()),
        line: LineId::from("ntt"),
    }
}

#[test]
fn a_call_is_found_by_its_id_and_the_caller_stays_masked() {
    let text = lines("trace", &[arrived(), Event::Answered { call: CallId(17) }]);
    assert!(text.lines().all(|line| line.contains("call=17") && line.contains("INFO")), "{text}");
    assert!(text.contains("number=0440000001") && text.contains("caller=044-***-**43") && !text.contains("0449876543"), "{text}");
}

#[test]
fn each_line_has_the_level_of_what_somebody_has_to_do() {
    let tomorrow = Event::AgentState {
        agent: AgentId::from("yuki"),
        from: AgentState::Offered,
        to: AgentState::NotResponding,
        ended: None,
        reason: None,
    };
    let now = Event::CallEvicted { call: CallId(3) };
    assert!(lines("error", &[now]).contains("ERROR"));
    assert!(lines("warn", std::slice::from_ref(&tomorrow)).contains("agent=yuki from=offered to=not_responding"));
    assert_eq!(lines("error", &[tomorrow]), "");
}

#[test]
fn toll_fraud_and_our_own_mistakes_wake_somebody_and_a_full_line_does_not() {
    let repaired = Event::Repaired { agent: AgentId::from("yuki"), what: "talking, and in no call".to_owned() };
    let text = lines("error", &[Event::CallsOutLimited, repaired]);
    assert!(text.contains("limit for this hour") && text.contains("agent=yuki"), "{text}");
    let full = Event::LineFull { line: LineId::from("ward_kawasaki") };
    assert_eq!(lines("error", std::slice::from_ref(&full)), "");
    assert!(lines("warn", &[full]).contains("line=ward_kawasaki"));
}

#[test]
fn a_message_is_told_a_full_box_wakes_somebody_and_a_slow_register_is_for_tomorrow() {
    let (call, mailbox) = (CallId(17), MailboxId::from("general"));
    let left = Event::MessageLeft { call, mailbox: mailbox.clone(), length: Millis(4200), how: MessageEnd::HungUp };
    assert!(lines("info", std::slice::from_ref(&left)).contains("mailbox=general length_ms=4200 how=hung_up"));
    assert_eq!(lines("warn", &[left]), "");
    let full = Event::MessageNotKept { call, mailbox: mailbox.clone(), why: NotKept::BoxFull };
    assert!(lines("error", &[full]).contains("why=box_full"));
    let empty = Event::MessageNotKept { call, mailbox, why: NotKept::Empty };
    assert_eq!(lines("warn", &[empty]), "");
    let slow = Event::LookedUp { call, lookup: LookupId::from("vaccine"), how: LookupEnd::TimedOut, took: Millis(4000) };
    assert!(lines("warn", std::slice::from_ref(&slow)).contains("lookup=vaccine how=timed_out"));
    assert_eq!(lines("error", &[slow]), "");
}

#[test]
fn a_callers_wait_can_be_followed_in_the_log_by_the_ticket() {
    let (call, ticket, queue) = (CallId(17), TicketId(3), QueueId::from("nurse"));
    let events = [
        Event::CallbackBooked { call, ticket, queue: queue.clone() },
        Event::CallbackTried { ticket, attempt: 1, how: CallbackTry::NoAnswer },
        Event::CallbackEnded { ticket, queue: queue.clone(), how: CallbackEnd::Served },
    ];
    let text = lines("info", &events);
    assert!(text.lines().count() == 3 && text.lines().all(|line| line.contains("ticket=3")), "{text}");
    // Each decision is a line only for whoever looks for one: a full queue makes many.
    let waits = Event::Waits { call: Some(call), ticket, queue, why: Why::default() };
    assert_eq!(lines("info", std::slice::from_ref(&waits)), "");
    assert!(lines("debug", &[waits]).contains("ticket=3"));
}

#[test]
fn strangers_cannot_fill_the_disk() {
    let theirs = [
        Event::Stranger,
        Event::ConnectionClosed { why: model::ConnectionEnd::Slow },
        Event::SipMalformed { answered: true },
        Event::AuthenticationFailed { challenged: true },
        Event::Refused { why: Refusal::UnknownNumber, person: None },
        Event::SipRequest { line: None, method: Method::Invite, direction: Direction::In, again: false },
    ];
    assert_eq!(lines("info", &theirs), "");
    assert_eq!(lines("debug", &theirs).lines().count(), 5);
}

#[test]
fn a_level_that_is_none_is_refused_with_a_sentence() {
    let fault = log::start("info,sip=loud", Form::Human).err().unwrap();
    assert!(fault.to_string().contains("write error, warn, info, debug or trace"), "{fault}");
}

#[test]
fn a_program_reads_each_line_as_an_object_with_names_that_stay() {
    let text = written("info", Form::Json, || {
        log::note(&arrived());
        tracing::error!(why = "a \"quote\"\nand a line", share = 0.5, sound = false, "it\tfailed");
    });
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let arrived = &lines[0];
    let names: Vec<&str> = ["level", "target", "message", "number", "caller", "line"].map(|name| arrived[name].as_str().unwrap()).into();
    assert_eq!(names, ["info", "telemetry::log", "a call came in", "0440000001", "044-***-**43", "ntt"]);
    assert_eq!(arrived["call"], 17);
    let stamp = arrived["timestamp"].as_str().unwrap();
    assert!(stamp.ends_with('Z') && stamp.as_bytes()[10] == b'T' && stamp.len() >= 20, "{stamp}");
    assert_eq!((&lines[1]["why"], &lines[1]["share"], &lines[1]["sound"]), (&"a \"quote\"\nand a line".into(), &0.5.into(), &false.into()));
    assert_eq!(lines[1]["message"], "it\tfailed");
}

#[test]
fn what_a_stranger_wrote_begins_no_line_and_moves_no_cursor() {
    let text = written("info", Form::Human, || tracing::warn!(why = "\u{1b}[31mred\n2026-01-01 ERROR all is lost", "odd\r\nthing"));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text}");
}

#[test]
fn a_fault_of_every_call_is_told_twenty_times_and_another_one_all_the_same() {
    let full = Event::Refused { why: Refusal::NoPort, person: None };
    let text = written("info", Form::Human, || {
        (0..5000).for_each(|_| log::note(&full));
        log::note(&Event::CallsOutLimited);
    });
    assert_eq!(text.matches("a caller was turned away").count(), 20, "{text}");
    assert_eq!(text.matches("calls out are at their limit").count(), 1);
}

#[test]
fn a_panic_is_one_line_without_the_number_that_was_in_hand() {
    log::mind_panics();
    let spoken = "From: \"０９０－１２３４－５６７８\" <sip:%2B81%39012345678@192.0.2.1>;x=090 1234 5678";
    let text = written("error", Form::Json, || drop(std::panic::catch_unwind(|| panic!("no dialog for {spoken}\r\nat 17"))));
    drop(std::panic::take_hook());
    let line: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("one line: {text}"));
    assert_eq!(line["message"], "panic: no dialog for From: \"***\" <sip:%2B***@192.0.2.1>;x=***\r\nat 17");
    assert!(line["place"].as_str().unwrap().contains("lines.rs:"), "{text}");
    assert_eq!(line["level"], "error");
}

#[test]
fn a_key_that_nobody_asked_for_is_noted_and_not_which_one() {
    let press =
        |digit, meaning| Event::Pressed { call: CallId(1), step: StepId::from("main"), digit: Digit::from_char(digit).unwrap(), meaning };
    assert!(lines("debug", &[press('7', KeyMeaning::Choice)]).contains("digit=7"));
    let ignored = lines("debug", &[press('7', KeyMeaning::Ignored)]);
    assert!(ignored.contains("meaning=ignored") && !ignored.contains("digit"), "{ignored}");
}

#[test]
fn each_line_of_a_call_says_where_the_call_is_and_no_longer_than_it_is_there() {
    let (call, ticket, queue, agent) = (CallId(17), TicketId(3), QueueId::from("nurse"), AgentId::from("yuki"));
    let (waited, promised, to_human) = (Millis(5_000), Millis(20_000), Millis(9_000));
    let events = [
        arrived(),
        Event::StepEntered { call, flow: FlowName::from("main"), step: StepId::from("menu") },
        Event::Enqueued { call, ticket, queue: queue.clone(), position: 1 },
        Event::LeftQueue { call, ticket, queue: queue.clone(), waited, how: QueueEnd::Answered, promised },
        Event::Bridged { call, queue: queue.clone(), agent: agent.clone(), waited, to_human },
        Event::PlaceKept { call, age: waited },
        // Another call is another call.
        Event::PlaceKept { call: CallId(18), age: waited },
    ];
    for told in [false, true] {
        let text = written("debug", Form::Json, || {
            let mut calls = Calls::new([7; 32], told);
            events.iter().for_each(|event| calls.note(UnixMillis(0), event));
        });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |line: usize| ["call", "number", "step", "queue", "agent"].map(|name| lines[line][name].to_string().replace('"', ""));
        assert_eq!(of(0), ["17", "0440000001", "null", "null", "null"]);
        assert_eq!(of(2), ["17", "0440000001", "menu", "nurse", "null"]);
        assert_eq!(of(5), ["17", "0440000001", "menu", "null", "yuki"], "{text}");
        assert_eq!(of(6), ["18", "null", "null", "null", "null"]);
        assert_eq!(lines[5].get("trace_id").is_some(), told, "{text}");
        assert_eq!(lines[5].to_string().matches("\"call\"").count(), 1, "each name once: {text}");
    }
    let errors = written("error", Form::Human, || {
        let mut calls = Calls::new([7; 32], false);
        calls.note(UnixMillis(0), &arrived());
        calls.note(UnixMillis(0), &Event::CallEvicted { call });
    });
    assert!(errors.ends_with("the others go on call=17 number=0440000001\n"), "whatever is written: {errors}");
}
