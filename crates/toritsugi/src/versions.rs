//! Every version of the city that was in force, kept whole: who changed what, when and why, and the files as they were.
//!
//! In the state folder, below `versions/`: `objects/` holds each file once by the SHA-256 of its text, `list.jsonl` one line a version,
//! `rolled_back.json` what is in force instead of the files, if anything. The last 200 versions are kept; what only older ones held is
//! thrown away. Recordings are no part of it: they are taken as they lie.

use crate::words::Stop;
use flow::Source;
use model::{UnixMillis, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Versions that are kept.
const KEPT: usize = 200;

/// One version that came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Counts up, over all restarts.
    pub(crate) number: u64,
    /// The name of exactly these texts.
    pub(crate) version: Version,
    /// When it came into force.
    pub(crate) at: UnixMillis,
    /// Who changed the files, or ordered the rollback.
    pub(crate) by: String,
    /// Why: the note of the flows that changed, or what was given with the order.
    pub(crate) why: String,
    /// The earlier version that was put in force again.
    #[serde(default)]
    pub(crate) again: Option<u64>,
    /// An engine put it in force at its start, instead of files that it refused.
    #[serde(default)]
    pub(crate) instead: bool,
    /// It came into force although example calls of its own failed: no engine falls back on it by itself.
    #[serde(default)]
    pub(crate) failing: bool,
    /// The files that differ from the version before.
    pub(crate) changed: Vec<String>,
    /// Each file, by the hash of its text.
    pub(crate) files: BTreeMap<String, String>,
}

/// What is in force instead of the files. It outlives restarts, reloads and files that are refused, and ends with the next version of the
/// files that goes live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RolledBack {
    /// The entry of the rollback itself.
    pub(crate) entry: u64,
    /// The version of the files at that moment: when they are others, they are judged as always. `None`: they could not be read.
    pub(crate) files: Option<Version>,
}

/// The kept versions.
#[derive(Debug)]
pub(crate) struct Versions {
    dir: PathBuf,
    list: Vec<Entry>,
}

impl Versions {
    /// Those of a state folder; none if there are none yet.
    ///
    /// # Errors
    /// When the list is there and cannot be read.
    pub(crate) fn open(state: &Path) -> Result<Versions, Stop> {
        let dir = state.join("versions");
        let path = dir.join("list.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == ErrorKind::NotFound => String::new(),
            Err(fault) => return Err(Stop::new(format!("{} cannot be read: {fault}", path.display()))),
        };
        // A last line that was half written when the power went is no version.
        let list = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Versions { dir, list })
    }

    /// The oldest first.
    pub(crate) fn list(&self) -> &[Entry] {
        &self.list
    }

    pub(crate) fn last(&self) -> Option<&Entry> {
        self.list.last()
    }

    pub(crate) fn entry(&self, number: u64) -> Option<&Entry> {
        self.list.iter().find(|entry| entry.number == number)
    }

    /// Whether exactly these texts were in force before, with their example calls as they should go.
    pub(crate) fn passed(&self, version: &Version) -> bool {
        self.list.iter().any(|entry| entry.version == *version && !entry.failing)
    }

    /// What an engine may fall back on: versions that passed, each once, the latest first.
    pub(crate) fn good(&self) -> Vec<&Entry> {
        let mut good: Vec<&Entry> = Vec::new();
        for entry in self.list.iter().rev().filter(|entry| !entry.failing) {
            if good.iter().all(|later| later.version != entry.version) {
                good.push(entry);
            }
        }
        good
    }

    /// What came before a version.
    pub(crate) fn before(&self, number: u64) -> Option<&Entry> {
        self.list.iter().rfind(|entry| entry.number < number)
    }

    /// Which files differ from the last version.
    pub(crate) fn changed(&self, sources: &[Source]) -> Vec<String> {
        let (new, none) = (hashes(sources), BTreeMap::new());
        let old = self.last().map_or(&none, |last| &last.files);
        let names: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
        names.into_iter().filter(|name| new.get(*name) != old.get(*name)).cloned().collect()
    }

    /// Keeps a version that has come into force. The files are on the disk before the list names them.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn keep(&mut self, entry: Entry, sources: &[Source]) -> Result<Entry, Stop> {
        let failed = |fault: std::io::Error| Stop::new(format!("the version cannot be kept in {}: {fault}", self.dir.display()));
        let objects = self.dir.join("objects");
        fs::create_dir_all(&objects).map_err(failed)?;
        for source in sources {
            let path = objects.join(hash(&source.text));
            if !path.exists() {
                write_whole(&path, source.text.as_bytes()).map_err(failed)?;
            }
        }
        let number = self.list.last().map_or(0, |last| last.number) + 1;
        let entry = Entry { number, changed: self.changed(sources), files: hashes(sources), ..entry };
        let surplus = (self.list.len() + 1).saturating_sub(KEPT);
        let list: Vec<Entry> = self.list.iter().chain([&entry]).skip(surplus).cloned().collect();
        let mut text = String::new();
        for entry in &list {
            writeln!(text, "{}", serde_json::to_string(entry).map_err(Stop::new)?).map_err(Stop::new)?;
        }
        write_whole(&self.dir.join("list.jsonl"), text.as_bytes()).map_err(failed)?;
        self.list = list;
        if surplus > 0 {
            self.sweep(&objects);
        }
        Ok(entry)
    }

    /// Throws away what no kept version holds. What cannot be removed stays, and does no harm.
    fn sweep(&self, objects: &Path) {
        let held: BTreeSet<&String> = self.list.iter().flat_map(|entry| entry.files.values()).collect();
        for file in fs::read_dir(objects).into_iter().flatten().flatten() {
            if !held.contains(&file.file_name().to_string_lossy().into_owned()) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// The files of a version as they were.
    ///
    /// # Errors
    /// When one of them is gone, or is not what it was.
    pub(crate) fn sources(&self, entry: &Entry) -> Result<Vec<Source>, Stop> {
        let read = |(path, named): (&String, &String)| {
            let object = self.dir.join("objects").join(named);
            let text = fs::read_to_string(&object)
                .map_err(|fault| Stop::new(format!("{path} of version {} cannot be read ({fault})", entry.number)))?;
            if hash(&text) != *named {
                return Err(Stop::new(format!("{path} of version {} was changed on the disk: it is not what was in force", entry.number)));
            }
            Ok(Source { path: path.clone(), text })
        };
        entry.files.iter().map(read).collect()
    }

    /// What is in force instead of the files.
    pub(crate) fn rolled_back(&self) -> Option<RolledBack> {
        serde_json::from_str(&fs::read_to_string(self.dir.join("rolled_back.json")).ok()?).ok()
    }

    /// From here on something is in force instead of the files, or (`None`) the files are.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn set_rolled_back(&self, rolled_back: Option<&RolledBack>) -> Result<(), Stop> {
        let path = self.dir.join("rolled_back.json");
        let done = match rolled_back {
            Some(rolled_back) => write_whole(&path, serde_json::to_string(rolled_back).map_err(Stop::new)?.as_bytes()),
            None => fs::remove_file(&path).or_else(|fault| if fault.kind() == ErrorKind::NotFound { Ok(()) } else { Err(fault) }),
        };
        done.map_err(|fault| Stop::new(format!("{} cannot be written: {fault}", path.display())))
    }
}

/// What changed between two versions, as people who compare files read it; files that are the same are left out.
pub(crate) fn difference(old: &[Source], new: &[Source]) -> String {
    let texts = |sources: &[Source]| sources.iter().map(|s| (s.path.clone(), s.text.clone())).collect::<BTreeMap<_, _>>();
    let (old, new) = (texts(old), texts(new));
    let mut page = String::new();
    for path in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (old.get(path), new.get(path));
        if before == after {
            continue;
        }
        let name = |side: &str, text: Option<&String>| if text.is_some() { format!("{side}/{path}") } else { "/dev/null".to_owned() };
        let empty = String::new();
        let diff = similar::TextDiff::from_lines(before.unwrap_or(&empty), after.unwrap_or(&empty));
        let (left, right) = (name("before", before), name("after", after));
        let _ = write!(page, "{}", diff.unified_diff().context_radius(3).header(&left, &right));
    }
    page
}

fn hashes(sources: &[Source]) -> BTreeMap<String, String> {
    sources.iter().map(|source| (source.path.clone(), hash(&source.text))).collect()
}

fn hash(text: &str) -> String {
    model::hex(&Sha256::digest(text.as_bytes()))
}

/// Whole or not at all: written beside, then renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);
    impl Folder {
        fn new(test: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("toritsugi-versions-{}-{test}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }
    fn entry(version: &str) -> Entry {
        Entry {
            number: 0,
            version: Version::from(version),
            at: UnixMillis(1),
            by: "mori".to_owned(),
            why: "because".to_owned(),
            again: None,
            instead: false,
            failing: false,
            changed: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn a_version_comes_back_as_it_was_after_the_program_was_started_again() {
        let folder = Folder::new("back");
        let (first, second) = ([source("flows/a.yaml", "one\n"), source("config/b.yaml", "b\n")], [source("flows/a.yaml", "two\n")]);
        let mut versions = Versions::open(&folder.0).unwrap();
        assert_eq!(versions.keep(entry("v1"), &first).unwrap().changed, ["config/b.yaml", "flows/a.yaml"]);
        assert_eq!(versions.keep(entry("v2"), &second).unwrap().changed, ["config/b.yaml", "flows/a.yaml"], "one changed, one removed");
        let again = Versions::open(&folder.0).unwrap();
        assert_eq!(again.list().iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2]);
        let mut back = again.sources(again.entry(1).unwrap()).unwrap();
        back.sort_by(|a, b| b.path.cmp(&a.path));
        assert_eq!(back, first);
        let page = difference(&first, &second);
        assert_eq!(
            page,
            "--- before/config/b.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n--- before/flows/a.yaml\n+++ after/flows/a.yaml\n@@ -1 +1 @@\n-one\n+two\n"
        );
    }

    #[test]
    fn the_oldest_version_is_thrown_away_with_what_only_it_held() {
        let folder = Folder::new("bound");
        let mut versions = Versions::open(&folder.0).unwrap();
        for n in 0..KEPT + 5 {
            versions.keep(entry("v"), &[source("flows/a.yaml", &format!("{n}\n")), source("flows/same.yaml", "same\n")]).unwrap();
        }
        assert_eq!((versions.list().len(), versions.list()[0].number), (KEPT, 6));
        assert_eq!(fs::read_dir(folder.0.join("versions/objects")).unwrap().count(), KEPT + 1);
        assert!(versions.sources(&versions.list()[0].clone()).is_ok());
    }

    #[test]
    fn a_kept_file_that_somebody_changed_is_never_put_in_force() {
        let folder = Folder::new("changed");
        let mut versions = Versions::open(&folder.0).unwrap();
        let kept = versions.keep(entry("v1"), &[source("flows/a.yaml", "one\n")]).unwrap();
        fs::write(folder.0.join("versions/objects").join(&kept.files["flows/a.yaml"]), "other\n").unwrap();
        assert!(versions.sources(&kept).unwrap_err().0.contains("was changed on the disk"));
    }

    #[test]
    fn a_list_whose_last_line_is_half_written_loses_that_line_only() {
        let folder = Folder::new("torn");
        let mut versions = Versions::open(&folder.0).unwrap();
        versions.keep(entry("v1"), &[source("flows/a.yaml", "one\n")]).unwrap();
        let path = folder.0.join("versions/list.jsonl");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"number\":2,\"ver").unwrap();
        assert_eq!(Versions::open(&folder.0).unwrap().list().len(), 1);
    }
}
