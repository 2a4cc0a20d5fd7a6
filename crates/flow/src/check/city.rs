//! What must fit together beyond the flows: numbers and flows, queues and people, the calendar and the day it is.

use super::{Known, top};
use crate::config::queues;
use crate::decode::{noun, unknown};
use crate::draft::Draft;
use crate::problem::{Problems, Spot};
use model::{Agent, Lang, Level, Queue, QueueId, Skill};
use std::collections::BTreeSet;

pub(super) fn check(draft: &Draft, known: &Known, problems: &mut Problems) {
    numbers(draft, problems);
    let readable = |file| !draft.unreadable.contains(file);
    if draft.lines.iter().all(|entry| !entry.opens) && readable("lines") {
        let at = top(draft, "lines", problems);
        let (en, ja) = ("no line is open: nobody could call in", "着信を受ける回線がありません。誰も電話をかけられません。");
        problems.error(at, "no_line", en, ja).help("local: { from: [127.0.0.0/8] }");
    }
    if readable("queues") {
        for agent in draft.agents.values() {
            for queue in &agent.serves {
                if !draft.queues.contains_key(&queue.value) {
                    let all = draft.queues.keys().map(QueueId::as_str);
                    unknown(problems, queue.at, "unknown_queue", noun::QUEUE, queue.value.as_str(), all);
                }
            }
        }
    }
    if readable("agents") {
        let skills: BTreeSet<&Skill> = draft.agents.values().flat_map(|entry| entry.agent.skills.keys()).collect();
        for entry in draft.queues.values() {
            staffed(draft, entry, &skills, problems);
        }
    }
    if known.wall.0 > 0 {
        dates(draft, known, problems);
    }
}

fn numbers(draft: &Draft, problems: &mut Problems) {
    let readable = !draft.unreadable.contains("flows");
    if draft.flows.is_empty() && readable {
        let at = Spot::top(problems.file("flows"));
        let (en, ja) = ("there is no flow: nobody could be answered", "フローがひとつもありません。誰の電話にも出られません。");
        problems.error(at, "no_flow", en, ja);
    }
    if draft.numbers.is_empty() && !draft.unreadable.contains("numbers") {
        let at = top(draft, "numbers", problems);
        let (en, ja) = ("no number leads to a flow: nobody could call", "どの番号もフローにつながっていません。");
        problems.error(at, "no_number", en, ja).help("\"0440000000\": { flow: city }");
    }
    for flow in draft.numbers.values() {
        if readable && !draft.flows.contains_key(&flow.value) {
            let all = draft.flows.keys().map(model::FlowName::as_str);
            unknown(problems, flow.at, "unknown_flow", noun::FLOW, flow.value.as_str(), all);
        }
    }
}

/// A queue that nobody can serve would hold its callers for ever.
fn staffed(draft: &Draft, entry: &queues::Entry, skills: &BTreeSet<&Skill>, problems: &mut Problems) {
    let mut all_known = true;
    for skill in &entry.skills {
        if !skills.contains(&skill.value) {
            all_known = false;
            unknown(problems, skill.at, "unknown_skill", noun::SKILL, skill.value.as_str(), skills.iter().map(|s| s.as_str()));
        }
    }
    if !all_known {
        return;
    }
    let queue = &entry.queue;
    let fitting: Vec<&Agent> = draft.agents.values().map(|entry| &entry.agent).filter(|agent| fits(draft, queue, agent)).collect();
    if fitting.is_empty() {
        let en = format!("nobody in config/agents.yaml can serve the queue \"{}\"", queue.id);
        let ja = format!("待ち列「{}」を担当できる人が config/agents.yaml にいません。", queue.id);
        problems.error(entry.at, "nobody_fits", en, ja);
        return;
    }
    let eased = queue.relax.iter().any(|relax| relax.lang.is_some());
    let Some(level) = queue.lang.filter(|_| !eased) else { return };
    let speaks = |lang: &Lang| fitting.iter().any(|agent| has(agent, &lang.skill(), level));
    for lang in draft.languages().into_iter().filter(|lang| !speaks(lang)) {
        let en = format!("nobody who serves the queue \"{}\" speaks {lang}", queue.id);
        let ja = format!("待ち列「{}」の担当者に {lang} を話せる人がいません。", queue.id);
        problems.warning(entry.at, "nobody_speaks", en, ja).help("relax: [ { after: 60s, lang: any } ]");
    }
}

/// Whether an agent is one of a queue's own, language apart.
pub(super) fn fits(draft: &Draft, queue: &Queue, agent: &Agent) -> bool {
    // Who names a queue that is not there may have meant this one.
    let serves = agent.serves.is_empty() || agent.serves.iter().any(|served| *served == queue.id || !draft.queues.contains_key(served));
    serves && queue.needs.iter().all(|need| has(agent, &need.skill, need.level))
}

fn has(agent: &Agent, skill: &Skill, level: Level) -> bool {
    agent.skills.get(skill).is_some_and(|has| *has >= level)
}

/// What only a look at the clock can judge.
fn dates(draft: &Draft, known: &Known, problems: &mut Problems) {
    let now = draft.calendar().local(known.wall);
    for exception in draft.calendar.exceptions.iter().filter(|e| e.value < now.date()) {
        let en = "this exception is over; take it out";
        let ja = "この例外の日は過ぎました。消してください。";
        problems.warning(exception.at, "exception_over", en, ja);
    }
    for rule in draft.calendar.overrides.iter().filter(|rule| rule.value <= now) {
        let (en, ja) = ("this override is over; take it out", "この臨時の指定は期限が過ぎました。消してください。");
        problems.warning(rule.at, "override_over", en, ja);
    }
    if let Some(at) = draft.calendar.holidays {
        let next_year = now.year().saturating_add(1);
        if !draft.calendar().holidays.iter().any(|day| day.year() == next_year) {
            let en = format!("the table of holidays has none in {next_year}");
            let ja = format!("祝日表に {next_year} 年の祝日がありません。");
            problems.warning(at, "holidays_run_out", en, ja);
        }
    }
}
