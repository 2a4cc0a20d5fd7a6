//! Ways to the outside: telling a carrier where we are, and asking whether it works.
//!
//! Registration as a client (RFC 3261 section 10.2, RFC 5626 section 4.5 for the pauses) and OPTIONS outside any dialog (section 11). A machine
//! of its own: told what came and what time it is, it says what to send and what has changed. Nobody is called by it.

use crate::border::{Event, Output};
use crate::credentials::{Account, Unanswered, again};
use crate::header::{Name, NameAddr};
use crate::lexis::number;
use crate::message::Message;
use crate::transaction::{Due, GIVE_UP, Key, Repeat, T2};
use crate::uri::{Uri, escape_user};
use crate::writer::Writer;
use bytes::Bytes;
use model::{Direction, FlowId, Instant, LineId, Method, Random, TrunkRegistration};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Trunks of one city; further ones are neither registered nor asked.
pub const TRUNKS_MAX: usize = 64;
/// The pause after the first failure to register; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause. So long waits, too, who had the password refused: a carrier bans whoever tries on and on.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The longest registration that we agree to, in seconds (423 Min-Expires): a week.
const EXPIRES_MAX: u32 = 7 * 24 * 3600;
/// Challenges that one registration answers: the first, and nonces that are too old by the time.
const CHALLENGES_MAX: u32 = 3;
/// By when an OPTIONS is answered, or counts as not answered.
const CHECK_ANSWER: Duration = Duration::from_secs(4);
/// How soon a check is repeated that failed.
const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// A trunk that registers, or is asked whether it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Which one.
    pub id: LineId,
    /// Where it is.
    pub addr: SocketAddr,
    /// How to register.
    pub account: Option<Account>,
    /// How to ask whether it works.
    pub check: Option<Check>,
}

/// Asking whether a trunk works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// How often.
    pub every: Duration,
    /// After so many failures in a row it is down.
    pub failures: u32,
}

/// How a trunk stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkState {
    /// What came of registering last.
    pub registration: Option<TrunkRegistration>,
    /// Whether the carrier knows where we are.
    pub registered: bool,
    /// Whether it answers; `None` where nobody asks.
    pub reachable: Option<bool>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trunks {
    peers: Vec<Peer>,
    random: Option<Random>,
    outputs: VecDeque<Output>,
    /// We are leaving: nothing is registered any more.
    leaving: bool,
}

#[derive(Clone, Debug)]
struct Peer {
    trunk: Trunk,
    state: TrunkState,
    /// Of the registration: the same for all its REGISTERs (section 10.2).
    call_id: String,
    tag: String,
    cseq: u32,
    /// How long it shall last, in seconds.
    expires_secs: u32,
    /// Until when the carrier keeps it.
    until: Option<Instant>,
    /// When the next REGISTER is due.
    register_at: Option<Instant>,
    failures: u32,
    register: Option<Asked>,
    /// When the next OPTIONS is due.
    check_at: Option<Instant>,
    check_failures: u32,
    check: Option<Asked>,
}

/// A request that is out.
#[derive(Clone, Debug)]
struct Asked {
    key: Key,
    request: Bytes,
    repeat: Repeat,
    give_up: Instant,
    /// Challenges answered by now.
    challenges: u32,
    /// Whether it takes the registration back.
    leaves: bool,
}

impl Asked {
    fn due(&self) -> Instant {
        self.repeat.at.min(self.give_up)
    }
}

impl Trunks {
    /// These are the trunks from here on. What has not changed goes on; what is no more signs off. `random` is asked for once there are any.
    pub(crate) fn set(&mut self, now: Instant, local: SocketAddr, trunks: Vec<Trunk>, random: &mut Random) {
        if self.random.is_none() && !trunks.is_empty() {
            self.random = Some(random.fork());
        }
        let Some(random) = &mut self.random else { return };
        let mut before = std::mem::take(&mut self.peers);
        for trunk in trunks.into_iter().take(TRUNKS_MAX) {
            match before.iter().position(|peer| peer.trunk == trunk) {
                Some(at) => self.peers.push(before.remove(at)),
                None => self.peers.push(Peer::new(now, trunk, random)),
            }
        }
        for mut gone in before.into_iter().filter(|gone| gone.state.registered) {
            // Nobody waits for the answer: it runs out by itself if this is lost.
            let asked = gone.write_register(now, local, random, true);
            self.outputs.extend(asked.into_iter().flat_map(|asked| transmit(&gone, Method::Register, false, asked.request)));
        }
    }

    /// Takes all registrations back, once and for all.
    pub(crate) fn leave(&mut self, now: Instant, local: SocketAddr) {
        let Some(random) = &mut self.random else { return };
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        for peer in &mut self.peers {
            peer.register_at = None;
            peer.register =
                if peer.state.registered || peer.register.is_some() { peer.write_register(now, local, random, true) } else { None };
            let sent = peer.register.iter().flat_map(|asked| transmit(peer, Method::Register, false, asked.request.clone()));
            self.outputs.extend(sent);
        }
    }

    /// How each stands.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&LineId, TrunkState)> {
        self.peers.iter().map(|peer| (&peer.trunk.id, peer.state))
    }

    /// The account with which requests to this address prove our password.
    pub(crate) fn account_at(&self, addr: SocketAddr) -> Option<&Account> {
        self.peers.iter().filter(|peer| peer.trunk.addr == addr).find_map(|peer| peer.trunk.account.as_ref())
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.peers.iter().filter_map(Peer::due).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, local: SocketAddr) {
        let Some(random) = &mut self.random else { return };
        for peer in &mut self.peers {
            peer.handle_timeout(now, local, random, &mut self.outputs);
        }
    }

    /// A response of this key: true if the request was one of ours.
    pub(crate) fn handle_response(&mut self, now: Instant, local: SocketAddr, key: Key, response: &Message, status: u16) -> bool {
        let Some(random) = &mut self.random else { return false };
        for peer in &mut self.peers {
            if peer.check.as_ref().is_some_and(|asked| asked.key == key) {
                // Whatever it says, it is there; but for one that says that it cannot (RFC 3261 section 21.5.4).
                if status >= 200 {
                    peer.checked(now, status != 503 && status != 408, &mut self.outputs);
                }
                return true;
            }
            if peer.register.as_ref().is_some_and(|asked| asked.key == key) {
                peer.registrar_says(now, local, response, status, random, &mut self.outputs);
                return true;
            }
        }
        false
    }
}

impl Peer {
    fn new(now: Instant, trunk: Trunk, random: &mut Random) -> Peer {
        let reachable = trunk.check.map(|_| true);
        Peer {
            state: TrunkState { reachable, ..TrunkState::default() },
            call_id: random.token(26),
            tag: random.token(16),
            cseq: 0,
            expires_secs: trunk.account.as_ref().map_or(0, |account| account.expires_secs),
            until: None,
            register_at: trunk.account.is_some().then_some(now),
            failures: 0,
            register: None,
            check_at: trunk.check.is_some().then_some(now),
            check_failures: 0,
            check: None,
            trunk,
        }
    }

    fn due(&self) -> Option<Instant> {
        let asked = [&self.register, &self.check].into_iter().flatten().map(Asked::due);
        asked.chain(self.register_at).chain(self.check_at).chain(self.until).min()
    }

    fn handle_timeout(&mut self, now: Instant, local: SocketAddr, random: &mut Random, outputs: &mut VecDeque<Output>) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            if self.state.registered {
                self.registration(TrunkRegistration::Expired, outputs);
            }
        }
        match due(&mut self.register, now) {
            Due::Resend => {
                outputs.extend(self.register.iter().flat_map(|asked| transmit(self, Method::Register, true, asked.request.clone())))
            }
            Due::TimedOut => {
                let leaves = self.register.take().is_some_and(|asked| asked.leaves);
                let how = if leaves { TrunkRegistration::SignedOff } else { TrunkRegistration::NoAnswer };
                self.failed(now, how, None, random, outputs);
            }
            Due::Nothing | Due::Over => {}
        }
        if self.register_at.is_some_and(|at| at <= now) && self.register.is_none() {
            self.register_at = None;
            self.register = self.write_register(now, local, random, false);
            outputs.extend(self.register.iter().flat_map(|asked| transmit(self, Method::Register, false, asked.request.clone())));
        }
        match due(&mut self.check, now) {
            Due::Resend => outputs.extend(self.check.iter().flat_map(|asked| transmit(self, Method::Options, true, asked.request.clone()))),
            Due::TimedOut => self.checked(now, false, outputs),
            Due::Nothing | Due::Over => {}
        }
        if self.check_at.is_some_and(|at| at <= now) && self.check.is_none() {
            self.check_at = None;
            self.check = Some(self.write_options(now, local, random));
            outputs.extend(self.check.iter().flat_map(|asked| transmit(self, Method::Options, false, asked.request.clone())));
        }
    }

    fn write_register(&mut self, now: Instant, local: SocketAddr, random: &mut Random, leaves: bool) -> Option<Asked> {
        let account = self.trunk.account.as_ref()?;
        self.cseq = self.cseq.saturating_add(1);
        let branch = branch(random);
        let user = escape_user(&account.user);
        let (us, expires) = (format!("<sip:{user}@{}>", account.domain), if leaves { 0 } else { self.expires_secs });
        let request = Writer::request("REGISTER", &format!("sip:{}", account.domain))
            .header("Via", format!("SIP/2.0/UDP {local};branch={branch};rport"))
            .header("Max-Forwards", "70")
            .header("From", format!("{us};tag={}", self.tag))
            .header("To", us)
            .header("Call-ID", &self.call_id)
            .header("CSeq", format!("{} REGISTER", self.cseq))
            .header("Contact", format!("<sip:{user}@{local}>;expires={expires}"))
            .header("Expires", expires.to_string())
            .empty();
        Some(asked(now, &branch, "REGISTER", request, GIVE_UP, leaves))
    }

    fn write_options(&mut self, now: Instant, local: SocketAddr, random: &mut Random) -> Asked {
        let branch = branch(random);
        let to = format!("sip:{}", self.trunk.addr);
        let request = Writer::request("OPTIONS", &to)
            .header("Via", format!("SIP/2.0/UDP {local};branch={branch};rport"))
            .header("Max-Forwards", "70")
            .header("From", format!("<sip:{local}>;tag={}", random.token(16)))
            .header("To", format!("<{to}>"))
            .header("Call-ID", random.token(26))
            .header("CSeq", "1 OPTIONS")
            .header("Contact", format!("<sip:{local}>"))
            .header("Accept", "application/sdp")
            .empty();
        asked(now, &branch, "OPTIONS", request, CHECK_ANSWER, false)
    }

    /// The trunk has answered our question, or has not.
    fn checked(&mut self, now: Instant, works: bool, outputs: &mut VecDeque<Output>) {
        let Some(check) = self.trunk.check else { return };
        self.check = None;
        self.check_failures = if works { 0 } else { self.check_failures.saturating_add(1) };
        self.check_at = Some(now + if works { check.every } else { check.every.min(CHECK_AGAIN) });
        let reachable = works || self.check_failures < check.failures && self.state.reachable == Some(true);
        if self.state.reachable.replace(reachable) != Some(reachable) {
            outputs.push_back(Output::Event(Event::TrunkReachable { trunk: self.trunk.id.clone(), reachable }));
        }
    }

    /// A response to our REGISTER.
    fn registrar_says(
        &mut self,
        now: Instant,
        local: SocketAddr,
        response: &Message,
        status: u16,
        random: &mut Random,
        outputs: &mut VecDeque<Output>,
    ) {
        use TrunkRegistration as How;
        if status < 200 {
            if let Some(asked) = &mut self.register {
                asked.repeat.slow_down();
            }
            return;
        }
        let Some(asked) = self.register.take() else { return };
        let after = response.first(Name::RetryAfter).and_then(number).map(|secs| Duration::from_secs(secs.min(3600)));
        match status {
            200..=299 if asked.leaves => {
                self.until = None;
                self.registration(How::SignedOff, outputs);
            }
            200..=299 => {
                let secs = self.granted(response, local);
                self.failures = 0;
                self.until = Some(now + Duration::from_secs(secs));
                // Section 10.2.4 leaves it to us: between 70 and 90 % of the time, so that many who began together do not stay together.
                let share = 700 + random.below(201);
                self.register_at = Some(now + Duration::from_millis(secs.saturating_mul(share).max(1000)));
                self.registration(How::Registered, outputs);
            }
            401 | 407 => match self.trunk.account.as_ref().map(|account| account.answer(&asked.request, response, random)) {
                Some(Ok((name, value))) if asked.challenges < CHALLENGES_MAX => {
                    self.cseq = self.cseq.saturating_add(1);
                    let branch = branch(random);
                    let request = again(&asked.request, &branch, self.cseq, (name, &value));
                    outputs.extend(transmit(self, Method::Register, false, request.clone()));
                    let next = self::asked(now, &branch, "REGISTER", request, GIVE_UP, asked.leaves);
                    self.register = Some(Asked { challenges: asked.challenges + 1, ..next });
                }
                Some(Err(Unanswered::OtherRealm)) => self.failed(now, How::OtherRealm, Some(PAUSE_MAX), random, outputs),
                Some(Err(Unanswered::OtherDigest)) => self.failed(now, How::OtherDigest, Some(PAUSE_MAX), random, outputs),
                Some(Err(Unanswered::NoPassword)) => self.failed(now, How::NoPassword, Some(PAUSE_MAX), random, outputs),
                Some(Ok(_) | Err(Unanswered::Wrong)) | None => self.failed(now, How::WrongPassword, Some(PAUSE_MAX), random, outputs),
            },
            // Section 10.3: "Interval Too Brief": the carrier says how long at least.
            423 => {
                let least = response.other("Min-Expires").and_then(number).and_then(|secs| u32::try_from(secs).ok());
                match least.filter(|least| *least > self.expires_secs && *least <= EXPIRES_MAX && !asked.leaves) {
                    Some(least) => {
                        self.expires_secs = least;
                        self.register_at = Some(now);
                    }
                    None => self.failed(now, How::Refused, after, random, outputs),
                }
            }
            403 => self.failed(now, How::Refused, Some(PAUSE_MAX), random, outputs),
            _ => self.failed(now, How::Refused, after, random, outputs),
        }
    }

    /// How long the carrier keeps us, in seconds: by our Contact, or by Expires, or as we wished (section 10.2.1.1).
    fn granted(&self, response: &Message, local: SocketAddr) -> u64 {
        let contacts = response.values(Name::Contact).filter_map(NameAddr::parse);
        let ours = contacts.filter(|contact| contact.uri().socket_addr() == Some(local)).find_map(|contact| contact.expires());
        let granted = ours.or_else(|| response.first(Name::Expires).and_then(number)).unwrap_or(u64::from(self.expires_secs));
        granted.clamp(1, u64::from(EXPIRES_MAX))
    }

    /// Registering has failed: again after a pause, with jitter, so that a carrier that comes back is not met by all at once.
    fn failed(
        &mut self,
        now: Instant,
        how: TrunkRegistration,
        pause: Option<Duration>,
        random: &mut Random,
        outputs: &mut VecDeque<Output>,
    ) {
        self.failures = self.failures.saturating_add(1);
        let millis = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let millis = match pause {
            Some(least) => millis(least) + random.below(millis(least) / 4 + 1),
            None => {
                let most = millis(PAUSE.saturating_mul(1 << (self.failures - 1).min(10)).min(PAUSE_MAX));
                // RFC 5626 section 4.5: "a uniform random time between 50% and 100% of the upper-bound".
                most / 2 + random.below(most / 2 + 1)
            }
        };
        if how != TrunkRegistration::SignedOff {
            self.register_at = Some(now + Duration::from_millis(millis));
        }
        self.registration(how, outputs);
    }

    fn registration(&mut self, how: TrunkRegistration, outputs: &mut VecDeque<Output>) {
        // What the carrier keeps it keeps, whatever a renewal meets.
        self.state.registered = how == TrunkRegistration::Registered || self.until.is_some() && how != TrunkRegistration::SignedOff;
        // That it goes on is no news.
        if self.state.registration.replace(how) != Some(how) {
            outputs.push_back(Output::Event(Event::TrunkRegistration { trunk: self.trunk.id.clone(), how }));
        }
    }
}

fn branch(random: &mut Random) -> String {
    format!("z9hG4bK{}", random.token(20))
}

fn asked(now: Instant, branch: &str, method: &str, request: Bytes, patience: Duration, leaves: bool) -> Asked {
    Asked { key: Key::client(branch, method), request, repeat: Repeat::new(now, T2), give_up: now + patience, challenges: 0, leaves }
}

/// What is due of a request that is out.
fn due(asked: &mut Option<Asked>, now: Instant) -> Due {
    match asked {
        Some(asked) if asked.give_up <= now => Due::TimedOut,
        Some(asked) => asked.repeat.due(now),
        None => Due::Nothing,
    }
}

/// A request leaves, and is counted.
fn transmit(peer: &Peer, method: Method, again: bool, bytes: Bytes) -> [Output; 2] {
    let note = Output::Note(model::Event::SipRequest { method, direction: Direction::Out, again });
    [note, Output::Transmit { dialog: None, flow: FlowId::UDP, to: peer.trunk.addr, bytes }]
}

/// Whether this text can be a domain in an address of ours.
pub fn is_domain(text: &str) -> bool {
    Uri::parse(format!("sip:{text}").as_bytes()).is_some_and(|uri| uri.host() == text || uri.port().is_some())
}
