//! `name{labels}`: where it ends, and what it says.

use std::borrow::Cow;

use memchr::memchr2;

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

const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b':'
}

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
    at + rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len())
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
    loop {
        match memchr2(b'"', b'}', &bytes[at..]) {
            None => return Err(Wrong::new(open, "missing `}`")),
            Some(i) if bytes[at + i] == b'}' => return Ok(at + i + 1),
            Some(i) => at = quote_end(bytes, at + i)?,
        }
    }
}

/// One past the quote that closes the one at `open`; a backslash takes the next byte with it.
fn quote_end(bytes: &[u8], open: usize) -> Result<usize, Wrong> {
    let mut at = open + 1;
    loop {
        match bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            None => return Err(Wrong::new(open, "missing closing quote")),
            Some(i) if bytes[at + i] == b'"' => return Ok(at + i + 1),
            Some(i) => at += i + 2,
        }
    }
}

/// Parses a whole series into its labels, sorted by name, with `__name__`. Empty values are left out, since they
/// mean "no such label". `le` of a histogram and `quantile` of a summary come in OpenMetrics' form (spec S8).
pub(super) fn parse<'a>(
    raw: &'a [u8],
    grammar: Grammar,
    kind: MetricType,
    out: &mut Vec<Pair<'a>>,
) -> Result<(), Wrong> {
    out.clear();
    let end = name_end(raw, 0);
    let mut name = (end > 0).then(|| ascii(&raw[..end])).transpose()?;
    let open = skip_blanks(raw, end);
    if raw.get(open) == Some(&b'{') {
        let inner = Braces { raw, at: open + 1, grammar };
        inner.parse(&mut name, Some(kind), out)?;
    }
    let Some(name) = name.filter(|n| !n.is_empty()) else {
        return Err(Wrong::new(0, "metric name not set"));
    };
    out.push((Cow::Borrowed(METRIC_NAME), name));
    sort_unique(out)
}

/// Parses `{…}` of an exemplar: no metric name in it.
pub(super) fn parse_exemplar<'a>(raw: &'a [u8], out: &mut Vec<Pair<'a>>) -> Result<(), Wrong> {
    out.clear();
    Braces { raw, at: 1, grammar: Grammar::OpenMetrics }.parse(&mut Some(Cow::Borrowed("")), None, out)?;
    sort_unique(out)
}

fn sort_unique(pairs: &mut Vec<Pair<'_>>) -> Result<(), Wrong> {
    pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    if let Some(twice) = pairs.windows(2).find(|w| w[0].0 == w[1].0) {
        return Err(Wrong::new(0, format!("label name `{}` is not unique", twice[0].0)));
    }
    pairs.retain(|(_, v)| !v.is_empty());
    Ok(())
}

fn ascii(bytes: &[u8]) -> Result<Cow<'_, str>, Wrong> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Wrong::new(0, "invalid UTF-8 name"))
}

/// A walk through `name="value", …}`.
struct Braces<'a> {
    raw: &'a [u8],
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
            let value = normalize(kind, &label, value);
            out.push((label, value));
            self.separator()?;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.raw.get(self.at).copied()
    }

    fn blanks(&mut self) {
        if self.grammar == Grammar::Text {
            self.at = skip_blanks(self.raw, self.at);
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, Wrong> {
        Err(Wrong::new(self.at, format!("expected {what}, found {}", found(self.raw, self.at))))
    }

    fn bare_name(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let end = name_end(self.raw, self.at);
        let name = &self.raw[self.at..end];
        if name.is_empty() || name.contains(&b':') {
            return self.expected("a label name");
        }
        self.at = end;
        ascii(name)
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
        let end = quote_end(self.raw, self.at)?;
        let inner = &self.raw[self.at + 1..end - 1];
        if self.grammar == Grammar::OpenMetrics
            && let Some(i) = memchr::memchr(b'\n', inner)
        {
            return Err(Wrong::new(self.at + 1 + i, format!("line break in {what}")));
        }
        let text = std::str::from_utf8(inner)
            .map_err(|e| Wrong::new(self.at + 1 + e.valid_up_to(), format!("invalid UTF-8 in {what}")))?;
        self.at = end;
        Ok(unescape(text))
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
