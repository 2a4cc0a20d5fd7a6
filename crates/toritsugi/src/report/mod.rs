//! `toritsugi report`: what a day was like for the people who called, from the journal.

#[cfg(test)]
mod days;
mod figures;
#[cfg(test)]
mod lived;
mod words;

use crate::explain::{Tongue, walk};
use crate::words::{Stop, say};
use crate::zone::{Town, day_name, parse_day};
use crate::{CityArgs, StateArgs};
use clap::Args;
use figures::{Count, Terms};
use model::{Millis, UnixMillis};
use std::time::SystemTime;

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// One day, as 2026-11-25, today or yesterday [default: today]
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "to"])]
    day: Option<String>,
    /// First day [default: the last day]
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day, included [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// T of the service levels, as 20s or 1m [default: what each queue promises in queues.yaml, else 20s]
    #[arg(long, value_name = "TIME")]
    within: Option<String>,
    /// Language: en or ja [default: the terminal's, else en]
    #[arg(long, value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// One JSON object; times in milliseconds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi report`.
pub(crate) fn run(args: &ReportArgs) -> Result<(), Stop> {
    let town = Town::find(&args.city)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let today = town.zone.day(UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
    let terms = Terms {
        days: days(args, today)?,
        within: args.within.as_deref().map(length).transpose()?,
        promises: town.queues.values().map(|queue| (queue.id.clone(), Millis::from(queue.service_level.answered_within))).collect(),
        zone: town.zone.clone(),
    };
    let mut count = Count::new(terms.clone());
    let damage = walk(&args.state.state, &mut |wall, record| count.see(wall, record))?;
    let report = count.finish(damage.as_ref().map(|damage| damage.at.clone()));
    if args.json {
        let promises = |queue| (queue, terms.within(queue));
        let whole = serde_json::json!({
            "from": day_name(terms.days.0),
            "to": day_name(terms.days.1),
            "zone": terms.zone.name().unwrap_or("UTC"),
            "within_ms": report.queues.keys().map(promises).collect::<std::collections::BTreeMap<_, _>>(),
            "damaged_at": report.damaged_at,
            "report": report,
        });
        say(serde_json::to_string_pretty(&whole).map_err(Stop::new)?)?;
    } else {
        say(words::page(&report, &terms, &town, Tongue::of(args.lang.as_deref())).trim_end())?;
    }
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// The days that are asked for.
fn days(args: &ReportArgs, today: i64) -> Result<(i64, i64), Stop> {
    let day = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) if text == "today" => Ok(Some(today)),
        Some(text) if text == "yesterday" => Ok(Some(today - 1)),
        Some(text) => {
            let hint = || Stop::new(format!("{text} is no day: write {} or today, which it is in the city", day_name(today)));
            parse_day(text).map(Some).ok_or_else(hint)
        }
    };
    let to = day(&args.day)?.or(day(&args.to)?).unwrap_or(today);
    let from = day(&args.from)?.unwrap_or(to);
    if from > to {
        return Err(Stop::new(format!("{} is after {}: nothing lies between them", day_name(from), day_name(to))));
    }
    Ok((from, to))
}

/// `20s`, `1m`, or seconds.
fn length(text: &str) -> Result<Millis, Stop> {
    let (figures, unit) = match text.strip_suffix('m') {
        Some(figures) => (figures, 60_000),
        None => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    let millis = figures.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|millis| *millis <= 86_400_000);
    millis.map(Millis).ok_or_else(|| Stop::new(format!("{text} is no time to answer within: write 20s or 1m")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;

    #[test]
    fn today_is_the_citys_and_a_slip_of_the_pen_is_told_it() {
        let asked = |day: &str| {
            let args = ReportArgs {
                day: Some(day.to_owned()),
                from: None,
                to: None,
                within: None,
                lang: None,
                json: false,
                city: CityArgs::default(),
                state: StateArgs { state: "nowhere".into() },
            };
            // Seven in the morning in Kawasaki is still the day before in UTC.
            days(&args, Zone::tokyo().day(UnixMillis(1_795_557_600_000))).map(|(from, to)| (day_name(from), day_name(to)))
        };
        let one = |day: &str| (day.to_owned(), day.to_owned());
        assert_eq!(asked("today").unwrap(), one("2026-11-25"));
        assert_eq!(asked("yesterday").unwrap(), one("2026-11-24"));
        let Stop(hint) = asked("25.11.").unwrap_err();
        assert!(hint.contains("write 2026-11-25"), "{hint}");
    }

    #[test]
    fn a_time_to_answer_within_is_seconds_or_minutes() {
        assert_eq!(["20s", "1m", "90", "0s"].map(|t| length(t).unwrap()), [20_000, 60_000, 90_000, 0].map(Millis));
        for nonsense in ["", "s", "-1s", "2h", "1.5m", "99999999999999999999", "2000m"] {
            assert!(length(nonsense).is_err(), "{nonsense}");
        }
    }
}
