//! What an agent can do, and what a caller needs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A skill's name: `nurse`, `general`, `ja`. A language is a skill.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Skill(Arc<str>);

impl Skill {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl From<&str> for Skill {
    fn from(s: &str) -> Self {
        Skill(s.into())
    }
}
impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Proficiency, 1 (a little) to 5 (expert).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Level(u8);

impl Level {
    /// The least: some of the skill.
    pub const SOME: Level = Level(1);
    /// A level of 1 to 5.
    pub const fn new(level: u8) -> Option<Level> {
        if level >= 1 && level <= 5 { Some(Level(level)) } else { None }
    }
    /// 1 to 5.
    pub const fn get(self) -> u8 {
        self.0
    }
}
impl TryFrom<u8> for Level {
    type Error = String;
    fn try_from(n: u8) -> Result<Self, String> {
        Level::new(n).ok_or_else(|| format!("a level is 1 to 5, not {n}"))
    }
}
impl From<Level> for u8 {
    fn from(l: Level) -> u8 {
        l.0
    }
}

/// One thing that a ticket asks of an agent: a skill, at least at a level.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// The skill asked for.
    pub skill: Skill,
    /// The least level that will do.
    pub level: Level,
}
