//! Where a leg's packets may come from, and where ours go: decided early in a call, and again when the phone is known to have moved.
//!
//! A phone behind a NAT sends from another port than it described, or from the address that its SIP comes from. So the signalled IP address may
//! show another port in its first packets, and that other host itself, and we answer there (symmetric RTP, RFC 4961). After five packets the choice is final until the next
//! agreement, unless the very port that was signalled speaks after all: whoever learns the port of a call in progress can neither take its sound away nor speak into it.
//!
//! A phone whose SIP has gone to another host may have its sound there, too, or may have left it: wherever it is heard alone for a second, of where it was and
//! where its SIP is, there it is. The same holds between the places that one agreement allows until one of them has been heard for a second after it, so that
//! no stray packet keeps a phone deaf, and no late one. Nobody at a third host gains anything by that, and no neighbour of a phone that has been heard for a
//! second.
//!
//! Where a phone writes a private address, the host of its SIP stands for it. Such a place was made up, and the phone has named nothing: when its SIP has
//! gone and it writes what it wrote before, it has said nothing new.
//!
//! A phone is known by its stream, too: what goes on with that (RFC 3550 section 8.1) takes the place at once of whoever else is heard, wherever the phone may
//! be, and of its own port before right after an agreement or once that is silent, for a router may have forgotten it. Whoever speaks from an old address of it beside that stream
//! has to be alone for five seconds. Where an agreement names another place, its stream is learned anew. What begins a new stream is judged by where it comes from, as above.
//!
//! All of this is a matter of time, and not of packets: each counts for the time since the last one of its place. So nobody gains anything by sending more
//! of them, and a phone that sends few is found as soon.

use crate::rtp::{DROPOUT_MAX, Packet};
use model::Instant;
use std::net::{IpAddr, SocketAddr};

/// Packets after which no third port is listened to.
const WINDOW: u8 = 5;
/// Milliseconds of sound that make a place known.
const KNOWN: u16 = 1000;
/// Milliseconds for which sound of the port before may be under way. A router that gives the new port the way of the old one is found out before that.
const UNDER_WAY: u32 = 1100;
/// Milliseconds for which another stream has to be heard alone, where it is not with SIP, until it takes the place of the phone's own: whoever has its old
/// address speaks while it listens, and leaves silence out.
const ANOTHER: u16 = 5000;
/// Milliseconds for which another stream is heard where the phone is as far as we know, without a packet of its own, until that is its own.
const RESTARTED: u16 = 5000;
/// What a packet counts for that is the first of its place, or the first after a pause: as long as most are.
const FIRST: u16 = 20;
/// A longer time between two packets, in milliseconds, is a pause, which counts for nothing.
const PAUSE: u32 = 400;
/// But of who is heard alone: who leaves silence out sends a few packets now and then.
const PAUSE_ALONE: u32 = 1200;
/// What a packet from elsewhere takes back of the time that counts for a place: so many times its own, which is [`LONG`] at most. Two that speak at once
/// get nowhere, and a stray one delays little.
const TAKEN_BACK: u16 = 8;
/// In milliseconds: so long that who leaves silence out, and sends three packets a second, gives way to nobody who does not, and no longer, for the sake of
/// stray ones.
const LONG: u16 = 45;

/// The far end of one channel of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latch {
    signalled: SocketAddr,
    /// The host that was written, for which the signalled one may stand.
    written: IpAddr,
    /// Another host that may show itself.
    also: Option<IpAddr>,
    target: SocketAddr,
    stage: Stage,
    before: Option<Before>,
    /// The port of the signalled host that it has just given up for another, where it may as well be at the host before.
    given_up: GivenUp,
    /// The host that its SIP has gone to, whoever speaks.
    sip: Option<IpAddr>,
    /// Whether its sound is expected from there next.
    next: Next,
    /// For how many milliseconds it has been heard where ours go since the last agreement, what others took back subtracted, until it is known.
    heard: u16,
    /// The same, whoever else spoke and whatever is written.
    since: u16,
    /// Its own stream has been heard there.
    is_own: bool,
    /// When a packet came from there last.
    last: Millis,
    /// It speaks from elsewhere than where it was signalled since its SIP has moved.
    left: bool,
    /// Where it may be as well.
    rival: Option<Rival>,
}

/// Where it sent from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Before {
    addr: SocketAddr,
    /// It was heard there.
    heard: bool,
    /// What may still come from there.
    under_way: UnderWay,
    /// It has gone on without an agreement, and so it may be there still.
    unsaid: bool,
    /// Ours go there again at the next agreement: somebody at another host was heard while we sent nothing.
    aside: bool,
}

/// A port of which some packets may still come, that decide nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct GivenUp {
    port: u16,
    under_way: UnderWay,
}

/// Sound that was under way when its place was left: it is heard, and decides nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UnderWay {
    /// No more of it comes.
    #[default]
    Over,
    /// All of it, once anybody is heard.
    Ahead,
    /// Since then.
    Since(Millis),
}

impl UnderWay {
    /// Somebody is heard now.
    fn goes_on(&mut self, now: Millis) {
        *self = match *self {
            UnderWay::Ahead => UnderWay::Since(now),
            UnderWay::Since(began) if now.since(began) >= UNDER_WAY => UnderWay::Over,
            same @ (UnderWay::Over | UnderWay::Since(_)) => same,
        };
    }
}

/// Somebody who is heard from elsewhere than where ours go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rival {
    addr: SocketAddr,
    /// For how many milliseconds it has been heard, what those from where ours go took back subtracted.
    heard: u16,
    /// When a packet came from there last.
    last: Millis,
}

/// The stream by which a phone is known: its source, and where its sequence stands (RFC 3550 section 8.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream {
    /// Its source and its last number.
    own: Option<(u32, u16)>,
    /// For how many milliseconds it has been heard.
    heard: u16,
    /// A source that is heard where the phone was, and for how long.
    other: Option<(u32, u16)>,
    last: Millis,
}

impl Stream {
    /// Whether this goes on with the phone's own stream, once that is known.
    pub fn goes_on(&self, packet: &Packet<'_>) -> bool {
        let is_next = |number: u16| (1..DROPOUT_MAX).contains(&packet.sequence.wrapping_sub(number));
        self.is_of(packet.ssrc) && self.own.is_some_and(|(_, number)| is_next(number))
    }

    /// Whether this is the source of the phone's own stream, once that is known.
    pub fn is_of(&self, ssrc: u32) -> bool {
        self.is_known() && self.own.is_some_and(|(own, _)| own == ssrc)
    }

    /// Whether it has been heard for a second.
    pub fn is_known(&self) -> bool {
        self.heard > KNOWN
    }

    /// A packet was heard, and it came from where the phone is as far as we know. Another stream is its own after five seconds without a packet of that, or
    /// after a second where that was not known yet.
    pub fn hear(&mut self, now: Instant, packet: &Packet<'_>) {
        let now = Millis::of(now);
        let counts = now.counts(self.last, PAUSE);
        self.last = now;
        let (ssrc, number) = (packet.ssrc, packet.sequence);
        match self.own {
            Some((own, _)) if own == ssrc => {
                (self.own, self.heard, self.other) = (Some((ssrc, number)), self.heard.saturating_add(counts), None)
            }
            None => (self.own, self.heard) = (Some((ssrc, number)), FIRST),
            Some(_) => {
                let heard = self.other.filter(|(other, _)| *other == ssrc).map_or(FIRST, |(_, heard)| heard.saturating_add(counts));
                self.other = Some((ssrc, heard));
                if heard > if self.heard > KNOWN { RESTARTED } else { KNOWN } {
                    (self.own, self.heard, self.other) = (Some((ssrc, number)), heard, None);
                }
            }
        }
    }
}

/// A moment, in milliseconds of a clock that begins anew after seven weeks. Those that are compared are seconds apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Millis(u32);

impl Millis {
    fn of(now: Instant) -> Millis {
        Millis((now.as_nanos() / 1_000_000) as u32)
    }

    fn since(self, earlier: Millis) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// What a packet counts for where the last one came then, and a longer time would be a pause.
    fn counts(self, last: Millis, pause: u32) -> u16 {
        u16::try_from(self.since(last)).ok().filter(|gap| u32::from(*gap) <= pause).unwrap_or(FIRST)
    }
}

/// What a packet that counts for so much takes back.
fn taken_back(counts: u16) -> u16 {
    counts.min(LONG) * TAKEN_BACK
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    No,
    /// Its SIP has gone there.
    Followed,
    /// And it has said from there what it said before. Until anybody is heard, ours go where that is signalled.
    Agreed,
    /// And it has been heard where it was all the same.
    Heard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has come yet.
    Armed,
    /// Another port of the same host, or the other host, has sent this many packets.
    Trying(u8),
    /// Final.
    Closed,
}

impl Latch {
    /// Armed for the address that the exchange of descriptions gave, and for another host beside it.
    pub fn new(signalled: SocketAddr, also: Option<IpAddr>) -> Latch {
        Latch {
            signalled,
            written: signalled.ip(),
            also,
            target: signalled,
            stage: Stage::Armed,
            before: None,
            given_up: GivenUp::default(),
            sip: None,
            next: Next::No,
            heard: 0,
            since: 0,
            is_own: false,
            last: Millis::default(),
            left: false,
            rival: None,
        }
    }

    /// Armed again by a new agreement. If that gives the same address, what is known of the phone stays known, and our packets keep going where they
    /// went until one comes in.
    ///
    /// Whether another place is named: then its stream may be another one, too, and somebody else may go on with the one before.
    pub fn rearm(&mut self, signalled: SocketAddr, also: Option<IpAddr>) -> bool {
        self.agree(signalled, also, signalled.ip())
    }

    /// The same, where the host that SIP comes from stands for the one that was written. Of who writes the same again and is heard elsewhere, only the
    /// SIP is known to have gone: ours go where it is until anybody is heard, and then to where that is.
    pub fn rearm_seen(&mut self, signalled: SocketAddr, written: IpAddr) -> bool {
        self.agree(signalled, None, written)
    }

    fn agree(&mut self, signalled: SocketAddr, also: Option<IpAddr>, written: IpAddr) -> bool {
        let under_way = UnderWay::Ahead;
        // RFC 3264 section 8.4: who holds the call as of old says no address, and nothing of where it is.
        if signalled.ip().is_unspecified() {
            return false;
        }
        let is_same = signalled == self.signalled;
        let is_as_written = written == self.written && signalled.port() == self.signalled.port();
        if is_same || is_as_written && signalled.ip() != self.target.ip() && self.only_sip_has_gone() {
            (self.also, self.stage, self.heard, self.since) = (also, Stage::Armed, self.heard.min(1), 0);
            if let Some(aside) = self.before.filter(|before| before.aside && self.target != signalled) {
                // Music is under way from there for as long as any other sound.
                self.before = Some(Before { addr: self.target, heard: true, under_way, unsaid: true, aside: false });
                (self.target, self.heard, self.rival) = (aside.addr, 1, None);
            }
            if !is_same {
                self.back_at(self.sip);
                self.given_up = GivenUp::default();
                (self.next, self.left) = (Next::Agreed, self.sip == Some(signalled.ip()));
            }
            (self.signalled, self.written) = (signalled, written);
            return false;
        }
        // Or its own port at the host where it has shown itself before that was agreed.
        let there_already = signalled.port() == self.signalled.port() && signalled.ip() == self.target.ip();
        let target = if there_already { self.target } else { signalled };
        // Those of another host cannot be taken for the new one's, but where only its SIP is known to have gone.
        let same_house = self.target.ip() == signalled.ip() || Some(self.target.ip()) == also;
        let stayed = same_house || self.has_stayed(signalled, written);
        // Another port only is said, by who is at a place that stands for another.
        let only_its_port = written == self.written && written != signalled.ip() && self.sip == Some(self.target.ip());
        // But a stray packet may have shown that just before.
        let elsewhere = self.before.filter(|before| !before.aside && !self.is_named(before.addr) && self.heard <= KNOWN);
        let elsewhere = elsewhere.filter(|before| before.unsaid || only_its_port && before.addr.ip() != self.target.ip());
        let keeps_both = elsewhere.is_some() && only_its_port && !there_already;
        let given_up = match self.heard {
            _ if !keeps_both || self.target.ip() != signalled.ip() => GivenUp::default(),
            0 => self.given_up,
            _ => GivenUp { port: self.target.port(), under_way },
        };
        let before = match elsewhere {
            _ if there_already || keeps_both => elsewhere,
            _ => Some(Before { addr: self.target, heard: self.heard > 0, under_way, unsaid: false, aside: false }).filter(|_| stayed),
        };
        let before = before.map(|before| Before { unsaid: false, ..before });
        let sip = self.sip.filter(|sip| *sip == signalled.ip() || Some(*sip) == also);
        *self = Latch { before, given_up, target, sip, written, last: self.last, ..Latch::new(signalled, also) };
        true
    }

    /// Whether only its SIP is known to have gone, from where it was heard and never said to be: what it says now is as before but for its port, or but for the
    /// host, which stands for a private one and is where its SIP is.
    fn has_stayed(&self, signalled: SocketAddr, written: IpAddr) -> bool {
        let as_before = written == self.written
            || signalled.ip() == self.signalled.ip()
            || signalled.port() == self.signalled.port() && Some(signalled.ip()) == self.sip;
        as_before && !self.is_named(self.target) && self.only_sip_has_gone()
    }

    /// Whether this was written itself, and nothing stood for it.
    fn is_named(&self, addr: SocketAddr) -> bool {
        addr == SocketAddr::new(self.written, self.signalled.port())
    }

    /// Whether it has been heard where its SIP is no more.
    fn only_sip_has_gone(&self) -> bool {
        self.heard > 0 && self.sip.is_some_and(|sip| sip != self.target.ip())
    }

    /// Whoever was at one host may be at another, though nothing was said of the sound: it may have a machine of its own, or have stayed. So all is as before
    /// until that host speaks; what comes from where it was decides nothing then.
    pub fn follow(&mut self, from: IpAddr, to: IpAddr) {
        // It has been told before, by what came with the agreement.
        if self.sip == Some(to) {
            return;
        }
        self.back_at(Some(to));
        let silent = self.heard == 0 && self.also == Some(from);
        self.also = self.also.map(|also| if also == from { to } else { also });
        // Or it goes on before it has spoken where it went last.
        let expected = self.next != Next::No && self.sip == Some(from);
        self.sip = Some(to);
        if self.target.ip() == to {
            // Its sound never went, but its router may have another port for it.
            (self.next, self.stage, self.heard, self.since) = (Next::No, Stage::Armed, self.heard.min(1), 0);
        } else {
            self.next = if self.target.ip() == from || expected || silent { Next::Followed } else { Next::No };
        }
    }

    /// It is back, and what comes from there is no longer what was under way.
    fn back_at(&mut self, host: Option<IpAddr>) {
        if host == Some(self.signalled.ip()) {
            self.given_up = GivenUp::default();
        }
        if let Some(before) = self.before.as_mut().filter(|before| Some(before.addr.ip()) == host) {
            before.under_way = UnderWay::Over;
        }
    }

    /// Whether a packet that was found valid may be used; `own`: it goes on with the phone's own stream. Packets of strangers change nothing, so they cannot
    /// use up the window.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, own: bool) -> bool {
        let now = Millis::of(now);
        let before = self.target;
        let is_back = own && self.may_go_on_from(now, from) && (from.ip() != before.ip() || !self.is_under_way(from));
        let alone = is_back && from.ip() != before.ip() || !is_back && self.is_alone(now, from, own);
        if is_back && !alone {
            self.stage = Stage::Armed;
        }
        // Once it has been heard at one host, a single packet of another one that was not named is not the phone.
        let is_stray = self.heard > 0 && ![self.target.ip(), self.signalled.ip()].contains(&from.ip());
        let known = if is_back && !alone && self.is_own { self.heard } else { 0 };
        let admitted = self.admit_as(now, from, alone, is_back || !is_stray && self.may_show_itself(from.ip()));
        // Its stream says that this is where it was heard so far.
        self.heard = self.heard.max(known);
        if let Some(other) = self.before.as_mut().filter(|other| is_back && other.addr == before) {
            other.under_way = UnderWay::Over;
        }
        // That one packet is doubled, or is a key in a stream of its own, tells nothing else of its place.
        self.is_own |= own && from == self.target;
        admitted
    }

    /// Whether its own stream may go on from there at once: where somebody else is heard, but for who is where its SIP is; or by another port of its host,
    /// right after an agreement, or when nothing comes from the one before any more, for its router has forgotten that.
    fn may_go_on_from(&self, now: Millis, from: SocketAddr) -> bool {
        let hosts = [Some(self.signalled.ip()), Some(self.target.ip()), self.also, self.sip, self.before.map(|before| before.addr.ip())];
        let is_elsewhere = from != self.target && self.heard > 0 && hosts.contains(&Some(from.ip()));
        let is_beside = from.ip() == self.target.ip();
        // It may have begun a new stream at the very port that it names, and somebody else may go on with the one before.
        let is_named = self.target == self.signalled && !self.left && self.is_proved_at(self.target);
        let may_take = !is_named && (is_beside || self.sip == Some(from.ip()) || self.sip != Some(self.target.ip()));
        let goes_on_beside = is_beside && (self.is_own && self.since <= KNOWN || now.since(self.last) > PAUSE);
        is_elsewhere && (goes_on_beside || !self.is_own && may_take)
    }

    /// The same while we send nothing: music that another machine plays to whom we hold does not tell where ours go afterwards.
    pub fn admit_held(&mut self, now: Instant, from: SocketAddr) -> bool {
        let (target, next, heard) = (self.target, self.next, self.heard);
        let admitted = self.admit_as(Millis::of(now), from, false, self.may_show_itself(from.ip()));
        // Where its SIP has gone it has gone for good, and of another port of its host nobody can tell that it is not the phone.
        let has_arrived = next != Next::No && self.next == Next::No;
        // Who was heard at the host that it says has no router before it, so that what comes from where its SIP is is not the phone.
        let known = heard > 0 || self.before.is_some_and(|before| before.heard && before.addr.ip() == self.signalled.ip());
        let elsewhere = known && self.target.ip() != target.ip() && !has_arrived;
        if elsewhere && self.before.is_none_or(|before| !before.aside) {
            self.before = Some(Before { addr: target, heard: true, under_way: UnderWay::default(), unsaid: true, aside: true });
        }
        // Music makes no place known: after the hold whoever is heard alone is the phone.
        self.is_own = false;
        if from != self.signalled {
            self.heard = if self.target == target { heard } else { 0 }.max(self.heard.min(1));
        }
        admitted
    }

    fn admit_as(&mut self, now: Millis, from: SocketAddr, alone: bool, may_show_itself: bool) -> bool {
        let under_way = self.before.as_mut().map(|before| &mut before.under_way).into_iter().chain([&mut self.given_up.under_way]);
        under_way.for_each(|sound| sound.goes_on(now));
        // RFC 3264 section 8.3.1: after the answer sound goes to the new port, and comes from the old one for as long as the way takes.
        let is_signalled = from == self.signalled && !self.left;
        if !alone && !is_signalled && (self.stage != Stage::Closed || from != self.target) && self.is_under_way(from) {
            return true;
        }
        let arrives = from != self.target && self.next != Next::No && self.sip == Some(from.ip());
        let goes_on = alone || arrives;
        let admitted = goes_on || is_signalled || self.stage.admits(from == self.target, may_show_itself);
        if !admitted {
            return false;
        }
        if goes_on {
            let unsaid = !arrives || self.next == Next::Followed;
            self.before = Some(Before { addr: self.target, heard: self.heard > 0, under_way: UnderWay::Since(now), unsaid, aside: false });
            self.left = from != self.signalled && self.sip.is_some();
        }
        self.stage = match self.stage {
            // It stands in the description: nobody else can be meant, whoever was quicker. Or it has been heard for long enough.
            _ if is_signalled || alone => Stage::Closed,
            Stage::Trying(packets) if !goes_on && packets + 1 < WINDOW => Stage::Trying(packets + 1),
            Stage::Trying(_) | Stage::Closed if !goes_on => Stage::Closed,
            Stage::Armed | Stage::Trying(_) | Stage::Closed => Stage::Trying(1),
        };
        self.next = match self.next {
            _ if arrives => Next::No,
            Next::Agreed => Next::Heard,
            next @ (Next::No | Next::Followed | Next::Heard) => next,
        };
        let mut counts = now.counts(self.last, PAUSE);
        if from != self.target {
            (self.target, self.heard, self.since, self.is_own, self.rival, counts) = (from, 0, 0, false, None, FIRST);
        }
        let is_written = is_signalled && from.ip() == self.written;
        self.heard = if is_written { KNOWN + 1 } else { self.heard.saturating_add(counts) };
        self.since = self.since.saturating_add(counts);
        self.last = now;
        true
    }

    /// Whether this is where it is, because it has been heard there for a second, and hardly anywhere else: after a move of its SIP it may have stayed, or be
    /// back, or have gone after all.
    fn is_alone(&mut self, now: Millis, from: SocketAddr, own: bool) -> bool {
        if from == self.target {
            let counts = now.counts(self.last, PAUSE);
            // Whose own stream goes on is where it is, unless its SIP is elsewhere.
            let is_here = own && self.is_own;
            self.rival = self.rival.filter(|rival| !is_here || self.is_with_sip(rival.addr.ip()));
            self.rival = self.rival.and_then(|rival| rival.beside(now, counts, self.outranks(rival.addr.ip())));
            return false;
        }
        if !self.may_be_there(from) {
            return false;
        }
        let is_another = self.is_own && !own && from.ip() != self.target.ip() && !self.is_with_sip(from.ip());
        let (pause, enough) = if is_another { (PAUSE, ANOTHER) } else { (PAUSE_ALONE, KNOWN) };
        let rival = self.rival.map_or(Rival::new(now, from), |rival| rival.after(now, from, pause));
        if self.heard <= KNOWN {
            let counts = self.rival.filter(|rival| rival.addr == from).map_or(FIRST, |rival| now.counts(rival.last, PAUSE));
            self.heard = self.heard.saturating_sub(taken_back(counts)).max(self.heard.min(1));
        }
        self.rival = Some(rival);
        rival.addr == from && rival.heard > enough
    }

    /// Where it was signalled, where it was heard before, and where its SIP is. Before any place is known it is also any port that an agreement allows.
    fn may_be_there(&self, from: SocketAddr) -> bool {
        let before = self.before.map(|before| before.addr.ip());
        let hosts = [Some(self.signalled.ip()), Some(self.target.ip()), self.also, self.sip, before];
        from == self.signalled
            || self.before.is_some_and(|before| before.addr == from && (before.unsaid || self.heard <= KNOWN))
            || self.is_with_sip(from.ip())
            || self.heard <= KNOWN && hosts.contains(&Some(from.ip()))
    }

    /// Whether it was heard where its SIP is. That counts for more than what another host sends: only its SIP can prove who it is.
    fn outranks(&self, host: IpAddr) -> bool {
        self.is_with_sip(host) && self.before.is_some_and(|before| before.unsaid && before.addr.ip() == host)
    }

    /// Whether its SIP is at this host, and what it sends comes from another.
    fn is_with_sip(&self, host: IpAddr) -> bool {
        self.sip == Some(host) && self.target.ip() != host
    }

    /// The hosts of which another port may be the phone: where it was found under the agreement before, where it says to be, unless it has left from there,
    /// and where its SIP comes from.
    fn may_show_itself(&self, ip: IpAddr) -> bool {
        ip == self.target.ip() || ip == self.signalled.ip() && !self.left || Some(ip) == self.also
    }

    /// Whether ours go there, and its SIP, as far as that has moved, is there, too: its stream is learned there, and nowhere else.
    pub fn is_proved_at(&self, from: SocketAddr) -> bool {
        from == self.target && self.sip.is_none_or(|sip| sip == from.ip())
    }

    /// Whether what names its stream may go where ours go: that was written, or who is there knows it.
    pub fn knows_its_stream(&self) -> bool {
        self.is_own || self.is_named(self.target())
    }

    fn is_under_way(&self, from: SocketAddr) -> bool {
        let before = self.before.filter(|before| before.addr == from).map(|before| before.under_way);
        let given_up = (from == SocketAddr::new(self.signalled.ip(), self.given_up.port)).then_some(self.given_up.under_way);
        before.into_iter().chain(given_up).any(|sound| sound != UnderWay::Over)
    }

    /// Where ours go.
    pub fn target(&self) -> SocketAddr {
        if self.next == Next::Agreed { self.signalled } else { self.target }
    }
}

impl Rival {
    fn new(now: Millis, addr: SocketAddr) -> Rival {
        Rival { addr, heard: FIRST, last: now }
    }

    /// After a packet from where ours go, which counts for so much. One that outranks it has to speak only, not to be alone.
    fn beside(self, now: Millis, counts: u16, outranks: bool) -> Option<Rival> {
        let heard = if outranks { self.heard } else { self.heard.saturating_sub(taken_back(counts)) };
        Some(Rival { heard, ..self }).filter(|rival| rival.heard > 0 && now.since(rival.last) <= PAUSE)
    }

    /// After a packet of one of those who may be there.
    fn after(self, now: Millis, from: SocketAddr, pause: u32) -> Rival {
        match self.addr == from {
            true => Rival { heard: self.heard.saturating_add(now.counts(self.last, pause)), last: now, ..self },
            false if now.since(self.last) <= PAUSE => self,
            false => Rival::new(now, from),
        }
    }
}

impl Stage {
    /// Whether a packet may be used that comes from where ours go, or from a host that may show itself.
    fn admits(self, is_target: bool, may_show_itself: bool) -> bool {
        is_target || self == Stage::Armed && may_show_itself
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A latch and those who speak to it, each in packets of 20 ms.
    #[derive(Clone)]
    struct Paced {
        latch: super::Latch,
        now: Instant,
        last: std::collections::BTreeMap<SocketAddr, Instant>,
    }

    impl Paced {
        fn new(signalled: SocketAddr, also: Option<IpAddr>) -> Paced {
            Paced { latch: super::Latch::new(signalled, also), now: Instant::ZERO, last: Default::default() }
        }
        fn admit(&mut self, from: SocketAddr) -> bool {
            let next = self.last.get(&from).map_or(self.now, |last| *last + std::time::Duration::from_millis(20));
            self.now = self.now.max(next);
            self.last.insert(from, self.now);
            self.latch.admit(self.now, from, false)
        }
        fn rearm(&mut self, signalled: SocketAddr, also: Option<IpAddr>) {
            self.latch.rearm(signalled, also);
        }
        fn rearm_seen(&mut self, signalled: SocketAddr, written: IpAddr) {
            self.latch.rearm_seen(signalled, written);
        }
        fn follow(&mut self, from: IpAddr, to: IpAddr) {
            self.latch.follow(from, to);
        }
        fn target(&self) -> SocketAddr {
            self.latch.target()
        }
    }

    #[test]
    fn a_phone_that_goes_to_another_host_is_heard_there_once_it_speaks() {
        let (old, new) = (at("192.0.2.1:4000"), at("198.51.100.7:50001"));
        let mut latch = Paced::new(old, None);
        assert!((0..9).all(|_| latch.admit(old)));
        assert!(!latch.admit(new));
        latch.follow(old.ip(), new.ip());
        assert!((0..9).all(|_| latch.admit(old)), "until it speaks there");
        assert_eq!(latch.target(), old);
        assert!(latch.admit(new));
        assert_eq!(latch.target(), new);
        assert!((0..3).all(|_| latch.admit(old)), "what was under way is heard");
        assert_eq!(latch.target(), new, "and decides nothing");
        assert!((0..9).all(|_| latch.admit(new)));
        assert!((0..99).filter(|_| latch.admit(old) & latch.admit(new)).count() < 50);
        assert_eq!(latch.target(), new);
        assert!(!latch.admit(at("198.51.100.7:50003")) && !latch.admit(at("203.0.113.5:4000")));
        // What it says of itself then is what we know already.
        latch.rearm(at("198.51.100.7:4000"), None);
        assert_eq!(latch.target(), new);
        assert!(latch.admit(new));
        assert_eq!(latch.target(), new);
        // Whoever's sound has stayed is heard for good.
        let mut stays = Paced::new(at("10.0.0.9:4000"), Some(old.ip()));
        assert!((0..9).all(|_| stays.admit(old)));
        stays.follow(old.ip(), new.ip());
        assert!((0..99).all(|_| stays.admit(old)) && !stays.admit(at("10.0.0.9:4002")));
        // Whoever's sound has a machine of its own is heard from there and nowhere else.
        let mut apart = Paced::new(at("192.0.2.9:4000"), None);
        apart.follow(old.ip(), new.ip());
        assert!(!apart.admit(new) && apart.admit(at("192.0.2.9:4000")));
        // Also if its SIP has moved, and it holds and resumes from there.
        stays.rearm(at("10.0.0.9:4000"), Some(new.ip()));
        assert!((0..9).all(|_| stays.admit(old)));
        assert_eq!(stays.target(), old);
        // One that has moved and goes on saying where it was.
        let mut forgetful = Paced::new(old, None);
        forgetful.follow(old.ip(), new.ip());
        assert!(forgetful.admit(new));
        forgetful.rearm(old, Some(new.ip()));
        assert!(forgetful.admit(old) && forgetful.admit(new), "a packet that was under way decides nothing");
        assert_eq!(forgetful.target(), new);
        // Its sound comes home, or has never left but for a few packets: SIP says nothing of it.
        let mut home = forgetful.clone();
        home.rearm(old, None);
        assert!((0..60).filter(|_| home.admit(old)).count() > 50);
        assert_eq!(home.target(), old);
        assert!(home.admit(new) && home.admit(old), "what was under way decides nothing");
        assert_eq!(home.target(), old);
        // A stray packet from the host where only SIP went takes sound away for a second at most.
        let mut stray = Paced::new(old, None);
        assert!((0..9).all(|_| stray.admit(old)));
        stray.follow(old.ip(), new.ip());
        assert!(stray.admit(new));
        stray.rearm(old, None);
        assert!((0..=50).all(|_| stray.admit(old)));
        assert_eq!(stray.target(), old);
        assert!((0..50).all(|_| stray.admit(old) & stray.admit(new)));
        assert_eq!(stray.target(), old);
        // Where SIP came from for a while, and no sound did, nobody can take it once SIP is back.
        let mut back = Paced::new(at("10.0.0.9:4000"), Some(old.ip()));
        assert!((0..9).all(|_| back.admit(old)));
        back.follow(old.ip(), new.ip());
        back.rearm(at("10.0.0.9:4000"), Some(new.ip()));
        back.follow(new.ip(), old.ip());
        assert!(!back.admit(new) && back.admit(old));
        // It slips back to where it was while its SIP stays, and returns: there it is heard alone again, by whatever port its router has for it.
        let mut slips = Paced::new(old, None);
        slips.follow(old.ip(), new.ip());
        assert!((0..9).all(|_| slips.admit(new)));
        assert!((0..60).filter(|_| slips.admit(old)).count() > 50);
        assert_eq!(slips.target(), old);
        assert!((0..60).filter(|_| slips.admit(new)).count() > 50);
        assert_eq!(slips.target(), new);
        (0..60).for_each(|_| _ = slips.admit(old));
        let again = SocketAddr::new(new.ip(), 50_007);
        (0..60).for_each(|_| _ = slips.admit(again));
        assert_eq!(slips.target(), again);
        assert!(slips.admit(again) && !slips.admit(at("203.0.113.5:4000")));
        // While it speaks where it is, nobody is alone.
        assert!((0..200).all(|_| slips.admit(again) | slips.admit(old)));
        assert_eq!(slips.target(), again);
        // Whoever has its old address speaks while it is silent: once it speaks where its SIP is, it is heard, whatever else is sent.
        let mut mute = Paced::new(old, None);
        mute.follow(old.ip(), new.ip());
        (0..9).for_each(|_| _ = mute.admit(new));
        (0..60).for_each(|_| _ = mute.admit(old));
        assert_eq!(mute.target(), old);
        assert!((0..60).filter(|_| mute.admit(old) & mute.admit(new)).count() >= 50);
        assert_eq!(mute.target(), new);
        // Its SIP goes home without its sound, and a stray packet comes from there.
        let mut roams = Paced::new(old, None);
        roams.follow(old.ip(), new.ip());
        (0..9).for_each(|_| _ = roams.admit(new));
        roams.follow(new.ip(), old.ip());
        assert!(roams.admit(old));
        assert!((0..60).filter(|_| roams.admit(new)).count() > 50);
        assert_eq!(roams.target(), new);
        // Its sound was at a host of its own, and both go to a third.
        let mut both = Paced::new(at("192.0.2.9:4000"), None);
        assert!(both.admit(at("192.0.2.9:4000")));
        both.follow(old.ip(), new.ip());
        (0..60).for_each(|_| _ = both.admit(new));
        assert_eq!(both.target(), new);
        // Stray packets from where only SIP went, of one behind a router: it has stayed.
        let mut strays = Paced::new(at("10.0.0.9:4000"), Some(old.ip()));
        assert!((0..9).all(|_| strays.admit(old)));
        strays.follow(old.ip(), new.ip());
        strays.rearm(at("10.0.0.9:4000"), Some(new.ip()));
        assert!((0..3).all(|_| strays.admit(new)));
        assert!((0..60).all(|_| strays.admit(old)));
        assert_eq!(strays.target(), old);
        // Who holds as of old says nothing of where it is, and is where it was when it resumes.
        strays.rearm(at("0.0.0.0:4000"), None);
        strays.rearm(at("10.0.0.9:4000"), Some(new.ip()));
        assert_eq!(strays.target(), old);
        assert!(strays.admit(old));
        // And says so from where it was, because it is back.
        forgetful.rearm(old, None);
        forgetful.follow(new.ip(), old.ip());
        assert!(forgetful.admit(new) && forgetful.admit(old) && forgetful.admit(new), "what is under way decides nothing here, either");
        assert_eq!(forgetful.target(), old);
        // One that comes back without a word.
        let mut back = Paced::new(old, None);
        back.follow(old.ip(), new.ip());
        assert!(back.admit(new));
        back.follow(new.ip(), old.ip());
        assert!(back.admit(old));
        assert_eq!(back.target(), old);
        // One that was away, but not with its sound: others at either host get nothing of it later.
        let mut idle = Paced::new(old, None);
        idle.follow(old.ip(), new.ip());
        idle.follow(new.ip(), old.ip());
        assert!((0..6).all(|_| idle.admit(old)) && !idle.admit(at("192.0.2.1:4002")) && !idle.admit(new));
        // One behind a router that registers, refreshes, holds and resumes from there, while its sound comes from the old host still.
        let mut slow = Paced::new(at("10.0.0.9:4000"), Some(old.ip()));
        assert!((0..9).all(|_| slow.admit(old)));
        slow.follow(old.ip(), new.ip());
        for _ in 0..3 {
            slow.rearm(at("10.0.0.9:4000"), Some(new.ip()));
            assert!((0..25).all(|_| slow.admit(old)));
        }
        assert!(slow.admit(new) && slow.admit(old) && slow.admit(new));
        assert_eq!(slow.target(), new);
        // A carrier whose SIP moves from one of its machines to another: its sound has a third one, and stays there.
        let mut carrier = Paced::new(at("10.0.0.9:4000"), Some(old.ip()));
        assert!(carrier.admit(at("10.0.0.9:4000")));
        carrier.follow(old.ip(), new.ip());
        assert!(!carrier.admit(new) && carrier.admit(at("10.0.0.9:4000")));
        // One that goes on and on before it speaks.
        let (mut mute, last) = (Paced::new(old, None), at("203.0.113.9:50009"));
        assert!(mute.admit(old));
        mute.follow(old.ip(), new.ip());
        mute.follow(new.ip(), last.ip());
        assert!(!mute.admit(new) && mute.admit(last));
        assert_eq!(mute.target(), last);
        // One behind a router that has said nothing yet.
        let mut mute = Paced::new(at("10.0.0.9:4000"), Some(old.ip()));
        mute.follow(old.ip(), new.ip());
        assert!(mute.admit(new));
        assert_eq!(mute.target(), new);
    }

    #[test]
    fn a_phone_that_sends_from_where_it_said_is_final_at_once() {
        let mut latch = Paced::new(at("192.0.2.1:4000"), None);
        assert!(latch.admit(at("192.0.2.1:4000")));
        assert!(!latch.admit(at("192.0.2.1:4002")));
        assert_eq!(latch.target(), at("192.0.2.1:4000"));
    }

    #[test]
    fn a_phone_behind_a_nat_is_answered_where_it_sends_from() {
        let mut latch = Paced::new(at("192.0.2.1:4000"), None);
        for _ in 0..10 {
            assert!(latch.admit(at("192.0.2.1:61000")));
        }
        assert_eq!(latch.target(), at("192.0.2.1:61000"));
        assert!(!latch.admit(at("192.0.2.1:61001")), "final after five");
        assert!(latch.admit(at("192.0.2.1:4000")), "but for the port that was signalled");
        assert!(!latch.admit(at("192.0.2.1:61000")));
        assert_eq!(latch.target(), at("192.0.2.1:4000"));
    }

    #[test]
    fn where_sip_comes_from_may_show_itself_and_the_signalled_address_still_wins() {
        let house = Some(at("10.0.0.1:5060").ip());
        let mut behind = Paced::new(at("192.168.1.5:4000"), house);
        assert_eq!(behind.target(), at("192.168.1.5:4000"));
        (0..10).for_each(|_| assert!(behind.admit(at("10.0.0.1:61000"))));
        assert_eq!(behind.target(), at("10.0.0.1:61000"));
        assert!(!behind.admit(at("10.0.0.1:61002")) && !behind.admit(at("192.168.1.6:4000")), "final after five");
        let mut gateway = Paced::new(at("10.0.0.7:4000"), house);
        assert!(!gateway.admit(at("10.0.0.8:4000")) && gateway.admit(at("10.0.0.1:61000")) && gateway.admit(at("10.0.0.7:4000")));
        assert!(!gateway.admit(at("10.0.0.1:61000")));
        assert_eq!(gateway.target(), at("10.0.0.7:4000"));
    }

    #[test]
    fn late_packets_of_the_port_before_are_heard_and_decide_nothing() {
        let mut latch = Paced::new(at("192.0.2.1:4000"), None);
        assert!(latch.admit(at("192.0.2.1:4000")));
        latch.rearm(at("192.0.2.1:4002"), None);
        (0..20).for_each(|_| assert!(latch.admit(at("192.0.2.1:4000"))));
        assert_eq!(latch.target(), at("192.0.2.1:4002"));
        assert!(latch.admit(at("192.0.2.1:4002")) && latch.admit(at("192.0.2.1:4000")) && latch.admit(at("192.0.2.1:4002")));
        assert_eq!(latch.target(), at("192.0.2.1:4002"));
        // A little more than a second later nothing of it is under way any more.
        (0..34).for_each(|_| assert!(latch.admit(at("192.0.2.1:4000"))));
        assert!(!latch.admit(at("192.0.2.1:4000")) && latch.admit(at("192.0.2.1:4002")));
        // A phone behind a router whose new port has the way of the old one is heard all the time, and answered after that second.
        let mut behind = Paced::new(at("192.0.2.1:4000"), None);
        (0..6).for_each(|_| assert!(behind.admit(at("192.0.2.1:61000"))));
        behind.rearm(at("192.0.2.1:4002"), None);
        (0..51).for_each(|_| assert!(behind.admit(at("192.0.2.1:61000"))));
        assert_eq!(behind.target(), at("192.0.2.1:61000"));
    }

    #[test]
    fn late_packets_from_behind_a_router_decide_nothing_either() {
        let router = Some(at("10.0.0.1:5060").ip());
        let mut latch = Paced::new(at("192.168.50.50:4000"), router);
        (0..6).for_each(|_| assert!(latch.admit(at("10.0.0.1:61000"))));
        latch.rearm(at("192.168.50.50:4002"), router);
        assert!(latch.admit(at("10.0.0.1:61000")) && latch.admit(at("10.0.0.1:61002")) && latch.admit(at("10.0.0.1:61002")));
        assert_eq!(latch.target(), at("10.0.0.1:61002"));
        // Nor where it has just moved or said what it said before, so that it may be at the host before as well.
        let (written, old, new) = (at("192.168.50.50:4000").ip(), at("192.0.2.1:61000"), at("198.51.100.7:61000"));
        let mut moved = Paced::new(at("192.0.2.1:4000"), None);
        moved.rearm_seen(at("192.0.2.1:4000"), written);
        assert!((0..60).all(|_| moved.admit(old)));
        moved.follow(old.ip(), new.ip());
        moved.rearm_seen(at("198.51.100.7:4000"), written);
        assert!(moved.admit(new));
        let mut refreshed = moved.clone();
        assert!((0..60).all(|_| refreshed.admit(new)));
        refreshed.rearm_seen(at("198.51.100.7:4000"), written);
        assert!(refreshed.admit(new));
        for mut latch in [moved, refreshed] {
            let next = at("198.51.100.7:61002");
            latch.rearm_seen(at("198.51.100.7:4002"), written);
            assert!(latch.admit(new) && latch.admit(next) && latch.admit(new) && latch.admit(next));
            assert_eq!(latch.target(), next);
        }
    }

    #[test]
    fn the_signalled_port_wins_while_the_window_is_open() {
        let mut latch = Paced::new(at("192.0.2.1:4000"), None);
        assert!(latch.admit(at("192.0.2.1:61000")));
        assert!(latch.admit(at("192.0.2.1:4000")));
        assert!(!latch.admit(at("192.0.2.1:61000")));
        assert_eq!(latch.target(), at("192.0.2.1:4000"));
    }

    #[test]
    fn a_flood_of_strangers_neither_latches_nor_uses_up_the_window() {
        let mut latch = Paced::new(at("192.0.2.1:4000"), None);
        for port in 1..1000 {
            assert!(!latch.admit(SocketAddr::new(at("203.0.113.66:1").ip(), port)));
        }
        assert!(latch.admit(at("192.0.2.1:61000")));
    }

    #[test]
    fn a_new_agreement_arms_it_again_and_keeps_talking_to_the_same_phone() {
        let mut latch = Paced::new(at("192.0.2.1:4000"), None);
        for _ in 0..6 {
            latch.admit(at("192.0.2.1:61000"));
        }
        latch.rearm(at("192.0.2.1:4000"), None);
        assert_eq!(latch.target(), at("192.0.2.1:61000"));
        assert!(latch.admit(at("192.0.2.1:61002")), "its NAT gave it a new port");
        latch.rearm(at("192.0.2.2:4000"), None);
        assert_eq!(latch.target(), at("192.0.2.2:4000"));
        assert!(!latch.admit(at("192.0.2.1:61002")));
    }
}
