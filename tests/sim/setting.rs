//! The configurations between which reloads go, and what each means: written down a second time, as simply as can be,
//! so that routing and inhibition of the product are compared with something.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    alerting::{
        Escalation, EscalationRepeat, EscalationStep, GroupBy, InhibitRule, IntegrationId,
        IntegrationOptions, Options, RetryPolicy, Route,
    },
    diag::SourceText,
    model::{Duration, Labels, Matcher},
    promql::ParseOptions,
    rules::{Group, GroupSpec, NoData, Reaches, Shared, parse_file},
};

/// Time between scrapes and between evaluations.
pub(crate) const INTERVAL: i64 = 15;
/// When what was told is told again.
pub(crate) const REPEAT: i64 = 20 * 60;
/// The slowest `group_interval`.
pub(crate) const GROUP_INTERVAL_MAX: i64 = 120;
/// An alert that nobody acknowledges escalates after this time.
pub(crate) const ESCALATES_AFTER: i64 = 180;
/// What was resolved and still fires is open again after this time.
pub(crate) const STILL_FIRING_AFTER: i64 = 120;
/// Leases of alerts from outside.
pub(crate) const RESOLVE_TIMEOUT: i64 = 300;

/// Receiver, kind, whether it is told ends.
pub(crate) const INTEGRATIONS: [(&str, &str, bool); 6] = [
    ("ops", "webhook", true),
    ("ops", "email", true),
    ("chat", "slack", true),
    ("logbook", "webhook", false),
    ("backup", "webhook", true),
    ("boss", "webhook", true),
];

/// One thing that a reload changes, back and forth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    ChatRemoved,
    WarningsToOps,
    SlowGroups,
    Inhibition,
    ByInstance,
    Fallback,
    HighRaised,
    RateRemoved,
    ExtraAdded,
    NoEscalation,
}

impl Change {
    pub(crate) const ALL: [Self; 10] = [
        Self::ChatRemoved,
        Self::WarningsToOps,
        Self::SlowGroups,
        Self::Inhibition,
        Self::ByInstance,
        Self::Fallback,
        Self::HighRaised,
        Self::RateRemoved,
        Self::ExtraAdded,
        Self::NoEscalation,
    ];
}

/// What is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Setting {
    flags: u32,
}

impl Setting {
    pub(crate) fn toggle(&mut self, change: Change) {
        self.flags ^= 1 << change as u32;
    }

    pub(crate) fn has(self, change: Change) -> bool {
        self.flags & (1 << change as u32) != 0
    }

    /// The receivers that an alert's labels lead to.
    pub(crate) fn receivers_of(self, labels: &Labels) -> Vec<&'static str> {
        let chat = if self.has(Change::ChatRemoved) { "ops" } else { "chat" };
        match (labels.value("severity"), labels.value("alertname")) {
            ("critical", _) => vec!["logbook", "ops"],
            ("warning", _) if self.has(Change::WarningsToOps) => vec!["ops"],
            ("warning", _) | (_, "Outside") => vec![chat],
            _ => vec!["ops"],
        }
    }

    /// The integrations that an alert's labels lead to.
    pub(crate) fn integrations_of(self, labels: &Labels) -> Vec<IntegrationId> {
        let receivers = self.receivers_of(labels);
        INTEGRATIONS.iter().filter(|(r, ..)| receivers.contains(r)).map(|(r, k, _)| id(r, k)).collect()
    }

    /// Whether an alert escalates while nobody acknowledges it.
    pub(crate) fn escalates(self, labels: &Labels) -> bool {
        labels.value("severity") == "critical" && !self.has(Change::NoEscalation)
    }

    /// The threshold of an alert on the gauge, if such a rule is configured.
    pub(crate) fn threshold(self, alert: &str) -> Option<f64> {
        match alert {
            "High" if self.has(Change::HighRaised) => Some(12.0),
            "High" => Some(10.0),
            "Kept" => Some(20.0),
            "Recorded" => Some(15.0),
            "Extra" if self.has(Change::ExtraAdded) => Some(5.0),
            _ => None,
        }
    }

    /// Whether an alerting rule is configured.
    pub(crate) fn has_rule(self, alert: &str) -> bool {
        match alert {
            "Rate" => !self.has(Change::RateRemoved),
            "Down" | "SourceBlind" => true,
            gauge => self.threshold(gauge).is_some(),
        }
    }

    pub(crate) fn options(self) -> Arc<Options> {
        let chat = if self.has(Change::ChatRemoved) { "ops" } else { "chat" };
        let warnings = if self.has(Change::WarningsToOps) { "ops" } else { chat };
        let route = |matcher: Matcher, receiver: &str, goes_on: bool| Route {
            matchers: vec![matcher],
            receiver: Some(receiver.into()),
            continue_matching: goes_on,
            ..Route::default()
        };
        let severity = |s: &str| Matcher::equal("severity", s);
        let by: &[&str] =
            if self.has(Change::ByInstance) { &["alertname", "instance"] } else { &["alertname"] };
        let interval = if self.has(Change::SlowGroups) { GROUP_INTERVAL_MAX } else { 60 };
        let mut receivers: BTreeMap<Arc<str>, Vec<IntegrationOptions>> = BTreeMap::new();
        for (receiver, kind, send_resolved) in INTEGRATIONS {
            if receiver == "chat" && self.has(Change::ChatRemoved) {
                continue;
            }
            let mut integration = IntegrationOptions::new(id(receiver, kind), send_resolved);
            integration.attempt_timeout = secs(10);
            integration.retry = RetryPolicy {
                attempts: 3,
                cap: secs(10),
                slow_interval: secs(120),
                ..RetryPolicy::default()
            };
            if (receiver, kind) == ("ops", "webhook") && self.has(Change::Fallback) {
                integration.fallback = Some("backup".into());
            }
            receivers.entry(receiver.into()).or_default().push(integration);
        }
        let inhibit = InhibitRule {
            name: "down".into(),
            source: vec![Matcher::equal("alertname", "Down")],
            target: vec![severity("warning")],
            equal: vec!["instance".into()],
        };
        let escalation = Escalation {
            name: "unheard".into(),
            matchers: vec![severity("critical")],
            steps: vec![EscalationStep { after: secs(ESCALATES_AFTER), receiver: "boss".into() }],
            repeat: Some(EscalationRepeat {
                every: secs(ESCALATES_AFTER),
                backoff: 2,
                longest: secs(600),
                times: None,
            }),
            quiet: Vec::new(),
        };
        let options = Options {
            route: Route {
                receiver: Some("ops".into()),
                group_by: Some(GroupBy::from_names(by).expect("fixed")),
                group_wait: Some(secs(10)),
                group_interval: Some(secs(interval)),
                repeat_interval: Some(secs(REPEAT)),
                routes: vec![
                    Route { group_wait: Some(secs(0)), ..route(severity("critical"), "logbook", true) },
                    Route { group_wait: Some(secs(0)), ..route(severity("critical"), "ops", false) },
                    route(severity("warning"), warnings, false),
                    route(Matcher::equal("alertname", "Outside"), chat, false),
                ],
                ..Route::default()
            },
            receivers,
            inhibit_rules: if self.has(Change::Inhibition) { vec![inhibit] } else { Vec::new() },
            resolve_timeout: secs(RESOLVE_TIMEOUT),
            reopen_within: secs(300),
            still_firing_after: secs(STILL_FIRING_AFTER),
            escalations: if self.has(Change::NoEscalation) { Vec::new() } else { vec![escalation] },
            ..Options::default()
        };
        Arc::new(options)
    }

    pub(crate) fn groups(self) -> Vec<Group> {
        let mut text = "groups:\n- name: g\n  interval: 15s\n  rules:\n".to_owned();
        text += "  - record: job:level\n    expr: level\n";
        let mut alert = |name: &str, expr: String, severity: &str, more: &str| {
            text +=
                &format!("  - alert: {name}\n    expr: {expr}\n    labels: {{severity: {severity}}}\n{more}");
        };
        for (name, metric, severity, more) in [
            ("High", "level", "critical", "    for: 30s\n"),
            ("Kept", "level", "warning", "    keep_firing_for: 60s\n"),
            ("Recorded", "job:level", "warning", ""),
            ("Extra", "level", "info", ""),
        ] {
            if let Some(threshold) = self.threshold(name) {
                alert(name, format!("{metric} > {threshold}"), severity, more);
            }
        }
        alert("Down", "up == 0".to_owned(), "critical", "");
        if self.has_rule("Rate") {
            alert("Rate", "rate(errors_total[1m]) > 0.5".to_owned(), "warning", "");
        }
        let (specs, problems): (Vec<GroupSpec>, _) =
            parse_file(&SourceText::new("rules.yml", text), &ParseOptions::default());
        assert!(problems.is_empty(), "{problems:?}");
        let recorded = specs.iter().flat_map(|g| &g.rules).filter(|r| r.alert.is_none());
        let reaches = Reaches::new(recorded.map(|r| (&r.name, &r.expr, secs(INTERVAL))));
        let shared = Shared {
            interval: secs(INTERVAL),
            query_offset: Duration::ZERO,
            no_data: NoData::Keep,
            external_url: "".into(),
            reaches,
        };
        specs.into_iter().map(|spec| Group::new(spec, &shared)).collect()
    }
}

pub(crate) fn secs(n: i64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn id(receiver: &str, kind: &str) -> IntegrationId {
    IntegrationId { receiver: receiver.into(), kind: kind.into(), key: "0".into() }
}
