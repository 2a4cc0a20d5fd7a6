//! What is generated is what lies there, and what it says is so.

use super::*;
use rules::{exists, names, recordings, seconds};
use serde_json::Value;
use std::collections::BTreeSet;
use telemetry::{PLANNED, catalogue};

fn known(expr: &str) {
    let (metrics, rules) = (catalogue().collect::<Vec<_>>(), recordings());
    for name in names(&Pace::REAL.fill(expr)) {
        assert!(
            !PLANNED.iter().any(|planned| name.starts_with(planned.name)),
            "{name} is planned, and there is nothing to look at yet: {expr}"
        );
        assert!(exists(&name, &metrics, &rules), "{name} is no metric and no rule: {expr}");
    }
}

/// Prometheus 2 says `le="5"` and Prometheus 3 says `le="5.0"`: whoever asks for a whole number by `=` finds it in one of them only.
fn whole_bounds(expr: &str) -> Vec<&str> {
    let whole = |text: &str| text.parse::<f64>().is_ok_and(|bound| bound.fract() == 0.0);
    let bound = |label: &'static str| {
        let found = expr.match_indices(label).filter(|(at, _)| !expr[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
        found.filter_map(move |(at, _)| expr[at + label.len()..].split('"').next()).filter(move |text| whole(text))
    };
    [r#"le=""#, r#"le!=""#, r#"quantile=""#, r#"quantile!=""#].into_iter().flat_map(bound).collect()
}

#[test]
fn no_expression_asks_for_a_bucket_that_another_prometheus_spells_otherwise() {
    assert_eq!(whole_bounds(r#"a{le="5"} / b{title="5",le="0.05",le="+Inf"} + c{quantile="1.0"}"#), ["5", "1.0"]);
    let ours = |expr: &str| assert!(whole_bounds(&Pace::REAL.fill(expr)).is_empty(), "write le=~ with both spellings: {expr}");
    recordings().iter().for_each(|rule| ours(&rule.expr));
    alerts::all().for_each(|alert| ours(alert.expr));
    for dashboard in board::all() {
        let file: Value = serde_json::from_str(&dashboard.json()).unwrap();
        let panels = file["panels"].as_array().unwrap().iter();
        panels
            .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
            .for_each(|target| ours(target["expr"].as_str().unwrap()));
    }
}

#[test]
fn what_lies_in_deploy_is_what_would_be_written() {
    let old = stale(&root(), &files());
    assert!(old.is_empty(), "these files are old; `cargo xtask watch` writes them: {old:?}");
    let folder = |path: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(root().join(path)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let dashboards: BTreeSet<String> = board::all().iter().map(|d| format!("{}.json", d.uid)).collect();
    assert_eq!(folder("deploy/grafana/dashboards"), dashboards, "a dashboard that nobody writes any more");
    assert_eq!(folder("deploy/prometheus/rules"), ["alerts.yml", "recording.yml"].map(str::to_owned).into());
}

#[test]
fn every_rule_names_what_there_is() {
    let mut seen = BTreeSet::new();
    for rule in recordings() {
        assert!(seen.insert(rule.name.clone()), "{} twice", rule.name);
        assert!(rule.help.ends_with('.'), "{}", rule.name);
        known(&rule.expr);
    }
    for alert in alerts::all() {
        assert!(seen.insert(alert.name.to_owned()), "{} twice", alert.name);
        known(alert.expr);
        assert!(seconds(alert.hold).is_some(), "{}: {}", alert.name, alert.hold);
        assert!(alert.ja.ends_with('。') && alert.en.ends_with('.'), "{}: whole sentences", alert.name);
        assert!(!alert.as_labels.is_empty() && !alert.fires.series.is_empty() && !alert.quiet.is_empty(), "{}: both hours", alert.name);
        assert_eq!(alert.early.is_some(), seconds(alert.hold) != Some(0), "{}: a moment at which it waits", alert.name);
        for (series, _) in alert.fires.series.iter().chain(alert.quiet.iter().flat_map(|quiet| quiet.series)) {
            known(series);
        }
    }
}

#[test]
fn every_alarm_has_a_runbook_that_somebody_wrote_in_both_languages() {
    for alert in alerts::all() {
        let path = root().join(prometheus::runbook(alert.name));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert!(text.starts_with(&format!("# {}\n", alert.name)), "{}", path.display());
        let parts: Vec<usize> =
            page::HEADINGS.iter().map(|heading| text.find(heading).unwrap_or_else(|| panic!("{}: no {heading}", path.display()))).collect();
        assert!(parts.is_sorted(), "{}: in the order of {:?}", path.display(), page::HEADINGS);
        for (at, start) in parts.iter().enumerate() {
            let body = &text[*start..parts.get(at + 1).copied().unwrap_or(text.len())];
            let body = body.split_once('\n').map_or("", |(_, rest)| rest);
            let japanese = body.chars().filter(|c| ('ぁ'..='ヿ').contains(c)).count();
            let english =
                body.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_alphabetic() || ".,;:'".contains(c))).count();
            assert!(japanese >= 3 && english >= 2, "{}: both languages under {}", path.display(), page::HEADINGS[at]);
        }
        assert!(!text.contains("TO BE WRITTEN"), "{}", path.display());
    }
    let books = std::fs::read_dir(root().join("deploy/runbooks")).unwrap();
    let books: BTreeSet<String> = books.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let wanted: BTreeSet<String> = alerts::all().map(|alert| format!("{}.md", alert.name)).chain(["README.md".to_owned()]).collect();
    assert_eq!(books, wanted, "a runbook without an alarm, or the other way round");
}

#[test]
fn a_dashboard_is_one_that_grafana_can_show() {
    let mut uids = BTreeSet::new();
    for dashboard in board::all() {
        assert!(uids.insert(dashboard.uid));
        let file: Value = serde_json::from_str(&dashboard.json()).unwrap();
        let panels = file["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{}: an id twice", dashboard.uid);
        let mut taken = BTreeSet::new();
        for panel in panels {
            let grid = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            let title = panel["title"].as_str().unwrap();
            assert!(grid("x") + grid("w") <= 24, "{}: {title} is too wide", dashboard.uid);
            for cell in (grid("x")..grid("x") + grid("w")).flat_map(|x| (grid("y")..grid("y") + grid("h")).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{}: {title} lies upon another panel", dashboard.uid);
            }
            assert!(panel["type"] == "row" || panel["datasource"]["uid"] == "${source}", "{}: {title}", dashboard.uid);
            let refs: BTreeSet<&str> =
                panel["targets"].as_array().into_iter().flatten().map(|target| target["refId"].as_str().unwrap()).collect();
            assert_eq!(refs.len(), panel["targets"].as_array().map_or(0, Vec::len), "{}: {title}", dashboard.uid);
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expr = target["expr"].as_str().unwrap();
                known(expr);
                for (name, ..) in board::VARIABLES.iter().filter(|(name, ..)| expr.contains(&format!("${name}"))) {
                    assert!(dashboard.variables.contains(name), "{}: {title} asks for ${name}, which the dashboard has not", dashboard.uid);
                }
            }
        }
        assert_eq!(taken.len() as u64 % 24, 0, "{}: a row does not fill the screen", dashboard.uid);
        let variables: Vec<&str> = file["templating"]["list"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
        assert_eq!(variables.first(), Some(&"source"));
        assert_eq!(variables.len(), 1 + dashboard.variables.len(), "{}: a variable that there is not", dashboard.uid);
        assert_eq!(file["annotations"]["list"].as_array().unwrap().len(), board::ANNOTATIONS.len());
    }
    board::ANNOTATIONS.iter().for_each(|(_, expr, _)| known(expr));
    board::VARIABLES.iter().for_each(|(_, _, metric, _)| known(metric));
}

#[test]
fn times_are_divided_and_labels_stay() {
    let pace = Pace { divided: 60, window_least: 4 };
    let expr = r#"sum(increase(x{reason="full"}[{10m}])) > {s:600} and y[{1m}] offset 1w"#;
    assert_eq!(pace.fill(expr), r#"sum(increase(x{reason="full"}[10s])) > 10 and y[4s] offset 1w"#);
    assert_eq!(Pace::REAL.fill(expr), r#"sum(increase(x{reason="full"}[10m])) > 600 and y[1m] offset 1w"#);
    assert_eq!((pace.hold("2m").as_str(), Pace::REAL.hold("2m").as_str()), ("2s", "2m"));
}
