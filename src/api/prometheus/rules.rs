//! `GET /api/v1/rules` (spec prometheus A7).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use botwatch_core::{
    model::{Duration, Labels, Matcher},
    promql::parse_selector,
};
use http::Uri;
use serde::Serialize;

use super::{AlertJson, success, time};
use crate::{
    api::{failure::Failure, params::Params, site::Site},
    evaluate::{GroupView, Health, RuleKind, RuleView},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Groups<'a> {
    groups: Vec<GroupJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupJson<'a> {
    name: &'a str,
    file: &'a str,
    rules: Vec<RuleJson<'a>>,
    interval: f64,
    limit: usize,
    evaluation_time: f64,
    last_evaluation: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RuleJson<'a> {
    Alerting(AlertingJson<'a>),
    Recording(RecordingJson<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertingJson<'a> {
    state: &'static str,
    name: &'a str,
    query: &'a str,
    duration: f64,
    keep_firing_for: f64,
    labels: &'a Labels,
    annotations: &'a Labels,
    alerts: Vec<AlertJson<'a>>,
    #[serde(flatten)]
    health: HealthJson<'a>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct RecordingJson<'a> {
    name: &'a str,
    query: &'a str,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    #[serde(flatten)]
    health: HealthJson<'a>,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthJson<'a> {
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
    evaluation_time: f64,
    last_evaluation: String,
}

/// What is asked for.
struct Wanted<'a> {
    alerting: bool,
    recording: bool,
    names: Vec<&'a str>,
    groups: Vec<&'a str>,
    files: Vec<&'a str>,
    selectors: Vec<Vec<Matcher>>,
    with_alerts: bool,
    limit: Option<usize>,
    from: Option<&'a str>,
}

/// Rule groups with their rules and alerts; groups of which no rule is left are left out.
pub(in crate::api) async fn rules(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::parse(uri.query());
    let wanted = Wanted::of(&params)?;
    let groups = site.rules.groups();
    Ok(success(wanted.page(&groups)?))
}

impl<'a> Wanted<'a> {
    fn of(params: &'a Params) -> Result<Self, Failure> {
        let (alerting, recording) = match params.first("type").map(str::to_ascii_lowercase).as_deref() {
            None => (true, true),
            Some("alert") => (true, false),
            Some("record") => (false, true),
            Some(other) => return Err(Failure::parameter("type", format!("not supported value {other:?}"))),
        };
        let selectors = params.all("match[]")?.into_iter().map(|text| {
            parse_selector(text).map_err(|errors| {
                let why = errors.first().map(|e| e.message.clone()).unwrap_or_default();
                Failure::parameter("match[]", format!("{why}: {text:?}"))
            })
        });
        let (limit, from) = (params.count("group_limit")?, params.first("group_next_token"));
        if from.is_some() && limit.is_none() {
            let why = "group_limit needs to be present in order to paginate over the groups";
            return Err(Failure::parameter("group_limit", why));
        }
        Ok(Self {
            alerting,
            recording,
            names: params.all("rule_name[]")?,
            groups: params.all("rule_group[]")?,
            files: params.all("file[]")?,
            selectors: selectors.collect::<Result<_, _>>()?,
            with_alerts: !params.flag("exclude_alerts")?,
            limit,
            from,
        })
    }

    fn page<'g>(&self, groups: &'g [GroupView]) -> Result<Groups<'g>, Failure> {
        let mut rest = groups;
        if let Some(from) = self.from {
            let start = groups.iter().position(|g| token(g) == from).ok_or_else(|| {
                let why = format!("invalid group_next_token '{from}'. were rule groups changed?");
                Failure::parameter("group_next_token", why)
            })?;
            rest = &groups[start..];
        }
        let mut page = Groups { groups: Vec::new(), group_next_token: None };
        for group in rest {
            let Some(json) = self.group(group) else { continue };
            if self.limit.is_some_and(|limit| page.groups.len() >= limit) {
                page.group_next_token = Some(token(group));
                break;
            }
            page.groups.push(json);
        }
        Ok(page)
    }

    fn group<'g>(&self, group: &'g GroupView) -> Option<GroupJson<'g>> {
        let chosen = |list: &[&str], value: &str| list.is_empty() || list.contains(&value);
        if !chosen(&self.groups, &group.name) || !chosen(&self.files, &group.file) {
            return None;
        }
        let rules = group.rules.iter().filter(|rule| chosen(&self.names, &rule.name) && self.wants(rule));
        let rules: Vec<RuleJson<'g>> = rules.map(|rule| self.rule(rule)).collect();
        (!rules.is_empty()).then(|| GroupJson {
            name: &group.name,
            file: &group.file,
            rules,
            interval: seconds(group.interval),
            limit: group.limit,
            evaluation_time: group.evaluation_seconds,
            last_evaluation: time(group.last_evaluation),
        })
    }

    fn wants(&self, rule: &RuleView) -> bool {
        let kind = match rule.kind {
            RuleKind::Alerting { .. } => self.alerting,
            RuleKind::Recording => self.recording,
        };
        let matches = |matchers: &Vec<Matcher>| matchers.iter().all(|m| m.matches_labels(&rule.labels));
        kind && (self.selectors.is_empty() || self.selectors.iter().any(matches))
    }

    fn rule<'g>(&self, rule: &'g RuleView) -> RuleJson<'g> {
        let health = HealthJson {
            health: rule.health.as_str(),
            last_error: rule.last_error.as_deref(),
            evaluation_time: rule.evaluation_seconds,
            last_evaluation: time(rule.last_evaluation),
        };
        match &rule.kind {
            RuleKind::Recording => RuleJson::Recording(RecordingJson {
                name: &rule.name,
                query: &rule.query,
                labels: &rule.labels,
                health,
                r#type: "recording",
            }),
            RuleKind::Alerting { hold, keep_firing_for, annotations, alerts } => {
                let state = if alerts.iter().any(|a| a.fired_at.is_some()) {
                    "firing"
                } else if !alerts.is_empty() {
                    "pending"
                } else if rule.health == Health::Unknown {
                    "unknown"
                } else {
                    "inactive"
                };
                let shown = if self.with_alerts { alerts.as_slice() } else { &[] };
                RuleJson::Alerting(AlertingJson {
                    state,
                    name: &rule.name,
                    query: &rule.query,
                    duration: seconds(*hold),
                    keep_firing_for: seconds(*keep_firing_for),
                    labels: &rule.labels,
                    annotations,
                    alerts: shown.iter().map(AlertJson::of).collect(),
                    health,
                    r#type: "alerting",
                })
            }
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Names a group between two pages.
fn token(group: &GroupView) -> String {
    Labels::from_pairs([("file", &*group.file), ("group", &*group.name)]).fingerprint().to_string()
}
