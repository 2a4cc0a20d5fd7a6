//! `toritsugi trace CALL`: who sent what, and when, as a ladder.
//!
//! One column for the engine, one for each leg. Nothing on it names a person; `--reveal` adds the messages themselves, and is written down with
//! its reason before anything is shown.

use crate::explain::Tongue;
use crate::words::{Stop, say};
use crate::zone::{Town, Zone};
use crate::{CityArgs, StateArgs, accounts, audit, calls_list};
use calls::Vault;
use clap::Args;
use model::UnixMillis;
use reactor::trace::{self, Traced};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The folder of the state folder in which messages are written down.
const FOLDER: &str = "trace";
/// From one column to the next.
const WIDTH: usize = 32;
/// Calls are numbered far below this; what agents' phones do with codes lies above.
const LEG_BITS: u64 = 16;

#[derive(Args)]
pub(crate) struct TraceArgs {
    /// The call, as `toritsugi calls` prints it
    #[arg(value_name = "CALL", value_parser = calls_list::numbered)]
    call: u64,
    /// Show the messages themselves, with people's numbers in clear; it is written down that you did
    #[arg(long, requires = "why")]
    reveal: bool,
    /// For what you need to see them
    #[arg(long, value_name = "REASON", value_parser = audit::reason)]
    why: Option<String>,
    /// Language: en or ja [default: the terminal's, else en]
    #[arg(long, value_parser = ["en", "ja"])]
    lang: Option<String>,
    /// One JSON object a message, times in milliseconds since 1970 UTC
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// Where messages of a state folder are written down.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join(FOLDER)
}

/// `toritsugi trace`.
pub(crate) fn run(args: &TraceArgs) -> Result<(), Stop> {
    let (folder, tongue) = (folder(&args.state.state), Tongue::of(args.lang.as_deref()));
    let zone = Town::find(&args.city)?.zone;
    let messages = messages_of(args.call, &folder)?;
    if messages.is_empty() {
        return Err(Stop::new(nothing(args.call, &folder, tongue)));
    }
    let opened = if args.reveal { Some(reveal(args, &messages)?) } else { None };
    if args.json {
        for (at, (message, _)) in messages.iter().enumerate() {
            let mut value = serde_json::to_value(message).map_err(Stop::new)?;
            if let Some(fields) = value.as_object_mut() {
                fields.remove("sealed");
                if let Some(text) = opened.as_ref().and_then(|opened| opened.get(at)) {
                    fields.insert("message".to_owned(), text.clone().into());
                }
            }
            say(value)?;
        }
        return Ok(());
    }
    say(ladder(args.call, &messages, opened.as_deref(), &zone, tongue).trim_end())
}

/// The messages of a call, each with its leg: those that we sent for it, and all that share a SIP Call-ID with them.
pub(crate) fn messages_of(call: u64, folder: &Path) -> Result<Vec<(Traced, u64)>, Stop> {
    let failed = |fault: std::io::Error| Stop::new(format!("{} cannot be read: {fault}", folder.display()));
    let mut legs: BTreeMap<String, u64> = BTreeMap::new();
    trace::read(folder, |message| {
        if let Some(leg) = message.leg.filter(|leg| leg >> LEG_BITS == call) {
            legs.entry(message.call_id.clone()).or_insert(leg);
        }
        false
    })
    .map_err(failed)?;
    let mine = trace::read(folder, |message| legs.contains_key(&message.call_id)).map_err(failed)?;
    Ok(mine
        .into_iter()
        .map(|message| (legs.get(&message.call_id).copied().unwrap_or_default(), message))
        .map(|(leg, m)| (m, leg))
        .collect())
}

fn nothing(call: u64, folder: &Path, tongue: Tongue) -> String {
    let (megabytes, days) = (trace::FILE_BYTES_MAX * trace::FILES_MAX as u64 / (1024 * 1024), trace::DAYS_MAX);
    match tongue {
        Tongue::English => format!(
            "nothing is written down in {} of call {call}: the last {megabytes} MB and at most {days} days are kept. `toritsugi calls` lists the \
             calls there were",
            folder.display()
        ),
        Tongue::Japanese => format!(
            "通話 {call} の信号は {} に残っていません(直近 {megabytes} MB、最長 {days} 日分を保存)。通話の一覧は toritsugi calls で確かめられます",
            folder.display()
        ),
    }
}

/// Opens every message, once it is written down who does so and why.
fn reveal(args: &TraceArgs, messages: &[(Traced, u64)]) -> Result<Vec<String>, Stop> {
    let vault = accounts::vault(&args.state.state)?;
    let tongue = Tongue::of(args.lang.as_deref());
    audit::first(&args.state.state, "trace --reveal", serde_json::json!({ "call": args.call }), args.why.as_deref(), tongue)?;
    Ok(opened(messages, &vault))
}

fn opened(messages: &[(Traced, u64)], vault: &Vault) -> Vec<String> {
    let withheld = is_withheld(messages);
    let opened = |(message, _): &(Traced, u64)| match message.open(vault) {
        // Who asks in the middle of a call has been named before.
        Some(text) if withheld => sip::as_kept(text.as_bytes(), message.sent),
        Some(text) => text,
        None => "(sealed with another city.key)".to_owned(),
    };
    messages.iter().map(opened).collect()
}

/// Whether somebody in the call has asked to stay unnamed.
fn is_withheld(messages: &[(Traced, u64)]) -> bool {
    messages.iter().any(|(message, _)| message.withheld)
}

/// The whole page.
pub(crate) fn ladder(call: u64, messages: &[(Traced, u64)], opened: Option<&[String]>, zone: &Zone, tongue: Tongue) -> String {
    let legs: BTreeSet<u64> = messages.iter().map(|(_, leg)| *leg).collect();
    // The caller stands left of the engine, everybody else right of it, in the order of the legs.
    let caller = legs.first().copied().filter(|leg| leg & 0xffff == 0);
    let others: Vec<u64> = legs.iter().copied().filter(|leg| Some(*leg) != caller).collect();
    let engine = usize::from(caller.is_some());
    let column = |leg: u64| if Some(leg) == caller { 0 } else { engine + 1 + others.iter().position(|of| *of == leg).unwrap_or(0) };
    let columns = engine + 1 + others.len();

    let mut heads = vec![String::new(); columns];
    let mut peers = heads.clone();
    for (message, leg) in messages {
        let (head, peer) = (&mut heads[column(*leg)], &mut peers[column(*leg)]);
        if !peer.is_empty() {
            continue;
        }
        *head = match (Some(*leg) == caller, tongue) {
            (true, Tongue::English) => "caller".to_owned(),
            (true, Tongue::Japanese) => "発信者".to_owned(),
            (false, Tongue::English) => format!("leg {}", leg & 0xffff),
            (false, Tongue::Japanese) => format!("区間 {}", leg & 0xffff),
        };
        *peer = message.peer.to_string();
    }
    heads[engine] = "toritsugi".to_owned();

    let mut page = String::new();
    let first = UnixMillis(messages.first().map_or(0, |(message, _)| message.at));
    let (date, clock) = (zone.date(first), zone.name().unwrap_or("UTC"));
    let _ = match tongue {
        Tongue::English => writeln!(page, "call {call}, {date} ({clock})\n"),
        Tongue::Japanese => writeln!(page, "通話 {call}、{date}({clock})\n"),
    };
    for row in [&heads, &peers] {
        let line: String = row.iter().map(|text| padded(text, WIDTH)).collect();
        let _ = writeln!(page, "{:14}{}", "", line.trim_end());
    }
    let mut before: BTreeSet<(&str, bool, &str, &str)> = BTreeSet::new();
    for (at, (message, leg)) in messages.iter().enumerate() {
        let again = !before.insert((&message.call_id, message.sent, &message.what, &message.cseq));
        let (from, to) = if message.sent { (engine, column(*leg)) } else { (column(*leg), engine) };
        let millis = message.at.rem_euclid(1000);
        let mut notes = vec![message.cseq.clone(), message.over.clone()];
        // A phone that has moved, another machine of the carrier, or somebody else.
        let (peer, before) = (message.peer.to_string(), &mut peers[column(*leg)]);
        if *before != peer {
            notes.push(match (message.sent, tongue) {
                (true, Tongue::English) => format!("to {peer}"),
                (false, Tongue::English) => format!("from {peer}"),
                (true, Tongue::Japanese) => format!("{peer} 宛て"),
                (false, Tongue::Japanese) => format!("{peer} から"),
            });
            *before = peer;
        }
        notes.extend(message.sound.clone());
        notes.extend(message.reason.clone());
        if again {
            notes.push(if tongue == Tongue::English { "again" } else { "再送" }.to_owned());
        }
        let time = zone.time(UnixMillis(message.at));
        let _ = writeln!(page, "{time}.{millis:03}  {}  {}", rung(columns, from, to, &message.what), notes.join("; "));
        for line in opened.and_then(|opened| opened.get(at)).into_iter().flat_map(|text| text.trim_end().lines()) {
            let _ = writeln!(page, "              > {}", harmless(line));
        }
    }
    if opened.is_some() && is_withheld(messages) {
        let _ = match tongue {
            Tongue::English => writeln!(page, "\nSomebody in this call asked to stay unnamed: no number of it is shown."),
            Tongue::Japanese => writeln!(page, "\n番号の非通知を求めた人がいる通話のため、電話番号は表示しません。"),
        };
    }
    let _ = match (opened.is_some(), tongue) {
        (false, Tongue::English) => {
            writeln!(page, "\n--reveal --why REASON shows the messages, with people's numbers; it is written down who did and why.")
        }
        (false, Tongue::Japanese) => {
            writeln!(page, "\n--reveal --why 理由 を付けると電話番号を含む全文を表示し、誰がなぜ見たかを記録します。")
        }
        (true, Tongue::English) => writeln!(page, "\nThat you saw this is written in {} of the state folder.", audit::FILE),
        (true, Tongue::Japanese) => writeln!(page, "\n閲覧したことは状態フォルダーの {} に記録されました。", audit::FILE),
    };
    page
}

/// One arrow between two columns, over the bars of all of them.
fn rung(columns: usize, from: usize, to: usize, what: &str) -> String {
    let mut line: Vec<char> = vec![' '; WIDTH * (columns - 1) + 1];
    (0..columns).for_each(|c| line[c * WIDTH] = '|');
    let (left, right) = (from.min(to) * WIDTH, from.max(to) * WIDTH);
    line[left + 1..right].fill('-');
    if to > from {
        line[right - 1] = '>'
    } else {
        line[left + 1] = '<'
    }
    let label: Vec<char> = format!(" {what} ").chars().take(right - left - 5).collect();
    line[left + 3..left + 3 + label.len()].copy_from_slice(&label);
    line.into_iter().collect()
}

/// What a peer wrote must not speak to the terminal.
fn harmless(line: &str) -> String {
    line.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// A text in a column; letters of Japanese are two wide.
fn padded(text: &str, width: usize) -> String {
    let wide = crate::words::width(text);
    format!("{text}{}", " ".repeat(width.saturating_sub(wide)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Random;

    fn message(at: i64, sent: bool, leg: u64, what: &str, cseq: &str) -> (Traced, u64) {
        let traced = Traced {
            at: 1_787_533_200_000 + at,
            sent,
            over: "UDP".to_owned(),
            peer: if leg & 0xffff == 0 { "192.0.2.1:5060" } else { "192.0.2.7:6060" }.parse().unwrap(),
            call_id: format!("c{leg}"),
            leg: Some(leg),
            what: what.to_owned(),
            cseq: cseq.to_owned(),
            sound: None,
            reason: None,
            withheld: false,
            sealed: String::new(),
        };
        (traced, leg)
    }

    #[test]
    fn no_message_speaks_to_the_terminal() {
        assert_eq!(harmless("s=\u{1b}]0;pwned\u{7}\u{9b}2J ward"), "s=\u{fffd}]0;pwned\u{fffd}\u{fffd}2J ward");
    }

    #[test]
    fn the_ladder_shows_who_sent_what_to_whom_and_what_was_sent_again() {
        let (caller, agent) = (17 << 16, 17 << 16 | 1);
        let messages = [
            message(1, false, caller, "INVITE", "1 INVITE"),
            message(2, true, caller, "100 Trying", "1 INVITE"),
            message(500, false, caller, "INVITE", "1 INVITE"),
            message(900, true, agent, "INVITE", "1 INVITE"),
            message(950, false, agent, "180 Ringing", "1 INVITE"),
        ];
        let page = ladder(17, &messages, None, &Zone::tokyo(), Tongue::English);
        let expected = "\
call 17, 2026-08-24 (Asia/Tokyo)

              caller                          toritsugi                       leg 1
              192.0.2.1:5060                                                  192.0.2.7:6060
10:00:00.001  |-- INVITE -------------------->|                               |  1 INVITE; UDP
10:00:00.002  |<- 100 Trying -----------------|                               |  1 INVITE; UDP
10:00:00.500  |-- INVITE -------------------->|                               |  1 INVITE; UDP; again
10:00:00.900  |                               |-- INVITE -------------------->|  1 INVITE; UDP
10:00:00.950  |                               |<- 180 Ringing ----------------|  1 INVITE; UDP
";
        assert!(page.starts_with(expected), "{page}");
    }

    #[test]
    fn a_call_in_which_somebody_asks_to_stay_unnamed_names_nobody_from_its_beginning() {
        let (vault, mut random) = (Vault::new([7; 32]), Random::new([1; 32]));
        let text = "INVITE sip:0440000000@h SIP/2.0\r\nFrom: <sip:0901112222@h>;tag=1\r\nCSeq: 1 INVITE\r\n\r\n";
        let mut seal = |(message, leg): (Traced, u64)| (Traced { sealed: vault.seal_trace(&mut random, message.at, text), ..message }, leg);
        let (caller, agent) = (17 << 16, 17 << 16 | 1);
        let mut messages = [
            seal(message(0, false, caller, "INVITE", "1 INVITE")),
            seal(message(1, true, agent, "INVITE", "1 INVITE")),
            seal(message(2, false, caller, "UPDATE", "2 UPDATE")),
        ];
        let page = |messages: &[(Traced, u64)]| ladder(17, messages, Some(&opened(messages, &vault)), &Zone::tokyo(), Tongue::English);
        let shown = page(&messages);
        assert!(shown.matches("0901112222").count() == 3 && !shown.contains("stay unnamed"), "{shown}");
        messages[2].0.withheld = true;
        let shown = page(&messages);
        assert!(!shown.contains("0901112222") && shown.contains("asked to stay unnamed"), "{shown}");
        assert!(shown.matches("> CSeq: 1 INVITE").count() == 3, "{shown}");
    }

    #[test]
    fn whoever_speaks_from_elsewhere_is_told_apart() {
        let caller = 17 << 16;
        let mut messages = vec![
            message(0, false, caller, "INVITE", "1 INVITE"),
            message(1, false, caller, "BYE", "2 BYE"),
            message(2, true, caller, "200 OK", "2 BYE"),
        ];
        for (message, _) in &mut messages[1..] {
            message.peer = "192.0.2.66:9".parse().unwrap();
        }
        let page = ladder(17, &messages, None, &Zone::tokyo(), Tongue::English);
        let notes: Vec<&str> = page.lines().skip(4).take(3).filter_map(|line| line.rsplit_once("|  ")).map(|(_, notes)| notes).collect();
        assert_eq!(notes, ["1 INVITE; UDP", "2 BYE; UDP; from 192.0.2.66:9", "2 BYE; UDP"], "{page}");
        assert!(page.contains("192.0.2.1:5060"), "{page}");
    }

    #[test]
    fn a_call_that_nobody_called_has_no_column_for_a_caller() {
        let page = ladder(5, &[message(0, true, 5 << 16 | 1, "INVITE", "1 INVITE")], None, &Zone::default(), Tongue::Japanese);
        assert!(page.contains("toritsugi") && page.contains("区間 1") && page.contains("|-- INVITE"), "{page}");
    }
}
