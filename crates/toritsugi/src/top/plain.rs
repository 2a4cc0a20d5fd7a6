//! The board as plain text, for `--once`: no signs that steer a terminal, nothing cut.

use super::draw::{columns, long};
use super::words::{self, Title};
use crate::explain::Tongue;
use crate::words::shown;
use model::AgentState;
use std::fmt::Write;
use web::{Floor, STALE_MS};

/// The whole page.
pub(super) fn page(floor: &Floor, tongue: Tongue) -> String {
    let board = &floor.board;
    let mut page = String::new();
    if board.age_ms > STALE_MS {
        let since = Some(board.at_local.as_str()).filter(|at| !at.is_empty());
        let _ = writeln!(page, "{}", words::no_news(since, tongue));
    } else {
        let (name, ready) = (words::name(tongue), words::ready(board.ready, tongue));
        let _ = writeln!(page, "{name} {ready}  {}  {}", board.at_local, shown(&words::city(board, tongue)));
    }
    for alarm in &board.alarms {
        let said = if tongue == Tongue::Japanese { &alarm.ja } else { &alarm.en };
        let _ = writeln!(page, "{}  {}", words::severity(alarm.severity, tongue), said.replace(char::is_control, " "));
    }
    if board.age_ms > STALE_MS {
        return page;
    }
    if board.alarms.is_empty() {
        let _ = writeln!(page, "{}", words::no_alarm(tongue));
    }
    let _ = writeln!(page, "\n{}\n{}\n", words::calls(&board.calls, tongue), words::today(&board.calls, tongue));
    page.push_str(&queues(floor, tongue));
    let full = |full: bool| if full { words::full(tongue) } else { "" };
    let lines = board.lines.iter().map(|row| format!("{} {}/{}{}", row.line, row.used, row.places, full(row.full)));
    let trunks = board.trunks.iter().map(|row| format!("{} {}/{}{}", row.line, row.used, row.channels, words::trunk(row, tongue)));
    for (title, items) in [(Title::Lines, lines.collect::<Vec<_>>()), (Title::Trunks, trunks.collect())] {
        if !items.is_empty() {
            let _ = writeln!(page, "{}{}", words::title(title, tongue), items.join("  "));
        }
    }
    page.push('\n');
    let out = board.agents_by_state.get(&AgentState::SignedOut).copied().unwrap_or(0);
    let _ = writeln!(page, "{}{} {out}", words::title(Title::Agents, tongue), words::agent(AgentState::SignedOut, tongue));
    for agent in floor.agents.iter().filter(|agent| agent.state != AgentState::SignedOut) {
        let since = agent.for_ms.map_or_else(|| "-".to_owned(), long);
        let more = agent.queue.as_ref().map(|queue| queue.as_str()).into_iter().chain(agent.reason.as_ref().map(|reason| reason.as_str()));
        let more: Vec<String> = more.map(shown).collect();
        let line = format!(
            "        {}  {}  {since}  {}",
            padded(&shown(agent.agent.as_str()), 12),
            padded(words::agent(agent.state, tongue), 11),
            more.join(" ")
        );
        let _ = writeln!(page, "{}", line.trim_end());
    }
    page
}

fn queues(floor: &Floor, tongue: Tongue) -> String {
    let heads = words::heads(tongue);
    let head =
        [heads.queue, heads.waiting, heads.longest, heads.promise, heads.staff, heads.free, heads.level, heads.state].map(str::to_owned);
    let rows = floor.board.queues.iter().map(|queue| {
        let longest = if queue.waiting == 0 { "-".to_owned() } else { long(queue.longest_wait_ms) };
        let level = queue.service_level_today_percent.map_or_else(|| "-".to_owned(), |level| format!("{level}%"));
        let (promise, state) =
            (long(queue.promised_ms), format!("{} {}", words::mark(queue.state), words::state(queue.state, tongue)).trim().to_owned());
        [
            shown(&words::queue(queue)),
            queue.waiting.to_string(),
            longest,
            promise,
            queue.staffed.to_string(),
            queue.free.to_string(),
            level,
            state,
        ]
    });
    let table: Vec<[String; 8]> = std::iter::once(head).chain(rows).collect();
    if table.len() == 1 {
        return format!("{}\n", words::no_queues(tongue));
    }
    let widths: [usize; 8] = std::array::from_fn(|at| table.iter().map(|row| columns(&row[at])).max().unwrap_or(0));
    let mut page = String::new();
    for row in &table {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (text, width))| {
            let blank = " ".repeat(width - columns(text));
            if at == 0 || at == 7 { format!("{text}{blank}") } else { format!("{blank}{text}") }
        });
        let _ = writeln!(page, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    page.push('\n');
    page
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}
