//! Phones say where they are, and prove who they are.

use crate::common::phone::Phone;
use crate::common::*;
use crate::ways::on_two_ways;
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
    let nowhere =
        ["sip:sato@0.0.0.0:5060", "sip:sato@[::]", "sip:sato@255.255.255.255", "sip:sato@LocalHost", "sip:sato@pbx.localhost.:5060"];
    let elsewhere = ["sip:sato@192.0.2.60;maddr=127.0.0.1", "sip:sato@192.0.2.60;maddr=[::1]", "sip:sato@pbx.example;MADDR=192.0.2.1"];
    let here = ["sip:sato@127.0.0.1", "sip:sato@192.0.2.1:5060", "sip:sato@224.0.1.75", "sip:sato@[::1]:5062"];
    for contact in [&here[..], &nowhere, &elsewhere].concat() {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let answer = phone.through(&mut desk, Sha256, &format!("Contact: <{contact}>\r\n"));
        assert_eq!((answer.word(), places(&desk)), ("403", Vec::<String>::new()), "{contact}");
        let answer = phone.through(&mut desk, Sha256, &format!("Path: <{contact};lr>\r\n{CONTACT}"));
        assert_eq!((answer.word(), places(&desk)), ("403", Vec::<String>::new()), "{contact} as the proxy before it");
        let answer = phone.through(&mut desk, Sha256, &format!("Contact: <{contact}>;expires=0\r\n"));
        assert_eq!(answer.word(), "200", "{contact}");
        // Whom its connection or a proxy leads to need not know where it is.
        let connected = FlowId::connection(Transport::Tcp, 4);
        let request = phone.register(&format!("Contact: <{contact}>\r\n")).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        desk.receive_on(connected, PHONE, &Bytes::from(request));
        assert_eq!(desk.one().word(), if nowhere.contains(&contact) { "200" } else { "403" }, "{contact} by TCP");
        let answer = phone.through(&mut desk, Sha256, &format!("Path: <sip:192.0.2.70;lr>\r\nContact: <{contact}>\r\n"));
        assert_eq!(answer.word(), if nowhere.contains(&contact) { "200" } else { "403" }, "{contact} behind a proxy");
    }
    // What stands behind the first proxy is read by that, in a house of its own; and a proxy is called by SIP.
    let behind = [
        ("<sip:192.0.2.70;lr>, <sip:192.0.2.1;lr>", "200"),
        ("<sip:192.0.2.70;lr>, <sip:192.0.2.71;maddr=192.0.2.1;lr>", "200"),
        ("<tel:1>", "400"),
        ("<sip:192.0.2.70;lr>, <tel:1>", "400"),
        ("<sip:192.0.2.70;lr>, <sip:127.0.0.1:5070;lr>", "200"),
        ("<sip:192.0.2.70;maddr=192.0.2.71;lr>, <sip:localhost;lr>", "200"),
    ];
    for (path, status) in behind {
        let (mut desk, mut phone) = (Desk::new(), Phone::new("sato"));
        let answer = phone.through(&mut desk, Sha256, &format!("Path: {path}\r\n{CONTACT}"));
        assert_eq!((answer.word(), places(&desk).len()), (status, usize::from(status == "200")), "{path}");
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
        Target { uri: binding.contact, flow: binding.flow, addr: binding.addr, routes: Vec::new(), user: Some(binding.user), trunk: None },
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
    let to = Target {
        uri: binding.contact,
        flow: binding.flow,
        addr: binding.addr,
        routes: binding.path,
        user: Some(binding.user),
        trunk: None,
    };
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
