//! Alarms about the people who answer, and their phones.

use super::Severity::{Critical, Warning};
use super::{Alert, Case};

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "NobodyForQueue",
        severity: Critical,
        per_engine: true,
        expr: r#"toritsugi_queue_staff == 0 and on (instance, queue) (toritsugi_queue_depth_callers > 0 or on (instance, queue) sum by (instance, queue) (increase(toritsugi_queue_left_in_time_total{outcome="nobody_logged_in"}[{10m}])) > 0)"#,
        hold: "1m",
        early: Some("0m30s"),
        ja: "待ち行列 {queue} に電話が来ていますが、応答できる担当者が1人もいません。",
        en: "People call for the queue {queue}, and nobody is there who could answer.",
        fires: Case {
            series: &[
                (r#"toritsugi_queue_staff{queue="general"}"#, "0x60"),
                (r#"toritsugi_queue_depth_callers{queue="general"}"#, "2x60"),
                (r#"toritsugi_queue_staff{queue="nurse"}"#, "0x60"),
                (r#"toritsugi_queue_depth_callers{queue="nurse"}"#, "0x60"),
                (r#"toritsugi_queue_left_in_time_total{queue="nurse",outcome="nobody_logged_in"}"#, "0x20 0+1x40"),
            ],
            at: "15m",
        },
        as_labels: &[&[("queue", "general")], &[("queue", "nurse")]],
        quiet: &[Case {
            series: &[
                // Whoever waits, waits with the other engine.
                (r#"toritsugi_queue_staff{queue="interpreter",instance="b",job="toritsugi"}"#, "0x60"),
                (r#"toritsugi_queue_depth_callers{queue="interpreter",instance="b",job="toritsugi"}"#, "0x60"),
                (r#"toritsugi_queue_staff{queue="interpreter",instance="a",job="toritsugi"}"#, "1x60"),
                (r#"toritsugi_queue_depth_callers{queue="interpreter",instance="a",job="toritsugi"}"#, "3x60"),
                // Nobody there, and nobody calls.
                (r#"toritsugi_queue_staff{queue="disaster"}"#, "0x60"),
                (r#"toritsugi_queue_depth_callers{queue="disaster"}"#, "0x60"),
                (r#"toritsugi_queue_left_in_time_total{queue="disaster",outcome="nobody_logged_in"}"#, "5x60"),
                (r#"toritsugi_queue_staff{queue="general"}"#, "1x60"),
                (r#"toritsugi_queue_depth_callers{queue="general"}"#, "9x60"),
            ],
            at: "15m",
        }],
    },
    Alert {
        name: "NoNurse",
        severity: Critical,
        per_engine: false,
        expr: r#"sum (toritsugi_agents_by_skill{skill="nurse",state=~"idle|offered|talking|wrap_up"}) == 0"#,
        hold: "2m",
        early: Some("7m"),
        ja: "看護師が1人も受付に入っていません。体調の相談を受けられる人がいません。",
        en: "No nurse is there: nobody can take a caller who is worried about their body.",
        fires: Case {
            series: &[
                (r#"toritsugi_agents_by_skill{skill="nurse",state="idle"}"#, "1x10 0x60"),
                (r#"toritsugi_agents_by_skill{skill="nurse",state="talking"}"#, "0x70"),
                (r#"toritsugi_agents_by_skill{skill="nurse",state="not_ready"}"#, "0x10 1x60"),
            ],
            at: "15m",
        },
        as_labels: &[&[]],
        quiet: &[Case {
            series: &[
                (r#"toritsugi_agents_by_skill{skill="nurse",state="idle"}"#, "0x70"),
                (r#"toritsugi_agents_by_skill{skill="nurse",state="talking"}"#, "1x70"),
                (r#"toritsugi_agents_by_skill{skill="general",state="idle"}"#, "0x70"),
            ],
            at: "15m",
        }],
    },
    Alert {
        name: "PhonesVanish",
        severity: Critical,
        per_engine: false,
        expr: r#"sum (increase(toritsugi_agent_phones_lost_total{expired="true"}[{10m}])) + sum (increase(toritsugi_offers_ended_total{result="unreachable"}[{10m}])) >= 3"#,
        hold: "0s",
        early: None,
        ja: "担当者の電話機が、切断の操作なしに3台以上消えました。電源かネットワークの障害が疑われます。",
        en: "Three and more phones of agents are gone without signing out: look at their power or their network.",
        fires: Case {
            series: &[
                (r#"toritsugi_agent_phones_lost_total{expired="true"}"#, "0x10 2x60"),
                (r#"toritsugi_offers_ended_total{result="unreachable"}"#, "0x10 2x60"),
            ],
            at: "10m",
        },
        as_labels: &[&[]],
        quiet: &[Case {
            series: &[
                (r#"toritsugi_agent_phones_lost_total{expired="true"}"#, "0x10 1x60"),
                (r#"toritsugi_agent_phones_lost_total{expired="false"}"#, "0+1x60"),
                (r#"toritsugi_offers_ended_total{result="unreachable"}"#, "7x60"),
            ],
            at: "10m",
        }],
    },
    Alert {
        name: "RingsUnanswered",
        severity: Warning,
        per_engine: false,
        expr: r#"sum (increase(toritsugi_offers_ended_total{result="no_answer"}[{10m}])) / sum (increase(toritsugi_offers_ended_total[{10m}])) > 0.3 and on () sum (increase(toritsugi_offers_ended_total{result="no_answer"}[{10m}])) >= 5"#,
        hold: "0s",
        early: None,
        ja: "担当者の電話機を鳴らしても、10回に3回以上は誰も出ません。受付中のまま席を離れている人がいるかもしれません。",
        en: "More than three of ten rings are answered by nobody: people may have left their desks without going on a break.",
        fires: Case {
            series: &[
                (r#"toritsugi_offers_ended_total{result="no_answer"}"#, "0+1x60"),
                (r#"toritsugi_offers_ended_total{result="answered"}"#, "0+1x60"),
            ],
            at: "15m",
        },
        as_labels: &[&[]],
        quiet: &[
            Case {
                series: &[
                    (r#"toritsugi_offers_ended_total{result="no_answer"}"#, "0+1x60"),
                    (r#"toritsugi_offers_ended_total{result="answered"}"#, "0+9x60"),
                ],
                at: "15m",
            },
            // One of two.
            Case {
                series: &[
                    (r#"toritsugi_offers_ended_total{result="no_answer"}"#, "0+0.1x60"),
                    (r#"toritsugi_offers_ended_total{result="answered"}"#, "0+0.1x60"),
                ],
                at: "15m",
            },
        ],
    },
    Alert {
        name: "LineOftenFull",
        severity: Warning,
        per_engine: false,
        expr: "sum by (line) (increase(toritsugi_line_full_total[{15m}])) >= 5",
        hold: "0s",
        early: None,
        ja: "{line} の回線がふさがっていて、15分間に5回以上つなげませんでした。",
        en: "All places of {line} were taken for five callers and more in a quarter of an hour.",
        fires: Case { series: &[(r#"toritsugi_line_full_total{line="ward/tama"}"#, "0+1x60")], at: "20m" },
        as_labels: &[&[("line", "ward/tama")]],
        quiet: &[Case { series: &[(r#"toritsugi_line_full_total{line="ward/tama"}"#, "0+0.1x60")], at: "20m" }],
    },
    Alert {
        name: "AgentsPutRight",
        severity: Warning,
        per_engine: true,
        expr: "increase(toritsugi_agent_repairs_total[{1h}]) > 0",
        hold: "0s",
        early: None,
        ja: "担当者の状態が実際と食い違い、自動で直されました。プログラムの誤りです。",
        en: "An agent was held to be doing something else than they were, and was put right. That is a mistake of the program.",
        fires: Case { series: &[("toritsugi_agent_repairs_total", "0x10 1x60")], at: "20m" },
        as_labels: &[&[]],
        quiet: &[Case { series: &[("toritsugi_agent_repairs_total", "1x60")], at: "20m" }],
    },
];
