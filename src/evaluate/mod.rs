//! Evaluating: rule groups stepped at their slots or when their data has come, outcomes committed, transitions
//! handed to `dispatch`.
//!
//! `rules` decides whether conditions hold and [`schedule`] when a group is due; this module has the waiting
//! ([`scheduler`]), the threads ([`pool`]) and the groups' state between steps ([`cell`]). What a group depends on it
//! learns from the head: the sources of the series that its selectors find, and the groups that record them.
//!
//! It must not know `api`, `notify` or `collect`. Started by `app`, after `collect` has named its sources.

mod cell;
mod course;
mod handle;
mod metrics;
mod options;
mod pool;
mod schedule;
mod scheduler;
mod sight;
#[cfg(test)]
mod tests;
mod view;

pub use handle::Handle;
pub use options::{Evaluation, Options, Parts};
pub use scheduler::start;
pub use view::{ActiveAlertView, CourseView, GroupView, Health, RuleKind, RuleView};
