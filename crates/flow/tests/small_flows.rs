//! Every small flow of `flows/examples/`: without fault in the place of the city's own, and doing what its first lines say.

mod common;

use common::{files, known, root, shipped};
use flow::{Ask, Book, Heard, Run, Source, Tongue, check, read, render};
use model::{Digit, FlowName, Instant, Now, NumberKind, QueueEnd};
use std::sync::Arc;
use std::time::Duration;

/// Where the city's own flow lies.
const CITY: &str = "flows/city.yaml";

/// The shipped city with an example in the place of its flow.
fn city(example: &Source) -> Vec<Source> {
    let mut sources: Vec<Source> = shipped().into_iter().filter(|s| s.path != CITY && !s.path.starts_with("flows/examples/")).collect();
    sources.push(Source { path: CITY.to_owned(), text: example.text.clone() });
    let words = files(&root().join("flows/examples"), &["."]).into_iter().find(|s| s.path.ends_with("prompts.yaml"));
    sources.extend(words.map(|words| Source { path: "flows/prompts/examples.yaml".to_owned(), text: words.text }));
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn examples() -> Vec<Source> {
    let all = files(&root().join("flows/examples"), &["."]);
    all.into_iter().filter(|s| !s.path.ends_with("prompts.yaml")).collect()
}

fn book(name: &str) -> Arc<Book> {
    let example = examples().into_iter().find(|s| s.path.ends_with(&format!("{name}.yaml"))).unwrap();
    let sources = city(&example);
    Arc::new(check(&read(sources.clone()), &known(&sources)).book.unwrap())
}

/// The path of a caller who hears every sentence to its end and then presses: `w` is a second of silence.
fn path(name: &str, keys: &str) -> (Vec<String>, Run) {
    let mut run = Run::new(book(name), &FlowName::from("city")).unwrap().calling_from(Some(NumberKind::JpLandline));
    let mut now = Now { mono: Instant::from_millis(1_000_000), wall: common::MONDAY };
    run.handle(now, Heard::Started);
    hear_out(&mut run, now);
    for key in keys.chars() {
        match Digit::from_char(key) {
            Some(digit) => run.handle(now, Heard::Digit(digit)),
            None => {
                let until = now.mono + Duration::from_secs(1);
                while let Some(at) = run.poll_timeout().filter(|at| *at <= until) {
                    now.mono = at.max(now.mono);
                    run.handle_timeout(now);
                    hear_out(&mut run, now);
                }
                now.mono = until;
            }
        }
        hear_out(&mut run, now);
    }
    (run.path().to_vec(), run)
}

fn hear_out(run: &mut Run, now: Now) {
    while let Some(ask) = run.poll_output() {
        match ask {
            Ask::Prompt { .. } => run.handle(now, Heard::Played),
            Ask::Look { .. } => run.handle(now, Heard::Facts(None)),
            _ => {}
        }
    }
}

#[test]
fn every_example_is_without_fault() {
    let examples = examples();
    assert!(!examples.is_empty());
    for example in examples {
        let sources = city(&example);
        let checked = check(&read(sources.clone()), &known(&sources));
        // Sentences of the city in languages that the example does not offer are no fault of it.
        let problems: Vec<_> = checked.problems.into_iter().filter(|p| p.path == CITY || p.path.ends_with("examples.yaml")).collect();
        assert!(checked.book.is_some() && problems.is_empty(), "{}:\n{}", example.path, render(&problems, &sources, Tongue::En, false));
        let step = example.path.trim_start_matches("./").trim_end_matches(".yaml");
        assert!(example.text.contains(&format!("{step}:")), "{} shows the step {step}", example.path);
    }
}

#[test]
fn examples_are_no_part_of_the_city() {
    let with = read(shipped());
    assert_eq!(with.queues().count(), 4);
    assert!(check(&with, &known(&shipped())).book.unwrap().flows.len() == 1);
}

#[test]
fn set_raises_the_class_of_whoever_comes_by() {
    let (path, run) = path("set", "1");
    assert_eq!(path, ["main=1", "worried", "nurse"]);
    assert_eq!(run.class(), 1);
}

#[test]
fn ask_stops_at_the_first_rule_that_can_no_longer_change() {
    assert_eq!(path("ask", "2").0, ["triage=rule1", "general"]);
    let (long, run) = path("ask", "11");
    assert_eq!((long, run.class()), (vec!["triage=rule2".to_owned(), "nurse".to_owned()], 1));
    let (short, run) = path("ask", "12");
    assert_eq!((short, run.class()), (vec!["triage=otherwise".to_owned(), "nurse".to_owned()], 0));
}

#[test]
fn silence_is_the_urgent_answer() {
    let (silent, run) = path("ask", &"w".repeat(24));
    assert_eq!((silent, run.class()), (vec!["triage=rule2".to_owned(), "nurse".to_owned()], 1));
    assert_eq!(path("ask", &"w".repeat(23)).0, ["triage"], "two questions, twice six seconds each");
}

#[test]
fn rules_look_at_what_was_said_the_hour_and_the_queue() {
    // Nobody knows how the queue stands: nobody is sent away on a guess.
    assert_eq!(path("rules", "1").0, ["main=1", "choose=rule3", "nurse"]);
    assert_eq!(path("rules", "2").0, ["main=2", "choose=rule4", "general"]);
    assert_eq!(path("rules", &"w".repeat(14)).0, ["main=silent", "choose=otherwise", "general"]);
}

#[test]
fn a_language_is_chosen_by_its_key_and_silence_keeps_that_of_the_house() {
    for (keys, lang, way) in [("1", "ja", "1"), ("2", "en", "2"), ("wwwww", "ja", "silent"), ("77", "ja", "bad_key"), ("72", "en", "2")] {
        let (path, run) = path("language", keys);
        assert_eq!((path, run.lang().as_str()), (vec![format!("choose={way}"), "general".to_owned()], lang), "{keys}");
    }
    assert_eq!(path("language", "wwww").0, ["choose"]);
}

#[test]
fn whoever_speaks_a_language_without_a_voice_is_queued_at_once_and_hears_no_foreign_word() {
    let (path, mut run) = path("interpreter", "2");
    assert_eq!((path, run.lang().as_str()), (vec!["choose=2".to_owned(), "interpreter".to_owned()], "tl"));
    let mut now = Now { mono: Instant::from_millis(1_000_000), wall: common::MONDAY };
    run.handle(now, Heard::Queued { since: now.mono, position: 3 });
    let mut asked = Vec::new();
    for _ in 0..600 {
        while let Some(ask) = run.poll_output() {
            asked.push(ask);
        }
        now.mono += Duration::from_secs(1);
        run.handle_timeout(now);
    }
    assert!(matches!(asked.as_slice(), [Ask::Music(_)]), "{asked:?}");
    // Where nobody can be reached, a word in the language of the house is better than none.
    run.handle(now, Heard::Refused(QueueEnd::NobodyLoggedIn));
    let said = std::iter::from_fn(|| run.poll_output())
        .find_map(|ask| if let Ask::Prompt { sentences, .. } = ask { Some(sentences) } else { None });
    assert_eq!(
        said.map(|sentences| (sentences[0].prompt.to_string(), sentences[0].lang.to_string())),
        Some(("nobody_available".into(), "ja".into()))
    );
}

#[test]
fn a_language_without_a_voice_leads_to_a_queue_and_nowhere_else() {
    let example = examples().into_iter().find(|s| s.path.ends_with("interpreter.yaml")).unwrap();
    let codes = |from: &str, to: &str| {
        assert!(example.text.contains(from), "{from}");
        let sources = city(&Source { text: example.text.replace(from, to), ..example.clone() });
        let checked = check(&read(sources.clone()), &known(&sources));
        assert!(checked.book.is_none(), "{to}");
        checked.problems.into_iter().filter(|p| p.path == CITY).map(|p| p.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("tl: interpreter }", "tl: sorry }"), ["unvoiced_not_queued", "unreachable_step"]);
    assert_eq!(codes("tl: interpreter }", "tl: nobody }"), ["unknown_step"]);
    assert_eq!(codes("tl: interpreter }", "ja: interpreter }")[0], "house_unvoiced");
    assert_eq!(codes("\"2\": tl", "\"2\": ja"), ["language_without_key"]);
}

#[test]
fn a_number_is_typed_ended_and_confirmed() {
    for keys in ["2123#1", "212345" /* five are all there are */, "2123wwww1", "29*123#1", "2123#2456#1", "212#123#1", "2123#wwwwwww1"] {
        let keys = if keys == "212345" { "2123451" } else { keys };
        let (path, run) = path("collect", keys);
        assert_eq!(path, ["main=2", "card=given", "choose=rule1", "general"], "{keys}");
        assert_eq!(run.class(), 1);
        let typed = run.typed("card").unwrap().reveal().as_str();
        assert_eq!(
            typed,
            if keys.starts_with("21234") {
                "12345"
            } else if keys.contains("456") {
                "456"
            } else {
                "123"
            },
            "{keys}"
        );
    }
}

#[test]
fn a_number_that_does_not_come_leads_on_as_not_given() {
    for (keys, how) in [
        ("2wwwwwwwwwwwwww", "silent"),
        ("21#2#", "bad_key"),
        ("2123#2123#2", "bad_key"),
        ("2123#7123#7", "bad_key"),
        ("21wwww2wwww", "bad_key"),
    ] {
        let (path, run) = path("collect", keys);
        assert_eq!(path, ["main=2".to_owned(), format!("card={how}"), "choose=otherwise".to_owned(), "general".to_owned()], "{keys}");
        assert!(run.typed("card").is_none(), "{keys}");
    }
}

#[test]
fn a_figure_at_the_last_moment_counts_and_a_late_one_does_not() {
    for (millis, counts) in [(6_900, true), (7_100, false)] {
        let mut run = Run::new(book("collect"), &FlowName::from("city")).unwrap();
        let mut now = Now { mono: Instant::from_millis(1_000_000), wall: common::MONDAY };
        run.handle(now, Heard::Started);
        run.handle(now, Heard::Played);
        run.handle(now, Heard::Digit(Digit::from_char('2').unwrap()));
        run.handle(now, Heard::Played);
        while run.poll_output().is_some() {}
        let until = now.mono + Duration::from_millis(millis);
        while let Some(at) = run.poll_timeout().filter(|at| *at <= until) {
            now.mono = at;
            run.handle_timeout(now);
        }
        let asked = std::iter::from_fn(|| run.poll_output()).filter(|ask| matches!(ask, Ask::Prompt { .. })).count();
        assert_eq!(asked, usize::from(!counts), "{millis} ms: asked again");
    }
}

#[test]
fn what_was_typed_is_in_no_note_no_path_and_no_position() {
    let mut run = Run::new(book("collect"), &FlowName::from("city")).unwrap();
    let now = Now { mono: Instant::from_millis(1_000_000), wall: common::MONDAY };
    run.handle(now, Heard::Started);
    run.handle(now, Heard::Played);
    let mut noted = String::new();
    for key in "290817#1".chars() {
        run.handle(now, Heard::Digit(Digit::from_char(key).unwrap()));
        while let Some(ask) = run.poll_output() {
            match ask {
                Ask::Note(note) => noted += &format!("{note:?}"),
                Ask::Prompt { sentences, .. } => {
                    assert!(!sentences[0].prompt.as_str().starts_with("digit_"), "the engine notes how a sentence begins");
                    run.handle(now, Heard::Played);
                }
                _ => {}
            }
        }
    }
    assert_eq!(run.typed("card").unwrap().reveal(), "90817");
    let position = run.position();
    assert_eq!(position.variables.get("card").map(String::as_str), Some("given"), "rules go on after a restart");
    for written in [noted, format!("{run:?}"), serde_json::to_string(&position).unwrap()] {
        assert!(!written.contains("90817") && !written.contains("digit: Digit(9)"), "{written}");
    }
}
