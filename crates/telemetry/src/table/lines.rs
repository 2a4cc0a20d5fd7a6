//! Lines out: transfers, calls that we make, and the places of each line.

use super::{Entry, Of, yes_or_no};
use model::{Event, TrunkRegistration};

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "line_places_in_use",
        help: "Places of a line taken at this moment: calls with a ward hotline, an interpreter, the outside.",
        labels: &["line"],
        of: Of::Board(|latest, tell| latest.lines.iter().for_each(|(line, (used, _))| tell(&[line.as_str()], f64::from(*used)))),
    },
    Entry {
        name: "line_places",
        help: "Places of a line in all, once it has been used.",
        labels: &["line"],
        of: Of::Board(|latest, tell| latest.lines.iter().for_each(|(line, (_, lines))| tell(&[line.as_str()], f64::from(*lines)))),
    },
    Entry {
        name: "line_full_total",
        help: "Callers who were not put through because all places of the line were taken.",
        labels: &["line"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| match event {
                // From a line's first call on it is shown, so that the first caller who finds it full is seen as growth.
                Event::LineTaken { line, .. } => tell(&[line.as_str()], 0.0),
                Event::LineFull { line } => tell(&[line.as_str()], 1.0),
                _ => {}
            },
        },
    },
    Entry {
        name: "trunk_channels_in_use",
        help: "Channels of each trunk taken at this moment: in by callers who came over it, out by calls of ours.",
        labels: &["line", "direction"],
        of: Of::Board(|latest, tell| {
            for trunk in latest.snapshot.iter().flat_map(|snapshot| &snapshot.trunk_channels) {
                tell(&[trunk.line.as_str(), "in"], trunk.incoming as f64);
                tell(&[trunk.line.as_str(), "out"], trunk.outgoing as f64);
            }
        }),
    },
    Entry {
        name: "trunk_channels",
        help: "Channels of each trunk that calls of ours may take at once (channels in lines.yaml). What the carrier gives both ways together is \
               written in its contract.",
        labels: &["line"],
        of: Of::Board(|latest, tell| {
            for trunk in latest.snapshot.iter().flat_map(|snapshot| &snapshot.trunk_channels) {
                tell(&[trunk.line.as_str()], trunk.max as f64);
            }
        }),
    },
    Entry {
        name: "trunk_registered",
        help: "1 while the carrier knows where we are, for each trunk that registers. 0: nobody can call over it; trunk_registrations_failed_total \
               tells why.",
        labels: &["line"],
        of: Of::Board(|latest, tell| {
            for trunk in latest.snapshot.iter().flat_map(|snapshot| &snapshot.trunks).filter(|trunk| trunk.registers) {
                tell(&[trunk.line.as_str()], f64::from(u8::from(trunk.registered)));
            }
        }),
    },
    Entry {
        name: "trunk_up",
        help: "1 while a trunk answers when it is asked whether it works (check in lines.yaml). 0: calls out take another trunk.",
        labels: &["line"],
        of: Of::Board(|latest, tell| {
            for trunk in latest.snapshot.iter().flat_map(|snapshot| &snapshot.trunks) {
                if let Some(reachable) = trunk.reachable {
                    tell(&[trunk.line.as_str()], f64::from(u8::from(reachable)));
                }
            }
        }),
    },
    Entry {
        name: "trunk_registrations_failed_total",
        help: "Times that registering with a carrier came to fail for another reason than before. wrong_password, no_password, other_realm, \
               other_digest: somebody must correct lines.yaml or the password.",
        labels: &["line", "reason"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::TrunkRegistration { line, how } = event {
                    TrunkRegistration::FAILURES.iter().for_each(|reason| tell(&[line.as_str(), &reason.to_string()], 0.0));
                    if TrunkRegistration::FAILURES.contains(how) {
                        tell(&[line.as_str(), &how.to_string()], 1.0);
                    }
                }
            },
        },
    },
    Entry {
        name: "trunk_passed_over_total",
        help: "Calls out that a trunk did not take and another one did, by why. deaf, refused: the trunk is in trouble. full, too_fast: it has \
               more calls than it takes.",
        labels: &["line", "reason"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::TrunkPassedOver { line, why } = event {
                    tell(&[line.as_str(), &why.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "transfers_total",
        help: "Callers who were to be put through to a line or a queue, by where to, how, and what came of it.",
        labels: &["to", "kind", "result"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Transferred { to, kind, how, .. } = event {
                    tell(&[to, &kind.to_string(), &how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_out_limited_total",
        help: "Calls out that were not made because the hour's limit (calls_out_per_hour in config/engine.yaml) was reached. If nobody expects that, somebody misuses us: look at once.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::CallsOutLimited = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "agent_calls_out_total",
        help: "Times that an agent called the last caller back with *9, by whether somebody answered.",
        labels: &["answered"],
        of: Of::Events {
            from_start: &[&["true"], &["false"]],
            count: |event, tell| {
                if let Event::AgentCalledOut { answered, .. } = event {
                    tell(&[yes_or_no(*answered)], 1.0);
                }
            },
        },
    },
];
