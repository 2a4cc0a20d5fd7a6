//! The engine's HTTP face: what a monitoring system reads, and the agents' desk for programs that carry a token.
//!
//! `GET /metrics` is the Prometheus text exposition format 0.0.4. `GET /healthz` (what should somebody know?), `/livez` (must the process be
//! started again?) and `/readyz` (can a call be taken?) are 200 or 503 with plain sentences. `GET /board` is a page for a wall, fed by
//! `/board/events`. All of these are open, and name nobody. Under
//! `/api/`, with a token only, stands what the table of `routes.rs` holds; [`openapi`] tells it to programs. Everything else is a plain 404.
//! HTTP/1.1 (RFC 9110, RFC 9112). What is shown comes from a [`Board`] and a [`Desk`], plain traits that the roof plugs in; who may ask from
//! [`Keys`], and who did what goes to a [`Ledger`].
//!
//! A client gets so much time and so many bytes ([`Limits`]): a slow or greedy one is cut off, and a crowd waits outside.
//!
//! Deliberately absent: TLS (the address is loopback or behind the city's own proxy), cookies, and pages on which anything can be done.

mod api;
mod board;
mod change;
mod gate;
mod host;
mod ledger;
mod office;
mod openapi;
mod pace;
mod roles;
mod routes;
mod shapes;
mod words;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use board::Gallery;
use gate::{Gate, Pass};
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use api::{Api, Desk, Later, Presence, Set};
pub use board::{
    AgentRow, Alarm, BoardNow, CallsNow, Floor, LineRow, QueueRow, QueueState, STALE_MS, ScheduleRow, Severity, TrunkRow, Watching,
};
pub use gate::Limits;
pub use host::Hosts;
pub use ledger::{Ledger, Line, Span, Unread};
pub use office::{Office, Order, Ordered, ROOT};
pub use openapi::document as openapi;
pub use roles::{Bearer, Keys, Right, Role};

/// What is shown. All are called for each request, on a thread that others wait for: milliseconds, no disk.
pub trait Board: Send + Sync + 'static {
    /// All figures, in the text exposition format.
    fn metrics(&self) -> String;
    /// Whether callers are served, and what somebody should know.
    fn health(&self) -> Health;
    /// Whether the engine behind the board still answers; if not, only a restart helps.
    fn live(&self) -> Health;
    /// Whether a call can be taken at this moment, with the reason of each doubt.
    fn ready(&self) -> Health;
    /// How everything stands, without names: for everybody. Called once a second for each watcher, and not at all while nobody watches.
    fn now(&self) -> Arc<BoardNow>;
    /// The same with the agents by name, for whoever has the token.
    fn floor(&self) -> Arc<Floor>;
}

/// Whether callers are served, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether all is well.
    pub ok: bool,
    /// Plain sentences.
    pub text: String,
}

/// What the routes show and do.
#[derive(Clone)]
pub struct House {
    /// The figures, for everybody.
    pub board: Arc<dyn Board>,
    /// The agents' desk, for whoever has the token; `None`: there is nothing under `/api/`.
    pub api: Option<Api>,
    /// The names by which it may be asked, where the listener is on loopback.
    pub hosts: Hosts,
}

/// Serves the house on `listener` until `stop`; requests that have begun are answered first.
///
/// # Errors
/// When the listener is no more.
pub async fn serve(listener: TcpListener, house: House, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    serve_within(Limits::default(), Watching::default(), listener, house, stop).await
}

/// As [`serve`], with limits of one's own.
///
/// # Errors
/// When the listener is no more.
pub async fn serve_within(
    limits: Limits,
    watching: Watching,
    listener: TcpListener,
    house: House,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (clear, over) = watch::channel(false);
    // Who watches does not keep the service from its end.
    let stop = async move {
        stop.await;
        let _ = clear.send(true);
    };
    let hosts = house.hosts.clone();
    let loopback = listener.local_addr()?.ip().is_loopback();
    let state = Rooms { house, gallery: Gallery::new(watching, over) };
    let mut routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|State(house): State<House>| async move { said(house.board.health()) }))
        .route("/livez", get(|State(house): State<House>| async move { said(house.board.live()) }))
        .route("/readyz", get(|State(house): State<House>| async move { said(house.board.ready()) }))
        .route("/board", get(board::page))
        .route("/board/events", get(board::events))
        .route("/api/{*path}", any(api::answer))
        .method_not_allowed_fallback(nothing)
        .fallback(nothing)
        .with_state(state);
    if loopback {
        routes = routes.layer(axum::middleware::from_fn_with_state(hosts, host::ours));
    }
    let routes = routes.layer(axum::middleware::from_fn(gate::serve));
    let routes = routes.into_make_service_with_connect_info::<Pass>();
    axum::serve(Gate::new(limits, listener), routes).with_graceful_shutdown(stop).await
}

/// What the routes need.
#[derive(Clone)]
struct Rooms {
    house: House,
    gallery: Gallery,
}
impl FromRef<Rooms> for House {
    fn from_ref(rooms: &Rooms) -> House {
        rooms.house.clone()
    }
}
impl FromRef<Rooms> for Gallery {
    fn from_ref(rooms: &Rooms) -> Gallery {
        rooms.gallery.clone()
    }
}

async fn metrics(State(house): State<House>) -> Response {
    plain(StatusCode::OK, "text/plain; version=0.0.4", house.board.metrics())
}

fn said(Health { ok, text }: Health) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, "text/plain; charset=utf-8", format!("{}\n", text.trim_end()))
}

async fn nothing() -> Response {
    plain(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "There is nothing here. Try /metrics, /healthz, /readyz or /board.\n".to_owned(),
    )
}

/// One answer per connection: each connection has one time and one size, and none lies idle.
fn plain(status: StatusCode, kind: &'static str, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    (status, headers, body).into_response()
}
