//! The file of call records.

use crate::{Fault, row, schema};
use model::CallRecord;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for somebody else who has the file locked, for example a supervisor's report.
const BUSY_FOR: Duration = Duration::from_secs(5);

/// An open file of call records. Readers may have it open at the same time (write-ahead log); writers take turns.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    db: Connection,
}

impl Store {
    /// Opens the file, or makes it; only its owner may read it (mode 0600), for it tells who was called when.
    ///
    /// # Errors
    /// When it cannot be opened, belongs to another program, or has another layout.
    pub fn open(path: impl AsRef<Path>) -> Result<Store, Fault> {
        let path = path.as_ref();
        keep_private(path).map_err(|e| Fault::open(path, e))?;
        let mut db = Connection::open(path).map_err(|e| Fault::open(path, e))?;
        lay_out(&mut db, path)?;
        Ok(Store { path: path.to_owned(), db })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all of the file can be read: a damaged page lets it be opened, and neither read nor emptied. Reads the whole file.
    ///
    /// # Errors
    /// When it cannot be told, for example because somebody has it locked.
    pub fn is_sound(&self) -> Result<bool, Fault> {
        match self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
            Ok(verdict) => Ok(verdict == "ok"),
            Err(e) if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => Ok(false),
            Err(e) => Err(Fault::read(&self.path, e)),
        }
    }

    /// Files these records, all or none. A record of the same arrival and call is replaced.
    ///
    /// # Errors
    /// When SQLite refuses; the file is as before.
    pub fn insert(&mut self, records: &[CallRecord]) -> Result<(), Fault> {
        let write = |db: &mut Connection| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut statement = transaction.prepare_cached(schema::INSERT)?;
                records.iter().try_for_each(|record| row::insert(&mut statement, record).map(drop))?;
            }
            transaction.commit()
        };
        write(&mut self.db).map_err(|e| Fault::write(&self.path, records.len(), e))
    }

    /// Files those of these records that are not there yet, and says how many: what is there stays as it is.
    ///
    /// # Errors
    /// When SQLite refuses; the file is as before.
    pub fn insert_missing(&mut self, records: &[CallRecord]) -> Result<usize, Fault> {
        if records.is_empty() {
            return Ok(0);
        }
        let write = |db: &mut Connection| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut filed = 0;
            {
                let mut statement = transaction.prepare(&schema::INSERT.replace("OR REPLACE", "OR IGNORE"))?;
                for record in records {
                    filed += row::insert(&mut statement, record)?;
                }
            }
            transaction.commit().map(|()| filed)
        };
        write(&mut self.db).map_err(|e| Fault::write(&self.path, records.len(), e))
    }

    /// The newest `limit` calls, newest first.
    ///
    /// # Errors
    /// When SQLite refuses, or a row holds what no record can.
    pub fn calls(&self, limit: u32) -> Result<Vec<CallRecord>, Fault> {
        let read = || {
            let mut statement = self.db.prepare_cached(schema::SELECT)?;
            statement.query_map([limit], row::read)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|e| Fault::read(&self.path, e))
    }

    /// Empties the file and fills it again, in one transaction: a reader sees the old records or all new ones. Gives how many were told.
    ///
    /// # Errors
    /// When SQLite refuses; the file is as before.
    pub fn rebuild(&mut self, records: impl Iterator<Item = CallRecord>) -> Result<u64, Fault> {
        let mut told = 0u64;
        let write = |db: &mut Connection| {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch("DROP TABLE IF EXISTS calls;")?;
            transaction.execute_batch(schema::CREATE)?;
            {
                let mut statement = transaction.prepare(schema::INSERT)?;
                for record in records {
                    row::insert(&mut statement, &record)?;
                    told = told.saturating_add(1);
                }
            }
            transaction.commit()
        };
        write(&mut self.db).map_err(|e| Fault::write(&self.path, usize::try_from(told).unwrap_or(usize::MAX), e))?;
        Ok(told)
    }
}

/// SQLite gives its write-ahead log the mode of the file, so the file comes first.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Makes the table in an empty file; checks that any other file is ours and of our layout.
fn lay_out(db: &mut Connection, path: &Path) -> Result<(), Fault> {
    let look = |db: &Connection| -> rusqlite::Result<(i64, i64, i64)> {
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, number("SELECT count(*) FROM sqlite_schema")?))
    };
    db.busy_timeout(BUSY_FOR).map_err(|e| Fault::open(path, e))?;
    match look(db).map_err(|e| Fault::open(path, e))? {
        (schema::OURS, schema::LAYOUT, _) => {}
        (0, 0, 0) => create(db).map_err(|e| Fault::open(path, e))?,
        (schema::OURS, found, _) => return Err(Fault::Layout { path: path.to_owned(), found, ours: schema::LAYOUT }),
        (_, _, _) => return Err(Fault::Foreign { path: path.to_owned() }),
    }
    // With a write-ahead log readers never block the writer, and a commit is one append; `normal` may lose the last batch in a
    // power cut, which the journal gives back.
    let tune = |db: &Connection| {
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "normal")
    };
    tune(db).map_err(|e| Fault::open(path, e))
}

fn create(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(schema::CREATE)?;
    transaction.pragma_update(None, "application_id", schema::OURS)?;
    transaction.pragma_update(None, "user_version", schema::LAYOUT)?;
    transaction.commit()
}
