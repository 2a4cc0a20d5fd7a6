//! Calls over connections: nothing is sent twice, answers go back where they came from, and what cannot be sent is not waited for.

use crate::common::*;
use bytes::Bytes;
use model::{DialogId, FlowId, Transport};
use sip::{Command, Event, Identity, Output, Target};

const LINE: FlowId = FlowId(7);

/// A request of the caller as it comes over a connection from an ephemeral port.
fn tcp(text: &str) -> String {
    text.replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}
const SOURCE: &str = "192.0.2.50:40123";

impl Desk {
    /// What the endpoint wants sent, with the flow: [`Desk::sent`] does not keep it.
    fn over(&mut self, from: &str, flow: FlowId, text: &str) -> Vec<(FlowId, Sent)> {
        self.endpoint.handle_message(self.both(), flow, from.parse().unwrap(), &Bytes::from(text.to_owned()));
        self.flows()
    }
    fn flows(&mut self) -> Vec<(FlowId, Sent)> {
        let mut out = Vec::new();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { flow, to, bytes, .. } => {
                    out.push((flow, Sent { millis: self.millis(), flow, to, text: String::from_utf8_lossy(&bytes).into_owned() }));
                }
                Output::Event(event) => self.events.push(event),
                Output::Note(note) => self.notes.push(note),
                Output::Passed { .. } => {}
            }
        }
        out
    }
    fn tell(&mut self, command: Command) -> Vec<(FlowId, Sent)> {
        self.endpoint.handle_command(self.both(), command);
        self.flows()
    }
    fn unsent(&mut self, sent: &Sent) -> Vec<(FlowId, Sent)> {
        self.endpoint.handle_unsent(self.both(), &Bytes::from(sent.text.clone()));
        self.flows()
    }
    fn call(&mut self, flow: FlowId, uri: &str, display: &str) -> (DialogId, FlowId, Sent) {
        let dialog = self.endpoint.new_dialog();
        let to = Target { uri: uri.to_owned(), flow, addr: PHONE.parse().unwrap(), routes: Vec::new(), user: None, trunk: None };
        let from = Identity { display: display.to_owned(), user: "0440000001".to_owned() };
        let mut sent = self.tell(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
        assert_eq!(sent.len(), 1);
        let (flow, invite) = sent.remove(0);
        (dialog, flow, invite)
    }
}

/// So long that the INVITE has more than 1300 bytes.
fn long_uri(more: &str) -> String {
    format!("sip:{}@192.0.2.60:5062{more}", "s".repeat(900))
}

#[test]
fn a_call_over_a_connection_is_answered_on_it_and_says_so() {
    let mut desk = Desk::new();
    assert!(desk.over(SOURCE, LINE, &tcp(&invite("1"))).is_empty());
    let Event::Invite { dialog, source, .. } = desk.events().remove(0) else { panic!() };
    let sent = desk.tell(Command::Provisional { dialog, status: 180 });
    assert_eq!((sent.len(), sent[0].0, sent[0].1.word()), (1, LINE, "180"));
    // Should the connection be gone: not the ephemeral port, but sent-by's (RFC 3261 section 18.2.2).
    assert_eq!(sent[0].1.to.to_string(), "192.0.2.50:5060");
    assert_eq!(source.to_string(), SOURCE);
    let ok = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    assert_eq!((ok[0].0, ok[0].1.header("Contact")), (LINE, "<sip:192.0.2.1:5060;transport=tcp>"));
    let tag = ok[0].1.to_tag();
    desk.over(SOURCE, LINE, &tcp(&inside("ACK", "a", 1, &tag)));
    assert_eq!(desk.events(), [Event::Acked { dialog }]);
    let bye = desk.tell(Command::Bye { dialog });
    assert_eq!((bye[0].0, bye[0].1.word(), bye[0].1.to.to_string().as_str()), (LINE, "BYE", "192.0.2.50:5060"));
    assert!(bye[0].1.header("Via").starts_with("SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK"), "{}", bye[0].1.text);
    desk.wait(31_000);
    assert!(desk.sent().is_empty(), "a BYE over a connection is never sent again");
    assert!(desk.over(SOURCE, LINE, &response(&bye[0].1, 200, "", "")).is_empty());
    assert_eq!(desk.events(), [Event::Ended { dialog }]);
    desk.wait(40_000);
    desk.assert_quiet();
}

#[test]
fn a_refusal_over_a_connection_is_said_once_and_a_success_until_its_ack() {
    let mut desk = Desk::new();
    desk.over(SOURCE, LINE, &tcp(&invite("1")));
    let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
    assert_eq!(desk.tell(Command::Reject { dialog, status: 486, retry_after_secs: None }).len(), 1);
    desk.wait(40_000);
    assert!(desk.sent().is_empty());
    desk.assert_quiet();

    // Section 13.3.1.4: hops behind the connection may lose it, so a 2xx is repeated "even if the transport at the UAS is reliable".
    desk.over(SOURCE, LINE, &tcp(&invite("2")).replace("Call-ID: c1", "Call-ID: c2"));
    let Some(Event::Invite { dialog, .. }) = desk.events().pop() else { panic!() };
    desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    desk.wait(4_000);
    assert_eq!(desk.words(), ["200", "200", "200"]);
}

#[test]
fn requests_inside_a_dialog_are_not_remembered_for_copies_that_never_come() {
    let mut desk = Desk::new();
    desk.over(SOURCE, LINE, &tcp(&invite("1")));
    let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
    let tag = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) })[0].1.to_tag();
    desk.over(SOURCE, LINE, &tcp(&inside("ACK", "a", 1, &tag)));
    let before = desk.census().transactions;
    for cseq in 2..100 {
        let answer = desk.over(SOURCE, LINE, &tcp(&inside("OPTIONS", &format!("o{cseq}"), cseq, &tag)));
        assert_eq!((answer[0].0, answer[0].1.word()), (LINE, "200"));
    }
    assert_eq!(desk.census().transactions, before);
}

#[test]
fn a_copy_on_another_way_of_the_same_host_is_answered_there() {
    let mut desk = Desk::new();
    desk.over(SOURCE, LINE, &tcp(&invite("1")));
    let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
    desk.tell(Command::Reject { dialog, status: 404, retry_after_secs: None });
    let again = desk.over(CALLER, FlowId::UDP, &invite("1"));
    assert_eq!((again.len(), again[0].0, again[0].1.word(), again[0].1.to.to_string().as_str()), (1, FlowId::UDP, "404", CALLER));
    let other = desk.over("203.0.113.9:5060", FlowId::UDP, &invite("1"));
    assert_eq!(other[0].1.to.to_string(), CALLER, "nobody else is told");
}

#[test]
fn a_request_too_large_for_a_datagram_goes_by_tcp() {
    let mut desk = Desk::new();
    let (_, flow, small) = desk.call(FlowId::UDP, "sip:sato@192.0.2.60:5062", "Ward");
    assert!(flow == FlowId::UDP && small.text.len() < 1300 && small.header("Via").starts_with("SIP/2.0/UDP "));
    let (dialog, flow, large) = desk.call(FlowId::UDP, &long_uri(""), "Ward");
    assert!(large.text.len() > 1300);
    assert_eq!((flow, large.to.to_string().as_str()), (FlowId::TCP, PHONE));
    assert!(large.header("Via").starts_with("SIP/2.0/TCP ") && large.header("Contact").contains(";transport=tcp"), "{}", large.text);
    desk.wait(5_000);
    assert!(desk.sent().iter().all(|s| s.header("Call-ID") != large.header("Call-ID")), "no timer A over TCP");
    // The CANCEL takes the way of its INVITE (section 9.1).
    desk.over(PHONE, FlowId(9), &response(&large, 180, "p", ""));
    let cancel = desk.tell(Command::Cancel { dialog, reason: None });
    assert_eq!((cancel[0].0, cancel[0].1.header("Via")), (FlowId::TCP, large.header("Via")));
    // Who says that UDP is wanted gets UDP.
    let (_, flow, pinned) = desk.call(FlowId::UDP, &long_uri(";transport=udp"), "Ward");
    assert!(flow == FlowId::UDP && pinned.text.len() > 1300);
}

#[test]
fn a_target_without_tcp_gets_the_large_request_by_udp() {
    let mut desk = Desk::new();
    let (dialog, _, large) = desk.call(FlowId::UDP, &long_uri(""), "Ward");
    let again = desk.unsent(&large);
    assert_eq!((again.len(), again[0].0, again[0].1.to.to_string().as_str()), (1, FlowId::UDP, PHONE));
    let udp = &again[0].1;
    assert!(udp.header("Via").starts_with("SIP/2.0/UDP ") && !udp.header("Contact").contains("tcp"), "{}", udp.text);
    desk.wait(600);
    assert_eq!(desk.one().text, udp.text, "timer A runs again");
    desk.receive_from(PHONE, &response(udp, 486, "p", ""));
    let ack = desk.one();
    assert_eq!((ack.word(), ack.header("Via")), ("ACK", udp.header("Via")));
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 486, retry_after: None }, Event::Ended { dialog }]);
}

#[test]
fn a_call_that_finds_no_connection_fails_at_once() {
    let mut desk = Desk::new();
    let (dialog, flow, sent) = desk.call(FlowId::TCP, "sip:sato@192.0.2.60:5062;transport=tcp", "Ward");
    assert_eq!(flow, FlowId::TCP);
    assert!(desk.unsent(&sent).is_empty());
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 503, retry_after: None }, Event::Ended { dialog }]);
    desk.assert_quiet();
    assert!(desk.unsent(&sent).is_empty(), "once is enough");
}

#[test]
fn a_contact_that_wants_tcp_is_called_by_tcp_at_its_own_address() {
    let mut desk = Desk::new();
    let (_, flow, sent) = desk.call(FlowId::UDP, "sip:sato@192.0.2.60:5070;transport=TCP", "Ward");
    assert_eq!((flow, sent.to.to_string().as_str()), (FlowId::TCP, "192.0.2.60:5070"));
}

/// RFC 3261 section 10: the binding is the Contact. Only where it names another host, as from behind a router, the source counts.
#[test]
fn a_contact_at_another_port_of_the_same_host_is_called_there() {
    let mut desk = Desk::new();
    for (contact, called) in
        [("192.0.2.60:6310", "192.0.2.60:6310"), ("192.168.1.9:6310", PHONE), ("192.0.2.61:6310", PHONE), ("phone.example", PHONE)]
    {
        let (_, flow, sent) = desk.call(FlowId::UDP, &format!("sip:sato@{contact}"), "Ward");
        assert_eq!((flow, sent.to.to_string().as_str()), (FlowId::UDP, called), "{contact}");
    }
    let (_, flow, sent) = desk.call(LINE, "sip:sato@192.0.2.60:6310", "Ward");
    assert_eq!((flow, sent.to.to_string().as_str()), (LINE, PHONE), "who came by a connection is reached by it");
}

/// RFC 3263 section 4.1: `transport` of the Contact or the first route says what a request in the dialog goes by; UDP where there is no such door.
#[test]
fn a_caller_by_udp_whose_contact_wants_tcp_is_reached_by_tcp() {
    let route = "Record-Route: <sip:192.0.2.70;transport=tcp;lr>\r\nContact: <sip:caller@192.0.2.50>\r\n";
    for (header, to) in [("Contact: <sip:caller@192.0.2.50:5080;transport=tcp>\r\n", "192.0.2.50:5080"), (route, "192.0.2.70:5060")] {
        let mut desk = Desk::new();
        desk.receive(&invite("1").replace("Contact: <sip:caller@192.0.2.50>\r\n", header));
        let Some(Event::Invite { dialog, .. }) = desk.events().pop() else { panic!("nobody called") };
        desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let tag = desk.sent().pop().unwrap().to_tag();
        desk.receive(&inside("ACK", "a", 1, &tag));
        let bye = desk.tell(Command::Bye { dialog });
        let [(flow, bye)] = &bye[..] else { panic!("{bye:?}") };
        assert_eq!((*flow, bye.word(), bye.to.to_string().as_str()), (FlowId::TCP, "BYE", to));
        assert!(bye.header("Via").starts_with("SIP/2.0/TCP "), "{}", bye.text);
        let again = desk.unsent(bye);
        let [(flow, bye)] = &again[..] else { panic!("{again:?}") };
        assert_eq!((*flow, bye.word(), bye.to.to_string().as_str()), (FlowId::UDP, "BYE", to));
    }
}

#[test]
fn a_connection_that_breaks_before_the_first_answer_ends_the_attempt_and_no_other() {
    let mut desk = Desk::new();
    let (silent, ..) = desk.call(LINE, "sip:sato@192.0.2.60:5062;transport=tcp", "Ward");
    let (ringing, _, invite) = desk.call(LINE, "sip:sato@192.0.2.60:5062;transport=tcp", "Ward");
    let (elsewhere, ..) = desk.call(FlowId(8), "sip:sato@192.0.2.60:5062;transport=tcp", "Ward");
    desk.over(PHONE, LINE, &response(&invite, 180, "p", ""));
    desk.events();
    desk.endpoint.handle_closed(desk.both(), LINE);
    desk.flows();
    assert_eq!(desk.events(), [Event::Failed { dialog: silent, status: 503, retry_after: None }, Event::Ended { dialog: silent }]);
    assert!(desk.endpoint.dialog(ringing).is_some() && desk.endpoint.dialog(elsewhere).is_some());
}

#[test]
fn a_head_whose_body_would_be_too_large_is_told_so() {
    let mut desk = Desk::new();
    let head = tcp(&invite("1")).split_once("Content-Length").unwrap().0.to_owned() + "Content-Length: 70000\r\n\r\n";
    let sent = desk.over(SOURCE, LINE, &head);
    assert_eq!((sent[0].0, sent[0].1.word()), (LINE, "513"));
    desk.receive(&invite("1").replace("Content-Length: ", "Content-Length: 9"));
    assert_eq!(desk.words(), ["400"], "a datagram that ends early is a bad request");
}

#[test]
fn a_proxy_that_stays_in_between_is_reached_where_it_says() {
    let mut desk = Desk::new();
    let routed = tcp(&invite("1")).replace("Contact", "Record-Route: <sip:192.0.2.99;transport=tcp;lr>\r\nContact");
    desk.over(SOURCE, LINE, &routed);
    let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
    let tag = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) })[0].1.to_tag();
    desk.over(SOURCE, LINE, &tcp(&inside("ACK", "a", 1, &tag)));
    let bye = desk.tell(Command::Bye { dialog });
    assert_eq!((bye[0].0, bye[0].1.to.to_string().as_str()), (FlowId::TCP, "192.0.2.99:5060"));
}

/// A proxy that speaks TLS or WebSocket has connected to us, and is not connected to: its connection is where it is reached, whatever address it gives
/// (Record-Route of a cluster, or of the other side of a router).
#[test]
fn a_proxy_that_cannot_be_connected_to_is_reached_by_its_own_connection() {
    for (transport, route) in [
        (Transport::Tls, "<sip:192.0.2.99:5061;transport=tls;lr>"),
        (Transport::Tls, "<sips:192.0.2.99;lr>"),
        (Transport::Wss, "<sip:192.0.2.99;transport=ws;lr>"),
        (Transport::Ws, "<sip:192.0.2.99;transport=ws;lr>"),
    ] {
        let flow = FlowId::connection(transport, 7);
        let routed = format!("Record-Route: {route}\r\nContact");
        // They call.
        let mut desk = Desk::new();
        desk.over(SOURCE, flow, &over(transport, &invite("1")).replace("Contact", &routed));
        let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
        let tag = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) })[0].1.to_tag();
        desk.over(SOURCE, flow, &over(transport, &inside("ACK", "a", 1, &tag)));
        let probe = desk.tell(Command::Probe { dialog });
        assert_eq!((probe[0].0, probe[0].1.word(), probe[0].1.header("Route")), (flow, "OPTIONS", route));
        let bye = desk.tell(Command::Bye { dialog });
        assert_eq!((bye[0].0, bye[0].1.word()), (flow, "BYE"), "{route}");
        // We call.
        let mut desk = Desk::new();
        let (dialog, _, invite) = desk.call(flow, "sip:sato@192.0.2.60:5062", "Ward");
        let ok = response(&invite, 200, "p1", OFFER).replace("Contact", &routed);
        for _ in 0..2 {
            let ack = desk.over(PHONE, flow, &ok);
            assert_eq!((ack[0].0, ack[0].1.word(), ack[0].1.header("Route")), (flow, "ACK", route));
        }
        let bye = desk.tell(Command::Bye { dialog });
        assert_eq!((bye[0].0, bye[0].1.word()), (flow, "BYE"), "{route}");
    }
}

/// Whoever names itself by TLS and speaks without is spoken to where it is: nobody hears plain SIP at the port of TLS.
#[test]
fn who_speaks_in_clear_is_not_spoken_to_at_the_port_of_tls() {
    for contact in ["sips:caller@192.0.2.77", "sip:caller@192.0.2.77;transport=tls", "sip:caller@192.0.2.50:5061;transport=tls"] {
        let mut desk = Desk::new();
        desk.receive(&invite("1").replace("sip:caller@192.0.2.50", contact));
        let Some(Event::Invite { dialog, .. }) = desk.events().pop() else { panic!("nobody called") };
        desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        let tag = desk.sent().pop().unwrap().to_tag();
        desk.receive(&inside("ACK", "a", 1, &tag));
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!((bye.word(), bye.flow, bye.to.to_string().as_str()), ("BYE", FlowId::UDP, CALLER), "{contact}");
    }
}

/// A caller or a proxy whose connection has died goes on by the one on which it speaks next; nobody goes on in clear what was secure.
#[test]
fn whose_connection_died_goes_on_by_the_one_on_which_it_speaks_again() {
    let [tls, wss, tcp] = [Transport::Tls, Transport::Wss, Transport::Tcp].map(|transport| FlowId::connection(transport, 7));
    let again = |flow: FlowId| FlowId::connection(flow.transport(), 8);
    for (dead, next, goes_on) in
        [(tls, again(tls), true), (wss, again(wss), true), (tcp, again(tcp), true), (tcp, tls, true), (tls, again(tcp), false)]
    {
        for route in ["", "Record-Route: <sip:192.0.2.99:5061;transport=tls;lr>\r\n"] {
            let mut desk = Desk::new();
            let text = over(dead.transport(), &invite("1")).replace("Contact", &format!("{route}Contact"));
            desk.over(SOURCE, dead, &text);
            let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
            let tag = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) })[0].1.to_tag();
            desk.over(SOURCE, dead, &over(dead.transport(), &inside("ACK", "a", 1, &tag)));
            desk.endpoint.handle_closed(desk.both(), dead);
            desk.over("192.0.2.50:40124", next, &over(next.transport(), &inside("OPTIONS", "o", 2, &tag)));
            let bye = desk.tell(Command::Bye { dialog });
            assert_eq!((bye[0].1.word(), bye[0].0 == next), ("BYE", goes_on), "{dead:?} {next:?} {route}");
            // Whoever can be connected to is connected to where its Contact says.
            if next == again(tcp) && dead == tcp && route.is_empty() {
                assert_eq!(bye[0].1.to.to_string(), "192.0.2.50:5060");
            }
        }
    }
}

/// A peer who wants a secure call changed in clear is told why not; it goes on by TLS.
#[test]
fn an_update_in_clear_takes_no_secure_call_into_the_clear() {
    let tls = FlowId::connection(Transport::Tls, 7);
    let mut desk = Desk::new();
    desk.over(SOURCE, tls, &over(Transport::Tls, &invite("1")));
    let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
    let tag = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) })[0].1.to_tag();
    desk.over(SOURCE, tls, &over(Transport::Tls, &inside("ACK", "a", 1, &tag)));
    let answer = desk.over(CALLER, FlowId::UDP, &inside("UPDATE", "u", 2, &tag));
    assert_eq!((answer[0].0, answer[0].1.word()), (FlowId::UDP, "403"));
    assert!(answer[0].1.text.starts_with("SIP/2.0 403 This call goes by TLS\r\n"));
    let bye = desk.tell(Command::Bye { dialog });
    assert_eq!((bye[0].1.word(), bye[0].0), ("BYE", tls));
}

/// What is too long to be repeated in an answer is told so, also where nothing limits a datagram.
#[test]
fn who_sends_too_much_to_repeat_is_told_so_over_a_connection() {
    let line = format!("Record-Route: {}\r\n", vec![format!("<sip:{};lr>", "p".repeat(1900)); 4].join(","));
    for lines in [2, 6] {
        for method in ["INVITE", "OPTIONS"] {
            let text = invite("1").replace("INVITE", method).replace("Contact", &format!("{}Contact", line.repeat(lines)));
            let mut desk = Desk::new();
            let sent = desk.over(SOURCE, LINE, &tcp(&text));
            assert_eq!((sent.len(), sent[0].1.word(), sent[0].1.header("Record-Route")), (1, "513", ""), "{lines}");
            desk.receive(&text);
            assert_eq!(desk.words(), ["513"], "a refusal has no routes in it");
        }
    }
}

/// A request of the caller as it comes over another transport, from a phone that names it in its Contact.
fn over(transport: Transport, text: &str) -> String {
    text.replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", transport.via()))
}

#[test]
fn each_transport_has_its_own_words_in_via_and_contact_and_its_own_port() {
    for (transport, port, param) in [(Transport::Tls, 5061, "tls"), (Transport::Ws, 8080, "ws"), (Transport::Wss, 8443, "ws")] {
        let mut desk = Desk::new();
        desk.endpoint.hears(transport, format!("192.0.2.1:{port}").parse().unwrap());
        let flow = FlowId::connection(transport, 7);
        assert_eq!((flow.transport(), FlowId::any(transport).transport()), (transport, transport));
        desk.over(SOURCE, flow, &over(transport, &invite("1")));
        let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
        let ok = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
        assert_eq!((ok[0].0, ok[0].1.header("Contact")), (flow, format!("<sip:192.0.2.1:{port};transport={param}>").as_str()));
        let tag = ok[0].1.to_tag();
        desk.over(SOURCE, flow, &over(transport, &inside("ACK", "a", 1, &tag)));
        let bye = desk.tell(Command::Bye { dialog });
        let via = format!("SIP/2.0/{} 192.0.2.1:{port};branch=z9hG4bK", transport.via());
        assert!(bye[0].0 == flow && bye[0].1.header("Via").starts_with(&via), "{}", bye[0].1.text);
        assert!(desk.over(SOURCE, flow, &response(&bye[0].1, 200, "", "")).is_empty());
        assert_eq!(desk.events(), [Event::Acked { dialog }, Event::Ended { dialog }], "the answer is known by the Via that we wrote");
    }
}

#[test]
fn who_is_called_by_a_sips_address_is_told_one() {
    let mut desk = Desk::new();
    let flow = FlowId::connection(Transport::Tls, 7);
    desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
    let sips = over(Transport::Tls, &invite("1")).replace("Contact: <sip:", "Contact: <sips:");
    assert!(sips.contains("<sips:"));
    desk.over(SOURCE, flow, &sips);
    let Event::Invite { dialog, .. } = desk.events().remove(0) else { panic!() };
    let ok = desk.tell(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    assert_eq!(ok[0].1.header("Contact"), "<sips:192.0.2.1:5061;transport=tls>");
    let (_, _, invite) = desk.call(flow, "sips:sato@192.0.2.60:5061", "Ward");
    assert_eq!(invite.header("Contact"), "<sips:192.0.2.1:5061;transport=tls>");
}

/// RFC 3261 section 18.1.1 holds for the ACK of a 2xx as well: it is a request, and has all routes in it.
#[test]
fn an_ack_too_large_for_a_datagram_goes_by_tcp_and_by_udp_where_there_is_none() {
    let mut desk = Desk::new();
    let (dialog, flow, invite) = desk.call(FlowId::UDP, "sip:sato@192.0.2.60:5062", "Ward");
    assert_eq!(flow, FlowId::UDP);
    let routes: String = (0..8).map(|n| format!("Record-Route: <sip:192.0.2.60:5062;lr;n={n}{}>\r\n", "x".repeat(200))).collect();
    let ok = response(&invite, 200, "p1", OFFER).replacen("Contact:", &format!("{routes}Contact:"), 1);
    let sent = desk.over(PHONE, FlowId::UDP, &ok);
    let (flow, ack) = &sent[0];
    assert!(ack.word() == "ACK" && ack.text.len() > 1300, "{}", ack.text);
    assert!(*flow == FlowId::TCP && ack.header("Via").starts_with("SIP/2.0/TCP "), "{}", ack.text);
    // They have no door there.
    let sent = desk.unsent(ack);
    let (flow, by_udp) = &sent[0];
    assert!(sent.len() == 1 && *flow == FlowId::UDP && by_udp.to == ack.to && by_udp.header("Via").starts_with("SIP/2.0/UDP "));
    assert!(desk.unsent(by_udp).is_empty(), "there is no third way");
    let again = desk.over(PHONE, FlowId::UDP, &ok);
    assert_eq!(
        (again.len(), again[0].0, again[0].1.text.as_str()),
        (1, FlowId::UDP, by_udp.text.as_str()),
        "a copy of the 200 gets it there at once"
    );
    // So does the answer to a re-INVITE of ours.
    desk.events();
    let reinvite = desk.tell(Command::Reoffer { dialog, sdp: Bytes::from(ANSWER) });
    let sent = desk.over(PHONE, FlowId::UDP, &response(&reinvite[0].1, 200, "", OFFER));
    assert_eq!((sent[0].0, sent[0].1.word()), (FlowId::TCP, "ACK"));
}
