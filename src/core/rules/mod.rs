//! Rules: whether a condition holds.
//!
//! A [`Group`] is stepped rule by rule at its slot times; each [`Outcome`] (samples to commit, transitions to hand
//! over) is committed before the next rule is stepped, so that a later rule sees it at the same timestamp (spec R46).
//! An [`AlertingRule`] owns pending, firing and kept; what happens to an alert after it fires is `alerting`'s.
//! Only [`crate::model::Transition`]s cross, never resends.
//!
//! Missing data is not "resolved": an alert remembers the sources of its last true evaluation, and while one of them
//! can't be seen ([`Sight`]) a missing result freezes it (DESIGN §2.3). Nothing here reads a clock or a file.

mod alerting_rule;
mod blindness;
mod file;
mod group;
mod reach;
mod recording_rule;
mod schedule;
#[cfg(test)]
mod tests;

pub use alerting_rule::{AlertingRule, AlertingSpec, NoData, Refreshed, RuleView};
pub use blindness::{BlindSource, Blindness, SOURCE_BLIND};
pub use file::{AlertSpec, GroupSpec, RuleSpec, parse_file};
pub use group::{Group, Rule, Shared};
pub use reach::{Reaches, reach};
pub use recording_rule::RecordingRule;
pub use schedule::Schedule;

use crate::model::{Duration, Labels, SourceId, Sources, Timestamp, Transition};

/// The port through which a rule learns what could not be seen.
pub trait Sight {
    /// Whether a source can't be seen, or couldn't at some time after `back_to`. A time at which botwatch didn't run
    /// counts as not seen.
    fn is_blind(&self, source: SourceId, back_to: Timestamp) -> bool;

    /// The source's name, as kept in the journal.
    fn source_name(&self, source: SourceId) -> std::sync::Arc<str>;
}

/// A sample that a rule writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Labels, with `__name__`.
    pub labels: Labels,
    /// The value; the stale marker where the series ended.
    pub value: f64,
    /// What it was made from.
    pub sources: Sources,
}

/// What one step of one rule gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Samples to commit, all at `at`.
    pub written: Vec<Written>,
    /// Their timestamp: the slot minus the query offset.
    pub at: Timestamp,
    /// Changes to hand over, in order.
    pub transitions: Vec<Transition>,
    /// Newer values and annotations of alerts that keep firing.
    pub refreshed: Vec<Refreshed>,
    /// Texts that failed to expand (spec R23): logged, counted, and shown in the text itself.
    pub warnings: Vec<String>,
}

/// Why a step failed. The rule's alerts and series stay as they are (spec R32).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The expression could not be evaluated.
    #[error("{0}")]
    Evaluate(String),
    /// Two results ended up with the same labels (spec R24, R57).
    #[error("vector contains metrics with the same labelset after applying rule labels: {0}")]
    Duplicate(Labels),
    /// More results than the group's limit (spec R60).
    #[error("exceeded limit of {limit} with {found} {what}")]
    Limit {
        /// The limit.
        limit: usize,
        /// How many there were.
        found: usize,
        /// `alerts` or `series`.
        what: &'static str,
    },
}

/// What every step is given.
pub struct Step<'a> {
    /// The slot.
    pub ts: Timestamp,
    /// The group's query offset.
    pub query_offset: Duration,
    /// The group's limit; 0 is none.
    pub limit: usize,
    /// What can be seen.
    pub sight: &'a dyn Sight,
}

/// Expands the texts of one alert: `(template, is it a label)` → text, or the error's text (spec R22, R23).
pub type Expand<'a> = dyn FnMut(&str, &str, &Labels, f64) -> Result<String, String> + 'a;
