//! `toritsugi rehearse`: a day of callers through an edited city before it goes live, and what the edit changes.
//!
//! The very engine under virtual time, several days, each with other callers. The city that it is held against gets the same callers on the
//! same days, so that a difference is the edit's and not chance's.

mod figures;
mod plan;
mod words;

use crate::diagram::measured;
use crate::examples::rehearsed;
use crate::explain::{Tongue, walk};
use crate::files::Files;
use crate::staff::counts;
use crate::versions::Versions;
use crate::walk::moment;
use crate::words::{Stop, say};
use crate::zone::{Zone, day_name, parse_day};
use crate::{CityArgs, StateArgs};
use calls::{City, Record};
use clap::{Args, ValueEnum};
use figures::{Day, Terms};
use flow::{Book, Choices, Draft, Known, Severity, Source};
use model::{AgentId, Digit, FlowName, Queue, QueueId, Skill, StepId, UnixMillis};
use plan::{CALLS_MAX, Callers, HALF, HALVES};
use sim::trial::{self, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

const LASTS: Duration = Duration::from_secs(86_400);
/// How often the bar moves.
const BLINK: Duration = Duration::from_millis(100);
/// After-call work where no queue says otherwise.
const WRAP_UP: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Like {
    /// As many calls as the planned staff can take
    Quiet,
    /// A quiet day until the news at ten
    Surge,
    /// As yesterday: its calls, its keys and its talks, from the journal
    Yesterday,
}

#[derive(Args)]
pub(crate) struct RehearseArgs {
    /// Folder with the edited flow files and prompts/
    #[arg(value_name = "FLOWS")]
    path: Option<PathBuf>,
    /// Folder with engine.yaml and the rest
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// What sort of day
    #[arg(long, value_enum, default_value = "quiet", conflicts_with = "calls")]
    like: Like,
    /// Calls of each half hour, a CSV file as `toritsugi staff` reads it
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// Hold the result against this city: a folder with flows/ and config/ in it [default: the version in force in --state, if it is another]
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Which flow, where several have a number
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// The day of the calendar, 2026-11-27 [default: tomorrow]
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
    /// How many days are played, each with other callers
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=200))]
    days: u64,
    /// The same seed has the same callers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What callers press at a step, of a hundred: main=1:20,2:70; may be given several times
    #[arg(long, value_name = "STEP=KEY:PERCENT,..", value_parser = plan::press)]
    press: Vec<(StepId, BTreeMap<Digit, f64>)>,
    /// Mean length of a talk, after-call work apart [default: 4m, or yesterday's]
    #[arg(long, value_name = "TIME", value_parser = crate::staff::length)]
    talk: Option<Duration>,
    /// Mean time after which a caller gives up
    #[arg(long, value_name = "TIME", default_value = "3m", value_parser = crate::staff::length)]
    patience: Duration,
    /// Language: en or ja [default: the terminal's, else en]
    #[arg(long, value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// A city that is rehearsed.
struct Side {
    name: String,
    city: City,
    flow: FlowName,
    choices: Choices,
    zone: flow::Calendar,
    queues: BTreeMap<QueueId, Queue>,
    skilled: BTreeMap<Skill, BTreeSet<AgentId>>,
    /// Who is there on the day, and whether somebody has planned it.
    shifts: Vec<(AgentId, Duration, Duration)>,
}

pub(crate) fn run(args: &RehearseArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let files = Files::find(&CityArgs { config: args.config.clone(), flows: args.path.clone() })?;
    let sources = files.read()?;
    // The calendar decides what tomorrow is, and the day who is planned.
    let date = date(args, flow::read(sources.clone()).calendar())?;
    let draft = Side::read(&files, sources.clone(), files.describe(tongue.of_problems()), &date, args, tongue)?;
    let against = match &args.against {
        None => in_force(args, &sources)?.map(|(name, live)| Side::read(&files, live, name, &date, args, tongue)).transpose()?,
        Some(folder) => {
            let files = Files::find(&CityArgs { config: Some(folder.join("config")), flows: Some(folder.join("flows")) })?;
            Some(Side::read(&files, files.read()?, files.describe(tongue.of_problems()), &date, args, tongue)?)
        }
    };
    plan::pressable(&args.shares(), &draft.choices, tongue)?;
    let begins = moment(&format!("{date} 00:00"), &draft.zone).ok_or_else(|| Stop::new(format!("{date} has no midnight")))?;
    let callers = callers(args, &draft, tongue)?;
    if callers.calls() > CALLS_MAX {
        return Err(words::too_many(callers.calls(), tongue));
    }
    if callers.calls() < 1.0 {
        return Err(words::nobody(tongue));
    }
    let sides: Vec<&Side> = std::iter::once(&draft).chain(&against).collect();
    let mut days = play(args, &sides, &callers, begins)?;
    let before = if against.is_some() { days.pop() } else { None };
    let days = days.pop().unwrap_or_default();
    let shown = words::Shown {
        args,
        date: &date,
        draft: &draft,
        against: against.as_ref(),
        callers: &callers,
        days: &days,
        before: before.as_deref(),
    };
    if args.json {
        return say(serde_json::to_string_pretty(&shown.json()).map_err(Stop::new)?);
    }
    say(shown.page(tongue).trim_end())
}

impl Side {
    fn read(files: &Files, sources: Vec<Source>, name: String, date: &str, args: &RehearseArgs, tongue: Tongue) -> Result<Side, Stop> {
        let draft = flow::read(sources.clone());
        let known = measured(&draft, files, &args.state.state)?;
        let mut checked = flow::check(&draft, &known);
        let Some(book) = checked.book.take() else {
            checked.problems.retain(|problem| problem.severity == Severity::Error);
            say(files.render(&checked.problems, &sources, tongue.of_problems(), std::io::stdout().is_terminal()))?;
            return Err(words::not_played(&name, tongue));
        };
        Side::of(&draft, &known, book, args.flow.as_deref(), name, date)
    }

    fn of(draft: &Draft, known: &Known, book: Book, flow: Option<&str>, name: String, date: &str) -> Result<Side, Stop> {
        let flow = chosen(&book, flow)?;
        let choices = flow::choices(draft, known, &flow).ok_or_else(|| Stop::new(format!("there is no flow {flow}")))?;
        let skills: BTreeSet<&Skill> = book.queues.values().filter_map(|queue| queue.needs.first()).map(|need| &need.skill).collect();
        let has = |skill: &Skill| book.agents.values().filter(|a| a.skills.contains_key(skill)).map(|a| a.id.clone()).collect();
        Ok(Side {
            name,
            city: rehearsed(&book, &known.lengths),
            flow,
            choices,
            zone: draft.calendar().clone(),
            skilled: skills.into_iter().map(|skill| (skill.clone(), has(skill))).collect(),
            shifts: shifts(draft, &book, date),
            queues: book.queues,
        })
    }
}

/// Who is there on the day: whoever is planned, or everybody all day where nobody has planned.
fn shifts(draft: &Draft, book: &Book, date: &str) -> Vec<(AgentId, Duration, Duration)> {
    let minutes = |minutes: u16| Duration::from_secs(u64::from(minutes) * 60);
    // Day 0, 1970-01-01, was a Thursday.
    let weekday = u16::try_from((parse_day(date).unwrap_or(0) + 3).rem_euclid(7)).unwrap_or(0);
    match draft.planned(weekday) {
        Some(planned) => planned.into_iter().map(|(agent, from, to)| (agent, minutes(from), minutes(to))).collect(),
        None => book.agents.keys().map(|agent| (agent.clone(), Duration::ZERO, LASTS)).collect(),
    }
}

/// The texts that are in force, if they are others than these, and what to call them.
fn in_force(args: &RehearseArgs, draft: &[Source]) -> Result<Option<(String, Vec<Source>)>, Stop> {
    let versions = Versions::open(&args.state.state)?;
    let Some(entry) = versions.last() else { return Ok(None) };
    let live = versions.sources(entry)?;
    let texts = |sources: &[Source]| sources.iter().map(|source| (source.path.clone(), source.text.clone())).collect::<BTreeMap<_, _>>();
    Ok((texts(&live) != texts(draft)).then(|| (format!("version {}", entry.number), live)))
}

/// The flow that is named, else the only one to which a number leads.
fn chosen(book: &Book, named: Option<&str>) -> Result<FlowName, Stop> {
    if let Some(name) = named {
        let found = book.flows.keys().find(|flow| flow.as_str() == name);
        return found.cloned().ok_or_else(|| Stop::new(format!("there is no flow {name}")));
    }
    let called: BTreeSet<&FlowName> = book.numbers.values().collect();
    match called.into_iter().collect::<Vec<_>>()[..] {
        [one] => Ok(one.clone()),
        [] => Err(Stop::new("no number leads to a flow: name one with --flow")),
        ref several => {
            let names: Vec<&str> = several.iter().map(|flow| flow.as_str()).collect();
            Err(Stop::new(format!("several flows have a number ({}): name one with --flow", names.join(", "))))
        }
    }
}

/// The day that the calendar shows.
fn date(args: &RehearseArgs, calendar: &flow::Calendar) -> Result<String, Stop> {
    match &args.on {
        Some(text) => parse_day(text).map(day_name).ok_or_else(|| Stop::new(format!("--on {text} is no day: write 2026-11-27"))),
        None => Ok(day_name(Zone::of(calendar).day(now()) + 1)),
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn callers(args: &RehearseArgs, draft: &Side, tongue: Tongue) -> Result<Callers, Stop> {
    let talk = args.talk.unwrap_or(Duration::from_secs(240));
    let wrap_ups: Vec<Duration> = draft.queues.values().map(|queue| queue.wrap_up).collect();
    let wrap_up = if wrap_ups.is_empty() { WRAP_UP } else { wrap_ups.iter().sum::<Duration>() / wrap_ups.len() as u32 };
    let quiet = || plan::quiet(&plan::headcount(&draft.shifts), talk + wrap_up);
    let (again, surges) = (30, 60);
    let mut callers = Callers { counts: [0.0; HALVES], shares: args.shares(), talk, patience: args.patience, again };
    match (&args.calls, args.like) {
        (Some(file), _) => {
            let rows = counts::read(file).map_err(|unread| crate::staff::unread(file, &unread, tongue))?;
            callers.counts = plan::of_file(&rows);
        }
        (None, Like::Quiet) => callers.counts = quiet(),
        (None, Like::Surge) => (callers.counts, callers.again) = (plan::surge(quiet()), surges),
        (None, Like::Yesterday) => yesterday(args, draft, &mut callers, tongue)?,
    }
    Ok(callers)
}

/// As it was yesterday: when people called, what they pressed, how long they talked. What the command line says counts more.
fn yesterday(args: &RehearseArgs, draft: &Side, callers: &mut Callers, tongue: Tongue) -> Result<(), Stop> {
    let zone = Zone::of(&draft.zone);
    let day = zone.day(now()) - 1;
    let midnight = moment(&format!("{} 00:00", day_name(day)), &draft.zone).unwrap_or_default();
    let (mut talks, mut pressed) = (Vec::new(), BTreeMap::<StepId, (f64, BTreeMap<Digit, f64>)>::new());
    // Whether all of yesterday was read, if the journal breaks off somewhere.
    let mut passed = false;
    let damage = walk(&args.state.state, &mut |wall, record| {
        passed |= zone.day(wall) > day;
        let Record::Ended(record) = record else { return };
        if zone.day(record.arrived) != day {
            return;
        }
        let half = (record.arrived.0 - midnight.0).div_euclid(HALF.as_millis() as i64);
        if let Some(count) = usize::try_from(half).ok().and_then(|half| callers.counts.get_mut(half)) {
            *count += 1.0;
        }
        talks.extend(record.talked.map(Duration::from));
        for step in &record.path {
            let (step, keys) = step.split_once('=').unwrap_or((step, ""));
            let (visits, keys_of) = pressed.entry(StepId::from(step)).or_default();
            *visits += 1.0;
            if let Some(key) = keys.chars().next().and_then(Digit::from_char) {
                *keys_of.entry(key).or_default() += 1.0;
            }
        }
    })?;
    if let Some(damage) = damage.filter(|_| !passed) {
        return Err(damage.into());
    }
    if callers.calls() < 1.0 {
        return Err(words::nobody_yesterday(&day_name(day), tongue));
    }
    if args.talk.is_none() && !talks.is_empty() {
        callers.talk = talks.iter().sum::<Duration>() / talks.len() as u32;
    }
    for (step, (visits, keys)) in pressed {
        let shares = keys.into_iter().map(|(key, times)| (key, times * 100.0 / visits)).collect();
        callers.shares.entry(step).or_insert(shares);
    }
    Ok(())
}

/// Plays every day of every side, as many at once as the machine has processors. By side, then by day.
fn play(args: &RehearseArgs, sides: &[&Side], callers: &Callers, begins: UnixMillis) -> Result<Vec<Vec<Day>>, Stop> {
    let jobs: Vec<(usize, u64)> = (0..args.days).flat_map(|day| (0..sides.len()).map(move |side| (side, day))).collect();
    let (next, bar) = (AtomicUsize::new(0), Mutex::new(Bar::new(jobs.len())));
    let done: Mutex<BTreeMap<(usize, u64), Result<Day, String>>> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((side, day)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let mut passed = Duration::ZERO;
                    let mut told = |until: Duration| {
                        if let Ok(mut bar) = bar.lock() {
                            bar.add(until.saturating_sub(passed));
                        }
                        passed = until;
                    };
                    let played = one_day(sides[side], callers, args.seed.wrapping_mul(1000).wrapping_add(day), begins, &mut told);
                    told(LASTS);
                    if let Ok(mut done) = done.lock() {
                        done.insert((side, day), played);
                    }
                }
            });
        }
    });
    if let Ok(mut bar) = bar.lock() {
        bar.clear();
    }
    let mut days = vec![Vec::new(); sides.len()];
    for ((side, _), day) in done.into_inner().unwrap_or_default() {
        days[side].push(day.map_err(Stop)?);
    }
    Ok(days)
}

fn one_day(side: &Side, callers: &Callers, seed: u64, begins: UnixMillis, told: &mut dyn FnMut(Duration)) -> Result<Day, String> {
    let visitors = plan::visitors(callers, &side.choices, seed);
    let plan = Plan { seed, begins, lasts: LASTS, visitors, shifts: side.shifts.clone() };
    let outcome = trial::day(&side.city, &side.flow, &plan, told);
    if let Some(fault) = outcome.violations.first() {
        return Err(format!("the rehearsal found a fault of the engine's own, which is none of yours; please report it: {fault}"));
    }
    let terms = Terms { queues: &side.queues, skilled: side.skilled.clone() };
    Ok(figures::count(&outcome, begins.0, LASTS, &terms))
}

/// How far it is, for whoever waits at a terminal.
struct Bar {
    jobs: usize,
    passed: Duration,
    shown: Option<Instant>,
}

impl Bar {
    fn new(jobs: usize) -> Bar {
        Bar { jobs, passed: Duration::ZERO, shown: None }
    }
    fn add(&mut self, more: Duration) {
        self.passed += more;
        if !std::io::stderr().is_terminal() || self.shown.is_some_and(|shown| shown.elapsed() < BLINK) {
            return;
        }
        self.shown = Some(Instant::now());
        let part = self.passed.as_secs_f64() / (LASTS.as_secs_f64() * self.jobs as f64);
        let full = (part * 40.0).round() as usize;
        let _ = write!(std::io::stderr(), "\r[{}{}] {:3.0} %", "#".repeat(full), ".".repeat(40usize.saturating_sub(full)), part * 100.0);
    }
    fn clear(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r{}\r", " ".repeat(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figures::Figure;

    /// The shipped city, each sentence as long as it is estimated; `change` decides who is there.
    fn side(change: impl FnOnce(&mut Vec<(AgentId, Duration, Duration)>)) -> Side {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = Files::find(&CityArgs { config: Some(root.join("config")), flows: Some(root.join("flows")) }).unwrap();
        let draft = flow::read(files.read().unwrap());
        let voices = flow::sentences(&draft).into_iter().map(|sentence| sentence.spoken.lang).collect();
        let known = Known { voices, ..Known::default() };
        let mut side =
            Side::of(&draft, &known, flow::check(&draft, &known).book.unwrap(), Some("city"), "the city".to_owned(), "2026-08-24").unwrap();
        change(&mut side.shifts);
        side
    }

    fn morning(calls: f64) -> Callers {
        let mut counts = [0.0; HALVES];
        (counts[20], counts[21]) = (calls / 2.0, calls / 2.0);
        let (talk, patience) = (Duration::from_secs(180), Duration::from_secs(120));
        Callers { counts, shares: plan::Shares::new(), talk, patience, again: 30 }
    }

    fn played(side: &Side, seed: u64) -> Day {
        let begins = moment("2026-08-24 00:00", &side.zone).unwrap();
        one_day(side, &morning(60.0), seed, begins, &mut |_| {}).unwrap()
    }

    #[test]
    fn the_same_seed_is_the_same_day_and_every_call_is_accounted_for() {
        let side = side(|_| {});
        let (day, again, other) = (played(&side, 1), played(&side, 1), played(&side, 2));
        assert_eq!(day.figures, again.figures);
        assert_ne!(day.figures, other.figures);
        let shares =
            [Figure::Answered, Figure::GaveUpWaiting, Figure::GaveUpInMenu, Figure::Announced, Figure::Booked, Figure::LeftMessage];
        let whole: f64 = shares.iter().map(|figure| day.figures[figure]).sum();
        // A callback's attempts are calls of their own, which may reach nobody.
        assert!((0.95..=1.0 + 1e-9).contains(&whole), "{whole} {:?}", day.figures);
        assert!((30.0..=130.0).contains(&day.figures[&Figure::Calls]), "{:?}", day.figures);
    }

    #[test]
    fn with_a_third_of_the_staff_more_give_up_and_those_who_stay_have_more_to_do() {
        let (all, few) = (side(|_| {}), side(|shifts| shifts.retain(|(agent, ..)| agent.as_str() == "yuki")));
        let days = |side: &Side| (1..=3).map(|seed| played(side, seed)).collect::<Vec<_>>();
        let (all, few) = (days(&all), days(&few));
        let more = |figure: &Figure| figures::difference(&few, &all, figure).unwrap().mean;
        assert!(more(&Figure::Answered) < -0.2, "{}", more(&Figure::Answered));
        let nurse = Figure::Load(Skill::from("nurse"));
        assert!(more(&nurse) > 0.0, "{}", more(&nurse));
        let load = |day: &Day, half: usize| day.halves[half].load[&Skill::from("nurse")].unwrap();
        assert!(few.iter().all(|day| load(day, 21) > load(day, 17)), "nobody calls before nine");
    }
}
