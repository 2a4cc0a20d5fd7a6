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
    // Whoever carries our calls may call us.
    if draft.lines.iter().all(|entry| !entry.opens && !entry.carries) && readable("lines") {
        let at = top(draft, "lines", problems);
        // A line that is written wrongly may be the one that is open.
        if !problems.any_error_in(at.file) {
            let (en, ja) = ("no line is open: nobody could call in", "着信を受ける回線がありません。誰も電話をかけられません。");
            problems.error(at, "no_line", en, ja).help("local: { from: [127.0.0.0/8] }");
        }
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
    needless_skills(draft, problems);
    if known.wall.0 > 0 {
        dates(draft, known, problems);
    }
}

/// A skill that nothing asks for is a slip of the pen more often than a plan.
fn needless_skills(draft: &Draft, problems: &mut Problems) {
    if draft.unreadable.contains("queues") || draft.unreadable.contains("flows") || draft.flows.is_empty() {
        return;
    }
    let flows = draft.flows.values().flat_map(|flow| flow.steps.values());
    let named: Vec<Skill> = flows.flat_map(|named| named.step.sketch().skills.iter().map(|skill| skill.value.clone())).collect();
    let mut asked: BTreeSet<&str> = named.iter().map(Skill::as_str).collect();
    asked.extend(draft.queues.values().flat_map(|entry| &entry.skills).map(|skill| skill.value.as_str()));
    let had: BTreeSet<&Skill> = draft.agents.values().flat_map(|entry| entry.agent.skills.keys()).collect();
    // A skill that nobody has was complained about; it may be this one.
    if asked.iter().any(|skill| !had.contains(&Skill::from(*skill))) {
        return;
    }
    let written = draft.prompts.values().flat_map(|prompt| prompt.wordings.keys());
    let spoken: Vec<Skill> = draft.languages().into_iter().chain(written).map(Lang::skill).collect();
    asked.extend(spoken.iter().map(Skill::as_str));
    // A queue may ease its language to an interpreter.
    asked.insert("interpreter");
    for skill in draft.agents.values().flat_map(|entry| &entry.skills).filter(|skill| !asked.contains(skill.value.as_str())) {
        let near = crate::decode::nearest(skill.value.as_str(), asked.iter().copied());
        let (more_en, more_ja) = match near {
            Some(near) => (format!("; did you mean \"{near}\"?"), format!("「{near}」ではありませんか？")),
            None => (String::new(), String::new()),
        };
        let en = format!("no queue and no flow asks for the skill \"{}\"{more_en}", skill.value);
        let ja = format!("技能「{}」を求める待ち列もフローもありません。{more_ja}", skill.value);
        problems.warning(skill.at, "needless_skill", en, ja).instead = near.map(str::to_owned);
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
    for (number, at) in draft.lines.iter().filter_map(|entry| Some((&entry.line.target.as_ref()?.number, entry.number?))) {
        if draft.numbers.contains_key(number) {
            let en = format!("{number} is a number of our own: whoever is put through here would call us again");
            let ja = format!("{number} はこちらの番号です。ここへつなぐと、こちらへもう一度かけることになります。");
            problems.error(at, "calls_ourselves", en, ja);
        }
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
    for lang in draft.languages().into_iter().filter(|lang| draft.has_texts_in(lang) && !speaks(lang)) {
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
    if let Some(at) = draft.calendar.holidays.filter(|_| !draft.unreadable.contains("holidays")) {
        let next_year = now.year().saturating_add(1);
        if !draft.calendar().holidays.iter().any(|day| day.year() == next_year) {
            let en = format!("the table of holidays has none in {next_year}");
            let ja = format!("祝日表に {next_year} 年の祝日がありません。");
            problems.warning(at, "holidays_run_out", en, ja);
        }
    }
}
