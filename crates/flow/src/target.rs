//! Which line a caller is put through to: a name of `lines.yaml`, with gaps that the caller's choices fill: `ward/{ward}`.

use crate::decode::is_name;
use crate::problem::{Problems, Spot};
use crate::run::Caller;
use crate::tree::{Node, shown};
use model::LineId;

/// The gap that every caller fills: the language.
pub(crate) const LANG: &str = "lang";
/// Names that one target can come to; no city has more lines.
const NAMES_MAX: usize = 1_000;

/// A line's name with gaps.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) at: Spot,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Gap(String),
}

impl Target {
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Target> {
        let text = node.text(problems)?;
        let target = parts(text.value).map(|parts| Target { at: text.at, parts });
        let Some(target) = target else {
            let en = format!("\"{}\" is no name of a line; a gap is written {{ward}}", shown(text.value));
            let ja = format!("「{}」は回線の名前として読めません。変わる部分は {{ward}} のように書きます。", shown(text.value));
            problems.error(text.at, "not_a_target", en, ja).help("to: \"ward/{ward}\"");
            return None;
        };
        let filled: String = target.parts.iter().map(|part| if let Part::Text(text) = part { text } else { "x" }).collect();
        is_name(&filled, text.at, problems).then_some(target)
    }

    /// The gaps.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Gap(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The line for one caller; `None` if a gap is empty.
    pub(crate) fn fill(&self, caller: &Caller) -> Option<LineId> {
        let mut name = String::new();
        for part in &self.parts {
            name.push_str(match part {
                Part::Text(text) => text,
                Part::Gap(gap) if gap == LANG => caller.lang.as_str(),
                Part::Gap(gap) => caller.variable(gap)?,
            });
        }
        Some(LineId::from(name))
    }

    /// Every name that it can come to, with the place of the last choice that leads there.
    pub(crate) fn names<'v>(&self, values: impl Fn(&str) -> Vec<(&'v str, Spot)>) -> Vec<(String, Spot)> {
        let mut names = vec![(String::new(), self.at)];
        for part in &self.parts {
            names = match part {
                Part::Text(text) => names.into_iter().map(|(name, at)| (name + text, at)).collect(),
                Part::Gap(gap) => {
                    let values = values(gap);
                    let filled = |(name, _): &(String, Spot)| {
                        let name = name.clone();
                        values.iter().map(move |(value, at)| (format!("{name}{value}"), *at)).collect::<Vec<_>>()
                    };
                    names.iter().flat_map(filled).take(NAMES_MAX).collect()
                }
            };
        }
        names
    }
}

/// `None` if braces are left open or empty.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (gap, after) = after.split_once('}')?;
        if gap.is_empty() || gap.contains('{') || before.contains('}') {
            return None;
        }
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Gap(gap.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return None;
    }
    parts.push(Part::Text(rest.to_owned()));
    Some(parts)
}
