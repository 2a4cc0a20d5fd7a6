//! A second opinion on every file: `serde_yaml`, which everybody else's tools use, must read the very words that we read.
//!
//! YAML has corners in which readers differ. A file that stands in one would look different in a supervisor's editor than it does
//! to a caller, so it is refused.

use crate::tree::{Node, What};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Where and why the two readers differ.
pub(crate) struct Difference {
    /// From 1.
    pub(crate) line: u32,
    /// From 1.
    pub(crate) column: u32,
    pub(crate) why: String,
}

/// Reads `text` again, in the shape of `tree`, and compares word for word: the number of words.
///
/// # Errors
/// The first place where the two readers differ.
pub(crate) fn opinion(tree: &Node, text: &str) -> Result<u32, Difference> {
    Like(tree).deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let place = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let whole = |n: usize| u32::try_from(n).unwrap_or(1).max(1);
        Difference { line: whole(place.0), column: whole(place.1), why: error.to_string() }
    })
}

struct Like<'n>(&'n Node);

impl<'de> DeserializeSeed<'de> for Like<'_> {
    type Value = u32;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        match self.0.what {
            // Asked for text, serde_yaml gives the words as they were written, numbers and truths too.
            What::Scalar(_) => deserializer.deserialize_str(self),
            What::List(_) => deserializer.deserialize_seq(self),
            What::Map(_) => deserializer.deserialize_map(self),
            What::Broken => Err(D::Error::custom("not read")),
        }
    }
}

impl<'de> Visitor<'de> for Like<'_> {
    type Value = u32;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.what {
            What::Scalar(_) => "a word",
            What::List(_) => "a list",
            What::Map(_) => "words with values",
            What::Broken => "nothing",
        })
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
        match &self.0.what {
            What::Scalar(scalar) if scalar.text == text => Ok(1),
            _ => Err(E::custom(format!("another word: {text:?}"))),
        }
    }
    /// An empty value and `~`.
    fn visit_unit<E: Error>(self) -> Result<u32, E> {
        match &self.0.what {
            What::Scalar(scalar) if scalar.is_nothing() => Ok(1),
            _ => Err(E::custom("nothing")),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u32, A::Error> {
        let What::List(ours) = &self.0.what else { return Err(A::Error::custom("a list")) };
        let mut words = 0;
        for ours in ours {
            words += items.next_element_seed(Like(ours))?.ok_or_else(|| A::Error::custom("a shorter list"))?;
        }
        Ok(words)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<u32, A::Error> {
        let What::Map(ours) = &self.0.what else { return Err(A::Error::custom("words with values")) };
        let mut words = 0;
        for (key, ours) in ours {
            let theirs: Option<String> = entries.next_key()?;
            if theirs.as_deref() != Some(&key.text) {
                return Err(A::Error::custom(format!("another word: {theirs:?}")));
            }
            words += 1 + entries.next_value_seed(Like(ours))?;
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read the files that are shipped")]

    use super::*;
    use crate::problem::Problems;
    use crate::tree::parse;
    use model::Random;
    use std::path::{Path, PathBuf};

    fn yaml_below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                yaml_below(&path, found);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                found.push(path);
            }
        }
    }

    #[test]
    fn both_readers_read_the_same_words_in_every_shipped_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for folder in ["flows", "config", "tests/flows/base"] {
            yaml_below(&root.join(folder), &mut files);
        }
        assert!(files.len() >= 19, "{files:?}");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let tree = parse(0, &text, &mut Problems::default()).unwrap();
            match opinion(&tree, &text) {
                Ok(words) => assert!(words > 1, "{}", file.display()),
                Err(difference) => panic!("{}: {}", file.display(), difference.why),
            }
        }
    }

    #[test]
    fn words_that_other_programs_bend_are_read_alike() {
        let text = "a: 0440000000\nb: no\nc: 1_000\nd: 0o17\ne: 2026-11-22\nf: 8:30\ng: +81440000000\nh: 1.50\ni: ~\nj:\nk: 'x'\nl: .inf\nm: 1e3\n";
        let tree = parse(0, text, &mut Problems::default()).unwrap();
        assert_eq!(opinion(&tree, text).map_err(|d| d.why).unwrap(), 26);
    }

    #[test]
    fn a_difference_is_found() {
        let tree = parse(0, "a: [b, c]\n", &mut Problems::default()).unwrap();
        for other in ["a: [b]\n", "a: [b, d]\n", "a: [b, c, d]\n", "a: b\n", "e: [b, c]\n", "a: [b, c]\ne: f\n", "a: [b, c"] {
            assert!(opinion(&tree, other).is_err(), "{other}");
        }
    }

    /// Words of a tree, keys among them.
    fn words(node: &Node) -> u32 {
        match &node.what {
            What::Scalar(_) => 1,
            What::List(items) => items.iter().map(words).sum(),
            What::Map(entries) => entries.iter().map(|(_, node)| 1 + words(node)).sum(),
            What::Broken => 0,
        }
    }

    /// A slip of the keyboard.
    fn slip(text: &str, random: &mut Random) -> String {
        const ODD: [&str; 22] =
            ["0", "*", "#", " #", "&a ", "!", "'", "\"", ": ", "- ", ",", "[", "}", "\n", " ", "no", "~", "|", ">", "%", "\\", "0o1"];
        let letters: Vec<char> = text.chars().collect();
        let at = usize::try_from(random.below(letters.len() as u64)).unwrap();
        let (before, after) = letters.split_at(at);
        let odd = ODD[usize::try_from(random.below(ODD.len() as u64)).unwrap()];
        let lost = usize::try_from(random.below(3)).unwrap().min(after.len());
        before.iter().copied().chain(odd.chars().filter(|_| lost != 1)).chain(after[lost..].iter().copied()).collect()
    }

    #[test]
    fn of_ten_thousand_damaged_files_each_that_is_read_is_read_alike_or_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for folder in ["flows", "config"] {
            yaml_below(&root.join(folder), &mut files);
        }
        files.sort();
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let (mut alike, mut refused) = (0, 0);
        for seed in 0..10_000 {
            let mut random = Random::from_number(seed);
            let text = &texts[usize::try_from(seed).unwrap() % texts.len()];
            let text = (0..=random.below(3)).fold(text.clone(), |text, _| slip(&text, &mut random));
            let mut problems = Problems::default();
            let Some(tree) = parse(0, &text, &mut problems).filter(|_| problems.count() == 0) else {
                refused += 1;
                continue;
            };
            match opinion(&tree, &text) {
                Ok(read) => {
                    assert_eq!(read, words(&tree), "seed {seed}: as many words");
                    alike += 1;
                }
                // What the two read differently is refused where it is read.
                Err(_) => {
                    let source = crate::Source { path: "config/agents.yaml".to_owned(), text };
                    let checked = crate::check(&crate::read(vec![source]), &crate::Known::default());
                    assert!(checked.book.is_none() && checked.problems.iter().any(|p| p.code == "readers_differ"), "seed {seed}");
                    refused += 1;
                }
            }
        }
        assert!(alike > 2_000 && refused > 1_000, "{alike} alike, {refused} refused");
    }

    /// What other programs bend: telephone numbers, keys, truths, numbers of every kind, dates, nothing.
    fn odd_word(random: &mut Random) -> String {
        const ODD: [&str; 40] = [
            "*",
            "#",
            "no",
            "No",
            "NO",
            "yes",
            "on",
            "off",
            "y",
            "n",
            "true",
            "False",
            "~",
            "null",
            "Null",
            "0o17",
            "017",
            "0x1F",
            "1_000",
            "08",
            "1e3",
            "+1.5",
            "-0",
            ".inf",
            ".NaN",
            "2026-12-28",
            "2026-12-28 10:00:00",
            "8:30",
            "12:30:45",
            "190:20:30",
            "=",
            "<<",
            "0440000000",
            "+81440000000",
            "119",
            "#7119",
            "*9",
            "044-000-0000",
            "0.10",
            "1.",
        ];
        if random.below(2) == 0 {
            return ODD[usize::try_from(random.below(ODD.len() as u64)).unwrap()].to_owned();
        }
        let begin = ["", "0", "00", "+", "+81", "0o", "0x", "-"][usize::try_from(random.below(8)).unwrap()];
        let figures = (0..=random.below(12)).map(|_| char::from(b'0' + u8::try_from(random.below(10)).unwrap()));
        begin.chars().chain(figures).collect()
    }

    #[test]
    fn a_word_that_others_bend_is_read_as_it_was_written_or_refused() {
        let mut read = 0;
        for seed in 0..10_000 {
            let mut random = Random::from_number(seed);
            let word = odd_word(&mut random);
            let quoted = random.below(3);
            let written = match quoted {
                0 => word.clone(),
                1 => format!("'{word}'"),
                _ => format!("\"{word}\""),
            };
            let text = match random.below(4) {
                0 => format!("a: {written}\n"),
                1 => format!("a: [ {written}, b ]\n"),
                2 => format!("- {written}\n"),
                _ => format!("{written}: b\n"),
            };
            let mut problems = Problems::default();
            let Some(tree) = parse(0, &text, &mut problems).filter(|_| problems.count() == 0) else {
                assert_eq!(quoted, 0, "{text}");
                continue;
            };
            if let Err(difference) = opinion(&tree, &text) {
                panic!("{text}: {}", difference.why);
            }
            let node = match &tree.what {
                What::List(items) => &items[0],
                What::Map(entries) if entries[0].0.text == "a" => entries[0].1.items().first().unwrap(),
                What::Map(entries) => {
                    assert_eq!(entries[0].0.text, word, "{text}");
                    continue;
                }
                What::Scalar(_) | What::Broken => panic!("{text}"),
            };
            match &node.what {
                // A bare sharp begins a comment: nothing is there, and whoever asks for a word says so.
                What::Scalar(scalar) if quoted == 0 && word.starts_with('#') => assert!(scalar.is_nothing(), "{text}"),
                What::Scalar(scalar) => assert_eq!((scalar.text.as_str(), scalar.quoted), (word.as_str(), quoted > 0), "{text}"),
                What::List(_) | What::Map(_) | What::Broken => panic!("{text}"),
            }
            read += 1;
        }
        assert!(read > 5_000, "{read}");
    }
}
