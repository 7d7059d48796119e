//! Parameters of API v2, and times as it prints them.

use botwatch_core::{
    alerting::matchers,
    model::{Labels, MatchOp, Matcher, Timestamp},
};
use http::Uri;

use super::business;
use crate::api::{failure::Failure, params::Params};

/// What Alertmanager's framework reads as true; all else is false (spec alertmanager §3.1).
const TRUE: [&str; 9] = ["true", "1", "yes", "y", "on", "t", "ok", "enabled", "checked"];

/// The parameters of a request.
pub(super) struct Query {
    params: Params,
    /// All must match.
    pub filter: Vec<Matcher>,
    receiver: Option<Matcher>,
}

impl Query {
    /// # Errors
    /// When a filter is no matcher, or `receiver` no pattern.
    pub(super) fn of(uri: &Uri) -> Result<Self, Failure> {
        let params = Params::parse(uri.query());
        if params.first("receiver_matchers").is_some() {
            return Err(business(
                "receiver_matchers is not supported by this version: receivers have no labels",
            ));
        }
        let mut filter = Vec::new();
        for text in params.all("filter")? {
            let parsed = matchers::parse_one(text);
            filter.push(parsed.map_err(|e| business(format!("bad matcher format: {}", e.message)))?);
        }
        let receiver = match params.first("receiver") {
            Some(pattern) => Some(
                Matcher::new("receiver", MatchOp::Regex, pattern)
                    .map_err(|e| business(format!("failed to parse receiver param: {e}")))?,
            ),
            None => None,
        };
        Ok(Self { params, filter, receiver })
    }

    /// A flag that is on unless it is switched off.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.params
            .first(name)
            .is_none_or(|v| TRUE.contains(&v.to_ascii_lowercase().as_str()) || v == "selected")
    }

    pub(super) fn matches(&self, labels: &Labels) -> bool {
        self.filter.iter().all(|m| m.matches_labels(labels))
    }

    pub(super) fn names_receiver(&self, receiver: &str) -> bool {
        self.receiver.as_ref().is_none_or(|m| m.matches(receiver))
    }
}

/// RFC 3339 in UTC with three digits behind the second, as Alertmanager prints times.
pub(super) fn time(at: Timestamp) -> String {
    let second = Timestamp(at.0 - at.0.rem_euclid(1000)).rfc3339();
    format!("{}.{:03}Z", second.trim_end_matches('Z'), at.0.rem_euclid(1000))
}
