//! Reading the journal from its beginning: to restore the engine, to recompute the city's figures, to audit.
//!
//! Reading takes no lock and changes nothing, so it may be done while an engine writes: a last line that is not finished is left alone.

use crate::chain::{self, Hash, Json};
use crate::fault::{Damage, Fault};
use crate::ledger::LINE_BYTES_MAX;
use model::{Seq, UnixMillis};
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<B> {
    /// Its number, from 1.
    pub seq: Seq,
    /// When it was made.
    pub wall: UnixMillis,
    /// What it says.
    pub body: B,
}

/// All records, oldest first; each has been checked against its checksum and the chain. It ends after the first fault.
///
/// # Errors
/// The directory cannot be listed. Each item may be a fault of its own: damage, or a body of another kind.
pub fn replay<B: DeserializeOwned>(dir: &Path) -> Result<impl Iterator<Item = Result<Entry<B>, Fault>>, Fault> {
    Ok(Replay { lines: Lines::new(segments(dir)?, Seq(0), Hash::ORIGIN), failed: false, body: PhantomData })
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Records, all of them whole. The number of the last one is the same.
    pub records: u64,
    /// Files.
    pub segments: u64,
    /// Bytes of whole lines.
    pub bytes: u64,
    /// A last line without an end: torn by a crash, or being written at this moment.
    pub torn: Option<Torn>,
    /// The last hash: whoever noted it down earlier can see that nothing before it has changed since.
    pub hash: Hash,
}

/// What stands behind the last whole line of the last file: at most one record's beginning, and the NULs that a power failure leaves
/// behind it. Whatever else stands there is damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub file: PathBuf,
    /// From this byte on, from 0.
    pub from: u64,
    /// So many, the NULs among them.
    pub bytes: u64,
    /// NULs at the end. With them more than one record may be lost: all that were written since the last sync.
    pub nuls: u64,
}

/// Checks every line of every file: checksum, chain, numbers.
///
/// # Errors
/// [`Fault::Damaged`] names the first bad line.
pub fn verify(dir: &Path) -> Result<Summary, Fault> {
    let segments = segments(dir)?;
    let mut summary = Summary { records: 0, segments: segments.len() as u64, bytes: 0, torn: None, hash: Hash::ORIGIN };
    let mut lines = Lines::new(segments, Seq(0), Hash::ORIGIN);
    while lines.advance()? {
        summary.records += 1;
        summary.bytes += lines.line.len() as u64 + 1;
    }
    summary.torn = lines.torn;
    summary.hash = lines.hash;
    Ok(summary)
}

struct Replay<B> {
    lines: Lines,
    failed: bool,
    body: PhantomData<B>,
}

impl<B: DeserializeOwned> Replay<B> {
    fn read(&mut self) -> Result<Option<Entry<B>>, Fault> {
        if !self.lines.advance()? {
            return Ok(None);
        }
        let json: Json<B> = serde_json::from_slice(self.lines.json()).map_err(|e| Fault::Foreign {
            file: self.lines.file(),
            line: self.lines.number,
            why: e.to_string(),
        })?;
        Ok(Some(Entry { seq: json.seq, wall: json.wall, body: json.body }))
    }
}

impl<B: DeserializeOwned> Iterator for Replay<B> {
    type Item = Result<Entry<B>, Fault>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.read().transpose();
        self.failed = matches!(entry, None | Some(Err(_)));
        entry
    }
}

/// One file of the journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The number of its first record.
    pub(crate) first: Seq,
    pub(crate) path: PathBuf,
}

impl Segment {
    pub(crate) fn new(dir: &Path, first: Seq) -> Segment {
        Segment { first, path: dir.join(format!("{:020}.journal", first.0)) }
    }
}

/// The files of a journal, oldest first. What has another name is none of ours.
pub(crate) fn segments(dir: &Path) -> Result<Vec<Segment>, Fault> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(Fault::disk(dir))? {
        let path = entry.map_err(Fault::disk(dir))?.path();
        let number = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".journal")).filter(|n| n.len() == 20);
        if let Some(first) = number.and_then(|n| n.parse().ok()) {
            segments.push(Segment { first: Seq(first), path });
        }
    }
    segments.sort();
    Ok(segments)
}

/// Walks over checked lines.
pub(crate) struct Lines {
    segments: std::iter::Peekable<std::vec::IntoIter<Segment>>,
    open: Option<(PathBuf, BufReader<File>)>,
    /// The current line, without its end, and its number in its file, from 1.
    line: Vec<u8>,
    number: u64,
    /// The last record passed, and its hash.
    pub(crate) seq: Seq,
    pub(crate) hash: Hash,
    /// Bytes of whole lines in the current file.
    pub(crate) whole_bytes: u64,
    /// What stands behind the last whole line of the last file.
    pub(crate) torn: Option<Torn>,
}

impl Lines {
    /// The lines of `segments`, of which the first hangs on the record `seq` with `hash`.
    pub(crate) fn new(segments: Vec<Segment>, seq: Seq, hash: Hash) -> Lines {
        let segments = segments.into_iter().peekable();
        Lines { segments, open: None, line: Vec::new(), number: 0, seq, hash, whole_bytes: 0, torn: None }
    }

    /// Goes to the next line; `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            let Some((path, reader)) = &mut self.open else {
                let Some(segment) = self.segments.next() else { return Ok(false) };
                self.enter(segment)?;
                continue;
            };
            self.line.clear();
            let read = reader.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.line).map_err(Fault::disk(path))?;
            if read == 0 {
                self.open = None;
                continue;
            }
            self.number += 1;
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                let checked = self.check();
                return checked.map(|()| true).map_err(|why| self.damaged(why));
            }
            // No end: torn, or being written at this moment, if it is the last line of all.
            if self.line.len() > LINE_BYTES_MAX {
                return Err(self.damaged(Damage::Length));
            }
            if self.segments.peek().is_some() {
                return Err(self.damaged(Damage::CutOff));
            }
            self.torn = Some(self.torn().map_err(|why| self.damaged(why))?);
            self.open = None;
        }
    }

    fn enter(&mut self, segment: Segment) -> Result<(), Fault> {
        (self.number, self.whole_bytes) = (0, 0);
        let file = File::open(&segment.path).map_err(Fault::disk(&segment.path))?;
        self.open = Some((segment.path, BufReader::with_capacity(1 << 16, file)));
        let expected = Seq(self.seq.0.saturating_add(1));
        if segment.first == expected { Ok(()) } else { Err(self.damaged(Damage::Gap { expected })) }
    }

    fn check(&mut self) -> Result<(), Damage> {
        let link = chain::read(&self.line)?;
        let hash = link.follows(self.hash)?;
        let (expected, found) = (Seq(self.seq.0.saturating_add(1)), link.seq()?);
        if found != expected {
            return Err(Damage::Number { expected, found });
        }
        (self.seq, self.hash) = (found, hash);
        self.whole_bytes += self.line.len() as u64 + 1;
        Ok(())
    }

    fn torn(&self) -> Result<Torn, Damage> {
        let bytes = self.line.len() as u64;
        if self.whole_bytes == 0 && self.line.iter().all(|b| *b == 0) {
            return Err(Damage::Wiped { nuls: bytes });
        }
        let nuls = chain::torn(&self.line, Seq(self.seq.0.saturating_add(1)), self.hash)?;
        Ok(Torn { file: self.file(), from: self.whole_bytes, bytes, nuls })
    }

    fn json(&self) -> &[u8] {
        self.line.get(chain::HEAD..).unwrap_or_default()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.open.as_ref().map(|(path, _)| path.clone()).unwrap_or_default()
    }

    fn damaged(&self, why: Damage) -> Fault {
        Fault::Damaged { file: self.file(), line: self.number.max(1), why }
    }
}
