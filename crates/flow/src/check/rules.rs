//! Whether every rule can be true, and none hides behind another: all callers that could be are tried out.

use super::flows::offered;
use super::transfers::sets;
use crate::calendar::Hours;
use crate::decode::{nearest, noun, unknown};
use crate::draft::Draft;
use crate::problem::{At, Problems};
use crate::program::Flow;
use crate::rules::{self, Knows, NONE, Pick, Rule, Word};
use crate::steps::{Sketch, Step};
use crate::tree::shown;
use model::{Lang, QueueId, ScheduleId};
use std::collections::{BTreeMap, BTreeSet};

/// Callers tried out for one step; of more, nothing is said about rules that hide each other.
const CALLERS_MAX: usize = 65_536;

/// The words that each variable can be.
type Words<'f> = BTreeMap<&'f str, BTreeSet<&'f str>>;

/// The variables that the rules of a step test.
pub(super) fn tested(step: &Step) -> impl Iterator<Item = &str> {
    step.sketch().rules.iter().flat_map(|rule| &rule.when.words).map(|(name, _)| name.value.as_str())
}

pub(super) fn check(draft: &Draft, flow: &Flow, problems: &mut Problems) {
    let sketches: Vec<Sketch<'_>> = flow.steps.values().map(|named| named.step.sketch()).collect();
    let mut words: Words<'_> = BTreeMap::new();
    for (name, value) in sets(flow).flat_map(|set| &set.variables) {
        words.entry(&name.value).or_default().insert(&value.value);
    }
    for given in sketches.iter().flat_map(|sketch| &sketch.gives) {
        words.entry(&given.name.value).or_default().extend(given.words.iter().map(|word| word.value.as_str()));
    }
    for sketch in sketches.iter().filter(|sketch| !sketch.rules.is_empty()) {
        let before = problems.count();
        for rule in sketch.rules {
            names(draft, flow, rule, &words, problems);
        }
        // A rule with a slip of the pen in it may well hide another.
        if problems.count() == before {
            hidden(flow, sketch, &words, problems);
        }
    }
}

/// Everything that a rule tests must exist, and every word must be one that can come.
fn names(draft: &Draft, flow: &Flow, rule: &Rule, words: &Words<'_>, problems: &mut Problems) {
    rule.when.lang.iter().for_each(|lang| offered(flow, lang, problems));
    let schedules = &draft.calendar().schedules;
    if !draft.unreadable.contains("calendar") {
        for (schedule, _) in rule.when.schedules.iter().filter(|(schedule, _)| !schedules.contains_key(&schedule.value)) {
            let all = schedules.keys().map(ScheduleId::as_str);
            unknown(problems, schedule.at, "unknown_schedule", noun::SCHEDULE, schedule.value.as_str(), all);
        }
    }
    if let Some((queue, _)) = rule.facts.as_ref().filter(|(queue, _)| !draft.queues.contains_key(&queue.value))
        && !draft.unreadable.contains("queues")
    {
        unknown(problems, queue.at, "unknown_queue", noun::QUEUE, queue.value.as_str(), draft.queues.keys().map(QueueId::as_str));
    }
    // A step that could not be read may be the one that sets it.
    if !flow.broken.is_empty() {
        return;
    }
    for (name, wanted) in &rule.when.words {
        match words.get(name.value.as_str()) {
            Some(can) => wanted.iter().filter(|word| word.value != NONE).for_each(|word| comes(&name.value, word, can, problems)),
            None => {
                let all = words.keys().copied().chain(["lang", "priority", "schedule"]);
                unknown(problems, name.at, "unknown_variable", noun::VARIABLE, &name.value, all);
            }
        }
    }
}

/// Whether a variable can be this word.
fn comes(name: &str, word: &At<String>, can: &BTreeSet<&str>, problems: &mut Problems) {
    if can.contains(word.value.as_str()) {
        return;
    }
    let (more_en, more_ja) = match nearest(&word.value, can.iter().copied()) {
        Some(near) => (format!("; did you mean \"{near}\"?"), format!("「{near}」ではありませんか？")),
        None => {
            let list = can.iter().copied().collect::<Vec<_>>().join(", ");
            (format!("; it can be: {list}"), format!("使われる言葉: {list}"))
        }
    };
    let en = format!("\"{}\" is never \"{}\", so this rule can never be true{more_en}", shown(name), shown(&word.value));
    let ja = format!("「{}」が「{}」になることはないので、この規則は成り立ちません。{more_ja}", shown(name), shown(&word.value));
    problems.error(word.at, "never_true", en, ja);
}

/// Tries out every caller that could come, and names the rules that none of them reaches.
fn hidden(flow: &Flow, sketch: &Sketch<'_>, words: &Words<'_>, problems: &mut Problems) {
    let Some(callers) = callers(flow, sketch, words) else { return };
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    for caller in &callers {
        let mut from = 0;
        loop {
            match rules::pick(sketch.rules, from, caller) {
                Pick::Rule(index) => {
                    reached.insert(index);
                    break;
                }
                // The queue may stand so, or not.
                Pick::Look(index) => {
                    reached.insert(index);
                    from = index + 1;
                }
                Pick::Open | Pick::Nothing => break,
            }
        }
    }
    for (_, rule) in sketch.rules.iter().enumerate().filter(|(index, _)| !reached.contains(index)) {
        let en = "no caller is ever left for this rule: it contradicts itself, or those above it take them all";
        let ja = "この規則に当てはまる人はいません。条件が互いに矛盾しているか、上の規則が先に当てはまります。";
        problems.error(rule.at, "rule_never_reached", en, ja);
    }
}

/// A caller that could be.
#[derive(Clone, Debug)]
struct Possible<'f> {
    lang: &'f Lang,
    class: u8,
    hours: BTreeMap<&'f ScheduleId, Hours>,
    words: BTreeMap<&'f str, Option<&'f str>>,
}

impl Knows for Possible<'_> {
    fn lang(&self) -> &Lang {
        self.lang
    }
    fn class(&self) -> u8 {
        self.class
    }
    fn hours(&self, schedule: &ScheduleId) -> Option<Hours> {
        self.hours.get(schedule).copied()
    }
    fn word(&self, name: &str) -> Word<'_> {
        self.words.get(name).copied().flatten().map_or(Word::Never, Word::Is)
    }
}

/// All of them, as far as these rules can tell them apart; `None` if they are too many.
fn callers<'f>(flow: &'f Flow, sketch: &Sketch<'f>, words: &Words<'f>) -> Option<Vec<Possible<'f>>> {
    let whens = || sketch.rules.iter().map(|rule| &rule.when);
    let mut callers: Vec<Possible<'f>> = flow
        .offered()
        .flat_map(|lang| (0..=2).map(move |class| Possible { lang, class, hours: BTreeMap::new(), words: BTreeMap::new() }))
        .collect();
    let schedules: BTreeSet<&'f ScheduleId> = whens().flat_map(|when| &when.schedules).map(|(schedule, _)| &schedule.value).collect();
    for schedule in schedules {
        callers = spread(callers, &[Hours::Open, Hours::Holiday, Hours::Closed], |caller, hours| {
            caller.hours.insert(schedule, *hours);
        })?;
    }
    let names: BTreeSet<&'f str> = whens().flat_map(|when| &when.words).map(|(name, _)| name.value.as_str()).collect();
    for name in names {
        // Every question has an answer once the rules decide.
        let mut can: Vec<Option<&'f str>> = match sketch.gives.iter().find(|given| given.name.value == name) {
            Some(given) => given.words.iter().map(|word| Some(word.value.as_str())).collect::<BTreeSet<_>>().into_iter().collect(),
            None => std::iter::once(None).chain(words.get(name).into_iter().flatten().map(|word| Some(*word))).collect(),
        };
        can.dedup();
        callers = spread(callers, &can, |caller, word| {
            caller.words.insert(name, *word);
        })?;
    }
    Some(callers)
}

fn spread<'f, T>(callers: Vec<Possible<'f>>, values: &[T], set: impl Fn(&mut Possible<'f>, &T)) -> Option<Vec<Possible<'f>>> {
    if callers.len().saturating_mul(values.len()) > CALLERS_MAX {
        return None;
    }
    let mut all = Vec::with_capacity(callers.len() * values.len());
    for caller in callers {
        for value in values {
            let mut caller = caller.clone();
            set(&mut caller, value);
            all.push(caller);
        }
    }
    Some(all)
}
