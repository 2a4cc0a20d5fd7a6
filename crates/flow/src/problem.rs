//! What is wrong in a file, where, and what to write instead: in English and in Japanese, and shown under the offending text.
//!
//! Lines and columns count from 1, columns in characters, as editors do.

use crate::Source;
use crate::tree::{FILE_MAX, garbled};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// Problems kept of one reading; the rest would only repeat them.
const PROBLEMS_MAX: usize = 500;

/// Whether a city with this problem may go live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It may not.
    Error,
    /// It may, and somebody should look.
    Warning,
}

/// The language in which problems are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// One mistake in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A short stable name of its kind: `unknown_step`.
    pub code: &'static str,
    /// The file, as it was named in its [`Source`].
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Of the offending text, in characters; at least 1.
    pub length: u32,
    /// The sentence in English.
    pub en: String,
    /// The sentence in Japanese.
    pub ja: String,
    /// What to write, as it would stand in the file.
    pub help: Option<String>,
    /// What to put in the place of the offending text, where that mends it: an editor's quick fix.
    pub instead: Option<String>,
}

impl Problem {
    /// The sentence in one language.
    pub fn sentence(&self, tongue: Tongue) -> &str {
        match tongue {
            Tongue::En => &self.en,
            Tongue::Ja => &self.ja,
        }
    }
    /// Adds what to write instead.
    pub(crate) fn help(&mut self, text: impl Into<String>) -> &mut Problem {
        self.help = Some(text.into());
        self
    }
    /// Adds what the offending text should be. In quotes, if it was.
    pub(crate) fn instead(&mut self, text: impl Into<String>) -> &mut Problem {
        self.instead = Some(text.into());
        self
    }
}

/// A place in one of the files that are read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) file: u16,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) length: u32,
}

impl Spot {
    /// The very beginning of a file: for what is missing in it as a whole.
    pub(crate) fn top(file: u16) -> Spot {
        Spot { file, line: 1, column: 1, length: 1 }
    }
}

/// A value, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: Spot,
}

/// The problems found so far, and the names of the files that they point into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    paths: Vec<String>,
    list: Vec<Problem>,
    /// The words that were asked for together, for the proof that editors are told the same ones.
    #[cfg(test)]
    pub(crate) asked: std::collections::BTreeSet<std::collections::BTreeSet<&'static str>>,
}

impl Problems {
    /// A file's place in the list of names; the same name keeps its place.
    pub(crate) fn file(&mut self, path: &str) -> u16 {
        let place = self.paths.iter().position(|p| p == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }
    /// The name of a file, by its place in the list.
    pub(crate) fn path(&self, file: u16) -> &str {
        self.paths.get(usize::from(file)).map_or("", String::as_str)
    }
    /// Something that must be mended before the city goes live.
    pub(crate) fn error(&mut self, at: Spot, code: &'static str, en: impl Into<String>, ja: impl Into<String>) -> &mut Problem {
        self.add(Severity::Error, at, code, en.into(), ja.into())
    }
    /// Something that somebody should look at.
    pub(crate) fn warning(&mut self, at: Spot, code: &'static str, en: impl Into<String>, ja: impl Into<String>) -> &mut Problem {
        self.add(Severity::Warning, at, code, en.into(), ja.into())
    }
    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }
    pub(crate) fn any_error(&self) -> bool {
        self.list.iter().any(|p| p.severity == Severity::Error)
    }
    /// The same of one file.
    pub(crate) fn any_error_in(&self, file: u16) -> bool {
        self.list.iter().any(|p| p.severity == Severity::Error && p.path == self.path(file))
    }
    /// All of them, in the order of the files as they were named, then by place; the same one only once.
    pub(crate) fn sorted(self) -> Vec<Problem> {
        let Problems { paths, mut list, .. } = self;
        let place = |path: &str| paths.iter().position(|p| p == path);
        list.sort_by(|a, b| {
            (place(&a.path), a.line, a.column, a.severity, a.code).cmp(&(place(&b.path), b.line, b.column, b.severity, b.code))
        });
        list.dedup();
        list
    }

    /// Something found.
    pub(crate) fn add(&mut self, severity: Severity, at: Spot, code: &'static str, en: String, ja: String) -> &mut Problem {
        let path = self.paths.get(usize::from(at.file)).cloned().unwrap_or_default();
        let problem = Problem {
            severity,
            code,
            path,
            line: at.line.max(1),
            column: at.column.max(1),
            length: at.length.max(1),
            en,
            ja,
            help: None,
            instead: None,
        };
        // Beyond the limit the last place is overwritten: what is shown stays bounded, and there is still an error if there was one.
        if self.list.len() >= PROBLEMS_MAX
            && let Some(last) = self.list.iter().rposition(|p| p.severity != Severity::Error || severity == Severity::Error)
        {
            self.list.remove(last);
        }
        self.list.push(problem);
        let last = self.list.len() - 1;
        &mut self.list[last]
    }
}

/// Shows problems as a compiler does: the sentence, the line of the file, and the offending text underlined.
pub fn render(problems: &[Problem], sources: &[Source], lang: Tongue, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let sources: Vec<Source> = sources.iter().map(|source| Source { text: without_passwords(&source.text), ..source.clone() }).collect();
    let mut out = String::new();
    for problem in problems {
        out.push_str(&renderer.render(&[group(problem, &sources, lang)]));
        out.push_str("\n\n");
    }
    out
}

/// Problems for programs: a JSON list, one object each.
///
/// `file`; `line` and `column` of the first letter and `end_line` and `end_column` behind the last one, all from 1 and in characters;
/// `severity` (`error` or `warning`); `code`, which stays the same whatever the sentence says; `message` in the language asked for; `help`,
/// what to write, as it would stand in the file, or null; `suggestion`, a text that mends the mistake in the place of exactly that stretch,
/// or null.
pub fn json(problems: &[Problem], sources: &[Source], lang: Tongue) -> String {
    let list: Vec<serde_json::Value> = problems
        .iter()
        .map(|problem| {
            serde_json::json!({
                "file": problem.path,
                "line": problem.line,
                "column": problem.column,
                "end_line": problem.line,
                "end_column": problem.column.saturating_add(problem.length),
                "severity": problem.severity,
                "code": problem.code,
                "message": problem.sentence(lang),
                "help": problem.help,
                "suggestion": suggestion(problem, sources),
            })
        })
        .collect();
    serde_json::to_string_pretty(&list).unwrap_or_else(|_| "[]".to_owned())
}

/// The text that mends a mistake, in the quotes of the text that it replaces.
fn suggestion(problem: &Problem, sources: &[Source]) -> Option<String> {
    let instead = problem.instead.as_ref()?;
    let source = sources.iter().find(|s| s.path == problem.path)?;
    let written = source.text.get(bytes_of(&source.text, problem))?;
    let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''));
    Some(match quote {
        Some(quote) if !instead.starts_with(quote) => format!("{quote}{instead}{quote}"),
        _ => instead.clone(),
    })
}

fn group<'a>(problem: &'a Problem, sources: &'a [Source], lang: Tongue) -> annotate_snippets::Group<'a> {
    let level = match (problem.severity, lang) {
        (Severity::Error, Tongue::En) => Level::ERROR,
        (Severity::Error, Tongue::Ja) => Level::ERROR.with_name("誤り"),
        (Severity::Warning, Tongue::En) => Level::WARNING,
        (Severity::Warning, Tongue::Ja) => Level::WARNING.with_name("注意"),
    };
    let title = level.primary_title(problem.sentence(lang)).id(problem.code);
    let group = match sources.iter().find(|s| s.path == problem.path) {
        // A text that is none, or has no end, is not shown.
        Some(source) if !source.text.is_empty() && source.text.len() <= FILE_MAX && garbled(&source.text).is_none() => {
            let span = bytes_of(&source.text, problem);
            title.element(Snippet::source(source.text.as_str()).path(problem.path.as_str()).annotation(AnnotationKind::Primary.span(span)))
        }
        _ => title.element(Origin::path(problem.path.as_str()).line(problem.line as usize).char_column(problem.column as usize)),
    };
    match &problem.help {
        Some(help) => group.element(
            match lang {
                Tongue::En => Level::HELP.with_name("write"),
                Tongue::Ja => Level::HELP.with_name("書き方"),
            }
            .message(help.as_str()),
        ),
        None => group,
    }
}

/// The text with every password that somebody wrote into it hidden, sign for sign: what is shown of a file ends up in terminals, mails and logs.
/// A password may be anything, also the lines that follow its key.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut deeper_than = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if deeper_than.is_some_and(|key| indent > key || line.trim().is_empty()) {
            shown.extend(line.chars().map(|c| if c.is_whitespace() { c } else { '*' }));
            continue;
        }
        deeper_than = None;
        let mut rest = line;
        while let Some((before, value)) = behind_password(rest) {
            let value_end = value.find(['\n', '\r']).unwrap_or(value.len());
            let (mut written, mut quote) = (value_end, None);
            for (at, c) in value[..value_end].char_indices() {
                match quote {
                    Some(open) if c == open => quote = None,
                    Some(_) => {}
                    None if matches!(c, '"' | '\'') => quote = Some(c),
                    // Only between braces do these end a value.
                    None if matches!(c, ',' | '}') && line.contains('{') => {
                        written = at;
                        break;
                    }
                    None => {}
                }
            }
            let value_text = value[..written].trim();
            if value_text.is_empty() || value_text.starts_with(['|', '>']) {
                deeper_than = Some(indent);
            }
            shown.push_str(before);
            shown.extend(value[..written].chars().map(|c| if c.is_whitespace() { c } else { '*' }));
            rest = &value[written..];
        }
        shown.push_str(rest);
    }
    shown
}

/// The text up to and with the first key that names a password, and what follows it.
fn behind_password(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find("pass").map(|at| from + at) {
        let word = text[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').map_or(text.len(), |end| at + end);
        let behind = text[word..].trim_start_matches(['"', '\'', ' ', '\t']);
        let colon = text.len() - behind.len();
        let begins = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if begins && behind.starts_with(':') && !text[at..word].ends_with("_file") {
            return Some(text.split_at(colon + 1));
        }
        from = word;
    }
    None
}

/// The byte range of a problem's text; kept inside its line, whatever the file has become since.
fn bytes_of(text: &str, problem: &Problem) -> std::ops::Range<usize> {
    let mut start_of_line = 0;
    for (number, line) in (1u32..).zip(text.split_inclusive('\n')) {
        if number == problem.line {
            let line = line.trim_end_matches(['\n', '\r']);
            let at = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte);
            let from = at(problem.column.saturating_sub(1) as usize);
            let to = at((problem.column.saturating_sub(1) + problem.length) as usize);
            return start_of_line + from..start_of_line + to.max(from);
        }
        start_of_line += line.len();
    }
    text.len()..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_file_is_shown_to_nobody_and_its_neighbours_are() {
        let shown = |text: &str| without_passwords(text);
        assert_eq!(
            shown("a: { user: x, password: himitsu, expires: 1h }\nb: 1\n"),
            "a: { user: x, password: *******, expires: 1h }\nb: 1\n"
        );
        assert_eq!(shown("\"password\" : \"a, }b\" # me\n"), "\"password\" : *** *** * **\n");
        assert_eq!(shown("  password: |\n    秘密\n    x y\n\n  user: z\n"), "  password: *\n    **\n    * *\n\n  user: z\n");
        assert_eq!(shown("passwort:\n  himitsu\nuser: z"), "passwort:\n  *******\nuser: z");
        let plain = "password_file: carrier\nbypass: 1\npass the salt\n";
        assert_eq!(shown(plain), plain);
        assert_eq!(shown("password: a}b, c\n"), "password: **** *\n");
        let two = shown("one: { password: abc }\ntwo: { register: { user: \"1\", password: def, passwd: g } }\n");
        assert_eq!(two, "one: { password: *** }\ntwo: { register: { user: \"1\", password: ***, passwd: * } }\n");
    }
}
