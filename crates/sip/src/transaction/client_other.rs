//! We ask anything else (BYE, CANCEL, OPTIONS): the non-INVITE client transaction.
//!
//! RFC 3261 section 17.1.2, timers E, F and K.

use super::{Due, GIVE_UP, Heard, Repeat, T2, T4};
use model::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No final answer yet: timer E repeats, slower after a provisional answer; timer F gives up.
    Trying {
        e: Option<Repeat>,
        f: Instant,
    },
    /// Answered: timer K keeps us for copies.
    Completed {
        k: Instant,
    },
    Terminated,
}

/// The machine. Its request is sent by whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOther {
    stage: Stage,
    reliable: bool,
}

impl ClientOther {
    /// The request has just been sent, on a reliable transport or not.
    pub fn new(now: Instant, reliable: bool) -> Self {
        let e = (!reliable).then(|| Repeat::new(now, T2));
        ClientOther { stage: Stage::Trying { e, f: now + GIVE_UP }, reliable }
    }
    /// A response came.
    pub fn handle_response(&mut self, now: Instant, status: u16) -> Heard {
        match &mut self.stage {
            Stage::Trying { e, .. } if status < 200 => {
                // Section 17.1.2.2, Proceeding: timer E is set to T2 when it fires next.
                e.iter_mut().for_each(Repeat::slow_down);
                Heard::Provisional
            }
            Stage::Trying { .. } => {
                self.stage = Stage::Completed { k: if self.reliable { now } else { now + T4 } };
                Heard::Final
            }
            Stage::Completed { .. } | Stage::Terminated => Heard::Nothing,
        }
    }
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        match &mut self.stage {
            Stage::Trying { f, .. } if *f <= now => {
                self.stage = Stage::Terminated;
                Due::TimedOut
            }
            Stage::Trying { e, .. } => e.as_mut().map_or(Due::Nothing, |e| e.due(now)),
            Stage::Completed { k } if *k <= now => {
                self.stage = Stage::Terminated;
                Due::Over
            }
            Stage::Completed { .. } | Stage::Terminated => Due::Nothing,
        }
    }
    /// Whether no final answer has come yet.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Trying { .. })
    }
    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Trying { e, f } => Some(e.map_or(f, |e| e.at.min(f))),
            Stage::Completed { k } => Some(k),
            Stage::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::at;
    use super::*;

    fn run(machine: &mut ClientOther) -> (Vec<Instant>, Instant) {
        let mut sent = Vec::new();
        loop {
            let now = machine.poll_timeout().unwrap();
            match machine.handle_timeout(now) {
                Due::Resend => sent.push(now),
                Due::TimedOut => return (sent, now),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn timer_e_grows_to_t2_until_timer_f_gives_up() {
        let (sent, given_up) = run(&mut ClientOther::new(at(0), false));
        assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500].map(at));
        assert_eq!(given_up, at(32_000));
    }

    #[test]
    fn a_provisional_answer_slows_timer_e_but_does_not_stop_it() {
        let mut machine = ClientOther::new(at(0), false);
        assert_eq!(machine.handle_response(at(100), 100), Heard::Provisional);
        let (sent, given_up) = run(&mut machine);
        assert_eq!(sent, [500, 4500, 8500, 12500, 16500, 20500, 24500, 28500].map(at));
        assert_eq!(given_up, at(32_000));
    }

    #[test]
    fn over_a_reliable_transport_nothing_is_sent_twice_and_nobody_waits_for_copies() {
        assert_eq!(run(&mut ClientOther::new(at(0), true)), (vec![], at(32_000)));
        let mut machine = ClientOther::new(at(0), true);
        assert_eq!(machine.handle_response(at(50), 100), Heard::Provisional);
        assert_eq!(machine.handle_response(at(100), 200), Heard::Final);
        assert_eq!((machine.poll_timeout(), machine.handle_timeout(at(100))), (Some(at(100)), Due::Over));
    }

    #[test]
    fn timer_k_absorbs_copies_of_the_answer() {
        let mut machine = ClientOther::new(at(0), false);
        assert_eq!(machine.handle_response(at(100), 200), Heard::Final);
        assert_eq!(machine.handle_response(at(200), 200), Heard::Nothing);
        assert_eq!(machine.handle_timeout(at(5_099)), Due::Nothing);
        assert_eq!(machine.handle_timeout(at(5_100)), Due::Over);
        assert_eq!(machine.poll_timeout(), None);
    }
}
