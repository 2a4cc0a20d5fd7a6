//! The file of a day's calls, as people's spreadsheets write it: which half hour, how many calls.
//!
//! CSV (RFC 4180) in UTF-8, with commas, semicolons or tabs; every mistake is found at once, with its line and column.

use std::path::Path;

/// A file of a day has 49 lines; this one is something else.
const FILE_MAX: u64 = 1 << 20;
/// Calls in half an hour beyond which a figure is a slip of the pen.
pub(crate) const CALLS_MAX: f64 = 100_000.0;
/// What may stand over the two columns, and the Shift-JIS of the Japanese ones (JIS X 0208), as an Excel that was not asked writes them.
const TIME: [(&str, &[u8]); 3] =
    [("time", b"time"), ("時刻", &[0x8e, 0x9e, 0x8d, 0x8f]), ("時間帯", &[0x8e, 0x9e, 0x8a, 0xd4, 0x91, 0xd1])];
const CALLS: [(&str, &[u8]); 3] =
    [("calls", b"calls"), ("件数", &[0x8c, 0x8f, 0x90, 0x94]), ("着信数", &[0x92, 0x85, 0x90, 0x4d, 0x90, 0x94])];

/// One half hour of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HalfHour {
    /// The line of the file, from 1.
    pub(crate) line: usize,
    /// `08:30`.
    pub(crate) time: String,
    pub(crate) calls: f64,
}

/// Where a file is not what it should be. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: Wrong,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrong {
    NothingInIt,
    NoHeader,
    NoRows,
    /// A line with no second column.
    NoCalls(String),
    /// A third column with something in it.
    ThirdColumn(String),
    OpenQuote,
    NoHalfHour(String),
    NotLater(String),
    NoNumber(String),
    OutOfRange(f64),
}

/// Why there are no half hours.
#[derive(Debug)]
pub(crate) enum Unread {
    Fault(std::io::Error),
    TooLarge,
    NotUtf8,
    Mistakes(Vec<Mistake>),
}

pub(crate) fn read(path: &Path) -> Result<Vec<HalfHour>, Unread> {
    use std::io::Read as _;
    // Not by its declared length: a device has none, and no end.
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes)).map_err(Unread::Fault)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Unread::TooLarge);
    }
    let text = String::from_utf8(bytes).or_else(|fault| from_shift_jis(fault.as_bytes()).ok_or(Unread::NotUtf8))?;
    parse(&text).map_err(Unread::Mistakes)
}

/// A file in Shift-JIS of which only the known words over the columns are not ASCII, and remarks, which nobody needs.
fn from_shift_jis(bytes: &[u8]) -> Option<String> {
    let line = |line: &[u8]| {
        if line.first() == Some(&b'#') {
            return Some("#".to_owned());
        }
        let mut text = Vec::new();
        let mut rest = line;
        while let Some((first, after)) = rest.split_first() {
            match TIME.iter().chain(&CALLS).find(|(_, written)| !first.is_ascii() && rest.starts_with(written)) {
                Some((word, written)) => {
                    text.extend_from_slice(word.as_bytes());
                    rest = &rest[written.len()..];
                }
                None => {
                    text.push(*first);
                    rest = after;
                }
            }
        }
        String::from_utf8(text).ok()
    };
    let lines: Option<Vec<String>> = bytes.split(|byte| *byte == b'\n').map(line).collect();
    Some(lines?.join("\n"))
}

/// The half hours of a file, or every mistake.
pub(crate) fn parse(text: &str) -> Result<Vec<HalfHour>, Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rows, mut mistakes): (Vec<HalfHour>, Vec<Mistake>) = (Vec::new(), Vec::new());
    let mut separator = None;
    let mut last: Option<u32> = None;
    for (line, written) in (1..).zip(text.lines()) {
        if written.trim_start().starts_with('#') {
            continue;
        }
        let between = separator.unwrap_or_else(|| separator_of(written));
        let fields = match fields(written, between) {
            Ok(fields) => fields,
            Err(column) => {
                mistakes.push(Mistake { line, column, what: Wrong::OpenQuote });
                continue;
            }
        };
        // Spreadsheets end with lines of which only the separators are left.
        if fields.iter().all(|field| field.text.is_empty()) {
            continue;
        }
        if separator.is_none() {
            separator = Some(between);
            if !is_header(&fields) {
                mistakes.push(Mistake { line, column: 1, what: Wrong::NoHeader });
            }
            continue;
        }
        match row(line, &fields, &mut last) {
            Ok(row) => rows.push(row),
            Err(wrong) => mistakes.extend(wrong.into_iter().map(|(column, what)| Mistake { line, column, what })),
        }
    }
    if separator.is_none() && mistakes.is_empty() {
        mistakes.push(Mistake { line: 1, column: 1, what: Wrong::NothingInIt });
    } else if rows.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake { line: 2, column: 1, what: Wrong::NoRows });
    }
    if mistakes.is_empty() { Ok(rows) } else { Err(mistakes) }
}

/// One line: the half hour, and everything that is wrong with it.
fn row(line: usize, fields: &[Field], last: &mut Option<u32>) -> Result<HalfHour, Vec<(usize, Wrong)>> {
    let Some([time, calls, others @ ..]) = fields.first_chunk::<2>().map(|_| fields) else {
        let [only, ..] = fields else { return Err(Vec::new()) };
        return Err(vec![(only.column + only.width, Wrong::NoCalls(only.text.clone()))]);
    };
    let mut wrong = Vec::new();
    let minute = half_hour(&time.text);
    match minute {
        Some(minute) if last.is_some_and(|last| minute <= last) => wrong.push((time.column, Wrong::NotLater(time.text.clone()))),
        Some(minute) => *last = Some(minute),
        None => wrong.push((time.column, Wrong::NoHalfHour(time.text.clone()))),
    }
    let count = number(&calls.text);
    match count {
        Some(n) if (0.0..=CALLS_MAX).contains(&n) => {}
        Some(n) => wrong.push((calls.column, Wrong::OutOfRange(n))),
        None => wrong.push((calls.column, Wrong::NoNumber(calls.text.clone()))),
    }
    if let Some(third) = others.iter().find(|field| !field.text.is_empty()) {
        wrong.push((third.column, Wrong::ThirdColumn(third.text.clone())));
    }
    match (minute, count, wrong.is_empty()) {
        (Some(minute), Some(calls), true) => Ok(HalfHour { line, time: format!("{:02}:{:02}", minute / 60, minute % 60), calls }),
        _ => Err(wrong),
    }
}

/// One field of a line, without its quotes.
struct Field {
    /// Where it begins, and how many signs it takes with its quotes.
    column: usize,
    width: usize,
    text: String,
}

/// The fields of a line (RFC 4180 §2: a field may stand in double quotes, a double quote in it is written twice), or where a quote was
/// opened that nobody closes.
fn fields(line: &str, separator: char) -> Result<Vec<Field>, usize> {
    let mut fields = Vec::new();
    let mut field = Field { column: 1, width: 0, text: String::new() };
    let mut quote: Option<usize> = None;
    let mut signs = (1..).zip(line.chars()).peekable();
    while let Some((column, sign)) = signs.next() {
        field.width += 1;
        match (sign, quote) {
            ('"', Some(_)) if signs.peek().is_some_and(|(_, next)| *next == '"') => {
                signs.next();
                field.width += 1;
                field.text.push('"');
            }
            ('"', Some(_)) => quote = None,
            ('"', None) if field.text.trim().is_empty() => quote = Some(column),
            (sign, None) if sign == separator => {
                field.width -= 1;
                fields.push(std::mem::replace(&mut field, Field { column: column + 1, width: 0, text: String::new() }));
            }
            (sign, _) => field.text.push(sign),
        }
    }
    if let Some(column) = quote {
        return Err(column);
    }
    fields.push(field);
    fields.iter_mut().for_each(|field| field.text = field.text.trim().to_owned());
    Ok(fields)
}

/// The separator of the first line is that of the others.
fn separator_of(header: &str) -> char {
    [';', '\t'].into_iter().find(|sign| header.contains(*sign)).unwrap_or(',')
}

fn is_header(fields: &[Field]) -> bool {
    let is = |at: usize, words: &[(&str, &[u8])]| {
        fields.get(at).is_some_and(|field| words.iter().any(|(word, _)| field.text.eq_ignore_ascii_case(word)))
    };
    is(0, &TIME) && is(1, &CALLS) && fields[2..].iter().all(|field| field.text.is_empty())
}

/// `42`, `42.5`, `1,234`.
fn number(text: &str) -> Option<f64> {
    let mut groups = text.split(',');
    let (first, others): (&str, Vec<&str>) = (groups.next()?, groups.collect());
    let whole = |group: &str| group.chars().all(|c| c.is_ascii_digit());
    // Commas stand before three figures each, or it is no number.
    let grouped = others.is_empty()
        || (whole(first)
            && (1..=3).contains(&first.len())
            && others.iter().all(|group| group.split('.').next().is_some_and(|g| g.len() == 3 && whole(g))));
    if !grouped || others.iter().rev().skip(1).any(|group| group.contains('.')) {
        return None;
    }
    text.replace(',', "").parse().ok().filter(|n: &f64| n.is_finite())
}

/// Minutes since midnight of `08:30`, `8:30` or `8:30:00`.
fn half_hour(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    let hour: u32 = hours.parse().ok().filter(|h| *h < 24 && hours.len() <= 2 && digits(hours))?;
    match minutes {
        "00" | "00:00" => Some(hour * 60),
        "30" | "30:00" => Some(hour * 60 + 30),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, f64)> {
        parse(text).unwrap_or_else(|wrong| panic!("{text:?}: {wrong:?}")).into_iter().map(|row| (row.time, row.calls)).collect()
    }

    #[test]
    fn a_day_is_read_as_spreadsheets_write_it() {
        let want = [("08:00".to_owned(), 42.0), ("08:30".to_owned(), 1234.0)];
        for text in [
            "time,calls\n08:00,42\n08:30,1234\n",
            "\u{feff}時刻,件数\r\n8:00,42\r\n8:30,\"1,234\"\r\n\r\n\r\n",
            "\"時刻\",\"件数\"\r\n\"8:00:00\",\"42\"\r\n\"8:30:00\",\"1,234\"\r\n,\r\n",
            "Time;Calls\n8:00;42\n8:30;1,234\n;\n",
            "時間帯\t着信数\n8:00\t42\n8:30\t\"1,234\"\n",
            "time,calls,\n# lunch\n 8:00 , 42 ,\n8:30,1234,,\n   \n",
        ] {
            assert_eq!(pairs(text), want, "{text:?}");
        }
        assert_eq!(pairs("time;calls\n23:30;0.5"), [("23:30".to_owned(), 0.5)]);
    }

    #[test]
    fn an_excel_that_was_not_asked_writes_shift_jis() {
        let mut bytes = b"\x8e\x9e\x8d\x8f,\x8c\x8f\x90\x94\r\n# \x92\x8b\x8b\x78\x82\xdd\r\n8:00,42\r\n".to_vec();
        assert_eq!(pairs(&from_shift_jis(&bytes).unwrap()), [("08:00".to_owned(), 42.0)]);
        assert_eq!(
            pairs(&from_shift_jis(b"\x8e\x9e\x8a\xd4\x91\xd1,\x92\x85\x90M\x90\x94\n8:00,42").unwrap()),
            [("08:00".to_owned(), 42.0)]
        );
        bytes.extend(b"8:30,\x8f\x5c\r\n");
        assert_eq!(from_shift_jis(&bytes), None, "a figure in Chinese signs is not guessed at");
    }

    #[test]
    fn every_mistake_is_found_at_its_place() {
        let wrong = |text: &str| -> Vec<(usize, usize, Wrong)> {
            parse(text).unwrap_err().into_iter().map(|m| (m.line, m.column, m.what)).collect()
        };
        let text = |s: &str| s.to_owned();
        assert_eq!(
            wrong("time,calls\r\n08:30,forty\r\n08:45,4\n# lunch\n09:00\n09:30,-1\n09:30,7\n10:00,1,234\n\"10:30,4\n11:00,\n"),
            [
                (2, 7, Wrong::NoNumber(text("forty"))),
                (3, 1, Wrong::NoHalfHour(text("08:45"))),
                (5, 6, Wrong::NoCalls(text("09:00"))),
                (6, 7, Wrong::OutOfRange(-1.0)),
                (7, 1, Wrong::NotLater(text("09:30"))),
                (8, 9, Wrong::ThirdColumn(text("234"))),
                (9, 1, Wrong::OpenQuote),
                (10, 7, Wrong::NoNumber(text(""))),
            ]
        );
        assert_eq!(wrong("08:30,4\n"), [(1, 1, Wrong::NoHeader)]);
        assert_eq!(wrong("時刻,件数,曜日\n08:30,4\n"), [(1, 1, Wrong::NoHeader)]);
        assert_eq!(wrong("\n\n"), [(1, 1, Wrong::NothingInIt)]);
        assert_eq!(wrong("time,calls\n"), [(2, 1, Wrong::NoRows)]);
        for no_number in ["nan", "inf", "1,23", "1,2345", "1e999", ",5", "1.5,234", "１２"] {
            assert_eq!(number(no_number), None, "{no_number}");
        }
        for no_half_hour in ["8", "24:00", "8:15", "8:00:30", "-8:00", "08:00:00:00", "8:00 AM"] {
            assert_eq!(half_hour(no_half_hour), None, "{no_half_hour}");
        }
    }
}
