//! The one alert that says what can't be seen (DESIGN §2.3): a built-in rule, one alert for each blind source.

use std::{collections::BTreeMap, sync::Arc};

use super::Refreshed;
use crate::model::{ALERT_NAME, AlertState, Duration, Ending, Labels, RuleKey, Timestamp, Transition};

/// The alert's name.
pub const SOURCE_BLIND: &str = "SourceBlind";
/// Its runbook, below the address at which people reach botwatch.
const RUNBOOK: &str = "/docs/runbooks/SourceBlind";

/// A source that can't be seen, as found at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindSource {
    /// Its name.
    pub name: Arc<str>,
    /// Labels of what it writes, by which its alert is routed and inhibits: `bot`, `job`, `instance`.
    pub labels: Labels,
    /// Since when.
    pub since: Timestamp,
    /// Alerts that are frozen because of it.
    pub frozen: usize,
}

/// The built-in rule with its alerts.
#[derive(Debug, Clone)]
pub struct Blindness {
    /// How long a source must be blind.
    pub hold: Duration,
    /// Whether it is told of sources on which no alert depends, too.
    pub always: bool,
    /// Where people reach this botwatch, without a slash at the end.
    pub external_url: Arc<str>,
    alerts: BTreeMap<Arc<str>, Firing>,
}

#[derive(Debug, Clone, PartialEq)]
struct Firing {
    labels: Labels,
    fired_at: Timestamp,
    since: Timestamp,
    frozen: usize,
}

impl Blindness {
    /// Without alerts.
    pub fn new(hold: Duration, always: bool, external_url: Arc<str>) -> Self {
        Self { hold, always, external_url, alerts: BTreeMap::new() }
    }

    /// The rule's identity.
    pub fn key() -> RuleKey {
        RuleKey {
            file: "botwatch".into(),
            group: "botwatch".into(),
            alert: SOURCE_BLIND.into(),
            labels: fixed_labels().fingerprint(),
            nth: 0,
        }
    }

    /// Takes up the alerts of the journal.
    pub fn restore(&mut self, transitions: &[Transition]) {
        for t in transitions.iter().filter(|t| t.rule == Self::key()) {
            if let AlertState::Firing { since, fired_at, .. } = t.state {
                let name: Arc<str> = t.labels.value("source").into();
                self.alerts.insert(name, Firing { labels: t.labels.clone(), fired_at, since, frozen: 0 });
            }
        }
    }

    /// Decides, from what is blind at `now`. A source that is not in `blind` was seen, or is no longer configured.
    pub fn step(&mut self, now: Timestamp, blind: &[BlindSource]) -> (Vec<Transition>, Vec<Refreshed>) {
        let (mut changes, mut refreshed) = (Vec::new(), Vec::new());
        let gone: Vec<Arc<str>> =
            self.alerts.keys().filter(|name| !blind.iter().any(|b| b.name == **name)).cloned().collect();
        for name in gone {
            if let Some(firing) = self.alerts.remove(&name) {
                let why = Ending::ConditionGone;
                let state = AlertState::Ended { fired_at: Some(firing.fired_at), at: now, why };
                changes.push(self.transition(&name, &firing, state, now));
            }
        }
        for source in blind {
            let BlindSource { name, since, frozen, .. } = source;
            match self.alerts.get_mut(name) {
                Some(firing) if firing.frozen != *frozen || firing.since != *since => {
                    (firing.frozen, firing.since) = (*frozen, *since);
                    let annotations = annotations(name, firing, &self.external_url);
                    let labels = firing.labels.clone();
                    refreshed.push(Refreshed { labels, annotations, value: *frozen as f64 });
                }
                Some(_) => {}
                None => {
                    let long_enough = now.since(*since) >= self.hold;
                    if long_enough && (self.always || *frozen > 0) {
                        let labels = labels(source);
                        let firing = Firing { labels, fired_at: now, since: *since, frozen: *frozen };
                        let state = AlertState::Firing { since: *since, fired_at: now, keep_since: None };
                        changes.push(self.transition(name, &firing, state, now));
                        self.alerts.insert(Arc::clone(name), firing);
                    }
                }
            }
        }
        (changes, refreshed)
    }

    /// When the next of these sources will have been blind for long enough.
    pub fn next(&self, blind: &[BlindSource]) -> Option<Timestamp> {
        let due =
            blind.iter().filter(|b| (self.always || b.frozen > 0) && !self.alerts.contains_key(&b.name));
        due.map(|b| b.since + self.hold).min()
    }

    fn transition(&self, source: &str, firing: &Firing, state: AlertState, at: Timestamp) -> Transition {
        Transition {
            rule: Self::key(),
            labels: firing.labels.clone(),
            annotations: annotations(source, firing, &self.external_url),
            value: firing.frozen as f64,
            at,
            state,
            frozen_since: None,
            sources: Vec::new(),
            generator_url: Arc::clone(&self.external_url),
        }
    }
}

fn fixed_labels() -> Labels {
    Labels::from_pairs([("severity", "critical"), ("category", "system_failure")])
}

fn labels(source: &BlindSource) -> Labels {
    let mut labels = source.labels.builder();
    for (name, value) in &fixed_labels() {
        labels.set(name, value);
    }
    labels.set("source", &source.name).set(ALERT_NAME, SOURCE_BLIND);
    labels.finish()
}

fn annotations(source: &str, firing: &Firing, external_url: &str) -> Labels {
    // To the second: nobody reads more at night.
    let since = Timestamp(firing.since.0 / 1000 * 1000).rfc3339();
    let frozen = match firing.frozen {
        0 => "No alert depends on it at present, but nothing that it reports can raise one.".to_owned(),
        1 => "One alert that depends on it stays as it was: neither confirmed nor resolved.".to_owned(),
        n => format!("{n} alerts that depend on it stay as they were: neither confirmed nor resolved."),
    };
    Labels::from_pairs([
        ("summary", format!("Can't see {source}")),
        ("description", format!("{source} can't be seen since {since}. {frozen}")),
        ("runbook_url", format!("{external_url}{RUNBOOK}")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blind(name: &str, since: i64, frozen: usize) -> BlindSource {
        let labels = Labels::from_pairs([("bot", "b")]);
        BlindSource { name: name.into(), labels, since: Timestamp::from_secs(since), frozen }
    }

    fn states(changes: &[Transition]) -> Vec<(String, &'static str)> {
        let word = |t: &Transition| match t.state {
            AlertState::Pending { .. } => "pending",
            AlertState::Firing { .. } => "firing",
            AlertState::Ended { .. } => "ended",
        };
        changes.iter().map(|t| (t.labels.value("source").to_owned(), word(t))).collect()
    }

    #[test]
    fn a_source_is_told_of_once_it_has_been_blind_for_long_enough_and_alerts_hang_on_it() {
        let at = Timestamp::from_secs;
        let mut rule = Blindness::new(Duration::from_secs(30), false, "".into());
        let (lonely, needed) = (blind("a", 100, 0), blind("b", 110, 2));
        assert_eq!(rule.next(&[lonely.clone(), needed.clone()]), Some(at(140)));
        assert!(rule.step(at(139), &[lonely.clone(), needed.clone()]).0.is_empty());
        let (changes, _) = rule.step(at(140), &[lonely.clone(), needed.clone()]);
        assert_eq!(states(&changes), [("b".to_owned(), "firing")]);
        assert!(
            changes[0].annotations.value("description").contains("2 alerts"),
            "{:?}",
            changes[0].annotations
        );

        let mut restarted = Blindness::new(Duration::from_secs(30), false, "".into());
        restarted.restore(&changes);
        let (again, refreshed) = restarted.step(at(150), &[blind("b", 110, 3)]);
        assert!(again.is_empty());
        assert!(refreshed[0].annotations.value("description").contains("3 alerts"));
        assert_eq!(states(&restarted.step(at(160), &[lonely]).0), [("b".to_owned(), "ended")]);

        let mut always = Blindness::new(Duration::ZERO, true, "".into());
        assert_eq!(states(&always.step(at(100), &[blind("a", 100, 0)]).0), [("a".to_owned(), "firing")]);
    }
}
