//! How queues share their agents: who joins in late, which queue helps which, and who is kept back.

use crate::decode::{Fields, UpTo, missing, noun};
use crate::problem::{At, Problems};
use crate::program::priority;
use crate::schema::{Shape, Value, may, must};
use crate::tree::{Key, Node};
use model::{KeptFor, QueueId, Reserve, Ring, Skill};

/// Rings of one queue.
const RINGS_MAX: usize = 16;
/// Queues that help one queue.
const HELPERS_MAX: usize = 16;
/// Agents that one rule keeps back.
const KEEP_MAX: u32 = 1_000;

/// Who joins in late, for editors.
pub(super) const RING: Shape = Shape {
    name: "queues/rings",
    en: "Who holds this skill is asked only after that wait.",
    ja: "この技能をもつ人は、この待ち時間のあとで加わります。",
    words: &[
        must("after", Value::Time, "After how long.", "待ち時間。"),
        must("skill", Value::Name(noun::SKILL), "Which skill.", "技能。"),
    ],
    rest: None,
};

/// Agents kept back, for editors.
pub(super) const RESERVE: Shape = Shape {
    name: "queues/reserve",
    en: "At least so many who have a skill stay idle for those it is kept for.",
    ja: "この技能をもつ人を、少なくともこの人数、空けておきます。",
    words: &[
        must("keep", Value::Whole(1, KEEP_MAX), "How many.", "人数。"),
        must("of", Value::Name(noun::SKILL), "Who have this skill.", "技能。"),
        must("for", Value::Map(&FOR_WHOM), "For whom: a queue, or a class and above.", "誰のためか。待ち列、または優先度（以上）。"),
        may("hysteresis", Value::Whole(0, KEEP_MAX), "Lets go only when so many more are idle.", "さらにこの人数が空くまで解除しません。"),
    ],
    rest: None,
};

const FOR_WHOM: Shape = Shape {
    name: "queues/reserve/for",
    en: "One of both.",
    ja: "どちらかひとつ。",
    words: &[
        may("queue", Value::List(&Value::Name(noun::QUEUE)), "For one queue, or for several.", "待ち列（複数可）。"),
        may("class", Value::OneOf(&crate::program::CLASSES), "For one class and above.", "優先度（以上）。"),
    ],
    rest: None,
};

/// `[ { after: 30s, skill: bilingual } ]`: who holds the skill is asked only after that wait.
pub(super) fn read_rings(node: &Node, skills: &mut Vec<At<Skill>>, problems: &mut Problems) -> Vec<Ring> {
    const EXAMPLE: &str = "{ after: 30s, skill: bilingual }";
    let mut rings: Vec<Ring> = Vec::new();
    for item in node.items().up_to(RINGS_MAX, problems) {
        let Some(mut fields) = Fields::of(item, item.at, problems) else { continue };
        let mut needed = |name: &'static str, problems: &mut Problems| {
            let node = fields.take(name);
            if node.is_none() {
                missing(problems, item.at, name, EXAMPLE);
            }
            node
        };
        let after = needed("after", problems).and_then(|n| n.time(problems));
        let skill = needed("skill", problems).and_then(|n| skill(n, problems));
        fields.finish(problems);
        let Some((after, skill)) = after.zip(skill) else { continue };
        if rings.last().is_some_and(|before| before.after >= after) {
            let (en, ja) = ("rings stand in the order of their time", "rings は時間の早い順に書いてください。");
            problems.error(item.at, "order_of_rings", en, ja);
        }
        if rings.iter().any(|ring| ring.skill == skill.value) {
            let en = format!("\"{}\" is in an earlier ring already; the later one would count", skill.value);
            let ja = format!("「{}」は前の段にも書かれています。ひとつの技能は一度だけ書いてください。", skill.value);
            problems.error(skill.at, "same_ring", en, ja);
        }
        rings.push(Ring { after, skill: skill.value.clone() });
        skills.push(skill);
    }
    rings
}

fn skill(node: &Node, problems: &mut Problems) -> Option<At<Skill>> {
    node.name::<String>(problems).map(|name| At { value: Skill::from(name.value.as_str()), at: name.at })
}

/// `[nurse]`: queues whose agents take calls of this one when their own have none.
pub(super) fn read_helpers(node: &Node, problems: &mut Problems) -> Vec<At<QueueId>> {
    node.items().up_to(HELPERS_MAX, problems).iter().filter_map(|item| item.name(problems)).collect()
}

/// `{ keep: 1, of: nurse, for: { queue: nurse } }`, `for: { queue: [nurse, oncall] }` or `for: { class: urgent }`; `hysteresis: 1` lets go only when one more is idle.
pub(super) fn read_reserve(
    key: &Key,
    node: &Node,
    skills: &mut Vec<At<Skill>>,
    queues: &mut Vec<At<QueueId>>,
    problems: &mut Problems,
) -> Option<Reserve> {
    const EXAMPLE: &str = "reserve: { keep: 1, of: nurse, for: { queue: nurse } }";
    let mut fields = Fields::of(node, key.at, problems)?;
    let mut needed = |name: &'static str, problems: &mut Problems| {
        let entry = fields.entry(name);
        if entry.is_none() {
            missing(problems, key.at, name, EXAMPLE);
        }
        entry
    };
    let keep = needed("keep", problems).and_then(|(_, n)| n.whole(1, KEEP_MAX, problems));
    let of = needed("of", problems).and_then(|(_, n)| skill(n, problems));
    let kept_for = needed("for", problems).and_then(|(key, n)| read_kept_for(key, n, queues, problems));
    let hysteresis = fields.take("hysteresis").and_then(|n| n.whole(0, KEEP_MAX, problems)).unwrap_or(0);
    fields.finish(problems);
    skills.extend(of.clone());
    Some(Reserve { keep: keep?, of: of?.value, kept_for: kept_for?, hysteresis })
}

fn read_kept_for(key: &Key, node: &Node, queues: &mut Vec<At<QueueId>>, problems: &mut Problems) -> Option<KeptFor> {
    let mut fields = Fields::of(node, key.at, problems)?;
    let for_queues =
        fields.take("queue").map(|n| n.items().up_to(HELPERS_MAX, problems).iter().map(|item| item.name::<QueueId>(problems)).collect());
    let for_class = fields.take("class").map(|n| priority(n, problems));
    fields.finish(problems);
    match (for_queues, for_class) {
        (Some(ids), None) => {
            let ids: Option<Vec<At<QueueId>>> = ids;
            queues.extend(ids?);
            match queues.as_slice() {
                [] => for_whom(key, problems),
                [id] => Some(KeptFor::Queue(id.value.clone())),
                several => Some(KeptFor::Queues(several.iter().map(|id| id.value.clone()).collect())),
            }
        }
        (None, Some(class)) => class.map(KeptFor::Class),
        _ => for_whom(key, problems),
    }
}

fn for_whom(key: &Key, problems: &mut Problems) -> Option<KeptFor> {
    let en = "a reserve is kept for queues, or for one class";
    let ja = "確保する相手は、queue か class のどちらかひとつで書いてください。";
    problems.error(key.at, "reserve_for_whom", en, ja).help("for: { queue: nurse }");
    None
}
