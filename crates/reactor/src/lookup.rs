//! Asks other houses over HTTP, on a thread of its own: a slow register keeps no call waiting but the one that asked.
//!
//! RFC 9110 and 9112, one request a connection, over TLS where the entry says https (RFC 9110 section 4.3.4). Nothing is sent to an address that the entry does not allow, whatever its name leads to; a
//! redirect is an answer like any other that is not 2xx, and is not followed; an answer is one flat JSON object of at most 16 KiB. What is sent
//! may be a caller's own, and what is in a secret file is the city's: neither is ever logged.

use crate::clock::Clock;
use crate::tls;
use bytes::Bytes;
use calls::{Answer, Job, Question};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use model::{Instant, JobId, Lookup, LookupEnd, LookupMethod, Redacted};
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The largest answer.
const ANSWER_MAX: usize = 16 * 1024;
/// The largest head of an answer.
const HEAD_MAX: usize = 16 * 1024;
/// The largest secret.
const SECRET_MAX: u64 = 8 * 1024;
/// Words of an answer, and signs of one.
const WORDS_MAX: usize = 64;
const SIGNS_MAX: usize = 256;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Orders on their way; the engine has at most 64 questions open.
const ORDERS_MAX: usize = 256;

/// Something for the thread.
pub(crate) enum Order {
    Start(JobId, Instant, Job),
    Cancel(JobId),
}

/// What became of a job.
pub(crate) type Done = (JobId, Result<Answer, LookupEnd>);

/// Starts the thread. `secrets` is the folder of the files that entries name.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn start(clock: Clock, secrets: PathBuf, done: mpsc::Sender<Done>) -> io::Result<mpsc::Sender<Order>> {
    let (orders, inbox) = mpsc::channel(ORDERS_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("lookups".to_owned()).spawn(move || runtime.block_on(attend(clock, secrets, inbox, done)))?;
    Ok(orders)
}

async fn attend(clock: Clock, secrets: PathBuf, mut inbox: mpsc::Receiver<Order>, done: mpsc::Sender<Done>) {
    let mut tasks: JoinSet<JobId> = JoinSet::new();
    let mut open: BTreeMap<JobId, AbortHandle> = BTreeMap::new();
    loop {
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Start(job, deadline, Job::Fetch(question))) => {
                    let (secrets, done) = (secrets.clone(), done.clone());
                    let deadline = clock.std(deadline);
                    let handle = tasks.spawn(async move {
                        let asked = tokio::time::timeout_at(deadline.into(), ask(&question, &secrets)).await;
                        let answer = asked.unwrap_or(Err(LookupEnd::TimedOut));
                        let _ = done.send((job, answer)).await;
                        job
                    });
                    open.insert(job, handle);
                }
                Some(Order::Cancel(job)) => {
                    if let Some(handle) = open.remove(&job) {
                        handle.abort();
                    }
                }
                // The signalling thread is gone.
                None => return,
            },
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Ok(job) = ended {
                    open.remove(&job);
                }
            }
        }
    }
}

/// Asks until there is an answer, as often as the entry says.
async fn ask(question: &Question, secrets: &Path) -> Result<Answer, LookupEnd> {
    let lookup = &question.lookup;
    let headers = headers(lookup, secrets)?;
    let mut attempt = 0;
    loop {
        let asked = tokio::time::timeout(lookup.timeout, once(question, &headers, secrets)).await.unwrap_or(Err(LookupEnd::TimedOut));
        // Who has said no, and where nothing may be sent, is not asked again.
        match asked {
            Err(LookupEnd::Unreachable | LookupEnd::TimedOut) if attempt < lookup.retries => attempt += 1,
            other => return other,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(question: &Question, headers: &HeaderMap, secrets: &Path) -> Result<Answer, LookupEnd> {
    let lookup = &question.lookup;
    let stream = TcpStream::connect(address(lookup).await?).await.map_err(|_| LookupEnd::Unreachable)?;
    if !lookup.secure {
        return over(stream, question, headers).await;
    }
    over(secure(lookup, secrets, stream).await?, question, headers).await
}

/// Makes sure that it is the house that it should be.
async fn secure(lookup: &Lookup, secrets: &Path, stream: TcpStream) -> Result<TlsStream<TcpStream>, LookupEnd> {
    let untrusted = |why: &str| {
        tracing::error!(lookup = %lookup.id, why, "https cannot be spoken with it: nothing was sent");
        LookupEnd::NotAllowed
    };
    let config = tls::client(lookup.ca.as_ref().map(|name| secrets.join(name))).await.map_err(|why| untrusted(&why))?;
    let name = ServerName::try_from(lookup.host.clone()).map_err(|_| untrusted("its host is no name that a certificate can have"))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|fault| {
        let of_tls = fault.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if of_tls { untrusted(&fault.to_string()) } else { LookupEnd::Unreachable }
    })
}

async fn over<S>(stream: S, question: &Question, headers: &HeaderMap) -> Result<Answer, LookupEnd>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| LookupEnd::Unreachable)?;
    // Dropped with us: whoever gives up closes the connection.
    let mut connection = std::pin::pin!(connection);
    let answered = async {
        let response = sender.send_request(request(question, headers)?).await.map_err(|fault| broken(&fault))?;
        if !response.status().is_success() {
            return Err(LookupEnd::Refused);
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|_| LookupEnd::Unreadable)?;
        read(&body.to_bytes()).ok_or(LookupEnd::Unreadable)
    };
    let mut answered = std::pin::pin!(answered);
    let mut open = true;
    loop {
        tokio::select! {
            answer = &mut answered => return answer,
            _ = &mut connection, if open => open = false,
        }
    }
}

/// A connection that breaks, or speaks no HTTP.
fn broken(fault: &hyper::Error) -> LookupEnd {
    if fault.is_parse() { LookupEnd::Unreadable } else { LookupEnd::Unreachable }
}

/// Where the host is, if it may be there.
async fn address(lookup: &Lookup) -> Result<SocketAddr, LookupEnd> {
    let found = tokio::net::lookup_host((lookup.host.as_str(), lookup.port)).await.map_err(|_| LookupEnd::Unreachable)?;
    let found: Vec<SocketAddr> = found.collect();
    let allowed = found.iter().find(|addr| lookup.allow.iter().any(|net| net.contains(addr.ip()))).copied();
    allowed.ok_or_else(|| {
        let first = found.first().map(SocketAddr::ip);
        tracing::error!(lookup = %lookup.id, ?first, "its host is at an address that `allow` in config/lookups.yaml does not permit: nothing was sent");
        LookupEnd::NotAllowed
    })
}

fn request(question: &Question, headers: &HeaderMap) -> Result<Request<Full<Bytes>>, LookupEnd> {
    let lookup = &question.lookup;
    let mut path = lookup.path.clone();
    let (method, body) = match lookup.method {
        LookupMethod::Get => {
            for (name, value) in &question.send {
                path.push(if path.contains('?') { '&' } else { '?' });
                escape(&mut path, name);
                path.push('=');
                escape(&mut path, value.reveal());
            }
            (Method::GET, Vec::new())
        }
        LookupMethod::Post => {
            let send: BTreeMap<&str, &str> =
                question.send.iter().map(|(name, value)| (name.as_str(), Redacted::reveal(value).as_str())).collect();
            (Method::POST, serde_json::to_vec(&send).map_err(|_| LookupEnd::NotAllowed)?)
        }
    };
    let host =
        if lookup.host.contains(':') { format!("[{}]:{}", lookup.host, lookup.port) } else { format!("{}:{}", lookup.host, lookup.port) };
    let mut request = Request::builder().method(method).uri(path).header(HOST, host).header(ACCEPT, "application/json");
    if lookup.method == LookupMethod::Post {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let mut request = request.body(Full::new(Bytes::from(body))).map_err(|_| LookupEnd::NotAllowed)?;
    request.headers_mut().extend(headers.clone());
    Ok(request)
}

/// RFC 3986 section 2.1: everything but unreserved signs is written as its bytes.
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The lines of an entry's secret, as headers. Read each time: who changes a key need not stop the telephone.
fn headers(lookup: &Lookup, secrets: &Path) -> Result<HeaderMap, LookupEnd> {
    let mut headers = HeaderMap::new();
    let Some(name) = &lookup.secret else { return Ok(headers) };
    let file = secrets.join(name);
    let refused = |why: &str| {
        tracing::error!(lookup = %lookup.id, file = %file.display(), why, "a secret cannot be used: nothing was sent");
        LookupEnd::NotAllowed
    };
    let about = std::fs::metadata(&file).map_err(|fault| refused(&fault.to_string()))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(refused("others can read it: chmod 600"));
    }
    if about.len() > SECRET_MAX {
        return Err(refused("it is too large"));
    }
    let text = std::fs::read_to_string(&file).map_err(|fault| refused(&fault.to_string()))?;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let header = line.split_once(':').and_then(|(name, value)| {
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        });
        let (name, value) = header.ok_or_else(|| refused("a line is no header; write Authorization: Bearer ..."))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The words of an answer: one flat object; what is no word of it is passed over. `None` if it is none, or does not say `answer`.
fn read(body: &[u8]) -> Option<Answer> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let word = |(name, value): (String, serde_json::Value)| match value {
        serde_json::Value::String(word) if word.len() <= SIGNS_MAX && name.len() <= SIGNS_MAX => Some((name, word)),
        _ => None,
    };
    let words: BTreeMap<String, String> = object.into_iter().filter_map(word).take(WORDS_MAX).collect();
    words.contains_key("answer").then_some(Answer(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{LookupId, Net};
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn question(port: u16) -> Question {
        let lookup = Lookup {
            id: LookupId::from("vaccine"),
            host: "127.0.0.1".to_owned(),
            port,
            secure: false,
            ca: None,
            path: "/tickets".to_owned(),
            method: LookupMethod::Post,
            timeout: Duration::from_secs(10),
            retries: 0,
            allow: vec![Net::parse("127.0.0.0/8").unwrap()],
            secret: None,
            caller_number: false,
        };
        Question { lookup, send: [("ticket".to_owned(), Redacted::new("12345".to_owned()))].into() }
    }

    /// A house that says `reply` to whoever asks, and keeps what it was asked.
    async fn house(reply: String) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &kept, &reply).await;
            }
        });
        (port, asked)
    }

    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, kept: &std::sync::Mutex<Vec<String>>, reply: &str) {
        let mut bytes = vec![0; 4096];
        let mut text = String::new();
        // One request: its head, and the five figures of its body where it has one.
        while !text.contains("\r\n\r\n") || text.starts_with("POST") && !text.contains('}') {
            let read = stream.read(&mut bytes).await.unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        kept.lock().unwrap().push(text);
        let _ = stream.write_all(reply.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    /// A house like [`house`] that shows the certificate of this folder first.
    async fn safe_house(folder: &crate::tls::tests::Folder) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (kept, config) = (Arc::clone(&asked), Arc::clone(&folder.certificate().browsers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = tokio_rustls::TlsAcceptor::from(Arc::clone(&config)).accept(stream).await {
                    serve(stream, &kept, &ok(r#"{"answer":"found"}"#)).await;
                }
            }
        });
        (port, asked)
    }

    #[test]
    fn a_house_is_asked_over_https_if_its_certificate_is_its_own_and_else_told_nothing() {
        let folder = crate::tls::tests::Folder::new();
        let stranger = crate::tls::tests::Folder::new();
        let secrets = folder.files.certificate.parent().unwrap();
        // Names of such files have no dot.
        std::fs::copy(&folder.files.certificate, secrets.join("city")).unwrap();
        std::fs::copy(&stranger.files.certificate, secrets.join("other")).unwrap();
        std::fs::write(secrets.join("broken"), "-----BEGIN CERTIFICATE-----").unwrap();
        alone(async {
            let (port, asked) = safe_house(&folder).await;
            let mut safe = question(port);
            (safe.lookup.host, safe.lookup.secure, safe.lookup.ca) = ("localhost".to_owned(), true, Some("city".to_owned()));
            assert!(ask(&safe, secrets).await.is_ok());
            assert!(asked.lock().unwrap()[0].starts_with("POST /tickets HTTP/1.1\r\n"));
            for ca in [None, Some("other"), Some("broken"), Some("missing")] {
                safe.lookup.ca = ca.map(str::to_owned);
                assert_eq!(ask(&safe, secrets).await, Err(LookupEnd::NotAllowed), "{ca:?}");
            }
            // The right authority, and a certificate for another name.
            (safe.lookup.host, safe.lookup.ca) = ("127.0.0.1".to_owned(), Some("city".to_owned()));
            assert_eq!(ask(&safe, secrets).await, Err(LookupEnd::NotAllowed));
            let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (safe.lookup.host, safe.lookup.port) = ("localhost".to_owned(), plain.local_addr().unwrap().port());
            let speaks_no_tls = async {
                let (mut stream, _) = plain.accept().await.unwrap();
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                asked = ask(&safe, secrets) => assert_eq!(asked, Err(LookupEnd::NotAllowed), "who speaks no TLS"),
                () = speaks_no_tls => unreachable!("it waits for ever"),
            }
            assert_eq!(asked.lock().unwrap().len(), 1);
        });
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn alone<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    async fn comes_of(reply: String) -> Result<Answer, LookupEnd> {
        let (port, _) = house(reply).await;
        ask(&question(port), Path::new("/nowhere")).await
    }

    #[test]
    fn the_words_of_a_right_answer_are_read_and_what_was_typed_is_sent() {
        alone(async {
            let (port, asked) = house(ok(r#"{"answer":"found","ward":"kawasaki","places":3}"#)).await;
            let words = [("answer", "found"), ("ward", "kawasaki")].map(|(n, w)| (n.to_owned(), w.to_owned()));
            assert_eq!(ask(&question(port), Path::new("/nowhere")).await, Ok(Answer(words.into())));
            let mut by_get = question(port);
            (by_get.lookup.method, by_get.lookup.path) = (LookupMethod::Get, "/t?v=1".to_owned());
            by_get.send.insert("who".to_owned(), Redacted::new("a b&c".to_owned()));
            ask(&by_get, Path::new("/nowhere")).await.unwrap();
            let asked = asked.lock().unwrap();
            assert!(asked[0].starts_with("POST /tickets HTTP/1.1\r\n") && asked[0].ends_with(r#"{"ticket":"12345"}"#), "{}", asked[0]);
            assert!(asked[1].starts_with("GET /t?v=1&ticket=12345&who=a%20b%26c HTTP/1.1\r\n"), "{}", asked[1]);
        });
    }

    #[test]
    fn rubbish_too_much_and_silence_about_the_answer_are_unreadable() {
        alone(async {
            let large = format!(r#"{{"answer":"found","x":"{}"}}"#, "x".repeat(20 * 1024));
            let cut = ok(r#"{"answer":"found"}"#).replace("Content-Length: 18", "Content-Length: 19");
            for reply in [ok(&large), ok("<html>"), ok(r#"["found"]"#), ok(r#"{"result":"found"}"#), ok(r#"{"answer":7}"#), cut] {
                assert_eq!(comes_of(reply.clone()).await, Err(LookupEnd::Unreadable), "{:.80}", reply);
            }
            let nested = format!("{}{}", "[".repeat(9000), "]".repeat(9000));
            assert_eq!(comes_of(ok(&nested)).await, Err(LookupEnd::Unreadable), "deeper than anybody builds");
            assert_eq!(comes_of("I am no HTTP\r\n\r\n".to_owned()).await, Err(LookupEnd::Unreadable));
        });
    }

    #[test]
    fn a_refusal_is_one_and_a_redirect_is_not_followed() {
        alone(async {
            let (elsewhere, asked_there) = house(ok(r#"{"answer":"found"}"#)).await;
            let to = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(comes_of(to).await, Err(LookupEnd::Refused));
            assert!(asked_there.lock().unwrap().is_empty());
            for status in ["403 Forbidden", "404 Not Found", "500 Oh"] {
                assert_eq!(comes_of(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await, Err(LookupEnd::Refused), "{status}");
            }
        });
    }

    #[test]
    fn nobody_at_the_door_is_unreachable_and_is_tried_again_as_often_as_it_says() {
        alone(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            assert_eq!(ask(&question(port), Path::new("/nowhere")).await, Err(LookupEnd::Unreachable));
            // A door that is shut in one's face three times, and opens the fourth time.
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut patient = question(listener.local_addr().unwrap().port());
            let knocks = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&knocks);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    if counted.fetch_add(1, Ordering::SeqCst) == 3 {
                        let mut bytes = [0; 4096];
                        let _ = stream.read(&mut bytes).await;
                        let _ = stream.write_all(ok(r#"{"answer":"found"}"#).as_bytes()).await;
                    }
                }
            });
            patient.lookup.retries = 2;
            assert_eq!(ask(&patient, Path::new("/nowhere")).await, Err(LookupEnd::Unreachable), "three attempts in all");
            assert_eq!(knocks.load(Ordering::SeqCst), 3);
            assert!(ask(&patient, Path::new("/nowhere")).await.is_ok());
        });
    }

    #[test]
    fn a_house_that_says_nothing_costs_its_attempts_and_no_more() {
        alone(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut hasty = question(listener.local_addr().unwrap().port());
            let knocks = Cell::new(0);
            (hasty.lookup.timeout, hasty.lookup.retries) = (Duration::from_millis(30), 1);
            let silent = async {
                let mut held = Vec::new();
                while let Ok((stream, _)) = listener.accept().await {
                    knocks.set(knocks.get() + 1);
                    held.push(stream);
                }
            };
            tokio::select! {
                asked = ask(&hasty, Path::new("/nowhere")) => assert_eq!(asked, Err(LookupEnd::TimedOut)),
                () = silent => unreachable!("it listens for ever"),
            }
            assert_eq!(knocks.get(), 2);
        });
    }

    #[test]
    fn nothing_is_sent_where_the_city_does_not_allow_it() {
        alone(async {
            let (port, asked) = house(ok(r#"{"answer":"found"}"#)).await;
            let mut elsewhere = question(port);
            elsewhere.lookup.allow = vec![Net::parse("10.0.0.0/8").unwrap()];
            assert_eq!(ask(&elsewhere, Path::new("/nowhere")).await, Err(LookupEnd::NotAllowed));
            elsewhere.lookup.host = "localhost".to_owned();
            assert_eq!(ask(&elsewhere, Path::new("/nowhere")).await, Err(LookupEnd::NotAllowed), "by name neither");
            elsewhere.lookup.allow.clear();
            assert_eq!(ask(&elsewhere, Path::new("/nowhere")).await, Err(LookupEnd::NotAllowed));
            assert!(asked.lock().unwrap().is_empty());
        });
    }

    #[test]
    fn a_secret_is_sent_and_one_that_others_can_read_is_not() {
        let folder = std::env::temp_dir().join(format!("toritsugi-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("vaccine");
        std::fs::write(&file, "Authorization: Bearer wonderland\n\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        alone(async {
            let (port, asked) = house(ok(r#"{"answer":"found"}"#)).await;
            let mut known = question(port);
            known.lookup.secret = Some("vaccine".to_owned());
            ask(&known, &folder).await.unwrap();
            assert!(asked.lock().unwrap()[0].contains("authorization: Bearer wonderland\r\n"));
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(ask(&known, &folder).await, Err(LookupEnd::NotAllowed));
            known.lookup.secret = Some("missing".to_owned());
            assert_eq!(ask(&known, &folder).await, Err(LookupEnd::NotAllowed));
            assert_eq!(asked.lock().unwrap().len(), 1);
        });
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_thread_answers_in_time_and_forgets_who_hung_up() {
        let clock = Clock::start();
        let (tell, mut done) = mpsc::channel(8);
        let orders = start(clock, PathBuf::from("/nowhere"), tell).unwrap();
        // It takes connections, and never says a word.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let far = clock.mono() + Duration::from_secs(600);
        let job = |n| Order::Start(JobId(n), far, Job::Fetch(Box::new(question(port))));
        orders.blocking_send(job(1)).unwrap();
        orders.blocking_send(Order::Cancel(JobId(1))).unwrap();
        let soon = clock.mono() + Duration::from_millis(50);
        orders.blocking_send(Order::Start(JobId(2), soon, Job::Fetch(Box::new(question(port))))).unwrap();
        assert_eq!(done.blocking_recv(), Some((JobId(2), Err(LookupEnd::TimedOut))), "the deadline holds whatever the attempts allow");
        drop(orders);
        assert_eq!(done.blocking_recv(), None, "of the one that was given up nothing more is said");
    }
}
