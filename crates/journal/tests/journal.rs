//! What an engine, a crash, a forger and an auditor do to a journal.

use journal::{Damage, Entry, Fault, Full, Hash, Journal, Opening, Torn, Writer, cut, replay, verify};
use model::{Seq, UnixMillis};
use serde::{Deserialize, Serialize};
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    what: String,
    ticket: u64,
}

fn note(n: u64) -> Note {
    Note { what: format!("お待ちの方 \"{n}\"\n"), ticket: n * 7 }
}
fn wall(n: u64) -> UnixMillis {
    UnixMillis(1_619_654_400_000 + i64::try_from(n).unwrap())
}

/// A directory that is gone when the test is over.
struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("toritsugi-journal-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Dir(path)
    }
    fn open(&self) -> (Journal<Note>, Opening) {
        Journal::open(&self.0).unwrap()
    }
    /// With files of a few lines each.
    fn open_small(&self) -> (Journal<Note>, Opening) {
        Journal::open_sized(&self.0, 500).unwrap()
    }
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|f| f.extension().is_some_and(|e| e == "journal"));
        files.sort();
        files
    }
    fn entries(&self) -> Result<Vec<Entry<Note>>, Fault> {
        replay(&self.0).unwrap().collect()
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(journal: &mut Journal<Note>, numbers: RangeInclusive<u64>) {
    for n in numbers {
        journal.append(Seq(n), wall(n), &note(n)).unwrap();
    }
    journal.sync().unwrap();
}
fn expected(numbers: RangeInclusive<u64>) -> Vec<Entry<Note>> {
    numbers.map(|n| Entry { seq: Seq(n), wall: wall(n), body: note(n) }).collect()
}
fn damage_of<T: std::fmt::Debug>(result: Result<T, Fault>) -> (PathBuf, u64, Damage) {
    match result {
        Err(Fault::Damaged { file, line, why }) => (file, line, why),
        other => panic!("not damaged: {other:?}"),
    }
}

#[test]
fn what_was_written_is_read_back_across_files_and_restarts() {
    let dir = Dir::new("back");
    let (mut journal, opening) = dir.open_small();
    assert_eq!(opening, Opening { last: Seq(0), count: 0, torn: None });
    assert_eq!(verify(&dir.0).unwrap().hash, Hash::ORIGIN);
    write(&mut journal, 1..=20);
    drop(journal);
    let (mut journal, opening) = dir.open_small();
    assert_eq!(opening, Opening { last: Seq(20), count: 20, torn: None });
    write(&mut journal, 21..=33);

    assert!(dir.files().len() > 5, "it rotates");
    assert_eq!(dir.entries().unwrap(), expected(1..=33));
    let summary = verify(&dir.0).unwrap();
    assert_eq!((summary.records, summary.segments, summary.torn), (33, dir.files().len() as u64, None));
    assert_eq!(summary.bytes, dir.files().iter().map(|f| fs::metadata(f).unwrap().len()).sum::<u64>());
    for file in dir.files() {
        let text = fs::read_to_string(&file).unwrap();
        let first: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        assert!(text.lines().next().unwrap().contains(&format!("{{\"seq\":{first},")), "named by its first record");
    }
}

#[test]
fn records_speak_of_people_so_only_the_engine_reads_them() {
    let dir = Dir::new("mode");
    write(&mut dir.open().0, 1..=1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir.0), mode(&dir.files()[0])), (0o700, 0o600));
}

#[test]
fn numbers_count_by_one_and_nothing_else_is_taken() {
    let dir = Dir::new("turn");
    let (mut journal, _) = dir.open();
    for wrong in [0, 2, u64::MAX] {
        assert!(matches!(journal.append(Seq(wrong), wall(0), &note(0)), Err(Fault::OutOfTurn { expected: Seq(1), .. })));
    }
    write(&mut journal, 1..=2);
    assert!(matches!(journal.append(Seq(2), wall(0), &note(0)), Err(Fault::OutOfTurn { expected: Seq(3), got: Seq(2) })));
    let endless = Note { what: "x".repeat(journal::RECORD_BYTES_MAX), ticket: 0 };
    assert!(matches!(journal.append(Seq(3), wall(0), &endless), Err(Fault::Unwritable { seq: Seq(3), .. })));
    write(&mut journal, 3..=3);
    assert_eq!(dir.entries().unwrap(), expected(1..=3));
}

#[test]
fn a_crash_tears_the_last_record_at_any_byte_and_the_next_start_goes_on_before_it() {
    let dir = Dir::new("torn");
    write(&mut dir.open().0, 1..=3);
    let file = dir.files()[0].clone();
    let whole = fs::read(&file).unwrap();
    let before = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for length in before..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let bytes = (length - before) as u64;
        let torn = (bytes > 0).then(|| Torn { file: file.clone(), from: before as u64, bytes, nuls: 0 });
        assert_eq!(verify(&dir.0).unwrap().torn, torn);
        assert_eq!(dir.entries().unwrap(), expected(1..=2), "readers leave it alone");
        assert_eq!(fs::metadata(&file).unwrap().len(), length as u64);

        let (mut journal, opening) = dir.open();
        assert_eq!((opening.last, opening.count), (Seq(2), 2));
        let kept = opening.torn.map(|(found, kept)| (found, fs::read(kept).unwrap()));
        assert_eq!(kept, torn.map(|torn| (torn, whole[before..length].to_vec())), "what is cut off is kept beside");
        write(&mut journal, 3..=3);
        drop(journal);
        assert_eq!(fs::read(&file).unwrap(), whole, "the same record gives the same line");
    }
}

#[test]
fn a_crash_right_after_a_new_file_began_is_no_damage() {
    let dir = Dir::new("fresh");
    write(&mut dir.open_small().0, 1..=10);
    let last = dir.files().pop().unwrap();
    let first_of_last: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    for beginning in ["", "12ab"] {
        fs::write(&last, beginning).unwrap();
        let (journal, opening) = dir.open_small();
        assert_eq!(opening.last, Seq(first_of_last - 1));
        drop(journal);
    }
    write(&mut dir.open_small().0, first_of_last..=30);
    assert_eq!(dir.entries().unwrap(), expected(1..=30));
}

#[test]
fn any_flipped_bit_is_found_and_its_line_is_named() {
    let dir = Dir::new("flipped");
    write(&mut dir.open().0, 1..=4);
    let file = dir.files()[0].clone();
    let whole = fs::read(&file).unwrap();
    for at in 0..whole.len() - 1 {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&file, &flipped).unwrap();
        let line = whole[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        let (named, number, _) = damage_of(verify(&dir.0));
        assert_eq!((named, number), (file.clone(), line), "byte {at}");
        assert!(dir.entries().is_err());
        damage_of(Journal::<Note>::open(&dir.0).map(|(_, opening)| opening));
    }
    // The very last byte is the one that says the line is whole: no crash leaves another one there.
    for bit in 0..8 {
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1 << bit;
        fs::write(&file, &flipped).unwrap();
        assert_eq!(damage_of(verify(&dir.0)), (file.clone(), 4, Damage::NotTorn), "bit {bit}");
    }
    // Nor a line that lacks its end alone and was changed.
    let mut changed = whole[..whole.len() - 1].to_vec();
    let at = changed.len() - 4;
    changed[at] = b'9';
    fs::write(&file, &changed).unwrap();
    assert_eq!(damage_of(verify(&dir.0)), (file.clone(), 4, Damage::Checksum));
}

#[test]
fn a_forger_who_mends_the_checksum_still_breaks_the_chain() {
    let dir = Dir::new("forger");
    write(&mut dir.open().0, 1..=5);
    let file = dir.files()[0].clone();
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let put = |lines: &[String]| fs::write(&file, lines.join("\n") + "\n").unwrap();
    let mended = |line: &str| format!("{:08x} {}", crc32fast::hash(&line.as_bytes()[9..]), &line[9..]);

    let mut changed: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
    changed[2] = mended(&lines[2].replace("\"ticket\":21", "\"ticket\":12"));
    put(&changed);
    assert_eq!(damage_of(verify(&dir.0)), (file.clone(), 3, Damage::Chain));

    let removed: Vec<String> = lines.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| (*l).to_owned()).collect();
    put(&removed);
    assert_eq!(damage_of(verify(&dir.0)), (file.clone(), 2, Damage::Chain));

    let mut swapped: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
    swapped.swap(3, 4);
    put(&swapped);
    assert_eq!(damage_of(verify(&dir.0)), (file.clone(), 4, Damage::Chain));
    assert!(dir.entries().is_err());
    assert_eq!(replay::<Note>(&dir.0).unwrap().filter(Result::is_ok).count(), 3, "what stands before the damage is read");
}

#[test]
fn a_missing_a_cut_off_and_a_foreign_file_are_named() {
    let dir = Dir::new("missing");
    write(&mut dir.open_small().0, 1..=20);
    let files = dir.files();
    let second: Seq = Seq(files[1].file_stem().unwrap().to_str().unwrap().parse().unwrap());
    let kept = fs::read(&files[1]).unwrap();

    fs::remove_file(&files[1]).unwrap();
    assert_eq!(damage_of(verify(&dir.0)), (files[2].clone(), 1, Damage::Gap { expected: second }));
    fs::write(&files[1], &kept[..kept.len() - 1]).unwrap();
    assert!(matches!(damage_of(verify(&dir.0)), (file, _, Damage::CutOff) if file == files[1]));
    fs::write(&files[1], &kept).unwrap();
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(damage_of(verify(&dir.0)), (files[1].clone(), 1, Damage::Gap { expected: Seq(1) }));

    // The file before the last is only looked at where the last hangs on it; a cut there is found at once.
    let before_last = &files[files.len() - 2];
    let whole = fs::read(before_last).unwrap();
    fs::write(before_last, &whole[..whole.len() - 9]).unwrap();
    damage_of(Journal::<Note>::open(&dir.0).map(|(_, opening)| opening));

    // Another program's record: whole, but not ours to understand.
    let other = Dir::new("foreign");
    let (mut journal, _) = Journal::<String>::open(&other.0).unwrap();
    journal.append(Seq(1), wall(1), &"a string".to_owned()).unwrap();
    journal.sync().unwrap();
    assert_eq!(verify(&other.0).unwrap().records, 1);
    assert!(matches!(other.entries(), Err(Fault::Foreign { line: 1, .. })));
}

#[test]
fn garbage_of_any_kind_is_an_error_and_never_a_panic() {
    let dir = Dir::new("garbage");
    fs::create_dir_all(&dir.0).unwrap();
    let file = dir.0.join("00000000000000000001.journal");
    let long = vec![b'a'; 3 << 20];
    for garbage in [&b"\n"[..], b"\n\n\n", b"00000000 \n", &[0; 100], &[0xff; 4096], &long, b"{\"seq\":1}\n"] {
        fs::write(&file, garbage).unwrap();
        damage_of(verify(&dir.0));
        damage_of(Journal::<Note>::open(&dir.0).map(|(_, opening)| opening));
        assert_eq!(fs::read(&file).unwrap(), garbage, "nothing is erased");
    }
    // A line that is right in all but being JSON.
    let text = format!("{} not json", "0".repeat(64));
    fs::write(&file, format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()))).unwrap();
    assert_eq!(damage_of(verify(&dir.0)).2, Damage::Chain);
    assert!(matches!(verify(&dir.0.join("nowhere")), Err(Fault::Disk { .. })));
}

#[test]
fn a_wiped_journal_is_not_an_empty_one() {
    let dir = Dir::new("wiped");
    write(&mut dir.open().0, 1..=20);
    let file = dir.files()[0].clone();
    let wiped = vec![0; fs::metadata(&file).unwrap().len() as usize];
    fs::write(&file, &wiped).unwrap();
    let nuls = wiped.len() as u64;
    assert_eq!(damage_of(verify(&dir.0)), (file.clone(), 1, Damage::Wiped { nuls }));
    let refused = Journal::<Note>::open(&dir.0).map(|(_, opening)| opening).unwrap_err().to_string();
    assert!(refused.contains("Nothing was changed or erased") && refused.contains("verify --cut"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), wiped);

    let cut = cut(&dir.0).unwrap();
    assert!(cut.damage.is_some());
    assert_eq!((cut.records, fs::read(&cut.aside[0]).unwrap()), (0, wiped));
    write(&mut dir.open().0, 1..=3);
    assert_eq!(dir.entries().unwrap(), expected(1..=3));
}

#[test]
fn a_power_failure_leaves_nuls_behind_whole_records_and_they_are_kept_beside() {
    let dir = Dir::new("power");
    write(&mut dir.open().0, 1..=4);
    let file = dir.files()[0].clone();
    let whole = fs::read(&file).unwrap();
    let lines: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    // The blocks were lost from a line's beginning on, or from within a line.
    for text in [0, 5, 90] {
        let end = lines[1] + text;
        let mut bytes = whole[..end].to_vec();
        bytes.resize(end + 4096, 0);
        fs::write(&file, &bytes).unwrap();
        let torn = Torn { file: file.clone(), from: lines[1] as u64, bytes: text as u64 + 4096, nuls: 4096 };
        let summary = verify(&dir.0).unwrap();
        assert_eq!((summary.records, summary.torn), (2, Some(torn.clone())));
        let (mut journal, opening) = dir.open();
        let (found, kept) = opening.torn.unwrap();
        assert_eq!((found, fs::read(kept).unwrap()), (torn, bytes[lines[1]..].to_vec()));
        write(&mut journal, 3..=4);
        drop(journal);
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
    // More than a crash can leave, and records behind the NULs: somebody must look.
    for (nuls, behind) in [(2 << 20, &b""[..]), (4096, &whole[lines[2]..]), (4096, b"x")] {
        let bytes = [&whole[..lines[1]], &vec![0; nuls], behind].concat();
        fs::write(&file, &bytes).unwrap();
        assert_eq!(damage_of(Journal::<Note>::open(&dir.0).map(|(_, opening)| opening)).1, 3);
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

#[test]
fn a_cut_keeps_the_records_before_the_damage_and_every_byte_of_the_rest() {
    let dir = Dir::new("cut");
    write(&mut dir.open_small().0, 1..=20);
    assert!(cut(&dir.0).unwrap().damage.is_none());
    let files = dir.files();
    let before: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut flipped = before[2].clone();
    let second = flipped.iter().position(|b| *b == b'\n').unwrap() + 1;
    flipped[second + 100] ^= 1;
    fs::write(&files[2], &flipped).unwrap();
    let first: u64 = files[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();

    let held = dir.open_small().0;
    assert!(matches!(cut(&dir.0), Err(Fault::Locked(_))), "not under an engine's hands");
    drop(held);
    let done = cut(&dir.0).unwrap();
    assert_eq!((done.records, dir.files().len(), done.aside.len()), (first, 3, files.len() - 2));
    let kept: Vec<Vec<u8>> = done.aside.iter().rev().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!((&kept[0], &kept[1..]), (&flipped, &before[3..]));
    write(&mut dir.open_small().0, first + 1..=20);
    assert_eq!(dir.entries().unwrap(), expected(1..=20));
}

#[test]
fn two_engines_cannot_write_one_journal() {
    let dir = Dir::new("lock");
    let (mut journal, _) = dir.open();
    write(&mut journal, 1..=1);
    let second = Journal::<Note>::open(&dir.0).map(|(_, opening)| opening);
    assert!(matches!(&second, Err(Fault::Locked(_))));
    assert!(second.unwrap_err().to_string().contains("stop it"));
    assert_eq!(dir.entries().unwrap().len(), 1, "reading needs no lock");
    drop(journal);
    assert_eq!(dir.open().1.last, Seq(1));
}

#[test]
fn the_city_checks_the_chain_with_ordinary_tools() {
    let dir = Dir::new("audit");
    write(&mut dir.open().0, 1..=4);
    let script = r#"
        before=$(printf '%064d' 0)
        while read -r crc hash json; do
            [ "$(printf '%s%s' "$before" "$json" | sha256sum)" = "$hash  -" ] || echo "wrong: $json"
            before=$hash
        done < "$1"
        echo "$before""#;
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(&dir.files()[0]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), verify(&dir.0).unwrap().hash.to_string());
}

/// A writer with its confirmations and faults.
fn writer(journal: Journal<Note>) -> (Writer<Note>, Receiver<Seq>, Receiver<String>) {
    let (confirm, confirmed) = channel();
    let (fault, faults) = channel();
    let on_fault = move |f: &Fault| fault.send(f.to_string()).unwrap();
    (Writer::spawn(journal, move |seq| confirm.send(seq).unwrap(), on_fault).unwrap(), confirmed, faults)
}

#[test]
fn confirmations_only_grow_and_stand_for_what_is_on_the_disk() {
    let dir = Dir::new("confirm");
    let (writer, confirmed, faults) = writer(dir.open_small().0);
    for n in 1..=500 {
        writer.submit(Seq(n), wall(n), note(n)).unwrap();
        // Now and then wait for the disk, so that groups of all sizes happen.
        if n % 100 == 1 {
            while confirmed.recv().unwrap() < Seq(n) {}
            assert!(dir.entries().unwrap().len() as u64 >= n);
        }
    }
    assert_eq!(writer.finish().unwrap(), Seq(500));
    let rest: Vec<Seq> = confirmed.iter().collect();
    assert!(rest.is_sorted_by(|a, b| a < b));
    assert_eq!(rest.last(), Some(&Seq(500)));
    assert_eq!(faults.iter().count(), 0);
    assert_eq!(dir.entries().unwrap(), expected(1..=500));
}

/// Puts something in the way of the next file, as a full disk would be.
fn block(dir: &Dir, next: u64) -> PathBuf {
    let obstacle = dir.0.join(format!("{next:020}.journal"));
    fs::create_dir(&obstacle).unwrap();
    obstacle
}

#[test]
fn a_disk_that_is_full_for_a_while_confirms_nothing_and_then_everything() {
    let dir = Dir::new("full");
    let (mut journal, _) = dir.open();
    write(&mut journal, 1..=2);
    drop(journal);
    let (journal, _) = Journal::open_sized(&dir.0, 1).unwrap();
    let obstacle = block(&dir, 3);
    let (writer, confirmed, faults) = writer(journal);
    for n in 3..=5 {
        writer.submit(Seq(n), wall(n), note(n)).unwrap();
    }
    assert!(faults.recv().unwrap().contains("Check that the disk has room"));
    assert!(confirmed.try_recv().is_err());
    fs::remove_dir(obstacle).unwrap();
    while confirmed.recv().unwrap() < Seq(5) {}
    assert_eq!(writer.finish().unwrap(), Seq(5));
    assert_eq!(faults.iter().count(), 0, "one series of failures is told once");
    assert_eq!(dir.entries().unwrap(), expected(1..=5));
}

#[test]
fn a_disk_that_stays_full_costs_a_bounded_memory_and_the_end_does_not_wait_for_it() {
    let dir = Dir::new("stays-full");
    let (journal, _) = Journal::open_sized(&dir.0, 1).unwrap();
    let (writer, confirmed, faults) = writer(journal);
    writer.submit(Seq(1), wall(1), note(1)).unwrap();
    assert_eq!(confirmed.recv(), Ok(Seq(1)));
    let obstacle = block(&dir, 2);
    let mut n = 2;
    while writer.submit(Seq(n), wall(n), note(n)).is_ok() {
        n += 1;
    }
    assert!(n <= 2 + 1 + journal::QUEUE_RECORDS_MAX as u64);
    faults.recv().unwrap();
    // One was refused, so all later ones are, even if there is room again: no number may be missing.
    assert_eq!(writer.submit(Seq(n), wall(n), note(n)), Err(Full));
    let began = Instant::now();
    assert!(matches!(writer.finish(), Err(Fault::Disk { .. })));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(confirmed.try_recv().is_err());
    fs::remove_dir(obstacle).unwrap();
    assert_eq!(verify(&dir.0).unwrap().records, 1);
}

#[test]
fn a_record_out_of_turn_stops_the_writer_before_it_harms_the_chain() {
    let dir = Dir::new("gap");
    let (writer, _confirmed, faults) = writer(dir.open().0);
    writer.submit(Seq(1), wall(1), note(1)).unwrap();
    writer.submit(Seq(3), wall(3), note(3)).unwrap();
    assert!(faults.recv().unwrap().contains("record 3 came where 2 was due"));
    assert!(matches!(writer.finish(), Err(Fault::OutOfTurn { .. })));
    assert!(dir.entries().unwrap().len() <= 1);
}

#[test]
fn timings_are_printed() {
    let dir = Dir::new("timings");
    let (writer, confirmed, _faults) = writer(dir.open().0);
    let mut waits: Vec<Duration> = (1..=200)
        .map(|n| {
            let began = Instant::now();
            writer.submit(Seq(n), wall(n), note(n)).unwrap();
            assert_eq!(confirmed.recv(), Ok(Seq(n)));
            began.elapsed()
        })
        .collect();
    waits.sort();
    println!("one record to its confirmation: median {:.0?}, 99 % {:.0?}, slowest {:.0?}", waits[100], waits[198], waits[199]);

    let began = Instant::now();
    for n in 201..=10_200 {
        writer.submit(Seq(n), wall(n), note(n)).unwrap();
    }
    let submitted = began.elapsed();
    writer.finish().unwrap();
    println!("10,000 records: submitted in {submitted:.1?}, on the disk after {:.1?}, {} syncs", began.elapsed(), confirmed.iter().count());
    let began = Instant::now();
    let summary = verify(&dir.0).unwrap();
    println!("verify: {} records, {} bytes in {:.1?}", summary.records, summary.bytes, began.elapsed());
}
