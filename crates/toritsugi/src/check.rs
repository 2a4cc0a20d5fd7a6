//! `toritsugi check`: every mistake at once, with its place, before anything goes live.

use crate::files::Files;
use crate::publish::{self, Wait};
use crate::words::{Stop, say};
use crate::{CheckArgs, CityArgs};
use flow::{Severity, Tongue};
use std::io::IsTerminal;

pub(crate) fn run(args: &CheckArgs) -> Result<(), Stop> {
    let tongue = match args.lang.as_str() {
        "en" => Tongue::En,
        "ja" => Tongue::Ja,
        other => return Err(Stop::new(format!("messages come in en or ja, not {other}"))),
    };
    let files = Files::find(&CityArgs { config: args.config.clone(), flows: args.path.clone() })?;
    let sources = files.read()?;
    let draft = flow::read(sources.clone());
    let mut speech = publish::voices(&args.state.state)?;
    let shown = std::io::stderr().is_terminal();
    let mut progress = |done: usize, total: usize| {
        if shown {
            eprint!("\r  measuring sentences {done}/{total} ");
            if done == total {
                eprintln!();
            }
        }
    };
    let (_, known) = publish::sound(&draft, &files, &mut speech, Wait::Plain, &mut progress);
    let checked = flow::check(&draft, &known);
    let colour = std::io::stdout().is_terminal();
    if !checked.problems.is_empty() {
        say(flow::render(&checked.problems, &sources, tongue, colour))?;
    }
    let errors = checked.problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = checked.problems.len() - errors;
    if errors > 0 {
        say(format_args!(
            "{errors} error(s), {warnings} warning(s) in {} files. Nothing goes live until the errors are gone.",
            sources.len()
        ))?;
        return Err(Stop(String::new()));
    }
    say(format_args!("No errors, {warnings} warning(s) in {} files of {}.", sources.len(), files.describe()))
}
