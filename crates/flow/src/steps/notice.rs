//! `notice`: speaks what the duty officer has set for this slot, if anything, and goes on.
//!
//! `{ notice: { slot: city }, next: language }`. Without a notice in force the call goes on in the same instant. The slot is declared by
//! being named here; the text is set while the city runs (`toritsugi notice set city ..`) and always has an end, so that no sum of `check`
//! counts it: whoever sets one is told how much longer everybody waits.

use super::{By, Go, Sketch, Way};
use crate::decode::{Fields, missing, noun};
use crate::problem::{At, Problems};
use crate::program::Defaults;
use crate::run::{Caller, Heard, Scene};
use crate::schema::{Shape, Value, may, must};
use crate::tree::{Key, Node};
use model::{Instant, SlotId, StepId};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "notice",
    en: "Speaks what the duty officer has set, if anything.",
    ja: "当番の人が設定したお知らせがあれば、読み上げます。",
    words: &[
        must("notice", Value::Map(&BODY), "Which notice.", "どのお知らせか。"),
        must("next", Value::Name(noun::STEP), "Where the call goes from here.", "次のステップ。"),
    ],
    rest: None,
};

const BODY: Shape = Shape {
    name: "notice/body",
    en: "The place that a notice is set for.",
    ja: "お知らせの置き場所。",
    words: &[
        must("slot", Value::Text, "Its name: toritsugi notice set NAME ..", "その名前。toritsugi notice set 名前 .. で設定します。"),
        may("barge_in", Value::Truth, "Whether a key press stops it.", "キーで止められるか。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    slot: At<SlotId>,
    /// Whether a key press stops it.
    barge_in: bool,
    next: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State;

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, fields: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let next = super::next(key, fields, problems);
        let mut inner = Fields::of(body, key.at, problems)?;
        let slot = match inner.take("slot") {
            Some(node) => node.name(problems),
            None => {
                missing(problems, key.at, "slot", "notice: { slot: city }");
                None
            }
        };
        let barge_in = inner.take("barge_in").and_then(|n| n.truth(problems)).unwrap_or(defaults.barge_in);
        inner.finish(problems);
        Some(Step { slot: slot?, barge_in, next: next? })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        Sketch { ways: vec![Way::new(&self.next, By::Itself)], notice: Some(&self.slot), ..Sketch::new() }
    }

    pub(crate) fn enter(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        match scene.standing.notice(&self.slot.value, &caller.lang, scene.now.wall) {
            Some((spoken, length)) => {
                caller.say_notice(scene, spoken, length, self.barge_in);
                Go::Stay
            }
            None => Go::To(&self.next.value),
        }
    }

    pub(crate) fn hear(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Played => Go::To(&self.next.value),
            Heard::Digit(digit) if self.barge_in => {
                caller.press_ahead(*digit);
                Go::To(&self.next.value)
            }
            Heard::Digit(digit) => {
                caller.note_ignored(scene, *digit);
                Go::Stay
            }
            _ => Go::Stay,
        }
    }

    pub(crate) fn due(&self, _: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        None
    }

    pub(crate) fn timeout(&self, _: &mut State, _: &Scene<'_>, _: &mut Caller) -> Go<'_> {
        Go::Stay
    }
}
