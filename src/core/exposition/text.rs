//! Prometheus text 0.0.4 and 1.0.0 (spec S5; accepted and refused as `model/textparse/promparse.go` of 3.14 does,
//! but a NUL byte outside of quotes is an error and not the end of the body).

use std::borrow::Cow;

use memchr::memchr;

use super::{
    Entry, MetricType, RawSample,
    error::{Wrong, found},
    float,
    sample::Origin,
    series::{self, Grammar, is_blank, skip_blanks},
};
use crate::model::Timestamp;

#[derive(Debug)]
pub(super) struct Text<'a> {
    body: &'a [u8],
    at: usize,
    /// Of the last `# TYPE`; as in Prometheus it stays until the next one.
    kind: MetricType,
}

impl<'a> Text<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, kind: MetricType::Unknown }
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    pub(super) fn next_entry(&mut self) -> Result<Option<Entry<'a>>, Wrong> {
        loop {
            self.at = skip_blanks(self.body, self.at);
            match self.body.get(self.at) {
                None => return Ok(None),
                Some(b'\n') => self.at += 1,
                Some(b'#') => {
                    if let Some(entry) = self.comment()? {
                        return Ok(Some(entry));
                    }
                }
                Some(_) => return self.sample().map(|s| Some(Entry::Sample(s))),
            }
        }
    }

    fn sample(&mut self) -> Result<RawSample<'a>, Wrong> {
        let (body, start) = (self.body, self.at);
        let end = series::split(body, start, Grammar::Text)?;
        let at = skip_blanks(body, end);
        let (value, at) = number(body, at)?;
        let (timestamp, at) = timestamp(body, skip_blanks(body, at))?;
        self.at = line_end(body, skip_blanks(body, at))?;
        Ok(RawSample {
            series: &body[start..end],
            value,
            timestamp,
            exemplar: None,
            kind: self.kind,
            origin: Origin::Text { body, at: start, grammar: Grammar::Text },
        })
    }

    /// A line that begins with `#`: HELP, TYPE, or a comment, which is skipped.
    fn comment(&mut self) -> Result<Option<Entry<'a>>, Wrong> {
        let body = self.body;
        let end = memchr(b'\n', &body[self.at..]).map_or(body.len(), |i| self.at + i);
        let word = skip_blanks(body, self.at + 1);
        let keyword = if word > self.at + 1 { body[word..end].get(..4) } else { None };
        self.at = end;
        match (keyword, body.get(word + 4)) {
            (Some(keyword @ (b"HELP" | b"TYPE")), Some(b)) if is_blank(*b) => {
                let at = skip_blanks(body, word + 4);
                let (family, at) = family_name(body, at, end)?;
                let text = &body[end.min(at + 1)..end];
                if keyword == b"HELP" {
                    help(body, family, text, at + 1).map(Some)
                } else {
                    self.kind(family, text, at).map(Some)
                }
            }
            _ => Ok(None),
        }
    }

    fn kind(&mut self, family: Cow<'a, str>, text: &[u8], at: usize) -> Result<Entry<'a>, Wrong> {
        let kind = match text {
            b"counter" => MetricType::Counter,
            b"gauge" => MetricType::Gauge,
            b"histogram" => MetricType::Histogram,
            b"summary" => MetricType::Summary,
            b"untyped" => MetricType::Unknown,
            _ => return Err(invalid_type(text, at + 1)),
        };
        self.kind = kind;
        Ok(Entry::Type { family, kind })
    }
}

fn help<'a>(body: &[u8], family: Cow<'a, str>, text: &'a [u8], at: usize) -> Result<Entry<'a>, Wrong> {
    let text = std::str::from_utf8(text)
        .map_err(|e| Wrong::new((at + e.valid_up_to()).min(body.len()), "invalid UTF-8 in help text"))?;
    Ok(Entry::Help { family, text: series::unescape_help(text) })
}

pub(super) fn invalid_type(text: &[u8], at: usize) -> Wrong {
    let shown: String = String::from_utf8_lossy(text).chars().take(40).collect();
    Wrong::new(at, format!("invalid metric type `{shown}`"))
}

/// The family's name of a metadata line, plain or quoted.
pub(super) fn family_name(body: &[u8], at: usize, line_end: usize) -> Result<(Cow<'_, str>, usize), Wrong> {
    let line = &body[..line_end];
    if line.get(at) != Some(&b'"') {
        let end = series::name_end(line, at);
        if end == at {
            return Err(Wrong::new(at, format!("expected a metric name, found {}", found(body, at))));
        }
        return Ok((String::from_utf8_lossy(&line[at..end]), end));
    }
    let mut end = at + 1;
    while let Some(b) = line.get(end) {
        match b {
            b'"' => {
                let name = std::str::from_utf8(&line[at + 1..end])
                    .map_err(|_| Wrong::new(at, "invalid UTF-8 in metric name"))?;
                return Ok((series::unescape(name), end + 1));
            }
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    Err(Wrong::new(at, "missing closing quote"))
}

/// A number that ends at a blank, a line break or the end of the body.
pub(super) fn number(body: &[u8], at: usize) -> Result<(f64, usize), Wrong> {
    if let Some((value, used)) = float::parse_prefix(&body[at.min(body.len())..])
        && body.get(at + used).is_none_or(|b| is_blank(*b) || *b == b'\n')
    {
        return Ok((value, at + used));
    }
    let rest = &body[at.min(body.len())..];
    let token = &rest[..rest.iter().position(|b| is_blank(*b) || *b == b'\n').unwrap_or(rest.len())];
    if token.is_empty() {
        return Err(Wrong::new(at, format!("expected a value, found {}", found(body, at))));
    }
    let shown: String = String::from_utf8_lossy(token).chars().take(40).collect();
    Err(Wrong::new(at, format!("`{}` is no number", shown.escape_debug())))
}

/// Milliseconds, digits only, if there are any.
fn timestamp(body: &[u8], at: usize) -> Result<(Option<Timestamp>, usize), Wrong> {
    let digits = body[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return Ok((None, at));
    }
    let ms = body[at..at + digits]
        .iter()
        .try_fold(0i64, |n, b| n.checked_mul(10)?.checked_add(i64::from(b - b'0')))
        .ok_or_else(|| Wrong::new(at, "timestamp out of range"))?;
    Ok((Some(Timestamp(ms)), at + digits))
}

/// Past the line break at `at`, or at the end of the body, which needs none.
fn line_end(body: &[u8], at: usize) -> Result<usize, Wrong> {
    match body.get(at) {
        None => Ok(at),
        Some(b'\n') => Ok(at + 1),
        Some(_) => Err(Wrong::new(
            at,
            format!("expected a timestamp or the end of the line, found {}", found(body, at)),
        )),
    }
}
