//! What can go wrong with the file, as sentences that name it and say what to do next.

use std::fmt;
use std::path::{Path, PathBuf};

/// A fault of the records' file. None of them loses a call: the journal has them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be opened or created.
    Open {
        /// The file.
        path: PathBuf,
        /// In SQLite's or the system's words.
        why: String,
    },
    /// It is a SQLite file of something else.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a Toritsugi of another layout.
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// Ours.
        ours: i64,
    },
    /// Records could not be written; the file is as it was before.
    Write {
        /// The file.
        path: PathBuf,
        /// How many records.
        records: usize,
        /// In SQLite's words.
        why: String,
    },
    /// Records could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// In SQLite's words, or which column holds what it should not.
        why: String,
    },
}

impl Fault {
    pub(crate) fn open(path: &Path, why: impl fmt::Display) -> Fault {
        Fault::Open { path: path.to_owned(), why: why.to_string() }
    }
    pub(crate) fn write(path: &Path, records: usize, why: impl fmt::Display) -> Fault {
        Fault::Write { path: path.to_owned(), records, why: why.to_string() }
    }
    pub(crate) fn read(path: &Path, why: impl fmt::Display) -> Fault {
        Fault::Read { path: path.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Open { path, why } => {
                write!(
                    f,
                    "the call records in {} cannot be opened ({why}); check that the folder exists and may be written",
                    path.display()
                )
            }
            Fault::Foreign { path } => {
                write!(f, "{} is a database of another program; name another file for the call records", path.display())
            }
            Fault::Layout { path, found, ours } => write!(
                f,
                "the call records in {} have layout {found}, this program writes layout {ours}; it is rebuilt from the journal at the engine's next start, or by `toritsugi store rebuild`",
                path.display()
            ),
            Fault::Write { path, records, why } => write!(
                f,
                "{records} call records could not be written to {} ({why}); check the space on the disk; the journal has them: `toritsugi store rebuild` reads them from there",
                path.display()
            ),
            Fault::Read { path, why } => write!(
                f,
                "the call records in {} cannot be read ({why}); move the file away, it is rebuilt from the journal",
                path.display()
            ),
        }
    }
}
impl std::error::Error for Fault {}
