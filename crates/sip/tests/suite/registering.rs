//! Phones say where they are, and prove who they are.

use crate::common::phone::Phone;
use crate::common::*;
use bytes::Bytes;
use model::DigestAlgorithm::{Md5, Sha256};
use model::{FlowId, PhoneGone, Transport};
use sip::{Census, Command, Event, Identity, Spot, Target};

const CONTACT: &str = "Contact: <sip:sato@192.0.2.60:5062;line=1>\r\n";

fn failures(desk: &Desk) -> usize {
    desk.notes.iter().filter(|n| matches!(n, model::Event::AuthenticationFailed { .. })).count()
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
        assert_eq!(desk.events(), [Event::Registered { user: "sato".to_owned(), fresh: true, moved: true }]);
        let binding = desk.endpoint.bindings("sato").next().unwrap();
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
    assert!(desk.endpoint.bindings("sato").next().is_some() && desk.events().is_empty());
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
    let refreshed = |fresh| Event::Registered { user: "sato".to_owned(), fresh, moved: fresh };
    assert_eq!(desk.events(), [refreshed(true), refreshed(false), refreshed(false)]);
}

#[test]
fn a_registration_runs_out() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    let ok = phone.through(&mut desk, Sha256, "Contact: <sip:sato@192.0.2.60:5062>;expires=40\r\nExpires: 1000\r\n");
    assert!(ok.header("Contact").ends_with(";expires=40"));
    desk.events();
    desk.wait(39_999);
    assert!(desk.endpoint.bindings("sato").next().is_some());
    desk.wait(1);
    assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: true }]);
    assert!(desk.endpoint.bindings("sato").next().is_none() && desk.endpoint.poll_timeout().is_none());
}

#[test]
fn a_wish_out_of_bounds_is_cut_to_them() {
    for (wish, granted) in [("30", "30"), ("90", "90"), ("7200", "120"), ("99999999999999999999999", "120"), ("soon", "120")] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let ok = phone.through(&mut desk, Sha256, &format!("{CONTACT}Expires: {wish}\r\n"));
        assert_eq!(ok.header("Contact").rsplit('=').next(), Some(granted), "{wish}");
    }
}

/// RFC 3261 section 10.3 item 7: a time may be cut, and never lengthened.
#[test]
fn a_wish_for_less_than_we_can_keep_is_refused_with_what_we_can() {
    for wish in ["1", "29"] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let refusal = phone.through(&mut desk, Sha256, &format!("{CONTACT}Expires: {wish}\r\n"));
        assert_eq!((refusal.word(), refusal.header("Min-Expires")), ("423", "30"), "{wish}");
        assert!(desk.endpoint.bindings("sato").next().is_none());
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

/// Where sato can be called, in order.
fn places(desk: &Desk) -> Vec<String> {
    desk.endpoint.bindings("sato").map(|binding| binding.contact.clone()).collect()
}

fn at(contact: &str) -> String {
    format!("Contact: <{contact}>\r\n")
}

fn registered(fresh: bool) -> Event {
    Event::Registered { user: "sato".to_owned(), fresh, moved: true }
}

/// A phone says once more that it is where it was.
fn refreshed() -> Event {
    Event::Registered { user: "sato".to_owned(), fresh: false, moved: false }
}

fn gone(contact: &str, why: PhoneGone) -> Event {
    Event::PhoneGone { user: "sato".to_owned(), at: stands_at(contact), why }
}

/// Where a phone is that its router leaves as it is.
fn stands_at(contact: &str) -> Spot {
    let host = contact.split_once('@').unwrap().1;
    Spot { contact: contact.to_owned(), addr: host.parse().or_else(|_| format!("{host}:5060").parse()).unwrap() }
}

const DESK: &str = "sip:sato@192.0.2.60:5062";
const POCKET: &str = "sip:sato@192.0.2.61:40000";
const POCKET_IS: &str = "192.0.2.61:40000";

#[test]
fn a_desk_phone_and_a_softphone_are_both_called_and_the_last_to_go_signs_out() {
    let (mut desk, mut phone, mut soft) = (Desk::new(), Phone::new("sato"), Phone::another("sato", "s", POCKET_IS));
    phone.through(&mut desk, Sha256, &at(DESK));
    let ok = soft.through(&mut desk, Sha256, &at(POCKET));
    // RFC 3261 section 10.3 item 8: all of them.
    let listed: Vec<&str> = ok.text.lines().filter(|l| l.starts_with("Contact: ")).collect();
    assert_eq!(listed, [format!("Contact: <{DESK}>;expires=120"), format!("Contact: <{POCKET}>;expires=120")]);
    assert_eq!(places(&desk), [DESK, POCKET]);
    assert_eq!(desk.events(), [registered(true), registered(false)]);
    soft.through(&mut desk, Sha256, &format!("{}Expires: 0\r\n", at(POCKET)));
    assert_eq!((places(&desk), desk.events()), (vec![DESK.to_owned()], vec![gone(POCKET, PhoneGone::Left), refreshed()]));
    phone.through(&mut desk, Sha256, &format!("{}Expires: 0\r\n", at(DESK)));
    assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: false }]);
    assert_eq!((places(&desk).len(), desk.endpoint.poll_timeout()), (0, None));
}

#[test]
fn one_of_two_phones_runs_out_alone() {
    let (mut desk, mut phone, mut soft) = (Desk::new(), Phone::new("sato"), Phone::another("sato", "s", POCKET_IS));
    phone.through(&mut desk, Sha256, &format!("{}Expires: 40\r\n", at(DESK)));
    soft.through(&mut desk, Sha256, &format!("{}Expires: 60\r\n", at(POCKET)));
    desk.events();
    desk.wait(40_000);
    assert_eq!((places(&desk), desk.events()), (vec![POCKET.to_owned()], vec![gone(DESK, PhoneGone::Expired)]));
    desk.wait(20_000);
    assert_eq!(desk.events(), [Event::Unregistered { user: "sato".to_owned(), expired: true }]);
    assert_eq!(desk.endpoint.poll_timeout(), None);
}

#[test]
fn a_fourth_phone_puts_out_the_one_that_was_silent_longest() {
    let mut desk = Desk::new();
    let mut phones = [Phone::new("sato"), Phone::another("sato", "b", "192.0.2.71:5060"), Phone::another("sato", "c", "192.0.2.72:5060")];
    let contacts = ["sip:sato@192.0.2.60", "sip:sato@192.0.2.71", "sip:sato@192.0.2.72", "sip:sato@192.0.2.73"];
    for (phone, contact) in phones.iter_mut().zip(contacts) {
        phone.through(&mut desk, Sha256, &at(contact));
        desk.wait(1_000);
    }
    // The first says that it is still there: the second has been silent longest from here on.
    phones[0].through(&mut desk, Sha256, &at(contacts[0]));
    desk.events();
    Phone::another("sato", "d", "192.0.2.73:5060").through(&mut desk, Sha256, &at(contacts[3]));
    assert_eq!(places(&desk), [contacts[2], contacts[0], contacts[3]]);
    assert_eq!(desk.events(), [gone(contacts[1], PhoneGone::Full), registered(false)]);
    // One phone on two ways is one phone.
    let mut desk = Desk::new();
    for (n, (instance, reg_id)) in [("1", 1), ("1", 2), ("2", 1), ("2", 2), ("3", 1)].into_iter().enumerate() {
        let place: &'static str = ["192.0.2.60:1", "192.0.2.60:2", "192.0.2.60:3", "192.0.2.60:4", "192.0.2.60:5"][n];
        let make: &'static str = ["v", "w", "x", "y", "z"][n];
        let contact = format!("Contact: <sip:sato@{place}>;+sip.instance=\"<urn:uuid:{instance}>\";reg-id={reg_id}\r\n");
        assert_eq!(Phone::another("sato", make, place).through(&mut desk, Sha256, &contact).word(), "200");
    }
    assert_eq!((desk.endpoint.phones("sato").count(), places(&desk).len()), (3, 5));
}

#[test]
fn a_phone_that_starts_anew_leaves_no_dead_twin() {
    // What it registers after the start, and what gives away that it is the same phone.
    let restarts = [
        ("the same URI", "again", "192.0.2.9:1024", at(DESK)),
        ("the same URI, written otherwise", "again", PHONE, at("sip:%73ato@192.0.2.60:5062")),
        ("the same Call-ID from another address", "", "192.0.2.61:40000", at(POCKET)),
        ("the same socket", "again", PHONE, at("sip:sato-0x5581@192.0.2.60:5062")),
        ("the same instance", "again", "192.0.2.61:40000", format!("Contact: <{POCKET}>;+sip.instance=\"<urn:uuid:1>\"\r\n")),
    ];
    for (what, make, from, contact) in restarts {
        let (mut desk, mut before) = (Desk::new(), Phone::new("sato"));
        before.through(&mut desk, Sha256, &format!("Contact: <{DESK}>;+sip.instance=\"<urn:uuid:1>\"\r\n"));
        let mut after = Phone { make, from, ..before };
        assert_eq!(after.through(&mut desk, Sha256, &contact).word(), "200");
        assert_eq!(places(&desk).len(), 1, "{what}: {:?}", places(&desk));
        let again = if what == "the same URI, written otherwise" { refreshed() } else { registered(false) };
        assert_eq!(desk.events(), [registered(true), again], "{what}");
    }
}

#[test]
fn what_may_be_another_phone_is_one() {
    let others = [
        ("another instance", POCKET_IS, format!("Contact: <{POCKET}>;+sip.instance=\"<urn:uuid:2>\"\r\n")),
        ("another way of the same instance", POCKET_IS, format!("Contact: <{POCKET}>;+sip.instance=\"<urn:uuid:1>\";reg-id=2\r\n")),
        ("behind the same router", "192.0.2.60:40000", at("sip:sato@10.0.0.7:5062")),
        ("another program on the same machine", "192.0.2.60:5072", at("sip:sato@192.0.2.60:5072")),
    ];
    for (what, from, contact) in others {
        let (mut desk, mut one) = (Desk::new(), Phone::new("sato"));
        one.through(&mut desk, Sha256, &format!("Contact: <{DESK}>;+sip.instance=\"<urn:uuid:1>\"\r\n"));
        Phone::another("sato", "other", from).through(&mut desk, Sha256, &contact);
        assert_eq!(places(&desk).len(), 2, "{what}");
    }
    // Several Contacts of one REGISTER are as many phones as it says, also when they stand at one socket.
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    let both = "Contact: <sip:sato@192.0.2.60:5062;line=1>, <sip:sato@192.0.2.60:5062;line=2>\r\n";
    phone.through(&mut desk, Sha256, both);
    phone.through(&mut desk, Sha256, both);
    assert_eq!(places(&desk).len(), 2);
}

#[test]
fn a_phone_that_answered_nothing_is_put_out_but_never_the_last_nor_one_that_is_back() {
    let (mut desk, mut phone, mut soft) = (Desk::new(), Phone::new("sato"), Phone::another("sato", "s", POCKET_IS));
    phone.through(&mut desk, Sha256, &at(DESK));
    let put_out = |desk: &mut Desk, contact: &str, since| {
        desk.command(sip::Command::PutOut { user: "sato".to_owned(), at: stands_at(contact), since });
    };
    let now = model::Instant::from_millis(desk.millis());
    put_out(&mut desk, DESK, now);
    assert_eq!(places(&desk), [DESK], "an agent is not signed out by it");
    desk.wait(2_000);
    soft.through(&mut desk, Sha256, &at(POCKET));
    desk.events();
    put_out(&mut desk, POCKET, now);
    assert_eq!(places(&desk), [DESK, POCKET], "it has registered since it was called");
    put_out(&mut desk, DESK, now);
    assert_eq!((places(&desk), desk.events()), (vec![POCKET.to_owned()], vec![gone(DESK, PhoneGone::Silent)]));
    // It only has to say that it is there.
    phone.through(&mut desk, Sha256, &at(DESK));
    assert_eq!(places(&desk), [POCKET, DESK]);
    // One phone on two ways from one socket is the only one.
    let mut desk = on_two_ways([(1, FlowId::UDP), (2, FlowId::UDP)]);
    desk.wait(1_000);
    let spot = Spot { contact: places(&desk)[0].clone(), addr: PHONE.parse().unwrap() };
    let since = model::Instant::from_millis(desk.millis());
    desk.command(Command::PutOut { user: "sato".to_owned(), at: spot, since });
    assert_eq!((places(&desk).len(), desk.events()), (2, vec![]));
}

#[test]
fn two_phones_of_one_user_each_get_the_copy_of_their_own_answer() {
    let (mut desk, mut phone, mut soft) = (Desk::new(), Phone::new("sato"), Phone::another("sato", "s", POCKET_IS));
    phone.through(&mut desk, Sha256, &at(DESK));
    soft.through(&mut desk, Sha256, &at(POCKET));
    desk.events();
    for phone in [&mut phone, &mut soft] {
        let contact = if phone.make.is_empty() { DESK } else { POCKET };
        (phone.cseq, phone.nc) = (phone.cseq - 1, phone.nc - 1);
        let copy = phone.register(&at(contact));
        desk.receive_from(phone.from, &copy);
        assert_eq!(desk.one().word(), "200");
    }
    assert!(desk.events().is_empty());
}

#[test]
fn a_phone_moves_within_one_register() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.through(&mut desk, Sha256, CONTACT);
    let moved = "Contact: <sip:sato@192.0.2.60:5062;line=1>;expires=0, <sip:sato@192.0.2.61>\r\n";
    let ok = phone.through(&mut desk, Sha256, moved);
    assert_eq!(ok.header("Contact"), "<sip:sato@192.0.2.61>;expires=120");
    assert_eq!(desk.events().pop(), Some(Event::Registered { user: "sato".to_owned(), fresh: false, moved: true }));
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
        assert_eq!(desk.endpoint.bindings("sato").next().unwrap().contact, "sip:sato@192.0.2.60:5062;line=1");
    }
}

#[test]
fn registrations_of_one_call_come_in_order() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.cseq = 10;
    phone.through(&mut desk, Sha256, CONTACT);
    phone.cseq = 5;
    assert_eq!(phone.through(&mut desk, Sha256, "Contact: *\r\nExpires: 0\r\n").word(), "500");
    assert!(desk.endpoint.bindings("sato").next().is_some());
}

/// Who may not have us call our own machine does not register there. What is to be forgotten is.
#[test]
fn nobody_registers_at_our_own_machine() {
    for contact in ["sip:sato@127.0.0.1", "sip:sato@192.0.2.1:5060", "sip:sato@224.0.1.75", "sip:sato@[::1]:5062"] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let answer = phone.through(&mut desk, Sha256, &format!("Contact: <{contact}>\r\n"));
        assert_eq!((answer.word(), places(&desk)), ("403", Vec::<String>::new()), "{contact}");
        let answer = phone.through(&mut desk, Sha256, &format!("Path: <{contact};lr>\r\n{CONTACT}"));
        assert_eq!((answer.word(), places(&desk)), ("403", Vec::<String>::new()), "{contact} as the proxy before it");
        let answer = phone.through(&mut desk, Sha256, &format!("Contact: <{contact}>;expires=0\r\n"));
        assert_eq!(answer.word(), "200", "{contact}");
    }
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
    assert!(desk.endpoint.bindings("sato").next().is_none() && desk.endpoint.poll_timeout().is_none());
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
    assert_eq!(desk.words(), ["100"], "a copy is not a replay");
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

#[test]
fn a_browser_is_called_on_the_connection_that_it_registered_by_and_on_no_other() {
    let (mut desk, mut page) = (Desk::new(), Phone::new("sato"));
    let flow = FlowId::connection(Transport::Wss, 7);
    desk.endpoint.hears(Transport::Wss, "192.0.2.1:8443".parse().unwrap());
    // RFC 7118 section 5.2: a browser has no address that it could be called at.
    let nowhere = "sip:k3j@df7jal23ls0d.invalid;transport=ws";
    for word in ["401", "200"] {
        let register = page.register(&format!("Contact: <{nowhere}>;expires=60\r\n")).replace("SIP/2.0/UDP", "SIP/2.0/WSS");
        desk.receive_on(flow, PHONE, &Bytes::from(register));
        let answer = desk.one();
        assert_eq!(answer.word(), word, "{}", answer.text);
        if word == "401" {
            page.hear(&answer, Sha256);
        }
    }
    let binding = desk.endpoint.bindings("sato").next().unwrap().clone();
    assert_eq!((binding.contact.as_str(), binding.flow), (nowhere, flow));
    let (dialog, to) = (
        desk.endpoint.new_dialog(),
        Target { uri: binding.contact, flow: binding.flow, addr: binding.addr, routes: Vec::new(), user: Some(binding.user) },
    );
    let from = Identity { display: "Ward".to_owned(), user: "0440000001".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(ANSWER) });
    let invite = desk.one();
    assert!(invite.text.starts_with(&format!("INVITE {nowhere} SIP/2.0\r\nVia: SIP/2.0/WSS 192.0.2.1:8443;")), "{}", invite.text);
    assert_eq!(invite.header("Contact"), "<sip:192.0.2.1:8443;transport=ws>");
    desk.events();
    // RFC 5626 section 5.3: nobody can be called there any more, by that connection or another.
    desk.endpoint.handle_closed(desk.both(), flow);
    desk.drain();
    assert_eq!(desk.endpoint.bindings("sato").count(), 0);
    assert!(desk.events().contains(&Event::Unregistered { user: "sato".to_owned(), expired: true }));
}

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
    let call = |desk: &mut Desk| {
        let binding = desk.endpoint.phones("sato").next().unwrap().clone();
        let dialog = desk.endpoint.new_dialog();
        let from = Identity { display: String::new(), user: "0440000000".to_owned() };
        let to = Target { uri: binding.contact, flow: binding.flow, addr: binding.addr, routes: binding.path, user: Some(binding.user) };
        desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(OFFER) });
        (dialog, desk.one())
    };
    let (talking, invite) = call(&mut desk);
    assert_eq!(invite.flow, second);
    desk.receive_on(second, PHONE, &Bytes::from(response(&invite, 200, "p1", OFFER)));
    desk.sent();
    let (rings, ringing) = call(&mut desk);
    desk.receive_on(second, PHONE, &Bytes::from(response(&ringing, 180, "p3", "")));
    let (unheard, invite) = call(&mut desk);
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
    let (last, _) = call(&mut desk);
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

/// A phone registers with this Contact.
fn registers(desk: &mut Desk, phone: &mut Phone, contact: &str, flow: FlowId) {
    for _ in 0..2 {
        let over = format!("SIP/2.0/{}", flow.transport().via());
        let request = phone.register(contact).replace("SIP/2.0/UDP", &over);
        desk.receive_on(flow, PHONE, &Bytes::from(request));
        let answer = desk.one();
        if answer.word() == "401" {
            phone.hear(&answer, Sha256);
        }
    }
}

/// A phone on two ways, by number and flow.
fn on_two_ways(ways: [(u32, FlowId); 2]) -> Desk {
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
    let to = Target { uri: binding.contact, flow: binding.flow, addr: binding.addr, routes: binding.path, user: Some(binding.user) };
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

/// RFC 3327: who registered through a proxy is called through it.
#[test]
fn a_phone_behind_a_proxy_is_called_by_the_way_that_it_came() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
    phone.from = "192.0.2.70:5060";
    let path = "Path: <sip:192.0.2.70;lr;received=10.0.0.9>\r\nPath: <sip:192.0.2.71;lr>\r\nRequire: path\r\n";
    let ok = phone.through(&mut desk, Sha256, &format!("{path}{CONTACT}"));
    assert_eq!((ok.word(), ok.header("Path"), ok.header("Supported")), ("200", "<sip:192.0.2.70;lr;received=10.0.0.9>", "path, outbound"));
    assert!(ok.text.contains("Path: <sip:192.0.2.71;lr>") && !ok.text.contains("Require"), "{}", ok.text);
    let binding = desk.endpoint.phones("sato").next().unwrap().clone();
    let to = Target { uri: binding.contact, flow: binding.flow, addr: binding.addr, routes: binding.path, user: Some(binding.user) };
    let dialog = desk.endpoint.new_dialog();
    let from = Identity { display: String::new(), user: "0440000000".to_owned() };
    desk.command(Command::Invite { dialog, to, from, sdp: Bytes::from(OFFER) });
    let invite = desk.one();
    assert_eq!(invite.to.to_string(), "192.0.2.70:5060");
    assert!(invite.text.starts_with("INVITE sip:sato@192.0.2.60:5062;line=1 SIP/2.0\r\n"), "{}", invite.text);
    assert!(invite.text.contains("Route: <sip:192.0.2.70;lr;received=10.0.0.9>\r\nRoute: <sip:192.0.2.71;lr>\r\n"), "{}", invite.text);
    // Longer than anybody's way.
    let endless = (0..200).map(|n| format!("Path: <sip:192.0.2.{n};lr>\r\n")).collect::<String>();
    assert_eq!(phone.through(&mut desk, Sha256, &format!("{endless}{CONTACT}")).word(), "400");
}
