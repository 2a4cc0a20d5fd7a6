//! Somebody asks anything else (BYE, OPTIONS): the non-INVITE server transaction.
//!
//! RFC 3261 section 17.2.2, timer J. Most are answered at once and never are in Trying; an UPDATE with an offer waits there.

use super::{Due, GIVE_UP};
use model::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The user has not decided: copies are absorbed.
    Trying,
    /// Answered: copies of the request get the same answer until timer J.
    Completed {
        j: Instant,
    },
    Terminated,
}

/// The machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerOther(Stage);

impl ServerOther {
    /// A request has come and was answered, on an unreliable transport. On a reliable one there are no copies and timer J is zero: such a
    /// transaction is never made.
    pub fn new(now: Instant) -> Self {
        ServerOther(Stage::Completed { j: now + GIVE_UP })
    }
    /// A request has come and is not answered yet, on whatever transport.
    pub fn trying() -> Self {
        ServerOther(Stage::Trying)
    }
    /// It is answered; over a reliable transport there are no copies to wait for.
    pub fn answered(&mut self, now: Instant, reliable: bool) {
        if self.0 == Stage::Trying {
            self.0 = Stage::Completed { j: if reliable { now } else { now + GIVE_UP } };
        }
    }
    /// The request came again: whether its answer is to be sent again.
    pub fn handle_again(&self) -> bool {
        matches!(self.0, Stage::Completed { .. })
    }
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match self.0 {
            Stage::Completed { j } if j <= now => {
                self.0 = Stage::Terminated;
                Due::Over
            }
            Stage::Trying | Stage::Completed { .. } | Stage::Terminated => Due::Nothing,
        }
    }
    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.0 {
            Stage::Completed { j } => Some(j),
            Stage::Trying | Stage::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    #[test]
    fn copies_get_the_same_answer_until_timer_j() {
        let mut machine = ServerOther::new(at(0));
        assert!(machine.handle_again());
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(31_999))), (Some(at(32_000)), Due::Nothing));
        assert_eq!(machine.handle_timeout(at(32_000)), Due::Over);
        assert!(!machine.handle_again());
    }
}
