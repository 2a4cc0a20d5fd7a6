//! What somebody reads in the log at three in the morning.

use model::*;
use std::io::Write;
use std::sync::{Arc, Mutex};
use telemetry::log;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);
impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that events leave at a level.
fn lines(level: &str, events: &[Event]) -> String {
    let paper = Paper::default();
    let copy = paper.clone();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_ansi(false).with_writer(move || copy.clone()).finish();
    tracing::subscriber::with_default(subscriber, || events.iter().for_each(log::note));
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
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
        Event::SipRequest { method: Method::Invite, direction: Direction::In, again: false },
    ];
    assert_eq!(lines("info", &theirs), "");
    assert_eq!(lines("debug", &theirs).lines().count(), 5);
}

#[test]
fn a_level_that_is_none_is_refused_with_a_sentence() {
    let fault = log::start("info,sip=loud").unwrap_err();
    assert!(fault.to_string().contains("write error, warn, info, debug or trace"), "{fault}");
}
