//! A carrier that wants to know where we are, wants a password, and is asked whether it works.

use crate::common::*;
use bytes::Bytes;
use model::{DigestAlgorithm, FlowId, HostName, LineId, Machine, Now, Secret, Transport, TrunkRegistration as How, UnixMillis};
use sip::trunk::{Check, Trunk};
use sip::{Account, Command, Event, Identity, Target};
use std::time::Duration;

const CARRIER: &str = "192.0.2.80:5060";

fn udp(addr: &str) -> Machine {
    Machine { transport: Transport::Udp, addr: addr.parse().unwrap() }
}

fn trunk() -> Trunk {
    let account = Account {
        user: "0440000000".to_owned(),
        domain: "carrier.example".to_owned(),
        login: "city".to_owned(),
        realm: "carrier".to_owned(),
        password: Some(Secret::new("himitsu".to_owned())),
        digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        expires_secs: 600,
    };
    let name = Some(HostName { host: "sip.carrier.example".to_owned(), port: None, transport: None });
    Trunk { id: LineId::from("ntt"), name, machines: vec![udp(CARRIER)], account: Some(account), check: None }
}

fn asked_for_health() -> Trunk {
    let check = Some(Check { every: Duration::from_secs(30), failures: 3 });
    Trunk { account: None, check, ..trunk() }
}

fn with(trunk: Trunk) -> Desk {
    let mut desk = Desk::new();
    desk.endpoint.set_trunks(desk.both(), vec![trunk]);
    desk.wait(0);
    desk
}

/// A carrier's answer.
fn says(desk: &mut Desk, request: &Sent, status: u16, lines: &str) {
    let answer = response(request, status, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", lines, 1);
    desk.receive_from(CARRIER, &answer);
}

const ASKS: &str = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n";

fn news(desk: &mut Desk) -> Vec<How> {
    let each = desk.events().into_iter().map(|event| match event {
        Event::TrunkRegistration { trunk, how } if trunk.as_str() == "ntt" => how,
        other => panic!("{other:?}"),
    });
    each.collect()
}

fn registered() -> Desk {
    let mut desk = with(trunk());
    let first = desk.one();
    says(&mut desk, &first, 200, "Contact: <sip:0440000000@192.0.2.1:5060>;expires=100, <sip:x@192.0.2.9>;expires=7\r\n");
    assert_eq!(news(&mut desk), [How::Registered]);
    desk
}

#[test]
fn the_carrier_is_told_where_we_are_and_asks_for_the_password() {
    let mut desk = with(trunk());
    let first = desk.one();
    assert_eq!((first.word(), first.to.to_string().as_str()), ("REGISTER", CARRIER));
    assert!(first.text.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n"), "{}", first.text);
    assert_eq!(first.header("To"), "<sip:0440000000@carrier.example>");
    assert_eq!(first.header("Contact"), "<sip:0440000000@192.0.2.1:5060>;expires=600");
    says(&mut desk, &first, 401, ASKS);
    let second = desk.one();
    assert_eq!((second.header("Call-ID"), second.header("CSeq")), (first.header("Call-ID"), "2 REGISTER"));
    assert_eq!(second.header("From"), first.header("From"));
    assert_ne!(second.header("Via"), first.header("Via"));
    assert!(second.header("Authorization").starts_with("Digest username=\"city\", realm=\"carrier\", nonce=\"n1\""), "{}", second.text);
    // Only our nonce was too old.
    says(&mut desk, &second, 401, &ASKS.replace("n1", "n2").replace("qop", "stale=true, qop"));
    let third = desk.one();
    assert!(third.header("Authorization").contains("nonce=\"n2\""), "{}", third.text);
    says(&mut desk, &third, 200, "Expires: 100\r\n");
    assert_eq!(news(&mut desk), [How::Registered]);
    assert!(!format!("{first:?}{second:?}{third:?}{:?}", desk.endpoint).contains("himitsu"));
    // It is none of our calls.
    desk.assert_quiet();
}

#[test]
fn a_registration_is_renewed_before_it_runs_out_and_kept_while_it_lasts() {
    let mut desk = registered();
    desk.wait(69_000);
    assert_eq!(desk.words(), [""; 0]);
    desk.wait(21_500);
    let renewed = desk.sent().remove(0);
    assert_eq!((renewed.word(), renewed.header("CSeq")), ("REGISTER", "2 REGISTER"));
    // Nobody answers: the carrier keeps us until a hundred seconds are over.
    desk.wait(5_000);
    let state = |desk: &Desk| desk.endpoint.trunks().next().map(|(_, state)| state).unwrap();
    assert!(state(&desk).registered);
    assert_eq!(news(&mut desk), [How::NoAnswer; 0]);
    desk.wait(40_000);
    assert!(!state(&desk).registered);
    assert_eq!(news(&mut desk), [How::Expired, How::NoAnswer]);
    desk.sent();
    // It is tried again, and again, with pauses that grow; then the carrier is back.
    desk.wait(40_000);
    let again = desk.sent();
    assert!(!again.is_empty() && again.len() < 20, "{}", again.len());
    says(&mut desk, again.last().unwrap(), 200, "Expires: 100\r\n");
    assert_eq!(news(&mut desk), [How::Registered]);
    assert!(state(&desk).registered);
}

#[test]
fn pauses_between_failures_grow_and_differ() {
    let mut desk = with(trunk());
    let mut at = Vec::new();
    for _ in 0..7 {
        let request = desk.one();
        at.push(request.millis);
        says(&mut desk, &request, 500, "");
        while desk.sent.is_empty() {
            desk.wait(100);
        }
    }
    let pauses: Vec<u64> = at.windows(2).map(|two| two[1] - two[0]).collect();
    for (n, pause) in pauses.iter().enumerate() {
        let most = (5_000u64 << n).min(300_000);
        assert!((most / 2..=most + 100).contains(pause), "{pauses:?}");
    }
    assert_eq!(news(&mut desk), [How::Refused], "told once");
    let mut desk = with(trunk());
    let request = desk.one();
    says(&mut desk, &request, 503, "Retry-After: 60\r\n");
    desk.wait(59_000);
    assert_eq!(desk.words(), [""; 0], "the carrier said when");
    desk.wait(17_000);
    assert!(desk.words().contains(&"REGISTER".to_owned()));
}

#[test]
fn what_a_person_must_put_right_is_named() {
    for (challenge, how) in
        [(ASKS.replace("carrier", "elsewhere"), How::OtherRealm), (ASKS.replace("SHA-256", "SHA-512-256"), How::OtherDigest)]
    {
        let mut desk = with(trunk());
        let request = desk.one();
        says(&mut desk, &request, 401, &challenge);
        assert_eq!(news(&mut desk), [how]);
        // A carrier bans whoever tries on and on.
        desk.wait(290_000);
        assert_eq!(desk.words(), [""; 0]);
    }
    let mut desk = with(trunk());
    for _ in 0..2 {
        let request = desk.one();
        says(&mut desk, &request, 401, ASKS);
    }
    assert_eq!((news(&mut desk), desk.words()), (vec![How::WrongPassword], vec![]));
    // A carrier that only ever calls our nonces old is not followed for ever.
    let mut desk = with(trunk());
    for _ in 0..4 {
        let request = desk.one();
        says(&mut desk, &request, 401, &ASKS.replace("qop", "stale=true, qop"));
    }
    assert_eq!((news(&mut desk), desk.words()), (vec![How::Refused], vec![]), "the password is not to blame");
}

#[test]
fn a_registration_that_is_too_short_is_made_longer() {
    let mut desk = with(trunk());
    let request = desk.one();
    says(&mut desk, &request, 423, "Min-Expires: 3600\r\n");
    desk.wait(10);
    let longer = desk.one();
    assert_eq!((longer.header("Expires"), longer.header("CSeq")), ("3600", "2 REGISTER"));
    // Who asks for a year, or for nothing more, is refused.
    says(&mut desk, &longer, 423, "Min-Expires: 3600\r\n");
    assert_eq!(news(&mut desk), [How::Refused]);
}

/// Whatever a registrar says, it is asked a few times in a minute, and not as fast as the network goes.
#[test]
fn no_registrar_has_us_ask_on_and_on() {
    type Says<'a> = &'a dyn Fn(u32) -> (u16, String);
    let cases: [(&str, Says); 5] = [
        ("500", &|_| (500, "Retry-After: 0\r\n".to_owned())),
        ("503", &|_| (503, "Retry-After: 1\r\n".to_owned())),
        ("423", &|expires| (423, format!("Min-Expires: {}\r\n", expires + 1))),
        ("nothing", &|_| (200, "Contact: <sip:0440000000@192.0.2.1:5060>;expires=0\r\n".to_owned())),
        ("never", &|_| (200, "Expires: 0\r\n".to_owned())),
    ];
    for (name, answer) in cases {
        let mut desk = with(trunk());
        let mut asked = 0;
        for _ in 0..600 {
            for request in desk.sent() {
                asked += 1;
                let (status, lines) = answer(request.header("Expires").parse().unwrap());
                says(&mut desk, &request, status, &lines);
            }
            desk.wait(100);
        }
        assert!((2..=8).contains(&asked), "{name}: {asked} in a minute");
        assert_eq!(news(&mut desk), [How::Refused], "{name}: told once");
    }
    // What was registered is not any more once nothing is granted.
    let mut desk = registered();
    desk.wait(91_000);
    let renewal = desk.sent().remove(0);
    says(&mut desk, &renewal, 200, "Expires: 0\r\n");
    assert_eq!(news(&mut desk), [How::Refused]);
    assert!(desk.endpoint.trunks().all(|(_, state)| !state.registered));
    // Of two values for us, as some write them, the longer one counts.
    let mut desk = with(trunk());
    let request = desk.one();
    let ours = "<sip:0440000000@192.0.2.1:5060>;expires";
    says(&mut desk, &request, 200, &format!("Contact: {ours}=0, {ours}=3600\r\n"));
    assert_eq!(news(&mut desk), [How::Registered]);
}

/// Section 10.2.4: the 200 lists all of a user's Contacts, and a machine between us and the registrar may have written ours anew.
#[test]
fn what_is_granted_is_found_whoever_has_written_our_contact_anew() {
    let (us, others) = ("<sip:0440000000@192.0.2.1:5060>", "<sip:x@203.0.113.9>;expires=7200");
    let cases = [
        ("our host written anew", "<sip:0440000000@203.0.113.9:40123>;expires=40".to_owned(), 40),
        ("and another's phone", format!("{others}, <sip:0440000000@203.0.113.9:40123>;expires=40"), 40),
        ("two with our user", "<sip:0440000000@10.0.0.7>;expires=3600, <sip:0440000000@203.0.113.9>;expires=40".to_owned(), 40),
        ("our port with another user", format!("<sip:other@192.0.2.1:5060>;expires=3600, {us};expires=40"), 40),
        ("our address only", "<sip:other@192.0.2.1:5060>;expires=40, <sip:0440000000@192.0.2.9>;expires=3600".to_owned(), 40),
        ("nothing of ours", format!("{others}, <sip:y@203.0.113.9>;expires=40, <sip:z@203.0.113.9>;expires=0"), 40),
        ("nothing of ours, and an hour", others.to_owned(), 300),
        ("nothing of ours, and no time", "<sip:x@203.0.113.9>".to_owned(), 300),
        ("no time behind ours", format!("{us}\r\nExpires: 40"), 40),
        ("no time behind the newer one", format!("{us}, <sip:0440000000@192.0.2.1:5060;ob>;expires=3600\r\nExpires: 40"), 40),
        ("ours taken back for one written anew", format!("{us};expires=0, <sip:0440000000@203.0.113.9:1>;expires=40"), 40),
        ("nothing of ours, and it is nearly over", "<sip:x@203.0.113.9>;expires=4\r\nExpires: 3600".to_owned(), 10),
    ];
    for (what, contacts, secs) in cases {
        let mut desk = with(trunk());
        let request = desk.one();
        says(&mut desk, &request, 200, &format!("Contact: {contacts}\r\n"));
        assert_eq!(news(&mut desk), [How::Registered], "{what}");
        desk.wait(secs * 700 - 1);
        assert_eq!(desk.words(), [""; 0], "{what}");
        desk.wait(secs * 200 + 1);
        assert!(desk.words().contains(&"REGISTER".to_owned()), "{what}");
    }
}

/// Who keeps us for a few seconds has us ask as often, and loses us each time that an answer is late.
#[test]
fn a_registration_that_lasts_no_time_worth_the_name_is_none() {
    for secs in [1, 3, 9] {
        let mut desk = with(trunk());
        let (mut asked, mut told) = (0, Vec::new());
        for _ in 0..1_300 {
            for request in desk.sent() {
                asked += 1;
                says(&mut desk, &request, 200, &format!("Contact: <sip:0440000000@192.0.2.1:5060>;expires={secs}\r\n"));
            }
            desk.wait(100);
            told.extend(news(&mut desk));
        }
        assert!((3..=10).contains(&asked), "{secs} s: {asked} in 130 s");
        assert_eq!(told, [How::Refused], "{secs} s: told once");
    }
    // Ours is taken back, whatever somebody else keeps.
    let mut desk = with(trunk());
    let request = desk.one();
    says(&mut desk, &request, 200, "Contact: <sip:0440000000@192.0.2.1:5060>;expires=0, <sip:x@203.0.113.9>;expires=3000\r\n");
    assert_eq!(news(&mut desk), [How::Refused]);
    // Another's that is nearly over is not ours.
    let mut desk = with(trunk());
    let request = desk.one();
    says(&mut desk, &request, 200, "Contact: <sip:x@203.0.113.9>;expires=4, <sip:y@203.0.113.9>;expires=40\r\n");
    assert_eq!(news(&mut desk), [How::Registered]);
    // The shortest that is one is renewed in time, again and again.
    let mut desk = with(trunk());
    let mut told = Vec::new();
    for _ in 0..600 {
        for request in desk.sent() {
            says(&mut desk, &request, 200, "Expires: 10\r\n");
        }
        desk.wait(100);
        told.extend(news(&mut desk));
    }
    assert_eq!(told, [How::Registered]);
}

#[test]
fn who_leaves_says_so() {
    let mut desk = registered();
    desk.endpoint.sign_off(desk.both());
    desk.drain();
    let leaving = desk.one();
    assert_eq!((leaving.header("Contact"), leaving.header("Expires")), ("<sip:0440000000@192.0.2.1:5060>;expires=0", "0"));
    says(&mut desk, &leaving, 401, ASKS);
    let proved = desk.one();
    assert_eq!(proved.header("Expires"), "0");
    says(&mut desk, &proved, 200, "");
    assert_eq!(news(&mut desk), [How::SignedOff]);
    desk.wait(2_000_000);
    assert_eq!(desk.words(), [""; 0], "and does not come back");
    // Whatever the carrier says of it.
    for (status, lines) in [(500, "Retry-After: 1\r\n"), (503, ""), (403, ""), (423, "Min-Expires: 9\r\n"), (401, "")] {
        let mut desk = registered();
        desk.endpoint.sign_off(desk.both());
        desk.drain();
        let leaving = desk.one();
        says(&mut desk, &leaving, status, lines);
        assert_eq!(news(&mut desk), [How::SignedOff], "{status}");
        desk.wait(2_000_000);
        assert_eq!(desk.words(), [""; 0], "{status}");
    }
    // A trunk that the city has taken out.
    let mut desk = registered();
    desk.endpoint.set_trunks(desk.both(), Vec::new());
    desk.drain();
    let leaving = desk.one();
    assert_eq!(leaving.header("Expires"), "0");
    says(&mut desk, &leaving, 401, ASKS);
    let proved = desk.one();
    assert_eq!((proved.header("Expires"), proved.header("Authorization").is_empty()), ("0", false));
    desk.wait(600);
    assert_eq!(desk.one().text, proved.text, "once more, for nothing was heard");
    says(&mut desk, &proved, 200, "");
    assert_eq!((desk.endpoint.poll_timeout(), desk.events().len()), (None, 0));
    // One whose first REGISTER is not answered yet may have been heard.
    let mut desk = with(trunk());
    desk.one();
    desk.endpoint.set_trunks(desk.both(), Vec::new());
    desk.drain();
    assert_eq!(desk.one().header("Expires"), "0");
    desk.wait(40_000);
    assert_eq!(desk.endpoint.poll_timeout(), None);
}

/// A reload that leaves the account as it is registers nothing anew; one that changes the password only does, and does not sign off beside it; and none
/// registers anything once all was taken back.
#[test]
fn a_reload_registers_what_has_changed_and_nothing_once_we_leave() {
    let check = Some(Check { every: Duration::from_secs(12), failures: 3 });
    let mut desk = registered();
    desk.endpoint.set_trunks(desk.both(), vec![Trunk { check, ..trunk() }]);
    desk.wait(0);
    assert_eq!(desk.words(), ["OPTIONS"]);
    let mut other = trunk();
    other.account.as_mut().unwrap().login = "town".to_owned();
    desk.endpoint.set_trunks(desk.both(), vec![other.clone()]);
    desk.wait(0);
    let anew = desk.one();
    assert_eq!((anew.word(), anew.header("Expires")), ("REGISTER", "600"));
    // Taken out and put back: what takes it back is not said again behind that.
    let mut desk = registered();
    desk.endpoint.set_trunks(desk.both(), Vec::new());
    desk.drain();
    desk.wait(100);
    assert_eq!(desk.one().header("Expires"), "0");
    desk.endpoint.set_trunks(desk.both(), vec![trunk()]);
    desk.wait(0);
    let anew = desk.one();
    assert_eq!(anew.header("Expires"), "600");
    says(&mut desk, &anew, 200, GRANTS);
    desk.wait(40_000);
    assert_eq!(desk.words(), [""; 0]);
    // Nobody was registered with when we began to leave.
    let mut desk = Desk::new();
    desk.endpoint.sign_off(desk.both());
    desk.endpoint.set_trunks(desk.both(), vec![trunk()]);
    desk.wait(60_000);
    assert_eq!(desk.words(), [""; 0]);
    for change in [vec![other], vec![Trunk { check, ..trunk() }], vec![]] {
        let mut desk = registered();
        desk.endpoint.sign_off(desk.both());
        desk.drain();
        let leaving = desk.one();
        desk.endpoint.set_trunks(desk.both(), change);
        desk.wait(0);
        says(&mut desk, &leaving, 401, ASKS);
        desk.wait(0);
        let said: Vec<String> =
            desk.sent().iter().filter(|sent| sent.word() == "REGISTER").map(|sent| sent.header("Expires").to_owned()).collect();
        assert_eq!(said, ["0"], "it is still taken back, with the password");
        desk.wait(100_000);
        assert!(desk.sent().iter().all(|sent| sent.word() != "REGISTER" || sent.header("Expires") == "0"));
    }
}

#[test]
fn a_trunk_that_says_nothing_three_times_is_down_until_it_answers() {
    let mut desk = with(asked_for_health());
    let first = desk.one();
    assert_eq!((first.word(), first.header("To")), ("OPTIONS", "<sip:192.0.2.80:5060>"));
    // Anything at all is an answer.
    says(&mut desk, &first, 404, "");
    desk.wait(29_000);
    assert_eq!(desk.words(), [""; 0]);
    desk.wait(15_000);
    assert!(desk.events().is_empty(), "two failures may be the network's");
    desk.wait(10_000);
    let down = desk.events();
    assert_eq!(down, [Event::TrunkReachable { trunk: LineId::from("ntt"), reachable: false }]);
    desk.sent();
    desk.wait(5_000);
    let asked = desk.sent().pop().unwrap();
    says(&mut desk, &asked, 200, "");
    assert_eq!(desk.events(), [Event::TrunkReachable { trunk: LineId::from("ntt"), reachable: true }]);
    desk.assert_quiet();
    // One that says that it cannot is as good as none.
    for _ in 0..3 {
        desk.wait(30_000);
        let asked = desk.sent().pop().unwrap();
        says(&mut desk, &asked, 503, "");
    }
    assert_eq!(desk.events().len(), 1);
}

/// A carrier that was away, if only for one question, may have begun anew: it is told where we are when it is back, and not before its time otherwise.
#[test]
fn a_carrier_that_was_away_is_told_anew_where_we_are() {
    for away in [0, 1, 3] {
        let check = asked_for_health().check;
        let mut desk = with(Trunk { check, ..trunk() });
        for asked in desk.sent() {
            says(&mut desk, &asked, 200, "Contact: <sip:0440000000@192.0.2.1:5060>;expires=3600\r\n");
        }
        desk.wait(29_000);
        desk.sent();
        for _ in 0..away {
            desk.wait(9_000);
        }
        desk.wait(1_500);
        let asked = desk.sent().into_iter().rfind(|sent| sent.word() == "OPTIONS").expect("it is asked every 30 s");
        says(&mut desk, &asked, 200, "");
        desk.wait(1_000);
        let mut said = desk.sent();
        said.dedup_by(|again, first| again.text == first.text);
        let words: Vec<&str> = said.iter().map(Sent::word).collect();
        assert_eq!(words, vec!["REGISTER"; usize::from(away > 0)], "{away}");
    }
}

/// A carrier whose OPTIONS fails and works in turn, and that has granted an hour; what REGISTERs it gets within `seconds`, copies left out.
fn flaps(desk: &mut Desk, seconds: u64, register: impl Fn(&Sent) -> Option<(u16, &'static str)>) -> Vec<Sent> {
    let mut said: Vec<Sent> = Vec::new();
    let mut works = true;
    for _ in 0..seconds * 10 {
        desk.wait(100);
        for sent in desk.sent() {
            if sent.word() == "OPTIONS" {
                works = !works;
                says(desk, &sent, if works { 200 } else { 503 }, "");
            } else if sent.word() == "REGISTER" && said.iter().all(|before| before.text != sent.text) {
                if let Some((status, lines)) = register(&sent) {
                    says(desk, &sent, status, lines);
                }
                said.push(sent);
            }
        }
    }
    said
}

const GRANTS: &str = "Contact: <sip:0440000000@192.0.2.1:5060>;expires=3600\r\n";

fn flapping() -> Desk {
    let mut desk = with(Trunk { check: Some(Check { every: Duration::from_secs(5), failures: 3 }), ..trunk() });
    for asked in desk.sent() {
        says(&mut desk, &asked, 200, GRANTS);
    }
    desk
}

/// What the carrier has said of our REGISTER counts more than that it is there again, and nothing is registered once it was taken back.
#[test]
fn a_carrier_that_comes_and_goes_is_not_pestered() {
    let told = flaps(&mut flapping(), 60, |_| Some((200, GRANTS)));
    assert!((3..=12).contains(&told.len()), "once for each time: {}", told.len());
    for (status, lines) in [(403, ""), (503, "Retry-After: 600\r\n"), (401, "")] {
        assert_eq!(flaps(&mut flapping(), 60, |_| Some((status, lines))).len(), 1, "{status} {lines}");
    }
    // It says nothing: one question at a time, and nobody is woken for the next before.
    let mut silent = flapping();
    assert_eq!(flaps(&mut silent, 30, |_| None).len(), 1);
    let due = silent.endpoint.poll_timeout().unwrap();
    assert!(due > silent.now, "{due:?} {:?}", silent.now);
    // We go, and it does not say that it has heard.
    let mut leaves = flapping();
    leaves.endpoint.sign_off(leaves.both());
    leaves.drain();
    let told = flaps(&mut leaves, 90, |_| None);
    assert!(told.iter().all(|register| register.header("Expires") == "0"), "{told:#?}");
}

/// Calls the ward over the trunk; the INVITE.
fn calls(desk: &mut Desk) -> (model::DialogId, Sent) {
    calls_at(desk, Transport::Udp, CARRIER)
}

fn calls_at(desk: &mut Desk, transport: Transport, carrier: &str) -> (model::DialogId, Sent) {
    let dialog = desk.endpoint.new_dialog();
    let param = transport.param().map_or_else(String::new, |param| format!(";transport={param}"));
    let to = Target {
        uri: format!("sip:0440000011@{carrier}{param}"),
        flow: FlowId::any(transport),
        addr: carrier.parse().unwrap(),
        routes: Vec::new(),
        user: None,
        trunk: Some(LineId::from("ntt")),
    };
    let from = Identity { display: String::new(), user: "0440000000".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
    (dialog, desk.one())
}

/// The carrier's 200, with a Contact of its own.
fn answers(invite: &Sent) -> String {
    response(invite, 200, "carrier", OFFER).replace("sip:sato@192.0.2.60:5062", &format!("sip:0440000011@{CARRIER}"))
}

#[test]
fn a_call_proves_the_password_when_it_begins_and_when_it_ends() {
    for status in [401, 407] {
        let mut desk = registered();
        let (dialog, first) = calls(&mut desk);
        let (asks, proves) =
            if status == 401 { (ASKS.to_owned(), "Authorization") } else { (ASKS.replace("WWW", "Proxy"), "Proxy-Authorization") };
        says(&mut desk, &first, status, &asks);
        let sent = desk.sent();
        let [ack, second] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!((ack.word(), ack.header("CSeq")), ("ACK", "1 ACK"));
        assert_eq!((second.word(), second.header("CSeq"), second.header("Call-ID")), ("INVITE", "2 INVITE", first.header("Call-ID")));
        assert_eq!((second.header("From"), second.header("Contact")), (first.header("From"), first.header("Contact")));
        assert!(second.header(proves).contains("uri=\"sip:0440000011@192.0.2.80:5060\""), "{}", second.text);
        assert_eq!(second.message().body(), ANSWER.as_bytes());
        assert_eq!(desk.events(), [Event::AskedAgain { dialog }], "so that what would end it is written down anew");
        // What would end it ends the second one.
        let via = desk.endpoint.will(dialog).unwrap().via.unwrap();
        assert_eq!(via, second.header("Via"));

        says(&mut desk, second, 180, "");
        desk.receive_from(CARRIER, &answers(second));
        let ack = desk.sent().pop().unwrap();
        assert_eq!((ack.word(), ack.header("CSeq"), ack.header(proves)), ("ACK", "2 ACK", second.header(proves)));
        desk.events();
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        assert_eq!(bye.header("CSeq"), "3 BYE");
        says(&mut desk, &bye, status, &asks);
        let again = desk.one();
        assert_eq!((again.word(), again.header("CSeq")), ("BYE", "4 BYE"));
        assert!(again.header(proves).starts_with("Digest "), "{}", again.text);
        says(&mut desk, &again, 200, "");
        assert_eq!(desk.events(), [Event::Ended { dialog }]);
        desk.wait(40_000);
        desk.assert_quiet();
    }
}

#[test]
fn of_two_accounts_at_one_carrier_that_of_the_trunk_is_proved() {
    let mut first = Trunk { id: LineId::from("day"), ..trunk() };
    first.account.as_mut().unwrap().login = "country".to_owned();
    for trunks in [vec![first.clone(), trunk()], vec![trunk(), first.clone()], vec![first, Trunk { account: None, ..trunk() }]] {
        let wanted = if trunks.iter().all(|trunk| trunk.account.is_some()) { "username=\"city\"" } else { "username=\"country\"" };
        let mut desk = Desk::new();
        desk.endpoint.set_trunks(desk.both(), trunks);
        desk.wait(0);
        desk.sent();
        let (_, invite) = calls(&mut desk);
        says(&mut desk, &invite, 401, ASKS);
        let again = desk.sent().pop().unwrap();
        assert!(again.word() == "INVITE" && again.header("Authorization").contains(wanted), "{}", again.text);
    }
    // That of another customer never, whoever asks.
    let mut other = Trunk { id: LineId::from("day"), ..trunk() };
    other.account.as_mut().unwrap().realm = "other".to_owned();
    let mut desk = Desk::new();
    desk.endpoint.set_trunks(desk.both(), vec![other, trunk()]);
    desk.wait(0);
    desk.sent();
    let (_, invite) = calls(&mut desk);
    says(&mut desk, &invite, 401, &ASKS.replace("\"carrier\"", "\"other\""));
    assert_eq!(desk.words(), ["ACK"]);
}

/// What the BYE of a call over the trunk proves that began with these trunks, when they have become those.
fn proof(trunks: Vec<Trunk>, then: Vec<Trunk>) -> String {
    let mut desk = Desk::new();
    desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
    desk.endpoint.set_trunks(desk.both(), trunks);
    desk.wait(0);
    desk.sent();
    let (dialog, invite) = calls(&mut desk);
    desk.receive_from(CARRIER, &answers(&invite));
    desk.endpoint.set_trunks(desk.both(), then);
    desk.drain();
    desk.wait(0);
    desk.sent();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    says(&mut desk, &bye, 401, &ASKS.replace(", qop=\"auth\"", ""));
    let again = desk.one();
    assert_eq!(again.word(), "BYE");
    again.header("Authorization").to_owned()
}

/// The carrier's name leads elsewhere, or a supervisor changes the trunk, while somebody talks over it.
#[test]
fn a_call_proves_the_password_that_it_began_with_whatever_becomes_of_its_trunk() {
    let before = || vec![trunk()];
    let wanted = proof(before(), before());
    assert!(wanted.starts_with("Digest username=\"city\""), "{wanted}");
    let elsewhere = || Trunk { machines: vec![udp("192.0.2.81:5060")], ..trunk() };
    let mut other = Trunk { id: LineId::from("day"), ..trunk() };
    other.account.as_mut().unwrap().login = "country".to_owned();
    let renamed = Trunk { id: LineId::from("night"), ..trunk() };
    for then in [vec![elsewhere()], vec![], vec![other.clone(), renamed], vec![other.clone(), elsewhere()]] {
        assert_eq!(proof(before(), then.clone()), wanted, "{then:?}");
    }
    // A password that was renewed is proved as it is now, and not as it was.
    let mut renewed = elsewhere();
    renewed.account.as_mut().unwrap().password = Some(Secret::new("aikotoba".to_owned()));
    let now = proof(before(), vec![other, renewed.clone()]);
    assert_ne!(now, wanted);
    renewed.machines = trunk().machines;
    assert_eq!(now, proof(vec![renewed.clone()], vec![renewed]));
}

/// A carrier is moved to TLS: one account, and a new password for the new way.
#[test]
fn in_clear_the_password_of_the_trunk_in_clear_is_proved_whatever_trunk_by_tls_has_the_same_account() {
    let machines = vec![Machine { transport: Transport::Tls, addr: "192.0.2.80:5061".parse().unwrap() }];
    let mut secure = Trunk { id: LineId::from("day"), machines, ..trunk() };
    secure.account.as_mut().unwrap().password = Some(Secret::new("aikotoba".to_owned()));
    let wanted = proof(vec![trunk()], vec![trunk()]);
    let both = [vec![secure.clone(), trunk()], vec![trunk(), secure.clone()]];
    for trunks in both.clone() {
        assert_eq!(proof(trunks.clone(), trunks.clone()), wanted, "{trunks:?}");
    }
    for then in both.into_iter().chain([vec![Trunk { id: LineId::from("ntt"), ..secure.clone() }]]) {
        assert_eq!(proof(vec![trunk()], then.clone()), wanted, "{then:?}");
    }
    // Wherever its own trunk is led to meanwhile, the call is of that one.
    let other = Trunk { machines: vec![udp("192.0.2.81:5060")], ..secure.clone() };
    let elsewhere = Trunk { machines: vec![udp("192.0.2.82:5060")], ..trunk() };
    assert_eq!(proof(vec![other.clone(), trunk()], vec![other.clone(), elsewhere]), wanted);
    // If it is taken out, or gives its name to another one, it is of whichever leads there, and of none that leads elsewhere.
    let renamed = |one: &Trunk, name: &str| Trunk { id: LineId::from(name), ..one.clone() };
    for then in [vec![other.clone()], vec![renamed(&other, "ntt"), renamed(&trunk(), "day")]] {
        assert_eq!(proof(vec![other.clone(), trunk()], then.clone()), wanted, "{then:?}");
    }
}

/// An engine that was killed knows its trunks later than the calls that it left behind.
#[test]
fn what_an_earlier_endpoint_left_at_a_carrier_is_ended_with_the_password() {
    let mut before = registered();
    let (dialog, invite) = calls(&mut before);
    before.receive_from(CARRIER, &answers(&invite));
    let will = before.endpoint.will(dialog).unwrap();
    let mut desk = Desk::new();
    let dialog = desk.endpoint.new_dialog();
    assert!(desk.endpoint.execute(desk.both(), dialog, will));
    desk.drain();
    let bye = desk.one();
    desk.endpoint.set_trunks(desk.both(), vec![trunk()]);
    desk.wait(0);
    desk.sent();
    says(&mut desk, &bye, 401, ASKS);
    let again = desk.one();
    assert!(again.word() == "BYE" && again.header("Authorization").contains("username=\"city\""), "{}", again.text);
}

/// What an endpoint leaves behind in whose call over the trunk this was answered, from there.
fn left_by(answer: impl Fn(&Sent) -> String, from: &str) -> sip::Will {
    let mut before = registered();
    let (dialog, invite) = calls(&mut before);
    before.receive_from(from, &answer(&invite));
    before.endpoint.will(dialog).unwrap()
}

/// An endpoint with these trunks that carries out this will, and its BYE.
fn carries_out(will: &sip::Will, trunks: Vec<Trunk>) -> (Desk, Sent) {
    let mut desk = Desk::new();
    desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
    desk.endpoint.set_trunks(desk.both(), trunks);
    desk.wait(0);
    desk.sent();
    let dialog = desk.endpoint.new_dialog();
    assert!(desk.endpoint.execute(desk.both(), dialog, will.clone()));
    desk.drain();
    let bye = desk.one();
    assert_eq!(bye.word(), "BYE");
    (desk, bye)
}

/// The login that is proved where the BYE of this will is challenged by the carrier.
fn proved(will: &sip::Will, trunks: Vec<Trunk>) -> Option<String> {
    let (mut desk, bye) = carries_out(will, trunks);
    says(&mut desk, &bye, 401, ASKS);
    let again = desk.sent().pop()?;
    Some(again.header("Authorization").split("username=\"").nth(1)?.split('"').next()?.to_owned())
}

/// Between the kill and the restart DNS or a supervisor has changed what leads where.
#[test]
fn what_was_left_behind_is_proved_by_its_own_account_wherever_that_leads_and_by_no_other_carriers() {
    let machine = |transport, addr: &str| vec![Machine { transport, addr: addr.parse().unwrap() }];
    let (there, elsewhere) = (trunk().machines, machine(Transport::Udp, "192.0.2.82:5060"));
    let named = |id: &str, login: &str, machines: &[Machine]| {
        let account = Some(Account { login: login.to_owned(), ..trunk().account.unwrap() });
        Trunk { id: LineId::from(id), machines: machines.to_vec(), account, ..trunk() }
    };
    let called =
        |trunk: Trunk, host: &str, transport| Trunk { name: Some(HostName { host: host.to_owned(), port: None, transport }), ..trunk };
    let same = trunk().name.unwrap().host;
    let will = left_by(answers, CARRIER);
    let written = serde_json::to_string(&will).unwrap();
    assert!(written.contains("\"login\":\"city\"") && !written.contains("himitsu"), "{written}");
    assert_eq!(serde_json::from_str::<sip::Will>(&written).unwrap(), will);
    // What an engine of before has written says nothing of accounts.
    let old = sip::Will { customers: Vec::new(), began_at: None, ..will.clone() };
    let (city, country) = (Some("city".to_owned()), Some("country".to_owned()));
    for (trunks, with_account, without) in [
        // Its name leads elsewhere, or nobody knows where; so does that of another trunk with its account.
        (vec![named("ntt", "city", &elsewhere)], &city, &None),
        (vec![named("ntt", "city", &[])], &city, &None),
        (vec![named("other", "city", &elsewhere)], &city, &None),
        // In clear nothing is proved of a trunk by TLS.
        (vec![named("ntt", "city", &machine(Transport::Tls, "192.0.2.82:5061"))], &None, &None),
        (vec![called(named("ntt", "city", &[]), &same, Some(Transport::Tls))], &None, &None),
        // The next carrier has its id; it may call the account alike.
        (vec![named("ntt", "country", &elsewhere)], &None, &None),
        (vec![called(named("ntt", "city", &elsewhere), "sip.other.example", None)], &None, &None),
        (vec![called(named("other", "city", &[]), "sip.other.example", None)], &None, &None),
        // Two have changed names, or DNS has led each where the other was.
        (vec![named("ntt", "country", &elsewhere), named("other", "city", &there)], &city, &city),
        (vec![named("other", "country", &there), named("ntt", "city", &elsewhere)], &city, &country),
        // Wards of one carrier, each with an account of its own, and one that has got another.
        (vec![named("other", "country", &there), named("ntt", "city", &there)], &city, &country),
        (vec![named("ntt", "country", &there)], &country, &country),
    ] {
        assert_eq!(proved(&will, trunks.clone()), *with_account, "{trunks:?}");
        assert_eq!(proved(&old, trunks.clone()), *without, "{trunks:?}");
        // It need not wait until names are found where its account is known.
        let (desk, _) = carries_out(&will, trunks.clone());
        assert_eq!(desk.endpoint.can_prove(&will), *with_account == city, "{trunks:?}");
        assert!(!desk.endpoint.can_prove(&old));
    }
}

/// Whoever knows our Via may answer in the carrier's place: it is spoken to where it says, and proved nothing.
#[test]
fn whoever_answered_from_elsewhere_is_proved_nothing_by_the_next_endpoint() {
    let other = "192.0.2.66:5060";
    let will = left_by(|invite| answers(invite).replace(CARRIER, other), other);
    let (mut desk, bye) = carries_out(&will, vec![trunk()]);
    assert_eq!(bye.to.to_string(), other);
    let asks = response(&bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
    desk.receive_from(other, &asks);
    assert_eq!(desk.words(), [""; 0]);
}

/// Section 12.2.2: a lower number is refused, whoever died meanwhile.
#[test]
fn each_endpoint_that_carries_out_a_will_counts_above_the_one_before() {
    let will = left_by(answers, CARRIER);
    let number = |sent: &Sent| sent.header("CSeq").split(' ').next().unwrap().parse::<u32>().unwrap();
    // The second one is killed, too, and the third is there two seconds later. A clock may have no idea of the time.
    let begun = |wall: i64| {
        let mut desk = with(trunk());
        desk.sent();
        let dialog = desk.endpoint.new_dialog();
        assert!(desk.endpoint.execute(Now { wall: UnixMillis(wall), ..desk.both() }, dialog, will.clone()));
        desk.drain();
        let bye = desk.one();
        says(&mut desk, &bye, 401, ASKS);
        (number(&bye), number(&desk.one()))
    };
    for wall in [1_795_000_000_000, 2_200_000_000_000] {
        let (first, last) = begun(wall);
        assert!(first > 1000 && last > first && begun(wall + 2_000).0 > last, "{first} {last}");
    }
    for wall in [i64::MIN, 0] {
        assert_eq!(begun(wall), (1002, 1003));
    }
    assert!(begun(i64::MAX).1 < 1 << 31);
}

/// A carrier that answers itself and names a machine behind it: its connection leads to it.
#[test]
fn a_carrier_is_proved_who_we_are_by_its_own_connection_whatever_host_its_contact_names() {
    let (line, carrier, behind) = (FlowId::connection(Transport::Tls, 9), "192.0.2.80:5061", "203.0.113.9:5061");
    let over = |desk: &mut Desk, transport| {
        desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
        let machines = vec![Machine { transport, addr: carrier.parse().unwrap() }];
        desk.endpoint.set_trunks(desk.both(), vec![Trunk { machines, ..trunk() }]);
        desk.wait(0);
        desk.sent();
    };
    let is_proved = |desk: &mut Desk, bye: &Sent, line| {
        assert_eq!(bye.flow, line);
        let asks = response(bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
        desk.receive_on(line, carrier, &Bytes::from(asks));
        let again = desk.one();
        assert!(again.flow == line && again.to.to_string() == carrier, "{}", again.to);
        assert!(again.header("Authorization").contains("username=\"city\""), "{}", again.text);
    };
    let mut desk = Desk::new();
    over(&mut desk, Transport::Tls);
    let (dialog, invite) = calls_at(&mut desk, Transport::Tls, carrier);
    desk.receive_on(line, carrier, &Bytes::from(answers(&invite).replace(CARRIER, behind)));
    let will = desk.endpoint.will(dialog).unwrap();
    desk.sent();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    is_proved(&mut desk, &bye, line);
    // The next endpoint knows whom it met there by TLS, and not who stands at the address of the Contact.
    let (_, bye) = carries_out(&will, vec![trunk()]);
    assert_eq!((bye.flow, bye.to.to_string().as_str()), (FlowId::any(Transport::Tls), carrier));
    // It calls us.
    for transport in [Transport::Tcp, Transport::Tls] {
        let (mut desk, line) = (Desk::new(), FlowId::connection(transport, 9));
        over(&mut desk, transport);
        let bye = hangs_up_by(&mut desk, line, carrier, "0440000000", behind);
        is_proved(&mut desk, &bye, line);
    }
}

/// The way to a carrier begins anew after a power cut, or its machine does. By UDP the BYE would be repeated for as long.
#[test]
fn a_bye_that_finds_no_connection_leaves_once_more_for_half_a_minute() {
    let number = |sent: &Sent| sent.header("CSeq").split(' ').next().unwrap().parse::<u32>().unwrap();
    for transport in [Transport::Tcp, Transport::Tls] {
        let by = || vec![Trunk { machines: vec![Machine { transport, addr: CARRIER.parse().unwrap() }], ..trunk() }];
        let line = FlowId::connection(transport, 9);
        let hangs_up = || {
            let mut desk = Desk::new();
            desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
            desk.endpoint.set_trunks(desk.both(), by());
            desk.wait(0);
            desk.sent();
            let (dialog, invite) = calls_at(&mut desk, transport, CARRIER);
            desk.receive_on(line, CARRIER, &Bytes::from(answers(&invite)));
            let will = desk.endpoint.will(dialog).unwrap();
            desk.sent();
            desk.events();
            desk.command(Command::Bye { dialog });
            let bye = desk.one();
            (desk, bye, will)
        };
        let both = || {
            let (desk, bye, will) = hangs_up();
            [(desk, bye), carries_out(&will, by())]
        };
        for (mut desk, bye) in both() {
            let mut last = bye;
            for _ in 0..3 {
                desk.endpoint.handle_unsent(desk.both(), &Bytes::from(last.text.clone()));
                desk.drain();
                assert!(desk.sent().is_empty() && desk.events().is_empty());
                desk.wait(2_000);
                let again = desk.sent().into_iter().find(|sent| sent.word() == "BYE").unwrap();
                assert_eq!(
                    (again.flow, again.to.to_string().as_str(), number(&again)),
                    (FlowId::any(transport), CARRIER, number(&last) + 1)
                );
                last = again;
            }
            let asks = response(&last, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
            desk.receive_on(line, CARRIER, &Bytes::from(asks));
            let proved = desk.sent().pop().unwrap();
            assert!(proved.header("Authorization").contains("username=\"city\""), "{}", proved.text);
            desk.receive_on(line, CARRIER, &Bytes::from(response(&proved, 200, "carrier", "")));
            assert!(matches!(desk.events().pop(), Some(Event::Ended { .. })));
        }
        // Whoever hangs up meanwhile is gone, and asked no more.
        let (mut desk, bye, _) = hangs_up();
        desk.endpoint.handle_unsent(desk.both(), &Bytes::from(bye.text.clone()));
        desk.drain();
        let theirs = phone_inside(&bye, "BYE", "9", 1, "carrier").replace(";tag=carrier;tag=carrier", ";tag=carrier");
        let theirs = theirs.replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", transport.via()));
        desk.receive_on(line, CARRIER, &Bytes::from(theirs));
        assert!(matches!(desk.events().pop(), Some(Event::Ended { .. })));
        assert_eq!(desk.words(), ["200"]);
        desk.wait(10_000);
        assert!(desk.sent().iter().all(|sent| sent.word() != "BYE"));
        // And nobody waits for longer than that.
        for (mut desk, mut bye) in both() {
            let mut byes = 1;
            let begins = desk.now;
            let ended = loop {
                desk.endpoint.handle_unsent(desk.both(), &Bytes::from(bye.text.clone()));
                desk.drain();
                if desk.events().iter().any(|event| matches!(event, Event::Ended { .. })) {
                    break desk.now.since(begins);
                }
                desk.wait(2_000);
                bye = desk.sent().into_iter().find(|sent| sent.word() == "BYE").unwrap();
                byes += 1;
            };
            assert_eq!((byes, ended), (16, Duration::from_secs(30)));
        }
    }
}

/// Section 22.1 means the machines that let the INVITE in. A carrier hands on whatever who is called writes as Contact.
#[test]
fn the_ack_of_an_answer_carries_the_proof_to_the_carrier_and_to_nobody_else() {
    let named = |host: &str, route: &str| {
        let mut desk = registered();
        let (_, first) = calls(&mut desk);
        says(&mut desk, &first, 401, ASKS);
        let second = desk.sent().pop().unwrap();
        desk.receive_from(
            CARRIER,
            &answers(&second).replace(&format!("0440000011@{CARRIER}>\r\n"), &format!("0440000011@{host}>\r\n{route}")),
        );
        let ack = desk.one();
        assert_eq!(ack.word(), "ACK");
        (ack.to.to_string(), ack.text.contains("Authorization"))
    };
    assert_eq!(named("192.0.2.66:5060", ""), ("192.0.2.66:5060".to_owned(), false));
    assert_eq!(named("192.0.2.66:5060", &format!("Record-Route: <sip:{CARRIER};lr>\r\n")), (CARRIER.to_owned(), true));
    assert_eq!(named("192.0.2.80:5064", ""), ("192.0.2.80:5064".to_owned(), true));
}

/// Two gateways on one machine, of two carriers: the realm is whatever they say.
#[test]
fn a_password_is_proved_to_no_other_trunk_at_another_port_of_the_same_machine() {
    let at = |id: &str, port: u16, login: Option<&str>| {
        let account = login.map(|login| Account { login: login.to_owned(), ..trunk().account.unwrap() });
        Trunk { id: LineId::from(id), name: None, machines: vec![udp(&format!("192.0.2.80:{port}"))], account, ..trunk() }
    };
    let there = "192.0.2.80:5070";
    let asks = |request: &Sent| response(request, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
    for login in [None, Some("country")] {
        let mut desk = Desk::new();
        desk.endpoint.set_trunks(desk.both(), vec![at("day", 5060, Some("city")), at("ntt", 5070, login)]);
        desk.wait(0);
        desk.sent();
        let (dialog, invite) = calls_at(&mut desk, Transport::Udp, there);
        let will = desk.endpoint.will(dialog).unwrap();
        desk.receive_from(there, &asks(&invite));
        let sent = desk.sent();
        assert!(sent.iter().all(|sent| !sent.text.contains("username=\"city\"")), "{sent:?}");
        assert_eq!(sent.len(), if login.is_some() { 2 } else { 1 }, "{sent:?}");
        // That trunk is taken out between kill and restart.
        let answered = sip::Will { via: None, state: left_by(|invite| answers(invite).replace(CARRIER, there), there).state, ..will };
        let (mut next, bye) = carries_out(&answered, vec![at("day", 5060, Some("city"))]);
        assert_eq!(bye.to.to_string(), there);
        next.receive_from(there, &asks(&bye));
        assert_eq!(next.words(), [""; 0], "{login:?}");
    }
}

/// A carrier's Contact, or the source of a call, at the very port of another trunk: whether that is the same carrier's the domain of its account tells.
#[test]
fn who_has_a_trunk_of_another_carrier_is_proved_nothing_of_a_call_that_names_its_port() {
    let there = "192.0.2.80:5070";
    let asks = |request: &Sent| response(request, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
    let with = |account: Option<Account>| {
        let mut desk = Desk::new();
        let other = Trunk { id: LineId::from("day"), name: None, machines: vec![udp(there)], account, ..trunk() };
        desk.endpoint.set_trunks(desk.both(), vec![trunk(), other]);
        desk.wait(0);
        desk.sent();
        desk
    };
    let own = || trunk().account.unwrap();
    let (country, strange) = (
        Account { login: "country".to_owned(), ..own() },
        Account { login: "else".to_owned(), domain: "other.example".to_owned(), ..own() },
    );
    for (account, is_of_carrier) in [(Some(country), true), (Some(strange), false), (None, false)] {
        let mut desk = with(account.clone());
        let (dialog, first) = calls(&mut desk);
        desk.receive_from(CARRIER, &asks(&first));
        let second = desk.sent().pop().unwrap();
        desk.receive_from(CARRIER, &answers(&second).replace(&format!("0440000011@{CARRIER}>\r\n"), &format!("0440000011@{there}>\r\n")));
        let ack = desk.one();
        assert_eq!((ack.to.to_string().as_str(), ack.text.contains("Authorization")), (there, is_of_carrier), "{account:?}");
        desk.command(Command::Bye { dialog });
        let bye = desk.one();
        desk.receive_from(there, &asks(&bye));
        assert_eq!(desk.sent().iter().any(|sent| sent.text.contains("username=\"city\"")), is_of_carrier, "{account:?}");
        // It calls the user of the other.
        let mut desk = with(account.clone());
        let bye = hangs_up_on(&mut desk, there, "0440000000", there);
        desk.receive_from(there, &asks(&bye));
        assert_eq!(desk.sent().iter().any(|sent| sent.text.contains("username=\"city\"")), is_of_carrier, "{account:?}");
        // By TCP, from whatever port.
        let (mut desk, line, from) = (with(account.clone()), FlowId::connection(Transport::Tcp, 9), "192.0.2.80:41234");
        let bye = hangs_up_by(&mut desk, line, from, "0440000000", there);
        let over = response(&bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
        desk.receive_on(line, from, &Bytes::from(over));
        assert_eq!(desk.sent().iter().any(|sent| sent.text.contains("username=\"city\"")), is_of_carrier, "{account:?}");
    }
}

/// The name of a carrier leads to several machines, and one of them takes over what another has answered.
#[test]
fn what_was_left_at_another_machine_of_a_carrier_waits_until_its_name_is_found() {
    let second = "192.0.2.81:5060";
    let will = left_by(|invite| answers(invite).replace(CARRIER, second), CARRIER);
    assert_eq!(will.peers().map(|ip| ip.to_string()), ["192.0.2.80", "192.0.2.81"], "both are heard until it is over");
    for (machines, is_known) in [(vec![], false), (vec![udp(CARRIER)], false), (vec![udp(CARRIER), udp(second)], true)] {
        let (mut desk, bye) = carries_out(&will, vec![Trunk { machines, ..trunk() }]);
        assert_eq!((bye.to.to_string().as_str(), desk.endpoint.can_prove(&will)), (second, is_known));
        let asks = response(&bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
        desk.receive_from(second, &asks);
        assert_eq!(desk.words(), if is_known { vec!["BYE"] } else { vec![] });
    }
}

/// Section 13.2.2.4: whoever else answers is hung up, and asks for the password as the first one does.
#[test]
fn a_second_branch_of_a_fork_is_let_go_with_the_password() {
    let mut desk = registered();
    let (dialog, invite) = calls(&mut desk);
    desk.receive_from(CARRIER, &answers(&invite));
    desk.sent();
    desk.receive_from(CARRIER, &answers(&invite).replace("tag=carrier", "tag=second"));
    let bye = desk.sent().pop().unwrap();
    assert_eq!((bye.word(), bye.to_tag().as_str()), ("BYE", "second"));
    let asks = |bye: &Sent| response(bye, 401, "second", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
    desk.receive_from(CARRIER, &asks(&bye));
    let again = desk.one();
    assert_eq!((again.word(), again.to_tag().as_str(), again.header("CSeq")), ("BYE", "second", "3 BYE"));
    assert!(again.header("Authorization").contains("username=\"city\""), "{}", again.text);
    // The call goes on as if nothing had happened.
    desk.receive_from(CARRIER, &response(&again, 200, "second", ""));
    desk.events();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!((bye.to_tag().as_str(), bye.header("CSeq")), ("carrier", "2 BYE"));
}

/// A supervisor gives the trunk to the next carrier, which calls the account alike, or DNS leads it elsewhere with a new password.
#[test]
fn the_next_carriers_password_is_not_proved_to_the_one_before() {
    let account = |password: &str| Some(Account { password: Some(Secret::new(password.to_owned())), ..trunk().account.unwrap() });
    let machines = vec![udp("192.0.2.81:5060")];
    let next = Trunk { machines, account: account("aikotoba"), ..trunk() };
    let wanted = proof(vec![trunk()], vec![trunk()]);
    assert_ne!(proof(vec![trunk()], vec![next.clone()]), wanted, "its own name");
    for name in [None, Some(HostName { host: "sip.other.example".to_owned(), port: None, transport: None })] {
        assert_eq!(proof(vec![trunk()], vec![Trunk { name, ..next.clone() }]), wanted);
    }
}

/// Somebody calls a user with this Contact, is answered, and we hang up; our BYE.
fn hangs_up_on(desk: &mut Desk, from: &str, called: &str, contact: &str) -> Sent {
    hangs_up_by(desk, FlowId::UDP, from, called, contact)
}

fn hangs_up_by(desk: &mut Desk, flow: FlowId, from: &str, called: &str, contact: &str) -> Sent {
    let us = format!("sip:{called}@192.0.2.1");
    let over = |text: String| Bytes::from(text.replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", flow.transport().via())));
    let invite = request("INVITE", &us, "1", &us, 1, &format!("Contact: <sip:0990000000@{contact}>\r\n"), OFFER);
    desk.receive_on(flow, from, &over(invite));
    let Some(Event::Invite { dialog, .. }) = desk.events().pop() else { panic!("nobody is called") };
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive_on(flow, from, &over(request("ACK", "sip:192.0.2.1:5060", "2", &format!("<{us}>;tag={tag}"), 1, "", "")));
    desk.command(Command::Bye { dialog });
    desk.one()
}

/// Whoever may call in chooses where our requests go, and a carrier's address can be written by anybody.
#[test]
fn no_password_is_proved_for_a_caller_at_a_carrier_or_for_a_carrier_elsewhere() {
    for (from, contact) in [("192.0.2.50:5060", CARRIER), (CARRIER, "192.0.2.66:5060"), ("192.0.2.50:5060", "192.0.2.50:5060")] {
        let mut desk = registered();
        let bye = hangs_up_on(&mut desk, from, "0440000000", contact);
        assert_eq!((bye.word(), bye.to.to_string().as_str()), ("BYE", contact));
        let asks = response(&bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
        desk.receive_from(contact, &asks);
        desk.wait(3_000);
        assert_eq!(desk.words(), [""; 0], "{from} {contact}");
    }
    // Whoever is called by a carrier that hands their Contact on.
    let mut desk = registered();
    let (dialog, invite) = calls(&mut desk);
    desk.receive_from(
        CARRIER,
        &response(&invite, 200, "carrier", OFFER).replace("sip:sato@192.0.2.60:5062", "sip:0990000000@192.0.2.66:5060"),
    );
    desk.sent();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!(bye.to.to_string(), "192.0.2.66:5060");
    for from in [CARRIER, "192.0.2.66:5060"] {
        let asks = response(&bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
        desk.receive_from(from, &asks);
        assert_eq!(desk.words(), [""; 0], "{from}");
    }
    // A phone of ours that registers at the carrier.
    let mut desk = registered();
    let dialog = desk.endpoint.new_dialog();
    let (uri, addr) = (format!("sip:0990000000@{CARRIER}"), CARRIER.parse().unwrap());
    let to = Target { uri, flow: FlowId::UDP, addr, routes: Vec::new(), user: Some("sato".to_owned()), trunk: None };
    let from = Identity { display: String::new(), user: "0440000000".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
    let invite = desk.one();
    says(&mut desk, &invite, 401, ASKS);
    assert_eq!(desk.words(), ["ACK"]);
}

/// Whoever sits between us and a carrier that we speak TLS with can write and read datagrams of its address.
#[test]
fn the_password_of_a_trunk_by_tls_is_proved_by_tls_only() {
    let secure = Trunk { machines: vec![Machine { transport: Transport::Tls, addr: "192.0.2.80:5061".parse().unwrap() }], ..trunk() };
    let (line, from) = (FlowId::connection(Transport::Tls, 9), "192.0.2.80:41234");
    for (flow, trunks, proved) in [
        (FlowId::UDP, vec![secure.clone()], false),
        (FlowId::connection(Transport::Tcp, 9), vec![secure.clone()], false),
        (line, vec![secure.clone()], true),
        // One customer by both ways.
        (FlowId::UDP, vec![trunk(), secure.clone()], true),
        (line, vec![trunk(), secure], true),
        (FlowId::UDP, vec![trunk()], true),
        (line, vec![trunk()], true),
    ] {
        let mut desk = Desk::new();
        desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
        desk.endpoint.set_trunks(desk.both(), trunks.clone());
        desk.wait(0);
        desk.sent();
        let bye = hangs_up_by(&mut desk, flow, from, "0440000000", from);
        let asks = response(&bye, 401, "carrier", "").replacen("Contact: <sip:sato@192.0.2.60:5062>\r\n", ASKS, 1);
        desk.receive_on(bye.flow, from, &Bytes::from(asks));
        let again = desk.sent().pop();
        assert_eq!(again.is_some_and(|again| again.header("Authorization").contains("username=\"city\"")), proved, "{flow:?} {trunks:?}");
    }
}

/// A supervisor gives a trunk TLS while somebody talks over it in clear.
#[test]
fn a_call_that_began_in_clear_is_ended_with_the_password_that_it_began_with() {
    let mut desk = registered();
    let (dialog, invite) = calls(&mut desk);
    desk.receive_from(CARRIER, &answers(&invite));
    let machines = vec![Machine { transport: Transport::Tls, addr: "192.0.2.80:5061".parse().unwrap() }];
    desk.endpoint.hears(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
    desk.endpoint.set_trunks(desk.both(), vec![Trunk { machines, ..trunk() }]);
    desk.drain();
    desk.wait(0);
    desk.sent();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    says(&mut desk, &bye, 401, ASKS);
    let again = desk.one();
    assert!(again.word() == "BYE" && again.header("Authorization").contains("username=\"city\""), "{}", again.text);
}

/// A carrier calls the address of one of two customers that we are there, and asks who hangs up.
#[test]
fn whoever_is_called_over_one_of_two_accounts_proves_that_one() {
    let mut second = Trunk { id: LineId::from("day"), ..trunk() };
    let account = second.account.as_mut().unwrap();
    (account.user, account.login) = ("0440000002".to_owned(), "country".to_owned());
    let mut elsewhere = second.clone();
    elsewhere.account.as_mut().unwrap().realm = "other".to_owned();
    let asks_there = ASKS.replace("\"carrier\"", "\"other\"");
    for (day, called, asks, login, from) in [
        (&second, "0440000000", ASKS, "city", CARRIER),
        (&second, "0440000002", ASKS, "country", CARRIER),
        // By another name the realm tells it.
        (&elsewhere, "0440000009", ASKS, "city", CARRIER),
        (&elsewhere, "0440000009", &asks_there, "country", CARRIER),
        // By another port, as by a connection of its own.
        (&second, "0440000002", ASKS, "country", "192.0.2.80:41234"),
    ] {
        let mut desk = Desk::new();
        desk.endpoint.set_trunks(desk.both(), vec![trunk(), day.clone()]);
        desk.wait(0);
        desk.sent();
        let bye = hangs_up_on(&mut desk, from, called, CARRIER);
        says(&mut desk, &bye, 401, asks);
        let again = desk.one();
        assert!(again.word() == "BYE" && again.header("Authorization").contains(&format!("username=\"{login}\"")), "{}", again.text);
    }
}

#[test]
fn a_call_whose_password_is_refused_fails_and_a_stranger_gets_none() {
    let mut desk = registered();
    let (dialog, first) = calls(&mut desk);
    says(&mut desk, &first, 401, ASKS);
    let second = desk.sent().pop().unwrap();
    says(&mut desk, &second, 401, ASKS);
    assert_eq!(
        desk.events(),
        [Event::AskedAgain { dialog }, Event::Failed { dialog, status: 401, retry_after: None }, Event::Ended { dialog }]
    );
    // An agent's phone that asks us for a password is none of our carriers.
    let mut desk = registered();
    let (dialog, first) = desk.calling();
    desk.receive_from(PHONE, &response(&first, 401, "t", "").replacen("Contact:", &format!("{ASKS}Contact:"), 1));
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 401, retry_after: None }, Event::Ended { dialog }]);
}

#[test]
fn a_call_that_was_given_up_is_not_begun_again() {
    let mut desk = registered();
    let (dialog, first) = calls(&mut desk);
    desk.command(Command::Cancel { dialog, reason: None });
    says(&mut desk, &first, 401, ASKS);
    assert_eq!(desk.words(), ["ACK"]);
    assert_eq!(desk.events(), [Event::Failed { dialog, status: 401, retry_after: None }, Event::Ended { dialog }]);
}

#[test]
fn nothing_that_we_say_tells_what_we_are() {
    let mut desk = registered();
    let (_, _) = calls(&mut desk);
    desk.receive(&invite("1"));
    desk.receive(&request("OPTIONS", "sip:192.0.2.1", "2", "sip:192.0.2.1", 1, "", ""));
    desk.receive(&request("FROB", "sip:192.0.2.1", "3", "sip:192.0.2.1", 1, "", ""));
    desk.wait(200);
    let said = desk.sent();
    assert!(said.len() >= 3 && said.iter().any(|sent| sent.word() == "100"));
    assert!(said.iter().all(|sent| sent.header("Server").is_empty() && sent.header("User-Agent").is_empty()), "{said:?}");
}
