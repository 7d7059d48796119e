//! The bot's signals and the state of alerts: the newest samples of what rules record.

use std::collections::BTreeMap;

use botwatch_core::{
    exposition::{Family, FamilySample, MetricType},
    model::{Duration, Labels, METRIC_NAME, MatchOp, Matcher, Timestamp, is_stale},
    promql::{Queryable as _, SelectHints},
};

use super::families::family;
use crate::samples::Store;

/// Older samples are not shown: PromQL's own lookback.
const FRESH: Duration = Duration::from_secs(300);
/// Series shown at most; the rest is counted.
const SERIES_MAX: usize = 5000;
/// What rules record for others to read (DESIGN §4 "Signals"), and the state of alerts.
const NAMES: &str = "bot:.+|bot_metric.*|ALERTS";

pub(super) fn families(store: &Store, now: Timestamp) -> Vec<Family> {
    let names = Matcher::new(METRIC_NAME, MatchOp::Regex, NAMES).expect("the pattern is a constant");
    let hints = SelectHints { newest_only: true, samples_max: 0 };
    // A selection without a limit fails only when storage does, which its own metrics tell.
    let mut series = store.select(&[names], now - FRESH, now, hints).unwrap_or_default();
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    let newest = series.iter().filter_map(|s| s.v.last().map(|v| (&s.labels, *v)));
    let fresh: Vec<(&Labels, f64)> = newest.filter(|(_, v)| !is_stale(*v)).collect();
    let omitted = fresh.len().saturating_sub(SERIES_MAX);
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    for (labels, value) in fresh.into_iter().take(SERIES_MAX) {
        let (name, divisor) = shown(labels.name());
        let value = value / divisor;
        let help = match labels.name() {
            "ALERTS" => "Pending and firing alerts of rules; 1 while they are.".to_owned(),
            recorded => {
                format!("Newest value of the series {recorded}, recorded by a rule or pushed by the bot.")
            }
        };
        let family = all.entry(name.clone()).or_insert_with(|| family(&name, MetricType::Unknown, &help, []));
        let labels = labels.without(|name| name == METRIC_NAME);
        family.samples.push(FamilySample { suffix: "", labels, value, timestamp: None });
    }
    let omitted = family(
        "botwatch_api_signals_omitted",
        MetricType::Gauge,
        "Signals of the bot that are not shown because there are too many.",
        [(&[][..], omitted as f64)],
    );
    all.into_values().chain([omitted]).collect()
}

/// The name under which a series is shown, and what its value is divided by. A Prometheus that scrapes this and loads
/// the same rules must not get the same series twice: colons, which are for recorded series, become underscores, and
/// `ALERTS` gets a prefix. Milliseconds become seconds, the unit of what is exposed (promtool refuses the others).
fn shown(name: &str) -> (String, f64) {
    if name == "ALERTS" {
        return ("botwatch_alerts".to_owned(), 1.0);
    }
    let name = name.replace(':', "_");
    match name.strip_suffix("_ms") {
        Some(stem) => (format!("{stem}_seconds"), 1000.0),
        None => (name, 1.0),
    }
}
