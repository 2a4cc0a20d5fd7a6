//! A carrier that is reached by connections, and has several machines of which some are dead.

use crate::common::*;
use bytes::Bytes;
use model::{DialogId, DigestAlgorithm, FlowId, LineId, Machine, Transport, TrunkRegistration as How};
use sip::trunk::{Check, Trunk};
use sip::{Account, Command, Event, Identity, Target};
use std::time::Duration;

const FIRST: &str = "192.0.2.80:5061";
const SECOND: &str = "192.0.2.81:5061";

fn by(transport: Transport, machines: &[&str]) -> Trunk {
    let machine = |addr: &&str| Machine { transport, addr: addr.parse().unwrap() };
    Trunk { id: LineId::from("ntt"), name: None, machines: machines.iter().map(machine).collect(), account: None, check: None }
}

fn registering(trunk: Trunk) -> Trunk {
    let account = Account {
        user: "0440000000".to_owned(),
        domain: "carrier.example".to_owned(),
        login: "city".to_owned(),
        realm: "carrier".to_owned(),
        password: None,
        digest: vec![DigestAlgorithm::Sha256],
        expires_secs: 600,
    };
    Trunk { account: Some(account), ..trunk }
}

/// The same with its password.
fn proving(trunk: Trunk) -> Trunk {
    let Trunk { account, .. } = registering(trunk.clone());
    let password = Some(model::Secret::new("himitsu".to_owned()));
    Trunk { account: account.map(|account| Account { password, ..account }), ..trunk }
}

fn checked(trunk: Trunk) -> Trunk {
    Trunk { check: Some(Check { every: Duration::from_secs(30), failures: 2 }), ..trunk }
}

fn with(trunk: Trunk) -> Desk {
    let mut desk = Desk::new();
    desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
    desk.endpoint.set_trunks(desk.both(), vec![trunk]);
    desk.wait(0);
    desk
}

fn unsent(desk: &mut Desk, sent: &Sent) {
    desk.endpoint.handle_unsent(desk.both(), &Bytes::from(sent.text.clone()));
    desk.drain();
}

fn says(desk: &mut Desk, flow: FlowId, request: &Sent, status: u16, lines: &str) {
    let answer = response(request, status, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", lines, 1);
    desk.receive_on(flow, &request.to.to_string(), &Bytes::from(answer));
}

fn news(how: How) -> Event {
    Event::TrunkRegistration { trunk: LineId::from("ntt"), how }
}

#[test]
fn a_registration_goes_by_its_carrier_s_transport_and_says_where_we_hear_it() {
    for (transport, via, contact) in [
        (Transport::Tcp, "SIP/2.0/TCP 192.0.2.1:5060", "<sip:0440000000@192.0.2.1:5060;transport=tcp>"),
        (Transport::Tls, "SIP/2.0/TLS 192.0.2.1:5061", "<sip:0440000000@192.0.2.1:5061;transport=tls>"),
    ] {
        let mut desk = with(registering(by(transport, &[FIRST])));
        let register = desk.one();
        assert_eq!((register.flow, register.to.to_string().as_str()), (FlowId::any(transport), FIRST));
        assert!(register.header("Via").starts_with(via), "{}", register.text);
        assert_eq!(register.header("Contact"), format!("{contact};expires=600"));
        desk.wait(31_000);
        assert_eq!(desk.words(), [""; 0], "nothing is sent twice over a connection");
        let line = FlowId::connection(transport, 7);
        says(&mut desk, line, &register, 200, &format!("Contact: {contact};expires=100\r\n"));
        assert_eq!(desk.events(), [news(How::Registered)]);
        // Another connection is none of its business; by this one the carrier reaches us.
        desk.endpoint.handle_closed(desk.both(), FlowId::connection(transport, 8));
        desk.wait(5_000);
        assert_eq!(desk.words(), [""; 0]);
        desk.endpoint.handle_closed(desk.both(), line);
        desk.wait(1_000);
        let again = desk.one();
        assert_eq!((again.word(), again.header("CSeq")), ("REGISTER", "2 REGISTER"));
    }
}

/// A carrier, or a balancer before it, that hangs up as soon as it has said yes.
#[test]
fn who_is_hung_up_on_again_and_again_comes_back_ever_later_and_within_half_a_minute() {
    let mut desk = with(registering(by(Transport::Tcp, &[FIRST])));
    let mut asked = Vec::new();
    let mut lasts = |desk: &mut Desk, tenths: u32, stays: u64| {
        for _ in 0..tenths {
            for register in desk.sent() {
                asked.push(desk.now);
                let line = FlowId::connection(Transport::Tcp, asked.len() as u64);
                says(desk, line, &register, 200, "Expires: 3600\r\n");
                desk.wait(stays);
                desk.endpoint.handle_closed(desk.both(), line);
            }
            desk.wait(100);
        }
        asked.len()
    };
    let first = lasts(&mut desk, 600, 50);
    assert!((4..=8).contains(&first), "in a minute: {first}");
    let later = lasts(&mut desk, 12_000, 50) - first;
    assert!((40..=80).contains(&later), "in twenty minutes: {later}");
    // One that has lasted is come back to at once, as ever.
    lasts(&mut desk, 3_100, 20_000);
    let before = lasts(&mut desk, 1, 20_000);
    assert!(lasts(&mut desk, 30, 20_000) > before);
}

#[test]
fn who_finds_no_connection_registers_with_the_next_machine_at_once_and_waits_when_all_have_failed() {
    let mut desk = with(registering(by(Transport::Tcp, &[FIRST, SECOND])));
    let first = desk.one();
    unsent(&mut desk, &first);
    desk.wait(0);
    let second = desk.one();
    assert_eq!((second.word(), second.to.to_string().as_str(), second.header("CSeq")), ("REGISTER", SECOND, "2 REGISTER"));
    assert_eq!(desk.events(), [], "nobody has to hear of that");
    unsent(&mut desk, &second);
    assert_eq!(desk.events(), [news(How::NoAnswer)]);
    desk.wait(2_400);
    assert_eq!(desk.words(), [""; 0], "a carrier that is down is not hammered");
    desk.wait(3_000);
    let third = desk.one();
    assert_eq!(third.to.to_string(), FIRST);
    // One that says that it cannot is passed over, too; and one that takes four seconds.
    says(&mut desk, FlowId::TCP, &third, 503, "");
    desk.wait(0);
    let fourth = desk.one();
    assert_eq!(fourth.to.to_string(), SECOND);
    says(&mut desk, FlowId::TCP, &fourth, 200, "Expires: 100\r\n");
    assert_eq!(desk.events(), [news(How::Registered)]);
    desk.wait(91_000);
    let renewal = desk.one();
    assert_eq!(renewal.to.to_string(), SECOND, "where it works it stays");
    desk.wait(4_000);
    assert_eq!(desk.sent().pop().unwrap().to.to_string(), FIRST);
}

#[test]
fn a_name_that_leads_to_more_machines_keeps_its_registration_and_one_that_leads_elsewhere_makes_another() {
    let mut desk = with(registering(by(Transport::Udp, &[FIRST])));
    let first = desk.one();
    says(&mut desk, FlowId::UDP, &first, 200, "Expires: 100\r\n");
    desk.events();
    desk.endpoint.set_trunks(desk.both(), vec![registering(by(Transport::Udp, &[SECOND, FIRST]))]);
    desk.wait(60_000);
    assert_eq!(desk.words(), [""; 0]);
    desk.endpoint.set_trunks(desk.both(), vec![registering(by(Transport::Udp, &[SECOND]))]);
    desk.wait(0);
    let moved = desk.one();
    assert_eq!(
        (moved.to.to_string().as_str(), moved.header("Call-ID"), moved.header("CSeq")),
        (SECOND, first.header("Call-ID"), "2 REGISTER")
    );
}

#[test]
fn each_machine_is_asked_and_a_trunk_works_as_long_as_one_does() {
    let mut desk = with(checked(by(Transport::Tcp, &[FIRST, SECOND])));
    let machines = by(Transport::Tcp, &[FIRST, SECOND]).machines;
    let works = |desk: &Desk| [0, 1].map(|at: usize| desk.endpoint.works(&LineId::from("ntt"), machines[at]));
    let asked = desk.sent();
    assert_eq!(
        asked.iter().map(|s| (s.word(), s.flow, s.to.to_string())).collect::<Vec<_>>(),
        [("OPTIONS", FlowId::TCP, FIRST.to_owned()), ("OPTIONS", FlowId::TCP, SECOND.to_owned())]
    );
    assert!(asked[0].header("Via").starts_with("SIP/2.0/TCP "), "{}", asked[0].text);
    says(&mut desk, FlowId::connection(Transport::Tcp, 7), &asked[1], 200, "");
    unsent(&mut desk, &asked[0]);
    assert_eq!(works(&desk), [Some(true), Some(true)], "one failure may be the network's");
    desk.wait(5_000);
    let again = desk.one();
    assert_eq!(again.to.to_string(), FIRST);
    unsent(&mut desk, &again);
    assert_eq!(works(&desk), [Some(false), Some(true)]);
    assert_eq!(desk.events(), [], "the trunk works");
    desk.wait(5_000);
    let again = desk.one();
    says(&mut desk, FlowId::TCP, &again, 200, "");
    assert_eq!(works(&desk), [Some(true), Some(true)], "and so does the first one, once it is back");
}

/// Calls the ward by a machine; the INVITE.
fn calls(desk: &mut Desk, transport: Transport) -> (DialogId, Sent) {
    let dialog = desk.endpoint.new_dialog();
    let to = Target {
        uri: "sip:0440000011@carrier.example".to_owned(),
        flow: FlowId::any(transport),
        addr: FIRST.parse().unwrap(),
        routes: Vec::new(),
        user: None,
        trunk: Some(LineId::from("ntt")),
    };
    let from = Identity { display: String::new(), user: "0440000000".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
    (dialog, desk.one())
}

#[test]
fn a_call_over_tls_goes_on_over_the_connection_on_which_it_was_answered() {
    let mut desk = Desk::new();
    let (dialog, invite) = calls(&mut desk, Transport::Tls);
    assert_eq!((invite.flow, invite.to.to_string().as_str()), (FlowId::any(Transport::Tls), FIRST));
    let line = FlowId::connection(Transport::Tls, 9);
    // A Contact of another machine, whose certificate nobody has seen.
    let ok = response(&invite, 200, "carrier", OFFER).replace("sato@192.0.2.60:5062", "gw@192.0.2.99:5061;transport=tls");
    desk.receive_on(line, FIRST, &Bytes::from(ok));
    let ack = desk.one();
    assert_eq!((ack.word(), ack.flow), ("ACK", line));
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!((bye.word(), bye.flow), ("BYE", line));
    assert!(bye.text.starts_with("BYE sip:gw@192.0.2.99:5061;transport=tls SIP/2.0\r\n"), "{}", bye.text);
    // By TCP, where nobody is known by a certificate, the Contact says where.
    let mut desk = Desk::new();
    let (dialog, invite) = calls(&mut desk, Transport::Tcp);
    let ok = response(&invite, 200, "carrier", OFFER).replace("sato@192.0.2.60:5062", "gw@192.0.2.99:5070;transport=tcp");
    desk.receive_on(FlowId::connection(Transport::Tcp, 9), FIRST, &Bytes::from(ok));
    desk.command(Command::Bye { dialog });
    let bye = desk.sent().pop().unwrap();
    assert_eq!((bye.flow, bye.to.to_string().as_str()), (FlowId::TCP, "192.0.2.99:5070"));
}

/// RFC 3262 sections 3 and 4: a provisional answer comes again by any transport until its PRACK is heard, and no 200 before that.
#[test]
fn a_prack_that_died_with_its_connection_leaves_again_when_its_answer_does() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (first, second) = (FlowId::connection(transport, 9), FlowId::connection(transport, 10));
        let mut desk = Desk::new();
        let (dialog, invite) = calls(&mut desk, transport);
        let ringing = response(&invite, 183, "carrier", OFFER).replace("Contact:", "Require: 100rel\r\nRSeq: 77\r\nContact:");
        let ringing = ringing.replace("sato@192.0.2.60:5062", &format!("gw@{FIRST};transport={}", transport.via().to_ascii_lowercase()));
        let says = |desk: &mut Desk, line| desk.receive_on(line, FIRST, &Bytes::from(ringing.clone()));
        says(&mut desk, first);
        let prack = desk.one();
        assert_eq!((prack.word(), prack.header("RAck"), prack.header("CSeq")), ("PRACK", "77 1 INVITE", "2 PRACK"));
        assert_eq!(desk.events(), [Event::Ringing { dialog, early: Some(Bytes::from(OFFER)) }]);
        // Nobody says that it was lost.
        says(&mut desk, second);
        assert_eq!(desk.one().text, prack.text, "a copy of it, which is known there if it was heard");
        // It is said to be.
        unsent(&mut desk, &prack);
        desk.endpoint.handle_closed(desk.both(), first);
        desk.drain();
        assert_eq!(desk.words(), [""; 0]);
        says(&mut desk, second);
        let again = desk.one();
        assert_eq!((again.word(), again.header("RAck"), again.header("CSeq")), ("PRACK", "77 1 INVITE", "3 PRACK"));
        assert_ne!(again.flow, first);
        desk.receive_on(second, FIRST, &Bytes::from(response(&again, 200, "", "")));
        says(&mut desk, second);
        assert_eq!((desk.words(), desk.events()), (Vec::<String>::new(), vec![]), "it was heard");
        desk.receive_on(second, FIRST, &Bytes::from(response(&invite, 200, "carrier", "")));
        assert_eq!(desk.words(), ["ACK"]);
        desk.command(Command::Bye { dialog });
        assert_eq!(desk.one().header("CSeq"), "4 BYE");
    }
}

#[test]
fn a_prack_whose_password_was_asked_for_is_known_by_the_proved_one() {
    let mut desk = with(proving(by(Transport::Tls, &[FIRST])));
    desk.sent();
    desk.events();
    let (_, invite) = calls(&mut desk, Transport::Tls);
    let ringing = response(&invite, 183, "carrier", OFFER).replace("Contact:", "Require: 100rel\r\nRSeq: 77\r\nContact:");
    let line = FlowId::connection(Transport::Tls, 9);
    let says_it = |desk: &mut Desk| desk.receive_on(line, FIRST, &Bytes::from(ringing.clone()));
    says_it(&mut desk);
    let first = desk.one();
    says(&mut desk, line, &first, 407, "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n");
    let proved = desk.one();
    assert_eq!((proved.word(), proved.header("RAck"), proved.header("CSeq")), ("PRACK", "77 1 INVITE", "3 PRACK"));
    assert!(proved.header("Proxy-Authorization").starts_with("Digest username="), "{}", proved.text);
    says_it(&mut desk);
    assert_eq!(desk.one().text, proved.text);
    says(&mut desk, line, &proved, 200, "");
    says_it(&mut desk);
    assert_eq!(desk.words(), [""; 0]);
}

/// RFC 4028 section 7.3.
#[test]
fn who_wants_a_longer_session_timer_gets_the_call_once_more_with_it() {
    let mut desk = Desk::new();
    let (dialog, first) = calls(&mut desk, Transport::Udp);
    assert_eq!((first.header("Session-Expires"), first.header("Min-SE")), ("1800", ""));
    says(&mut desk, FlowId::UDP, &first, 422, "Min-SE: 3600\r\n");
    let sent = desk.sent();
    let [ack, second] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((ack.word(), ack.header("CSeq")), ("ACK", "1 ACK"));
    assert_eq!((second.word(), second.header("CSeq"), second.header("Call-ID")), ("INVITE", "2 INVITE", first.header("Call-ID")));
    assert_eq!((second.header("Session-Expires"), second.header("Min-SE")), ("3600", "3600"));
    assert_eq!(second.text.matches("Session-Expires").count(), 1);
    assert_ne!(second.header("Via"), first.header("Via"));
    assert_eq!(second.message().body(), ANSWER.as_bytes());
    assert_eq!(desk.events(), [Event::AskedAgain { dialog }]);
    desk.receive_from(FIRST, &response(second, 200, "carrier", OFFER));
    assert_eq!(desk.sent().pop().unwrap().header("CSeq"), "2 ACK");
    assert!(matches!(desk.events()[..], [Event::Answered { .. }]));
    // Who is not content with what they wished, or says nothing of it, has refused the call.
    for least in ["Min-SE: 1800\r\n", ""] {
        let mut desk = Desk::new();
        let (dialog, first) = calls(&mut desk, Transport::Udp);
        says(&mut desk, FlowId::UDP, &first, 422, least);
        assert_eq!(desk.words(), ["ACK"], "{least}");
        assert_eq!(desk.events(), [Event::Failed { dialog, status: 422, retry_after: None }, Event::Ended { dialog }]);
    }
    // And who wants more each time is not followed for ever.
    let mut desk = Desk::new();
    let (dialog, mut invite) = calls(&mut desk, Transport::Udp);
    for secs in [2000, 3000, 4000, 5000] {
        says(&mut desk, FlowId::UDP, &invite, 422, &format!("Min-SE: {secs}\r\n"));
        invite = desk.sent().pop().unwrap();
    }
    assert_eq!(invite.word(), "ACK");
    assert!(desk.events().contains(&Event::Failed { dialog, status: 422, retry_after: None }));
}

/// A carrier whose machines do not know each other's nonces calls each of ours old: a BYE is proved a few times, and the call ends.
#[test]
fn a_carrier_whose_nonces_are_always_old_does_not_have_us_ask_on_and_on() {
    let mut desk = with(proving(by(Transport::Tls, &[FIRST])));
    desk.sent();
    desk.events();
    let (dialog, invite) = calls(&mut desk, Transport::Tls);
    says(&mut desk, invite.flow, &invite, 200, "Contact: <sip:ward@192.0.2.80:5061;transport=tls>\r\n");
    desk.sent();
    desk.events();
    desk.command(Command::Bye { dialog });
    let mut asked = 0;
    for round in 0..100 {
        let Some(bye) = desk.sent().into_iter().find(|sent| sent.word() == "BYE") else { break };
        asked += 1;
        let old =
            format!("WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n{round}\", algorithm=SHA-256, stale=true, qop=\"auth\"\r\n");
        says(&mut desk, bye.flow, &bye, 401, &old);
    }
    assert!((2..=4).contains(&asked), "{asked}");
    assert!(desk.events().contains(&Event::Ended { dialog }));
}

/// A password was proved once, and the call goes out again: it is proved anew when that is asked for.
#[test]
fn a_longer_timer_and_a_password_are_both_given() {
    let mut desk = with(proving(by(Transport::Udp, &[FIRST])));
    desk.sent();
    let (_, first) = calls(&mut desk, Transport::Udp);
    let asks = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n";
    says(&mut desk, FlowId::UDP, &first, 401, asks);
    let proved = desk.sent().pop().unwrap();
    assert!(proved.header("Authorization").contains("n1"));
    says(&mut desk, FlowId::UDP, &proved, 422, "Min-SE: 3600\r\n");
    let longer = desk.sent().pop().unwrap();
    assert_eq!((longer.header("Session-Expires"), longer.header("Authorization")), ("3600", ""));
    says(&mut desk, FlowId::UDP, &longer, 401, &asks.replace("n1", "n2"));
    let both = desk.sent().pop().unwrap();
    assert_eq!((both.word(), both.header("CSeq"), both.header("Session-Expires")), ("INVITE", "4 INVITE", "3600"));
    assert!(both.header("Authorization").contains("n2"));
}

#[test]
fn a_machine_is_asked_before_it_is_called_and_the_answer_is_told_once() {
    let ask = |transport| {
        let mut desk = Desk::new();
        let dialog = desk.endpoint.new_dialog();
        let to = Machine { transport, addr: FIRST.parse().unwrap() };
        desk.command(Command::Ask { dialog, to, patience: Duration::from_millis(1500) });
        let asked = desk.one();
        assert_eq!((asked.word(), asked.flow), ("OPTIONS", FlowId::any(transport)));
        (desk, dialog, asked)
    };
    // Whatever it says, it is there; but for one that says that it cannot.
    for (status, works) in [(200, true), (404, true), (503, false)] {
        let (mut desk, dialog, asked) = ask(Transport::Udp);
        says(&mut desk, FlowId::UDP, &asked, status, "");
        assert_eq!(desk.events(), [Event::Asked { dialog, works }]);
        says(&mut desk, FlowId::UDP, &asked, status, "");
        desk.wait(5_000);
        assert_eq!((desk.events(), desk.words()), (vec![], vec![]));
    }
    let (mut desk, dialog, _) = ask(Transport::Udp);
    desk.wait(1_499);
    assert_eq!((desk.events(), desk.words()), (vec![], vec!["OPTIONS".to_owned()]));
    desk.wait(1);
    assert_eq!(desk.events(), [Event::Asked { dialog, works: false }]);
    let (mut desk, dialog, asked) = ask(Transport::Tls);
    unsent(&mut desk, &asked);
    assert_eq!(desk.events(), [Event::Asked { dialog, works: false }]);
    let (mut desk, dialog, _) = ask(Transport::Udp);
    desk.command(Command::Forget { dialog });
    desk.wait(5_000);
    assert_eq!(desk.events(), []);
}
