//! The shipped city's examples, all of them; and a call that goes wrong, told in the words of `tests/golden`.

use super::verdict::Fault;
use super::{Played, json, must_pass, play, rehearsed, unplayed, words};
use crate::CityArgs;
use crate::explain::{Tongue, golden};
use crate::files::Files;
use crate::publish::{self, Wait};
use flow::{Book, Draft, Examples, Known, Source};
use model::{AgentId, Lang, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// 2026-06-01 10:00 in Tokyo, a Monday.
const MONDAY: UnixMillis = UnixMillis(1_780_275_600_000);
/// What the whole suite may take on somebody's machine; with room for one that is busy with something else.
const SUITE: Duration = Duration::from_secs(2);
const SLACK: u32 = 10;

/// The small city of `tests/flows/base` with these examples beside its flow.
fn base(tests: &str) -> (Files, Vec<Source>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flows/base");
    let files = Files::find(&CityArgs { config: Some(folder.join("config")), flows: Some(folder.join("flows")) }).unwrap();
    let mut sources = files.read().unwrap();
    sources.push(Source { path: "flows/city.tests.yaml".to_owned(), text: tests.to_owned() });
    (files, sources)
}

fn read(sources: &[Source]) -> (Draft, Book, Vec<Examples>) {
    let draft = flow::read(sources.to_vec());
    let known = Known { voices: BTreeSet::from([Lang::from("ja")]), wall: MONDAY, ..Known::default() };
    let checked = flow::check(&draft, &known);
    let (all, problems) = flow::examples(&draft, sources);
    let told = flow::render(&[checked.problems, problems.clone()].concat(), sources, flow::Tongue::En, false);
    let book = checked.book.filter(|_| problems.is_empty()).unwrap_or_else(|| panic!("{told}"));
    (draft, book, all)
}

/// The only example of the base city.
fn one(tests: &str, look: impl FnOnce(&Played<'_>, &Draft)) {
    let (files, sources) = base(tests);
    let (draft, book, all) = read(&sources);
    let mut played = play(&files, &rehearsed(&book, &BTreeMap::new()), &all, |_| true);
    assert_eq!(played.len(), 1);
    // Where the sources lie on this machine is no part of the text.
    played[0].path = "flows/city.tests.yaml".to_owned();
    look(&played[0], &draft);
}

/// What differs in each of these examples of a small flow, in the place of the shipped city's.
fn of_a_small_flow(step: &str, tests: &str) -> Vec<Vec<Fault>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = Files::find(&CityArgs { config: Some(root.join("config")), flows: Some(root.join("flows")) }).unwrap();
    let text = |path: &str| std::fs::read_to_string(root.join("flows/examples").join(path)).unwrap();
    let mut sources: Vec<Source> = files.read().unwrap();
    // The other cities go, and with them the numbers that lead there.
    sources.retain(|source| source.path.contains("prompts/") || source.path.contains("config/") && !source.path.ends_with("numbers.yaml"));
    let mut add = |path: &str, text: String| sources.push(Source { path: path.to_owned(), text });
    add("flows/city.yaml", text(&format!("{step}.yaml")));
    add("flows/prompts/examples.yaml", text("prompts.yaml"));
    add("config/numbers.yaml", "\"0440000000\": { flow: city }\n".to_owned());
    add("flows/city.tests.yaml", tests.to_owned());
    let (_, book, all) = read(&sources);
    play(&files, &rehearsed(&book, &BTreeMap::new()), &all, |_| true).into_iter().map(|played| played.faults).collect()
}

#[test]
fn an_example_says_in_which_box_a_message_is_left() {
    let tests = r#"
tests:
  - { name: by hash, caller: { presses: ["2", { after: 12s, key: hash }] }, expect: { voicemail: general, heard: [example_leave_message, example_thanks], ended: message_left } }
  - { name: by hanging up, caller: { presses: ["2"], waits: 15s }, expect: { voicemail: general, not_heard: [example_thanks], ended: message_left } }
  - { name: a silent caller is brought to a person, agents: [], caller: { presses: [] }, expect: { voicemail: general } }
  - { name: whoever reaches a person leaves none, caller: { presses: ["1"] }, expect: { voicemail: general } }
"#;
    let faults = of_a_small_flow("voicemail", tests);
    assert_eq!(faults[..3], [[], [], []] as [[Fault; 0]; 3]);
    assert_eq!(faults[3], [Fault::Voicemail { wanted: "general".into(), came: None }]);
}

#[test]
fn an_example_says_what_another_house_answers() {
    let tests = r#"
tests:
  - { name: found, lookups: { vaccine: { answer: found, ward: kawasaki, after: 2s } }, caller: { presses: ["2", "1", "2", "3", "4", "5"] }, expect: { reached: [find, which, general], priority: high } }
  - { name: full, lookups: { vaccine: full }, caller: { presses: ["2", "1", "2", "3", "4", "5"] }, expect: { heard: [example_one_moment, example_no_room], ended: flow_ended } }
  - { name: too slow, lookups: { vaccine: { answer: found, after: 9s } }, caller: { presses: ["2", "1", "2", "3", "4", "5"] }, expect: { reached: [find, general], not_reached: [which] } }
  - { name: fails, lookups: { vaccine: failed }, caller: { presses: ["2", "1", "2", "3", "4", "5"] }, expect: { reached: [find, general], not_reached: [which] } }
  - { name: nobody is there, caller: { presses: ["2", "1", "2", "3", "4", "5"] }, expect: { reached: [find, which] } }
"#;
    let faults = of_a_small_flow("lookup", tests);
    assert_eq!(faults[..4], [[], [], [], []] as [[Fault; 0]; 4]);
    assert!(matches!(faults[4][..], [Fault::NotReached { .. }]), "{:?}", faults[4]);
}

#[test]
fn every_example_of_the_shipped_city_goes_as_it_should_and_soon() {
    let files = Files::find(&CityArgs::default()).unwrap();
    let sources = files.read().unwrap();
    let (draft, book, all) = read(&sources);
    let state = std::env::temp_dir().join(format!("toritsugi-examples-{}", std::process::id()));
    let mut speech = publish::voices(&state, draft.settings()).unwrap();
    let (_, known) = publish::sound(&draft, &files, &mut speech, Wait::Nothing, &mut |_, _| {});
    let began = Instant::now();
    let played = play(&files, &rehearsed(&book, &known.lengths), &all, |_| true);
    let took = began.elapsed();
    let _ = std::fs::remove_dir_all(&state);
    println!("{} examples of the shipped city in {took:?}", played.len());
    let failed: Vec<String> =
        played.iter().filter(|one| !one.faults.is_empty()).map(|one| words::page(one, &draft, Tongue::English)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(played.len() >= 10, "{}", played.len());
    assert!(took < SUITE * SLACK, "{took:?}");
}

/// The nurse is on a break and the supervisor has forgotten it.
const WRONG: &str = r#"
tests:
  - name: a worried caller reaches the nurse at once
    agents: { yuki: { busy: 40s }, ken: {} }
    caller: { presses: ["7", "1", { after: 20s, key: "2" }, "9"], waits: 5s }
    expect: { heard: [welcome, sorry, main_menu], not_heard: [try_again], reached: [main, general], queue: general, priority: high, lang: en, position: 2, connected_to: yuki, within: 5s, ended: served, called_back: true }
"#;

#[test]
fn a_call_that_goes_otherwise_is_told_in_words() {
    one(WRONG, |played, draft| {
        golden("test_failed.en.txt", &(words::page(played, draft, Tongue::English) + "\n"));
        golden("test_failed.ja.txt", &(words::page(played, draft, Tongue::Japanese) + "\n"));
        let json = json(std::slice::from_ref(played), draft, Tongue::English, Duration::ZERO);
        golden("test_failed.json", &(json.unwrap() + "\n"));
    });
}

#[test]
fn a_city_whose_example_fails_does_not_go_live() {
    let right = "tests:\n  - { name: a silent caller, caller: { presses: [] }, expect: { connected_to: ken } }\n";
    for (tests, says) in [
        (right.to_owned(), None),
        (right.replace("connected_to: ken", "connected_to: yuki"), Some("1 of 1 tests fail")),
        (right.replace("connected_to: ken", "connected_to: kem"), Some("did you mean \"ken\"?")),
    ] {
        let (files, sources) = base(&tests);
        let draft = flow::read(sources.clone());
        let (_, book, _) = read(&base(right).1);
        let verdict = must_pass(&files, &draft, &sources, &book, &BTreeMap::new());
        match says {
            None => assert!(verdict.is_ok(), "{verdict:?}"),
            Some(says) => assert!(verdict.as_ref().is_err_and(|refused| refused.said.en.contains(says)), "{verdict:?}"),
        }
    }
}

#[test]
fn an_example_chooses_its_clock_its_agents_and_its_callers_number() {
    let night = r#"tests: [ { name: at five we are closed, at: "2026-08-24 17:00", caller: { presses: ["1"] }, expect: { heard: [sorry], not_reached: [main], ended: flow_ended } } ]"#;
    one(night, |played, _| assert_eq!(played.faults, []));
    let day = r#"tests: [ { name: a minute before we are open, at: "2026-08-24 16:59", agents: [ken], caller: { presses: ["1"] }, expect: { reached: [main, nurse, sorry], connected_to: ken } } ]"#;
    one(day, |played, _| {
        let wanted = AgentId::from("ken");
        assert_eq!(played.faults, [Fault::ConnectedTo { wanted, came: None }], "ken is no nurse");
    });
    let skilled = r#"tests: [ { name: today yuki does everything, agents: { yuki: { general: 1, ja: 1 } }, caller: { from: "0312345678", presses: ["2"] }, expect: { connected_to: yuki, within: 2s, ended: served } } ]"#;
    one(skilled, |played, _| {
        assert_eq!(played.faults, []);
        let record = played.take.as_ref().and_then(|take| take.record.as_ref()).unwrap();
        assert!(record.caller.starts_with("03"), "{}", record.caller);
    });
    let never = r#"tests: [ { name: her phone rings in vain, agents: { yuki: { answers: never } }, caller: { presses: ["1"], waits: 30s }, expect: { queue: nurse, position: 1, ended: abandoned_in_queue } } ]"#;
    one(never, |played, _| assert_eq!(played.faults, []));
}

#[test]
fn errors_because_of_which_nothing_is_played_are_json_too() {
    let (files, mut sources) = base("");
    sources.push(Source { path: "config/breaks.yaml".to_owned(), text: "lunch: [\n".to_owned() });
    let problems = flow::check(&flow::read(sources.clone()), &Known::default()).problems;
    let page: serde_json::Value = serde_json::from_str(&unplayed(&files, &problems, &sources, Tongue::Japanese).unwrap()).unwrap();
    let told = page["problems"].as_array().unwrap();
    let code =
        |problem: &serde_json::Value| problem["code"] == "open_bracket" && problem["file"].as_str().unwrap().ends_with("breaks.yaml");
    assert!(told.len() == problems.len() && told.iter().any(code), "{page}");
}
