//! Relabelling steps (spec S20).

use std::sync::Arc;

use botwatch_core::{diag::Span, yaml::Reader};

use crate::config::value::{At, Pattern, choice, section};

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
        action: At<RelabelAction>,
    }
}

choice! {
    /// What a relabelling step does.
    pub enum RelabelAction {
        /// Sets the target label from the source labels.
        Replace = "replace",
        /// Drops what does not match.
        Keep = "keep",
        /// Drops what matches.
        Drop = "drop",
        /// Drops what differs from the target label.
        KeepEqual = "keepequal",
        /// Drops what equals the target label.
        DropEqual = "dropequal",
        /// Sets the target label to a hash.
        HashMod = "hashmod",
        /// Copies labels to new names.
        LabelMap = "labelmap",
        /// Removes labels.
        LabelDrop = "labeldrop",
        /// Removes all other labels.
        LabelKeep = "labelkeep",
        /// Sets the target label in lower case.
        Lowercase = "lowercase",
        /// Sets the target label in upper case.
        Uppercase = "uppercase",
    }
}

impl Relabel {
    /// The action; `replace` unless set.
    pub fn action(&self) -> RelabelAction {
        self.action.as_ref().map_or(RelabelAction::Replace, |a| a.value)
    }

    fn check(&self, reader: &mut Reader, span: Span) {
        use RelabelAction as A;
        let action = self.action();
        let name = action.as_str();
        let needs_target = matches!(
            action,
            A::Replace | A::HashMod | A::Lowercase | A::Uppercase | A::KeepEqual | A::DropEqual
        );
        if needs_target && self.target_label.as_ref().map_or(self.lacks(&["target_label"]), |t| t.is_empty())
        {
            let d = reader.error("missing-key", format!("the action `{name}` needs a `target_label`"), span);
            reader.report(d.label("`target_label` is needed here"));
        }
        if action == A::HashMod && self.modulus.as_ref().map_or(self.lacks(&["modulus"]), |m| m.value == 0) {
            let d = reader.error("missing-key", "the action `hashmod` needs a `modulus` over zero", span);
            reader.report(d.label("`modulus` is needed here"));
        }
        let only_regex = matches!(action, A::LabelDrop | A::LabelKeep);
        let only_labels = matches!(action, A::KeepEqual | A::DropEqual);
        let extra = [
            ("source_labels", self.source_labels.is_some() && only_regex),
            ("target_label", self.target_label.is_some() && only_regex),
            ("modulus", self.modulus.is_some() && (only_regex || only_labels)),
            ("separator", self.separator.is_some() && (only_regex || only_labels)),
            ("replacement", self.replacement.is_some() && (only_regex || only_labels)),
            ("regex", self.regex.is_some() && only_labels),
        ];
        for (key, _) in extra.iter().filter(|(_, wrong)| *wrong) {
            let d = reader.error("conflict", format!("`{key}` means nothing to the action `{name}`"), span);
            reader.report(d.label(format!("remove `{key}`")));
        }
    }
}
