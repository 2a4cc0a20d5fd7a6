//! Writing the journal: records are chained as they come and reach the disk together.
//!
//! There is one writer, held by a lock that the system lets go of when its process dies. After a failed sync nobody knows what is on the disk
//! (the kernel forgets the pages it could not write), so the journal closes; the next start reads what is really there.

use crate::aside;
use crate::chain::{self, Hash, Json};
use crate::fault::{Damage, Fault};
use crate::reader::{Lines, Segment, Torn, segments};
use model::{Seq, UnixMillis};
use serde::Serialize;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that has grown to this is left alone and the next one begun: 64 MiB, some 100,000 records, a second to verify.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Largest JSON of one record.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Largest line.
pub(crate) const LINE_BYTES_MAX: usize = RECORD_BYTES_MAX + chain::HEAD + 1;
/// What is held in memory before it is written without being asked.
const PENDING_BYTES_MAX: usize = 1 << 20;

/// The journal of one engine, open for writing.
pub struct Journal<B> {
    dir: PathBuf,
    segment_bytes: u64,
    /// The segment that grows; `None` until the first record.
    segment: Option<Tail>,
    /// Whole lines that are not yet written.
    pending: Vec<u8>,
    /// The last record taken, and its hash.
    seq: Seq,
    hash: Hash,
    closed: bool,
    /// Held until the journal is dropped.
    _lock: File,
    body: PhantomData<fn(B)>,
}

/// The file that grows, and how many bytes of it are whole lines.
struct Tail {
    path: PathBuf,
    file: File,
    length: u64,
}

/// What was found when a journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The last record; `Seq(0)` if there is none.
    pub last: Seq,
    /// How many records there are.
    pub count: u64,
    /// A torn last line that was cut off, and the file where it is kept.
    pub torn: Option<(Torn, PathBuf)>,
}

impl<B: Serialize> Journal<B> {
    /// Opens the journal in `dir`, which is made if it is not there. Checks its last file, cuts off a torn last line and keeps it in a file beside; for the
    /// rest there is [`crate::verify`], and [`crate::replay`] checks what it reads.
    ///
    /// # Errors
    /// [`Fault::Locked`] if another engine writes it, [`Fault::Damaged`] if its last file is, [`Fault::Disk`].
    pub fn open(dir: &Path) -> Result<(Journal<B>, Opening), Fault> {
        Journal::open_sized(dir, SEGMENT_BYTES)
    }

    /// As [`Journal::open`], with files of another size.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_sized(dir: &Path, segment_bytes: u64) -> Result<(Journal<B>, Opening), Fault> {
        make_directory(dir).map_err(Fault::disk(dir))?;
        let segment_bytes = segment_bytes.max(1);
        let lock = take_lock(dir)?;
        let mut files = segments(dir)?;
        let last = files.pop();
        // The last file hangs on the end of the one before.
        let (seq, hash) = files.last().map_or(Ok((Seq(0), Hash::ORIGIN)), end_of)?;
        let mut lines = Lines::new(last.iter().cloned().collect(), seq, hash);
        while lines.advance()? {}
        let torn = lines.torn.take().map(|torn| aside::copy(&torn).map(|kept| (torn, kept))).transpose()?;
        let segment = last.map(|segment| Tail::reopen(segment.path, lines.whole_bytes, torn.is_some())).transpose()?;
        let (seq, hash) = (lines.seq, lines.hash);
        let opening = Opening { last: seq, count: seq.0, torn };
        let (dir, pending) = (dir.to_owned(), Vec::new());
        Ok((Journal { dir, segment_bytes, segment, pending, seq, hash, closed: false, _lock: lock, body: PhantomData }, opening))
    }

    /// The last record taken, on the disk or not.
    pub fn last(&self) -> Seq {
        self.seq
    }

    /// Takes a record. It is on the disk after the next [`Journal::sync`]. If this fails nothing has changed, and it may be tried again.
    ///
    /// # Errors
    /// [`Fault::OutOfTurn`] unless `seq` is the next number, [`Fault::Unwritable`], [`Fault::Disk`] or [`Fault::Closed`].
    pub fn append(&mut self, seq: Seq, wall: UnixMillis, body: &B) -> Result<(), Fault> {
        if self.closed {
            return Err(Fault::Closed);
        }
        let expected = Seq(self.seq.0.saturating_add(1));
        if seq != expected {
            return Err(Fault::OutOfTurn { expected, got: seq });
        }
        let json = serde_json::to_vec(&Json { seq, wall, body }).map_err(|e| Fault::Unwritable { seq, why: e.to_string() })?;
        if json.len() > RECORD_BYTES_MAX {
            return Err(Fault::Unwritable { seq, why: format!("it has {} bytes, more than {RECORD_BYTES_MAX}", json.len()) });
        }
        self.make_room()?;
        let (line, hash) = chain::write(self.hash, &json);
        self.pending.extend_from_slice(&line);
        (self.seq, self.hash) = (seq, hash);
        Ok(())
    }

    /// Brings everything that was taken to the disk. If writing fails it may be tried again; if syncing fails the journal is closed.
    ///
    /// # Errors
    /// [`Fault::Disk`] or [`Fault::Closed`].
    pub fn sync(&mut self) -> Result<(), Fault> {
        self.write_pending()?;
        let Some(tail) = &self.segment else { return Ok(()) };
        tail.file.sync_data().map_err(|why| {
            self.closed = true;
            Fault::Disk { path: tail.path.clone(), why }
        })
    }

    /// Begins the first file, or the next one if the last is full; writes if much is waiting.
    fn make_room(&mut self) -> Result<(), Fault> {
        let length = self.segment.as_ref().map(|tail| tail.length.saturating_add(self.pending.len() as u64));
        if length.is_none_or(|length| length >= self.segment_bytes) {
            // A file is whole and on the disk before there is one after it: only the last one can ever be torn.
            self.sync()?;
            let segment = Segment::new(&self.dir, Seq(self.seq.0.saturating_add(1)));
            self.segment = Some(Tail::create(segment.path, &self.dir)?);
        } else if self.pending.len() >= PENDING_BYTES_MAX {
            self.write_pending()?;
        }
        Ok(())
    }

    fn write_pending(&mut self) -> Result<(), Fault> {
        if self.closed {
            return Err(Fault::Closed);
        }
        let Some(tail) = self.segment.as_mut().filter(|_| !self.pending.is_empty()) else { return Ok(()) };
        if let Err(why) = tail.file.write_all(&self.pending) {
            // What was half written is taken back, so that the next try begins at a line's beginning.
            self.closed = tail.file.set_len(tail.length).is_err();
            return Err(Fault::Disk { path: tail.path.clone(), why });
        }
        tail.length = tail.length.saturating_add(self.pending.len() as u64);
        self.pending.clear();
        Ok(())
    }
}

impl Tail {
    fn create(path: PathBuf, dir: &Path) -> Result<Tail, Fault> {
        let file = options().create_new(true).open(&path).map_err(Fault::disk(&path))?;
        // The file's name must be on the disk too.
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        if let Err(why) = synced {
            let _ = fs::remove_file(&path);
            return Err(Fault::Disk { path: dir.to_owned(), why });
        }
        Ok(Tail { path, file, length: 0 })
    }

    fn reopen(path: PathBuf, length: u64, torn: bool) -> Result<Tail, Fault> {
        let file = options().open(&path).map_err(Fault::disk(&path))?;
        if torn {
            file.set_len(length).and_then(|()| file.sync_all()).map_err(Fault::disk(&path))?;
        }
        Ok(Tail { path, file, length })
    }
}

/// Append only, for the engine's user alone: records speak of people.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

fn make_directory(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // A directory whose own name is lost in a power cut keeps nothing.
    dir.canonicalize()?.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

pub(crate) fn take_lock(dir: &Path) -> Result<File, Fault> {
    let path = dir.join("lock");
    let file = options().create(true).open(&path).map_err(Fault::disk(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::Locked(dir.to_owned())),
        Err(TryLockError::Error(why)) => Err(Fault::Disk { path, why }),
    }
}

/// The last record of a file that is not the last one, read from its end.
fn end_of(segment: &Segment) -> Result<(Seq, Hash), Fault> {
    let tail = read_tail(&segment.path).map_err(Fault::disk(&segment.path))?;
    let last_line = || {
        let lines = tail.strip_suffix(b"\n").ok_or(Damage::CutOff)?;
        let line = lines.rsplit(|b| *b == b'\n').next().ok_or(Damage::Form)?;
        let link = chain::read(line)?;
        Ok((link.seq()?, link.claimed()?))
    };
    // Its number is not known without reading the file; verify tells it.
    last_line().map_err(|why| Fault::Damaged { file: segment.path.clone(), line: count_lines(&segment.path), why })
}

fn read_tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LINE_BYTES_MAX as u64 + 1)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

/// Only to name the line of a damage. 1 if the file cannot be read.
fn count_lines(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap_or_default();
    let ended = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    ended.iter().filter(|b| **b == b'\n').count() as u64 + 1
}
