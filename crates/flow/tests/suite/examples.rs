//! Example calls beside a flow: read as they are meant, and every mistake named at its place.

use crate::common::{files, root};
use flow::{Source, Tongue, examples, read, render};
use model::{AgentId, CallEnd, Hours, LineId, ScheduleId, SlotId, StepId, UnixMillis};
use std::collections::BTreeMap;
use std::time::Duration;

const WELL: &str = r#"
tests:
  - name: a ward at capacity
    at: "2021-04-29 10:00"
    agents: { yuki: { nurse: 4, en: 1, busy: 90s }, ken: { answers: never } }
    lines: { ward/nakahara: { busy: 2, answers: 5s, accepts: false } }
    notices: [city]
    override: { centre: closed }
    caller: { from: "0440000001", presses: ["1", star, { after: 95s, key: "3" }], waits: 1m }
    others: [ { dials: 20s, presses: ["1"] } ]
    expect: { heard: [welcome, notice:city, main_menu], not_reached: [night], queue: nurse, priority: urgent, connected_to: yuki, within: 5s, ended: served }
  - name: a silent caller
    caller: { presses: [] }
    expect: { queue: general }
"#;

fn city(tests: &str) -> Vec<Source> {
    let mut sources = files(&root().join("tests/flows/base"), &["flows", "config"]);
    for flow in sources.iter_mut().filter(|source| source.path == "flows/city.yaml") {
        let hours = "  hours: { schedule: centre";
        assert!(flow.text.contains(hours));
        flow.text = flow.text.replacen(hours, &format!("  today: {{ notice: {{ slot: city }}, next: hours }}\n{hours}"), 1);
    }
    sources.push(Source { path: "flows/city.tests.yaml".to_owned(), text: tests.to_owned() });
    sources
}

#[test]
fn an_example_is_read_as_it_is_meant() {
    let sources = city(WELL);
    let (all, problems) = examples(&read(sources.clone()), &sources);
    assert!(problems.is_empty(), "{}", render(&problems, &sources, Tongue::En, false));
    assert_eq!((all.len(), all[0].flow.as_str(), all[0].path.as_str()), (1, "city", "flows/city.tests.yaml"));
    let [ward, silent] = &all[0].list[..] else { panic!("{all:?}") };
    assert_eq!((ward.name.as_str(), ward.line), ("a ward at capacity", 3));
    assert_eq!(ward.at, UnixMillis(1_619_658_000_000), "ten o'clock in Tokyo is one o'clock in UTC");
    let yuki = &ward.agents[0];
    assert_eq!((yuki.busy, yuki.answers), (Duration::from_secs(90), Some(Duration::from_secs(1))));
    assert_eq!(yuki.skills.as_ref().unwrap().len(), 2);
    assert_eq!((ward.agents[1].answers, ward.agents[1].skills.is_none()), (None, true));
    let hotline = ward.lines[&LineId::from("ward/nakahara")];
    assert_eq!((hotline.busy, hotline.answers, hotline.accepts), (2, Some(Duration::from_secs(5)), false));
    assert_eq!(ward.notices, BTreeMap::from([(SlotId::from("city"), Duration::from_secs(5))]));
    assert_eq!(ward.overrides, BTreeMap::from([(ScheduleId::from("centre"), Hours::Closed)]));
    assert_eq!(ward.expect.heard[1].as_str(), "notice:city");
    let keys: Vec<_> = ward.caller.presses.iter().map(|press| (press.digit.as_char(), press.after)).collect();
    assert_eq!(keys, [('1', None), ('*', None), ('3', Some(Duration::from_secs(95)))]);
    assert_eq!((ward.caller.waits, ward.others[0].dials), (Duration::from_secs(60), Duration::from_secs(20)));
    assert_eq!((ward.expect.priority, ward.expect.ended), (Some(2), Some(CallEnd::Served)));
    assert_eq!((&ward.expect.not_reached[..], ward.expect.heard.len()), (&[StepId::from("night")][..], 3));
    assert_eq!(silent.agents.iter().map(|one| one.agent.clone()).collect::<Vec<_>>(), [AgentId::from("ken"), AgentId::from("yuki")]);
    assert_eq!(silent.caller.waits, Duration::from_secs(600));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "golden files are read, and written anew when asked")]
fn every_mistake_of_an_example_is_told_in_these_words() {
    let folder = root().join("tests/flows/examples");
    let sources = city(&std::fs::read_to_string(folder.join("mistakes.yaml")).unwrap());
    let (_, problems) = examples(&read(sources.clone()), &sources);
    let plain = |text: String| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let told = [Tongue::En, Tongue::Ja].map(|tongue| plain(render(&problems, &sources, tongue, false))).join("\n\n");
    let golden = folder.join("mistakes.txt");
    if std::env::var_os("TORITSUGI_BLESS").is_some() {
        std::fs::write(&golden, &told).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), told);
}

#[test]
fn examples_without_a_flow_beside_them_are_named() {
    let mut sources = city(WELL);
    sources.last_mut().unwrap().path = "flows/town.tests.yaml".to_owned();
    let (all, problems) = examples(&read(sources.clone()), &sources);
    assert!(all.is_empty());
    assert_eq!(problems.iter().map(|p| (p.code, p.path.as_str())).collect::<Vec<_>>(), [("tests_without_flow", "flows/town.tests.yaml")]);
}

#[test]
fn a_file_cut_anywhere_is_read_without_a_panic() {
    let cuts = WELL.char_indices().map(|(at, _)| at);
    let some = cuts.filter(|at| examples_of(WELL.get(..*at).unwrap_or_default()) > 0).count();
    assert!(some > 100, "most cuts leave something to complain about: {some}");
}

/// How many problems there are.
fn examples_of(tests: &str) -> usize {
    let sources = city(tests);
    examples(&read(sources.clone()), &sources).1.len()
}
