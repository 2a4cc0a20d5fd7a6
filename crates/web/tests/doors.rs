//! Who is let through which door under `/api/`, what is written down of it, and what a stranger with any request at all can do: nothing.

use model::{AgentId, AgentNow, AgentState, Lang, Snapshot};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use web::{
    Api, Bearer, Board, BoardNow, Desk, Floor, Health, Hosts, House, Keys, Later, Ledger, Line, Office, Order, Ordered, Presence, Role,
    Set, Span, Unread,
};

/// A city in which everything can be done, and which notes in one list what is done and what is written down.
#[derive(Default)]
struct City {
    noted: Mutex<Vec<String>>,
    full: AtomicBool,
}

impl City {
    fn note(&self, what: String) {
        self.noted.lock().unwrap().push(what);
    }
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.noted.lock().unwrap())
    }
    /// What was done and not only written down.
    fn done(&self) -> Vec<String> {
        self.taken().into_iter().filter(|noted| noted.starts_with("did ")).collect()
    }
}

impl Desk for City {
    fn look(&self) -> Later<'_, Option<Arc<Snapshot>>> {
        let agent = |name: &str| AgentNow { agent: AgentId::from(name), state: AgentState::Idle, on_break: None };
        let snapshot = Snapshot { agents: vec![agent("ken"), agent("yuki")], ..Snapshot::default() };
        Box::pin(async move { Some(Arc::new(snapshot)) })
    }
    fn set(&self, agent: AgentId, presence: Presence) -> Later<'_, Set> {
        self.note(format!("did {agent} {presence:?}"));
        Box::pin(async move { Set::Done(AgentNow { agent, state: AgentState::Idle, on_break: None }) })
    }
}
impl Office for City {
    fn status(&self) -> Later<'_, Option<String>> {
        Box::pin(async { Some("{}".to_owned()) })
    }
    fn order(&self, order: Order, _: Lang) -> Later<'_, Ordered> {
        self.note(format!("did {}", serde_json::to_string(&order).unwrap()));
        Box::pin(async { Ordered::Done("{\"said\":\"done\"}".to_owned()) })
    }
}
impl Board for City {
    fn metrics(&self) -> String {
        "toritsugi_calls 3\n".to_owned()
    }
    fn health(&self) -> Health {
        Health { ok: true, text: "well".to_owned() }
    }
    fn live(&self) -> Health {
        self.health()
    }
    fn ready(&self) -> Health {
        self.health()
    }
    fn now(&self) -> Arc<BoardNow> {
        Arc::default()
    }
    fn floor(&self) -> Arc<Floor> {
        Arc::default()
    }
}
/// A token is its bearer's name.
impl Keys for City {
    fn bearer(&self, token: &[u8]) -> Option<Bearer> {
        let name = std::str::from_utf8(token).ok()?;
        let role = match name {
            "api.token" => Role::Root,
            "vera" => Role::Viewer,
            "ken" => Role::Agent(AgentId::from("ken")),
            "mori" => Role::Supervisor,
            "ono" => Role::Operator,
            "aoki" => Role::Auditor,
            _ => return None,
        };
        Some(Bearer { name: name.to_owned(), role })
    }
}
impl Ledger for City {
    fn write(&self, line: Line) -> Later<'_, Option<u64>> {
        let full = self.full.load(Ordering::Relaxed);
        if !full {
            self.note(format!("wrote {line:?}"));
        }
        Box::pin(async move { (!full).then_some(7) })
    }
    fn read(&self, span: Span) -> Later<'_, Result<String, Unread>> {
        Box::pin(async move {
            match (span.from.as_deref(), span.to.as_deref()) {
                (Some("yesterday"), _) => Err(Unread::Span),
                (from, to) => Ok(format!("{from:?} {to:?}")),
            }
        })
    }
}

async fn opened() -> (SocketAddr, Arc<City>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, city) = (listener.local_addr().unwrap(), Arc::new(City::default()));
    let api = Api::new(city.clone(), city.clone(), city.clone(), city.clone());
    let house = House { board: city.clone(), api: Some(api), hosts: Hosts::new(["desk.example.jp".to_owned()]) };
    tokio::spawn(web::serve(listener, house, std::future::pending()));
    (at, city)
}

/// Status and body of a request with this token.
async fn asks(at: SocketAddr, token: &str, method: &str, path: &str, more: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
    );
    sends(at, text.as_bytes()).await
}

async fn sends(at: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, answer)
}

const ROLES: [&str; 5] = ["vera", "ken", "mori", "ono", "aoki"];
const NOTICE: &str = r#"{"order":"notice","slot":"city","texts":[["ja","x"]],"until":"2h"}"#;
const SCHEDULE: &str = r#"{"order":"schedule","schedule":"centre","hours":"closed","until":"2h"}"#;
const SKILL: &str = r#"{"order":"skill","agent":"yuki","skill":"nurse","level":3,"until":"2h"}"#;
const END: &str = r#"{"order":"end","what":"notice city"}"#;
const ROLLBACK: &str = r#"{"order":"rollback","number":1}"#;

/// Each door, and who gets through: viewer, agent (ken), supervisor, operator, auditor, in this order. Written once more, by hand, so that a change
/// of the table in `roles.rs` or `routes.rs` is a change of two places that somebody meant.
const DOORS: [(&str, &str, &str, [bool; 5]); 15] = [
    ("GET", "agents", "", [true, true, true, true, false]),
    ("GET", "queues", "", [true, true, true, true, false]),
    ("GET", "breaks", "", [true, true, true, true, false]),
    ("GET", "status", "", [true, false, true, true, false]),
    ("GET", "board", "", [true, false, true, true, false]),
    ("GET", "audit", "", [false, false, false, false, true]),
    ("GET", "openapi.json", "", [true, true, true, true, true]),
    ("POST", "agents/ken/ready", "", [false, true, true, false, false]),
    ("POST", "agents/ken/break", "{\"reason\":\"lunch\"}", [false, true, true, false, false]),
    ("POST", "agents/yuki/break", "", [false, false, true, false, false]),
    ("POST", "orders", NOTICE, [false, false, true, false, false]),
    ("POST", "orders", SCHEDULE, [false, false, true, false, false]),
    ("POST", "orders", SKILL, [false, false, true, false, false]),
    ("POST", "orders", END, [false, false, true, false, false]),
    ("POST", "orders", ROLLBACK, [false, false, false, true, false]),
];

#[tokio::test]
async fn each_role_gets_through_its_own_doors_and_through_no_other() {
    let (at, city) = opened().await;
    for (method, path, body, admitted) in DOORS {
        let path = format!("/api/{path}");
        for (role, admitted) in ROLES.into_iter().zip(admitted).chain([("api.token", true)]) {
            let (status, answer) = asks(at, role, method, &path, "", body).await;
            assert_eq!(status, if admitted { 200 } else { 403 }, "{role} {method} {path} {body}: {answer}");
            let done = city.done();
            assert_eq!(done.len(), usize::from(admitted && method == "POST"), "{role} {method} {path}: {done:?}");
        }
        for nobody in ["", "eve", "vera2", "ver"] {
            let (status, _) = asks(at, nobody, method, &path, "", body).await;
            assert_eq!((status, city.done().len()), (if path.ends_with("openapi.json") { 200 } else { 401 }, 0), "{nobody} {path}");
        }
    }
}

#[tokio::test]
async fn every_route_of_the_document_is_one_of_the_doors_above() {
    let document: serde_json::Value = serde_json::from_str(&web::openapi()).unwrap();
    let mut told = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/").unwrap().replace("{agent}", "ken");
        told.extend(operations.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    let doors: std::collections::BTreeSet<_> = DOORS.iter().map(|(method, path, ..)| (*method, *path)).collect();
    let doors: Vec<_> = doors.into_iter().filter(|(_, path)| !path.contains("yuki")).map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
    told.sort();
    assert_eq!(told, doors, "a door that nobody tries is not proved: give it its row");
}

#[tokio::test]
async fn a_refusal_names_the_role_that_it_takes_in_the_language_of_who_asks() {
    let (at, _) = opened().await;
    let (_, answer) = asks(at, "vera", "POST", "/api/orders", "", END).await;
    assert!(
        answer.ends_with("This takes the role supervisor or operator; the token vera has the role viewer. Nothing was changed.\n"),
        "{answer}"
    );
    let (_, answer) = asks(at, "ono", "POST", "/api/orders", "Accept-Language: ja\r\n", END).await;
    assert!(answer.contains("役割 supervisor が必要です。トークン ono の役割は operator です。"), "{answer}");
    let (_, answer) = asks(at, "ken", "POST", "/api/agents/yuki/ready", "", "").await;
    assert!(answer.contains("the presence of ken and of nobody else"), "{answer}");
    for (token, path, ja) in [
        ("eve", "agents", "有効なトークンが必要です"),
        ("vera", "nothing", "ここには何もありません"),
        ("aoki", "audit?from=yesterday", "日付"),
    ] {
        let (_, answer) = asks(at, token, "GET", &format!("/api/{path}"), "Accept-Language: ja-JP,ja;q=0.9\r\n", "").await;
        assert!(answer.contains(ja), "{answer}");
    }
    let (_, answer) = asks(at, "aoki", "GET", "/api/nothing", "", "").await;
    assert!(answer.ends_with("There is nothing here. Try GET /api/audit, GET /api/openapi.json.\n"), "only what the role may: {answer}");
}

#[tokio::test]
async fn an_agent_sees_oneself_and_a_viewer_everybody() {
    let (at, _) = opened().await;
    let (_, seen) = asks(at, "ken", "GET", "/api/agents", "", "").await;
    assert!(seen.ends_with("\r\n\r\n[{\"agent\":\"ken\",\"state\":\"idle\"}]\n"), "{seen}");
    let (_, seen) = asks(at, "vera", "GET", "/api/agents", "", "").await;
    assert!(seen.contains("ken") && seen.contains("yuki"), "{seen}");
}

#[tokio::test]
async fn nobody_signs_as_somebody_else() {
    let (at, city) = opened().await;
    for order in [NOTICE, SCHEDULE, SKILL, END] {
        let forged = order.replacen('{', "{\"by\":\"boss\",", 1);
        asks(at, "mori", "POST", "/api/orders", "", &forged).await;
        let noted = city.taken();
        assert!(noted[1].starts_with("did ") && noted[1].contains("\"by\":\"mori\""), "{noted:?}");
        assert!(!noted.iter().any(|noted| noted.contains("boss")), "{noted:?}");
    }
    let forged = ROLLBACK.replacen('{', "{\"by\":\"boss\",", 1);
    asks(at, "ono", "POST", "/api/orders", "", &forged).await;
    assert!(city.done()[0].contains("\"by\":\"ono\""));
    // The commands of this machine name their user.
    asks(at, "api.token", "POST", "/api/orders", "", &forged).await;
    assert!(city.done()[0].contains("\"by\":\"boss\""));
}

#[tokio::test]
async fn what_is_done_is_written_down_before_and_after() {
    let (at, city) = opened().await;
    asks(at, "mori", "POST", "/api/agents/yuki/break", "", "{\"reason\":\"lunch\"}").await;
    let noted = city.taken();
    let [asked, did, became] = &noted[..] else { panic!("{noted:?}") };
    assert!(
        asked.starts_with("wrote Asked { by: \"mori\", role: \"supervisor\", from: 127.0.0.1, did: \"POST /api/agents/{agent}/break\""),
        "{asked}"
    );
    assert!(asked.contains("lunch") && asked.contains("yuki"), "{asked}");
    assert_eq!(did, "did yuki Break(Some(\"lunch\"))");
    assert_eq!(became, "wrote Became { of: 7, outcome: 200 }");
    asks(at, "vera", "GET", "/api/agents", "", "").await;
    asks(at, "mori", "POST", "/api/orders", "", "{}").await;
    assert!(city.taken().is_empty(), "who looks, or says nothing that can be read, changes nothing");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let (at, city) = opened().await;
    city.full.store(true, Ordering::Relaxed);
    for (method, path, body, _) in DOORS.iter().filter(|(method, ..)| *method == "POST") {
        let (status, answer) = asks(at, "api.token", method, &format!("/api/{path}"), "", body).await;
        assert!(status == 503 && answer.contains("So nothing was changed."), "{answer}");
    }
    assert!(city.taken().is_empty());
    assert_eq!(asks(at, "vera", "GET", "/api/agents", "", "").await.0, 200, "looking needs no record");
}

#[tokio::test]
async fn a_stranger_who_knocks_a_thousand_times_is_one_line() {
    let (at, city) = opened().await;
    for n in 0..300 {
        assert_eq!(asks(at, "eve", "GET", &format!("/api/agents?{n}"), "", "").await.0, 401);
        assert_eq!(asks(at, "eve", "POST", &format!("/api/x{n}"), "", "").await.0, 401);
        assert_eq!(asks(at, "vera", "POST", "/api/agents/ken/ready", "", "").await.0, 403);
    }
    let mut noted = city.taken();
    noted.sort();
    let line = "wrote Refused { by: None, from: Some(127.0.0.1), did: \"GET /api/agents\", outcome: 401, times: 1 }";
    assert_eq!(noted[0], line);
    assert!(noted.len() == 2 && noted[1].contains("by: Some(\"vera\")") && noted[1].contains("outcome: 403"), "{noted:?}");
}

#[tokio::test]
async fn a_program_that_runs_wild_is_told_to_wait_and_the_machine_itself_is_not() {
    let (at, city) = opened().await;
    for n in 0..130 {
        let (status, answer) = asks(at, "ken", "POST", "/api/agents/ken/ready", "", "").await;
        assert_eq!(status, if n < 120 { 200 } else { 429 }, "{n}");
        assert_eq!(status == 429, answer.to_lowercase().contains("\r\nretry-after: 60\r\n"), "{answer}");
        assert_eq!(asks(at, "api.token", "POST", "/api/agents/ken/ready", "", "").await.0, 200);
    }
    assert_eq!(city.done().len(), 120 + 130);
}

#[tokio::test]
async fn a_page_whose_name_was_turned_on_this_machine_reads_nothing_at_all() {
    let (at, city) = opened().await;
    let ask = async |host: &str, method: &str, path: &str| {
        let text = format!("{method} {path} HTTP/1.1\r\n{host}Authorization: Bearer api.token\r\nContent-Length: 0\r\n\r\n");
        sends(at, text.as_bytes()).await.0
    };
    for path in ["/metrics", "/healthz", "/livez", "/readyz", "/board", "/api/agents", "/api/openapi.json", "/nothing", "/"] {
        for evil in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "localhost, evil.example"] {
            assert_eq!(ask(&format!("Host: {evil}\r\n"), "GET", path).await, 421, "{evil} {path}");
        }
        assert_eq!(ask("Host: localhost\r\n", "GET", &format!("http://evil.example{path}")).await, 421, "{path}");
        for ours in ["Host: localhost:8080\r\n", "Host: 127.0.0.1:8080\r\n", "Host: [::1]\r\n", "Host: desk.example.jp\r\n", ""] {
            assert_ne!(ask(ours, "GET", path).await, 421, "{ours} {path}");
        }
    }
    let both = "Host: evil.example\r\nOrigin: http://evil.example\r\n";
    assert_eq!(ask(both, "POST", "/api/agents/ken/ready").await, 421);
    assert!(city.taken().is_empty());
}

#[tokio::test]
async fn the_auditor_asks_for_a_span() {
    let (at, _) = opened().await;
    let (status, answer) = asks(at, "aoki", "GET", "/api/audit?from=2026-11-26&to=2026%2D11%2D27&x=1", "", "").await;
    assert!(status == 200 && answer.ends_with("Some(\"2026-11-26\") Some(\"2026-11-27\")\n"), "{answer}");
    assert_eq!(asks(at, "aoki", "GET", "/api/audit?from=yesterday", "", "").await.0, 400);
    assert_eq!(asks(at, "aoki", "GET", "/api/audit?fromage=yesterday", "", "").await.0, 200);
}

#[tokio::test]
async fn a_name_in_a_path_is_one_part_whatever_stands_in_it() {
    let (at, city) = opened().await;
    for (path, status) in [("a%2Fb", 200), ("%E3%82%86%E3%81%8D", 200), ("%FF", 404), ("%", 404), ("%4", 404), ("%zz", 404), ("", 404)] {
        assert_eq!(asks(at, "mori", "POST", &format!("/api/agents/{path}/ready"), "", "").await.0, status, "{path}");
    }
    assert_eq!(city.done(), ["did a/b Ready", "did ゆき Ready"]);
}

/// Requests near the doors and far from them.
fn requests() -> impl Strategy<Value = (String, String, String, String)> {
    let token = prop_oneof![
        4 => prop::sample::select(ROLES.to_vec()).prop_map(str::to_owned),
        1 => "[ -~]{0,40}",
    ];
    let method = prop_oneof![
        4 => prop::sample::select(vec!["GET", "POST"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "post"]).prop_map(str::to_owned),
        1 => "[A-Z]{1,9}",
    ];
    let part = prop_oneof![
        6 => prop::sample::select(vec!["agents", "ken", "yuki", "ready", "break", "orders", "status", "audit", "queues", "openapi.json"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["..", ".", "", "%2e%2e", "%2F", "%00", "%FF", "ken%20", "KEN", "{agent}"]).prop_map(str::to_owned),
        1 => "[a-z0-9%.~!$&'()*+,;=:@_-]{0,12}",
    ];
    let door = prop::sample::select(DOORS.to_vec()).prop_map(|(_, path, ..)| path.to_owned());
    let path = prop_oneof![2 => door, 2 => prop::collection::vec(part, 0..5).prop_map(|parts| parts.join("/"))];
    let body = prop_oneof![
        2 => prop::sample::select(DOORS.to_vec()).prop_map(|(_, _, body, _)| body.to_owned()),
        1 => prop::sample::select(vec!["{}", "[]", "null", "{\"reason\":1}", "{\"order\":\"drain\"}", "{\"order\":\"reload\"}"]).prop_map(str::to_owned),
        1 => ".{0,60}",
    ];
    // One in five is a door as it is: what comes through shows that the others could.
    let door =
        prop::sample::select(DOORS.to_vec()).prop_map(|(method, path, body, _)| (method.to_owned(), path.to_owned(), body.to_owned()));
    prop_oneof![
        1 => (prop::sample::select(ROLES.to_vec()), door).prop_map(|(role, (method, path, body))| (role.to_owned(), method, path, body)),
        4 => (token, method, path, body),
    ]
}

#[test]
fn a_request_that_is_none_of_the_doors_changes_nothing_and_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (at, city) = runtime.block_on(opened());
    let changed = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let held = runner.run(&requests(), |(token, method, path, body)| {
        let (status, answer) = runtime.block_on(asks(at, &token, &method, &format!("/api/{path}"), "", &body));
        let done = city.done();
        let role = ROLES.iter().position(|role| *role == token.trim());
        let admitted = |door: &(&str, &str, &str, [bool; 5])| door.0 == method && role.is_some_and(|role| door.3[role]);
        // Every agent's seat is like yuki's, but for the agent's own.
        let seat = match path.split('/').collect::<Vec<_>>()[..] {
            ["agents", agent, "ready" | "break"] if !agent.is_empty() => Some(if agent == "ken" { "ken" } else { "yuki" }),
            _ => None,
        };
        let leads_here = |door: &str| door == path || seat.is_some_and(|seat| door.starts_with(&format!("agents/{seat}/")));
        let door = DOORS.iter().filter(|door| admitted(door)).find(|door| door.0 == "POST" && leads_here(door.1));
        prop_assert!(done.is_empty() || door.is_some(), "{token:?} {method} {path} {body}: {done:?}");
        let looks = ["GET", "HEAD"].contains(&method.as_str());
        let shows = looks
            && (path == "openapi.json"
                || DOORS.iter().any(|door| door.0 == "GET" && door.1 == path && role.is_some_and(|role| door.3[role])));
        // What hyper itself refuses has no door either.
        prop_assert!(shows || !done.is_empty() || (400..500).contains(&status), "{token:?} {method} {path} {body}: {answer}");
        prop_assert!(done.is_empty() || status == 200 || status == 429, "{answer}");
        changed.set(changed.get() + done.len());
        Ok(())
    });
    held.unwrap();
    let changed = changed.get();
    assert!(changed > 50, "only {changed} requests came through a door: the others prove little");
}
