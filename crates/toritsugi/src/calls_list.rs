//! What is left of calls: the list, its rebuilding from the journal, and the proof that the journal is whole.

use crate::words::{Stop, clock, fill, say, width};
use crate::zone::Town;
use crate::{CallsArgs, StateArgs};
use calls::Record;
use model::CallRecord;
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
    let count = rebuild_beside(&args.state)?;
    say(format_args!("{count} call records were rebuilt from the journal."))
}

/// Builds the database beside the old one and puts it in its place; one that was damaged is kept as `calls.sqlite.old`.
pub(crate) fn rebuild_beside(state: &Path) -> Result<u64, Stop> {
    let mut records = Vec::new();
    for entry in journal::replay::<Record>(&journal_dir(state)).map_err(Stop::new)? {
        if let Record::Ended(record) = entry.map_err(Stop::new)?.body {
            records.push(*record);
        }
    }
    let path = database(state);
    // A sound one is refilled in one transaction, under the eyes of whoever reads it.
    if let Ok(mut store) = Store::open(&path) {
        return store.rebuild(records.into_iter()).map_err(Stop::new);
    }
    for ending in ["", "-wal", "-shm"] {
        let old = state.join(format!("calls.sqlite{ending}"));
        if old.exists() {
            let aside = state.join(format!("calls.sqlite{ending}.old"));
            std::fs::rename(&old, &aside).map_err(|fault| Stop::new(format!("{} cannot be put aside: {fault}", old.display())))?;
        }
    }
    Store::open(&path).and_then(|mut store| store.rebuild(records.into_iter())).map_err(Stop::new)
}

/// `toritsugi verify`.
pub(crate) fn verify(args: &StateArgs) -> Result<(), Stop> {
    let summary = journal::verify(&journal_dir(&args.state)).map_err(Stop::new)?;
    say(format_args!("The journal is whole: {} records in {} file(s).", summary.records, summary.segments))?;
    say(format_args!("Hash of the last line: {}", summary.hash))
}
