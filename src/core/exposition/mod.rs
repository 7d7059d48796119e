//! What targets expose, read and written: text 0.0.4 and 1.0.0 (quoted names), OpenMetrics 1.0.0 and 0.0.1, and
//! delimited protobuf (spec S1–S9).
//!
//! Reading is made for a scrape cache. [`Parser`] splits each sample line into the raw bytes of `name{labels}` (the
//! cache's key), value, timestamp and exemplar; labels are parsed only when [`RawSample::pairs`] is called, which a
//! scrape does for keys that it hasn't seen. Whoever keeps nothing of a series must still call it once: bytes that
//! were never parsed were never checked. The first error ends the parse and names line and column.
//!
//! What a sample means (target labels, limits, staleness) is decided in `collect`.

mod error;
mod float;
mod format;
mod messages;
mod openmetrics;
mod protobuf;
mod sample;
mod series;
mod text;
mod write;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use float::{format_float, format_openmetrics_float};
pub use format::{
    ContentTypeError, DEFAULT_PROTOCOLS, Escaping, Format, Protocol, UnknownProtocol, accept_header,
    check_offered, format_of,
};
pub use sample::{Entry, Parser, RawExemplar, RawSample};
pub use series::{MetricType, Pair};
pub use write::{Dialect, Family, FamilySample, negotiate, write};
