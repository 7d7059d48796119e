//! `name{labels}`: where it ends, and what it says.

use std::borrow::Cow;

use super::{
    error::{Wrong, found},
    float,
};
use crate::model::METRIC_NAME;

/// A label of a sample: name and value, borrowed where nothing was escaped.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What a family is said to be. Wrong metadata is harmless: it changes at most how `le` and `quantile` are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MetricType {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets of observations.
    Histogram,
    /// Buckets that may shrink (OpenMetrics, protobuf).
    GaugeHistogram,
    /// Quantiles of observations.
    Summary,
    /// Constant 1 with labels that tell (OpenMetrics).
    Info,
    /// One of several states (OpenMetrics).
    Stateset,
    /// Not said: `untyped` in text, `unknown` in OpenMetrics.
    #[default]
    Unknown,
}

impl MetricType {
    /// As OpenMetrics and Prometheus' metadata API name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::Stateset => "stateset",
            Self::Unknown => "unknown",
        }
    }
}

/// Which grammar: the Prometheus one takes blanks between tokens, and labels without a comma between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    Text,
    OpenMetrics,
}

pub(super) const fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Which bytes a legacy name is made of; a look-up costs less than four comparisons.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric() || b as u8 == b'_' || b as u8 == b':';
        b += 1;
    }
    table
};

/// Past the blanks at `at`.
pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|b| is_blank(*b)) {
        at += 1;
    }
    at
}

/// The end of the legacy metric name at `at`; `at` itself when there is none.
pub(super) fn name_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at).is_none_or(u8::is_ascii_digit) {
        return at;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|b| !NAME_BYTES[usize::from(*b)]).unwrap_or(rest.len())
}

/// The end of the series that starts at `at`. Only what decides the extent is looked at: equal bytes were parsed
/// before, or [`parse`] will complain about the rest.
pub(super) fn split(bytes: &[u8], at: usize, grammar: Grammar) -> Result<usize, Wrong> {
    let name = name_end(bytes, at);
    let brace = if grammar == Grammar::Text { skip_blanks(bytes, name) } else { name };
    if bytes.get(brace) == Some(&b'{') {
        return braces_end(bytes, brace);
    }
    if name == at {
        return Err(Wrong::new(at, format!("expected a metric name, found {}", found(bytes, at))));
    }
    Ok(name)
}

/// One past the `}` that closes the `{` at `open`, braces in quotes left out.
pub(super) fn braces_end(bytes: &[u8], open: usize) -> Result<usize, Wrong> {
    let mut at = open + 1;
    while let Some(b) = bytes.get(at) {
        match b {
            b'}' => return Ok(at + 1),
            b'"' => at = quote_end(bytes, at)?.0,
            _ => at += 1,
        }
    }
    Err(Wrong::new(open, "missing `}`"))
}

/// One past the quote that closes the one at `open`, and whether there is a backslash between them, which takes
/// the next byte with it. Values are short: a plain loop beats a vectorised search that has to be set up.
fn quote_end(bytes: &[u8], open: usize) -> Result<(usize, bool), Wrong> {
    let mut escaped = false;
    let mut at = open + 1;
    while let Some(b) = bytes.get(at) {
        match b {
            b'"' => return Ok((at + 1, escaped)),
            b'\\' => {
                escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
    Err(Wrong::new(open, "missing closing quote"))
}

/// Labels of one series: a bound far above what anybody queries, so that one line can't keep everyone busy.
const LABELS_MAX: usize = 1000;

/// Parses a whole series into its labels, sorted by name, with `__name__`; empty values are kept. `le` of a histogram and `quantile` of a summary come in OpenMetrics' form (spec S8).
pub(super) fn parse(raw: &[u8], grammar: Grammar, kind: MetricType) -> Result<Vec<Pair<'_>>, Wrong> {
    let text = utf8(raw)?;
    let mut pairs = Vec::with_capacity(8);
    let end = name_end(raw, 0);
    let mut name = (end > 0).then(|| Cow::Borrowed(&text[..end]));
    let open = skip_blanks(raw, end);
    // Filled in at the end: the name may stand inside the braces, but sorts before most labels.
    pairs.push((Cow::Borrowed(METRIC_NAME), Cow::Borrowed("")));
    if raw.get(open) == Some(&b'{') {
        Braces { text, at: open + 1, grammar }.parse(&mut name, Some(kind), &mut pairs)?;
    }
    match name {
        Some(name) if !name.is_empty() => pairs[0].1 = name,
        _ => return Err(Wrong::new(0, "metric name not set")),
    }
    sort_unique(&mut pairs)?;
    Ok(pairs)
}

/// Parses `{…}` of an exemplar: no metric name in it.
pub(super) fn parse_exemplar(raw: &[u8]) -> Result<Vec<Pair<'_>>, Wrong> {
    let mut pairs = Vec::new();
    // A name that is set already makes a quoted string without a value an error.
    let mut name = Some(Cow::Borrowed(""));
    Braces { text: utf8(raw)?, at: 1, grammar: Grammar::OpenMetrics }.parse(&mut name, None, &mut pairs)?;
    sort_unique(&mut pairs)?;
    Ok(pairs)
}

fn sort_unique(pairs: &mut Vec<Pair<'_>>) -> Result<(), Wrong> {
    // Most clients write labels in order.
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if let Some(twice) = pairs.windows(2).find(|w| w[0].0 == w[1].0) {
            return Err(Wrong::new(0, format!("label name `{}` is not unique", twice[0].0)));
        }
    }
    Ok(())
}

fn utf8(raw: &[u8]) -> Result<&str, Wrong> {
    std::str::from_utf8(raw).map_err(|e| Wrong::new(e.valid_up_to(), "invalid UTF-8 in name or label"))
}

/// A walk through `name="value", …}`.
struct Braces<'a> {
    text: &'a str,
    at: usize,
    grammar: Grammar,
}

impl<'a> Braces<'a> {
    fn parse(
        mut self,
        name: &mut Option<Cow<'a, str>>,
        kind: Option<MetricType>,
        out: &mut Vec<Pair<'a>>,
    ) -> Result<(), Wrong> {
        self.blanks();
        loop {
            let start = self.at;
            let (label, quoted) = match self.peek() {
                Some(b'}') => return Ok(()),
                Some(b'"') => (self.quoted("label name")?, true),
                _ => (self.bare_name()?, false),
            };
            self.blanks();
            if quoted && matches!(self.peek(), Some(b',' | b'}')) {
                if name.is_some() {
                    return Err(Wrong::new(start, "metric name already set"));
                }
                *name = Some(label);
                if self.peek() == Some(b',') {
                    self.at += 1;
                    self.blanks();
                }
                continue;
            }
            if label.is_empty() {
                return Err(Wrong::new(start, "empty label name"));
            }
            let value = self.value()?;
            if out.len() > LABELS_MAX {
                return Err(Wrong::new(start, format!("more than {LABELS_MAX} labels")));
            }
            let value = normalize(kind, &label, value);
            out.push((label, value));
            self.separator()?;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        if self.grammar == Grammar::Text {
            self.at = skip_blanks(self.text.as_bytes(), self.at);
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, Wrong> {
        Err(Wrong::new(self.at, format!("expected {what}, found {}", found(self.text.as_bytes(), self.at))))
    }

    fn bare_name(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let end = name_end(self.text.as_bytes(), self.at);
        let name = &self.text[self.at..end];
        if name.is_empty() || name.contains(':') {
            return self.expected("a label name");
        }
        self.at = end;
        Ok(Cow::Borrowed(name))
    }

    fn value(&mut self) -> Result<Cow<'a, str>, Wrong> {
        if self.peek() != Some(b'=') {
            return self.expected("`=`");
        }
        self.at += 1;
        self.blanks();
        if self.peek() != Some(b'"') {
            return self.expected("a quoted label value");
        }
        self.quoted("label value")
    }

    /// After a value: a comma (also before `}`), or `}`; in text also nothing (spec S5).
    fn separator(&mut self) -> Result<(), Wrong> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                Ok(())
            }
            Some(b'}') => Ok(()),
            _ if self.grammar == Grammar::Text => Ok(()),
            _ => self.expected("`,` or `}`"),
        }
    }

    fn quoted(&mut self, what: &str) -> Result<Cow<'a, str>, Wrong> {
        let (end, escaped) = quote_end(self.text.as_bytes(), self.at)?;
        let start = self.at + 1;
        // Both quotes are one byte each, so these are boundaries.
        let inner = &self.text[start..end - 1];
        if self.grammar == Grammar::OpenMetrics
            && let Some(i) = memchr::memchr(b'\n', inner.as_bytes())
        {
            return Err(Wrong::new(start + i, format!("line break in {what}")));
        }
        self.at = end;
        Ok(if escaped { unescape(inner) } else { Cow::Borrowed(inner) })
    }
}

/// `\\`, `\"` and `\n` undone; a backslash before anything else stays.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    unescape_with(text, |c| match c {
        '\\' | '"' => Some(c),
        'n' => Some('\n'),
        _ => None,
    })
}

/// `\\` and `\n` undone: HELP of text 0.0.4.
pub(super) fn unescape_help(text: &str) -> Cow<'_, str> {
    unescape_with(text, |c| match c {
        '\\' => Some(c),
        'n' => Some('\n'),
        _ => None,
    })
}

fn unescape_with(text: &str, meaning: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek().and_then(|next| (c == '\\').then(|| meaning(*next))).flatten() {
            Some(meant) => {
                out.push(meant);
                chars.next();
            }
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn normalize<'a>(kind: Option<MetricType>, label: &str, value: Cow<'a, str>) -> Cow<'a, str> {
    let is_number = matches!(
        (kind, label),
        (Some(MetricType::Histogram), "le") | (Some(MetricType::Summary), "quantile")
    );
    if !is_number {
        return value;
    }
    match float::parse(value.as_bytes()).map(float::format_openmetrics_float) {
        Some(text) if text != value => Cow::Owned(text),
        _ => value,
    }
}
