//! A damaged journal: set aside, salvaged, reported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use botwatch_core::alerting::Seq;
use rusqlite::{Connection, OpenFlags, config::DbConfig, params};

use super::{
    super::{Batch, Finding},
    BATCH_COLUMNS, Error, batch, batch_checksum, meta, schema, set_meta, state,
};

/// What was salvaged is written here first, and takes the journal's place when it is whole.
const SALVAGED: &str = ".salvaged";
/// SQLite's files beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Copies every row that can still be read into a new file, moves the damaged one (with SQLite's files beside it) to
/// `journal.db.damaged-<n>`, and puts the new one in its place. Killed at any point it loses nothing: before the
/// first move the next start begins again, after it [`finish`] does the rest.
pub(super) fn set_aside_and_salvage(path: &Path, why: &Error) -> Result<Vec<Finding>, Error> {
    let salvaged = with_suffix(path, SALVAGED);
    for suffix in [""].into_iter().chain(BESIDE) {
        let leftover = with_suffix(&salvaged, suffix);
        if leftover.exists() {
            fs::remove_file(&leftover).map_err(failed(&leftover))?;
        }
    }
    let mut new = schema::connect(&salvaged)?;
    let kept = salvage(path, &mut new)?;
    // Closing moves everything into the one file that is renamed.
    new.close().map_err(|(_, e)| e)?;
    sync(&salvaged)?;
    let aside = free_name(path);
    rename(path, &aside)?;
    take_place(path, &aside)?;
    let cause = std::error::Error::source(why).map_or_else(|| why.to_string(), ToString::to_string);
    Ok(vec![Finding {
        message: format!(
            "the journal was damaged ({cause}); kept {} of its batches and {} rows of state, records after the \
             damage are lost; the damaged file is `{}`",
            kept.batches,
            kept.rows,
            aside.display()
        ),
    }])
}

/// Ends a repair that was cut off between moving the damaged file away and putting the new one in its place.
pub(super) fn finish(path: &Path) -> Result<Vec<Finding>, Error> {
    if path.exists() || !with_suffix(path, SALVAGED).exists() {
        return Ok(Vec::new());
    }
    let aside = newest_aside(path);
    take_place(path, &aside)?;
    Ok(vec![Finding {
        message: format!(
            "the journal was damaged and its repair was interrupted: it has been completed, records after the damage \
             are lost; the damaged file is `{}`",
            aside.display()
        ),
    }])
}

/// The damaged file is gone to `aside`: sends what lay beside it after it, and lets the salvaged one take its place.
fn take_place(path: &Path, aside: &Path) -> Result<(), Error> {
    for suffix in BESIDE {
        let from = with_suffix(path, suffix);
        if from.exists() {
            rename(&from, &with_suffix(aside, suffix))?;
        }
    }
    rename(&with_suffix(path, SALVAGED), path)?;
    path.parent().map_or(Ok(()), sync)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(failed(from))
}

fn sync(path: &Path) -> Result<(), Error> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::File { path, cause }
}

struct Kept {
    batches: usize,
    rows: usize,
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn free_name(path: &Path) -> PathBuf {
    (1..=u32::MAX).map(|n| aside(path, n)).find(|p| !p.exists()).expect("numbers don't end")
}

/// The last of the names taken.
fn newest_aside(path: &Path) -> PathBuf {
    let taken = (1..=u32::MAX).take_while(|n| aside(path, *n).exists()).last();
    aside(path, taken.unwrap_or(1))
}

fn aside(path: &Path, n: u32) -> PathBuf {
    with_suffix(path, &format!(".damaged-{n}"))
}

/// Opens a damaged file for reading what is left of it.
fn open_damaged(path: &Path) -> Result<Connection, rusqlite::Error> {
    // Read-write, because a WAL can't be read without writing its index.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    // The file stays as it was found, for whoever wants to look at it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // A file shorter than its header says is refused as a whole otherwise (SQLite's own advice for recovery).
    db.execute_batch("PRAGMA writable_schema = ON")?;
    Ok(db)
}

/// Reads from the front until the damage; rows after a gap in the sequence are left behind, since applying them
/// without what came before would invent a state that never was.
fn salvage(damaged: &Path, new: &mut Connection) -> Result<Kept, Error> {
    let mut kept = Kept { batches: 0, rows: 0 };
    let Ok(old) = open_damaged(damaged) else { return Ok(kept) };
    let transaction = new.transaction()?;
    let checkpoint = salvage_state(&old, &transaction, &mut kept)?;
    let mut next = None;
    let sql = format!("SELECT {BATCH_COLUMNS} FROM journal ORDER BY first");
    if let Ok(mut query) = old.prepare(&sql)
        && let Ok(mut rows) = query.query([])
    {
        while let Ok(Some(row)) = rows.next() {
            let Ok(found) = batch(row) else { break };
            let first = found.first.0;
            if !next.map_or(first <= checkpoint + 1, |n| n == first) {
                break;
            }
            insert(&transaction, &found)?;
            next = Some(found.last().0 + 1);
            kept.batches += 1;
        }
    }
    transaction.commit()?;
    Ok(kept)
}

fn insert(new: &Connection, batch: &Batch) -> Result<(), Error> {
    let (first, at, text) = (batch.first.0 as i64, batch.at.0, batch.records.join("\n"));
    new.execute(
        "INSERT INTO journal (first, count, at, records, crc) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![first, batch.records.len() as i64, at, text, batch_checksum(first, at, text.as_bytes())],
    )?;
    Ok(())
}

/// The checkpoint, all of it or nothing: its sequence, or 0.
fn salvage_state(old: &Connection, new: &Connection, kept: &mut Kept) -> Result<u64, Error> {
    let Ok(at) = meta(old, "checkpoint") else { return Ok(0) };
    let Ok(rows) = state::read(old, Seq(at)) else { return Ok(0) };
    for row in rows {
        state::insert(new, Seq(at), (&row.table, &row.key), Some(&row.value))?;
        kept.rows += 1;
    }
    set_meta(new, "checkpoint", at)?;
    Ok(at)
}
