//! Evaluating: rule groups stepped at their slots or when their data has come, outcomes committed, transitions
//! handed to `dispatch`.
//!
//! `rules` decides; this module has the threads, the schedule's waiting, and the groups' state between steps.
//! It must not know `api`, `notify` or `collect`: what a group depends on it learns from the head's sources.

mod handle;
mod view;

pub use handle::Handle;
pub use view::{ActiveAlertView, GroupView, Health, RuleKind, RuleView};
