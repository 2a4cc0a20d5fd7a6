//! Who is let in: so many at once, each with so much time and so many bytes to say what they want. When all places are taken, whoever has come
//! first and is not being served makes room for the next: nobody keeps a service manager or Prometheus out by saying nothing.
//!
//! Whoever is served in another way than by one short answer gets a [`Pass`] beside the request: it prolongs the connection's life, and
//! gives its place in the crowd back.

use axum::body::HttpBody as _;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// What a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; for the next one the eldest that is not being served is cut off. Where all are being served it waits to be accepted,
    /// and the kernel's own queue bounds those.
    pub clients: usize,
    /// From being accepted to having read the last byte of the answer. A scrape takes milliseconds.
    pub time: Duration,
    /// Bytes of a request, headers and all.
    pub request_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { clients: 64, time: Duration::from_secs(10), request_bytes: 16 * 1024 }
    }
}

/// Pause after the system refused a connection, usually for want of file descriptors: calls need them more.
const AFTER_REFUSAL: Duration = Duration::from_millis(200);
/// So long anybody may take to begin to speak, however many wait.
const GRACE: Duration = Duration::from_millis(50);

/// A listener that lets clients in within [`Limits`].
pub(crate) struct Gate {
    limits: Limits,
    listener: TcpListener,
    room: Arc<Semaphore>,
    /// Who is in, in the order in which they came; also some who have just gone.
    crowd: VecDeque<Weak<Mutex<Stay>>>,
}

impl Gate {
    pub(crate) fn new(limits: Limits, listener: TcpListener) -> Self {
        Gate { limits, listener, room: Arc::new(Semaphore::new(limits.clients)), crowd: VecDeque::new() }
    }

    /// A place, as soon as there is one.
    async fn place(&mut self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
                return place;
            }
            self.make_room();
            // The semaphore is never closed: what is awaited here is a place, or the moment to look again.
            if let Ok(Ok(place)) = tokio::time::timeout(GRACE, Arc::clone(&self.room).acquire_owned()).await {
                return place;
            }
        }
    }

    /// Cuts off the eldest who is not being served.
    fn make_room(&mut self) {
        let now = Instant::now();
        for stay in self.crowd.iter().filter_map(Weak::upgrade) {
            let mut stay = stay.lock().unwrap_or_else(PoisonError::into_inner);
            if stay.place.is_some() && !stay.is_served && now >= stay.since + GRACE {
                (stay.until, stay.place) = (now, None);
                if let Some(waker) = stay.waker.take() {
                    waker.wake();
                }
                return;
            }
        }
    }
}

impl axum::serve::Listener for Gate {
    type Io = Client;
    type Addr = Pass;

    async fn accept(&mut self) -> (Client, Pass) {
        loop {
            let place = self.place().await;
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let since = Instant::now();
                    let until = since + self.limits.time;
                    let pass =
                        Pass { from, stay: Arc::new(Mutex::new(Stay { since, until, place: Some(place), is_served: false, waker: None })) };
                    // Who has gone is forgotten here, so that the crowd is never larger than the room.
                    self.crowd.retain(|stay| stay.strong_count() > 0);
                    self.crowd.push_back(Arc::downgrade(&pass.stay));
                    let deadline = Box::pin(tokio::time::sleep_until(until));
                    return (Client { stream, deadline, bytes_left: self.limits.request_bytes, pass: pass.clone() }, pass);
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a client of the metrics could not be accepted");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
            }
        }
    }

    /// A pass to nowhere: nobody asks a listener for its pass.
    fn local_addr(&self) -> io::Result<Pass> {
        let now = Instant::now();
        let stay = Stay { since: now, until: now, place: None, is_served: false, waker: None };
        self.listener.local_addr().map(|from| Pass { from, stay: Arc::new(Mutex::new(stay)) })
    }
}

/// How long a connection may stay, and the place that it takes.
#[derive(Debug)]
struct Stay {
    since: Instant,
    until: Instant,
    /// Given back when the connection is dropped, or before.
    place: Option<OwnedSemaphorePermit>,
    /// Whether a request of theirs is in hand.
    is_served: bool,
    /// Wakes the connection, so that it notices its end.
    waker: Option<Waker>,
}

/// The connection that a request came by, for whoever answers it.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    from: SocketAddr,
    stay: Arc<Mutex<Stay>>,
}

impl Pass {
    /// The other end, which is a proxy's where there is one.
    pub(crate) fn from(&self) -> IpAddr {
        self.from.ip().to_canonical()
    }
    /// The connection ends at this moment, and not at the one that was set before.
    pub(crate) fn lives_until(&self, until: Instant) {
        self.stay().until = until;
    }
    /// Somebody else may come in for this one, who is counted elsewhere from here on.
    pub(crate) fn leave_crowd(&self) {
        self.stay().place = None;
    }
    /// Whether a whole request is in hand, until the head of its answer.
    pub(crate) fn is_served(&self, is_served: bool) {
        self.stay().is_served = is_served;
    }
    fn stay(&self) -> MutexGuard<'_, Stay> {
        self.stay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected<IncomingStream<'_, Gate>> for Pass {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Pass {
        stream.remote_addr().clone()
    }
}

/// Whoever is being served is not cut off for somebody else. Whose request has a body is served from the moment on at which all of it is there.
pub(crate) async fn serve(ConnectInfo(pass): ConnectInfo<Pass>, request: Request, next: Next) -> Response {
    pass.is_served(request.body().is_end_stream());
    let response = next.run(request).await;
    pass.is_served(false);
    response
}

/// A connection that ends when its time or its bytes are used up.
pub(crate) struct Client {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
    pass: Pass,
}

impl Client {
    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut stay = self.pass.stay.lock().unwrap_or_else(PoisonError::into_inner);
        if stay.until != self.deadline.deadline() {
            self.deadline.as_mut().reset(stay.until);
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client took too long"));
        }
        stay.waker = Some(cx.waker().clone());
        Ok(())
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = buf.filled().len().saturating_sub(before);
        match self.bytes_left.checked_sub(count) {
            Some(left) => {
                self.bytes_left = left;
                read
            }
            None => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too large"))),
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
