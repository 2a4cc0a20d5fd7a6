//! What a phone may ask in the middle of a call: to be put through (RFC 3515), and keys as messages; and the name of the session (RFC 7989).

use crate::common::*;
use bytes::Bytes;
use model::Digit;
use sip::{Command, Event, ReferTo};
use std::time::Duration;

/// An INFO of the caller.
fn info(branch: &str, cseq: u32, our_tag: &str, kind: &str, body: &str) -> String {
    let to = format!("<sip:0440000001@192.0.2.1>;tag={our_tag}");
    request("INFO", "sip:192.0.2.1:5060", branch, &to, cseq, "", body).replace("application/sdp", kind)
}

/// A REFER of the caller.
fn refer(branch: &str, cseq: u32, our_tag: &str, to: &str) -> String {
    let whole = format!("<sip:0440000001@192.0.2.1>;tag={our_tag}");
    request("REFER", "sip:192.0.2.1:5060", branch, &whole, cseq, &format!("Contact: <sip:caller@192.0.2.50>\r\n{to}"), "")
}

// ---- keys ------------------------------------------------------------------------------------------------------------------------

#[test]
fn a_key_may_come_as_a_message() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let key = |c: char| Digit::from_char(c).unwrap();
    for (n, (kind, body, digit, millis)) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", '5', 160),
        ("application/dtmf-relay", "Signal= *\nDuration= 250\n", '*', 250),
        ("Application/DTMF-Relay; x=y", "signal : 11", '#', 160),
        ("application/dtmf-relay", "Duration=99999999\r\nSignal=0\r\n", '0', 10_000),
        ("application/dtmf", "7", '7', 160),
        ("application/dtmf", " #\r\n", '#', 160),
        ("application/dtmf", "10", '*', 160),
    ]
    .into_iter()
    .enumerate()
    {
        desk.receive(&info(&format!("i{n}"), 2 + n as u32, &tag, kind, body));
        assert_eq!(desk.words(), ["200"], "{body}");
        assert_eq!(desk.events(), [Event::Digit { dialog, digit: key(digit), held: Duration::from_millis(millis) }], "{body}");
        desk.receive(&info(&format!("i{n}"), 2 + n as u32, &tag, kind, body));
        assert_eq!(desk.words(), ["200"]);
        assert!(desk.events().is_empty(), "a copy presses nothing");
    }
}

#[test]
fn a_message_that_is_no_key_presses_nothing() {
    let mut desk = Desk::new();
    let (_, tag) = desk.talking();
    for (n, (kind, body, status)) in [
        ("application/dtmf-relay", "", "200"),
        ("application/dtmf-relay", "Duration=160\r\n", "400"),
        ("application/dtmf-relay", "Signal=55\r\n", "400"),
        ("application/dtmf", "x", "400"),
        ("application/dtmf", "16", "400"),
        ("text/plain", "5", "415"),
    ]
    .into_iter()
    .enumerate()
    {
        desk.receive(&info(&format!("i{n}"), 2 + n as u32, &tag, kind, body));
        let answer = desk.one();
        assert_eq!(answer.word(), status, "{kind} {body}");
        assert_eq!(answer.header("Accept"), if status == "415" { "application/dtmf-relay, application/dtmf" } else { "" });
    }
    assert!(desk.events().is_empty());
}

/// RFC 6086 section 4.2.2; a package of keys is what it was before there were packages.
#[test]
fn a_package_that_we_have_not_asked_for_is_refused() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let with = |n: u32, package: &str| {
        let plain = info(&format!("i{n}"), 2 + n, &tag, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
        plain.replace("Content-Type", &format!("Info-Package: {package}\r\nContent-Type"))
    };
    desk.receive(&with(0, "g.3gpp.mcptt-info"));
    let answer = desk.one();
    assert_eq!((answer.word(), answer.text.contains("\r\nRecv-Info: \r\n")), ("469", true), "{}", answer.text);
    assert!(desk.events().is_empty());
    desk.receive(&with(1, "DTMF"));
    assert_eq!(desk.words(), ["200"]);
    assert_eq!(desk.events(), [Event::Digit { dialog, digit: Digit::from_char('5').unwrap(), held: Duration::from_millis(160) }]);
}

// ---- REFER, RFC 3515 -------------------------------------------------------------------------------------------------------------

/// Sections 2.4.2 and 2.4.4: 202, a NOTIFY at once, and one at the end, each with the status line of whoever was called.
#[test]
fn whoever_asks_to_be_put_through_hears_what_becomes_of_it() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    desk.receive(&refer("r", 2, &tag, "Refer-To: <sip:71@192.0.2.1>\r\n"));
    assert_eq!(desk.events(), [Event::Refer { dialog, to_user: "71".to_owned(), with: ReferTo::Fresh }]);
    desk.receive(&refer("r", 2, &tag, "Refer-To: <sip:71@192.0.2.1>\r\n"));
    assert!(desk.sent().is_empty() && desk.events().is_empty(), "a copy waits with the first");
    desk.command(Command::AnswerRefer { dialog, status: 202 });
    let sent = desk.sent();
    let [accepted, trying] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((accepted.word(), accepted.header("Contact")), ("202", "<sip:192.0.2.1:5060>"));
    assert_eq!(
        (trying.word(), trying.header("Event"), trying.header("Subscription-State")),
        ("NOTIFY", "refer;id=2", "active;expires=120")
    );
    assert_eq!((trying.header("Content-Type"), trying.message().body()), ("message/sipfrag;version=2.0", &b"SIP/2.0 100 Trying\r\n"[..]));
    assert_eq!((trying.header("CSeq"), trying.header("Contact")), ("1 NOTIFY", "<sip:192.0.2.1:5060>"));
    desk.receive(&response(trying, 200, "", ""));
    desk.receive(&refer("s", 3, &tag, "Refer-To: <sip:72@192.0.2.1>\r\n"));
    assert_eq!(desk.words(), ["491"], "one at a time");
    desk.command(Command::Notify { dialog, status: 200, over: true });
    let over = desk.one();
    assert_eq!((over.header("Subscription-State"), over.message().body()), ("terminated;reason=noresource", &b"SIP/2.0 200 OK\r\n"[..]));
    desk.command(Command::Notify { dialog, status: 200, over: true });
    assert!(desk.sent().is_empty(), "it is over");
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!(bye.header("CSeq"), "3 BYE");
    desk.receive(&response(&bye, 200, "", ""));
    desk.wait(64_000);
    desk.assert_quiet();
}

/// Section 2.4.1: exactly one Refer-To, which may have its compact name.
#[test]
fn a_refer_that_cannot_be_is_refused() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    for (n, to) in ["", "Refer-To: <sip:71@h>, <sip:72@h>\r\n", "Refer-To: <sip:71@h>\r\nr: <sip:72@h>\r\n", "Refer-To: <71\r\n"]
        .into_iter()
        .enumerate()
    {
        desk.receive(&refer(&format!("r{n}"), 2 + n as u32, &tag, to));
        assert_eq!(desk.one().text.lines().next().unwrap(), "SIP/2.0 400 Bad Request: broken Refer-To", "{to}");
    }
    // RFC 3515 section 2.1: the URI may ask for another method than INVITE. We call people, and do nothing else for anybody.
    for (n, method) in ["BYE", "bye", "MESSAGE", "%42YE", "INVITED", ""].into_iter().enumerate() {
        desk.receive(&refer(&format!("m{n}"), 10 + n as u32, &tag, &format!("Refer-To: <sip:11@10.9.0.1;method={method}>\r\n")));
        assert_eq!((desk.words(), desk.events()), (vec!["603".to_owned()], vec![]), "{method}");
    }
    desk.receive(&refer("i", 19, &tag, "Refer-To: <sip:71@h;method=%49nvite>\r\n"));
    assert_eq!(desk.events(), [Event::Refer { dialog, to_user: "71".to_owned(), with: ReferTo::Fresh }]);
    desk.command(Command::AnswerRefer { dialog, status: 403 });
    assert_eq!(desk.words(), ["403"]);
    desk.receive(&refer("s", 20, &tag, "r: tel:0440000071\r\n"));
    assert_eq!(desk.events(), [Event::Refer { dialog, to_user: "0440000071".to_owned(), with: ReferTo::Fresh }]);
    desk.command(Command::AnswerRefer { dialog, status: 403 });
    assert_eq!(desk.words(), ["403"]);
    desk.command(Command::Notify { dialog, status: 200, over: true });
    assert!(desk.sent().is_empty(), "nobody hears of what was refused");
    desk.receive(&refer("t", 21, &tag, "Refer-To: <sip:yuki@h?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\r\n"));
    assert_eq!(desk.events(), [Event::Refer { dialog, to_user: "yuki".to_owned(), with: ReferTo::Unknown }]);
    desk.receive(&inside("BYE", "b", 22, &tag));
    assert_eq!(desk.words(), ["200", "487"], "what is open is closed (RFC 3261 section 15.1.2)");
}

/// RFC 3891 section 3: the dialog is named as we know it, with our tag first; RFC 3515 section 2.1: its `;` and `=` are escaped.
#[test]
fn a_refer_names_another_dialog_by_call_id_and_both_tags() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    let state = desk.endpoint.dialog(dialog).unwrap();
    let (id, theirs) = (state.call_id.replace('@', "%40"), state.remote_tag.unwrap());
    let right = format!("Replaces={id}%3Bto-tag%3D{tag}%3Bfrom-tag%3D{theirs}");
    let headers = [
        (right.clone(), ReferTo::Joins(dialog)),
        (format!("Subject=x&{}", right.replace("Replaces", "rEPLACES")), ReferTo::Joins(dialog)),
        (format!("Replaces={id}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{tag}"), ReferTo::Unknown),
        (format!("Replaces=x%3Bto-tag%3D{tag}%3Bfrom-tag%3D{theirs}"), ReferTo::Unknown),
        (format!("{right}&{right}"), ReferTo::Unknown),
        ("Replaces=".to_owned(), ReferTo::Unknown),
        ("Subject=x".to_owned(), ReferTo::Unknown),
    ];
    for (n, (headers, with)) in headers.into_iter().enumerate() {
        desk.receive(&refer(&format!("r{n}"), 2 + n as u32, &tag, &format!("Refer-To: <sip:71@h?{headers}>\r\n")));
        assert_eq!(desk.events(), [Event::Refer { dialog, to_user: "71".to_owned(), with }], "{headers}");
        desk.command(Command::AnswerRefer { dialog, status: 603 });
        assert_eq!(desk.words(), ["603"]);
    }
}

#[test]
fn nobody_outside_a_call_can_have_us_call_somebody() {
    let mut desk = Desk::new();
    desk.receive(&request("REFER", "sip:0440000001@192.0.2.1", "r", "sip:0440000001@192.0.2.1", 1, "Refer-To: <sip:117@h>\r\n", ""));
    assert_eq!(desk.words(), ["403"]);
    assert!(desk.events().is_empty());
    desk.assert_quiet();
}

// ---- Replaces, RFC 3891 ----------------------------------------------------------------------------------------------------------

/// An INVITE of another phone that wants the place of a dialog.
fn replacing(branch: &str, call: &str, replaces: &str) -> String {
    invite(branch)
        .replace("Call-ID: c1", &format!("Call-ID: {call}"))
        .replace("Contact:", &format!("Require: replaces\r\n{replaces}Contact:"))
}

/// Section 3: a dialog is named by its Call-ID and both tags; what is none gets 481, what is established and was to be early only 486.
#[test]
fn whoever_wants_the_place_of_a_call_must_name_it_wholly() {
    let mut desk = Desk::new();
    let (dialog, tag) = desk.talking();
    for (n, (replaces, status)) in [
        (format!("Replaces: c9;to-tag={tag};from-tag=f1\r\n"), "481"),
        (format!("Replaces: c1;to-tag={tag};from-tag=f2\r\n"), "481"),
        ("Replaces: c1;to-tag=guessed;from-tag=f1\r\n".to_owned(), "481"),
        (format!("Replaces: c1;to-tag={tag}\r\n"), "400"),
        (format!("Replaces: c1;from-tag=f1;to-tag={tag}\r\nReplaces: c1;from-tag=f1;to-tag={tag}\r\n"), "400"),
        (format!("Replaces: c1;from-tag=f1;to-tag={tag};early-only\r\n"), "486"),
    ]
    .into_iter()
    .enumerate()
    {
        desk.receive(&replacing(&format!("x{n}"), &format!("d{n}"), &replaces));
        assert_eq!(desk.words(), [status], "{replaces}");
        assert!(desk.events().is_empty());
    }
    desk.receive(&replacing("y", "e1", &format!("Replaces: c1 ; from-tag=f1 ; to-tag={tag}\r\n")));
    let events = desk.events();
    assert!(matches!(events[..], [Event::Invite { replaces: Some(replaced), .. }] if replaced == dialog), "{events:?}");
    desk.sent();
    desk.command(Command::Bye { dialog });
    desk.sent();
    desk.receive(&replacing("z", "e2", &format!("Replaces: c1;from-tag=f1;to-tag={tag}\r\n")));
    assert_eq!(desk.words(), ["603"], "it is ending");
    let mut desk = Desk::new();
    let dialog = desk.called();
    desk.command(Command::Provisional { dialog, status: 180 });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive(&replacing("y", "e1", &format!("Replaces: c1;from-tag=f1;to-tag={tag}\r\n")));
    assert_eq!(desk.words(), ["481"], "who rings is not replaced");
    let mut desk = Desk::new();
    let (_, ours) = desk.calling();
    desk.receive_from(PHONE, &response(&ours, 180, "p1", ""));
    desk.events();
    desk.receive(&replacing("y", "e1", &format!("Replaces: {};from-tag=p1;to-tag={}\r\n", ours.header("Call-ID"), ours.tag_of_from())));
    assert_eq!((desk.words(), desk.events().len()), (vec!["603".to_owned()], 0), "which phone takes a call is for the queue to say");
}

// ---- Session-ID, RFC 7989 --------------------------------------------------------------------------------------------------------

const THEIRS: &str = "0123456789abcdef0123456789abcdef";

/// Sections 5 and 6: our half is the same in the whole call, theirs is repeated.
#[test]
fn a_session_has_one_name_on_its_whole_way() {
    let mut desk = Desk::new();
    let named = |text: String| {
        text.replacen("Max-Forwards", &format!("Session-ID: {THEIRS};remote=00000000000000000000000000000000\r\nMax-Forwards"), 1)
    };
    desk.receive(&named(invite("1")));
    let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
    let trying = desk.trying();
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    let sent = [trying, desk.one()];
    let id = sent[0].header("Session-ID").to_owned();
    let (ours, remote) = id.split_once(";remote=").unwrap();
    assert!(ours.len() == 32 && ours.bytes().all(|b| b.is_ascii_hexdigit()) && ours != THEIRS, "{id}");
    assert_eq!(remote, THEIRS);
    assert_eq!(sent[1].header("Session-ID"), id);
    desk.receive(&inside("ACK", "a", 1, &sent[1].to_tag()));
    desk.receive(&named(inside("OPTIONS", "o", 2, &sent[1].to_tag())));
    assert_eq!(desk.one().header("Session-ID"), id);
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().header("Session-ID"), id);

    let mut desk = Desk::new();
    desk.receive(&invite("1"));
    assert_eq!(desk.trying().header("Session-ID"), "", "nothing to whoever says nothing");
    for broken in ["", "xyz", "0123456789ABCDEF0123456789ABCDEF", "00000000000000000000000000000000"] {
        desk.receive(&request("OPTIONS", "sip:1@h", "o", "sip:1@h", 1, &format!("Session-ID: {broken}\r\n"), ""));
        assert_eq!(desk.one().header("Session-ID"), "", "{broken}");
    }

    let mut desk = Desk::new();
    let (dialog, invite) = desk.calling();
    let (ours, remote) = invite.header("Session-ID").split_once(";remote=").unwrap();
    assert_eq!(remote, "00000000000000000000000000000000");
    desk.receive_from(
        PHONE,
        &response(&invite, 200, "p1", OFFER).replace("Contact:", &format!("Session-ID: {THEIRS};remote={ours}\r\nContact:")),
    );
    assert_eq!(desk.one().header("Session-ID"), format!("{ours};remote={THEIRS}"));
    desk.command(Command::Bye { dialog });
    assert_eq!(desk.one().header("Session-ID"), format!("{ours};remote={THEIRS}"));
}

/// Section 6: somebody else may have the call there from now on.
#[test]
fn a_session_is_known_by_the_peer_s_newest_half() {
    const LATER: &str = "fedcba9876543210fedcba9876543210";
    let named = |text: String, theirs: &str| text.replacen("Max-Forwards", &format!("Session-ID: {theirs};remote=x\r\nMax-Forwards"), 1);
    let mut desk = Desk::new();
    desk.receive(&named(invite("1"), THEIRS));
    let [Event::Invite { dialog, .. }] = desk.events()[..] else { panic!() };
    desk.command(Command::Accept { dialog, sdp: Bytes::from(ANSWER) });
    let tag = desk.sent().pop().unwrap().to_tag();
    desk.receive(&inside("ACK", "a", 1, &tag));
    desk.receive(&named(inside("INFO", "i", 2, &tag), LATER));
    desk.sent();
    desk.command(Command::Bye { dialog });
    let bye = desk.one();
    assert_eq!(bye.header("Session-ID").split_once(";remote=").unwrap().1, LATER);
}

// ---- Reason, RFC 3326 --------------------------------------------------------------------------------------------------------------

#[test]
fn why_the_peers_network_ends_a_call_is_told_in_numbers_and_never_in_words() {
    use model::Cause;
    for (reason, cause) in [
        ("Reason: Q.850;cause=16;text=\"09012345678\"\r\n", Some(Cause::Q850(16))),
        ("Reason: SIP ;cause=487 ;text=\"x\"\r\n", Some(Cause::Sip(487))),
        ("reason: FOO;cause=1, q.850;cause=31\r\n", Some(Cause::Q850(31))),
        ("Reason: Q.850;cause=999\r\n", None),
        ("Reason: Q.850;cause=99999999999999999999\r\n", None),
        ("Reason: Q.850;text=\"16\"\r\n", None),
        ("Reason: ;;;=\r\n", None),
        ("", None),
    ] {
        let mut desk = Desk::new();
        let (dialog, tag) = desk.talking();
        desk.receive(&inside("BYE", "b", 2, &tag).replacen("CSeq:", &format!("{reason}CSeq:"), 1));
        let told: Vec<Event> =
            cause.map(|cause| Event::Cause { dialog, cause }).into_iter().chain([Event::Bye { dialog }, Event::Ended { dialog }]).collect();
        assert_eq!(desk.events(), told, "{reason}");
    }
}
