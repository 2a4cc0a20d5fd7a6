//! Callbacks: who asked to be called back, and what came of it.

use super::{Entry, Of};
use model::{CallbackEnd, Event};

const ENDS: [CallbackEnd; 5] =
    [CallbackEnd::Served, CallbackEnd::Exhausted, CallbackEnd::Expired, CallbackEnd::CalledAgain, CallbackEnd::Closed];

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "callbacks_booked_total",
        help: "Callers who asked to be called back instead of waiting.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::CallbackBooked { queue, .. } = event {
                    tell(&[queue.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "callback_attempts_total",
        help: "Calls back to people who asked for it, by what came of each. Many not_confirmed: mailboxes answer.",
        labels: &["result"],
        of: Of::Events {
            from_start: &[&["confirmed"], &["no_answer"], &["busy"], &["not_confirmed"], &["failed"]],
            count: |event, tell| {
                if let Event::CallbackTried { how, .. } = event {
                    tell(&[&how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "callbacks_ended_total",
        help: "Callbacks that are over, by how. exhausted and expired: people who were promised a call and did not get one.",
        labels: &["queue", "result"],
        of: Of::EventsOfCity {
            // All of them from the start, so that the first broken promise is seen as growth, also of one that was made before a restart.
            rows: |snapshot, tell| {
                for queue in &snapshot.queues {
                    ENDS.iter().for_each(|how| tell(&[queue.queue.as_str(), &how.to_string()], 0.0));
                }
            },
            count: |event, tell| {
                if let Event::CallbackEnded { queue, how, .. } = event {
                    tell(&[queue.as_str(), &how.to_string()], 1.0);
                }
            },
        },
    },
];
