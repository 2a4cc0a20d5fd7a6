//! A million pieces of what strangers send, spoiled at random: whatever comes, it is read without harm, and what was read holds together.
//!
//! Seeds lie in `data/corpus` and `data/torture`. Everything is drawn from one number, so that a failure comes again; the sentence names it.

mod readers;

use model::Random;
use readers::Read;
use toritsugi_tests::root;

const MESSAGES: u64 = 350_000;
const STREAMS: u64 = 200_000;
const URIS: u64 = 200_000;
const DESCRIPTIONS: u64 = 150_000;
const CREDENTIALS: u64 = 100_000;
const LONGEST: usize = 70_000;

/// Bytes that parsers stumble over.
const NASTY: [&[u8]; 28] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n ",
    b"\r\n\r\n",
    b"\"",
    b"\\",
    b"<",
    b">",
    b",",
    b";",
    b";;",
    b"=",
    b":",
    b"@",
    b"%",
    b"%00",
    b"[::1]",
    b"[",
    b"\xff",
    b"\x81\x5c",
    b"4294967296",
    b"18446744073709551616",
    b"-1",
    b";tag=",
    b"l: 5\r\n",
    b" ",
];

#[test]
fn a_million_is_a_million() {
    assert_eq!(MESSAGES + STREAMS + URIS + DESCRIPTIONS + CREDENTIALS, 1_000_000);
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/data").join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{} has its seeds", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn pick(dice: &mut Random, limit: usize) -> usize {
    usize::try_from(dice.below(limit.max(1) as u64)).unwrap()
}

/// A seed with up to six wounds.
fn spoil(dice: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[pick(dice, seeds.len())].clone();
    let wounds = if dice.below(2) == 0 { 1 } else { 1 + dice.below(6) };
    for _ in 0..wounds {
        let at = pick(dice, bytes.len());
        let end = (at + 1 + pick(dice, 40)).min(bytes.len());
        match dice.below(8) {
            0 | 1 => {
                let random = dice.next_u32().to_le_bytes()[0];
                bytes.get_mut(at).into_iter().for_each(|b| *b = random);
            }
            2 | 3 => {
                let nasty = NASTY[pick(dice, NASTY.len())];
                bytes.splice(at..at, nasty.iter().copied());
            }
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                let to = pick(dice, bytes.len());
                bytes.splice(to..to, copy);
            }
            6 => {
                let other = &seeds[pick(dice, seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[pick(dice, other.len())..]);
            }
            _ if dice.below(40) == 0 => {
                let filler = NASTY[pick(dice, NASTY.len())].repeat(1 + pick(dice, 3_000));
                bytes.splice(at..at, filler);
            }
            _ => bytes.truncate(at),
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// Every seed as it is, then so many spoiled ones.
fn each(folders: &[&str], seed: u64, count: u64, mut read: impl FnMut(&mut Random, &[u8])) {
    let seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| seeds(folder)).collect();
    let mut dice = Random::from_number(seed);
    for bytes in &seeds {
        read(&mut dice, bytes);
    }
    for _ in 0..count {
        let bytes = spoil(&mut dice, &seeds);
        read(&mut dice, &bytes);
    }
}

#[test]
fn messages() {
    let (mut whole, mut refused) = (0, 0);
    each(&["corpus/message", "torture/rfc4475"], 3261, MESSAGES, |_, bytes| match readers::message(bytes) {
        Read::Whole => whole += 1,
        Read::Refused => refused += 1,
        Read::Incomplete => {}
    });
    assert!(whole > 50_000 && refused > 50_000, "the spoiling leaves enough of both: {whole} {refused}");
}

#[test]
fn streams() {
    let (mut whole, mut lost) = (0, 0);
    each(&["corpus/framing", "corpus/message"], 5626, STREAMS, |dice, bytes| {
        let (messages, broken) = readers::stream(bytes, 1 + pick(dice, 200));
        whole += messages;
        lost += u64::from(broken);
    });
    assert!(whole > 50_000 && lost > 20_000, "{whole} {lost}");
}

#[test]
fn uris() {
    let mut sound = 0;
    each(&["corpus/uri"], 3966, URIS, |_, bytes| sound += u64::from(readers::uri(bytes)));
    assert!(sound > 20_000, "{sound}");
}

#[test]
fn session_descriptions() {
    let mut sound = 0;
    each(&["corpus/sdp"], 8866, DESCRIPTIONS, |_, bytes| sound += u64::from(readers::description(bytes)));
    assert!(sound > 20_000, "{sound}");
}

#[test]
fn credentials() {
    let (mut guesser, mut challenged) = (readers::Guesser::new(), 0);
    each(&["corpus/digest"], 7616, CREDENTIALS, |_, bytes| challenged += u64::from(guesser.guess(bytes)));
    assert!(challenged > 50_000, "{challenged}");
}
