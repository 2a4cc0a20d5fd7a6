//! Session timers: a call ends in time though its other end has vanished and nobody says BYE.
//!
//! RFC 4028. We heed a timer whoever asks for it, and ask for one in each call of ours. The refresher says in half the time that it is there, by
//! UPDATE, or by re-INVITE where the peer does not know that; who has not heard of it shortly before the end hangs up (section 10).

use super::{Asked, Endpoint};
use crate::header::{Name, Timed};
use crate::lexis::same_name;
use crate::message::Message;
use crate::writer::Writer;
use model::{DialogId, Instant};
use std::time::Duration;

/// What we ask for, in seconds (section 4: "RECOMMENDED").
pub(super) const EXPIRES_SECS: u32 = 1800;
/// The least that we take, in seconds (section 5: "MUST NOT be less than 90 seconds").
pub(super) const MIN_SE_SECS: u32 = 90;
/// The longest that we make one while it runs, in seconds: who is gone is to be missed some day.
const LENGTHENED_MAX_SECS: u32 = 24 * 3600;

/// Who refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresher {
    Us,
    Them,
}

/// The timer of one dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    secs: u32,
    /// What the peer wants at least, if it has said so by a 422.
    least: Option<u32>,
    refresher: Refresher,
    since: Instant,
    /// Our refresh is under way.
    asked: bool,
    /// A 422 has made it longer, and nothing was agreed since.
    lengthened: bool,
}

impl SessionTimer {
    fn refresh_at(&self) -> Option<Instant> {
        (self.refresher == Refresher::Us && !self.asked).then(|| self.since + Duration::from_secs(u64::from(self.secs / 2)))
    }
    /// Section 10: "the minimum of 32 seconds and one third of the session interval" before the end.
    fn over_at(&self) -> Instant {
        self.since + Duration::from_secs(u64::from(self.secs - (self.secs / 3).min(32)))
    }
    pub(super) fn due(&self) -> Instant {
        self.refresh_at().map_or(self.over_at(), |at| at.min(self.over_at()))
    }
}

/// What a request of theirs says of the timer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asks {
    expires: Option<(u32, Option<Refresher>)>,
    /// Whether they know timers; if not, a proxy in between has asked, and the refresher is us.
    supported: bool,
}

/// Header lines of a request or a 2xx.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    expires: Option<(u32, Option<&'static str>)>,
    least: Option<u32>,
    require: bool,
}

impl Lines {
    /// Those of an INVITE of ours: who answers chooses the refresher.
    pub(super) fn of_call(least: Option<u32>) -> Lines {
        Lines { expires: Some((EXPIRES_SECS.max(least.unwrap_or(0)), None)), least, require: false }
    }
    pub(super) fn write(&self, mut writer: Writer) -> Writer {
        if let Some((secs, refresher)) = self.expires {
            let refresher = refresher.map(|refresher| format!(";refresher={refresher}")).unwrap_or_default();
            writer = writer.header("Session-Expires", format!("{secs}{refresher}"));
        }
        if let Some(least) = self.least {
            writer = writer.header("Min-SE", least.to_string());
        }
        if self.require {
            writer = writer.header("Require", "timer");
        }
        writer
    }
}

impl Endpoint {
    /// What their request asks of the timer; `None` if it has been refused: unreadable, or too short (section 9).
    pub(super) fn timer_asked(&mut self, asked: &Asked<'_>) -> Option<Asks> {
        let supported = lists(asked.message, Name::Supported, "timer") || lists(asked.message, Name::Require, "timer");
        let Some(value) = asked.message.first(Name::SessionExpires) else { return Some(Asks { expires: None, supported }) };
        let Some(timed) = Timed::parse(value) else {
            self.refuse_header(asked, Name::SessionExpires);
            return None;
        };
        if timed.secs < MIN_SE_SECS && supported {
            self.reply(asked, 422, |w| w.header("Min-SE", MIN_SE_SECS.to_string()).empty());
            return None;
        }
        // Whoever knows no timers cannot mend it, and nobody may make it longer (section 9): there is none.
        if timed.secs < MIN_SE_SECS {
            return Some(Asks { expires: None, supported });
        }
        let refresher = match timed.refresher {
            Some(word) if same_name(word, b"uac") => Some(Refresher::Them),
            Some(word) if same_name(word, b"uas") => Some(Refresher::Us),
            Some(_) | None => None,
        };
        Some(Asks { expires: Some((timed.secs, refresher)), supported })
    }

    /// We accept their request: the timer runs as it says, and our 2xx repeats it (section 9, table 2).
    pub(super) fn heed_timer(&mut self, now: Instant, dialog: DialogId, asks: Asks) -> Lines {
        let Some(leg) = self.legs.get_mut(&dialog) else { return Lines::default() };
        let Some((secs, wanted)) = asks.expires else {
            leg.timer = None;
            return Lines::default();
        };
        let refresher = if asks.supported { wanted.unwrap_or(Refresher::Them) } else { Refresher::Us };
        let least = leg.timer.and_then(|timer| timer.least);
        leg.timer = Some(SessionTimer { secs, least, refresher, since: now, asked: false, lengthened: false });
        self.set_leg_alarm(dialog);
        let named = match refresher {
            Refresher::Us => "uas",
            Refresher::Them => "uac",
        };
        Lines { expires: Some((secs, Some(named))), least: None, require: asks.supported }
    }

    /// The timer as a request of ours inside the dialog names it.
    pub(super) fn timer_offered(&self, dialog: DialogId) -> Lines {
        let Some(timer) = self.legs.get(&dialog).and_then(|leg| leg.timer) else { return Lines::default() };
        let refresher = match timer.refresher {
            Refresher::Us => "uac",
            Refresher::Them => "uas",
        };
        Lines { expires: Some((timer.secs, Some(refresher))), least: timer.least, require: false }
    }

    /// They accept a request of ours: the timer runs as their 2xx says; without a word, there is none (section 7.2).
    pub(super) fn heed_timer_answer(&mut self, now: Instant, dialog: DialogId, message: &Message) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let timed = message.first(Name::SessionExpires).and_then(Timed::parse);
        // Section 7.4: what a 422 of this call has asked for is said in each refresh.
        let least = leg.timer.and_then(|timer| timer.least);
        leg.timer = timed.map(|timed| {
            let them = timed.refresher.is_some_and(|word| same_name(word, b"uas"));
            let refresher = if them { Refresher::Them } else { Refresher::Us };
            SessionTimer { secs: timed.secs.max(MIN_SE_SECS), least, refresher, since: now, asked: false, lengthened: false }
        });
        self.set_leg_alarm(dialog);
    }

    /// They find our timer too short: whether they say what they want, and it is more. Once: who wants more and more is not asked on and on.
    pub(super) fn lengthen_timer(&mut self, dialog: DialogId, message: &Message) -> bool {
        let Some(timer) = self.legs.get_mut(&dialog).and_then(|leg| leg.timer.as_mut()) else { return false };
        let Some(least) = least_of(message).filter(|least| *least > timer.secs && *least <= LENGTHENED_MAX_SECS && !timer.lengthened)
        else {
            return false;
        };
        (timer.secs, timer.least, timer.lengthened) = (least, Some(least), true);
        true
    }

    /// The time of the timer has come: to refresh, or to hang up.
    pub(super) fn session_timeout(&mut self, now: Instant, dialog: DialogId) {
        let Some(timer) = self.legs.get_mut(&dialog).and_then(|leg| leg.timer.as_mut()) else { return };
        if timer.over_at() <= now {
            return self.lose_peer(now, dialog);
        }
        if timer.refresh_at().is_some_and(|at| at <= now) {
            timer.asked = true;
            self.wish(now, dialog, super::change::Wish::Refresh);
        }
    }
}

/// The least that a 422 says, in seconds.
pub(super) fn least_of(message: &Message) -> Option<u32> {
    message.other("Min-SE").and_then(Timed::parse).map(|timed| timed.secs)
}

/// Whether a header field lists this word.
pub(super) fn lists(message: &Message, name: Name, word: &str) -> bool {
    message.values(name).any(|value| same_name(value, word.as_bytes()))
}
