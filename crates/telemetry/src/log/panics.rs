//! A mistake of ours in the log: one line, in which no number can stand.

use model::hide_numbers;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// So many figures in a row could be somebody's number.
const FIGURES: usize = 7;
/// The longest message; what a panic prints may be a whole SIP message.
const LETTERS_MAX: usize = 1000;

/// Has every panic written as an ERROR of the log (or to standard error, where there is no log), its message without what could be somebody's
/// number. It is the last thing that a panic can print, and it holds what no type guards: whatever was in hand.
pub fn mind_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (said, place) = (message(panic), panic.location().map(ToString::to_string).unwrap_or_default());
        let current = std::thread::current();
        let thread = current.name().unwrap_or("unnamed");
        let trace = Backtrace::capture();
        let trace = if trace.status() == BacktraceStatus::Captured { trace.to_string() } else { String::new() };
        if tracing::dispatcher::has_been_set() {
            tracing::error!(%place, thread, backtrace = trace, "panic: {said}");
        } else {
            eprintln!("toritsugi: a mistake of ours at {place}: {said}\n{trace}");
        }
    }));
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let said: String = said.unwrap_or("(no words)").chars().take(LETTERS_MAX).collect();
    hide_numbers(&said, FIGURES)
}
