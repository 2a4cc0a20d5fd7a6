//! Peers that mean harm: they want our memory, somebody else's call, or our voice turned on a third party.

use crate::common::*;
use bytes::Bytes;
use sip::{Command, DIALOGS_MAX, Event, TRANSACTIONS_MAX};

fn caller(number: u64) -> String {
    invite(&format!("i{number}")).replace("Call-ID: c1", &format!("Call-ID: c{number}"))
}

#[test]
fn too_many_calls_are_told_to_come_back_and_those_in_progress_go_on() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    for number in 2..=DIALOGS_MAX as u64 {
        desk.receive(&caller(number));
    }
    assert_eq!(desk.census().dialogs, DIALOGS_MAX as u64);
    desk.sent();
    desk.events();
    for number in 0..100 {
        desk.receive(&caller(900_000 + number));
        let refused = desk.one();
        assert_eq!((refused.word(), refused.header("Retry-After")), ("503", "10"));
    }
    desk.receive(&reinvite("r", 2, &tag));
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    desk.receive(&inside("ACK", "s", 2, &tag));
    desk.receive(&inside("BYE", "b", 3, &tag));
    assert_eq!(desk.words(), ["200", "200"]);
    desk.receive(&caller(1_000_000));
    assert_eq!((desk.words().len(), desk.census().dialogs), (0, DIALOGS_MAX as u64));
}

#[test]
fn calls_given_up_at_once_do_not_pile_up_without_end() {
    let mut desk = Desk::new();
    let (_, tag) = desk.talking();
    for number in 2..TRANSACTIONS_MAX as u64 + 500 {
        let call = caller(number);
        desk.receive(&call);
        desk.receive(&call.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL"));
        desk.notes.clear();
        desk.sent.truncate(0);
    }
    assert_eq!(desk.census().transactions, TRANSACTIONS_MAX as u64);
    assert_eq!(desk.census().dialogs, 1);
    desk.receive(&inside("BYE", "b", 2, &tag));
    assert_eq!(desk.words(), ["200"], "whoever is talking can hang up");
    desk.wait(40_000);
    desk.assert_quiet();
}

#[test]
fn one_dialog_cannot_fill_the_table() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let before = desk.census().transactions;
    for cseq in 2..500 {
        desk.receive(&inside("OPTIONS", &format!("o{cseq}"), cseq, &tag));
        assert_eq!(desk.words(), ["200"]);
    }
    for cseq in 500..1_000 {
        desk.receive(&reinvite(&format!("r{cseq}"), cseq, &tag));
        desk.command(Command::RefuseReoffer { dialog, status: 488 });
    }
    // RFC 3261 section 14.2: 503 would keep a carrier from sending us anybody's calls.
    assert!(desk.words().contains(&"500".to_owned()));
    assert!(desk.census().transactions - before <= 64);
    desk.command(Command::Bye { dialog });
    for cseq in 1_000..1_500 {
        desk.receive(&inside("BYE", &format!("b{cseq}"), cseq, &tag));
    }
    assert!(desk.census().transactions - before <= 66);
    desk.wait(40_000);
    desk.assert_quiet();
}

#[test]
fn nobody_can_occupy_the_next_transaction_of_somebody_else() {
    let mut desk = Desk::new();
    // SIPp and others number their branches; the attacker is quicker, with a call of its own.
    desk.receive_from("203.0.113.9:5060", &invite("1").replace("Call-ID: c1", "Call-ID: x").replace("tag=f1", "tag=x"));
    desk.receive(&invite("1"));
    assert_eq!(desk.events().len(), 2);
    desk.wait(200);
    assert_eq!(desk.sent().iter().map(|s| s.to.to_string()).collect::<Vec<_>>(), ["203.0.113.9:5060", CALLER]);
}

#[test]
fn a_name_cannot_become_a_header_of_ours() {
    let mut desk = Desk::new();
    let dialog = desk.endpoint.new_dialog();
    let to = sip::Target {
        uri: "sip:sato@192.0.2.60".to_owned(),
        flow: model::FlowId::UDP,
        addr: PHONE.parse().unwrap(),
        routes: Vec::new(),
        user: None,
        trunk: None,
    };
    let display = "x\" <sip:boss@h>\r\nX-Evil: 1\r\n\r\n".to_owned() + &"長".repeat(1_000);
    let from = sip::Identity { display, user: "a>;tag=1\r\nX-Evil: 2 @h".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
    let invite = desk.one();
    let message = invite.message();
    let essentials = message.essentials().unwrap();
    assert!(message.other("X-Evil").is_none() && !invite.text.contains("\nX-Evil"), "{}", invite.text);
    assert_eq!(essentials.from.uri().user(), "a>;tag=1\r\nX-Evil: 2 @h");
    assert!(essentials.from.display().starts_with("x\" <sip:boss@h>X-Evil: 1長"));
}

#[test]
fn a_request_that_would_cost_too_much_to_answer_is_refused() {
    let mut desk = Desk::new();
    let long = |bytes: usize| {
        let vias = vec![format!("SIP/2.0/UDP {}", "h".repeat(190)); bytes / 200].join("\r\nVia: ");
        invite("1").replace("Max-Forwards", &format!("Via: {vias}\r\nMax-Forwards"))
    };
    desk.receive(&long(12_000));
    assert_eq!(desk.words(), ["513"]);
    desk.receive(&long(13_000));
    assert_eq!(desk.words(), Vec::<String>::new(), "more than 64 Vias, and too long for a 400");
    desk.receive(&invite("1").replace("Call-ID: c1", &format!("Call-ID: {}", "c".repeat(9_000))));
    assert_eq!(desk.words(), ["400"], "without the line that is too long");
    desk.assert_quiet();
}

#[test]
fn nobody_can_aim_us_at_a_whole_network() {
    for contact in ["224.0.0.1", "127.0.0.1", "[ff02::1]", "192.0.2.1", "192.0.2.1:7777"] {
        let mut desk = Desk::new();
        desk.receive(&invite("1").replace("caller@192.0.2.50>", &format!("caller@{contact}>")));
        assert_eq!((desk.words(), desk.events()), (vec!["403".to_owned()], vec![]), "{contact}");
    }
    // A phone that does not know where it is, is where it calls from.
    for contact in ["255.255.255.255", "0.0.0.0"] {
        let mut desk = Desk::new();
        desk.receive(&invite("1").replace("caller@192.0.2.50>", &format!("caller@{contact}>")));
        let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
        desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let tag = desk.sent().pop().unwrap().to_tag();
        desk.receive(&inside("ACK", "a", 1, &tag));
        desk.command(Command::Bye { dialog });
        assert_eq!(desk.one().to.to_string(), CALLER, "{contact}");
    }
}

#[test]
fn a_broken_message_never_begins_a_conversation_of_errors() {
    let mut desk = Desk::new();
    desk.receive("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n\r\n");
    desk.receive("SIP/2.0 400 Bad Request\r\n\r\n");
    desk.receive("ACK sip:x SIP/2.0\r\nVia: broken\r\n\r\n");
    desk.receive("INVITE sip:x SIP/2.0\r\n\r\n");
    assert!(desk.sent().is_empty());
    // Our own answer, thrown back at us.
    desk.receive(&inside("BYE", "s", 1, "none"));
    let answer = desk.one();
    desk.receive(&answer.text);
    assert!(desk.sent().is_empty() && desk.events().is_empty());
}
