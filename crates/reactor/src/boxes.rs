//! The boxes that callers leave messages in: a folder each, a WAV for each message, and a note beside it that names nobody.
//!
//! A message is written under a name that ends in `.part` and gets its own when it is whole: whatever happens to the engine, a `.wav` here can
//! be played. Only the owner may read any of it (mode 0600, folders 0700). WAV is 16 bits at 8000 Hz, mono, as a telephone carries.
//!
//! Deliberately absent: encryption of the sound. Who may read the state folder can listen.

use calls::Slip;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use media::{FRAME, RATE, TICK};
use model::{CallId, Lang, MailboxId, NotKept, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the disk must have left: the journal and the call records live there too.
const FREE_MIN: u64 = 256 * 1024 * 1024;
/// A message that a killed engine left, and that is shorter, was none.
const LEAST: Duration = Duration::from_secs(1);
/// Frames after which what was written is on the disk, whatever happens to us: one second.
const FLUSHED_EVERY: u32 = 50;

const SOUND: &str = "wav";
const PART: &str = "part";
const NOTE: &str = "json";

/// The folder of all boxes.
#[derive(Clone, Debug)]
pub struct Boxes {
    root: PathBuf,
    limits: Limits,
}

/// How much one box takes. Beyond, callers are led elsewhere; no message is thrown away for another.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes of sound. A message that has begun is taken whole: a box may pass this by the longest message of each caller who is speaking.
    pub bytes: u64,
    /// What the disk must have left, in bytes.
    pub free: u64,
}

impl Limits {
    /// What `config/engine.yaml` says.
    pub fn of(settings: &model::Settings) -> Limits {
        Limits { messages: settings.box_messages_max as usize, bytes: u64::from(settings.box_megabytes_max) * 1_000_000, free: FREE_MIN }
    }
}

/// A message that somebody left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// By what it is called here: `17-1787533200`.
    pub id: String,
    /// In which box.
    pub mailbox: MailboxId,
    /// Its sound.
    pub wav: PathBuf,
    /// How long it is.
    pub length: Duration,
    /// What stands beside it; `None` if its note is gone or cannot be read.
    pub note: Option<Beside>,
}

/// What stands beside a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// In which box.
    pub mailbox: MailboxId,
    /// By whose call.
    pub call: CallId,
    /// When it began.
    pub begun: UnixMillis,
    /// The caller's number, masked.
    pub caller: String,
    /// The caller's language.
    pub lang: Lang,
    /// The number, sealed with the city's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// A message in the course of being written.
pub(crate) struct Reel {
    pub(crate) mailbox: MailboxId,
    path: PathBuf,
    file: File,
    out: WavWriter<BufWriter<File>>,
    frames: u32,
}

impl Boxes {
    /// The boxes in this folder; it need not be there yet.
    pub fn new(root: PathBuf) -> Boxes {
        Boxes { root, limits: Limits::of(&model::Settings::default()) }
    }

    /// The same with other limits.
    pub fn with_limits(self, limits: Limits) -> Boxes {
        Boxes { limits, ..self }
    }

    /// Opens a message, if there is room for one.
    pub(crate) fn open(&self, slip: &Slip) -> Result<Reel, NotKept> {
        let failed = |fault: io::Error| {
            tracing::error!(mailbox = %slip.mailbox, %fault, "a message cannot be written: callers are led elsewhere");
            NotKept::NotWritten
        };
        let folder = self.root.join(slip.mailbox.as_str());
        private(&folder).map_err(failed)?;
        let space = rustix::fs::statvfs(&folder).map_err(|fault| failed(fault.into()))?;
        if space.f_bavail.saturating_mul(space.f_frsize) < self.limits.free {
            tracing::error!(mailbox = %slip.mailbox, "the disk is nearly full: no message is taken, callers are led elsewhere");
            return Err(NotKept::DiskShort);
        }
        let messages = [files(&folder, SOUND), files(&folder, PART)].concat();
        let bytes: u64 = messages.iter().filter_map(|file| fs::metadata(file).ok()).map(|about| about.len()).sum();
        if messages.len() >= self.limits.messages || bytes >= self.limits.bytes {
            let messages = messages.len();
            tracing::error!(mailbox = %slip.mailbox, messages, bytes, "a box is full: no message is taken until some are done");
            return Err(NotKept::BoxFull);
        }
        let stem = folder.join(format!("{}-{}", slip.call, slip.begun.0.div_euclid(1000)));
        let note = stem.with_extension(NOTE);
        let beside = Beside {
            mailbox: slip.mailbox.clone(),
            call: slip.call,
            begun: slip.begun,
            caller: slip.caller.clone(),
            lang: slip.lang.clone(),
            sealed: slip.sealed.clone(),
        };
        let path = stem.with_extension(PART);
        let reel = Reel::open(&slip.mailbox, path).map_err(failed)?;
        let text = serde_json::to_vec(&beside).map_err(io::Error::other);
        let written = text.and_then(|text| {
            let mut out = owned(&note)?;
            out.write_all(&text)?;
            out.sync_all()
        });
        match written {
            Ok(()) => Ok(reel),
            Err(fault) => {
                reel.drop();
                Err(failed(fault))
            }
        }
    }

    /// Gives what a killed engine left unfinished its name, or throws away what is too short to be a message. Those that were kept.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn mend(&self) -> io::Result<Vec<Left>> {
        let mut mended = Vec::new();
        for (mailbox, folder) in self.folders()? {
            for part in files(&folder, PART) {
                if length(&part).is_some_and(|length| length >= LEAST) {
                    let wav = part.with_extension(SOUND);
                    fs::rename(&part, &wav)?;
                    mended.extend(left(&mailbox, &wav));
                } else {
                    erase(&part)?;
                }
            }
        }
        Ok(mended)
    }

    /// Every message, the oldest first.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn list(&self) -> io::Result<Vec<Left>> {
        let mut all = Vec::new();
        for (mailbox, folder) in self.folders()? {
            all.extend(files(&folder, SOUND).iter().filter_map(|wav| left(&mailbox, wav)));
        }
        all.sort_by_key(|left| (left.note.as_ref().map(|note| note.begun), left.id.clone()));
        Ok(all)
    }

    /// How many messages each box holds.
    pub(crate) fn unheard(&self) -> BTreeMap<MailboxId, u64> {
        let folders = self.folders().unwrap_or_default();
        folders.into_iter().map(|(mailbox, folder)| (mailbox, files(&folder, SOUND).len() as u64)).collect()
    }

    fn folders(&self) -> io::Result<Vec<(MailboxId, PathBuf)>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push((MailboxId::from(entry.file_name().to_string_lossy().into_owned()), entry.path()));
            }
        }
        folders.sort();
        Ok(folders)
    }
}

impl Left {
    /// Erases the sound and the note, for good.
    ///
    /// # Errors
    /// When a file cannot be erased.
    pub fn erase(&self) -> io::Result<()> {
        erase(&self.wav)
    }
}

impl Reel {
    fn open(mailbox: &MailboxId, path: PathBuf) -> io::Result<Reel> {
        let file = owned(&path)?;
        let spec = WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let out = WavWriter::new(BufWriter::new(file.try_clone()?), spec).map_err(io::Error::other)?;
        Ok(Reel { mailbox: mailbox.clone(), path, file, out, frames: 0 })
    }

    pub(crate) fn write(&mut self, frame: &[i16; FRAME]) -> io::Result<()> {
        for sample in frame {
            self.out.write_sample(*sample).map_err(io::Error::other)?;
        }
        self.frames += 1;
        if self.frames.is_multiple_of(FLUSHED_EVERY) {
            self.out.flush().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// The message is whole: it is durable, and has its name.
    pub(crate) fn keep(self) -> io::Result<Duration> {
        self.out.finalize().map_err(io::Error::other)?;
        self.file.sync_all()?;
        fs::rename(&self.path, self.path.with_extension(SOUND))?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(TICK * self.frames)
    }

    /// There is nothing in it.
    pub(crate) fn drop(self) {
        let path = self.path.clone();
        drop(self.out);
        if let Err(fault) = erase(&path) {
            tracing::warn!(file = %path.display(), %fault, "a message without a word could not be erased");
        }
    }
}

/// A folder that only its owner may look into.
fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A new file that only its owner may read.
fn owned(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Erases the sound first: a note without sound is nothing, sound without a note is somebody's voice.
fn erase(sound: &Path) -> io::Result<()> {
    fs::remove_file(sound)?;
    match fs::remove_file(sound.with_extension(NOTE)) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

fn length(wav: &Path) -> Option<Duration> {
    let reader = WavReader::open(wav).ok()?;
    Some(Duration::from_millis(u64::from(reader.duration()) * 1000 / u64::from(reader.spec().sample_rate.max(1))))
}

fn left(mailbox: &MailboxId, wav: &Path) -> Option<Left> {
    let id = wav.file_stem()?.to_string_lossy().into_owned();
    let note = fs::read(wav.with_extension(NOTE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    Some(Left { id, mailbox: mailbox.clone(), wav: wav.to_owned(), length: length(wav)?, note })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const LIMITS: Limits = Limits { messages: 3, bytes: u64::MAX, free: 0 };

    /// A folder of its own, gone when it is dropped.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("toritsugi-boxes-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }
        pub(crate) fn boxes(&self) -> Boxes {
            Boxes::new(self.0.join("voicemail")).with_limits(LIMITS)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(crate) fn slip(call: u64) -> Slip {
        Slip {
            mailbox: MailboxId::from("general"),
            call: CallId(call),
            begun: UnixMillis(1_787_533_200_000),
            caller: "0801***0001".to_owned(),
            lang: Lang::from("ja"),
            sealed: Some("abcdef".to_owned()),
        }
    }

    fn frames(reel: &mut Reel, count: u32) {
        for n in 0..count {
            reel.write(&[i16::try_from(n).unwrap(); FRAME]).unwrap();
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_message_is_for_its_owner_only_and_has_its_name_when_it_is_whole() {
        let folder = Folder::new("owner");
        let boxes = folder.boxes();
        let mut reel = boxes.open(&slip(17)).unwrap();
        frames(&mut reel, 100);
        assert_eq!(boxes.list().unwrap(), [], "not while it is being written");
        assert_eq!(reel.keep().unwrap(), Duration::from_secs(2));
        let left = boxes.list().unwrap().remove(0);
        assert_eq!((left.id.as_str(), left.length), ("17-1787533200", Duration::from_secs(2)));
        assert_eq!(left.note.as_ref().map(|note| note.caller.as_str()), Some("0801***0001"));
        assert_eq!((mode(&left.wav), mode(&left.wav.with_extension(NOTE))), (0o600, 0o600));
        assert_eq!(mode(left.wav.parent().unwrap()), 0o700);
        let pcm = media::wav::read(&fs::read(&left.wav).unwrap()).unwrap();
        assert_eq!((pcm.rate, pcm.samples.len(), pcm.samples[50 * FRAME]), (8000, 100 * FRAME, 50));
        left.erase().unwrap();
        assert_eq!(fs::read_dir(left.wav.parent().unwrap()).unwrap().count(), 0, "its note is gone too");
    }

    #[test]
    fn a_full_box_and_a_short_disk_refuse_and_lose_nothing() {
        let folder = Folder::new("full");
        let boxes = folder.boxes();
        for call in 0..3 {
            let mut reel = boxes.open(&slip(call)).unwrap();
            frames(&mut reel, 60);
            reel.keep().unwrap();
        }
        assert_eq!(boxes.open(&slip(9)).err(), Some(NotKept::BoxFull));
        assert_eq!(boxes.list().unwrap().len(), 3);
        boxes.list().unwrap()[0].erase().unwrap();
        boxes.open(&slip(9)).unwrap().drop();
        assert_eq!(boxes.clone().with_limits(Limits { free: u64::MAX, ..LIMITS }).open(&slip(9)).err(), Some(NotKept::DiskShort));
        assert_eq!(boxes.unheard(), [(MailboxId::from("general"), 2)].into());
        assert_eq!(fs::read_dir(folder.0.join("voicemail/general")).unwrap().count(), 4, "what was thrown away left nothing");
    }

    #[test]
    fn a_box_is_full_by_its_bytes_before_it_is_by_its_messages() {
        let folder = Folder::new("bytes");
        // A second is 16,000 bytes, and a head of 44.
        let boxes = folder.boxes().with_limits(Limits { bytes: 2 * 16_044, ..LIMITS });
        for call in 0..2 {
            let mut reel = boxes.open(&slip(call)).unwrap();
            frames(&mut reel, 50);
            reel.keep().unwrap();
        }
        assert_eq!(boxes.open(&slip(9)).err(), Some(NotKept::BoxFull), "two of three messages, and all the bytes");
        let one_more = Limits { bytes: 2 * 16_044 + 1, ..LIMITS };
        boxes.clone().with_limits(one_more).open(&slip(9)).unwrap().drop();
        let elsewhere = Slip { mailbox: MailboxId::from("other"), ..slip(9) };
        boxes.open(&elsewhere).unwrap().drop();
        boxes.list().unwrap()[0].erase().unwrap();
        boxes.open(&slip(9)).unwrap().drop();
    }

    #[test]
    fn a_folder_that_is_a_file_is_not_written_and_a_second_message_of_the_same_second_is_none() {
        let folder = Folder::new("odd");
        let boxes = folder.boxes();
        let reel = boxes.open(&slip(1)).unwrap();
        assert_eq!(boxes.open(&slip(1)).err(), Some(NotKept::NotWritten), "the first is not written over");
        reel.keep().unwrap();
        fs::write(folder.0.join("voicemail/other"), "a file").unwrap();
        let elsewhere = Slip { mailbox: MailboxId::from("other"), ..slip(2) };
        assert_eq!(boxes.open(&elsewhere).err(), Some(NotKept::NotWritten));
    }

    #[test]
    fn what_a_killed_engine_left_is_found_up_to_the_last_second() {
        let folder = Folder::new("killed");
        let boxes = folder.boxes();
        let (mut long, mut short) = (boxes.open(&slip(1)).unwrap(), boxes.open(&slip(2)).unwrap());
        frames(&mut long, 175);
        frames(&mut short, 30);
        // As if killed: nothing is finished, nothing is flushed any more.
        std::mem::forget((long, short));
        let mended = boxes.mend().unwrap();
        assert_eq!(
            mended.iter().map(|left| (left.id.as_str(), left.length)).collect::<Vec<_>>(),
            [("1-1787533200", Duration::from_secs(3))]
        );
        assert_eq!(boxes.list().unwrap(), mended);
        assert_eq!(fs::read_dir(folder.0.join("voicemail/general")).unwrap().count(), 2, "of the short one nothing is left");
        assert_eq!(boxes.mend().unwrap(), []);
    }

    #[test]
    fn no_boxes_at_all_are_no_fault() {
        let folder = Folder::new("none");
        assert_eq!((folder.boxes().list().unwrap(), folder.boxes().mend().unwrap()), (vec![], vec![]));
    }
}
