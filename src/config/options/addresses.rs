//! E-mail addresses that are no templates are checked when they are read: a mistake would show only with the first alert.

use std::sync::Arc;

use botwatch_core::diag::{Diagnostic, Span};
use lettre::message::{Mailbox, Mailboxes};

use crate::config::value::{At, Place};

/// How many addresses a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The sender.
    One,
    /// Recipients, separated by commas.
    Several,
}

/// Reports the first address that is none, at its place; once, whoever inherits it.
pub(super) fn check(at: Option<&At<Arc<str>>>, expected: Expected, of: &str, found: &mut Vec<Diagnostic>) {
    let Some(at) = at.filter(|at| !at.value.contains("{{")) else { return };
    // As it is read when it is sent: lines may be folded, and commas left over.
    let text: String = at.value.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
    let list = text.trim_matches([',', ' ']);
    if list.is_empty() {
        return;
    }
    let (message, span) = match (list.parse::<Mailboxes>(), expected) {
        (Ok(all), Expected::One) if all.iter().count() > 1 => {
            (format!("more than one sender: `{list}`"), (0, text.len()))
        }
        (Ok(_), _) => return,
        (Err(_), _) => match parts(&text).find(|(_, part)| part.parse::<Mailbox>().is_err()) {
            Some((start, part)) => (format!("`{part}` is no e-mail address"), (start, start + part.len())),
            None => (format!("`{list}` is no list of e-mail addresses"), (0, text.len())),
        },
    };
    let d = match &at.place {
        Some(place) => {
            let span = inside(place, &at.value, span);
            Diagnostic::error("invalid-value", message, &place.source, span)
        }
        None => Diagnostic::global("invalid-value", message),
    };
    let d = d.label("expected `name@example.org` or `Name <name@example.org>`").context(of.to_owned());
    if !found.iter().any(|known| known.place == d.place && known.message == d.message) {
        found.push(d);
    }
}

/// What stands between commas outside of quotes, with its offset.
fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut quoted = false;
    let comma = move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    text.split(comma).map(str::trim).filter(|part| !part.is_empty()).map(move |part| {
        // Both are of one text.
        (part.as_ptr().addr() - text.as_ptr().addr(), part)
    })
}

/// Where a part of a text stands in its file; the whole text where it is written with escapes or folded.
fn inside(place: &Place, text: &str, (start, end): (usize, usize)) -> Span {
    let written = place.source.text.get(place.span.start..place.span.end).unwrap_or_default();
    // The environment's semicolons have become commas.
    let offset = if written.len() == text.len() { Some(0) } else { written.find(text) };
    match offset.map(|o| place.span.start + o) {
        Some(o) => Span::new(o + start, o + end),
        None => place.span,
    }
}
