//! Alarms about callers: whether they come, get in, stay and are answered.

use super::Severity::{Critical, Warning};
use super::{Alert, Case};

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "NoCallsArrive",
        severity: Critical,
        per_engine: false,
        expr: "sum (increase(toritsugi_calls_arrived_total[{30m}])) + sum (increase(toritsugi_calls_refused_total[{30m}])) == 0 and on () sum (increase(toritsugi_calls_arrived_total[{30m}] offset 1w)) >= 10",
        hold: "5m",
        early: Some("10090m"),
        ja: "30分間、1件も着信がありません。先週の同じ時刻には10件以上ありました。回線が切れているおそれがあります。",
        en: "Not one call has come for 30 minutes; a week ago there were ten and more at this hour. The carrier may not reach us.",
        fires: Case {
            series: &[
                (r#"toritsugi_calls_arrived_total{number="0440000000"}"#, "0+10x20 200x1100"),
                (r#"toritsugi_calls_refused_total{reason="full"}"#, "0x1200"),
            ],
            at: "10200m",
        },
        as_labels: &[&[]],
        quiet: &[
            Case {
                series: &[
                    (r#"toritsugi_calls_arrived_total{number="0440000000"}"#, "0x1200"),
                    (r#"toritsugi_calls_refused_total{reason="full"}"#, "0x1200"),
                ],
                at: "10200m",
            },
            // A few come.
            Case {
                series: &[
                    (r#"toritsugi_calls_arrived_total{number="0440000000"}"#, "0+10x20 200+1x1100"),
                    (r#"toritsugi_calls_refused_total{reason="full"}"#, "0x1200"),
                ],
                at: "10200m",
            },
        ],
    },
    Alert {
        name: "AllChannelsBusy",
        severity: Critical,
        per_engine: true,
        expr: r#"increase(toritsugi_all_channels_busy_seconds_total[{5m}]) > {s:5} or sum without (reason) (increase(toritsugi_calls_refused_total{reason="full"}[{5m}])) > 0"#,
        hold: "0s",
        early: None,
        ja: "全回線が使用中です。いま電話をかけた市民は話中音を聞いています。",
        en: "Every channel is in use: residents who call at this moment hear a busy tone.",
        fires: Case { series: &[("toritsugi_all_channels_busy_seconds_total", "0x10 0+30x20")], at: "10m" },
        as_labels: &[&[]],
        quiet: &[Case {
            series: &[("toritsugi_all_channels_busy_seconds_total", "600x60"), (r#"toritsugi_calls_refused_total{reason="full"}"#, "9x60")],
            at: "10m",
        }],
    },
    Alert {
        name: "ChannelsNearlyFull",
        severity: Critical,
        per_engine: true,
        expr: "toritsugi:channels:ratio >= 0.95",
        hold: "2m",
        early: Some("1m30s"),
        ja: "回線の95%以上が使用中です。まもなく市民に話中音が流れます。",
        en: "95 percent of the channels are in use: residents will soon hear a busy tone.",
        fires: Case { series: &[("toritsugi_channels_in_use", "191x60"), ("toritsugi_channels", "200x60")], at: "10m" },
        as_labels: &[&[]],
        quiet: &[Case { series: &[("toritsugi_channels_in_use", "189x60"), ("toritsugi_channels", "200x60")], at: "10m" }],
    },
    Alert {
        name: "ChannelsHigh",
        severity: Warning,
        per_engine: true,
        expr: "toritsugi:channels:ratio >= 0.8",
        hold: "10m",
        early: Some("9m30s"),
        ja: "回線の80%以上が10分間使用中です。",
        en: "80 percent of the channels have been in use for ten minutes.",
        fires: Case { series: &[("toritsugi_channels_in_use", "160x60"), ("toritsugi_channels", "200x60")], at: "20m" },
        as_labels: &[&[]],
        quiet: &[Case { series: &[("toritsugi_channels_in_use", "160x15 20x45"), ("toritsugi_channels", "200x60")], at: "20m" }],
    },
    Alert {
        name: "ShortCalls",
        severity: Critical,
        per_engine: false,
        expr: "toritsugi:short_calls:ratio_10m > 0.3 and on (number) sum by (number) (increase(toritsugi_call_duration_seconds_count[{10m}])) >= 20",
        hold: "0s",
        early: None,
        ja: "{number} への電話の3割以上が5秒以内に切れています。こちらから切っているか、何も聞こえていないおそれがあります。",
        en: "More than three of ten calls to {number} end within five seconds: we may be hanging up on people, or they hear nothing.",
        fires: Case {
            series: &[
                (r#"toritsugi_call_duration_seconds_bucket{number="0440000000",le="5"}"#, "0+1x60"),
                (r#"toritsugi_call_duration_seconds_bucket{number="0440000000",le="+Inf"}"#, "0+2x60"),
                (r#"toritsugi_call_duration_seconds_count{number="0440000000"}"#, "0+2x60"),
                // As Prometheus 3 writes it.
                (r#"toritsugi_call_duration_seconds_bucket{number="0440000002",le="5.0"}"#, "0+1x60"),
                (r#"toritsugi_call_duration_seconds_count{number="0440000002"}"#, "0+2x60"),
            ],
            at: "15m",
        },
        as_labels: &[&[("number", "0440000000")], &[("number", "0440000002")]],
        quiet: &[Case {
            series: &[
                // Half of few: eight calls in ten minutes.
                (r#"toritsugi_call_duration_seconds_bucket{number="0440000009",le="5"}"#, "0+0.2x60"),
                (r#"toritsugi_call_duration_seconds_count{number="0440000009"}"#, "0+0.4x60"),
                // One of ten of many.
                (r#"toritsugi_call_duration_seconds_bucket{number="0440000000",le="5"}"#, "0+1x60"),
                (r#"toritsugi_call_duration_seconds_count{number="0440000000"}"#, "0+10x60"),
            ],
            at: "15m",
        }],
    },
    Alert {
        name: "GiveUpsInMenu",
        severity: Warning,
        per_engine: false,
        expr: r#"sum (increase(toritsugi_calls_given_up_total{stage=~"greeting|menu"}[{15m}])) / sum (increase(toritsugi_calls_ended_total[{15m}])) > 0.4 and on () sum (increase(toritsugi_calls_ended_total[{15m}])) >= 20"#,
        hold: "0s",
        early: None,
        ja: "10人に4人以上が、案内の途中であきらめて切っています。案内が長すぎるか、壊れているおそれがあります。",
        en: "More than four of ten callers give up while the menus speak: a menu is too long, or broken.",
        fires: Case {
            series: &[
                (r#"toritsugi_calls_given_up_total{stage="menu"}"#, "0+1x60"),
                (r#"toritsugi_calls_ended_total{number="0440000000",outcome="abandoned_in_menu"}"#, "0+1x60"),
                (r#"toritsugi_calls_ended_total{number="0440000000",outcome="served"}"#, "0+1x60"),
            ],
            at: "20m",
        },
        as_labels: &[&[]],
        quiet: &[
            Case {
                series: &[
                    (r#"toritsugi_calls_given_up_total{stage="queue"}"#, "0+1x60"),
                    (r#"toritsugi_calls_given_up_total{stage="menu"}"#, "0x60"),
                    (r#"toritsugi_calls_ended_total{number="0440000000",outcome="served"}"#, "0+1x60"),
                ],
                at: "20m",
            },
            // Half of a few.
            Case {
                series: &[
                    (r#"toritsugi_calls_given_up_total{stage="menu"}"#, "0+0.2x60"),
                    (r#"toritsugi_calls_ended_total{number="0440000000",outcome="abandoned_in_menu"}"#, "0+0.4x60"),
                ],
                at: "20m",
            },
        ],
    },
    Alert {
        name: "KeysNotHeard",
        severity: Critical,
        per_engine: false,
        expr: "sum (increase(toritsugi_digits_total[{15m}])) == 0 and on () sum (increase(toritsugi_menu_timeouts_total[{15m}])) >= 20",
        hold: "0s",
        early: None,
        ja: "押されたキーが1つも届いていません。何も押さない扱いで進むので人にはつながりますが、選んだ窓口にはつながりません。",
        en: "No key of any caller comes through. Silence still leads to people, but not to whom the callers chose.",
        fires: Case {
            series: &[
                (r#"toritsugi_digits_total{method="rfc4733"}"#, "50x60"),
                (r#"toritsugi_digits_total{method="info"}"#, "0x60"),
                (r#"toritsugi_menu_timeouts_total{step="main"}"#, "0+1x60"),
            ],
            at: "20m",
        },
        as_labels: &[&[]],
        quiet: &[
            Case {
                series: &[
                    (r#"toritsugi_digits_total{method="rfc4733"}"#, "0+0.1x60"),
                    (r#"toritsugi_menu_timeouts_total{step="main"}"#, "0+1x60"),
                ],
                at: "20m",
            },
            // A few callers, who press nothing.
            Case {
                series: &[
                    (r#"toritsugi_digits_total{method="rfc4733"}"#, "50x60"),
                    (r#"toritsugi_menu_timeouts_total{step="main"}"#, "0+0.4x60"),
                ],
                at: "20m",
            },
        ],
    },
    Alert {
        name: "LongWait",
        severity: Warning,
        per_engine: true,
        expr: "toritsugi_queue_longest_wait_seconds > {s:600}",
        hold: "2m",
        early: Some("12m"),
        ja: "待ち行列 {queue} で、10分以上待っている人がいます。",
        en: "Somebody has waited for more than ten minutes in the queue {queue}.",
        fires: Case { series: &[(r#"toritsugi_queue_longest_wait_seconds{queue="general"}"#, "0+30x60")], at: "20m" },
        as_labels: &[&[("queue", "general")]],
        quiet: &[Case { series: &[(r#"toritsugi_queue_longest_wait_seconds{queue="general"}"#, "599x60")], at: "20m" }],
    },
    Alert {
        name: "PromiseBurnsFast",
        severity: Critical,
        per_engine: false,
        expr: "toritsugi:service_level_burn:rate_5m > 3 and toritsugi:service_level_burn:rate_1h > 3 and toritsugi:offered:calls_1h >= 10",
        hold: "2m",
        early: Some("11m30s"),
        ja: "待ち行列 {queue} は、この1時間もこの5分も、約束の時間内にほとんど応答できていません。",
        en: "The queue {queue} answers hardly anybody within its promised time, over the last hour and the last five minutes.",
        fires: Case {
            series: &[
                (r#"toritsugi_queue_promise_ratio{queue="nurse"}"#, "0.8x200"),
                (r#"toritsugi_queue_left_in_time_total{queue="nurse",outcome="answered"}"#, "0x200"),
                (r#"toritsugi_queue_left_total{queue="nurse",outcome="answered"}"#, "0+0.5x200"),
            ],
            at: "70m",
        },
        as_labels: &[&[("queue", "nurse")]],
        quiet: &[
            Case {
                series: &[
                    // A bad hour that is over.
                    (r#"toritsugi_queue_promise_ratio{queue="nurse"}"#, "0.8x200"),
                    (r#"toritsugi_queue_left_in_time_total{queue="nurse",outcome="answered"}"#, "0x100 0+0.5x100"),
                    (r#"toritsugi_queue_left_total{queue="nurse",outcome="answered"}"#, "0+0.5x200"),
                ],
                at: "62m",
            },
            // A good hour with five bad minutes.
            Case {
                series: &[
                    (r#"toritsugi_queue_promise_ratio{queue="nurse"}"#, "0.8x200"),
                    (r#"toritsugi_queue_left_in_time_total{queue="nurse",outcome="answered"}"#, "0+0.5x120 60x80"),
                    (r#"toritsugi_queue_left_total{queue="nurse",outcome="answered"}"#, "0+0.5x200"),
                ],
                at: "66m",
            },
            // A bad hour of few.
            Case {
                series: &[
                    (r#"toritsugi_queue_promise_ratio{queue="nurse"}"#, "0.8x200"),
                    (r#"toritsugi_queue_left_in_time_total{queue="nurse",outcome="answered"}"#, "0x200"),
                    (r#"toritsugi_queue_left_total{queue="nurse",outcome="answered"}"#, "0+0.07x200"),
                ],
                at: "70m",
            },
        ],
    },
    Alert {
        name: "PromiseBurnsSlowly",
        severity: Warning,
        per_engine: false,
        expr: "toritsugi:service_level_burn:rate_30m > 1.5 and toritsugi:service_level_burn:rate_6h > 1.5 and toritsugi:offered:calls_6h >= 20",
        hold: "15m",
        early: Some("24m30s"),
        ja: "待ち行列 {queue} は、この6時間、約束した応答の割合を下回っています。人数か予定を見直してください。",
        en: "The queue {queue} has kept its promise to too few callers for six hours: look at the staff or the roster.",
        fires: Case {
            series: &[
                (r#"toritsugi_queue_promise_ratio{queue="general"}"#, "0.8x800"),
                (r#"toritsugi_queue_left_in_time_total{queue="general",outcome="answered"}"#, "0+0.5x800"),
                (r#"toritsugi_queue_left_total{queue="general",outcome="answered"}"#, "0+1x800"),
            ],
            at: "390m",
        },
        as_labels: &[&[("queue", "general")]],
        quiet: &[
            Case {
                series: &[
                    (r#"toritsugi_queue_promise_ratio{queue="general"}"#, "0.8x800"),
                    (r#"toritsugi_queue_left_in_time_total{queue="general",outcome="answered"}"#, "0+0.8x800"),
                    (r#"toritsugi_queue_left_total{queue="general",outcome="answered"}"#, "0+1x800"),
                ],
                at: "390m",
            },
            // Good hours with a bad one at the end.
            Case {
                series: &[
                    (r#"toritsugi_queue_promise_ratio{queue="general"}"#, "0.8x800"),
                    (r#"toritsugi_queue_left_in_time_total{queue="general",outcome="answered"}"#, "0+0.9x680 613+0.2x100"),
                    (r#"toritsugi_queue_left_total{queue="general",outcome="answered"}"#, "0+1x800"),
                ],
                at: "375m",
            },
            // Bad hours that are over.
            Case {
                series: &[
                    (r#"toritsugi_queue_promise_ratio{queue="general"}"#, "0.8x800"),
                    (r#"toritsugi_queue_left_in_time_total{queue="general",outcome="answered"}"#, "0+0.3x680 205+0.9x100"),
                    (r#"toritsugi_queue_left_total{queue="general",outcome="answered"}"#, "0+1x800"),
                ],
                at: "375m",
            },
            // Bad hours of few.
            Case {
                series: &[
                    (r#"toritsugi_queue_promise_ratio{queue="general"}"#, "0.8x800"),
                    (r#"toritsugi_queue_left_in_time_total{queue="general",outcome="answered"}"#, "0x800"),
                    (r#"toritsugi_queue_left_total{queue="general",outcome="answered"}"#, "0+0.02x800"),
                ],
                at: "390m",
            },
        ],
    },
    Alert {
        name: "CallsStuck",
        severity: Warning,
        per_engine: true,
        expr: "toritsugi_call_oldest_seconds > {s:7200}",
        hold: "5m",
        early: Some("8m"),
        ja: "2時間以上続いている通話があります。切れずに残り、回線をふさいでいるおそれがあります。",
        en: "A call has lasted for more than two hours: it may hang, and keeps a channel.",
        fires: Case { series: &[("toritsugi_call_oldest_seconds", "7000+30x60")], at: "20m" },
        as_labels: &[&[]],
        quiet: &[Case { series: &[("toritsugi_call_oldest_seconds", "7100x60")], at: "20m" }],
    },
    Alert {
        name: "CallbacksMissed",
        severity: Warning,
        per_engine: false,
        expr: r#"sum by (queue) (increase(toritsugi_callbacks_ended_total{result=~"expired|exhausted"}[{1h}])) > 0"#,
        hold: "0s",
        early: None,
        ja: "待ち行列 {queue} で、折り返すと約束した人に、折り返せずに終わりました。",
        en: "Somebody was promised a callback by the queue {queue} and did not get one.",
        fires: Case { series: &[(r#"toritsugi_callbacks_ended_total{queue="nurse",result="expired"}"#, "0x20 1x60")], at: "20m" },
        as_labels: &[&[("queue", "nurse")]],
        quiet: &[Case {
            series: &[
                (r#"toritsugi_callbacks_ended_total{queue="nurse",result="expired"}"#, "3x60"),
                (r#"toritsugi_callbacks_ended_total{queue="nurse",result="served"}"#, "0+1x60"),
            ],
            at: "20m",
        }],
    },
    Alert {
        name: "MessagesNotKept",
        severity: Critical,
        per_engine: false,
        expr: r#"sum by (box) (toritsugi_voicemail_not_kept_total{reason!="empty"}) - (sum by (box) (toritsugi_voicemail_not_kept_total{reason!="empty"} offset {15m}) or 0 * sum by (box) (toritsugi_voicemail_not_kept_total{reason!="empty"})) > 0"#,
        hold: "0s",
        early: None,
        ja: "伝言箱 {box} に残そうとした伝言が保存できませんでした。箱がいっぱいか、ディスクに問題があります。",
        en: "A message for the box {box} could not be kept: the box is full, or the disk is in trouble.",
        fires: Case { series: &[(r#"toritsugi_voicemail_not_kept_total{box="general",reason="box_full"}"#, "_x30 1x60")], at: "20m" },
        as_labels: &[&[("box", "general")]],
        quiet: &[Case {
            series: &[
                (r#"toritsugi_voicemail_not_kept_total{box="general",reason="box_full"}"#, "4x60"),
                (r#"toritsugi_voicemail_not_kept_total{box="general",reason="empty"}"#, "0+1x60"),
            ],
            at: "20m",
        }],
    },
];
