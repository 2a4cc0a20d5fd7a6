//! Provisional answers that count (RFC 3262), in both roles.

use crate::common::*;
use bytes::Bytes;
use model::DialogId;
use sip::{Command, Event};

/// A caller who says this of provisional answers; the dialog, and whether the calls are told.
fn called_by(desk: &mut Desk, extra: &str) -> (DialogId, bool) {
    let contact = "Contact: <sip:caller@192.0.2.50>\r\n";
    desk.receive(&invite("1").replace(contact, &format!("{contact}{extra}")));
    let [Event::Invite { dialog, reliable, .. }] = desk.events()[..] else { panic!() };
    desk.sent();
    (dialog, reliable)
}

/// The caller's PRACK.
fn prack(branch: &str, cseq: u32, our_tag: &str, rack: &str) -> String {
    let to = format!("<sip:0440000001@192.0.2.1>;tag={our_tag}");
    request("PRACK", "sip:192.0.2.1:5060", branch, &to, cseq, &format!("RAck: {rack}\r\n"), "")
}

fn rings(desk: &mut Desk, dialog: DialogId) -> Sent {
    desk.command(Command::Provisional { dialog, status: 180 });
    desk.one()
}

/// Section 3: the 180 says Require and RSeq to whoever knows that, and nobody else.
#[test]
fn whoever_acknowledges_provisional_answers_gets_one_that_is_repeated_until_then() {
    for (extra, reliably) in [("", false), ("Supported: timer\r\n", false), ("k: timer,100rel\r\n", true), ("Require: 100rel\r\n", true)] {
        let mut desk = Desk::new();
        let (dialog, told) = called_by(&mut desk, extra);
        assert_eq!(told, reliably, "{extra}");
        let start = desk.millis();
        let ringing = rings(&mut desk, dialog);
        assert_eq!((ringing.header("Require") == "100rel", !ringing.header("RSeq").is_empty()), (reliably, reliably), "{extra}");
        desk.wait(10_000);
        let times: Vec<u64> = desk.sent().iter().map(|s| s.millis - start).collect();
        // Section 3: "starts at T1 seconds and doubles for each retransmission".
        assert_eq!(times, if reliably { vec![500, 1500, 3500, 7500] } else { vec![] }, "{extra}");
        let rseq = ringing.header("RSeq");
        if reliably {
            desk.receive(&prack("p", 2, &ringing.to_tag(), &format!("{rseq} 1 INVITE")));
            assert_eq!(desk.words(), ["200"]);
            desk.receive(&prack("p", 2, &ringing.to_tag(), &format!("{rseq} 1 INVITE")));
            assert_eq!(desk.words(), ["200"], "a copy of it");
            desk.wait(30_000);
            assert!(desk.sent().is_empty());
            let next = rings(&mut desk, dialog);
            let (one, two): (u32, u32) = (rseq.parse().unwrap(), next.header("RSeq").parse().unwrap());
            assert_eq!(two, one + 1, "section 3: greater by exactly one");
        }
    }
}

/// Section 3: "If a PRACK ... does not match ... the UAS MUST respond with a 481"; a second provisional answer waits for the first's PRACK.
#[test]
fn a_prack_for_something_else_gets_481() {
    let mut desk = Desk::new();
    let (dialog, _) = called_by(&mut desk, "Supported: 100rel\r\n");
    let ringing = rings(&mut desk, dialog);
    let (tag, rseq): (String, u32) = (ringing.to_tag(), ringing.header("RSeq").parse().unwrap());
    desk.command(Command::Provisional { dialog, status: 183 });
    assert!(desk.sent().is_empty(), "one at a time");
    for (n, (rack, status)) in [
        (format!("{} 1 INVITE", rseq + 1), "481"),
        (format!("{rseq} 2 INVITE"), "481"),
        (format!("{rseq} 1 UPDATE"), "400"),
        ("x 1 INVITE".to_owned(), "400"),
        (String::new(), "400"),
        (format!("{rseq}  1\tINVITE"), "200"),
        (format!("{rseq} 1 INVITE"), "481"),
    ]
    .into_iter()
    .enumerate()
    {
        desk.receive(&prack(&format!("p{n}"), 2 + n as u32, &tag, &rack));
        assert_eq!(desk.words(), [status], "{rack}");
    }
    desk.receive(&inside("PRACK", "q", 20, &tag));
    assert_eq!(desk.words(), ["400"], "no RAck at all");
}

#[test]
fn a_prack_that_offers_is_told_that_nobody_answers_it() {
    let mut desk = Desk::new();
    let (dialog, _) = called_by(&mut desk, "Supported: 100rel\r\n");
    let ringing = rings(&mut desk, dialog);
    let rack = format!("{} 1 INVITE", ringing.header("RSeq"));
    let empty = prack("p", 2, &ringing.to_tag(), &rack);
    let with = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}", OFFER.len());
    desk.receive(&empty.replace("Content-Length: 0\r\n\r\n", &with));
    assert_eq!(desk.words(), ["488"], "section 5: a 200 would have to hold the answer");
    desk.wait(10_000);
    assert_eq!(desk.words(), [""; 0], "it acknowledges all the same");
}

/// Section 3: "If a reliable provisional response is retransmitted for 64*T1 seconds without reception of a corresponding PRACK, the UAS SHOULD
/// reject the original request with a 5xx response."
#[test]
fn a_call_whose_180_nobody_acknowledges_is_refused() {
    let mut desk = Desk::new();
    let (dialog, _) = called_by(&mut desk, "Supported: 100rel\r\n");
    rings(&mut desk, dialog);
    desk.wait(31_999);
    assert_eq!(desk.words(), vec!["180"; 6]);
    desk.wait(1);
    assert_eq!(desk.words(), ["504"]);
    assert_eq!(desk.events(), [Event::Cancelled { dialog }, Event::Ended { dialog }]);
}

/// Section 3: a final answer need not wait for the PRACK of one without a session description, and ends its repetition.
#[test]
fn the_200_may_overtake_the_prack() {
    let mut desk = Desk::new();
    let (dialog, _) = called_by(&mut desk, "Supported: 100rel\r\n");
    let ringing = rings(&mut desk, dialog);
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&prack("p", 2, &ringing.to_tag(), &format!("{} 1 INVITE", ringing.header("RSeq"))));
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&inside("ACK", "a", 1, &ringing.to_tag()));
    assert_eq!(desk.events(), [Event::Acked { dialog }], "the ACK has the number of the INVITE, not of the PRACK");
    desk.wait(60_000);
    assert!(desk.sent().is_empty());
}

/// RFC 3261 section 13.2.1: the first reliable message would have to carry our offer; ours goes into the 200.
#[test]
fn who_leaves_the_offer_to_us_gets_no_reliable_180() {
    for (extra, sent) in [("Supported: 100rel\r\n", vec!["180"]), ("Require: 100rel\r\n", vec![])] {
        let mut desk = Desk::new();
        let headers = format!("Contact: <sip:caller@192.0.2.50>\r\n{extra}");
        desk.receive(&request("INVITE", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, &headers, ""));
        let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
        desk.sent();
        desk.command(Command::Provisional { dialog, status: 180 });
        let said = desk.sent();
        assert_eq!(said.iter().map(Sent::word).collect::<Vec<_>>(), sent);
        assert!(said.iter().all(|s| s.header("RSeq").is_empty()));
    }
}

/// A provisional answer of the phone that wants to be acknowledged.
fn reliably(invite: &Sent, status: u16, tag: &str, rseq: u32, body: &str) -> String {
    response(invite, status, tag, body).replace("Contact:", &format!("Require: 100rel\r\nRSeq: {rseq}\r\nContact:"))
}

/// Section 4: acknowledged in their order, within their early dialog; what came again or too soon is not.
#[test]
fn we_acknowledge_what_the_called_side_says_in_its_order() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    assert!(invite.header("Supported").contains("100rel"));
    desk.receive_from(PHONE, &reliably(&invite, 180, "p1", 70, ""));
    let prack = desk.one();
    assert_eq!((prack.word(), prack.header("RAck"), prack.header("CSeq")), ("PRACK", "70 1 INVITE", "2 PRACK"));
    assert_eq!((prack.to_tag().as_str(), prack.tag_of_from()), ("p1", invite.tag_of_from()));
    assert!(prack.text.starts_with("PRACK sip:sato@192.0.2.60:5062 SIP/2.0"));
    assert_eq!(desk.events(), [Event::Ringing { dialog, early: None }]);
    for (rseq, why) in [(70, "again"), (72, "one is missing"), (69, "older")] {
        desk.receive_from(PHONE, &reliably(&invite, 183, "p1", rseq, OFFER));
        assert!(desk.sent().is_empty() && desk.events().is_empty(), "{why}");
    }
    desk.wait(500);
    assert_eq!(desk.one().text, prack.text, "the PRACK repeats itself until it is answered");
    desk.receive_from(PHONE, &response(&prack, 200, "", ""));
    desk.receive_from(PHONE, &reliably(&invite, 183, "p1", 71, OFFER));
    let second = desk.one();
    assert_eq!((second.header("RAck"), second.header("CSeq")), ("71 1 INVITE", "3 PRACK"));
    assert_eq!(desk.events(), [Event::Ringing { dialog, early: Some(Bytes::from(OFFER)) }]);
    desk.receive_from(PHONE, &response(&second, 200, "", ""));
    // Another branch of a fork counts by itself.
    desk.receive_from(PHONE, &reliably(&invite, 180, "p2", 5, ""));
    assert_eq!(desk.one().to_tag(), "p2");

    // Section 5: the answer came in the 183, so the 200 need not repeat it.
    desk.receive_from(PHONE, &response(&invite, 200, "p1", ""));
    let ack = desk.one();
    assert_eq!((ack.word(), ack.header("CSeq")), ("ACK", "1 ACK"));
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(OFFER)) }]);
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().header("CSeq"), "5 BYE", "the count goes on from the PRACKs");
}

/// Section 3: RSeq "MUST NOT wrap around": behind the last number there is none.
#[test]
fn no_number_follows_the_last_one() {
    let mut desk = Desk::new();
    let (_, invite) = desk.calling();
    desk.receive_from(PHONE, &reliably(&invite, 180, "p1", u32::MAX, ""));
    let prack = desk.one();
    assert_eq!(prack.header("RAck"), format!("{} 1 INVITE", u32::MAX));
    desk.receive_from(PHONE, &response(&prack, 200, "", ""));
    desk.events();
    desk.receive_from(PHONE, &reliably(&invite, 183, "p1", 0, OFFER));
    assert!(desk.sent().is_empty() && desk.events().is_empty());
}

/// RFC 3311 section 5.1: once the answer has come reliably, the called side may offer anew before it answers.
#[test]
fn an_early_offer_by_update_clashes_with_ours_until_that_is_answered() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &reliably(&invite, 180, "p1", 1, ""));
    desk.sent();
    desk.events();
    let update = |branch: &str, cseq: u32| {
        let text = phone_inside(&invite, "UPDATE", branch, cseq, "p1");
        text.replace(
            "Content-Length: 0\r\n\r\n",
            &format!(
                "Contact: <sip:sato@192.0.2.60:5062>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
                OFFER.len()
            ),
        )
    };
    desk.receive_from(PHONE, &update("u", 1));
    assert_eq!(desk.words(), ["491"]);
    desk.receive_from(PHONE, &reliably(&invite, 183, "p1", 2, OFFER));
    desk.sent();
    desk.events();
    desk.receive_from(PHONE, &update("v", 2));
    assert_eq!(desk.events(), [Event::Reoffer { dialog, offer: Some(Bytes::from(OFFER)), from: host(PHONE) }]);
}

/// RFC 3261 section 12.1: each branch of a fork is a dialog of its own, also while another one was heard later. RFC 3311 section 5.2: 491 where our
/// offer is open.
#[test]
fn every_branch_of_a_fork_may_speak_before_one_answers() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &reliably(&invite, 183, "p1", 1, OFFER));
    desk.receive_from(PHONE, &reliably(&invite, 180, "p2", 1, ""));
    desk.sent();
    desk.events();
    let mut says = |method: &str, tag: &str, branch: &str, cseq: u32, body: &str| {
        let text = phone_offers(&invite, method, branch, cseq, tag, body);
        desk.receive_from(PHONE, &text);
        let answer = desk.one();
        desk.receive_from(PHONE, &text);
        assert_eq!(desk.one().text, answer.text, "a copy gets the same (section 17.2.2)");
        [answer.word().to_owned()]
    };
    assert_eq!(says("UPDATE", "p1", "a", 7, ""), ["200"]);
    assert_eq!(says("UPDATE", "p1", "b", 8, OFFER), ["488"], "our offer is answered there, and nobody listens");
    assert_eq!(says("OPTIONS", "p1", "c", 9, ""), ["200"]);
    assert_eq!(says("UPDATE", "p1", "c2", 8, ""), ["500"], "section 12.2.2");
    assert_eq!(says("UPDATE", "p2", "d", 1, ""), ["200"], "each counts by itself");
    assert_eq!(says("UPDATE", "p2", "e", 2, OFFER), ["491"], "the answer of another branch is none of this one");
    assert_eq!(says("UPDATE", "p3", "f", 1, ""), ["481"]);
    assert_eq!(says("UPDATE", "p2", "g", 9000, ""), ["200"]);
    assert_eq!(says("BYE", "p2", "g2", 9001, ""), ["200"], "section 15 forbids it there; it ends nobody else's ringing");
    assert_eq!(desk.events(), []);
    desk.receive_from(PHONE, &response(&invite, 200, "p1", ""));
    assert_eq!(desk.words(), ["ACK"]);
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(OFFER)) }]);
    // Section 12.2.2: what the other branch has counted is nothing to who answered, and its own count goes on.
    desk.receive_from(PHONE, &phone_inside(&invite, "BYE", "i", 8, "p1"));
    assert_eq!(desk.words(), ["500"]);
    desk.receive_from(PHONE, &phone_inside(&invite, "BYE", "h", 10, "p1"));
    assert_eq!(desk.words(), ["200"]);
    assert!(desk.events().contains(&Event::Bye { dialog }));
}

/// Section 5: the answer that a branch has given before is that of its 200, whoever else has spoken.
#[test]
fn the_branch_that_answers_need_not_say_again_how_it_is_heard() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &reliably(&invite, 183, "p1", 1, OFFER));
    desk.receive_from(PHONE, &reliably(&invite, 183, "p2", 1, ANSWER));
    assert_eq!(desk.events(), [Event::Ringing { dialog, early: Some(Bytes::from(OFFER)) }], "the first is heard");
    desk.receive_from(PHONE, &response(&invite, 200, "p2", ""));
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(ANSWER)) }]);
}

/// RFC 3261 section 12.2.1.1: also in a branch that nobody wants any more, the number of the BYE is above that of the PRACKs.
#[test]
fn the_bye_to_another_branch_goes_on_counting() {
    for cancelled in [false, true] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        for (tag, rseq) in [("p1", 1), ("p2", 1), ("p1", 2)] {
            desk.receive_from(PHONE, &reliably(&invite, 180, tag, rseq, ""));
        }
        assert_eq!(desk.sent().iter().map(|s| s.header("CSeq").to_owned()).collect::<Vec<_>>(), ["2 PRACK", "3 PRACK", "4 PRACK"]);
        if cancelled {
            desk.command(Command::Cancel { dialog, reason: None });
        }
        desk.receive_from(PHONE, &response(&invite, 200, "p2", OFFER));
        desk.sent();
        desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
        let late = desk.sent();
        assert_eq!(late.iter().map(Sent::word).collect::<Vec<_>>(), ["ACK", "BYE"]);
        assert_eq!(late[0].header("CSeq"), "1 ACK");
        let number: u32 = late[1].header("CSeq").strip_suffix(" BYE").unwrap().parse().unwrap();
        assert!(number > 4, "{number}");
    }
}

/// Who answers may have us send to themselves, not to this machine.
#[test]
fn no_answer_aims_us_at_ourselves() {
    let at_us = |text: String| text.replace("<sip:sato@192.0.2.60:5062>", "<sip:sato@192.0.2.1:9996>");
    let through_us = |text: String| text.replace("Contact:", "Record-Route: <sip:192.0.2.1:9999;lr>\r\nContact:");
    for aim in [&at_us as &dyn Fn(String) -> String, &through_us] {
        let mut desk = Desk::new();
        let (_, invite) = desk.calling();
        let answer = aim(reliably(&invite, 183, "p1", 1, OFFER));
        assert!(answer.contains("192.0.2.1:999"));
        desk.receive_from(PHONE, &answer);
        assert_eq!(desk.one().to.to_string(), PHONE);
    }
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
    desk.sent();
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OFFER) });
    let again = desk.one();
    desk.receive_from(PHONE, &at_us(response(&again, 200, "p1", ANSWER)));
    assert_eq!(desk.one().to.to_string(), PHONE, "the ACK");
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().to.to_string(), PHONE, "the BYE");
}

/// RFC 3262 section 5: what came reliably is the answer, whatever was said of sound before.
#[test]
fn a_reliable_answer_counts_for_more_than_a_hint_before() {
    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &response(&invite, 183, "p1", OFFER));
    desk.receive_from(PHONE, &reliably(&invite, 183, "p1", 1, ANSWER));
    desk.events();
    desk.receive_from(PHONE, &response(&invite, 200, "p1", ""));
    assert_eq!(desk.events(), [Event::Answered { dialog, sdp: Some(Bytes::from(ANSWER)) }]);
}
