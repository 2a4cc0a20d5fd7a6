//! The plain types of a city: who may call in, who answers, which queues there are.

use crate::{AgentId, FlowName, Lang, Level, LineId, Need, Number, QueueId, Skill};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The engine's own settings (`config/engine.yaml`). Read once at start; a change needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where SIP is heard, UDP.
    pub sip: SocketAddr,
    /// Where `/metrics` and `/healthz` are served.
    pub admin: SocketAddr,
    /// The address put into Contact and SDP; `None` takes the listening address.
    pub advertise: Option<IpAddr>,
    /// First RTP port, even.
    pub rtp_first: u16,
    /// Last RTP port.
    pub rtp_last: u16,
    /// Calls at once; the next one gets 503.
    pub calls_max: u32,
    /// The digest realm of the agents' phones.
    pub realm: String,
    /// Digest algorithms that agents' phones may use, most preferred first.
    pub digest: Vec<DigestAlgorithm>,
    /// Programs that speak a language: text on standard input, WAV on standard output; program first, then its arguments.
    pub voices: BTreeMap<Lang, Vec<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Settings {
            sip: SocketAddr::new(here, 5060),
            admin: SocketAddr::new(here, 8080),
            advertise: None,
            rtp_first: 20_000,
            rtp_last: 24_999,
            calls_max: 200,
            realm: "toritsugi".to_owned(),
            digest: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            voices: BTreeMap::new(),
        }
    }
}

/// The hash of SIP digest authentication (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for phones that know nothing better.
    Md5,
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

/// Who may call in (`config/lines.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub id: LineId,
    /// Networks that calls may come from.
    pub from: Vec<Net>,
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

/// One queue (`config/queues.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub id: QueueId,
    /// Skills asked of an agent, the first one written is the main one.
    pub needs: Vec<Need>,
    /// Whether the agent must speak the caller's language, and how well.
    pub lang: Option<Level>,
    /// Declared easings, in order of age.
    pub relax: Vec<Relax>,
    /// How to pick among those who fit.
    pub choose_agent: ChooseAgent,
    /// How long one agent's phone rings.
    pub ring_for: Duration,
    /// Missed offers in a row after which an agent is not responding.
    pub missed_max: u32,
    /// After-call work.
    pub wrap_up: Duration,
    /// Callers who may wait; the next one is refused as `full`.
    pub max_waiting: u32,
    /// The promise this queue is measured by.
    pub service_level: ServiceLevel,
}

impl Queue {
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
