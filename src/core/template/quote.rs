//! Quoting and escaping of texts as Go does it.

use std::fmt::Write as _;

use crate::model::{is_printable, push_quoted};

/// Go's `strconv.Quote`.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    text.chars().for_each(|c| push_quoted(c, quote, &mut out));
    out.push(quote);
    out
}

/// Text for HTML, as the function `html` escapes it; for attributes in quotes, too.
pub fn html(text: &str) -> String {
    replaced(text, |c| match c {
        '"' => Some("&#34;"),
        '\'' => Some("&#39;"),
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\0' => Some("\u{fffd}"),
        _ => None,
    })
}

/// A text with some characters replaced.
pub(super) fn replaced(text: &str, by: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match by(c) {
            Some(s) => out.push_str(s),
            None => out.push(c),
        }
    }
    out
}

/// Text for a JavaScript string, as the function `js` escapes it.
pub(super) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c if is_printable(c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

/// `url.QueryEscape`
pub(super) fn query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(b as char),
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

/// `url.QueryUnescape`
pub(super) fn unquery(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'+' => out.push(b' '),
            b'%' => {
                let hex = bytes.get(i + 1..i + 3).filter(|h| h.iter().all(u8::is_ascii_hexdigit));
                let Some(hex) = hex.and_then(|h| std::str::from_utf8(h).ok()) else {
                    let shown = String::from_utf8_lossy(&bytes[i..(i + 3).min(bytes.len())]);
                    return Err(format!("invalid URL escape {shown:?}"));
                };
                out.push(u8::from_str_radix(hex, 16).unwrap_or_default());
                i += 2;
            }
            b => out.push(b),
        }
        i += 1;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 in the URL alphabet, padded.
pub(super) fn base64_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len().div_ceil(3) * 4);
    for chunk in text.as_bytes().chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            out.push(if i <= chunk.len() {
                ALPHABET[(n >> (18 - 6 * i)) as usize & 63] as char
            } else {
                '='
            });
        }
    }
    out
}

/// The reverse.
pub(super) fn base64_decode(text: &str) -> Result<String, String> {
    let wrong = |at: usize| format!("illegal base64 data at input byte {at}");
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let body = bytes.len() - bytes.iter().rev().take_while(|b| **b == b'=').count();
    if !bytes.len().is_multiple_of(4) || bytes.len() - body > 2 {
        return Err(wrong(bytes.len()));
    }
    let mut out = Vec::with_capacity(body);
    let (mut bits, mut have) = (0u32, 0);
    for (i, b) in bytes[..body].iter().enumerate() {
        let n = ALPHABET.iter().position(|a| a == b).ok_or_else(|| wrong(i))?;
        bits = bits << 6 | n as u32;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
