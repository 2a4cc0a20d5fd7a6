//! Who is let in: so many at once, each with so much time and so many bytes to say what they want.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

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
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Client, SocketAddr) {
        loop {
            // The semaphore is never closed, so that a failure here cannot be; waiting for ever would then be the safe thing.
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let deadline = Box::pin(tokio::time::sleep(self.limits.time));
                    return (Client { stream, deadline, bytes_left: self.limits.request_bytes, _place: place }, from);
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a client of the metrics could not be accepted");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when its time or its bytes are used up.
pub(crate) struct Client {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    bytes_left: usize,
    /// Given back when the connection is dropped.
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client took too long")),
            Poll::Pending => Ok(()),
        }
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
