//! A group between its evaluations, and one evaluation.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    alerting::{Event, Refresh},
    model::{Labels, SourceId, Timestamp, Transition},
    promql::{Element, ExprKind, ParseOptions, SampleValue, Value, eval_instant, parse, walk},
    rules::{Group, Outcome, Rule, Written},
    template::{QuerySample, RuleContext, RuleTemplate},
    tsdb::{Commit, Head},
};
use parking_lot::Mutex;

use super::{
    ActiveAlertView, GroupView, Health, Options, Parts, RuleKind, RuleView, metrics::Metrics,
    sight::StoreSight,
};

/// Parsed templates of a group; more different ones than any rule file has are parsed anew each time.
const TEMPLATES_MAX: usize = 10_000;

/// Where botwatch is reached unless told otherwise; links of the shipped rules begin with it.
const DEFAULT_ADDRESS: &str = "http://127.0.0.1:9095";

/// What all evaluations work with.
pub(super) struct Context {
    pub(super) parts: Parts,
    pub(super) options: Arc<Options>,
    /// When this process began to look.
    pub(super) started: Timestamp,
    pub(super) metrics: Metrics,
}

/// A group, shared by the scheduler, the threads and those who look at it. The lock is held while it is evaluated.
pub(super) struct Cell {
    /// File and name: its identity over reloads.
    pub(super) key: (Arc<str>, Arc<str>),
    inner: Mutex<Inner>,
    /// As it was last seen between two evaluations, for who must not wait for one.
    seen: Mutex<Arc<GroupView>>,
    /// Frozen alerts by source, likewise.
    frozen: Mutex<BTreeMap<SourceId, usize>>,
}

struct Inner {
    group: Group,
    /// By text; `None` for one that doesn't parse, which the check of the file refuses.
    templates: BTreeMap<Arc<str>, Option<RuleTemplate>>,
    rules: Vec<Status>,
    last_evaluation: Option<Timestamp>,
    seconds: f64,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    iterations: u64,
    evaluations: u64,
    failures: u64,
}

#[derive(Debug, Clone)]
struct Status {
    health: Health,
    error: Option<String>,
    at: Option<Timestamp>,
    seconds: f64,
    samples: u64,
}

impl Status {
    const NEW: Self = Self { health: Health::Unknown, error: None, at: None, seconds: 0.0, samples: 0 };
}

impl Cell {
    pub(super) fn new(group: Group) -> Self {
        let rules = vec![Status::NEW; group.rules().len()];
        let key = (Arc::clone(&group.spec.file), Arc::clone(&group.spec.name));
        let inner = Inner {
            group,
            templates: BTreeMap::new(),
            rules,
            last_evaluation: None,
            seconds: 0.0,
            counts: Counts::default(),
        };
        let seen = Mutex::new(Arc::new(inner.view()));
        Self { key, inner: Mutex::new(inner), seen, frozen: Mutex::default() }
    }

    /// A successor under new options, with the state of its rules. What ended with the old one comes beside it.
    pub(super) fn succeed(&self, mut next: Group) -> (Self, Vec<Rule>) {
        let inner = self.inner.lock();
        let left = next.inherit(inner.group.clone());
        let cell = Self::new(next);
        let mut own = cell.inner.lock();
        own.counts = inner.counts;
        if own.group.spec == inner.group.spec {
            own.rules.clone_from(&inner.rules);
            own.last_evaluation = inner.last_evaluation;
            own.seconds = inner.seconds;
        }
        drop(own);
        (cell, left)
    }

    /// Whether two groups are configured alike.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (a, b) = (self.inner.lock(), other.inner.lock());
        a.group.spec == b.group.spec && a.group.interval == b.group.interval
    }

    /// Its rules' state, out of a group that is gone.
    pub(super) fn rules(&self) -> Vec<Rule> {
        self.inner.lock().group.rules().to_vec()
    }

    /// Gives the alerts of the journal back.
    pub(super) fn restore(
        &self,
        transitions: &[Transition],
        now: Timestamp,
        alive: Option<Timestamp>,
        source: &mut dyn FnMut(&str) -> SourceId,
    ) {
        self.inner.lock().group.restore(transitions, now, alive, source);
    }

    /// What its selectors find the samples of in the head.
    pub(super) fn sources(&self, head: &Head) -> Vec<SourceId> {
        let inner = self.inner.lock();
        let mut all = botwatch_core::model::Sources::NONE;
        for rule in &inner.group.spec.rules {
            walk(&rule.expr, &mut |e| {
                if let ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } = &e.kind {
                    all.merge(&head.sources_of(&s.matchers));
                }
            });
        }
        all.iter().collect()
    }

    /// Adds how many alerts are frozen because of each source; during an evaluation, how many were before it.
    pub(super) fn count_frozen(&self, counts: &mut BTreeMap<SourceId, usize>) {
        let mut frozen = self.frozen.lock();
        if let Some(inner) = self.inner.try_lock() {
            *frozen = inner.frozen();
        }
        for (id, count) in frozen.iter() {
            *counts.entry(*id).or_default() += count;
        }
    }

    /// Evaluates all rules at a time, in order, each committed before the next. Ends early when `dispatch` is gone.
    pub(super) fn evaluate(&self, context: &Context, at: Timestamp) {
        let mut inner = self.inner.lock();
        let watch = context.parts.clock.stopwatch();
        let mut fresh = Vec::new();
        for nth in 0..inner.rules.len() {
            if inner.step(nth, at, context, &mut fresh).is_err() {
                return;
            }
        }
        inner.last_evaluation = Some(at);
        inner.seconds = watch.seconds();
        inner.counts.iterations += 1;
        context.metrics.group_seconds.observe(inner.seconds);
        drop(inner);
        if !fresh.is_empty() {
            // Texts only: a dispatcher that is gone needs none.
            let _ = context.parts.dispatch.tell_blocking(Event::Refresh(fresh));
        }
    }

    /// An evaluation ended by a panic: a bug of botwatch, shown where failures of rules are shown.
    pub(super) fn broke(&self) {
        let mut inner = self.inner.lock();
        inner.counts.failures += 1;
        let name = Arc::clone(&inner.group.spec.name);
        tracing::error!(group = %name, "evaluating a rule group ended by a bug of botwatch; its alerts stay as they are");
        for status in &mut inner.rules {
            (status.health, status.error) = (Health::Bad, Some("a bug of botwatch; see the log".to_owned()));
        }
    }

    /// For the API: as it is now, or as it was before the evaluation that runs. Never waits. `missed` is the
    /// scheduler's.
    pub(super) fn view(&self, missed: u64) -> GroupView {
        if let Some(inner) = self.inner.try_lock() {
            *self.seen.lock() = Arc::new(inner.view());
        }
        let seen = Arc::clone(&self.seen.lock());
        GroupView { missed, ..(*seen).clone() }
    }

    /// The expression of the alerting rule that has this alert.
    pub(super) fn expr_of(&self, alert: &Labels) -> Option<botwatch_core::promql::Expr> {
        let inner = self.inner.lock();
        inner.group.rules().iter().find_map(|rule| match rule {
            Rule::Alerting(rule) if rule.alerts().any(|a| a.labels == alert) => Some(rule.spec.expr.clone()),
            _ => None,
        })
    }
}

/// The dispatcher is gone: botwatch stops.
struct Stopping;

impl Inner {
    fn step(
        &mut self,
        nth: usize,
        at: Timestamp,
        context: &Context,
        fresh: &mut Vec<Refresh>,
    ) -> Result<(), Stopping> {
        let Context { parts, options, metrics, .. } = context;
        let watch = parts.clock.stopwatch();
        let sight = StoreSight { store: &parts.store };
        let templates = &mut self.templates;
        let mut expand = |name: &str, text: &str, labels: &Labels, value: f64| {
            let result = expand(templates, context, at, (name, text), (labels, value));
            metrics.expansions.inc();
            if result.is_err() {
                metrics.expansion_failures.inc();
            }
            result
        };
        let result = self.group.step(nth, at, &parts.store, &options.eval, &sight, &mut expand);
        self.counts.evaluations += 1;
        let status = &mut self.rules[nth];
        status.at = Some(at);
        match result {
            Ok(outcome) => {
                status.samples = outcome.written.len() as u64;
                commit(context, outcome.at, &outcome.written);
                if status.health == Health::Bad {
                    tracing::info!(rule = rule_name(&self.group, nth), group = %self.group.spec.name, "a rule works again");
                }
                (status.health, status.error) = (Health::Good, None);
                hand_over(context, outcome, fresh)?;
            }
            Err(error) => {
                self.counts.failures += 1;
                let error = error.to_string();
                if status.error.as_ref() != Some(&error) {
                    tracing::warn!(rule = rule_name(&self.group, nth), group = %self.group.spec.name, error, "a rule fails; its alerts stay as they are");
                }
                (status.health, status.error) = (Health::Bad, Some(error));
            }
        }
        status.seconds = watch.seconds();
        Ok(())
    }

    fn frozen(&self) -> BTreeMap<SourceId, usize> {
        let mut counts = BTreeMap::new();
        for rule in self.group.rules() {
            let Rule::Alerting(rule) = rule else { continue };
            for alert in rule.alerts().filter(|a| a.frozen_since.is_some()) {
                alert.sources.iter().for_each(|id| *counts.entry(id).or_default() += 1);
            }
        }
        counts
    }

    fn view(&self) -> GroupView {
        let group = &self.group;
        GroupView {
            name: Arc::clone(&group.spec.name),
            file: Arc::clone(&group.spec.file),
            interval: group.interval,
            limit: group.spec.limit,
            last_evaluation: self.last_evaluation,
            evaluation_seconds: self.seconds,
            iterations: self.counts.iterations,
            missed: 0,
            evaluations: self.counts.evaluations,
            failures: self.counts.failures,
            rules: (0..self.rules.len()).map(|nth| self.rule_view(nth)).collect(),
        }
    }

    fn rule_view(&self, nth: usize) -> RuleView {
        let (spec, rule, status) = (&self.group.spec.rules[nth], &self.group.rules()[nth], &self.rules[nth]);
        let kind = match (rule, &spec.alert) {
            (Rule::Alerting(rule), Some(alert)) => RuleKind::Alerting {
                hold: alert.hold,
                keep_firing_for: alert.keep_firing_for,
                annotations: Labels::from_pairs(alert.annotations.iter().map(|(n, v)| (n, v))),
                alerts: rule.alerts().map(active_view).collect(),
            },
            _ => RuleKind::Recording,
        };
        RuleView {
            name: Arc::clone(&spec.name),
            query: spec.expr.to_string(),
            labels: spec.label_set(),
            health: status.health,
            last_error: status.error.clone(),
            last_evaluation: status.at,
            evaluation_seconds: status.seconds,
            samples: status.samples,
            kind,
        }
    }
}

fn active_view(alert: botwatch_core::rules::RuleView<'_>) -> ActiveAlertView {
    ActiveAlertView {
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        value: alert.value,
        active_at: alert.since,
        fired_at: alert.fired_at,
        keep_firing_since: alert.keep_since,
        frozen_since: alert.frozen_since,
    }
}

fn rule_name(group: &Group, nth: usize) -> String {
    group.spec.rules.get(nth).map_or_else(String::new, |r| r.name.to_string())
}

fn hand_over(context: &Context, outcome: Outcome, fresh: &mut Vec<Refresh>) -> Result<(), Stopping> {
    for warning in outcome.warnings {
        tracing::warn!(warning, "a template failed");
    }
    fresh.extend(outcome.refreshed.into_iter().map(|r| Refresh {
        labels: r.labels,
        annotations: r.annotations,
        value: r.value,
    }));
    if outcome.transitions.is_empty() {
        return Ok(());
    }
    context.parts.dispatch.transitions(outcome.transitions).map_err(|_| Stopping)
}

/// Commits what a rule wrote.
pub(super) fn commit(context: &Context, at: Timestamp, written: &[Written]) {
    if written.is_empty() {
        return;
    }
    let store = &context.parts.store;
    let ids = store.series(written.iter().map(|w| (&w.labels, &w.sources)));
    let refused = ids.iter().filter(|id| id.is_none()).count();
    context.metrics.samples_refused.inc_by(refused as u64);
    let samples = ids.iter().zip(written).filter_map(|(id, w)| id.map(|id| (id, at, w.value))).collect();
    store.commit(Commit { samples, sources: Vec::new() });
}

fn expand(
    templates: &mut BTreeMap<Arc<str>, Option<RuleTemplate>>,
    context: &Context,
    at: Timestamp,
    (name, text): (&str, &str),
    (labels, value): (&Labels, f64),
) -> Result<String, String> {
    if !text.contains("{{") {
        // The shipped rules work in a plain Prometheus, too, and can name only the default address. Here the pages
        // are reached where people reach this botwatch.
        let page = text.strip_prefix(DEFAULT_ADDRESS).filter(|_| name == "runbook_url");
        return Ok(
            page.map_or_else(|| text.to_owned(), |page| format!("{}{page}", context.options.external_url()))
        );
    }
    if !templates.contains_key(text) {
        if templates.len() >= TEMPLATES_MAX {
            templates.clear();
        }
        templates.insert(text.into(), RuleTemplate::parse(name, text).ok());
    }
    let Some(Some(template)) = templates.get(text) else {
        return Err("the template does not parse".to_owned());
    };
    let options = &context.options;
    let rule = RuleContext {
        labels,
        value,
        external_labels: &options.external_labels,
        external_url: &options.external_url(),
        now: at,
    };
    template.expand(&rule, &mut |query| samples(query, at, context)).map_err(|e| e.to_string())
}

/// `query` in a template.
fn samples(query: &str, at: Timestamp, context: &Context) -> Result<Vec<QuerySample>, String> {
    let expr = parse(query, &ParseOptions::default())
        .map_err(|errors| errors.first().map_or_else(String::new, |e| e.message.clone()))?;
    let found =
        eval_instant(&expr, at, &context.options.eval, &context.parts.store).map_err(|e| e.to_string())?;
    match found.value {
        Value::Vector(elements) => Ok(elements.into_iter().map(query_sample).collect()),
        Value::Scalar(value) => Ok(vec![QuerySample { labels: Labels::empty(), value }]),
        Value::String(_) | Value::Matrix(_) => Err("query result is not a vector or scalar".to_owned()),
    }
}

fn query_sample(element: Element) -> QuerySample {
    let SampleValue::Float(value) = element.value else {
        return QuerySample { labels: element.labels, value: f64::NAN };
    };
    QuerySample { labels: element.labels, value }
}
