//! SIP: the signalling with phones and carriers.

use super::{Entry, Of, seconds, yes_or_no};
use model::{Direction, Event, LineId};

const CLASSES: [&str; 7] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];

/// Request delay in seconds: a repeated INVITE is 0.5 s, a deaf trunk 2 s.
const DELAYS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "sip_session_attempts_total",
        help: "Calls by line (phones: those of agents), by who called, and by the final answer, in the words of RFC 6076: established (200), \
               user (480, 486, 600, 603: the person did not want to or was busy), ineffective (408, 500, 503, 504: a network or server failed), \
               redirected (3xx), cancelled (487), refused (all others). SER = established / (all - redirected); SEER = (established + user) / (all - \
               redirected); ISA = ineffective / all; NER (ITU-T E.425) = (established + user + cancelled) / all; ASR (E.411) = established / all. We \
               answer nearly every caller, so that inwards only ISA says much. Callers over a limit of the door (too_fast) are in \
               calls_refused_total only.",
        labels: &["line", "direction", "result"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::InviteDone { line, direction, status } = event {
                    // From a line's first call on all its results are shown, so that the first bad one is seen as growth.
                    let result = result(*status);
                    RESULTS
                        .iter()
                        .for_each(|r| tell(&[over(line.as_ref(), *direction), way(*direction), r], f64::from(u8::from(*r == result))));
                }
            },
        },
    },
    Entry {
        name: "sip_request_delay_seconds",
        help: "From an INVITE of ours to the first answer that says something of the call, 100 apart (SRD, RFC 6076 section 4.3), by trunk; phones: those \
               of agents. Above 0.5 INVITEs are lost on the way, above 2 the trunk is taken to be deaf.",
        labels: &["line"],
        of: Of::Spread {
            bounds: DELAYS,
            observe: |event, tell| {
                if let Event::InviteHeard { line, took } = event {
                    tell(&[over(line.as_ref(), Direction::Out)], seconds(*took));
                }
            },
        },
    },
    Entry {
        name: "sip_session_disconnect_delay_seconds",
        help: "From a BYE of ours to its 2xx (SDD, RFC 6076 section 4.4). Above 0.5 BYEs are lost on the way; those that are never answered are in none \
               of the buckets.",
        labels: &[],
        of: Of::Spread {
            bounds: DELAYS,
            observe: |event, tell| {
                if let Event::ByeDone { took } = event {
                    tell(&[], seconds(*took));
                }
            },
        },
    },
    Entry {
        name: "sip_requests_total",
        help: "SIP requests, by the line at the other end: the trunk at that address and port, else the line of lines.yaml that lists it; unlisted: \
               phones of agents elsewhere. A rising share of retransmissions: packets are lost on the way, or we answer too slowly.",
        labels: &["line", "method", "direction", "retransmission"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::SipRequest { line, method, direction, again } = event {
                    tell(&[at(line.as_ref()), method.name(), way(*direction), yes_or_no(*again)], 1.0);
                }
            },
        },
    },
    Entry {
        name: "sip_responses_total",
        help: "SIP responses by class, and by the line as of requests. 5xx going out: we refuse callers; coming in: an agent's phone or the carrier is in trouble.",
        labels: &["line", "class", "direction"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::SipResponse { line, class, direction } = event {
                    tell(&[at(line.as_ref()), CLASSES.get(usize::from(*class)).unwrap_or(&CLASSES[0]), way(*direction)], 1.0);
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
        help: "Sources whose passwords were not heard for a while because they had guessed some.",
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

/// The results that RFC 6076 tells apart.
const RESULTS: [&str; 6] = ["established", "user", "ineffective", "redirected", "cancelled", "refused"];

fn result(status: u16) -> &'static str {
    match status {
        200..=299 => "established",
        300..=399 => "redirected",
        480 | 486 | 600 | 603 => "user",
        408 | 500 | 503 | 504 => "ineffective",
        487 => "cancelled",
        _ => "refused",
    }
}

/// Whose machine is at the other end. A phone that registered by its password may be anywhere.
fn at(line: Option<&LineId>) -> &str {
    line.map_or("unlisted", LineId::as_str)
}

/// Calls out that take no trunk go to the phones of agents; a caller's line may have gone from the files meanwhile.
fn over(line: Option<&LineId>, direction: Direction) -> &str {
    match (line, direction) {
        (Some(line), _) => line.as_str(),
        (None, Direction::Out) => "phones",
        (None, Direction::In) => "unlisted",
    }
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}
