//! The plain types of a city: who may call in, who answers, which queues there are.

use crate::{AgentId, BreakReason, Codec, FlowName, Lang, Level, LineId, LookupId, Need, Number, PromptId, QueueId, Skill, Transport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The engine's own settings (`config/engine.yaml`). Read once at start; a change needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where SIP is heard, over UDP and TCP.
    pub sip: SocketAddr,
    /// The certificate for TLS, and where SIP is heard over it.
    pub tls: Option<Tls>,
    /// Where browsers' SIP is heard over WebSocket: encrypted if there is a certificate.
    pub websocket: Option<WebSocket>,
    /// Where `/metrics` and `/healthz` are served.
    pub admin: SocketAddr,
    /// The names by which those may be asked beside addresses and `localhost`, where they are served on loopback: a proxy's on this machine.
    pub admin_names: Vec<String>,
    /// The address put into Contact and SDP; `None` takes the listening address.
    pub advertise: Option<IpAddr>,
    /// What this machine is called by in its networks, as it says itself when the city is published; no peer may aim us at them unasked.
    pub addresses: Vec<IpAddr>,
    /// First RTP port, even.
    pub rtp_first: u16,
    /// Last RTP port.
    pub rtp_last: u16,
    /// Calls at once; the next one gets 503.
    pub calls_max: u32,
    /// Messages in one voicemail box. The next caller is led elsewhere; none is thrown away for another.
    pub box_messages_max: u32,
    /// Sound in one voicemail box, in megabytes (of 1,000,000 bytes; a minute is almost one).
    pub box_megabytes_max: u32,
    /// The digest realm of the agents' phones.
    pub realm: String,
    /// Digest algorithms that agents' phones may use, most preferred first.
    pub digest: Vec<DigestAlgorithm>,
    /// Programs that speak a language: text on standard input, WAV on standard output; program first, then its arguments.
    pub voices: BTreeMap<Lang, Vec<String>>,
    /// Calls that we may make to the outside in any hour, of all kinds together: toll fraud ends here.
    pub calls_out_per_hour: u32,
    /// New calls in any second, from everybody together: more get 503 before anything is done for them. `None`: as many as come.
    pub calls_per_second: Option<u32>,
    /// Calls at once from one number that is shown.
    pub calls_per_number: u32,
    /// How every phone that is registered by UDP is asked whether it is there; `None`: only those behind a router are.
    pub phone_check: Option<TrunkCheck>,
}

impl Default for Settings {
    fn default() -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Settings {
            sip: SocketAddr::new(here, 5060),
            tls: None,
            websocket: None,
            admin: SocketAddr::new(here, 8080),
            admin_names: Vec::new(),
            advertise: None,
            addresses: Vec::new(),
            rtp_first: 20_000,
            rtp_last: 24_999,
            calls_max: 200,
            box_messages_max: 300,
            box_megabytes_max: 500,
            realm: "toritsugi".to_owned(),
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            voices: BTreeMap::new(),
            calls_out_per_hour: 120,
            calls_per_second: None,
            calls_per_number: 2,
            phone_check: None,
        }
    }
}

/// A certificate and its use. Files are PEM; a name without a folder before it is one of the state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where SIP is heard over TLS; `None` if the certificate is for WebSocket alone.
    pub listen: Option<SocketAddr>,
    /// The chain, our own certificate first.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The authorities of phones' certificates. If there is one, a phone without a certificate of theirs gets no connection.
    pub clients: Option<String>,
}

/// The way in for browsers (RFC 7118).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// Where it is heard.
    pub listen: SocketAddr,
    /// The pages that may call: `https://desk.example.jp`. None: all of them.
    pub origins: Vec<String>,
}

/// The hash of SIP digest authentication (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for phones that know nothing better.
    Md5,
}

/// A password in clear, which we prove to somebody else. Never printed, never written.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }
    /// The password in clear. Every caller of this is a place to review.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// `HA1 = H(user:realm:password)` (RFC 7616 section 3.4.2), one per algorithm, lower-case hex. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// With SHA-256.
    pub sha256: String,
    /// With MD5.
    pub md5: String,
}
impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(***)")
    }
}

/// A network: an address and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Any address in it.
    pub addr: IpAddr,
    /// Leading bits that must agree, at most 32 or 128.
    pub prefix: u8,
}

impl Net {
    /// Reads `127.0.0.0/8`, `::1/128`, or a lone address.
    pub fn parse(text: &str) -> Option<Net> {
        let (addr, prefix) = match text.split_once('/') {
            Some((a, p)) => (a.parse::<IpAddr>().ok()?, p.parse().ok()?),
            None => {
                let a = text.parse::<IpAddr>().ok()?;
                (a, if a.is_ipv4() { 32 } else { 128 })
            }
        };
        let widest = if addr.is_ipv4() { 32 } else { 128 };
        (prefix <= widest).then_some(Net { addr, prefix })
    }
    /// Its first address, as a network is usually written.
    pub fn first(&self) -> IpAddr {
        let rest = |width: u32| width.saturating_sub(u32::from(self.prefix));
        match self.addr {
            IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & u32::MAX.checked_shl(rest(32)).unwrap_or(0)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & u128::MAX.checked_shl(rest(128)).unwrap_or(0)).into(),
        }
    }
    /// Whether `ip` lies in it. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
            IpAddr::V6(v6) => (u128::from(v6), 128),
        };
        let ((mine, width), (theirs, their_width)) = (bits(self.addr), bits(ip.to_canonical()));
        let mask = if self.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(self.prefix)) };
        width == their_width && mine & mask == theirs & mask
    }
}

/// Who may call in, and where we may call out (`config/lines.yaml`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub id: LineId,
    /// Networks that calls may come from.
    pub from: Vec<Net>,
    /// Whether these are a carrier's, which vouches for what it says of caller and called beside From (RFC 3325 section 3.1, a trust domain).
    pub trusted: bool,
    /// Whether its messages may name targets on this machine (loopback): for a city that runs on one machine as a whole.
    pub loopback: bool,
    /// Calls in any second, in each direction; `None` without a limit of its own.
    pub calls_per_second: Option<u32>,
    /// Where calls out are sent, for a line that carries them.
    pub trunk: Option<Trunk>,
    /// Whom this line reaches, for a line that is a place to transfer to: a ward hotline, an interpreter.
    pub target: Option<Target>,
}

/// A way to the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// The carrier's machines, the one to be tried first at the front; none until its name has been found.
    pub machines: Vec<Machine>,
    /// Its name, if that is what the city wrote.
    pub name: Option<HostName>,
    /// By what it is reached, if the city says so. Else a name's records say it, and an address is reached by UDP, with what is too large for
    /// that by TCP (RFC 3263 section 4.1, RFC 3261 section 18.1.1).
    pub transport: Option<Transport>,
    /// The file in the state folder's `secrets/` with the authorities of its certificate; `None`: those of this machine.
    pub ca: Option<String>,
    /// Calls at once.
    pub channels: u32,
    /// Of several trunks those with the lowest order are taken, as long as they work.
    pub order: u32,
    /// How many of the calls it gets among trunks of one order.
    pub weight: u32,
    /// What its network takes, where that is less than the standard.
    pub profile: Profile,
    /// How we tell the carrier where we are, where it does not know by itself.
    pub register: Option<Register>,
    /// How it is asked whether it works.
    pub check: Option<TrunkCheck>,
}

impl Trunk {
    /// A trunk like any other: by UDP, no registration, no check.
    pub fn plain(host: SocketAddr, channels: u32) -> Trunk {
        let machines = vec![Machine { transport: Transport::Udp, addr: host }];
        let (name, transport, ca) = (None, None, None);
        Trunk { machines, name, transport, ca, channels, order: 1, weight: 1, profile: Profile::Plain, register: None, check: None }
    }

    /// Whether one of its machines has that address.
    pub fn is_at(&self, ip: IpAddr) -> bool {
        self.machines.iter().any(|machine| machine.addr.ip() == ip)
    }
    /// Who must be met where it is called over TLS: its name, as the city wrote it (RFC 5922 section 4), or the address.
    pub fn certified(&self, machine: Machine) -> String {
        self.name.as_ref().map_or_else(|| machine.addr.ip().to_string(), |name| name.host.clone())
    }
}

/// A machine of a carrier, and by what it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Machine {
    /// By UDP, TCP or TLS.
    pub transport: Transport,
    /// Where.
    pub addr: SocketAddr,
}

/// The name of a carrier's machines: `sip.example.ne.jp`, with a port or without. The edge finds where it leads (RFC 3263).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName {
    /// The name.
    pub host: String,
    /// With a port, no SRV record is asked for.
    pub port: Option<u16>,
    /// With a transport, no NAPTR record is.
    pub transport: Option<Transport>,
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A network's own ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Those of the standard.
    #[default]
    Plain,
    /// NTT's NGN (Hikari Denwa): it vouches for its callers and knows PCMU only, in packets of 20 ms.
    NttHikari,
}

impl Profile {
    /// The codecs that are offered to it, preferred first.
    pub fn codecs(self) -> Vec<Codec> {
        match self {
            Profile::Plain => Codec::ALL.to_vec(),
            Profile::NttHikari => vec![Codec::Pcmu],
        }
    }
}

/// A registration with a carrier (RFC 3261 section 10.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The user of the address that is registered, often the number.
    pub user: String,
    /// Its domain; `None`: the carrier's address.
    pub domain: Option<String>,
    /// The name that the password belongs to; `None`: the user.
    pub login: Option<String>,
    /// The realm in which the password is proved, and no other; `None`: the domain.
    pub realm: Option<String>,
    /// The file in the state folder's `secrets/` that holds the password; `None` for a carrier that knows the line.
    pub password_file: Option<String>,
    /// For how long.
    pub expires: Duration,
    /// Digest algorithms that the password may be proved with, most preferred first.
    pub digest: Vec<DigestAlgorithm>,
}

/// Asking a trunk, or a phone, whether it works, by OPTIONS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrunkCheck {
    /// How often.
    pub every: Duration,
    /// After so many failures in a row it counts as down.
    pub failures: u32,
}

/// A number outside that calls may be sent to, and how many at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The lines that carry the call, each one with a [`Trunk`]: the next one where one does not work.
    pub trunks: Vec<LineId>,
    /// What is dialled.
    pub number: Number,
    /// Calls at once: a hotline with two lines never gets a third.
    pub lines: u32,
    /// The figures by which agents name it in a call (`*2` and these), 1 to 4 of them.
    pub code: Option<Number>,
}

/// One person who answers (`config/agents.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Name, also the SIP user name.
    pub id: AgentId,
    /// The extension, dialled inside the house.
    pub extension: Number,
    /// What they can do, and how well.
    pub skills: BTreeMap<Skill, Level>,
    /// Queues in the order they serve them; empty means any that their skills fit.
    pub serves: Vec<QueueId>,
}

/// One reason to be on a break (`config/breaks.yaml`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// Its name, in records and figures.
    pub reason: BreakReason,
    /// The figure that agents dial after the star code of a break, 1 to 9; no two reasons have the same.
    pub code: u8,
    /// What people call it, by the language.
    pub label: BTreeMap<Lang, String>,
}

/// How a queue picks among the agents who fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChooseAgent {
    /// Who has been idle longest.
    #[default]
    LongestIdle,
    /// Who has talked least since log-in.
    LeastOccupied,
    /// Who has the highest level in the queue's first need.
    BestSkill,
}

/// One declared easing of a queue's needs after waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relax {
    /// Age of the ticket at which it takes effect.
    pub after: Duration,
    /// Needs replaced from here on: a skill's new level, or `None` to drop it.
    pub needs: BTreeMap<Skill, Option<Level>>,
    /// The caller's language is no longer needed; this skill is (an interpreter), if named.
    pub lang: Option<Option<Skill>>,
}

/// Agents who join in late: whoever holds the skill is asked only after this wait, and behind everybody who is in an earlier ring.
/// Who holds none of a queue's ring skills is in the first ring, from the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Age of the ticket at which they join in.
    pub after: Duration,
    /// The skill that puts an agent into this ring; of several, the latest counts.
    pub skill: Skill,
}

/// Idle agents who are kept back: one of them is taken for anybody else only if `keep` stay idle afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// How many stay idle.
    pub keep: u32,
    /// The skill by which they are counted.
    pub of: Skill,
    /// For whom they are kept.
    pub kept_for: KeptFor,
    /// Once it has held, it lets go only when so many more are idle. 0: at once.
    pub hysteresis: u32,
}

/// For whom a reserve is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptFor {
    /// Tickets of this queue.
    Queue(QueueId),
    /// Tickets of any of these queues.
    Queues(Vec<QueueId>),
    /// Tickets of this class or a higher one.
    Class(u8),
}

/// One queue (`config/queues.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub id: QueueId,
    /// What people call it, on an agent's display: `看護`.
    pub label: String,
    /// The figures by which agents name it in a call, to send a caller here.
    pub code: Option<Number>,
    /// Skills asked of an agent, the first one written is the main one.
    pub needs: Vec<Need>,
    /// Whether the agent must speak the caller's language, and how well.
    pub lang: Option<Level>,
    /// Declared easings, in order of age.
    pub relax: Vec<Relax>,
    /// Agents who join in late, in order of age.
    pub rings: Vec<Ring>,
    /// Queues whose agents help here: who meets the needs of one of them (language apart) and serves it may take calls of this queue in
    /// the caller's language, after their own queue's callers and after this queue's own agents.
    pub helped_by: Vec<QueueId>,
    /// Agents kept back from all other tickets.
    pub reserve: Option<Reserve>,
    /// Who has waited so long counts as of the highest class: nobody is overtaken for ever.
    pub overtaken_max: Duration,
    /// How to pick among those who fit.
    pub choose_agent: ChooseAgent,
    /// How long one agent's phone rings.
    pub ring_for: Duration,
    /// Missed offers in a row after which an agent is not responding.
    pub missed_max: u32,
    /// How long an agent is not asked again for a ticket that they have just missed or declined.
    pub pause: Duration,
    /// What an agent hears before the caller: sentences, in the house's language.
    pub whisper: Vec<PromptId>,
    /// Whether the agent's display may show the caller's number.
    pub show_number: bool,
    /// After-call work.
    pub wrap_up: Duration,
    /// Callers who may wait; the next one is refused as `full`.
    pub max_waiting: u32,
    /// The promise this queue is measured by.
    pub service_level: ServiceLevel,
}

impl Queue {
    /// A queue with these needs, and everything else as a file that says nothing of it: ring 20 s, two missed offers, 20 s of after-call
    /// work, a hundred waiting, nobody overtaken for longer than 20 minutes.
    pub fn plain(id: QueueId, needs: Vec<Need>) -> Queue {
        Queue {
            label: id.as_str().to_owned(),
            id,
            code: None,
            needs,
            lang: None,
            relax: Vec::new(),
            rings: Vec::new(),
            helped_by: Vec::new(),
            reserve: None,
            overtaken_max: Duration::from_secs(1200),
            choose_agent: ChooseAgent::default(),
            ring_for: Duration::from_secs(20),
            missed_max: 2,
            pause: Duration::from_secs(10),
            whisper: Vec::new(),
            show_number: false,
            wrap_up: Duration::from_secs(20),
            max_waiting: 100,
            service_level: ServiceLevel::default(),
        }
    }
    /// What a ticket of this queue needs for a caller who speaks `lang`, before any easing.
    pub fn needs_for(&self, lang: &Lang) -> Vec<Need> {
        let mut needs = self.needs.clone();
        if let Some(level) = self.lang {
            needs.push(Need { skill: lang.skill(), level });
        }
        needs
    }
}

/// A share of calls answered within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLevel {
    /// Answered within this time.
    pub answered_within: Duration,
    /// Of all calls, in percent.
    pub target_percent: u8,
}

impl Default for ServiceLevel {
    fn default() -> Self {
        ServiceLevel { answered_within: Duration::from_secs(20), target_percent: 80 }
    }
}

/// Whom flows may ask over HTTP (`config/lookups.yaml`), and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Its name.
    pub id: LookupId,
    /// Name or address of the machine that is asked.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Whether it is asked over https.
    pub secure: bool,
    /// The file in the state folder's `secrets/` with the authority of its certificate; `None`: those that this machine trusts.
    pub ca: Option<String>,
    /// What is asked for there, from `/` on, with a query if one was written.
    pub path: String,
    /// How what is sent is sent.
    pub method: LookupMethod,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts after the first one.
    pub retries: u32,
    /// Where the host may be: whatever a name leads to, nothing is sent anywhere else.
    pub allow: Vec<Net>,
    /// The file in the state folder's `secrets/` whose lines are added as headers.
    pub secret: Option<String>,
    /// Whether flows may send the number that the caller calls from.
    pub caller_number: bool,
}

/// How a lookup sends what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookupMethod {
    /// In the address, `?ticket=123`.
    Get,
    /// As a JSON object.
    Post,
}

/// Where a number leads (`config/numbers.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPlan {
    /// The number dialled.
    pub number: Number,
    /// The flow that answers it.
    pub flow: FlowName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let loopback = Net::parse("127.0.0.0/8").unwrap();
        assert!(loopback.contains("127.9.9.9".parse().unwrap()));
        assert!(loopback.contains("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!loopback.contains("128.0.0.1".parse().unwrap()));
        assert!(!loopback.contains("7f00::1".parse().unwrap()));
        assert!(Net::parse("0.0.0.0/0").unwrap().contains("192.0.2.1".parse().unwrap()));
        assert!(!Net::parse("192.0.2.1").unwrap().contains("192.0.2.2".parse().unwrap()));
        assert_eq!(Net::parse("127.0.0.0/33"), None);
        assert_eq!(Net::parse("home"), None);
    }
}
