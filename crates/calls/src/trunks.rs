//! The trunks of a city: which of them a call out takes, in what order, and which of them are passed over.
//!
//! Those with the lowest `order` first, among equals by `weight` at random (RFC 2782). A trunk that is marked down or not registered comes last, and
//! so does a machine that has just failed, though its trunk has others: it is better than no way at all, and costs its seconds only when there is no
//! other.

use crate::bucket::LastSecond;
use crate::engine::Engine;
use crate::face::{Act, Trusted};
use model::{Event, HostName, Instant, Line, LineId, Machine, Now, Secret, Seq, Transport, Trunk, TrunkChannels, TrunkNow};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a machine comes last that was deaf to a call, or refused it in trouble and did not say for how long: longer than a call that it may have
/// heard holds its place.
pub(crate) const REST: Duration = Duration::from_secs(60);

/// One way out: a trunk, and one of its machines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) trunk: LineId,
    pub(crate) machine: Machine,
}

/// A trunk and its machines, the one to be tried first at the front.
type Machines = (LineId, Vec<Machine>);

/// What is known of trunks beside what SIP knows.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    /// SIP knows which trunks the city has.
    told: bool,
    /// The names that the edge was told to ask for, and where they lead.
    asked: BTreeSet<HostName>,
    found: BTreeMap<HostName, Vec<Machine>>,
    /// Who must be met where we connect by TLS, as the edge was told, and of which trunk that is.
    trusted: BTreeMap<SocketAddr, (LineId, Trusted)>,
    /// Until when those that have failed a call are passed over.
    resting: BTreeMap<Way, Instant>,
    /// Calls of this second, by line and direction: only of lines with a limit.
    rates: BTreeMap<(LineId, Direction), LastSecond>,
}

/// In which direction a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    In,
    Out,
}

impl Engine {
    /// Where the names of trunks lead: the machines, the one to be tried first at the front.
    pub(crate) fn on_found(&mut self, now: Now, name: HostName, machines: Vec<Machine>) {
        self.trunks.found.insert(name, machines);
        self.follow_trunks(now);
        self.carry_out_wills(now);
    }

    /// Writes into the city where its trunks' names lead, as far as it is known, and has the edge ask for them.
    fn name_trunks(&mut self) {
        let named: BTreeSet<HostName> = self.city.book.lines.iter().filter_map(|line| line.trunk.as_ref()?.name.clone()).collect();
        self.trunks.found.retain(|name, _| named.contains(name));
        if named.is_empty() && self.trunks.asked.is_empty() {
            return;
        }
        let found = &self.trunks.found;
        for line in &mut Arc::make_mut(&mut Arc::make_mut(&mut self.city).book).lines {
            let Some(trunk) = line.trunk.as_mut() else { continue };
            if let Some(machines) = trunk.name.as_ref().and_then(|name| found.get(name)) {
                trunk.machines.clone_from(machines);
            }
        }
        if self.trunks.asked != named {
            self.trunks.asked.clone_from(&named);
            self.act(Seq(0), Act::Find(named));
        }
    }

    /// Tells the edge whom it must meet where it connects by TLS. Of two trunks at one address the first says it. A machine that no trunk has any
    /// more stays known while calls are with it, which have to be ended there, or while a registration is taken back; unless its trunk has only changed its port.
    fn trust_trunks(&mut self) {
        let mut trusted = BTreeMap::new();
        let mut hosts = BTreeSet::new();
        for (id, trunk) in self.city.book.lines.iter().filter_map(|line| Some((&line.id, line.trunk.as_ref()?))) {
            for machine in trunk.machines.iter().filter(|machine| machine.transport == Transport::Tls) {
                let whom = || (id.clone(), Trusted { name: trunk.certified(*machine), ca: trunk.ca.clone() });
                trusted.entry(machine.addr).or_insert_with(whom);
                hosts.insert((id.clone(), machine.addr.ip()));
            }
        }
        let left_behind = || self.wills_met();
        let peers: BTreeSet<IpAddr> = self.sip.peers().chain(left_behind().map(|(at, _)| at.ip())).map(|ip| ip.to_canonical()).collect();
        let has_business = |ip: IpAddr| peers.contains(&ip.to_canonical()) || self.sip.parts_with(ip);
        let known = self.trunks.trusted.iter().map(|(at, known)| (*at, known.clone())).chain(left_behind());
        for (at, (id, whom)) in known.filter(|(at, _)| has_business(at.ip())) {
            if !hosts.contains(&(id.clone(), at.ip())) {
                trusted.entry(at).or_insert((id, whom));
            }
        }
        if self.trunks.trusted != trusted {
            let told = trusted.iter().map(|(at, (_, whom))| (*at, whom.clone())).collect();
            self.trunks.trusted = trusted;
            self.act(Seq(0), Act::Trust(told));
        }
    }

    /// Who must be met at an address by TLS, as the edge knows it.
    pub(crate) fn whom_we_meet(&self, at: SocketAddr) -> Option<&Trusted> {
        self.trunks.trusted.get(&at).map(|(_, whom)| whom)
    }

    /// With the first input, and whenever the city changes: SIP is told which trunks register and which are to be asked.
    pub(crate) fn follow_trunks(&mut self, now: Now) {
        self.trunks.told = true;
        self.name_trunks();
        let book = &self.city.book;
        self.trunks.resting.retain(|way, _| book.lines.iter().any(|line| line.id == way.trunk));
        self.trunks.rates.retain(|(id, _), _| book.lines.iter().any(|line| line.id == *id));
        let wanted = book.lines.iter().filter_map(|line| Some((line, line.trunk.as_ref()?)));
        let wanted = wanted.filter(|(_, trunk)| trunk.register.is_some() || trunk.check.is_some());
        let trunks = wanted.map(|(line, trunk)| to_sip(&line.id, trunk, self.city.passwords.get(&line.id))).collect();
        self.sip.set_trunks(now, trunks);
        self.trust_trunks();
        self.follow_sources();
    }

    pub(crate) fn follow_trunks_at_first(&mut self, now: Now) {
        if !self.trunks.told {
            self.follow_trunks(now);
        }
    }

    /// How each trunk that registers or is asked stands.
    pub(crate) fn trunks_now(&self) -> Vec<TrunkNow> {
        let registers = |id: &LineId| self.trunk(id).is_some_and(|trunk| trunk.register.is_some());
        let now = |(id, state): (&LineId, sip::trunk::TrunkState)| TrunkNow {
            line: id.clone(),
            registration: state.registration,
            registers: registers(id),
            registered: state.registered,
            reachable: state.reachable,
        };
        self.sip.trunks().map(now).collect()
    }

    /// How many channels of each trunk are taken, and by whose calls.
    pub(crate) fn trunk_channels(&self) -> Vec<TrunkChannels> {
        let mut came: BTreeMap<&LineId, u64> = BTreeMap::new();
        for call in self.calls.values().filter(|call| !call.called_back) {
            let peer = self.sip.dialog(call.leg.dialog).map(|state| state.peer);
            if let Some(line) = peer.and_then(|peer| self.line_at(peer)) {
                *came.entry(&line.id).or_default() += 1;
            }
        }
        let taken = |id: &LineId| self.acd.lines().find(|(line, ..)| *line == id).map_or(0, |(_, used, _)| u64::from(used));
        let channels = |line: &Line| {
            let (incoming, max) = (came.get(&line.id).copied().unwrap_or_default(), u64::from(line.trunk.as_ref()?.channels));
            Some(TrunkChannels { line: line.id.clone(), incoming, outgoing: taken(&line.id), max })
        };
        self.city.book.lines.iter().filter_map(channels).collect()
    }

    pub(crate) fn trunk(&self, id: &LineId) -> Option<&Trunk> {
        self.city.book.lines.iter().find(|line| line.id == *id)?.trunk.as_ref()
    }

    /// Whether a machine is passed over for now: it has just failed a call, or does not answer when it is asked.
    pub(crate) fn rests(&self, way: &Way) -> bool {
        self.trunks.resting.contains_key(way) || self.sip.works(&way.trunk, way.machine) == Some(false)
    }

    /// The ways over these trunks, the one to be tried first at the front.
    pub(crate) fn ways_over(&mut self, now: Now, trunks: Vec<LineId>) -> Vec<Way> {
        self.trunks.resting.retain(|_, until| *until > now.mono);
        let ailing: Vec<LineId> =
            self.trunks_now().into_iter().filter(|t| t.reachable == Some(false) || t.registers && !t.registered).map(|t| t.line).collect();
        let mut ways: Vec<(bool, u32, u32, Machines)> = Vec::new();
        for id in trunks {
            let Some(trunk) = self.trunk(&id) else { continue };
            let (order, weight, machines) = (trunk.order, trunk.weight, trunk.machines.clone());
            let rest = machines.iter().all(|machine| self.rests(&Way { trunk: id.clone(), machine: *machine }));
            // Nobody knows yet where a name leads that has no machine.
            if !machines.is_empty() {
                ways.push((rest || ailing.contains(&id), order, weight, (id, machines)));
            }
        }
        ways.sort_by_key(|(last, order, ..)| (*last, *order));
        // Nothing is drawn where there is nothing to choose: a city with one trunk goes the same way as ever.
        let mut sorted = Vec::new();
        while let Some((last, order, ..)) = ways.first() {
            let equals = ways.iter().take_while(|way| (way.0, way.1) == (*last, *order)).count();
            let sum: u64 = ways[..equals].iter().map(|way| u64::from(way.2)).sum();
            let mut at = 0;
            if equals > 1 {
                let mut drawn = self.random.below(sum);
                while let Some(weight) = ways.get(at).map(|way| u64::from(way.2)).filter(|weight| *weight <= drawn) {
                    drawn -= weight;
                    at += 1;
                }
            }
            let (trunk, machines) = ways.remove(at.min(equals - 1)).3;
            sorted.extend(machines.into_iter().map(|machine| Way { trunk: trunk.clone(), machine }));
        }
        sorted.sort_by_cached_key(|way| self.rests(way));
        sorted
    }

    /// A machine has failed a call: for so long it comes last.
    pub(crate) fn rest_way(&mut self, now: Now, way: &Way, rest: Duration) {
        self.trunks.resting.insert(way.clone(), now.mono + rest);
    }

    /// Whether one more call of this second fits the limit of a line; counted if so.
    pub(crate) fn in_time(&mut self, now: Now, line: &LineId, direction: Direction) -> bool {
        let limit = self.city.book.lines.iter().find(|l| l.id == *line).and_then(|l: &Line| l.calls_per_second);
        let Some(limit) = limit else { return true };
        self.trunks.rates.entry((line.clone(), direction)).or_default().take(now.mono, limit)
    }

    /// Whether one more would fit.
    pub(crate) fn has_time(&mut self, now: Now, line: &LineId, direction: Direction) -> bool {
        let limit = self.city.book.lines.iter().find(|l| l.id == *line).and_then(|l: &Line| l.calls_per_second);
        let Some(limit) = limit else { return true };
        self.trunks.rates.entry((line.clone(), direction)).or_default().has(now.mono, limit)
    }

    /// SIP has news of a trunk.
    pub(crate) fn on_trunk(&mut self, event: Event) {
        if let Event::TrunkReachable { line, reachable: true } = &event {
            self.trunks.resting.retain(|way, _| way.trunk != *line);
        }
        self.note(event);
    }
}

fn to_sip(id: &LineId, trunk: &Trunk, password: Option<&Secret>) -> sip::trunk::Trunk {
    let address = trunk.machines.first().map(|machine| machine.addr.to_string()).unwrap_or_default();
    let account = trunk.register.as_ref().map(|register| {
        let domain = register.domain.clone().or_else(|| Some(trunk.name.as_ref()?.host.clone())).unwrap_or(address);
        sip::Account {
            user: register.user.clone(),
            login: register.login.clone().unwrap_or_else(|| register.user.clone()),
            realm: register.realm.clone().unwrap_or_else(|| domain.clone()),
            domain,
            password: password.cloned(),
            digest: register.digest.clone(),
            expires_secs: u32::try_from(register.expires.as_secs()).unwrap_or(u32::MAX),
        }
    });
    let check = trunk.check.map(|check| sip::trunk::Check { every: check.every, failures: check.failures });
    sip::trunk::Trunk { id: id.clone(), name: trunk.name.clone(), machines: trunk.machines.clone(), account, check }
}
