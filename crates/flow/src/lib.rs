//! The flow language: reads what supervisors wrote, says everything that is wrong with it, and leads one caller through it.
//!
//! [`read`] turns the files of a city into a [`Draft`] and never fails; [`sentences`] names everything that may be spoken, so that
//! it can be rendered and measured; [`check`] judges the draft with what is then known and gives a [`Book`] if nothing is wrong;
//! a [`Run`] is one caller's way through a flow of that book. Problems carry file, line, column, and a sentence in English and in
//! Japanese ([`render`] shows them).
//!
//! Total by construction: every way that a step can end is named or inherited, and `check` refuses a flow in which a caller could
//! fall out, circle in silence, or be hung up on without a word.
//!
//! A step of the language is one file in `steps/` and one word in its `steps!` line.
//!
//! Deliberately absent: files and clocks (texts and times are arguments), a scripting language (no expressions, no code in
//! sentences), sound (a sentence is asked for by name), agents' choice (routing decides who answers).

mod announce;
mod book;
mod budget;
mod calendar;
mod check;
mod choices;
mod claim;
mod config;
mod decode;
mod diagram;
mod draft;
mod examples;
mod facts;
mod holidays;
mod plural;
mod problem;
mod program;
mod prompts;
mod rules;
mod run;
mod schema;
mod script;
mod second;
mod speech;
mod standing;
mod steps;
mod target;
mod tree;
mod until;

pub use book::Book;
pub use budget::{Promise, Reach, Route, paths};
pub use calendar::{Calendar, Hours};
pub use check::{Checked, Known, check};
pub use choices::{Choice, Choices, choices};
pub use config::breaks::label_of;
pub use decode::nearest;
pub use diagram::{Diagram, diagrams};
pub use draft::{Draft, Source, read, sentences};
pub use examples::{Caller, Example, Examples, Expect, Hotline, Present, Press, Scripted, examples};
pub use problem::{Problem, Severity, Tongue, json, render};
pub use program::Flow;
pub use run::{Answered, Ask, CallbackTerms, Heard, Note, Position, Run, Sent, Wanted};
pub use schema::{schema, schemas};
pub use speech::{Form, Sentence, Spoken};
pub use standing::{Notice, Standing};
pub use tree::FILE_MAX;
pub use until::{NoEnd, until};
