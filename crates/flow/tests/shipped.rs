//! The city that is shipped: it must be without fault, and keep its promises.

mod common;

use common::{known, shipped};
use flow::{Form, Tongue, check, paths, read, render, sentences};
use model::{AgentId, FlowName, Lang, Millis, Number, QueueId};
use std::collections::BTreeSet;

#[test]
fn the_shipped_city_has_no_problem_at_all() {
    let sources = shipped();
    let checked = check(&read(sources.clone()), &known(&sources));
    assert!(checked.problems.is_empty(), "{}", render(&checked.problems, &sources, Tongue::En, false));
    let book = checked.book.unwrap();
    assert_eq!(book.numbers.get("0440000000"), Some(&FlowName::from("city")));
    assert_eq!(book.agents.keys().map(AgentId::as_str).collect::<Vec<_>>(), ["hana", "ken", "mio", "yuki"]);
    assert_eq!(book.queues.keys().map(QueueId::as_str).collect::<Vec<_>>(), ["general", "nurse", "nurse_oncall"]);
    assert_eq!(book.settings, model::Settings::default(), "what is shipped is what stands without a file");
}

#[test]
fn a_general_agent_never_gets_a_medical_call() {
    let sources = shipped();
    let book = check(&read(sources.clone()), &known(&sources)).book.unwrap();
    for queue in ["nurse", "nurse_oncall"] {
        let queue = &book.queues[&QueueId::from(queue)];
        for agent in ["ken", "hana"] {
            let skills = &book.agents[&AgentId::from(agent)].skills;
            assert!(queue.needs.iter().any(|need| skills.get(&need.skill).is_none_or(|has| *has < need.level)), "{agent}");
        }
    }
}

#[test]
fn the_budget_holds_with_real_japanese_lengths() {
    let sources = shipped();
    let reach = paths(&read(sources.clone()), &known(&sources));
    assert_eq!(reach.len(), 1);
    assert!(reach[0].pressing.unwrap() <= Millis(30_000), "{reach:?}");
    assert!(reach[0].silent.unwrap() <= Millis(75_000), "{reach:?}");
    assert!(reach[0].mandatory <= Millis(10_000), "{reach:?}");
}

#[test]
fn the_first_words_come_first_and_everything_is_named_once() {
    let all = sentences(&read(shipped()));
    assert_eq!(all[0].spoken.prompt.as_str(), "welcome_119");
    let names: BTreeSet<_> = all.iter().map(|s| &s.spoken).collect();
    assert_eq!(names.len(), all.len());
    let find = |prompt: &str, lang: &str, value| {
        all.iter().find(|s| s.spoken.prompt.as_str() == prompt && s.spoken.lang == Lang::from(lang) && s.spoken.value == value)
    };
    let files = |s: &str| Some(Form::Files(s.split(' ').map(str::to_owned).collect()));
    assert_eq!(find("queue_position", "en", Some(7)).map(|s| s.form.clone()), files("en/you_are_number.wav en/n/7.wav en/in_line.wav"));
    assert_eq!(find("calm", "music", None).map(|s| s.form.clone()), files("music/calm.wav"));
    assert!(matches!(&find("queue_position", "ja", Some(30)).unwrap().form, Form::Text { text, .. } if text.contains("30番目")));
    assert!(find("queue_position", "ja", Some(31)).is_none());
    for staff in ["agent_ready", "agent_break", "agent_wrap_up_done"] {
        assert!(find(staff, "ja", None).is_some() && find(staff, "en", None).is_some(), "{staff}");
    }
}

#[test]
fn the_numbers_are_obviously_invented() {
    let book = check(&read(shipped()), &known(&shipped())).book.unwrap();
    assert!(book.numbers.keys().map(Number::as_str).all(|n| n.starts_with("04400000")));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asks whether the recordings that are named are shipped")]
fn every_recording_that_is_named_is_there() {
    let folder = common::root().join("flows/prompts/recorded");
    let files = sentences(&read(shipped())).into_iter().filter_map(|s| if let Form::Files(files) = s.form { Some(files) } else { None });
    let missing: BTreeSet<String> = files.flatten().filter(|file| std::fs::metadata(folder.join(file)).is_err()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn problems_can_be_read_by_programs() {
    let mut sources = shipped();
    sources.retain(|s| s.path != "config/lines.yaml");
    let checked = check(&read(sources.clone()), &known(&sources));
    let json: serde_json::Value = serde_json::from_str(&flow::json(&checked.problems)).unwrap();
    assert_eq!(json[0]["code"], "no_line");
    assert_eq!(json[0]["severity"], "error");
    assert_eq!(json[0]["line"], 1);
}
