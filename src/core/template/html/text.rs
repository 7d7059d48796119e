//! How a template's text moves the context.

use super::context::{AttrKind, Context, CssPart, Delim, Element, State, UrlPart};

/// Reads text from a context on: what to write for it (without comments, and with lone `<` escaped), and the
/// context after it.
pub(super) fn advance(mut at: Context, text: &str) -> Result<(String, Context), String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (next, used) = step(at, rest)?;
        let (taken, left) = rest.split_at(used);
        match (at.state, next.state) {
            (State::Comment, _) => {}
            (State::Text, State::Comment) => lone(&mut out, taken.strip_suffix("<!--").unwrap_or(taken)),
            (State::Text, State::Tag) => {
                let tag = taken.rfind('<').unwrap_or(0);
                lone(&mut out, &taken[..tag]);
                out.push_str(&taken[tag..]);
            }
            (State::Text, _) => lone(&mut out, taken),
            _ => out.push_str(taken),
        }
        // A step may change the state without taking text (an empty name, the start of a value); never twice the same.
        if used == 0 && next == at {
            return Err(format!("unexpected {:?} in a tag", rest.chars().next().unwrap_or(' ')));
        }
        (at, rest) = (next, left);
    }
    Ok((out, at))
}

/// Text between tags: a `<` that begins no tag is written as such; a doctype stays.
fn lone(out: &mut String, text: &str) {
    for (i, part) in text.split('<').enumerate() {
        if i > 0 {
            let doctype = part.get(..8).is_some_and(|p| p.eq_ignore_ascii_case("!doctype"));
            out.push_str(if doctype { "<" } else { "&lt;" });
        }
        out.push_str(part);
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r')
}

/// One transition: the context after it, and how many bytes it took.
fn step(at: Context, text: &str) -> Result<(Context, usize), String> {
    let all = text.len();
    let blanks = all - text.trim_start_matches(is_space).len();
    if at.delim != Delim::None {
        return value(at, text);
    }
    Ok(match at.state {
        State::Text => return Ok(between_tags(at, text)),
        State::Comment => match text.find("-->") {
            Some(i) => (Context::TEXT, i + 3),
            None => (at, all),
        },
        State::Rcdata | State::Css | State::CssInside(_) | State::Closed => match end_tag(at.element, text) {
            Some(i) => (Context { state: State::Tag, ..Context::TEXT }, i),
            None => (inside(at, text), all),
        },
        State::Tag if blanks > 0 => (at, blanks),
        State::Tag if text.starts_with('>') => (at.content(), 1),
        State::Tag => {
            let len = name_len(text)?;
            if len == 0 {
                let c = text.chars().next().unwrap_or(' ');
                return Err(format!("expected space, attr name, or end of tag, but got {c:?}"));
            }
            (Context { state: State::AttrName, attr: attr_kind(&text[..len]), ..at }, len)
        }
        State::AttrName => match name_len(text)? {
            0 => (Context { state: State::AfterName, ..at }, 0),
            // What was begun by other text can't be known by its name.
            len => (Context { attr: AttrKind::Closed, ..at }, len),
        },
        State::AfterName if blanks > 0 => (at, blanks),
        State::AfterName if text.starts_with('=') => (Context { state: State::BeforeValue, ..at }, 1),
        State::AfterName => (at.tag(), 0),
        State::BeforeValue if blanks > 0 => (at, blanks),
        State::BeforeValue => match text.as_bytes()[0] {
            b'"' => (at.value(Delim::Double), 1),
            b'\'' => (at.value(Delim::Single), 1),
            b'>' => (at.tag(), 0),
            _ => (at.value(Delim::Space), 0),
        },
        State::Dead | State::Attr | State::Url => (at, all),
    })
}

fn between_tags(at: Context, text: &str) -> (Context, usize) {
    for (i, _) in text.match_indices('<') {
        let rest = &text[i + 1..];
        if rest.starts_with("!--") {
            return (Context { state: State::Comment, ..Context::TEXT }, i + 4);
        }
        let (slash, name) = rest.strip_prefix('/').map_or((0, rest), |r| (1, r));
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let len =
            name.find(|c: char| !c.is_ascii_alphanumeric() && c != ':' && c != '-').unwrap_or(name.len());
        let element = match &*name[..len].to_ascii_lowercase() {
            _ if slash == 1 => Element::None,
            "script" => Element::Script,
            "style" => Element::Style,
            "textarea" => Element::Textarea,
            "title" => Element::Title,
            _ => Element::None,
        };
        return (Context { state: State::Tag, element, ..Context::TEXT }, i + 1 + slash + len);
    }
    (at, text.len())
}

/// Where the end tag of an element is, up to the end of its name.
fn end_tag(element: Element, text: &str) -> Option<usize> {
    let name = match element {
        Element::None => return None,
        Element::Script => "script",
        Element::Style => "style",
        Element::Textarea => "textarea",
        Element::Title => "title",
    };
    text.match_indices("</").find_map(|(i, _)| {
        let rest = &text[i + 2..];
        let found = rest.get(..name.len())?.eq_ignore_ascii_case(name)
            && rest[name.len()..].starts_with(|c| is_space(c) || c == '/' || c == '>');
        found.then_some(i + 2 + name.len())
    })
}

/// An attribute's name: up to a blank, `=` or `>`.
fn name_len(text: &str) -> Result<usize, String> {
    for (i, c) in text.char_indices() {
        match c {
            '=' | '>' => return Ok(i),
            c if is_space(c) => return Ok(i),
            '"' | '\'' | '<' => return Err(format!("{c:?} in attribute name")),
            _ => {}
        }
    }
    Ok(text.len())
}

/// Inside an attribute's value, up to its end.
fn value(at: Context, text: &str) -> Result<(Context, usize), String> {
    let end = match at.delim {
        Delim::Double => text.find('"'),
        Delim::Single => text.find('\''),
        Delim::Space | Delim::None => text.find(|c| is_space(c) || c == '>'),
    };
    let part = &text[..end.unwrap_or(text.len())];
    if at.delim == Delim::Space
        && let Some(c) = part.chars().find(|c| "\"'<=`".contains(*c))
    {
        return Err(format!("{c:?} in unquoted attr: {part:?}"));
    }
    Ok(match end {
        Some(i) => (at.tag(), i + usize::from(at.delim != Delim::Space)),
        None => (inside(at, part), text.len()),
    })
}

/// What text does inside a URL or CSS.
fn inside(at: Context, text: &str) -> Context {
    match at.state {
        State::Url if text.contains(['#', '?']) => Context { url: UrlPart::QueryOrFragment, ..at },
        State::Url if at.url == UrlPart::None && text.chars().any(|c| !is_space(c)) => {
            Context { url: UrlPart::PreQuery, ..at }
        }
        State::Css | State::CssInside(_) => Context { state: css(at.state, text), ..at },
        _ => at,
    }
}

fn css(mut state: State, text: &str) -> State {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut used = c.len_utf8();
        state = match state {
            State::CssInside(CssPart::Comment) if rest.starts_with("*/") => {
                used = 2;
                State::Css
            }
            State::CssInside(CssPart::Double | CssPart::Single) if c == '\\' => {
                used += rest[used..].chars().next().map_or(0, char::len_utf8);
                state
            }
            State::CssInside(CssPart::Double) if c == '"' => State::Css,
            State::CssInside(CssPart::Single) if c == '\'' => State::Css,
            State::CssInside(CssPart::Url) if c == ')' => State::Css,
            State::CssInside(_) => state,
            _ if c == '"' => State::CssInside(CssPart::Double),
            _ if c == '\'' => State::CssInside(CssPart::Single),
            _ if rest.starts_with("/*") => {
                used = 2;
                State::CssInside(CssPart::Comment)
            }
            _ if rest.get(..4).is_some_and(|r| r.eq_ignore_ascii_case("url(")) => {
                used = 4;
                State::CssInside(CssPart::Url)
            }
            _ => state,
        };
        rest = &rest[used..];
    }
    state
}

const URLS: [&str; 17] = [
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "profile",
    "src",
    "usemap",
    "xmlns",
];

/// What an attribute's value is, by its name. Unknown names that sound like an address count as one.
fn attr_kind(name: &str) -> AttrKind {
    let lower = name.to_ascii_lowercase();
    let plain = match lower.strip_prefix("data-") {
        Some(rest) => rest,
        None => match lower.split_once(':') {
            Some(("xmlns", _)) => return AttrKind::Url,
            Some((_, local)) => local,
            None => &lower,
        },
    };
    match plain {
        "style" => AttrKind::Style,
        "srcset" | "imagesrcset" | "srcdoc" => AttrKind::Closed,
        n if URLS.contains(&n) => AttrKind::Url,
        n if n.starts_with("on") => AttrKind::Closed,
        n if ["src", "uri", "url"].iter().any(|part| n.contains(part)) => AttrKind::Url,
        _ => AttrKind::Plain,
    }
}
