//! `/api/alerting/metrics` and `/api/alerting/thresholds`: how the bot performs, and what that is compared with.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    response::Response,
};
use botwatch_core::{
    alerting::Machine,
    model::{Direction, METRIC_NAME, MatchOp, Matcher, SEVERITY, THRESHOLD_METRIC, Threshold, Timestamp},
    promql::{self, EvalOptions, ExprKind, ParseOptions, SampleValue, Value as Result_, eval_instant},
    signals::{self, SEVERITIES, signal},
};
use http::{Request, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;

use crate::{
    api::{
        access::Caller,
        body,
        failure::{Failure, Wrong},
        form,
        form::Form,
        params::Params,
        router::Audited,
        site::Site,
    },
    collect::push::{Push, PushError, ThresholdView},
    evaluate::GroupView,
};

/// Pushes of one request.
const PUSHES_MAX: usize = 1000;
/// Bytes of a metric's name.
const NAME_MAX: usize = 200;
/// Series of one signal that are shown.
const SERIES_MAX: usize = 100;

#[derive(Serialize)]
struct Metrics {
    metrics: Vec<MetricJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricJson {
    metric: Arc<str>,
    /// `signal`: measured; `pushed`: what the bot says itself.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    direction: &'static str,
    /// By severity.
    thresholds: BTreeMap<Arc<str>, f64>,
    /// The worst of its values: `ok`, a severity, or `unknown` where there is none.
    state: Arc<str>,
    values: Vec<ValueJson>,
}

#[derive(Serialize)]
struct ValueJson {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    value: f64,
    state: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Arc<str>>,
}

/// The newest values of all signals and pushed metrics, with thresholds and state.
pub(in crate::api) async fn metrics(State(site): State<Arc<Site>>) -> Result<Response, Failure> {
    let views = site.pushes.thresholds().await?;
    let mut by_metric: BTreeMap<Arc<str>, Vec<Threshold>> = BTreeMap::new();
    for view in views {
        by_metric.entry(Arc::clone(&view.threshold.metric)).or_default().push(view.threshold);
    }
    let (store, now) = (site.store.clone(), site.clock.now());
    let measured = site.tasks.blocking(move || {
        let options = EvalOptions::prometheus();
        let values = signals::SIGNALS.iter().map(|signal| {
            let expr = promql::parse(signal.expr, &ParseOptions::default()).expect("a constant");
            let found = eval_instant(&expr, now, &options, &store).map(|e| e.value);
            let Ok(Result_::Vector(elements)) = found else { return Vec::new() };
            let value = |v: &SampleValue| match v {
                SampleValue::Float(v) if v.is_finite() => Some(*v),
                _ => None,
            };
            let shown = elements.iter().take(SERIES_MAX).filter_map(|e| {
                let labels = e.labels.iter().filter(|(n, _)| *n != METRIC_NAME);
                let labels = labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                Some((labels, value(&e.value)?))
            });
            shown.collect::<Vec<(BTreeMap<String, String>, f64)>>()
        });
        values.collect::<Vec<_>>()
    });
    let measured = measured.await.ok_or(crate::dispatch::Gone)?;
    let none = Vec::new();
    let of_signals = signals::SIGNALS.iter().zip(measured).map(|(signal, values)| {
        let thresholds = by_metric.get(signal.metric).unwrap_or(&none);
        let values = values.into_iter().map(|(labels, value)| ValueJson {
            labels,
            value,
            state: state(thresholds, value),
            at: None,
            by: None,
        });
        metric(
            signal.metric.into(),
            "signal",
            Some(signal.unit),
            signal.direction,
            thresholds,
            values.collect(),
        )
    });
    let mut all: Vec<MetricJson> = of_signals.collect();
    for pushed in site.pushes.pushed() {
        let thresholds = by_metric.get(&pushed.metric).unwrap_or(&none);
        let direction = thresholds.first().map_or(Direction::Above, |t| t.direction);
        let value = ValueJson {
            labels: BTreeMap::new(),
            value: pushed.value,
            state: state(thresholds, pushed.value),
            at: Some(pushed.at.rfc3339()),
            by: Some(pushed.pusher),
        };
        all.push(metric(pushed.metric, "pushed", None, direction, thresholds, vec![value]));
    }
    Ok(body::json(StatusCode::OK, &Metrics { metrics: all }))
}

fn metric(
    metric: Arc<str>,
    kind: &'static str,
    unit: Option<&'static str>,
    direction: Direction,
    thresholds: &[Threshold],
    values: Vec<ValueJson>,
) -> MetricJson {
    let rank = |state: &str| SEVERITIES.iter().position(|s| *s == state).map_or(0, |n| n + 1);
    let worst = values.iter().map(|v| &v.state).max_by_key(|s| rank(s)).cloned();
    MetricJson {
        metric,
        kind,
        unit,
        direction: direction.as_str(),
        thresholds: thresholds.iter().map(|t| (Arc::clone(&t.severity), t.value)).collect(),
        state: worst.unwrap_or_else(|| "unknown".into()),
        values,
    }
}

/// The worst threshold that a value lies beyond.
fn state(thresholds: &[Threshold], value: f64) -> Arc<str> {
    let beyond = thresholds.iter().rev().find(|t| t.direction.is_beyond(value, t.value));
    beyond.map_or_else(|| "ok".into(), |t| Arc::clone(&t.severity))
}

#[derive(Serialize)]
struct Received {
    received: usize,
}

/// Takes pushed values; rules see them with their next evaluation.
pub(in crate::api) async fn push(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (all, is_list) = match form::json(&site, request).await? {
        Value::Array(all) => (all, true),
        one => (vec![one], false),
    };
    if all.len() > PUSHES_MAX {
        return Err(Failure::bad_data(format!(
            "{} values, of which {PUSHES_MAX} are taken at once",
            all.len()
        )));
    }
    let (mut pushes, mut problems) = (Vec::with_capacity(all.len()), Vec::new());
    for (index, one) in all.into_iter().enumerate() {
        let at = if is_list { format!("/{index}") } else { String::new() };
        match Form::at(one, at) {
            Ok(mut form) => {
                pushes.extend(read(&mut form));
                problems.extend(form.problems());
            }
            Err(wrong) => problems.push(wrong),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::wrong(problems));
    }
    let received = pushes.len();
    let brings_thresholds = pushes.iter().any(|p| p.threshold.is_some());
    site.pushes.push(&caller.name(), &pushes).map_err(|error| match error {
        PushError::TooMany => Failure::conflict(error.to_string()),
        PushError::Time { .. } => {
            Failure::wrong(vec![Wrong { pointer: "#/timestamp".to_owned(), detail: error.to_string() }])
        }
    })?;
    if brings_thresholds {
        site.pushes.refresh().await?;
    }
    Ok(body::json(StatusCode::ACCEPTED, &Received { received }))
}

fn read(form: &mut Form) -> Option<Push> {
    let metric = form.required("metric", NAME_MAX);
    if let Some(why) = (!metric.is_empty()).then(|| misnamed(&metric)).flatten() {
        form.complain("metric", why);
    }
    let value = form.number("value");
    if value.is_none() && !form.has_complaint("value") {
        form.complain("value", "is needed: a number");
    }
    let (threshold, at) = (form.number("threshold"), form.time("timestamp"));
    Some(Push { metric: metric.into(), value: value?, threshold, at })
}

/// What is wrong with a metric's name.
fn misnamed(metric: &str) -> Option<&'static str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.:-/".contains(c);
    (!metric.chars().all(fine)).then_some("expected letters, digits and _ . : - / only")
}

#[derive(Serialize)]
struct Thresholds {
    thresholds: Vec<MetricThresholds>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricThresholds {
    metric: Arc<str>,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    levels: BTreeMap<Arc<str>, Level>,
    /// What a reader should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Level {
    value: f64,
    /// `shipped`, `pushed`, `file` or `set`.
    origin: &'static str,
    /// What it would be had nobody set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<Otherwise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set_by: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set_at: Option<String>,
    /// Rules that compare with it.
    rules: Vec<Arc<str>>,
}

#[derive(Serialize)]
struct Otherwise {
    value: f64,
    origin: &'static str,
}

/// The thresholds in force, with where each comes from and which rules compare with it.
pub(in crate::api) async fn thresholds(State(site): State<Arc<Site>>) -> Result<Response, Failure> {
    let views = site.pushes.thresholds().await?;
    let thresholds = grouped(&views, &site.rules.groups());
    Ok(body::json(StatusCode::OK, &Thresholds { thresholds }))
}

fn grouped(views: &[ThresholdView], groups: &[GroupView]) -> Vec<MetricThresholds> {
    let compared = Compared::of(groups);
    let mut all: Vec<MetricThresholds> = Vec::new();
    for view in views {
        let t = &view.threshold;
        if all.last().is_none_or(|m| m.metric != t.metric) {
            all.push(MetricThresholds {
                metric: Arc::clone(&t.metric),
                direction: t.direction.as_str(),
                unit: signal(&t.metric).map(|s| s.unit),
                levels: BTreeMap::new(),
                note: None,
            });
        }
        let rules = compared.rules(t);
        let level = Level {
            value: t.value,
            origin: view.origin.as_str(),
            otherwise: view.otherwise.map(|(value, origin)| Otherwise { value, origin: origin.as_str() }),
            set_by: view.set.as_ref().map(|(by, _)| Arc::clone(by)),
            set_at: view.set.as_ref().map(|(_, at)| at.rfc3339()),
            rules,
        };
        let metric = all.last_mut().expect("one was pushed");
        if level.rules.is_empty() {
            metric.note = Some("no loaded rule compares with it: nobody is told");
        }
        metric.levels.insert(Arc::clone(&t.severity), level);
    }
    all
}

/// The selectors of thresholds in rules.
struct Compared(Vec<(Arc<str>, Vec<Matcher>)>);

impl Compared {
    fn of(groups: &[GroupView]) -> Self {
        let mut found = Vec::new();
        for rule in groups.iter().flat_map(|g| &g.rules).filter(|r| r.query.contains(THRESHOLD_METRIC)) {
            let Ok(expr) = promql::parse(&rule.query, &ParseOptions::default()) else { continue };
            promql::walk(&expr, &mut |e| {
                if let ExprKind::Selector(selector) = &e.kind {
                    let names = |m: &Matcher| &*m.name == METRIC_NAME && m.op == MatchOp::Equal;
                    if selector.matchers.iter().any(|m| names(m) && &*m.value == THRESHOLD_METRIC) {
                        found.push((Arc::clone(&rule.name), selector.matchers.clone()));
                    }
                }
            });
        }
        Self(found)
    }

    fn rules(&self, t: &Threshold) -> Vec<Arc<str>> {
        let value = |name: &str| match name {
            METRIC_NAME => THRESHOLD_METRIC,
            "metric" => &*t.metric,
            SEVERITY => &*t.severity,
            "direction" => t.direction.as_str(),
            _ => "",
        };
        let chosen = self.0.iter().filter(|(_, matchers)| matchers.iter().all(|m| m.matches(value(&m.name))));
        let mut rules: Vec<Arc<str>> = chosen.map(|(name, _)| Arc::clone(name)).collect();
        rules.sort();
        rules.dedup();
        rules
    }
}

/// Sets thresholds of a metric: those that are given, the others stay. `null` goes back to what it would be otherwise.
pub(in crate::api) async fn set(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(metric): Path<String>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let name: Arc<str> = metric.as_str().into();
    if metric.is_empty() || metric.len() > NAME_MAX || misnamed(&metric).is_some() {
        return Err(Failure::bad_data(format!("{metric:?} is no metric's name")));
    }
    let given = form::json(&site, request).await?;
    let removed: Vec<&str> =
        SEVERITIES.into_iter().filter(|s| given.get(s).is_some_and(Value::is_null)).collect();
    let mut form = Form::new(given)?;
    let levels: Vec<(&str, Option<f64>)> = SEVERITIES.into_iter().map(|s| (s, form.number(s))).collect();
    let direction = form.choice("direction", &["above", "below"]).and_then(Direction::parse);
    let before = site.pushes.thresholds().await?;
    let known = before.iter().find(|v| v.threshold.metric == name).map(|v| v.threshold.direction);
    let turned = direction.filter(|d| known.is_some_and(|k| k != *d));
    let direction = direction.or(known).unwrap_or_default();
    let new: Vec<Threshold> = levels
        .iter()
        .filter_map(|(severity, value)| {
            let severity = Arc::from(*severity);
            Some(Threshold { metric: Arc::clone(&name), severity, direction, value: (*value)? })
        })
        .collect();
    if new.is_empty() && removed.is_empty() && !form.has_complaints() {
        form.complain("warning", "is needed, or critical, or emergency: a number");
    }
    for threshold in &new {
        if let Some(why) = signals::objection(threshold) {
            form.complain(&threshold.severity, why);
        }
    }
    // A metric has one direction.
    let stays = |v: &&ThresholdView| {
        let of = &v.threshold;
        of.metric == name
            && !new.iter().any(|t| t.severity == of.severity)
            && !removed.contains(&&*of.severity)
    };
    if turned.is_some() && before.iter().any(|v| stays(&v)) {
        form.complain("direction", "can only be turned together with all of its thresholds");
    }
    let mut all: Vec<Threshold> = before.iter().filter(stays).map(|v| v.threshold.clone()).collect();
    all.extend(new.iter().cloned());
    if let Some((severity, why)) = out_of_order(&all) {
        form.complain(&severity, why);
    }
    form.finish()?;
    let (by, of) = (caller.name(), Arc::clone(&name));
    let removed: Vec<String> = removed.into_iter().map(str::to_owned).collect();
    let made = site
        .change(move |machine: &mut Machine, now: Timestamp, effects| {
            for severity in &removed {
                machine.unset_thresholds(now, &by, &of, Some(severity), effects);
            }
            machine.set_thresholds(now, &by, new, effects)
        })
        .await?;
    made.map_err(|e| Failure::conflict(e.to_string()))?;
    answer(&site, &name, levels_of(&before, &name)).await
}

/// The first severity whose threshold would be crossed before a lesser one's.
fn out_of_order(all: &[Threshold]) -> Option<(String, String)> {
    let value = |severity: &str| all.iter().find(|t| &*t.severity == severity);
    let mut before: Option<&Threshold> = None;
    for severity in SEVERITIES {
        let Some(t) = value(severity) else { continue };
        if let Some(lesser) = before.filter(|lesser| t.direction.is_beyond(lesser.value, t.value)) {
            let why = format!("{} would be crossed before {} ({})", t.value, lesser.severity, lesser.value);
            return Some((severity.to_owned(), why));
        }
        before = Some(t);
    }
    None
}

/// What was set for a metric is taken back: the file's, the push's or the shipped threshold is in force again.
pub(in crate::api) async fn unset(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(metric): Path<String>,
    uri: Uri,
) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    params.known(&["severity"])?;
    let severity = params.first("severity").map(str::to_owned);
    if let Some(unknown) = severity.as_deref().filter(|s| !SEVERITIES.contains(s)) {
        let why = format!("{unknown:?} is none of {}", SEVERITIES.join(", "));
        return Err(Failure::parameter("severity", why));
    }
    let (by, of) = (caller.name(), metric.clone());
    let change = move |machine: &mut Machine, now: Timestamp, effects: &mut Vec<_>| {
        machine.unset_thresholds(now, &by, &of, severity.as_deref(), effects)
    };
    let before = levels_of(&site.pushes.thresholds().await?, &metric);
    if site.change(change).await? == 0 {
        return Err(Failure::missing(format!("no threshold of {metric:?} was set here")));
    }
    answer(&site, &metric, before).await
}

/// A metric's thresholds by severity, for the audit log.
fn levels_of(views: &[ThresholdView], metric: &str) -> Value {
    let own = views.iter().filter(|v| &*v.threshold.metric == metric);
    own.map(|v| (v.threshold.severity.to_string(), Value::from(v.threshold.value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A metric's thresholds as they are from now on, once rules can see them.
async fn answer(site: &Site, metric: &str, before: Value) -> Result<Response, Failure> {
    site.pushes.refresh().await?;
    let views = site.pushes.thresholds().await?;
    let own: Vec<ThresholdView> = views.into_iter().filter(|v| &*v.threshold.metric == metric).collect();
    let after = levels_of(&own, metric);
    let mut response = match grouped(&own, &site.rules.groups()).pop() {
        Some(shown) => body::json(StatusCode::OK, &shown),
        None => {
            let direction = Direction::default().as_str();
            let levels = BTreeMap::new();
            let none = MetricThresholds { metric: metric.into(), direction, unit: None, levels, note: None };
            body::json(StatusCode::OK, &none)
        }
    };
    response.extensions_mut().insert(Audited { before, after });
    Ok(response)
}
