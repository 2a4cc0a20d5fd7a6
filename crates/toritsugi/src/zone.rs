//! What the clock on the wall says: times and days for people, in the city's zone if it is known.

use crate::CityArgs;
use crate::files::Files;
use crate::words::{Stop, utc};
use flow::Calendar;
use model::{Queue, QueueId, UnixMillis};
use std::collections::BTreeMap;

/// A day has so many milliseconds, where days are only counted.
const DAY: i64 = 86_400_000;

/// The city's clock, or UTC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    calendar: Option<Calendar>,
}

/// What a command that reads the journal wants to know of the city: its clock and its queues. Both may be missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Town {
    pub(crate) zone: Zone,
    pub(crate) queues: BTreeMap<QueueId, Queue>,
}

impl Town {
    /// Reads the city's files as far as they can be read; without them times are in UTC and queues have only their names.
    ///
    /// # Errors
    /// When a folder was named that is not there.
    pub(crate) fn find(city: &CityArgs) -> Result<Town, Stop> {
        let files = Files::find(city)?;
        let Ok(sources) = files.read() else { return Ok(Town::default()) };
        let draft = flow::read(sources);
        let queues = draft.queues().map(|queue| (queue.id.clone(), queue.clone())).collect();
        Ok(Town { zone: Zone { calendar: Some(draft.calendar().clone()) }, queues })
    }

    /// A queue as people call it.
    pub(crate) fn queue<'a>(&'a self, id: &'a QueueId) -> &'a str {
        self.queues.get(id).map_or(id.as_str(), |queue| &queue.label)
    }
}

impl Zone {
    /// Tokyo's time.
    #[cfg(test)]
    pub(crate) fn tokyo() -> Zone {
        Zone { calendar: Some(Calendar::default()) }
    }
    /// The zone of a calendar.
    pub(crate) fn of(calendar: &Calendar) -> Zone {
        Zone { calendar: Some(calendar.clone()) }
    }
    /// Its IANA name; `None`: UTC, because nobody knows better.
    pub(crate) fn name(&self) -> Option<&str> {
        self.calendar.as_ref().map(Calendar::zone_name)
    }
    /// The moment as if it were UTC: what is left is counting.
    fn shifted(&self, at: UnixMillis) -> UnixMillis {
        let offset = self.calendar.as_ref().map_or(0, |calendar| calendar.offset_seconds(at));
        UnixMillis(at.0.saturating_add(i64::from(offset) * 1000))
    }
    /// `2026-11-25`.
    pub(crate) fn date(&self, at: UnixMillis) -> String {
        utc(self.shifted(at)).chars().take(10).collect()
    }
    /// `07:01:05`.
    pub(crate) fn time(&self, at: UnixMillis) -> String {
        utc(self.shifted(at)).chars().skip(11).collect()
    }
    /// When the civil day began in which this is; on a day of changed clocks an hour beside it.
    pub(crate) fn midnight(&self, at: UnixMillis) -> UnixMillis {
        UnixMillis(at.0.saturating_sub(self.shifted(at).0.rem_euclid(DAY)))
    }
    /// The civil day, counted from 1970-01-01.
    pub(crate) fn day(&self, at: UnixMillis) -> i64 {
        self.shifted(at).0.div_euclid(DAY)
    }
}

/// The day of a date `2026-11-25`, counted from 1970-01-01; `None` if there is no such date.
pub(crate) fn parse_day(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(str::parse::<i64>);
    let (Some(Ok(year @ 1970..=9999)), Some(Ok(month @ 1..=12)), Some(Ok(day @ 1..=31)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    // Days-from-civil, the way back from `words::utc`: years that begin in March, eras of 400.
    let march_year = if month <= 2 { year - 1 } else { year };
    let march_month = (month + 9) % 12;
    let (era, year_of_era) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * march_month + 2) / 5 + day - 1;
    let days = era * 146_097 + day_of_era - 719_468;
    // 31 February is a date that comes back as another one.
    (day_name(days) == format!("{year:04}-{month:02}-{day:02}")).then_some(days)
}

/// A counted day as a date.
pub(crate) fn day_name(day: i64) -> String {
    utc(UnixMillis(day.saturating_mul(DAY))).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_and_a_day_are_the_same_thing() {
        assert_eq!(parse_day("1970-01-01"), Some(0));
        assert_eq!(parse_day("2000-02-29"), Some(11_016));
        assert_eq!(day_name(parse_day("2026-11-25").unwrap()), "2026-11-25");
        for nonsense in ["2026-02-31", "2027-02-29", "26-11-25", "2026-11", "2026-11-25-1", "today", ""] {
            assert_eq!(parse_day(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn seven_in_the_morning_in_kawasaki_is_ten_at_night_the_day_before_in_utc() {
        let at = UnixMillis(1_795_557_600_000);
        assert_eq!((Zone::default().date(at), Zone::default().time(at)), ("2026-11-24".to_owned(), "22:00:00".to_owned()));
        let tokyo = Zone::tokyo();
        assert_eq!((tokyo.date(at), tokyo.time(at)), ("2026-11-25".to_owned(), "07:00:00".to_owned()));
        assert_eq!(tokyo.day(at), parse_day("2026-11-25").unwrap());
        assert_eq!((tokyo.name(), Zone::default().name()), (Some("Asia/Tokyo"), None));
    }
}
