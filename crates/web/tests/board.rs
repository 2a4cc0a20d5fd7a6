//! Who watches the board: how long, how many, how slowly, and what ends it. And that the page is whole.

use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use web::{Board, BoardNow, Floor, Health, Hosts, House, Limits, Watching};

/// A board that counts how often it is looked at.
#[derive(Default)]
struct Wall {
    looks: AtomicUsize,
    board: Arc<BoardNow>,
}
impl Board for Wall {
    fn metrics(&self) -> String {
        "toritsugi_calls 3\n".to_owned()
    }
    fn health(&self) -> Health {
        Health { ok: true, text: String::new() }
    }
    fn live(&self) -> Health {
        self.health()
    }
    fn ready(&self) -> Health {
        self.health()
    }
    fn now(&self) -> Arc<BoardNow> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.board)
    }
    fn floor(&self) -> Arc<Floor> {
        Arc::default()
    }
}

struct Server {
    at: SocketAddr,
    wall: Arc<Wall>,
    stop: oneshot::Sender<()>,
    done: JoinHandle<std::io::Result<()>>,
}

/// Ten events a second, two watchers; one other client at a time, who has a fifth of a second.
fn quick() -> Watching {
    Watching { watchers: 2, every: Duration::from_millis(100), patience: Duration::from_secs(5), life: Duration::from_secs(60) }
}

async fn server(watching: Watching, board: BoardNow) -> Server {
    let limits = Limits { clients: 1, time: Duration::from_millis(200), ..Limits::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let wall = Arc::new(Wall { board: Arc::new(board), ..Wall::default() });
    let (stop, stopped) = oneshot::channel::<()>();
    let house = House { board: wall.clone(), api: None, hosts: Hosts::default() };
    let done = tokio::spawn(web::serve_within(limits, watching, listener, house, async move {
        let _ = stopped.await;
    }));
    Server { at, wall, stop, done }
}

/// Something that sends a request and has read nothing yet.
async fn asks(at: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    stream
}
/// Everything that comes until the server closes.
async fn whole(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}
async fn gets(at: SocketAddr, path: &str) -> String {
    whole(asks(at, path).await).await
}
/// Reads until so many events have come.
async fn hears(stream: &mut TcpStream, events: usize) -> String {
    let (mut heard, mut piece) = (String::new(), [0; 4096]);
    while heard.matches("data: ").count() < events {
        let count = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut piece)).await.expect("an event comes").unwrap();
        assert!(count > 0, "the stream ended: {heard}");
        heard.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    heard
}
/// Waits until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < patience, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_watcher_hears_the_board_for_longer_than_any_other_client_may_stay() {
    let server = server(quick(), BoardNow { at_local: "14:02:11".to_owned(), ..BoardNow::default() }).await;
    let began = Instant::now();
    let heard = hears(&mut asks(server.at, "/board/events").await, 8).await;
    assert!(began.elapsed() >= Duration::from_millis(600), "not all at once: {:?}", began.elapsed());
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
    let head = heard.to_lowercase();
    for line in ["content-type: text/event-stream\r\n", "cache-control: no-store\r\n"] {
        assert!(head.contains(line), "{heard}");
    }
    let first = heard.split("data: ").nth(1).unwrap().split("\n\n").next().unwrap();
    let board: BoardNow = serde_json::from_str(first).unwrap();
    assert_eq!(board.at_local, "14:02:11");
}

#[tokio::test]
async fn watchers_take_nobody_elses_place_and_one_too_many_is_told_so() {
    let server = server(quick(), BoardNow::default()).await;
    let (mut one, mut two) = (asks(server.at, "/board/events").await, asks(server.at, "/board/events").await);
    hears(&mut one, 1).await;
    hears(&mut two, 1).await;
    let third = gets(server.at, "/board/events").await;
    assert!(third.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && third.contains("2 watch this board already"), "{third}");
    assert!(third.to_lowercase().contains("retry-after: 10\r\n"), "{third}");
    // There is one place for all others, and nobody who watches is in it.
    assert!(gets(server.at, "/metrics").await.contains("toritsugi_calls 3"));
    hears(&mut one, 4).await;
    drop(one);
    // A place is free when the server has seen that its watcher is gone.
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let mut next = asks(server.at, "/board/events").await;
        let mut status = [0; 12];
        next.read_exact(&mut status).await.unwrap();
        if &status == b"HTTP/1.1 200" {
            break;
        }
        assert!(Instant::now() < patience, "the place of who went is given to nobody");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    hears(&mut two, 3).await;
}

/// A page of another house, open in a browser on this machine, would fill the wall's places with pictures that are none.
#[tokio::test]
async fn a_page_of_somewhere_else_takes_no_watchers_place() {
    let server = server(quick(), BoardNow::default()).await;
    for header in ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"] {
        let answer = gets(server.at, &format!("/board/events HTTP/1.1\r\nHost: localhost\r\n{header}\r\nX: x")).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{header}: {answer}");
    }
    let mut ours = TcpStream::connect(server.at).await.unwrap();
    ours.write_all(b"GET /board/events HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\r\n").await.unwrap();
    assert!(hears(&mut ours, 1).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn nobody_works_out_a_board_that_nobody_watches() {
    let server = server(quick(), BoardNow::default()).await;
    assert!(gets(server.at, "/board").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(gets(server.at, "/metrics").await.contains("200 OK"));
    assert_eq!(server.wall.looks.load(Ordering::Relaxed), 0);
    let mut watcher = asks(server.at, "/board/events").await;
    hears(&mut watcher, 3).await;
    drop(watcher);
    let looks = || server.wall.looks.load(Ordering::Relaxed);
    // Two events a watcher who is gone may cost: one to write into the void, one to learn of it.
    let mut before = looks();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        if looks() == before {
            break;
        }
        before = looks();
    }
    assert_eq!(looks(), before, "it is looked at no more");
    assert!(before >= 3);
}

#[tokio::test]
async fn a_watcher_who_does_not_read_is_let_go_and_the_place_is_free() {
    let watching = Watching { watchers: 1, patience: Duration::from_millis(300), ..quick() };
    // A board of two megabytes: no system keeps many of them for somebody who does not read.
    let huge = BoardNow { at_local: "x".repeat(2_000_000), ..BoardNow::default() };
    let server = server(watching, huge).await;
    let asleep = asks(server.at, "/board/events").await;
    until("the sleeper is sent something", || server.wall.looks.load(Ordering::Relaxed) > 0).await;
    let began = Instant::now();
    loop {
        let answer = tokio::time::timeout(Duration::from_millis(200), async {
            let mut stream = asks(server.at, "/board/events").await;
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.map(|_| status)
        });
        if matches!(answer.await, Ok(Ok(status)) if &status == b"HTTP/1.1 200") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the sleeper keeps its place");
    }
    assert!(began.elapsed() >= Duration::from_millis(200), "not before its time: {:?}", began.elapsed());
    drop(asleep);
}

#[tokio::test]
async fn when_the_service_stops_watchers_are_sent_home_at_once() {
    let watching = Watching { every: Duration::from_secs(30), ..quick() };
    let server = server(watching, BoardNow::default()).await;
    let mut watcher = asks(server.at, "/board/events").await;
    hears(&mut watcher, 1).await;
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.done.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "the end waits for nobody who watches: {:?}", began.elapsed());
    assert!(whole(watcher).await.ends_with("0\r\n\r\n"), "the stream has an end and is not torn");
}

#[tokio::test]
async fn a_service_stops_even_while_a_watcher_does_not_read() {
    let watching = Watching { patience: Duration::from_millis(300), ..quick() };
    let server = server(watching, BoardNow { at_local: "x".repeat(2_000_000), ..BoardNow::default() }).await;
    let asleep = asks(server.at, "/board/events").await;
    until("the sleeper is sent something", || server.wall.looks.load(Ordering::Relaxed) > 0).await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server.done).await.expect("the end waits for the patience at most").unwrap().unwrap();
    drop(asleep);
}

#[tokio::test]
async fn a_connection_watches_for_its_time_and_is_then_let_go() {
    let watching = Watching { life: Duration::from_millis(350), ..quick() };
    let server = server(watching, BoardNow::default()).await;
    let heard = tokio::time::timeout(Duration::from_secs(20), gets(server.at, "/board/events")).await.expect("it ends");
    let events = heard.matches("data: ").count();
    assert!((1..=4).contains(&events) && heard.ends_with("0\r\n\r\n"), "{heard}");
}

/// Base64 (RFC 4648 section 4) of a hash.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let all = three.iter().chain(&[0, 0]).take(3).fold(0u32, |all, byte| all << 8 | u32::from(*byte));
        let sign = move |at: usize| char::from(SIGNS[(all >> (18 - 6 * at) & 63) as usize]);
        (0..4).map(|at| if at <= three.len() { sign(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[tokio::test]
async fn the_page_is_whole_and_a_browser_may_run_what_stands_in_it_and_nothing_else() {
    let server = server(quick(), BoardNow::default()).await;
    let answer = gets(server.at, "/board").await;
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok") && head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff") && head.contains("referrer-policy: no-referrer"), "{head}");
    let policy = answer.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    for directive in ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{policy}");
    }
    for tag in ["style", "script"] {
        let inside = page.split_once(&format!("<{tag}>")).unwrap().1.split_once(&format!("</{tag}>")).unwrap().0;
        let directive = format!("{tag}-src 'sha256-{}'", base64(&Sha256::digest(inside)));
        assert!(policy.contains(&directive), "the page has changed: write {directive} into the policy in board.rs");
        assert_eq!(page.matches(&format!("<{tag}")).count(), 1, "one {tag}, which is named");
    }
    for foreign in ["http:", "https:", "src=", "@import", "url(", " style=", " onclick=", " onload=", "innerHTML"] {
        assert!(!page.contains(foreign), "{foreign} has no place in the page");
    }
}
