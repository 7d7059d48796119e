//! Where each byte of a scalar's text stands in the source.
//!
//! The parser gives the text and the raw range; the map is found by walking both side by side under the rules of
//! the scalar's style. A walk that loses the thread maps the rest to where it lost it: a caret that is a little off
//! beats none.

use crate::diag::Span;

type Map = Vec<(usize, usize)>;

/// The map of a block scalar (`|`, `>`), whose content begins at `span.start` after `indent` blanks.
///
/// Line by line: between two lines' contents the text has only the blanks and line feeds that folding made.
pub(super) fn block(source: &str, span: Span, indent: usize, text: &str) -> Map {
    let mut map = Map::new();
    let mut at = 0;
    let mut line_start = span.start;
    for (i, line) in source[span.start..span.end].split_inclusive('\n').enumerate() {
        let blanks = if i == 0 { 0 } else { line.bytes().take(indent).take_while(|b| *b == b' ').count() };
        let content = line[blanks..].trim_end_matches(['\n', '\r']);
        if !content.is_empty() && content.bytes().any(|b| b != b' ') {
            let Some(found) = skip_folding(text, at, content) else { break };
            map.push((found, line_start + blanks));
            at = found + content.len();
        }
        line_start += line.len();
    }
    if map.is_empty() {
        map.push((0, span.start));
    }
    // At the end of the file the parser adds a line feed that the source may not have.
    if let Some((t, s)) = map.last().copied()
        && s + (text.len() - t) > source.len()
    {
        map.push((text.len() - 1, source.len().saturating_sub(1).max(s)));
    }
    map
}

/// The first place from `at` on where `text` continues with `content`, passing only what folding makes.
fn skip_folding(text: &str, mut at: usize, content: &str) -> Option<usize> {
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(content) {
            return Some(at);
        }
        if !rest.starts_with([' ', '\n']) {
            return None;
        }
        at += 1;
    }
}

/// The map of a plain or single-quoted scalar; `span` is that of the content without quotes.
pub(super) fn plain_or_single(source: &str, span: Span, text: &str) -> Map {
    let raw = &source[span.start..span.end];
    if !raw.contains(['\n', '\'']) {
        return vec![(0, span.start)];
    }
    walk(raw, span.start, text, |rest| if rest.starts_with("''") { Some((2, 1)) } else { None })
}

/// The map of a double-quoted scalar; `span` is that of the content without quotes.
pub(super) fn double(source: &str, span: Span, text: &str) -> Map {
    let raw = &source[span.start..span.end];
    if !raw.contains(['\n', '\\']) {
        return vec![(0, span.start)];
    }
    walk(raw, span.start, text, escape)
}

/// Length of an escape in the source and in the text. An escaped line break eats the next line's indentation.
fn escape(rest: &str) -> Option<(usize, usize)> {
    let mut chars = rest.strip_prefix('\\')?.chars();
    let hex = |from: usize, digits: usize| {
        rest.get(from..from + digits).and_then(|d| u32::from_str_radix(d, 16).ok()).unwrap_or_default()
    };
    let wide = |code: u32, raw: usize| Some((raw, char::from_u32(code).map_or(0, char::len_utf8)));
    match chars.next()? {
        'x' => wide(hex(2, 2), 4),
        'u' if (0xD800..0xDC00).contains(&hex(2, 4)) => Some((12, 4)),
        'u' => wide(hex(2, 4), 6),
        'U' => wide(hex(2, 8), 10),
        'N' => Some((2, 2)),
        '_' => Some((2, 2)),
        'L' | 'P' => Some((2, 3)),
        '\r' | '\n' => {
            let line = rest.find('\n')? + 1;
            let blanks = rest[line..].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
            Some((line + blanks, 0))
        }
        c => Some((1 + c.len_utf8(), 1)),
    }
}

/// Walks a flow scalar: escapes by `special`, line folds by YAML's rule, all else byte by byte.
fn walk(raw: &str, start: usize, text: &str, special: impl Fn(&str) -> Option<(usize, usize)>) -> Map {
    let mut map = vec![(0, start)];
    let (mut r, mut t) = (0, 0);
    while r < raw.len() && t < text.len() {
        let rest = &raw[r..];
        let (raw_len, text_len) = if let Some(lengths) = special(rest) {
            lengths
        } else if let Some(lengths) = fold(rest) {
            lengths
        } else {
            let n = rest.chars().next().map_or(1, char::len_utf8);
            if text.as_bytes().get(t..t + n) != raw.as_bytes().get(r..r + n) {
                break;
            }
            (r, t) = (r + n, t + n);
            continue;
        };
        if text_len > 0 {
            map.push((t, start + r));
        }
        (r, t) = (r + raw_len.max(1), t + text_len);
        map.push((t, start + r));
    }
    map.dedup_by(|later, earlier| {
        let same_text = later.0 == earlier.0;
        if same_text {
            earlier.1 = later.1;
        }
        same_text
    });
    map
}

/// A fold at the head of `rest`: blanks around line breaks become one blank, or one line feed fewer than there were.
fn fold(rest: &str) -> Option<(usize, usize)> {
    if !rest.starts_with([' ', '\t', '\r', '\n']) {
        return None;
    }
    let blanks = rest.bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
    match rest[..blanks].matches('\n').count() {
        0 => None,
        1 => Some((blanks, 1)),
        n => Some((blanks, n - 1)),
    }
}
