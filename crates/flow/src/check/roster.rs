//! Whether somebody is planned whenever callers can come to a queue. Without a roster nothing is said.
//!
//! A week like any other is looked at: exceptions and holidays have rosters of their own, on paper.

use super::city::fits;
use crate::calendar::{DAY, Hours, Schedule};
use crate::config::calendar::DAYS;
use crate::config::roster::WEEK;
use crate::decode::{noun, unknown};
use crate::draft::Draft;
use crate::problem::Problems;
use crate::program::Flow;
use model::{AgentId, QueueId};
use std::collections::{BTreeMap, BTreeSet};

/// The days of the week as a Japanese sentence names them.
const DAYS_JA: [&str; 7] = ["月曜", "火曜", "水曜", "木曜", "金曜", "土曜", "日曜"];
/// Stretches that one sentence names.
const TOLD_MAX: usize = 3;

pub(super) fn check(draft: &Draft, problems: &mut Problems) {
    if draft.unreadable.contains("agents") {
        return;
    }
    for agent in draft.roster.iter().flat_map(|shift| &shift.agents).filter(|agent| !draft.agents.contains_key(&agent.value)) {
        unknown(problems, agent.at, "unknown_agent", noun::AGENT, agent.value.as_str(), draft.agents.keys().map(AgentId::as_str));
    }
    if draft.roster.is_empty() || draft.unreadable.contains("queues") || draft.unreadable.contains("calendar") {
        return;
    }
    let mut gaps: BTreeMap<&QueueId, Vec<(u16, u16)>> = BTreeMap::new();
    let turns = turns(draft);
    for (from, to) in turns.iter().zip(turns.iter().skip(1)) {
        let reached: BTreeSet<&QueueId> = draft.flows.values().flat_map(|flow| queues(draft, flow, *from)).collect();
        for queue in reached.into_iter().filter(|queue| draft.queues.contains_key(*queue) && !planned(draft, queue, *from)) {
            let gaps = gaps.entry(queue).or_default();
            match gaps.last_mut().filter(|(_, end)| end == from) {
                Some((_, end)) => *end = *to,
                None => gaps.push((*from, *to)),
            }
        }
    }
    for (queue, gaps) in gaps {
        // A queue for which there is nobody at all has been complained about.
        let anybody =
            draft.queues.get(queue).is_some_and(|entry| draft.agents.values().any(|agent| fits(draft, &entry.queue, &agent.agent)));
        if let Some((first, _)) = gaps.first().filter(|_| anybody) {
            let at = draft.roster.iter().find(|shift| shift.from / DAY == first / DAY).or(draft.roster.first());
            let Some(at) = at.map(|shift| shift.at) else { continue };
            let en = format!("callers come to the queue \"{queue}\" and nobody who serves it is planned: {}", told(&gaps, DAYS));
            let ja = format!("待ち列「{queue}」に電話が入る時間に、担当できる人の勤務予定がありません: {}", told(&gaps, DAYS_JA));
            problems.warning(at, "nobody_rostered", en, ja);
        }
    }
}

/// Every minute of the week at which a schedule or a shift begins or ends, and both ends of the week.
fn turns(draft: &Draft) -> Vec<u16> {
    let mut turns = BTreeSet::from([0, WEEK]);
    turns.extend(draft.roster.iter().flat_map(|shift| [shift.from, shift.to]));
    for schedule in draft.calendar().schedules.values() {
        for (day, spans) in (0u16..).zip(&schedule.weekly) {
            turns.extend(spans.iter().flat_map(|(from, to)| [day * DAY + from, day * DAY + to]));
        }
    }
    turns.into_iter().collect()
}

/// The queues that callers come to at a minute of the week.
fn queues<'d>(draft: &'d Draft, flow: &'d Flow, minute: u16) -> BTreeSet<&'d QueueId> {
    flow.queues_open(|schedule| {
        let schedule = draft.calendar().schedules.get(schedule)?;
        Some(if open(schedule, minute) { Hours::Open } else { Hours::Closed })
    })
}

fn open(schedule: &Schedule, minute: u16) -> bool {
    let spans = schedule.weekly.get(usize::from(minute / DAY));
    spans.is_some_and(|spans| spans.iter().any(|(from, to)| (*from..*to).contains(&(minute % DAY))))
}

/// Whether anybody who is planned at that minute serves a queue, or helps it.
fn planned(draft: &Draft, queue: &QueueId, minute: u16) -> bool {
    let Some(entry) = draft.queues.get(queue) else { return true };
    let served = std::iter::once(queue).chain(&entry.queue.helped_by).filter_map(|queue| draft.queues.get(queue));
    let served: Vec<_> = served.map(|entry| &entry.queue).collect();
    let there = draft.roster.iter().filter(|shift| shift.lasts(minute)).flat_map(|shift| &shift.agents);
    let mut there = there.filter_map(|agent| draft.agents.get(&agent.value));
    there.any(|entry| served.iter().any(|queue| fits(draft, queue, &entry.agent)))
}

/// `mon 12:00-13:00, tue 12:00-13:00, ...`.
fn told(gaps: &[(u16, u16)], days: [&str; 7]) -> String {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let day = |minute: u16| days.get(usize::from(minute / DAY)).copied().unwrap_or_default();
    let stretch = |(from, to): &(u16, u16)| {
        // An end at midnight belongs to the day before it.
        let last = to - 1;
        let end = if from / DAY == last / DAY { String::new() } else { format!("{} ", day(last)) };
        format!("{} {}-{end}{}", day(*from), time(from % DAY), time(last % DAY + 1))
    };
    let mut told = gaps.iter().take(TOLD_MAX).map(stretch).collect::<Vec<_>>().join(", ");
    if gaps.len() > TOLD_MAX {
        told.push_str(", …");
    }
    told
}
