//! `hang_up`: says the last words, in full, and hangs up.
//!
//! `{ hang_up: { say: goodbye } }`. There is no way to hang up on a caller without a word.

use super::{End, Go, Sketch};
use crate::decode::Fields;
use crate::problem::Problems;
use crate::program::Defaults;
use crate::run::{Caller, Heard, Note, Scene};
use crate::schema::{Shape, Value, must};
use crate::speech::Speech;
use crate::tree::{Key, Node};
use model::{Instant, KeyMeaning, StepId};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "hang_up",
    en: "Says the last words, in full, and hangs up.",
    ja: "最後の案内文を終わりまで流し、電話を切ります。",
    words: &[must("hang_up", Value::Map(&LAST), "Its last words.", "最後の案内文。")],
    rest: None,
};

const LAST: Shape = Shape {
    name: "hang_up/body",
    en: "The last words.",
    ja: "最後の案内文。",
    words: &[must(
        "say",
        crate::speech::SAY,
        "What is said. There is no way to hang up without a word.",
        "流す案内文。何も言わずに切ることはできません。",
    )],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    say: Speech,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State;

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, _: &mut Fields<'_>, _: &Defaults, problems: &mut Problems) -> Option<Step> {
        let mut inner = Fields::of(body, key.at, problems)?;
        let say = Speech::needed(inner.take("say"), key.at, false, problems);
        inner.finish(problems);
        Some(Step { say: say? })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        Sketch { opening: Some(&self.say), speeches: vec![&self.say], end: End::HangUp, ..Sketch::new() }
    }

    pub(crate) fn enter(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        if caller.say(scene, &[&self.say]) { Go::Stay } else { Go::HangUp }
    }

    pub(crate) fn hear(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Played => Go::HangUp,
            Heard::Digit(digit) => {
                caller.note(Note::Pressed { step: scene.step.clone(), digit: *digit, meaning: KeyMeaning::Ignored });
                if self.say.barge_in { Go::HangUp } else { Go::Stay }
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
