//! `toritsugi staff`: how many agents each half hour needs, and what one more or one fewer would change.
//!
//! Exact Erlang A ([`sim::erlang`]) for each half hour by itself, as if it went on for ever: right where calls are short against half an hour
//! and counts do not leap from one half hour to the next.

use crate::words::{Stop, clock, say};
use clap::Args;
use sim::erlang::{Steady, Team};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file of a day has 49 lines; this one is something else.
const FILE_MAX: u64 = 1 << 20;
/// Calls in half an hour beyond which a figure is a slip of the pen.
const CALLS_MAX: f64 = 100_000.0;
/// As many mistakes as are shown at once.
const MISTAKES_MAX: usize = 20;
/// Agents beyond which no roster goes.
const AGENTS_MAX: u32 = 1 << 20;
const HALF_HOURS_PER_HOUR: f64 = 2.0;

#[derive(Args)]
pub(crate) struct StaffArgs {
    /// Calls of each half hour, a CSV file: the line `time,calls`, then lines such as `08:30,42` (an average such as 42.5 will do)
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
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// One half hour of the file.
#[derive(Clone, Debug, PartialEq)]
struct HalfHour {
    time: String,
    calls: f64,
}

/// What a number of agents comes to.
#[derive(Clone, Copy, Debug)]
struct Outlook {
    answered: f64,
    within: f64,
    mean_wait_secs: f64,
    occupancy: f64,
}

pub(crate) fn run(args: &StaffArgs) -> Result<(), Stop> {
    let rows = read(&args.calls)?;
    let within = args.within.unwrap_or(Duration::from_secs(20));
    if !args.json {
        say(header(args, within))?;
    }
    let (mut agent_hours, mut most) = (0.0, (0, ""));
    for row in &rows {
        let agents = agents_for(args, row.calls);
        let rostered = rostered(agents, args.shrinkage);
        agent_hours += f64::from(rostered) / HALF_HOURS_PER_HOUR;
        if agents > most.0 {
            most = (agents, row.time.as_str());
        }
        if args.json {
            say(as_json(args, row, agents, rostered))?;
        } else {
            say(as_line(args, row, agents, rostered, within))?;
        }
    }
    if args.json {
        return Ok(());
    }
    say(format_args!("\n{agent_hours} agent hours; most at {}: {} agents.", most.1, most.0))?;
    say("Each half hour stands for itself. An agent who is missing that day makes it the column \"one fewer\".")
}

/// The least number of agents that keeps the promise. 0 where nobody calls.
fn agents_for(args: &StaffArgs, calls: f64) -> u32 {
    if calls <= 0.0 {
        return 0;
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
            return u32::MAX;
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
    many
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

fn outlook(args: &StaffArgs, calls: f64, agents: u32, within: Duration) -> Option<Outlook> {
    let steady = steady(args, calls, agents)?;
    Some(Outlook {
        answered: 1.0 - steady.abandoned,
        within: steady.answered_within(within.as_secs_f64()),
        mean_wait_secs: steady.mean_wait_secs,
        occupancy: steady.occupancy,
    })
}

fn header(args: &StaffArgs, within: Duration) -> String {
    let promise = args.within.map_or_else(|| "in the end".to_owned(), |_| format!("within {}", spoken(within)));
    let mut text = format!(
        "Agents for {}% of callers answered {promise}; a call takes {}, a caller waits {} (Erlang A).\n\n",
        rounded(args.answered * 100.0),
        spoken(args.aht),
        spoken(args.patience)
    );
    let _ = writeln!(text, "{:>29}  {:<28}  {:<21}  {:<21}", "", "with these agents", "one fewer", "one more");
    let short = format!("in {}", spoken(within));
    let roster = if args.shrinkage > 0.0 { "roster" } else { "" };
    let _ = write!(
        text,
        "{:<5}  {:>7}  {:>6} {roster:>6}  {:>8} {short:>7} {:>5} {:>5}  {:>8} {short:>7} {:>5} {:>8} {short:>7} {:>5}",
        "time", "calls", "agents", "answered", "wait", "busy", "answered", "wait", "answered", "wait"
    );
    text
}

fn as_line(args: &StaffArgs, row: &HalfHour, agents: u32, rostered: u32, within: Duration) -> String {
    let roster = if args.shrinkage > 0.0 { rostered.to_string() } else { String::new() };
    let three = |o: Option<Outlook>| {
        o.map_or_else(
            || format!("{:>8} {:>7} {:>5}", "-", "-", "-"),
            |o| {
                let wait = clock(Duration::from_secs_f64(o.mean_wait_secs.round()));
                format!("{:>7.1}% {:>6.1}% {wait:>5}", o.answered * 100.0, o.within * 100.0)
            },
        )
    };
    let here = outlook(args, row.calls, agents, within);
    let fewer = agents.checked_sub(1).and_then(|fewer| outlook(args, row.calls, fewer, within));
    let more = outlook(args, row.calls, agents.saturating_add(1), within);
    let busy = here.map_or_else(|| "-".to_owned(), |o| format!("{:.0}%", o.occupancy * 100.0));
    let calls = (row.calls * 10.0).round() / 10.0;
    format!("{:<5}  {calls:>7}  {agents:>6} {roster:>6}  {} {busy:>5}  {} {}", row.time, three(here), three(fewer), three(more))
}

fn as_json(args: &StaffArgs, row: &HalfHour, agents: u32, rostered: u32) -> serde_json::Value {
    let within = args.within.unwrap_or(Duration::from_secs(20));
    let outlook = |agents: Option<u32>| {
        let agents = agents?;
        let o = outlook(args, row.calls, agents, within)?;
        Some(serde_json::json!({
            "agents": agents,
            "answered": rounded(o.answered),
            "answered_within": rounded(o.within),
            "mean_wait_secs": rounded(o.mean_wait_secs),
            "occupancy": rounded(o.occupancy),
        }))
    };
    serde_json::json!({
        "time": row.time,
        "calls": row.calls,
        "agents": agents,
        "rostered": rostered,
        "within_secs": within.as_secs_f64(),
        "these": outlook(Some(agents)),
        "one_fewer": outlook(agents.checked_sub(1)),
        "one_more": outlook(Some(agents.saturating_add(1))),
    })
}

/// To six places: more would not be believed.
fn rounded(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
}

/// `20 s`, `6 min`.
fn spoken(d: Duration) -> String {
    let secs = d.as_secs_f64();
    if secs >= 60.0 && secs % 60.0 == 0.0 { format!("{} min", secs / 60.0) } else { format!("{secs} s") }
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
fn length(text: &str) -> Result<Duration, String> {
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

fn read(path: &Path) -> Result<Vec<HalfHour>, Stop> {
    let unreadable = |fault: std::io::Error| Stop::new(format!("{} cannot be read: {fault}", path.display()));
    // Not by its declared length: a device has none, and no end.
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Stop::new(format!("{} is larger than 1 MB: a day of half hours has 48 lines", path.display())));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        Stop::new(format!("{} is not written in UTF-8: in Excel, save it as \"CSV UTF-8 (comma delimited)\"", path.display()))
    })?;
    parse(&text).map_err(|mistakes| {
        let more = mistakes.len().saturating_sub(MISTAKES_MAX);
        let mut lines: Vec<String> = mistakes.iter().take(MISTAKES_MAX).map(|m| format!("{}:{m}", path.display())).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Stop::new(lines.join("\n           "))
    })
}

/// The half hours of a file, or every mistake as `line:column: sentence`.
fn parse(text: &str) -> Result<Vec<HalfHour>, Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut mistakes): (Vec<HalfHour>, Vec<String>) = (Vec::new(), Vec::new());
    let mut headed = false;
    let mut last: Option<u32> = None;
    for (number, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if !headed {
            headed = true;
            let columns: Vec<&str> = line.split(',').map(str::trim).collect();
            if columns != ["time", "calls"] {
                mistakes.push(format!("{number}:1: the first line names the columns: write `time,calls`"));
            }
            continue;
        }
        let Some((time, calls)) = line.split_once(',') else {
            mistakes.push(format!("{number}:{}: there is no number of calls: write `{},42`", line.chars().count() + 1, line.trim()));
            continue;
        };
        let second = time.chars().count() + 2;
        match half_hour(time.trim()) {
            Some(minute) if last.is_some_and(|last| minute <= last) => {
                mistakes
                    .push(format!("{number}:1: {} comes after a later or the same time: one line per half hour, in order", time.trim()));
            }
            Some(minute) => last = Some(minute),
            None => mistakes.push(format!("{number}:1: `{}` is no half hour: write 08:00 or 08:30", time.trim())),
        }
        match calls.trim().parse::<f64>() {
            Ok(n) if (0.0..=CALLS_MAX).contains(&n) => rows.push(HalfHour { time: time.trim().to_owned(), calls: n }),
            Ok(n) => {
                mistakes.push(format!("{number}:{second}: {n} calls in half an hour is not from 0 to {CALLS_MAX}: is it the day's sum?"))
            }
            Err(_) => {
                mistakes.push(format!("{number}:{second}: `{}` is no number of calls: write 42, or 42.5 for an average", calls.trim()))
            }
        }
    }
    if !headed {
        mistakes.push("1:1: there is nothing in it: write `time,calls`, then lines such as `08:30,42`".to_owned());
    } else if rows.is_empty() && mistakes.is_empty() {
        mistakes.push("2:1: no half hour follows: write lines such as `08:30,42`".to_owned());
    }
    if mistakes.is_empty() { Ok(rows) } else { Err(mistakes) }
}

/// Minutes since midnight of `08:30`.
fn half_hour(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    let hour: u32 = hours.parse().ok().filter(|h| *h < 24 && hours.len() <= 2 && digits(hours))?;
    matches!(minutes, "00" | "30").then(|| hour * 60 + if minutes == "30" { 30 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/examples/counts.csv");

    fn args(answered: f64, within: Option<u64>) -> StaffArgs {
        StaffArgs {
            calls: PathBuf::new(),
            answered,
            within: within.map(Duration::from_secs),
            aht: Duration::from_secs(360),
            patience: Duration::from_secs(120),
            shrinkage: 0.0,
            json: false,
        }
    }

    #[test]
    fn nine_of_ten_answered_needs_as_many_as_the_reference_says() {
        let agents = [20.0, 60.0, 120.0, 240.0, 480.0].map(|per_hour| agents_for(&args(0.9, None), per_hour / 2.0));
        assert_eq!(agents, [4, 8, 14, 25, 46]);
    }

    #[test]
    fn one_fewer_would_break_the_promise() {
        for (args, calls) in [(args(0.9, None), 33.0), (args(0.8, Some(20)), 33.0), (args(0.95, Some(10)), 210.5)] {
            let agents = agents_for(&args, calls);
            assert!(promised(&args, &steady(&args, calls, agents).unwrap()) >= args.answered);
            assert!(promised(&args, &steady(&args, calls, agents - 1).unwrap()) < args.answered);
        }
        assert_eq!(agents_for(&args(0.9, None), 0.0), 0, "nobody calls, nobody need be there");
        assert_eq!(agents_for(&args(0.9, None), 0.01), 1);
    }

    #[test]
    fn who_is_away_is_made_up_for_on_the_roster() {
        assert_eq!((rostered(7, 0.3), rostered(7, 0.0), rostered(8, 0.3), rostered(0, 0.3)), (10, 7, 12, 0));
    }

    #[test]
    fn the_example_is_read_and_each_half_hour_is_staffed() {
        let rows = parse(EXAMPLE).expect("the example has no mistakes");
        assert!(rows.len() >= 20);
        let line = as_line(&args(0.9, None), &rows[0], 5, 5, Duration::from_secs(20));
        assert!(line.starts_with(&rows[0].time), "{line}");
        let json = as_json(&args(0.9, None), &rows[0], 5, 5);
        assert!(json["one_fewer"]["answered"].as_f64() < json["these"]["answered"].as_f64(), "{json}");
        assert!(json["these"]["mean_wait_secs"].as_f64() > json["one_more"]["mean_wait_secs"].as_f64(), "{json}");
    }

    #[test]
    fn every_mistake_is_shown_at_its_place() {
        let text = "time,calls\r\n08:30,forty\n08:45,4\n# lunch\n09:00\n09:30,-1\n09:30,7\n";
        assert_eq!(
            parse(text).unwrap_err(),
            [
                "2:7: `forty` is no number of calls: write 42, or 42.5 for an average",
                "3:1: `08:45` is no half hour: write 08:00 or 08:30",
                "5:6: there is no number of calls: write `09:00,42`",
                "6:7: -1 calls in half an hour is not from 0 to 100000: is it the day's sum?",
                "7:1: 09:30 comes after a later or the same time: one line per half hour, in order",
            ]
        );
        assert_eq!(parse("08:30,4\n").unwrap_err(), ["1:1: the first line names the columns: write `time,calls`"]);
        assert_eq!(parse("").unwrap_err(), ["1:1: there is nothing in it: write `time,calls`, then lines such as `08:30,42`"]);
        assert_eq!(parse("time,calls\n").unwrap_err(), ["2:1: no half hour follows: write lines such as `08:30,42`"]);
        assert!(parse("time,calls\n08:30,nan\n").is_err());
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
