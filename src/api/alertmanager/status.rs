//! `GET /api/v2/status` and `/api/v2/receivers`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;

use super::{alerts::Named, query::time};
use crate::api::{body, failure::Failure, site::Site};

/// The Alertmanager whose API this is; amtool warns when it is of another version.
const ALERTMANAGER: &str = "0.34.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson<'s> {
    cluster: ClusterJson,
    config: ConfigJson<'s>,
    uptime: String,
    version_info: VersionJson<'s>,
}

#[derive(Serialize)]
struct ClusterJson {
    status: &'static str,
    peers: [(); 0],
}

#[derive(Serialize)]
struct ConfigJson<'s> {
    original: &'s str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionJson<'s> {
    branch: &'static str,
    build_date: &'static str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'s str,
    version: &'static str,
}

/// What of the configuration in force an Alertmanager reads, secrets masked, and since when this process runs.
pub(in crate::api) async fn status(State(site): State<Arc<Site>>) -> Response {
    let build = site.metrics.build();
    let config = site.status.alertmanager_config();
    let shown = StatusJson {
        cluster: ClusterJson { status: "disabled", peers: [] },
        config: ConfigJson { original: &config },
        uptime: time(site.started),
        version_info: VersionJson {
            branch: "",
            build_date: "",
            build_user: "",
            go_version: "",
            revision: build.revision,
            version: ALERTMANAGER,
        },
    };
    body::json(StatusCode::OK, &shown)
}

/// Receivers by name.
pub(in crate::api) async fn receivers(State(site): State<Arc<Site>>) -> Result<Response, Failure> {
    let names = site.read(|machine| machine.options().receivers.keys().cloned().collect::<Vec<_>>()).await;
    let named: Vec<Named> = names?.into_iter().map(|name| Named { name }).collect();
    Ok(body::json(StatusCode::OK, &named))
}
