//! The bot's signals and the state of alerts: the newest samples of what rules record, and of what botwatch itself sees
//! of the bot's process and the machine.

use std::collections::BTreeMap;

use botwatch_core::{
    exposition::{Family, FamilySample, MetricType},
    model::{Duration, Labels, METRIC_NAME, MatchOp, Matcher, THRESHOLD_METRIC, Timestamp, is_stale},
    promql::{Queryable as _, SelectHints},
};

use super::families::family;
use crate::{
    collect::{
        host,
        process::{self, Definition},
    },
    samples::{MetricKind, Store},
};

/// Older samples are not shown: PromQL's own lookback.
const FRESH: Duration = Duration::from_secs(300);
/// Series shown at most; the rest is counted.
const SERIES_MAX: usize = 5000;
/// What rules record for others to read (DESIGN §4 "Signals"), the state of alerts, and what a Prometheus that loads the
/// shipped rules can only learn here.
const NAMES: &str = "bot:.+|bot_metric.*|ALERTS|botwatch_threshold|botwatch_(process|host)_.+";

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
        let family = all.entry(name.clone()).or_insert_with(|| {
            let (kind, help) = described(labels.name());
            family(&name, kind, &help, [])
        });
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

fn described(name: &str) -> (MetricType, String) {
    if name == "ALERTS" {
        return (MetricType::Unknown, "Pending and firing alerts of rules; 1 while they are.".to_owned());
    }
    let own: Option<&Definition> =
        process::definitions().iter().chain(host::definitions()).find(|d| d.name == name);
    match own {
        Some(own) => {
            let kind = match own.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
            };
            (kind, own.help.to_owned())
        }
        None if name == THRESHOLD_METRIC => {
            (MetricType::Gauge, "What rules compare signals and pushed metrics with.".to_owned())
        }
        None => {
            let help = format!("Newest value of the series {name}, recorded by a rule or pushed by the bot.");
            (MetricType::Unknown, help)
        }
    }
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
