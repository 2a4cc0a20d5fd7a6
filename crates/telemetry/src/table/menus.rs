//! Menus: what callers press, where they press nothing, and sentences that were missing.

use super::{Entry, Of};
use model::Event;

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "menu_keys_total",
        help: "Keys that callers pressed, by what they meant. Many unknown: the menu says something else than it does.",
        labels: &["meaning"],
        of: Of::Events {
            from_start: &[&["choice"], &["unknown"], &["ignored"]],
            count: |event, tell| {
                if let Event::Pressed { meaning, .. } = event {
                    tell(&[&meaning.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "menu_timeouts_total",
        help: "Menus that ended without a key.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::NoInput { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "prompts_missing_total",
        help: "Sentences that callers should have heard but that had no sound. Make or record the prompt.",
        labels: &["prompt", "lang"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::PromptMissing { prompt, lang, .. } = event {
                    tell(&[prompt.as_str(), lang.as_str()], 1.0);
                }
            },
        },
    },
];
