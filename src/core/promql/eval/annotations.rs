//! Warnings and infos (spec §2.7).

use std::collections::BTreeSet;

use crate::diag::Span;

/// What a person should know about a result; each text once, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotations {
    warnings: BTreeSet<(String, Span)>,
    infos: BTreeSet<(String, Span)>,
}

impl Annotations {
    pub(super) fn warn(&mut self, span: Span, text: impl Into<String>) {
        self.warnings.insert((format!("PromQL warning: {}", text.into()), span));
    }

    pub(super) fn info(&mut self, span: Span, text: impl Into<String>) {
        self.infos.insert((format!("PromQL info: {}", text.into()), span));
    }

    /// Warnings with their position in `query`: `text (line:column)`.
    pub fn warnings(&self, query: &str) -> Vec<String> {
        texts(&self.warnings, query)
    }

    /// Infos with their position in `query`.
    pub fn infos(&self, query: &str) -> Vec<String> {
        texts(&self.infos, query)
    }
}

fn texts(set: &BTreeSet<(String, Span)>, query: &str) -> Vec<String> {
    let position = |offset: usize| {
        let before = query.get(..offset).unwrap_or(query);
        let column = before.len() - before.rfind('\n').map_or(0, |i| i + 1) + 1;
        format!("{}:{column}", before.matches('\n').count() + 1)
    };
    set.iter().map(|(text, span)| format!("{text} ({})", position(span.start))).collect()
}
