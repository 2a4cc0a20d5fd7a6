//! The national holidays of Japan, as the law gives them: for years of which no table has been announced yet.
//!
//! 国民の祝日に関する法律 (Act No. 178 of 1948), articles 2 and 3, as it stands since 2019, with the days that special acts moved or added in
//! 2019 (the Emperor's accession), 2020 and 2021 (the Games). The equinoxes are the Observatory's to announce, each February for the next year;
//! until then they follow from the mean motion of the sun, by a formula that holds from 1980 to 2099. We compute nothing beyond [`YEARS`].

use jiff::civil::{Date, Weekday};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The years that the law and the formula cover: before 2019 the days were others, after 2099 the formula drifts.
pub(crate) const YEARS: RangeInclusive<i16> = 2019..=2099;

/// Every national holiday of a year, with the days in lieu; empty outside of [`YEARS`].
pub(crate) fn of(year: i16) -> BTreeSet<Date> {
    if !YEARS.contains(&year) {
        return BTreeSet::new();
    }
    let named = named(year);
    let mut all = named.clone();
    for day in &named {
        // Article 3 (2): "where a national holiday falls on a Sunday, the nearest day after it that is no national holiday" is off.
        if day.weekday() == Weekday::Sunday {
            all.extend(following(*day).find(|after| !named.contains(after)));
        }
        // Article 3 (3): a day between two national holidays is off.
        if let Some(between) = following(*day).next().filter(|day| !named.contains(day))
            && following(between).next().is_some_and(|after| named.contains(&after))
        {
            all.insert(between);
        }
    }
    all
}

fn following(day: Date) -> impl Iterator<Item = Date> {
    day.series(jiff::Span::new().days(1)).skip(1)
}

/// The days of article 2, and those of the special acts.
fn named(year: i16) -> BTreeSet<Date> {
    // 元日, 建国記念の日, 昭和の日, 憲法記念日, みどりの日, こどもの日, 文化の日, 勤労感謝の日
    let mut days = vec![(1, 1), (2, 11), (4, 29), (5, 3), (5, 4), (5, 5), (11, 3), (11, 23), (3, spring(year)), (9, autumn(year))];
    // 成人の日, 敬老の日
    days.extend([(1, monday(year, 1, 2)), (9, monday(year, 9, 3))]);
    match year {
        // 即位の日 and 即位礼正殿の儀; the new Emperor's birthday comes later in the year than his accession.
        2019 => days.extend([(5, 1), (10, 22), (7, monday(year, 7, 3)), (8, 11), (10, monday(year, 10, 2))]),
        // 海の日, スポーツの日 and 山の日 made way for the Games.
        2020 => days.extend([(2, 23), (7, 23), (7, 24), (8, 10)]),
        2021 => days.extend([(2, 23), (7, 22), (7, 23), (8, 8)]),
        _ => days.extend([(2, 23), (7, monday(year, 7, 3)), (8, 11), (10, monday(year, 10, 2))]),
    }
    days.into_iter().filter_map(|(month, day)| Date::new(year, month, day).ok()).collect()
}

/// The n-th Monday of a month.
fn monday(year: i16, month: i8, nth: i8) -> i8 {
    let first = Date::new(year, month, 1).map_or(0, |day| day.weekday().to_monday_zero_offset());
    1 + (7 - first) % 7 + 7 * (nth - 1)
}

/// 春分の日 in March: the sun passes 20.8431 days into the month in 1980, and 0.242194 days later each year, less the leap days.
fn spring(year: i16) -> i8 {
    equinox(208_431, year)
}

/// 秋分の日 in September.
fn autumn(year: i16) -> i8 {
    equinox(232_488, year)
}

/// In whole numbers, so that every machine agrees: ten-thousandths of a day in 1980, and millionths each year.
fn equinox(in_1980: i64, year: i16) -> i8 {
    let years = i64::from(year) - 1980;
    let days = (in_1980 * 100 + 242_194 * years) / 1_000_000 - years / 4;
    i8::try_from(days).unwrap_or(21)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As announced: an independent table, kept with the tests.
    const ANNOUNCED: &str = include_str!("../../../tests/data/holidays/japan_2019_2030.csv");

    #[test]
    fn the_law_gives_every_announced_holiday_and_no_other() {
        let announced: BTreeSet<Date> = ANNOUNCED.lines().skip(1).map(|line| line[..10].parse().unwrap()).collect();
        assert_eq!(announced.len(), 219);
        let mut day = Date::constant(2019, 1, 1);
        while day.year() <= 2030 {
            assert_eq!(of(day.year()).contains(&day), announced.contains(&day), "{day}");
            day = day.tomorrow().unwrap();
        }
    }

    #[test]
    fn days_in_lieu_and_days_between_follow_from_the_law() {
        let has = |day: &str| {
            let day: Date = day.parse().unwrap();
            of(day.year()).contains(&day)
        };
        // 2032-09-20 is a Monday, the 22nd the equinox: the day between is off. Likewise in 2026.
        for day in ["2026-09-22", "2032-09-21", "2034-01-02", "2033-03-21", "2099-11-23"] {
            assert!(has(day), "{day}");
        }
        for day in ["2034-01-03", "2033-05-06", "2036-09-21"] {
            assert!(!has(day), "{day}");
        }
        // Sixteen, and three that fall on a Sunday.
        assert_eq!((of(2018).len(), of(2100).len(), of(2031).len()), (0, 0, 19));
    }

    /// The Observatory's own days for the years in which they change place (理科年表).
    #[test]
    fn the_equinoxes_fall_where_the_sun_is() {
        assert_eq!([2019, 2020, 2023, 2024, 2025, 2027, 2028].map(spring), [21, 20, 21, 20, 20, 21, 20]);
        assert_eq!([2019, 2020, 2023, 2024, 2025, 2027, 2028].map(autumn), [23, 22, 23, 22, 23, 23, 22]);
    }
}
