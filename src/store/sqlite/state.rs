//! The checkpoint's rows: table `state`, in versions.
//!
//! A row's version is the sequence of the checkpoint that wrote it; a version without a value says that the row is
//! gone. The row of a checkpoint is the newest version up to it. So a checkpoint can be written in many transactions
//! that nobody sees before the one that names it in `meta`, and writes only what has changed. What it replaces is
//! deleted by the next one, on its way through the rows.

use botwatch_core::alerting::Seq;
use rusqlite::{
    Connection, params,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    super::{Name, Row, Span},
    Error, checksum, damaged,
};

/// A step looks at so many stored versions at most.
const VERSIONS_MAX: usize = 2000;

const COLUMNS: &str = "name, key, at, value, crc";

/// A row as it was at some checkpoint.
struct Version {
    name: Name,
    at: i64,
    /// JSON; none when the row was gone.
    value: Option<String>,
}

impl Version {
    /// From [`COLUMNS`], the checksum compared.
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, Error> {
        let text = |i| -> Result<Option<String>, Error> {
            let bytes = row.get_ref(i)?.as_bytes_or_null().map_err(|e| damaged(e.to_string()))?;
            let wrong = |_| damaged("content of the checkpoint".to_owned());
            bytes.map(|b| String::from_utf8(b.to_vec())).transpose().map_err(wrong)
        };
        let name = (text(0)?.unwrap_or_default(), text(1)?.unwrap_or_default());
        let found = Self { name, at: row.get(2)?, value: text(3)? };
        if found.crc() == row.get::<_, i64>(4)? {
            Ok(found)
        } else {
            Err(damaged(format!("content of `{}` in the checkpoint", found.name.0)))
        }
    }

    fn crc(&self) -> i64 {
        crc(&self.name.0, &self.name.1, self.at, self.value.as_deref())
    }
}

fn crc(table: &str, key: &str, at: i64, value: Option<&str>) -> i64 {
    let at = at.to_le_bytes();
    let parts = [table.as_bytes(), key.as_bytes(), &at, value.unwrap_or_default().as_bytes()];
    // No value and an empty one are not the same.
    checksum(&parts[..if value.is_some() { 4 } else { 3 }])
}

/// All rows of the checkpoint at `committed`, in order of table and key.
pub(super) fn read(db: &Connection, committed: Seq) -> Result<Vec<Row>, Error> {
    let mut query =
        db.prepare(&format!("SELECT {COLUMNS} FROM state WHERE at <= ?1 ORDER BY name, key, at"))?;
    let mut found = query.query([committed.0 as i64])?;
    let mut newest: Vec<Version> = Vec::new();
    while let Some(row) = found.next()? {
        let version = Version::read(row)?;
        if newest.last().is_some_and(|last| last.name == version.name || last.value.is_none()) {
            newest.pop();
        }
        newest.push(version);
    }
    let live = newest.into_iter().filter_map(|v| {
        let (table, key) = v.name;
        Some(Row { table, key, value: v.value? })
    });
    Ok(live.collect())
}

/// Writes a row's version.
pub(super) fn insert(
    db: &Connection,
    at: Seq,
    (table, key): (&str, &str),
    value: Option<&str>,
) -> Result<(), Error> {
    let at = at.0 as i64;
    db.prepare_cached(
        "INSERT OR REPLACE INTO state (name, key, at, value, crc) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![table, key, at, value, crc(table, key, at, value)])?;
    Ok(())
}

/// One step of the checkpoint `at`, as [`super::Backend::write_checkpoint`] has it; versions newer than `committed`
/// are leftovers.
pub(super) fn write(
    db: &Connection,
    committed: Seq,
    at: Seq,
    span: Span<'_>,
    rows: &[Row],
) -> Result<Option<Name>, Error> {
    let mut stored = stored(db, span)?;
    let mut reached = None;
    if stored.len() > VERSIONS_MAX {
        // The last row may have more versions than were read.
        let last = stored[VERSIONS_MAX].name.clone();
        stored.retain(|v| v.name != last);
        reached = stored.last().map(|v| v.name.clone());
    }
    let mut delete = db.prepare_cached("DELETE FROM state WHERE name = ?1 AND key = ?2 AND at = ?3")?;
    let put = |row: &Row| insert(db, at, name(row), Some(&row.value));
    let mut rows = rows.iter().peekable();
    for versions in stored.chunk_by(|a, b| a.name == b.name) {
        let (table, key) = (&versions[0].name.0, &versions[0].name.1);
        let current = versions.iter().rfind(|v| v.at <= committed.0 as i64);
        let value = current.and_then(|v| v.value.as_ref());
        for version in versions.iter().filter(|v| value.is_none() || current.is_some_and(|c| c.at != v.at)) {
            delete.execute(params![table, key, version.at])?;
        }
        while let Some(new) = rows.next_if(|row| name(row) < (table, key)) {
            put(new)?;
        }
        match (rows.next_if(|row| name(row) == (table, key)), value) {
            (Some(new), value) if value != Some(&new.value) => put(new)?,
            (None, Some(_)) => insert(db, at, (table, key), None)?,
            (Some(_) | None, _) => {}
        }
    }
    if reached.is_none() {
        rows.try_for_each(put)?;
    }
    Ok(reached)
}

fn name(row: &Row) -> (&str, &str) {
    (&row.table, &row.key)
}

/// The versions in a span, in order of name and checkpoint; one more than a step looks at when there are more.
fn stored(db: &Connection, span: Span<'_>) -> Result<Vec<Version>, Error> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM state
         WHERE (name, key) > (?1, ?2) AND (name, key) <= (?3, ?4)
         ORDER BY name, key, at LIMIT ?5"
    ))?;
    // Bytes sort behind every text: an end that can be looked up, where `OR` would read to the end each time.
    const END: (ValueRef<'static>, ValueRef<'static>) = (ValueRef::Blob(b""), ValueRef::Blob(b""));
    let after = span.after.unwrap_or_default();
    let to = span.to.map_or(END, |(table, key)| (table.into(), key.into()));
    let (table, key) = (ToSqlOutput::Borrowed(to.0), ToSqlOutput::Borrowed(to.1));
    let mut found = query.query(params![after.0, after.1, table, key, VERSIONS_MAX as i64 + 1])?;
    let mut versions = Vec::new();
    while let Some(row) = found.next()? {
        versions.push(Version::read(row)?);
    }
    Ok(versions)
}
