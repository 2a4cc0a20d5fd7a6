//! What is written down before the world sees it, and the state that the written records add up to.

use crate::outbound::WentOut;
use crate::persons::Memories;
use flow::CallbackTerms;
use model::{
    AgentId, BreakReason, CallEnd, CallId, CallRecord, CallbackEnd, CallbackTry, Lang, LegId, LineId, Need, Number, OfferEnd, OfferId,
    Override, OverrideId, Party, Person, QueueEnd, QueueId, Refusal, TicketId, TransferEnd, TransferKind, UnixMillis, Version, Why,
    Withheld,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One committed fact. The journal keeps them in order; folded together they are the [`State`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A city came into force.
    Published {
        /// Its version.
        version: Version,
    },
    /// An agent went on a break or came back. A break that was asked for during a call is written twice: then, and when it begins.
    Presence {
        /// Who.
        agent: AgentId,
        /// Whether calls may come.
        ready: bool,
        /// Of a break, the reason that was given.
        #[serde(default)]
        reason: Option<BreakReason>,
        /// When; `None` in a journal from before this was written.
        #[serde(default)]
        at: Option<UnixMillis>,
    },
    /// Somebody set something by hand, until a moment.
    OverrideSet {
        /// What, by whom, until when.
        set: Box<Override>,
    },
    /// What was set by hand is over.
    OverrideEnded {
        /// What had been set.
        what: OverrideId,
        /// Who ended it; `None`: its time was over.
        by: Option<String>,
        /// When.
        at: UnixMillis,
    },
    /// A call came in.
    Arrived {
        /// Which.
        call: CallId,
        /// What is known of it.
        open: Box<OpenCall>,
    },
    /// The caller asked in the middle of the call to stay unnamed from now on.
    Withheld {
        /// Which call.
        call: CallId,
        /// Why there is no number any more.
        why: Withheld,
    },
    /// The call's dialog, before our 200 OK.
    Dialog {
        /// Which call.
        call: CallId,
        /// Its SIP Call-ID.
        sip_call_id: String,
        /// Our tag.
        local_tag: String,
    },
    /// The caller's place, before it is spoken.
    Placed {
        /// Which call.
        call: CallId,
        /// The place.
        place: Place,
    },
    /// The caller left the queue, or the conversation that followed.
    Unplaced {
        /// Which call.
        call: CallId,
        /// How.
        how: QueueEnd,
    },
    /// The caller waits on: a decision found nobody, and why. For whoever asks later; nothing depends on it.
    Waits {
        /// Which call; `None` for a callback.
        call: Option<CallId>,
        /// The claim.
        ticket: TicketId,
        /// The queue.
        queue: QueueId,
        /// Why nobody.
        why: Box<Why>,
    },
    /// An agent was chosen, before their phone rings.
    Assigned {
        /// Which call.
        call: CallId,
        /// To whom.
        agent: AgentId,
        /// By which offer.
        offer: OfferId,
        /// From which queue.
        queue: QueueId,
        /// Why this agent, and why not the others.
        why: Box<Why>,
    },
    /// The offer came to nothing, or its conversation is over.
    Unassigned {
        /// Which call.
        call: CallId,
        /// By which offer.
        offer: OfferId,
        /// How it ended; `Answered` when they have talked.
        how: OfferEnd,
    },
    /// A caller was to be put through.
    Transferred {
        /// Which call.
        call: CallId,
        /// Where to: a line or a queue, by its name.
        to: String,
        /// How.
        kind: TransferKind,
        /// By whom: the agent, or the flow.
        by: Option<AgentId>,
        /// What became of it.
        how: TransferEnd,
    },
    /// A call goes out, before its INVITE: to a line, or to a person whose number no record holds.
    CalledOut {
        /// For which call, or which errand of an agent.
        call: CallId,
        /// To which line; `None` for a callback and for an agent's call back.
        line: Option<LineId>,
        /// Over which trunk.
        trunk: LineId,
        /// By which agent, if an agent asked for it.
        by: Option<AgentId>,
        /// When: the hour's limit outlives a restart.
        #[serde(default)]
        at: UnixMillis,
        /// As which leg.
        #[serde(default)]
        leg: LegId,
    },
    /// What SIP must know to end a call outside if this engine dies: before its INVITE leaves, and again before our ACK.
    OutsideDialog {
        /// Which leg.
        leg: LegId,
        /// A `sip::Will`, sealed: it holds whom we called.
        sealed: String,
    },
    /// SIP is done with a call outside: its places are free.
    OutsideOver {
        /// Which leg.
        leg: LegId,
    },
    /// All places of a line were taken when a call wanted one.
    LineFull {
        /// Which call.
        call: CallId,
        /// Which line.
        line: LineId,
    },
    /// An INVITE was turned away before it became a call: the callers whom nobody counts.
    Refused {
        /// The number dialled, if it was one of ours.
        number: Option<Number>,
        /// Who, as statistics know them.
        person: Option<Person>,
        /// Why.
        why: Refusal,
    },
    /// Somebody is to be called back.
    CallbackBooked {
        /// The claim, which keeps its age.
        ticket: TicketId,
        /// What was agreed.
        booked: Box<Booked>,
    },
    /// A callback was tried. Written before the call goes out, and again with what became of it.
    CallbackTried {
        /// The claim.
        ticket: TicketId,
        /// The how-manieth attempt, from 1.
        attempt: u32,
        /// When.
        at: UnixMillis,
        /// What became of it; `None` before the call goes out.
        how: Option<CallbackTry>,
    },
    /// A callback is over.
    CallbackEnded {
        /// The claim.
        ticket: TicketId,
        /// How.
        how: CallbackEnd,
    },
    /// Caller and agent talk.
    Bridged {
        /// Which call.
        call: CallId,
        /// By which offer.
        offer: OfferId,
    },
    /// A call is over: its call record.
    Ended(Box<CallRecord>),
}

/// A call in progress as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// When the INVITE came.
    pub arrived: UnixMillis,
    /// The city's number that was dialled.
    pub number: Number,
    /// Who calls, masked, or why the number is withheld.
    pub caller: String,
    /// The version of the city that it began with.
    pub version: Version,
    /// Who calls, as statistics know them.
    #[serde(default)]
    pub person: Option<Person>,
    /// Whether we called them: a callback.
    #[serde(default)]
    pub called_back: bool,
    /// The line of the city that was called first, where it sent the call on to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_first: Option<LineId>,
    /// The SIP Call-ID, once answered.
    pub sip_call_id: Option<String>,
    /// Where it waits.
    pub place: Option<Place>,
    /// Who was asked, by which offer.
    pub assigned: Option<(AgentId, OfferId)>,
    /// Whether they talk.
    pub bridged: bool,
}

/// A call outside with which SIP is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abroad {
    /// The line and the trunk of which it holds a place.
    pub places: Vec<LineId>,
    /// What SIP must know to end it, sealed; `None` before its INVITE.
    pub sealed: Option<String>,
}

/// A callback as it was agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// The call in which it was asked.
    pub call: CallId,
    /// When that call came.
    pub arrived: UnixMillis,
    /// When it was booked.
    pub at: UnixMillis,
    /// The city's number that was dialled: it is shown when we call back.
    pub number: Number,
    /// Whom to call, sealed: only this city's key opens it.
    pub sealed: String,
    /// Whom, masked.
    pub caller: String,
    /// As statistics know them.
    pub person: Option<Person>,
    /// Where they wait.
    pub place: Place,
    /// What the agent must be able to do.
    pub needs: Vec<Need>,
    /// Agents who are not to be asked.
    #[serde(default)]
    pub except: Vec<AgentId>,
    /// On top of the age, within the class.
    #[serde(default)]
    pub bonus: Duration,
    /// On what terms.
    pub terms: CallbackTerms,
    /// The version of the city.
    pub version: Version,
    /// Attempts made.
    pub attempts: u32,
    /// When the last one was.
    pub tried: Option<UnixMillis>,
}

/// A break.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnBreak {
    /// Why, if a reason was given.
    pub reason: Option<BreakReason>,
    /// Since when for this reason; `None` where nobody wrote it down.
    pub since: Option<UnixMillis>,
}

/// A caller's place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The claim.
    pub ticket: TicketId,
    /// The queue.
    pub queue: QueueId,
    /// The caller's language.
    pub lang: Lang,
    /// Since when the caller waits, in all queues together.
    pub since: UnixMillis,
    /// 0 normal, 1 high, 2 urgent.
    #[serde(default)]
    pub class: u8,
    /// Whether the age is that of an earlier call, whose line was cut.
    #[serde(default)]
    pub kept: bool,
}

/// What must survive: the fold of all records. An engine shows it from its living machines ([`crate::Engine::state`]); a restored
/// one must show the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The city in force.
    pub version: Option<Version>,
    /// Agents on a break, or who have asked for one during a call.
    pub on_break: BTreeMap<AgentId, OnBreak>,
    /// What was set by hand and has not ended.
    #[serde(default)]
    pub overrides: BTreeMap<OverrideId, Override>,
    /// Calls in progress.
    pub calls: BTreeMap<CallId, OpenCall>,
    /// Callbacks to be made.
    #[serde(default)]
    pub callbacks: BTreeMap<TicketId, Booked>,
    /// What is remembered of persons for a while.
    #[serde(default)]
    pub memories: Memories,
    /// When calls went out, as far as the hour's limit still asks.
    #[serde(default)]
    pub calls_out: WentOut,
    /// Calls outside that hold places.
    #[serde(default)]
    pub abroad: BTreeMap<LegId, Abroad>,
    /// Calls that ended, by how.
    pub ended: BTreeMap<CallEnd, u64>,
    /// The highest call id given out.
    pub last_call: CallId,
    /// The highest ticket id given out.
    pub last_ticket: TicketId,
}

impl State {
    /// Takes one more record into account.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Published { version } => self.version = Some(version),
            Record::Presence { agent, ready: true, .. } => drop(self.on_break.remove(&agent)),
            Record::Presence { agent, ready: false, reason, at } => drop(self.on_break.insert(agent, OnBreak { reason, since: at })),
            Record::OverrideSet { set } => drop(self.overrides.insert(set.setting.id(), *set)),
            Record::OverrideEnded { what, .. } => drop(self.overrides.remove(&what)),
            Record::Arrived { call, open } => {
                self.last_call = self.last_call.max(call);
                self.calls.insert(call, *open);
            }
            Record::Withheld { call, why } => self.call(call, |open| (open.caller, open.person) = (why.to_string(), None)),
            Record::Dialog { call, sip_call_id, .. } => self.call(call, |open| open.sip_call_id = Some(sip_call_id)),
            Record::Placed { call, place } => {
                self.last_ticket = self.last_ticket.max(place.ticket);
                if let Some(person) = self.calls.get(&call).and_then(|open| open.person.as_ref()).filter(|_| place.kept) {
                    self.memories.handle_taken(person, place.since);
                }
                self.call(call, |open| open.place = Some(place));
            }
            Record::Unplaced { call, .. } => self.call(call, |open| open.place = None),
            Record::Waits { .. } | Record::Transferred { .. } | Record::LineFull { .. } | Record::Refused { .. } => {}
            Record::CalledOut { at, line, trunk, leg, .. } => {
                self.calls_out.note(at);
                // An older journal names no leg: nobody kept the places of its calls.
                if leg != LegId::default() {
                    self.abroad.insert(leg, Abroad { places: line.into_iter().chain([trunk]).collect(), sealed: None });
                }
            }
            Record::OutsideDialog { leg, sealed } => {
                if let Some(abroad) = self.abroad.get_mut(&leg) {
                    abroad.sealed = Some(sealed);
                }
            }
            Record::OutsideOver { leg } => drop(self.abroad.remove(&leg)),
            Record::CallbackBooked { ticket, booked } => {
                self.last_ticket = self.last_ticket.max(ticket);
                self.callbacks.insert(ticket, *booked);
            }
            Record::CallbackTried { ticket, attempt, at, .. } => {
                if let Some(booked) = self.callbacks.get_mut(&ticket) {
                    booked.attempts = booked.attempts.max(attempt);
                    booked.tried = booked.tried.max(Some(at));
                }
            }
            Record::CallbackEnded { ticket, how } => {
                if let Some(booked) = self.callbacks.remove(&ticket) {
                    self.memories.handle_called_back(&booked, how);
                }
            }
            Record::Assigned { call, agent, offer, .. } => {
                // A callback's call begins with this, and is open once the person is called.
                self.last_call = self.last_call.max(call);
                self.call(call, |open| open.assigned = Some((agent, offer)));
            }
            Record::Unassigned { call, offer, .. } => self.call(call, |open| {
                if open.assigned.as_ref().is_some_and(|(_, o)| *o == offer) {
                    open.assigned = None;
                    open.bridged = false;
                }
            }),
            Record::Bridged { call, .. } => self.call(call, |open| open.bridged = true),
            Record::Ended(record) => {
                if let Some(open) = self.calls.remove(&record.call) {
                    self.memories.handle_ended(&open, &record);
                }
                *self.ended.entry(record.end).or_default() += 1;
            }
        }
    }

    fn call(&mut self, call: CallId, change: impl FnOnce(&mut OpenCall)) {
        if let Some(open) = self.calls.get_mut(&call) {
            change(open);
        }
    }
}

/// The call record of a call whose engine died under it.
pub(crate) fn lost(call: CallId, open: &OpenCall, ended: UnixMillis) -> CallRecord {
    let open = open.clone();
    CallRecord {
        call,
        arrived: open.arrived,
        number: open.number,
        caller: open.caller,
        lang: open.place.as_ref().map_or_else(|| Lang::from("ja"), |p| p.lang.clone()),
        path: Vec::new(),
        ticket: open.place.as_ref().map(|p| p.ticket),
        class: open.place.as_ref().map_or(0, |p| p.class),
        queue: open.place.map(|p| p.queue),
        waited: None,
        to_human: None,
        agent: open.assigned.filter(|_| open.bridged).map(|(agent, _)| agent),
        talked: None,
        ended,
        end: CallEnd::LostInRestart,
        hung_up_by: Party::Engine,
        version: open.version,
        person: open.person,
        gave_up: None,
        transferred_to: None,
        called_back: open.called_back,
        called_first: open.called_first,
        cause: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(lines: &[&str]) -> State {
        let mut state = State::default();
        lines.iter().for_each(|line| state.apply(serde_json::from_str(line).unwrap()));
        state
    }

    #[test]
    fn a_journal_from_before_breaks_had_reasons_is_read_and_its_breaks_go_on() {
        let on = r#"{"record":"presence","agent":"yuki","ready":false}"#;
        let back = r#"{"record":"presence","agent":"yuki","ready":true}"#;
        assert_eq!(state(&[on]).on_break, BTreeMap::from([(AgentId::from("yuki"), OnBreak { reason: None, since: None })]));
        assert_eq!(state(&[on, back]).on_break, BTreeMap::new());
    }

    #[test]
    fn the_last_reason_that_was_written_is_the_one_that_holds() {
        let of = |reason: &str, at: i64| {
            let (reason, at) = (Some(BreakReason::from(reason)), Some(UnixMillis(at)));
            serde_json::to_string(&Record::Presence { agent: AgentId::from("yuki"), ready: false, reason, at }).unwrap()
        };
        let lunch = of("lunch", 1000);
        assert_eq!(lunch, r#"{"record":"presence","agent":"yuki","ready":false,"reason":"lunch","at":1000}"#);
        let held = OnBreak { reason: Some(BreakReason::from("meeting")), since: Some(UnixMillis(2000)) };
        assert_eq!(state(&[&lunch, &of("meeting", 2000)]).on_break, BTreeMap::from([(AgentId::from("yuki"), held)]));
    }
}
