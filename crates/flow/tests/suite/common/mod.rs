//! The shipped city, read from its folders, and what is known of its sentences.
#![allow(dead_code, reason = "each test uses its own part")]
#![expect(clippy::disallowed_methods, reason = "tests read the files that are shipped")]

use flow::{Form, Known, Source, Spoken};
use model::{Lang, Millis, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// 2026-06-01 10:00 in Tokyo, a Monday.
pub(crate) const MONDAY: UnixMillis = UnixMillis(1_780_275_600_000);

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below some folders, named relative to `base`.
pub(crate) fn files(base: &Path, folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in folders {
        collect(base, &base.join(folder), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn collect(base: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(base, &path, sources);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "csv") {
            let name = path.strip_prefix(base).unwrap().to_string_lossy().into_owned();
            sources.push(Source { path: name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

pub(crate) fn shipped() -> Vec<Source> {
    files(&root(), &["flows", "config"])
}

/// A Japanese voice of seven characters a second; recordings as long as they are.
pub(crate) fn known(sources: &[Source]) -> Known {
    let draft = flow::read(sources.to_vec());
    let mut lengths: BTreeMap<Spoken, Millis> = BTreeMap::new();
    for sentence in flow::sentences(&draft) {
        let millis = match &sentence.form {
            Form::Text { text, .. } => text.chars().count() as u64 * 1000 / 7,
            Form::Files(files) => files.iter().map(|file| recorded(file)).sum(),
        };
        lengths.insert(sentence.spoken, Millis(millis));
    }
    Known { lengths, voices: BTreeSet::from([Lang::from("ja")]), unspeakable: BTreeMap::new(), wall: MONDAY }
}

/// The milliseconds of a recording at 8 kHz: one byte a sample in mu-law, else two. One that is not there counts as four seconds.
fn recorded(file: &str) -> u64 {
    let wav = std::fs::read(root().join("flows/prompts/recorded").join(file)).unwrap_or_else(|_| vec![0; 64_000]);
    let bytes = if wav[20] == 7 { 1 } else { 2 };
    (wav.len() as u64).saturating_sub(58) / 8 / bytes
}
