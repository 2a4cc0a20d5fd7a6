//! `toritsugi test`: the example calls beside each flow, played through the very engine before anybody calls.
//!
//! On failure the call is told as a supervisor would follow it with a finger: when what was heard, pressed, and where the flow stood.

mod verdict;
mod words;

#[cfg(test)]
mod golden;

use crate::explain::Tongue;
use crate::files::Files;
use crate::publish::{self, Refused, Wait};
use crate::words::{Both, Stop, say};
use crate::{CityArgs, StateArgs};
use calls::City;
use clap::Args;
use flow::{Book, Draft, Example, Examples, Problem, Severity, Source, Spoken};
use media::Clip;
use model::{Millis, Pcm};
use serde::Serialize;
use sim::rehearsal::{Take, rehearse};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use verdict::Fault;

/// Samples in a millisecond of a clip.
const PER_MILLI: u64 = media::RATE as u64 / 1000;

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Folder with the flow files, their NAME.tests.yaml and prompts/
    #[arg(value_name = "FLOWS")]
    path: Option<PathBuf>,
    /// Folder with engine.yaml and the rest
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Only the tests with this in their names
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    /// One JSON object, with every call as it went; if errors in the files let none be played, with these as `check --json` has them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// An example that was played.
#[derive(Clone)]
pub(super) struct Played<'e> {
    path: String,
    example: &'e Example,
    /// What did not come as it should.
    faults: Vec<Fault>,
    take: Option<Take>,
}

pub(crate) fn run(args: &TestArgs) -> Result<(), Stop> {
    let began = Instant::now();
    let tongue = Tongue::of(args.lang.as_deref());
    let files = Files::find(&CityArgs { config: args.config.clone(), flows: args.path.clone() })?;
    let sources = files.read()?;
    let draft = flow::read(sources.clone());
    let mut speech = publish::voices(&args.state.state, draft.settings())?;
    // A sentence that was never rendered is as long as `check` estimates it: nobody waits for a voice to see a test.
    let (_, known) = publish::sound(&draft, &files, &mut speech, Wait::Nothing, &mut |_, _| {});
    let checked = flow::check(&draft, &known);
    let (all, wrong) = flow::examples(&draft, &sources);
    let problems: Vec<Problem> = checked.problems.into_iter().chain(wrong).collect();
    let errors: Vec<Problem> = problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    let Some(book) = checked.book.filter(|_| errors.is_empty()) else {
        if args.json {
            say(unplayed(&files, &errors, &sources, tongue)?)?;
        } else {
            say(files.render(&errors, &sources, tongue.of_problems(), std::io::stdout().is_terminal()))?;
        }
        return Err(Stop::new(words::not_played(tongue)));
    };
    let chosen = |example: &Example| args.only.as_ref().is_none_or(|only| example.name.contains(only.as_str()));
    let played = play(&files, &rehearsed(&book, &known.lengths), &all, chosen);
    if played.is_empty() {
        return Err(Stop::new(words::none(tongue, args.only.as_deref())));
    }
    let failed = played.iter().filter(|one| !one.faults.is_empty()).count();
    if args.json {
        say(json(&played, &draft, tongue, began.elapsed())?)?;
    } else {
        for one in &played {
            say(words::page(one, &draft, tongue))?;
        }
        say(words::sum(tongue, played.len(), failed, began.elapsed()))?;
    }
    if failed == 0 { Ok(()) } else { Err(Stop(String::new())) }
}

/// Before a city goes live: every example of it must go as it should.
///
/// # Errors
/// With the problems of the example files, or with the calls that went otherwise.
pub(crate) fn must_pass(
    files: &Files,
    draft: &Draft,
    sources: &[Source],
    book: &Book,
    lengths: &BTreeMap<Spoken, Millis>,
) -> Result<(), Refused> {
    let (all, wrong) = flow::examples(draft, sources);
    if !wrong.is_empty() {
        let rendered = |tongue| files.render(&wrong, sources, tongue, false);
        let (en, ja) = (rendered(flow::Tongue::En), rendered(flow::Tongue::Ja));
        let en = format!("the tests beside the flows have mistakes:\n{en}");
        return Err(Refused::because(Both::new(en, format_args!("フローの隣のテストに誤りがあります。\n{ja}"))));
    }
    if all.is_empty() {
        return Ok(());
    }
    let played = play(files, &rehearsed(book, lengths), &all, |_| true);
    let failed: Vec<&Played<'_>> = played.iter().filter(|one| !one.faults.is_empty()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let told = |tongue| words::failed(tongue, &failed, played.len(), draft);
    Err(Refused::because(Both::new(told(Tongue::English), told(Tongue::Japanese))))
}

/// The city with silence as long as its sentences: nobody listens, and the clock is the same. Each sentence has a clip of its own, by which
/// the rehearsal knows it.
pub(crate) fn rehearsed(book: &Book, lengths: &BTreeMap<Spoken, Millis>) -> City {
    let clip = |millis: Millis| {
        let samples = usize::try_from(millis.0.saturating_mul(PER_MILLI)).unwrap_or(0);
        Clip::encode(&Pcm::silence(media::RATE, samples)).ok().map(Arc::new)
    };
    let sounds = book.sentences.iter().filter_map(|sentence| {
        let length = lengths.get(&sentence.spoken).copied().unwrap_or_else(|| sentence.estimated());
        Some((sentence.spoken.clone(), clip(length)?))
    });
    City { clips: sounds.collect(), book: Arc::new(book.clone()), users: BTreeMap::new(), ..City::default() }
}

/// Plays the chosen ones.
fn play<'e>(files: &Files, city: &City, all: &'e [Examples], chosen: impl Fn(&Example) -> bool) -> Vec<Played<'e>> {
    let mut played = Vec::new();
    for examples in all {
        for example in examples.list.iter().filter(|example| chosen(example)) {
            // The simulator stops hard where the engine does what it never may: that is a fault of ours, and fails one test.
            let take = catch_unwind(AssertUnwindSafe(|| rehearse(city, &examples.flow, example)));
            let (faults, take) = match take {
                Ok(take) => (verdict::faults(example, &take), Some(take)),
                Err(_) => (vec![Fault::Engine("the rehearsal stopped".to_owned())], None),
            };
            played.push(Played { path: files.real(&examples.path), example, faults, take });
        }
    }
    played
}

#[derive(Serialize)]
struct Report {
    tests: Vec<Line>,
    failed: usize,
    millis: u64,
}

#[derive(Serialize)]
struct Line {
    file: String,
    line: u32,
    name: String,
    passed: bool,
    faults: Vec<Difference>,
    transcript: Vec<Spot>,
}

#[derive(Serialize)]
struct Difference {
    expected: String,
    came: String,
}

#[derive(Serialize)]
struct Spot {
    at_millis: u64,
    what: String,
}

/// `{ "problems": [ .. ] }`: nothing was played.
fn unplayed(files: &Files, errors: &[Problem], sources: &[Source], tongue: Tongue) -> Result<String, Stop> {
    let problems: serde_json::Value = serde_json::from_str(&files.json(errors, sources, tongue.of_problems())).map_err(Stop::new)?;
    serde_json::to_string_pretty(&serde_json::json!({ "problems": problems })).map_err(Stop::new)
}

fn json(played: &[Played<'_>], draft: &Draft, tongue: Tongue, took: Duration) -> Result<String, Stop> {
    let tests: Vec<Line> = played
        .iter()
        .map(|one| Line {
            file: one.path.clone(),
            line: one.example.line,
            name: one.example.name.clone(),
            passed: one.faults.is_empty(),
            faults: one
                .faults
                .iter()
                .map(|fault| {
                    let (expected, came) = words::fault(fault, tongue);
                    Difference { expected, came }
                })
                .collect(),
            transcript: one
                .take
                .iter()
                .flat_map(|take| &take.moments)
                .map(|moment| Spot { at_millis: Millis::from(moment.at).0, what: words::scene(&moment.what, draft, tongue) })
                .collect(),
        })
        .collect();
    let failed = tests.iter().filter(|test| !test.passed).count();
    let report = Report { tests, failed, millis: Millis::from(took).0 };
    serde_json::to_string_pretty(&report).map_err(Stop::new)
}
