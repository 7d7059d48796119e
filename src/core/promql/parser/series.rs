//! The notation of series in promtool's unit tests (spec §6.2): `a{b="c"} 1+2x3 _ stale {{schema:0 …}}x2`.

use super::{ParseError, ParseOptions, lexer::parse_number, parse};
use crate::{diag::Span, model::Labels, promql::ExprKind};

/// One value of a described series.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesValue {
    /// `_`: no sample here.
    Omitted,
    /// `stale`: the stale marker.
    Stale,
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Box<HistogramLiteral>),
}

/// A native histogram as written; absent fields are zero or empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramLiteral {
    /// Resolution; −53 for custom buckets.
    pub schema: i64,
    /// Sum of observations.
    pub sum: f64,
    /// Count of observations.
    pub count: f64,
    /// Count in the zero bucket.
    pub z_bucket: f64,
    /// Width of the zero bucket.
    pub z_bucket_w: f64,
    /// Index of the first positive bucket.
    pub offset: i64,
    /// Positive buckets.
    pub buckets: Vec<f64>,
    /// Index of the first negative bucket.
    pub n_offset: i64,
    /// Negative buckets.
    pub n_buckets: Vec<f64>,
    /// Bounds of custom buckets.
    pub custom_values: Vec<f64>,
    /// `unknown`, `reset`, `not_reset`, `gauge`; empty when not given.
    pub counter_reset_hint: String,
}

/// Values that one text may describe.
const VALUES_MAX: usize = 1_000_000;

/// Parses a series and its values on one line.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse_series(text: &str) -> Result<(Labels, Vec<SeriesValue>), ParseError> {
    let end = end_of_series(text);
    let expr = parse(&text[..end], &ParseOptions::default()).map_err(|mut e| e.remove(0));
    let labels = match expr {
        Ok(expr) => match expr.kind {
            ExprKind::Selector(s) => {
                Labels::from_pairs(s.matchers.iter().map(|m| (m.name.clone(), m.value.clone())))
            }
            _ => return Err(ParseError::new(expr.span, "expected a series: name{label=\"value\"}")),
        },
        Err(_) if text[..end].trim() == "{}" => Labels::empty(),
        Err(e) => return Err(e),
    };
    let values = parse_values(&text[end..]).map_err(|mut e| {
        e.span = e.span.shift(end);
        e
    })?;
    Ok((labels, values))
}

/// The series ends at the first blank outside braces and quotes.
fn end_of_series(text: &str) -> usize {
    let (mut braces, mut quoted, mut escaped, mut seen) = (false, None, false, false);
    for (i, c) in text.char_indices() {
        match quoted {
            Some(q) => {
                if c == q && !escaped {
                    quoted = None;
                }
                escaped = c == '\\' && !escaped;
            }
            None => match c {
                '"' | '\'' | '`' => quoted = Some(c),
                '{' => braces = true,
                '}' => braces = false,
                c if c.is_whitespace() && !braces && seen => {
                    let rest = text[i..].trim_start();
                    if !rest.starts_with('{') || rest.starts_with("{{") {
                        return i;
                    }
                }
                _ => {}
            },
        }
        seen |= !c.is_whitespace();
        if seen && c == '}' && quoted.is_none() {
            return i + 1;
        }
    }
    text.len()
}

/// Parses values.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse_values(text: &str) -> Result<Vec<SeriesValue>, ParseError> {
    let mut values = Vec::new();
    for (start, item) in items(text) {
        let span = Span::new(start, start + item.len());
        item_values(item, &mut values).map_err(|m| ParseError::new(span, m))?;
        if values.len() > VALUES_MAX {
            return Err(ParseError::new(span, format!("more than {VALUES_MAX} values")));
        }
    }
    Ok(values)
}

/// Items separated by blanks; blanks inside `{{…}}` belong to the histogram.
fn items(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut start, mut depth) = (Vec::new(), None, 0usize);
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (c.is_whitespace() && depth == 0, start) {
            (true, Some(s)) => {
                found.push((s, &text[s..i]));
                start = None;
            }
            (false, None) => start = Some(i),
            _ => {}
        }
    }
    if let Some(s) = start {
        found.push((s, &text[s..]));
    }
    found
}

fn times(text: &str) -> Result<usize, String> {
    text.parse::<usize>()
        .ok()
        .filter(|n| *n < VALUES_MAX)
        .ok_or_else(|| format!("bad repetition count {text:?}"))
}

fn number(text: &str) -> Result<f64, String> {
    let (negative, plain) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match plain.to_ascii_lowercase().as_str() {
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => parse_number(plain).ok_or_else(|| format!("bad number {text:?}"))?,
    };
    Ok(if negative { -value } else { value })
}

fn item_values(item: &str, values: &mut Vec<SeriesValue>) -> Result<(), String> {
    if item.contains("{{") {
        return histograms(item, values);
    }
    if let Some(rest) = item.strip_prefix('_') {
        let n = rest.strip_prefix('x').map_or(if rest.is_empty() { Ok(1) } else { Err(bad(item)) }, times)?;
        values.extend(std::iter::repeat_n(SeriesValue::Omitted, n));
        return Ok(());
    }
    if let Some(rest) = item.strip_prefix("stale") {
        let n = rest
            .strip_prefix('x')
            .map_or(if rest.is_empty() { Ok(1) } else { Err(bad(item)) }, |t| times(t).map(|n| n + 1))?;
        values.extend(std::iter::repeat_n(SeriesValue::Stale, n));
        return Ok(());
    }
    // Hexadecimal numbers are not allowed here: `0x9` is ten zeros.
    let Some((described, count)) = item.rsplit_once('x') else {
        values.push(SeriesValue::Float(number(item)?));
        return Ok(());
    };
    let n = times(count)?;
    // The sign of the step is the last one that is no sign of an exponent.
    let bytes = described.as_bytes();
    let sign = (1..bytes.len())
        .rev()
        .find(|i| matches!(bytes[*i], b'+' | b'-') && !matches!(bytes[*i - 1], b'e' | b'E' | b'+' | b'-'));
    let (start, step) = match sign {
        Some(i) => (number(&described[..i])?, number(&described[i..])?),
        None => (number(described)?, 0.0),
    };
    let mut value = start;
    for _ in 0..=n {
        values.push(SeriesValue::Float(value));
        value += step;
    }
    Ok(())
}

fn bad(item: &str) -> String {
    format!("bad value {item:?}")
}

/// `{{…}}`, `{{…}}xN`, `{{…}}+{{…}}xN`, `{{…}}-{{…}}xN`.
fn histograms(item: &str, values: &mut Vec<SeriesValue>) -> Result<(), String> {
    let end = item.find("}}").ok_or("unclosed histogram")?;
    let inside = item.strip_prefix("{{").ok_or_else(|| bad(item))?;
    let first = histogram(&inside[..end - 2])?;
    let rest = &item[end + 2..];
    if rest.is_empty() {
        values.push(SeriesValue::Histogram(Box::new(first)));
        return Ok(());
    }
    if let Some(count) = rest.strip_prefix('x') {
        let n = times(count)?;
        values.extend(std::iter::repeat_n(SeriesValue::Histogram(Box::new(first)), n + 1));
        return Ok(());
    }
    let sign = match rest.as_bytes().first() {
        Some(b'+') => 1.0,
        Some(b'-') => -1.0,
        _ => return Err(bad(item)),
    };
    let close = rest.find("}}").ok_or("unclosed histogram")?;
    let step = histogram(rest[1..close].strip_prefix("{{").ok_or_else(|| bad(item))?)?;
    let n = times(rest[close + 2..].strip_prefix('x').ok_or_else(|| bad(item))?)?;
    let mut current = first;
    for _ in 0..=n {
        values.push(SeriesValue::Histogram(Box::new(current.clone())));
        current.add(&step, sign)?;
    }
    Ok(())
}

impl HistogramLiteral {
    /// Adds `sign` times another of the same layout.
    fn add(&mut self, step: &Self, sign: f64) -> Result<(), String> {
        if self.schema != step.schema || (self.schema == -53 && self.custom_values != step.custom_values) {
            return Err("a histogram's step must have its schema".to_owned());
        }
        self.sum += sign * step.sum;
        self.count += sign * step.count;
        self.z_bucket += sign * step.z_bucket;
        add_buckets(&mut self.offset, &mut self.buckets, step.offset, &step.buckets, sign);
        add_buckets(&mut self.n_offset, &mut self.n_buckets, step.n_offset, &step.n_buckets, sign);
        Ok(())
    }
}

fn add_buckets(offset: &mut i64, buckets: &mut Vec<f64>, step_offset: i64, step: &[f64], sign: f64) {
    if step.is_empty() {
        return;
    }
    if buckets.is_empty() {
        *offset = step_offset;
    }
    let front = (*offset - step_offset).clamp(0, 10_000) as usize;
    buckets.splice(0..0, std::iter::repeat_n(0.0, front));
    *offset -= front as i64;
    for (i, value) in step.iter().enumerate() {
        let at = (step_offset - *offset).clamp(0, 10_000) as usize + i;
        if buckets.len() <= at {
            buckets.resize(at + 1, 0.0);
        }
        buckets[at] += sign * value;
    }
}

fn histogram(inside: &str) -> Result<HistogramLiteral, String> {
    let mut h = HistogramLiteral::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or_else(|| format!("expected key:value in {rest:?}"))?;
        if seen.contains(&key) {
            return Err(format!("duplicate key {key:?} in histogram"));
        }
        seen.push(key);
        let len = if after.starts_with('[') {
            after.find(']').ok_or("unclosed list in histogram")? + 1
        } else {
            after.find(char::is_whitespace).unwrap_or(after.len())
        };
        let value = &after[..len];
        set(&mut h, key, value)?;
        rest = after[len..].trim_start();
    }
    Ok(h)
}

fn set(h: &mut HistogramLiteral, key: &str, value: &str) -> Result<(), String> {
    let int = || value.parse::<i64>().map_err(|_| format!("bad whole number {value:?} for {key}"));
    let list = || -> Result<Vec<f64>, String> {
        let inner = value.strip_prefix('[').and_then(|v| v.strip_suffix(']'));
        inner.ok_or_else(|| format!("expected a list for {key}"))?.split_whitespace().map(number).collect()
    };
    match key {
        "schema" => h.schema = int()?,
        "sum" => h.sum = number(value)?,
        "count" => h.count = number(value)?,
        "z_bucket" => h.z_bucket = number(value)?,
        "z_bucket_w" => h.z_bucket_w = number(value)?,
        "offset" => h.offset = int()?,
        "buckets" => h.buckets = list()?,
        "n_offset" => h.n_offset = int()?,
        "n_buckets" => h.n_buckets = list()?,
        "custom_values" => h.custom_values = list()?,
        "counter_reset_hint" if ["unknown", "reset", "not_reset", "gauge"].contains(&value) => {
            value.clone_into(&mut h.counter_reset_hint);
        }
        "counter_reset_hint" => return Err(format!("unknown counter_reset_hint {value:?}")),
        _ => return Err(format!("unknown key {key:?} in histogram")),
    }
    Ok(())
}
