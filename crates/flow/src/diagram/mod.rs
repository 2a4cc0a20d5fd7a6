//! A flow as a picture: each step a box, each way a line, what `check` has found marked where it stands.
//!
//! Everything comes from what a step lays open of itself (`Step::sketch`), so that a step of any kind is drawn. The same texts give the
//! same picture to the byte.

mod layout;
mod mermaid;
mod svg;
mod text;

use crate::budget::{self, longest};
use crate::check::Known;
use crate::draft::{Draft, Source};
use crate::problem::{At, Problem, Severity, Spot, Tongue};
use crate::program::{Flow, Set};
use crate::speech::Speech;
use crate::steps::{By, End, Sketch, Way};
use model::{FlowName, Lang, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Menus of one flow for which the way to people is measured; more would take longer than anybody waits for a picture.
const MEASURED_MAX: usize = 40;

/// One flow, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Diagram {
    name: FlowName,
    path: String,
    tongue: Tongue,
    /// Under the name: the note, and how soon callers are in people's hands.
    subtitle: Vec<String>,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    marks: Vec<Mark>,
}

/// A step.
#[derive(Clone, Debug)]
struct Node {
    name: String,
    kind: Kind,
    start: bool,
    /// What it is, in a word or two.
    about: String,
    /// What is heard first, in quotes; of several questions each, after its name.
    says: Vec<String>,
    /// What else is to be known.
    facts: Vec<String>,
    /// Numbers of the problems that stand in it.
    marks: Vec<usize>,
}

/// What a step is to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Something is said, and it goes on.
    Say,
    /// The caller chooses.
    Menu,
    /// The calendar decides.
    Hours,
    /// Waits for a person.
    Queue,
    /// Is put through to a line outside.
    Transfer,
    /// The wish is written down, and somebody calls back.
    Claim,
    /// The call ends.
    HangUp,
    /// Something else that the caller does not notice.
    Quiet,
    /// Named somewhere, but not there, or not readable.
    Missing,
}

/// A way, or several that lead alike from one step to another.
#[derive(Clone, Debug)]
struct Edge {
    from: usize,
    to: usize,
    pace: Pace,
    words: String,
}

/// Who takes a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pace {
    /// Everybody.
    Itself,
    /// Whoever presses a key.
    Key,
    /// Whoever does nothing, or presses what means nothing.
    Silence,
    /// Whoever is not taken, or has waited.
    Otherwise,
}

/// A problem, by its number from 1.
#[derive(Clone, Debug)]
struct Mark {
    severity: Severity,
    place: String,
    sentence: String,
}

/// Every flow of a draft as a picture, with the problems that [`check`](crate::check) found. `sources` are the texts that the draft was
/// read from; the words on the picture are in `tongue`, and so are the sentences of callers if the flow offers that language.
pub fn diagrams(draft: &Draft, known: &Known, problems: &[Problem], sources: &[Source], tongue: Tongue) -> Vec<Diagram> {
    draft.flows.values().map(|flow| Artist { draft, known, flow, tongue }.draw(problems, sources)).collect()
}

impl Diagram {
    /// The flow's name.
    pub fn name(&self) -> &FlowName {
        &self.name
    }
    /// The file that it is written in, as it was named in its [`Source`].
    pub fn path(&self) -> &str {
        &self.path
    }
    /// As Scalable Vector Graphics (SVG 1.1), complete in itself.
    pub fn svg(&self) -> String {
        svg::page(self)
    }
    /// As a Mermaid flowchart, as wikis and code hosts show it.
    pub fn mermaid(&self) -> String {
        mermaid::page(self)
    }
}

/// In the reader's language.
fn word(tongue: Tongue, en: &'static str, ja: &'static str) -> &'static str {
    match tongue {
        Tongue::En => en,
        Tongue::Ja => ja,
    }
}

struct Artist<'a> {
    draft: &'a Draft,
    known: &'a Known,
    flow: &'a Flow,
    tongue: Tongue,
}

impl Artist<'_> {
    fn draw(&self, problems: &[Problem], sources: &[Source]) -> Diagram {
        let order = self.steps_in_order();
        let number: BTreeMap<&StepId, usize> = order.iter().enumerate().map(|(index, step)| (*step, index)).collect();
        let mut nodes: Vec<Node> = order.iter().map(|step| self.node(step)).collect();
        let mut edges: Vec<Edge> = Vec::new();
        for (from, step) in order.iter().enumerate() {
            let Some(named) = self.flow.steps.get(*step) else { continue };
            for (to, pace, words) in self.bundles(&named.step.sketch()) {
                match number.get(to) {
                    // A line from a box to itself says less than a word in the box.
                    Some(to) if *to == from => nodes[from].facts.push(format!("↺ {words}")),
                    Some(to) => edges.push(Edge { from, to: *to, pace, words }),
                    None => {}
                }
            }
        }
        let path = self.draft.problems.path(self.flow.at.file).to_owned();
        let marks = self.mark(&path, problems, sources, &number, &mut nodes);
        Diagram { name: self.flow.name.clone(), path, tongue: self.tongue, subtitle: self.subtitle(), nodes, edges, marks }
    }

    fn word(&self, en: &'static str, ja: &'static str) -> &'static str {
        word(self.tongue, en, ja)
    }

    /// From the start on, each step before those that it leads to; then what no way leads to; then names without a step.
    fn steps_in_order(&self) -> Vec<&StepId> {
        let mut order: Vec<&StepId> = Vec::new();
        let mut seen: BTreeSet<&StepId> = BTreeSet::new();
        for root in std::iter::once(&self.flow.start.value).chain(self.flow.steps.keys()).chain(&self.flow.broken) {
            if !seen.insert(root) {
                continue;
            }
            let mut next = order.len();
            order.push(root);
            while let Some(step) = order.get(next).copied() {
                next += 1;
                for way in self.flow.steps.get(step).map(|named| named.step.sketch().ways).unwrap_or_default() {
                    if seen.insert(&way.to.value) {
                        order.push(&way.to.value);
                    }
                }
            }
        }
        order
    }

    fn node(&self, step: &StepId) -> Node {
        let start = *step == self.flow.start.value;
        let Some(named) = self.flow.steps.get(step) else {
            let broken = self.flow.broken.contains(step);
            let about = if broken {
                self.word("cannot be read", "読めません")
            } else {
                self.word("there is no such step", "このステップはありません")
            };
            let (name, about) = (step.to_string(), about.to_owned());
            return Node { name, kind: Kind::Missing, start, about, says: Vec::new(), facts: Vec::new(), marks: Vec::new() };
        };
        let sketch = named.step.sketch();
        let kind = kind(&sketch);
        let mut facts = Vec::new();
        if matches!(kind, Kind::Menu | Kind::Claim) && self.measured().contains(step) {
            facts.extend(self.to_people(step));
        }
        Node { name: step.to_string(), kind, start, about: self.about(kind, &sketch), says: self.says(&sketch), facts, marks: Vec::new() }
    }

    /// `queue 看護 · high`.
    fn about(&self, kind: Kind, sketch: &Sketch<'_>) -> String {
        let queue = || {
            let queue = sketch.queue.map(|queue| self.draft.queues.get(&queue.value).map_or(queue.value.as_str(), |e| &e.queue.label));
            let class = [None, Some(self.word("high", "優先")), Some(self.word("urgent", "緊急"))].get(usize::from(sketch.class)).copied();
            queue.into_iter().chain(class.flatten()).collect::<Vec<_>>().join(" · ")
        };
        let (title, more) = match kind {
            Kind::Say => match sketch.lookup {
                Some(lookup) => (self.word("looks up", "問い合わせ"), lookup.value.to_string()),
                None => (self.word("says", "案内"), String::new()),
            },
            Kind::Menu => (self.word("asks for a key", "キーを待つ"), String::new()),
            Kind::Hours => (self.word("hours", "時間帯"), sketch.schedule.map(|s| s.value.to_string()).unwrap_or_default()),
            Kind::Queue => (self.word("queue", "待ち列"), queue()),
            Kind::Transfer => (self.word("transfer to", "転送"), self.target(sketch)),
            Kind::Claim => {
                let hours = sketch.callback.map(|hours| format!("{} {}", self.word("hours", "時間帯"), hours.value));
                let more = std::iter::once(queue()).filter(|queue| !queue.is_empty()).chain(hours).collect::<Vec<_>>().join(" · ");
                let callback = self.word("callback", "折り返し");
                (if sketch.callback.is_some() { callback } else { self.word("written down", "お預かり") }, more)
            }
            Kind::HangUp => (self.word("says, then hangs up", "案内して切る"), String::new()),
            Kind::Quiet => (self.word("goes on", "次へ"), String::new()),
            Kind::Missing => ("", String::new()),
        };
        if more.is_empty() { title.to_owned() } else { format!("{title} {more}") }
    }

    /// A line's name with its gaps as they are written.
    fn target(&self, sketch: &Sketch<'_>) -> String {
        let Some(target) = sketch.target else { return String::new() };
        let gaps: Vec<(&str, String)> = target.gaps().map(|gap| (gap, format!("{{{gap}}}"))).collect();
        let as_written =
            |gap: &str| gaps.iter().filter(|(name, _)| *name == gap).map(|(_, text)| (text.as_str(), Spot::default())).collect();
        target.names(as_written).into_iter().map(|(name, _)| name).next().unwrap_or_default()
    }

    /// What is heard first; where nothing but questions is heard, each of them.
    fn says(&self, sketch: &Sketch<'_>) -> Vec<String> {
        let quoted = |speech: &Speech| format!("“{}”", self.words_of(speech));
        match sketch.opening {
            None if sketch.questions.len() > 1 => {
                let names = sketch.gives.iter().map(|given| &given.name.value);
                names.zip(&sketch.questions).map(|(name, (speech, _))| format!("{name}: {}", quoted(speech))).collect()
            }
            opening => opening.or_else(|| sketch.speeches.first().copied()).map(quoted).into_iter().collect(),
        }
    }

    /// In the reader's language if the flow offers it.
    fn words_of(&self, speech: &Speech) -> String {
        let wanted = Lang::from(self.word("en", "ja"));
        let lang = self.flow.languages().find(|lang| **lang == wanted).unwrap_or(&self.flow.default_lang.value);
        let wording = |part: &crate::speech::Part| {
            let wordings = &self.draft.prompts.get(&part.prompt.value)?.wordings;
            Some(wordings.get(part.lang(lang)).or_else(|| wordings.values().next())?.text.clone())
        };
        let texts = speech.parts.iter().map(|part| wording(part).unwrap_or_else(|| format!("[{}]", part.prompt.value)));
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Steps for which the way to people is measured.
    fn measured(&self) -> BTreeSet<&StepId> {
        let asks = |step: &&StepId| self.flow.steps.get(*step).is_some_and(|named| named.step.sketch().menu.is_some());
        self.steps_in_order().into_iter().filter(asks).take(MEASURED_MAX).collect()
    }

    /// `to a person ≤ keys 12 s, silent 40 s`, from one step on. As under the name, nobody is counted through a step twice: what everybody
    /// passed on the way here is behind them, but for the queue that they go back to.
    fn to_people(&self, step: &StepId) -> Option<String> {
        let mut from = Flow { start: At { value: step.clone(), at: self.flow.start.at }, ..self.flow.clone() };
        from.steps.retain(|other, named| other == step || named.step.sketch().end == End::Person || !self.is_before(other, step));
        let time = |caller| {
            // Whoever presses nothing hears the language of the house.
            let langs = from.languages().filter(|lang| caller == budget::Caller::Pressing || **lang == from.default_lang.value);
            let in_lang = |lang: &Lang| {
                let spoken = Flow { default_lang: At { value: lang.clone(), at: from.default_lang.at }, ..from.clone() };
                longest(self.draft, self.known, &spoken, caller).map(|way| way.time)
            };
            langs.filter_map(in_lang).max().filter(|time| !time.is_zero()).map(|time| seconds(self.tongue, time))
        };
        let (pressing, silent) = (time(budget::Caller::Pressing), time(budget::Caller::Silent));
        let pressing = pressing.map(|time| format!("{} {time}", self.word("keys", "押す人")));
        let silent = silent.map(|time| format!("{} {time}", self.word("silent", "押さない人")));
        let both = pressing.into_iter().chain(silent).collect::<Vec<_>>().join(self.word(", ", "、"));
        (!both.is_empty()).then(|| format!("{} {both}", self.word("to a person ≤", "担当者まで最長:")))
    }

    /// Whether every way from the start to a step leads through another one.
    fn is_before(&self, other: &StepId, step: &StepId) -> bool {
        let mut seen: BTreeSet<&StepId> = BTreeSet::new();
        let mut open = vec![&self.flow.start.value];
        while let Some(at) = open.pop() {
            if at == step {
                return false;
            }
            if at != other && seen.insert(at) {
                let sketch = self.flow.steps.get(at).map(|named| named.step.sketch());
                open.extend(sketch.into_iter().flat_map(|sketch| sketch.ways).map(|way| &way.to.value));
            }
        }
        true
    }

    fn subtitle(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.flow.note.is_empty() {
            lines.push(self.flow.note.clone());
        }
        let budget = &self.flow.budget;
        let promises = [
            (budget::Caller::Pressing, &budget.pressing, self.word("pressing keys", "キーを押す人")),
            (budget::Caller::Silent, &budget.silent, self.word("pressing nothing", "何も押さない人")),
        ];
        let promise = |(caller, allowed, who): (budget::Caller, &Option<At<Duration>>, &str)| {
            let way = longest(self.draft, self.known, self.flow, caller)?;
            let allowed =
                allowed.as_ref().map(|allowed| format!(" ({} {})", self.word("allowed", "上限"), seconds(self.tongue, allowed.value)));
            Some(format!("{who} {}{}", seconds(self.tongue, way.time), allowed.unwrap_or_default()))
        };
        let promises = promises.into_iter().filter_map(promise).collect::<Vec<_>>().join(self.word("; ", "、"));
        if !promises.is_empty() {
            lines.push(format!("{}{promises}", self.word("To a person at worst: ", "担当者につながるまで最長: ")));
        }
        if let Some(to) = &self.flow.defaults.on_error {
            lines.push(format!("{}{}", self.word("Whatever goes wrong leads to: ", "思わぬ障害のときの行き先: "), to.value));
        }
        lines
    }

    /// The ways of a step, those that lead alike to the same step as one.
    fn bundles<'s>(&self, sketch: &Sketch<'s>) -> Vec<(&'s StepId, Pace, String)> {
        let kind = kind(sketch);
        let mut bundles: Vec<(&StepId, Pace, Vec<String>)> = Vec::new();
        let mut keys: BTreeMap<(&StepId, String), Vec<char>> = BTreeMap::new();
        for way in &sketch.ways {
            let to = &way.to.value;
            let pace = pace(way.by);
            let at = bundles.iter().position(|(other, paced, _)| *other == to && *paced == pace).unwrap_or_else(|| {
                bundles.push((to, pace, Vec::new()));
                bundles.len() - 1
            });
            if let Some(keys) = answers(sketch, way) {
                bundles[at].2.push(keys);
            } else if let By::Key(digit) = way.by {
                keys.entry((to, set(way.set))).or_default().push(digit.as_char());
            } else {
                let words = self.by(way, kind);
                let all = &mut bundles[at].2;
                if !words.is_empty() && !all.contains(&words) {
                    all.push(words);
                }
            }
        }
        let apart = self.word(", ", "、");
        let keyed = |to: &StepId| {
            let mut here: Vec<(&(&StepId, String), &Vec<char>)> = keys.iter().filter(|((other, _), _)| *other == to).collect();
            here.sort_by_key(|(_, keys)| keys.first().copied());
            // Many keys that lead alike and differ in what they set: which is which stands in the sentence.
            if here.len() > 3 {
                let names: BTreeSet<&str> =
                    here.iter().filter_map(|((_, set), _)| set.split('=').next().filter(|n| !n.is_empty())).collect();
                let mut all: Vec<char> = here.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
                all.sort_unstable();
                let set = if names.is_empty() { String::new() } else { format!(" ({})", names.into_iter().collect::<Vec<_>>().join(", ")) };
                return format!("{}{set}", runs(&all));
            }
            let named =
                here.into_iter().map(|((_, set), keys)| if set.is_empty() { runs(keys) } else { format!("{} ({set})", runs(keys)) });
            named.collect::<Vec<_>>().join(apart)
        };
        let words = |(to, pace, words): (&'s StepId, Pace, Vec<String>)| {
            let words = match pace {
                Pace::Key if words.is_empty() => keyed(to),
                Pace::Key => words.join(self.word("; ", "；")),
                Pace::Itself | Pace::Silence | Pace::Otherwise => words.join(apart),
            };
            (to, pace, words)
        };
        bundles.into_iter().map(words).collect()
    }

    /// Why a way is taken, but for keys.
    fn by(&self, way: &Way<'_>, kind: Kind) -> String {
        // A question that is asked on the way has its own pause.
        let (pause, said) = way.beats.first().map_or((way.pause, way.times), |beat| (beat.pause, beat.times));
        let times = |words: &str, times: u32| if times > 1 { format!("{words} ×{times}") } else { words.to_owned() };
        let set = set(way.set);
        let words = match way.by {
            By::Itself => String::new(),
            By::Key(digit) => digit.to_string(),
            By::Silence => times(&format!("{} {}", self.word("silence", "無音"), seconds(self.tongue, pause)), said),
            By::BadKey => times(self.word("other keys", "別のキー"), way.times),
            By::Hours { closed: false } => self.word("open", "開いている").to_owned(),
            By::Hours { closed: true } => self.word("closed", "閉まっている").to_owned(),
            By::Answer => way.word.unwrap_or_default().to_owned(),
            By::Refused => match kind {
                Kind::Queue => self.word("full, or nobody there", "満杯・不在"),
                Kind::Transfer => self.word("not reached", "つながらない"),
                Kind::Claim => self.word("not possible", "できないとき"),
                Kind::Say | Kind::Menu | Kind::Hours | Kind::HangUp | Kind::Quiet | Kind::Missing => self.word("otherwise", "それ以外"),
            }
            .to_owned(),
            By::Waited => self.word("by the wait", "待ち時間により").to_owned(),
        };
        if set.is_empty() { words } else { format!("{words} ({set})") }
    }

    /// Numbers the problems that stand in this flow or in what it speaks and asks for, and marks the steps.
    fn mark(
        &self,
        path: &str,
        problems: &[Problem],
        sources: &[Source],
        number: &BTreeMap<&StepId, usize>,
        nodes: &mut [Node],
    ) -> Vec<Mark> {
        let lines = self.step_lines(path, sources);
        let mut marks = Vec::new();
        for problem in problems {
            let steps: Vec<&StepId> = if problem.path == path {
                lines.range(..=problem.line).next_back().map(|(_, step)| *step).into_iter().collect()
            } else {
                self.steps_that_speak(problem).into_iter().chain(self.steps_that_queue(problem)).collect()
            };
            // Of another file only what a step of this flow uses.
            if steps.is_empty() && problem.path != path {
                continue;
            }
            let place = format!("{}:{}", problem.path, problem.line);
            marks.push(Mark { severity: problem.severity, place, sentence: problem.sentence(self.tongue).to_owned() });
            for step in steps {
                if let Some(node) = number.get(step).and_then(|index| nodes.get_mut(*index)) {
                    node.marks.push(marks.len());
                }
            }
        }
        marks
    }

    /// The line on which each step begins. One that could not be read is found by its name.
    fn step_lines(&self, path: &str, sources: &[Source]) -> BTreeMap<u32, &StepId> {
        let mut lines: BTreeMap<u32, &StepId> = self.flow.steps.iter().map(|(step, named)| (named.at.line, step)).collect();
        let text = sources.iter().find(|source| source.path == path).map_or("", |source| &source.text);
        for step in &self.flow.broken {
            let begins = |line: &str| {
                line.trim_start()
                    .trim_start_matches(['"', '\''])
                    .strip_prefix(step.as_str())
                    .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':') && line.starts_with(' '))
            };
            lines.extend((1..).zip(text.lines()).find(|(_, line)| begins(line)).map(|(line, _)| (line, step)));
        }
        lines
    }

    fn steps_that_speak(&self, problem: &Problem) -> Vec<&StepId> {
        let here = |at: Spot| self.draft.problems.path(at.file) == problem.path && at.line <= problem.line;
        let Some((prompt, _)) = self.draft.prompts.iter().filter(|(_, p)| here(p.at)).max_by_key(|(_, p)| p.at) else { return Vec::new() };
        let speaks = |sketch: &Sketch<'_>| sketch.speeches.iter().flat_map(|s| &s.parts).any(|part| part.prompt.value == *prompt);
        self.flow.steps.iter().filter(|(_, named)| speaks(&named.step.sketch())).map(|(step, _)| step).collect()
    }

    fn steps_that_queue(&self, problem: &Problem) -> Vec<&StepId> {
        let here = |at: Spot| self.draft.problems.path(at.file) == problem.path && at.line <= problem.line;
        let Some((queue, _)) = self.draft.queues.iter().filter(|(_, e)| here(e.at)).max_by_key(|(_, e)| e.at) else { return Vec::new() };
        let waits = |sketch: &Sketch<'_>| sketch.queue.is_some_and(|other| other.value == *queue);
        self.flow.steps.iter().filter(|(_, named)| waits(&named.step.sketch())).map(|(step, _)| step).collect()
    }
}

/// From what a step lays open, whatever its word.
fn kind(sketch: &Sketch<'_>) -> Kind {
    let by = |takes: fn(By) -> bool| sketch.ways.iter().any(|way| takes(way.by));
    if sketch.callback.is_some() || sketch.end == End::Claim {
        Kind::Claim
    } else if sketch.target.is_some() {
        Kind::Transfer
    } else if sketch.end == End::Person {
        Kind::Queue
    } else if sketch.end == End::HangUp {
        Kind::HangUp
    } else if sketch.menu.is_some() || by(|by| matches!(by, By::Key(_) | By::Silence)) {
        Kind::Menu
    } else if sketch.schedule.is_some() || by(|by| matches!(by, By::Hours { .. })) {
        Kind::Hours
    } else if sketch.opening.is_some() {
        Kind::Say
    } else {
        Kind::Quiet
    }
}

fn pace(by: By) -> Pace {
    match by {
        By::Itself | By::Hours { .. } | By::Answer => Pace::Itself,
        By::Key(_) => Pace::Key,
        By::Silence | By::BadKey => Pace::Silence,
        By::Refused | By::Waited => Pace::Otherwise,
    }
}

/// `breath 2 → fever 1 (priority=high)`: the keys of each question on a way through several. `None` on any other way.
fn answers(sketch: &Sketch<'_>, way: &Way<'_>) -> Option<String> {
    if sketch.opening.is_some() || sketch.questions.len() < 2 || pace(way.by) != Pace::Key {
        return None;
    }
    let keys = |keys: &[model::Digit]| runs(&keys.iter().map(|key| key.as_char()).collect::<Vec<_>>());
    let asked = way.gives.iter().zip(&way.beats).map(|(name, beat)| format!("{name} {}", keys(&beat.keys)));
    let (asked, set) = (asked.collect::<Vec<_>>().join(" → "), set(way.set));
    Some(if set.is_empty() { asked } else { format!("{asked} ({set})") })
}

/// `lang=en`, `ward=kawasaki`.
fn set(set: Option<&Set>) -> String {
    let Some(set) = set else { return String::new() };
    let lang = set.lang.iter().map(|lang| format!("lang={}", lang.value));
    let class = set.class.and_then(|class| ["normal", "high", "urgent"].get(usize::from(class))).map(|class| format!("priority={class}"));
    let words = set.variables.iter().map(|(name, value)| format!("{}={}", name.value, value.value));
    lang.chain(class).chain(words).collect::<Vec<_>>().join(", ")
}

/// Keys in few signs: `1–7`, `1, 2, *`.
fn runs(keys: &[char]) -> String {
    let mut runs: Vec<(char, char)> = Vec::new();
    for key in keys {
        match runs.last_mut() {
            Some((_, last)) if key.is_ascii_digit() && u32::from(*last) + 1 == u32::from(*key) => *last = *key,
            _ => runs.push((*key, *key)),
        }
    }
    let run = |(first, last): (char, char)| match u32::from(last) - u32::from(first) {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
}

/// `7 s`, `7秒`, rounded up.
fn seconds(tongue: Tongue, time: Duration) -> String {
    let whole = time.as_millis().div_ceil(1000);
    match tongue {
        Tongue::En => format!("{whole} s"),
        Tongue::Ja => format!("{whole}秒"),
    }
}

#[cfg(test)]
mod tests;
