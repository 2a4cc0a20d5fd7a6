//! Who calls on a rehearsed day, drawn by the seed: the same people for the draft and for what it is held against, so that what differs is
//! the draft's doing.

use super::RehearseArgs;
use super::words;
use crate::explain::Tongue;
use crate::staff::counts::HalfHour;
use crate::words::Stop;
use flow::{Choice, Choices};
use model::{Digit, Lang, Random, StepId};
use sim::trial::Visitor;
use sim::{Again, Presses};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A day in half hours.
pub(super) const HALVES: usize = 48;
pub(super) const HALF: Duration = Duration::from_secs(1800);
/// Calls of one day that are played at most.
pub(super) const CALLS_MAX: f64 = 20_000.0;
/// Out of a hundred calls of a day, how many fall into each hour: a health line's weekday, with its peak at nine and ten.
const HOURS: [f64; 24] =
    [0.6, 0.4, 0.3, 0.3, 0.3, 0.5, 1.0, 2.0, 6.0, 12.0, 12.0, 10.0, 7.0, 8.0, 8.5, 8.0, 7.0, 6.0, 4.0, 2.5, 1.6, 1.0, 0.6, 0.4];
/// The busiest hour of a quiet day takes so much of what the agents could do then.
const QUIET: f64 = 0.6;
/// The news at ten: so many times as many calls in the half hours that follow.
const NEWS: [(usize, f64); 8] = [(20, 4.0), (21, 4.0), (22, 3.5), (23, 3.0), (24, 2.5), (25, 2.0), (26, 1.5), (27, 1.5)];
/// Whoever has a language of their own to choose, and keeps to the first one.
const FIRST_LANGUAGE: f64 = 0.95;
/// Whoever presses anything at all.
const PRESSES: f64 = 0.9;

/// What a caller presses at each step: key, and how many of a hundred.
pub(super) type Shares = BTreeMap<StepId, BTreeMap<Digit, f64>>;

/// How many call in each half hour, and how they are.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    pub(super) counts: [f64; HALVES],
    pub(super) shares: Shares,
    pub(super) talk: Duration,
    pub(super) patience: Duration,
    /// Of a hundred who were not served, how many call again.
    pub(super) again: u64,
}

impl Callers {
    pub(super) fn calls(&self) -> f64 {
        self.counts.iter().sum()
    }
}

/// A quiet day for so many agents, by half hour, who take so long for a call.
pub(super) fn quiet(agents: &[f64; HALVES], handling: Duration) -> [f64; HALVES] {
    let could = |half: usize| agents[half] * HALF.as_secs_f64() / handling.as_secs_f64().max(1.0);
    let share = |half: usize| HOURS[half / 2] / 200.0;
    // As large a day as its tightest half hour of the daytime bears.
    let day = (16..40).filter(|half| agents[*half] > 0.0).map(|half| could(half) * QUIET / share(half)).fold(f64::INFINITY, f64::min);
    let day = if day.is_finite() { day } else { 0.0 };
    std::array::from_fn(|half| day * share(half))
}

/// A quiet day until the news at ten.
pub(super) fn surge(quiet: [f64; HALVES]) -> [f64; HALVES] {
    let mut counts = quiet;
    for (half, times) in NEWS {
        counts[half] *= times;
    }
    counts
}

/// What a file says; half hours that it does not name have no calls.
pub(super) fn of_file(rows: &[HalfHour]) -> [f64; HALVES] {
    let mut counts = [0.0; HALVES];
    for row in rows {
        let minutes = row.time.split_once(':').and_then(|(h, m)| Some(h.parse::<usize>().ok()? * 60 + m.parse::<usize>().ok()?));
        if let Some(count) = minutes.and_then(|minutes| counts.get_mut(minutes / 30)) {
            *count += row.calls;
        }
    }
    counts
}

/// The people of one day, in the order of their calls, as they would go through one city's flow.
pub(super) fn visitors(callers: &Callers, choices: &Choices, seed: u64) -> Vec<Visitor> {
    let mut random = Random::from_number(seed);
    let mut exponential = |mean: Duration| {
        let mean = mean.as_secs_f64();
        Duration::from_secs_f64((-mean * (1.0 - random.unit()).ln()).min(mean * 8.0))
    };
    let mut visitors = Vec::new();
    for (half, count) in callers.counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let gap = HALF.div_f64(*count);
        let mut at = exponential(gap);
        while at < HALF {
            let (patience, talk) = (exponential(callers.patience), exponential(callers.talk));
            visitors.push((HALF * half as u32 + at, Duration::from_secs(30) + patience, Duration::from_secs(5) + talk));
            at += exponential(gap);
        }
    }
    let visitor = |(n, (at, patience, talk)): (u64, (Duration, Duration, Duration))| {
        let own = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(n);
        let presses = Arc::new(presses(&callers.shares, choices, own));
        let mut random = Random::from_number(own);
        let calls_again = random.below(100) < callers.again;
        let again = calls_again.then(|| Again { after: Duration::from_secs(60 + random.below(240)), times: 2 });
        Visitor { at, presses, patience, talk, again }
    };
    (0..).zip(visitors).map(visitor).collect()
}

/// What one caller presses at each step. It depends on the step's name and the caller alone: whoever wants a nurse wants one in both cities.
fn presses(shares: &Shares, choices: &Choices, caller: u64) -> Presses {
    let mut lang = choices.lang.clone();
    for at_step in by_step(choices, &choices.lang) {
        if let Some(chosen) = drawn(shares, choices, &at_step, caller).and_then(|choice| choice.chooses.clone()) {
            lang = chosen;
        }
    }
    let mut presses = Presses::new();
    for at_step in by_step(choices, &choices.lang) {
        let chooses_language = at_step.iter().any(|choice| choice.chooses.is_some());
        let Some(choice) = drawn(shares, choices, &at_step, caller) else { continue };
        let heard_in = if chooses_language { &choices.lang } else { &lang };
        let same = |other: &&Choice| other.step == choice.step && other.key == choice.key && other.lang == *heard_in;
        presses.insert(choice.step.clone(), choices.all.iter().find(same).unwrap_or(choice).presses.clone());
    }
    presses
}

/// The choices of each step, as they are in one language.
fn by_step<'c>(choices: &'c Choices, lang: &Lang) -> Vec<Vec<&'c Choice>> {
    let mut steps: BTreeMap<&StepId, Vec<&Choice>> = BTreeMap::new();
    for choice in choices.all.iter().filter(|choice| choice.lang == *lang) {
        steps.entry(&choice.step).or_default().push(choice);
    }
    steps.into_values().collect()
}

fn drawn<'c>(shares: &Shares, choices: &Choices, at_step: &[&'c Choice], caller: u64) -> Option<&'c Choice> {
    let step = &at_step.first()?.step;
    let name = step.as_str().bytes().fold(caller, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut point = Random::from_number(name).unit();
    let share = |choice: &Choice| share(shares, choices, at_step, choice);
    at_step.iter().copied().find(|choice| {
        point -= share(choice);
        point < 0.0
    })
}

/// How many of all who come to a step press this.
pub(super) fn share(shares: &Shares, choices: &Choices, at_step: &[&Choice], choice: &Choice) -> f64 {
    if let Some(declared) = shares.get(&choice.step) {
        return declared.get(&choice.key).map_or(0.0, |percent| percent / 100.0);
    }
    let languages = at_step.iter().filter(|choice| choice.chooses.is_some()).count();
    if languages == 0 {
        return PRESSES / at_step.len() as f64;
    }
    match &choice.chooses {
        Some(lang) if *lang == choices.lang => FIRST_LANGUAGE,
        Some(_) => (1.0 - FIRST_LANGUAGE) / (languages.saturating_sub(1)).max(1) as f64,
        None => 0.0,
    }
}

/// What is assumed of those who come to each step, for people: the step, and of a hundred how many press what.
pub(super) fn assumed(callers: &Callers, choices: &Choices) -> Vec<(StepId, Vec<(Digit, f64)>)> {
    let of_step = |at_step: Vec<&Choice>| {
        let keys = at_step.iter().map(|choice| (choice.key, share(&callers.shares, choices, &at_step, choice) * 100.0)).collect();
        Some((at_step.first()?.step.clone(), keys))
    };
    by_step(choices, &choices.lang).into_iter().filter_map(of_step).collect()
}

/// `main=1:20,2:70`.
pub(super) fn press(text: &str) -> Result<(StepId, BTreeMap<Digit, f64>), String> {
    let hint = "write STEP=KEY:PERCENT,.. such as main=1:20,2:70; the rest press nothing";
    let (step, keys) = text.split_once('=').ok_or(hint)?;
    let mut shares = BTreeMap::new();
    for part in keys.split(',') {
        let (key, percent) = part.split_once(':').ok_or(hint)?;
        let key = key.trim().parse::<char>().ok().and_then(Digit::from_char).ok_or(hint)?;
        let percent = percent.trim().parse::<f64>().ok().filter(|percent| percent.is_finite() && *percent >= 0.0).ok_or(hint)?;
        if shares.insert(key, percent).is_some() {
            return Err(format!("at {step} the key {} stands twice: write it once", key.as_char()));
        }
    }
    let sum = shares.values().sum::<f64>();
    if sum > 100.0 {
        return Err(format!("at {step} {sum} of a hundred callers would press something: all keys together are 100 at most"));
    }
    Ok((StepId::from(step.trim()), shares))
}

/// That every step of `--press` is one at which callers press keys, and every key one that leads on there.
pub(super) fn pressable(shares: &Shares, choices: &Choices, tongue: Tongue) -> Result<(), Stop> {
    let mut there: BTreeMap<&StepId, BTreeSet<char>> = BTreeMap::new();
    for choice in &choices.all {
        there.entry(&choice.step).or_default().insert(choice.key.as_char());
    }
    let steps: Vec<&str> = there.keys().map(|step| step.as_str()).collect();
    for (step, keys) in shares {
        let Some(known) = there.get(step) else {
            return Err(words::no_such_step(step, flow::nearest(step.as_str(), steps.iter().copied()), &steps, tongue));
        };
        if let Some(key) = keys.keys().find(|key| !known.contains(&key.as_char())) {
            let known: Vec<String> = known.iter().map(char::to_string).collect();
            return Err(words::no_such_key(step, key.as_char(), &known, tongue));
        }
    }
    Ok(())
}

/// The agents who are there, by half hour, and what a call takes them.
pub(super) fn headcount(shifts: &[(model::AgentId, Duration, Duration)]) -> [f64; HALVES] {
    let there = |half: usize| {
        let (from, to) = (HALF * half as u32, HALF * (half as u32 + 1));
        shifts.iter().filter(|(_, begins, ends)| *begins <= from && *ends >= to).count() as f64
    };
    std::array::from_fn(there)
}

impl RehearseArgs {
    pub(super) fn shares(&self) -> Shares {
        self.press.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callers(counts: [f64; HALVES]) -> Callers {
        let (talk, patience) = (Duration::from_secs(240), Duration::from_secs(180));
        Callers { counts, shares: Shares::new(), talk, patience, again: 30 }
    }

    fn choice(step: &str, lang: &str, key: char, chooses: Option<&str>) -> Choice {
        let key = Digit::from_char(key).unwrap();
        let presses = vec![(Duration::from_secs(if lang == "ja" { 2 } else { 3 }), key)];
        Choice { step: StepId::from(step), lang: Lang::from(lang), key, presses, chooses: chooses.map(Lang::from) }
    }

    fn choices() -> Choices {
        let both = |step, key, chooses| [choice(step, "ja", key, chooses), choice(step, "en", key, chooses)];
        let all = [both("language", '1', Some("ja")), both("language", '2', Some("en")), both("main", '1', None), both("main", '2', None)];
        Choices { lang: Lang::from("ja"), all: all.concat() }
    }

    #[test]
    fn as_many_call_as_were_counted_and_the_same_seed_calls_the_same() {
        let mut counts = [0.0; HALVES];
        (counts[18], counts[20]) = (400.0, 100.0);
        let day = visitors(&callers(counts), &choices(), 7);
        let within = |half: u32| day.iter().filter(|v| v.at >= HALF * half && v.at < HALF * (half + 1)).count();
        // Four deviations of a Poisson count.
        assert!((320..=480).contains(&within(18)) && (60..=140).contains(&within(20)), "{} {}", within(18), within(20));
        assert_eq!(day.len(), within(18) + within(20));
        let again = visitors(&callers(counts), &choices(), 7);
        assert!(day.iter().zip(&again).all(|(one, other)| one.at == other.at && one.presses == other.presses && one.talk == other.talk));
    }

    #[test]
    fn whoever_chooses_english_presses_as_late_as_english_is_long() {
        let mut counts = [0.0; HALVES];
        counts[18] = 4_000.0;
        let day = visitors(&callers(counts), &choices(), 3);
        let key = |v: &Visitor, step: &str| v.presses.get(&StepId::from(step)).map(|presses| presses[0]);
        let (mut english, mut silent) = (0, 0);
        for visitor in &day {
            let chose = key(visitor, "language").map(|(after, digit)| (after, digit.as_char()));
            let hears_english = chose.is_some_and(|(_, digit)| digit == '2');
            english += usize::from(hears_english);
            assert!(chose.is_none_or(|(after, _)| after == Duration::from_secs(2)), "the question itself is in Japanese");
            match key(visitor, "main") {
                Some((after, _)) => assert_eq!(after, Duration::from_secs(if hears_english { 3 } else { 2 })),
                None => silent += 1,
            }
        }
        let share = |n: usize| n as f64 / day.len() as f64;
        assert!((share(english) - 0.05).abs() < 0.02 && (share(silent) - 0.1).abs() < 0.02, "{} {}", share(english), share(silent));
    }

    #[test]
    fn a_quiet_day_fills_its_tightest_half_hour_and_the_news_fills_more() {
        let quiet = quiet(&[10.0; HALVES], Duration::from_secs(300));
        let peak = quiet.iter().copied().fold(0.0, f64::max);
        assert!((peak - 36.0).abs() < 1e-9, "ten agents could take 60 calls of five minutes: {peak}");
        assert_eq!(surge(quiet)[20], quiet[20] * 4.0);
        assert_eq!(surge(quiet)[18], quiet[18]);
    }

    #[test]
    fn shares_are_read_or_refused_with_a_sentence() {
        let (step, shares) = press("main=1:20,2:70").unwrap();
        assert_eq!((step.as_str(), shares.len()), ("main", 2));
        for wrong in ["main", "main=", "main=x:1", "main=1", "main=1:101", "main=1:60,2:60", "main=12:3"] {
            assert!(press(wrong).is_err(), "{wrong}");
        }
        for much in ["main=1:120", "main=1:60,2:60"] {
            assert!(press(much).unwrap_err().contains("120 of a hundred callers"), "{much}");
        }
        assert!(press("main=1:20,1:30").unwrap_err().contains("stands twice"));
    }

    #[test]
    fn a_step_or_key_that_is_not_there_is_named_with_those_that_are() {
        let refused = |text: &str, tongue| pressable(&[press(text).unwrap()].into(), &choices(), tongue).unwrap_err().0;
        assert!(pressable(&[press("main=1:20,2:70").unwrap()].into(), &choices(), Tongue::English).is_ok());
        let step = refused("mian=1:20", Tongue::English);
        assert!(step.contains("no step mian") && step.contains("did you mean main?") && step.contains("language, main"), "{step}");
        let key = refused("main=7:20,1:20", Tongue::English);
        assert!(key.contains("7") && key.contains("1, 2"), "{key}");
        assert!(refused("nope=1:20", Tongue::Japanese).contains("language、main"));
    }
}
