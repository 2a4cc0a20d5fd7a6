//! The file of a day's calls, as people's spreadsheets write it: which half hour, how many calls.
//!
//! CSV (RFC 4180) in UTF-8, with commas, semicolons or tabs; every mistake is found at once, with its line and column.
//!
//! A comma or a point before exactly three figures is a thousand in one country and a part in another. Where commas or tabs separate, as in
//! Japan, a comma stands before thousands. Everything else is decided by the other figures of the file, or asked back: to be wrong here is
//! to be wrong a thousandfold.

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
    /// A mark before exactly three figures, which stands before a thousand to some and before a part to others.
    Ambiguous(String),
    /// `sep=` and what nobody separates with.
    NoSeparator(String),
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
    let (mut separator, mut named) = (None, None);
    let mut decimal = None;
    let mut last: Option<u32> = None;
    for (line, written) in (1..).zip(text.lines()) {
        if written.trim_start().starts_with('#') {
            continue;
        }
        if let (None, None, Some(sign)) = (separator, named, separator_line(written)) {
            named = sign.chars().next().filter(|sign| matches!(sign, ',' | ';' | '\t' | '|'));
            if named.is_none() {
                mistakes.push(Mistake { line, column: 5, what: Wrong::NoSeparator(sign.to_owned()) });
            }
            continue;
        }
        let between = separator.or(named).unwrap_or_else(|| separator_of(written));
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
            decimal = decimal_of(text, between);
            if !is_header(&fields) {
                mistakes.push(Mistake { line, column: 1, what: Wrong::NoHeader });
            }
            continue;
        }
        match row(line, &fields, &Marks { separator: between, decimal }, &mut last) {
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
fn row(line: usize, fields: &[Field], marks: &Marks, last: &mut Option<u32>) -> Result<HalfHour, Vec<(usize, Wrong)>> {
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
    let count = marks.number(&calls.text).and_then(|n| match (0.0..=CALLS_MAX).contains(&n) {
        true => Ok(n),
        false => Err(Wrong::OutOfRange(n)),
    });
    let count = count.map_err(|why| wrong.push((calls.column, why))).ok();
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

/// What follows `sep=`, a line that Excel writes and reads and RFC 4180 does not know; with quotes around it, if it was saved as a field.
fn separator_line(line: &str) -> Option<&str> {
    let line = line.strip_prefix('"').unwrap_or(line);
    let (word, sign) = line.split_at_checked(4)?;
    word.eq_ignore_ascii_case("sep=").then_some(sign)
}

fn is_header(fields: &[Field]) -> bool {
    let is = |at: usize, words: &[(&str, &[u8])]| {
        fields.get(at).is_some_and(|field| words.iter().any(|(word, _)| field.text.eq_ignore_ascii_case(word)))
    };
    is(0, &TIME) && is(1, &CALLS) && fields[2..].iter().all(|field| field.text.is_empty())
}

/// How the figures of a file are written.
struct Marks {
    separator: char,
    /// What stands before parts, if a figure of the file leaves no doubt.
    decimal: Option<char>,
}

/// The mark before parts, from the first figure of the second column that leaves no doubt: `1.5`, `0,125`, `1.234,5`, `1.234.567`.
fn decimal_of(text: &str, separator: char) -> Option<char> {
    let other = |mark: char| if mark == '.' { ',' } else { '.' };
    let told = |figure: &str| {
        let (at, mark) = figure.char_indices().rfind(|(_, sign)| matches!(sign, '.' | ','))?;
        let (before, behind) = (&figure[..at], &figure[at + 1..]);
        let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        let part = behind.len() != 3 || matches!(before, "" | "0") || (digits(before) && before.len() > 3);
        match () {
            () if !digits(&figure.replace(['.', ','], "")) || behind.is_empty() => None,
            () if before.contains(mark) => Some(other(mark)),
            () if before.contains(other(mark)) || part => Some(mark),
            () => None,
        }
    };
    let second = |line: &str| fields(line, separator).ok().and_then(|mut fields| (fields.len() > 1).then(|| fields.swap_remove(1).text));
    let mut marks = text.lines().filter_map(second).filter_map(|figure| told(&figure));
    // Between commas a comma before parts is a slip of the pen.
    marks.find(|mark| separator == ';' || *mark == '.')
}

impl Marks {
    /// The figure that a field says.
    fn number(&self, text: &str) -> Result<f64, Wrong> {
        let mut marks = text.match_indices(['.', ',']);
        let three = match (marks.next(), marks.next()) {
            (Some((at, mark)), None) if text.len() - at == 4 => Some((&text[..at], mark)),
            _ => None,
        };
        let doubtful = self.decimal.is_none()
            && three
                .is_some_and(|(before, mark)| (1..=3).contains(&before.len()) && before != "0" && (mark == "." || self.separator == ';'));
        let swap = |sign: char| match sign {
            '.' => ',',
            ',' => '.',
            other => other,
        };
        let read = if self.decimal == Some(',') { number(&text.chars().map(swap).collect::<String>()) } else { number(text) };
        match read {
            Some(_) if doubtful => Err(Wrong::Ambiguous(text.to_owned())),
            Some(n) => Ok(n),
            None => Err(Wrong::NoNumber(text.to_owned())),
        }
    }
}

/// `42`, `42.5`, `1,234`.
fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    // What a machine writes besides, `1e3`, `inf`, `+5`, is no count of calls.
    if !unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')) {
        return None;
    }
    let mut groups = unsigned.split(',');
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
    // Nothing less nothing is nothing: there is no -0 of calls.
    text.replace(',', "").parse().ok().filter(|n: &f64| n.is_finite()).map(|n| n + 0.0)
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
            "Time;Calls\n8:00;42\n8:30;1234\n;\n",
            "sep=,\r\ntime,calls\r\n8:00,42\r\n8:30,\"1,234\"\r\n",
            "\u{feff}SEP=;\ntime;calls\n8:00;42\n8:30;1234\n",
            "sep=\t\ntime\tcalls\n8:00\t42\n8:30\t1234\n",
            "\"sep=|\"\ntime|calls\n8:00|42\n8:30|1234\n",
            "time,calls\n8:00,42\n8:30,\"1,234.0\"\n",
            "時間帯\t着信数\n8:00\t42\n8:30\t\"1,234\"\n",
            "time,calls,\n# lunch\n 8:00 , 42 ,\n8:30,1234,,\n   \n",
        ] {
            assert_eq!(pairs(text), want, "{text:?}");
        }
        assert_eq!(pairs("time;calls\n23:30;0.5"), [("23:30".to_owned(), 0.5)]);
    }

    #[test]
    fn a_mark_before_three_figures_is_decided_by_the_file_or_asked_back() {
        let calls = |text: &str| pairs(text).into_iter().map(|(_, calls)| calls).collect::<Vec<_>>();
        // A German spreadsheet, known by its decimal comma; one that writes points; long averages.
        assert_eq!(calls("time;calls\n8:00;1,5\n8:30;1.234\n9:00;41,667\n9:30;1.234,5\n"), [1.5, 1234.0, 41.667, 1234.5]);
        assert_eq!(calls("time;calls\n8:00;1.5\n8:30;41.667\n9:00;1,234\n"), [1.5, 41.667, 1234.0]);
        assert_eq!(calls("time;calls\n8:00;0,125\n8:30;1.234\n"), [0.125, 1234.0]);
        assert_eq!(calls("time,calls\n8:00,12.3333\n8:30,1.234\n9:00,\"1,234\"\n"), [12.3333, 1.234, 1234.0]);
        assert_eq!(calls("time,calls\n8:00,0.125\n"), [0.125]);
        // Nobody can know.
        for text in ["time;calls\n8:00;42\n8:30;1.234\n", "time;calls\n8:00;42\n8:30;1,234\n", "time,calls\n8:00,42\n8:30,1.234\n"] {
            let asked = parse(text).unwrap_err();
            assert!(matches!(asked.as_slice(), [Mistake { line: 3, column: 6, what: Wrong::Ambiguous(_) }]), "{text}: {asked:?}");
        }
        assert!(parse("time,calls\n8:00,\"1,5\"\n").is_err(), "between commas it is a slip of the pen");
        assert_eq!(parse("sep=x\ntime,calls\n8:00,4\n").unwrap_err()[0].what, Wrong::NoSeparator("x".to_owned()));
    }

    #[test]
    fn nothing_less_nothing_is_nothing() {
        assert!(number("-0").unwrap().is_sign_positive());
        assert_eq!(number("-0").unwrap().to_string(), "0");
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
        for no_number in ["nan", "inf", "1,23", "1,2345", "1e999", "1e3", "+5", ".", "-", ",5", "1.5,234", "１２"] {
            assert_eq!(number(no_number), None, "{no_number}");
        }
        for no_half_hour in ["8", "24:00", "8:15", "8:00:30", "-8:00", "08:00:00:00", "8:00 AM"] {
            assert_eq!(half_hour(no_half_hour), None, "{no_half_hour}");
        }
    }
}
