//! `toritsugi voicemail`: whoever is on duty lists what callers left, finds its sound, and marks it as done.
//!
//! A number is shown to whoever asks for it by name: it is sealed with the city's key, and the list shows it masked.

use crate::words::{Stop, say};
use crate::zone::{Town, Zone};
use crate::{CityArgs, StateArgs, accounts};
use clap::{Args, Subcommand};
use reactor::{Boxes, Left};
use std::path::Path;

/// The folder of the state folder in which messages lie.
const FOLDER: &str = "voicemail";

/// What can be done with messages.
#[derive(Subcommand)]
pub(crate) enum VoicemailCommand {
    /// Every message, the oldest first
    List(ListArgs),
    /// One message: where its sound lies, and with --number whom to call back
    Show(ShowArgs),
    /// A message was listened to and dealt with: its sound and its note are erased, for good
    Done(OneArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only this box
    #[arg(value_name = "BOX")]
    mailbox: Option<String>,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct OneArgs {
    /// As the list shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Show the caller's number in clear, to call back
    #[arg(long)]
    number: bool,
}

/// The boxes of a state folder.
pub(crate) fn boxes(state: &Path) -> Boxes {
    Boxes::new(state.join(FOLDER))
}

/// `toritsugi voicemail ..`.
pub(crate) fn run(command: &VoicemailCommand) -> Result<(), Stop> {
    match command {
        VoicemailCommand::List(args) => list(args),
        VoicemailCommand::Show(args) => show(args),
        VoicemailCommand::Done(args) => {
            let left = find(&args.id, &args.state)?;
            left.erase().map_err(|fault| Stop::new(format!("{} cannot be erased: {fault}", left.wav.display())))?;
            say(format_args!("The message {} of the box {} is done and erased.", left.id, left.mailbox))
        }
    }
}

fn all(state: &StateArgs) -> Result<Vec<Left>, Stop> {
    let folder = state.state.join(FOLDER);
    boxes(&state.state).list().map_err(|fault| Stop::new(format!("{} cannot be read: {fault}", folder.display())))
}

fn find(id: &str, state: &StateArgs) -> Result<Left, Stop> {
    let found = all(state)?.into_iter().find(|left| left.id == id);
    found.ok_or_else(|| Stop::new(format!("there is no message {id}; toritsugi voicemail list shows those that there are")))
}

fn list(args: &ListArgs) -> Result<(), Stop> {
    let zone = Town::find(&args.city)?.zone;
    let mut left = all(&args.state)?;
    left.retain(|left| args.mailbox.as_ref().is_none_or(|mailbox| left.mailbox.as_str() == mailbox));
    if args.json {
        for left in &left {
            say(json(left))?;
        }
        return Ok(());
    }
    if left.is_empty() {
        return say("No messages.");
    }
    say(format_args!("{:<20} {:<12} {:<19} {:>6}  {:<8} {:<14} call", "id", "box", "when", "length", "language", "caller"))?;
    for left in &left {
        say(line(left, &zone))?;
    }
    Ok(())
}

fn line(left: &Left, zone: &Zone) -> String {
    let (when, lang, caller, call) = match &left.note {
        Some(note) => (
            format!("{} {}", zone.date(note.begun), zone.time(note.begun)),
            note.lang.to_string(),
            note.caller.clone(),
            note.call.to_string(),
        ),
        None => (String::from("?"), String::from("?"), String::from("?"), String::from("?")),
    };
    let secs = left.length.as_millis().div_ceil(1000);
    let length = format!("{}:{:02}", secs / 60, secs % 60);
    format!("{:<20} {:<12} {when:<19} {length:>6}  {lang:<8} {caller:<14} {call}", left.id, left.mailbox.as_str())
}

/// Without the sealed number: whoever needs it asks for it.
fn json(left: &Left) -> String {
    let note = left.note.as_ref();
    let length = u64::try_from(left.length.as_millis()).unwrap_or(u64::MAX);
    serde_json::json!({
        "id": left.id,
        "box": left.mailbox,
        "begun_ms": note.map(|note| note.begun.0),
        "length_ms": length,
        "language": note.map(|note| &note.lang),
        "caller": note.map(|note| &note.caller),
        "call": note.map(|note| note.call.0),
        "wav": left.wav,
    })
    .to_string()
}

fn show(args: &ShowArgs) -> Result<(), Stop> {
    let zone = Town::find(&args.one.city)?.zone;
    let left = find(&args.one.id, &args.one.state)?;
    say(line(&left, &zone))?;
    say(format_args!("sound: {}", left.wav.display()))?;
    if !args.number {
        return Ok(());
    }
    let sealed = left.note.as_ref().and_then(|note| Some((note.call, note.sealed.as_ref()?)));
    let Some((call, sealed)) = sealed else { return say("number: withheld, nobody can be called back") };
    let number = accounts::vault(&args.one.state.state)?.open_message(call, sealed);
    match number {
        Some(number) => say(format_args!("number: {number}")),
        None => Err(Stop::new("the number was sealed with another city.key: it cannot be read any more")),
    }
}
