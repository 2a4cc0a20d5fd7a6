//! *Media quality*: whether people hear each other.

use super::Shape::{Bars, Lines, Plain, Stack, Stat};
use super::{Dashboard, Row, panel};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "toritsugi-media",
        title: "取次 4 音の質 Media quality",
        says: "互いの声が聞こえているか。Whether people hear each other.",
        variables: &[],
        rows: vec![
            Row {
                title: "いま Now",
                height: 4,
                panels: vec![
                    panel("片方の音 One-way, 1 h", Stat(1.0, 3.0), 4, "none", &[("increase(toritsugi_legs_one_way_total[1h])", "")]),
                    panel("5%損失 15分 Lost 5 %+", Stat(0.05, 0.2), 4, "percentunit", &[("toritsugi:sound_bad:ratio_15m", "")]),
                    panel("遅れ 99% Sent late", Stat(0.01, 0.02), 4, "s", &[("toritsugi:send_lateness:p99_5m", "")]),
                    panel("開けない音 Not opened, 1 h", Stat(1.0, 1.0), 4, "none", &[("increase(toritsugi_media_failures_total[1h])", "")]),
                    panel("開いている音 Sessions", Plain, 4, "none", &[("sum(toritsugi_media_sessions)", "")]),
                    panel("キー 15分 Keys, 15 min", Plain, 4, "none", &[("sum(increase(toritsugi_digits_total[15m]))", "")]),
                ],
            },
            Row {
                title: "届く音 What comes in",
                height: 7,
                panels: vec![
                    panel(
                        "通話ごとの損失 15分 Legs by loss in 15 min",
                        Stack,
                        8,
                        "none",
                        &[("sum by (loss) (increase(toritsugi_legs_total[15m]))", "{{loss}}")],
                    ),
                    panel(
                        "揺らぎ 50% 95% Jitter",
                        Lines,
                        8,
                        "s",
                        &[
                            ("histogram_quantile(0.5, sum by (le) (increase(toritsugi_rtp_jitter_seconds_bucket[15m])))", "50%"),
                            ("histogram_quantile(0.95, sum by (le) (increase(toritsugi_rtp_jitter_seconds_bucket[15m])))", "95%"),
                        ],
                    ),
                    panel(
                        "失われた・遅れた・よそからの 毎分 Lost, late, foreign packets a minute",
                        Lines,
                        8,
                        "none",
                        &[
                            ("sum(rate(toritsugi_rtp_packets_lost_total[5m])) * 60", "失われた lost"),
                            ("sum(rate(toritsugi_rtp_packets_late_total[5m])) * 60", "遅れた late"),
                            ("sum(rate(toritsugi_rtp_packets_foreign_total[5m])) * 60", "よそから foreign"),
                        ],
                    ),
                ],
            },
            Row {
                title: "送る音 What goes out",
                height: 7,
                panels: vec![
                    panel(
                        "パケット 毎秒 Packets a second",
                        Lines,
                        8,
                        "none",
                        &[
                            ("sum(rate(toritsugi_rtp_packets_sent_total[$__rate_interval]))", "送った sent"),
                            ("sum(rate(toritsugi_rtp_packets_received_total[$__rate_interval]))", "届いた received"),
                        ],
                    ),
                    panel(
                        "送り出しの遅れ 50% 99% Sent late",
                        Lines,
                        8,
                        "s",
                        &[
                            ("histogram_quantile(0.5, sum by (le) (rate(toritsugi_rtp_send_lateness_seconds_bucket[5m])))", "50%"),
                            ("toritsugi:send_lateness:p99_5m", "99%"),
                        ],
                    ),
                    panel(
                        "カーネルが受けなかった 毎分 Not taken by the kernel, a minute",
                        Lines,
                        8,
                        "none",
                        &[("sum(rate(toritsugi_rtp_send_failures_total[5m])) * 60", "パケット packets")],
                    ),
                ],
            },
            Row {
                title: "キーと機械 Keys and the machine",
                height: 7,
                panels: vec![
                    panel(
                        "キーの届き方 15分 Keys by way in 15 min",
                        Bars,
                        8,
                        "none",
                        &[("sum by (method) (increase(toritsugi_digits_total[15m]))", "{{method}}")],
                    ),
                    panel("開いている音 Sessions by worker", Stack, 8, "none", &[("toritsugi_media_sessions", "{{worker}}")]),
                    panel(
                        "機械 CPU, memory",
                        Lines,
                        8,
                        "none",
                        &[
                            (r#"rate(process_cpu_seconds_total{job="toritsugi"}[$__rate_interval])"#, "CPU cores"),
                            (r#"process_resident_memory_bytes{job="toritsugi"} / 1e9"#, "memory GB"),
                        ],
                    ),
                ],
            },
        ],
    }
}
