//! The three forms of a diagnostic.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use super::{Diagnostic, Level, SourceText, Span};

/// Columns of a source line that are shown; longer lines are cut around the place.
const LINE_MAX: usize = 120;
/// Columns kept to the left of the place when a line is cut.
const LEAD: usize = 40;
/// Columns that a tab advances to the next multiple of.
const TAB: usize = 4;

/// For a person: message, file:line:column, the source line with a caret, hints; ends with a line feed. `color` adds
/// ANSI styles. Control characters from the source are shown as `�`, so that a file can't steer the terminal.
pub fn render_terminal(diagnostic: &Diagnostic, color: bool) -> String {
    let paint = Paint { color };
    let level = level(diagnostic.level);
    let mut out = String::new();
    let head = format!("{level}[{}]", diagnostic.code);
    let head = match diagnostic.level {
        Level::Error => paint.style("1;31", &head),
        Level::Warning => paint.style("1;33", &head),
    };
    let _ = writeln!(out, "{head}{}", paint.style("1", &format!(": {}", clean(&diagnostic.message))));
    let gutter = match &diagnostic.place {
        Some((source, span)) => snippet(&mut out, diagnostic, source, *span, &paint),
        None => 1,
    };
    for hint in &diagnostic.hints {
        let mark = paint.style("1;34", &format!("{:gutter$} =", ""));
        let indent = format!("\n{:width$}", "", width = gutter + 9);
        let _ = writeln!(out, "{mark} hint: {}", clean_lines(hint).join(&indent));
    }
    out
}

/// The arrow line, the source line and the caret line; returns the gutter's width.
fn snippet(
    out: &mut String,
    diagnostic: &Diagnostic,
    source: &SourceText,
    span: Span,
    paint: &Paint,
) -> usize {
    let (line, column) = source.position(span.start);
    let number = line.to_string();
    let gutter = number.len();
    let context = match diagnostic.context.as_str() {
        "" => String::new(),
        context => format!(" -> {}", clean(context)),
    };
    let arrow = paint.style("1;34", &format!("{:gutter$}--->", ""));
    let _ = writeln!(out, "{arrow} {}:{line}:{column}{context}", clean(&source.name));
    let (text, from, width) = excerpt(&source.text, span);
    let bar = |label: &str| paint.style("1;34", &format!("{label:>gutter$} |"));
    let _ = writeln!(out, "{} {}", bar(&number), text);
    let style = if diagnostic.level == Level::Error { "1;31" } else { "1;33" };
    let mut under = "^".repeat(width.max(1));
    if !diagnostic.label.is_empty() {
        under.push(' ');
        under.push_str(&clean(&diagnostic.label));
    }
    let _ = writeln!(out, "{} {:from$}{}", bar(""), "", paint.style(style, &under));
    gutter
}

/// The line of a span as shown, and the columns of the part of the span on it: first column, width.
fn excerpt(text: &str, span: Span) -> (String, usize, usize) {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let mut shown = String::new();
    let (mut columns, mut from, mut to) = (0, None, None);
    // Bytes are bounded too: a line of a megabyte needs only its part near the place.
    let skip = line.floor_char_boundary((start - line_start).saturating_sub(4 * LINE_MAX));
    let mut cuts = Vec::new();
    for (i, c) in line[skip..].char_indices().take(8 * LINE_MAX) {
        let at = line_start + skip + i;
        if from.is_none() && at >= start {
            from = Some(columns);
        }
        if to.is_none() && at >= end {
            to = Some(columns);
        }
        cuts.push((columns, shown.len()));
        columns += push(&mut shown, c, columns);
    }
    let (from, to) = (from.unwrap_or(columns), to.unwrap_or(columns));
    cut(&shown, &cuts, columns, from, to, skip > 0)
}

/// Cuts a shown line to [`LINE_MAX`] columns around `from..to`.
fn cut(
    shown: &str,
    cuts: &[(usize, usize)],
    columns: usize,
    from: usize,
    to: usize,
    cut_before: bool,
) -> (String, usize, usize) {
    let width = to.saturating_sub(from);
    if columns <= LINE_MAX && !cut_before {
        return (shown.trim_end().to_owned(), from, width);
    }
    let first = if from <= LINE_MAX - LEAD && !cut_before { 0 } else { from.saturating_sub(LEAD) };
    let at = |column: usize| {
        let i = cuts.partition_point(|(c, _)| *c < column);
        cuts.get(i).copied().unwrap_or((columns, shown.len()))
    };
    let ((first, first_byte), (last, last_byte)) = (at(first), at(first + LINE_MAX));
    let (head, tail) = (first > 0 || cut_before, last < columns);
    let text = format!(
        "{}{}{}",
        if head { "…" } else { "" },
        &shown[first_byte..last_byte],
        if tail { "…" } else { "" }
    );
    let from = from - first + usize::from(head);
    (text, from, width.min((last + 1).saturating_sub(first + from)).max(1))
}

/// Appends a character as shown; returns its columns.
fn push(out: &mut String, c: char, column: usize) -> usize {
    if c == '\t' {
        let width = TAB - column % TAB;
        out.push_str(&" ".repeat(width));
        return width;
    }
    match c.width() {
        Some(width) if !is_bidi(c) => {
            out.push(c);
            width
        }
        _ => {
            out.push('\u{fffd}');
            1
        }
    }
}

/// Marks that reorder what is shown: a file must not be able to disguise itself.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' {
            out.push(' ');
        } else {
            push(&mut out, c, 0);
        }
    }
    out
}

fn clean_lines(text: &str) -> Vec<String> {
    text.lines().map(clean).collect()
}

struct Paint {
    color: bool,
}

impl Paint {
    fn style(&self, codes: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{codes}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

/// For grep and for Prometheus users, one line without line feed: `file:line:col: error[code]: context: message`.
pub fn render_line(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.place.as_ref().map_or(String::new(), |(source, span)| {
        let (line, column) = source.position(span.start);
        format!("{}:{line}:{column}: ", clean(&source.name))
    });
    let context = match diagnostic.context.as_str() {
        "" => String::new(),
        context => format!("{}: ", clean(context)),
    };
    format!(
        "{place}{}[{}]: {context}{}",
        level(diagnostic.level),
        diagnostic.code,
        clean(&diagnostic.message)
    )
}

/// For programs: the same fields as a JSON object. `position` is null without a place; lines and columns count
/// from 1, columns in characters, the end is exclusive.
pub fn render_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let position = diagnostic.place.as_ref().map(|(source, span)| {
        let (line, column) = source.position(span.start);
        let (end_line, end_column) = source.position(span.end.max(span.start));
        serde_json::json!({
            "file": &*source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        })
    });
    serde_json::json!({
        "level": level(diagnostic.level), "code": diagnostic.code, "message": diagnostic.message,
        "position": position, "expected": diagnostic.label, "context": diagnostic.context, "hints": diagnostic.hints,
    })
}
