//! Texts in quotes, as Go's `strconv.Quote` writes them. Group keys contain them, and receivers derive their
//! deduplication keys from those (spec alertmanager D-3), so they must not differ by a byte.

use std::fmt::Write as _;

/// A text in double quotes.
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|c| push_quoted(c, '"', &mut out));
    out.push('"');
    out
}

/// Appends a character as it stands between two of the given quotes.
pub fn push_quoted(c: char, quote: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == quote => out.extend(['\\', c]),
        ' '..='~' => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if is_printable(c) => out.push(c),
        // Writing to a string can't fail.
        c => drop(match u32::from(c) {
            n @ (0..0x20 | 0x7f) => write!(out, "\\x{n:02x}"),
            n @ ..0x1_0000 => write!(out, "\\u{n:04x}"),
            n => write!(out, "\\U{n:08x}"),
        }),
    }
}

/// Letters, marks, numbers, punctuation and symbols, as Go's `strconv.IsPrint`. The standard library's escaping
/// knows the same tables; behind another character it leaves combining marks alone, as Go does.
pub fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().eq(pair.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        for (text, quoted) in [
            ("plain 'x'", r#""plain 'x'""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\x07\x08\x0c\n\r\t\x0b\0\x7f", r#""\a\b\f\n\r\t\v\x00\x7f""#),
            ("Σ🙂e\u{301}", "\"Σ🙂e\u{301}\""),
            ("\u{a0}\u{200b}\u{e000}\u{10ffff}\u{85}", r#""\u00a0\u200b\ue000\U0010ffff\u0085""#),
        ] {
            assert_eq!(go_quote(text), quoted);
        }
        let mut out = String::new();
        "'\"".chars().for_each(|c| push_quoted(c, '\'', &mut out));
        assert_eq!(out, r#"\'""#);
    }
}
