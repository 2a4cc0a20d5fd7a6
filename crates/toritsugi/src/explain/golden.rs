//! Stories as a supervisor reads them, against the texts in `tests/golden`. `GOLDEN=write cargo test` writes them anew; read the
//! difference before you keep it.

use super::story::{Search, What, story};
use super::words::{Tongue, page};
use super::{unknown, walk};
use crate::words::Stop;
use crate::zone::{Town, Zone};
use calls::{Booked, OpenCall, Place, Record};
use flow::CallbackTerms;
use journal::Journal;
use model::{
    AbandonStage, AgentId, AgentState, CallEnd, CallId, CallRecord, CallbackEnd, CallbackTry, KeptFor, Lang, Level, LineId, Millis, Number,
    NumberKind, OfferEnd, OfferId, Party, PassedOver, Queue, QueueEnd, QueueId, Reason, ScheduleId, Seq, Skill, TicketId, TransferEnd,
    TransferKind, UnixMillis, Version, Why, WhyNot,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

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
fn served(waited: u64, talked: u64) -> impl FnOnce(&mut CallRecord) {
    move |record| {
        record.waited = Some(Millis(waited * 1000));
        record.to_human = Some(Millis(waited * 1000 + 25_000));
        record.agent = Some(AgentId::from("yuki"));
        record.talked = Some(Millis(talked * 1000));
    }
}
const TALKING: Reason = Reason::State(AgentState::Talking);
const AWAY: Reason = Reason::State(AgentState::SignedOut);

/// The city's queues as their supervisors call them.
fn town() -> Town {
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

/// A call's story in both languages and as JSON.
fn told(name: &str, book: &Book, call: u64) {
    let story = story(&book.0, CallId(call)).unwrap();
    golden(&format!("{name}.en.txt"), &page(&story, &town(), Tongue::English));
    golden(&format!("{name}.ja.txt"), &page(&story, &town(), Tongue::Japanese));
    golden(&format!("{name}.json"), &(serde_json::to_string_pretty(&story).unwrap() + "\n"));
}

#[test]
fn a_nurse_is_idle_and_kept_back_for_urgent_callers() {
    let mut book = Book::default();
    book.arrives(0, 7);
    book.placed(25, 7, "general", 0);
    let held = |idle| {
        let why_not = WhyNot::Reserved { of: Skill::from("nurse"), keep: 1, idle, kept_for: KeptFor::Class(2) };
        why(&[(TALKING, 2), (AWAY, 1), (Reason::Reserved, 1)], vec![("sato", why_not), ("ken", WhyNot::State(AgentState::Talking))])
    };
    book.waits(25, 7, "general", held(1));
    book.waits(41, 7, "general", Why { position: 2, ..held(1) });
    book.waits(58, 7, "general", held(1));
    let chosen = Why { idle_millis: 4_000, ..why(&[(TALKING, 1), (AWAY, 1), (Reason::RankedLower, 1)], Vec::new()) };
    book.assigned(90, 7, 31, "yuki", "general", chosen);
    book.bridged(97, 7, 31);
    book.unassigned(277, 7, 31, OfferEnd::Answered);
    book.ends(277, 7, CallEnd::Served, served(72, 180));
    told("reserve_held", &book, 7);
}

#[test]
fn nobody_speaks_the_callers_language_until_the_easing() {
    let mut book = Book::default();
    book.arrives(0, 8);
    let place =
        Place { ticket: TicketId(108), queue: QueueId::from("nurse"), lang: Lang::from("en"), since: UnixMillis(SEVEN + 20_000), class: 0, kept: false };
    book.at(20, Record::Placed { call: CallId(8), place });
    let lacks = |skill: &str, has, needs: u8| WhyNot::Skill { skill: Skill::from(skill), has, needs: Level::new(needs).unwrap() };
    let pending = Why {
        next_relax: Some(Millis(60_000)),
        ..why(&[(Reason::Skill, 2), (TALKING, 1)], vec![("yuki", lacks("en", None, 1)), ("mori", lacks("nurse", Level::new(2), 3))])
    };
    book.waits(20, 8, "nurse", pending);
    let eased = Why {
        relax_step: 1,
        idle_millis: 312_000,
        ..why(&[(Reason::Skill, 1), (TALKING, 1)], vec![("mori", lacks("nurse", Level::new(2), 3))])
    };
    book.assigned(80, 8, 32, "yuki", "nurse", eased);
    book.bridged(86, 8, 32);
    book.unassigned(300, 8, 32, OfferEnd::Answered);
    book.ends(300, 8, CallEnd::Served, served(66, 214));
    told("easing_pending", &book, 8);
}

#[test]
fn the_only_free_agent_is_excluded_for_this_caller() {
    let mut book = Book::default();
    book.arrives(0, 9);
    book.placed(30, 9, "nurse", 1);
    let excluded = why(
        &[(TALKING, 1), (Reason::Excluded, 1), (Reason::DoesNotServe, 4)],
        vec![("hana", WhyNot::Excluded), ("yuki", WhyNot::State(AgentState::Talking))],
    );
    book.waits(30, 9, "nurse", excluded);
    book.at(95, Record::Unplaced { call: CallId(9), how: QueueEnd::Abandoned });
    book.ends(95, 9, CallEnd::AbandonedInQueue, |record| {
        record.waited = Some(Millis(65_000));
        record.class = 1;
        record.gave_up = Some(AbandonStage::Queue);
    });
    told("excluded_agent", &book, 9);
}

#[test]
fn a_phone_rings_out_another_declines_and_a_third_is_dead() {
    let mut book = Book::default();
    book.arrives(0, 10);
    book.placed(22, 10, "nurse", 0);
    book.assigned(22, 10, 41, "yuki", "nurse", Why { idle_millis: 640_000, ..why(&[(Reason::RankedLower, 2)], Vec::new()) });
    book.unassigned(42, 10, 41, OfferEnd::NoAnswer);
    let missed = |ranked| why(&[(Reason::JustMissed, 1), (Reason::RankedLower, ranked)], vec![("yuki", WhyNot::JustMissed)]);
    book.assigned(42, 10, 42, "hana", "nurse", Why { idle_millis: 65_000, ..missed(1) });
    book.unassigned(45, 10, 42, OfferEnd::Declined);
    let both = why(&[(Reason::JustMissed, 2)], vec![("yuki", WhyNot::JustMissed), ("hana", WhyNot::JustMissed)]);
    book.assigned(45, 10, 43, "mori", "nurse", Why { idle_millis: 9_000, ..both.clone() });
    book.unassigned(47, 10, 43, OfferEnd::Unreachable);
    book.waits(47, 10, "nurse", Why { counts: BTreeMap::from([(Reason::JustMissed, 3)]), ..both });
    book.assigned(52, 10, 44, "yuki", "nurse", Why { idle_millis: 10_000, ..why(&[(Reason::JustMissed, 2)], Vec::new()) });
    book.bridged(55, 10, 44);
    book.ends(175, 10, CallEnd::Served, served(33, 120));
    told("lease_expired", &book, 10);
}

#[test]
fn a_ward_with_two_lines_never_gets_a_third_call() {
    let mut book = Book::default();
    book.arrives(0, 11);
    book.placed(18, 11, "general", 0);
    book.assigned(18, 11, 51, "ken", "general", Why { idle_millis: 125_000, ..why(&[(TALKING, 1)], Vec::new()) });
    book.bridged(21, 11, 51);
    let ward = LineId::from("ward_kawasaki");
    book.at(80, Record::LineFull { call: CallId(11), line: ward });
    let transfer = |how| Record::Transferred {
        call: CallId(11),
        to: "ward_kawasaki".to_owned(),
        kind: TransferKind::Warm,
        by: Some(AgentId::from("ken")),
        how,
    };
    book.at(80, transfer(TransferEnd::AtCapacity));
    book.at(140, transfer(TransferEnd::Connected));
    book.ends(400, 11, CallEnd::Served, |record| {
        served(3, 379)(record);
        record.queue = Some(QueueId::from("general"));
        record.transferred_to = Some("ward_kawasaki".to_owned());
    });
    told("capacity_full", &book, 11);
}

#[test]
fn an_urgent_caller_goes_first() {
    let mut book = Book::default();
    book.arrives(0, 12);
    book.placed(15, 12, "nurse", 0);
    let busy = why(&[(TALKING, 3), (Reason::State(AgentState::WrapUp), 1)], vec![("yuki", WhyNot::State(AgentState::WrapUp))]);
    book.waits(15, 12, "nurse", busy.clone());
    book.arrives(30, 13);
    book.placed(44, 13, "nurse", 2);
    book.waits(44, 13, "nurse", busy.clone());
    let past = Why { idle_millis: 0, overtook: vec![TicketId(112)], overtook_count: 1, ..why(&[(TALKING, 3)], Vec::new()) };
    book.assigned(50, 13, 61, "yuki", "nurse", past);
    book.waits(50, 12, "nurse", why(&[(TALKING, 3), (Reason::State(AgentState::Offered), 1)], Vec::new()));
    book.bridged(54, 13, 61);
    book.ends(110, 13, CallEnd::Served, served(10, 56));
    book.assigned(110, 12, 62, "yuki", "nurse", why(&[(TALKING, 3)], Vec::new()));
    book.bridged(114, 12, 62);
    book.ends(200, 12, CallEnd::Served, served(99, 86));
    told("overtaken_by_urgent", &book, 12);
    // The one who overtook has a story too, and it says whom it cost.
    let theirs = page(&story(&book.0, CallId(13)).unwrap(), &town(), Tongue::English);
    assert!(theirs.contains("Went past 1 caller who had waited longer."), "{theirs}");
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
fn a_callback_is_one_wait_told_from_both_calls() {
    let (mut book, ticket, queue) = (Book::default(), TicketId(101), QueueId::from("nurse"));
    book.arrives(0, 1);
    book.placed(10, 1, "nurse", 0);
    let place = Place { ticket, queue: queue.clone(), lang: Lang::from("ja"), since: UnixMillis(SEVEN + 10_000), class: 0, kept: false };
    let terms = CallbackTerms {
        window: ScheduleId::from("callbacks"),
        accept: BTreeSet::from([NumberKind::JpLandline]),
        attempts: 3,
        spacing: Duration::from_secs(600),
        expires: Duration::from_secs(7200),
    };
    let booked = Booked {
        call: CallId(1),
        arrived: UnixMillis(SEVEN),
        at: UnixMillis(SEVEN + 70_000),
        number: Number::parse("0440000000").unwrap(),
        sealed: "sealed".to_owned(),
        caller: "044-***-**01".to_owned(),
        person: None,
        place: place.clone(),
        needs: Vec::new(),
        except: Vec::new(),
        bonus: Duration::ZERO,
        terms,
        version: Version::from("4f2a9c"),
        attempts: 0,
        tried: None,
    };
    book.at(70, Record::CallbackBooked { ticket, booked: Box::new(booked) });
    book.ends(75, 1, CallEnd::CallbackBooked, |record| record.waited = Some(Millis(60_000)));
    let waits = Record::Waits { call: None, ticket, queue, why: Box::new(why(&[(TALKING, 2)], Vec::new())) };
    book.at(80, waits);
    let tried = |attempt, how| Record::CallbackTried { ticket, attempt, at: UnixMillis(SEVEN), how };
    book.at(100, tried(1, None));
    book.at(130, tried(1, Some(CallbackTry::NotConfirmed)));
    book.at(730, tried(2, None));
    book.arrives(730, 2);
    book.at(740, Record::Placed { call: CallId(2), place });
    book.at(740, tried(2, Some(CallbackTry::Confirmed)));
    book.assigned(741, 2, 5, "yuki", "nurse", Why::default());
    book.bridged(745, 2, 5);
    book.at(745, Record::CallbackEnded { ticket, how: CallbackEnd::Served });
    book.ends(900, 2, CallEnd::Served, |record| {
        served(735, 155)(record);
        (record.ticket, record.called_back) = (Some(ticket), true);
    });
    told("callback", &book, 1);
    let second = page(&story(&book.0, CallId(2)).unwrap(), &town(), Tongue::English);
    for text in [
        "This wait began with call 1",
        "We called 044-***-**02 back; 0440000000 was shown",
        "attempt 1: answered, but nobody confirmed",
        "the caller has waited 12:11",
        "talked 2:35",
    ] {
        assert!(second.contains(text), "{text:?} is not in\n{second}");
    }
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
    .unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    assert_eq!(walked, book.0);
    let Stop(sentence) = unknown(3, search.newest(), &town());
    assert!(sentence.contains("The newest is 2, of 2026-11-25 07:00:09: did you mean `toritsugi explain 2`?"), "{sentence}");
    assert!(search.found().is_none());
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
