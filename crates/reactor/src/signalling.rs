//! The signalling thread: it owns the engine, the SIP socket and the gate, and waits for nothing but the next thing to happen.

use crate::boxes::Boxes;
use crate::clock::Clock;
use crate::durable::{Confirmed, Gone};
use crate::lookup::{self, Done, Order};
use crate::names;
use crate::streams::{self, News};
use crate::tape;
use crate::tls::Met;
use crate::trace::{Seen, Tracer};
use crate::worker::Worker;
use bytes::Bytes;
use calls::{Act, Control, Engine, Gate, Input, Output, Record, Reply, TapeSays};
use model::{
    ControlId, Event, FlowId, HostName, Instant, JobId, LegId, LookupEnd, Machine, MailboxId, Random, RecordId, Seq, UnixMillis,
    WorkerStats,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::Interest;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

/// Datagrams taken from the socket before anything else gets its turn, and as many words of the other threads.
const INPUTS_PER_TURN: usize = 32;
/// How long a seat rests that had at least so many inputs in [`PACE_LOOKED_AT`]; a call brings some nine when it begins and ends. Little beside the
/// timers of SIP, and no sound waits for it. A word of the journal ends a rest.
const RESTS: [(usize, Duration); 2] = [(150, Duration::from_millis(8)), (32, Duration::from_millis(4))];
const PACE_LOOKED_AT: Duration = Duration::from_millis(100);
/// RFC 3261 section 18.1.1 lets a UDP message fill a datagram.
const DATAGRAM_MAX: usize = 65_535;

/// Answers of the writer and of lookups on their way: as many as can be open at once, and more.
const ANSWERS_MAX: usize = 1024;
/// How soon a closing that found no room is tried again.
const BEHIND: Duration = Duration::from_millis(20);

/// What the signalling thread is made of.
pub struct Parts {
    /// The engine, with its city.
    pub engine: Engine,
    /// The bound SIP socket.
    pub socket: UdpSocket,
    /// Where SIP is heard over connections: by TCP at the same address and port (RFC 3261 section 18.2.1).
    pub doors: streams::Doors,
    /// How many media workers to run.
    pub workers: usize,
    /// Calls at once, which sizes the channels.
    pub calls_max: usize,
    /// Takes each record to the journal; must not wait.
    pub records: Box<dyn FnMut(Seq, UnixMillis, Record) + Send>,
    /// Up to where the journal is durable.
    pub confirmed: Confirmed,
    /// Hears each event; must not wait.
    pub notes: Box<dyn FnMut(Event) + Send>,
    /// Where callers leave messages.
    pub boxes: Boxes,
    /// The folder of the secrets that lookups and trunks name.
    pub secrets: PathBuf,
    /// Where messages are written down, if they are.
    pub tracer: Option<Tracer>,
    /// From the operating system: which of several equal machines of a carrier is tried first.
    pub seed: [u8; 32],
    /// The process's clock.
    pub clock: Clock,
}

/// The running engine, seen from the edge.
pub struct Handle {
    controls: mpsc::Sender<(Control, oneshot::Sender<Reply>)>,
    /// What each media worker has done, renewed twice a second.
    pub workers: Vec<watch::Receiver<WorkerStats>>,
    /// How many messages each box holds.
    pub unheard: watch::Receiver<BTreeMap<MailboxId, u64>>,
    /// Becomes true when the signalling thread has ended, wanted or not.
    pub ended: watch::Receiver<bool>,
    reread: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Handle {
    /// Asks the engine; `None` when it is gone.
    pub async fn ask(&self, control: Control) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        self.controls.send((control, reply)).await.ok()?;
        answer.await.ok()
    }
    /// As [`Handle::ask`], for a thread of its own.
    pub fn ask_blocking(&self, control: Control) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        self.controls.blocking_send((control, reply)).ok()?;
        answer.blocking_recv().ok()
    }
    /// Has the TLS certificate read again at once. What becomes of it is told as an event, and in the log if it cannot be used.
    pub fn reread_certificate(&self) {
        // One wish that waits is as good as two.
        let _ = self.reread.try_send(());
    }
    /// Ends the threads. Call [`Control::EndAll`] first, so that nobody is left hanging.
    pub fn stop(mut self) {
        drop(self.controls);
        // The writer of messages closes what is open once nobody can feed it any more.
        for thread in [self.thread.take(), self.writer.take()].into_iter().flatten() {
            let _ = thread.join();
        }
    }
}

/// Starts the signalling thread and its media workers.
///
/// # Errors
/// When the socket cannot be handed to the runtime, or a thread cannot be made.
pub fn start(parts: Parts) -> io::Result<Handle> {
    parts.socket.set_nonblocking(true)?;
    let socket = parts.socket.try_clone()?;
    // DESIGN section 3, threads: half for admission, half for what runs: 64 messages a call.
    let (events_in, events) = mpsc::channel(64 * parts.calls_max.max(8));
    let (says_in, says) = mpsc::channel(ANSWERS_MAX);
    let (count, unheard) = watch::channel(BTreeMap::new());
    let (desk, feed, writer) = tape::start(parts.boxes, says_in, count)?;
    let (done_in, done) = mpsc::channel(ANSWERS_MAX);
    let lookups = lookup::start(parts.clock, parts.secrets.clone(), done_in)?;
    let streams::Ends { orders: streams, news, reread } = streams::start(parts.clock, parts.doors)?;
    let (names, found) = names::start(Random::new(parts.seed))?;
    let workers = (0..parts.workers.max(1))
        .map(|index| Worker::start_with(index, parts.clock, events_in.clone(), Some(feed.clone()), 64 * parts.calls_max.max(8)))
        .collect::<io::Result<Vec<_>>>()?;
    drop(feed);
    let stats = workers.iter().map(|w| w.stats.clone()).collect();
    let (controls, asked) = mpsc::channel(64);
    let (end, ended) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("signalling".to_owned()).spawn(move || {
        runtime.block_on(async move {
            match tokio::net::UdpSocket::from_std(parts.socket) {
                Ok(datagrams) => {
                    let seat = Seat {
                        gate: Gate::new(parts.confirmed.last()),
                        engine: parts.engine,
                        socket,
                        workers,
                        records: parts.records,
                        notes: parts.notes,
                        clock: parts.clock,
                        replies: BTreeMap::new(),
                        asked: 0,
                        panics: Vec::new(),
                        failed_opens: Vec::new(),
                        desk,
                        tracer: parts.tracer,
                        lookups,
                        secrets: parts.secrets,
                        streams,
                        names,
                        unasked: Vec::new(),
                    };
                    seat.run(Hears { confirmed: Some(parts.confirmed), events, asked, says, done, news, found, datagrams }).await;
                }
                Err(fault) => tracing::error!(%fault, "the SIP socket cannot be used"),
            }
        });
        let _ = end.send(true);
    })?;
    Ok(Handle { controls, workers: stats, unheard, ended, reread, thread: Some(thread), writer: Some(writer) })
}

struct Seat {
    engine: Engine,
    gate: Gate,
    /// The SIP socket, which waits for nothing.
    socket: UdpSocket,
    workers: Vec<Worker>,
    records: Box<dyn FnMut(Seq, UnixMillis, Record) + Send>,
    notes: Box<dyn FnMut(Event) + Send>,
    clock: Clock,
    replies: BTreeMap<ControlId, oneshot::Sender<Reply>>,
    asked: u64,
    panics: Vec<Instant>,
    failed_opens: Vec<LegId>,
    desk: tape::Desk,
    tracer: Option<Tracer>,
    lookups: mpsc::Sender<Order>,
    /// Where the files are that `lines.yaml` names.
    secrets: PathBuf,
    streams: mpsc::Sender<streams::Order>,
    names: mpsc::Sender<BTreeSet<HostName>>,
    /// What could not even be asked of the other threads, and so is answered here.
    unasked: Vec<Input>,
}

/// Whom the seat listens to.
struct Hears {
    /// `None` once the journal is gone: it has said its last word, and the gate's patience decides.
    confirmed: Option<Confirmed>,
    events: mpsc::Receiver<(LegId, media::Event)>,
    asked: mpsc::Receiver<(Control, oneshot::Sender<Reply>)>,
    says: mpsc::Receiver<(RecordId, TapeSays)>,
    done: mpsc::Receiver<Done>,
    found: mpsc::Receiver<names::Leads>,
    news: mpsc::Receiver<News>,
    /// The SIP socket, for who waits.
    datagrams: tokio::net::UdpSocket,
}

/// What woke the seat.
enum Turn {
    /// Datagrams have come, or somebody wanted to be woken.
    Look,
    News(News),
    Media(LegId, media::Event),
    Asked(Control, oneshot::Sender<Reply>),
    Confirmed(Seq),
    Tape(RecordId, TapeSays),
    Done(JobId, Result<calls::Answer, LookupEnd>),
    Found(HostName, Vec<Machine>),
    Over,
}

impl Hears {
    /// What is there already.
    fn next(&mut self) -> Option<Turn> {
        if let Some(confirmed) = &mut self.confirmed {
            match confirmed.news() {
                Ok(Some(seq)) => return Some(Turn::Confirmed(seq)),
                Ok(None) => {}
                Err(Gone) => self.confirmed = None,
            }
        }
        match self.events.try_recv() {
            Ok((leg, event)) => return Some(Turn::Media(leg, event)),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Some(Turn::Over),
        }
        match self.asked.try_recv() {
            Ok((control, reply)) => return Some(Turn::Asked(control, reply)),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Some(Turn::Over),
        }
        let says = |(message, says)| Turn::Tape(message, says);
        let done = |(job, done)| Turn::Done(job, done);
        let found = |(name, machines)| Turn::Found(name, machines);
        None.or_else(|| self.says.try_recv().ok().map(says))
            .or_else(|| self.done.try_recv().ok().map(done))
            .or_else(|| self.found.try_recv().ok().map(found))
            .or_else(|| self.news.try_recv().ok().map(Turn::News))
    }
    /// The same, or what is there first; at `wake` at the latest.
    async fn wait(&mut self, wake: std::time::Instant) -> Turn {
        tokio::select! {
            biased;
            seq = changed(&mut self.confirmed) => seq.map_or(Turn::Look, Turn::Confirmed),
            event = self.events.recv() => event.map_or(Turn::Over, |(leg, event)| Turn::Media(leg, event)),
            control = self.asked.recv() => control.map_or(Turn::Over, |(control, reply)| Turn::Asked(control, reply)),
            Some((message, says)) = self.says.recv() => Turn::Tape(message, says),
            Some((job, done)) = self.done.recv() => Turn::Done(job, done),
            Some((name, machines)) = self.found.recv() => Turn::Found(name, machines),
            () = tokio::time::sleep_until(wake.into()) => Turn::Look,
            // Neither way in keeps the other waiting.
            way = either(&mut self.news, &self.datagrams) => way,
        }
    }
}

/// Whether inputs come so thick and fast that to wake for each costs more than what it brings. Then the seat rests once nothing more is there, and finds
/// several things when it wakes, as network cards do under load.
struct Pace {
    since: Instant,
    inputs: usize,
    /// How long a rest is; `None` while little comes.
    rest: Option<Duration>,
}

impl Pace {
    /// Counts what came.
    fn count(&mut self, now: Instant, inputs: usize) {
        self.inputs += inputs;
        if now.since(self.since) >= PACE_LOOKED_AT {
            self.rest = RESTS.into_iter().find(|(least, _)| self.inputs >= *least).map(|(_, rest)| rest);
            (self.inputs, self.since) = (0, now);
        }
    }
}

impl Seat {
    async fn run(mut self, mut hears: Hears) {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let mut pace = Pace { since: self.clock.mono(), inputs: 0, rest: None };
        self.drain();
        hears.confirmed.iter().for_each(Confirmed::sit_down);
        loop {
            let first = if pace.rest.is_some() { None } else { Some(hears.wait(self.wake()).await) };
            let Some(inputs) = self.take_all(first, &mut hears, &mut buffer) else { return };
            pace.count(self.clock.mono(), inputs);
            if let Some(rest) = pace.rest
                && inputs < INPUTS_PER_TURN
            {
                std::thread::park_timeout(rest);
            }
        }
    }

    /// When the engine, the gate or the writer of messages wants a look at the latest.
    fn wake(&self) -> std::time::Instant {
        let wake = [self.engine.poll_timeout().map(|(at, _)| at), self.gate.poll_timeout()].into_iter().flatten().min();
        // A closing that found the writer's channel full is tried again soon.
        let wake = if self.desk.is_behind() { Some(self.clock.mono() + BEHIND) } else { wake };
        self.clock.std(wake.unwrap_or_else(|| self.clock.mono() + Duration::from_secs(3600)))
    }

    /// Takes `first` and what is there already, a turn's worth of it; how much it was. `None` when it is over.
    fn take_all(&mut self, first: Option<Turn>, hears: &mut Hears, buffer: &mut [u8]) -> Option<usize> {
        let woken = first.is_some();
        let mut inputs = 0;
        for turn in first.into_iter().chain(std::iter::from_fn(|| hears.next())).take(INPUTS_PER_TURN) {
            self.take(turn)?;
            self.drain();
            inputs += 1;
        }
        let datagrams = self.read(buffer);
        if woken && datagrams < INPUTS_PER_TURN {
            // The socket is empty: whoever waits next waits for more.
            let _ = hears.datagrams.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        }
        self.desk.push();
        let now = self.clock.mono();
        if self.engine.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.feed(Input::Timeout);
        }
        self.gate.handle_timeout(self.clock.mono());
        self.drain();
        Some(inputs + datagrams)
    }

    /// `None` when it is over.
    fn take(&mut self, turn: Turn) -> Option<()> {
        match turn {
            Turn::Look => {}
            Turn::News(news) => self.hear(news),
            Turn::Media(leg, event) => self.feed(Input::Media(leg, event)),
            Turn::Asked(control, reply) => {
                self.asked += 1;
                let id = ControlId(self.asked);
                self.replies.insert(id, reply);
                self.feed(Input::Control(id, control));
            }
            Turn::Tape(message, says) => self.feed(Input::Tape(message, says)),
            Turn::Found(name, machines) => self.feed(Input::Found(name, machines)),
            Turn::Done(job, done) => self.feed(Input::Done(job, done)),
            Turn::Confirmed(seq) => self.gate.handle_confirmed(seq),
            Turn::Over => return None,
        }
        Some(())
    }

    /// What a connection brought.
    fn hear(&mut self, news: News) {
        self.feed(match news {
            News::Note(event) => return (self.notes)(event),
            News::Opened(flow, from) => Input::Opened { flow, from },
            News::Message(flow, from, bytes) => Input::Message { flow, from, bytes },
            News::Unreadable => Input::Unreadable,
            News::Closed(flow, why) => Input::Closed { flow, why },
            News::Unsent(bytes) => Input::Unsent { bytes },
        });
    }

    /// Takes what the socket has, a turn's worth of it; how many datagrams they were.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut datagrams = 0;
        while datagrams < INPUTS_PER_TURN {
            datagrams += 1;
            match self.socket.recv_from(buffer) {
                Ok((len, from)) => {
                    let bytes = Bytes::copy_from_slice(&buffer[..len]);
                    self.feed(Input::Message { flow: FlowId::UDP, from, bytes });
                    self.drain();
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return datagrams - 1,
                // The echo of an earlier send that nobody heard (ICMP): the machines' timers deal with that.
                Err(_) => {}
            }
        }
        datagrams
    }

    /// Hands one input to the engine. A panic ends the call that was in hand; two within a minute end the process, which is
    /// started again from the journal by whoever watches it.
    fn feed(&mut self, input: Input) {
        let now = self.clock.now();
        if let (Some(tracer), Input::Message { flow, from, bytes }) = (&mut self.tracer, &input)
            && self.engine.may_be_heard(from.ip())
        {
            tracer.see(Seen { at: now.wall, sent: false, flow: *flow, peer: *from, leg: None, bytes: bytes.clone(), after_gap: false });
        }
        let engine = &mut self.engine;
        if catch_unwind(AssertUnwindSafe(|| engine.handle_input(now, input))).is_ok() {
            return;
        }
        let call = self.engine.in_hand();
        tracing::error!(call = call.map(|c| c.0), "a mistake of ours ended one call; the others go on. Please report the panic above");
        self.panics.retain(|at| now.mono.since(*at) < Duration::from_secs(60));
        self.panics.push(now.mono);
        let engine = &mut self.engine;
        let mended = catch_unwind(AssertUnwindSafe(|| {
            if let Some(call) = call {
                engine.evict(now, call);
            }
            engine.audit()
        }));
        let sound = matches!(mended, Ok(Ok(())));
        if !sound || self.panics.len() > 1 {
            tracing::error!("the books do not agree after a mistake of ours: the process ends and must be started again");
            std::process::exit(70);
        }
    }

    /// Carries everything out that the engine says.
    fn drain(&mut self) {
        loop {
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Commit(seq, record) => (self.records)(seq, self.clock.now().wall, record),
                    Output::Act { id, after, act } => self.gate.handle_act(self.clock.mono(), id, after, act),
                    Output::Note(event) => (self.notes)(event),
                }
            }
            while let Some((_, act)) = self.gate.poll_act() {
                self.carry_out(act);
            }
            // Lost, as on a bad network: SIP sends it again, but for what would have been reliable.
            while let Some((_, act)) = self.gate.poll_dropped() {
                if let Act::Transmit { flow, bytes, .. } = act
                    && flow.is_stream()
                {
                    self.unasked.push(Input::Unsent { bytes });
                }
            }
            if let Some(seq) = self.gate.poll_overdue() {
                (self.notes)(Event::NotDurable { seq });
            }
            // A worker that did not take an Open says so as a session that failed.
            if let Some(answer) = self.unasked.pop() {
                self.feed(answer);
                continue;
            }
            let Some(leg) = self.failed_opens.pop() else { return };
            self.feed(Input::Media(leg, media::Event::OpenFailed("the media worker is not answering".to_owned())));
        }
    }

    fn carry_out(&mut self, act: Act) {
        if let (Some(tracer), Act::Transmit { leg, flow, to, bytes, .. }) = (&mut self.tracer, &act) {
            tracer.see(Seen {
                at: self.clock.now().wall,
                sent: true,
                flow: *flow,
                peer: *to,
                leg: *leg,
                bytes: bytes.clone(),
                after_gap: false,
            });
        }
        match act {
            Act::Transmit { flow, to, bytes, .. } if flow.is_stream() => {
                if self.streams.try_send(streams::Order::Send { flow, to, bytes: bytes.clone() }).is_err() {
                    self.unasked.push(Input::Unsent { bytes });
                }
            }
            Act::Find(names) => {
                if self.names.try_send(names).is_err() {
                    tracing::error!("names of trunks cannot be asked for");
                }
            }
            Act::Trust(trusted) => {
                let authorities = |ca: String| self.secrets.join(ca);
                let met = |(at, of): (SocketAddr, calls::Trusted)| (at, Met { name: of.name, authorities: of.ca.map(authorities) });
                if self.streams.try_send(streams::Order::Trust(trusted.into_iter().map(met).collect())).is_err() {
                    tracing::error!("trunks cannot be called by TLS until the city is published again");
                }
            }
            Act::Close(flow) => {
                // A connection that stays for want of room is of no use to whoever has it: each word of theirs is dropped.
                let _ = self.streams.try_send(streams::Order::Close(flow));
            }
            Act::Transmit { flow: _, to, bytes, .. } => {
                // A datagram that the kernel does not take is a datagram lost on the way: SIP's timers send it again.
                if let Err(fault) = self.socket.send_to(&bytes, to) {
                    tracing::debug!(%to, %fault, "a SIP message was not sent");
                }
            }
            Act::Media(leg, command) => {
                let index = usize::try_from(leg.0 >> 16).unwrap_or(0) % self.workers.len();
                let open = matches!(command, media::Command::Open { .. });
                if !self.workers[index].tell(leg, command) && open {
                    self.failed_opens.push(leg);
                }
            }
            Act::Tape(message, tape) => {
                if let Some(says) = self.desk.tell(message, tape) {
                    self.unasked.push(Input::Tape(message, says));
                }
            }
            Act::Start { job, deadline, what } => {
                if self.lookups.try_send(Order::Start(job, deadline, what)).is_err() {
                    self.unasked.push(Input::Done(job, Err(LookupEnd::TooMany)));
                }
            }
            Act::Cancel(job) => {
                // An answer that comes all the same is for nobody.
                let _ = self.lookups.try_send(Order::Cancel(job));
            }
            Act::Reply(id, reply) => {
                if let Some(asker) = self.replies.remove(&id) {
                    let _ = asker.send(reply);
                }
            }
        }
    }
}

/// What the journal has confirmed; `None`, once, when it is gone.
async fn changed(confirmed: &mut Option<Confirmed>) -> Option<Seq> {
    let Some(journal) = confirmed else { return std::future::pending().await };
    let seq = journal.next().await.ok();
    if seq.is_none() {
        *confirmed = None;
    }
    seq
}

/// A message of a stream or a datagram, whichever is there; when both are, by chance.
async fn either(news: &mut mpsc::Receiver<News>, socket: &tokio::net::UdpSocket) -> Turn {
    tokio::select! {
        Some(news) = news.recv() => Turn::News(news),
        _ = socket.readable() => Turn::Look,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For how many milliseconds the seat rests after each of these stretches of 100 ms, in which so much came.
    fn rests(inputs: &[usize]) -> Vec<u128> {
        let mut pace = Pace { since: Instant::ZERO, inputs: 0, rest: None };
        let stretch = |(n, inputs): (u32, &usize)| {
            let begun = Instant::ZERO + PACE_LOOKED_AT * n;
            (1..*inputs).for_each(|_| pace.count(begun, 1));
            pace.count(begun + PACE_LOOKED_AT, 1);
            pace.rest.unwrap_or_default().as_millis()
        };
        (0..).zip(inputs).map(stretch).collect()
    }

    #[test]
    fn a_seat_rests_while_much_comes_and_no_longer() {
        assert_eq!(rests(&[1, 31, 32, 149, 150, 2_000, 32, 3, 1]), [0, 0, 4, 4, 8, 8, 4, 0, 0]);
    }
}
