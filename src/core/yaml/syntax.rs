//! What the YAML parser stumbles over, in words for the person who wrote the file.

use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use crate::diag::{Diagnostic, SourceText, Span};

/// What stopped the parser, and the bytes of one line that, once blanked, let it go on to the next problem.
pub(super) struct Problem {
    pub(super) diagnostic: Diagnostic,
    pub(super) repair: Option<Span>,
}

/// The problem behind a scan error in `parsed`, the source with earlier broken values blanked.
pub(super) fn diagnose(error: &ScanError, source: &Arc<SourceText>, parsed: &str) -> Problem {
    let text = &*source.text;
    let at = boundary(text, error.marker().byte_offset().unwrap_or_default());
    let kind = error.kind();
    if let Some(diagnostic) = template(source, at) {
        return Problem { diagnostic, repair: rest_of_value(text, at) };
    }
    let diagnostic = unclosed(kind, source, at)
        .or_else(|| {
            matches!(kind, ErrorKind::UnknownQuotedScalarEscape).then(|| bad_escape(source, parsed, at))
        })
        .or_else(|| by_kind(kind, source, at))
        .unwrap_or_else(|| other(kind, source, at));
    let repair = match kind {
        ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar
        | ErrorKind::MappingValueNotAllowed => rest_of_value(text, at),
        ErrorKind::UnknownQuotedScalarEscape => {
            diagnostic.place.as_ref().map(|(_, span)| Span::new(span.start, span.start + 1))
        }
        _ => None,
    };
    Problem { diagnostic, repair }
}

/// From the start of the value on the line of `at` to the line's end, if `at` lies in it.
fn rest_of_value(text: &str, at: usize) -> Option<Span> {
    let (start, line) = line_at(text, at);
    let value = start + value_start(line)?;
    (value <= at).then(|| Span::new(value, start + line.trim_end().len()))
}

/// The error for a value that begins with `{{` and is not quoted: YAML sees a mapping in a mapping.
pub(super) fn unquoted_template(source: &Arc<SourceText>, span: Span) -> Diagnostic {
    let value = source.text[span.start..].lines().next().unwrap_or_default().trim_end();
    let quoted =
        if value.contains('\'') { "put it under `|`".to_owned() } else { format!("quote it: `'{value}'`") };
    Diagnostic::error("yaml-template", "a value that begins with `{{` must be quoted", source, span)
        .label("YAML reads this as a mapping")
        .hint(quoted)
}

fn template(source: &Arc<SourceText>, at: usize) -> Option<Diagnostic> {
    let (start, line) = line_at(&source.text, at);
    let value = value_start(line)?;
    line[value..].starts_with("{{").then(|| {
        let end = start + line.trim_end().len();
        unquoted_template(source, Span::new(start + value, end))
    })
}

/// A flow collection that the writer forgot to close shows only lines later; point at what opened it.
fn unclosed(kind: &ErrorKind, source: &Arc<SourceText>, at: usize) -> Option<Diagnostic> {
    use ErrorKind as K;
    let bracket = match kind {
        K::UnclosedFlowCollection { .. } => at,
        K::ExpectedFlowMappingSeparator
        | K::ExpectedFlowSequenceSeparator
        | K::InvalidColonPlacement
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping
        | K::BlockEntryInFlowCollection
        | K::InvalidFlowScalarIndent => open_bracket(&source.text, at)?,
        _ => return None,
    };
    let open = source.text[bracket..].chars().next()?;
    let close = if open == '[' { ']' } else { '}' };
    Some(
        Diagnostic::error(
            "yaml-syntax",
            format!("`{open}` is never closed"),
            source,
            Span::new(bracket, bracket + 1),
        )
        .label(format!("expected `{close}` before the next key")),
    )
}

/// The innermost bracket on an earlier line that is still open at `at`, quotes and comments respected.
fn open_bracket(text: &str, at: usize) -> Option<usize> {
    let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let mut open = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    let mut escaped = false;
    let mut comment = false;
    for (i, c) in text[..line_start].char_indices() {
        match (quote, c) {
            (_, '\n') => comment = false,
            _ if comment => {}
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(q), _) if c == q && !escaped => quote = None,
            (Some(_), _) => {}
            (None, '#') if before.is_whitespace() => comment = true,
            (None, '"' | '\'') if " \t\n:,[{-".contains(before) => quote = Some(c),
            (None, '[' | '{') if !open.is_empty() || " \t\n".contains(before) => open.push(i),
            (None, ']' | '}') => {
                open.pop();
            }
            _ => {}
        }
        escaped = false;
        before = c;
    }
    open.last().copied()
}

fn by_kind(kind: &ErrorKind, source: &Arc<SourceText>, at: usize) -> Option<Diagnostic> {
    use ErrorKind as K;
    let text = &*source.text;
    let error =
        |message: &str, span: Span| Diagnostic::error("yaml-syntax", message.to_owned(), source, span);
    let here = one_char(text, at);
    let (line_start, line) = line_at(text, at);
    let whole_line = Span::new(line_start + indent(line), line_start + line.trim_end().len());
    Some(match kind {
        K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabNotAllowed
        | K::TabInPlainScalar
        | K::TabAtBlockScalarStart => {
            let tab = text[..boundary(text, here.end.max(at))].rfind('\t').unwrap_or(at);
            error("a tab where YAML allows only blanks", one_char(text, tab))
                .label("replace the tab by blanks")
                .hint("YAML forbids tabs in indentation; most editors can expand them")
        }
        K::MappingValueNotAllowed => colon(source, at),
        K::UnclosedQuotedScalar => {
            let quote = &text[here.start..here.end];
            error(&format!("the quote {quote} is never closed"), here).label("opened here")
        }
        K::UnexpectedCharacter { character } if character.is_control() => {
            error(&format!("control character U+{:04X}", u32::from(*character)), here)
                .label("YAML allows only printable characters")
        }
        K::UnexpectedCharacter { character } => {
            let value = text[at..].lines().next().unwrap_or_default().trim_end();
            error(&format!("an unquoted value can't begin with `{character}`"), here)
                .label("put the value in quotes")
                .hint(format!("write '{}'", value.replace('\'', "''")))
        }
        K::SimpleKeyExpected | K::InvalidSimpleKey => {
            error("expected `key: value`", whole_line).label("no `:` here")
        }
        K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::InvalidIndentation => {
            error("the indentation fits nothing above", whole_line)
                .label("align this with the line that it belongs to")
        }
        K::BlockSequenceEntryNotAllowed => {
            error("a list can't begin here", here).label("begin the list on a line of its own")
        }
        K::MisplacedFlowCollectionEnd => {
            error("a closing bracket that nothing opened", here).label("remove it")
        }
        K::MismatchedFlowCollectionEnd { open, close } => {
            error(&format!("`{open}` is closed by `{close}`"), here)
                .label(format!("expected `{}`", if *open == '[' { ']' } else { '}' }))
        }
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            error("text after the closing quote", here)
                .label("the value ends at the quote before this")
                .hint("quote the whole value; inside single quotes write '' for a quote")
        }
        K::RecursionLimitExceeded => {
            Diagnostic::error("yaml-limit", "nested too deeply", source, here).label("at most 64 levels")
        }
        _ => return None,
    })
}

/// `a: b: c`, or a mapping under a key that has a value already.
fn colon(source: &Arc<SourceText>, at: usize) -> Diagnostic {
    let text = &*source.text;
    let (start, line) = line_at(text, at);
    let span = one_char(text, at);
    let base = Diagnostic::error("yaml-syntax", "a `:` that YAML takes for the end of a key", source, span);
    match value_start(line) {
        Some(value) if start + value < at => base
            .label("inside an unquoted value")
            .hint(format!("quote the value: '{}'", line[value..].trim_end().replace('\'', "''"))),
        _ => base
            .label("a mapping can't begin here")
            .hint("the line above may have a value already, or be indented differently"),
    }
}

/// Most often a regular expression in double quotes.
fn bad_escape(source: &Arc<SourceText>, parsed: &str, at: usize) -> Diagnostic {
    const KNOWN: &str = "0abtnvfre \"/\\N_LPxuU\t\n\r";
    let text = &*source.text;
    let mut found = at;
    let mut chars = parsed.get(at..).unwrap_or_default().char_indices();
    while let Some((i, c)) = chars.next() {
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some((_, next)) if KNOWN.contains(next) => {}
            _ => {
                found = at + i;
                break;
            }
        }
    }
    let end = text[found..].char_indices().nth(2).map_or(text.len(), |(i, _)| found + i);
    let escape = text[found..end].trim_end();
    Diagnostic::error(
        "yaml-syntax",
        format!("`{escape}` is no escape in double quotes"),
        source,
        Span::new(found, end),
    )
    .label("unknown escape")
    .hint("use single quotes, where a backslash is a backslash")
}

fn other(kind: &ErrorKind, source: &Arc<SourceText>, at: usize) -> Diagnostic {
    let words = kind.to_string();
    let what = words.rsplit(", ").next().unwrap_or(&words).to_owned();
    Diagnostic::error("yaml-syntax", format!("not valid YAML: {what}"), source, one_char(&source.text, at))
}

/// Start and text of the line that holds `at`, without its line feed.
fn line_at(text: &str, at: usize) -> (usize, &str) {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    (start, &text[start..end])
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Where the value of `key: value` or `- value` begins in a line.
fn value_start(line: &str) -> Option<usize> {
    let item = indent(line) + line.trim_start().strip_prefix("- ").map_or(0, |rest| 2 + indent(rest));
    let colon = line[item..].find(": ").map(|i| item + i + 2);
    let from = colon.unwrap_or(item);
    let value = from + indent(&line[from..]);
    (value < line.len()).then_some(value)
}

fn one_char(text: &str, at: usize) -> Span {
    let at = boundary(text, at);
    Span::new(at, at + text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8))
}

fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}
