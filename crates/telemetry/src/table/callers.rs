//! Callers: who came, who was turned away, where calls ended and how long people talked.

use super::{Entry, Of, WAITS, seconds};
use model::{CallEnd, Event};

/// Talking in seconds.
const TALKS: &[f64] = &[5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];

/// A whole call in seconds: from what a broken line cuts off to what nobody talks.
const LASTS: &[f64] = &[1.0, 3.0, 5.0, 10.0, 30.0, 60.0, 180.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "calls_arrived_total",
        help: "Calls that came for one of the city's numbers, by the number dialled.",
        labels: &["number"],
        of: Of::EventsOfNumber {
            rows: |number, tell| tell(&[number.as_str()], 0.0),
            count: |event, tell| {
                if let Event::Arrived { number, .. } = event {
                    tell(&[number.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_withheld_total",
        help: "Calls without a caller's number, by why: by_caller (184), unavailable (the network has none), other_service, payphone. None of \
               them can be called back.",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[&["by_caller"], &["unavailable"], &["other_service"], &["payphone"]],
            count: |event, tell| {
                if let Event::Withheld { why, .. } = event {
                    tell(&[&why.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_sent_on_total",
        help: "Calls that came to one of the city's own lines first and were sent on to us, by that line: people who still call the ward.",
        labels: &["line"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::CalledFirst { line, .. } = event {
                    tell(&[line.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_refused_total",
        help: "Calls turned away before they began, by reason. full: all channels were busy, these callers heard a busy tone and nobody \
               answered them. aimed_at_us: a PBX on this machine whose line of lines.yaml lacks `targets: loopback`, or an attack.",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[
                &["full"],
                &["no_port"],
                &["no_codec"],
                &["unknown_number"],
                &["draining"],
                &["forbidden"],
                &["same_number"],
                &["too_fast"],
                &["aimed_at_us"],
            ],
            count: |event, tell| {
                if let Event::Refused { why, .. } = event {
                    tell(&[&why.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_ended_total",
        help: "Calls that are over, by the number dialled and where they ended. Many abandoned_in_menu: the menu is too long, or broken. Any \
               internal_error: a mistake of ours, see the log.",
        labels: &["number", "outcome"],
        of: Of::EventsOfNumber {
            // All outcomes from the start, so that the first bad one is seen as growth.
            rows: |number, tell| CallEnd::ALL.iter().for_each(|end| tell(&[number.as_str(), &end.to_string()], 0.0)),
            count: |event, tell| {
                if let Event::Ended { record } = event {
                    tell(&[record.number.as_str(), &record.end.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "call_duration_seconds",
        help: "How long whole calls lasted, from the INVITE to the end, by the number dialled. Many under 5 s: a line hangs up on callers, or they hear \
               nothing. One city's exchange did that to 55,000 callers, and nobody noticed for seven weeks.",
        labels: &["number"],
        of: Of::SpreadOfNumber {
            bounds: LASTS,
            observe: |event, tell| {
                if let Event::Ended { record } = event {
                    tell(&[record.number.as_str()], (record.ended.0 - record.arrived.0).max(0) as f64 / 1000.0);
                }
            },
        },
    },
    Entry {
        name: "calls_given_up_at_total",
        help: "Callers who gave up, by the last step of the flow that they had come to, and by stage. A step that stands out is too long, \
               unclear, or silent: listen to it.",
        labels: &["step", "stage"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Ended { record } = event
                    && let (Some(stage), Some(last)) = (record.gave_up, record.path.last())
                {
                    // `main=2`: what was pressed there is told by menu_choices_total.
                    let step = last.split_once('=').map_or(last.as_str(), |(step, _)| step);
                    tell(&[step, &stage.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_given_up_total",
        help: "Callers who gave up, by where: short (within five seconds), greeting, menu, queue, ringing (while an agent's phone rang).",
        labels: &["stage"],
        of: Of::Events {
            from_start: &[&["short"], &["greeting"], &["menu"], &["queue"], &["ringing"]],
            count: |event, tell| {
                if let Event::Ended { record } = event
                    && let Some(stage) = record.gave_up
                {
                    tell(&[&stage.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_answered_total",
        help: "Calls that we answered: the caller hears us.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::Answered { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_evicted_total",
        help: "Calls ended by a mistake of ours while the others went on. Each one is a bug: see the log.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::CallEvicted { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "call_talk_seconds",
        help: "How long callers talked with an agent. Many under 5 s: the sound may be one-way.",
        labels: &["queue"],
        of: Of::Spread {
            bounds: TALKS,
            observe: |event, tell| {
                if let Event::Ended { record } = event
                    && let (Some(queue), Some(talked)) = (&record.queue, record.talked)
                {
                    tell(&[queue.as_str()], seconds(talked));
                }
            },
        },
    },
    Entry {
        name: "time_to_human_seconds",
        help: "From a call's arrival to the moment a person answered, menus and waiting included: what a caller lives through.",
        labels: &["queue"],
        of: Of::Spread {
            bounds: WAITS,
            observe: |event, tell| {
                if let Event::Bridged { queue, to_human, .. } = event {
                    tell(&[queue.as_str()], seconds(*to_human));
                }
            },
        },
    },
];
