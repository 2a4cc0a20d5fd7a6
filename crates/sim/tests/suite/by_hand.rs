//! Calls of which one side is written here, message by message: what the telephones of this town do not do, and other people's do.

use calls::City;
use model::{AgentState, CallEnd, Event, Party};
use phone::{AnswerPolicy, Command};
use sim::{Clerk, PersonId, Resident, Town, World, town};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn city() -> Arc<City> {
    Arc::new(town::with_outside(&Town::default().build()))
}

/// A telephone whose messages are written by hand.
struct Hand {
    place: SocketAddr,
    user: &'static str,
    /// Our tag, once we have given it one.
    tag: Option<String>,
    cseq: u32,
}

impl Hand {
    fn at(place: &str, user: &'static str) -> Hand {
        Hand { place: place.parse().unwrap(), user, tag: None, cseq: 0 }
    }
    fn sdp(&self, formats: &str) -> String {
        let ip = self.place.ip();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        )
    }
    fn name(&self) -> String {
        format!("{}.{}", self.user, self.place.port())
    }
    fn asks(&mut self, world: &mut World, at: Duration, method: &str, more: &str, body: &str) {
        self.cseq += u32::from(method != "ACK");
        let (place, user, name, cseq) = (self.place, self.user, self.name(), self.cseq);
        let to = self.tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let (uri, to) = match method {
            "REGISTER" => ("sip:127.0.0.1".to_owned(), format!("<sip:{user}@127.0.0.1>")),
            _ => (format!("sip:{}@127.0.0.1", town::NUMBER), format!("<sip:{}@127.0.0.1>{to}", town::NUMBER)),
        };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bK{name}{method}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@127.0.0.1>;tag=h{name}\r\nTo: {to}\r\nCall-ID: {method_of}{name}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{place}>\r\n{more}{}Content-Length: {}\r\n\r\n{body}",
            typed(more, body),
            body.len(),
            method_of = if method == "REGISTER" { "r" } else { "c" },
        );
        world.inject(at, place, text.as_bytes());
    }
    fn answers(&self, world: &mut World, at: Duration, request: &str, more: &str, body: &str) {
        let to = line(request, "To");
        let to = if to.contains(";tag=") { to } else { format!("{to};tag=h{}", self.name()) };
        let echo = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", line(request, name))).concat();
        let text = format!(
            "SIP/2.0 200 OK\r\n{echo}To: {to}\r\nContact: <sip:{}@{}>\r\n{more}{}Content-Length: {}\r\n\r\n{body}",
            self.user,
            self.place,
            typed(more, body),
            body.len()
        );
        world.inject(at, self.place, text.as_bytes());
    }
    /// What came that begins so, each once.
    fn got(&self, world: &World, begins: &str) -> Vec<String> {
        let mut got: Vec<String> = world.mail(self.place).filter(|mail| mail.starts_with(begins)).collect();
        got.dedup();
        got
    }
    fn newest(&self, world: &World, begins: &str) -> String {
        self.got(world, begins).pop().unwrap_or_else(|| panic!("{} has got no {begins}: {:#?}", self.user, self.got(world, "")))
    }
    /// It calls the city, and has its 200 a second later.
    fn calls(&mut self, world: &mut World, at: Duration, more: &str, body: &str) -> String {
        world.run_until(at);
        self.asks(world, at, "INVITE", more, body);
        world.run_until(at + secs(1));
        let ok = self.newest(world, "SIP/2.0 200 ");
        self.tag = line(&ok, "To").split(";tag=").nth(1).map(str::to_owned);
        ok
    }
    /// It registers by its password, from second 1 on.
    fn registers(&mut self, world: &mut World) {
        self.registers_at(world, secs(1));
    }
    /// It has done so two seconds later.
    fn registers_at(&mut self, world: &mut World, at: Duration) {
        self.asks(world, at, "REGISTER", "", "");
        world.run_until(at + secs(1));
        let challenge = self.newest(world, "SIP/2.0 401 ");
        let challenge = challenge.lines().find(|line| line.contains("SHA-256")).unwrap();
        let said = |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        let (realm, nonce, uri) = (said("realm"), said("nonce"), "sip:127.0.0.1");
        // What is hashed has three parts at least, as HA1 has.
        let hash = |text: &str| {
            let parts: Vec<&str> = text.splitn(3, ':').collect();
            sip::digest::ha1(parts[0], parts[1], parts[2]).sha256
        };
        let (who, what) = (hash(&format!("{}:{realm}:{}", self.user, town::password(self.user))), hash(&format!("REGISTER:{uri}")));
        let response = hash(&format!("{who}:{nonce}:00000001:c:auth:{what}"));
        let proof = format!(
            "Authorization: Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm=SHA-256, cnonce=\"c\", qop=auth, nc=00000001\r\n",
            self.user
        );
        self.asks(world, at + secs(1), "REGISTER", &proof, "");
        world.run_until(at + secs(2));
        self.newest(world, "SIP/2.0 200 ");
    }
    fn replaces(&self) -> String {
        format!("Replaces: c{name};to-tag={};from-tag=h{name}\r\n", self.tag.as_ref().unwrap(), name = self.name())
    }
}

fn typed(more: &str, body: &str) -> &'static str {
    if body.is_empty() || more.contains("Content-Type") { "" } else { "Content-Type: application/sdp\r\n" }
}

/// The value of the first header line of that name.
fn line(text: &str, name: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_else(|| panic!("{name} is missing in {text}")).to_owned()
}

/// The formats of a description, and what stands in its `o=`.
fn formats(text: &str) -> (String, String) {
    let media = text.lines().find_map(|line| line.split_once(" RTP/AVP ")).unwrap();
    (media.1.to_owned(), text.lines().find(|line| line.starts_with("o=")).unwrap().to_owned())
}

fn version(origin: &str) -> u64 {
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

/// A caller by hand whom yuki talks with from about second 16 on.
fn talking(number: &'static str) -> (World, PersonId, Hand) {
    let mut world = World::new(city(), 1);
    let yuki = world.add_clerk(secs(0), "yuki", Clerk::default());
    let mut caller = Hand::at("127.1.77.7:5060", number);
    let sdp = caller.sdp("0 101");
    caller.calls(&mut world, secs(5), "", &sdp);
    caller.asks(&mut world, secs(6), "ACK", "", "");
    caller.asks(&mut world, secs(12), "INFO", "Content-Type: application/dtmf\r\n", "1");
    world.run_until(secs(30));
    assert!(world.phone(yuki).unwrap().is_connected());
    (world, yuki, caller)
}

fn ends(world: &World) -> Vec<(CallEnd, Party)> {
    world.records().iter().map(|r| (r.end, r.hung_up_by)).collect()
}

fn state(world: &World) -> AgentState {
    world.engine().unwrap().agent_state(&"yuki".into()).unwrap()
}

// ---- our refresh ------------------------------------------------------------------------------------------------------------------

/// When her phone rings, and the INVITE. Who says nothing for two seconds would be passed over.
fn rings(world: &mut World, phone: &Hand) -> (Duration, String) {
    let rung = (100..200).map(|tenths| millis(tenths * 100)).find(|at| {
        world.run_until(*at);
        !phone.got(world, "INVITE ").is_empty()
    });
    (rung.expect("her phone rings"), phone.newest(world, "INVITE "))
}

/// RFC 4028 section 7.4, RFC 3264 section 6.1: a refresh that offered the other codec again would be answered with it, and rightly.
fn is_refreshed(world: &mut World, phone: &Hand, since: u64, first: &str) {
    let mut said = formats(first).1;
    for n in 1..=2 {
        let at = secs(since + n * 46);
        world.run_until(at);
        let refresh = phone.newest(world, "INVITE ");
        let (offered, origin) = formats(&refresh);
        // The last codec of those that are offered.
        let taken = offered.split(' ').rfind(|format| *format != "101").unwrap().to_owned();
        phone.answers(world, at, &refresh, "Require: timer\r\nSession-Expires: 90;refresher=uac\r\n", &phone.sdp(&format!("{taken} 101")));
        world.run_until(at + secs(1));
        assert_eq!(phone.got(world, "BYE "), [""; 0], "the call goes on");
        assert_eq!(offered, "0 101", "what was agreed");
        assert_eq!(version(&origin), version(&said) + u64::from(n == 1), "o= grows with what it says");
        said = origin;
    }
}

#[test]
fn a_phone_that_takes_whatever_our_refresh_offers_keeps_its_call() {
    let mut world = World::new(city(), 1);
    let mut nurse = Hand::at("127.1.77.1:5060", "yuki");
    nurse.registers(&mut world);
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(150)), ..Resident::default() });
    let (at, invite) = rings(&mut world, &nurse);
    assert_eq!(formats(&invite).0, "0 8 101");
    let sdp = nurse.sdp("0 8 101");
    nurse.answers(&mut world, at, &invite, "Require: timer\r\nSession-Expires: 90;refresher=uac\r\n", &sdp);
    is_refreshed(&mut world, &nurse, at.as_secs() + 1, &invite);
    assert_eq!(state(&world), AgentState::Talking);
}

#[test]
fn a_caller_who_has_answered_our_offer_and_takes_whatever_our_refresh_offers_keeps_the_call() {
    let mut world = World::new(city(), 1);
    world.add_clerk(secs(0), "yuki", Clerk::default());
    let mut caller = Hand::at("127.1.77.7:5060", "08010000001");
    let ok = caller.calls(&mut world, secs(5), "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n", "");
    assert_eq!(formats(&ok).0, "0 8 101");
    let sdp = caller.sdp("0 101");
    caller.asks(&mut world, secs(6), "ACK", "", &sdp);
    caller.asks(&mut world, secs(12), "INFO", "Content-Type: application/dtmf\r\n", "1");
    is_refreshed(&mut world, &caller, 6, &ok);
}

// ---- a phone leaves before the one that takes its place has said ACK ---------------------------------------------------------------

/// RFC 3891 section 3: whoever has our 200 is in the call; the other one's BYE ends their own dialog.
#[test]
fn a_caller_hangs_up_before_the_ack_of_the_colleague_who_takes_over() {
    for acks in [true, false] {
        let (mut world, yuki, mut secretary) = talking("08010000001");
        let mut head = Hand::at("127.1.77.7:5070", "08010000002");
        let (replaces, sdp) = (secretary.replaces(), head.sdp("0 101"));
        head.calls(&mut world, secs(40), &replaces, &sdp);
        secretary.asks(&mut world, secs(41), "BYE", "Reason: Q.850;cause=16\r\n", "");
        world.run_until(secs(42));
        assert!(secretary.newest(&world, "SIP/2.0 200 ").contains("BYE"));
        assert_eq!(state(&world), AgentState::Talking, "acks: {acks}");
        if acks {
            head.asks(&mut world, secs(42), "ACK", "", "");
            world.run_until(secs(80));
            assert!(world.phone(yuki).unwrap().is_connected() && head.got(&world, "BYE ").is_empty());
            world.engine().unwrap().audit().unwrap();
            head.asks(&mut world, secs(80), "BYE", "", "");
            world.run_until(secs(82));
            assert_eq!(ends(&world), [(CallEnd::Served, Party::Caller)]);
        } else {
            world.run_until(secs(80));
            assert_eq!(ends(&world), [(CallEnd::CallerVanished, Party::Engine)], "nobody came");
        }
        assert!(!world.phone(yuki).unwrap().is_in_call(), "acks: {acks}");
        assert_eq!(world.records()[0].cause, None, "the secretary's network did not end it");
    }
}

#[test]
fn a_nurse_hangs_up_at_her_desk_at_any_moment_of_going_on_at_her_other_phone() {
    let mut between = 0;
    for late in 0..60 {
        let mut world = World::new(city(), 1);
        let desk = world.add_clerk(secs(0), "yuki", Clerk::default());
        let pocket = world.add_clerk(secs(1), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
        let caller = Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), ..Resident::default() };
        let caller = world.add_resident(secs(5), caller);
        world.run_until(secs(30));
        let replaces = world.phone(desk).unwrap().replaces().unwrap();
        world.at(secs(30), pocket, Command::DialReplacing { uri: "sip:takeover@127.0.0.1".to_owned(), replaces });
        world.at(secs(30) + millis(late), desk, Command::HangUp);
        world.run_until(secs(35));
        let answered = world.told(pocket).any(|(at, e)| matches!(e, phone::Event::Connected) && at.since(model::Instant::ZERO) > secs(30));
        assert_eq!(world.phone(pocket).unwrap().is_connected(), answered, "{late}: whoever has our 200 has the call");
        assert!(!answered || world.phone(caller).unwrap().is_connected() && state(&world) == AgentState::Talking, "{late}");
        between += u32::from(answered);
        world.engine().unwrap().audit().unwrap();
        world.run_until_quiet(secs(3600));
        assert_eq!(world.violations(), [""; 0], "{late}");
    }
    assert!((1..60).contains(&between), "{between}");
}

#[test]
fn a_nurse_who_leaves_her_desk_for_a_phone_that_never_says_ack_gives_the_caller_back() {
    let mut world = World::new(city(), 1);
    let desk = world.add_clerk(secs(0), "yuki", Clerk::default());
    let pocket = world.add_clerk(secs(1), "yuki", Clerk { answer: AnswerPolicy::Never, ..Clerk::default() });
    world.carrier(pocket, |request| if request.starts_with("ACK ") { String::new() } else { request.to_owned() });
    let caller = world
        .add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(190)), patience: secs(300), ..Resident::default() });
    world.run_until(secs(30));
    let replaces = world.phone(desk).unwrap().replaces().unwrap();
    world.at(secs(30), pocket, Command::DialReplacing { uri: "sip:takeover@127.0.0.1".to_owned(), replaces });
    world.at(secs(31), desk, Command::HangUp);
    world.run_until(secs(60));
    assert_eq!(state(&world), AgentState::Talking);
    world.run_until(secs(66));
    assert_ne!(state(&world), AgentState::Talking, "64*T1 are over");
    assert!(world.phone(caller).unwrap().is_in_call(), "in the queue again, and never hung up on");
}

// ---- a wish to stay unnamed that comes with the end ---------------------------------------------------------------------------------

/// yuki dials `*9` some minutes later; how many calls go out, and what was written of the caller who wants to stay unnamed.
fn is_forgotten(mut world: World, yuki: PersonId, way: &str) {
    world.dials_code(secs(300), yuki, "*9");
    world.run_until(secs(400));
    assert_eq!(world.calls_out().len(), 0, "{way}");
    assert_eq!(world.records().len(), 1, "{way}");
    assert!(world.notes().any(|(_, e)| matches!(e, Event::Withheld { .. })), "{way}");
    assert!(world.ledger().records().any(|record| format!("{record:?}").starts_with("Withheld")), "{way}");
}

#[test]
fn whoever_asks_to_stay_unnamed_with_the_last_word_is_not_called_back() {
    // Without the wish she would call.
    let (mut world, yuki, caller) = talking("08010000001");
    world.at(secs(40), yuki, Command::HangUp);
    world.run_until(secs(41));
    let bye = caller.newest(&world, "BYE ");
    caller.answers(&mut world, secs(41), &bye, "", "");
    world.dials_code(secs(300), yuki, "*9");
    world.run_until(secs(400));
    assert_eq!(world.calls_out().len(), 1);

    let (mut world, yuki, caller) = talking("08010000001");
    world.at(secs(40), yuki, Command::HangUp);
    world.run_until(secs(41));
    let bye = caller.newest(&world, "BYE ");
    caller.answers(&mut world, secs(41), &bye, "Privacy: id\r\n", "");
    is_forgotten(world, yuki, "in the 200 to our BYE");

    let (mut world, yuki, mut caller) = talking("08010000001");
    world.at(secs(40), yuki, Command::HangUp);
    caller.asks(&mut world, secs(40) + millis(200), "BYE", "Privacy: id\r\n", "");
    is_forgotten(world, yuki, "in a BYE that crosses ours");
}

#[test]
fn a_secretary_who_asks_to_stay_unnamed_when_the_head_of_the_house_has_taken_over_is_forgotten() {
    let (mut world, yuki, secretary) = talking("08010000001");
    let mut head = Hand::at("127.1.77.7:5070", "08010000002");
    let (replaces, sdp) = (secretary.replaces(), head.sdp("0 101"));
    head.calls(&mut world, secs(40), &replaces, &sdp);
    head.asks(&mut world, secs(41), "ACK", "", "");
    world.run_until(secs(42));
    let bye = secretary.newest(&world, "BYE ");
    secretary.answers(&mut world, secs(42), &bye, "Privacy: id\r\n", "");
    world.run_until(secs(43));
    head.asks(&mut world, secs(50), "BYE", "", "");
    world.run_until(secs(51));
    assert_eq!(world.records()[0].caller, "by_caller");
    is_forgotten(world, yuki, "of whoever was replaced");
}

// ---- what was overheard ------------------------------------------------------------------------------------------------------------

/// Call-ID and tags can be overheard: another host of the same line has no part in the call, unless the line is a house that speaks from several.
#[test]
fn another_host_of_the_line_does_not_take_a_callers_place_by_what_it_overheard() {
    for trusted in [false, true] {
        let (mut world, yuki, caller) = {
            let mut book = (*city().book).clone();
            book.lines.iter_mut().filter(|line| !line.from.is_empty()).for_each(|line| line.trusted = trusted);
            let (mut world, yuki, caller) = talking("08010000001");
            world.control(secs(31), calls::Control::Publish(Arc::new(City { book: Arc::new(book), ..(*city()).clone() })));
            world.run_until(secs(32));
            (world, yuki, caller)
        };
        let mut other = Hand::at("127.1.77.8:5060", "08010000002");
        let (replaces, sdp) = (caller.replaces(), other.sdp("0 101"));
        other.asks(&mut world, secs(40), "INVITE", &replaces, &sdp);
        world.run_until(secs(41));
        assert_eq!(other.got(&world, "SIP/2.0 481 ").len(), usize::from(!trusted), "{trusted}");
        assert_eq!(other.got(&world, "SIP/2.0 200 ").len(), usize::from(trusted), "{trusted}");
        assert!(world.phone(yuki).unwrap().is_connected() && caller.got(&world, "BYE ").is_empty(), "{trusted}");
    }
}

// ---- where the sound is -----------------------------------------------------------------------------------------------------------

/// Somebody speaks for that many seconds, and hears so many packets of ours in the last of them.
fn speaks(world: &mut World, at: Duration, seconds: u64, from: SocketAddr, to: SocketAddr) -> usize {
    let ticks = u64::try_from(at.as_millis()).unwrap() / 20;
    for n in ticks..ticks + seconds * 50 {
        let (seq, stamp) = ((n as u16).to_be_bytes(), (n as u32 * 160).to_be_bytes());
        let packet = [&[0x80, 0], &seq[..], &stamp[..], &[7; 4], &[0xd5; 160]].concat();
        world.inject_to(millis(n * 20), from, to, &packet);
    }
    world.run_until(at + secs(seconds - 1));
    let before = world.mail(from).count();
    world.run_until(at + secs(seconds));
    world.mail(from).count() - before
}

#[test]
fn a_phone_that_changes_its_call_from_another_network_is_heard_where_it_goes_on_speaking() {
    let mut world = World::with_sound(city(), 1);
    let mut nurse = Hand::at("127.1.77.1:5060", "yuki");
    nurse.registers(&mut world);
    world.add_resident(secs(5), Resident { keys: "WWWW1".to_owned(), talk: Some(secs(150)), ..Resident::default() });
    let (at, invite) = rings(&mut world, &nurse);
    // Behind a router that keeps its port.
    let sdp = nurse.sdp("0 101").replace("127.1.77.1", "10.0.0.9");
    nurse.answers(&mut world, at, &invite, "", &sdp);
    let said = |begins: &str| invite.lines().find_map(|line| line.strip_prefix(begins)).unwrap().split(' ').next().unwrap().to_owned();
    let (ours, sound): (SocketAddr, SocketAddr) =
        (format!("{}:{}", said("c=IN IP4 "), said("m=audio ")).parse().unwrap(), "127.1.77.1:4000".parse().unwrap());
    assert!(speaks(&mut world, at + secs(1), 2, sound, ours) > 40);

    let mut other = Hand::at("127.1.77.2:5070", "yuki");
    other.registers_at(&mut world, at + secs(3));
    let contact = line(&invite, "Contact").trim_matches(['<', '>']).to_owned();
    let asks = |method: &str, more: &str, body: &str| {
        format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bKother{method}\r\nMax-Forwards: 70\r\nFrom: {};tag=h{}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: 1 {method}\r\nContact: <sip:yuki@{place}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            line(&invite, "To"),
            nurse.name(),
            line(&invite, "From"),
            line(&invite, "Call-ID"),
            body.len(),
            place = other.place,
        )
    };
    let reinvite = asks("INVITE", "Content-Type: application/sdp\r\n", &sdp);
    world.inject(at + secs(5), other.place, reinvite.as_bytes());
    world.run_until(at + millis(5_500));
    assert!(other.newest(&world, "SIP/2.0 200 ").contains("1 INVITE"));
    world.inject(at + millis(5_500), other.place, asks("ACK", "", "").as_bytes());
    assert!(speaks(&mut world, at + secs(6), 3, sound, ours) > 40, "where she is heard");
    assert_eq!(state(&world), AgentState::Talking);
}
