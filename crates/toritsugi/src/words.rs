//! How the program talks to people: one clear sentence, then exit code 1.

use crate::explain::Tongue;
use model::UnixMillis;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

/// Why the program stops, as a sentence for the person who typed the command. Empty if all is said already.
#[derive(Debug)]
pub(crate) struct Stop(pub(crate) String);

impl Stop {
    pub(crate) fn new(sentence: impl Display) -> Stop {
        Stop(sentence.to_string())
    }
}

/// The same in the two languages of supervisors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Both {
    pub(crate) en: String,
    pub(crate) ja: String,
}

impl Both {
    pub(crate) fn new(en: impl Display, ja: impl Display) -> Both {
        Both { en: en.to_string(), ja: ja.to_string() }
    }
    /// In one of them.
    pub(crate) fn of(&self, tongue: Tongue) -> &str {
        match tongue {
            Tongue::English => &self.en,
            Tongue::Japanese => &self.ja,
        }
    }
    /// One more sentence; a blank stands between English ones.
    pub(crate) fn and(mut self, more: &Both) -> Both {
        self.en.push(' ');
        self.en.push_str(&more.en);
        self.ja.push_str(&more.ja);
        self
    }
}

/// Prints a line; a closed pipe (`| head`) ends the program quietly, as it does others.
pub(crate) fn say(line: impl Display) -> Result<(), Stop> {
    writeln!(io::stdout().lock(), "{line}").map_err(|_| Stop(String::new()))
}

/// A length for people: `0:07`, `12:30`.
pub(crate) fn clock(d: Duration) -> String {
    format!("{}:{:02}", d.as_secs() / 60, d.as_secs() % 60)
}

/// A moment for people, in UTC, without a calendar crate: `2026-11-22 07:00:00`.
pub(crate) fn utc(at: UnixMillis) -> String {
    let secs = at.0.div_euclid(1000);
    let (days, second) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    // Civil-from-days: eras of 400 years, years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// A text of somebody's file as a terminal may show it: at most 40 signs, and those that would steer the terminal or turn the line around
/// (control and formatting signs of Unicode) written out.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        match c {
            _ if n == 40 => {
                shown.push('…');
                break;
            }
            c if steers(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// Whether a sign would steer a terminal, end a line, or turn it around.
pub(crate) fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Columns on a terminal: signs of East Asia take two (UAX 11, wide and full-width).
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| if u32::from(c) >= 0x2E80 { 2 } else { 1 }).sum()
}

/// A text that fills so many columns, at its left or, for figures, at its right end.
pub(crate) fn fill(text: &str, columns: usize, right: bool) -> String {
    let blank = " ".repeat(columns.saturating_sub(width(text)));
    if right { format!("{blank}{text}") } else { format!("{text}{blank}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_does_not_steer_the_terminal() {
        assert_eq!(shown("\u{1b}[31m四十\u{202e}\r"), "\\u{1b}[31m四十\\u{202e}\\r");
        assert_eq!(shown(&"四".repeat(41)).chars().count(), 41);
    }

    #[test]
    fn a_japanese_word_takes_two_columns_a_sign() {
        assert_eq!((width("看護(2)"), width("nurse")), (7, 5));
        assert_eq!((fill("看護", 6, false), fill("0:07", 6, true)), ("看護  ".to_owned(), "  0:07".to_owned()));
        assert_eq!(fill("longer", 3, true), "longer", "nothing is cut");
    }

    #[test]
    fn a_stamp_reads_as_a_date() {
        assert_eq!(utc(UnixMillis(0)), "1970-01-01 00:00:00");
        assert_eq!(utc(UnixMillis(951_782_400_000)), "2000-02-29 00:00:00");
        assert_eq!(utc(UnixMillis(1_795_305_600_000)), "2026-11-22 00:00:00");
    }
}
