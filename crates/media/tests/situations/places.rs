//! Phones that move, hold and change ports while others speak beside them, ten thousand for each kind of company: wherever a phone is, it is heard
//! there three seconds later, though stray packets come in.

use media::rtp::Packet;
use media::{Latch, Stream};
use model::{Instant, Random};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const HOSTS: [&str; 3] = ["192.0.2.1", "198.51.100.7", "203.0.113.9"];
/// What a phone behind a router writes.
const WRITTEN: &str = "10.0.0.9:4000";
/// How long a packet sounds, where nothing else is said.
const PACE: Duration = Duration::from_millis(20);
/// The first source of each phone.
const PHONE: u32 = 1;
/// What is spoken after each event.
const SPEECH: Duration = Duration::from_secs(6);
/// How much of that may be lost in a row.
const IN_A_ROW: Duration = Duration::from_secs(3);
/// How much in all.
const IN_ALL: Duration = Duration::from_secs(4);

fn host(number: usize) -> IpAddr {
    HOSTS[number].parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A latch and those who speak to it, each in packets of 20 ms, and each in a stream of its own.
#[derive(Clone)]
struct Paced {
    latch: Latch,
    now: Instant,
    last: BTreeMap<SocketAddr, Instant>,
    stream: Stream,
    /// The source of who speaks there, where it is not the port.
    sources: BTreeMap<SocketAddr, u32>,
    sequences: BTreeMap<u32, u16>,
}

impl Paced {
    fn new(signalled: SocketAddr, also: Option<IpAddr>) -> Paced {
        Paced {
            latch: Latch::new(signalled, also),
            now: Instant::from_millis(7),
            last: BTreeMap::new(),
            stream: Stream::default(),
            sources: BTreeMap::new(),
            sequences: BTreeMap::new(),
        }
    }

    fn packet(&mut self, from: SocketAddr) -> Packet<'static> {
        let others =
            || u32::from(from.port()) << 8 | u32::from(HOSTS.iter().position(|host| from.ip().to_string() == *host).unwrap_or(9) as u8);
        let ssrc = self.sources.get(&from).copied().unwrap_or_else(others);
        let sequence = self.sequences.entry(ssrc).or_insert(ssrc as u16);
        *sequence = sequence.wrapping_add(1);
        Packet { payload_type: 0, marker: false, sequence: *sequence, timestamp: u32::from(*sequence) * 160, ssrc, payload: &[] }
    }

    /// As a leg does it.
    fn hear(&mut self, from: SocketAddr, held: bool) -> bool {
        let packet = self.packet(from);
        let own = self.stream.goes_on(&packet);
        let admitted = if held { self.latch.admit_held(self.now, from) } else { self.latch.admit(self.now, from, own) };
        if admitted && (own || !held && self.latch.is_proved_at(from)) {
            self.stream.hear(self.now, &packet);
        }
        admitted
    }

    /// Who has spoken does so again a packet later.
    fn wait_for(&mut self, from: SocketAddr) {
        let next = self.last.get(&from).map_or(self.now, |last| *last + PACE);
        self.now = self.now.max(next);
        self.last.insert(from, self.now);
    }

    fn admit(&mut self, from: SocketAddr) -> bool {
        self.wait_for(from);
        self.hear(from, false)
    }

    fn admit_held(&mut self, from: SocketAddr) -> bool {
        self.wait_for(from);
        self.hear(from, true)
    }

    fn rearm(&mut self, signalled: SocketAddr, also: Option<IpAddr>) {
        if self.latch.rearm(signalled, also) {
            self.stream = Stream::default();
        }
    }

    fn rearm_seen(&mut self, signalled: SocketAddr, written: IpAddr) {
        if self.latch.rearm_seen(signalled, written) {
            self.stream = Stream::default();
        }
    }

    fn follow(&mut self, from: IpAddr, to: IpAddr) {
        self.latch.follow(from, to);
    }

    fn target(&self) -> SocketAddr {
        self.latch.target()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// It says where it is.
    Public,
    /// It says where it was when the call began.
    Stale,
    /// It says a private address, and its router gives it another port now and then.
    Routed,
    /// The same, where its SIP comes from a public address, which stands for the private one.
    Seen,
    /// The same, behind routers that keep its port, so that it speaks from the very port that is said.
    Kept,
    /// Its sound has a machine of its own.
    Apart,
}

impl Kind {
    fn has_router(self) -> bool {
        matches!(self, Kind::Routed | Kind::Seen)
    }

    /// Whether the host of its SIP stands for what it writes.
    fn is_seen(self) -> bool {
        matches!(self, Kind::Seen | Kind::Kept)
    }
}

/// What may be sent beside the phone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Company {
    /// A stray packet here and there, of hosts that the call knows.
    Strays,
    /// Whoever has its old address speaks there, first while it is silent, then all the time.
    Intruder,
    /// Another port of the host that it goes to speaks as much as it does, for a while.
    Twin,
    /// Whoever has its old address sends as much as they can from the move on.
    Flood,
}

/// A phone, as it is, and what the engine makes of it.
struct World {
    latch: Paced,
    random: Random,
    kind: Kind,
    company: Company,
    /// How long its packets sound; with 320 ms it leaves silence out.
    pace: Duration,
    sip: usize,
    said: SocketAddr,
    sound: SocketAddr,
    source: u32,
    /// It has said that it speaks there, since it does.
    has_said_so: bool,
    was: Option<SocketAddr>,
    intruder: Option<SocketAddr>,
    twin: Option<SocketAddr>,
    port: u16,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64, company: Company, pace: Duration) -> World {
        let mut random = Random::from_number(seed);
        let kind = [Kind::Public, Kind::Stale, Kind::Routed, Kind::Seen, Kind::Kept, Kind::Apart][random.below(6) as usize];
        let (said, sound) = match kind {
            Kind::Public | Kind::Stale | Kind::Kept => (at("192.0.2.1:4000"), at("192.0.2.1:4000")),
            Kind::Routed => (at(WRITTEN), at("192.0.2.1:6000")),
            Kind::Seen => (at("192.0.2.1:4000"), at("192.0.2.1:6000")),
            Kind::Apart => (at("192.0.2.99:4000"), at("192.0.2.99:4000")),
        };
        let mut latch = Paced::new(said, (said.ip() != host(0)).then_some(host(0)));
        if kind.is_seen() {
            latch.rearm_seen(said, at(WRITTEN).ip());
        }
        latch.sources.insert(sound, PHONE);
        let log = vec![format!("seed {seed}, {company:?}: {kind:?}, says {said}, speaks at {sound}")];
        World {
            latch,
            random,
            kind,
            company,
            pace,
            sip: 0,
            said,
            sound,
            source: PHONE,
            has_said_so: false,
            was: None,
            intruder: None,
            twin: None,
            port: 6_000,
            log,
        }
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.random.below(one_in) == 0
    }

    fn new_port(&mut self) -> u16 {
        self.port += 2;
        self.port
    }

    fn agree(&mut self, said: SocketAddr) {
        let said = if self.kind.is_seen() { SocketAddr::new(host(self.sip), said.port()) } else { said };
        // Who says what they said before may say it for want of anything better.
        self.has_said_so = said == self.sound && (said != self.said || self.has_said_so);
        self.said = said;
        self.log.push(format!("says {said}"));
        if self.kind.is_seen() {
            self.latch.rearm_seen(said, at(WRITTEN).ip());
        } else {
            self.latch.rearm(said, (said.ip() != host(self.sip)).then_some(host(self.sip)));
        }
    }

    fn hold(&mut self) {
        self.log.push("holds as of old".to_owned());
        self.latch.rearm(at("0.0.0.0:4000"), None);
    }

    /// It holds us and plays music, with a machine beside it perhaps, of which a few packets come late.
    fn play(&mut self) {
        self.agree(self.said);
        self.may_reroute();
        let player = if self.chance(2) { SocketAddr::new(self.sound.ip(), 7_400) } else { self.sound };
        self.log.push(format!("plays at {player}"));
        (0..60).for_each(|_| _ = self.latch.admit_held(player));
        self.agree(self.said);
        (0..self.random.below(4)).for_each(|_| _ = self.latch.admit(player));
    }

    /// SIP goes to another host, and the sound with it, unless it has a machine of its own.
    fn go(&mut self) {
        let from = self.sip;
        let goes_alone_again = self.kind == Kind::Kept && self.sound.ip() != host(from) && self.chance(4);
        if goes_alone_again {
            // A stray packet just before, from where it has never been, would be taken for it.
            (0..60).for_each(|_| _ = self.latch.admit(self.sound));
        }
        self.sip = (from + 1 + self.random.below(2) as usize) % HOSTS.len();
        self.log.push(format!("goes to {}", host(self.sip)));
        self.latch.follow(host(from), host(self.sip));
        // Where no REGISTER has said so its re-INVITE does, and that it has moved is told once more when that is answered.
        if self.kind != Kind::Public && self.chance(3) {
            self.agree(self.said);
            self.latch.follow(host(from), host(self.sip));
        }
        let has_followed = self.sound.ip() == host(from);
        if self.kind == Kind::Apart || goes_alone_again || has_followed && self.chance(4) {
            self.log.push("without its sound".to_owned());
            return;
        }
        self.was = Some(self.sound);
        let port = if self.kind.has_router() { self.new_port() } else { self.said.port() };
        if self.chance(2) {
            self.log.push("begins its stream anew".to_owned());
            self.source += 1;
        }
        self.speak_from(SocketAddr::new(host(self.sip), port));
        self.has_said_so = false;
        if self.kind == Kind::Public && self.chance(2) {
            (0..self.random.below(60)).for_each(|_| _ = self.latch.admit(self.sound));
            self.agree(self.sound);
        }
        // Who says that it is where it was cannot be told from whoever is there now before it has been heard elsewhere.
        if self.kind.has_router() && has_followed {
            self.flood();
        }
        if self.company == Company::Twin && self.chance(2) {
            self.twin = Some(SocketAddr::new(host(self.sip), 7_300));
        }
    }

    /// A refresh, or a hold and what comes after it, where a router may have forgotten the port.
    fn refresh(&mut self) {
        self.flood();
        match self.random.below(3) {
            0 => self.hold(),
            1 => self.play(),
            _ => {}
        }
        let said = if self.kind == Kind::Public && self.chance(2) { self.sound } else { self.said };
        self.agree(said);
        self.may_reroute();
    }

    fn flood(&mut self) {
        let has_left = self.sound.ip() == host(self.sip) && self.kind != Kind::Apart;
        self.intruder = self.was.filter(|was| self.company == Company::Flood && has_left && was.ip() != self.sound.ip());
    }

    /// Of a sound that has stayed where its SIP is not, nobody could tell.
    fn may_reroute(&mut self) {
        if self.kind.has_router() && self.sound.ip() == host(self.sip) && self.chance(2) {
            self.reroute();
        }
    }

    fn reroute(&mut self) {
        let port = self.new_port();
        self.speak_from(SocketAddr::new(self.sound.ip(), port));
        self.has_said_so = false;
        self.log.push(format!("its router sends it from {}", self.sound));
    }

    fn speak_from(&mut self, sound: SocketAddr) {
        self.sound = sound;
        self.latch.sources = BTreeMap::from([(sound, self.source)]);
    }

    /// Another port is said, and spoken from, unless a router goes on as before; or another machine.
    fn change_port(&mut self) {
        let port = self.new_port();
        match self.kind {
            Kind::Public if self.sound == self.said => {
                self.speak_from(SocketAddr::new(self.sound.ip(), port));
                self.agree(self.sound);
            }
            Kind::Routed | Kind::Seen if self.sound.ip() == host(self.sip) => {
                let before = Some(self.sound).filter(|sound| self.latch.target() == *sound);
                self.agree(SocketAddr::new(self.said.ip(), self.said.port() + 2));
                self.may_reroute();
                self.come_late(before);
            }
            Kind::Kept if self.sound.ip() == host(self.sip) => {
                self.speak_from(SocketAddr::new(self.sound.ip(), port));
                self.agree(self.sound);
            }
            // What stayed behind goes on from where it was.
            Kind::Kept => self.agree(SocketAddr::new(self.said.ip(), port)),
            Kind::Apart => {
                self.was = Some(self.sound);
                self.source += 1;
                self.speak_from([at("192.0.2.99:4000"), at("192.0.2.98:4000")].into_iter().find(|other| *other != self.sound).unwrap());
                self.agree(self.sound);
            }
            _ => {}
        }
    }

    /// It says another port less than a second later.
    fn may_hurry(&mut self) {
        if self.kind.has_router() && self.sound.ip() == host(self.sip) && self.chance(4) {
            (0..=self.random.below(40)).for_each(|_| _ = self.latch.admit(self.sound));
            self.change_port();
        }
    }

    /// Of the port that it has given up a few packets are under way still: it is heard at the new one all the same, and at once.
    fn come_late(&mut self, before: Option<SocketAddr>) {
        let Some(before) = before.filter(|before| *before != self.sound) else { return };
        self.log.push(format!("late ones come from {before}"));
        self.latch.sources.insert(before, self.source);
        (0..self.random.below(4)).for_each(|_| _ = self.latch.admit(before));
        self.latch.sources.remove(&before);
        let fine = self.latch.admit(self.sound) && self.latch.target() == self.sound;
        assert!(fine, "a late packet decides nothing, ours go to {}: {:#?}", self.latch.target(), self.log);
    }

    fn fall_silent(&mut self) {
        let has_left = self.kind == Kind::Apart || self.sound.ip() == host(self.sip);
        let old = self.was.filter(|was| self.company == Company::Intruder && has_left && was.ip() != self.sound.ip());
        let Some(old) = old else { return };
        self.log.push(format!("is silent, and {old} speaks"));
        (0..75).for_each(|_| _ = self.latch.admit(old));
        assert!(!self.has_said_so || self.latch.target() == self.sound, "it is where it says: {:#?}", self.log);
        self.intruder = Some(old);
        if self.kind.has_router() && self.chance(2) {
            self.agree(self.said);
            self.may_reroute();
        }
    }

    fn stray(&mut self) {
        let from = match self.random.below(4) {
            0 => self.was.unwrap_or(self.sound),
            1 => SocketAddr::new(host(self.sip), 7_000 + 2 * self.random.below(2) as u16),
            2 => SocketAddr::new(self.said.ip(), 7_100),
            _ => self.said,
        };
        // Nothing reaches us from a private address, and nobody has the one port of a router that was made up of two things.
        let is_nobodys = from.ip() == at(WRITTEN).ip() || self.kind.is_seen() && from == self.said;
        if from != self.sound && !is_nobodys {
            self.latch.admit(from);
        }
    }

    /// How long in a row and how long in all it was not heard, or answered elsewhere.
    fn speak(&mut self, speech: Duration) -> (Duration, Duration) {
        self.log.push(format!("speaks at {}, beside {:?} and {:?}", self.sound, self.intruder, self.twin));
        let (mut row, mut longest, mut all) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let end = self.latch.now + speech;
        while self.latch.now < end {
            let next = self.latch.now + self.pace;
            while self.latch.now < next {
                self.beside_it();
            }
            assert!(!self.latch.admit(at("203.0.113.66:4000")), "a third host: {:#?}", self.log);
            self.latch.last.insert(self.sound, self.latch.now);
            let fine = self.latch.hear(self.sound, false) && self.latch.target() == self.sound;
            row = if fine { Duration::ZERO } else { row + self.pace };
            (longest, all) = (longest.max(row), all + if fine { Duration::ZERO } else { self.pace });
        }
        (longest, all)
    }

    /// What others send in 20 ms.
    fn beside_it(&mut self) {
        if self.chance(40) {
            self.stray();
        }
        for other in [self.intruder, self.twin].into_iter().flatten() {
            let more = if self.company == Company::Flood { 20 } else { 1 };
            for _ in 0..more {
                self.latch.last.insert(other, self.latch.now);
                self.latch.hear(other, false);
                self.latch.now += PACE / more;
            }
        }
        if [self.intruder, self.twin] == [None, None] {
            self.latch.now += PACE;
        }
    }

    fn live(mut self) {
        (0..20).for_each(|_| assert!(self.latch.admit(self.sound)));
        for _ in 0..4 {
            match self.random.below(8) {
                0..=2 => {
                    self.go();
                    self.may_hurry();
                }
                3 | 4 => {
                    self.refresh();
                    self.may_hurry();
                }
                5 => self.fall_silent(),
                6 => (0..3).for_each(|_| self.stray()),
                _ => self.change_port(),
            }
            // Of two who speak alike nobody can tell which is the phone; when one has ended, it is the other.
            if self.twin.is_some() {
                self.speak(SPEECH);
                self.twin = None;
            }
            let (row, all) = self.speak(SPEECH);
            let more = if self.company == Company::Flood { Duration::from_secs(1) } else { Duration::ZERO };
            assert!(
                row <= IN_A_ROW + more && all <= IN_ALL + more,
                "{row:?} in a row, {all:?} in all, ours go to {}: {:#?}",
                self.latch.target(),
                self.log
            );
            self.intruder = None;
        }
    }
}

fn live(company: Company, pace: u64) {
    (0..10_000).for_each(|seed| World::new(seed, company, Duration::from_millis(pace)).live());
}

#[test]
fn a_phone_is_heard_wherever_it_goes_whatever_strays_about() {
    live(Company::Strays, 20);
}

#[test]
fn whoever_has_a_phones_old_address_keeps_nothing_of_its_call() {
    live(Company::Intruder, 20);
}

#[test]
fn one_that_speaks_beside_a_phone_takes_its_sound_for_as_long_as_it_speaks_at_most() {
    live(Company::Twin, 20);
}

#[test]
fn a_flood_from_a_phones_old_address_takes_nothing() {
    live(Company::Flood, 20);
}

#[test]
fn a_phone_of_long_packets_is_found_as_soon() {
    live(Company::Strays, 60);
    live(Company::Intruder, 40);
}

/// With more than 60 ms it leaves silence out.
#[test]
fn a_phone_is_found_within_three_seconds_however_few_packets_it_sends() {
    let (sound, again) = (at("192.0.2.1:6000"), at("192.0.2.1:6002"));
    for pace in [20, 40, 60, 320, 1000].map(Duration::from_millis) {
        for (said, also) in [("192.0.2.1:4000", None), (WRITTEN, Some(host(0)))] {
            let mut latch = Paced::new(at(said), also);
            let speaks = |latch: &mut Paced, from| {
                for _ in 0..(3000 / pace.as_millis()) {
                    latch.now += pace;
                    latch.hear(from, false);
                }
            };
            speaks(&mut latch, sound);
            // Its router gives it another port at a refresh, and one packet of the port before comes late.
            latch.rearm(at(said), also);
            latch.admit(sound);
            speaks(&mut latch, again);
            assert_eq!(latch.target(), again, "{pace:?} {said}");
            // It says another port, and its router goes on as before.
            latch.rearm(SocketAddr::new(at(said).ip(), 4_002), also);
            speaks(&mut latch, again);
            assert_eq!(latch.target(), again, "{pace:?} {said}");
        }
    }
}

/// Many are behind one router, and may all learn the port.
#[test]
fn a_neighbour_of_a_phone_that_was_heard_for_a_second_gets_nothing_however_long_it_is_silent() {
    for (said, also, sound) in [
        ("192.0.2.1:4000", None, "192.0.2.1:4000"),
        ("192.0.2.1:4000", None, "192.0.2.1:6000"),
        ("10.0.0.9:4000", Some(host(0)), "192.0.2.1:6000"),
    ] {
        let mut latch = Paced::new(at(said), also);
        assert!((0..60).all(|_| latch.admit(at(sound))));
        assert!(!(0..500).any(|_| latch.admit(at("192.0.2.1:7000"))));
        assert_eq!(latch.target(), at(sound));
    }
}

/// Nor at an agreement, when its router may have another port for it: only who goes on with its stream is the phone at once.
#[test]
fn a_neighbour_of_a_phone_gets_nothing_at_an_agreement_either() {
    for (said, also, sound) in [
        ("192.0.2.1:4000", None, at("192.0.2.1:4000")),
        ("192.0.2.1:4000", None, at("192.0.2.1:6000")),
        (WRITTEN, Some(host(0)), at("192.0.2.1:6000")),
    ] {
        let (neighbour, again, third) = (at("192.0.2.1:7000"), at("192.0.2.1:6002"), at("192.0.2.1:6004"));
        let mut latch = Paced::new(at(said), also);
        latch.sources = BTreeMap::from([(sound, PHONE), (again, PHONE)]);
        assert!((0..60).all(|_| latch.admit(sound)));
        for _ in 0..4 {
            latch.rearm(at(said), also);
            // Its first packet may be quicker.
            latch.admit(neighbour);
            assert!((0..100).all(|_| latch.admit(sound) && latch.target() == sound && !latch.admit(neighbour)), "{said} {sound}");
        }
        if sound == at(said) {
            continue;
        }
        // Its router does have another port for it, and of the one before some come late.
        latch.rearm(at(said), also);
        latch.admit(neighbour);
        assert!(latch.admit(sound) && !latch.admit(neighbour));
        assert!(latch.admit(again) && latch.target() == again);
        latch.sources.remove(&sound);
        latch.admit(sound);
        assert!(!latch.admit(neighbour) && latch.admit(again) && latch.target() == again);
        assert!((0..100).all(|_| !latch.admit(neighbour) && latch.admit(again)));
        // While it is silent nobody can tell. It speaks, and is there.
        latch.rearm(at(said), also);
        (0..200).for_each(|_| _ = latch.admit(neighbour));
        assert!(latch.admit(again) && latch.target() == again && !latch.admit(neighbour));
        // What begins anew is heard at once where its router has another port for it.
        latch.rearm(at(said), also);
        assert!(latch.admit(third) && latch.target() == third);
    }
}

/// A router that was switched off and on, or that forgets who is silent, gives another port in the middle of a call, and nobody agrees on anything.
#[test]
fn a_stream_that_goes_on_from_another_port_of_its_router_keeps_its_call() {
    for (said, also, sound) in [
        ("192.0.2.1:4000", None, at("192.0.2.1:4000")),
        ("192.0.2.1:4000", None, at("192.0.2.1:6000")),
        (WRITTEN, Some(host(0)), at("192.0.2.1:6000")),
    ] {
        let (neighbour, again, third) = (at("192.0.2.1:7000"), at("192.0.2.1:6002"), at("192.0.2.1:6004"));
        let mut latch = Paced::new(at(said), also);
        latch.sources = BTreeMap::from([(sound, PHONE), (again, PHONE), (third, PHONE)]);
        assert!((0..100).all(|_| latch.admit(sound)));
        assert!(!latch.admit(again) && latch.target() == sound, "it is heard where it is");
        assert!(!(0..30).any(|_| latch.admit(neighbour)));
        assert!(latch.admit(again) && latch.target() == again && !latch.admit(neighbour), "{said} {sound}");
        assert!((0..100).all(|_| latch.admit(again) && !latch.admit(neighbour)));
        assert!(!(0..1000).any(|_| latch.admit(neighbour)) && latch.target() == again, "it is silent");
        assert!(latch.admit(third) && latch.target() == third && !latch.admit(neighbour));
        // One packet of the port before comes late, or that is somebody else's by now.
        (0..60).for_each(|_| assert!(latch.admit(third)));
        latch.sources.remove(&sound);
        latch.hear(sound, false);
        (0..30).for_each(|_| _ = latch.admit(third));
        assert!(latch.admit(third) && latch.target() == third, "{said} {sound}");
    }
}

/// Somebody was put through, or a phone begins anew, at another port of one router: who spoke before goes on for a while.
#[test]
fn a_stream_of_before_takes_nothing_where_another_port_has_been_agreed_on() {
    for (said, next, also, first, second) in [
        ("192.0.2.1:4000", "192.0.2.1:4002", None, at("192.0.2.1:4000"), at("192.0.2.1:4002")),
        (WRITTEN, "10.0.0.9:4002", Some(host(0)), at("192.0.2.1:6000"), at("192.0.2.1:6002")),
    ] {
        let mut latch = Paced::new(at(said), also);
        assert!((0..100).all(|_| latch.admit(first)));
        latch.rearm(at(next), also);
        assert!((0..40).all(|_| latch.admit(second) && latch.target() == second && latch.admit(first) | true));
        // What was under way has come, and a neighbour has it no easier for that.
        let neighbour = at("192.0.2.1:7000");
        for _ in 0..400 {
            assert!(latch.admit(second) && latch.target() == second, "{said}");
            assert!(!latch.admit(neighbour));
            latch.admit(first);
        }
        // It listens for four seconds. Behind a router nothing but its own silence tells the two apart.
        assert!(also.is_some() || !(0..200).any(|_| latch.admit(first)) && latch.target() == second);
    }
}

/// A phone that was heard where it said, has moved with its SIP, and is heard there; from where, and where to.
fn moved() -> (Paced, SocketAddr, SocketAddr) {
    let (old, new) = (at("192.0.2.1:4000"), at("198.51.100.7:50001"));
    let mut latch = Paced::new(old, None);
    latch.sources = BTreeMap::from([(old, PHONE)]);
    assert!((0..60).all(|_| latch.admit(old)));
    latch.follow(old.ip(), new.ip());
    latch.sources = BTreeMap::from([(new, PHONE)]);
    assert!((0..100).all(|_| latch.admit(new)));
    (latch, old, new)
}

/// A packet is doubled on its way, or a key comes in a stream of its own, before the phone listens.
#[test]
fn one_odd_packet_of_a_phone_does_not_give_its_place_away() {
    let (mut latch, old, new) = moved();
    latch.sources.clear();
    assert!(latch.admit(new));
    assert!(!(0..200).any(|_| latch.admit(old)) && latch.target() == new);
}

/// It has moved, and registered from there, and somebody has its old address. It leaves silence out, and mostly listens.
#[test]
fn whoever_has_a_phones_old_address_gets_nothing_while_it_listens() {
    let (mut latch, old, new) = moved();
    let intrudes = |latch: &mut Paced, packets: u64, pause: u64| {
        (0..packets).any(|_| {
            latch.now += Duration::from_millis(pause);
            latch.hear(old, false)
        })
    };
    for (packets, pause) in [(2, 1100), (8, 1050), (20, 200), (200, 20), (1000, 4)] {
        // A refresh, which says what was said before.
        latch.rearm(old, Some(new.ip()));
        assert!(!intrudes(&mut latch, packets, pause), "{packets} every {pause} ms");
        assert_eq!(latch.target(), new, "{packets} every {pause} ms");
        assert!((0..50).all(|_| latch.admit(new) && !latch.hear(old, false)), "nothing of it is under way");
    }
    // Who is heard nowhere else for five seconds may be the phone after all. Once it speaks where its SIP is, it is there.
    assert!(intrudes(&mut latch, 260, 20));
    assert_eq!(latch.target(), old);
    assert!(latch.admit(new) && latch.target() == new && !latch.admit(old));
    // Its own stream comes home.
    let mut home = Paced::new(old, None);
    home.sources = BTreeMap::from([(old, PHONE), (new, PHONE)]);
    home.follow(old.ip(), new.ip());
    assert!((0..60).all(|_| home.admit(new)));
    assert!(is_found(&mut home, old));
}

#[test]
fn music_that_another_machine_plays_to_whom_we_hold_does_not_tell_where_ours_go() {
    let (machine, player) = (at("192.0.2.99:4000"), at("192.0.2.1:7000"));
    // Only where addresses are private another host may show itself by a first packet.
    for also in [None, Some(host(0))] {
        let mut latch = Paced::new(machine, None);
        assert!((0..60).all(|_| latch.admit(machine)));
        latch.follow(host(1), host(0));
        latch.rearm(machine, also);
        assert_eq!((0..200).filter(|_| latch.admit_held(player)).count(), if also.is_some() { 200 } else { 0 });
        latch.rearm(machine, also);
        assert_eq!(latch.target(), machine);
        assert_eq!((0..9).filter(|_| latch.admit(player)).count(), if also.is_some() { 9 } else { 0 }, "what was under way");
        assert_eq!(latch.target(), machine);
        assert!(latch.admit(machine));
    }
    // Who moves while it holds us is where it went.
    let mut latch = Paced::new(machine, None);
    assert!((0..60).all(|_| latch.admit(machine)));
    latch.follow(machine.ip(), host(0));
    assert!((0..60).all(|_| latch.admit_held(player)));
    latch.rearm(machine, None);
    assert_eq!(latch.target(), player);
    // Whose router gives it another port meanwhile is there, though it says nothing more.
    let mut latch = Paced::new(at("10.0.0.9:4000"), Some(host(0)));
    assert!((0..60).all(|_| latch.admit(at("192.0.2.1:6000"))));
    latch.rearm(at("10.0.0.9:4000"), Some(host(0)));
    assert!((0..60).all(|_| latch.admit_held(player)));
    latch.rearm(at("10.0.0.9:4000"), Some(host(0)));
    assert_eq!(latch.target(), player);
    // A machine that holds under another port has no router before it, either.
    let mut ports = Paced::new(machine, Some(host(0)));
    assert!((0..60).all(|_| ports.admit(machine)));
    let other = SocketAddr::new(machine.ip(), 4_002);
    ports.rearm(other, Some(host(0)));
    assert!((0..60).all(|_| ports.admit_held(player)));
    ports.rearm(other, Some(host(0)));
    assert_eq!(ports.target(), other);
    assert!((0..9).all(|_| ports.admit(player)), "what was under way");
    assert_eq!(ports.target(), other);
    assert!(ports.admit(other));
    // And who begins with a hold was heard nowhere else.
    for hold in [at("10.0.0.9:4002"), at("10.0.0.10:4000")] {
        latch.rearm(hold, Some(host(0)));
        (0..60).for_each(|_| _ = latch.admit_held(at("192.0.2.1:6100")));
        latch.rearm(hold, Some(host(0)));
        assert_eq!(latch.target(), at("192.0.2.1:6100"));
    }
}

/// A second of it alone: then it is heard, and answered.
fn is_found(latch: &mut Paced, sound: SocketAddr) -> bool {
    (0..60).for_each(|_| _ = latch.admit(sound));
    latch.target() == sound && latch.admit(sound)
}

#[test]
fn a_late_packet_of_music_keeps_nobody_deaf_who_speaks_from_where_they_always_did() {
    for (said, also) in [("192.0.2.1:4000", None), ("10.0.0.9:4000", Some(host(0)))] {
        let (sound, player) = (at("192.0.2.1:6000"), at("192.0.2.1:7400"));
        let mut latch = Paced::new(at(said), also);
        assert!((0..60).all(|_| latch.admit(sound)));
        latch.rearm(at(said), also);
        assert!((0..200).all(|_| latch.admit_held(player)));
        latch.rearm(at(said), also);
        assert!(latch.admit(player));
        assert!(is_found(&mut latch, sound), "{said}");
        // Nor does one of the port that its router has given up.
        let again = at("192.0.2.1:6002");
        latch.rearm(at(said), also);
        assert!(latch.admit(sound));
        assert!(is_found(&mut latch, again), "{said}");
    }
}

#[test]
fn a_packet_of_another_host_takes_nothing_right_after_an_agreement() {
    let (machine, neighbour) = (at("192.0.2.99:4000"), at("192.0.2.1:7000"));
    for sound in [machine, at("192.0.2.99:6000")] {
        let mut latch = Paced::new(machine, Some(host(0)));
        assert!((0..60).all(|_| latch.admit(sound)));
        latch.rearm(machine, Some(host(0)));
        assert!(!latch.admit(neighbour));
        assert_eq!(latch.target(), sound);
    }
}

#[test]
fn sound_that_stayed_where_its_sip_is_no_more_is_found_again_after_an_agreement() {
    let sound = at("192.0.2.1:6000");
    // SIP from a public address stands for the private one that is written, and so another host is agreed on.
    let mut seen = Paced::new(SocketAddr::new(host(0), 4_000), None);
    assert!((0..60).all(|_| seen.admit(sound)));
    seen.follow(host(0), host(1));
    seen.rearm(SocketAddr::new(host(1), 4_000), None);
    assert!(is_found(&mut seen, sound));
    // Where both are private, another port is said.
    let mut private = Paced::new(at("10.0.0.9:4000"), Some(host(0)));
    assert!((0..60).all(|_| private.admit(sound)));
    private.follow(host(0), host(1));
    private.rearm(at("10.0.0.9:4002"), Some(host(1)));
    assert!(is_found(&mut private, sound));
    // Or another port of the one that its SIP stands for.
    let mut other = Paced::new(sound, None);
    other.rearm_seen(sound, at(WRITTEN).ip());
    assert!((0..60).all(|_| other.admit(sound)));
    other.follow(host(0), host(1));
    other.rearm_seen(SocketAddr::new(host(1), 6_002), at(WRITTEN).ip());
    assert!(is_found(&mut other, sound));
    // A port that its router had for it once says something after a refresh.
    let mut strays = Paced::new(at("192.0.2.1:4000"), None);
    strays.rearm_seen(at("192.0.2.1:4000"), at(WRITTEN).ip());
    assert!((0..60).all(|_| strays.admit(sound)));
    strays.follow(host(0), host(1));
    for _ in 0..2 {
        strays.rearm_seen(SocketAddr::new(host(1), 4_000), at(WRITTEN).ip());
        assert!((0..60).all(|_| strays.admit(sound)));
    }
    strays.rearm_seen(SocketAddr::new(host(1), 4_000), at(WRITTEN).ip());
    strays.admit(at("192.0.2.1:6100"));
    assert!(is_found(&mut strays, sound));
    // Of a machine that was said and is no more, nothing is heard.
    let mut left = Paced::new(sound, None);
    assert!((0..60).all(|_| left.admit(sound)));
    left.rearm(SocketAddr::new(host(1), 4_000), None);
    assert!(!(0..200).any(|_| left.admit(sound)));
}

/// A router that keeps ports, or a phone with two networks: it writes a private address all the time, for which another host stands each time.
#[test]
fn sound_that_stays_on_the_very_port_that_was_said_is_kept_wherever_its_sip_goes() {
    let (written, sound) = (at(WRITTEN).ip(), at("192.0.2.1:4000"));
    let place = |number| SocketAddr::new(host(number), sound.port());
    let mut latch = Paced::new(sound, None);
    latch.rearm_seen(sound, written);
    assert!((0..60).all(|_| latch.admit(sound)));
    for (from, to) in [(0, 1), (1, 2)] {
        latch.follow(host(from), host(to));
        latch.rearm_seen(place(to), written);
        assert_eq!(latch.target(), place(to), "until anybody is heard");
        // It is silent, and has gone with its SIP: by whatever port, ours go there at once.
        for port in [sound.port(), 6_002] {
            let (mut gone, there) = (latch.clone(), SocketAddr::new(host(to), port));
            assert!(gone.admit(there));
            assert_eq!(gone.target(), there);
            // Once it is known there, nobody takes it from where it was.
            assert!((0..60).all(|_| gone.admit(there)));
            assert!(!gone.admit(at("198.51.100.7:7000")));
            (0..200).for_each(|_| _ = gone.admit(sound));
            assert_eq!(gone.target(), there);
        }
        assert!((0..60).all(|_| latch.admit(sound) && latch.target() == sound));
        // It goes later on.
        let mut later = latch.clone();
        assert!(later.admit(place(to)));
        assert_eq!(later.target(), place(to));
        // Or only a few packets go that way.
        assert!(is_found(&mut later, sound));
    }
    // Its SIP goes into a private network, where nothing stands for anything.
    let inside = at("10.0.0.1:5060").ip();
    latch.follow(host(2), inside);
    latch.rearm(at(WRITTEN), Some(inside));
    assert!((0..60).all(|_| latch.admit(sound) && latch.target() == sound));
    // Or out of one, where it was heard at the address that it wrote.
    let mut out = Paced::new(at(WRITTEN), None);
    assert!((0..60).all(|_| out.admit(at(WRITTEN))));
    out.follow(written, host(1));
    out.rearm_seen(place(1), written);
    assert!((0..60).all(|_| out.admit(at(WRITTEN)) && out.target() == at(WRITTEN)));
    // Who names another place is there, though its SIP has gone, too.
    let mut named = Paced::new(sound, None);
    assert!((0..60).all(|_| named.admit(sound)));
    named.follow(host(0), host(1));
    named.rearm(place(1), None);
    assert!(!(0..200).any(|_| named.admit(sound)));
}

#[test]
fn who_has_gone_and_says_another_port_before_a_word_is_heard_where_its_sip_is_whoever_spoke_meanwhile() {
    let (sound, there) = (at("192.0.2.1:6000"), at("198.51.100.7:6002"));
    let mut latch = Paced::new(at(WRITTEN), Some(host(0)));
    assert!((0..60).all(|_| latch.admit(sound)));
    latch.follow(host(0), host(1));
    latch.rearm(at("10.0.0.9:4002"), Some(host(1)));
    (0..150).for_each(|_| _ = latch.admit(sound));
    assert_eq!(latch.target(), sound, "it may have stayed");
    assert!(is_found(&mut latch, there));
}

/// A carrier's machine that has been replaced goes on sending, and so does the one that plays music to whom it holds.
#[test]
fn the_port_that_was_agreed_on_gets_its_sound_back_from_whatever_spoke_while_it_was_silent() {
    let (sip, other_sip) = (host(0), host(1));
    let (first, second) = (at("192.0.2.99:4000"), at("192.0.2.98:4000"));
    for also in [None, Some(sip)] {
        let mut moved = Paced::new(first, also);
        assert!((0..60).all(|_| moved.admit(first)));
        moved.follow(sip, other_sip);
        moved.rearm(second, also.map(|_| other_sip));
        assert!(!(0..200).any(|_| moved.admit(first)), "it was replaced");
        assert!((0..60).all(|_| moved.admit(second)));
        (0..200).for_each(|_| _ = moved.admit(first));
        assert!(moved.admit(second));
        assert_eq!(moved.target(), second);
        // Another port where its SIP is speaks after a refresh.
        let mut silent = Paced::new(first, also);
        assert!((0..60).all(|_| silent.admit(first)));
        silent.rearm(first, also);
        (0..200).for_each(|_| _ = silent.admit(SocketAddr::new(sip, 7_000)));
        assert!(silent.admit(first));
        assert_eq!(silent.target(), first);
    }
}
