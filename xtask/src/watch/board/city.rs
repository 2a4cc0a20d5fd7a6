//! *City at a glance*: the five signals that say whether residents get through, on one screen without scrolling.

use super::Shape::{Lines, Stack, Stat, Table};
use super::{Dashboard, Row, panel};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "toritsugi-city",
        title: "取次 1 市の電話のいま City at a glance",
        says: "市民の電話がつながっているか。Whether residents get through.",
        variables: &["number", "queue"],
        rows: vec![
            Row {
                title: "いま Now",
                height: 4,
                panels: vec![
                    panel("エンジン Engine", Stat(1.0, 0.5), 3, "none", &[(r#"min(up{job="toritsugi"})"#, "")]),
                    panel(
                        "重大な警報 Critical alarms",
                        Stat(1.0, 1.0),
                        3,
                        "none",
                        &[(r#"count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)"#, "")],
                    ),
                    panel("回線 Channels used", Stat(0.8, 0.95), 3, "percentunit", &[("toritsugi:channels:ratio", "")]),
                    panel(
                        "話中 5分 Refused, 5 m",
                        Stat(1.0, 1.0),
                        3,
                        "none",
                        &[(r#"sum(increase(toritsugi_calls_refused_total{reason="full"}[5m]))"#, "")],
                    ),
                    panel(
                        "待っている人 Waiting",
                        Stat(10.0, 30.0),
                        3,
                        "none",
                        &[(r#"sum(toritsugi_queue_depth_callers{queue=~"$queue"})"#, "")],
                    ),
                    panel(
                        "最長の待ち Longest wait",
                        Stat(180.0, 600.0),
                        3,
                        "s",
                        &[(r#"max(toritsugi_queue_longest_wait_seconds{queue=~"$queue"})"#, "")],
                    ),
                    panel(
                        "看護師 Nurses there",
                        Stat(1.0, 0.5),
                        3,
                        "none",
                        &[(r#"sum(toritsugi_agents_by_skill{skill="nurse",state=~"idle|offered|talking|wrap_up"})"#, "")],
                    ),
                    panel("片方の音 One-way, 1 h", Stat(1.0, 3.0), 3, "none", &[("sum(increase(toritsugi_legs_one_way_total[1h]))", "")]),
                ],
            },
            Row {
                title: "警報 1 着信 Alarms; do calls arrive, and how do they end",
                height: 7,
                panels: vec![
                    panel("鳴っている警報 Alarms that fire", Table, 8, "none", &[(r#"ALERTS{alertstate="firing"}"#, "{{alertname}}")]),
                    panel(
                        "毎分の着信 Calls a minute",
                        Lines,
                        8,
                        "none",
                        &[
                            (
                                r#"sum by (number) (rate(toritsugi_calls_arrived_total{number=~"$number"}[$__rate_interval])) * 60"#,
                                "{{number}}",
                            ),
                            ("sum(rate(toritsugi_calls_refused_total[$__rate_interval])) * 60", "断った refused"),
                        ],
                    ),
                    panel(
                        "どこで終わったか 5分 Where calls ended in 5 min",
                        Stack,
                        8,
                        "none",
                        &[(r#"sum by (outcome) (increase(toritsugi_calls_ended_total{number=~"$number"}[5m])) > 0"#, "{{outcome}}")],
                    ),
                ],
            },
            Row {
                title: "2 回線 3 待ち行列 Channels and queues",
                height: 7,
                panels: vec![
                    panel(
                        "回線 Channels",
                        Lines,
                        8,
                        "none",
                        &[("toritsugi_channels_in_use", "使用中 in use"), ("toritsugi_channels", "全部 all")],
                    ),
                    panel("待っている人 Waiting", Stack, 8, "none", &[(r#"toritsugi_queue_depth_callers{queue=~"$queue"}"#, "{{queue}}")]),
                    panel(
                        "最長の待ち Longest wait",
                        Lines,
                        8,
                        "s",
                        &[(r#"toritsugi_queue_longest_wait_seconds{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                ],
            },
            Row {
                title: "4 担当者 5 音 6 応答 Agents, sound, answers",
                height: 7,
                panels: vec![
                    panel("担当者の状態 Agents by state", Stack, 8, "none", &[(r#"toritsugi_agents{state!="signed_out"}"#, "{{state}}")]),
                    panel(
                        "音の失われた通話 15分 Calls that lost 5 % of their sound, in 15 min",
                        Lines,
                        8,
                        "percentunit",
                        &[("toritsugi:sound_bad:ratio_15m", "")],
                    ),
                    panel(
                        "応答率 1時間 / 短い電話 10分 Answered in 1 h, short calls in 10 min",
                        Lines,
                        8,
                        "percentunit",
                        &[
                            (r#"toritsugi:answered:ratio_1h{queue=~"$queue"}"#, "{{queue}}"),
                            (r#"toritsugi:short_calls:ratio_10m{number=~"$number"}"#, "5秒未満 under 5 s {{number}}"),
                        ],
                    ),
                ],
            },
        ],
    }
}
