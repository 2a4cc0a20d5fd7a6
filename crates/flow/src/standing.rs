//! What was set by hand, as callers' runs see it: the notices that sound, and the schedules that answer otherwise than the calendar.
//!
//! Each has an end on the wall clock, and is looked at when a caller comes by: over is over, whether or not anybody has tidied up.

use crate::speech::Spoken;
use model::{Hours, Lang, Millis, PromptId, ScheduleId, SlotId, UnixMillis};
use std::collections::BTreeMap;

/// A notice that can be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The languages that have a sound, and how long it takes; who hears which, [`Standing::heard_by`] says.
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
    /// Which of the languages of a notice somebody of this language hears: it; else its neighbour, as `ja` is of `ja-easy`; else the first.
    pub fn heard_by<'l>(langs: &[&'l Lang], lang: &Lang) -> Option<&'l Lang> {
        let base = |lang: &Lang| lang.as_str().split('-').next().unwrap_or_default().to_owned();
        let same = langs.iter().find(|there| **there == lang);
        same.or_else(|| langs.iter().find(|there| base(there) == base(lang))).or(langs.first()).copied()
    }
    /// How a schedule answers by hand; `None`: the calendar counts.
    pub fn hours(&self, schedule: &ScheduleId, wall: UnixMillis) -> Option<Hours> {
        self.schedules.get(schedule).filter(|(_, until)| wall < *until).map(|(hours, _)| *hours)
    }
    /// The notice of a slot for a caller of this language, and its length; `None` when there is none in force.
    pub(crate) fn notice(&self, slot: &SlotId, lang: &Lang, wall: UnixMillis) -> Option<(Spoken, Millis)> {
        let notice = self.notices.get(slot).filter(|notice| wall < notice.until)?;
        let langs: Vec<&Lang> = notice.langs.iter().map(|(lang, _)| lang).collect();
        let heard = Standing::heard_by(&langs, lang)?;
        let (lang, length) = notice.langs.iter().find(|(lang, _)| lang == heard)?;
        Some((Standing::sentence(slot, lang), *length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_text_of_their_own_hears_that_of_the_neighbouring_language_or_the_first() {
        let (en, ja) = (Lang::from("en"), Lang::from("ja"));
        let hears = |lang: &str| Standing::heard_by(&[&en, &ja], &Lang::from(lang)).unwrap().to_string();
        assert_eq!(["ja", "ja-easy", "en", "vi"].map(hears), ["ja", "ja", "en", "en"]);
        assert_eq!(Standing::heard_by(&[], &ja), None);
    }
}
