//! How a queue must stand for a caller to be led elsewhere before taking a place in it.
//!
//! What is not known never holds: nobody is sent away on a guess.

use crate::decode::{Fields, missing};
use crate::problem::Problems;
use crate::program::priority;
use crate::schema::{Shape, Value, may};
use crate::tree::{Key, Node};
use model::{Millis, QueueFacts};
use std::time::Duration;

/// Larger than any queue, and than any staff.
const PEOPLE_MAX: u32 = 100_000;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "facts",
    en: "How a queue must stand; all of it must hold.",
    ja: "待ち列の状況。すべて当てはまるとき。",
    words: &[
        may("priority", Value::OneOf(&crate::program::CLASSES), "Only for callers of this class.", "この優先度の方だけ。"),
        may("expected_wait_over", Value::Time, "The wait that would be announced is longer.", "案内される待ち時間がこれより長い。"),
        may("oldest_over", Value::Time, "Somebody has waited longer.", "いちばん長くお待ちの方の待ち時間がこれより長い。"),
        may("waiting_over", Value::Whole(0, PEOPLE_MAX), "More callers wait.", "お待ちの人数がこれより多い。"),
        may("staffed_under", Value::Whole(1, PEOPLE_MAX), "Fewer agents could take the call.", "担当できる人がこれより少ない。"),
        may("available_under", Value::Whole(1, PEOPLE_MAX), "Fewer of them are idle.", "すぐ出られる人がこれより少ない。"),
        may(
            "service_under",
            Value::Percent,
            "Fewer calls of the last half hour were answered in time.",
            "直近 30 分の応答率がこれより低い。",
        ),
    ],
    rest: None,
};

/// Everything that must hold at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Only for callers of this class.
    class: Option<u8>,
    /// Nine of ten callers would wait less; this is what would be announced.
    expected_wait_over: Option<Duration>,
    /// The longest wait of those who wait.
    oldest_over: Option<Duration>,
    waiting_over: Option<u32>,
    /// Agents who could take the call.
    staffed_under: Option<u32>,
    /// Those of them who are idle.
    available_under: Option<u32>,
    /// Answered in time in the last half hour, in percent.
    service_under: Option<u8>,
}

impl Facts {
    /// `if: { expected_wait_over: 10m, priority: normal }`.
    pub(crate) fn read(key: &Key, node: &Node, problems: &mut Problems) -> Option<Facts> {
        let mut fields = Fields::of(node, key.at, problems)?;
        if node.map(problems).is_none_or(<[_]>::is_empty) {
            missing(problems, key.at, "expected_wait_over", "if: { expected_wait_over: 10m }");
        }
        let people = |node: Option<&Node>, least: u32, problems: &mut Problems| node.and_then(|n| n.whole(least, PEOPLE_MAX, problems));
        let facts = Facts {
            class: fields.take("priority").and_then(|n| priority(n, problems)),
            expected_wait_over: fields.take("expected_wait_over").and_then(|n| n.time(problems)),
            oldest_over: fields.take("oldest_over").and_then(|n| n.time(problems)),
            waiting_over: people(fields.take("waiting_over"), 0, problems),
            // Fewer than none is never.
            staffed_under: people(fields.take("staffed_under"), 1, problems),
            available_under: people(fields.take("available_under"), 1, problems),
            service_under: fields.take("service_under").and_then(|n| n.percent(problems)),
        };
        fields.finish(problems);
        Some(facts)
    }

    /// Whether all of it holds for a caller of `class`.
    pub(crate) fn hold(&self, facts: &QueueFacts, class: u8) -> bool {
        let over =
            |limit: Option<Duration>, time: Option<Millis>| limit.is_none_or(|limit| time.is_some_and(|time| Duration::from(time) > limit));
        self.class.is_none_or(|wanted| wanted == class)
            && over(self.expected_wait_over, facts.expected.map(|expected| expected.high))
            && over(self.oldest_over, Some(facts.oldest))
            && self.waiting_over.is_none_or(|limit| facts.waiting > limit)
            && self.staffed_under.is_none_or(|limit| facts.staffed < limit)
            && self.available_under.is_none_or(|limit| facts.available < limit)
            && self.service_under.is_none_or(|limit| facts.service_percent.is_some_and(|percent| percent < limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Estimate;

    #[test]
    fn what_is_not_known_never_holds() {
        let wait = Facts { expected_wait_over: Some(Duration::from_secs(600)), ..Facts::default() };
        let service = Facts { service_under: Some(50), ..Facts::default() };
        let nothing = QueueFacts::default();
        assert!(!wait.hold(&nothing, 0) && !service.hold(&nothing, 0));
        let expected = Some(Estimate { low: Millis(60_000), high: Millis(600_001), support: 40, rose: None });
        let known = QueueFacts { expected, service_percent: Some(49), ..nothing };
        assert!(wait.hold(&known, 0) && service.hold(&known, 0));
    }

    #[test]
    fn all_of_it_must_hold() {
        let facts = Facts { class: Some(0), waiting_over: Some(50), available_under: Some(1), ..Facts::default() };
        let full = QueueFacts { waiting: 51, staffed: 3, available: 0, ..QueueFacts::default() };
        assert!(facts.hold(&full, 0));
        assert!(!facts.hold(&full, 2));
        assert!(!facts.hold(&QueueFacts { waiting: 50, ..full }, 0));
        assert!(!facts.hold(&QueueFacts { available: 1, ..full }, 0));
    }
}
