//! Puts changed files in force: watched, read as a whole, checked, tested, sounded, then swapped; or refused, and said so.
//!
//! One thread does all of it, one publication at a time: rendering must never delay a call, and calls in progress finish on the city that
//! they began with.

use crate::client;
use crate::desk::Counter;
use crate::files::Files;
use crate::publish::{self, Before, Published, Refused, Took, Wait};
use crate::serve::Shop;
use crate::status::{InForce, Refusal, Stand, minute};
use crate::versions::{Entry, RolledBack, Versions};
use crate::watcher::{Trace, Watcher};
use crate::words::{Stop, say};
use crate::zone::Zone;
use calls::{City, Control};
use flow::Source;
use model::{Event, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// Between two jobs, where nothing is watched.
const IDLE: Duration = Duration::from_secs(3600);

/// What the publisher is asked.
pub(crate) enum Job {
    /// The sentences that the first opening did not wait for.
    Complete,
    /// The files, whether or not they have changed.
    Read,
    /// A version of before.
    Rollback {
        number: u64,
        by: String,
        why: String,
        /// What became of it, in a sentence.
        answer: oneshot::Sender<Result<String, String>>,
    },
}

/// What everybody at the edge may know of the city in force.
pub(crate) struct Front {
    pub(crate) stand: RwLock<Stand>,
    pub(crate) city: RwLock<Arc<City>>,
}

impl Front {
    pub(crate) fn stand(&self) -> Stand {
        self.stand.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub(crate) fn city(&self) -> Arc<City> {
        Arc::clone(&self.city.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// The city's clock.
    pub(crate) fn zone(&self) -> Zone {
        Zone::of(&self.city().book.calendar)
    }
    fn stands(&self, change: impl FnOnce(&mut Stand)) {
        change(&mut self.stand.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The city that the engine begins with, and how it came to be that one.
pub(crate) struct Opening {
    pub(crate) published: Published,
    pub(crate) sources: Vec<Source>,
    /// The version of the files as they lie, if they could be read.
    files: Option<Version>,
    /// Why not the files, and what they say as far as they could be read.
    refused: Option<(Refused, Vec<Source>)>,
    again: Option<RolledBack>,
}

/// What to begin with: the files; or what was put in force instead of them; or, when they have mistakes, what was in force last.
///
/// # Errors
/// When nothing can be put in force.
pub(crate) fn open(shop: &Shop, versions: &Versions, wait: Wait) -> Result<Opening, Stop> {
    let files = shop.files.read();
    let version = files.as_ref().ok().map(|sources| flow::read(sources.clone()).version().clone());
    if let Some(again) = versions.rolled_back().filter(|again| Some(&again.files) == version.as_ref())
        && let Some(entry) = versions.entry(again.entry)
        && let Ok(sources) = versions.sources(entry)
        && let Ok(published) = shop.publish(&sources, wait, None, true)
    {
        return Ok(Opening { published, sources, files: version, refused: None, again: Some(again) });
    }
    let lying = files.as_ref().map(Clone::clone).unwrap_or_default();
    let refused = match files.map_err(Refused::from).and_then(|sources| Ok((shop.publish(&sources, wait, None, true)?, sources))) {
        Ok((published, sources)) => return Ok(Opening { published, sources, files: version, refused: None, again: None }),
        Err(refused) => refused,
    };
    // Nobody else would answer: what was in force last is better than no city.
    let kept = versions.last().and_then(|last| versions.sources(last).ok());
    let kept = kept.and_then(|sources| Some((shop.publish(&sources, wait, None, true).ok()?, sources)));
    match kept {
        Some((published, sources)) => Ok(Opening { published, sources, files: version, refused: Some((refused, lying)), again: None }),
        None => Err(refused.into()),
    }
}

/// The thread that publishes.
pub(crate) struct Publisher {
    shop: Shop,
    versions: Versions,
    front: Arc<Front>,
    desk: Counter,
    note: Box<dyn Fn(Event) + Send>,
    /// The version of the files that was judged last, whatever came of it.
    judged: Option<Version>,
    /// The files of the city in force.
    sources: Vec<Source>,
    /// Whether recordings or accounts may be others than those of the city in force.
    rereads: bool,
    /// How much of the sound a change waits for: all of it, but where nobody listens.
    wait: Wait,
}

impl Publisher {
    /// Takes over after the opening, with what there is to say of it.
    pub(crate) fn new(
        shop: Shop,
        mut versions: Versions,
        opening: Opening,
        desk: Counter,
        note: Box<dyn Fn(Event) + Send>,
    ) -> (Publisher, Arc<Front>, String) {
        let Opening { published, sources, files, refused, again } = opening;
        let zone = Zone::of(&published.city.book.calendar);
        let mut remark = String::new();
        let version = published.city.book.version.clone();
        let entry = match versions.last() {
            Some(last) if last.version == version => Some(last.clone()),
            _ => {
                let entry = entry_of(&shop.files, &versions, &sources, version);
                versions.keep(entry, &sources).inspect_err(|Stop(why)| tracing::error!("{why}")).ok()
            }
        };
        if again.is_some() {
            remark.push_str("The version in force is not that of the files: it was put in force again by `toritsugi rollback`. The files count as soon as one of them is changed.\n");
        }
        let now = publish::wall();
        let stand = Stand {
            in_force: entry.as_ref().map(|entry| InForce::new(entry, &zone)),
            rolled_back: again.is_some(),
            refused: refused.as_ref().map(|(refused, lying)| {
                let by = owners(&shop.files, &if lying.is_empty() { Vec::new() } else { versions.changed(lying) });
                Refusal::new(refused, by, now, &zone)
            }),
        };
        if let Some((refused, _)) = &refused {
            note(Event::PublicationRefused { problems: refused.problems });
            remark.push_str(&format!(
                "{}\nTHE FILES WERE NOT TAKEN. The city that was in force last answers instead.\n",
                refused.said.trim_end()
            ));
        }
        let front = Arc::new(Front { stand: RwLock::new(stand), city: RwLock::new(Arc::clone(&published.city)) });
        (
            Publisher { shop, versions, front: Arc::clone(&front), desk, note, judged: files, sources, rereads: false, wait: Wait::All },
            front,
            remark,
        )
    }

    /// Does what it is asked and looks after the files, until nobody can ask any more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>, watches: bool) {
        let watches = watches && self.shop.files.may_change();
        let beside = self.shop.state.join("agents.json");
        let trace = |shop: &Shop| Trace::of(&shop.files, &beside);
        let mut seen = trace(&self.shop);
        let mut watcher = Watcher::new(seen.clone());
        loop {
            let done = match jobs.recv_timeout(if watches { watcher.pause() } else { IDLE }) {
                Ok(Job::Complete) => self.complete(),
                Ok(Job::Read) => self.change(true),
                Ok(Job::Rollback { number, by, why, answer }) => {
                    let done = self.roll_back(number, by, why);
                    let _ = answer.send(done);
                    Ok(())
                }
                Err(RecvTimeoutError::Timeout) if watches => {
                    let look = trace(&self.shop);
                    if watcher.look(std::time::Instant::now(), look.clone()) {
                        let others = look.others() != seen.others();
                        seen = look;
                        self.change(others)
                    } else {
                        Ok(())
                    }
                }
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // A closed standard output must not end the watch.
            drop(done);
        }
    }

    /// The opening did not wait for sentences with a number in them.
    fn complete(&mut self) -> Result<(), Stop> {
        match self.shop.publish(&self.sources, self.wait, Some(Before { city: &self.front.city(), recordings: true }), false) {
            Ok(published) => self.put(published.city),
            Err(refused) => tracing::error!(why = %refused.first, "sentences with a number in them have no sound yet"),
        }
        Ok(())
    }

    /// The files have changed, or somebody asks for them. `anyway`: even if their texts are those that were judged last.
    fn change(&mut self, anyway: bool) -> Result<(), Stop> {
        let sources = match self.shop.files.read() {
            Ok(sources) => sources,
            Err(stop) => return self.refuse(&stop.into(), &[]),
        };
        let version = flow::read(sources.clone()).version().clone();
        if self.judged.as_ref() == Some(&version) && !anyway {
            return Ok(());
        }
        self.judged = Some(version.clone());
        let in_force = self.front.city().book.version.clone();
        if version == in_force && !anyway {
            return self.as_the_files_say(&version);
        }
        say("The city's files have changed: checking, testing ...")?;
        // What was changed beside the texts stays to be read until it is in force.
        self.rereads |= anyway;
        let before = Before { city: &self.front.city(), recordings: !self.rereads };
        match self.shop.publish(&sources, self.wait, Some(before), false).and_then(Published::if_it_passes) {
            Ok(published) => {
                let Published { city, warnings, took, .. } = published;
                let entry = entry_of(&self.shop.files, &self.versions, &sources, version.clone());
                self.put(city);
                self.rereads = false;
                self.forget_rollback();
                if version == in_force {
                    self.sources = sources;
                    return self.as_the_files_say(&version);
                }
                let entry = self.keep(entry, sources);
                print!("{warnings}");
                self.tell(entry.as_ref(), took)
            }
            Err(refused) => self.refuse(&refused, &sources),
        }
    }

    /// The files are, word for word, what is in force.
    fn as_the_files_say(&mut self, version: &Version) -> Result<(), Stop> {
        self.forget_rollback();
        self.front.stands(|stand| (stand.refused, stand.rolled_back) = (None, false));
        say(format_args!("The files are those of the city in force ({version}). Nothing is refused any more."))
    }

    fn refuse(&mut self, refused: &Refused, sources: &[Source]) -> Result<(), Stop> {
        (self.note)(Event::PublicationRefused { problems: refused.problems });
        let by = owners(&self.shop.files, &if sources.is_empty() { Vec::new() } else { self.versions.changed(sources) });
        let refusal = Refusal::new(refused, by, publish::wall(), &self.front.zone());
        self.front.stands(|stand| stand.refused = Some(refusal));
        say(format_args!("{}\nThe files were not taken; the city that was in force stays in force.", refused.said.trim_end()))
    }

    /// Puts a version of before in force, and leaves the files alone.
    fn roll_back(&mut self, number: u64, by: String, why: String) -> Result<String, String> {
        let entry = self.versions.entry(number).cloned().ok_or_else(|| match self.versions.list() {
            [] => "no version is kept yet.".to_owned(),
            [first, .., last] => format!("there is no version {number}: kept are {} to {} (toritsugi history).", first.number, last.number),
            [only] => format!("there is no version {number}: kept is {} (toritsugi history).", only.number),
        })?;
        let in_force = self.front.city().book.version.clone();
        if entry.version == in_force {
            return Err(format!("version {number} ({in_force}) is what is in force: nothing was changed."));
        }
        let sources = self.versions.sources(&entry).map_err(|Stop(why)| why)?;
        let before = Before { city: &self.front.city(), recordings: false };
        let published = self.shop.publish(&sources, self.wait, Some(before), false).map_err(|refused| {
            format!("version {number} cannot be put in force any more, and nothing was changed: {}", refused.said.trim_end())
        })?;
        let failing = published.failing.as_ref().map(|failing| failing.first.clone());
        self.put(Arc::clone(&published.city));
        let again = Entry {
            number: 0,
            version: entry.version.clone(),
            at: publish::wall(),
            by,
            why,
            again: Some(number),
            changed: Vec::new(),
            files: BTreeMap::new(),
        };
        let kept = self.keep(again, sources);
        let files = self.shop.files.read().ok().map(|sources| flow::read(sources).version().clone());
        let differs = files.as_ref() != Some(&entry.version);
        if let (Some(kept), Some(files), true) = (&kept, files, differs) {
            let rolled_back = RolledBack { entry: kept.number, files };
            if let Err(Stop(why)) = self.versions.set_rolled_back(Some(&rolled_back)) {
                tracing::error!("{why}: after a restart the files count again");
            }
        } else {
            self.forget_rollback();
        }
        self.front.stands(|stand| {
            stand.rolled_back = differs;
            if !differs {
                stand.refused = None;
            }
        });
        let _ = self.tell(kept.as_ref(), published.took);
        let mut said = format!("Version {number} ({}) is in force again", entry.version);
        if let Some(kept) = &kept {
            said.push_str(&format!(", as version {}", kept.number));
        }
        said.push_str(if differs {
            ". Nothing was written into the city's files: what they say is NOT in force until one of them is changed."
        } else {
            ". That is what the city's files say, too."
        });
        if let Some(failing) = failing {
            said.push_str(&format!(" One of its own tests fails today: {failing}"));
        }
        Ok(said)
    }

    /// Swaps the city. Calls in progress finish on the one that they began with.
    fn put(&mut self, city: Arc<City>) {
        if self.desk.ask_blocking(Control::Publish(Arc::clone(&city))).is_some() {
            *self.front.city.write().unwrap_or_else(PoisonError::into_inner) = city;
        }
    }

    fn keep(&mut self, entry: Entry, sources: Vec<Source>) -> Option<Entry> {
        let kept =
            self.versions.keep(entry, &sources).inspect_err(|Stop(why)| tracing::error!("{why}: there will be no way back to it")).ok();
        self.sources = sources;
        let zone = self.front.zone();
        self.front.stands(|stand| {
            stand.in_force = kept.as_ref().map(|kept| InForce::new(kept, &zone));
            (stand.refused, stand.rolled_back) = (None, false);
        });
        kept
    }

    fn forget_rollback(&mut self) {
        if let Err(Stop(why)) = self.versions.set_rolled_back(None) {
            tracing::error!("{why}");
        }
    }

    fn tell(&self, entry: Option<&Entry>, took: Took) -> Result<(), Stop> {
        match entry {
            Some(Entry { number, version, by, why, changed, at, .. }) => {
                say(format_args!(
                    "Version {number} ({version}) is in force since {}, by {by}: published in {took}.",
                    minute(&self.front.zone(), *at)
                ))?;
                if !why.is_empty() {
                    say(format_args!("  why      {why}"))?;
                }
                say(format_args!("  changed  {}", changed.join(", ")))?;
            }
            None => say(format_args!("The change is in force, published in {took}; it could not be kept for a rollback, see the log."))?,
        }
        say("Calls in progress finish on the city that they began with.")
    }
}

/// A version as it comes from the files: who owns what changed, and what the flows' notes say.
fn entry_of(files: &Files, versions: &Versions, sources: &[Source], version: Version) -> Entry {
    let changed = versions.changed(sources);
    let new = flow::read(sources.to_vec());
    let old = flow::read(versions.last().and_then(|last| versions.sources(last).ok()).unwrap_or_default());
    let told = |path: &String| new.note_in(path).filter(|note| !note.is_empty() && old.note_in(path) != Some(note)).map(str::to_owned);
    let why: Vec<String> = changed.iter().filter_map(told).collect();
    let why = why.join("; ").chars().filter(|c| !c.is_control()).take(model::REMARK_MAX).collect();
    Entry { number: 0, version, at: publish::wall(), by: owners(files, &changed), why, again: None, changed, files: BTreeMap::new() }
}

/// Who owns these files.
fn owners(files: &Files, changed: &[String]) -> String {
    let on_disk = changed.iter().filter_map(|path| files.on_disk(path)).filter_map(|path| Some(fs::metadata(path).ok()?.uid()));
    let names: BTreeSet<String> = on_disk.collect::<BTreeSet<u32>>().into_iter().map(client::user).collect();
    if names.is_empty() { "nobody known".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CityArgs;
    use calls::Reply;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    /// The shipped city in a folder of its own, a publisher, and an engine that takes whatever comes.
    struct Office {
        folder: PathBuf,
        publisher: Publisher,
        front: Arc<Front>,
        noted: Arc<Mutex<Vec<Event>>>,
        remark: String,
    }

    impl Office {
        fn new(test: &str) -> Office {
            let folder = std::env::temp_dir().join(format!("toritsugi-publisher-{}-{test}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            for part in ["flows", "config"] {
                copy(&shipped.join(part), &folder.join(part));
            }
            Office::open(folder).unwrap_or_else(|Stop(why)| panic!("{why}"))
        }

        fn open(folder: PathBuf) -> Result<Office, Stop> {
            let city = CityArgs { config: Some(folder.join("config")), flows: Some(folder.join("flows")) };
            let shop = Shop::new(Files::find(&city)?, folder.join("state"));
            let versions = Versions::open(&shop.state)?;
            let opening = open(&shop, &versions, Wait::Nothing)?;
            let (desk, mut wishes) = Counter::open();
            std::thread::spawn(move || {
                while let Some(wish) = wishes.blocking_recv() {
                    wish.answer(|_| Reply::Done);
                }
            });
            let noted = Arc::new(Mutex::new(Vec::new()));
            let hears = Arc::clone(&noted);
            let note = Box::new(move |event| hears.lock().unwrap().push(event));
            let (mut publisher, front, remark) = Publisher::new(shop, versions, opening, desk, note);
            publisher.wait = Wait::Nothing;
            Ok(Office { folder, publisher, front, noted, remark })
        }

        /// The engine is started again on the same folders.
        fn again(self) -> Office {
            let folder = self.folder.clone();
            std::mem::forget(self);
            Office::open(folder).unwrap_or_else(|Stop(why)| panic!("{why}"))
        }

        fn flow(&self) -> PathBuf {
            self.folder.join("flows/city.yaml")
        }

        /// A supervisor replaces something in the flow, and saves.
        fn edits(&mut self, old: &str, new: &str) {
            let text = fs::read_to_string(self.flow()).unwrap();
            assert!(text.contains(old), "{old}");
            fs::write(self.flow(), text.replacen(old, new, 1)).unwrap();
            self.publisher.change(false).unwrap();
        }

        fn in_force(&self) -> (u64, String) {
            let in_force = self.front.stand().in_force.unwrap();
            assert_eq!(in_force.version, self.front.city().book.version.to_string());
            (in_force.number, in_force.version)
        }
    }
    impl Drop for Office {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let there = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &there);
            } else {
                fs::copy(&path, &there).unwrap();
            }
        }
    }

    const NOTE: &str = "note: \"callbacks, and the ward hotlines for those who cannot wait\"";

    #[test]
    fn a_saved_change_is_in_force_and_kept_with_who_when_and_why() {
        let mut office = Office::new("saved");
        let (first, version) = office.in_force();
        office.edits(NOTE, "note: \"golden week\"");
        let (second, other) = office.in_force();
        assert_eq!((first, second), (1, 2));
        assert_ne!(version, other);
        let entry = office.publisher.versions.last().unwrap().clone();
        assert_eq!((entry.why.as_str(), entry.changed.as_slice()), ("golden week", &["flows/city.yaml".to_owned()][..]));
        assert_eq!(entry.by, client::user(fs::metadata(office.flow()).unwrap().uid()));
        // The same text once more is no version.
        office.publisher.change(false).unwrap();
        assert_eq!(office.in_force().0, 2);
    }

    #[test]
    fn a_bad_file_changes_nothing_is_told_where_it_is_bad_and_forgotten_when_it_is_right_again() {
        let mut office = Office::new("bad");
        let before = office.in_force();
        office.edits("closed: night", "closed: nihgt");
        let refused = office.front.stand().refused.unwrap();
        assert!(refused.first.contains("flows/city.yaml:") && refused.first.contains("nihgt"), "{}", refused.first);
        let line = refused.first.split("city.yaml:").nth(1).unwrap().split(':').next().unwrap().parse::<usize>().unwrap();
        assert!(fs::read_to_string(office.flow()).unwrap().lines().nth(line - 1).unwrap().contains("nihgt"));
        assert!(office.front.stand().lines().contains("files: REFUSED"));
        assert_eq!(office.in_force(), before);
        assert!(matches!(office.noted.lock().unwrap().as_slice(), [Event::PublicationRefused { problems: 1.. }]));
        office.edits("nihgt", "night");
        assert_eq!((office.front.stand().refused, office.in_force()), (None, before));
    }

    #[test]
    fn a_change_with_which_an_example_call_fails_is_refused() {
        let mut office = Office::new("fails");
        let before = office.in_force();
        office.edits("\"1\": triage\n        \"2\": general", "\"1\": general\n        \"2\": triage");
        let refused = office.front.stand().refused.unwrap();
        assert!(refused.first.contains("tests fail"), "{}", refused.first);
        assert_eq!(office.in_force(), before);
    }

    #[test]
    fn an_engine_that_starts_on_bad_files_answers_with_the_city_that_was_in_force_last() {
        let mut office = Office::new("starts");
        office.edits(NOTE, "note: \"second\"");
        let before = office.in_force();
        office.edits("closed: night", "closed: nihgt");
        let office = office.again();
        assert_eq!(office.in_force(), before);
        let refused = office.front.stand().refused.unwrap();
        assert!(refused.first.contains("nihgt"), "{}", refused.first);
        assert_eq!(refused.by, client::user(fs::metadata(office.flow()).unwrap().uid()));
        assert!(office.remark.contains("THE FILES WERE NOT TAKEN"), "{}", office.remark);
    }

    #[test]
    fn a_rollback_leaves_the_files_alone_outlives_a_restart_and_ends_when_they_are_changed() {
        let mut office = Office::new("rollback");
        let (_, first) = office.in_force();
        office.edits(NOTE, "note: \"second\"");
        let files = fs::read_to_string(office.flow()).unwrap();
        let said = office.publisher.roll_back(1, "mori".to_owned(), "the menu was wrong".to_owned()).unwrap();
        assert!(said.contains("NOT in force until one of them is changed"), "{said}");
        assert_eq!(office.in_force(), (3, first.clone()));
        assert_eq!(fs::read_to_string(office.flow()).unwrap(), files);
        let stand = office.front.stand();
        assert!(stand.rolled_back && stand.lines().contains("files: NOT IN FORCE"), "{}", stand.lines());
        let in_force = stand.in_force.unwrap();
        assert_eq!((in_force.by.as_str(), in_force.why.as_str(), in_force.again), ("mori", "the menu was wrong", Some(1)));
        assert!(office.publisher.roll_back(1, "mori".to_owned(), String::new()).unwrap_err().contains("is what is in force"));
        assert!(office.publisher.roll_back(9, "mori".to_owned(), String::new()).unwrap_err().contains("kept are 1 to 3"));

        let mut office = office.again();
        assert_eq!(office.in_force(), (3, first.clone()));
        assert!(office.front.stand().rolled_back && office.remark.contains("rollback"), "{}", office.remark);

        office.edits("note: \"second\"", "note: \"third\"");
        assert_eq!((office.in_force().0, office.front.stand().rolled_back), (4, false));
        assert_ne!(office.in_force().1, first);
        let office = office.again();
        assert_eq!((office.in_force().0, office.front.stand().rolled_back), (4, false));
    }
}
