//! `toritsugi status`: which city is in force and since when, what was refused, and what is set by hand until when.

use crate::StateArgs;
use crate::client;
use crate::explain::Tongue;
use crate::publish::Refused;
use crate::versions::Entry;
use crate::words::{Stop, say};
use crate::zone::Zone;
use clap::Args;
use model::{Override, Setting, UnixMillis};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

/// How the city's files stand to the city in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stand {
    /// The version in force.
    pub(crate) in_force: Option<InForce>,
    /// The files as they lie were refused.
    pub(crate) refused: Option<Refusal>,
    /// Not what the files say is in force, but what somebody put in force again.
    pub(crate) rolled_back: bool,
}

/// The version in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InForce {
    pub(crate) number: u64,
    pub(crate) version: String,
    pub(crate) at: UnixMillis,
    /// The same in the city's time: `2026-11-26 17:00`.
    pub(crate) at_local: String,
    pub(crate) by: String,
    pub(crate) why: String,
    /// The earlier version that this one is again.
    pub(crate) again: Option<u64>,
}

impl InForce {
    pub(crate) fn new(entry: &Entry, zone: &Zone) -> InForce {
        InForce {
            number: entry.number,
            version: entry.version.to_string(),
            at: entry.at,
            at_local: minute(zone, entry.at),
            by: entry.by.clone(),
            why: entry.why.clone(),
            again: entry.again,
        }
    }
}

/// Files that were not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) at: UnixMillis,
    pub(crate) at_local: String,
    /// Whose change it is, by the files' owner.
    pub(crate) by: String,
    pub(crate) problems: u64,
    /// The first of them, with its file, line and column.
    pub(crate) first: String,
    /// All of them.
    pub(crate) said: String,
}

impl Refusal {
    pub(crate) fn new(refused: &Refused, by: String, at: UnixMillis, zone: &Zone) -> Refusal {
        let Refused { said, first, problems } = refused.clone();
        Refusal { at, at_local: minute(zone, at), by, problems, first, said }
    }
}

/// What the running engine answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    #[serde(flatten)]
    pub(crate) stand: Stand,
    pub(crate) overrides: Vec<Set>,
}

/// What is set by hand, with its times as the city's clocks show them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Set {
    #[serde(flatten)]
    pub(crate) set: Override,
    pub(crate) since_local: String,
    pub(crate) until_local: String,
    /// What ends it before its time.
    pub(crate) end_with: String,
}

impl Set {
    pub(crate) fn new(set: &Override, zone: &Zone) -> Set {
        let end_with = match &set.setting {
            Setting::Notice { slot, .. } => format!("toritsugi notice clear {slot}"),
            Setting::Schedule { schedule, .. } => format!("toritsugi override {schedule} clear"),
            Setting::Skill { agent, skill, .. } => format!("toritsugi agent skill {agent} {skill}=clear"),
        };
        Set { set: set.clone(), since_local: minute(zone, set.since), until_local: minute(zone, set.until), end_with }
    }
}

/// A moment for people, in the city's time: `2026-11-26 17:00`.
pub(crate) fn minute(zone: &Zone, at: UnixMillis) -> String {
    format!("{} {}", zone.date(at), zone.time(at).get(..5).unwrap_or_default())
}

impl Stand {
    /// For `/healthz`: one line for each thing that somebody should know.
    pub(crate) fn lines(&self) -> String {
        let mut page = String::new();
        if let Some(InForce { number, version, by, at_local, again, .. }) = &self.in_force {
            let _ = write!(page, "city in force: {version} (version {number}, by {by}, {at_local}");
            let _ = writeln!(page, "{})", again.map_or_else(String::new, |again| format!("; version {again} again")));
        }
        if self.rolled_back {
            page.push_str("files: NOT IN FORCE. A version of before was put in force again; the files count when they are changed\n");
        }
        if let Some(refused) = &self.refused {
            let _ = writeln!(
                page,
                "files: REFUSED since {}, mistakes: {}; the city above stays in force. First: {}",
                refused.at_local, refused.problems, refused.first
            );
        } else if !self.rolled_back {
            page.push_str("files: in force\n");
        }
        page
    }
}

/// `toritsugi status`.
pub(crate) fn run(args: &StatusArgs) -> Result<(), Stop> {
    let answer = client::ask(&args.state.state, "status", None)?;
    if args.json {
        return say(answer.trim_end());
    }
    let status: Status = serde_json::from_str(&answer).map_err(client::another)?;
    let page = match Tongue::of(args.lang.as_deref()) {
        Tongue::English => english(&status),
        Tongue::Japanese => japanese(&status),
    };
    say(page.trim_end())
}

fn english(status: &Status) -> String {
    let mut page = String::new();
    match &status.stand.in_force {
        Some(InForce { number, version, at_local, by, why, again, .. }) => {
            let _ = writeln!(page, "In force   version {number} ({version}), since {at_local}, by {by}{}", because(why, ": "));
            if let Some(again) = again {
                let _ = writeln!(page, "           it is version {again} again");
            }
        }
        None => page.push_str("In force   a city that is not kept: the disk did not take it, see the log\n"),
    }
    if status.stand.rolled_back {
        page.push_str("FILES      ARE NOT WHAT IS IN FORCE. They count again as soon as one of them is changed; toritsugi history shows the versions\n");
    }
    if let Some(refused) = &status.stand.refused {
        let Refusal { at_local, by, problems, first, .. } = refused;
        let mistakes = if *problems == 1 { "1 mistake:".to_owned() } else { format!("{problems} mistakes, the first one:") };
        let _ = writeln!(page, "REFUSED    the files, since {at_local}, changed by {by}; {mistakes}\n           {first}");
        page.push_str("           `toritsugi check` and `toritsugi test` show all of it. Nothing of this change is in force.\n");
    }
    if status.overrides.is_empty() {
        page.push_str("By hand    nothing is set\n");
    }
    for Set { set, since_local, until_local, end_with } in &status.overrides {
        let _ = writeln!(
            page,
            "By hand    {}, until {until_local}; by {}, since {since_local}{}",
            set.setting,
            set.by,
            because(&set.why, ": ")
        );
        texts(&mut page, set);
        let _ = writeln!(page, "             ends sooner with: {end_with}");
    }
    page
}

fn japanese(status: &Status) -> String {
    let mut page = String::new();
    match &status.stand.in_force {
        Some(InForce { number, version, at_local, by, why, again, .. }) => {
            let _ = writeln!(page, "公開中     第 {number} 版（{version}）、{at_local} から、{by}{}", because(why, "："));
            if let Some(again) = again {
                let _ = writeln!(page, "           第 {again} 版に戻したものです");
            }
        }
        None => page.push_str("公開中     保存できなかった版です。ログを見てください\n"),
    }
    if status.stand.rolled_back {
        page.push_str("ファイル   いまのファイルは公開されていません。どれかを変更すると、ふたたび公開の対象になります（toritsugi history に版の一覧）\n");
    }
    if let Some(Refusal { at_local, by, problems, first, .. }) = &status.stand.refused {
        let _ = writeln!(page, "却下       {at_local} から、変更した人：{by}。誤り {problems} 件、最初のひとつ：\n           {first}");
        page.push_str("           すべての誤りは toritsugi check と toritsugi test で見られます。この変更は何も公開されていません。\n");
    }
    if status.overrides.is_empty() {
        page.push_str("臨時の指定 ありません\n");
    }
    for Set { set, since_local, until_local, end_with } in &status.overrides {
        let what = match &set.setting {
            Setting::Notice { slot, .. } => format!("お知らせ {slot}"),
            Setting::Schedule { schedule, hours } => format!("受付時間 {schedule} は {hours}"),
            Setting::Skill { agent, skill, level } => format!("技能 {agent} {skill}={}", level.map_or(0, model::Level::get)),
        };
        let _ =
            writeln!(page, "臨時の指定 {what}、{until_local} まで。指定した人：{}、{since_local} から{}", set.by, because(&set.why, "："));
        texts(&mut page, set);
        let _ = writeln!(page, "             早く終えるには: {end_with}");
    }
    page
}

fn texts(page: &mut String, set: &Override) {
    if let Setting::Notice { texts, .. } = &set.setting {
        for (lang, text) in texts {
            let _ = writeln!(page, "             {lang}: {text}");
        }
    }
}

fn because(why: &str, between: &str) -> String {
    if why.is_empty() { String::new() } else { format!("{between}{why}") }
}
