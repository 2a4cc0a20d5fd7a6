//! Every metric of the product, one entry each. To add one, add an entry; if it needs a new fact, add that to [`Event`].
//!
//! Names carry their unit last (`_seconds`, `_total` for what only grows); the prefix `toritsugi_` is added to each. The help text says
//! what a figure means for callers, and what to do when that is not obvious.

use crate::series::Latest;
use model::{AgentState, CallEnd, Direction, Event, LATENESS_BOUNDS_MICROS, Millis, Reason, WorkerStats};

/// Takes one figure with its labels' values, in the order of the entry's labels.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&[&str], f64);

/// One metric.
pub(crate) struct Entry {
    /// Without the prefix.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) labels: &'static [&'static str],
    pub(crate) of: Of,
}

/// Where a figure comes from.
pub(crate) enum Of {
    /// A counter: what each event adds. The rows of `from_start` are shown as 0 before anything happened, so that an alarm on their
    /// growth sees the first time too.
    Events { from_start: &'static [&'static [&'static str]], count: fn(&Event, Tell<'_>) },
    /// A histogram: what is observed at an event, in seconds.
    Spread { bounds: &'static [f64], observe: fn(&Event, Tell<'_>) },
    /// A gauge: read from the latest snapshot when somebody looks.
    Board(fn(&Latest, Tell<'_>)),
    /// A counter of each media worker.
    WorkerCount(fn(&WorkerStats) -> u64),
    /// A gauge of each media worker.
    WorkerGauge(fn(&WorkerStats) -> u64),
    /// A histogram of each media worker, which comes ready counted: the count of each bucket, and the sum in microseconds.
    WorkerSpread { bounds_micros: &'static [u64], counts: fn(&WorkerStats) -> &[u64], sum_micros: fn(&WorkerStats) -> u64 },
}

/// Waiting in seconds: fine where promises are made (20 s), coarse where only patience is left.
const WAITS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
/// Talking in seconds.
const TALKS: &[f64] = &[5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
/// How far a wait that was told was off, in seconds; 0 is the longest that was told.
const ERRORS: &[f64] = &[-600.0, -300.0, -120.0, -60.0, -30.0, -10.0, 0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Jitter in seconds.
const JITTERS: &[f64] = &[0.001, 0.002, 0.005, 0.010, 0.020, 0.040, 0.080, 0.160];

pub(crate) const TABLE: &[Entry] = &[
    // Callers.
    Entry {
        name: "calls_arrived_total",
        help: "Calls that came for one of the city's numbers, by the number dialled.",
        labels: &["number"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Arrived { number, .. } = event {
                    tell(&[number.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "calls_refused_total",
        help: "Calls turned away before they began, by reason. full: all channels were busy, these callers heard a busy tone and nobody \
               answered them.",
        labels: &["reason"],
        of: Of::Events {
            from_start: &[&["full"], &["no_port"], &["no_codec"], &["unknown_number"], &["draining"], &["forbidden"]],
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
        of: Of::Events {
            from_start: &[],
            count: |event, tell| match event {
                // From a number's first call on all its outcomes are shown, so that the first bad one is seen as growth.
                Event::Arrived { number, .. } => CallEnd::ALL.iter().for_each(|end| tell(&[number.as_str(), &end.to_string()], 0.0)),
                Event::Ended { record } => tell(&[record.number.as_str(), &record.end.to_string()], 1.0),
                _ => {}
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
    // Menus.
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
        help: "Menus that ended without a key.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::NoInput { .. } = event {
                    tell(&[], 1.0);
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
    // Queues.
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
    // Callbacks.
    Entry {
        name: "callbacks_booked_total",
        help: "Callers who asked to be called back instead of waiting.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::CallbackBooked { queue, .. } = event {
                    tell(&[queue.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "callback_attempts_total",
        help: "Calls back to people who asked for it, by what came of each. Many not_confirmed: mailboxes answer.",
        labels: &["result"],
        of: Of::Events {
            from_start: &[&["confirmed"], &["no_answer"], &["busy"], &["not_confirmed"], &["failed"]],
            count: |event, tell| {
                if let Event::CallbackTried { how, .. } = event {
                    tell(&[&how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "callbacks_ended_total",
        help: "Callbacks that are over, by how. exhausted and expired: people who were promised a call and did not get one.",
        labels: &["queue", "result"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::CallbackEnded { queue, how, .. } = event {
                    tell(&[queue.as_str(), &how.to_string()], 1.0);
                }
            },
        },
    },
    // Lines out.
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
    // Agents.
    Entry {
        name: "agents",
        help: "Agents by what they are doing. not_responding: a phone rings and nobody takes it; somebody should go and look.",
        labels: &["state"],
        of: Of::Board(|latest, tell| {
            if let Some(snapshot) = &latest.snapshot {
                for state in AgentState::ALL {
                    let count = snapshot.agents.iter().filter(|a| a.state == state).count();
                    tell(&[&state.to_string()], count as f64);
                }
            }
        }),
    },
    Entry {
        name: "offers_made_total",
        help: "Times that an agent's phone was asked to take a caller.",
        labels: &["queue"],
        of: Of::Events {
            from_start: &[],
            count: |event, tell| {
                if let Event::Offered { queue, .. } = event {
                    tell(&[queue.as_str()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "offers_ended_total",
        help: "Offers to agents' phones by how they ended. Many unreachable: phones or the network are down, whatever the board says.",
        labels: &["result"],
        of: Of::Events {
            from_start: &[&["answered"], &["no_answer"], &["declined"], &["unreachable"], &["withdrawn"]],
            count: |event, tell| {
                if let Event::OfferEnded { how, .. } = event {
                    tell(&[&how.to_string()], 1.0);
                }
            },
        },
    },
    Entry {
        name: "agent_phones_lost_total",
        help: "Agents' phones that are gone. expired=true: not signed out but silent, as after a power or network failure.",
        labels: &["expired"],
        of: Of::Events {
            from_start: &[&["true"], &["false"]],
            count: |event, tell| {
                if let Event::Unregistered { expired, .. } = event {
                    tell(&[yes_or_no(*expired)], 1.0);
                }
            },
        },
    },
    Entry {
        name: "agent_repairs_total",
        help: "Agents who were held to be doing something else than they were, and were put right. Must stay 0: each one is a mistake of ours, see the log.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::Repaired { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    // SIP.
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
        help: "Datagrams from addresses that no line lists; they got no answer. A steady few are scanners; many after a change: the carrier's \
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
        name: "sip_authentication_failures_total",
        help: "Registrations or calls with a wrong name or password.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::AuthenticationFailed = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    // Sound.
    Entry {
        name: "media_failures_total",
        help: "Legs whose sound could not be opened: the caller or agent heard nothing.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::MediaFailed { .. } = event {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "rtp_jitter_seconds",
        help: "Interarrival jitter of each leg, told when it closes. Above 0.04 callers sound chopped.",
        labels: &[],
        of: Of::Spread {
            bounds: JITTERS,
            observe: |event, tell| {
                // RTP timestamp units at the 8000 Hz of both codecs that we offer.
                if let Event::Media { stats, .. } = event
                    && stats.received > 0
                {
                    tell(&[], f64::from(stats.jitter) / 8000.0);
                }
            },
        },
    },
    Entry {
        name: "rtp_packets_sent_total",
        help: "RTP packets sent, by media worker.",
        labels: &["worker"],
        of: Of::WorkerCount(|w| w.packets_sent),
    },
    Entry {
        name: "rtp_packets_received_total",
        help: "RTP packets received and used, by media worker.",
        labels: &["worker"],
        of: Of::WorkerCount(|w| w.packets_received),
    },
    Entry {
        name: "rtp_packets_lost_total",
        help: "RTP packets that never came, of closed legs, by media worker. Above one in a hundred speech suffers.",
        labels: &["worker"],
        of: Of::WorkerCount(|w| w.packets_lost),
    },
    Entry {
        name: "rtp_packets_late_total",
        help: "RTP packets that came after they were needed, of closed legs, by media worker.",
        labels: &["worker"],
        of: Of::WorkerCount(|w| w.packets_late),
    },
    Entry {
        name: "rtp_packets_foreign_total",
        help: "RTP packets from addresses that no call named; dropped. Many: somebody tries to speak into calls.",
        labels: &["worker"],
        of: Of::WorkerCount(|w| w.packets_foreign),
    },
    Entry {
        name: "rtp_send_failures_total",
        help: "RTP packets that the kernel did not take, by media worker.",
        labels: &["worker"],
        of: Of::WorkerCount(|w| w.send_failures),
    },
    Entry {
        name: "rtp_send_lateness_seconds",
        help: "How late each 20 ms slot was sent. A stream that is late loses no packet and still sounds broken: above 0.02 the machine is too \
               busy.",
        labels: &["worker"],
        of: Of::WorkerSpread { bounds_micros: &LATENESS_BOUNDS_MICROS, counts: |w| &w.lateness, sum_micros: |w| w.lateness_sum_micros },
    },
    Entry {
        name: "media_sessions",
        help: "Sound sessions open at this moment, by media worker.",
        labels: &["worker"],
        of: Of::WorkerGauge(|w| w.sessions),
    },
    // What is alive. All of it is 0 when nobody calls; anything else at night is a leak.
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
    // The house.
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

const CLASSES: [&str; 7] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}
fn yes_or_no(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}
fn seconds(millis: Millis) -> f64 {
    millis.0 as f64 / 1000.0
}
