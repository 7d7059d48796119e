//! Durations as Prometheus and Alertmanager write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in milliseconds; may be negative as the difference of two timestamps, but never when parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty duration")]
    Empty,
    /// Not `1h30m`-like: units `y w d h m s ms`, each once, big to small, whole numbers.
    #[error("not a valid duration: `{0}`")]
    Invalid(String),
    /// Over about 292 years.
    #[error("duration out of range: `{0}`")]
    OutOfRange(String),
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Go's `time.Duration` holds nanoseconds in an `i64`.
const LIMIT_MS: i64 = i64::MAX / 1_000_000;

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// From seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1000)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// In seconds with fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As the standard library's duration; negative becomes zero.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(if self.0 < 0 { 0 } else { self.0 as u64 })
    }

    /// Times a whole number; saturates.
    pub const fn saturating_mul(self, by: i64) -> Self {
        Self(self.0.saturating_mul(by))
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    /// Units `y w d h m s ms`, big to small, each at most once, whole numbers, no sign, no blanks; a bare `0` is
    /// allowed (prometheus/common `model.ParseDuration`; spec R18, C-4).
    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let invalid = || DurationError::Invalid(text.to_owned());
        let range = || DurationError::OutOfRange(text.to_owned());
        let mut rest = text;
        let mut next_unit = 0;
        let mut total: i64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = &rest[digits..digits + letters];
            let index = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(invalid)?;
            if digits == 0 || index < next_unit {
                return Err(invalid());
            }
            next_unit = index + 1;
            let n: i64 = rest[..digits].parse().map_err(|_| range())?;
            total = n
                .checked_mul(UNITS[index].1)
                .and_then(|ms| total.checked_add(ms))
                .filter(|ms| *ms <= LIMIT_MS)
                .ok_or_else(range)?;
            rest = &rest[digits + letters..];
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Duration {
    /// As prometheus/common prints it: `1h30m`, weeks and years only when the rest is zero, `0s` for zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut ms = self.0.unsigned_abs() as i64;
        for (i, (unit, size)) in UNITS.iter().enumerate() {
            let exact_only = i < 2;
            if (exact_only && ms % size != 0) || ms < *size {
                continue;
            }
            write!(f, "{}{unit}", ms / size)?;
            ms %= size;
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        i64::deserialize(d).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_as_prometheus() {
        for (text, ms, printed) in [
            ("0", 0, "0s"),
            ("0w", 0, "0s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("324ms", 324, "324ms"),
            ("14d", 1_209_600_000, "2w"),
            ("10w", 6_048_000_000, "10w"),
            ("8w1d", 4_924_800_000, "57d"),
            ("4d1h", 349_200_000, "4d1h"),
            ("10y", 315_360_000_000, "10y"),
        ] {
            let d: Duration = text.parse().expect(text);
            assert_eq!((d.as_millis(), d.to_string().as_str()), (ms, printed), "{text}");
        }
        for bad in [
            "",
            "1",
            "1y1m1d",
            "-1w",
            "1.5d",
            "d",
            "294y",
            "200y10400w",
            "107675d",
            "2584200h",
            "5m5m",
            "5 m",
        ] {
            assert!(bad.parse::<Duration>().is_err(), "{bad}");
        }
    }
}
