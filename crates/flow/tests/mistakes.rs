//! Every kind of mistake, and the very words in which it is told.

mod common;

use common::{files, known, root};
use flow::{Severity, Source, Tongue, check, read, render};
use std::path::Path;

/// What `check` says about the base city with one file replaced.
fn told(base: &[Source], mistake: &str) -> String {
    let path = mistake.lines().next().and_then(|line| line.strip_prefix("# file: ")).expect("the first line names the file");
    let mut sources: Vec<Source> = base.iter().filter(|s| s.path != path).cloned().collect();
    sources.push(Source { path: path.to_owned(), text: mistake.to_owned() });
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let checked = check(&read(sources.clone()), &known(&sources));
    assert!(!checked.problems.is_empty(), "nothing was found in {path}");
    let error = checked.problems.iter().any(|p| p.severity == Severity::Error);
    assert_eq!(checked.book.is_none(), error, "a city with an error is never published");
    let plain = |text: String| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let both = [Tongue::En, Tongue::Ja].map(|tongue| plain(render(&checked.problems, &sources, tongue, false)));
    both.join("\n\n")
}

#[test]
fn the_base_city_has_no_problem() {
    let base = files(&root().join("tests/flows/base"), &["flows", "config"]);
    let checked = check(&read(base.clone()), &known(&base));
    assert!(checked.book.is_some() && checked.problems.is_empty(), "{}", render(&checked.problems, &base, Tongue::En, false));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "golden files are read, and written anew when asked")]
fn every_mistake_is_told_in_these_words() {
    let base = files(&root().join("tests/flows/base"), &["flows", "config"]);
    let mistakes = files(&root().join("tests/flows/mistakes"), &["."]);
    assert!(mistakes.len() >= 30, "{}", mistakes.len());
    let bless = std::env::var_os("TORITSUGI_BLESS").is_some();
    let mut wrong = Vec::new();
    for mistake in mistakes {
        let told = told(&base, &mistake.text);
        let golden = root().join("tests/flows/mistakes").join(Path::new(&mistake.path).with_extension("txt"));
        if bless {
            std::fs::write(&golden, &told).unwrap();
        } else if std::fs::read_to_string(&golden).ok().as_deref() != Some(&told) {
            wrong.push(format!("{}:\n{told}", mistake.path));
        }
    }
    assert!(wrong.is_empty(), "other words than in the .txt beside the file:\n{}", wrong.join("\n"));
}
