//! `queues.yaml`: where callers wait, and for whom.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, is_name, missing};
use crate::problem::{At, Problems, Spot};
use crate::tree::{Key, Node, What, shown};
use model::{ChooseAgent, Level, Need, Queue, QueueId, Relax, ServiceLevel, Skill};
use std::collections::BTreeMap;
use std::time::Duration;

const RING_FOR: Duration = Duration::from_secs(20);
const MISSED_MAX: u32 = 2;
const WRAP_UP: Duration = Duration::from_secs(20);
const MAX_WAITING: u32 = 100;
/// Easings of one queue.
const RELAX_MAX: usize = 16;

/// A queue, and where its parts were written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) queue: Queue,
    pub(crate) at: Spot,
    /// Every skill it names, in its needs and in its easings.
    pub(crate) skills: Vec<At<Skill>>,
}

pub(crate) fn read(node: &Node, top: Spot, problems: &mut Problems) -> BTreeMap<QueueId, Entry> {
    let mut queues = BTreeMap::new();
    let Some(mut fields) = Fields::of(node, top, problems) else { return queues };
    match fields.take("queues") {
        Some(list) => {
            for (key, value) in list.map(problems).unwrap_or_default().iter().take(ENTRIES_MAX) {
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
    let mut relax = Vec::new();
    for item in fields.take("relax").map(Node::items).unwrap_or_default().iter().take(RELAX_MAX) {
        if let Some(step) = read_relax(item, &needs, lang, &mut skills, problems) {
            if relax.last().is_some_and(|before: &Relax| before.after >= step.after) {
                let (en, ja) = ("easings stand in the order of their time", "緩和は時間の早い順に書いてください。");
                problems.error(item.at, "order_of_relax", en, ja);
            }
            relax.push(step);
        }
    }
    let words = [
        ("longest_idle", ChooseAgent::LongestIdle),
        ("least_occupied", ChooseAgent::LeastOccupied),
        ("best_skill", ChooseAgent::BestSkill),
    ];
    let choose_agent = fields.take("choose_agent").and_then(|n| n.one_of(&words, problems)).unwrap_or_default();
    let (mut ring_for, mut missed_max) = (RING_FOR, MISSED_MAX);
    if let Some((key, ring)) = fields.entry("ring")
        && let Some(mut ring) = Fields::of(ring, key.at, problems)
    {
        if let Some(node) = ring.take("for") {
            ring_for = node.time(problems).map_or(RING_FOR, |time| at_least(time, Duration::from_secs(3), node.at, problems));
        }
        missed_max = ring.take("missed").and_then(|n| n.whole(1, 100, problems)).unwrap_or(MISSED_MAX);
        ring.finish(problems);
    }
    let wrap_up = fields.take("wrap_up").and_then(|n| n.time(problems)).unwrap_or(WRAP_UP);
    let max_waiting = fields.take("max_waiting").and_then(|n| n.whole(1, 100_000, problems)).unwrap_or(MAX_WAITING);
    let service_level = fields.entry("service_level").map_or_else(ServiceLevel::default, |(key, n)| read_service_level(key, n, problems));
    fields.not_yet(&["reserve", "helped_by", "capacity"], problems);
    fields.finish(problems);
    let plain = Queue::plain(QueueId::from(key.text.as_str()), needs);
    let queue = Queue { lang, relax, choose_agent, ring_for, missed_max, wrap_up, max_waiting, service_level, ..plain };
    Some(Entry { queue, at: key.at, skills })
}

fn at_least(time: Duration, least: Duration, at: Spot, problems: &mut Problems) -> Duration {
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
    if let Some(percent) = fields.take("target").and_then(|n| percent(n, problems)) {
        level.target_percent = percent;
    }
    fields.finish(problems);
    level
}

fn percent(node: &Node, problems: &mut Problems) -> Option<u8> {
    // A lone number could be a share of one.
    let What::Scalar(_) = node.what else {
        node.wrong(problems, "a share such as 80%", "80% のような割合");
        return None;
    };
    let text = node.text(problems)?;
    let percent = text.value.strip_suffix('%').and_then(|n| n.trim().parse::<u8>().ok()).filter(|n| (1..=100).contains(n));
    if percent.is_none() {
        let en = format!("\"{}\" is no share; write 1% to 100%", shown(text.value));
        let ja = format!("「{}」は割合として読めません。1% から 100% で書いてください。", shown(text.value));
        problems.error(text.at, "not_a_share", en, ja).help("target: 80%");
    }
    percent
}
