//! Delimited protobuf `io.prometheus.client.MetricFamily` (spec S7). Each metric is expanded into the series that
//! the text formats have, so that everything after the parser is the same.
//!
//! Metrics are decoded one at a time: a family may be as large as the body, and a decoded message is many times its
//! encoded size. Of native histograms only the classic part is given out (count, sum, buckets, always with `+Inf`),
//! as Prometheus does unless told to keep them; they are counted.

use std::{borrow::Cow, fmt::Write as _};

use prost::Message as _;

use super::{
    Entry, Error, MetricType, RawExemplar, RawSample,
    float::{NAN, format_openmetrics_float},
    messages::{Bucket, Counter, Exemplar, Histogram, LabelPair, Metric, Quantile, Simple, Summary, Time},
    sample::Origin,
};
use crate::model::{Timestamp, is_legacy_label_name, is_legacy_metric_name};

/// A larger metric is refused: a histogram with 1000 buckets and exemplars stays under a tenth of it.
const METRIC_BYTES_MAX: usize = 1 << 20;
/// Bytes of names and labels that a body may expand to: a metric's labels are sent once and stand in each of its
/// series, so a small body could become a very long one. Twice the longest text that is read.
const EXPANDED_MAX: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Protobuf<'a> {
    body: &'a [u8],
    at: usize,
    families: usize,
    family: Option<Family<'a>>,
    native_skipped: usize,
    /// Bytes of all series given out.
    expanded: usize,
    /// The series given out last, as text.
    series: Series,
    /// Its exemplar's labels, as text.
    exemplar: String,
}

#[derive(Debug)]
struct Family<'a> {
    message: &'a [u8],
    at: usize,
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    kind: MetricType,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Help,
    Unit,
    Type,
    /// A metric's series; `None`: the next metric is to be decoded.
    Series(Option<Expanding>),
}

/// A metric that is given out series by series.
#[derive(Debug)]
struct Expanding {
    metric: Box<Metric>,
    /// The next one.
    i: usize,
    /// How many there are.
    count: usize,
}

/// A series as text. What the series of a metric have in common is written once.
#[derive(Debug, Default)]
struct Series {
    text: String,
    /// Where the common part ends, and the suffix for which it was written; `None`: another metric.
    common: Option<(usize, &'static str)>,
}

impl<'a> Protobuf<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            families: 0,
            family: None,
            native_skipped: 0,
            expanded: 0,
            series: Series::default(),
            exemplar: String::new(),
        }
    }

    pub(super) fn native_skipped(&self) -> usize {
        self.native_skipped
    }

    pub(super) fn next_entry(&mut self) -> Result<Option<Entry<'_>>, Error> {
        loop {
            if self.family.is_none() {
                self.family = self.next_family()?;
            }
            let Some(family) = &mut self.family else { return Ok(None) };
            let name = Cow::Borrowed(family.name);
            match &mut family.next {
                Next::Help => {
                    family.next = if family.unit.is_empty() { Next::Type } else { Next::Unit };
                    return Ok(Some(Entry::Help { family: name, text: family.help.into() }));
                }
                Next::Unit => {
                    family.next = Next::Type;
                    return Ok(Some(Entry::Unit { family: name, unit: family.unit.into() }));
                }
                Next::Type => {
                    family.next = Next::Series(None);
                    return Ok(Some(Entry::Type { family: name, kind: family.kind }));
                }
                Next::Series(current) => match current.take() {
                    Some(Expanding { metric, i, count }) if i < count => {
                        let (kind, family_name) = (family.kind, family.name);
                        let value = metric.write(kind, family_name, i, &mut self.series);
                        self.expanded += self.series.text.len();
                        if self.expanded > EXPANDED_MAX {
                            let message = format!("the answer expands to more than {EXPANDED_MAX} bytes");
                            return self.error(family_name, message);
                        }
                        let exemplar = metric.exemplar(kind, i).map(|e| e.write(&mut self.exemplar));
                        let timestamp = metric.timestamp_ms.filter(|t| *t != 0).map(Timestamp);
                        family.next = Next::Series(Some(Expanding { metric, i: i + 1, count }));
                        return Ok(Some(Entry::Sample(RawSample {
                            series: self.series.text.as_bytes(),
                            value: if value.is_nan() { NAN } else { value },
                            timestamp,
                            exemplar: exemplar.map(|(value, timestamp)| RawExemplar {
                                labels: self.exemplar.as_bytes(),
                                value,
                                timestamp,
                            }),
                            kind,
                            origin: Origin::Protobuf { family: self.families, name: family_name },
                        })));
                    }
                    _ => self.next_metric()?,
                },
            }
        }
    }

    fn error<T>(&self, name: &str, message: impl Into<String>) -> Result<T, Error> {
        Err(Error::protobuf(self.families, name, message))
    }

    /// Reads the next family's frame and all of its fields but the metrics.
    fn next_family(&mut self) -> Result<Option<Family<'a>>, Error> {
        if self.at == self.body.len() {
            return Ok(None);
        }
        self.families += 1;
        let Some(message) = delimited(self.body, &mut self.at) else {
            return self.error("", "truncated message");
        };
        let mut family = Family {
            message,
            at: 0,
            name: "",
            help: "",
            unit: "",
            kind: MetricType::Counter,
            next: Next::Help,
        };
        let mut at = 0;
        while at < message.len() {
            let Some(field) = field(message, &mut at) else {
                return self.error(family.name, "malformed field");
            };
            let slot = match field {
                (1, Wire::Bytes(bytes)) => Some((&mut family.name, bytes)),
                (2, Wire::Bytes(bytes)) => Some((&mut family.help, bytes)),
                (5, Wire::Bytes(bytes)) => Some((&mut family.unit, bytes)),
                (3, Wire::Varint(kind)) => {
                    let Some(kind) = kind_of(kind) else {
                        return self.error(family.name, format!("unknown metric type {kind}"));
                    };
                    family.kind = kind;
                    None
                }
                _ => None,
            };
            if let Some((slot, bytes)) = slot {
                match std::str::from_utf8(bytes) {
                    Ok(text) => *slot = text,
                    Err(_) => return self.error("", "invalid UTF-8 in name, help or unit"),
                }
            }
        }
        if family.name.is_empty() {
            return self.error("", "metric name not set");
        }
        Ok(Some(family))
    }

    /// Decodes the current family's next metric, or ends the family.
    fn next_metric(&mut self) -> Result<(), Error> {
        let Some(family) = &mut self.family else { return Ok(()) };
        while family.at < family.message.len() {
            // The header's pass has walked these bytes before.
            let Some(field) = field(family.message, &mut family.at) else { break };
            let (4, Wire::Bytes(bytes)) = field else { continue };
            let name = family.name;
            if bytes.len() > METRIC_BYTES_MAX {
                return self.error(name, format!("a metric of {} bytes is too large", bytes.len()));
            }
            return match Metric::decode(bytes) {
                Ok(metric) => {
                    self.native_skipped += usize::from(metric.is_native(family.kind));
                    self.series.common = None;
                    let count = metric.series(family.kind);
                    family.next = Next::Series(Some(Expanding { metric: Box::new(metric), i: 0, count }));
                    Ok(())
                }
                Err(e) => self.error(name, e.to_string()),
            };
        }
        self.family = None;
        Ok(())
    }
}

fn kind_of(number: u64) -> Option<MetricType> {
    Some(match number {
        0 => MetricType::Counter,
        1 => MetricType::Gauge,
        2 => MetricType::Summary,
        3 => MetricType::Unknown,
        4 => MetricType::Histogram,
        5 => MetricType::GaugeHistogram,
        _ => return None,
    })
}

enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn delimited<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(bytes, at)?).ok()?;
    let end = at.checked_add(len)?;
    let slice = bytes.get(*at..end)?;
    *at = end;
    Some(slice)
}

/// One field: number and value.
fn field<'a>(bytes: &'a [u8], at: &mut usize) -> Option<(u64, Wire<'a>)> {
    let key = varint(bytes, at)?;
    let mut skip = |n: usize| {
        *at = at.checked_add(n).filter(|end| *end <= bytes.len())?;
        Some(Wire::Other)
    };
    let value = match key & 7 {
        0 => Wire::Varint(varint(bytes, at)?),
        1 => skip(8)?,
        2 => Wire::Bytes(delimited(bytes, at)?),
        5 => skip(4)?,
        _ => return None,
    };
    Some((key >> 3, value))
}

/// Which series of a complex metric.
enum Part<'m> {
    Count,
    Sum,
    Bucket(Option<&'m Bucket>),
    Quantile(&'m Quantile),
}

impl Metric {
    fn is_native(&self, kind: MetricType) -> bool {
        matches!(kind, MetricType::Histogram | MetricType::GaugeHistogram)
            && self.histogram.as_ref().is_some_and(|h| {
                !h.positive_span.is_empty()
                    || !h.negative_span.is_empty()
                    || h.zero_threshold() > 0.0
                    || h.zero_count() > 0
            })
    }

    /// How many series it becomes.
    fn series(&self, kind: MetricType) -> usize {
        match kind {
            MetricType::Summary => 2 + self.summary.as_ref().map_or(0, |s| s.quantile.len()),
            MetricType::Histogram | MetricType::GaugeHistogram => {
                let buckets = self.histogram.as_ref().map_or(&[][..], |h| &h.bucket);
                // What follows a bucket with the bound +Inf isn't given out; without one it is added.
                let infinite = buckets.iter().position(|b| b.upper_bound() == f64::INFINITY);
                2 + infinite.map_or(buckets.len(), |i| i) + 1
            }
            _ => 1,
        }
    }

    /// The `i`-th series in Prometheus' order: count, sum, then buckets or quantiles. `None`: a simple metric.
    fn part(&self, kind: MetricType, i: usize) -> Option<Part<'_>> {
        let complex =
            matches!(kind, MetricType::Summary | MetricType::Histogram | MetricType::GaugeHistogram);
        match (kind, i) {
            _ if !complex => None,
            (_, 0) => Some(Part::Count),
            (_, 1) => Some(Part::Sum),
            (MetricType::Summary, _) => self.summary.as_ref()?.quantile.get(i - 2).map(Part::Quantile),
            _ => Some(Part::Bucket(self.histogram.as_ref().and_then(|h| h.bucket.get(i - 2)))),
        }
    }

    /// Writes the `i`-th series as text and gives its value.
    fn write(&self, kind: MetricType, family: &str, i: usize, out: &mut Series) -> f64 {
        let part = self.part(kind, i);
        let suffix = match &part {
            Some(Part::Count) => "_count",
            Some(Part::Sum) => "_sum",
            Some(Part::Bucket(_)) => "_bucket",
            Some(Part::Quantile(_)) | None => "",
        };
        let magic = match &part {
            Some(Part::Bucket(bucket)) => Some(("le", bucket.map_or(f64::INFINITY, Bucket::upper_bound))),
            Some(Part::Quantile(q)) => Some(("quantile", q.quantile())),
            _ => None,
        };
        let text = &mut out.text;
        if let Some((end, _)) = out.common.filter(|(_, of)| *of == suffix) {
            text.truncate(end);
        } else {
            text.clear();
            if is_legacy_metric_name(family) {
                let _ = write!(text, "{family}{suffix}{{");
            } else {
                text.push('{');
                quote(text, &format!("{family}{suffix}"));
                text.push(',');
            }
            write_labels(text, &self.label);
            out.common = Some((text.len(), suffix));
        }
        if let Some((name, value)) = magic {
            let _ = write!(text, "{name}=\"{}\",", format_openmetrics_float(value));
        }
        text.push('}');
        self.value(kind, part)
    }

    fn value(&self, kind: MetricType, part: Option<Part<'_>>) -> f64 {
        let histogram = self.histogram.as_ref();
        let summary = self.summary.as_ref();
        let value = match part {
            None => match kind {
                MetricType::Counter => self.counter.as_ref().map(Counter::value),
                MetricType::Gauge => self.gauge.as_ref().map(Simple::value),
                _ => self.untyped.as_ref().map(Simple::value),
            },
            Some(Part::Count) if kind == MetricType::Summary => summary.map(|s| s.sample_count() as f64),
            Some(Part::Sum) if kind == MetricType::Summary => summary.map(Summary::sample_sum),
            Some(Part::Count | Part::Bucket(None)) => histogram.map(Histogram::count),
            Some(Part::Sum) => histogram.map(Histogram::sample_sum),
            Some(Part::Bucket(Some(bucket))) => Some(bucket.count()),
            Some(Part::Quantile(q)) => Some(q.value()),
        };
        value.unwrap_or_default()
    }

    fn exemplar(&self, kind: MetricType, i: usize) -> Option<&Exemplar> {
        match self.part(kind, i) {
            None if kind == MetricType::Counter => self.counter.as_ref()?.exemplar.as_deref(),
            Some(Part::Bucket(Some(bucket))) => bucket.exemplar.as_deref(),
            _ => None,
        }
    }
}

fn write_labels(out: &mut String, labels: &[LabelPair]) {
    for label in labels {
        let name = label.name();
        if is_legacy_label_name(name) {
            out.push_str(name);
        } else {
            quote(out, name);
        }
        out.push('=');
        quote(out, label.value());
        out.push(',');
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    super::write::escape_into(out, text);
    out.push('"');
}

impl Histogram {
    /// The float count if there is one, else the integer one.
    fn count(&self) -> f64 {
        if self.sample_count_float() == 0.0 { self.sample_count() as f64 } else { self.sample_count_float() }
    }
}

impl Bucket {
    fn count(&self) -> f64 {
        if self.cumulative_count_float() == 0.0 {
            self.cumulative_count() as f64
        } else {
            self.cumulative_count_float()
        }
    }
}

impl Exemplar {
    /// Writes `{labels}`; gives value and time.
    fn write(&self, out: &mut String) -> (f64, Option<Timestamp>) {
        out.clear();
        out.push('{');
        write_labels(out, &self.label);
        out.push('}');
        let millis = |t: &Time| {
            Timestamp(t.seconds().saturating_mul(1000).saturating_add(i64::from(t.nanos() / 1_000_000)))
        };
        (self.value(), self.timestamp.as_ref().map(millis))
    }
}
