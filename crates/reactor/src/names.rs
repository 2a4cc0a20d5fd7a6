//! Names of carriers: where they are is asked ahead, and again before the answer has run out, so that no call waits for it.
//!
//! RFC 3263 section 4: NAPTR says by what, SRV says where (RFC 2782), A and AAAA say which machine. When nobody answers, what was known
//! last stays in force (RFC 8767): a carrier's address of yesterday is better than none.

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::TokioResolver;
#[cfg(test)]
use hickory_resolver::config::NameServerConfig;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use model::{HostName, Machine, Random, Transport};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Machines of one name; those that come after are not needed.
const TARGETS_MAX: usize = 16;
/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 32;
/// How long an answer counts, whatever it says.
const SHORTEST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);
/// How soon is asked again when nobody answered.
const AGAIN: Duration = Duration::from_secs(15);
/// Wishes and answers on their way.
const WISHES_MAX: usize = 16;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The default ports of SIP (RFC 3261 section 19.1.2).
fn default_port(transport: Transport) -> u16 {
    if transport.is_secure() { 5061 } else { 5060 }
}

/// A name and its machines, the one to be tried first at the front.
pub(crate) type Leads = (HostName, Vec<Machine>);

/// Starts the thread that asks. It takes the names that are wanted, each time all of them, and tells where they lead.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub(crate) fn start(mut random: Random) -> io::Result<(mpsc::Sender<BTreeSet<HostName>>, mpsc::Receiver<Leads>)> {
    let (want, mut wanted) = mpsc::channel::<BTreeSet<HostName>>(WISHES_MAX);
    let (tell, found) = mpsc::channel(WISHES_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("names".to_owned()).spawn(move || {
        runtime.block_on(async move {
            // A city without names reads no resolv.conf and opens no socket.
            let mut names: Option<Names> = None;
            loop {
                let due = names.as_ref().and_then(Names::poll_timeout);
                tokio::select! {
                    wish = wanted.recv() => {
                        // The signalling thread is gone.
                        let Some(wish) = wish else { return };
                        if names.is_none() {
                            names = Names::of_this_machine(random.fork()).inspect_err(|why| tracing::error!(why, "names of trunks cannot be found")).ok();
                        }
                        if let Some(names) = &mut names {
                            names.want(Instant::now(), wish);
                        }
                    }
                    () = async { match due { Some(due) => tokio::time::sleep_until(due.into()).await, None => std::future::pending().await } } => {
                        if let Some(names) = &mut names {
                            names.ask(Instant::now());
                        }
                    }
                    change = async { match &mut names { Some(names) => names.answered().await, None => std::future::pending().await } } => match change {
                        Some(Change::Leads(name, machines)) => {
                            let told = tell.send((name, machines)).await;
                            if told.is_err() {
                                return;
                            }
                        }
                        Some(Change::Unanswered(name, why)) => {
                            tracing::error!(name = name.host, why, "a trunk's name cannot be found; where it led before stays in force, if it was ever found");
                        }
                        None => {}
                    }
                }
            }
        });
    })?;
    Ok((want, found))
}

/// What a name leads to: the best first, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Each place once, in the order in which they are to be tried.
    pub(crate) places: Vec<Machine>,
    /// For how long.
    pub(crate) holds: Duration,
}

/// Asks the name servers of this machine.
pub(crate) struct Names {
    resolver: TokioResolver,
    random: Random,
    known: BTreeMap<HostName, Known>,
    /// Side by side, so that a name for which nobody answers holds no other one back.
    questions: FuturesUnordered<Question>,
}

/// A name that is asked for, since when, and where it leads.
type Question = BoxFuture<'static, (HostName, Instant, Result<Found, String>)>;

struct Known {
    found: Option<Found>,
    /// When to ask again.
    due: Instant,
    /// It is being asked for.
    asked: bool,
    /// Whether the last question was in vain.
    stale: bool,
}

/// Something about a name has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It leads elsewhere.
    Leads(HostName, Vec<Machine>),
    /// Nobody answered; what was known stays, if anything was.
    Unanswered(HostName, String),
}

impl Names {
    /// Asks the servers of `/etc/resolv.conf`.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub(crate) fn of_this_machine(random: Random) -> Result<Names, String> {
        let (config, options) = hickory_resolver::system_conf::read_system_conf()
            .map_err(|fault| format!("/etc/resolv.conf cannot be used: {fault}. Names of trunks need a name server"))?;
        Names::with(config, options, random)
    }

    /// Asks one server, by UDP and by TCP.
    ///
    /// # Errors
    /// When a socket cannot be made.
    #[cfg(test)]
    pub(crate) fn of(server: SocketAddr, random: Random) -> Result<Names, String> {
        let mut server_config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut server_config.connections {
            connection.port = server.port();
        }
        Names::with(ResolverConfig::from_name_servers(vec![server_config]), ResolverOpts::default(), random)
    }

    fn with(config: ResolverConfig, mut options: ResolverOpts, random: Random) -> Result<Names, String> {
        // Names stand in the city's files in full, and what is known is kept here.
        (options.timeout, options.attempts, options.cache_size, options.ndots) = (PATIENCE, 1, 0, 0);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|fault| format!("names cannot be looked up: {fault}"))?;
        Ok(Names { resolver, random, known: BTreeMap::new(), questions: FuturesUnordered::new() })
    }

    /// These names, and no others, are asked for from here on.
    pub(crate) fn want(&mut self, now: Instant, wanted: BTreeSet<HostName>) {
        self.known.retain(|name, _| wanted.contains(name));
        for name in wanted {
            self.known.entry(name).or_insert(Known { found: None, due: now, asked: false, stale: false });
        }
    }

    /// When [`Names::ask`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.known.values().filter(|known| !known.asked).map(|known| known.due).min()
    }

    /// Asks for whatever is due at `now`.
    pub(crate) fn ask(&mut self, now: Instant) {
        for (name, known) in self.known.iter_mut().filter(|(_, known)| !known.asked && known.due <= now) {
            known.asked = true;
            let (resolver, wanted, mut random) = (self.resolver.clone(), name.clone(), self.random.fork());
            self.questions.push(Box::pin(async move {
                let answer = find(&resolver, &wanted, &mut random).await;
                (wanted, now, answer)
            }));
        }
    }

    /// What changes with the next answer, if anything does; never, while nothing is asked.
    pub(crate) async fn answered(&mut self) -> Option<Change> {
        if self.questions.is_empty() {
            std::future::pending::<()>().await;
        }
        let (wanted, since, answer) = self.questions.next().await?;
        let known = self.known.get_mut(&wanted)?;
        known.asked = false;
        match answer {
            Ok(found) => {
                // Before it has run out: nobody is to meet a name that is just being asked for.
                known.due = since + found.holds.mul_f32(0.9);
                known.stale = false;
                let before = known.found.replace(found.clone());
                let same = before.is_some_and(|before| same(&before.places, &found.places));
                (!same).then_some(Change::Leads(wanted, found.places))
            }
            Err(why) => {
                known.due = since + AGAIN;
                (!std::mem::replace(&mut known.stale, true)).then_some(Change::Unanswered(wanted, why))
            }
        }
    }
}

/// Whether two answers lead to the same places: the order among equals is drawn anew each time.
fn same(a: &[Machine], b: &[Machine]) -> bool {
    a.len() == b.len() && a.iter().all(|place| b.contains(place))
}

/// Where a name leads (section 4).
async fn find(resolver: &TokioResolver, wanted: &HostName, random: &mut Random) -> Result<Found, String> {
    let host = wanted.host.trim_end_matches('.');
    if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        let transport = wanted.transport.unwrap_or(Transport::Udp);
        let addr = SocketAddr::new(ip, wanted.port.unwrap_or(default_port(transport)));
        return Ok(Found { places: vec![Machine { transport, addr }], holds: LONGEST });
    }
    let mut holds = LONGEST;
    let mut places = Vec::new();
    if let Some(port) = wanted.port {
        let transport = wanted.transport.unwrap_or(Transport::Udp);
        machines(resolver, host, port, transport, &mut places, &mut holds).await?;
    } else {
        for (transport, service) in services(resolver, wanted, host, &mut holds).await? {
            for (machine, port) in order(srv(resolver, &service, &mut holds).await?, random) {
                // One machine without an address does not hide the others.
                let _ = machines(resolver, &machine, port, transport, &mut places, &mut holds).await;
            }
        }
        if places.is_empty() {
            let transport = wanted.transport.unwrap_or(Transport::Udp);
            machines(resolver, host, default_port(transport), transport, &mut places, &mut holds).await?;
        }
    }
    if places.is_empty() {
        return Err(format!("{host} leads to no machine"));
    }
    Ok(Found { places, holds: holds.clamp(SHORTEST, LONGEST) })
}

/// By what a name is reached, and the names of its SRV records: as its NAPTR records say, or, where there are none, each that we speak.
async fn services(
    resolver: &TokioResolver,
    wanted: &HostName,
    host: &str,
    holds: &mut Duration,
) -> Result<Vec<(Transport, String)>, String> {
    let [udp, tcp, tls] = ["_sip._udp", "_sip._tcp", "_sips._tcp"].map(|service| format!("{service}.{host}"));
    match wanted.transport {
        Some(Transport::Udp) => return Ok(vec![(Transport::Udp, udp)]),
        Some(Transport::Tcp) => return Ok(vec![(Transport::Tcp, tcp)]),
        Some(Transport::Tls) => return Ok(vec![(Transport::Tls, tls)]),
        // No carrier is called by WebSocket.
        Some(Transport::Ws | Transport::Wss) => return Ok(Vec::new()),
        None => {}
    }
    // Who wants TLS says so, in `lines.yaml` or in a NAPTR record.
    let usual = [(Transport::Udp, udp), (Transport::Tcp, tcp)];
    let mut found = Vec::new();
    for (data, ttl) in records(resolver, host, RecordType::NAPTR).await? {
        let RData::NAPTR(naptr) = data else { continue };
        let transport = match naptr.services.to_ascii_uppercase().as_slice() {
            b"SIP+D2U" => Transport::Udp,
            b"SIP+D2T" => Transport::Tcp,
            b"SIPS+D2T" => Transport::Tls,
            _ => continue,
        };
        if naptr.flags.eq_ignore_ascii_case(b"s") {
            *holds = (*holds).min(ttl);
            found.push((naptr.order, naptr.preference, transport, naptr.replacement.to_utf8()));
        }
    }
    found.sort_by_key(|(order, preference, ..)| (*order, *preference));
    Ok(if found.is_empty() { usual.into() } else { found.into_iter().map(|(.., transport, name)| (transport, name)).collect() })
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    priority: u16,
    weight: u16,
    port: u16,
    machine: String,
}

async fn srv(resolver: &TokioResolver, name: &str, holds: &mut Duration) -> Result<Vec<Service>, String> {
    let mut found = Vec::new();
    for (data, ttl) in records(resolver, name, RecordType::SRV).await? {
        let RData::SRV(srv) = data else { continue };
        *holds = (*holds).min(ttl);
        // RFC 2782: a target of "." means "the service is decidedly not available at this domain".
        if !srv.target.is_root() {
            found.push(Service { priority: srv.priority, weight: srv.weight, port: srv.port, machine: srv.target.to_utf8() });
        }
    }
    Ok(found)
}

/// The order in which services are tried (RFC 2782): lowest priority first, and among those of one priority drawn by weight.
fn order(mut services: Vec<Service>, random: &mut Random) -> Vec<(String, u16)> {
    // Weights of 0 first, so that they are drawn now and then only.
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(priority) = services.first().map(|service| service.priority) {
        let group = services.iter().take_while(|service| service.priority == priority);
        let sum: u64 = group.map(|service| u64::from(service.weight)).sum();
        let drawn = random.below(sum + 1);
        let mut running = 0;
        let at = services.iter().position(|service| {
            running += u64::from(service.weight);
            running >= drawn
        });
        let Service { machine, port, .. } = services.remove(at.unwrap_or_default());
        ordered.push((machine, port));
    }
    ordered
}

/// The addresses of a machine, IPv4 first: a city's lines are.
async fn machines(
    resolver: &TokioResolver,
    name: &str,
    port: u16,
    transport: Transport,
    places: &mut Vec<Machine>,
    holds: &mut Duration,
) -> Result<(), String> {
    for kind in [RecordType::A, RecordType::AAAA] {
        for (data, ttl) in records(resolver, name, kind).await? {
            let ip: IpAddr = match data {
                RData::A(a) => a.0.into(),
                RData::AAAA(aaaa) => aaaa.0.into(),
                _ => continue,
            };
            *holds = (*holds).min(ttl);
            let place = Machine { transport, addr: SocketAddr::new(ip, port) };
            if places.len() < TARGETS_MAX && !places.contains(&place) {
                places.push(place);
            }
        }
    }
    Ok(())
}

/// The records of that kind, with how long they count. None is an answer; the error is that there was no answer.
async fn records(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<Vec<(RData, Duration)>, String> {
    let absolute = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
    match resolver.lookup(absolute, kind).await {
        Ok(lookup) => {
            let all = lookup.answers().iter().filter(|record| record.record_type() == kind).take(RECORDS_MAX);
            Ok(all.map(|record| (record.data.clone(), Duration::from_secs(record.ttl.into()))).collect())
        }
        Err(fault) if is_empty(&fault) => Ok(Vec::new()),
        Err(fault) => Err(format!("{kind} of {name}: {fault}")),
    }
}

fn is_empty(fault: &NetError) -> bool {
    fault.is_no_records_found() || fault.is_nx_domain()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
    use hickory_resolver::proto::rr::{Name, Record};
    use std::net::UdpSocket;
    use std::str::FromStr;
    use std::sync::{Arc, Mutex};
    use std::thread::JoinHandle;

    type Zone = Arc<Mutex<Vec<(&'static str, u32, RData)>>>;

    /// A name server that knows one zone, until it is closed.
    struct Server {
        at: SocketAddr,
        zone: Zone,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        fn open(at: &str, zone: Vec<(&'static str, u32, RData)>) -> Server {
            let socket = UdpSocket::bind(at).unwrap();
            let (at, zone) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(zone)));
            let known = Arc::clone(&zone);
            let thread = std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    // A datagram of one byte closes it.
                    let Ok(question) = Message::from_vec(&buffer[..length]) else { return };
                    let query = question.queries[0].clone();
                    if Name::from_str("silent.").unwrap().zone_of(query.name()) {
                        continue;
                    }
                    let mut answer = Message::response(question.metadata.id, OpCode::Query);
                    answer.add_query(query.clone());
                    let known = known.lock().unwrap();
                    let of_name = |name: &str| Name::from_str(name).unwrap() == *query.name();
                    if !known.iter().any(|(name, ..)| of_name(name)) {
                        answer.metadata.response_code = ResponseCode::NXDomain;
                    }
                    for (name, ttl, data) in
                        known.iter().filter(|(name, _, data)| of_name(name) && data.record_type() == query.query_type())
                    {
                        answer.add_answer(Record::from_rdata(Name::from_str(name).unwrap(), *ttl, data.clone()));
                    }
                    socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
                }
            });
            Server { at, zone, thread: Some(thread) }
        }
        fn close(mut self) -> SocketAddr {
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", self.at).unwrap();
            self.thread.take().unwrap().join().unwrap();
            self.at
        }
    }

    fn a(ip: &str) -> RData {
        RData::A(A(ip.parse().unwrap()))
    }
    fn srv(priority: u16, weight: u16, port: u16, machine: &str) -> RData {
        RData::SRV(SRV::new(priority, weight, port, Name::from_str(machine).unwrap()))
    }
    fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
        let words = [b"s".as_slice(), service.as_bytes(), b""].map(Box::from);
        let [flags, services, regexp] = words;
        RData::NAPTR(NAPTR::new(order, preference, flags, services, regexp, Name::from_str(replacement).unwrap()))
    }
    fn wanted(host: &str, port: Option<u16>) -> HostName {
        HostName { host: host.to_owned(), port, transport: None }
    }
    fn alone<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }
    /// What a name leads to: `udp 192.0.2.1:5060, ..`, and for how many seconds.
    fn leads(server: &Server, wanted: &HostName) -> Result<(String, u64), String> {
        let names = Names::of(server.at, Random::from_number(1)).unwrap();
        let found = alone(find(&names.resolver, wanted, &mut Random::from_number(1)))?;
        let told = |place: &Machine| format!("{} {}", place.transport.via().to_ascii_lowercase(), place.addr);
        Ok((found.places.iter().map(told).collect::<Vec<_>>().join(", "), found.holds.as_secs()))
    }

    #[test]
    fn a_carrier_s_records_are_followed_from_naptr_to_the_machine() {
        let server = Server::open(
            "127.0.0.1:0",
            vec![
                ("carrier.example.", 3000, naptr(20, 10, "SIP+D2U", "_sip._udp.carrier.example.")),
                ("carrier.example.", 3000, naptr(10, 20, "SIP+D2T", "_sip._tcp.other.example.")),
                ("carrier.example.", 3000, naptr(10, 10, "SIPS+D2T", "_sips._tcp.carrier.example.")),
                ("_sip._tcp.other.example.", 600, srv(5, 0, 5070, "two.example.")),
                ("_sip._udp.carrier.example.", 900, srv(2, 0, 5060, "one.example.")),
                ("_sip._udp.carrier.example.", 900, srv(1, 0, 5080, "two.example.")),
                ("_sip._udp.carrier.example.", 900, srv(3, 0, 5060, "nowhere.example.")),
                ("one.example.", 700, a("192.0.2.1")),
                ("one.example.", 700, RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))),
                ("two.example.", 800, a("192.0.2.2")),
            ],
        );
        let places = "tcp 192.0.2.2:5070, udp 192.0.2.2:5080, udp 192.0.2.1:5060, udp [2001:db8::1]:5060";
        assert_eq!(leads(&server, &wanted("carrier.example", None)), Ok((places.to_owned(), 600)));
    }

    #[test]
    fn what_is_said_is_not_asked_for() {
        let server = Server::open(
            "127.0.0.1:0",
            vec![
                ("_sip._udp.plain.example.", 60, srv(1, 1, 5062, "two.example.")),
                ("_sip._tcp.plain.example.", 60, srv(1, 1, 5064, "two.example.")),
                ("plain.example.", 5, a("192.0.2.1")),
                ("bare.example.", 100_000, a("192.0.2.9")),
                ("two.example.", 60, a("192.0.2.2")),
                ("closed.example.", 60, a("192.0.2.3")),
                ("_sip._udp.closed.example.", 60, srv(0, 0, 0, ".")),
            ],
        );
        let of = |host: &str, port| leads(&server, &wanted(host, port));
        let ok = |places: &str, holds: u64| Ok((places.to_owned(), holds));
        assert_eq!(of("plain.example", Some(5099)), ok("udp 192.0.2.1:5099", 30), "a port: no SRV; and nothing is asked for all the time");
        assert_eq!(of("plain.example", None), ok("udp 192.0.2.2:5062, tcp 192.0.2.2:5064", 60));
        assert_eq!(of("bare.example", None), ok("udp 192.0.2.9:5060", 3600), "no records but an address; and an hour is long enough");
        assert_eq!(of("closed.example", None), ok("udp 192.0.2.3:5060", 60));
        assert_eq!(of("192.0.2.7", None), ok("udp 192.0.2.7:5060", 3600));
        assert_eq!(of("[2001:db8::7]", Some(5070)), ok("udp [2001:db8::7]:5070", 3600));
        let tcp = HostName { transport: Some(Transport::Tcp), ..wanted("plain.example", None) };
        assert_eq!(leads(&server, &tcp), ok("tcp 192.0.2.2:5064", 60));
        assert_eq!(of("gone.example", None), Err("gone.example leads to no machine".to_owned()));
    }

    /// RFC 3263 sections 4.1 and 4.2.
    #[test]
    fn who_wants_tls_is_led_to_tls_and_a_carrier_may_want_it_by_its_records() {
        let server = Server::open(
            "127.0.0.1:0",
            vec![
                ("_sips._tcp.plain.example.", 60, srv(1, 1, 5071, "two.example.")),
                ("_sip._udp.plain.example.", 60, srv(1, 1, 5062, "two.example.")),
                ("two.example.", 60, a("192.0.2.2")),
                ("bare.example.", 60, a("192.0.2.9")),
                ("secure.example.", 60, naptr(20, 10, "SIP+D2U", "_sip._udp.plain.example.")),
                ("secure.example.", 60, naptr(10, 10, "SIPS+D2T", "_sips._tcp.plain.example.")),
            ],
        );
        let tls = |host: &str, port| leads(&server, &HostName { transport: Some(Transport::Tls), ..wanted(host, port) }).unwrap().0;
        assert_eq!(tls("plain.example", None), "tls 192.0.2.2:5071");
        assert_eq!(tls("bare.example", None), "tls 192.0.2.9:5061", "the port of SIP over TLS");
        assert_eq!(tls("bare.example", Some(5099)), "tls 192.0.2.9:5099");
        assert_eq!(leads(&server, &wanted("secure.example", None)).unwrap().0, "tls 192.0.2.2:5071, udp 192.0.2.2:5062");
    }

    /// Asks for what is due, and waits for all of the answers.
    async fn asks(names: &mut Names, now: Instant) -> Vec<Change> {
        names.ask(now);
        let mut changes = Vec::new();
        while !names.questions.is_empty() {
            changes.extend(names.answered().await);
        }
        changes
    }

    /// At a name server that knows one carrier, and says nothing at all of others.
    #[test]
    fn a_name_for_which_nobody_answers_holds_no_other_one_back() {
        let server = Server::open("127.0.0.1:0", vec![("carrier.example.", 600, a("192.0.2.1"))]);
        let mut names = Names::of(server.at, Random::from_number(1)).unwrap();
        let now = Instant::now();
        names.want(now, ["a.silent", "b.silent", "carrier.example", "d.silent"].map(|host| wanted(host, None)).into());
        alone(async {
            names.ask(now);
            assert_eq!(names.poll_timeout(), None, "none of them is asked for twice at once");
            let first = names.answered().await;
            assert!(matches!(&first, Some(Change::Leads(name, _)) if name.host == "carrier.example"), "{first:?}");
        });
    }

    #[test]
    fn when_the_name_server_dies_what_was_known_stays_until_it_is_back() {
        let zone = || vec![("carrier.example.", 600, a("192.0.2.1"))];
        let server = Server::open("127.0.0.1:0", zone());
        let (mut now, name) = (Instant::now(), wanted("carrier.example", None));
        let mut names = Names::of(server.at, Random::from_number(1)).unwrap();
        names.want(now, BTreeSet::from([name.clone()]));
        let place = |ip: &str| Machine { transport: Transport::Udp, addr: format!("{ip}:5060").parse().unwrap() };
        alone(async {
            assert_eq!(names.poll_timeout(), Some(now));
            assert_eq!(asks(&mut names, now).await, [Change::Leads(name.clone(), vec![place("192.0.2.1")])]);
            assert_eq!(names.poll_timeout(), Some(now + Duration::from_secs(540)), "before it runs out");
            assert_eq!(asks(&mut names, now + Duration::from_secs(539)).await, []);
            let at = server.close();
            now += Duration::from_secs(540);
            let changes = asks(&mut names, now).await;
            assert!(matches!(&changes[..], [Change::Unanswered(of, _)] if *of == name), "{changes:?}");
            now += AGAIN;
            assert_eq!(names.poll_timeout(), Some(now));
            assert_eq!(asks(&mut names, now).await, [], "said once");
            let server = Server::open(&at.to_string(), zone());
            now += AGAIN;
            assert_eq!(asks(&mut names, now).await, [], "it leads where it led");
            *server.zone.lock().unwrap() = vec![("carrier.example.", 600, a("192.0.2.2"))];
            now += Duration::from_secs(540);
            assert_eq!(asks(&mut names, now).await, [Change::Leads(name.clone(), vec![place("192.0.2.2")])]);
            names.want(now, BTreeSet::new());
            assert_eq!(names.poll_timeout(), None);
        });
    }

    #[test]
    fn machines_of_one_priority_are_drawn_by_their_weight() {
        let service = |priority, weight, machine: &str| Service { priority, weight, port: 5060, machine: machine.to_owned() };
        let all = vec![service(2, 9, "last"), service(1, 30, "often"), service(1, 10, "seldom"), service(1, 0, "hardly")];
        let (mut random, mut first) = (Random::from_number(3), BTreeMap::new());
        for _ in 0..4_000 {
            let ordered = order(all.clone(), &mut random);
            assert_eq!((ordered.len(), ordered[3].0.as_str()), (4, "last"));
            *first.entry(ordered[0].0.clone()).or_insert(0) += 1;
        }
        assert!((2_800..3_200).contains(&first["often"]) && (800..1_200).contains(&first["seldom"]) && first["hardly"] < 200, "{first:?}");
    }
}
