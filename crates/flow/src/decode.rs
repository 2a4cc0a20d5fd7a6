//! From the tree to plain types, collecting every problem on the way: a reader who fixes one mistake should not meet the next
//! one only then.

use crate::problem::{At, Problems, Severity, Spot};
use crate::tree::{Key, Node, Scalar, What, shown};
use model::{Level, Number};
use std::time::Duration;

/// The least time that somebody is given to press a key.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// No time in a file is longer than a day.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Figures of a code: few enough to be pressed while somebody waits.
const CODE_MAX: usize = 4;

/// What a word of a file stands for, in both languages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noun {
    pub(crate) en: &'static str,
    pub(crate) ja: &'static str,
}

pub(crate) mod noun {
    //! The nouns of the language, as they stand in sentences.
    use super::Noun;
    pub(crate) const ANSWER: Noun = Noun { en: "answer", ja: "答え" };
    pub(crate) const AGENT: Noun = Noun { en: "agent", ja: "担当者" };
    pub(crate) const FLOW: Noun = Noun { en: "flow", ja: "フロー" };
    pub(crate) const KEY: Noun = Noun { en: "word", ja: "項目" };
    pub(crate) const LANGUAGE: Noun = Noun { en: "language", ja: "言語" };
    pub(crate) const LINE: Noun = Noun { en: "line", ja: "回線" };
    pub(crate) const LOOKUP: Noun = Noun { en: "lookup", ja: "問い合わせ先" };
    pub(crate) const MAILBOX: Noun = Noun { en: "box", ja: "伝言箱" };
    pub(crate) const MUSIC: Noun = Noun { en: "music", ja: "音楽" };
    pub(crate) const NOTICE: Noun = Noun { en: "notice", ja: "お知らせ" };
    pub(crate) const NUMBER: Noun = Noun { en: "number", ja: "番号" };
    pub(crate) const PROMPT: Noun = Noun { en: "prompt", ja: "案内文" };
    pub(crate) const QUEUE: Noun = Noun { en: "queue", ja: "待ち列" };
    pub(crate) const SCHEDULE: Noun = Noun { en: "schedule", ja: "受付時間" };
    pub(crate) const SKILL: Noun = Noun { en: "skill", ja: "技能" };
    pub(crate) const STEP: Noun = Noun { en: "step", ja: "ステップ" };
    pub(crate) const TELEPHONE_KEY: Noun = Noun { en: "telephone key", ja: "電話のキー" };
    pub(crate) const TIME: Noun = Noun { en: "time", ja: "時間" };
    pub(crate) const VARIABLE: Noun = Noun { en: "variable", ja: "変数" };
    pub(crate) const TRUNK: Noun = Noun { en: "trunk", ja: "中継回線" };
}

/// The entries of a map, asked for by name; what nobody asked for is a mistake.
pub(crate) struct Fields<'n> {
    /// Where the map is: its key, or its beginning.
    pub(crate) at: Spot,
    entries: &'n [(Key, Node)],
    asked: Vec<&'static str>,
    complained: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The entries of a map. `at` is the place to point at for what is missing; `None`, with a problem, if it is no map.
    pub(crate) fn of(node: &'n Node, at: Spot, problems: &mut Problems) -> Option<Fields<'n>> {
        Some(Fields { at, entries: node.map(problems)?, asked: Vec::new(), complained: Vec::new() })
    }
    /// One entry, with its key.
    pub(crate) fn entry(&mut self, name: &'static str) -> Option<(&'n Key, &'n Node)> {
        self.asked.push(name);
        self.entries.iter().find(|(key, _)| key.text == name).map(|(key, node)| (key, node))
    }
    /// One entry.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.entry(name).map(|(_, node)| node)
    }
    /// Whether an entry is there, without asking for it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, _)| key.text == name)
    }
    /// Words that the language will have one day.
    pub(crate) fn not_yet(&mut self, words: &[&'static str], problems: &mut Problems) {
        for (key, _) in self.entries {
            if let Some(word) = words.iter().find(|w| **w == key.text) {
                self.complained.push(word);
                let en = format!("\"{word}\" is not available yet; leave it out");
                let ja = format!("「{word}」はまだ使えません。この項目を消してください。");
                problems.error(key.at, "not_yet", en, ja);
            }
        }
    }
    /// An entry that is no word of the language and is told so in better words than *unknown*.
    pub(crate) fn refused(&mut self, name: &'static str) -> Option<&'n Key> {
        let (key, _) = self.entries.iter().find(|(key, _)| key.text == name)?;
        self.complained.push(name);
        Some(key)
    }
    /// Names every entry that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        #[cfg(test)]
        problems.asked.insert(self.asked.iter().copied().collect());
        for (key, _) in self.entries {
            if self.asked.iter().chain(&self.complained).any(|word| *word == key.text) {
                continue;
            }
            let free = self.asked.iter().copied().filter(|w| !self.has(w));
            unknown(problems, key.at, "unknown_key", noun::KEY, &key.text, free);
        }
    }
}

/// `the step "nruse" does not exist; did you mean "nurse"?`
pub(crate) fn unknown<'a>(
    problems: &mut Problems,
    at: Spot,
    code: &'static str,
    noun: Noun,
    word: &str,
    known: impl Iterator<Item = &'a str>,
) {
    let word = &shown(word);
    let known: Vec<&str> = known.collect();
    let near = nearest(word, known.iter().copied());
    let (en, ja) = match near {
        Some(near) => (format!("; did you mean \"{near}\"?"), format!("「{near}」ではありませんか？")),
        None if known.is_empty() || known.len() > 8 => (String::new(), String::new()),
        None => {
            let list = known.join(", ");
            (format!("; known here: {list}"), format!("使えるもの: {list}"))
        }
    };
    let (en, ja) = if noun.en == noun::KEY.en {
        (format!("\"{word}\" means nothing here{en}"), format!("「{word}」はここでは使えません。{ja}"))
    } else {
        (format!("there is no {} \"{word}\"{en}", noun.en), format!("{}「{word}」はありません。{ja}", noun.ja))
    };
    problems.error(at, code, en, ja).instead = near.map(str::to_owned);
}

/// The nearest known word, if one is near enough to have been meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    known
        .filter(|k| k.chars().count() <= 64)
        .map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(distance, k)| {
            let longer = length.max(k.chars().count());
            *distance < longer && *distance <= (longer / 3).max(1)
        })
        .min()
        .map(|(_, k)| k)
}

/// A part of a file that has a place.
pub(crate) trait Placed {
    /// Its place.
    fn place(&self) -> Spot;
}

impl Placed for Node {
    fn place(&self) -> Spot {
        self.at
    }
}

impl Placed for (Key, Node) {
    fn place(&self) -> Spot {
        self.0.at
    }
}

/// Lists have a bound, and what stands beyond it is never left out in silence.
pub(crate) trait UpTo<T> {
    /// The first `most` of them; an error at the first one that is too many.
    fn up_to(&self, most: usize, problems: &mut Problems) -> &[T];
}

impl<T: Placed> UpTo<T> for [T] {
    fn up_to(&self, most: usize, problems: &mut Problems) -> &[T] {
        if let Some(beyond) = self.get(most) {
            let en = format!("at most {most} may stand in this list; it has {}", self.len());
            let ja = format!("ここに書けるのは {most} 個までです（いまは {} 個）。", self.len());
            problems.error(beyond.place(), "too_many", en, ja);
        }
        self.get(..most).unwrap_or(self)
    }
}

impl Node {
    /// The entries of a map.
    pub(crate) fn map(&self, problems: &mut Problems) -> Option<&[(Key, Node)]> {
        match &self.what {
            What::Map(entries) => Some(entries),
            What::Broken => None,
            What::Scalar(_) | What::List(_) => {
                self.wrong(problems, "words with values (`word: value`)", "「項目: 値」の形");
                None
            }
        }
    }
    /// The word written here, if it is one; no complaint.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.what {
            What::Scalar(scalar) if !scalar.is_nothing() => Some(&scalar.text),
            _ => None,
        }
    }
    /// The word written here.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<At<&str>> {
        match &self.what {
            What::Scalar(scalar) if !scalar.is_nothing() => Some(At { value: &scalar.text, at: self.at }),
            What::Broken => None,
            What::Scalar(_) => {
                let (en, ja) = (
                    "nothing is written here; a sharp (#) begins a comment unless it is quoted",
                    "値がありません。引用符のない # から後ろは注釈になります。",
                );
                problems.error(self.at, "missing_value", en, ja);
                None
            }
            What::List(_) | What::Map(_) => {
                self.wrong(problems, "one word", "ひとつの言葉");
                None
            }
        }
    }
    /// A name: letters, figures, `_`, `-`, `/`, at most 64.
    pub(crate) fn name<T: From<String>>(&self, problems: &mut Problems) -> Option<At<T>> {
        let text = self.text(problems)?;
        self.bare_truth(problems);
        is_name(text.value, text.at, problems).then(|| At { value: T::from(text.value.to_owned()), at: text.at })
    }
    /// The items of a list; a lone value is a list of one.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.what {
            What::List(items) => items,
            What::Scalar(_) | What::Map(_) | What::Broken => std::slice::from_ref(self),
        }
    }
    /// `true` or `false`, and nothing else.
    pub(crate) fn truth(&self, problems: &mut Problems) -> Option<bool> {
        match self.text(problems)?.value {
            "true" => Some(true),
            "false" => Some(false),
            word => {
                let meant = match word.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("true"),
                    "no" | "off" | "n" | "false" => Some("false"),
                    _ => None,
                };
                let en = format!("\"{}\" is neither true nor false; write one of these", shown(word));
                let ja = format!("「{}」ではなく、true か false と書いてください。", shown(word));
                let problem = problems.error(self.at, "not_true_or_false", en, ja);
                if let Some(meant) = meant {
                    problem.help(meant).instead(meant);
                }
                None
            }
        }
    }
    /// A whole number within limits.
    pub(crate) fn whole(&self, least: u32, most: u32, problems: &mut Problems) -> Option<u32> {
        let word = self.text(problems)?.value;
        match word.parse::<u32>() {
            // A leading zero would be octal in other programs: what was meant cannot be known.
            Ok(n) if (least..=most).contains(&n) && n.to_string() == word => Some(n),
            Ok(n) if word.starts_with('0') && n.to_string() != word => {
                let en = format!("\"{}\" begins with a 0: some programs count it by eights; write {n}", shown(word));
                let ja = format!("「{}」は 0 で始まるため、八進数と読まれることがあります。{n} と書いてください。", shown(word));
                problems.error(self.at, "octal", en, ja).help(n.to_string()).instead(n.to_string());
                None
            }
            _ => {
                let en = format!("\"{}\" should be a whole number from {least} to {most}", shown(word));
                let ja = format!("「{}」ではなく、{least} から {most} までの整数を書いてください。", shown(word));
                let nearest = if word.parse().is_ok_and(|n: u64| n > u64::from(most)) { most } else { least };
                problems.error(self.at, "not_a_whole_number", en, ja).help(nearest.to_string());
                None
            }
        }
    }
    /// A proficiency, 1 to 5.
    pub(crate) fn level(&self, problems: &mut Problems) -> Option<Level> {
        self.whole(1, 5, problems).and_then(|n| Level::new(u8::try_from(n).ok()?))
    }
    /// A length of time: `7s`, `5m`, `2h`, `500ms`.
    pub(crate) fn time(&self, problems: &mut Problems) -> Option<Duration> {
        let word = self.text(problems)?.value;
        let figures = word.chars().take_while(char::is_ascii_digit).count();
        let (number, unit) = word.split_at_checked(figures).unwrap_or((word, ""));
        let unit_millis = match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        let time = number.parse::<u64>().ok().zip(unit_millis).and_then(|(n, unit)| n.checked_mul(unit)).map(Duration::from_millis);
        if let Some(time) = time.filter(|t| *t <= TIME_MAX) {
            return Some(time);
        }
        let en = format!("\"{}\" is no {}; write a number and s, m or h, at most 24h", shown(word), noun::TIME.en);
        let ja = format!(
            "「{}」は{}として読めません。数字に s（秒）、m（分）、h（時間）を付けてください。24h まで書けます。",
            shown(word),
            noun::TIME.ja
        );
        let problem = problems.error(self.at, "not_a_time", en, ja);
        if unit.is_empty() && !number.is_empty() && number.len() < 5 {
            problem.help(format!("{number}s")).instead(format!("{number}s"));
        }
        None
    }
    /// How long somebody is given to press a key: [`Node::time`], but never none.
    pub(crate) fn patience(&self, problems: &mut Problems) -> Option<Duration> {
        let time = self.time(problems)?;
        if time < PATIENCE_MIN {
            let en = "nobody can press a key so soon; give at least 1s, better 5s";
            let ja = "短すぎて、誰もキーを押せません。1s 以上、できれば 5s 以上にしてください。";
            problems.error(self.at, "no_time", en, ja).help("5s");
            return None;
        }
        Some(time)
    }
    /// Warns of words that YAML 1.1, and so many an editor, takes for true or false: the Norwegian problem.
    pub(crate) fn bare_truth(&self, problems: &mut Problems) {
        const TRUTHS: [&str; 8] = ["y", "yes", "on", "true", "n", "no", "off", "false"];
        let What::Scalar(Scalar { text, quoted: false }) = &self.what else { return };
        if TRUTHS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            let en = format!("other programs take a bare {text} for true or false; put it in quotes");
            let ja = format!("引用符のない {text} は、ほかのプログラムでは真偽の値とみなされます。引用符で囲んでください。");
            problems.warning(self.at, "bare_truth", en, ja).help(format!("\"{text}\"")).instead(format!("\"{text}\""));
        }
    }
    /// A telephone number, as dialled.
    pub(crate) fn number(&self, problems: &mut Problems) -> Option<At<Number>> {
        let text = self.text(problems)?;
        let quoted = matches!(&self.what, What::Scalar(scalar) if scalar.quoted);
        number(text.value, quoted, text.at, problems).map(|value| At { value, at: text.at })
    }
    /// The figures by which agents name a queue or a line in a call: 1 to 4 of them.
    pub(crate) fn code(&self, problems: &mut Problems) -> Option<At<Number>> {
        let text = self.text(problems)?;
        let figures = (1..=CODE_MAX).contains(&text.value.len()) && text.value.bytes().all(|b| b.is_ascii_digit());
        let code = figures.then(|| Number::parse(text.value).ok()).flatten();
        if code.is_none() {
            let en = format!("\"{}\" is no code; write 1 to {CODE_MAX} figures in quotes", shown(text.value));
            let ja =
                format!("「{}」は短縮番号として使えません。1 から {CODE_MAX} 桁の数字を引用符で囲んで書いてください。", shown(text.value));
            problems.error(text.at, "not_a_code", en, ja).help("code: \"13\"");
        }
        if code.is_some() && text.value.starts_with('0') {
            let quoted = matches!(&self.what, What::Scalar(scalar) if scalar.quoted);
            number(text.value, quoted, text.at, problems);
        }
        code.map(|value| At { value, at: text.at })
    }
    /// A share: `80%`.
    pub(crate) fn percent(&self, problems: &mut Problems) -> Option<u8> {
        // A lone number could be a share of one.
        let What::Scalar(_) = self.what else {
            self.wrong(problems, "a share such as 80%", "80% のような割合");
            return None;
        };
        let text = self.text(problems)?;
        let percent = text.value.strip_suffix('%').and_then(|n| n.trim().parse::<u8>().ok()).filter(|n| (1..=100).contains(n));
        if percent.is_none() {
            let en = format!("\"{}\" is no share; write 1% to 100%", shown(text.value));
            let ja = format!("「{}」は割合として読めません。1% から 100% で書いてください。", shown(text.value));
            problems.error(text.at, "not_a_share", en, ja).help("80%");
        }
        percent
    }
    /// One of some words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&'static str, T)], problems: &mut Problems) -> Option<T> {
        let word = self.text(problems)?;
        let found = words.iter().find(|(w, _)| *w == word.value).map(|(_, t)| *t);
        if found.is_none() {
            unknown(problems, word.at, "unknown_word", noun::KEY, word.value, words.iter().map(|(w, _)| *w));
        }
        found
    }

    pub(crate) fn wrong(&self, problems: &mut Problems, en: &str, ja: &str) {
        let found = match &self.what {
            What::Scalar(_) => ("a word", "言葉"),
            What::List(_) => ("a list", "一覧"),
            What::Map(_) => ("words with values", "「項目: 値」の形"),
            What::Broken => return,
        };
        let en = format!("here stands {}, but {en} should", found.0);
        let ja = format!("ここには{ja}を書きます。いまは{}が書かれています。", found.1);
        problems.error(self.at, "wrong_shape", en, ja);
    }
}

/// Figures from which on a number without 0 or + in front has probably lost its zero.
const WHOLE_NUMBER: usize = 9;

/// A telephone number, which other programs would take for a quantity if it stood without quotes.
pub(crate) fn number(text: &str, quoted: bool, at: Spot, problems: &mut Problems) -> Option<Number> {
    let number = match Number::parse(text) {
        Ok(number) => number,
        Err(fault) => {
            let ja = format!("「{}」は{}として読めません。", shown(text), noun::NUMBER.ja);
            problems.error(at, "not_a_number", fault.to_string(), ja);
            return None;
        }
    };
    if !quoted && text.starts_with(['0', '+']) && text.len() > 1 {
        let en = "without quotes other programs take this for a quantity, and its beginning is lost";
        let ja = "引用符がないと、ほかのプログラムでは数量とみなされ、先頭の 0 や + が消えます。引用符で囲んでください。";
        problems.warning(at, "bare_number", en, ja).help(format!("\"{text}\"")).instead(format!("\"{text}\""));
    }
    Some(number)
}

/// Whether a number is as long as one that begins with 0 or +, and does not; a problem if so.
pub(crate) fn lost_zero(number: &Number, severity: Severity, at: Spot, problems: &mut Problems) -> bool {
    let figures = number.as_str();
    let lost = figures.len() >= WHOLE_NUMBER && figures.starts_with(|c: char| ('1'..='9').contains(&c));
    if lost {
        let en = "a number of this length begins with 0 or +; was its leading zero lost?";
        let ja = "この長さの番号は 0 か + で始まります。先頭の 0 が消えていませんか？";
        let mended = format!("\"0{figures}\"");
        problems.add(severity, at, "lost_zero", en.to_owned(), ja.to_owned()).help(mended.clone()).instead(mended);
    }
    lost
}

impl Scalar {
    /// YAML's ways to write nothing at all.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.quoted && matches!(self.text.as_str(), "" | "~" | "null")
    }
}

/// Whether a word may be a name; a problem if not.
pub(crate) fn is_name(word: &str, at: Spot, problems: &mut Problems) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    if !word.is_empty() && word.chars().count() <= 64 && word.chars().all(fine) {
        return true;
    }
    let en = format!("\"{}\" is no name; use letters, figures, _ and -, at most 64", shown(word));
    let ja = format!("「{}」は名前に使えません。文字、数字、_、- を 64 字まで使えます。", shown(word));
    problems.error(at, "not_a_name", en, ja);
    false
}

/// Something that must be there and is not.
pub(crate) fn missing(problems: &mut Problems, at: Spot, word: &str, help: &str) {
    let en = format!("\"{word}\" is missing here");
    let ja = format!("「{word}」が書かれていません。");
    problems.error(at, "missing", en, ja).help(help);
}
