//! `toritsugi history` and `toritsugi rollback`: the versions that were in force, what changed, and the way back.

use crate::by_hand::said;
use crate::client;
use crate::explain::Tongue;
use crate::status::minute;
use crate::versions::{self, Entry, Versions};
use crate::words::{Both, Stop, say};
use crate::zone::{Town, Zone};
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
    /// en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
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
    /// Put it in force even if example calls of its own fail
    #[arg(long)]
    although_tests_fail: bool,
    /// Language of the answer: en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi history`: reads the state folder, whether or not an engine runs.
pub(crate) fn run(args: &HistoryArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let versions = Versions::open(&args.state.state)?;
    if let Some(number) = args.diff {
        return diff(&versions, number, tongue);
    }
    if versions.list().is_empty() {
        let folder = args.state.state.display();
        let none = Both::new(
            format_args!("no version is kept in {folder}: the first one is, when an engine starts on it. Name another folder with --state"),
            format_args!(
                "{folder} には、まだ版が保存されていません。このフォルダーでエンジンを起動すると、最初の版が保存されます。別のフォルダーは --state で指定してください。"
            ),
        );
        return Err(Stop::new(none.of(tongue)));
    }
    let zone = Town::find(&args.city)?.zone;
    for entry in versions.list().iter().rev().take(args.limit) {
        if args.json {
            say(serde_json::to_string(entry).map_err(Stop::new)?)?;
        } else {
            let first = versions.before(entry.number).is_none();
            say(told(entry, first, &zone).of(tongue))?;
        }
    }
    if !args.json {
        let hint = Both::new(
            "What a version changed: toritsugi history --diff N. The way back: toritsugi rollback N.",
            "版ごとの変更点は toritsugi history --diff 番号、前の版に戻すには toritsugi rollback 番号 と入力してください。",
        );
        say(hint.of(tongue))?;
    }
    Ok(())
}

/// One version. Of the `first` that is kept nobody knows what it changed.
fn told(entry: &Entry, first: bool, zone: &Zone) -> Both {
    let Entry { number, at, version, by, why, again, instead, failing, changed, .. } = entry;
    let at = minute(zone, *at);
    let again = match again {
        Some(again) if *instead => Both::new(
            format_args!("  version {again} again, at a start, instead of refused files"),
            format_args!("　起動のときにファイルを公開できず、第 {again} 版に戻しました"),
        ),
        Some(again) => Both::new(format_args!("  version {again} again"), format_args!("　第 {again} 版に戻しました")),
        None => Both::default(),
    };
    let mut said = Both::new(
        format_args!("{number:>4}  {at}  {version}  by {by}{}", again.en),
        format_args!("{number:>4}  {at}  {version}  変更した人：{by}{}", again.ja),
    );
    let mut line = |en: String, ja: String| {
        said.en.push_str(&format!("\n      {en}"));
        said.ja.push_str(&format!("\n      {ja}"));
    };
    if !why.is_empty() {
        line(format!("why      {why}"), format!("理由　　　{why}"));
    }
    if *failing {
        line("its own tests failed".to_owned(), "この版自身のテストは不合格でした".to_owned());
    }
    match changed.as_slice() {
        [] => {}
        all if first => line(format!("files    {}", all.len()), format!("ファイル　{} 個", all.len())),
        changed => line(format!("changed  {}", changed.join(", ")), format!("変更　　　{}", changed.join("、"))),
    }
    said
}

fn diff(versions: &Versions, number: u64, tongue: Tongue) -> Result<(), Stop> {
    let stop = |said: Both| Stop::new(said.of(tongue));
    let entry = versions.entry(number).ok_or_else(|| {
        stop(Both::new(
            format_args!("there is no version {number}: toritsugi history lists them"),
            format_args!("第 {number} 版はありません。一覧は toritsugi history で見られます。"),
        ))
    })?;
    let before = match versions.before(number) {
        Some(before) => versions.sources(before)?,
        None => {
            return Err(stop(Both::new(
                format_args!("version {number} is the oldest that is kept: there is nothing to compare it with"),
                format_args!("第 {number} 版は、保存されているうちで最も古い版です。比べる版がありません。"),
            )));
        }
    };
    let page = versions::difference(&before, &versions.sources(entry)?);
    if page.is_empty() { say(Both::new("The texts are the same.", "内容は同じです。").of(tongue)) } else { say(page.trim_end()) }
}

/// `toritsugi rollback N`.
pub(crate) fn roll_back(args: &RollbackArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    let by = args.by.clone().unwrap_or_else(client::whoami);
    let order = Order::Rollback { number: args.number, although_tests_fail: args.although_tests_fail, by, why: args.why.clone() };
    say(said(&client::ask(&args.state.state, "orders", Some(&order), tongue)?, tongue)?)
}
