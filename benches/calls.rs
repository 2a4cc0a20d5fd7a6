//! What a call costs: processor time of set-up and tear-down at 200 calls a second, and memory per call while 500 are up.
//!
//! The whole engine runs on loopback sockets (signalling thread, gate, one media worker); a plain caller in the same process sends
//! INVITE, ACK and BYE as text. Printed: CPU of our threads per call, and resident memory per call; the bar is 32 kB.

use calls::{City, Engine};
use flow::{Known, Source, Spoken};
use media::Clip;
use model::{Pcm, Seq, UnixMillis};
use reactor::{Clock, Parts};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use toritsugi_benches::{cpu_of, load, resident_bytes};

const RATE: u64 = 200;
const SECONDS: u64 = 10;
const HELD: u64 = 500;

fn main() {
    let (confirm, confirmed) = reactor::durable(Seq(0));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let server = socket.local_addr().expect("a bound socket has an address");
    let engine = Engine::new(city(server), calls::Vault::new([7; 32]), [7; 32]);
    let parts = Parts {
        engine,
        socket,
        doors: reactor::Doors::default(),
        workers: 1,
        calls_max: 2_000,
        // A journal that confirms at once: its own cost is not this bench's.
        records: Box::new(move |seq, _, _| confirm.tell(seq)),
        confirmed,
        notes: Box::new(drop),
        boxes: reactor::Boxes::new(std::env::temp_dir().join("toritsugi-bench")),
        secrets: std::path::PathBuf::new(),
        tracer: None,
        seed: [9; 32],
        clock: Clock::start(),
    };
    let handle = reactor::start(parts).expect("the engine starts");
    let caller = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    caller.set_nonblocking(true).expect("sockets can be made non-blocking");
    let mut caller = Caller { socket: caller, server, answered: BTreeMap::new(), ended: 0 };
    println!("load {}", load());

    // Memory first: what a busy hour leaves behind in the allocator would hide what a call takes.
    caller.run(0, 20, Duration::from_millis(100));
    let empty = resident_bytes();
    caller.raise(50_000, HELD);
    let full = resident_bytes();
    assert!(caller.answered.len() as u64 >= HELD, "only {} of {HELD} calls are up", caller.answered.len());
    let per_call = full.saturating_sub(empty) as f64 / HELD as f64 / 1024.0;
    println!(
        "calls: {per_call:.1} kB of memory a call while {} are up (bar 32 kB; resident {} -> {} kB, the caller's own side in it)",
        caller.answered.len(),
        empty / 1024,
        full / 1024
    );
    caller.hang_up_all();

    // A warm-up, then the measured run.
    caller.run(1_000, RATE * 2, Duration::from_millis(100));
    let before = (cpu_of("signalling"), cpu_of("media-"));
    let done = caller.run(10_000, RATE * SECONDS, Duration::from_millis(100));
    let (signalling, media) = (cpu_of("signalling") - before.0, cpu_of("media-") - before.1);
    assert!(done >= RATE * SECONDS * 99 / 100, "only {done} of {} calls came to their end", RATE * SECONDS);
    println!(
        "calls: {done} calls at {RATE}/s: {:.0} us of CPU a call for set-up and tear-down (signalling thread), {:.0} us for 100 ms of sound",
        signalling.as_micros() as f64 / done as f64,
        media.as_micros() as f64 / done as f64,
    );
    handle.stop();
}

/// The shipped city, with a tone for every sentence.
fn city(server: SocketAddr) -> Arc<City> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    for folder in ["config", "flows"] {
        read(&top.join(folder), &top, &mut sources);
    }
    let draft = flow::read(sources);
    let tone = Pcm::tone(8000, 440.0, 8000, 8000);
    let clip = Arc::new(Clip::encode(&tone).expect("a tone can be encoded"));
    let sentences: Vec<Spoken> = flow::sentences(&draft).into_iter().map(|s| s.spoken).collect();
    let lengths = sentences.iter().map(|s| (s.clone(), model::Millis(1_000))).collect();
    let voices = sentences.iter().map(|s| s.lang.clone()).collect();
    let known = Known { lengths, voices, unspeakable: BTreeMap::new(), wall: UnixMillis(1_794_186_000_000) };
    let mut book = flow::check(&draft, &known).book.expect("the shipped city passes its check");
    book.settings.sip = server;
    book.settings.calls_max = 2_000;
    (book.settings.rtp_first, book.settings.rtp_last) = (46_000, 59_999);
    let clips = sentences.into_iter().map(|s| (s, Arc::clone(&clip))).collect();
    Arc::new(City { book: Arc::new(book), clips, ..City::default() })
}

fn read(folder: &Path, top: &Path, into: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).expect("the folder is there").flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, top, into);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "csv") {
            let shown = path.strip_prefix(top).expect("below the top").display().to_string();
            into.push(Source { path: shown, text: std::fs::read_to_string(&path).expect("the file can be read") });
        }
    }
}

struct Caller {
    socket: UdpSocket,
    server: SocketAddr,
    /// Call number to the To header of the answer, and when it came.
    answered: BTreeMap<u64, (String, Instant)>,
    ended: u64,
}

impl Caller {
    /// `count` calls at the rate, each held for `hold`; how many ended with a 200 to their BYE.
    fn run(&mut self, first: u64, count: u64, hold: Duration) -> u64 {
        self.ended = 0;
        let began = Instant::now();
        let mut sent = 0;
        while self.ended < count && began.elapsed() < Duration::from_secs(count / RATE + 8) {
            while sent < count && began.elapsed().as_micros() as u64 >= sent * 1_000_000 / RATE {
                self.invite(first + sent);
                sent += 1;
            }
            self.listen();
            let due: Vec<u64> = self.answered.iter().filter(|(_, (_, at))| at.elapsed() >= hold).map(|(n, _)| *n).collect();
            for number in due {
                self.bye(number);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.ended
    }

    fn raise(&mut self, first: u64, count: u64) {
        for number in first..first + count {
            self.invite(number);
            std::thread::sleep(Duration::from_millis(4));
            self.listen();
        }
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            self.listen();
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn hang_up_all(&mut self) {
        let all: Vec<u64> = self.answered.keys().copied().collect();
        for number in all {
            self.bye(number);
            self.listen();
        }
        std::thread::sleep(Duration::from_millis(300));
        self.listen();
    }

    fn head(&self, method: &str, number: u64, cseq: u32, to: &str) -> String {
        let here = self.socket.local_addr().expect("a bound socket has an address");
        format!(
            "{method} sip:0440000000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{number}\r\nFrom: <sip:044{number:07}@{here}>;tag=f{number}\r\n\
             To: {to}\r\nCall-ID: {number}@bench\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@{here}>\r\nMax-Forwards: 70\r\n",
            server = self.server,
        )
    }

    fn invite(&self, number: u64) {
        let sdp = "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
        let head = self.head("INVITE", number, 1, &format!("<sip:0440000000@{}>", self.server));
        let _ = self
            .socket
            .send_to(format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()).as_bytes(), self.server);
    }

    fn bye(&mut self, number: u64) {
        if let Some((to, _)) = self.answered.remove(&number) {
            let _ = self.socket.send_to(format!("{}Content-Length: 0\r\n\r\n", self.head("BYE", number, 2, &to)).as_bytes(), self.server);
        }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if !text.starts_with("SIP/2.0 200") {
                continue;
            }
            let value = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned();
            if value("CSeq:").ends_with("BYE") {
                self.ended += 1;
                continue;
            }
            let Some(number) = value("Call-ID:").split('@').next().and_then(|n| n.parse().ok()) else { continue };
            let to = value("To:");
            let _ = self.socket.send_to(format!("{}Content-Length: 0\r\n\r\n", self.head("ACK", number, 1, &to)).as_bytes(), self.server);
            self.answered.insert(number, (to, Instant::now()));
        }
    }
}
