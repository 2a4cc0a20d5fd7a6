//! We call: the endpoint as the user agent client.

use crate::common::*;
use bytes::Bytes;
use sip::{Command, Event, Role};
use std::time::Duration;

fn ok(invite: &Sent, tag: &str) -> String {
    response(invite, 200, tag, OFFER)
}

#[test]
fn a_phone_rings_answers_and_is_hung_up() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    assert!(invite.text.starts_with("INVITE sip:sato@192.0.2.60:5062 SIP/2.0\r\n"));
    assert!(invite.header("From").starts_with("\"川崎 \\\"Ward\\\"\" <sip:0440000001@192.0.2.1:5060>;tag="), "{}", invite.text);
    assert_eq!(invite.to.to_string(), PHONE);
    desk.receive_from(PHONE, &response(&invite, 100, "", ""));
    desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
    desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
    assert_eq!(desk.events(), [Event::Trying { dialog }, Event::Ringing { dialog, early: None }]);
    desk.receive_from(PHONE, &ok(&invite, "p1"));
    let ack = desk.one();
    assert_eq!((ack.word(), ack.header("CSeq"), ack.to_tag().as_str()), ("ACK", "1 ACK", "p1"));
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(OFFER)) }]);
    desk.receive_from(PHONE, &ok(&invite, "p1"));
    assert_eq!(desk.one().text, ack.text, "the ACK was lost: the same one again");
    assert!(desk.events().is_empty());
    let state = desk.endpoint.dialog(dialog).unwrap();
    assert_eq!((state.role, state.remote_tag.as_deref(), state.local_cseq), (Role::Uac, Some("p1"), 1));

    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!((bye.word(), bye.header("CSeq")), ("BYE", "2 BYE"));
    desk.receive_from(PHONE, &response(&bye, 200, "", ""));
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
    desk.receive_from(PHONE, &ok(&invite, "p1"));
    assert_eq!(desk.one().text, ack.text, "even after the dialog is gone");
    desk.wait(40_000);
    desk.assert_quiet();
}

#[test]
fn a_phone_that_is_gone_is_called_for_32_seconds() {
    let mut desk = Desk::new();
    let (dialog, _) = desk.calling();
    let start = desk.millis();
    desk.wait(32_000);
    let times: Vec<u64> = desk.sent().iter().map(|s| s.millis - start).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 408, retry_after: None }, Event::Ended { dialog }]);
    desk.assert_quiet();
}

#[test]
fn a_busy_phone_is_acknowledged_each_time_it_says_so() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &response(&invite, 486, "p1", ""));
    let ack = desk.one();
    assert_eq!((ack.word(), ack.header("Via"), ack.to_tag().as_str()), ("ACK", invite.header("Via"), "p1"));
    assert!(ack.text.starts_with("ACK sip:sato@192.0.2.60:5062 SIP/2.0"));
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 486, retry_after: None }, Event::Ended { dialog }]);
    desk.receive_from(PHONE, &response(&invite, 486, "p1", ""));
    assert_eq!(desk.one().text, ack.text);
    desk.wait(40_000);
    desk.assert_quiet();
}

/// RFC 3261 section 20.33: a comment or parameters may follow the number; nobody is believed for longer than an hour.
#[test]
fn whoever_is_in_trouble_may_say_for_how_long() {
    for (says, heard) in [
        ("Retry-After: 120\r\n", Some(120)),
        ("Retry-After: 18 (at lunch);duration=5\r\n", Some(18)),
        ("Retry-After: 99999999999999999999999\r\n", Some(3600)),
        ("Retry-After: soon\r\n", None),
        ("", None),
    ] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        let answer = response(&invite, 503, "p1", "").replace("Content-Length", &format!("{says}Content-Length"));
        desk.receive_from(PHONE, &answer);
        let retry_after = heard.map(Duration::from_secs);
        assert_eq!(desk.events(), [Event::Failed { dialog, status: 503, retry_after }, Event::Ended { dialog }], "{says}");
    }
}

/// RFC 3261 section 9.1.
#[test]
fn giving_up_waits_for_the_phone_to_say_anything() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.command(Command::Cancel { dialog, reason: None });
    desk.wait(400);
    assert!(desk.sent().is_empty(), "RFC 3261 section 9.1");
    desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
    let cancel = desk.one();
    assert_eq!((cancel.word(), cancel.header("CSeq"), cancel.header("Via")), ("CANCEL", "1 CANCEL", invite.header("Via")));
    assert_eq!((cancel.header("To"), cancel.header("From")), (invite.header("To"), invite.header("From")));
    assert_eq!(cancel.to, invite.to);
    desk.command(Command::Cancel { dialog, reason: None });
    assert!(desk.sent().is_empty());
    desk.receive_from(PHONE, &response(&cancel, 200, "p1", ""));
    desk.receive_from(PHONE, &response(&invite, 487, "p1", ""));
    assert_eq!(desk.words(), ["ACK"]);
    assert_eq!(desk.events()[1..], [Event::Failed { dialog, status: 487, retry_after: None }, Event::Ended { dialog }]);
    desk.wait(40_000);
    desk.assert_quiet();
}

#[test]
fn a_phone_is_told_that_another_was_answered_and_so_is_one_that_answers_too_late() {
    use sip::Reason::{AnsweredElsewhere, DeclinedElsewhere};
    let elsewhere = "SIP;cause=200;text=\"Call completed elsewhere\"";
    for (reason, says) in [(Some(AnsweredElsewhere), elsewhere), (Some(DeclinedElsewhere), "SIP;cause=603;text=\"Decline\""), (None, "")] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
        desk.command(Command::Cancel { dialog, reason });
        let cancel = desk.one();
        assert_eq!((cancel.word(), cancel.header("Reason")), ("CANCEL", says));
        desk.receive_from(PHONE, &ok(&invite, "p1"));
        let sent = desk.sent();
        assert_eq!((sent[1].word(), sent[1].header("Reason")), ("BYE", says));
    }
    // Given up before the phone had said anything: the reason waits with the CANCEL. What is wanted after that changes nothing.
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.command(Command::Cancel { dialog, reason: Some(AnsweredElsewhere) });
    desk.command(Command::Cancel { dialog, reason: None });
    desk.receive_from(PHONE, &response(&invite, 100, "", ""));
    assert_eq!(desk.one().header("Reason"), elsewhere);
}

/// RFC 3261 section 9.1: a CANCEL that came too late; the call is acknowledged and ended.
#[test]
fn the_phone_answers_while_we_give_up() {
    for provisional_first in [true, false] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        if provisional_first {
            desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
        }
        desk.command(Command::Cancel { dialog, reason: None });
        desk.sent();
        desk.events();
        desk.receive_from(PHONE, &ok(&invite, "p1"));
        let sent = desk.sent();
        assert_eq!(sent.iter().map(Sent::word).collect::<Vec<_>>(), ["ACK", "BYE"]);
        assert!(desk.events().is_empty());
        desk.receive_from(PHONE, &response(&sent[1], 200, "", ""));
        assert_eq!(desk.events(), [Event::Ended { dialog }]);
        desk.wait(60_000);
        desk.assert_quiet();
    }
}

#[test]
fn a_cancelled_phone_that_says_nothing_more_is_forgotten() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
    desk.wait(100_000);
    assert!(desk.sent().is_empty(), "how long it may ring is not ours to say");
    desk.command(Command::Bye { dialog });
    desk.events();
    desk.wait(32_000);
    assert_eq!(desk.words(), vec!["CANCEL"; 11]);
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 487, retry_after: None }, Event::Ended { dialog }]);
    desk.wait(40_000);
    desk.assert_quiet();
}

/// RFC 3261 section 13.2.2.4: each 2xx of a fork gets an ACK, and a BYE if nobody wants it; RFC 6026 section 7.2 (Accepted) lets them through.
#[test]
fn two_phones_answer_one_call() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &ok(&invite, "p1"));
    desk.sent();
    desk.receive_from(PHONE, &ok(&invite, "p2"));
    let sent = desk.sent();
    assert_eq!(sent.iter().map(|s| (s.word(), s.to_tag())).collect::<Vec<_>>(), [("ACK", "p2".to_owned()), ("BYE", "p2".to_owned())]);
    desk.receive_from(PHONE, &ok(&invite, "p2"));
    assert_eq!(desk.one().text, sent[0].text);
    desk.receive_from(PHONE, &response(&sent[1], 200, "", ""));
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(OFFER)) }]);
    assert_eq!(desk.endpoint.dialog(dialog).unwrap().remote_tag.as_deref(), Some("p1"));
    for branch in 3..40 {
        desk.receive_from(PHONE, &ok(&invite, &format!("p{branch}")));
    }
    assert_eq!(desk.words().len(), 12, "six more are ended, the others give up by themselves");
}

#[test]
fn the_phone_hangs_up_or_changes_the_session() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
    desk.events();
    desk.receive_from(PHONE, &phone_inside(&invite, "INVITE", "g", 1, "p1"));
    assert_eq!(desk.words(), ["491"], "our own INVITE is still open");
    desk.receive_from(PHONE, &ok(&invite, "p1"));
    desk.sent();
    desk.events();
    desk.receive_from(PHONE, &phone_inside(&invite, "INVITE", "h", 2, "p1"));
    assert_eq!(desk.events(), [Event::Reoffer { dialog, offer: None, from: host(PHONE) }]);
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    desk.receive_from(PHONE, &phone_inside(&invite, "ACK", "i", 2, "p1"));
    desk.receive_from(PHONE, &phone_inside(&invite, "BYE", "j", 3, "p1"));
    assert_eq!(desk.words(), ["200", "200"]);
    assert_eq!(desk.events(), [Event::AnswerCame { dialog, answer: None }, Event::Bye { dialog }, Event::Ended { dialog }]);
    desk.wait(60_000);
    desk.assert_quiet();
}

#[test]
fn the_phone_says_bye_before_it_has_answered() {
    for before_any_answer in [true, false] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        if !before_any_answer {
            desk.receive_from(PHONE, &response(&invite, 180, "p1", ""));
        }
        desk.events();
        desk.receive_from(PHONE, &phone_inside(&invite, "BYE", "j", 1, "p1"));
        assert_eq!(desk.words(), if before_any_answer { vec!["200"] } else { vec!["200", "CANCEL"] });
        desk.receive_from(PHONE, &response(&invite, 487, "p1", ""));
        assert_eq!(desk.events(), [Event::Failed { dialog, status: 487, retry_after: None }, Event::Ended { dialog }]);
    }
}

#[test]
fn answers_that_are_not_ours_are_dropped() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    let good = ok(&invite, "p1");
    for foreign in [
        good.replace("192.0.2.1:5060;branch", "192.0.2.2:5060;branch"),
        good.replace("192.0.2.1:5060;branch", "192.0.2.1:5061;branch"),
        good.replace("branch=z9hG4bK", "branch=z9hG4bKx"),
        good.replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"),
        good.replace("From:", "Via: SIP/2.0/UDP 255.255.255.255\r\nFrom:"),
        good.replace("CSeq: 1 INVITE", "CSeq: 9292394834772304023312 INVITE"),
    ] {
        desk.receive_from(PHONE, &foreign);
        assert!(desk.sent().is_empty() && desk.events().is_empty(), "{foreign}");
    }
    desk.receive_from(PHONE, &good);
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(OFFER)) }]);
}

/// RFC 3261 section 12.1.2: Record-Route in reverse.
#[test]
fn a_proxy_in_the_answer_is_the_way_from_then_on() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(
        PHONE,
        &ok(&invite, "p1").replace("Contact:", "Record-Route: <sip:192.0.2.8;lr>, <sip:192.0.2.7:5070;lr>\r\nContact:"),
    );
    let ack = desk.one();
    assert!(ack.text.contains("\r\nRoute: <sip:192.0.2.7:5070;lr>\r\nRoute: <sip:192.0.2.8;lr>\r\n"), "{}", ack.text);
    assert_eq!(ack.to.to_string(), "192.0.2.7:5070");
    assert_eq!(desk.endpoint.dialog(dialog).unwrap().route_set, ["sip:192.0.2.7:5070;lr", "sip:192.0.2.8;lr"]);
}

#[test]
fn nobody_can_be_called_at_an_address_that_is_none() {
    let mut desk = Desk::new();
    for uri in ["", "sip:a b@h", "sip:a@h?Route=x", "tel:110", "sip:a@h\r\nVia: x"] {
        let dialog = desk.endpoint.new_dialog();
        let to = sip::Target {
            uri: uri.to_owned(),
            flow: model::FlowId::UDP,
            addr: PHONE.parse().unwrap(),
            routes: Vec::new(),
            user: None,
            trunk: None,
        };
        let from = sip::Identity { display: String::new(), user: String::new() };
        desk.command(Command::Invite { dialog, to, from, sdp: Bytes::new() });
        assert!(desk.sent().is_empty());
        assert_eq!(desk.events(), [Event::Failed { dialog, status: 416, retry_after: None }, Event::Ended { dialog }], "{uri}");
    }
    desk.assert_quiet();
}

#[test]
fn commands_for_nobody_are_ignored() {
    let mut desk = Desk::new();
    let dialog = model::DialogId(99);
    let to = sip::Target {
        uri: "sip:a@h".to_owned(),
        flow: model::FlowId::UDP,
        addr: PHONE.parse().unwrap(),
        routes: Vec::new(),
        user: None,
        trunk: None,
    };
    let from = sip::Identity { display: String::new(), user: String::new() };
    for command in [
        Command::Provisional { dialog, status: 180 },
        Command::Accept { dialog, sdp: Bytes::new() },
        Command::Reject { dialog, status: 404, retry_after_secs: None },
        Command::Invite { dialog, to, from, sdp: Bytes::new() },
        Command::Cancel { dialog, reason: None },
        Command::Bye { dialog },
        Command::AnswerReoffer { dialog, sdp: Bytes::new() },
        Command::RefuseReoffer { dialog, status: 488 },
        Command::Reoffer { dialog, sdp: Bytes::new() },
        Command::AnswerRefer { dialog, status: 202 },
        Command::Notify { dialog, status: 200, over: true },
        Command::Probe { dialog },
    ] {
        desk.command(command);
        assert!(desk.sent().is_empty() && desk.events().is_empty());
    }
    desk.assert_quiet();
}
