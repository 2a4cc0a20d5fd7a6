//! What the service manager is told (`sd_notify(3)`): ready, stopping, how it goes, and that we still live.
//!
//! The watchdog is fed only while the signalling thread answers: a process that breathes and takes no calls is one to be started again.
//! Without a manager (`NOTIFY_SOCKET` is not set) nobody is told anything. A thread of its own speaks, for a manager that does not listen
//! keeps whoever speaks to it waiting.

use crate::health::{Board, SILENCE_MAX};
use sd_notify::NotifyState;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// What may wait to be said; a manager that does not listen misses the rest.
const WORDS_MAX: usize = 16;

/// The manager, as far as there is one.
pub(crate) struct Manager {
    /// Takes assignments as `sd_notify(3)` writes them, one a line.
    words: Option<SyncSender<String>>,
    /// Whether it waits for a sign of life.
    watches: bool,
    ready: bool,
    said: String,
}

impl Manager {
    pub(crate) fn of_this_process() -> Manager {
        let words = std::env::var_os("NOTIFY_SOCKET").and_then(|_| speaker());
        Manager { words, watches: sd_notify::watchdog_enabled().is_some(), ready: false, said: String::new() }
    }

    /// After each beat, twice a second: ready after the first, then a sign of life while the engine answers, and the headline when it changes.
    pub(crate) fn beat(&mut self, board: &Board) {
        if board.silence() > SILENCE_MAX {
            return;
        }
        let headline = board.headline();
        let mut words = Vec::new();
        if !self.ready {
            words.push("READY=1".to_owned());
        }
        if self.watches {
            words.push("WATCHDOG=1".to_owned());
        }
        if self.said != headline {
            words.push(format!("STATUS={headline}"));
        }
        if self.say(&words) {
            (self.ready, self.said) = (true, headline);
        }
    }

    /// The engine ends, and takes so long at most.
    pub(crate) fn stopping(&self, patience: Duration) {
        self.say(&["STOPPING=1".to_owned(), format!("EXTEND_TIMEOUT_USEC={}", patience.as_micros())]);
    }

    /// Whether it will be said.
    fn say(&self, words: &[String]) -> bool {
        words.is_empty() || self.words.as_ref().is_none_or(|to| to.try_send(words.join("\n")).is_ok())
    }
}

fn speaker() -> Option<SyncSender<String>> {
    let (words, inbox) = sync_channel::<String>(WORDS_MAX);
    let speak = move || {
        for said in inbox {
            if let Err(fault) = sd_notify::notify(&[NotifyState::Custom(&said)]) {
                tracing::debug!(%fault, "the service manager could not be told");
            }
        }
    };
    std::thread::Builder::new().name("manager".to_owned()).spawn(speak).map(|_| words).ok()
}
