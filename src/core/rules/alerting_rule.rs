//! Alerting rules: pending, firing, kept, frozen.

use std::{collections::BTreeMap, sync::Arc};

use super::{Error, Expand, Outcome, Sight, Step, Written};
use crate::{
    model::{
        ALERT_NAME, AlertState, Duration, Ending, Labels, METRIC_NAME, RuleKey, SourceId, Sources, Timestamp,
        Transition, stale_nan,
    },
    promql::{Element, Expr, SampleValue},
};

/// What a missing result means while a source of the alert can't be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoData {
    /// Nothing: the alert is frozen.
    #[default]
    Keep,
    /// What it means to Prometheus: the condition is gone.
    Resolve,
}

/// An alerting rule as configured.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertingSpec {
    /// Identity.
    pub key: RuleKey,
    /// The expression.
    pub expr: Expr,
    /// How long it must hold.
    pub hold: Duration,
    /// How long it goes on firing when it no longer holds.
    pub keep_firing_for: Duration,
    /// Label templates, the group's first; of one name the last wins.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Annotation templates.
    pub annotations: Vec<(Arc<str>, Arc<str>)>,
    /// What blindness means.
    pub no_data: NoData,
    /// How far back the expression looks, through recording rules too.
    pub reach: Duration,
    /// Link to the expression.
    pub generator_url: Arc<str>,
}

/// A rule and its alerts.
#[derive(Debug, Clone)]
pub struct AlertingRule {
    /// As configured.
    pub spec: AlertingSpec,
    alerts: BTreeMap<Labels, Active>,
    /// `ALERTS` and `ALERTS_FOR_STATE` of the last good evaluation, for stale markers.
    written: BTreeMap<Labels, Sources>,
}

/// A newer value and newer texts of an alert that keeps firing.
#[derive(Debug, Clone, PartialEq)]
pub struct Refreshed {
    /// The alert.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Its value.
    pub value: f64,
}

/// One alert, to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleView<'a> {
    /// Identity.
    pub labels: &'a Labels,
    /// Texts.
    pub annotations: &'a Labels,
    /// Value of the last true evaluation.
    pub value: f64,
    /// Since when it holds.
    pub since: Timestamp,
    /// Since when it fires; pending otherwise.
    pub fired_at: Option<Timestamp>,
    /// Held up by `keep_firing_for` since then.
    pub keep_since: Option<Timestamp>,
    /// Frozen since then: its result is missing because it can't be seen. Never before `since`.
    pub frozen_since: Option<Timestamp>,
    /// What the last true evaluation was made from.
    pub sources: &'a Sources,
}

#[derive(Debug, Clone, PartialEq)]
struct Active {
    annotations: Labels,
    value: f64,
    since: Timestamp,
    fired_at: Option<Timestamp>,
    keep_since: Option<Timestamp>,
    sources: Sources,
    /// The slot at which the result was missing because it can't be seen, and the timers were stopped.
    frozen: Option<Timestamp>,
}

impl Active {
    fn thaw(&mut self, now: Timestamp) {
        if let Some(frozen) = self.frozen.take() {
            // Never negative, should the clock have been set back meanwhile.
            let blind = now.since(frozen).max(Duration::ZERO);
            if self.fired_at.is_none() {
                self.since = self.since + blind;
            }
            self.keep_since = self.keep_since.map(|t| t + blind);
        }
    }

    fn state(&self) -> AlertState {
        match self.fired_at {
            Some(fired_at) => AlertState::Firing { since: self.since, fired_at, keep_since: self.keep_since },
            None => AlertState::Pending { since: self.since },
        }
    }
}

/// One element of the result, as an alert.
struct Found {
    labels: Labels,
    annotations: Labels,
    value: f64,
    sources: Sources,
}

impl AlertingRule {
    /// A rule without alerts.
    pub fn new(spec: AlertingSpec) -> Self {
        Self { spec, alerts: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// Gives the rule its alerts back: from the journal after a restart. `source` numbers the sources' names.
    /// Alerts that had ended are left out.
    /// `alive` is when the last process last ran: no timer counts the time since then.
    pub fn restore(
        &mut self,
        transitions: &[Transition],
        now: Timestamp,
        alive: Option<Timestamp>,
        source: &mut dyn FnMut(&str) -> SourceId,
    ) {
        for t in transitions {
            let (since, fired_at, keep_since) = match t.state {
                AlertState::Pending { since } => (since, None, None),
                AlertState::Firing { since, fired_at, keep_since } => (since, Some(fired_at), keep_since),
                AlertState::Ended { .. } => {
                    self.alerts.remove(&t.labels);
                    continue;
                }
            };
            let counts_time = fired_at.is_none() || keep_since.is_some();
            let stopped = alive.filter(|_| counts_time).map(|alive| alive.max(t.at));
            let active = Active {
                annotations: t.annotations.clone(),
                value: t.value,
                // The clock may have been set back since: a timer that begins in the future would hold a page up.
                since: since.min(now),
                fired_at,
                keep_since: keep_since.map(|t| t.min(now)),
                sources: t.sources.iter().map(|name| source(name)).collect(),
                frozen: t.frozen_since.or(stopped).map(|t| t.min(now)),
            };
            self.alerts.insert(t.labels.clone(), active);
        }
    }

    /// Takes over the alerts of the rule's former self after a reload (spec R55).
    pub fn inherit(&mut self, old: &Self) {
        self.alerts.clone_from(&old.alerts);
        self.written.clone_from(&old.written);
    }

    /// The rule is gone: its alerts end, its series become stale.
    pub fn end(&mut self, at: Timestamp, sight: &dyn Sight) -> Outcome {
        let mut outcome = Outcome { at, ..Outcome::default() };
        for (labels, active) in std::mem::take(&mut self.alerts) {
            let state = AlertState::Ended { fired_at: active.fired_at, at, why: Ending::RuleRemoved };
            outcome.transitions.push(self.transition(&labels, &active, state, at, sight));
        }
        self.written_series(BTreeMap::new(), &mut outcome);
        outcome
    }

    /// Its alerts, in order of labels.
    pub fn alerts(&self) -> impl Iterator<Item = RuleView<'_>> {
        self.alerts.iter().map(|(labels, a)| RuleView {
            labels,
            annotations: &a.annotations,
            value: a.value,
            since: a.since,
            fired_at: a.fired_at,
            keep_since: a.keep_since,
            frozen_since: a.frozen,
            sources: &a.sources,
        })
    }

    /// Decides, from a result of the expression at the step's slot (spec R21–R31 and its decision table).
    ///
    /// # Errors
    /// Equal label sets, or more alerts than the limit: all alerts stay as they are.
    pub fn step(
        &mut self,
        result: Vec<Element>,
        step: &Step<'_>,
        expand: &mut Expand<'_>,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome { at: step.ts - step.query_offset, ..Outcome::default() };
        let found = self.found(result, expand, &mut outcome.warnings)?;
        self.check_limit(&found, step)?;
        for (labels, found) in &found {
            self.present(labels, found, step, &mut outcome);
        }
        let missing: Vec<Labels> = self.alerts.keys().filter(|l| !found.contains_key(*l)).cloned().collect();
        for labels in missing {
            self.missing(&labels, step, &mut outcome);
        }
        self.synthetic(&mut outcome);
        Ok(outcome)
    }

    fn found(
        &self,
        result: Vec<Element>,
        expand: &mut Expand<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<BTreeMap<Labels, Found>, Error> {
        let mut all = BTreeMap::new();
        for element in result {
            let SampleValue::Float(value) = element.value;
            let raw = &element.labels;
            let mut text = |name: &str, template: &str| {
                expand(name, template, raw, value).unwrap_or_else(|error| {
                    warnings.push(format!("alert `{}`, `{name}`: {error}", self.spec.key.alert));
                    format!("<error expanding template: {error}>")
                })
            };
            let mut labels = raw.builder();
            labels.remove(METRIC_NAME);
            for (name, template) in &self.spec.labels {
                labels.set(name, &text(name, template));
            }
            labels.set(ALERT_NAME, &self.spec.key.alert);
            let labels = labels.finish();
            let annotations = Labels::from_pairs(self.spec.annotations.iter().map(|(n, t)| (n, text(n, t))));
            let found = Found { labels: labels.clone(), annotations, value, sources: element.sources };
            if all.insert(labels.clone(), found).is_some() {
                return Err(Error::Duplicate(labels));
            }
        }
        Ok(all)
    }

    /// Prometheus forgets all alerts of a rule over its limit, without a resolve; here they stay, since a forgotten
    /// alert is a page that never ends.
    fn check_limit(&self, found: &BTreeMap<Labels, Found>, step: &Step<'_>) -> Result<(), Error> {
        let kept =
            self.alerts.iter().filter(|(l, a)| a.fired_at.is_some() && !found.contains_key(*l)).count();
        let kept = if self.spec.keep_firing_for.is_zero() { 0 } else { kept };
        let total = found.len() + kept;
        if step.limit > 0 && total > step.limit {
            return Err(Error::Limit { limit: step.limit, found: total, what: "alerts" });
        }
        Ok(())
    }

    /// The condition holds. A result that is present acts as always, blind or not.
    fn present(&mut self, labels: &Labels, found: &Found, step: &Step<'_>, outcome: &mut Outcome) {
        let before = self.alerts.get(labels).map(|a| (a.state(), a.frozen.is_some()));
        let hold = self.spec.hold;
        let active = self.alerts.entry(labels.clone()).or_insert_with(|| Active {
            annotations: Labels::empty(),
            value: 0.0,
            since: step.ts,
            fired_at: None,
            keep_since: None,
            sources: Sources::NONE,
            frozen: None,
        });
        active.thaw(step.ts);
        active.keep_since = None;
        active.value = found.value;
        active.annotations = found.annotations.clone();
        active.sources = found.sources.clone();
        let old_enough = step.ts.since(active.since) >= hold;
        match active.fired_at {
            None if old_enough => active.fired_at = Some(step.ts),
            // The hold was raised by a reload (spec R30).
            Some(_) if !old_enough => active.fired_at = None,
            _ => {}
        }
        let active = active.clone();
        if before == Some((active.state(), false)) {
            let (annotations, value) = (active.annotations, active.value);
            outcome.refreshed.push(Refreshed { labels: found.labels.clone(), annotations, value });
        } else {
            let t = self.transition(labels, &active, active.state(), step.ts, step.sight);
            outcome.transitions.push(t);
        }
    }

    /// The condition isn't seen to hold: it is gone, or it can't be seen.
    fn missing(&mut self, labels: &Labels, step: &Step<'_>, outcome: &mut Outcome) {
        let Some(mut active) = self.alerts.remove(labels) else { return };
        if self.is_blind(&active, step) {
            if active.frozen.is_none() {
                active.frozen = Some(step.ts);
                let t = self.transition(labels, &active, active.state(), step.ts, step.sight);
                outcome.transitions.push(t);
            }
            self.alerts.insert(labels.clone(), active);
            return;
        }
        let was_frozen = active.frozen.is_some();
        active.thaw(step.ts);
        let keeps = match (active.fired_at, active.keep_since) {
            (None, _) => false,
            (Some(_), None) => !self.spec.keep_firing_for.is_zero(),
            (Some(_), Some(since)) => step.ts.since(since) < self.spec.keep_firing_for,
        };
        if !keeps {
            let state =
                AlertState::Ended { fired_at: active.fired_at, at: step.ts, why: Ending::ConditionGone };
            outcome.transitions.push(self.transition(labels, &active, state, step.ts, step.sight));
            return;
        }
        if active.keep_since.is_none() || was_frozen {
            active.keep_since = active.keep_since.or(Some(step.ts));
            let t = self.transition(labels, &active, active.state(), step.ts, step.sight);
            outcome.transitions.push(t);
        }
        self.alerts.insert(labels.clone(), active);
    }

    /// Whether one of the alert's sources can't be seen, or couldn't within what the expression reads and since the
    /// alert began. Blindness that was over by then is no reason: with the same gap in its range the result was there.
    /// (Else an alert on a range of an hour couldn't end in the first hour after a start.)
    fn is_blind(&self, active: &Active, step: &Step<'_>) -> bool {
        if self.spec.no_data == NoData::Resolve {
            return false;
        }
        let back_to = (step.ts - step.query_offset - self.spec.reach).max(active.since);
        active.sources.iter().any(|source| step.sight.is_blind(source, back_to))
    }

    fn transition(
        &self,
        labels: &Labels,
        active: &Active,
        state: AlertState,
        at: Timestamp,
        sight: &dyn Sight,
    ) -> Transition {
        Transition {
            rule: self.spec.key.clone(),
            labels: labels.clone(),
            annotations: active.annotations.clone(),
            value: active.value,
            at,
            state,
            frozen_since: active.frozen,
            sources: active.sources.iter().map(|id| sight.source_name(id)).collect(),
            generator_url: Arc::clone(&self.spec.generator_url),
        }
    }

    /// `ALERTS` and `ALERTS_FOR_STATE` (spec R33).
    fn synthetic(&mut self, outcome: &mut Outcome) {
        let mut now = BTreeMap::new();
        for (labels, active) in &self.alerts {
            let state = if active.fired_at.is_some() { "firing" } else { "pending" };
            let mut alerts = labels.builder();
            alerts.set(METRIC_NAME, "ALERTS").set("alertstate", state);
            now.insert(alerts.finish(), (1.0, active.sources.clone()));
            let since = (active.since.0 / 1000) as f64;
            now.insert(labels.with(METRIC_NAME, "ALERTS_FOR_STATE"), (since, active.sources.clone()));
        }
        self.written_series(now, outcome);
    }

    fn written_series(&mut self, now: BTreeMap<Labels, (f64, Sources)>, outcome: &mut Outcome) {
        for (labels, sources) in std::mem::take(&mut self.written) {
            if !now.contains_key(&labels) {
                outcome.written.push(Written { labels, value: stale_nan(), sources });
            }
        }
        for (labels, (value, sources)) in now {
            self.written.insert(labels.clone(), sources.clone());
            outcome.written.push(Written { labels, value, sources });
        }
    }
}
