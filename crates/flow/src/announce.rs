//! What is said to somebody who waits, when, and whether it is worth saying.
//!
//! A wait is told as its upper end, in steps that nobody takes for a promise to the second. It never rises in silence: a higher figure
//! than before is said only with a reason. What is not known is not said.

use crate::decode::{Fields, missing};
use crate::problem::Problems;
use crate::prompts::{Changing, MINUTES};
use crate::run::{Ask, Caller, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::speech::Speech;
use crate::tree::Node;
use model::{Instant, Millis};
use std::time::Duration;

/// Announcements closer together than this would be one long announcement.
const EVERY_MIN: Duration = Duration::from_secs(10);
/// The figure of a wait that is longer than the longest figure that is spoken.
const BEYOND: u32 = 31;

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "queue/announce",
    en: "What is said to somebody who waits, and when.",
    ja: "お待ちの方に流す案内と、その時期。",
    words: &[
        may(
            "at",
            Value::Time,
            "Once, so long after coming to the queue; or every.",
            "並んでからこの時間に一度。繰り返すなら every を使います。",
        ),
        may("every", Value::Time, "Again and again; or at.", "この間隔で繰り返し。一度だけなら at を使います。"),
        must("say", crate::speech::SAY, "What is said.", "案内文。"),
        may(
            "only_if",
            Value::OneOf(&["improved", "known"]),
            "improved: the place is better than when it was last said; known: there is something to tell of the wait.",
            "improved: 前に案内した順番より進んだとき。known: 待ち時間がわかるとき。",
        ),
        may(
            "longer",
            crate::speech::SAY,
            "Instead of a higher figure, when there is a reason for it.",
            "待ち時間が延びたとき、代わりに流す案内文。",
        ),
        may(
            "beyond",
            crate::speech::SAY,
            "Instead of a figure, when the wait is longer than any that is spoken.",
            "待ち時間が読み上げられる長さを超えたとき、代わりに流す案内文。",
        ),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Announce {
    when: When,
    say: Speech,
    only_if: OnlyIf,
    /// Instead of a higher figure, when there is a reason for it.
    longer: Option<Speech>,
    /// Instead of a figure, when the wait is longer than any figure that is spoken.
    beyond: Option<Speech>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// Once, so long after coming to the queue.
    At(Duration),
    /// Again and again.
    Every(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnlyIf {
    Always,
    /// The caller's place is better than when it was last said.
    Improved,
    /// There is something to tell of the wait.
    Known,
}

impl Announce {
    pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Announce> {
        let mut fields = Fields::of(node, node.at, problems)?;
        let at = fields.take("at").map(|n| n.time(problems));
        let every = fields.take("every").map(|n| (n, n.time(problems)));
        let say = Speech::needed(fields.take("say"), node.at, true, problems);
        let words = [("improved", OnlyIf::Improved), ("known", OnlyIf::Known)];
        let only_if = fields.take("only_if").map_or(Some(OnlyIf::Always), |n| n.one_of(&words, problems));
        let mut of_waits = |name: &'static str, problems: &mut Problems| {
            let (key, node) = fields.entry(name)?;
            if only_if.is_some_and(|only_if| only_if != OnlyIf::Known) {
                missing(problems, key.at, "only_if", "{ every: 60s, say: queue_wait, only_if: known, longer: queue_wait_longer }");
            }
            Speech::read(node, true, problems)
        };
        let (longer, beyond) = (of_waits("longer", problems), of_waits("beyond", problems));
        fields.finish(problems);
        let when = match (at, every) {
            (Some(at), None) => When::At(at?),
            (None, Some((node, every))) => {
                let every = every?;
                if every < EVERY_MIN {
                    let en = format!("shorter than {}s leaves no music between the words", EVERY_MIN.as_secs());
                    let ja = format!("{} 秒より短い間隔では、音楽が聞こえません。", EVERY_MIN.as_secs());
                    problems.error(node.at, "too_short", en, ja);
                }
                When::Every(every.max(EVERY_MIN))
            }
            _ => {
                let (en, ja) = ("say when: either `at` or `every`", "at か every のどちらかで時期を書いてください。");
                problems.error(node.at, "announce_when", en, ja).help("{ every: 45s, say: queue_position, only_if: improved }");
                return None;
            }
        };
        Some(Announce { when, say: say?, only_if: only_if?, longer, beyond })
    }

    /// Everything that it may say.
    pub(crate) fn speeches(&self) -> impl Iterator<Item = &Speech> {
        std::iter::once(&self.say).chain(&self.longer).chain(&self.beyond)
    }

    /// When it is first due, for a caller who comes to the queue.
    pub(crate) fn first(&self, came: Instant) -> Instant {
        match self.when {
            When::At(time) | When::Every(time) => came + time,
        }
    }
    /// When it is due again.
    pub(crate) fn again(&self, now: Instant) -> Option<Instant> {
        match self.when {
            When::At(_) => None,
            // From this moment on: what was held up by another announcement is not made up for.
            When::Every(time) => Some(now + time),
        }
    }

    /// Says it, if it is worth saying; false if not. `said` is the place that was last said.
    pub(crate) fn say(&self, said: &mut Option<u32>, scene: &Scene<'_>, caller: &mut Caller, keys: bool) -> bool {
        if self.only_if == OnlyIf::Known || caller.says(scene, &self.say, Changing::Minutes) {
            return self.say_wait(scene, caller, keys);
        }
        let improved = said.is_none_or(|said| caller.position.is_some_and(|position| position < said));
        if self.only_if == OnlyIf::Improved && !improved {
            return false;
        }
        let spoken = caller.say_waiting(scene, &self.say, None, keys);
        if spoken && caller.says(scene, &self.say, Changing::Position) {
            *said = caller.position;
        }
        spoken
    }

    fn say_wait(&self, scene: &Scene<'_>, caller: &mut Caller, keys: bool) -> bool {
        let Some(estimate) = caller.wait else { return false };
        let minutes = in_minutes(estimate.high);
        // As many minutes as before, said some minutes later, are a later end too: routing has given the reason for it.
        let rises = caller.told.is_some_and(|told| told < minutes || estimate.rose.is_some());
        let speech = if rises {
            // Without a reason, no word. Of what is beyond all figures, none can be said.
            let wordless = minutes == BEYOND && self.longer.as_ref().is_some_and(|longer| caller.says(scene, longer, Changing::Minutes));
            estimate.rose.and(if wordless { self.beyond.as_ref() } else { self.longer.as_ref() })
        } else if minutes == BEYOND {
            self.beyond.as_ref()
        } else {
            Some(&self.say)
        };
        let Some(speech) = speech else { return false };
        if !caller.say_waiting(scene, speech, Some(minutes), keys) {
            return false;
        }
        caller.told = Some(minutes);
        if minutes == BEYOND || caller.says(scene, speech, Changing::Minutes) {
            caller.ask(Ask::Told { estimate });
        }
        true
    }
}

/// A wait, rounded up to a figure that is spoken.
fn in_minutes(wait: Millis) -> u32 {
    MINUTES.into_iter().find(|minutes| wait <= Millis(u64::from(*minutes) * 60_000)).unwrap_or(BEYOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_never_down() {
        let spoken = [0, 60_000, 60_001, 200_000, 300_001, 1_500_000, 1_800_000, 1_800_001].map(|wait| in_minutes(Millis(wait)));
        assert_eq!(spoken, [1, 1, 2, 5, 10, 30, 30, BEYOND]);
    }
}
