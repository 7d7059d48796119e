//! Thresholds as data (DESIGN §4 "Signals"): what the series `botwatch_threshold` says.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The series' name.
pub const THRESHOLD_METRIC: &str = "botwatch_threshold";
/// The name of the series of what a bot pushes, with a label `metric`.
pub const PUSHED_METRIC: &str = "bot_metric";

/// On which side of a threshold the trouble lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What is greater.
    #[default]
    Above,
    /// What is smaller.
    Below,
}

impl Direction {
    /// As the label has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }

    /// From the label's word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "above" => Some(Self::Above),
            "below" => Some(Self::Below),
            _ => None,
        }
    }

    /// Whether a value lies beyond a threshold.
    pub fn is_beyond(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One threshold of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The metric.
    pub metric: Arc<str>,
    /// The severity of the alert when it is crossed.
    pub severity: Arc<str>,
    /// Which side is trouble.
    #[serde(default)]
    pub direction: Direction,
    /// The threshold; finite.
    pub value: f64,
}
