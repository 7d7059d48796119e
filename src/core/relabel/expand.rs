//! `$1`, `${1}`, `$name`, `${name}` and `$$` as Go's `Regexp.Expand` reads them.

use regex::Captures;

/// The template with its variables replaced. What was not captured is empty; a `$` that starts no variable stays.
pub(super) fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = variable(rest) {
            out.push_str(captured(name, captures));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

/// The name at the start of `text`, the longest run of letters, digits and `_`, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let inner = braced.unwrap_or(text);
    let end = inner.find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    if name.is_empty() {
        return None;
    }
    match braced {
        Some(_) => after.strip_prefix('}').map(|after| (name, after)),
        None => Some((name, after)),
    }
}

fn captured<'h>(name: &str, captures: &Captures<'h>) -> &'h str {
    let is_number = name.bytes().all(|b| b.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let group =
        if is_number { name.parse().ok().and_then(|i: usize| captures.get(i)) } else { captures.name(name) };
    group.map_or("", |m| m.as_str())
}
