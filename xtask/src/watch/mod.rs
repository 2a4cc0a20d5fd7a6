//! `cargo xtask watch`: writes what Prometheus, Alertmanager's readers and Grafana are given, all of it from this one source.
//!
//! Alarms (`alerts/`), what is worked out beforehand (`rules.rs`), dashboards (`board/`) and the catalogue of metrics, which `telemetry` itself
//! tells. The files lie in `deploy/` and are committed, so that nobody needs this program to use them; a test says when they are old.
//!
//! Deliberately absent: thresholds in a setting. Whoever wants another one changes it here, with its hours that fire and that do not.

mod alerts;
mod board;
mod page;
mod prometheus;
mod rules;

use crate::root;
use rules::Pace;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files, by their path below the tree.
type Files = BTreeMap<PathBuf, String>;

/// `cargo xtask watch [--check] | --divided N --to DIR | --expressions`.
pub(crate) fn run(args: &[&str]) -> Result<bool, String> {
    match args {
        [] => write(&root(), &files()).map(|()| true),
        ["--check"] => Ok(stale(&root(), &files()).iter().map(|path| eprintln!("{path} is old: cargo xtask watch")).count() == 0),
        ["--divided", n, "--to", folder] => {
            let divided = n.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("--divided takes a number, not {n}"))?;
            // Four scrapes of a second each, so that there is a rate.
            let pace = Pace { divided, window_least: 4 };
            write(Path::new(folder), &prometheus::rules(pace)).map(|()| true)
        }
        ["--expressions"] => {
            println!("{}", board::expressions());
            Ok(true)
        }
        _ => Err("usage: cargo xtask watch [--check] | --divided N --to DIR | --expressions".to_owned()),
    }
}

/// Everything that is generated.
fn files() -> Files {
    let mut files = prometheus::rules(Pace::REAL);
    files = files.into_iter().map(|(path, text)| (Path::new("deploy/prometheus/rules").join(path), text)).collect();
    files.extend(prometheus::tests().into_iter().map(|(path, text)| (Path::new("deploy/prometheus/tests").join(path), text)));
    files.insert("deploy/METRICS.md".into(), page::metrics());
    files.insert("deploy/runbooks/README.md".into(), page::runbooks());
    for dashboard in board::all() {
        files.insert(Path::new("deploy/grafana/dashboards").join(format!("{}.json", dashboard.uid)), dashboard.json());
    }
    files
}

fn write(to: &Path, files: &Files) -> Result<(), String> {
    for (path, text) in files {
        let path = to.join(path);
        let folder = path.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
        std::fs::write(&path, text).map_err(|fault| format!("{}: {fault}", path.display()))?;
    }
    // A runbook that nobody has written yet begins with what is known.
    for alert in alerts::all().filter(|_| to == root()) {
        let path = to.join("deploy/runbooks").join(format!("{}.md", alert.name));
        if !path.exists() {
            std::fs::write(&path, page::skeleton(alert)).map_err(|fault| format!("{}: {fault}", path.display()))?;
            println!("{}: to be written", path.display());
        }
    }
    Ok(())
}

/// Those that lie there otherwise than they would be written.
fn stale(at: &Path, files: &Files) -> Vec<String> {
    let old = |(path, text): &(&PathBuf, &String)| std::fs::read_to_string(at.join(path)).ok().as_ref() != Some(*text);
    files.iter().filter(old).map(|(path, _)| path.display().to_string()).collect()
}

#[cfg(test)]
mod tests;
