//! `set`: remembers something about the caller, and goes on at once.
//!
//! `{ set: { priority: high, ward: tama }, next: nurse }`. A variable is a word out of those that the flow itself writes: nothing that
//! a caller types gets in here. `rules` tests it, and `{ward}` in a line's name stands for it.

use super::{By, Go, Sketch, Way};
use crate::decode::{Fields, noun};
use crate::problem::{At, Problems};
use crate::program::{Defaults, Set};
use crate::run::{Caller, Heard, Scene};
use crate::schema::{Shape, Value, must};
use crate::tree::{Key, Node, What};
use model::{Instant, StepId};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "set_step",
    en: "Remembers something about the caller, and goes on at once.",
    ja: "お客様について覚えておき、すぐ次に進みます。",
    words: &[
        must("set", Value::Map(&crate::program::SET), "What is remembered.", "覚えておくこと。"),
        must("next", Value::Name(noun::STEP), "Where the call goes from here.", "次に進むステップ。"),
    ],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    set: Set,
    next: At<StepId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State;

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, fields: &mut Fields<'_>, _: &Defaults, problems: &mut Problems) -> Option<Step> {
        let set = Set::read(key, body, problems);
        if matches!(&body.what, What::Map(entries) if entries.is_empty()) {
            let (en, ja) = ("nothing is set here", "何も設定されていません。");
            problems.error(key.at, "nothing_set", en, ja).help("set: { priority: high }");
        }
        let next = super::next(key, fields, problems);
        Some(Step { set, next: next? })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let way = Way { set: Some(&self.set), ..Way::new(&self.next, By::Itself) };
        // No time passes: whoever waits in a queue keeps the place.
        Sketch { ways: vec![way], keeps_place: true, ..Sketch::new() }
    }

    pub(crate) fn enter(&self, _: &mut State, _: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        caller.set(&self.set);
        Go::To(&self.next.value)
    }

    pub(crate) fn hear(&self, _: &mut State, _: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        // Restored here with a place: what was to be set is set, and the call goes on.
        caller.hear_of_place(heard);
        caller.set(&self.set);
        Go::To(&self.next.value)
    }

    pub(crate) fn due(&self, _: &State, _: &Caller, _: &StepId) -> Option<Instant> {
        None
    }

    pub(crate) fn timeout(&self, _: &mut State, _: &Scene<'_>, _: &mut Caller) -> Go<'_> {
        Go::Stay
    }
}
