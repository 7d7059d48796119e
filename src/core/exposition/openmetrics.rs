//! OpenMetrics 1.0.0 and 0.0.1 (spec S6; accepted and refused as `model/textparse/openmetricsparse.go` of 3.14 does:
//! names of families and order are not enforced).

use memchr::memchr;

use super::{
    Entry, MetricType, RawExemplar, RawSample,
    error::{Wrong, found},
    sample::Origin,
    series::{self, Grammar},
    text::{family_name, invalid_type, number},
};
use crate::model::Timestamp;

const NO_EOF: &str = "data does not end with `# EOF`";

#[derive(Debug)]
pub(super) struct OpenMetrics<'a> {
    body: &'a [u8],
    at: usize,
    kind: MetricType,
    done: bool,
}

impl<'a> OpenMetrics<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, kind: MetricType::Unknown, done: false }
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    pub(super) fn next_entry(&mut self) -> Result<Option<Entry<'a>>, Wrong> {
        match self.body.get(self.at) {
            _ if self.done => Ok(None),
            None => Err(Wrong::new(self.at, NO_EOF)),
            Some(b'#') => self.descriptor(),
            Some(_) => self.sample().map(|s| Some(Entry::Sample(s))),
        }
    }

    /// `# TYPE`, `# HELP`, `# UNIT` or `# EOF`: there are no other comments.
    fn descriptor(&mut self) -> Result<Option<Entry<'a>>, Wrong> {
        let (body, start) = (self.body, self.at);
        let newline = memchr(b'\n', &body[start..]).map(|i| start + i);
        let line = &body[start..newline.unwrap_or(body.len())];
        if line == b"# EOF" {
            self.done = true;
            self.at = newline.map_or(body.len(), |i| i + 1);
            return match body.get(self.at) {
                None => Ok(None),
                Some(_) => Err(Wrong::new(self.at, "unexpected data after `# EOF`")),
            };
        }
        let Some(keyword @ (b"# TYPE " | b"# HELP " | b"# UNIT ")) = line.get(..7) else {
            return Err(Wrong::new(start, "expected `# TYPE`, `# HELP`, `# UNIT` or `# EOF`"));
        };
        let end = newline.ok_or_else(|| Wrong::new(body.len(), NO_EOF))?;
        let (family, at) = family_name(body, start + 7, end)?;
        if body[at] != b' ' {
            return Err(Wrong::new(at, format!("expected a space, found {}", found(body, at))));
        }
        let text = &body[at + 1..end];
        self.at = end + 1;
        match keyword {
            b"# TYPE " => {
                self.kind = kind_of(text).ok_or_else(|| invalid_type(text, at + 1))?;
                Ok(Some(Entry::Type { family, kind: self.kind }))
            }
            b"# HELP " => {
                let text = utf8(text, at + 1, "help text")?;
                Ok(Some(Entry::Help { family, text: series::unescape(text) }))
            }
            _ => {
                let unit = utf8(text, at + 1, "unit")?;
                let is_suffix = family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
                if !unit.is_empty() && !is_suffix {
                    return Err(Wrong::new(
                        at + 1,
                        format!("unit `{unit}` is no suffix of metric `{family}`"),
                    ));
                }
                Ok(Some(Entry::Unit { family, unit: unit.into() }))
            }
        }
    }

    fn sample(&mut self) -> Result<RawSample<'a>, Wrong> {
        let (body, start) = (self.body, self.at);
        let end = series::split(body, start, Grammar::OpenMetrics)?;
        let (value, mut at) = spaced_number(body, end, "a value")?;
        let mut timestamp = None;
        if body.get(at) == Some(&b' ') && !body[at..].starts_with(b" # {") {
            let (seconds, next) = spaced_number(body, at, "a timestamp")?;
            timestamp = Some(millis(seconds, at + 1)?);
            at = next;
        }
        let mut exemplar = None;
        if body[at..].starts_with(b" # {") {
            let (found, next) = self.exemplar(at + 3)?;
            exemplar = Some(found);
            at = next;
        }
        match body.get(at) {
            Some(b'\n') => self.at = at + 1,
            None => return Err(Wrong::new(at, NO_EOF)),
            Some(_) => {
                return Err(Wrong::new(
                    at,
                    format!("expected the end of the line, found {}", found(body, at)),
                ));
            }
        }
        Ok(RawSample {
            series: &body[start..end],
            value,
            timestamp,
            exemplar,
            kind: self.kind,
            origin: Origin::Text { body, at: start, grammar: Grammar::OpenMetrics },
        })
    }

    /// `{labels} value [timestamp]` at `open`.
    fn exemplar(&self, open: usize) -> Result<(RawExemplar<'a>, usize), Wrong> {
        let body = self.body;
        let close = series::braces_end(body, open)?;
        let labels = &body[open..close];
        series::parse_exemplar(labels).map_err(|w| Wrong::new(open + w.at, w.message))?;
        let (value, mut at) = spaced_number(body, close, "a value after exemplar labels")?;
        let mut timestamp = None;
        if body.get(at) == Some(&b' ') {
            let (seconds, next) = spaced_number(body, at, "a timestamp")?;
            timestamp = Some(millis(seconds, at + 1)?);
            at = next;
        }
        Ok((RawExemplar { labels, value, timestamp }, at))
    }
}

fn kind_of(text: &[u8]) -> Option<MetricType> {
    Some(match text {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"gaugehistogram" => MetricType::GaugeHistogram,
        b"summary" => MetricType::Summary,
        b"info" => MetricType::Info,
        b"stateset" => MetricType::Stateset,
        b"unknown" => MetricType::Unknown,
        _ => return None,
    })
}

fn utf8<'a>(bytes: &'a [u8], at: usize, what: &str) -> Result<&'a str, Wrong> {
    std::str::from_utf8(bytes)
        .map_err(|e| Wrong::new(at + e.valid_up_to(), format!("invalid UTF-8 in {what}")))
}

/// Exactly one space, then a number.
fn spaced_number(body: &[u8], at: usize, what: &str) -> Result<(f64, usize), Wrong> {
    let wrong = |at: usize| Err(Wrong::new(at, format!("expected {what}, found {}", found(body, at))));
    match (body.get(at), body.get(at + 1)) {
        (Some(b' '), Some(b' ' | b'\n') | None) => wrong(at + 1),
        (Some(b' '), _) => {
            let (value, next) = number(body, at + 1)?;
            if body.get(next) == Some(&b'\t') { wrong(next) } else { Ok((value, next)) }
        }
        _ => wrong(at),
    }
}

/// Seconds as milliseconds, cut; but what was written with three decimals reads back as written, although its
/// product may fall short of the whole number by a rounding error.
fn millis(seconds: f64, at: usize) -> Result<Timestamp, Wrong> {
    if !seconds.is_finite() {
        return Err(Wrong::new(at, "the timestamp is not finite"));
    }
    let ms = seconds * 1000.0;
    let nearest = ms.round();
    Ok(Timestamp(if (ms - nearest).abs() < 1e-3 { nearest } else { ms } as i64))
}
