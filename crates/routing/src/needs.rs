//! What a ticket asks of an agent at its age: the needs it came with, and each declared easing that is in force.

use model::{Instant, Lang, Level, Need, Queue, Relax, Skill};
use std::collections::BTreeMap;
use std::time::Duration;

/// The needs of one ticket at one age, as alternatives. An easing adds an alternative and takes none away: whoever speaks the
/// caller's language still fits after an interpreter would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Never empty; the widest last.
    alternatives: Vec<Vec<Need>>,
    /// Easings in force.
    pub(crate) relax_step: u32,
}

impl Asked {
    /// The needs at `age`.
    pub(crate) fn at(needs: &[Need], lang: &Lang, queue: &Queue, age: Duration) -> Asked {
        let in_force = queue.relax.iter().filter(|r| r.after <= age);
        Asked::eased(needs, lang, in_force)
    }
    /// The needs when every easing is in force: the widest that this ticket can become.
    pub(crate) fn in_the_end(needs: &[Need], lang: &Lang, queue: &Queue) -> Asked {
        Asked::eased(needs, lang, queue.relax.iter())
    }

    fn eased<'a>(needs: &[Need], lang: &Lang, steps: impl Iterator<Item = &'a Relax>) -> Asked {
        let mut alternatives = vec![needs.to_vec()];
        let mut widest = needs.to_vec();
        let mut relax_step = 0u32;
        for step in steps {
            relax_step = relax_step.saturating_add(1);
            ease(&mut widest, lang, step);
            if alternatives.last() != Some(&widest) {
                alternatives.push(widest.clone());
            }
        }
        Asked { alternatives, relax_step }
    }

    /// Whether an agent with these skills will do.
    pub(crate) fn fits(&self, skills: &BTreeMap<Skill, Level>) -> bool {
        self.alternatives.iter().rev().any(|needs| needs.iter().all(|need| meets(skills, need)))
    }
    /// The first need, of the widest alternative, that these skills do not meet.
    pub(crate) fn lacking(&self, skills: &BTreeMap<Skill, Level>) -> Option<&Need> {
        if self.fits(skills) {
            return None;
        }
        self.alternatives.last()?.iter().find(|need| !meets(skills, need))
    }
}

/// The moment at which the next easing takes effect for a ticket of this age zero.
pub(crate) fn next_easing(queue: &Queue, since: Instant, now: Instant) -> Option<Instant> {
    queue.relax.iter().filter(|r| r.after > now.since(since)).map(|r| since + r.after).min()
}

fn meets(skills: &BTreeMap<Skill, Level>, need: &Need) -> bool {
    skills.get(&need.skill).is_some_and(|has| *has >= need.level)
}

/// Applies one declared easing. A level is only ever lowered: a flow may have asked for less than the queue's file expects.
fn ease(needs: &mut Vec<Need>, lang: &Lang, step: &Relax) {
    for (skill, level) in &step.needs {
        match level {
            None => needs.retain(|n| n.skill != *skill),
            Some(level) => needs.iter_mut().filter(|n| n.skill == *skill).for_each(|n| n.level = n.level.min(*level)),
        }
    }
    if let Some(instead) = &step.lang {
        let spoken = lang.skill();
        let before = needs.len();
        needs.retain(|n| n.skill != spoken);
        let dropped = needs.len() < before;
        if let Some(skill) = instead
            && dropped
            && !needs.iter().any(|n| n.skill == *skill)
        {
            needs.push(Need { skill: skill.clone(), level: Level::SOME });
        }
    }
}
