//! `toritsugi history` and `toritsugi rollback`: the versions that were in force, what changed, and the way back.

use crate::by_hand::said;
use crate::client;
use crate::status::minute;
use crate::versions::{self, Versions};
use crate::words::{Stop, say};
use crate::zone::Town;
use crate::{CityArgs, StateArgs};
use clap::Args;
use web::Order;

#[derive(Args)]
pub(crate) struct HistoryArgs {
    /// What this version changed against the one before it, line by line
    #[arg(long, value_name = "N")]
    diff: Option<u64>,
    /// How many, the newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// One JSON object a version
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Args)]
pub(crate) struct RollbackArgs {
    /// The version's number in `toritsugi history`
    number: u64,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
    /// Who orders it [default: the user who runs this]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi history`: reads the state folder, whether or not an engine runs.
pub(crate) fn run(args: &HistoryArgs) -> Result<(), Stop> {
    let versions = Versions::open(&args.state.state)?;
    if let Some(number) = args.diff {
        return diff(&versions, number);
    }
    if versions.list().is_empty() {
        let folder = args.state.state.display();
        return Err(Stop::new(format!(
            "no version is kept in {folder}: the first one is, when an engine starts on it. Name another folder with --state"
        )));
    }
    let zone = Town::find(&args.city)?.zone;
    for entry in versions.list().iter().rev().take(args.limit) {
        if args.json {
            say(serde_json::to_string(entry).map_err(Stop::new)?)?;
            continue;
        }
        let again = entry.again.map_or_else(String::new, |again| format!("  version {again} again"));
        say(format_args!("{:>4}  {}  {}  by {}{again}", entry.number, minute(&zone, entry.at), entry.version, entry.by))?;
        if !entry.why.is_empty() {
            say(format_args!("      why      {}", entry.why))?;
        }
        let first = versions.before(entry.number).is_none();
        match entry.changed.as_slice() {
            [] => {}
            all if first => say(format_args!("      files    {}", all.len()))?,
            changed => say(format_args!("      changed  {}", changed.join(", ")))?,
        }
    }
    if !args.json {
        say("What a version changed: toritsugi history --diff N. The way back: toritsugi rollback N.")?;
    }
    Ok(())
}

fn diff(versions: &Versions, number: u64) -> Result<(), Stop> {
    let entry = versions.entry(number).ok_or_else(|| Stop::new(format!("there is no version {number}: toritsugi history lists them")))?;
    let before = match versions.before(number) {
        Some(before) => versions.sources(before)?,
        None => return Err(Stop::new(format!("version {number} is the oldest that is kept: there is nothing to compare it with"))),
    };
    let page = versions::difference(&before, &versions.sources(entry)?);
    if page.is_empty() { say("The texts are the same.") } else { say(page.trim_end()) }
}

/// `toritsugi rollback N`.
pub(crate) fn roll_back(args: &RollbackArgs) -> Result<(), Stop> {
    let by = args.by.clone().unwrap_or_else(client::whoami);
    let order = Order::Rollback { number: args.number, by, why: args.why.clone() };
    say(said(&client::ask(&args.state.state, "orders", Some(&order))?)?)
}
