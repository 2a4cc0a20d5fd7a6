//! Who is heard at all, and how many calls are taken: strangers, crowds, one caller who fills the lines, guessers of passwords.

use calls::City;
use model::{CallEnd, Event, LineId, Net, OfferEnd, Refusal};
use sim::{Clerk, Resident, Town, World, town};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The town, changed; calls come from an office outside this machine, too.
fn city(change: impl FnOnce(&mut flow::Book)) -> Arc<City> {
    let city = Town::default().build();
    let mut book = (*city.book).clone();
    let office = model::Line { id: LineId::from("office"), from: vec![Net::parse("203.0.113.0/24").unwrap()], ..model::Line::default() };
    book.lines.push(office);
    change(&mut book);
    Arc::new(City { book: Arc::new(book), ..(*city).clone() })
}

fn count(world: &World, what: impl Fn(&Event) -> bool) -> usize {
    world.notes().filter(|(_, e)| what(e)).count()
}

fn request(method: &str, from: SocketAddr, n: u64, user: &str, extra: &str) -> String {
    let sdp = format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", from.ip());
    let (typed, body) = if method == "INVITE" { ("Content-Type: application/sdp\r\n", sdp.as_str()) } else { ("", "") };
    let to = if method == "REGISTER" { user } else { town::NUMBER };
    format!(
        "{method} sip:{to}@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@{from}>;tag=t{n}\r\nTo: <sip:{to}@127.0.0.1:5060>\r\nCall-ID: c{n}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:{user}@{from}>\r\n{extra}{typed}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn the_first_stranger_of_each_hour_is_named_and_the_others_are_counted() {
    let mut world = World::new(city(|_| {}), 1);
    for n in 0..200 {
        let stranger: SocketAddr = format!("198.51.100.{n}:5060").parse().unwrap();
        world.inject(secs(30 * n), stranger, request("OPTIONS", stranger, n, "x", "").as_bytes());
    }
    world.run_until(secs(6_100));
    let named: Vec<String> =
        world.notes().filter_map(|(_, e)| if let Event::StrangerNamed { from } = e { Some(from.to_string()) } else { None }).collect();
    assert_eq!(named, ["198.51.100.0", "198.51.100.120"]);
    assert_eq!(count(&world, |e| matches!(e, Event::Stranger)), 200);
    assert_eq!(count(&world, |e| matches!(e, Event::SipResponse { .. })), 0);
}

#[test]
fn who_would_have_us_send_to_ourselves_is_counted_and_the_first_of_each_hour_is_named() {
    let mut world = World::new(city(|book| book.settings.addresses.push("203.0.113.9".parse().unwrap())), 1);
    let pbx: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    for n in 0..4 {
        let call = request("INVITE", pbx, n, "0441110000", "");
        // By turns the Contact and the sound.
        let (named, ours) = match n % 2 {
            0 => (format!("<sip:0441110000@{pbx}>\r\nContent-Type"), "<sip:x@127.0.0.1:8080>\r\nContent-Type"),
            _ => (format!("c=IN IP4 {}", pbx.ip()), "c=IN IP4 203.0.113.9"),
        };
        let aimed = call.replace(&named, ours);
        assert_ne!(aimed, call);
        world.inject(secs(1_300 * n), pbx, aimed.as_bytes());
    }
    world.run_until(secs(4_000));
    let named: Vec<String> =
        world.notes().filter_map(|(_, e)| if let Event::AimedAtUs { from } = e { Some(from.to_string()) } else { None }).collect();
    assert_eq!(named, ["203.0.113.5", "203.0.113.5"]);
    assert_eq!(count(&world, |e| matches!(e, Event::Refused { why: Refusal::AimedAtUs, .. })), 4);
    let answered = |status: u16| count(&world, |e| matches!(e, Event::InviteDone { status: s, .. } if *s == status));
    assert_eq!((answered(488), count(&world, |e| matches!(e, Event::Arrived { .. }))), (2, 0));
}

#[test]
fn one_number_does_not_fill_the_lines_and_who_withholds_theirs_is_not_turned_away() {
    let callers = |number: &str, more: fn(&mut flow::Book)| {
        let mut world = World::new(city(more), 2);
        for n in 0..4 {
            world.add_resident(
                secs(5 + n),
                Resident { number: Some(number.to_owned()), talk: None, patience: secs(60), ..Resident::default() },
            );
        }
        world.run_until_quiet(secs(3600));
        assert_eq!(world.violations(), [""; 0]);
        (
            count(&world, |e| matches!(e, Event::Arrived { .. })),
            count(&world, |e| matches!(e, Event::Refused { why: Refusal::SameNumber, .. })),
        )
    };
    assert_eq!(callers("09011112222", |_| {}), (2, 2));
    assert_eq!(callers("09011112222", |book| book.settings.calls_per_number = 3), (3, 1));
    assert_eq!(callers("anonymous", |_| {}), (4, 0));
    assert_eq!(callers("05011112222", |_| {}), (4, 0), "the relay service for the deaf has numbers like this one");
    // One after the other is nobody's harm.
    let mut world = World::new(city(|_| {}), 2);
    for n in 0..4 {
        let number = Some("09011112222".to_owned());
        world.add_resident(secs(5 + 100 * n), Resident { number, patience: secs(20), ..Resident::default() });
    }
    world.run_until_quiet(secs(3600));
    assert_eq!(count(&world, |e| matches!(e, Event::Arrived { .. })), 4);
}

#[test]
fn a_crowd_at_the_door_is_turned_away_and_who_is_inside_is_served() {
    let mut world = World::new(city(|book| book.settings.calls_per_second = Some(10)), 3);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(60)), ..Resident::default() });
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    for n in 0..2_000 {
        let invite = request("INVITE", office, n, &format!("044{n:07}"), "");
        world.inject(secs(30) + millis(n * 10), office, invite.as_bytes());
    }
    world.run_until(secs(51));
    let (came, refused) = (
        count(&world, |e| matches!(e, Event::Arrived { .. })),
        count(&world, |e| matches!(e, Event::Refused { why: Refusal::TooFast, .. })),
    );
    assert_eq!(came + refused, 2_001);
    assert!((200..=225).contains(&came), "ten in a second for twenty seconds: {came}");
    world.run_until_quiet(secs(3600));
    let served = world.records().iter().filter(|record| record.end == CallEnd::Served).count();
    assert_eq!(served, 1, "the caller inside was served to the end");

    // The same limit for one line alone.
    let mut world = World::new(city(|book| book.lines.last_mut().unwrap().calls_per_second = Some(2)), 3);
    for n in 0..100 {
        world.inject(secs(30) + millis(n * 100), office, request("INVITE", office, n, &format!("044{n:07}"), "").as_bytes());
    }
    world.run_until(secs(41));
    let came = count(&world, |e| matches!(e, Event::Arrived { .. }));
    assert!((19..=23).contains(&came), "two in a second: {came}");
    world.run_until_quiet(secs(3600));
}

/// A telephone of the house, or whoever borrows its address, does not have the door closed to the carrier's callers.
#[test]
fn half_of_a_seconds_calls_is_kept_for_carriers() {
    let carrier: SocketAddr = "198.51.100.5:5060".parse().unwrap();
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let came = |trusted: bool| {
        let net = vec![Net::parse("198.51.100.0/24").unwrap()];
        let line = model::Line { id: LineId::from("carrier"), from: net, trusted, ..model::Line::default() };
        let town = city(|book| {
            book.settings.calls_per_second = Some(10);
            book.lines.push(line);
        });
        let mut world = World::new(town, 3);
        for n in 0..1_000 {
            world.inject(secs(30) + millis(n * 10), office, request("INVITE", office, n, &format!("044{n:07}"), "").as_bytes());
        }
        for n in 1_000..1_030 {
            let invite = request("INVITE", carrier, n, &format!("044{n:07}"), "");
            world.inject(secs(31) + millis((n - 1_000) * 250), carrier, invite.as_bytes());
        }
        world.run_until(secs(41));
        let from = |wanted: &str| count(&world, |e| matches!(e, Event::Arrived { line, .. } if line.as_str() == wanted));
        let came = (from("carrier"), from("office"));
        world.run_until_quiet(secs(3600));
        came
    };
    let (calls, others) = came(true);
    assert_eq!(calls, 30, "every call of the carrier is taken");
    assert!((50..=60).contains(&others), "five in a second for ten seconds: {others}");
    assert!(came(false).0 < 20, "where nobody is trusted, nothing is kept for anybody");
}

/// The tag of To in the last answer that came there.
fn their_tag(world: &World, at: SocketAddr) -> String {
    let answer = world.mail(at).rev().find(|text| text.starts_with("SIP/2.0 200 ")).unwrap_or_default();
    let to = answer.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
    to.split(";tag=").nth(1).unwrap_or_default().to_owned()
}

/// The same dialog, a later request.
fn later(request: &str, method: &str, cseq: u64, tag: &str) -> String {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().map(|line| match line.split(':').next().unwrap_or_default() {
        "To" => format!("{line};tag={tag}"),
        "CSeq" => format!("CSeq: {cseq} {method}"),
        "Via" => format!("{}{cseq}", line.replace(";rport", "")),
        "Content-Length" => "Content-Length: 0".to_owned(),
        "Content-Type" => "X: y".to_owned(),
        _ if line.starts_with("INVITE ") => line.replacen("INVITE", method, 1),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\r\n") + "\r\n\r\n"
}

#[test]
fn a_call_outlives_its_line_in_the_file_and_nothing_else_of_it_does() {
    let with = city(|_| {});
    let mut world = World::new(Arc::clone(&with), 8);
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let invite = request("INVITE", office, 1, "0449990001", "");
    world.inject(secs(1), office, invite.as_bytes());
    world.run_until(secs(2));
    let tag = their_tag(&world, office);
    world.inject(secs(2), office, later(&invite, "ACK", 1, &tag).as_bytes());
    let mut book = (*with.book).clone();
    book.lines.retain(|line| line.id != LineId::from("office"));
    world.control(secs(3), calls::Control::Publish(Arc::new(City { book: Arc::new(book), ..(*with).clone() })));
    world.inject(secs(5), office, request("OPTIONS", office, 2, "x", "").as_bytes());
    world.inject(secs(6), office, request("INVITE", office, 3, "0449990002", "").as_bytes());
    world.inject(secs(7), office, later(&invite, "BYE", 2, &tag).as_bytes());
    world.run_until(secs(8));
    assert!(world.mail(office).any(|text| text.starts_with("SIP/2.0 200 ") && text.contains("CSeq: 2 BYE")), "the BYE is answered");
    assert_eq!(world.records().len(), 1, "and the call is over");
    assert_eq!(count(&world, |e| matches!(e, Event::Stranger)), 2);
    assert_eq!(count(&world, |e| matches!(e, Event::Arrived { .. })), 1);
}

/// RFC 3264 section 8: the version of our description grows by one when it says something else, and only then.
#[test]
fn the_version_of_our_description_grows_when_it_changes_and_only_then() {
    let mut world = World::new(city(|_| {}), 8);
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let invite = request("INVITE", office, 1, "0449990001", "");
    let offer = invite.split_once("\r\n\r\n").unwrap().1;
    world.inject(secs(1), office, invite.as_bytes());
    world.run_until(secs(2));
    let tag = their_tag(&world, office);
    world.inject(secs(2), office, later(&invite, "ACK", 1, &tag).as_bytes());
    let held = offer.replace("m=audio", "a=sendonly\r\nm=audio");
    let other = offer.replace("RTP/AVP 0", "RTP/AVP 9");
    let mut seen = Vec::new();
    for (cseq, offer) in
        [(2, offer), (3, offer), (4, other.as_str()), (5, other.as_str()), (6, held.as_str()), (7, held.as_str()), (8, offer)]
    {
        let head = later(&invite, "INVITE", cseq, &tag).replace("X: y", "Content-Type: application/sdp");
        let text = head.trim_end().replace("Content-Length: 0", &format!("Content-Length: {}", offer.len())) + "\r\n\r\n" + offer;
        world.inject(secs(2 * cseq), office, text.as_bytes());
        world.run_until(secs(2 * cseq + 1));
        world.inject(secs(2 * cseq + 1), office, later(&invite, "ACK", cseq, &tag).as_bytes());
        let answer = world.mail(office).rev().find(|text| text.contains(&format!("CSeq: {cseq} INVITE"))).unwrap();
        let version = answer.lines().find_map(|line| line.strip_prefix("o=")).and_then(|line| line.split(' ').nth(2)).map(str::to_owned);
        seen.push((answer.split(' ').nth(1).unwrap().to_owned(), version));
    }
    let expected = [("200", 1), ("200", 1), ("488", 0), ("488", 0), ("200", 2), ("200", 2), ("200", 3)];
    let expected: Vec<_> = expected.iter().map(|(status, v)| (status.to_string(), (*v > 0).then(|| v.to_string()))).collect();
    assert_eq!(seen, expected);
}

#[test]
fn the_ngn_is_answered_with_the_one_codec_that_it_takes() {
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let answered = |profile: model::Profile, offer: &str| {
        let mut world = World::new(
            city(|book| {
                let line = book.lines.last_mut().expect("the office is the last");
                line.trunk = Some(model::Trunk { profile, ..model::Trunk::plain(office, 5) });
            }),
            9,
        );
        let invite = request("INVITE", office, 1, "0449990001", "").replace("RTP/AVP 0", &format!("RTP/AVP {offer}"));
        let length = invite.split("\r\n\r\n").nth(1).map_or(0, str::len);
        let invite = invite
            .lines()
            .map(|l| if l.starts_with("Content-Length") { format!("Content-Length: {length}\r\n") } else { format!("{l}\r\n") });
        world.inject(secs(1), office, invite.collect::<String>().as_bytes());
        world.run_until(secs(2));
        let last = world.mail(office).rev().find(|text| !text.starts_with("SIP/2.0 1")).unwrap_or_default();
        let codec = last.split("RTP/AVP ").nth(1).and_then(|formats| formats.split_whitespace().next()).unwrap_or("none").to_owned();
        (last.get(8..11).unwrap_or_default().to_owned(), codec)
    };
    let both = |status: &str, codec: &str| (status.to_owned(), codec.to_owned());
    assert_eq!(answered(model::Profile::Plain, "8 0"), both("200", "8"));
    assert_eq!(answered(model::Profile::NttHikari, "8 0"), both("200", "0"));
    assert_eq!(answered(model::Profile::NttHikari, "8"), both("488", "none"));
}

#[test]
fn a_carrier_with_which_we_registered_may_call_us() {
    let carrier: SocketAddr = "203.0.113.77:5060".parse().unwrap();
    let came = |registers: bool| {
        let register = registers.then(|| model::Register {
            user: town::NUMBER.to_owned(),
            domain: None,
            login: None,
            realm: None,
            password_file: None,
            expires: secs(3600),
            digest: Vec::new(),
        });
        let mut world = World::new(
            city(|book| {
                let line = book.lines.last_mut().expect("the office is the last");
                (line.from, line.trunk) = (Vec::new(), Some(model::Trunk { register, ..model::Trunk::plain(carrier, 5) }));
            }),
            10,
        );
        world.inject(secs(1), carrier, request("INVITE", carrier, 1, "0449990001", "").as_bytes());
        world.run_until(secs(2));
        count(&world, |e| matches!(e, Event::Arrived { .. }))
    };
    assert_eq!((came(true), came(false)), (1, 0));
}

/// A REGISTER with a wrong password, in answer to this challenge.
fn guess(from: SocketAddr, n: u64, user: &str, nonce: &str) -> String {
    let realm = &Town::default().build().book.settings.realm;
    let extra = format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:x\", response=\"{n:064x}\", algorithm=SHA-256, \
         cnonce=\"c\", qop=auth, nc=00000001\r\n"
    );
    request("REGISTER", from, n, user, &extra)
}

/// The nonce of the last challenge that came there.
fn challenged(world: &World, at: SocketAddr) -> Option<String> {
    let last = world.mail(at).rev().find(|text| text.starts_with("SIP/2.0 401 "))?;
    Some(last.split("nonce=\"").nth(1)?.split('"').next()?.to_owned())
}

/// Asks for a challenge and answers it wrongly, `times` times, one each second.
fn guesses(world: &mut World, from: SocketAddr, begin: u64, times: u64) {
    for n in 0..times {
        let at = begin + 2 * n;
        world.inject(secs(at), from, request("REGISTER", from, 10_000 + at, "yuki", "").as_bytes());
        world.run_until(secs(at) + millis(900));
        let nonce = challenged(world, from).unwrap_or_default();
        world.inject(secs(at + 1), from, guess(from, 20_000 + at, "yuki", &nonce).as_bytes());
        world.run_until(secs(at + 1) + millis(900));
    }
}

/// INVITEs that nobody acknowledges, from addresses that somebody borrows: the city has places for all others.
#[test]
fn who_never_acknowledges_does_not_fill_the_city() {
    const MAX: u32 = 100;
    let mut world = World::new(city(|book| book.settings.calls_max = MAX), 7);
    let thief: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    // 100 in the first second, then 20 each second for a minute; the 200 would be repeated for 32 s.
    for n in 0..100u64 {
        world.inject(secs(5) + millis(10 * n), thief, request("INVITE", thief, n, &format!("044{n:07}"), "").as_bytes());
    }
    for n in 0..1_200u64 {
        world.inject(secs(6) + millis(50 * n), thief, request("INVITE", thief, 1_000 + n, &format!("044{:07}", 1_000 + n), "").as_bytes());
    }
    for n in 0..30 {
        world.add_resident(secs(7 + 2 * n), Resident { patience: secs(20), ..Resident::default() });
    }
    world.run_until(secs(200));
    let refused = count(&world, |e| matches!(e, Event::Refused { why: Refusal::Full, .. }));
    assert!(refused >= 60, "most of the first hundred find no room: {refused}");
    let named = world.records().iter().filter(|record| record.end != CallEnd::CallerVanished).count();
    assert_eq!(named, 30, "every caller who is there is answered");
    assert!(world.records().iter().all(|record| record.end != CallEnd::InternalError));
}

#[test]
fn who_guesses_passwords_gets_no_answer_for_a_while() {
    let mut world = World::new(city(|_| {}), 4);
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    guesses(&mut world, office, 10, 15);
    assert_eq!(count(&world, |e| matches!(e, Event::SourceBanned { .. })), 1);
    assert_eq!(count(&world, |e| matches!(e, Event::AuthenticationFailed { challenged: true })), 10);
    assert_eq!(count(&world, |e| matches!(e, Event::Banned)), 10);
    // Neither empty lines in front nor a tag in the wrong place nor another method open the door to a guess.
    let sly = guess(office, 902, "yuki", "n");
    world.inject(secs(50), office, format!("\r\n\r\n{sly}").as_bytes());
    let to = "To: <sip:yuki@127.0.0.1:5060";
    world.inject(secs(51), office, guess(office, 903, "yuki", "n").replace(&format!("{to}>"), &format!("{to};tag=x>")).as_bytes());
    world.inject(secs(51), office, guess(office, 904, "yuki", "n").replace(&format!("{to}>"), &format!("{to}>;tag=x")).as_bytes());
    for name in ["Authorization: ", "Proxy-Authorization: "] {
        let invite = request("INVITE", office, 905, "yuki", &format!("{name}Digest username=\"yuki\"\r\n"));
        world.inject(secs(52), office, invite.as_bytes());
    }
    world.run_until(secs(60));
    assert_eq!(count(&world, |e| matches!(e, Event::Banned)), 15);
    // A resident behind the same router needs no password, and calls.
    world.inject(secs(70), office, request("INVITE", office, 906, "0449999999", "").as_bytes());
    world.run_until(secs(80));
    assert_eq!(count(&world, |e| matches!(e, Event::Arrived { .. })), 1);
    // Nobody else suffers, and it ends.
    let other: SocketAddr = "203.0.113.6:5060".parse().unwrap();
    world.inject(secs(101), other, request("REGISTER", other, 900, "yuki", "").as_bytes());
    world.inject(secs(640), office, request("REGISTER", office, 901, "yuki", "").as_bytes());
    world.run_until(secs(700));
    assert!(challenged(&world, other).is_some());
    assert!(world.mail(office).any(|text| text.starts_with("SIP/2.0 401 ") && text.contains("\r\nCall-ID: c901\r\n")));
}

/// A trunk that a reload takes out is at an address that no line lists any more: its answer to our last REGISTER is heard all the same, or it would keep sending
/// us calls.
#[test]
fn a_trunk_that_is_taken_out_is_signed_off_though_nobody_lists_it_any_more() {
    let carrier: SocketAddr = "198.51.100.80:5060".parse().unwrap();
    let register = model::Register {
        user: "0440000000".to_owned(),
        domain: None,
        login: None,
        realm: Some("carrier".to_owned()),
        password_file: Some("carrier".to_owned()),
        expires: secs(3600),
        digest: vec![model::DigestAlgorithm::Sha256],
    };
    let with = |trunks: bool| {
        let id = LineId::from("ntt");
        let trunk = model::Trunk { register: Some(register.clone()), ..model::Trunk::plain(carrier, 9) };
        let mut city = (*city(|book| {
            book.lines.extend(trunks.then(|| model::Line { id: id.clone(), trunk: Some(trunk), ..model::Line::default() }));
        }))
        .clone();
        city.passwords.insert(id, model::Secret::new("himitsu".to_owned()));
        Arc::new(city)
    };
    let last = |world: &World| world.mail(carrier).rfind(|text| text.starts_with("REGISTER ")).expect("it is registered with");
    let answers = |world: &mut World, status: &str, lines: &str| {
        let echo = last(world)
            .lines()
            .filter(|line| ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(name)))
            .fold(String::new(), |text, line| text + line + "\r\n");
        let text = format!("SIP/2.0 {status} X\r\n{echo}{lines}Content-Length: 0\r\n\r\n");
        world.inject(world.now().since(model::Instant::ZERO), carrier, text.as_bytes());
    };
    let mut world = World::new(with(true), 4);
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    world.inject(secs(1), office, request("OPTIONS", office, 1, "x", "").as_bytes());
    world.run_until(secs(2));
    answers(&mut world, "200", "Expires: 3600\r\n");
    world.run_until(secs(3));
    world.control(secs(4), calls::Control::Publish(with(false)));
    world.run_until(secs(5));
    assert!(last(&world).contains("Expires: 0\r\n") && !last(&world).contains("Authorization"));
    answers(&mut world, "401", "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n");
    world.run_until(secs(6));
    assert!(last(&world).contains("Expires: 0\r\n") && last(&world).contains("Authorization"), "{}", last(&world));
    answers(&mut world, "200", "");
    world.run_until(secs(7));
    // And nothing else of it: not a question, and no answer once all is said.
    assert_eq!(count(&world, |e| matches!(e, Event::Stranger)), 0);
    answers(&mut world, "200", "");
    world.inject(secs(8), carrier, request("OPTIONS", carrier, 1, "x", "").as_bytes());
    world.run_until(secs(9));
    assert_eq!(count(&world, |e| matches!(e, Event::Stranger)), 2);
}

/// The sim's persons live in 127.1.0.0/16, the first of them at its first address.
#[test]
fn an_agents_phone_does_not_aim_our_sound_at_this_machine_unless_its_line_may() {
    for (loopback, how) in [(true, OfferEnd::Answered), (false, OfferEnd::Declined)] {
        let nets = |all: &[&str]| all.iter().map(|net| Net::parse(net).unwrap()).collect::<Vec<Net>>();
        let with = |loopback| {
            city(|book| {
                book.lines.retain(|line| line.id.as_str() == "office");
                let desk = model::Line { id: LineId::from("desk"), from: nets(&["127.1.0.1/32"]), loopback, ..model::Line::default() };
                let hall =
                    model::Line { id: LineId::from("hall"), from: nets(&["127.1.0.2/32"]), loopback: true, ..model::Line::default() };
                book.lines.extend([desk, hall]);
            })
        };
        // While it registers there, it still may.
        let mut world = World::new(with(true), 6);
        world.add_clerk(secs(0), "yuki", Clerk::default());
        world.control(secs(3), calls::Control::Publish(with(loopback)));
        let caller = Resident { keys: "WWWW1".to_owned(), talk: Some(secs(20)), patience: secs(40), ..Resident::default() };
        world.add_resident(secs(5), caller);
        world.run_until(secs(24));
        let first = world.notes().find_map(|(_, e)| if let Event::OfferEnded { how, .. } = e { Some(*how) } else { None });
        assert_eq!(first, Some(how), "loopback: {loopback}");
        world.run_until_quiet(secs(3600));
    }
}

#[test]
fn what_a_network_says_when_it_gives_up_and_which_line_was_called_first_are_in_the_record() {
    let ward =
        town::with_outside(&Town::default().build()).book.lines.iter().find_map(|line| Some((line.clone(), line.target.clone()?))).unwrap();
    let number = ward.1.number.as_str().to_owned();
    let city = city(|book| {
        book.lines.last_mut().unwrap().trusted = true;
        book.lines.push(ward.0.clone());
    });
    let mut world = World::new(city, 7);
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let invite = request("INVITE", office, 1, "0449999999", &format!("Diversion: <sip:{number}@c>\r\n"));
    let cancel = request("CANCEL", office, 1, "0449999999", "Reason: Q.850;cause=16;text=\"for 0449999999\"\r\n")
        .replacen("branch=z9hG4bKCANCEL1", "branch=z9hG4bKINVITE1", 1)
        .replacen(" sip:0449999999@127", &format!(" sip:{}@127", town::NUMBER), 1);
    world.inject(secs(5), office, invite.as_bytes());
    world.inject(secs(5) + Duration::from_micros(10), office, cancel.as_bytes());
    world.run_until_quiet(secs(600));
    let records = world.records();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].end, records[0].cause), (CallEnd::CancelledEarly, Some(model::Cause::Q850(16))));
    assert_eq!(records[0].called_first.as_ref(), Some(&ward.0.id));
    assert!(!serde_json::to_string(&records[0]).unwrap().contains("9999999"));
}

#[test]
fn an_address_that_somebody_borrows_is_not_banned_for_it() {
    let mut world = World::new(city(|_| {}), 5);
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    // They never see our challenges; one that was sent elsewhere is worth nothing here.
    let elsewhere: SocketAddr = "203.0.113.9:5060".parse().unwrap();
    world.inject(secs(1), elsewhere, request("REGISTER", elsewhere, 1, "yuki", "").as_bytes());
    world.run_until(secs(2));
    let nonce = challenged(&world, elsewhere).expect("the other address was asked for a password");
    for n in 0..60 {
        let nonce = if n % 2 == 0 { &nonce } else { "00" };
        world.inject(secs(3) + millis(100 * n), office, guess(office, 100 + n, "yuki", nonce).as_bytes());
    }
    world.inject(secs(20), office, request("OPTIONS", office, 901, "x", "").as_bytes());
    world.run_until(secs(30));
    assert_eq!(count(&world, |e| matches!(e, Event::AuthenticationFailed { challenged: false })), 60);
    assert_eq!(count(&world, |e| matches!(e, Event::SourceBanned { .. } | Event::Banned)), 0);
    assert!(world.mail(office).any(|text| text.starts_with("SIP/2.0 200 ")), "OPTIONS is answered");
}

#[test]
fn guesses_through_a_trusted_line_lock_the_name_and_not_the_line() {
    let mut world = World::new(city(|book| book.lines.last_mut().expect("the office is the last").trusted = true), 6);
    let edge: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    guesses(&mut world, edge, 10, 15);
    assert_eq!(count(&world, |e| matches!(e, Event::AuthenticationFailed { challenged: true })), 15);
    assert_eq!(count(&world, |e| matches!(e, Event::SourceBanned { .. } | Event::Banned)), 0);
    world.inject(secs(60), edge, request("OPTIONS", edge, 901, "x", "").as_bytes());
    world.run_until(secs(70));
    assert!(world.mail(edge).any(|text| text.starts_with("SIP/2.0 200 ")), "calls through it go on");
}

#[test]
fn sound_and_signalling_are_not_aimed_at_this_machine_by_anybody_outside() {
    let office: SocketAddr = "203.0.113.5:5060".parse().unwrap();
    let refused_by = |ours: &[IpAddr], invite: String| {
        let mut world = World::new(city(|book| book.settings.addresses = ours.to_vec()), 5);
        world.inject(secs(5), office, invite.as_bytes());
        world.run_until(secs(10));
        let came = count(&world, |e| matches!(e, Event::Arrived { .. }));
        world.run_until_quiet(secs(3600));
        came == 0
    };
    let refused = |invite: String| refused_by(&[], invite);
    let good = request("INVITE", office, 1, "0449999999", "");
    assert!(!refused(good.clone()));
    assert!(refused_by(&[office.ip()], good.clone()), "the machine says that this address is its own");
    // Where the reports of sound go (RFC 3605).
    let reports =
        |at: &str| good.replacen("m=audio 4000 RTP/AVP 0\r\n", &format!("m=audio 4000 RTP/AVP 0\r\na=rtcp:22 IN IP4 {at}\r\n"), 1);
    let whole = |text: String| {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (before, _) = head.split_once("Content-Length:").unwrap();
        format!("{before}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    assert!(!refused(whole(reports("203.0.113.6"))));
    assert!(refused_by(&["203.0.113.6".parse().unwrap()], whole(reports("203.0.113.6"))));
    assert!(refused(good.replacen(&format!("Contact: <sip:0449999999@{office}>"), "Contact: <sip:x@127.0.0.1:8080>", 1)));
    assert!(refused(good.replacen("Contact:", "Record-Route: <sip:127.0.0.1:22;lr>\r\nContact:", 1)));
    assert!(refused(good.replacen("c=IN IP4 203.0.113.5", "c=IN IP4 239.1.2.30", 1)));
}
