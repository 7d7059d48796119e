//! Numbers as Go reads and prints them.

use std::fmt::Write as _;

/// Prometheus' ordinary NaN (`model/value`): whatever NaN a target sends must not pass for the stale marker.
pub(super) const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Parses a number at the start of `bytes`: what Go's `ParseFloat` takes without hexadecimal and `_` (spec S5).
/// Gives the value and the bytes used; `None` for no number, and for one outside the range of `f64`.
pub(super) fn parse_prefix(bytes: &[u8]) -> Option<(f64, usize)> {
    // Counters are short runs of digits; these need no float machinery.
    let digits = bytes.iter().take(17).take_while(|b| b.is_ascii_digit()).count();
    if (1..=16).contains(&digits) && !matches!(bytes.get(digits), Some(b'.' | b'e' | b'E' | b'0'..=b'9')) {
        let whole = bytes[..digits].iter().fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        // Up to 2^53 + a little: `as` rounds to nearest even like a parser would.
        return Some((whole as f64, digits));
    }
    let (value, used) = fast_float2::parse_partial::<f64, _>(bytes).ok()?;
    if value.is_finite() {
        return Some((value, used));
    }
    let spelled = bytes[..used].iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'+' | b'-'));
    let signed = matches!(bytes.first(), Some(b'+' | b'-'));
    match (spelled, value.is_nan()) {
        (true, true) if !signed => Some((NAN, used)),
        (true, false) => Some((value, used)),
        _ => None,
    }
}

/// Parses a whole text as a number.
pub(super) fn parse(bytes: &[u8]) -> Option<f64> {
    parse_prefix(bytes).filter(|(_, used)| *used == bytes.len()).map(|(v, _)| v)
}

/// Shortest text that reads back the same, as Go's `FormatFloat(v, 'g', -1, 64)`: `1e+06`, `0.25`, `+Inf`, `NaN`.
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Go decides with a precision of 6 when it prints the shortest form.
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let mut text = mantissa.to_owned();
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(text, "e{sign}{:02}", exponent.unsigned_abs());
    text
}

/// As [`format_float`], but whole numbers have a fraction: `1.0`. OpenMetrics' form of `le` and `quantile` (spec S8).
pub fn format_openmetrics_float(value: f64) -> String {
    let mut text = format_float(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}
