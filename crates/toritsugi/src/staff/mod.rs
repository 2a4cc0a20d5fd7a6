//! `toritsugi staff`: how many agents each half hour needs, and what one more or one fewer would change.
//!
//! Exact Erlang A ([`sim::erlang`]) for each half hour by itself, as if it went on for ever: right where calls are short against half an hour
//! and counts do not leap from one half hour to the next.

pub(crate) mod counts;
mod words;

use crate::explain::Tongue;
use crate::words::{Stop, say};
use clap::Args;
use counts::HalfHour;
use sim::erlang::{Steady, Team};
use std::path::PathBuf;
use std::time::Duration;
pub(crate) use words::unread;

/// Erlangs in a half hour, which is agents who talk without a pause, beyond which no centre goes; an answer takes as many steps.
const LOAD_MAX: f64 = 10_000.0;
/// Agents beyond which none is looked for: with twice the load hardly a caller in 10^300 waits.
const AGENTS_MAX: u32 = 32_768;
const HALF_HOURS_PER_HOUR: f64 = 2.0;
/// What the second column of a group tells if no promise names a time.
const SHORT: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct StaffArgs {
    /// Calls of each half hour, a CSV file: the line `time,calls` or `時刻,件数`, then lines such as `08:30,42` (an average such as 42.5 will do;
    /// semicolons, tabs and a first line `sep=;` too)
    #[arg(long, value_name = "FILE")]
    calls: PathBuf,
    /// Share of callers to be answered, such as 90%
    #[arg(long, value_name = "PERCENT", default_value = "90%", value_parser = share)]
    answered: f64,
    /// Within this time, such as 20s; without it, at all
    #[arg(long, value_name = "TIME", value_parser = length)]
    within: Option<Duration>,
    /// Mean time that an agent needs for a call, after-call work included
    #[arg(long, value_name = "TIME", default_value = "6m", value_parser = length)]
    aht: Duration,
    /// Mean time after which a waiting caller gives up
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = length)]
    patience: Duration,
    /// Share of their paid time in which agents are away: breaks, training, illness
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = shrinkage)]
    shrinkage: f64,
    /// Language: en or ja [default: the terminal's, else en]
    #[arg(long, value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What one half hour needs.
#[derive(Clone, Debug)]
struct Plan {
    row: HalfHour,
    agents: u32,
    /// With those who are away.
    rostered: u32,
    these: Option<Outlook>,
    fewer: Option<Outlook>,
    more: Option<Outlook>,
}

/// What a number of agents comes to.
#[derive(Clone, Copy, Debug)]
struct Outlook {
    agents: u32,
    answered: f64,
    within: f64,
    mean_wait_secs: f64,
    occupancy: f64,
}

pub(crate) fn run(args: &StaffArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let rows = counts::read(&args.calls).map_err(|unread| words::unread(&args.calls, &unread, tongue))?;
    let plans = plans(args, &rows, tongue)?;
    if !args.json {
        return say(words::page(args, &plans, tongue));
    }
    plans.iter().try_for_each(|plan| say(as_json(args, plan)))
}

/// The plan of each half hour.
///
/// # Errors
/// The first half hour that is more than can be reckoned with, before anything is.
fn plans(args: &StaffArgs, rows: &[HalfHour], tongue: Tongue) -> Result<Vec<Plan>, Stop> {
    for row in rows {
        let load = team(args, row.calls, 0).load();
        if load > LOAD_MAX {
            return Err(words::too_much(args, row, load, tongue));
        }
    }
    rows.iter().map(|row| plan(args, row).ok_or_else(|| words::too_good(args, row, tongue))).collect()
}

fn plan(args: &StaffArgs, row: &HalfHour) -> Option<Plan> {
    let agents = agents_for(args, row.calls)?;
    Some(Plan {
        row: row.clone(),
        agents,
        rostered: rostered(agents, args.shrinkage),
        these: outlook(args, row.calls, agents),
        fewer: agents.checked_sub(1).and_then(|fewer| outlook(args, row.calls, fewer)),
        more: outlook(args, row.calls, agents + 1),
    })
}

impl StaffArgs {
    fn within(&self) -> Duration {
        self.within.unwrap_or(SHORT)
    }
}

/// The least number of agents that keeps the promise: 0 where nobody calls, `None` where it would be more than [`AGENTS_MAX`].
fn agents_for(args: &StaffArgs, calls: f64) -> Option<u32> {
    if calls <= 0.0 {
        return Some(0);
    }
    // Agents can answer at most their own number of erlangs, so fewer than this cannot do.
    let least = (team(args, calls, 0).load() * args.answered).floor().max(1.0) as u32;
    let enough = |agents: u32| steady(args, calls, agents).is_some_and(|s| promised(args, &s) >= args.answered);
    // One agent more never answers less: twice as many until it is enough, then halves.
    let (mut few, mut many) = (least - 1, least);
    while !enough(many) {
        few = many;
        many = many.saturating_mul(2);
        if many > AGENTS_MAX {
            return None;
        }
    }
    while many - few > 1 {
        let middle = few + (many - few) / 2;
        if enough(middle) {
            many = middle;
        } else {
            few = middle;
        }
    }
    Some(many)
}

/// The share that the promise is about.
fn promised(args: &StaffArgs, steady: &Steady) -> f64 {
    args.within.map_or(1.0 - steady.abandoned, |within| steady.answered_within(within.as_secs_f64()))
}

/// People on the roster, so that so many are there.
fn rostered(agents: u32, shrinkage: f64) -> u32 {
    // A hair less, so that 7 / 0.7 is 10 and not 11.
    (f64::from(agents) / (1.0 - shrinkage) - 1e-9).ceil().max(0.0) as u32
}

fn team(args: &StaffArgs, calls: f64, agents: u32) -> Team {
    Team {
        calls_per_hour: calls * HALF_HOURS_PER_HOUR,
        handling_secs: args.aht.as_secs_f64(),
        patience_secs: args.patience.as_secs_f64(),
        agents,
    }
}

fn steady(args: &StaffArgs, calls: f64, agents: u32) -> Option<Steady> {
    team(args, calls, agents).steady()
}

fn outlook(args: &StaffArgs, calls: f64, agents: u32) -> Option<Outlook> {
    let steady = steady(args, calls, agents)?;
    Some(Outlook {
        agents,
        answered: 1.0 - steady.abandoned,
        within: steady.answered_within(args.within().as_secs_f64()),
        mean_wait_secs: steady.mean_wait_secs,
        occupancy: steady.occupancy,
    })
}

fn as_json(args: &StaffArgs, plan: &Plan) -> serde_json::Value {
    let outlook = |o: Option<Outlook>| {
        o.map(|o| {
            serde_json::json!({
                "agents": o.agents,
                "answered": rounded(o.answered),
                "answered_within": rounded(o.within),
                "mean_wait_secs": rounded(o.mean_wait_secs),
                "occupancy": rounded(o.occupancy),
            })
        })
    };
    serde_json::json!({
        "time": plan.row.time,
        "calls": plan.row.calls,
        "agents": plan.agents,
        "rostered": plan.rostered,
        "within_secs": args.within().as_secs_f64(),
        "these": outlook(plan.these),
        "one_fewer": outlook(plan.fewer),
        "one_more": outlook(plan.more),
    })
}

/// To six places: more would not be believed.
fn rounded(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
}

/// Reads `90%` as 0.9.
fn share(text: &str) -> Result<f64, String> {
    let percent = percentage(text)?;
    if percent > 0.0 && percent <= 1.0 && !text.trim().ends_with('%') {
        Err(format!("is it {}%? Write it with the percent sign", percent * 100.0))
    } else if percent > 0.0 && percent < 100.0 {
        Ok(percent / 100.0)
    } else {
        Err("a share above 0% and below 100%; nobody can promise 100%".to_owned())
    }
}

fn shrinkage(text: &str) -> Result<f64, String> {
    let percent = percentage(text)?;
    if (0.0..=90.0).contains(&percent) { Ok(percent / 100.0) } else { Err("a share from 0% to 90%".to_owned()) }
}

fn percentage(text: &str) -> Result<f64, String> {
    let figures = text.trim().strip_suffix('%').unwrap_or(text).trim_end();
    figures.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("write it as 90%, not {text}"))
}

/// Reads `20s`, `6m`, `1m30s`, `2h`.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("write it as 20s, 6m or 1m30s, not {text}");
    let (mut secs, mut rest) = (0.0, text.trim());
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let (figures, unit_and_rest) = rest.split_at(end);
        let n: f64 = figures.parse().map_err(|_| wrong())?;
        let unit = unit_and_rest.chars().next().ok_or_else(wrong)?;
        secs += n * match unit {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => return Err(wrong()),
        };
        rest = &unit_and_rest[unit.len_utf8()..];
    }
    if secs > 0.0 && secs <= 86_400.0 { Ok(Duration::from_secs_f64(secs)) } else { Err(format!("{text} is not above 0 and at most a day")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::golden;
    use std::path::Path;

    const EXAMPLE: &str = include_str!("../../../../deploy/examples/counts.csv");

    fn args(answered: f64, within: Option<u64>) -> StaffArgs {
        StaffArgs {
            calls: PathBuf::new(),
            answered,
            within: within.map(Duration::from_secs),
            aht: Duration::from_secs(360),
            patience: Duration::from_secs(120),
            shrinkage: 0.0,
            lang: None,
            json: false,
        }
    }

    #[test]
    fn nine_of_ten_answered_needs_as_many_as_the_reference_says() {
        let agents = [20.0, 60.0, 120.0, 240.0, 480.0].map(|per_hour| agents_for(&args(0.9, None), per_hour / 2.0).unwrap());
        assert_eq!(agents, [4, 8, 14, 25, 46]);
    }

    #[test]
    fn one_fewer_would_break_the_promise() {
        for (args, calls) in [(args(0.9, None), 33.0), (args(0.8, Some(20)), 33.0), (args(0.95, Some(10)), 210.5)] {
            let agents = agents_for(&args, calls).unwrap();
            assert!(promised(&args, &steady(&args, calls, agents).unwrap()) >= args.answered);
            assert!(promised(&args, &steady(&args, calls, agents - 1).unwrap()) < args.answered);
        }
        assert_eq!(agents_for(&args(0.9, None), 0.0), Some(0), "nobody calls, nobody need be there");
        assert_eq!(agents_for(&args(0.9, None), 0.01), Some(1));
    }

    #[test]
    fn who_is_away_is_made_up_for_on_the_roster() {
        assert_eq!((rostered(7, 0.3), rostered(7, 0.0), rostered(8, 0.3), rostered(0, 0.3)), (10, 7, 12, 0));
    }

    /// The page that people get, in both languages and as JSON, as the files say.
    fn told(name: &str, args: &StaffArgs, text: &str) {
        let rows = counts::parse(text).expect("the example has no mistakes");
        let plans = plans(args, &rows, Tongue::English).unwrap();
        golden(&format!("{name}.en.txt"), &(words::page(args, &plans, Tongue::English) + "\n"));
        golden(&format!("{name}.ja.txt"), &(words::page(args, &plans, Tongue::Japanese) + "\n"));
        golden(&format!("{name}.json"), &plans.iter().map(|plan| as_json(args, plan).to_string() + "\n").collect::<String>());
    }

    #[test]
    fn the_example_is_read_and_each_half_hour_is_staffed() {
        told("staff", &args(0.9, None), EXAMPLE);
        told("staff_roster", &StaffArgs { shrinkage: 0.3, ..args(0.8, Some(20)) }, "時刻,件数\n8:00,0\n8:30,42.5\n9:00,\"1,234\"\n");
    }

    #[test]
    fn a_day_without_calls_needs_nobody() {
        told("staff_empty", &args(0.9, None), "time,calls\n08:00,0\n08:30,0\n");
    }

    #[test]
    fn mistakes_are_told_in_both_languages() {
        let text = "time,calls\n08:30,forty\n08:45,4\n09:00\n09:30,-1\n09:30,7\n10:00,1,234\n10:30,1.234\n11:00,\u{1b}[2J\n\"11:30,4\n";
        let unread = |text: &str| counts::Unread::Mistakes(counts::parse(text).unwrap_err());
        let unread = [
            unread(text),
            unread("sep=a\n8:00;4"),
            unread(""),
            unread("8:00,4\n"),
            unread("time,calls\n"),
            counts::Unread::NotUtf8,
            counts::Unread::TooLarge,
        ];
        for (tongue, file) in [(Tongue::English, "staff_mistakes.en.txt"), (Tongue::Japanese, "staff_mistakes.ja.txt")] {
            let Stop(load) =
                plans(&StaffArgs { calls: PathBuf::from("counts.csv"), ..args(0.9, None) }, &[row(100_000.0)], tongue).unwrap_err();
            let said = unread.iter().map(|unread| words::unread(Path::new("counts.csv"), unread, tongue).0).chain([load]);
            golden(file, &said.map(|sentence| sentence + "\n").collect::<String>());
        }
    }

    fn row(calls: f64) -> HalfHour {
        HalfHour { line: 7, time: "09:00".to_owned(), calls }
    }

    #[test]
    fn a_load_that_no_centre_stands_is_refused_with_its_row() {
        let all_day = StaffArgs { aht: Duration::from_secs(86_400), calls: PathBuf::from("counts.csv"), ..args(0.999_999_9, None) };
        let Stop(why) = plans(&all_day, &[row(1.0), row(100_000.0)], Tongue::English).unwrap_err();
        assert!(why.starts_with("counts.csv:7: 100000 calls from 09:00 on, 1440 min each") && why.contains("--aht"), "{why}");
        // The most that is taken, and the longest patience: every half hour of the day in a moment.
        let hardest = StaffArgs { aht: Duration::from_secs(180), patience: Duration::from_secs(86_400), ..args(0.999_999_9, Some(1)) };
        let plan = plan(&hardest, &row(100_000.0)).unwrap();
        assert!((10_000..AGENTS_MAX).contains(&plan.agents), "{plan:?}");
        assert!(plan.these.unwrap().within >= 0.999_999_9 && plan.fewer.unwrap().within < 0.999_999_9, "{plan:?}");
        // Calls of a second that nearly nobody need take, and nobody gives up: millions would wait.
        let short = StaffArgs { aht: Duration::from_millis(100), patience: Duration::from_secs(86_400), ..args(0.000_1, None) };
        let plan = super::plan(&short, &row(100_000.0)).unwrap();
        assert!((plan.these.unwrap().answered - 0.18).abs() < 0.000_1, "one of 5.56 erlangs: {plan:?}");
    }

    #[test]
    fn callers_who_hardly_ever_give_up_are_not_answered_less_than_never() {
        let patient = StaffArgs { patience: Duration::from_secs(86_400), ..args(0.9, None) };
        for calls in [1.0, 40.0, 210.0, 3000.0] {
            for agents in 1..600 {
                let o = outlook(&patient, calls, agents).unwrap();
                let shares = [o.answered, o.within, o.occupancy];
                assert!(shares.iter().all(|share| (0.0..=1.0).contains(share) && share.is_sign_positive()), "{agents} for {calls}: {o:?}");
            }
        }
    }

    #[test]
    fn times_and_shares_are_read_as_people_write_them() {
        assert_eq!(
            (length("20s"), length("1m30s"), length("1h")),
            (Ok(Duration::from_secs(20)), Ok(Duration::from_secs(90)), Ok(Duration::from_secs(3600)))
        );
        for wrong in ["20", "s", "", "0s", "2d", "-3s", "99h"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
        assert_eq!((share("90%"), share("87.5")), (Ok(0.9), Ok(0.875)));
        for wrong in ["100%", "0%", "many", "inf"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!((shrinkage("30%"), shrinkage("0%")), (Ok(0.3), Ok(0.0)));
        assert!(shrinkage("100%").is_err());
    }
}
