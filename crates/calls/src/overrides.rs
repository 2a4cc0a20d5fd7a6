//! What the duty officer set by hand: kept with its end in the records, heard by every caller from the next step on, and over by itself.
//!
//! One owner for notices, schedules and agents' skills. Ends are moments on the wall clock, looked at with each input: a clock that was
//! put right ends what is over by then, and what has ended stays so when the clock goes back.

use crate::City;
use crate::engine::Engine;
use crate::record::Record;
use flow::{Hours, Notice, Spoken, Standing};
use media::Clip;
use model::{
    AgentId, Event, Instant, Lang, Millis, NOTICE_LANGS_MAX, NOTICE_SOUNDS_MAX, NOTICE_TEXT_MAX, Now, OVERRIDE_LASTS_MAX, OVERRIDES_MAX,
    Override, OverrideId, REMARK_MAX, ScheduleId, Setting, Skill, SlotId, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Names that a sentence lists.
const NAMES_MAX: usize = 12;

/// All that is set by hand.
#[derive(Default)]
pub(crate) struct Overrides {
    pub(crate) in_force: BTreeMap<OverrideId, Override>,
    /// How notices sound. What has no sound here is not spoken.
    clips: BTreeMap<Spoken, Arc<Clip>>,
    /// The same, as callers' runs see it.
    pub(crate) standing: Arc<Standing>,
    /// When to look at the wall clock again.
    pub(crate) due: Option<Instant>,
}

impl Overrides {
    /// The sound of a notice.
    pub(crate) fn clip(&self, spoken: &Spoken) -> Option<&Arc<Clip>> {
        self.clips.get(spoken)
    }

    /// What this skill's levels are by hand, agent by agent.
    pub(crate) fn lay_over(&self, rules: &mut routing::Rules) {
        for set in self.in_force.values() {
            if let Setting::Skill { agent, skill, level } = &set.setting
                && let Some(agent) = rules.agents.get_mut(agent)
            {
                match level {
                    Some(level) => drop(agent.skills.insert(skill.clone(), *level)),
                    None => drop(agent.skills.remove(skill)),
                }
            }
        }
    }

    /// What each notice says, as sentences.
    fn sentences(&self) -> impl Iterator<Item = (Spoken, &str)> {
        self.in_force.values().flat_map(|set| match &set.setting {
            Setting::Notice { slot, texts } => texts.iter().map(|(lang, text)| (Standing::sentence(slot, lang), text.as_str())).collect(),
            Setting::Schedule { .. } | Setting::Skill { .. } => Vec::new(),
        })
    }

    fn stand(&mut self) {
        let named: BTreeSet<Spoken> = self.sentences().map(|(spoken, _)| spoken).collect();
        self.clips.retain(|spoken, _| named.contains(spoken));
        let mut standing = Standing::default();
        for Override { setting, until, .. } in self.in_force.values() {
            match setting {
                Setting::Schedule { schedule, hours } => drop(standing.schedules.insert(schedule.clone(), (*hours, *until))),
                Setting::Notice { slot, texts } => {
                    let sounds = |(lang, _): &(Lang, String)| {
                        let clip = self.clips.get(&Standing::sentence(slot, lang))?;
                        Some((lang.clone(), Millis::from(clip.length())))
                    };
                    let langs = texts.iter().filter_map(sounds).collect();
                    standing.notices.insert(slot.clone(), Notice { langs, until: *until });
                }
                Setting::Skill { .. } => {}
            }
        }
        self.standing = Arc::new(standing);
    }
}

impl Engine {
    /// Sets something by hand, with the sound of a notice. What was set before for the same thing is replaced.
    ///
    /// # Errors
    /// With why it was refused; then nothing has changed.
    pub(crate) fn set_override(&mut self, now: Now, set: Override, clips: BTreeMap<Lang, Arc<Clip>>) -> Result<(), NotAllowed> {
        let id = set.setting.id();
        allowed(&self.city, now, &set, &clips)?;
        if self.overrides.in_force.len() >= OVERRIDES_MAX && !self.overrides.in_force.contains_key(&id) {
            return Err(NotAllowed::TooMany);
        }
        self.commit(Record::OverrideSet { set: Box::new(set.clone()) });
        self.note(Event::OverrideSet { set: Box::new(set.clone()) });
        if let Setting::Notice { slot, texts } = &set.setting {
            let sounds = clips.into_iter().filter(|(lang, _)| texts.iter().any(|(named, _)| named == lang));
            self.overrides.clips.extend(sounds.map(|(lang, clip)| (Standing::sentence(slot, &lang), clip)));
        }
        let skills = matches!(set.setting, Setting::Skill { .. });
        self.overrides.in_force.insert(id, set);
        self.stand_by_overrides(now, skills);
        Ok(())
    }

    /// Ends something before its time.
    ///
    /// # Errors
    /// When nothing of that name was set.
    pub(crate) fn lift_override(&mut self, now: Now, id: &OverrideId, by: &str) -> Result<(), NotAllowed> {
        if !self.overrides.in_force.contains_key(id) {
            return Err(NotAllowed::NothingSet);
        }
        self.end_override(now, id, Some(by.to_owned()));
        Ok(())
    }

    /// Ends what is over, and looks at the clock again when the next one should be.
    pub(crate) fn end_overrides(&mut self, now: Now) {
        self.overrides.due = None;
        if self.overrides.in_force.is_empty() {
            return;
        }
        let over: Vec<OverrideId> =
            self.overrides.in_force.iter().filter(|(_, set)| set.until <= now.wall).map(|(id, _)| id.clone()).collect();
        for id in over {
            self.end_override(now, &id, None);
        }
        self.overrides.due = self.overrides.in_force.values().map(|set| set.until).min().map(|until| {
            let left = u64::try_from(until.0.saturating_sub(now.wall.0)).unwrap_or(0);
            now.mono + Millis(left).into()
        });
    }

    fn end_override(&mut self, now: Now, id: &OverrideId, by: Option<String>) {
        let Some(set) = self.overrides.in_force.remove(id) else { return };
        self.commit(Record::OverrideEnded { what: id.clone(), by: by.clone(), at: now.wall });
        self.note(Event::OverrideEnded { what: id.clone(), by });
        self.stand_by_overrides(now, matches!(set.setting, Setting::Skill { .. }));
    }

    /// What is set by hand has changed: everybody's way and routing go by it from here on.
    fn stand_by_overrides(&mut self, now: Now, skills: bool) {
        self.overrides.stand();
        for call in self.calls.values_mut() {
            call.run.heed(Arc::clone(&self.overrides.standing));
        }
        if skills {
            self.acd.publish(now.mono, self.rules_of(&self.city));
        }
    }

    /// Takes up what was set when the engine before this one stopped. What is over by now ends with the first input.
    pub(crate) fn take_up_overrides(&mut self, kept: BTreeMap<OverrideId, Override>) {
        self.overrides.in_force = kept;
        self.overrides.stand();
        if !self.overrides.in_force.is_empty() {
            self.acd = routing::Acd::new(self.rules_of(&self.city));
        }
    }

    /// Sentences of notices that have no sound yet: after a restart, all of them. Whoever has a voice lends it by [`Engine::lend_sounds`].
    pub fn silent_notices(&self) -> Vec<(Spoken, String)> {
        let silent = |(spoken, _): &(Spoken, &str)| self.overrides.clip(spoken).is_none();
        self.overrides.sentences().filter(silent).map(|(spoken, text)| (spoken, text.to_owned())).collect()
    }

    /// How the notices of [`Engine::silent_notices`] sound. Before the first input.
    pub fn lend_sounds(&mut self, sounds: BTreeMap<Spoken, Arc<Clip>>) {
        self.overrides.clips.extend(sounds);
        self.overrides.stand();
    }

    /// What routing goes by in this city: its files, and above them what is set by hand.
    pub(crate) fn rules_of(&self, city: &City) -> routing::Rules {
        let mut rules = crate::engine::rules(city);
        self.overrides.lay_over(&mut rules);
        rules
    }

    /// How a schedule answers at a moment; `None` if there is no such schedule.
    pub(crate) fn hours(&self, schedule: &ScheduleId, wall: UnixMillis) -> Option<Hours> {
        let by_calendar = self.city.book.calendar.hours(schedule, wall)?;
        Some(self.overrides.standing.hours(schedule, wall).unwrap_or(by_calendar))
    }
}

/// Whether something may be set.
fn allowed(city: &City, now: Now, set: &Override, clips: &BTreeMap<Lang, Arc<Clip>>) -> Result<(), NotAllowed> {
    if set.until <= now.wall {
        return Err(NotAllowed::Past);
    }
    if set.until.0.saturating_sub(now.wall.0) > i64::try_from(OVERRIDE_LASTS_MAX.0).unwrap_or(i64::MAX) {
        return Err(NotAllowed::TooLong);
    }
    let plain = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
    if !plain(&set.by, REMARK_MAX) || !plain(&set.why, REMARK_MAX) {
        return Err(NotAllowed::Remark);
    }
    acts_on(city, &set.setting)?;
    match &set.setting {
        Setting::Notice { texts, .. } => {
            let langs: BTreeSet<&Lang> = texts.iter().map(|(lang, _)| lang).collect();
            if texts.is_empty() || texts.len() > NOTICE_LANGS_MAX || langs.len() != texts.len() {
                return Err(NotAllowed::Text);
            }
            for (lang, text) in texts {
                if text.trim().is_empty() || !plain(text, NOTICE_TEXT_MAX) {
                    return Err(NotAllowed::Text);
                }
                match clips.get(lang).map(|clip| Millis::from(clip.length())) {
                    None => return Err(NotAllowed::NoSound(lang.clone())),
                    Some(length) if length > NOTICE_SOUNDS_MAX => return Err(NotAllowed::SoundsTooLong(lang.clone(), length)),
                    Some(_) => {}
                }
            }
        }
        Setting::Schedule { .. } | Setting::Skill { .. } => {}
    }
    Ok(())
}

/// Whether something that is set by hand acts on anything in this city: its slot, schedule, agent or skill may have gone with an edit.
///
/// # Errors
/// With what is not there. Such a setting stays, does nothing, and acts again once it is there.
pub fn acts_on(city: &City, setting: &Setting) -> Result<(), NotAllowed> {
    match setting {
        Setting::Notice { slot, .. } => {
            let slots = city.book.slots();
            if !slots.contains(slot) {
                return Err(NotAllowed::UnknownSlot(slots.into_iter().collect()));
            }
        }
        Setting::Schedule { schedule, .. } => {
            if city.book.calendar.schedules().all(|known| known != schedule) {
                return Err(NotAllowed::UnknownSchedule(city.book.calendar.schedules().cloned().collect()));
            }
        }
        Setting::Skill { agent, skill, .. } => {
            if !city.book.agents.contains_key(agent) {
                return Err(NotAllowed::UnknownAgent(city.book.agents.keys().cloned().collect()));
            }
            let known = skills(city);
            if !known.contains(skill) {
                return Err(NotAllowed::UnknownSkill(known.into_iter().collect()));
            }
        }
    }
    Ok(())
}

/// The skills that the city has: what agents can, what queues ask for, and the languages that callers choose.
fn skills(city: &City) -> BTreeSet<Skill> {
    let can = city.book.agents.values().flat_map(|agent| agent.skills.keys().cloned());
    let asked = city.book.queues.values().flat_map(|queue| queue.needs.iter().map(|need| need.skill.clone()));
    let spoken = city.book.flows.values().flat_map(|flow| flow.offered());
    let spoken = spoken.map(|lang| Skill::from(lang.as_str().split('-').next().unwrap_or_default()));
    can.chain(asked).chain(spoken).collect()
}

/// Why something was not set by hand, or not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAllowed {
    /// Its end is over already.
    Past,
    /// It would last longer than anybody keeps in mind.
    TooLong,
    /// So many are in force that nobody keeps them in mind.
    TooMany,
    /// Nothing of that name is set.
    NothingSet,
    /// The name or the reason that was given is too long, or holds signs that are none.
    Remark,
    /// The text of a notice cannot be spoken.
    Text,
    /// There is no voice for this language of a notice.
    NoSound(Lang),
    /// In this language the notice takes so long.
    SoundsTooLong(Lang, Millis),
    /// No flow speaks a notice of that name; these are spoken.
    UnknownSlot(Vec<SlotId>),
    /// There is no such schedule; these are.
    UnknownSchedule(Vec<ScheduleId>),
    /// Nobody has this skill, and no queue asks for it; these there are.
    UnknownSkill(Vec<Skill>),
    /// There is no such agent; these are.
    UnknownAgent(Vec<AgentId>),
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAllowed::Past => f.write_str("its end is over already: write a moment that is still to come"),
            NotAllowed::TooLong => {
                let days = OVERRIDE_LASTS_MAX.0 / (24 * 3_600_000);
                write!(f, "nothing is set by hand for more than {days} days: what lasts longer belongs into the city's files")
            }
            NotAllowed::TooMany => {
                write!(f, "{OVERRIDES_MAX} things are set by hand, and no more fit: `toritsugi status` lists them, end some")
            }
            NotAllowed::NothingSet => f.write_str("nothing of that name is set: `toritsugi status` lists what is"),
            NotAllowed::Remark => write!(f, "a name or a reason has at most {REMARK_MAX} characters, on one line"),
            NotAllowed::Text => {
                write!(
                    f,
                    "a notice has a text of 1 to {NOTICE_TEXT_MAX} characters on one line, once for each of at most {NOTICE_LANGS_MAX} languages"
                )
            }
            NotAllowed::NoSound(lang) => write!(
                f,
                "no voice speaks {lang}, and a notice cannot be recorded: leave that language out (its callers hear the first one that you \
                 give), or name a program under voices in config/engine.yaml"
            ),
            NotAllowed::SoundsTooLong(lang, length) => write!(
                f,
                "in {lang} it takes {:.0} s, and everybody would wait so much longer for a person: {} s at most",
                Duration::from(*length).as_secs_f32(),
                NOTICE_SOUNDS_MAX.0 / 1000
            ),
            NotAllowed::UnknownSlot(known) => {
                let slots = list(known.iter());
                write!(
                    f,
                    "no flow speaks a notice of that name; spoken are: {slots}. A step makes one: {{ notice: {{ slot: city }}, next: main }}"
                )
            }
            NotAllowed::UnknownSchedule(known) => {
                write!(f, "there is no such schedule: config/calendar.yaml has {}", list(known.iter()))
            }
            NotAllowed::UnknownSkill(known) => {
                write!(f, "nobody has such a skill and no queue asks for it; there are: {}", list(known.iter()))
            }
            NotAllowed::UnknownAgent(known) => {
                write!(f, "there is no such agent: config/agents.yaml has {}", list(known.iter()))
            }
        }
    }
}

/// Names for a sentence, at most a dozen: `city, ward`.
fn list(names: impl ExactSizeIterator<Item = impl fmt::Display>) -> String {
    let left = names.len().saturating_sub(NAMES_MAX);
    let named: Vec<String> = names.take(NAMES_MAX).map(|name| name.to_string()).collect();
    match (named.is_empty(), left) {
        (true, _) => "none".to_owned(),
        (false, 0) => named.join(", "),
        (false, left) => format!("{} and {left} more", named.join(", ")),
    }
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overrides({:?}, {} sounds)", self.in_force.keys().collect::<Vec<_>>(), self.clips.len())
    }
}
