//! What is wrong with a set of options: all of it at once. `config` adds the positions.

use std::{collections::BTreeSet, sync::Arc};

use super::{IntegrationOptions, Options, Route};
use crate::{diag::Level, model::Duration};

/// Where a problem is, in terms of the options.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A field of a route.
    Route {
        /// Child indices from the root; empty for the root itself.
        path: Vec<usize>,
        /// The key as in the file.
        field: &'static str,
    },
    /// A field of an integration.
    Integration {
        /// Receiver.
        receiver: Arc<str>,
        /// Which of its integrations.
        index: usize,
        /// The key as in the file.
        field: &'static str,
    },
    /// A field of an escalation.
    Escalation {
        /// Which.
        index: usize,
        /// Which of its steps, where it is one's.
        step: Option<usize>,
        /// The key as in the file.
        field: &'static str,
    },
    /// A field of an inhibition rule.
    InhibitRule {
        /// Which.
        index: usize,
        /// The key as in the file.
        field: &'static str,
    },
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Only errors make the options unusable.
    pub level: Level,
    /// Stable kind, lower-case with hyphens.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// What, as a lower-case fragment.
    pub message: String,
}

/// A route tree deeper than this is refused: matching and inheritance recurse.
const DEPTH_MAX: usize = 64;

impl Options {
    /// Everything that is wrong with these options, in the order of routes, receivers, inhibitions,
    /// escalations.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut path = Vec::new();
        self.check_route(
            &self.route,
            &mut path,
            (super::options::GROUP_INTERVAL, super::options::REPEAT_INTERVAL),
            &mut found,
        );
        self.check_receivers(&mut found);
        for (index, rule) in self.inhibit_rules.iter().enumerate() {
            if rule.equal.iter().any(|name| name.is_empty()) {
                let place = Place::InhibitRule { index, field: "equal" };
                found.push(error("label-name", place, "a label name can't be empty"));
            }
        }
        self.check_escalations(&mut found);
        found
    }

    fn check_route(
        &self,
        route: &Route,
        path: &mut Vec<usize>,
        inherited: (Duration, Duration),
        found: &mut Vec<Problem>,
    ) {
        let at = |field| Place::Route { path: path.clone(), field };
        if path.is_empty() {
            check_root(route, found);
        }
        if path.len() > DEPTH_MAX {
            found.push(error(
                "route-depth",
                at("routes"),
                format!("routes are nested deeper than {DEPTH_MAX} levels"),
            ));
            return;
        }
        if let Some(name) = route.receiver.as_ref().filter(|r| !self.receivers.contains_key(*r)) {
            found.push(error("undefined-receiver", at("receiver"), format!("undefined receiver `{name}`")));
        }
        for (field, value) in
            [("group_interval", route.group_interval), ("repeat_interval", route.repeat_interval)]
        {
            if value.is_some_and(|d| d.as_millis() <= 0) {
                found.push(error("zero-interval", at(field), format!("`{field}` can't be zero")));
            }
        }
        let interval = route.group_interval.unwrap_or(inherited.0);
        let repeat = route.repeat_interval.unwrap_or(inherited.1);
        if repeat < interval && (route.group_interval.is_some() || route.repeat_interval.is_some()) {
            let field = if route.repeat_interval.is_some() { "repeat_interval" } else { "group_interval" };
            let message = format!(
                "`repeat_interval` ({repeat}) is shorter than `group_interval` ({interval}): repeats come every {interval}"
            );
            found.push(Problem { level: Level::Warning, code: "short-repeat", place: at(field), message });
        }
        for (field, names) in [
            ("mute_time_intervals", &route.mute_time_intervals),
            ("active_time_intervals", &route.active_time_intervals),
        ] {
            if path.is_empty() && !names.is_empty() {
                let message =
                    format!("the root route can't have `{field}`: it takes what no other route takes");
                found.push(error("root-intervals", at(field), message));
                continue;
            }
            for name in names.iter().filter(|n| !self.time_intervals.contains_key(*n)) {
                let message = format!("undefined time interval `{name}`");
                found.push(error("undefined-interval", at(field), message));
            }
        }
        for (index, child) in route.routes.iter().enumerate() {
            path.push(index);
            self.check_route(child, path, (interval, repeat), found);
            path.pop();
        }
    }

    fn check_receivers(&self, found: &mut Vec<Problem>) {
        let mut ids = BTreeSet::new();
        for (name, integrations) in &self.receivers {
            for (index, integration) in integrations.iter().enumerate() {
                let at = |field| Place::Integration { receiver: Arc::clone(name), index, field };
                if integration.id.receiver != *name || !ids.insert(&integration.id) {
                    let message = format!(
                        "another integration of `{name}` has the same kind and address; give one a name"
                    );
                    found.push(error("duplicate-integration", at("name"), message));
                }
                check_retry(integration, &at, found);
                if let Some(to) = &integration.fallback {
                    self.check_fallback(name, to, &at("fallback"), found);
                }
            }
        }
    }

    fn check_escalations(&self, found: &mut Vec<Problem>) {
        let mut names = BTreeSet::new();
        for (index, escalation) in self.escalations.iter().enumerate() {
            let at = |field| Place::Escalation { index, step: None, field };
            let name = &escalation.name;
            if name.is_empty() || name.contains('/') {
                found.push(error("escalation", at("name"), "an escalation needs a name without `/`"));
            } else if !names.insert(name) {
                let message = format!("another escalation is called `{name}`");
                found.push(error("escalation", at("name"), message));
            }
            if escalation.steps.is_empty() {
                found.push(error("escalation", at("steps"), "an escalation needs a step"));
            }
            let mut before = Duration::ZERO;
            for (step, s) in escalation.steps.iter().enumerate() {
                let at = |field| Place::Escalation { index, step: Some(step), field };
                if s.after <= before {
                    let message = if step == 0 {
                        "the first step must come after some time".to_owned()
                    } else {
                        format!(
                            "step {} (after {}) must come later than the one before it (after {before}): both are \
                             counted from the beginning",
                            step + 1,
                            s.after
                        )
                    };
                    found.push(error("escalation", at("after"), message));
                }
                before = s.after;
                match self.receivers.get(&s.receiver) {
                    Some(there) if !there.is_empty() => {}
                    Some(_) => {
                        let message = format!("receiver `{}` tells nobody", s.receiver);
                        found.push(error("escalation", at("receiver"), message));
                    }
                    None => {
                        let message = format!("undefined receiver `{}`", s.receiver);
                        found.push(error("undefined-receiver", at("receiver"), message));
                    }
                }
            }
            if let Some(repeat) = &escalation.repeat
                && (repeat.every.as_millis() <= 0 || repeat.backoff == 0 || repeat.longest < repeat.every)
            {
                let message = "`every` must be over zero, `backoff` at least 1, `longest` at least `every`";
                found.push(error("escalation", at("repeat"), message));
            }
            for name in escalation.quiet.iter().filter(|n| !self.time_intervals.contains_key(*n)) {
                let message = format!("undefined time interval `{name}`");
                found.push(error("undefined-interval", at("quiet_hours"), message));
            }
        }
    }

    fn check_fallback(&self, from: &Arc<str>, to: &Arc<str>, place: &Place, found: &mut Vec<Problem>) {
        match self.receivers.get(to) {
            None => {
                found.push(error("undefined-receiver", place.clone(), format!("undefined receiver `{to}`")));
            }
            Some(there) if there.is_empty() => {
                let message = format!("receiver `{to}` tells nobody, so it can't be a fallback");
                found.push(error("empty-fallback", place.clone(), message));
            }
            Some(_) if self.falls_back_to(to, from) => {
                let message = format!("fallbacks go in a circle: `{to}` leads back to `{from}`");
                found.push(error("fallback-circle", place.clone(), message));
            }
            Some(_) => {}
        }
    }

    /// Whether fallbacks lead from one receiver to another, or are the same.
    fn falls_back_to(&self, from: &Arc<str>, to: &Arc<str>) -> bool {
        let mut seen: BTreeSet<&Arc<str>> = BTreeSet::new();
        let mut open = vec![from];
        while let Some(receiver) = open.pop() {
            if receiver == to {
                return true;
            }
            if seen.insert(receiver) {
                open.extend(self.integrations(receiver).iter().filter_map(|i| i.fallback.as_ref()));
            }
        }
        false
    }
}

fn check_root(route: &Route, found: &mut Vec<Problem>) {
    let at = |field| Place::Route { path: Vec::new(), field };
    if route.receiver.is_none() {
        found.push(error("no-receiver", at("receiver"), "the root route needs a receiver"));
    }
    if !route.matchers.is_empty() {
        found.push(error(
            "root-matchers",
            at("matchers"),
            "the root route matches every alert and can't have matchers",
        ));
    }
    if route.continue_matching {
        found.push(error("root-continue", at("continue"), "the root route has no siblings to continue with"));
    }
}

fn check_retry(
    integration: &IntegrationOptions,
    at: &impl Fn(&'static str) -> Place,
    found: &mut Vec<Problem>,
) {
    let retry = &integration.retry;
    let checks = [
        (retry.attempts == 0, "attempts", "at least one attempt is needed"),
        (
            retry.base.as_millis() <= 0 || retry.cap < retry.base,
            "base",
            "the wait must be over zero and at most the cap",
        ),
        (!(0.0..=1.0).contains(&retry.jitter), "jitter", "jitter is a share between 0 and 1"),
        (retry.slow_interval.as_millis() <= 0, "slow_interval", "the slow interval must be over zero"),
        (integration.attempt_timeout.as_millis() <= 0, "timeout", "an attempt's timeout must be over zero"),
        (integration.in_flight_max == 0, "in_flight_max", "at least one attempt at a time is needed"),
    ];
    for (wrong, field, message) in checks {
        if wrong {
            found.push(error("retry", at(field), message));
        }
    }
}

fn error(code: &'static str, place: Place, message: impl Into<String>) -> Problem {
    Problem { level: Level::Error, code, place, message: message.into() }
}
