//! The report as a page: one block for all, one for each number, one for each queue, every share with its denominator.

use super::figures::{Definition, Figures, Report, Share, Terms, Waits};
use crate::explain::Tongue;
use crate::words::{clock, fill, width};
use crate::zone::{Town, day_name};
use model::{AbandonStage, Millis, QueueId};
use std::time::Duration;

/// A line of a block: what, and how much.
type Row = (String, String);

/// The whole page.
pub(crate) fn page(report: &Report, terms: &Terms, town: &Town, tongue: Tongue) -> String {
    let mut page = head(report, terms, tongue);
    let all = match tongue {
        Tongue::English => "All numbers".to_owned(),
        Tongue::Japanese => "全体".to_owned(),
    };
    let mut block = |title: &str, figures: &Figures, queue: Option<&QueueId>| {
        page.push_str(&format!("\n{title}\n"));
        let rows = rows(figures, terms, queue, tongue);
        let column = rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
        for (label, value) in rows {
            page.push_str(&format!("  {}  {value}\n", fill(&label, column, false)));
        }
    };
    block(&all, &report.total, None);
    for (number, figures) in &report.numbers {
        let title = match tongue {
            Tongue::English => format!("Number {number}"),
            Tongue::Japanese => format!("番号 {number}"),
        };
        block(&title, figures, None);
    }
    for (queue, figures) in &report.queues {
        let title = match tongue {
            Tongue::English => format!("Queue {} (calls whose last queue it was)", town.queue(queue)),
            Tongue::Japanese => format!("待ち行列「{}」(最後に待った待ち行列で数えます)", town.queue(queue)),
        };
        block(&title, figures, Some(queue));
    }
    page
}

fn head(report: &Report, terms: &Terms, tongue: Tongue) -> String {
    let (from, to) = (day_name(terms.days.0), day_name(terms.days.1));
    let days = if from == to { from } else { format!("{from} - {to}") };
    let mut head = match (tongue, terms.zone.name()) {
        (Tongue::English, Some(zone)) => format!("Report for {days} (city time, {zone}; a call belongs to the day of its arrival)\n"),
        (Tongue::English, None) => {
            format!("Report for {days} (UTC: the city's files were not found; a call belongs to the day of its arrival)\n")
        }
        (Tongue::Japanese, Some(zone)) => format!("日報 {days}(市の時刻、{zone}。通話は着信した日に数えます)\n"),
        (Tongue::Japanese, None) => format!("日報 {days}(協定世界時(UTC)。市の設定が見つかりません。通話は着信した日に数えます)\n"),
    };
    if terms.days.0 != terms.days.1 {
        head.push_str(match tongue {
            Tongue::English => "Persons are counted day by day and added up, for nobody can be recognised on another day.\n",
            Tongue::Japanese => "実人数は日ごとに数えて合計します(日をまたいで同じ方かどうかは分かりません)。\n",
        });
    }
    if let Some(at) = &report.damaged_at {
        head.push_str(&match tongue {
            Tongue::English => format!("The record breaks off (damage at {at}): nothing that was written after that is counted.\n"),
            Tongue::Japanese => format!("記録が途切れています({at} に破損があります)。それより後の記録は数えていません。\n"),
        });
    }
    if report.refused_otherwise > 0 {
        head.push_str(&match tongue {
            Tongue::English => {
                format!("Not counted: {} refused for a wrong number, without permission or without a codec.\n", report.refused_otherwise)
            }
            Tongue::Japanese => format!("集計外: 番号違い、許可なし、音声方式の不一致による拒否 {} 件。\n", report.refused_otherwise),
        });
    }
    head
}

fn rows(f: &Figures, terms: &Terms, queue: Option<&QueueId>, tongue: Tongue) -> Vec<Row> {
    let en = tongue == Tongue::English;
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |english: &str, japanese: &str, value: String| {
        rows.push(((if en { english } else { japanese }).to_owned(), value));
    };
    row("attempts", "着信数(延べ)", f.attempts.to_string());
    let blocked = f.blocked_full + f.blocked_draining + f.blocked_no_port;
    if queue.is_none() {
        let (full, draining, port) = (f.blocked_full, f.blocked_draining, f.blocked_no_port);
        let detail = if en {
            format!("{blocked} (all channels busy {full}, going down {draining}, no port {port})")
        } else {
            format!("{blocked}(全回線話中 {full}、停止作業中 {draining}、音声ポート不足 {port})")
        };
        row("  of them blocked", "  うち着信できず", detail);
    }
    row("  of them still going on", "  うち通話継続中", f.in_progress.to_string());
    if f.unknown > 0 {
        row("  of them unknown, the record breaks off", "  うち不明(記録が途切れています)", f.unknown.to_string());
    }
    row("  of them with the number withheld", "  うち番号非通知", f.withheld.to_string());
    row("persons (distinct, numbers shown)", "実人数(番号通知分)", f.persons.to_string());
    row("  redials (attempts beyond the first)", "  かけ直し(2 回目以降の着信)", f.redials.to_string());
    row("  persons who called more than once", "  2 回以上かけた方", share(f.persons_again));
    row("  reach rate: reached a person", "  実人数到達率(人と話せた方)", share(f.persons_reached));
    let stages: Vec<String> = f.gave_up.iter().map(|(stage, n)| format!("{} {n}", stage_word(*stage, en))).collect();
    let total: u64 = f.gave_up.values().sum();
    let stages = if en { format!("{total} ({})", stages.join(", ")) } else { format!("{total}({})", stages.join("、")) };
    row("gave up, by stage", "途中で切った方(段階別)", stages);
    row("offered: came to a queue", "待ち行列に入った通話", f.offered.to_string());
    let (answered, abandoned, booked, otherwise) = (f.answered, f.abandoned, f.callback_booked, f.otherwise);
    let parts = if en {
        format!("{answered} answered, {abandoned} abandoned, {booked} to be called back, {otherwise} otherwise")
    } else {
        format!("応答 {answered}、放棄 {abandoned}、折り返し予約 {booked}、その他 {otherwise}")
    };
    row("  of them", "  内訳", parts);
    row("answer rate: answered / offered", "応答率(応答 / 待ち行列に入った通話)", share(f.answer_rate));
    row("abandonment rate: abandoned / offered", "放棄呼率(放棄 / 待ち行列に入った通話)", share(f.abandon_rate));
    row("service level, T", "サービスレベルの T", within(terms, queue, en));
    for service in &f.service {
        row(&format!("  {}", service.formula), &format!("  {}", formula_ja(service.definition)), share(service.share));
    }
    row("wait: mean, p90, longest", "待ち時間(平均、90 % 点、最大)", waits(f.waits, en));
    row("callbacks that reached the person", "折り返しでつながった方", share(f.callbacks));
    rows
}

/// T counts from taking a place in the first queue.
fn within(terms: &Terms, queue: Option<&QueueId>, en: bool) -> String {
    let from = if en { "from taking the first place in a queue" } else { "最初の待ち行列に入ってから" };
    let t = match (queue, terms.within) {
        (Some(queue), _) => seconds(terms.within(queue), en),
        (None, Some(within)) => seconds(within, en),
        (None, None) => (if en { "each call by its queue's promise" } else { "通話ごとに、待ち行列の約束の時間" }).to_owned(),
    };
    if en { format!("{t}, {from}") } else { format!("{t}、{from}") }
}

fn formula_ja(definition: Definition) -> &'static str {
    match definition {
        Definition::OfOffered => "T 以内の応答 / 待ち行列に入った通話",
        Definition::OfAnswered => "T 以内の応答 / 応答",
        Definition::WithoutEarlyAbandons => "T 以内の応答 /(待ち行列に入った通話 - T 以内の放棄)",
        Definition::EarlyAbandonsAsAnswered => "(T 以内の応答 + T 以内の放棄)/ 待ち行列に入った通話",
    }
}

fn stage_word(stage: AbandonStage, en: bool) -> &'static str {
    match (stage, en) {
        (AbandonStage::Short, true) => "short",
        (AbandonStage::Short, false) => "5 秒以内",
        (AbandonStage::Greeting, true) => "greeting",
        (AbandonStage::Greeting, false) => "冒頭の案内",
        (AbandonStage::Menu, true) => "menu",
        (AbandonStage::Menu, false) => "メニュー",
        (AbandonStage::Queue, true) => "queue",
        (AbandonStage::Queue, false) => "待ち中",
        (AbandonStage::Ringing, true) => "ringing",
        (AbandonStage::Ringing, false) => "呼出中",
    }
}

/// `77.8 % (7/9)`, or `- (0/0)`.
fn share(share: Share) -> String {
    let percent = share.per_mille().map_or_else(|| "-".to_owned(), |n| format!("{}.{} %", n / 10, n % 10));
    format!("{percent} ({}/{})", share.part, share.of)
}

fn waits(waits: Waits, en: bool) -> String {
    let length = |millis: Option<Millis>| millis.map_or_else(|| "-".to_owned(), |m| clock(Duration::from_millis(m.0)));
    let (mean, p90, longest) = (length(waits.mean), length(waits.p90), length(waits.longest));
    if en { format!("{mean}, {p90}, {longest} (of {})", waits.of) } else { format!("{mean}、{p90}、{longest}({} 件)", waits.of) }
}

fn seconds(millis: Millis, en: bool) -> String {
    let seconds = millis.0 as f64 / 1000.0;
    if en { format!("{seconds} s") } else { format!("{seconds} 秒") }
}
