//! The journal in one SQLite file, `journal.db`, in the data directory.

mod repair;
mod schema;
mod state;

use std::path::Path;

use botwatch_core::{alerting::Seq, model::Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Backend, Batch, Error, Loaded, Name, Retention, Row, Span};

/// The file's name in the data directory.
pub(super) const FILE: &str = "journal.db";

/// Batches kept beyond need are deleted so many rows at a time, so that no commit waits long behind it.
const PRUNE_STEP: usize = 500;

/// The journal in SQLite.
pub struct Sqlite {
    db: Connection,
    /// The newest record there is.
    last: Seq,
    epoch: u64,
    /// Bytes of all records kept.
    bytes: u64,
    /// What was read when the file was opened, until it is asked for.
    loaded: Option<Loaded>,
}

impl Sqlite {
    /// Opens or makes the journal of a data directory. A damaged file is set aside and salvaged.
    ///
    /// # Errors
    /// [`Error::Newer`] for a file of a later version; otherwise only what a person must mend (permissions, disk).
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let mut findings = repair::finish(&path)?;
        let mut sqlite = match Self::open_file(&path) {
            Err(e) if e.is_damage() => {
                findings.extend(repair::set_aside_and_salvage(&path, &e)?);
                Self::open_file(&path)?
            }
            other => other?,
        };
        sqlite.loaded.get_or_insert_default().findings = findings;
        Ok(sqlite)
    }

    /// Deletes batches that reach beyond a sequence: what can't be read would hold up what is to follow. The caller
    /// makes a checkpoint of what it knows next.
    ///
    /// # Errors
    /// The database's.
    pub fn cut_after(&mut self, seq: Seq) -> Result<(), Error> {
        self.db.execute("DELETE FROM journal WHERE first + count - 1 > ?1", params![seq.0 as i64])?;
        self.last = seq;
        Ok(())
    }

    fn open_file(path: &Path) -> Result<Self, Error> {
        let db = schema::connect(path)?;
        check_structure(&db, path)?;
        let (last, bytes) = db.query_row(
            "SELECT coalesce(max(first + count - 1), 0), coalesce(sum(octet_length(records)), 0) FROM journal",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?;
        let checkpoint = meta(&db, "checkpoint")?;
        let epoch = meta(&db, "epoch")?;
        let last = Seq((last as u64).max(checkpoint));
        let mut sqlite = Self { db, last, epoch, bytes: bytes as u64, loaded: None };
        // What a restart needs is read and its checksums compared while the file can still be set aside.
        sqlite.loaded = Some(sqlite.load()?);
        Ok(sqlite)
    }

    /// Makes the disk full as soon as the file has so many pages.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) {
        self.db.pragma_update(None, "max_page_count", pages).expect("a pragma");
    }

    fn prune(&mut self, at: Seq, now: Timestamp, retention: Retention) -> Result<(), Error> {
        let oldest = now - retention.age;
        let rows: Vec<(i64, i64, i64)> = self
            .db
            .prepare_cached(
                "SELECT first, at, length(records) FROM journal WHERE first + count - 1 <= ?1 ORDER BY first LIMIT ?2",
            )?
            .query_map(params![at.0 as i64, PRUNE_STEP as i64], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let mut until = None;
        for (first, written, bytes) in rows {
            if written >= oldest.0 && self.bytes <= retention.bytes_max {
                break;
            }
            self.bytes = self.bytes.saturating_sub(bytes as u64);
            until = Some(first);
        }
        if let Some(first) = until {
            self.db.prepare_cached("DELETE FROM journal WHERE first <= ?1")?.execute([first])?;
        }
        Ok(())
    }
}

/// Up to this size every page is looked at when the file is opened, so that damage is met then and not at three in
/// the morning; a larger file is left to `storage verify` for the sake of a quick start.
const CHECK_MAX: u64 = 32 << 20;

fn check_structure(db: &Connection, path: &Path) -> Result<(), Error> {
    if path.metadata().map_or(0, |m| m.len()) > CHECK_MAX {
        return Ok(());
    }
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))? {
        ok if ok == "ok" => Ok(()),
        problem => Err(damaged(problem)),
    }
}

fn damaged(what: String) -> Error {
    Error::Damaged(what)
}

/// The checksum kept beside a row: SQLite checks its structure, not its content.
fn checksum(parts: &[&[u8]]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    i64::from(hasher.finalize())
}

fn batch_checksum(first: i64, at: i64, records: &[u8]) -> i64 {
    checksum(&[&first.to_le_bytes(), &at.to_le_bytes(), records])
}

fn meta(db: &Connection, key: &str) -> Result<u64, Error> {
    let value: Option<i64> =
        db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0)).optional()?;
    Ok(value.unwrap_or(0) as u64)
}

fn set_meta(db: &Connection, key: &str, value: u64) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
    )?
    .execute(params![key, value as i64])?;
    Ok(())
}

/// A row of `journal` (first, at, records, crc, count), its checksum compared.
fn batch(row: &rusqlite::Row<'_>) -> Result<Batch, Error> {
    let (first, at): (i64, i64) = (row.get(0)?, row.get(1)?);
    let bytes = row.get_ref(2)?.as_bytes().map_err(|e| damaged(e.to_string()))?;
    let wrong = || damaged(format!("content of batch {first}"));
    if batch_checksum(first, at, bytes) != row.get::<_, i64>(3)? {
        return Err(wrong());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    let batch = Batch {
        first: Seq(first as u64),
        at: Timestamp(at),
        records: text.lines().map(str::to_owned).collect(),
    };
    if batch.records.len() as i64 == row.get::<_, i64>(4)? { Ok(batch) } else { Err(wrong()) }
}

/// The columns that [`batch`] reads.
const BATCH_COLUMNS: &str = "first, at, records, crc, count";

impl Backend for Sqlite {
    fn append(&mut self, epoch: u64, batches: &[Batch]) -> Result<Seq, Error> {
        if epoch < self.epoch {
            return Err(Error::Fenced(epoch));
        }
        let mut last = self.last;
        let mut bytes = 0;
        let transaction = self.db.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO journal (first, count, at, records, crc) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for batch in batches.iter().filter(|b| !b.records.is_empty()) {
                if batch.first.0 != last.0 + 1 {
                    return Err(Error::Gap { expected: last.0 + 1, found: batch.first.0 });
                }
                let text = batch.records.join("\n");
                bytes += text.len() as u64;
                let (first, count) = (batch.first.0 as i64, batch.records.len() as i64);
                let crc = batch_checksum(first, batch.at.0, text.as_bytes());
                insert.execute(params![first, count, batch.at.0, text, crc])?;
                last = batch.last();
            }
        }
        transaction.commit()?;
        self.last = last;
        self.bytes += bytes;
        Ok(last)
    }

    fn read_after(&mut self, after: Seq, limit: usize) -> Result<Vec<Batch>, Error> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {BATCH_COLUMNS} FROM journal WHERE first + count - 1 > ?1 ORDER BY first LIMIT ?2"
        ))?;
        let mut rows = query.query(params![after.0 as i64, limit as i64])?;
        let mut batches = Vec::new();
        while let Some(row) = rows.next()? {
            batches.push(batch(row)?);
        }
        Ok(batches)
    }

    fn write_checkpoint(&mut self, at: Seq, span: Span<'_>, rows: &[Row]) -> Result<Option<Name>, Error> {
        let committed = Seq(meta(&self.db, "checkpoint")?);
        let transaction = self.db.transaction()?;
        let reached = state::write(&transaction, committed, at, span, rows)?;
        transaction.commit()?;
        Ok(reached)
    }

    fn commit_checkpoint(&mut self, at: Seq, now: Timestamp, retention: Retention) -> Result<(), Error> {
        set_meta(&self.db, "checkpoint", at.0)?;
        self.last = self.last.max(at);
        self.prune(at, now, retention)
    }

    fn load(&mut self) -> Result<Loaded, Error> {
        if let Some(loaded) = self.loaded.take() {
            return Ok(loaded);
        }
        let checkpoint = Seq(meta(&self.db, "checkpoint")?);
        let rows = state::read(&self.db, checkpoint)?;
        let batches = self.read_after(checkpoint, usize::MAX >> 1)?;
        Ok(Loaded { checkpoint, rows, batches, findings: Vec::new() })
    }

    fn backup(&mut self, to: &Path) -> Result<(), Error> {
        self.db.backup("main", to, None::<fn(rusqlite::backup::Progress)>)?;
        Ok(())
    }

    fn verify(&mut self) -> Result<Vec<String>, Error> {
        let mut problems: Vec<String> = self
            .db
            .prepare("PRAGMA integrity_check")?
            .query_map([], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        problems.retain(|p| p != "ok");
        let mut next = None;
        for batch in self.read_after(Seq(0), usize::MAX >> 1)? {
            if let Some(expected) = next
                && batch.first.0 != expected
            {
                problems.push(format!("records {expected} to {} are missing", batch.first.0 - 1));
            }
            next = Some(batch.last().0 + 1);
        }
        Ok(problems)
    }
}
