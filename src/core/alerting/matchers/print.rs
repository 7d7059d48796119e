//! Matchers as text, and Go's quoting.

use crate::model::Matcher;

use super::utf8::is_reserved;

/// One matcher: `name="value"` with `\`, `"` and newline escaped; when the name has reserved characters both sides
/// are quoted as Go does.
pub fn print_one(matcher: &Matcher) -> String {
    let (name, op) = (&*matcher.name, matcher.op.as_str());
    if name.is_empty() || name.contains(is_reserved) {
        return format!("{}{op}{}", go_quote(name), go_quote(&matcher.value));
    }
    let mut out = format!("{name}{op}\"");
    for c in matcher.value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of matchers: `{a="b",c=~"d"}`, in the order given.
pub fn print_list(matchers: &[Matcher]) -> String {
    let all: Vec<String> = matchers.iter().map(print_one).collect();
    format!("{{{}}}", all.join(","))
}

/// A text in double quotes as Go's `strconv.Quote` writes it. Group keys contain it, and receivers derive their
/// deduplication keys from those (spec D-3), so it must not differ by a byte.
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            c if c < ' ' || c == '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Letters, marks, numbers, punctuation and symbols, as Go's `strconv.IsPrint`. The standard library's escaping
/// knows the same tables; behind another character it leaves combining marks alone, as Go does.
fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().eq(pair.chars())
}
