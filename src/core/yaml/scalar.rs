//! What a plain scalar can mean when a type is asked for, as go-yaml v2 reads it.

use crate::model::Duration;

/// `true`/`yes`/`on`/`y` and their opposites, in lower, upper or title case (YAML 1.1).
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number: decimal with `_` between digits, `0x…`, `0o…`, `0b…`, octal with a leading `0`.
pub fn parse_int(text: &str) -> Option<i64> {
    let text = text.replace('_', "");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// A number: whole, decimal, with exponent, `.inf`, `.nan`.
pub fn parse_float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.bytes().any(|b| b.is_ascii_digit())
        || !text.bytes().all(|b| b.is_ascii_hexdigit() || b"+-._xobXOB".contains(&b))
    {
        return None;
    }
    let number = text.replace('_', "").parse::<f64>().ok();
    number.or_else(|| parse_int(text).map(|i| i as f64))
}

/// Go's `time.ParseDuration` (`500ms`, `1.5h`, `-1h30m`, `0`), cut to milliseconds; a bare whole number other than
/// zero has no unit and is refused, where go-yaml would take nanoseconds (spec C-4).
pub fn parse_go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-6),
        ("us", 1e-3),
        ("µs", 1e-3),
        ("μs", 1e-3),
        ("ms", 1.0),
        ("s", 1000.0),
        ("m", 60_000.0),
        ("h", 3_600_000.0),
    ];
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let unit_len =
            rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len() - digits);
        let unit = &rest[digits..digits + unit_len];
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let number: f64 = rest[..digits].parse().ok()?;
        total += number * size;
        rest = &rest[digits + unit_len..];
    }
    let limit = (i64::MAX / 1_000_000) as f64;
    (total <= limit).then(|| Duration::from_millis((sign * total) as i64))
}
