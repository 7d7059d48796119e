//! The journal: what must survive is here before anybody is told that it happened.
//!
//! State = tables at checkpoint *n* + journal records after *n*. A batch of records is one row and one commit;
//! [`Journal`] takes all that is queued into one transaction and then publishes the durable sequence, so that many
//! waiting batches cost one sync. Records and tables are bytes here: what they mean is the machines' business.
//!
//! Damage is repaired and reported, never a refusal to start: a file that SQLite can't read is set aside, what can
//! be salvaged is copied into a new one, and [`Finding`]s say what was lost. Called by `dispatch`; must not know it.

mod accounts;
mod audit;
mod checkpoint;
mod error;
mod journal;
mod lock;
mod sqlite;
#[cfg(test)]
mod tests;

pub use accounts::{ADMIN_FILE, Accounts, AccountsError, Holder, Token};
pub use audit::{Audit, Change, Entry as AuditEntry, Verdict, verify as verify_audit};
pub use checkpoint::write_checkpoint;
pub use error::Error;
pub use journal::{Durable, Journal};
pub use lock::DirectoryLock;
pub use sqlite::Sqlite;

use botwatch_core::{alerting::Seq, model::Timestamp};

/// Records of one decision round: appended whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The first record's sequence; the others follow without gaps.
    pub first: Seq,
    /// When it was decided.
    pub at: Timestamp,
    /// One line of JSON each, without line breaks.
    pub records: Vec<String>,
}

impl Batch {
    /// The last record's sequence.
    pub fn last(&self) -> Seq {
        Seq(self.first.0 + (self.records.len() as u64).saturating_sub(1))
    }
}

/// One row of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Table.
    pub table: String,
    /// Key within the table.
    pub key: String,
    /// JSON.
    pub value: String,
}

/// A row's table and key.
pub type Name = (String, String);

/// A part of a checkpoint's rows, between two of them (table and key).
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// It begins behind this row; with the first row when there is none.
    pub after: Option<(&'a str, &'a str)>,
    /// It ends with this row; with the last row when there is none.
    pub to: Option<(&'a str, &'a str)>,
}

/// Everything that was found at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Sequence that the checkpoint's rows hold.
    pub checkpoint: Seq,
    /// The checkpoint, in order of table and key.
    pub rows: Vec<Row>,
    /// Batches after it, in order.
    pub batches: Vec<Batch>,
    /// What was repaired.
    pub findings: Vec<Finding>,
}

/// Something that was wrong with the files and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// For a person: what was wrong, what was kept, what was lost, where the damaged file lies.
    pub message: String,
}

/// How long history is kept after a checkpoint has made it dispensable.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Batches older than this are deleted.
    pub age: botwatch_core::model::Duration,
    /// The oldest are deleted beyond so many bytes of records.
    pub bytes_max: u64,
}

/// A database that holds a journal. Synchronous: its owner is one thread.
pub trait Backend: Send {
    /// Appends batches in one transaction. When it returns they survive a power cut.
    ///
    /// # Errors
    /// Nothing of them was kept then. [`Error::Full`] when the disk is, [`Error::Fenced`] when another instance has
    /// taken over since `epoch`, [`Error::Gap`] when a batch doesn't follow the last one.
    fn append(&mut self, epoch: u64, batches: &[Batch]) -> Result<Seq, Error>;

    /// Batches after a sequence, in order, at most `limit` rows.
    fn read_after(&mut self, after: Seq, limit: usize) -> Result<Vec<Batch>, Error>;

    /// One step of a checkpoint at `at`: all its rows of a span, sorted by table and key. The steps of one checkpoint
    /// go from the first table to the last and leave nothing out. [`Backend::load`] sees nothing of it before it is
    /// committed, and what an earlier one left that never was committed goes with the next one's steps.
    /// Where so much is stored in the span that a step doesn't come to its end, the last row that is done is the
    /// answer, and the next step begins behind it.
    fn write_checkpoint(&mut self, at: Seq, span: Span<'_>, rows: &[Row]) -> Result<Option<Name>, Error>;

    /// Makes the rows written for `at` the checkpoint, then deletes some of the history that `retention` no longer
    /// keeps. A journal that has a gap before `at` goes on after it.
    fn commit_checkpoint(&mut self, at: Seq, now: Timestamp, retention: Retention) -> Result<(), Error>;

    /// The checkpoint and what follows it.
    fn load(&mut self) -> Result<Loaded, Error>;

    /// Writes a consistent copy while in use.
    fn backup(&mut self, to: &std::path::Path) -> Result<(), Error>;

    /// Checks the database's integrity; the problems found, none if it is sound.
    fn verify(&mut self) -> Result<Vec<String>, Error>;
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
