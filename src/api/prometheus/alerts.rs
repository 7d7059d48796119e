//! `GET /api/v1/alerts` (spec prometheus A8).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::Serialize;

use super::{AlertJson, success};
use crate::{api::site::Site, evaluate::RuleKind};

#[derive(Serialize)]
struct Alerts<'a> {
    alerts: Vec<AlertJson<'a>>,
}

/// Pending and firing alerts of our own rules, in the order of files, groups and rules.
pub(in crate::api) async fn alerts(State(site): State<Arc<Site>>) -> Response {
    let groups = site.rules.groups();
    let rules = groups.iter().flat_map(|g| &g.rules);
    let alerts = rules.filter_map(|rule| match &rule.kind {
        RuleKind::Alerting { alerts, .. } => Some(alerts),
        RuleKind::Recording => None,
    });
    success(Alerts { alerts: alerts.flatten().map(AlertJson::of).collect() })
}
