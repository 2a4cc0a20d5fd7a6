//! The board as cells of a terminal: a pure function of what is known, how large the terminal is, and the language.
//!
//! Everything is a list of lines. Where the terminal is low, each section gets a few lines first, in the order in which they matter, and what is
//! left goes to the same in the same order. Where it is narrow, the queues lose columns, the least needed first, and everything else its end.

use super::words::{self, Title};
use crate::explain::Tongue;
use crate::words::clock;
use model::{AgentState, Millis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use std::time::Duration;
use web::{AgentRow, Alarm, BoardNow, Floor, QueueRow, QueueState, Severity};

/// What is to be drawn.
pub(super) struct View<'a> {
    /// The figures, as long as they are news.
    pub(super) floor: Option<&'a Floor>,
    pub(super) news: News<'a>,
}

/// Whether there is news.
pub(super) enum News<'a> {
    /// The figures are as they stand.
    Fresh,
    /// The engine cannot be asked.
    None { since: Option<&'a str>, why: String },
    /// The engine can be asked, and has nothing new to say.
    Stale { since: Option<&'a str>, alarms: &'a [Alarm] },
}

const BAD: Style = Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD);
const WARN: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);

/// The picture. It fits into any area, and an area of nothing too.
pub(super) fn draw(view: &View<'_>, area: Rect, tongue: Tongue) -> Buffer {
    let mut buffer = Buffer::empty(area);
    let lines = match (view.floor, &view.news) {
        (Some(floor), _) => board(floor, area.width, area.height, tongue),
        (None, News::None { since, why }) => silence(*since, std::slice::from_ref(why), area.width, tongue),
        (None, News::Stale { since, alarms }) => {
            let said: Vec<String> = alarms.iter().map(|alarm| sentence(alarm, tongue).to_owned()).collect();
            silence(*since, &said, area.width, tongue)
        }
        (None, News::Fresh) => Vec::new(),
    };
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        buffer.set_style(Rect { y, height: 1, ..area }, line.style);
        buffer.set_line(area.x, y, line, area.width);
    }
    buffer
}

/// Nothing is known any more, and it says so in red.
fn silence(since: Option<&str>, why: &[String], width: u16, tongue: Tongue) -> Vec<Line<'static>> {
    let style = if since.is_some() { BAD } else { HEAD };
    let mut lines = vec![Line::raw(""), Line::styled(format!("  {}", words::no_news(since, tongue)), style), Line::raw("")];
    let said = why.iter().map(String::as_str).filter(|said| !said.is_empty()).map(|said| (said, Style::new()));
    for (said, style) in said.chain([(words::tries(tongue), QUIET)]) {
        let folded = wrapped(said, usize::from(width).saturating_sub(4));
        lines.extend(folded.into_iter().map(|line| Line::styled(format!("  {line}"), style)));
        lines.push(Line::raw(""));
    }
    lines
}

fn sentence(alarm: &Alarm, tongue: Tongue) -> &str {
    match tongue {
        Tongue::English => &alarm.en,
        Tongue::Japanese => &alarm.ja,
    }
}

/// One part of the board.
struct Section {
    lines: Vec<Line<'static>>,
    /// So many of them come before anything else does.
    first: usize,
    /// Of a list, how many stand above it; where it is cut, it says how much is missing.
    list_after: Option<usize>,
}

fn board(floor: &Floor, width: u16, height: u16, tongue: Tongue) -> Vec<Line<'static>> {
    let Floor { board, agents } = floor;
    let width = usize::from(width);
    let queues = queues(board, width, tongue);
    let sections = [
        Section { lines: vec![title(board, width, tongue)], first: 1, list_after: None },
        Section { lines: alarms(board, width, tongue), first: 2, list_after: Some(0) },
        Section { lines: queues, first: 7, list_after: Some(1) },
        Section {
            lines: vec![Line::raw(words::calls(&board.calls, tongue)), Line::raw(words::today(&board.calls, tongue))],
            first: 1,
            list_after: None,
        },
        Section { lines: people(board, agents, width, tongue), first: 1, list_after: Some(1) },
        Section { lines: lines(board, width, tongue), first: 1, list_after: None },
        Section { lines: trunks(board, width, tongue), first: 1, list_after: None },
    ];
    // In the order in which they matter: first the few, then the rest.
    let mut room = usize::from(height);
    let mut given = [0; 7];
    for all in [false, true] {
        for (section, given) in sections.iter().zip(&mut given) {
            let wanted = if all { section.lines.len() } else { section.lines.len().min(section.first) };
            let more = (wanted - *given).min(room);
            (*given, room) = (*given + more, room - more);
        }
    }
    // Agents by name are the longest list, so they stand last. Where there is room to spare, what is of a kind stands together.
    let airy = room >= 4;
    let mut shown = Vec::new();
    for (at, apart) in [(0, false), (1, false), (3, true), (2, true), (5, true), (6, false), (4, true)] {
        if airy && apart {
            shown.push(Line::raw(""));
        }
        shown.extend(cut(&sections[at], given[at], tongue));
    }
    shown
}

/// So many lines of a section; if that is not all, the last one says how many are missing.
fn cut(section: &Section, given: usize, tongue: Tongue) -> Vec<Line<'static>> {
    let Section { lines, list_after, .. } = section;
    if given >= lines.len() || list_after.is_none_or(|heads| given <= heads) {
        return lines.iter().take(given).cloned().collect();
    }
    let kept = given - 1;
    let mut shown: Vec<Line<'static>> = lines.iter().take(kept).cloned().collect();
    shown.push(Line::styled(words::more(lines.len() - kept, tongue), QUIET));
    shown
}

fn title(board: &BoardNow, width: usize, tongue: Tongue) -> Line<'static> {
    let ready = words::ready(board.ready, tongue);
    let left = format!("{} {ready}  {}", words::name(tongue), words::city(board, tongue));
    // The moment of the figures is never cut off.
    let room = width.saturating_sub(columns(&board.at_local) + 1);
    let text = format!("{} {}", cell(&left, room, false), board.at_local);
    Line::styled(text, if board.ready { BAR } else { BAD })
}

fn alarms(board: &BoardNow, width: usize, tongue: Tongue) -> Vec<Line<'static>> {
    if board.alarms.is_empty() {
        return vec![Line::styled(words::no_alarm(tongue), QUIET)];
    }
    let line = |alarm: &Alarm| {
        let text = format!("{}  {}", words::severity(alarm.severity, tongue), sentence(alarm, tongue));
        let style = if alarm.severity == Severity::NotReady { BAD } else { WARN };
        Line::styled(shortened(&text, width), style)
    };
    board.alarms.iter().map(line).collect()
}

/// So wide the names of queues stay, on a narrow terminal and on a wide one: before that, columns are left out.
const NAME_MIN: [usize; 2] = [12, 21];
/// Below this a terminal is narrow.
const NARROW: usize = 60;

/// A column of the queues.
struct Column {
    head: &'static str,
    cells: Vec<String>,
    right: bool,
    /// The higher, the sooner it is left out.
    spare: u8,
}

fn queues(board: &BoardNow, width: usize, tongue: Tongue) -> Vec<Line<'static>> {
    if board.queues.is_empty() {
        return vec![Line::styled(words::no_queues(tongue), QUIET)];
    }
    let heads = words::heads(tongue);
    let column = |head, spare, right, cell: &dyn Fn(&QueueRow) -> String| {
        let cells = board.queues.iter().map(cell).collect();
        Column { head, cells, right, spare }
    };
    let mut table = vec![
        column("", 0, false, &|q| words::mark(q.state).to_owned()),
        column(heads.queue, 0, false, &words::queue),
        column(heads.waiting, 0, true, &|q| q.waiting.to_string()),
        column(heads.longest, 0, true, &|q| if q.waiting == 0 { "-".to_owned() } else { long(q.longest_wait_ms) }),
        column(heads.promise, 5, true, &|q| long(q.promised_ms)),
        column(heads.staff, 1, true, &|q| q.staffed.to_string()),
        column(heads.free, 3, true, &|q| q.free.to_string()),
        column(heads.level, 4, true, &|q| q.service_level_today_percent.map_or_else(|| "-".to_owned(), |level| format!("{level}%"))),
        column(heads.state, 2, false, &|q| words::state(q.state, tongue).to_owned()),
    ];
    let widest = |column: &Column| column.cells.iter().map(String::as_str).chain([column.head]).map(columns).max().unwrap_or(0);
    let others = |table: &[Column]| table.iter().skip(2).map(|column| widest(column) + 2).sum::<usize>() + widest(&table[0]) + 1;
    let names = widest(&table[1]);
    let least = NAME_MIN[usize::from(width >= NARROW)];
    while others(&table) + names.min(least) > width
        && let Some(spare) = table.iter().map(|column| column.spare).max().filter(|spare| *spare > 0)
    {
        table.retain(|column| column.spare != spare);
    }
    let names = names.min(width.saturating_sub(others(&table)));
    let widths: Vec<usize> = table.iter().enumerate().map(|(at, column)| if at == 1 { names } else { widest(column) }).collect();
    let line = |texts: Vec<&str>| {
        let cells = texts.iter().zip(&table).zip(&widths).map(|((text, column), width)| cell(text, *width, column.right));
        let mut cells = cells.collect::<Vec<String>>().into_iter();
        // The mark stands close to its queue.
        let mark = cells.next().unwrap_or_default();
        format!("{mark} {}", cells.collect::<Vec<_>>().join("  "))
    };
    let mut lines = vec![Line::styled(line(table.iter().map(|column| column.head).collect()), HEAD)];
    for (at, queue) in board.queues.iter().enumerate() {
        let style = match queue.state {
            QueueState::Well => Style::new(),
            QueueState::Late => WARN,
            QueueState::Nobody => QUIET,
            QueueState::Deserted => BAD,
        };
        lines.push(Line::styled(line(table.iter().map(|column| column.cells[at].as_str()).collect()), style));
    }
    lines
}

/// How many do what; then those who are there by name, in columns.
fn people(board: &BoardNow, agents: &[AgentRow], width: usize, tongue: Tongue) -> Vec<Line<'static>> {
    const ORDER: [AgentState; 7] = [
        AgentState::NotResponding,
        AgentState::Idle,
        AgentState::Offered,
        AgentState::Talking,
        AgentState::WrapUp,
        AgentState::NotReady,
        AgentState::SignedOut,
    ];
    let count = |state: &AgentState| board.agents_by_state.get(state).copied().unwrap_or(0);
    let there_are = ORDER.iter().filter(|state| count(state) > 0);
    let counted =
        there_are.map(|state| (format!("{} {}", words::agent(*state, tongue), count(state)), *state == AgentState::NotResponding));
    let heads = flowing(words::title(Title::Agents, tongue), counted, width);
    let rank = |agent: &&AgentRow| ORDER.iter().position(|state| *state == agent.state);
    let mut there: Vec<&AgentRow> = agents.iter().filter(|agent| agent.state != AgentState::SignedOut).collect();
    there.sort_by_key(|agent| (rank(agent), agent.agent.clone()));
    let texts: Vec<(String, AgentState)> = there.iter().map(|agent| (person(agent, board, tongue), agent.state)).collect();
    let widest = texts.iter().map(|(text, _)| columns(text)).max().unwrap_or(0).max(1);
    // Down, then across, as a list is read.
    let across = ((width + 2) / (widest + 2)).max(1);
    let rows = texts.len().div_ceil(across);
    let row = |row: usize| {
        let spans = (0..across).filter_map(|column| texts.get(column * rows + row)).map(|(text, state)| {
            let style = match state {
                AgentState::NotResponding => WARN,
                AgentState::NotReady | AgentState::WrapUp => QUIET,
                AgentState::SignedOut | AgentState::Idle | AgentState::Offered | AgentState::Talking => Style::new(),
            };
            Span::styled(cell(text, widest + 2, false), style)
        });
        Line::from(spans.collect::<Vec<_>>())
    };
    heads.into_iter().chain((0..rows).map(row)).collect()
}

/// `yuki  talking 3:12 nurse`, `mio  on a break 12:30 lunch`.
fn person(agent: &AgentRow, board: &BoardNow, tongue: Tongue) -> String {
    let mut text = format!("{}  {}", agent.agent, words::agent(agent.state, tongue));
    if let Some(millis) = agent.for_ms {
        text.push_str(&format!(" {}", long(millis)));
    }
    let queue =
        agent.queue.as_ref().map(|queue| board.queues.iter().find(|row| row.queue == *queue).map_or(queue.as_str(), |row| &row.label));
    let reason = agent.reason.as_ref().map(model::BreakReason::as_str);
    for more in [queue, reason].into_iter().flatten() {
        text.push_str(&format!(" {more}"));
    }
    text
}

fn lines(board: &BoardNow, width: usize, tongue: Tongue) -> Vec<Line<'static>> {
    let item = |row: &web::LineRow| {
        let full = if row.full { words::full(tongue) } else { "" };
        // `ward/asao` is Asao to everybody.
        let short = row.line.as_str().rsplit('/').next().unwrap_or_default();
        (format!("{short} {}/{}{full}", row.used, row.places), row.full)
    };
    flowing(words::title(Title::Lines, tongue), board.lines.iter().map(item), width)
}

fn trunks(board: &BoardNow, width: usize, tongue: Tongue) -> Vec<Line<'static>> {
    let item = |row: &web::TrunkRow| (format!("{} {}/{}{}", row.line, row.used, row.channels, words::trunk(row, tongue)), row.trouble);
    flowing(words::title(Title::Trunks, tongue), board.trunks.iter().map(item), width)
}

/// A title, then items on as many lines as they need, those that stand out first. Nothing where there are none.
fn flowing(title: &'static str, items: impl Iterator<Item = (String, bool)>, width: usize) -> Vec<Line<'static>> {
    let mut items: Vec<(String, bool)> = items.collect();
    items.sort_by_key(|(_, stands_out)| !stands_out);
    let indent = columns(title);
    let (mut lines, mut spans, mut used) = (Vec::new(), Vec::new(), 0);
    for (text, stands_out) in items {
        let wide = columns(&text) + 2;
        if used > 0 && used + wide > width + 2 {
            lines.push(Line::from(std::mem::take(&mut spans)));
            used = 0;
        }
        if used == 0 {
            spans.push(Span::raw(if lines.is_empty() { title.to_owned() } else { " ".repeat(indent) }));
            used = indent;
        }
        spans.push(Span::styled(text, if stands_out { WARN } else { Style::new() }));
        spans.push(Span::raw("  "));
        used += wide;
    }
    if !spans.is_empty() {
        lines.push(Line::from(spans));
    }
    lines
}

/// A length: `0:07`, `12:30`, `2:05:00`.
pub(super) fn long(millis: u64) -> String {
    let secs = Duration::from(Millis(millis)).as_secs();
    if secs < 3600 { clock(Duration::from_secs(secs)) } else { format!("{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60) }
}

/// Columns that a text takes, as the picture counts them.
pub(super) fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// The beginning of a text that fits into so many columns.
fn beginning(text: &str, width: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let fits = ends.take_while(|end| columns(&text[..*end]) <= width).last();
    &text[..fits.unwrap_or(0)]
}

/// A text that fits, or its beginning and two dots.
fn shortened(text: &str, width: usize) -> String {
    if columns(text) <= width { text.to_owned() } else { format!("{}..", beginning(text, width.saturating_sub(2))) }
}

/// A text that takes exactly so many columns, at the left or the right end.
fn cell(text: &str, width: usize, right: bool) -> String {
    let text = shortened(text, width);
    let text = beginning(&text, width);
    let blank = " ".repeat(width - columns(text));
    if right { format!("{blank}{text}") } else { format!("{text}{blank}") }
}

/// A text on lines of so many columns: broken at a blank near the end of the line, and where there is none, as in Japanese, anywhere.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let fits = beginning(rest, width);
        if fits.is_empty() {
            break;
        }
        let end =
            if fits.len() == rest.len() { fits.len() } else { fits.rfind(' ').filter(|at| *at > fits.len() / 2).unwrap_or(fits.len()) };
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    lines
}
