//! What is alive: nearly all of it is 0 when nobody calls, and anything else at night is a leak.

use super::{Entry, Of, seconds};
use model::Millis;

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "calls_in_progress",
        help: "Calls in progress.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.calls)),
    },
    Entry {
        name: "channels_in_use",
        help: "Callers who take a channel at this moment.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.snapshot.iter().for_each(|s| tell(&[], s.channels.in_use as f64))),
    },
    Entry {
        name: "channels",
        help: "Channels in all (calls_max in config/engine.yaml): whoever calls while all are in use hears a busy tone.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.snapshot.iter().for_each(|s| tell(&[], s.channels.max as f64))),
    },
    Entry {
        name: "all_channels_busy_seconds_total",
        help: "Time during which every channel was in use, looked at once a second: the city's number was engaged.",
        labels: &[],
        of: Of::Grown(|latest| latest.busy_millis as f64 / 1000.0),
    },
    Entry {
        name: "call_oldest_seconds",
        help: "How long the oldest call in progress has lasted; 0 without calls. Above 7200: it hangs, and keeps a channel.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.snapshot.iter().for_each(|s| tell(&[], seconds(Millis(s.oldest_call_millis))))),
    },
    Entry {
        name: "callbacks_booked",
        help: "Callbacks that are promised and not yet over. They may wait for their hours.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.callbacks)),
    },
    Entry {
        name: "call_legs",
        help: "Legs of calls in progress: the caller's, and the agent's once one is asked.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.legs)),
    },
    Entry {
        name: "sip_dialogs",
        help: "SIP dialogs, early and confirmed.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.dialogs)),
    },
    Entry {
        name: "sip_transactions",
        help: "SIP transactions not yet over.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.transactions)),
    },
    Entry {
        name: "tickets",
        help: "Callers' claims, waiting or offered.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.tickets)),
    },
    Entry { name: "rtp_ports", help: "RTP ports in use.", labels: &[], of: Of::Board(|latest, tell| latest.census(tell, |c| c.ports)) },
    Entry {
        name: "timers",
        help: "Running timers of calls. Not 0 while nothing else is alive: a leak.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.timers)),
    },
    Entry {
        name: "snapshot_timestamp_seconds",
        help: "When the figures above were taken, in seconds since 1970. Standing still: the engine's signalling thread is stuck.",
        labels: &[],
        of: Of::Board(|latest, tell| {
            if let Some(snapshot) = &latest.snapshot {
                tell(&[], snapshot.wall.0 as f64 / 1000.0);
            }
        }),
    },
];
