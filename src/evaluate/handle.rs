//! What everybody else holds of the evaluator.

use super::GroupView;

/// A handle on the evaluator; cheap to clone.
#[derive(Clone)]
pub struct Handle {}

impl Handle {
    /// Groups with their rules and alerts, by file and name.
    pub fn groups(&self) -> Vec<GroupView> {
        unimplemented!()
    }
}
