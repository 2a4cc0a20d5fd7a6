//! Who did what: `audit.jsonl` of the state folder, one JSON object a line, and `toritsugi audit`, which prints it.
//!
//! Each line holds the SHA-256 of the one before it, so that nobody changes a line or takes one out unseen; what is cut off at the end leaves no
//! trace, whoever keeps copies elsewhere sees it. It is a file of its own, and not the journal, because the journal has one writer, and commands
//! that show what is sealed write here while an engine runs or none does. Writers take turns by a lock on the file.
//!
//! No telephone number stands in it: long rows of figures are masked, whoever wrote them.

use crate::explain::Tongue;
use crate::publish::wall;
use crate::publisher::Front;
use crate::words::{Both, Stop, say, shown, steers};
use crate::zone::{Town, Zone, parse_day};
use crate::{CityArgs, StateArgs, client};
use clap::Args;
use model::{REMARK_MAX, UnixMillis, hex};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use web::{Later, Ledger, Line, Span, Unread};

/// The file of the state folder.
pub(crate) const FILE: &str = "audit.jsonl";
/// What the file holds at most: above it nothing is changed and nothing shown until somebody has put it aside. At fifty changes a day that is
/// ninety years; a program that runs wild with one token, 120 of the longest orders a minute, takes some hours. Calls go on.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A line is below this: an order has 12 KiB, of which nothing becomes more than three times as long.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long a writer waits for another one, which takes milliseconds.
const TURN: Duration = Duration::from_secs(2);
/// Lines that are shown to a program at once.
const LINES_MAX: usize = 1000;
/// Lines that are printed at once.
const PRINTED_MAX: usize = 100_000;
/// Figures in a row that may be somebody's number. A day and an hour are less, and so is any amount that an order has.
const FIGURES_MIN: usize = 9;

/// The record of a state folder.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    path: PathBuf,
}

impl Audit {
    pub(crate) fn of(state: &Path) -> Audit {
        Audit { path: state.join(FILE) }
    }

    /// Adds a line of these fields, and has it on the disk; its number.
    ///
    /// # Errors
    /// When it cannot be written, or is full.
    pub(crate) fn append(&self, mut fields: Map<String, Value>) -> io::Result<u64> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        hand_over(&self.path);
        take_turn(&file)?;
        if file.metadata()?.len() >= BYTES_MAX {
            return Err(io::Error::new(ErrorKind::StorageFull, "it is full: put it aside, and a new one is begun"));
        }
        let last = Last::of(&mut file)?;
        fields.iter_mut().filter(|(key, _)| *key != "from").for_each(|(_, value)| mask(value));
        fields.insert("n".to_owned(), last.number.saturating_add(1).into());
        fields.insert("at".to_owned(), wall().0.into());
        fields.insert("prev".to_owned(), last.hash.into());
        // A line that a crash cut off is left as it is, and ended.
        let line = format!("{}{}\n", if last.torn { "\n" } else { "" }, one_line(&Value::Object(fields)));
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        Ok(last.number.saturating_add(1))
    }

    /// The newest lines that are wanted, and whether every line of the whole file follows from the one before it.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn read(&self, wanted: impl Fn(UnixMillis) -> bool, lines_max: usize) -> io::Result<Lines> {
        let mut read = Lines::default();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(read),
            Err(fault) => return Err(fault),
        };
        let (mut reader, mut line, mut before) = (BufReader::new(file), Vec::new(), None::<String>);
        for number in 1.. {
            line.clear();
            // A line without its end is being written at this moment, or was cut off by a crash: it counts once it has one.
            if reader.read_until(b'\n', &mut line)? == 0 || line.pop() != Some(b'\n') {
                break;
            }
            let value = serde_json::from_slice::<Value>(&line).unwrap_or_default();
            let follows = match (value.get("prev").and_then(Value::as_str), &before) {
                (Some(prev), Some(before)) => prev == before,
                (Some(prev), None) => prev == hash(b""),
                // What older versions wrote stands before the chain; a line that a crash cut off within it.
                (None, _) => !read.chained || value.is_null(),
            };
            read.chained |= value.get("prev").is_some();
            if !follows {
                read.broken.get_or_insert(number);
            }
            before = Some(hash(&line));
            if wanted(UnixMillis(value.get("at").and_then(Value::as_i64).unwrap_or_default())) {
                read.lines.push_back(value);
                if read.lines.len() > lines_max {
                    read.lines.pop_front();
                    read.more = true;
                }
            }
        }
        Ok(read)
    }
}

/// Lines of the record, the oldest first.
#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Value>,
    /// Older ones are left out.
    more: bool,
    /// Which line of the file is the first that does not follow from the one before it.
    broken: Option<u64>,
    chained: bool,
}

/// Where the record ends.
struct Last {
    number: u64,
    hash: String,
    /// The last line has no end.
    torn: bool,
}

impl Last {
    fn of(file: &mut File) -> io::Result<Last> {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(LINE_BYTES_MAX)))?;
        let mut tail = Vec::new();
        file.take(LINE_BYTES_MAX).read_to_end(&mut tail)?;
        let torn = tail.last().is_some_and(|last| *last != b'\n');
        let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
        let last = body.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        // A cut line has no number: the one before it tells.
        let number = |line: &[u8]| serde_json::from_slice::<Value>(line).ok()?.get("n")?.as_u64();
        let number = body.rsplit(|byte| *byte == b'\n').find_map(number).unwrap_or_default();
        Ok(Last { number, hash: hash(last), torn })
    }
}

fn hash(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

/// Gives a file to whom its folder belongs: what the machine's administrator makes there, the engine's own user must read and write. Whoever may
/// not give it away is that user already.
pub(crate) fn hand_over(path: &Path) {
    let owner = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.uid(), meta.gid()));
    if let (Some(own), Some((uid, gid))) = (owner(path), path.parent().and_then(owner))
        && own.0 != uid
    {
        let _ = chown(path, Some(uid), Some(gid));
    }
}

/// Waits for whoever writes at this moment; the lock goes with the file.
fn take_turn(file: &File) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < TURN => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => return Err(io::Error::new(ErrorKind::TimedOut, "another program holds it")),
            Err(TryLockError::Error(fault)) => return Err(fault),
        }
    }
}

/// A value in one line that steers no terminal and that every reader takes for one: JSON leaves U+0085 and its like as they are, and they stand
/// inside texts only.
fn one_line(value: &Value) -> String {
    let mut line = String::new();
    for sign in value.to_string().chars() {
        if steers(sign) {
            let _ = write!(line, "\\u{:04x}", u32::from(sign));
        } else {
            line.push(sign);
        }
    }
    line
}

/// Masks what could be a person's number in every text of a value.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = masked(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => fields.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `call 090-1234-5678` as `call 090-****-**78`: of nine figures and more in a row, whatever stands between them that people write into numbers,
/// the first three and the last two are left. A day `2026-11-27` is none of it.
fn masked(text: &str) -> String {
    // In another writing it is a number all the same.
    let text = &if text.contains('%') { model::hide_numbers(text, 9) } else { text.to_owned() };
    let figure = char::is_numeric;
    let between = |c: char| matches!(c, '-' | '.' | ' ' | '(' | ')' | '/' | '－' | 'ー' | '‐' | '−' | '（' | '）' | '　' | '・');
    let mut signs: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < signs.len() {
        if is_day(signs.get(at..at + 10).unwrap_or_default()) {
            at += 10;
            continue;
        }
        let mut figures = Vec::new();
        let mut end = at;
        while let Some(sign) = signs.get(end).filter(|sign| figure(**sign) || (!figures.is_empty() && between(**sign))) {
            if figure(*sign) {
                figures.push(end);
            }
            end += 1;
        }
        if figures.len() >= FIGURES_MIN {
            figures[3..figures.len() - 2].iter().for_each(|figure| signs[*figure] = '*');
        }
        at = end.max(at + 1);
    }
    signs.into_iter().collect()
}

/// `2026-11-27` and nothing longer that only begins so, as far as ten signs tell.
fn is_day(signs: &[char]) -> bool {
    let text: String = signs.iter().collect();
    text.starts_with("20") && parse_day(&text).is_some()
}

/// Somebody at this machine does something that is written down first.
///
/// # Errors
/// When it cannot be written down: then it must not be done.
pub(crate) fn first(state: &Path, did: &str, what: Value, why: Option<&str>, tongue: Tongue) -> Result<(), Stop> {
    let mut fields = Map::new();
    fields.insert("by".to_owned(), client::whoami().into());
    fields.insert("did".to_owned(), did.into());
    fields.insert("what".to_owned(), what);
    if let Some(why) = why {
        fields.insert("why".to_owned(), why.into());
    }
    let audit = Audit::of(state);
    audit.append(fields).map(|_| ()).map_err(|fault| {
        let file = audit.path.display();
        let said = Both::new(
            format_args!("{file} cannot be written, so nothing is shown or changed: {fault}"),
            format_args!("{file} に記録できないため、表示も変更もしていません（{fault}）。"),
        );
        Stop::new(said.of(tongue))
    })
}

/// A reason as whoever reads the record needs it: some words, in one line. For `--why`.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say why, in some words: whoever reads audit.jsonl should understand it / 理由を書いてください".to_owned());
    }
    if text.chars().count() > REMARK_MAX || text.chars().any(char::is_control) {
        return Err(format!("at most {REMARK_MAX} signs in one line / {REMARK_MAX} 文字以内、1 行で書いてください"));
    }
    Ok(text.to_owned())
}

/// The record as the HTTP side holds it.
pub(crate) struct Record {
    pub(crate) audit: Audit,
    pub(crate) front: Arc<Front>,
}

impl Ledger for Record {
    fn write(&self, line: Line) -> Later<'_, Option<u64>> {
        let audit = self.audit.clone();
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || audit.append(fields(line))).await.ok()?;
            written.inspect_err(|fault| tracing::error!(%fault, "{FILE} of the state folder cannot be written: no change is made")).ok()
        })
    }

    fn read(&self, span: Span) -> Later<'_, Result<String, Unread>> {
        let (audit, zone) = (self.audit.clone(), self.front.zone());
        Box::pin(async move {
            let within = Within::new(span.from.as_deref(), span.to.as_deref(), zone).ok_or(Unread::Span)?;
            let read = tokio::task::spawn_blocking(move || audit.read(|at| within.holds(at), LINES_MAX)).await;
            let read = read.map_err(|_| Unread::Lost)?;
            let Lines { lines, more, broken, .. } = read.map_err(|fault| {
                tracing::error!(%fault, "{FILE} of the state folder cannot be read");
                Unread::Lost
            })?;
            // What a crash cut off is no line for a program.
            let lines: Vec<Value> = lines.into_iter().filter(Value::is_object).collect();
            Ok(json!({ "lines": lines, "more": more, "whole": broken.is_none() }).to_string())
        })
    }
}

fn fields(line: Line) -> Map<String, Value> {
    let value = match line {
        Line::Asked { by, role, from, did, what } => json!({ "by": by, "role": role, "from": from, "did": did, "what": what }),
        Line::Became { of, outcome } => json!({ "of": of, "outcome": outcome }),
        Line::Refused { by, from, did, outcome, times } => {
            let mut value = json!({ "did": did, "outcome": outcome, "times": times });
            by.into_iter().for_each(|by| value["by"] = by.into());
            value["from"] = from.map_or_else(|| "elsewhere".into(), |from| json!(from));
            value
        }
    };
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

/// From when to when.
struct Within {
    from: Option<End>,
    to: Option<End>,
    zone: Zone,
}

enum End {
    Day(i64),
    Millis(i64),
}

impl Within {
    /// `None`: an end is neither a day nor milliseconds.
    fn new(from: Option<&str>, to: Option<&str>, zone: Zone) -> Option<Within> {
        let end = |text: Option<&str>| match text {
            None => Some(None),
            Some(text) if text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit()) => Some(Some(End::Millis(text.parse().ok()?))),
            Some(text) => Some(Some(End::Day(parse_day(text)?))),
        };
        Some(Within { from: end(from)?, to: end(to)?, zone })
    }

    fn holds(&self, at: UnixMillis) -> bool {
        let after = match self.from {
            None => true,
            Some(End::Day(day)) => self.zone.day(at) >= day,
            Some(End::Millis(millis)) => at.0 >= millis,
        };
        let before = match self.to {
            None => true,
            Some(End::Day(day)) => self.zone.day(at) <= day,
            Some(End::Millis(millis)) => at.0 < millis,
        };
        after && before
    }
}

#[derive(Args)]
pub(crate) struct AuditArgs {
    /// From this day, 2026-11-26, in the city's time
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// To this day, and with it
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi audit`: reads the state folder, whether or not an engine runs. Ends with 1 where a line does not follow from the one before it.
pub(crate) fn run(args: &AuditArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let audit = Audit::of(&args.state.state);
    let (file, zone) = (audit.path.display(), Town::find(&args.city)?.zone);
    let stop = |said: Both| Stop::new(said.of(tongue));
    let within = Within::new(args.from.as_deref(), args.to.as_deref(), zone.clone()).ok_or_else(|| {
        stop(Both::new(
            "--from and --to are days, as in 2026-11-26, or milliseconds since 1970 UTC",
            "--from と --to には、2026-11-26 のような日付か、1970 年（UTC）からのミリ秒を書いてください。",
        ))
    })?;
    let read = audit.read(|at| within.holds(at), PRINTED_MAX).map_err(|fault| {
        stop(Both::new(format_args!("{file} cannot be read: {fault}"), format_args!("{file} を読めません（{fault}）。")))
    })?;
    if args.json {
        for line in &read.lines {
            say(one_line(line))?;
        }
    } else {
        for line in page(&read.lines, &zone, tongue) {
            say(line)?;
        }
        if read.lines.is_empty() {
            let nothing = Both::new(
                format_args!("Nothing is written in {file} for this time."),
                format_args!("{file} には、この期間の記録がありません。"),
            );
            say(nothing.of(tongue))?;
        }
    }
    if read.more {
        let more = Both::new(
            format_args!("Only the newest {PRINTED_MAX} lines are shown: --from and --to choose others."),
            format_args!("新しいほうから {PRINTED_MAX} 行だけを表示しました。ほかは --from と --to で選んでください。"),
        );
        eprintln!("{}", more.of(tongue));
    }
    match read.broken {
        None => Ok(()),
        Some(line) => Err(stop(Both::new(
            format_args!(
                "line {line} of {file} does not follow from the line before it: it was changed, or lines before it were taken out"
            ),
            format_args!("{file} の {line} 行目が、その前の行とつながりません。書き換えられたか、前の行が取り除かれています。"),
        ))),
    }
}

/// One line for each thing that was done; what became of it stands with it.
fn page(lines: &VecDeque<Value>, zone: &Zone, tongue: Tongue) -> Vec<String> {
    let number = |line: &Value, key: &str| line.get(key).and_then(Value::as_u64);
    let became: BTreeMap<u64, u64> = lines.iter().filter_map(|line| Some((number(line, "of")?, number(line, "outcome")?))).collect();
    let told = |line: &Value| {
        if line.get("of").is_some() {
            return None;
        }
        let Some(at) = line.get("at").and_then(Value::as_i64).map(UnixMillis) else {
            return Some(Both::new("(a line that was cut off)", "（途中で切れた行）").of(tongue).to_owned());
        };
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut told = format!("{} {}  ", zone.date(at), zone.time(at));
        let stranger = Both::new("nobody known", "不明");
        let _ = write!(told, "{}", if line.get("by").is_some() { shown(text("by")) } else { stranger.of(tongue).to_owned() });
        if line.get("role").is_some() {
            let _ = write!(told, " ({})", shown(text("role")));
        }
        if line.get("from").is_some() {
            let _ = write!(told, " {}", shown(text("from")));
        }
        let _ = write!(told, "  {}", shown(text("did")));
        for (key, value) in line.get("what").and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let value = match value.as_i64().filter(|_| key == "expires").map(UnixMillis) {
                Some(at) => format!("{} {}", zone.date(at), zone.time(at)),
                None => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            };
            if !value.is_empty() {
                let _ = write!(told, " {}={}", shown(key), shown(&value));
            }
        }
        // Older versions wrote the call beside the rest.
        if let Some(call) = number(line, "call") {
            let _ = write!(told, " call={call}");
        }
        if !text("why").is_empty() {
            let _ = write!(told, "{}{}", Both::new(": ", "。理由：").of(tongue), text("why").escape_debug());
        }
        let outcome = match (number(line, "outcome"), number(line, "n").and_then(|n| became.get(&n).copied())) {
            (Some(outcome), _) => Some(turned_away(outcome, number(line, "times").unwrap_or(1))),
            (None, Some(outcome)) => Some(done(outcome)),
            // It came through the door, and the engine ended before it said how.
            (None, None) if line.get("from").is_some() => Some(Both::new("it is not known what became of it", "結果は記録されていません")),
            (None, None) => None,
        };
        if let Some(outcome) = outcome {
            let _ = write!(told, "  -> {}", outcome.of(tongue));
        }
        Some(told)
    };
    lines.iter().filter_map(told).collect()
}

fn done(outcome: u64) -> Both {
    match outcome {
        200 => Both::new("done", "実行"),
        202 => Both::new("done, takes effect with the phone", "実行（電話機の登録後に有効）"),
        _ => Both::new(format_args!("not done ({outcome})"), format_args!("実行せず（{outcome}）")),
    }
}

fn turned_away(outcome: u64, times: u64) -> Both {
    let (en, ja) = match outcome {
        401 => ("turned away, no good token", "拒否（有効なトークンなし）"),
        403 => ("turned away, not for this role", "拒否（役割の権限外）"),
        429 => ("turned away, too often", "拒否（回数の上限）"),
        _ => ("turned away", "拒否"),
    };
    if times == 1 {
        Both::new(en, ja)
    } else {
        Both::new(format_args!("{en}, {times} times more"), format_args!("{ja}、さらに {times} 回"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);
    impl Folder {
        fn new(test: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("toritsugi-audit-{}-{test}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
        fn file(&self) -> PathBuf {
            self.0.join(FILE)
        }
        fn text(&self) -> String {
            fs::read_to_string(self.file()).unwrap()
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn asked(what: Value) -> Map<String, Value> {
        let from = "192.168.100.200".parse().unwrap();
        fields(Line::Asked { by: "mori".to_owned(), role: "supervisor", from, did: "POST /api/orders".to_owned(), what })
    }

    #[test]
    fn every_line_follows_from_the_one_before_and_a_changed_one_is_found() {
        let folder = Folder::new("chain");
        let audit = Audit::of(&folder.0);
        // What an older version wrote stands before the chain.
        fs::write(folder.file(), "{\"at\":1,\"by\":\"root\",\"did\":\"trace --reveal\",\"call\":12,\"why\":\"x\"}\n").unwrap();
        let numbers: Vec<u64> = (0..3).map(|n| audit.append(asked(json!({ "level": n }))).unwrap()).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let all = |audit: &Audit| audit.read(|_| true, usize::MAX).unwrap();
        assert_eq!((all(&audit).lines.len(), all(&audit).broken), (4, None));
        let whole = folder.text();
        fs::write(folder.file(), whole.replace("\"level\":1", "\"level\":5")).unwrap();
        assert_eq!(all(&audit).broken, Some(4), "the line after the changed one does not follow from it");
        let without: Vec<&str> = whole.lines().enumerate().filter(|(n, _)| *n != 2).map(|(_, line)| line).collect();
        fs::write(folder.file(), without.join("\n") + "\n").unwrap();
        assert_eq!(all(&audit).broken, Some(3));
        fs::write(folder.file(), whole.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        assert_eq!(all(&audit).broken, Some(1), "the beginning was taken out");
    }

    #[test]
    fn a_line_that_a_crash_cut_off_stays_and_the_next_one_begins_after_it() {
        let folder = Folder::new("torn");
        let audit = Audit::of(&folder.0);
        audit.append(asked(json!({}))).unwrap();
        fs::write(folder.file(), folder.text() + "{\"at\":5,\"by\":\"mo").unwrap();
        assert_eq!(audit.append(asked(json!({}))).unwrap(), 2);
        let read = audit.read(|_| true, usize::MAX).unwrap();
        assert_eq!((read.lines.len(), read.broken, folder.text().lines().count()), (3, None, 3));
    }

    #[test]
    fn writers_take_turns_and_none_overwrites_another() {
        let folder = Folder::new("turns");
        let audit = Audit::of(&folder.0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| assert!(audit.append(asked(json!({}))).is_ok())));
            }
        });
        let read = audit.read(|_| true, usize::MAX).unwrap();
        let numbers: Vec<u64> = read.lines.iter().map(|line| line["n"].as_u64().unwrap()).collect();
        assert_eq!((numbers, read.broken), ((1..=40).collect(), None));
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.file()).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_the_administrator_writes_belongs_to_the_engine() {
        let folder = Folder::new("owner");
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        // Only root may give a folder away: whoever else runs this proves that nothing changes for them.
        let (mine, given) = (owner(&folder.0), chown(&folder.0, Some(4711), None).is_ok());
        Audit::of(&folder.0).append(asked(json!({}))).unwrap();
        assert_eq!(owner(&folder.file()), if given { 4711 } else { mine });
    }

    #[test]
    fn what_cannot_be_written_down_is_said() {
        let folder = Folder::new("nowhere");
        let nowhere = Audit::of(&folder.0.join("gone"));
        assert!(nowhere.append(asked(json!({}))).is_err());
        assert!(nowhere.read(|_| true, 1).unwrap().lines.is_empty());
        let Stop(said) = first(&folder.0.join("gone"), "token add", json!({}), None, Tongue::English).unwrap_err();
        assert!(said.contains("audit.jsonl cannot be written, so nothing is shown or changed"), "{said}");
    }

    #[test]
    fn no_number_of_a_person_is_written_down_and_days_are() {
        for (text, written) in [
            ("call 090-1234-5678 back", "call 090-****-**78 back"),
            ("09012345678", "090******78"),
            ("0４４－２００－００００へ", "0４４－***－**００へ"),
            ("(044) 200 0000", "(044) *** **00"),
            ("٠٩٠١٢٣٤٥٦٧٨", "٠٩٠******٧٨"),
            ("+81 90 1234 5678", "+81 9* **** **78"),
            ("until 2026-11-27 09:00", "until 2026-11-27 09:00"),
            ("2026-11-27 090-1234-5678", "2026-11-27 090-****-**78"),
            ("2026-99-27-1234", "202*-**-**-**34"),
            ("notice city, level 4, 12345678", "notice city, level 4, 12345678"),
        ] {
            assert_eq!(masked(text), written);
        }
        let folder = Folder::new("mask");
        let audit = Audit::of(&folder.0);
        audit.append(asked(json!({ "why": "told by 09012345678", "texts": [["ja", "電話 0441234567"]] }))).unwrap();
        let text = folder.text();
        assert!(!text.contains("09012345678") && !text.contains("0441234567") && text.contains("192.168.100.200"), "{text}");
    }

    #[test]
    fn what_somebody_sends_neither_ends_the_line_nor_steers_a_terminal() {
        let folder = Folder::new("steers");
        let audit = Audit::of(&folder.0);
        let nasty = "a\u{85}b\u{2028}c\u{9b}2J\u{202e}d\n\u{1b}[31m";
        audit.append(asked(json!({ "why": nasty }))).unwrap();
        let text = folder.text();
        assert_eq!(text.chars().filter(|c| steers(*c)).collect::<String>(), "\n", "only the line's own end");
        assert_eq!(audit.read(|_| true, 1).unwrap().lines[0]["what"]["why"], nasty);
    }

    #[test]
    fn a_span_of_days_is_the_citys_and_its_ends_belong_to_it() {
        let within = |from, to| Within::new(from, to, Zone::tokyo());
        // 2026-11-25 07:00 in Tokyo, still the 24th in UTC.
        let at = UnixMillis(1_795_557_600_000);
        for (from, to, holds) in [
            (None, None, true),
            (Some("2026-11-25"), Some("2026-11-25"), true),
            (Some("2026-11-26"), None, false),
            (None, Some("2026-11-24"), false),
            (Some("1795557600000"), None, true),
            (None, Some("1795557600000"), false),
        ] {
            assert_eq!(within(from, to).unwrap().holds(at), holds, "{from:?} {to:?}");
        }
        for nonsense in ["", "yesterday", "2026-02-31", "-1", "1e9", "9999999999999999"] {
            assert!(within(Some(nonsense), None).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn the_page_says_who_did_what_and_what_became_of_it() {
        let line = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let lines = VecDeque::from([
            line(
                r#"{"n":1,"at":1795557600000,"by":"mori","role":"supervisor","from":"10.0.0.5","did":"POST /api/orders","what":{"order":"end","what":"notice city","by":"mori"}}"#,
            ),
            line(r#"{"n":2,"at":1795557600100,"of":1,"outcome":200}"#),
            line(r#"{"n":3,"at":1795557601000,"from":"10.9.9.9","did":"GET /api/agents","outcome":401,"times":7}"#),
            line(
                r#"{"n":4,"at":1795557602000,"by":"ken","role":"agent","from":"10.0.0.6","did":"POST /api/agents/{agent}/ready","what":{"agent":"ken"}}"#,
            ),
            line(r#"{"n":5,"at":1795557602000,"by":"root","did":"token add","what":{"name":"mori","agent":null,"expires":1795557602000}}"#),
            line(r#"{"at":1795557603000,"by":"root","did":"trace --reveal","call":12,"why":"complaint\u001b[2J"}"#),
        ]);
        let english = [
            "2026-11-25 07:00:00  mori (supervisor) 10.0.0.5  POST /api/orders by=mori order=end what=notice city  -> done",
            "2026-11-25 07:00:01  nobody known 10.9.9.9  GET /api/agents  -> turned away, no good token, 7 times more",
            "2026-11-25 07:00:02  ken (agent) 10.0.0.6  POST /api/agents/{agent}/ready agent=ken  -> it is not known what became of it",
            "2026-11-25 07:00:02  root  token add expires=2026-11-25 07:00:02 name=mori",
            "2026-11-25 07:00:03  root  trace --reveal call=12: complaint\\u{1b}[2J",
        ];
        assert_eq!(page(&lines, &Zone::tokyo(), Tongue::English), english);
        let japanese = page(&lines, &Zone::tokyo(), Tongue::Japanese);
        assert!(
            japanese[0].ends_with("-> 実行") && japanese[1].contains("不明") && japanese[4].contains("。理由：complaint"),
            "{japanese:?}"
        );
    }

    #[test]
    fn a_reason_is_some_words_in_one_line() {
        assert_eq!(reason(" complaint 12 "), Ok("complaint 12".to_owned()));
        for none in ["", "  ", "\t", "a\nb", &"x".repeat(REMARK_MAX + 1)] {
            assert!(reason(none).is_err(), "{none:?}");
        }
    }
}
