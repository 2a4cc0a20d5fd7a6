//! *Flow*: where callers go, what they press, and where they give up.

use super::Shape::{Bars, Lines, Plain, Stack, Stat, Table};
use super::{Dashboard, Row, panel};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "toritsugi-flow",
        title: "取次 5 案内の流れ Flow",
        says: "市民がどこへ進み、どこであきらめるか。Where callers go, and where they give up.",
        variables: &["number"],
        rows: vec![
            Row {
                title: "いま Now",
                height: 4,
                panels: vec![
                    panel(
                        "5秒未満 Under 5 s",
                        Stat(0.15, 0.3),
                        4,
                        "percentunit",
                        &[(r#"toritsugi:short_calls:ratio_10m{number=~"$number"}"#, "{{number}}")],
                    ),
                    panel(
                        "案内で放棄 Gave up, 1 h",
                        Stat(0.2, 0.4),
                        4,
                        "percentunit",
                        &[(r#"sum(toritsugi:given_up:ratio_1h{stage=~"greeting|menu"})"#, "")],
                    ),
                    panel("無操作 No key, 15 min", Stat(0.6, 0.9), 4, "percentunit", &[("toritsugi:menu_silent:ratio_15m", "")]),
                    panel("間違い Mistakes", Stat(1.0, 1.0), 4, "none", &[("toritsugi_city_files_refused", "")]),
                    panel("以前の版 Rolled back", Stat(1.0, 2.0), 4, "none", &[("toritsugi_city_rolled_back", "")]),
                    panel("臨時の指定 Set by hand", Plain, 4, "none", &[("sum(toritsugi_overrides)", "")]),
                ],
            },
            Row {
                title: "どこへ Where they go",
                height: 8,
                panels: vec![
                    panel(
                        "通ったステップ 1時間 Steps in 1 h",
                        Bars,
                        8,
                        "none",
                        &[("topk(12, sum by (flow, step) (increase(toritsugi_flow_steps_total[1h])))", "{{flow}} {{step}}")],
                    ),
                    panel(
                        "選ばれたキー 1時間 Choices in 1 h",
                        Bars,
                        8,
                        "none",
                        &[("topk(12, sum by (step, key) (increase(toritsugi_menu_choices_total[1h])))", "{{step}} = {{key}}")],
                    ),
                    panel(
                        "あきらめたステップ 1時間 Where they gave up in 1 h",
                        Bars,
                        8,
                        "none",
                        &[("topk(12, sum by (step, stage) (increase(toritsugi_calls_given_up_at_total[1h])))", "{{step}} ({{stage}})")],
                    ),
                ],
            },
            Row {
                title: "あきらめ Giving up",
                height: 7,
                panels: vec![
                    panel(
                        "段階ごとの放棄 1時間 Abandonment by stage in 1 h",
                        Stack,
                        8,
                        "percentunit",
                        &[("toritsugi:given_up:ratio_1h", "{{stage}}")],
                    ),
                    panel(
                        "何も押さなかった 1時間 Menus without a key, by step in 1 h",
                        Bars,
                        8,
                        "none",
                        &[("topk(12, sum by (step) (increase(toritsugi_menu_timeouts_total[1h])))", "{{step}}")],
                    ),
                    panel(
                        "キーの意味 5分 Keys by meaning in 5 min",
                        Stack,
                        8,
                        "none",
                        &[("sum by (meaning) (increase(toritsugi_menu_keys_total[5m]))", "{{meaning}}")],
                    ),
                ],
            },
            Row {
                title: "人につながるまで Time to people",
                height: 7,
                panels: vec![
                    panel(
                        "案内にかかる時間 9割 Menus, 9 of 10",
                        Lines,
                        8,
                        "s",
                        &[(
                            "histogram_quantile(0.9, sum by (flow, how, le) (increase(toritsugi_menu_to_human_seconds_bucket[1h])))",
                            "{{flow}} {{how}}",
                        )],
                    ),
                    panel(
                        "人が出るまで 9割 1時間 To a person, 9 of 10 in 1 h",
                        Lines,
                        8,
                        "s",
                        &[("toritsugi:time_to_human:p90_1h", "{{queue}}")],
                    ),
                    panel(
                        "通話の長さ 中央値 Duration, median",
                        Lines,
                        8,
                        "s",
                        &[(
                            r#"histogram_quantile(0.5, sum by (number, le) (increase(toritsugi_call_duration_seconds_bucket{number=~"$number"}[15m])))"#,
                            "{{number}}",
                        )],
                    ),
                ],
            },
            Row {
                title: "音声・照会・伝言 Sentences, lookups, messages",
                height: 6,
                panels: vec![
                    panel(
                        "音声のない文 Sentences without sound",
                        Table,
                        6,
                        "none",
                        &[("toritsugi_prompts_missing_total", "{{prompt}} {{lang}}")],
                    ),
                    panel(
                        "照会の結果 1時間 Lookups in 1 h",
                        Bars,
                        6,
                        "none",
                        &[("sum by (lookup, result) (increase(toritsugi_lookups_total[1h]))", "{{lookup}} {{result}}")],
                    ),
                    panel("聞いていない伝言 Messages unheard", Stat(10.0, 50.0), 6, "none", &[("toritsugi_voicemail_unheard", "{{box}}")]),
                    panel(
                        "反映 1日 Changes in 1 day",
                        Bars,
                        6,
                        "none",
                        &[("sum by (result) (increase(toritsugi_publications_total[1d]))", "{{result}}")],
                    ),
                ],
            },
        ],
    }
}
