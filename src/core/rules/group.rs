//! A group at work: its rules in order, stepped one by one.

use std::sync::Arc;

use super::{
    AlertingRule, AlertingSpec, Error, Expand, GroupSpec, NoData, Outcome, Reaches, RecordingRule, RuleSpec,
    Sight, Step, reach,
};
use crate::{
    model::{Duration, Labels, RuleKey, SourceId, Sources, Timestamp, Transition},
    promql::{Element, EvalOptions, Queryable, SampleValue, Value, eval_instant},
};

/// What all groups of a configuration share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// `global.evaluation_interval`
    pub interval: Duration,
    /// `global.rule_query_offset`
    pub query_offset: Duration,
    /// What blindness means where a rule doesn't say.
    pub no_data: NoData,
    /// Where this botwatch is reached, for links.
    pub external_url: Arc<str>,
    /// How far back recording rules look.
    pub reaches: Reaches,
}

/// A rule with its state.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Writes a series.
    Recording(Box<RecordingRule>),
    /// Raises alerts.
    Alerting(Box<AlertingRule>),
}

/// A group with its rules' state.
#[derive(Debug, Clone)]
pub struct Group {
    /// As configured, for comparison at a reload (spec R54).
    pub spec: GroupSpec,
    /// Time between evaluations.
    pub interval: Duration,
    /// How far in the past it evaluates.
    pub query_offset: Duration,
    rules: Vec<Rule>,
}

impl Group {
    /// A group that has not run.
    pub fn new(spec: GroupSpec, shared: &Shared) -> Self {
        let mut rules: Vec<Rule> = Vec::with_capacity(spec.rules.len());
        for (i, rule) in spec.rules.iter().enumerate() {
            let nth = spec.rules[..i].iter().filter(|r| same_rule(r, rule)).count() as u32;
            rules.push(build(&spec, rule, nth, shared));
        }
        let interval = spec.interval.unwrap_or(shared.interval);
        let query_offset = spec.query_offset.unwrap_or(shared.query_offset);
        Self { spec, interval, query_offset, rules }
    }

    /// Its rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Takes over the state of the group's former self, rule by rule: matched on kind, name and configured labels,
    /// equal ones in order (spec R55). Rules of the former self that found no match are returned, to be ended.
    pub fn inherit(&mut self, old: Self) -> Vec<Rule> {
        let mut left: Vec<Option<Rule>> = old.rules.into_iter().map(Some).collect();
        for (rule, spec) in self.rules.iter_mut().zip(&self.spec.rules) {
            let same = left.iter_mut().zip(&old.spec.rules).find(|(l, s)| l.is_some() && same_rule(s, spec));
            match (rule, same.and_then(|(l, _)| l.take())) {
                (Rule::Recording(new), Some(Rule::Recording(old))) => new.inherit(&old),
                (Rule::Alerting(new), Some(Rule::Alerting(old))) => new.inherit(&old),
                _ => {}
            }
        }
        left.into_iter().flatten().collect()
    }

    /// Gives the alerts of the journal back to their rules; `alive` is when the last process last ran.
    pub fn restore(
        &mut self,
        transitions: &[Transition],
        now: Timestamp,
        alive: Option<Timestamp>,
        source: &mut dyn FnMut(&str) -> SourceId,
    ) {
        for rule in &mut self.rules {
            if let Rule::Alerting(rule) = rule {
                let own: Vec<Transition> =
                    transitions.iter().filter(|t| t.rule == rule.spec.key).cloned().collect();
                rule.restore(&own, now, alive, source);
            }
        }
    }

    /// Evaluates one rule at a slot. Its outcome must be committed before the next rule is stepped (spec R46).
    ///
    /// # Errors
    /// The rule's state and series are as before.
    pub fn step(
        &mut self,
        index: usize,
        ts: Timestamp,
        data: &dyn Queryable,
        options: &EvalOptions,
        sight: &dyn Sight,
        expand: &mut Expand<'_>,
    ) -> Result<Outcome, Error> {
        let step = Step { ts, query_offset: self.query_offset, limit: self.spec.limit, sight };
        let Some(rule) = self.rules.get_mut(index) else { return Ok(Outcome::default()) };
        let expr = match rule {
            Rule::Recording(r) => &r.expr,
            Rule::Alerting(r) => &r.spec.expr,
        };
        let at = ts - self.query_offset;
        let result = eval_instant(expr, at, options, data).map_err(|e| Error::Evaluate(e.to_string()))?;
        let elements = elements(result.value, at)?;
        match rule {
            Rule::Recording(r) => r.step(elements, &step),
            Rule::Alerting(r) => r.step(elements, &step, expand),
        }
    }
}

/// A scalar counts as one sample without labels (spec R9).
fn elements(value: Value, at: Timestamp) -> Result<Vec<Element>, Error> {
    match value {
        Value::Vector(elements) => Ok(elements),
        Value::Scalar(v) => Ok(vec![Element {
            labels: Labels::empty(),
            value: SampleValue::Float(v),
            t: at,
            sources: Sources::NONE,
        }]),
        Value::String(_) | Value::Matrix(_) => {
            Err(Error::Evaluate("rule result is not a vector or scalar".to_owned()))
        }
    }
}

fn same_rule(a: &RuleSpec, b: &RuleSpec) -> bool {
    a.alert.is_some() == b.alert.is_some() && a.name == b.name && a.label_set() == b.label_set()
}

fn build(group: &GroupSpec, rule: &RuleSpec, nth: u32, shared: &Shared) -> Rule {
    let Some(alert) = &rule.alert else {
        let recording = RecordingRule::new(Arc::clone(&rule.name), rule.expr.clone(), rule.labels.clone());
        return Rule::Recording(Box::new(recording));
    };
    let escaped: String = url::form_urlencoded::byte_serialize(rule.expr.to_string().as_bytes()).collect();
    Rule::Alerting(Box::new(AlertingRule::new(AlertingSpec {
        key: RuleKey {
            file: Arc::clone(&group.file),
            group: Arc::clone(&group.name),
            alert: Arc::clone(&rule.name),
            labels: rule.label_set().fingerprint(),
            nth,
        },
        expr: rule.expr.clone(),
        hold: alert.hold,
        keep_firing_for: alert.keep_firing_for,
        labels: rule.labels.clone(),
        annotations: alert.annotations.clone(),
        no_data: alert.no_data.unwrap_or(shared.no_data),
        reach: reach(&rule.expr, &shared.reaches),
        generator_url: format!("{}/graph?g0.expr={escaped}&g0.tab=1", shared.external_url).into(),
    })))
}
