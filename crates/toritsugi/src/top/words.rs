//! The words of `toritsugi top`, in English and Japanese. Their signs are of one width everywhere: lines and dots that some terminals of East Asia
//! draw two columns wide (UAX 11, ambiguous) are left out.

use crate::explain::Tongue;
use model::{AgentState, Hours};
use web::{BoardNow, CallsNow, QueueRow, QueueState, ScheduleRow, Severity, TrunkRow};

/// The head of each column of the queues.
pub(super) struct Heads {
    pub(super) queue: &'static str,
    pub(super) state: &'static str,
    pub(super) waiting: &'static str,
    pub(super) longest: &'static str,
    pub(super) promise: &'static str,
    pub(super) staff: &'static str,
    pub(super) free: &'static str,
    pub(super) level: &'static str,
}

pub(super) const fn heads(tongue: Tongue) -> Heads {
    match tongue {
        Tongue::English => Heads {
            queue: "QUEUE",
            state: "",
            waiting: "WAITING",
            longest: "LONGEST",
            promise: "PROMISE",
            staff: "STAFF",
            free: "FREE",
            level: "IN TIME",
        },
        Tongue::Japanese => Heads {
            queue: "待ち行列",
            state: "",
            waiting: "待ち",
            longest: "最長",
            promise: "約束",
            staff: "担当",
            free: "空き",
            level: "約束内",
        },
    }
}

pub(super) fn ready(ready: bool, tongue: Tongue) -> &'static str {
    match (tongue, ready) {
        (Tongue::English, true) => "ready",
        (Tongue::English, false) => "NOT READY",
        (Tongue::Japanese, true) => "受付できます",
        (Tongue::Japanese, false) => "受付できません",
    }
}

pub(super) fn name(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => "Toritsugi",
        Tongue::Japanese => "取次",
    }
}

/// A mark in front of what is not well, for who sees no colours.
pub(super) fn mark(state: QueueState) -> &'static str {
    match state {
        QueueState::Well | QueueState::Nobody => "",
        QueueState::Late => "!",
        QueueState::Deserted => "!!",
    }
}

/// What people call a queue, and its name in the files, by which alarms and commands call it.
pub(super) fn queue(row: &QueueRow) -> String {
    if row.label == row.queue.as_str() { row.label.clone() } else { format!("{} {}", row.label, row.queue) }
}

/// What a queue's state is called.
pub(super) fn state(state: QueueState, tongue: Tongue) -> &'static str {
    match (tongue, state) {
        (_, QueueState::Well) => "",
        (Tongue::English, QueueState::Late) => "late",
        (Tongue::English, QueueState::Nobody) => "nobody there",
        (Tongue::English, QueueState::Deserted) => "NOBODY THERE",
        (Tongue::Japanese, QueueState::Late) => "約束超過",
        (Tongue::Japanese, QueueState::Nobody | QueueState::Deserted) => "担当者なし",
    }
}

pub(super) fn severity(severity: Severity, tongue: Tongue) -> &'static str {
    match (tongue, severity) {
        (Tongue::English, Severity::NotReady) => "!! NOT READY",
        (Tongue::English, Severity::Warning) => "! WARNING",
        (Tongue::Japanese, Severity::NotReady) => "!! 障害",
        (Tongue::Japanese, Severity::Warning) => "! 注意",
    }
}

pub(super) fn no_alarm(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => "no alarm",
        Tongue::Japanese => "異常はありません",
    }
}

pub(super) fn more(count: usize, tongue: Tongue) -> String {
    match tongue {
        Tongue::English => format!(".. and {count} more"),
        Tongue::Japanese => format!(".. ほかに {count} 件"),
    }
}

pub(super) fn calls(calls: &CallsNow, tongue: Tongue) -> String {
    let CallsNow { channels_used, channels, arrived_last_minute: minute, arrived_last_5_minutes: five, .. } = calls;
    match tongue {
        Tongue::English => {
            format!("Calls   {channels_used} of {channels} channels; came in the last minute {minute}, in the last five {five}")
        }
        Tongue::Japanese => format!("通話    チャネル {channels_used} / {channels}、着信は直近 1 分に {minute} 件、5 分に {five} 件"),
    }
}

pub(super) fn today(calls: &CallsNow, tongue: Tongue) -> String {
    let CallsNow { arrived_today, answered_today, given_up_today, refused_today, callbacks, today_since_local: since, .. } = calls;
    match tongue {
        Tongue::English => format!(
            "Since {since}: {arrived_today} came, {answered_today} answered, {given_up_today} gave up, {refused_today} engaged; {callbacks} callbacks"
        ),
        Tongue::Japanese => format!(
            "{since} から着信 {arrived_today}、応対 {answered_today}、あきらめ {given_up_today}、話し中 {refused_today}、折り返し {callbacks}"
        ),
    }
}

pub(super) fn agent(state: AgentState, tongue: Tongue) -> &'static str {
    match (tongue, state) {
        (Tongue::English, AgentState::SignedOut) => "signed out",
        (Tongue::English, AgentState::NotReady) => "on a break",
        (Tongue::English, AgentState::Idle) => "free",
        (Tongue::English, AgentState::Offered) => "ringing",
        (Tongue::English, AgentState::Talking) => "talking",
        (Tongue::English, AgentState::WrapUp) => "after-call",
        (Tongue::English, AgentState::NotResponding) => "! NO ANSWER",
        (Tongue::Japanese, AgentState::SignedOut) => "不在",
        (Tongue::Japanese, AgentState::NotReady) => "休憩中",
        (Tongue::Japanese, AgentState::Idle) => "空き",
        (Tongue::Japanese, AgentState::Offered) => "呼び出し中",
        (Tongue::Japanese, AgentState::Talking) => "通話中",
        (Tongue::Japanese, AgentState::WrapUp) => "後処理中",
        (Tongue::Japanese, AgentState::NotResponding) => "! 応答なし",
    }
}

/// What a section is called.
#[derive(Clone, Copy)]
pub(super) enum Title {
    Agents,
    Lines,
    Trunks,
}

pub(super) fn title(title: Title, tongue: Tongue) -> &'static str {
    match (tongue, title) {
        (Tongue::English, Title::Agents) => "Agents  ",
        (Tongue::English, Title::Lines) => "Lines   ",
        (Tongue::English, Title::Trunks) => "Trunks  ",
        (Tongue::Japanese, Title::Agents) => "担当者  ",
        (Tongue::Japanese, Title::Lines) => "転送先  ",
        (Tongue::Japanese, Title::Trunks) => "回線    ",
    }
}

pub(super) fn full(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => " FULL",
        Tongue::Japanese => " 満",
    }
}

pub(super) fn trunk(trunk: &TrunkRow, tongue: Tongue) -> &'static str {
    match (tongue, trunk.registered, trunk.reachable) {
        (Tongue::English, Some(false), _) => " ! NOT REGISTERED",
        (Tongue::English, _, Some(false)) => " ! NO ANSWER",
        (Tongue::English, Some(true), _) => " registered",
        (Tongue::English, None, Some(true)) => " answers",
        (Tongue::Japanese, Some(false), _) => " ! 未登録",
        (Tongue::Japanese, _, Some(false)) => " ! 応答なし",
        (Tongue::Japanese, Some(true), _) => " 登録済み",
        (Tongue::Japanese, None, Some(true)) => " 応答あり",
        (Tongue::English | Tongue::Japanese, None, None) => "",
    }
}

/// What the title line tells beside the state: the city's version, its hours, what is set by hand.
pub(super) fn city(board: &BoardNow, tongue: Tongue) -> String {
    let hours = |row: &ScheduleRow| {
        let said = match (tongue, row.hours) {
            (Tongue::English, Hours::Open) => "open",
            (Tongue::English, Hours::Closed) => "closed",
            (Tongue::English, Hours::Holiday) => "holiday",
            (Tongue::Japanese, Hours::Open) => "受付中",
            (Tongue::Japanese, Hours::Closed) => "時間外",
            (Tongue::Japanese, Hours::Holiday) => "休日",
        };
        format!("{} {said}", row.schedule)
    };
    let mut said: Vec<String> = board.schedules.iter().map(hours).collect();
    match tongue {
        Tongue::English => said.extend(board.city_version.map(|number| format!("version {number}"))),
        Tongue::Japanese => said.extend(board.city_version.map(|number| format!("第 {number} 版"))),
    }
    if board.set_by_hand > 0 {
        said.push(match tongue {
            Tongue::English => format!("{} by hand", board.set_by_hand),
            Tongue::Japanese => format!("臨時の指定 {}", board.set_by_hand),
        });
    }
    said.join("  ")
}

pub(super) fn no_news(since: Option<&str>, tongue: Tongue) -> String {
    match (tongue, since) {
        (Tongue::English, Some(since)) => format!("NO NEWS SINCE {since}"),
        (Tongue::English, None) => "No news yet".to_owned(),
        (Tongue::Japanese, Some(since)) => format!("{since} から情報がありません"),
        (Tongue::Japanese, None) => "まだ情報がありません".to_owned(),
    }
}

pub(super) fn tries(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => "The engine is asked again and again. q leaves.",
        Tongue::Japanese => "エンジンへの問い合わせを続けています。q で終わります。",
    }
}

pub(super) fn unanswered(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => "The engine was asked and has not answered: it may be stuck, or this machine may have too much to do.",
        Tongue::Japanese => "エンジンに問い合わせましたが、応答がありません。止まっているか、このマシンの負荷が高いのかもしれません。",
    }
}

pub(super) fn no_queues(tongue: Tongue) -> &'static str {
    match tongue {
        Tongue::English => "There are no queues.",
        Tongue::Japanese => "待ち行列がありません。",
    }
}
