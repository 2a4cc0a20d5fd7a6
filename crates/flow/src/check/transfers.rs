//! Whether every transfer leads to a line, with every choice that a caller can make on the way, and every callback has its hour.

use super::{Known, rules};
use crate::decode::{noun, unknown};
use crate::draft::Draft;
use crate::problem::{At, Problems, Spot};
use crate::program::{Flow, Set, VARIABLES_MAX};
use crate::target::{LANG, Target};
use model::{Lang, ScheduleId, StepId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A window that does not open in so many days is taken for a mistake.
const WINDOW_DAYS: u32 = 60;

/// The values of each variable, and where they are set.
pub(super) type Values<'f> = BTreeMap<&'f str, Vec<&'f At<String>>>;

pub(super) fn check(draft: &Draft, known: &Known, flow: &Flow, problems: &mut Problems) {
    let values = variables(flow, problems);
    for (step, named) in &flow.steps {
        let sketch = named.step.sketch();
        if let Some(target) = sketch.target
            // Without any line, that is the complaint.
            && !draft.lines.is_empty()
            && gaps(flow, step, target, &values, problems)
        {
            lines(draft, flow, target, &values, problems);
        }
        let calendar = draft.calendar();
        let readable = |window: &ScheduleId| calendar.schedules.contains_key(window) && !draft.calendar.broken.contains(window);
        if let Some(window) = sketch.callback.filter(|window| known.wall.0 > 0 && readable(&window.value))
            && !calendar.opens_within(&window.value, known.wall, WINDOW_DAYS)
        {
            let en = format!("\"{}\" does not open in the next {WINDOW_DAYS} days: nobody would be called back", window.value);
            let ja = format!("「{}」は今後 {WINDOW_DAYS} 日のあいだ開きません。折り返しの電話ができません。", window.value);
            problems.error(window.at, "window_never_opens", en, ja);
        }
    }
}

pub(super) fn sets(flow: &Flow) -> impl Iterator<Item = &Set> {
    let inherited = std::iter::once(&flow.defaults.no_input.set);
    flow.steps.values().flat_map(|named| named.step.sketch().ways).filter_map(|way| way.set).chain(inherited)
}

/// What can be set, to which values. A word that nothing uses is a slip of the pen.
fn variables<'f>(flow: &'f Flow, problems: &mut Problems) -> Values<'f> {
    let sketches: Vec<_> = flow.steps.values().map(|named| named.step.sketch()).collect();
    let mut used: BTreeSet<&str> = sketches.iter().filter_map(|sketch| sketch.target).flat_map(Target::gaps).collect();
    used.extend(flow.steps.values().flat_map(|named| rules::tested(&named.step)));
    let sent: BTreeSet<&str> = sketches.iter().flat_map(|sketch| &sketch.sends).map(|gap| gap.value.as_str()).collect();
    let mut values: Values<'f> = BTreeMap::new();
    let mut told: BTreeSet<Spot> = BTreeSet::new();
    let given = sketches
        .iter()
        .flat_map(|sketch| &sketch.gives)
        .filter(|given| !given.typed)
        .flat_map(|given| given.words.iter().map(|word| (given.name, *word)));
    for (name, value) in sets(flow).flat_map(|set| &set.variables).map(|(name, value)| (name, value)).chain(given) {
        if !used.contains(name.value.as_str()) && !sent.contains(name.value.as_str()) {
            // What defaults set is inherited by every menu.
            if told.insert(name.at) && flow.broken.is_empty() {
                let known = ["lang", "priority"].into_iter().chain(used.iter().copied());
                unknown(problems, name.at, "unused_variable", noun::KEY, &name.value, known);
            }
            continue;
        }
        let known = values.entry(name.value.as_str()).or_default();
        if known.iter().all(|known| known.value != value.value) {
            known.push(value);
        }
        if values.len() > VARIABLES_MAX && told.insert(name.at) {
            let en = format!("a flow remembers at most {VARIABLES_MAX} variables");
            let ja = format!("ひとつのフローで使える変数は {VARIABLES_MAX} 個までです。");
            problems.error(name.at, "too_many_variables", en, ja);
        }
    }
    values
}

/// Whether every gap is filled, on every way. True if so.
fn gaps(flow: &Flow, step: &StepId, target: &Target, values: &Values<'_>, problems: &mut Problems) -> bool {
    let mut right = true;
    for gap in target.gaps().filter(|gap| *gap != LANG) {
        if !values.contains_key(gap) {
            right = false;
            unknown(problems, target.at, "unknown_variable", noun::VARIABLE, gap, values.keys().copied().chain([LANG]));
        } else if let Some(way) = way_without(flow, step, gap) {
            right = false;
            let en = format!("a caller can come here without \"{gap}\" being set: {way}");
            let ja = format!("「{gap}」が決まらないままここに来る経路があります: {way}");
            problems.error(target.at, "variable_not_set", en, ja).help(format!("\"1\": {{ set: {{ {gap}: … }}, next: {step} }}"));
        }
    }
    right
}

/// A way to a step on which a variable is never set, if there is one.
fn way_without(flow: &Flow, to: &StepId, gap: &str) -> Option<String> {
    let mut from: BTreeMap<&StepId, Option<&StepId>> = BTreeMap::new();
    let mut next: VecDeque<(&StepId, Option<&StepId>)> = VecDeque::from([(&flow.start.value, None)]);
    // Whatever goes wrong, wherever it goes wrong, leads to on_error.
    next.extend(flow.defaults.on_error.iter().map(|step| (&step.value, None)));
    while let Some((step, before)) = next.pop_front() {
        if from.contains_key(step) {
            continue;
        }
        from.insert(step, before);
        let Some(named) = flow.steps.get(step) else { continue };
        next.extend(named.step.sketch().ways.into_iter().filter(|way| !way.sets(gap)).map(|way| (&way.to.value, Some(step))));
    }
    let (mut step, _) = from.get_key_value(to)?;
    let mut way = vec![step.as_str()];
    while let Some(Some(before)) = from.get(step) {
        way.push(before.as_str());
        step = before;
    }
    way.reverse();
    Some(way.join(" > "))
}

/// Every name that a target can come to must be a line with a number.
fn lines(draft: &Draft, flow: &Flow, target: &Target, values: &Values<'_>, problems: &mut Problems) {
    let languages: Vec<&Lang> = flow.offered().collect();
    let of = |gap: &str| match values.get(gap) {
        _ if gap == LANG => languages.iter().map(|lang| (lang.as_str(), target.at)).collect(),
        Some(values) => values.iter().map(|value| (value.value.as_str(), value.at)).collect(),
        None => Vec::new(),
    };
    for (name, at) in target.names(of) {
        match draft.lines.iter().find(|entry| entry.line.id.as_str() == name) {
            // A target that could not be read has been complained about.
            Some(entry) if entry.line.target.is_some() || !entry.trunks.is_empty() => {}
            Some(_) => {
                let en = format!("the line \"{name}\" has no number to call; give it trunk, number and lines");
                let ja = format!("回線「{name}」には転送先の番号がありません。trunk、number、lines を書いてください。");
                problems.error(at, "line_without_number", en, ja).help("{ trunk: ntt, number: \"0440000013\", lines: 2 }");
            }
            None => {
                let all = draft.lines.iter().filter(|entry| entry.line.target.is_some()).map(|entry| entry.line.id.as_str());
                unknown(problems, at, "unknown_line", noun::LINE, &name, all);
            }
        }
    }
}
