//! The house: its journal, its city and its version.

use super::{Entry, Of};
use model::Event;

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "not_durable_total",
        help: "Times that the journal was too slow and we went on without it. After a crash in such a moment a caller's place may be lost: look \
               at the disk.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::NotDurable { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "publications_total",
        help: "Changes of the city's files that came into force or were refused. refused: the old files are still in force, somebody's change \
               is not.",
        labels: &["result"],
        of: Of::Events {
            from_start: &[&["accepted"], &["refused"]],
            count: |event, tell| match event {
                Event::Published { .. } => tell(&["accepted"], 1.0),
                Event::PublicationRefused { .. } => tell(&["refused"], 1.0),
                _ => {}
            },
        },
    },
    Entry {
        name: "city_info",
        help: "The version of the city's files that is in force.",
        labels: &["version"],
        of: Of::Board(|latest, tell| latest.version.iter().for_each(|version| tell(&[version.as_str()], 1.0))),
    },
    Entry {
        name: "build_info",
        help: "The version of this program.",
        labels: &["version"],
        of: Of::Board(|_, tell| tell(&[env!("CARGO_PKG_VERSION")], 1.0)),
    },
];
