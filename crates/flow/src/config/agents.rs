//! `agents.yaml`: who answers, what they can do, and which queues they serve.

use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, UpTo, is_name, missing, noun};
use crate::problem::{At, Problems};
use crate::schema::{NAME, Shape, Value, may, must};
use crate::tree::Node;
use model::{Agent, AgentId, Level, Number, QueueId, Skill};
use std::collections::BTreeMap;

/// Its words, for editors.
pub(crate) const SHAPE: Shape =
    Shape { name: "agents", en: "Who answers.", ja: "電話に出る担当者。", words: &[], rest: Some((NAME, &Value::Map(&ONE))) };

const ONE: Shape = Shape {
    name: "agents/agent",
    en: "An agent.",
    ja: "担当者。",
    words: &[
        must("extension", Value::Figures, "Dialled inside the house; in quotes.", "内線番号（引用符付き）。"),
        must(
            "skills",
            Value::Each(NAME, &Value::Whole(1, 5)),
            "What they can do, from 1 (a little) to 5 (expert); a language is a skill.",
            "技能。1（少し）から 5（熟練）まで。言語も技能のひとつです。",
        ),
        may(
            "serves",
            Value::List(&Value::Name(noun::QUEUE)),
            "Their queues, the first one first; every queue that their skills fit, if left out.",
            "担当する待ち列。優先する順。書かなければ、技能の合うすべての待ち列です。",
        ),
    ],
    rest: None,
};

/// An agent, and where their queues were written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) agent: Agent,
    pub(crate) serves: Vec<At<QueueId>>,
    /// Where each skill was written.
    pub(crate) skills: Vec<At<Skill>>,
}

pub(crate) fn read(node: &Node, problems: &mut Problems) -> BTreeMap<AgentId, Entry> {
    let mut agents = BTreeMap::new();
    let mut extensions: BTreeMap<Number, String> = BTreeMap::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        if !is_name(&key.text, key.at, problems) {
            continue;
        }
        let Some(mut fields) = Fields::of(value, key.at, problems) else { continue };
        let extension = match fields.take("extension") {
            Some(node) => node.number(problems),
            None => {
                missing(problems, key.at, "extension", "extension: \"201\"");
                None
            }
        };
        let mut written = Vec::new();
        let skills = fields.take("skills").map(|n| skills(n, &mut written, problems));
        if skills.as_ref().is_none_or(BTreeMap::is_empty) {
            missing(problems, key.at, "skills", "skills: { general: 3, ja: 5 }");
        }
        let serves: Vec<At<QueueId>> =
            fields.take("serves").map(|n| n.items().iter().filter_map(|item| item.name(problems)).collect()).unwrap_or_default();
        fields.not_yet(&["password", "busy"], problems);
        fields.finish(problems);
        let Some(extension) = extension else { continue };
        if let Some(other) = extensions.insert(extension.value.clone(), key.text.clone()) {
            let en = format!("{} and {} have the same extension", other, key.text);
            let ja = format!("{other} と {} の内線番号が同じです。", key.text);
            problems.error(extension.at, "same_extension", en, ja);
        }
        let id = AgentId::from(key.text.as_str());
        let agent = Agent {
            id: id.clone(),
            extension: extension.value,
            skills: skills.unwrap_or_default(),
            serves: serves.iter().map(|q| q.value.clone()).collect(),
        };
        agents.insert(id, Entry { agent, serves, skills: written });
    }
    agents
}

fn skills(node: &Node, written: &mut Vec<At<Skill>>, problems: &mut Problems) -> BTreeMap<Skill, Level> {
    let entries = node.map(problems).unwrap_or_default();
    let mut skills = BTreeMap::new();
    for (key, value) in entries {
        if is_name(&key.text, key.at, problems) {
            // A level that cannot be read is complained about once; nothing else should fail for it.
            let level = value.level(problems).or(Level::new(5)).unwrap_or(Level::SOME);
            let skill = Skill::from(key.text.as_str());
            written.push(At { value: skill.clone(), at: key.at });
            skills.insert(skill, level);
        }
    }
    skills
}
