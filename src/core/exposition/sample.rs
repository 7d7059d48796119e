//! The parser's face: one entry after the other, whatever the format.

use std::borrow::Cow;

use super::{
    Error, Format, MetricType, Pair,
    error::Wrong,
    openmetrics::OpenMetrics,
    protobuf::Protobuf,
    series::{self, Grammar},
    text::Text,
};
use crate::model::{Labels, Timestamp};

/// One thing that a body says.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A sample.
    Sample(RawSample<'a>),
    /// What a family is.
    Type {
        /// The family.
        family: Cow<'a, str>,
        /// Its type.
        kind: MetricType,
    },
    /// What a family is about.
    Help {
        /// The family.
        family: Cow<'a, str>,
        /// The text, unescaped.
        text: Cow<'a, str>,
    },
    /// What a family is measured in.
    Unit {
        /// The family.
        family: Cow<'a, str>,
        /// The unit.
        unit: Cow<'a, str>,
    },
}

/// A sample whose labels are not parsed yet.
#[derive(Debug, Clone)]
pub struct RawSample<'a> {
    /// The bytes of `name{labels}` as sent: equal bytes under the same format are the same series. Of protobuf they
    /// are written here, in text form.
    pub series: &'a [u8],
    /// The value; NaN is never the stale marker.
    pub value: f64,
    /// When it was taken, if the target says so.
    pub timestamp: Option<Timestamp>,
    /// An example of what was counted.
    pub exemplar: Option<RawExemplar<'a>>,
    pub(super) kind: MetricType,
    pub(super) origin: Origin<'a>,
}

/// Where a sample stands, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    Text { body: &'a [u8], at: usize, grammar: Grammar },
    Protobuf { family: usize, name: &'a str },
}

impl<'a> RawSample<'a> {
    /// Parses the labels: sorted by name, `__name__` among them. One that is exposed with an empty value is here with
    /// it: it means "no such label", but a target's label of that name gives way to it (`honor_labels`, spec S11).
    ///
    /// # Errors
    /// When the series is malformed: the whole scrape fails (spec S9).
    pub fn pairs(&self) -> Result<Vec<Pair<'a>>, Error> {
        let grammar = match self.origin {
            Origin::Text { grammar, .. } => grammar,
            Origin::Protobuf { .. } => Grammar::Text,
        };
        series::parse(self.series, grammar, self.kind).map_err(|wrong| self.error(wrong))
    }

    /// As [`RawSample::pairs`], as a label set: without the empty ones.
    ///
    /// # Errors
    /// As [`RawSample::pairs`].
    pub fn labels(&self) -> Result<Labels, Error> {
        self.pairs().map(|pairs| to_labels(&pairs))
    }

    /// The error for this sample as a whole: `message` and where it stands.
    pub fn reject(&self, message: impl Into<String>) -> Error {
        self.error(Wrong::new(0, message))
    }

    fn error(&self, wrong: Wrong) -> Error {
        match self.origin {
            Origin::Text { body, at, .. } => Wrong::new(at + wrong.at, wrong.message).locate(body),
            Origin::Protobuf { family, name } => Error::protobuf(family, name, wrong.message),
        }
    }
}

/// An exemplar; its labels were checked, but not parsed.
#[derive(Debug, Clone, Copy)]
pub struct RawExemplar<'a> {
    /// `{labels}`.
    pub(super) labels: &'a [u8],
    /// What was observed.
    pub value: f64,
    /// When.
    pub timestamp: Option<Timestamp>,
}

impl RawExemplar<'_> {
    /// Its labels.
    pub fn labels(&self) -> Labels {
        // Checked before, so it can't fail.
        series::parse_exemplar(self.labels).map(|pairs| to_labels(&pairs)).unwrap_or_default()
    }
}

fn to_labels(pairs: &[Pair<'_>]) -> Labels {
    let present = pairs.iter().filter(|(_, value)| !value.is_empty());
    Labels::from_sorted(present.map(|(n, v)| (n.as_ref(), v.as_ref())))
}

/// Reads one body.
#[derive(Debug)]
pub struct Parser<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Text(Text<'a>),
    OpenMetrics(OpenMetrics<'a>),
    Protobuf(Box<Protobuf<'a>>),
}

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    pub fn new(body: &'a [u8], format: Format) -> Self {
        Self(match format {
            Format::Text => Kind::Text(Text::new(body)),
            Format::OpenMetrics => Kind::OpenMetrics(OpenMetrics::new(body)),
            Format::Protobuf => Kind::Protobuf(Box::new(Protobuf::new(body))),
        })
    }

    /// The next entry; `None` at the end. After an error there is nothing more to read.
    ///
    /// # Errors
    /// When the body is malformed.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, Error> {
        match &mut self.0 {
            Kind::Text(text) => text.next_entry().map_err(|wrong| wrong.locate(text.body())),
            Kind::OpenMetrics(text) => text.next_entry().map_err(|wrong| wrong.locate(text.body())),
            Kind::Protobuf(families) => families.next_entry(),
        }
    }

    /// Native histograms of which only the classic part was given out so far; protobuf only.
    pub fn native_histograms_skipped(&self) -> usize {
        match &self.0 {
            Kind::Protobuf(families) => families.native_skipped(),
            _ => 0,
        }
    }
}
