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
    let mut speech = publish::voices(&args.state.state, draft.settings())?;
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
    let mut checked = flow::check(&draft, &known);
    // What stands in the tests beside the flows is judged too: a city does not go live without them.
    checked.problems.extend(flow::examples(&draft, &sources).1);
    let colour = std::io::stdout().is_terminal();
    if !checked.problems.is_empty() {
        say(files.render(&checked.problems, &sources, tongue, colour))?;
    }
    let errors = checked.problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = checked.problems.len() - errors;
    let files_read = sources.len();
    if errors > 0 {
        match tongue {
            Tongue::En => say(format_args!(
                "{errors} error(s), {warnings} warning(s) in {files_read} files. Nothing goes live until the errors are gone."
            ))?,
            Tongue::Ja => {
                say(format_args!(
                    "{files_read} 個のファイルに、誤り {errors} 件、注意 {warnings} 件。誤りがなくなるまで、何も反映されません。"
                ))?;
            }
        }
        return Err(Stop(String::new()));
    }
    match tongue {
        Tongue::En => say(format_args!("No errors, {warnings} warning(s) in {files_read} files of {}.", files.describe())),
        Tongue::Ja => say(format_args!("{files_read} 個のファイルに誤りはありません。注意 {warnings} 件。")),
    }
}
