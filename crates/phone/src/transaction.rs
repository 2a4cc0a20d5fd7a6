//! Asking until somebody answers, and answering the same question the same way.
//!
//! The four transaction machines of RFC 3261 section 17 over UDP, with the Accepted state of RFC 6026 for a 2xx to INVITE.

use model::Instant;
use rsip::{Method, Request};
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 3261 section 17.1.1.1: the round-trip estimate.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// The longest pause between retransmissions of anything but an INVITE.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// The longest that a message stays in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64*T1: when to give up (Timers B, F, H), and how long to remember (Timers D, J, L, M).
pub(crate) const PATIENCE: Duration = Duration::from_secs(32);

/// A message sent again and again, each pause twice the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    pub(crate) at: Instant,
    pause: Duration,
    longest: Option<Duration>,
}

impl Again {
    /// First again after T1; `longest` is T2 but for INVITE, whose pauses have no bound (section 17.1.1.2).
    pub(crate) fn new(now: Instant, longest: Option<Duration>) -> Self {
        Again { at: now + T1, pause: T1, longest }
    }
    /// It was sent again.
    pub(crate) fn step(&mut self) {
        self.pause = self.pause.saturating_mul(2);
        if let Some(longest) = self.longest {
            self.pause = self.pause.min(longest);
        }
        self.at += self.pause;
    }
}

/// What a client transaction was begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Register,
    Unregister,
    Invite,
    /// An INVITE inside a dialog.
    Reoffer,
    Refer,
    Info,
    Cancel,
    Bye,
}

/// A request of ours.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) branch: String,
    pub(crate) purpose: Purpose,
    pub(crate) request: Request,
    pub(crate) bytes: Vec<u8>,
    pub(crate) to: SocketAddr,
    pub(crate) stage: ClientStage,
}

#[derive(Clone, Debug)]
pub(crate) enum ClientStage {
    /// No answer yet.
    Calling { again: Again, give_up: Instant },
    /// A provisional answer; only a request other than INVITE is still sent again. `give_up` is for what cannot wait for ever.
    Proceeding { again: Option<Again>, give_up: Option<Instant> },
    /// A final answer; it may come again, and is then acknowledged again.
    Completed { status: u16, ack: Option<Vec<u8>>, until: Instant },
}

/// What to do with a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The first of its kind: act on it.
    Pass,
    /// Seen before.
    Absorb,
    /// Seen before; send this again.
    Send(Vec<u8>),
    /// Against the protocol.
    Wrong(String),
}

/// What a timer brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    Send(SocketAddr, Vec<u8>),
    /// Nobody answered.
    TimedOut,
    /// Nothing left to remember.
    Gone,
}

impl Client {
    pub(crate) fn new(now: Instant, purpose: Purpose, branch: String, request: Request, bytes: Vec<u8>, to: SocketAddr) -> Self {
        let longest = if request.method == Method::Invite { None } else { Some(T2) };
        let stage = ClientStage::Calling { again: Again::new(now, longest), give_up: now + PATIENCE };
        Client { branch, purpose, request, bytes, to, stage }
    }

    fn is_invite(&self) -> bool {
        self.request.method == Method::Invite
    }

    /// A response with our branch came. For a failed INVITE, `ack` is what acknowledges it (section 17.1.1.3).
    pub(crate) fn handle_response(&mut self, now: Instant, status: u16, ack: Option<Vec<u8>>) -> Verdict {
        match &self.stage {
            ClientStage::Completed { status: first, ack, .. } => {
                if status < 200 {
                    return Verdict::Absorb;
                }
                if (*first < 300) != (status < 300) {
                    return Verdict::Wrong(format!(
                        "{status} after a final {first} to the same {} (RFC 3261 section 17.2)",
                        self.request.method
                    ));
                }
                ack.clone().map_or(Verdict::Absorb, Verdict::Send)
            }
            ClientStage::Calling { give_up, .. } => {
                let give_up = (!self.is_invite()).then_some(*give_up);
                self.settle(now, status, ack, give_up)
            }
            ClientStage::Proceeding { give_up, .. } => {
                let give_up = *give_up;
                self.settle(now, status, ack, give_up)
            }
        }
    }

    fn settle(&mut self, now: Instant, status: u16, ack: Option<Vec<u8>>, give_up: Option<Instant>) -> Verdict {
        if status < 200 {
            // Section 17.1.2.2: in Proceeding a request is resent every T2 until it is answered.
            let again = (!self.is_invite()).then(|| Again { at: now + T2, pause: T2, longest: Some(T2) });
            self.stage = ClientStage::Proceeding { again, give_up };
            return Verdict::Pass;
        }
        // Timers D and M for INVITE, K for the rest.
        let until = now + if self.is_invite() { PATIENCE } else { T4 };
        let send = ack.filter(|_| status >= 300);
        self.stage = ClientStage::Completed { status, ack: send.clone(), until };
        Verdict::Pass
    }

    /// The acknowledgement of a 2xx, to be sent again whenever the 2xx comes again (section 13.2.2.4).
    pub(crate) fn remember_ack(&mut self, bytes: Vec<u8>) {
        if let ClientStage::Completed { ack, .. } = &mut self.stage {
            *ack = Some(bytes);
        }
    }

    /// A CANCEL went out for this INVITE: if no final answer comes, it is over (section 9.1).
    pub(crate) fn expire(&mut self, at: Instant) {
        if let ClientStage::Proceeding { give_up, .. } = &mut self.stage {
            *give_up = Some(at);
        }
    }

    pub(crate) fn due(&self) -> Instant {
        match &self.stage {
            ClientStage::Calling { again, give_up } => again.at.min(*give_up),
            ClientStage::Proceeding { again, give_up } => {
                [again.map(|a| a.at), *give_up].into_iter().flatten().min().unwrap_or(Instant::from_nanos(u64::MAX))
            }
            ClientStage::Completed { until, .. } => *until,
        }
    }

    /// `None` when nothing is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Tick> {
        if self.due() > now {
            return None;
        }
        match &mut self.stage {
            ClientStage::Completed { .. } => Some(Tick::Gone),
            ClientStage::Calling { give_up, .. } if *give_up <= now => Some(Tick::TimedOut),
            ClientStage::Proceeding { give_up: Some(give_up), .. } if *give_up <= now => Some(Tick::TimedOut),
            ClientStage::Calling { again, .. } | ClientStage::Proceeding { again: Some(again), .. } => {
                again.step();
                Some(Tick::Send(self.to, self.bytes.clone()))
            }
            ClientStage::Proceeding { again: None, .. } => None,
        }
    }
}

/// A request of the other side.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) branch: String,
    pub(crate) sent_by: String,
    pub(crate) request: Request,
    pub(crate) from: SocketAddr,
    /// The latest answer, given again when the request comes again.
    pub(crate) answer: Option<(u16, SocketAddr, Vec<u8>)>,
    pub(crate) stage: ServerStage,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ServerStage {
    /// No final answer yet.
    Open,
    /// A failed INVITE waits for its ACK (Timers G and H).
    Unacknowledged { again: Again, give_up: Instant },
    /// Answered; remembered for what comes late (Timers I, J, L).
    Done { until: Instant },
}

impl Server {
    /// A final or provisional answer was sent.
    pub(crate) fn answered(&mut self, now: Instant, status: u16, to: SocketAddr, bytes: Vec<u8>) {
        self.answer = Some((status, to, bytes));
        self.stage = match status {
            0..=199 => ServerStage::Open,
            300.. if self.request.method == Method::Invite => {
                ServerStage::Unacknowledged { again: Again::new(now, Some(T2)), give_up: now + PATIENCE }
            }
            _ => ServerStage::Done { until: now + PATIENCE },
        };
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        match self.stage {
            ServerStage::Open => None,
            ServerStage::Unacknowledged { again, give_up } => Some(again.at.min(give_up)),
            ServerStage::Done { until } => Some(until),
        }
    }

    /// `None` when nothing is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Tick> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        match &mut self.stage {
            ServerStage::Open => None,
            ServerStage::Done { .. } => Some(Tick::Gone),
            ServerStage::Unacknowledged { give_up, .. } if *give_up <= now => Some(Tick::TimedOut),
            ServerStage::Unacknowledged { again, .. } => {
                again.step();
                self.answer.as_ref().map(|(_, to, bytes)| Tick::Send(*to, bytes.clone()))
            }
        }
    }
}
