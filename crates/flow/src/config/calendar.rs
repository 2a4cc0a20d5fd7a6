//! `calendar.yaml`: weekly hours, national holidays, exceptions of every kind, and overrides that end.

use crate::calendar::{Calendar, DAY, Days, Exception, Hours, Override, Schedule, Spans, zone};
use crate::config::ENTRIES_MAX;
use crate::decode::{Fields, UpTo, is_name, missing, noun, unknown};
use crate::holidays;
use crate::problem::{At, Problems, Spot};
use crate::schema::{NAME, Shape, Value, may, must};
use crate::tree::{Key, Node, shown};
use jiff::civil::{Date, DateTime};
use model::ScheduleId;
use std::collections::{BTreeMap, BTreeSet};

/// Its words, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "calendar",
    en: "When we are open.",
    ja: "受付時間。",
    words: &[
        may("timezone", Value::Text, "The zone of all times: Asia/Tokyo.", "タイムゾーン。Asia/Tokyo など。"),
        may("holidays", Value::Text, "The table of national holidays, beside this file.", "祝日表。このファイルの隣に置きます。"),
        may(
            "holidays_by_law",
            Value::OneOf(&["japan"]),
            "Whose law gives the holidays of years that the table does not have.",
            "祝日表にない年の祝日を、どの国の法律で求めるか。",
        ),
        may("schedules", Value::Each(NAME, &Value::Map(&SCHEDULE)), "The schedules, by their names.", "受付時間。名前を付けて書きます。"),
    ],
    rest: None,
};

/// Hours of a day, or closed.
const HOURS: Value = Value::Text;

const SCHEDULE: Shape = Shape {
    name: "calendar/schedule",
    en: "Weekly hours, holidays, exceptions, overrides.",
    ja: "一週間の受付時間、祝日、例外の日、臨時の指定。",
    words: &[
        must(
            "weekly",
            Value::Each(WEEK, &HOURS),
            "Each day of the week once: mon-fri: \"09:00-12:00, 13:00-17:00\", sat-sun: closed.",
            "曜日ごとの時間。mon-fri: \"09:00-12:00, 13:00-17:00\"、sat-sun: closed のように、どの曜日も一度だけ書きます。",
        ),
        may(
            "holidays",
            HOURS,
            "Hours on national holidays; like any other day, if left out.",
            "祝日の時間。書かなければふだんと同じです。",
        ),
        may(
            "exceptions",
            Value::List(&Value::Map(&EXCEPTION)),
            "Days that differ; what stands further down wins.",
            "例外の日。下に書いたものが優先します。",
        ),
        may(
            "override",
            Value::List(&Value::Map(&OVERRIDE)),
            "By the duty officer, above all else; it always has an end.",
            "当番による臨時の指定。何よりも優先します。必ず終わりを書きます。",
        ),
    ],
    rest: None,
};

/// How the days of a week are spelt.
pub(crate) const WEEK: &str = "^(mon|tue|wed|thu|fri|sat|sun)([-,] ?(mon|tue|wed|thu|fri|sat|sun))*$";

const EXCEPTION: Shape = Shape {
    name: "calendar/exception",
    en: "Days that differ: on, from and to, or yearly; hours, or closed: true.",
    ja: "例外の日。日は on、from と to、yearly のどれか、時間は hours か closed: true。",
    words: &[
        may("on", Value::Date, "One day: 2026-12-28.", "一日だけ。2026-12-28 のように書きます。"),
        may("from", Value::Date, "The first day.", "始まりの日。"),
        may("to", Value::Date, "The last day.", "終わりの日。"),
        may("yearly", Value::Text, "Every year: 12-31, or 12-29 to 01-03.", "毎年。12-31 または 12-29 to 01-03 のように書きます。"),
        may("hours", HOURS, "The hours of these days.", "その日の時間。"),
        may("closed", Value::Truth, "true: closed.", "true なら受け付けません。"),
        may("note", Value::Text, "Why.", "理由。"),
    ],
    rest: None,
};

const OVERRIDE: Shape = Shape {
    name: "calendar/override",
    en: "By the duty officer, above all else.",
    ja: "当番による臨時の指定。",
    words: &[
        must("state", Value::OneOf(&["open", "holiday", "closed"]), "What holds.", "受付の状態。"),
        may("from", Value::Text, "From when on: \"2026-09-01 10:00\".", "いつから。\"2026-09-01 10:00\" のように書きます。"),
        must("until", Value::Text, "Until when: \"2026-09-01 18:00\".", "いつまで。\"2026-09-01 18:00\" のように書きます。"),
        may("note", Value::Text, "Why.", "理由。"),
    ],
    rest: None,
};

/// Exceptions are rarer than that.
const HALF_A_YEAR: usize = 183;

pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The calendar, and where those parts were written that only a look at the clock can judge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    pub(crate) calendar: Calendar,
    /// Where the table of holidays is named.
    pub(crate) holidays: Option<Spot>,
    /// Where it is said that the law goes on where the table ends.
    pub(crate) by_law: Option<Spot>,
    /// The last day of each exception on named dates.
    pub(crate) exceptions: Vec<At<Date>>,
    /// The end of each override.
    pub(crate) overrides: Vec<At<DateTime>>,
    /// Schedules that are there but could not be read whole.
    pub(crate) broken: BTreeSet<ScheduleId>,
}

/// A table of holidays: `date,name` lines of a file that ends in `.csv`; `#` begins a comment.
pub(crate) fn read_holidays(file: u16, text: &str, problems: &mut Problems) -> BTreeSet<Date> {
    let mut holidays = BTreeSet::new();
    for (number, line) in (1u32..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line == "date,name" {
            continue;
        }
        let (day, name) = line.split_once(',').unwrap_or((line, ""));
        let at = Spot { file, line: number, column: 1, length: u32::try_from(day.chars().count()).unwrap_or(1) };
        let Some(date) = day.trim().parse::<Date>().ok().filter(|_| day.trim().len() == 10) else {
            let en = format!("\"{}\" is no date", shown(day));
            let ja = format!("「{}」は日付として読めません。", shown(day));
            problems.error(at, "not_a_date", en, ja).help("2027-01-01,元日");
            continue;
        };
        if !holidays.insert(date) {
            let en = format!("{date} stands in this table twice");
            let ja = format!("{date} がこの表に二度書かれています。");
            problems.error(at, "holiday_twice", en, ja);
        }
        if name.trim().is_empty() {
            let en = format!("{date} has no name: is it a holiday?");
            let ja = format!("{date} に名前がありません。祝日ですか？");
            problems.warning(at, "holiday_without_name", en, ja).help("2027-01-01,元日");
        }
    }
    holidays
}

pub(crate) fn read(node: &Node, top: Spot, tables: &BTreeMap<String, BTreeSet<Date>>, problems: &mut Problems) -> Entries {
    let mut entries = Entries::default();
    let Some(mut fields) = Fields::of(node, top, problems) else { return entries };
    if let Some(name) = fields.take("timezone").and_then(|n| n.text(problems)) {
        match zone(name.value) {
            Some(zone) => entries.calendar.zone = zone,
            None => {
                let en = format!("there is no time zone \"{}\"", shown(name.value));
                let ja = format!("タイムゾーン「{}」はありません。", shown(name.value));
                problems.error(name.at, "unknown_timezone", en, ja).help("timezone: Asia/Tokyo");
            }
        }
    }
    if let Some(name) = fields.take("holidays").and_then(|n| n.text(problems)) {
        match tables.get(name.value) {
            Some(table) => {
                entries.holidays = Some(name.at);
                entries.calendar.holidays.clone_from(table);
            }
            None => {
                let en = format!("there is no table of holidays \"{}\" beside this file", shown(name.value));
                let ja = format!("祝日表「{}」がこのファイルの隣にありません。", shown(name.value));
                problems.error(name.at, "unknown_holidays", en, ja).help("holidays: holidays/japan.csv");
            }
        }
    }
    if let Some((key, node)) = fields.entry("holidays_by_law")
        && let Some(()) = node.one_of(&[("japan", ())], problems)
    {
        entries.by_law = Some(key.at);
        // A table is what was announced, and so it goes before the law: its years are taken as they stand.
        let tabled: BTreeSet<i16> = entries.calendar.holidays.iter().map(|day| day.year()).collect();
        let untabled = holidays::YEARS.filter(|year| !tabled.contains(year));
        entries.calendar.holidays.extend(untabled.flat_map(holidays::of));
    }
    let holidays_known = fields.has("holidays") || fields.has("holidays_by_law");
    let schedules = fields.take("schedules");
    for (key, value) in schedules.and_then(|n| n.map(problems)).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        if !is_name(&key.text, key.at, problems) {
            continue;
        }
        let before = problems.count();
        let Some(schedule) = read_schedule(key, value, holidays_known, &mut entries, problems) else { continue };
        let id = ScheduleId::from(key.text.as_str());
        if problems.count() > before {
            entries.broken.insert(id.clone());
        }
        entries.calendar.schedules.insert(id, schedule);
    }
    fields.finish(problems);
    entries
}

fn read_schedule(key: &Key, node: &Node, holidays_known: bool, entries: &mut Entries, problems: &mut Problems) -> Option<Schedule> {
    let mut schedule = Schedule::default();
    let mut fields = Fields::of(node, key.at, problems)?;
    match fields.entry("weekly") {
        Some((key, weekly)) => schedule.weekly = read_weekly(key, weekly, problems),
        None => missing(problems, key.at, "weekly", "weekly: { mon-fri: \"08:30-17:00\", sat-sun: closed }"),
    }
    let holidays = fields.entry("holidays");
    if let Some((key, _)) = holidays
        && !holidays_known
    {
        let en = "no holiday is known, so these hours would never hold: name a table, or whose law gives them";
        let ja = "祝日がひとつもわからないため、この時間は使われません。祝日表か holidays_by_law を書いてください。";
        problems.error(key.at, "no_holidays", en, ja).help("holidays_by_law: japan");
    }
    schedule.holidays = holidays.and_then(|(_, n)| read_spans(n, problems));
    for item in fields.take("exceptions").map(Node::items).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        let Some(exception) = read_exception(item, entries, problems) else { continue };
        if schedule.exceptions.iter().any(|other| other.days == exception.days) {
            let en = "these very days stand further up already; this line would win";
            let ja = "同じ日が前にも書かれています。このままでは、この行が優先します。";
            problems.error(item.at, "same_days", en, ja);
        }
        schedule.exceptions.push(exception);
    }
    for item in fields.take("override").map(Node::items).unwrap_or_default().up_to(ENTRIES_MAX, problems) {
        if let Some(rule) = read_override(item, entries, problems) {
            schedule.overrides.push(rule);
        }
    }
    fields.finish(problems);
    Some(schedule)
}

/// The week: each day exactly once.
fn read_weekly(at: &Key, node: &Node, problems: &mut Problems) -> [Spans; 7] {
    let mut week: [Option<Spans>; 7] = Default::default();
    for (key, value) in node.map(problems).unwrap_or_default() {
        let spans = read_spans(value, problems).unwrap_or_default();
        for part in key.text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let day = |name: &str| DAYS.iter().position(|d| *d == name.trim());
            let (Some(from), Some(to)) = (day(from), day(to)) else {
                unknown(problems, key.at, "unknown_day", noun::KEY, part, DAYS.into_iter().chain(["mon-fri"]));
                continue;
            };
            // sat-mon goes round the end of the week.
            let length = (to + 7 - from) % 7;
            for day in (from..=from + length).map(|d| d % 7) {
                let (Some(slot), Some(name)) = (week.get_mut(day), DAYS.get(day)) else { continue };
                if slot.replace(spans.clone()).is_some() {
                    let en = format!("{name} is named twice in this week");
                    let ja = format!("{name} が二度書かれています。");
                    problems.error(key.at, "schedule_overlap", en, ja);
                }
            }
        }
    }
    let gaps: Vec<&str> = DAYS.into_iter().zip(&week).filter(|(_, slot)| slot.is_none()).map(|(name, _)| name).collect();
    if !gaps.is_empty() {
        let list = gaps.join(", ");
        let en = format!("the week does not say what happens on {list}");
        let ja = format!("{list} の受付時間が書かれていません。");
        problems.error(at.at, "schedule_gap", en, ja).help(format!("{}: closed", gaps.first().copied().unwrap_or("sun")));
    }
    week.map(Option::unwrap_or_default)
}

/// `"09:00-12:00, 13:00-17:00"`, or `closed`.
fn read_spans(node: &Node, problems: &mut Problems) -> Option<Spans> {
    let text = node.text(problems)?;
    if text.value == "closed" {
        return Some(Spans::new());
    }
    let mut spans = Spans::new();
    for part in text.value.split(',') {
        let span = part.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        let Some((from, to)) = span.filter(|(from, to)| from < to) else {
            let en = format!("\"{}\" is no stretch of a day", shown(part.trim()));
            let ja = format!("「{}」は時間帯として読めません。日付をまたぐときは二つに分けてください。", shown(part.trim()));
            problems.error(text.at, "not_hours", en, ja).help("\"09:00-12:00, 13:00-24:00\"");
            return None;
        };
        if spans.iter().any(|(a, b)| from < *b && *a < to) {
            let (en, ja) = ("these hours overlap", "受付時間が重なっています。");
            problems.error(text.at, "schedule_overlap", en, ja);
        }
        spans.push((from, to));
    }
    spans.sort_unstable();
    Some(spans)
}

/// `08:30`, up to `24:00`.
pub(super) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let figures = |s: &str| (1..=2).contains(&s.len()) && s.chars().all(|c| c.is_ascii_digit());
    if !figures(hour) || minute.len() != 2 || !figures(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (minute < 60).then(|| hour * 60 + minute).filter(|m| *m <= DAY)
}

fn read_exception(node: &Node, entries: &mut Entries, problems: &mut Problems) -> Option<Exception> {
    let mut fields = Fields::of(node, node.at, problems)?;
    let on = fields.take("on").map(|n| (n, date(n, problems)));
    let from = fields.take("from").map(|n| (n, date(n, problems)));
    let to = fields.take("to").map(|n| (n, date(n, problems)));
    let yearly = fields.take("yearly").map(|n| (n, read_yearly(n, problems)));
    let hours = fields.take("hours").map(|n| read_spans(n, problems));
    let closed = fields.take("closed").map(|n| (n, n.truth(problems)));
    let _ = fields.take("note");
    let at = fields.at;
    fields.finish(problems);
    let days = match (on, from, to, yearly) {
        (Some((node, on)), None, None, None) => {
            let on = on?;
            entries.exceptions.push(At { value: on, at: node.at });
            Days::Dates(on, on)
        }
        (None, Some((_, from)), Some((node, to)), None) => {
            let (from, to) = (from?, to?);
            if to < from {
                let (en, ja) = ("this range ends before it begins", "終わりの日が始まりの日より前です。");
                problems.error(node.at, "range_backwards", en, ja);
            }
            entries.exceptions.push(At { value: to, at: node.at });
            Days::Dates(from, to)
        }
        (None, None, None, Some((_, yearly))) => yearly?,
        _ => {
            let (en, ja) =
                ("an exception names its days in one of three ways", "例外の日は、on、from と to、yearly のどれかひとつで書きます。");
            problems.error(at, "exception_days", en, ja).help("{ on: 2026-12-28, closed: true }");
            return None;
        }
    };
    let spans = match (hours, closed) {
        (Some(hours), None) => hours?,
        (None, Some((_, Some(true)))) => Spans::new(),
        (None, Some((_, None))) => return None,
        _ => {
            let (en, ja) = ("an exception has either hours or closed: true", "例外には hours か closed: true のどちらかを書きます。");
            problems.error(at, "exception_hours", en, ja).help("{ on: 2026-12-28, hours: \"09:00-12:00\" }");
            return None;
        }
    };
    Some(Exception { days, spans })
}

/// `12-31`, or `12-29 to 01-03`.
fn read_yearly(node: &Node, problems: &mut Problems) -> Option<Days> {
    let text = node.text(problems)?;
    let day = |part: &str| {
        let (month, day) = part.trim().split_once('-')?;
        let date = Date::new(2024, month.parse().ok()?, day.parse().ok()?).ok()?;
        Some((date.month(), date.day()))
    };
    let (from, to) = text.value.split_once(" to ").unwrap_or((text.value, text.value));
    let days = day(from).zip(day(to));
    if days.is_none() {
        not_a_date(&text, "yearly: 12-31", problems);
    }
    let days = days.map(|(from, to)| Days::Yearly(from, to));
    if let Some(covered) = days.as_ref().map(|days| days.in_a_year()).filter(|days| *days > HALF_A_YEAR) {
        let en = format!("these are {covered} days of each year; is it the other way round?");
        let ja = format!("毎年 {covered} 日が例外になります。前後が逆ではありませんか？");
        let help = text.value.split_once(" to ").map_or(String::new(), |(from, to)| format!("yearly: {} to {}", to.trim(), from.trim()));
        problems.warning(text.at, "most_of_the_year", en, ja).help(help);
    }
    days
}

fn read_override(node: &Node, entries: &mut Entries, problems: &mut Problems) -> Option<Override> {
    let mut fields = Fields::of(node, node.at, problems)?;
    let words = [("open", Hours::Open), ("holiday", Hours::Holiday), ("closed", Hours::Closed)];
    let hours = match fields.take("state") {
        Some(node) => node.one_of(&words, problems),
        None => {
            missing(problems, node.at, "state", "state: closed");
            None
        }
    };
    let from = fields.take("from").map(|n| moment(n, problems));
    let until = match fields.take("until") {
        Some(node) => moment(node, problems).inspect(|until| entries.overrides.push(At { value: *until, at: node.at })),
        None => {
            let en = "an override without an end is forgotten; say until when";
            let ja = "終わりのない臨時の指定は、消し忘れのもとです。until にいつまでかを書いてください。";
            problems.error(node.at, "override_without_end", en, ja).help("until: \"2026-09-01 18:00\"");
            None
        }
    };
    let _ = fields.take("note");
    fields.finish(problems);
    let from = match from {
        Some(from) => Some(from?),
        None => None,
    };
    Some(Override { from, until: until?, hours: hours? })
}

fn date(node: &Node, problems: &mut Problems) -> Option<Date> {
    let text = node.text(problems)?;
    let date = text.value.parse::<Date>().ok().filter(|_| text.value.len() == 10);
    if date.is_none() {
        not_a_date(&text, "on: 2026-12-28", problems);
    }
    date
}

fn moment(node: &Node, problems: &mut Problems) -> Option<DateTime> {
    let text = node.text(problems)?;
    let moment = text.value.replacen(' ', "T", 1).parse::<DateTime>().ok().filter(|_| text.value.contains(':'));
    if moment.is_none() {
        not_a_date(&text, "until: \"2026-09-01 18:00\"", problems);
    }
    moment
}

fn not_a_date(text: &At<&str>, help: &str, problems: &mut Problems) {
    let en = format!("\"{}\" is no date that the calendar has", shown(text.value));
    let ja = format!("「{}」は暦にある日付として読めません。", shown(text.value));
    problems.error(text.at, "not_a_date", en, ja).help(help);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::parse;
    use model::UnixMillis;

    fn calendar(text: &str) -> Calendar {
        let mut problems = Problems::default();
        let file = problems.file("calendar.yaml");
        let tables =
            BTreeMap::from([("japan.csv".to_owned(), read_holidays(file, "2021-04-29,昭和の日\n2026-05-05,こどもの日\n", &mut problems))]);
        let tree = parse(file, text, &mut problems).unwrap();
        let calendar = read(&tree, Spot::top(file), &tables, &mut problems).calendar;
        assert!(!problems.any_error(), "{:?}", problems.sorted());
        calendar
    }

    /// Japan is nine hours ahead, all year.
    fn at(local: &str) -> UnixMillis {
        let utc = local.parse::<DateTime>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        UnixMillis(utc.timestamp().as_millisecond() - 9 * 3_600_000)
    }

    const CENTRE: &str = "
timezone: Asia/Tokyo
holidays: japan.csv
schedules:
  centre:
    weekly: { mon-fri: \"08:30-12:00, 13:00-17:15\", sat: \"09:00-12:00\", sun: closed }
    holidays: \"10:00-15:00\"
    exceptions:
      - { yearly: 12-29 to 01-03, closed: true, note: turn of the year }
      - { from: 2026-08-10, to: 2026-08-14, hours: \"08:30-20:00\" }
      - { on: 2026-08-13, closed: true }
      - { on: 2026-05-05, hours: \"00:00-24:00\" }
    override: { state: closed, from: \"2026-09-01 10:00\", until: \"2026-09-01 18:00\", note: typhoon }
";

    #[test]
    fn every_kind_of_day_has_its_hours() {
        let calendar = calendar(CENTRE);
        let hours = |local: &str| calendar.hours(&ScheduleId::from("centre"), at(local)).unwrap();
        assert_eq!(hours("2026-06-01T08:29:59"), Hours::Closed);
        assert_eq!(hours("2026-06-01T08:30:00"), Hours::Open);
        assert_eq!(hours("2026-06-01T12:00:00"), Hours::Closed, "lunch");
        assert_eq!(hours("2026-06-01T17:14:59"), Hours::Open);
        assert_eq!(hours("2026-06-06T12:00:00"), Hours::Closed, "saturday noon");
        assert_eq!(hours("2026-06-07T10:00:00"), Hours::Closed, "sunday");
        assert_eq!(hours("2021-04-29T10:00:00"), Hours::Holiday);
        assert_eq!(hours("2021-04-29T09:00:00"), Hours::Closed);
        assert_eq!(hours("2026-12-29T10:00:00"), Hours::Closed, "turn of the year");
        assert_eq!(hours("2027-01-02T10:00:00"), Hours::Closed, "over the turn of the year");
        assert_eq!(hours("2026-08-12T19:59:00"), Hours::Open, "a range");
        assert_eq!(hours("2026-08-13T10:00:00"), Hours::Closed, "what stands further down wins");
        assert_eq!(hours("2026-05-05T23:59:59"), Hours::Holiday, "a holiday with its own hours");
        assert_eq!(hours("2026-09-01T09:59:59"), Hours::Open, "before the override");
        assert_eq!(hours("2026-09-01T10:00:00"), Hours::Closed, "the override");
        assert_eq!(hours("2026-09-01T18:00:00"), Hours::Closed, "after the override, after hours");
        assert_eq!(hours("2026-09-02T10:00:00"), Hours::Open);
        assert_eq!(calendar.hours(&ScheduleId::from("center"), at("2026-06-01T09:00:00")), None);
    }

    #[test]
    fn the_law_goes_on_where_the_table_ends_and_never_against_it() {
        let mut problems = Problems::default();
        let file = problems.file("calendar.yaml");
        // A table that leaves out a day of 2031 is believed; 2032 is not in it.
        let tables = BTreeMap::from([("japan.csv".to_owned(), read_holidays(file, "2031-01-01,元日\n", &mut problems))]);
        let tree = parse(file, "holidays: japan.csv\nholidays_by_law: japan\nschedules: {}\n", &mut problems).unwrap();
        let days = read(&tree, Spot::top(file), &tables, &mut problems).calendar.holidays;
        assert!(!problems.any_error());
        let has = |day: &str| days.contains(&day.parse().unwrap());
        assert!(has("2031-01-01") && !has("2031-02-11") && has("2032-02-11") && has("2032-09-21") && has("2099-11-23"));
        assert!(!days.iter().any(|day| !(2019..=2099).contains(&day.year())));
    }

    #[test]
    fn a_wall_clock_beyond_the_calendar_does_no_harm() {
        let calendar = calendar(CENTRE);
        for wall in [i64::MIN, i64::MAX, 0] {
            assert!(calendar.hours(&ScheduleId::from("centre"), UnixMillis(wall)).is_some());
        }
    }
}
