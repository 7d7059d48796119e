//! A damaged journal: set aside, salvaged, reported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, params};

use super::{
    super::Batch, BATCH_COLUMNS, Error, Finding, batch, batch_checksum, meta, row_checksum, schema, set_meta,
    state_rows,
};

/// Moves the file (and SQLite's files beside it) to `journal.db.damaged-<n>` and copies every row that can still be
/// read into a new one.
pub(super) fn set_aside_and_salvage(path: &Path, why: &Error) -> Result<Vec<Finding>, Error> {
    let aside = free_name(path);
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(|cause| Error::File { path: from, cause })?;
        }
    }
    let mut new = schema::connect(path)?;
    let kept = salvage(&aside, &mut new)?;
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
    let mut n = 1u32;
    loop {
        let name = with_suffix(path, &format!(".damaged-{n}"));
        if !name.exists() {
            return name;
        }
        n += 1;
    }
}

/// Reads from the front until the damage; rows after a gap in the sequence are left behind, since applying them
/// without what came before would invent a state that never was.
fn salvage(aside: &Path, new: &mut Connection) -> Result<Kept, Error> {
    let mut kept = Kept { batches: 0, rows: 0 };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(old) = Connection::open_with_flags(aside, flags) else { return Ok(kept) };
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
    let (Ok(at), Ok(rows)) = (meta(old, "checkpoint"), state_rows(old)) else { return Ok(0) };
    for row in rows {
        new.execute(
            "INSERT INTO state (name, key, value, crc) VALUES (?1, ?2, ?3, ?4)",
            params![row.table, row.key, row.value, row_checksum(&row)],
        )?;
        kept.rows += 1;
    }
    set_meta(new, "checkpoint", at)?;
    Ok(at)
}
