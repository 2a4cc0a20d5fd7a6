//! The agents' desk as other programs see it: who is there, who waits, and going on a break or coming back.
//!
//! Every request carries the engine's token (`Authorization: Bearer ..`, RFC 6750 section 2.1); nothing is done by cookie, so that a page
//! in somebody's browser can forge nothing, and a page of another origin (RFC 6454) is turned away even with the token.

use crate::office::{Office, Order, Ordered};
use crate::{House, plain};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_LANGUAGE, ALLOW, AUTHORIZATION, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::Response;
use model::{AgentId, AgentNow, AgentState, BreakReason, Lang, Snapshot};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;

/// Bytes of a request's body. One is only needed to name the reason of a break; a polite client's empty object is not an error.
const BODY_BYTES_MAX: usize = 1024;
/// Bytes of an order: what a whole request may have, less its head.
const ORDER_BYTES_MAX: usize = 12 * 1024;
/// A token has at least so many signs: 32 of 32 kinds are 160 bits, beyond guessing.
const TOKEN_SIGNS_MIN: usize = 32;

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
    /// Who answers.
    pub desk: Arc<dyn Desk>,
    /// Who keeps the city's versions, and what is set by hand.
    pub office: Arc<dyn Office>,
    /// Who may ask.
    pub token: Token,
}

/// The secret of whoever may ask. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A token of at least 32 visible ASCII signs; `None`: too short, or no such signs.
    pub fn new(text: &str) -> Option<Token> {
        let fits = text.len() >= TOKEN_SIGNS_MIN && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Token(text.into()))
    }

    /// Whether it is the same, in a time that tells nothing but its length, which is no secret.
    fn is(&self, given: &[u8]) -> bool {
        let ours = self.0.as_bytes();
        ours.len() == given.len() && ours.iter().zip(given).fold(0u8, |differ, (a, b)| black_box(differ | (a ^ b))) == 0
    }
}
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Everything under `/api/`.
pub(crate) async fn answer(
    State(house): State<House>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(api) = &house.api else { return crate::nothing().await };
    if is_foreign(&headers) {
        return refuse(StatusCode::FORBIDDEN, "Pages of another origin may not use this. Ask from a program, without an Origin header.");
    }
    if !bearer(&headers).is_some_and(|given| api.token.is(given)) {
        let text = "This needs the engine's token: send Authorization: Bearer and what stands in api.token in the state folder.";
        return with(refuse(StatusCode::UNAUTHORIZED, text), WWW_AUTHENTICATE, "Bearer realm=\"toritsugi\"");
    }
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["agents"] => match method {
            Method::GET | Method::HEAD => shown(api.desk.look().await.as_deref().map(|snapshot| &snapshot.agents)),
            _ => wrong_method("GET"),
        },
        ["queues"] => match method {
            Method::GET | Method::HEAD => shown(api.desk.look().await.as_deref().map(|snapshot| &snapshot.queues)),
            _ => wrong_method("GET"),
        },
        ["breaks"] => match method {
            Method::GET | Method::HEAD => shown(api.desk.look().await.as_deref().map(|snapshot| &snapshot.breaks)),
            _ => wrong_method("GET"),
        },
        ["board"] => match method {
            Method::GET | Method::HEAD => shown(Some(house.board.floor().as_ref())),
            _ => wrong_method("GET"),
        },
        ["status"] => match method {
            Method::GET | Method::HEAD => match api.office.status().await {
                Some(json) => plain(StatusCode::OK, "application/json", json + "\n"),
                None => gone(),
            },
            _ => wrong_method("GET"),
        },
        ["orders"] => {
            if method != Method::POST {
                return wrong_method("POST");
            }
            let Ok(body) = axum::body::to_bytes(body, ORDER_BYTES_MAX).await else {
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, "An order has no body above 12 KiB.");
            };
            match serde_json::from_slice::<Order>(&body) {
                Ok(order) => match api.office.order(order, language(&headers)).await {
                    Ordered::Done(json) => plain(StatusCode::OK, "application/json", json + "\n"),
                    Ordered::Refused(why) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &why),
                    Ordered::Gone => gone(),
                },
                Err(fault) => {
                    let text = format!(
                        "This is no order ({fault}). One is {{\"order\":\"schedule\",\"schedule\":\"centre\",\"hours\":\"closed\",\"until\":\"17:00\",\"by\":\"mori\"}}."
                    );
                    refuse(StatusCode::BAD_REQUEST, &text)
                }
            }
        }
        ["agents", name, wish @ ("ready" | "break")] => {
            if method != Method::POST {
                return wrong_method("POST");
            }
            let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, "This takes no body above 1 KiB.");
            };
            let presence = match *wish {
                "break" => reason(&body).map(Presence::Break),
                _ => Some(Presence::Ready),
            };
            let Some(presence) = presence else {
                let text = "The body of a break is empty, or an object with its reason and nothing else: {\"reason\":\"lunch\"}.";
                return refuse(StatusCode::BAD_REQUEST, text);
            };
            told(api.desk.set(AgentId::from(*name), presence).await)
        }
        _ => {
            let text = "There is nothing here. Try GET /api/agents, /api/queues, /api/breaks or /api/status, POST /api/agents/NAME/ready or /break, POST /api/orders.";
            refuse(StatusCode::NOT_FOUND, text)
        }
    }
}

/// What is said to a wish.
fn told(set: Set) -> Response {
    match set {
        // The break of somebody whose phone is not back after a restart: it is as wished once the phone is (RFC 9110 section 15.3.3).
        Set::Done(agent) if agent.state == AgentState::SignedOut => shown_as(StatusCode::ACCEPTED, &agent),
        Set::Done(agent) => shown(Some(&agent)),
        Set::Unknown => refuse(StatusCode::NOT_FOUND, "There is no such agent. GET /api/agents lists them, config/agents.yaml makes them."),
        Set::UnknownReason(known) if known.is_empty() => {
            let text = "No reasons are declared, config/breaks.yaml makes them: ask for a break without one. Nothing was changed.";
            refuse(StatusCode::UNPROCESSABLE_ENTITY, text)
        }
        Set::UnknownReason(known) => {
            let known: Vec<&str> = known.iter().map(BreakReason::as_str).collect();
            let text = format!("There is no such reason. Known are: {}. Nothing was changed.", known.join(", "));
            refuse(StatusCode::UNPROCESSABLE_ENTITY, &text)
        }
        Set::NoPhone => {
            let text = "The agent has no phone registered, and will begin ready when one is. Nothing was changed.";
            refuse(StatusCode::CONFLICT, text)
        }
        Set::Gone => gone(),
    }
}

/// The reason in the body of a break, if there is one; `None` when the body is something else.
fn reason(body: &[u8]) -> Option<Option<BreakReason>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[serde(default)]
        reason: Option<BreakReason>,
    }
    match body.trim_ascii() {
        [] => Some(None),
        // The reader would take a list for an object, its values in order.
        object @ [b'{', ..] => serde_json::from_slice::<Wish>(object).ok().map(|wish| wish.reason),
        _ => None,
    }
}

/// The token that was sent; the scheme's case does not count (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The first language that somebody names who asks (RFC 9110 section 12.5.4); English where none is.
fn language(headers: &HeaderMap) -> Lang {
    let named = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = named.split([',', ';']).next().unwrap_or_default().trim();
    Lang::from(if first.is_empty() { "en" } else { first })
}

/// Whether a page of somewhere else speaks: browsers name the page's origin, and only ours would name this very host.
fn is_foreign(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let ours = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let page = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        page.is_some() && page == host
    };
    !headers.get_all(ORIGIN).iter().all(ours)
}

fn shown<T: Serialize + ?Sized>(value: Option<&T>) -> Response {
    value.map_or_else(gone, |value| shown_as(StatusCode::OK, value))
}
fn shown_as<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_string(value) {
        Ok(json) => plain(status, "application/json", json + "\n"),
        Err(fault) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("This could not be written: {fault}.")),
    }
}
fn gone() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "The engine is going down or gone.")
}
fn wrong_method(allowed: &'static str) -> Response {
    with(refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("Only {allowed} is answered here.")), ALLOW, allowed)
}
fn refuse(status: StatusCode, sentence: &str) -> Response {
    plain(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
}
fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_is_compared_whole_and_prints_as_nothing() {
        let token = Token::new(&"a".repeat(32)).unwrap();
        assert!(token.is(&[b'a'; 32]));
        for wrong in [&[b'a'; 31][..], &[b'a'; 33], &[b'b'; 32], b"", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
        assert_eq!((Token::new("short"), Token::new(&" ".repeat(40)), Token::new("")), (None, None, None));
    }
}
