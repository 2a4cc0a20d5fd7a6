//! Whether a caller can get lost in a flow: names that lead nowhere, steps nobody comes to, circles of silence, ways that end
//! without a person, and ways that take too long.

use super::Known;
use crate::budget::{Caller, longest, spoken_key};
use crate::decode::{noun, unknown};
use crate::draft::Draft;
use crate::problem::{At, Problems, Spot};
use crate::program::{Flow, Set};
use crate::speech::Speech;
use crate::steps::{By, End, MenuFacts, Sketch, Way};
use model::{AgentId, Digit, Lang, LookupId, PromptId, QueueId, ScheduleId, Skill, StepId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// More choices than this are not remembered.
const CHOICES_MAX: usize = 4;
/// Menus inside menus.
const DEPTH_MAX: u32 = 3;
/// Key presses to a person, from the start.
const PRESSES_MAX: u32 = 2;

pub(super) fn check(draft: &Draft, known: &Known, flow: &Flow, problems: &mut Problems) {
    let names_right = names(draft, flow, problems);
    languages(draft, flow, problems);
    super::rules::check(draft, flow, problems);
    for (step, named) in &flow.steps {
        let sketch = named.step.sketch();
        speeches(draft, flow, &sketch, problems);
        menu(draft, flow, step, &sketch, problems);
        choosable(flow, &sketch, problems);
        for (speech, facts) in &sketch.questions {
            keys(draft, flow, named.at, speech, facts, problems);
        }
    }
    mishaps(flow, problems);
    let circles = silent_circles(flow, problems);
    // With a name or a step missing, what follows would only repeat it in other words.
    if !names_right || !flow.broken.is_empty() || !flow.whole {
        return;
    }
    unvoiced(flow, problems);
    unreachable(flow, problems);
    if !circles {
        silent_ends(flow, problems);
    }
    nearness(flow, problems);
    if !circles && !known.lengths.is_empty() {
        budgets(draft, known, flow, problems);
    }
}

/// Every name must name something. True if every step that is named exists.
fn names(draft: &Draft, flow: &Flow, problems: &mut Problems) -> bool {
    let mut right = true;
    let mut step = |to: &At<StepId>, problems: &mut Problems| {
        if !flow.steps.contains_key(&to.value) && !flow.broken.contains(&to.value) {
            right = false;
            let all = flow.steps.keys().chain(&flow.broken).map(StepId::as_str);
            unknown(problems, to.at, "unknown_step", noun::STEP, to.value.as_str(), all);
        }
    };
    let defaults = &flow.defaults;
    let outcomes = &defaults.outcomes;
    let inherited = [&defaults.on_error, &defaults.no_input.then, &defaults.bad_key.then, &outcomes.nobody_logged_in, &outcomes.full];
    step(&flow.start, problems);
    flow.unvoiced.values().for_each(|to| step(to, problems));
    inherited.into_iter().chain([&outcomes.closed]).flatten().chain(defaults.unreached.ways()).for_each(|to| step(to, problems));
    let readable = |file| !draft.unreadable.contains(file);
    let skills: BTreeSet<&Skill> = draft.agents.values().flat_map(|entry| entry.agent.skills.keys()).collect();
    for named in flow.steps.values() {
        let sketch = named.step.sketch();
        for way in &sketch.ways {
            step(way.to, problems);
            language(flow, way.set, problems);
        }
        if let Some(queue) = sketch.queue.filter(|q| readable("queues") && !draft.queues.contains_key(&q.value)) {
            unknown(problems, queue.at, "unknown_queue", noun::QUEUE, queue.value.as_str(), draft.queues.keys().map(QueueId::as_str));
        }
        let schedules = &draft.calendar().schedules;
        if let Some(schedule) = sketch.schedule.filter(|s| readable("calendar") && !schedules.contains_key(&s.value)) {
            let all = schedules.keys().map(ScheduleId::as_str);
            unknown(problems, schedule.at, "unknown_schedule", noun::SCHEDULE, schedule.value.as_str(), all);
        }
        for skill in sketch.skills.iter().filter(|s| readable("agents") && !skills.contains(&s.value)) {
            unknown(problems, skill.at, "unknown_skill", noun::SKILL, skill.value.as_str(), skills.iter().map(|s| s.as_str()));
        }
        let agents = &draft.agents;
        for agent in sketch.agents.iter().filter(|a| readable("agents") && !agents.contains_key(&a.value)) {
            unknown(problems, agent.at, "unknown_agent", noun::AGENT, agent.value.as_str(), agents.keys().map(AgentId::as_str));
        }
        asked(draft, flow, &sketch, problems);
        if (sketch.end == End::Person || sketch.lookup.is_some()) && draft.music.is_empty() && readable("prompts") {
            let en = "there is no music: whoever waits here would hear nothing";
            let ja = "音楽がひとつもありません。ここで待つ人には何も聞こえません。";
            problems.error(named.at, "no_music", en, ja).help("music: { calm: { file: calm.wav } }");
        } else if let Some(music) = sketch.music.filter(|m| readable("prompts") && !draft.music.contains_key(&m.value)) {
            unknown(problems, music.at, "unknown_music", noun::MUSIC, music.value.as_str(), draft.music.keys().map(PromptId::as_str));
        }
    }
    let spoken = defaults.bad_key.say.iter();
    spoken.for_each(|speech| prompts(draft, flow, speech, problems));
    right
}

/// Each language that is offered is spoken in some sentence.
fn languages(draft: &Draft, flow: &Flow, problems: &mut Problems) {
    if draft.prompts.is_empty() || draft.unreadable.contains("prompts") {
        return;
    }
    let written: BTreeSet<&str> = draft.prompts.values().flat_map(|prompt| prompt.wordings.keys()).map(Lang::as_str).collect();
    let offered = std::iter::once(&flow.default_lang).chain(&flow.offer).filter(|lang| !flow.unvoiced.contains_key(&lang.value));
    let mut told: BTreeSet<&Lang> = BTreeSet::new();
    for lang in offered.filter(|lang| !draft.has_texts_in(&lang.value)) {
        if told.insert(&lang.value) {
            unknown(problems, lang.at, "language_without_texts", noun::LANGUAGE, lang.value.as_str(), written.iter().copied());
        }
    }
}

/// Who is asked must be written down, and what is sent must be something that this flow can know.
fn asked(draft: &Draft, flow: &Flow, sketch: &Sketch<'_>, problems: &mut Problems) {
    const CALLER: &str = "caller";
    let Some(lookup) = sketch.lookup.filter(|_| !draft.unreadable.contains("lookups")) else { return };
    let entry = draft.lookups.get(&lookup.value);
    if entry.is_none() {
        let all = draft.lookups.keys().map(LookupId::as_str);
        unknown(problems, lookup.at, "unknown_lookup", noun::LOOKUP, lookup.value.as_str(), all);
    }
    let may_send_caller = entry.is_none_or(|lookup| lookup.caller_number);
    let sketches: Vec<Sketch<'_>> = flow.steps.values().map(|named| named.step.sketch()).collect();
    let given = sketches.iter().flat_map(|sketch| &sketch.gives).map(|given| given.name.value.as_str());
    let set = super::transfers::sets(flow).flat_map(|set| &set.variables).map(|(name, _)| name.value.as_str());
    let known: BTreeSet<&str> = given.chain(set).chain([crate::target::LANG]).collect();
    for gap in sketch.sends.iter().filter(|gap| !known.contains(gap.value.as_str())) {
        if gap.value != CALLER {
            // A step that could not be read may be the one that sets it.
            if flow.broken.is_empty() {
                unknown(problems, gap.at, "unknown_variable", noun::VARIABLE, &gap.value, known.iter().copied().chain([CALLER]));
            }
        } else if !may_send_caller {
            let en = format!("\"{}\" may not be told who calls: allow it in config/lookups.yaml, or send something else", lookup.value);
            let ja = format!("「{}」には発信番号を送れません。config/lookups.yaml で許可するか、別のものを送ってください。", lookup.value);
            problems.error(gap.at, "caller_not_allowed", en, ja).help(format!("{}: {{ .., caller_number: true }}", lookup.value));
        }
    }
}

fn language(flow: &Flow, set: Option<&Set>, problems: &mut Problems) {
    if let Some(lang) = set.and_then(|set| set.lang.as_ref()) {
        offered(flow, lang, problems);
    }
}

pub(super) fn offered(flow: &Flow, lang: &At<Lang>, problems: &mut Problems) {
    if !flow.offered().any(|offered| *offered == lang.value) {
        unknown(problems, lang.at, "unknown_language", noun::LANGUAGE, lang.value.as_str(), flow.offered().map(Lang::as_str));
    }
}

/// Everything that a step may say must be there, in every language in which somebody may hear it.
fn speeches(draft: &Draft, flow: &Flow, sketch: &Sketch<'_>, problems: &mut Problems) {
    for speech in &sketch.speeches {
        prompts(draft, flow, speech, problems);
        for part in &speech.parts {
            let changing = draft.prompts.get(&part.prompt.value).and_then(crate::prompts::Prompt::changing);
            if let Some(word) = changing.filter(|_| !sketch.templates).map(crate::prompts::Changing::word) {
                let en = format!("\"{}\" says {{{{ {word} }}}}, which only a caller in a queue has", part.prompt.value);
                let ja = format!("「{}」の {{{{ {word} }}}} は、待ち列の中でだけ使えます。", part.prompt.value);
                problems.error(part.prompt.at, "position_outside_queue", en, ja);
            }
        }
    }
}

fn prompts(draft: &Draft, flow: &Flow, speech: &Speech, problems: &mut Problems) {
    for part in &speech.parts {
        if let Some(lang) = &part.lang {
            offered(flow, lang, problems);
        }
        let Some(prompt) = draft.prompts.get(&part.prompt.value) else {
            if !draft.unreadable.contains("prompts") {
                let all = draft.prompts.keys().map(PromptId::as_str);
                unknown(problems, part.prompt.at, "unknown_prompt", noun::PROMPT, part.prompt.value.as_str(), all);
            }
            continue;
        };
        let fixed = part.lang.as_ref().map(|lang| &lang.value);
        let heard = flow.languages().filter(|lang| fixed.is_none_or(|fixed| fixed == *lang));
        // A language without any text at all is told once, where it is offered.
        for lang in heard.filter(|lang| prompt.lacks(lang) && draft.has_texts_in(lang)) {
            let en = format!("\"{}\" has no text in {lang}, which the flow \"{}\" offers", part.prompt.value, flow.name);
            let ja = format!("「{}」に {lang} の文がありません。フロー「{}」で使われます。", part.prompt.value, flow.name);
            problems.error(prompt.at, "prompt_lacks_language", en, ja).help(format!("{lang}: \"…\""));
        }
    }
}

/// A menu must be short enough to be remembered, and must name its keys.
fn menu(draft: &Draft, flow: &Flow, step: &StepId, sketch: &Sketch<'_>, problems: &mut Problems) {
    let (Some(menu), Some(named)) = (&sketch.menu, flow.steps.get(step)) else { return };
    if menu.choices > CHOICES_MAX && !menu.list {
        let en = format!("{} choices: nobody remembers more than {CHOICES_MAX}; write list: true if they are all alike", menu.choices);
        let ja = format!(
            "選択肢が {} 個あります。覚えられるのは {CHOICES_MAX} 個までです。同じ種類の一覧なら list: true と書いてください。",
            menu.choices
        );
        problems.warning(named.at, "too_many_choices", en, ja);
    }
    if let Some(speech) = sketch.opening {
        keys(draft, flow, named.at, speech, menu, problems);
    }
}

/// What is offered can be chosen.
fn choosable(flow: &Flow, sketch: &Sketch<'_>, problems: &mut Problems) {
    let Some((at, langs)) = sketch.languages else { return };
    for lang in flow.offered().filter(|lang| !langs.contains(lang)) {
        let en = format!("this flow offers {lang}, but no key chooses it");
        let ja = format!("このフローには {lang} もありますが、選べるキーがありません。");
        problems.error(at, "language_without_key", en, ja).help(format!("keys: {{ \"{}\": {lang} }}", langs.len() + 1));
    }
}

/// A sentence names the keys that there are, and no other.
fn keys(draft: &Draft, flow: &Flow, step: Spot, speech: &Speech, menu: &MenuFacts, problems: &mut Problems) {
    let texts = |lang: &Lang| -> Option<Vec<&str>> {
        let wording = |part: &crate::speech::Part| draft.prompts.get(&part.prompt.value)?.wordings.get(part.lang(lang));
        speech.parts.iter().map(|part| wording(part).map(|wording| wording.text.as_str())).collect()
    };
    // A text that is missing has been complained about.
    let texts: Vec<(&Lang, Vec<&str>)> = flow.languages().filter_map(|lang| Some((lang, texts(lang)?))).collect();
    let named_in = |digit: Digit, named: bool| -> String {
        let says = |texts: &[&str]| texts.iter().any(|text| spoken_key(text, digit).is_some());
        let langs = texts.iter().filter(|(_, texts)| says(texts) == named).map(|(lang, _)| lang.as_str());
        langs.collect::<Vec<_>>().join(", ")
    };
    // star and hash are named by words, in as many ways as there are languages; 0 for a person needs no words.
    for digit in ('0'..='9').filter_map(Digit::from_char) {
        match menu.keys.iter().find(|key| key.value == digit) {
            Some(key) => {
                let silent = named_in(digit, false);
                if digit.event() > 0 && !silent.is_empty() {
                    let en = format!("no sentence of this menu names the key {digit} ({silent})");
                    let ja = format!("このメニューの案内文に、キー {digit} の案内がありません（{silent}）。");
                    problems.warning(key.at, "key_not_spoken", en, ja);
                }
            }
            None => {
                let named_by = named_in(digit, true);
                if !named_by.is_empty() {
                    let en = format!("the sentence names the key {digit}, which this menu does not have ({named_by})");
                    let ja = format!("案内文にあるキー {digit} が、このメニューにはありません（{named_by}）。");
                    problems.warning(step, "key_not_defined", en, ja);
                }
            }
        }
    }
}

/// Whoever hears nothing that they understand is with a queue at once.
fn unvoiced(flow: &Flow, problems: &mut Problems) {
    for (lang, to) in &flow.unvoiced {
        if flow.steps.get(&to.value).is_some_and(|named| named.step.sketch().queue.is_none_or(|_| named.step.sketch().end != End::Person)) {
            let en = format!("nothing speaks {lang}: lead its callers to a queue at once, \"{}\" is none", to.value);
            let ja = format!("{lang} を話す音声はありません。すぐに待ち列へつないでください。「{}」は待ち列ではありません。", to.value);
            problems.error(to.at, "unvoiced_not_queued", en, ja);
        }
    }
}

fn unreachable(flow: &Flow, problems: &mut Problems) {
    let mut seen: BTreeSet<&StepId> = BTreeSet::new();
    let mut next: Vec<&StepId> = vec![&flow.start.value];
    next.extend(flow.defaults.on_error.as_ref().map(|to| &to.value));
    next.extend(flow.unvoiced.values().map(|to| &to.value));
    while let Some(step) = next.pop() {
        if seen.insert(step)
            && let Some(named) = flow.steps.get(step)
        {
            next.extend(named.step.sketch().ways.iter().map(|way| &way.to.value));
        }
    }
    for (step, named) in flow.steps.iter().filter(|(step, _)| !seen.contains(step)) {
        let en = format!("no call ever comes to the step \"{step}\"");
        let ja = format!("ステップ「{step}」にはどこからも来られません。");
        problems.error(named.at, "unreachable_step", en, ja);
    }
}

/// Ways that need nothing of the caller, again and again.
fn goes_by_itself(way: &Way<'_>) -> bool {
    match way.by {
        By::Itself | By::Silence | By::Hours { .. } | By::Answer | By::Refused => true,
        // A rung is climbed once per caller.
        By::Key(_) | By::BadKey | By::Waited => false,
    }
}

/// A circle that nobody has to do anything to stay in. True if there is one.
fn silent_circles(flow: &Flow, problems: &mut Problems) -> bool {
    let mut search = Circles { flow, trail: Vec::new(), done: BTreeSet::new(), found: BTreeSet::new() };
    for step in flow.steps.keys() {
        search.from(step, problems);
    }
    !search.found.is_empty()
}

struct Circles<'a> {
    flow: &'a Flow,
    trail: Vec<&'a StepId>,
    done: BTreeSet<&'a StepId>,
    /// Each circle is told once, however many ways close it.
    found: BTreeSet<String>,
}

impl<'a> Circles<'a> {
    fn from(&mut self, step: &'a StepId, problems: &mut Problems) {
        let Some(named) = self.flow.steps.get(step).filter(|_| self.done.insert(step)) else { return };
        self.trail.push(step);
        for way in named.step.sketch().ways.iter().filter(|way| goes_by_itself(way)) {
            let to = &way.to.value;
            match self.trail.iter().position(|on| *on == to) {
                Some(begin) => {
                    let names = self.trail.iter().skip(begin).map(|s| s.as_str()).chain([to.as_str()]);
                    let circle = names.collect::<Vec<_>>().join(" > ");
                    if self.found.insert(circle.clone()) {
                        let en = format!("a caller who presses nothing goes round in a circle: {circle}");
                        let ja = format!("何も押さない人が同じところを回り続けます: {circle}");
                        problems.error(way.to.at, "silent_circle", en, ja);
                    }
                }
                None => self.from(to, problems),
            }
        }
        self.trail.pop();
    }
}

/// Whoever presses nothing must come to people. Only when we are closed may an announcement be the end, and only where no key leads to
/// people or to a message either.
fn silent_ends(flow: &Flow, problems: &mut Problems) {
    let mut seen: BTreeSet<(&StepId, bool)> = BTreeSet::new();
    let mut next: Vec<(&At<StepId>, bool)> = vec![(&flow.start, false)];
    // Whoever is offered a callback has waited: doing nothing must bring them back, whatever the hour.
    for named in flow.steps.values() {
        let sketch = named.step.sketch();
        next.extend(sketch.ways.iter().filter(|way| sketch.callback.is_some() && way.by == By::Silence).map(|way| (way.to, false)));
    }
    while let Some((to, closed)) = next.pop() {
        let Some(named) = flow.steps.get(&to.value).filter(|_| seen.insert((&to.value, closed))) else { continue };
        let sketch = named.step.sketch();
        match sketch.end {
            End::Person | End::Claim => {}
            End::HangUp if closed => {}
            End::HangUp => {
                let en = format!("a caller who presses nothing is hung up on at \"{}\"; lead silence to a queue", to.value);
                let ja = format!("何も押さない人の電話が「{}」で切れます。待ち列につないでください。", to.value);
                problems.error(to.at, "silence_hangs_up", en, ja);
            }
            End::Open => {
                for way in &sketch.ways {
                    match way.by {
                        By::Silence => next.push((way.to, closed && !keys_reach_people(flow, &sketch))),
                        By::Itself | By::Answer => next.push((way.to, closed)),
                        By::Hours { closed: shut } => next.push((way.to, closed || shut)),
                        By::Key(_) | By::BadKey | By::Refused | By::Waited => {}
                    }
                }
            }
        }
    }
}

/// Whether a key of this step leads to people, or to something that they will answer, while we are closed.
fn keys_reach_people(flow: &Flow, sketch: &Sketch<'_>) -> bool {
    let mut seen: BTreeSet<&StepId> = BTreeSet::new();
    let mut next: Vec<&StepId> = sketch.ways.iter().filter(|way| matches!(way.by, By::Key(_))).map(|way| &way.to.value).collect();
    while let Some(step) = next.pop() {
        let Some(named) = flow.steps.get(step).filter(|_| seen.insert(step)) else { continue };
        let sketch = named.step.sketch();
        if matches!(sketch.end, End::Person | End::Claim) {
            return true;
        }
        next.extend(sketch.ways.iter().filter(|way| way.by != By::Hours { closed: false }).map(|way| &way.to.value));
    }
    false
}

/// A caller who errs, or whom something fails, is not hung up on.
fn mishaps(flow: &Flow, problems: &mut Problems) {
    let hangs_up = |to: &At<StepId>| flow.steps.get(&to.value).is_some_and(|named| named.step.sketch().end == End::HangUp);
    let sketches: Vec<_> = flow.steps.values().map(|named| named.step.sketch()).collect();
    let bad_keys = sketches.iter().flat_map(|sketch| &sketch.ways).filter(|way| way.by == By::BadKey).map(|way| way.to);
    let mut told: BTreeSet<Spot> = BTreeSet::new();
    for to in bad_keys.chain(&flow.defaults.on_error).filter(|to| hangs_up(to)) {
        if told.insert(to.at) {
            let en = format!("callers are hung up on at \"{}\" when something goes wrong; lead them to a queue", to.value);
            let ja = format!("うまくいかなかった人の電話が「{}」で切れます。待ち列につないでください。", to.value);
            problems.warning(to.at, "mishap_hangs_up", en, ja);
        }
    }
}

/// Key presses to each step, at least.
fn presses(flow: &Flow, closed_too: bool) -> BTreeMap<&StepId, u32> {
    let mut least: BTreeMap<&StepId, u32> = BTreeMap::new();
    let mut next: VecDeque<(&StepId, u32)> = VecDeque::from([(&flow.start.value, 0)]);
    while let Some((step, count)) = next.pop_front() {
        if least.get(step).is_some_and(|least| *least <= count) {
            continue;
        }
        least.insert(step, count);
        let Some(named) = flow.steps.get(step) else { continue };
        let sketch = named.step.sketch();
        for way in sketch.ways.iter().filter(|_| matches!(sketch.end, End::Open | End::Claim)) {
            match way.by {
                By::Hours { closed } if closed && !closed_too => {}
                By::Itself | By::Hours { .. } | By::Answer => next.push_front((&way.to.value, count)),
                By::Key(_) => next.push_back((&way.to.value, count + way.presses())),
                By::Silence | By::BadKey | By::Refused | By::Waited => {}
            }
        }
    }
    least
}

/// A person is never more than two keys away, and a menu never more than three menus deep.
fn nearness(flow: &Flow, problems: &mut Problems) {
    let is_person = |step: &StepId| flow.steps.get(step).is_some_and(|named| named.step.sketch().end == End::Person);
    match presses(flow, false).into_iter().filter(|(step, _)| is_person(step)).map(|(_, count)| count).min() {
        Some(count) if count <= PRESSES_MAX => {}
        Some(count) => {
            let en = format!("{count} key presses to the nearest person; {PRESSES_MAX} are allowed");
            let ja = format!("いちばん近い担当者までキーを {count} 回押す必要があります。{PRESSES_MAX} 回までにしてください。");
            problems.error(flow.start.at, "far_from_human", en, ja);
        }
        None => {
            let (en, ja) = ("no key of this flow leads to a person", "このフローでは、どのキーを押しても担当者につながりません。");
            problems.error(flow.start.at, "far_from_human", en, ja);
        }
    }
    for (step, count) in presses(flow, true) {
        if let Some(named) = flow.steps.get(step).filter(|named| named.step.sketch().menu.is_some())
            && count + 1 > DEPTH_MAX
        {
            let en = format!("this menu is number {} on its way; more than {DEPTH_MAX} wear callers out", count + 1);
            let ja =
                format!("このメニューは {} 段目です。{DEPTH_MAX} 段までにしてください。深いと、かけた方が途中であきらめます。", count + 1);
            problems.warning(named.at, "too_deep_menu", en, ja);
        }
    }
}

fn budgets(draft: &Draft, known: &Known, flow: &Flow, problems: &mut Problems) {
    let promises = [
        (&flow.budget.pressing, Caller::Pressing, "a caller who presses keys reaches people", "キーを押す人が担当者につながるまで"),
        (&flow.budget.silent, Caller::Silent, "a caller who presses nothing reaches people", "何も押さない人が担当者につながるまで"),
    ];
    for (allowed, caller, en, ja) in promises {
        let Some((allowed, longest)) = allowed.as_ref().zip(longest(draft, known, flow, caller)) else { continue };
        if longest.time > allowed.value {
            let (takes, may, way) = (seconds(longest.time), seconds(allowed.value), longest.way());
            let en = format!("{en} after {takes} s at worst, {may} s are allowed: {way}");
            let ja = format!("{ja}、最も長い経路で {takes} 秒かかります（上限 {may} 秒）: {way}");
            problems.error(allowed.at, "over_budget", en, ja);
        }
    }
    if let Some((allowed, longest)) = flow.budget.mandatory.as_ref().zip(longest(draft, known, flow, Caller::Patient))
        && longest.time > allowed.value
    {
        let (takes, may) = (seconds(longest.time), seconds(allowed.value));
        let en = format!("{takes} s of speech cannot be interrupted, {may} s are allowed: {}", longest.way());
        let ja = format!("途中で止められない案内が {takes} 秒あります（上限 {may} 秒）: {}", longest.way());
        problems.error(allowed.at, "over_budget", en, ja);
    }
}

/// `7`, `7.4`.
fn seconds(time: Duration) -> String {
    let tenths = time.as_millis().div_ceil(100);
    if tenths.is_multiple_of(10) { format!("{}", tenths / 10) } else { format!("{}.{}", tenths / 10, tenths % 10) }
}
