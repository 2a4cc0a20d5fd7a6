//! What goes wrong in the world, and when: the network, the journal, the machine, the neighbours.

use super::{Ailment, Due, Racked, Sounds, Voice, World};
use crate::mime::Mime;
use crate::{Datagram, Pace, PersonId, Weather, town};
use bytes::Bytes;
use calls::{City, Control, Engine, Gate, Input};
use media::Rack;
use model::{HostName, Instant};
use phone::Command;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long people listen to a dead line.
const DEAD_LINE: Duration = Duration::from_secs(30);

impl World {
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

    /// The machine's wall clock jumps at a time, by so many milliseconds, ahead or back. The monotonic clock does not.
    pub fn clock_jumps(&mut self, at: Duration, millis: i64) {
        self.plan(Instant::ZERO + at, Due::ClockJumps(millis));
    }

    /// Other programs hold these ports of ours from a time on; with computed sound only.
    pub fn ports_taken(&mut self, at: Duration, ports: Vec<u16>) {
        self.plan(Instant::ZERO + at, Due::PortsTaken(ports));
    }

    /// The engine's process is killed at a time, and restored from the durable records after an outage.
    pub fn crash(&mut self, at: Duration, outage: Duration) {
        self.plan(Instant::ZERO + at, Due::Crash(outage));
    }

    /// What supervisors change while the engine is down: when it is next restored, it is with this city.
    pub fn next_city(&mut self, city: Arc<City>) {
        self.city = city;
    }

    /// Somebody sends the engine a datagram, which arrives at a time, whatever the weather.
    pub fn inject(&mut self, at: Duration, from: SocketAddr, bytes: &[u8]) {
        self.inject_to(at, from, self.engine_addr, bytes);
    }

    /// The same for another of its sockets, as those of sound are.
    pub fn inject_to(&mut self, at: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram { from, to, bytes: Bytes::copy_from_slice(bytes) };
        self.plan(Instant::ZERO + at, Due::Datagram(datagram));
    }

    /// What the engine sent to somebody who lives nowhere and whose datagrams were injected, in the order of its arrival.
    pub fn mail(&self, to: SocketAddr) -> impl DoubleEndedIterator<Item = String> + '_ {
        self.mail.iter().filter(move |datagram| datagram.to == to).map(|datagram| String::from_utf8_lossy(&datagram.bytes).into_owned())
    }

    /// The network between a person and us changes what they ask: it gets each of their requests and gives what arrives.
    pub fn carrier(&mut self, person: PersonId, writes: fn(&str) -> String) {
        self.carriers.insert(person, writes);
    }

    /// A trunk falls ill from here on; `None`: it is well again.
    pub fn ails(&mut self, trunk: SocketAddr, ailment: Option<Ailment>) {
        match ailment {
            Some(ailment) => drop(self.ailing.insert(trunk, ailment)),
            None => drop(self.ailing.remove(&trunk)),
        }
    }

    /// From a time on a carrier's name leads there.
    pub fn name_leads(&mut self, at: Duration, name: HostName, machines: Vec<model::Machine>) {
        self.plan(Instant::ZERO + at, Due::Input(Box::new(Input::Found(name, machines))));
    }

    /// Somebody at the edge asks for something at a time.
    pub fn control(&mut self, at: Duration, control: Control) {
        self.plan(Instant::ZERO + at, Due::Control(control));
    }

    /// kill -9: what the engine knew is gone, what it had not yet done is never done.
    pub(super) fn die(&mut self, outage: Duration) {
        self.engine = None;
        self.trusted.clear();
        self.forgotten.extend(self.heard_of.keys().cloned());
        self.ledger.crash();
        self.watch.handle_crash(self.now, self.ledger.durable(), self.ledger.confirmed());
        self.gate = Gate::new(self.ledger.confirmed());
        let rack = Rack::new(self.random.fork());
        match &mut self.sounds {
            Sounds::Mime(mime) => **mime = Mime::default(),
            Sounds::Rack(racked) => **racked = Racked { rack, sockets: BTreeMap::new(), legs: BTreeMap::new(), tick: None },
        }
        self.plan.retain(|_, due| !matches!(due, Due::Media(..) | Due::Input(_)));
        self.houses_after_a_crash();
        self.plan(self.now + outage, Due::Restore);
        // Nobody sends them a BYE any more: people hang up a dead line by themselves.
        let stranded: Vec<_> =
            (0u32..).map(PersonId).zip(&self.people).filter(|(_, p)| p.phone.is_in_call()).map(|(id, p)| (id, p.calls)).collect();
        for (id, call) in stranded {
            self.plan(self.now + DEAD_LINE, Due::InCall(id, call, Command::HangUp));
        }
        self.tell(Voice::Crashed);
    }

    pub(super) fn rise(&mut self) {
        let confirmed = self.ledger.confirmed();
        let seed = self.random.seed();
        let mut records = self.ledger.durable().cloned().collect::<Vec<_>>().into_iter();
        self.watch.handle_city(&self.city);
        let mut engine = Engine::restore(Arc::clone(&self.city), self.vault.clone(), seed, confirmed, &mut records);
        engine.lend_sounds(engine.silent_notices().into_iter().map(|(spoken, _)| (spoken, town::notice())).collect());
        self.engine = Some(engine);
        self.tell(Voice::Restored);
        // The edge asks for something at once, and with the first input the calls of the past are closed.
        self.plan(self.now, Due::Control(Control::Snapshot));
    }
}
