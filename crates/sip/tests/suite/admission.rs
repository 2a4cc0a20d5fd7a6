//! Whose messages count: who has no part in a call cannot end it, and nobody has us send to our own machine.

use crate::common::phone::Phone;
use crate::common::*;
use bytes::Bytes;
use model::DigestAlgorithm::Sha256;
use model::{Event as Note, FlowId, Net, Transport};
use sip::{Admission, Command, Event};

const THIEF: &str = "198.51.100.7:5060";

fn admission(desk: &mut Desk, kin: &[&str], here: &[&str]) {
    let nets = |all: &[&str]| all.iter().map(|net| Net::parse(net).unwrap()).collect::<Vec<_>>();
    desk.endpoint.set_admission(Admission { kin: vec![nets(kin)], here: nets(here), ours: vec!["198.51.100.1".parse().unwrap()] });
}

#[test]
fn who_has_overheard_a_call_cannot_end_it() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.sent();
    for method in ["BYE", "INVITE", "OPTIONS", "INFO"] {
        let text = if method == "INVITE" { reinvite("x", 9, &tag) } else { inside(method, "x", 9, &tag) };
        desk.receive_from(THIEF, &text);
        assert_eq!(desk.words(), ["481"], "{method}: as if there were no such call");
    }
    assert_eq!(desk.events(), []);
    assert_eq!(desk.notes.iter().filter(|note| **note == Note::ForeignRequest).count(), 4);
    // From another port of the same address: a router has forgotten the old one.
    desk.receive_from("192.0.2.50:61000", &inside("OPTIONS", "y", 10, &tag));
    assert_eq!(desk.words(), ["200"]);
    desk.receive(&inside("BYE", "z", 11, &tag));
    assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
}

/// RFC 3261 section 9.1: a CANCEL repeats the Via and the Call-ID of its INVITE, and whoever saw that can write them too.
#[test]
fn who_has_overheard_an_invite_cannot_cancel_it() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Provisional { dialog, status: 180 });
    desk.sent();
    let cancel = request("CANCEL", "sip:0440000001@192.0.2.1", "1", "sip:0440000001@192.0.2.1", 1, "", "");
    desk.receive_from(THIEF, &cancel);
    assert_eq!((desk.words(), desk.events()), (vec!["481".to_owned()], vec![]));
    desk.receive_from("192.0.2.50:61000", &cancel);
    assert_eq!(desk.events(), [Event::Cancelled { dialog }, Event::Ended { dialog }]);
}

/// RFC 3891 section 3: Replaces names a call by what can be overheard of it, and would have us hang up on its peer.
#[test]
fn who_has_overheard_a_call_cannot_take_its_place() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let replacing = |branch: &str| {
        let call = invite(branch).replace("Call-ID: c1", &format!("Call-ID: {branch}"));
        call.replace("Contact:", &format!("Replaces: c1;to-tag={tag};from-tag=f1\r\nContact:"))
    };
    desk.sent();
    desk.receive_from(THIEF, &replacing("x"));
    assert_eq!((desk.words(), desk.events()), (vec!["481".to_owned()], vec![]), "as if there were no such call");
    assert_eq!(desk.notes.iter().filter(|note| **note == Note::ForeignRequest).count(), 1);
    // From the same house, by another telephone; and from another machine of a carrier that has several.
    desk.receive_from("192.0.2.50:61000", &replacing("y"));
    admission(&mut desk, &["192.0.2.50", "198.51.100.0/24"], &[]);
    desk.receive_from(THIEF, &replacing("z"));
    let events = desk.events();
    let taken = |event: &Event| matches!(event, Event::Invite { replaces, .. } if *replaces == Some(dialog));
    assert_eq!((events.len(), events.iter().all(taken)), (2, true), "{events:?}");
}

/// Whoever calls by TLS is not put out by somebody who calls in clear, wherever that comes from.
#[test]
fn a_secure_call_is_not_taken_over_in_clear() {
    let flow = |transport, n| FlowId::connection(transport, n);
    for (first, second, status) in [
        (flow(Transport::Tls, 7), FlowId::UDP, "481"),
        (flow(Transport::Wss, 7), flow(Transport::Tcp, 8), "481"),
        (flow(Transport::Tls, 7), flow(Transport::Wss, 8), ""),
        (FlowId::UDP, flow(Transport::Tls, 8), ""),
    ] {
        let over = |flow: FlowId, text: &str| Bytes::from(text.replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", flow.transport().via())));
        let mut desk = Desk::new();
        desk.receive_on(first, CALLER, &over(first, &invite("1")));
        let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
        desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let tag = desk.sent().pop().unwrap().to_tag();
        desk.receive_on(first, CALLER, &over(first, &inside("ACK", "a", 1, &tag)));
        desk.events();
        let replaces = format!("Replaces: c1;to-tag={tag};from-tag=f1\r\nContact:");
        let text = invite("2").replace("Call-ID: c1", "Call-ID: c2").replace("Contact:", &replaces);
        desk.receive_on(second, CALLER, &over(second, &text));
        assert_eq!(desk.words().concat(), status, "{first:?} {second:?}");
        assert_eq!(desk.events().is_empty(), !status.is_empty(), "{first:?} {second:?}");
    }
}

#[test]
fn another_machine_of_the_same_carrier_goes_on_with_a_call() {
    let mut desk = Desk::new();
    admission(&mut desk, &["192.0.2.50", "198.51.100.0/24"], &[]);
    let (dialog, tag) = desk.talking();
    // Its sound may come from there, too, once what it wants changed is agreed to.
    for (method, cseq) in [("INVITE", 2), ("UPDATE", 3)] {
        let (whence, before) = if cseq == 2 { (THIEF, CALLER) } else { (CALLER, THIEF) };
        desk.receive_from(whence, &reinvite(method, cseq, &tag).replace("INVITE", method));
        assert!(matches!(desk.events()[..], [Event::Reoffer { .. }]), "{method}");
        desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
        assert_eq!(desk.events(), [Event::PeerMoved { dialog, from: host(before), to: host(whence) }], "{method}");
        desk.sent();
        if method == "INVITE" {
            desk.receive_from(whence, &inside("ACK", "a", cseq, &tag));
            desk.events();
        }
    }
    desk.receive_from(THIEF, &inside("BYE", "x", 9, &tag));
    assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
}

#[test]
fn an_ack_from_somebody_else_confirms_nothing() {
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive_from(THIEF, &inside("ACK", "a", 1, &tag));
    assert_eq!(desk.events(), []);
    desk.receive(&inside("ACK", "a", 1, &tag));
    assert_eq!(desk.events(), [Event::Acked { dialog }]);
}

#[test]
fn nobody_has_us_send_to_our_own_machine() {
    let aimed = |contact: &str| invite("1").replacen("<sip:caller@192.0.2.50>", contact, 1);
    for contact in [
        "<sip:x@127.0.0.1:8080>",
        "<sip:x@[::1]>",
        "<sip:x@192.0.2.1:5060>",
        "<sip:x@224.0.1.75>",
        "<sip:x@[::ffff:127.0.0.1]>",
        "<sip:x@192.0.2.9;maddr=127.0.0.1>",
    ] {
        let mut desk = Desk::new();
        desk.receive(&aimed(contact));
        let sent = desk.one();
        assert_eq!(sent.word(), "403", "{contact}");
        assert_eq!((desk.events(), desk.census().dialogs), (vec![], 0), "{contact}");
    }
    let mut desk = Desk::new();
    desk.receive(&invite("1").replacen("CSeq:", "Record-Route: <sip:127.0.0.1;lr>\r\nCSeq:", 1));
    assert_eq!(desk.words(), ["403"]);
    // Further on are other machines, in houses of their own, whose addresses may be ours, too.
    for (further, refused) in
        [("sip:192.0.2.1;lr", None), ("sip:192.0.2.71;maddr=192.0.2.1;lr", None), ("tel:1", Some("400")), ("sip:127.0.0.1;lr", None)]
    {
        let mut desk = Desk::new();
        desk.receive(&invite("1").replacen("CSeq:", &format!("Record-Route: <sip:192.0.2.70;lr>, <{further}>\r\nCSeq:"), 1));
        match refused {
            Some(status) => assert_eq!((desk.words(), desk.events()), (vec![status.to_owned()], vec![]), "{further}"),
            None => drop(desk.trying()),
        }
    }
    // Another address of this machine, which does not hear SIP.
    let mut desk = Desk::new();
    desk.receive(&aimed("<sip:x@198.51.100.1:22>"));
    // Nobody has told that it is ours.
    desk.trying();
    let mut desk = Desk::new();
    admission(&mut desk, &[], &[]);
    desk.receive(&aimed("<sip:x@198.51.100.1:22>"));
    assert_eq!(desk.words(), ["403"]);
    // Where the whole city runs on one machine, its line says so.
    for contact in ["<sip:x@127.0.0.1:8080>", "<sip:x@198.51.100.1:22>"] {
        let mut desk = Desk::new();
        admission(&mut desk, &[], &["192.0.2.0/24"]);
        desk.receive(&aimed(contact));
        desk.trying();
    }
}

#[test]
fn an_answer_does_not_aim_us_at_ourselves() {
    let mut desk = Desk::new();
    let (dialog, sent) = desk.calling();
    let answer = response(&sent, 200, "t", OFFER).replacen("<sip:sato@192.0.2.60:5062>", "<sip:sato@127.0.0.1:8080>", 1);
    desk.receive_from(PHONE, &answer);
    assert_eq!(desk.one().to.to_string(), PHONE);
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().to.to_string(), PHONE);
}

#[test]
fn a_closed_door_costs_no_memory_and_lets_calls_in_progress_go_on() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.sent();
    desk.endpoint.close_door(true);
    for n in 0..100 {
        desk.receive(&invite(&format!("new{n}")).replacen("Call-ID: c1", &format!("Call-ID: n{n}"), 1));
        let refused = desk.one();
        assert_eq!((refused.word(), refused.header("Retry-After")), ("503", "10"));
    }
    assert_eq!((desk.census().dialogs, desk.events()), (1, vec![]));
    desk.receive(&inside("BYE", "z", 11, &tag));
    assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
    desk.endpoint.close_door(false);
    desk.sent();
    desk.receive(&invite("again").replacen("Call-ID: c1", "Call-ID: c2", 1));
    desk.trying();
}

/// A user's phone that has moved goes on with its calls. Where somebody else's phone is, nobody speaks for it.
#[test]
fn a_phone_speaks_for_its_own_calls_only() {
    const ELSEWHERE: &str = "198.51.100.7:5062";
    let mut desk = Desk::new();
    let mut thief = Phone::another("tanaka", "t", ELSEWHERE);
    assert_eq!(thief.through(&mut desk, Sha256, "Contact: <sip:tanaka@198.51.100.7:5062>\r\n").word(), "200");
    desk.events();
    let (_, tag) = desk.talking();
    desk.sent();
    desk.events();
    for method in ["BYE", "OPTIONS", "INFO"] {
        desk.receive_from(ELSEWHERE, &inside(method, "x", 9, &tag));
        assert_eq!((desk.words(), desk.events()), (vec!["481".to_owned()], vec![]), "{method}");
    }
    // Sato's phone is called where it has registered, answers, moves, and registers anew.
    let mut sato = Phone::new("sato");
    sato.through(&mut desk, Sha256, "Contact: <sip:sato@192.0.2.60:5062>\r\n");
    let (dialog, invite) = desk.calling();
    desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
    desk.sent();
    desk.events();
    let bye = phone_inside(&invite, "BYE", "b1", 2, "p1");
    desk.receive_from(ELSEWHERE, &bye);
    assert_eq!((desk.words(), desk.events()), (vec!["481".to_owned()], vec![]), "it is not there yet");
    sato.from = ELSEWHERE;
    sato.through(&mut desk, Sha256, "Contact: <sip:sato@198.51.100.7:5062>\r\n");
    desk.events();
    desk.receive_from(ELSEWHERE, &bye.replacen("z9hG4bKb1", "z9hG4bKb2", 1));
    assert_eq!(desk.events(), [Event::Bye { dialog }, Event::Ended { dialog }]);
}
