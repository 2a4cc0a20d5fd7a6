//! `toritsugi serve`: answer calls until told to stop.

use crate::audit::{Audit, Record};
use crate::board::Tally;
use crate::files::{self, Files};
use crate::health::{Beat, Board, Pulse, SILENCE_MAX};
use crate::manager::Manager;
use crate::office::DutyOffice;
use crate::publish::{self, Before, Published, Refused, Wait};
use crate::publisher::{self, Front, Job, Publisher};
use crate::tokens::{self, Keyring};
use crate::versions::{self, Versions};
use crate::words::{Stop, say};
use crate::{ServeArgs, accounts, client, desk, hub};
use calls::{City, Control, Reply};
use flow::Source;
use model::{Event, Settings, WorkerStats};
use reactor::Clock;
use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use telemetry::log::{Form, Lines};
use tokio::signal::unix::{SignalKind, signal};

/// How long the last words to those who were not served may take.
const CLOSING: Duration = Duration::from_secs(7);

/// How long calls may go on after the first request to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// `toritsugi serve`.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Stop> {
    let form = if args.log_format == "json" { Form::Json } else { Form::Human };
    let log = telemetry::log::start(&args.log, form).map_err(Stop::new)?;
    let files = Files::find(&args.city)?;
    writable(&args.state.state)?;
    if let Some(remark) = accounts::attend_to_key(&args.state.state, args.forget_callbacks)? {
        say(remark)?;
    }
    let keys = Keyring::open(&args.state.state)?;
    let shop = Shop { files, state: args.state.state.clone(), listen: args.listen.clone(), admin: args.admin };

    let began = Instant::now();
    // The first opening answers as soon as the plain sentences are there; the ones with a number in them follow.
    let versions = Versions::open(&shop.state)?;
    let opening = publisher::open(&shop, &versions, Wait::Plain)?;
    let published = &opening.published;
    let settings = published.city.book.settings.clone();
    let mut doors = hub::bind(settings.sip)?;
    hub::bind_more(&settings, &shop.state, &mut doors.connections)?;
    let admin = reactor::listen(settings.admin).and_then(|l| l.set_nonblocking(true).map(|()| l)).map_err(|fault| {
        Stop::new(format!("/metrics cannot be served on {}: {fault}. Choose another address with --admin", settings.admin))
    })?;
    let clock = Clock::start();
    let outlets = hub::Outlets { otlp: args.otlp.clone(), hep: args.hep };
    let tally = Arc::new(Mutex::new(Tally::new(publish::wall())));
    let counts = {
        let tally = Arc::clone(&tally);
        Box::new(move |event: &Event| tally.lock().unwrap_or_else(PoisonError::into_inner).note(publish::wall(), event))
    };
    let running = hub::start(Arc::clone(&published.city), &shop.state, doors, clock, Some(counts), &outlets)?;
    print!("{}", published.warnings);
    if let Some(Refused { said: failing, .. }) = &published.failing {
        // Nobody else would answer: a city that starts is heard, and whoever starts it is told. A change is refused instead.
        say(format!("{}\nThe city answers all the same. Until these calls go as they should, no changed file goes live.", failing.en))?;
    }
    banner(&shop, &published.city, &settings, began.elapsed(), !args.no_watch)?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| Stop::new(format!("the runtime of the edges cannot be started: {fault}")))?;
    let (counter, wishes) = desk::Counter::open();
    let note = running.noter();
    let (publisher, front, remark) = Publisher::new(shop, versions, opening, counter.clone(), note);
    print!("{remark}");
    let door = client::address_file(&args.state.state);
    let at = admin.local_addr().map_err(Stop::new)?;
    versions::write_whole(&door, at.to_string().as_bytes())
        .map_err(|fault| Stop::new(format!("{} cannot be written: {fault}", door.display())))?;
    let attended = runtime.block_on(attend(
        &running,
        Staff { publisher, front, counter, wishes, tally, watches: !args.no_watch, log },
        admin,
        keys,
        &args.state.state,
    ));
    let _ = std::fs::remove_file(&door);
    runtime.shutdown_background();
    attended?;
    running.stop();
    say("Stopped. Goodbye.")
}

/// The state folder is there and takes what is written to it: better said once here than by every room below. Where it is made, it is its owner's
/// alone; one that was there keeps the rights that somebody gave it.
fn writable(state: &Path) -> Result<(), Stop> {
    let probe = state.join(".probe");
    files::make_private(state)
        .and_then(|()| std::fs::write(&probe, [0; 4096]))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|fault| Stop::new(format!("the state folder {} cannot be written: {fault}. Choose another with --state", state.display())))
}

/// What is needed to publish again.
pub(crate) struct Shop {
    pub(crate) files: Files,
    pub(crate) state: PathBuf,
    listen: Option<String>,
    admin: Option<SocketAddr>,
}

impl Shop {
    #[cfg(test)]
    pub(crate) fn new(files: Files, state: PathBuf) -> Shop {
        Shop { files, state, listen: None, admin: None }
    }

    /// A city of these texts, with the addresses that were given at the start.
    pub(crate) fn publish(&self, sources: &[Source], wait: Wait, before: Option<Before<'_>>, shown: bool) -> Result<Published, Refused> {
        let mut line = Progress { shown, began: Instant::now() };
        let mut published = publish::publish(&self.files, sources, &self.state, wait, before, &mut |done, total| line.step(done, total))?;
        let city = Arc::make_mut(&mut published.city);
        let settings = &mut Arc::make_mut(&mut city.book).settings;
        if let Some(listen) = &self.listen {
            settings.sip = listen_addr(listen, settings.sip.port())?;
        }
        if let Some(admin) = self.admin {
            settings.admin = admin;
        }
        hub::advertise(settings);
        Ok(published)
    }
}

fn listen_addr(text: &str, port: u16) -> Result<SocketAddr, Stop> {
    text.parse::<SocketAddr>()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)))
        .map_err(|_| Stop::new(format!("{text} is no address: write 192.0.2.10 or 192.0.2.10:5060")))
}

struct Progress {
    shown: bool,
    began: Instant,
}

impl Progress {
    fn step(&mut self, done: usize, total: usize) {
        if !self.shown {
            return;
        }
        let mut out = std::io::stdout().lock();
        let _ = if done == total {
            writeln!(out, "\rThe voice is ready: {total} sentences in {:.1} s.          ", self.began.elapsed().as_secs_f32())
        } else if std::io::stdout().is_terminal() {
            write!(out, "\rPreparing the voice: sentence {} of {total} ", done + 1)
        } else if done == 0 {
            writeln!(out, "Preparing the voice: {total} sentences, once; they are kept in the state folder.")
        } else {
            Ok(())
        };
        let _ = out.flush();
    }
}

fn banner(shop: &Shop, city: &City, settings: &Settings, took: Duration, watches: bool) -> Result<(), Stop> {
    let book = &city.book;
    let host = settings.advertise.unwrap_or_else(|| settings.sip.ip());
    let reach = if settings.sip.ip().is_loopback() { "this machine only; --listen opens it" } else { "open to the lines below" };
    let host = match host {
        IpAddr::V6(v6) => format!("[{v6}]"),
        IpAddr::V4(v4) => v4.to_string(),
    };
    let port = if settings.sip.port() == 5060 { String::new() } else { format!(":{}", settings.sip.port()) };
    say(format_args!(
        "\nToritsugi 取次 is answering ({} from {}, ready after {:.1} s).",
        book.version,
        shop.files.describe(flow::Tongue::En),
        took.as_secs_f32()
    ))?;
    say(format_args!("  SIP       {} UDP and TCP, {reach}", settings.sip))?;
    if let Some(at) = settings.tls.as_ref().and_then(|tls| tls.listen) {
        say(format_args!("            {at} TLS"))?;
    }
    if let Some(web) = &settings.websocket {
        let (scheme, at) = (if settings.tls.is_some() { "wss" } else { "ws" }, web.listen);
        say(format_args!("            {scheme}://{at} for browsers"))?;
    }
    say(format_args!(
        "  Watch     http://{0}/board for people, http://{0}/metrics and /healthz for programs; `toritsugi top` here",
        settings.admin
    ))?;
    let token = tokens::root_file(&shop.state);
    say(format_args!(
        "  Desk      http://{}/api/agents and /api/queues, with a token: toritsugi token add, or root's in {}",
        settings.admin,
        token.display()
    ))?;
    for (number, flow) in &book.numbers {
        say(format_args!("  Number    {number} leads to the flow \"{flow}\". Call it: sip:{number}@{host}{port}"))?;
    }
    let nets: Vec<String> = book.lines.iter().flat_map(|line| &line.from).map(|net| format!("{}/{}", net.addr, net.prefix)).collect();
    if is_open_to_nobody(settings, &book.lines) {
        say(
            "  WARNING   SIP is open beyond this machine, and config/lines.yaml lists nobody beyond it: every call and phone from outside gets no",
        )?;
        say("            answer. Add who may call, as in  carrier: { from: [192.0.2.0/24] }  or  phones: { from: [10.0.0.0/8] }")?;
    }
    say(format_args!("  Lines     calls are taken from {}; anyone else gets no answer (lines.yaml)", nets.join(", ")))?;
    let (able, unable): (Vec<_>, Vec<_>) = book.agents.keys().partition(|agent| city.users.contains_key(agent.as_str()));
    let names = |list: &[&model::AgentId]| list.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ");
    say("  Agents    nobody is logged in yet; a phone logs in by registering with the agent's name and password")?;
    if !able.is_empty() {
        say(format_args!("            with a password: {}", names(&able)))?;
    }
    if !unable.is_empty() {
        say(format_args!("            without one yet: {} (toritsugi agent password NAME)", names(&unable)))?;
    }
    say("            on the phone: *1 ready, *2 break (*21 to *29 with its reason), *3 after-call work done")?;
    say(if shop.files.may_change() && watches {
        "  Change    edit the city's files: they are checked, tested, and in force a moment later. A file with mistakes changes nothing."
    } else {
        "  Change    after a change: kill -HUP this process. A file with mistakes changes nothing."
    })?;
    say("            toritsugi status, history, rollback; notice, override and agent skill for what holds until an hour")?;
    say("  Stop      Ctrl-C: calls in progress may finish for 30 s; twice: at once")
}

/// Whether SIP is heard beyond this machine, and nobody there may call.
fn is_open_to_nobody(settings: &Settings, lines: &[model::Line]) -> bool {
    !settings.sip.ip().is_loopback() && lines.iter().flat_map(|line| &line.from).all(|net| net.addr.is_loopback())
}

/// Who serves the city beside the engine.
struct Staff {
    publisher: Publisher,
    front: Arc<Front>,
    counter: desk::Counter,
    wishes: tokio::sync::mpsc::Receiver<desk::Wish>,
    /// What the board counts.
    tally: Arc<Mutex<Tally>>,
    watches: bool,
    log: Lines,
}

/// Serves the watchers, obeys signals, until it is time to stop.
async fn attend(running: &hub::Running, staff: Staff, admin: std::net::TcpListener, keys: Keyring, state: &Path) -> Result<(), Stop> {
    let Staff { publisher, front, counter, mut wishes, tally, watches, log } = staff;
    let failed = |fault: std::io::Error| Stop::new(format!("signals cannot be heard: {fault}"));
    let mut hup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(admin).map_err(failed)?;

    let (ask, jobs) = std::sync::mpsc::sync_channel::<Job>(4);
    let board = Arc::new(Board::new(Arc::clone(&running.metrics), Arc::clone(&front), tally));
    let hosts = web::Hosts::new(front.city().book.settings.admin_names.clone());
    let record = Record { audit: Audit::of(state), front: Arc::clone(&front) };
    let office = DutyOffice { front, desk: counter.clone(), jobs: ask.clone(), state: state.to_owned() };
    let api = web::Api::new(Arc::new(counter), Arc::new(office), Arc::new(keys), Arc::new(record));
    let house = web::House { board: Arc::<Board>::clone(&board), api: Some(api), hosts };
    let (stop_web, web_stopped) = tokio::sync::oneshot::channel::<()>();
    let web = tokio::spawn(async move {
        let stop = async move {
            let _ = web_stopped.await;
        };
        if let Err(fault) = web::serve(listener, house, stop).await {
            tracing::error!(%fault, "/metrics is no longer served");
        }
    });

    std::thread::Builder::new().name("publisher".to_owned()).spawn(move || publisher.run(&jobs, watches)).map_err(failed)?;
    let _ = ask.try_send(Job::Complete);

    let mut beat = tokio::time::interval(Duration::from_millis(500));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ended = running.handle.ended.clone();
    let mut until: Option<tokio::time::Instant> = None;
    let mut pulse = Pulse::default();
    let mut manager = Manager::of_this_process();
    let mut hurry = false;
    loop {
        tokio::select! {
            _ = beat.tick() => {
                let calls = watch(running, &board, &mut pulse, until.is_some()).await;
                manager.beat(&board);
                log.settle();
                if until.is_some() && calls == 0 {
                    break;
                }
            }
            Some(wish) = wishes.recv() => wish.put_to(&running.handle).await,
            _ = hup.recv() => {
                say("Reading the city's files again ...")?;
                running.handle.reread_certificate();
                if ask.try_send(Job::Read).is_err() {
                    say("Some reloads are under way already: ask again when they are done.")?;
                }
            }
            _ = term.recv() => hurry = drain(running, &mut until, &manager).await?,
            _ = int.recv() => hurry = drain(running, &mut until, &manager).await?,
            _ = ended.changed() => return Err(Stop::new("the signalling thread ended by itself; the log above says why")),
            () = async { match until { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => break,
        }
        if hurry {
            break;
        }
    }
    running.handle.ask(Control::EndAll).await;
    // Whoever waits hears that we close; it takes a few seconds, unless somebody is in a hurry.
    let patience = tokio::time::Instant::now() + CLOSING;
    while !hurry && watch(running, &board, &mut pulse, true).await > 0 && tokio::time::Instant::now() < patience {
        tokio::select! {
            _ = beat.tick() => manager.beat(&board),
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    running.handle.ask(Control::EndAll).await;
    // A breath for the last BYEs to leave.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _ = stop_web.send(());
    let _ = tokio::time::timeout(Duration::from_secs(1), web).await;
    Ok(())
}

/// The first request drains, the second stops at once. True: stop at once.
async fn drain(running: &hub::Running, until: &mut Option<tokio::time::Instant>, manager: &Manager) -> Result<bool, Stop> {
    if until.is_some() {
        return Ok(true);
    }
    manager.stopping(DRAIN + CLOSING);
    running.handle.ask(Control::Drain).await;
    *until = Some(tokio::time::Instant::now() + DRAIN);
    say("No new calls from here on; calls in progress may finish for 30 s. Once more stops at once.")?;
    Ok(false)
}

/// Brings the boards up to date; the number of calls in progress. An engine that does not answer leaves the board as it is, which then says so.
async fn watch(running: &hub::Running, board: &Board, pulse: &mut Pulse, draining: bool) -> u64 {
    let asked = tokio::time::timeout(SILENCE_MAX, running.handle.ask(Control::Snapshot)).await;
    let Ok(Some(Reply::Snapshot(snapshot))) = asked else { return 0 };
    running.metrics.snapshot(&snapshot);
    running.metrics.boxes(&running.handle.unheard.borrow());
    // The sender of a thread that has ended is gone.
    let workers: Vec<Option<WorkerStats>> =
        running.handle.workers.iter().map(|worker| worker.has_changed().is_ok().then(|| worker.borrow().clone())).collect();
    for (index, worker) in workers.iter().enumerate() {
        running.metrics.worker(index, worker.as_ref().unwrap_or(&WorkerStats::default()));
    }
    let city = board.front.city();
    if pulse.is_new(&city.book.version) {
        // A publication may have added a number.
        running.metrics.numbers(city.book.numbers.keys());
    }
    let stand = board.front.stand();
    let records = running.records_kept.load(Ordering::Relaxed);
    running.metrics.files(telemetry::Files { refused: stand.refused.is_some(), rolled_back: stand.rolled_back });
    let journal = running.journal_sound.load(Ordering::Relaxed);
    board.beat(pulse, &Beat { snapshot: &snapshot, journal, records, workers: &workers, draining, stand: &stand });
    snapshot.census.calls
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::LineId;

    #[test]
    fn who_opens_the_door_and_lists_nobody_is_warned() {
        let settings = |sip: &str| Settings { sip: sip.parse().unwrap(), ..Settings::default() };
        let line = |from: &str| model::Line {
            id: LineId::from("phones"),
            from: vec![model::Net::parse(from).unwrap()],
            trusted: false,
            loopback: false,
            calls_per_second: None,
            trunk: None,
            target: None,
        };
        let here = [line("127.0.0.0/8"), line("::1/128")];
        let office = [line("127.0.0.0/8"), line("10.0.0.0/8")];
        assert!(is_open_to_nobody(&settings("0.0.0.0:5060"), &here));
        assert!(is_open_to_nobody(&settings("192.0.2.1:5060"), &here));
        assert!(is_open_to_nobody(&settings("[::]:5060"), &[]));
        assert!(!is_open_to_nobody(&settings("127.0.0.1:5060"), &here));
        assert!(!is_open_to_nobody(&settings("0.0.0.0:5060"), &office));
    }
}
