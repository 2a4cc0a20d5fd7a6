//! Puts changed files in force: watched, read as a whole, checked, tested, sounded, then swapped; or refused, and said so.
//!
//! One thread does all of it, one publication at a time: rendering must never delay a call, and calls in progress finish on the city that
//! they began with.

mod words;

use crate::client;
use crate::desk::Counter;
use crate::files::Files;
use crate::publish::{self, Before, Published, Refused, Took, Wait};
use crate::serve::Shop;
use crate::status::{Changing, InForce, Refusal, Stand, minute, no_effect};
use crate::versions::{Entry, RolledBack, Versions};
use crate::watcher::{LOOK_AT_ALL, Trace, Watcher};
use crate::words::{Both, Stop, say};
use crate::zone::Zone;
use calls::{City, Control, Reply};
use flow::Source;
use model::{Event, UnixMillis, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Between two jobs, where nothing is watched.
const IDLE: Duration = Duration::from_secs(3600);

/// Who put a version in force that nobody ordered.
const OURSELVES: &str = "toritsugi";
/// Versions that an engine tries at its start, the latest first, when the files cannot be put in force: what a newer program cannot read it
/// can seldom read further back.
const GOOD_TRIED: usize = 10;

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
        /// Whether it may have example calls of its own that fail.
        although_tests_fail: bool,
        /// What became of it, in a sentence.
        answer: oneshot::Sender<Result<Both, Both>>,
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
    begins: Begins,
    /// The version of the files as they lie, if they could be read.
    files: Option<Version>,
    /// Why not the files, and what they say as far as they could be read.
    refused: Option<(Refused, Vec<Source>)>,
    /// A rollback that this program can put in force no more: the number of its version.
    lost: Option<u64>,
}

/// Which city an engine begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// That of the files.
    Files,
    /// The one that somebody put in force instead of them.
    RolledBack,
    /// A version of before, by its number, because the files were refused.
    Instead(u64),
}

/// What to begin with. A rollback holds until files that are not those of its hour go live. Else the files, if they pass as a change would
/// have to; a version that passed before answers even if a test of it fails by now. Else the version that passed last. Only where there is
/// none do files answer whose tests fail: nobody else would.
///
/// # Errors
/// When nothing can be put in force.
pub(crate) fn open(shop: &Shop, versions: &Versions, wait: Wait) -> Result<Opening, Stop> {
    let files = shop.files.read();
    let version = files.as_ref().ok().map(|sources| flow::read(sources.clone()).version().clone());
    let kept = |number: u64| {
        let sources = versions.sources(versions.entry(number)?).ok()?;
        Some((shop.publish(&sources, wait, None, true).ok()?, sources))
    };
    let rolled_back = versions.rolled_back();
    let again = rolled_back.as_ref().and_then(|again| kept(again.entry));
    let lost = rolled_back.as_ref().filter(|_| again.is_none()).map(|again| again.entry);
    let opening = |(published, sources), begins, refused| Opening { published, sources, begins, files: version.clone(), refused, lost };
    let again = match again {
        Some(again) if rolled_back.is_some_and(|order| order.files == version) => return Ok(opening(again, Begins::RolledBack, None)),
        again => again,
    };
    let lying = files.as_ref().map(Clone::clone).unwrap_or_default();
    let (refused, failing) = match files.map_err(Refused::from).and_then(|sources| shop.publish(&sources, wait, None, true)) {
        Ok(published) => match published.failing.clone() {
            Some(failing) if !version.as_ref().is_some_and(|version| versions.passed(version)) => (failing, Some(published)),
            _ => return Ok(opening((published, lying), Begins::Files, None)),
        },
        Err(refused) => (refused, None),
    };
    if let Some(again) = again {
        return Ok(opening(again, Begins::RolledBack, Some((refused, lying))));
    }
    let mut good = versions.good().into_iter().take(GOOD_TRIED).map(|entry| entry.number);
    if let Some((number, good)) = good.find_map(|number| Some((number, kept(number)?))) {
        return Ok(opening(good, Begins::Instead(number), Some((refused, lying))));
    }
    match failing {
        Some(published) => Ok(opening((published, lying), Begins::Files, None)),
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
    /// The version in force, while it could not be written down: that is tried again.
    unkept: Option<Unkept>,
}

/// A version that is in force and could not be written down.
struct Unkept {
    entry: Entry,
    /// The order that put it in force, if it was a rollback; its number is not known yet.
    rollback: Option<RolledBack>,
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
        let Opening { published, sources, begins, files, refused, lost } = opening;
        let zone = Zone::of(&published.city.book.calendar);
        let mut remark = String::new();
        let version = published.city.book.version.clone();
        let mut unkept = None;
        let entry = match versions.last() {
            Some(last) if last.version == version => Some(last.clone()),
            _ => {
                let new = entry_of(&shop.files, &versions, &sources, version);
                let entry = match begins {
                    Begins::Instead(number) => {
                        Entry { again: Some(number), instead: true, by: OURSELVES.to_owned(), why: String::new(), ..new }
                    }
                    Begins::Files | Begins::RolledBack => Entry { failing: published.failing.is_some(), ..new },
                };
                let kept = versions.keep(entry.clone(), &sources).inspect_err(|Stop(why)| tracing::error!("{why}")).ok();
                unkept = kept.is_none().then_some(Unkept { entry, rollback: None });
                kept
            }
        };
        let rolled_back = begins == Begins::RolledBack;
        if rolled_back {
            remark.push_str("The version in force is not that of the files: it was put in force again by `toritsugi rollback`, which outlives restarts. It holds until a change of the files goes live.\n");
        } else if let Err(Stop(why)) = versions.set_rolled_back(None) {
            tracing::error!("{why}");
        }
        if let Some(number) = lost {
            remark.push_str(&format!("VERSION {number}, WHICH `toritsugi rollback` HAD PUT IN FORCE, CANNOT BE PUT IN FORCE BY THIS PROGRAM ANY MORE: the rollback is over.\n"));
        }
        let now = publish::wall();
        let stand = Stand {
            in_force: entry.as_ref().map(|entry| InForce::new(entry, &zone)),
            rolled_back,
            refused: refused.as_ref().map(|(refused, lying)| {
                let by = owners(&shop.files, &if lying.is_empty() { Vec::new() } else { versions.changed(lying) });
                Refusal::new(refused, by, now, &zone)
            }),
            failing: published.failing.as_ref().map(|failing| failing.first.clone()),
            changing: None,
        };
        if let Some((refused, _)) = &refused {
            note(Event::PublicationRefused { problems: refused.problems });
            let answers = match begins {
                Begins::Instead(number) => format!("Version {number}, which passed last, answers instead"),
                Begins::RolledBack | Begins::Files => "What `toritsugi rollback` put in force stays in force".to_owned(),
            };
            remark
                .push_str(&format!("{}\nTHE FILES WERE NOT TAKEN. {answers}; `toritsugi status` shows it.\n", refused.said.en.trim_end()));
        }
        let front = Arc::new(Front { stand: RwLock::new(stand), city: RwLock::new(Arc::clone(&published.city)) });
        (
            Publisher {
                shop,
                versions,
                front: Arc::clone(&front),
                desk,
                note,
                judged: files,
                sources,
                rereads: false,
                wait: Wait::All,
                unkept,
            },
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
        let (mut latest, mut looks) = (seen.clone(), 0u32);
        loop {
            let done = match jobs.recv_timeout(if watches { watcher.pause() } else { IDLE }) {
                Ok(Job::Complete) => self.complete(),
                Ok(Job::Read) => self.change(true),
                Ok(Job::Rollback { number, by, why, although_tests_fail, answer }) => {
                    let done = self.roll_back(number, by, why, although_tests_fail);
                    // Whoever ordered it may have waited for less long than it took.
                    let heard = done.as_ref().map_or_else(|why| say(format_args!("No rollback: {}", why.en)), |_| Ok(()));
                    let _ = answer.send(done);
                    heard
                }
                Err(RecvTimeoutError::Timeout) if watches => {
                    looks = looks.wrapping_add(1);
                    let whole = looks.is_multiple_of(LOOK_AT_ALL);
                    let look = if whole { trace(&self.shop) } else { latest.glance(&self.shop.files, &beside) };
                    latest = look.clone();
                    let now = Instant::now();
                    let taken = watcher.look(now, look.clone());
                    self.changing(watcher.restless(now));
                    if taken {
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
            self.keep_late();
        }
    }

    /// For how long the files have been changing without a rest; `None`: they rest.
    fn changing(&self, lasts: Option<Duration>) {
        if lasts.is_some() == self.front.stand().changing.is_some() {
            return;
        }
        let zone = self.front.zone();
        let since = |lasts: Duration| {
            let since = UnixMillis(publish::wall().0.saturating_sub(i64::try_from(lasts.as_millis()).unwrap_or(0)));
            Changing { since, since_local: minute(&zone, since) }
        };
        self.front.stands(|stand| stand.changing = lasts.map(since));
    }

    /// The opening did not wait for sentences with a number in them.
    fn complete(&mut self) -> Result<(), Stop> {
        match self.shop.publish(&self.sources, self.wait, Some(Before { city: &self.front.city(), recordings: true }), false) {
            Ok(published) => self.put(published.city),
            Err(refused) => tracing::error!(why = %refused.first.en, "sentences with a number in them have no sound yet"),
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
        if self.versions.rolled_back().is_some_and(|again| again.files.as_ref() == Some(&version)) {
            return self.as_at_the_rollback(anyway);
        }
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
                    self.front.stands(|stand| stand.failing = None);
                    return self.as_the_files_say(&version);
                }
                let entry = self.keep(entry, sources);
                print!("{warnings}");
                self.tell(entry.as_ref(), took)?;
                self.tell_what_has_no_effect()
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

    /// The files are, word for word, those instead of which a version of before was put in force: that order holds. What lies beside the
    /// texts counts all the same.
    fn as_at_the_rollback(&mut self, anyway: bool) -> Result<(), Stop> {
        self.front.stands(|stand| stand.refused = None);
        if anyway {
            let before = Before { city: &self.front.city(), recordings: false };
            match self.shop.publish(&self.sources, self.wait, Some(before), false) {
                Ok(published) => {
                    self.put(published.city);
                    self.front.stands(|stand| stand.failing = published.failing.map(|failing| failing.first));
                }
                Err(refused) => return self.refuse(&refused, &[]),
            }
        }
        say("The texts of the files have not changed since `toritsugi rollback`: what it put in force stays in force.")
    }

    fn refuse(&mut self, refused: &Refused, sources: &[Source]) -> Result<(), Stop> {
        (self.note)(Event::PublicationRefused { problems: refused.problems });
        let by = owners(&self.shop.files, &if sources.is_empty() { Vec::new() } else { self.versions.changed(sources) });
        let refusal = Refusal::new(refused, by, publish::wall(), &self.front.zone());
        self.front.stands(|stand| stand.refused = Some(refusal));
        say(format_args!("{}\nThe files were not taken; the city that was in force stays in force.", refused.said.en.trim_end()))
    }

    /// Puts a version of before in force, and leaves the files alone.
    fn roll_back(&mut self, number: u64, by: String, why: String, although_tests_fail: bool) -> Result<Both, Both> {
        let entry = self.versions.entry(number).cloned().ok_or_else(|| words::no_version(number, self.versions.list()))?;
        let in_force = self.front.city().book.version.clone();
        if entry.version == in_force {
            return Err(words::in_force_already(number, &in_force));
        }
        let sources = self.versions.sources(&entry).map_err(|Stop(why)| words::not_kept_whole(number, &why))?;
        let before = Before { city: &self.front.city(), recordings: !self.rereads };
        let published =
            self.shop.publish(&sources, self.wait, Some(before), false).map_err(|refused| words::loads_no_more(number, &refused.said))?;
        let failing = published.failing.as_ref().map(|failing| failing.first.clone());
        if let Some(failing) = failing.as_ref().filter(|_| !although_tests_fail) {
            return Err(words::tests_fail(number, failing));
        }
        self.put(Arc::clone(&published.city));
        let again = Entry {
            number: 0,
            version: entry.version.clone(),
            at: publish::wall(),
            by,
            why,
            again: Some(number),
            instead: false,
            failing: failing.is_some(),
            changed: Vec::new(),
            files: BTreeMap::new(),
        };
        let kept = self.keep(again, sources);
        let files = self.shop.files.read().ok().map(|sources| flow::read(sources).version().clone());
        let differs = files.as_ref() != Some(&entry.version);
        match kept.as_ref().filter(|_| differs) {
            Some(kept) => {
                let rolled_back = RolledBack { entry: kept.number, files: files.clone() };
                if let Err(Stop(why)) = self.versions.set_rolled_back(Some(&rolled_back)) {
                    tracing::error!("{why}: after a restart the files count again");
                }
            }
            None => self.forget_rollback(),
        }
        if let Some(unkept) = self.unkept.as_mut().filter(|_| differs) {
            unkept.rollback = Some(RolledBack { entry: 0, files: files.clone() });
        }
        // What the files say at this moment was judged by whoever ordered this.
        self.judged = files;
        self.front.stands(|stand| {
            (stand.rolled_back, stand.failing) = (differs, failing.clone());
        });
        let _ = self.tell(kept.as_ref(), published.took);
        Ok(words::again_in_force(number, &entry.version, kept.map(|kept| kept.number), differs, failing.as_ref()))
    }

    /// Swaps the city. Calls in progress finish on the one that they began with.
    fn put(&mut self, city: Arc<City>) {
        if self.desk.ask_blocking(Control::Publish(Arc::clone(&city))).is_some() {
            *self.front.city.write().unwrap_or_else(PoisonError::into_inner) = city;
        }
    }

    fn keep(&mut self, entry: Entry, sources: Vec<Source>) -> Option<Entry> {
        let kept = self.versions.keep(entry.clone(), &sources);
        let kept = kept.inspect_err(|Stop(why)| tracing::error!("{why}: there is no way back to it until it can be")).ok();
        self.unkept = kept.is_none().then_some(Unkept { entry, rollback: None });
        self.sources = sources;
        let zone = self.front.zone();
        self.front.stands(|stand| {
            stand.in_force = kept.as_ref().map(|kept| InForce::new(kept, &zone));
            (stand.refused, stand.rolled_back, stand.failing) = (None, false, None);
        });
        kept
    }

    /// What could not be written down is, as soon as there is room.
    fn keep_late(&mut self) {
        let Some(Unkept { entry, .. }) = &self.unkept else { return };
        let Ok(kept) = self.versions.keep(entry.clone(), &self.sources) else { return };
        tracing::info!(version = kept.number, "the version in force is written down now");
        if let Some(rollback) = self.unkept.take().and_then(|unkept| unkept.rollback)
            && let Err(Stop(why)) = self.versions.set_rolled_back(Some(&RolledBack { entry: kept.number, ..rollback }))
        {
            tracing::error!("{why}: after a restart the files count again");
        }
        let zone = self.front.zone();
        self.front.stands(|stand| stand.in_force = Some(InForce::new(&kept, &zone)));
    }

    /// What is set by hand and acts on something that is not in the city any more.
    fn tell_what_has_no_effect(&self) -> Result<(), Stop> {
        let Some(Reply::Snapshot(snapshot)) = self.desk.ask_blocking(Control::Snapshot) else { return Ok(()) };
        let city = self.front.city();
        for set in &snapshot.overrides {
            if let Some(why) = no_effect(&city, &set.setting) {
                say(format_args!("Set by hand, and WITHOUT EFFECT in this city: {}. {}", set.setting, why.en))?;
            }
        }
        Ok(())
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
    Entry {
        number: 0,
        version,
        at: publish::wall(),
        by: owners(files, &changed),
        why,
        again: None,
        instead: false,
        failing: false,
        changed,
        files: BTreeMap::new(),
    }
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

        /// From here on the disk takes no list of versions: where it belongs there is something else. Gives the list.
        fn takes_no_list(&self) -> Vec<u8> {
            let list = self.list();
            let kept = fs::read(&list).unwrap();
            fs::remove_file(&list).unwrap();
            fs::create_dir(&list).unwrap();
            kept
        }

        fn takes_lists_again(&self, kept: &[u8]) {
            fs::remove_dir(self.list()).unwrap();
            fs::write(self.list(), kept).unwrap();
        }

        fn list(&self) -> PathBuf {
            self.folder.join("state/versions/list.jsonl")
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
        assert!(refused.first.en.contains("flows/city.yaml:") && refused.first.en.contains("nihgt"), "{}", refused.first.en);
        let line = refused.first.en.split("city.yaml:").nth(1).unwrap().split(':').next().unwrap().parse::<usize>().unwrap();
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
        assert!(refused.first.en.contains("tests fail"), "{}", refused.first.en);
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
        assert!(refused.first.en.contains("nihgt"), "{}", refused.first.en);
        assert_eq!(refused.by, client::user(fs::metadata(office.flow()).unwrap().uid()));
        assert!(office.remark.contains("THE FILES WERE NOT TAKEN"), "{}", office.remark);
    }

    #[test]
    fn a_rollback_leaves_the_files_alone_outlives_a_restart_and_ends_when_they_are_changed() {
        let mut office = Office::new("rollback");
        let (_, first) = office.in_force();
        office.edits(NOTE, "note: \"second\"");
        let files = fs::read_to_string(office.flow()).unwrap();
        let said = office.publisher.roll_back(1, "mori".to_owned(), "the menu was wrong".to_owned(), false).unwrap();
        assert!(said.en.contains("NOT in force until one of them is changed"), "{said:?}");
        assert_eq!(office.in_force(), (3, first.clone()));
        assert_eq!(fs::read_to_string(office.flow()).unwrap(), files);
        let stand = office.front.stand();
        assert!(stand.rolled_back && stand.lines().contains("files: NOT IN FORCE"), "{}", stand.lines());
        let in_force = stand.in_force.unwrap();
        assert_eq!((in_force.by.as_str(), in_force.why.as_str(), in_force.again), ("mori", "the menu was wrong", Some(1)));
        assert!(office.publisher.roll_back(1, "mori".to_owned(), String::new(), false).unwrap_err().en.contains("is what is in force"));
        assert!(office.publisher.roll_back(9, "mori".to_owned(), String::new(), false).unwrap_err().en.contains("kept are 1 to 3"));

        let mut office = office.again();
        assert_eq!(office.in_force(), (3, first.clone()));
        assert!(office.front.stand().rolled_back && office.remark.contains("rollback"), "{}", office.remark);

        office.edits("note: \"second\"", "note: \"third\"");
        assert_eq!((office.in_force().0, office.front.stand().rolled_back), (4, false));
        assert_ne!(office.in_force().1, first);
        let office = office.again();
        assert_eq!((office.in_force().0, office.front.stand().rolled_back), (4, false));
    }

    /// With this edit the keys of the menu are swapped, and example calls go wrong.
    const SWAPPED: [&str; 2] = ["\"1\": triage\n        \"2\": general", "\"1\": general\n        \"2\": triage"];

    #[test]
    fn an_engine_that_starts_on_files_whose_examples_fail_answers_with_the_version_that_passed_last() {
        let mut office = Office::new("failing");
        office.edits(NOTE, "note: \"second\"");
        let before = office.in_force();
        office.edits(SWAPPED[0], SWAPPED[1]);
        let office = office.again();
        assert_eq!(office.in_force(), before);
        let stand = office.front.stand();
        let refused = stand.refused.clone().unwrap();
        assert!(refused.first.en.contains("tests fail"), "{}", refused.first.en);
        assert!(stand.lines().contains("files: REFUSED"), "{}", stand.lines());
        assert!(office.remark.contains("THE FILES WERE NOT TAKEN"), "{}", office.remark);
    }

    #[test]
    fn a_rollback_outlives_a_reload_a_new_password_and_a_save_without_effect() {
        let mut office = Office::new("reload");
        let (_, first) = office.in_force();
        office.edits(NOTE, "note: \"second\"");
        office.publisher.roll_back(1, "mori".to_owned(), String::new(), false).unwrap();
        // kill -HUP, or an agent's new password.
        office.publisher.change(true).unwrap();
        assert_eq!((office.in_force(), office.front.stand().rolled_back), ((3, first.clone()), true));
        // Saved without a change.
        office.publisher.change(false).unwrap();
        assert_eq!((office.in_force(), office.front.stand().rolled_back), ((3, first.clone()), true));
        // The folder is away for a moment, and the engine starts in that moment.
        let (there, away) = (office.folder.join("flows/city.yaml"), office.folder.join("away"));
        fs::rename(&there, &away).unwrap();
        let mut office = office.again();
        assert_eq!(office.in_force(), (3, first.clone()));
        fs::rename(&away, &there).unwrap();
        office.publisher.change(false).unwrap();
        assert_eq!((office.in_force(), office.front.stand().rolled_back), ((3, first), true));
    }

    #[test]
    fn without_a_version_that_passed_a_city_whose_examples_fail_answers_and_says_so() {
        let mut office = Office::new("alone");
        let text = fs::read_to_string(office.flow()).unwrap().replacen(SWAPPED[0], SWAPPED[1], 1);
        fs::write(office.flow(), text).unwrap();
        fs::remove_dir_all(office.folder.join("state")).unwrap();
        office = office.again();
        assert_eq!(office.in_force().0, 1);
        let stand = office.front.stand();
        assert!(stand.refused.is_none() && stand.failing.is_some(), "{stand:?}");
        assert!(stand.lines().contains("tests of the city in force: FAILING"), "{}", stand.lines());
        // It is nothing to fall back on: files that do not load stop the start, as they would without it.
        let text = fs::read_to_string(office.flow()).unwrap().replacen("closed: night", "closed: nihgt", 1);
        fs::write(office.flow(), text).unwrap();
        let folder = office.folder.clone();
        assert!(Office::open(folder).is_err());
    }

    #[test]
    fn an_engine_goes_back_past_versions_that_never_passed() {
        let mut office = Office::new("past");
        let (_, good) = office.in_force();
        office.edits(NOTE, "note: \"second\"");
        office.publisher.roll_back(1, "mori".to_owned(), String::new(), false).unwrap();
        // As if the latest one had come into force with failing tests.
        let list = office.folder.join("state/versions/list.jsonl");
        let text = fs::read_to_string(&list).unwrap();
        let marked: Vec<String> =
            text.lines()
                .map(|line| {
                    if line.starts_with("{\"number\":2") { line.replace("\"failing\":false", "\"failing\":true") } else { line.to_owned() }
                })
                .collect();
        fs::write(&list, marked[..2].join("\n") + "\n").unwrap();
        fs::remove_file(office.folder.join("state/versions/rolled_back.json")).unwrap();
        office.edits("closed: night", "closed: nihgt");
        let office = office.again();
        assert_eq!(office.in_force(), (3, good), "version 1 again, as version 3");
        let in_force = office.front.stand().in_force.unwrap();
        assert_eq!((in_force.again, in_force.instead, in_force.by.as_str()), (Some(1), true, OURSELVES));
    }

    #[test]
    fn a_version_whose_tests_fail_by_now_comes_back_only_if_that_is_said() {
        let mut office = Office::new("although");
        let swapped = fs::read_to_string(office.flow()).unwrap().replacen(SWAPPED[0], SWAPPED[1], 1);
        let sources = office.publisher.shop.files.read().unwrap().into_iter().map(|source| match source.path.as_str() {
            "flows/city.yaml" => Source { text: swapped.clone(), ..source },
            _ => source,
        });
        let sources: Vec<Source> = sources.collect();
        let version = flow::read(sources.clone()).version().clone();
        let entry = entry_of(&office.publisher.shop.files, &office.publisher.versions, &sources, version.clone());
        office.publisher.versions.keep(entry, &sources).unwrap();
        let before = office.in_force();
        let refused = office.publisher.roll_back(2, "mori".to_owned(), String::new(), false).unwrap_err();
        assert!(refused.en.contains("--although-tests-fail") && refused.ja.contains("--although-tests-fail"), "{refused:?}");
        assert_eq!(office.in_force(), before);
        let said = office.publisher.roll_back(2, "mori".to_owned(), String::new(), true).unwrap();
        assert!(said.en.contains("Its own tests fail today") && said.ja.contains("不合格"), "{said:?}");
        assert_eq!(office.in_force(), (3, version.to_string()));
        assert!(office.front.stand().failing.is_some());
        // It outlives a restart as any rollback does, and is told.
        let office = office.again();
        assert_eq!(office.in_force(), (3, version.to_string()));
        assert!(office.front.stand().failing.is_some() && office.front.stand().rolled_back);
    }

    #[test]
    fn a_rollback_stays_in_force_while_a_later_edit_is_refused_and_over_a_restart_in_that_hour() {
        let mut office = Office::new("later");
        let (_, first) = office.in_force();
        office.edits(NOTE, "note: \"second\"");
        office.publisher.roll_back(1, "mori".to_owned(), String::new(), false).unwrap();
        office.edits("closed: night", "closed: nihgt");
        assert_eq!(office.in_force(), (3, first.clone()));
        let mut office = office.again();
        assert_eq!(office.in_force(), (3, first.clone()));
        let stand = office.front.stand();
        assert!(stand.rolled_back && stand.refused.is_some(), "{stand:?}");
        assert!(office.remark.contains("What `toritsugi rollback` put in force stays in force"), "{}", office.remark);
        // The edit is taken back: the files are those of the rollback's hour again, and it holds.
        office.edits("nihgt", "night");
        assert_eq!((office.in_force(), office.front.stand().refused), ((3, first), None));
        office.edits("note: \"second\"", "note: \"third\"");
        assert_eq!((office.in_force().0, office.front.stand().rolled_back), (4, false));
    }

    #[test]
    fn a_notice_whose_place_an_edit_takes_away_is_told_to_have_no_effect() {
        let mut office = Office::new("effect");
        let of = |slot: &str| model::Setting::Notice { slot: model::SlotId::from(slot), texts: Vec::new() };
        assert_eq!(no_effect(&office.front.city(), &of("shelters")), None);
        let disaster = office.folder.join("flows/disaster.yaml");
        let text = fs::read_to_string(&disaster).unwrap().replacen("slot: shelters", "slot: refuges", 1);
        fs::write(&disaster, text).unwrap();
        office.publisher.change(false).unwrap();
        assert_eq!(office.front.stand().refused, None);
        let why = no_effect(&office.front.city(), &of("shelters")).unwrap();
        assert!(why.en.contains("refuges") && why.ja.contains("refuges"), "{why:?}");
        let gone = [
            model::Setting::Schedule { schedule: model::ScheduleId::from("gone"), hours: model::Hours::Open },
            model::Setting::Skill { agent: model::AgentId::from("gone"), skill: model::Skill::from("nurse"), level: None },
            model::Setting::Skill { agent: model::AgentId::from("yuki"), skill: model::Skill::from("gone"), level: None },
        ];
        assert!(gone.iter().all(|setting| no_effect(&office.front.city(), setting).is_some()));
        let spoken = model::Setting::Skill { agent: model::AgentId::from("yuki"), skill: model::Skill::from("vi"), level: None };
        assert_eq!(no_effect(&office.front.city(), &spoken), None, "callers may choose it, though nobody speaks it");
    }

    #[test]
    fn a_version_that_the_disk_did_not_take_is_in_force_and_is_kept_when_there_is_room() {
        let mut office = Office::new("full");
        let kept = office.takes_no_list();
        office.edits(NOTE, "note: \"golden week\"");
        let city = office.front.city().book.version.to_string();
        assert!(office.front.stand().in_force.is_none() && office.front.stand().refused.is_none());
        office.publisher.keep_late();
        assert!(office.front.stand().in_force.is_none());
        assert_eq!(office.publisher.versions.last().unwrap().number, 1);
        office.takes_lists_again(&kept);
        office.publisher.keep_late();
        assert_eq!(office.in_force(), (2, city.clone()));
        let office = office.again();
        assert_eq!(office.in_force(), (2, city));
    }

    #[test]
    fn a_rollback_that_the_disk_did_not_take_holds_over_a_restart_once_it_is_kept() {
        let mut office = Office::new("full-again");
        let (_, first) = office.in_force();
        office.edits(NOTE, "note: \"golden week\"");
        let kept = office.takes_no_list();
        office.publisher.roll_back(1, "mori".to_owned(), String::new(), false).unwrap();
        assert!(office.front.stand().in_force.is_none());
        office.takes_lists_again(&kept);
        office.publisher.keep_late();
        assert_eq!(office.in_force(), (3, first.clone()));
        let office = office.again();
        assert_eq!(office.in_force(), (3, first));
        assert!(office.front.stand().rolled_back);
    }
}
