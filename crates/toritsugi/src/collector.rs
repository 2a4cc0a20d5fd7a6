//! Sends the calls that are over to a collector of traces: OTLP over HTTP, on a thread of its own.
//!
//! A collector that is slow, full or dead costs spans and no call: what waits is bounded, each batch is tried three times, and the log says so once.
//! Over http alone: the collector stands on this machine or in the city's own network, and what it is told names nobody.

use crate::words::Stop;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use telemetry::{Trace, otlp};

/// Calls on their way to the thread, and calls that wait to be sent. One more is not told of.
const WAITING_MAX: usize = 2048;
/// Calls of one request.
const BATCH: usize = 128;
/// How long calls are gathered, and how much longer after each attempt in vain.
const GATHER: Duration = Duration::from_secs(1);
/// Attempts at one batch.
const TRIES_MAX: u32 = 3;
/// How long a collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where a collector hears traces, if the address names no path (OTLP specification, *OTLP/HTTP request*).
const PATH: &str = "/v1/traces";

/// The way to the thread.
pub(crate) struct Collector {
    traces: SyncSender<Trace>,
    thread: JoinHandle<()>,
}

impl Collector {
    /// Starts the thread. `uri` is an [`endpoint`].
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(uri: &str) -> Result<Collector, Stop> {
        let (traces, inbox) = sync_channel(WAITING_MAX);
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0).http_status_as_error(false).proxy(None);
        let desk = Desk {
            uri: uri.to_owned(),
            agent: ureq::Agent::new_with_config(config.build()),
            waiting: Vec::new(),
            tries: 0,
            lost: 0,
            told: false,
        };
        let thread = std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || desk.run(&inbox))
            .map_err(|fault: io::Error| Stop::new(format!("a thread cannot be started: {fault}")))?;
        Ok(Collector { traces, thread })
    }

    /// Where calls that are over are put; what finds no room is not told of.
    pub(crate) fn traces(&self) -> SyncSender<Trace> {
        self.traces.clone()
    }

    /// Sends what there is once more, and ends, when nobody has calls to tell of any more.
    pub(crate) fn finish(self) {
        drop(self.traces);
        let _ = self.thread.join();
    }
}

/// The whole address of a collector, from what somebody types: `http://127.0.0.1:4318`.
///
/// # Errors
/// A sentence, when it is none.
pub(crate) fn endpoint(address: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("{why}. Write the address of a collector, as http://127.0.0.1:4318");
    let rest = address.strip_prefix("http://").ok_or_else(|| match address.starts_with("https://") {
        true => wrong("https is not spoken with collectors; let one on this machine pass spans on"),
        false => wrong("it does not begin with http://"),
    })?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if !is_host || !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("it is no address"));
    }
    let path = path.trim_end_matches('/');
    Ok(if path.is_empty() { format!("http://{host}{PATH}") } else { format!("http://{host}/{path}") })
}

/// What came of a request.
enum Said {
    Taken,
    /// It may be tried again.
    Later(String),
    /// It is not wanted.
    Never(String),
}

struct Desk {
    uri: String,
    agent: ureq::Agent,
    waiting: Vec<Trace>,
    /// Attempts at the first batch of what waits.
    tries: u32,
    lost: u64,
    /// Whether it was told that spans are lost.
    told: bool,
}

impl Desk {
    fn run(mut self, inbox: &Receiver<Trace>) {
        loop {
            let open = self.gather(inbox);
            if !self.waiting.is_empty() {
                self.send(!open);
            }
            if !open && self.waiting.is_empty() {
                return;
            }
        }
    }

    /// Waits for calls; false when there will be no more of them.
    fn gather(&mut self, inbox: &Receiver<Trace>) -> bool {
        if self.waiting.is_empty() {
            match inbox.recv() {
                Ok(trace) => self.waiting.push(trace),
                Err(_) => return false,
            }
        }
        let until = Instant::now() + GATHER * (1 << self.tries);
        while self.tries > 0 || self.waiting.len() < BATCH {
            match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(trace) if self.waiting.len() < WAITING_MAX => self.waiting.push(trace),
                Ok(_) => self.lost += 1,
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    fn send(&mut self, last: bool) {
        let batch = &self.waiting[..self.waiting.len().min(BATCH)];
        let count = batch.len();
        let why = match self.post(&otlp::request(batch, env!("CARGO_PKG_VERSION"))) {
            Said::Taken => {
                self.waiting.drain(..count);
                self.tries = 0;
                if std::mem::take(&mut self.told) {
                    tracing::info!(
                        lost = std::mem::take(&mut self.lost),
                        "the collector takes spans again; of so many calls it knows nothing"
                    );
                }
                return;
            }
            Said::Later(why) if !last && self.tries + 1 < TRIES_MAX => {
                self.tries += 1;
                return self.tell(&why);
            }
            Said::Later(why) | Said::Never(why) => why,
        };
        self.tell(&why);
        // Of the last ones nobody waits for the answers.
        let count = if last { self.waiting.len() } else { count };
        self.waiting.drain(..count);
        self.lost += u64::try_from(count).unwrap_or_default();
        self.tries = 0;
    }

    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(collector = %self.uri, why, "the collector does not take the spans of calls; calls go on");
        }
    }

    fn post(&self, body: &str) -> Said {
        let sent = self.agent.post(&self.uri).header("Content-Type", "application/json").send(body);
        match sent.map(|answer| answer.status().as_u16()) {
            Ok(200..=299) => Said::Taken,
            // OTLP specification, *Retryable response codes*.
            Ok(status @ (429 | 502 | 503 | 504)) => Said::Later(format!("it answered {status}")),
            Ok(status) => Said::Never(format!("it answered {status}")),
            Err(fault) => Said::Later(fault.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::UnixMillis;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use telemetry::Span;

    fn trace(id: u64) -> Trace {
        let name = "call".to_owned();
        let (from, until) = (UnixMillis(1), UnixMillis(2));
        Trace { id: id.into(), spans: vec![Span { id, parent: None, name, from, until, facts: Vec::new(), failed: false }] }
    }

    /// Answers one request after the other with these statuses, and gives back what came.
    fn house(listener: TcpListener, statuses: &'static [&'static str]) -> JoinHandle<Vec<String>> {
        std::thread::spawn(move || {
            let mut came = Vec::new();
            let (mut stream, mut text) = (listener.accept().unwrap().0, Vec::new());
            for status in statuses {
                let body = loop {
                    let said = String::from_utf8_lossy(&text).into_owned();
                    if let Some((head, body)) = said.split_once("\r\n\r\n") {
                        let length =
                            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
                        if body.len() >= length.unwrap() {
                            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
                            break body.to_owned();
                        }
                    }
                    let mut bytes = [0; 4096];
                    match stream.read(&mut bytes) {
                        Ok(0) | Err(_) => stream = listener.accept().unwrap().0,
                        Ok(read) => text.extend_from_slice(&bytes[..read]),
                    }
                };
                came.push(body);
                text.clear();
                let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            }
            came
        })
    }

    #[test]
    fn a_call_is_told_again_when_the_collector_was_busy_and_not_when_it_does_not_want_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let house = house(listener, &["503", "200", "400", "200"]);
        let collector = Collector::start(&endpoint(&address).unwrap()).unwrap();
        for id in 1..=3 {
            collector.traces().send(trace(id)).unwrap();
            std::thread::sleep(Duration::from_millis(if id == 1 { 3500 } else { 1300 }));
        }
        collector.finish();
        let came = house.join().unwrap();
        assert_eq!(came[0], came[1], "the same again");
        let told = |body: &str, id: u64| body.contains(&format!("\"spanId\":\"{id:016x}\""));
        assert!(told(&came[1], 1) && told(&came[2], 2) && told(&came[3], 3) && !told(&came[3], 2), "{came:?}");
    }

    #[test]
    fn a_dead_collector_keeps_nobody_from_ending_and_no_more_than_there_is_room_for() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let collector = Collector::start(&endpoint(&format!("http://{nobody}/")).unwrap()).unwrap();
        let (traces, began) = (collector.traces(), Instant::now());
        (0..20_000).for_each(|id| drop(traces.try_send(trace(id + 1))));
        assert!(began.elapsed() < Duration::from_secs(2), "nobody waits for it");
        drop(traces);
        collector.finish();
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_a_sentence() {
        for (address, whole) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
            ("http://a/otlp/v1/traces", "http://a/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(address).unwrap(), whole);
        }
        for address in ["127.0.0.1:4318", "https://collector", "http://", "http://a b", "http://a/b c", ""] {
            assert!(endpoint(address).unwrap_err().contains("http://127.0.0.1:4318"), "{address}");
        }
    }
}
