//! `toritsugi status`: which city is in force and since when, what was refused, and what is set by hand until when.

use crate::StateArgs;
use crate::client;
use crate::explain::Tongue;
use crate::office::words::{hours_ja, not_allowed};
use crate::publish::Refused;
use crate::versions::Entry;
use crate::words::{Both, Stop, say};
use crate::zone::Zone;
use calls::City;
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
    /// Example calls of the city in force itself fail: the first of them.
    #[serde(default)]
    pub(crate) failing: Option<Both>,
    /// The files never rest.
    #[serde(default)]
    pub(crate) changing: Option<Changing>,
}

/// Files that have been changing without a rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changing {
    pub(crate) since: UnixMillis,
    pub(crate) since_local: String,
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
    /// Nobody ordered that: at its start the engine refused the files.
    #[serde(default)]
    pub(crate) instead: bool,
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
            instead: entry.instead,
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
    pub(crate) first: Both,
    /// All of them.
    pub(crate) said: Both,
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
    /// Why it does nothing: what it acts on is not in the city in force.
    #[serde(default)]
    pub(crate) no_effect: Option<Both>,
}

impl Set {
    pub(crate) fn new(set: &Override, zone: &Zone, city: &City) -> Set {
        let end_with = match &set.setting {
            Setting::Notice { slot, .. } => format!("toritsugi notice clear {slot}"),
            Setting::Schedule { schedule, .. } => format!("toritsugi override {schedule} clear"),
            Setting::Skill { agent, skill, .. } => format!("toritsugi agent skill {agent} {skill}=clear"),
        };
        let (since_local, until_local) = (minute(zone, set.since), minute(zone, set.until));
        Set { set: set.clone(), since_local, until_local, end_with, no_effect: no_effect(city, &set.setting) }
    }
}

/// A moment for people, in the city's time: `2026-11-26 17:00`.
pub(crate) fn minute(zone: &Zone, at: UnixMillis) -> String {
    format!("{} {}", zone.date(at), zone.time(at).get(..5).unwrap_or_default())
}

/// Why something that is set by hand does nothing in a city; `None`: it acts.
pub(crate) fn no_effect(city: &City, setting: &Setting) -> Option<Both> {
    calls::acts_on(city, setting).err().map(|why| not_allowed(&why))
}

impl Stand {
    /// For `/healthz`: one line for each thing that somebody should know.
    pub(crate) fn lines(&self) -> String {
        let mut page = String::new();
        if let Some(InForce { number, version, by, at_local, again, .. }) = &self.in_force {
            let _ = write!(page, "city in force: {version} (version {number}, by {by}, {at_local}");
            let _ = writeln!(page, "{})", again.map_or_else(String::new, |again| format!("; version {again} again")));
        }
        if let Some(failing) = &self.failing {
            let _ = writeln!(page, "tests of the city in force: FAILING. First: {}", failing.en);
        }
        if self.rolled_back {
            page.push_str("files: NOT IN FORCE. A version of before was put in force again; the files count when they are changed\n");
        }
        if let Some(refused) = &self.refused {
            let _ = writeln!(
                page,
                "files: REFUSED since {}, mistakes: {}; the city above stays in force. First: {}",
                refused.at_local, refused.problems, refused.first.en
            );
        } else if !self.rolled_back {
            page.push_str("files: in force\n");
        }
        if let Some(Changing { since_local, .. }) = &self.changing {
            let _ = writeln!(page, "files: CHANGING without a rest since {since_local}; they are judged as they lie every ten seconds");
        }
        page
    }
}

/// `toritsugi status`.
pub(crate) fn run(args: &StatusArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let answer = client::ask(&args.state.state, "status", None, tongue)?;
    if args.json {
        return say(answer.trim_end());
    }
    let status: Status = serde_json::from_str(&answer).map_err(|fault| client::another(fault, tongue))?;
    let page = match tongue {
        Tongue::English => english(&status),
        Tongue::Japanese => japanese(&status),
    };
    say(page.trim_end())
}

fn english(status: &Status) -> String {
    let mut page = String::new();
    match &status.stand.in_force {
        Some(InForce { number, version, at_local, by, why, again, instead, .. }) => {
            let _ = writeln!(page, "In force   version {number} ({version}), since {at_local}, by {by}{}", because(why, ": "));
            if let Some(again) = again {
                let how = if *instead { ": at its start the engine refused the files, and this one passed last" } else { "" };
                let _ = writeln!(page, "           it is version {again} again{how}");
            }
        }
        None => page.push_str("In force   a city that is not kept: the disk did not take it, see the log\n"),
    }
    if let Some(failing) = &status.stand.failing {
        let _ = writeln!(page, "TESTS      of the city in force fail; {}", failing.en);
    }
    if status.stand.rolled_back && status.stand.in_force.is_none() {
        page.push_str("FILES      ARE NOT WHAT IS IN FORCE, because of a rollback that is not written down: a restart takes the files. Make room on the disk\n");
    } else if status.stand.rolled_back {
        page.push_str(
            "FILES      ARE NOT WHAT IS IN FORCE, because of a rollback. It holds over restarts and reloads; the files count again as soon as one \
             of them is changed, and passes\n",
        );
    }
    if let Some(refused) = &status.stand.refused {
        let Refusal { at_local, by, problems, first, .. } = refused;
        let mistakes = if *problems == 1 { "1 mistake:".to_owned() } else { format!("{problems} mistakes, the first one:") };
        let _ = writeln!(page, "REFUSED    the files, since {at_local}, changed by {by}; {mistakes}\n           {}", first.en);
        page.push_str("           `toritsugi check` and `toritsugi test` show all of it. Nothing of this change is in force.\n");
    }
    if let Some(Changing { since_local, .. }) = &status.stand.changing {
        let _ = writeln!(
            page,
            "CHANGING   the files, without a rest since {since_local}: does some program write into their folders? They are judged as they lie \
             every ten seconds"
        );
    }
    if status.overrides.is_empty() {
        page.push_str("By hand    nothing is set\n");
    }
    for Set { set, since_local, until_local, end_with, no_effect } in &status.overrides {
        let _ = writeln!(
            page,
            "By hand    {}, until {until_local}; by {}, since {since_local}{}",
            set.setting,
            set.by,
            because(&set.why, ": ")
        );
        texts(&mut page, set);
        if let Some(no_effect) = no_effect {
            let _ = writeln!(page, "             WITHOUT EFFECT: {}", no_effect.en);
        }
        let _ = writeln!(page, "             ends sooner with: {end_with}");
    }
    page
}

fn japanese(status: &Status) -> String {
    let mut page = String::new();
    match &status.stand.in_force {
        Some(InForce { number, version, at_local, by, why, again, instead, .. }) => {
            let _ = writeln!(page, "公開中     第 {number} 版（{version}）、{at_local} から。変更した人：{by}{}", because(why, "。理由："));
            if let Some(again) = again {
                let how = if *instead {
                    "。起動のときにファイルを公開できなかったため、最後に合格した版を使っています"
                } else {
                    "に戻したものです"
                };
                let _ = writeln!(page, "           内容は第 {again} 版{how}");
            }
        }
        None => page.push_str("公開中     保存できなかった版です。ログを見てください\n"),
    }
    if let Some(failing) = &status.stand.failing {
        let _ = writeln!(page, "テスト     公開中の版自身のテストが不合格です。{}", failing.ja);
    }
    if status.stand.rolled_back && status.stand.in_force.is_none() {
        page.push_str(
            "ファイル   前の版に戻しましたが、書き込めていません。再起動するといまのファイルに戻ります。ディスクを空けてください\n",
        );
    } else if status.stand.rolled_back {
        page.push_str(
            "ファイル   前の版に戻したため、いまのファイルは公開されていません。再起動や再読み込みをしても同じです。どれかを変更して合格すると、ふたたび公開されます\n",
        );
    }
    if let Some(Refusal { at_local, by, problems, first, .. }) = &status.stand.refused {
        let mistakes = if *problems == 1 { "誤り 1 件：".to_owned() } else { format!("誤り {problems} 件、最初のひとつ：") };
        let _ = writeln!(
            page,
            "不採用     いまのファイルは {at_local} から公開できません。変更した人：{by}。{mistakes}\n           {}",
            first.ja
        );
        page.push_str("           すべての誤りは toritsugi check と toritsugi test で見られます。この変更は何も公開されていません。\n");
    }
    if let Some(Changing { since_local, .. }) = &status.stand.changing {
        let _ = writeln!(
            page,
            "変更中     {since_local} から、ファイルが絶えず書き換えられています。何かのプログラムが書き込んでいないか、確かめてください。10 秒ごとに、そのときの内容を調べています"
        );
    }
    if status.overrides.is_empty() {
        page.push_str("臨時の指定 ありません\n");
    }
    for Set { set, since_local, until_local, end_with, no_effect } in &status.overrides {
        let what = match &set.setting {
            Setting::Notice { slot, .. } => format!("お知らせ {slot}"),
            Setting::Schedule { schedule, hours } => format!("受付時間 {schedule} は「{}」", hours_ja(*hours)),
            Setting::Skill { agent, skill, level: Some(level) } => format!("{agent} さんの技能 {skill} はレベル {}", level.get()),
            Setting::Skill { agent, skill, level: None } => format!("{agent} さんの技能 {skill} は「なし」"),
        };
        let _ = writeln!(
            page,
            "臨時の指定 {what}、{until_local} まで。指定した人：{}、{since_local} から{}",
            set.by,
            because(&set.why, "。理由：")
        );
        texts(&mut page, set);
        if let Some(no_effect) = no_effect {
            let _ = writeln!(page, "             いまは効いていません。{}", no_effect.ja);
        }
        let _ = writeln!(page, "             早く終えるには：{end_with}");
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
