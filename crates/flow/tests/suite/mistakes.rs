//! Every kind of mistake, and the very words in which it is told.

use crate::common::{files, known, root};
use flow::{Checked, Problem, Severity, Source, Tongue, check, read, render};
use std::path::Path;

const MISTAKES: &str = "tests/flows/mistakes";

/// A seeded file: what it stands for, and what must be found in it.
struct Seed {
    name: String,
    /// In whose place it stands.
    path: String,
    text: String,
    /// Codes and places, as `# finds:` lines say them: `unknown_step 14:45`, or `no_music flows/city.yaml:13:3` for another file.
    finds: Vec<(String, String)>,
}

impl Seed {
    fn read(source: Source) -> Seed {
        let heads = |word: &str| source.text.lines().filter_map(|line| line.strip_prefix(word)).map(str::trim).collect::<Vec<_>>();
        let path = heads("# file: ").first().copied().expect("the first line names the file").to_owned();
        let finds = heads("# finds: ").into_iter().flat_map(|line| line.split(", ")).map(|find| {
            let (code, place) = find.split_once(' ').unwrap_or_else(|| panic!("{}: {find}", source.path));
            let place = if place.matches(':').count() == 1 { format!("{path}:{place}") } else { place.to_owned() };
            (code.to_owned(), place)
        });
        let finds = finds.collect();
        // A file that is too large need not lie in the repository as such.
        let size = heads("# grows to: ").first().map_or(0, |size| size.parse::<usize>().unwrap());
        let mut text = source.text.clone();
        while text.len() < size {
            text.push_str("# and so on\n");
        }
        Seed { name: source.path, path, text, finds }
    }

    /// The base city with this file in its place, and what `check` finds in it.
    fn checked(&self, base: &[Source]) -> (Vec<Source>, Checked) {
        let mut sources: Vec<Source> = base.iter().filter(|s| s.path != self.path).cloned().collect();
        sources.push(Source { path: self.path.clone(), text: self.text.clone() });
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        let checked = check(&read(sources.clone()), &known(&sources));
        let error = checked.problems.iter().any(|p| p.severity == Severity::Error);
        assert_eq!(checked.book.is_none(), error, "{}: a city with an error is never published", self.name);
        (sources, checked)
    }
}

fn base() -> Vec<Source> {
    files(&root().join("tests/flows/base"), &["flows", "config"])
}

fn seeds() -> Vec<Seed> {
    let seeds: Vec<Seed> = files(&root().join(MISTAKES), &["."]).into_iter().map(Seed::read).collect();
    assert!(seeds.len() >= 60, "{}", seeds.len());
    seeds
}

#[test]
fn each_seeded_mistake_is_named_at_its_place_and_nothing_else_is() {
    let base = base();
    let mut wrong = Vec::new();
    for seed in seeds() {
        let (_, checked) = seed.checked(&base);
        let place = |p: &Problem| format!("{}:{}:{}", p.path, p.line, p.column);
        let mut found: Vec<(String, String)> = checked.problems.iter().map(|p| (p.code.to_owned(), place(p))).collect();
        let mut seeded = seed.finds;
        found.sort();
        seeded.sort();
        if found != seeded || seeded.is_empty() {
            let found: Vec<String> =
                found.iter().map(|(code, place)| format!("{code} {}", place.replace(&format!("{}:", seed.path), ""))).collect();
            wrong.push(format!("{} seeds {seeded:?}, and found was\n# finds: {}", seed.name, found.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rows of the list: what `check` finds, by which codes, and the file that proves it.
#[expect(clippy::disallowed_methods, reason = "reads the list")]
fn list() -> Vec<(String, Vec<String>, String)> {
    let list = std::fs::read_to_string(root().join(MISTAKES).join("README.md")).unwrap();
    let rows =
        list.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")).map(|line| line.split(" | ").collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() == 3 && row[2].contains(".yaml") || row.len() == 3 && row[2].contains(".csv"));
    rows.map(|row| {
        (row[0].to_owned(), row[1].split(", ").map(|c| c.trim_matches('`').to_owned()).collect(), row[2].trim_matches('`').to_owned())
    })
    .collect()
}

#[test]
fn everything_on_the_list_is_proved_by_a_file() {
    let (list, seeds) = (list(), seeds());
    assert!(list.len() >= 45, "{}", list.len());
    for (item, codes, file) in &list {
        let seed = seeds.iter().find(|seed| seed.name.trim_start_matches("./") == file).unwrap_or_else(|| panic!("{item}: no file {file}"));
        for code in codes {
            assert!(seed.finds.iter().any(|(found, _)| found == code), "{item}: {file} does not seed {code}");
        }
    }
    let several = seeds.iter().filter(|seed| seed.finds.len() >= 2).count();
    assert!(several >= 10, "files with two mistakes or more: {several}");
}

#[test]
fn the_base_city_has_no_problem() {
    let base = base();
    let checked = check(&read(base.clone()), &known(&base));
    assert!(checked.book.is_some() && checked.problems.is_empty(), "{}", render(&checked.problems, &base, Tongue::En, false));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "golden files are read, and written anew when asked")]
fn every_mistake_is_told_in_these_words() {
    let base = base();
    let bless = std::env::var_os("TORITSUGI_BLESS").is_some();
    let mut wrong = Vec::new();
    for seed in seeds() {
        let (sources, checked) = seed.checked(&base);
        let plain = |text: String| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        let told = [Tongue::En, Tongue::Ja].map(|tongue| plain(render(&checked.problems, &sources, tongue, false))).join("\n\n");
        let golden = root().join(MISTAKES).join(Path::new(&seed.name).with_extension("txt"));
        if bless {
            std::fs::write(&golden, &told).unwrap();
        } else if std::fs::read_to_string(&golden).ok().as_deref() != Some(&told) {
            wrong.push(format!("{}:\n{told}", seed.name));
        }
    }
    assert!(wrong.is_empty(), "other words than in the .txt beside the file:\n{}", wrong.join("\n"));
}
