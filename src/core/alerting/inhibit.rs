//! Inhibition (spec alertmanager §2.6), with the whole set of sources at hand: as long as one is left, its targets
//! stay quiet.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::model::{Fingerprint, Labels, Matcher};

use super::InhibitRule;

/// The rules with the active alerts that are sources of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Inhibitor {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    options: InhibitRule,
    /// Active sources by the values of the equal labels.
    sources: HashMap<Labels, Sources>,
}

/// Apart, because an alert on both sides can't be inhibited by another on both sides.
#[derive(Debug, Clone, Default)]
struct Sources {
    only: BTreeSet<Fingerprint>,
    also_targets: BTreeSet<Fingerprint>,
}

/// Who quietens an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inhibition {
    pub by: Fingerprint,
    pub rule: usize,
    pub name: Arc<str>,
}

impl Inhibitor {
    pub(super) fn new(rules: &[InhibitRule]) -> Self {
        let rule = |options: &InhibitRule| Rule { options: options.clone(), sources: HashMap::new() };
        Self { rules: rules.iter().map(rule).collect() }
    }

    /// Tells that an alert is active or no longer so.
    pub(super) fn set(&mut self, labels: &Labels, active: bool) {
        for rule in &mut self.rules {
            if !all_match(&rule.options.source, labels) {
                continue;
            }
            let equal = rule.options.equal_labels(labels);
            let both = all_match(&rule.options.target, labels);
            if active {
                rule.sources.entry(equal).or_default().side(both).insert(labels.fingerprint());
            } else if let Some(sources) = rule.sources.get_mut(&equal) {
                sources.side(both).remove(&labels.fingerprint());
                if sources.only.is_empty() && sources.also_targets.is_empty() {
                    rule.sources.remove(&equal);
                }
            }
        }
    }

    /// Who quietens an alert, by the first rule that applies.
    pub(super) fn inhibits(&self, labels: &Labels) -> Option<Inhibition> {
        self.rules.iter().enumerate().find_map(|(number, rule)| {
            if rule.sources.is_empty() || !all_match(&rule.options.target, labels) {
                return None;
            }
            let sources = rule.sources.get(&rule.options.equal_labels(labels))?;
            let by = sources.only.first().or_else(|| {
                let both = all_match(&rule.options.source, labels);
                sources.also_targets.first().filter(|_| !both)
            })?;
            Some(Inhibition { by: *by, rule: number, name: Arc::clone(&rule.options.name) })
        })
    }
}

impl Sources {
    fn side(&mut self, also_targets: bool) -> &mut BTreeSet<Fingerprint> {
        if also_targets { &mut self.also_targets } else { &mut self.only }
    }
}

impl InhibitRule {
    /// The labels that source and target must share. Empty values are absent in `Labels`, so absent equals absent.
    fn equal_labels(&self, labels: &Labels) -> Labels {
        Labels::from_sorted(labels.iter().filter(|(n, _)| self.equal.iter().any(|e| **e == **n)))
    }
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|m| m.matches_labels(labels))
}
