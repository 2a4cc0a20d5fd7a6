//! `queues.yaml`: where callers wait, and for whom.

use crate::config::ENTRIES_MAX;
use crate::config::sharing;
use crate::decode::{Fields, UpTo, is_name, missing, noun};
use crate::problem::{At, Problems, Spot};
use crate::schema::{NAME, Shape, Value, may, must};
use crate::tree::{Key, Node};
use model::{ChooseAgent, Level, Need, Number, PromptId, Queue, QueueId, Relax, ServiceLevel, Skill};
use std::collections::BTreeMap;
use std::time::Duration;

/// Easings of one queue.
const RELAX_MAX: usize = 16;
/// Sentences that an agent hears before the caller.
const WHISPER_MAX: usize = 8;
/// Letters of a label: what fits on a telephone's display.
const LABEL_MAX: usize = 24;
/// A phone that rings shorter than this is reached by nobody.
const RING_MIN: Duration = Duration::from_secs(3);

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "queues",
    en: "Where callers wait.",
    ja: "お客様がお待ちになる待ち列。",
    words: &[must("queues", Value::Each(NAME, &Value::Map(&ONE)), "The queues, by their names.", "待ち列。名前を付けて書きます。")],
    rest: None,
};

const ONE: Shape = Shape {
    name: "queues/queue",
    en: "A queue: who may answer, how they are called, and how it is run.",
    ja: "待ち列。誰が出るか、どう呼び出すか、どう運用するか。",
    words: &[
        must(
            "needs",
            Value::Map(&crate::claim::NEEDS),
            "Skills asked of an agent, the main one first.",
            "担当者に求める技能。主なものを先に書きます。",
        ),
        may("label", Value::Text, "What the agent's display shows.", "担当者の電話機に表示する名前。"),
        may("code", Value::Figures, "The figures by which agents name it; in quotes.", "担当者が転送するときの短縮番号（引用符付き）。"),
        may(
            "relax",
            Value::List(&Value::Map(&RELAX)),
            "What is asked for less strictly after some waiting, in order.",
            "待ち時間に応じて緩める条件。時間の早い順。",
        ),
        may("rings", Value::List(&Value::Map(&sharing::RING)), "Who joins in late.", "あとから加わる担当者。"),
        may("helped_by", Value::List(&Value::Name(noun::QUEUE)), "Queues whose agents help out here.", "手伝ってくれる待ち列。"),
        may("reserve", Value::Map(&sharing::RESERVE), "Agents kept back.", "空けておく担当者。"),
        may(
            "overtaken_at_most",
            Value::Time,
            "Who has waited so long is overtaken by nobody any more.",
            "この時間お待ちの方は、もう追い越されません。",
        ),
        may(
            "choose_agent",
            Value::OneOf(&["longest_idle", "least_occupied", "best_skill"]),
            "Who is called first.",
            "誰を先に呼び出すか。",
        ),
        may("ring", Value::Map(&RING), "How one agent's phone rings.", "担当者の電話の鳴らし方。"),
        may(
            "whisper",
            Value::List(&Value::Name(noun::PROMPT)),
            "Sentences that the agent hears before the caller.",
            "担当者だけに先に聞かせる案内文。",
        ),
        may("show_number", Value::Truth, "Whether the display shows the caller's number.", "電話機にお客様の番号を表示するか。"),
        may("wrap_up", Value::Time, "Time after each call to write it down.", "後処理の時間。"),
        may("max_waiting", Value::Whole(1, 100_000), "The next caller is told that the queue is full.", "お待ちいただく人数の上限。"),
        may("service_level", Value::Map(&SERVICE), "The promise.", "応答の目標。"),
    ],
    rest: None,
};

const RING: Shape = Shape {
    name: "queues/ring",
    en: "How one agent's phone rings.",
    ja: "担当者の電話の鳴らし方。",
    words: &[
        may("for", Value::Time, "How long.", "鳴らす時間。"),
        may("missed", Value::Whole(1, 100), "After how many missed calls an agent counts as away.", "何回出ないと離席とみなすか。"),
        may(
            "pause",
            Value::Time,
            "How long an agent is not asked again for the same caller.",
            "同じお客様のために再び呼び出すまでの時間。",
        ),
    ],
    rest: None,
};

const RELAX: Shape = Shape {
    name: "queues/relax",
    en: "An easing: lang: any drops the language; a skill: none drops the skill, a level lowers it.",
    ja: "条件の緩和。lang: any は言語を問わない、技能: none はその技能を問わない、数字は水準を下げる。",
    words: &[
        must("after", Value::Time, "After how long.", "待ち時間。"),
        may("lang", Value::Name(noun::SKILL), "any, or the skill that is asked for instead.", "any、または代わりに求める技能。"),
    ],
    rest: Some((NAME, &Value::Either(&[Value::Whole(1, 5), Value::OneOf(&["none"])]))),
};

const SERVICE: Shape = Shape {
    name: "queues/service_level",
    en: "This share of calls is answered within this time.",
    ja: "この割合の電話に、この時間内に出る。",
    words: &[
        may("answered_within", Value::Time, "Within this time.", "応答までの時間。"),
        may("target", Value::Percent, "This share.", "割合。"),
    ],
    rest: None,
};

/// A queue, and where its parts were written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) queue: Queue,
    pub(crate) at: Spot,
    /// Every skill it names: in its needs, its easings, its rings and its reserve.
    pub(crate) skills: Vec<At<Skill>>,
    /// Queues that help it.
    pub(crate) helped_by: Vec<At<QueueId>>,
    /// The queues that its reserve is kept for, if it is kept for queues.
    pub(crate) kept_for: Vec<At<QueueId>>,
    /// Where its reserve is written.
    pub(crate) reserve: Option<Spot>,
    pub(crate) whisper: Vec<At<PromptId>>,
    pub(crate) code: Option<At<Number>>,
}

pub(crate) fn read(node: &Node, top: Spot, problems: &mut Problems) -> BTreeMap<QueueId, Entry> {
    let mut queues = BTreeMap::new();
    let Some(mut fields) = Fields::of(node, top, problems) else { return queues };
    match fields.take("queues") {
        Some(list) => {
            for (key, value) in list.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
                if is_name(&key.text, key.at, problems)
                    && let Some(entry) = read_queue(key, value, problems)
                {
                    queues.insert(entry.queue.id.clone(), entry);
                }
            }
        }
        None => missing(problems, top, "queues", "queues:"),
    }
    fields.finish(problems);
    queues
}

fn read_queue(key: &Key, node: &Node, problems: &mut Problems) -> Option<Entry> {
    let mut fields = Fields::of(node, key.at, problems)?;
    let mut skills = Vec::new();
    let (needs, lang) = match fields.take("needs") {
        Some(node) => read_needs(node, &mut skills, problems),
        None => {
            missing(problems, key.at, "needs", "needs: { general: 1, lang: \"{lang}\" }");
            (Vec::new(), None)
        }
    };
    let mut queue = Queue { lang, ..Queue::plain(QueueId::from(key.text.as_str()), needs) };
    if let Some(label) = fields.take("label").and_then(|n| label(n, problems)) {
        queue.label = label;
    }
    let code = fields.take("code").and_then(|n| n.code(problems));
    for item in fields.take("relax").map(Node::items).unwrap_or_default().up_to(RELAX_MAX, problems) {
        if let Some(step) = read_relax(item, &queue.needs, lang, &mut skills, problems) {
            if queue.relax.last().is_some_and(|before: &Relax| before.after >= step.after) {
                let (en, ja) = ("easings stand in the order of their time", "relax は時間の早い順に書いてください。");
                problems.error(item.at, "order_of_relax", en, ja);
            }
            queue.relax.push(step);
        }
    }
    queue.rings = fields.take("rings").map(|n| sharing::read_rings(n, &mut skills, problems)).unwrap_or_default();
    let helped_by: Vec<At<QueueId>> = fields.take("helped_by").map(|n| sharing::read_helpers(n, problems)).unwrap_or_default();
    queue.helped_by = helped_by.iter().map(|queue| queue.value.clone()).collect();
    let (mut reserve, mut kept_for) = (None, Vec::new());
    if let Some((key, node)) = fields.entry("reserve") {
        reserve = Some(key.at);
        queue.reserve = sharing::read_reserve(key, node, &mut skills, &mut kept_for, problems);
    }
    if let Some(time) = fields.take("overtaken_at_most").and_then(|n| n.time(problems)) {
        queue.overtaken_max = time;
    }
    let words = [
        ("longest_idle", ChooseAgent::LongestIdle),
        ("least_occupied", ChooseAgent::LeastOccupied),
        ("best_skill", ChooseAgent::BestSkill),
    ];
    queue.choose_agent = fields.take("choose_agent").and_then(|n| n.one_of(&words, problems)).unwrap_or_default();
    if let Some((key, ring)) = fields.entry("ring") {
        read_ring(key, ring, &mut queue, problems);
    }
    let items = fields.take("whisper").map(Node::items).unwrap_or_default();
    let whisper: Vec<At<PromptId>> = items.up_to(WHISPER_MAX, problems).iter().filter_map(|item| item.name(problems)).collect();
    queue.whisper = whisper.iter().map(|prompt| prompt.value.clone()).collect();
    queue.show_number = fields.take("show_number").and_then(|n| n.truth(problems)).unwrap_or(false);
    if let Some(time) = fields.take("wrap_up").and_then(|n| n.time(problems)) {
        queue.wrap_up = time;
    }
    if let Some(waiting) = fields.take("max_waiting").and_then(|n| n.whole(1, 100_000, problems)) {
        queue.max_waiting = waiting;
    }
    queue.service_level = fields.entry("service_level").map_or_else(ServiceLevel::default, |(key, n)| read_service_level(key, n, problems));
    fields.not_yet(&["capacity"], problems);
    fields.finish(problems);
    queue.code = code.as_ref().map(|code| code.value.clone());
    Some(Entry { queue, at: key.at, skills, helped_by, kept_for, reserve, whisper, code })
}

/// What an agent's display shows: `看護`.
fn label(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let length = text.value.chars().count();
    if length > LABEL_MAX || text.value.chars().any(char::is_control) {
        let en = format!("a label has at most {LABEL_MAX} letters; a telephone's display shows no more");
        let ja = format!("表示名は {LABEL_MAX} 文字までです。電話機の画面に収まりません。");
        problems.error(text.at, "label_length", en, ja);
        return None;
    }
    Some(text.value.to_owned())
}

/// `{ for: 20s, missed: 2, pause: 10s }`: how one agent's phone rings, and what a missed call means.
fn read_ring(key: &Key, node: &Node, queue: &mut Queue, problems: &mut Problems) {
    let Some(mut ring) = Fields::of(node, key.at, problems) else { return };
    if let Some((node, time)) = ring.take("for").and_then(|node| Some((node, node.time(problems)?))) {
        queue.ring_for = at_least(time, RING_MIN, node.at, problems);
    }
    if let Some(missed) = ring.take("missed").and_then(|n| n.whole(1, 100, problems)) {
        queue.missed_max = missed;
    }
    if let Some(pause) = ring.take("pause").and_then(|n| n.time(problems)) {
        queue.pause = pause;
    }
    ring.finish(problems);
}

/// A time that is long enough to be of use.
pub(crate) fn at_least(time: Duration, least: Duration, at: Spot, problems: &mut Problems) -> Duration {
    if time < least {
        let en = format!("shorter than {}s helps nobody", least.as_secs());
        let ja = format!("{} 秒より短くできません。", least.as_secs());
        problems.error(at, "too_short", en, ja);
    }
    time.max(least)
}

/// `{ nurse: 3, lang: "{lang}" }`: skills with levels, and whether the caller's language is one of them.
pub(crate) fn read_needs(node: &Node, skills: &mut Vec<At<Skill>>, problems: &mut Problems) -> (Vec<Need>, Option<Level>) {
    let (mut needs, mut lang) = (Vec::new(), None);
    for (key, value) in node.map(problems).unwrap_or_default() {
        if key.text == "lang" {
            lang = match value.word() {
                Some("{lang}") => Some(Level::SOME),
                Some(word) if word.parse::<u32>().is_ok() => value.level(problems),
                _ => {
                    let en = "write \"{lang}\" for the caller's language, or a level from 1 to 5";
                    let ja = "お客様の言語なら \"{lang}\"、水準なら 1 から 5 の数字を書いてください。";
                    problems.error(value.at, "language_need", en, ja).help("lang: \"{lang}\"");
                    None
                }
            };
        } else if is_name(&key.text, key.at, problems)
            && let Some(level) = value.level(problems)
        {
            let skill = Skill::from(key.text.as_str());
            skills.push(At { value: skill.clone(), at: key.at });
            needs.push(Need { skill, level });
        }
    }
    (needs, lang)
}

fn read_relax(node: &Node, needs: &[Need], lang: Option<Level>, skills: &mut Vec<At<Skill>>, problems: &mut Problems) -> Option<Relax> {
    let mut relax = Relax { after: Duration::ZERO, needs: BTreeMap::new(), lang: None };
    let mut widens = false;
    let mut timed = false;
    for (key, value) in node.map(problems)? {
        match key.text.as_str() {
            "after" => {
                timed = true;
                relax.after = value.time(problems)?;
            }
            "lang" => {
                let word = value.name::<String>(problems)?;
                widens |= lang.is_some();
                relax.lang = Some((word.value != "any").then(|| Skill::from(word.value.as_str())));
                if word.value != "any" {
                    skills.push(At { value: Skill::from(word.value.as_str()), at: word.at });
                }
            }
            name => {
                if !is_name(name, key.at, problems) {
                    return None;
                }
                let skill = Skill::from(name);
                let before = needs.iter().find(|n| n.skill == skill).map(|n| n.level);
                let level = if value.word() == Some("none") { None } else { Some(value.level(problems)?) };
                widens |= before.is_some_and(|before| level.is_none_or(|level| level < before));
                skills.push(At { value: skill.clone(), at: key.at });
                relax.needs.insert(skill, level);
            }
        }
    }
    if !timed {
        missing(problems, node.at, "after", "{ after: 60s, lang: any }");
    }
    if !widens {
        let en = "this easing asks for no less than before";
        let ja = "この緩和では、条件が緩くなりません。";
        problems.warning(node.at, "relax_widens_nothing", en, ja);
    }
    Some(relax)
}

fn read_service_level(key: &Key, node: &Node, problems: &mut Problems) -> ServiceLevel {
    let mut level = ServiceLevel::default();
    let Some(mut fields) = Fields::of(node, key.at, problems) else { return level };
    if let Some(time) = fields.take("answered_within").and_then(|n| n.time(problems)) {
        level.answered_within = time;
    }
    if let Some(percent) = fields.take("target").and_then(|n| n.percent(problems)) {
        level.target_percent = percent;
    }
    fields.finish(problems);
    level
}
