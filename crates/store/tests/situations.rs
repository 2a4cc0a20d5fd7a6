//! What the file of call records lives through.

use model::{
    AbandonStage, AgentId, CallEnd, CallId, CallRecord, Event, Lang, Millis, Number, Party, Person, QueueId, Redacted, Refusal, TicketId,
    UnixMillis, Version,
};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::{Fault, ROOM, Store, Writer};

/// A folder of one test's own, gone afterwards.
struct Folder(PathBuf);
impl Folder {
    fn new(test: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("toritsugi-store-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
    fn file(&self) -> PathBuf {
        self.0.join("calls.sqlite")
    }
}
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A call served by a nurse, on 2020-02-28 08:15 in Kawasaki.
fn served(call: u64) -> CallRecord {
    CallRecord {
        call: CallId(call),
        arrived: UnixMillis(1_582_845_300_123),
        number: Number::parse("044-000-0001").unwrap(),
        caller: Redacted::new("0449876543").to_string(),
        lang: Lang::from("ja-easy"),
        path: vec!["greeting".to_owned(), "language=2".to_owned(), "\"quoted\" > step".to_owned()],
        queue: Some(QueueId::from("nurse")),
        waited: Some(Millis(95_000)),
        to_human: Some(Millis(130_500)),
        agent: Some(AgentId::from("yuki")),
        talked: Some(Millis(240_000)),
        ended: UnixMillis(1_582_845_670_623),
        end: CallEnd::Served,
        hung_up_by: Party::Caller,
        version: Version::from("4f2a9c"),
        person: Some(Person::from("p7f3")),
        ticket: Some(TicketId(31)),
        class: 2,
        gave_up: None,
        transferred_to: Some("hoken_kawasaki".to_owned()),
        called_back: true,
        called_first: Some("ward".into()),
        cause: Some(model::Cause::Q850(16)),
    }
}
fn abandoned(call: u64, arrived: i64) -> CallRecord {
    CallRecord {
        arrived: UnixMillis(arrived),
        path: Vec::new(),
        queue: None,
        waited: None,
        to_human: None,
        agent: None,
        talked: None,
        end: CallEnd::AbandonedInMenu,
        person: None,
        ticket: None,
        class: 0,
        gave_up: Some(AbandonStage::Menu),
        transferred_to: None,
        called_back: false,
        called_first: None,
        cause: Some(model::Cause::Sip(487)),
        ..served(call)
    }
}
fn text(file: &Path, sql: &str) -> String {
    Connection::open(file).unwrap().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
}

#[test]
fn what_is_filed_is_read_back_newest_first() {
    let folder = Folder::new("back");
    let mut store = Store::open(folder.file()).unwrap();
    let records = [served(1), abandoned(2, 1_582_845_300_123), abandoned(1, 1_582_845_299_000)];
    store.insert(&records).unwrap();
    let [first, second, third] = records;
    assert_eq!(store.calls(10).unwrap(), [second.clone(), first, third]);
    assert_eq!(store.calls(1).unwrap(), [second]);
}

#[test]
fn a_supervisor_reads_plain_words_and_times() {
    let folder = Folder::new("words");
    Store::open(folder.file()).unwrap().insert(&[served(7)]).unwrap();
    let line = "SELECT arrived_utc || ' ' || number || ' ' || caller || ' ' || queue || ' ' || outcome || ' ' || hung_up_by || ' ' || ended_utc FROM calls";
    assert_eq!(text(&folder.file(), line), "2020-02-27T23:15:00.123Z 0440000001 044-***-**43 nurse served caller 2020-02-27T23:21:10.623Z");
    assert_eq!(text(&folder.file(), "SELECT json_extract(path, '$[1]') FROM calls"), "language=2");
}

#[test]
fn a_call_that_is_told_twice_is_one_row_and_the_last_word_counts() {
    let folder = Folder::new("twice");
    let mut store = Store::open(folder.file()).unwrap();
    store.insert(&[abandoned(1, 1_582_845_300_123), served(2)]).unwrap();
    store.insert(&[served(1), served(2)]).unwrap();
    assert_eq!(store.calls(10).unwrap(), [served(2), served(1)]);
}

#[test]
fn only_the_owner_may_read_it_and_its_log() {
    let folder = Folder::new("mode");
    std::fs::write(folder.file(), "").unwrap();
    std::fs::set_permissions(folder.file(), PermissionsExt::from_mode(0o644)).unwrap();
    let mut store = Store::open(folder.file()).unwrap();
    store.insert(&[served(1)]).unwrap();
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn a_rebuild_leaves_what_the_journal_tells_and_nothing_else() {
    let folder = Folder::new("rebuild");
    let mut store = Store::open(folder.file()).unwrap();
    store.insert(&[served(1), served(2)]).unwrap();
    let journal = (2..5).flat_map(|call| [served(call), served(call)]);
    assert_eq!(store.rebuild(journal).unwrap(), 6);
    assert_eq!(store.calls(10).unwrap(), [served(4), served(3), served(2)]);
    drop(store);
    assert_eq!(Store::open(folder.file()).unwrap().calls(10).unwrap().len(), 3);
}

#[test]
fn the_file_of_another_program_is_left_alone() {
    let folder = Folder::new("foreign");
    Connection::open(folder.file()).unwrap().execute_batch("CREATE TABLE photos (name TEXT)").unwrap();
    let fault = Store::open(folder.file()).unwrap_err();
    assert_eq!(fault, Fault::Foreign { path: folder.file() });
    assert_eq!(text(&folder.file(), "SELECT name FROM sqlite_schema"), "photos");
}

#[test]
fn faults_are_sentences_that_name_the_file_and_the_next_thing_to_do() {
    let folder = Folder::new("faults");
    drop(Store::open(folder.file()).unwrap());
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let newer = Store::open(folder.file()).unwrap_err().to_string();
    assert!(newer.contains(folder.file().to_str().unwrap()) && newer.contains("layout 9") && newer.contains("rebuilt"), "{newer}");

    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 1).unwrap();
    let fault = Store::open(folder.file()).unwrap_err();
    assert_eq!(fault, Fault::Layout { path: folder.file(), found: 1, ours: 3 }, "a file from before is not read as if it were of today");

    let nowhere = Store::open(folder.0.join("no/such/folder.sqlite")).unwrap_err().to_string();
    assert!(nowhere.contains("no/such/folder.sqlite") && nowhere.contains("check that the folder exists"), "{nowhere}");

    std::fs::write(folder.0.join("text"), "this is no database, however long one looks at it".repeat(40)).unwrap();
    assert!(matches!(Store::open(folder.0.join("text")), Err(Fault::Open { .. })));
}

#[test]
fn a_row_that_somebody_changed_by_hand_is_a_fault_and_no_panic() {
    let folder = Folder::new("broken");
    let mut store = Store::open(folder.file()).unwrap();
    for change in ["outcome = 'lunch'", "gave_up = 'bored'", "class = 700"] {
        store.insert(&[served(1)]).unwrap();
        Connection::open(folder.file()).unwrap().execute_batch(&format!("UPDATE calls SET {change}")).unwrap();
        assert!(matches!(store.calls(1), Err(Fault::Read { .. })), "{change}");
    }
}

#[test]
fn the_writer_files_each_ended_call_and_nothing_else() {
    let folder = Folder::new("writer");
    let writer = Writer::spawn(folder.file()).unwrap();
    assert!(writer.note(&Event::Refused { why: Refusal::Full, person: None }));
    for call in 0..1200 {
        assert!(writer.note(&Event::Ended { record: Box::new(served(call)) }));
    }
    writer.finish().unwrap();
    let filed = Store::open(folder.file()).unwrap().calls(2000).unwrap();
    assert_eq!((filed.len(), filed[0].call), (1200, CallId(1199)));
}

#[test]
fn when_the_disk_refuses_the_room_fills_and_admission_stops() {
    let folder = Folder::new("full");
    let writer = Writer::spawn(folder.file()).unwrap();
    // Somebody holds the file's lock: as a full disk would, this keeps every transaction from committing.
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut taken = 0;
    while writer.note(&Event::Ended { record: Box::new(served(taken)) }) {
        taken += 1;
    }
    assert!(usize::try_from(taken).unwrap() >= ROOM - 1, "{taken}");
    assert!(!writer.note(&Event::AuthenticationFailed { challenged: true }), "still no room");
    let kept = writer.kept();
    let until_kept = |is: bool| {
        let asked = Instant::now();
        while kept.load(Ordering::Acquire) != is {
            assert!(asked.elapsed() < Duration::from_secs(60), "whoever asks is told: {is}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until_kept(false);
    other.execute_batch("ROLLBACK").unwrap();
    until_kept(true);
    writer.finish().unwrap();
    let filed = Store::open(folder.file()).unwrap().calls(u32::MAX).unwrap();
    assert!(filed.len() >= ROOM, "{}", filed.len());
}
