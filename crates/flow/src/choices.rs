//! What callers can press, step by step, and how soon: for whoever plays a whole day of callers, not one.
//!
//! The times are those of [`crate::paths`] for whoever presses keys: each sentence is heard up to the words of the key.

use crate::budget::Walk;
use crate::check::Known;
use crate::draft::Draft;
use crate::steps::{By, End, Sketch, Way};
use model::{Digit, FlowName, Lang, StepId};
use std::time::Duration;

/// From hearing a key named to pressing it.
const THINKS: Duration = Duration::from_millis(600);
/// From one figure of a number to the next.
const TYPES: Duration = Duration::from_millis(400);

/// One way that a caller may take by keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where.
    pub step: StepId,
    /// The language in which they listen.
    pub lang: Lang,
    /// The key by which the way is known.
    pub key: Digit,
    /// Everything they press, each with the time since they came to the step.
    pub presses: Vec<(Duration, Digit)>,
    /// The language that they choose by it.
    pub chooses: Option<Lang>,
}

/// Everything that callers of a flow may press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    /// The language of whoever has chosen none.
    pub lang: Lang,
    /// Every way that they may take by keys, in the order of steps, languages and keys; but for star and hash, by which people go back, and for
    /// keys pressed while they wait in a queue.
    pub all: Vec<Choice>,
}

/// What callers of a flow may press; `None` if there is no such flow.
pub fn choices(draft: &Draft, known: &Known, flow: &FlowName) -> Option<Choices> {
    let flow = draft.flows.get(flow)?;
    let walk = Walk::pressing(draft, known, flow);
    let mut all = Vec::new();
    for (step, named) in &flow.steps {
        let sketch = named.step.sketch();
        if sketch.end == End::Person {
            continue;
        }
        for lang in flow.offer.iter().map(|lang| &lang.value) {
            for way in &sketch.ways {
                let By::Key(key) = way.by else { continue };
                if key.as_char().is_ascii_digit() && way.to.value != *step {
                    let chooses = way.set.and_then(|set| set.lang.as_ref()).map(|lang| lang.value.clone());
                    all.push(Choice {
                        step: step.clone(),
                        lang: lang.clone(),
                        key,
                        presses: presses(&walk, &sketch, way, key, lang),
                        chooses,
                    });
                }
            }
        }
    }
    Some(Choices { lang: flow.default_lang.value.clone(), all })
}

/// Which keys lead down this way, and when.
fn presses(walk: &Walk<'_>, sketch: &Sketch<'_>, way: &Way<'_>, key: Digit, lang: &Lang) -> Vec<(Duration, Digit)> {
    if way.beats.is_empty() {
        let heard = sketch.opening.map_or(Duration::ZERO, |speech| walk.up_to(speech, key, lang));
        return vec![(heard + THINKS, key)];
    }
    let (mut at, mut all) = (Duration::ZERO, Vec::new());
    for beat in &way.beats {
        match beat.keys.first() {
            None => at += (walk.whole(beat.speech, lang) + beat.pause) * beat.times,
            Some(key) => {
                at += walk.up_to(beat.speech, *key, lang) + THINKS;
                for _ in 0..beat.presses {
                    all.push((at, *key));
                    at += TYPES;
                }
                at += beat.pause;
            }
        }
    }
    all
}
