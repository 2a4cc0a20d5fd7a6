//! What people set by hand, always with an end: a notice that callers hear, a schedule's hours, a level of an agent's skill.
//!
//! The duty officer's word stands above the city's files until its end, and is never written into them.

use crate::{AgentId, Lang, Level, Millis, OverrideId, ScheduleId, Skill, SlotId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::fmt;

/// In force at once. A further one is refused: nobody keeps more than this in mind.
pub const OVERRIDES_MAX: usize = 64;
/// The longest that one may last: 31 days. What lasts longer belongs into the city's files.
pub const OVERRIDE_LASTS_MAX: Millis = Millis(31 * 24 * 3_600_000);
/// Characters of a notice in one language.
pub const NOTICE_TEXT_MAX: usize = 300;
/// How long a notice may sound in one language. Everybody who calls waits that much longer for a person.
pub const NOTICE_SOUNDS_MAX: Millis = Millis(30_000);
/// Languages of one notice.
pub const NOTICE_LANGS_MAX: usize = 16;
/// Characters of a name or a reason that is given with it.
pub const REMARK_MAX: usize = 200;

/// How a schedule answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum Hours {
    /// Open.
    Open,
    /// Open, on a national holiday.
    Holiday,
    /// Closed.
    Closed,
}

/// Of a plain word alone: as a variant of an enum, `{"open":null}` would be one too.
impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(word: String) -> Result<Hours, String> {
        let known = [Hours::Open, Hours::Holiday, Hours::Closed].into_iter().find(|hours| hours.to_string() == word);
        known.ok_or_else(|| format!("unknown hours `{word}`, expected open, holiday or closed"))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hours::Open => "open",
            Hours::Holiday => "holiday",
            Hours::Closed => "closed",
        })
    }
}

/// What is set by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Setting {
    /// Callers who come to a step `notice` of this slot hear it.
    Notice {
        /// Which.
        slot: SlotId,
        /// What is said, by language. The first one is heard by whoever speaks none of them.
        texts: Vec<(Lang, String)>,
    },
    /// A schedule answers this, whatever the calendar says.
    Schedule {
        /// Which.
        schedule: ScheduleId,
        /// What.
        hours: Hours,
    },
    /// An agent has this level of a skill, whatever `agents.yaml` says.
    Skill {
        /// Who.
        agent: AgentId,
        /// Which.
        skill: Skill,
        /// How well; `None`: not at all.
        level: Option<Level>,
    },
}

impl Setting {
    /// What it sets. Set once more, the later word counts.
    pub fn id(&self) -> OverrideId {
        OverrideId::from(match self {
            Setting::Notice { slot, .. } => format!("notice {slot}"),
            Setting::Schedule { schedule, .. } => format!("schedule {schedule}"),
            Setting::Skill { agent, skill, .. } => format!("skill {agent} {skill}"),
        })
    }

    /// Of which kind it is, for a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Setting::Notice { .. } => "notice",
            Setting::Schedule { .. } => "schedule",
            Setting::Skill { .. } => "skill",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Notice { slot, .. } => write!(f, "notice {slot}"),
            Setting::Schedule { schedule, hours } => write!(f, "schedule {schedule} is {hours}"),
            Setting::Skill { agent, skill, level: Some(level) } => write!(f, "skill {agent} {skill}={}", level.get()),
            Setting::Skill { agent, skill, level: None } => write!(f, "skill {agent} {skill}=0"),
        }
    }
}

/// Something that was set by hand, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What.
    pub setting: Setting,
    /// Who set it.
    pub by: String,
    /// Why, if a reason was given.
    #[serde(default)]
    pub why: String,
    /// When it was set.
    pub since: UnixMillis,
    /// When it ends by itself.
    pub until: UnixMillis,
}
