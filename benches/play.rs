//! What playing a prompt costs: our media worker against a bare loop that makes the same kernel calls.
//!
//! Both run 500 calls at one packet per 20 ms, in turns in one run: each turn drains every socket once and sends one packet on it. The
//! receivers are drained by another process. Printed: processor time per packet of each, and their ratio; the bar is 1.6.

use media::{Clip, Command, Event, Far, OnKey};
use model::{Codec, LegId, Pcm, PlayId};
use reactor::{Clock, Worker};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use toritsugi_benches::{cpu_of, load};

const CALLS: u16 = 500;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const OURS: u16 = 41_000;
const BARE: u16 = 43_000;
const FAR: u16 = 45_000;

fn main() {
    if std::env::args().any(|arg| arg == "drain") {
        return drain();
    }
    let mut child = receivers();
    let mut ratios = Vec::new();
    println!("{CALLS} calls, {} s a turn, load {}", ROUND.as_secs(), load());
    for round in 1..=ROUNDS {
        let bare = bare_loop();
        let ours = worker();
        let ratio = ours / bare;
        println!("round {round}: bare loop {:.2} us a packet, media worker {:.2} us, ratio {ratio:.2}", bare / 1e3, ours / 1e3);
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("play: CPU per packet {:.2} x of the bare loop (median of {ROUNDS}; bar 1.60)", ratios[ROUNDS / 2]);
    let _ = child.kill();
    let _ = child.wait();
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn receivers() -> Child {
    let me = std::env::current_exe().expect("the bench knows its own path");
    let child = Process::new(me).arg("drain").stdin(Stdio::piped()).spawn().expect("the receivers start");
    std::thread::sleep(Duration::from_millis(500));
    child
}

/// The other process: reads everything, ends by itself after two minutes.
fn drain() {
    let sockets: Vec<UdpSocket> = (0..CALLS).map(|i| bind(FAR + 2 * i)).collect();
    let began = Instant::now();
    let mut buffer = [0; 2048];
    while began.elapsed() < Duration::from_secs(120) {
        for socket in &sockets {
            while socket.recv_from(&mut buffer).is_ok() {}
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn bind(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind(at(port)).expect("the port is free");
    socket.set_nonblocking(true).expect("sockets can be made non-blocking");
    socket
}

/// Nanoseconds of processor time per packet of a loop with nothing but the kernel calls, in the same ten slots.
fn bare_loop() -> f64 {
    let sent = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let thread = {
        let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("bare".to_owned())
            .spawn(move || {
                let sockets: Vec<UdpSocket> = (0..CALLS).map(|i| bind(BARE + 2 * i)).collect();
                let packet = [0x80u8; 172];
                let mut buffer = [0; 2048];
                let mut due = Instant::now();
                let mut slot = 0;
                while !stop.load(Ordering::Relaxed) {
                    due += Duration::from_millis(2);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    for (i, socket) in sockets.iter().enumerate().skip(slot).step_by(10) {
                        while socket.recv_from(&mut buffer).is_ok() {}
                        if socket.send_to(&packet, at(FAR + 2 * i as u16)).is_ok() {
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    slot = (slot + 1) % 10;
                }
            })
            .expect("a thread starts")
    };
    let cost = measure("bare", &|| sent.load(Ordering::Relaxed));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the bare loop ends");
    cost
}

/// The same of our worker, playing a clip over and over to every call.
fn worker() -> f64 {
    let (say, mut events) = tokio::sync::mpsc::channel(65_536);
    let worker = Worker::start(0, Clock::start(), say, 65_536).expect("the worker starts");
    let clip = Arc::new(Clip::encode(&Pcm::tone(8000, 440.0, 8000, 8000 * 9)).expect("a tone can be encoded"));
    for i in 0..CALLS {
        let leg = LegId(u64::from(i) << 16);
        assert!(worker.tell(leg, Command::Open { local: at(OURS + 2 * i) }));
        let far = at(FAR + 2 * i);
        assert!(worker.tell(
            leg,
            Command::Connect(Far {
                remote: far,
                remote_rtcp: at(FAR + 2 * i + 1),
                written: None,
                also: None,
                codec: Codec::Pcmu,
                payload_type: 0,
                events: Some(101),
                we_send: true,
                we_receive: true,
            })
        ));
        let play = Command::Play { id: PlayId(u64::from(i) + 1), clips: vec![Arc::clone(&clip)], on_key: OnKey::Cut, repeat: true };
        assert!(worker.tell(leg, play));
    }
    std::thread::sleep(Duration::from_millis(300));
    while let Ok((_, event)) = events.try_recv() {
        assert!(!matches!(event, Event::OpenFailed(_)), "{event:?}");
    }
    let stats = worker.stats.clone();
    let cost = measure("media-0", &|| stats.borrow().packets_sent);
    drop(worker);
    std::thread::sleep(Duration::from_millis(200));
    cost
}

fn measure(thread: &str, packets: &dyn Fn() -> u64) -> f64 {
    std::thread::sleep(Duration::from_millis(700));
    let (cpu, before) = (cpu_of(thread), packets());
    std::thread::sleep(ROUND);
    let (used, sent) = (cpu_of(thread) - cpu, packets() - before);
    assert!(sent > 0, "{thread} sent nothing");
    used.as_nanos() as f64 / sent as f64
}
