//! How to read what the dictionary does not know or reads badly: our own word list, and a few rules for numbers and signs.
//!
//! The list is `data/words.csv`; the rules are here because a list cannot say them: `119` alone is read `119番`, `#7119` digit by digit,
//! `044-000-0000` with a の between its groups, `8:30` as a time of day, and `お困りの方は` means persons. Whatever remains is a matter for
//! `reading:` beside the text.

use jpreprocess_dictionary::dictionary::to_dict::JPreprocessDictionaryBuilder;
use sha2::{Digest, Sha256};

const WORDS: &str = include_str!("../data/words.csv");

/// To be raised with every change of a rule below.
const RULES: u8 = 2;

/// Changes with the list and the rules, so that prompts rendered with older ones are rendered anew.
pub(crate) fn version() -> String {
    model::hex(&Sha256::new().chain_update(WORDS).chain_update([RULES]).finalize()[..8])
}

/// The list as a user dictionary.
pub(crate) fn dictionary() -> Result<jpreprocess::UserDictionary, String> {
    let rows = WORDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(row).collect::<Result<Vec<_>, _>>()?;
    let rows = rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    JPreprocessDictionaryBuilder::default().build_user_dict_from_data(rows).map_err(|e| e.to_string())
}

/// One line of the list as a line of the NAIST dictionary: surface, context left and right, cost, four parts of speech, conjugation type and
/// form, base form, reading, pronunciation, accent/moras, rule and flag of chaining.
fn row(line: &str) -> Result<Vec<String>, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let &[surface, pronunciation, accent, kind] = fields.as_slice() else { return Err(format!("words.csv: {line:?} has not four fields")) };
    // The context is that of a like word of the dictionary (平成, 風邪, 今, かた); the cost says how gladly the word is taken.
    let (context, cost, speech, rule) = match kind {
        "name" => ("1348", "-5000", ["名詞", "固有名詞", "一般", "*"], "C1"),
        "noun" => ("1345", "-5000", ["名詞", "一般", "*", "*"], "C1"),
        "sign" => ("1345", "0", ["名詞", "一般", "*", "*"], "C1"),
        "now" => ("1375", "-5000", ["名詞", "副詞可能", "*", "*"], "C1"),
        // Gladly enough to win against かたは (a word for a one-sided cloth), not so gladly as to break かたち and かたい.
        "person" => ("1371", "3000", ["名詞", "非自立", "一般", "*"], "C1"),
        _ => return Err(format!("words.csv: {kind:?} is no kind of word")),
    };
    let moras = pronunciation.chars().filter(|c| !"ァィゥェォャュョヮ".contains(*c)).count();
    let mut row: Vec<String> = [surface, context, context, cost].map(str::to_owned).to_vec();
    row.extend(speech.map(str::to_owned));
    row.extend(["*", "*", surface, pronunciation, pronunciation, &format!("{accent}/{moras}"), rule, "-1"].map(str::to_owned));
    Ok(row)
}

/// The text as it should be read, before the dictionary sees it.
pub(crate) fn prepare(text: &str) -> String {
    let text = figures(&text.chars().map(plain).collect::<Vec<_>>());
    let text = short_numbers(&text.chars().collect::<Vec<_>>());
    counters(&persons(&text))
}

/// Full-width digits and signs as ASCII, line ends as spaces: the rules below know one form only.
fn plain(c: char) -> char {
    match c {
        '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32).unwrap_or(c),
        '＃' | '♯' => '#',
        '：' => ':',
        '－' | '−' | '‐' | '‑' | '–' => '-',
        '＊' => '*',
        '\n' | '\r' | '\t' | '\u{3000}' => ' ',
        c => c,
    }
}

const DIGITS: [&str; 10] = ["ゼロ", "イチ", "ニー", "サン", "ヨン", "ゴー", "ロク", "ナナ", "ハチ", "キュー"];

/// Figures of a telephone number: shorter than this, and it is a number of something else.
const TELEPHONE_MIN: usize = 9;

/// Telephone numbers, figure by figure, and times of day. A run of figures and signs is one or the other, or left as it is.
fn figures(text: &[char]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let run: String = text[at..].iter().take_while(|c| c.is_ascii_digit() || matches!(c, '-' | ':')).collect();
        if run.is_empty() {
            out.push(c);
            at += 1;
            continue;
        }
        at += run.chars().count();
        out.push_str(&telephone_number(&run).or_else(|| time_of_day(&run)).unwrap_or(run));
    }
    out
}

/// `044-000-0000`: the way Japanese people read it out, with a の and a pause for each hyphen.
fn telephone_number(run: &str) -> Option<String> {
    let groups: Vec<&str> = run.split('-').collect();
    let figures = run.bytes().filter(u8::is_ascii_digit).count();
    let whole = run.starts_with('0') && groups.iter().all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    let spoken = |group: &&str| group.bytes().map(|d| DIGITS[usize::from(d - b'0')]).collect::<String>();
    (whole && groups.len() > 1 && figures >= TELEPHONE_MIN).then(|| groups.iter().map(spoken).collect::<Vec<_>>().join("の、"))
}

/// `8:30` as 8時30分, `20:00` as 20時.
fn time_of_day(run: &str) -> Option<String> {
    let (hour, minute) = run.split_once(':')?;
    let figures = |s: &str, most: usize| (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !figures(hour, 2) || minute.len() != 2 || !figures(minute, 2) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
    match (hour, minute) {
        (0..=24, 0) => Some(format!("{hour}時")),
        (0..=23, 1..=59) => Some(format!("{hour}時{minute}分")),
        _ => None,
    }
}

/// Counters that the dictionary chains wrongly: れいじ, not ゼロじ; さんけん, not さんげん.
fn counters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match (c, letters.peek()) {
            ('0', Some('時')) if !before.is_ascii_digit() => out.push('零'),
            ('件', _) if before == '3' => out.push_str("けん"),
            _ => out.push(c),
        }
        before = c;
    }
    out
}

/// The numbers that one dials in need. `119` and `110` alone become `119番`: that is what they are called. After `#` come digits, one by one
/// (`#7119`), but for round ones (`#8000`).
fn short_numbers(text: &[char]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        if !c.is_ascii_digit() {
            out.push(c);
            at += 1;
            continue;
        }
        let number: String = text[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        let before = at.checked_sub(1).and_then(|i| text.get(i)).copied().unwrap_or(' ');
        at += number.len();
        let after = text.get(at).copied().unwrap_or('。');
        let alone = !".,-−/:+#".contains(before) && (after == ' ' || "、。！？!?）)」・".contains(after) || ('ぁ'..='ん').contains(&after));
        if before == '#' && number.len() >= 3 && !number.ends_with("000") {
            out.extend(number.bytes().map(|d| DIGITS[usize::from(d - b'0')]));
        } else if alone && ["119", "110", "118"].contains(&number.as_str()) {
            out.push_str(&number);
            out.push('番');
        } else {
            out.push_str(&number);
        }
    }
    out
}

/// `…の方は`, `…る方は` and `ほかの方` speak of persons (かた) on the telephone, where the dictionary takes them for a direction (ほう).
fn persons(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('方') {
        out.push_str(before);
        let described = before.ends_with(['の', 'る', 'い', 'た', 'な', 'す', 'う', 'く', 'む', 'つ']);
        let other = before.ends_with("ほかの") || before.ends_with("他の");
        out.push_str(if other || described && after.starts_with(['は', 'も', 'で']) { "かた" } else { "方" });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_list_can_be_loaded() {
        assert!(dictionary().is_ok());
        assert!(row("令和,レーワ,0").is_err());
        assert!(row("令和,レーワ,0,verb").is_err());
        assert_eq!(row("接触者,セッショクシャ,4,noun").unwrap()[13], "4/5");
    }

    #[test]
    fn the_emergency_number_is_called_by_its_name() {
        assert_eq!(prepare("電話を切って119におかけください。"), "電話を切って119番におかけください。");
        assert_eq!(prepare("救急は１１９、警察は１１０。"), "救急は119番、警察は110番。");
        for same in ["119番へ", "119人です", "1190です", "119.5度", "119％", "第119回"] {
            assert_eq!(prepare(same), same);
        }
    }

    #[test]
    fn numbers_behind_a_hash_are_read_digit_by_digit() {
        assert_eq!(prepare("#7119へ"), "#ナナイチイチキューへ");
        assert_eq!(prepare("＃8000へ"), "#8000へ");
        assert_eq!(prepare("#を押す"), "#を押す");
    }

    #[test]
    fn telephone_numbers_and_times_of_day_are_told_from_other_figures() {
        assert_eq!(prepare("044-119-0000へ"), "ゼロヨンヨンの、イチイチキューの、ゼロゼロゼロゼロへ");
        assert_eq!(prepare("０３−１２３４−５６７８"), "ゼロサンの、イチニーサンヨンの、ゴーロクナナハチ");
        assert_eq!(prepare("8:30から20:00まで、08:05"), "8時30分から20時まで、8時5分");
        for same in ["2026-12-28", "3-4人", "25:00", "8:3", "1:00:00", "-", ":", "0-", "0120"] {
            assert_eq!(prepare(same), same);
        }
        assert_eq!(prepare("0時と10時、3件と4件"), "零時と10時、3けんと4件");
    }

    #[test]
    fn who_is_spoken_of_is_a_person() {
        assert_eq!(prepare("お困りの方は、発熱のある方も、夕方は"), "お困りのかたは、発熱のあるかたも、夕方は");
        assert_eq!(prepare("ほかの方の相談"), "ほかのかたの相談");
        assert_eq!(prepare("そのほうが。右の方へ。方"), "そのほうが。右の方へ。方");
    }
}
