//! *Queues and skills*: who waits, who could take them, and whether promises are kept.

use super::Shape::{Bars, Lines, Plain, Stack, Stat};
use super::{Dashboard, Row, panel};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "toritsugi-queues",
        title: "取次 2 待ち行列と担当者 Queues and skills",
        says: "誰が待ち、誰が応じられるか。Who waits, and who could take them.",
        variables: &["queue"],
        rows: vec![
            Row {
                title: "いま Now",
                height: 5,
                panels: vec![
                    panel(
                        "待っている人 Waiting",
                        Stat(10.0, 30.0),
                        6,
                        "none",
                        &[(r#"toritsugi_queue_depth_callers{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "最長の待ち Longest wait",
                        Stat(180.0, 600.0),
                        6,
                        "s",
                        &[(r#"toritsugi_queue_longest_wait_seconds{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "応じられる人 Staff there",
                        Stat(1.0, 0.5),
                        6,
                        "none",
                        &[(r#"toritsugi_queue_staff{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel("約束 Promise", Plain, 6, "s", &[(r#"toritsugi_queue_promise_seconds{queue=~"$queue"}"#, "{{queue}}")]),
                ],
            },
            Row {
                title: "約束 Promises",
                height: 7,
                panels: vec![
                    panel(
                        "応答の割合(約束の時間内) 1時間 Service level in 1 h",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:service_level_of_offered:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "応答率 1時間 Answer rate in 1 h",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:answered:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "約束の使い果たし(1で限度) Burn rate, 1 is just kept",
                        Lines,
                        8,
                        "none",
                        &[
                            (r#"toritsugi:service_level_burn:rate_1h{queue=~"$queue"}"#, "{{queue}} 1h"),
                            (r#"toritsugi:service_level_burn:rate_5m{queue=~"$queue"}"#, "{{queue}} 5m"),
                        ],
                    ),
                ],
            },
            Row {
                title: "四つの定義 1時間 Four definitions of a service level, 1 h",
                height: 5,
                panels: vec![
                    panel(
                        "来た人のうち Of offered",
                        Stat(0.8, 0.5),
                        6,
                        "percentunit",
                        &[(r#"toritsugi:service_level_of_offered:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "応答した人のうち Of answered",
                        Stat(0.8, 0.5),
                        6,
                        "percentunit",
                        &[(r#"toritsugi:service_level_of_answered:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "すぐ切った人を除く Without early abandons",
                        Stat(0.8, 0.5),
                        6,
                        "percentunit",
                        &[(r#"toritsugi:service_level_without_early_abandons:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel(
                        "すぐ切った人も応答とみなす Early abandons as answered",
                        Stat(0.8, 0.5),
                        6,
                        "percentunit",
                        &[(r#"toritsugi:service_level_early_abandons_as_answered:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                ],
            },
            Row {
                title: "待ち Waiting",
                height: 7,
                panels: vec![
                    panel("待っている人 Waiting", Stack, 8, "none", &[(r#"toritsugi_queue_depth_callers{queue=~"$queue"}"#, "{{queue}}")]),
                    panel(
                        "応答までの待ち 中央値と9割 Wait of the answered, median and 9 of 10",
                        Lines,
                        8,
                        "s",
                        &[
                            (
                                r#"histogram_quantile(0.5, sum by (queue, le) (increase(toritsugi_queue_wait_seconds_bucket{queue=~"$queue",outcome="answered"}[15m])))"#,
                                "{{queue}} 50%",
                            ),
                            (
                                r#"histogram_quantile(0.9, sum by (queue, le) (increase(toritsugi_queue_wait_seconds_bucket{queue=~"$queue",outcome="answered"}[15m])))"#,
                                "{{queue}} 90%",
                            ),
                        ],
                    ),
                    panel(
                        "待ち行列の出方 5分 How callers left in 5 min",
                        Stack,
                        8,
                        "none",
                        &[(r#"sum by (outcome) (increase(toritsugi_queue_left_total{queue=~"$queue"}[5m])) > 0"#, "{{outcome}}")],
                    ),
                ],
            },
            Row {
                title: "担当者 Agents",
                height: 7,
                panels: vec![
                    panel("担当者の状態 Agents by state", Stack, 8, "none", &[(r#"toritsugi_agents{state!="signed_out"}"#, "{{state}}")]),
                    panel("稼働率(技能別) Occupancy by skill", Lines, 8, "percentunit", &[("toritsugi:occupancy:ratio", "{{skill}}")]),
                    panel(
                        "鳴らした結果 5分 Offers by result in 5 min",
                        Stack,
                        8,
                        "none",
                        &[("sum by (result) (increase(toritsugi_offers_ended_total[5m]))", "{{result}}")],
                    ),
                ],
            },
            Row {
                title: "技能と休憩 Skills and breaks",
                height: 8,
                panels: vec![
                    panel(
                        "いま空いている人(技能別) Idle by skill",
                        Bars,
                        8,
                        "none",
                        &[(r#"sum by (skill) (toritsugi_agents_by_skill{state="idle"})"#, "{{skill}}")],
                    ),
                    panel("離席の理由 On a break by reason", Bars, 8, "none", &[("toritsugi_agents_not_ready", "{{reason}}")]),
                    panel(
                        "条件を緩めた・残した 1時間 Eased, reserve kept, overtaken in 1 h",
                        Bars,
                        8,
                        "none",
                        &[
                            (
                                r#"sum by (queue) (increase(toritsugi_offers_by_easing_total{queue=~"$queue",step!="0"}[1h]))"#,
                                "緩めた eased {{queue}}",
                            ),
                            (
                                r#"sum by (queue) (increase(toritsugi_reserve_held_total{queue=~"$queue"}[1h]))"#,
                                "予備を残した reserve {{queue}}",
                            ),
                            (
                                r#"sum by (queue) (increase(toritsugi_overtakings_total{queue=~"$queue"}[1h]))"#,
                                "追い越し overtaken {{queue}}",
                            ),
                        ],
                    ),
                ],
            },
            Row {
                title: "約束した時間と折り返し What people were told, and callbacks",
                height: 6,
                panels: vec![
                    panel(
                        "案内した待ち時間が当たった割合 Waits as they were told",
                        Stat(0.75, 0.5),
                        8,
                        "percentunit",
                        &[(r#"toritsugi:wait_estimates_inside:ratio_1h{queue=~"$queue"}"#, "{{queue}}")],
                    ),
                    panel("折り返し待ち Callbacks to be made", Plain, 8, "none", &[("toritsugi_callbacks_booked", "")]),
                    panel(
                        "折り返しの結果 1日 Callbacks in 1 day",
                        Bars,
                        8,
                        "none",
                        &[("sum by (result) (increase(toritsugi_callbacks_ended_total[1d]))", "{{result}}")],
                    ),
                ],
            },
        ],
    }
}
