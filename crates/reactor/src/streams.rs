//! SIP over connections, on one thread of their own, so that a crowd at the door costs the calls in progress nothing.
//!
//! RFC 3261 section 18 and RFC 5626 section 3.5. One task a connection agrees on what is spoken (`tls.rs`, `websocket.rs`), reads, cuts messages out
//! of the stream (`sip::Framer`) and writes what it is given. Another transport is one more [`Door`]. Everything is bounded: connections, in all and of one address; the time a message may take, a connection may be silent, and a
//! peer may take to read; what waits to be written. Who may speak at all the engine says, before it reads a word of theirs.

use crate::clock::Clock;
use crate::tls::{self, Certificate, Look, Met};
use crate::websocket::{self, Browser, Heard};
use bytes::Bytes;
use model::{ConnectionEnd, Event, FlowId, Instant, Transport};
use rustix::net::sockopt;
use sip::framer::{PING, PONG};
use sip::{Frame, Framer};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Connections at once. For the next one that address gives way which has most, unless the newcomer's has as many; then it is closed at the door. Each takes one of the process's files, beside two for each leg's sound.
const CONNECTIONS_MAX: usize = 512;
/// Connections of one address: a building of phones behind one router. One more closes the one of them that has been silent longest,
/// because a phone that lost its network leaves a connection behind that nobody will ever close.
const OF_ONE_SOURCE_MAX: usize = 256;
/// How long a new connection may bring no message. Line breaks, which keep the way through a router open, are none.
const FIRST_PATIENCE: Duration = if cfg!(test) { Duration::from_secs(11) } else { Duration::from_secs(30) };
/// How long TLS and WebSocket may take to agree, each.
const AGREE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be silent. Phones that want to be reached through it say something every two minutes.
const IDLE_PATIENCE: Duration = Duration::from_secs(1800);
/// How long a connection may take to come about, with TLS agreed on: so that who waits for the first answer to a call, a second and a half, learns
/// before that that it has reached nobody.
const CONNECT_PATIENCE: Duration = Duration::from_millis(1400);
/// How long nothing may go over a connection that we made before a ping does, so that routers on the way keep it (RFC 5626 section 4.4.1: 95 to 120
/// seconds). Whoever does not know pings passes over it.
const PING_AFTER: Duration = if cfg!(test) { Duration::from_secs(1) } else { Duration::from_secs(100) };
/// A connection over which nothing goes is asked by the system whether its other end is there: first after so long, then so often, so many times. A
/// phone that lost its power or its network is missed within a minute and its calls go elsewhere; who is there need not do anything.
const ASK_AFTER: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_secs(10);
const ASKS: u32 = 3;
/// How long a peer may leave what we sent unacknowledged, in milliseconds.
const UNACKNOWLEDGED_MILLIS: u32 = 20_000;
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
/// Connections that stand between their door and the hall.
const KNOCKS_MAX: usize = 8;
/// The number of the first connection; 0 is no connection, and 1 any ([`FlowId::any`]).
const FIRST: u64 = 2;
/// How long nobody is let in after the system had no file for a newcomer, and how long a last answer may follow another.
const BREATH: Duration = Duration::from_millis(200);

/// Something for the thread.
pub(crate) enum Order {
    /// Send a message on that connection; if it is gone, on any that leads to `to`, or on a new one.
    Send { flow: FlowId, to: SocketAddr, bytes: Bytes },
    /// Close that connection.
    Close(FlowId),
    /// Connect by TLS to these only, and to no others from here on.
    Trust(BTreeMap<SocketAddr, Met>),
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
    /// Something to be counted.
    Note(Event),
}

/// How many may wait at a door until they are let in. The standard library's 128 are soon taken by a crowd that comes again and again, and whoever
/// comes then is lost.
const KNOCKING_MAX: i32 = 1024;

/// A socket that listens.
///
/// # Errors
/// What the system says.
pub fn listen(at: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(at)?;
    // Listening again changes nothing but the length of the queue (listen(2)).
    rustix::net::listen(&listener, KNOCKING_MAX)?;
    Ok(listener)
}

/// A way in.
pub struct Door {
    /// What is spoken there: anything but [`Transport::Udp`]. TLS needs [`Doors::certificate`].
    pub transport: Transport,
    /// Where.
    pub listener: std::net::TcpListener,
}

/// All ways in.
#[derive(Default)]
pub struct Doors {
    /// Without any, connections are only made.
    pub doors: Vec<Door>,
    /// For TLS.
    pub certificate: Option<Certificate>,
    /// The web pages whose browsers may connect by WebSocket (RFC 6454 section 6.1: `https://desk.example.jp`); none: all of them.
    pub origins: Vec<String>,
}

/// The other ends of the thread's channels.
pub(crate) struct Ends {
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) news: mpsc::Receiver<News>,
    /// Has the certificate read again.
    pub(crate) reread: mpsc::Sender<()>,
}

/// Starts the thread.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn start(clock: Clock, doors: Doors) -> io::Result<Ends> {
    let (orders, inbox) = mpsc::channel(ORDERS_MAX);
    let (news, heard) = mpsc::channel(NEWS_MAX);
    let (reread, asked) = mpsc::channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for door in &doors.doors {
        door.listener.set_nonblocking(true)?;
    }
    std::thread::Builder::new().name("streams".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let Doors { doors, certificate, origins } = doors;
            let mut keepers = JoinSet::new();
            let (knock, knocks) = mpsc::channel(KNOCKS_MAX);
            for Door { transport, listener } in doors {
                match TcpListener::from_std(listener) {
                    Ok(listener) => drop(keepers.spawn(keep(transport, listener, knock.clone()))),
                    Err(fault) => tracing::error!(%fault, ?transport, "SIP cannot be heard there"),
                }
            }
            let hall = Hall {
                clock,
                news,
                lines: BTreeMap::new(),
                ways: BTreeMap::new(),
                trusted: BTreeMap::new(),
                tasks: JoinSet::new(),
                made: FIRST,
                certificate,
                origins: origins.into(),
            };
            hall.attend(knocks, inbox, asked).await;
        });
    })?;
    Ok(Ends { orders, news: heard, reread })
}

/// Lets in whoever comes to one door, no faster than they are taken.
async fn keep(transport: Transport, listener: TcpListener, knock: mpsc::Sender<(Transport, TcpStream, SocketAddr)>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if knock.send((transport, stream, peer)).await.is_err() {
                    return;
                }
            }
            Err(fault) => {
                tracing::warn!(%fault, "a connection could not be taken");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// All connections.
struct Hall {
    clock: Clock,
    news: mpsc::Sender<News>,
    lines: BTreeMap<FlowId, Line>,
    /// The newest connection that we made to each address. Whoever has come from there is spoken to by those who name that connection, and by nobody else:
    /// it need not be whom they mean (RFC 5923 section 4).
    ways: BTreeMap<(Transport, SocketAddr), FlowId>,
    /// Who must be met where we connect by TLS.
    trusted: BTreeMap<SocketAddr, Met>,
    tasks: JoinSet<(FlowId, ConnectionEnd)>,
    /// The number of the next one.
    made: u64,
    /// What newcomers are met with.
    certificate: Option<Certificate>,
    origins: Arc<[String]>,
}

/// One connection, as the hall knows it. Dropping it closes it.
struct Line {
    peer: SocketAddr,
    out: mpsc::Sender<Bytes>,
    /// When something came last, in milliseconds of the clock.
    heard: Arc<AtomicU64>,
}

/// What must be agreed on before a newcomer's first message.
struct Manners {
    tls: Option<Arc<ServerConfig>>,
    /// The pages whose browsers may come, for WebSocket.
    web: Option<Arc<[String]>>,
}

impl Hall {
    async fn attend(
        mut self,
        mut knocks: mpsc::Receiver<(Transport, TcpStream, SocketAddr)>,
        mut inbox: mpsc::Receiver<Order>,
        asked: mpsc::Receiver<()>,
    ) {
        let (tell, mut looks) = mpsc::channel(1);
        if let Some(certificate) = &self.certificate {
            let _ = self.news.send(News::Note(Event::Certificate { expires: certificate.expires })).await;
            tokio::spawn(tls::watch(certificate.known(), asked, tell));
        }
        loop {
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(Order::Send { flow, to, bytes }) => self.send(flow, to, bytes).await,
                    Some(Order::Close(flow)) => self.forget(flow),
                    Some(Order::Trust(trusted)) => self.trusted = trusted,
                    // The signalling thread is gone.
                    None => return,
                },
                Some(Ok((flow, why))) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.forget(flow);
                    let _ = self.news.send(News::Closed(flow, why)).await;
                }
                Some((transport, stream, peer)) = knocks.recv() => self.welcome(transport, stream, peer).await,
                Some(look) = looks.recv() => self.renew(look).await,
            }
        }
    }

    /// The certificate's files have changed.
    async fn renew(&mut self, look: Look) {
        let event = match look {
            Look::Another(certificate) => {
                let expires = certificate.expires;
                self.certificate = Some(*certificate);
                Event::Certificate { expires }
            }
            Look::Refused(why) => {
                tracing::error!(why, "the TLS certificate was changed into one that cannot be used; the one before stays in force");
                Event::CertificateRefused
            }
        };
        let _ = self.news.send(News::Note(event)).await;
    }

    /// Somebody is at a door.
    async fn welcome(&mut self, transport: Transport, stream: TcpStream, peer: SocketAddr) {
        let count = self.lines.values().filter(|line| line.peer.ip() == peer.ip()).count();
        if count >= OF_ONE_SOURCE_MAX {
            self.forget_silent(peer.ip());
        } else if self.lines.len() >= CONNECTIONS_MAX
            && let Some((greediest, most)) = self.greediest()
            && most > count + 1
        {
            self.forget_silent(greediest);
        }
        let (flow, talk) = self.open(transport, peer, false);
        if self.lines.len() > CONNECTIONS_MAX {
            self.forget(flow);
            let _ = self.news.send(News::Closed(flow, ConnectionEnd::Crowded)).await;
            return;
        }
        let certificate = self.certificate.as_ref().map(|certificate| match transport {
            Transport::Wss => Arc::clone(&certificate.browsers),
            Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws => Arc::clone(&certificate.phones),
        });
        let web = matches!(transport, Transport::Ws | Transport::Wss).then(|| Arc::clone(&self.origins));
        let manners = Manners { tls: certificate.filter(|_| transport.is_secure()), web };
        self.tasks.spawn(async move {
            let _ = talk.news.send(News::Opened(flow, peer)).await;
            talk.meet(stream, manners).await
        });
    }

    /// The address that has most connections, and how many.
    fn greediest(&self) -> Option<(IpAddr, usize)> {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.lines.values().for_each(|line| *counts.entry(line.peer.ip()).or_default() += 1);
        counts.into_iter().max_by_key(|(_, count)| *count)
    }

    /// Closes the connection of that address which has been silent longest.
    fn forget_silent(&mut self, of: IpAddr) {
        let theirs = self.lines.iter().filter(|(_, line)| line.peer.ip() == of);
        let silent = theirs.min_by_key(|(_, line)| line.heard.load(Ordering::Relaxed)).map(|(flow, _)| *flow);
        silent.into_iter().for_each(|flow| self.forget(flow));
    }

    /// Notes a connection that is to be made or was made; whether it was by us.
    fn open(&mut self, transport: Transport, peer: SocketAddr, ours: bool) -> (FlowId, Talk) {
        let flow = FlowId::connection(transport, self.made);
        self.made += 1;
        let (out, waiting) = mpsc::channel(WAITING_MAX);
        let heard = Arc::new(AtomicU64::new(millis(self.clock.mono())));
        self.lines.insert(flow, Line { peer, out, heard: Arc::clone(&heard) });
        if ours {
            self.ways.insert((transport, peer), flow);
        }
        (flow, Talk { flow, peer, clock: self.clock, waiting, news: self.news.clone(), heard })
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(line) = self.lines.remove(&flow)
            && self.ways.get(&(flow.transport(), line.peer)) == Some(&flow)
        {
            self.ways.remove(&(flow.transport(), line.peer));
        }
    }

    async fn send(&mut self, flow: FlowId, to: SocketAddr, bytes: Bytes) {
        let transport = flow.transport();
        // By TLS only who is known is called; a Contact may name another port of theirs, or another machine's.
        let met = if transport == Transport::Tls { self.met_at(to) } else { None };
        let to = met.as_ref().map_or(to, |(at, _)| *at);
        // A carrier's other machine is called where it is; whoever else stays in between is behind the connection that was made to us.
        let here = self.lines.get(&flow).filter(|line| met.is_none() || line.peer.ip() == to.ip());
        let known = if here.is_some() { Some(flow) } else { self.ways.get(&(transport, to)).copied() };
        let may_dial = transport.can_dial() || met.is_some();
        let flow = match known {
            Some(flow) => flow,
            None if !may_dial || self.lines.len() >= CONNECTIONS_MAX => return self.unsent(bytes).await,
            None => {
                let (flow, talk) = self.open(transport, to, true);
                self.tasks.spawn(talk.dial(met.map(|(_, met)| met)));
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

    /// Whom we must meet when we connect there by TLS, and where: at another port of the same host, if that is where they are known.
    fn met_at(&self, to: SocketAddr) -> Option<(SocketAddr, Met)> {
        let exact = self.trusted.get_key_value(&to);
        let (at, met) = exact.or_else(|| self.trusted.iter().find(|(at, _)| at.ip() == to.ip()))?;
        Some((*at, met.clone()))
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
    /// Connects, meets whom it must by TLS, then talks.
    async fn dial(self, met: Option<Met>) -> (FlowId, ConnectionEnd) {
        let peer = self.peer;
        let connect = async {
            let stream = TcpStream::connect(peer).await.map_err(|_| ConnectionEnd::Unreachable)?;
            mind(&stream);
            Ok::<TcpStream, ConnectionEnd>(stream)
        };
        let Some(met) = met else {
            return match timeout(CONNECT_PATIENCE, connect).await.unwrap_or(Err(ConnectionEnd::Unreachable)) {
                Ok(stream) => self.run(stream, Some(PING_AFTER)).await,
                Err(why) => self.end(None, why).await,
            };
        };
        let secure = async {
            let stream = connect.await?;
            met.meet(stream).await.map_err(|why| {
                tracing::error!(%peer, name = met.name, why, "a carrier cannot be called: the TLS connection to it was not agreed on");
                ConnectionEnd::NotAgreed
            })
        };
        match timeout(CONNECT_PATIENCE, secure).await.unwrap_or(Err(ConnectionEnd::Unreachable)) {
            Ok(stream) => self.run(stream, Some(PING_AFTER)).await,
            Err(why) => self.end(None, why).await,
        }
    }

    /// Agrees with a newcomer on what is spoken, then talks.
    async fn meet(mut self, stream: TcpStream, manners: Manners) -> (FlowId, ConnectionEnd) {
        mind(&stream);
        match manners.tls {
            None => self.settle(stream, manners.web).await,
            Some(config) => match self.agree(TlsAcceptor::from(config).accept(stream)).await {
                Ok(stream) => self.settle(stream, manners.web).await,
                Err(why) => self.end(None, why).await,
            },
        }
    }

    /// The second half: a browser has one more thing to agree on.
    async fn settle<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: S, web: Option<Arc<[String]>>) -> (FlowId, ConnectionEnd) {
        let Some(origins) = web else { return self.run(stream, None).await };
        match self.agree(websocket::accept(stream, &origins)).await {
            Ok(socket) => self.chat(Browser::new(socket)).await,
            Err(why) => self.end(None, why).await,
        }
    }

    /// Waits until something is agreed on, unless that takes too long or the hall wants none of them.
    async fn agree<T, E: std::fmt::Display>(&mut self, agreement: impl Future<Output = Result<T, E>>) -> Result<T, ConnectionEnd> {
        let mut agreement = std::pin::pin!(timeout(AGREE_PATIENCE, agreement));
        loop {
            tokio::select! {
                agreed = &mut agreement => return match agreed {
                    Ok(Ok(agreed)) => Ok(agreed),
                    Ok(Err(fault)) => {
                        tracing::info!(%fault, peer = %self.peer.ip(), "a phone and we could not agree on how to speak");
                        Err(ConnectionEnd::NotAgreed)
                    }
                    Err(_) => Err(ConnectionEnd::Slow),
                },
                bytes = self.waiting.recv() => match bytes {
                    // Nobody can be reached here yet.
                    Some(bytes) => drop(self.news.send(News::Unsent(bytes)).await),
                    None => return Err(ConnectionEnd::Refused),
                },
            }
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

    /// Talks until it is over. A connection that we made is kept open by pings, once it has been silent for so long.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: S, ping_after: Option<Duration>) -> (FlowId, ConnectionEnd) {
        let (mut framer, mut buffer) = (Framer::new(), vec![0; READ_MAX]);
        let mut latest = self.clock.mono();
        let mut used = latest;
        // Line breaks alone are nothing to stay for.
        let mut first = ping_after.is_none().then(|| latest + FIRST_PATIENCE);
        loop {
            let ping = ping_after.map(|after| used + after);
            let until = [framer.poll_timeout(), ping, first].into_iter().flatten().fold(latest + IDLE_PATIENCE, Instant::min);
            let read = tokio::select! {
                bytes = self.waiting.recv() => {
                    // The hall has closed us.
                    let Some(bytes) = bytes else { return self.end(None, ConnectionEnd::Refused).await };
                    if !write(&mut stream, &bytes).await {
                        return self.end(Some(bytes), ConnectionEnd::Stuck).await;
                    }
                    used = self.clock.mono();
                    continue;
                }
                read = stream.read(&mut buffer) => Some(read),
                () = tokio::time::sleep_until(self.clock.std(until).into()) => None,
            };
            let now = self.clock.mono();
            match read {
                Some(Ok(0) | Err(_)) => return self.end(None, ConnectionEnd::Left).await,
                Some(Ok(length)) => {
                    (latest, used) = (now, now);
                    self.heard.store(millis(now), Ordering::Relaxed);
                    framer.handle_bytes(now, buffer.get(..length).unwrap_or_default());
                }
                None if latest + IDLE_PATIENCE <= now || first.is_some_and(|at| at <= now) => {
                    return self.end(None, ConnectionEnd::Silent).await;
                }
                None if ping.is_some_and(|at| at <= now) => {
                    used = now;
                    if !write(&mut stream, PING).await {
                        return self.end(None, ConnectionEnd::Stuck).await;
                    }
                }
                None => framer.handle_timeout(now),
            }
            while let Some(frame) = framer.poll_frame() {
                match frame {
                    Frame::Message(bytes) => {
                        first = None;
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
                        let spoke = first.is_none();
                        return self.linger(stream, head, spoke, why).await;
                    }
                }
            }
        }
    }

    /// As [`Talk::run`], with a browser, whose messages come whole.
    async fn chat<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut browser: Browser<S>) -> (FlowId, ConnectionEnd) {
        let mut latest = self.clock.mono();
        let mut first = Some(latest + FIRST_PATIENCE);
        loop {
            let until = [browser.poll_timeout(), first].into_iter().flatten().fold(latest + IDLE_PATIENCE, Instant::min);
            let heard = tokio::select! {
                bytes = self.waiting.recv() => {
                    let Some(bytes) = bytes else {
                        browser.close().await;
                        return self.end(None, ConnectionEnd::Refused).await;
                    };
                    if !browser.say(&bytes).await {
                        return self.end(Some(bytes), ConnectionEnd::Stuck).await;
                    }
                    continue;
                }
                heard = browser.hear() => Some(heard),
                () = tokio::time::sleep_until(self.clock.std(until).into()) => None,
            };
            let now = self.clock.mono();
            let Some(heard) = heard else {
                let silent = latest + IDLE_PATIENCE <= now || first.is_some_and(|at| at <= now);
                let why = if silent { ConnectionEnd::Silent } else { ConnectionEnd::Slow };
                return self.end(None, why).await;
            };
            latest = now;
            self.heard.store(millis(now), Ordering::Relaxed);
            match heard {
                Heard::Part => browser.handle_part(now),
                Heard::Sign => {}
                Heard::Message(bytes) if bytes == PING => {
                    if !browser.pong().await {
                        return self.end(None, ConnectionEnd::Stuck).await;
                    }
                }
                Heard::Message(bytes) => {
                    first = None;
                    if self.news.send(News::Message(self.flow, self.peer, bytes)).await.is_err() {
                        return self.end(None, ConnectionEnd::Refused).await;
                    }
                }
                Heard::End(why) => return self.end(None, why).await,
            }
        }
    }

    /// The stream cannot be read any further: its requests get their answers, then it is closed. Until the peer has closed it too, what it
    /// still sends is thrown away; else the system would take back the answers with the connection. Who never said anything gets nothing.
    async fn linger<S>(mut self, mut stream: S, head: Bytes, spoke: bool, why: ConnectionEnd) -> (FlowId, ConnectionEnd)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
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

/// Nothing waits for more to go with it, and an end that is gone is missed. A system that cannot do so loses no call by it.
fn mind(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let asked = sockopt::set_socket_keepalive(stream, true)
        .and_then(|()| sockopt::set_tcp_keepidle(stream, ASK_AFTER))
        .and_then(|()| sockopt::set_tcp_keepintvl(stream, ASK_EVERY))
        .and_then(|()| sockopt::set_tcp_keepcnt(stream, ASKS))
        .and_then(|()| sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MILLIS));
    if let Err(fault) = asked {
        tracing::debug!(%fault, "a connection whose end is gone will be missed late");
    }
}

/// Whether all of it was taken in time.
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> bool {
    taken(async {
        stream.write_all(bytes).await?;
        // TLS keeps records back until it is told.
        stream.flush().await
    })
    .await
}

/// Whether a peer takes what is written in time.
pub(crate) async fn taken<E>(writing: impl Future<Output = Result<(), E>>) -> bool {
    matches!(timeout(WRITE_PATIENCE, writing).await, Ok(Ok(())))
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
            let ways_in = Doors { doors: vec![super::Door { transport: Transport::Tcp, listener }], ..Doors::default() };
            let Ends { orders, news, .. } = start(Clock::start(), ways_in).unwrap();
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
        // By its id. Whoever is called at its address is somebody else, as far as we know.
        door.send(FlowId::TCP, phone.local_addr().unwrap(), "one");
        assert!(matches!(door.news.blocking_recv(), Some(News::Unsent(bytes)) if bytes == "one"));
        assert_eq!(door.closed().1, ConnectionEnd::Unreachable);
        door.send(flow, "127.0.0.1:9".parse().unwrap(), "two");
        let mut heard = [0; 3];
        phone.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"two");
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
        // And kept open while nobody says anything; an answer to that is no message.
        for _ in 0..2 {
            let mut ping = [0; 4];
            phone.read_exact(&mut ping).unwrap();
            assert_eq!(ping, *PING);
            phone.write_all(PONG).unwrap();
        }
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
    fn line_breaks_are_nothing_to_stay_for() {
        let mut door = Door::open();
        let (mut phone, flow) = door.phone();
        let began = std::time::Instant::now();
        let mut pong = [0; 2];
        while phone.write_all(PING).is_ok() && phone.read_exact(&mut pong).is_ok() {
            assert!(began.elapsed() < Duration::from_secs(30), "it is kept");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(door.closed(), (flow, ConnectionEnd::Silent));
    }

    #[test]
    fn whoever_has_said_something_may_be_silent_and_keep_its_way_open() {
        let mut door = Door::open();
        let (mut phone, flow) = door.phone();
        phone.write_all(OPTIONS.as_bytes()).unwrap();
        assert_eq!(door.message().0, flow);
        std::thread::sleep(FIRST_PATIENCE + Duration::from_millis(500));
        phone.write_all(PING).unwrap();
        let mut pong = [0; 2];
        phone.read_exact(&mut pong).unwrap();
    }

    #[test]
    fn a_crowd_of_few_addresses_gives_way_to_others() {
        let mut door = Door::open();
        let from = |host: u8| {
            let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
            rustix::net::bind_v4(&socket, &std::net::SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0)).unwrap();
            rustix::net::connect(&socket, &door.at).unwrap();
            Plain::from(socket)
        };
        let crowd: Vec<_> = (0..CONNECTIONS_MAX).map(|n| from(if n % 2 == 0 { 2 } else { 3 })).collect();
        let newcomer = from(4);
        let (mut opened, mut gone) = (Vec::new(), Vec::new());
        while opened.len() <= CONNECTIONS_MAX || gone.is_empty() {
            match door.news.blocking_recv() {
                Some(News::Opened(flow, from)) => opened.push((flow, from)),
                Some(News::Closed(flow, why)) => gone.push((flow, why)),
                _ => panic!("something else came"),
            }
        }
        assert!(opened.iter().any(|(_, from)| *from == newcomer.local_addr().unwrap()), "the newcomer is let in");
        let [(flow, why)] = gone[..] else { panic!("{gone:?}") };
        let whose = opened.iter().find(|(of, _)| *of == flow).unwrap().1.ip();
        assert!(crowd.iter().any(|phone| phone.local_addr().unwrap().ip() == whose) && why == ConnectionEnd::Refused);
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
