//! `GET /api/v1/status/…` (spec prometheus A9, A11).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde::Serialize;

use super::success;
use crate::api::site::Site;

/// The Prometheus whose API this is: clients choose by it what to ask for.
const PROMETHEUS: &str = "3.14.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildJson {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    application: &'static str,
    application_version: &'static str,
}

#[derive(Serialize)]
struct ConfigJson {
    yaml: Arc<str>,
}

/// What was built. `version` is that of the Prometheus that botwatch stands for.
pub(in crate::api) async fn build_info(State(site): State<Arc<Site>>) -> Response {
    let build = site.metrics.build();
    success(BuildJson {
        version: PROMETHEUS,
        revision: build.revision,
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
        application: "botwatch",
        application_version: build.version,
    })
}

/// The configuration in force, secrets masked.
pub(in crate::api) async fn config(State(site): State<Arc<Site>>) -> Response {
    success(ConfigJson { yaml: site.status.config() })
}
