//! Telling the server where we are, and keeping it told.
//!
//! The user agent's half of RFC 3261 section 10, with digest challenges (section 22.2) answered once each.

use crate::digest::{self, Challenge};
use crate::message;
use crate::phone::Ask;
use crate::transaction::Purpose;
use crate::{Event, Phone};
use model::{Instant, Random};
use rsip::headers::{Header, Headers, UntypedHeader};
use rsip::{Method, Response};
use std::time::Duration;

/// What we ask for; the server may grant less.
const EXPIRES_SECS: u32 = 300;
/// After a failure that may pass (no answer, 5xx), the next try.
const RETRY: Duration = Duration::from_secs(30);

/// Where the registration stands.
#[derive(Debug)]
pub(crate) struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    expires_secs: u32,
    challenge: Option<(Challenge, bool)>,
    stage: Stage,
    /// What was wanted meanwhile. RFC 3261 section 10.2: no new REGISTER before the last one has its answer.
    wanted: Option<Purpose>,
    told: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Not wanted, or refused for good.
    Off,
    /// A request is out; `tried` says that it carried the answer to a fresh challenge.
    Asking { tried: bool },
    /// The server knows us.
    On { refresh: Instant },
    /// To be tried again.
    Waiting { until: Instant },
}

impl Registration {
    pub(crate) fn new(random: &mut Random) -> Self {
        let (call_id, tag) = (random.token(20), random.token(10));
        Registration { call_id, tag, cseq: 0, expires_secs: EXPIRES_SECS, challenge: None, stage: Stage::Off, wanted: None, told: false }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Off | Stage::Asking { .. } => None,
            Stage::On { refresh: at } | Stage::Waiting { until: at } => Some(at),
        }
    }
}

impl Phone {
    pub(crate) fn register(&mut self, now: Instant) {
        self.want(now, Purpose::Register);
    }

    pub(crate) fn unregister(&mut self, now: Instant) {
        self.want(now, Purpose::Unregister);
    }

    fn want(&mut self, now: Instant, purpose: Purpose) {
        match self.registration.stage {
            Stage::Asking { .. } => self.registration.wanted = Some(purpose),
            Stage::Off | Stage::On { .. } | Stage::Waiting { .. } => self.send_register(now, purpose, false),
        }
    }

    /// The last REGISTER has its answer: what was wanted meanwhile is asked for.
    fn go_on(&mut self, now: Instant) {
        if let Some(purpose) = self.registration.wanted.take() {
            self.send_register(now, purpose, false);
        }
    }

    pub(crate) fn handle_registration_timeout(&mut self, now: Instant) {
        if self.registration.due().is_some_and(|due| due <= now) {
            self.register(now);
        }
    }

    fn send_register(&mut self, now: Instant, purpose: Purpose, tried: bool) {
        let expires = if purpose == Purpose::Unregister { 0 } else { self.registration.expires_secs };
        let server = format!("sip:{}", self.config.server);
        let aor = format!("sip:{}@{}", self.config.user, self.config.server.ip());
        self.registration.cseq = self.registration.cseq.saturating_add(1);
        let (call_id, cseq) = (self.registration.call_id.clone(), self.registration.cseq);
        let mut extra =
            vec![Header::Contact(self.contact().into()), Header::Expires(expires.to_string().into()), Header::Allow(message::ALLOW.into())];
        let challenge = self.registration.challenge.clone();
        if let Some((mut challenge, proxy)) = challenge {
            extra.extend(self.credentials(&mut challenge, proxy, "REGISTER", &server));
            self.registration.challenge = Some((challenge, proxy));
        }
        let from = format!("<{aor}>;tag={}", self.registration.tag);
        let to = format!("<{aor}>");
        let ask = Ask {
            method: Method::Register,
            uri: &server,
            from: &from,
            to: &to,
            call_id: &call_id,
            cseq,
            routes: &[],
            extra,
            sdp: None,
            branch: None,
            outbound: true,
        };
        self.registration.stage = Stage::Asking { tried };
        if let Err(fault) = self.ask(now, purpose, ask) {
            self.post.violation(format!("our own REGISTER cannot be written: {fault}"));
        }
    }

    /// The header that answers a challenge; none without a password.
    pub(crate) fn credentials(&mut self, challenge: &mut Challenge, proxy: bool, method: &str, uri: &str) -> Option<Header> {
        let password = self.config.password.clone()?;
        let value = challenge.answer(&mut self.random, &self.config.user, &password, method, uri);
        Some(if proxy { Header::ProxyAuthorization(value.into()) } else { Header::Authorization(value.into()) })
    }

    /// The first challenge in a 401 or 407 that we can answer. A broken one is told.
    pub(crate) fn challenge(&mut self, status: u16, headers: &Headers) -> Option<(Challenge, bool)> {
        let proxy = status == 407;
        let mut seen = false;
        for header in headers.iter() {
            let value = match header {
                Header::WwwAuthenticate(h) if !proxy => h.value(),
                Header::ProxyAuthenticate(h) if proxy => h.value(),
                _ => continue,
            };
            seen = true;
            match digest::read(value) {
                Some(Ok(challenge)) => return Some((challenge, proxy)),
                Some(Err(fault)) => self.post.violation(format!("in a {status}: {fault}")),
                None => {}
            }
        }
        if !seen {
            self.post.violation(format!("a {status} without a challenge (RFC 3261 sections 22.2 and 22.3)"));
        }
        None
    }

    pub(crate) fn handle_registration_response(&mut self, now: Instant, purpose: Purpose, status: u16, response: &Response) {
        match status {
            100..=199 => {}
            200..=299 if purpose == Purpose::Unregister => {
                self.registration.stage = Stage::Off;
                self.registration.told = false;
                self.post.event(Event::Unregistered);
                self.go_on(now);
            }
            200..=299 => self.handle_registered(now, response),
            401 | 407 => {
                let tried = matches!(self.registration.stage, Stage::Asking { tried: true });
                let challenge = self.challenge(status, &response.headers);
                match challenge {
                    // A second refusal in a row is final, unless only the nonce had grown old.
                    Some((challenge, proxy)) if self.config.password.is_some() && (!tried || challenge.stale) => {
                        self.registration.challenge = Some((challenge, proxy));
                        self.send_register(now, purpose, true);
                    }
                    _ => self.handle_registration_failure(now, status, None),
                }
            }
            423 => {
                let min =
                    response.headers.iter().find_map(|h| if let Header::MinExpires(m) = h { m.value().trim().parse().ok() } else { None });
                match min {
                    Some(min) if min > self.registration.expires_secs => {
                        self.registration.expires_secs = min;
                        self.send_register(now, purpose, false);
                    }
                    _ => {
                        self.post.violation("a 423 without a Min-Expires above what we asked (RFC 3261 section 10.3)");
                        self.handle_registration_failure(now, status, None);
                    }
                }
            }
            _ => {
                let after =
                    response.headers.iter().find_map(|h| if let Header::RetryAfter(r) = h { leading_number(r.value()) } else { None });
                self.handle_registration_failure(now, status, after);
            }
        }
    }

    fn handle_registered(&mut self, now: Instant, response: &Response) {
        let ours = message::contacts(&response.headers)
            .into_iter()
            .find(|c| message::party(c).uri == format!("sip:{}@{}", self.config.user, self.config.sip));
        let granted = ours.as_deref().and_then(|c| {
            c.split(';').find_map(|p| p.trim().to_ascii_lowercase().strip_prefix("expires=").and_then(|v| v.trim().parse::<u32>().ok()))
        });
        let whole =
            response.headers.iter().find_map(|h| if let Header::Expires(e) = h { e.value().trim().parse::<u32>().ok() } else { None });
        if ours.is_none() || granted.is_none() && whole.is_none() {
            self.post.violation("a 200 to REGISTER that does not list our Contact with its expiry (RFC 3261 section 10.3, step 8)");
        }
        let granted = granted.or(whole).unwrap_or(EXPIRES_SECS);
        if granted > self.registration.expires_secs {
            self.post.violation("a registration granted for longer than we asked (RFC 3261 section 10.2.1.1)");
        }
        // Refreshed at half its life: one lost refresh with all its retransmissions still leaves time for the next.
        self.registration.stage = Stage::On { refresh: now + Duration::from_secs(u64::from(granted.max(2) / 2)) };
        if !self.registration.told {
            self.registration.told = true;
            self.post.event(Event::Registered);
        }
        self.go_on(now);
    }

    pub(crate) fn handle_registration_failure(&mut self, now: Instant, status: u16, after: Option<Duration>) {
        self.registration.told = false;
        // The next attempt is challenged anew; a nonce that did not serve is not kept.
        self.registration.challenge = None;
        self.registration.stage = match status {
            408 | 500..=599 => Stage::Waiting { until: now + after.unwrap_or(RETRY) },
            _ => Stage::Off,
        };
        self.post.event(Event::RegisterFailed(status));
        self.go_on(now);
    }
}

/// Retry-After may go on with a comment or parameters (RFC 3261 section 20.33).
fn leading_number(value: &str) -> Option<Duration> {
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).take(6).collect();
    digits.parse().ok().map(Duration::from_secs)
}
