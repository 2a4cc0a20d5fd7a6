//! `toritsugi top`: the engine as it stands, on a terminal, for whoever is on call; over ssh too.
//!
//! It asks the running engine as `toritsugi status` does, under `/api/board` with the token in the state folder, and draws what it is told. A thread
//! asks, so that keys are heard while an engine is slow. Figures that are no news any more are not shown: then it says since when there
//! are none, and goes on asking.

mod draw;
#[cfg(test)]
mod golden;
mod plain;
mod words;

use crate::StateArgs;
use crate::client;
use crate::explain::Tongue;
use crate::words::{Both, Stop, say};
use clap::Args;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use draw::{News, View, draw};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use web::{Floor, STALE_MS};

/// How long a key waits to be heard, and a resized terminal to be drawn.
const LOOKS: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct TopArgs {
    /// Ask the engine again after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    every: u64,
    /// Print how it stands at this moment, for people, and end
    #[arg(long)]
    once: bool,
    /// With --once: one JSON object, for programs
    #[arg(long, requires = "once")]
    json: bool,
    /// en or ja [default: as the terminal]
    #[arg(long)]
    lang: Option<String>,
    #[command(flatten)]
    state: StateArgs,
}

/// `toritsugi top`.
pub(crate) fn run(args: &TopArgs) -> Result<(), Stop> {
    let tongue = Tongue::of(args.lang.as_deref());
    if args.once {
        let answer = client::ask(&args.state.state, "board", None, tongue)?;
        if args.json {
            return say(answer.trim_end());
        }
        return say(plain::page(&read(&answer, tongue)?, tongue).trim_end());
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let said = Both::new(
            "this needs a terminal to draw on. `toritsugi top --once` prints how it stands, `--once --json` prints it for programs",
            "画面を表示できる端末がありません。いまの状態は toritsugi top --once で、プログラム用には --once --json で表示できます。",
        );
        return Err(Stop::new(said.of(tongue)));
    }
    let (tell, heard) = sync_channel(1);
    ask_again_and_again(args.state.state.clone(), Duration::from_secs(args.every), tongue, tell.clone())?;
    hear_signals(tell)?;
    // This restores the terminal after a panic too, of any thread.
    let mut terminal = ratatui::try_init().map_err(|fault| no_terminal(&fault, tongue))?;
    let left = watch(&mut terminal, &heard, tongue);
    // What complains of a terminal that is gone complains on the terminal.
    let _ = terminal.show_cursor();
    drop(ratatui::try_restore());
    std::mem::forget(terminal);
    // Of a terminal that is gone nobody wants to hear that it cannot be drawn on.
    if std::io::stdout().is_terminal() { left } else { left.map_err(|_| Stop::new("")) }
}

fn no_terminal(fault: &std::io::Error, tongue: Tongue) -> Stop {
    let said = Both::new(
        format_args!("the terminal cannot be drawn on: {fault}. `toritsugi top --once` needs none"),
        format_args!("端末に表示できません（{fault}）。toritsugi top --once なら端末の機能を使いません。"),
    );
    Stop::new(said.of(tongue))
}

fn read(answer: &str, tongue: Tongue) -> Result<Floor, Stop> {
    serde_json::from_str(answer).map_err(|fault| client::another(fault, tongue))
}

/// What comes to whoever draws.
enum Word {
    Answer(Result<Box<Floor>, Stop>),
    Leave,
}

fn ask_again_and_again(state: std::path::PathBuf, every: Duration, tongue: Tongue, tell: SyncSender<Word>) -> Result<(), Stop> {
    let ask = move |state: &Path| client::ask(state, "board", None, tongue).and_then(|answer| read(&answer, tongue)).map(Box::new);
    let asks = move || {
        while tell.send(Word::Answer(ask(&state))).is_ok() {
            std::thread::sleep(every);
        }
    };
    spawn("asks", asks)
}

/// How long whoever watches has for leaving, once a signal said so.
const LEAVES: Duration = Duration::from_secs(1);

/// Whoever ends this by a signal gets the terminal back as it was. A terminal can also go without a signal: the shell above us gets it,
/// and need not pass it on.
fn hear_signals(tell: SyncSender<Word>) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(Stop::new)?;
    let gone = tell.clone();
    spawn("signals", move || {
        runtime.block_on(async {
            let (Ok(mut term), Ok(mut hup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else { return };
            tokio::select! { _ = term.recv() => {}, _ = hup.recv() => {} }
        });
        leave(&tell);
    })?;
    spawn("terminal", move || {
        while std::io::stdout().is_terminal() {
            std::thread::sleep(LEAVES);
        }
        leave(&gone);
    })
}

/// Tells whoever watches to leave. Where the terminal itself is gone, the library that waits for its keys may never come back to hear it.
fn leave(tell: &SyncSender<Word>) {
    let ends = spawn("ends", || {
        std::thread::sleep(LEAVES);
        drop(ratatui::try_restore());
        std::process::exit(1);
    });
    if ends.is_ok() {
        let _ = tell.send(Word::Leave);
    } else {
        std::process::exit(1);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Stop> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|fault| Stop::new(format!("a thread cannot be started: {fault}")))
}

/// The last that was heard.
#[derive(Default)]
struct Last {
    floor: Option<(Box<Floor>, Instant)>,
    /// Why there was no answer, if there was none.
    refused: Option<String>,
}

impl Last {
    fn take(&mut self, answer: Result<Box<Floor>, Stop>) {
        match answer {
            Ok(floor) => (self.floor, self.refused) = (Some((floor, Instant::now())), None),
            Err(Stop(why)) => self.refused = Some(why),
        }
    }

    /// What may be shown: nothing that is older than a board may be.
    fn view(&self, tongue: Tongue) -> View<'_> {
        let since = self.floor.as_ref().map(|(floor, _)| floor.board.at_local.as_str()).filter(|at| !at.is_empty());
        match (&self.floor, &self.refused) {
            (_, Some(why)) => View { floor: None, news: News::None { since, why: why.clone() } },
            // What the last answer said was wrong may not be so any more.
            (Some((_, at)), None) if at.elapsed() > Duration::from_millis(STALE_MS) => {
                View { floor: None, news: News::None { since, why: words::unanswered(tongue).to_owned() } }
            }
            (Some((floor, _)), None) if floor.board.age_ms > STALE_MS => {
                View { floor: None, news: News::Stale { since, alarms: &floor.board.alarms } }
            }
            (Some((floor, _)), None) => View { floor: Some(floor), news: News::Fresh },
            (None, None) => View { floor: None, news: News::None { since, why: String::new() } },
        }
    }
}

fn watch(terminal: &mut ratatui::DefaultTerminal, heard: &Receiver<Word>, tongue: Tongue) -> Result<(), Stop> {
    let failed = |fault: std::io::Error| no_terminal(&fault, tongue);
    let mut last = Last::default();
    loop {
        loop {
            match heard.try_recv() {
                Ok(Word::Answer(answer)) => last.take(answer),
                Ok(Word::Leave) | Err(TryRecvError::Disconnected) => return Ok(()),
                Err(TryRecvError::Empty) => break,
            }
        }
        terminal
            .draw(|frame| {
                *frame.buffer_mut() = draw(&last.view(tongue), frame.area(), tongue);
            })
            .map_err(failed)?;
        // Sleeps until a key comes, or for a moment.
        if event::poll(LOOKS).map_err(failed)? && leaves(&event::read().map_err(failed)?) {
            return Ok(());
        }
    }
}

fn leaves(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'C'));
    key.kind == KeyEventKind::Press && (interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn q_escape_and_control_c_leave_and_nothing_else_does() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        for (code, modifiers) in
            [(KeyCode::Char('q'), KeyModifiers::NONE), (KeyCode::Esc, KeyModifiers::NONE), (KeyCode::Char('c'), KeyModifiers::CONTROL)]
        {
            assert!(leaves(&key(code, modifiers)), "{code:?}");
        }
        assert!(!leaves(&key(KeyCode::Char('c'), KeyModifiers::NONE)) && !leaves(&Event::Resize(1, 1)));
    }

    #[test]
    fn figures_are_shown_while_they_are_news_and_not_after() {
        let floor = |age_ms| {
            let board = web::BoardNow { age_ms, at_local: "14:02:11".to_owned(), ..web::BoardNow::default() };
            Box::new(Floor { board, agents: Vec::new() })
        };
        let mut last = Last::default();
        assert!(matches!(last.view(Tongue::English), View { floor: None, news: News::None { since: None, .. } }));
        last.take(Ok(floor(200)));
        assert!(matches!(last.view(Tongue::English), View { floor: Some(_), news: News::Fresh }));
        last.take(Err(Stop::new("no engine")));
        assert!(
            matches!(last.view(Tongue::English), View { floor: None, news: News::None { since: Some("14:02:11"), ref why } } if why == "no engine")
        );
        last.take(Ok(floor(STALE_MS + 1)));
        assert!(
            matches!(last.view(Tongue::English), View { floor: None, news: News::Stale { since: Some("14:02:11"), .. } }),
            "the engine is silent"
        );
        last.take(Ok(floor(0)));
        assert!(last.view(Tongue::English).floor.is_some(), "and back");
        last.floor = last.floor.map(|(floor, at)| (floor, at - Duration::from_secs(6)));
        assert!(matches!(last.view(Tongue::English).news, News::None { ref why, .. } if why.contains("stuck")), "the answer does not come");
    }
}
