//! Sound: how it goes out and comes in, packet by packet.

use super::{Entry, Of};
use model::{Event, LATENESS_BOUNDS_MICROS};

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
