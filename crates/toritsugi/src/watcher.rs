//! Sees that the city's files were changed, and waits until whoever changes them has finished.
//!
//! A scan of names, sizes, inodes and times twice a second, on a thread of its own. We don't use the kernel's watches (inotify): they follow
//! inodes, so that an editor that writes beside and renames, or a checkout that replaces a folder, slips from under them, and they are
//! counted per user. A city has some dozen texts, and may have a thousand recordings: at those every tenth look looks, or the one that sees a
//! text changed.

use crate::files::Files;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks while nothing changes.
pub(crate) const LOOK: Duration = Duration::from_millis(400);
/// Between two looks while something changes.
pub(crate) const LOOK_CLOSELY: Duration = Duration::from_millis(100);
/// Every so manyth look looks at recordings as well.
pub(crate) const LOOK_AT_ALL: u32 = 10;
/// So long nothing may change before the files are taken as a whole.
const QUIET: Duration = Duration::from_millis(300);
/// A folder that cannot be read gets so long to come back: a checkout may replace it.
const QUIET_UNREADABLE: Duration = Duration::from_secs(2);
/// Files that never are quiet (a program that synchronises, a log in the wrong folder) are taken as they lie after so long: an edit among
/// them must not wait for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files that change for longer than this are worth a word in `toritsugi status`.
const RESTLESS: Duration = Duration::from_secs(2);

/// The outside of the files: enough to see that one was written, replaced, added or taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Texts and accounts, and recordings.
    Files(Arc<Marks>, Arc<Marks>),
    /// Why they cannot be looked at.
    Unreadable(String),
}

impl Trace {
    /// What is no text of the city: recordings, and the agents' accounts.
    pub(crate) fn others(&self) -> BTreeMap<&OsStr, Mark> {
        match self {
            Trace::Files(texts, recordings) => {
                let all = texts.iter().chain(recordings.iter()).filter(|(path, _)| !is_text(Path::new(path)));
                all.map(|(path, mark)| (path.as_os_str(), *mark)).collect()
            }
            Trace::Unreadable(_) => BTreeMap::new(),
        }
    }

    /// How the files look at this moment; `beside` is looked at too.
    pub(crate) fn of(files: &Files, beside: &Path) -> Trace {
        match files.texts() {
            Ok(texts) => {
                Trace::Files(Arc::new(marks(texts.into_iter().chain([beside.to_owned()]))), Arc::new(marks(files.recordings().into_iter())))
            }
            Err(stop) => Trace::Unreadable(stop.0),
        }
    }

    /// The same at a glance: the recordings are taken to be as they were, unless something else has changed.
    pub(crate) fn glance(&self, files: &Files, beside: &Path) -> Trace {
        let (Trace::Files(before, _), Ok(texts)) = (self, files.texts()) else { return Trace::of(files, beside) };
        if **before == marks(texts.into_iter().chain([beside.to_owned()])) { self.clone() } else { Trace::of(files, beside) }
    }
}

/// Files by their paths, compared byte by byte.
type Marks = BTreeMap<OsString, Mark>;

fn marks(paths: impl Iterator<Item = PathBuf>) -> Marks {
    paths.filter_map(|path| Some((mark(&path)?, path))).map(|(mark, path)| (path.into_os_string(), mark)).collect()
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "csv")
}

/// Device, inode, size, and both times in nanoseconds.
type Mark = (u64, u64, u64, i128, i128);

fn mark(path: &Path) -> Option<Mark> {
    let meta = fs::metadata(path).ok()?;
    let nanos = |secs: i64, nanos: i64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    Some((meta.dev(), meta.ino(), meta.len(), nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec())))
}

/// Tells from one look after the other when a change is complete.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// As it was taken last.
    taken: Trace,
    /// As it was at the last look.
    seen: Trace,
    /// `None`: it is quiet.
    moving: Option<Moving>,
}

/// Files that change.
#[derive(Clone, Copy, Debug)]
struct Moving {
    /// When it began.
    since: Instant,
    /// When they changed last.
    last: Instant,
    /// Since when what has changed waits to be taken.
    waits: Instant,
}

impl Watcher {
    /// Begins with files that were taken already.
    pub(crate) fn new(taken: Trace) -> Watcher {
        Watcher { seen: taken.clone(), taken, moving: None }
    }

    /// Takes another look. True: the files have changed, and are quiet since or never are; take them.
    pub(crate) fn look(&mut self, now: Instant, seen: Trace) -> bool {
        if seen != self.seen {
            self.seen = seen;
            self.moving.get_or_insert(Moving { since: now, last: now, waits: now }).last = now;
        }
        let Some(moving) = &mut self.moving else { return false };
        let quiet = if matches!(self.seen, Trace::Unreadable(_)) { QUIET_UNREADABLE } else { QUIET };
        if now.duration_since(moving.last) >= quiet {
            self.moving = None;
        } else if now.duration_since(moving.waits) >= PATIENCE {
            moving.waits = now;
        } else {
            return false;
        }
        // Changed and changed back, which nobody needs to hear of.
        let changed = self.seen != self.taken;
        self.taken = self.seen.clone();
        changed
    }

    /// When to look again.
    pub(crate) fn pause(&self) -> Duration {
        if self.moving.is_some() { LOOK_CLOSELY } else { LOOK }
    }

    /// For how long the files have been changing without a rest, if that is longer than an edit takes.
    pub(crate) fn restless(&self, now: Instant) -> Option<Duration> {
        self.moving.map(|moving| now.duration_since(moving.since)).filter(|lasts| *lasts >= RESTLESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CityArgs;

    fn trace(files: &[(&str, u64)]) -> Trace {
        Trace::Files(Arc::new(files.iter().map(|(path, inode)| (OsString::from(path), (1, *inode, 10, 0, 0))).collect()), Arc::default())
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// What a watcher says to looks at these moments, in milliseconds.
    fn told(looks: &[(u64, Trace)]) -> Vec<u64> {
        let start = Instant::now();
        let mut watcher = Watcher::new(trace(&[("a.yaml", 1), ("b.yaml", 2)]));
        looks.iter().filter(|(at, seen)| watcher.look(start + Duration::from_millis(*at), seen.clone())).map(|(at, _)| *at).collect()
    }

    #[test]
    fn a_glance_sees_every_text_and_the_recordings_of_the_last_whole_look() {
        let folder = std::env::temp_dir().join(format!("toritsugi-glance-{}", std::process::id()));
        let recorded = folder.join("flows/prompts/recorded");
        fs::create_dir_all(&recorded).unwrap();
        fs::create_dir_all(folder.join("config")).unwrap();
        let beside = folder.join("agents.json");
        for file in ["flows/city.yaml", "flows/prompts/recorded/hello.wav", "config/queues.yaml", "agents.json"] {
            fs::write(folder.join(file), "a").unwrap();
        }
        let files = Files::find(&CityArgs { config: Some(folder.join("config")), flows: Some(folder.join("flows")) }).unwrap();
        let whole = Trace::of(&files, &beside);
        assert!(matches!(&whole, Trace::Files(texts, recordings) if (texts.len(), recordings.len()) == (3, 1)), "{whole:?}");
        assert_eq!(whole.glance(&files, &beside), whole);
        fs::write(recorded.join("bye.wav"), "b").unwrap();
        assert_eq!(whole.glance(&files, &beside), whole, "a new recording waits for a whole look");
        for file in ["config/queues.yaml", "agents.json"] {
            fs::write(folder.join(file), "longer").unwrap();
            assert_eq!(whole.glance(&files, &beside), Trace::of(&files, &beside), "{file}");
        }
        fs::remove_file(folder.join("flows/city.yaml")).unwrap();
        assert_eq!(whole.glance(&files, &beside), Trace::of(&files, &beside));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_is_renamed_into_place_is_taken_once_it_is_quiet() {
        let renamed = trace(&[("a.yaml", 7), ("b.yaml", 2)]);
        assert_eq!(
            told(&[(0, renamed.clone()), (100, renamed.clone()), (299, renamed.clone()), (300, renamed.clone()), (700, renamed)]),
            [300]
        );
    }

    #[test]
    fn a_checkout_that_changes_file_after_file_is_taken_as_a_whole() {
        let one = trace(&[("a.yaml", 7), ("b.yaml", 2)]);
        let half = trace(&[("a.yaml", 7)]);
        let all = trace(&[("a.yaml", 7), ("b.yaml", 8), ("c.yaml", 9)]);
        assert_eq!(told(&[(0, one.clone()), (250, one), (260, half), (500, all.clone()), (700, all.clone()), (810, all)]), [810]);
    }

    #[test]
    fn a_folder_that_is_away_for_a_moment_is_no_mistake_and_one_that_stays_away_is() {
        let away = || Trace::Unreadable("no such folder".to_owned());
        let back = trace(&[("a.yaml", 1), ("b.yaml", 2)]);
        assert_eq!(told(&[(0, away()), (1_900, away()), (1_950, back.clone()), (5_000, back)]), [0u64; 0]);
        assert_eq!(told(&[(0, away()), (1_900, away()), (2_000, away())]), [2_000]);
    }

    #[test]
    fn a_folder_that_is_never_quiet_is_taken_after_ten_seconds_all_the_same() {
        let looks: Vec<(u64, Trace)> = (0..=250).map(|n| (n * 100, trace(&[("a.yaml", 7), ("b.yaml", 100 + n)]))).collect();
        assert_eq!(told(&looks), [10_000, 20_000]);
        let start = Instant::now();
        let mut watcher = Watcher::new(trace(&[]));
        let mut restless = |at: u64, inode: u64| {
            let now = start + Duration::from_millis(at);
            watcher.look(now, trace(&[("a.yaml", inode)]));
            watcher.restless(now)
        };
        let changing =
            [(0, 1), (250, 2), (500, 3), (750, 4), (1_000, 5), (1_250, 6), (1_500, 7), (1_750, 8)].map(|(at, n)| restless(at, n));
        assert_eq!(changing, [None; 8], "an edit takes a moment");
        assert_eq!([restless(2_000, 9), restless(2_250, 9), restless(2_300, 9)], [Some(millis(2_000)), Some(millis(2_250)), None]);
    }
}
