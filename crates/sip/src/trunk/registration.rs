//! Telling a carrier where we are, and again before it forgets.
//!
//! Registration as a client: RFC 3261 section 10.2, RFC 5626 section 4.5 for the pauses, RFC 3263 section 4.3 for the next machine.

use super::Heard;
use super::question::{Question, branch, due, flow};
use crate::border::{Event, Output};
use crate::credentials::{Account, Unanswered, again};
use crate::doors::Doors;
use crate::header::{Name, NameAddr};
use crate::lexis::number;
use crate::message::Message;
use crate::transaction::{Due, GIVE_UP, Key};
use crate::uri::escape_user;
use crate::writer::Writer;
use model::{FlowId, Instant, LineId, Machine, Method, Random, TrunkRegistration};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The pause after the first failure to register; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause. So long waits, too, who had the password refused: a carrier bans whoever tries on and on.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The longest registration that we agree to, in seconds (423 Min-Expires): a week.
const EXPIRES_MAX: u32 = 7 * 24 * 3600;
/// The shortest registration that counts as one, in seconds: it leaves a second for the renewal.
const GRANT_MIN: u64 = 10;
/// What we agree to where none of the listed Contacts looks like ours, in seconds: the carrier may have forgotten us.
const UNSURE_MAX: u32 = 300;
/// Challenges that one registration answers: the first, and nonces that are too old by the time.
const CHALLENGES_MAX: u32 = 3;
/// How long a machine may take to answer where there is another one.
const PATIENCE: Duration = Duration::from_secs(4);
/// After a connection is lost that the carrier reaches us by, or the carrier was away, we are back within this time, and not all at once.
const BACK: Duration = Duration::from_secs(1);
/// A connection that is lost within this time after it was registered on has not lasted: the pause grows with each such one in a row.
const LASTS: Duration = Duration::from_secs(10);
/// The longest such pause: the carrier agrees to us, and nobody can call in meanwhile.
const AWAY_MAX: Duration = Duration::from_secs(30);

/// The registration with one carrier.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    trunk: LineId,
    account: Account,
    /// The same for all its REGISTERs (section 10.2).
    call_id: String,
    tag: String,
    cseq: u32,
    /// How long it shall last, in seconds.
    expires_secs: u32,
    /// The carrier's machines.
    machines: Vec<Machine>,
    /// Which of them is asked.
    at: usize,
    /// How many of them have failed in a row.
    tried: usize,
    /// Until when the carrier keeps it.
    until: Option<Instant>,
    /// The connection that it was agreed to on.
    flow: Option<FlowId>,
    /// From when on that connection has lasted.
    lasts: Option<Instant>,
    /// How many in a row have not.
    losses: u32,
    /// When the next REGISTER is due.
    next: Option<Instant>,
    failures: u32,
    /// The carrier has said that it shall last longer, and nothing was agreed since.
    lengthened: bool,
    asked: Option<Asked>,
    /// It has been taken back, or is being so: nothing follows.
    leaving: bool,
    /// The carrier has refused us, and agreed to nothing since.
    refused: bool,
    /// What came of it last.
    pub(super) how: Option<TrunkRegistration>,
    /// Whether the carrier knows where we are.
    pub(super) registered: bool,
}

#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    /// Challenges answered by now.
    challenges: u32,
    /// Whether it takes the registration back.
    leaves: bool,
}

/// A Contact of a 200.
struct Listed {
    whose: Whose,
    /// How long it is kept.
    secs: u64,
}

/// Whom a Contact of a 200 names, the likelier ours the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Others,
    OurUser,
    OurAddress,
    Ours,
}

impl Listed {
    fn new(contact: &NameAddr<'_>, user: &str, here: SocketAddr, otherwise: u64) -> Listed {
        let uri = contact.uri();
        let whose = match (uri.socket_addr() == Some(here), uri.user() == user) {
            (true, true) => Whose::Ours,
            (true, false) => Whose::OurAddress,
            (false, true) => Whose::OurUser,
            (false, false) => Whose::Others,
        };
        Listed { whose, secs: contact.expires().unwrap_or(otherwise) }
    }
}

impl Registration {
    pub(super) fn new(now: Instant, trunk: LineId, account: Account, machines: Vec<Machine>, random: &mut Random) -> Registration {
        Registration {
            trunk,
            call_id: random.token(26),
            tag: random.token(16),
            cseq: 0,
            expires_secs: account.expires_secs,
            account,
            machines,
            at: 0,
            tried: 0,
            until: None,
            flow: None,
            lasts: None,
            losses: 0,
            next: Some(now),
            failures: 0,
            lengthened: false,
            asked: None,
            leaving: false,
            refused: false,
            how: None,
            registered: false,
        }
    }

    /// The carrier's name leads elsewhere.
    pub(super) fn moved(&mut self, now: Instant, machines: &[Machine]) {
        let stays = self.machines.get(self.at).and_then(|before| machines.iter().position(|machine| machine == before));
        self.machines = machines.to_vec();
        (self.at, self.tried) = (stays.unwrap_or(0), 0);
        if stays.is_none() && !self.leaving {
            (self.next, self.asked) = (Some(now), None);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        // What is to be asked next waits for what is asked now.
        let turn = self.asked.as_ref().map(|asked| asked.question.due()).or(self.next);
        turn.into_iter().chain(self.until).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, doors: &Doors, random: &mut Random, out: &mut VecDeque<Output>) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            if self.registered {
                self.news(TrunkRegistration::Expired, out);
            }
        }
        let mut question = self.asked.as_ref().map(|asked| asked.question.clone());
        let happens = due(&mut question, now);
        if let Some((asked, question)) = self.asked.as_mut().zip(question) {
            asked.question = question;
        }
        match happens {
            Due::Resend => out.extend(self.asked.iter().flat_map(|asked| asked.question.transmit(true))),
            Due::TimedOut => self.unanswered(now, random, out),
            Due::Nothing | Due::Over => {}
        }
        if self.next.is_some_and(|at| at <= now) && self.asked.is_none() {
            self.next = None;
            self.ask(now, doors, random, false, out);
        }
    }

    /// A connection is gone: the carrier may have no other way to us.
    pub(super) fn handle_closed(&mut self, now: Instant, flow: FlowId, random: &mut Random) {
        if self.registered && self.flow == Some(flow) {
            self.flow = None;
            self.refused = false;
            self.losses = if self.lasts.is_some_and(|lasts| lasts <= now) { 0 } else { self.losses.saturating_add(1) };
            let pause = match self.losses {
                0 | 1 => random.below(BACK.as_millis() as u64),
                several => pause(several - 1, random, AWAY_MAX),
            };
            self.come_back(now + Duration::from_millis(pause));
        }
    }

    /// A machine that was away is there again: if it is ours, it may have begun anew, and know nobody; if none is, it may become ours.
    pub(super) fn returned(&mut self, now: Instant, machine: Machine, random: &mut Random) {
        if let Some(at) = self.machines.iter().position(|ours| *ours == machine).filter(|_| !self.registered && self.asked.is_none()) {
            (self.at, self.tried) = (at, 0);
        }
        if self.machines.get(self.at) == Some(&machine) {
            self.come_back(now + Duration::from_millis(random.below(BACK.as_millis() as u64)));
        }
    }

    /// The carrier may not know where we are: it is told soon. Not if it has refused us since, for then it has said enough.
    fn come_back(&mut self, soon: Instant) {
        let may = self.how.is_some() && !self.refused && self.asked.is_none() && !self.leaving;
        self.next = self.next.map(|next| if may { next.min(soon) } else { next }).or(may.then_some(soon));
    }

    /// It is taken back, once and for all. Nobody need wait for the answer: it runs out by itself if this is lost.
    pub(super) fn leave(&mut self, now: Instant, doors: &Doors, random: &mut Random, out: &mut VecDeque<Output>) {
        if self.leaving {
            return;
        }
        (self.next, self.leaving) = (None, true);
        if self.registered || self.asked.take().is_some() {
            self.ask(now, doors, random, true, out);
        }
    }

    fn ask(&mut self, now: Instant, doors: &Doors, random: &mut Random, leaves: bool, out: &mut VecDeque<Output>) {
        let Some(machine) = self.machines.get(self.at).copied() else { return };
        self.cseq = self.cseq.saturating_add(1);
        let branch = branch(random);
        let Account { user, domain, .. } = &self.account;
        let user = escape_user(user);
        let (us, expires) = (format!("<sip:{user}@{domain}>"), if leaves { 0 } else { self.expires_secs });
        let request = Writer::request("REGISTER", &format!("sip:{domain}"))
            .header("Via", doors.via(flow(machine), &branch))
            .header("Max-Forwards", "70")
            .header("From", format!("{us};tag={}", self.tag))
            .header("To", us)
            .header("Call-ID", &self.call_id)
            .header("CSeq", format!("{} REGISTER", self.cseq))
            .header("Contact", format!("{};expires={expires}", doors.contact_of(&user, machine.transport)))
            .header("Expires", expires.to_string())
            .empty();
        let patience = if self.machines.len() > 1 { PATIENCE } else { GIVE_UP };
        let question = Question::new(now, machine, &branch, Method::Register, request, patience);
        out.extend(question.transmit(false));
        self.asked = Some(Asked { question, challenges: 0, leaves });
    }

    /// Whether an answer is still awaited.
    pub(super) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether both are kept by one carrier under one name, with one Contact.
    pub(super) fn is_as(&self, other: &Registration) -> bool {
        let one_carrier = self.trunk == other.trunk || self.machines.iter().any(|machine| other.machines.contains(machine));
        let by = |of: &Registration| of.machines.first().map(|machine| machine.transport);
        one_carrier && by(self) == by(other) && (&self.account.user, &self.account.domain) == (&other.account.user, &other.account.domain)
    }

    /// Whether an answer is awaited from there.
    pub(super) fn asks_at(&self, ip: IpAddr) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.question.to.addr.ip().to_canonical() == ip)
    }

    /// Whether a request of this key is ours.
    pub(super) fn asks(&self, key: Key) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.question.key == key)
    }

    /// Our REGISTER reached nobody, or nobody said anything: the next machine is asked at once, unless all have been.
    pub(super) fn unanswered(&mut self, now: Instant, random: &mut Random, out: &mut VecDeque<Output>) {
        let leaves = self.asked.take().is_some_and(|asked| asked.leaves);
        if leaves {
            return self.failed(now, TrunkRegistration::SignedOff, None, random, out);
        }
        if !self.next_machine(now) {
            self.failed(now, TrunkRegistration::NoAnswer, None, random, out);
        }
    }

    /// RFC 3263 section 4.3: false when all of them have been asked.
    fn next_machine(&mut self, now: Instant) -> bool {
        self.tried += 1;
        self.at = if self.machines.is_empty() { 0 } else { (self.at + 1) % self.machines.len() };
        let more = self.tried < self.machines.len();
        if more {
            self.next = Some(now);
        } else {
            self.tried = 0;
        }
        more
    }

    /// A response to our REGISTER.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        doors: &Doors,
        heard: Heard<'_>,
        random: &mut Random,
        out: &mut VecDeque<Output>,
    ) {
        use TrunkRegistration as How;
        let Heard { flow, message, status } = heard;
        if status < 200 {
            if let Some(asked) = &mut self.asked {
                asked.question.slow_down();
            }
            return;
        }
        let Some(asked) = self.asked.take() else { return };
        let after = message.retry_after();
        let proof = matches!(status, 401 | 407).then(|| self.account.answer(&asked.question.request, message, random));
        match status {
            // Whatever the carrier says of it: it runs out by itself.
            _ if asked.leaves && !matches!(proof, Some(Ok(_))) => {
                (self.until, self.next) = (None, None);
                self.news(How::SignedOff, out);
            }
            200..=299 => {
                self.lengthened = false;
                let secs = self.granted(message, doors);
                // Section 10.2.1.1: what lasts no time is taken back. What lasts hardly any would come and go with each packet that is late.
                if secs < GRANT_MIN {
                    (self.until, self.flow) = (None, None);
                    return self.failed(now, How::Refused, None, random, out);
                }
                (self.failures, self.tried, self.refused) = (0, 0, false);
                let flow = Some(flow).filter(|flow| flow.is_stream());
                if self.flow != flow {
                    (self.flow, self.lasts) = (flow, Some(now + LASTS));
                }
                self.until = Some(now + Duration::from_secs(secs));
                // Section 10.2.4 leaves it to us: between 70 and 90 % of the time, so that many who began together do not stay together.
                let share = 700 + random.below(201);
                self.next = Some(now + Duration::from_millis(secs.saturating_mul(share)));
                self.news(How::Registered, out);
            }
            401 | 407 => match proof.unwrap_or(Err(Unanswered::OtherDigest)) {
                Ok((name, value)) if asked.challenges < CHALLENGES_MAX => {
                    self.cseq = self.cseq.saturating_add(1);
                    let branch = branch(random);
                    let request = again(&asked.question.request, &branch, self.cseq, &[(name, Some(value))]);
                    let Some(machine) = self.machines.get(self.at).copied() else { return };
                    let question = Question::new(now, machine, &branch, Method::Register, request, GIVE_UP);
                    out.extend(question.transmit(false));
                    self.asked = Some(Asked { question, challenges: asked.challenges + 1, leaves: asked.leaves });
                }
                Err(Unanswered::OtherRealm) => self.failed(now, How::OtherRealm, Some(PAUSE_MAX), random, out),
                Err(Unanswered::OtherDigest) => self.failed(now, How::OtherDigest, Some(PAUSE_MAX), random, out),
                Err(Unanswered::NoPassword) => self.failed(now, How::NoPassword, Some(PAUSE_MAX), random, out),
                // Its nonces are always too old.
                Ok(_) if asked.leaves => self.news(How::SignedOff, out),
                Ok(_) => self.failed(now, How::Refused, Some(PAUSE_MAX), random, out),
                Err(Unanswered::Wrong) => self.failed(now, How::WrongPassword, Some(PAUSE_MAX), random, out),
            },
            // Section 10.3: "Interval Too Brief": the carrier says how long at least. Once: who wants more and more is not asked on and on.
            423 => {
                let least = message.other("Min-Expires").and_then(number).and_then(|secs| u32::try_from(secs).ok());
                match least.filter(|least| *least > self.expires_secs && *least <= EXPIRES_MAX && !asked.leaves && !self.lengthened) {
                    Some(least) => {
                        (self.expires_secs, self.lengthened) = (least, true);
                        self.next = Some(now);
                    }
                    None => self.failed(now, How::Refused, after, random, out),
                }
            }
            403 => self.failed(now, How::Refused, Some(PAUSE_MAX), random, out),
            // RFC 3263 section 4.3: a 503 is of this machine.
            503 if !asked.leaves && self.next_machine(now) => {}
            _ => self.failed(now, How::Refused, after, random, out),
        }
    }

    /// How long the carrier keeps us, in seconds: by our Contact, or by Expires, or as we wished (section 10.2.1.1). Section 10.2.4 has it list all
    /// Contacts of the user; ours may have been written anew by a machine between us.
    fn granted(&self, response: &Message, doors: &Doors) -> u64 {
        let Some(machine) = self.machines.get(self.at) else { return u64::from(self.expires_secs) };
        let (here, contacts) = (doors.at(machine.transport), response.values(Name::Contact).filter_map(NameAddr::parse));
        let otherwise = response.first(Name::Expires).and_then(number).unwrap_or(u64::from(self.expires_secs));
        let listed: Vec<Listed> = contacts.map(|contact| Listed::new(&contact, &self.account.user, here, otherwise)).collect();
        // What is kept for no time is being taken back, and counts where nothing else could be ours.
        let stays = listed.iter().any(|contact| contact.secs > 0 && contact.whose > Whose::Others);
        let listed = listed.iter().filter(|contact| !stays || contact.secs > 0);
        let best = listed.clone().map(|contact| contact.whose).max();
        // It could be any of them: with the shortest that is one we come too early at worst.
        let likely = listed.filter(|contact| Some(contact.whose) == best).map(|contact| contact.secs);
        let granted = likely.min_by_key(|secs| (*secs < GRANT_MIN, *secs)).unwrap_or(otherwise);
        match best {
            Some(Whose::Others) if granted > 0 => granted.clamp(GRANT_MIN, u64::from(UNSURE_MAX)),
            Some(_) | None => granted.min(u64::from(EXPIRES_MAX)),
        }
    }

    /// Registering has failed: again after a pause, longer each time, or as long as the carrier says, if that is more; with jitter, so that a carrier
    /// that comes back is not met by all at once.
    fn failed(&mut self, now: Instant, how: TrunkRegistration, pause: Option<Duration>, random: &mut Random, out: &mut VecDeque<Output>) {
        self.failures = self.failures.saturating_add(1);
        self.refused = how != TrunkRegistration::NoAnswer;
        let ours = self::pause(self.failures, random, PAUSE_MAX);
        let theirs = pause.map_or(0, |least| millis(least).saturating_add(random.below(millis(least) / 4 + 1)));
        let millis = ours.max(theirs);
        self.next = Some(now + Duration::from_millis(millis)).filter(|_| !self.leaving);
        self.news(how, out);
    }

    fn news(&mut self, how: TrunkRegistration, out: &mut VecDeque<Output>) {
        // What the carrier keeps it keeps, whatever a renewal meets.
        self.registered = how == TrunkRegistration::Registered || self.until.is_some() && how != TrunkRegistration::SignedOff;
        // That it goes on is no news.
        if self.how.replace(how) != Some(how) {
            out.push_back(Output::Event(Event::TrunkRegistration { trunk: self.trunk.clone(), how }));
        }
    }
}

/// How long to wait after so many failures in a row, one at least, and at most so long, in milliseconds. RFC 5626 section 4.5: "a uniform random time between 50% and 100% of the
/// upper-bound".
fn pause(failures: u32, random: &mut Random, max: Duration) -> u64 {
    let most = millis(PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(max));
    most / 2 + random.below(most / 2 + 1)
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}
