//! The sentences of the city: a text per language, spoken by a voice or recorded beforehand, and the music for those who wait.
//!
//! A sentence may hold one changing word: `{{ position }}`, the caller's place in line, `{{ ahead }}`, how many are before them, or
//! `{{ minutes }}`, the wait; and a language may have a form of it for none, for one and for others (`plural.rs`). It is laid out
//! beforehand for every value that is spoken, so that nothing has to be synthesised while somebody waits. There is no code in sentences.

use crate::decode::{Fields, is_name, missing, noun};
use crate::plural::Plural;
use crate::problem::{At, Problems, Spot};
use crate::schema::{LANG, NAME, Shape, Value, may, must};
use crate::tree::{Key, Node, What, shown};
use crate::{Form, Sentence, Spoken};
use minijinja::{Environment, UndefinedBehavior, context};
use model::{Lang, PromptId};
use std::collections::{BTreeMap, BTreeSet};

/// Places in line that are spoken; further back the music simply goes on.
pub(crate) const POSITION_MAX: u32 = 30;
/// Waits that are spoken, in minutes: steps that nobody takes for a promise to the second.
pub(crate) const MINUTES: [u32; 8] = [1, 2, 3, 5, 10, 15, 20, 30];
/// Characters of one sentence: a minute of speech. Nobody listens longer.
const TEXT_MAX: usize = 500;
/// Recordings that one sentence is joined from.
const FILES_MAX: usize = 16;
/// What the templating engine may spend on one sentence; a changing word costs a handful.
const FUEL: u64 = 20_000;

/// The language of what has none.
pub(crate) const MUSIC: &str = "music";

/// The words of a file of `flows/prompts/`, for editors.
pub(crate) const SHAPE: Shape = Shape {
    name: "prompts",
    en: "Sentences by their names, each in every language that is offered, and music for those who wait.",
    ja: "案内文（使うすべての言語）と、お待ちの間の音楽。",
    words: &[may(
        MUSIC,
        Value::Each(NAME, &Value::Map(&MUSIC_SHAPE)),
        "Music for those who wait, by its name.",
        "お待ちの間の音楽。名前を付けて書きます。",
    )],
    rest: Some((NAME, &Value::Each(LANG, &Value::Either(&[Value::Text, Value::Map(&WORDING), Value::Map(&FORMS)])))),
};

const WORDING: Shape = Shape {
    name: "prompts/wording",
    en: "A sentence in one language.",
    ja: "ひとつの言語の案内文。",
    words: &[
        must(
            "text",
            Value::Text,
            "Its words; of a recording, what it says. One changing word at most: {{ position }}, {{ ahead }} or {{ minutes }}.",
            "案内文。録音の場合はその内容。変わる言葉は {{ position }}、{{ ahead }}、{{ minutes }} のどれかひとつです。",
        ),
        may(
            "reading",
            Value::Text,
            "How a voice should read it, where the words mislead.",
            "読み方。合成音声が読み間違えるときに書きます。",
        ),
        may(
            "files",
            Value::List(&Value::Text),
            "The recordings that it is joined from; a voice speaks it, if left out.",
            "録音ファイル。書かなければ合成音声が読み上げます。",
        ),
    ],
    rest: None,
};

/// A form for none, for one and for others.
const FORMS: Shape = Shape {
    name: "prompts/forms",
    en: "A sentence that depends on a number.",
    ja: "数によって変わる案内文。",
    words: &[
        may("none", FORM, "For none.", "0 のとき。"),
        may("one", FORM, "For one.", "1 のとき。"),
        must("other", FORM, "For all others, with the number in it.", "そのほかの数のとき。変わる数を書きます。"),
    ],
    rest: None,
};

const FORM: Value = Value::Either(&[Value::Text, Value::Map(&WORDING)]);

const MUSIC_SHAPE: Shape = Shape {
    name: "prompts/music",
    en: "A piece of music.",
    ja: "音楽。",
    words: &[must(
        "file",
        Value::Text,
        "Its recording, in flows/prompts/recorded/music/.",
        "flows/prompts/recorded/music/ の録音ファイル。",
    )],
    rest: None,
};

/// One entry of `flows/prompts/`.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) at: Spot,
    pub(crate) wordings: BTreeMap<Lang, Wording>,
    /// Languages whose wording could not be read: they are not missing as well.
    pub(crate) broken: BTreeSet<Lang>,
}

/// A sentence in one language.
#[derive(Clone, Debug)]
pub(crate) struct Wording {
    /// Where it is written.
    pub(crate) at: Spot,
    /// Its words; of a recording, what it says.
    pub(crate) text: String,
    /// How a voice should read it, where the words mislead.
    reading: Option<String>,
    /// The recordings it is joined from; none if a voice speaks it.
    files: Option<Vec<Piece>>,
    /// What is said instead for some numbers.
    forms: BTreeMap<Plural, Wording>,
}

/// A part of a recorded sentence.
#[derive(Clone, Debug)]
enum Piece {
    File(String),
    Value(Changing),
}

/// What changes in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changing {
    /// The caller's place in line.
    Position,
    /// How many are before them.
    Ahead,
    /// The wait.
    Minutes,
}

impl Changing {
    /// The changing word of a text.
    fn of(text: &str) -> Option<Changing> {
        let (_, after) = text.split_once("{{")?;
        let (word, _) = after.split_once("}}")?;
        Changing::named(word.trim())
    }
    fn named(word: &str) -> Option<Changing> {
        [Changing::Position, Changing::Ahead, Changing::Minutes].into_iter().find(|changing| changing.word() == word)
    }
    pub(crate) fn word(self) -> &'static str {
        match self {
            Changing::Position => "position",
            Changing::Ahead => "ahead",
            Changing::Minutes => "minutes",
        }
    }
    /// What it is worked out from: a place is said as a place, or as the number of those before it.
    pub(crate) fn source(self) -> Changing {
        match self {
            Changing::Position | Changing::Ahead => Changing::Position,
            Changing::Minutes => Changing::Minutes,
        }
    }
    /// The number that is said for a value.
    fn count(self, value: u32) -> u32 {
        match self {
            Changing::Ahead => value.saturating_sub(1),
            Changing::Position | Changing::Minutes => value,
        }
    }
    /// Every value that is spoken.
    fn values(self) -> Vec<u32> {
        match self {
            Changing::Position | Changing::Ahead => (1..=POSITION_MAX).collect(),
            Changing::Minutes => MINUTES.to_vec(),
        }
    }
    /// Where the recordings of its values lie, within a language's folder.
    fn folder(self) -> &'static str {
        match self {
            Changing::Position | Changing::Ahead => "n",
            Changing::Minutes => "minutes",
        }
    }
}

/// Music for those who wait.
#[derive(Clone, Debug)]
pub(crate) struct Music {
    pub(crate) at: Spot,
    file: String,
}

impl Prompt {
    /// What its changing word is worked out from, if it has one.
    pub(crate) fn changing(&self) -> Option<Changing> {
        self.wordings.values().find_map(|wording| Changing::of(&wording.text)).map(Changing::source)
    }
    /// Whether it has no wording in a language, not even one that could not be read.
    pub(crate) fn lacks(&self, lang: &Lang) -> bool {
        !self.wordings.contains_key(lang) && !self.broken.contains(lang)
    }
    /// Every concrete sentence of it in one language.
    pub(crate) fn sentences(&self, prompt: &PromptId, lang: &Lang) -> Vec<Sentence> {
        let Some(wording) = self.wordings.get(lang) else { return Vec::new() };
        let values = self.changing().map_or_else(|| vec![None], |changing| changing.values().into_iter().map(Some).collect());
        values
            .into_iter()
            .map(|value| Sentence { spoken: Spoken { prompt: prompt.clone(), lang: lang.clone(), value }, form: wording.form(lang, value) })
            .collect()
    }
}

impl Wording {
    /// What a voice reads out; `None` where it is recorded.
    pub(crate) fn spoken(&self) -> Option<&str> {
        self.files.is_none().then(|| self.reading.as_deref().unwrap_or(&self.text))
    }
    /// Its words for a value.
    pub(crate) fn words(&self, lang: &Lang, value: Option<u32>) -> String {
        fill(&self.of(lang, value).text, value)
    }

    /// The form that a value takes.
    fn of(&self, lang: &Lang, value: Option<u32>) -> &Wording {
        let Some(count) = Changing::of(&self.text).zip(value).map(|(changing, value)| changing.count(value)) else { return self };
        let none = (count == 0).then(|| self.forms.get(&Plural::None)).flatten();
        none.or_else(|| self.forms.get(&Plural::of(lang, count))).unwrap_or(self)
    }

    fn form(&self, lang: &Lang, value: Option<u32>) -> Form {
        self.of(lang, value).plain(lang, value)
    }

    fn plain(&self, lang: &Lang, value: Option<u32>) -> Form {
        match &self.files {
            Some(pieces) => Form::Files(
                pieces
                    .iter()
                    .filter_map(|piece| match piece {
                        Piece::File(file) => Some(format!("{lang}/{file}")),
                        Piece::Value(changing) => value.map(|n| format!("{lang}/{}/{}.wav", changing.folder(), changing.count(n))),
                    })
                    .collect(),
            ),
            None => Form::Text { text: fill(&self.text, value), reading: self.reading.as_ref().map(|r| fill(r, value)) },
        }
    }
}

impl Music {
    /// As a sentence, which plays in a loop.
    pub(crate) fn sentence(&self, name: &PromptId) -> Sentence {
        Sentence { spoken: music(name), form: Form::Files(vec![format!("{MUSIC}/{}", self.file)]) }
    }
}

/// What to ask for when music is to play.
pub(crate) fn music(name: &PromptId) -> Spoken {
    Spoken { prompt: name.clone(), lang: Lang::from(MUSIC), value: None }
}

/// One file of `flows/prompts/`.
pub(crate) fn read(node: &Node, prompts: &mut BTreeMap<PromptId, Prompt>, musics: &mut BTreeMap<PromptId, Music>, problems: &mut Problems) {
    for (key, value) in node.map(problems).unwrap_or_default() {
        if key.text == MUSIC {
            read_musics(value, musics, problems);
        } else if is_name(&key.text, key.at, problems) {
            let prompt = read_prompt(key, value, problems);
            if prompts.insert(PromptId::from(key.text.as_str()), prompt).is_some() {
                twice(key, problems);
            }
        }
    }
}

fn twice(key: &Key, problems: &mut Problems) {
    let en = format!("the {} \"{}\" is written in another file too", noun::PROMPT.en, key.text);
    let ja = format!("{}「{}」は別のファイルにも書かれています。", noun::PROMPT.ja, key.text);
    problems.error(key.at, "duplicate_prompt", en, ja);
}

fn read_musics(node: &Node, musics: &mut BTreeMap<PromptId, Music>, problems: &mut Problems) {
    for (key, value) in node.map(problems).unwrap_or_default() {
        if !is_name(&key.text, key.at, problems) {
            continue;
        }
        let Some(mut fields) = Fields::of(value, key.at, problems) else { continue };
        let file = match fields.take("file") {
            Some(node) => node.text(problems).and_then(|t| file_name(&t, problems)),
            None => {
                missing(problems, key.at, "file", "file: calm.wav");
                None
            }
        };
        fields.finish(problems);
        let Some(file) = file else { continue };
        if musics.insert(PromptId::from(key.text.as_str()), Music { at: key.at, file }).is_some() {
            twice(key, problems);
        }
    }
}

fn read_prompt(key: &Key, node: &Node, problems: &mut Problems) -> Prompt {
    let (mut wordings, mut broken) = (BTreeMap::new(), BTreeSet::new());
    for (lang, value) in node.map(problems).unwrap_or_default() {
        if !is_language(&lang.text, lang.at, problems) {
            continue;
        }
        let name = Lang::from(lang.text.as_str());
        match read_wording(lang, value, problems) {
            Some(wording) => {
                wordings.insert(name, wording);
            }
            None => {
                broken.insert(name);
            }
        }
    }
    let prompt = Prompt { at: key.at, wordings, broken };
    if let Some(changing) = prompt.changing() {
        let word = changing.word();
        for wording in prompt.wordings.values().filter(|w| Changing::of(&w.text).map(Changing::source) != Some(changing)) {
            let en = format!("the other languages say {{{{ {word} }}}}, this one does not");
            let ja = format!("ほかの言語には {{{{ {word} }}}} がありますが、この言語にはありません。");
            problems.warning(wording.at, "template_differs", en, ja);
        }
    }
    prompt
}

/// A text, a text with its reading or its recordings, or one of these for none, one and others.
fn read_wording(lang: &Key, node: &Node, problems: &mut Problems) -> Option<Wording> {
    let numbered = |(key, _): &(Key, Node)| Plural::WORDS.iter().any(|(word, _)| *word == key.text);
    if matches!(node.what, What::Map(_)) && node.map(problems).is_some_and(|entries| entries.iter().any(numbered)) {
        return read_forms(lang, node, problems);
    }
    read_form(lang.at, node, problems)
}

/// `{ none: "..", one: "..", other: "There are {{ ahead }} callers ahead of you." }`.
fn read_forms(lang: &Key, node: &Node, problems: &mut Problems) -> Option<Wording> {
    let mut fields = Fields::of(node, lang.at, problems)?;
    let mut forms: BTreeMap<Plural, Wording> = BTreeMap::new();
    for (word, plural) in Plural::WORDS {
        let Some((key, node)) = fields.entry(word) else { continue };
        if plural == Plural::One && !Plural::has_one(&Lang::from(lang.text.as_str())) {
            let en = format!("{} says one and many alike: write the sentence as `other`", lang.text);
            let ja = format!("{} では数によって文が変わりません。other だけを書いてください。", lang.text);
            problems.warning(key.at, "form_never_used", en, ja);
        }
        forms.extend(read_form(key.at, node, problems).map(|wording| (plural, wording)));
    }
    let written = fields.has("other");
    fields.finish(problems);
    let Some(other) = forms.remove(&Plural::Other) else {
        if !written {
            missing(problems, lang.at, "other", "other: \"There are {{ ahead }} callers ahead of you.\"");
        }
        return None;
    };
    if Changing::of(&other.text).is_none() {
        let en = "`other` has no number in it, so nothing tells the forms apart";
        let ja = "other に変わる数がないので、文を使い分けられません。";
        problems.error(other.at, "template", en, ja).help("other: \"There are {{ ahead }} callers ahead of you.\"");
    }
    Some(Wording { forms, ..other })
}

fn read_form(lang_at: Spot, node: &Node, problems: &mut Problems) -> Option<Wording> {
    let plain = |at, text: &At<&str>| Wording { at, text: text.value.to_owned(), reading: None, files: None, forms: BTreeMap::new() };
    let What::Map(_) = node.what else {
        let text = node.text(problems)?;
        return words(&text, problems).then(|| plain(node.at, &text));
    };
    let mut fields = Fields::of(node, lang_at, problems)?;
    let text = match fields.take("text") {
        Some(text) => text.text(problems).filter(|t| words(t, problems)),
        None => {
            missing(problems, lang_at, "text", "text: \"what is said\"");
            None
        }
    };
    let reading = fields.take("reading").and_then(|r| r.text(problems)).filter(|r| words(r, problems));
    let files = fields.take("files").map(|files| read_files(files, problems));
    fields.finish(problems);
    let text = text?;
    if let Some(files) = &files
        && let spoken = Changing::of(text.value)
        && let Some(differs) = files_differ(spoken, files)
    {
        let word = differs.word();
        let en = format!("the text and the files must both hold {{{{ {word} }}}}, or neither");
        let ja = format!("{{{{ {word} }}}} は text と files の両方に書くか、どちらにも書かないでください。");
        problems.error(text.at, "template_differs", en, ja).help(format!("files: [before.wav, \"{{{{ {word} }}}}\", after.wav]"));
    }
    Some(Wording { reading: reading.map(|r| r.value.to_owned()), files, ..plain(text.at, &text) })
}

/// The changing word that only one of them holds.
fn files_differ(text: Option<Changing>, files: &[Piece]) -> Option<Changing> {
    let recorded = || files.iter().filter_map(|piece| if let Piece::Value(changing) = piece { Some(*changing) } else { None });
    recorded().find(|changing| Some(*changing) != text).or(text.filter(|_| recorded().next().is_none()))
}

fn read_files(node: &Node, problems: &mut Problems) -> Vec<Piece> {
    let items = node.items();
    if items.is_empty() || items.len() > FILES_MAX {
        let en = format!("a sentence is joined from 1 to {FILES_MAX} files");
        let ja = format!("ひとつの案内文に使えるファイルは 1 から {FILES_MAX} 個です。");
        problems.error(node.at, "number_of_files", en, ja);
    }
    let piece = |item: &Node, problems: &mut Problems| {
        let text = item.text(problems)?;
        if text.value.contains("{{") {
            return words(&text, problems).then(|| Changing::of(text.value).map(Piece::Value)).flatten();
        }
        file_name(&text, problems).map(Piece::File)
    };
    items.iter().take(FILES_MAX).filter_map(|item| piece(item, problems)).collect()
}

/// A recording's name: it lies in the language's own folder, and nowhere else.
fn file_name(text: &At<&str>, problems: &mut Problems) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let name = text.value;
    if name.ends_with(".wav") && name.len() <= 100 && name.chars().all(fine) && !name.starts_with('/') && !name.contains("..") {
        return Some(name.to_owned());
    }
    let en = format!("\"{}\" is no name of a recording; use plain letters and figures, ending in .wav", shown(name));
    let ja = format!("「{}」は録音ファイルの名前に使えません。英数字で、.wav で終わる名前にしてください。", shown(name));
    problems.error(text.at, "file_name", en, ja);
    None
}

/// `ja`, `ja-easy`, `en`: RFC 5646 tags, in lower case.
pub(crate) fn is_language(word: &str, at: Spot, problems: &mut Problems) -> bool {
    let fine = |part: &str| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let base = word.split('-').next().unwrap_or_default();
    if word != MUSIC && (2..=3).contains(&base.len()) && word.split('-').count() <= 3 && word.split('-').all(fine) {
        return true;
    }
    let en = format!("\"{}\" is no language; write two letters, such as ja or en", shown(word));
    let ja = format!("「{}」は言語の書き方ではありません。ja や en のように書いてください。", shown(word));
    problems.error(at, "not_a_language", en, ja);
    false
}

/// Whether a text can be spoken: not empty, not endless, and no code but the one changing word.
fn words(text: &At<&str>, problems: &mut Problems) -> bool {
    let length = text.value.chars().count();
    if text.value.trim().is_empty() || length > TEXT_MAX {
        let en = format!("a sentence has 1 to {TEXT_MAX} characters, not {length}");
        let ja = format!("案内文の長さは 1 から {TEXT_MAX} 字です（ここは {length} 字）。");
        problems.error(text.at, "sentence_length", en, ja);
        return false;
    }
    let mut rest = text.value;
    let mut fine = !rest.contains("{%") && !rest.contains("{#");
    let mut changing = None;
    while let Some((_, after)) = rest.split_once("{{") {
        match after.split_once("}}") {
            Some((inside, after)) => {
                let word = Changing::named(inside.trim());
                fine &= word.is_some() && changing.is_none_or(|before| Some(before) == word);
                changing = changing.or(word);
                rest = after;
            }
            None => {
                fine = false;
                break;
            }
        }
    }
    if !fine {
        let en = "a sentence has one changing word at most: {{ position }}, {{ ahead }} or {{ minutes }}";
        let ja = "案内文の中で変わる言葉は {{ position }}、{{ ahead }}、{{ minutes }} のどれかひとつです。";
        problems.error(text.at, "template", en, ja).help("{{ position }}");
    }
    fine
}

/// The text with its changing word filled in.
pub(crate) fn fill(text: &str, value: Option<u32>) -> String {
    let Some((changing, value)) = Changing::of(text).zip(value) else { return text.to_owned() };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Only texts that passed `words` come here; should one fail all the same, the figure alone is better than silence.
    let value = changing.count(value);
    let filled = match changing {
        Changing::Position => environment.render_str(text, context! { position => value }),
        Changing::Ahead => environment.render_str(text, context! { ahead => value }),
        Changing::Minutes => environment.render_str(text, context! { minutes => value }),
    };
    filled.unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_line_is_spoken_as_a_figure() {
        assert_eq!(fill("ただいま{{ position }}番目です。", Some(7)), "ただいま7番目です。");
        assert_eq!(fill("あと{{ minutes }}分ほどです。", Some(5)), "あと5分ほどです。");
        assert_eq!(fill("そのままお待ちください。", Some(7)), "そのままお待ちください。");
        assert_eq!(fill("There are {{ ahead }} callers ahead of you.", Some(7)), "There are 6 callers ahead of you.");
    }

    fn prompt(yaml: &str, problems: &mut Problems) -> Option<Prompt> {
        let file = problems.file("p.yaml");
        let tree = crate::tree::parse(file, yaml, problems)?;
        let (mut prompts, mut musics) = (BTreeMap::new(), BTreeMap::new());
        read(&tree, &mut prompts, &mut musics, problems);
        prompts.remove("place")
    }

    #[test]
    fn each_language_says_a_place_in_its_own_forms() {
        let yaml = "place:
  ja: \"{{ position }}番目です。\"
  en:
    none: \"You are next.\"
    one: \"One caller is ahead of you.\"
    other: { text: \"{{ ahead }} callers are ahead of you.\", files: [\"{{ ahead }}\", ahead.wav] }
";
        let mut problems = Problems::default();
        let prompt = prompt(yaml, &mut problems).unwrap();
        assert!(problems.sorted().is_empty());
        let said = |lang: &str, value| {
            let lang = Lang::from(lang);
            prompt.wordings[&lang].words(&lang, Some(value))
        };
        assert_eq!([1, 2, 3].map(|place| said("ja", place)), ["1番目です。", "2番目です。", "3番目です。"]);
        let english = ["You are next.", "One caller is ahead of you.", "2 callers are ahead of you."];
        assert_eq!([1, 2, 3].map(|place| said("en", place)), english);
        let sentences = prompt.sentences(&PromptId::from("place"), &Lang::from("en"));
        assert_eq!(sentences.len(), 30);
        assert_eq!(sentences[29].form, Form::Files(vec!["en/n/29.wav".to_owned(), "en/ahead.wav".to_owned()]));
        assert!(matches!(&sentences[1].form, Form::Text { text, .. } if text.contains("One")));
    }

    #[test]
    fn forms_that_nobody_would_hear_are_told() {
        for (forms, code) in [
            ("en: { one: \"One.\" }", "missing"),
            ("en: { one: \"One.\", other: \"Many.\" }", "template"),
            ("ja: { one: \"ひとり。\", other: \"{{ ahead }}人。\" }", "form_never_used"),
            ("en: { one: \"One.\", others: \"{{ ahead }}.\" }", "unknown_key"),
        ] {
            let mut problems = Problems::default();
            let _ = prompt(&format!("place: {{ {forms} }}"), &mut problems);
            let codes: Vec<_> = problems.sorted().into_iter().map(|problem| problem.code).collect();
            assert!(codes.contains(&code), "{forms}: {codes:?}");
        }
    }

    #[test]
    fn code_in_a_sentence_is_refused() {
        for text in [
            "{{ 1 + 1 }}",
            "{% for x in range(9) %}a{% endfor %}",
            "{{ position",
            "{{ wait }}",
            "{# hidden #}",
            "{{ position }} {{ minutes }}",
        ] {
            let mut problems = Problems::default();
            problems.file("p.yaml");
            assert!(!words(&At { value: text, at: Spot::top(0) }, &mut problems), "{text}");
            assert!(problems.any_error());
        }
    }
}
