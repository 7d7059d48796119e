//! Every kind of diagnostic, explained.

/// A kind of diagnostic.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// As printed in brackets.
    pub code: &'static str,
    /// What it means, why it matters, and what to do.
    pub explanation: &'static str,
}

/// The explanation of a code, for `botwatch check --explain` and the manual.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|c| c.code == code).map(|c| c.explanation)
}

/// All codes in alphabetical order. A test proves that each is used and that each used one is here.
pub const CODES: &[Code] = &[
    Code {
        code: "duplicate-rule",
        explanation: "Two rules have the same name and labels: they would write the same series or raise the same \
            alert. One is enough; give them different labels if both are meant.",
    },
    Code { code: "missing-key", explanation: "A key that must be there is missing or has no value." },
    Code {
        code: "promql",
        explanation: "The expression is no PromQL: the place, what was expected there and often what was probably \
            meant are shown. Line and column are those of the file, also inside folded and quoted text.",
    },
    Code {
        code: "too-many-problems",
        explanation: "The file has more problems than are worth printing at once; the first 200 are shown. Mend \
            those and check again. So many usually share one cause, such as a file of another kind.",
    },
    Code {
        code: "unknown-key",
        explanation: "A key that is not known at this place. Unknown keys are errors, because a misspelt key would \
            otherwise be ignored silently and the setting would not be in force. The nearest known key is suggested.",
    },
    Code {
        code: "yaml-alias",
        explanation: "An alias (`*name`) refers to an anchor (`&name`) that is not defined above it, or to the value \
            that it stands in.",
    },
];
