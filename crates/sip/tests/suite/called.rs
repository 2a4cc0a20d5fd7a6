//! We are called: the endpoint as the user agent server.

use crate::common::*;
use bytes::Bytes;
use sip::{Command, DialogStage, Event};

fn accept(desk: &mut Desk, dialog: model::DialogId) -> Sent {
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    desk.sent().pop().unwrap()
}

#[test]
fn a_caller_is_answered_and_hangs_up() {
    let mut desk = Desk::new();
    desk.receive_from("192.0.2.50:6000", &invite("1"));
    let trying = desk.trying();
    assert_eq!((trying.to_tag().as_str(), trying.to.to_string().as_str()), ("", "192.0.2.50:6000"));
    assert_eq!(trying.header("Via"), "SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK1;rport=6000;received=192.0.2.50");
    let events = desk.events();
    let [
        Event::Invite {
            dialog,
            source,
            from_user,
            from_display,
            to_user,
            authenticated: None,
            claims: _,
            offer: Some(offer),
            reliable: false,
            replaces: None,
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((from_user.as_str(), from_display.as_str(), to_user.as_str()), ("0449999999", "Yamada", "0440000001"));
    assert_eq!((source.to_string().as_str(), &offer[..]), ("192.0.2.50:6000", OFFER.as_bytes()));
    let dialog = *dialog;

    desk.command(Command::Provisional { dialog, status: 180 });
    let ringing = desk.one();
    assert_eq!(ringing.word(), "180");
    let ok = accept(&mut desk, dialog);
    assert_eq!((ok.to_tag(), ok.header("Contact")), (ringing.to_tag(), "<sip:192.0.2.1:5060>"));
    assert_eq!(ok.message().body(), ANSWER.as_bytes());
    let tag = ok.to_tag();
    assert!(desk.events().is_empty());
    desk.receive(&inside("ACK", "a", 1, &tag));
    assert_eq!(desk.events(), [Event::Acked { dialog }]);
    assert_eq!(desk.endpoint.dialog(dialog).unwrap().stage, DialogStage::Confirmed);

    desk.receive(&inside("BYE", "b", 2, &tag));
    assert_eq!(desk.one().word(), "200");
    assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
    desk.receive(&inside("BYE", "b", 2, &tag));
    assert_eq!(desk.one().word(), "200", "a copy of the BYE gets the same answer though the dialog is gone");
    desk.wait(40_000);
    desk.assert_quiet();
}

/// RFC 3261 section 17.2.1: a copy in Proceeding gets "the most recent provisional response".
#[test]
fn a_lost_100_is_sent_again_for_the_repeated_invite() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.trying();
    desk.receive(&invite("1"));
    assert_eq!(desk.words(), ["100"]);
    desk.command(Command::Provisional { dialog, status: 180 });
    desk.receive(&invite("1"));
    assert_eq!(desk.words(), ["180", "180"]);
    assert!(desk.events().is_empty(), "one call, not three");
}

/// RFC 3261 section 13.3.1.4, and RFC 6026 section 7.1 (Accepted) for the copy of the INVITE.
#[test]
fn a_200_is_repeated_until_its_ack_comes() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.sent();
    let start = desk.millis();
    let tag = accept(&mut desk, dialog).to_tag();
    desk.wait(10_000);
    let times: Vec<u64> = desk.sent().iter().map(|s| s.millis - start).collect();
    assert_eq!(times, [500, 1500, 3500, 7500]);
    desk.receive(&invite("1"));
    assert!(desk.sent().is_empty(), "RFC 6026: the copy is absorbed, the next repetition comes by itself");
    desk.receive(&inside("ACK", "a", 1, &tag));
    desk.receive(&inside("ACK", "a", 1, &tag));
    desk.wait(60_000);
    assert!(desk.sent().is_empty());
    assert_eq!(desk.events(), [Event::Acked { dialog }]);
}

/// RFC 3261 section 13.3.1.4: after 64*T1 "the session SHOULD be terminated".
#[test]
fn an_ack_that_never_comes_ends_the_call() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.sent();
    let start = desk.millis();
    accept(&mut desk, dialog);
    desk.wait(32_000);
    let mut sent = desk.sent();
    let bye = sent.pop().unwrap();
    assert_eq!((bye.word(), bye.millis - start), ("BYE", 32_000));
    let times: Vec<u64> = sent.iter().map(|s| s.millis - start).collect();
    assert_eq!(times, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    assert_eq!(desk.events(), [Event::AckMissing { dialog }]);
    desk.receive(&response(&bye, 481, "", ""));
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
    desk.wait(40_000);
    desk.assert_quiet();
}

/// RFC 3261 section 15: "MUST NOT send a BYE on a confirmed dialog until it has received an ACK".
#[test]
fn a_bye_waits_for_the_ack() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    let tag = accept(&mut desk, dialog).to_tag();
    desk.command(Command::Bye { dialog });
    assert!(desk.sent().is_empty());
    desk.receive(&inside("ACK", "a", 1, &tag));
    let bye = desk.one();
    assert_eq!((bye.word(), bye.to.to_string().as_str(), bye.header("CSeq")), ("BYE", "192.0.2.50:5060", "1 BYE"));
    assert!(bye.text.starts_with("BYE sip:caller@192.0.2.50 SIP/2.0\r\n"));
    assert_eq!((bye.tag_of_from(), bye.to_tag()), (tag, "f1".to_owned()));
    desk.receive(&response(&bye, 200, "", ""));
    assert_eq!(desk.events(), [Event::Acked { dialog }, Event::Ended { dialog }]);
}

/// RFC 6076 section 4.4: from the first BYE to the 2xx; a refusal is no disconnect.
#[test]
fn how_long_a_bye_of_ours_takes_is_told_once_it_is_agreed_to() {
    for (status, told) in [(200, vec![700]), (481, vec![])] {
        let mut desk = Desk::new();
        let (dialog, _) = desk.talking();
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        desk.wait(700);
        desk.receive(&response(&bye, status, "", ""));
        let took: Vec<u64> =
            desk.notes.iter().filter_map(|note| if let model::Event::ByeDone { took } = note { Some(took.0) } else { None }).collect();
        assert_eq!(took, told, "{status}");
    }
}

#[test]
fn our_bye_is_repeated_and_then_given_up() {
    let mut desk = Desk::new();
    let (dialog, _) = desk.talking();
    desk.command(Command::Bye { dialog });
    desk.command(Command::Bye { dialog });
    desk.wait(31_999);
    assert_eq!(desk.words(), vec!["BYE"; 11]);
    assert!(desk.events().is_empty());
    desk.wait(1);
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
    desk.wait(40_000);
    desk.assert_quiet();
}

#[test]
fn both_hang_up_at_once() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    desk.receive(&inside("BYE", "b", 2, &tag));
    assert_eq!(desk.words(), ["200"]);
    assert!(desk.events().is_empty());
    desk.receive(&response(&bye, 481, "", ""));
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
}

#[test]
fn a_bye_may_overtake_its_ack() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    let tag = accept(&mut desk, dialog).to_tag();
    desk.receive(&inside("BYE", "b", 2, &tag));
    assert_eq!(desk.words(), ["200"]);
    assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
    desk.receive(&inside("ACK", "a", 1, &tag));
    desk.wait(60_000);
    assert!(desk.sent().is_empty(), "the 200 is repeated no more");
    desk.assert_quiet();
}

#[test]
fn the_caller_gives_up_while_it_rings() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Provisional { dialog, status: 180 });
    let tag = desk.sent().pop().unwrap().to_tag();
    let cancel = request("CANCEL", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "", "");
    desk.receive(&cancel);
    let sent = desk.sent();
    assert_eq!(sent.iter().map(|s| (s.word(), s.header("CSeq"))).collect::<Vec<_>>(), [("200", "1 CANCEL"), ("487", "1 INVITE")]);
    assert!(sent.iter().all(|s| s.to_tag() == tag));
    assert_eq!(desk.events(), [Event::Cancelled { dialog }, Event::Ended { dialog }]);
    desk.command(Command::Accept { dialog, sdp: Bytes::new() });
    assert!(desk.sent().is_empty(), "too late to answer");
    desk.wait(500);
    assert_eq!(desk.words(), ["487"], "repeated until acknowledged");
    desk.receive(&cancel);
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&request("ACK", "sip:0440000001@192.0.2.1", "1", &format!("<sip:0440000001@192.0.2.1>;tag={tag}"), 1, "", ""));
    desk.wait(60_000);
    assert!(desk.sent().is_empty());
    desk.assert_quiet();
}

/// RFC 3261 section 9.2: "if it has already sent a final response ... the CANCEL request has no effect".
#[test]
fn a_cancel_that_comes_after_the_200_changes_nothing() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    let tag = accept(&mut desk, dialog).to_tag();
    desk.receive(&request("CANCEL", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "", ""));
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&inside("ACK", "a", 1, &tag));
    assert_eq!(desk.events(), [Event::Acked { dialog }]);
}

/// RFC 3261 section 9.2: 481.
#[test]
fn a_cancel_for_nothing_is_told_so() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.sent();
    let cancel = |branch: &str| request("CANCEL", "sip:0440000001@192.0.2.1", branch, "sip:0440000001@192.0.2.1", 1, "", "");
    desk.receive(&cancel("2"));
    assert_eq!(desk.words(), ["481"]);
    desk.receive(&cancel("1").replace("Call-ID: c1", "Call-ID: c2"));
    assert_eq!(desk.words(), ["481"], "the branch alone does not make it the caller's");
    assert!(desk.events().is_empty() && desk.endpoint.dialog(dialog).is_some());
}

#[test]
fn the_caller_hangs_up_an_early_dialog_with_bye() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Provisional { dialog, status: 183 });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive(&inside("BYE", "b", 2, &tag));
    assert_eq!(desk.words(), ["200", "487"]);
    assert_eq!(desk.events(), [Event::Cancelled { dialog }, Event::Ended { dialog }]);
}

#[test]
fn a_refusal_is_repeated_until_acknowledged_or_forgotten() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.sent();
    desk.command(Command::Reject { dialog, status: 503, retry_after_secs: Some(30) });
    assert_eq!(desk.one().header("Retry-After"), "30");
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
    desk.receive(&invite("1"));
    assert_eq!(desk.words(), ["503"]);
    desk.wait(60_000);
    assert_eq!(desk.words().len(), 10);
    desk.assert_quiet();
    let dialog = desk.called();
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.words(), ["480"], "hanging up a call that was not answered is a refusal");
}

/// RFC 3261 section 14.2: one offer at a time.
#[test]
fn the_session_is_changed() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&reinvite("r", 2, &tag));
    desk.trying();
    assert_eq!(desk.events(), [Event::Reoffer { dialog, offer: Some(Bytes::from(OFFER)), from: host(CALLER) }]);
    desk.receive(&reinvite("s", 3, &tag));
    let early = desk.one();
    assert!(early.word() == "500" && early.header("Retry-After").parse::<u32>().unwrap() <= 10, "{early:?}");
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    assert_eq!(desk.words(), ["200"]);
    desk.wait(500);
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&reinvite("t", 4, &tag));
    assert_eq!(desk.words(), ["491"], "the ACK of the last one is still missing");
    desk.receive(&inside("ACK", "u", 2, &tag));
    desk.wait(30_000);
    assert!(desk.sent().is_empty() && desk.events().is_empty());
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert!(bye.text.starts_with("BYE sip:caller@192.0.2.51:5070 SIP/2.0"), "to the new Contact");
    assert_eq!(bye.to.to_string(), "192.0.2.51:5070");
}

#[test]
fn a_changed_session_is_refused_and_the_old_one_stays() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&reinvite("r", 2, &tag));
    desk.command(Command::RefuseReoffer { dialog, status: 488 });
    assert_eq!(desk.words(), ["488"]);
    desk.receive(&reinvite("q", 3, &tag));
    desk.receive(&inside("CANCEL", "q", 3, &tag));
    assert_eq!(desk.words(), ["200", "487"]);
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    assert!(desk.sent().is_empty());
    desk.receive(&reinvite("p", 4, &tag));
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.words(), ["487", "BYE"], "what is open is closed before we hang up");
    assert_eq!(desk.endpoint.dialog(dialog).unwrap().remote_target, "sip:caller@192.0.2.50");
}

#[test]
fn the_ack_of_a_changed_session_never_comes() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&reinvite("r", 2, &tag));
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    desk.events();
    desk.wait(32_000);
    assert_eq!(desk.events(), [Event::AckMissing { dialog }]);
    assert_eq!(desk.words().pop().unwrap(), "BYE");
}

/// RFC 3261 section 12.2.2: a lower number "MUST be rejected with a 500"; section 8.2.1: 405 with Allow.
#[test]
fn requests_inside_the_dialog_come_in_order() {
    let mut desk = Desk::new();
    let (_, tag) = desk.talking();
    desk.receive(&inside("OPTIONS", "o", 5, &tag));
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&inside("OPTIONS", "p", 4, &tag));
    assert_eq!(desk.words(), ["500"]);
    desk.receive(&inside("OPTIONS", "o", 5, &tag));
    assert_eq!(desk.words(), ["200"], "a copy is no new request");
    desk.receive(&inside("OPTIONS", "q", 5, &tag));
    assert_eq!(desk.words(), ["500"], "an old request played back");
    desk.receive(&inside("PUBLISH", "i", 6, &tag));
    let publish = desk.one();
    assert!(publish.word() == "405" && publish.header("Allow").contains("INVITE") && !publish.header("Allow").contains("PUBLISH"));
    desk.receive(&inside("BYE", "b", 7, &tag));
    assert_eq!(desk.words(), ["200"]);
}

#[test]
fn a_forged_request_with_a_wrong_tag_touches_nothing() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    for forged in [
        inside("BYE", "x", 9, "guessed"),
        inside("BYE", "x", 9, &tag).replace("tag=f1", "tag=f2"),
        inside("BYE", "x", 9, &tag).replace("Call-ID: c1", "Call-ID: c2"),
        inside("BYE", "x", 9, &tag).replace(";tag=f1", ""),
        reinvite("x", 9, "guessed"),
    ] {
        desk.receive_from("203.0.113.9:5060", &forged);
        assert_eq!(desk.words(), ["481"], "{forged}");
    }
    assert!(desk.events().is_empty() && desk.endpoint.dialog(dialog).is_some());
    desk.receive_from("203.0.113.9:5060", &inside("BYE", "y", 9, &tag));
    assert_eq!(desk.words(), ["481"], "with the right tags it is still not the peer, who is elsewhere");
    desk.receive_from("192.0.2.50:61000", &inside("BYE", "y", 9, &tag));
    assert_eq!(desk.words(), ["200"]);
}

/// RFC 3261 section 8.2.2.2: 482 to a merged request.
#[test]
fn a_request_that_came_on_two_ways_is_answered_once() {
    let mut desk = Desk::new();
    desk.called();
    desk.sent();
    desk.receive(&invite("2"));
    assert_eq!(desk.words(), ["482"]);
}

/// RFC 3261 section 18.2.2 and RFC 3581: without `rport` the answer goes to the port of Via, but for who is behind a router; and never to ourselves.
#[test]
fn an_answer_goes_where_its_request_wants_it() {
    let via = |via: &str| request("OPTIONS", "sip:1@h", "v", "sip:1@h", 1, "", "").replace("192.0.2.50:5060;branch=z9hG4bKv;rport", via);
    for (from, written, to) in [
        ("192.0.2.50:6000", "192.0.2.50:5070;branch=z9hG4bKv;rport", "192.0.2.50:6000"),
        ("192.0.2.50:6000", "192.0.2.50:5070;branch=z9hG4bKv", "192.0.2.50:5070"),
        ("192.0.2.50:6000", "192.0.2.50;branch=z9hG4bKv", "192.0.2.50:5060"),
        ("192.0.2.50:6000", "gateway.example:5070;branch=z9hG4bKv", "192.0.2.50:5070"),
        ("192.0.2.50:6000", "198.51.100.7:5070;branch=z9hG4bKv", "192.0.2.50:5070"),
        ("192.0.2.50:6000", "192.168.1.5:5070;branch=z9hG4bKv", "192.0.2.50:6000"),
        ("10.0.0.1:6000", "192.168.1.5:5070;branch=z9hG4bKv", "10.0.0.1:6000"),
        ("192.0.2.50:6000", "100.64.0.9;branch=z9hG4bKv", "192.0.2.50:6000"),
        ("192.0.2.1:6000", "192.0.2.1:5060;branch=z9hG4bKv", "192.0.2.1:6000"),
    ] {
        let mut desk = Desk::new();
        desk.receive_from(from, &via(written));
        let answer = desk.one();
        assert_eq!((answer.word(), answer.to.to_string().as_str()), ("200", to), "{from} {written}");
    }
}

/// A router between us changes addresses: what its house writes of itself leads nowhere, in whichever direction the call goes.
#[test]
fn whoever_is_behind_a_router_is_reached_where_their_messages_come_from() {
    let behind = |text: &str| {
        text.replace("UDP 192.0.2.50:5060", "UDP 192.168.50.50:5062").replace("caller@192.0.2.50>", "caller@192.168.50.50:5062>")
    };
    let mut desk = Desk::new();
    desk.receive_from("198.51.100.1:40000", &behind(&invite("1")));
    let Some(Event::Invite { dialog, .. }) = desk.events().pop() else { panic!("nobody called") };
    let ok = accept(&mut desk, dialog);
    desk.receive_from("198.51.100.1:40000", &behind(&inside("ACK", "a", 1, &ok.to_tag())));
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!((bye.word(), bye.to.to_string().as_str()), ("BYE", "198.51.100.1:40000"));
    assert!(bye.text.starts_with("BYE sip:caller@192.168.50.50:5062 SIP/2.0"), "{}", bye.text);

    // A phone of ours, that registered from there.
    let mut desk = Desk::new();
    let dialog = desk.endpoint.new_dialog();
    let (uri, addr) = ("sip:sato@192.168.50.50:5062".to_owned(), "198.51.100.1:40001".parse().unwrap());
    let to = sip::Target { uri, flow: model::FlowId::UDP, addr, routes: Vec::new(), user: None, trunk: None };
    let from = sip::Identity { display: String::new(), user: "0440000001".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
    let ours = desk.one();
    let answer = response(&ours, 200, "p1", OFFER).replace("sato@192.0.2.60:5062", "sato@192.168.50.50:5062");
    desk.receive_from("198.51.100.1:40001", &answer);
    let ack = desk.one();
    assert_eq!((ack.word(), ack.to.to_string().as_str()), ("ACK", "198.51.100.1:40001"));
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().to.to_string(), "198.51.100.1:40001");
}

/// Section 8.2.3: what may be passed over is; then our offer goes into the 200.
#[test]
fn a_body_that_may_be_passed_over_is() {
    for (disposition, outcome) in [("icon;handling=optional", None), ("session; Handling=OPTIONAL", None), ("session", Some("415"))] {
        for kind in ["Content-Type: text/foo\r\n", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n"] {
            let mut desk = Desk::new();
            let plain = request("INVITE", "sip:1@h", "w", "sip:1@h", 1, "Contact: <sip:c@h>\r\n", "foo");
            desk.receive(&plain.replace("Content-Type: application/sdp\r\n", &format!("{kind}Content-Disposition: {disposition}\r\n")));
            match outcome {
                None => assert!(matches!(desk.events()[..], [Event::Invite { offer: None, .. }]), "{disposition} {kind}"),
                Some(status) => assert_eq!(desk.words(), [status], "{disposition} {kind}"),
            }
        }
    }
}

/// RFC 3204 and RFC 5621: an exchange's gateway wraps the session description together with its own words.
#[test]
fn a_session_description_is_found_among_several_bodies() {
    const SDP: &str = "Content-Type: application/sdp\r\n";
    const ISUP: &str = "Content-Type: application/ISUP;base=itu-t92+;version=itu-t92+\r\n";
    const OPTIONAL: &str = "Content-Disposition: signal;handling=optional\r\n";
    let wrapped = |kind: &str, parts: &[(&str, &str)]| {
        let parts: String = parts.iter().map(|(head, body)| format!("--uni que\r\n{head}\r\n{body}\r\n")).collect();
        let extra = "Contact: <sip:c@h>\r\n";
        let plain = request("INVITE", "sip:1@h", "w", "sip:1@h", 1, extra, &format!("{parts}--uni que--\r\n"));
        plain.replace("application/sdp\r\nContent-Length", &format!("{kind}\r\nContent-Length"))
    };
    let mixed = "multipart/mixed; boundary=\"uni que\"";
    let isup = [ISUP, OPTIONAL].concat();
    let base64 = [SDP, "Content-Transfer-Encoding: base64\r\n"].concat();
    let html = "Content-Type: text/html\r\n";
    type Parts<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Parts<'_>, &str); 10] = [
        (mixed, &[(SDP, OFFER), (&isup, "\u{1}\u{10}60\r\n--unique--\u{0}")], "offer"),
        (mixed, &[(&[OPTIONAL, ISUP, "Content-Length: 1\r\n"].concat(), "\u{1}"), (SDP, OFFER)], "offer"),
        (mixed, &[(&isup, "\u{1}"), ("content-type : Application/SDP \r\n", OFFER)], "offer"),
        ("multipart/alternative;boundary=\"uni que\"", &[(html, "<p>"), (SDP, OFFER)], "offer"),
        (mixed, &[(SDP, OFFER), (ISUP, "\u{1}")], "415"),
        (mixed, &[(&isup, "\u{1}")], "415"),
        (mixed, &[(&base64, "dj0wDQo=")], "415"),
        ("multipart/mixed", &[(SDP, OFFER)], "400"),
        ("multipart/mixed;boundary=other", &[(SDP, OFFER)], "400"),
        (mixed, &[("no header\r\n", OFFER)], "400"),
    ];
    for (kind, parts, outcome) in cases {
        let mut desk = Desk::new();
        desk.receive(&wrapped(kind, parts));
        let offered = desk.events().into_iter().find_map(|event| match event {
            Event::Invite { offer, .. } => Some(offer),
            _ => None,
        });
        match outcome {
            "offer" => assert_eq!(offered, Some(Some(Bytes::from_static(OFFER.as_bytes()))), "{kind} {parts:?}"),
            status => assert_eq!((desk.one().word(), offered), (status, None), "{kind} {parts:?}"),
        }
    }
}

/// RFC 3261 section 8.2 in its order: 405 with Allow, 416, 420 with Unsupported, 415 with Accept; 483 by RFC 7332 section 4.
#[test]
fn what_we_cannot_do_is_said_in_its_own_words() {
    let mut desk = Desk::new();
    let with = |extra: &str| request("INVITE", "sip:1@h", "w", "sip:1@h", 1, &format!("Contact: <sip:c@h>\r\n{extra}"), OFFER);
    let cases = [
        (with("Require: 100rel, gruu, timer, privacy\r\n"), "420", "Unsupported", "gruu, privacy"),
        (with("").replace("application/sdp", "text/plain"), "415", "Accept", "application/sdp, multipart/mixed, multipart/alternative"),
        (with("Content-Encoding: gzip\r\n"), "415", "Accept", "application/sdp, multipart/mixed, multipart/alternative"),
        (with("Accept: text/html\r\n"), "406", "", ""),
        (with("").replace("Max-Forwards: 70", "Max-Forwards: 0"), "483", "", ""),
        (with("").replace("INVITE sip:1@h", "INVITE http://h/"), "416", "", ""),
        (with("").replace("INVITE sip:1@h", "INVITE sip:1@h?Route=x"), "400", "", ""),
        (with("").replace("<sip:c@h>", "<sip:c@h?Route=x>"), "400", "", ""),
        (with("").replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), "505", "", ""),
        (with("").replace("1 INVITE", "1 BYE"), "400", "", ""),
        (
            request("SUBSCRIBE", "sip:1@h", "s", "sip:1@h", 1, "", ""),
            "405",
            "Allow",
            "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER",
        ),
        (request("BYE", "sip:1@h", "s", "sip:1@h", 1, "", ""), "481", "", ""),
        (inside("BYE", "s", 1, "none"), "481", "", ""),
        (inside("FOO", "s", 1, "none"), "481", "", ""),
        (
            request("OPTIONS", "sip:1@h", "s", "sip:1@h", 1, "", ""),
            "200",
            "Allow",
            "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER",
        ),
    ];
    for (text, status, header, value) in cases {
        desk.receive(&text);
        let answer = desk.one();
        assert_eq!((answer.word(), answer.header(header)), (status, value), "{text}");
        desk.receive(&text);
        assert_eq!(desk.one().text, answer.text, "the same to a copy");
    }
    assert!(desk.events().is_empty());
    desk.assert_quiet();
    for silent in
        [request("ACK", "sip:1@h", "s", "sip:1@h", 1, "", ""), inside("ACK", "s", 1, "none"), "\r\n\r\n".to_owned(), "\0".to_owned()]
    {
        desk.receive(&silent);
        assert!(desk.sent().is_empty(), "{silent:?}");
    }
}

#[test]
fn a_caller_of_rfc_2543_has_no_tag_no_cookie_and_no_contact() {
    let mut desk = Desk::new();
    let old = |method: &str, to: &str| {
        format!(
            "{method} sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP gw.example.com\r\nFrom: <sip:old@192.0.2.50>\r\nTo: {to}\r\nCall-ID: o\r\nCSeq: 1 {method}\r\n\r\n"
        )
    };
    desk.receive(&old("INVITE", "sip:1@192.0.2.1"));
    desk.receive(&old("INVITE", "sip:1@192.0.2.1"));
    assert_eq!(desk.words(), ["100"]);
    let [Event::Invite { dialog, offer: None, .. }] = desk.events()[..] else { panic!() };
    let ok = accept(&mut desk, dialog);
    assert_eq!(ok.header("Via"), "SIP/2.0/UDP gw.example.com;received=192.0.2.50");
    desk.receive(&old("ACK", ok.header("To")));
    assert_eq!(desk.events(), [Event::AnswerCame { dialog, answer: None }, Event::Acked { dialog }]);
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert!(bye.text.starts_with("BYE sip:old@192.0.2.50 SIP/2.0"));
    assert_eq!(bye.header("To"), "<sip:old@192.0.2.50>");
}

/// RFC 3261 sections 12.1.1 and 12.2.1.1: Record-Route is repeated, and becomes our Route.
#[test]
fn a_proxy_in_between_stays_in_between() {
    let mut desk = Desk::new();
    let routes = "Record-Route: <sip:192.0.2.7:5070;lr>, <sip:192.0.2.8;lr>\r\n";
    desk.receive(&invite("1").replace("Contact:", &format!("{routes}Contact:")).replace("caller@192.0.2.50>", "caller@pc.example.com>"));
    let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
    let ok = accept(&mut desk, dialog);
    assert!(ok.text.contains("Record-Route: <sip:192.0.2.7:5070;lr>, <sip:192.0.2.8;lr>\r\n"));
    desk.receive(&inside("ACK", "a", 1, &ok.to_tag()));
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert!(bye.text.contains("\r\nRoute: <sip:192.0.2.7:5070;lr>\r\nRoute: <sip:192.0.2.8;lr>\r\n"), "{}", bye.text);
    assert!(bye.text.starts_with("BYE sip:caller@pc.example.com SIP/2.0"));
    assert_eq!(bye.to.to_string(), "192.0.2.7:5070");
}

#[test]
fn a_telephone_number_may_be_called_by_its_own_scheme() {
    let mut desk = Desk::new();
    desk.receive(&invite("1").replace("INVITE sip:0440000001@192.0.2.1", "INVITE tel:+81-44-000-0001;phone-context=jp"));
    let [Event::Invite { to_user, .. }] = &desk.events()[..] else { panic!() };
    assert_eq!(to_user, "+81-44-000-0001");
}

#[test]
fn a_dialog_is_forgotten_at_once() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&reinvite("r", 2, &tag));
    desk.endpoint.forget(dialog);
    desk.assert_quiet();
    desk.sent();
    desk.events();
    desk.receive(&inside("BYE", "b", 3, &tag));
    assert_eq!(desk.words(), ["481"]);
    desk.command(Command::Bye { dialog });
    desk.wait(60_000);
    assert!(desk.sent().is_empty() && desk.events().is_empty());
}

#[test]
fn the_peer_is_asked_whether_it_is_alive() {
    let mut desk = Desk::new();
    let (dialog, _) = desk.talking();
    for (status, event) in
        [(200, Event::ProbeAnswered { dialog }), (405, Event::ProbeAnswered { dialog }), (481, Event::ProbeFailed { dialog })]
    {
        desk.command(Command::Probe { dialog });
        desk.command(Command::Probe { dialog });
        let options = desk.one();
        assert_eq!(options.word(), "OPTIONS");
        desk.receive(&response(&options, status, "", ""));
        assert_eq!(desk.events(), [event]);
    }
    desk.command(Command::Probe { dialog });
    desk.wait(32_000);
    assert_eq!(desk.events(), [Event::ProbeFailed { dialog }]);
    desk.sent();
    // Where nothing can be sent, as after a connection is gone, nobody is.
    desk.command(Command::Probe { dialog });
    let options = desk.one();
    desk.endpoint.handle_unsent(desk.both(), &Bytes::from(options.text));
    desk.drain();
    assert_eq!(desk.events(), [Event::ProbeFailed { dialog }]);
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().header("CSeq"), "6 BYE");
}

/// RFC 3261 section 13.2.1: the offer is "in the first reliable non-failure message from the UAS", the answer in the ACK.
#[test]
fn who_makes_no_offer_gets_ours_in_the_200_and_answers_it_in_the_ack() {
    let late =
        request("INVITE", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "Contact: <sip:caller@192.0.2.50>\r\n", "");
    let ack =
        |tag: &str, body: &str| request("ACK", "sip:192.0.2.1:5060", "a", &format!("<sip:0440000001@192.0.2.1>;tag={tag}"), 1, "", body);
    for (body, answer) in [(OFFER, Some(Bytes::from(OFFER))), ("", None)] {
        let mut desk = Desk::new();
        desk.receive(&late);
        let [Event::Invite { dialog, offer: None, .. }] = desk.events()[..] else { panic!() };
        let ok = accept(&mut desk, dialog);
        assert_eq!(ok.message().body(), ANSWER.as_bytes());
        desk.receive(&ack(&ok.to_tag(), body));
        assert_eq!(desk.events(), [Event::AnswerCame { dialog, answer }, Event::Acked { dialog }]);
        desk.receive(&ack(&ok.to_tag(), body));
        assert!(desk.events().is_empty(), "a copy answers nothing");
    }
}

/// RFC 3261 section 14.2 with 13.2.1: likewise in a re-INVITE.
#[test]
fn a_changed_session_without_an_offer_is_answered_in_its_ack() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let to = format!("<sip:0440000001@192.0.2.1>;tag={tag}");
    desk.receive(&request("INVITE", "sip:192.0.2.1:5060", "r", &to, 2, "Contact: <sip:caller@192.0.2.50>\r\n", ""));
    assert_eq!(desk.events(), [Event::Reoffer { dialog, offer: None, from: host(CALLER) }]);
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    desk.receive(&request("ACK", "sip:192.0.2.1:5060", "s", &to, 2, "", OFFER));
    assert_eq!(desk.events(), [Event::AnswerCame { dialog, answer: Some(Bytes::from(OFFER)) }]);
}

/// RFC 3261 section 13.2.2.4: "the sequence number of the CSeq header field in the ACK MUST be the same as the INVITE", whatever came between.
#[test]
fn a_request_inside_the_early_dialog_does_not_hide_the_ack() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Provisional { dialog, status: 180 });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive(&inside("OPTIONS", "o", 2, &tag));
    accept(&mut desk, dialog);
    desk.receive(&inside("ACK", "a", 1, &tag));
    assert_eq!(desk.events(), [Event::Acked { dialog }]);
}

/// RFC 3261 section 8.2.6.1: "any Timestamp header field present in the request MUST be copied into this 100 (Trying) response".
#[test]
fn whoever_measures_the_way_gets_their_timestamp_back() {
    let mut desk = Desk::new();
    desk.receive(&invite("1").replacen("CSeq:", "Timestamp: 54.5\r\nCSeq:", 1));
    assert_eq!(desk.trying().header("Timestamp"), "54.5");
}

/// RFC 3261 section 18.2.2: without `rport` an answer goes to the port in Via, also to a request that is broken further down.
#[test]
fn a_broken_request_is_answered_at_the_port_that_its_via_says() {
    let sound = request("OPTIONS", "sip:1@h", "o", "sip:1@h", 1, "", "").replacen(";rport", "", 1).replacen(
        "192.0.2.50:5060",
        "192.0.2.50:5077",
        1,
    );
    for (from, to) in [
        ("Max-Forwards: 70", "Max-Forwards: many"),
        ("CSeq: 1 ", "CSeq: 99999999999 "),
        ("Call-ID: c1\r\n", ""),
        ("Content-Length: 0", "Content-Length: 5"),
        ("To: sip:1@h", "To: <sip:1@h"),
        (" SIP/2.0\r\nVia", " SIP/2.1\r\nVia"),
        ("OPTIONS", "OPTIONS"),
    ] {
        let text = sound.replace(from, to);
        let mut desk = Desk::new();
        desk.receive_from("192.0.2.50:61000", &text);
        assert_eq!(desk.one().to.to_string(), "192.0.2.50:5077", "{text}");
        desk.receive_from("192.0.2.50:61000", &text.replacen("z9hG4bKo", "z9hG4bKp;rport", 1));
        assert_eq!(desk.one().to.to_string(), "192.0.2.50:61000", "{text}");
    }
}
