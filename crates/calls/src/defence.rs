//! Who is heard at all: strangers, floods, guessers of passwords, and how many calls are taken at once.
//!
//! Everything here is decided before a message is read, or before anything is opened for a call (law 6), and every table has a size. Calls in
//! progress are never touched by it: what is turned away is what is new.

use crate::bucket::Bucket;
use crate::call::{Call, Stage};
use crate::engine::Engine;
use crate::trunks::Direction;
use bytes::Bytes;
use model::{CallEnd, Event, Instant, Line, Millis, Net, Now, Number, NumberKind, Party, Withheld};
use sip::header::{Name, NameAddr};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How often a stranger is named in the log; all are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// Messages in a second from one listed source, and at once: far above any telephone, and above a carrier's two hundred calls a second.
const MESSAGES: (u32, u32) = (5_000, 10_000);
/// Sources that are told apart; further ones share a bucket.
const SOURCES_MAX: usize = 4_096;
/// So many wrong passwords from one source within this time, and none is heard from there for that long.
const GUESSES: u32 = 10;
const GUESSING: Duration = Duration::from_secs(300);
const BANNED: Duration = Duration::from_secs(600);
/// Sources of wrong passwords that are remembered; of more, the one that failed longest ago is forgotten.
const GUESSERS_MAX: usize = 1_024;

/// Calls of one source that may wait for their ACK at once: this share of all calls, and not fewer than so many. A telephone acknowledges within
/// a tenth of a second; who sends INVITEs from a borrowed address never does.
const UNHEARD_SHARE: usize = 4;
const UNHEARD_MIN: usize = 32;
/// Who has not acknowledged for so long makes room, where room is wanted.
const UNHEARD_FOR: Duration = Duration::from_secs(1);

/// What is remembered of sources.
#[derive(Debug, Default)]
pub(crate) struct Defence {
    named: Option<Instant>,
    /// The same of trunks' machines that no line admits: scanners do not hide them.
    named_trunk: Option<Instant>,
    /// When somebody was named last who would have us send to ourselves.
    aimed: Option<Instant>,
    floods: BTreeMap<IpAddr, Bucket>,
    crowd: Option<Bucket>,
    guessers: BTreeMap<IpAddr, Guesser>,
    /// Calls of this second, from everybody together.
    calls: Option<Bucket>,
    /// Those of them that did not come from a carrier.
    others: Option<Bucket>,
    /// Whose message is in hand.
    speaker: Option<IpAddr>,
    /// Who has a call in progress and is listed no more: of them, what belongs to a call is heard until it is over.
    former: BTreeSet<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Guesser {
    since: Instant,
    last: Instant,
    wrong: u32,
    banned: Option<Instant>,
}

impl Defence {
    /// Whether a message of this source is one too many.
    fn is_flood(&mut self, now: Instant, from: IpAddr) -> bool {
        let (rate, burst) = MESSAGES;
        if self.floods.len() >= SOURCES_MAX && !self.floods.contains_key(&from) {
            self.floods.retain(|_, bucket| !bucket.is_full(now, rate, burst));
            if self.floods.len() >= SOURCES_MAX {
                return !self.crowd.get_or_insert_with(|| Bucket::full(now, burst)).take(now, rate, burst);
            }
        }
        !self.floods.entry(from).or_insert_with(|| Bucket::full(now, burst)).take(now, rate, burst)
    }

    /// Somebody there did not know a password. Gives for how long the source is banned, if that begins.
    fn guessed(&mut self, now: Instant, from: IpAddr) -> Option<Duration> {
        if self.guessers.len() >= GUESSERS_MAX && !self.guessers.contains_key(&from) {
            let idlest = self.guessers.iter().min_by_key(|(_, guesser)| guesser.last).map(|(ip, _)| *ip);
            idlest.and_then(|ip| self.guessers.remove(&ip));
        }
        let guesser = self.guessers.entry(from).or_insert(Guesser { since: now, last: now, wrong: 0, banned: None });
        if now.since(guesser.since) >= GUESSING {
            (guesser.since, guesser.wrong) = (now, 0);
        }
        guesser.wrong += 1;
        guesser.last = now;
        // A ban is not made longer by what comes during it: nobody is locked out for ever.
        if guesser.wrong < GUESSES || guesser.banned.is_some_and(|until| until > now) {
            return None;
        }
        (guesser.wrong, guesser.banned) = (0, Some(now + BANNED));
        Some(BANNED)
    }

    fn is_banned(&mut self, now: Instant, from: IpAddr) -> bool {
        let Some(guesser) = self.guessers.get(&from) else { return false };
        match guesser.banned {
            Some(until) if until > now => true,
            Some(_) => {
                self.guessers.remove(&from);
                false
            }
            None => false,
        }
    }
}

impl Engine {
    /// Whether what comes from there can be read at all: a line lists it, or a call in progress is with it.
    pub fn may_be_heard(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        !self.is_stranger(from) || self.defence.former.contains(&from) || self.sip.parts_with(from)
    }

    /// Whether a message is read at all.
    pub(crate) fn is_heard(&mut self, now: Now, from: SocketAddr, bytes: &[u8]) -> bool {
        let ip = from.ip().to_canonical();
        self.defence.speaker = Some(ip);
        let of_before = self.defence.former.contains(&ip) && belongs_to_a_call(bytes) || self.sip.parts_with(ip) && is_answer(bytes);
        if self.is_stranger(ip) && !of_before {
            self.note_stranger(now, ip);
            return false;
        }
        if self.defence.is_flood(now.mono, ip) {
            self.note(Event::Flood);
            return false;
        }
        // Who guesses passwords asks anew each time. Calls in progress go on, and so does a phone that is registered at this very socket; and whoever
        // calls from there without a password, such as residents behind the same router, is a caller as before.
        if self.defence.is_banned(now.mono, ip) && !self.sip.is_registered_at(from) && may_guess(bytes) {
            self.note(Event::Banned);
            return false;
        }
        true
    }

    /// An address that no line lists: it is counted, and the first of each hour is named, with the line that would admit it.
    pub(crate) fn note_stranger(&mut self, now: Now, from: IpAddr) {
        self.note(Event::Stranger);
        self.name_stranger(now, from);
    }

    /// Somebody calls whom no line admits.
    pub(crate) fn name_stranger(&mut self, now: Now, from: IpAddr) {
        let named = if self.is_trunk(from) { &mut self.defence.named_trunk } else { &mut self.defence.named };
        if named.is_none_or(|at| now.mono.since(at) >= HOUR) {
            *named = Some(now.mono);
            self.note(Event::StrangerNamed { from });
        }
    }

    /// The message in hand would have us send to this machine, and was refused: the first of each hour is named. It may come from a PBX beside us.
    pub(crate) fn name_who_aims_at_us(&mut self, now: Now) {
        if let Some(from) = self.defence.speaker
            && self.defence.aimed.is_none_or(|at| now.mono.since(at) >= HOUR)
        {
            self.defence.aimed = Some(now.mono);
            self.note(Event::AimedAtUs { from });
        }
    }

    /// SIP found a wrong name or password in the message in hand.
    pub(crate) fn on_wrong_password(&mut self, now: Now) {
        // Whoever is on this machine can read the passwords' file as well. And nobody behind a trusted line, a carrier or an edge, makes us deaf
        // to all of it: there a name is locked that is guessed at, by `sip::digest`.
        let Some(from) = self.defence.speaker.filter(|ip| !ip.is_loopback()) else { return };
        if self.line_of(from).is_some_and(|line| line.trusted) {
            return;
        }
        if let Some(lasts) = self.defence.guessed(now.mono, from) {
            self.note(Event::SourceBanned { from, lasts: Millis::from(lasts) });
        }
    }

    /// Whether there is room for one more call of this source. Where there is none, the call that has waited longest for its ACK makes room: of this
    /// source, if too many of its calls wait, or of anybody, if the city is full.
    pub(crate) fn finds_room(&mut self, now: Now, from: IpAddr) -> bool {
        let max = self.city.book.settings.calls_max as usize;
        let share = (max / UNHEARD_SHARE).max(UNHEARD_MIN);
        if self.calls.len() < share.min(max) {
            return true;
        }
        let full = self.calls.len() >= max;
        let unheard = |call: &&Call| matches!(call.stage, Stage::Answering);
        let of_source = self.calls.values().map(Box::as_ref).filter(unheard).filter(|call| call.leg.peer == Some(from)).count();
        if !full && of_source < share {
            return true;
        }
        let waits = self.calls.values().map(Box::as_ref).filter(unheard).filter(|call| full || call.leg.peer == Some(from));
        let eldest = waits.min_by_key(|call| call.arrived.mono).filter(|call| now.mono.since(call.arrived.mono) >= UNHEARD_FOR);
        let Some(mut eldest) = eldest.map(|call| call.id).and_then(|id| self.take(id)) else { return false };
        self.end_call(now, &mut eldest, CallEnd::CallerVanished, Party::Engine);
        self.put_back(eldest);
        self.calls.len() < max
    }

    /// Before a message is handed on: SIP turns new calls away by itself while there are more than are taken in a second.
    pub(crate) fn mind_the_door(&mut self, now: Now, from: IpAddr) {
        let limit = self.city.book.settings.calls_per_second;
        let full =
            limit.is_some_and(|limit| !self.defence.calls.get_or_insert_with(|| Bucket::full(now.mono, limit)).has(now.mono, limit, limit));
        let line = self.line_of(from).filter(|line| line.calls_per_second.is_some()).map(|line| line.id.clone());
        let full = full || !self.has_share(now, from, Bucket::has);
        let closed = full || line.is_some_and(|line| !self.has_time(now, &line, Direction::In));
        self.sip.close_door(closed);
    }

    /// Half of a second's calls is kept for carriers, where there are any: no telephone of the house, and nobody who borrows its address, can have the
    /// door closed to the residents.
    fn has_share(&mut self, now: Now, from: IpAddr, ask: impl Fn(&mut Bucket, Instant, u32, u32) -> bool) -> bool {
        let Some(limit) = self.city.book.settings.calls_per_second else { return true };
        let lines = &self.city.book.lines;
        if !lines.iter().any(|line| line.trusted) || self.line_of(from).is_some_and(|line| line.trusted) {
            return true;
        }
        let half = (limit / 2).max(1);
        ask(self.defence.others.get_or_insert_with(|| Bucket::full(now.mono, half)), now.mono, half, half)
    }

    /// A call came in: it is one of this second's.
    pub(crate) fn count_call(&mut self, now: Now, from: IpAddr, line: &model::LineId) {
        self.has_share(now, from, Bucket::take);
        if let Some(limit) = self.city.book.settings.calls_per_second {
            self.defence.calls.get_or_insert_with(|| Bucket::full(now.mono, limit)).take(now.mono, limit, limit);
        }
        self.in_time(now, line, Direction::In);
    }

    /// Whether so many calls from this number are here that one more is not taken. A number that is withheld is nobody's; behind 050 may be the
    /// relay service for the deaf; and what is too short for a number of the network is a house's own.
    pub(crate) fn is_same_caller_again(&self, caller: &str, withheld: Option<Withheld>) -> bool {
        let Some(number) = Number::parse(caller).ok().filter(|_| withheld.is_none()) else { return false };
        if number.kind() == NumberKind::JpIp || number.as_str().len() < 9 {
            return false;
        }
        let same = self.calls.values().filter(|call| call.withheld.is_none() && call.caller.reveal() == number.as_str());
        same.count() >= self.city.book.settings.calls_per_number as usize
    }

    /// Who speaks as one, and who may name this machine.
    pub(crate) fn follow_sources(&mut self) {
        let lines = &self.city.book.lines;
        let hosts = |line: &Line| {
            line.trunk.iter().flat_map(|trunk| trunk.machines.iter().map(|machine| alone(machine.addr.ip()))).collect::<Vec<Net>>()
        };
        let nets = |line: &Line| line.from.iter().copied().chain(hosts(line)).collect::<Vec<Net>>();
        let kin = lines.iter().filter(|line| line.trusted).map(nets).collect();
        let here = lines.iter().filter(|line| line.loopback).flat_map(nets).collect();
        let ours = self.city.book.settings.addresses.clone();
        self.sip.set_admission(sip::Admission { kin, here, ours });
        self.follow_peers();
    }

    /// Whoever we talk to, or an engine before this one left outside, is no stranger, though no trunk leads there any more.
    fn follow_peers(&mut self) {
        let peers: BTreeSet<IpAddr> = self.sip.peers().chain(self.wills.peers()).map(|ip| ip.to_canonical()).collect();
        self.defence.former = peers.into_iter().filter(|ip| self.is_stranger(*ip)).collect();
    }

    /// We send a request of a call to where its peer wants it: what belongs to that call is heard from there, too.
    pub(crate) fn hear_whom_we_ask(&mut self, to: IpAddr, bytes: &[u8]) {
        let to = to.to_canonical();
        if !is_answer(bytes) && self.is_stranger(to) {
            self.defence.former.insert(to);
        }
    }

    /// A call is over, and with it what was heard for its sake.
    pub(crate) fn forget_whom_we_asked(&mut self) {
        if !self.defence.former.is_empty() {
            self.follow_peers();
        }
    }

    /// Whether sound and its reports may be sent where a peer says: to this machine, by any of its addresses, only for a line that is allowed to name it.
    pub(crate) fn may_send_sound(&self, peer: IpAddr, sound: SocketAddr, reports: SocketAddr) -> bool {
        [sound, reports].iter().all(|to| self.may_send_to(peer, to.ip()))
    }

    fn may_send_to(&self, peer: IpAddr, to: IpAddr) -> bool {
        let (peer, to) = (peer.to_canonical(), to.to_canonical());
        let settings = &self.city.book.settings;
        let named = to == settings.sip.ip() || Some(to) == settings.advertise || settings.addresses.contains(&to);
        let ours = !to.is_unspecified() && (to.is_loopback() || named);
        let allowed = |line: &Line| {
            line.loopback && (line.from.iter().any(|net| net.contains(peer)) || line.trunk.as_ref().is_some_and(|trunk| trunk.is_at(peer)))
        };
        !ours || self.city.book.lines.iter().any(allowed)
    }
}

/// A network of one address.
fn alone(addr: IpAddr) -> Net {
    Net { addr, prefix: if addr.is_ipv4() { 32 } else { 128 } }
}

/// Whether a message answers one of ours, acknowledges or cancels, or names a dialog.
fn belongs_to_a_call(bytes: &[u8]) -> bool {
    is_answer(bytes) || bytes.trim_ascii_start().starts_with(b"CANCEL ") || is_in_dialog(bytes)
}

fn is_answer(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"SIP/2.0 ")
}

/// Whether a request names a dialog: its To has a tag, as whoever answers it reads it.
fn is_in_dialog(bytes: &[u8]) -> bool {
    sip::Message::parse(&Bytes::copy_from_slice(bytes)).is_ok_and(|message| has_to_tag(&message))
}

fn has_to_tag(message: &sip::Message) -> bool {
    message.first(Name::To).and_then(NameAddr::parse).is_some_and(|to| to.tag().is_some())
}

/// Whether a message may be one that tries a password: a REGISTER, or what shows one outside of a dialog. What cannot be read is answered whatever it
/// shows.
fn may_guess(bytes: &[u8]) -> bool {
    let Ok(message) = sip::Message::parse(&Bytes::copy_from_slice(bytes)) else { return false };
    let shows = message.first(Name::Authorization).is_some() || message.other("Proxy-Authorization").is_some();
    message.method() == Some("REGISTER") || message.method().is_some() && shows && !has_to_tag(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_guesser_is_banned_for_a_while_and_a_clumsy_finger_is_not() {
        let at = |secs: u64| Instant::from_millis(secs * 1000);
        let mut defence = Defence::default();
        // A phone with an old password, which asks every minute.
        assert!((0..100).all(|n| defence.guessed(at(n * 60), ip(1)).is_none()));
        for n in 0..9 {
            assert_eq!(defence.guessed(at(n), ip(2)), None);
        }
        assert_eq!(defence.guessed(at(9), ip(2)), Some(BANNED));
        assert!(defence.is_banned(at(10), ip(2)) && !defence.is_banned(at(10), ip(3)));
        assert!((0..50).all(|n| defence.guessed(at(20 + n), ip(2)).is_none()), "what comes during a ban makes it no longer");
        assert!(defence.is_banned(at(608), ip(2)) && !defence.is_banned(at(609), ip(2)));
    }

    #[test]
    fn the_tables_are_bounded() {
        let now = Instant::from_millis(1);
        let mut defence = Defence::default();
        for n in 0..SOURCES_MAX as u32 * 2 {
            defence.is_flood(now, ip(n));
            defence.guessed(now, ip(n));
        }
        assert!(defence.floods.len() <= SOURCES_MAX && defence.guessers.len() <= GUESSERS_MAX);
        // Buckets that are full again are forgotten, and there is room.
        let later = Instant::from_millis(10_000);
        assert!(!defence.is_flood(later, ip(u32::MAX)));
        assert!(defence.floods.len() < 10);
    }

    #[test]
    fn a_flood_is_stopped_and_the_next_second_is_another_one() {
        let at = |millis: u64| Instant::from_millis(millis);
        let mut defence = Defence::default();
        let heard = |defence: &mut Defence, millis| (0..20_000).filter(|_| !defence.is_flood(at(millis), ip(1))).count();
        assert_eq!((heard(&mut defence, 0), heard(&mut defence, 1000)), (10_000, 5_000));
        assert!(!defence.is_flood(at(1000), ip(2)), "nobody else suffers for it");
    }

    #[test]
    fn a_request_inside_a_dialog_is_known_by_the_tag_of_its_to() {
        assert!(is_in_dialog(b"INVITE sip:a SIP/2.0\r\nFrom: <sip:b>;tag=1\r\nT : <sip:a>;TAG=2\r\n\r\n"));
        assert!(!is_in_dialog(b"INVITE sip:a SIP/2.0\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:a>\r\n\r\n"));
        assert!(!is_in_dialog(b"INVITE sip:a SIP/2.0\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:a;tag=2>\r\n\r\n"), "a tag of the address is none");
        assert!(!is_in_dialog(b""));
    }
}
