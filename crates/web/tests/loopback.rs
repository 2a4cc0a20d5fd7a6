//! What a monitoring system, a stranger and a slow client get, over a real socket.

use model::{AgentId, AgentNow, AgentState, Break, BreakNow, BreakReason, Lang, QueueId, QueueNow, Snapshot, UnixMillis};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use web::{
    AgentRow, Api, Bearer, Board, BoardNow, Desk, Floor, Health, Hosts, House, Keys, Later, Ledger, Limits, Line, Office, Order, Ordered,
    Presence, Role, Set, Span, Unread, Watching,
};

const TOKEN: &str = "yvq7mzk3r5c2h6w4n7d3b2x5j4t6p3la";

fn lunch() -> BreakReason {
    BreakReason::from("lunch")
}
fn at_lunch() -> Option<BreakNow> {
    Some(BreakNow { reason: Some(lunch()), since: Some(UnixMillis(1_582_845_600_000)) })
}

#[derive(Default)]
struct City {
    ill: AtomicBool,
    gone: AtomicBool,
    /// What was asked for, in order.
    asked: Mutex<Vec<(String, Presence)>>,
}
impl Desk for City {
    fn look(&self) -> Later<'_, Option<Arc<Snapshot>>> {
        let snapshot = Snapshot {
            queues: vec![QueueNow {
                queue: QueueId::from("nurse"),
                depth: 2,
                longest_wait_millis: 31_500,
                staff: 1,
                free: 0,
                promised_millis: 60_000,
                promised_percent: 80,
            }],
            agents: vec![
                AgentNow { agent: AgentId::from("yuki"), state: AgentState::Talking, on_break: None },
                AgentNow { agent: AgentId::from("mio"), state: AgentState::NotReady, on_break: at_lunch() },
            ],
            breaks: vec![Break {
                reason: lunch(),
                code: 1,
                label: [("en", "Lunch"), ("ja", "昼休み")].map(|(k, v)| (Lang::from(k), v.to_owned())).into(),
            }],
            ..Snapshot::default()
        };
        let gone = self.gone.load(Ordering::Relaxed);
        Box::pin(async move { (!gone).then(|| Arc::new(snapshot)) })
    }
    fn set(&self, agent: AgentId, presence: Presence) -> Later<'_, Set> {
        self.asked.lock().unwrap().push((agent.as_str().to_owned(), presence.clone()));
        let on_break = match &presence {
            Presence::Ready | Presence::Break(None) => None,
            Presence::Break(Some(reason)) => Some(BreakNow { reason: Some(reason.clone()), since: Some(UnixMillis(1_582_845_700_000)) }),
        };
        let known = on_break.as_ref().is_none_or(|on_break| on_break.reason == Some(lunch()));
        let set = match (self.gone.load(Ordering::Relaxed), agent.as_str()) {
            (true, _) => Set::Gone,
            (false, "yuki" | "ゆき") if known => Set::Done(AgentNow { agent, state: AgentState::NotReady, on_break }),
            (false, "yuki") => Set::UnknownReason(vec![lunch(), BreakReason::from("meeting")]),
            (false, "aoi") => Set::UnknownReason(Vec::new()),
            (false, "ken") => Set::NoPhone,
            // The phone is not back since the restart.
            (false, "rin") => Set::Done(AgentNow { agent, state: AgentState::SignedOut, on_break }),
            (false, _) => Set::Unknown,
        };
        Box::pin(async move { set })
    }
}
impl Office for City {
    fn status(&self) -> Later<'_, Option<String>> {
        let gone = self.gone.load(Ordering::Relaxed);
        Box::pin(async move { (!gone).then(|| "{\"in_force\":null}".to_owned()) })
    }
    fn order(&self, order: Order, lang: Lang) -> Later<'_, Ordered> {
        let gone = self.gone.load(Ordering::Relaxed);
        Box::pin(async move {
            match order {
                _ if gone => Ordered::Gone,
                Order::Schedule { schedule, until, by, .. } if schedule.as_str() == "centre" => {
                    Ordered::Done(format!("{until} {by} {lang}"))
                }
                other => Ordered::Refused(format!("{other:?}")),
            }
        })
    }
}
/// One token, the root's.
impl Keys for City {
    fn bearer(&self, token: &[u8]) -> Option<Bearer> {
        (token == TOKEN.as_bytes()).then(|| Bearer { name: "api.token".to_owned(), role: Role::Root })
    }
}
impl Ledger for City {
    fn write(&self, _: Line) -> Later<'_, Option<u64>> {
        Box::pin(async { Some(1) })
    }
    fn read(&self, _: Span) -> Later<'_, Result<String, Unread>> {
        Box::pin(async { Err(Unread::Lost) })
    }
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
    fn live(&self) -> Health {
        Health { ok: true, text: "alive".to_owned() }
    }
    fn ready(&self) -> Health {
        let ill = self.ill.load(Ordering::Relaxed);
        Health { ok: !ill, text: if ill { "NOT READY" } else { "ready" }.to_owned() }
    }
    fn now(&self) -> Arc<BoardNow> {
        Arc::new(self.floor().board.clone())
    }
    fn floor(&self) -> Arc<Floor> {
        let yuki = AgentRow {
            agent: AgentId::from("yuki"),
            state: AgentState::Talking,
            since_ms: Some(1_582_845_600_000),
            for_ms: Some(31_500),
            reason: None,
            queue: Some(QueueId::from("nurse")),
        };
        Arc::new(Floor { board: BoardNow { at_local: "14:02:11".to_owned(), ..BoardNow::default() }, agents: vec![yuki] })
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
    let api = Api::new(city.clone(), city.clone(), city.clone(), city.clone());
    let house = House { board: city.clone(), api: Some(api), hosts: Hosts::default() };
    let done = tokio::spawn(web::serve_within(limits, Watching::default(), listener, house, async move {
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
    let not_ready = gets(server.at, "/readyz").await;
    assert!(not_ready.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && not_ready.ends_with("\r\n\r\nNOT READY\n"), "{not_ready}");
    let alive = gets(server.at, "/livez").await;
    assert!(alive.starts_with("HTTP/1.1 200 OK\r\n"), "an ill engine is not started again for it: {alive}");
}

#[tokio::test]
async fn everything_else_is_nothing() {
    let server = server(Limits::default()).await;
    for path in ["/", "/metrics/", "/admin.php", "/..%2f..%2fetc/passwd"] {
        let answer = gets(server.at, path).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("Try /metrics, /healthz, /readyz or /board.\n"),
            "{path}: {answer}"
        );
    }
    let post = asks(server.at, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 404 Not Found\r\n"), "{post}");
    let nonsense = asks(server.at, "INVITE sip:119@city SIP/2.0\r\n\r\n").await;
    assert!(!nonsense.contains("200 OK"), "{nonsense}");
}

/// A request with these header lines beside `Host`.
async fn sends(at: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    asks(at, &format!("{method} {path} HTTP/1.1\r\nHost: localhost:8080\r\n{headers}\r\n")).await
}
/// With the token.
async fn enters(at: SocketAddr, method: &str, path: &str) -> String {
    sends(at, method, path, &format!("Authorization: Bearer {TOKEN}\r\n")).await
}

#[tokio::test]
async fn a_program_with_the_token_sees_agents_and_queues() {
    let server = server(Limits::default()).await;
    let agents = enters(server.at, "GET", "/api/agents").await;
    assert!(agents.starts_with("HTTP/1.1 200 OK\r\n") && agents.to_lowercase().contains("content-type: application/json\r\n"), "{agents}");
    let mio = r#"{"agent":"mio","state":"not_ready","break":{"reason":"lunch","since":1582845600000}}"#;
    assert!(agents.ends_with(&format!("\r\n\r\n[{{\"agent\":\"yuki\",\"state\":\"talking\"}},{mio}]\n")), "{agents}");
    let breaks = enters(server.at, "GET", "/api/breaks").await;
    assert!(breaks.ends_with("\r\n\r\n[{\"reason\":\"lunch\",\"code\":1,\"label\":{\"en\":\"Lunch\",\"ja\":\"昼休み\"}}]\n"), "{breaks}");
    let queues = enters(server.at, "GET", "/api/queues").await;
    let nurse =
        r#"{"queue":"nurse","depth":2,"longest_wait_millis":31500,"staff":1,"free":0,"promised_millis":60000,"promised_percent":80}"#;
    assert!(queues.ends_with(&format!("\r\n\r\n[{nurse}]\n")), "{queues}");
}

#[tokio::test]
async fn an_agent_goes_on_a_break_and_comes_back() {
    let server = server(Limits::default()).await;
    let done = enters(server.at, "POST", "/api/agents/yuki/break").await;
    assert!(done.starts_with("HTTP/1.1 200 OK\r\n") && done.ends_with("{\"agent\":\"yuki\",\"state\":\"not_ready\"}\n"), "{done}");
    let polite = format!("authorization: bearer  {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
    let done = asks(server.at, &format!("POST /api/agents/%E3%82%86%E3%81%8D/ready HTTP/1.1\r\nHost: localhost\r\n{polite}")).await;
    assert!(done.starts_with("HTTP/1.1 200 OK\r\n"), "{done}");
    let asked = server.city.asked.lock().unwrap().clone();
    assert_eq!(asked, [("yuki".to_owned(), Presence::Break(None)), ("ゆき".to_owned(), Presence::Ready)]);
}

/// A break with this body.
async fn takes_a_break(at: SocketAddr, agent: &str, body: &str) -> String {
    let head = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}", body.len());
    asks(at, &format!("POST /api/agents/{agent}/break HTTP/1.1\r\n{head}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn a_break_may_have_a_reason_and_only_one_that_is_known() {
    let server = server(Limits::default()).await;
    let done = takes_a_break(server.at, "yuki", r#"{"reason":"lunch"}"#).await;
    assert!(done.starts_with("HTTP/1.1 200 OK\r\n"), "{done}");
    let yuki = r#"{"agent":"yuki","state":"not_ready","break":{"reason":"lunch","since":1582845700000}}"#;
    assert!(done.ends_with(&format!("\r\n\r\n{yuki}\n")), "{done}");
    for plain in ["", " \n", "{}", r#"{"reason":null}"#] {
        assert!(takes_a_break(server.at, "yuki", plain).await.starts_with("HTTP/1.1 200 OK\r\n"), "{plain}");
    }
    let asked: Vec<Presence> = server.city.asked.lock().unwrap().drain(..).map(|(_, presence)| presence).collect();
    assert_eq!(asked[0], Presence::Break(Some(lunch())));
    assert_eq!(asked[1..], [const { Presence::Break(None) }; 4]);

    let unknown = takes_a_break(server.at, "yuki", r#"{"reason":"<b>tea"}"#).await;
    assert!(unknown.starts_with("HTTP/1.1 422 Unprocessable Entity\r\n"), "{unknown}");
    assert!(unknown.contains("Known are: lunch, meeting. Nothing was changed.") && !unknown.contains("<b>"), "{unknown}");
    let none = takes_a_break(server.at, "aoi", r#"{"reason":"tea"}"#).await;
    assert!(none.starts_with("HTTP/1.1 422 ") && none.contains("config/breaks.yaml"), "{none}");
    server.city.asked.lock().unwrap().clear();
    for body in
        ["lunch", "\"lunch\"", "[]", "1", r#"{"reason":1}"#, r#"{"reason":"lunch","until":"13:00"}"#, r#"{"reason":"lunch"} x"#, "{"]
    {
        let answer = takes_a_break(server.at, "yuki", body).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains(r#"{"reason":"lunch"}"#), "{body}: {answer}");
    }
    assert!(server.city.asked.lock().unwrap().is_empty(), "what cannot be read is put to nobody");
}

#[tokio::test]
async fn whoever_has_no_phone_registered_is_not_said_to_be_on_a_break() {
    let server = server(Limits::default()).await;
    for path in ["/api/agents/ken/break", "/api/agents/ken/ready"] {
        let answer = enters(server.at, "POST", path).await;
        assert!(answer.starts_with("HTTP/1.1 409 Conflict\r\n"), "{answer}");
        assert!(answer.contains("no phone registered") && answer.contains("Nothing was changed."), "{answer}");
    }
    let later = enters(server.at, "POST", "/api/agents/rin/break").await;
    assert!(later.starts_with("HTTP/1.1 202 Accepted\r\n") && later.ends_with("{\"agent\":\"rin\",\"state\":\"signed_out\"}\n"), "{later}");
}

#[tokio::test]
async fn agents_are_named_on_the_board_of_whoever_has_the_token_and_on_no_other() {
    let server = server(Limits::default()).await;
    let named = enters(server.at, "GET", "/api/board").await;
    let yuki = r#""agents":[{"agent":"yuki","state":"talking","since_ms":1582845600000,"for_ms":31500,"reason":null,"queue":"nurse"}]"#;
    assert!(named.contains("\"at_local\":\"14:02:11\"") && named.contains(yuki), "{named}");
    assert!(sends(server.at, "GET", "/api/board", "").await.starts_with("HTTP/1.1 401 "));
    let mut open = TcpStream::connect(server.at).await.unwrap();
    open.write_all(b"GET /board/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let (mut heard, mut piece) = (String::new(), [0; 4096]);
    while !heard.ends_with("\n\n\r\n") {
        let count = open.read(&mut piece).await.unwrap();
        assert!(count > 0, "{heard}");
        heard.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    assert!(heard.contains("\"at_local\":\"14:02:11\"") && !heard.contains("yuki"), "{heard}");
}

async fn orders(at: SocketAddr, body: &str) -> String {
    let length = body.len();
    sends(at, "POST", "/api/orders", &format!("Authorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n{body}")).await
}

/// What the journal cannot keep would be gone after a restart, whatever was promised.
#[tokio::test]
async fn nothing_is_changed_while_the_journal_cannot_be_written() {
    let server = server(Limits::default()).await;
    let closed = r#"{"order":"schedule","schedule":"centre","hours":"closed","until":"17:00"}"#;
    server.city.ill.store(true, Ordering::Relaxed);
    let refused = orders(server.at, closed).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("nothing was changed"), "{refused}");
    let seen = enters(server.at, "GET", "/api/queues").await;
    assert!(seen.starts_with("HTTP/1.1 200"), "what stands can be looked at: {seen}");
    server.city.ill.store(false, Ordering::Relaxed);
    assert!(orders(server.at, closed).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_duty_officer_orders_and_hears_what_became_of_it() {
    let server = server(Limits::default()).await;
    let closed = r#"{"order":"schedule","schedule":"centre","hours":"closed","until":"17:00"}"#;
    let done = orders(server.at, closed).await;
    assert!(done.starts_with("HTTP/1.1 200 OK\r\n") && done.contains("17:00 api.token"), "whoever names nobody is the token: {done}");
    assert!(done.contains("17:00 api.token en"), "{done}");
    let head = |lang: &str| {
        format!("Authorization: Bearer {TOKEN}\r\nAccept-Language: {lang}\r\nContent-Length: {}\r\n\r\n{closed}", closed.len())
    };
    for (asked, answered) in [("ja", "ja"), ("ja-JP,ja;q=0.9,en;q=0.8", "ja-JP"), ("", "en")] {
        let done = sends(server.at, "POST", "/api/orders", &head(asked)).await;
        assert!(done.contains(&format!("17:00 api.token {answered}\n")), "{done}");
    }
    let named = orders(server.at, &closed.replace("\"until\"", "\"by\":\"mori\",\"until\"")).await;
    assert!(named.contains("17:00 mori"), "{named}");
    let refused = orders(server.at, &closed.replace("centre", "center")).await;
    assert!(refused.starts_with("HTTP/1.1 422 Unprocessable Entity\r\n"), "{refused}");
    for none in [
        "",
        "{}",
        r#"{"order":"dance"}"#,
        r#"{"order":"schedule","schedule":"centre","hours":"shut","until":"17:00"}"#,
        r#"{"order":"schedule","schedule":"centre","hours":{"closed":null},"until":"17:00"}"#,
        "[]",
        r#"["schedule","centre","closed","17:00"]"#,
        r#"["end","notice city"]"#,
    ] {
        let answer = orders(server.at, none).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("\"order\":\"schedule\""), "{none}: {answer}");
    }
    let endless = format!(r#"{{"order":"end","what":"{}"}}"#, "x".repeat(13_000));
    assert!(orders(server.at, &endless).await.starts_with("HTTP/1.1 413"));
    assert!(enters(server.at, "GET", "/api/status").await.contains("in_force"));
    assert!(enters(server.at, "GET", "/api/orders").await.starts_with("HTTP/1.1 405"));
    assert!(sends(server.at, "POST", "/api/orders", "").await.starts_with("HTTP/1.1 401"));
    server.city.gone.store(true, Ordering::Relaxed);
    assert!(orders(server.at, closed).await.starts_with("HTTP/1.1 503"));
    assert!(enters(server.at, "GET", "/api/status").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn without_the_token_there_is_a_sentence_and_nothing_else() {
    let server = server(Limits::default()).await;
    let wrong = format!("Authorization: Bearer {}\r\n", TOKEN.to_uppercase());
    let long = format!("Authorization: Bearer {TOKEN}x\r\n");
    let basic = format!("Authorization: Basic {TOKEN}\r\n");
    let cookie = format!("Cookie: token={TOKEN}\r\n");
    for headers in ["", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n", &wrong, &long, &basic, &cookie] {
        for (method, path) in
            [("GET", "/api/agents"), ("POST", "/api/agents/yuki/break"), ("DELETE", "/api/agents"), ("GET", "/api/nothing")]
        {
            let answer = sends(server.at, method, path, headers).await;
            assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n") && answer.contains("api.token"), "{headers:?} {path}: {answer}");
            assert!(answer.to_lowercase().contains("www-authenticate: bearer realm="), "{answer}");
            assert!(!answer.contains("yuki"), "{answer}");
        }
    }
    let in_the_address = sends(server.at, "GET", &format!("/api/agents?token={TOKEN}"), "").await;
    assert!(in_the_address.starts_with("HTTP/1.1 401"), "an address is written into logs: {in_the_address}");
    assert!(server.city.asked.lock().unwrap().is_empty());
    assert!(gets(server.at, "/metrics").await.contains("200 OK"), "what was open stays open");
}

#[tokio::test]
async fn a_page_of_somewhere_else_is_turned_away_even_with_the_token() {
    let server = server(Limits::default()).await;
    let with = |origin: &str| format!("Authorization: Bearer {TOKEN}\r\nOrigin: {origin}\r\n");
    for origin in ["http://evil.example", "null", "http://localhost", "http://localhost:8080.evil.example", "localhost:8080", ""] {
        let answer = sends(server.at, "POST", "/api/agents/yuki/break", &with(origin)).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{origin:?}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
    }
    // A browser asks first whether it may: no.
    let preflight = "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n";
    assert!(sends(server.at, "OPTIONS", "/api/agents/yuki/break", preflight).await.starts_with("HTTP/1.1 403"));
    assert!(server.city.asked.lock().unwrap().is_empty());
    let ours = sends(server.at, "POST", "/api/agents/yuki/break", &with("http://localhost:8080")).await;
    assert!(ours.starts_with("HTTP/1.1 200 OK"), "{ours}");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_are_told_apart() {
    let server = server(Limits::default()).await;
    for (method, path, status, text) in [
        ("POST", "/api/agents/nobody/ready", "404 Not Found", "no such agent"),
        ("POST", "/api/agents/yuki/lunch", "404 Not Found", "Try GET /api/agents"),
        ("GET", "/api/callers", "404 Not Found", "Try GET /api/agents"),
        ("GET", "/api/agents/", "404 Not Found", "Try GET /api/agents"),
        ("GET", "/api/agents/yuki/ready", "405 Method Not Allowed", "Only POST"),
        ("PUT", "/api/agents/yuki/break", "405 Method Not Allowed", "Only POST"),
        ("POST", "/api/agents", "405 Method Not Allowed", "Only GET"),
        ("POST", "/api/breaks", "405 Method Not Allowed", "Only GET"),
        ("DELETE", "/api/queues", "405 Method Not Allowed", "Only GET"),
    ] {
        let answer = enters(server.at, method, path).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(text), "{method} {path}: {answer}");
        assert_eq!(status.starts_with("405"), answer.to_lowercase().contains("\r\nallow: "), "{answer}");
    }
    server.city.gone.store(true, Ordering::Relaxed);
    for (method, path) in [("GET", "/api/agents"), ("GET", "/api/queues"), ("POST", "/api/agents/yuki/ready")] {
        let answer = enters(server.at, method, path).await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_needs_is_not_read_for_ever() {
    let server = server(Limits::default()).await;
    let request = |body: &str| {
        let head = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n", body.len());
        format!("POST /api/agents/yuki/ready HTTP/1.1\r\n{head}{body}")
    };
    let large = asks(server.at, &request(&"x".repeat(1025))).await;
    assert!(large.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{large}");
    assert!(!asks(server.at, &request(&"x".repeat(13_000))).await.contains("200 OK"));
    assert!(server.city.asked.lock().unwrap().is_empty());
    assert!(asks(server.at, &request(&"x".repeat(1024))).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_house_without_a_desk_has_nothing_under_api() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let house = House { board: Arc::new(City::default()), api: None, hosts: Hosts::default() };
    tokio::spawn(web::serve(listener, house, std::future::pending()));
    assert!(enters(at, "GET", "/api/agents").await.starts_with("HTTP/1.1 404"));
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

/// Whoever is not being served makes room: nobody keeps a service manager out by opening connections and saying nothing, or half of something.
#[tokio::test]
async fn those_who_say_nothing_keep_nobody_out() {
    let server = server(Limits { clients: 4, time: Duration::from_secs(60), ..Limits::default() }).await;
    let mut silent = Vec::new();
    // The last have a token, and promise a body that never comes.
    let promises = format!("POST /api/orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n");
    for at in 0..60 {
        let mut stream = TcpStream::connect(server.at).await.unwrap();
        match at {
            40.. => stream.write_all(promises.as_bytes()).await.unwrap(),
            _ if at % 2 == 0 => stream.write_all(b"GET /met").await.unwrap(),
            _ => {}
        }
        silent.push(stream);
    }
    let began = Instant::now();
    assert!(gets(server.at, "/livez").await.contains("200 OK"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn stopping_ends_the_service() {
    let server = server(Limits::default()).await;
    assert!(gets(server.at, "/healthz").await.contains("200 OK"));
    server.stop.send(()).unwrap();
    server.done.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.at).await.is_err());
}
