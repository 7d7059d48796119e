//! A checkpoint on its way to the disk, step by step.

use std::iter::Peekable;

use botwatch_core::{alerting::Seq, model::Timestamp};

use super::{Backend, Error, Name, Retention, Row, Span};

/// A step has so many rows at most, …
const STEP_ROWS: usize = 500;
/// … and ends with the row that makes it so many bytes: a commit that waits for it waits for milliseconds.
const STEP_BYTES: usize = 256 << 10;

/// A checkpoint of which some steps are written.
pub(super) struct Writing {
    pub(super) at: Seq,
    now: Timestamp,
    rows: Peekable<Box<dyn Iterator<Item = Row> + Send>>,
    /// Taken from `rows` and not written yet.
    taken: Vec<Row>,
    /// The last row that is done.
    after: Option<Name>,
}

impl Writing {
    /// Rows are sorted by table and key.
    pub(super) fn new(at: Seq, rows: impl Iterator<Item = Row> + Send + 'static, now: Timestamp) -> Self {
        let rows: Box<dyn Iterator<Item = Row> + Send> = Box::new(rows);
        Self { at, now, rows: rows.peekable(), taken: Vec::new(), after: None }
    }

    /// One step; true when the checkpoint is on disk.
    pub(super) fn step(&mut self, backend: &mut dyn Backend, retention: Retention) -> Result<bool, Error> {
        let mut bytes = self.taken.iter().map(|row| row.value.len()).sum::<usize>();
        while self.taken.len() < STEP_ROWS
            && bytes < STEP_BYTES
            && let Some(row) = self.rows.next()
        {
            bytes += row.value.len();
            self.taken.push(row);
        }
        let is_last = self.rows.peek().is_none();
        let span = Span {
            after: self.after.as_ref().map(|(table, key)| (table.as_str(), key.as_str())),
            to: self.taken.last().filter(|_| !is_last).map(|row| (row.table.as_str(), row.key.as_str())),
        };
        if let Some((table, key)) = backend.write_checkpoint(self.at, span, &self.taken)? {
            self.taken.retain(|row| (&row.table, &row.key) > (&table, &key));
            self.after = Some((table, key));
            return Ok(false);
        }
        if is_last {
            backend.commit_checkpoint(self.at, self.now, retention)?;
        }
        self.after = self.taken.drain(..).next_back().map(|row| (row.table, row.key));
        Ok(is_last)
    }
}

/// Writes a whole checkpoint, where nothing waits for it.
///
/// # Errors
/// The backend's; the checkpoint before stays then.
pub fn write_checkpoint(
    backend: &mut dyn Backend,
    at: Seq,
    rows: impl Iterator<Item = Row> + Send + 'static,
    now: Timestamp,
    retention: Retention,
) -> Result<(), Error> {
    let mut writing = Writing::new(at, rows, now);
    while !writing.step(backend, retention)? {}
    Ok(())
}
