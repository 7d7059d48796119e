//! Tables, formats, migrations.

use std::path::Path;

use botwatch_core::alerting::Seq;
use rusqlite::Connection;

use super::{Error, checksum, damaged, meta, state};

/// "bwtc": tells `file` and us that this is a botwatch journal.
const APPLICATION_ID: i64 = 0x6277_7463;
/// The newest format, and the one that is written.
pub(super) const FORMAT: i64 = MIGRATIONS.len() as i64;

/// Format n is reached from n − 1 by function n − 1 of this list, in one transaction.
const MIGRATIONS: &[fn(&Connection) -> Result<(), Error>] = &[tables, versions];

fn tables(db: &Connection) -> Result<(), Error> {
    db.execute_batch(
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
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
    ) WITHOUT ROWID;",
    )?;
    Ok(())
}

/// The state in versions, so that a checkpoint can be written in steps.
fn versions(db: &Connection) -> Result<(), Error> {
    db.execute_batch(
        "ALTER TABLE state RENAME TO state_1;
    CREATE TABLE state (
        name TEXT NOT NULL, key TEXT NOT NULL,
        at INTEGER NOT NULL, -- the checkpoint that wrote it
        value TEXT,          -- JSON; NULL: the row is gone
        crc INTEGER NOT NULL, -- over the other columns
        PRIMARY KEY (name, key, at)
    ) WITHOUT ROWID;",
    )?;
    let at = Seq(meta(db, "checkpoint")?);
    let mut query = db.prepare("SELECT name, key, value, crc FROM state_1")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (table, key, value): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if checksum(&[table.as_bytes(), key.as_bytes(), value.as_bytes()]) != row.get::<_, i64>(3)? {
            return Err(damaged(format!("content of `{table}` in the checkpoint")));
        }
        state::insert(db, at, (&table, &key), Some(&value))?;
    }
    db.execute_batch("DROP TABLE state_1")?;
    Ok(())
}

/// Opens the file with everything set: a commit survives a power cut, caches stay small.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -1024; PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 4194304;",
    )?;
    migrate(&mut db, path)?;
    Ok(db)
}

/// Brings an older file to the present format; as it was it stays beside it, as `journal.db.format-<n>`.
fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if found > FORMAT {
        return Err(Error::Newer { found, supported: FORMAT });
    }
    if (1..FORMAT).contains(&found) {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".format-{found}"));
        db.backup("main", Path::new(&name), None::<fn(rusqlite::backup::Progress)>)?;
        tracing::info!(
            from = found,
            to = FORMAT,
            kept = %Path::new(&name).display(),
            "the journal gets a newer format; an older version of botwatch reads the file that is kept, in its place"
        );
    }
    for (step, migration) in MIGRATIONS.iter().enumerate().skip(found.max(0) as usize) {
        let transaction = db.transaction()?;
        migration(&transaction)?;
        transaction.pragma_update(None, "user_version", step as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}
