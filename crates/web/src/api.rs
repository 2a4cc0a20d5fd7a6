//! The agents' desk as other programs see it: who is there, who waits, and going on a break or coming back.
//!
//! Every request carries the engine's token (`Authorization: Bearer ..`, RFC 6750 section 2.1); nothing is done by cookie, so that a page
//! in somebody's browser can forge nothing, and a page of another origin (RFC 6454) is turned away even with the token.

use crate::{House, plain};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::Response;
use model::{AgentId, AgentNow, Snapshot};
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;

/// Bytes of a request's body. None is needed; a polite client's empty object is not an error.
const BODY_BYTES_MAX: usize = 1024;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// As `*1`.
    Ready,
    /// As `*2`.
    Break,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// The agent, as it stands afterwards.
    Done(AgentNow),
    /// There is no such agent.
    Unknown,
    /// The engine is gone.
    Gone,
}

/// What the routes under `/api` need.
#[derive(Clone)]
pub struct Api {
    /// Who answers.
    pub desk: Arc<dyn Desk>,
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
        ["agents", name, wish @ ("ready" | "break")] => {
            if method != Method::POST {
                return wrong_method("POST");
            }
            if axum::body::to_bytes(body, BODY_BYTES_MAX).await.is_err() {
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, "This needs no body, and takes none above 1 KiB.");
            }
            let presence = if *wish == "ready" { Presence::Ready } else { Presence::Break };
            match api.desk.set(AgentId::from(*name), presence).await {
                Set::Done(agent) => shown(Some(&agent)),
                Set::Unknown => {
                    refuse(StatusCode::NOT_FOUND, "There is no such agent. GET /api/agents lists them, config/agents.yaml makes them.")
                }
                Set::Gone => gone(),
            }
        }
        _ => {
            let text = "There is nothing here. Try GET /api/agents, GET /api/queues, POST /api/agents/NAME/ready or /break.";
            refuse(StatusCode::NOT_FOUND, text)
        }
    }
}

/// The token that was sent; the scheme's case does not count (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
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
    let Some(value) = value else { return gone() };
    match serde_json::to_string(value) {
        Ok(json) => plain(StatusCode::OK, "application/json", json + "\n"),
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
