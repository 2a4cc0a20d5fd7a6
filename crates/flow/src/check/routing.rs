//! Whether queues, lines and people fit together: helpers, reserves, codes, trunks, and what agents hear before a caller.

use crate::decode::{noun, unknown};
use crate::draft::Draft;
use crate::problem::{At, Problems};
use model::{KeptFor, LineId, Number, PromptId, QueueId, Reserve};
use std::collections::BTreeSet;

pub(super) fn check(draft: &Draft, problems: &mut Problems) {
    queues(draft, problems);
    circles(draft, problems);
    reserves(draft, problems);
    trunks(draft, problems);
    codes(draft, problems);
    whispers(draft, problems);
}

fn queues(draft: &Draft, problems: &mut Problems) {
    for entry in draft.queues.values() {
        for queue in entry.helped_by.iter().chain(&entry.kept_for).filter(|queue| !draft.queues.contains_key(&queue.value)) {
            unknown(problems, queue.at, "unknown_queue", noun::QUEUE, queue.value.as_str(), draft.queues.keys().map(QueueId::as_str));
        }
    }
}

/// Lending goes one way: were it a circle, nobody could say whose agents are whose.
fn circles(draft: &Draft, problems: &mut Problems) {
    let mut told: BTreeSet<BTreeSet<&QueueId>> = BTreeSet::new();
    for start in draft.queues.keys() {
        let mut trail: Vec<(&QueueId, usize)> = vec![(start, 0)];
        let mut done: BTreeSet<&QueueId> = BTreeSet::new();
        while let Some((queue, next)) = trail.last_mut() {
            let helper = draft.queues.get(*queue).and_then(|entry| entry.helped_by.get(*next));
            *next += 1;
            let Some(helper) = helper else {
                done.insert(queue);
                trail.pop();
                continue;
            };
            if helper.value == *start {
                let names: Vec<&QueueId> = trail.iter().map(|(queue, _)| *queue).collect();
                if told.insert(names.iter().copied().collect()) {
                    let circle = names.iter().map(|q| q.as_str()).chain([start.as_str()]).collect::<Vec<_>>().join(" < ");
                    let en = format!("these queues help each other in a circle: {circle}");
                    let ja = format!("待ち列どうしの手伝いが循環しています: {circle}");
                    problems.error(helper.at, "helping_circle", en, ja);
                }
            } else if !done.contains(&helper.value) && trail.iter().all(|(on, _)| **on != helper.value) {
                trail.push((&helper.value, 0));
            }
        }
    }
}

fn reserves(draft: &Draft, problems: &mut Problems) {
    if draft.unreadable.contains("agents") {
        return;
    }
    for entry in draft.queues.values() {
        let Some((reserve, at)) = entry.queue.reserve.as_ref().zip(entry.reserve) else { continue };
        let holders = draft.agents.values().filter(|entry| entry.agent.skills.contains_key(&reserve.of)).count();
        // Nobody at all has been complained about as an unknown skill.
        if holders > 0 && holders < reserve.keep as usize {
            let (keep, of) = (reserve.keep, &reserve.of);
            let en = format!("{keep} are to be kept back, and only {holders} in config/agents.yaml have the skill \"{of}\"");
            let ja = format!("{keep} 人を確保する指定ですが、技能「{of}」を持つ人は config/agents.yaml に {holders} 人だけです。");
            problems.error(at, "reserve_too_large", en, ja);
        } else if reserve.hysteresis > 0 && holders > 0 && holders <= (reserve.keep + reserve.hysteresis) as usize {
            let (needed, of) = (reserve.keep + reserve.hysteresis + 1, &reserve.of);
            let en = format!(
                "once this reserve holds, it lets go only with {needed} idle, and {holders} in config/agents.yaml have the skill \"{of}\""
            );
            let ja = format!(
                "この確保は、いったん効くと {needed} 人が空くまで解除されませんが、技能「{of}」を持つ人は config/agents.yaml に {holders} 人だけです。"
            );
            problems.error(at, "reserve_never_opens", en, ja).help("hysteresis: 0");
        } else if let Some(starved) = starved(draft, reserve) {
            let (keep, of) = (reserve.keep, &reserve.of);
            let en = format!(
                "callers of the queue \"{starved}\" are served by people with the skill \"{of}\" alone; while only {keep} of them \
                 are there, nobody takes these calls"
            );
            let ja =
                format!("待ち列「{starved}」は技能「{of}」を持つ人だけが担当します。その人が {keep} 人しかいないとき、誰も出られません。");
            problems.warning(at, "reserve_starves", en, ja).help("for: { class: high }, and priority: high at the steps of that queue");
        }
    }
}

/// A queue whose callers have nobody but those who are kept back from them.
fn starved<'d>(draft: &'d Draft, reserve: &Reserve) -> Option<&'d QueueId> {
    let steps = draft.flows.values().flat_map(|flow| flow.steps.values()).map(|named| named.step.sketch());
    let outside = |queue: &QueueId, class: u8| match &reserve.kept_for {
        KeptFor::Queue(kept) => kept != queue,
        KeptFor::Queues(kept) => !kept.contains(queue),
        KeptFor::Class(kept) => class < *kept,
    };
    let waited_in = steps.filter_map(|sketch| sketch.queue.map(|queue| (&queue.value, sketch.class)));
    waited_in.filter(|(queue, class)| outside(queue, *class)).map(|(queue, _)| queue).find(|queue| {
        let Some(entry) = draft.queues.get(*queue) else { return false };
        let mut fitting =
            draft.agents.values().map(|agent| &agent.agent).filter(|agent| super::city::fits(draft, &entry.queue, agent)).peekable();
        fitting.peek().is_some() && fitting.all(|agent| agent.skills.contains_key(&reserve.of))
    })
}

fn trunks(draft: &Draft, problems: &mut Problems) {
    let carries = |id: &LineId| draft.lines.iter().any(|entry| entry.line.id == *id && entry.carries);
    for trunk in draft.lines.iter().flat_map(|entry| &entry.trunks).filter(|trunk| !carries(&trunk.value)) {
        let all = draft.lines.iter().filter(|entry| entry.carries).map(|entry| entry.line.id.as_str());
        unknown(problems, trunk.at, "unknown_trunk", noun::TRUNK, trunk.value.as_str(), all);
    }
}

/// A code must tell what is meant as soon as it is pressed: none is the beginning of another.
fn codes(draft: &Draft, problems: &mut Problems) {
    let queues = draft.queues.values().filter_map(|entry| Some((entry.queue.id.as_str(), entry.code.as_ref()?)));
    let lines = draft.lines.iter().filter_map(|entry| Some((entry.line.id.as_str(), entry.code.as_ref()?)));
    let mut before: Vec<(&str, &At<Number>)> = Vec::new();
    for (name, code) in queues.chain(lines) {
        let (mine, text) = (&code.value, code.value.as_str());
        if let Some((other, theirs)) = before.iter().find(|(_, other)| other.value == *mine) {
            let en = format!("the code {} belongs to \"{other}\" already; \"{name}\" needs one of its own", theirs.value);
            let ja = format!("短縮番号 {} は「{other}」で使われています。「{name}」には別の番号を付けてください。", theirs.value);
            problems.error(code.at, "same_code", en, ja);
        } else if let Some((other, theirs)) =
            before.iter().find(|(_, other)| other.value.as_str().starts_with(text) || text.starts_with(other.value.as_str()))
        {
            let en = format!(
                "the codes {mine} (\"{name}\") and {} (\"{other}\") begin alike; nobody could tell when one is complete",
                theirs.value
            );
            let ja = format!("短縮番号 {mine}（{name}）と {}（{other}）は先頭が同じで、区別できません。", theirs.value);
            problems.error(code.at, "code_begins_alike", en, ja);
        }
        before.push((name, code));
    }
}

/// What an agent hears before the caller is spoken in the language of the house: the default one of each flow.
fn whispers(draft: &Draft, problems: &mut Problems) {
    if draft.unreadable.contains("prompts") {
        return;
    }
    for whisper in draft.queues.values().flat_map(|entry| &entry.whisper) {
        let Some(prompt) = draft.prompts.get(&whisper.value) else {
            let all = draft.prompts.keys().map(PromptId::as_str);
            unknown(problems, whisper.at, "unknown_prompt", noun::PROMPT, whisper.value.as_str(), all);
            continue;
        };
        if prompt.changing().is_some() {
            let en = format!("\"{}\" has a changing word, which nobody fills in for an agent", whisper.value);
            let ja = format!("「{}」には変わる言葉があり、担当者への一言には使えません。", whisper.value);
            problems.error(whisper.at, "whisper_changes", en, ja);
        }
        let house: BTreeSet<_> = draft.flows.values().map(|flow| &flow.default_lang.value).collect();
        for lang in house.into_iter().filter(|lang| prompt.lacks(lang)) {
            let en = format!("\"{}\" has no text in {lang}, the language in which agents hear it", whisper.value);
            let ja = format!("「{}」に、担当者が聞く言語 {lang} の文がありません。", whisper.value);
            problems.error(prompt.at, "prompt_lacks_language", en, ja).help(format!("{lang}: \"…\""));
        }
    }
}
