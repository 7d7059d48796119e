//! Go string literals: bytes in, text out, and back.

use crate::model::push_quoted;

/// The bytes of a literal's inside; `Err` is the offset of a bad escape in it.
pub(super) fn unquote(inside: &str, quote: char) -> Result<Vec<u8>, usize> {
    if quote == '`' {
        return Ok(inside.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inside.len());
    let bytes = inside.as_bytes();
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        if b != b'\\' {
            out.push(b);
            i += 1;
            continue;
        }
        i += escape(bytes, i, quote, &mut out).ok_or(i)?;
    }
    Ok(out)
}

/// Decodes the escape at `i`; how long it is.
fn escape(bytes: &[u8], i: usize, quote: char, out: &mut Vec<u8>) -> Option<usize> {
    let kind = *bytes.get(i + 1)?;
    let simple = match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'\'' | b'"' if char::from(kind) == quote => kind,
        b'x' => {
            return number(bytes, i + 2, 2, 16).map(|n| {
                out.push(n as u8);
                4
            });
        }
        b'0'..=b'7' => {
            return number(bytes, i + 1, 3, 8).filter(|n| *n < 256).map(|n| {
                out.push(n as u8);
                4
            });
        }
        b'u' | b'U' => {
            let digits = if kind == b'u' { 4 } else { 8 };
            let c = char::from_u32(number(bytes, i + 2, digits, 16)?)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(2 + digits);
        }
        _ => return None,
    };
    out.push(simple);
    Some(2)
}

fn number(bytes: &[u8], at: usize, digits: usize, radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(bytes.get(at..at + digits)?).ok()?;
    if text.bytes().all(|b| char::from(b).is_digit(radix)) {
        u32::from_str_radix(text, radix).ok()
    } else {
        None
    }
}

/// A literal in double quotes, as Go's `strconv.Quote` writes it.
pub(in crate::promql) fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(e) => std::str::from_utf8(&rest[..e.valid_up_to()]).unwrap_or_default(),
        };
        for c in valid.chars() {
            push_quoted(c, '"', &mut out);
        }
        rest = &rest[valid.len()..];
        if let Some((b, more)) = rest.split_first() {
            out.push_str(&format!("\\x{b:02x}"));
            rest = more;
        }
    }
    out.push('"');
    out
}
