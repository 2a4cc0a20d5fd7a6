//! What is left of calls: the list, its rebuilding from the journal, and the proof that the journal is whole.

use crate::words::{Stop, clock, fill, say, width};
use crate::zone::Town;
use crate::{CallsArgs, StateArgs};
use calls::Record;
use clap::Args;
use model::CallRecord;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Store;

/// The database of call records.
pub(crate) fn database(state: &Path) -> PathBuf {
    state.join("calls.sqlite")
}

/// The folder of the journal.
pub(crate) fn journal_dir(state: &Path) -> PathBuf {
    state.join("journal")
}

/// `toritsugi calls`.
pub(crate) fn list(args: &CallsArgs) -> Result<(), Stop> {
    let path = database(&args.state.state);
    if !path.exists() {
        return Err(Stop::new(format!(
            "there are no call records in {}: has the engine run with this --state?",
            args.state.state.display()
        )));
    }
    let calls = Store::open(&path).and_then(|store| store.calls(args.limit)).map_err(Stop::new)?;
    if args.json {
        for call in &calls {
            say(serde_json::to_string(call).map_err(Stop::new)?)?;
        }
        return Ok(());
    }
    if calls.is_empty() {
        return say("No calls yet.");
    }
    for line in table(&calls, &Town::find(&args.city)?) {
        say(line)?;
    }
    say("toritsugi explain CALL tells why a caller waited.")
}

/// A call, as the list names it.
pub(crate) fn numbered(text: &str) -> Result<u64, String> {
    let wrong =
        |_| "a call is a number: `toritsugi calls` lists them / 通話は番号で指定します。`toritsugi calls` で一覧できます".to_owned();
    text.trim().parse().map_err(wrong)
}

/// The lines of the list: two for each call, in columns as wide as what is in them, under the city's clock.
fn table(calls: &[CallRecord], town: &Town) -> Vec<String> {
    let length = |millis: Option<model::Millis>| millis.map_or_else(|| "-".to_owned(), |m| clock(Duration::from_millis(m.0)));
    let row = |c: &CallRecord| {
        let gave_up = c.gave_up.map_or_else(String::new, |stage| format!(", gave up: {stage}"));
        [
            c.call.to_string(),
            format!("{} {}", town.zone.date(c.arrived), town.zone.time(c.arrived)),
            c.number.to_string(),
            c.caller.clone(),
            c.lang.to_string(),
            c.queue.as_ref().map_or("-", |queue| town.queue(queue)).to_owned(),
            length(c.waited),
            c.agent.as_ref().map_or("-", |a| a.as_str()).to_owned(),
            length(c.talked),
            format!("{} (by {}{gave_up})", c.end, c.hung_up_by),
        ]
    };
    let arrived = format!("arrived ({})", town.zone.name().unwrap_or("UTC"));
    let head = ["call", &arrived, "dialled", "caller", "lang", "queue", "waited", "agent", "talked", "end"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(calls.iter().map(row)).collect();
    let columns: Vec<usize> = (0..10).map(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0)).collect();
    let mut lines = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        // Lengths stand at the right, under each other's seconds.
        let cells: Vec<String> = row.iter().enumerate().map(|(i, cell)| fill(cell, columns[i], i == 6 || i == 8)).collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        if let Some(call) = n.checked_sub(1).and_then(|n| calls.get(n)) {
            lines.push(format!("{}  way: {}{}", " ".repeat(columns[0]), call.path.join(" > "), remarks(call)));
        }
    }
    lines
}

/// What few calls have.
fn remarks(c: &CallRecord) -> String {
    let mut remarks = String::new();
    match c.class {
        0 => {}
        1 => remarks.push_str("; high priority"),
        _ => remarks.push_str("; urgent"),
    }
    if c.called_back {
        remarks.push_str("; we called back");
    }
    if let Some(to) = &c.transferred_to {
        remarks.push_str(&format!("; put through to {to}"));
    }
    remarks
}

/// `toritsugi store rebuild`.
pub(crate) fn rebuild(args: &StateArgs) -> Result<(), Stop> {
    not_emptied(&args.state)?;
    let (count, damaged) = rebuild_beside(&args.state)?;
    say(format_args!("{count} call records were rebuilt from the journal."))?;
    damaged.map_or(Ok(()), |damaged| {
        say(format_args!(
            "The list of calls was damaged; it is kept as {}. An engine that is running goes on writing into that one: restart it, and rebuild once more.",
            damaged.display()
        ))
    })
}

/// A journal without a single record beside a list of calls was emptied or taken away: whoever went on would give the same numbers to other
/// calls, and forget the callbacks that were booked.
///
/// # Errors
/// The sentence that says so.
pub(crate) fn not_emptied(state: &Path) -> Result<(), Stop> {
    let (dir, path) = (journal_dir(state), database(state));
    // Damage is not emptiness: whoever opens the journal next names it. A database that cannot be read is put aside by whoever opens that.
    let begun = dir.is_dir() && journal::replay::<Record>(&dir).map_err(Stop::new)?.next().is_some();
    if begun || !path.exists() {
        return Ok(());
    }
    let newest = Store::open(&path).and_then(|store| store.calls(1)).unwrap_or_default();
    match newest.first() {
        None => Ok(()),
        Some(call) => Err(Stop::new(format!(
            "there is no record in the journal {}, but {} lists calls up to number {}: the journal was emptied or taken away, and the callbacks \
             that were booked with it. Put back a copy of the journal; if there is none, `toritsugi verify --cut` with the same --state puts the \
             list of calls aside too, and the next start begins with call 1",
            dir.display(),
            path.display(),
            call.call
        ))),
    }
}

/// Makes the database anew from the journal and says of how many calls; one that was damaged is put aside, and its new name told.
pub(crate) fn rebuild_beside(state: &Path) -> Result<(u64, Option<PathBuf>), Stop> {
    let mut records = Vec::new();
    for entry in journal::replay::<Record>(&journal_dir(state)).map_err(Stop::new)? {
        if let Record::Ended(record) = entry.map_err(Stop::new)?.body {
            records.push(*record);
        }
    }
    let path = database(state);
    // A sound one is refilled in one transaction, under the eyes of whoever reads it.
    if let Ok(mut store) = Store::open(&path)
        && store.is_sound().map_err(Stop::new)?
    {
        return Ok((store.rebuild(records.into_iter()).map_err(Stop::new)?, None));
    }
    let damaged = put_aside(state)?;
    let count = Store::open(&path).and_then(|mut store| store.rebuild(records.into_iter())).map_err(Stop::new)?;
    Ok((count, Some(damaged)))
}

/// Of the calls that end a journal, in their order, those that may not be filed yet: whoever is killed has not filed the last quarter of a second, and
/// a disk that was slow some more.
const UNFILED_MILLIS: i64 = 600_000;

/// Files those of the last calls of the journal that the database lacks, and says how many: an engine that was killed has not filed them.
pub(crate) fn file_missing(state: &Path, ended: &mut VecDeque<CallRecord>) -> Result<usize, store::Fault> {
    let since = ended.back().map_or(0, |last| last.ended.0.saturating_sub(UNFILED_MILLIS));
    ended.retain(|call| call.ended.0 >= since);
    if ended.is_empty() { Ok(0) } else { Store::open(database(state))?.insert_missing(ended.make_contiguous()) }
}

/// Puts the database aside as `calls.sqlite.old`, or `.old-2` and so on; tells under which name.
fn put_aside(state: &Path) -> Result<PathBuf, Stop> {
    let name = |ending: &str, n: u32| {
        let again = if n == 1 { String::new() } else { format!("-{n}") };
        state.join(format!("calls.sqlite{ending}.old{again}"))
    };
    let endings = ["", "-wal", "-shm"];
    let n = (1..1000).find(|n| endings.iter().all(|ending| !name(ending, *n).exists())).unwrap_or(1000);
    for ending in endings {
        let old = state.join(format!("calls.sqlite{ending}"));
        if old.exists() {
            std::fs::rename(&old, name(ending, n)).map_err(|fault| Stop::new(format!("{} cannot be put aside: {fault}", old.display())))?;
        }
    }
    Ok(name("", n))
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Where it is damaged: keep the records before the damage and put the rest aside, so that an engine starts on it again. Nothing is erased
    #[arg(long)]
    cut: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi verify`.
pub(crate) fn verify(args: &VerifyArgs) -> Result<(), Stop> {
    let state = &args.state.state;
    if args.cut {
        return cut(state);
    }
    not_emptied(state)?;
    let summary = journal::verify(&journal_dir(state)).map_err(Stop::new)?;
    let whole = format!("{} records in {} file(s)", summary.records, summary.segments);
    match &summary.torn {
        None => say(format_args!("The journal is whole: {whole}."))?,
        Some(torn) => say(format_args!("{whole} are whole; what follows them is not. {}", torn_words(torn)))?,
    }
    say(format_args!("Hash of the last line: {}", summary.hash))?;
    match summary.torn {
        // Being written at this moment, or all that a crash took: nothing that was promised.
        Some(torn) if torn.nuls > 0 => Err(Stop::new("the journal ends in NUL bytes: records may be lost, see above")),
        Some(_) | None => Ok(()),
    }
}

/// What stands behind the last whole line, byte by byte accounted for.
fn torn_words(torn: &journal::Torn) -> String {
    let (file, from, text) = (torn.file.display(), torn.from, torn.bytes.saturating_sub(torn.nuls));
    let begun = format!("{text} bytes of a record without an end, being written at this moment or torn by a crash");
    let nuls = format!("{} NUL bytes, as a power failure leaves them: records of its last moments may be lost", torn.nuls);
    let what = match (text, torn.nuls) {
        (_, 0) => begun,
        (0, _) => nuls,
        (_, _) => format!("{begun}, then {nuls}"),
    };
    format!("In {file} from byte {from} on: {what}. The next start cuts them off and keeps them in a file beside.")
}

/// `toritsugi verify --cut`.
fn cut(state: &Path) -> Result<(), Stop> {
    let dir = journal_dir(state);
    let missing = || Stop::new(format!("there is no state folder {}: name another with --state", state.display()));
    state.is_dir().then_some(()).ok_or_else(missing)?;
    let cut = if dir.is_dir() { journal::cut(&dir).map_err(Stop::new)? } else { journal::Cut::default() };
    if let Some(damage) = &cut.damage {
        let journal::Fault::Damaged { file, line, why } = damage else { return Err(Stop::new(damage)) };
        say(format_args!("Cut before {}:{line}: {why}.", file.display()))?;
    }
    for kept in &cut.aside {
        say(format_args!("Put aside: {}", kept.display()))?;
    }
    if cut.records == 0 && not_emptied(state).is_err() {
        say(format_args!("Put aside: {}", put_aside(state)?.display()))?;
    } else if cut.damage.is_none() {
        return say(format_args!("There was nothing to cut: {} records are whole.", cut.records));
    } else {
        // Calls that are in no record any more would share their numbers with calls to come.
        let (count, _) = rebuild_beside(state)?;
        say(format_args!("The list of calls was made anew: {count} of them."))?;
    }
    say(format_args!("{} records are left. A callback that was booked in what was put aside will not be made.", cut.records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Journal;
    use model::{CallEnd, CallId, Lang, Number, Party, Seq, UnixMillis, Version};
    use std::fs;

    /// The state of an engine that has answered one call, and its journal's file.
    struct State(PathBuf);

    impl State {
        fn new(test: &str) -> State {
            let state = std::env::temp_dir().join(format!("toritsugi-calls-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&state);
            fs::create_dir_all(&state).unwrap();
            let call = CallRecord {
                call: CallId(6),
                arrived: UnixMillis(1),
                number: Number::parse("0440000000").unwrap(),
                caller: "***".to_owned(),
                lang: Lang::from("ja"),
                path: Vec::new(),
                queue: None,
                waited: None,
                to_human: None,
                agent: None,
                talked: None,
                ended: UnixMillis(2),
                end: CallEnd::AbandonedInMenu,
                hung_up_by: Party::Caller,
                version: Version::from("4f2a9c"),
                person: None,
                ticket: None,
                class: 0,
                gave_up: None,
                transferred_to: None,
                called_back: false,
                called_first: None,
                cause: None,
            };
            Store::open(database(&state)).unwrap().insert(std::slice::from_ref(&call)).unwrap();
            let (mut journal, _) = Journal::<Record>::open(&journal_dir(&state)).unwrap();
            journal.append(Seq(1), UnixMillis(2), &Record::Ended(Box::new(call))).unwrap();
            journal.sync().unwrap();
            State(state)
        }
        fn file(&self) -> PathBuf {
            journal_dir(&self.0).join("00000000000000000001.journal")
        }
        fn verify(&self, cut: bool) -> Result<(), String> {
            let args = VerifyArgs { cut, state: StateArgs { state: self.0.clone() } };
            verify(&args).map_err(|Stop(why)| why)
        }
        fn ended(&self) -> VecDeque<CallRecord> {
            let dir = journal_dir(&self.0);
            let records = journal::replay::<Record>(&dir).unwrap();
            records.filter_map(|entry| if let Record::Ended(call) = entry.unwrap().body { Some(*call) } else { None }).collect()
        }
        fn kept(&self) -> usize {
            Store::open(database(&self.0)).unwrap().calls(10).unwrap().len()
        }
    }
    impl Drop for State {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_list_of_calls_with_a_damaged_page_is_put_aside_and_made_anew() {
        const PAGE: usize = 4096;
        let state = State::new("page");
        let path = database(&state.0);
        let mut bytes = fs::read(&path).unwrap();
        bytes[PAGE..].fill(0xff);
        fs::write(&path, bytes).unwrap();
        assert!(Store::open(&path).is_ok_and(|store| store.calls(1).is_err()), "it opens, and cannot be read");
        assert_eq!(rebuild_beside(&state.0).unwrap(), (1, Some(state.0.join("calls.sqlite.old"))));
        assert_eq!(state.kept(), 1);
        assert_eq!(rebuild_beside(&state.0).unwrap(), (1, None), "what is sound is filled anew where it is");
    }

    #[test]
    fn the_last_calls_of_an_engine_that_was_killed_are_filed_at_the_next_start() {
        let state = State::new("missing");
        let file = || file_missing(&state.0, &mut state.ended()).unwrap();
        assert_eq!(file(), 0, "it is there");
        fs::remove_file(database(&state.0)).unwrap();
        assert_eq!((file(), file(), state.kept()), (1, 0, 1));
    }

    #[test]
    fn a_wiped_journal_is_refused_until_somebody_puts_it_aside() {
        let state = State::new("wiped");
        assert_eq!(state.verify(false), Ok(()));
        let wiped = vec![0; usize::try_from(fs::metadata(state.file()).unwrap().len()).unwrap()];
        fs::write(state.file(), &wiped).unwrap();
        let why = state.verify(false).unwrap_err();
        assert!(why.contains(&format!("{} NUL bytes", wiped.len())) && why.contains("verify --cut"), "{why}");
        assert_eq!(state.verify(true), Ok(()));
        assert_eq!(fs::read(state.file().with_extension("journal.aside")).unwrap(), wiped);
        assert_eq!(state.verify(false), Ok(()), "an engine starts on it");
        assert!(state.0.join("calls.sqlite.old").exists(), "call 1 will be another one: the list of calls is aside too");
        assert_eq!(state.kept(), 0);
    }

    #[test]
    fn an_emptied_journal_beside_a_list_of_calls_is_no_beginning() {
        let state = State::new("emptied");
        let whole = fs::read(state.file()).unwrap();
        let refused = |state: &State| {
            let why = state.verify(false).unwrap_err();
            assert!(why.contains("lists calls up to number 6") && why.contains("verify --cut"), "{why}");
            let Stop(rebuilt) = rebuild(&StateArgs { state: state.0.clone() }).unwrap_err();
            assert_eq!(rebuilt, why, "nor is the list emptied after it");
        };
        fs::write(state.file(), "").unwrap();
        refused(&state);
        fs::remove_file(state.file()).unwrap();
        refused(&state);
        fs::remove_dir_all(journal_dir(&state.0)).unwrap();
        refused(&state);
        assert_eq!(state.kept(), 1);
        assert_eq!(state.verify(true), Ok(()));
        assert_eq!(state.kept(), 0);
        assert!(not_emptied(&state.0).is_ok());
        fs::create_dir(journal_dir(&state.0)).unwrap();
        fs::write(state.file(), whole).unwrap();
        assert_eq!(state.verify(false), Ok(()));
    }

    #[test]
    fn every_byte_behind_the_last_record_is_accounted_for() {
        let state = State::new("torn");
        let whole = fs::read(state.file()).unwrap();
        fs::write(state.file(), [&whole[..], b"0a1b"].concat()).unwrap();
        let torn = || journal::verify(&journal_dir(&state.0)).unwrap().torn.unwrap();
        let told = torn_words(&torn());
        assert!(told.contains(&format!("from byte {} on: 4 bytes of a record without an end", whole.len())), "{told}");
        assert_eq!(state.verify(false), Ok(()), "an engine may be writing it");
        fs::write(state.file(), [&whole[..], b"0a1b", &[0; 4092]].concat()).unwrap();
        let told = torn_words(&torn());
        assert!(told.contains("4 bytes of a record") && told.contains("then 4092 NUL bytes"), "{told}");
        assert!(state.verify(false).unwrap_err().contains("NUL bytes"));
    }
}
