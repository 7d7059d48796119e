//! `GET /metrics`: the bot's signals, rule and alert state, and botwatch's own health, in text or OpenMetrics.

mod families;
mod machine;
mod rules;
mod signals;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use botwatch_core::exposition::{Family, MetricType, negotiate, write};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::site::Site;
use crate::samples::{Metric, MetricKind};
use families::{Families, family};

/// Everything that botwatch says of the bot and itself. No series appears twice: of two the first stays.
pub(super) async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let dialect = negotiate(&accept.join(","));
    let text = write(&all(&site).await, dialect);
    let media = HeaderValue::from_str(&dialect.content_type());
    let media = media.unwrap_or(HeaderValue::from_static("text/plain"));
    let vary = HeaderValue::from_static("Accept");
    (StatusCode::OK, [(header::CONTENT_TYPE, media), (header::VARY, vary)], Body::from(text)).into_response()
}

async fn all(site: &Site) -> Vec<Family> {
    let mut all = Families::default();
    all.extend(site.metrics.families());
    all.extend(site.store.metrics().iter().map(stored));
    all.extend(rules::families(&site.rules.groups()));
    all.extend(status(site));
    // When the dispatcher has stopped, what it knows is missing, and the rest is still worth having.
    if let Ok(machine) = site.read(machine::Summary::of).await {
        all.extend(machine.families());
    }
    all.extend(signals::families(&site.store, site.clock.now()));
    all.finish()
}

fn stored(metric: &Metric) -> Family {
    let kind = match metric.kind {
        MetricKind::Counter => MetricType::Counter,
        MetricKind::Gauge => MetricType::Gauge,
    };
    family(metric.name, kind, metric.help, [(metric.label.as_slice(), metric.value)])
}

fn status(site: &Site) -> Vec<Family> {
    let view = site.status.view();
    let gauge = |name, help, value| family(name, MetricType::Gauge, help, [(&[][..], value)]);
    let mut all = vec![
        gauge(
            "prometheus_config_last_reload_successful",
            "Whether the last configuration reload attempt was successful.",
            f64::from(u8::from(view.reload_error.is_none())),
        ),
        gauge(
            "botwatch_ready",
            "Whether configuration, journal and alert state are loaded.",
            f64::from(u8::from(view.not_ready.is_none())),
        ),
    ];
    all.extend(view.loaded_at.map(|at| {
        gauge(
            "prometheus_config_last_reload_success_timestamp_seconds",
            "Timestamp of the last successful configuration reload.",
            at.as_secs_f64(),
        )
    }));
    all
}
