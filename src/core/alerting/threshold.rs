//! Thresholds that somebody set while botwatch runs: kept here so that they are journalled like everything else that
//! people decide. What they mean is `signals`' business.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Threshold, Timestamp};

use super::{Effect, Machine, Record};

/// A threshold that somebody set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetThreshold {
    /// What.
    #[serde(flatten)]
    pub threshold: Threshold,
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// There are too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are {0} thresholds already: delete some")]
pub struct TooManyThresholds(pub usize);

/// Thresholds set at most.
const THRESHOLDS_MAX: usize = 1000;

impl Machine {
    /// Sets thresholds; one of the same metric and severity is replaced.
    ///
    /// # Errors
    /// When there are too many; nothing has changed then.
    pub fn set_thresholds(
        &mut self,
        now: Timestamp,
        by: &Arc<str>,
        thresholds: Vec<Threshold>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), TooManyThresholds> {
        self.resume(now, effects);
        let key = |t: &Threshold| (Arc::clone(&t.metric), Arc::clone(&t.severity));
        let new = thresholds.iter().filter(|t| !self.state.thresholds.contains_key(&key(t))).count();
        if self.state.thresholds.len() + new > THRESHOLDS_MAX {
            return Err(TooManyThresholds(self.state.thresholds.len()));
        }
        for threshold in thresholds {
            let set = SetThreshold { threshold, by: Arc::clone(by), at: now };
            self.record(Record::ThresholdSet(Box::new(set)), effects);
        }
        Ok(())
    }

    /// Takes back what was set for a metric, of one severity or of all. Answers how many there were.
    pub fn unset_thresholds(
        &mut self,
        now: Timestamp,
        by: &Arc<str>,
        metric: &str,
        severity: Option<&str>,
        effects: &mut Vec<Effect>,
    ) -> usize {
        self.resume(now, effects);
        let keys = self.state.thresholds.keys();
        let keys = keys.filter(|(m, s)| &**m == metric && severity.is_none_or(|wanted| wanted == &**s));
        let keys: Vec<(Arc<str>, Arc<str>)> = keys.cloned().collect();
        let count = keys.len();
        for (metric, severity) in keys {
            let by = Arc::clone(by);
            self.record(Record::ThresholdUnset { metric, severity, by, at: now }, effects);
        }
        count
    }

    /// Thresholds that were set, by metric and severity.
    pub fn thresholds(&self) -> impl Iterator<Item = &SetThreshold> {
        self.state.thresholds.values()
    }
}
