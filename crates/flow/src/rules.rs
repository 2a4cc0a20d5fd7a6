//! Rules: the first one that is true says what is remembered, what is said, and where the call goes.
//!
//! `{ when: { breath: "yes", lang: [en, zh] }, set: { priority: urgent }, say: hint, next: nurse }`, and at last `{ otherwise: general }`.
//! A condition compares words with words: there are no sums, no texts and no code in it, so that all of them can be tried out beforehand.

use crate::calendar::Hours;
use crate::decode::{Fields, UpTo, is_name, missing, noun};
use crate::facts::Facts;
use crate::problem::{At, Problems, Spot};
use crate::program::{Set, priority};
use crate::run::{Caller, Scene};
use crate::schema::{Shape, Value, may};
use crate::speech::Speech;
use crate::tree::{Key, Node};
use model::{Lang, QueueId, ScheduleId, StepId};

/// Rules of one step.
const RULES_MAX: usize = 32;
/// Words that one condition accepts.
const WORDS_MAX: usize = 16;
/// The word for a variable that was never set.
pub(crate) const NONE: &str = "none";

/// The words of a rule, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "rule",
    en: "A rule: when it is true, what is remembered and said, and where the call goes.",
    ja: "規則。当てはまる条件、覚えておくこと、案内、行き先。",
    words: &[
        may("when", Value::Map(&WHEN), "What must hold, all of it.", "条件。すべて当てはまるとき。"),
        may("queue", Value::Name(noun::QUEUE), "A queue that `if` looks at.", "if で調べる待ち列。"),
        may("if", Value::Map(&crate::facts::SHAPE), "How that queue must stand.", "その待ち列の状況。"),
        may("set", Value::Map(&crate::program::SET), "What is remembered about the caller.", "お客様について覚えておくこと。"),
        may("say", crate::speech::SAY, "What is said first.", "先に流す案内文。"),
        may("next", Value::Name(noun::STEP), "Where the call goes.", "行き先。"),
        may(
            "otherwise",
            Value::Name(noun::STEP),
            "Where everybody else goes: the last rule.",
            "ほかのすべての方の行き先。最後の規則に書きます。",
        ),
    ],
    rest: None,
};

const WHEN: Shape = Shape {
    name: "rule/when",
    en: "What must hold: words that were remembered, language, class, schedule. A list means one of these.",
    ja: "条件。覚えておいた言葉、言語、優先度、受付時間。一覧は、そのどれか。",
    words: &[
        may("lang", Value::List(&Value::Name(noun::LANGUAGE)), "The caller's language.", "お客様の言語。"),
        may("priority", Value::List(&Value::OneOf(&crate::program::CLASSES)), "The caller's class.", "お客様の優先度。"),
        may(
            "schedule",
            Value::Each(crate::schema::NAME, &Value::List(&Value::OneOf(&["open", "holiday", "closed"]))),
            "How a schedule of config/calendar.yaml answers.",
            "config/calendar.yaml の受付時間。",
        ),
    ],
    rest: Some((crate::schema::NAME, &Value::List(&Value::Name(noun::ANSWER)))),
};

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) at: Spot,
    pub(crate) when: When,
    /// How a queue must stand as well.
    pub(crate) facts: Option<(At<QueueId>, Facts)>,
    pub(crate) set: Set,
    pub(crate) say: Option<Speech>,
    pub(crate) to: At<StepId>,
    /// True for everybody.
    pub(crate) otherwise: bool,
}

/// Everything that must hold at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct When {
    /// One of these; any if there is none.
    pub(crate) lang: Vec<At<Lang>>,
    pub(crate) class: Vec<u8>,
    pub(crate) schedules: Vec<(At<ScheduleId>, Vec<Hours>)>,
    pub(crate) words: Vec<(At<String>, Vec<At<String>>)>,
}

/// What is known of one caller, or of one that could be.
pub(crate) trait Knows {
    fn lang(&self) -> &Lang;
    fn class(&self) -> u8;
    fn hours(&self, schedule: &ScheduleId) -> Option<Hours>;
    fn word(&self, name: &str) -> Word<'_>;
}

/// What is known of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word<'w> {
    Is(&'w str),
    Never,
    /// It will be asked.
    Pending,
}

/// A caller, and the questions that were not asked yet.
pub(crate) struct Real<'a, F> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) caller: &'a Caller,
    pub(crate) pending: F,
}

impl<F: Fn(&str) -> bool> Knows for Real<'_, F> {
    fn lang(&self) -> &Lang {
        &self.caller.lang
    }
    fn class(&self) -> u8 {
        self.caller.class
    }
    fn hours(&self, schedule: &ScheduleId) -> Option<Hours> {
        self.scene.hours(schedule)
    }
    fn word(&self, name: &str) -> Word<'_> {
        if (self.pending)(name) { Word::Pending } else { self.caller.variable(name).map_or(Word::Never, Word::Is) }
    }
}

/// What the rules say so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// This rule, and no answer can change that.
    Rule(usize),
    /// This one, if the queue stands so.
    Look(usize),
    /// It depends on an answer.
    Open,
    /// None at all.
    Nothing,
}

/// The first rule from `from` on that is true or could still become so.
pub(crate) fn pick(rules: &[Rule], from: usize, knows: &impl Knows) -> Pick {
    for (index, rule) in rules.iter().enumerate().skip(from) {
        match rule.when.holds(knows) {
            Some(false) => {}
            Some(true) if rule.facts.is_some() => return Pick::Look(index),
            Some(true) => return Pick::Rule(index),
            None => return Pick::Open,
        }
    }
    Pick::Nothing
}

impl When {
    /// Whether all of it holds; `None` while it depends on an answer.
    pub(crate) fn holds(&self, knows: &impl Knows) -> Option<bool> {
        let lang = self.lang.is_empty() || self.lang.iter().any(|lang| lang.value == *knows.lang());
        let class = self.class.is_empty() || self.class.contains(&knows.class());
        let open = |(schedule, wanted): &(At<ScheduleId>, Vec<Hours>)| {
            // Open on a holiday is open.
            let is = |hours: Hours| wanted.contains(&hours) || (hours == Hours::Holiday && wanted.contains(&Hours::Open));
            knows.hours(&schedule.value).is_some_and(is)
        };
        if !(lang && class && self.schedules.iter().all(open)) {
            return Some(false);
        }
        let mut pending = false;
        for (name, wanted) in &self.words {
            let among = |word: &str| wanted.iter().any(|w| w.value == word);
            match knows.word(&name.value) {
                Word::Is(word) if among(word) => {}
                Word::Never if among(NONE) => {}
                Word::Is(_) | Word::Never => return Some(false),
                Word::Pending => pending = true,
            }
        }
        (!pending).then_some(true)
    }

    /// Whether it can only be true while a schedule is closed.
    pub(crate) fn only_closed(&self) -> bool {
        self.schedules.iter().any(|(_, hours)| hours.iter().all(|hours| *hours == Hours::Closed))
    }

    /// `{ breath: "yes", lang: [en, zh], priority: urgent, schedule: { centre: closed } }`.
    fn read(key: &Key, node: &Node, problems: &mut Problems) -> When {
        let mut when = When::default();
        let entries = node.map(problems).unwrap_or_default();
        if entries.is_empty() {
            missing(problems, key.at, "lang", "when: { lang: en }");
        }
        for (key, value) in entries {
            let items = value.items().up_to(WORDS_MAX, problems).iter();
            match key.text.as_str() {
                "lang" => when.lang.extend(items.filter_map(|n| n.name(problems))),
                "priority" => when.class.extend(items.filter_map(|n| priority(n, problems))),
                "schedule" => {
                    for (key, value) in value.map(problems).unwrap_or_default() {
                        let words = [("open", Hours::Open), ("holiday", Hours::Holiday), ("closed", Hours::Closed)];
                        let hours = value.items().up_to(WORDS_MAX, problems).iter().filter_map(|n| n.one_of(&words, problems)).collect();
                        when.schedules.push((At { value: ScheduleId::from(key.text.as_str()), at: key.at }, hours));
                    }
                }
                name if is_name(name, key.at, problems) => {
                    let words = items.filter_map(|n| n.name(problems)).collect();
                    when.words.push((At { value: name.to_owned(), at: key.at }, words));
                }
                _ => {}
            }
        }
        when
    }
}

impl Rule {
    /// The word for it in a caller's path.
    pub(crate) fn name(&self, index: usize) -> String {
        if self.otherwise { "otherwise".to_owned() } else { format!("rule{}", index + 1) }
    }

    fn read(node: &Node, barge_in: bool, queues: bool, problems: &mut Problems) -> Option<Rule> {
        let before = problems.count();
        let mut fields = Fields::of(node, node.at, problems)?;
        let set = fields.entry("set").map(|(key, n)| Set::read(key, n, problems)).unwrap_or_default();
        let say = fields.take("say").and_then(|n| Speech::read(n, barge_in, problems));
        let (otherwise, when) = (fields.take("otherwise"), fields.entry("when"));
        if let Some(to) = otherwise {
            fields.finish(problems);
            if let Some((key, _)) = when {
                let (en, ja) = ("otherwise is for everybody: it has no when", "otherwise には when を付けられません。");
                problems.error(key.at, "otherwise_with_when", en, ja);
            }
            return Some(Rule { at: node.at, when: When::default(), facts: None, set, say, to: to.name(problems)?, otherwise: true });
        }
        let facts = if queues { read_facts(&mut fields, problems) } else { None };
        let to = fields.take("next");
        if to.is_none() {
            let (en, ja) = ("say where the call goes by this rule", "この規則の行き先が書かれていません。");
            problems.error(node.at, "missing_way", en, ja).help("{ when: { lang: en }, next: nurse }");
        }
        if when.is_none() && facts.is_none() && problems.count() == before {
            missing(problems, node.at, "when", "{ when: { lang: en }, next: nurse }");
        }
        let when = when.map(|(key, n)| When::read(key, n, problems)).unwrap_or_default();
        let to = to.and_then(|n| n.name(problems));
        fields.finish(problems);
        Some(Rule { at: node.at, when, facts, set, say, to: to?, otherwise: false })
    }
}

/// `queue: nurse, if: { staffed_under: 1 }`: both or none.
fn read_facts(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<(At<QueueId>, Facts)> {
    match (fields.entry("queue"), fields.entry("if")) {
        (None, None) => None,
        (Some((_, queue)), Some((key, facts))) => Some((queue.name(problems)?, Facts::read(key, facts, problems)?)),
        (Some((key, _)), None) => {
            missing(problems, key.at, "if", "queue: nurse, if: { staffed_under: 1 }");
            None
        }
        (None, Some((key, _))) => {
            missing(problems, key.at, "queue", "queue: nurse, if: { staffed_under: 1 }");
            None
        }
    }
}

/// A list of rules, of which the last one is for everybody; `None` if it is not whole. `queues` tells whether they may look at a queue.
pub(crate) fn read(key: &Key, node: &Node, barge_in: bool, queues: bool, problems: &mut Problems) -> Option<Vec<Rule>> {
    let items = node.items();
    let rules: Vec<Option<Rule>> = items.iter().take(RULES_MAX).map(|item| Rule::read(item, barge_in, queues, problems)).collect();
    if items.len() > RULES_MAX {
        let en = format!("at most {RULES_MAX} rules");
        let ja = format!("規則は {RULES_MAX} 個までです。");
        problems.error(key.at, "too_many_rules", en, ja);
        return None;
    }
    let rules: Option<Vec<Rule>> = rules.into_iter().collect();
    if rules.as_ref().is_some_and(|rules| rules.iter().all(|rule| !rule.otherwise)) {
        let en = "say where the call goes when no rule is true";
        let ja = "どの規則にも当てはまらないときの行き先が書かれていません。";
        problems.error(key.at, "missing_way", en, ja).help("- { otherwise: general }");
        return None;
    }
    rules
}

/// What the caller is told on leaving by a rule, and what is remembered. True if something is said first.
pub(crate) fn leave(rule: &Rule, index: usize, scene: &Scene<'_>, caller: &mut Caller) -> bool {
    caller.left_by(&rule.name(index));
    caller.set(&rule.set);
    rule.say.as_ref().is_some_and(|say| caller.say(scene, &[say]))
}
