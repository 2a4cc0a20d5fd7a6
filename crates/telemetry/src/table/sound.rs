//! Sound: how it goes out and comes in, packet by packet.

use super::{Entry, Of};
use model::{Event, LATENESS_BOUNDS_MICROS};

/// Packets in five seconds, at 20 ms each.
const ONE_WAY: u64 = 250;
/// Jitter in seconds.
const JITTERS: &[f64] = &[0.001, 0.002, 0.005, 0.010, 0.020, 0.040, 0.080, 0.160];

pub(super) const TABLE: &[Entry] = &[
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
        name: "legs_one_way_total",
        help: "Legs to which we sent sound for five seconds and more, and from which none came at all: a firewall, or an address that is not reached. \
               Told when the leg closes.",
        labels: &[],
        of: Of::Events {
            from_start: &[&[]],
            count: |event, tell| {
                if let Event::Media { stats, .. } = event
                    && stats.received == 0
                    && stats.sent >= ONE_WAY
                {
                    tell(&[], 1.0);
                }
            },
        },
    },
    Entry {
        name: "legs_total",
        help: "Legs that had sound, by the share of packets that never came or came too late. 1 percent is heard, 5 percent hurts. Told when the leg \
               closes.",
        labels: &["loss"],
        of: Of::Events {
            from_start: &[&["none"], &["under_1_percent"], &["under_5_percent"], &["5_percent_and_more"]],
            count: |event, tell| {
                if let Event::Media { stats, .. } = event
                    && stats.received > 0
                {
                    let bad = stats.lost.saturating_add(stats.late);
                    let of = stats.received.saturating_add(stats.lost);
                    let loss = match bad.saturating_mul(100) {
                        0 => "none",
                        bad if bad < of => "under_1_percent",
                        bad if bad < of.saturating_mul(5) => "under_5_percent",
                        _ => "5_percent_and_more",
                    };
                    tell(&[loss], 1.0);
                }
            },
        },
    },
    Entry {
        name: "digits_total",
        help: "Keys that came from callers and agents, by way: rfc4733 beside the sound, info as SIP messages. A key that comes by both counts as the \
               first. None while callers run into menu_timeouts_total: keys do not come through. Told when the leg closes.",
        labels: &["method"],
        of: Of::Events {
            from_start: &[&["rfc4733"], &["info"]],
            count: |event, tell| {
                if let Event::Media { stats, .. } = event {
                    tell(&["rfc4733"], f64::from(stats.keys_rtp));
                    tell(&["info"], f64::from(stats.keys_sip));
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
];
