//! Rule groups under Prometheus' names (spec prometheus §1.9).

use botwatch_core::exposition::{Family, MetricType};

use super::families::family;
use crate::evaluate::{GroupView, Health, RuleKind};

pub(super) fn families(groups: &[GroupView]) -> Vec<Family> {
    let names: Vec<String> = groups.iter().map(|g| format!("{};{}", g.file, g.name)).collect();
    let each = |name: &str, kind, help: &str, value: &dyn Fn(&GroupView) -> Option<f64>| {
        let mut all = family(name, kind, help, []);
        for (group, full) in groups.iter().zip(&names) {
            if let Some(value) = value(group) {
                all.samples.extend(family("", kind, "", [(&[("rule_group", &**full)][..], value)]).samples);
            }
        }
        all
    };
    let gauge =
        |name, help, value: &dyn Fn(&GroupView) -> Option<f64>| each(name, MetricType::Gauge, help, value);
    let mut all = vec![
        gauge("prometheus_rule_group_interval_seconds", "The interval of a rule group.", &|g| {
            Some(g.interval.as_secs_f64())
        }),
        gauge("prometheus_rule_group_rules", "The number of rules.", &|g| Some(g.rules.len() as f64)),
        gauge(
            "prometheus_rule_group_last_evaluation_timestamp_seconds",
            "The timestamp of the last rule group evaluation in seconds.",
            &|g| g.last_evaluation.map(botwatch_core::model::Timestamp::as_secs_f64),
        ),
        gauge(
            "prometheus_rule_group_last_duration_seconds",
            "The duration of the last rule group evaluation.",
            &|g| Some(g.evaluation_seconds),
        ),
        gauge(
            "prometheus_rule_group_last_rule_duration_sum_seconds",
            "The sum of time in seconds it took to evaluate each rule in the group.",
            &|g| Some(g.rules.iter().map(|r| r.evaluation_seconds).sum()),
        ),
        gauge(
            "prometheus_rule_group_last_evaluation_samples",
            "The number of samples returned during the last rule group evaluation.",
            &|g| Some(g.rules.iter().map(|r| r.samples).sum::<u64>() as f64),
        ),
        gauge(
            "botwatch_rule_group_unhealthy_rules",
            "Rules whose last evaluation ended with an error.",
            &|g| Some(g.rules.iter().filter(|r| r.health == Health::Bad).count() as f64),
        ),
    ];
    all.push(each(
        "prometheus_rule_group_iterations_total",
        MetricType::Counter,
        "The total number of scheduled rule group evaluations, whether executed or missed.",
        &|g| Some((g.iterations + g.missed) as f64),
    ));
    all.push(each(
        "prometheus_rule_group_iterations_missed_total",
        MetricType::Counter,
        "The total number of rule group evaluations missed due to slow rule group evaluation.",
        &|g| Some(g.missed as f64),
    ));
    all.push(each(
        "prometheus_rule_evaluations_total",
        MetricType::Counter,
        "The total number of rule evaluations.",
        &|g| Some(g.evaluations as f64),
    ));
    all.push(each(
        "prometheus_rule_evaluation_failures_total",
        MetricType::Counter,
        "The total number of rule evaluation failures.",
        &|g| Some(g.failures as f64),
    ));
    all.push(alerts(groups));
    all
}

/// Alerts of our rules, by state.
fn alerts(groups: &[GroupView]) -> Family {
    let (mut pending, mut firing, mut frozen) = (0u64, 0u64, 0u64);
    for rule in groups.iter().flat_map(|g| &g.rules) {
        let RuleKind::Alerting { alerts, .. } = &rule.kind else { continue };
        for alert in alerts {
            *if alert.fired_at.is_some() { &mut firing } else { &mut pending } += 1;
            frozen += u64::from(alert.frozen_since.is_some());
        }
    }
    family(
        "botwatch_rule_alerts",
        MetricType::Gauge,
        "Alerts of rules by state; a frozen one is pending or firing too, and waits for a source that can't be seen.",
        [
            (&[("state", "pending")][..], pending as f64),
            (&[("state", "firing")][..], firing as f64),
            (&[("state", "frozen")][..], frozen as f64),
        ],
    )
}
