//! What is answered to the duty officer's orders, in English and in Japanese.

use super::Heard;
use crate::words::Both;
use calls::NotAllowed;
use flow::NoEnd;
use model::{
    AgentId, Hours, Lang, Level, NOTICE_LANGS_MAX, NOTICE_SOUNDS_MAX, NOTICE_TEXT_MAX, OVERRIDE_LASTS_MAX, OVERRIDES_MAX, OverrideId,
    REMARK_MAX, ScheduleId, Skill,
};
use std::fmt::Display;
use std::time::Duration;

/// Names that a Japanese sentence lists; the English ones are listed by [`NotAllowed`] itself.
const NAMES_MAX: usize = 12;

pub(super) fn schedule_set(schedule: &ScheduleId, hours: Hours, until: &Both) -> Both {
    Both::new(
        format_args!("The schedule {schedule} is {hours} from now on, until {}. Then the calendar counts again.", until.en),
        format_args!(
            "受付時間 {schedule} を、{} まで「{}」にしました。そのあとは、ふたたび暦のとおりになります。",
            until.ja,
            hours_ja(hours)
        ),
    )
}

/// `受付時間外`: how a schedule answers.
pub(crate) fn hours_ja(hours: Hours) -> &'static str {
    match hours {
        Hours::Open => "受付中",
        Hours::Holiday => "祝日の受付",
        Hours::Closed => "受付時間外",
    }
}

pub(super) fn no_level(level: u8) -> Both {
    Both::new(
        format_args!("a level is 1 to 5, or 0 for not at all; not {level}."),
        format_args!("技能のレベルは 1 から 5、まったくない場合は 0 です（{level} は指定できません）。"),
    )
}

pub(super) fn skill_set(agent: &AgentId, skill: &Skill, level: Option<Level>, until: &Both) -> Both {
    let (en, ja) = match level {
        Some(level) => (format!("has {skill} {}", level.get()), format!("レベル {} に", level.get())),
        None => (format!("has no {skill}"), "「なし」に".to_owned()),
    };
    Both::new(
        format_args!("{agent} {en} from the next decision on, until {}. Then agents.yaml counts again.", until.en),
        format_args!(
            "{agent} さんの技能 {skill} を、{} まで{ja}しました。次の割り当てから効きます。期限のあとは、ふたたび agents.yaml のとおりになります。",
            until.ja
        ),
    )
}

pub(super) fn ended(what: &OverrideId) -> Both {
    Both::new(
        format_args!("Ended: {what}. The city's files count again."),
        format_args!("終了しました：{}。ふたたび市のファイルのとおりになります。", named_ja(what)),
    )
}

/// `お知らせ city`, for `notice city`.
fn named_ja(what: &OverrideId) -> String {
    let what = what.to_string();
    let words = [("notice ", "お知らせ "), ("schedule ", "受付時間 "), ("skill ", "技能 ")];
    let named = words.iter().find_map(|(en, ja)| Some(format!("{ja}{}", what.strip_prefix(en)?)));
    named.unwrap_or(what)
}

pub(super) fn publications_under_way() -> Both {
    Both::new(
        "some publications are under way: ask again when they are done.",
        "いま公開の作業中です。終わってから、もう一度入力してください。",
    )
}

pub(super) fn on_its_way(number: u64) -> Both {
    Both::new(
        format_args!(
            "Version {number} is on its way: `toritsugi status` says when it is in force. If it is refused, the engine's own output says why."
        ),
        format_args!(
            "第 {number} 版の公開を準備しています。公開されたかどうかは toritsugi status でわかります。公開できなかった場合の理由は、エンジンの出力に書かれます。"
        ),
    )
}

pub(super) fn voice_is_slow() -> Both {
    Both::new(
        "the voice is slow: order it once more in a minute, what it has made by then is kept.",
        "音声の作成に時間がかかっています。1 分ほどたってから、もう一度入力してください。それまでにできた音声は使われます。",
    )
}

pub(super) fn voice_failed(why: Option<&str>) -> Both {
    match why {
        Some(why) => Both::new(format_args!("{why}."), format_args!("お知らせの音声を作れませんでした（{why}）。何も設定していません。")),
        None => Both::new("the voice failed: the log says why.", "お知らせの音声を作れませんでした。理由はログを見てください。"),
    }
}

/// `langs`: those in which it sounds. `longest`: how long that takes at most, which is too `long` or not.
pub(super) fn notice_set(langs: &[Lang], until: &Both, longest: Duration, long: bool, heard: &Heard) -> Both {
    let (langs, secs) = (list(langs), longest.as_secs_f32().ceil());
    let mut said = Both::new(
        format_args!(
            "Callers hear this notice from now on ({langs}), until {}. It takes {secs:.0} s: everybody waits so much longer for a person.",
            until.en
        ),
        format_args!(
            "このお知らせ（{langs}）を、{} まで流します。長さは {secs:.0} 秒で、どなたもその分だけ人につながるのが遅くなります。",
            until.ja,
        ),
    );
    if long {
        said = said.and(&Both::new(
            "That is long: one sentence, with what to do in it, is enough.",
            "少し長めです。どうすればよいかを伝える一文で十分です。",
        ));
    }
    if !heard.before.is_empty() {
        let before = list(&heard.before.iter().collect::<Vec<_>>());
        said = said.and(&Both::new(
            format_args!("Before a language is chosen it is heard in {before}."),
            format_args!("言語を選ぶ前の方には {before} で流れます。"),
        ));
    }
    for (heard, callers) in &heard.instead {
        let callers = list(callers);
        said = said.and(&Both::new(
            format_args!("No text for {callers}: who has chosen that hears {heard}."),
            format_args!("{callers} の文はないため、選んだ方には {heard} で流れます。"),
        ));
    }
    said
}

/// Why a text is no end.
pub(super) fn no_end(shown: &str, why: NoEnd) -> Both {
    let ja = match why {
        NoEnd::Unreadable => "は時刻として読めません。17:00、\"2026-11-27 09:00\"、90m（分）、2h（時間）、3d（日）のように書いてください。",
        NoEnd::DayOnly => {
            "には時刻がありません。\"2026-11-27 09:00\" のように書いてください。その日いっぱいなら \"2026-11-27 24:00\" です。"
        }
        NoEnd::TooLong => "は長すぎます。臨時の指定は 31 日までです。それより長く続くものは、市のファイルに書いてください。",
        NoEnd::Past => "はもう過ぎています。これからの時刻を書いてください。",
        NoEnd::Skipped => "は、時計の切り替えのため、その日にはありません。別の時刻を書いてください。",
    };
    Both::new(format_args!("\"{shown}\" {why}."), format_args!("「{shown}」{ja}"))
}

/// The engine did not take it, for a reason that only it knows.
pub(super) fn refused(why: impl Display) -> Both {
    Both::new(format_args!("{why}."), format_args!("エンジンが受け付けませんでした（{why}）。"))
}

/// Why something was not set by hand, or does nothing.
pub(crate) fn not_allowed(why: &NotAllowed) -> Both {
    let ja = match why {
        NotAllowed::Past => "終わりの時刻がもう過ぎています。これからの時刻を書いてください。".to_owned(),
        NotAllowed::TooLong => {
            let days = OVERRIDE_LASTS_MAX.0 / (24 * 3_600_000);
            format!("臨時の指定は {days} 日までです。それより長く続くものは、市のファイルに書いてください。")
        }
        NotAllowed::TooMany => {
            format!(
                "臨時の指定がすでに {OVERRIDES_MAX} 件あり、これ以上は増やせません。toritsugi status で確かめて、いくつか終了してください。"
            )
        }
        NotAllowed::NothingSet => "その名前の臨時の指定はありません。いまの指定は toritsugi status で見られます。".to_owned(),
        NotAllowed::Remark => format!("名前と理由は、改行なしで {REMARK_MAX} 文字までです。"),
        NotAllowed::Text => {
            format!(
                "お知らせの文は、改行なしで 1 文字から {NOTICE_TEXT_MAX} 文字まで、ひとつの言語に一文ずつ、{NOTICE_LANGS_MAX} 言語までです。"
            )
        }
        NotAllowed::NoSound(lang) => format!(
            "{lang} を話せる音声がなく、お知らせは録音では流せません。この言語を外すか、config/engine.yaml の voices に音声プログラムを書いてください。"
        ),
        NotAllowed::SoundsTooLong(lang, length) => format!(
            "{lang} では {:.0} 秒かかり、どなたもその分だけ人につながるのが遅くなります。{} 秒までにしてください。",
            Duration::from(*length).as_secs_f32(),
            NOTICE_SOUNDS_MAX.0 / 1000
        ),
        NotAllowed::UnknownSlot(known) => format!(
            "その名前のお知らせを流すフローはありません。流せるのは：{}。ステップに {{ notice: {{ slot: city }}, next: main }} のように書くと流せるようになります。",
            list(known)
        ),
        NotAllowed::UnknownSchedule(known) => {
            format!("その名前の受付時間はありません。config/calendar.yaml にあるのは：{}。", list(known))
        }
        NotAllowed::UnknownSkill(known) => {
            format!("その技能を持つ担当者も、求める待ち列もありません。ある技能は：{}。", list(known))
        }
        NotAllowed::UnknownAgent(known) => format!("その名前の担当者はいません。config/agents.yaml にあるのは：{}。", list(known)),
    };
    Both::new(format_args!("{why}."), ja)
}

/// Names for a sentence of either language, at most a dozen: `en, zh`.
fn list(names: &[impl Display]) -> String {
    let mut named: Vec<String> = names.iter().take(NAMES_MAX).map(ToString::to_string).collect();
    if names.len() > NAMES_MAX {
        named.push("…".to_owned());
    }
    if named.is_empty() { "-".to_owned() } else { named.join(", ") }
}
