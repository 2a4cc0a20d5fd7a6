//! The duty officer's office as other programs see it: which version of the city is in force, and what is set by hand until when.

use crate::{Later, Right};
use model::{AgentId, Hours, Lang, OverrideId, ScheduleId, Skill, SlotId};
use serde::{Deserialize, Serialize};

/// By what the root token signs when nobody is named.
pub const ROOT: &str = "api.token";

/// The office behind the routes. The roof fills it.
pub trait Office: Send + Sync + 'static {
    /// How everything stands, as JSON; `None` when the engine is gone.
    fn status(&self) -> Later<'_, Option<String>>;
    /// Does what is ordered, and answers in this language as far as it speaks it: the first one that `Accept-Language` names.
    fn order(&self, order: Order, lang: Lang) -> Later<'_, Ordered>;
}

/// What somebody orders. An end is written as people say it: `17:00`, `2026-11-27 09:00`, `2h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Callers hear this from now on.
    Notice {
        /// Where it is spoken.
        slot: SlotId,
        /// What, by language; the first one for whoever speaks none of them.
        texts: Vec<(Lang, String)>,
        /// Its end.
        until: String,
        /// Who orders it. Only the root token may say; any other signs with its own name.
        #[serde(default = "bearer")]
        by: String,
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// A schedule answers this from now on.
    Schedule {
        /// Which.
        schedule: ScheduleId,
        /// What.
        hours: Hours,
        /// Its end.
        until: String,
        /// Who orders it.
        #[serde(default = "bearer")]
        by: String,
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// An agent has this level of a skill from now on.
    Skill {
        /// Who.
        agent: AgentId,
        /// Which.
        skill: Skill,
        /// 1 to 5; 0: not at all.
        level: u8,
        /// Its end.
        until: String,
        /// Who orders it.
        #[serde(default = "bearer")]
        by: String,
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// What was set by hand ends now.
    End {
        /// What: `notice city`, `schedule centre`, `skill yuki nurse`.
        what: OverrideId,
        /// Who orders it.
        #[serde(default = "bearer")]
        by: String,
    },
    /// A version of before is in force from now on.
    Rollback {
        /// Its number in the history.
        number: u64,
        /// Even if example calls of its own fail.
        #[serde(default)]
        although_tests_fail: bool,
        /// Who orders it.
        #[serde(default = "bearer")]
        by: String,
        /// Why.
        #[serde(default)]
        why: String,
    },
}

impl Order {
    /// The same order in this name. Whoever has a token of their own cannot sign as somebody else.
    #[must_use]
    pub fn signed(mut self, name: &str) -> Order {
        match &mut self {
            Order::Notice { by, .. }
            | Order::Schedule { by, .. }
            | Order::Skill { by, .. }
            | Order::End { by, .. }
            | Order::Rollback { by, .. } => name.clone_into(by),
        }
        self
    }

    /// What it takes to give it.
    pub(crate) fn right(&self) -> Right {
        match self {
            Order::Notice { .. } | Order::Schedule { .. } | Order::Skill { .. } | Order::End { .. } => Right::Order,
            Order::Rollback { .. } => Right::Rollback,
        }
    }
}

/// Who orders something and does not say so: the root token has no other name than its file.
fn bearer() -> String {
    ROOT.to_owned()
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// It is done; JSON, with a sentence for people under `said`.
    Done(String),
    /// It is not, and nothing has changed: why, in a sentence.
    Refused(String),
    /// The engine is gone.
    Gone,
}
