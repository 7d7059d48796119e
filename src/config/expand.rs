//! Variables in files: `${NAME}` and `${NAME:-default}` in botwatch's own files, Prometheus' `$NAME` in
//! `external_labels` of a plain `prometheus.yml` (spec S24), nothing elsewhere.

use std::{path::Path, sync::Arc};

use botwatch_core::{
    diag::{Diagnostic, SourceText, Span, nearest},
    yaml::{Document, Node, Scalar, Value},
};

use super::{env::Env, file::File};

/// Whose rules a file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// botwatch's own: variables everywhere.
    Botwatch,
    /// Only keys of Prometheus: variables in `external_labels`.
    Prometheus,
    /// Only keys of Alertmanager: no variables.
    Alertmanager,
}

const PROMETHEUS: &[&str] = &[
    "global",
    "rule_files",
    "scrape_configs",
    "scrape_config_files",
    "alerting",
    "remote_write",
    "remote_read",
    "storage",
    "tracing",
    "otlp",
    "runtime",
];

const ALERTMANAGER: &[&str] = &[
    "global",
    "route",
    "receivers",
    "inhibit_rules",
    "templates",
    "time_intervals",
    "mute_time_intervals",
    "tracing",
    "event_recorder",
];

/// Whose file it is: botwatch's own by its name (`botwatch….yml`), by a key of botwatch's own, or by keys of both.
pub(super) fn dialect(document: &Document) -> Dialect {
    let stem = Path::new(&*document.source.name).file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let Value::Mapping(entries) = &document.root.value else { return Dialect::Botwatch };
    let only = |keys: &[&str]| entries.iter().all(|(key, _)| keys.contains(&&*key.text));
    if stem.starts_with("botwatch") || entries.is_empty() {
        Dialect::Botwatch
    } else if only(PROMETHEUS) {
        Dialect::Prometheus
    } else if only(ALERTMANAGER) {
        Dialect::Alertmanager
    } else {
        Dialect::Botwatch
    }
}

/// Expands the variables of a file as its dialect asks. Where a plain file seems to count on expansion that it
/// doesn't get, a warning says so.
pub(super) fn expand(document: &mut Document, dialect: Dialect, env: &Env, found: &mut Vec<Diagnostic>) {
    let source = Arc::clone(&document.source);
    let mut expander = Expander { source: &source, env, found, dialect };
    expander.node(&mut document.root);
}

struct Expander<'a> {
    source: &'a Arc<SourceText>,
    env: &'a Env,
    found: &'a mut Vec<Diagnostic>,
    dialect: Dialect,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Null => {}
            Value::Scalar(scalar) => {
                if scalar.text.contains("${") {
                    self.scalar(scalar);
                }
            }
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.node(item)),
            Value::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| self.node(value)),
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar) {
        let parts = split(&scalar.text);
        if self.dialect != Dialect::Botwatch {
            if let Some(Part::Variable { span, name, .. }) =
                parts.iter().find(|p| matches!(p, Part::Variable { .. }))
            {
                self.warn_unexpanded(name, scalar.locate(*span));
            }
            return;
        }
        let mut text = String::with_capacity(scalar.text.len());
        let mut map = Vec::new();
        for part in parts {
            match part {
                Part::Text { value, at } => {
                    for (t, s) in pieces(scalar, at, value.len()) {
                        map.push((text.len() + t, s));
                    }
                    text.push_str(value);
                }
                Part::Variable { name, default, span } => {
                    let value = match (self.env.get(name), default) {
                        (Some(value), _) => value.to_owned(),
                        (None, Some(default)) => default.to_owned(),
                        (None, None) => {
                            self.unset(name, scalar.locate(span));
                            "x".to_owned()
                        }
                    };
                    // Every byte of the value stands where the variable stands.
                    let start = scalar.locate(span).start;
                    map.extend((0..value.len()).map(|i| (text.len() + i, start)));
                    text.push_str(&value);
                }
            }
        }
        scalar.text = text.into();
        scalar.map = map.into();
    }

    fn unset(&mut self, name: &str, span: Span) {
        let d = Diagnostic::error(
            "unset-variable",
            format!("the variable `{name}` is not set"),
            self.source,
            span,
        );
        let d = match nearest(name, self.env.names()) {
            Some(near) => d.label(format!("did you mean `{near}`, which is set?")),
            None => d.label("expected it in the environment"),
        };
        self.found.push(d.hint(format!("set {name}, or give a default: ${{{name}:-value}}")));
    }

    fn warn_unexpanded(&mut self, name: &str, span: Span) {
        let whose = if self.dialect == Dialect::Prometheus { "Prometheus" } else { "Alertmanager" };
        let message = format!("`${{{name}}}` is taken literally in a file of {whose}");
        let d = Diagnostic::warning("variable-not-expanded", message, self.source, span)
            .label("not expanded")
            .hint("rename the file to `botwatch.yml`, or use a `…_file` key for a secret");
        self.found.push(d);
    }
}

/// Breakpoints of a part of a scalar, relative to the part's start.
fn pieces(scalar: &Scalar, at: usize, len: usize) -> Vec<(usize, usize)> {
    let inside = scalar.map.iter().filter(|(t, _)| *t > at && *t < at + len).map(|(t, s)| (t - at, *s));
    std::iter::once((0, scalar.locate(Span::new(at, at)).start)).chain(inside).collect()
}

/// A part of a text with variables.
enum Part<'t> {
    Text { value: &'t str, at: usize },
    Variable { name: &'t str, default: Option<&'t str>, span: Span },
}

/// Splits at variables. `$${` is a literal `${`; what is no variable (`${1}` of a replacement) stays.
fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("${").map(|i| at + i) {
        if found > start && text[..found].ends_with('$') {
            // The escape's first dollar goes, the rest stays.
            parts.push(Part::Text { value: &text[start..found - 1], at: start });
            start = found;
            at = found + 2;
            continue;
        }
        match variable(&text[found..]) {
            Some((name, default, len)) => {
                if found > start {
                    parts.push(Part::Text { value: &text[start..found], at: start });
                }
                parts.push(Part::Variable { name, default, span: Span::new(found, found + len) });
                start = found + len;
                at = start;
            }
            None => at = found + 2,
        }
    }
    if start < text.len() {
        parts.push(Part::Text { value: &text[start..], at: start });
    }
    parts
}

/// `${NAME}` or `${NAME:-default}` at the head of a text: name, default, length.
fn variable(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let end = text.find('}')?;
    let inner = &text[2..end];
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let valid = name
        .bytes()
        .enumerate()
        .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || (i > 0 && b.is_ascii_digit()));
    (valid && !name.is_empty()).then_some((name, default, end + 1))
}

/// Prometheus' expansion of `external_labels`: `$NAME`, `${NAME}`, `$$`; an unset variable is empty, with a warning.
pub(super) fn external_labels(file: &mut File, env: &Env, found: &mut Vec<Diagnostic>) {
    let labels = file.global.as_mut().and_then(|g| g.external_labels.as_mut());
    for (_, value) in labels.into_iter().flat_map(|l| &mut l.0) {
        if !value.value.contains('$') {
            continue;
        }
        let (text, missing) = go_expand(&value.value, env);
        for name in missing {
            if let Some(place) = &value.place {
                let message = format!("the variable `{name}` is not set and counts as empty");
                found.push(place.warning("unset-variable", message).label("as in Prometheus"));
            }
        }
        value.value = text.into();
    }
}

/// Go's `os.Expand` with Prometheus' mapping: the text, and the names that were not set.
fn go_expand(text: &str, env: &Env) -> (String, Vec<String>) {
    let mut out = String::new();
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let word = |s: &str| s.bytes().take_while(|b| *b == b'_' || b.is_ascii_alphanumeric()).count();
        let (name, used) = match after.as_bytes().first() {
            Some(b'$') => {
                out.push('$');
                rest = &after[1..];
                continue;
            }
            Some(b'{') => match after.find('}') {
                Some(end) => (&after[1..end], end + 1),
                None => ("", 1),
            },
            _ => (&after[..word(after)], word(after)),
        };
        match env.get(name) {
            Some(value) => out.push_str(value),
            None if name.is_empty() && used == 0 => out.push('$'),
            None => missing.push(name.to_owned()),
        }
        rest = &after[used..];
    }
    out.push_str(rest);
    (out, missing)
}
