//! The story in Japanese, as a colleague at the desk would tell it.

use super::story::{Cause, Story, What, withheld};
use super::words::{Said, length, named, waited};
use crate::zone::Town;
use model::{
    AgentState, CallEnd, CallbackEnd, CallbackTry, KeptFor, Lang, Millis, OfferEnd, Party, QueueEnd, Reason, TransferEnd, TransferKind,
    Why, WhyNot, Withheld,
};

pub(crate) fn head(story: &Story, town: &Town) -> String {
    let date = story.moments.first().map(|m| town.zone.date(m.at)).unwrap_or_default();
    let zone = town.zone.name().map_or_else(|| "協定世界時(UTC)。市の設定が見つかりません".to_owned(), |name| format!("市の時刻、{name}"));
    let mut head = format!("通話 {} の経過 {date}({zone})\n", story.call);
    let wait = waited(story).map_or_else(String::new, |w| format!("お待ちの時間は {} でした。", length(w)));
    let entered = story.moments.iter().any(|m| matches!(m.what, What::Placed { .. } | What::CallbackBooked { .. }));
    head.push_str(&match (story.end(), story.broken_off()) {
        (Some(end), _) => format!("要約: {}。{wait}\n", short_end(end)),
        (None, None) => format!("要約: この通話はまだ続いています。{wait}\n"),
        (None, Some(at)) => format!(
            "要約: 記録がここで途切れています({at} に破損があります)。その後この通話がどうなったかは分かりません。\n      \
             以下は破損より前の経過です。\n"
        ),
    });
    if !story.causes.is_empty() {
        head.push_str("      おつなぎに時間がかかった理由:\n");
        for cause in &story.causes {
            head.push_str(&format!("      ・{}({} 回)\n", cause_words(*cause), cause.often()));
        }
    } else if story.broken_off().is_none() {
        head.push_str(if entered {
            "      お待たせする判断はありませんでした。\n"
        } else {
            "      待ち行列には入っていません。\n"
        });
    }
    head.push('\n');
    head
}

pub(crate) fn left_out(count: u32) -> String {
    format!("(ほかに {count} 件の経過がありますが、省きました。すべては記録(ジャーナル)にあります。)\n")
}

fn short_end(end: CallEnd) -> &'static str {
    match end {
        CallEnd::Served => "担当者とお話しいただけました",
        CallEnd::CallbackBooked => "折り返しのお電話をご希望になりました",
        CallEnd::MessageLeft => "伝言をお残しになりました",
        CallEnd::NotReached => "折り返しましたが、ご本人につながりませんでした",
        CallEnd::AbandonedInMenu => "案内の途中で電話をお切りになりました",
        CallEnd::AbandonedInQueue => "お待ちの途中で電話をお切りになりました",
        CallEnd::CancelledEarly => "こちらが出る前に電話をお切りになりました",
        CallEnd::FlowEnded => "案内をお聞きいただき、終了しました",
        CallEnd::CallerVanished => "お客様の電話機との接続が途絶えました",
        CallEnd::LostInRestart => "システムの再起動により切断されました",
        CallEnd::InternalError => "システムの不具合により切断されました",
    }
}

fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::NoPlace { .. } => "待ち行列に入れませんでした",
        Cause::Reserve { .. } => "空いている担当者を、ほかの方のために残していました",
        Cause::EasingPending { .. } => "必要な技能を備えた担当者が空いておらず、条件の緩和を待っていました",
        Cause::Skill { .. } => "必要な技能を備えた担当者が空いておらず、条件の緩和もこれ以上ありませんでした",
        Cause::Excluded { .. } => "この方を担当しないことになっている担当者がいました",
        Cause::LaterRing { .. } => "あとから加わる担当者の順番が、まだ来ていませんでした",
        Cause::Preferred { .. } => "前回の担当者が空くのを待っていました",
        Cause::RangOut { .. } => "担当者を呼び出しましたが、応答がありませんでした",
        Cause::Declined { .. } => "担当者が呼び出しを断りました",
        Cause::Unreachable { .. } => "担当者の電話機につながりませんでした",
        Cause::Overtaken { .. } => "ほかの方を先におつなぎしました",
        Cause::LineFull { .. } => "転送先の回線がすべてふさがっていました",
        Cause::NobodyFree { .. } => "対応できる担当者が空いていませんでした",
    }
}

pub(crate) fn moment(what: &What, town: &Town) -> Said {
    let plain = |sentence: String| (sentence, Vec::new());
    match what {
        What::Arrived { number, caller, called_back: true } => {
            plain(format!("{caller} の方へ折り返しお電話しました(表示した番号 {number})。"))
        }
        What::Arrived { number, caller, called_back: false } => plain(match withheld(caller) {
            Some(Withheld::ByCaller) => format!("番号非通知の方から {number} にお電話がありました。"),
            Some(Withheld::Unavailable) => format!("番号を表示できない（表示圏外の）方から {number} にお電話がありました。"),
            Some(Withheld::OtherService) => format!("番号を通知できない（サービス競合の）方から {number} にお電話がありました。"),
            Some(Withheld::Payphone) => format!("公衆電話から {number} にお電話がありました。"),
            None => format!("{caller} の方から {number} にお電話がありました。"),
        }),
        What::CalledFirst { line } => plain(format!("はじめに「{line}」にかかり、そこから転送されてきたお電話です。")),
        What::BeganAs { earlier } => plain(format!("通話 {earlier} から続くお待ちです。順番は引き継がれています。")),
        What::Placed { queue, lang, class, waited, ticket } => {
            let age = if waited.0 < 1000 {
                String::new()
            } else {
                format!("これまでのお待ち {} を引き継いでいます。", length(*waited))
            };
            plain(format!(
                "「{}」の待ち行列に入りました({}、{}、整理番号 {ticket})。{age}",
                town.queue(queue),
                language(lang),
                class_word(*class)
            ))
        }
        What::Waits { queue, why, times, until } => {
            let place = if why.position == 0 { String::new() } else { format!("({} 番目)", why.position) };
            let again = match times {
                0 | 1 => String::new(),
                n => format!("{} まで、{n} 回の判断とも同じ状況でした。", town.zone.time(*until)),
            };
            (
                format!("「{}」でお待ちです{place}。おつなぎできる担当者がいませんでした。{again}", town.queue(queue)),
                reasons(why, town, false),
            )
        }
        What::Asked { agent, queue, why, waited } => (
            format!("「{}」の担当者 {agent} さんを呼び出しました(お待ち {})。", town.queue(queue), length(*waited)),
            reasons(why, town, true),
        ),
        What::NotTaken { agent, how, rang } => plain(match how {
            OfferEnd::NoAnswer => {
                format!("{agent} さんは {} の呼び出しに応答せず、時間切れになりました。お待ちの順番はそのままです。", length(*rang))
            }
            OfferEnd::Declined if rang.0 < 1000 => format!("{agent} さんはすぐに呼び出しを断りました。お待ちの順番はそのままです。"),
            OfferEnd::Declined => format!("{agent} さんは {} 後に呼び出しを断りました。お待ちの順番はそのままです。", length(*rang)),
            OfferEnd::Unreachable => format!("{agent} さんの電話機につながりませんでした。お待ちの順番はそのままです。"),
            OfferEnd::Withdrawn => format!("{agent} さんの呼び出しは、{} 後に取り消されました。", length(*rang)),
            OfferEnd::Answered => format!("{agent} さんが応答しました。"),
        }),
        What::Talk { agent, waited } => plain(format!("{agent} さんにおつなぎしました。お待ちは {} でした。", length(*waited))),
        What::Talked { agent, talked, waits_again } => {
            let again = if *waits_again { "元の順番のまま、再びお待ちになりました。" } else { "" };
            plain(format!("{agent} さんとの通話が終わりました(通話 {})。{again}", length(*talked)))
        }
        What::Overtaken { by, class, agent, queue } => plain(format!(
            "追い越し: 「{}」で、通話 {by}{}の方を先に {agent} さんへおつなぎしました。",
            town.queue(queue),
            class.map_or_else(String::new, |c| format!("({})", class_word(c)))
        )),
        What::PerhapsOvertaken { by, class, agent, queue, overtook } => plain(format!(
            "追い越しの可能性: 「{}」で、通話 {by}{}の方が {overtook} 人を追い越して {agent} さんにつながりました。記録に残るのは 5 人までです。",
            town.queue(queue),
            class.map_or_else(String::new, |c| format!("({})", class_word(c)))
        )),
        What::LineFull { line } => plain(format!("「{line}」の回線がすべてふさがっていたため、おつなぎできませんでした。")),
        What::Transferred { to, kind, by, how } => {
            let who = by.as_ref().map_or_else(|| "案内の流れに沿って".to_owned(), |agent| format!("{agent} さんが"));
            let kind = match kind {
                TransferKind::Blind => "へ転送",
                TransferKind::Warm => "へ事前に用件を伝えて転送",
                TransferKind::ThreeWay => "を交えた三者通話",
                TransferKind::Queue => "の待ち行列へ転送",
            };
            let end = match how {
                TransferEnd::Connected => "つながりました",
                TransferEnd::Busy => "話し中でした",
                TransferEnd::NoAnswer => "応答または承諾がありませんでした",
                TransferEnd::Refused => "先方が断りました",
                TransferEnd::AtCapacity => "回線がすべてふさがっていたか、発信の上限に達していました",
                TransferEnd::Failed => "つながりませんでした",
                TransferEnd::Withdrawn => "取り消されました",
            };
            plain(format!("{who}「{to}」{kind}: {end}。"))
        }
        What::Left { how } => plain(
            match how {
                QueueEnd::Answered => "担当者につながり、待ち行列を出ました。",
                QueueEnd::Abandoned => "お電話をお切りになり、待ち行列を出ました。",
                QueueEnd::Moved => "案内の流れに沿って、待ち行列を移りました。お待ちの時間は引き継がれます。",
                QueueEnd::Full => "待ち行列が満員のため、入れませんでした。",
                QueueEnd::NobodyLoggedIn => "この待ち行列の担当者が一人も受付をしていないため、入れませんでした。",
                QueueEnd::Closed => "待ち行列が閉じられたため、入れませんでした。",
            }
            .to_owned(),
        ),
        What::CallbackBooked { attempts } => {
            plain(format!("折り返しのお電話を承りました。順番は引き継がれます(発信は {attempts} 回まで)。"))
        }
        What::CallbackTried { attempt, how } => plain(match how {
            None => format!("折り返し {attempt} 回目: 発信しました。"),
            Some(CallbackTry::Confirmed) => format!("折り返し {attempt} 回目: 応答があり、ボタン操作でご確認いただけました。"),
            Some(CallbackTry::NoAnswer) => format!("折り返し {attempt} 回目: 応答がありませんでした。"),
            Some(CallbackTry::Busy) => format!("折り返し {attempt} 回目: 話し中か、お断りでした。"),
            Some(CallbackTry::NotConfirmed) => {
                format!("折り返し {attempt} 回目: 応答はありましたが、確認がとれませんでした(留守番電話など)。")
            }
            Some(CallbackTry::Failed) => format!("折り返し {attempt} 回目: 発信できませんでした。"),
        }),
        What::CallbackEnded { how } => plain(
            match how {
                CallbackEnd::Served => "折り返しは完了しました。ご本人につながりました。",
                CallbackEnd::Exhausted => "折り返しは終了しました。決められた回数かけても、つながりませんでした。",
                CallbackEnd::Expired => "折り返しは終了しました。期限が過ぎました。",
                CallbackEnd::CalledAgain => "折り返しは終了しました。ご本人からもう一度お電話がありました。",
                CallbackEnd::Closed => "折り返しは終了しました。待ち行列がなくなったか、折り返しの受付が終わりました。",
            }
            .to_owned(),
        ),
        What::GoesOnAs { later } => plain(format!("お待ちの順番は、通話 {later} に引き継がれました。")),
        What::Ended { end, by, path, to_human, talked, .. } => {
            let mut facts = vec![
                match by {
                    Party::Caller => "切断: お客様",
                    Party::Agent => "切断: 担当者",
                    Party::Engine => "切断: システム",
                }
                .to_owned(),
            ];
            if let Some(to_human) = to_human {
                facts.push(format!("着信から応答まで {}", length(*to_human)));
            }
            if let Some(talked) = talked {
                facts.push(format!("通話 {}", length(*talked)));
            }
            let way = if path.is_empty() { Vec::new() } else { vec![format!("案内の経路: {}", path.join(" > "))] };
            (format!("終了: {}({})。", short_end(*end), facts.join("、")), way)
        }
    }
}

/// Who was eligible, what was asked, and why the others were not chosen.
fn reasons(why: &Why, town: &Town, chosen: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if chosen {
        let idle = length(Millis(why.idle_millis));
        let others = match why.counts.get(&Reason::RankedLower) {
            None | Some(0) => "ほかに条件の合う空きの担当者はいませんでした".to_owned(),
            Some(n) => format!("ほかに {n} 人が条件に合いましたが、待ち行列の決まりで後の順でした"),
        };
        lines.push(format!("選んだ理由: 空きの時間 {idle}。{others}。"));
    }
    let step = match (why.relax_step, why.next_relax) {
        (0, None) => None,
        (0, Some(next)) => Some(format!("条件の緩和はまだありません。最初の緩和は {} 後です。", length(next))),
        (n, None) => Some(format!("条件は {n} 段階目まで緩和されていました。これ以上の緩和はありません。")),
        (n, Some(next)) => Some(format!("条件は {n} 段階目まで緩和されていました。次の緩和は {} 後です。", length(next))),
    };
    lines.extend(step);
    if why.ring > 0 {
        lines.push(format!("あとから加わる担当者は、{} 組目まで加わっていました。", why.ring));
    }
    if why.overtook_count > 0 {
        lines.push(format!("より長くお待ちの {} 人を追い越しました。", why.overtook_count));
    }
    let counts = why.counts.iter().filter(|(reason, n)| **n > 0 && !(chosen && **reason == Reason::RankedLower));
    let counts: Vec<String> = counts.map(|(reason, n)| format!("{} {n} 人", count_words(*reason))).collect();
    if !counts.is_empty() {
        let title = if chosen { "ほかの担当者" } else { "担当者の状況" };
        lines.push(format!("{title}: {}。", counts.join("、")));
    }
    lines.extend(named(why, chosen).map(|(agent, why)| format!("・{agent} さん: {}", why_not(why, town))));
    lines
}

fn count_words(reason: Reason) -> &'static str {
    match reason {
        Reason::State(AgentState::SignedOut) => "不在",
        Reason::State(AgentState::NotReady) => "休憩中",
        Reason::State(AgentState::Idle) => "空き",
        Reason::State(AgentState::Offered) => "ほかの方の呼び出し中",
        Reason::State(AgentState::Talking) => "通話中",
        Reason::State(AgentState::WrapUp) => "後処理中",
        Reason::State(AgentState::NotResponding) => "応答なしのため停止中",
        Reason::Skill => "技能またはその水準が条件に合わない",
        Reason::DoesNotServe => "この待ち行列の担当でない",
        Reason::LaterRing => "あとから加わる",
        Reason::Reserved => "空いているがほかの方のために確保",
        Reason::Excluded => "この方を担当しない",
        Reason::PrefersAnother => "前回の担当者を優先",
        Reason::JustMissed => "この方の呼び出しに出なかった直後",
        Reason::RankedLower => "条件に合うが後の順",
        Reason::TookAnother => "先の順の方を担当",
    }
}

fn why_not(why: &WhyNot, town: &Town) -> String {
    match why {
        WhyNot::State(AgentState::SignedOut) => "受付をしていませんでした。".to_owned(),
        WhyNot::State(AgentState::NotReady) => "休憩中でした。".to_owned(),
        WhyNot::State(AgentState::Idle) => "空いていました。".to_owned(),
        WhyNot::State(AgentState::Offered) => "ほかの方の呼び出し中でした。".to_owned(),
        WhyNot::State(AgentState::Talking) => "通話中でした。".to_owned(),
        WhyNot::State(AgentState::WrapUp) => "後処理中でした。".to_owned(),
        WhyNot::State(AgentState::NotResponding) => "応答がないため、呼び出しを止めていました。".to_owned(),
        WhyNot::Skill { skill, has: None, needs } => format!("技能「{skill}」がありません(必要な水準 {})。", needs.get()),
        WhyNot::Skill { skill, has: Some(has), needs } => {
            format!("技能「{skill}」の水準は {} です(必要な水準 {})。", has.get(), needs.get())
        }
        WhyNot::DoesNotServe => "この待ち行列の担当ではありません。".to_owned(),
        WhyNot::LaterRing { wait } => format!("{} 後に加わることになっていました。", length(*wait)),
        WhyNot::Reserved { of, keep, idle, kept_for } => {
            let kept_for = match kept_for {
                KeptFor::Queue(queue) => format!("「{}」の方", town.queue(queue)),
                KeptFor::Queues(queues) => {
                    let names: Vec<String> = queues.iter().map(|queue| format!("「{}」", town.queue(queue))).collect();
                    format!("{}の方", names.join("・"))
                }
                KeptFor::Class(0) => "すべての方".to_owned(),
                KeptFor::Class(1) => "優先・緊急の方".to_owned(),
                KeptFor::Class(_) => "緊急の方".to_owned(),
            };
            format!("空いていましたが、「{of}」の担当者を {keep} 人、{kept_for}のために残す決まりです(空きは {idle} 人でした)。")
        }
        WhyNot::Excluded => "この方を担当しないことになっています。".to_owned(),
        WhyNot::PrefersAnother => "空いていましたが、前回の担当者を待っていました。".to_owned(),
        WhyNot::JustMissed => "この方の呼び出しに出なかった直後のため、まだ呼び出しませんでした。".to_owned(),
        WhyNot::RankedLower => "条件に合いましたが、待ち行列の決まりで後の順でした。".to_owned(),
        WhyNot::TookAnother => "空いていましたが、先の順の方を担当しました。".to_owned(),
    }
}

fn class_word(class: u8) -> &'static str {
    match class {
        0 => "通常",
        1 => "優先",
        _ => "緊急",
    }
}
fn language(lang: &Lang) -> &str {
    match lang.as_str() {
        "ja" => "日本語",
        "ja-easy" => "やさしい日本語",
        "en" => "英語",
        "zh" => "中国語",
        "ko" => "韓国語",
        "pt" => "ポルトガル語",
        "es" => "スペイン語",
        "vi" => "ベトナム語",
        other => other,
    }
}
