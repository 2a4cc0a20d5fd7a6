//! Judges a draft with everything that is known: every problem at once, and a book if nothing is wrong.

mod city;
mod flows;
mod roster;
mod routing;
mod rules;
mod sentences;
mod transfers;

use crate::book::Book;
use crate::draft::Draft;
use crate::problem::{Problem, Problems};
use crate::speech::Spoken;
use model::{Lang, Millis, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the world besides the files.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// How long each sentence sounds. If it is empty nothing has been rendered, and no budget is judged.
    pub lengths: BTreeMap<Spoken, Millis>,
    /// Languages that can be synthesised.
    pub voices: BTreeSet<Lang>,
    /// Sentences that could not be made to sound, and why.
    pub unspeakable: BTreeMap<Spoken, String>,
    /// The day it is. At zero no date is judged.
    pub wall: UnixMillis,
}

/// The verdict.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The city, ready to be published; `None` if any problem is an error.
    pub book: Option<Book>,
    /// Everything that was found, in the order of the files.
    pub problems: Vec<Problem>,
}

/// Judges a draft.
pub fn check(draft: &Draft, known: &Known) -> Checked {
    let mut draft = draft.clone();
    let mut problems = std::mem::take(&mut draft.problems);
    city::check(&draft, known, &mut problems);
    routing::check(&draft, &mut problems);
    roster::check(&draft, &mut problems);
    for flow in draft.flows.values() {
        flows::check(&draft, known, flow, &mut problems);
        transfers::check(&draft, known, flow, &mut problems);
    }
    sentences::check(&draft, known, &mut problems);
    let book = (!problems.any_error()).then(|| Book::new(&draft, &known.lengths));
    Checked { book, problems: problems.sorted() }
}

/// Where to point at for what a file of `config/` lacks as a whole, whether or not it is there.
fn top(draft: &Draft, file: &'static str, problems: &mut Problems) -> crate::problem::Spot {
    match draft.tops.get(file) {
        Some(top) => *top,
        None => crate::problem::Spot::top(problems.file(&format!("config/{file}.yaml"))),
    }
}
