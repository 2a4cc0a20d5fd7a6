//! The page of `toritsugi staff` and its complaints, in English and Japanese.

use super::counts::{CALLS_MAX, HalfHour, Mistake, Unread, Wrong};
use super::{LOAD_MAX, Outlook, Plan, StaffArgs};
use crate::explain::Tongue;
use crate::words::{Stop, clock, fill, shown, width};
use std::path::Path;
use std::time::Duration;

/// As many mistakes as are shown at once.
const MISTAKES_MAX: usize = 20;

/// The whole page.
pub(super) fn page(args: &StaffArgs, plans: &[Plan], tongue: Tongue) -> String {
    let mut page = head(args, tongue);
    for line in table(args, plans, tongue) {
        page.push_str(&line);
        page.push('\n');
    }
    page.push('\n');
    page.push_str(&foot(plans, tongue));
    page
}

fn head(args: &StaffArgs, tongue: Tongue) -> String {
    let share = (args.answered * 1e8).round() / 1e6;
    let (aht, patience) = (spoken(args.aht, tongue), spoken(args.patience, tongue));
    match tongue {
        Tongue::English => {
            let promise = args.within.map_or_else(|| "in the end".to_owned(), |within| format!("within {}", spoken(within, tongue)));
            format!("Agents for {share}% of callers answered {promise}; a call takes {aht}, a caller waits {patience} (Erlang A).\n\n")
        }
        Tongue::Japanese => {
            let promise = args.within.map_or_else(String::new, |within| format!("{}以内に", spoken(within, tongue)));
            format!(
                "電話をかけた方の {share}% に{promise}応答するための人数。1件あたりの処理時間は平均 {aht}、\
                 あきらめるまでの時間は平均 {patience}(アーランA式)。\n\n"
            )
        }
    }
}

/// The columns of one number of agents.
fn three(outlook: Option<Outlook>) -> [String; 3] {
    outlook.map_or(["-"; 3].map(str::to_owned), |o| {
        [percent(o.answered), percent(o.within), clock(Duration::from_secs_f64(o.mean_wait_secs.round()))]
    })
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Two lines of headings, then a line for each half hour, in columns as wide as what is in them.
fn table(args: &StaffArgs, plans: &[Plan], tongue: Tongue) -> Vec<String> {
    let short = match tongue {
        Tongue::English => format!("in {}", spoken(args.within(), tongue)),
        Tongue::Japanese => format!("{}以内", spoken(args.within(), tongue)),
    };
    let [time, calls, agents, roster, answered, short, wait, busy] = match tongue {
        Tongue::English => ["time", "calls", "agents", "roster", "answered", &short, "wait", "busy"],
        Tongue::Japanese => ["時刻", "件数", "必要人数", "配置人数", "応答率", &short, "待ち時間", "稼働率"],
    }
    .map(str::to_owned);
    let three_heads = [answered, short, wait];
    let mut rows =
        vec![[vec![time, calls, agents, roster], three_heads.to_vec(), vec![busy], three_heads.to_vec(), three_heads.to_vec()].concat()];
    rows.extend(plans.iter().map(|plan| {
        let calls = ((plan.row.calls * 10.0).round() / 10.0).to_string();
        let busy = plan.these.map_or_else(|| "-".to_owned(), |o| format!("{:.0}%", o.occupancy * 100.0));
        let counts = vec![plan.row.time.clone(), calls, plan.agents.to_string(), plan.rostered.to_string()];
        [counts, three(plan.these).to_vec(), vec![busy], three(plan.fewer).to_vec(), three(plan.more).to_vec()].concat()
    }));
    if args.shrinkage <= 0.0 {
        rows.iter_mut().for_each(|row| drop(row.remove(ROSTER)));
    }
    let columns: Vec<usize> = (0..rows[0].len()).map(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0)).collect();
    // The three groups stand apart.
    let these = if args.shrinkage > 0.0 { 4 } else { 3 };
    let (fewer, more) = (these + 4, these + 7);
    let gap = |i: usize| if [1, 2, these, fewer, more].contains(&i) { "  " } else { " " };
    let place = |i: usize| (0..i).map(|j| columns[j] + gap(j).len()).sum::<usize>() + gap(i).len() - gap(0).len();
    let groups = match tongue {
        Tongue::English => ["with these agents", "one fewer", "one more"],
        Tongue::Japanese => ["この人数なら", "1人少ないと", "1人多いと"],
    };
    let mut heading = String::new();
    for (at, group) in [these, fewer, more].into_iter().zip(groups) {
        heading = fill(&heading, place(at), false) + group;
    }
    let line = |row: &Vec<String>| {
        let cell = |(i, cell): (usize, &String)| {
            if i == 0 { fill(cell, columns[0], false) } else { format!("{}{}", gap(i), fill(cell, columns[i], true)) }
        };
        row.iter().enumerate().map(cell).collect::<String>()
    };
    std::iter::once(heading).chain(rows.iter().map(line)).collect()
}

/// Where the column of those on the roster is.
const ROSTER: usize = 3;

fn foot(plans: &[Plan], tongue: Tongue) -> String {
    let hours: f64 = plans.iter().map(|plan| f64::from(plan.rostered) / 2.0).sum();
    // The first of the busiest half hours.
    let most = plans.iter().rev().max_by_key(|plan| plan.agents).filter(|plan| plan.agents > 0);
    match (tongue, most) {
        (Tongue::English, None) => "Nobody calls in these half hours: nobody is needed.".to_owned(),
        (Tongue::Japanese, None) => "どの時間帯も着信がありません。必要人数は 0 人です。".to_owned(),
        (Tongue::English, Some(most)) => {
            let agents = if most.agents == 1 { "agent" } else { "agents" };
            format!(
                "{hours} agent hours; most at {}: {} {agents}.\n\
                 Each half hour stands for itself. An agent who is missing that day makes it the column \"one fewer\".",
                most.row.time, most.agents
            )
        }
        (Tongue::Japanese, Some(most)) => format!(
            "延べ {hours} 時間。最も多く必要なのは {} からの 30 分で、{} 人です。\n\
             30分ごとに独立した計算です。当日に1人欠けると「1人少ないと」の列のようになります。",
            most.row.time, most.agents
        ),
    }
}

/// `20 s`, `6 min`.
fn spoken(d: Duration, tongue: Tongue) -> String {
    let secs = d.as_secs_f64();
    let whole_minutes = secs >= 60.0 && secs % 60.0 == 0.0;
    match (tongue, whole_minutes) {
        (Tongue::English, true) => format!("{} min", secs / 60.0),
        (Tongue::English, false) => format!("{secs} s"),
        (Tongue::Japanese, true) => format!("{}分", secs / 60.0),
        (Tongue::Japanese, false) => format!("{secs}秒"),
    }
}

/// A half hour that no team of agents could stand.
pub(super) fn too_much(args: &StaffArgs, row: &HalfHour, load: f64, tongue: Tongue) -> Stop {
    let at = format!("{}:{}", args.calls.display(), row.line);
    let (calls, time, aht) = (row.calls, &row.time, spoken(args.aht, tongue));
    Stop::new(match tongue {
        Tongue::English => format!(
            "{at}: {calls} calls from {time} on, {aht} each, keep {load:.0} agents busy without a pause (erlangs), and {LOAD_MAX} is the most \
             that is reckoned with: is --aht too long, or is it the day's sum of calls?"
        ),
        Tongue::Japanese => format!(
            "{at}: {time} からの {calls} 件に1件あたり{aht}では、常に {load:.0} 人が通話中になります(アーラン)。計算できるのは {LOAD_MAX} までです。\
             --aht が長すぎないか、件数が1日の合計でないか、確かめてください"
        ),
    })
}

/// A promise so close to all that the figures of a machine do not tell it from all.
pub(super) fn too_good(args: &StaffArgs, row: &HalfHour, tongue: Tongue) -> Stop {
    let at = format!("{}:{}", args.calls.display(), row.line);
    let time = &row.time;
    Stop::new(match tongue {
        Tongue::English => {
            format!("{at}: no number of agents that can be reckoned with keeps this promise from {time} on: lower --answered a little")
        }
        Tongue::Japanese => {
            format!("{at}: {time} からの 30 分は、何人いてもこの目標に届く計算になりません。--answered を少し下げてください")
        }
    })
}

/// Why a file was not read, a line a mistake.
pub(crate) fn unread(path: &Path, unread: &Unread, tongue: Tongue) -> Stop {
    let file = path.display();
    Stop::new(match (unread, tongue) {
        (Unread::Fault(fault), Tongue::English) => format!("{file} cannot be read: {fault}"),
        (Unread::Fault(fault), Tongue::Japanese) => format!("{file} を読めません: {fault}"),
        (Unread::TooLarge, Tongue::English) => format!("{file} is larger than 1 MB: a day of half hours has 48 lines"),
        (Unread::TooLarge, Tongue::Japanese) => format!("{file} は 1 MB を超えています。30分ごとの1日は 48 行です"),
        (Unread::NotUtf8, Tongue::English) => {
            format!("{file} is not written in UTF-8: in Excel, save it as \"CSV UTF-8 (comma delimited)\"")
        }
        (Unread::NotUtf8, Tongue::Japanese) => {
            format!("{file} は UTF-8 ではありません。Excel で「CSV UTF-8(コンマ区切り)」として保存してください")
        }
        (Unread::Mistakes(mistakes), _) => {
            let shown = mistakes.iter().take(MISTAKES_MAX);
            let mut lines: Vec<String> = shown.map(|m| format!("{file}:{}:{}: {}", m.line, m.column, sentence(m, tongue))).collect();
            match (mistakes.len().saturating_sub(MISTAKES_MAX), tongue) {
                (0, _) => {}
                (more, Tongue::English) => lines.push(format!("and {more} more")),
                (more, Tongue::Japanese) => lines.push(format!("ほか {more} 件")),
            }
            lines.join("\n           ")
        }
    })
}

pub(super) fn sentence(mistake: &Mistake, tongue: Tongue) -> String {
    match tongue {
        Tongue::English => in_english(&mistake.what),
        Tongue::Japanese => in_japanese(&mistake.what),
    }
}

fn in_english(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Ambiguous(text) => format!(
            "`{text}` is a thousand in one country and a part in another, and no other figure of the file tells: write a thousand without a mark \
             (1234), an average with one or two figures behind the point (1.2)"
        ),
        Wrong::NoSeparator(sign) => format!("`sep={}` names no separator: write `sep=,` or `sep=;`, or leave the line out", shown(sign)),
        Wrong::NothingInIt => "there is nothing in it: write `time,calls`, then lines such as `08:30,42`".to_owned(),
        Wrong::NoHeader => "the first line names the two columns: write `time,calls`".to_owned(),
        Wrong::NoRows => "no half hour follows: write lines such as `08:30,42`".to_owned(),
        Wrong::NoCalls(time) => format!("there is no number of calls: write `{},42`", shown(time)),
        Wrong::ThirdColumn(text) => format!("`{}` is a third column: leave it out, or write a thousand as \"1,234\" or 1234", shown(text)),
        Wrong::OpenQuote => "this quote is opened and not closed: put another \" after the field".to_owned(),
        Wrong::NoHalfHour(text) => format!("`{}` is no half hour: write 08:00 or 08:30", shown(text)),
        Wrong::NotLater(text) => format!("{} comes after a later or the same time: one line per half hour, in order", shown(text)),
        Wrong::NoNumber(text) => format!("`{}` is no number of calls: write 42, or 42.5 for an average", shown(text)),
        Wrong::OutOfRange(n) => format!("{n} calls in half an hour is not from 0 to {CALLS_MAX}: is it the day's sum?"),
    }
}

fn in_japanese(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Ambiguous(text) => format!(
            "`{text}` は、国によって千の位の区切りにも小数点にもなり、ファイルのほかの数字からも分かりません。千の位なら区切りなしで 1234、\
             平均なら小数点以下を1桁か2桁で 1.2 のように書いてください"
        ),
        Wrong::NoSeparator(sign) => {
            format!("`sep={}` は区切り文字の指定になっていません。`sep=,` か `sep=;` と書くか、この行を消してください", shown(sign))
        }
        Wrong::NothingInIt => "何も書かれていません。1行目に `時刻,件数`、続けて `08:30,42` のように書いてください".to_owned(),
        Wrong::NoHeader => "1行目は2つの列の名前です。`時刻,件数` と書いてください".to_owned(),
        Wrong::NoRows => "30分ごとの行がありません。`08:30,42` のように書いてください".to_owned(),
        Wrong::NoCalls(time) => format!("件数がありません。`{},42` のように書いてください", shown(time)),
        Wrong::ThirdColumn(text) => format!("`{}` は3つ目の列です。消すか、千の位は \"1,234\" または 1234 と書いてください", shown(text)),
        Wrong::OpenQuote => "引用符が閉じていません。項目の終わりに \" を付けてください".to_owned(),
        Wrong::NoHalfHour(text) => format!("`{}` は30分ごとの時刻ではありません。08:00 や 08:30 のように書いてください", shown(text)),
        Wrong::NotLater(text) => format!("{} が前の行と同じか、それより早い時刻です。30分に1行、早い順に書いてください", shown(text)),
        Wrong::NoNumber(text) => format!("`{}` は件数ではありません。42、平均なら 42.5 のように書いてください", shown(text)),
        Wrong::OutOfRange(n) => format!("30分に {n} 件は 0 から {CALLS_MAX} の間にありません。1日の合計ではありませんか"),
    }
}
