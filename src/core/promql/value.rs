//! Results.

use crate::model::{Labels, Sources, Timestamp};

/// The value of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// A text (bytes, as in Go).
    String(Vec<u8>),
    /// Series with one value each.
    Vector(Vec<Element>),
    /// Series with many.
    Matrix(Vec<RangeSeries>),
}

/// What a sample holds. Native histograms join as a second kind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SampleValue {
    /// A number.
    Float(f64),
}

/// One element of a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: SampleValue,
    /// When: the evaluation time in results.
    pub t: Timestamp,
    /// What it was made from.
    pub sources: Sources,
}

/// One series of a matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// Its labels.
    pub labels: Labels,
    /// Times in milliseconds, ascending.
    pub t: Vec<i64>,
    /// Values, one for each time.
    pub v: Vec<SampleValue>,
    /// What it was made from.
    pub sources: Sources,
}
