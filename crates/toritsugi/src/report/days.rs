//! Small days whose figures were worked out by hand.

use super::figures::{Count, Definition, Report, Share, Terms, Waits};
use super::words::page;
use crate::explain::{Tongue, golden};
use crate::zone::{Town, Zone, parse_day};
use calls::{OpenCall, Record};
use model::{AbandonStage, CallEnd, CallId, CallRecord, Lang, Millis, Number, Party, Person, QueueId, Refusal, UnixMillis, Version};

/// 2026-11-25, 07:00:00 in Kawasaki.
const SEVEN: i64 = 1_795_557_600_000;

fn number(figures: &str) -> Number {
    Number::parse(figures).unwrap()
}

fn terms(within: Option<u64>) -> Terms {
    let day = parse_day("2026-11-25").unwrap();
    Terms { zone: Zone::tokyo(), days: (day, day), within: within.map(Millis), ..Terms::default() }
}

fn report(terms: &Terms, records: &[(UnixMillis, Record)]) -> Report {
    let mut count = Count::new(terms.clone());
    records.iter().for_each(|(wall, record)| count.see(*wall, record));
    count.finish(None)
}

/// A call that came at this second after seven, from this person (`""`: withheld), and its end.
fn call(id: u64, second: i64, person: &str, end: CallEnd, change: impl FnOnce(&mut CallRecord)) -> [(UnixMillis, Record); 2] {
    let arrived = UnixMillis(SEVEN + second * 1000);
    let person = (!person.is_empty()).then(|| Person::from(person));
    let mut record = CallRecord {
        call: CallId(id),
        arrived,
        number: number("0440000000"),
        caller: "***".to_owned(),
        lang: Lang::from("ja"),
        path: Vec::new(),
        queue: None,
        waited: None,
        to_human: None,
        agent: None,
        talked: None,
        ended: UnixMillis(arrived.0 + 60_000),
        end,
        hung_up_by: Party::Caller,
        version: Version::from("4f2a9c"),
        person,
        ticket: None,
        class: 0,
        gave_up: None,
        transferred_to: None,
        called_back: false,
        called_first: None,
        cause: None,
    };
    change(&mut record);
    let open = OpenCall {
        arrived,
        number: record.number.clone(),
        caller: record.caller.clone(),
        version: record.version.clone(),
        person: record.person.clone(),
        called_back: record.called_back,
        called_first: None,
        sip_call_id: None,
        place: None,
        assigned: None,
        bridged: false,
    };
    [(arrived, Record::Arrived { call: CallId(id), open: Box::new(open) }), (record.ended, Record::Ended(Box::new(record)))]
}
fn in_queue(queue: &str, waited: u64) -> impl FnOnce(&mut CallRecord) {
    move |record| {
        record.queue = Some(QueueId::from(queue));
        record.waited = Some(Millis(waited * 1000));
        if record.end == CallEnd::Served {
            record.to_human = Some(Millis(waited * 1000 + 20_000));
        }
        if record.end == CallEnd::AbandonedInQueue {
            record.gave_up = Some(AbandonStage::Queue);
        }
    }
}
fn blocked(second: i64, person: &str, why: Refusal) -> [(UnixMillis, Record); 1] {
    let person = (!person.is_empty()).then(|| Person::from(person));
    [(UnixMillis(SEVEN + second * 1000), Record::Refused { number: Some(number("0440000000")), person, why })]
}

#[test]
fn four_truths_about_one_queue() {
    // Nine calls: seven answered, after 5, 10, 15, 19, 20, 40 and 120 s; two gave up, after 8 and 60 s. T is 20 s.
    let mut day = Vec::new();
    for (id, waited) in [5, 10, 15, 19, 20, 40, 120].into_iter().enumerate() {
        day.extend(call(id as u64, 0, "", CallEnd::Served, in_queue("general", waited)));
    }
    day.extend(call(8, 0, "", CallEnd::AbandonedInQueue, in_queue("general", 8)));
    day.extend(call(9, 0, "", CallEnd::AbandonedInQueue, in_queue("general", 60)));
    let figures = report(&terms(Some(20_000)), &day).queues[&QueueId::from("general")].clone();
    let expected = [
        (Definition::OfOffered, Share { part: 5, of: 9 }, 556),
        (Definition::OfAnswered, Share { part: 5, of: 7 }, 714),
        (Definition::WithoutEarlyAbandons, Share { part: 5, of: 8 }, 625),
        (Definition::EarlyAbandonsAsAnswered, Share { part: 6, of: 9 }, 667),
    ];
    for (service, (definition, share, per_mille)) in figures.service.iter().zip(expected) {
        assert_eq!((service.definition, service.share, service.share.per_mille()), (definition, share, Some(per_mille)));
    }
    assert_eq!((figures.answer_rate, figures.abandon_rate), (Share { part: 7, of: 9 }, Share { part: 2, of: 9 }));
    // In order: 5 8 10 15 19 20 40 60 120, together 297; the ninth of nine is the first that nine of ten do not pass.
    let waits = Waits { of: 9, mean: Some(Millis(33_000)), p90: Some(Millis(120_000)), longest: Some(Millis(120_000)) };
    assert_eq!(figures.waits, waits);
}

/// Three persons and one without a number.
fn persons() -> Vec<(UnixMillis, Record)> {
    let mut day = Vec::new();
    // Sato hears a busy tone twice, then talks with somebody.
    day.extend(blocked(0, "sato", Refusal::Full));
    day.extend(blocked(60, "sato", Refusal::Full));
    day.extend(call(1, 120, "sato", CallEnd::Served, in_queue("general", 10)));
    // Mori gives up in the menu, then in the queue.
    day.extend(call(2, 200, "mori", CallEnd::AbandonedInMenu, |record| record.gave_up = Some(AbandonStage::Menu)));
    day.extend(call(3, 300, "mori", CallEnd::AbandonedInQueue, in_queue("nurse", 90)));
    // Hana books a callback, which reaches her.
    day.extend(call(4, 400, "hana", CallEnd::CallbackBooked, in_queue("nurse", 45)));
    day.extend(call(5, 900, "hana", CallEnd::Served, |record| {
        in_queue("nurse", 600)(record);
        record.called_back = true;
    }));
    // Somebody without a number finds the engine going down, somebody has dialled wrong.
    day.extend(blocked(500, "", Refusal::Draining));
    day.extend(blocked(501, "sato", Refusal::UnknownNumber));
    day
}

#[test]
fn three_persons_make_six_attempts_and_two_of_them_reach_somebody() {
    let report = report(&terms(None), &persons());
    let total = &report.total;
    assert_eq!((total.attempts, total.withheld, total.persons, total.redials), (7, 1, 3, 3));
    assert_eq!((total.blocked_full, total.blocked_draining, total.blocked_no_port, report.refused_otherwise), (2, 1, 0, 1));
    assert_eq!((total.persons_again, total.persons_reached), (Share { part: 2, of: 3 }, Share { part: 2, of: 3 }));
    assert_eq!((total.gave_up[&AbandonStage::Menu], total.gave_up[&AbandonStage::Queue], total.gave_up[&AbandonStage::Short]), (1, 1, 0));
    assert_eq!((total.offered, total.answered, total.abandoned, total.callback_booked, total.otherwise), (3, 1, 1, 1, 0));
    assert_eq!(total.callbacks, Share { part: 1, of: 1 });
    assert_eq!(report.numbers.len(), 1);
    assert_eq!(&report.numbers[&number("0440000000")], total, "all of them called the same number");
    let nurse = &report.queues[&QueueId::from("nurse")];
    assert_eq!((nurse.attempts, nurse.persons, nurse.persons_reached), (2, 2, Share { part: 1, of: 2 }));
}

#[test]
fn a_call_belongs_to_the_day_of_its_arrival_in_the_city() {
    let mut day = Vec::new();
    let midnight = -7 * 3600;
    // A second before midnight, a second after it, the last second of the day; the second one ends a day later.
    day.extend(call(1, midnight - 1, "a", CallEnd::Served, in_queue("general", 1)));
    day.extend(call(2, midnight + 1, "b", CallEnd::Served, |record| {
        in_queue("general", 1)(record);
        record.ended = UnixMillis(record.ended.0 + 86_400_000);
    }));
    day.extend(call(3, 17 * 3600 - 1, "c", CallEnd::Served, in_queue("general", 1)));
    day.extend(call(4, 17 * 3600, "d", CallEnd::Served, in_queue("general", 1)));
    assert_eq!(report(&terms(None), &day).total.persons, 2);
    let two = Terms { days: (terms(None).days.0 - 1, terms(None).days.1), ..terms(None) };
    assert_eq!(report(&two, &day).total.persons, 3);
    let utc = Terms { zone: Zone::default(), ..terms(None) };
    assert_eq!(report(&utc, &day).total.persons, 2, "c and d: nine hours later");
}

#[test]
fn the_same_mark_on_two_days_is_two_persons() {
    let mut days = Vec::new();
    days.extend(call(1, 0, "a", CallEnd::Served, in_queue("general", 1)));
    days.extend(call(2, -86_400, "a", CallEnd::AbandonedInQueue, in_queue("general", 1)));
    let two = Terms { days: (terms(None).days.0 - 1, terms(None).days.1), ..terms(None) };
    let total = report(&two, &days).total;
    assert_eq!((total.persons, total.redials, total.persons_reached), (2, 0, Share { part: 1, of: 2 }));
}

#[test]
fn each_queue_is_judged_by_its_own_promise_unless_one_is_asked_for() {
    let mut day = Vec::new();
    day.extend(call(1, 0, "", CallEnd::Served, in_queue("general", 40)));
    day.extend(call(2, 0, "", CallEnd::Served, in_queue("nurse", 40)));
    let mut own = terms(None);
    own.promises.insert(QueueId::from("nurse"), Millis(60_000));
    let in_time = |terms: &Terms| report(terms, &day).total.service[0].share;
    assert_eq!(in_time(&own), Share { part: 1, of: 2 });
    assert_eq!(in_time(&Terms { within: Some(Millis(40_000)), ..own }), Share { part: 2, of: 2 });
}

#[test]
fn a_call_in_progress_is_an_attempt_and_not_yet_an_outcome() {
    let mut day = call(1, 0, "a", CallEnd::Served, in_queue("general", 1)).to_vec();
    day.truncate(1);
    let total = report(&terms(None), &day).total;
    assert_eq!((total.attempts, total.in_progress, total.persons, total.offered), (1, 1, 1, 0));
    assert_eq!(total.persons_reached, Share { part: 0, of: 1 });
}

#[test]
fn a_call_that_the_damage_took_is_not_counted_as_going_on() {
    let day = call(1, 0, "a", CallEnd::Served, in_queue("general", 1));
    let terms = terms(None);
    let mut count = Count::new(terms.clone());
    count.see(day[0].0, &day[0].1);
    let report = count.finish(Some("1.journal:15".to_owned()));
    assert_eq!((report.total.attempts, report.total.in_progress, report.total.unknown), (1, 0, 1));
    let english = page(&report, &terms, &Town::default(), Tongue::English);
    assert!(english.contains("damage at 1.journal:15") && english.contains("unknown, the record breaks off"), "{english}");
    let japanese = page(&report, &terms, &Town::default(), Tongue::Japanese);
    assert!(japanese.contains("1.journal:15 に破損") && japanese.contains("うち不明"), "{japanese}");
}

#[test]
fn a_quiet_day_has_no_percentages_and_does_not_divide_by_nothing() {
    let quiet = report(&terms(None), &[]);
    assert_eq!((quiet.total.answer_rate.per_mille(), quiet.total.waits), (None, Waits::default()));
    assert!(page(&quiet, &terms(None), &Town::default(), Tongue::English).contains("- (0/0)"));
    let json = serde_json::to_value(&quiet).unwrap();
    assert_eq!(json["total"]["answer_rate"], serde_json::json!({ "part": 0, "of": 0, "percent": null }));
}

#[test]
fn a_day_as_it_is_read() {
    let mut day = persons();
    day.extend(call(6, 600, "", CallEnd::AbandonedInQueue, |record| {
        in_queue("general", 12)(record);
        record.number = number("0440000001");
    }));
    let mut terms = terms(None);
    terms.promises.insert(QueueId::from("nurse"), Millis(60_000));
    let report = report(&terms, &day);
    let json = serde_json::to_string_pretty(&report).unwrap() + "\n";
    let page = |tongue| page(&report, &terms, &Town::default(), tongue);
    golden("report.en.txt", &page(Tongue::English));
    golden("report.ja.txt", &page(Tongue::Japanese));
    golden("report.json", &json);
}
