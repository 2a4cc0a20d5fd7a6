//! What was set by hand, as callers' runs see it: the notices that sound, and the schedules that answer otherwise than the calendar.
//!
//! Each has an end on the wall clock, and is looked at when a caller comes by: over is over, whether or not anybody has tidied up.

use crate::speech::Spoken;
use model::{Hours, Lang, Millis, PromptId, ScheduleId, SlotId, UnixMillis};
use std::collections::BTreeMap;

/// A notice that can be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The languages that have a sound, and how long it takes; the first one is heard by whoever speaks none of them.
    pub langs: Vec<(Lang, Millis)>,
    /// Its end.
    pub until: UnixMillis,
}

/// Everything that was set by hand and concerns a caller's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How schedules answer, until when.
    pub schedules: BTreeMap<ScheduleId, (Hours, UnixMillis)>,
    /// What slots say.
    pub notices: BTreeMap<SlotId, Notice>,
}

impl Standing {
    /// The name under which the sound of a notice is asked for. No prompt of a city can have it.
    pub fn sentence(slot: &SlotId, lang: &Lang) -> Spoken {
        Spoken { prompt: PromptId::from(format!("notice:{slot}")), lang: lang.clone(), value: None }
    }
    /// How a schedule answers by hand; `None`: the calendar counts.
    pub fn hours(&self, schedule: &ScheduleId, wall: UnixMillis) -> Option<Hours> {
        self.schedules.get(schedule).filter(|(_, until)| wall < *until).map(|(hours, _)| *hours)
    }
    /// The notice of a slot for a caller of this language, and its length; `None` when there is none in force.
    pub(crate) fn notice(&self, slot: &SlotId, lang: &Lang, wall: UnixMillis) -> Option<(Spoken, Millis)> {
        let notice = self.notices.get(slot).filter(|notice| wall < notice.until)?;
        let (lang, length) = notice.langs.iter().find(|(spoken, _)| spoken == lang).or(notice.langs.first())?;
        Some((Standing::sentence(slot, lang), *length))
    }
}
