//! Phones say where they are, and prove who they are.

mod common;

use common::*;
use model::DigestAlgorithm::{self, Md5, Sha256};
use sip::{Census, Event};

/// A phone that registers: its own count of requests, and the challenge it was given last.
struct Phone {
    user: &'static str,
    password: String,
    cseq: u32,
    nc: u32,
    challenge: Option<(DigestAlgorithm, String)>,
}

impl Phone {
    fn new(user: &'static str) -> Phone {
        Phone { user, password: format!("{user}-himitsu"), cseq: 0, nc: 0, challenge: None }
    }
    fn hear(&mut self, answer: &Sent, algorithm: DigestAlgorithm) {
        let name = if algorithm == Sha256 { "SHA-256" } else { "MD5" };
        let line = answer.text.lines().find(|l| l.starts_with("WWW-Authenticate") && l.contains(&format!("algorithm={name}"))).unwrap();
        let nonce = line.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        (self.challenge, self.nc) = (Some((algorithm, nonce.to_owned())), 0);
    }
    fn credentials(&self, method: &str, user: &str) -> String {
        let Some((algorithm, nonce)) = &self.challenge else { return String::new() };
        let (nc, cnonce, uri) = (format!("{:08x}", self.nc), "0a4f113b", "sip:192.0.2.1");
        let hash = |text: String| {
            // H(user:realm:password) of one text: H(text) is the HA1 of its own three parts.
            let mut parts = text.splitn(3, ':').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let ha1 = sip::digest::ha1(&next(), &next(), &next());
            if *algorithm == Sha256 { ha1.sha256 } else { ha1.md5 }
        };
        let ha1 = hash(format!("{user}:{REALM}:{}", self.password));
        // HA2 has two parts only; rsip's own digest checks that form in `rsip_agrees_with_us.rs`.
        let ha2 = two_parts(*algorithm, method, uri);
        let response = hash(format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"));
        let name = if *algorithm == Sha256 { "SHA-256" } else { "MD5" };
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm={name}, cnonce=\"{cnonce}\", qop=auth, nc={nc}\r\n"
        )
    }
    fn register(&mut self, extra: &str) -> String {
        (self.cseq, self.nc) = (self.cseq + 1, self.nc + 1);
        let (user, cseq) = (self.user, self.cseq);
        format!(
            "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5062;branch=z9hG4bKr{user}{cseq}{}\r\nFrom: <sip:{user}@192.0.2.1>;tag=t\r\n\
             To: <sip:{user}@192.0.2.1>\r\nCall-ID: reg-{user}\r\nCSeq: {cseq} REGISTER\r\n{}{extra}Content-Length: 0\r\n\r\n",
            self.nc,
            self.credentials("REGISTER", user)
        )
    }
    /// Registers until it is through, and returns the last answer.
    fn through(&mut self, desk: &mut Desk, algorithm: DigestAlgorithm, extra: &str) -> Sent {
        let request = self.register(extra);
        desk.receive_from(PHONE, &request);
        let answer = desk.one();
        if answer.word() != "401" {
            return answer;
        }
        self.hear(&answer, algorithm);
        let request = self.register(extra);
        desk.receive_from(PHONE, &request);
        desk.one()
    }
}

/// `H(a:b)`: HA1 of user `a`, with realm and password taken from what follows, is `H(a:realm:password)`; so split `b` at its colon.
fn two_parts(algorithm: DigestAlgorithm, a: &str, b: &str) -> String {
    let (realm, password) = b.split_once(':').unwrap();
    let ha1 = sip::digest::ha1(a, realm, password);
    if algorithm == Sha256 { ha1.sha256 } else { ha1.md5 }
}

const CONTACT: &str = "Contact: <sip:sato@192.0.2.60:5062;line=1>\r\n";

fn failures(desk: &Desk) -> usize {
    desk.notes.iter().filter(|n| **n == model::Event::AuthenticationFailed).count()
}

#[test]
fn a_phone_registers_with_either_algorithm() {
    for algorithm in [Sha256, Md5] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let request = phone.register(CONTACT);
        desk.receive_from(PHONE, &request);
        let challenge = desk.one();
        let offered: Vec<&str> = challenge.text.lines().filter(|l| l.starts_with("WWW-Authenticate")).collect();
        assert!(offered.len() == 2 && offered[0].contains("SHA-256") && offered[1].contains("MD5"), "{offered:?}");
        phone.hear(&challenge, algorithm);
        let request = phone.register(CONTACT);
        desk.receive_from(PHONE, &request);
        let ok = desk.one();
        assert_eq!((ok.word(), ok.header("Contact")), ("200", "<sip:sato@192.0.2.60:5062;line=1>;expires=120"));
        assert_eq!(desk.events(), [Event::Registered { user: "sato".to_owned(), fresh: true }]);
        let binding = desk.endpoint.binding("sato").unwrap();
        assert_eq!((binding.contact.as_str(), binding.addr.to_string().as_str()), ("sip:sato@192.0.2.60:5062;line=1", PHONE));
        assert_eq!(failures(&desk), 0);
        assert_eq!(desk.census(), Census::default(), "registrations are not counted");
    }
}

#[test]
fn a_lost_200_is_given_again_though_the_password_counts_once() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    desk.events();
    phone.cseq -= 1;
    phone.nc -= 1;
    let copy = phone.register(CONTACT);
    desk.receive_from(PHONE, &copy);
    assert_eq!(desk.one().word(), "200");
    assert!(desk.events().is_empty());
    // The same credentials in a request of another transaction are a replay.
    phone.cseq += 1;
    let replay = phone.register(CONTACT).replace("nc=00000002", "nc=00000001");
    desk.receive_from("203.0.113.9:5060", &replay);
    let answer = desk.one();
    assert_eq!((answer.word(), answer.header("WWW-Authenticate").contains("stale=true")), ("401", false), "the count is signed");
    assert_eq!(failures(&desk), 1);
}

#[test]
fn a_replayed_password_is_stale() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    desk.events();
    phone.nc -= 1;
    let replay = phone.register("Contact: *\r\nExpires: 0\r\n");
    desk.receive_from("203.0.113.9:5060", &replay);
    assert!(desk.one().header("WWW-Authenticate").contains("stale=true"));
    assert!(desk.endpoint.binding("sato").is_some() && desk.events().is_empty());
    assert_eq!(failures(&desk), 0);
}

#[test]
fn a_wrong_password_is_told_no_more_than_an_unknown_name() {
    let answer = |user: &'static str, password: &str| {
        let (mut desk, mut phone) = (Desk::new(), Phone::new(user));
        phone.password = password.to_owned();
        let answer = phone.through(&mut desk, Sha256, CONTACT);
        assert!(desk.events().is_empty());
        assert_eq!(failures(&desk), 1);
        answer.text.replace(user, "NAME")
    };
    let (wrong, unknown) = (answer("sato", "guess"), answer("nobody", "guess"));
    assert!(wrong.starts_with("SIP/2.0 401"));
    let blank = |text: &str| text.split("nonce=\"").map(|p| p.split_once('"').map_or(p, |(_, rest)| rest).to_owned()).collect::<String>();
    let untagged = |text: String| text.lines().filter(|l| !l.starts_with("To:")).collect::<String>();
    assert_eq!(untagged(blank(&wrong)), untagged(blank(&unknown)));
}

#[test]
fn an_old_nonce_is_renewed_without_asking_the_person() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    desk.wait(59_000);
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    assert_eq!(desk.one().word(), "200");
    desk.wait(3_000);
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    let answer = desk.one();
    assert_eq!((answer.word(), answer.header("WWW-Authenticate").ends_with("stale=true")), ("401", true));
    phone.hear(&answer, Sha256);
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    assert_eq!(desk.one().word(), "200");
    let refreshed = |fresh| Event::Registered { user: "sato".to_owned(), fresh };
    assert_eq!(desk.events(), [refreshed(true), refreshed(false), refreshed(false)]);
}

#[test]
fn a_registration_runs_out() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    let ok = phone.through(&mut desk, Sha256, "Contact: <sip:sato@192.0.2.60:5062>;expires=40\r\nExpires: 1000\r\n");
    assert!(ok.header("Contact").ends_with(";expires=40"));
    desk.events();
    desk.wait(39_999);
    assert!(desk.endpoint.binding("sato").is_some());
    desk.wait(1);
    assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: true }]);
    assert!(desk.endpoint.binding("sato").is_none() && desk.endpoint.poll_timeout().is_none());
}

#[test]
fn a_wish_out_of_bounds_is_cut_to_them() {
    for (wish, granted) in [("1", "30"), ("30", "30"), ("7200", "120"), ("99999999999999999999999", "120"), ("soon", "120")] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let ok = phone.through(&mut desk, Sha256, &format!("{CONTACT}Expires: {wish}\r\n"));
        assert_eq!(ok.header("Contact").rsplit('=').next(), Some(granted), "{wish}");
    }
}

#[test]
fn a_phone_says_goodbye() {
    let goodbyes = [
        "Contact: *\r\nExpires: 0\r\n",
        "Contact: <sip:sato@192.0.2.60:5062;line=1>;expires=0\r\n",
        "Contact: <sip:%73ato@192.0.2.60:5062;line=1>\r\nExpires: 0\r\n",
    ];
    for goodbye in goodbyes {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        phone.through(&mut desk, Sha256, CONTACT);
        desk.events();
        let ok = phone.through(&mut desk, Sha256, goodbye);
        assert_eq!((ok.word(), ok.header("Contact")), ("200", ""));
        assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: false }]);
        assert_eq!(desk.endpoint.poll_timeout(), None);
    }
}

#[test]
fn the_last_phone_of_a_user_wins() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    let moved = "Contact: <sip:sato@192.0.2.60:5062;line=1>;expires=0, <sip:sato@192.0.2.61>\r\n";
    let ok = phone.through(&mut desk, Sha256, moved);
    assert_eq!(ok.header("Contact"), "<sip:sato@192.0.2.61>;expires=120");
    assert_eq!(desk.events().pop(), Some(Event::Registered { user: "sato".to_owned(), fresh: false }));
    let ok = phone.through(&mut desk, Sha256, "");
    assert_eq!(ok.header("Contact"), "<sip:sato@192.0.2.61>;expires=120", "a question changes nothing");
    assert!(desk.events().is_empty());
    let ok = phone.through(&mut desk, Sha256, "Contact: <sip:elsewhere@192.0.2.62>;expires=0\r\n");
    assert_eq!(ok.header("Contact"), "<sip:sato@192.0.2.61>;expires=120", "another phone's goodbye is not this one's");
}

#[test]
fn a_registration_that_is_nonsense_changes_nothing() {
    let nonsense = [
        ("Contact: *\r\n", "400"),
        ("Contact: *\r\nExpires: 60\r\n", "400"),
        ("Contact: *, <sip:a@h>\r\nExpires: 0\r\n", "400"),
        ("Contact: <sip:a@h?Route=%3Csip:x%3E>\r\n", "400"),
        ("Contact: <tel:110>\r\n", "400"),
        ("Contact: nonsense\r\n", "400"),
        ("Contact: <a:b>, <sip:c@d>\r\n", "400"),
        ("Require: gruu\r\n", "420"),
    ];
    for (extra, status) in nonsense {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        phone.through(&mut desk, Sha256, CONTACT);
        desk.events();
        assert_eq!(phone.through(&mut desk, Sha256, extra).word(), status, "{extra}");
        assert!(desk.events().is_empty());
        assert_eq!(desk.endpoint.binding("sato").unwrap().contact, "sip:sato@192.0.2.60:5062;line=1");
    }
}

#[test]
fn registrations_of_one_call_come_in_order() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.cseq = 10;
    phone.through(&mut desk, Sha256, CONTACT);
    phone.cseq = 5;
    assert_eq!(phone.through(&mut desk, Sha256, "Contact: *\r\nExpires: 0\r\n").word(), "500");
    assert!(desk.endpoint.binding("sato").is_some());
}

#[test]
fn nobody_registers_for_somebody_else() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("tanaka"));
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    phone.hear(&desk.one(), Sha256);
    let request = phone.register(CONTACT).replace("To: <sip:tanaka@", "To: <sip:sato@");
    desk.receive_from(PHONE, &request);
    assert_eq!(desk.one().word(), "403");
    assert!(desk.events().is_empty() && failures(&desk) == 1);
}

#[test]
fn a_user_who_is_no_more_has_no_phone() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    desk.events();
    desk.endpoint.set_users(std::collections::BTreeMap::new());
    desk.wait(0);
    desk.receive("\r\n");
    while let Some(sip::Output::Event(event)) = desk.endpoint.poll_output() {
        desk.events.push(event);
    }
    assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: false }]);
    assert!(desk.endpoint.binding("sato").is_none() && desk.endpoint.poll_timeout().is_none());
}

#[test]
fn a_flood_of_strangers_costs_no_memory() {
    let mut desk = Desk::new();
    for i in 0..5_000 {
        let register = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{i}\r\nFrom: <sip:u{i}@h>;tag=t\r\nTo: <sip:u{i}@h>\r\nCall-ID: {i}\r\n\
             CSeq: 1 REGISTER\r\nContact: <sip:u{i}@h>\r\n\r\n"
        );
        desk.receive(&register);
        desk.receive(&request("OPTIONS", "sip:1@h", &i.to_string(), "sip:1@h", i, "", ""));
        desk.receive(&inside("BYE", &i.to_string(), i, "none"));
    }
    desk.assert_quiet();
    assert_eq!(desk.endpoint.poll_timeout(), None);
}

#[test]
fn a_call_from_a_colleague_needs_the_colleagues_password() {
    let call = |phone: &Phone, cseq: u32, from: &str| {
        format!(
            "INVITE sip:*1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5062;branch=z9hG4bKi{cseq}{from}\r\nFrom: <sip:{from}@192.0.2.1>;tag=t\r\n\
             To: <sip:*1@192.0.2.1>\r\nCall-ID: call\r\nCSeq: {cseq} INVITE\r\n{CONTACT}{}Content-Length: 0\r\n\r\n",
            phone.credentials("INVITE", phone.user)
        )
    };
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    desk.receive_from(PHONE, &call(&phone, 1, "sato"));
    let challenge = desk.one();
    assert_eq!(challenge.word(), "401");
    desk.receive_from(PHONE, &request("ACK", "sip:*1@192.0.2.1", "i1sato", "sip:*1@192.0.2.1", 1, "", ""));
    assert!(desk.sent().is_empty() && desk.events().is_empty());
    desk.assert_quiet();
    phone.hear(&challenge, Sha256);
    phone.nc = 1;
    let good = call(&phone, 2, "sato");
    desk.receive_from(PHONE, &good);
    desk.receive_from(PHONE, &good);
    assert_eq!(desk.words(), ["100", "100"], "a copy is not a replay");
    let events = desk.events();
    let [Event::Invite { authenticated: Some(user), to_user, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((user.as_str(), to_user.as_str()), ("sato", "*1"));
    // Somebody with a password of their own does not become a colleague.
    phone.nc = 2;
    desk.receive_from(PHONE, &call(&phone, 3, "tanaka"));
    assert_eq!(desk.words(), ["403"]);
    phone.password = "guess".to_owned();
    desk.receive_from(PHONE, &call(&phone, 4, "sato"));
    assert_eq!(desk.words(), ["401"]);
    assert_eq!(failures(&desk), 1);
}

#[test]
fn a_house_of_old_phones_offers_md5_alone() {
    let (mut desk, mut phone) = (Desk::with(&[Md5]), Phone::new("sato"));
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    let challenge = desk.one();
    assert_eq!(challenge.text.matches("WWW-Authenticate").count(), 1);
    phone.challenge =
        Some((Sha256, challenge.header("WWW-Authenticate").split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()));
    let request = phone.register(CONTACT);
    desk.receive_from(PHONE, &request);
    assert_eq!(desk.words(), ["401"], "an algorithm that was not offered");
    assert_eq!(phone.through(&mut desk, Md5, CONTACT).word(), "200");
}
