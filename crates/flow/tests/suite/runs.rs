//! One caller's way through the shipped city.

use crate::common::{known, shipped};
use flow::{Ask, Book, Heard, Note, Position, Run, Wanted, check, read};
use model::{Digit, Estimate, FlowName, Instant, KeyMeaning, Millis, Now, NumberKind, QueueEnd, QueueFacts, Rose, TransferEnd, UnixMillis};
use std::sync::Arc;
use std::time::Duration;

/// 2026-06-01 03:00 in Tokyo.
const NIGHT: UnixMillis = UnixMillis(1_780_250_400_000);
/// 2021-04-29 10:00 in Tokyo, a national holiday.
const HOLIDAY: UnixMillis = UnixMillis(1_619_658_000_000);

/// A wait that nine of ten callers stay under.
fn minutes(high: u64) -> Option<Estimate> {
    Some(Estimate { low: Millis(0), high: Millis(high * 60_000), support: 40, rose: None })
}

fn book() -> Arc<Book> {
    let sources = shipped();
    Arc::new(check(&read(sources.clone()), &known(&sources)).book.unwrap())
}

/// The shipped city with one file changed.
fn changed(path: &str, from: &str, to: &str) -> Arc<Book> {
    rewritten(path, &[(from, to)])
}

/// The shipped city with one file changed in several places.
fn rewritten(path: &str, changes: &[(&str, &str)]) -> Arc<Book> {
    let mut sources = shipped();
    let source = sources.iter_mut().find(|s| s.path == path).unwrap();
    for (from, to) in changes {
        assert!(source.text.contains(from), "{from}");
        source.text = source.text.replace(from, to);
    }
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
        let run = Run::new(book, &FlowName::from("city")).unwrap().calling_from(Some(NumberKind::JpLandline));
        let mut resident = Resident { run, now: Now { mono: Instant::from_millis(1_000_000), wall }, facts: None };
        let heard = resident.tell(Heard::Started);
        (resident, heard)
    }
    /// As far as the main menu, in one language.
    fn at_main(key: char) -> Resident {
        let (mut resident, _) = Resident::calls(book(), crate::common::MONDAY);
        resident.tell(Heard::Played);
        // Whoever does not choose Japanese hears the first words in the language that they chose.
        if resident.press(key).first().is_some_and(|ask| ask.starts_with("say welcome_119")) {
            resident.tell(Heard::Played);
        }
        resident
    }
    /// As far as a place in the nurse's queue.
    fn waits_for_a_nurse(position: u32) -> Resident {
        let mut resident = Resident::at_main('1');
        resident.worried();
        let since = resident.now.mono;
        resident.tell(Heard::Queued { since, position });
        resident
    }
    /// Time passes while the queue tells the same of the wait again and again; what is said is heard to its end.
    fn waits_told(&mut self, secs: u64, wait: Option<Estimate>) -> Vec<String> {
        let mut asked = Vec::new();
        for _ in 0..secs {
            self.tell(Heard::Place { position: 4, wait });
            let said = self.secs(1);
            if said.iter().any(|ask| ask.starts_with("say")) {
                self.tell(Heard::Played);
            }
            asked.extend(said.into_iter().filter(|ask| ask.contains("queue_wait") || ask.starts_with("told")));
        }
        asked
    }
    fn tell(&mut self, heard: Heard) -> Vec<String> {
        self.run.handle(self.now, heard);
        self.drain()
    }
    fn press(&mut self, key: char) -> Vec<String> {
        self.tell(Heard::Digit(Digit::from_char(key).unwrap()))
    }
    /// Time passes; every timer that comes due is told.
    /// At the main menu: it is about the body, breathing is easy, and there is a fever. What is asked for then.
    fn worried(&mut self) -> Vec<String> {
        assert_eq!(self.press('1').len(), 1, "one question");
        assert_eq!(self.press('2').len(), 1, "and the other");
        self.press('1')
    }
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
        Ask::Record { mailbox, max, silence } => format!("record {mailbox} {} s, silence {} s", max.as_secs(), silence.as_secs()),
        Ask::StopRecording => "stop recording".to_owned(),
        Ask::Lookup { at, timeout, .. } => format!("look up {at} {} s", timeout.as_secs()),
        Ask::LeaveQueue => "leave queue".to_owned(),
        Ask::HangUp => "hang up".to_owned(),
        Ask::Note(Note::StepEntered { .. } | Note::Handed { .. }) => return None,
        Ask::Note(Note::Pressed { step, digit, meaning }) => match meaning {
            KeyMeaning::Choice => return None,
            KeyMeaning::Unknown => format!("unknown {digit} at {step}"),
            KeyMeaning::Ignored => format!("ignored {digit} at {step}"),
        },
        Ask::Note(Note::NoInput { step }) => format!("no input at {step}"),
    })
}

#[test]
fn a_worried_caller_with_a_fever_waits_for_a_nurse() {
    let (mut caller, heard) = Resident::calls(book(), crate::common::MONDAY);
    assert_eq!(heard, ["insist welcome_119.ja"]);
    assert_eq!(
        caller.tell(Heard::Played),
        [
            "say choose_language.ja choose_language.en choose_language.ja-easy choose_language.zh choose_language.ko choose_language.pt choose_language.es choose_language.vi"
        ]
    );
    assert_eq!(caller.press('1'), ["say main_menu.ja"]);
    assert_eq!(caller.worried(), ["enqueue nurse [nurse:3 ja:1] ja 1"]);
    let since = caller.now.mono;
    assert_eq!(caller.tell(Heard::Queued { since, position: 2 }), ["say nurse_welcome.ja"]);
    assert_eq!(caller.run.path(), ["greeting", "notice", "language=1", "hours=open", "main=1", "triage=rule2", "nurse"]);
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
    let (mut caller, _) = Resident::calls(book(), crate::common::MONDAY);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(4), Vec::<String>::new());
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(5), ["no input at language", "say main_menu.ja"]);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(7), ["no input at main", "say main_menu.ja"]);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(7), ["no input at main", "enqueue general [general:1 ja:1] ja 0"]);
    assert_eq!(caller.run.path(), ["greeting", "notice", "language=silent", "hours=open", "main=silent", "general"]);
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
    assert_eq!(
        caller.press('*'),
        [
            "say choose_language.ja choose_language.en choose_language.ja-easy choose_language.zh choose_language.ko choose_language.pt choose_language.es choose_language.vi"
        ]
    );
    assert_eq!(caller.press('2'), ["say welcome_119.en"]);
    assert_eq!(caller.press('7'), ["unknown 7 at main", "say try_again.en main_menu.en"], "a key stops the first words, and counts");
}

#[test]
fn a_key_during_the_119_advice_is_ignored() {
    let (mut caller, _) = Resident::calls(book(), crate::common::MONDAY);
    assert_eq!(caller.press('1'), ["ignored 1 at greeting"]);
    assert_eq!(
        caller.tell(Heard::Played),
        [
            "say choose_language.ja choose_language.en choose_language.ja-easy choose_language.zh choose_language.ko choose_language.pt choose_language.es choose_language.vi"
        ]
    );
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
    assert_eq!(caller.run.path(), ["greeting", "notice", "language=1", "hours=closed", "night=silent", "nurse_oncall"]);
}

#[test]
fn at_night_other_questions_are_left_as_a_message() {
    let (mut caller, _) = Resident::calls(book(), NIGHT);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.press('2'), ["say closed_but_message.ja leave_message.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["record general 120 s, silence 10 s"]);
    assert_eq!(caller.tell(Heard::Recorded { kept: true }), ["insist message_taken.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["hang up"]);
    assert_eq!(caller.tell(Heard::Played), Vec::<String>::new(), "over is over");
}

#[test]
fn at_night_a_box_that_is_full_leaves_the_hours_to_call_again() {
    let (mut caller, _) = Resident::calls(book(), NIGHT);
    caller.tell(Heard::Played);
    caller.press('1');
    caller.press('2');
    caller.tell(Heard::Played);
    assert_eq!(caller.tell(Heard::NotRecorded), ["insist night_information.ja goodbye.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["hang up"]);
}

#[test]
fn a_holiday_is_told_from_a_weekday() {
    let (mut caller, _) = Resident::calls(book(), HOLIDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.run.path(), ["greeting", "notice", "language=1", "hours=holiday", "main"]);
}

#[test]
fn nobody_at_all_is_said_honestly() {
    let mut caller = Resident::at_main('1');
    caller.worried();
    let refused = Heard::Refused(QueueEnd::NobodyLoggedIn);
    assert_eq!(caller.tell(refused.clone()), ["enqueue nurse_oncall [nurse:3 ja:1] ja 1"]);
    assert_eq!(caller.tell(refused), ["insist sorry_call_119_or_later.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["hang up"]);
    assert_eq!(caller.run.path().last().map(String::as_str), Some("sorry"));
}

#[test]
fn moving_to_the_general_queue_by_key_is_one_ask() {
    let mut caller = Resident::waits_for_a_nurse(4);
    assert_eq!(caller.press('0'), ["enqueue general [general:1 ja:1] ja 1"]);
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
    assert_eq!(caller.secs(45), ["say nurse_callback_hint.ja", "music calm.music", "say queue_position.ja(2)"]);
    assert_eq!(caller.tell(Heard::Played), ["say nurse_ward_hint.ja"], "one announcement waits for the other");
    assert_eq!(caller.tell(Heard::Played), ["music calm.music"]);
}

#[test]
fn a_place_far_back_is_not_spoken() {
    let mut caller = Resident::waits_for_a_nurse(31);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(59), Vec::<String>::new());
    caller.tell(Heard::Place { position: 30, wait: None });
    assert!(caller.secs(45).contains(&"say queue_position.ja(30)".to_owned()));
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
        "    outcomes: { nobody_logged_in: message, full: message }",
        "    outcomes: { nobody_logged_in: message, full: message, waited: [ { longer_than: 1m, if: { priority: normal }, next: patience } ] }\n  patience: { say: general_long_wait, next: general }",
    );
    let (mut caller, _) = Resident::calls(book, crate::common::MONDAY);
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
    let (mut caller, _) = Resident::calls(book(), crate::common::MONDAY);
    let asked = caller.secs(60);
    assert_eq!(
        asked.first().map(String::as_str),
        Some(
            "say choose_language.ja choose_language.en choose_language.ja-easy choose_language.zh choose_language.ko choose_language.pt choose_language.es choose_language.vi"
        )
    );
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
    assert_eq!(caller.worried(), ["enqueue nurse [nurse:3 en:1] en 1"]);
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
    let book = changed("flows/city.yaml", "        \"1\": triage\n", "        \"1\": { set: { priority: urgent }, next: triage }\n");
    let (mut caller, _) = Resident::calls(book, crate::common::MONDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    caller.press('1');
    caller.press('2');
    assert_eq!(caller.press('2'), ["enqueue nurse [nurse:3 ja:1] ja 2"], "no rule lowers it");
}

#[test]
fn whatever_is_heard_at_whatever_time_does_no_harm() {
    let book = book();
    for seed in 0..200 {
        let mut random = model::Random::from_number(seed);
        let (mut caller, _) = Resident::calls(Arc::clone(&book), crate::common::MONDAY);
        for _ in 0..200 {
            let key = Digit::from_event(u8::try_from(random.below(16)).unwrap()).unwrap();
            let heard = match random.below(21) {
                0 => Heard::Started,
                1..=3 => Heard::Digit(key),
                4..=6 => Heard::Played,
                7 => Heard::Queued { since: caller.now.mono, position: u32::try_from(random.below(40)).unwrap() },
                8 => Heard::Refused(QueueEnd::Full),
                9 => Heard::Place { position: u32::try_from(random.below(40)).unwrap(), wait: None },
                10 => Heard::Connected,
                11 => Heard::NotTransferred(TransferEnd::Busy),
                12 => Heard::NotTransferred(TransferEnd::Failed),
                13 => Heard::CallbackBooked,
                14 => Heard::CallbackRefused,
                15 => Heard::Recorded { kept: seed % 2 == 0 },
                16 => Heard::NotRecorded,
                17 => Heard::Answered(flow::Answered::default()),
                18 => Heard::NotAnswered,
                19 => Heard::Facts(Some(QueueFacts { waiting: 99, expected: minutes(40), ..QueueFacts::default() })),
                _ => Heard::Returned,
            };
            caller.tell(heard);
            caller.wait(Duration::from_millis(random.below(20_000)));
        }
        assert!(caller.run.path().len() <= 64);
    }
}

#[test]
fn whoever_has_waited_a_minute_may_be_called_back_and_keeps_the_place_until_then() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    assert_eq!(caller.press('1'), ["unknown 1 at nurse"], "not before a minute is over");
    caller.secs(60);
    assert_eq!(caller.press('1'), ["say callback_offer.ja"], "no word of leaving the queue");
    assert_eq!(caller.press('1'), ["callback nurse"]);
    assert_eq!(caller.press('1'), ["ignored 1 at callback"]);
    assert_eq!(caller.tell(Heard::CallbackBooked), ["insist callback_booked.ja"], "the place is the callback's");
    assert_eq!(caller.tell(Heard::Played), ["hang up"]);
    assert_eq!(
        caller.run.path(),
        ["greeting", "notice", "language=1", "hours=open", "main=1", "triage=rule2", "nurse=1", "callback=booked", "callback_booked"]
    );
}

#[test]
fn doing_nothing_about_a_callback_costs_nothing() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    caller.secs(60);
    caller.press('1');
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(6), ["no input at callback", "enqueue nurse [nurse:3 ja:1] ja 1"]);
    let mut says_no = Resident::waits_for_a_nurse(4);
    says_no.tell(Heard::Played);
    says_no.secs(60);
    says_no.press('1');
    assert_eq!(says_no.press('2'), ["enqueue nurse [nurse:3 ja:1] ja 1"], "any other key is a no");
}

#[test]
fn a_withheld_number_is_never_asked_about_a_callback() {
    for (number, offered) in
        [(None, false), (Some(NumberKind::Other), false), (Some(NumberKind::JpIp), true), (Some(NumberKind::JpMobile), true)]
    {
        let mut caller = Resident::waits_for_a_nurse(4);
        caller.run = caller.run.calling_from(number);
        caller.tell(Heard::Played);
        caller.secs(60);
        let asked = caller.press('1');
        if offered {
            assert_eq!(asked, ["say callback_offer.ja"], "{number:?}");
        } else {
            assert_eq!(asked, ["leave queue", "say callback_not_possible.ja"], "{number:?}");
            assert_eq!(caller.tell(Heard::Played), ["enqueue nurse [nurse:3 ja:1] ja 1"], "with the same age");
        }
    }
}

#[test]
fn a_callback_that_the_engine_cannot_keep_is_said_to_be_impossible() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    caller.secs(60);
    caller.press('1');
    caller.worried();
    assert_eq!(caller.tell(Heard::CallbackRefused), ["leave queue", "say callback_not_possible.ja"]);
    assert!(caller.run.path().contains(&"callback=refused".to_owned()));
}

#[test]
fn a_nurse_who_is_free_during_the_offer_takes_the_call() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    caller.secs(60);
    caller.press('1');
    assert_eq!(caller.tell(Heard::Connected), Vec::<String>::new());
    assert_eq!(caller.tell(Heard::Returned), ["enqueue nurse [nurse:3 ja:1] ja 1"], "the nurse was lost: back to the queue");
    caller.tell(Heard::Connected);
    assert_eq!(caller.tell(Heard::Served), ["hang up"]);
}

#[test]
fn who_cannot_wait_is_put_through_to_the_ward_and_comes_back_as_urgent() {
    let (mut caller, _) = Resident::calls(book(), crate::common::MONDAY);
    for key in ['2', '1', '2', '1'] {
        caller.tell(Heard::Played);
        caller.press(key);
    }
    let since = caller.now.mono;
    caller.tell(Heard::Queued { since, position: 4 });
    caller.secs(90);
    assert_eq!(caller.press('5'), ["leave queue", "say choose_ward.en"]);
    // The ward hears the language of the house, whatever the caller speaks.
    assert_eq!(caller.press('3'), ["music calm.music", "transfer ward/nakahara (brief_ward.ja) 30 s"]);
    assert_eq!(caller.press('3'), ["ignored 3 at ward_hotline"]);
    assert_eq!(caller.tell(Heard::NotTransferred(TransferEnd::AtCapacity)), ["say ward_not_reached.en"]);
    assert_eq!(caller.tell(Heard::Played), ["enqueue nurse [nurse:3 en:1] en 2"], "the age is the same, the class is urgent");
    assert!(caller.run.path().contains(&"ward_hotline=at_capacity".to_owned()));
}

#[test]
fn a_ward_that_accepts_has_the_caller_to_the_end() {
    let mut caller = at_the_ward();
    assert_eq!(caller.press('7'), ["music calm.music", "transfer ward/asao (brief_ward.ja) 30 s"]);
    assert_eq!(caller.tell(Heard::Connected), Vec::<String>::new());
    assert_eq!(caller.press('1'), Vec::<String>::new());
    assert_eq!(caller.tell(Heard::Served), ["hang up"]);
}

fn at_the_ward() -> Resident {
    let mut caller = Resident::waits_for_a_nurse(1);
    caller.secs(90);
    caller.press('5');
    caller
}

#[test]
fn silence_at_the_choice_of_wards_leads_back_to_the_nurses() {
    let mut caller = at_the_ward();
    for expected in [vec!["no input at ward", "say choose_ward.ja"], vec!["no input at ward", "enqueue nurse [nurse:3 ja:1] ja 2"]] {
        caller.tell(Heard::Played);
        assert_eq!(caller.secs(7), expected);
    }
}

#[test]
fn a_transfer_straight_from_a_queue_keeps_the_place_whatever_the_line_says() {
    let book = changed(
        "flows/city.yaml",
        "        \"5\": { after: 90s, set: { priority: urgent }, next: ward }",
        "        \"5\": { set: { ward: tama }, next: ward_hotline }\n        \"6\": ward",
    );
    let book_ways = [
        (TransferEnd::Busy, "busy"),
        (TransferEnd::NoAnswer, "no_answer"),
        (TransferEnd::Refused, "refused"),
        (TransferEnd::AtCapacity, "at_capacity"),
        (TransferEnd::Failed, "failed"),
        (TransferEnd::Withdrawn, "failed"),
    ];
    for (how, word) in book_ways {
        let (mut caller, _) = Resident::calls(Arc::clone(&book), crate::common::MONDAY);
        caller.tell(Heard::Played);
        caller.press('1');
        caller.worried();
        let since = caller.now.mono;
        caller.tell(Heard::Queued { since, position: 4 });
        assert_eq!(caller.press('5'), ["music calm.music", "transfer ward/tama (brief_ward.ja) 30 s, place kept"]);
        caller.tell(Heard::NotTransferred(how));
        assert!(caller.run.path().contains(&format!("ward_hotline={word}")), "{:?}", caller.run.path());
    }
}

#[test]
fn a_blind_transfer_has_no_brief_and_a_busy_line_leads_straight_back_to_the_queue() {
    let warm = ("      kind: warm\n      brief: [brief_ward]", "      kind: blind");
    let key = (
        "        \"5\": { after: 90s, set: { priority: urgent }, next: ward }",
        "        \"5\": { set: { ward: tama }, next: ward_hotline }",
    );
    let reach = ("        \"1\": { after: 60s, next: callback }", "        \"1\": { after: 60s, next: callback }\n        \"6\": ward");
    let book = rewritten("flows/city.yaml", &[warm, key, reach, ("      busy: ward_not_reached", "      busy: nurse")]);
    let (mut caller, _) = Resident::calls(book, crate::common::MONDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    caller.worried();
    let since = caller.now.mono;
    caller.tell(Heard::Queued { since, position: 4 });
    assert_eq!(caller.press('5'), ["music calm.music", "transfer ward/tama (blind) 30 s, place kept"]);
    assert_eq!(caller.tell(Heard::NotTransferred(TransferEnd::Busy)), ["enqueue nurse [nurse:3 ja:1] ja 1"], "the queue was never left");
}

#[test]
fn a_restart_remembers_which_ward_was_chosen() {
    let mut caller = at_the_ward();
    caller.press('2');
    let at: Position = serde_json::from_str(&serde_json::to_string(&caller.run.position()).unwrap()).unwrap();
    let mut again = Resident { run: Run::resume(book(), at).unwrap(), now: caller.now, facts: None };
    assert_eq!(again.tell(Heard::Started), ["music calm.music", "transfer ward/saiwai (brief_ward.ja) 30 s"]);
}

#[test]
fn a_journal_from_before_variables_can_still_be_read() {
    let mut old = serde_json::to_value(Resident::at_main('1').run.position()).unwrap();
    for word in ["variables", "told"] {
        assert!(old.as_object_mut().unwrap().remove(word).is_some());
    }
    assert_eq!(serde_json::from_value::<Position>(old).unwrap(), Resident::at_main('1').run.position());
}

#[test]
fn a_wait_of_twenty_minutes_offers_a_callback_before_anybody_takes_a_place_and_only_once() {
    let mut caller = Resident::at_main('1');
    caller.facts = Some(QueueFacts { waiting: 60, expected: minutes(21), ..QueueFacts::default() });
    assert_eq!(caller.worried(), ["say callback_offer.ja"]);
    caller.tell(Heard::Played);
    assert_eq!(caller.secs(6), ["no input at callback", "enqueue nurse [nurse:3 ja:1] ja 1"], "no caller circles");
    let mut unknown = Resident::at_main('1');
    unknown.facts = Some(QueueFacts { waiting: 60, ..QueueFacts::default() });
    assert_eq!(unknown.worried(), ["enqueue nurse [nurse:3 ja:1] ja 1"], "nobody is sent away on a guess");
}

#[test]
fn the_wait_is_told_rounded_up_and_is_silent_while_it_is_not_known() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    assert_eq!(caller.waits_told(80, None), Vec::<String>::new());
    assert_eq!(caller.waits_told(75, minutes(4)), ["say queue_wait.ja(5)", "told at most 240 s"]);
    assert_eq!(caller.waits_told(75, minutes(3)), ["say queue_wait.ja(3)", "told at most 180 s"]);
}

#[test]
fn a_longer_wait_than_before_is_told_only_with_a_reason() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    assert_eq!(caller.waits_told(80, minutes(3)), ["say queue_wait.ja(3)", "told at most 180 s"]);
    assert_eq!(caller.waits_told(75, minutes(10)), Vec::<String>::new(), "no reason, no word");
    let at: Position = serde_json::from_str(&serde_json::to_string(&caller.run.position()).unwrap()).unwrap();
    assert_eq!(at.told, Some(3), "a restart does not forget what was told");
    let rose = minutes(10).map(|wait| Estimate { rose: Some(Rose::FewerAgents), ..wait });
    assert_eq!(caller.waits_told(75, rose), ["say queue_wait_longer.ja(10)", "told at most 600 s"]);
    assert_eq!(caller.run.position().told, Some(10), "from here on ten minutes are nothing new");
}

#[test]
fn as_many_minutes_as_before_from_a_later_moment_on_are_longer_and_said_so() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    assert_eq!(caller.waits_told(80, minutes(3)), ["say queue_wait.ja(3)", "told at most 180 s"]);
    let rose = minutes(3).map(|wait| Estimate { rose: Some(Rose::FewerAgents), ..wait });
    assert_eq!(caller.waits_told(75, rose), ["say queue_wait_longer.ja(3)", "told at most 180 s"]);
}

#[test]
fn a_wait_beyond_half_an_hour_has_a_sentence_of_its_own() {
    let mut caller = Resident::waits_for_a_nurse(4);
    caller.tell(Heard::Played);
    assert_eq!(caller.waits_told(80, minutes(31)), ["say queue_wait_beyond.ja", "told at most 1860 s"]);
    assert_eq!(caller.waits_told(75, minutes(29)), ["say queue_wait.ja(30)", "told at most 1740 s"]);
    let rose = minutes(60).map(|wait| Estimate { rose: Some(Rose::Overtaken), ..wait });
    assert_eq!(caller.waits_told(75, rose), ["say queue_wait_beyond.ja", "told at most 3600 s"], "there is no figure to say it with");
}

#[test]
fn what_a_queue_step_says_of_its_callers_goes_with_the_claim() {
    let book = changed("flows/city.yaml", "    last_agent: 30s ", "    bonus: 2m\n    except: [ken]\n    last_agent: 30s ");
    let (mut caller, _) = Resident::calls(book, crate::common::MONDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    caller.press('1');
    caller.press('2');
    caller.run.handle(caller.now, Heard::Digit(Digit::from_char('1').unwrap()));
    caller.run.handle(caller.now, Heard::Facts(None));
    let wanted =
        std::iter::from_fn(|| caller.run.poll_output()).find_map(|ask| if let Ask::Enqueue(wanted) = ask { Some(wanted) } else { None });
    let wanted = wanted.unwrap();
    assert_eq!((wanted.class, wanted.bonus, wanted.last_agent), (1, Duration::from_secs(120), Some(Duration::from_secs(30))));
    assert_eq!(wanted.except, [model::AgentId::from("ken")]);
}

#[test]
fn what_was_set_at_a_step_survives_a_restart() {
    let book = rewritten(
        "flows/city.yaml",
        &[
            ("\"1\": { set: { ward: kawasaki } }", "\"1\": known"),
            ("  ward_hotline:\n", "  known: { set: { ward: kawasaki, priority: high }, next: ward_hotline }\n  ward_hotline:\n"),
        ],
    );
    let (mut caller, _) = Resident::calls(Arc::clone(&book), crate::common::MONDAY);
    let at = Position { step: "ward".into(), ..caller.run.position() };
    caller.run = Run::resume(Arc::clone(&book), at).unwrap();
    caller.tell(Heard::Started);
    let asked = caller.press('1');
    assert!(asked.contains(&"transfer ward/kawasaki (brief_ward.ja) 30 s".to_owned()), "{asked:?}");
    let position = caller.run.position();
    assert_eq!((position.class, position.variables.get("ward").map(String::as_str)), (1, Some("kawasaki")));
    let mut resumed = Run::resume(book, position).unwrap();
    resumed.handle(caller.now, Heard::Started);
    let mut asked = Vec::new();
    while let Some(ask) = resumed.poll_output() {
        asked.extend(told(ask));
    }
    assert!(asked.contains(&"transfer ward/kawasaki (brief_ward.ja) 30 s".to_owned()), "{asked:?}");
}

fn at_triage() -> Resident {
    let (mut caller, _) = Resident::calls(book(), crate::common::MONDAY);
    caller.tell(Heard::Played);
    caller.press('1');
    assert_eq!(caller.press('1'), ["say q_breathing.ja"]);
    caller
}

#[test]
fn whoever_cannot_breathe_is_not_asked_about_a_fever() {
    let mut caller = at_triage();
    assert_eq!(caller.press('1'), ["say if_severe_dial_119.ja"]);
    assert_eq!(caller.tell(Heard::Played), ["enqueue nurse [nurse:3 ja:1] ja 2"]);
    assert_eq!(caller.run.path()[4..], ["main=1", "triage=rule1", "nurse"]);
}

#[test]
fn a_fever_is_asked_for_and_who_has_neither_waits_for_a_nurse_all_the_same() {
    let mut caller = at_triage();
    assert_eq!(caller.press('2'), ["say q_fever.ja"]);
    assert_eq!(caller.press('1'), ["enqueue nurse [nurse:3 ja:1] ja 1"]);
    let mut caller = at_triage();
    caller.press('2');
    assert_eq!(
        caller.press('2'),
        ["enqueue nurse [nurse:3 ja:1] ja 0"],
        "who said that it is about their body is no case for general staff"
    );
}

#[test]
fn an_answer_counts_until_the_last_moment_and_silence_is_a_yes() {
    let mut caller = at_triage();
    caller.tell(Heard::Played);
    assert_eq!(caller.wait(Duration::from_millis(5_900)), Vec::<String>::new());
    assert_eq!(caller.press('2'), ["say q_fever.ja"], "a key at 5.9 s counts: the fever is asked for");
    caller.tell(Heard::Played);
    assert_eq!(caller.wait(Duration::from_millis(6_100)), ["no input at triage", "say q_fever.ja"], "at 6.1 s it is asked again");
    caller.tell(Heard::Played);
    assert_eq!(caller.wait(Duration::from_millis(6_100)), ["no input at triage", "enqueue nurse [nurse:3 ja:1] ja 1"]);
}

#[test]
fn keys_that_are_no_answer_are_forgiven_once_for_each_question() {
    let mut caller = at_triage();
    assert_eq!(caller.press('7'), ["unknown 7 at triage", "say try_again.ja q_breathing.ja"]);
    assert_eq!(caller.press('2'), ["say q_fever.ja"]);
    assert_eq!(caller.press('7'), ["unknown 7 at triage", "say try_again.ja q_fever.ja"]);
    assert_eq!(caller.press('7'), ["unknown 7 at triage", "enqueue nurse [nurse:3 ja:1] ja 0"], "no medical call for general staff");
}

#[test]
fn a_restart_amid_the_questions_asks_them_again_and_answers_survive_it_later() {
    let mut caller = at_triage();
    caller.press('2');
    let at = caller.run.position();
    caller.run = Run::resume(book(), at).unwrap();
    assert_eq!(caller.tell(Heard::Started), ["say q_breathing.ja"]);
    caller.press('2');
    caller.press('1');
    let at = caller.run.position();
    assert_eq!((at.step.as_str(), at.class), ("nurse", 1));
    let answers: Vec<(&str, &str)> = at.variables.iter().map(|(name, word)| (name.as_str(), word.as_str())).collect();
    assert_eq!(answers, [("breath", "no"), ("fever", "yes")]);
}

#[test]
fn a_key_that_cuts_a_sentence_counts_in_the_menu_after_it() {
    let mut caller = Resident::at_main('1');
    caller.press('*');
    assert_eq!(caller.press('2'), ["say welcome_119.en"]);
    assert_eq!(caller.press('2'), ["enqueue general [general:1 en:1] en 0"], "the menu is not said at all");
    assert_eq!(&caller.run.path()[6..], ["first_words", "hours=open", "main=2", "general"]);
}
