//! One agent's desk: the few facts from which the agent's state is derived.

use crate::Claim;
use model::{AgentState, BreakOver, BreakReason, Instant, Millis, OfferId, QueueId, TicketId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an agent or the agent's phone declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The phone registered. Begins ready, whatever was before: an agent who sits down cannot be stuck in yesterday's break.
    SignIn,
    /// The phone registered, for the first time since the engine was restarted, and the break goes on that was on then. No offer is made
    /// in between.
    Resume(Option<BreakReason>),
    /// The phone is gone. A call in progress goes on.
    SignOut,
    /// Ready for calls: ends a break, after-call work and *not responding*.
    Ready,
    /// Away, for this reason if one is given: ends after-call work; during a call it takes effect after the call and its after-call work;
    /// an offer that rings is withdrawn. On a break, it goes on for this reason.
    Break(Option<BreakReason>),
}

/// What a signed-in agent wants, or was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Takes calls.
    #[default]
    Ready,
    /// Does not, and why, if a reason was given. A reason keeps its name here when the city no longer declares it.
    Break(Option<BreakReason>),
    /// Wanted to, but missed too many offers in a row.
    NotResponding,
}

/// Where a desk is in the round of offer, call and after-call work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// None of it.
    #[default]
    Free,
    /// The phone rings.
    Offered {
        /// For this offer.
        offer: OfferId,
        /// For whom.
        ticket: TicketId,
        /// When it has rung out.
        until: Instant,
    },
    /// In a call.
    Talking {
        /// The caller; `None` once the caller is gone and only the agent's leg is left.
        claim: Option<Box<Claim>>,
        /// Since when.
        since: Instant,
        /// After-call work to follow, as the queue declared it when the agent answered.
        wrap_up: Duration,
    },
    /// After-call work.
    WrapUp {
        /// When it ends.
        until: Instant,
    },
}

/// The facts of one agent. The state shown on boards follows from them by [`Desk::state`] and is stored nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// Whether the phone is registered.
    pub signed_in: bool,
    /// What the agent wants.
    pub presence: Presence,
    /// Offer, call or after-call work.
    pub stage: Stage,
    /// Since when idle, where the state is idle or offered.
    pub idle_since: Instant,
    /// Time in calls since signing in.
    pub talked: Duration,
    /// Offers missed in a row.
    pub missed: u32,
    /// The call that is being handled, after-call work included: what the expected wait is learnt from.
    #[serde(default)]
    pub handling: Option<Handling>,
    /// When the after-call work ends that a call of the agent's own has interrupted.
    #[serde(default)]
    pub interrupted: Option<Instant>,
    /// Since when on a break for its reason; `None` while no break is in effect.
    #[serde(default)]
    pub away_since: Option<Instant>,
}

/// A call in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handling {
    /// From which queue.
    pub queue: QueueId,
    /// Since when.
    pub since: Instant,
}

impl Desk {
    /// What the agent is doing.
    pub fn state(&self) -> AgentState {
        match (&self.stage, self.signed_in, &self.presence) {
            (Stage::Talking { .. }, _, _) => AgentState::Talking,
            (Stage::Offered { .. }, _, _) => AgentState::Offered,
            (Stage::Free | Stage::WrapUp { .. }, false, _) => AgentState::SignedOut,
            (Stage::WrapUp { .. }, true, _) => AgentState::WrapUp,
            (Stage::Free, true, Presence::Ready) => AgentState::Idle,
            (Stage::Free, true, Presence::Break(_)) => AgentState::NotReady,
            (Stage::Free, true, Presence::NotResponding) => AgentState::NotResponding,
        }
    }

    /// The reason of the break that is in effect, if there is one and a reason was given.
    pub fn away_for(&self) -> Option<&BreakReason> {
        match &self.presence {
            Presence::Break(reason) if self.state() == AgentState::NotReady => reason.as_ref(),
            Presence::Ready | Presence::Break(_) | Presence::NotResponding => None,
        }
    }

    /// After a change: whether another break than the one before is in effect, and what that one was. Its time is kept from here on.
    pub(crate) fn settle_break(&mut self, at: Instant, before: Option<BreakReason>) -> Option<BreakOver> {
        let is_away = self.state() == AgentState::NotReady;
        let goes_on = is_away && self.away_since.is_some() && self.away_for() == before.as_ref();
        if goes_on {
            return None;
        }
        let since = std::mem::replace(&mut self.away_since, is_away.then_some(at));
        since.map(|since| BreakOver { reason: before, lasted: Millis::from(at.since(since)) })
    }

    /// The one timer of a desk: the ring time, or the end of after-call work.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Offered { until, .. } | Stage::WrapUp { until } => Some(until),
            Stage::Free | Stage::Talking { .. } => None,
        }
    }

    /// The running offer.
    pub(crate) fn offer(&self) -> Option<(OfferId, TicketId)> {
        match self.stage {
            Stage::Offered { offer, ticket, .. } => Some((offer, ticket)),
            Stage::Free | Stage::Talking { .. } | Stage::WrapUp { .. } => None,
        }
    }

    /// Whom the agent talks with.
    pub(crate) fn caller(&self) -> Option<&Claim> {
        match &self.stage {
            Stage::Talking { claim, .. } => claim.as_deref(),
            Stage::Free | Stage::Offered { .. } | Stage::WrapUp { .. } => None,
        }
    }

    /// The caller is gone, or moves on; the agent's leg is still up.
    pub(crate) fn take_caller(&mut self) -> Option<Claim> {
        match &mut self.stage {
            Stage::Talking { claim, .. } => claim.take().map(|claim| *claim),
            Stage::Free | Stage::Offered { .. } | Stage::WrapUp { .. } => None,
        }
    }

    /// The agent's leg is down: counts the talk, begins after-call work. Gives back the caller, if one is left. Nothing outside a call.
    pub(crate) fn hang_up(&mut self, now: Instant) -> Option<Claim> {
        match std::mem::take(&mut self.stage) {
            Stage::Talking { claim, since, wrap_up } => {
                self.talked = self.talked.saturating_add(now.since(since));
                let own_work = (!wrap_up.is_zero()).then(|| now + wrap_up);
                let rest = self.interrupted.take().filter(|until| *until > now);
                if let Some(until) = own_work.or(rest) {
                    self.stage = Stage::WrapUp { until };
                }
                claim.map(|claim| *claim)
            }
            other @ (Stage::Free | Stage::Offered { .. } | Stage::WrapUp { .. }) => {
                self.stage = other;
                None
            }
        }
    }

    /// A call of the agent's own begins. After-call work that it interrupts goes on when it is over, as long as there is any left.
    pub(crate) fn engage(&mut self, now: Instant) {
        self.interrupted = match self.stage {
            Stage::WrapUp { until } => Some(until),
            Stage::Free | Stage::Offered { .. } | Stage::Talking { .. } => None,
        };
        self.stage = Stage::Talking { claim: None, since: now, wrap_up: Duration::ZERO };
    }

    /// Gives the call that was handled, once neither talk nor after-call work is left of it.
    pub(crate) fn handled(&mut self) -> Option<Handling> {
        match self.stage {
            Stage::Talking { .. } | Stage::WrapUp { .. } => None,
            Stage::Free | Stage::Offered { .. } => self.handling.take(),
        }
    }

    /// One more offer in a row was missed; at `missed_max` the agent is not responding.
    pub(crate) fn miss(&mut self, missed_max: u32) {
        self.missed = self.missed.saturating_add(1);
        if self.missed >= missed_max.max(1) && self.presence == Presence::Ready {
            self.presence = Presence::NotResponding;
        }
    }

    /// What the agent or the phone declares. An offer in progress is not touched here.
    pub(crate) fn declare(&mut self, change: Change) {
        match change {
            Change::SignIn if self.signed_in => {}
            Change::SignIn => self.sign_in(),
            Change::Resume(reason) => {
                if !self.signed_in {
                    self.sign_in();
                }
                self.presence = Presence::Break(reason);
            }
            Change::SignOut => self.signed_in = false,
            Change::Ready => {
                self.presence = Presence::Ready;
                self.missed = 0;
                self.end_wrap_up();
            }
            Change::Break(reason) => {
                self.presence = Presence::Break(reason);
                self.missed = 0;
                self.end_wrap_up();
            }
        }
    }

    fn sign_in(&mut self) {
        self.signed_in = true;
        self.presence = Presence::Ready;
        self.talked = Duration::ZERO;
        self.missed = 0;
    }

    pub(crate) fn end_wrap_up(&mut self) {
        self.interrupted = None;
        match self.stage {
            Stage::WrapUp { .. } => self.stage = Stage::Free,
            Stage::Free | Stage::Offered { .. } | Stage::Talking { .. } => {}
        }
    }
}
