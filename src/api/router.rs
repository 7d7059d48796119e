//! Which path is whose.

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, patch, post},
};
use http::{Method, Uri};

use super::{
    alerting, alertmanager, failure::Failure, health, metrics, notifications, page, prometheus, site::Site,
};

/// All paths; those of metrics' labels.
const PATHS: &[&str] = &[
    "/",
    "/docs",
    "/graph",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/targets",
    "/api/v1/status/buildinfo",
    "/api/v1/status/config",
    "/api/v2/alerts",
    "/api/v2/alerts/groups",
    "/api/v2/receivers",
    "/api/v2/silences",
    "/api/v2/status",
    "/api/alerting/config",
    "/api/alerting/health",
    "/api/alerting/issues",
    "/api/alerting/issues/bulk",
    "/api/alerting/metrics",
    "/api/alerting/notifications",
    "/api/alerting/statistics",
    "/api/alerting/test",
    "/api/alerting/thresholds",
    "/api/alerting/webhook/alerts",
    "/api/alerting/webhook/grafana",
    "/api/alerting/webhook/prometheus",
];

/// Paths below which there are many.
const ABOVE_MANY: &[&str] = &["/docs", "/api/v2/silence", "/api/alerting/issues", "/api/alerting/thresholds"];

/// What metrics call a path.
pub(super) fn handler(path: &str) -> &'static str {
    let is_below = |above: &&&str| path.strip_prefix(**above).is_some_and(|rest| rest.starts_with('/'));
    PATHS.iter().find(|p| **p == path).or_else(|| ABOVE_MANY.iter().find(is_below)).map_or("other", |p| p)
}

pub(super) fn router(site: Arc<Site>) -> Router {
    // They have no state of their own.
    let pages = site.pages.clone().with_state(());
    Router::new()
        .route("/", get(page::page))
        // Links to expressions in messages: the page says what fires. Relative, so that it holds below a prefix.
        .route("/graph", get(|| async { axum::response::Redirect::to("./") }))
        .route("/metrics", get(metrics::metrics))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/-/reload", post(health::reload).put(health::reload))
        .route("/api/v1/rules", get(prometheus::rules))
        .route("/api/v1/alerts", get(prometheus::alerts))
        .route("/api/v1/targets", get(prometheus::targets))
        .route("/api/v1/status/buildinfo", get(prometheus::build_info))
        .route("/api/v1/status/config", get(prometheus::config))
        .route("/api/v2/alerts", get(alertmanager::alerts).post(alertmanager::receive))
        .route("/api/v2/alerts/groups", get(alertmanager::groups))
        .route("/api/v2/receivers", get(alertmanager::receivers))
        .route("/api/v2/silences", get(alertmanager::silences).post(alertmanager::set_silence))
        .route("/api/v2/silence/{id}", get(alertmanager::silence).delete(alertmanager::expire))
        .route("/api/v2/status", get(alertmanager::status))
        .route("/api/alerting/config", get(alerting::config))
        .route("/api/alerting/health", get(alerting::health))
        .route("/api/alerting/statistics", get(alerting::statistics))
        .route("/api/alerting/test", post(alerting::test))
        .route("/api/alerting/metrics", get(alerting::metrics).post(alerting::push))
        .route("/api/alerting/thresholds", get(alerting::thresholds))
        .route(
            "/api/alerting/thresholds/{metric}",
            patch(alerting::set_threshold).delete(alerting::unset_threshold),
        )
        .route("/api/alerting/issues", get(alerting::issues).post(alerting::report))
        .route("/api/alerting/issues/bulk", post(alerting::bulk))
        .route("/api/alerting/issues/{id}", get(alerting::issue))
        .route("/api/alerting/issues/{id}/resolve", patch(alerting::resolve).post(alerting::resolve))
        .route(
            "/api/alerting/issues/{id}/acknowledge",
            patch(alerting::acknowledge).post(alerting::acknowledge),
        )
        .route(
            "/api/alerting/issues/{id}/unacknowledge",
            patch(alerting::unacknowledge).post(alerting::unacknowledge),
        )
        .route("/api/alerting/issues/{id}/assign", patch(alerting::assign).post(alerting::assign))
        .route("/api/alerting/issues/{id}/escalate", post(alerting::escalate))
        .route("/api/alerting/issues/{id}/notes", post(alerting::note))
        .route("/api/alerting/webhook/alerts", post(alerting::webhook))
        .route("/api/alerting/webhook/grafana", post(alerting::grafana).put(alerting::grafana))
        .route("/api/alerting/webhook/prometheus", post(alerting::prometheus))
        .route("/api/alerting/notifications", get(notifications::notifications))
        .merge(pages)
        .fallback(async |uri: Uri| Failure::not_found(uri.path()))
        .method_not_allowed_fallback(async |method: Method| Failure::method(&method))
        .with_state(site)
}
