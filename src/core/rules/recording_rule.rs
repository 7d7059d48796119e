//! Recording rules.

use std::{collections::BTreeMap, sync::Arc};

use super::{Error, Outcome, Step, Written};
use crate::{
    model::{Labels, METRIC_NAME, Sources, stale_nan},
    promql::{Element, Expr, SampleValue},
};

/// A rule that writes an expression's result under a new name (spec R57–R60).
#[derive(Debug, Clone)]
pub struct RecordingRule {
    /// The name that it writes.
    pub record: Arc<str>,
    /// The expression.
    pub expr: Expr,
    /// Labels put on every result; an empty value removes the label. Literal, not templates.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Series of the last good evaluation, for stale markers (spec R50).
    written: BTreeMap<Labels, Sources>,
}

impl RecordingRule {
    /// A rule that has not run.
    pub fn new(record: Arc<str>, expr: Expr, labels: Vec<(Arc<str>, Arc<str>)>) -> Self {
        Self { record, expr, labels, written: BTreeMap::new() }
    }

    /// Takes over the series written by the rule's former self, so that those that end now get their stale marker.
    pub fn inherit(&mut self, old: &Self) {
        self.written.clone_from(&old.written);
    }

    /// Turns a result into samples.
    ///
    /// # Errors
    /// Equal label sets, or more than the limit: nothing is written and nothing becomes stale.
    pub fn step(&mut self, result: Vec<Element>, step: &Step<'_>) -> Result<Outcome, Error> {
        let mut now: BTreeMap<Labels, (f64, Sources)> = BTreeMap::new();
        for element in result {
            let mut labels = element.labels.builder();
            labels.set(METRIC_NAME, &self.record);
            for (name, value) in &self.labels {
                labels.set(name, value);
            }
            let labels = labels.finish();
            let SampleValue::Float(value) = element.value;
            if now.insert(labels.clone(), (value, element.sources)).is_some() {
                return Err(Error::Duplicate(labels));
            }
        }
        if step.limit > 0 && now.len() > step.limit {
            return Err(Error::Limit { limit: step.limit, found: now.len(), what: "series" });
        }
        let ended = std::mem::take(&mut self.written).into_iter().filter(|(l, _)| !now.contains_key(l));
        let mut written: Vec<Written> =
            ended.map(|(labels, sources)| Written { labels, value: stale_nan(), sources }).collect();
        for (labels, (value, sources)) in now {
            self.written.insert(labels.clone(), sources.clone());
            written.push(Written { labels, value, sources });
        }
        Ok(Outcome { written, at: step.ts - step.query_offset, ..Outcome::default() })
    }

    /// Stale markers for everything that was written: the rule is gone (spec R56).
    pub fn end(&mut self) -> Vec<Written> {
        let written = std::mem::take(&mut self.written);
        written.into_iter().map(|(labels, sources)| Written { labels, value: stale_nan(), sources }).collect()
    }
}
