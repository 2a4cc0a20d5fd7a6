//! Files that somebody's cat walked over: reading, checking and showing the problems never panics, and a book that comes out of it
//! all the same can be run.

use crate::common::{MONDAY, files, known, root, shipped};
use flow::{Ask, Heard, Known, Problem, Run, Source, Tongue, check, read, render, sentences};
use model::{Digit, Instant, Now, Random};
use std::sync::Arc;

const MUTANTS: u64 = 10_000;

/// One small damage to a text, as typing, pasting and merging do it.
fn damage(text: &str, random: &mut Random) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut at = || usize::try_from(random.below(letters.len().max(1) as u64)).unwrap();
    let (a, b, c) = (at(), at(), at());
    let lines: Vec<&str> = text.lines().collect();
    let line = |n: usize| n % lines.len().max(1);
    let odd = [
        "{", "}", "[", "]", ":", "\"", "'", "#", "*", "&", "!", "-", "\n", "\t", " ", "0", "9", "ー", "\u{0}", "\u{feff}", "|", ">", "%",
        "{{", "<<: *a", "~",
    ];
    match random.below(8) {
        0 => letters.iter().enumerate().filter(|(i, _)| *i != a).map(|(_, c)| *c).collect(),
        1 => letters.iter().take(a).chain(odd[b % odd.len()].chars().collect::<Vec<_>>().iter()).chain(letters.iter().skip(a)).collect(),
        2 => lines.iter().enumerate().filter(|(i, _)| *i != line(a)).map(|(_, l)| format!("{l}\n")).collect(),
        3 => lines.iter().enumerate().flat_map(|(i, l)| std::iter::repeat_n(format!("{l}\n"), if i == line(a) { 2 } else { 1 })).collect(),
        4 => {
            let mut swapped = lines.clone();
            if !swapped.is_empty() {
                swapped.swap(line(a), line(b));
            }
            swapped.join("\n")
        }
        5 => lines.iter().enumerate().map(|(i, l)| if i == line(a) { format!("  {l}\n") } else { format!("{l}\n") }).collect(),
        6 => letters.iter().take(a).collect(),
        _ => {
            let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 40));
            let piece: String = letters[from..to].iter().collect();
            let mut out: String = letters.iter().take(c).collect();
            out.push_str(&piece);
            out.extend(letters.iter().skip(c));
            out
        }
    }
}

#[test]
fn ten_thousand_damaged_cities_never_panic() {
    let small = files(&root().join("tests/flows/base"), &["flows", "config"]);
    // Whatever is written can be damaged: the shipped city is large, and so every fifth one.
    let cities = [shipped(), small].map(|sources| (known(&sources), sources));
    // Two threads, as there are two cores: every mutant is read for itself.
    let halves = [0, 1].map(|half| (0..MUTANTS).skip(half).step_by(2));
    #[expect(clippy::disallowed_methods, reason = "mutants are independent of each other, and each repeats by its seed")]
    let runs: u32 = std::thread::scope(|threads| {
        let both = halves.map(|half| threads.spawn(|| half.map(|seed| survive(seed, &cities)).sum::<u32>()));
        both.map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).iter().sum()
    });
    assert!(runs > 500, "most damage should be to words that a caller never meets, not to all of them: {runs}");
}

/// Damages a city by the seed, reads it, shows what is wrong with it, and lets one caller walk through each flow of what can be run; how many
/// walked.
fn survive(seed: u64, cities: &[(Known, Vec<Source>); 2]) -> u32 {
    let mut random = Random::from_number(seed);
    let (known, sources) = if (seed / 2).is_multiple_of(5) { &cities[0] } else { &cities[1] };
    let mut mutant: Vec<Source> = sources.clone();
    for _ in 0..=random.below(3) {
        let which = usize::try_from(random.below(mutant.len() as u64)).unwrap();
        mutant[which].text = damage(&mutant[which].text, &mut random);
    }
    let draft = read(mutant.clone());
    let _ = sentences(&draft);
    let checked = check(&draft, known);
    // A file of which nothing is left gives hundreds of problems; the first ones are shown as the others would be.
    let first: Vec<Problem> = checked.problems.iter().take(20).cloned().collect();
    let shown = render(&first, &mutant, if seed.is_multiple_of(2) { Tongue::En } else { Tongue::Ja }, seed.is_multiple_of(3));
    assert_eq!(shown.is_empty(), checked.problems.is_empty());
    for problem in &checked.problems {
        assert!(!problem.en.is_empty() && !problem.ja.is_empty() && problem.line >= 1 && problem.column >= 1, "{problem:?}");
    }
    let Some(book) = checked.book.map(Arc::new) else {
        assert!(checked.problems.iter().any(|p| p.severity == flow::Severity::Error), "seed {seed}: no book, and no reason");
        return 0;
    };
    let mut runs = 0;
    for flow in book.flows.keys() {
        let mut run = Run::new(Arc::clone(&book), flow).unwrap();
        let mut now = Now { mono: Instant::from_millis(1), wall: MONDAY };
        run.handle(now, Heard::Started);
        let mut over = false;
        for _ in 0..400 {
            while let Some(ask) = run.poll_output() {
                match ask {
                    Ask::Prompt { .. } => run.handle(now, if random.below(3) == 0 { key(&mut random) } else { Heard::Played }),
                    Ask::Look { .. } => run.handle(now, Heard::Facts(None)),
                    Ask::Enqueue(_) | Ask::Transfer { .. } | Ask::Callback { .. } | Ask::HangUp => over = true,
                    Ask::Record { .. } => {
                        run.handle(now, if random.below(3) == 0 { Heard::NotRecorded } else { Heard::Recorded { kept: true } })
                    }
                    Ask::Lookup { .. } => run.handle(now, Heard::NotAnswered),
                    Ask::StopRecording | Ask::Music(_) | Ask::Hush | Ask::Told { .. } | Ask::LeaveQueue | Ask::Note(_) => {}
                }
            }
            if over {
                break;
            }
            if let Some(at) = run.poll_timeout() {
                now.mono = at;
                run.handle_timeout(now);
            }
        }
        assert!(over, "seed {seed}: this caller came to no person and no end: {:?}", run.path());
        runs += 1;
    }
    runs
}

fn key(random: &mut Random) -> Heard {
    Heard::Digit(Digit::from_event(u8::try_from(random.below(12)).unwrap()).unwrap())
}
