//! Inhibition rules (spec alertmanager §1.4).

use std::sync::Arc;

use botwatch_core::yaml::{Node, Reader};

use super::{MatcherMap, Matchers, RegexMap};
use crate::config::value::{At, Out, Read, Show, section};

section! {
    /// The keys of an inhibition rule.
    pub struct InhibitKeys("an inhibition rule", "inhibit_rules[]") {
        /// For people.
        name: At<Arc<str>>,
        /// Older form: labels that the quietening alert has.
        source_match: MatcherMap,
        /// Older form: patterns that its labels match.
        source_match_re: RegexMap,
        /// What the quietening alert matches.
        source_matchers: Matchers,
        /// Older form: labels that the quietened alert has.
        target_match: MatcherMap,
        /// Older form: patterns that its labels match.
        target_match_re: RegexMap,
        /// What the quietened alert matches.
        target_matchers: Matchers,
        /// Labels that both share.
        equal: Vec<At<Arc<str>>>,
    }
}

/// An inhibition rule; an empty list item is an empty rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InhibitRule(pub InhibitKeys);

impl Read for InhibitRule {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        if node.is_null() {
            return Some(Self::default());
        }
        let rule = InhibitKeys::read(reader, node)?;
        for label in rule.equal.iter().flatten().filter(|l| l.is_empty()) {
            reader.report(label.error("invalid-value", "a label without a name").label("expected a name"));
        }
        Some(Self(rule))
    }
}

impl std::ops::Deref for InhibitRule {
    type Target = InhibitKeys;
    fn deref(&self) -> &InhibitKeys {
        &self.0
    }
}

impl Show for InhibitRule {
    fn show(&self) -> Option<Out> {
        self.0.show()
    }
}
