//! What a rehearsed day came to, and what many of them come to: means with 95 % confidence intervals (Student's t over the days).

use super::plan::{HALF, HALVES};
use model::{AgentId, AgentState, CallEnd, Queue, QueueId, Skill};
use serde::Serialize;
use sim::trial::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Student's t, 97.5 %, by degrees of freedom from 1; beyond that the normal's.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093,
    2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// What is told of a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    Calls,
    Answered,
    GaveUpWaiting,
    GaveUpInMenu,
    Announced,
    Booked,
    LeftMessage,
    Blocked,
    SecondsToHuman,
    InTime(QueueId),
    GaveUpIn(QueueId),
    MeanWait(QueueId),
    NineOfTen(QueueId),
    Load(Skill),
}

/// One half hour of a day.
#[derive(Clone, Debug, Default)]
pub(super) struct Half {
    pub(super) calls: f64,
    pub(super) answered: f64,
    pub(super) gave_up: f64,
    /// Of those who were answered; `None` if nobody was.
    pub(super) mean_wait: Option<f64>,
    /// By skill: part of the time that those who have it were there in which they were busy; `None` if nobody was there.
    pub(super) load: BTreeMap<Skill, Option<f64>>,
}

/// One day. A figure of which nobody was is not there.
#[derive(Clone, Debug, Default)]
pub(super) struct Day {
    pub(super) figures: BTreeMap<Figure, f64>,
    pub(super) halves: Vec<Half>,
}

/// A mean over days, and how far the true one may be from it, 19 times out of 20; `None` for one day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Mean {
    pub(super) mean: f64,
    pub(super) within: Option<f64>,
}

impl Mean {
    pub(super) fn of(values: &[f64]) -> Option<Mean> {
        let n = values.len() as f64;
        let mean = if values.is_empty() { return None } else { values.iter().sum::<f64>() / n };
        let t = T.get(values.len().wrapping_sub(2)).copied().unwrap_or(1.96);
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Some(Mean { mean, within: (values.len() > 1).then(|| t * (variance / n).sqrt()) })
    }
}

/// A figure over all days; only those on which there is something to tell count.
pub(super) fn mean(days: &[Day], figure: &Figure) -> Option<Mean> {
    Mean::of(&days.iter().filter_map(|day| day.figures.get(figure).copied()).collect::<Vec<_>>())
}

/// What the draft changes: day by day, since both days have the same callers.
pub(super) fn difference(days: &[Day], before: &[Day], figure: &Figure) -> Option<Mean> {
    let of_day = |(day, before): (&Day, &Day)| Some(day.figures.get(figure)? - before.figures.get(figure)?);
    Mean::of(&days.iter().zip(before).filter_map(of_day).collect::<Vec<_>>())
}

/// Every figure that some day has, in order.
pub(super) fn all(days: &[Day]) -> BTreeSet<Figure> {
    days.iter().flat_map(|day| day.figures.keys().cloned()).collect()
}

/// What is needed besides the calls: what the queues promise, and who has the skills that they ask first.
pub(super) struct Terms<'a> {
    pub(super) queues: &'a BTreeMap<QueueId, Queue>,
    pub(super) skilled: BTreeMap<Skill, BTreeSet<AgentId>>,
}

/// What a day came to.
pub(super) fn count(outcome: &Outcome, begins: i64, lasts: Duration, terms: &Terms<'_>) -> Day {
    let mut figures = BTreeMap::new();
    let records = &outcome.records;
    let ended = |end: CallEnd| records.iter().filter(|record| record.end == end).count() as f64;
    let calls = records.len() as f64 + outcome.refused as f64;
    figures.insert(Figure::Calls, calls);
    figures.insert(Figure::Blocked, outcome.refused as f64);
    let share = |n: f64| if calls > 0.0 { n / calls } else { 0.0 };
    for (figure, end) in [
        (Figure::Answered, CallEnd::Served),
        (Figure::GaveUpWaiting, CallEnd::AbandonedInQueue),
        (Figure::GaveUpInMenu, CallEnd::AbandonedInMenu),
        (Figure::Announced, CallEnd::FlowEnded),
        (Figure::Booked, CallEnd::CallbackBooked),
        (Figure::LeftMessage, CallEnd::MessageLeft),
    ] {
        figures.insert(figure, share(ended(end)));
    }
    let mut to_human: Vec<f64> = records.iter().filter_map(|record| record.to_human).map(|millis| millis.0 as f64 / 1e3).collect();
    figures.extend(quantile(&mut to_human, 0.5).map(|median| (Figure::SecondsToHuman, median)));
    for (id, queue) in terms.queues {
        let here = || records.iter().filter(|record| record.queue.as_ref() == Some(id));
        let mut waits: Vec<f64> =
            here().filter(|r| r.end == CallEnd::Served).filter_map(|r| r.waited).map(|millis| millis.0 as f64 / 1e3).collect();
        let gave_up = here().filter(|record| record.end == CallEnd::AbandonedInQueue).count() as f64;
        let offered = waits.len() as f64 + gave_up;
        if offered > 0.0 {
            let promised = queue.service_level.answered_within.as_secs_f64();
            let in_time = waits.iter().filter(|wait| **wait <= promised).count() as f64;
            figures.insert(Figure::InTime(id.clone()), in_time / offered);
            figures.insert(Figure::GaveUpIn(id.clone()), gave_up / offered);
        }
        if !waits.is_empty() {
            figures.insert(Figure::MeanWait(id.clone()), waits.iter().sum::<f64>() / waits.len() as f64);
        }
        figures.extend(quantile(&mut waits, 0.9).map(|wait| (Figure::NineOfTen(id.clone()), wait)));
    }
    let mut halves = vec![Half::default(); HALVES];
    let mut waits: Vec<Vec<f64>> = vec![Vec::new(); HALVES];
    for record in records {
        let at = usize::try_from((record.arrived.0 - begins).div_euclid(HALF.as_millis() as i64)).unwrap_or(0).min(HALVES - 1);
        halves[at].calls += 1.0;
        match record.end {
            CallEnd::Served => {
                halves[at].answered += 1.0;
                waits[at].extend(record.waited.map(|millis| millis.0 as f64 / 1e3));
            }
            CallEnd::AbandonedInQueue => halves[at].gave_up += 1.0,
            _ => {}
        }
    }
    for (half, waits) in halves.iter_mut().zip(waits) {
        half.mean_wait = (!waits.is_empty()).then(|| waits.iter().sum::<f64>() / waits.len() as f64);
    }
    let spent = spent(outcome, lasts);
    for (skill, agents) in &terms.skilled {
        let (mut all_busy, mut all_there) = (0.0, 0.0);
        for (at, half) in halves.iter_mut().enumerate() {
            let of = |agent: &AgentId| spent.get(agent).map_or((0.0, 0.0), |halves| halves[at]);
            let (busy, there) = agents.iter().map(of).fold((0.0, 0.0), |(b, t), (busy, there)| (b + busy, t + there));
            half.load.insert(skill.clone(), (there > 0.0).then(|| busy / there));
            all_busy += busy;
            all_there += there;
        }
        if all_there > 0.0 {
            figures.insert(Figure::Load(skill.clone()), all_busy / all_there);
        }
    }
    Day { figures, halves }
}

/// By agent and half hour: seconds busy (ringing, talking, after-call work), and seconds there.
fn spent(outcome: &Outcome, lasts: Duration) -> BTreeMap<AgentId, Vec<(f64, f64)>> {
    let mut spent: BTreeMap<AgentId, Vec<(f64, f64)>> = BTreeMap::new();
    let mut since: BTreeMap<&AgentId, (Duration, AgentState)> = BTreeMap::new();
    let mut add = |agent: &AgentId, from: Duration, to: Duration, state: AgentState| {
        let (busy, there) = match state {
            AgentState::SignedOut | AgentState::NotReady | AgentState::NotResponding => (0.0, 0.0),
            AgentState::Idle => (0.0, 1.0),
            AgentState::Offered | AgentState::Talking | AgentState::WrapUp => (1.0, 1.0),
        };
        let halves = spent.entry(agent.clone()).or_insert_with(|| vec![(0.0, 0.0); HALVES]);
        let mut from = from;
        while from < to.min(lasts) {
            let at = (from.as_secs_f64() / HALF.as_secs_f64()) as usize;
            let end = (HALF * (at as u32 + 1)).min(to).min(lasts);
            if let Some(half) = halves.get_mut(at) {
                let secs = (end - from).as_secs_f64();
                (half.0, half.1) = (half.0 + secs * busy, half.1 + secs * there);
            }
            from = end;
        }
    };
    for (at, agent, state) in &outcome.changes {
        if let Some((from, before)) = since.insert(agent, (*at, *state)) {
            add(agent, from, *at, before);
        }
    }
    for (agent, (from, state)) in since {
        add(agent, from, lasts, state);
    }
    spent
}

fn quantile(values: &mut [f64], part: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let at = ((values.len() as f64 * part).ceil() as usize).max(1) - 1;
    values.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_students() {
        // 2, 4, 6: mean 4, deviation 2, t(2) = 4.303.
        let mean = Mean::of(&[2.0, 4.0, 6.0]).unwrap();
        assert!((mean.mean - 4.0).abs() < 1e-12 && (mean.within.unwrap() - 4.303 * 2.0 / 3f64.sqrt()).abs() < 1e-9);
        assert_eq!(Mean::of(&[5.0]), Some(Mean { mean: 5.0, within: None }));
        assert_eq!(Mean::of(&[]), None);
    }

    #[test]
    fn an_agent_who_talks_across_the_half_hour_is_busy_in_both() {
        let yuki = AgentId::from("yuki");
        let at = |minutes: u64, state| (Duration::from_secs(minutes * 60), yuki.clone(), state);
        let changes = vec![at(0, AgentState::Idle), at(20, AgentState::Talking), at(45, AgentState::Idle), at(50, AgentState::SignedOut)];
        let spent = spent(&Outcome { changes, ..Outcome::default() }, Duration::from_secs(86_400));
        assert_eq!(spent[&yuki][..3], [(600.0, 1800.0), (900.0, 1200.0), (0.0, 0.0)]);
    }

    #[test]
    fn nine_of_ten_wait_no_longer() {
        let mut waits: Vec<f64> = (1..=10).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut waits, 0.9), Some(9.0));
        assert_eq!((quantile(&mut [7.0], 0.5), quantile(&mut [], 0.5)), (Some(7.0), None));
    }
}
