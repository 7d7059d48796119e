//! What is embedded: the rule files that an environment-only start loads.

use std::sync::Arc;

use botwatch_core::diag::SourceText;

const RULES: &[(&str, &str)] = &[
    ("rules/trading-bot-alerts.yml", include_str!("../../rules/trading-bot-alerts.yml")),
    ("rules/paper-trading-safety-alerts.yml", include_str!("../../rules/paper-trading-safety-alerts.yml")),
    ("rules/real-time-data-alerts.yml", include_str!("../../rules/real-time-data-alerts.yml")),
];

/// The three shipped rule files, named as in the repository.
pub fn rule_files() -> Vec<Arc<SourceText>> {
    RULES.iter().map(|(name, text)| SourceText::new(*name, *text)).collect()
}
