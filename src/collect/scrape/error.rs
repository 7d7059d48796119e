//! Why a scrape failed.

use botwatch_core::{diag::chain, exposition};

use crate::net;

/// Why nothing of a scrape is kept. The texts are shown to people, on the targets page and in the log.
#[derive(Debug, thiserror::Error)]
pub(in crate::collect) enum Error {
    /// No answer, or none that can be read.
    #[error("{}", chain(.0))]
    Fetch(net::Error),
    /// Only 200 is success (spec S1).
    #[error("the target answered {status}, only 200 is a success")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// The HTTP client can't be made from the job's options.
    #[error("{0}")]
    Client(std::sync::Arc<str>),
    /// The answer says no format that can be read.
    #[error(transparent)]
    ContentType(#[from] exposition::ContentTypeError),
    /// The answer is no exposition.
    #[error(transparent)]
    Parse(#[from] exposition::Error),
    /// `body_size_limit`, or the bound that holds without it.
    #[error("the answer is longer than {max} bytes (`body_size_limit`)")]
    BodySize {
        /// What was allowed.
        max: usize,
    },
    /// `sample_limit`, or the bound that holds without it.
    #[error("{found} samples, and {max} are allowed (`sample_limit`)")]
    Samples {
        /// Samples after relabelling.
        found: usize,
        /// What was allowed.
        max: usize,
    },
    /// The bound of what is read, before relabelling.
    #[error("more than {max} samples, which is more than is read of one target")]
    TooMany {
        /// What is read.
        max: usize,
    },
    /// Everything stops, or the target is gone.
    #[error("the scrape was given up")]
    Stopped,
    /// A bug, told in the log.
    #[error("the answer couldn't be read for a bug in botwatch")]
    Panic,
    /// `label_limit`.
    #[error("a sample of `{metric}` has {found} labels, and {max} are allowed (`label_limit`)")]
    Labels {
        /// Metric.
        metric: String,
        /// Its labels.
        found: usize,
        /// What was allowed.
        max: usize,
    },
    /// `label_name_length_limit`.
    #[error(
        "a label name of `{metric}` has {found} bytes, and {max} are allowed (`label_name_length_limit`): `{label}`"
    )]
    LabelName {
        /// Metric.
        metric: String,
        /// The name, shortened.
        label: String,
        /// Its length.
        found: usize,
        /// What was allowed.
        max: usize,
    },
    /// `label_value_length_limit`.
    #[error(
        "label `{label}` of `{metric}` has {found} bytes, and {max} are allowed (`label_value_length_limit`)"
    )]
    LabelValue {
        /// Metric.
        metric: String,
        /// The label's name, shortened.
        label: String,
        /// The value's length.
        found: usize,
        /// What was allowed.
        max: usize,
    },
    /// Relabelling took the metric's name away.
    #[error("a sample has no metric name after relabelling")]
    NoName,
    /// `target_limit`.
    #[error("the job has {found} targets, and {max} are allowed (`target_limit`)")]
    Targets {
        /// Targets found.
        found: usize,
        /// What was allowed.
        max: usize,
    },
}
