//! We call somebody: the INVITE client transaction.
//!
//! RFC 3261 section 17.1.1 with RFC 6026 section 7.2 (state Accepted), timers A, B, D and M.

use super::{Due, GIVE_UP, Heard, Repeat};
use model::Instant;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No answer yet: timer A repeats the INVITE, timer B gives up.
    Calling {
        a: Option<Repeat>,
        b: Instant,
    },
    /// Somebody is at work on it; the user decides how long to wait.
    Proceeding,
    /// Refused, and acknowledged by us: timer D keeps us for copies of the refusal.
    Completed {
        d: Instant,
    },
    /// Answered: timer M keeps us for copies, and for answers from other branches of a fork.
    Accepted {
        m: Instant,
    },
    Terminated,
}

/// The machine. Its INVITE is sent by whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInvite {
    stage: Stage,
    reliable: bool,
}

impl ClientInvite {
    /// The INVITE has just been sent, on a reliable transport or not.
    pub fn new(now: Instant, reliable: bool) -> Self {
        // Section 17.1.1.2: timer A doubles without end; timer B ends it. "If a reliable transport is being used, the client transaction
        // SHOULD NOT start timer A".
        let a = (!reliable).then(|| Repeat::new(now, Duration::MAX));
        ClientInvite { stage: Stage::Calling { a, b: now + GIVE_UP }, reliable }
    }
    /// It was sent by an endpoint that is no more, and may have been heard.
    pub(crate) fn proceeding(reliable: bool) -> Self {
        ClientInvite { stage: Stage::Proceeding, reliable }
    }
    /// A response came.
    pub fn handle_response(&mut self, now: Instant, status: u16) -> Heard {
        match (self.stage, status) {
            (Stage::Calling { .. } | Stage::Proceeding, ..=199) => {
                self.stage = Stage::Proceeding;
                Heard::Provisional
            }
            (Stage::Calling { .. } | Stage::Proceeding, 200..=299) => {
                self.stage = Stage::Accepted { m: now + GIVE_UP };
                Heard::Success
            }
            (Stage::Calling { .. } | Stage::Proceeding, 300..) => {
                // Timer D: "at least 32 seconds for unreliable transports, and a value of zero seconds for reliable transports".
                self.stage = Stage::Completed { d: if self.reliable { now } else { now + GIVE_UP } };
                Heard::Final
            }
            (Stage::Completed { .. }, 300..) => Heard::AckAgain,
            (Stage::Accepted { .. }, 200..=299) => Heard::Success,
            (Stage::Completed { .. } | Stage::Accepted { .. } | Stage::Terminated, _) => Heard::Nothing,
        }
    }
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match &mut self.stage {
            Stage::Calling { b, .. } if *b <= now => {
                self.stage = Stage::Terminated;
                Due::TimedOut
            }
            Stage::Calling { a, .. } => a.as_mut().map_or(Due::Nothing, |a| a.due(now)),
            Stage::Completed { d: end } | Stage::Accepted { m: end } if *end <= now => {
                self.stage = Stage::Terminated;
                Due::Over
            }
            Stage::Proceeding | Stage::Completed { .. } | Stage::Accepted { .. } | Stage::Terminated => Due::Nothing,
        }
    }
    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Calling { a, b } => Some(a.map_or(b, |a| a.at.min(b))),
            Stage::Completed { d: end } | Stage::Accepted { m: end } => Some(end),
            Stage::Proceeding | Stage::Terminated => None,
        }
    }
    /// Whether nothing at all has come yet.
    pub fn is_unheard(&self) -> bool {
        matches!(self.stage, Stage::Calling { .. })
    }
    /// Whether no final answer has come yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Calling { .. } | Stage::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    #[test]
    fn timer_a_doubles_until_timer_b_gives_up() {
        let mut machine = ClientInvite::new(at(0), false);
        let mut sent = Vec::new();
        let given_up = loop {
            let now = machine.poll_timeout().unwrap();
            match machine.handle_timeout(now) {
                Due::Resend => sent.push(now),
                Due::TimedOut => break now,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(sent, [500, 1500, 3500, 7500, 15500, 31500].map(at));
        assert_eq!((given_up, machine.poll_timeout()), (at(32_000), None));
        assert_eq!(machine.handle_response(at(33_000), 200), Heard::Nothing);
    }

    #[test]
    fn a_provisional_answer_stops_the_repeating_for_good() {
        let mut machine = ClientInvite::new(at(0), false);
        assert_eq!(machine.handle_response(at(10), 100), Heard::Provisional);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(99_000))), (None, Due::Nothing));
        assert_eq!(machine.handle_response(at(99_000), 183), Heard::Provisional);
        assert!(machine.is_pending());
    }

    #[test]
    fn a_refusal_is_acknowledged_again_until_timer_d() {
        let mut machine = ClientInvite::new(at(0), false);
        assert_eq!(machine.handle_response(at(100), 486), Heard::Final);
        assert_eq!(machine.handle_response(at(600), 486), Heard::AckAgain);
        assert_eq!(machine.handle_response(at(600), 200), Heard::Nothing);
        assert_eq!(machine.handle_response(at(600), 180), Heard::Nothing);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(32_100))), (Some(at(32_100)), Due::Over));
    }

    #[test]
    fn over_a_reliable_transport_nothing_is_sent_twice_and_nobody_waits_for_copies() {
        let mut machine = ClientInvite::new(at(0), true);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(31_999))), (Some(at(32_000)), Due::Nothing));
        assert_eq!(machine.handle_timeout(at(32_000)), Due::TimedOut);
        let mut machine = ClientInvite::new(at(0), true);
        assert_eq!(machine.handle_response(at(100), 486), Heard::Final);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(100))), (Some(at(100)), Due::Over));
        let mut machine = ClientInvite::new(at(0), true);
        assert_eq!(machine.handle_response(at(100), 200), Heard::Success);
        assert_eq!(machine.poll_timeout(), Some(at(32_100)), "other branches of a fork may still answer");
    }

    #[test]
    fn every_success_is_passed_up_until_timer_m() {
        let mut machine = ClientInvite::new(at(0), false);
        assert_eq!(machine.handle_response(at(100), 200), Heard::Success);
        assert_eq!(machine.handle_response(at(700), 200), Heard::Success);
        assert_eq!(machine.handle_response(at(700), 180), Heard::Nothing);
        assert_eq!(machine.handle_response(at(700), 603), Heard::Nothing);
        assert_eq!(machine.handle_timeout(at(32_099)), Due::Nothing);
        assert_eq!(machine.handle_timeout(at(32_100)), Due::Over);
        assert_eq!(machine.handle_response(at(32_200), 200), Heard::Nothing);
    }
}
