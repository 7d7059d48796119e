//! Literals as Go writes them.

use super::ast::Operand;

/// A number or character constant; `None` when it is none.
pub(super) fn number(text: &str) -> Option<Operand> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'0'..=b'9' | b'_', ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let prefixed = radix != 10;
    if let Some(plain) = without_underscores(digits, prefixed)
        && let Ok(n) = i128::from_str_radix(&plain, radix)
        && !plain.starts_with(['+', '-'])
    {
        return i64::try_from(if negative { -n } else { n }).ok().map(Operand::Int);
    }
    if lower.starts_with("0x") {
        let v = hex_float(&without_underscores(digits, true)?)?;
        return Some(Operand::Float(if negative { -v } else { v }));
    }
    let plain = without_underscores(&lower, false)?;
    // A whole number that is too large for an integer is an error, not a float.
    if !plain.contains(['.', 'e']) {
        return None;
    }
    if !plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-')) {
        return None;
    }
    let v: f64 = plain.parse().ok().filter(|v: &f64| v.is_finite())?;
    Some(Operand::Float(if negative { -v } else { v }))
}

/// Underscores may stand between digits, or after a base's prefix.
fn without_underscores(digits: &str, after_prefix: bool) -> Option<String> {
    let bytes = digits.as_bytes();
    for (i, _) in bytes.iter().enumerate().filter(|(_, b)| **b == b'_') {
        let before = if i == 0 { after_prefix } else { bytes[i - 1].is_ascii_hexdigit() };
        if !before || !bytes.get(i + 1).is_some_and(u8::is_ascii_hexdigit) {
            return None;
        }
    }
    Some(digits.replace('_', ""))
}

fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 15 {
        return None;
    }
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() < 2000)?;
    let value = digits as f64 * 2f64.powi(exponent - 4 * fraction.len() as i32);
    value.is_finite().then_some(value)
}

/// A character constant with its quotes.
pub(super) fn character(text: &str) -> Option<Operand> {
    let body = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut out = Vec::new();
    let mut rest = body;
    let c = unescape(&mut rest, '\'', &mut out)?;
    rest.is_empty().then_some(Operand::Int(i64::from(c)))
}

/// A double-quoted text with its quotes.
pub(super) fn string(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        unescape(&mut rest, '"', &mut out)?;
    }
    Some(match String::from_utf8(out) {
        Ok(s) => s,
        // `\xff` and the like make bytes that are no text.
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    })
}

/// Takes one character or escape; gives its number and appends its bytes.
fn unescape(rest: &mut &str, quote: char, out: &mut Vec<u8>) -> Option<u32> {
    let mut chars = rest.chars();
    let c = chars.next()?;
    let push = |c: char, out: &mut Vec<u8>| {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Some(u32::from(c))
    };
    if c != '\\' {
        *rest = chars.as_str();
        return if c == quote || c == '\n' { None } else { push(c, out) };
    }
    let c = chars.next()?;
    *rest = chars.as_str();
    let (count, radix) = match c {
        'a' => return push('\u{7}', out),
        'b' => return push('\u{8}', out),
        'f' => return push('\u{c}', out),
        'n' => return push('\n', out),
        'r' => return push('\r', out),
        't' => return push('\t', out),
        'v' => return push('\u{b}', out),
        '\\' => return push('\\', out),
        c if c == quote => return push(c, out),
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (3, 8),
        _ => return None,
    };
    let digits = if radix == 8 { format!("{c}{}", rest.get(..2)?) } else { rest.get(..count)?.to_owned() };
    *rest = &rest[digits.len() - usize::from(radix == 8)..];
    if digits.starts_with('+') {
        return None;
    }
    let n = u32::from_str_radix(&digits, radix).ok()?;
    if c == 'u' || c == 'U' {
        return push(char::from_u32(n)?, out);
    }
    out.push(u8::try_from(n).ok()?);
    Some(n)
}
