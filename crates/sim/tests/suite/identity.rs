//! Who calls, as the carrier tells it: believed where it is trusted, and never seen again where it is withheld.

use calls::City;
use model::{Event, LineId, Net, Withheld};
use sim::{Clerk, Resident, Town, World, town};
use std::sync::Arc;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The town with a ward's line; calls come in from a carrier that is trusted, or not. Agents may see numbers.
fn city(trusted: bool) -> Arc<City> {
    let city = town::with_outside(&Town::default().build());
    let mut book = (*city.book).clone();
    for line in book.lines.iter_mut().filter(|line| !line.from.is_empty()) {
        (line.id, line.trusted) = (LineId::from("ntt"), trusted);
        line.from.push(Net::parse("127.3.0.0/16").unwrap());
    }
    for queue in book.queues.values_mut() {
        queue.show_number = true;
    }
    Arc::new(City { book: Arc::new(book), ..city })
}

/// A resident calls through a network that changes the INVITE; what the nurse's display showed, and everything that was written down.
fn told(trusted: bool, carrier: fn(&str) -> String) -> (World, String, Vec<String>) {
    let mut world = World::new(city(trusted), 3);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(30)), ..Resident::default() });
    world.carrier(caller, carrier);
    world.run_until_quiet(secs(3600));
    // The phone does not know what the network has made of its name.
    let violations: Vec<String> = world.violations().into_iter().filter(|v| !v.contains("to our INVITE with another From")).collect();
    assert_eq!(violations, [""; 0]);
    assert_eq!(world.records().len(), 1);
    let rang = world.told(yuki).find_map(|(_, e)| if let phone::Event::Incoming { from } = e { Some(from.clone()) } else { None });
    let rang = rang.expect("her phone rang");
    let records = world.ledger().records().map(|record| format!("{record:?}"));
    let written = records.chain(world.notes().map(|(_, event)| format!("{event:?}"))).collect();
    (world, rang, written)
}

/// The INVITE with more header lines.
fn with(invite: &str, lines: &str) -> String {
    invite.replacen("\r\nCSeq:", &format!("\r\n{lines}CSeq:"), 1)
}
/// A request of somebody unnamed, for a reason: only the INVITE says so.
fn unnamed(invite: &str, reason: &str) -> String {
    if !invite.starts_with("INVITE ") {
        return invite.to_owned();
    }
    let tag = invite.lines().find(|line| line.starts_with("From:")).and_then(|line| line.split("tag=").nth(1)).unwrap();
    let from = format!("From: \"{reason}\" <sip:anonymous@anonymous.invalid>;tag={}", tag.trim());
    let lines: Vec<&str> = invite.split("\r\n").map(|line| if line.starts_with("From:") { from.as_str() } else { line }).collect();
    with(&lines.join("\r\n"), "Privacy: id\r\nP-Asserted-Identity: <sip:+81440000099@ntt.example>\r\n")
}

#[test]
fn the_number_that_a_trusted_carrier_vouches_for_is_the_callers() {
    let carrier = |invite: &str| with(invite, "P-Asserted-Identity: <tel:+81440000099>\r\n");
    let (_, shown, written) = told(true, carrier);
    assert!(shown.contains("0440000099"), "{shown}");
    assert!(written.iter().any(|line| line.contains("044-***-**99")), "written down masked");
    assert_eq!(written.iter().find(|line| line.contains("440000099")), None, "never in clear");
    let (_, shown, _) = told(false, carrier);
    assert!(shown.contains("0801") && !shown.contains("0440000099"), "from anybody else it is ignored: {shown}");
}

#[test]
fn a_withheld_number_is_nowhere_and_its_reason_is_seen() {
    type Carrier = fn(&str) -> String;
    let reasons: [(Carrier, Withheld, &str, &str); 4] = [
        (|invite| unnamed(invite, "Anonymous"), Withheld::ByCaller, "by_caller", "number withheld"),
        (|invite| unnamed(invite, "Unavailable"), Withheld::Unavailable, "unavailable", "number unavailable"),
        (|invite| unnamed(invite, "Interaction with other service"), Withheld::OtherService, "other_service", "number hidden by a service"),
        (|invite| unnamed(invite, "Coin line/payphone"), Withheld::Payphone, "payphone", "payphone"),
    ];
    for trusted in [true, false] {
        for (carrier, why, word, seen) in reasons {
            let (world, shown, written) = told(trusted, carrier);
            assert!(shown.contains(seen), "{shown}");
            assert!(world.notes().any(|(_, e)| matches!(e, Event::Withheld { why: told, .. } if *told == why)), "{word}");
            assert_eq!(world.records()[0].caller, word);
            assert_eq!(world.records()[0].person, None, "nobody is made of it");
            assert_eq!(written.iter().chain([&shown]).find(|line| line.contains("0440000099") || line.contains("440000099")), None);
        }
    }
}

/// A carrier that would show the number and has none to show (`Privacy: none`) still says why.
#[test]
fn a_number_that_nobody_withholds_and_that_is_not_there_has_its_reason() {
    let carrier: fn(&str) -> String = |invite| {
        let unnamed = unnamed(invite, "Coin line/payphone").replace("Privacy: id", "Privacy: none");
        let lines: Vec<&str> = unnamed.split("\r\n").filter(|line| !line.starts_with("P-Asserted-Identity")).collect();
        lines.join("\r\n")
    };
    let (world, shown, _) = told(true, carrier);
    assert_eq!((shown.contains("payphone"), world.records()[0].caller.as_str()), (true, "payphone"), "{shown}");
}

#[test]
fn a_call_that_a_ward_sent_on_says_so() {
    let carrier: fn(&str) -> String = |invite| {
        with(invite, &format!("Diversion: <sip:{}@ntt.example>;reason=no-answer, <tel:09087654321>;reason=unconditional\r\n", town::WARD))
    };
    let (world, shown, written) = told(true, carrier);
    assert!(shown.contains("from ward"), "{shown}");
    let first: Vec<&str> =
        world.notes().filter_map(|(_, e)| if let Event::CalledFirst { line, .. } = e { Some(line.as_str()) } else { None }).collect();
    assert_eq!(first, ["ward"]);
    assert!(written.iter().any(|line| line.contains("called_first: Some") && line.contains("Arrived")), "the journal has it");
    assert_eq!(written.iter().find(|line| line.contains("9087654321")), None, "whoever else sent it on is forgotten");
    let (world, shown, _) = told(false, carrier);
    assert!(!shown.contains("from ward") && !world.notes().any(|(_, e)| matches!(e, Event::CalledFirst { .. })), "{shown}");
}

#[test]
fn the_number_that_was_dialled_is_where_the_carrier_tells_it() {
    // The Request-URI names our line, as a carrier writes it to a line that has registered.
    let carrier: fn(&str) -> String = |invite| {
        let invite = invite.replacen(&format!("INVITE sip:{}@", town::NUMBER), "INVITE sip:line-7@", 1);
        with(&invite, &format!("P-Called-Party-ID: <sip:+81{}@ntt.example>\r\n", &town::NUMBER[1..]))
    };
    let (world, _, _) = told(true, carrier);
    assert_eq!(world.records()[0].number.as_str(), town::NUMBER);
}

/// The wish comes with the ACK, after the call has begun under its number, and before anybody is rung.
#[test]
fn a_number_that_is_withheld_in_mid_call_is_not_seen_from_then_on() {
    let number = "0801";
    let (_, shown, _) = told(true, |request| request.to_owned());
    assert!(shown.contains(number), "{shown}");
    let (world, shown, written) =
        told(true, |request| if request.starts_with("ACK ") { with(request, "Privacy: id\r\n") } else { request.to_owned() });
    assert!(shown.contains("number withheld") && !shown.contains(number), "{shown}");
    assert!(world.notes().any(|(_, e)| matches!(e, Event::Withheld { why: Withheld::ByCaller, .. })));
    let record = &world.records()[0];
    assert_eq!((record.caller.as_str(), &record.person), ("by_caller", &None));
    let masked: Vec<&String> = written.iter().filter(|line| line.contains("080-***")).collect();
    assert!(masked.iter().all(|line| line.contains("Arrived")), "what was written before, and nothing after: {masked:?}");
}

/// Whoever takes the caller's place may be unnamed, and so the call is from then on. What is written of it names nobody by its Call-ID either.
#[test]
fn a_colleague_who_is_unnamed_takes_the_callers_place() {
    for unnamed in [false, true] {
        let mut world = World::new(city(true), 1);
        world.add_clerk(secs(0), "yuki", Clerk::default());
        let secretary = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(100)), ..Resident::default() });
        let head = world.add_resident(secs(3000), Resident { talk: Some(secs(100)), ..Resident::default() });
        let carrier: fn(&str) -> String =
            |request| if request.starts_with("INVITE ") { with(request, "Privacy: id\r\n") } else { request.to_owned() };
        if unnamed {
            world.carrier(head, carrier);
        }
        world.run_until(secs(40));
        let replaces = world.phone(secretary).unwrap().replaces().unwrap();
        world.at(secs(40), head, phone::Command::DialReplacing { uri: format!("sip:{}@127.0.0.1", town::NUMBER), replaces });
        world.run_until(secs(50));
        assert!(world.phone(head).unwrap().is_connected());
        world.at(secs(60), head, phone::Command::HangUp);
        world.run_until(secs(600));
        assert_eq!(world.records()[0].caller == "by_caller", unnamed);
    }
}

/// The Call-ID of whoever takes a place is theirs to choose, and is written down as that of a call is.
#[test]
fn a_call_id_that_takes_the_callers_place_names_nobody() {
    let mut world = World::new(city(true), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let caller = world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(100)), ..Resident::default() });
    world.run_until(secs(40));
    let replaces = world.phone(caller).unwrap().replaces().unwrap();
    let (place, call_id) = ("127.1.77.7:5060", "08055570502-1@08055570502.h");
    let message = |method: &str, to_tag: &str, more: &str, body: &str| {
        format!(
            "{method} sip:{}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:head@{place}>;tag=h\r\nTo: <sip:{}@127.0.0.1>{to_tag}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:head@{place}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            town::NUMBER,
            town::NUMBER,
            body.len()
        )
    };
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.1.77.7\r\ns=-\r\nc=IN IP4 127.1.77.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let invite = message("INVITE", "", &format!("Replaces: {replaces}\r\nContent-Type: application/sdp\r\n"), sdp);
    world.inject(secs(40), place.parse().unwrap(), invite.as_bytes());
    world.run_until(secs(42));
    let ok = world.mail(place.parse().unwrap()).rfind(|mail| mail.starts_with("SIP/2.0 200 ")).expect("it is answered");
    let tag = ok.lines().find(|line| line.starts_with("To:")).and_then(|line| line.split(";tag=").nth(1)).unwrap().to_owned();
    world.inject(secs(42), place.parse().unwrap(), message("ACK", &format!(";tag={tag}"), "", "").as_bytes());
    world.run_until(secs(50));
    assert!(!world.phone(caller).unwrap().is_in_call(), "the place is taken");
    let written: Vec<String> = world.ledger().records().map(|record| format!("{record:?}")).collect();
    assert_eq!(written.iter().find(|record| record.contains("8055570502")), None);
    assert_eq!(written.iter().filter(|record| record.starts_with("Dialog")).count(), 2);
}
