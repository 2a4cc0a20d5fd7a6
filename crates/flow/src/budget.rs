//! Seconds to a human: how long it takes until a caller is in people's hands, from the real lengths of the sentences.
//!
//! *Pressing*: each sentence is heard up to the words of the key, then the key is pressed. *Silent*: every sentence and every
//! time-out in full. Both begin with the first sentence and end at a queue, at a line, or where a claim is written down; nobody is
//! counted through the same step twice. Of all ways by keys the middle one is *typical* and the longest the *worst*. In production the
//! same stretch is measured of every caller (`menu_to_human_seconds`).

use crate::check::Known;
use crate::draft::Draft;
use crate::problem::At;
use crate::program::{Flow, Set};
use crate::speech::{Part, Speech, Spoken};
use crate::steps::{Beat, By, End, Sketch, Way};
use model::{Digit, FlowName, Lang, Manner, Millis, StepId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Characters a second, where the real length is not known.
const JAPANESE_A_SECOND: u64 = 7;
const LETTERS_A_SECOND: u64 = 14;
/// Steps looked at in one flow; in a larger tangle the longest way found so far counts.
const VISITS_MAX: u32 = 100_000;

/// Ways of one flow that are told apart; of a larger tangle, the first ones.
const ROUTES_MAX: usize = 2_000;

/// How soon one flow hands callers of one language to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Which flow.
    pub flow: FlowName,
    /// The language in the end.
    pub lang: Lang,
    /// For whoever presses keys, on the middle one of all ways; `None` if no key leads to people in this language.
    pub typical: Option<Millis>,
    /// For whoever presses keys, at worst.
    pub pressing: Option<Millis>,
    /// For whoever presses nothing, at worst; `None` if silence does not lead to people in this language.
    pub silent: Option<Millis>,
    /// Speech on the way that nobody can interrupt, at most.
    pub mandatory: Millis,
    /// What the flow promises.
    pub budget: Promise,
    /// Every way, the shortest first; silent ones last.
    pub routes: Vec<Route>,
}

/// What a flow promises; what is `None` it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// For whoever presses keys.
    pub pressing: Option<Millis>,
    /// For whoever presses nothing.
    pub silent: Option<Millis>,
    /// Of speech that nobody can interrupt.
    pub mandatory: Option<Millis>,
}

/// One way to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The steps; at the last one people take over.
    pub steps: Vec<StepId>,
    /// By keys, or by pressing nothing.
    pub manner: Manner,
    /// How long it takes; where several keys lead the same way, the longest.
    pub time: Millis,
}

impl Reach {
    /// Whether everything that is promised is kept.
    pub fn kept(&self) -> bool {
        let kept = |takes: Option<Millis>, may: Option<Millis>| takes.zip(may).is_none_or(|(takes, may)| takes <= may);
        kept(self.pressing, self.budget.pressing)
            && kept(self.silent, self.budget.silent)
            && kept(Some(self.mandatory), self.budget.mandatory)
    }
}

/// How soon each flow hands its callers to people, in each language. Lengths that are not known are estimated from the texts.
pub fn paths(draft: &Draft, known: &Known) -> Vec<Reach> {
    draft.flows.values().flat_map(|flow| reaches(draft, known, flow)).collect()
}

fn reaches(draft: &Draft, known: &Known, flow: &Flow) -> Vec<Reach> {
    let [pressing, silent, patient] = [Caller::Pressing, Caller::Silent, Caller::Patient].map(|caller| every(draft, known, flow, caller));
    let millis = |at: &Option<At<Duration>>| at.as_ref().map(|at| Millis::from(at.value));
    let budget =
        Promise { pressing: millis(&flow.budget.pressing), silent: millis(&flow.budget.silent), mandatory: millis(&flow.budget.mandatory) };
    let of = |found: &[Found], lang: &Lang| -> Vec<Millis> {
        let mut times: Vec<Millis> = found.iter().filter(|way| way.lang == *lang).map(|way| way.time.into()).collect();
        times.sort_unstable();
        times
    };
    let reach = |lang: &Lang| {
        let by_keys = of(&pressing, lang);
        let mut routes = routes(&pressing, lang, Manner::Pressing);
        routes.extend(self::routes(&silent, lang, Manner::Silent));
        Reach {
            flow: flow.name.clone(),
            lang: lang.clone(),
            typical: by_keys.get(by_keys.len() / 2).copied(),
            pressing: by_keys.last().copied(),
            silent: of(&silent, lang).last().copied(),
            mandatory: of(&patient, lang).last().copied().unwrap_or_default(),
            budget,
            routes,
        }
    };
    flow.languages().map(reach).collect()
}

/// The ways of one language, each sequence of steps once.
fn routes(found: &[Found], lang: &Lang, manner: Manner) -> Vec<Route> {
    let mut longest: BTreeMap<&[StepId], Duration> = BTreeMap::new();
    for way in found.iter().filter(|way| way.lang == *lang) {
        let time = longest.entry(&way.steps).or_default();
        *time = way.time.max(*time);
    }
    let mut routes: Vec<Route> =
        longest.into_iter().map(|(steps, time)| Route { steps: steps.to_vec(), manner, time: time.into() }).collect();
    routes.sort_by_key(|route| route.time);
    routes
}

/// One way to people, as it was found.
struct Found {
    steps: Vec<StepId>,
    lang: Lang,
    time: Duration,
}

/// Every way of one caller to people.
fn every(draft: &Draft, known: &Known, flow: &Flow, caller: Caller) -> Vec<Found> {
    let mut walk = Walk { draft, known, flow, caller, visits: 0, trail: Vec::new() };
    let mut found = Vec::new();
    walk.gather(&flow.start.value, &flow.default_lang.value, Duration::ZERO, &mut found);
    found
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

pub(crate) struct Walk<'a> {
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
    /// For whoever presses keys.
    pub(crate) fn pressing(draft: &'a Draft, known: &'a Known, flow: &'a Flow) -> Self {
        Walk { draft, known, flow, caller: Caller::Pressing, visits: 0, trail: Vec::new() }
    }

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

    /// Writes down every way on from a step to people; `so_far` is how long it took to come here.
    fn gather(&mut self, step: &'a StepId, lang: &'a Lang, so_far: Duration, found: &mut Vec<Found>) {
        self.visits += 1;
        if self.visits > VISITS_MAX || found.len() >= ROUTES_MAX || self.trail.contains(&step) {
            return;
        }
        let Some(named) = self.flow.steps.get(step) else { return };
        let sketch = named.step.sketch();
        match sketch.end {
            End::Person | End::Claim => {
                let steps = self.trail.iter().copied().chain([step]).cloned().collect();
                return found.push(Found { steps, lang: lang.clone(), time: so_far });
            }
            End::HangUp => return,
            End::Open => {}
        }
        self.trail.push(step);
        for way in &sketch.ways {
            let passed_by = self.caller == Caller::Pressing && self.is_only_for_those_who_know(&sketch, way, lang);
            if self.takes(way) && !passed_by {
                let after = way.set.and_then(|set: &'a Set| set.lang.as_ref()).map_or(lang, |lang| &lang.value);
                self.gather(&way.to.value, after, so_far + self.time(&sketch, way, lang), found);
            }
        }
        self.trail.pop();
    }

    fn takes(&self, way: &Way<'_>) -> bool {
        match way.by {
            By::Itself | By::Hours { .. } | By::Answer => true,
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
            By::Itself | By::Silence | By::BadKey | By::Hours { .. } | By::Answer | By::Refused | By::Waited => false,
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

    pub(crate) fn whole(&self, speech: &Speech, lang: &Lang) -> Duration {
        speech.parts.iter().map(|part| self.length(part, lang)).sum()
    }

    /// Up to the words that name the key; in full if nothing does.
    pub(crate) fn up_to(&self, speech: &Speech, digit: Digit, lang: &Lang) -> Duration {
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

/// Where a text names a key: the number of characters up to and with its last lone figure, or its last "press one".
///
/// `119` names no key, and neither does what counts something: "3 minutes", 「1週間」.
pub(crate) fn spoken_key(text: &str, digit: Digit) -> Option<u32> {
    let letters: Vec<char> = text.chars().collect();
    let is_figure = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| figure(*c).is_some());
    let lone = (0..letters.len()).rfind(|&at| {
        letters.get(at).and_then(|c| figure(*c)) == Some(digit.as_char())
            && !is_figure(at.checked_sub(1))
            && !is_figure(at.checked_add(1))
            && !counts(letters.get(at + 1..).unwrap_or_default())
    });
    lone.map(|at| at + 1).max(in_words(&letters, digit)).and_then(|at| u32::try_from(at).ok())
}

/// The figure, star or hash that a letter stands for, full-width ones too.
fn figure(letter: char) -> Option<char> {
    match letter {
        '０'..='９' => char::from_digit(u32::from(letter) - u32::from('０'), 10),
        '＊' => Some('*'),
        '＃' => Some('#'),
        c => matches!(c, '0'..='9' | '*' | '#').then_some(c),
    }
}

/// Whether what stands behind a figure makes it a quantity.
fn counts(behind: &[char]) -> bool {
    const COUNTERS: [&str; 13] = ["分", "秒", "時", "日", "週", "か月", "ヶ月", "年", "回", "人", "名", "度", "番目"];
    const UNITS: [&str; 9] = ["second", "minute", "hour", "day", "week", "month", "year", "people", "o'clock"];
    let starts =
        |words: &[&str], behind: &[char]| words.iter().any(|word| word.chars().eq(behind.iter().copied().take(word.chars().count())));
    match behind {
        [' ' | '\u{a0}', rest @ ..] => starts(&UNITS, rest),
        rest => starts(&COUNTERS, rest),
    }
}

/// Behind the last "press one": the English words for the figures.
fn in_words(letters: &[char], digit: Digit) -> Option<usize> {
    const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let word = digit.as_char().to_digit(10).and_then(|n| WORDS.get(n as usize))?;
    let phrase: Vec<char> = "press ".chars().chain(word.chars()).collect();
    let same = |a: &[char]| a.iter().map(char::to_ascii_lowercase).eq(phrase.iter().copied());
    let ends = |at: usize| letters.get(at).is_none_or(|c| !c.is_alphanumeric());
    let begins = letters.windows(phrase.len()).rposition(same)?;
    let end = begins + phrase.len();
    ends(end).then_some(end)
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
        assert_eq!(spoken_key("Press one for tests.", key('1')), Some(9));
        assert_eq!(spoken_key("press seventy", key('7')), None);
        for quantity in ["3分ほどお待ちください。", "3日以上続く方", "It takes 3 minutes.", "3番目です。", "3か月"]
        {
            assert_eq!(spoken_key(quantity, key('3')), None, "{quantity}");
        }
        assert_eq!(spoken_key("3番を押してください。", key('3')), Some(1));
        assert_eq!(spoken_key("3か4を押してください。", key('3')), Some(1));
        assert_eq!(spoken_key("3日以上続く方は3を", key('3')), Some(9));
    }

    #[test]
    fn an_unknown_length_is_estimated() {
        assert_eq!(estimate("一二三四五六七", &Lang::from("ja")), Duration::from_secs(1));
        assert_eq!(estimate("one two three four five six!", &Lang::from("en")), Duration::from_secs(2));
    }
}
