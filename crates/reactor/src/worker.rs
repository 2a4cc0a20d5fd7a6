//! A media worker: one plain thread with a wheel of slots. Every 20 ms each session gets its turn: its socket is drained, its
//! next frame is sent.
//!
//! No task, timer or thread a call: DESIGN section 4 has the measurements. The kernel's own work is the price of a packet.

use crate::clock::Clock;
use crate::tape::Feed;
use media::{Channel, Command, Event, FRAME, Rack, Wire};
use model::{Instant, LATENESS_BOUNDS_MICROS, LegId, Random, RecordId, WorkerStats};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Slots of the wheel. Sessions are spread evenly over them, so that packets leave evenly too.
const SLOTS: usize = 10;
/// One turn of the wheel: the packet time (RFC 3551 section 4.2).
const TURN: Duration = Duration::from_millis(20);
/// Packets read from one socket in one turn; more than a second's worth is a flood and stays in the kernel's bounded buffer.
const PACKETS_PER_TURN: usize = 64;
/// So few sessions share two of the slots: to wake for each of ten costs more than they do.
const FEW: usize = 32;
/// Empty slots in a row that are slept through. A command waits as long at most.
const SLEPT_THROUGH: usize = SLOTS / 2 - 1;
/// RTCP comes every few seconds: its sockets are looked at every this many turns.
const RTCP_EVERY: u64 = 10;

/// A running worker, seen from the signalling thread.
pub struct Worker {
    commands: SyncSender<(LegId, Command)>,
    /// What it has done, renewed twice a second.
    pub stats: watch::Receiver<WorkerStats>,
}

impl Worker {
    /// Starts the thread, where nobody leaves messages. `events` hears what the sessions say.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(index: usize, clock: Clock, events: mpsc::Sender<(LegId, Event)>, backlog_max: usize) -> io::Result<Worker> {
        Worker::start_with(index, clock, events, None, backlog_max)
    }

    /// The same; `feed` takes what callers leave.
    pub(crate) fn start_with(
        index: usize,
        clock: Clock,
        events: mpsc::Sender<(LegId, Event)>,
        feed: Option<Feed>,
        backlog_max: usize,
    ) -> io::Result<Worker> {
        let (commands, inbox) = sync_channel(8192);
        let (publish, stats) = watch::channel(WorkerStats::default());
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), index).to_le_bytes());
        std::thread::Builder::new().name(format!("media-{index}")).spawn(move || {
            let wire = Sockets { legs: BTreeMap::new(), stats: WorkerStats::default(), bucket: 0, lateness_micros: 0, feed };
            let slots = std::array::from_fn(|_| Vec::new());
            let bench =
                Bench { rack: Rack::new(Random::new(seed)), wire, slots, clock, events, backlog: VecDeque::new(), backlog_max, publish };
            bench.run(&inbox);
        })?;
        Ok(Worker { commands, stats })
    }

    /// Hands over a command; false when the worker takes nothing any more.
    pub fn tell(&self, leg: LegId, command: Command) -> bool {
        self.commands.try_send((leg, command)).is_ok()
    }
}

struct Bench {
    rack: Rack,
    wire: Sockets,
    slots: [Vec<LegId>; SLOTS],
    clock: Clock,
    events: mpsc::Sender<(LegId, Event)>,
    /// Events that the signalling thread had no room for; they go first next time.
    backlog: VecDeque<(LegId, Event)>,
    backlog_max: usize,
    publish: watch::Sender<WorkerStats>,
}

struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

struct Sockets {
    legs: BTreeMap<LegId, Pair>,
    stats: WorkerStats,
    bucket: usize,
    lateness_micros: u64,
    feed: Option<Feed>,
}

impl Wire for Sockets {
    fn send(&mut self, leg: LegId, channel: Channel, to: SocketAddr, packet: &[u8]) {
        let Some(pair) = self.legs.get(&leg) else { return };
        let (socket, rtp) = match channel {
            Channel::Rtp => (&pair.rtp, true),
            Channel::Rtcp => (&pair.rtcp, false),
        };
        match socket.send_to(packet, to) {
            Ok(_) if rtp => {
                self.stats.packets_sent += 1;
                self.stats.lateness[self.bucket] += 1;
                self.stats.lateness_sum_micros += self.lateness_micros;
            }
            Ok(_) => {}
            Err(_) => self.stats.send_failures += 1,
        }
    }

    fn keep(&mut self, message: RecordId, frame: &[i16; FRAME]) -> bool {
        self.feed.as_ref().is_some_and(|feed| feed.frame(message, frame))
    }
}

impl Bench {
    fn run(mut self, inbox: &Receiver<(LegId, Command)>) {
        let step = TURN / SLOTS as u32;
        let mut slot = 0;
        let mut turn = 0u64;
        let mut due = self.clock.mono();
        let mut published = due;
        loop {
            // Nobody on the line: no wake-ups either.
            if self.wire.legs.is_empty() {
                self.publish();
                match inbox.recv() {
                    Ok((leg, command)) => self.obey(leg, command),
                    Err(_) => return,
                }
                due = self.clock.mono();
                published = due;
            }
            let empty = (0..SLEPT_THROUGH).take_while(|ahead| self.slots[(slot + ahead) % SLOTS].is_empty()).count();
            for _ in 0..empty {
                (slot, turn) = next(slot, turn);
                due += step;
            }
            due += step;
            if !self.take_commands_until(inbox, due) {
                return;
            }
            let now = self.clock.mono();
            self.wire.lateness_micros = u64::try_from(now.since(due).as_micros()).unwrap_or(u64::MAX);
            let late = self.wire.lateness_micros;
            self.wire.bucket = LATENESS_BOUNDS_MICROS.iter().position(|bound| late <= *bound).unwrap_or(LATENESS_BOUNDS_MICROS.len());
            self.serve(now, slot, turn);
            self.say(now);
            (slot, turn) = next(slot, turn);
            // After a stall (a paused machine) the wheel goes on from here; what it missed is in the lateness.
            if now.since(due) > TURN * 10 {
                due = now;
            }
            if now.since(published) >= Duration::from_millis(500) {
                published = now;
                self.publish();
            }
        }
    }

    /// Obeys commands as they come until the slot is due. False when the signalling thread is gone.
    fn take_commands_until(&mut self, inbox: &Receiver<(LegId, Command)>, due: Instant) -> bool {
        // What is already there first, then one sleep to the slot.
        while let Ok((leg, command)) = inbox.try_recv() {
            self.obey(leg, command);
        }
        let now = self.clock.mono();
        if now < due {
            std::thread::sleep(due.since(now));
        }
        loop {
            match inbox.recv_timeout(Duration::ZERO) {
                Ok((leg, command)) => self.obey(leg, command),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn obey(&mut self, leg: LegId, command: Command) {
        let now = self.clock.mono();
        match command {
            Command::Open { local } => match open(local) {
                Ok(pair) => {
                    self.wire.legs.insert(leg, pair);
                    let apart = if self.wire.legs.len() <= FEW { SLOTS / 2 } else { 1 };
                    if let Some(slot) = self.slots.iter_mut().step_by(apart).min_by_key(|slot| slot.len()) {
                        slot.push(leg);
                    }
                    self.rack.handle_command(now, leg, Command::Open { local });
                }
                Err(fault) => self.backlog.push_back((leg, Event::OpenFailed(format!("port {} cannot be bound: {fault}", local.port())))),
            },
            Command::Close => {
                if let Some(stats) = self.rack.stats(leg) {
                    self.wire.stats.packets_received += stats.received;
                    self.wire.stats.packets_lost += stats.lost;
                    self.wire.stats.packets_late += stats.late;
                    self.wire.stats.packets_foreign += stats.foreign;
                }
                self.rack.handle_command(now, leg, Command::Close);
                // RFC 3550 section 6.6: the goodbye goes out before the socket does.
                self.rack.send_farewells(&mut self.wire);
                self.wire.legs.remove(&leg);
                for slot in &mut self.slots {
                    slot.retain(|l| *l != leg);
                }
            }
            other => self.rack.handle_command(now, leg, other),
        }
        self.say(now);
    }

    /// One slot: each of its sessions hears what came and sends its next frame.
    fn serve(&mut self, now: Instant, slot: usize, turn: u64) {
        let mut packet = [0u8; 2048];
        for index in 0..self.slots[slot].len() {
            let leg = self.slots[slot][index];
            for _ in 0..PACKETS_PER_TURN {
                let Some(pair) = self.wire.legs.get(&leg) else { break };
                let Ok((len, from)) = pair.rtp.recv_from(&mut packet) else { break };
                self.rack.handle_packet(now, leg, Channel::Rtp, from, &packet[..len], &mut self.wire);
            }
            if turn.is_multiple_of(RTCP_EVERY)
                && let Some(pair) = self.wire.legs.get(&leg)
                && let Ok((len, from)) = pair.rtcp.recv_from(&mut packet)
            {
                self.rack.handle_packet(now, leg, Channel::Rtcp, from, &packet[..len], &mut self.wire);
            }
            self.rack.handle_tick(now, leg, &mut self.wire);
        }
    }

    /// Passes on what the sessions said. Nothing is dropped: what finds no room waits, up to a bound that calls cannot reach.
    fn say(&mut self, _now: Instant) {
        while let Some(event) = self.rack.poll_event() {
            if self.backlog.len() >= self.backlog_max {
                tracing::error!("the signalling thread does not listen: a media event is lost");
                break;
            }
            self.backlog.push_back(event);
        }
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }

    fn publish(&mut self) {
        let mut stats = self.wire.stats.clone();
        stats.sessions = self.wire.legs.len() as u64;
        // Sessions that are open count too, or the figures would stand still during a long call.
        for leg in self.wire.legs.keys() {
            if let Some(open) = self.rack.stats(*leg) {
                stats.packets_received += open.received;
                stats.packets_foreign += open.foreign;
            }
        }
        let _ = self.publish.send(stats);
    }
}

/// The slot after this one, and in which turn of the wheel it is.
fn next(slot: usize, turn: u64) -> (usize, u64) {
    let slot = (slot + 1) % SLOTS;
    (slot, turn + u64::from(slot == 0))
}

fn open(local: SocketAddr) -> io::Result<Pair> {
    let rtp = bind(local)?;
    let above = local.port().checked_add(1).ok_or_else(|| io::Error::other("there is no port above it for RTCP"))?;
    let rtcp = bind(SocketAddr::new(local.ip(), above))?;
    Ok(Pair { rtp, rtcp })
}

/// A socket that never waits, from the beginning: hundreds are opened each second.
fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    net::bind(&socket, &local)?;
    Ok(UdpSocket::from(socket))
}
