//! Sees that the city's files were changed, and waits until whoever changes them has finished.
//!
//! A scan of names, sizes, inodes and times twice a second, on a thread of its own. We don't use the kernel's watches (inotify): they follow
//! inodes, so that an editor that writes beside and renames, or a checkout that replaces a folder, slips from under them, and they are
//! counted per user. A city has some dozen files; looking at them costs less than a millisecond.

use crate::files::Files;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks while nothing changes.
pub(crate) const LOOK: Duration = Duration::from_millis(400);
/// Between two looks while something changes.
pub(crate) const LOOK_CLOSELY: Duration = Duration::from_millis(100);
/// So long nothing may change before the files are taken as a whole.
const QUIET: Duration = Duration::from_millis(300);
/// A folder that cannot be read gets so long to come back: a checkout may replace it.
const QUIET_UNREADABLE: Duration = Duration::from_secs(2);

/// The outside of the files: enough to see that one was written, replaced, added or taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// By path: device, inode, size, and both times in nanoseconds.
    Files(BTreeMap<PathBuf, (u64, u64, u64, i128, i128)>),
    /// Why they cannot be looked at.
    Unreadable(String),
}

impl Trace {
    /// What is no text of the city: recordings, and the agents' accounts.
    pub(crate) fn others(&self) -> BTreeMap<&PathBuf, (u64, u64, u64, i128, i128)> {
        let text = |path: &Path| path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "csv");
        match self {
            Trace::Files(files) => files.iter().filter(|(path, _)| !text(path)).map(|(path, mark)| (path, *mark)).collect(),
            Trace::Unreadable(_) => BTreeMap::new(),
        }
    }

    /// How the files look at this moment; `beside` is looked at too.
    pub(crate) fn of(files: &Files, beside: &Path) -> Trace {
        match files.paths() {
            Ok(paths) => Trace::Files(
                paths.into_iter().chain([beside.to_owned()]).filter_map(|path| Some((mark(&path)?, path))).map(|(m, p)| (p, m)).collect(),
            ),
            Err(stop) => Trace::Unreadable(stop.0),
        }
    }
}

fn mark(path: &Path) -> Option<(u64, u64, u64, i128, i128)> {
    let meta = fs::metadata(path).ok()?;
    let nanos = |secs: i64, nanos: i64| i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    Some((meta.dev(), meta.ino(), meta.len(), nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec())))
}

/// Tells from one look after the other when a change is complete.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// As it was taken last.
    taken: Trace,
    /// As it is while it changes, and since when it has been so.
    moving: Option<(Trace, Instant)>,
}

impl Watcher {
    /// Begins with files that were taken already.
    pub(crate) fn new(taken: Trace) -> Watcher {
        Watcher { taken, moving: None }
    }

    /// Takes another look. True: the files have changed and are quiet since; take them.
    pub(crate) fn look(&mut self, now: Instant, seen: Trace) -> bool {
        if seen == self.taken {
            // Changed and changed back, which nobody needs to hear of.
            self.moving = None;
            return false;
        }
        let quiet = if matches!(seen, Trace::Unreadable(_)) { QUIET_UNREADABLE } else { QUIET };
        match &self.moving {
            Some((before, since)) if *before == seen => {
                if now.duration_since(*since) < quiet {
                    return false;
                }
                self.taken = seen;
                self.moving = None;
                true
            }
            _ => {
                self.moving = Some((seen, now));
                false
            }
        }
    }

    /// When to look again.
    pub(crate) fn pause(&self) -> Duration {
        if self.moving.is_some() { LOOK_CLOSELY } else { LOOK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(files: &[(&str, u64)]) -> Trace {
        Trace::Files(files.iter().map(|(path, inode)| (PathBuf::from(path), (1, *inode, 10, 0, 0))).collect())
    }

    /// What a watcher says to looks at these moments, in milliseconds.
    fn told(looks: &[(u64, Trace)]) -> Vec<u64> {
        let start = Instant::now();
        let mut watcher = Watcher::new(trace(&[("a.yaml", 1), ("b.yaml", 2)]));
        looks.iter().filter(|(at, seen)| watcher.look(start + Duration::from_millis(*at), seen.clone())).map(|(at, _)| *at).collect()
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
}
