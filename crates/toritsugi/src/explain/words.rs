//! A story as a page: the day, a short answer, then one line a moment with its reasons below it.

use super::story::{Story, What};
use super::{en, ja};
use crate::words::clock;
use crate::zone::Town;
use model::{AgentId, AgentState, Millis, Why, WhyNot};
use std::time::Duration;

/// The languages of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    English,
    Japanese,
}

impl Tongue {
    /// What `--lang` asks for; without it what the terminal speaks (POSIX: `LC_ALL`, `LC_MESSAGES`, `LANG`), else English.
    pub(crate) fn of(asked: Option<&str>) -> Tongue {
        let spoken = || ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok()).find(|v| !v.is_empty());
        let lang = asked.map(str::to_owned).or_else(spoken).unwrap_or_default();
        if lang.starts_with("ja") { Tongue::Japanese } else { Tongue::English }
    }
    /// In which a flow's problems are told.
    pub(crate) fn of_problems(self) -> flow::Tongue {
        match self {
            Tongue::English => flow::Tongue::En,
            Tongue::Japanese => flow::Tongue::Ja,
        }
    }
}

/// A moment in words: what happened, and the reasons, a line each.
pub(crate) type Said = (String, Vec<String>);

/// The whole page.
pub(crate) fn page(story: &Story, town: &Town, tongue: Tongue) -> String {
    let mut page = match tongue {
        Tongue::English => en::head(story, town),
        Tongue::Japanese => ja::head(story, town),
    };
    let mut day = story.moments.first().map(|m| town.zone.date(m.at));
    for moment in &story.moments {
        let today = town.zone.date(moment.at);
        if day.as_ref() != Some(&today) {
            page.push_str(&format!("{today}\n"));
            day = Some(today);
        }
        let (sentence, reasons) = match tongue {
            Tongue::English => en::moment(&moment.what, town),
            Tongue::Japanese => ja::moment(&moment.what, town),
        };
        page.push_str(&format!("{}  {sentence}\n", town.zone.time(moment.at)));
        for reason in reasons {
            page.push_str(&format!("            {reason}\n"));
        }
    }
    if story.left_out > 0 {
        page.push_str(&match tongue {
            Tongue::English => en::left_out(story.left_out),
            Tongue::Japanese => ja::left_out(story.left_out),
        });
    }
    page
}

/// A length: `0:07`, `12:30`.
pub(crate) fn length(millis: Millis) -> String {
    clock(Duration::from_millis(millis.0))
}

/// Agents of whom more is to be told than the counts say. Who had gone home is no news; nor, once somebody was chosen, who could never
/// have been.
pub(crate) fn named(why: &Why, chosen: bool) -> impl Iterator<Item = (&AgentId, &WhyNot)> {
    let news = move |why: &WhyNot| match why {
        WhyNot::State(AgentState::SignedOut) => false,
        WhyNot::Skill { has: None, .. } | WhyNot::DoesNotServe => !chosen,
        WhyNot::Skill { has: Some(_), .. }
        | WhyNot::State(_)
        | WhyNot::LaterRing { .. }
        | WhyNot::Reserved { .. }
        | WhyNot::Excluded
        | WhyNot::PrefersAnother
        | WhyNot::JustMissed
        | WhyNot::RankedLower
        | WhyNot::TookAnother => true,
    };
    why.passed_over.iter().take(Why::NAMED_MAX).map(|passed| (&passed.agent, &passed.why)).filter(move |(_, why)| news(why))
}

/// How long this call waited, as far as it tells: its end knows best.
pub(crate) fn waited(story: &Story) -> Option<Millis> {
    let ended = story.moments.iter().rev().find_map(|m| match &m.what {
        What::Ended { waited, .. } => *waited,
        _ => None,
    });
    let talked = || {
        story.moments.iter().find_map(|m| match &m.what {
            What::Talk { waited, .. } => Some(*waited),
            _ => None,
        })
    };
    ended.or_else(talked)
}
