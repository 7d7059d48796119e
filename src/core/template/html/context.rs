//! Where in the HTML one is.

use std::fmt;

use super::escapers::Escaper;

/// The part of HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Between tags.
    Text,
    /// Inside a tag, before an attribute or the end.
    Tag,
    /// Inside an attribute's name.
    AttrName,
    /// After it.
    AfterName,
    /// After `=`.
    BeforeValue,
    /// An attribute's value.
    Attr,
    /// An attribute's value that is a URL.
    Url,
    /// CSS, in an element or an attribute.
    Css,
    /// A string, a comment or `url(…)` in CSS.
    CssInside(CssPart),
    /// A script, in an element or an attribute, or another thing into which no value may be put.
    Closed,
    /// The text of `textarea` and `title`.
    Rcdata,
    /// `<!-- … -->`
    Comment,
    /// After `break` and `continue`.
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CssPart {
    Double,
    Single,
    Comment,
    Url,
}

/// What ends an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delim {
    /// No value is open.
    None,
    Double,
    Single,
    /// A blank, or the tag's end.
    Space,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlPart {
    /// At its start, where a scheme could be.
    None,
    PreQuery,
    QueryOrFragment,
    /// Different in two branches.
    Unknown,
}

/// What an attribute's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttrKind {
    Plain,
    Url,
    Style,
    Closed,
}

/// Elements whose content isn't HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    None,
    Script,
    Style,
    Textarea,
    Title,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) state: State,
    pub(super) delim: Delim,
    pub(super) url: UrlPart,
    pub(super) attr: AttrKind,
    pub(super) element: Element,
}

impl Context {
    pub(super) const TEXT: Self = Self {
        state: State::Text,
        delim: Delim::None,
        url: UrlPart::None,
        attr: AttrKind::Plain,
        element: Element::None,
    };

    /// The context for an action: after `=` it is an attribute's value without quotes.
    pub(super) fn nudged(self) -> Self {
        match self.state {
            State::BeforeValue => self.value(Delim::Space),
            State::Tag | State::AfterName => Self { state: State::AttrName, ..self },
            _ => self,
        }
    }

    /// The start of an attribute's value.
    pub(super) fn value(self, delim: Delim) -> Self {
        let state = match self.attr {
            AttrKind::Plain => State::Attr,
            AttrKind::Url => State::Url,
            AttrKind::Style => State::Css,
            AttrKind::Closed => State::Closed,
        };
        Self { state, delim, url: UrlPart::None, attr: AttrKind::Plain, element: self.element }
    }

    /// After an attribute's value.
    pub(super) fn tag(self) -> Self {
        Self { state: State::Tag, element: self.element, ..Self::TEXT }
    }

    /// After a tag.
    pub(super) fn content(self) -> Self {
        let state = match self.element {
            Element::None => State::Text,
            Element::Script => State::Closed,
            Element::Style => State::Css,
            Element::Textarea | Element::Title => State::Rcdata,
        };
        Self { state, element: self.element, ..Self::TEXT }
    }

    /// What a value goes through here.
    pub(super) fn escapers(self) -> Result<Vec<Escaper>, String> {
        let mut found = Vec::new();
        match self.state {
            State::Text => return Ok(vec![Escaper::Html]),
            State::Rcdata => return Ok(vec![Escaper::Rcdata]),
            State::Comment | State::Dead => return Ok(vec![Escaper::Nothing]),
            State::Attr => {}
            State::Css => found.push(Escaper::CssValue),
            State::Url => match self.url {
                UrlPart::None => found.extend([Escaper::UrlFilter, Escaper::UrlNormalize]),
                UrlPart::PreQuery => found.push(Escaper::UrlNormalize),
                UrlPart::QueryOrFragment => found.push(Escaper::UrlEscape),
                UrlPart::Unknown => {
                    return Err("{{…}} appears in an ambiguous context within a URL".to_owned());
                }
            },
            State::Closed => return Err("{{…}} in a script, an event handler or a srcset".to_owned()),
            State::CssInside(_) => return Err("{{…}} in a string, a comment or a url() of CSS".to_owned()),
            State::Tag | State::AttrName | State::AfterName | State::BeforeValue => {
                return Err("{{…}} in a tag, but not in an attribute's value".to_owned());
            }
        }
        match self.delim {
            Delim::None => {}
            Delim::Space => found.push(Escaper::HtmlNoSpace),
            Delim::Double | Delim::Single => found.push(Escaper::Attr),
        }
        Ok(found)
    }
}

/// The context after two ways; `None` when they differ.
pub(super) fn join(a: Context, b: Context) -> Option<Context> {
    if a == b || b.state == State::Dead {
        return Some(a);
    }
    if a.state == State::Dead {
        return Some(b);
    }
    if (Context { url: b.url, ..a }) == b {
        return Some(Context { url: UrlPart::Unknown, ..a });
    }
    let (c, d) = (a.nudged(), b.nudged());
    if (c, d) == (a, b) { None } else { join(c, d) }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{:?} {:?} {:?} {:?} {:?}}}", self.state, self.delim, self.url, self.attr, self.element)
    }
}
