//! A rule, and what may be wrong with it.

use std::{fmt, str::FromStr};

use crate::{diag::nearest, model::is_legacy_label_name, re2};

/// Between the values of the source labels, unless the rule says otherwise.
pub const DEFAULT_SEPARATOR: &str = ";";
/// Matches everything.
pub const DEFAULT_REGEX: &str = "(.*)";
/// What the regular expression matched.
pub const DEFAULT_REPLACEMENT: &str = "$1";

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Action {
    /// Sets the target label to the replacement if the expression matches.
    #[default]
    Replace,
    /// Drops what doesn't match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops that whose target label differs from the source.
    KeepEqual,
    /// Drops that whose target label equals the source.
    DropEqual,
    /// Sets the target label to a hash of the source, modulo.
    HashMod,
    /// Copies labels whose name matches to the replacement's name.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name doesn't match.
    LabelKeep,
    /// Sets the target label to the source in lower case.
    Lowercase,
    /// Sets the target label to the source in upper case.
    Uppercase,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// As configuration names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }

    const fn needs_target(self) -> bool {
        matches!(
            self,
            Self::Replace
                | Self::HashMod
                | Self::Lowercase
                | Self::Uppercase
                | Self::KeepEqual
                | Self::DropEqual
        )
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = String;

    /// In any case, as in Prometheus; the error says what is known.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        Self::ALL.into_iter().find(|a| a.as_str() == lower).ok_or_else(|| {
            match nearest(&lower, Self::ALL.map(Self::as_str)) {
                Some(near) => format!("unknown relabel action `{text}`, did you mean `{near}`?"),
                None => format!("unknown relabel action `{text}`"),
            }
        })
    }
}

/// Which label names are allowed (`metric_name_validation_scheme`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameValidation {
    /// Any text that is not empty.
    #[default]
    Utf8,
    /// `[a-zA-Z_][a-zA-Z0-9_]*`.
    Legacy,
}

impl NameValidation {
    /// Whether `name` may be a label's.
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_label_name(name),
        }
    }

    /// Whether `template` may become a label name: `$…` stands for any part of one.
    fn is_template(self, template: &str) -> bool {
        match self {
            Self::Utf8 => !template.is_empty(),
            Self::Legacy => is_legacy_template(template),
        }
    }
}

/// `[a-zA-Z_]` or a variable first, then word characters and variables; a digit only after a letter or variable.
fn is_legacy_template(template: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = template.as_bytes();
    let mut first = true;
    while let Some((b, rest)) = bytes.split_first() {
        bytes = match b {
            b'$' => {
                let braced = rest.first() == Some(&b'{');
                let name = rest.get(usize::from(braced)..).unwrap_or_default();
                let len = name.iter().take_while(|b| word(**b)).count();
                if len == 0 || (braced && name.get(len) != Some(&b'}')) {
                    return false;
                }
                &name[len + usize::from(braced)..]
            }
            b if word(*b) && !(first && b.is_ascii_digit()) => rest,
            _ => return false,
        };
        first = false;
    }
    !first
}

/// A rule as written; `None` for a key that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spec {
    /// `source_labels`
    pub source_labels: Option<Vec<String>>,
    /// `separator`
    pub separator: Option<String>,
    /// `regex`
    pub regex: Option<String>,
    /// `modulus`
    pub modulus: Option<u64>,
    /// `target_label`
    pub target_label: Option<String>,
    /// `replacement`
    pub replacement: Option<String>,
    /// `action`
    pub action: Option<String>,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The key that is wrong or missing.
    pub key: &'static str,
    /// Why.
    pub message: String,
}

/// A checked rule; its regular expression is compiled.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(super) action: Action,
    pub(super) source_labels: Vec<String>,
    pub(super) separator: String,
    pub(super) regex: regex::Regex,
    pub(super) modulus: u64,
    pub(super) target_label: String,
    pub(super) replacement: String,
    pub(super) names: NameValidation,
    spec: Spec,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.spec, self.names) == (&other.spec, other.names)
    }
}

impl Rule {
    /// Checks a rule.
    ///
    /// # Errors
    /// All problems, in the order of the keys.
    pub fn new(spec: Spec, names: NameValidation) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let action = match spec.action.as_deref().map(str::parse) {
            None => Action::Replace,
            Some(Ok(action)) => action,
            // What else is wrong depends on the action.
            Some(Err(message)) => return Err(vec![Problem { key: "action", message }]),
        };
        let regex = match re2::compile_anchored(spec.regex.as_deref().unwrap_or(DEFAULT_REGEX)) {
            Ok(regex) => Some(regex),
            Err(e) => {
                problems.push(Problem { key: "regex", message: format!("invalid regular expression: {e}") });
                None
            }
        };
        check(action, &spec, names, &mut problems);
        match regex {
            Some(regex) if problems.is_empty() => Ok(Self {
                action,
                source_labels: spec.source_labels.clone().unwrap_or_default(),
                separator: spec.separator.clone().unwrap_or_else(|| DEFAULT_SEPARATOR.to_owned()),
                regex,
                modulus: spec.modulus.unwrap_or_default(),
                target_label: spec.target_label.clone().unwrap_or_default(),
                replacement: spec.replacement.clone().unwrap_or_else(|| DEFAULT_REPLACEMENT.to_owned()),
                names,
                spec,
            }),
            _ => Err(problems),
        }
    }

    /// The rule as written.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }
}

fn check(action: Action, spec: &Spec, names: NameValidation, problems: &mut Vec<Problem>) {
    let mut problem = |key, message| problems.push(Problem { key, message });
    let target = spec.target_label.as_deref().unwrap_or_default();
    let replacement = spec.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
    if action == Action::HashMod && spec.modulus.unwrap_or_default() == 0 {
        problem("modulus", "hashmod requires a modulus above 0".to_owned());
    }
    if action.needs_target() {
        let valid = match action {
            Action::Replace if target.contains('$') => names.is_template(target),
            _ => names.is_label_name(target),
        };
        if target.is_empty() {
            problem("target_label", format!("action `{action}` requires `target_label`"));
        } else if !valid {
            problem("target_label", format!("`{target}` is no valid label name"));
        }
    }
    if action == Action::LabelMap && !names.is_template(replacement) {
        problem("replacement", format!("`{replacement}` is no valid label name"));
    }
    for label in spec.source_labels.iter().flatten().filter(|l| !names.is_label_name(l)) {
        problem("source_labels", format!("`{label}` is no valid label name"));
    }
    let has_separator = spec.separator.as_deref().is_some_and(|s| s != DEFAULT_SEPARATOR);
    let has_replacement = replacement != DEFAULT_REPLACEMENT;
    let foreign = [
        ("source_labels", spec.source_labels.is_some()),
        ("separator", has_separator),
        ("regex", spec.regex.is_some()),
        ("modulus", spec.modulus.unwrap_or_default() != 0),
        ("target_label", !target.is_empty()),
        ("replacement", has_replacement),
    ];
    let allowed: &[&str] = match action {
        Action::KeepEqual | Action::DropEqual => &["source_labels", "target_label"],
        Action::LabelDrop | Action::LabelKeep => &["regex"],
        Action::Lowercase | Action::Uppercase => {
            &["source_labels", "separator", "regex", "modulus", "target_label"]
        }
        _ => return,
    };
    for (key, _) in foreign.into_iter().filter(|(key, set)| *set && !allowed.contains(key)) {
        problem(key, format!("action `{action}` takes no `{key}`"));
    }
}
