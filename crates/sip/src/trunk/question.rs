//! A request of ours outside any dialog, until it is answered or given up.
//!
//! The client transaction of RFC 3261 section 17.1.2, without the copies of answers that nobody waits for.

use crate::border::{Output, Passed};
use crate::transaction::{Due, Key, Repeat, T2};
use bytes::Bytes;
use model::{Direction, FlowId, Instant, Machine, Method, Random};
use std::time::Duration;

/// One request that is out.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) key: Key,
    pub(crate) request: Bytes,
    method: Method,
    pub(crate) to: Machine,
    /// None over a connection: nothing is lost there.
    repeat: Option<Repeat>,
    give_up: Instant,
}

impl Question {
    pub(crate) fn new(now: Instant, to: Machine, branch: &str, method: Method, request: Bytes, patience: Duration) -> Question {
        let repeat = (!flow(to).is_stream()).then(|| Repeat::new(now, T2));
        Question { key: Key::client(branch, method.name()), request, method, to, repeat, give_up: now + patience }
    }

    pub(crate) fn due(&self) -> Instant {
        self.repeat.map_or(self.give_up, |repeat| repeat.at.min(self.give_up))
    }

    /// Somebody is at work on it.
    pub(crate) fn slow_down(&mut self) {
        if let Some(repeat) = &mut self.repeat {
            repeat.slow_down();
        }
    }

    /// It leaves, and is counted.
    pub(crate) fn transmit(&self, again: bool) -> [Output; 2] {
        let what = Passed::Request { method: self.method, again };
        let count = Output::Passed { with: self.to.addr, direction: Direction::Out, what };
        [count, Output::Transmit { dialog: None, flow: flow(self.to), to: self.to.addr, bytes: self.request.clone() }]
    }
}

/// What is due of a request that is out.
pub(crate) fn due(question: &mut Option<Question>, now: Instant) -> Due {
    match question {
        Some(question) if question.give_up <= now => Due::TimedOut,
        Some(question) => question.repeat.as_mut().map_or(Due::Nothing, |repeat| repeat.due(now)),
        None => Due::Nothing,
    }
}

/// By what a machine is reached: by any connection that leads there.
pub(crate) fn flow(to: Machine) -> FlowId {
    FlowId::any(to.transport)
}

pub(crate) fn branch(random: &mut Random) -> String {
    format!("z9hG4bK{}", random.token(20))
}
