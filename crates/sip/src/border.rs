//! What the endpoint is told and what it says: its whole border in one file.

use crate::identity::Claims;
use bytes::Bytes;
use model::{
    Cause, DialogId, DigestAlgorithm, Digit, Direction, FlowId, Instant, LineId, Machine, Method, Net, PhoneGone, TrunkRegistration,
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The endpoint's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our address, as it stands in Via and Contact.
    pub local: SocketAddr,
    /// The realm of the users' passwords.
    pub realm: String,
    /// Digest algorithms that are offered, most preferred first. Phones that know MD5 only may give up at the sight of another one
    /// (baresip 1.0 does): where there are such phones, offer MD5 alone.
    pub digest: Vec<DigestAlgorithm>,
}

/// Who is believed to be a dialog's peer, and where peers may have us send.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Networks that speak as one: a carrier's, of which any machine may go on with a call that another one began.
    pub kin: Vec<Vec<Net>>,
    /// Sources that may name targets on this machine.
    pub here: Vec<Net>,
    /// This machine, beside [`Config::local`] and loopback.
    pub ours: Vec<IpAddr>,
}

/// Something the endpoint says. Take them in order until there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Put this on the wire.
    Transmit {
        /// The dialog that it belongs to, if any.
        dialog: Option<DialogId>,
        /// The flow to send on. A connection that is gone, and [`FlowId::any`], stand for any connection of that kind to `to`: one that is there, or a new
        /// one. What could not be sent is to be brought back by [`Endpoint::handle_unsent`](crate::Endpoint::handle_unsent).
        flow: FlowId,
        /// Where to.
        to: SocketAddr,
        /// One datagram, or one message of a stream.
        bytes: Bytes,
    },
    /// Something happened that the calls must know.
    Event(Event),
    /// Something happened that is counted.
    Note(model::Event),
    /// A message came or goes, to be counted by whose machine is at the other end: the endpoint does not know whose that is.
    Passed {
        /// The other machine.
        with: SocketAddr,
        /// Which way.
        direction: Direction,
        /// What.
        what: Passed,
    },
}

/// A message, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// A request.
    Request {
        /// Its method.
        method: Method,
        /// Sent or seen before.
        again: bool,
    },
    /// A response.
    Response {
        /// First figure of its status, 1 to 6.
        class: u8,
    },
}

impl Passed {
    /// A response with this status.
    pub(crate) fn response(status: u16) -> Passed {
        Passed::Response { class: u8::try_from(status / 100).unwrap_or(6) }
    }
}

/// Something the endpoint is asked to do. A command for a dialog that is gone, or that does not fit its stage, does nothing:
/// the peer may have been quicker.
#[derive(Clone, Debug)]
pub enum Command {
    /// Tell the caller how far we are: 101 to 199, reliably if they know that (RFC 3262); beside one that they have not acknowledged, none.
    Provisional {
        /// Which dialog.
        dialog: DialogId,
        /// 180 for ringing.
        status: u16,
    },
    /// Answer the call: 200, repeated until the ACK comes (RFC 3261 section 13.3.1.4).
    Accept {
        /// Which dialog.
        dialog: DialogId,
        /// Our session description: the answer to the offer, or our offer if the INVITE brought none. What is answered to that is told by
        /// [`Event::AnswerCame`].
        sdp: Bytes,
    },
    /// Refuse the call.
    Reject {
        /// Which dialog.
        dialog: DialogId,
        /// 300 to 699.
        status: u16,
        /// For a 503: when to try again.
        retry_after_secs: Option<u32>,
    },
    /// Call somebody: we are the UAC.
    Invite {
        /// An id from [`Endpoint::new_dialog`](crate::Endpoint::new_dialog).
        dialog: DialogId,
        /// Whom, and where to.
        to: Target,
        /// As whom.
        from: Identity,
        /// Our session description.
        sdp: Bytes,
    },
    /// Give up our call before it is answered. It waits for a provisional answer if there was none (section 9.1). If a 2xx was
    /// quicker, the endpoint sends ACK and BYE by itself, and only [`Event::Ended`] follows.
    Cancel {
        /// Which dialog.
        dialog: DialogId,
        /// What the phone is told of it; without a word it shows a missed call.
        reason: Option<Reason>,
    },
    /// Hang up. Before our call is answered it is a cancel; before we have answered it is a refusal (480); before the ACK has come
    /// it waits for that (section 15).
    Bye {
        /// Which dialog.
        dialog: DialogId,
    },
    /// Agree to a changed session.
    AnswerReoffer {
        /// Which dialog.
        dialog: DialogId,
        /// Our session description: the answer, or our offer if they made none. What is answered to that is told by
        /// [`Event::AnswerCame`].
        sdp: Bytes,
    },
    /// Refuse a changed session; the old one stays.
    RefuseReoffer {
        /// Which dialog.
        dialog: DialogId,
        /// 300 to 699, usually 488.
        status: u16,
    },
    /// Offer other terms for a session that runs, by a re-INVITE. [`Event::AnswerCame`] or [`Event::OfferRefused`] follows, unless the dialog
    /// ends before. It waits for an offer of the peer's that is open, and is tried again if both came at once (RFC 3261 section 14.1). One
    /// at a time: while the peer has not answered one, a second does nothing.
    Reoffer {
        /// Which dialog.
        dialog: DialogId,
        /// Our session description.
        sdp: Bytes,
    },
    /// Agree to what [`Event::Refer`] asks (202; the peer hears at once that it is tried), or refuse it.
    AnswerRefer {
        /// Which dialog.
        dialog: DialogId,
        /// 202, or 300 to 699.
        status: u16,
    },
    /// Tell the peer what has become of what it asked by REFER.
    Notify {
        /// Which dialog.
        dialog: DialogId,
        /// The status of whoever was called.
        status: u16,
        /// Whether that is the end of it.
        over: bool,
    },
    /// Ask the peer whether it is alive, by an OPTIONS inside the dialog. One at a time.
    Probe {
        /// Which dialog.
        dialog: DialogId,
    },
    /// Ask a machine, before it is called, whether it is there: OPTIONS, for which no telephone rings. [`Event::Asked`] follows.
    Ask {
        /// An id from [`Endpoint::new_dialog`](crate::Endpoint::new_dialog), for the call that is to come.
        dialog: DialogId,
        /// Whom.
        to: Machine,
        /// By then it has answered, or it is not there.
        patience: Duration,
    },
    /// Nobody wants to know any more what [`Command::Ask`] asked.
    Forget {
        /// Which dialog.
        dialog: DialogId,
    },
    /// One of a user's phones was called and has said nothing at all: call it no more until it registers again. Unless it is the only one.
    PutOut {
        /// Whose.
        user: String,
        /// Where it was called.
        at: Spot,
        /// Since when it has been silent: if it has registered since, it is another phone in the same place.
        since: Instant,
    },
}

/// Where a phone is. Phones behind two routers may all say the same of themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The URI of its Contact.
    pub contact: String,
    /// Where its packets come from.
    pub addr: SocketAddr,
}

/// Why we give up a call that rings, in a header of the CANCEL (RFC 3326 section 2), or of the BYE to a phone that was answered all the
/// same. Phones that know it do not show a missed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another phone has answered (RFC 3326 section 3.1).
    AnsweredElsewhere,
    /// Nothing has been heard of the peer for too long: no ACK, no refresh of the session (RFC 3261 section 21.4.9).
    NotHeardOf,
    /// The same person has declined on another phone, for all of them (RFC 3261 section 21.6).
    DeclinedElsewhere,
}

impl Reason {
    /// The value of the header.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Reason::AnsweredElsewhere => "SIP;cause=200;text=\"Call completed elsewhere\"",
            Reason::NotHeardOf => "SIP;cause=408;text=\"Request Timeout\"",
            Reason::DeclinedElsewhere => "SIP;cause=603;text=\"Decline\"",
        }
    }
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The Request-URI.
    pub uri: String,
    /// The flow to send on.
    pub flow: FlowId,
    /// Where to send.
    pub addr: SocketAddr,
    /// The proxies on the way, nearest first, as URIs: of a phone that registered through them (RFC 3327). With any, `addr` is where the first of
    /// them was heard.
    pub routes: Vec<String>,
    /// Whose telephone it is, if it is one of our users'.
    pub user: Option<String>,
    /// Which trunk leads there, if one does: its password is proved, whatever other trunk has the same address.
    pub trunk: Option<LineId>,
}

/// As whom we call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name shown; any text.
    pub display: String,
    /// The user part of our address; any text.
    pub user: String,
}

/// With whom a peer wants somebody put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferTo {
    /// Somebody who is still to be called.
    Fresh,
    /// Whoever talks in this other dialog of ours, which Refer-To names by Replaces (RFC 3891, RFC 5589 section 7).
    Joins(DialogId),
    /// Headers that name no dialog of ours: a call of the peer's elsewhere, or none at all.
    Unknown,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody calls. 100 has been sent.
    Invite {
        /// The new dialog.
        dialog: DialogId,
        /// Where the packet came from.
        source: SocketAddr,
        /// The user of From, unescaped once.
        from_user: String,
        /// The display name of From.
        from_display: String,
        /// The user of the Request-URI, unescaped once; the number of a `tel:` URI.
        to_user: String,
        /// The user whose password was proved, who is then `from_user`.
        authenticated: Option<String>,
        /// What the network says beside From and the Request-URI. Whether that is believed depends on the source.
        claims: Box<Claims>,
        /// The session description offered, if any; else ours goes into the 200 (RFC 3261 section 13.2.1).
        offer: Option<Bytes>,
        /// Whether they acknowledge provisional answers (RFC 3262). Networks that do want to hear one at once.
        reliable: bool,
        /// The dialog whose place it wants to take (RFC 3891). Whether it may is for the calls to say; who asks knows its Call-ID and tags.
        replaces: Option<DialogId>,
    },
    /// The caller gave up before our final answer; 487 has been sent. Or they have not acknowledged that it rings; then 504.
    Cancelled {
        /// Which dialog.
        dialog: DialogId,
    },
    /// Our offer is answered: in the ACK of an INVITE that had brought none (RFC 3261 section 13.2.1), told before [`Event::Acked`], or in the
    /// 2xx to a re-INVITE of ours.
    AnswerCame {
        /// Which dialog.
        dialog: DialogId,
        /// The session description that answers our offer; `None` if there is none, which ends the call (RFC 6337 section 3.1.2).
        answer: Option<Bytes>,
    },
    /// The peer wants no other terms; the old ones stay.
    OfferRefused {
        /// Which dialog.
        dialog: DialogId,
        /// 300 to 699.
        status: u16,
    },
    /// The peer is gone: it has not refreshed the session in time (RFC 4028 section 10), or does not know the dialog any more (408 or 481 to a
    /// change of ours, RFC 3261 section 12.2.1.2). BYE has been sent.
    PeerLost {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The ACK for our 200 to the call came. (The ACK of a re-INVITE is not told.)
    Acked {
        /// Which dialog.
        dialog: DialogId,
    },
    /// No ACK came within 64 * T1; BYE has been sent.
    AckMissing {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The called phone rings: the first 180 to 183. Once more when the first session description comes in a later one.
    Ringing {
        /// Which dialog.
        dialog: DialogId,
        /// The session description, if it says how what is to be heard before the answer comes.
        early: Option<Bytes>,
    },
    /// Our INVITE has arrived: the first 100.
    Trying {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The called phone answered; ACK has been sent.
    Answered {
        /// Which dialog.
        dialog: DialogId,
        /// Its session description, if any.
        sdp: Option<Bytes>,
    },
    /// Our call failed: the final status, 408 if nobody answered at all, 487 after a cancel.
    Failed {
        /// Which dialog.
        dialog: DialogId,
        /// The status.
        status: u16,
        /// How long they do not want to be asked again (RFC 3261 section 20.33), an hour at most.
        retry_after: Option<Duration>,
    },
    /// Why the peer's network ends the call (RFC 3326), told before [`Event::Bye`] or [`Event::Cancelled`].
    Cause {
        /// Which dialog.
        dialog: DialogId,
        /// The first that it says in numbers.
        cause: Cause,
    },
    /// In the middle of the call the peer asks to stay unnamed from now on (RFC 3323, in any request or answer). Told each time.
    AsksForPrivacy {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The peer hung up; 200 has been sent.
    Bye {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The peer wants a changed session.
    Reoffer {
        /// Which dialog.
        dialog: DialogId,
        /// The session description offered, if any.
        offer: Option<Bytes>,
        /// Where it came from: there the peer is, once this is agreed to.
        from: IpAddr,
    },
    /// The peer's messages come from another host than before: its sound may, too.
    PeerMoved {
        /// Which dialog.
        dialog: DialogId,
        /// From where they came.
        from: IpAddr,
        /// From where they come.
        to: IpAddr,
    },
    /// The peer wants somebody put through (RFC 3515): to be answered by [`Command::AnswerRefer`].
    Refer {
        /// Which dialog.
        dialog: DialogId,
        /// The user of Refer-To, unescaped once; the number of a `tel:` URI.
        to_user: String,
        /// With whom that is.
        with: ReferTo,
    },
    /// A key that came by INFO. The same press may come as RFC 4733, too.
    Digit {
        /// Which dialog.
        dialog: DialogId,
        /// Which key.
        digit: Digit,
        /// How long it was held.
        held: Duration,
    },
    /// The peer answered a probe.
    ProbeAnswered {
        /// Which dialog.
        dialog: DialogId,
    },
    /// The peer did not answer a probe, or does not know the dialog (408, 481).
    ProbeFailed {
        /// Which dialog.
        dialog: DialogId,
    },
    /// Nothing is left to do: exactly once for each dialog, as its last event.
    Ended {
        /// Which dialog.
        dialog: DialogId,
    },
    /// Our call was asked for a password, and goes out once more with it: what would end it is another thing from here on.
    AskedAgain {
        /// Which dialog.
        dialog: DialogId,
    },
    /// What came of [`Command::Ask`].
    Asked {
        /// For which call.
        dialog: DialogId,
        /// Whether somebody is there who does not say that they cannot.
        works: bool,
    },
    /// Something came of registering with a carrier.
    TrunkRegistration {
        /// Which trunk.
        trunk: LineId,
        /// What.
        how: TrunkRegistration,
    },
    /// A trunk began to answer our question whether it works, or ceased to.
    TrunkReachable {
        /// Which trunk.
        trunk: LineId,
        /// Whether it does.
        reachable: bool,
    },
    /// A user's phone registered, for the first time or again.
    Registered {
        /// Whose.
        user: String,
        /// Whether the user had none before.
        fresh: bool,
        /// Whether one comes from where none was: it has been started again, or its network has changed.
        moved: bool,
    },
    /// One of a user's phones is gone, and there are others.
    PhoneGone {
        /// Whose.
        user: String,
        /// Where it was.
        at: Spot,
        /// Why.
        why: PhoneGone,
    },
    /// A user's last phone is gone.
    Unregistered {
        /// Whose.
        user: String,
        /// Whether it went without a word: its time ran out, its connection is lost, or it does not answer any more; else it went by itself, or the
        /// user is no more.
        expired: bool,
    },
}

/// How many of each thing are alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Dialogs, early and confirmed.
    pub dialogs: u64,
    /// Transactions not yet terminated, but for registrations.
    pub transactions: u64,
    /// Running timers, but for registrations.
    pub timers: u64,
}
