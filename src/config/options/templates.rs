//! Template files, and whether texts of receivers are templates that parse. The only calls into the engine.

use std::sync::Arc;

use botwatch_core::{
    diag::{Diagnostic, SourceText, Span},
    template::{TemplateError, Templates},
};

use super::{Context, paths};
use crate::config::{load::read_file, value::At};

/// Reads the template files; all that is wrong with them is reported. `None` only if the built-in ones don't parse.
pub(super) fn load(context: &mut Context<'_>) -> Option<Arc<Templates>> {
    let mut sources: Vec<Arc<SourceText>> = Vec::new();
    for at in context.file().templates.clone().iter().flatten() {
        for path in paths::files(context, at, "template file") {
            match read_file(&path) {
                Ok(source) if sources.iter().all(|s| s.name != source.name) => sources.push(source),
                Ok(_) => {}
                Err(diagnostic) => context.found.push(diagnostic),
            }
        }
    }
    let files: Vec<_> = sources.iter().map(|s| (Arc::clone(&s.name), Arc::clone(&s.text))).collect();
    match Templates::with_files(&files) {
        Ok(templates) => Some(Arc::new(templates)),
        Err(errors) => {
            context
                .found
                .extend(errors.iter().filter_map(|(i, error)| Some(of_source(sources.get(*i)?, error))));
            // Texts of receivers are still checked as far as they stand on their own.
            Templates::with_files(&[]).ok().map(Arc::new)
        }
    }
}

fn of_source(source: &Arc<SourceText>, error: &TemplateError) -> Diagnostic {
    let at = error.offset.unwrap_or(0).min(source.text.len());
    let end = source.text[at..].find('\n').map_or(source.text.len(), |i| at + i);
    // One character is enough for the caret; the end of the text has none.
    let width = source.text[at..end].chars().next().map_or(0, char::len_utf8);
    Diagnostic::error("template-syntax", error.message.clone(), source, Span::new(at, at + width))
        .label("not a template")
}

/// Reports a text under `key` that is no template, at its place as far as that can be told.
pub(super) fn check(
    templates: &Templates,
    at: &At<Arc<str>>,
    key: &str,
    of: &str,
    found: &mut Vec<Diagnostic>,
) {
    if !at.value.contains("{{") {
        return;
    }
    let Err(error) = templates.check(&at.value) else { return };
    // The engine knows the text by no name.
    let message = error.message.replacen("template: :", &format!("template: {key}:"), 1);
    let d = match &at.place {
        Some(place) => {
            let span = inside(&place.source.text, place.span, &at.value, error.offset);
            Diagnostic::error("template-syntax", message, &place.source, span)
        }
        None => Diagnostic::global("template-syntax", message),
    };
    found.push(d.label("not a template").context(of.to_owned()));
}

/// Where an offset of a text stands in the file. Exact where the text is written as it is; quoted escapes and folded
/// lines are pointed at as a whole.
fn inside(file: &str, span: Span, text: &str, offset: Option<usize>) -> Span {
    let written = file.get(span.start..span.end).unwrap_or_default();
    match (written.find(text), offset) {
        (Some(start), Some(offset)) if offset <= text.len() => {
            let at = span.start + start + offset;
            Span::new(at, at + text.get(offset..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8))
        }
        _ => span,
    }
}
