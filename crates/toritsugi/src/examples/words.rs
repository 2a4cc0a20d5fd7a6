//! How a played example is told, in English and in Japanese: a line when it went well, the whole call when it did not.

use super::Played;
use super::verdict::Fault;
use crate::explain::Tongue;
use crate::words::{clock, width};
use flow::Draft;
use model::{Digit, KeyMeaning, LookupEnd, Party, TransferEnd};
use sim::rehearsal::Scene;
use std::fmt::Display;
use std::time::Duration;

/// Columns of a sentence that are shown: enough to know it by.
const WORDS_MAX: usize = 56;
const CLASSES: [&str; 3] = ["normal", "high", "urgent"];

/// The language in which problems of files are told.
fn either(tongue: Tongue, en: impl Display, ja: impl Display) -> String {
    match tongue {
        Tongue::English => en.to_string(),
        Tongue::Japanese => ja.to_string(),
    }
}

pub(super) fn not_played(tongue: Tongue) -> String {
    either(
        tongue,
        "nothing was played: mend the errors above first",
        "誤りがあるため、テストは行われませんでした。先に上の誤りを直してください。",
    )
}

pub(super) fn none(tongue: Tongue, only: Option<&str>) -> String {
    match only {
        Some(only) => {
            either(tongue, format_args!("no test has \"{only}\" in its name"), format_args!("名前に「{only}」を含むテストはありません。"))
        }
        None => either(
            tongue,
            "there are no tests: write them beside the flow, in flows/NAME.tests.yaml",
            "テストがありません。フローの隣の flows/名前.tests.yaml に書いてください。",
        ),
    }
}

pub(super) fn sum(tongue: Tongue, all: usize, failed: usize, took: Duration) -> String {
    let secs = took.as_secs_f64();
    either(
        tongue,
        format_args!("{all} test(s), {failed} failed, in {secs:.2} s."),
        format_args!("テスト {all} 件、うち失敗 {failed} 件（{secs:.2} 秒）。"),
    )
}

/// Why a city is not put in force: each call that went otherwise, as it went.
pub(super) fn failed(tongue: Tongue, failed: &[&Played<'_>], played: usize, draft: &Draft) -> String {
    let count = failed.len();
    let head =
        either(tongue, format_args!("{count} of {played} tests fail:"), format_args!("テスト {played} 件のうち {count} 件が不合格です。"));
    let pages: Vec<String> = failed.iter().map(|one| page(one, draft, tongue)).collect();
    format!("{head}\n{}", pages.join("\n"))
}

/// One line, or the call as it went and what should have come.
pub(super) fn page(one: &Played<'_>, draft: &Draft, tongue: Tongue) -> String {
    let name = &one.example.name;
    if one.faults.is_empty() {
        return either(tongue, format_args!("ok      {name}"), format_args!("合格    {name}"));
    }
    let place = format!("{}:{}", one.path, one.example.line);
    let mut page = either(tongue, format_args!("FAILED  {name}  ({place})"), format_args!("不合格  {name}（{place}）"));
    for moment in one.take.iter().flat_map(|take| &take.moments) {
        page.push_str(&format!("\n  {:>6}  {}", clock(moment.at), scene(&moment.what, draft, tongue)));
    }
    for one in &one.faults {
        let (expected, came) = fault(one, tongue);
        page.push_str(&either(
            tongue,
            format_args!("\n  expected: {expected}\n      came: {came}"),
            format_args!("\n  期待: {expected}\n  実際: {came}"),
        ));
    }
    page
}

/// What happened to the caller.
pub(super) fn scene(scene: &Scene, draft: &Draft, tongue: Tongue) -> String {
    match scene {
        Scene::Step(step) => either(tongue, format_args!("at step: {step}"), format_args!("ステップ: {step}")),
        Scene::Heard { spoken, lasted: _, cut } => {
            let words = draft.words(spoken).map(|words| shortened(&words)).unwrap_or_default();
            let (en, ja) = if *cut { (", cut short", "（途中まで）") } else { ("", "") };
            either(
                tongue,
                format_args!("heard: {} [{}] \"{words}\"{en}", spoken.prompt, spoken.lang),
                format_args!("案内: {} [{}]「{words}」{ja}", spoken.prompt, spoken.lang),
            )
        }
        Scene::Pressed { digit, step, meaning } => pressed(*digit, step, *meaning, tongue),
        Scene::NoInput(step) => {
            either(tongue, format_args!("pressed nothing in time (at {step})"), format_args!("時間内にキー操作なし（{step}）"))
        }
        Scene::Queued { queue, position } => either(
            tongue,
            format_args!("in the queue {queue}, at place {position}"),
            format_args!("待ち列 {queue} の {position} 番目に並ぶ"),
        ),
        Scene::Waits { queue, position } => either(
            tongue,
            format_args!("waits in {queue} at place {position}: nobody is free for this call"),
            format_args!("{queue} の {position} 番目で待つ（応対できる人がいない）"),
        ),
        Scene::Rings { agent } => either(tongue, format_args!("the phone of {agent} rings"), format_args!("{agent} の電話が鳴る")),
        Scene::RangInVain { agent, how } => {
            either(tongue, format_args!("{agent} does not take the call ({how})"), format_args!("{agent} は出なかった（{how}）"))
        }
        Scene::Connected { agent } => either(tongue, format_args!("talks with {agent}"), format_args!("{agent} と通話")),
        Scene::PutThrough { to, how: TransferEnd::Connected } => {
            either(tongue, format_args!("talks with {to}"), format_args!("{to} と通話"))
        }
        Scene::PutThrough { to, how } => {
            either(tongue, format_args!("could not be put through to {to} ({how})"), format_args!("{to} につながらなかった（{how}）"))
        }
        Scene::LeftQueue { queue, how } => {
            either(tongue, format_args!("leaves the queue {queue} ({how})"), format_args!("待ち列 {queue} を離れる（{how}）"))
        }
        Scene::LookedUp { lookup, how: LookupEnd::Answered } => {
            either(tongue, format_args!("{lookup} is asked, and answers"), format_args!("{lookup} に問い合わせ（回答あり）"))
        }
        Scene::LookedUp { lookup, how } => either(
            tongue,
            format_args!("{lookup} is asked, without an answer ({how})"),
            format_args!("{lookup} に問い合わせ（回答なし: {how}）"),
        ),
        Scene::MessageLeft { mailbox } => {
            either(tongue, format_args!("leaves a message in the box {mailbox}"), format_args!("伝言箱 {mailbox} に伝言を残す"))
        }
        Scene::Booked => either(tongue, "a callback is booked", "折り返しを予約"),
        Scene::CalledBack(how) => either(tongue, format_args!("is called back ({how})"), format_args!("折り返し（{how}）")),
        Scene::Over(record) => {
            let (en, ja) = match record.hung_up_by {
                Party::Caller => ("the caller", "利用者"),
                Party::Agent => ("the agent", "担当者"),
                Party::Engine => ("us", "こちら側"),
            };
            either(
                tongue,
                format_args!("the call is over: {}, hung up by {en}", record.end),
                format_args!("通話終了: {}（切ったのは{ja}）", record.end),
            )
        }
    }
}

fn pressed(digit: Digit, step: &model::StepId, meaning: KeyMeaning, tongue: Tongue) -> String {
    match meaning {
        KeyMeaning::Choice => either(tongue, format_args!("pressed {digit} (at {step})"), format_args!("キー {digit}（{step}）")),
        KeyMeaning::Unknown => {
            either(tongue, format_args!("pressed {digit}, which {step} does not have"), format_args!("キー {digit}（{step} にないキー）"))
        }
        KeyMeaning::Ignored => either(
            tongue,
            format_args!("pressed {digit} in {step}, where nobody asks for a key"),
            format_args!("キー {digit}（{step} ではキーを受け付けない）"),
        ),
    }
}

/// What should have come, and what came.
pub(super) fn fault(fault: &Fault, tongue: Tongue) -> (String, String) {
    let nothing = || either(tongue, "nothing of the kind", "なし");
    let or_nothing = |came: Option<String>| came.unwrap_or_else(nothing);
    let named = |en: &str, ja: &str, what: &dyn Display| either(tongue, format_args!("{en} {what}"), format_args!("{ja}: {what}"));
    match fault {
        Fault::NotHeard { prompt, before } => {
            (after(named("heard:", "案内", prompt), before.as_ref(), tongue), either(tongue, "it was not heard there", "流れなかった"))
        }
        Fault::Heard(prompt) => (
            either(tongue, format_args!("not heard: {prompt}"), format_args!("案内 {prompt} は流れない")),
            either(tongue, "it was heard", "流れた"),
        ),
        Fault::NotReached { step, before } => (
            after(named("at step:", "ステップ", step), before.as_ref(), tongue),
            either(tongue, "it was not reached there", "通らなかった"),
        ),
        Fault::Reached(step) => (
            either(tongue, format_args!("never at step: {step}"), format_args!("ステップ {step} は通らない")),
            either(tongue, "it was reached", "通った"),
        ),
        Fault::Queue { wanted, came } => (named("queue:", "待ち列", wanted), or_nothing(came.as_ref().map(ToString::to_string))),
        Fault::Priority { wanted, came } => {
            let class = |class: u8| CLASSES.get(usize::from(class)).map_or_else(|| class.to_string(), |word| (*word).to_owned());
            (named("priority:", "優先度", &class(*wanted)), or_nothing(came.map(class)))
        }
        Fault::Lang { wanted, came } => (named("language:", "言語", wanted), or_nothing(came.as_ref().map(ToString::to_string))),
        Fault::Position { wanted, came } => (named("place in the queue:", "順番", wanted), or_nothing(came.map(|came| came.to_string()))),
        Fault::ConnectedTo { wanted, came } => (
            named("talks with", "通話の相手", wanted),
            came.as_ref().map_or_else(|| either(tongue, "with nobody", "誰にもつながらない"), ToString::to_string),
        ),
        Fault::TransferredTo { wanted, came } => (
            named("put through to", "転送先", wanted),
            came.clone().unwrap_or_else(|| either(tongue, "put through to nobody", "転送されない")),
        ),
        Fault::Within { wanted, came } => (
            either(tongue, format_args!("within {}", secs(*wanted)), format_args!("{} 以内", secs(*wanted))),
            came.map_or_else(|| either(tongue, "nobody came", "誰も出ない"), secs),
        ),
        Fault::Ended { wanted, came } => (named("ended:", "終わり方", wanted), or_nothing(came.map(|came| came.to_string()))),
        Fault::Voicemail { wanted, came } => (
            named("a message in the box", "伝言箱", wanted),
            came.as_ref().map_or_else(|| either(tongue, "no message was left", "伝言は残らなかった"), ToString::to_string),
        ),
        Fault::CalledBack { wanted: true } => {
            (either(tongue, "called back", "折り返しがある"), either(tongue, "not called back", "折り返しがない"))
        }
        Fault::CalledBack { wanted: false } => {
            (either(tongue, "not called back", "折り返しがない"), either(tongue, "called back", "折り返しがある"))
        }
        Fault::Engine(what) => (
            either(tongue, "an engine that keeps its own rules", "エンジンが規則どおりに動く"),
            either(
                tongue,
                format_args!("a fault of ours, please report it: {what}"),
                format_args!("こちらの不具合です。ご連絡ください: {what}"),
            ),
        ),
        Fault::Unpressed(keys) => {
            let keys = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            (
                either(tongue, format_args!("pressed: {keys}"), format_args!("キー: {keys}")),
                either(tongue, "never pressed: the call was over before", "押す前に終わった"),
            )
        }
    }
}

fn after(what: String, before: Option<&impl Display>, tongue: Tongue) -> String {
    match before {
        Some(before) => either(tongue, format_args!("{what}, after {before}"), format_args!("{before} の後に{what}")),
        None => what,
    }
}

fn secs(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn shortened(words: &str) -> String {
    if width(words) <= WORDS_MAX {
        return words.to_owned();
    }
    let mut columns = 0;
    let fits = |c: &char| {
        columns += width(c.encode_utf8(&mut [0; 4]));
        columns < WORDS_MAX
    };
    words.chars().take_while(fits).chain(['…']).collect()
}
