//! `GET /api/v1/targets` (spec prometheus A10).

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use botwatch_core::model::Labels;
use http::Uri;
use serde::Serialize;

use super::{success, time};
use crate::{
    api::{params::Params, site::Site},
    net::{looks_secret, mask_url},
};

/// What is shown in place of a secret, as in a printed configuration.
const MASK: &str = "<secret>";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetsJson<'a> {
    active_targets: Vec<ActiveJson<'a>>,
    dropped_targets: Vec<DroppedJson<'a>>,
    dropped_target_counts: BTreeMap<&'a str, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveJson<'a> {
    discovered_labels: Labels,
    labels: &'a Labels,
    scrape_pool: &'a str,
    scrape_url: String,
    global_url: String,
    last_error: &'a str,
    last_scrape: String,
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedJson<'a> {
    discovered_labels: Labels,
    scrape_pool: &'a str,
}

/// Targets; `state` is `active`, `dropped` or `any`, and `scrapePool` a job.
pub(in crate::api) async fn targets(State(site): State<Arc<Site>>, uri: Uri) -> Response {
    let params = Params::parse(uri.query());
    let state = params.first("state").unwrap_or("any").to_ascii_lowercase();
    let pool = params.first("scrapePool");
    let all = site.targets.targets();
    let mut json = TargetsJson {
        active_targets: Vec::new(),
        dropped_targets: Vec::new(),
        dropped_target_counts: BTreeMap::new(),
    };
    for target in all.iter().filter(|t| pool.is_none_or(|p| *t.pool == *p)) {
        let dropped = json.dropped_target_counts.entry(&*target.pool).or_default();
        match &target.active {
            Some(active) if state != "dropped" => json.active_targets.push(ActiveJson {
                discovered_labels: masked(&target.discovered),
                labels: &active.labels,
                scrape_pool: &target.pool,
                scrape_url: mask_url(&active.url),
                global_url: mask_url(&active.global_url),
                last_error: &active.last_error,
                last_scrape: time(active.last_scrape),
                last_scrape_duration: active.last_scrape_seconds,
                health: active.health.as_str(),
                scrape_interval: active.interval.to_string(),
                scrape_timeout: active.timeout.to_string(),
            }),
            Some(_) => {}
            None => {
                *dropped += 1;
                if state != "active" {
                    json.dropped_targets.push(DroppedJson {
                        discovered_labels: masked(&target.discovered),
                        scrape_pool: &target.pool,
                    });
                }
            }
        }
    }
    success(json)
}

/// Parameters of the scrape's address are labels before relabelling; those that look secret are masked.
fn masked(labels: &Labels) -> Labels {
    let secret = |name: &str| name.strip_prefix("__param_").is_some_and(looks_secret);
    if !labels.iter().any(|(name, _)| secret(name)) {
        return labels.clone();
    }
    Labels::from_pairs(labels.iter().map(|(name, value)| (name, if secret(name) { MASK } else { value })))
}
