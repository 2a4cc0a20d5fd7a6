//! Queues: who waits, for how long, and what they were told of it.

use super::{Entry, Of, Tell, WAITS, seconds};
use model::{Event, Millis, QueueEnd, Reason, Snapshot};

/// How far a wait that was told was off, in seconds; 0 is the longest that was told.
const ERRORS: &[f64] = &[-600.0, -300.0, -120.0, -60.0, -30.0, -10.0, 0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

const ENDS: [QueueEnd; 6] =
    [QueueEnd::Answered, QueueEnd::Abandoned, QueueEnd::Moved, QueueEnd::Full, QueueEnd::NobodyLoggedIn, QueueEnd::Closed];

/// The first caller for whom nobody was there is to be seen as growth.
fn every_end(snapshot: &Snapshot, tell: Tell<'_>) {
    for queue in &snapshot.queues {
        ENDS.iter().for_each(|how| tell(&[queue.queue.as_str(), &how.to_string()], 0.0));
    }
}

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "queue_entered_total",
        help: "Callers who took a place in a queue.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Enqueued { queue, .. } = event {
                    tell(&[queue.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "queue_wait_seconds",
        help: "How long callers had waited when they left a queue, by how they left it. The share of answered within 20 s is the service level.",
        labels: &["queue", "outcome"],
        of: Of::Spread {
            bounds: WAITS,
            observe: |event, tell| {
                if let Event::LeftQueue { queue, waited, how, .. } = event {
                    tell(&[queue.as_str(), &how.to_string()], seconds(*waited));
                }
            },
        },
    },
    Entry {
        name: "queue_left_total",
        help: "Callers who left a queue, by how: the denominators of answer rate and service level. full, nobody_logged_in: they were not taken.",
        labels: &["queue", "outcome"],
        of: Of::EventsOfCity {
            rows: every_end,
            count: |event, tell| {
                if let Event::LeftQueue { queue, how, .. } = event {
                    tell(&[queue.as_str(), &how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "queue_left_in_time_total",
        help: "Callers who left a queue within the time that it promises (service_level in config/queues.yaml), by how: answered is the numerator of \
               the service level, abandoned are those whom some definitions leave out of it.",
        labels: &["queue", "outcome"],
        of: Of::EventsOfCity {
            rows: every_end,
            count: |event, tell| {
                if let Event::LeftQueue { queue, waited, how, promised, .. } = event
                    && waited <= promised
                {
                    tell(&[queue.as_str(), &how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "queue_promise_seconds",
        help: "The wait that each queue promises at most (service_level in config/queues.yaml).",
        labels: &["queue"],
        of: Of::Board(|latest, tell| {
            let queues = latest.snapshot.iter().flat_map(|s| &s.queues);
            queues.for_each(|q| tell(&[q.queue.as_str()], seconds(Millis(q.promised_millis))));
        }),
    },
    Entry {
        name: "queue_promise_ratio",
        help: "The share of callers, 0 to 1, that each queue promises to answer within queue_promise_seconds.",
        labels: &["queue"],
        of: Of::Board(|latest, tell| {
            let queues = latest.snapshot.iter().flat_map(|s| &s.queues);
            queues.for_each(|q| tell(&[q.queue.as_str()], f64::from(q.promised_percent) / 100.0));
        }),
    },
    Entry {
        name: "queue_staff",
        help: "Agents who serve a queue, whatever the caller's language, and are there: signed in, on no break, and no phone of theirs rings in vain. 0 \
               while people wait: nobody will come.",
        labels: &["queue"],
        of: Of::Board(|latest, tell| {
            latest.snapshot.iter().flat_map(|s| &s.queues).for_each(|q| tell(&[q.queue.as_str()], q.staff as f64));
        }),
    },
    Entry {
        name: "queue_depth_callers",
        help: "Callers waiting at this moment, those whose agent's phone rings included.",
        labels: &["queue"],
        of: Of::Board(|latest, tell| {
            latest.snapshot.iter().flat_map(|s| &s.queues).for_each(|q| tell(&[q.queue.as_str()], q.depth as f64));
        }),
    },
    Entry {
        name: "queue_longest_wait_seconds",
        help: "How long the caller who has waited longest has waited so far; 0 when nobody waits.",
        labels: &["queue"],
        of: Of::Board(|latest, tell| {
            let queues = latest.snapshot.iter().flat_map(|s| &s.queues);
            queues.for_each(|q| tell(&[q.queue.as_str()], seconds(Millis(q.longest_wait_millis))));
        }),
    },
    Entry {
        name: "waits_total",
        help: "Decisions that found nobody for a caller, who waits on. Why, for one call: `toritsugi explain CALL`.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Waits { queue, .. } = event {
                    tell(&[queue.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "reserve_held_total",
        help: "Decisions in which an idle agent was kept back for callers who need them more. Many while callers wait long: the reserve is too \
               large for the hour.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| match event {
                Event::Waits { queue, why, .. } | Event::Offered { queue, why, .. } if why.counts.contains_key(&Reason::Reserved) => {
                    tell(&[queue.as_str()], 1.0);
                }
                _ => {}
            },
        },
    },
    Entry {
        name: "offers_by_easing_total",
        help: "Offers by how many of the queue's easings (relax) were in force. Many above 0: too few agents have the first choice of skills.",
        labels: &["queue", "step"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Offered { queue, why, .. } = event {
                    tell(&[queue.as_str(), &why.relax_step.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "overtakings_total",
        help: "Times that a caller who had waited longer was passed by one of a higher class or with bonus minutes, by the queue of both.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Offered { queue, why, .. } = event
                    && why.overtook_count > 0
                {
                    tell(&[queue.as_str()], f64::from(why.overtook_count));
                }
            },
        },
    },
    Entry {
        name: "wait_estimates_total",
        help: "Callers who had been told how long it would take and were answered, by what came of it: inside the range that was told, shorter or \
               longer. Fewer than three of four inside: people are told what is not so.",
        labels: &["queue", "verdict"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::WaitJudged { queue, low, high, waited, .. } = event {
                    // From the first one on all three are shown, so that a share can be worked out.
                    let verdict = match (waited < low, waited > high) {
                        (true, _) => "shorter",
                        (false, true) => "longer",
                        (false, false) => "inside",
                    };
                    ["inside", "shorter", "longer"].iter().for_each(|v| tell(&[queue.as_str(), v], f64::from(u8::from(*v == verdict))));
                }
            },
        },
    },
    Entry {
        name: "wait_estimate_error_seconds",
        help: "The wait that it was, less the longest that was told. Below 0: sooner than told, which nobody minds.",
        labels: &["queue"],
        of: Of::Spread {
            bounds: ERRORS,
            observe: |event, tell| {
                if let Event::WaitJudged { queue, high, waited, .. } = event {
                    tell(&[queue.as_str()], seconds(*waited) - seconds(*high));
                }
            },
        },
    },
    Entry {
        name: "places_kept_total",
        help: "Callers who were cut off, called again and were given their old place.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::PlaceKept { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
];
