//! Thresholds as data (DESIGN §4 "Signals").

use std::sync::Arc;

use botwatch_core::{
    diag::Span,
    model::{Direction, Threshold},
    signals,
    yaml::{Node, Reader, Value},
};

use crate::config::value::{At, Out, Read, Show, section};

section! {
    /// The thresholds of one metric.
    pub struct Limits("thresholds of a metric", "thresholds.*") {
        /// From here on it is a warning.
        warning: At<f64>,
        /// From here on it is critical.
        critical: At<f64>,
        /// From here on it is an emergency.
        emergency: At<f64>,
        /// Which side is trouble.
        direction: At<Arc<str>>,
    }
}

/// Thresholds by metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds(pub Vec<(Arc<str>, Limits)>);

impl Read for Thresholds {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reader.expected("a mapping of metrics to thresholds", node);
            return None;
        };
        let mut all = Vec::new();
        for (key, value) in entries {
            if let Some(limits) = Limits::read(reader, value) {
                limits.check(reader, &key.text, key.span);
                all.push((Arc::clone(&key.text), limits));
            }
        }
        Some(Self(all))
    }
}

impl Show for Thresholds {
    fn show(&self) -> Option<Out> {
        let show = |(name, limits): &(Arc<str>, Limits)| Some((name.to_string(), limits.show()?));
        Some(Out::Map(self.0.iter().filter_map(show).collect()))
    }
}

impl Limits {
    fn levels(&self) -> [(&'static str, &Option<At<f64>>); 3] {
        [("warning", &self.warning), ("critical", &self.critical), ("emergency", &self.emergency)]
    }

    fn direction(&self, metric: &str) -> Direction {
        let written = self.direction.as_ref().and_then(|d| Direction::parse(&d.value));
        written.or_else(|| signals::signal(metric).map(|s| s.direction)).unwrap_or_default()
    }

    /// What they come to.
    pub fn thresholds(&self, metric: &Arc<str>) -> Vec<Threshold> {
        let direction = self.direction(metric);
        let set = self.levels().into_iter().filter_map(|(severity, value)| {
            let value = value.as_ref()?.value;
            Some(Threshold { metric: Arc::clone(metric), severity: severity.into(), direction, value })
        });
        set.collect()
    }

    fn check(&self, reader: &mut Reader, metric: &Arc<str>, span: Span) {
        if let Some(d) = self.direction.as_ref().filter(|d| Direction::parse(&d.value).is_none()) {
            let error = d.error("invalid-value", format!("`direction` is `{}`", d.value));
            reader.report(error.label("expected `above` or `below`"));
            return;
        }
        if self.levels().iter().all(|(_, value)| value.is_none()) {
            let d = reader.error("missing-key", format!("`{metric}` has no threshold"), span);
            reader.report(d.label("`warning`, `critical` or `emergency` is needed here"));
        }
        for (severity, value) in self.levels() {
            let Some(value) = value else { continue };
            let direction = self.direction(metric);
            let threshold = Threshold {
                metric: Arc::clone(metric),
                severity: severity.into(),
                direction,
                value: value.value,
            };
            let why = if value.value.is_finite() {
                signals::objection(&threshold)
            } else {
                Some("not a number to compare with".to_owned())
            };
            if let Some(why) = why {
                reader.report(value.error("invalid-value", why).label("not possible here"));
            }
        }
    }
}
