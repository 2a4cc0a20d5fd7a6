//! The engine's HTTP face: what a monitoring system reads, and the agents' desk for programs that carry a token.
//!
//! `GET /metrics` is the Prometheus text exposition format 0.0.4. `GET /healthz` (what should somebody know?), `/livez` (must the process be
//! started again?) and `/readyz` (can a call be taken?) are 200 or 503 with plain sentences. All of these are open. Under
//! `/api/`, with a token only, stands what the table of `routes.rs` holds; [`openapi`] tells it to programs. Everything else is a plain 404.
//! HTTP/1.1 (RFC 9110, RFC 9112). What is shown comes from a [`Board`] and a [`Desk`], plain traits that the roof plugs in; who may ask from
//! [`Keys`], and who did what goes to a [`Ledger`].
//!
//! A client gets so much time and so many bytes ([`Limits`]): a slow or greedy one is cut off, and a crowd waits outside.
//!
//! Deliberately absent: TLS (the address is loopback or behind the city's own proxy), cookies, and pages for people; the wallboard comes
//! with its own routes, and then connections may live longer than one answer.

mod api;
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
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use gate::Gate;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

pub use api::{Api, Desk, Later, Presence, Set};
pub use gate::Limits;
pub use host::Hosts;
pub use ledger::{Ledger, Line, Span, Unread};
pub use office::{Office, Order, Ordered, ROOT};
pub use openapi::document as openapi;
pub use roles::{Bearer, Keys, Right, Role};

/// What is shown. Both are called for each request, on a thread that others wait for: milliseconds, no disk.
pub trait Board: Send + Sync + 'static {
    /// All figures, in the text exposition format.
    fn metrics(&self) -> String;
    /// Whether callers are served, and what somebody should know.
    fn health(&self) -> Health;
    /// Whether the engine behind the board still answers; if not, only a restart helps.
    fn live(&self) -> Health;
    /// Whether a call can be taken at this moment, with the reason of each doubt.
    fn ready(&self) -> Health;
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
    serve_within(Limits::default(), listener, house, stop).await
}

/// As [`serve`], with limits of one's own.
///
/// # Errors
/// When the listener is no more.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    house: House,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let hosts = house.hosts.clone();
    let loopback = listener.local_addr()?.ip().is_loopback();
    let mut routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|State(house): State<House>| async move { said(house.board.health()) }))
        .route("/livez", get(|State(house): State<House>| async move { said(house.board.live()) }))
        .route("/readyz", get(|State(house): State<House>| async move { said(house.board.ready()) }))
        .route("/api/{*path}", any(api::answer))
        .method_not_allowed_fallback(nothing)
        .fallback(nothing)
        .with_state(house);
    if loopback {
        routes = routes.layer(axum::middleware::from_fn_with_state(hosts, host::ours));
    }
    let routes = routes.into_make_service_with_connect_info::<host::Peer>();
    axum::serve(Gate::new(limits, listener), routes).with_graceful_shutdown(stop).await
}

async fn metrics(State(house): State<House>) -> Response {
    plain(StatusCode::OK, "text/plain; version=0.0.4", house.board.metrics())
}

fn said(Health { ok, text }: Health) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, "text/plain; charset=utf-8", format!("{}\n", text.trim_end()))
}

async fn nothing() -> Response {
    plain(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "There is nothing here. Try /metrics, /healthz or /readyz.\n".to_owned())
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
