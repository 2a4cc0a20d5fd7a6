//! A YAML file as a tree in which every word knows its line and column.
//!
//! YAML 1.2 without its traps: scalars stay the text that was written (no number loses a leading zero, `no` stays `no`), and
//! anchors, aliases, tags and merge keys are refused, because nobody at seven in the morning can see what they do.

use crate::problem::{Problems, Spot};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::BTreeSet;

/// Bytes of one file: of a larger one nothing is read, before memory runs out.
pub const FILE_MAX: usize = 1 << 20;
/// Lists and maps inside each other.
const DEPTH_MAX: usize = 32;

/// One value of a file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Spot,
    pub(crate) what: What,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A word, as written.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<(Key, Node)>),
    /// Something already complained about; whoever meets it says no more.
    Broken,
}

/// A word and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// The left side of a colon.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) quoted: bool,
    pub(crate) at: Spot,
}

/// Where a text stops being UTF-8, in bytes: what was read as something else holds U+FFFD for each byte that has no meaning (Shift-JIS), or
/// zeros between its letters (UTF-16).
pub(crate) fn garbled(text: &str) -> Option<usize> {
    text.find(['\u{fffd}', '\0'])
}

/// Whether a file is text in UTF-8, and not too large; the problems say what it is instead.
pub(crate) fn legible(file: u16, text: &str, problems: &mut Problems) -> bool {
    // A file that is too large was cut behind its bound, perhaps within a letter.
    if let Some(byte) = garbled(text).filter(|byte| *byte < FILE_MAX) {
        let before = text.get(..byte).unwrap_or_default();
        let line = whole(before.matches('\n').count()) + 1;
        let column = whole(before.chars().rev().take_while(|c| *c != '\n').count()) + 1;
        let en = "from here on the file is not UTF-8 (it may be Shift-JIS or UTF-16): save it as UTF-8. In Notepad: Save as, Encoding: UTF-8. \
                  In Excel: Save as, CSV UTF-8";
        let ja = "ここから先が UTF-8 ではありません（Shift-JIS や UTF-16 かもしれません）。UTF-8 で保存し直してください。\
                  メモ帳では「名前を付けて保存」で文字コードを「UTF-8」に、Excel ではファイルの種類を「CSV UTF-8」にします。";
        problems.error(Spot { file, line, column, length: 1 }, "not_utf8", en, ja);
        return false;
    }
    if text.len() > FILE_MAX {
        let (en, ja) = ("the file is larger than 1 MiB; split it", "ファイルが 1 MiB を超えています。分けてください。");
        problems.error(Spot::top(file), "file_too_large", en, ja);
        return false;
    }
    true
}

/// Reads one file. `None` when it is no UTF-8, no YAML, too large, or empty; the problems say which.
pub(crate) fn parse(file: u16, text: &str, problems: &mut Problems) -> Option<Node> {
    if !legible(file, text, problems) {
        return None;
    }
    commented_hash_keys(file, text, problems);
    let lines = text.lines().collect();
    let mut builder = Builder { file, lines, problems: &mut *problems, stack: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if !builder.take(event, span) {
                    return None;
                }
            }
            Err(error) => {
                let mark = error.marker();
                let at = Spot { file, line: whole(mark.line()), column: whole(mark.col()) + 1, length: 1 };
                syntax(at, error.info(), text, builder.problems);
                return None;
            }
        }
    }
    let root = builder.root;
    if root.is_none() {
        let (en, ja) = ("the file is empty; fill it, or take it away", "ファイルが空です。内容を書くか、ファイルを消してください。");
        problems.error(Spot::top(file), "empty_file", en, ja);
    }
    root
}

/// `#: step` looks like a key and is a comment: the line would vanish without a word.
fn commented_hash_keys(file: u16, text: &str, problems: &mut Problems) {
    for (number, line) in (1u32..).zip(text.lines()) {
        let indent = line.chars().take_while(|c| *c == ' ').count();
        if line.get(indent..).is_some_and(|rest| rest.starts_with("#:")) {
            let at = Spot { file, line: number, column: whole(indent) + 1, length: 2 };
            let en = "# begins a comment, so this line is not read; name the hash key `hash`";
            let ja = "# から後ろは注釈になるため、この行は読まれません。シャープのキーは hash と書いてください。";
            problems.error(Spot { length: 1, ..at }, "hash_is_a_comment", en, ja).help("hash: some_step").instead("hash");
        }
    }
}

/// A file that is no YAML: the parser's words, or better ones where the cause is known.
fn syntax(at: Spot, info: &str, text: &str, problems: &mut Problems) {
    let line = text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
    let before = text.lines().nth(at.line.saturating_sub(2) as usize).unwrap_or_default();
    let key = |line: &str, mark: char| {
        let parts: Vec<char> = line.chars().collect();
        (0..parts.len()).find(|&i| {
            parts.get(i) == Some(&mark) && parts.get(i + 1) == Some(&':') && (i == 0 || matches!(parts.get(i - 1), Some(' ' | '{' | ',')))
        })
    };
    for (number, line) in [(at.line, line), (at.line.saturating_sub(1), before)] {
        for (mark, name, english, japanese) in [('*', "star", "star", "米印"), ('#', "hash", "hash", "シャープ")] {
            if let Some(column) = key(line, mark) {
                let at = Spot { line: number, column: whole(column) + 1, ..at };
                let en =
                    format!("a bare {mark} means something else in YAML; name the {english} key `{name}`, or write \"{mark}\" in quotes");
                let ja = format!(
                    "引用符のない {mark} は YAML では別の意味になります。{japanese}のキーは {name} か \"{mark}\" と書いてください。"
                );
                problems.error(at, "bare_key", en, ja).help(format!("{name}: some_step")).instead(name);
                return;
            }
        }
    }
    if line.contains('\t') {
        let (en, ja) = ("a tab cannot indent; use spaces", "字下げにタブは使えません。空白を使ってください。");
        problems.error(at, "tab", en, ja);
        return;
    }
    if info.contains("recursion limit") {
        return too_deep(at, problems);
    }
    if let Some((number, column)) = space_after_colon(text, at.line) {
        let at = Spot { line: number, column, ..at };
        let en = "a colon has a space behind it: `word: value`";
        let ja = "コロン（半角の :）の後ろには空白が必要です。「項目: 値」のように書いてください。";
        problems.error(at, "colon_without_space", en, ja).help("start: greeting");
        return;
    }
    if let Some((number, column, bracket)) = open_bracket(text, at.line) {
        let at = Spot { line: number, column, ..at };
        let closing = if bracket == '{' { '}' } else { ']' };
        let en = format!("this {bracket} is never closed; write {closing} where it ends");
        let ja = format!("この {bracket} が閉じられていません。終わりに {closing} を書いてください。");
        problems.error(at, "open_bracket", en, ja);
        return;
    }
    let en = format!("this is not YAML: {info}");
    let ja = "ここで YAML として読めなくなりました。この行と前の行の引用符、かっこ、字下げ、コロンを確かめてください。";
    problems.error(at, "syntax", en, ja);
}

/// The line at or just before `line` that is a word, a colon and a value without a space between them, and where its colon stands.
fn space_after_colon(text: &str, line: u32) -> Option<(u32, u32)> {
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.iter().enumerate().take(line as usize).rev().filter(|(_, line)| !line.trim().is_empty()).take(2);
    tail.into_iter().find_map(|(number, line)| {
        let start = line.len() - line.trim_start().len();
        let colon = line.find([':', '：'])?;
        let word = line.get(start..colon)?;
        let mark = line.get(colon..)?.chars().next()?;
        let behind = line.get(colon + mark.len_utf8()..)?;
        let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let slip = if mark == '：' { true } else { !behind.is_empty() && !behind.starts_with(' ') };
        (plain && slip).then(|| (whole(number) + 1, whole(line.get(..colon).map_or(0, |before| before.chars().count())) + 1))
    })
}

/// The last `{` or `[` of a line at or before `line` that nothing closes, outside of quotes and comments.
fn open_bracket(text: &str, line: u32) -> Option<(u32, u32, char)> {
    let mut open: Vec<(u32, u32, char)> = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()).take(line as usize) {
        // A step of a block is never inside of brackets that an earlier line has left open.
        let mut quote = None;
        let mut before = ' ';
        for (column, c) in (1u32..).zip(line.chars()) {
            match (quote, c) {
                (Some(q), c) if q == c && before != '\\' => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (None, '#') if before == ' ' => break,
                (None, '{' | '[') => open.push((number, column, c)),
                (None, '}' | ']') => {
                    open.pop();
                }
                _ => {}
            }
            before = c;
        }
        if quote.is_some() {
            return None;
        }
    }
    open.pop().filter(|(number, ..)| *number < line)
}

fn too_deep(at: Spot, problems: &mut Problems) {
    let en = format!("nested deeper than {DEPTH_MAX}");
    let ja = format!("入れ子が {DEPTH_MAX} 段を超えています。");
    problems.error(at, "too_deep", en, ja);
}

fn odd_key(at: Spot, problems: &mut Problems) {
    let (en, ja) = ("the left side of a colon is a word", "コロンの左側には言葉を書きます。");
    problems.error(at, "odd_key", en, ja);
}

struct Builder<'p> {
    file: u16,
    lines: Vec<&'p str>,
    problems: &'p mut Problems,
    stack: Vec<Frame>,
    root: Option<Node>,
}

enum Frame {
    List { at: Spot, items: Vec<Node> },
    Map { at: Spot, entries: Vec<(Key, Node)>, seen: BTreeSet<String>, key: Option<Key> },
}

impl Builder<'_> {
    /// Takes one event. False: the rest of the file is not worth reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let at = self.spot(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tricks(at, anchor, tag.is_some());
                let quoted = style != ScalarStyle::Plain;
                self.put(Node { at, what: What::Scalar(Scalar { text: text.into_owned(), quoted }) });
            }
            Event::Alias(_) => {
                let en = "aliases (*) are not used here; write it out, or name the star key `star`";
                let ja = "別名（*）は使えません。そのまま書くか、米印のキーなら star と書いてください。";
                self.problems.error(at, "alias", en, ja);
                self.put(Node { at, what: What::Broken });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tricks(at, anchor, tag.is_some());
                if !self.deeper(at) {
                    return false;
                }
                self.stack.push(Frame::List { at, items: Vec::new() });
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tricks(at, anchor, tag.is_some());
                if !self.deeper(at) {
                    return false;
                }
                self.stack.push(Frame::Map { at, entries: Vec::new(), seen: BTreeSet::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Frame::List { at, items }) => self.put(Node { at, what: What::List(items) }),
                Some(Frame::Map { at, entries, .. }) => self.put(Node { at, what: What::Map(entries) }),
                None => return false,
            },
            Event::DocumentStart(_) => {
                if self.root.is_some() {
                    let (en, ja) = (
                        "one file holds one document; take out the ---",
                        "ひとつのファイルに書ける文書はひとつだけです。--- を消してください。",
                    );
                    self.problems.error(at, "second_document", en, ja);
                    return false;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn put(&mut self, node: Node) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, seen, key, .. }) => match key.take() {
                None => {
                    *key = Some(match node.what {
                        What::Scalar(mut scalar) => {
                            if scalar.text == "<<" && !scalar.quoted {
                                let (en, ja) =
                                    ("merge keys (<<) are not used here; write it out", "<< は使えません。そのまま書いてください。");
                                self.problems.error(node.at, "merge_key", en, ja);
                                scalar.text.clear();
                            } else if scalar.text.is_empty() {
                                odd_key(node.at, self.problems);
                            }
                            Key { text: scalar.text, quoted: scalar.quoted, at: node.at }
                        }
                        What::List(_) | What::Map(_) => {
                            odd_key(node.at, self.problems);
                            Key { text: String::new(), quoted: true, at: node.at }
                        }
                        What::Broken => Key { text: String::new(), quoted: true, at: node.at },
                    });
                }
                // Complained about: nobody should ask what is behind it.
                Some(key) if key.text.is_empty() => {}
                Some(key) => {
                    if !seen.insert(key.text.clone()) {
                        let en = format!("\"{}\" is written twice, and only one of them could count; take one out", shown(&key.text));
                        let ja = format!("「{}」が二度書かれています。どちらかひとつにしてください。", shown(&key.text));
                        self.problems.error(key.at, "duplicate_key", en, ja);
                    } else {
                        entries.push((key, node));
                    }
                }
            },
        }
    }

    fn deeper(&mut self, at: Spot) -> bool {
        if self.stack.len() < DEPTH_MAX {
            return true;
        }
        too_deep(at, self.problems);
        false
    }

    fn refuse_tricks(&mut self, at: Spot, anchor: usize, tagged: bool) {
        if anchor != 0 {
            let (en, ja) = ("anchors (&) are not used here; write it out", "アンカー（&）は使えません。そのまま書いてください。");
            self.problems.error(at, "anchor", en, ja);
        }
        if tagged {
            let (en, ja) = (
                "tags (!) are not used here; quote the text if it begins with !",
                "タグ（!）は使えません。! で始まる文なら引用符で囲んでください。",
            );
            self.problems.error(at, "tag", en, ja);
        }
    }

    fn spot(&self, span: Span) -> Spot {
        let (line, column) = (whole(span.start.line()), whole(span.start.col()) + 1);
        let mut end = span.end.col();
        // The parser counts blanks behind a quoted word as part of it. On endless lines nobody sees the difference.
        if let Some(line) = self.lines.get(span.start.line().saturating_sub(1)).filter(|line| line.len() < 2_000) {
            let written = line.chars().take(end).collect::<String>();
            end = written.trim_end_matches(' ').chars().count();
        }
        let length = if span.start.line() == span.end.line() { end.saturating_sub(span.start.col()) } else { 1 };
        Spot { file: self.file, line, column, length: whole(length).max(1) }
    }
}

/// A word of the file inside a sentence of ours: never longer than a line.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    text.chars().take(39).chain(['…']).collect()
}

fn whole(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_as_they_were_written() {
        let text = "a: 0440000000\nb: no\nc: 1_000\nd: 0o17\ne: 2026-11-22\nf: 8:30\ng: +81440000000\nh: 1.50\n";
        let mut problems = Problems::default();
        let tree = parse(0, text, &mut problems).unwrap();
        let words: Vec<&str> = tree.map(&mut problems).unwrap().iter().filter_map(|(_, node)| node.word()).collect();
        assert_eq!(words, ["0440000000", "no", "1_000", "0o17", "2026-11-22", "8:30", "+81440000000", "1.50"]);
    }

    #[test]
    fn every_word_knows_its_place() {
        let text = "案内: [ 一, \"二\" ]\n";
        let mut problems = Problems::default();
        let tree = parse(3, text, &mut problems).unwrap();
        let (key, list) = &tree.map(&mut problems).unwrap()[0];
        assert_eq!((key.at.file, key.at.line, key.at.column, key.at.length), (3, 1, 1, 2));
        let places: Vec<(u32, u32)> = list.items().iter().map(|item| (item.at.column, item.at.length)).collect();
        assert_eq!(places, [(7, 1), (10, 3)]);
    }

    #[test]
    fn hostile_files_are_refused_in_no_time() {
        let deep = "[".repeat(100_000);
        let blocks: String = (0..1_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b, *b]\n".to_owned();
        let large = "a: b\n".repeat(300_000);
        let twice: String = (0..50_000).map(|n| format!("k{}: 1\n", n % 40_000)).collect();
        for (text, code) in
            [(deep, "too_deep"), (blocks, "too_deep"), (laughs, "anchor"), (large, "file_too_large"), (twice, "duplicate_key")]
        {
            let mut problems = Problems::default();
            problems.file("x.yaml");
            let _ = parse(0, &text, &mut problems);
            let found = problems.sorted();
            assert!(found.iter().any(|p| p.code == code), "{code}: {:?}", found.first());
            assert!(found.len() <= 500);
        }
    }
}
