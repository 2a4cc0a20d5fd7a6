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
        name: "call_records_refused",
        help: "1 while call records cannot be written into SQLite: the disk is full, or refuses. They are tried again once a second, and the journal \
               has them all; when it cannot be written either, no change is taken.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.health.iter().for_each(|health| tell(&[], f64::from(u8::from(!health.records))))),
    },
    Entry {
        name: "journal_refused",
        help: "1 while the journal cannot be written: the disk is full, or refuses. It goes on by itself when there is room; what a restart finds \
               unwritten is lost.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.health.iter().for_each(|health| tell(&[], f64::from(u8::from(!health.journal))))),
    },
    Entry {
        name: "ready",
        help: "1 while calls are taken as they should be; 0: /readyz says NOT READY, and why.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.health.iter().for_each(|health| tell(&[], f64::from(u8::from(health.ready))))),
    },
    Entry {
        name: "city_files_refused",
        help: "1 while the city's files lie there with mistakes and an older city is in force: /healthz and `toritsugi status` name the \
               first one. Not 0 for a quarter of an hour: somebody's change does not work, and they may not know.",
        labels: &[],
        of: Of::Board(|latest, tell| tell(&[], f64::from(u8::from(latest.files.refused)))),
    },
    Entry {
        name: "city_rolled_back",
        help: "1 while a version of before is in force (`toritsugi rollback`), and not what the city's files say.",
        labels: &[],
        of: Of::Board(|latest, tell| tell(&[], f64::from(u8::from(latest.files.rolled_back)))),
    },
    Entry {
        name: "overrides",
        help: "What is set by hand until a moment: notices that callers hear, schedules, agents' skills. `toritsugi status` lists them.",
        labels: &["kind"],
        of: Of::Board(|latest, tell| {
            let Some(snapshot) = &latest.snapshot else { return };
            for kind in ["notice", "schedule", "skill"] {
                let count = snapshot.overrides.iter().filter(|set| set.setting.kind() == kind).count();
                tell(&[kind], count as f64);
            }
        }),
    },
    Entry {
        name: "holidays_known_until_timestamp_seconds",
        help: "The last holiday that the calendar knows, of the table (config/holidays) and by law. Soon: from then on holidays count as working days.",
        labels: &[],
        of: Of::Board(|latest, tell| {
            let until = latest.snapshot.iter().filter_map(|snapshot| snapshot.holidays_until);
            until.for_each(|until| tell(&[], (until.0 / 1000) as f64));
        }),
    },
    Entry {
        name: "build_info",
        help: "The version of this program.",
        labels: &["version"],
        of: Of::Board(|_, tell| tell(&[env!("CARGO_PKG_VERSION")], 1.0)),
    },
];
