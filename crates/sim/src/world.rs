//! The world: an engine, its journal, its media plane, the network and everybody's phone, on one queue of things to come.
//!
//! Virtual time: the clock jumps from one event to the next, so that an hour takes a second and the same seed tells the same story to the
//! last byte. The engine is the one that runs the city; all that it needs from the edge is played here.

use crate::mime::Mime;
use crate::people::{Life, Person};
use crate::watch::Watch;
use crate::{Clerk, Datagram, Ledger, Link, Pace, PersonId, Resident, Weather, town};
use bytes::Bytes;
use calls::{Act, City, Control, Engine, Gate, Input, Output, Reply};
use media::{Channel, Rack};
use model::{ActId, CallId, CallRecord, Census, ControlId, Event, FlowId, Instant, LegId, Now, Random, Seq, UnixMillis};
use phone::{AnswerPolicy, Command, Config, Phone, Socket, Sound};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// From an act that concerns sound to its doing, and back: a message to another thread.
const HOP: Duration = Duration::from_millis(1);
/// People in one world: their addresses are counted in two bytes.
const PEOPLE_MAX: usize = 60_000;

/// Something that was said in the world.
#[derive(Clone, Debug)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// By whom, and what.
    pub what: Voice,
}

/// Who says something.
#[derive(Clone, Debug)]
pub enum Voice {
    /// The engine.
    Engine(Event),
    /// A person's phone.
    Phone(PersonId, phone::Event),
    /// The engine's answer to a [`Control`].
    Reply(String),
    /// The engine died.
    Crashed,
    /// It came back.
    Restored,
}

/// What is to come.
enum Due {
    /// A machine may have something to do.
    Wake(Machine),
    Person(PersonId, Command),
    /// Planned for one call of a person, and void when that is over.
    InCall(PersonId, u32, Command),
    Media(LegId, media::Event),
    Control(Control),
    Datagram(Datagram),
    Weather(Weather),
    Pace(Pace),
    JournalDies,
    Crash(Duration),
    Restore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Machine {
    Engine,
    Gate,
    Ledger,
    Link,
    Sound,
    Person(PersonId),
}

/// Who does what the engine asks of the media plane.
enum Sounds {
    /// Nobody: it is computed when prompts end.
    Mime(Box<Mime>),
    /// The real rack, with every packet.
    Rack(Box<Racked>),
}

struct Racked {
    rack: Rack,
    /// Which leg's socket an address is.
    sockets: BTreeMap<SocketAddr, (LegId, Channel)>,
    legs: BTreeMap<LegId, SocketAddr>,
    tick: Option<Instant>,
}

/// A world under virtual time.
pub struct World {
    seed: u64,
    now: Instant,
    serial: u64,
    plan: BTreeMap<(Instant, u64), Due>,
    /// For when each machine is on the plan; other entries for it are stale.
    alarms: BTreeMap<Machine, Instant>,
    random: Random,
    city: Arc<City>,
    engine: Option<Engine>,
    engine_addr: SocketAddr,
    gate: Gate,
    ledger: Ledger,
    link: Link,
    sounds: Sounds,
    people: Vec<Person>,
    by_ip: BTreeMap<IpAddr, PersonId>,
    by_name: BTreeMap<String, PersonId>,
    callers: BTreeMap<CallId, PersonId>,
    controls: u64,
    watch: Watch,
    digest: Sha256,
    story: Vec<Told>,
}

impl World {
    /// A world around this city in fair weather, signalling only: nobody hears a sample, keys and the ends of prompts are computed.
    /// It begins on a Monday at 10:00, at instant zero.
    pub fn new(city: Arc<City>, seed: u64) -> World {
        let mut random = Random::from_number(seed);
        let engine = Engine::new(Arc::clone(&city), random.seed());
        let settings = &city.book.settings;
        let mut world = World {
            seed,
            now: Instant::ZERO,
            serial: 0,
            plan: BTreeMap::new(),
            alarms: BTreeMap::new(),
            engine_addr: settings.sip,
            gate: Gate::new(Seq(0)),
            ledger: Ledger::new(Pace::PROMISED, random.fork()),
            link: Link::new(Weather::FAIR, random.fork()),
            random,
            engine: Some(engine),
            city,
            sounds: Sounds::Mime(Box::default()),
            people: Vec::new(),
            by_ip: BTreeMap::new(),
            by_name: BTreeMap::new(),
            callers: BTreeMap::new(),
            controls: 0,
            watch: Watch::default(),
            digest: Sha256::new(),
            story: Vec::new(),
        };
        world.settle();
        world
    }

    /// The same with sound: the real media plane, a packet every 20 ms each way. For a handful of calls.
    pub fn with_sound(city: Arc<City>, seed: u64) -> World {
        let mut world = World::new(city, seed);
        let rack = Rack::new(world.random.fork());
        world.sounds = Sounds::Rack(Box::new(Racked { rack, sockets: BTreeMap::new(), legs: BTreeMap::new(), tick: None }));
        world
    }

    // ---- who lives here ------------------------------------------------------------------------------------------------------

    /// A resident who dials at a time.
    ///
    /// # Panics
    /// When the world is full.
    pub fn add_resident(&mut self, at: Duration, resident: Resident) -> PersonId {
        let name = format!("080{:08}", self.people.len());
        let says = resident.says.clone();
        let person = self.move_in(name, None, AnswerPolicy::Never, says, Life::Resident(resident));
        self.at(at, person, self.dialling(person));
        person
    }

    /// An agent of the city, by name, whose phone registers at a time.
    ///
    /// # Panics
    /// When the world is full.
    pub fn add_clerk(&mut self, at: Duration, name: &str, clerk: Clerk) -> PersonId {
        let (answer, says) = (clerk.answer, clerk.says.clone());
        let person = self.move_in(name.to_owned(), Some(town::password(name)), answer, says, Life::Clerk(clerk));
        self.at(at, person, Command::Register);
        person
    }

    fn move_in(&mut self, name: String, password: Option<String>, answer: AnswerPolicy, says: Sound, life: Life) -> PersonId {
        assert!(self.people.len() < PEOPLE_MAX, "the world is full: {PEOPLE_MAX} people");
        let number = self.people.len() as u32;
        let [_, _, high, low] = (number + 1).to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(127, 1, high, low));
        let (sip, rtp) = (SocketAddr::new(ip, 5060), SocketAddr::new(ip, 4000));
        let says = if matches!(self.sounds, Sounds::Mime(_)) { Sound::Nothing } else { says };
        let codecs = model::Codec::ALL.to_vec();
        let config = Config { user: name.clone(), password, sip, rtp, server: self.engine_addr, answer, says, codecs, trace: false };
        let person = PersonId(number);
        let phone = Phone::new(config, self.random.fork());
        self.people.push(Person { phone, name: name.clone(), sip, rtp, life, calls: 0, ended: None });
        self.by_ip.insert(ip, person);
        self.by_name.insert(name, person);
        person
    }

    /// What a resident does to call; nothing for an agent.
    fn dialling(&self, person: PersonId) -> Command {
        match self.person(person).map(|p| &p.life) {
            Some(Life::Resident(resident)) => Command::Dial { uri: format!("sip:{}@{}", resident.dials, self.engine_addr) },
            Some(Life::Clerk(_)) | None => Command::HangUp,
        }
    }

    /// Somebody does something with their phone at a time, whatever else they planned.
    pub fn at(&mut self, at: Duration, person: PersonId, command: Command) {
        self.plan(Instant::ZERO + at, Due::Person(person, command));
    }

    /// An agent dials a star code (`*1`, `*2`) at a time.
    pub fn dials_code(&mut self, at: Duration, person: PersonId, code: &str) {
        let uri = format!("sip:{code}@{}", self.engine_addr);
        self.at(at, person, Command::Dial { uri });
    }

    // ---- what goes wrong -----------------------------------------------------------------------------------------------------

    /// The network changes at a time.
    pub fn weather(&mut self, at: Duration, weather: Weather) {
        self.plan(Instant::ZERO + at, Due::Weather(weather));
    }

    /// The journal becomes slower or faster at a time.
    pub fn journal_pace(&mut self, at: Duration, pace: Pace) {
        self.plan(Instant::ZERO + at, Due::Pace(pace));
    }

    /// The journal confirms nothing any more from a time on.
    pub fn journal_dies(&mut self, at: Duration) {
        self.plan(Instant::ZERO + at, Due::JournalDies);
    }

    /// The engine's process is killed at a time, and restored from the durable records after an outage.
    pub fn crash(&mut self, at: Duration, outage: Duration) {
        self.plan(Instant::ZERO + at, Due::Crash(outage));
    }

    /// Somebody sends the engine a datagram, which arrives at a time, whatever the weather.
    pub fn inject(&mut self, at: Duration, from: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram { from, to: self.engine_addr, bytes: Bytes::copy_from_slice(bytes) };
        self.plan(Instant::ZERO + at, Due::Datagram(datagram));
    }

    /// Somebody at the edge asks for something at a time.
    pub fn control(&mut self, at: Duration, control: Control) {
        self.plan(Instant::ZERO + at, Due::Control(control));
    }

    // ---- letting time pass ---------------------------------------------------------------------------------------------------

    /// Runs everything up to a time.
    ///
    /// # Panics
    /// When something happened that must never happen: with the seed, the time and what it was.
    pub fn run_until(&mut self, at: Duration) {
        let end = Instant::ZERO + at;
        while self.plan.first_key_value().is_some_and(|((due, _), _)| *due <= end) {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Runs until nobody calls, nothing is under way and nothing is planned, but for registrations. Then every count must be zero.
    ///
    /// # Panics
    /// As [`World::run_until`]; when it is not quiet by `limit`; when something is left.
    pub fn run_until_quiet(&mut self, limit: Duration) {
        while let Some(noise) = self.noise() {
            let next = self.now.since(Instant::ZERO) + Duration::from_secs(1);
            if next > limit {
                self.fail(&format!("not quiet by {limit:?}: {noise}"));
            }
            self.run_until(next);
        }
        let verdict = self.watch.quiet();
        self.must(verdict);
        if let Some(engine) = &self.engine {
            let (audit, census) = (engine.audit(), engine.census());
            self.must(audit);
            if census != Census::default() {
                self.fail(&format!("all is quiet, and this is left: {census:?}"));
            }
        }
        if self.gate.poll_timeout().is_some() {
            self.fail("all is quiet, and the gate holds acts");
        }
    }

    /// The first thing that keeps the world from being quiet.
    fn noise(&self) -> Option<String> {
        let planned = self.plan.values().find_map(|due| match due {
            Due::Wake(Machine::Link) => Some("a datagram is under way".to_owned()),
            // What was planned for a call that is over comes to nothing.
            Due::InCall(person, call, _) => {
                let holds = self.person(*person).is_some_and(|p| p.calls == *call && p.ended.is_none() && p.phone.is_in_call());
                holds.then(|| format!("{person:?} has plans for a call"))
            }
            Due::Wake(_) => None,
            Due::Person(..) | Due::Media(..) | Due::Control(_) | Due::Datagram(_) => Some("something is planned".to_owned()),
            Due::Weather(_) | Due::Pace(_) | Due::JournalDies | Due::Crash(_) | Due::Restore => Some("a fault is planned".to_owned()),
        });
        planned
            .or_else(|| self.people.iter().find(|p| p.phone.is_busy()).map(|p| format!("{}'s phone is busy", p.name)))
            .or_else(|| {
                let census = self.engine.as_ref().map(Engine::census).unwrap_or_default();
                (census != Census::default()).then(|| format!("the engine has {census:?}"))
            })
            .or_else(|| (self.sound_sessions() > 0).then(|| "media sessions are open".to_owned()))
    }

    fn sound_sessions(&self) -> usize {
        match &self.sounds {
            Sounds::Mime(mime) => mime.sessions(),
            Sounds::Rack(racked) => racked.rack.sessions(),
        }
    }

    /// Does the next thing on the plan.
    fn step(&mut self) {
        let Some(((at, _), due)) = self.plan.pop_first() else { return };
        self.now = self.now.max(at);
        match due {
            Due::Wake(machine) => {
                // An earlier wish of the same machine was served, or has been replaced.
                if self.alarms.get(&machine) != Some(&at) {
                    return;
                }
                self.alarms.remove(&machine);
                self.wake(machine);
            }
            Due::Person(person, command) => self.command(person, command),
            Due::InCall(person, call, command) => {
                if self.person(person).is_some_and(|p| p.calls == call && p.ended.is_none()) {
                    self.command(person, command);
                }
            }
            Due::Media(leg, event) => self.input(Input::Media(leg, event)),
            Due::Control(control) => {
                self.controls += 1;
                let id = ControlId(self.controls);
                self.input(Input::Control(id, control));
            }
            Due::Datagram(datagram) => self.deliver(datagram),
            Due::Weather(weather) => self.link.set_weather(weather),
            Due::Pace(pace) => self.ledger.set_pace(pace),
            Due::JournalDies => self.ledger.die(),
            Due::Crash(outage) => self.die(outage),
            Due::Restore => self.rise(),
        }
        self.settle();
    }

    fn wake(&mut self, machine: Machine) {
        let now = self.now;
        match machine {
            Machine::Engine => self.input(Input::Timeout),
            Machine::Gate => {
                self.gate.handle_timeout(now);
                if let Some(seq) = self.gate.poll_overdue() {
                    let verdict = self.watch.handle_overdue(now, seq);
                    self.must(verdict);
                    self.tell(Voice::Engine(Event::NotDurable { seq }));
                }
            }
            Machine::Ledger => {
                self.ledger.handle_timeout(now);
                while let Some(seq) = self.ledger.poll_output() {
                    self.gate.handle_confirmed(seq);
                }
            }
            Machine::Link => {
                self.link.handle_timeout(now);
                while let Some(datagram) = self.link.poll_output() {
                    self.deliver(datagram);
                    self.settle();
                }
            }
            Machine::Sound => self.tick(),
            Machine::Person(id) => {
                if let Some(person) = self.people.get_mut(id.0 as usize) {
                    person.phone.handle_timeout(now);
                }
                self.listen(id);
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.clocks();
        if let Some(engine) = &mut self.engine {
            engine.handle_input(now, input);
        }
        self.drain();
    }

    fn clocks(&self) -> Now {
        let millis = i64::try_from(self.now.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Now { mono: self.now, wall: UnixMillis(town::MONDAY.0.saturating_add(millis)) }
    }

    /// Takes what the engine says, act by act, until it says nothing more.
    fn drain(&mut self) {
        while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
            self.digest.update(format!("{:?} {output:?}\n", self.now));
            let verdict = match output {
                Output::Commit(seq, record) => {
                    self.ledger.handle_record(self.now, seq, record);
                    self.watch.handle_commit(seq)
                }
                Output::Act { id, after, act } => {
                    let verdict = self.watch.handle_asked(self.now, id, after);
                    self.gate.handle_act(self.now, id, after, act);
                    verdict
                }
                Output::Note(event) => {
                    let verdict = self.watch.handle_event(self.now, &event);
                    self.follow(&event);
                    self.story.push(Told { at: self.now, what: Voice::Engine(event) });
                    verdict
                }
            };
            self.must(verdict);
        }
    }

    /// Does what the gate lets through, and asks every machine when it wants to be woken.
    fn settle(&mut self) {
        self.drain();
        while let Some((id, act)) = self.gate.poll_act() {
            let verdict = self.watch.handle_done(self.now, id, &act, self.ledger.confirmed());
            self.must(verdict);
            self.act(id, act);
        }
        let engine = self.engine.as_ref().and_then(Engine::poll_timeout).map(|(at, _)| at);
        self.alarm(Machine::Engine, engine);
        self.alarm(Machine::Gate, self.gate.poll_timeout());
        self.alarm(Machine::Ledger, self.ledger.poll_timeout());
        self.alarm(Machine::Link, self.link.poll_timeout());
        let sound = match &self.sounds {
            Sounds::Mime(mime) => mime.poll_timeout(),
            Sounds::Rack(racked) => racked.tick,
        };
        self.alarm(Machine::Sound, sound);
    }

    fn alarm(&mut self, machine: Machine, at: Option<Instant>) {
        match at {
            None => drop(self.alarms.remove(&machine)),
            Some(at) => {
                let at = at.max(self.now);
                if self.alarms.insert(machine, at) != Some(at) {
                    self.plan(at, Due::Wake(machine));
                }
            }
        }
    }

    fn plan(&mut self, at: Instant, due: Due) {
        self.serial += 1;
        self.plan.insert((at.max(self.now), self.serial), due);
    }

    // ---- the engine's arms and legs ------------------------------------------------------------------------------------------

    fn act(&mut self, _id: ActId, act: Act) {
        match act {
            Act::Transmit { flow: _, to, bytes } => {
                let datagram = Datagram { from: self.engine_addr, to, bytes };
                self.link.handle_datagram(self.now, datagram);
            }
            Act::Media(leg, command) => self.sound(leg, command),
            Act::Reply(_, reply) => {
                let reply = match reply {
                    Reply::Done => "done".to_owned(),
                    Reply::Refused(why) => why,
                    Reply::Snapshot(snapshot) => format!("{snapshot:?}"),
                };
                self.tell(Voice::Reply(reply));
            }
        }
    }

    fn sound(&mut self, leg: LegId, command: media::Command) {
        let now = self.now;
        match &mut self.sounds {
            Sounds::Mime(mime) => mime.handle_command(now, leg, command),
            Sounds::Rack(racked) => {
                if let media::Command::Open { local } = command {
                    racked.sockets.insert(local, (leg, Channel::Rtp));
                    racked.sockets.insert(above(local), (leg, Channel::Rtcp));
                    racked.legs.insert(leg, local);
                }
                let closes = matches!(command, media::Command::Close);
                racked.rack.handle_command(now, leg, command);
                racked.tick.get_or_insert(now + media::TICK);
                if closes {
                    let mut wire = Wire { legs: &racked.legs, sent: Vec::new() };
                    racked.rack.send_farewells(&mut wire);
                    let sent = wire.sent;
                    if let Some(local) = racked.legs.remove(&leg) {
                        racked.sockets.remove(&local);
                        racked.sockets.remove(&above(local));
                    }
                    self.fly(sent);
                }
            }
        }
        self.hear_sounds();
    }

    fn tick(&mut self) {
        let now = self.now;
        match &mut self.sounds {
            Sounds::Mime(mime) => mime.handle_timeout(now),
            Sounds::Rack(racked) => {
                let legs: Vec<LegId> = racked.legs.keys().copied().collect();
                let mut wire = Wire { legs: &racked.legs, sent: Vec::new() };
                for leg in legs {
                    racked.rack.handle_tick(now, leg, &mut wire);
                }
                let sent = wire.sent;
                racked.tick = (racked.rack.sessions() > 0).then(|| now + media::TICK);
                self.fly(sent);
            }
        }
        self.hear_sounds();
    }

    fn fly(&mut self, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            self.link.handle_datagram(self.now, datagram);
        }
    }

    fn hear_sounds(&mut self) {
        loop {
            let event = match &mut self.sounds {
                Sounds::Mime(mime) => mime.poll_event(),
                Sounds::Rack(racked) => racked.rack.poll_event(),
            };
            let Some((leg, event)) = event else { return };
            self.plan(self.now + HOP, Due::Media(leg, event));
        }
    }

    /// A datagram reaches whoever has its address; nobody, if nobody has.
    fn deliver(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        let now = self.now;
        if to == self.engine_addr {
            return self.input(Input::Message { flow: FlowId(1), from, bytes });
        }
        if let Some(id) = self.by_ip.get(&to.ip()).copied()
            && let Some(person) = self.people.get_mut(id.0 as usize)
        {
            let socket = if to == person.sip {
                Socket::Sip
            } else if to == person.rtp {
                Socket::Rtp
            } else {
                Socket::Rtcp
            };
            person.phone.handle_packet(now, socket, from, &bytes);
            return self.listen(id);
        }
        if let Sounds::Rack(racked) = &mut self.sounds
            && let Some((leg, channel)) = racked.sockets.get(&to).copied()
        {
            let mut wire = Wire { legs: &racked.legs, sent: Vec::new() };
            racked.rack.handle_packet(now, leg, channel, from, &bytes, &mut wire);
            let sent = wire.sent;
            self.fly(sent);
            self.hear_sounds();
        }
    }

    /// kill -9: what the engine knew is gone, what it had not yet done is never done.
    fn die(&mut self, outage: Duration) {
        self.engine = None;
        self.ledger.crash();
        self.watch.handle_crash(self.now, self.ledger.durable(), self.ledger.confirmed());
        self.gate = Gate::new(self.ledger.confirmed());
        let rack = Rack::new(self.random.fork());
        match &mut self.sounds {
            Sounds::Mime(mime) => **mime = Mime::default(),
            Sounds::Rack(racked) => **racked = Racked { rack, sockets: BTreeMap::new(), legs: BTreeMap::new(), tick: None },
        }
        self.plan.retain(|_, due| !matches!(due, Due::Media(..)));
        self.plan(self.now + outage, Due::Restore);
        self.tell(Voice::Crashed);
    }

    fn rise(&mut self) {
        let confirmed = self.ledger.confirmed();
        let seed = self.random.seed();
        let mut records = self.ledger.durable().cloned().collect::<Vec<_>>().into_iter();
        self.engine = Some(Engine::restore(Arc::clone(&self.city), seed, confirmed, &mut records));
        self.tell(Voice::Restored);
        // The edge asks for something at once, and with the first input the calls of the past are closed.
        self.plan(self.now, Due::Control(Control::Snapshot));
    }

    // ---- the people ----------------------------------------------------------------------------------------------------------

    fn person(&self, id: PersonId) -> Option<&Person> {
        self.people.get(id.0 as usize)
    }

    fn command(&mut self, id: PersonId, command: Command) {
        let now = self.now;
        let Some(person) = self.people.get_mut(id.0 as usize) else { return };
        let (dials, goes) = (matches!(command, Command::Dial { .. }), matches!(command, Command::Vanish | Command::StopSending));
        if dials && !person.phone.is_in_call() {
            person.calls += 1;
            person.ended = None;
        }
        let (call, rtp) = (person.calls, person.rtp);
        person.phone.handle_command(now, command);
        if let (true, Life::Resident(resident)) = (dials, &person.life) {
            let (keys, patience) = (phone::Key::parse_script(&resident.keys), resident.patience);
            if let Ok(keys) = keys {
                person.phone.handle_command(now, Command::Press(keys));
            }
            self.plan(now + patience, Due::InCall(id, call, Command::HangUp));
        }
        if let (true, Sounds::Mime(mime)) = (goes, &mut self.sounds) {
            mime.handle_gone(now, rtp);
        }
        self.listen(id);
    }

    /// Takes what a phone has to send and to tell, and when it wants to be woken.
    fn listen(&mut self, id: PersonId) {
        while let Some(output) = self.people.get_mut(id.0 as usize).and_then(|p| p.phone.poll_output()) {
            match output {
                phone::Output::Send { socket, to, bytes } => {
                    let Some(person) = self.person(id) else { return };
                    let from = match socket {
                        Socket::Sip => person.sip,
                        Socket::Rtp => person.rtp,
                        Socket::Rtcp => above(person.rtp),
                    };
                    self.link.handle_datagram(self.now, Datagram { from, to, bytes: bytes.into() });
                }
                phone::Output::Event(event) => self.react(id, event),
            }
        }
        let timeout = self.person(id).and_then(|p| p.phone.poll_timeout());
        self.alarm(Machine::Person(id), timeout);
    }

    /// A person's phone tells something, and the person does what people do.
    fn react(&mut self, id: PersonId, event: phone::Event) {
        self.digest.update(format!("{:?} {id:?} {event:?}\n", self.now));
        let now = self.now;
        let Some(person) = self.people.get_mut(id.0 as usize) else { return };
        match &event {
            phone::Event::Incoming { .. } => {
                person.calls += 1;
                person.ended = None;
            }
            phone::Event::Ended { .. } => person.ended = Some(now),
            phone::Event::Pressed(digit) => {
                let rtp = person.rtp;
                if let Sounds::Mime(mime) = &mut self.sounds {
                    mime.handle_key(now, rtp, *digit);
                    self.hear_sounds();
                }
            }
            _ => {}
        }
        self.story.push(Told { at: now, what: Voice::Phone(id, event) });
    }

    /// What the engine notes tells the simulation who talks to whom: that is when people begin to talk.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::Arrived { call, caller, .. } => {
                if let Some(person) = self.by_name.get(caller.reveal()) {
                    self.callers.insert(*call, *person);
                }
            }
            Event::Bridged { call, agent, .. } => {
                let both = [self.callers.get(call).copied(), self.by_name.get(agent.as_str()).copied()];
                for id in both.into_iter().flatten() {
                    let Some(person) = self.person(id) else { continue };
                    let (call, talk) = (person.calls, person.talk());
                    // Whoever is served has patience.
                    if matches!(person.life, Life::Resident(_)) {
                        self.plan.retain(|_, due| !matches!(due, Due::InCall(p, c, Command::HangUp) if *p == id && *c == call));
                    }
                    if let Some(talk) = talk {
                        self.plan(self.now + talk, Due::InCall(id, call, Command::HangUp));
                    }
                }
            }
            Event::Ended { record } => drop(self.callers.remove(&record.call)),
            _ => {}
        }
    }

    fn tell(&mut self, what: Voice) {
        self.digest.update(format!("{:?} {what:?}\n", self.now));
        self.story.push(Told { at: self.now, what });
    }

    fn must(&self, verdict: Result<(), String>) {
        if let Err(fault) = verdict {
            self.fail(&fault);
        }
    }

    fn fail(&self, fault: &str) -> ! {
        panic!("seed {}, at {:?}: {fault}", self.seed, self.now)
    }

    // ---- what is to be seen --------------------------------------------------------------------------------------------------

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Everything that was said, in order.
    pub fn events(&self) -> &[Told] {
        &self.story
    }

    /// What the engine noted, in order.
    pub fn notes(&self) -> impl Iterator<Item = (Instant, &Event)> {
        self.story.iter().filter_map(|t| if let Voice::Engine(event) = &t.what { Some((t.at, event)) } else { None })
    }

    /// What a person's phone told, in order.
    pub fn told(&self, person: PersonId) -> impl Iterator<Item = (Instant, &phone::Event)> {
        self.story.iter().filter_map(move |t| match &t.what {
            Voice::Phone(id, event) if *id == person => Some((t.at, event)),
            _ => None,
        })
    }

    /// Where the engine broke the protocol, by the judgement of the phones.
    pub fn violations(&self) -> Vec<String> {
        let told = self.story.iter().filter_map(|t| match &t.what {
            Voice::Phone(id, phone::Event::Violation(fault)) => Some(format!("{:?} {}: {fault}", t.at, self.person(*id)?.name)),
            _ => None,
        });
        told.collect()
    }

    /// The call records so far, in the order in which calls ended.
    pub fn records(&self) -> &[CallRecord] {
        self.watch.records()
    }

    /// How many acts went out before their record was durable.
    pub fn flagged(&self) -> u64 {
        self.watch.flagged
    }

    /// The engine; `None` during an outage.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The journal.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The city.
    pub fn city(&self) -> &Arc<City> {
        &self.city
    }

    /// A person's phone.
    pub fn phone(&self, person: PersonId) -> Option<&Phone> {
        self.person(person).map(|p| &p.phone)
    }

    /// SHA-256 over every output of the engine and every event of the phones, with their times, in order, lower-case hex.
    pub fn digest(&self) -> String {
        self.digest.clone().finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// The simulator's half of `media::Wire`: packets go to the network.
struct Wire<'a> {
    legs: &'a BTreeMap<LegId, SocketAddr>,
    sent: Vec<Datagram>,
}

impl media::Wire for Wire<'_> {
    fn send(&mut self, leg: LegId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        if let Some(local) = self.legs.get(&leg) {
            let from = match channel {
                Channel::Rtp => *local,
                Channel::Rtcp => above(*local),
            };
            self.sent.push(Datagram { from, to, bytes: Bytes::copy_from_slice(packet) });
        }
    }
}

/// The RTCP port belonging to an RTP port (RFC 3550 section 11).
fn above(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}
