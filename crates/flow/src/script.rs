//! In which letters a language is written: enough to see that a sentence stands under the wrong language.

use model::Lang;

/// Letters of one kind (Unicode Standard Annex #24, in the blocks that telephone sentences use).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Kana,
    Han,
    Hangul,
    Cyrillic,
    /// A letter of another script.
    Other,
}

impl Script {
    /// Of a letter; `None` for figures, marks and spaces, which all scripts share.
    pub(crate) fn of(letter: char) -> Option<Script> {
        if !letter.is_alphabetic() {
            return None;
        }
        Some(match letter {
            // The mark that lengthens a vowel is shared by both kana.
            '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}' => Script::Kana,
            '\u{3005}'..='\u{3007}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3134f}' => Script::Han,
            '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{ac00}'..='\u{d7a3}' => Script::Hangul,
            '\u{0400}'..='\u{052f}' => Script::Cyrillic,
            'a'..='z'
            | 'A'..='Z'
            | '\u{aa}'
            | '\u{ba}'
            | '\u{c0}'..='\u{24f}'
            | '\u{1e00}'..='\u{1eff}'
            | '\u{ff21}'..='\u{ff3a}'
            | '\u{ff41}'..='\u{ff5a}' => Script::Latin,
            _ => Script::Other,
        })
    }
}

/// The scripts of a language: the one without which nothing is written in it first. Empty for languages of which we know nothing.
pub(crate) fn of(lang: &Lang) -> &'static [Script] {
    match lang.as_str().split('-').next().unwrap_or_default() {
        "ja" => &[Script::Kana, Script::Han, Script::Latin],
        "zh" | "yue" => &[Script::Han, Script::Latin],
        "ko" => &[Script::Hangul, Script::Han, Script::Latin],
        "ru" | "uk" | "mn" => &[Script::Cyrillic, Script::Latin],
        "en" | "pt" | "es" | "vi" | "tl" | "fil" | "fr" | "de" | "it" | "id" | "ms" => &[Script::Latin],
        _ => &[],
    }
}

/// The first letter of a text that its language is not written in.
pub(crate) fn stranger(text: &str, lang: &Lang) -> Option<char> {
    let scripts = of(lang);
    text.chars().find(|letter| !scripts.is_empty() && Script::of(*letter).is_some_and(|script| !scripts.contains(&script)))
}

/// Whether a text has letters, and none of them is of the language's own.
pub(crate) fn is_foreign(text: &str, lang: &Lang) -> bool {
    let own: Vec<Script> = of(lang).iter().copied().filter(|script| *script != Script::Latin || of(lang).len() == 1).collect();
    let mut letters = text.chars().filter_map(Script::of).peekable();
    !own.is_empty() && letters.peek().is_some() && !letters.any(|script| own.contains(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_under_the_wrong_language_is_seen() {
        let foreign = |text: &str, lang: &str| is_foreign(text, &Lang::from(lang));
        assert!(foreign("English please press 1", "ja") && foreign("英語は2を", "en"));
        assert!(!foreign("PCR検査は1を", "ja") && !foreign("Para português", "pt") && !foreign("119", "en") && !foreign("ภาษาไทย", "th"));
        let stranger = |text: &str, lang: &str| stranger(text, &Lang::from(lang));
        assert_eq!(stranger("英語は2を、한국어は5を", "ja"), Some('한'));
        assert_eq!((stranger("你好ー", "zh"), stranger("ご用件は", "ko")), (Some('ー'), Some('ご')));
        assert_eq!(stranger("Tiếng Việt: nhấn phím 8.", "vi"), None);
        assert_eq!(stranger("日本語（English）は、ＡＢＣ・カナ。", "ja-easy"), None);
    }
}
