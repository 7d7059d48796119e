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

const fn code(code: &'static str, explanation: &'static str) -> Code {
    Code { code, explanation }
}

/// All codes in alphabetical order. A test proves that each is used and that each used one is here.
pub const CODES: &[Code] = &[
    Code {
        code: "duplicate-rule",
        explanation: "Two rules have the same name and labels: they would write the same series or raise the same \
            alert. One is enough; give them different labels if both are meant.",
    },
    Code {
        code: "promql",
        explanation: "The expression is no PromQL: the place, what was expected there and often what was probably \
            meant are shown. Line and column are those of the file, also inside folded and quoted text.",
    },
];
