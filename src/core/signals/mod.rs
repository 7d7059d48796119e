//! The signals of a bot that shipped rules compare with thresholds, and which threshold is in force.
//!
//! Rules compare with the series `botwatch_threshold{metric,severity,direction}` and fall back to the written number
//! where there is none, so that they work in a Prometheus that knows no botwatch. A test holds [`SIGNALS`] and the
//! rule files together.

use std::collections::BTreeMap;

use crate::model::{Direction, Threshold};

/// The severities that a threshold can have, the least first.
pub const SEVERITIES: [&str; 3] = ["warning", "critical", "emergency"];

/// A signal with the thresholds of the shipped rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    /// Its name in thresholds.
    pub metric: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which side is trouble.
    pub direction: Direction,
    /// The expression of its value.
    pub expr: &'static str,
    /// Severities with their shipped thresholds.
    pub shipped: &'static [(&'static str, f64)],
}

const fn above(
    metric: &'static str,
    unit: &'static str,
    expr: &'static str,
    shipped: &'static [(&'static str, f64)],
) -> Signal {
    Signal { metric, unit, direction: Direction::Above, expr, shipped }
}

const fn below(
    metric: &'static str,
    unit: &'static str,
    expr: &'static str,
    shipped: &'static [(&'static str, f64)],
) -> Signal {
    Signal { metric, unit, direction: Direction::Below, expr, shipped }
}

/// The signals whose thresholds are data, by name.
pub const SIGNALS: &[Signal] = &[
    above("api_error_rate", "percent", "bot:api_errors:percent", &[("warning", 5.0), ("critical", 25.0)]),
    above(
        "api_response_time",
        "milliseconds",
        "bot:api_response_time:p95_ms",
        &[("warning", 2000.0), ("critical", 4000.0)],
    ),
    above("cpu_throttled", "percent", "bot:cpu_throttled:percent", &[("warning", 25.0)]),
    above("database_error_rate", "percent", "bot:database_errors:percent", &[("critical", 5.0)]),
    above("database_query_time", "milliseconds", "bot:database_query_time:p95_ms", &[("warning", 1000.0)]),
    below(
        "disk_space",
        "percent",
        "100 * botwatch_host_filesystem_avail_bytes / botwatch_host_filesystem_size_bytes",
        &[("warning", 10.0), ("critical", 3.0)],
    ),
    above(
        "event_loop_lag",
        "seconds",
        "bot:event_loop_lag:p99_seconds",
        &[("warning", 0.1), ("critical", 0.5)],
    ),
    above("failed_authentications", "per second", "bot:failed_authentications:rate1m", &[("warning", 0.5)]),
    above(
        "feed_latency",
        "milliseconds",
        "bot:feed_latency:p95_ms",
        &[("warning", 500.0), ("critical", 2000.0)],
    ),
    above(
        "file_descriptors",
        "percent",
        "bot:file_descriptors:percent",
        &[("warning", 80.0), ("critical", 95.0)],
    ),
    below(
        "host_memory",
        "percent",
        "100 * botwatch_host_memory_available_bytes / botwatch_host_memory_total_bytes",
        &[("warning", 5.0)],
    ),
    above("memory_usage", "percent", "bot:memory_usage:percent", &[("warning", 85.0), ("critical", 90.0)]),
    above(
        "order_rejects",
        "percent",
        "bot:order_rejects:percent5m",
        &[("warning", 10.0), ("critical", 50.0)],
    ),
    below("safety_score", "points", "bot:safety_score:percent", &[("emergency", 90.0)]),
];

/// A signal by its name.
pub fn signal(metric: &str) -> Option<&'static Signal> {
    SIGNALS.iter().find(|s| s.metric == metric)
}

/// Where a threshold comes from. The later in this order wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The shipped rules.
    Shipped,
    /// A push that brought its own.
    Pushed,
    /// The configuration.
    File,
    /// Somebody set it through the API.
    Set,
}

impl Origin {
    /// A word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Pushed => "pushed",
            Self::File => "file",
            Self::Set => "set",
        }
    }
}

/// The thresholds in force, by metric and severity, each with its origin. Of one metric and severity the strongest
/// origin counts.
pub fn in_force<'t>(
    set: impl IntoIterator<Item = &'t Threshold>,
    file: impl IntoIterator<Item = &'t Threshold>,
    pushed: impl IntoIterator<Item = &'t Threshold>,
) -> Vec<(Threshold, Origin)> {
    let shipped = SIGNALS.iter().flat_map(|signal| {
        signal.shipped.iter().map(|(severity, value)| Threshold {
            metric: signal.metric.into(),
            severity: (*severity).into(),
            direction: signal.direction,
            value: *value,
        })
    });
    let all = shipped
        .map(|t| (t, Origin::Shipped))
        .chain(pushed.into_iter().map(|t| (t.clone(), Origin::Pushed)))
        .chain(file.into_iter().map(|t| (t.clone(), Origin::File)))
        .chain(set.into_iter().map(|t| (t.clone(), Origin::Set)));
    let mut strongest: BTreeMap<(_, usize), (Threshold, Origin)> = BTreeMap::new();
    for (threshold, origin) in all {
        let rank = SEVERITIES.iter().position(|s| *s == &*threshold.severity).unwrap_or(SEVERITIES.len());
        strongest.insert((std::sync::Arc::clone(&threshold.metric), rank), (threshold, origin));
    }
    strongest.into_values().collect()
}

/// What makes no sense about a threshold of a signal; `None`: it may be.
pub fn objection(t: &Threshold) -> Option<String> {
    let signal = signal(&t.metric)?;
    if t.direction != signal.direction {
        return Some(format!("the trouble of {} lies {} its threshold", t.metric, signal.direction));
    }
    // What proves that the bot can't trade for real is not to be argued down.
    let floor = signal.shipped.iter().find(|(severity, _)| *severity == &*t.severity);
    if t.metric.as_ref() == "safety_score" && floor.is_some_and(|(_, shipped)| t.value < *shipped) {
        return Some("the threshold of the safety score can be raised, not lowered".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(metric: &str, severity: &str, value: f64) -> Threshold {
        Threshold { metric: metric.into(), severity: severity.into(), direction: Direction::Above, value }
    }

    #[test]
    fn the_strongest_origin_counts() {
        let t = |value| threshold("memory_usage", "critical", value);
        let found = |set: &[Threshold], file: &[Threshold], pushed: &[Threshold]| {
            let all = in_force(set, file, pushed);
            let own =
                all.into_iter().find(|(t, _)| &*t.metric == "memory_usage" && &*t.severity == "critical");
            own.map(|(t, origin)| (t.value, origin)).expect("shipped")
        };
        assert_eq!(found(&[], &[], &[]), (90.0, Origin::Shipped));
        assert_eq!(found(&[], &[], &[t(1.0)]), (1.0, Origin::Pushed));
        assert_eq!(found(&[], &[t(2.0)], &[t(1.0)]), (2.0, Origin::File));
        assert_eq!(found(&[t(3.0)], &[t(2.0)], &[t(1.0)]), (3.0, Origin::Set));
        assert_eq!(
            in_force(&[threshold("own", "warning", 1.0)], &[], &[]).len(),
            1 + in_force(&[], &[], &[]).len()
        );
    }

    #[test]
    fn safety_is_not_argued_down() {
        let score = |value| Threshold {
            direction: Direction::Below,
            ..threshold("safety_score", "emergency", value)
        };
        assert!(objection(&score(95.0)).is_none() && objection(&score(90.0)).is_none());
        assert!(objection(&score(89.0)).is_some());
        assert!(objection(&threshold("safety_score", "emergency", 95.0)).is_some(), "the wrong direction");
        assert!(objection(&threshold("anything", "warning", -5.0)).is_none());
    }

    #[test]
    fn signals_are_in_order() {
        assert!(SIGNALS.windows(2).all(|w| w[0].metric < w[1].metric));
    }
}
