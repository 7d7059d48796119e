//! Which format: the `Accept` header of a scrape, the `Content-Type` of its answer (spec S1–S4).

use std::{fmt, fmt::Write as _, str::FromStr};

/// A scrape protocol as configuration names it (`scrape_protocols`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Delimited protobuf.
    PrometheusProto,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1_0_0,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0_0_1,
    /// Prometheus text with quoted names.
    PrometheusText1_0_0,
    /// Prometheus text.
    PrometheusText0_0_4,
}

/// Prometheus' order without native histograms (spec S2).
pub const DEFAULT_PROTOCOLS: [Protocol; 4] = [
    Protocol::OpenMetricsText1_0_0,
    Protocol::OpenMetricsText0_0_1,
    Protocol::PrometheusText1_0_0,
    Protocol::PrometheusText0_0_4,
];

/// A name that is none of [`Protocol::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scrape protocol `{0}`, expected one of PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4"
)]
pub struct UnknownProtocol(pub String);

impl Protocol {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::PrometheusProto,
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// As configuration names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusProto => "PrometheusProto",
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
        }
    }

    /// Its media type with parameters, but without escaping.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
            Self::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            Self::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            Self::PrometheusText0_0_4 => "text/plain;version=0.0.4",
        }
    }

    /// How to parse it.
    pub const fn format(self) -> Format {
        match self {
            Self::PrometheusProto => Format::Protobuf,
            Self::OpenMetricsText1_0_0 | Self::OpenMetricsText0_0_1 => Format::OpenMetrics,
            Self::PrometheusText1_0_0 | Self::PrometheusText0_0_4 => Format::Text,
        }
    }

    /// Whether its media type says how names outside `[a-zA-Z0-9_:]` are written.
    const fn has_escaping(self) -> bool {
        matches!(self, Self::OpenMetricsText1_0_0 | Self::PrometheusText1_0_0)
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;
    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How names outside `[a-zA-Z_:][a-zA-Z0-9_:]*` are written (`metric_name_escaping_scheme`, spec S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// Quoted, as they are.
    #[default]
    AllowUtf8,
    /// Each other character becomes `_`.
    Underscores,
    /// `.` becomes `_dot_`, `_` and each other character become `__`.
    Dots,
    /// `U__`, then `_` as `__` and each other character as `_<hex>_`.
    Values,
}

impl Escaping {
    /// As headers and configuration name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// By name; `None` for an unknown one.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|e| e.as_str() == text)
    }

    /// A name in this scheme (prometheus/common `EscapeName`).
    pub fn escape(self, name: &str) -> String {
        let legal = |i: usize, c: char| {
            c == '_' || c == ':' || c.is_ascii_alphabetic() || (c.is_ascii_digit() && i > 0)
        };
        let is_legacy = name.chars().enumerate().all(|(i, c)| legal(i, c));
        if name.is_empty() || self == Self::AllowUtf8 || (is_legacy && self != Self::Dots) {
            return name.to_owned();
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (i, c) in name.chars().enumerate() {
            match (self, c) {
                (Self::Dots, '.') => out.push_str("_dot_"),
                (Self::Dots | Self::Values, '_') => out.push_str("__"),
                _ if legal(i, c) => out.push(c),
                (Self::Dots, _) => out.push_str("__"),
                (Self::Values, _) => {
                    let _ = write!(out, "_{:x}_", c as u32);
                }
                _ => out.push('_'),
            }
        }
        out
    }
}

/// The `Accept` header for these protocols in this order: q-values fall by position, anything else comes last.
pub fn accept_header(protocols: &[Protocol], escaping: Escaping) -> String {
    let mut out = String::new();
    let mut weight = Protocol::ALL.len() + 1;
    for protocol in protocols.iter().take(Protocol::ALL.len()) {
        out.push_str(protocol.media_type());
        if protocol.has_escaping() {
            let _ = write!(out, ";escaping={}", escaping.as_str());
        }
        let _ = write!(out, ";q=0.{weight},");
        weight -= 1;
    }
    let _ = write!(out, "*/*;q=0.{weight}");
    out
}

/// How to parse a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text.
    Text,
    /// OpenMetrics text.
    OpenMetrics,
    /// Delimited protobuf.
    Protobuf,
}

/// A `Content-Type` that says no format; without `fallback_scrape_protocol` the scrape fails (spec S3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentTypeError {
    /// No header, or an empty one.
    #[error("the target sent no Content-Type, and no `fallback_scrape_protocol` is set")]
    Missing,
    /// Something that is no exposition format.
    #[error("the target sent the unsupported Content-Type `{0}`, and no `fallback_scrape_protocol` is set")]
    Unsupported(String),
    /// Protobuf that is not length-delimited binary.
    #[error("the target sent protobuf as `{0}`, only delimited MetricFamily messages can be read")]
    ProtobufEncoding(String),
    /// A format that wasn't asked for.
    #[error(
        "the target sent `{0}`, which was not asked for: neither `scrape_protocols` nor `fallback_scrape_protocol` has it"
    )]
    NotOffered(String),
}

/// A header may be long, and is shown to people.
const HEADER_MAX: usize = 120;

/// Whether a format was asked for by [`accept_header`]. Text is what its `*/*` is for: any exporter speaks it. The
/// others need care of both sides, so nobody gets to choose them for us.
///
/// # Errors
/// When it wasn't, and is not that of the fallback either.
pub fn check_offered(
    format: Format,
    content_type: Option<&str>,
    offered: &[Protocol],
    fallback: Option<Protocol>,
) -> Result<(), ContentTypeError> {
    let mut wanted = offered.iter().copied().chain(fallback);
    if format == Format::Text || wanted.any(|protocol| protocol.format() == format) {
        return Ok(());
    }
    Err(ContentTypeError::NotOffered(shown(content_type.unwrap_or_default())))
}

fn shown(header: &str) -> String {
    header.chars().take(HEADER_MAX).collect()
}

/// The format of an answer by its `Content-Type`, else by the fallback (spec S3).
///
/// # Errors
/// When the header names no known format and there is no fallback.
pub fn format_of(content_type: Option<&str>, fallback: Option<Protocol>) -> Result<Format, ContentTypeError> {
    let header = content_type.map(str::trim).unwrap_or_default();
    let mut parts = header.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    match media.as_str() {
        "text/plain" => Ok(Format::Text),
        "application/openmetrics-text" => Ok(Format::OpenMetrics),
        "application/vnd.google.protobuf" => {
            let encoding =
                parts.find_map(|p| p.to_ascii_lowercase().strip_prefix("encoding=").map(str::to_owned));
            match encoding.as_deref().map(|e| e.trim_matches('"')) {
                None | Some("delimited") => Ok(Format::Protobuf),
                Some(other) => Err(ContentTypeError::ProtobufEncoding(shown(other))),
            }
        }
        _ => match fallback {
            Some(protocol) => Ok(protocol.format()),
            None if header.is_empty() => Err(ContentTypeError::Missing),
            None => Err(ContentTypeError::Unsupported(shown(header))),
        },
    }
}
