//! Every row of theory against the ACD, spread over the cores that there are.

use sim::queue::rows::{self, Check, Row};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// What became of one row.
struct Outcome {
    place: usize,
    checks: Vec<Check>,
    attempts: u64,
    took: Duration,
}

impl Outcome {
    fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.holds() && check.is_sharp())
    }
}

/// Whether all rows agree.
///
/// # Errors
/// A sentence, where the arguments make no sense.
pub(crate) fn run(args: &[&str]) -> Result<bool, String> {
    let rows = wanted(args)?;
    println!("row    calls     s  house, and the figure that came closest to its tolerance (theory, simulation, what is allowed)");
    let began = Instant::now();
    let (tell, told) = channel();
    let next = AtomicUsize::new(0);
    // The longest first, so that no core is left with a long one at the end.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(rows[*place].calls));
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(rows.len());
    let (mut passed, mut failed, mut calls, mut busy) = (0, 0, 0, Duration::ZERO);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            let tell = tell.clone();
            let (rows, order, next) = (&rows, &order, &next);
            threads.spawn(move || work(rows, order, next, &tell));
        }
        drop(tell);
        // Each as soon as it is done: somebody may be watching.
        for outcome in told {
            show(&rows[outcome.place], &outcome);
            if outcome.passed() {
                passed += 1
            } else {
                failed += 1
            }
            (calls, busy) = (calls + outcome.attempts, busy + outcome.took);
        }
    });
    // A row of a thread that panicked has no outcome; `scope` has ended the program then.
    let per_call = busy.as_secs_f64() * 1e6 / calls.max(1) as f64;
    println!("{calls} calls, {per_call:.2} us each on {cores} core(s), {:.0} s", began.elapsed().as_secs_f64());
    println!("theory: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn wanted(args: &[&str]) -> Result<Vec<Row>, String> {
    let all = rows::all();
    let mut ids = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (*arg, args.next()) {
            ("--row", Some(id)) if all.iter().any(|row| row.id == *id) => ids.push(*id),
            ("--row", Some(id)) => return Err(format!("no row is called {id}: A1 to A14, C1 to C12, K1 to K5, S1 to S6f")),
            (other, _) => return Err(format!("theory takes --row ID, not {other}")),
        }
    }
    Ok(if ids.is_empty() { all } else { all.into_iter().filter(|row| ids.contains(&row.id)).collect() })
}

fn work(rows: &[Row], order: &[usize], next: &AtomicUsize, tell: &Sender<Outcome>) {
    while let Some(place) = order.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
        let (row, began) = (&rows[place], Instant::now());
        let report = row.plan(row.calls).run();
        let outcome = Outcome { place, checks: row.checks(&report, 1.0), attempts: report.attempts, took: began.elapsed() };
        if tell.send(outcome).is_err() {
            return;
        }
    }
}

fn show(row: &Row, outcome: &Outcome) {
    let worst = outcome.checks.iter().max_by(|a, b| a.distance().total_cmp(&b.distance()));
    let closest = worst.map_or_else(|| "nothing to compare".to_owned(), |check| line(row, check));
    let verdict = if outcome.passed() { "" } else { "  FAILED" };
    println!("{:<5} {:>7}  {:>4.1}  {}: {closest}{verdict}", row.id, row.calls, outcome.took.as_secs_f64(), row.describe());
    for check in outcome.checks.iter().filter(|check| !(check.holds() && check.is_sharp())) {
        let why = if check.holds() { "too few calls to say" } else { "they differ" };
        println!("       {why}: {}", line(row, check));
    }
}

fn line(row: &Row, check: &Check) -> String {
    let (factor, unit) = if check.is_share { (100.0, "%") } else { (1.0, " s") };
    let of = if row.kinds() > 1 { format!(" {}", check.of + 1) } else { String::new() };
    format!(
        "{}{of} {:.2}{unit}, {:.2} ± {:.2}, allowed {:.2}",
        check.what,
        check.exact * factor,
        check.found.value * factor,
        check.found.within_95() * factor,
        check.tolerance * factor,
    )
}
