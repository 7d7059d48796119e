//! The port through which the evaluator reads samples.

use crate::model::{Labels, Matcher, Sources, Timestamp};

/// Where samples come from: the head, disk, a test script.
///
/// One call is one consistent view: either all of a commit is seen or none of it.
pub trait Queryable {
    /// Series that satisfy all matchers, with their samples in `(after, until]` in time order, stale markers
    /// included. Series without a sample there may be left out. In no particular order.
    ///
    /// # Errors
    /// When storage fails or a limit is hit; the query fails as a whole.
    fn select(
        &self,
        matchers: &[Matcher],
        after: Timestamp,
        until: Timestamp,
        hints: SelectHints,
    ) -> Result<Vec<Series>, SelectError>;
}

/// What a reader may use to do less work; ignoring them changes no result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectHints {
    /// Only the newest sample at or before `until` is looked at.
    pub newest_only: bool,
    /// At most so many samples may be returned in all; more is [`SelectError::TooManySamples`]. 0: no limit.
    pub samples_max: usize,
}

/// A series' samples as columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, with `__name__`.
    pub labels: Labels,
    /// Who writes it.
    pub sources: Sources,
    /// Times in milliseconds, ascending, unique.
    pub t: Vec<i64>,
    /// Values, one for each time.
    pub v: Vec<f64>,
}

/// Why a selection failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The limit of the hints.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// Storage failed.
    #[error("storage: {0}")]
    Storage(String),
}
