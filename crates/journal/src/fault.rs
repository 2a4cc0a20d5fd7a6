//! What can go wrong with a journal, each with the next thing to do.

use model::Seq;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The disk or the directory.
    #[error("{}: {why}. Check that the disk has room and that the journal belongs to the engine's user", path.display())]
    Disk {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Somebody else writes it.
    #[error("another engine writes the journal in {}: stop it, or give this one a state directory of its own", .0.display())]
    Locked(PathBuf),
    /// A line is not what was written.
    #[error("{} line {line}: {why}. Nothing was changed or erased. Put back a copy of the file; if there is none, `toritsugi verify --cut` \
         with the same --state keeps the records before this line and puts the rest aside", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Damage,
    },
    /// The line is whole, but its body is of another kind.
    #[error("{} line {line} is whole but cannot be understood ({why}): it was written by another version of the program", file.display())]
    Foreign {
        /// The segment.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What the reader of JSON said.
        why: String,
    },
    /// A record came out of turn.
    #[error("record {got} came where {expected} was due: this is a mistake of the program, please report it")]
    OutOfTurn {
        /// The number that was due.
        expected: Seq,
        /// The number that came.
        got: Seq,
    },
    /// A record cannot be written down.
    #[error("record {seq} cannot be written ({why}): this is a mistake of the program, please report it")]
    Unwritable {
        /// Which one.
        seq: Seq,
        /// Why.
        why: String,
    },
    /// An earlier error left it unknown what is on the disk.
    #[error("the journal is closed since the disk failed to keep what was written to it: restart the engine when the disk is well")]
    Closed,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not of the form `crc32 hash json`.
    #[error("it is not of the form `crc32 hash json`")]
    Form,
    /// Its bytes changed on the disk.
    #[error("its checksum does not fit: bytes changed on the disk")]
    Checksum,
    /// It does not follow from the line before.
    #[error("its hash does not follow from the line before: a line was changed, removed or put in")]
    Chain,
    /// Its number is not the next one.
    #[error("its number is {found} where {expected} was due")]
    Number {
        /// The number that was due.
        expected: Seq,
        /// The number that stands there.
        found: Seq,
    },
    /// Longer than any line that we write.
    #[error("it is longer than any line that the engine writes")]
    Length,
    /// It has no end, and no crash leaves such a thing.
    #[error("it has no end, and it is not the beginning of a record either, which is all that a crash leaves")]
    NotTorn,
    /// NULs where records were.
    #[error("{nuls} NUL bytes stand there and no record before them in the file: it was wiped, or badly copied")]
    Wiped {
        /// How many.
        nuls: u64,
    },
    /// It has no end, though more follows in the next file.
    #[error("it is cut off, though there is a file after it")]
    CutOff,
    /// A segment is missing before this one.
    #[error("the file should begin with record {expected}: a file before it is missing")]
    Gap {
        /// The number that was due.
        expected: Seq,
    },
}

impl Fault {
    pub(crate) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Fault {
        let path = path.to_owned();
        move |why| Fault::Disk { path, why }
    }
}
