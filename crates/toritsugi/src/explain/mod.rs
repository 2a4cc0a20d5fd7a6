//! `toritsugi explain CALL`: why this caller waited, in plain words, from the journal alone.

mod en;
#[cfg(test)]
mod golden;
mod ja;
#[cfg(test)]
mod lived;
mod story;
mod words;

use crate::calls_list::{journal_dir, numbered};
use crate::words::{Stop, say};
use crate::zone::Town;
use crate::{CityArgs, StateArgs};
use calls::Record;
use clap::Args;
use model::{CallId, UnixMillis};
use std::path::Path;
use story::Search;
use words::page;

#[cfg(test)]
pub(crate) use golden::golden;
pub(crate) use words::Tongue;

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The call, as `toritsugi calls` prints it
    #[arg(value_name = "CALL", value_parser = numbered)]
    call: u64,
    /// Language: en or ja [default: the terminal's, else en]
    #[arg(long, value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// One JSON object, times in milliseconds since 1970 UTC
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi explain`.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Stop> {
    let town = Town::find(&args.city)?;
    let mut search = Search::new(CallId(args.call));
    let damage = walk(&args.state.state, &mut |_, record| search.see(record))?;
    let newest = search.newest();
    let Some(mut teller) = search.found() else {
        let Stop(unknown) = unknown(args.call, newest, &town);
        return Err(damage.map_or_else(|| Stop(unknown.clone()), |damage| Stop::new(format!("{unknown}. But {}", damage.sentence))));
    };
    walk(&args.state.state, &mut |at, record| teller.tell(at, record))?;
    let mut story = teller.finish();
    story.damaged_at = damage.as_ref().map(|damage| damage.at.clone());
    if args.json {
        say(serde_json::to_string_pretty(&story).map_err(Stop::new)?)?;
    } else {
        say(page(&story, &town, Tongue::of(args.lang.as_deref())).trim_end())?;
    }
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// Where a journal breaks off before its end.
#[derive(Debug)]
pub(crate) struct Damage {
    /// `FILE:LINE`.
    pub(crate) at: String,
    /// What is wrong there, and what to do.
    pub(crate) sentence: String,
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Stop {
        Stop(damage.sentence)
    }
}

/// Walks through everything that was written down, with the wall clock of each record, as far as it can be read. What it ends at before its
/// end is given back, to be said with what was found.
///
/// # Errors
/// When there is no journal, or the disk does not give it.
pub(crate) fn walk(state: &Path, see: &mut dyn FnMut(UnixMillis, &Record)) -> Result<Option<Damage>, Stop> {
    let dir = journal_dir(state);
    if !dir.is_dir() {
        return Err(Stop::new(format!("there is no journal in {}: has the engine run with this --state?", state.display())));
    }
    for entry in journal::replay::<Record>(&dir).map_err(Stop::new)? {
        match entry {
            Ok(entry) => see(entry.wall, &entry.body),
            Err(fault) => {
                let (journal::Fault::Damaged { file, line, .. } | journal::Fault::Foreign { file, line, .. }) = &fault else {
                    return Err(Stop::new(fault));
                };
                let at = format!("{}:{line}", file.display());
                return Ok(Some(Damage { at, sentence: format!("only what stands before the damage was read: {fault}") }));
            }
        }
    }
    Ok(None)
}

/// Call ids go on after a restart, so one id is one call in the whole journal: an unknown one is a slip of the pen.
fn unknown(call: u64, newest: Option<(CallId, UnixMillis)>, town: &Town) -> Stop {
    match newest {
        None => Stop::new(format!("there is no call {call}: the journal knows no call yet")),
        Some((newest, at)) => Stop::new(format!(
            "there is no call {call} in this journal. The newest is {newest}, of {} {}: did you mean `toritsugi explain {newest}`? \
             `toritsugi calls` lists them all",
            town.zone.date(at),
            town.zone.time(at)
        )),
    }
}
