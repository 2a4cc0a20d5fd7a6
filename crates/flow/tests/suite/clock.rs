//! The calendar, minute by minute: no moment of any fiscal year is left open, and no leap of the clock on the wall moves a timer.

use crate::common::{known, shipped};
use flow::{Ask, Book, Calendar, Heard, Hours, Run, Source, check, read};
use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use model::{FlowName, Instant, Now, ScheduleId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The holidays as they were announced, whatever the calendar makes of its own table.
const ANNOUNCED: &str = include_str!("../../../../tests/data/holidays/japan_2019_2030.csv");
const MINUTE: i64 = 60_000;

fn rewritten(path: &str, text: &str) -> Vec<Source> {
    let mut sources = shipped();
    sources.iter_mut().filter(|s| s.path == path).for_each(|s| text.clone_into(&mut s.text));
    sources
}

fn book(sources: &[Source]) -> Arc<Book> {
    let checked = check(&read(sources.to_vec()), &known(sources));
    Arc::new(checked.book.unwrap_or_else(|| panic!("{:#?}", checked.problems)))
}

/// The first millisecond of a day in Tokyo.
fn midnight(day: Date) -> i64 {
    day.to_zoned(TimeZone::fixed(jiff::tz::offset(9))).unwrap().timestamp().as_millisecond()
}

/// What every minute of a fiscal year (April to March) is, counted; and what it should be.
fn fiscal_year(calendar: &Calendar, schedule: &str, year: i16, hours: impl Fn(Date) -> ((u16, u16), Hours)) -> BTreeMap<&'static str, u32> {
    let schedule = ScheduleId::from(schedule);
    let mut counted = BTreeMap::from([("open", 0), ("holiday", 0), ("closed", 0)]);
    let end = Date::constant(year + 1, 4, 1);
    let mut day = Date::constant(year, 4, 1);
    while day < end {
        let ((opens, closes), open) = hours(day);
        let begin = midnight(day);
        for minute in 0..1440u16 {
            let answer = calendar.hours(&schedule, UnixMillis(begin + i64::from(minute) * MINUTE)).expect("every minute has an answer");
            let should = if (opens..closes).contains(&minute) { open } else { Hours::Closed };
            assert_eq!(answer, should, "{day} {:02}:{:02}", minute / 60, minute % 60);
            let word = match answer {
                Hours::Open => "open",
                Hours::Holiday => "holiday",
                Hours::Closed => "closed",
            };
            *counted.entry(word).or_default() += 1;
        }
        day = day.tomorrow().unwrap();
    }
    let minutes = (midnight(end) - midnight(Date::constant(year, 4, 1))) / MINUTE;
    assert_eq!(i64::from(counted.values().sum::<u32>()), minutes, "{year}: each minute once");
    counted
}

#[test]
fn no_minute_of_any_fiscal_year_is_uncovered() {
    let book = book(&shipped());
    let announced: BTreeSet<Date> = ANNOUNCED.lines().skip(1).map(|line| line[..10].parse().unwrap()).collect();
    for year in 2019..=2035 {
        let counted = fiscal_year(&book.calendar, "centre", year, |day| {
            // Up to 2030 as announced; beyond, whether a day is a holiday is the law's to say, and only the hours are checked here.
            let noon = UnixMillis(midnight(day) + 12 * 60 * MINUTE);
            let holiday = if day.year() <= 2030 {
                announced.contains(&day)
            } else {
                book.calendar.hours(&"centre".into(), noon) == Some(Hours::Holiday)
            };
            let turn_of_the_year = (day.month(), day.day()) >= (12, 29) || (day.month(), day.day()) <= (1, 3);
            (if turn_of_the_year { (600, 960) } else { (510, 1200) }, if holiday { Hours::Holiday } else { Hours::Open })
        });
        assert!(counted["holiday"] > 14 * 600 && counted["open"] > 300 * 600 && counted["closed"] > 0, "{year}: {counted:?}");
    }
}

#[test]
fn half_days_nights_and_exceptions_leave_no_minute_open_either() {
    let sources = rewritten(
        "config/calendar.yaml",
        "timezone: Asia/Tokyo
holidays: holidays/japan.csv
schedules:
  centre:
    weekly: { mon-fri: \"08:30-17:15\", sat: \"08:30-12:00\", sun: closed }
    holidays: closed
    exceptions:
      - { yearly: 12-29 to 01-03, closed: true, note: turn of the year }
      - { on: 2026-12-28, hours: \"08:30-12:00\", note: half a day }
  night:
    weekly: { mon-sun: \"00:00-08:30, 17:15-24:00\" }
",
    );
    let book = book(&sources);
    let announced: BTreeSet<Date> = ANNOUNCED.lines().skip(1).map(|line| line[..10].parse().unwrap()).collect();
    fiscal_year(&book.calendar, "centre", 2026, |day| {
        let turn_of_the_year = (day.month(), day.day()) >= (12, 29) || (day.month(), day.day()) <= (1, 3);
        let hours = if turn_of_the_year || announced.contains(&day) || day.weekday() == Weekday::Sunday {
            (0, 0)
        } else if day.weekday() == Weekday::Saturday || day == Date::constant(2026, 12, 28) {
            (510, 720)
        } else {
            (510, 1035)
        };
        (hours, Hours::Open)
    });
    // At night somebody is there exactly when nobody is by day, on a weekday.
    let at = |hour: i64, schedule: &str| {
        book.calendar.hours(&ScheduleId::from(schedule), UnixMillis(midnight(Date::constant(2026, 6, 3)) + hour * 60 * MINUTE))
    };
    for hour in 0..24 {
        let (day, night) = (at(hour, "centre"), at(hour, "night"));
        assert!(hour == 8 || hour == 17 || (day == Some(Hours::Open)) != (night == Some(Hours::Open)), "{hour}");
    }
}

#[test]
fn a_week_with_a_day_left_out_is_refused() {
    let sources = rewritten("config/calendar.yaml", "schedules: { centre: { weekly: { mon-fri: \"08:30-17:15\", sun: closed } } }\n");
    let checked = check(&read(sources.clone()), &known(&sources));
    let gap = checked.problems.iter().find(|problem| problem.code == "schedule_gap").expect("a gap is told");
    assert!(checked.book.is_none() && gap.en.contains("sat"), "{gap:?}");
}

/// What a caller who presses nothing is asked, and when by the clock that never leaps, while the other clock does as it likes.
fn story(book: &Arc<Book>, wall: impl Fn(u64) -> i64) -> Vec<(Instant, String)> {
    let mut run = Run::new(Arc::clone(book), &FlowName::from("city")).unwrap();
    let mut told = Vec::new();
    let start = 1_000_000u64;
    let mut millis = start;
    let now = |millis: u64| Now { mono: Instant::from_millis(millis), wall: UnixMillis(wall(millis - start)) };
    // Two seconds for each sentence, and ten minutes in the queue.
    let mut ends = None;
    run.handle(now(millis), Heard::Started);
    while millis < start + 700_000 {
        while let Some(ask) = run.poll_output() {
            told.push((Instant::from_millis(millis), format!("{ask:?}")));
            match ask {
                Ask::Prompt { .. } => ends = Some(millis + 2_000),
                Ask::Music(_) => ends = None,
                Ask::Enqueue(_) => run.handle(now(millis), Heard::Queued { since: Instant::from_millis(millis), position: 4 }),
                Ask::Look { .. } => run.handle(now(millis), Heard::Facts(None)),
                Ask::Hush
                | Ask::Transfer { .. }
                | Ask::Callback { .. }
                | Ask::Record { .. }
                | Ask::StopRecording
                | Ask::Lookup { .. }
                | Ask::Told { .. }
                | Ask::LeaveQueue
                | Ask::HangUp
                | Ask::Note(_) => {}
            }
        }
        millis += 100;
        if ends.is_some_and(|at| at <= millis) {
            ends = None;
            run.handle(now(millis), Heard::Played);
        } else {
            run.handle_timeout(now(millis));
        }
    }
    told
}

#[test]
fn the_wall_clock_leaps_and_no_timer_moves() {
    let book = book(&shipped());
    let ten = crate::common::MONDAY.0;
    let still = story(&book, |passed| ten + passed as i64);
    assert!(still.iter().any(|(_, ask)| ask.contains("general_long_wait")), "the whole wait is told: {still:#?}");
    const HOUR: i64 = 60 * MINUTE;
    // Whether we are open is asked once, by the clock on the wall, some nine seconds into this call: the leaps come before and after.
    for leaps in [
        [(1, HOUR), (20, -HOUR)],
        [(12, -2 * HOUR), (30, 5 * HOUR)],
        [(20, 14 * HOUR), (60, -14 * HOUR)],
        [(15, 400 * 24 * HOUR), (300, 0)],
    ] {
        let leapt = |passed: u64| leaps.iter().filter(|(at, _)| at * 1000 <= passed).map(|(_, by)| by).sum::<i64>();
        assert_eq!(story(&book, |passed| ten + passed as i64 + leapt(passed)), still, "{leaps:?}");
    }
}

#[test]
fn summer_time_begins_and_ends_and_no_timer_moves() {
    let text = "timezone: Europe/Berlin\nschedules: { centre: { weekly: { mon-sun: \"00:00-24:00\" } } }\n";
    let book = book(&rewritten("config/calendar.yaml", text));
    let berlin = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    let at = |local: &str| local.parse::<jiff::civil::DateTime>().unwrap().to_zoned(berlin.clone()).unwrap().timestamp().as_millisecond();
    let plain = at("2026-06-01T10:00:00");
    let still = story(&book, |passed| plain + passed as i64);
    // A minute before the hour that is left out, and a minute before the one that comes twice.
    for begins in [at("2026-03-29T01:59:00"), at("2026-10-25T02:59:00") - 60 * MINUTE] {
        assert_eq!(story(&book, |passed| begins + passed as i64), still);
    }
}

#[test]
fn an_hour_that_comes_twice_is_open_twice_and_one_that_is_left_out_never() {
    let text = "timezone: Europe/Berlin\nschedules: { centre: { weekly: { mon-sun: \"02:00-03:00\" } } }\n";
    let book = book(&rewritten("config/calendar.yaml", text));
    let berlin = TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
    let open = |day: Date| {
        let begin = day.to_zoned(berlin.clone()).unwrap();
        let end = begin.checked_add(1.day()).unwrap();
        let (mut at, end) = (begin.timestamp().as_millisecond(), end.timestamp().as_millisecond());
        let mut minutes = 0;
        while at < end {
            minutes += u32::from(book.calendar.hours(&ScheduleId::from("centre"), UnixMillis(at)) == Some(Hours::Open));
            at += MINUTE;
        }
        minutes
    };
    assert_eq!([Date::constant(2026, 3, 28), Date::constant(2026, 3, 29), Date::constant(2026, 10, 25)].map(open), [60, 0, 120]);
}
