//! One caller's way through the shipped city.

mod common;

use common::{known, shipped};
use flow::{Ask, Book, Heard, Note, Position, Run, Wanted, check, read};
use model::{Digit, FlowName, Instant, KeyMeaning, Now, QueueEnd, QueueFacts, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// 2026-06-01 03:00 in Tokyo.
const NIGHT: UnixMillis = UnixMillis(1_780_250_400_000);
/// 2021-04-29 10:00 in Tokyo, a national holiday.
const HOLIDAY: UnixMillis = UnixMillis(1_619_658_000_000);

fn book() -> Arc<Book> {
    let sources = shipped();
    Arc::new(check(&read(sources.clone()), &known(&sources)).book.unwrap())
}

/// The shipped city with one file changed.
fn changed(path: &str, from: &str, to: &str) -> Arc<Book> {
    let mut sources = shipped();
    let source = sources.iter_mut().find(|s| s.path == path).unwrap();
    assert!(source.text.contains(from), "{from}");
    source.text = source.text.replace(from, to);
    let checked = check(&read(sources.clone()), &known(&sources));
    Arc::new(checked.book.unwrap_or_else(|| panic!("{:#?}", checked.problems)))
}

/// A caller, and the little of the engine that a run needs.
struct Resident {
    run: Run,
    now: Now,
    /// How every queue stands, when the run asks.
    facts: Option<QueueFacts>,
}

impl Resident {
    fn calls(book: Arc<Book>, wall: UnixMillis) -> (Resident, Vec<String>) {
        let run = Run::new(book, &FlowName::from("city")).unwrap();
        let mut resident = Resident { run, now: Now { mono: Instant::from_millis(1_000_000), wall }, facts: None };
        let heard = resident.tell(Heard::Started);
        (resident, heard)
    }
    /// As far as the main menu, in one language.
    fn at_main(key: char) -> Resident {
        let (mut resident, _) = Resident::calls(book(), common::MONDAY);
        resident.tell(Heard::Played);
        resident.press(key);
        resident
    }
    /// As far as a place in the nurse's queue.
    fn waits_for_a_nurse(position: u32) -> Resident {
        let mut resident = Resident::at_main('1');
        resident.press('1');
        let since = resident.now.mono;
        resident.tell(Heard::Queued { since, position });
        resident
    }
    fn tell(&mut self, heard: Heard) -> Vec<String> {
        self.run.handle(self.now, heard);
        self.drain()
    }
    fn press(&mut self, key: char) -> Vec<String> {
        self.tell(Heard::Digit(Digit::from_char(key).unwrap()))
    }
    /// Time passes; every timer that comes due is told.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        let until = self.now.mono + time;
        let mut asked = Vec::new();
        while let Some(at) = self.run.poll_timeout().filter(|at| *at <= until) {
            // What came due while an agent talked is due at once.
            self.now.mono = at.max(self.now.mono);
            self.run.handle_timeout(self.now);
            asked.extend(self.drain());
        }
        self.now.mono = until;
        asked
    }
    fn secs(&mut self, secs: u64) -> Vec<String> {
        self.wait(Duration::from_secs(secs))
    }
    fn drain(&mut self) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(ask) = self.run.poll_output() {
            // A queue tells at once how it stands.
            match ask {
                Ask::Look { .. } => self.run.handle(self.now, Heard::Facts(self.facts)),
                ask => asked.extend(told(ask)),
            }
        }
        asked
    }
}

/// An ask in few words; steps entered are told by the path.
fn told(ask: Ask) -> Option<String> {
    Some(match ask {
        Ask::Prompt { sentences, barge_in } => {
            let words: Vec<String> = sentences
                .iter()
                .map(|s| format!("{}.{}{}", s.prompt, s.lang, s.value.map(|v| format!("({v})")).unwrap_or_default()))
                .collect();
            format!("{} {}", if barge_in { "say" } else { "insist" }, words.join(" "))
        }
        Ask::Music(music) => format!("music {}.{}", music.prompt, music.lang),
        Ask::Hush => "hush".to_owned(),
        Ask::Enqueue(Wanted { queue, needs, lang, class, .. }) => {
            let needs: Vec<String> = needs.iter().map(|n| format!("{}:{}", n.skill, n.level.get())).collect();
            format!("enqueue {queue} [{}] {lang} {class}", needs.join(" "))
        }
        Ask::Look { queue } => format!("look {queue}"),
        Ask::Transfer { line, brief, timeout, keep_place } => {
            let brief = brief
                .map_or("blind".to_owned(), |brief| brief.iter().map(|s| format!("{}.{}", s.prompt, s.lang)).collect::<Vec<_>>().join(" "));
            format!("transfer {line} ({brief}) {} s{}", timeout.as_secs(), if keep_place { ", place kept" } else { "" })
        }
        Ask::Callback { wanted, .. } => format!("callback {}", wanted.queue),
        Ask::Told { estimate } => format!("told at most {} s", estimate.high.0 / 1000),
        Ask::LeaveQueue => "leave queue".to_owned(),
        Ask::HangUp => "hang up".to_owned(),
        Ask::Note(Note::StepEntered { .. }) => return None,
        Ask::Note(Note::Pressed { step, digit, meaning }) => match meaning {
            KeyMeaning::Choice => return None,
            KeyMeaning::Unknown => format!("unknown {digit} at {step}"),
            KeyMeaning::Ignored => format!("ignored {digit} at {step}"),
        },
        Ask::Note(Note::NoInput { step }) => format!("no input at {step}"),
    })
}

#[test]
fn a_worried_caller_presses_one_and_one_and_waits_for_a_nurse() {
    let (mut caller, heard) = Resident::calls(book(), common::MONDAY);
    assert_eq!(heard, ["insist welcome_119.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["say choose_language.ja welcome_119.en choose_language.en"]);
    assert_eq!(caller.press('1'), ["say main_menu.ja"]);
    assert_eq!(caller.press('1'), ["enqueue nurse [nurse:3 ja:1] ja 1"]);
    let since = caller.now.mono;
    assert_eq!(caller.tell(Heard::Queued { since, position: 2 }), ["say nurse_welcome.ja"]);
    assert_eq!(caller.run.path(), ["greeting", "language=1", "hours=open", "main=1", "nurse"]);
    assert_eq!(caller.tell(Heard::Played), ["music calm.music"]);
    assert_eq!(caller.secs(10), ["say queue_position.ja(2)"]);
    assert_eq!(caller.tell(Heard::Played), ["music calm.music"]);
    assert_eq!(caller.tell(Heard::Connected), Vec::<String>::new());
    assert_eq!(caller.run.poll_timeout(), None, "quiet while two people talk");
    assert_eq!(caller.press('0'), Vec::<String>::new());
    assert_eq!(caller.secs(3600), Vec::<String>::new());
    assert_eq!(caller.tell(Heard::Served), ["hang up"]);
}

#[test]
fn english_is_chosen_and_stays() {
    let mut caller = Resident::at_main('2');
    assert_eq!(caller.run.lang().as_str(), "en");
    assert_eq!(caller.press('2'), ["enqueue general [general:1 en:1] en 0"]);
    let since = caller.now.mono;
    assert_eq!(caller.tell(Heard::Queued { since, position: 1 }), ["insist queue_welcome.en"]);
}

#[test]
fn whoever_presses_nothing_reaches_a_person() {
    let (mut caller, _) = Resident::calls(book(), common::MONDAY);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(4), Vec::<String>::new());
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(5), ["no input at language", "say main_menu.ja"]);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(7), ["no input at main", "say main_menu.ja"]);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(7), ["no input at main", "enqueue general [general:1 ja:1] ja 0"]);
    assert_eq!(caller.run.path(), ["greeting", "language=silent", "hours=open", "main=silent", "general"]);
}

#[test]
fn the_time_for_a_key_counts_from_the_end_of_the_sentence() {
    let mut caller = Resident::at_main('1');
    assert_eq!(caller.secs(20), Vec::<String>::new(), "the sentence still sounds");
    caller.tell(Heard::Played);
    assert_eq!(caller.wait(Duration::from_millis(6_999)), Vec::<String>::new());
    assert_eq!(caller.wait(Duration::from_millis(1)), ["no input at main", "say main_menu.ja"]);
}

#[test]
fn keys_that_mean_nothing_are_forgiven_once() {
    let mut caller = Resident::at_main('1');
    assert_eq!(caller.press('7'), ["unknown 7 at main", "say try_again.ja main_menu.ja"]);
    assert_eq!(caller.press('8'), ["unknown 8 at main", "enqueue general [general:1 ja:1] ja 0"]);
    assert_eq!(caller.run.path().last().map(String::as_str), Some("general"));
}

#[test]
fn nine_says_it_again_and_star_changes_the_language() {
    let mut caller = Resident::at_main('1');
    for _ in 0..5 {
        assert_eq!(caller.press('9'), ["say main_menu.ja"]);
    }
    assert_eq!(caller.press('*'), ["say choose_language.ja welcome_119.en choose_language.en"]);
    assert_eq!(caller.press('2'), ["say main_menu.en"]);
}

#[test]
fn a_key_during_the_119_advice_is_ignored() {
    let (mut caller, _) = Resident::calls(book(), common::MONDAY);
    assert_eq!(caller.press('1'), ["ignored 1 at greeting"]);
    assert_eq!(caller.tell(Heard::Played), ["say choose_language.ja welcome_119.en choose_language.en"]);
}

#[test]
fn at_night_silence_reaches_the_nurse_on_call() {
    let (mut caller, _) = Resident::calls(book(), NIGHT);
    caller.tell(Heard::Played);
    assert_eq!(caller.press('1'), ["say night_menu.ja"]);
    for expected in [vec!["no input at night", "say night_menu.ja"], vec!["no input at night", "enqueue nurse_oncall [nurse:3 ja:1] ja 1"]]
    {
        caller.tell(Heard::Played);
        assert_eq!(caller.secs(6), expected);
    }
    assert_eq!(caller.run.path(), ["greeting", "language=1", "hours=closed", "night=silent", "nurse_oncall"]);
}

#[test]
fn at_night_other_questions_are_told_when_to_call() {
    let (mut caller, _) = Resident::calls(book(), NIGHT);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.press('2'), ["insist night_information.ja goodbye.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["hang up"]);
    assert_eq!(caller.tell(Heard::Played), Vec::<String>::new(), "over is over");
}

#[test]
fn a_holiday_is_told_from_a_weekday() {
    let (mut caller, _) = Resident::calls(book(), HOLIDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.run.path(), ["greeting", "language=1", "hours=holiday", "main"]);
}

#[test]
fn nobody_at_all_is_said_honestly() {
    let mut caller = Resident::at_main('1');
    caller.press('1');
    let refused = Heard::Refused(QueueEnd::NobodyLoggedIn);
    assert_eq!(caller.tell(refused.clone()), ["enqueue nurse_oncall [nurse:3 ja:1] ja 1"]);
    assert_eq!(caller.tell(refused), ["insist sorry_call_119_or_later.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["hang up"]);
    assert_eq!(caller.run.path().last().map(String::as_str), Some("sorry"));
}

#[test]
fn moving_to_the_general_queue_by_key_is_one_ask() {
    let mut caller = Resident::waits_for_a_nurse(4);
    assert_eq!(caller.press('0'), ["enqueue general [general:1 ja:1] ja 0"]);
}

#[test]
fn a_key_that_cuts_an_announcement_brings_the_music_back() {
    let mut caller = Resident::waits_for_a_nurse(4);
    assert_eq!(caller.press('5'), ["unknown 5 at nurse", "music calm.music"]);
    assert_eq!(caller.press('5'), ["unknown 5 at nurse"], "music that plays is left alone");
}

#[test]
fn the_place_is_said_again_only_when_it_is_better() {
    let mut caller = Resident::waits_for_a_nurse(3);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(10), ["say queue_position.ja(3)"]);
    caller.tell(Heard::Played);
    caller.tell(Heard::Place { position: 3, wait: None });
    assert_eq!(caller.secs(45), Vec::<String>::new());
    caller.tell(Heard::Place { position: 2, wait: None });
    assert_eq!(caller.secs(45), ["say queue_position.ja(2)"]);
    assert_eq!(caller.tell(Heard::Played), ["music calm.music"]);
}

#[test]
fn a_place_far_back_is_not_spoken() {
    let mut caller = Resident::waits_for_a_nurse(31);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(60), Vec::<String>::new());
    caller.tell(Heard::Place { position: 30, wait: None });
    assert_eq!(caller.secs(45), ["say queue_position.ja(30)"]);
}

#[test]
fn after_five_minutes_the_nurse_on_call_helps_once() {
    let mut caller = Resident::waits_for_a_nurse(1);
    caller.tell(Heard::Played);
    let mut asked = Vec::new();
    for _ in 0..300 {
        asked = caller.secs(1);
        if asked.iter().any(|ask| ask.starts_with("say")) {
            caller.tell(Heard::Played);
        }
        if asked.iter().any(|ask| ask.starts_with("enqueue")) {
            break;
        }
    }
    assert_eq!(asked, ["enqueue nurse_oncall [nurse:3 ja:1] ja 1"]);
    assert_eq!(caller.now.mono, Instant::from_millis(1_300_000));
    let since = Instant::from_millis(1_000_000);
    assert_eq!(caller.tell(Heard::Queued { since, position: 1 }), ["insist nurse_welcome.ja"]);
    assert_eq!(caller.run.position().rungs.len(), 1);
    assert!(caller.secs(600).iter().all(|ask| !ask.starts_with("enqueue")), "no caller circles");
}

#[test]
fn a_rung_that_leads_back_fires_once_and_costs_no_place() {
    let book = changed(
        "flows/city.yaml",
        "    outcomes: { nobody_logged_in: nobody, full: nobody }",
        "    outcomes: { nobody_logged_in: nobody, full: nobody, waited: [ { longer_than: 1m, if: { priority: normal }, next: patience } ] }\n  patience: { say: general_long_wait, next: general }",
    );
    let (mut caller, _) = Resident::calls(book, common::MONDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.press('2'), ["enqueue general [general:1 ja:1] ja 0"]);
    let since = caller.now.mono;
    caller.tell(Heard::Queued { since, position: 1 });
    caller.tell(Heard::Played);
    caller.secs(10);
    caller.tell(Heard::Played);
    caller.secs(35);
    caller.tell(Heard::Place { position: 1, wait: None });
    assert_eq!(caller.secs(15), ["leave queue", "say general_long_wait.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["enqueue general [general:1 ja:1] ja 0"]);
    caller.tell(Heard::Queued { since, position: 1 });
    assert!(caller.secs(3600).iter().all(|ask| ask != "leave queue"));
}

#[test]
fn an_agent_who_is_lost_gives_the_caller_back_to_the_music() {
    let mut caller = Resident::waits_for_a_nurse(1);
    caller.tell(Heard::Connected);
    assert_eq!(caller.tell(Heard::Returned), ["music calm.music"]);
    caller.tell(Heard::Place { position: 1, wait: None });
    assert_eq!(caller.secs(10), ["say queue_position.ja(1)"]);
    caller.tell(Heard::Connected);
    assert_eq!(caller.tell(Heard::Served), ["hang up"]);
}

#[test]
fn a_queue_that_closes_while_people_wait_lets_them_out() {
    let mut caller = Resident::waits_for_a_nurse(1);
    assert_eq!(caller.tell(Heard::Refused(QueueEnd::Closed)), ["enqueue nurse_oncall [nurse:3 ja:1] ja 1"]);
    assert_eq!(caller.run.path().last().map(String::as_str), Some("nurse_oncall"));
    assert!(caller.run.path().contains(&"nurse=closed".to_owned()));
}

#[test]
fn a_sentence_that_never_reports_its_end_counts_as_heard() {
    let (mut caller, _) = Resident::calls(book(), common::MONDAY);
    let asked = caller.secs(60);
    assert_eq!(asked.first().map(String::as_str), Some("say choose_language.ja welcome_119.en choose_language.en"));
    assert!(caller.secs(600).iter().any(|ask| ask.starts_with("enqueue general")), "even with no sound at all");
}

#[test]
fn a_restart_replays_the_sentence_that_was_playing() {
    let mut caller = Resident::at_main('2');
    let text = serde_json::to_string(&caller.run.position()).unwrap();
    let at: Position = serde_json::from_str(&text).unwrap();
    assert_eq!(at, caller.run.position());
    let run = Run::resume(book(), at).unwrap();
    caller.run = run;
    assert_eq!(caller.tell(Heard::Started), ["say main_menu.en"]);
    assert_eq!(caller.press('1'), ["enqueue nurse [nurse:3 en:1] en 1"]);
}

#[test]
fn a_restart_in_a_queue_goes_on_waiting() {
    let caller = Resident::waits_for_a_nurse(3);
    let at = caller.run.position();
    let mut asks = Resident { run: Run::resume(book(), at.clone()).unwrap(), now: caller.now, facts: None };
    assert_eq!(asks.tell(Heard::Started), ["enqueue nurse [nurse:3 ja:1] ja 1"], "the place is asked for again");
    let mut kept = Resident { run: Run::resume(book(), at).unwrap(), now: caller.now, facts: None };
    let since = caller.now.mono;
    assert_eq!(kept.tell(Heard::Queued { since, position: 3 }), ["say nurse_welcome.ja"], "or somebody kept it");
}

#[test]
fn a_step_that_the_new_city_no_longer_has_leads_to_on_error() {
    let caller = Resident::at_main('1');
    let mut at = caller.run.position();
    at.step = "gone".into();
    let mut caller = Resident { run: Run::resume(book(), at.clone()).unwrap(), now: caller.now, facts: None };
    assert_eq!(caller.tell(Heard::Started), ["enqueue general [general:1 ja:1] ja 0"]);
    at.flow = "gone".into();
    assert!(Run::resume(book(), at).is_none());
}

#[test]
fn priority_goes_with_the_caller() {
    let book = changed("flows/city.yaml", "        \"1\": nurse\n", "        \"1\": { set: { priority: urgent }, next: nurse }\n");
    let (mut caller, _) = Resident::calls(book, common::MONDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.press('1'), ["enqueue nurse [nurse:3 ja:1] ja 2"]);
}

#[test]
fn whatever_is_heard_at_whatever_time_does_no_harm() {
    let book = book();
    for seed in 0..200 {
        let mut random = model::Random::from_number(seed);
        let (mut caller, _) = Resident::calls(Arc::clone(&book), common::MONDAY);
        for _ in 0..200 {
            let key = Digit::from_event(u8::try_from(random.below(16)).unwrap()).unwrap();
            let heard = match random.below(12) {
                0 => Heard::Started,
                1..=3 => Heard::Digit(key),
                4..=6 => Heard::Played,
                7 => Heard::Queued { since: caller.now.mono, position: u32::try_from(random.below(40)).unwrap() },
                8 => Heard::Refused(QueueEnd::Full),
                9 => Heard::Place { position: u32::try_from(random.below(40)).unwrap(), wait: None },
                10 => Heard::Connected,
                _ => Heard::Returned,
            };
            caller.tell(heard);
            caller.wait(Duration::from_millis(random.below(20_000)));
        }
        assert!(caller.run.path().len() <= 64);
    }
}
