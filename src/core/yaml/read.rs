//! Typed values out of the tree, all problems collected.

use std::sync::Arc;

use super::{Document, Key, Node, Scalar, Value, scalar};
use crate::{
    diag::{Diagnostic, Level, SourceText, Span, nearest},
    model::{Duration, DurationError, Secret},
    re2,
};

/// After so many problems in one file the rest is only counted.
const PROBLEMS_MAX: usize = 200;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Reads one document: asks nodes for typed values and collects what is wrong. Every method that returns `None`
/// has reported why.
#[derive(Debug)]
pub struct Reader {
    source: Arc<SourceText>,
    broken: Vec<Span>,
    context: String,
    diagnostics: Vec<Diagnostic>,
    dropped: usize,
}

impl Reader {
    /// A reader of a parsed document.
    pub fn new(document: &Document) -> Self {
        Self {
            source: Arc::clone(&document.source),
            broken: document.broken.clone(),
            context: String::new(),
            diagnostics: Vec::new(),
            dropped: 0,
        }
    }

    /// The text that spans point into.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// All problems in order of appearance, each once.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|d| d.place.as_ref().map_or(0, |(_, s)| s.start));
        if self.dropped > 0 {
            let end = Span::new(self.source.text.len(), self.source.text.len());
            let message = format!("{} more problems in this file", self.dropped);
            self.diagnostics.push(Diagnostic::error("too-many-problems", message, &self.source, end));
        }
        self.diagnostics
    }

    /// Adds a problem, in the current context unless it has its own. A repeated one (an alias read twice) and one
    /// in a value that is no YAML anyway are left out.
    pub fn report(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.context.is_empty() {
            diagnostic.context.clone_from(&self.context);
        }
        if let Some((_, span)) = &diagnostic.place
            && self.broken.iter().any(|b| b.start <= span.end && span.start <= b.end)
        {
            return;
        }
        if self.diagnostics.contains(&diagnostic) {
            return;
        }
        if self.diagnostics.len() >= PROBLEMS_MAX {
            self.dropped += usize::from(diagnostic.level == Level::Error);
            return;
        }
        self.diagnostics.push(diagnostic);
    }

    /// An error to be refined and then [`report`](Self::report)ed.
    pub fn error(&self, code: &'static str, message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::error(code, message, &self.source, span)
    }

    /// A warning to be refined and then [`report`](Self::report)ed.
    pub fn warning(&self, code: &'static str, message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic::warning(code, message, &self.source, span)
    }

    /// Runs `read` with problems said to belong to `context` (``alert `Down` in group `bot` ``).
    pub fn within<T>(&mut self, context: impl Into<String>, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.context, context.into());
        let result = read(self);
        self.context = outer;
        result
    }

    /// Reports that a node is not what was expected (`a duration such as 30s`).
    pub fn expected(&mut self, what: &str, node: &Node) {
        let message = format!("expected {what}, found {}", node.describe());
        self.report(self.error("wrong-type", message, node.span).label(mend(what, node)));
    }

    /// Reports a value of the right type that can't be used, pointing at it.
    pub fn invalid(&mut self, message: impl Into<String>, label: impl Into<String>, span: Span) {
        self.report(self.error("invalid-value", message, span).label(label));
    }

    /// A mapping's fields; `what` names it in messages (`a scrape job`).
    pub fn map<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<Fields<'n>> {
        match &node.value {
            Value::Mapping(entries) => {
                let anchor = entries.first().map_or(node.span, |(key, _)| key.span);
                Some(Fields {
                    entries,
                    taken: vec![false; entries.len()],
                    known: Vec::new(),
                    what,
                    span: anchor,
                })
            }
            _ => {
                self.expected(&format!("a mapping ({what})"), node);
                None
            }
        }
    }

    /// A list's items; a lone value is not a list.
    pub fn list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        match &node.value {
            Value::Sequence(items) => Some(items),
            _ => {
                self.expected("a list", node);
                None
            }
        }
    }

    /// A scalar with its map into the source.
    pub fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Scalar> {
        let found = node.as_scalar();
        if found.is_none() {
            self.expected(what, node);
        }
        found
    }

    /// A text. Unquoted numbers and booleans are taken as written, nothing is the empty text, as in go-yaml.
    pub fn string(&mut self, node: &Node) -> Option<String> {
        self.arc(node).map(|s| s.to_string())
    }

    /// A text, shared with the tree.
    pub fn arc(&mut self, node: &Node) -> Option<Arc<str>> {
        if node.is_null() {
            return Some("".into());
        }
        self.scalar(node, "a text").map(|s| Arc::clone(&s.text))
    }

    /// A text with its place.
    pub fn spanned(&mut self, node: &Node) -> Option<Spanned<Arc<str>>> {
        self.arc(node).map(|value| Spanned { value, span: node.span })
    }

    /// A text that must not be shown.
    pub fn secret(&mut self, node: &Node) -> Option<Secret> {
        match &node.value {
            Value::Null => Some(Secret::default()),
            Value::Scalar(s) => Some(Secret::new(&*s.text)),
            Value::Sequence(_) | Value::Mapping(_) => {
                self.expected("a text", node);
                None
            }
        }
    }

    /// `true` or `false`, also `yes`, `on` and their like (YAML 1.1).
    pub fn bool(&mut self, node: &Node) -> Option<bool> {
        let value = node.as_scalar().filter(|s| s.plain).and_then(|s| scalar::parse_bool(&s.text));
        if value.is_none() {
            self.expected("`true` or `false`", node);
        }
        value
    }

    /// A whole number.
    pub fn int(&mut self, node: &Node) -> Option<i64> {
        let value = node.as_scalar().filter(|s| s.plain).and_then(|s| {
            let whole = |f: &f64| f.fract() == 0.0 && f.abs() < 9e15;
            scalar::parse_int(&s.text)
                .or_else(|| scalar::parse_float(&s.text).filter(whole).map(|f| f as i64))
        });
        if value.is_none() {
            self.expected("a whole number", node);
        }
        value
    }

    /// A whole number that is not negative.
    pub fn size(&mut self, node: &Node) -> Option<u64> {
        let value = self.int(node)?;
        let size = u64::try_from(value).ok();
        if size.is_none() {
            self.invalid(format!("`{value}` is negative"), "expected 0 or more", node.span);
        }
        size
    }

    /// A number.
    pub fn float(&mut self, node: &Node) -> Option<f64> {
        let value = node.as_scalar().filter(|s| s.plain).and_then(|s| scalar::parse_float(&s.text));
        if value.is_none() {
            self.expected("a number", node);
        }
        value
    }

    /// A duration as Prometheus writes it (spec R18, C-4).
    pub fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = &self.scalar(node, "a duration such as `30s` or `1h30m`")?.text;
        match text.parse::<Duration>() {
            Ok(duration) => Some(duration),
            Err(error) => {
                let mut d = self
                    .error("invalid-duration", error.to_string(), node.span)
                    .label("expected a duration such as `30s` or `1h30m`");
                if matches!(error, DurationError::Invalid(_)) {
                    d = d.hint(duration_hint(text));
                }
                self.report(d);
                None
            }
        }
    }

    /// A duration as Go's `time.ParseDuration` reads it (`500ms`, `1.5h`), for the few fields that take those
    /// (spec C-4).
    pub fn go_duration(&mut self, node: &Node) -> Option<Duration> {
        let text = &self.scalar(node, "a duration such as `10s` or `500ms`")?.text;
        let value = scalar::parse_go_duration(text).filter(|d| *d >= Duration::ZERO);
        if value.is_none() {
            let d = self
                .error("invalid-duration", format!("not a valid duration: `{text}`"), node.span)
                .label("expected a duration such as `10s` or `500ms`");
            let d = if scalar::parse_int(text).is_some() { d.hint(duration_hint(text)) } else { d };
            self.report(d);
        }
        value
    }

    /// Keys and texts, as labels are written; nothing is the empty text.
    pub fn string_map(&mut self, node: &Node) -> Option<Vec<(Key, Spanned<Arc<str>>)>> {
        let Value::Mapping(entries) = &node.value else {
            self.expected("a mapping of names to texts", node);
            return None;
        };
        let read = |(key, value): &(Key, Node)| self.spanned(value).map(|text| (key.clone(), text));
        Some(entries.iter().filter_map(read).collect())
    }

    /// A list of texts.
    pub fn strings(&mut self, node: &Node) -> Option<Vec<Spanned<Arc<str>>>> {
        let items = self.list(node)?;
        Some(items.iter().filter_map(|item| self.spanned(item)).collect())
    }

    /// A regular expression in RE2's syntax, as its pattern; checked, not kept compiled.
    pub fn regex(&mut self, node: &Node) -> Option<Spanned<Arc<str>>> {
        let pattern = self.spanned(node)?;
        match re2::compile_anchored(&pattern.value) {
            Ok(_) => Some(pattern),
            Err(error) => {
                let d = self
                    .error("invalid-regex", format!("not a regular expression: {error}"), node.span)
                    .label("expected RE2 syntax");
                self.report(d);
                None
            }
        }
    }

    /// An absolute `http` or `https` URL with a host (spec C-5), as written.
    pub fn url(&mut self, node: &Node) -> Option<Spanned<Arc<str>>> {
        let text = self.spanned(node)?;
        match check_url(&text.value) {
            Ok(()) => Some(text),
            Err(why) => {
                self.report(
                    self.error("invalid-url", why, node.span).label("expected `http://…` or `https://…`"),
                );
                None
            }
        }
    }
}

/// How a value of the wrong type becomes one of the right type, where that is clear.
fn mend(what: &str, node: &Node) -> String {
    match node.as_scalar() {
        Some(s) if what == "a list" && !s.text.contains(['\n', ',', '[', '{']) => {
            format!("write `[{}]`", s.text)
        }
        Some(s) if !s.plain && what.contains("number") && scalar::parse_float(&s.text).is_some() => {
            "remove the quotes".to_owned()
        }
        Some(s) if !s.plain && what.contains("true") && scalar::parse_bool(&s.text).is_some() => {
            "remove the quotes".to_owned()
        }
        _ if what == "a list" && matches!(node.value, Value::Mapping(_)) => {
            "begin each item with `- `".to_owned()
        }
        _ => "of the wrong type".to_owned(),
    }
}

fn duration_hint(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        format!("a unit is missing: `{text}s` are seconds, `{text}m` minutes")
    } else {
        "units are y w d h m s ms, from big to small, each once, whole numbers only".to_owned()
    }
}

/// Checks that a text is an absolute `http` or `https` URL with a host (spec C-5).
///
/// # Errors
/// Says why not, without repeating the text, which may hold a secret.
pub fn check_url(text: &str) -> Result<(), String> {
    if !text.contains("://") {
        return Err("not a URL: the scheme is missing".to_owned());
    }
    let parsed = url::Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!("scheme `{}` is not supported for a URL here", parsed.scheme()));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err("a URL without a host".to_owned());
    }
    Ok(())
}

/// A mapping being read key by key. Every key that is asked for counts as known; [`Fields::finish`] reports the
/// rest.
#[derive(Debug)]
pub struct Fields<'n> {
    entries: &'n [(Key, Node)],
    taken: Vec<bool>,
    known: Vec<&'static str>,
    what: &'static str,
    span: Span,
}

impl<'n> Fields<'n> {
    /// The value of a key, also when it is null.
    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let index = self.entries.iter().position(|(k, _)| &*k.text == key)?;
        self.taken[index] = true;
        Some(&self.entries[index].1)
    }

    /// The typed value of a key; `None` when absent, null, or wrong (then it is reported).
    pub fn get<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl FnOnce(&mut Reader, &'n Node) -> Option<T>,
    ) -> Option<T> {
        self.take(key).filter(|node| !node.is_null()).and_then(|node| read(reader, node))
    }

    /// As [`get`](Self::get), and absence or null is an error.
    pub fn require<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        read: impl FnOnce(&mut Reader, &'n Node) -> Option<T>,
    ) -> Option<T> {
        match self.take(key) {
            Some(node) if !node.is_null() => read(reader, node),
            Some(node) => {
                let message = format!("`{key}` of {} is empty", self.what);
                reader.report(reader.error("missing-key", message, node.span).label("a value is needed"));
                None
            }
            None => {
                self.missing(reader, key);
                None
            }
        }
    }

    /// Reports a missing key.
    pub fn missing(&self, reader: &mut Reader, key: &str) {
        let message = format!("{} has no `{key}`", self.what);
        reader
            .report(reader.error("missing-key", message, self.span).label(format!("`{key}` is needed here")));
    }

    /// The items of a list under a key, each read by `read`; wrong ones are left out (and reported).
    pub fn each<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        mut read: impl FnMut(&mut Reader, &'n Node) -> Option<T>,
    ) -> Vec<T> {
        let Some(items) = self.get(reader, key, |r, n| r.list(n)) else { return Vec::new() };
        items.iter().filter_map(|item| read(reader, item)).collect()
    }

    /// Whether a key was written, even with null.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, _)| &*k.text == key)
    }

    /// Where a key stands; the mapping's place when it is absent.
    pub fn key_span(&self, key: &str) -> Span {
        self.entries.iter().find(|(k, _)| &*k.text == key).map_or(self.span, |(k, _)| k.span)
    }

    /// The mapping's place for messages: its first key.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Entries that were not asked for yet.
    pub fn rest(&self) -> impl Iterator<Item = &'n (Key, Node)> + '_ {
        self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken).map(|(entry, _)| entry)
    }

    /// Takes all entries not asked for yet that `belongs` accepts, so that they are not reported as unknown.
    pub fn take_rest(&mut self, belongs: impl Fn(&str) -> bool) -> Vec<&'n (Key, Node)> {
        let mut found = Vec::new();
        for (entry, taken) in self.entries.iter().zip(&mut self.taken) {
            if !*taken && belongs(&entry.0.text) {
                *taken = true;
                found.push(entry);
            }
        }
        found
    }

    /// The known keys that were meant to be written: those that have a value, and those nearest to an unknown key.
    /// Their absence needs no second report.
    pub fn given(&self) -> Vec<&'static str> {
        let mut given = Vec::new();
        for ((key, node), taken) in self.entries.iter().zip(&self.taken) {
            let known = self.known.iter().copied();
            given.extend(match taken {
                true if node.is_null() => None,
                true => known.into_iter().find(|k| **k == *key.text),
                false => {
                    nearest(&key.text, known).and_then(|near| self.known.iter().copied().find(|k| *k == near))
                }
            });
        }
        given
    }

    /// Reports every key that nobody asked for, with the nearest known one.
    pub fn finish(self, reader: &mut Reader) {
        let mut listed = false;
        for (key, _) in self.rest() {
            let message = format!("unknown key `{}` in {}", key.text, self.what);
            let mut d = reader.error("unknown-key", message, key.span);
            d = match nearest(&key.text, self.known.iter().copied()) {
                Some(near) => d.label(format!("did you mean `{near}`?")),
                None if listed => d.label("not a key here"),
                None => {
                    listed = true;
                    d.label("not a key here").hint(self.known_keys())
                }
            };
            reader.report(d);
        }
    }

    fn known_keys(&self) -> String {
        let mut known: Vec<&str> = self.known.clone();
        known.sort_unstable();
        known.dedup();
        format!("known keys: {}", known.join(", "))
    }
}
