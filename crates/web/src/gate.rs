//! Who is let in: so many at once, each with so much time and so many bytes to say what they want.
//!
//! Whoever is served in another way than by one short answer gets a [`Pass`] beside the request: it prolongs the connection's life, and
//! gives its place in the crowd back.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// What a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; the next one waits to be accepted, and the kernel's own queue bounds those.
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

/// A listener that lets clients in within [`Limits`].
pub(crate) struct Gate {
    limits: Limits,
    listener: TcpListener,
    room: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new(limits: Limits, listener: TcpListener) -> Self {
        Gate { limits, listener, room: Arc::new(Semaphore::new(limits.clients)) }
    }
}

impl axum::serve::Listener for Gate {
    type Io = Client;
    type Addr = Pass;

    async fn accept(&mut self) -> (Client, Pass) {
        loop {
            // The semaphore is never closed, so that a failure here cannot be; waiting for ever would then be the safe thing.
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let until = Instant::now() + self.limits.time;
                    let pass = Pass { from, stay: Arc::new(Mutex::new(Stay { until, place: Some(place) })) };
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
        let until = Instant::now();
        self.listener.local_addr().map(|from| Pass { from, stay: Arc::new(Mutex::new(Stay { until, place: None })) })
    }
}

/// How long a connection may stay, and the place that it takes.
#[derive(Debug)]
struct Stay {
    until: Instant,
    /// Given back when the connection is dropped, or before.
    place: Option<OwnedSemaphorePermit>,
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
    fn stay(&self) -> MutexGuard<'_, Stay> {
        self.stay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected<IncomingStream<'_, Gate>> for Pass {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Pass {
        stream.remote_addr().clone()
    }
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
        while self.deadline.as_mut().poll(cx).is_ready() {
            let until = self.pass.stay().until;
            if until <= self.deadline.deadline() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client took too long"));
            }
            self.deadline.as_mut().reset(until);
        }
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
