//! The network between everybody: datagrams come late, twice, out of order, or never.
//!
//! What UDP promises (RFC 768), which is nothing, by a seeded draw.

use bytes::Bytes;
use model::{Instant, Random};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Datagrams under way at once; more are lost, as in a router whose buffer is full.
const FLYING_MAX: usize = 65_536;

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sends it.
    pub from: SocketAddr,
    /// Where it should go.
    pub to: SocketAddr,
    /// All of it.
    pub bytes: Bytes,
}

/// How good the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// What every datagram takes.
    pub delay: Duration,
    /// At most this much more, drawn for each one. By itself it makes no disorder.
    pub jitter: Duration,
    /// Of 1000 datagrams, how many are lost.
    pub lost_per_mille: u64,
    /// Of 1000, how many come twice.
    pub doubled_per_mille: u64,
    /// Of 1000, how many are held back by up to five times delay and jitter, and overtaken.
    pub overtaken_per_mille: u64,
}

impl Weather {
    /// A house network: 5 ms, give or take nothing.
    pub const FAIR: Weather = Weather {
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
        lost_per_mille: 0,
        doubled_per_mille: 0,
        overtaken_per_mille: 0,
    };
    /// One datagram in ten is lost, some are doubled or overtaken.
    pub const FOUL: Weather = Weather {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(30),
        lost_per_mille: 100,
        doubled_per_mille: 20,
        overtaken_per_mille: 50,
    };
}

/// The network.
#[derive(Debug)]
pub struct Link {
    random: Random,
    weather: Weather,
    flying: BTreeMap<(Instant, u64), Datagram>,
    serial: u64,
    /// When the last datagram of each direction comes, so that only those drawn for it are overtaken.
    latest: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    /// Hosts that nothing reaches and that reach nobody.
    cut_off: BTreeSet<IpAddr>,
    come: VecDeque<Datagram>,
}

impl Link {
    /// A network with this weather.
    pub fn new(weather: Weather, random: Random) -> Self {
        Link {
            random,
            weather,
            flying: BTreeMap::new(),
            serial: 0,
            latest: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            come: VecDeque::new(),
        }
    }

    /// The weather changes; what is under way is not touched.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// The cable of a host is pulled, or put back: meanwhile all that it sends and all that is sent to it is lost.
    pub fn set_cut(&mut self, host: IpAddr, cut: bool) {
        if cut {
            self.cut_off.insert(host)
        } else {
            self.cut_off.remove(&host)
        };
    }

    /// Somebody sends.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram) {
        // Always the same number of draws, so that one weather's figure does not shift the luck of all that follows.
        let (lost, doubled, held) = (self.chance(), self.chance(), self.chance());
        let (jitter, again, hold) = (self.random.unit(), self.random.unit(), self.random.unit());
        let cut = self.cut_off.contains(&datagram.from.ip()) || self.cut_off.contains(&datagram.to.ip());
        if cut || lost < self.weather.lost_per_mille || self.flying.len() >= FLYING_MAX {
            return;
        }
        let arrives = now + self.weather.delay + self.weather.jitter.mul_f64(jitter);
        let latest = self.latest.entry((datagram.from, datagram.to)).or_default();
        let arrives = if held < self.weather.overtaken_per_mille {
            arrives + (self.weather.delay + self.weather.jitter).mul_f64(5.0 * hold)
        } else {
            *latest = arrives.max(*latest);
            *latest
        };
        if doubled < self.weather.doubled_per_mille {
            let second = arrives + (self.weather.delay + self.weather.jitter).mul_f64(again);
            self.fly(second, datagram.clone());
        }
        self.fly(arrives, datagram);
    }

    /// Time has passed: what has arrived can be polled.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= now) {
            self.come.push_back(entry.remove());
        }
    }

    /// The next datagram that has arrived.
    pub fn poll_output(&mut self) -> Option<Datagram> {
        self.come.pop_front()
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.flying.keys().next().map(|k| k.0)
    }

    fn fly(&mut self, arrives: Instant, datagram: Datagram) {
        self.serial += 1;
        self.flying.insert((arrives, self.serial), datagram);
    }

    fn chance(&mut self) -> u64 {
        self.random.below(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(weather: Weather, count: u32) -> Vec<u32> {
        let mut link = Link::new(weather, Random::from_number(4));
        let (from, to) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        for n in 0..count {
            let now = Instant::from_millis(u64::from(n) * 10);
            link.handle_datagram(now, Datagram { from, to, bytes: Bytes::copy_from_slice(&n.to_be_bytes()) });
        }
        let mut come = Vec::new();
        while let Some(at) = link.poll_timeout() {
            link.handle_timeout(at);
            while let Some(datagram) = link.poll_output() {
                come.push(u32::from_be_bytes(datagram.bytes.as_ref().try_into().unwrap()));
            }
        }
        come
    }

    #[test]
    fn in_fair_weather_everything_comes_once_and_in_order() {
        assert_eq!(sent(Weather::FAIR, 1000), (0..1000).collect::<Vec<_>>());
        let jittery = Weather { jitter: Duration::from_millis(200), ..Weather::FAIR };
        assert_eq!(sent(jittery, 1000), (0..1000).collect::<Vec<_>>(), "jitter alone makes no disorder");
    }

    #[test]
    fn what_is_sent_while_a_cable_is_pulled_is_lost_both_ways() {
        let mut link = Link::new(Weather::FAIR, Random::from_number(1));
        let (a, b): (SocketAddr, SocketAddr) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        for (cut, from, to) in [(false, a, b), (true, a, b), (true, b, a), (false, b, a)] {
            link.set_cut(a.ip(), cut);
            link.handle_datagram(Instant::ZERO, Datagram { from, to, bytes: Bytes::new() });
        }
        link.handle_timeout(Instant::from_millis(5));
        let come: Vec<_> = std::iter::from_fn(|| link.poll_output()).map(|d| (d.from, d.to)).collect();
        assert_eq!(come, [(a, b), (b, a)]);
    }

    #[test]
    fn in_foul_weather_about_a_tenth_is_lost_and_some_is_doubled_and_overtaken() {
        let come = sent(Weather::FOUL, 10_000);
        let mut seen = come.clone();
        seen.sort_unstable();
        seen.dedup();
        let (lost, doubled) = (10_000 - seen.len(), come.len() - seen.len());
        let overtaken = come.windows(2).filter(|w| w[1] < w[0]).count();
        assert!((900..1100).contains(&lost), "{lost} lost");
        assert!((120..240).contains(&doubled), "{doubled} doubled");
        assert!(overtaken > 200, "{overtaken} overtaken");
        assert_eq!(come, sent(Weather::FOUL, 10_000), "the same seed, the same weather");
    }
}
