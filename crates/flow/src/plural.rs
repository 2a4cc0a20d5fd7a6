//! Which form of a sentence a number takes: "one caller is ahead of you", "two callers are ahead of you".
//!
//! The plural rules for whole numbers of the Unicode CLDR (UTS #35, Language Plural Rules), as far as callers' languages need them.
//! Japanese, Chinese, Korean and Vietnamese have one form only, and so has every language that is not named here.

use model::Lang;

/// A form of a sentence. `None` is no category of CLDR's: where it is written it is said instead of "zero callers".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plural {
    /// Of zero.
    None,
    /// Of one, or of what the language treats alike.
    One,
    /// Of any other number.
    Other,
}

impl Plural {
    /// As it is written in `flows/prompts/`.
    pub(crate) const WORDS: [(&'static str, Plural); 3] = [("none", Plural::None), ("one", Plural::One), ("other", Plural::Other)];

    /// The form that a number takes.
    pub(crate) fn of(lang: &Lang, count: u32) -> Plural {
        let one = match base(lang) {
            "en" | "es" => count == 1,
            // Nothing is singular, too: "0 pessoa".
            "pt" => count <= 1,
            // Every number whose last figure is not 4, 6 or 9.
            "tl" | "fil" => (1..=3).contains(&count) || ![4, 6, 9].contains(&(count % 10)),
            _ => false,
        };
        if one { Plural::One } else { Plural::Other }
    }

    /// Whether a language has a form for one at all.
    pub(crate) fn has_one(lang: &Lang) -> bool {
        Plural::of(lang, 1) == Plural::One
    }
}

fn base(lang: &Lang) -> &str {
    lang.as_str().split('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CLDR 46 lists for each of them under @integer.
    #[test]
    fn numbers_take_the_forms_that_cldr_gives_them() {
        let ones = |lang: &str| (0..=21).filter(|n| Plural::of(&Lang::from(lang), *n) == Plural::One).collect::<Vec<u32>>();
        assert_eq!(ones("en"), [1]);
        assert_eq!(ones("es"), [1]);
        assert_eq!(ones("pt"), [0, 1]);
        assert_eq!(ones("tl"), [0, 1, 2, 3, 5, 7, 8, 10, 11, 12, 13, 15, 17, 18, 20, 21]);
        for lang in ["ja", "ja-easy", "zh", "ko", "vi"] {
            assert!(ones(lang).is_empty() && !Plural::has_one(&Lang::from(lang)), "{lang}");
        }
    }
}
