//! Replacement texts by Go's rules (`Regexp.Expand`).

use regex::{Captures, Regex};

/// Appends `replacement` with its references filled in: `$1`, `$name`, `${1}`, `${name}`, `$$` for a dollar.
///
/// A name without braces is as long as it can be: `$1abc` is the group called `1abc`. An unknown group, or one that
/// took no part in the match, gives nothing; a dollar that begins no reference stands for itself.
pub fn expand(replacement: &str, captures: &Captures<'_>, out: &mut String) {
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(rest) {
            let group = match number(name) {
                Some(index) => captures.get(index),
                None => captures.name(name),
            };
            out.push_str(group.map_or("", |m| m.as_str()));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
}

/// Replaces all matches that don't overlap, as Go's `ReplaceAllString`; `None` when the result would be longer than
/// `max` bytes.
pub fn replace_all(regex: &Regex, text: &str, replacement: &str, max: usize) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for captures in regex.captures_iter(text) {
        let whole = captures.get(0)?;
        out.push_str(&text[done..whole.start()]);
        expand(replacement, &captures, &mut out);
        done = whole.end();
        if out.len() > max {
            return None;
        }
    }
    out.push_str(&text[done..]);
    (out.len() <= max).then_some(out)
}

/// The name after a dollar, and what follows the reference.
fn reference(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_prefix('{').unwrap_or(text);
    let end = body.find(|c: char| !c.is_alphabetic() && !c.is_numeric() && c != '_').unwrap_or(body.len());
    if end == 0 {
        return None;
    }
    let (name, rest) = body.split_at(end);
    if body.len() == text.len() { Some((name, rest)) } else { Some((name, rest.strip_prefix('}')?)) }
}

/// A group by number: digits only, no leading zero, below a thousand million.
fn number(name: &str) -> Option<usize> {
    let plain = name.len() <= 9 && name.bytes().all(|b| b.is_ascii_digit());
    if !plain || (name.len() > 1 && name.starts_with('0')) { None } else { name.parse().ok() }
}
