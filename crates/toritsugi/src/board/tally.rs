//! What the board counts: calls of the last minutes and of today, and since when each agent does what they do.
//!
//! It hears the events that metrics and log hear, a few milliseconds after they happened, and costs an addition each. Everything is bounded: five
//! minutes of seconds, and the city's own names.

use model::{AgentId, AgentState, CallEnd, CallId, Event, QueueEnd, QueueId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Arrivals are remembered for so long, in milliseconds.
const ARRIVALS_OVER: i64 = 300_000;
/// A minute, in milliseconds.
const MINUTE: i64 = 60_000;
/// Names that may be counted. They are those of the city's files, so this is a fuse.
const NAMES_MAX: usize = 2_000;

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Since when today's figures count.
    pub(crate) since: UnixMillis,
    /// The city's day, as [`crate::zone::Zone::day`] counts; `None` before it was told.
    day: Option<i64>,
    /// Seconds in which calls came, and how many; the latest last.
    arrivals: VecDeque<(i64, u64)>,
    pub(crate) today: Today,
    /// Calls in progress that a person has taken.
    taken: BTreeSet<CallId>,
    queues: BTreeMap<QueueId, Waits>,
    agents: BTreeMap<AgentId, Doing>,
}

/// The calls of today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Today {
    pub(crate) arrived: u64,
    /// Taken by a person, once each; callbacks too.
    pub(crate) answered: u64,
    pub(crate) given_up: u64,
    pub(crate) refused: u64,
}

/// The callers of a queue whose waiting was over today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waits {
    /// All of them, but for those who were led to another queue: they are counted where their waiting ends.
    pub(crate) offered: u64,
    pub(crate) answered: u64,
    pub(crate) abandoned: u64,
    /// Answered within what the queue promised them.
    in_time: u64,
}

impl Waits {
    /// Answered within the promise, of all, in whole percents; never 100 while one was not. `None` before the first.
    pub(crate) fn service_level_percent(&self) -> Option<u8> {
        (self.offered > 0).then(|| u8::try_from(self.in_time.saturating_mul(100) / self.offered).unwrap_or(100))
    }
}

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doing {
    pub(crate) state: AgentState,
    pub(crate) since: UnixMillis,
    /// Whose caller was offered last, in this state or the one before.
    pub(crate) queue: Option<QueueId>,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new(now: UnixMillis) -> Tally {
        Tally { since: now, ..Tally::default() }
    }

    /// It is this day in the city, which began at this moment. A day that ends takes its figures with it.
    pub(crate) fn turn(&mut self, day: i64, midnight: UnixMillis) {
        if self.day.replace(day).is_some_and(|before| before != day) {
            (self.since, self.today) = (midnight, Today::default());
            self.queues.clear();
        }
    }

    /// Something has happened.
    pub(crate) fn note(&mut self, now: UnixMillis, event: &Event) {
        match event {
            Event::Arrived { .. } => {
                self.today.arrived += 1;
                match self.arrivals.back_mut() {
                    Some((second, count)) if *second == now.0.div_euclid(1000) => *count += 1,
                    _ => self.arrivals.push_back((now.0.div_euclid(1000), 1)),
                }
                // A clock that was set back leaves nothing behind either.
                let old = |second: i64| !(0..=ARRIVALS_OVER).contains(&(now.0 - second * 1000));
                while self.arrivals.front().is_some_and(|(second, _)| old(*second)) {
                    self.arrivals.pop_front();
                }
            }
            Event::Refused { .. } => self.today.refused += 1,
            // The edge holds no more calls than the city has channels, so this is a fuse too.
            Event::Bridged { call, .. } if self.taken.len() < NAMES_MAX => self.today.answered += u64::from(self.taken.insert(*call)),
            Event::Ended { record } => {
                // Some are put through to a line, and talk with no agent of ours.
                let elsewhere = !self.taken.remove(&record.call) && record.end == CallEnd::Served;
                self.today.answered += u64::from(elsewhere);
                self.today.given_up += u64::from(record.gave_up.is_some() && !record.called_back);
            }
            Event::LeftQueue { queue, waited, how, promised, .. } => {
                let answered = *how == QueueEnd::Answered;
                if let Some(waits) = entry(&mut self.queues, queue, Waits::default) {
                    waits.offered += u64::from(*how != QueueEnd::Moved);
                    waits.answered += u64::from(answered);
                    waits.abandoned += u64::from(*how == QueueEnd::Abandoned);
                    waits.in_time += u64::from(answered && waited <= promised);
                }
            }
            Event::AgentState { agent, to, .. } => {
                let doing = || Doing { state: *to, since: now, queue: None };
                if let Some(doing) = entry(&mut self.agents, agent, doing) {
                    if doing.state != *to {
                        (doing.state, doing.since) = (*to, now);
                    }
                    if !matches!(to, AgentState::Offered | AgentState::Talking) {
                        doing.queue = None;
                    }
                }
            }
            Event::Offered { agent, queue, .. } => {
                let doing = || Doing { state: AgentState::Offered, since: now, queue: None };
                if let Some(doing) = entry(&mut self.agents, agent, doing) {
                    doing.queue = Some(queue.clone());
                }
            }
            _ => {}
        }
    }

    /// Calls that came in the last minute, and in the last five.
    pub(crate) fn arrived_lately(&self, now: UnixMillis) -> (u64, u64) {
        let within = |span: i64| {
            let young = |second: i64| (0..span).contains(&(now.0 - second * 1000));
            self.arrivals.iter().filter(|(second, _)| young(*second)).map(|(_, count)| count).sum()
        };
        (within(MINUTE), within(ARRIVALS_OVER))
    }

    /// Today's callers of a queue.
    pub(crate) fn waits(&self, queue: &QueueId) -> Waits {
        self.queues.get(queue).copied().unwrap_or_default()
    }

    /// What an agent does, as far as that began since the engine did.
    pub(crate) fn doing(&self, agent: &AgentId, state: AgentState) -> Option<&Doing> {
        self.agents.get(agent).filter(|doing| doing.state == state)
    }
}

/// What is counted under a name; `None` once there are too many.
fn entry<'m, K: Ord + Clone, V>(map: &'m mut BTreeMap<K, V>, name: &K, fresh: impl FnOnce() -> V) -> Option<&'m mut V> {
    let room = map.len() < NAMES_MAX || map.contains_key(name);
    room.then(|| map.entry(name.clone()).or_insert_with(fresh))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{LineId, Millis, Number, Redacted, TicketId};

    fn arrived() -> Event {
        let number = Number::parse("0441234567").unwrap();
        Event::Arrived { call: CallId(1), number, caller: Redacted::new("0440000021".to_owned()), line: LineId::from("local") }
    }
    fn left(how: QueueEnd, waited: u64) -> Event {
        let (queue, promised) = (QueueId::from("nurse"), Millis(60_000));
        Event::LeftQueue { call: CallId(1), ticket: TicketId(1), queue, waited: Millis(waited), how, promised }
    }
    fn at(secs: i64) -> UnixMillis {
        UnixMillis(secs * 1000)
    }

    #[test]
    fn calls_of_the_last_minute_are_those_of_sixty_seconds() {
        let mut tally = Tally::new(at(0));
        for second in [0, 100, 100, 130, 159] {
            tally.note(at(second), &arrived());
        }
        assert_eq!(tally.arrived_lately(at(159)), (4, 5));
        assert_eq!(tally.arrived_lately(at(160)), (2, 5));
        assert_eq!(tally.arrived_lately(at(1_000)), (0, 0));
        (0..2_000).for_each(|second| tally.note(at(second), &arrived()));
        assert!(tally.arrivals.len() <= 301, "{}", tally.arrivals.len());
        assert_eq!(tally.arrived_lately(at(1_999)), (60, 300));
    }

    #[test]
    fn a_service_level_is_of_all_whose_waiting_ended_and_not_of_those_who_were_led_elsewhere() {
        let mut tally = Tally::new(at(0));
        assert_eq!(tally.waits(&QueueId::from("nurse")).service_level_percent(), None);
        for (how, waited) in
            [(QueueEnd::Answered, 60_000), (QueueEnd::Answered, 60_001), (QueueEnd::Abandoned, 5_000), (QueueEnd::Moved, 70_000)]
        {
            tally.note(at(1), &left(how, waited));
        }
        let waits = tally.waits(&QueueId::from("nurse"));
        assert_eq!((waits.offered, waits.answered, waits.abandoned, waits.service_level_percent()), (3, 2, 1, Some(33)));
    }

    #[test]
    fn at_the_citys_midnight_a_new_day_begins_and_a_start_at_noon_is_said() {
        let mut tally = Tally::new(at(50_000));
        tally.turn(7, at(0));
        tally.note(at(50_001), &arrived());
        tally.note(at(50_002), &left(QueueEnd::Answered, 1));
        tally.turn(7, at(0));
        assert_eq!((tally.since, tally.today.arrived), (at(50_000), 1), "the same day goes on, and counts from the start");
        tally.turn(8, at(86_400));
        assert_eq!((tally.since, tally.today, tally.waits(&QueueId::from("nurse"))), (at(86_400), Today::default(), Waits::default()));
        assert_eq!(tally.arrived_lately(at(50_010)).0, 1, "the last minute knows no midnight");
    }

    #[test]
    fn a_caller_is_answered_once_from_the_moment_that_a_person_takes_the_call() {
        let mut tally = Tally::new(at(0));
        let bridged = |call: u64| {
            let (queue, agent) = (QueueId::from("nurse"), AgentId::from("yuki"));
            Event::Bridged { call: CallId(call), queue, agent, waited: Millis(1), to_human: Millis(1) }
        };
        let ended = |call: u64, end: CallEnd, gave_up| {
            let record = model::CallRecord {
                call: CallId(call),
                arrived: at(0),
                number: Number::parse("0441234567").unwrap(),
                caller: String::new(),
                lang: model::Lang::from("ja"),
                path: Vec::new(),
                queue: None,
                waited: None,
                to_human: None,
                agent: None,
                talked: None,
                ended: at(9),
                end,
                hung_up_by: model::Party::Caller,
                version: model::Version::from("4f2a9c"),
                person: None,
                ticket: None,
                class: 0,
                gave_up,
                transferred_to: None,
                called_back: false,
                called_first: None,
                cause: None,
            };
            Event::Ended { record: Box::new(record) }
        };
        let in_queue = Some(model::AbandonStage::Queue);
        for event in [
            bridged(1),
            bridged(1),
            ended(1, CallEnd::Served, None),
            ended(2, CallEnd::Served, None),
            ended(3, CallEnd::AbandonedInQueue, in_queue),
            ended(4, CallEnd::FlowEnded, None),
        ] {
            tally.note(at(9), &event);
        }
        assert_eq!((tally.today.answered, tally.today.given_up, tally.taken.len()), (2, 1, 0));
    }

    #[test]
    fn an_agents_queue_is_that_of_the_caller_in_hand() {
        let (agent, queue) = (AgentId::from("yuki"), QueueId::from("nurse"));
        let mut tally = Tally::new(at(0));
        let state = |to: AgentState| Event::AgentState { agent: agent.clone(), from: AgentState::Idle, to, ended: None, reason: None };
        let why = model::Why::default();
        let offered = Event::Offered {
            call: CallId(1),
            ticket: TicketId(1),
            offer: model::OfferId(1),
            queue: queue.clone(),
            agent: agent.clone(),
            why,
        };
        tally.note(at(5), &offered);
        tally.note(at(5), &state(AgentState::Offered));
        tally.note(at(9), &state(AgentState::Talking));
        let doing = tally.doing(&agent, AgentState::Talking).unwrap();
        assert_eq!((doing.since, doing.queue.as_ref()), (at(9), Some(&queue)));
        assert_eq!(tally.doing(&agent, AgentState::Idle), None, "the engine knows better");
        tally.note(at(20), &state(AgentState::WrapUp));
        assert_eq!(tally.doing(&agent, AgentState::WrapUp).unwrap().queue, None);
    }
}
