//! Matchers as text.

use crate::model::{Matcher, go_quote};

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
