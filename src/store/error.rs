//! What can go wrong with the journal.

use std::path::PathBuf;

/// Why the journal couldn't do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space left.
    #[error("disk full while writing the journal")]
    Full(#[source] rusqlite::Error),
    /// Another instance took over.
    #[error("epoch {0} is over: another instance has taken over")]
    Fenced(u64),
    /// A batch doesn't follow the one before it.
    #[error("batch begins at record {found}, expected {expected}")]
    Gap {
        /// The sequence that should have come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// Another process has the data directory.
    #[error("`{0}` is in use by another botwatch: one process for each data directory")]
    InUse(PathBuf),
    /// Written by a newer version.
    #[error(
        "the journal has format {found}; this version reads up to {supported}: start the newer version, or restore the backup that it made"
    )]
    Newer {
        /// The file's format.
        found: i64,
        /// The newest that this version reads.
        supported: i64,
    },
    /// A file or directory.
    #[error("can't use `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file whose content is not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The database.
    #[error("journal")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full(e),
            _ => Self::Database(e),
        }
    }
}

impl Error {
    /// Whether the file itself is bad, rather than the moment.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Damaged(_) => true,
            Self::Database(e) => matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
            _ => false,
        }
    }
}
