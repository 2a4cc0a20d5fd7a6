//! The board of `/board` and `toritsugi top`: one look at the engine as everybody is shown it.
//!
//! A pure function of what is known: the engine's snapshot, what was counted since, the city for its labels, and the doubts of `/readyz`.

mod tally;

pub(crate) use tally::Tally;

use crate::status::Stand;
use crate::zone::Zone;
use calls::City;
use model::{AgentNow, AgentState, LineNow, QueueId, QueueNow, Setting, Snapshot, TrunkNow, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use web::{AgentRow, Alarm, BoardNow, CallsNow, Floor, LineRow, QueueRow, QueueState, ScheduleRow, Severity, TrunkRow};

/// What is known.
pub(crate) struct Known<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) tally: &'a Tally,
    pub(crate) city: &'a City,
    pub(crate) stand: &'a Stand,
    /// What is wrong, in any order.
    pub(crate) alarms: Vec<Alarm>,
    /// How long the engine has said nothing.
    pub(crate) silence: Duration,
}

/// The board.
pub(crate) fn floor(known: Known<'_>) -> Floor {
    let Known { snapshot, tally, city, stand, mut alarms, silence } = known;
    let zone = Zone::of(&city.book.calendar);
    alarms.sort_by_key(|alarm| alarm.severity);
    let taken = snapshot.wall != UnixMillis::default();
    let board = BoardNow {
        at_ms: snapshot.wall.0,
        at_local: if taken { zone.time(snapshot.wall) } else { String::new() },
        age_ms: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
        ready: alarms.iter().all(|alarm| alarm.severity != Severity::NotReady),
        alarms,
        calls: calls(snapshot, tally, &zone),
        queues: snapshot.queues.iter().map(|queue| row(queue, tally, city)).collect(),
        agents_by_state: by_state(&snapshot.agents),
        lines: lines(&snapshot.lines, city),
        trunks: trunks(snapshot, city),
        schedules: schedules(snapshot, city),
        set_by_hand: snapshot.overrides.len() as u64,
        city_version: stand.in_force.as_ref().map(|in_force| in_force.number),
    };
    Floor { board, agents: snapshot.agents.iter().map(|agent| person(agent, snapshot.wall, tally)).collect() }
}

fn calls(snapshot: &Snapshot, tally: &Tally, zone: &Zone) -> CallsNow {
    let (arrived_last_minute, arrived_last_5_minutes) = tally.arrived_lately(snapshot.wall);
    let today = tally.today;
    CallsNow {
        in_progress: snapshot.census.calls,
        channels_used: snapshot.channels.in_use,
        channels: snapshot.channels.max,
        arrived_last_minute,
        arrived_last_5_minutes,
        today_since_ms: tally.since.0,
        today_since_local: zone.time(tally.since).chars().take(5).collect(),
        arrived_today: today.arrived,
        answered_today: today.answered,
        given_up_today: today.given_up,
        refused_today: today.refused,
        callbacks: snapshot.census.callbacks,
    }
}

fn row(now: &QueueNow, tally: &Tally, city: &City) -> QueueRow {
    let waits = tally.waits(&now.queue);
    let state = match (now.depth, now.staff) {
        (0, 0) => QueueState::Nobody,
        (_, 0) => QueueState::Deserted,
        _ if now.longest_wait_millis > now.promised_millis => QueueState::Late,
        _ => QueueState::Well,
    };
    QueueRow {
        label: city.book.queues.get(&now.queue).map_or_else(|| now.queue.to_string(), |queue| queue.label.clone()),
        queue: now.queue.clone(),
        state,
        waiting: now.depth,
        longest_wait_ms: now.longest_wait_millis,
        promised_ms: now.promised_millis,
        promised_percent: now.promised_percent,
        staffed: now.staff,
        free: now.free,
        offered_today: waits.offered,
        answered_today: waits.answered,
        abandoned_today: waits.abandoned,
        service_level_today_percent: waits.service_level_percent(),
    }
}

fn by_state(agents: &[AgentNow]) -> BTreeMap<AgentState, u64> {
    let mut counts = BTreeMap::from(AgentState::ALL.map(|state| (state, 0)));
    for agent in agents {
        *counts.entry(agent.state).or_default() += 1;
    }
    counts
}

/// The places that callers can be put through to: a trunk is the way there, and a row of its own.
fn lines(lines: &[LineNow], city: &City) -> Vec<LineRow> {
    let is_target = |now: &&LineNow| city.book.lines.iter().any(|line| line.id == now.line && line.target.is_some());
    let row = |now: &LineNow| LineRow { line: now.line.clone(), used: now.used, places: now.places, full: now.used >= now.places };
    lines.iter().filter(is_target).map(row).collect()
}

fn trunks(snapshot: &Snapshot, city: &City) -> Vec<TrunkRow> {
    let row = |line: &model::Line| {
        let channels = u64::from(line.trunk.as_ref()?.channels);
        let now = snapshot.trunks.iter().find(|now| now.line == line.id);
        let used = snapshot.lines.iter().find(|now| now.line == line.id).map_or(0, |now| now.used);
        Some(TrunkRow {
            line: line.id.clone(),
            used,
            channels,
            registered: now.filter(|now| now.registers).map(|now| now.registered),
            reachable: now.and_then(|now| now.reachable),
            trouble: now.is_some_and(in_trouble),
        })
    };
    city.book.lines.iter().filter_map(row).collect()
}

fn in_trouble(trunk: &TrunkNow) -> bool {
    trunk.registers && !trunk.registered || trunk.reachable == Some(false)
}

/// The queues that callers come to at this hour: at night those of the night.
pub(crate) fn queues_open(snapshot: &Snapshot, city: &City) -> BTreeSet<QueueId> {
    let rows = schedules(snapshot, city);
    city.book.queues_open(|schedule| rows.iter().find(|row| row.schedule == *schedule).map(|row| row.hours))
}

fn schedules(snapshot: &Snapshot, city: &City) -> Vec<ScheduleRow> {
    let row = |schedule: &model::ScheduleId| {
        let by_hand = snapshot.overrides.iter().find_map(|set| match &set.setting {
            Setting::Schedule { schedule: which, hours } if which == schedule => Some(*hours),
            Setting::Schedule { .. } | Setting::Notice { .. } | Setting::Skill { .. } => None,
        });
        let hours = by_hand.or_else(|| city.book.calendar.hours(schedule, snapshot.wall))?;
        Some(ScheduleRow { schedule: schedule.clone(), hours, by_hand: by_hand.is_some() })
    };
    city.book.calendar.schedules().filter_map(row).collect()
}

fn person(now: &AgentNow, wall: UnixMillis, tally: &Tally) -> AgentRow {
    let doing = tally.doing(&now.agent, now.state);
    // Only a break is written down: it outlives a restart.
    let on_break = now.on_break.as_ref().filter(|_| now.state == AgentState::NotReady).and_then(|on_break| on_break.since);
    let since = on_break.or(doing.map(|doing| doing.since));
    AgentRow {
        agent: now.agent.clone(),
        state: now.state,
        since_ms: since.map(|since| since.0),
        for_ms: since.map(|since| u64::try_from(wall.0 - since.0).unwrap_or(0)),
        reason: now.on_break.as_ref().and_then(|on_break| on_break.reason.clone()),
        queue: doing.and_then(|doing| doing.queue.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calls::City;
    use model::{AgentId, BreakNow, BreakReason, Channels, LineId, Queue, QueueId};

    fn queue(depth: u64, longest: u64, staff: u64) -> QueueNow {
        QueueNow {
            queue: QueueId::from("nurse"),
            depth,
            longest_wait_millis: longest,
            staff,
            free: 0,
            promised_millis: 60_000,
            promised_percent: 80,
        }
    }
    fn line(line: &str, used: u64, places: u64) -> LineNow {
        LineNow { line: LineId::from(line), used, places }
    }
    /// A city with a queue, a trunk and a ward behind it.
    fn city() -> City {
        let mut book = flow::Book::default();
        let nurse = Queue { label: "看護".to_owned(), ..Queue::plain(QueueId::from("nurse"), Vec::new()) };
        book.queues.insert(nurse.id.clone(), nurse);
        let (ntt, asao) = (LineId::from("ntt"), LineId::from("ward/asao"));
        let (from, calls_per_second) = (Vec::new(), None);
        let plain = model::Line { id: ntt.clone(), from, trusted: false, loopback: true, calls_per_second, trunk: None, target: None };
        let number = model::Number::parse("0440000017").unwrap();
        let target = Some(model::Target { trunks: vec![ntt], number, lines: 2, code: None });
        let trunk = Some(model::Trunk::plain("127.0.0.1:5090".parse().unwrap(), 30));
        book.lines = vec![model::Line { trunk, ..plain.clone() }, model::Line { id: asao, target, ..plain }];
        City { book: book.into(), ..City::default() }
    }
    fn seen(snapshot: &Snapshot, alarms: Vec<Alarm>) -> Floor {
        let (tally, stand) = (Tally::new(UnixMillis(0)), Stand::default());
        floor(Known { snapshot, tally: &tally, city: &city(), stand: &stand, alarms, silence: Duration::from_millis(120) })
    }

    #[test]
    fn a_queue_is_late_by_its_own_promise_and_deserted_when_nobody_will_come() {
        let state = |now: QueueNow| seen(&Snapshot { queues: vec![now], ..Snapshot::default() }, Vec::new()).board.queues[0].state;
        assert_eq!(state(queue(2, 60_000, 1)), QueueState::Well);
        assert_eq!(state(queue(2, 60_001, 1)), QueueState::Late);
        assert_eq!(state(queue(1, 1, 0)), QueueState::Deserted);
        assert_eq!(state(queue(0, 0, 0)), QueueState::Nobody);
        assert_eq!(state(queue(0, 0, 3)), QueueState::Well);
    }

    #[test]
    fn wards_and_trunks_are_told_apart_and_a_ward_without_a_place_is_full() {
        let trunk = TrunkNow { line: LineId::from("ntt"), registration: None, registers: true, registered: false, reachable: None };
        let lines = vec![line("ntt", 2, 30), line("ward/asao", 2, 2)];
        let board = seen(&Snapshot { lines, trunks: vec![trunk], ..Snapshot::default() }, Vec::new()).board;
        let ward = LineRow { line: LineId::from("ward/asao"), used: 2, places: 2, full: true };
        assert_eq!(board.lines, [ward]);
        let ntt = &board.trunks[0];
        assert_eq!((ntt.used, ntt.channels, ntt.registered, ntt.reachable, ntt.trouble), (2, 30, Some(false), None, true));
    }

    #[test]
    fn the_open_board_counts_agents_and_names_none_and_the_other_one_names_them() {
        let on_break = Some(BreakNow { reason: Some(BreakReason::from("clinic")), since: Some(UnixMillis(1_000)) });
        let agents = vec![
            AgentNow { agent: AgentId::from("yuki"), state: AgentState::NotReady, on_break },
            AgentNow { agent: AgentId::from("mio"), state: AgentState::Talking, on_break: None },
        ];
        let channels = Channels { in_use: 1, max: 9 };
        let floor = seen(&Snapshot { wall: UnixMillis(61_000), agents, channels, ..Snapshot::default() }, Vec::new());
        let open = serde_json::to_string(&floor.board).unwrap();
        for name in ["yuki", "mio", "clinic"] {
            assert!(!open.contains(name), "{open}");
        }
        assert_eq!((floor.board.agents_by_state[&AgentState::Talking], floor.board.agents_by_state.len()), (1, 7));
        let [yuki, mio] = &floor.agents[..] else { panic!("{:?}", floor.agents) };
        assert_eq!(
            (yuki.since_ms, yuki.for_ms, yuki.reason.as_ref().map(BreakReason::as_str)),
            (Some(1_000), Some(60_000), Some("clinic"))
        );
        assert_eq!((mio.since_ms, mio.for_ms), (None, None), "it began before this engine did");
        let back: Floor = serde_json::from_str(&serde_json::to_string(&floor).unwrap()).unwrap();
        assert_eq!(back, floor, "a program reads what is written");
    }

    #[test]
    fn the_worst_alarm_stands_first_and_decides_whether_it_is_ready() {
        let alarm = |severity, about: &str| Alarm { severity, about: about.to_owned(), en: String::new(), ja: String::new() };
        let board = seen(&Snapshot::default(), vec![alarm(Severity::Warning, "files"), alarm(Severity::NotReady, "journal")]).board;
        assert_eq!((board.alarms[0].about.as_str(), board.ready), ("journal", false));
        assert!(seen(&Snapshot::default(), vec![alarm(Severity::Warning, "files")]).board.ready);
    }
}
