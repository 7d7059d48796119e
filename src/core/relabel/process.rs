//! Applying rules.

use regex::Captures;

use super::{Rule, rule::Action};
use crate::{model::LabelsBuilder, re2};

/// Applies the rules in order. False when one of them drops the whole set; the labels are then as far as they got.
pub fn process(rules: &[Rule], labels: &mut LabelsBuilder) -> bool {
    rules.iter().all(|rule| apply(rule, labels))
}

fn apply(rule: &Rule, labels: &mut LabelsBuilder) -> bool {
    match rule.action {
        Action::Keep => rule.regex.is_match(&source(rule, labels)),
        Action::Drop => !rule.regex.is_match(&source(rule, labels)),
        Action::KeepEqual => labels.value(&rule.target_label) == source(rule, labels),
        Action::DropEqual => labels.value(&rule.target_label) != source(rule, labels),
        _ => {
            rewrite(rule, labels);
            true
        }
    }
}

fn rewrite(rule: &Rule, labels: &mut LabelsBuilder) {
    match rule.action {
        Action::Replace => replace(rule, labels),
        Action::HashMod => {
            let hash = md5::compute(source(rule, labels).as_bytes());
            let mut last = [0; 8];
            last.copy_from_slice(&hash[8..]);
            let slot = u64::from_be_bytes(last).checked_rem(rule.modulus).unwrap_or_default();
            labels.set(&rule.target_label, &slot.to_string());
        }
        Action::Lowercase => {
            let value = source(rule, labels).chars().map(lower).collect::<String>();
            labels.set(&rule.target_label, &value);
        }
        Action::Uppercase => {
            let value = source(rule, labels).chars().map(upper).collect::<String>();
            labels.set(&rule.target_label, &value);
        }
        Action::LabelMap => {
            for (name, value) in labels.pairs().to_vec() {
                let Some(captures) = rule.regex.captures(&name) else { continue };
                let target = expand(&rule.replacement, &captures);
                if !target.is_empty() {
                    labels.set(&target, &value);
                }
            }
        }
        Action::LabelDrop => {
            labels.retain(|name, _| !rule.regex.is_match(name));
        }
        Action::LabelKeep => {
            labels.retain(|name, _| rule.regex.is_match(name));
        }
        Action::Keep | Action::Drop | Action::KeepEqual | Action::DropEqual => {}
    }
}

/// A template with its references filled in.
fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    re2::expand(template, captures, &mut out);
    out
}

fn replace(rule: &Rule, labels: &mut LabelsBuilder) {
    let value = source(rule, labels);
    let Some(captures) = rule.regex.captures(&value) else { return };
    let target = expand(&rule.target_label, &captures);
    // A name that came out wrong changes nothing.
    if rule.names.is_label_name(&target) {
        labels.set(&target, &expand(&rule.replacement, &captures));
    }
}

fn source(rule: &Rule, labels: &LabelsBuilder) -> String {
    let mut out = String::new();
    for (i, label) in rule.source_labels.iter().enumerate() {
        if i > 0 {
            out.push_str(&rule.separator);
        }
        out.push_str(labels.value(label));
    }
    out
}

/// Go's `unicode.ToLower`: one character for one.
fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ if c == 'İ' => 'i',
        _ => c,
    }
}

/// Go's `unicode.ToUpper`: one character for one.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}
