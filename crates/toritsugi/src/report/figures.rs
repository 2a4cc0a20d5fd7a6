//! What a day was like for the people who called, counted from the journal's records.
//!
//! Persons, not only calls: who was turned away at the door and tried again is one person with several attempts. A call belongs to the
//! day of its arrival. A person's mark changes each day, so persons of several days are counted day by day and added up.

use crate::zone::Zone;
use calls::{OpenCall, Record};
use model::{AbandonStage, CallEnd, CallId, CallRecord, Millis, Number, Person, QueueId, Refusal, UnixMillis};
use serde::Serialize;
use serde::ser::SerializeStruct;
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) zone: Zone,
    /// First and last day, counted from 1970-01-01, both included.
    pub(crate) days: (i64, i64),
    /// T for all queues, if one was asked for.
    pub(crate) within: Option<Millis>,
    /// What each queue promises.
    pub(crate) promises: BTreeMap<QueueId, Millis>,
}

/// T where neither the command nor the city says one.
pub(crate) const WITHIN: Millis = Millis(20_000);

impl Terms {
    /// T of a queue.
    pub(crate) fn within(&self, queue: &QueueId) -> Millis {
        self.within.or_else(|| self.promises.get(queue).copied()).unwrap_or(WITHIN)
    }
}

/// The figures of all, of each number that was dialled, of each queue that was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) total: Figures,
    pub(crate) numbers: BTreeMap<Number, Figures>,
    /// A call counts in the last queue that it was in.
    pub(crate) queues: BTreeMap<QueueId, Figures>,
    /// Refused without being attempts at the city: wrong number, forbidden, no common codec.
    pub(crate) refused_otherwise: u64,
    /// Where the journal breaks off, as `FILE:LINE`: nothing behind that is counted.
    #[serde(skip)]
    pub(crate) damaged_at: Option<String>,
}

/// A part of a whole, which it always names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) part: u64,
    pub(crate) of: u64,
}

impl Share {
    /// In tenths of a percent, rounded half up; `None` of nothing.
    pub(crate) fn per_mille(self) -> Option<u64> {
        (self.of > 0).then(|| (self.part * 2000 + self.of) / (self.of * 2))
    }
}
impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut share = serializer.serialize_struct("Share", 3)?;
        share.serialize_field("part", &self.part)?;
        share.serialize_field("of", &self.of)?;
        share.serialize_field("percent", &self.per_mille().map(|n| n as f64 / 10.0))?;
        share.end()
    }
}

/// The four definitions of a service level that contracts use. They differ by tens of percents on the same day; so each is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Definition {
    /// Answered within T / offered.
    OfOffered,
    /// Answered within T / answered.
    OfAnswered,
    /// Answered within T / (offered - abandoned within T).
    WithoutEarlyAbandons,
    /// (Answered within T + abandoned within T) / offered.
    EarlyAbandonsAsAnswered,
}

impl Definition {
    pub(crate) const ALL: [Definition; 4] =
        [Definition::OfOffered, Definition::OfAnswered, Definition::WithoutEarlyAbandons, Definition::EarlyAbandonsAsAnswered];

    /// The formula in words.
    pub(crate) const fn formula(self) -> &'static str {
        match self {
            Definition::OfOffered => "answered within T / offered",
            Definition::OfAnswered => "answered within T / answered",
            Definition::WithoutEarlyAbandons => "answered within T / (offered - abandoned within T)",
            Definition::EarlyAbandonsAsAnswered => "(answered within T + abandoned within T) / offered",
        }
    }
}

/// One service level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Service {
    pub(crate) definition: Definition,
    pub(crate) formula: &'static str,
    pub(crate) share: Share,
}

/// Waits, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Waits {
    /// So many waits.
    pub(crate) of: u64,
    pub(crate) mean: Option<Millis>,
    /// Nine of ten waited at most so long: the nearest rank, a wait that somebody had.
    pub(crate) p90: Option<Millis>,
    pub(crate) longest: Option<Millis>,
}

/// The figures of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Figures {
    /// Calls that came, and those that were blocked.
    pub(crate) attempts: u64,
    /// Blocked because all channels were busy.
    pub(crate) blocked_full: u64,
    /// Blocked because we were going down.
    pub(crate) blocked_draining: u64,
    /// Blocked because no port could be opened.
    pub(crate) blocked_no_port: u64,
    /// Attempts that are still going on.
    pub(crate) in_progress: u64,
    /// Attempts of which the journal breaks off: what became of them is not known.
    pub(crate) unknown: u64,
    /// Attempts with a withheld number: who they were cannot be counted.
    pub(crate) withheld: u64,
    /// Distinct persons, of the attempts with a number.
    pub(crate) persons: u64,
    /// Attempts with a number beyond each person's first.
    pub(crate) redials: u64,
    /// Persons with more than one attempt.
    pub(crate) persons_again: Share,
    /// Persons who talked with somebody at least once that day, by whatever call, a callback included.
    pub(crate) persons_reached: Share,
    /// Callers who gave up, by stage.
    pub(crate) gave_up: BTreeMap<AbandonStage, u64>,
    /// Calls that came to a queue, over by now. Callbacks that we made are not among them.
    pub(crate) offered: u64,
    /// Of those: talked with somebody.
    pub(crate) answered: u64,
    /// Of those: gave up.
    pub(crate) abandoned: u64,
    /// Of those: booked a callback.
    pub(crate) callback_booked: u64,
    /// Of those: led elsewhere, or lost.
    pub(crate) otherwise: u64,
    pub(crate) answer_rate: Share,
    pub(crate) abandon_rate: Share,
    pub(crate) service: [Service; 4],
    /// Of the calls that came to a queue.
    pub(crate) waits: Waits,
    /// Callbacks that we made, and of them those that reached the person.
    pub(crate) callbacks: Share,
}

/// Hears every record of the journal, in order, and keeps what the report needs.
#[derive(Debug, Default)]
pub(crate) struct Count {
    terms: Terms,
    open: BTreeMap<CallId, OpenCall>,
    total: Tally,
    numbers: BTreeMap<Number, Tally>,
    queues: BTreeMap<QueueId, Tally>,
    refused_otherwise: u64,
}

/// What one group adds up to.
#[derive(Debug, Default)]
struct Tally {
    attempts: u64,
    blocked: BTreeMap<Refusal, u64>,
    in_progress: u64,
    unknown: u64,
    withheld: u64,
    /// Attempts, and whether the person was reached, of each person of each day.
    persons: BTreeMap<(i64, Person), (u64, bool)>,
    gave_up: BTreeMap<AbandonStage, u64>,
    offered: u64,
    answered: u64,
    abandoned: u64,
    callback_booked: u64,
    answered_in_time: u64,
    abandoned_in_time: u64,
    waits: Vec<u64>,
    callbacks: Share,
}

impl Count {
    pub(crate) fn new(terms: Terms) -> Count {
        Count { terms, ..Count::default() }
    }

    fn within_days(&self, at: UnixMillis) -> Option<i64> {
        let day = self.terms.zone.day(at);
        (self.terms.days.0..=self.terms.days.1).contains(&day).then_some(day)
    }

    pub(crate) fn see(&mut self, wall: UnixMillis, record: &Record) {
        match record {
            Record::Arrived { call, open } if self.within_days(open.arrived).is_some() => {
                self.open.insert(*call, (**open).clone());
            }
            Record::Refused { number, person, why } => self.refused(wall, number.as_ref(), person.as_ref(), *why),
            Record::Ended(record) => {
                self.open.remove(&record.call);
                self.ended(record);
            }
            _ => {}
        }
    }

    fn refused(&mut self, wall: UnixMillis, number: Option<&Number>, person: Option<&Person>, why: Refusal) {
        let Some(day) = self.within_days(wall) else { return };
        match why {
            Refusal::Full | Refusal::Draining | Refusal::NoPort => {
                let count = |tally: &mut Tally| {
                    tally.attempt(day, person);
                    *tally.blocked.entry(why).or_default() += 1;
                };
                count(&mut self.total);
                if let Some(number) = number {
                    count(self.numbers.entry(number.clone()).or_default());
                }
            }
            Refusal::UnknownNumber
            | Refusal::NoCodec
            | Refusal::Forbidden
            | Refusal::SameNumber
            | Refusal::TooFast
            | Refusal::AimedAtUs => self.refused_otherwise += 1,
        }
    }

    fn ended(&mut self, record: &CallRecord) {
        let Some(day) = self.within_days(record.arrived) else { return };
        let within = record.queue.as_ref().map_or(WITHIN, |queue| self.terms.within(queue));
        self.total.ended(day, record, within);
        self.numbers.entry(record.number.clone()).or_default().ended(day, record, within);
        if let Some(queue) = &record.queue {
            self.queues.entry(queue.clone()).or_default().ended(day, record, within);
        }
    }

    /// Everything added up, of a journal that breaks off at `damaged_at` if anywhere.
    pub(crate) fn finish(mut self, damaged_at: Option<String>) -> Report {
        for open in std::mem::take(&mut self.open).into_values() {
            let day = self.terms.zone.day(open.arrived);
            let queue = open.place.as_ref().map(|place| place.queue.clone());
            let count = |tally: &mut Tally| {
                tally.attempt(day, open.person.as_ref());
                *(if damaged_at.is_some() { &mut tally.unknown } else { &mut tally.in_progress }) += 1;
            };
            count(&mut self.total);
            count(self.numbers.entry(open.number.clone()).or_default());
            if let Some(queue) = queue {
                count(self.queues.entry(queue).or_default());
            }
        }
        Report {
            total: self.total.figures(),
            numbers: self.numbers.into_iter().map(|(number, tally)| (number, tally.figures())).collect(),
            queues: self.queues.into_iter().map(|(queue, tally)| (queue, tally.figures())).collect(),
            refused_otherwise: self.refused_otherwise,
            damaged_at,
        }
    }
}

impl Tally {
    fn attempt(&mut self, day: i64, person: Option<&Person>) {
        self.attempts += 1;
        match person {
            Some(person) => self.persons.entry((day, person.clone())).or_default().0 += 1,
            None => self.withheld += 1,
        }
    }

    fn ended(&mut self, day: i64, record: &CallRecord, within: Millis) {
        let answered = record.to_human.is_some() || record.end == CallEnd::Served;
        if record.called_back {
            self.callbacks.of += 1;
            self.callbacks.part += u64::from(answered);
        } else {
            self.attempt(day, record.person.as_ref());
            self.outcome(record, answered, within);
        }
        // Somebody whom a callback reached has been reached, if they called that day at all.
        if answered && let Some(person) = &record.person {
            self.persons.entry((day, person.clone())).or_default().1 = true;
        }
    }

    fn outcome(&mut self, record: &CallRecord, answered: bool, within: Millis) {
        let stage = if answered { None } else { stage(record) };
        if let Some(stage) = stage {
            *self.gave_up.entry(stage).or_default() += 1;
        }
        if record.queue.is_none() {
            return;
        }
        let waited = record.waited.unwrap_or_default();
        let in_time = u64::from(waited <= within);
        self.offered += 1;
        self.waits.push(waited.0);
        if answered {
            self.answered += 1;
            self.answered_in_time += in_time;
        } else if stage.is_some() {
            self.abandoned += 1;
            self.abandoned_in_time += in_time;
        } else if record.end == CallEnd::CallbackBooked {
            self.callback_booked += 1;
        }
    }

    fn figures(mut self) -> Figures {
        let blocked = |why| self.blocked.get(&why).copied().unwrap_or(0);
        // Whom only a callback reached did not call that day: not a person of these attempts.
        let persons: Vec<(u64, bool)> = self.persons.values().copied().filter(|(attempts, _)| *attempts > 0).collect();
        let count = persons.len() as u64;
        let known: u64 = persons.iter().map(|(attempts, _)| attempts).sum();
        let of_persons = |part: usize| Share { part: part as u64, of: count };
        let (offered, answered, abandoned) = (self.offered, self.answered, self.abandoned);
        let share = |definition| match definition {
            Definition::OfOffered => Share { part: self.answered_in_time, of: offered },
            Definition::OfAnswered => Share { part: self.answered_in_time, of: answered },
            Definition::WithoutEarlyAbandons => Share { part: self.answered_in_time, of: offered - self.abandoned_in_time },
            Definition::EarlyAbandonsAsAnswered => Share { part: self.answered_in_time + self.abandoned_in_time, of: offered },
        };
        let service = Definition::ALL.map(|definition| Service { definition, formula: definition.formula(), share: share(definition) });
        self.waits.sort_unstable();
        Figures {
            attempts: self.attempts,
            blocked_full: blocked(Refusal::Full),
            blocked_draining: blocked(Refusal::Draining),
            blocked_no_port: blocked(Refusal::NoPort),
            in_progress: self.in_progress,
            unknown: self.unknown,
            withheld: self.withheld,
            persons: count,
            redials: known - count,
            persons_again: of_persons(persons.iter().filter(|(attempts, _)| *attempts > 1).count()),
            persons_reached: of_persons(persons.iter().filter(|(_, reached)| *reached).count()),
            gave_up: STAGES.into_iter().map(|stage| (stage, self.gave_up.get(&stage).copied().unwrap_or(0))).collect(),
            offered,
            answered,
            abandoned,
            callback_booked: self.callback_booked,
            otherwise: offered - answered - abandoned - self.callback_booked,
            answer_rate: Share { part: answered, of: offered },
            abandon_rate: Share { part: abandoned, of: offered },
            service,
            waits: waits(&self.waits),
            callbacks: self.callbacks,
        }
    }
}

/// All stages at which callers give up, in the order of a call.
const STAGES: [AbandonStage; 5] =
    [AbandonStage::Short, AbandonStage::Greeting, AbandonStage::Menu, AbandonStage::Queue, AbandonStage::Ringing];

/// Where the caller gave up, if so. Records from before stages were kept tell it by their end.
fn stage(record: &CallRecord) -> Option<AbandonStage> {
    record.gave_up.or(match record.end {
        CallEnd::AbandonedInMenu => Some(AbandonStage::Menu),
        CallEnd::AbandonedInQueue => Some(AbandonStage::Queue),
        CallEnd::CancelledEarly => Some(AbandonStage::Short),
        CallEnd::Served
        | CallEnd::CallbackBooked
        | CallEnd::NotReached
        | CallEnd::FlowEnded
        | CallEnd::MessageLeft
        | CallEnd::CallerVanished
        | CallEnd::LostInRestart
        | CallEnd::InternalError => None,
    })
}

/// Of waits in order.
fn waits(sorted: &[u64]) -> Waits {
    let of = sorted.len() as u64;
    let rank = (sorted.len() * 9).div_ceil(10);
    let mean = sorted.iter().sum::<u64>().checked_div(of).map(Millis);
    Waits {
        of,
        mean,
        p90: rank.checked_sub(1).and_then(|i| sorted.get(i)).copied().map(Millis),
        longest: sorted.last().copied().map(Millis),
    }
}
