//! *SIP and trunks*: whether the network and the carriers do what they should.

use super::Shape::{Bars, Lines, Plain, Stack, Stat};
use super::{Dashboard, Row, panel};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "toritsugi-sip",
        title: "取次 3 SIPと回線 SIP and trunks",
        says: "通信事業者と電話機とのやり取り。What carriers, phones and strangers do.",
        variables: &["trunk"],
        rows: vec![
            Row {
                title: "いま Now",
                height: 4,
                panels: vec![
                    panel("事業者への登録 Registered", Stat(1.0, 0.5), 4, "none", &[("toritsugi_trunk_registered", "{{line}}")]),
                    panel("回線の応答 Trunk answers", Stat(1.0, 0.5), 4, "none", &[("toritsugi_trunk_up", "{{line}}")]),
                    panel(
                        "網の失敗(着信) 5分 ISA in",
                        Stat(0.05, 0.2),
                        4,
                        "percentunit",
                        &[(r#"toritsugi:isa:ratio_5m{line=~"$trunk",direction="in"}"#, "{{line}}")],
                    ),
                    panel(
                        "網の失敗(発信) 5分 ISA out",
                        Stat(0.05, 0.2),
                        4,
                        "percentunit",
                        &[(r#"toritsugi:isa:ratio_5m{line=~"$trunk",direction="out"}"#, "{{line}}")],
                    ),
                    panel("完了 1時間 SCR", Stat(0.95, 0.8), 4, "percentunit", &[("toritsugi:scr:ratio_1h", "")]),
                    panel(
                        "証明書 Certificate, days",
                        Stat(14.0, 3.0),
                        4,
                        "none",
                        &[("(toritsugi_tls_certificate_expires_timestamp_seconds - time()) / 86400", "")],
                    ),
                ],
            },
            Row {
                title: "呼の成立 RFC 6076",
                height: 7,
                panels: vec![
                    panel(
                        "呼の成立 1時間 Establishment (SER) in 1 h",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:ser:ratio_1h{line=~"$trunk"}"#, "{{line}} {{direction}}")],
                    ),
                    panel(
                        "相手の都合を除く成立 1時間 Effectiveness (SEER) in 1 h",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:seer:ratio_1h{line=~"$trunk"}"#, "{{line}} {{direction}}")],
                    ),
                    panel(
                        "網の失敗 5分 Ineffective (ISA) in 5 min",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:isa:ratio_5m{line=~"$trunk"}"#, "{{line}} {{direction}}")],
                    ),
                ],
            },
            Row {
                title: "呼 Calls",
                height: 7,
                panels: vec![
                    panel(
                        "結果 5分 Attempts by result in 5 min",
                        Stack,
                        8,
                        "none",
                        &[(
                            r#"sum by (line, result) (increase(toritsugi_sip_session_attempts_total{line=~"$trunk"}[5m])) > 0"#,
                            "{{line}} {{result}}",
                        )],
                    ),
                    panel(
                        "断った理由 1時間 Refused in 1 h",
                        Bars,
                        8,
                        "none",
                        &[("sum by (reason) (increase(toritsugi_calls_refused_total[1h]))", "{{reason}}")],
                    ),
                    panel(
                        "相手が動き出すまで 95% Request delay (SRD), 19 of 20",
                        Lines,
                        8,
                        "s",
                        &[(
                            r#"histogram_quantile(0.95, sum by (line, le) (increase(toritsugi_sip_request_delay_seconds_bucket{line=~"$trunk"}[15m])))"#,
                            "{{line}}",
                        )],
                    ),
                ],
            },
            Row {
                title: "ITU-T 1時間 in 1 h",
                height: 6,
                panels: vec![
                    panel(
                        "応答率 ASR (E.411)",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:asr:ratio_1h{line=~"$trunk"}"#, "{{line}} {{direction}}")],
                    ),
                    panel(
                        "網の有効率 NER (E.425)",
                        Lines,
                        8,
                        "percentunit",
                        &[(r#"toritsugi:ner:ratio_1h{line=~"$trunk"}"#, "{{line}} {{direction}}")],
                    ),
                    panel("区の回線の使用 Places of lines in use", Lines, 8, "none", &[("toritsugi_line_places_in_use", "{{line}}")]),
                ],
            },
            Row {
                title: "メッセージ Messages",
                height: 7,
                panels: vec![
                    panel(
                        "要求 毎秒 Requests a second",
                        Stack,
                        8,
                        "none",
                        &[(
                            r#"sum by (method, direction) (rate(toritsugi_sip_requests_total{line=~"$trunk"}[$__rate_interval]))"#,
                            "{{method}} {{direction}}",
                        )],
                    ),
                    panel(
                        "応答 毎秒 Responses a second",
                        Stack,
                        8,
                        "none",
                        &[(
                            r#"sum by (class, direction) (rate(toritsugi_sip_responses_total{line=~"$trunk"}[$__rate_interval]))"#,
                            "{{class}} {{direction}}",
                        )],
                    ),
                    panel(
                        "再送の割合 Share sent again",
                        Lines,
                        8,
                        "percentunit",
                        &[(
                            r#"sum by (line, direction) (rate(toritsugi_sip_requests_total{line=~"$trunk",retransmission="true"}[5m])) / sum by (line, direction) (rate(toritsugi_sip_requests_total{line=~"$trunk"}[5m]))"#,
                            "{{line}} {{direction}}",
                        )],
                    ),
                ],
            },
            Row {
                title: "不審な相手 Strangers",
                height: 6,
                panels: vec![
                    panel(
                        "知らない相手・読めないもの 毎分 Strangers, not SIP, a minute",
                        Lines,
                        8,
                        "none",
                        &[
                            ("rate(toritsugi_sip_strangers_total[$__rate_interval]) * 60", "知らない相手 strangers"),
                            ("sum(rate(toritsugi_sip_malformed_total[$__rate_interval])) * 60", "SIPでない not SIP"),
                            ("sum(rate(toritsugi_sip_thrown_away_total[$__rate_interval])) * 60", "捨てた thrown away"),
                        ],
                    ),
                    panel(
                        "パスワードの失敗 1時間 Wrong passwords, bans in 1 h",
                        Bars,
                        8,
                        "none",
                        &[
                            ("increase(toritsugi_sip_authentication_failures_total[1h])", "失敗 failures"),
                            ("increase(toritsugi_sip_bans_total[1h])", "無視したアドレス bans"),
                            ("increase(toritsugi_sip_foreign_requests_total[1h])", "他人の通話への要求 foreign"),
                        ],
                    ),
                    panel(
                        "切れた接続 1時間 Connections closed in 1 h",
                        Bars,
                        8,
                        "none",
                        &[("sum by (reason) (increase(toritsugi_sip_connections_closed_total[1h]))", "{{reason}}")],
                    ),
                ],
            },
            Row {
                title: "外へ Calls out",
                height: 5,
                panels: vec![
                    panel(
                        "回線のチャネル Channels of each trunk in use",
                        Lines,
                        6,
                        "none",
                        &[
                            (r#"toritsugi_trunk_channels_in_use{line=~"$trunk"}"#, "{{line}} {{direction}}"),
                            (r#"toritsugi_trunk_channels{line=~"$trunk"}"#, "{{line}} 上限 most"),
                        ],
                    ),
                    panel(
                        "見送った回線 1時間 Trunks passed over in 1 h",
                        Bars,
                        6,
                        "none",
                        &[("sum by (line, reason) (increase(toritsugi_trunk_passed_over_total[1h]))", "{{line}} {{reason}}")],
                    ),
                    panel(
                        "取次の結果 1時間 Transfers in 1 h",
                        Bars,
                        6,
                        "none",
                        &[("sum by (to, result) (increase(toritsugi_transfers_total[1h]))", "{{to}} {{result}}")],
                    ),
                    panel(
                        "1時間の上限で止めた Stopped by the hour's limit",
                        Plain,
                        6,
                        "none",
                        &[("increase(toritsugi_calls_out_limited_total[1h])", "")],
                    ),
                ],
            },
        ],
    }
}
