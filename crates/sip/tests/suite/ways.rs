//! A phone's ways to us: connections that die, are replaced or come back, before a call and in the middle of one.

use crate::common::phone::Phone;
use crate::common::*;
use bytes::Bytes;
use model::DigestAlgorithm::Sha256;
use model::{FlowId, Transport};
use sip::{Command, Event, Identity, Target};

const CONTACT: &str = "Contact: <sip:sato@192.0.2.60:5062;line=1>\r\n";

/// Contact of a phone that keeps two connections (RFC 5626 section 9.2).
fn way(reg_id: u32, port: u16) -> String {
    format!(
        "Supported: path, outbound\r\nContact: <sip:sato@192.0.2.60:{port};transport=tcp>;reg-id={reg_id};\
         +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"\r\n"
    )
}

/// RFC 5626 sections 5.3 and 6: a phone on two connections is told that we call it by them, is called once, on the one heard last, and on the
/// other one when that fails.
#[test]
fn a_phone_on_two_connections_rings_once_and_survives_the_loss_of_one() {
    let (first, second) = (FlowId::connection(Transport::Tcp, 1), FlowId::connection(Transport::Tcp, 2));
    let mut desk = Desk::new();
    let mut ways = [(Phone::new("sato"), way(1, 5062), first), (Phone::another("sato", "-2", PHONE), way(2, 5064), second)];
    for (phone, contact, flow) in &mut ways {
        let request = phone.register(contact).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        desk.receive_on(*flow, PHONE, &Bytes::from(request));
        phone.hear(&desk.one(), Sha256);
        let request = phone.register(contact).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        desk.receive_on(*flow, PHONE, &Bytes::from(request));
        let ok = desk.one();
        assert_eq!((ok.word(), ok.header("Require"), ok.header("Flow-Timer")), ("200", "outbound", "120"));
    }
    assert_eq!(desk.endpoint.bindings("sato").count(), 2);
    let called = |desk: &Desk| desk.endpoint.phones("sato").map(|binding| binding.flow).collect::<Vec<_>>();
    assert_eq!(called(&desk), [second]);
    // One call is being made on the second way, one goes on there, and somebody else's goes on beside them.
    let (talking, invite) = calls(&mut desk);
    assert_eq!(invite.flow, second);
    desk.receive_on(second, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
    desk.sent();
    let (rings, ringing) = calls(&mut desk);
    desk.receive_on(second, PHONE, &Bytes::from(response(&ringing, 180, "p3", "")));
    let (unheard, invite) = calls(&mut desk);
    desk.events();
    desk.endpoint.handle_closed(desk.both(), second);
    desk.drain();
    assert_eq!(called(&desk), [first]);
    assert_eq!(desk.endpoint.bindings("sato").count(), 1);
    let again = desk.one();
    assert_eq!((again.flow, &again.text), (first, &invite.text), "nobody has heard it: once more, by the other way");
    assert!(desk.events().is_empty(), "the phone is still there");
    desk.receive_on(first, PHONE, &Bytes::from(response(&again, 486, "p2", "")));
    assert_eq!(desk.one().flow, first);
    assert_eq!(desk.events(), [Event::Failed { dialog: unheard, status: 486, retry_after: None }, Event::Ended { dialog: unheard }]);
    desk.command(Command::Bye { dialog: talking });
    let bye = desk.one();
    assert_eq!((bye.word(), bye.flow), ("BYE", first));
    desk.receive_on(first, PHONE, &Bytes::from(response(&bye, 200, "", "")));
    desk.events();
    // What rang there is answered over the way that is left (RFC 3261 section 18.2.2), and goes on there.
    desk.receive_on(first, PHONE, &Bytes::from(response(&ringing, 200, "p3", OFFER)));
    desk.command(Command::Bye { dialog: rings });
    let flows: Vec<(String, FlowId)> = desk.sent().iter().map(|sent| (sent.word().to_owned(), sent.flow)).collect();
    assert_eq!(flows, [("ACK".to_owned(), first), ("BYE".to_owned(), first)]);
    // With none left it is as with any other connection.
    let (last, _) = calls(&mut desk);
    desk.events();
    desk.endpoint.handle_closed(desk.both(), first);
    desk.drain();
    let events = desk.events();
    assert!(events.contains(&Event::Failed { dialog: last, status: 503, retry_after: None }), "{events:?}");
}

/// A call goes on over a connection of the phone's as long as there is one, whatever it has registered last; and over UDP when there is none.
#[test]
fn a_call_goes_on_over_whatever_way_is_left() {
    let (first, second) = (FlowId::connection(Transport::Tcp, 1), FlowId::connection(Transport::Tcp, 2));
    for (close, expected) in [(&[second][..], first), (&[first, second][..], FlowId::UDP)] {
        let mut desk = on_two_ways([(1, first), (2, second)]);
        let (dialog, invite) = calls(&mut desk);
        desk.receive_on(second, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
        desk.sent();
        comes_by(&mut desk, &mut Phone::another("sato", "udp", PHONE), 3, FlowId::UDP);
        for flow in close {
            desk.endpoint.handle_closed(desk.both(), *flow);
        }
        desk.drain();
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.flow), ("BYE", expected), "{close:?}");
    }
}

/// A phone registers one of its ways.
fn comes_by(desk: &mut Desk, phone: &mut Phone, reg_id: u32, flow: FlowId) {
    registers(desk, phone, &way(reg_id, 5062), flow);
}

/// A phone registers with this Contact. What else was sent is left to be read.
fn registers(desk: &mut Desk, phone: &mut Phone, contact: &str, flow: FlowId) {
    for _ in 0..2 {
        let over = format!("SIP/2.0/{}", flow.transport().via());
        let request = phone.register(contact).replace("SIP/2.0/UDP", &over);
        desk.receive_on(flow, phone.from, &Bytes::from(request));
        let (answers, others): (Vec<Sent>, Vec<Sent>) = desk.sent().into_iter().partition(|sent| sent.header("CSeq").ends_with("REGISTER"));
        desk.sent = others;
        if answers[0].word() == "401" {
            phone.hear(&answers[0], Sha256);
        }
    }
}

/// A phone on two ways, by number and flow.
pub(crate) fn on_two_ways(ways: [(u32, FlowId); 2]) -> Desk {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    for (reg_id, flow) in ways {
        comes_by(&mut desk, &mut phone, reg_id, flow);
    }
    desk.events();
    desk
}

/// Calls the phone where it was heard last.
fn calls(desk: &mut Desk) -> (model::DialogId, Sent) {
    let binding = desk.endpoint.phones("sato").next().unwrap().clone();
    let dialog = desk.endpoint.new_dialog();
    let from = Identity { display: String::new(), user: "0440000000".to_owned() };
    let to = Target {
        uri: binding.contact,
        flow: binding.flow,
        addr: binding.addr,
        routes: binding.path,
        user: Some(binding.user),
        trunk: None,
    };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(OFFER) });
    (dialog, desk.one())
}

/// What could not be sent comes back before its connection is known to be gone, or after.
#[test]
fn what_comes_back_of_a_dying_way_goes_by_the_other_once() {
    let (first, second) = (FlowId::connection(Transport::Tls, 2), FlowId::connection(Transport::Tls, 3));
    let unsent = |desk: &mut Desk, sent: &Sent| {
        desk.endpoint.handle_unsent(desk.both(), &Bytes::from(sent.text.clone()));
        desk.drain();
    };
    for closed_first in [false, true] {
        let mut desk = on_two_ways([(1, first), (2, second)]);
        let (dialog, invite) = calls(&mut desk);
        assert_eq!(invite.flow, second);
        if closed_first {
            desk.endpoint.handle_closed(desk.both(), second);
            desk.drain();
            assert_eq!(desk.one().flow, first);
            unsent(&mut desk, &invite);
        } else {
            unsent(&mut desk, &invite);
            assert_eq!(desk.one().flow, first);
            desk.endpoint.handle_closed(desk.both(), second);
            desk.drain();
        }
        assert_eq!(
            (desk.words(), desk.events()),
            (vec![""; 0].into_iter().map(str::to_owned).collect(), vec![]),
            "closed first: {closed_first}"
        );
        // The other way does not do either.
        desk.wait(1_500);
        unsent(&mut desk, &invite);
        assert_eq!(desk.events(), [Event::Failed { dialog, status: 503, retry_after: None }, Event::Ended { dialog }]);
    }
    // An ACK that was lost with the way is asked for on the other one.
    let mut desk = on_two_ways([(1, first), (2, second)]);
    let (_, invite) = calls(&mut desk);
    let ok = Bytes::from(response(&invite, 200, "p1", OFFER));
    desk.receive_on(second, PHONE, &ok);
    assert_eq!(desk.one().flow, second);
    desk.endpoint.handle_closed(desk.both(), second);
    desk.drain();
    desk.receive_on(first, PHONE, &ok);
    let ack = desk.one();
    assert_eq!((ack.word(), ack.flow), ("ACK", first));
    // A phone renews its way on a new connection before the old one is gone: its calls go on by that.
    let third = FlowId::connection(Transport::Tls, 4);
    for reg_ids in [[1, 2], [2, 2]] {
        let mut desk = on_two_ways([(reg_ids[0], first), (reg_ids[1], second)]);
        let (dialog, invite) = calls(&mut desk);
        desk.receive_on(second, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
        desk.sent();
        comes_by(&mut desk, &mut Phone::another("sato", "anew", PHONE), 2, third);
        desk.endpoint.handle_closed(desk.both(), second);
        desk.command(Command::Bye { dialog });
        assert_eq!(desk.one().flow, third, "{reg_ids:?}");
    }
    // Nothing that was secure goes on in clear.
    let mut desk = on_two_ways([(1, FlowId::UDP), (2, second)]);
    let (dialog, invite) = calls(&mut desk);
    desk.receive_on(second, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
    desk.sent();
    desk.endpoint.handle_closed(desk.both(), second);
    desk.command(Command::Bye { dialog });
    assert!(desk.one().flow.transport().is_secure());
}

/// The two ways of a phone may be of different transports. The first of each is the one that dies; nothing secure goes on in clear.
fn unlike_ways() -> [(FlowId, FlowId); 4] {
    let [tls, wss, tcp] = [Transport::Tls, Transport::Wss, Transport::Tcp].map(|transport| FlowId::connection(transport, 2));
    [(wss, tls), (tls, wss), (tcp, tls), (tcp, FlowId::UDP)]
}

/// The phone, called by the way that dies next.
fn called_on([dies, left]: [FlowId; 2]) -> (Desk, model::DialogId, Sent) {
    let mut desk = on_two_ways([(1, left), (2, dies)]);
    for (transport, port) in [(Transport::Tls, 5061), (Transport::Wss, 8443)] {
        desk.endpoint.hears(transport, format!("192.0.2.1:{port}").parse().unwrap());
    }
    let (dialog, invite) = calls(&mut desk);
    assert_eq!(invite.flow, dies);
    (desk, dialog, invite)
}

/// The same, and it has answered; with its 200.
fn talks_on(ways: [FlowId; 2]) -> (Desk, model::DialogId, Sent, Bytes) {
    let (mut desk, dialog, invite) = called_on(ways);
    let ok = Bytes::from(response(&invite, 200, "p1", OFFER));
    desk.receive_on(ways[0], PHONE, &ok);
    assert_eq!((desk.one().word(), desk.events().len()), ("ACK", 1));
    (desk, dialog, invite, ok)
}

/// The connection is gone.
fn dies(desk: &mut Desk, flow: FlowId) {
    desk.endpoint.handle_closed(desk.both(), flow);
    desk.drain();
}

/// Our Contact on a flow, and how our Via begins there.
fn ours_on(flow: FlowId) -> (&'static str, &'static str) {
    match flow.transport() {
        Transport::Tls => ("<sip:192.0.2.1:5061;transport=tls>", "SIP/2.0/TLS 192.0.2.1:5061;"),
        Transport::Wss => ("<sip:192.0.2.1:8443;transport=ws>", "SIP/2.0/WSS 192.0.2.1:8443;"),
        _ => ("<sip:192.0.2.1:5060>", "SIP/2.0/UDP 192.0.2.1:5060;"),
    }
}

/// A request of ours went by that flow, and says so.
fn went_by(sent: &Sent, word: &str, flow: FlowId) {
    assert_eq!((sent.word(), sent.flow), (word, flow));
    assert!(sent.header("Via").starts_with(ours_on(flow).1), "{flow:?}: {}", sent.text);
}

/// Our INVITE goes once more if nobody has heard it; its CANCEL has its Via (RFC 3261 section 9.1). One that rings keeps the Via that the phone knows.
#[test]
fn an_invite_on_a_dying_way_goes_by_one_of_another_transport() {
    for (gone, left) in unlike_ways() {
        let (mut desk, dialog, invite) = called_on([gone, left]);
        dies(&mut desk, gone);
        let again = desk.one();
        went_by(&again, "INVITE", left);
        assert_eq!(again.header("Contact"), ours_on(left).0);
        for same in ["CSeq", "Call-ID", "From", "To"] {
            assert_eq!(again.header(same), invite.header(same));
        }
        assert!(again.text.ends_with(OFFER));
        desk.receive_on(left, PHONE, &Bytes::from(response(&again, 180, "p1", "")));
        desk.command(Command::Cancel { dialog, reason: None });
        let cancel = desk.one();
        assert_eq!((cancel.word(), cancel.flow, cancel.header("Via")), ("CANCEL", left, again.header("Via")));

        let (mut desk, dialog, invite) = called_on([gone, left]);
        desk.receive_on(gone, PHONE, &Bytes::from(response(&invite, 180, "p1", "")));
        dies(&mut desk, gone);
        assert_eq!(desk.words().len(), 0, "it rings");
        desk.command(Command::Cancel { dialog, reason: None });
        let cancel = desk.one();
        assert_eq!((cancel.word(), cancel.flow, cancel.header("Via")), ("CANCEL", left, invite.header("Via")));
    }
}

/// So do the ACK that a copy of the 200 asks for, and our BYE, whether it comes back unsent or is not answered.
#[test]
fn an_ack_and_a_bye_on_a_dying_way_go_by_one_of_another_transport() {
    for (gone, left) in unlike_ways() {
        let (mut desk, _, _, ok) = talks_on([gone, left]);
        dies(&mut desk, gone);
        desk.receive_on(left, PHONE, &ok);
        went_by(&desk.one(), "ACK", left);
        for unsent in [false, true] {
            let (mut desk, dialog, _, _) = talks_on([gone, left]);
            desk.command(Command::Bye { dialog });
            let bye = desk.one();
            assert_eq!(bye.flow, gone);
            if unsent {
                desk.endpoint.handle_unsent(desk.both(), &Bytes::from(bye.text.clone()));
                desk.drain();
            } else {
                dies(&mut desk, gone);
            }
            let again = desk.one();
            went_by(&again, "BYE", left);
            assert_eq!(again.header("CSeq"), bye.header("CSeq"));
            dies(&mut desk, gone);
            assert_eq!((desk.words().len(), desk.events().len()), (0, 0), "once");
            desk.wait(500);
            assert_eq!(desk.words().len(), usize::from(!left.is_stream()), "repeated by UDP");
            desk.receive_on(left, PHONE, &Bytes::from(response(&again, 200, "", "")));
            assert_eq!(desk.events(), [Event::Ended { dialog }]);
        }
    }
}

/// And our answer to its re-INVITE is repeated there, with a Contact that leads to us.
#[test]
fn an_answer_on_a_dying_way_is_repeated_by_one_of_another_transport() {
    for (gone, left) in unlike_ways() {
        let (mut desk, dialog, invite, _) = talks_on([gone, left]);
        let reinvite = phone_offers(&invite, "INVITE", "re", 7, "p1", OFFER);
        desk.receive_on(gone, PHONE, &Bytes::from(reinvite));
        desk.sent();
        desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
        assert_eq!((desk.sent().pop().map(|answer| answer.flow)), Some(gone));
        dies(&mut desk, gone);
        desk.wait(500);
        let again = desk.one();
        assert_eq!((again.word(), again.flow, again.header("Contact")), ("200", left, ours_on(left).0));
        assert!(again.text.ends_with(ANSWER));
    }
}

/// A phone whose only connection dies in a call, and who registers again, has its call there: with its instance whatever its Contact is, else by that.
#[test]
fn a_phone_that_registers_again_after_its_connection_died_keeps_its_call() {
    let [tls, wss] = [Transport::Tls, Transport::Wss].map(|transport| FlowId::connection(transport, 2));
    let next = |flow: FlowId| FlowId::connection(flow.transport(), 9);
    let here = |port: u16| way(1, port);
    let bare = |port: u16| format!("Contact: <sip:sato@192.0.2.60:{port}>\r\n");
    let other = |port: u16| way(1, port).replace("e128", "e129");
    for (dead, to, before, after, goes_on) in [
        (tls, next(tls), here(5062), here(5066), true),
        (wss, next(wss), here(5062), here(5066), true),
        (tls, next(wss), here(5062), here(5062), true),
        (tls, next(tls), bare(5062), bare(5062), true),
        (tls, next(tls), bare(5062), bare(5066), false),
        (tls, next(tls), here(5062), other(5062), false),
        (tls, FlowId::connection(Transport::Tcp, 9), here(5062), here(5062), false),
    ] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        registers(&mut desk, &mut phone, &before, dead);
        desk.events();
        let (dialog, invite) = calls(&mut desk);
        desk.receive_on(dead, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
        assert_eq!(desk.one().flow, dead);
        dies(&mut desk, dead);
        registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &after, to);
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.flow == to), ("BYE", goes_on), "{before} {after} {to:?}");
    }
}

/// It may notice first, and register before we know that the old connection is gone; it may speak before it registers, and lose that connection, too;
/// and our answer may be under way. Behind a proxy it goes on by that.
#[test]
fn a_phone_that_moves_from_connection_to_connection_keeps_its_call() {
    let on = |n: u64| FlowId::connection(Transport::Tls, n);
    let bare = "Contact: <sip:sato@192.0.2.60:5062>\r\n".to_owned();
    let behind = format!("Path: <sip:192.0.2.60:5061;transport=tls;lr>\r\n{}", way(1, 5062));
    for contact in [way(1, 5062), bare, behind] {
        let start = || {
            let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
            registers(&mut desk, &mut phone, &contact, on(2));
            desk.events();
            let (dialog, invite) = calls(&mut desk);
            desk.receive_on(on(2), PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
            desk.sent();
            desk.events();
            (desk, dialog, invite)
        };
        let ends_on = |desk: &mut Desk, dialog, flow: FlowId, how: &str| {
            desk.command(Command::Bye { dialog });
            let bye = desk.one();
            assert_eq!((bye.word(), bye.flow), ("BYE", flow), "{how} {contact}");
        };
        let (mut desk, dialog, _) = start();
        registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &contact, on(3));
        dies(&mut desk, on(2));
        ends_on(&mut desk, dialog, on(3), "it noticed first");
        let (mut desk, dialog, invite) = start();
        dies(&mut desk, on(2));
        desk.receive_on(on(3), PHONE, &Bytes::from(phone_inside(&invite, "OPTIONS", "o", 5, "p1")));
        assert_eq!(desk.one().word(), "200");
        dies(&mut desk, on(3));
        registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &contact, on(4));
        ends_on(&mut desk, dialog, on(4), "it lost two");
        let (mut desk, dialog, invite) = start();
        desk.receive_on(on(2), PHONE, &Bytes::from(phone_offers(&invite, "INVITE", "re", 5, "p1", OFFER)));
        desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
        desk.sent();
        dies(&mut desk, on(2));
        registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &contact, on(3));
        desk.wait(4_000);
        let again = desk.sent();
        assert!(again.iter().any(|sent| (sent.word(), sent.flow) == ("200", on(3))), "our answer {contact}");
        // The connection dies between its offer and our answer, of either kind.
        for method in ["INVITE", "UPDATE"] {
            let (mut desk, dialog, invite) = start();
            desk.receive_on(on(2), PHONE, &Bytes::from(phone_offers(&invite, method, "re", 5, "p1", OFFER)));
            dies(&mut desk, on(2));
            desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
            desk.sent();
            registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &contact, on(3));
            desk.wait(4_000);
            let again = desk.sent().iter().any(|sent| (sent.word(), sent.flow) == ("200", on(3)));
            assert_eq!(again, method == "INVITE", "{method} {contact}");
            desk.command(Command::Probe { dialog });
            assert_eq!(desk.sent().pop().map(|probe| probe.flow), Some(on(3)), "{method} {contact}");
            let (mut desk, dialog, invite) = start();
            desk.receive_on(on(2), PHONE, &Bytes::from(phone_offers(&invite, method, "re", 5, "p1", OFFER)));
            dies(&mut desk, on(2));
            registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &contact, on(3));
            desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
            assert_eq!(desk.one().flow, on(3), "{method} {contact}");
            desk.command(Command::Probe { dialog });
            assert_eq!(desk.one().flow, on(3), "{method} {contact}");
        }
        // A proxy elsewhere is another one.
        let (mut desk, dialog, _) = start();
        dies(&mut desk, on(2));
        let mut phone = Phone::another("sato", "-far", "192.0.2.99:5061");
        let far = phone.register(&contact).replace("SIP/2.0/UDP", "SIP/2.0/TLS");
        desk.receive_on(on(3), "192.0.2.99:5061", &Bytes::from(far));
        phone.hear(&desk.one(), Sha256);
        let far = phone.register(&contact).replace("SIP/2.0/UDP", "SIP/2.0/TLS");
        desk.receive_on(on(3), "192.0.2.99:5061", &Bytes::from(far));
        assert_eq!(desk.one().word(), "200");
        desk.command(Command::Bye { dialog });
        assert_eq!(desk.one().flow == on(3), !contact.starts_with("Path"), "{contact}");
    }
}

/// A phone by TCP that could be connected to, and comes back by itself: it goes on by the connection that it made. Another phone of the same user, and one
/// whose registration is refused, change nothing.
#[test]
fn a_phone_by_tcp_goes_on_by_the_connection_that_it_makes() {
    let on = |n: u64| FlowId::connection(Transport::Tcp, n);
    let contact = "Contact: <sip:sato@192.0.2.60:5062;transport=tcp>\r\n";
    for refused in [false, true] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        registers(&mut desk, &mut phone, contact, on(5));
        let other = "192.0.2.70:5062";
        let mut second = Phone::another("sato", "-other", other);
        desk.events();
        let (dialog, invite) = calls(&mut desk);
        desk.receive_on(on(5), PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
        desk.sent();
        dies(&mut desk, on(5));
        let short = if refused { ";expires=1" } else { "" };
        let theirs = format!("Contact: <sip:sato@{other}>{short}\r\n");
        assert_eq!(second.through(&mut desk, Sha256, &theirs).word(), if refused { "423" } else { "200" });
        registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), contact, on(9));
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.flow), ("BYE", on(9)), "{refused}");
    }
}

/// Which phone of a user calls is known by where it speaks from; if it moves to a connection that dies, no other phone of theirs has the call.
#[test]
fn the_call_of_one_phone_does_not_go_to_another_of_the_same_user() {
    let other = "192.0.2.70:5062";
    let mut desk = Desk::new();
    let mut phone = Phone::new("sato");
    phone.through(&mut desk, Sha256, CONTACT);
    Phone::another("sato", "-other", other).through(&mut desk, Sha256, &format!("Contact: <sip:sato@{other}>\r\n"));
    desk.events();
    let (dialog, invite) = calls(&mut desk);
    assert_eq!(invite.to.to_string(), PHONE);
    desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
    desk.sent();
    let line = FlowId::connection(Transport::Tcp, 7);
    desk.receive_on(line, PHONE, &Bytes::from(phone_inside(&invite, "UPDATE", "u", 5, "p1")));
    dies(&mut desk, line);
    desk.sent();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!((bye.word(), bye.to.to_string().as_str()), ("BYE", PHONE));
}

/// Of two Contacts of one REGISTER each is a phone: a call goes on with its own.
#[test]
fn a_call_to_one_contact_does_not_go_to_another_of_the_same_register() {
    let on = |n: u64| FlowId::connection(Transport::Tcp, n);
    let both = "Contact: <sip:sato@192.0.2.60:5062;transport=tcp>, <sip:sato@192.0.2.60:5064;transport=tcp>\r\n";
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    registers(&mut desk, &mut phone, both, on(5));
    desk.events();
    let (dialog, invite) = calls(&mut desk);
    assert!(invite.text.starts_with("INVITE sip:sato@192.0.2.60:5062;"), "{}", invite.text);
    desk.receive_on(on(5), PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
    desk.sent();
    dies(&mut desk, on(5));
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    desk.endpoint.handle_unsent(desk.both(), &Bytes::from(bye.text.clone()));
    desk.drain();
    assert!(desk.sent().iter().chain([&bye]).all(|sent| sent.to.to_string() == PHONE));
}

/// What comes back of each way goes by another one for a while, and not for ever.
#[test]
fn two_ways_that_both_fail_do_not_send_a_request_to_and_fro() {
    let [tls, wss] = [Transport::Tls, Transport::Wss].map(|transport| FlowId::connection(transport, 2));
    let (mut desk, dialog, _, _) = talks_on([tls, wss]);
    desk.command(Command::Bye { dialog });
    let mut sent = 0;
    for _ in 0..100 {
        let Some(bye) = desk.sent().pop() else { break };
        sent += 1;
        desk.endpoint.handle_unsent(desk.both(), &Bytes::from(bye.text.clone()));
        desk.drain();
    }
    assert!((2..=6).contains(&sent), "{sent}");
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
}

/// Two users behind one proxy may say the same of themselves: the call of one is not the other's.
#[test]
fn nobody_has_the_call_of_somebody_else_who_says_the_same_of_themselves() {
    let on = |n: u64| FlowId::connection(Transport::Tls, n);
    let behind = "Path: <sip:192.0.2.60:5061;transport=tls;lr>\r\nContact: <sip:sato@192.0.2.61:5060>\r\n";
    let mut desk = Desk::new();
    for user in ["tanaka", "sato"] {
        registers(&mut desk, &mut Phone::new(user), behind, on(2));
    }
    desk.events();
    let (dialog, invite) = calls(&mut desk);
    desk.receive_on(on(2), PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
    desk.sent();
    dies(&mut desk, on(2));
    let direct = behind.split_once("\r\n").unwrap().1;
    for (contact, flow) in [(direct, on(3)), (behind, on(4))] {
        registers(&mut desk, &mut Phone::another("tanaka", "-anew", PHONE), contact, flow);
    }
    desk.command(Command::Probe { dialog });
    let probe = desk.one();
    assert!(![on(3), on(4)].contains(&probe.flow), "{probe:?}");
}

/// What is too large for a datagram tries TCP first on a way by UDP, too, and goes by UDP where there is none: that the new way refuses it is not taken
/// for what comes back of the old one.
#[test]
fn a_large_request_on_a_dying_way_goes_by_udp_where_there_is_no_tcp() {
    let gone = FlowId::connection(Transport::Tcp, 2);
    let (mut desk, dialog, invite) = called_on([gone, FlowId::UDP]);
    let long = format!("<sip:sato@192.0.2.60:5062;x={}>", "x".repeat(1400));
    desk.receive_on(gone, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER).replace("<sip:sato@192.0.2.60:5062>", &long)));
    desk.sent();
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().flow, gone);
    dies(&mut desk, gone);
    let by_tcp = desk.one();
    assert_eq!((by_tcp.word(), by_tcp.flow), ("BYE", FlowId::TCP));
    desk.endpoint.handle_unsent(desk.both(), &Bytes::from(by_tcp.text.clone()));
    desk.drain();
    went_by(&desk.one(), "BYE", FlowId::UDP);
    desk.wait(500);
    went_by(&desk.one(), "BYE", FlowId::UDP);
}

/// RFC 5626 section 9.2: what is written down of a phone's ways tells them apart.
#[test]
fn a_phone_is_told_which_of_its_ways_are_written_down() {
    let [tls, wss] = [Transport::Tls, Transport::Wss].map(|transport| FlowId::connection(transport, 2));
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    for (reg_id, flow) in [(1, tls), (2, wss)] {
        comes_by(&mut desk, &mut phone, reg_id, flow);
    }
    let request = phone.register(&way(2, 5062)).replace("SIP/2.0/UDP", "SIP/2.0/WSS");
    desk.receive_on(wss, PHONE, &Bytes::from(request));
    let ok = desk.one();
    for reg_id in [1, 2] {
        let contact = format!(";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\";reg-id={reg_id};expires=");
        assert!(ok.text.contains(&contact), "{}", ok.text);
    }
}

/// RFC 5626 section 6: a way is known by the phone and its number, not by what its Contact says. Phones behind a router say the same on all of theirs.
#[test]
fn two_ways_of_one_phone_may_have_the_same_contact() {
    let (first, second) = (FlowId::connection(Transport::Tcp, 1), FlowId::connection(Transport::Tcp, 2));
    let both = |make: &'static str| {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        for (reg_id, flow) in [(1, first), (2, second)] {
            phone.make = if reg_id == 1 { "" } else { make };
            comes_by(&mut desk, &mut phone, reg_id, flow);
        }
        desk.events();
        let ways: Vec<FlowId> = desk.endpoint.bindings("sato").map(|binding| binding.flow).collect();
        assert_eq!(ways, [first, second], "{make:?}");
        (desk, phone)
    };
    for (gone, left) in [(first, second), (second, first)] {
        let (mut desk, _) = both("-2");
        desk.endpoint.handle_closed(desk.both(), gone);
        assert_eq!(desk.endpoint.phones("sato").map(|binding| binding.flow).collect::<Vec<_>>(), [left]);
        assert!(desk.events().is_empty(), "the phone is still there");
        desk.endpoint.handle_closed(desk.both(), left);
        desk.drain();
        assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: true }]);
    }
    // All of it by one Call-ID, and one way is given back.
    let (mut desk, mut phone) = both("");
    let request = phone.register(&way(2, 5062).replacen(";reg-id", ";expires=0;reg-id", 1)).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    desk.receive_on(second, PHONE, &Bytes::from(request));
    assert_eq!(desk.one().word(), "200");
    assert_eq!(desk.endpoint.bindings("sato").map(|binding| binding.flow).collect::<Vec<_>>(), [first]);
    // Each runs out by itself.
    let (mut desk, _) = both("-2");
    desk.wait(130_000);
    assert_eq!(desk.endpoint.bindings("sato").count(), 0);
    assert_eq!(desk.events().pop(), Some(Event::Unregistered { user: "sato".to_owned(), expired: true }));
    // A request has come by one way only.
    let two = way(1, 5062).replacen("\r\nContact: ", &format!("\r\n{}Contact: ", way(2, 5064).split_once("\r\n").unwrap().1), 1);
    assert_eq!(Phone::new("sato").through(&mut desk, Sha256, &two).word(), "400");
}

/// A phone with its calls at one place, which registers at another before we know that the first is gone: half a connection is left open, or a router has
/// given it another port.
#[test]
fn a_phone_whose_way_is_replaced_has_its_calls_on_the_new_one() {
    const ANEW: &str = "192.0.2.60:6099";
    let bare = "Contact: <sip:sato@192.0.2.60:5062>\r\n".to_owned();
    for transport in [Transport::Tls, Transport::Wss, Transport::Tcp, Transport::Udp] {
        let on = |n: u64| if transport == Transport::Udp { FlowId::UDP } else { FlowId::connection(transport, n) };
        let at = |place: &str| format!("Contact: <sip:sato@{place}>\r\n");
        let udp = transport == Transport::Udp;
        for (contact, again, then, goes_on) in [
            (way(1, 5062), "-anew", way(1, 5062), true),
            (way(1, 5062), "-two", way(2, 5062), false),
            (bare.clone(), "", at("192.0.2.60:6099"), true),
            (bare.clone(), "", at("192.0.2.60:6099>, <sip:sato@192.0.2.60:5062>;expires=0;x=<x").replace(";x=<x>", ""), true),
            // Where it registers from does not say where it is: a large REGISTER goes by TCP, and some make a connection for each.
            (bare.clone(), "", bare.clone(), false),
            (bare.clone(), "-other", bare.clone(), false),
            // Behind a router it does, for there is nothing else.
            (at("10.0.0.9:5062"), "", at("10.0.0.9:5062"), udp),
        ] {
            let by = |contact: &str| if udp { contact.replace(";transport=tcp", "") } else { contact.to_owned() };
            let (contact, second) = (by(&contact), by(&then));
            let how = format!("{transport:?} {again} {contact}{second}");
            let start = |answers: bool| {
                let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
                registers(&mut desk, &mut phone, &contact, on(2));
                desk.events();
                let (dialog, invite) = calls(&mut desk);
                let answer = if answers { response(&invite, 200, "p1", OFFER) } else { response(&invite, 180, "p1", "") };
                desk.receive_on(on(2), PHONE, &Bytes::from(answer));
                desk.sent();
                desk.events();
                let mut anew = Phone { cseq: phone.cseq, ..Phone::another("sato", again, ANEW) };
                registers(&mut desk, &mut anew, &second, on(3));
                desk.sent();
                (desk, dialog, invite)
            };
            let where_to = |sent: &Sent| if transport == Transport::Udp { sent.to.to_string() == ANEW } else { sent.flow == on(3) };
            let (mut desk, dialog, _) = start(true);
            desk.command(Command::Bye { dialog });
            let bye = desk.one();
            assert_eq!((bye.word(), where_to(&bye)), ("BYE", goes_on), "{how}");
            let (mut desk, dialog, _) = start(false);
            desk.command(Command::Cancel { dialog, reason: None });
            let cancel = desk.one();
            assert_eq!((cancel.word(), where_to(&cancel)), ("CANCEL", goes_on), "{how}");
            // It moves once more.
            if goes_on {
                let (mut desk, dialog, _) = start(true);
                let third = if again.is_empty() && contact != second { at("192.0.2.60:6100") } else { second.clone() };
                let by_third = if udp { FlowId::UDP } else { on(4) };
                registers(&mut desk, &mut Phone { cseq: 9, ..Phone::another("sato", again, "192.0.2.60:6100") }, &third, by_third);
                desk.command(Command::Bye { dialog });
                let bye = desk.one();
                let there = if udp { bye.to.to_string() == "192.0.2.60:6100" } else { bye.flow == by_third };
                assert_eq!((bye.word(), there), ("BYE", true), "once more {how}{third}");
            }
            // It answers by the new one what has reached it by the old one: there are ACK and BYE, too.
            let (mut desk, dialog, invite) = start(false);
            desk.receive_on(on(3), ANEW, &Bytes::from(response(&invite, 200, "p1", OFFER)));
            let ack = desk.one();
            desk.command(Command::Bye { dialog });
            let bye = desk.one();
            if goes_on && transport != Transport::Udp {
                assert_eq!((ack.word(), where_to(&ack), bye.word(), where_to(&bye)), ("ACK", true, "BYE", true), "{how}");
            }
        }
    }
}

/// A phone that was reached at its own address goes, in a call, to where a router changes that: what it says of itself leads nowhere from then on, and it is
/// spoken to where its packets come from, whether it registers there or changes the call.
#[test]
fn a_phone_that_goes_behind_a_router_is_spoken_to_where_its_packets_come_from() {
    const ABROAD: &str = "198.51.100.7:40000";
    let private = |text: &str| text.replace("192.0.2.60:5062", "100.70.1.2:5060");
    for how in ["REGISTER", "INVITE", "UPDATE", "UPDATE without offer"] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        registers(&mut desk, &mut phone, CONTACT, FlowId::UDP);
        desk.events();
        let (dialog, invite) = calls(&mut desk);
        desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
        desk.sent();
        let mut abroad = Phone { cseq: phone.cseq, ..Phone::another("sato", "", ABROAD) };
        registers(&mut desk, &mut abroad, &private(CONTACT), FlowId::UDP);
        desk.events();
        if how != "REGISTER" {
            // As if the move had not been seen: what it says in the call is enough.
            let mut home = Phone { cseq: abroad.cseq, ..Phone::new("sato") };
            registers(&mut desk, &mut home, CONTACT, FlowId::UDP);
            registers(&mut desk, &mut Phone { cseq: home.cseq, ..Phone::another("sato", "", ABROAD) }, &private(CONTACT), FlowId::UDP);
            desk.events();
            desk.sent();
            let (method, offer) = (how.split(' ').next().unwrap(), if how.ends_with("offer") { "" } else { OFFER });
            let asks = private(&phone_offers(&invite, method, "new", 7, "p1", offer));
            // Some know their own address from outside, and write it into Via only.
            let asks =
                if method == "UPDATE" { asks.replacen("SIP/2.0/UDP 100.70.1.2:5060", "SIP/2.0/UDP 198.51.100.7:40000", 1) } else { asks };
            desk.receive_from(ABROAD, &if offer.is_empty() { asks.replace("Content-Type: application/sdp\r\n", "") } else { asks });
            if !offer.is_empty() {
                let reoffers = desk.events().into_iter().filter_map(|event| match event {
                    Event::Reoffer { from, .. } => Some(from),
                    _ => None,
                });
                assert_eq!(reoffers.collect::<Vec<_>>(), [host(ABROAD)], "{how}");
                desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
            }
            let ok = desk.sent().pop().unwrap();
            assert_eq!((ok.word(), ok.to.to_string().as_str()), ("200", ABROAD), "{how}");
            if method == "INVITE" {
                desk.receive_from(ABROAD, &private(&phone_inside(&invite, "ACK", "ack", 7, "p1")));
            }
        }
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.to.to_string().as_str()), ("BYE", ABROAD), "{how}");
    }
}

/// Who has been behind a router is spoken to where the packets come from, whatever Via says later: phones learn their address from outside in a call.
#[test]
fn a_caller_behind_a_router_is_spoken_to_there_after_a_change_too() {
    let private = |text: String| text.replace("<sip:caller@192.0.2.50>", "<sip:caller@10.0.0.9>").replace("192.0.2.51:5070", "10.0.0.9");
    for method in ["INVITE", "UPDATE"] {
        let mut desk = Desk::new();
        desk.receive(&private(invite("1")).replacen("UDP 192.0.2.50:5060", "UDP 10.0.0.9:5060", 1));
        let Some(Event::Invite { dialog, .. }) = desk.events().pop() else { panic!("a call") };
        desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let tag = desk.sent().pop().unwrap().to_tag();
        desk.receive(&inside("ACK", "a", 1, &tag));
        desk.receive(&private(reinvite("r", 2, &tag)).replace("INVITE", method));
        desk.command(Command::AnswerReoffer { dialog, sdp: Bytes::from(ANSWER) });
        assert_eq!(desk.sent().pop().unwrap().word(), "200");
        if method == "INVITE" {
            desk.receive(&inside("ACK", "b", 2, &tag));
        }
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.to.to_string().as_str()), ("BYE", CALLER), "{method}");
    }
}

/// A router that changes its own address: the phone does not know, and registers as ever. Its sound is to be followed as well.
#[test]
fn where_the_packets_of_a_phone_come_from_after_a_register_its_sound_comes_from_too() {
    let bare = "Contact: <sip:sato@10.0.0.9:5062>\r\n";
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    registers(&mut desk, &mut phone, bare, FlowId::UDP);
    let (dialog, invite) = calls(&mut desk);
    desk.receive_from(PHONE, &response(&invite, 200, "p1", OFFER));
    desk.sent();
    desk.events();
    let mut elsewhere = Phone { cseq: phone.cseq, ..Phone::another("sato", "", "198.51.100.7:5062") };
    registers(&mut desk, &mut elsewhere, bare, FlowId::UDP);
    let moved = Event::PeerMoved { dialog, from: host(PHONE), to: host("198.51.100.7:1") };
    assert!(desk.events().contains(&moved));
    registers(&mut desk, &mut elsewhere, bare, FlowId::UDP);
    assert!(!desk.events().iter().any(|event| matches!(event, Event::PeerMoved { .. })), "once");
}

/// Two phones of one user behind one machine that says nothing of itself: one of them goes elsewhere, and takes none of the other's calls along.
#[test]
fn a_phone_that_goes_elsewhere_takes_its_own_calls_along() {
    let on = |n: u64| FlowId::connection(Transport::Tcp, n);
    for other_moves in [true, false] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let mut other = Phone::another("sato", "-other", PHONE);
        let others = way(1, 5070).replace("e128", "e129");
        registers(&mut desk, &mut other, &others, on(2));
        registers(&mut desk, &mut phone, &way(1, 5062), on(2));
        desk.events();
        // The one that has registered first is called.
        let (dialog, invite) = calls(&mut desk);
        assert!(invite.text.contains(":5070"), "{}", invite.text);
        desk.receive_on(on(2), PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
        desk.sent();
        if other_moves {
            registers(&mut desk, &mut other, &others, on(3));
        } else {
            registers(&mut desk, &mut phone, &way(1, 5062), on(3));
        }
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.flow), ("BYE", if other_moves { on(3) } else { on(2) }));
    }
}

/// What ends or changes a call while its phone has no connection is said to it when it is back; if it does not come, the call ends when its time is.
#[test]
fn a_phone_that_comes_back_hears_what_was_said_meanwhile() {
    let on = |n: u64| FlowId::connection(Transport::Tls, n);
    let talks = || {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        registers(&mut desk, &mut phone, &way(1, 5062), on(2));
        desk.events();
        let (dialog, invite) = calls(&mut desk);
        desk.receive_on(on(2), PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
        desk.sent();
        desk.events();
        (desk, dialog)
    };
    for (dies_first, comes_back) in [(false, false), (false, true), (true, true)] {
        let (mut desk, dialog) = talks();
        if dies_first {
            dies(&mut desk, on(2));
        }
        desk.command(Command::Bye { dialog });
        let lost = desk.one();
        assert_eq!((lost.word(), lost.flow), ("BYE", on(2)));
        if comes_back {
            desk.endpoint.handle_unsent(desk.both(), &Bytes::from(lost.text.clone()));
        }
        if !dies_first {
            dies(&mut desk, on(2));
        }
        desk.drain();
        assert!(!desk.events().contains(&Event::Ended { dialog }), "it may come back");
        let mut later = desk.clone();
        registers(&mut desk, &mut Phone::another("sato", "-anew", PHONE), &way(1, 5062), on(3));
        let again = desk.sent().into_iter().find(|sent| sent.word() == "BYE").expect("it is said again");
        assert_eq!((again.flow, &again.text), (on(3), &lost.text));
        desk.receive_on(on(3), PHONE, &Bytes::from(response(&again, 200, "", "")));
        assert!(desk.events().contains(&Event::Ended { dialog }));
        later.wait(33_000);
        assert!(later.events().contains(&Event::Ended { dialog }), "no ghost is left");
    }
}

/// A phone that wants to be called by TLS, and has come without: it would be called in clear.
#[test]
fn a_contact_that_wants_tls_is_registered_by_tls() {
    for contact in ["sips:sato@192.0.2.60:5062", "sip:sato@192.0.2.60:5062;transport=tls"] {
        let contact = format!("Contact: <{contact}>\r\n");
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let refused = phone.through(&mut desk, Sha256, &contact);
        assert!(refused.text.starts_with("SIP/2.0 403 A Contact that wants TLS"), "{}", refused.text);
        let edge = format!("Path: <sip:192.0.2.60;lr>\r\n{contact}");
        assert_eq!(phone.through(&mut desk, Sha256, &edge).word(), "200", "the edge can");
        registers(&mut desk, &mut Phone::another("sato", "-tls", PHONE), &contact, FlowId::connection(Transport::Tls, 2));
        assert_eq!(desk.endpoint.bindings("sato").last().map(|binding| binding.flow.transport()), Some(Transport::Tls));
    }
}

/// Who knows the tags of a call by TLS, and sits behind the same router, neither steers it in clear nor has its answer.
#[test]
fn a_call_by_tls_is_not_steered_in_clear() {
    let tls = FlowId::connection(Transport::Tls, 2);
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    registers(&mut desk, &mut phone, "Contact: <sip:sato@192.0.2.60:5062>\r\n", tls);
    let (_, sent) = calls(&mut desk);
    desk.receive_on(tls, PHONE, &Bytes::from(response(&sent, 200, "p1", OFFER)));
    desk.sent();
    desk.events();
    for (cseq, method) in [(5, "REFER"), (6, "INFO"), (7, "UPDATE")] {
        let request =
            phone_inside(&sent, method, method, cseq, "p1").replacen("Content-Length", "Refer-To: <sip:24@192.0.2.1>\r\nContent-Length", 1);
        desk.receive_from(PHONE, &request);
        let refused = desk.one();
        assert!(refused.text.starts_with("SIP/2.0 403 This call goes by TLS"), "{}", refused.text);
    }
    assert_eq!(desk.events(), []);
    // A copy of an INVITE that came by TLS.
    let call = invite("copied").replacen("SIP/2.0/UDP", "SIP/2.0/TLS", 1);
    desk.receive_on(tls, CALLER, &Bytes::from(call.clone()));
    desk.wait(300);
    assert_eq!(desk.one().flow, tls);
    desk.receive_from(CALLER, &call);
    assert!(desk.sent().iter().all(|sent| sent.flow == tls));
}

/// The answer to a REGISTER tells where a user's phones are: nobody has it by repeating what they have overheard.
#[test]
fn the_answer_to_a_register_goes_to_who_asked() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    phone.cseq += 1;
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    assert_eq!(desk.one().word(), "200");
    desk.receive_from(PHONE, &request);
    assert_eq!(desk.one().word(), "200");
    desk.receive_from("198.51.100.7:5062", &request);
    let refused = desk.one();
    assert_eq!((refused.word(), refused.text.contains("Contact")), ("401", false));
}

/// Two users who are asked for their passwords in one second, with one Call-ID and one number, do not use up each other's.
#[test]
fn a_password_counts_for_its_user_only() {
    let (mut desk, mut sato, mut tanaka) = (Desk::new(), Phone::new("sato"), Phone::new("tanaka"));
    let same = |request: String| request.replacen("Call-ID: reg-tanaka", "Call-ID: reg-sato", 1);
    for last in [false, true] {
        let wanted = if last { "200" } else { "401" };
        let theirs = same(tanaka.register("Contact: <sip:tanaka@192.0.2.60:5064>\r\n"));
        desk.receive_from(PHONE, &theirs);
        let answer = desk.one();
        assert_eq!(answer.word(), wanted);
        if !last {
            tanaka.hear(&answer, Sha256);
        }
        let ours = sato.register(CONTACT);
        desk.receive_from(PHONE, &ours);
        let answer = desk.one();
        assert_eq!(answer.word(), wanted, "{}", answer.text);
        if !last {
            sato.hear(&answer, Sha256);
        }
    }
}
