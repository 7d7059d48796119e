//! Which path is whose.

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use http::{Method, Uri};

use super::{alertmanager, failure::Failure, health, metrics, notifications, page, prometheus, site::Site};

/// All paths; those of metrics' labels.
pub(super) const PATHS: &[&str] = &[
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
    "/api/alerting/notifications",
];

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
        .route("/api/v2/alerts", post(alertmanager::receive))
        .route("/api/alerting/notifications", get(notifications::notifications))
        .merge(pages)
        .fallback(async |uri: Uri| Failure::not_found(uri.path()))
        .method_not_allowed_fallback(async |method: Method| Failure::method(&method))
        .with_state(site)
}
