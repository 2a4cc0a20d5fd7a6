//! Example calls beside a flow (`flows/NAME.tests.yaml`): who calls, what they press, and what must come of it.
//!
//! Read like every other file: every problem at once, each with its place. They are played by the simulator, with the very engine.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, UpTo, is_name, missing, noun, unknown};
use crate::draft::{self, Draft, Source};
use crate::problem::{At, Problem, Problems, Spot};
use crate::program::{Flow, priority};
use crate::run::Answered;
use crate::schema::{NAME, Shape, Value, may, must};
use crate::standing::Standing;
use crate::steps::{FAILED, Step};
use crate::tree::{Key, Node, What, parse, shown};
use jiff::civil::{Date, DateTime};
use model::{
    AgentId, CallEnd, Digit, FlowName, Hours, Lang, Level, LineId, LookupId, MailboxId, NOTICE_SOUNDS_MAX, Number, PromptId, QueueId,
    ScheduleId, Skill, SlotId, StepId, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Examples of one flow, callers of one example, keys of one caller: more than anybody writes.
const EXAMPLES_MAX: usize = 1_000;
const OTHERS_MAX: usize = 50;
const PRESSES_MAX: usize = 100;
/// How long a caller stays on the line who is not served, unless it is said.
const WAITS: Duration = Duration::from_secs(600);
/// How long a phone rings until somebody answers, unless it is said: at once, as what is tested is the flow and not people's hands.
const ANSWERS: Duration = Duration::from_secs(1);
/// How long a notice sounds, unless it is said: a sentence.
const NOTICE: Duration = Duration::from_secs(5);
/// How an example may say that somebody does not do it.
const NEVER: &str = "never";

/// The words of a file of examples, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "tests",
    en: "Example calls, and what must come of them.",
    ja: "通話の例と、その結果。",
    words: &[must("tests", Value::List(&Value::Map(&EXAMPLE)), "The examples.", "通話の例。")],
    rest: None,
};

const EXAMPLE: Shape = Shape {
    name: "tests/test",
    en: "One call, and what must come of it.",
    ja: "ひとつの通話と、その結果。",
    words: &[
        must("name", Value::Text, "What it shows, in a few words.", "何を確かめるか。"),
        may(
            "at",
            Value::Text,
            "What the clock shows when the caller dials; a Monday at ten, if left out.",
            "電話がかかる日時。書かなければ月曜日の 10 時です。",
        ),
        may(
            "agents",
            Value::Either(&[Value::List(&Value::Name(noun::AGENT)), Value::Each(NAME, &Value::Map(&PRESENT))]),
            "Who is logged in; everybody, if left out.",
            "ログインしている担当者。書かなければ全員です。",
        ),
        may("lines", Value::Each(NAME, &Value::Map(&HOTLINE)), "Hotlines that are not as they should be.", "ふだんと違う回線。"),
        may(
            "lookups",
            Value::Each(NAME, &Value::Either(&[Value::Text, Value::Map(&SCRIPTED)])),
            "What other houses answer: a word, failed, or a word and after how long.",
            "問い合わせ先の回答。言葉、failed（回答なし）、または言葉とかかる時間。",
        ),
        may(
            "notices",
            Value::Either(&[Value::List(&Value::Text), Value::Each(NAME, &Value::Time)]),
            "Notices that the duty officer has set, and how long each sounds; 5s, if it is not said.",
            "当番の人が設定しているお知らせと、その長さ。書かなければ 5 秒です。",
        ),
        may(
            "override",
            Value::Each(NAME, &Value::OneOf(&["open", "holiday", "closed"])),
            "Schedules that the duty officer has overridden, and how they answer.",
            "当番の人が臨時に変えている受付時間。",
        ),
        must("caller", Value::Map(&CALLER), "Who calls.", "電話をかける人。"),
        may("others", Value::List(&Value::Map(&OTHER)), "Who calls besides.", "ほかに電話をかける人。"),
        must("expect", Value::Map(&EXPECT), "What must come of it.", "結果。"),
    ],
    rest: None,
};

const PRESENT: Shape = Shape {
    name: "tests/agent",
    en: "What is different today about an agent: skills, and how soon they answer.",
    ja: "担当者のふだんとの違い。技能、出るまでの時間。",
    words: &[
        may(
            "busy",
            Value::Either(&[Value::Truth, Value::Time]),
            "true, or free again after that time.",
            "true、または手が空くまでの時間。",
        ),
        may(
            "answers",
            Value::Either(&[Value::OneOf(&[NEVER]), Value::Time]),
            "How long their phone rings; never.",
            "電話に出るまでの時間。never は出ません。",
        ),
    ],
    rest: Some((NAME, &Value::Whole(1, 5))),
};

const HOTLINE: Shape = Shape {
    name: "tests/line",
    en: "How a line that callers are put through to behaves.",
    ja: "転送先の回線の様子。",
    words: &[
        may("busy", Value::Whole(0, 10_000), "So many places are taken.", "使われている回線の数。"),
        may(
            "answers",
            Value::Either(&[Value::OneOf(&[NEVER]), Value::Time]),
            "How long it rings; never.",
            "出るまでの時間。never は出ません。",
        ),
        may("accepts", Value::Truth, "Whether who answers accepts the caller with 1.", "出た人が 1 を押して受けるか。"),
    ],
    rest: None,
};

const SCRIPTED: Shape = Shape {
    name: "tests/lookup",
    en: "What a house answers, and after how long.",
    ja: "問い合わせ先の回答と、かかる時間。",
    words: &[
        must("answer", Value::Text, "A word that the step has a way for, or failed.", "ステップに行き先のある言葉、または failed。"),
        may("after", Value::Time, "How long it takes.", "かかる時間。"),
    ],
    rest: Some((NAME, &Value::Text)),
};

const CALLER: Shape = Shape {
    name: "tests/caller",
    en: "Who calls, and what they press.",
    ja: "電話をかける人と、押すキー。",
    words: &[
        may("from", Value::Text, "Their number in quotes, or anonymous.", "電話番号（引用符付き）、または anonymous（非通知）。"),
        may("presses", Value::List(&PRESS), "Keys in order, each when nobody speaks any more.", "押すキー。案内が終わるごとにひとつずつ。"),
        may("waits", Value::Time, "How long they stay on the line after the last key.", "最後のキーのあと、切らずに待つ時間。"),
    ],
    rest: None,
};

const OTHER: Shape = Shape {
    name: "tests/other",
    en: "Who calls besides, and when.",
    ja: "ほかに電話をかける人と、その時期。",
    words: &[
        may("from", Value::Text, "Their number in quotes, or anonymous.", "電話番号（引用符付き）、または anonymous（非通知）。"),
        may("dials", Value::Time, "So long after the caller.", "最初の人のあと、かけるまでの時間。"),
        may("presses", Value::List(&PRESS), "Keys in order, each when nobody speaks any more.", "押すキー。案内が終わるごとにひとつずつ。"),
        may("waits", Value::Time, "How long they stay on the line after the last key.", "最後のキーのあと、切らずに待つ時間。"),
    ],
    rest: None,
};

const PRESS: Value =
    Value::Either(&[Value::OneOf(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "hash", "*", "#"]), Value::Map(&LATER)]);

const LATER: Shape = Shape {
    name: "tests/press",
    en: "A key, so long after the one before.",
    ja: "前のキーからの時間と、押すキー。",
    words: &[
        may("after", Value::Time, "So long after the key before.", "前のキーからの時間。"),
        must("key", Value::Text, "Which key, in quotes.", "押すキー（引用符付き）。"),
    ],
    rest: None,
};

const EXPECT: Shape = Shape {
    name: "tests/expect",
    en: "What must come of a call; what is not said may be as it likes.",
    ja: "通話の結果。書かないことは問いません。",
    words: &[
        may(
            "heard",
            Value::List(&Value::Name(noun::PROMPT)),
            "Sentences, in this order, with any others in between; notice:city is the notice of that slot.",
            "聞こえる案内文。この順で、間にほかの案内があってもかまいません。notice:city はその場所のお知らせです。",
        ),
        may("not_heard", Value::List(&Value::Name(noun::PROMPT)), "Sentences that are not heard.", "聞こえない案内文。"),
        may(
            "reached",
            Value::List(&Value::Name(noun::STEP)),
            "Steps, in this order, with any others in between.",
            "通るステップ。この順で、間にほかのステップがあってもかまいません。",
        ),
        may("not_reached", Value::List(&Value::Name(noun::STEP)), "Steps that the call does not come to.", "通らないステップ。"),
        may("queue", Value::Name(noun::QUEUE), "The last queue.", "最後の待ち列。"),
        may("priority", Value::OneOf(&crate::program::CLASSES), "The class in the end.", "最後の優先度。"),
        may("lang", Value::Name(noun::LANGUAGE), "The language in the end.", "最後の言語。"),
        may("position", Value::Whole(1, 100_000), "The last known place in the queue.", "最後にわかっている順番。"),
        may("connected_to", Value::Name(noun::AGENT), "Who answers.", "出る担当者。"),
        may("transferred_to", Value::Name(noun::LINE), "To which line the caller is put through.", "転送先の回線。"),
        may("voicemail", Value::Text, "In which box a message is left.", "伝言が残る伝言箱。"),
        may("within", Value::Time, "How soon that is.", "つながるまでの時間。"),
        may(
            "ended",
            Value::Text,
            "How the call ends: served, callback_booked, flow_ended, ...",
            "通話の終わり方。served、callback_booked、flow_ended など。",
        ),
        may("called_back", Value::Truth, "Whether the caller is called back and talks.", "折り返しの電話で話せるか。"),
    ],
    rest: None,
};

/// The examples of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examples {
    /// Their file, as it is shown.
    pub path: String,
    /// The flow that they stand beside.
    pub flow: FlowName,
    /// In the order of the file.
    pub list: Vec<Example>,
}

/// One call, and what must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it shows, in a few words.
    pub name: String,
    /// Where it begins in its file, from 1.
    pub line: u32,
    /// What the clock shows when the caller dials.
    pub at: UnixMillis,
    /// Who is in the house; everybody of `agents.yaml` unless it is said.
    pub agents: Vec<Present>,
    /// Hotlines that are not as they should be.
    pub lines: BTreeMap<LineId, Hotline>,
    /// Notices that are set by hand, and how long each sounds.
    pub notices: BTreeMap<SlotId, Duration>,
    /// Schedules that answer otherwise than the calendar, by hand.
    pub overrides: BTreeMap<ScheduleId, Hours>,
    /// What other houses answer; whoever is not named here does not answer.
    pub lookups: BTreeMap<LookupId, Scripted>,
    /// Who calls.
    pub caller: Caller,
    /// Who calls besides.
    pub others: Vec<Caller>,
    /// What must come of it.
    pub expect: Expect,
}

/// An agent whose phone is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub agent: AgentId,
    /// What they can do in this example; `None`: as in `agents.yaml`.
    pub skills: Option<BTreeMap<Skill, Level>>,
    /// For how long, from the caller's dialling on, they take no calls; zero: they are free.
    pub busy: Duration,
    /// How long their phone rings until they answer; `None`: it rings in vain.
    pub answers: Option<Duration>,
}

/// How a line that callers are put through to behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hotline {
    /// Places taken by calls of ours.
    pub busy: u32,
    /// How long it rings until somebody answers; `None`: it rings in vain.
    pub answers: Option<Duration>,
    /// Whether who answers accepts the caller with 1.
    pub accepts: bool,
}

impl Default for Hotline {
    fn default() -> Self {
        Hotline { busy: 0, answers: Some(ANSWERS), accepts: true }
    }
}

/// What another house does that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripted {
    /// What it answers; `None`: nothing that could be used.
    pub answers: Option<Answered>,
    /// How long it takes.
    pub after: Duration,
}

/// Somebody who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The number that they show; `anonymous` withholds it, `None` is one of the simulator's.
    pub from: Option<String>,
    /// How long after the caller of the example they dial; zero for that caller.
    pub dials: Duration,
    /// Which keys, in order.
    pub presses: Vec<Press>,
    /// How long after the last key they hang up if nobody has served them.
    pub waits: Duration,
}

/// A key that a caller presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// Which.
    pub digit: Digit,
    /// So long after the key before; `None`: when nobody speaks any more.
    pub after: Option<Duration>,
}

/// What must come of a call; what is not said may be as it likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Sentences that the caller hears, in this order, with any others in between.
    pub heard: Vec<PromptId>,
    /// Sentences that the caller does not hear.
    pub not_heard: Vec<PromptId>,
    /// Steps that the call comes to, in this order, with any others in between.
    pub reached: Vec<StepId>,
    /// Steps that it does not come to.
    pub not_reached: Vec<StepId>,
    /// The last queue.
    pub queue: Option<QueueId>,
    /// The caller's class in the end: 0 normal, 1 high, 2 urgent.
    pub priority: Option<u8>,
    /// The caller's language in the end.
    pub lang: Option<Lang>,
    /// The caller's last known place in the queue, from 1.
    pub position: Option<u32>,
    /// Who answers.
    pub connected_to: Option<AgentId>,
    /// To which line the caller is put through.
    pub transferred_to: Option<LineId>,
    /// How soon that is: from the last key, or from the end of the last sentence before the caller waits.
    pub within: Option<Duration>,
    /// How the call ends.
    pub ended: Option<CallEnd>,
    /// In which box the caller leaves a message.
    pub voicemail: Option<MailboxId>,
    /// Whether the caller is called back and talks.
    pub called_back: Option<bool>,
}

/// Reads the examples among the files of a city. Problems are those of the example files alone; the rest is [`check`](crate::check)'s.
pub fn examples(draft: &Draft, sources: &[Source]) -> (Vec<Examples>, Vec<Problem>) {
    let (all, problems) = tested(draft, sources);
    (all, problems.sorted())
}

pub(crate) fn tested(draft: &Draft, sources: &[Source]) -> (Vec<Examples>, Problems) {
    let mut problems = Problems::default();
    let mut all = Vec::new();
    for source in sources {
        let Some(stem) = draft::tested(&source.path) else { continue };
        let file = problems.file(&source.path);
        let before = problems.count();
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        let Some(node) = parse(file, text, &mut problems) else { continue };
        if problems.count() == before {
            draft::second_opinion(file, &node, text, &mut problems);
        }
        let Some(flow) = draft.flow_of(&stem) else {
            // A flow that could not be read has its own complaint.
            if draft.unreadable.contains("flows") {
                continue;
            }
            let en = format!("there is no flow {stem}.yaml beside this file that could be read");
            let ja = format!("このファイルの隣に、読み取れるフロー {stem}.yaml がありません。");
            problems.error(Spot::top(file), "tests_without_flow", en, ja);
            continue;
        };
        let reader = Reader { draft, flow };
        let list = reader.file(&node, Spot::top(file), &mut problems);
        all.push(Examples { path: source.path.clone(), flow: flow.name.clone(), list });
    }
    (all, problems)
}

struct Reader<'d> {
    draft: &'d Draft,
    flow: &'d Flow,
}

impl Reader<'_> {
    fn file(&self, node: &Node, top: Spot, problems: &mut Problems) -> Vec<Example> {
        let Some(mut fields) = Fields::of(node, top, problems) else { return Vec::new() };
        let mut list: Vec<Example> = Vec::new();
        match fields.take("tests") {
            Some(tests) => {
                for item in tests.items().up_to(EXAMPLES_MAX, problems) {
                    let Some((example, at)) = self.example(item, problems) else { continue };
                    if list.iter().any(|other| other.name == example.name) {
                        let en = format!("another test is called \"{}\" too", shown(&example.name));
                        let ja = format!("「{}」という名前のテストがもうひとつあります。", shown(&example.name));
                        problems.error(at, "same_test", en, ja);
                    }
                    list.push(example);
                }
            }
            None => missing(
                problems,
                top,
                "tests",
                "tests: [ { name: a silent caller is never dropped, caller: { presses: [] }, expect: { queue: general } } ]",
            ),
        }
        fields.finish(problems);
        list
    }

    fn example(&self, node: &Node, problems: &mut Problems) -> Option<(Example, Spot)> {
        let mut fields = Fields::of(node, node.at, problems)?;
        let name = match fields.take("name") {
            Some(name) => name.text(problems).map(|text| At { value: text.value.to_owned(), at: text.at }),
            None => {
                missing(problems, node.at, "name", "name: a silent caller is never dropped");
                None
            }
        };
        let at = match fields.take("at") {
            Some(at) => self.moment(at, problems),
            None => self.wall(a_monday()),
        };
        let everybody = || self.draft.agents.keys().map(|agent| present(agent.clone())).collect();
        let agents: Vec<Present> = fields.take("agents").map_or_else(everybody, |n| self.agents(n, problems));
        let lines = fields.take("lines").map(|n| self.lines(n, problems)).unwrap_or_default();
        let lookups = fields.take("lookups").map(|n| self.lookups(n, problems)).unwrap_or_default();
        let notices = fields.take("notices").map(|n| self.notices(n, problems)).unwrap_or_default();
        let overrides = fields.take("override").map(|n| self.overrides(n, problems)).unwrap_or_default();
        let caller = match fields.entry("caller") {
            Some((key, caller)) => self.caller(caller, key.at, false, problems),
            None => {
                missing(problems, node.at, "caller", "caller: { presses: [\"1\"] }");
                None
            }
        };
        let others = fields.take("others").map(Node::items).unwrap_or_default().up_to(OTHERS_MAX, problems).iter();
        let others = others.filter_map(|other| self.caller(other, other.at, true, problems)).collect();
        let expect = match fields.entry("expect") {
            Some((key, expect)) => self.expect(expect, key.at, &agents, problems),
            None => {
                missing(problems, node.at, "expect", "expect: { queue: general }");
                None
            }
        };
        fields.finish(problems);
        let name = name?;
        let (line, at, caller, expect) = (node.at.line, at?, caller?, expect?);
        let example = Example { name: name.value, line, at, agents, lines, notices, overrides, lookups, caller, others, expect };
        Some((example, name.at))
    }

    /// `"2021-04-29 10:00"`, as the clocks of the city show it.
    fn moment(&self, node: &Node, problems: &mut Problems) -> Option<UnixMillis> {
        let text = node.text(problems)?;
        let local = text.value.replacen(' ', "T", 1).parse::<DateTime>().ok().filter(|_| text.value.contains(':'));
        let wall = local.and_then(|local| self.wall(local));
        if wall.is_none() {
            let en = format!("\"{}\" is no moment that the calendar has", shown(text.value));
            let ja = format!("「{}」は暦にある日時として読めません。", shown(text.value));
            problems.error(text.at, "not_a_date", en, ja).help("at: \"2026-08-24 10:00\"");
        }
        wall
    }

    fn wall(&self, local: DateTime) -> Option<UnixMillis> {
        local.to_zoned(self.draft.calendar().zone.clone()).ok().map(|zoned| UnixMillis(zoned.timestamp().as_millisecond()))
    }

    /// `[yuki, ken]`, or `{ yuki: { nurse: 4, busy: true }, ken: {} }`.
    fn agents(&self, node: &Node, problems: &mut Problems) -> Vec<Present> {
        if let What::Map(entries) = &node.what {
            let known: Vec<&(Key, Node)> = entries.iter().filter(|(key, _)| self.is_agent(&key.text, key.at, problems)).collect();
            return known.into_iter().filter_map(|(key, value)| self.agent(key, value, problems)).collect();
        }
        let mut agents = Vec::new();
        for item in node.items() {
            if let Some(agent) = item.name::<AgentId>(problems)
                && self.is_agent(agent.value.as_str(), agent.at, problems)
            {
                agents.push(present(agent.value));
            }
        }
        agents
    }

    fn is_agent(&self, name: &str, at: Spot, problems: &mut Problems) -> bool {
        let known = self.draft.agents.contains_key(name);
        if !known {
            unknown(problems, at, "unknown_agent", noun::AGENT, name, self.draft.agents.keys().map(AgentId::as_str));
        }
        known
    }

    fn agent(&self, key: &Key, node: &Node, problems: &mut Problems) -> Option<Present> {
        let mut agent = present(AgentId::from(key.text.as_str()));
        let mut skills = BTreeMap::new();
        for (word, value) in node.map(problems)? {
            match word.text.as_str() {
                "busy" => agent.busy = busy(value, problems).unwrap_or_default(),
                "answers" => agent.answers = answers(value, problems),
                skill if self.skills().contains(skill) => {
                    skills.insert(Skill::from(skill), value.level(problems).unwrap_or(Level::SOME));
                }
                other => {
                    let known = self.skills();
                    unknown(problems, word.at, "unknown_skill", noun::SKILL, other, known.iter().copied().chain(["busy", "answers"]));
                }
            }
        }
        agent.skills = (!skills.is_empty()).then_some(skills);
        Some(agent)
    }

    /// Every skill that anybody has, and the languages.
    fn skills(&self) -> BTreeSet<&str> {
        let had = self.draft.agents.values().flat_map(|entry| entry.agent.skills.keys().map(Skill::as_str));
        let asked = self.draft.queues().flat_map(|queue| queue.needs.iter().map(|need| need.skill.as_str()));
        let spoken = self.flow.offered().map(|lang| lang.as_str().split('-').next().unwrap_or_default());
        had.chain(asked).chain(spoken).collect()
    }

    fn lines(&self, node: &Node, problems: &mut Problems) -> BTreeMap<LineId, Hotline> {
        let mut lines = BTreeMap::new();
        for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
            if self.is_line(&key.text, key.at, problems)
                && let Some(hotline) = hotline(key, value, problems)
            {
                lines.insert(LineId::from(key.text.as_str()), hotline);
            }
        }
        lines
    }

    /// `[city]`, or `{ city: 8s }`.
    fn notices(&self, node: &Node, problems: &mut Problems) -> BTreeMap<SlotId, Duration> {
        let mut notices = BTreeMap::new();
        if let What::Map(entries) = &node.what {
            for (key, value) in entries.iter().take(ENTRIES_MAX) {
                let Some(sounds) = value.time(problems).filter(|_| self.is_slot(&key.text, key.at, problems)) else { continue };
                if sounds > NOTICE_SOUNDS_MAX.into() {
                    let most = NOTICE_SOUNDS_MAX.0 / 1000;
                    let en = format!("no notice sounds for more than {most} s");
                    problems.error(value.at, "too_long", en, format!("お知らせは {most} 秒までです。"));
                }
                notices.insert(SlotId::from(key.text.as_str()), sounds);
            }
            return notices;
        }
        for item in node.items().iter().take(ENTRIES_MAX) {
            if let Some(slot) = item.name::<SlotId>(problems)
                && self.is_slot(slot.value.as_str(), slot.at, problems)
            {
                notices.insert(slot.value, NOTICE);
            }
        }
        notices
    }

    /// Whether a step of this flow speaks a notice of that name.
    fn is_slot(&self, name: &str, at: Spot, problems: &mut Problems) -> bool {
        let slots: BTreeSet<&str> = self.flow.steps.values().filter_map(|named| Some(named.step.sketch().notice?.value.as_str())).collect();
        if !slots.contains(name) {
            unknown(problems, at, "unknown_notice", noun::NOTICE, name, slots.iter().copied());
        }
        slots.contains(name)
    }

    /// `{ centre: closed }`.
    fn overrides(&self, node: &Node, problems: &mut Problems) -> BTreeMap<ScheduleId, Hours> {
        let mut overrides = BTreeMap::new();
        for (key, value) in node.map(problems).unwrap_or_default().iter().take(ENTRIES_MAX) {
            let words = [("open", Hours::Open), ("holiday", Hours::Holiday), ("closed", Hours::Closed)];
            let known: BTreeSet<&str> = self.draft.calendar().schedules().map(ScheduleId::as_str).collect();
            if !known.contains(key.text.as_str()) {
                unknown(problems, key.at, "unknown_schedule", noun::SCHEDULE, &key.text, known.into_iter());
            } else if let Some(hours) = value.one_of(&words, problems) {
                overrides.insert(ScheduleId::from(key.text.as_str()), hours);
            }
        }
        overrides
    }

    /// `{ vaccine: found }`, `{ vaccine: { answer: found, ward: takatsu, after: 2s } }`, `{ vaccine: failed }`.
    fn lookups(&self, node: &Node, problems: &mut Problems) -> BTreeMap<LookupId, Scripted> {
        let mut lookups = BTreeMap::new();
        for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
            if !self.draft.lookups.contains_key(key.text.as_str()) {
                let known = self.draft.lookups.keys().map(LookupId::as_str);
                unknown(problems, key.at, "unknown_lookup", noun::LOOKUP, &key.text, known);
            } else if let Some(scripted) = self.scripted(&key.text, value, problems) {
                lookups.insert(LookupId::from(key.text.as_str()), scripted);
            }
        }
        lookups
    }

    fn scripted(&self, lookup: &str, node: &Node, problems: &mut Problems) -> Option<Scripted> {
        let mut scripted = Scripted { answers: None, after: Duration::ZERO };
        let mut answered = Answered::default();
        let What::Map(entries) = &node.what else {
            answered.answer = self.answer(lookup, node, problems)?;
            scripted.answers = (answered.answer != FAILED).then_some(answered);
            return Some(scripted);
        };
        for (word, value) in entries {
            match word.text.as_str() {
                "answer" => answered.answer = self.answer(lookup, value, problems)?,
                "after" => scripted.after = value.time(problems)?,
                other => drop(answered.words.insert(other.to_owned(), value.text(problems)?.value.to_owned())),
            }
        }
        if answered.answer.is_empty() {
            missing(problems, node.at, "answer", "{ vaccine: { answer: found, after: 2s } }");
            return None;
        }
        scripted.answers = (answered.answer != FAILED).then_some(answered);
        Some(scripted)
    }

    /// A word that a step of this flow has a way for, or `failed`.
    fn answer(&self, lookup: &str, node: &Node, problems: &mut Problems) -> Option<String> {
        let word = node.text(problems)?;
        let words_of = |step: &Step| match step {
            Step::lookup(step) if step.house().as_str() == lookup => step.may_come().0.into_iter().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let known: Vec<String> = self.flow.steps.values().flat_map(|named| words_of(&named.step)).chain([FAILED.to_owned()]).collect();
        if known.iter().all(|known| known != word.value) {
            unknown(problems, word.at, "unknown_word", noun::KEY, word.value, known.iter().map(String::as_str));
        }
        Some(word.value.to_owned())
    }

    /// Whether it is a line that callers are put through to.
    fn is_line(&self, name: &str, at: Spot, problems: &mut Problems) -> bool {
        let mut known = self.draft.lines.iter().filter(|entry| entry.line.target.is_some()).map(|entry| entry.line.id.as_str());
        let there = known.clone().any(|line| line == name);
        if !there {
            unknown(problems, at, "unknown_line", noun::LINE, name, &mut known);
        }
        there
    }

    fn caller(&self, node: &Node, at: Spot, other: bool, problems: &mut Problems) -> Option<Caller> {
        let mut fields = Fields::of(node, at, problems)?;
        let from = fields.take("from").and_then(|n| from(n, problems));
        // Only whom the example is not about dials at another time.
        let dials = other.then(|| fields.take("dials").and_then(|n| n.time(problems))).flatten().unwrap_or_default();
        let presses = fields.take("presses").map(Node::items).unwrap_or_default();
        let presses = presses.up_to(PRESSES_MAX, problems).iter().filter_map(|n| press(n, problems)).collect();
        let waits = fields.take("waits").and_then(|n| n.time(problems)).unwrap_or(WAITS);
        fields.finish(problems);
        Some(Caller { from, dials, presses, waits })
    }

    fn expect(&self, node: &Node, at: Spot, agents: &[Present], problems: &mut Problems) -> Option<Expect> {
        let mut fields = Fields::of(node, at, problems)?;
        if node.map(problems).is_none_or(<[_]>::is_empty) {
            missing(problems, at, "queue", "expect: { queue: general }");
        }
        let expect = Expect {
            heard: self.prompts(fields.take("heard"), problems),
            not_heard: self.prompts(fields.take("not_heard"), problems),
            reached: self.steps(fields.take("reached"), problems),
            not_reached: self.steps(fields.take("not_reached"), problems),
            queue: fields.take("queue").and_then(|n| self.queue(n, problems)),
            priority: fields.take("priority").and_then(|n| priority(n, problems)),
            lang: fields.take("lang").and_then(|n| self.lang(n, problems)),
            position: fields.take("position").and_then(|n| n.whole(1, 100_000, problems)),
            connected_to: fields.take("connected_to").and_then(|n| self.connected(n, agents, problems)),
            transferred_to: fields.take("transferred_to").and_then(|n| {
                let line = n.name::<LineId>(problems)?;
                self.is_line(line.value.as_str(), line.at, problems).then_some(line.value)
            }),
            voicemail: fields.take("voicemail").and_then(|n| self.mailbox(n, problems)),
            within: self.within(&mut fields, problems),
            ended: fields.take("ended").and_then(|n| ended(n, problems)),
            called_back: fields.take("called_back").and_then(|n| n.truth(problems)),
        };
        fields.finish(problems);
        Some(expect)
    }

    fn within(&self, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Duration> {
        let (key, node) = fields.entry("within")?;
        if !fields.has("connected_to") && !fields.has("transferred_to") {
            let en = "\"within\" needs to know who is reached: add connected_to or transferred_to";
            let ja = "「within」には、つながる相手を connected_to か transferred_to で書いてください。";
            problems.error(key.at, "within_whom", en, ja);
        }
        node.time(problems)
    }

    fn connected(&self, node: &Node, agents: &[Present], problems: &mut Problems) -> Option<AgentId> {
        let agent = node.name::<AgentId>(problems)?;
        if self.is_agent(agent.value.as_str(), agent.at, problems) && agents.iter().all(|there| there.agent != agent.value) {
            let en = format!("{} is not among the agents of this test", agent.value);
            let ja = format!("{} はこのテストの agents に書かれていません。", agent.value);
            problems.error(agent.at, "agent_not_there", en, ja);
        }
        Some(agent.value)
    }

    fn prompts(&self, node: Option<&Node>, problems: &mut Problems) -> Vec<PromptId> {
        let mut named = Vec::new();
        for item in node.map(Node::items).unwrap_or_default() {
            if let Some(slot) = item.word().and_then(|word| word.strip_prefix("notice:")) {
                if self.is_slot(slot, item.at, problems) {
                    named.push(Standing::sentence(&SlotId::from(slot), &self.flow.default_lang.value).prompt);
                }
                continue;
            }
            let Some(prompt) = item.name::<PromptId>(problems) else { continue };
            if !self.draft.prompts.contains_key(&prompt.value) {
                let known = self.draft.prompts.keys().map(PromptId::as_str);
                unknown(problems, prompt.at, "unknown_prompt", noun::PROMPT, prompt.value.as_str(), known);
            }
            named.push(prompt.value);
        }
        named
    }

    fn steps(&self, node: Option<&Node>, problems: &mut Problems) -> Vec<StepId> {
        let mut named = Vec::new();
        for step in node.map(Node::items).unwrap_or_default().iter().filter_map(|n| n.name::<StepId>(problems)).collect::<Vec<_>>() {
            if !self.flow.steps.contains_key(&step.value) && !self.flow.broken.contains(&step.value) {
                let known = self.flow.steps.keys().map(StepId::as_str);
                unknown(problems, step.at, "unknown_step", noun::STEP, step.value.as_str(), known);
            }
            named.push(step.value);
        }
        named
    }

    fn queue(&self, node: &Node, problems: &mut Problems) -> Option<QueueId> {
        let queue = node.name::<QueueId>(problems)?;
        if !self.draft.queues.contains_key(&queue.value) {
            let known = self.draft.queues.keys().map(QueueId::as_str);
            unknown(problems, queue.at, "unknown_queue", noun::QUEUE, queue.value.as_str(), known);
        }
        Some(queue.value)
    }

    /// A box in which a step of this flow takes messages.
    fn mailbox(&self, node: &Node, problems: &mut Problems) -> Option<MailboxId> {
        let mailbox = node.name::<MailboxId>(problems)?;
        let of = |step: &Step| if let Step::voicemail(step) = step { Some(step.mailbox().to_string()) } else { None };
        let known: Vec<String> = self.flow.steps.values().filter_map(|named| of(&named.step)).collect();
        if known.iter().all(|known| known != mailbox.value.as_str()) {
            unknown(problems, mailbox.at, "unknown_box", noun::MAILBOX, mailbox.value.as_str(), known.iter().map(String::as_str));
        }
        Some(mailbox.value)
    }

    fn lang(&self, node: &Node, problems: &mut Problems) -> Option<Lang> {
        let lang = node.name::<Lang>(problems)?;
        if self.flow.offered().all(|offered| *offered != lang.value) {
            let known = self.flow.offered().map(Lang::as_str);
            unknown(problems, lang.at, "unknown_language", noun::LANGUAGE, lang.value.as_str(), known);
        }
        Some(lang.value)
    }
}

/// A day without anything special: the clock of an example that names none.
fn a_monday() -> DateTime {
    const MONDAY: Date = jiff::civil::date(2026, 8, 24);
    MONDAY.at(10, 0, 0, 0)
}

fn present(agent: AgentId) -> Present {
    Present { agent, skills: None, busy: Duration::ZERO, answers: Some(ANSWERS) }
}

/// `true`, `false`, or for how long.
fn busy(node: &Node, problems: &mut Problems) -> Option<Duration> {
    match node.word() {
        Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) => node.time(problems),
        _ => node.truth(problems).map(|busy| if busy { Duration::MAX } else { Duration::ZERO }),
    }
}

/// `5s`, or `never`.
fn answers(node: &Node, problems: &mut Problems) -> Option<Duration> {
    if node.word() == Some(NEVER) { None } else { node.time(problems) }
}

fn hotline(key: &Key, node: &Node, problems: &mut Problems) -> Option<Hotline> {
    let mut fields = Fields::of(node, key.at, problems)?;
    let usual = Hotline::default();
    let hotline = Hotline {
        busy: fields.take("busy").and_then(|n| n.whole(0, 10_000, problems)).unwrap_or(usual.busy),
        answers: fields.take("answers").map_or(usual.answers, |n| answers(n, problems)),
        accepts: fields.take("accepts").and_then(|n| n.truth(problems)).unwrap_or(usual.accepts),
    };
    fields.finish(problems);
    Some(hotline)
}

/// A telephone number, or `anonymous`.
fn from(node: &Node, problems: &mut Problems) -> Option<String> {
    const ANONYMOUS: &str = "anonymous";
    if node.word() == Some(ANONYMOUS) {
        return Some(ANONYMOUS.to_owned());
    }
    node.number(problems).map(|number: At<Number>| number.value.as_str().to_owned())
}

/// `"1"`, or `{ after: 95s, key: "1" }`.
fn press(node: &Node, problems: &mut Problems) -> Option<Press> {
    let What::Map(_) = node.what else { return digit(node, problems).map(|digit| Press { digit, after: None }) };
    let mut fields = Fields::of(node, node.at, problems)?;
    let after = fields.take("after").and_then(|n| n.time(problems));
    let pressed = match fields.take("key") {
        Some(key) => digit(key, problems),
        None => {
            missing(problems, node.at, "key", "{ after: 95s, key: \"1\" }");
            None
        }
    };
    fields.finish(problems);
    pressed.map(|digit| Press { digit, after })
}

/// `"0"` to `"9"`, `star`, `hash`: as a menu names its keys.
fn digit(node: &Node, problems: &mut Problems) -> Option<Digit> {
    const NAMES: [&str; 12] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "hash"];
    let text = node.text(problems)?;
    let c = match text.value {
        "star" => Some('*'),
        "hash" => Some('#'),
        word => word.chars().next().filter(|c| word.len() == 1 && (c.is_ascii_digit() || "*#".contains(*c))),
    };
    if c.is_none() {
        unknown(problems, text.at, "unknown_telephone_key", noun::TELEPHONE_KEY, text.value, NAMES.into_iter());
    }
    c.and_then(Digit::from_char)
}

/// A word of the call records.
fn ended(node: &Node, problems: &mut Problems) -> Option<CallEnd> {
    let word = node.text(problems)?;
    let found = CallEnd::ALL.into_iter().find(|end| end.to_string() == word.value);
    if found.is_none() && is_name(word.value, word.at, problems) {
        let known: Vec<String> = CallEnd::ALL.iter().map(CallEnd::to_string).collect();
        unknown(problems, word.at, "unknown_word", noun::KEY, word.value, known.iter().map(String::as_str));
    }
    found
}
