//! `roster.yaml`: who is planned when, in a week like any other. Nobody is signed in by it; it is what `check` measures the queues against.
//!
//! `mon-fri: { "08:30-20:00": [yuki, ken], "20:00-08:30": [mio] }`: a stretch that ends before it begins ends on the next day.

use crate::calendar::DAY;
use crate::config::ENTRIES_MAX;
use crate::config::calendar::{self, DAYS, minute};
use crate::decode::{UpTo, noun, unknown};
use crate::problem::{At, Problems, Spot};
use crate::schema::{Shape, Value};
use crate::tree::{Key, Node, shown};
use model::AgentId;

/// Minutes of a week.
pub(crate) const WEEK: u16 = 7 * DAY;

/// Days of the week, each with the people of its stretches.
pub(crate) const SHAPE: Shape = Shape {
    name: "roster",
    en: "Who is planned when, in a week like any other.",
    ja: "ふだんの一週間に、誰がいつ勤務する予定か。",
    words: &[],
    rest: Some((calendar::WEEK, &Value::Each("^[0-2]?[0-9]:[0-5][0-9]-[0-2]?[0-9]:[0-5][0-9]$", &Value::List(&Value::Name(noun::AGENT))))),
};

/// A stretch of the week, and who is planned for it.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    /// In minutes from Monday's midnight; an end before the beginning lies in the next week.
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) agents: Vec<At<AgentId>>,
    /// Where its days are written.
    pub(crate) at: Spot,
}

impl Shift {
    /// Whether it lasts at a minute of the week.
    pub(crate) fn lasts(&self, minute: u16) -> bool {
        if self.from < self.to { (self.from..self.to).contains(&minute) } else { minute >= self.from || minute < self.to }
    }
}

pub(crate) fn read(node: &Node, problems: &mut Problems) -> Vec<Shift> {
    let mut shifts = Vec::new();
    for (key, value) in node.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        let days = days(key, problems);
        for (hours, agents) in value.map(problems).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
            let span = stretch(hours, problems);
            let agents: Vec<At<AgentId>> =
                agents.items().up_to(ENTRIES_MAX, problems).iter().filter_map(|item| item.name(problems)).collect();
            let Some((from, to)) = span else { continue };
            for day in &days {
                let begins = day * DAY + from;
                let lasts = if from < to { to - from } else { to + DAY - from };
                shifts.push(Shift { from: begins, to: (begins + lasts) % WEEK, agents: agents.clone(), at: key.at });
            }
        }
    }
    shifts
}

/// `mon-fri`, `sat, sun`: Monday is 0.
fn days(key: &Key, problems: &mut Problems) -> Vec<u16> {
    let mut days = Vec::new();
    for part in key.text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let day = |name: &str| (0u16..).zip(DAYS).find(|(_, day)| *day == name.trim()).map(|(number, _)| number);
        let Some((from, to)) = day(from).zip(day(to)) else {
            unknown(problems, key.at, "unknown_day", noun::KEY, part, DAYS.into_iter().chain(["mon-fri"]));
            continue;
        };
        days.extend((from..=from + (to + 7 - from) % 7).map(|day| day % 7));
    }
    days
}

/// `08:30-20:00`, `20:00-08:30`.
fn stretch(key: &Key, problems: &mut Problems) -> Option<(u16, u16)> {
    let span = key.text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    let span = span.filter(|(from, to)| from != to && *from < DAY);
    if span.is_none() {
        let en = format!("\"{}\" is no stretch of a day", shown(&key.text));
        let ja = format!("「{}」は時間帯として読めません。", shown(&key.text));
        problems.error(key.at, "not_hours", en, ja).help("\"08:30-20:00\": [yuki, ken]");
    }
    span
}
