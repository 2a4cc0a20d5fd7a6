//! What callers leave, and what other houses answer.

use super::{Entry, Of, seconds};
use model::Event;

/// Messages in seconds: from a few words to what nobody listens to.
const LENGTHS: &[f64] = &[1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Answers in seconds: what a caller does not notice, and what a caller waits for.
const ANSWERS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "voicemail_messages_total",
        help: "Messages that callers left, by box and by what ended them. broken_off: the disk failed or was too slow, what was said by then is \
               kept; see the log.",
        labels: &["box", "end"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::MessageLeft { mailbox, how, .. } = event {
                    tell(&[mailbox.as_str(), &how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "voicemail_not_kept_total",
        help: "Messages that were not kept, by box and reason. empty: nothing was said. box_full, disk_short, not_written: callers who had \
               something to say were led elsewhere; listen to the box, or look at the disk.",
        labels: &["box", "reason"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::MessageNotKept { mailbox, why, .. } = event {
                    tell(&[mailbox.as_str(), &why.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "voicemail_message_seconds",
        help: "How long messages are.",
        labels: &["box"],
        of: Of::Spread {
            bounds: LENGTHS,
            observe: |event, tell| {
                if let Event::MessageLeft { mailbox, length, .. } = event {
                    tell(&[mailbox.as_str()], seconds(*length));
                }
            },
        },
    },
    Entry {
        name: "voicemail_unheard",
        help: "Messages in each box that nobody has marked as done (`toritsugi voicemail done`). Whoever is on duty listens when it grows.",
        labels: &["box"],
        of: Of::Board(|latest, tell| latest.boxes.iter().for_each(|(mailbox, count)| tell(&[mailbox.as_str()], *count as f64))),
    },
    Entry {
        name: "lookups_total",
        help: "Questions to other houses, by house and by what came of them. All but answered and caller_gone: the caller was led to `failed`. \
               not_allowed: config/lookups.yaml or a secret is wrong, see the log.",
        labels: &["lookup", "result"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::LookedUp { lookup, how, .. } = event {
                    tell(&[lookup.as_str(), &how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "lookup_seconds",
        help: "How long questions to other houses took, every attempt included: callers hear music meanwhile.",
        labels: &["lookup"],
        of: Of::Spread {
            bounds: ANSWERS,
            observe: |event, tell| {
                if let Event::LookedUp { lookup, took, .. } = event {
                    tell(&[lookup.as_str()], seconds(*took));
                }
            },
        },
    },
];
