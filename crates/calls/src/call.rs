//! One call: a caller's leg, the way through the flow, and the agent's leg when there is one.

use crate::consult::Consult;
use crate::outbound::Outside;
use crate::ringing::Phones;
use crate::takeover::Takeover;
use crate::terms::HoldMusic;
use crate::{City, OpenCall, Place};
use flow::Spoken;
use model::{
    AbandonStage, AgentId, CallEnd, CallId, CallRecord, DialogId, Estimate, Instant, JobId, LegId, LineId, Millis, Now, Number, OfferId,
    Party, Person, PlayId, QueueId, Redacted, Seq, TicketId, TransferKind, UnixMillis, Withheld,
};
use std::sync::Arc;
use std::time::Duration;

/// Who hangs up sooner was not turned away by anything they heard: a wrong number, or a line of ours that drops calls.
const SHORT: Duration = Duration::from_secs(5);

/// A SIP dialog with its media session.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) dialog: DialogId,
    pub(crate) port: u16,
    /// Ports that could not be bound before this one.
    pub(crate) ports_tried: u8,
    /// Where the phone's SIP comes from: behind a NAT its sound comes from there too, whatever its description says. `None` for a
    /// carrier, whose sound may come from another machine than its SIP.
    pub(crate) peer: Option<std::net::IpAddr>,
    /// The `o=` session id of our descriptions, and the version of the last one (RFC 8866 section 5.2).
    pub(crate) session: u64,
    pub(crate) version: u64,
    /// The codec agreed, once it is.
    pub(crate) codec: Option<model::Codec>,
    /// The phone wants nothing sent to it.
    pub(crate) held: bool,
}

/// What the call is doing. The data of a stage lives inside it.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The media session opens; then this offer is answered, or ours made where there is none.
    Opening(Option<Box<sdp::Description>>),
    /// 200 OK is out, the ACK is awaited. The caller's phone is not listening for sure until then.
    Answering,
    /// The flow speaks.
    Menu,
    /// The caller has a place in a queue.
    Waiting(Ticket),
    /// As waiting, and an agent's phones ring.
    Ringing(Ticket, Phones),
    /// As waiting, and an agent has answered and is told who it is.
    Whispering(Ticket, AgentSide, Whisper),
    /// Caller and agent hear each other.
    Talking(Ticket, AgentSide, Instant),
    /// As talking, and the agent has called somebody outside.
    Consulting(Ticket, AgentSide, Instant, Box<Called>),
    /// The caller is put through to somebody outside, or talks with them; no agent has a part in it.
    Through(Box<Called>, Back),
    /// Nothing more is done for it.
    Over,
}

/// The caller's claim, as the call remembers it.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) id: TicketId,
    pub(crate) queue: QueueId,
}

/// The agent's side of an offer, from the answer on: the phone that answered.
#[derive(Debug)]
pub(crate) struct AgentSide {
    pub(crate) agent: AgentId,
    pub(crate) offer: OfferId,
    pub(crate) leg: Leg,
    /// The star code that the agent is pressing.
    pub(crate) keys: Option<Keys>,
    /// In which call the agent's phone has asked by its transfer key, and waits to hear what becomes of it.
    pub(crate) refers: Option<DialogId>,
}

/// What an agent is told of the caller. The caller hears music still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whisper {
    /// What is whispered.
    pub(crate) play: PlayId,
    /// When it counts as heard, whatever happens.
    pub(crate) until: Instant,
}

/// A star code as far as it is pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// `*2`, and more.
    pub(crate) typed: String,
    /// When no more keys are waited for.
    pub(crate) until: Instant,
}

/// Somebody outside who is called on behalf of this caller.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) outside: Outside,
    pub(crate) kind: TransferKind,
    /// By which agent; `None` by the flow.
    pub(crate) by: Option<AgentId>,
    /// What they hear before they accept with 1; `None` when nothing is asked of them.
    pub(crate) brief: Option<Vec<Spoken>>,
    pub(crate) reached: Reached,
    /// The ringing tone in the agent's ear.
    pub(crate) ringback: Option<PlayId>,
}

/// How far the one who is called has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The phone rings, or will.
    Calling,
    /// Answered, and asked to press 1.
    Briefed,
    /// They talk with the agent alone; the caller hears music.
    Private,
    /// They talk with the caller, since then.
    Joined(Instant),
}

impl Called {
    /// Who it is, as records name it.
    pub(crate) fn name(&self) -> String {
        self.outside.name().map_or_else(String::new, ToString::to_string)
    }
}

/// Where the caller goes when nobody outside is reached.
#[derive(Clone, Debug)]
pub(crate) enum Back {
    /// Into the hands of the flow.
    Flow,
    /// To the front of the queue, where the flow had left the place waiting.
    Kept(Ticket),
    /// To the front of the queue that the agent took them from.
    Agent(Ticket),
}

impl Back {
    pub(crate) fn ticket(&self) -> Option<&Ticket> {
        match self {
            Back::Flow => None,
            Back::Kept(ticket) | Back::Agent(ticket) => Some(ticket),
        }
    }
}

/// What sounds in the caller's ear by our doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    Quiet,
    Prompt(PlayId),
    Music(PlayId),
    /// A key cut the prompt and the digit is awaited; if none comes by then the prompt counts as heard.
    Cut(Instant),
}

impl Sound {
    pub(crate) fn play(self) -> Option<PlayId> {
        match self {
            Sound::Prompt(id) | Sound::Music(id) => Some(id),
            Sound::Quiet | Sound::Cut(_) => None,
        }
    }
}

/// One resident's call.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) city: Arc<City>,
    pub(crate) run: flow::Run,
    pub(crate) flow: model::FlowName,
    pub(crate) leg: Leg,
    pub(crate) stage: Stage,
    pub(crate) sound: Sound,
    pub(crate) arrived: Now,
    pub(crate) number: Number,
    pub(crate) caller: Redacted<String>,
    /// Why there is no number of theirs.
    pub(crate) withheld: Option<Withheld>,
    /// The line of the city that they had called, and that sent them on to us.
    pub(crate) called_first: Option<LineId>,
    /// The caller as statistics know them.
    pub(crate) person: Option<Person>,
    /// Age zero of the caller's claim: the first time they took a place, in whatever queue. It is never reset.
    pub(crate) waiting_since: Option<(Instant, UnixMillis)>,
    /// Whether that was in an earlier call of the same person, whose line was cut.
    pub(crate) kept: bool,
    /// The caller has not heard of it yet.
    pub(crate) kept_to_say: bool,
    /// The caller has heard more than the first words.
    pub(crate) past_greeting: bool,
    /// The caller is to be called back.
    pub(crate) booked: bool,
    /// We called them: a callback.
    pub(crate) called_back: bool,
    pub(crate) ticket_id: Option<TicketId>,
    /// The claim as routing was told it, for when the caller comes back to the queue.
    pub(crate) claim: Option<routing::Ticket>,
    pub(crate) last_queue: Option<QueueId>,
    pub(crate) waited: Option<Duration>,
    pub(crate) to_human: Option<Duration>,
    pub(crate) served_by: Option<AgentId>,
    /// They were served and wait again: the agent's phone vanished, or they were sent on. Until somebody answers they have not got what
    /// they called for.
    pub(crate) owed: bool,
    pub(crate) talked: Option<Duration>,
    /// The house closes and the caller hears so; by then they are hung up on.
    pub(crate) closing: Option<Instant>,
    /// At the last round nobody was there who could take the call.
    pub(crate) unstaffed: bool,
    /// What the caller was told of the wait in this queue, and when.
    pub(crate) told: Option<(Instant, Estimate)>,
    /// The line or queue that the caller was put through to last.
    pub(crate) put_through: Option<String>,
    /// The music that the flow asked for last.
    pub(crate) music: Option<Spoken>,
    /// What somebody hears whom the agent holds.
    pub(crate) hold_music: Vec<HoldMusic>,
    /// The second call of the agent's phone.
    pub(crate) consult: Option<Box<Consult>>,
    /// Another phone of the agent's, about to take over.
    pub(crate) takeover: Option<Box<Takeover>>,
    /// The newest record that acts for this call depend on.
    pub(crate) after: Seq,
    /// The wake-up that is on the list for this call.
    pub(crate) wake: Option<Instant>,
    pub(crate) legs_made: u16,
    /// A message of theirs is kept.
    pub(crate) left_message: bool,
    /// The question to another house that is under way.
    pub(crate) job: Option<JobId>,
    /// The class of the claim, where a step of the flow asked for more than the caller had.
    pub(crate) claimed: u8,
}

impl Call {
    /// The caller's urgency, as routing knows it.
    pub(crate) fn class(&self) -> u8 {
        self.claimed.max(self.run.class())
    }

    /// The agent's side, if one has answered.
    pub(crate) fn agent_side(&self) -> Option<&AgentSide> {
        match &self.stage {
            Stage::Whispering(_, side, _) | Stage::Talking(_, side, _) | Stage::Consulting(_, side, ..) => Some(side),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Through(..)
            | Stage::Over => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn agent_side_mut(&mut self) -> Option<&mut AgentSide> {
        match &mut self.stage {
            Stage::Whispering(_, side, _) | Stage::Talking(_, side, _) | Stage::Consulting(_, side, ..) => Some(side),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Through(..)
            | Stage::Over => None,
        }
    }

    /// The phones that ring for it.
    pub(crate) fn phones(&self) -> Option<&Phones> {
        match &self.stage {
            Stage::Ringing(_, phones) => Some(phones),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Whispering(..)
            | Stage::Talking(..)
            | Stage::Consulting(..)
            | Stage::Through(..)
            | Stage::Over => None,
        }
    }

    /// The same, to change them.
    pub(crate) fn phones_mut(&mut self) -> Option<&mut Phones> {
        match &mut self.stage {
            Stage::Ringing(_, phones) => Some(phones),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Whispering(..)
            | Stage::Talking(..)
            | Stage::Consulting(..)
            | Stage::Through(..)
            | Stage::Over => None,
        }
    }

    /// Whom the caller is assigned to, and by which offer.
    pub(crate) fn assigned(&self) -> Option<(AgentId, OfferId)> {
        let rings = self.phones().map(|phones| (&phones.agent, phones.offer));
        let answered = self.agent_side().map(|side| (&side.agent, side.offer));
        rings.or(answered).map(|(agent, offer)| (agent.clone(), offer))
    }

    /// Somebody outside, if there is one.
    pub(crate) fn called(&self) -> Option<&Called> {
        match &self.stage {
            Stage::Consulting(.., called) | Stage::Through(called, _) => Some(called),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Whispering(..)
            | Stage::Talking(..)
            | Stage::Over => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn called_mut(&mut self) -> Option<&mut Called> {
        match &mut self.stage {
            Stage::Consulting(.., called) | Stage::Through(called, _) => Some(called),
            Stage::Opening(_)
            | Stage::Answering
            | Stage::Menu
            | Stage::Waiting(_)
            | Stage::Ringing(..)
            | Stage::Whispering(..)
            | Stage::Talking(..)
            | Stage::Over => None,
        }
    }

    /// The claim, while the caller waits or talks.
    pub(crate) fn ticket(&self) -> Option<&Ticket> {
        match &self.stage {
            Stage::Waiting(ticket)
            | Stage::Ringing(ticket, _)
            | Stage::Whispering(ticket, ..)
            | Stage::Talking(ticket, ..)
            | Stage::Consulting(ticket, ..) => Some(ticket),
            Stage::Through(called, back) => back.ticket().filter(|_| !matches!(called.reached, Reached::Joined(_))),
            Stage::Opening(_) | Stage::Answering | Stage::Menu | Stage::Over => None,
        }
    }

    /// Whether the caller is in a queue: waiting, also while a phone rings or an agent is told of them.
    pub(crate) fn in_queue(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_) | Stage::Ringing(..) | Stage::Whispering(..))
    }

    /// Whether the caller hears us, and we their keys.
    pub(crate) fn listens(&self) -> bool {
        self.in_queue() || matches!(self.stage, Stage::Menu)
    }

    /// When this call wants to be woken.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        if self.closing.is_some() {
            return self.closing;
        }
        let cut = match self.sound {
            Sound::Cut(until) => Some(until),
            Sound::Quiet | Sound::Prompt(_) | Sound::Music(_) => None,
        };
        let whisper = if let Stage::Whispering(_, _, whisper) = &self.stage { Some(whisper.until) } else { None };
        let keys = self.agent_side().and_then(|side| side.keys.as_ref()).map(|keys| keys.until);
        let phones = self.phones().and_then(Phones::due);
        let outside = self.called().and_then(|called| called.outside.due());
        [cut, phones, whisper, keys, outside, self.run.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether an agent has served them, and nobody is owed to them.
    pub(crate) fn was_served(&self) -> bool {
        self.served_by.is_some() && !self.owed
    }

    /// Where a call that the caller leaves now has ended.
    pub(crate) fn end_if_caller_leaves(&self) -> CallEnd {
        match self.stage {
            Stage::Opening(_) => CallEnd::CancelledEarly,
            Stage::Talking(..) | Stage::Consulting(..) => CallEnd::Served,
            Stage::Through(ref called, _) if matches!(called.reached, Reached::Joined(_)) => CallEnd::Served,
            Stage::Through(_, Back::Kept(_) | Back::Agent(_)) => CallEnd::AbandonedInQueue,
            // Also after an agent's phone has vanished: who waits again and gives up was not served.
            Stage::Waiting(_) | Stage::Ringing(..) | Stage::Whispering(..) => CallEnd::AbandonedInQueue,
            _ if self.was_served() => CallEnd::Served,
            Stage::Answering | Stage::Menu | Stage::Through(..) | Stage::Over => CallEnd::AbandonedInMenu,
        }
    }

    /// The stage at which a caller who hangs up gives up; `None` for whoever got what they called for.
    pub(crate) fn abandon_stage(&self, now: Now) -> Option<AbandonStage> {
        if self.was_served() && !self.in_queue() || self.booked || self.left_message && !self.in_queue() {
            return None;
        }
        if now.mono.since(self.arrived.mono) < SHORT {
            return Some(AbandonStage::Short);
        }
        match self.stage {
            Stage::Opening(_) | Stage::Answering => Some(AbandonStage::Greeting),
            Stage::Menu => Some(if self.past_greeting { AbandonStage::Menu } else { AbandonStage::Greeting }),
            Stage::Waiting(_) => Some(AbandonStage::Queue),
            Stage::Ringing(..) | Stage::Whispering(..) => Some(AbandonStage::Ringing),
            Stage::Through(ref called, _) if !matches!(called.reached, Reached::Joined(_)) => Some(AbandonStage::Ringing),
            Stage::Talking(..) | Stage::Consulting(..) | Stage::Through(..) | Stage::Over => None,
        }
    }

    /// The record that it leaves.
    pub(crate) fn record(&self, now: Now, end: CallEnd, hung_up_by: Party, gave_up: Option<AbandonStage>) -> CallRecord {
        CallRecord {
            call: self.id,
            arrived: self.arrived.wall,
            number: self.number.clone(),
            caller: self.caller_written(),
            lang: self.run.lang().clone(),
            path: self.run.path().to_vec(),
            queue: self.last_queue.clone(),
            waited: self.waited.map(Millis::from),
            to_human: self.to_human.map(Millis::from),
            agent: self.served_by.clone(),
            talked: self.talked.map(Millis::from),
            ended: now.wall,
            end,
            hung_up_by,
            version: self.city.book.version.clone(),
            person: self.person.clone(),
            ticket: self.ticket_id,
            class: self.class(),
            gave_up,
            transferred_to: self.put_through.clone(),
            called_back: self.called_back,
        }
    }

    /// The caller as it is written down: masked, or why there is no number.
    pub(crate) fn caller_written(&self) -> String {
        self.withheld.map_or_else(|| self.caller.to_string(), |why| why.to_string())
    }

    /// How the journal must know it: read from what the call is, not from what was written.
    pub(crate) fn open_call(&self, sip_call_id: Option<String>) -> OpenCall {
        let place = self.ticket().zip(self.waiting_since).map(|(ticket, (_, since))| Place {
            ticket: ticket.id,
            queue: ticket.queue.clone(),
            lang: self.run.lang().clone(),
            since,
            class: self.class(),
            kept: self.kept,
        });
        OpenCall {
            called_back: self.called_back,
            person: self.person.clone(),
            called_first: self.called_first.clone(),
            arrived: self.arrived.wall,
            number: self.number.clone(),
            caller: self.caller_written(),
            version: self.city.book.version.clone(),
            sip_call_id,
            place,
            assigned: self.assigned(),
            bridged: matches!(self.stage, Stage::Talking(..) | Stage::Consulting(..)),
        }
    }
}
