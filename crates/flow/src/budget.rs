//! Seconds to a human: how long it takes at worst until a caller is in people's hands, from the real lengths of the sentences.
//!
//! *Pressing*: each sentence is heard up to the words of the key, then the key is pressed. *Silent*: every sentence and every
//! time-out in full. Both end at a queue. In every language that can be chosen; the longest way counts.

use crate::check::Known;
use crate::draft::Draft;
use crate::program::{Flow, Set};
use crate::speech::{Part, Speech, Spoken};
use crate::steps::{Beat, By, End, Sketch, Way};
use model::{Digit, FlowName, Lang, Millis, StepId};
use std::time::Duration;

/// Characters a second, where the real length is not known.
const JAPANESE_A_SECOND: u64 = 7;
const LETTERS_A_SECOND: u64 = 14;
/// Steps looked at in one flow; in a larger tangle the longest way found so far counts.
const VISITS_MAX: u32 = 100_000;

/// How soon one flow hands its callers to people, at worst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Which flow.
    pub flow: FlowName,
    /// For whoever presses keys; `None` if no key leads to people.
    pub pressing: Option<Millis>,
    /// For whoever presses nothing; `None` if silence does not lead to people.
    pub silent: Option<Millis>,
    /// Speech on the way that nobody can interrupt.
    pub mandatory: Millis,
}

/// How soon each flow hands its callers to people. Lengths that are not known are estimated from the texts.
pub fn paths(draft: &Draft, known: &Known) -> Vec<Reach> {
    let millis = |way: Option<Longest>| way.map(|way| Millis::from(way.time));
    draft
        .flows
        .values()
        .map(|flow| Reach {
            flow: flow.name.clone(),
            pressing: millis(longest(draft, known, flow, Caller::Pressing)),
            silent: millis(longest(draft, known, flow, Caller::Silent)),
            mandatory: millis(longest(draft, known, flow, Caller::Patient)).unwrap_or_default(),
        })
        .collect()
}

/// Whose way it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Pressing,
    Silent,
    /// Anybody; only speech that cannot be interrupted counts.
    Patient,
}

/// The longest way of one caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Longest {
    pub(crate) time: Duration,
    /// The steps, the last one first.
    way: Vec<StepId>,
}

impl Longest {
    /// `greeting > language > main > general`.
    pub(crate) fn way(&self) -> String {
        self.way.iter().rev().map(StepId::as_str).collect::<Vec<_>>().join(" > ")
    }
}

/// The longest way to people; `None` if there is none.
pub(crate) fn longest(draft: &Draft, known: &Known, flow: &Flow, caller: Caller) -> Option<Longest> {
    let mut walk = Walk { draft, known, flow, caller, visits: 0, trail: Vec::new() };
    walk.from(&flow.start.value, &flow.default_lang.value)
}

struct Walk<'a> {
    draft: &'a Draft,
    known: &'a Known,
    flow: &'a Flow,
    caller: Caller,
    visits: u32,
    /// Nobody is counted through the same step twice, in whatever language: going back is the caller's own choice, and the hour
    /// does not change on the way.
    trail: Vec<&'a StepId>,
}

impl<'a> Walk<'a> {
    fn from(&mut self, step: &'a StepId, lang: &'a Lang) -> Option<Longest> {
        self.visits += 1;
        if self.visits > VISITS_MAX || self.trail.contains(&step) {
            return None;
        }
        let sketch = self.flow.steps.get(step)?.step.sketch();
        match sketch.end {
            End::Person | End::Claim => return Some(Longest { time: Duration::ZERO, way: vec![step.clone()] }),
            End::HangUp => return None,
            End::Open => {}
        }
        self.trail.push(step);
        let mut worst: Option<Longest> = None;
        for way in &sketch.ways {
            if !self.takes(way) || self.caller == Caller::Pressing && self.is_only_for_those_who_know(&sketch, way, lang) {
                continue;
            }
            let after = way.set.and_then(|set: &'a Set| set.lang.as_ref()).map_or(lang, |lang| &lang.value);
            if let Some(mut rest) = self.from(&way.to.value, after) {
                rest.time += self.time(&sketch, way, lang);
                rest.way.push(step.clone());
                if worst.as_ref().is_none_or(|worst| worst.time < rest.time) {
                    worst = Some(rest);
                }
            }
        }
        self.trail.pop();
        worst
    }

    fn takes(&self, way: &Way<'_>) -> bool {
        match way.by {
            By::Itself | By::Hours { .. } => true,
            By::Key(_) => self.caller != Caller::Silent,
            By::Silence => self.caller != Caller::Pressing,
            By::BadKey | By::Refused | By::Waited => false,
        }
    }

    /// A key that no sentence names, beside a named one that leads to the same step: who does not know it takes the other, and who knows it
    /// need not listen. So it is with 0 for a person.
    fn is_only_for_those_who_know(&self, sketch: &Sketch<'_>, way: &Way<'_>, lang: &Lang) -> bool {
        let Some(speech) = sketch.opening else { return false };
        let named = |by: By| match by {
            By::Key(digit) => speech.parts.iter().any(|part| spoken_key(self.text(part, lang), digit).is_some()),
            By::Itself | By::Silence | By::BadKey | By::Hours { .. } | By::Refused | By::Waited => false,
        };
        let other = |other: &&Way<'_>| other.to.value == way.to.value && named(other.by);
        matches!(way.by, By::Key(_)) && way.beats.is_empty() && !named(way.by) && sketch.ways.iter().any(|way| other(&way))
    }

    fn time(&self, sketch: &Sketch<'_>, way: &Way<'_>, lang: &Lang) -> Duration {
        if !way.beats.is_empty() {
            return way.beats.iter().map(|beat| self.beat(beat, lang)).sum();
        }
        let Some(speech) = sketch.opening else { return Duration::ZERO };
        match (self.caller, way.by) {
            (Caller::Patient, _) if speech.barge_in => Duration::ZERO,
            (Caller::Patient, _) => self.whole(speech, lang) * way.times,
            (Caller::Pressing, By::Key(digit)) if speech.barge_in => self.up_to(speech, digit, lang),
            (Caller::Pressing | Caller::Silent, _) => (self.whole(speech, lang) + way.pause) * way.times,
        }
    }

    fn beat(&self, beat: &Beat<'_>, lang: &Lang) -> Duration {
        let speech = beat.speech;
        match self.caller {
            Caller::Patient if speech.barge_in => Duration::ZERO,
            Caller::Patient => self.whole(speech, lang) * beat.times,
            Caller::Pressing if speech.barge_in && !beat.keys.is_empty() => {
                beat.keys.iter().map(|digit| self.up_to(speech, *digit, lang)).max().unwrap_or_default() + beat.pause
            }
            Caller::Pressing | Caller::Silent => (self.whole(speech, lang) + beat.pause) * beat.times,
        }
    }

    fn whole(&self, speech: &Speech, lang: &Lang) -> Duration {
        speech.parts.iter().map(|part| self.length(part, lang)).sum()
    }

    /// Up to the words that name the key; in full if nothing does.
    fn up_to(&self, speech: &Speech, digit: Digit, lang: &Lang) -> Duration {
        let mut time = Duration::ZERO;
        for part in &speech.parts {
            let text = self.text(part, lang);
            let length = self.length(part, lang);
            if let Some(at) = spoken_key(text, digit) {
                let total = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).max(1);
                return time + length * at / total;
            }
            time += length;
        }
        time
    }

    fn text(&self, part: &Part, lang: &Lang) -> &'a str {
        let prompt = self.draft.prompts.get(&part.prompt.value);
        prompt.and_then(|prompt| prompt.wordings.get(part.lang(lang))).map_or("", |wording| wording.text.as_str())
    }

    fn length(&self, part: &Part, lang: &Lang) -> Duration {
        let lang = part.lang(lang);
        let spoken = Spoken { prompt: part.prompt.value.clone(), lang: lang.clone(), value: None };
        match self.known.lengths.get(&spoken) {
            Some(length) => (*length).into(),
            None => estimate(self.text(part, lang), lang),
        }
    }
}

/// How long a text takes to say.
pub(crate) fn estimate(text: &str, lang: &Lang) -> Duration {
    let letters = text.chars().count() as u64;
    let a_second = if lang.as_str().starts_with("ja") { JAPANESE_A_SECOND } else { LETTERS_A_SECOND };
    Duration::from_millis(letters * 1000 / a_second)
}

/// Where a text names a key: the number of characters up to and with its last lone figure; `119` names no key.
pub(crate) fn spoken_key(text: &str, digit: Digit) -> Option<u32> {
    let figure = |c: char| match c {
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
        '＊' => Some('*'),
        '＃' => Some('#'),
        c => c.is_ascii_digit().then_some(c),
    };
    let letters: Vec<char> = text.chars().collect();
    let is_figure = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| figure(*c).is_some());
    (0..letters.len())
        .rfind(|&at| {
            letters.get(at).and_then(|c| figure(*c)) == Some(digit.as_char())
                && !is_figure(at.checked_sub(1))
                && !is_figure(at.checked_add(1))
        })
        .and_then(|at| u32::try_from(at + 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_a_lone_figure() {
        let key = |c| Digit::from_char(c).unwrap();
        assert_eq!(spoken_key("お体の心配は1、", key('1')), Some(7));
        assert_eq!(spoken_key("お体の心配は１、", key('1')), Some(7));
        assert_eq!(spoken_key("119番", key('1')), None);
        assert_eq!(spoken_key("press 2.", key('2')), Some(7));
        assert_eq!(spoken_key("", key('2')), None);
    }

    #[test]
    fn an_unknown_length_is_estimated() {
        assert_eq!(estimate("一二三四五六七", &Lang::from("ja")), Duration::from_secs(1));
        assert_eq!(estimate("one two three four five six!", &Lang::from("en")), Duration::from_secs(2));
    }
}
