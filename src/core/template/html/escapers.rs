//! What makes a value harmless, for each context.

use std::fmt::Write as _;

use super::super::{printf, quote, value::Value};

/// What Go puts in the place of a value that can't be made harmless.
const FAILSAFE: &str = "ZgotmplZ";

/// One step of escaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Escaper {
    /// Between tags.
    Html,
    /// In a quoted attribute.
    Attr,
    /// In an attribute without quotes.
    HtmlNoSpace,
    /// In `textarea` and `title`.
    Rcdata,
    /// Lets only addresses pass whose scheme is harmless.
    UrlFilter,
    /// Percent-encodes what can't stand in an address.
    UrlNormalize,
    /// Percent-encodes all that means something in an address.
    UrlEscape,
    /// Lets only simple CSS values pass.
    CssValue,
    /// In comments: nothing is written.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    None,
    Html,
    Url,
}

/// A value as escaped text.
pub(in super::super) fn escape(escapers: &[Escaper], value: &Value<'_>) -> String {
    let mut trust = match value {
        Value::Html(_) => Trust::Html,
        Value::Url(_) => Trust::Url,
        _ => Trust::None,
    };
    let mut text = match value {
        Value::Nil => String::new(),
        _ => printf::sprint(std::slice::from_ref(value)),
    };
    for escaper in escapers {
        text = apply(*escaper, text, trust);
        // A safe address stays one through the filter; nothing else survives a step.
        if *escaper != Escaper::UrlFilter {
            trust = Trust::None;
        }
    }
    text
}

fn apply(escaper: Escaper, text: String, trust: Trust) -> String {
    match escaper {
        Escaper::Nothing => String::new(),
        Escaper::Html if trust == Trust::Html => text,
        Escaper::Html => html(&text),
        Escaper::Rcdata if trust == Trust::Html => normalized(&text),
        Escaper::Rcdata => html(&text),
        Escaper::Attr if trust == Trust::Html => normalized(&without_tags(&text)),
        Escaper::Attr => html(&text),
        Escaper::HtmlNoSpace if text.is_empty() => FAILSAFE.to_owned(),
        Escaper::HtmlNoSpace if trust == Trust::Html => no_space(&without_tags(&text), false),
        Escaper::HtmlNoSpace => no_space(&text, true),
        Escaper::UrlFilter if trust == Trust::Url || is_safe_url(&text) => text,
        Escaper::UrlFilter => format!("#{FAILSAFE}"),
        Escaper::UrlNormalize => url(&text, true),
        Escaper::UrlEscape => url(&text, trust == Trust::Url),
        Escaper::CssValue if is_safe_css(&text) => text,
        Escaper::CssValue => FAILSAFE.to_owned(),
    }
}

fn entity(c: char) -> Option<&'static str> {
    Some(match c {
        '"' => "&#34;",
        '&' => "&amp;",
        '\'' => "&#39;",
        '+' => "&#43;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\0' => "\u{fffd}",
        _ => return None,
    })
}

fn html(text: &str) -> String {
    quote::replaced(text, entity)
}

/// HTML that is trusted: entities in it stay.
fn normalized(text: &str) -> String {
    quote::replaced(text, |c| if c == '&' { None } else { entity(c) })
}

fn no_space(text: &str, ampersand: bool) -> String {
    quote::replaced(text, |c| {
        Some(match c {
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\x0b' => "&#11;",
            '\x0c' => "&#12;",
            '\r' => "&#13;",
            ' ' => "&#32;",
            '=' => "&#61;",
            '`' => "&#96;",
            '&' if !ampersand => return None,
            c => return entity(c),
        })
    })
}

/// Trusted HTML without its tags, for an attribute.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(i) = rest.find('<') {
        out.push_str(&rest[..i]);
        let Some(end) = rest[i..].find('>') else { return out };
        rest = &rest[i + end + 1..];
    }
    out + rest
}

/// No scheme, or one that can't run anything.
fn is_safe_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s))
        }
        _ => true,
    }
}

fn url(text: &str, keep_reserved: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (i, &b) in bytes.iter().enumerate() {
        let keep = match b {
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@'
            | b'[' | b']' => keep_reserved,
            // An escape is kept as it is.
            b'%' => {
                keep_reserved
                    && bytes.get(i + 1..i + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            }
            b => b.is_ascii_alphanumeric(),
        };
        if keep {
            out.push(b as char);
        } else {
            let _ = write!(out, "%{b:02x}");
        }
    }
    out
}

/// A colour, a size, a word: nothing that could end the declaration, open a string or call a function.
fn is_safe_css(text: &str) -> bool {
    let word: String =
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    !text.contains(|c: char| c.is_control() || "\"'()/;@[\\]`{}<>".contains(c))
        && !text.contains("--")
        && !word.contains("expression")
        && !word.contains("mozbinding")
}
