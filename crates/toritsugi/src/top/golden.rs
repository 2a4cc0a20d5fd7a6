//! Pictures of the board as people see them, and sizes that nobody has.

use super::draw::{News, View, columns, draw};
use super::plain;
use crate::explain::Tongue;
use crate::explain::golden;
use model::{AgentId, AgentState, BreakReason, Hours, LineId, QueueId, ScheduleId};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use std::collections::BTreeMap;
use web::{AgentRow, Alarm, BoardNow, CallsNow, Floor, LineRow, QueueRow, QueueState, ScheduleRow, Severity, TrunkRow};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

fn queue(name: &str, label: &str, waiting: u64, longest: u64, staffed: u64, state: QueueState) -> QueueRow {
    QueueRow {
        queue: QueueId::from(name),
        label: label.to_owned(),
        state,
        waiting,
        longest_wait_ms: longest * 1000,
        promised_ms: 60_000,
        promised_percent: 80,
        staffed,
        free: staffed / 2,
        offered_today: 100,
        answered_today: 90,
        abandoned_today: 8,
        service_level_today_percent: (waiting > 0).then_some(76),
    }
}

fn line(name: &str, used: u64) -> LineRow {
    LineRow { line: LineId::from(name), used, places: 2, full: used == 2 }
}

fn agent(name: &str, state: AgentState, secs: Option<u64>, queue: Option<&str>, reason: Option<&str>) -> AgentRow {
    AgentRow {
        agent: AgentId::from(name),
        state,
        since_ms: secs.map(|secs| 1_794_186_131_000 - secs as i64 * 1000),
        for_ms: secs.map(|secs| secs * 1000),
        reason: reason.map(BreakReason::from),
        queue: queue.map(QueueId::from),
    }
}

/// A bad quarter of an hour.
fn busy() -> Floor {
    let alarm = |severity, about: &str, en: &str, ja: &str| {
        let [about, en, ja] = [about, en, ja].map(str::to_owned);
        Alarm { severity, about, en, ja }
    };
    let agents = vec![
        agent("aoi", AgentState::SignedOut, None, None, None),
        agent("hana", AgentState::Idle, Some(41), None, None),
        agent("ken", AgentState::Talking, Some(4_325), Some("general"), Some("lunch")),
        agent("mio", AgentState::NotReady, Some(750), None, Some("lunch")),
        agent("ren", AgentState::Offered, Some(7), Some("nurse"), None),
        agent("rin", AgentState::NotResponding, Some(300), None, None),
        agent("sora", AgentState::WrapUp, Some(31), None, None),
        agent("yuki", AgentState::Talking, Some(192), Some("nurse"), None),
    ];
    let mut agents_by_state: BTreeMap<AgentState, u64> = AgentState::ALL.map(|state| (state, 0)).into();
    for agent in &agents {
        *agents_by_state.entry(agent.state).or_default() += 1;
    }
    let board = BoardNow {
        at_ms: 1_794_186_131_000,
        at_local: "14:02:11".to_owned(),
        age_ms: 120,
        ready: false,
        alarms: vec![
            alarm(
                Severity::NotReady,
                "trunk ntt",
                "trunk ntt: NOT REGISTERED with its carrier: nobody can call over it, see the log",
                "回線 ntt：通信会社に登録できていません。この回線には電話がかかりません。ログを見てください。",
            ),
            alarm(
                Severity::Warning,
                "queue interpreter",
                "queue interpreter: NOBODY IS THERE, and 1 wait",
                "待ち行列 interpreter：担当者がひとりもいないのに、1 人が待っています。",
            ),
            alarm(Severity::Warning, "agents", "agents: NOT RESPONDING: 1.", "1 人の担当者が電話に出ないため、呼び出しを止めています。"),
        ],
        calls: CallsNow {
            in_progress: 14,
            channels_used: 12,
            channels: 200,
            arrived_last_minute: 7,
            arrived_last_5_minutes: 31,
            today_since_ms: 0,
            today_since_local: "00:00".to_owned(),
            arrived_today: 1_412,
            answered_today: 1_203,
            given_up_today: 141,
            refused_today: 3,
            callbacks: 5,
        },
        queues: vec![
            queue("general", "一般", 2, 12, 4, QueueState::Well),
            queue("interpreter", "通訳（ベトナム語・ポルトガル語）", 1, 95, 0, QueueState::Deserted),
            queue("nurse", "看護", 9, 3_725, 6, QueueState::Late),
            queue("nurse_oncall", "看護当直", 0, 0, 0, QueueState::Nobody),
        ],
        agents_by_state,
        lines: vec![
            line("ward/asao", 0),
            line("ward/kawasaki", 2),
            line("ward/miyamae", 1),
            line("ward/nakahara", 0),
            line("ward/saiwai", 0),
        ],
        trunks: vec![
            TrunkRow { line: LineId::from("ntt"), used: 3, channels: 30, registered: Some(false), reachable: None, trouble: true },
            TrunkRow { line: LineId::from("spare"), used: 0, channels: 8, registered: None, reachable: Some(true), trouble: false },
        ],
        schedules: vec![ScheduleRow { schedule: ScheduleId::from("centre"), hours: Hours::Open, by_hand: false }],
        set_by_hand: 1,
        city_version: Some(7),
    };
    Floor { board, agents }
}

/// As a terminal shows it, without the blanks at the ends. A sign of two columns covers the cell behind it.
fn picture(view: &View<'_>, (width, height): (u16, u16), tongue: Tongue) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            *frame.buffer_mut() = draw(view, frame.area(), tongue);
        })
        .unwrap();
    let mut text = String::new();
    for row in terminal.backend().buffer().content().chunks(usize::from(width)) {
        let (mut line, mut at) = (String::new(), 0);
        while let Some(cell) = row.get(at) {
            line.push_str(cell.symbol());
            at += columns(cell.symbol()).max(1);
        }
        assert!(at <= row.len(), "half a sign at the edge: {line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn all(name: &str, view: &View<'_>) {
    for (tongue, lang) in [(Tongue::English, "en"), (Tongue::Japanese, "ja")] {
        for size in SIZES {
            golden(&format!("top_{name}.{}x{}.{lang}.txt", size.0, size.1), &picture(view, size, tongue));
        }
    }
}

#[test]
fn a_bad_quarter_of_an_hour_on_three_terminals() {
    all("busy", &View { floor: Some(&busy()), news: News::Fresh });
}

#[test]
fn no_news_is_shown_as_no_news_and_no_figure_beside_it() {
    let why = "no engine answers for the state folder /var/lib/toritsugi. Start one (toritsugi serve)".to_owned();
    all("silent", &View { floor: None, news: News::None { since: Some("14:02:11"), why } });
    let floor = busy();
    let stale = View { floor: None, news: News::Stale { since: Some("14:02:11"), alarms: &floor.board.alarms[..1] } };
    let shown = picture(&stale, (80, 24), Tongue::English);
    assert!(shown.contains("NO NEWS SINCE 14:02:11") && shown.contains("NOT REGISTERED") && !shown.contains("LONGEST"), "{shown}");
}

#[test]
fn once_is_plain_text_without_signs_that_steer_a_terminal() {
    let mut floor = busy();
    floor.board.queues[0].label = "\u{1b}[31m一般".to_owned();
    floor.board.alarms[1].en.push('\u{7}');
    for (tongue, lang) in [(Tongue::English, "en"), (Tongue::Japanese, "ja")] {
        let page = plain::page(&floor, tongue);
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page}");
        golden(&format!("top_once.{lang}.txt"), &page);
    }
    floor.board.age_ms = 9_000;
    let page = plain::page(&floor, Tongue::English);
    assert!(page.starts_with("NO NEWS SINCE 14:02:11\n") && !page.contains("LONGEST"), "{page}");
}

#[test]
fn no_terminal_is_too_large() {
    assert!(picture(&View { floor: Some(&busy()), news: News::Fresh }, (400, 300), Tongue::English).contains("LONGEST"));
}

#[test]
fn no_size_and_no_city_is_too_small_to_draw() {
    let (floors, mut most) = ([busy(), Floor::default()], busy());
    most.board.queues = (0..60).map(|n| queue("q", &"長い名前".repeat(n), 9, 9, 9, QueueState::Late)).collect();
    for floor in floors.iter().chain([&most]) {
        for width in (0..60).chain([79, 200, 500]) {
            for height in (0..20).chain([24, 100]) {
                for tongue in [Tongue::English, Tongue::Japanese] {
                    let area = Rect::new(0, 0, width, height);
                    draw(&View { floor: Some(floor), news: News::Fresh }, area, tongue);
                    draw(&View { floor: None, news: News::None { since: None, why: "why 理由".to_owned() } }, area, tongue);
                }
            }
        }
    }
}
