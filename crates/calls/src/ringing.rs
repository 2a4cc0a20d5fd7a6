//! The phones that ring for one offer: an agent has one on the desk and perhaps one in the pocket, and both ring.
//!
//! We are what RFC 3261 calls a forking proxy (section 16.7) and the caller's end in one, so its rules are ours. The first 200 wins; all
//! others are cancelled with `Reason: SIP;cause=200` (RFC 3326 section 3.1), so that they show no missed call. A 6xx speaks for the person
//! and not for the phone (section 21.6): 603 is how somebody declines on one phone for all of them, and the others stop. Any other refusal is of
//! that phone alone: 486 of a softphone that is busy with something else must not silence the desk. Who said no last decides nothing: a
//! refusal by hand weighs more than a phone that is not there. A phone that says nothing at all costs the others nothing: they ring on.

use crate::call::Leg;
use crate::engine::{Engine, Owner};
use crate::legs::far;
use media::Command as Media;
use model::{AgentId, CallId, Codec, DialogId, Instant, LegId, Now, OfferEnd, OfferId, PhoneGone, Seq};
use std::time::Duration;

/// A phone that has not said anything at all to an INVITE by then cannot be reached: by then it was asked three times (RFC 3261
/// section 17.1.1.2, timer A). Waiting for timer B, 32 s, would cost the caller more than the ring time.
const PHONE_DEAF: Duration = Duration::from_secs(2);

/// The phones that ring, or are about to, for one offer.
#[derive(Debug)]
pub(crate) struct Phones {
    pub(crate) agent: AgentId,
    pub(crate) offer: OfferId,
    /// At most [`sip::PHONES_MAX`]. Empty only while the offer ends.
    ringing: Vec<Phone>,
    /// What those that stopped by themselves have said of it.
    said: OfferEnd,
}

/// One of them.
#[derive(Debug)]
struct Phone {
    leg: Leg,
    to: sip::Target,
    dialling: Dialling,
    /// When the INVITE left, until the phone says that it rings.
    unheard_since: Option<Instant>,
}

/// How far the call to one phone has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialling {
    /// The agent's phone says a code: it would be found busy, and rings once that call is over.
    Held,
    /// The media session opens.
    Opening,
    /// The INVITE is out; something must come back within [`PHONE_DEAF`].
    Invited { at: Instant },
    /// Something has.
    Heard,
}

/// As whom the phones are called.
pub(crate) struct Caller {
    pub(crate) from: sip::Identity,
    /// Most wanted first.
    pub(crate) codecs: Vec<Codec>,
}

/// What became of the offer by what one phone did.
#[derive(Debug)]
pub(crate) enum Rang {
    /// Some phone rings still.
    On,
    /// This one was answered, and what was agreed; the others are still to be stopped.
    Answered(Leg, sdp::Agreed),
    /// None is left.
    Over(OfferEnd),
}

impl Phones {
    /// When one of them is heard to be deaf.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.ringing.iter().filter_map(Phone::deaf).min()
    }

    pub(crate) fn dialogs(&self) -> impl Iterator<Item = DialogId> {
        self.ringing.iter().map(|phone| phone.leg.dialog)
    }

    /// How many legs they have.
    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.ringing.len()).unwrap_or(u16::MAX)
    }

    fn with(&mut self, which: impl Fn(&Phone) -> bool) -> Option<&mut Phone> {
        self.ringing.iter_mut().find(|phone| which(phone))
    }

    fn take(&mut self, which: impl Fn(&Phone) -> bool) -> Option<Phone> {
        let at = self.ringing.iter().position(which)?;
        Some(self.ringing.remove(at))
    }

    /// One of them has stopped by itself, saying this.
    fn stopped(&mut self, how: OfferEnd) -> Rang {
        if how == OfferEnd::Declined {
            self.said = how;
        }
        if self.ringing.is_empty() { Rang::Over(self.said) } else { Rang::On }
    }
}

impl Phone {
    fn deaf(&self) -> Option<Instant> {
        match self.dialling {
            Dialling::Invited { at } => Some(at + PHONE_DEAF),
            Dialling::Held | Dialling::Opening | Dialling::Heard => None,
        }
    }
}

impl Engine {
    /// All phones of an agent, each with a leg of its own from `first` on; `None` if there is none, or no port for one.
    pub(crate) fn phones_of(&mut self, call: CallId, first: u16, agent: &AgentId, offer: OfferId, owner: Owner) -> Option<Phones> {
        let target = |b: &sip::Binding| sip::Target {
            uri: b.contact.clone(),
            flow: b.flow,
            addr: b.addr,
            routes: b.path.clone(),
            user: Some(b.user.clone()),
            trunk: None,
        };
        let targets: Vec<sip::Target> = self.sip.phones(agent.as_str()).map(target).collect();
        let mut ringing = Vec::with_capacity(targets.len());
        for (index, to) in (first..).zip(targets) {
            let dialog = self.sip.new_dialog();
            // Where there is no port for one phone more, those that have one ring.
            let Some(leg) = self.make_leg(call, index, dialog, to.addr.ip(), owner) else { break };
            ringing.push(Phone { leg, to, dialling: Dialling::Held, unheard_since: None });
        }
        let phones = Phones { agent: agent.clone(), offer, ringing, said: OfferEnd::Unreachable };
        (!phones.ringing.is_empty()).then_some(phones)
    }

    /// The media sessions are opened first, so that no INVITE promises a port that is not there. Nothing happens while the agent says a code.
    pub(crate) fn open_phones(&mut self, after: Seq, phones: &mut Phones) {
        if self.on_errand(&phones.agent) {
            return;
        }
        for phone in phones.ringing.iter_mut().filter(|phone| phone.dialling == Dialling::Held) {
            phone.dialling = Dialling::Opening;
            let local = self.bind_addr(&phone.leg);
            self.media(after, phone.leg.id, Media::Open { local });
        }
    }

    /// The media session of one of them is open.
    pub(crate) fn phone_opened(&mut self, now: Now, phones: &mut Phones, leg: LegId, caller: Caller) {
        let Some(phone) = phones.with(|phone| phone.leg.id == leg && phone.dialling == Dialling::Opening) else { return };
        phone.dialling = Dialling::Invited { at: now.mono };
        phone.unheard_since = Some(now.mono);
        let (dialog, to) = (phone.leg.dialog, phone.to.clone());
        let sdp = sdp::offer(&self.capabilities(&phone.leg, caller.codecs));
        self.sip.handle_command(now, sip::Command::Invite { dialog, to, from: caller.from, sdp });
    }

    /// The media session of one of them cannot be opened.
    pub(crate) fn phone_not_opened(&mut self, after: Seq, phones: &mut Phones, leg: LegId) -> Rang {
        let Some(phone) = phones.with(|phone| phone.leg.id == leg) else { return Rang::On };
        if self.open_elsewhere(after, &mut phone.leg) {
            return Rang::On;
        }
        if let Some(phone) = phones.take(|phone| phone.leg.id == leg) {
            self.drop_leg(&phone.leg);
            self.dialog_over(phone.leg.dialog);
        }
        phones.stopped(OfferEnd::Unreachable)
    }

    /// The dialog of one of them says something.
    pub(crate) fn phone_says(&mut self, now: Now, after: Seq, phones: &mut Phones, event: &sip::Event) -> Rang {
        if let sip::Event::Ringing { dialog, .. } | sip::Event::Answered { dialog, .. } | sip::Event::Failed { dialog, .. } = event
            && let Some(phone) = phones.with(|phone| phone.leg.dialog == *dialog)
        {
            self.note_invite(now, None, event, &mut phone.unheard_since);
        }
        match event {
            // That the phone is there is all that these say: the offer's time runs from the INVITE.
            sip::Event::Trying { dialog } | sip::Event::Ringing { dialog, .. } => {
                if let Some(phone) = phones.with(|phone| phone.leg.dialog == *dialog) {
                    phone.dialling = Dialling::Heard;
                }
                Rang::On
            }
            sip::Event::Answered { dialog, sdp } => self.phone_answered(now, after, phones, *dialog, sdp.as_deref()),
            sip::Event::Failed { dialog, status, .. } => {
                let Some(phone) = phones.take(|phone| phone.leg.dialog == *dialog) else { return Rang::On };
                self.close_leg(after, &phone.leg);
                match status {
                    // RFC 3261 section 16.7 item 5: after a 6xx "the stateful proxy SHOULD cancel all client pending transactions".
                    600.. => {
                        self.stop_phones(now, after, phones, Some(sip::Reason::DeclinedElsewhere));
                        phones.stopped(OfferEnd::Declined)
                    }
                    // Nobody there, or nothing that answers: the phone, not the agent, said no (sections 21.4.9 and 21.5.4).
                    404 | 408 | 410 | 480 | 481 | 500 | 502..=504 => phones.stopped(OfferEnd::Unreachable),
                    _ => phones.stopped(OfferEnd::Declined),
                }
            }
            sip::Event::Reoffer { dialog, .. } => {
                self.sip.handle_command(now, sip::Command::RefuseReoffer { dialog: *dialog, status: 488 });
                Rang::On
            }
            // Nothing that a phone says which has not answered yet.
            sip::Event::Invite { .. }
            | sip::Event::Cancelled { .. }
            | sip::Event::Acked { .. }
            | sip::Event::AnswerCame { .. }
            | sip::Event::OfferRefused { .. }
            | sip::Event::PeerLost { .. }
            | sip::Event::Cause { .. }
            | sip::Event::AsksForPrivacy { .. }
            | sip::Event::Refer { .. }
            | sip::Event::Digit { .. }
            | sip::Event::PeerMoved { .. }
            | sip::Event::AckMissing { .. }
            | sip::Event::Bye { .. }
            | sip::Event::ProbeAnswered { .. }
            | sip::Event::ProbeFailed { .. }
            | sip::Event::Ended { .. }
            | sip::Event::AskedAgain { .. }
            | sip::Event::Asked { .. }
            | sip::Event::TrunkRegistration { .. }
            | sip::Event::TrunkReachable { .. }
            | sip::Event::Registered { .. }
            | sip::Event::PhoneGone { .. }
            | sip::Event::Unregistered { .. } => Rang::On,
        }
    }

    fn phone_answered(&mut self, now: Now, after: Seq, phones: &mut Phones, dialog: DialogId, sdp: Option<&[u8]>) -> Rang {
        let Some(Phone { mut leg, .. }) = phones.take(|phone| phone.leg.dialog == dialog) else { return Rang::On };
        // It may have gone elsewhere while it rang.
        leg.peer = self.sip.dialog(dialog).map(|state| state.peer.ip()).or(leg.peer);
        let ours = self.capabilities(&leg, Codec::ALL.to_vec());
        let agreed = sdp.and_then(|sdp| sdp::parse(sdp).ok()).and_then(|answer| sdp::accept(&answer, &ours).ok());
        let Some(agreed) = agreed.filter(|agreed| self.may_be_heard_there(&leg, agreed)) else {
            // The phone answered with something we cannot hear, or wants our sound where it may not go: it is a phone that refuses.
            self.sip.handle_command(now, sip::Command::Bye { dialog });
            self.close_leg(after, &leg);
            return phones.stopped(OfferEnd::Declined);
        };
        leg.codec = Some(agreed.codec);
        leg.held = !agreed.we_send;
        self.settle(&leg);
        Rang::Answered(leg, agreed)
    }

    /// The one who was answered hears us, and the others are told that it is settled.
    pub(crate) fn take_phone(&mut self, now: Now, after: Seq, mut others: Phones, leg: &Leg, agreed: sdp::Agreed) {
        self.stop_phones(now, after, &mut others, Some(sip::Reason::AnsweredElsewhere));
        self.media(after, leg.id, Media::Connect(far(agreed, leg)));
    }

    /// Whoever has said nothing for too long is let go, and not called again before it says that it is there: it may be the dead twin of one that rings.
    pub(crate) fn phones_late(&mut self, now: Now, after: Seq, phones: &mut Phones) -> Rang {
        let mut rang = Rang::On;
        while let Some(phone) = phones.take(|phone| phone.deaf().is_some_and(|at| at <= now.mono)) {
            self.stop_phone(now, after, &phone, None);
            if let Dialling::Invited { at: since } = phone.dialling {
                let at = sip::Spot { contact: phone.to.uri, addr: phone.to.addr };
                self.sip.handle_command(now, sip::Command::PutOut { user: phones.agent.to_string(), at, since });
            }
            rang = phones.stopped(OfferEnd::Unreachable);
        }
        rang
    }

    /// All that ring stop; without a reason each shows a missed call, which it is when the caller has given up or the time was over.
    pub(crate) fn stop_phones(&mut self, now: Now, after: Seq, phones: &mut Phones, reason: Option<sip::Reason>) {
        for phone in std::mem::take(&mut phones.ringing) {
            self.stop_phone(now, after, &phone, reason);
        }
    }

    fn stop_phone(&mut self, now: Now, after: Seq, phone: &Phone, reason: Option<sip::Reason>) {
        let dialog = phone.leg.dialog;
        match phone.dialling {
            Dialling::Held => {
                self.dialog_over(dialog);
                return self.forget_leg(&phone.leg);
            }
            Dialling::Opening => self.dialog_over(dialog),
            Dialling::Invited { .. } | Dialling::Heard => self.sip.handle_command(now, sip::Command::Cancel { dialog, reason }),
        }
        self.close_leg(after, &phone.leg);
    }

    /// One of an agent's phones is not called any more, and the agent has others: an offer goes on at those.
    pub(crate) fn on_phone_gone(&mut self, now: Now, agent: AgentId, at: &sip::Spot, why: PhoneGone) {
        match why {
            PhoneGone::Left | PhoneGone::Expired | PhoneGone::Lost => {
                if let Some(call) = self.offers_to(&agent) {
                    self.with_call(now, call, |engine, call| engine.agents_phone_gone(now, call, at));
                    self.attempts_phone_gone(now, call, at);
                }
            }
            // It has stopped already.
            PhoneGone::Silent => {}
            // It is as alive as the others, and may answer what it was asked.
            PhoneGone::Full => {}
        }
        self.note(model::Event::PhoneGone { agent, why });
    }

    /// The agent has said their code: what was held back for that rings.
    pub(crate) fn open_held(&mut self, now: Now, agent: &AgentId) {
        let Some(id) = self.offers_to(agent) else { return };
        self.with_call(now, id, |engine, call| {
            let after = call.after;
            if let Some(phones) = call.phones_mut() {
                engine.open_phones(after, phones);
            }
        });
        self.open_attempts_phones(id);
    }

    /// Whether an offer waits until the agent has said their code.
    pub(crate) fn holds_offer(&self, agent: &AgentId) -> bool {
        let phones = |call: CallId| {
            let of_call = self.calls.get(&call).and_then(|call| call.phones());
            of_call.or_else(|| self.callbacks.attempts.get(&call).and_then(|attempt| attempt.phones()))
        };
        let held = |phones: &Phones| phones.ringing.iter().any(|phone| phone.dialling == Dialling::Held);
        self.offers_to(agent).and_then(phones).is_some_and(held)
    }

    /// The same for the phones of one offer.
    pub(crate) fn phone_gone(&mut self, now: Now, after: Seq, phones: &mut Phones, at: &sip::Spot) -> Rang {
        // A phone that was to be connected to anew is somewhere else by its port.
        let there = |phone: &Phone| phone.to.uri == at.contact && phone.to.addr == at.addr;
        let same_host = |phone: &Phone| phone.to.uri == at.contact && phone.to.addr.ip() == at.addr.ip();
        let Some(phone) = phones.take(there).or_else(|| phones.take(same_host)) else { return Rang::On };
        self.stop_phone(now, after, &phone, None);
        phones.stopped(OfferEnd::Unreachable)
    }

    /// The call for which an agent's phones ring.
    fn offers_to(&self, agent: &AgentId) -> Option<CallId> {
        let rings = |call: &CallId| {
            let of_call = self.calls.get(call).and_then(|call| call.phones());
            let phones = of_call.or_else(|| self.callbacks.attempts.get(call).and_then(|attempt| attempt.phones()));
            phones.is_some_and(|phones| phones.agent == *agent)
        };
        self.offers.values().copied().find(rings)
    }
}
