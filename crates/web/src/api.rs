//! Everything under `/api/`: who asks is found out, judged by the table of routes, and whoever changes something is written down first.
//!
//! Every request but the one for the document carries a token (`Authorization: Bearer ..`, RFC 6750 section 2.1); nothing is done by cookie, so that
//! a page in somebody's browser can forge nothing, and a page of another origin (RFC 6454) is turned away even with a token.

use crate::change::Change;
use crate::gate::Pass;
use crate::ledger::{Ledger, Line, Refusals};
use crate::office::Office;
use crate::pace::Pace;
use crate::roles::{Bearer, Keys, Role};
use crate::routes::{Deed, ROUTES, Route};
use crate::words::{self, Said};
use crate::{Board, House, plain};
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{ACCEPT_LANGUAGE, ALLOW, AUTHORIZATION, HOST, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::Response;
use model::{AgentId, AgentNow, BreakReason, Lang, Snapshot};
use serde::Serialize;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// What comes a moment later, from the thread that owns it.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The desk behind the routes. The roof fills it; what it does not answer in the client's time is cut off with the connection.
pub trait Desk: Send + Sync + 'static {
    /// Everything as it stands; `None` when the engine is gone.
    fn look(&self) -> Later<'_, Option<Arc<Snapshot>>>;
    /// Does what the agent's star code does.
    fn set(&self, agent: AgentId, presence: Presence) -> Later<'_, Set>;
}

/// What an agent can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// As `*1`.
    Ready,
    /// As `*2`, or as `*2` with the code of a reason.
    Break(Option<BreakReason>),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// The agent, as it stands afterwards.
    Done(AgentNow),
    /// There is no such agent.
    Unknown,
    /// No such reason is declared; these are. Nothing has changed.
    UnknownReason(Vec<BreakReason>),
    /// No phone is registered: whatever is wished, the agent begins ready when one is. Nothing has changed.
    NoPhone,
    /// The engine is gone.
    Gone,
}

/// What the routes under `/api` need.
#[derive(Clone)]
pub struct Api {
    pub(crate) desk: Arc<dyn Desk>,
    pub(crate) office: Arc<dyn Office>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) ledger: Arc<dyn Ledger>,
    refusals: Refusals,
    pace: Pace,
}

impl Api {
    /// `desk` answers; `office` keeps the city's versions and what is set by hand; `keys` know who may ask; `ledger` keeps who did what.
    pub fn new(desk: Arc<dyn Desk>, office: Arc<dyn Office>, keys: Arc<dyn Keys>, ledger: Arc<dyn Ledger>) -> Api {
        Api { desk, office, keys, ledger, refusals: Refusals::default(), pace: Pace::default() }
    }

    /// Whoever sends a token that is good; `None`: none, or one that is not.
    pub(crate) fn bearer(&self, headers: &HeaderMap) -> Option<Bearer> {
        token(headers).and_then(|token| self.keys.bearer(token))
    }
}

/// A request that was let in.
pub(crate) struct Asked {
    pub(crate) api: Api,
    pub(crate) board: Arc<dyn Board>,
    pub(crate) bearer: Bearer,
    pub(crate) lang: Lang,
    /// What stands in the variable parts of the route's path, in order.
    pub(crate) parts: Vec<String>,
    pub(crate) body: Vec<u8>,
    query: String,
}

impl Asked {
    /// What stands behind `?name=`, the first time.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value).unwrap_or_else(|| value.to_owned()))
    }
}

/// Everything under `/api/`.
pub(crate) async fn answer(
    State(house): State<House>,
    ConnectInfo(pass): ConnectInfo<Pass>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(api) = &house.api else { return crate::nothing().await };
    let (lang, from) = (language(&headers), pass.from());
    if is_foreign(&headers) {
        return refuse(StatusCode::FORBIDDEN, &words::foreign(), &lang);
    }
    let method = if method == Method::HEAD { Method::GET } else { method };
    let parts: Option<Vec<String>> = uri.path().strip_prefix("/api/").unwrap_or_default().split('/').map(decoded).collect();
    let found: Vec<(&Route, Vec<String>)> =
        parts.map(|parts| ROUTES.iter().filter_map(|route| Some((route, route.matches(&parts)?))).collect()).unwrap_or_default();
    let route = found.iter().find(|(route, _)| route.method() == method.as_str());
    let did = || route.map_or_else(|| "elsewhere under /api".to_owned(), |(route, _)| route.name());
    let bearer = match route {
        Some((open, _)) if open.rights.is_empty() => Bearer { name: String::new(), role: Role::Viewer },
        _ => match api.bearer(&headers) {
            Some(bearer) => bearer,
            None => {
                api.refusals.note(&api.ledger, None, from, did(), StatusCode::UNAUTHORIZED.as_u16());
                let refusal = refuse(StatusCode::UNAUTHORIZED, &words::no_token(), &lang);
                return with(refusal, WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"toritsugi\""));
            }
        },
    };
    let Some((route, parts)) = route else {
        return match found.first() {
            Some((other, _)) => {
                let allowed = other.method();
                with(refuse(StatusCode::METHOD_NOT_ALLOWED, &words::only(allowed), &lang), ALLOW, HeaderValue::from_static(allowed))
            }
            None => refuse(StatusCode::NOT_FOUND, &words::nothing_here(&offered(&bearer.role)), &lang),
        };
    };
    let forbidden = |why: &Said| {
        api.refusals.note(&api.ledger, Some(&bearer.name), from, did(), StatusCode::FORBIDDEN.as_u16());
        refuse(StatusCode::FORBIDDEN, why, &lang)
    };
    if !route.rights.is_empty() && !route.rights.iter().any(|right| bearer.role.may(*right)) {
        return forbidden(&words::not_yours(&bearer, route.rights));
    }
    let query = uri.query().unwrap_or_default().to_owned();
    let mut asked = Asked {
        api: api.clone(),
        board: Arc::clone(&house.board),
        bearer: bearer.clone(),
        lang: lang.clone(),
        parts: parts.clone(),
        body: Vec::new(),
        query,
    };
    match &route.deed {
        Deed::Show(show) => show(&asked).await,
        Deed::Change { bytes_max, read, .. } => {
            let Ok(body) = axum::body::to_bytes(body, *bytes_max).await else {
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, &words::too_large(*bytes_max), &lang);
            };
            pass.is_served(true);
            asked.body = body.to_vec();
            let change = match read(&asked) {
                Ok(change) => change.signed(&bearer),
                Err(why) => return refuse(StatusCode::BAD_REQUEST, &why, &lang),
            };
            if let Some(why) = change.forbidden(&bearer) {
                return forbidden(&why);
            }
            // Whoever has the root token may write into the state folder anyway.
            if bearer.role != Role::Root && !api.pace.allows(Instant::now(), &bearer.name) {
                api.refusals.note(&api.ledger, Some(&bearer.name), from, did(), StatusCode::TOO_MANY_REQUESTS.as_u16());
                let refusal = refuse(StatusCode::TOO_MANY_REQUESTS, &words::too_many(), &lang);
                return with(refusal, RETRY_AFTER, HeaderValue::from_static("60"));
            }
            // What cannot be kept over a restart must not be promised.
            if !house.board.health().ok {
                return refuse(StatusCode::SERVICE_UNAVAILABLE, &words::not_durable(), &lang);
            }
            // A client that hangs up leaves neither half a change nor half an entry behind.
            let done = tokio::spawn(write_and_do(change, asked, from, route.name()));
            done.await.unwrap_or_else(|_| refuse(StatusCode::INTERNAL_SERVER_ERROR, &words::gone(), &lang))
        }
    }
}

/// Law 5 at this door: written down, done, and written down what became of it.
async fn write_and_do(change: Change, asked: Asked, from: IpAddr, did: String) -> Response {
    let Asked { api, bearer, lang, .. } = asked;
    let line = Line::Asked { by: bearer.name, role: bearer.role.name(), from, did, what: change.told() };
    let Some(of) = api.ledger.write(line).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &words::not_recorded(), &lang);
    };
    let response = change.carry_out(&api, &lang).await;
    let outcome = response.status().as_u16();
    if api.ledger.write(Line::Became { of, outcome }).await.is_none() {
        tracing::error!(of, outcome, "what became of a change could not be written down");
    }
    response
}

/// What a role may ask, for whoever asked for something else.
fn offered(role: &Role) -> String {
    let may = |route: &&Route| route.rights.is_empty() || route.rights.iter().any(|right| role.may(*right));
    ROUTES.iter().filter(may).map(Route::name).collect::<Vec<_>>().join(", ")
}

/// The token that was sent; the scheme's case does not count (RFC 9110 section 11.1).
fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The first language that somebody names who asks (RFC 9110 section 12.5.4); English where none is.
pub(crate) fn language(headers: &HeaderMap) -> Lang {
    let named = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = named.split([',', ';']).next().unwrap_or_default().trim();
    Lang::from(if first.is_empty() { "en" } else { first })
}

/// A part of a path or query in clear (RFC 3986 section 2.1); `None`: it is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |b: u8| char::from(b).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a page of somewhere else speaks: browsers name the page's origin, and only ours would name this very host. Where they read nothing but
/// fetch all the same (a picture, a script), they say at least whose page it is (W3C Fetch Metadata, `Sec-Fetch-Site`).
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let ours = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let page = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        page.is_some() && page == host
    };
    !headers.get_all(ORIGIN).iter().all(ours)
}

pub(crate) fn shown<T: Serialize + ?Sized>(value: Option<&T>, lang: &Lang) -> Response {
    value.map_or_else(|| gone(lang), |value| shown_as(StatusCode::OK, value, lang))
}
pub(crate) fn shown_as<T: Serialize + ?Sized>(status: StatusCode, value: &T, lang: &Lang) -> Response {
    match serde_json::to_string(value) {
        Ok(json) => plain(status, "application/json", json + "\n"),
        Err(fault) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &words::not_written(&fault), lang),
    }
}
pub(crate) fn gone(lang: &Lang) -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, &words::gone(), lang)
}
pub(crate) fn refuse(status: StatusCode, said: &Said, lang: &Lang) -> Response {
    plain(status, "text/plain; charset=utf-8", format!("{}\n", said.of(lang)))
}
fn with(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}
