//! Branches of a fork: a call of ours rings in several places, and speaks with each in an early dialog of its own until somebody answers.
//!
//! RFC 3261 sections 12.1 and 13.2.2.4, RFC 3262 section 5, RFC 3311 section 5.2.

use super::request::capabilities;
use super::session_timer::lists;
use super::store::{Leg, Stage};
use super::{Asked, Endpoint};
use crate::header::Name;
use crate::message::Message;
use crate::transaction::Key;
use crate::writer::ALLOW;
use bytes::Bytes;
use model::DialogId;

/// Branches that are heard; the others give up by themselves.
pub(super) const BRANCHES_MAX: usize = 8;

/// One place where a call of ours rings.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    tag: String,
    /// The number of its last request.
    cseq: Option<u32>,
    /// Its last provisional answer that was acknowledged.
    rseq: Option<u32>,
    /// Our PRACK for that, until it is answered.
    prack: Option<Key>,
    /// How it says that it can be heard.
    sdp: Option<Bytes>,
    /// It has said so reliably: our offer is answered there.
    has_answered: bool,
}

impl Branch {
    /// Whether a reliable provisional answer is the next (RFC 3262 section 4); then it is to be acknowledged. Behind the last number there is none:
    /// it "MUST NOT wrap around" (section 3).
    pub(super) fn is_next(&mut self, rseq: u32) -> bool {
        let next = self.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if next {
            self.rseq = Some(rseq);
        }
        next
    }

    /// It is acknowledged by this request.
    pub(super) fn acknowledged_by(&mut self, prack: Key) {
        self.prack = Some(prack);
    }

    /// The request that has acknowledged this number, if nobody has answered it yet.
    pub(super) fn unheard_prack(&self, rseq: u32) -> Option<Key> {
        self.prack.filter(|_| self.rseq == Some(rseq))
    }
}

impl Leg {
    /// This PRACK was answered.
    pub(super) fn prack_heard(&mut self, key: Key) {
        self.branches.iter_mut().filter(|branch| branch.prack == Some(key)).for_each(|branch| branch.prack = None);
    }

    /// This PRACK leaves once more as another request.
    pub(super) fn prack_goes_on(&mut self, key: Key, next: Key) {
        self.branches.iter_mut().filter(|branch| branch.prack == Some(key)).for_each(|branch| branch.prack = Some(next));
    }

    fn known(&self, tag: Option<&str>) -> Option<&Branch> {
        self.branches.iter().find(|branch| Some(branch.tag.as_str()) == tag)
    }

    /// The branch of this tag, a new one if need be; `None` beyond so many.
    pub(super) fn branch(&mut self, tag: &str) -> Option<&mut Branch> {
        let at = self.branches.iter().position(|branch| branch.tag == tag).unwrap_or(self.branches.len());
        if at == self.branches.len() && at < BRANCHES_MAX {
            // What a phone asked before its first answer came was asked by the first that answers.
            let cseq = self.state.remote_cseq.take();
            self.branches.push(Branch { tag: tag.to_owned(), cseq, rseq: None, prack: None, sdp: None, has_answered: false });
        }
        self.branches.get_mut(at)
    }

    /// The number of the peer's last request: before our call is answered, of the branch that speaks.
    pub(super) fn their_cseq(&mut self, tag: Option<&str>) -> &mut Option<u32> {
        match self.branches.iter().position(|branch| Some(branch.tag.as_str()) == tag) {
            Some(at) => &mut self.branches[at].cseq,
            None => &mut self.state.remote_cseq,
        }
    }

    /// Takes what a provisional answer says of sound. The first description counts (RFC 3261 section 13.2.1): it is given, if no branch had one.
    pub(super) fn hear_early(&mut self, tag: &str, message: &Message) -> Option<Bytes> {
        let first = self.branches.iter().all(|branch| branch.sdp.is_none());
        let sdp = Endpoint::answer_of(message)?;
        let branch = self.branch(tag)?;
        let fresh = branch.sdp.is_none();
        // What came reliably is the answer, whatever was said before (RFC 3262 section 5).
        let answers = lists(message, Name::Require, "100rel") && !branch.has_answered;
        if fresh || answers {
            branch.sdp = Some(sdp.clone());
        }
        branch.has_answered |= answers;
        (first && fresh).then_some(sdp)
    }

    /// Whether the branch of this tag has answered our offer before it answers the call.
    pub(super) fn has_answered(&self, tag: Option<&str>) -> bool {
        self.known(tag).is_some_and(|branch| branch.has_answered)
    }

    /// The branch of this tag answers the call, and the others are of no interest any more: its last request's number, and what it has said of sound.
    pub(super) fn settle(&mut self, tag: Option<&str>) -> (Option<u32>, Option<Bytes>) {
        let first = self.state.remote_cseq.take();
        let branch = std::mem::take(&mut self.branches).into_iter().find(|branch| Some(branch.tag.as_str()) == tag);
        branch.map_or((first, None), |branch| (branch.cseq, branch.sdp))
    }
}

impl Endpoint {
    /// A request in a branch that rings beside the one that was heard last.
    pub(super) fn handle_in_fork(&mut self, asked: &mut Asked<'_>, our_tag: &str) {
        let from_tag = asked.essentials.from.tag();
        let dialog = self.tags.get(our_tag).copied().filter(|dialog| {
            let Some(leg) = self.legs.get(dialog) else { return false };
            let rings = matches!(leg.stage, Stage::Outgoing { .. }) && leg.known(from_tag).is_some();
            rings && leg.state.call_id == asked.essentials.call_id && self.is_peer(leg, asked.path.addr.ip())
        });
        let Some(dialog) = dialog else { return self.refuse(asked, 481) };
        self.hear_wishes(dialog, asked.message, &asked.essentials);
        if self.is_late(asked, dialog) {
            return self.refuse(asked, 500);
        }
        if self.refuse_extensions(asked) {
            return;
        }
        self.keep_cseq(asked, dialog);
        let contact = self.contact_for(dialog);
        match asked.essentials.cseq.method {
            "UPDATE" if asked.message.body().is_empty() => {
                self.reply(asked, 200, |w| w.header("Contact", contact).header("Allow", ALLOW).empty())
            }
            // Nobody listens there; or our offer is open still.
            "UPDATE" => {
                let answered = self.legs.get(&dialog).is_some_and(|leg| leg.has_answered(from_tag));
                self.refuse(asked, if answered { 488 } else { 491 });
            }
            "INFO" => self.handle_info(asked, dialog),
            "OPTIONS" => self.reply(asked, 200, capabilities),
            _ => self.refuse(asked, 481),
        }
    }

    /// Whether a request inside a dialog is out of order.
    pub(super) fn is_late(&mut self, asked: &Asked<'_>, dialog: DialogId) -> bool {
        let (method, cseq) = (asked.essentials.cseq.method, asked.essentials.cseq.number);
        let last = self.legs.get_mut(&dialog).and_then(|leg| *leg.their_cseq(asked.essentials.from.tag()));
        // Section 12.2.2: a lower number is out of order: 500. The same number again, in another transaction, is an old request
        // played back; only of a BYE we take it, because whoever wants to hang up shall.
        last.is_some_and(|last| cseq < last || (cseq == last && method != "BYE"))
    }

    /// It is the last of its dialog from here on.
    pub(super) fn keep_cseq(&mut self, asked: &mut Asked<'_>, dialog: DialogId) {
        asked.dialog = Some(dialog);
        if let Some(leg) = self.legs.get_mut(&dialog) {
            *leg.their_cseq(asked.essentials.from.tag()) = Some(asked.essentials.cseq.number);
        }
    }
}
