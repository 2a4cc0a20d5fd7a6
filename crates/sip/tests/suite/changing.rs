//! Changing a session that runs: UPDATE (RFC 3311), re-INVITEs of ours, glare (RFC 3261 section 14) and session timers (RFC 4028).

use crate::common::*;
use bytes::Bytes;
use model::DialogId;
use sip::{Command, Event};

const THEIRS: &str = "Contact: <sip:caller@192.0.2.51:5070>\r\n";
const OURS_CHANGED: &str =
    "v=0\r\no=- 2 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=sendonly\r\n";

/// An UPDATE of the caller.
fn update(branch: &str, cseq: u32, our_tag: &str, extra: &str, body: &str) -> String {
    let to = format!("<sip:0440000001@192.0.2.1>;tag={our_tag}");
    request("UPDATE", "sip:192.0.2.1:5060", branch, &to, cseq, &format!("{THEIRS}{extra}"), body)
}

/// The caller's answer to a request of ours inside the dialog.
fn answer(request: &Sent, status: u16, extra: &str, body: &str) -> String {
    response(request, status, "", body).replace("Contact: <sip:sato@192.0.2.60:5062>\r\n", &format!("{THEIRS}{extra}"))
}

/// A caller whose INVITE has these headers, answered and acknowledged; the 200.
fn talking_with(desk: &mut Desk, extra: &str) -> (DialogId, Sent) {
    let contact = "Contact: <sip:caller@192.0.2.50>\r\n";
    desk.receive(&invite("1").replace(contact, &format!("{contact}{extra}")));
    let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    let ok = desk.sent().pop().unwrap();
    desk.receive(&inside("ACK", "a", 1, &ok.to_tag()));
    desk.events();
    (dialog, ok)
}

// ---- UPDATE, RFC 3311 ------------------------------------------------------------------------------------------------------------

/// RFC 3311 section 5.2.
#[test]
fn an_update_with_an_offer_is_answered_in_its_200_and_has_no_ack() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&update("u", 2, &tag, "", OFFER));
    assert_eq!(desk.events(), [Event::Reoffer { dialog, offer: Some(Bytes::from(OFFER)), from: host(CALLER) }]);
    desk.receive(&update("u", 2, &tag, "", OFFER));
    assert!(desk.sent().is_empty() && desk.events().is_empty(), "a copy before the answer is absorbed (RFC 3261 section 17.2.2)");
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    let ok = desk.one();
    assert_eq!((ok.word(), ok.header("CSeq"), ok.header("Contact")), ("200", "2 UPDATE", "<sip:192.0.2.1:5060>"));
    assert_eq!(ok.message().body(), ANSWER.as_bytes());
    desk.receive(&update("u", 2, &tag, "", OFFER));
    assert_eq!(desk.one().text, ok.text, "a copy after it gets the same");
    desk.command(Command::Bye { dialog });
    assert!(desk.one().text.starts_with("BYE sip:caller@192.0.2.51:5070 SIP/2.0"), "it refreshes the target");
    desk.wait(64_000);
    desk.assert_quiet();
}

/// RFC 3311 section 5.2: "if the UAS cannot change the session parameters without prompting the user, it MUST reject the request with a 504"; what
/// is of no use gets 488.
#[test]
fn an_update_is_refused_and_the_session_stays() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&update("u", 2, &tag, "", OFFER));
    desk.command(Command::RefuseReoffer { dialog, status: 488 });
    assert_eq!(desk.words(), ["488"]);
    desk.receive(&update("v", 3, &tag, "", OFFER));
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    assert_eq!(desk.words(), ["200"], "the next one is open again");
}

/// RFC 3311 section 5.2: without an offer it changes the target alone.
#[test]
fn an_update_without_an_offer_is_answered_at_once() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&update("u", 2, &tag, "", ""));
    let ok = desk.one();
    assert_eq!((ok.word(), ok.message().body().len()), ("200", 0));
    assert!(desk.events().is_empty());
    desk.command(Command::Bye { dialog });
    assert!(desk.one().text.starts_with("BYE sip:caller@192.0.2.51:5070 SIP/2.0"));
}

/// RFC 3261 section 14.2 and RFC 3311 section 5.2: "a 500 ... with a Retry-After header field with a randomly chosen value between 0 and 10 seconds".
#[test]
fn a_second_offer_while_one_is_open_gets_500_with_a_time_to_wait() {
    for first in ["INVITE", "UPDATE"] {
        for second in ["INVITE", "UPDATE"] {
            let mut desk = Desk::new();
            let (dialog, tag) = desk.talking();
            let offer = |method: &str, branch: &str, cseq: u32| match method {
                "INVITE" => reinvite(branch, cseq, &tag),
                _ => update(branch, cseq, &tag, "", OFFER),
            };
            desk.receive(&offer(first, "u", 2));
            desk.sent();
            desk.receive(&offer(second, "v", 3));
            let early = desk.one();
            assert!(early.word() == "500" && early.header("Retry-After").parse::<u32>().unwrap() <= 10, "{first} {second}: {early:?}");
            desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
            assert_eq!(desk.one().header("CSeq"), format!("2 {first}"));
        }
    }
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Provisional { dialog, status: 180 });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive(&update("u", 2, &tag, "", OFFER));
    assert_eq!(desk.words(), ["500"], "the offer of the call itself is not answered yet");
    desk.receive(&update("v", 3, &tag, "", ""));
    assert_eq!(desk.words(), ["200"]);
}

/// RFC 3261 section 15.1.2: what is open gets 487 when the dialog ends.
#[test]
fn whoever_hangs_up_with_an_update_open_has_it_closed() {
    for by_us in [true, false] {
        let mut desk = Desk::new();
        let (dialog, tag) = desk.talking();
        desk.receive(&update("u", 2, &tag, "", OFFER));
        if by_us {
            desk.command(Command::Bye { dialog });
            assert_eq!(desk.words(), ["BYE", "487"]);
        } else {
            desk.receive(&inside("BYE", "b", 3, &tag));
            assert_eq!(desk.words(), ["200", "487"]);
        }
        desk.wait(64_000);
        desk.assert_quiet();
    }
}

// ---- re-INVITEs of ours ------------------------------------------------------------------------------------------------------------

/// RFC 3261 section 14.1.
#[test]
fn we_offer_other_terms_and_the_peer_takes_them() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
    let reinvite = desk.one();
    assert!(reinvite.text.starts_with("INVITE sip:caller@192.0.2.50 SIP/2.0\r\n"), "{}", reinvite.text);
    assert_eq!((reinvite.header("CSeq"), reinvite.tag_of_from(), reinvite.to_tag().as_str()), ("1 INVITE", tag, "f1"));
    assert_eq!(reinvite.header("Contact"), "<sip:192.0.2.1:5060>");
    assert_eq!(reinvite.message().body(), OURS_CHANGED.as_bytes());
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(ANSWER) });
    assert!(desk.sent().is_empty(), "one at a time");
    desk.receive(&answer(&reinvite, 100, "", ""));
    desk.receive(&answer(&reinvite, 200, "", OFFER));
    let ack = desk.one();
    assert_eq!((ack.word(), ack.header("CSeq"), ack.to_tag().as_str()), ("ACK", "1 ACK", "f1"));
    assert!(ack.text.starts_with("ACK sip:caller@192.0.2.51:5070 SIP/2.0"), "their new Contact");
    assert_eq!(desk.events(), [Event::AnswerCame { dialog, answer: Some(Bytes::from(OFFER)) }]);
    desk.receive(&answer(&reinvite, 200, "", OFFER));
    assert_eq!(desk.one().text, ack.text, "the ACK was lost: the same one again");
    assert!(desk.events().is_empty());
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!(bye.header("CSeq"), "2 BYE");
    desk.receive(&answer(&bye, 200, "", ""));
    desk.wait(64_000);
    desk.assert_quiet();
}

/// RFC 3261 section 14.1: "the session parameters MUST remain unchanged, as if no re-INVITE had been issued"; 408 and 481 end the dialog
/// (section 12.2.1.2).
#[test]
fn other_terms_are_refused_and_the_call_goes_on_unless_the_peer_is_gone() {
    for (status, goes_on) in [(488, true), (603, true), (481, false), (408, false)] {
        let mut desk = Desk::new();
        let (dialog, _) = desk.talking();
        desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
        let reinvite = desk.one();
        desk.receive(&answer(&reinvite, status, "", ""));
        if goes_on {
            assert_eq!(desk.words(), ["ACK"], "{status}");
            assert_eq!(desk.events(), [Event::OfferRefused { dialog, status }]);
        } else {
            assert_eq!(desk.words(), ["ACK", "BYE"], "{status}");
            assert_eq!(desk.events(), [Event::PeerLost { dialog }]);
        }
    }
}

/// RFC 4028 section 7.3: who finds the time too short gets more, also beside other terms.
#[test]
fn other_terms_that_come_with_too_short_a_time_come_again_with_more() {
    let mut desk = Desk::new();
    let (dialog, _) = talking_with(&mut desk, "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n");
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
    let reinvite = desk.one();
    desk.receive(&answer(&reinvite, 422, "Min-SE: 3600\r\n", ""));
    let sent = desk.sent();
    assert_eq!(sent.iter().map(Sent::word).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    assert_eq!((sent[1].header("Session-Expires"), sent[1].header("Min-SE")), ("3600;refresher=uas", "3600"));
    assert_eq!(sent[1].message().body(), OURS_CHANGED.as_bytes());
    desk.receive(&answer(&sent[1], 422, "Min-SE: 3600\r\n", ""));
    assert_eq!(desk.words(), ["ACK"]);
    assert_eq!(desk.events(), [Event::OfferRefused { dialog, status: 422 }], "who wants nothing longer is not asked for ever");
}

/// RFC 4028 section 7.3 says "once more": whoever wants more and more gets a refresh every ten seconds.
#[test]
fn who_wants_longer_and_longer_timers_is_not_asked_on_and_on() {
    let mut desk = Desk::new();
    let (dialog, ok) = talking_with(&mut desk, "Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 90;refresher=uas\r\n");
    assert_eq!(ok.header("Session-Expires"), "90;refresher=uas");
    desk.wait(45_000);
    let mut asked = 0;
    for round in 0..100 {
        for request in desk.sent().iter().filter(|sent| sent.word() == "UPDATE") {
            asked += 1;
            let more = request.header("Session-Expires").split(';').next().unwrap().parse::<u32>().unwrap() + 1;
            desk.receive(&answer(request, 422, &format!("Min-SE: {more}\r\n"), ""));
        }
        if round % 10 == 9 {
            desk.wait(1_000);
        }
    }
    assert_eq!(asked, 2, "and the next one in a while");
    desk.wait(10_000);
    assert!(desk.words().contains(&"UPDATE".to_owned()));
    assert!(desk.endpoint.dialog(dialog).is_some());
}

/// RFC 3261 sections 17.2.1 and 17.2.2: a copy of a request gets the answer that the first one got, also where that was a refusal which depends on the
/// moment. A 500 in its place would end a glare for good, and take Min-SE from a 422.
#[test]
fn a_copy_of_what_was_refused_inside_a_dialog_is_refused_likewise() {
    let in_talk = |text: &dyn Fn(&str) -> String, status: &str| {
        let mut desk = Desk::new();
        let (_, tag) = desk.talking();
        let text = text(&tag);
        desk.receive(&text);
        let first = desk.one();
        desk.receive(&text);
        let copy = desk.one();
        assert_eq!((first.word(), &copy.text), (status, &first.text), "{text}");
        assert_eq!(desk.events(), []);
        desk.receive(&text.replace("branch=z9hG4bK", "branch=z9hG4bKother"));
        assert_eq!(desk.words(), ["500"], "the same number in another transaction is old");
        desk.wait(64_000);
        assert_eq!(desk.census().transactions, 0);
    };
    in_talk(&|tag| reinvite("r", 2, tag).replace("Content-Type", "Supported: timer\r\nSession-Expires: 60\r\nContent-Type"), "422");
    in_talk(&|tag| update("u", 2, tag, "Supported: timer\r\nSession-Expires: 60\r\n", ""), "422");
    in_talk(&|tag| reinvite("r", 2, tag).replace("application/sdp", "text/plain"), "415");
    in_talk(&|tag| update("u", 2, tag, "", OFFER).replace("application/sdp", "text/plain"), "415");
    in_talk(&|tag| reinvite("r", 2, tag).replace("<sip:caller", "<sip:caller\""), "400");
    in_talk(&|tag| inside("PRACK", "p", 2, tag), "400");
    in_talk(&|tag| inside("PRACK", "p", 2, tag).replace("Content-Length", "RAck: 1 1 INVITE\r\nContent-Length"), "481");
    in_talk(&|tag| inside("REFER", "p", 2, tag), "400");
    // Section 9.2: a CANCEL of one finds it answered.
    let mut desk = Desk::new();
    let (_, tag) = desk.talking();
    desk.receive(&reinvite("r", 2, &tag).replace("application/sdp", "text/plain"));
    assert_eq!(desk.words(), ["415"]);
    desk.receive(&inside("CANCEL", "r", 2, &tag));
    assert_eq!((desk.words(), desk.events().len()), (vec!["200".to_owned()], 0));
    // However much was refused, what is right has a place.
    for cseq in 3..100 {
        desk.receive(&reinvite(&format!("r{cseq}"), cseq, &tag).replace("application/sdp", "text/plain"));
    }
    desk.sent();
    desk.receive(&reinvite("good", 100, &tag));
    assert_eq!((desk.words(), desk.events().len()), (vec![""; 0].into_iter().map(str::to_owned).collect(), 1));
    // Glare: their answer to our offer in the 200 is not here yet.
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
    desk.sent();
    for text in [reinvite("r", 2, &tag), update("u", 3, &tag, "", OFFER)] {
        for _ in 0..2 {
            desk.receive(&text);
            assert_eq!(desk.words(), ["491"], "{text}");
        }
        desk.receive(&inside("ACK", "r", 2, &tag));
    }
    assert_eq!(desk.events(), []);
}

/// RFC 3261 section 14.1: "If the UAC is the owner of the Call-ID ... between 2.1 and 4 seconds in units of 10 ms", else "between 0 and 2".
#[test]
fn after_a_491_each_side_waits_its_own_time_and_tries_again() {
    for ours in [true, false] {
        let mut pauses = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let mut desk = Desk::seeded(seed);
            let dialog = if ours { desk.calling_answered().0 } else { desk.talking().0 };
            desk.sent();
            desk.events();
            desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
            let first = desk.one();
            desk.receive(&answer(&first, 491, "", ""));
            assert_eq!(desk.words(), ["ACK"]);
            let since = desk.millis();
            desk.wait(4_000);
            let again = desk.sent().remove(0);
            assert!(again.text.starts_with("INVITE ") && again.header("CSeq") != first.header("CSeq"), "{}", again.text);
            let pause = again.millis - since;
            let range = if ours { 2100..=4000 } else { 0..=2000 };
            assert!(range.contains(&pause) && pause.is_multiple_of(10), "{pause} ms");
            pauses.insert(pause);
        }
        assert!(pauses.len() > 20, "the pauses are drawn: {pauses:?}");
    }
}

/// RFC 3261 section 14.2: "MUST return a 491 (Request Pending) response"; RFC 3311 section 5.2 for UPDATE.
#[test]
fn an_offer_against_ours_gets_491() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
    let ours = desk.one();
    desk.receive(&reinvite("r", 2, &tag));
    assert_eq!(desk.words(), ["491"]);
    desk.receive(&update("u", 3, &tag, "", OFFER));
    assert_eq!(desk.words(), ["491"]);
    desk.receive(&update("v", 4, &tag, "", ""));
    assert_eq!(desk.words(), ["200"], "without an offer there is nothing to clash");
    assert!(desk.events().is_empty());
    desk.receive(&answer(&ours, 200, "", OFFER));
    desk.events();
    desk.sent();
    desk.receive(&update("w", 5, &tag, "", OFFER));
    assert_eq!(desk.events().len(), 1, "ours is answered: theirs may come");
}

/// RFC 3261 section 14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while another INVITE transaction is in progress in
/// either direction".
#[test]
fn our_offer_waits_for_theirs() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&reinvite("r", 2, &tag));
    desk.command(Command::Reoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
    desk.trying();
    desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
    desk.receive(&inside("ACK", "s", 2, &tag));
    desk.sent();
    desk.wait(2_000);
    let sent = desk.sent();
    assert!(sent[0].text.starts_with("INVITE "), "{sent:?}");
}

// ---- session timers, RFC 4028 ------------------------------------------------------------------------------------------------------

/// Section 9, table 2: who refreshes, and `Require: timer` for whoever knows timers.
#[test]
fn a_timer_that_is_asked_for_is_repeated_in_the_200() {
    for (asks, says, requires) in [
        ("Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n", "300;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 300;refresher=uas\r\n", "300;refresher=uas", "timer"),
        ("Supported: timer\r\nSession-Expires: 300\r\n", "300;refresher=uac", "timer"),
        ("k: timer,100rel\r\nx: 300;refresher=uac\r\nMin-SE: 300\r\n", "300;refresher=uac", "timer"),
        ("Require: timer\r\nSession-Expires: 90\r\n", "90;refresher=uac", "timer"),
        ("Session-Expires: 300\r\n", "300;refresher=uas", ""),
        // Too short, and whoever knows no timers cannot mend it: nobody may make it longer.
        ("Session-Expires: 30\r\n", "", ""),
        ("Supported: timer\r\n", "", ""),
        ("", "", ""),
    ] {
        let mut desk = Desk::new();
        let (_, ok) = talking_with(&mut desk, asks);
        assert_eq!((ok.header("Session-Expires"), ok.header("Require")), (says, requires), "{asks}");
        assert_eq!(ok.header("Supported"), "100rel, replaces, timer");
    }
}

/// Section 9: "If the UAS ... wants to reject ... 422 ... MUST include a Min-SE".
#[test]
fn a_timer_that_is_too_short_gets_422() {
    let mut desk = Desk::new();
    let contact = "Contact: <sip:caller@192.0.2.50>\r\n";
    desk.receive(&invite("1").replace(contact, &format!("{contact}Supported: timer\r\nSession-Expires: 89\r\n")));
    let refusal = desk.one();
    assert_eq!((refusal.word(), refusal.header("Min-SE")), ("422", "90"));
    desk.receive(&invite("2").replace(contact, &format!("{contact}Supported: timer\r\nSession-Expires: never\r\n")).replace("c1", "c2"));
    assert_eq!(desk.one().text.lines().next().unwrap(), "SIP/2.0 400 Bad Request: broken Session-Expires");
    assert!(desk.events().is_empty());
    let (dialog, ok) = talking_with(&mut desk, "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n");
    desk.receive(&update("u", 2, &ok.to_tag(), "Supported: timer\r\nSession-Expires: 20\r\n", ""));
    assert_eq!(desk.words(), ["422"]);
    assert!(desk.endpoint.dialog(dialog).is_some());
}

/// Section 10: who does not refresh gets a BYE "slightly before the session expires": a third of the time, at most 32 s, before its end.
#[test]
fn a_caller_who_does_not_refresh_is_hung_up() {
    for (secs, over) in [(300, 268), (90, 60)] {
        let mut desk = Desk::new();
        let (dialog, ok) = talking_with(&mut desk, &format!("Supported: timer\r\nSession-Expires: {secs};refresher=uac\r\n"));
        desk.wait(over * 1000 - 1);
        assert!(desk.sent().is_empty() && desk.events().is_empty());
        desk.wait(1);
        let bye = desk.one();
        assert_eq!((bye.word(), bye.header("Reason")), ("BYE", "SIP;cause=408;text=\"Request Timeout\""), "RFC 3326");
        assert_eq!(desk.events(), [Event::PeerLost { dialog }]);
        let mut desk = Desk::new();
        let (dialog, ok2) = talking_with(&mut desk, &format!("Supported: timer\r\nSession-Expires: {secs};refresher=uac\r\n"));
        for n in 0..5 {
            desk.wait(secs * 500);
            let refresh = format!("Supported: timer\r\nSession-Expires: {secs};refresher=uac\r\n");
            desk.receive(&update(&format!("u{n}"), 2 + n, &ok2.to_tag(), &refresh, ""));
            let ok = desk.one();
            assert_eq!((ok.word(), ok.header("Session-Expires")), ("200", format!("{secs};refresher=uac").as_str()));
        }
        assert!(desk.events().is_empty() && desk.endpoint.dialog(dialog).is_some());
        drop(ok);
    }
}

/// Sections 7.4 and 10: the refresher refreshes at half the time; by UPDATE where the peer allows it, else by a re-INVITE that changes nothing.
#[test]
fn we_refresh_where_it_is_ours_to_do() {
    for allow in ["INVITE, ACK, BYE, CANCEL, UPDATE", "INVITE, ACK, BYE, CANCEL"] {
        let mut desk = Desk::new();
        let asks = format!("Allow: {allow}\r\nSupported: timer\r\nSession-Expires: 300;refresher=uas\r\n");
        let (dialog, _) = talking_with(&mut desk, &asks);
        for _ in 0..4 {
            desk.wait(149_999);
            assert!(desk.sent().is_empty());
            desk.wait(1);
            let refresh = desk.one();
            assert_eq!((refresh.header("Session-Expires"), refresh.header("Supported")), ("300;refresher=uac", "100rel, replaces, timer"));
            if allow.contains("UPDATE") {
                assert_eq!((refresh.word(), refresh.message().body().len()), ("UPDATE", 0));
                desk.receive(&answer(&refresh, 200, "Require: timer\r\nSession-Expires: 300;refresher=uac\r\n", ""));
                assert!(desk.events().is_empty());
            } else {
                assert_eq!((refresh.word(), refresh.message().body()), ("INVITE", ANSWER.as_bytes()));
                desk.receive(&answer(&refresh, 200, "Require: timer\r\nSession-Expires: 300;refresher=uac\r\n", OFFER));
                assert_eq!(desk.words(), ["ACK"]);
                assert_eq!(desk.events(), [Event::AnswerCame { dialog, answer: Some(Bytes::from(OFFER)) }]);
            }
        }
    }
}

/// RFC 3264 section 8: of what we offered, only what they took is offered again; unless other terms came of theirs since.
#[test]
fn a_refresh_says_what_was_settled_and_not_what_was_offered() {
    let settled = ANSWER.replace("o=- 2 1", "o=- 2 2");
    for changed in [false, true] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        let timer = "Require: timer\r\nSession-Expires: 600;refresher=uac\r\n";
        desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER).replace("Contact:", &format!("{timer}Contact:")));
        desk.endpoint.settle(dialog, Bytes::from(settled.clone()));
        assert_eq!(desk.endpoint.said(dialog).unwrap(), ANSWER, "it has not been said yet");
        if changed {
            desk.receive_from(
                PHONE,
                &phone_offers(&invite, "INVITE", "p", 1, "p1", OFFER)
                    .replace("Contact:", &format!("Supported: timer\r\n{}Contact:", "Session-Expires: 600;refresher=uas\r\n")),
            );
            desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(OURS_CHANGED) });
            desk.receive_from(PHONE, &phone_inside(&invite, "ACK", "q", 1, "p1"));
        }
        let says = if changed { OURS_CHANGED } else { &settled };
        desk.sent();
        desk.wait(300_000);
        let refresh = desk.one();
        assert_eq!((refresh.word(), refresh.message().body()), ("INVITE", says.as_bytes()), "{changed}");
        desk.receive_from(PHONE, &response(&refresh, 500, "", ""));
        assert_eq!(desk.endpoint.said(dialog).unwrap(), says, "also where it was refused");
        desk.sent();
        desk.wait(10_000);
        assert_eq!(desk.one().message().body(), says.as_bytes(), "and so it is said again");
    }
}

/// Section 10 with RFC 3261 section 12.2.1.2.
#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    let mut desk = Desk::new();
    let (dialog, _) = talking_with(&mut desk, "Allow: UPDATE\r\nSupported: timer\r\nSession-Expires: 300;refresher=uas\r\n");
    desk.wait(150_000 + 32_000);
    assert_eq!(desk.events(), [Event::PeerLost { dialog }]);
    assert_eq!(desk.sent().pop().unwrap().word(), "BYE");
}

/// A phone that lists UPDATE and does not know it is refreshed by re-INVITE; one that finds the time too short (422, section 7.3) gets more.
#[test]
fn a_refresh_that_is_refused_is_tried_in_another_way() {
    let mut desk = Desk::new();
    let (_, _) = talking_with(&mut desk, "Allow: UPDATE\r\nSupported: timer\r\nSession-Expires: 300;refresher=uas\r\n");
    desk.wait(150_000);
    let refresh = desk.one();
    desk.receive(&answer(&refresh, 422, "Min-SE: 600\r\n", ""));
    let longer = desk.one();
    assert_eq!((longer.word(), longer.header("Session-Expires"), longer.header("Min-SE")), ("UPDATE", "600;refresher=uac", "600"));
    desk.receive(&answer(&longer, 405, "", ""));
    assert_eq!(desk.one().word(), "INVITE");
}

/// Section 7.4: Min-SE stands in each refresh after a 422.
#[test]
fn what_a_422_has_asked_for_is_said_in_each_refresh_after_it() {
    let mut desk = Desk::new();
    let (_, _) = talking_with(&mut desk, "Allow: UPDATE\r\nSupported: timer\r\nSession-Expires: 300;refresher=uas\r\n");
    desk.wait(150_000);
    let refresh = desk.one();
    desk.receive(&answer(&refresh, 422, "Min-SE: 600\r\n", ""));
    let mut refresh = desk.one();
    for _ in 0..3 {
        assert_eq!((refresh.word(), refresh.header("Session-Expires"), refresh.header("Min-SE")), ("UPDATE", "600;refresher=uac", "600"));
        desk.receive(&answer(&refresh, 200, "Session-Expires: 600;refresher=uac\r\n", ""));
        desk.wait(300_000);
        refresh = desk.one();
    }
}

/// A peer that is there and refuses is asked again until the session is over: the call goes on as long as it may.
#[test]
fn a_refresh_that_is_refused_comes_again() {
    let mut desk = Desk::new();
    let (dialog, _) = talking_with(&mut desk, "Allow: UPDATE\r\nSupported: timer\r\nSession-Expires: 300;refresher=uas\r\n");
    desk.wait(150_000);
    for n in 0..11 {
        let refresh = desk.one();
        assert_eq!((refresh.word(), refresh.millis), ("UPDATE", 151_000 + n * 10_000));
        desk.receive(&answer(&refresh, 503, "", ""));
        desk.wait(10_000);
    }
    let refresh = desk.one();
    desk.receive(&answer(&refresh, 200, "Session-Expires: 300;refresher=uac\r\n", ""));
    desk.wait(149_000);
    assert!(desk.sent().is_empty() && desk.events().is_empty() && desk.endpoint.dialog(dialog).is_some());
}

/// Section 7.1: our own calls ask for a timer; section 7.2: the 200 decides.
#[test]
fn our_own_call_has_the_timer_that_its_200_says() {
    for (says, refreshes, over) in [
        ("Require: timer\r\nSession-Expires: 600;refresher=uac\r\n", Some(300_000), None),
        ("Require: timer\r\nSession-Expires: 600;refresher=uas\r\n", None, Some(568_000)),
        ("", None, None),
    ] {
        let mut desk = Desk::new();
        let (dialog, invite) = desk.calling();
        assert_eq!((invite.header("Session-Expires"), invite.header("Supported")), ("1800", "100rel, replaces, timer"));
        let ok = response(&invite, 200, "p1", OFFER).replace("Contact:", &format!("Allow: UPDATE\r\n{says}Contact:"));
        desk.receive_from(PHONE, &ok);
        desk.sent();
        desk.events();
        let since = desk.millis();
        desk.wait(580_000);
        let sent = desk.sent();
        match (refreshes, over) {
            (Some(at), _) => assert_eq!((sent[0].word(), sent[0].millis - since), ("UPDATE", at)),
            (_, Some(at)) => {
                assert_eq!((sent[0].word(), sent[0].millis - since), ("BYE", at));
                assert_eq!(desk.events()[0], Event::PeerLost { dialog });
            }
            (None, None) => assert!(sent.is_empty()),
        }
    }
}
