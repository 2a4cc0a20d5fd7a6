//! Menus: what callers press, where they press nothing, and sentences that were missing.

use super::{Entry, Of, seconds};
use model::{Event, KeyMeaning};

/// Ways to people in seconds: fine where budgets end (30 s, 75 s).
const WAYS: &[f64] = &[5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 60.0, 75.0, 90.0, 120.0, 180.0, 300.0];

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
        help: "Menus that ended without a key, by step. Many everywhere at once: keys do not come through any more (RFC 4733), look at digits_total.",
        labels: &["step"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| match event {
                // From a menu's first key on it is shown, so that the first silence is seen as growth.
                Event::Pressed { step, .. } => tell(&[step.as_str()], 0.0),
                Event::NoInput { step, .. } => tell(&[step.as_str()], 1.0),
                _ => {}
            },
        },
    },
    Entry {
        name: "menu_choices_total",
        help: "Choices that callers made, by step and key.",
        labels: &["step", "key"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Pressed { step, digit, meaning: KeyMeaning::Choice, .. } = event {
                    tell(&[step.as_str(), &digit.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "flow_steps_total",
        help: "Times that a caller came to a step of a flow.",
        labels: &["flow", "step"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::StepEntered { flow, step, .. } = event {
                    tell(&[flow.as_str(), step.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "menu_to_human_seconds",
        help: "From the first sentence to a queue or a line, as `toritsugi check` reckons it: pressing, silent, or mixed. Above the flow's budget: \
               a sentence has become longer, or callers do not find their key.",
        labels: &["flow", "how"],
        of: Of::Spread {
            bounds: WAYS,
            observe: |event, tell| {
                if let Event::HandedToPeople { flow, manner, took, .. } = event {
                    tell(&[flow.as_str(), &manner.to_string()], seconds(*took));
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
