//! Writing expositions: text 0.0.4 and OpenMetrics 1.0.0, for our own `/metrics` and for federation.

use std::fmt::Write as _;

use super::{Escaping, MetricType, format_float, format_openmetrics_float};
use crate::model::{Labels, METRIC_NAME, Timestamp, is_legacy_label_name, is_legacy_metric_name};

/// A family to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name; that of a counter with or without `_total`.
    pub name: String,
    /// Its type.
    pub kind: MetricType,
    /// What it is about; may be empty.
    pub help: String,
    /// What it is measured in; may be empty. Left out when it is no suffix of the name, as OpenMetrics wants it.
    pub unit: String,
    /// Its samples. Those of one series follow each other.
    pub samples: Vec<FamilySample>,
}

/// One sample of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilySample {
    /// What follows the family's name: `""`, `_bucket`, `_sum`, `_count`. A counter's `_total` is added when needed.
    pub suffix: &'static str,
    /// Labels; `__name__` among them is left out.
    pub labels: Labels,
    /// The value.
    pub value: f64,
    /// When, if it is to be said.
    pub timestamp: Option<Timestamp>,
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Text 0.0.4: names that need quotes are escaped.
    Text,
    /// Text 1.0.0.
    TextUtf8(Escaping),
    /// OpenMetrics 1.0.0.
    OpenMetrics(Escaping),
}

impl Dialect {
    /// The `Content-Type` that says so.
    pub fn content_type(self) -> String {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8".to_owned(),
            Self::TextUtf8(e) => format!("text/plain; version=1.0.0; escaping={}; charset=utf-8", e.as_str()),
            Self::OpenMetrics(e) => {
                format!("application/openmetrics-text; version=1.0.0; escaping={}; charset=utf-8", e.as_str())
            }
        }
    }

    const fn escaping(self) -> Escaping {
        match self {
            Self::Text => Escaping::Underscores,
            Self::TextUtf8(e) | Self::OpenMetrics(e) => e,
        }
    }

    const fn is_openmetrics(self) -> bool {
        matches!(self, Self::OpenMetrics(_))
    }
}

/// The dialect for an `Accept` header: the highest q-value that we can write, the first of equals; text 0.0.4 when
/// there is none.
pub fn negotiate(accept: &str) -> Dialect {
    let mut best = (0.0, Dialect::Text);
    for part in accept.split(',') {
        let mut fields = part.split(';').map(str::trim);
        let media = fields.next().unwrap_or_default().to_ascii_lowercase();
        let (mut q, mut version, mut escaping) = (1.0, "", None);
        for field in fields {
            match field.split_once('=').map(|(k, v)| (k.trim(), v.trim().trim_matches('"'))) {
                Some(("q", v)) => q = v.parse().unwrap_or(0.0),
                Some(("version", v)) => version = v,
                Some(("escaping", v)) => escaping = Escaping::parse(v),
                _ => {}
            }
        }
        let dialect = match (media.as_str(), version) {
            ("application/openmetrics-text", "1.0.0" | "0.0.1" | "") => {
                Dialect::OpenMetrics(escaping.unwrap_or(Escaping::Underscores))
            }
            ("text/plain", "1.0.0") => Dialect::TextUtf8(escaping.unwrap_or(Escaping::Underscores)),
            ("text/plain", "0.0.4" | "") | ("text/*" | "*/*", _) => Dialect::Text,
            _ => continue,
        };
        if q > best.0 {
            best = (q, dialect);
        }
    }
    best.1
}

/// Writes all families in the order given.
pub fn write(families: &[Family], dialect: Dialect) -> String {
    let mut out = String::new();
    for family in families {
        write_family(&mut out, family, dialect);
    }
    if dialect.is_openmetrics() {
        out.push_str("# EOF\n");
    }
    out
}

fn write_family(out: &mut String, family: &Family, dialect: Dialect) {
    let is_om = dialect.is_openmetrics();
    let base = match family.kind {
        MetricType::Counter => family.name.strip_suffix("_total").unwrap_or(&family.name),
        _ => &family.name,
    };
    // Text names a counter's family like its samples, OpenMetrics without `_total`.
    let total = if family.kind == MetricType::Counter { "_total" } else { "" };
    let meta = dialect.escaping().escape(&if is_om { base.to_owned() } else { format!("{base}{total}") });
    if !family.help.is_empty() {
        out.push_str("# HELP ");
        push_meta_name(out, &meta);
        out.push(' ');
        push_help(out, &family.help, is_om);
        out.push('\n');
    }
    out.push_str("# TYPE ");
    push_meta_name(out, &meta);
    let _ = writeln!(out, " {}", type_word(family.kind, is_om));
    if is_om && !family.unit.is_empty() && base.ends_with(&format!("_{}", family.unit)) {
        out.push_str("# UNIT ");
        push_meta_name(out, &meta);
        let _ = writeln!(out, " {}", family.unit);
    }
    for sample in &family.samples {
        let suffix = if sample.suffix.is_empty() { total } else { sample.suffix };
        write_sample(out, &format!("{base}{suffix}"), family.kind, sample, dialect);
    }
}

fn type_word(kind: MetricType, is_om: bool) -> &'static str {
    match kind {
        _ if is_om => kind.as_str(),
        MetricType::GaugeHistogram => "histogram",
        MetricType::Info | MetricType::Stateset => "gauge",
        MetricType::Unknown => "untyped",
        _ => kind.as_str(),
    }
}

fn write_sample(out: &mut String, name: &str, kind: MetricType, sample: &FamilySample, dialect: Dialect) {
    let is_om = dialect.is_openmetrics();
    let name = dialect.escaping().escape(name);
    let mut separator = if is_legacy_metric_name(&name) {
        out.push_str(&name);
        "{"
    } else {
        out.push_str("{\"");
        escape_into(out, &name);
        out.push('"');
        ","
    };
    for (label, value) in sample.labels.iter().filter(|(n, _)| *n != METRIC_NAME) {
        out.push_str(separator);
        separator = ",";
        let label = dialect.escaping().escape(label);
        if is_legacy_label_name(&label) {
            out.push_str(&label);
        } else {
            out.push('"');
            escape_into(out, &label);
            out.push('"');
        }
        out.push_str("=\"");
        let is_bound = matches!(
            (kind, label.as_str()),
            (MetricType::Histogram, "le") | (MetricType::Summary, "quantile")
        );
        match value.parse::<f64>() {
            Ok(bound) if is_om && is_bound => out.push_str(&format_openmetrics_float(bound)),
            _ => escape_into(out, value),
        }
        out.push('"');
    }
    if separator == "," {
        out.push('}');
    }
    out.push(' ');
    out.push_str(&if is_om { format_openmetrics_float(sample.value) } else { format_float(sample.value) });
    match sample.timestamp {
        Some(t) if is_om => {
            let _ = write!(out, " {}", t.as_secs_f64());
        }
        Some(t) => {
            let _ = write!(out, " {}", t.0);
        }
        None => {}
    }
    out.push('\n');
}

fn push_meta_name(out: &mut String, name: &str) {
    if is_legacy_metric_name(name) {
        out.push_str(name);
    } else {
        out.push('"');
        escape_into(out, name);
        out.push('"');
    }
}

fn push_help(out: &mut String, help: &str, is_om: bool) {
    for c in help.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if is_om => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// A label value with `\`, `"` and line breaks escaped.
pub(super) fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}
