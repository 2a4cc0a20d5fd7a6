//! What the door says to whoever asks, in English and in Japanese.

use crate::{Bearer, Right, Role};
use model::{BreakReason, Lang};
use std::fmt::Display;

/// A sentence in the two languages of those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    en: String,
    ja: String,
}

impl Said {
    fn new(en: impl Display, ja: impl Display) -> Said {
        Said { en: en.to_string(), ja: ja.to_string() }
    }
    /// In Japanese for whoever asks for it, else in English.
    pub(crate) fn of(&self, lang: &Lang) -> &str {
        if lang.as_str().split('-').next().is_some_and(|lang| lang.eq_ignore_ascii_case("ja")) { &self.ja } else { &self.en }
    }
}

pub(crate) fn foreign() -> Said {
    Said::new(
        "Pages of another origin may not use this. Ask from a program, without an Origin header.",
        "別のサイトのページからは使えません。Origin ヘッダーのないプログラムから使ってください。",
    )
}

pub(crate) fn no_token() -> Said {
    Said::new(
        "This needs a token that is good: send Authorization: Bearer and a token that `toritsugi token add` made, or what stands in api.token in \
         the state folder.",
        "有効なトークンが必要です。Authorization: Bearer に続けて、toritsugi token add で発行したトークンか、状態フォルダーの api.token の内容を送ってください。",
    )
}

/// What the bearer lacks, and who has it.
pub(crate) fn not_yours(bearer: &Bearer, rights: &[Right]) -> Said {
    let mut holders: Vec<&str> = rights.iter().flat_map(|right| right.holders()).collect();
    holders.dedup();
    let (name, role) = (&bearer.name, bearer.role.name());
    Said::new(
        format_args!("This takes the role {}; the token {name} has the role {role}. Nothing was changed.", holders.join(" or ")),
        format_args!(
            "この操作には役割 {} が必要です。トークン {name} の役割は {role} です。何も変更していません。",
            holders.join("、または ")
        ),
    )
}

pub(crate) fn not_your_seat(bearer: &Bearer) -> Said {
    let own = if let Role::Agent(agent) = &bearer.role { agent.as_str() } else { "?" };
    Said::new(
        format_args!(
            "The token {} may set the presence of {own} and of nobody else: that takes the role supervisor. Nothing was changed.",
            bearer.name
        ),
        format_args!(
            "トークン {} で変えられるのは {own} さんの状態だけです。ほかの人については役割 supervisor が必要です。何も変更していません。",
            bearer.name
        ),
    )
}

pub(crate) fn too_many() -> Said {
    Said::new(
        "This token has changed something more than 120 times within a minute. Wait a minute. Nothing was changed.",
        "このトークンでの変更が 1 分間に 120 回を超えました。1 分待ってください。何も変更していません。",
    )
}

pub(crate) fn not_recorded() -> Said {
    Said::new(
        "It cannot be written down who does this: audit.jsonl of the state folder takes no more, see the log. So nothing was changed.",
        "状態フォルダーの audit.jsonl に操作を記録できないため、何も変更していません。ログを確かめてください。",
    )
}

pub(crate) fn not_durable() -> Said {
    Said::new(
        "The journal cannot be written, so this would be lost with the next restart: nothing was changed. /readyz says more.",
        "ジャーナル（記録）を書き込めず、再起動すると失われるため、何も変更していません。詳しくは /readyz を見てください。",
    )
}

pub(crate) fn unread() -> Said {
    Said::new(
        "audit.jsonl of the state folder cannot be read, see the log.",
        "状態フォルダーの audit.jsonl を読めません。ログを確かめてください。",
    )
}

pub(crate) fn no_span() -> Said {
    Said::new(
        "from and to are days, 2026-11-26, or milliseconds since 1970 UTC.",
        "from と to には、2026-11-26 のような日付か、1970 年（UTC）からのミリ秒を書いてください。",
    )
}

pub(crate) fn gone() -> Said {
    Said::new("The engine is going down or gone.", "エンジンは停止中か、停止しています。")
}

pub(crate) fn nothing_here(routes: &str) -> Said {
    Said::new(format_args!("There is nothing here. Try {routes}."), format_args!("ここには何もありません。使えるもの：{routes}"))
}

pub(crate) fn only(method: &str) -> Said {
    Said::new(format_args!("Only {method} is answered here."), format_args!("ここで使えるのは {method} だけです。"))
}

pub(crate) fn too_large(bytes_max: usize) -> Said {
    let kib = bytes_max / 1024;
    Said::new(format_args!("This takes no body above {kib} KiB."), format_args!("本文は {kib} KiB までです。"))
}

pub(crate) fn no_order(fault: &serde_json::Error) -> Said {
    const EXAMPLE: &str = r#"{"order":"schedule","schedule":"centre","hours":"closed","until":"17:00","why":"storm"}"#;
    Said::new(format_args!("This is no order ({fault}). One is {EXAMPLE}."), format_args!("指示として読めません（{fault}）。例：{EXAMPLE}"))
}

pub(crate) fn no_break() -> Said {
    const EXAMPLE: &str = r#"{"reason":"lunch"}"#;
    Said::new(
        format_args!("The body of a break is empty, or an object with its reason and nothing else: {EXAMPLE}."),
        format_args!("休憩の本文は、空か、理由だけを書いたものです。例：{EXAMPLE}"),
    )
}

pub(crate) fn no_agent() -> Said {
    Said::new(
        "There is no such agent. GET /api/agents lists them, config/agents.yaml makes them.",
        "その担当者はいません。GET /api/agents で一覧が見られます。登録は config/agents.yaml でします。",
    )
}

pub(crate) fn no_reason(known: &[BreakReason]) -> Said {
    if known.is_empty() {
        return Said::new(
            "No reasons are declared, config/breaks.yaml makes them: ask for a break without one. Nothing was changed.",
            "休憩の理由は登録されていません（config/breaks.yaml で登録します）。理由なしで送ってください。何も変更していません。",
        );
    }
    let known = known.iter().map(BreakReason::as_str).collect::<Vec<_>>().join(", ");
    Said::new(
        format_args!("There is no such reason. Known are: {known}. Nothing was changed."),
        format_args!("その理由は登録されていません。使えるもの：{known}。何も変更していません。"),
    )
}

pub(crate) fn no_phone() -> Said {
    Said::new(
        "The agent has no phone registered, and will begin ready when one is. Nothing was changed.",
        "この担当者の電話機は登録されていません。登録されたときに受付可になります。何も変更していません。",
    )
}

pub(crate) fn not_written(fault: &serde_json::Error) -> Said {
    Said::new(format_args!("This could not be written: {fault}."), format_args!("結果を書き出せませんでした（{fault}）。"))
}
