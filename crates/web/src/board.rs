//! The board: how the engine stands at this moment, for a supervisor's wall and for a terminal at night.
//!
//! [`BoardNow`] is figures only: it names no agent, no caller and no number, and `GET /board/events` gives it to everybody as server-sent events
//! (WHATWG HTML, section 9.2), one a second. `GET /board` is the page that shows them. [`Floor`] is the same with the agents by name, for
//! whoever has the token.
//!
//! A watcher's connection lives longer than others, so there are few of them ([`Watching`]): each gives its place in the crowd back, has to
//! take each event in time, is let go after an hour (the browser comes again by itself), and ends at once when the service stops.

use crate::api::{is_foreign, language, refuse};
use crate::gate::Pass;
use crate::{House, plain, words};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::{AgentId, AgentState, BreakReason, Hours, LineId, QueueId, ScheduleId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// Older figures are no figures: the engine says something twice a second.
pub const STALE_MS: u64 = 5_000;

/// How the engine stands. Every `_ms` is in milliseconds; a moment is in milliseconds since 1970 (UTC).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardNow {
    /// When the figures were taken; 0 before the first.
    pub at_ms: i64,
    /// The same on the city's clock: `14:02:11`.
    pub at_local: String,
    /// How old they are. Above [`STALE_MS`] they are no news: the engine says nothing, and nobody may be shown them as they stand.
    pub age_ms: u64,
    /// Whether a call can be taken, as `/readyz` says.
    pub ready: bool,
    /// What is wrong, the worst first.
    pub alarms: Vec<Alarm>,
    /// The calls.
    pub calls: CallsNow,
    /// The queues, in the order of their names.
    pub queues: Vec<QueueRow>,
    /// How many agents are in each state; each state is there.
    pub agents_by_state: BTreeMap<AgentState, u64>,
    /// The lines that callers can be put through to: the wards' hotlines.
    pub lines: Vec<LineRow>,
    /// The ways to other houses.
    pub trunks: Vec<TrunkRow>,
    /// The city's opening hours.
    pub schedules: Vec<ScheduleRow>,
    /// How many things are set by hand until an hour: notices, hours, skills.
    pub set_by_hand: u64,
    /// The number of the city's version in force; `None` where it is not kept.
    pub city_version: Option<u64>,
}

/// What is wrong, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// How bad.
    pub severity: Severity,
    /// What it is about, as `/readyz` names it: `journal`, `trunk ntt`, `queue nurse`.
    pub about: String,
    /// The sentence in English.
    pub en: String,
    /// In Japanese.
    pub ja: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// No call can be taken as it should be.
    NotReady,
    /// Somebody should look; calls are taken all the same.
    Warning,
}

/// The calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsNow {
    /// In progress.
    pub in_progress: u64,
    /// Channels in use: callers on the line.
    pub channels_used: u64,
    /// Channels in all: whoever calls while all are used hears an engaged tone.
    pub channels: u64,
    /// Calls that came in the last minute.
    pub arrived_last_minute: u64,
    /// Calls that came in the last five minutes.
    pub arrived_last_5_minutes: u64,
    /// Since when the figures of today count: the city's midnight, or later if the engine was started since.
    pub today_since_ms: i64,
    /// The same on the city's clock: `00:00`.
    pub today_since_local: String,
    /// Calls that came today.
    pub arrived_today: u64,
    /// Calls that a person took today, callbacks included.
    pub answered_today: u64,
    /// Callers who gave up today before that. Whoever was led out by an announcement is in neither figure.
    pub given_up_today: u64,
    /// Callers who heard an engaged tone today, or were turned away in some other way.
    pub refused_today: u64,
    /// Callbacks that are promised.
    pub callbacks: u64,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// Its name in the files.
    pub queue: QueueId,
    /// What people call it.
    pub label: String,
    /// How it stands.
    pub state: QueueState,
    /// Callers who wait, ringing ones included.
    pub waiting: u64,
    /// How long the one has waited who waits longest.
    pub longest_wait_ms: u64,
    /// The wait that the queue promises at most ..
    pub promised_ms: u64,
    /// .. for this share of its callers.
    pub promised_percent: u8,
    /// Agents who serve it and are there.
    pub staffed: u64,
    /// Those of them who are idle.
    pub free: u64,
    /// Callers of today whose waiting is over: answered or not, without those who were led to another queue.
    pub offered_today: u64,
    /// Those who were answered.
    pub answered_today: u64,
    /// Those who hung up.
    pub abandoned_today: u64,
    /// Answered within the promise, of all of them, in percent; `None` before the first.
    pub service_level_today_percent: Option<u8>,
}

/// How a queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueState {
    /// Nobody waits longer than was promised, and somebody is there.
    Well,
    /// Somebody waits longer than was promised.
    Late,
    /// Nobody waits, and nobody is there.
    Nobody,
    /// Somebody waits, and nobody is there.
    Deserted,
}

/// One line out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRow {
    /// Its name in the files.
    pub line: LineId,
    /// Calls to it.
    pub used: u64,
    /// Calls that there may be.
    pub places: u64,
    /// Whether there are as many.
    pub full: bool,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkRow {
    /// Its name in the files.
    pub line: LineId,
    /// Calls over it.
    pub used: u64,
    /// Calls that there may be.
    pub channels: u64,
    /// Whether the carrier knows where we are; `None` where it need not be told.
    pub registered: Option<bool>,
    /// Whether it answers; `None` where nobody asks.
    pub reachable: Option<bool>,
    /// Whether it is in trouble.
    pub trouble: bool,
}

/// One schedule of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// Its name in the files.
    pub schedule: ScheduleId,
    /// What it answers.
    pub hours: Hours,
    /// Whether somebody set that by hand.
    pub by_hand: bool,
}

/// [`BoardNow`] with the agents by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The figures.
    #[serde(flatten)]
    pub board: BoardNow,
    /// The agents, in the order of their names.
    pub agents: Vec<AgentRow>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// The name in the files.
    pub agent: AgentId,
    /// What they are doing.
    pub state: AgentState,
    /// Since when; `None` where it began before this engine did.
    pub since_ms: Option<i64>,
    /// For how long, when the figures were taken.
    pub for_ms: Option<u64>,
    /// Why they are on a break, if they said so; of a break that begins later, too.
    pub reason: Option<BreakReason>,
    /// The queue of the caller whom they talk to, or whose call rings.
    pub queue: Option<QueueId>,
}

/// How long and how many may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// Watchers at once; the next one is told so.
    pub watchers: usize,
    /// Between two events.
    pub every: Duration,
    /// How long a watcher may take over one event.
    pub patience: Duration,
    /// How long one connection may watch.
    pub life: Duration,
}

impl Default for Watching {
    fn default() -> Self {
        let (every, patience) = (Duration::from_secs(1), Duration::from_secs(10));
        Watching { watchers: 8, every, patience, life: Duration::from_secs(3600) }
    }
}

/// The places of those who watch, and the word that it is over.
#[derive(Clone)]
pub(crate) struct Gallery {
    limits: Watching,
    room: Arc<Semaphore>,
    /// True once the service stops.
    over: watch::Receiver<bool>,
}

impl Gallery {
    /// A gallery that is cleared when `over` says true or is dropped.
    pub(crate) fn new(limits: Watching, over: watch::Receiver<bool>) -> Gallery {
        Gallery { limits, room: Arc::new(Semaphore::new(limits.watchers)), over }
    }
}

/// The page.
const PAGE: &str = include_str!("board/page.html");

/// What the page may do: run its own style and script, which are named by their hash (CSP level 3, section 6.7.2.2), and hear its own events. A test
/// holds the hashes to the page.
const POLICY: &str = "default-src 'none'; style-src 'sha256-rD6xAws4QQU/JQXMTTLtYzhUNqWXAlPHbUd1MqPl8G8='; script-src 'sha256-2Kzqz4pOs9fLdZo8RpjDPhRebs3AIccdk53zE61m6BI='; connect-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn page() -> Response {
    let response = plain(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned());
    let more = [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer")];
    more.into_iter().fold(response, |response, (name, value)| with(response, name, HeaderValue::from_static(value)))
}

/// One event a second, until the watcher goes, is too slow or has watched long enough, or the service stops.
pub(crate) async fn events(
    State(house): State<House>,
    State(gallery): State<Gallery>,
    ConnectInfo(pass): ConnectInfo<Pass>,
    headers: HeaderMap,
) -> Response {
    // A page of somewhere else must not take the places of those who watch.
    if is_foreign(&headers) {
        return refuse(StatusCode::FORBIDDEN, &words::foreign(), &language(&headers));
    }
    let Ok(place) = Arc::clone(&gallery.room).try_acquire_owned() else {
        let text = format!(
            "{} watch this board already, which is as many as may. Close one of them; this page tries again by itself.\n",
            gallery.limits.watchers
        );
        let full = plain(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text);
        return with(full, RETRY_AFTER, HeaderValue::from_static("10"));
    };
    pass.leave_crowd();
    let now = Instant::now();
    let watcher =
        Watcher { house, limits: gallery.limits, over: gallery.over, pass, next: now, until: now + gallery.limits.life, _place: place };
    let body = Body::from_stream(futures_util::stream::unfold(watcher, |mut watcher| async {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    }));
    let mut response = plain(StatusCode::OK, "text/event-stream", String::new());
    *response.body_mut() = body;
    response
}

/// Somebody who watches.
struct Watcher {
    house: House,
    limits: Watching,
    over: watch::Receiver<bool>,
    pass: Pass,
    /// When the next event is due.
    next: Instant,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next event; `None`: it is over. Asked for only when the one before has been taken, so that nobody builds what nobody reads.
    async fn next(&mut self) -> Option<Bytes> {
        // The connection lives until this event is due, and then as long as a watcher may take over it.
        self.pass.lives_until(self.next + self.limits.patience);
        tokio::select! {
            biased;
            _ = self.over.wait_for(|over| *over) => return None,
            () = tokio::time::sleep_until(self.next) => {}
        }
        if self.next >= self.until {
            return None;
        }
        self.next = Instant::now() + self.limits.every;
        let board = self.house.board.now();
        // One line: JSON escapes whatever would end one.
        let json = serde_json::to_string(board.as_ref()).ok()?;
        Some(Bytes::from(format!("data: {json}\n\n")))
    }
}

fn with(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}
