//! Pictures that can be trusted: nothing lies on anything else, every line ends at its boxes, and every mark is on its step.

use super::layout::Link;
use super::svg::Sheet;
use super::text::width;
use super::*;
use crate::{check, read};

/// One flow, and what `check` says of it without any other file.
fn drawn(text: &str, tongue: Tongue) -> Diagram {
    let sources = vec![Source { path: "flows/city.yaml".to_owned(), text: text.to_owned() }];
    let draft = read(sources.clone());
    let problems = check(&draft, &Known::default()).problems;
    diagrams(&draft, &Known::default(), &problems, &sources, tongue).remove(0)
}

/// A flow of so many steps of several kinds, which lead on, back and far ahead.
fn generated(steps: usize) -> String {
    let mut text = String::from(
        "flow: city\nlanguages: { default: ja, offer: [ja, en] }\n\
         defaults: { no_input: { after: 7s, repeat: 1, then: s0 }, bad_key: { then: s0 }, on_error: s0 }\nstart: s0\nsteps:\n",
    );
    for n in 0..steps {
        let to = |far: usize| format!("s{}", (n + far) % steps);
        let (a, b, c) = (to(1), to(7), to(steps - 3 % steps));
        let step = match n % 5 {
            0 => format!("{{ menu: {{ say: a_rather_long_name_of_a_sentence, keys: {{ \"1\": {a}, \"2\": {b}, star: {c} }} }} }}"),
            1 => format!("{{ schedule: centre, open: {a}, closed: {b} }}"),
            2 => format!("{{ queue: nurse, outcomes: {{ nobody_logged_in: {b}, full: {a} }} }}"),
            3 => format!("{{ say: hello, next: {a} }}"),
            _ => "{ hang_up: { say: [goodbye, and_one_more_very_long_name_that_has_no_blank_at_all_in_it] } }".to_owned(),
        };
        text.push_str(&format!("  s{n}: {step}\n"));
    }
    text
}

/// Nothing lies on anything else, and all words stay within their outline.
fn sound(diagram: &Diagram) {
    let sheet = Sheet::of(diagram);
    let links: Vec<Link> = diagram.edges.iter().map(|edge| Link { from: edge.from, to: edge.to, words: None }).collect();
    layout::tests::sound(&links, &sheet.plan);
    for (size, lines) in sheet.sizes.iter().zip(&sheet.lines) {
        assert!(!lines.is_empty());
        for line in lines {
            assert!(width(&line.text, line.size) <= size.width - 2.0 * size.corner, "{line:?} is wider than its box");
            assert!(line.base <= size.height - 4.0, "{line:?} is below its box");
        }
    }
    for (edge, place) in diagram.edges.iter().zip(&sheet.plan.words) {
        let needed = width(&edge.words, 11.0);
        assert!(edge.words.is_empty() || place.is_some_and(|place| place.width >= needed), "{edge:?}");
    }
}

#[test]
fn flows_of_one_step_and_of_sixty_are_readable() {
    for steps in [1, 2, 3, 12, 60] {
        for tongue in [Tongue::En, Tongue::Ja] {
            let diagram = drawn(&generated(steps), tongue);
            assert_eq!(diagram.nodes.len(), steps);
            sound(&diagram);
        }
    }
}

#[test]
fn a_mistake_is_marked_on_its_step_and_told_beside() {
    let diagram = drawn(&generated(12).replace("full: s3 }", "full: s33 }"), Tongue::En);
    let marked = |name: &str, part: &str| {
        let node = diagram.nodes.iter().find(|node| node.name == name).unwrap_or_else(|| panic!("no step {name}"));
        node.marks.iter().any(|number| diagram.marks[number - 1].sentence.contains(part))
    };
    assert!(marked("s2", "s33"), "{:#?}", diagram.marks);
    assert!(!marked("s1", "s33"));
    assert!(diagram.nodes.iter().any(|node| node.name == "s33" && node.kind == Kind::Missing));
    sound(&diagram);
    let svg = diagram.svg();
    for mark in &diagram.marks {
        assert!(svg.contains(&mark.place), "{mark:?} is not in the list below the picture");
    }
    assert!(diagram.mermaid().contains(":::error"));
}

#[test]
fn a_step_that_cannot_be_read_is_marked_itself_and_not_the_one_before() {
    let text = generated(6).replace("  s3: { say: hello, next: s4 }", "  s3: { sey: hello, next: s4 }");
    let diagram = drawn(&text, Tongue::Ja);
    let node = |name: &str| diagram.nodes.iter().find(|node| node.name == name).unwrap();
    assert_eq!(node("s3").kind, Kind::Missing);
    assert!(!node("s3").marks.is_empty(), "{diagram:#?}");
    let of_s3 = |number: &usize| diagram.marks[number - 1].sentence.contains("sey");
    assert!(!node("s2").marks.iter().any(of_s3));
}

#[test]
fn what_people_wrote_is_no_markup() {
    let hostile = "\"\\\"]; end --> <b>&amp; 日本\"";
    let sources = [
        ("flows/city.yaml", generated(5).replace("flow: city", &format!("flow: city\nnote: {hostile}"))),
        ("flows/prompts/p.yaml", format!("hello:\n  ja: {hostile}\n  en: {hostile}\n")),
    ];
    let sources = sources.map(|(path, text)| Source { path: path.to_owned(), text }).to_vec();
    let draft = read(sources.clone());
    let diagram = diagrams(&draft, &Known::default(), &[], &sources, Tongue::En).remove(0);
    let (svg, mermaid) = (diagram.svg(), diagram.mermaid());
    assert!(svg.contains("&quot;]; end --&gt; &lt;b&gt;&amp;amp; 日本"), "{svg}");
    assert!(!svg.contains("<b>") && !mermaid.contains("<b>"));
    let says = mermaid.lines().find(|line| line.contains("s3_s3[")).unwrap();
    assert_eq!(says.matches('"').count(), 2, "{says}");
    assert!(says.contains("#34;#93;#59; end --#62;"), "{says}");
    well_formed(&svg);
}

/// Each tag is closed in its turn.
fn well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in svg.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name)),
            (None, true) => {}
            (None, false) => open.push(tag.split([' ', '\n']).next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_same_texts_give_the_same_picture() {
    let pictures = || drawn(&generated(60), Tongue::Ja);
    assert_eq!(pictures().svg(), pictures().svg());
    assert_eq!(pictures().mermaid(), pictures().mermaid());
    well_formed(&pictures().svg());
}

/// The grammar of a Mermaid flowchart, as far as we use it.
#[test]
fn a_flowchart_is_made_of_whole_lines() {
    let mermaid = drawn(&generated(60), Tongue::En).mermaid();
    let mut ids = BTreeSet::new();
    let id = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for line in mermaid.lines().filter(|line| line.starts_with("  ") && !line.trim_start().starts_with("classDef")) {
        let line = line.trim_start();
        let quotes = line.matches('"').count();
        assert!(quotes == 0 || quotes == 2, "{line}");
        let arrow = [" --> ", " -.-> ", " --o ", " -->|", " -.->|", " --o|", " -.- "].into_iter().find_map(|arrow| line.split_once(arrow));
        if let Some((from, rest)) = arrow {
            let to = rest.rsplit(' ').next().unwrap();
            assert!(id(to) && (id(from) || from.starts_with("call((")), "{line}");
        } else {
            let end = line.find(['[', '{', '(']).unwrap();
            assert!(id(&line[..end]) && ids.insert(line[..end].to_owned()), "{line}");
            assert!(line.contains(":::"), "{line}");
        }
    }
}

/// A menu, then two questions with waits of their own.
const ASKS: &str = "flow: city
languages: { default: ja, offer: [ja] }
defaults: { no_input: { after: 7s, repeat: 0, then: general }, bad_key: { repeat: 2, then: general }, on_error: general }
start: front
steps:
  front: { menu: { say: which, keys: { \"1\": triage, \"2\": later } } }
  triage:
    ask: [ { id: cough, say: a, keys: { \"1\": \"yes\", \"2\": \"no\" } }, { id: long, say: b, keys: { \"1\": \"yes\", \"2\": \"no\" } } ]
    no_input: { after: 6s, repeat: 1, answer: \"yes\" }
    rules: [ { when: { cough: \"yes\", long: \"yes\" }, next: nurse }, { otherwise: general } ]
  later: { menu: { say: which, keys: { \"1\": general, star: front } } }
  nurse: { queue: nurse, outcomes: { nobody_logged_in: later, full: later } }
  general: { queue: general, outcomes: { nobody_logged_in: later, full: later } }
";

#[test]
fn the_waits_of_questions_are_their_own() {
    let mermaid = drawn(ASKS, Tongue::En).mermaid();
    assert!(mermaid.contains("|\"silence 6 s ×2\"|"), "{mermaid}");
    assert!(mermaid.contains("other keys ×3") && !mermaid.contains("silence 0"), "{mermaid}");
}

#[test]
fn nobody_who_is_past_a_step_is_counted_through_it_again() {
    let draft = read(vec![Source { path: "flows/city.yaml".to_owned(), text: ASKS.to_owned() }]);
    let (flow, known) = (draft.flows.values().next().unwrap(), Known::default());
    let artist = Artist { draft: &draft, known: &known, flow, tongue: Tongue::En };
    let before = |other: &str, step: &str| artist.is_before(&StepId::from(other), &StepId::from(step));
    assert!(before("front", "later") && before("triage", "nurse"));
    assert!(!before("later", "front") && !before("triage", "later") && !before("nurse", "general"));
}

#[test]
fn each_question_is_shown_and_each_key_stands_with_its_question() {
    let mermaid = drawn(ASKS, Tongue::En).mermaid();
    let box_of = |step: &str| mermaid.lines().find(|line| line.contains(&format!("_{step}{{{{"))).unwrap().to_owned();
    assert!(box_of("triage").contains("cough: “#91;a#93;”<br/>long: “#91;b#93;”"), "{mermaid}");
    assert!(mermaid.contains("|\"cough 1 → long 1\"|"), "{mermaid}");
    assert!(mermaid.contains("|\"cough 2#59; cough 1 → long 2\"|"), "{mermaid}");
}
