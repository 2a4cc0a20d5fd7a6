//! Until when something holds that is set by hand: `17:00`, `2026-11-27 09:00`, `2h`.
//!
//! In the city's time zone. A time of day is the next one that comes: at six in the evening, `17:00` is tomorrow's.

use crate::calendar::Calendar;
use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp};
use model::{OVERRIDE_LASTS_MAX, UnixMillis};
use std::fmt;

/// Minutes of the longest duration that can be written.
const MINUTES_MAX: i64 = (OVERRIDE_LASTS_MAX.0 / 60_000) as i64;

/// Why a text is no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEnd {
    /// It is written otherwise than ends are.
    Unreadable,
    /// It names a day, and no time of it.
    DayOnly,
    /// It lasts longer than anything may that is set by hand.
    TooLong,
    /// That moment is over.
    Past,
    /// The clocks are changed in that hour, and skip this time.
    Skipped,
}

impl fmt::Display for NoEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoEnd::Unreadable => "is no time: write 17:00, \"2026-11-27 09:00\", 90m, 2h or 3d",
            NoEnd::DayOnly => "names a day without a time: write \"2026-11-27 09:00\", or \"2026-11-27 24:00\" for the whole day",
            NoEnd::TooLong => "is too long: nothing is set by hand for more than 31 days, what lasts longer belongs into the city's files",
            NoEnd::Past => "is over already: write a moment that is still to come",
            NoEnd::Skipped => "does not exist on that day, the clocks are changed: write another time",
        })
    }
}

/// The moment that a text names, seen from `wall`.
///
/// # Errors
/// When it names none, or none that is still to come.
pub fn until(text: &str, calendar: &Calendar, wall: UnixMillis) -> Result<UnixMillis, NoEnd> {
    // As an input method writes them that was left on: １７：００.
    let text: String = text.chars().map(narrow).collect();
    let text = text.trim();
    if let Some(lasts) = lasts(text) {
        return Ok(UnixMillis(wall.0.saturating_add(lasts?.saturating_mul(60_000))));
    }
    let now = calendar.local(wall);
    let at = match time(text) {
        Some(time) => {
            let today = now.date().to_datetime(time);
            if today > now { today } else { today.checked_add(Span::new().days(1)).map_err(|_| NoEnd::Unreadable)? }
        }
        None if text.len() == 10 && text.parse::<Date>().is_ok() => return Err(NoEnd::DayOnly),
        None => moment(text).ok_or(NoEnd::Unreadable)?,
    };
    let zoned = calendar.zone.to_ambiguous_timestamp(at);
    let at: Timestamp = match zoned.offset() {
        jiff::tz::AmbiguousOffset::Gap { .. } => return Err(NoEnd::Skipped),
        // Of an hour that comes twice the later one: nothing ends before whoever set it expects it to.
        jiff::tz::AmbiguousOffset::Fold { .. } | jiff::tz::AmbiguousOffset::Unambiguous { .. } => {
            zoned.later().map_err(|_| NoEnd::Unreadable)?
        }
    };
    let at = UnixMillis(at.as_millisecond());
    if at <= wall { Err(NoEnd::Past) } else { Ok(at) }
}

/// A full-width sign as its narrow one (Unicode, Halfwidth and Fullwidth Forms).
fn narrow(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '！'..='～' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        c => c,
    }
}

/// `90m`, `2h`, `3d`: in minutes. `None` if it is no duration at all.
fn lasts(text: &str) -> Option<Result<i64, NoEnd>> {
    let minutes = |unit| match unit {
        'm' => Some(1),
        'h' => Some(60),
        'd' => Some(24 * 60),
        _ => None,
    };
    let unit = minutes(text.chars().next_back()?)?;
    let figures = text.get(..text.len() - 1)?;
    if figures.is_empty() || !figures.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Err(NoEnd::Unreadable));
    }
    let lasts = figures.parse::<i64>().ok().and_then(|count| count.checked_mul(unit)).filter(|lasts| *lasts <= MINUTES_MAX);
    Some(lasts.ok_or(NoEnd::TooLong).and_then(|lasts| if lasts == 0 { Err(NoEnd::Past) } else { Ok(lasts) }))
}

/// `9:05`, `17:00`, and `24:00` as midnight.
fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let figures = |s: &str, count: std::ops::RangeInclusive<usize>| count.contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !figures(hour, 1..=2) || !figures(minute, 2..=2) {
        return None;
    }
    let (hour, minute) = (hour.parse::<i8>().ok()?, minute.parse::<i8>().ok()?);
    if (hour, minute) == (24, 0) { Some(Time::midnight()) } else { Time::new(hour, minute, 0, 0).ok() }
}

/// `2026-11-27 09:00`, with a blank or a T between.
fn moment(text: &str) -> Option<DateTime> {
    let (date, time_of_day) = text.split_once([' ', 'T'])?;
    let date = date.parse::<Date>().ok().filter(|_| date.len() == 10)?;
    let midnight = time_of_day.trim() == "24:00";
    let at = date.to_datetime(time(time_of_day.trim())?);
    if midnight { at.checked_add(Span::new().days(1)).ok() } else { Some(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn tokyo(local: &str) -> UnixMillis {
        let utc = local.parse::<DateTime>().unwrap().to_zoned(TimeZone::UTC).unwrap();
        UnixMillis(utc.timestamp().as_millisecond() - 9 * 3_600_000)
    }
    fn end(text: &str, from: &str) -> Result<UnixMillis, NoEnd> {
        until(text, &Calendar::default(), tokyo(from))
    }

    #[test]
    fn a_time_of_day_is_the_next_one_that_comes() {
        assert_eq!(end("17:00", "2026-11-26T16:59:59"), Ok(tokyo("2026-11-26T17:00")));
        assert_eq!(end("17:00", "2026-11-26T17:00"), Ok(tokyo("2026-11-27T17:00")));
        assert_eq!(end("9:05", "2026-12-31T18:00"), Ok(tokyo("2027-01-01T09:05")));
        assert_eq!(end("24:00", "2026-11-26T18:00"), Ok(tokyo("2026-11-27T00:00")));
        assert_eq!(end("00:00", "2026-11-26T18:00"), Ok(tokyo("2026-11-27T00:00")));
    }

    #[test]
    fn a_date_is_that_date_and_the_past_is_refused() {
        assert_eq!(end("2026-11-27 09:00", "2026-11-26T18:00"), Ok(tokyo("2026-11-27T09:00")));
        assert_eq!(end("2026-11-27T09:00", "2026-11-26T18:00"), Ok(tokyo("2026-11-27T09:00")));
        assert_eq!(end("2026-11-26 24:00", "2026-11-26T18:00"), Ok(tokyo("2026-11-27T00:00")));
        for over in ["2026-11-26 17:59", "2026-11-26 18:00", "2021-01-01 00:00", "0h"] {
            assert_eq!(end(over, "2026-11-26T18:00"), Err(NoEnd::Past), "{over}");
        }
    }

    #[test]
    fn a_duration_counts_from_here() {
        assert_eq!(end("2h", "2026-11-26T23:00"), Ok(tokyo("2026-11-27T01:00")));
        assert_eq!(end("90m", "2026-11-26T23:00"), Ok(tokyo("2026-11-27T00:30")));
        assert_eq!(end("3d", "2026-11-26T23:00"), Ok(tokyo("2026-11-29T23:00")));
    }

    #[test]
    fn what_names_no_moment_is_refused() {
        let none = ["", "soon", "25:00", "17", "17:0", "17:60", "-1h", "1.5h", "h", "2026-11-31 09:00", "2026-11-31", "11-27"];
        for text in none {
            assert_eq!(end(text, "2026-11-26T18:00"), Err(NoEnd::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_and_a_day_without_a_time_are_told_as_such() {
        for long in ["999999999999999999999h", "99999d", "32d", "745h"] {
            assert_eq!(end(long, "2026-11-26T18:00"), Err(NoEnd::TooLong), "{long}");
        }
        assert_eq!(end("31d", "2026-11-26T18:00"), Ok(tokyo("2026-12-27T18:00")));
        assert_eq!(end("2026-11-27", "2026-11-26T18:00"), Err(NoEnd::DayOnly));
        assert_eq!(OVERRIDE_LASTS_MAX.0, 31 * 86_400_000, "the sentence says 31 days");
    }

    #[test]
    fn full_width_figures_are_figures() {
        assert_eq!(end("１７：００", "2026-11-26T16:00"), Ok(tokyo("2026-11-26T17:00")));
        assert_eq!(end("２０２６－１１－２７　０９：００", "2026-11-26T16:00"), Ok(tokyo("2026-11-27T09:00")));
        assert_eq!(end("２ｈ", "2026-12-31T23:00"), Ok(tokyo("2027-01-01T01:00")));
    }

    #[test]
    fn an_hour_that_the_clocks_skip_is_refused_and_one_that_comes_twice_is_the_later_one() {
        let berlin = Calendar { zone: crate::calendar::zone("Europe/Berlin").unwrap(), ..Calendar::default() };
        assert_eq!(until("2027-03-28 02:30", &berlin, UnixMillis(0)), Err(NoEnd::Skipped));
        // 02:30 comes at 00:30 and at 01:30 UTC.
        let twice = until("2026-10-25 02:30", &berlin, UnixMillis(0)).unwrap();
        assert_eq!(twice.0, "2026-10-25T01:30:00Z".parse::<Timestamp>().unwrap().as_millisecond());
    }
}
