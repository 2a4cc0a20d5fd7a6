//! SIP: the signalling with phones and carriers.

use super::{Entry, Of, yes_or_no};
use model::{Direction, Event};

const CLASSES: [&str; 7] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "sip_requests_total",
        help: "SIP requests. A rising share of retransmissions: packets are lost on the way, or we answer too slowly.",
        labels: &["method", "direction", "retransmission"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::SipRequest { method, direction, again } = event {
                    tell(&[method.name(), way(*direction), yes_or_no(*again)], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_responses_total",
        help: "SIP responses by class. 5xx going out: we refuse callers; coming in: an agent's phone or the carrier is in trouble.",
        labels: &["class", "direction"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::SipResponse { class, direction } = event {
                    tell(&[CLASSES.get(usize::from(*class)).unwrap_or(&CLASSES[0]), way(*direction)], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_malformed_total",
        help: "Datagrams that were no SIP message. answered=true: enough could be read to answer 400.",
        labels: &["answered"],
        of: Of::Events {
            from_start: &[&["true"], &["false"]],
            count: |event, tell| {
                if let Event::SipMalformed { answered } = event {
                    tell(&[yes_or_no(*answered)], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_strangers_total",
        help: "Datagrams and connections from addresses that no line lists; they got no answer. A steady few are scanners; many after a change: the carrier's \
               address is missing in config/lines.yaml.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::Stranger = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_thrown_away_total",
        help: "SIP that was thrown away unread, by why. flood: a listed source sends more than any telephone or carrier does. banned: it had \
               guessed passwords.",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[&["flood"], &["banned"]],
            count: |event, tell| match event {
                Event::Flood => tell(&["flood"], 1.0),
                Event::Banned => tell(&["banned"], 1.0),
                _ => {}
            },
        },
    },
    Entry {
        name: "sip_bans_total",
        help: "Sources that got no answer for a while because they had guessed passwords.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::SourceBanned { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_foreign_requests_total",
        help: "Requests inside a dialog from somebody who has no part in it: they were answered as if there were no such dialog.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::ForeignRequest = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_connections_closed_total",
        help: "SIP connections that ended, by reason. left and silent: phones come and go. crowded: nobody new gets in, look who holds so many. \
               slow, stuck, unreadable: a broken peer, or one that means harm. not_agreed: TLS or WebSocket did not come about; when it rises \
               for every phone at once, they do not trust our certificate (any more).",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[
                &["left"],
                &["unreachable"],
                &["silent"],
                &["slow"],
                &["unreadable"],
                &["not_agreed"],
                &["stuck"],
                &["refused"],
                &["crowded"],
            ],
            count: |event, tell| {
                if let Event::ConnectionClosed { why } = event {
                    tell(&[&why.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "tls_certificate_expires_timestamp_seconds",
        help: "When the TLS certificate in force runs out. (x - time()) / 86400 are the days that are left: below 14, renew it, for phones stop \
               calling and being called on the day.",
        labels: &[],
        of: Of::Board(|latest, tell| latest.certificate.iter().for_each(|at| tell(&[], (at.0 / 1000) as f64))),
    },
    Entry {
        name: "tls_certificate_refused_total",
        help: "Times that the TLS certificate's files were changed into something that cannot be used; the old one stays in force. The log names \
               the file. Not 0: it will run out, and nobody may know.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::CertificateRefused = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_authentication_failures_total",
        help: "Registrations or calls with a wrong name or password.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::AuthenticationFailed { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
];

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}
