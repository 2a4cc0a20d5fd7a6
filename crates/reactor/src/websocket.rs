//! SIP over WebSocket: a browser is a phone like any other, reached by the connection that it made and by no other.
//!
//! RFC 7118: the subprotocol is `sip` (section 4.1), and a message is a whole SIP message, as text or as bytes (section 4.2). RFC 6455 beneath it.

use crate::streams::taken;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use model::{ConnectionEnd, Instant};
use sip::bounds::MESSAGE_MAX;
use sip::framer::{MESSAGE_PATIENCE, PONG};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The word of RFC 7118 section 4.1.
const SUBPROTOCOL: &str = "sip";
/// Bytes taken from a connection at a time.
const READ_MAX: usize = 8 * 1024;

/// Agrees with a browser on SIP over WebSocket. `origins` are the pages that may call us; none: all of them.
///
/// # Errors
/// What it did not agree to, as a sentence; it has been told.
pub(crate) async fn accept<S>(stream: S, origins: &[String]) -> Result<WebSocketStream<Counted<S>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bounds = WebSocketConfig::default()
        .read_buffer_size(READ_MAX)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE_MAX)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let judge = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let refuse = |status: StatusCode, why: &str| {
            let mut refusal = ErrorResponse::new(Some(why.to_owned()));
            *refusal.status_mut() = status;
            refusal
        };
        if !speaks_sip(request.headers()) {
            return Err(refuse(StatusCode::BAD_REQUEST, "Sec-WebSocket-Protocol: sip is wanted (RFC 7118)\n"));
        }
        let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
        if !origins.is_empty() && !origin.is_some_and(|origin| origins.iter().any(|ours| ours.eq_ignore_ascii_case(origin))) {
            return Err(refuse(StatusCode::FORBIDDEN, "this page may not call here\n"));
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    };
    let counted = Counted { stream, some: false };
    tokio_tungstenite::accept_hdr_async_with_config(counted, judge, Some(bounds)).await.map_err(|fault| match fault {
        Error::Http(refusal) => format!("WebSocket was refused with {}", refusal.status()),
        fault => format!("no WebSocket: {fault}"),
    })
}

/// Whether `sip` is among the subprotocols that are offered.
fn speaks_sip(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).any(|word| word.trim() == SUBPROTOCOL)
}

/// A browser's connection.
pub(crate) struct Browser<S> {
    socket: WebSocketStream<Counted<S>>,
    /// Since when a message has begun and is not complete.
    begun: Option<Instant>,
}

/// What a browser's connection brought.
pub(crate) enum Heard {
    /// A whole message.
    Message(Bytes),
    /// A sign of life.
    Sign,
    /// Some bytes of something longer.
    Part,
    /// It is over.
    End(ConnectionEnd),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Browser<S> {
    pub(crate) fn new(socket: WebSocketStream<Counted<S>>) -> Browser<S> {
        Browser { socket, begun: None }
    }

    /// By when the message that has begun must be complete.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.begun.map(|begun| begun + MESSAGE_PATIENCE)
    }

    /// What comes next. Nothing is lost when it is given up halfway.
    pub(crate) async fn hear(&mut self) -> Heard {
        let came = {
            let socket = &mut self.socket;
            std::future::poll_fn(|context| match socket.poll_next_unpin(context) {
                Poll::Ready(came) => Poll::Ready(Some(came)),
                // Not a whole message, but something.
                Poll::Pending if std::mem::take(&mut socket.get_mut().some) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        let Some(came) = came else { return Heard::Part };
        self.socket.get_mut().some = false;
        self.begun = None;
        match came {
            Some(Ok(Message::Text(text))) => Heard::Message(Bytes::from(text)),
            Some(Ok(Message::Binary(bytes))) => Heard::Message(bytes),
            // A ping has been answered by the library, and so has a close.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => Heard::Sign,
            Some(Err(Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt)) => {
                Heard::End(ConnectionEnd::Unreadable)
            }
            Some(Err(_)) | None => Heard::End(ConnectionEnd::Left),
        }
    }

    /// Some bytes came at `now`, and there is no whole message yet.
    pub(crate) fn handle_part(&mut self, now: Instant) {
        self.begun = self.begun.or(Some(now));
    }

    /// Whether all of it was taken in time.
    pub(crate) async fn say(&mut self, bytes: &Bytes) -> bool {
        // Section 4.2: text where it is text, for scripts read that more easily.
        let message = match std::str::from_utf8(bytes) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(bytes.clone()),
        };
        taken(self.socket.send(message)).await
    }

    /// Answers a line break that asks whether we live (RFC 5626 section 3.5.1, RFC 7118 section 6).
    pub(crate) async fn pong(&mut self) -> bool {
        self.say(&Bytes::from_static(PONG)).await
    }

    pub(crate) async fn close(&mut self) {
        taken(self.socket.close(None)).await;
    }
}

/// A stream that tells whether anything was read from it.
pub(crate) struct Counted<S> {
    stream: S,
    some: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.some |= into.filled().len() > before;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::streams::{Door, Doors, Ends, News, Order, start};
    use model::{FlowId, Transport};
    use std::io::Write;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;
    use tokio_tungstenite::tungstenite::client::client;
    use tokio_tungstenite::tungstenite::http::Request;
    use tokio_tungstenite::tungstenite::{HandshakeError, WebSocket};

    const REGISTER: &str = "REGISTER sip:a SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\n\r\n";
    const PAGE: &str = "https://desk.example.jp";

    /// The thread with a door for browsers of one page.
    struct House {
        at: SocketAddr,
        ends: Ends,
    }
    type Page = WebSocket<TcpStream>;

    impl House {
        fn open() -> House {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let at = listener.local_addr().unwrap();
            let doors = vec![Door { transport: Transport::Ws, listener }];
            let doors = Doors { doors, origins: vec![PAGE.to_owned()], ..Doors::default() };
            House { at, ends: start(Clock::start(), doors).unwrap() }
        }
        fn news(&mut self) -> News {
            self.ends.news.blocking_recv().unwrap()
        }
        /// A browser that offers these subprotocols, on a page of that origin; the error is the status that it got.
        fn browse(&mut self, subprotocols: &str, origin: &str) -> Result<(Page, FlowId), u16> {
            let stream = TcpStream::connect(self.at).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut request = Request::get(format!("ws://{}/", self.at)).header("Host", self.at.to_string()).header("Origin", origin);
            for (name, value) in [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")] {
                request = request.header(name, value);
            }
            request = request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
            if !subprotocols.is_empty() {
                request = request.header("Sec-WebSocket-Protocol", subprotocols);
            }
            let met = client(request.body(()).unwrap(), stream);
            let News::Opened(flow, _) = self.news() else { panic!("nobody came") };
            match met {
                Ok((page, response)) => {
                    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
                    Ok((page, flow))
                }
                Err(HandshakeError::Failure(Error::Http(refusal))) => {
                    assert!(matches!(self.news(), News::Closed(_, ConnectionEnd::NotAgreed)));
                    Err(refusal.status().as_u16())
                }
                Err(other) => panic!("{other}"),
            }
        }
        fn message(&mut self) -> (FlowId, Bytes) {
            let News::Message(flow, _, bytes) = self.news() else { panic!("no message") };
            (flow, bytes)
        }
        fn say(&self, flow: FlowId, bytes: &'static [u8]) {
            let to = "127.0.0.1:9".parse().unwrap();
            assert!(self.ends.orders.try_send(Order::Send { flow, to, bytes: Bytes::from_static(bytes) }).is_ok());
        }
        fn closed(&mut self) -> ConnectionEnd {
            let News::Closed(_, why) = self.news() else { panic!("nothing was closed") };
            why
        }
    }

    #[test]
    fn a_browser_s_messages_come_whole_and_answers_go_back_as_text_or_bytes() {
        let mut house = House::open();
        let (mut page, flow) = house.browse("sip", PAGE).unwrap();
        assert_eq!(flow.transport(), Transport::Ws);
        page.send(Message::text(REGISTER)).unwrap();
        assert_eq!(house.message(), (flow, Bytes::from(REGISTER)));
        page.send(Message::binary(REGISTER)).unwrap();
        assert_eq!(house.message(), (flow, Bytes::from(REGISTER)));
        house.say(flow, b"SIP/2.0 200 OK\r\n\r\n");
        assert_eq!(page.read().unwrap(), Message::text("SIP/2.0 200 OK\r\n\r\n"));
        house.say(flow, b"SIP/2.0 200 \x93\xfa\r\n\r\n");
        assert_eq!(page.read().unwrap(), Message::binary(&b"SIP/2.0 200 \x93\xfa\r\n\r\n"[..]));
        // Both ways of asking whether we live.
        page.send(Message::text("\r\n\r\n")).unwrap();
        assert_eq!(page.read().unwrap(), Message::text("\r\n"));
        page.send(Message::Ping(Bytes::from("?"))).unwrap();
        assert_eq!(page.read().unwrap(), Message::Pong(Bytes::from("?")));
        page.close(None).unwrap();
        assert!(matches!(page.read(), Ok(Message::Close(_))));
        assert_eq!(house.closed(), ConnectionEnd::Left);
    }

    #[test]
    fn who_offers_no_sip_or_comes_from_another_page_is_refused() {
        let mut house = House::open();
        assert_eq!(house.browse("", PAGE).err(), Some(400));
        assert_eq!(house.browse("chat, xmpp", PAGE).err(), Some(400));
        assert_eq!(house.browse("sip", "https://elsewhere.example").err(), Some(403));
        assert!(house.browse("chat, sip", PAGE).is_ok());
    }

    #[test]
    fn a_message_larger_than_any_may_be_ends_the_connection_and_one_as_large_does_not() {
        let mut house = House::open();
        let (mut page, flow) = house.browse("sip", PAGE).unwrap();
        page.send(Message::text("x".repeat(MESSAGE_MAX))).unwrap();
        assert_eq!(house.message(), (flow, Bytes::from("x".repeat(MESSAGE_MAX))));
        let _ = page.send(Message::text("x".repeat(MESSAGE_MAX + 1)));
        assert_eq!(house.closed(), ConnectionEnd::Unreadable);
    }

    #[test]
    fn a_message_that_never_ends_is_not_waited_for_and_plain_http_is_none() {
        let mut house = House::open();
        let (mut page, _) = house.browse("sip", PAGE).unwrap();
        // A masked text frame of 100 bytes, of which 4 come.
        page.get_mut().write_all(b"\x81\xe4\0\0\0\0OPTI").unwrap();
        let mut plain = TcpStream::connect(house.at).unwrap();
        assert!(matches!(house.news(), News::Opened(..)));
        plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(house.closed(), ConnectionEnd::NotAgreed);
        assert_eq!(house.closed(), ConnectionEnd::Slow);
    }
}
