//! How a story's words are chosen, from records written by hand; and the comparison with the texts in `tests/golden`.
//! `GOLDEN=write cargo test` writes them anew; read the difference before you keep it.

use super::story::{Search, Story, What, story};
use super::words::{Tongue, page};
use super::{Damage, unknown, walk};
use crate::words::Stop;
use crate::zone::{Town, Zone};
use calls::{OpenCall, Place, Record};
use journal::Journal;
use model::{
    AgentId, AgentState, CallEnd, CallId, CallRecord, KeptFor, Lang, Level, Millis, Number, OfferEnd, OfferId, Party, PassedOver, Queue,
    QueueEnd, QueueId, Reason, Seq, Skill, TicketId, UnixMillis, Version, Why, WhyNot,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// 2026-11-25, 07:00:00 in Kawasaki.
const SEVEN: i64 = 1_795_557_600_000;

/// A journal written by hand: seconds after seven, and what was written down.
#[derive(Default)]
struct Book(Vec<(UnixMillis, Record)>);

impl Book {
    fn at(&mut self, second: i64, record: Record) {
        self.0.push((UnixMillis(SEVEN + second * 1000), record));
    }
    fn arrives(&mut self, second: i64, call: u64) {
        let open = OpenCall {
            arrived: UnixMillis(SEVEN + second * 1000),
            number: Number::parse("0440000000").unwrap(),
            caller: format!("044-***-**{call:02}"),
            version: Version::from("4f2a9c"),
            person: None,
            called_back: false,
            called_first: None,
            sip_call_id: None,
            place: None,
            assigned: None,
            bridged: false,
        };
        self.at(second, Record::Arrived { call: CallId(call), open: Box::new(open) });
    }
    fn placed(&mut self, second: i64, call: u64, queue: &str, class: u8) {
        let since = UnixMillis(SEVEN + second * 1000);
        let place = Place { ticket: TicketId(100 + call), queue: QueueId::from(queue), lang: Lang::from("ja"), since, class, kept: false };
        self.at(second, Record::Placed { call: CallId(call), place });
    }
    fn waits(&mut self, second: i64, call: u64, queue: &str, why: Why) {
        let ticket = TicketId(100 + call);
        self.at(second, Record::Waits { call: Some(CallId(call)), ticket, queue: QueueId::from(queue), why: Box::new(why) });
    }
    fn assigned(&mut self, second: i64, call: u64, offer: u64, agent: &str, queue: &str, why: Why) {
        let (agent, queue) = (AgentId::from(agent), QueueId::from(queue));
        self.at(second, Record::Assigned { call: CallId(call), agent, offer: OfferId(offer), queue, why: Box::new(why) });
    }
    fn bridged(&mut self, second: i64, call: u64, offer: u64) {
        self.at(second, Record::Bridged { call: CallId(call), offer: OfferId(offer) });
    }
    fn unassigned(&mut self, second: i64, call: u64, offer: u64, how: OfferEnd) {
        self.at(second, Record::Unassigned { call: CallId(call), offer: OfferId(offer), how });
    }
    fn ends(&mut self, second: i64, call: u64, end: CallEnd, change: impl FnOnce(&mut CallRecord)) {
        let mut record = CallRecord {
            call: CallId(call),
            arrived: UnixMillis(SEVEN),
            number: Number::parse("0440000000").unwrap(),
            caller: format!("044-***-**{call:02}"),
            lang: Lang::from("ja"),
            path: vec!["greeting".to_owned(), "main=2".to_owned()],
            queue: Some(QueueId::from("nurse")),
            waited: None,
            to_human: None,
            agent: None,
            talked: None,
            ended: UnixMillis(SEVEN + second * 1000),
            end,
            hung_up_by: Party::Caller,
            version: Version::from("4f2a9c"),
            person: None,
            ticket: Some(TicketId(100 + call)),
            class: 0,
            gave_up: None,
            transferred_to: None,
            called_back: false,
            called_first: None,
            cause: None,
        };
        change(&mut record);
        self.at(second, Record::Ended(Box::new(record)));
    }
}

fn why(counts: &[(Reason, u32)], named: Vec<(&str, WhyNot)>) -> Why {
    Why {
        position: 1,
        counts: counts.iter().copied().collect::<BTreeMap<_, _>>(),
        passed_over: named.into_iter().map(|(agent, why)| PassedOver { agent: AgentId::from(agent), why }).collect(),
        ..Why::default()
    }
}
const TALKING: Reason = Reason::State(AgentState::Talking);

/// The city's queues as their supervisors call them.
pub(super) fn town() -> Town {
    let label = |id: &str, label: &str| {
        let id = QueueId::from(id);
        (id.clone(), Queue { label: label.to_owned(), ..Queue::plain(id, Vec::new()) })
    };
    Town { zone: Zone::tokyo(), queues: BTreeMap::from([label("nurse", "看護"), label("general", "総合案内")]) }
}

/// Compares a text with the file of this name, or writes it.
pub(crate) fn golden(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var("GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, kept, "{} differs", file.display());
}

/// A story in both languages and as JSON.
pub(super) fn told(name: &str, story: &Story) {
    golden(&format!("{name}.en.txt"), &page(story, &town(), Tongue::English));
    golden(&format!("{name}.ja.txt"), &page(story, &town(), Tongue::Japanese));
    golden(&format!("{name}.json"), &(serde_json::to_string_pretty(story).unwrap() + "\n"));
}

#[test]
fn a_nurse_kept_back_for_urgent_callers_and_one_who_lacks_a_language_are_told_in_words() {
    let mut book = Book::default();
    book.arrives(0, 7);
    book.placed(25, 7, "general", 0);
    let reserved = WhyNot::Reserved { of: Skill::from("nurse"), keep: 1, idle: 1, kept_for: KeptFor::Class(2) };
    let lacks = |skill: &str, has, needs: u8| WhyNot::Skill { skill: Skill::from(skill), has, needs: Level::new(needs).unwrap() };
    let named = vec![("sato", reserved), ("yuki", lacks("en", None, 1)), ("mori", lacks("nurse", Level::new(2), 3))];
    book.waits(25, 7, "general", why(&[(TALKING, 2), (Reason::Skill, 2), (Reason::Reserved, 1)], named));
    let told = story(&book.0, CallId(7)).unwrap();
    let (english, japanese) = (page(&told, &town(), Tongue::English), page(&told, &town(), Tongue::Japanese));
    assert!(english.contains("1 with the skill nurse must stay free for urgent callers, and 1 was idle"), "{english}");
    assert!(english.contains("yuki does not have the skill en (level 1 was asked for)"), "{english}");
    assert!(english.contains("mori has the skill nurse at level 2 (level 3 was asked for)"), "{english}");
    assert!(japanese.contains("緊急の方のために") && japanese.contains("技能「nurse」の水準は 2 です(必要な水準 3)"), "{japanese}");
}

#[test]
fn a_decision_that_names_only_five_of_those_it_passed_says_so() {
    let mut book = Book::default();
    book.arrives(0, 1);
    book.placed(5, 1, "nurse", 0);
    let past = Why { overtook: (201..206).map(TicketId).collect(), overtook_count: 9, ..Why::default() };
    book.assigned(20, 2, 1, "yuki", "nurse", past.clone());
    book.assigned(21, 3, 2, "ken", "general", past);
    let told = story(&book.0, CallId(1)).unwrap();
    let perhaps: Vec<_> = told.moments.iter().filter(|m| matches!(m.what, What::PerhapsOvertaken { .. })).collect();
    assert_eq!(perhaps.len(), 1, "the other queue's callers are no rivals: {told:?}");
    assert!(page(&told, &town(), Tongue::English).contains("the record names only five of them"));
}

#[test]
fn a_place_that_goes_on_in_another_call_is_followed_both_ways() {
    let mut book = Book::default();
    book.arrives(0, 1);
    book.placed(5, 1, "nurse", 0);
    book.ends(60, 1, CallEnd::CallerVanished, |record| record.waited = Some(Millis(55_000)));
    book.arrives(100, 2);
    let since = UnixMillis(SEVEN + 5_000);
    let place = Place { ticket: TicketId(101), queue: QueueId::from("nurse"), lang: Lang::from("ja"), since, class: 0, kept: false };
    book.at(130, Record::Placed { call: CallId(2), place });
    let (first, second) = (story(&book.0, CallId(1)).unwrap(), story(&book.0, CallId(2)).unwrap());
    assert_eq!(first.moments.last().unwrap().what, What::GoesOnAs { later: CallId(2) });
    assert_eq!(second.moments[0].what, What::BeganAs { earlier: CallId(1) });
    let english = page(&second, &town(), Tongue::English);
    assert!(english.contains("having waited 2:05 already") && english.contains("still in progress"), "{english}");
}

#[test]
fn a_journal_on_the_disk_is_walked_and_a_missing_one_is_named() {
    let state = std::env::temp_dir().join(format!("toritsugi-explain-{}", std::process::id()));
    let Stop(nothing) = walk(&state, &mut |_, _| ()).unwrap_err();
    assert!(nothing.contains("there is no journal in") && nothing.contains("--state"), "{nothing}");
    let (mut journal, _) = Journal::open(&state.join("journal")).unwrap();
    let mut book = Book::default();
    book.arrives(0, 1);
    book.arrives(9, 2);
    for (seq, (wall, record)) in (1..).zip(&book.0) {
        journal.append(Seq(seq), *wall, record).unwrap();
    }
    journal.sync().unwrap();
    drop(journal);
    let mut search = Search::new(CallId(3));
    let mut walked = Vec::new();
    walk(&state, &mut |wall, record| {
        search.see(record);
        walked.push((wall, record.clone()));
    })
    .map(|damage| assert!(damage.is_none()))
    .unwrap();
    assert_eq!(walked, book.0);
    // One byte of the second record changes on the disk.
    let file = std::fs::read_dir(state.join("journal"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "journal"));
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut walked = Vec::new();
    let Damage { at, sentence: damage } = walk(&state, &mut |wall, record| walked.push((wall, record.clone()))).unwrap().unwrap();
    assert_eq!(at, format!("{}:2", file.display()));
    assert_eq!(walked, book.0[..1], "what stands before it is read");
    assert!(damage.contains("only what stands before") && damage.contains(&format!("{} line 2", file.display())), "{damage}");
    std::fs::remove_dir_all(&state).unwrap();
    let Stop(sentence) = unknown(3, search.newest(), &town());
    assert!(sentence.contains("The newest is 2, of 2026-11-25 07:00:09: did you mean `toritsugi explain 2`?"), "{sentence}");
    assert!(search.found().is_none());
}

#[test]
fn a_call_that_the_damage_took_is_not_said_to_go_on() {
    let mut book = Book::default();
    book.arrives(0, 1);
    book.placed(5, 1, "nurse", 0);
    let mut told = story(&book.0, CallId(1)).unwrap();
    told.damaged_at = Some("1.journal:15".to_owned());
    let (english, japanese) = (page(&told, &town(), Tongue::English), page(&told, &town(), Tongue::Japanese));
    assert!(english.contains("breaks off here (damage at 1.journal:15); what became of the call is not known"), "{english}");
    assert!(!english.contains("in progress") && !english.contains("No decision"), "{english}");
    assert!(japanese.contains("1.journal:15 に破損") && japanese.contains("分かりません"), "{japanese}");
    assert!(!japanese.contains("続いています") && !japanese.contains("お待たせする判断"), "{japanese}");
    assert_eq!(serde_json::to_value(&told).unwrap()["damaged_at"], "1.journal:15");
    // What was written down before the damage is told as ever.
    book.waits(6, 1, "nurse", why(&[(TALKING, 1)], Vec::new()));
    let mut told = story(&book.0, CallId(1)).unwrap();
    told.damaged_at = Some("1.journal:15".to_owned());
    assert!(page(&told, &town(), Tongue::English).contains("What stood in the way"));
    book.ends(16, 1, CallEnd::AbandonedInQueue, |_| ());
    let mut told = story(&book.0, CallId(1)).unwrap();
    told.damaged_at = Some("1.journal:15".to_owned());
    assert!(page(&told, &town(), Tongue::English).contains("In short: the caller gave up"));
}

#[test]
fn an_agent_whose_phone_vanished_gives_the_caller_back() {
    let mut book = Book::default();
    book.arrives(0, 1);
    book.placed(5, 1, "nurse", 0);
    book.assigned(6, 1, 1, "yuki", "nurse", Why::default());
    book.bridged(8, 1, 1);
    book.unassigned(40, 1, 1, OfferEnd::Answered);
    book.waits(40, 1, "nurse", why(&[(TALKING, 1)], Vec::new()));
    let told = story(&book.0, CallId(1)).unwrap();
    assert!(told.moments.iter().any(|m| matches!(m.what, What::Talked { waits_again: true, talked: Millis(32_000), .. })), "{told:?}");
}

#[test]
fn a_call_that_nobody_knows_has_no_story_and_one_without_a_queue_says_so() {
    let mut book = Book::default();
    book.arrives(0, 1);
    book.ends(9, 1, CallEnd::AbandonedInMenu, |record| (record.ticket, record.queue) = (None, None));
    assert_eq!(story(&book.0, CallId(2)), None);
    let told = page(&story(&book.0, CallId(1)).unwrap(), &Town::default(), Tongue::English);
    book.at(20, Record::Unplaced { call: CallId(1), how: QueueEnd::NobodyLoggedIn });
    let refused = page(&story(&book.0, CallId(1)).unwrap(), &town(), Tongue::Japanese);
    assert!(refused.contains("・待ち行列に入れませんでした(1 回)") && refused.contains("担当者が一人も受付をしていない"), "{refused}");
    assert!(told.contains("The way: greeting > main=2"), "{told}");
    assert!(told.contains("never came to a queue") && told.contains("2026-11-24 (UTC: the city's files were not found)"), "{told}");
}
