//! What a monitoring system, a stranger and a slow client get, over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use web::{Board, Health, Limits};

#[derive(Default)]
struct City {
    ill: AtomicBool,
}
impl Board for City {
    fn metrics(&self) -> String {
        "# HELP toritsugi_calls Calls.\n# TYPE toritsugi_calls gauge\ntoritsugi_calls 3\n".to_owned()
    }
    fn health(&self) -> Health {
        match self.ill.load(Ordering::Relaxed) {
            true => Health { ok: false, text: "The journal's disk is full. New calls are refused.".to_owned() },
            false => Health { ok: true, text: "Callers are served.".to_owned() },
        }
    }
}

struct Server {
    at: SocketAddr,
    city: Arc<City>,
    stop: oneshot::Sender<()>,
    done: JoinHandle<std::io::Result<()>>,
}

async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let city = Arc::new(City::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let board: Arc<dyn Board> = city.clone();
    let done = tokio::spawn(web::serve_within(limits, listener, board, async move {
        let _ = stopped.await;
    }));
    Server { at, city, stop, done }
}

/// Sends `request` and reads until the server closes. A reset counts as closed.
async fn asks(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}
async fn gets(at: SocketAddr, path: &str) -> String {
    asks(at, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

#[tokio::test]
async fn a_monitoring_system_reads_the_figures() {
    let server = server(Limits::default()).await;
    let answer = gets(server.at, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n# HELP toritsugi_calls Calls.\n# TYPE toritsugi_calls gauge\ntoritsugi_calls 3\n"), "{answer}");
}

#[tokio::test]
async fn health_is_a_status_for_machines_and_a_sentence_for_people() {
    let server = server(Limits::default()).await;
    let well = gets(server.at, "/healthz").await;
    assert!(well.starts_with("HTTP/1.1 200 OK\r\n") && well.ends_with("\r\n\r\nCallers are served.\n"), "{well}");
    server.city.ill.store(true, Ordering::Relaxed);
    let ill = gets(server.at, "/healthz").await;
    assert!(ill.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && ill.contains("disk is full"), "{ill}");
}

#[tokio::test]
async fn everything_else_is_nothing() {
    let server = server(Limits::default()).await;
    for path in ["/", "/metrics/", "/admin.php", "/..%2f..%2fetc/passwd"] {
        let answer = gets(server.at, path).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("Try /metrics or /healthz.\n"), "{path}: {answer}");
    }
    let post = asks(server.at, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 404 Not Found\r\n"), "{post}");
    let nonsense = asks(server.at, "INVITE sip:119@city SIP/2.0\r\n\r\n").await;
    assert!(!nonsense.contains("200 OK"), "{nonsense}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_is_cut_off() {
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let server = server(limits).await;
    let begun = Instant::now();
    let answer = asks(server.at, "GET /metrics HTTP/1.1\r\nHost: loc").await;
    assert!(!answer.contains("200 OK"), "{answer}");
    assert!(begun.elapsed() >= limits.time, "not before its time");
    assert!(gets(server.at, "/metrics").await.contains("200 OK"), "others are served");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_cut_off() {
    let server = server(Limits { request_bytes: 2048, ..Limits::default() }).await;
    let header = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(4096));
    assert!(!asks(server.at, &header).await.contains("200 OK"));
    let small = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(1024));
    assert!(asks(server.at, &small).await.contains("200 OK"));
}

#[tokio::test]
async fn a_crowd_waits_outside_and_gets_in_when_the_slow_ones_are_cut_off() {
    let limits = Limits { clients: 2, time: Duration::from_millis(100), ..Limits::default() };
    let server = server(limits).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        stream.write_all(b"GET /met").await.unwrap();
        slow.push(stream);
    }
    assert!(gets(server.at, "/metrics").await.contains("200 OK"));
}

#[tokio::test]
async fn stopping_ends_the_service() {
    let server = server(Limits::default()).await;
    assert!(gets(server.at, "/healthz").await.contains("200 OK"));
    server.stop.send(()).unwrap();
    server.done.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.at).await.is_err());
}
