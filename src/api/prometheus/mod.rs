//! Prometheus' API as far as it is served (spec prometheus §5), at its paths and in its shapes. Fields that
//! Prometheus doesn't have are additions: `frozenSince`.

mod alerts;
mod rules;
mod status;
mod targets;
#[cfg(test)]
mod tests;

use axum::response::Response;
use botwatch_core::model::{Labels, Timestamp};
use http::StatusCode;
use serde::Serialize;

use super::body;
use crate::evaluate::ActiveAlertView;

pub(super) use alerts::alerts;
pub(super) use rules::rules;
pub(super) use status::{build_info, config};
pub(super) use targets::targets;

/// The envelope of what went well.
#[derive(Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
}

fn success(data: impl Serialize) -> Response {
    body::json(StatusCode::OK, &Success { status: "success", data })
}

/// A pending or firing alert.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertJson<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    state: &'static str,
    active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_since: Option<String>,
    value: String,
}

impl<'a> AlertJson<'a> {
    fn of(alert: &'a ActiveAlertView) -> Self {
        Self {
            labels: &alert.labels,
            annotations: &alert.annotations,
            state: if alert.fired_at.is_some() { "firing" } else { "pending" },
            active_at: alert.active_at.rfc3339(),
            keep_firing_since: alert.keep_firing_since.map(Timestamp::rfc3339),
            frozen_since: alert.frozen_since.map(Timestamp::rfc3339),
            value: exponent(alert.value),
        }
    }
}

/// As Go's `FormatFloat(v, 'e', -1, 64)`: `1e+00`.
fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return botwatch_core::exposition::format_float(value);
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Go's zero time where there is none.
fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Timestamp::rfc3339)
}
