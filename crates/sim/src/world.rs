//! The world: an engine, its journal, its media plane, the network and everybody's phone, on one queue of things to come.
//!
//! Virtual time: the clock jumps from one event to the next, so that an hour takes a second and the same seed tells the same story to the
//! last byte. The engine is the one that runs the city; all that it needs from the edge is played here.

mod ears;
mod edge;
mod faults;
mod houses;
mod life;
mod seen;

pub(crate) use ears::Play;
pub use houses::House;

use crate::mime::Mime;
use crate::people::Person;
use crate::watch::Watch;
use crate::{Datagram, Ledger, Link, Pace, PersonId, Weather, town};
use calls::{Act, City, Control, Engine, Gate, Input, Output, Vault};
use media::{Channel, Rack};
use model::{CallId, Census, ControlId, Digit, Event, FlowId, Instant, LegId, Now, Random, Seq, UnixMillis};
use phone::{Command, Key};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// From an act that concerns sound to its doing, and back: a message to another thread.
const HOP: Duration = Duration::from_millis(1);

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
    /// A key meant for one step of one call of a person, and void when either is over.
    AtStep(PersonId, u32, u32, Digit),
    Media(LegId, media::Event),
    Control(Control),
    Datagram(Datagram),
    /// Another room has an answer.
    Input(Box<Input>),
    Weather(Weather),
    Pace(Pace),
    JournalDies,
    ClockJumps(i64),
    PortsTaken(Vec<u16>),
    Crash(Duration),
    Restore,
    Sleeps(PersonId, Duration),
    Wakes(PersonId),
    /// Their cable is pulled, or put back.
    Cut(PersonId, bool),
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

/// What is wrong with a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// It says nothing, and nothing gets through it.
    Deaf,
    /// It says nothing, and all the same what it is sent arrives: its answers are lost.
    Mute,
    /// The same for calls only: what it is asked else it answers.
    MuteToCalls,
    /// It takes calls, and answers nothing else.
    AnswersCallsOnly,
    /// Nothing gets through it, and it takes no connection: that is known at once.
    Closed,
    /// It says a 2xx once over its connection, and never again (against RFC 3261 section 13.3.1.4, and as SIPp does).
    SaysOnce,
    /// It refuses every call with this status.
    Refuses(u16),
    /// It refuses every call, at once or after it has rung, and does not want to be asked again for so many seconds.
    BusyFor {
        /// For how long.
        secs: u32,
        /// Whether it has rung before.
        rings: bool,
    },
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

/// Nothing goes on: callbacks that wait for their hours may be there.
fn is_quiet(census: &Census) -> bool {
    *census == Census { callbacks: census.callbacks, ..Census::default() }
}

/// Whether a note tells of a place taken or left, of a decision, or of what an agent does.
fn is_of_routing(event: &Event) -> bool {
    use Event as E;
    matches!(
        event,
        E::Enqueued { .. } | E::LeftQueue { .. } | E::Offered { .. } | E::Waits { .. } | E::AgentState { .. } | E::Published { .. }
    )
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
    /// As it lies in the state folder: a crash does not touch it.
    vault: Vault,
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
    /// What the network between a person and us makes of their INVITE, where it changes anything.
    carriers: BTreeMap<PersonId, fn(&str) -> String>,
    /// What came for addresses where nobody lives: the answers to what was injected.
    mail: Vec<Datagram>,
    /// Trunks that do not do what they should.
    ailing: BTreeMap<SocketAddr, Ailment>,
    /// Which telephone a call of the trunk went to, by its SIP Call-ID.
    carried: BTreeMap<String, PersonId>,
    /// The connection and the trunk of what is said over connections, by its SIP Call-ID.
    connected: BTreeMap<String, (FlowId, SocketAddr)>,
    /// The calls that were answered by trunks that say so once.
    said: BTreeSet<String>,
    /// Where we may connect by TLS.
    trusted: BTreeSet<SocketAddr>,
    /// Between which hours of the wall clock people may be called, if anybody looks.
    hours: Option<(i64, i64)>,
    /// Calls to numbers without a telephone.
    unanswered: BTreeSet<String>,
    /// Every call that came to the trunk: when, and what was dialled.
    calls_out: Vec<(Instant, String)>,
    controls: u64,
    watch: Watch,
    digest: Sha256,
    /// Whether everything that was said is kept and digested; a long day has no room for it.
    tells: bool,
    /// Of what the engine notes, what is kept all the same.
    keeps: fn(&Event) -> bool,
    story: Vec<Told>,
    violations: Vec<String>,
    /// The SIP Call-IDs that each phone has heard of, or that it made.
    heard_of: BTreeMap<String, PersonId>,
    /// Calls of which one side cannot know any more, by SIP Call-ID: the engine was killed, or the phone lost its power.
    forgotten: BTreeSet<String>,
    /// Complaints about such calls.
    excused: Vec<String>,
    /// What the wall clock is ahead of [`town::MONDAY`] at instant zero, in milliseconds.
    wall_ahead: i64,
    /// The boxes of messages, and whom flows ask.
    houses: houses::Houses,
    /// Who hears what, where somebody wants to know.
    ears: Option<ears::Ears>,
    /// Things done so far.
    steps: u64,
    /// Whether the engine's books are audited after every step.
    audits: bool,
    /// Whether routing has done anything since it was audited last.
    routed: bool,
}

impl World {
    /// A world around this city in fair weather, signalling only: nobody hears a sample, keys and the ends of prompts are computed.
    /// It begins on a Monday at 10:00, at instant zero.
    pub fn new(city: Arc<City>, seed: u64) -> World {
        World::beginning(city, seed, town::MONDAY)
    }

    /// The same, beginning when the clock on the wall shows `wall`.
    pub(crate) fn beginning(city: Arc<City>, seed: u64, wall: UnixMillis) -> World {
        let mut random = Random::from_number(seed);
        let vault = Vault::new(random.fork().seed());
        let engine = Engine::new(Arc::clone(&city), vault.clone(), random.seed());
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
            vault,
            sounds: Sounds::Mime(Box::default()),
            people: Vec::new(),
            by_ip: BTreeMap::new(),
            by_name: BTreeMap::new(),
            callers: BTreeMap::new(),
            carriers: BTreeMap::new(),
            mail: Vec::new(),
            ailing: BTreeMap::new(),
            carried: BTreeMap::new(),
            connected: BTreeMap::new(),
            said: BTreeSet::new(),
            trusted: BTreeSet::new(),
            hours: None,
            unanswered: BTreeSet::new(),
            calls_out: Vec::new(),
            controls: 0,
            watch: Watch::default(),
            digest: Sha256::new(),
            tells: true,
            keeps: |_| false,
            story: Vec::new(),
            violations: Vec::new(),
            heard_of: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            excused: Vec::new(),
            wall_ahead: wall.0.saturating_sub(town::MONDAY.0),
            houses: houses::Houses::default(),
            ears: None,
            steps: 0,
            audits: false,
            routed: false,
        };
        world.watch.handle_city(&world.city);
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

    /// The same without a story: nothing that was said is kept, and there is no digest. For days of thousands of calls.
    pub fn without_story(mut self) -> World {
        self.tells = false;
        self
    }

    /// As [`World::without_story`], but for what the engine notes of this kind.
    pub(crate) fn keeping(mut self, keeps: fn(&Event) -> bool) -> World {
        (self.tells, self.keeps) = (false, keeps);
        self
    }

    /// People, and not lines of ours, are called between these hours of the day only.
    pub(crate) fn watches_hours(&mut self, from: i64, to: i64) {
        self.hours = Some((from, to));
    }

    /// With a story after all: to see how a day came to its end.
    pub fn with_story(mut self) -> World {
        self.tells = true;
        self
    }

    /// With the engine's books audited after every step: legs, dialogs, tickets, tokens, agents and who waits while somebody is idle.
    pub fn audited(mut self) -> World {
        self.audits = true;
        self
    }

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
            if !is_quiet(&census) {
                self.fail(&format!("all is quiet, and this is left: {census:?}"));
            }
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
            Due::Wake(_) | Due::AtStep(..) => None,
            Due::Input(_) | Due::Person(..) | Due::Media(..) | Due::Control(_) | Due::Datagram(_) => {
                Some("something is planned".to_owned())
            }
            Due::Weather(_)
            | Due::Pace(_)
            | Due::JournalDies
            | Due::PortsTaken(_)
            | Due::ClockJumps(_)
            | Due::Crash(_)
            | Due::Restore
            | Due::Sleeps(..)
            | Due::Wakes(_)
            | Due::Cut(..) => Some("a fault is planned".to_owned()),
        });
        planned
            .or_else(|| self.people.iter().find(|p| p.phone.is_busy()).map(|p| format!("{}'s phone is busy", p.name)))
            .or_else(|| {
                let census = self.engine.as_ref().map(Engine::census).unwrap_or_default();
                (!is_quiet(&census)).then(|| format!("the engine has {census:?}"))
            })
            .or_else(|| self.gate.poll_timeout().map(|_| "the gate holds acts".to_owned()))
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
        self.steps += 1;
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
            Due::AtStep(person, call, steps, digit) => {
                if self.person(person).is_some_and(|p| p.calls == call && p.steps == steps && p.ended.is_none()) {
                    self.command(person, Command::Press(vec![Key::Digit(digit)]));
                }
            }
            Due::Media(leg, event) => self.input(Input::Media(leg, event)),
            Due::Control(control) => {
                self.controls += 1;
                let id = ControlId(self.controls);
                self.input(Input::Control(id, control));
            }
            Due::Datagram(datagram) => self.deliver(datagram),
            Due::Input(input) => {
                if self.answers(&input) {
                    self.input(*input);
                }
            }
            Due::Weather(weather) => self.link.set_weather(weather),
            Due::Pace(pace) => self.ledger.set_pace(pace),
            Due::JournalDies => self.ledger.die(),
            // A thing of the machine: the engine hears nothing of it but what its next input shows.
            Due::ClockJumps(millis) => self.wall_ahead = self.wall_ahead.saturating_add(millis),
            Due::PortsTaken(ports) => {
                if let Sounds::Mime(mime) = &mut self.sounds {
                    mime.handle_taken(ports);
                }
            }
            Due::Crash(outage) => self.die(outage),
            Due::Restore => self.rise(),
            Due::Sleeps(person, lasts) => self.fall_asleep(person, lasts),
            Due::Wakes(person) => self.wake_up(person),
            Due::Cut(person, cut) => self.set_cut(person, cut),
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
                while let Some((id, act)) = self.gate.poll_dropped() {
                    self.watch.handle_dropped(id);
                    if let Act::Transmit { flow, bytes, .. } = act
                        && flow.is_stream()
                    {
                        self.input(Input::Unsent { bytes });
                    }
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
        match &input {
            Input::Control(_, Control::Publish(city)) => self.watch.handle_city(city),
            Input::Control(_, Control::SetAgent(agent, _)) => self.watch.handle_wish(agent),
            _ => {}
        }
        if let Some(engine) = &mut self.engine {
            engine.handle_input(now, input);
        }
        self.drain();
        // Whoever has a head start overtakes, and the watchman cannot know of it: audited towns give none.
        let verdict = self.watch.handle_settled().or_else(|fault| if self.audits { Err(fault) } else { Ok(()) });
        self.must(verdict);
        if self.audits
            && let Some(engine) = &self.engine
        {
            let verdict = engine.audit();
            self.must(verdict);
            if std::mem::take(&mut self.routed) {
                let verdict = engine.audit_routing();
                self.must(verdict);
            }
        }
    }

    fn clocks(&self) -> Now {
        let millis = i64::try_from(self.now.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Now { mono: self.now, wall: UnixMillis(town::MONDAY.0.saturating_add(millis).saturating_add(self.wall_ahead)) }
    }

    /// Takes what the engine says, act by act, until it says nothing more.
    fn drain(&mut self) {
        while let Some(output) = self.engine.as_mut().and_then(Engine::poll_output) {
            if self.tells {
                self.digest.update(format!("{:?} {output:?}\n", self.now));
            }
            let verdict = match output {
                Output::Commit(seq, record) => {
                    let clocks = self.clocks();
                    let verdict = self.watch.handle_commit(clocks.mono, clocks.wall, seq, &record);
                    self.ledger.handle_record(clocks, seq, record);
                    verdict
                }
                Output::Act { id, after, act } => {
                    let verdict = self.watch.handle_asked(self.now, id, after);
                    self.gate.handle_act(self.now, id, after, act);
                    verdict
                }
                Output::Note(event) => {
                    let verdict = self.watch.handle_event(self.now, &event);
                    self.follow(&event);
                    self.routed |= is_of_routing(&event);
                    if self.tells || (self.keeps)(&event) {
                        self.story.push(Told { at: self.now, what: Voice::Engine(event) });
                    }
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
            self.act(act);
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

    fn tell(&mut self, what: Voice) {
        if self.tells {
            self.digest.update(format!("{:?} {what:?}\n", self.now));
            self.story.push(Told { at: self.now, what });
        }
    }

    fn must(&self, verdict: Result<(), String>) {
        if let Err(fault) = verdict {
            self.fail(&fault);
        }
    }

    fn fail(&self, fault: &str) -> ! {
        panic!("seed {}, at {:?}: {fault}{}", self.seed, self.now, self.end_of_story())
    }
}
