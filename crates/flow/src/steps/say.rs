//! `say`: speaks, then goes on.
//!
//! `{ say: welcome, next: language }`. A key press goes on at once, unless `barge_in: false`, and counts
//! where a key is asked for next.

use super::{By, Go, Sketch, Way};
use crate::decode::{Fields, noun};
use crate::problem::{At, Problems};
use crate::program::Defaults;
use crate::run::{Caller, Heard, Scene};
use crate::schema::{Shape, Value, must};
use crate::speech::Speech;
use crate::tree::{Key, Node};
use model::{Instant, StepId};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "say",
    en: "Speaks, then goes on.",
    ja: "案内文を流して、次に進みます。",
    words: &[
        must("say", crate::speech::SAY, "What is said.", "流す案内文。"),
        must("next", Value::Name(noun::STEP), "Where the call goes from here.", "次に進むステップ。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    say: Speech,
    next: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State;

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, fields: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        let say = Speech::read(body, defaults.barge_in, problems);
        let next = match fields.take("next") {
            Some(node) => node.name(problems),
            None => {
                let (en, ja) = ("say where the call goes after this sentence", "この案内のあとの行き先が書かれていません。");
                problems.error(key.at, "missing_way", en, ja).help("next: main");
                None
            }
        };
        Some(Step { say: say?, next: next? })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        Sketch { opening: Some(&self.say), speeches: vec![&self.say], ways: vec![Way::new(&self.next, By::Itself)], ..Sketch::new() }
    }

    pub(crate) fn enter(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        if caller.say(scene, &[&self.say]) { Go::Stay } else { Go::To(&self.next.value) }
    }

    pub(crate) fn hear(&self, _: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match heard {
            Heard::Played => Go::To(&self.next.value),
            Heard::Digit(digit) if self.say.barge_in => {
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
