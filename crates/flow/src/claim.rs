//! For whom a caller waits: the queue, what is asked of the agent, and what speaks for this caller.

use crate::config::queues::read_needs;
use crate::decode::Fields;
use crate::decode::UpTo;
use crate::problem::{At, Problems};
use crate::program::priority;
use crate::run::{Caller, Scene, Wanted};
use crate::schema::{Shape, Value, may};
use crate::tree::Node;
use model::{AgentId, Need, QueueId, Skill};
use std::time::Duration;

/// Agents that one step leaves out.
const EXCEPT_MAX: usize = 64;

/// Skills with levels, for editors.
pub(crate) const NEEDS: Shape = Shape {
    name: "needs",
    en: "Skills, each with the least level (1 to 5); lang: \"{lang}\" asks for the caller's own language.",
    ja: "求める技能と最低の水準（1 から 5）。lang: \"{lang}\" はお客様の言語を求めます。",
    words: &[may("lang", Value::Either(&[Value::OneOf(&["{lang}"]), Value::Whole(1, 5)]), "The caller's own language.", "お客様の言語。")],
    rest: Some((crate::schema::NAME, &Value::Whole(1, 5))),
};

/// A claim as a step asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) queue: At<QueueId>,
    /// Asked for on top of the queue's own needs.
    needs: Vec<Need>,
    pub(crate) skills: Vec<At<Skill>>,
    /// The caller counts as of this class here, if theirs is not higher anyway.
    pub(crate) class: u8,
    /// On top of the age, within the class.
    bonus: Duration,
    /// Agents who are not to be asked.
    pub(crate) except: Vec<At<AgentId>>,
    /// For how long the agent who served this caller last is waited for.
    last_agent: Option<Duration>,
}

impl Claim {
    /// `needs`, `priority`, `bonus`, `except` and `last_agent` of a step.
    pub(crate) fn read(queue: Option<At<QueueId>>, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Claim> {
        let mut skills = Vec::new();
        let needs = fields.take("needs").map(|n| read_needs(n, &mut skills, problems).0).unwrap_or_default();
        let class = fields.take("priority").and_then(|n| priority(n, problems)).unwrap_or(0);
        let bonus = fields.take("bonus").and_then(|n| n.time(problems)).unwrap_or_default();
        let items = fields.take("except").map(Node::items).unwrap_or_default();
        let except = items.up_to(EXCEPT_MAX, problems).iter().filter_map(|item| item.name(problems)).collect();
        let last_agent = fields.take("last_agent").and_then(|n| n.time(problems));
        Some(Claim { queue: queue?, needs, skills, class, bonus, except, last_agent })
    }

    /// As one caller makes it; `None` if there is no such queue.
    pub(crate) fn wanted(&self, scene: &Scene<'_>, caller: &Caller) -> Option<Wanted> {
        let mut needs = scene.book.queues.get(&self.queue.value)?.needs_for(&caller.lang);
        for extra in &self.needs {
            match needs.iter_mut().find(|need| need.skill == extra.skill) {
                Some(need) => need.level = need.level.max(extra.level),
                None => needs.push(extra.clone()),
            }
        }
        Some(Wanted {
            queue: self.queue.value.clone(),
            needs,
            lang: caller.lang.clone(),
            class: caller.class.max(self.class),
            bonus: self.bonus,
            except: self.except.iter().map(|agent| agent.value.clone()).collect(),
            last_agent: self.last_agent,
        })
    }
}
