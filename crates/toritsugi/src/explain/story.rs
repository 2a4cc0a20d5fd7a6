//! What happened to one caller, moment by moment, from the journal alone.
//!
//! A pure function of the records; the words are in `words.rs` and one file per language. What the records do not say is not
//! told: a decision keeps counts of everybody and the names of at most five ([`Why`]).

use calls::{Place, Record};
use model::{
    AgentId, CallEnd, CallId, CallRecord, CallbackEnd, CallbackTry, Lang, LineId, Millis, Number, OfferEnd, OfferId, Party, QueueEnd,
    QueueId, Reason, TicketId, TransferEnd, TransferKind, UnixMillis, Why, Withheld,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Moments of one story. A caller who waits for hours under constant change has more; the rest is counted.
const MOMENTS_MAX: usize = 400;

/// One caller's way, as it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Story {
    pub(crate) call: CallId,
    /// What made this caller wait, the gravest first.
    pub(crate) causes: Vec<Cause>,
    pub(crate) moments: Vec<Moment>,
    /// Moments that are not told, for there were too many.
    pub(crate) left_out: u32,
    /// Where the journal breaks off, as `FILE:LINE`: what came after that is not known.
    pub(crate) damaged_at: Option<String>,
}

impl Story {
    /// How the call ended, if that was written down.
    pub(crate) fn end(&self) -> Option<CallEnd> {
        self.moments.iter().rev().find_map(|m| match &m.what {
            What::Ended { end, .. } => Some(*end),
            _ => None,
        })
    }
    /// Where the journal breaks off before the call's end.
    pub(crate) fn broken_off(&self) -> Option<&str> {
        self.damaged_at.as_deref().filter(|_| self.end().is_none())
    }
}

/// Something that happened, and when by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Moment {
    pub(crate) at: UnixMillis,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// Why there is no number, where that is written in place of one.
pub(crate) fn withheld(caller: &str) -> Option<Withheld> {
    serde_json::from_value(serde_json::Value::String(caller.to_owned())).ok()
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum What {
    /// The call came in, or, as a callback, went out.
    Arrived { number: Number, caller: String, called_back: bool },
    /// Before us, this line of the city had been called, and sent the call on.
    CalledFirst { line: LineId },
    /// The claim is older than the call: it began in another one.
    BeganAs { earlier: CallId },
    /// The caller took a place.
    Placed { ticket: TicketId, queue: QueueId, lang: Lang, class: u8, waited: Millis },
    /// Nobody could be asked. The same reasons again within the same wait are one moment, until `until`.
    Waits { queue: QueueId, why: Why, times: u32, until: UnixMillis },
    /// An agent's phone rings.
    Asked { agent: AgentId, queue: QueueId, why: Why, waited: Millis },
    /// The agent did not take it.
    NotTaken { agent: AgentId, how: OfferEnd, rang: Millis },
    /// They talk.
    Talk { agent: AgentId, waited: Millis },
    /// They have talked.
    Talked { agent: AgentId, talked: Millis, waits_again: bool },
    /// Somebody else was put before this caller.
    Overtaken { by: CallId, class: Option<u8>, agent: AgentId, queue: QueueId },
    /// Somebody else was put before more callers than are named: perhaps before this one.
    PerhapsOvertaken { by: CallId, class: Option<u8>, agent: AgentId, queue: QueueId, overtook: u32 },
    /// All places of a line were taken.
    LineFull { line: LineId },
    /// A transfer.
    Transferred { to: String, kind: TransferKind, by: Option<AgentId>, how: TransferEnd },
    /// The caller left the queue.
    Left { how: QueueEnd },
    /// A callback was agreed.
    CallbackBooked { attempts: u32 },
    /// A callback goes out, or came to this.
    CallbackTried { attempt: u32, how: Option<CallbackTry> },
    /// The callback is over.
    CallbackEnded { how: CallbackEnd },
    /// The claim lives on in another call: a callback, or the caller rang again.
    GoesOnAs { later: CallId },
    /// The call is over.
    Ended { end: CallEnd, by: Party, path: Vec<String>, waited: Option<Millis>, to_human: Option<Millis>, talked: Option<Millis> },
}

/// Something that made the caller wait, with how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub(crate) enum Cause {
    /// A queue took nobody: full, closed, or without anybody to serve it.
    NoPlace { times: u32 },
    /// Agents were idle and kept back.
    Reserve { decisions: u32 },
    /// Agents lacked a skill that a later easing no longer asks for.
    EasingPending { decisions: u32 },
    /// Agents lacked a skill.
    Skill { decisions: u32 },
    /// An agent was excluded.
    Excluded { decisions: u32 },
    /// Agents who join in later had not yet.
    LaterRing { decisions: u32 },
    /// The agent who knows the caller was waited for.
    Preferred { decisions: u32 },
    /// Phones rang out.
    RangOut { offers: u32 },
    /// Agents declined.
    Declined { offers: u32 },
    /// Phones could not be reached.
    Unreachable { offers: u32 },
    /// More urgent callers went first.
    Overtaken { times: u32 },
    /// All places of a line were taken.
    LineFull { times: u32 },
    /// Whoever could have taken the call was busy, away or signed out.
    NobodyFree { decisions: u32 },
}

/// The story of a call; `None` if no record knows it. `records` in the order of the journal.
#[cfg(test)]
pub(crate) fn story(records: &[(UnixMillis, Record)], call: CallId) -> Option<Story> {
    let mut search = Search::new(call);
    records.iter().for_each(|(_, record)| search.see(record));
    let mut teller = search.found()?;
    records.iter().for_each(|(at, record)| teller.tell(*at, record));
    Some(teller.finish())
}

/// The first walk through a journal: is there such a call, and which claims are its? A journal may be larger than memory, so it is
/// walked twice and never held.
#[derive(Debug, Default)]
pub(crate) struct Search {
    call: CallId,
    known: bool,
    called_back: bool,
    tickets: BTreeSet<TicketId>,
    newest: Option<(CallId, UnixMillis)>,
}

impl Search {
    pub(crate) fn new(call: CallId) -> Search {
        Search { call, ..Search::default() }
    }

    pub(crate) fn see(&mut self, record: &Record) {
        match record {
            Record::Arrived { call, open } => {
                self.newest = self.newest.max(Some((*call, open.arrived)));
                self.known |= *call == self.call;
            }
            Record::Placed { call, place } if *call == self.call => {
                self.tickets.insert(place.ticket);
            }
            Record::CallbackBooked { ticket, booked } if booked.call == self.call => {
                self.tickets.insert(*ticket);
            }
            Record::Ended(record) if record.call == self.call => {
                self.known = true;
                self.called_back = record.called_back;
                self.tickets.extend(record.ticket);
            }
            _ => {}
        }
    }

    /// The newest call of all, and when it came.
    pub(crate) fn newest(&self) -> Option<(CallId, UnixMillis)> {
        self.newest
    }

    /// Whoever tells the story at the second walk; `None` if there is no such call.
    pub(crate) fn found(self) -> Option<Teller> {
        self.known.then_some(Teller { call: self.call, called_back: self.called_back, tickets: self.tickets, ..Teller::default() })
    }
}

/// The second walk: hears each record, in order, and keeps what concerns the call.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    call: CallId,
    called_back: bool,
    tickets: BTreeSet<TicketId>,
    moments: Vec<Moment>,
    left_out: u32,
    /// Since when the caller waits, while the caller waits.
    waiting: Option<(UnixMillis, QueueId)>,
    asked: Option<(OfferId, AgentId, UnixMillis)>,
    talking: bool,
    /// The places of all calls in progress: whoever overtakes has one.
    places: BTreeMap<CallId, Place>,
    /// Calls that had the same claim.
    linked: BTreeSet<CallId>,
}

impl Teller {
    fn push(&mut self, at: UnixMillis, what: What) {
        if let What::Waits { queue, why, .. } = &what
            && let Some(Moment { what: What::Waits { queue: last, why: before, times, until }, .. }) = self.moments.last_mut()
            && last == queue
            && same(before, why)
        {
            // The figures that move with time are the latest ones; the reasons are the same.
            (*times, *until, *before) = (times.saturating_add(1), at, why.clone());
            return;
        }
        if self.moments.len() < MOMENTS_MAX || matches!(what, What::Ended { .. }) {
            self.moments.push(Moment { at, what });
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn waited(&self, at: UnixMillis) -> Millis {
        self.waiting.as_ref().map_or(Millis(0), |(since, _)| between(*since, at))
    }

    pub(crate) fn tell(&mut self, at: UnixMillis, record: &Record) {
        match record {
            Record::Arrived { call, open } if *call == self.call => {
                let (number, caller) = (open.number.clone(), open.caller.clone());
                self.push(at, What::Arrived { number, caller, called_back: self.called_back });
                if let Some(line) = &open.called_first {
                    self.push(at, What::CalledFirst { line: line.clone() });
                }
            }
            // As if they had asked at the door.
            Record::Withheld { call, why } if *call == self.call => {
                for moment in &mut self.moments {
                    if let What::Arrived { caller, .. } = &mut moment.what {
                        *caller = why.to_string();
                    }
                }
            }
            Record::Placed { call, place } => self.placed(at, *call, place),
            Record::Unplaced { call, how } if *call == self.call => {
                self.waiting = None;
                // Talking and hanging up are moments of their own.
                if !matches!(how, QueueEnd::Answered | QueueEnd::Abandoned) {
                    self.push(at, What::Left { how: *how });
                }
            }
            Record::Waits { call, ticket, queue, why } => {
                if *call == Some(self.call) || (call.is_none() && self.tickets.contains(ticket)) {
                    let what = What::Waits { queue: queue.clone(), why: (**why).clone(), times: 1, until: at };
                    self.push(at, what);
                }
            }
            Record::Assigned { call, agent, offer, queue, why } if *call == self.call => {
                self.asked = Some((*offer, agent.clone(), at));
                self.talking = false;
                let what = What::Asked { agent: agent.clone(), queue: queue.clone(), why: (**why).clone(), waited: self.waited(at) };
                self.push(at, what);
            }
            Record::Assigned { call, agent, queue, why, .. } => self.somebody_else(at, *call, agent, queue, why),
            Record::Bridged { call, offer } if *call == self.call => {
                if let Some((_, agent, since)) = self.asked.as_mut().filter(|(asked, ..)| asked == offer) {
                    let agent = agent.clone();
                    *since = at;
                    self.talking = true;
                    let waited = self.waited(at);
                    self.push(at, What::Talk { agent, waited });
                }
            }
            Record::Unassigned { call, offer, how } if *call == self.call => {
                if let Some((_, agent, since)) = self.asked.take_if(|(asked, ..)| asked == offer) {
                    let passed = between(since, at);
                    let what = if self.talking {
                        What::Talked { agent, talked: passed, waits_again: false }
                    } else {
                        What::NotTaken { agent, how: *how, rang: passed }
                    };
                    self.talking = false;
                    self.push(at, what);
                }
            }
            Record::LineFull { call, line } if *call == self.call => self.push(at, What::LineFull { line: line.clone() }),
            Record::Transferred { call, to, kind, by, how } if *call == self.call => {
                self.push(at, What::Transferred { to: to.clone(), kind: *kind, by: by.clone(), how: *how });
            }
            Record::CallbackBooked { ticket, booked } if self.tickets.contains(ticket) => {
                if booked.call != self.call && self.linked.insert(booked.call) {
                    self.push(at, What::BeganAs { earlier: booked.call });
                }
                self.waiting = Some((booked.place.since, booked.place.queue.clone()));
                self.push(at, What::CallbackBooked { attempts: booked.terms.attempts });
            }
            Record::CallbackTried { ticket, attempt, how, .. } if self.tickets.contains(ticket) => {
                self.push(at, What::CallbackTried { attempt: *attempt, how: *how });
            }
            Record::CallbackEnded { ticket, how } if self.tickets.contains(ticket) => {
                // Who was reached talks within the same moment, and that tells how long they had waited.
                if *how != CallbackEnd::Served {
                    self.waiting = None;
                }
                self.push(at, What::CallbackEnded { how: *how });
            }
            Record::Ended(record) => self.ended(at, record),
            // Of other calls, or of nobody.
            Record::Arrived { .. }
            | Record::Withheld { .. }
            | Record::Unplaced { .. }
            | Record::Bridged { .. }
            | Record::Unassigned { .. }
            | Record::LineFull { .. }
            | Record::Transferred { .. }
            | Record::CallbackBooked { .. }
            | Record::CallbackTried { .. }
            | Record::CallbackEnded { .. }
            | Record::Published { .. }
            | Record::OverrideSet { .. }
            | Record::OverrideEnded { .. }
            | Record::Presence { .. }
            | Record::Dialog { .. }
            // What it was for is told where it ends: Transferred, CallbackTried.
            | Record::CalledOut { .. }
            | Record::OutsideDialog { .. }
            | Record::OutsideOver { .. }
            | Record::Refused { .. } => {}
        }
    }

    fn placed(&mut self, at: UnixMillis, call: CallId, place: &Place) {
        if call == self.call {
            self.waiting = Some((place.since, place.queue.clone()));
            let (ticket, queue, lang) = (place.ticket, place.queue.clone(), place.lang.clone());
            self.push(at, What::Placed { ticket, queue, lang, class: place.class, waited: between(place.since, at) });
            return;
        }
        if self.tickets.contains(&place.ticket) && self.linked.insert(call) {
            let begun = self.moments.iter().any(|m| matches!(m.what, What::Arrived { .. }));
            self.push(at, if begun { What::GoesOnAs { later: call } } else { What::BeganAs { earlier: call } });
        }
        self.places.insert(call, place.clone());
    }

    /// Another caller was put through to an agent: perhaps past this one.
    fn somebody_else(&mut self, at: UnixMillis, by: CallId, agent: &AgentId, queue: &QueueId, why: &Why) {
        let class = self.places.get(&by).map(|place| place.class);
        let (agent, queue) = (agent.clone(), queue.clone());
        if why.overtook.iter().any(|ticket| self.tickets.contains(ticket)) {
            self.push(at, What::Overtaken { by, class, agent, queue });
        } else if why.overtook_count as usize > why.overtook.len() && self.waiting.as_ref().is_some_and(|(_, ours)| *ours == queue) {
            self.push(at, What::PerhapsOvertaken { by, class, agent, queue, overtook: why.overtook_count });
        }
    }

    fn ended(&mut self, at: UnixMillis, record: &CallRecord) {
        self.places.remove(&record.call);
        if record.call != self.call {
            return;
        }
        if let Some((_, agent, since)) = self.asked.take() {
            let passed = between(since, at);
            let what = if self.talking {
                What::Talked { agent, talked: record.talked.unwrap_or(passed), waits_again: false }
            } else {
                What::NotTaken { agent, how: OfferEnd::Withdrawn, rang: passed }
            };
            self.push(at, what);
        }
        if record.end != CallEnd::CallbackBooked {
            self.waiting = None;
        }
        let CallRecord { end, hung_up_by: by, path, waited, to_human, talked, .. } = record;
        let (end, by, path) = (*end, *by, path.clone());
        self.push(at, What::Ended { end, by, path, waited: *waited, to_human: *to_human, talked: *talked });
    }

    /// The whole story.
    pub(crate) fn finish(mut self) -> Story {
        let again: Vec<bool> = (0..self.moments.len()).map(|index| waits_again(&self.moments[index + 1..])).collect();
        for (moment, again) in self.moments.iter_mut().zip(again) {
            if let What::Talked { waits_again, .. } = &mut moment.what {
                *waits_again = again;
            }
        }
        let causes = causes(&self.moments);
        Story { call: self.call, causes, moments: self.moments, left_out: self.left_out, damaged_at: None }
    }
}

/// Whether what follows is more waiting, and not the end.
fn waits_again(rest: &[Moment]) -> bool {
    let next = rest.iter().find(|m| !matches!(m.what, What::Transferred { .. } | What::LineFull { .. } | What::Left { .. }));
    next.is_some_and(|m| matches!(m.what, What::Placed { .. } | What::Waits { .. } | What::Asked { .. }))
}

/// Whether two decisions found nobody for the same reasons. Places and remaining times move on by themselves.
fn same(a: &Why, b: &Why) -> bool {
    (a.relax_step, a.ring, &a.counts) == (b.relax_step, b.ring, &b.counts)
}

/// The wall clock may jump back; then no time has passed.
fn between(from: UnixMillis, to: UnixMillis) -> Millis {
    Millis(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
}

fn causes(moments: &[Moment]) -> Vec<Cause> {
    let decisions = |test: &dyn Fn(&Why) -> bool| {
        let held = moments.iter().filter_map(|m| match &m.what {
            What::Waits { why, times, .. } if test(why) => Some(*times),
            _ => None,
        });
        held.fold(0u32, u32::saturating_add)
    };
    let has = |reason: Reason| decisions(&|why| why.counts.contains_key(&reason));
    let count = |test: &dyn Fn(&What) -> bool| u32::try_from(moments.iter().filter(|m| test(&m.what)).count()).unwrap_or(u32::MAX);
    let ended = |end: OfferEnd| count(&|what| matches!(what, What::NotTaken { how, .. } if *how == end));
    let lacks = |why: &Why, easing: bool| why.counts.contains_key(&Reason::Skill) && why.next_relax.is_some() == easing;
    // Who fits is counted by what they are doing. If there is nobody such, only skills stand in the way.
    let in_a_state = |why: &Why| why.counts.keys().any(|reason| matches!(reason, Reason::State(_)));
    let plain = |reason: &Reason| matches!(reason, Reason::State(_) | Reason::DoesNotServe | Reason::Skill | Reason::TookAnother);
    let busy = |why: &Why| why.counts.keys().all(plain) && !lacks(why, true) && (in_a_state(why) || !lacks(why, false));
    let refused = |what: &What| matches!(what, What::Left { how: QueueEnd::Full | QueueEnd::NobodyLoggedIn | QueueEnd::Closed });
    let all = [
        Cause::NoPlace { times: count(&refused) },
        Cause::Reserve { decisions: has(Reason::Reserved) },
        Cause::Excluded { decisions: has(Reason::Excluded) },
        Cause::Overtaken { times: count(&|what| matches!(what, What::Overtaken { .. })) },
        Cause::RangOut { offers: ended(OfferEnd::NoAnswer) },
        Cause::Declined { offers: ended(OfferEnd::Declined) },
        Cause::Unreachable { offers: ended(OfferEnd::Unreachable) },
        Cause::LineFull { times: count(&|what| matches!(what, What::LineFull { .. })) },
        Cause::EasingPending { decisions: decisions(&|why| lacks(why, true)) },
        Cause::Skill { decisions: decisions(&|why| lacks(why, false) && !in_a_state(why) && why.counts.keys().all(plain)) },
        Cause::LaterRing { decisions: has(Reason::LaterRing) },
        Cause::Preferred { decisions: has(Reason::PrefersAnother) },
        Cause::NobodyFree { decisions: decisions(&busy) },
    ];
    all.into_iter().filter(|cause| cause.often() > 0).collect()
}

impl Cause {
    /// How often it was met.
    pub(crate) fn often(self) -> u32 {
        match self {
            Cause::Reserve { decisions: n }
            | Cause::EasingPending { decisions: n }
            | Cause::Skill { decisions: n }
            | Cause::Excluded { decisions: n }
            | Cause::LaterRing { decisions: n }
            | Cause::Preferred { decisions: n }
            | Cause::NobodyFree { decisions: n }
            | Cause::RangOut { offers: n }
            | Cause::Declined { offers: n }
            | Cause::Unreachable { offers: n }
            | Cause::NoPlace { times: n }
            | Cause::Overtaken { times: n }
            | Cause::LineFull { times: n } => n,
        }
    }
}
