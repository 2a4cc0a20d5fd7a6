//! `toritsugi check`: every mistake at once, with its place, before anything goes live; and how soon each flow hands callers to people.

use crate::files::Files;
use crate::publish::{self, Wait};
use crate::words::{Stop, fill, say, width};
use crate::{CheckArgs, CityArgs};
use flow::{Draft, Known, Reach, Severity, Tongue};
use model::{Manner, Millis};
use std::io::IsTerminal;

pub(crate) fn run(args: &CheckArgs) -> Result<(), Stop> {
    let tongue = tongue(&args.lang)?;
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
    files.leave_to_the_city(&mut checked.problems);
    let errors = checked.problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = checked.problems.len() - errors;
    if args.json {
        say(files.json(&checked.problems, &sources, tongue))?;
        return if errors > 0 { Err(Stop(String::new())) } else { Ok(()) };
    }
    let colour = std::io::stdout().is_terminal();
    if !checked.problems.is_empty() {
        say(files.render(&checked.problems, &sources, tongue, colour))?;
    }
    if args.seconds {
        say(seconds(&draft, &known, tongue))?;
    }
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
        Tongue::En => say(format_args!("No errors, {warnings} warning(s) in {files_read} files of {}.", files.describe(tongue))),
        Tongue::Ja => say(format_args!("{files_read} 個のファイルに誤りはありません。注意 {warnings} 件。")),
    }
}

/// `en` or `ja`.
pub(crate) fn tongue(lang: &str) -> Result<Tongue, Stop> {
    match lang {
        "en" => Ok(Tongue::En),
        "ja" => Ok(Tongue::Ja),
        other => Err(Stop::new(format!("messages come in en or ja, not {other}"))),
    }
}

/// A page of two tables: how soon each flow hands callers of each language to people, and every way on which it does.
fn seconds(draft: &Draft, known: &Known, tongue: Tongue) -> String {
    let reaches = flow::paths(draft, known);
    let (title, legend, ways) = match tongue {
        Tongue::En => (
            "Seconds to a human, from the first sentence to a queue or a line",
            "  typical, worst: whoever presses each key as soon as it is named, on the middle and on the longest way\n  \
             silent: whoever presses nothing; fixed: speech that nobody can interrupt",
            "Every way",
        ),
        Tongue::Ja => (
            "担当者につながるまでの秒数（最初の案内から待ち列または回線まで）",
            "  標準、最長: 読み上げられたキーをすぐ押す方の、中ほどの経路と最も長い経路\n  無操作: 何も押さない方　固定: 途中で止められない案内",
            "すべての経路",
        ),
    };
    format!("{title}\n\n{}\n{legend}\n\n{ways}\n\n{}", columns(&totals(&reaches, tongue), 2), columns(&routes(&reaches, tongue), 3))
}

fn totals(reaches: &[Reach], tongue: Tongue) -> Vec<Vec<String>> {
    let (heads, budget, kept, over) = match tongue {
        Tongue::En => (["flow", "language", "typical", "worst", "silent", "fixed", ""], "budget", "kept", "OVER"),
        Tongue::Ja => (["フロー", "言語", "標準", "最長", "無操作", "固定", ""], "上限", "守られています", "超えています"),
    };
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (number, reach) in reaches.iter().enumerate() {
        let row = [
            reach.flow.to_string(),
            reach.lang.to_string(),
            tenths(reach.typical),
            tenths(reach.pressing),
            tenths(reach.silent),
            tenths(Some(reach.mandatory)),
            if reach.kept() { kept } else { over }.to_owned(),
        ];
        rows.push(row.to_vec());
        // The promise stands once, below the last language of its flow.
        if reaches.get(number + 1).is_none_or(|next| next.flow != reach.flow) {
            let may = &reach.budget;
            let row = [
                String::new(),
                budget.to_owned(),
                String::new(),
                tenths(may.pressing),
                tenths(may.silent),
                tenths(may.mandatory),
                String::new(),
            ];
            rows.push(row.to_vec());
        }
    }
    rows
}

fn routes(reaches: &[Reach], tongue: Tongue) -> Vec<Vec<String>> {
    let (heads, pressing, silent) = match tongue {
        Tongue::En => (["flow", "language", "how", "seconds", "way"], "pressing", "silent"),
        Tongue::Ja => (["フロー", "言語", "操作", "秒", "経路"], "キー操作", "無操作"),
    };
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (reach, route) in reaches.iter().flat_map(|reach| reach.routes.iter().map(move |route| (reach, route))) {
        let how = match route.manner {
            Manner::Pressing | Manner::Mixed => pressing,
            Manner::Silent => silent,
        };
        let way: Vec<&str> = route.steps.iter().map(model::StepId::as_str).collect();
        rows.push(vec![reach.flow.to_string(), reach.lang.to_string(), how.to_owned(), tenths(Some(route.time)), way.join(" > ")]);
    }
    rows
}

/// Rows as columns: the first ones, and the last, begin at their left; figures end at their right.
fn columns(rows: &[Vec<String>], left: usize) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..count).map(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0)).collect();
    let mut page = String::new();
    for row in rows {
        let cell = |(i, cell): (usize, &String)| fill(cell, widths[i], (left..count - 1).contains(&i));
        let line = row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        page.push_str("  ");
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}

/// `21.4`, rounded up; a dash where there is nothing.
fn tenths(time: Option<Millis>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{}.{}", time.0.div_ceil(100) / 10, time.0.div_ceil(100) % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_stand_in_columns() {
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flows/base");
        let files = Files::find(&CityArgs { config: Some(base.join("config")), flows: Some(base.join("flows")) }).unwrap();
        let draft = flow::read(files.read().unwrap());
        // Without a voice, lengths are estimated from the texts.
        let [en, ja] = [Tongue::En, Tongue::Ja].map(|tongue| seconds(&draft, &Known::default(), tongue));
        crate::explain::golden("seconds.en.txt", &en);
        crate::explain::golden("seconds.ja.txt", &ja);
    }
}
