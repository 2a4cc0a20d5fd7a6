//! Phones that vanish without a word: they are missed, by the connection that is lost or by questions that nobody answers.

use crate::common::phone::Phone;
use crate::common::*;
use bytes::Bytes;
use model::DigestAlgorithm::Sha256;
use model::{FlowId, PhoneGone, Transport};
use sip::trunk::Check;
use sip::{Event, Spot};
use std::time::Duration;

/// What a phone behind somebody's router writes: its own address there.
const INSIDE: &str = "Contact: <sip:sato@10.0.0.7:5062>\r\n";
const CONTACT: &str = "Contact: <sip:sato@192.0.2.60:5062>\r\n";

fn unregistered() -> Event {
    Event::Unregistered { user: "sato".to_owned(), expired: true }
}

/// The questions sent since the last look.
fn questions(desk: &mut Desk) -> Vec<Sent> {
    let sent = desk.sent();
    assert!(sent.iter().all(|sent| sent.word() == "OPTIONS"), "{sent:?}");
    sent
}

#[test]
fn a_phone_behind_a_router_is_asked_where_it_is_seen_and_is_gone_when_it_answers_no_more() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, INSIDE);
    desk.events();
    desk.wait(29_999);
    assert_eq!(desk.words(), [""; 0]);
    desk.wait(1);
    let asked = desk.one();
    assert!(asked.text.starts_with("OPTIONS sip:sato@10.0.0.7:5062 SIP/2.0\r\n"), "{}", asked.text);
    assert_eq!((asked.to.to_string().as_str(), asked.flow), (PHONE, FlowId::UDP), "the router's door, not the address behind it");
    // Whatever it says: even that it knows no such method, or is busy.
    for status in [405, 503] {
        let request = if status == 405 { asked.clone() } else { desk.one() };
        desk.receive_from(PHONE, &response(&request, status, "p", ""));
        desk.wait(30_000);
    }
    assert_eq!(questions(&mut desk).len(), 1);
    // It registers again: that is an answer, too.
    phone.through(&mut desk, Sha256, INSIDE);
    desk.events();
    desk.wait(29_999);
    assert_eq!(desk.words(), [""; 0]);
    // Two failures may be the network's, the third counts: 30 s, and then twice 5 s after 4 s of patience.
    desk.wait(1 + 4_000 + 9_000 + 8_999);
    assert_eq!((desk.events(), desk.endpoint.bindings("sato").count()), (vec![], 1));
    let repeated = questions(&mut desk);
    assert!(repeated.len() >= 3, "{repeated:?}");
    desk.wait(1);
    assert_eq!((desk.events(), desk.endpoint.bindings("sato").count()), (vec![unregistered()], 0));
    desk.wait(600_000);
    assert_eq!((desk.words(), desk.events()), (vec![], vec![]));
    desk.assert_quiet();
}

#[test]
fn who_stands_in_the_open_is_asked_only_where_the_city_wants_it() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    desk.wait(119_000);
    assert_eq!(desk.words(), [""; 0]);
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    desk.endpoint.set_phone_check(Some(Check { every: Duration::from_secs(10), failures: 1 }));
    phone.through(&mut desk, Sha256, CONTACT);
    desk.events();
    desk.wait(10_000);
    let asked = desk.one();
    desk.receive_from(PHONE, &response(&asked, 200, "p", ""));
    desk.wait(10_000);
    assert_eq!(questions(&mut desk).len(), 1);
    desk.wait(4_000);
    assert_eq!(desk.events(), [unregistered()]);
    // Who signs off is asked no more, and so is who is no user any more.
    desk.sent();
    let mut phone = Phone::another("sato", "-2", PHONE);
    phone.through(&mut desk, Sha256, CONTACT);
    phone.through(&mut desk, Sha256, "Contact: *\r\nExpires: 0\r\n");
    phone.through(&mut desk, Sha256, CONTACT);
    desk.endpoint.set_users(Default::default());
    desk.sent();
    desk.wait(60_000);
    assert_eq!(desk.words(), [""; 0]);
}

#[test]
fn of_two_phones_the_one_that_answers_goes_on_ringing() {
    let mut desk = Desk::new();
    let (mut inside, mut open) = (Phone::new("sato"), Phone::another("sato", "-2", "192.0.2.61:5062"));
    inside.through(&mut desk, Sha256, INSIDE);
    open.through(&mut desk, Sha256, "Contact: <sip:sato@192.0.2.61:5062>\r\n");
    desk.events();
    desk.wait(60_000);
    let at = Spot { contact: "sip:sato@10.0.0.7:5062".to_owned(), addr: PHONE.parse().unwrap() };
    assert_eq!(desk.events(), [Event::PhoneGone { user: "sato".to_owned(), at, why: PhoneGone::Silent }]);
    assert_eq!(desk.endpoint.bindings("sato").count(), 1);
}

/// Two telephones behind two routers that give out the same addresses: each is asked, and the one that is silent goes alone.
#[test]
fn two_phones_that_say_the_same_of_themselves_are_two() {
    for (first_lives, order) in [(true, "the dead one came last"), (false, "the dead one came first")] {
        let mut desk = Desk::new();
        let places = ["198.51.100.1:5060", "203.0.113.1:5060"];
        for (n, place) in places.into_iter().enumerate() {
            let mut phone = Phone::another("sato", if n == 0 { "-a" } else { "-b" }, place);
            let contact = format!("Contact: <sip:sato@192.168.1.5:5060>;+sip.instance=\"<urn:uuid:{n}>\";reg-id=1\r\n");
            assert_eq!(phone.through(&mut desk, Sha256, &contact).word(), "200");
        }
        desk.events();
        assert_eq!(desk.endpoint.phones("sato").count(), 2);
        let (alive, dead) = if first_lives { (places[0], places[1]) } else { (places[1], places[0]) };
        let mut asked = std::collections::BTreeSet::new();
        for _ in 0..60 {
            desk.wait(1_000);
            for sent in desk.sent() {
                asked.insert(sent.to.to_string());
                if sent.to.to_string() == alive {
                    desk.receive_from(alive, &response(&sent, 200, "", ""));
                }
            }
        }
        assert_eq!(asked.len(), 2, "{order}");
        let at = Spot { contact: "sip:sato@192.168.1.5:5060".to_owned(), addr: dead.parse().unwrap() };
        assert_eq!(desk.events(), [Event::PhoneGone { user: "sato".to_owned(), at, why: PhoneGone::Silent }], "{order}");
        assert_eq!(desk.endpoint.phones("sato").map(|phone| phone.addr.to_string()).collect::<Vec<_>>(), [alive], "{order}");
    }
}

/// Registers over a connection.
fn over(desk: &mut Desk, phone: &mut Phone, flow: FlowId, contact: &str) {
    for _ in 0..2 {
        let via = format!("SIP/2.0/{}", flow.transport().via());
        let register = phone.register(contact).replace("SIP/2.0/UDP", &via);
        desk.receive_on(flow, PHONE, &Bytes::from(register));
        let answer = desk.one();
        if answer.word() == "200" {
            return;
        }
        phone.hear(&answer, Sha256);
    }
    panic!("it is not let in");
}

#[test]
fn a_phone_whose_only_connection_is_lost_is_gone_at_once_and_one_that_can_be_connected_to_is_not() {
    let outbound = "Contact: <sip:sato@192.0.2.60:5062>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n";
    for (transport, contact, gone) in [
        (Transport::Tls, CONTACT, true),
        (Transport::Ws, CONTACT, true),
        (Transport::Tcp, CONTACT, false),
        // Behind a router, and RFC 5626 section 5.3: who keeps a connection for us wants to be called by it.
        (Transport::Tcp, INSIDE, true),
        (Transport::Tcp, outbound, true),
    ] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let flow = FlowId::connection(transport, 7);
        over(&mut desk, &mut phone, flow, contact);
        desk.events();
        desk.endpoint.handle_closed(desk.both(), FlowId::connection(transport, 8));
        desk.endpoint.handle_closed(desk.both(), flow);
        desk.drain();
        let expected = if gone { vec![unregistered()] } else { vec![] };
        assert_eq!((desk.events(), desk.endpoint.bindings("sato").count()), (expected, usize::from(!gone)), "{transport:?} {contact}");
        // And is back when it is back.
        over(&mut desk, &mut phone, FlowId::connection(transport, 9), contact);
        assert_eq!(desk.events(), [Event::Registered { user: "sato".to_owned(), fresh: gone, moved: true }]);
    }
}
