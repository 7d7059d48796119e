//! Tables, formats, migrations.

use std::path::Path;

use rusqlite::Connection;

use super::Error;

/// "bwtc": tells `file` and us that this is a botwatch journal.
const APPLICATION_ID: i64 = 0x6277_7463;
/// The newest format, and the one that is written.
pub(super) const FORMAT: i64 = 1;

/// Format n is reached from n − 1 by statement n − 1 of this list, in one transaction.
const MIGRATIONS: &[&str] =
    &["CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE journal (
        first INTEGER PRIMARY KEY, -- sequence of the batch's first record
        count INTEGER NOT NULL,
        at INTEGER NOT NULL,       -- milliseconds since the epoch
        records TEXT NOT NULL,     -- one line of JSON for each record
        crc INTEGER NOT NULL       -- over first, at, records
    );
    CREATE TABLE state (
        name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        crc INTEGER NOT NULL, -- over name, key, value
        PRIMARY KEY (name, key)
    ) WITHOUT ROWID;"];

/// Opens the file with everything set: a commit survives a power cut, caches stay small.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -1024; PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 4194304;",
    )?;
    migrate(&mut db)?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<(), Error> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if found > FORMAT {
        return Err(Error::Newer { found, supported: FORMAT });
    }
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(found.max(0) as usize) {
        let transaction = db.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}
