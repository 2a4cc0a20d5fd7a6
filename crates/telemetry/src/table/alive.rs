//! What is alive: nearly all of it is 0 when nobody calls, and anything else at night is a leak.

use super::{Entry, Of};

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "calls_in_progress",
        help: "Calls in progress.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.census(tell, |c| c.calls)),
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
