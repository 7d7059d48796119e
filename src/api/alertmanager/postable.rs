//! What a sender posts, and what is wrong with it.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::model::{Alert, Labels, Timestamp};
use serde::Deserialize;

use super::time;
use crate::api::failure::Failure;

/// The schema's code of what is missing.
pub(super) const REQUIRED: u16 = 602;
/// The schema's code of what has the wrong type.
const TYPE: u16 = 601;
/// What is wrong with an end before its start.
pub(super) const BACKWARDS: &str = "start time must be before end time";

/// Labels of an alert, and annotations, at most.
const PAIRS_MAX: usize = 64;
/// Bytes of a name at most.
const NAME_MAX: usize = 1 << 10;
/// Bytes of a label's value at most; an annotation's is bounded by the alert.
const LABEL_VALUE_MAX: usize = 8 << 10;
/// Bytes of an alert's names, values and link at most.
const ALERT_MAX: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    labels: Option<BTreeMap<String, Option<String>>>,
    annotations: Option<BTreeMap<String, Option<String>>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
}

/// Alerts, and what is wrong with the others.
#[derive(Debug, Default, PartialEq)]
pub(in crate::api) struct Parsed {
    /// With `starts_at` filled in and `ends_at` as received.
    pub alerts: Vec<Alert>,
    /// One text for each that is invalid.
    pub problems: Vec<String>,
}

/// Reads a body. `null` is an empty list.
///
/// # Errors
/// When it is no JSON of that shape (400), or breaks the schema (422); then nothing of it is taken.
pub(in crate::api) fn parse(body: &[u8], now: Timestamp) -> Result<Parsed, Failure> {
    let broken =
        |why: String| Failure::bad_data(format!("parsing alerts body from \"\" failed, because {why}"));
    let posted: Option<Vec<Option<Postable>>> =
        serde_json::from_slice(body).map_err(|e| broken(e.to_string()))?;
    let posted = posted.unwrap_or_default();
    let mut timed = Vec::with_capacity(posted.len());
    for one in &posted {
        let at = |text: Option<&String>| match text {
            Some(text) => time::parse(text).map_err(|()| broken(format!("parsing time {text:?}"))),
            None => Ok(None),
        };
        let Some(one) = one else {
            timed.push((None, None));
            continue;
        };
        timed.push((at(one.starts_at.as_ref())?, at(one.ends_at.as_ref())?));
    }
    for (index, one) in posted.iter().enumerate() {
        schema(index, one.as_ref())?;
    }
    let mut parsed = Parsed::default();
    for (index, (one, (starts_at, ends_at))) in posted.into_iter().flatten().zip(timed).enumerate() {
        if let Err(why) = bounded(&one) {
            parsed.problems.push(format!("alert {index}: {why}"));
            continue;
        }
        match alert(one, starts_at, ends_at, now) {
            Ok(alert) => parsed.alerts.push(alert),
            Err(problem) => parsed.problems.push(problem),
        }
    }
    Ok(parsed)
}

/// The schema's conditions, in the order in which Alertmanager looks at them.
fn schema(index: usize, one: Option<&Postable>) -> Result<(), Failure> {
    if let Some(url) = one.and_then(|o| o.generator_url.as_deref()).filter(|u| !is_request_uri(u)) {
        return Err(Failure::schema(
            TYPE,
            format!("{index}.generatorURL in body must be of type uri: {url:?}"),
        ));
    }
    if one.is_none_or(|o| o.labels.is_none()) {
        return Err(Failure::schema(REQUIRED, format!("{index}.labels in body is required")));
    }
    Ok(())
}

/// What Alertmanager doesn't ask: that an alert stays below sizes that no sender reaches by intent.
fn bounded(one: &Postable) -> Result<(), String> {
    let mut bytes = one.generator_url.as_ref().map_or(0, String::len);
    let kinds = [(&one.labels, "label", LABEL_VALUE_MAX), (&one.annotations, "annotation", ALERT_MAX)];
    for (pairs, kind, value_max) in kinds {
        let pairs = pairs.iter().flatten();
        let pairs: Vec<_> =
            pairs.filter_map(|(n, v)| Some((n, v.as_deref().filter(|v| !v.is_empty())?))).collect();
        if pairs.len() > PAIRS_MAX {
            return Err(format!("{} {kind}s, of which {PAIRS_MAX} are taken", pairs.len()));
        }
        for (name, value) in pairs {
            if name.len() > NAME_MAX {
                return Err(format!(
                    "a {kind}'s name of {} bytes, of which {NAME_MAX} are taken",
                    name.len()
                ));
            }
            if value.len() > value_max {
                return Err(format!(
                    "{kind} {name:?} has {} bytes, of which {value_max} are taken",
                    value.len()
                ));
            }
            bytes += name.len() + value.len();
        }
    }
    if bytes > ALERT_MAX {
        return Err(format!("{bytes} bytes of labels, annotations and link, of which {ALERT_MAX} are taken"));
    }
    Ok(())
}

/// As Go's `url.ParseRequestURI` decides: absolute, or an absolute path. Empty is left out.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.starts_with('/') {
        return !text.contains(|c: char| c.is_ascii_control());
    }
    match text.split_once(':') {
        Some((scheme, _)) => {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !text.contains(|c: char| c.is_ascii_control() || c == ' ')
        }
        None => false,
    }
}

fn alert(
    one: Postable,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Alert, String> {
    let starts_at = starts_at.or(ends_at).unwrap_or(now);
    if ends_at.is_some_and(|end| end < starts_at) {
        return Err(BACKWARDS.to_owned());
    }
    let labels = label_set(one.labels).map_err(|e| format!("invalid label set: {e}"))?;
    if labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    let annotations = label_set(one.annotations).map_err(|e| format!("invalid annotations: {e}"))?;
    let generator_url: Arc<str> = one.generator_url.unwrap_or_default().into();
    Ok(Alert { labels, annotations, starts_at, ends_at, updated_at: now, generator_url, timeout: false })
}

/// Empty values are left out before anything is checked.
fn label_set(pairs: Option<BTreeMap<String, Option<String>>>) -> Result<Labels, String> {
    let pairs = pairs.unwrap_or_default().into_iter();
    let pairs: Vec<(String, String)> =
        pairs.filter_map(|(n, v)| Some((n, v.filter(|v| !v.is_empty())?))).collect();
    match pairs.iter().find(|(name, _)| name.is_empty()) {
        Some((name, _)) => Err(format!("invalid name {name:?}")),
        None => Ok(Labels::from_pairs(pairs)),
    }
}
