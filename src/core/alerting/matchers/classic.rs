//! The classic grammar (`pkg/labels`): a leading `{` and a trailing `}` are cut off independently, the rest is split
//! at commas outside quotes, and each part is `name op value` with an optional, optionally quoted value.

use crate::{
    diag::Span,
    model::{MatchOp, Matcher, is_legacy_metric_name},
};

use super::Error;

/// What Go's `\s` matches.
const BLANK: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

/// Parses a whole list.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, Error> {
    let start = usize::from(text.starts_with('{'));
    let inner = &text[start..];
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    split(inner).into_iter().map(|part| matcher(inner, part).map_err(|e| shift(e, start))).collect()
}

fn shift(error: Error, by: usize) -> Error {
    Error { span: error.span.shift(by), ..error }
}

/// The parts between commas that stand outside quotes. A last part of blanks only doesn't count, so that a trailing
/// comma is allowed.
fn split(text: &str) -> Vec<Span> {
    let (mut quoted, mut escaped, mut from) = (false, false, 0);
    let mut parts = Vec::new();
    for (i, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(Span::new(from, i));
                from = i + 1;
            }
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    if !text[from..].trim().is_empty() {
        parts.push(Span::new(from, text.len()));
    }
    parts
}

fn matcher(text: &str, span: Span) -> Result<Matcher, Error> {
    let part = text[span.start..span.end].trim_matches(BLANK);
    let bad = || Error::new(span, format!("bad matcher format: {part}"));
    let name_len =
        part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or_else(bad)?;
    let name = &part[..name_len];
    if !is_legacy_metric_name(name) {
        return Err(bad());
    }
    let rest = part[name_len..].trim_start_matches(BLANK);
    let (op, raw) =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)]
            .into_iter()
            .find_map(|(text, op)| rest.strip_prefix(text).map(|raw| (op, raw)))
            .ok_or_else(bad)?;
    let raw = raw.trim_start_matches(BLANK);
    let value = unescape(raw)
        .ok_or_else(|| Error::new(span, format!("matcher value contains unescaped double quote: {raw}")))?;
    Matcher::new(name, op, value).map_err(|e| Error::new(span, format!("invalid regular expression: {e}")))
}

/// The value behind quotes and escapes (`\"`, `\\`, `\n`; any other backslash stands for itself); `None` when a quote
/// is out of place.
fn unescape(raw: &str) -> Option<String> {
    let (raw, mut open) = match raw.strip_prefix('"') {
        Some(rest) => (rest, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(raw.len());
    let mut escaped = false;
    for (i, c) in raw.char_indices() {
        let last = i + c.len_utf8() == raw.len();
        match c {
            _ if escaped => {
                escaped = false;
                match c {
                    'n' => value.push('\n'),
                    '"' | '\\' => value.push(c),
                    c => value.extend(['\\', c]),
                }
            }
            '\\' if !last => escaped = true,
            '"' if open && last => open = false,
            '"' => return None,
            c => value.push(c),
        }
    }
    (!open).then_some(value)
}
