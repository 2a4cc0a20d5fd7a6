//! `rules`: goes on by the first rule that is true.
//!
//! Rules test what was remembered, the language, the urgency, a schedule, and how a queue stands; the last one is for everybody.

use super::{Beat, By, Go, Sketch, Way};
use crate::decode::Fields;
use crate::problem::Problems;
use crate::program::Defaults;
use crate::rules::{self, Pick, Real, Rule};
use crate::run::{Ask, Caller, Heard, Scene};
use crate::schema::{Shape, Value, must};
use crate::tree::{Key, Node};
use model::{Instant, QueueFacts};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "rules",
    en: "Goes on by the first rule that is true.",
    ja: "最初に当てはまった規則に従って進みます。",
    words: &[must(
        "rules",
        Value::List(&Value::Map(&rules::SHAPE)),
        "The rules, the last one for everybody: { otherwise: general }.",
        "規則。最後のひとつは全員に当てはまるもの（{ otherwise: general }）にします。",
    )],
    rest: None,
};

#[derive(Clone, Debug)]
pub(crate) struct Step {
    rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum State {
    #[default]
    Fresh,
    /// A queue was asked how it stands, for the sake of this rule.
    Looking(usize),
    /// What this rule says sounds.
    Leaving(usize),
}

impl Step {
    pub(crate) fn read(key: &Key, body: &Node, _: &mut Fields<'_>, defaults: &Defaults, problems: &mut Problems) -> Option<Step> {
        rules::read(key, body, defaults.barge_in, true, problems).map(|rules| Step { rules })
    }

    pub(crate) fn sketch(&self) -> Sketch<'_> {
        let says = self.rules.iter().filter_map(|rule| rule.say.as_ref());
        Sketch {
            speeches: says.collect(),
            ways: self.rules.iter().map(way).collect(),
            rules: &self.rules,
            // Without a word no time passes: whoever waits in a queue keeps the place.
            keeps_place: self.rules.iter().all(|rule| rule.say.is_none()),
            ..Sketch::new()
        }
    }

    pub(crate) fn enter(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        self.decide(0, state, scene, caller)
    }

    fn decide(&self, from: usize, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        match rules::pick(&self.rules, from, &Real { scene, caller, pending: |_: &str| false }) {
            Pick::Rule(index) => self.leave(index, state, scene, caller),
            Pick::Look(index) => {
                let Some((queue, _)) = self.rules.get(index).and_then(|rule| rule.facts.as_ref()) else { return Go::Fail };
                *state = State::Looking(index);
                caller.ask(Ask::Look { queue: queue.value.clone() });
                Go::Stay
            }
            Pick::Open | Pick::Nothing => Go::Fail,
        }
    }

    fn leave(&self, index: usize, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let Some(rule) = self.rules.get(index) else { return Go::Fail };
        if rules::leave(rule, index, scene, caller) {
            *state = State::Leaving(index);
            return Go::Stay;
        }
        Go::To(&rule.to.value)
    }

    fn looked(&self, index: usize, facts: Option<&QueueFacts>, state: &mut State, scene: &Scene<'_>, caller: &mut Caller) -> Go<'_> {
        let wanted = self.rules.get(index).and_then(|rule| rule.facts.as_ref());
        // A queue that is not there says nothing: what is not known never holds.
        let holds = wanted.zip(facts).is_some_and(|((_, wanted), facts)| wanted.hold(facts, caller.class));
        if holds { self.leave(index, state, scene, caller) } else { self.decide(index + 1, state, scene, caller) }
    }

    pub(crate) fn hear(&self, state: &mut State, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'_> {
        match (*state, heard) {
            (State::Looking(index), Heard::Facts(facts)) => self.looked(index, facts.as_ref(), state, scene, caller),
            (State::Leaving(index), heard) => leaving(&self.rules, index, scene, caller, heard),
            (State::Fresh | State::Looking(_), Heard::Digit(digit)) => {
                caller.note_ignored(scene, *digit);
                Go::Stay
            }
            // Restored here with a place: the rules are asked now.
            (State::Fresh, heard) => {
                caller.hear_of_place(heard);
                self.decide(0, state, scene, caller)
            }
            (State::Looking(_), heard) => {
                caller.hear_of_place(heard);
                Go::Stay
            }
        }
    }

    pub(crate) fn due(&self, _: &State, _: &Caller, _: &model::StepId) -> Option<Instant> {
        None
    }

    pub(crate) fn timeout(&self, _: &mut State, _: &Scene<'_>, _: &mut Caller) -> Go<'_> {
        Go::Stay
    }
}

/// While the words of a rule sound: their end, or a key, leads on.
pub(super) fn leaving<'r>(rules: &'r [Rule], index: usize, scene: &Scene<'_>, caller: &mut Caller, heard: &Heard) -> Go<'r> {
    let Some(rule) = rules.get(index) else { return Go::Fail };
    let on = match heard {
        Heard::Played => true,
        Heard::Digit(digit) => {
            caller.note_ignored(scene, *digit);
            rule.say.as_ref().is_none_or(|say| say.barge_in)
        }
        _ => false,
    };
    if on { Go::To(&rule.to.value) } else { Go::Stay }
}

/// The way by a rule.
fn way(rule: &Rule) -> Way<'_> {
    let by = if rule.when.schedules.is_empty() { By::Itself } else { By::Hours { closed: rule.when.only_closed() } };
    let beats = rule.say.iter().map(Beat::said).collect();
    Way { set: Some(&rule.set), beats, ..Way::new(&rule.to, by) }
}
