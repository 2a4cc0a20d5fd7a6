//! The shipped city as a picture: as a wiki shows it, word for word, and as a page.

use crate::common::{known, root, shipped};
use flow::{Diagram, Tongue, check, diagrams, read};

fn city(tongue: Tongue) -> Diagram {
    let sources = shipped();
    let draft = read(sources.clone());
    let known = known(&sources);
    let problems = check(&draft, &known).problems;
    diagrams(&draft, &known, &problems, &sources, tongue).into_iter().find(|d| d.name().as_str() == "city").unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "golden files are read, and written anew when asked")]
fn the_city_as_a_flowchart_reads_like_this() {
    for (lang, tongue) in [("en", Tongue::En), ("ja", Tongue::Ja)] {
        let mermaid = city(tongue).mermaid();
        let golden = root().join(format!("tests/flows/diagrams/city.{lang}.mmd"));
        if std::env::var_os("TORITSUGI_BLESS").is_some() {
            std::fs::write(&golden, &mermaid).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), mermaid, "{}", golden.display());
    }
}

#[test]
fn the_city_on_a_page_shows_every_step_once_and_every_kind_of_way() {
    let svg = city(Tongue::Ja).svg();
    for step in
        ["greeting", "notice", "language", "hours", "main", "triage", "nurse", "callback", "ward_hotline", "general", "night", "sorry"]
    {
        assert_eq!(
            svg.matches(&format!("font-weight=\"bold\" fill=\"#1a1a1a\" text-anchor=\"middle\">{step}</text>")).count(),
            1,
            "{step}"
        );
    }
    for words in [
        "看護当直 · 優先",
        "無音 6秒 ×2",
        "ward/{ward}",
        "無音 7秒 ×2、別のキー ×2",
        "1–7 (ward)",
        "つながらない",
        "担当者につながるまで最長",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    assert!(svg.contains("stroke-dasharray=\"9 5\"") && svg.contains("stroke-dasharray=\"2 4\""));
    assert!(!svg.contains("fill=\"#b00020\""), "nothing is wrong with it");
}
