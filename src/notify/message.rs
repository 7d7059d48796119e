//! From a delivery to what templates and payloads show (spec alertmanager §4.2).

use std::sync::Arc;

use botwatch_core::{
    alerting::{Delivery, NotifiedAlert},
    model::{Labels, Timestamp},
    template::{AlertData, Data, TemplateError, Templates},
};

/// A delivery as templates see it, with at most `max_alerts` alerts (0: all). What is common is common to the alerts
/// that are shown, as in Alertmanager. A route label whose template fails stays as it is written: nothing is withheld
/// for a label.
pub(super) fn data(
    delivery: &Delivery,
    max_alerts: usize,
    external_url: &Arc<str>,
    templates: &Templates,
    now: Timestamp,
) -> Data {
    let shown = shown(delivery, max_alerts);
    let mut data = Data {
        receiver: quote_regex(&delivery.integration.receiver).into(),
        alerts: shown.iter().map(alert).collect(),
        group_labels: delivery.group_labels.clone(),
        common_labels: common(shown.iter().map(|a| &a.alert.labels)),
        common_annotations: common(shown.iter().map(|a| &a.alert.annotations)),
        external_url: Arc::clone(external_url),
        notification_reason: Arc::clone(&delivery.reason),
        route_labels: delivery.route_labels.clone(),
        now,
    };
    if data.route_labels.iter().any(|(_, value)| is_template(value)) {
        let pairs: Vec<(String, String)> = data
            .route_labels
            .iter()
            .map(|(name, value)| {
                (name.to_owned(), render(templates, value, &data).unwrap_or_else(|_| value.to_owned()))
            })
            .collect();
        data.route_labels = Labels::from_pairs(pairs);
    }
    data
}

/// The alerts of a delivery that a message shows.
pub(super) fn shown(delivery: &Delivery, max_alerts: usize) -> &[NotifiedAlert] {
    match max_alerts {
        0 => &delivery.alerts,
        max => &delivery.alerts[..delivery.alerts.len().min(max)],
    }
}

/// Expands a text; one without actions is not even parsed.
pub(super) fn render(templates: &Templates, text: &str, data: &Data) -> Result<String, TemplateError> {
    if is_template(text) { templates.text(text, data) } else { Ok(text.to_owned()) }
}

/// Whether a text has an action.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

fn alert(notified: &NotifiedAlert) -> AlertData {
    let alert = &notified.alert;
    AlertData {
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        generator_url: Arc::clone(&alert.generator_url),
        fingerprint: alert.labels.fingerprint().to_string(),
        value: notified.value.as_deref().map(rounded).unwrap_or_default().into(),
        frozen_since: notified.frozen_since,
        issue_id: notified.episode.to_string().into(),
    }
}

/// A value as people read it: four digits tell what matters, and the whole part is never cut.
fn rounded(text: &str) -> String {
    let Some(v) = text.parse::<f64>().ok().filter(|v| v.is_finite() && *v != 0.0) else {
        return text.to_owned();
    };
    if !(1e-4..1e15).contains(&v.abs()) {
        let four: f64 = format!("{v:.3e}").parse().unwrap_or(v);
        return format!("{four:e}");
    }
    let digits = (3 - v.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{v:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The pairs that all sets have.
fn common<'a>(mut sets: impl Iterator<Item = &'a Labels> + Clone) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    let pairs: Vec<(&str, &str)> =
        first.iter().filter(|(name, value)| sets.clone().all(|set| set.get(name) == Some(value))).collect();
    Labels::from_sorted(pairs.into_iter())
}

/// As Go's `regexp.QuoteMeta`: Alertmanager shows receivers' names that way (spec alertmanager §4.1).
fn quote_regex(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// The first `max` characters, the last of them an ellipsis where something is cut (spec alertmanager §2.10).
pub(super) fn truncate(text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let mut ends = text.char_indices().map(|(at, _)| at).skip(max.saturating_sub(1));
    match (ends.next(), ends.next()) {
        (Some(cut), Some(_)) => format!("{}…", &text[..cut]),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn values_are_rounded_for_people() {
        for (value, shown) in [
            ("0.8923076923076922", "0.8923"),
            ("0.00012345", "0.0001234"),
            ("93.456789", "93.46"),
            ("2000", "2000"),
            ("2000.4", "2000"),
            ("-123456789.5", "-123456790"),
            ("1", "1"),
            ("0.5", "0.5"),
            ("9.9999", "10"),
            ("0.0000012345678", "1.235e-6"),
            ("100000000000000000000", "1e20"),
            ("0", "0"),
            ("+Inf", "+Inf"),
            ("NaN", "NaN"),
            ("", ""),
            ("12 of 20", "12 of 20"),
        ] {
            assert_eq!(rounded(value), shown);
        }
    }
}
