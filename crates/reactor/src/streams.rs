//! SIP over TCP: connections, on one thread of their own, so that a crowd at the door costs the calls in progress nothing.
//!
//! RFC 3261 section 18 and RFC 5626 section 3.5. One task a connection reads, cuts messages out of the stream (`sip::Framer`) and writes what
//! it is given. Everything is bounded: connections, in all and of one address; the time a message may take, a connection may be silent, and a
//! peer may take to read; what waits to be written. Who may speak at all the engine says, before it reads a word of theirs.

use crate::clock::Clock;
use bytes::Bytes;
use model::{ConnectionEnd, FlowId, Instant};
use sip::framer::PONG;
use sip::{Frame, Framer};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections at once; the next one is closed at the door. Each takes one of the process's files, beside two for each leg's sound.
const CONNECTIONS_MAX: usize = 512;
/// Connections of one address: a building of phones behind one router. One more closes the one of them that has been silent longest,
/// because a phone that lost its network leaves a connection behind that nobody will ever close.
const OF_ONE_SOURCE_MAX: usize = 256;
/// How long a new connection may say nothing at all.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may be silent. Phones that want to be reached through it say something every two minutes.
const IDLE_PATIENCE: Duration = Duration::from_secs(1800);
/// How long a connection may take to come about: a dead target fails over within two seconds.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// How long a peer may take to read one message of ours.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection that is lost stays open for the last answer.
const LINGER: Duration = Duration::from_secs(2);
/// Messages that wait to be written on one connection. Who reads no faster is closed.
const WAITING_MAX: usize = 64;
/// Bytes taken from a connection at a time.
const READ_MAX: usize = 8 * 1024;
/// Orders and news on their way between this thread and the signalling thread. A full room of news makes connections wait, and so their peers.
const ORDERS_MAX: usize = 4096;
const NEWS_MAX: usize = 256;
/// How long nobody is let in after the system had no file for a newcomer, and how long a last answer may follow another.
const BREATH: Duration = Duration::from_millis(200);

/// Something for the thread.
pub(crate) enum Order {
    /// Send a message on that connection; if it is gone, on any that leads to `to`, or on a new one.
    Send { flow: FlowId, to: SocketAddr, bytes: Bytes },
    /// Close that connection.
    Close(FlowId),
}

/// What a connection brought.
pub(crate) enum News {
    /// Somebody connected.
    Opened(FlowId, SocketAddr),
    /// A whole message, or the head of one that cannot be read on.
    Message(FlowId, SocketAddr, Bytes),
    /// What came is no SIP.
    Unreadable,
    /// It is gone.
    Closed(FlowId, ConnectionEnd),
    /// This could not be sent.
    Unsent(Bytes),
}

/// Starts the thread. Without a listener it only connects.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn start(clock: Clock, listener: Option<std::net::TcpListener>) -> io::Result<(mpsc::Sender<Order>, mpsc::Receiver<News>)> {
    let (orders, inbox) = mpsc::channel(ORDERS_MAX);
    let (news, heard) = mpsc::channel(NEWS_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    std::thread::Builder::new().name("streams".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = match listener.map(TcpListener::from_std).transpose() {
                Ok(listener) => listener,
                Err(fault) => {
                    tracing::error!(%fault, "SIP over TCP cannot be heard");
                    None
                }
            };
            let made = FlowId::FIRST.0;
            Hall { clock, news, lines: BTreeMap::new(), ways: BTreeMap::new(), tasks: JoinSet::new(), made }.attend(listener, inbox).await;
        });
    })?;
    Ok((orders, heard))
}

/// All connections.
struct Hall {
    clock: Clock,
    news: mpsc::Sender<News>,
    lines: BTreeMap<FlowId, Line>,
    /// The newest connection to each address.
    ways: BTreeMap<SocketAddr, FlowId>,
    tasks: JoinSet<(FlowId, ConnectionEnd)>,
    /// The next id.
    made: u64,
}

/// One connection, as the hall knows it. Dropping it closes it.
struct Line {
    peer: SocketAddr,
    out: mpsc::Sender<Bytes>,
    /// When something came last, in milliseconds of the clock.
    heard: Arc<AtomicU64>,
}

impl Hall {
    async fn attend(mut self, listener: Option<TcpListener>, mut inbox: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(Order::Send { flow, to, bytes }) => self.send(flow, to, bytes).await,
                    Some(Order::Close(flow)) => self.forget(flow),
                    // The signalling thread is gone.
                    None => return,
                },
                Some(Ok((flow, why))) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.forget(flow);
                    let _ = self.news.send(News::Closed(flow, why)).await;
                }
                came = async { match &listener { Some(listener) => listener.accept().await, None => std::future::pending().await } } => {
                    match came {
                        Ok((stream, peer)) => self.welcome(stream, peer).await,
                        Err(fault) => {
                            tracing::warn!(%fault, "a connection could not be taken");
                            tokio::time::sleep(BREATH).await;
                        }
                    }
                }
            }
        }
    }

    /// Somebody is at the door.
    async fn welcome(&mut self, stream: TcpStream, peer: SocketAddr) {
        let theirs = || self.lines.iter().filter(|(_, line)| line.peer.ip() == peer.ip());
        if theirs().count() >= OF_ONE_SOURCE_MAX {
            let silent = theirs().min_by_key(|(_, line)| line.heard.load(Ordering::Relaxed)).map(|(flow, _)| *flow);
            silent.into_iter().for_each(|flow| self.forget(flow));
        }
        let (flow, talk) = self.open(peer);
        if self.lines.len() > CONNECTIONS_MAX {
            self.forget(flow);
            let _ = self.news.send(News::Closed(flow, ConnectionEnd::Crowded)).await;
            return;
        }
        self.tasks.spawn(async move {
            let _ = talk.news.send(News::Opened(flow, peer)).await;
            talk.run(stream).await
        });
    }

    /// Notes a connection that is to be made or was made.
    fn open(&mut self, peer: SocketAddr) -> (FlowId, Talk) {
        let flow = FlowId(self.made);
        self.made += 1;
        let (out, waiting) = mpsc::channel(WAITING_MAX);
        let heard = Arc::new(AtomicU64::new(millis(self.clock.mono())));
        self.lines.insert(flow, Line { peer, out, heard: Arc::clone(&heard) });
        self.ways.insert(peer, flow);
        (flow, Talk { flow, peer, clock: self.clock, waiting, news: self.news.clone(), heard })
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(line) = self.lines.remove(&flow)
            && self.ways.get(&line.peer) == Some(&flow)
        {
            self.ways.remove(&line.peer);
        }
    }

    async fn send(&mut self, flow: FlowId, to: SocketAddr, bytes: Bytes) {
        let known = if self.lines.contains_key(&flow) { Some(flow) } else { self.ways.get(&to).copied() };
        let flow = match known {
            Some(flow) => flow,
            None if self.lines.len() >= CONNECTIONS_MAX => return self.unsent(bytes).await,
            None => {
                let (flow, talk) = self.open(to);
                self.tasks.spawn(talk.dial());
                flow
            }
        };
        let Some(line) = self.lines.get(&flow) else { return };
        if line.out.try_send(bytes.clone()).is_err() {
            // Nobody reads at the other end, or it has just gone.
            self.forget(flow);
            self.unsent(bytes).await;
        }
    }

    async fn unsent(&self, bytes: Bytes) {
        let _ = self.news.send(News::Unsent(bytes)).await;
    }
}

/// One connection, as its own task knows it.
struct Talk {
    flow: FlowId,
    peer: SocketAddr,
    clock: Clock,
    waiting: mpsc::Receiver<Bytes>,
    news: mpsc::Sender<News>,
    heard: Arc<AtomicU64>,
}

impl Talk {
    /// Connects, then talks.
    async fn dial(self) -> (FlowId, ConnectionEnd) {
        match timeout(CONNECT_PATIENCE, TcpStream::connect(self.peer)).await {
            Ok(Ok(stream)) => self.run(stream).await,
            Ok(Err(_)) | Err(_) => self.end(None, ConnectionEnd::Unreachable).await,
        }
    }

    /// Nothing is lost without a word: who waits for an answer must know that nobody was asked.
    async fn end(mut self, last: Option<Bytes>, why: ConnectionEnd) -> (FlowId, ConnectionEnd) {
        self.waiting.close();
        for bytes in last.into_iter().chain(std::iter::from_fn(|| self.waiting.try_recv().ok())).collect::<Vec<_>>() {
            let _ = self.news.send(News::Unsent(bytes)).await;
        }
        (self.flow, why)
    }

    async fn run(mut self, mut stream: TcpStream) -> (FlowId, ConnectionEnd) {
        let _ = stream.set_nodelay(true);
        let (mut framer, mut buffer) = (Framer::new(), vec![0; READ_MAX]);
        let (mut latest, mut patience) = (self.clock.mono(), FIRST_PATIENCE);
        loop {
            let until = framer.poll_timeout().map_or(latest + patience, |at| at.min(latest + patience));
            let read = tokio::select! {
                bytes = self.waiting.recv() => {
                    // The hall has closed us.
                    let Some(bytes) = bytes else { return self.end(None, ConnectionEnd::Refused).await };
                    if !write(&mut stream, &bytes).await {
                        return self.end(Some(bytes), ConnectionEnd::Stuck).await;
                    }
                    continue;
                }
                read = stream.read(&mut buffer) => Some(read),
                () = tokio::time::sleep_until(self.clock.std(until).into()) => None,
            };
            let now = self.clock.mono();
            match read {
                Some(Ok(0) | Err(_)) => return self.end(None, ConnectionEnd::Left).await,
                Some(Ok(length)) => {
                    latest = now;
                    self.heard.store(millis(now), Ordering::Relaxed);
                    framer.handle_bytes(now, buffer.get(..length).unwrap_or_default());
                }
                None if latest + patience <= now => return self.end(None, ConnectionEnd::Silent).await,
                None => framer.handle_timeout(now),
            }
            while let Some(frame) = framer.poll_frame() {
                match frame {
                    Frame::Message(bytes) => {
                        patience = IDLE_PATIENCE;
                        if self.news.send(News::Message(self.flow, self.peer, bytes)).await.is_err() {
                            return self.end(None, ConnectionEnd::Refused).await;
                        }
                    }
                    Frame::Ping => {
                        if !write(&mut stream, PONG).await {
                            return self.end(None, ConnectionEnd::Stuck).await;
                        }
                    }
                    Frame::Lost { head, fault } => {
                        let why = if fault == sip::message::Fault::TooSlow { ConnectionEnd::Slow } else { ConnectionEnd::Unreadable };
                        let spoke = patience == IDLE_PATIENCE;
                        return self.linger(stream, head, spoke, why).await;
                    }
                }
            }
        }
    }

    /// The stream cannot be read any further: its requests get their answers, then it is closed. Until the peer has closed it too, what it
    /// still sends is thrown away; else the system would take back the answers with the connection. Who never said anything gets nothing.
    async fn linger(mut self, mut stream: TcpStream, head: Bytes, spoke: bool, why: ConnectionEnd) -> (FlowId, ConnectionEnd) {
        let answered = spoke || !head.is_empty();
        let last = if head.is_empty() { News::Unreadable } else { News::Message(self.flow, self.peer, head) };
        let _ = self.news.send(last).await;
        if !answered {
            return self.end(None, why).await;
        }
        let mut patience = LINGER;
        while let Ok(Some(answer)) = timeout(patience, self.waiting.recv()).await {
            write(&mut stream, &answer).await;
            patience = BREATH;
        }
        let _ = stream.shutdown().await;
        let mut rest = [0; READ_MAX];
        let gone = async { while matches!(stream.read(&mut rest).await, Ok(length) if length > 0) {} };
        let _ = timeout(LINGER, gone).await;
        self.end(None, why).await
    }
}

/// Whether all of it was taken in time.
async fn write(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    matches!(timeout(WRITE_PATIENCE, stream.write_all(bytes)).await, Ok(Ok(())))
}

fn millis(at: Instant) -> u64 {
    at.as_nanos() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream as Plain};

    /// The thread with a door, and what it says.
    struct Door {
        at: SocketAddr,
        orders: mpsc::Sender<Order>,
        news: mpsc::Receiver<News>,
    }

    impl Door {
        fn open() -> Door {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let at = listener.local_addr().unwrap();
            let (orders, news) = start(Clock::start(), Some(listener)).unwrap();
            Door { at, orders, news }
        }
        fn phone(&mut self) -> (Plain, FlowId) {
            let phone = Plain::connect(self.at).unwrap();
            phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let Some(News::Opened(flow, from)) = self.news.blocking_recv() else { panic!("nobody came") };
            assert_eq!(from, phone.local_addr().unwrap());
            (phone, flow)
        }
        fn message(&mut self) -> (FlowId, Bytes) {
            match self.news.blocking_recv() {
                Some(News::Message(flow, _, bytes)) => (flow, bytes),
                _ => panic!("no message"),
            }
        }
        fn closed(&mut self) -> (FlowId, ConnectionEnd) {
            match self.news.blocking_recv() {
                Some(News::Closed(flow, why)) => (flow, why),
                _ => panic!("nothing was closed"),
            }
        }
        fn send(&self, flow: FlowId, to: SocketAddr, text: &'static str) {
            assert!(self.orders.try_send(Order::Send { flow, to, bytes: Bytes::from(text) }).is_ok());
        }
    }

    const OPTIONS: &str = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn messages_come_and_answers_go_on_the_same_connection() {
        let mut door = Door::open();
        let (mut phone, flow) = door.phone();
        phone.write_all(format!("\r\n\r\n{OPTIONS}{OPTIONS}").as_bytes()).unwrap();
        let mut pong = [0; 2];
        phone.read_exact(&mut pong).unwrap();
        assert_eq!(pong, *PONG);
        assert_eq!(door.message(), (flow, Bytes::from(OPTIONS)));
        assert_eq!(door.message(), (flow, Bytes::from(OPTIONS)));
        // By its id, and by its address.
        door.send(flow, "127.0.0.1:9".parse().unwrap(), "one");
        door.send(FlowId::TCP, phone.local_addr().unwrap(), "two");
        let mut heard = [0; 6];
        phone.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"onetwo");
        drop(phone);
        assert_eq!(door.closed(), (flow, ConnectionEnd::Left));
    }

    #[test]
    fn a_connection_is_made_where_there_is_none_and_used_again() {
        let mut door = Door::open();
        let there = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = there.local_addr().unwrap();
        door.send(FlowId::TCP, to, "one");
        door.send(FlowId(99), to, "two");
        let (mut phone, _) = there.accept().unwrap();
        let mut heard = [0; 6];
        phone.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"onetwo");
        phone.write_all(OPTIONS.as_bytes()).unwrap();
        assert_eq!(door.message().1, OPTIONS);
    }

    #[test]
    fn what_nobody_takes_comes_back() {
        let mut door = Door::open();
        let closed = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        door.send(FlowId::TCP, closed, "one");
        assert!(matches!(door.news.blocking_recv(), Some(News::Unsent(bytes)) if bytes == "one"));
        assert_eq!(door.closed().1, ConnectionEnd::Unreachable);
    }

    #[test]
    fn who_is_told_to_go_is_gone() {
        let mut door = Door::open();
        let (mut phone, flow) = door.phone();
        assert!(door.orders.try_send(Order::Close(flow)).is_ok());
        assert_eq!(phone.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(door.closed(), (flow, ConnectionEnd::Refused));
    }

    #[test]
    fn a_stream_whose_framing_is_lost_gets_its_answer_and_is_closed() {
        let mut door = Door::open();
        let (mut phone, flow) = door.phone();
        let head = "OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n";
        phone.write_all(format!("{head}{OPTIONS}").as_bytes()).unwrap();
        assert_eq!(door.message(), (flow, Bytes::from(head)));
        door.send(flow, phone.local_addr().unwrap(), "400");
        let mut heard = Vec::new();
        phone.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"400");
        drop(phone);
        assert_eq!(door.closed(), (flow, ConnectionEnd::Unreadable));
        // Who never spoke SIP gets nothing at all.
        let (mut stranger, flow) = door.phone();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(matches!(door.news.blocking_recv(), Some(News::Unreadable)));
        assert_eq!(door.closed(), (flow, ConnectionEnd::Unreadable));
        assert_eq!(stranger.read(&mut heard).unwrap_or(0), 0);
    }

    #[test]
    fn one_address_has_so_many_connections_and_loses_the_one_that_is_silent() {
        let mut door = Door::open();
        let (mut first, busy) = door.phone();
        let (_second, silent) = door.phone();
        let others: Vec<_> = (2..OF_ONE_SOURCE_MAX).map(|_| door.phone()).collect();
        first.write_all(OPTIONS.as_bytes()).unwrap();
        assert_eq!(door.message().0, busy);
        let more = Plain::connect(door.at).unwrap();
        let mut gone = None;
        for _ in 0..2 {
            match door.news.blocking_recv() {
                Some(News::Opened(..)) => {}
                Some(News::Closed(flow, why)) => gone = Some((flow, why)),
                _ => panic!("something else came"),
            }
        }
        assert_eq!(gone, Some((silent, ConnectionEnd::Refused)));
        drop((others, more));
    }
}
