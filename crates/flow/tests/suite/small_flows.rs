//! Every small flow of `flows/examples/`: without fault in the place of the city's own, and doing what its first lines say.

use crate::common::{files, known, root, shipped};
use flow::{Ask, Book, Heard, Run, Source, Standing, Tongue, check, read, render};
use model::{Digit, Estimate, FlowName, Instant, Lang, Millis, Now, NumberKind, QueueEnd, QueueFacts, SlotId, TransferEnd, UnixMillis};
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
    let mut now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
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
            Ask::StopRecording => run.handle(now, Heard::Recorded { kept: true }),
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
    assert_eq!(with.queues().count(), 6);
    assert_eq!(check(&with, &known(&shipped())).book.unwrap().flows.len(), 3);
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
    let mut now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
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
    for keys in [
        "2123#1",
        "212345", /* five are all there are */
        "2123wwww1",
        "29*123#1",
        "2123#2456#1",
        "212#123#1",
        "2123#wwwwwww1",
        "2123#71",
    ] {
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
        ("2123#77", "bad_key"),
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
        let mut now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
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
    let now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
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

#[test]
fn hash_ends_a_message_and_whoever_is_not_served_at_night_can_leave_one() {
    let (path, mut run) = path("voicemail", "2#");
    assert_eq!(path, ["main=2", "message=left", "thanks"]);
    assert_eq!(run.poll_output(), None);
    assert_eq!(self::path("voicemail", "2").0, ["main=2", "message"], "it records until something ends it");
    // The edge says nothing at all: the flow does not wait for ever.
    assert_eq!(self::path("voicemail", &format!("2{}", "w".repeat(141))).0, ["main=2", "message=failed", "sorry"]);
}

/// The same caller, at the lookup, to whom `heard` happens.
fn looked_up(heard: Heard) -> (Vec<String>, Run) {
    let (_, mut run) = path("lookup", "212345");
    let now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
    run.handle(now, heard);
    hear_out(&mut run, now);
    (run.path().to_vec(), run)
}

fn answered(answer: &str, ward: Option<&str>) -> Heard {
    let words = ward.map(|ward| ("ward".to_owned(), ward.to_owned())).into_iter().collect();
    Heard::Answered(flow::Answered { answer: answer.to_owned(), words })
}

#[test]
fn the_word_of_the_answer_decides_the_way_and_a_kept_word_the_rules() {
    assert_eq!(looked_up(answered("full", None)).0[2..], ["find=full", "no_room"]);
    assert_eq!(looked_up(answered("unknown", None)).0[2..], ["find=unknown", "not_found", "general"]);
    let (path, run) = looked_up(answered("found", Some("kawasaki")));
    assert_eq!((&path[2..], run.class()), (&["find=found".to_owned(), "which=rule1".to_owned(), "general".to_owned()][..], 1));
    assert_eq!(looked_up(answered("found", None)).0[2..], ["find=found", "which=otherwise", "general"]);
}

#[test]
fn whatever_else_comes_of_a_lookup_leads_to_failed() {
    assert_eq!(looked_up(Heard::NotAnswered).0[2..], ["find=failed", "general"]);
    assert_eq!(looked_up(answered("maybe", None)).0[2..], ["find=failed", "general"], "a word without a way");
    // Nobody says anything at all: four seconds, and two for the fence.
    assert_eq!(path("lookup", "212345wwwww").0[2..], ["find"]);
    assert_eq!(path("lookup", "212345wwwwwww").0[2..], ["find=failed", "general"]);
}

#[test]
fn a_lookup_is_sent_what_was_typed_and_says_so_to_nobody_else() {
    let mut run = Run::new(book("lookup"), &FlowName::from("city")).unwrap();
    let now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
    run.handle(now, Heard::Started);
    hear_out(&mut run, now);
    for key in "212345".chars() {
        run.handle(now, Heard::Digit(Digit::from_char(key).unwrap()));
        if key != '5' {
            hear_out(&mut run, now);
        }
    }
    let asks: Vec<Ask> = std::iter::from_fn(|| run.poll_output()).collect();
    let sent = asks.iter().find_map(|ask| if let Ask::Lookup { send, .. } = ask { send.get("ticket") } else { None });
    assert!(matches!(sent, Some(flow::Sent::Text(text)) if text.reveal() == "12345"));
    assert!(!format!("{asks:?} {:?}", run.position()).contains("12345"), "neither shown nor written down");
}

#[test]
fn an_answer_with_a_word_that_is_not_listed_cannot_be_used() {
    let (_, run) = path("lookup", "212345");
    let word =
        |answer: &str, ward: &str| flow::Answered { answer: answer.to_owned(), words: [("ward".to_owned(), ward.to_owned())].into() };
    assert!(run.can_use(&word("found", "saiwai")));
    assert!(!run.can_use(&word("found", "tokyo")) && !run.can_use(&word("maybe", "saiwai")));
}

/// The notice of the slot `city` in these languages, until the end of the hour.
fn standing(langs: &[&str]) -> Arc<Standing> {
    let langs = langs.iter().map(|lang| (Lang::from(*lang), Millis(3_000))).collect();
    let notice = flow::Notice { langs, until: UnixMillis(crate::common::MONDAY.0 + 3_600_000) };
    Arc::new(Standing { notices: [(SlotId::from("city"), notice)].into(), ..Standing::default() })
}

/// What a caller of the flow `notice` hears first, in seconds after Monday's opening, and the path when it is over.
fn heard_at(secs: i64, standing: Option<Arc<Standing>>) -> (Vec<String>, Vec<String>) {
    let mut run = Run::new(book("notice"), &FlowName::from("city")).unwrap();
    standing.into_iter().for_each(|standing| run.heed(standing));
    let now = Now { mono: Instant::from_millis(1_000_000), wall: UnixMillis(crate::common::MONDAY.0 + secs * 1_000) };
    run.handle(now, Heard::Started);
    let mut heard = Vec::new();
    while let Some(ask) = run.poll_output() {
        if let Ask::Prompt { sentences, .. } = ask {
            heard.extend(sentences.iter().map(|spoken| format!("{}.{}", spoken.prompt, spoken.lang)));
            run.handle(now, Heard::Played);
        }
    }
    (heard, run.path().to_vec())
}

#[test]
fn a_notice_is_heard_until_its_end_and_without_one_the_call_goes_on_in_the_same_instant() {
    let way = vec!["today".to_owned(), "general".to_owned()];
    assert_eq!(heard_at(0, None), (vec![], way.clone()), "nothing was set");
    assert_eq!(heard_at(0, Some(standing(&["ja"]))), (vec!["notice:city.ja".to_owned()], way.clone()));
    assert_eq!(heard_at(3_599, Some(standing(&["ja"]))).0, ["notice:city.ja"]);
    assert_eq!(heard_at(3_600, Some(standing(&["ja"]))), (vec![], way.clone()), "its time is over, though nobody tidied up");
    assert_eq!(heard_at(0, Some(standing(&[]))), (vec![], way), "no voice speaks it");
}

#[test]
fn whoever_speaks_no_language_of_a_notice_hears_it_in_its_first() {
    assert_eq!(heard_at(0, Some(standing(&["en", "ja"]))).0, ["notice:city.ja"]);
    assert_eq!(heard_at(0, Some(standing(&["en", "ko"]))).0, ["notice:city.en"]);
}

#[test]
fn a_notice_whose_end_nobody_reports_counts_as_heard() {
    let mut run = Run::new(book("notice"), &FlowName::from("city")).unwrap();
    run.heed(standing(&["ja"]));
    let mut now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
    run.handle(now, Heard::Started);
    now.mono = run.poll_timeout().unwrap();
    run.handle_timeout(now);
    assert_eq!(run.path(), ["today", "general"]);
}

/// A number is half typed, or read back, when the engine is restarted: the caller is asked again, and nothing typed before counts.
#[test]
fn a_restart_in_the_middle_of_a_number_asks_for_it_again() {
    for before in ["212", "2123#"] {
        let (_, run) = path("collect", before);
        let at: flow::Position = serde_json::from_str(&serde_json::to_string(&run.position()).unwrap()).unwrap();
        assert_eq!((at.step.as_str(), at.variables.get("card")), ("card", None), "{before}: nothing is given yet");
        let mut again = Run::resume(book("collect"), at).unwrap();
        let now = Now { mono: Instant::from_millis(2_000_000), wall: crate::common::MONDAY };
        // A key that comes before the engine speaks again belongs to no number.
        again.handle(now, Heard::Digit(Digit::from_char('9').unwrap()));
        again.handle(now, Heard::Started);
        let said = std::iter::from_fn(|| again.poll_output()).find_map(|ask| match ask {
            Ask::Prompt { sentences, .. } => Some(sentences[0].prompt.to_string()),
            _ => None,
        });
        assert_eq!(said.as_deref(), Some("example_card"), "{before}: asked from the beginning");
        again.handle(now, Heard::Played);
        for key in "456#".chars() {
            again.handle(now, Heard::Digit(Digit::from_char(key).unwrap()));
            hear_out(&mut again, now);
        }
        again.handle(now, Heard::Digit(Digit::from_char('1').unwrap()));
        hear_out(&mut again, now);
        assert_eq!(again.typed("card").unwrap().reveal(), "456", "{before}");
        assert_eq!(again.path()[1..], ["card", "card=given", "choose=rule1", "general"], "{before}");
    }
}

/// Where the rules of the example lead a worried caller, with another condition on the nurses' queue, when it stands so.
fn looked(condition: &str, facts: QueueFacts) -> Vec<String> {
    let mut example = examples().into_iter().find(|s| s.path.ends_with("rules.yaml")).unwrap();
    example.text = example.text.replacen("if: { staffed_under: 1 }", &format!("if: {{ {condition} }}"), 1);
    let sources = city(&example);
    let book = Arc::new(check(&read(sources.clone()), &known(&sources)).book.unwrap());
    let mut run = Run::new(book, &FlowName::from("city")).unwrap();
    let now = Now { mono: Instant::from_millis(1_000_000), wall: crate::common::MONDAY };
    run.handle(now, Heard::Started);
    hear_out(&mut run, now);
    run.handle(now, Heard::Digit(Digit::from_char('1').unwrap()));
    let looks = std::iter::from_fn(|| run.poll_output()).filter(|ask| matches!(ask, Ask::Look { queue, .. } if queue.as_str() == "nurse"));
    assert_eq!(looks.count(), 1, "{condition}: the queue is asked about once");
    run.handle(now, Heard::Facts(Some(facts)));
    hear_out(&mut run, now);
    run.path()[1..].to_vec()
}

#[test]
fn a_condition_on_a_queue_holds_beyond_its_bound_and_not_at_it() {
    let quiet = QueueFacts { staffed: 3, available: 2, ..QueueFacts::default() };
    let wait = |secs: u64| Some(Estimate { low: Millis(1_000), high: Millis(secs * 1000), support: 40, rose: None });
    let cases = [
        ("staffed_under: 1", QueueFacts { staffed: 0, ..quiet }, QueueFacts { staffed: 1, ..quiet }),
        ("available_under: 2", QueueFacts { available: 1, ..quiet }, QueueFacts { available: 2, ..quiet }),
        ("oldest_over: 2m", QueueFacts { oldest: Millis(120_001), ..quiet }, QueueFacts { oldest: Millis(120_000), ..quiet }),
        ("expected_wait_over: 10m", QueueFacts { expected: wait(601), ..quiet }, QueueFacts { expected: wait(600), ..quiet }),
        ("waiting_over: 5", QueueFacts { waiting: 6, ..quiet }, QueueFacts { waiting: 5, ..quiet }),
        ("service_under: 80%", QueueFacts { service_percent: Some(79), ..quiet }, QueueFacts { service_percent: Some(80), ..quiet }),
    ];
    for (condition, holds, does_not) in cases {
        assert_eq!(looked(condition, holds), ["choose=rule2", "nurse_oncall"], "{condition}");
        assert_eq!(looked(condition, does_not), ["choose=rule3", "nurse"], "{condition}");
    }
    // All of it must hold.
    let both = "staffed_under: 2, oldest_over: 2m";
    assert_eq!(looked(both, QueueFacts { staffed: 1, oldest: Millis(130_000), ..quiet }), ["choose=rule2", "nurse_oncall"]);
    assert_eq!(looked(both, QueueFacts { staffed: 1, ..quiet }), ["choose=rule3", "nurse"]);
}

/// A call to the flow of an example, this long after Monday's opening; nothing that it says was heard yet.
fn begun(name: &str, after: Duration) -> (Run, Now) {
    let mut run = Run::new(book(name), &FlowName::from("city")).unwrap().calling_from(Some(NumberKind::JpLandline));
    let wall = UnixMillis(crate::common::MONDAY.0 + i64::try_from(after.as_millis()).unwrap());
    let now = Now { mono: Instant::from_millis(1_000_000), wall };
    run.handle(now, Heard::Started);
    (run, now)
}

fn press(run: &mut Run, now: Now, key: char) {
    run.handle(now, Heard::Digit(Digit::from_char(key).unwrap()));
}

/// All that the run asks for until it waits for an answer, its notes left out.
fn asks(run: &mut Run) -> Vec<Ask> {
    std::iter::from_fn(|| run.poll_output()).filter(|ask| !matches!(ask, Ask::Note(_))).collect()
}

/// The names of the sentences that are asked for.
fn said(run: &mut Run) -> Vec<String> {
    let sentences = asks(run).into_iter().filter_map(|ask| if let Ask::Prompt { sentences, .. } = ask { Some(sentences) } else { None });
    sentences.flatten().map(|spoken| spoken.prompt.to_string()).collect()
}

/// The same caller waits, second by second, and hears every sentence to its end.
fn waits(run: &mut Run, now: &mut Now, secs: u64) {
    for _ in 0..secs {
        now.mono += Duration::from_secs(1);
        run.handle_timeout(*now);
        hear_out(run, *now);
    }
}

#[test]
fn a_key_stops_what_is_said_and_counts_unless_everybody_must_hear_it() {
    let (mut run, now) = begun("say", Duration::ZERO);
    assert_eq!(said(&mut run), ["welcome_119"]);
    press(&mut run, now, '1');
    assert_eq!((said(&mut run), run.path().to_vec()), (vec![], vec!["greeting".to_owned()]), "heard to its end");
    run.handle(now, Heard::Played);
    assert_eq!(said(&mut run), ["example_busy"]);
    press(&mut run, now, '1');
    assert_eq!(run.path(), ["greeting", "busy", "main=1", "nurse"], "the key is the answer to the question that comes next");
    assert_eq!(path("say", "").0, ["greeting", "busy", "main"]);
}

#[test]
fn a_menu_has_a_way_for_each_key_for_other_keys_and_for_none() {
    for (keys, way, to) in
        [("1", "1", "nurse"), ("2", "2", "general"), ("91", "1", "nurse"), ("77", "bad_key", "general"), ("72", "2", "general")]
    {
        let (path, _) = path("menu", keys);
        assert_eq!((path.first(), path.last()), (Some(&format!("main={way}")), Some(&to.to_owned())), "{keys}: {path:?}");
    }
    assert_eq!(path("menu", &"w".repeat(9)).0, ["main"], "twice five seconds");
    assert_eq!(path("menu", &"w".repeat(10)).0, ["main=silent", "nurse"]);
    assert_eq!(path("menu", "wwww9wwwwww").0, ["main"], "whoever asks for it again has not been silent");
}

#[test]
fn the_hours_decide_and_a_holiday_is_told_from_a_monday() {
    const HOUR: u64 = 3600;
    let way = |hours: u64| {
        let (mut run, now) = begun("schedule", Duration::from_secs(hours * HOUR));
        hear_out(&mut run, now);
        run.path().to_vec()
    };
    assert_eq!(way(0), ["hours=open", "general"]);
    assert_eq!(way(11), ["hours=closed", "night", "nurse_oncall"], "at nine in the evening");
    // Seven weeks later: Marine Day.
    assert_eq!(way(49 * 24), ["hours=holiday", "holiday", "general"]);
    assert_eq!(way(49 * 24 + 11), ["hours=closed", "night", "nurse_oncall"]);
}

#[test]
fn a_queue_without_nurses_is_not_joined() {
    for (staffed, way) in [(0, vec!["nurse=instead", "general"]), (1, vec!["nurse"])] {
        let (mut run, now) = begun("queue", Duration::ZERO);
        assert!(matches!(asks(&mut run).as_slice(), [Ask::Look { queue }] if queue.as_str() == "nurse"));
        run.handle(now, Heard::Facts(Some(QueueFacts { staffed, ..QueueFacts::default() })));
        assert_eq!(run.path(), way, "{staffed}");
    }
}

/// A caller of this flow who has a place in the first queue, and has heard the first words there.
fn queued(name: &str) -> (Run, Now) {
    let (mut run, now) = begun(name, Duration::ZERO);
    hear_out(&mut run, now);
    run.handle(now, Heard::Queued { since: now.mono, position: 3 });
    hear_out(&mut run, now);
    (run, now)
}

#[test]
fn whoever_waits_moves_by_key_by_time_or_when_nobody_is_left() {
    let (mut run, mut now) = queued("queue");
    press(&mut run, now, '0');
    waits(&mut run, &mut now, 59);
    press(&mut run, now, '0');
    assert_eq!(run.path(), ["nurse"], "the key counts once it has been said");
    waits(&mut run, &mut now, 1);
    press(&mut run, now, '0');
    assert_eq!(run.path(), ["nurse=0", "general"]);

    let (mut run, mut now) = queued("queue");
    waits(&mut run, &mut now, 299);
    assert_eq!(run.path(), ["nurse"]);
    waits(&mut run, &mut now, 2);
    assert_eq!(run.path().last().map(String::as_str), Some("general"), "{:?}", run.path());

    for end in [QueueEnd::NobodyLoggedIn, QueueEnd::Full] {
        let (mut run, now) = queued("queue");
        run.handle(now, Heard::Refused(end));
        assert_eq!(run.path().last().map(String::as_str), Some("general"), "{end:?}");
    }
}

#[test]
fn a_callback_is_booked_by_one_key_and_nothing_is_lost_by_none() {
    let offered = |from| {
        let (mut run, mut now) = queued("callback");
        run = run.calling_from(from);
        waits(&mut run, &mut now, 31);
        press(&mut run, now, '1');
        (run, now)
    };
    let (mut run, now) = offered(Some(NumberKind::JpMobile));
    assert_eq!(said(&mut run), ["callback_offer"]);
    press(&mut run, now, '1');
    let terms = asks(&mut run).into_iter().find_map(|ask| if let Ask::Callback { terms, .. } = ask { Some(terms) } else { None }).unwrap();
    assert_eq!((terms.attempts, terms.spacing, terms.expires), (3, Duration::from_secs(600), Duration::from_secs(86_400)));
    run.handle(now, Heard::CallbackBooked);
    assert_eq!(run.path(), ["nurse=1", "offer=booked", "booked"]);

    let (mut run, mut now) = offered(Some(NumberKind::JpMobile));
    hear_out(&mut run, now);
    waits(&mut run, &mut now, 7);
    assert_eq!(run.path(), ["nurse=1", "offer=silent", "nurse"]);

    for from in [None, Some(NumberKind::JpIp)] {
        let (mut run, now) = offered(from);
        assert_eq!(said(&mut run), ["callback_not_possible"], "{from:?}: never asked");
        hear_out(&mut run, now);
        run.handle(now, Heard::Played);
        assert_eq!(run.path().last().map(String::as_str), Some("nurse"));
    }
}

#[test]
fn a_ward_hears_what_it_is_about_and_whoever_is_not_put_through_is_told_so() {
    let at_the_line = || {
        let (mut run, now) = begun("transfer", Duration::ZERO);
        hear_out(&mut run, now);
        press(&mut run, now, '2');
        (run, now)
    };
    let (mut run, now) = at_the_line();
    let called = asks(&mut run).into_iter().find_map(|ask| match ask {
        Ask::Transfer { line, brief, timeout, .. } => Some((line.to_string(), brief.unwrap()[0].prompt.to_string(), timeout)),
        _ => None,
    });
    assert_eq!(called, Some(("ward/saiwai".to_owned(), "brief_ward".to_owned(), Duration::from_secs(30))));
    run.handle(now, Heard::Connected);
    assert_eq!(run.path(), ["main=2", "hotline"]);
    for how in [TransferEnd::Busy, TransferEnd::NoAnswer, TransferEnd::Refused, TransferEnd::AtCapacity, TransferEnd::Failed] {
        let (mut run, now) = at_the_line();
        asks(&mut run);
        run.handle(now, Heard::NotTransferred(how));
        assert_eq!(said(&mut run), ["example_not_reached"], "{how:?}");
        run.handle(now, Heard::Played);
        assert_eq!(run.path().last().map(String::as_str), Some("general"), "{how:?}");
    }
}

#[test]
fn nobody_is_hung_up_on_before_the_last_word() {
    let (mut run, now) = begun("hang_up", Duration::ZERO);
    hear_out(&mut run, now);
    press(&mut run, now, '1');
    assert_eq!(said(&mut run), ["example_hours", "goodbye"]);
    press(&mut run, now, '1');
    assert_eq!(asks(&mut run), [], "a key cuts nothing");
    run.handle(now, Heard::Played);
    assert_eq!(asks(&mut run), [Ask::HangUp]);
    assert_eq!(path("hang_up", &"w".repeat(14)).0, ["main=silent", "general"], "silence ends at a person");
}
