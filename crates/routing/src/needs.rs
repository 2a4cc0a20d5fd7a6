//! What a ticket asks of an agent at its age: the needs it came with, and each declared easing that is in force.

use model::{Lang, Level, Need, Queue, Relax, Skill};
use std::collections::BTreeMap;

/// The needs of one ticket at one age, as alternatives. An easing adds an alternative and takes none away: whoever speaks the
/// caller's language still fits after an interpreter would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Never empty; the widest last.
    alternatives: Vec<Vec<Need>>,
    /// Skills that mean understanding the caller: the language, and what easings take instead of it.
    tongues: Vec<Skill>,
}

impl Asked {
    /// The needs after so many easings.
    pub(crate) fn after(needs: &[Need], lang: &Lang, queue: &Queue, easings: usize) -> Asked {
        let mut alternatives = vec![needs.to_vec()];
        let mut tongues = vec![lang.skill()];
        let mut widest = needs.to_vec();
        for step in queue.relax.iter().take(easings) {
            ease(&mut widest, lang, step);
            tongues.extend(step.lang.iter().flatten().cloned());
            if alternatives.last() != Some(&widest) {
                alternatives.push(widest.clone());
            }
        }
        Asked { alternatives, tongues }
    }

    /// Whether an agent with these skills will do.
    pub(crate) fn fits(&self, skills: &BTreeMap<Skill, Level>) -> bool {
        self.alternatives.iter().rev().any(|needs| needs.iter().all(|need| meets(skills, need)))
    }
    /// Whether an agent with these skills and the caller understand each other, as far as the ticket asks for it.
    pub(crate) fn understands(&self, skills: &BTreeMap<Skill, Level>) -> bool {
        let mut tongues = self.alternatives.iter().map(|needs| needs.iter().filter(|need| self.tongues.contains(&need.skill)));
        tongues.any(|mut needs| needs.all(|need| meets(skills, need)))
    }
    /// The first need, of the widest alternative, that these skills do not meet.
    pub(crate) fn lacking(&self, skills: &BTreeMap<Skill, Level>) -> Option<&Need> {
        if self.fits(skills) {
            return None;
        }
        self.alternatives.last()?.iter().find(|need| !meets(skills, need))
    }
}

pub(crate) fn meets(skills: &BTreeMap<Skill, Level>, need: &Need) -> bool {
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
