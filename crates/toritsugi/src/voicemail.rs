//! `toritsugi voicemail`: whoever is on duty lists what callers left, finds its sound, and marks it as done.
//!
//! A number is shown to whoever asks for it by name and says why, and that is written down first: it is sealed with the city's key, and the list
//! shows it masked.

use crate::diagram::Language;
use crate::explain::Tongue;
use crate::words::{Stop, say, width};
use crate::zone::{Town, Zone};
use crate::{CityArgs, StateArgs, accounts, audit};
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
    #[arg(long, conflicts_with = "lang")]
    json: bool,
    /// Language of the words: en or ja
    #[arg(long, value_name = "LANG", default_value = "en", hide_possible_values = true)]
    lang: Language,
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
    /// Language of the words: en or ja
    #[arg(long, value_name = "LANG", default_value = "en", hide_possible_values = true)]
    lang: Language,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Show the caller's number in clear, to call back; it is written down that you did
    #[arg(long, requires = "why")]
    number: bool,
    /// For what you need the number
    #[arg(long, value_name = "REASON", value_parser = audit::reason)]
    why: Option<String>,
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
            let left = find(&args.id, &args.state, args.lang)?;
            let file = left.wav.display();
            let failed = |fault| match args.lang {
                Language::En => Stop::new(format!("{file} cannot be erased: {fault}")),
                Language::Ja => Stop::new(format!("{file} を消せません: {fault}")),
            };
            left.erase().map_err(failed)?;
            match args.lang {
                Language::En => say(format_args!("The message {} of the box {} is done and erased.", left.id, left.mailbox)),
                Language::Ja => say(format_args!("伝言箱「{}」の伝言 {} を対応済みとし、消去しました。", left.mailbox, left.id)),
            }
        }
    }
}

fn all(state: &StateArgs, lang: Language) -> Result<Vec<Left>, Stop> {
    let folder = state.state.join(FOLDER);
    boxes(&state.state).list().map_err(|fault| match lang {
        Language::En => Stop::new(format!("{} cannot be read: {fault}", folder.display())),
        Language::Ja => Stop::new(format!("{} を読めません: {fault}", folder.display())),
    })
}

fn find(id: &str, state: &StateArgs, lang: Language) -> Result<Left, Stop> {
    let found = all(state, lang)?.into_iter().find(|left| left.id == id);
    found.ok_or_else(|| match lang {
        Language::En => Stop::new(format!("there is no message {id}; toritsugi voicemail list shows those that there are")),
        Language::Ja => Stop::new(format!("伝言 {id} はありません。toritsugi voicemail list で一覧を確かめてください。")),
    })
}

fn list(args: &ListArgs) -> Result<(), Stop> {
    let zone = Town::find(&args.city)?.zone;
    let mut left = all(&args.state, args.lang)?;
    left.retain(|left| args.mailbox.as_ref().is_none_or(|mailbox| left.mailbox.as_str() == mailbox));
    if args.json {
        for left in &left {
            say(json(left))?;
        }
        return Ok(());
    }
    if left.is_empty() {
        return say(match args.lang {
            Language::En => "No messages.",
            Language::Ja => "伝言はありません。",
        });
    }
    say(head(args.lang))?;
    for left in &left {
        say(line(left, &zone))?;
    }
    Ok(())
}

/// Above the columns of `line`; a Japanese letter is two columns wide.
fn head(lang: Language) -> String {
    let words = match lang {
        Language::En => ["id", "box", "when", "length", "language", "caller", "call"],
        Language::Ja => ["番号", "伝言箱", "日時", "長さ", "言語", "かけた方", "通話"],
    };
    let [id, mailbox, when, length, language, caller, call] = words;
    let to = |word: &str, columns: usize| format!("{word}{}", " ".repeat(columns.saturating_sub(width(word))));
    let length = format!("{}{length}", " ".repeat(6_usize.saturating_sub(width(length))));
    format!("{} {} {} {length}  {} {} {call}", to(id, 20), to(mailbox, 12), to(when, 19), to(language, 8), to(caller, 14))
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
    let (left, lang) = (find(&args.one.id, &args.one.state, args.one.lang)?, args.one.lang);
    say(line(&left, &zone))?;
    match lang {
        Language::En => say(format_args!("sound: {}", left.wav.display()))?,
        Language::Ja => say(format_args!("音声: {}", left.wav.display()))?,
    }
    if !args.number {
        return Ok(());
    }
    let sealed = left.note.as_ref().and_then(|note| Some((note.call, note.sealed.as_ref()?)));
    let Some((call, sealed)) = sealed else {
        return say(match lang {
            Language::En => "number: withheld, nobody can be called back",
            Language::Ja => "電話番号: 非通知のため、折り返せません。",
        });
    };
    let tongue = if lang == Language::Ja { Tongue::Japanese } else { Tongue::English };
    let vault = accounts::vault(&args.one.state.state)?;
    let what = serde_json::json!({ "message": left.id, "call": call });
    audit::first(&args.one.state.state, "voicemail show --number", what, args.why.as_deref(), tongue)?;
    let number = vault.open_message(call, sealed);
    match (number, lang) {
        (Some(number), Language::En) => say(format_args!("number: {number}")),
        (Some(number), Language::Ja) => say(format_args!("電話番号: {number}")),
        (None, Language::En) => Err(Stop::new("the number was sealed with another city.key: it cannot be read any more")),
        (None, Language::Ja) => Err(Stop::new("電話番号は別の city.key で封印されているため、もう読めません。")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_heads_stand_above_the_same_columns() {
        let zone = Zone::of(&flow::Calendar::default());
        let left = Left {
            id: "17-1787533200".to_owned(),
            mailbox: "general".into(),
            wav: "17.wav".into(),
            length: std::time::Duration::from_secs(62),
            note: None,
        };
        let call = width(&line(&left, &zone)) - 1;
        for (lang, word) in [(Language::En, "call"), (Language::Ja, "通話")] {
            let head = head(lang);
            assert_eq!(width(head.strip_suffix(word).unwrap()), call, "{head}");
        }
    }
}
