//! The city that is shipped: it must be without fault, and keep its promises.

use crate::common::{known, shipped};
use flow::{Form, Tongue, check, paths, read, render, sentences};
use model::{AgentId, Hours, KeptFor, Lang, Millis, Number, QueueId};
use std::collections::BTreeSet;

#[test]
fn the_shipped_city_has_no_problem_at_all() {
    let sources = shipped();
    let checked = check(&read(sources.clone()), &known(&sources));
    assert!(checked.problems.is_empty(), "{}", render(&checked.problems, &sources, Tongue::En, false));
    let book = checked.book.unwrap();
    let numbers: Vec<_> = book.numbers.iter().map(|(number, flow)| (number.as_str(), flow.as_str())).collect();
    assert_eq!(numbers, [("0440000000", "city"), ("0440000002", "vaccination"), ("0440000009", "disaster")]);
    assert_eq!(book.agents.keys().map(AgentId::as_str).collect::<Vec<_>>(), ["hana", "ken", "lin", "mio", "paula", "sora", "yuki"]);
    assert_eq!(
        book.queues.keys().map(QueueId::as_str).collect::<Vec<_>>(),
        ["disaster", "general", "interpreter", "nurse", "nurse_oncall", "vaccination"]
    );
    assert_eq!(book.settings, model::Settings::default(), "what is shipped is what stands without a file");
}

#[test]
fn at_night_callers_are_led_to_the_queues_of_the_night() {
    let sources = shipped();
    let book = check(&read(sources.clone()), &known(&sources)).book.unwrap();
    let open = |hours: Hours| {
        let open = book.queues_open(|_| Some(hours));
        book.queues.keys().map(QueueId::as_str).filter(|queue| open.contains(*queue)).collect::<Vec<_>>()
    };
    assert_eq!(open(Hours::Closed), ["disaster", "nurse_oncall"]);
    assert_eq!(open(Hours::Open), ["disaster", "general", "nurse", "vaccination"]);
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
    assert_eq!(reach[0].lang.as_str(), "ja");
    assert!(reach[0].silent.unwrap() <= Millis(75_000), "{reach:?}");
    for reach in &reach {
        assert!(reach.typical.unwrap() <= reach.pressing.unwrap(), "{reach:?}");
        let promised = if reach.flow.as_str() == "city" { Millis(30_000) } else { reach.budget.pressing.unwrap() };
        assert!(reach.pressing.unwrap() <= promised, "{reach:?}");
        assert!(reach.mandatory <= Millis(10_000) && reach.kept(), "{reach:?}");
        assert!(reach.routes.iter().all(|route| route.steps.len() >= 2), "{reach:?}");
    }
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
    assert_eq!(find("queue_position", "en", Some(7)).map(|s| s.form.clone()), files("en/ahead_before.wav en/n/6.wav en/ahead_after.wav"));
    assert_eq!(find("calm", "music", None).map(|s| s.form.clone()), files("music/calm.wav"));
    assert!(matches!(&find("queue_position", "ja", Some(30)).unwrap().form, Form::Text { text, .. } if text.contains("30番目")));
    assert!(find("queue_position", "ja", Some(31)).is_none());
    for staff in ["agent_ready", "agent_break", "agent_wrap_up_done"] {
        assert!(find(staff, "ja", None).is_some() && find(staff, "en", None).is_some(), "{staff}");
    }
}

#[test]
fn a_wait_is_laid_out_for_the_eight_figures_that_are_spoken() {
    let all = sentences(&read(shipped()));
    let figures = |prompt: &str, lang: &str| -> Vec<u32> {
        let of = all.iter().filter(|s| s.spoken.prompt.as_str() == prompt && s.spoken.lang == Lang::from(lang));
        of.filter_map(|s| s.spoken.value).collect()
    };
    assert_eq!(find_lengths(&all), 8 * (8 + 8 + 30));
    for lang in LANGUAGES {
        assert_eq!(figures("queue_wait", lang), [1, 2, 3, 5, 10, 15, 20, 30], "{lang}");
        assert_eq!(figures("queue_wait_longer", lang).len(), 8, "{lang}");
        assert_eq!(figures("queue_position", lang).len(), 30, "{lang}");
    }
    let five =
        all.iter().find(|s| s.spoken.prompt.as_str() == "queue_wait" && s.spoken.value == Some(5) && s.spoken.lang == Lang::from("en"));
    assert_eq!(five.unwrap().form, Form::Files(vec!["en/wait_about.wav".to_owned(), "en/minutes/5.wav".to_owned()]));
}

/// Every language that the city offers.
const LANGUAGES: [&str; 8] = ["ja", "en", "ja-easy", "zh", "ko", "pt", "es", "vi"];

/// How many sentences with a changing word there are, for callers.
fn find_lengths(all: &[flow::Sentence]) -> usize {
    all.iter().filter(|s| s.spoken.value.is_some() && s.spoken.prompt.as_str().starts_with("queue_")).count()
}

#[test]
fn what_callers_hear_is_there_in_all_eight_languages() {
    let sources = shipped();
    let book = check(&read(sources.clone()), &known(&sources)).book.unwrap();
    assert_eq!(book.flows.len(), 3);
    for flow in book.flows.values() {
        assert_eq!(flow.offered().map(Lang::as_str).collect::<Vec<_>>(), LANGUAGES, "{}", flow.name());
    }
    let texts =
        |prompt: &str| book.sentences.iter().filter(|s| s.spoken.prompt.as_str() == prompt && s.spoken.lang.as_str() != "music").count();
    let staff = ["agent_", "whisper_", "brief_", "transfer_", "break/", "digit_"];
    let plain = book.sentences.iter().filter(|s| s.spoken.value.is_none() && s.spoken.lang.as_str() != "music");
    for prompt in plain.map(|s| s.spoken.prompt.as_str()).filter(|name| !staff.iter().any(|prefix| name.starts_with(prefix))) {
        assert_eq!(texts(prompt), LANGUAGES.len(), "{prompt}");
    }
}

#[test]
fn each_language_counts_those_ahead_in_its_own_forms() {
    let sources = shipped();
    let draft = read(sources);
    let said = |lang: &str, place| {
        let spoken = flow::Spoken { prompt: model::PromptId::from("queue_position"), lang: Lang::from(lang), value: Some(place) };
        draft.words(&spoken).unwrap()
    };
    assert_eq!(
        [1, 2, 3].map(|place| said("pt", place)),
        ["Você é a próxima pessoa da fila.", "Há uma pessoa na sua frente.", "Há 2 pessoas na sua frente."]
    );
    assert_eq!([1, 2, 3].map(|place| said("zh", place)), ["下一位就是您。", "您前面还有1位。", "您前面还有2位。"]);
    assert_eq!(said("ja", 3), "ただいま3番目にお待ちいただいております。");
}

#[test]
fn the_numbers_are_obviously_invented() {
    let book = check(&read(shipped()), &known(&shipped())).book.unwrap();
    let wards: Vec<_> = book.lines.iter().filter_map(|line| Some((line.id.as_str(), line.target.as_ref()?))).collect();
    assert_eq!(wards.len(), 7);
    assert!(
        book.numbers.keys().chain(wards.iter().map(|(_, target)| &target.number)).map(Number::as_str).all(|n| n.starts_with("04400000"))
    );
    for (ward, target) in wards {
        assert!(ward.starts_with("ward/") && target.lines == 2, "{ward}");
        let trunk = book.lines.iter().find(|line| target.trunks.first() == Some(&line.id)).and_then(|line| line.trunk.as_ref());
        assert!(trunk.is_some_and(|trunk| trunk.machines[0].addr.ip().is_loopback()), "{ward}: what is shipped calls nobody outside");
    }
}

#[test]
fn nurses_help_the_general_queue_and_one_is_always_kept_for_those_who_are_worried() {
    let book = check(&read(shipped()), &known(&shipped())).book.unwrap();
    let queue = |id: &str| &book.queues[&QueueId::from(id)];
    assert_eq!(queue("general").helped_by, [QueueId::from("nurse")]);
    assert!(queue("nurse").helped_by.is_empty() && queue("nurse_oncall").helped_by.is_empty(), "never the reverse");
    let reserve = queue("nurse").reserve.as_ref().unwrap();
    assert_eq!(
        (reserve.keep, reserve.of.as_str(), &reserve.kept_for),
        (1, "nurse", &KeptFor::Queues(vec!["nurse".into(), "nurse_oncall".into()]))
    );
    assert_eq!(["nurse", "nurse_oncall", "general"].map(|id| queue(id).label.as_str()), ["看護", "看護当直", "一般"]);
    assert!(book.queues.values().all(|queue| queue.code.is_some() && !queue.whisper.is_empty() && !queue.show_number));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asks whether the recordings that are named are shipped")]
fn every_recording_that_is_named_is_there() {
    let folder = crate::common::root().join("flows/prompts/recorded");
    let files = sentences(&read(shipped())).into_iter().filter_map(|s| if let Form::Files(files) = s.form { Some(files) } else { None });
    let missing: BTreeSet<String> = files.flatten().filter(|file| std::fs::metadata(folder.join(file)).is_err()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn problems_can_be_read_by_programs() {
    let mut sources = shipped();
    sources.retain(|s| s.path != "config/lines.yaml");
    let checked = check(&read(sources.clone()), &known(&sources));
    let json: serde_json::Value = serde_json::from_str(&flow::json(&checked.problems, &sources, Tongue::En)).unwrap();
    assert_eq!(json[0]["code"], "no_line");
    assert_eq!(json[0]["severity"], "error");
    assert_eq!(json[0]["line"], 1);
}
