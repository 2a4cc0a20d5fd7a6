//! The wiring: engine, journal, call records, metrics and log, each on its own thread, none waiting for another.

use crate::accounts;
use crate::calls_list::{self, database, journal_dir};
use crate::collector::Collector;
use crate::words::Stop;
use calls::{City, Engine, Record};
use journal::{Journal, Writer as Ledger};
use model::{CallRecord, Event, Seq, Settings, Transport, UnixMillis};
use reactor::trace::Tracer;
use reactor::{Clock, Confirmed, Door, Handle, Hep, Parts};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use telemetry::{Calls, Metrics, Trace};

/// Events on their way to metrics, log and call records. The journal has the call records too, so that a full room here costs
/// a figure, never a record.
const EVENTS_MAX: usize = 10_000;
/// Between two looks at the events: a thread that wakes for each of them costs more than they do, and nobody reads so fast.
const SCRIBE_RESTS: Duration = Duration::from_millis(20);

/// The folder of the state folder whose files hold what is sent to other houses as headers.
const SECRETS: &str = "secrets";

/// A running engine with all that belongs to it.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) metrics: Arc<Metrics>,
    /// False once the journal can no longer be written.
    pub(crate) journal_sound: Arc<AtomicBool>,
    /// False while call records cannot be written.
    pub(crate) records_kept: Arc<AtomicBool>,
    notes: Arc<SyncSender<Event>>,
    scribe: JoinHandle<()>,
    trace: JoinHandle<()>,
    collector: Option<Collector>,
    ledger: Arc<Ledger<Record>>,
}

/// What else hears the events: the demo's story.
pub(crate) type Listener = Box<dyn FnMut(&Event) + Send>;

/// Whom the engine's work is told to, over the network; nobody, if they are not named.
#[derive(Clone, Default)]
pub(crate) struct Outlets {
    /// A collector of traces, by its whole address.
    pub(crate) otlp: Option<String>,
    /// A capture server for SIP messages.
    pub(crate) hep: Option<SocketAddr>,
}

/// Starts everything behind doors that are open already.
pub(crate) fn start(
    city: Arc<City>,
    state: &Path,
    doors: Doors,
    clock: Clock,
    listener: Option<Listener>,
    outlets: &Outlets,
) -> Result<Running, Stop> {
    let settings = &city.book.settings;
    let calls_max = settings.calls_max as usize;
    let limits = reactor::Limits::of(settings);
    let Recovered { engine, ledger, confirmed, journal_sound, mut ended } = recover(Arc::clone(&city), state)?;
    let ledger = Arc::new(ledger);
    let metrics = Arc::new(Metrics::new());
    metrics.numbers(city.book.numbers.keys());
    let collector = outlets.otlp.as_deref().map(Collector::start).transpose()?;
    let hep = outlets.hep.map(|to| Hep::open(to, ours(settings))).transpose();
    let hep = hep.map_err(|fault| Stop::new(format!("SIP messages cannot be sent to --hep: {fault}")))?;
    let store = open_store(state)?;
    match calls_list::file_missing(state, &mut ended) {
        Ok(0) => {}
        Ok(count) => {
            tracing::info!(count, "the journal's last calls were not all in the call records, as after a kill: these are filed now")
        }
        Err(fault) => tracing::error!(
            "{fault}: the journal's last calls may not all be in the call records; `toritsugi store rebuild` makes these anew from the journal"
        ),
    }
    let records_kept = store.kept();
    let (notes, inbox) = sync_channel(EVENTS_MAX);
    let scribe = {
        let metrics = Arc::clone(&metrics);
        let book = Calls::new(crate::accounts::seed()?, collector.is_some());
        let traces = collector.as_ref().map(Collector::traces);
        std::thread::Builder::new()
            .name("scribe".to_owned())
            .spawn(move || scribe(&inbox, clock, &metrics, (book, traces), store, listener))
            .map_err(|fault| Stop::new(format!("a thread cannot be started: {fault}")))?
    };
    let records = {
        let (ledger, sound) = (Arc::clone(&ledger), Arc::clone(&journal_sound));
        let mut lost = false;
        Box::new(move |seq: Seq, wall: UnixMillis, record: Record| {
            // The gate then says "not durable", and the calls go on; the journal takes nothing any more until a restart.
            if let Err(fault) = ledger.submit(seq, wall, record)
                && !std::mem::replace(&mut lost, true)
            {
                sound.store(false, Ordering::Relaxed);
                tracing::error!(%fault, "records are lost from here on");
            }
        })
    };
    let hear = {
        let notes = notes.clone();
        Box::new(move |event: Event| match notes.try_send(event) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(event)) => tracing::error!(?event, "events come faster than they can be written down"),
        })
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1)).clamp(1, 8);
    let boxes = crate::voicemail::boxes(state).with_limits(limits);
    let secrets = state.join(SECRETS);
    let (tracer, trace) = Tracer::start(crate::trace::folder(state), crate::accounts::vault(state)?, crate::accounts::seed()?, hep)
        .map_err(|fault| Stop::new(format!("a thread cannot be started: {fault}")))?;
    let Doors { socket, connections } = doors;
    let parts = Parts {
        engine,
        socket,
        doors: connections,
        workers,
        calls_max,
        records,
        confirmed,
        notes: hear,
        boxes,
        secrets,
        tracer: Some(tracer),
        seed: crate::accounts::seed()?,
        clock,
    };
    let handle = reactor::start(parts).map_err(|fault| Stop::new(format!("the engine's threads cannot be started: {fault}")))?;
    Ok(Running { handle, metrics, journal_sound, records_kept, notes: Arc::new(notes), scribe, trace, collector, ledger })
}

impl Running {
    /// Tells metrics and log what the roof itself knows.
    pub(crate) fn noter(&self) -> Box<dyn Fn(Event) + Send> {
        // Whoever outlives the engine must not keep the scribe from its end.
        let notes = Arc::downgrade(&self.notes);
        Box::new(move |event| {
            if let Some(notes) = notes.upgrade() {
                let _ = notes.try_send(event);
            }
        })
    }

    /// Ends everything in order: the engine, then who listens to it, then the journal.
    pub(crate) fn stop(self) {
        self.handle.stop();
        drop(self.notes);
        let _ = self.scribe.join();
        let _ = self.trace.join();
        if let Some(collector) = self.collector {
            collector.finish();
        }
        if let Ok(ledger) = Arc::try_unwrap(self.ledger)
            && let Err(fault) = ledger.finish()
        {
            tracing::error!(%fault, "the journal did not take everything");
        }
    }
}

/// What a start finds.
struct Recovered {
    engine: Engine,
    ledger: Ledger<Record>,
    confirmed: Confirmed,
    journal_sound: Arc<AtomicBool>,
    /// The last calls that ended: some may not be in the call records, if the engine was killed.
    ended: VecDeque<CallRecord>,
}

/// Opens the journal and builds the engine that goes on where it stops.
fn recover(city: Arc<City>, state: &Path) -> Result<Recovered, Stop> {
    let dir = journal_dir(state);
    calls_list::not_emptied(state)?;
    let (journal, opening) = Journal::<Record>::open(&dir).map_err(Stop::new)?;
    if let Some((torn, kept)) = &opening.torn {
        let (from, bytes, nuls, kept) = (torn.from, torn.bytes, torn.nuls, kept.display());
        if torn.nuls > 0 {
            tracing::error!(
                from, bytes, nuls, %kept,
                "the journal ended in NUL bytes, as a power failure leaves them; they were cut off and are kept. Calls and callbacks of the last \
                 moments before it may be lost: compare with `toritsugi calls`"
            );
        } else {
            tracing::warn!(from, bytes, %kept, "the last line of the journal was half written when the engine died; it was cut off and is kept");
        }
    }
    let mut damage = None;
    let mut ended = VecDeque::new();
    let mut records = journal::replay::<Record>(&dir).map_err(Stop::new)?.map_while(|entry| match entry {
        Ok(entry) => {
            if let Record::Ended(call) = &entry.body {
                ended.push_back((**call).clone());
                // More never waited to be filed.
                if ended.len() > store::ROOM {
                    ended.pop_front();
                }
            }
            Some(entry.body)
        }
        Err(fault) => {
            damage = Some(fault);
            None
        }
    });
    let mut engine = Engine::restore(Arc::clone(&city), accounts::vault(state)?, accounts::seed()?, opening.last, &mut records);
    drop(records);
    if let Some(fault) = damage {
        return Err(Stop::new(fault));
    }
    sound_notices(&mut engine, state, &city.book.settings);
    let (confirm, confirmed) = reactor::durable(opening.last);
    let sound = Arc::new(AtomicBool::new(true));
    let on_confirm = {
        let sound = Arc::clone(&sound);
        move |seq: Seq| {
            // What is confirmed is on the disk: a disk that was full has room again.
            sound.store(true, Ordering::Relaxed);
            confirm.tell(seq);
        }
    };
    let on_fault = {
        let sound = Arc::clone(&sound);
        move |fault: &journal::Fault| {
            sound.store(false, Ordering::Relaxed);
            tracing::error!(%fault, "the journal cannot be written: calls go on, but nothing of them would survive a crash");
        }
    };
    let ledger = Ledger::spawn(journal, on_confirm, on_fault).map_err(Stop::new)?;
    Ok(Recovered { engine, ledger, confirmed, journal_sound: sound, ended })
}

/// Notices that were set when the engine before this one stopped: their texts are in the journal, their sounds are in the voice's cache.
/// One that cannot be spoken any more is passed by, and the others go on.
fn sound_notices(engine: &mut Engine, state: &Path, settings: &Settings) {
    let mut sounds = BTreeMap::new();
    for (spoken, text) in engine.silent_notices() {
        match crate::publish::notice(state, settings, &[(spoken.lang.clone(), text)]) {
            Ok(clips) => sounds.extend(clips.into_values().map(|clip| (spoken.clone(), clip))),
            Err(Stop(why)) => tracing::error!(%why, notice = %spoken.prompt, "a notice that is set cannot be spoken"),
        }
    }
    engine.lend_sounds(sounds);
}

/// The database of call records is never the truth: one that cannot be used is put aside and made anew from the journal.
fn open_store(state: &Path) -> Result<store::Writer, Stop> {
    let path = database(state);
    store::Writer::spawn(&path).or_else(|fault| {
        tracing::error!(%fault, "the call records cannot be used; they are put aside and made anew from the journal");
        let (count, _) = calls_list::rebuild_beside(state)?;
        tracing::info!(count, "the call records were rebuilt");
        store::Writer::spawn(&path).map_err(Stop::new)
    })
}

fn scribe(
    inbox: &Receiver<Event>,
    clock: Clock,
    metrics: &Metrics,
    (mut book, traces): (Calls, Option<SyncSender<Trace>>),
    store: store::Writer,
    mut listener: Option<Listener>,
) {
    let mut store_full = false;
    let mut note = |event: Event| {
        metrics.note(&event);
        book.note(clock.now().wall, &event);
        while let Some(trace) = book.poll_trace() {
            if let Some(traces) = &traces {
                let _ = traces.try_send(trace);
            }
        }
        if !store.note(&event) && !store_full {
            store_full = true;
            tracing::error!(
                "call records come faster than SQLite takes them: run `toritsugi store rebuild` later, the journal has them all"
            );
        }
        if let Some(listener) = &mut listener {
            listener(&event);
        }
    };
    while let Ok(event) = inbox.recv() {
        note(event);
        inbox.try_iter().for_each(&mut note);
        // Not waiting at the door: to wake a thread for each event costs the engine more than the event.
        std::thread::sleep(SCRIBE_RESTS);
    }
    if let Err(fault) = store.finish() {
        tracing::error!(%fault, "call records were not all written: `toritsugi store rebuild` makes them from the journal");
    }
}

/// Where SIP is heard: over UDP, and over connections.
pub(crate) struct Doors {
    pub(crate) socket: UdpSocket,
    pub(crate) connections: reactor::Doors,
}

/// Opens the doors for UDP and TCP, at one address, or says in one sentence why not.
pub(crate) fn bind(addr: SocketAddr) -> Result<Doors, Stop> {
    let socket = UdpSocket::bind(addr).map_err(|fault| shut("UDP", addr, "--listen", &fault))?;
    let same = socket.local_addr().map_err(|fault| shut("UDP", addr, "--listen", &fault))?;
    let listener = reactor::listen(same).map_err(|fault| shut("TCP", addr, "--listen", &fault))?;
    let tcp = Door { transport: Transport::Tcp, listener };
    Ok(Doors { socket, connections: reactor::Doors { doors: vec![tcp], ..reactor::Doors::default() } })
}

/// Opens the doors for TLS and WebSocket, where the city has them. Names of files are those of the state folder.
pub(crate) fn bind_more(settings: &Settings, state: &Path, connections: &mut reactor::Doors) -> Result<(), Stop> {
    let open = |transport: Transport, addr: SocketAddr, whose: &str| {
        let listener = reactor::listen(addr).map_err(|fault| shut(transport.via(), addr, whose, &fault))?;
        Ok::<Door, Stop>(Door { transport, listener })
    };
    if let Some(tls) = &settings.tls {
        let [certificate, key] = [&tls.certificate, &tls.key].map(|file| state.join(file));
        let files = reactor::Files { certificate, key, clients: tls.clients.as_ref().map(|file| state.join(file)) };
        let certificate = reactor::Certificate::read(files).map_err(|why| Stop::new(format!("TLS cannot be spoken: {why}")))?;
        if let Some(addr) = tls.listen {
            connections.doors.push(open(Transport::Tls, addr, "`tls` in config/engine.yaml")?);
        }
        connections.certificate = Some(certificate);
    }
    if let Some(web) = &settings.websocket {
        let transport = if settings.tls.is_some() { Transport::Wss } else { Transport::Ws };
        connections.doors.push(open(transport, web.listen, "`websocket` in config/engine.yaml")?);
        connections.origins.clone_from(&web.origins);
    }
    Ok(())
}

/// Why a door stays shut, and where another one is chosen.
fn shut(over: &str, addr: SocketAddr, whose: &str, fault: &std::io::Error) -> Stop {
    let why = match fault.kind() {
        std::io::ErrorKind::AddrInUse => format!("another program has it. Stop that one, or choose another with {whose}"),
        std::io::ErrorKind::PermissionDenied => format!("that port needs more rights. Choose one above 1023 with {whose}"),
        std::io::ErrorKind::AddrNotAvailable => format!("this machine has no such address. Choose one of its own with {whose}"),
        _ => fault.to_string(),
    };
    Stop::new(format!("SIP cannot be heard on {over} {addr}: {why}"))
}

/// Where others reach us, by what.
fn ours(settings: &Settings) -> Vec<(Transport, SocketAddr)> {
    let at = |addr: SocketAddr| SocketAddr::new(settings.advertise.unwrap_or(addr.ip()), addr.port());
    let mut ours = vec![(Transport::Udp, at(settings.sip)), (Transport::Tcp, at(settings.sip))];
    ours.extend(settings.tls.as_ref().and_then(|tls| tls.listen).map(|addr| (Transport::Tls, at(addr))));
    ours.extend(settings.websocket.iter().flat_map(|web| [Transport::Ws, Transport::Wss].map(|over| (over, at(web.listen)))));
    ours
}

/// Fills in what this machine is called by, and the address that others reach us at, when we listen on all of them.
pub(crate) fn advertise(settings: &mut Settings) {
    match if_addrs::get_if_addrs() {
        Ok(all) => settings.addresses = all.iter().map(|one| one.ip().to_canonical()).filter(|ip| !ip.is_loopback()).collect(),
        Err(fault) => tracing::warn!(%fault, "this machine does not tell its addresses: a peer could have us send to one of them"),
    }
    if settings.advertise.is_none() && settings.sip.ip().is_unspecified() {
        // Asking the kernel for the way to a documentation address (RFC 5737) sends nothing.
        let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|s| s.connect("192.0.2.1:9").and_then(|()| s.local_addr()));
        settings.advertise = Some(way.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |addr| addr.ip()));
    }
}
