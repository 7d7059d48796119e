//! What the alerting machine counts, under Alertmanager's names where it has them (spec alertmanager §3.5).

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    alerting::{Counters, Machine, Phase},
    exposition::{Family, MetricType},
};

use super::families::family;

/// What is copied out of the machine.
pub(in crate::api) struct Summary {
    active: u64,
    suppressed: u64,
    unprocessed: u64,
    groups: usize,
    waiting: u64,
    in_flight: u64,
    told: usize,
    shed: u64,
    receivers: usize,
    integrations: usize,
    inhibit_rules: usize,
    /// By receiver and kind.
    sent: BTreeMap<(Arc<str>, Arc<str>), Counters>,
}

impl Summary {
    pub(super) fn of(machine: &Machine) -> Self {
        let options = machine.options();
        let mut summary = Self {
            active: 0,
            suppressed: 0,
            unprocessed: 0,
            groups: machine.groups().count(),
            waiting: 0,
            in_flight: 0,
            told: machine.ledger().count(),
            shed: machine.shed(),
            receivers: options.receivers.len(),
            integrations: options.receivers.values().map(Vec::len).sum(),
            inhibit_rules: options.inhibit_rules.len(),
            sent: BTreeMap::new(),
        };
        for episode in machine.alerts().filter(|e| e.is_active()) {
            *if episode.standings.is_empty() {
                &mut summary.unprocessed
            } else if episode.standings.values().any(|s| s.reason.is_quiet()) {
                &mut summary.suppressed
            } else {
                &mut summary.active
            } += 1;
        }
        for delivery in machine.deliveries() {
            match delivery.phase {
                Phase::Ready { .. } => summary.waiting += 1,
                Phase::InFlight { .. } => summary.in_flight += 1,
            }
        }
        for (id, counters) in machine.counters() {
            let key = (Arc::clone(&id.receiver), Arc::clone(&id.kind));
            let sum = summary.sent.entry(key).or_default();
            sum.attempts += counters.attempts;
            sum.delivered += counters.delivered;
            sum.transient += counters.transient;
            sum.permanent += counters.permanent;
            sum.gave_up += counters.gave_up;
            sum.fell_back += counters.fell_back;
            sum.undurable += counters.undurable;
        }
        summary
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let one = |name, help, value: usize| family(name, MetricType::Gauge, help, [(&[][..], value as f64)]);
        let mut all = vec![
            family(
                "alertmanager_alerts",
                MetricType::Gauge,
                "How many alerts by state.",
                [
                    (&[("state", "active")][..], self.active as f64),
                    (&[("state", "suppressed")][..], self.suppressed as f64),
                    (&[("state", "unprocessed")][..], self.unprocessed as f64),
                ],
            ),
            one(
                "alertmanager_dispatcher_aggregation_groups",
                "Number of active aggregation groups.",
                self.groups,
            ),
            one("alertmanager_receivers", "Number of configured receivers.", self.receivers),
            one("alertmanager_integrations", "Number of configured integrations.", self.integrations),
            one(
                "alertmanager_inhibition_rules",
                "Number of configured inhibition rules.",
                self.inhibit_rules,
            ),
            one(
                "botwatch_alerting_told_open",
                "Alerts that an integration was told of and whose end it was not told yet.",
                self.told,
            ),
            family(
                "botwatch_alerting_deliveries",
                MetricType::Gauge,
                "Messages that are not done, by what they do.",
                [
                    (&[("phase", "waiting")][..], self.waiting as f64),
                    (&[("phase", "in_flight")][..], self.in_flight as f64),
                ],
            ),
            family(
                "botwatch_alerting_alerts_shed_total",
                MetricType::Counter,
                "Alerts from outside that found no room.",
                [(&[][..], self.shed as f64)],
            ),
        ];
        let counts: [(&str, &str, fn(&Counters) -> u64); 7] = [
            ("botwatch_alerting_attempts_total", "Attempts begun.", |c| c.attempts),
            ("botwatch_alerting_delivered_total", "Messages that the receiver took.", |c| c.delivered),
            ("botwatch_alerting_attempts_failed_total", "Attempts that failed and may work later.", |c| {
                c.transient
            }),
            ("botwatch_alerting_refused_total", "Messages that the receiver refused for good.", |c| {
                c.permanent
            }),
            ("botwatch_alerting_gave_up_total", "Messages given up.", |c| c.gave_up),
            ("botwatch_alerting_fallbacks_total", "Times that another receiver was told instead.", |c| {
                c.fell_back
            }),
            ("botwatch_alerting_undurable_total", "Messages made while the journal could not commit.", |c| {
                c.undurable
            }),
        ];
        for (name, help, count) in counts {
            let mut each = family(name, MetricType::Counter, help, []);
            for ((receiver, kind), counters) in &self.sent {
                let labels = [("receiver", &**receiver), ("integration", &**kind)];
                let value = count(counters) as f64;
                each.samples.extend(family("", MetricType::Counter, "", [(&labels[..], value)]).samples);
            }
            all.push(each);
        }
        all
    }
}
