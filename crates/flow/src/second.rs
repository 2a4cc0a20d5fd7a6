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
        for other in ["a: [b]\n", "a: [b, d]\n", "a: b\n", "e: [b, c]\n", "a: [b, c"] {
            assert!(opinion(&tree, other).is_err(), "{other}");
        }
    }
}
