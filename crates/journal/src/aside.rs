//! Putting aside what cannot be read, so that the engine can go on with what can: nothing that stood in a journal is ever erased.
//!
//! A file is put aside under its own name with `.aside`, `.aside-2` and so on behind it, in the same directory.

use crate::chain::Hash;
use crate::fault::Fault;
use crate::ledger::{options, take_lock};
use crate::reader::{Lines, Torn, segments};
use model::Seq;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Files put aside under one name, beyond which somebody should look.
const ASIDE_MAX: u32 = 1_000;

/// What [`cut`] did.
#[derive(Debug, Default)]
pub struct Cut {
    /// The damage that it cut at; `None` if there was none, and then nothing was changed.
    pub damage: Option<Fault>,
    /// Records that are left, all of them whole.
    pub records: u64,
    /// The files that were put aside, under their names from here on.
    pub aside: Vec<PathBuf>,
}

/// Cuts a journal at its first damage: the records before it stay, the damaged file and all after it are put aside whole.
///
/// # Errors
/// [`Fault::Locked`] while an engine writes it, [`Fault::Disk`].
pub fn cut(dir: &Path) -> Result<Cut, Fault> {
    let _lock = take_lock(dir)?;
    let files = segments(dir)?;
    let mut lines = Lines::new(files.clone(), Seq(0), Hash::ORIGIN);
    let damage = loop {
        match lines.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(Cut { damage: None, records: lines.seq.0, aside: Vec::new() }),
            Err(damage @ Fault::Damaged { .. }) => break damage,
            Err(fault) => return Err(fault),
        }
    };
    let file = lines.file();
    let mut aside = Vec::new();
    // The latest first: whatever interrupts this, what is left is still damaged at the same line.
    for segment in files.iter().rev().take_while(|segment| segment.path != file) {
        aside.push(rename(&segment.path)?);
    }
    if lines.whole_bytes > 0 {
        let mut whole = Vec::new();
        File::open(&file).and_then(|f| f.take(lines.whole_bytes).read_to_end(&mut whole)).map_err(Fault::disk(&file))?;
        let beside = file.with_extension("journal.new");
        let _ = fs::remove_file(&beside);
        write_new(&beside, &whole).map_err(Fault::disk(&beside))?;
        // The damaged file has two names for a moment, so that there is never none.
        let kept = free(&file)?;
        fs::hard_link(&file, &kept).and_then(|()| fs::rename(&beside, &file)).map_err(Fault::disk(&kept))?;
        aside.push(kept);
    } else {
        aside.push(rename(&file)?);
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Fault::disk(dir))?;
    Ok(Cut { damage: Some(damage), records: lines.seq.0, aside })
}

/// Copies a torn end beside its file, on the disk before this returns.
pub(crate) fn copy(torn: &Torn) -> Result<PathBuf, Fault> {
    let mut bytes = Vec::new();
    let read = File::open(&torn.file).and_then(|mut file| {
        file.seek(SeekFrom::Start(torn.from))?;
        file.take(torn.bytes).read_to_end(&mut bytes)
    });
    read.map_err(Fault::disk(&torn.file))?;
    let kept = free(&torn.file)?;
    write_new(&kept, &bytes).map_err(Fault::disk(&kept))?;
    Ok(kept)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = options().create_new(true).open(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

fn rename(path: &Path) -> Result<PathBuf, Fault> {
    let kept = free(path)?;
    fs::rename(path, &kept).map_err(Fault::disk(path))?;
    Ok(kept)
}

/// A name that no file has yet.
fn free(path: &Path) -> Result<PathBuf, Fault> {
    let named = |n: u32| match n {
        1 => path.with_extension("journal.aside"),
        n => path.with_extension(format!("journal.aside-{n}")),
    };
    let full = || Fault::Disk { path: named(ASIDE_MAX), why: io::Error::from(io::ErrorKind::AlreadyExists) };
    (1..=ASIDE_MAX).map(named).find(|name| !name.exists()).ok_or_else(full)
}
