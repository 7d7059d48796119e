//! Relabelling steps (spec S20).

use std::sync::Arc;

use botwatch_core::{
    diag::Span,
    relabel::{Action, NameValidation, Problem, Rule, Spec},
    yaml::{Node, Reader},
};

use crate::config::value::{At, Out, Pattern, Place, Read, Show, one_of, place, section};

section! {
    /// One step of relabelling.
    pub struct Relabel("a relabelling step", "relabel_configs[]", check Relabel::check) {
        /// Labels whose values are joined.
        source_labels: Vec<At<Arc<str>>>,
        /// Stands between them.
        separator: At<Arc<str>>,
        /// What they must match.
        regex: At<Pattern>,
        /// For `hashmod`.
        modulus: At<u64>,
        /// The label that is set.
        target_label: At<Arc<str>>,
        /// What it is set to.
        replacement: At<Arc<str>>,
        /// What is done.
        action: At<Action>,
    }
}

impl Read for Action {
    /// In any case, as in Prometheus.
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        if let Some(action) = node.as_scalar().and_then(|s| s.text.parse().ok()) {
            return Some(action);
        }
        one_of(reader, node, &Self::ALL.map(|a| (a.as_str(), a)))
    }
}

impl Show for Action {
    fn show(&self) -> Option<Out> {
        Some(Out::Raw(self.to_string(), None))
    }
}

impl Relabel {
    /// The checked rule; `None` when it is wrong, which was reported when the step was read.
    pub fn rule(&self) -> Option<Rule> {
        self.checked().ok()
    }

    fn checked(&self) -> Result<Rule, Vec<Problem>> {
        let text = |at: &Option<At<Arc<str>>>| at.as_ref().map(|t| t.value.to_string());
        let labels = |list: &Vec<At<Arc<str>>>| list.iter().map(|l| l.value.to_string()).collect();
        let spec = Spec {
            source_labels: self.source_labels.as_ref().map(labels),
            separator: text(&self.separator),
            regex: self.regex.as_ref().map(|r| r.value.0.to_string()),
            modulus: self.modulus.as_ref().map(|m| m.value),
            target_label: text(&self.target_label),
            replacement: text(&self.replacement),
            action: self.action.as_ref().map(|a| a.value.to_string()),
        };
        Rule::new(spec, NameValidation::Utf8)
    }

    fn check(&self, reader: &mut Reader, span: Span) {
        if self.action.is_none() && !self.lacks(&["action"]) {
            // It could not be read, and what else is wrong depends on it.
            return;
        }
        for problem in self.checked().err().into_iter().flatten() {
            let d = match self.place_of(problem.key) {
                Some(at) => at.error("invalid-value", problem.message).label("not possible here"),
                None if self.lacks(&[problem.key]) => reader
                    .error("missing-key", problem.message, span)
                    .label(format!("`{}` is needed here", problem.key)),
                // The key's own value could not be read.
                None => continue,
            };
            reader.report(d);
        }
    }

    fn place_of(&self, key: &str) -> Option<&Place> {
        match key {
            "source_labels" => self.source_labels.as_ref().and_then(|l| l.first()?.place.as_ref()),
            "separator" => place(&self.separator),
            "regex" => place(&self.regex),
            "modulus" => place(&self.modulus),
            "target_label" => place(&self.target_label),
            "replacement" => place(&self.replacement),
            "action" => place(&self.action),
            _ => None,
        }
    }
}
