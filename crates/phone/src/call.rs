//! One call as this phone sees it: who is on the other end, and how far it has come.
//!
//! The dialog of RFC 3261 section 12 and the session that its offer and answer made (RFC 3264).

use crate::transaction::Again;
use model::Instant;
use rsip::Request;
use std::net::SocketAddr;

/// Two ends that know each other's tags.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// Our From (or To), tag included.
    pub(crate) local: String,
    pub(crate) local_tag: String,
    /// Their To (or From), tag included once there is one.
    pub(crate) remote: String,
    pub(crate) remote_tag: Option<String>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) routes: Vec<String>,
    /// The far side's Contact: where requests go.
    pub(crate) target: String,
}

/// A 2xx of ours that waits for its ACK (section 13.3.1.4), of the first INVITE or of a later one.
#[derive(Clone, Debug)]
pub(crate) struct Unacked {
    pub(crate) cseq: u32,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) again: Again,
    pub(crate) give_up: Instant,
    /// Ours was the offer, so the ACK must carry the answer.
    pub(crate) wants_answer: bool,
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) dialog: Dialog,
    pub(crate) stage: Stage,
    pub(crate) unacked: Option<Unacked>,
    /// CSeq of the last INVITE of theirs that was acknowledged.
    pub(crate) acked: Option<u32>,
    /// Hang up as soon as the protocol lets us: a callee sends no BYE before the ACK came (section 15).
    pub(crate) leaving: bool,
    /// `o=` line's session id: one for the whole call.
    pub(crate) session: u64,
    /// When the session is over unless the far side refreshes it (RFC 4028).
    pub(crate) expires: Option<Instant>,
    /// Its version: one more for each offer.
    pub(crate) version: u64,
}

/// How far a call has come.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Our INVITE is out.
    Dialling {
        branch: String,
        uri: String,
        cancel: Cancelling,
        /// To-tag of an early answer.
        early_tag: Option<String>,
        challenged: bool,
        /// Our INVITE makes no offer.
        late: bool,
        /// The call of another phone whose place it wants.
        replaces: Option<String>,
    },
    /// Their INVITE is in.
    Alerting { branch: String, sent_by: String, invite: Box<Request>, answer_at: Option<Instant> },
    /// Both sides hear each other.
    Talking,
}

/// Whether the caller gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelling {
    No,
    /// Wanted, but section 9.1 makes us wait for a provisional answer.
    Wanted,
    Sent,
}

/// A dialog that is over, remembered for what comes late.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) until: Instant,
}
