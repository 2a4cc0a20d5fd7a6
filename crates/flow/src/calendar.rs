//! Whether the city is open at a moment: the duty officer's override, then exceptions, then holidays, then the week.
//!
//! Local civil time of one zone, from the time zone tables that are built in (IANA tzdb); the machine's own zone plays no part.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
pub use model::Hours;
use model::{ScheduleId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// Minutes of a day.
pub(crate) const DAY: u16 = 24 * 60;

/// The hours of every schedule of the city.
#[derive(Clone, Debug)]
pub struct Calendar {
    pub(crate) zone: TimeZone,
    pub(crate) holidays: BTreeSet<Date>,
    pub(crate) schedules: BTreeMap<ScheduleId, Schedule>,
}

/// One schedule of `config/calendar.yaml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    /// Monday first.
    pub(crate) weekly: [Spans; 7],
    /// On national holidays; `None` if they are like any other day.
    pub(crate) holidays: Option<Spans>,
    /// What stands further down wins.
    pub(crate) exceptions: Vec<Exception>,
    /// What stands further down wins.
    pub(crate) overrides: Vec<Override>,
}

/// Open times of one day, in minutes from its midnight, end excluded; in order, without overlap.
pub(crate) type Spans = Vec<(u16, u16)>;

#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) days: Days,
    pub(crate) spans: Spans,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Days {
    /// Both ends included.
    Dates(Date, Date),
    /// (month, day), both ends included; may pass the turn of the year.
    Yearly((i8, i8), (i8, i8)),
}

/// The duty officer's word, above all else, until a moment.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    pub(crate) from: Option<DateTime>,
    pub(crate) until: DateTime,
    pub(crate) hours: Hours,
}

impl Default for Calendar {
    fn default() -> Self {
        Calendar { zone: zone("Asia/Tokyo").unwrap_or(TimeZone::UTC), holidays: BTreeSet::new(), schedules: BTreeMap::new() }
    }
}

/// A time zone by its IANA name, from the built-in tables.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

impl Calendar {
    /// How a schedule answers at a moment; `None` if there is no such schedule.
    pub fn hours(&self, schedule: &ScheduleId, wall: UnixMillis) -> Option<Hours> {
        let schedule = self.schedules.get(schedule)?;
        Some(schedule.at(self.local(wall), &self.holidays))
    }
    /// The names of the schedules.
    pub fn schedules(&self) -> impl Iterator<Item = &ScheduleId> {
        self.schedules.keys()
    }
    /// The zone's IANA name: `Asia/Tokyo`.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
    /// How far the city's clocks are ahead of UTC at a moment, in seconds; for whoever writes times down for people.
    pub fn offset_seconds(&self, wall: UnixMillis) -> i32 {
        self.zone.to_offset(stamp(wall)).seconds()
    }
    /// The civil date at a moment, in the city's zone, as figures: 20260824.
    pub fn day(&self, wall: UnixMillis) -> u32 {
        let date = self.local(wall).date();
        let figures = i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day());
        u32::try_from(figures).unwrap_or(0)
    }
    /// The beginning of the last holiday that is known, of the table and by law; `None` where none is.
    pub fn holidays_until(&self) -> Option<UnixMillis> {
        let begins = self.holidays.last()?.to_zoned(self.zone.clone()).ok()?;
        Some(UnixMillis(begins.timestamp().as_millisecond()))
    }
    /// Whether a schedule is open at any moment of the next days; false if there is no such schedule.
    pub(crate) fn opens_within(&self, schedule: &ScheduleId, wall: UnixMillis, days: u32) -> bool {
        let Some(schedule) = self.schedules.get(schedule) else { return false };
        let now = self.local(wall);
        let until = now.checked_add(jiff::Span::new().days(days)).unwrap_or(DateTime::MAX);
        let spans = schedule.weekly.iter().chain(&schedule.holidays).chain(schedule.exceptions.iter().map(|e| &e.spans));
        // It opens where some stretch begins, or where an override begins or ends.
        let minutes: BTreeSet<u16> = spans.flatten().map(|(from, _)| *from).collect();
        let turns = schedule.overrides.iter().flat_map(|rule| rule.from.into_iter().chain([rule.until]));
        let begins = now.date().series(jiff::Span::new().days(1)).take(days as usize + 1).flat_map(|day| {
            let at = |minute: &u16| day.at(0, 0, 0, 0).checked_add(jiff::Span::new().minutes(i64::from(*minute))).ok();
            minutes.iter().filter_map(at).collect::<Vec<_>>()
        });
        let ahead = turns.chain(begins).filter(|at| now < *at && *at <= until);
        std::iter::once(now).chain(ahead).any(|at| schedule.at(at, &self.holidays) != Hours::Closed)
    }
    /// The civil time at a moment. A wall clock beyond the calendar counts as its nearest end.
    pub(crate) fn local(&self, wall: UnixMillis) -> DateTime {
        self.zone.to_datetime(stamp(wall))
    }
}

fn stamp(wall: UnixMillis) -> Timestamp {
    Timestamp::from_millisecond(wall.0).unwrap_or(if wall.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

impl Schedule {
    fn at(&self, local: DateTime, holidays: &BTreeSet<Date>) -> Hours {
        let rules = |rule: &&Override| rule.from.is_none_or(|from| from <= local) && local < rule.until;
        if let Some(rule) = self.overrides.iter().rev().find(rules) {
            return rule.hours;
        }
        let date = local.date();
        let minute = u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).unwrap_or(0);
        let within = |spans: &Spans| spans.iter().any(|(from, to)| (*from..*to).contains(&minute));
        let answer = |spans: &Spans, open: Hours| if within(spans) { open } else { Hours::Closed };
        let open = if holidays.contains(&date) && self.holidays.is_some() { Hours::Holiday } else { Hours::Open };
        if let Some(exception) = self.exceptions.iter().rev().find(|e| e.days.contain(date)) {
            return answer(&exception.spans, open);
        }
        match &self.holidays {
            Some(spans) if open == Hours::Holiday => answer(spans, open),
            _ => {
                let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
                self.weekly.get(day).map_or(Hours::Closed, |spans| answer(spans, Hours::Open))
            }
        }
    }
}

impl Days {
    /// How many days of a leap year they are.
    pub(crate) fn in_a_year(self) -> usize {
        Date::constant(2024, 1, 1).series(jiff::Span::new().days(1)).take(366).filter(|day| self.contain(*day)).count()
    }
    fn contain(self, date: Date) -> bool {
        match self {
            Days::Dates(from, to) => from <= date && date <= to,
            Days::Yearly(from, to) => {
                let day = (date.month(), date.day());
                if from <= to { from <= day && day <= to } else { from <= day || day <= to }
            }
        }
    }
}
