//! One flow file: named steps, where a call begins, and what every step inherits.

use crate::calendar::Hours;
use crate::decode::{Fields, UpTo, is_name, missing, noun, unknown};
use crate::problem::{At, Problems, Spot};
use crate::prompts::is_language;
use crate::schema::{Shape, Value, may, must};
use crate::steps::{self, By, End, Step};
use crate::tree::{Key, Node};
use model::{FlowName, Lang, PromptId, QueueId, ScheduleId, StepId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Steps of one flow.
const STEPS_MAX: usize = 500;
/// Languages of one flow.
const LANGUAGES_MAX: usize = 32;

/// Words that a flow can remember of one caller.
pub(crate) const VARIABLES_MAX: usize = 16;

/// Classes of callers, the lowest first.
pub(crate) const CLASSES: [&str; 3] = ["normal", "high", "urgent"];

/// The words of a flow file, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "flow",
    en: "A flow: named steps, where a call begins, and what every step inherits.",
    ja: "フロー。名前の付いたステップ、始まりのステップ、全ステップに共通の設定。",
    words: &[
        must(
            "flow",
            Value::Name(noun::FLOW),
            "Its name, which config/numbers.yaml leads to.",
            "フローの名前。config/numbers.yaml で番号と結びます。",
        ),
        may("note", Value::Text, "What changed, for the history.", "変更の覚え書き。"),
        must("languages", Value::Map(&LANGUAGES), "The languages that callers may choose.", "お客様が選べる言語。"),
        may("budget", Value::Map(&BUDGET), "Promises on how soon a caller is handed to people.", "担当者につながるまでの時間の約束。"),
        may("defaults", Value::Map(&DEFAULTS), "What every step inherits.", "全ステップに共通の設定。"),
        must("start", Value::Name(noun::STEP), "Where a call begins.", "最初のステップ。"),
        must("steps", Value::Each(crate::schema::NAME, &Value::Step), "The steps, by their names.", "ステップ。名前を付けて書きます。"),
    ],
    rest: None,
};

const LANGUAGES: Shape = Shape {
    name: "flow/languages",
    en: "The languages that callers may choose.",
    ja: "お客様が選べる言語。",
    words: &[
        must("default", Value::Name(noun::LANGUAGE), "For whoever has not chosen.", "選ばなかった方の言語。"),
        may("offer", Value::List(&Value::Name(noun::LANGUAGE)), "All that can be chosen.", "選べる言語すべて。"),
        may(
            "unvoiced",
            Value::Each(crate::schema::LANG, &Value::Name(noun::STEP)),
            "Languages that nothing speaks, and the queue that takes whoever chooses one.",
            "音声のない言語と、選んだ方をお受けする待ち列のステップ。",
        ),
    ],
    rest: None,
};

const BUDGET: Shape = Shape {
    name: "flow/budget",
    en: "Promises that `check` holds the flow to, from the real lengths of the sentences.",
    ja: "check が案内文の実際の長さから確かめる約束。",
    words: &[
        may("to_human", Value::Map(&TO_HUMAN), "How soon a caller is handed to people.", "担当者につながるまでの時間。"),
        may("mandatory_speech", Value::Time, "Speech that nobody can interrupt, at most.", "途中で止められない案内の長さの上限。"),
    ],
    rest: None,
};

const TO_HUMAN: Shape = Shape {
    name: "flow/budget/to_human",
    en: "How soon a caller is handed to people.",
    ja: "担当者につながるまでの時間。",
    words: &[
        may("pressing", Value::Time, "For whoever presses each key as soon as it is named.", "読み上げられたキーをすぐ押す方。"),
        may("silent", Value::Time, "For whoever presses nothing.", "何も押さない方。"),
    ],
    rest: None,
};

const DEFAULTS: Shape = Shape {
    name: "flow/defaults",
    en: "What every step inherits.",
    ja: "全ステップに共通の設定。",
    words: &[
        may("no_input", Value::Map(&NO_INPUT), "When nothing is pressed.", "何も押されないとき。"),
        may("bad_key", Value::Map(&BAD_KEY), "When a key is pressed that means nothing.", "使えないキーが押されたとき。"),
        may(
            "barge_in",
            Value::Truth,
            "Whether a key stops a sentence and counts; it does, if left out.",
            "案内の途中でもキーを受け付けるか。書かなければ受け付けます。",
        ),
        must(
            "on_error",
            Value::Name(noun::STEP),
            "Where a caller goes when something unexpected happens.",
            "思いがけないことが起きたときの行き先。",
        ),
        may(
            "outcomes",
            Value::Map(&OUTCOMES),
            "Where callers go whom a queue or a line does not take.",
            "待ち列や回線につながらないときの行き先。",
        ),
        may("music", Value::Name(noun::MUSIC), "What callers hear who wait.", "お待ちの間の音楽。"),
    ],
    rest: None,
};

const OUTCOMES: Shape = Shape {
    name: "flow/defaults/outcomes",
    en: "Where callers go whom a queue or a line does not take.",
    ja: "待ち列や回線につながらないときの行き先。",
    words: &[
        may(
            "nobody_logged_in",
            Value::Name(noun::STEP),
            "When no agent of the queue is signed in.",
            "担当者が誰もログインしていないとき。",
        ),
        may("full", Value::Name(noun::STEP), "When the queue is full.", "待ち列がいっぱいのとき。"),
        may("closed", Value::Name(noun::STEP), "When the queue is taken out of the files.", "待ち列がなくなったとき。"),
        may("busy", Value::Name(noun::STEP), "When the line is busy.", "話し中のとき。"),
        may("no_answer", Value::Name(noun::STEP), "When nobody answers the line.", "応答がないとき。"),
        may("refused", Value::Name(noun::STEP), "When the other side refuses.", "断られたとき。"),
        may("at_capacity", Value::Name(noun::STEP), "When all places of the line are taken.", "回線がすべて使われているとき。"),
    ],
    rest: None,
};

/// When nothing is pressed, for editors.
pub(crate) const NO_INPUT: Shape = Shape {
    name: "no_input",
    en: "When nothing is pressed.",
    ja: "何も押されないとき。",
    words: &[
        may("after", Value::Time, "How long after the end of the sentence.", "案内が終わってから待つ時間。"),
        may("repeat", Value::Whole(0, 9), "How often the sentence is said again.", "案内を繰り返す回数。"),
        may("then", Value::Name(noun::STEP), "Where the call goes after that.", "そのあとの行き先。"),
        may("next", Value::Name(noun::STEP), "The same as then.", "then と同じ。"),
        may("set", Value::Map(&SET), "What is remembered about the caller.", "お客様について覚えておくこと。"),
    ],
    rest: None,
};

/// When a key is pressed that means nothing, for editors.
pub(crate) const BAD_KEY: Shape = Shape {
    name: "bad_key",
    en: "When a key is pressed that means nothing here.",
    ja: "使えないキーが押されたとき。",
    words: &[
        may("say", crate::speech::SAY, "Said before the sentence is said again.", "繰り返す前に流す案内文。"),
        may("repeat", Value::Whole(0, 9), "How often that is forgiven.", "許す回数。"),
        may("then", Value::Name(noun::STEP), "Where the call goes after that.", "そのあとの行き先。"),
        may("next", Value::Name(noun::STEP), "The same as then.", "then と同じ。"),
    ],
    rest: None,
};

/// What is remembered about a caller, for editors.
pub(crate) const SET: Shape = Shape {
    name: "set",
    en: "What is remembered about the caller. Any other word is a variable that rules test.",
    ja: "お客様について覚えておくこと。ほかの言葉は、規則で調べる変数になります。",
    words: &[
        may("lang", Value::Name(noun::LANGUAGE), "The language from here on.", "ここからの言語。"),
        may("priority", Value::OneOf(&CLASSES), "The class from here on.", "ここからの優先度。"),
    ],
    rest: Some((crate::schema::NAME, &Value::Name(noun::ANSWER))),
};

/// A flow as it was written: total once [`check`](crate::check) has passed it.
#[derive(Clone, Debug)]
pub struct Flow {
    pub(crate) name: FlowName,
    pub(crate) at: Spot,
    pub(crate) note: String,
    /// The language of a caller who has not chosen.
    pub(crate) default_lang: At<Lang>,
    pub(crate) offer: Vec<At<Lang>>,
    /// Languages that are offered though nothing speaks them, and the queue that takes whoever chooses one.
    pub(crate) unvoiced: BTreeMap<Lang, At<StepId>>,
    pub(crate) budget: Budget,
    pub(crate) defaults: Defaults,
    pub(crate) start: At<StepId>,
    pub(crate) steps: BTreeMap<StepId, Named>,
    /// Steps that are there but could not be read.
    pub(crate) broken: BTreeSet<StepId>,
    /// Whether nothing that every flow has is missing: where something is, the steps are judged all the same, each for itself.
    pub(crate) whole: bool,
}

/// A step and its place.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) at: Spot,
    pub(crate) step: Step,
}

/// Promises on how soon a caller is handed to people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    /// For whoever presses keys.
    pub(crate) pressing: Option<At<Duration>>,
    /// For whoever presses nothing.
    pub(crate) silent: Option<At<Duration>>,
    /// Speech that nobody can interrupt.
    pub(crate) mandatory: Option<At<Duration>>,
}

/// What every step of the flow inherits.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) no_input: NoInput,
    pub(crate) bad_key: BadKey,
    pub(crate) barge_in: bool,
    pub(crate) on_error: Option<At<StepId>>,
    pub(crate) outcomes: Outcomes,
    pub(crate) unreached: Unreached,
    /// The language of the house: the flow's default one.
    pub(crate) house: Option<At<Lang>>,
    pub(crate) music: Option<At<PromptId>>,
}

/// When nothing is pressed; what is `None` is inherited.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoInput {
    pub(crate) after: Option<Duration>,
    pub(crate) repeat: Option<u32>,
    pub(crate) then: Option<At<StepId>>,
    pub(crate) set: Set,
}

/// When a key is pressed that means nothing; what is `None` is inherited.
#[derive(Clone, Debug, Default)]
pub(crate) struct BadKey {
    pub(crate) say: Option<crate::speech::Speech>,
    pub(crate) repeat: Option<u32>,
    pub(crate) then: Option<At<StepId>>,
}

/// Where a caller goes whom a queue does not take; what is `None` is inherited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) nobody_logged_in: Option<At<StepId>>,
    pub(crate) full: Option<At<StepId>>,
    pub(crate) closed: Option<At<StepId>>,
}

/// Where a caller goes whom a line does not take; what is `None` is inherited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unreached {
    pub(crate) busy: Option<At<StepId>>,
    pub(crate) no_answer: Option<At<StepId>>,
    pub(crate) refused: Option<At<StepId>>,
    pub(crate) at_capacity: Option<At<StepId>>,
}

/// What a choice changes about the caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    pub(crate) lang: Option<At<Lang>>,
    /// 0 normal, 1 high, 2 urgent.
    pub(crate) class: Option<u8>,
    /// Plain words to remember, by their names: `ward: kawasaki`.
    pub(crate) variables: Vec<(At<String>, At<String>)>,
}

impl Flow {
    /// The queues that its callers come to while the schedules say this, without having waited or been refused elsewhere.
    pub(crate) fn queues_open(&self, hours: impl Fn(&ScheduleId) -> Option<Hours>) -> BTreeSet<&QueueId> {
        let (mut seen, mut queues) = (BTreeSet::new(), BTreeSet::new());
        let mut next: Vec<&StepId> = vec![&self.start.value];
        while let Some(step) = next.pop() {
            let Some(named) = self.steps.get(step).filter(|_| seen.insert(step)) else { continue };
            let sketch = named.step.sketch();
            if sketch.end == End::Person {
                queues.extend(sketch.queue.map(|queue| &queue.value));
                continue;
            }
            let says = sketch.schedule.and_then(|schedule| hours(&schedule.value));
            let taken = |by: &By| match by {
                By::Itself | By::Key(_) | By::Silence | By::Answer => true,
                By::Hours { closed } => says.is_none_or(|says| *closed == (says == Hours::Closed)),
                By::BadKey | By::Refused | By::Waited => false,
            };
            next.extend(sketch.ways.iter().filter(|way| taken(&way.by)).map(|way| &way.to.value));
        }
        queues
    }

    /// Its name.
    pub fn name(&self) -> &FlowName {
        &self.name
    }
    /// The supervisor's note on this version.
    pub fn note(&self) -> &str {
        &self.note
    }
    /// The languages that callers may choose, the default one first, those without a voice last.
    pub fn offered(&self) -> impl Iterator<Item = &Lang> {
        self.languages().chain(self.unvoiced.keys())
    }
    /// The languages in which callers are spoken to, the default one first.
    pub fn languages(&self) -> impl Iterator<Item = &Lang> {
        let default = &self.default_lang.value;
        std::iter::once(default)
            .chain(self.offer.iter().map(|lang| &lang.value).filter(move |lang| *lang != default && !self.unvoiced.contains_key(*lang)))
    }
}

impl NoInput {
    pub(crate) fn read(key: &Key, node: &Node, problems: &mut Problems) -> NoInput {
        let mut no_input = NoInput::default();
        let Some(mut fields) = Fields::of(node, key.at, problems) else { return no_input };
        // A time that cannot be read is complained about once; it is not missing as well.
        no_input.after = fields.take("after").map(|n| n.patience(problems).unwrap_or_default());
        no_input.repeat = fields.take("repeat").and_then(|n| n.whole(0, 9, problems));
        no_input.then = then(&mut fields, problems);
        no_input.set = fields.entry("set").map(|(key, n)| Set::read(key, n, problems)).unwrap_or_default();
        fields.finish(problems);
        no_input
    }
    pub(crate) fn or(self, inherited: &NoInput) -> NoInput {
        let set = if self.then.is_some() { self.set } else { inherited.set.clone() };
        NoInput {
            after: self.after.or(inherited.after),
            repeat: self.repeat.or(inherited.repeat),
            then: self.then.or_else(|| inherited.then.clone()),
            set,
        }
    }
}

impl BadKey {
    pub(crate) fn read(key: &Key, node: &Node, barge_in: bool, problems: &mut Problems) -> BadKey {
        let mut bad_key = BadKey::default();
        let Some(mut fields) = Fields::of(node, key.at, problems) else { return bad_key };
        bad_key.say = fields.take("say").and_then(|n| crate::speech::Speech::read(n, barge_in, problems));
        bad_key.repeat = fields.take("repeat").and_then(|n| n.whole(0, 9, problems));
        bad_key.then = then(&mut fields, problems);
        fields.finish(problems);
        bad_key
    }
    pub(crate) fn or(self, inherited: &BadKey) -> BadKey {
        BadKey {
            say: self.say.or_else(|| inherited.say.clone()),
            repeat: self.repeat.or(inherited.repeat),
            then: self.then.or_else(|| inherited.then.clone()),
        }
    }
}

/// Where the call goes when patience is over: `then`, for which `next` is understood too.
fn then(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<At<StepId>> {
    let next = fields.take("next");
    fields.take("then").or(next).and_then(|n| n.name(problems))
}

impl Outcomes {
    pub(crate) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Outcomes {
        Outcomes {
            nobody_logged_in: fields.take("nobody_logged_in").and_then(|n| n.name(problems)),
            full: fields.take("full").and_then(|n| n.name(problems)),
            closed: fields.take("closed").and_then(|n| n.name(problems)),
        }
    }
}

impl Unreached {
    pub(crate) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Unreached {
        Unreached {
            busy: fields.take("busy").and_then(|n| n.name(problems)),
            no_answer: fields.take("no_answer").and_then(|n| n.name(problems)),
            refused: fields.take("refused").and_then(|n| n.name(problems)),
            at_capacity: fields.take("at_capacity").and_then(|n| n.name(problems)),
        }
    }
    /// The ways that are named.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &At<StepId>> {
        [&self.busy, &self.no_answer, &self.refused, &self.at_capacity].into_iter().flatten()
    }
}

impl Set {
    /// `{ lang: en, priority: urgent, ward: kawasaki }`: any word but the first two is a variable.
    pub(crate) fn read(_: &Key, node: &Node, problems: &mut Problems) -> Set {
        let mut set = Set::default();
        for (key, value) in node.map(problems).unwrap_or_default() {
            match key.text.as_str() {
                "lang" => set.lang = value.name(problems),
                "priority" => set.class = priority(value, problems),
                // What rules test by a meaning of its own cannot be a word of the flow's.
                "schedule" => reserved(key.at, &key.text, problems),
                name => {
                    if is_name(name, key.at, problems)
                        && let Some(value) = value.name::<String>(problems)
                        && !is_none(&value, problems)
                        && set.variables.len() < VARIABLES_MAX
                    {
                        set.variables.push((At { value: name.to_owned(), at: key.at }, value));
                    }
                }
            }
        }
        set
    }
}

pub(crate) fn reserved(at: Spot, word: &str, problems: &mut Problems) {
    let en = format!("\"{word}\" has a meaning of its own in rules; take another word");
    let ja = format!("「{word}」は規則の中で別の意味をもちます。ほかの言葉にしてください。");
    problems.error(at, "reserved_word", en, ja);
}

/// Whether a word means that there is none; a problem if so.
pub(crate) fn is_none(word: &At<String>, problems: &mut Problems) -> bool {
    let none = word.value == crate::rules::NONE;
    if none {
        reserved(word.at, &word.value, problems);
    }
    none
}

/// `normal`, `high`, `urgent`, as the class of a ticket.
pub(crate) fn priority(node: &Node, problems: &mut Problems) -> Option<u8> {
    let [normal, high, urgent] = CLASSES;
    node.one_of(&[(normal, 0), (high, 1), (urgent, 2)], problems)
}

/// Reads one flow file; `None` if it has no name or no steps at all.
pub(crate) fn read(node: &Node, top: Spot, problems: &mut Problems) -> Option<Flow> {
    let mut fields = Fields::of(node, top, problems)?;
    let name = match fields.take("flow") {
        Some(node) => node.name::<FlowName>(problems),
        None => {
            missing(problems, top, "flow", "flow: city");
            // The file's own name is what is meant, more often than not.
            let file = problems.path(top.file).rsplit('/').next().and_then(|file| file.strip_suffix(".yaml"));
            file.map(|name| At { value: FlowName::from(name), at: top })
        }
    };
    let note = fields.take("note").and_then(|n| n.text(problems)).map(|t| t.value.to_owned()).unwrap_or_default();
    let Languages { default_lang, offer, unvoiced } = read_languages(&mut fields, top, problems);
    let budget = fields.entry("budget").map(|(key, n)| read_budget(key, n, problems)).unwrap_or_default();
    let defaults = read_defaults(&mut fields, top, default_lang.clone(), problems);
    let start = match fields.take("start") {
        Some(node) => node.name::<StepId>(problems),
        None => {
            missing(problems, top, "start", "start: greeting");
            None
        }
    };
    if let Some((key, _)) = fields.entry("timezone") {
        let (en, ja) = ("the time zone of the city stands in config/calendar.yaml", "タイムゾーンは config/calendar.yaml に書きます。");
        problems.error(key.at, "wrong_file", en, ja);
    }
    let mut steps = BTreeMap::new();
    let mut broken = BTreeSet::new();
    match fields.entry("steps") {
        Some((key, node)) => {
            let entries = node.map(problems).unwrap_or_default();
            if entries.is_empty() || entries.len() > STEPS_MAX {
                let en = format!("a flow has 1 to {STEPS_MAX} steps, not {}", entries.len());
                let ja = format!("フローのステップは 1 から {STEPS_MAX} 個です（ここは {} 個）。", entries.len());
                problems.error(key.at, "number_of_steps", en, ja);
            }
            for (key, node) in entries {
                if !is_name(&key.text, key.at, problems) {
                    continue;
                }
                let id = StepId::from(key.text.as_str());
                match read_step(key, node, &defaults, problems) {
                    Some(step) => {
                        steps.insert(id, Named { at: key.at, step });
                    }
                    None => {
                        broken.insert(id);
                    }
                }
            }
        }
        None => missing(problems, top, "steps", "steps:"),
    }
    let whole = [&"flow", &"languages", &"start"].into_iter().all(|word| fields.has(word)) && start.is_some() && default_lang.is_some();
    fields.finish(problems);
    let first = || steps.iter().next().map(|(step, named): (&StepId, &Named)| At { value: step.clone(), at: named.at });
    Some(Flow {
        name: name?.value,
        at: top,
        note,
        default_lang: default_lang.or_else(|| offer.first().cloned())?,
        offer,
        unvoiced,
        budget,
        defaults,
        start: start.or_else(first)?,
        steps,
        broken,
        whole,
    })
}

#[derive(Default)]
struct Languages {
    default_lang: Option<At<Lang>>,
    offer: Vec<At<Lang>>,
    unvoiced: BTreeMap<Lang, At<StepId>>,
}

/// `{ default: ja, offer: [ja, en], unvoiced: { tl: interpreter } }`.
fn read_languages(fields: &mut Fields<'_>, top: Spot, problems: &mut Problems) -> Languages {
    const EXAMPLE: &str = "languages: { default: ja, offer: [ja, en] }";
    let Some((key, node)) = fields.entry("languages") else {
        missing(problems, top, "languages", EXAMPLE);
        return Languages::default();
    };
    let Some(mut languages) = Fields::of(node, key.at, problems) else { return Languages::default() };
    let lang = |node: &Node, problems: &mut Problems| {
        let text = node.text(problems)?;
        node.bare_truth(problems);
        is_language(text.value, text.at, problems).then(|| At { value: Lang::from(text.value), at: text.at })
    };
    let default = match languages.take("default") {
        Some(node) => lang(node, problems),
        None => {
            missing(problems, key.at, "default", EXAMPLE);
            None
        }
    };
    let items = languages.take("offer").map(Node::items).unwrap_or_default();
    let offer: Vec<At<Lang>> = items.up_to(LANGUAGES_MAX, problems).iter().filter_map(|item| lang(item, problems)).collect();
    let mut unvoiced = BTreeMap::new();
    for (key, node) in languages.take("unvoiced").and_then(|n| n.map(problems)).unwrap_or_default().up_to(LANGUAGES_MAX, problems) {
        if !is_language(&key.text, key.at, problems) {
            continue;
        }
        let lang = Lang::from(key.text.as_str());
        if default.as_ref().is_some_and(|default| default.value == lang) {
            let en = format!("{lang} is the language of the house, in which everybody is spoken to; it cannot be without a voice");
            let ja = format!("{lang} はこのフローの標準の言語です。音声のない言語にはできません。");
            problems.error(key.at, "house_unvoiced", en, ja);
        } else if let Some(to) = node.name::<StepId>(problems) {
            unvoiced.insert(lang, to);
        }
    }
    languages.finish(problems);
    Languages { default_lang: default, offer, unvoiced }
}

fn read_budget(key: &Key, node: &Node, problems: &mut Problems) -> Budget {
    let mut budget = Budget::default();
    let Some(mut fields) = Fields::of(node, key.at, problems) else { return budget };
    let time = |node: Option<&Node>, problems: &mut Problems| node.and_then(|n| Some(At { value: n.time(problems)?, at: n.at }));
    if let Some((key, node)) = fields.entry("to_human")
        && let Some(mut to_human) = Fields::of(node, key.at, problems)
    {
        budget.pressing = time(to_human.take("pressing"), problems);
        budget.silent = time(to_human.take("silent"), problems);
        to_human.finish(problems);
    }
    budget.mandatory = time(fields.take("mandatory_speech"), problems);
    fields.finish(problems);
    budget
}

fn read_defaults(fields: &mut Fields<'_>, top: Spot, house: Option<At<Lang>>, problems: &mut Problems) -> Defaults {
    let mut defaults = Defaults {
        no_input: NoInput::default(),
        bad_key: BadKey::default(),
        barge_in: true,
        on_error: None,
        outcomes: Outcomes::default(),
        unreached: Unreached::default(),
        house,
        music: None,
    };
    let (mut at, mut readable) = (top, true);
    if let Some((key, node)) = fields.entry("defaults") {
        at = key.at;
        match Fields::of(node, key.at, problems) {
            Some(mut inner) => {
                defaults.barge_in = inner.take("barge_in").and_then(|n| n.truth(problems)).unwrap_or(true);
                if let Some((key, node)) = inner.entry("no_input") {
                    defaults.no_input = NoInput::read(key, node, problems);
                }
                if let Some((key, node)) = inner.entry("bad_key") {
                    defaults.bad_key = BadKey::read(key, node, defaults.barge_in, problems);
                }
                readable = !inner.has("on_error");
                defaults.on_error = inner.take("on_error").and_then(|n| n.name(problems));
                if let Some((key, node)) = inner.entry("outcomes")
                    && let Some(mut outcomes) = Fields::of(node, key.at, problems)
                {
                    defaults.outcomes = Outcomes::read(&mut outcomes, problems);
                    defaults.unreached = Unreached::read(&mut outcomes, problems);
                    outcomes.finish(problems);
                }
                defaults.music = inner.take("music").and_then(|n| n.name(problems));
                inner.finish(problems);
            }
            None => readable = false,
        }
    }
    if defaults.on_error.is_none() && readable {
        let en = "say where a caller goes when something unexpected happens";
        let ja = "思いがけないことが起きたときの行き先が書かれていません。";
        problems.error(at, "missing_way", en, ja).help("defaults: { on_error: general }");
    }
    defaults
}

/// A step: exactly one word that says what it does, and the words that belong to it.
fn read_step(key: &Key, node: &Node, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
    let entries = node.map(problems)?;
    let asks = entries.iter().any(|(key, _)| key.text == "ask");
    // Questions bring their own rules.
    let is_verb = |word: &str| steps::WORDS.contains(&word) && !(asks && word == "rules");
    let verbs: Vec<&(Key, Node)> = entries.iter().filter(|(key, _)| is_verb(&key.text)).collect();
    match verbs.as_slice() {
        [(word, body)] => {
            let mut fields = Fields::of(node, key.at, problems)?;
            // Asked for by its static name, so that it counts as known.
            for verb in steps::WORDS.iter().filter(|w| **w == word.text) {
                fields.take(verb);
            }
            let step = Step::read(&word.text, word, body, &mut fields, defaults, problems);
            fields.finish(problems);
            step
        }
        [] => {
            no_verb(key, entries, problems);
            None
        }
        [(first, _), (second, _), ..] => {
            let en = format!("a step does one thing: \"{}\" or \"{}\"; make two steps", first.text, second.text);
            let ja = format!(
                "ひとつのステップに書けるのは、ひとつのことだけです。「{}」と「{}」を別のステップに分けてください。",
                first.text, second.text
            );
            problems.error(second.at, "two_things", en, ja);
            None
        }
    }
}

fn no_verb(key: &Key, entries: &[(Key, Node)], problems: &mut Problems) {
    let near = |(word, _): &&(Key, Node)| crate::decode::nearest(&word.text, steps::WORDS.into_iter()).is_some();
    match entries.iter().find(near) {
        Some((word, _)) => unknown(problems, word.at, "unknown_key", noun::KEY, &word.text, steps::WORDS.into_iter()),
        None => {
            let list = steps::WORDS.join(", ");
            let en = format!("this step does nothing; give it one of {list}");
            let ja = format!("このステップは何もしません。{list} のどれかひとつを書いてください。");
            problems.error(key.at, "empty_step", en, ja).help("say: goodbye");
        }
    }
}
