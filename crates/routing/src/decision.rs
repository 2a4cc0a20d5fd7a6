//! What the ACD says: each value is one thing to do, or one thing to know.

use model::{AgentId, AgentState, BreakOver, BreakReason, OfferEnd, OfferId, QueueEnd, QueueId, TicketId, Why};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What to do, or what to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// The ticket has a place in the queue.
    Placed {
        /// Which ticket.
        ticket: TicketId,
        /// Where.
        queue: QueueId,
        /// Place in it, from 1.
        position: u32,
    },
    /// The ticket is not in any queue (any longer): full, nobody logged in, or closed.
    Refused {
        /// Which ticket.
        ticket: TicketId,
        /// The queue that it asked for, or was in.
        queue: QueueId,
        /// Why.
        why: QueueEnd,
    },
    /// The ticket waits on: this decision found nobody for it. Said when a ticket takes its place and none is offered, and again when
    /// what it asks has become less and still nobody fits.
    Waits {
        /// Which ticket.
        ticket: TicketId,
        /// Where.
        queue: QueueId,
        /// Why nobody.
        why: Why,
    },
    /// An agent's desk did not agree with their phone and their calls ([`crate::Acd::reconcile`]); it does now.
    Repaired {
        /// Who.
        agent: AgentId,
        /// What was wrong, in words.
        what: String,
    },
    /// Ring this agent's phone for this ticket.
    Offer {
        /// The name of this offer; every answer carries it.
        offer: OfferId,
        /// For whom.
        ticket: TicketId,
        /// From which queue.
        queue: QueueId,
        /// Whom.
        agent: AgentId,
        /// When it is over by itself.
        ring_for: Duration,
        /// Why this agent, and why not the others.
        why: Why,
    },
    /// Stop ringing.
    Withdraw {
        /// Which offer.
        offer: OfferId,
        /// For whom it was.
        ticket: TicketId,
        /// Whose phone.
        agent: AgentId,
        /// `NoAnswer` when it rang out, `Withdrawn` otherwise.
        how: OfferEnd,
    },
    /// An agent's derived state is another, or the reason of the break that they are on.
    Agent {
        /// Who.
        agent: AgentId,
        /// Before.
        from: AgentState,
        /// After.
        to: AgentState,
        /// The break that ended by it.
        ended: Option<BreakOver>,
        /// The reason of the break that begins by it, if one was given.
        reason: Option<BreakReason>,
    },
}
