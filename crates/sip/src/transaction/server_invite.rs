//! Somebody calls us: the INVITE server transaction.
//!
//! RFC 3261 section 17.2.1 with RFC 6026 section 7.1 (state Accepted), timers G, H, I and L.

use super::{Due, GIVE_UP, Repeat, T2, T4};
use model::Instant;
use std::time::Duration;

/// Section 17.2.1: 100 goes out "unless it knows that the TU will generate a provisional or final response within 200 ms". Ours nearly always does, and
/// T1, after which the INVITE would come again, is 500 ms.
const TRYING: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The user has not decided; copies of the INVITE get the last provisional answer. As long as there was none, 100 is due at `trying`.
    Proceeding {
        trying: Option<Instant>,
    },
    /// Refused: timer G repeats the refusal until an ACK comes, timer H gives up.
    Completed {
        g: Option<Repeat>,
        h: Instant,
    },
    /// The refusal was acknowledged: timer I absorbs further ACKs.
    Confirmed {
        i: Instant,
    },
    /// Answered with 2xx, which the dialog repeats: timer L absorbs copies of the INVITE.
    Accepted {
        l: Instant,
    },
    Terminated,
}

/// Whose an ACK is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The transaction's: it answers a refusal, or nothing.
    Absorbed,
    /// The dialog's: it answers a 2xx.
    ForDialog,
}

/// The machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerInvite {
    stage: Stage,
    reliable: bool,
}

impl ServerInvite {
    /// An INVITE has come, on a reliable transport or not. Where nothing was answered, "the last response" is 100 (section 17.2.1).
    pub fn new(now: Instant, reliable: bool) -> Self {
        ServerInvite { stage: Stage::Proceeding { trying: Some(now + TRYING) }, reliable }
    }
    /// The connection on which it came is gone: what is still to be said may be lost.
    pub(crate) fn goes_by_datagrams(&mut self) {
        self.reliable = false;
    }
    /// The INVITE came again: whether the last response is to be sent again.
    pub fn handle_again(&mut self) -> bool {
        match &mut self.stage {
            Stage::Proceeding { trying } => {
                *trying = None;
                true
            }
            Stage::Completed { .. } => true,
            // RFC 6026 section 7.1: "the INVITE is absorbed"; the dialog repeats its 2xx by its own clock.
            Stage::Confirmed { .. } | Stage::Accepted { .. } | Stage::Terminated => false,
        }
    }
    /// The user answers. Whether that goes out: there is one final answer only.
    pub fn handle_response(&mut self, now: Instant, status: u16) -> bool {
        match (self.stage, status) {
            (Stage::Proceeding { .. }, ..=199) => self.stage = Stage::Proceeding { trying: None },
            (Stage::Proceeding { .. }, 200..=299) => self.stage = Stage::Accepted { l: now + GIVE_UP },
            (Stage::Proceeding { .. }, 300..) => {
                self.stage = Stage::Completed { g: (!self.reliable).then(|| Repeat::new(now, T2)), h: now + GIVE_UP };
            }
            (Stage::Completed { .. } | Stage::Confirmed { .. } | Stage::Accepted { .. } | Stage::Terminated, _) => return false,
        }
        true
    }
    /// An ACK came.
    pub fn handle_ack(&mut self, now: Instant) -> Ack {
        match self.stage {
            Stage::Completed { .. } => {
                self.stage = Stage::Confirmed { i: if self.reliable { now } else { now + T4 } };
                Ack::Absorbed
            }
            Stage::Accepted { .. } => Ack::ForDialog,
            Stage::Proceeding { .. } | Stage::Confirmed { .. } | Stage::Terminated => Ack::Absorbed,
        }
    }
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match &mut self.stage {
            Stage::Proceeding { trying } if trying.is_some_and(|at| at <= now) => {
                *trying = None;
                Due::Resend
            }
            Stage::Completed { h, .. } if *h <= now => {
                self.stage = Stage::Terminated;
                Due::TimedOut
            }
            Stage::Completed { g, .. } => g.as_mut().map_or(Due::Nothing, |g| g.due(now)),
            Stage::Confirmed { i: end } | Stage::Accepted { l: end } if *end <= now => {
                self.stage = Stage::Terminated;
                Due::Over
            }
            Stage::Proceeding { .. } | Stage::Confirmed { .. } | Stage::Accepted { .. } | Stage::Terminated => Due::Nothing,
        }
    }
    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Completed { g, h } => Some(g.map_or(h, |g| g.at.min(h))),
            Stage::Confirmed { i: end } | Stage::Accepted { l: end } => Some(end),
            Stage::Proceeding { trying } => trying,
            Stage::Terminated => None,
        }
    }
    /// Whether no final answer has been given yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Proceeding { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    #[test]
    fn trying_is_said_after_200_ms_and_only_where_nothing_else_was() {
        let mut silent = ServerInvite::new(at(0), false);
        assert_eq!(
            (silent.poll_timeout(), silent.handle_timeout(at(199)), silent.handle_timeout(at(200))),
            (Some(at(200)), Due::Nothing, Due::Resend)
        );
        assert_eq!((silent.poll_timeout(), silent.handle_timeout(at(1_000))), (None, Due::Nothing));
        for status in [180, 183] {
            let mut rings = ServerInvite::new(at(0), false);
            assert!(rings.handle_response(at(50), status));
            assert_eq!((rings.poll_timeout(), rings.handle_timeout(at(200))), (None, Due::Nothing));
        }
        let mut asked_again = ServerInvite::new(at(0), false);
        assert!(asked_again.handle_again() && asked_again.poll_timeout().is_none());
    }

    #[test]
    fn timer_g_repeats_a_refusal_until_timer_h_gives_up() {
        let mut machine = ServerInvite::new(at(0), false);
        assert!(machine.handle_again() && machine.handle_response(at(0), 180) && machine.poll_timeout().is_none());
        assert!(machine.handle_response(at(0), 486));
        let mut sent = Vec::new();
        let given_up = loop {
            let now = machine.poll_timeout().unwrap();
            match machine.handle_timeout(now) {
                Due::Resend => sent.push(now),
                Due::TimedOut => break now,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500].map(at));
        assert_eq!(given_up, at(32_000));
    }

    #[test]
    fn an_ack_ends_the_repeating_and_timer_i_absorbs_the_next_ones() {
        let mut machine = ServerInvite::new(at(0), false);
        machine.handle_response(at(0), 404);
        assert!(machine.handle_again());
        assert_eq!(machine.handle_ack(at(100)), Ack::Absorbed);
        assert_eq!(machine.handle_ack(at(200)), Ack::Absorbed);
        assert!(!machine.handle_again() && !machine.handle_response(at(200), 200));
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(5_100))), (Some(at(5_100)), Due::Over));
    }

    #[test]
    fn over_a_reliable_transport_a_refusal_is_said_once() {
        let mut machine = ServerInvite::new(at(0), true);
        machine.handle_response(at(0), 404);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(31_999))), (Some(at(32_000)), Due::Nothing));
        assert_eq!(machine.handle_ack(at(100)), Ack::Absorbed);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(100))), (Some(at(100)), Due::Over));
    }

    #[test]
    fn timer_l_absorbs_copies_of_an_answered_invite() {
        let mut machine = ServerInvite::new(at(0), false);
        assert!(machine.handle_response(at(0), 200));
        assert!(!machine.handle_again() && !machine.handle_response(at(1), 487));
        assert_eq!(machine.handle_ack(at(100)), Ack::ForDialog);
        assert_eq!(machine.handle_ack(at(600)), Ack::ForDialog);
        assert_eq!(machine.handle_timeout(at(31_999)), Due::Nothing);
        assert_eq!(machine.handle_timeout(at(32_000)), Due::Over);
    }
}
